//! The few functions of real numbers that a simulation needs, with the same bits everywhere.
//!
//! `f64::ln` and `f64::exp` are the platform's, and platforms differ in the last bit, which is
//! enough to change the order of two events. Here is nothing but additions, multiplications,
//! divisions and square roots, which IEEE 754 rounds the same way everywhere.

/// The natural logarithm of a number above 0 and up to 1, to within 2e-15 of its size, and exact
/// zero for 1.
///
/// A table of 128 intervals and a short polynomial: an exponential draw is the one function that
/// every share pays for.
#[inline]
pub fn ln_unit(unit: f64) -> f64 {
    debug_assert!(unit > 0.0 && unit <= 1.0, "{unit} is not above 0 and up to 1");
    ln_normal(unit)
}

/// The natural logarithm of any positive, finite number. Below 2.3e-308 it is that of 2.3e-308.
pub fn ln(number: f64) -> f64 {
    debug_assert!(number > 0.0 && number.is_finite(), "{number} has no logarithm");
    ln_normal(number.max(f64::MIN_POSITIVE))
}

#[inline]
fn ln_normal(number: f64) -> f64 {
    let bits = number.to_bits();
    // Of the form 2^exponent * mantissa with the mantissa in [11/16, 11/8): numbers near 1 keep
    // exponent 0, and with it their relative precision.
    let shifted = bits.wrapping_sub(MANTISSA_START);
    #[expect(clippy::cast_possible_wrap, reason = "an arithmetic shift is meant")]
    let exponent = (shifted as i64) >> 52;
    let index = (shifted >> (52 - TABLE_BITS)) as usize % TABLE_LEN;
    let mantissa = f64::from_bits(bits.wrapping_sub(shifted & EXPONENT_MASK));
    let (centre, inverse, ln_centre) = TABLE[index];
    // The difference is exact (both lie within a factor of two of each other).
    let r = (mantissa - centre) * inverse;
    let tail = 1.0 / 5.0 + r * (-1.0 / 6.0 + r * (1.0 / 7.0 - r / 8.0));
    let series = r * r * (-0.5 + r * (1.0 / 3.0 + r * (-0.25 + r * tail)));
    #[expect(clippy::cast_precision_loss, reason = "at most 1,074")]
    let exponent = exponent as f64;
    exponent * LN_2 + (ln_centre + (r + series))
}

/// e to the power of `x`, to within 1e-15 of its size; 0 and infinity beyond what 64 bits hold.
pub fn exp(x: f64) -> f64 {
    if x > 709.0 {
        return f64::INFINITY;
    }
    if x < -708.0 {
        return 0.0;
    }
    let halves = (x / LN_2).round();
    let r = (x - halves * LN_2_HIGH) - halves * LN_2_LOW;
    // |r| <= ln(2) / 2: the fourteenth term is below 1e-17. Even and odd terms apart, for the
    // processor to work on both at once.
    let square = r * r;
    let half = |first: usize| {
        let terms = FACTORIALS.iter().skip(first).step_by(2).rev();
        terms.fold(0.0, |sum, term| sum * square + term)
    };
    let sum = half(0) + r * half(1);
    #[expect(clippy::cast_possible_truncation, reason = "at most 1,023")]
    let exponent = halves as i64;
    sum * f64::from_bits(((exponent + 1023) << 52).cast_unsigned())
}

/// `base` to the power of `exponent`; `base` is positive.
pub fn pow(base: f64, exponent: f64) -> f64 {
    exp(exponent * ln(base))
}

/// The value below which a standard normal variable lies with this probability, above 0 and below
/// 1 (Wichura, *Algorithm AS 241: the percentage points of the normal distribution*, 1988): about
/// 16 digits.
pub fn normal_quantile(probability: f64) -> f64 {
    let q = probability - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(r, &CENTRE);
    }
    let tail = if q < 0.0 { probability } else { 1.0 - probability };
    let r = (-ln(tail)).sqrt();
    let value = if r <= 5.0 { ratio(r - 1.6, &NEAR) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -value } else { value }
}

/// Numerator and denominator, lowest power first.
fn ratio(x: f64, (above, below): &([f64; 8], [f64; 8])) -> f64 {
    let evaluate = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
    evaluate(above) / evaluate(below)
}

/// One over the factorials of 0 to 13.
const FACTORIALS: [f64; 14] = {
    let mut inverse = [1.0; 14];
    let mut index = 1;
    while index < 14 {
        inverse[index] = inverse[index - 1] / index as f64;
        index += 1;
    }
    inverse
};

const LN_2: f64 = std::f64::consts::LN_2;
/// The upper bits of ln 2: products with whole numbers up to 2^20 are exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The bits of 11/16.
const MANTISSA_START: u64 = 0x3fe6_0000_0000_0000;
const EXPONENT_MASK: u64 = 0xfff << 52;
const TABLE_BITS: u32 = 7;
const TABLE_LEN: usize = 1 << TABLE_BITS;

