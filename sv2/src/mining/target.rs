//! Arithmetic of targets: compact bits, difficulty, hash rate.
//!
//! Difficulty is *bdiff*: difficulty 1 is the target `0xffff << 208`, which compact bits can
//! express. (*pdiff*, with all lower bits set, differs by 1.5e-5: enough to break exact sums;
//! AMB-19.) What is compared or summed is computed in integers; `f64` is for people and for
//! estimates.

use crate::wire::{Target, U256};

impl Target {
    /// The target of difficulty 1.
    pub const DIFFICULTY_1: Target = {
        let mut bytes = [0; 32];
        (bytes[26], bytes[27]) = (0xff, 0xff);
        Target(U256::from_le_bytes(bytes))
    };

    /// The hardest target that is made here: a target of zero has no finite difficulty.
    pub const HARDEST: Target = {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        Target(U256::from_le_bytes(bytes))
    };

    /// From the `nbits` of a header; `None` if they are negative, zero or above 2^256 - 1.
    pub fn from_compact(nbits: u32) -> Option<Target> {
        let exponent = (nbits >> 24) as usize;
        let mantissa = (nbits & 0x007f_ffff).to_le_bytes();
        let is_negative = nbits & 0x0080_0000 != 0;
        let mut bytes = [0; 32];
        for (digit_index, digit) in mantissa.into_iter().take(3).enumerate() {
            // The mantissa's least significant byte weighs 256^(exponent - 3); what falls below
            // the point is cut off.
            match (exponent + digit_index).checked_sub(3) {
                Some(at) if at < 32 => bytes[at] = digit,
                Some(_) if digit != 0 => return None,
                _ => {}
            }
        }
        let target = Target(U256::from_le_bytes(bytes));
        (!is_negative && target.0 != U256::ZERO).then_some(target)
    }

    /// The `nbits` of the largest target that is not above this one and that they can express.
    pub fn to_compact(self) -> u32 {
        let bytes = self.0.to_le_bytes();
        let mut len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        // The mantissa has a sign bit: a leading byte above 0x7f needs a zero in front.
        if len > 0 && bytes[len - 1] > 0x7f {
            len += 1;
        }
        let mantissa = (0..3).fold(0, |mantissa, place| {
            let byte = (len + place).checked_sub(3).and_then(|at| bytes.get(at)).unwrap_or(&0);
            mantissa | u32::from(*byte) << (8 * place)
        });
        #[expect(clippy::cast_possible_truncation, reason = "at most 33")]
        let exponent = len as u32;
        exponent << 24 | mantissa
    }

    /// How many times harder than difficulty 1, rounded; infinite for a target of zero.
    pub fn difficulty(&self) -> f64 {
        to_f64(&Target::DIFFICULTY_1.0) / to_f64(&self.0)
    }

    /// Difficulty in units of 2^-64, rounded down: what is summed exactly and shown as
    /// `sum >> 64`. Saturates above 2^64.
    pub fn difficulty_fixed(&self) -> u128 {
        if self.0 == U256::ZERO {
            return u128::MAX;
        }
        // Long division of 0xffff << (208 + 64), bit by bit; the first bits, of which the target has
        // more, give nothing but zeros.
        let mut zeros = 0;
        for limb in self.0.to_limbs().into_iter().rev() {
            zeros += limb.leading_zeros();
            if limb != 0 {
                break;
            }
        }
        let skipped = 255 - zeros;
        let mut quotient = 0_u128;
        let mut remainder = leading_digits(skipped);
        for place in (0..PLACES - skipped).rev() {
            let digit = place >= SHIFT;
            let (doubled, carry) = double(remainder, digit);
            remainder = doubled;
            if quotient >> 127 != 0 {
                return u128::MAX;
            }
            quotient <<= 1;
            // With a carry the remainder is above 2^256: the wrapping subtraction is right.
            if carry || remainder >= self.0 {
                remainder = wrapping_sub(remainder, self.0);
                quotient |= 1;
            }
        }
        quotient
    }

    /// Whole difficulty, rounded down; saturates at `u64::MAX`. 0 below difficulty 1: for sums
    /// use [`Target::difficulty_fixed`].
    pub fn difficulty_floor(&self) -> u64 {
        u64::try_from(self.difficulty_fixed() >> 64).unwrap_or(u64::MAX)
    }

    /// The largest target of at least this difficulty, exactly: `floor(difficulty_1 / d)`.
    ///
    /// Zero, negative and NaN are no difficulty: [`Target::MAX`]. Above what a target can
    /// express, also infinite: [`Target::HARDEST`].
    pub fn from_difficulty(difficulty: f64) -> Target {
        match divide(0xffff, 208, difficulty) {
            Quotient::Number(target) => Target(target).max(Target::HARDEST),
            Quotient::TooLarge => Target::MAX,
        }
    }

    /// The target that `hash_rate` (hashes per second) meets `shares_per_minute` times a
    /// minute on average.
    ///
    /// Whatever does not come to more than one hash per share (no hash rate, negative or NaN in
    /// either argument) gives [`Target::MAX`]; an infinite hash rate, or a positive one at zero
    /// shares per minute, gives [`Target::HARDEST`].
    pub fn from_hash_rate(hash_rate: f64, shares_per_minute: f64) -> Target {
        Target::from_expected_hashes(hash_rate * 60.0 / shares_per_minute)
    }

    /// The target that takes `hashes` attempts on average; one at most, or NaN, gives
    /// [`Target::MAX`], infinitely many [`Target::HARDEST`].
    pub fn from_expected_hashes(hashes: f64) -> Target {
        match divide(1, 256, hashes) {
            // The hashes that meet a target are one more than its value.
            Quotient::Number(count) if count > U256::ZERO => {
                Target(wrapping_sub(count, Target::HARDEST.0)).max(Target::HARDEST)
            }
            Quotient::Number(_) => Target::HARDEST,
            Quotient::TooLarge => Target::MAX,
        }
    }

    /// How many hashes it takes on average to meet the target: 2^256 / (target + 1).
    pub fn expected_hashes(&self) -> f64 {
        2_f64.powi(256) / (to_f64(&self.0) + 1.0)
    }
}

/// The nearest `f64`.
fn to_f64(number: &U256) -> f64 {
    let limbs = number.to_limbs();
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    let shift = limbs[top].leading_zeros();
    let below = top.checked_sub(1).map_or(0, |next| limbs[next]);
    // The 64 leading bits; the lowest of them stands for all that are cut off, so that the
    // conversion rounds as if it saw them.
    let (kept, cut) = match shift {
        0 => (limbs[top], below),
        _ => (limbs[top] << shift | below >> (64 - shift), below << shift),
    };
    let is_inexact = cut != 0 || limbs.iter().take(top.saturating_sub(1)).any(|limb| *limb != 0);
    let leading = kept | u64::from(is_inexact);
    #[expect(clippy::cast_precision_loss, reason = "rounding to the nearest is the purpose")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "below 256")]
    let value = leading as f64 * 2_f64.powi(64 * top as i32 - shift as i32);
    value
}

enum Quotient {
    /// Rounded down.
    Number(U256),
    /// Above 2^256 - 1, or the divisor is none.
    TooLarge,
}

/// `numerator << shift` divided by a number, exactly.
fn divide(numerator: u64, shift: u32, divisor: f64) -> Quotient {
    if divisor.is_nan() || divisor <= 0.0 {
        return Quotient::TooLarge;
    }
    if divisor.is_infinite() {
        return Quotient::Number(U256::ZERO);
    }
    let (mantissa, exponent) = mantissa_and_exponent(divisor);
    let Some(zeros) = shift.checked_add_signed(-exponent) else {
        // A divisor of at least 2^shift * 2^52: above any numerator that is passed.
        return Quotient::Number(U256::ZERO);
    };
    if zeros > 64 * (DIVIDEND_LIMBS - 1) {
        // The mantissa takes at most 53 bits of that away, and a numerator is at least 1.
        return Quotient::TooLarge;
    }
    // Limb by limb: the remainder is below the mantissa, so that each quotient is one limb.
    let shifted = u128::from(numerator) << (zeros % 64);
    let mut quotient = [0; DIVIDEND_LIMBS as usize + 1];
    let mut remainder = 0;
    for at in (0..quotient.len()).rev() {
        #[expect(clippy::cast_possible_truncation, reason = "a limb of the dividend")]
        let limb = match at.checked_sub((zeros / 64) as usize) {
            Some(0) => shifted as u64,
            Some(1) => (shifted >> 64) as u64,
            _ => 0,
        };
        let dividend = u128::from(remainder) << 64 | u128::from(limb);
        #[expect(clippy::cast_possible_truncation, reason = "both are below 2^64")]
        let (digit, rest) =
            ((dividend / u128::from(mantissa)) as u64, (dividend % u128::from(mantissa)) as u64);
        (quotient[at], remainder) = (digit, rest);
    }
    match quotient {
        [a, b, c, d, 0, 0, 0] => Quotient::Number(U256::from_limbs([a, b, c, d])),
        _ => Quotient::TooLarge,
    }
}

/// Zeros of a dividend that may still give a quotient below 2^256, in limbs.
const DIVIDEND_LIMBS: u32 = 6;

/// `number = mantissa * 2^exponent` for a finite positive number; the mantissa is below 2^53.
fn mantissa_and_exponent(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let biased = (bits >> 52) as i32;
    let fraction = bits & ((1 << 52) - 1);
    match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, biased - 1075),
    }
}