/// Of each interval of mantissas: a number in it, one over that, and its logarithm.
static TABLE: [(f64, f64, f64); TABLE_LEN] = table();

const fn table() -> [(f64, f64, f64); TABLE_LEN] {
    let mut table = [(0.0, 0.0, 0.0); TABLE_LEN];
    let mut index = 0;
    while index < TABLE_LEN {
        let width = 1 << (52 - TABLE_BITS);
        let start = f64::from_bits(MANTISSA_START + index as u64 * width);
        let end = f64::from_bits(MANTISSA_START + (index as u64 + 1) * width);
        // Both intervals at 1 take 1 itself: logarithms next to zero stay precise.
        let centre = if start == 1.0 || end == 1.0 { 1.0 } else { (start + end) / 2.0 };
        table[index] = (centre, 1.0 / centre, series_ln(centre));
        index += 1;
    }
    table
}

/// ln x = 2 artanh((x - 1) / (x + 1)), for numbers near 1.
const fn series_ln(x: f64) -> f64 {
    let ratio = (x - 1.0) / (x + 1.0);
    let mut sum = 0.0;
    // Smallest terms first.
    let mut odd = 41_u32;
    loop {
        sum = sum * ratio * ratio + 1.0 / odd as f64;
        if odd == 1 {
            return 2.0 * ratio * sum;
        }
        odd -= 2;
    }
}

#[expect(clippy::excessive_precision, reason = "as published")]
const CENTRE: ([f64; 8], [f64; 8]) = (
    [
        3.387_132_872_796_366_608_0,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083_0e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061_0e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561_0e3,
    ],
);

#[expect(clippy::excessive_precision, reason = "as published")]
const NEAR: ([f64; 8], [f64; 8]) = (
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_90,
        5.769_497_221_460_691_405_50,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_70e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_40e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_40,
        6.897_673_349_851_000_045_50e-1,
        1.481_039_764_274_800_745_90e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946_00e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);

#[expect(clippy::excessive_precision, reason = "as published")]
const FAR: ([f64; 8], [f64; 8]) = (
    [
        6.657_904_643_501_103_777_20,
        5.463_784_911_164_114_369_90,
        1.784_826_539_917_291_335_80,
        2.965_605_718_285_048_912_30e-1,
        2.653_218_952_657_612_309_30e-2,
        1.242_660_947_388_078_438_60e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_90e-1,
        1.369_298_809_227_358_053_10e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591_00e-4,
        1.846_318_317_510_054_681_80e-5,
        1.421_511_758_316_445_888_70e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, relative: f64) -> bool {
        (found - expected).abs() <= relative * expected.abs()
    }

    #[test]
    fn logarithms_agree_with_the_platform_to_fourteen_digits() {
        for index in 1..=20_000 {
            // All sizes, down to the smallest that a draw can take, and closer to 1 each time.
            let small = 2_f64.powf(-53.0 * f64::from(index) / 20_000.0);
            for number in [small, 1.0 - small, f64::from(index) / 20_000.0, 1.0 / small] {
                if number > 0.0 {
                    assert!(near(ln(number), number.ln(), 2e-15), "ln {number}: {}", ln(number));
                }
            }
        }
        assert_eq!(ln_unit(1.0), 0.0);
    }

    #[test]
    fn logarithms_never_fall_where_numbers_rise() {
        let mut last = f64::NEG_INFINITY;
        for step in 0..200_000_u64 {
            // Across the seams of the table: intervals are 2^45 apart.
            let number = f64::from_bits(MANTISSA_START + (step << 35));
            let found = ln(number);
            assert!(found >= last, "at {number}");
            last = found;
        }
    }

    #[test]
    fn exponentials_agree_with_the_platform_to_fourteen_digits() {
        for index in -20_000..=20_000 {
            let x = f64::from(index) * 0.035;
            assert!(near(exp(x), x.exp(), 1e-14), "exp {x}: {} is not {}", exp(x), x.exp());
        }
        assert_eq!((exp(-1e9), exp(1e9)), (0.0, f64::INFINITY));
        assert!(near(pow(3.7, -2.2), 3.7_f64.powf(-2.2), 1e-14));
    }

    #[test]
    fn normal_quantiles_are_those_of_published_tables() {
        for (probability, quantile) in [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_054),
            (0.995, 2.575_829_303_548_900_4),
            (1e-10, -6.361_340_902_404_056),
            (1e-15, -7.941_345_326_170_997),
        ] {
            let found = normal_quantile(probability);
            assert!((found - quantile).abs() < 1e-9, "{probability}: {found}");
        }
    }
}