/// So many of the first digits of the dividend of [`Target::difficulty_fixed`].
fn leading_digits(count: u32) -> U256 {
    let ones = count.min(16);
    let zeros = (count - ones) as usize;
    let mut limbs = [0; 4];
    let ones = (1_u128 << ones) - 1;
    let (at, shift) = (zeros / 64, zeros % 64);
    let shifted = ones << shift;
    #[expect(clippy::cast_possible_truncation, reason = "the halves")]
    let halves = [shifted as u64, (shifted >> 64) as u64];
    for (limb, half) in limbs.iter_mut().skip(at).zip(halves) {
        *limb = half;
    }
    U256::from_limbs(limbs)
}

/// Digits of 0xffff << (208 + 64), and how many of them are the zeros behind.
const PLACES: u32 = 16 + SHIFT;
const SHIFT: u32 = 208 + 64;

/// `2 * number + digit` and the bit that fell out.
fn double(number: U256, digit: bool) -> (U256, bool) {
    let mut carry = u64::from(digit);
    let limbs = number.to_limbs().map(|limb| {
        let doubled = limb << 1 | carry;
        carry = limb >> 63;
        doubled
    });
    (U256::from_limbs(limbs), carry != 0)
}

fn wrapping_sub(number: U256, subtrahend: U256) -> U256 {
    let (mut limbs, theirs) = (number.to_limbs(), subtrahend.to_limbs());
    let mut borrow = false;
    for (limb, their) in limbs.iter_mut().zip(theirs) {
        let (once, first) = limb.overflowing_sub(their);
        let (twice, second) = once.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (twice, first || second);
    }
    U256::from_limbs(limbs)
}

#[cfg(test)]
mod tests {
    use bitcoin::pow::{CompactTarget, Target as Oracle};
    use proptest::prelude::*;

    use super::*;

    fn target(limbs: [u64; 4]) -> Target {
        Target(U256::from_limbs(limbs))
    }

    fn any_target() -> impl Strategy<Value = Target> {
        // Targets of every magnitude, not only those near 2^256.
        (any::<[u8; 32]>(), 0_usize..32).prop_map(|(mut bytes, zero_count)| {
            bytes[32 - zero_count..].fill(0);
            Target(U256::from_le_bytes(bytes))
        })
    }

    #[test]
    fn compact_bits_that_are_no_target_are_refused() {
        for (nbits, why) in [
            (0x0000_0000, "zero"),
            (0x0100_0000, "zero mantissa"),
            (0x0100_7fff, "all digits below the point"),
            (0x0480_0001, "negative"),
            (0x2180_0000, "negative zero, out of range"),
            (0x2301_0000, "2^264"),
            (0x2200_8000, "2^271 without its leading zero"),
            (0xff12_3456, "far out of range"),
        ] {
            assert_eq!(Target::from_compact(nbits), None, "{nbits:#010x}: {why}");
        }
    }

    #[test]
    fn compact_bits_at_the_edges_of_their_range_are_read() {
        for (nbits, hex) in [
            (0x0112_3456, "0000000000000000000000000000000000000000000000000000000000000012"),
            (0x0300_0001, "0000000000000000000000000000000000000000000000000000000000000001"),
            (0x1d00_ffff, "00000000ffff0000000000000000000000000000000000000000000000000000"),
            (0x1b04_04cb, "00000000000404cb000000000000000000000000000000000000000000000000"),
            (0x207f_ffff, "7fffff0000000000000000000000000000000000000000000000000000000000"),
            (0x2100_ffff, "ffff000000000000000000000000000000000000000000000000000000000000"),
            (0x2200_00ff, "ff00000000000000000000000000000000000000000000000000000000000000"),
        ] {
            let read = Target::from_compact(nbits).map(|target| target.to_string());
            assert_eq!(read.as_deref(), Some(hex), "{nbits:#010x}");
        }
    }

    #[test]
    fn difficulties_are_those_of_real_blocks() {
        for (nbits, difficulty) in [
            (0x1d00_ffff, 1.0),
            (0x1b04_04cb, 16_307.420_938_523_983),
            (0x1a44_b9f2, 244_112.487_774_348_56),
            (0x1703_4219, 86_388_558_925_171.02),
            (0x207f_ffff, 4.656_542_373_906_925e-10),
        ] {
            let found = Target::from_compact(nbits).unwrap().difficulty();
            assert!((found / difficulty - 1.0).abs() < 1e-12, "{nbits:#010x}: {found}");
        }
    }

    #[test]
    fn a_difficulty_that_is_none_gives_the_easiest_target_and_an_infinite_one_the_hardest() {
        for none in [0.0, -0.0, -1.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
            assert_eq!(Target::from_difficulty(none), Target::MAX, "{none}");
        }
        for endless in [f64::INFINITY, f64::MAX, 1e80] {
            assert_eq!(Target::from_difficulty(endless), Target::HARDEST, "{endless}");
        }
    }

    #[test]
    fn a_hash_rate_that_is_none_gives_the_easiest_target_and_an_infinite_one_the_hardest() {
        for (hash_rate, shares_per_minute) in [
            (0.0, 6.0),
            (-1e12, 6.0),
            (f64::NAN, 6.0),
            (1e12, f64::NAN),
            (1e12, -6.0),
            (0.0, 0.0),
            (1e12, f64::INFINITY),
        ] {
            let target = Target::from_hash_rate(hash_rate, shares_per_minute);
            assert_eq!(target, Target::MAX, "{hash_rate} h/s, {shares_per_minute} per minute");
        }
        assert_eq!(Target::from_hash_rate(f64::INFINITY, 6.0), Target::HARDEST);
        assert_eq!(Target::from_hash_rate(1.0, 0.0), Target::HARDEST);
    }

    #[test]
    fn two_hashes_per_share_give_half_of_all_numbers() {
        assert_eq!(Target::from_expected_hashes(1.0), Target::MAX);
        assert_eq!(
            Target::from_expected_hashes(2.0),
            target([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1])
        );
    }

    #[test]
    fn a_target_of_zero_has_no_finite_difficulty_and_does_not_divide() {
        let zero = Target(U256::ZERO);

        assert_eq!(zero.difficulty(), f64::INFINITY);
        assert_eq!(zero.difficulty_fixed(), u128::MAX);
        assert_eq!(Target::HARDEST.difficulty_floor(), u64::MAX);
    }

    #[test]
    fn a_fixed_point_difficulty_keeps_what_a_whole_one_loses() {
        let easy = target([0, 0, 0, 0xffff << 17]); // difficulty 2^-1

        assert_eq!((easy.difficulty_fixed(), easy.difficulty_floor()), (1 << 63, 0));
        assert_eq!(Target::DIFFICULTY_1.difficulty_fixed(), 1 << 64);
    }

    proptest! {
        #[test]
        fn compact_bits_are_read_as_consensus_reads_them(nbits: u32) {
            let theirs = Oracle::from_compact(CompactTarget::from_consensus(nbits));

            // The oracle keeps a shifted sign bit as a digit, and of overlong bits the lower part.
            match Target::from_compact(nbits) {
                Some(ours) => prop_assert_eq!(ours.0.to_le_bytes(), theirs.to_le_bytes()),
                None => prop_assert!(theirs == Oracle::ZERO || nbits & 0x80_0000 != 0 || nbits >> 24 > 32),
            }
        }

        #[test]
        fn compact_bits_are_written_as_consensus_writes_them(target in any_target()) {
            let theirs = Oracle::from_le_bytes(target.0.to_le_bytes()).to_compact_lossy();

            prop_assert_eq!(target.to_compact(), theirs.to_consensus());
        }

        #[test]
        fn a_whole_difficulty_gives_a_target_of_exactly_that_difficulty(
            difficulty in 1_u64..1 << 52,
        ) {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let target = Target::from_difficulty(difficulty as f64);

            prop_assert_eq!(target.difficulty_floor(), difficulty);
        }

        #[test]
        fn the_fixed_point_difficulty_is_the_rounded_one(digits in 1.0..2.0_f64, power in -30..63) {
            let target = Target::from_difficulty(digits * 2_f64.powi(power));
            let fixed = target.difficulty_fixed();

            #[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
            let float = fixed as f64 / 2_f64.powi(64);

            prop_assert!((float / target.difficulty() - 1.0).abs() < 1e-9);
        }

        #[test]
        fn the_whole_difficulty_is_that_of_the_oracle(
            // From difficulty 1 to 2^56.
            (exponent, mantissa) in prop_oneof![
                (24_u32..29, 1_u32..0x80_0000),
                (Just(29), 1_u32..=0xffff),
            ],
        ) {
            let nbits = exponent << 24 | mantissa;
            let ours = Target::from_compact(nbits).unwrap();
            let theirs = Oracle::from_compact(CompactTarget::from_consensus(nbits));

            prop_assert_eq!(u128::from(ours.difficulty_floor()), theirs.difficulty(bitcoin::Network::Bitcoin));
        }

        #[test]
        fn a_target_made_for_a_hash_rate_takes_as_many_hashes(
            hash_rate in 1e3..1e18_f64, shares_per_minute in 0.1..1e3_f64,
        ) {
            let target = Target::from_hash_rate(hash_rate, shares_per_minute);

            let hashes = hash_rate * 60.0 / shares_per_minute;
            prop_assert!((target.expected_hashes() / hashes - 1.0).abs() < 1e-9);
        }
    }
}
