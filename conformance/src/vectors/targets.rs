//! Vectors of target arithmetic: compact bits, difficulty, hash rate.

use serde_json::{Value as Json, json};
use sv2::wire::{Target, U256};

use super::{File, Group, Outcome, Test, new_file, new_group};

/// `nbits` of a header to a target.
pub(super) const FROM_COMPACT: &str = "compact to target";
/// A target to the `nbits` of a header.
pub(super) const TO_COMPACT: &str = "target to compact";
/// A target to its difficulty.
pub(super) const DIFFICULTY: &str = "target to difficulty";
/// A difficulty to the target of a channel.
pub(super) const FROM_DIFFICULTY: &str = "difficulty to target";
/// A hash rate to the target of a channel.
pub(super) const FROM_HASH_RATE: &str = "hash rate to target";
/// A hash held against a target, both as on the wire.
pub(super) const IS_MET: &str = "hash meets target";

pub(super) fn generate() -> File {
    new_file(
        "targets: compact bits, difficulty, hash rate, comparison",
        &[
            (
                "rounding",
                "the result is not a whole number, or below what fractions hold: a relative error of 1e-6 is harmless",
            ),
            (
                "no-number",
                "zero, negative or endless: what comes out is our choice, refusing is another; dividing by zero is not",
            ),
            ("negative", "the sign bit of the mantissa is set"),
            ("zero", "no hash can meet it"),
            ("overflow", "above 2^256 - 1"),
            (
                "AMB-19",
                "difficulty 1 is 0xffff << 208 (bdiff), as compact bits can express; with all lower bits set (pdiff) results differ by 1.5e-5",
            ),
        ],
        vec![
            from_compact(),
            to_compact(),
            difficulty(),
            from_difficulty(),
            from_hash_rate(),
            is_met(),
        ],
    )
}

fn from_compact() -> Group {
    let rows: &[(&str, u32, &str)] = &[
        ("difficulty-1", 0x1d00_ffff, "the easiest target of the main network"),
        ("regtest", 0x207f_ffff, "the easiest target of regtest"),
        ("signet", 0x1e03_77ae, "the easiest target of signet"),
        ("block-125552", 0x1a44_b9f2, "of a real block"),
        ("one", 0x0300_0001, "the hardest target that a hash can meet but for zero"),
        ("one-shifted", 0x0101_0000, "1, with its digits below the point cut off"),
        ("cut", 0x0112_3456, "two of three digits are below the point"),
        ("largest", 0x2100_ffff, "the largest exponent that fits two digits"),
        ("largest-digit", 0x2200_00ff, "the largest exponent that fits one digit"),
    ];
    let mut tests: Vec<Test> = rows
        .iter()
        .map(|(id, nbits, comment)| {
            let input = json!({ "nbits": compact(*nbits) });
            let expected = read_compact(*nbits).expect("a target");
            Test::new(format!("from-compact/{id}"), *comment, input, expected, Outcome::Valid, &[])
        })
        .collect();
    let refused: &[(&str, u32, &str, &str)] = &[
        ("zero", 0x0000_0000, "zero", "all bits zero"),
        ("zero-mantissa", 0x1d00_0000, "zero", "an exponent alone"),
        ("below-the-point", 0x0100_7fff, "zero", "all digits are below the point"),
        ("negative", 0x0480_0001, "negative", "the sign bit"),
        ("negative-easy", 0x20ff_ffff, "negative", "regtest's bits with the sign bit"),
        ("overflow", 0x2301_0000, "overflow", "2^264"),
        ("overflow-two-digits", 0x2200_8000, "overflow", "the higher of two digits does not fit"),
        ("far-overflow", 0xff12_3456, "overflow", "the largest exponent"),
    ];
    tests.extend(refused.iter().map(|(id, nbits, flag, comment)| {
        let input = json!({ "nbits": compact(*nbits) });
        let expected = read_compact(*nbits).expect_err("no target");
        Test::new(
            format!("from-compact/{id}"),
            *comment,
            input,
            expected,
            Outcome::Invalid,
            &[*flag],
        )
    }));
    new_group(FROM_COMPACT, json!({}), tests)
}

fn read_compact(nbits: u32) -> Result<Json, Json> {
    let target = Target::from_compact(nbits).ok_or_else(|| json!({ "error": "no target" }))?;
    Ok(json!({ "target": target.to_string() }))
}

fn compact(nbits: u32) -> String {
    format!("{nbits:08x}")
}

fn to_compact() -> Group {
    let tests = [
        ("difficulty-1", Target::DIFFICULTY_1, "exactly"),
        ("one", Target::HARDEST, "one digit"),
        ("max", Target::MAX, "2^256 - 1: rounded down, with a zero in front for the sign"),
        ("sign", shifted(0x80, 0), "a leading byte of 0x80 needs a zero in front"),
        ("no-sign", shifted(0x7f, 0), "a leading byte of 0x7f does not"),
        ("rounded-down", shifted(0x1234_5678, 100), "the lower digits are cut off"),
        ("all-ones", shifted(0xffff_ffff, 100), "the lower digits are cut off, not rounded up"),
    ]
    .map(|(id, target, comment)| {
        let input = json!({ "target": target.to_string() });
        Test::new(
            format!("to-compact/{id}"),
            comment,
            input,
            write_compact(target),
            Outcome::Valid,
            &[],
        )
    });
    new_group(TO_COMPACT, json!({}), tests.into())
}

fn write_compact(target: Target) -> Json {
    json!({ "nbits": compact(target.to_compact()) })
}

fn difficulty() -> Group {
    let tests = [
        ("one", Target::DIFFICULTY_1, "difficulty 1"),
        ("pdiff-one", pdiff_one(), "with all lower bits set: a little below 1"),
        ("block-125552", bits(0x1a44_b9f2), "of a real block"),
        ("regtest", bits(0x207f_ffff), "far below 1: a whole number would be 0"),
        ("half", shifted(0xffff, 209), "one half"),
        ("max", Target::MAX, "every hash is a proof"),
    ]
    .map(|(id, target, comment)| {
        let input = json!({ "target": target.to_string() });
        Test::new(
            format!("difficulty/{id}"),
            comment,
            input,
            show_difficulty(target),
            Outcome::Valid,
            &["AMB-19"],
        )
    });
    new_group(DIFFICULTY, json!({}), tests.into())
}

fn show_difficulty(target: Target) -> Json {
    json!({
        "difficulty": format!("{:?}", target.difficulty()),
        "whole": target.difficulty_floor().to_string(),
        "in_2^-64": target.difficulty_fixed().to_string(),
    })
}

fn from_difficulty() -> Group {
    let whole: &[(&str, &str, &str)] = &[
        ("one", "1.0", "difficulty 1"),
        ("two", "2.0", "half the target"),
        ("three", "3.0", "rounded down to a whole target"),
        ("65536", "65536.0", "16 bits less"),
        ("large", "1e12", "a large miner's"),
    ];
    let fractions: &[(&str, &str, &str)] = &[
        ("half", "0.5", "twice the target"),
        ("tenth", "0.1", "below 1, as CPUs and small devices have"),
        ("small", "1e-6", "far below 1: must not become zero"),
        ("fraction", "1234.5678", "a whole number would lose the fraction"),
    ];
    let none: &[(&str, &str, &str)] = &[
        ("zero", "0.0", "no difficulty"),
        ("negative", "-1.0", "no difficulty"),
        ("endless", "inf", "harder than any target"),
    ];
    let mut tests = Vec::new();
    for (rows, result, flags) in [
        (whole, Outcome::Valid, &["AMB-19"][..]),
        (fractions, Outcome::Acceptable, &["rounding", "AMB-19"]),
        (none, Outcome::Acceptable, &["no-number"]),
    ] {
        tests.extend(rows.iter().map(|(id, difficulty, comment)| {
            let input = json!({ "difficulty": difficulty });
            let number = difficulty.parse().expect("a number");
            let expected = json!({ "target": Target::from_difficulty(number).to_string() });
            Test::new(format!("from-difficulty/{id}"), *comment, input, expected, result, flags)
        }));
    }
    new_group(FROM_DIFFICULTY, json!({}), tests)
}

fn from_hash_rate() -> Group {
    let some: &[(&str, &str, &str, &str)] = &[
        ("asic", "2e14", "6.0", "200 TH/s, six shares a minute"),
        ("small", "5e11", "6.0", "500 GH/s"),
        ("cpu", "1e6", "12.0", "1 MH/s"),
        ("fleet", "1e18", "1.0", "1 EH/s behind one channel"),
        ("one-hash-a-share", "1.0", "60.0", "every hash is a share"),
        ("two-hashes-a-share", "2.0", "60.0", "every second hash is a share"),
    ];
    let none: &[(&str, &str, &str, &str)] = &[
        ("no-hash-rate", "0.0", "6.0", "a device that does not say what it can"),
        ("negative", "-1e12", "6.0", "no hash rate"),
        ("no-shares", "1e12", "0.0", "no share is wanted"),
        ("endless", "inf", "6.0", "more than any target can ask for"),
    ];
    let mut tests = Vec::new();
    for (rows, flag) in [(some, "rounding"), (none, "no-number")] {
        tests.extend(rows.iter().map(|(id, hash_rate, shares_per_minute, comment)| {
            let input = json!({ "hash_rate": hash_rate, "shares_per_minute": shares_per_minute });
            let number = |text: &str| text.parse().expect("a number");
            let target = Target::from_hash_rate(number(hash_rate), number(shares_per_minute));
            let expected = json!({ "target": target.to_string() });
            Test::new(
                format!("from-hash-rate/{id}"),
                *comment,
                input,
                expected,
                Outcome::Acceptable,
                &[flag],
            )
        }));
    }
    new_group(FROM_HASH_RATE, json!({}), tests)
}

fn is_met() -> Group {
    let number = |low: u64, high: u64| U256::from_limbs([low, 0, 0, high]);
    let tests = [
        ("equal", number(5, 0), number(5, 0), "a hash equal to the target is a proof"),
        ("above", number(6, 0), number(5, 0), "one more is none"),
        ("below", number(4, 0), number(5, 0), "one less is one"),
        (
            "byte-order",
            number(0, 1),
            number(u64::MAX, 0),
            "a hash that is small only when read in the wrong byte order",
        ),
        (
            "byte-order-2",
            number(u64::MAX, 0),
            number(0, 1),
            "a hash that is large only when read in the wrong byte order",
        ),
        ("max", U256::MAX, U256::MAX, "every hash meets 2^256 - 1"),
        ("zero", U256::ZERO, U256::ZERO, "only zero meets zero"),
    ]
    .map(|(id, hash, target, comment)| {
        let input = json!({ "hash": wire(hash), "target": wire(target) });
        Test::new(
            format!("is-met/{id}"),
            comment,
            input,
            compare(hash, target),
            Outcome::Valid,
            &[],
        )
    });
    new_group(IS_MET, json!({}), tests.into())
}

fn compare(hash: U256, target: U256) -> Json {
    json!({ "is_met": Target(target).is_met_by(&hash) })
}

fn wire(number: U256) -> String {
    super::hex(number.as_le_bytes())
}

fn bits(nbits: u32) -> Target {
    Target::from_compact(nbits).expect("the bits of a network or a block")
}

/// `number << bits`, where nothing falls out.
fn shifted(number: u64, bits: usize) -> Target {
    let mut limbs = [0; 4];
    let (limb, shift) = (bits / 64, bits % 64);
    limbs[limb] = number << shift;
    if shift > 0 && limb < 3 {
        limbs[limb + 1] = number >> (64 - shift);
    }
    Target(U256::from_limbs(limbs))
}

fn pdiff_one() -> Target {
    Target(U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, 0xffff_ffff]))
}

pub(super) fn verify(operation: &str, test: &Test) -> Result<(), String> {
    let number = |name: &str| -> Result<f64, String> {
        test.text(name)?.parse().map_err(|error| format!("input.{name}: {error}"))
    };
    let target = || U256::from_hex(test.text("target")?).map(Target).ok_or("no target".to_owned());
    test.judge(match operation {
        FROM_COMPACT => {
            let nbits = u32::from_str_radix(test.text("nbits")?, 16);
            read_compact(nbits.map_err(|error| format!("input.nbits: {error}"))?)
        }
        TO_COMPACT => Ok(write_compact(target()?)),
        DIFFICULTY => Ok(show_difficulty(target()?)),
        FROM_DIFFICULTY => {
            Ok(json!({ "target": Target::from_difficulty(number("difficulty")?).to_string() }))
        }
        FROM_HASH_RATE => {
            let target = Target::from_hash_rate(number("hash_rate")?, number("shares_per_minute")?);
            Ok(json!({ "target": target.to_string() }))
        }
        IS_MET => {
            let number = |name: &str| {
                let bytes = test.bytes(name)?;
                bytes
                    .try_into()
                    .map(U256::from_le_bytes)
                    .map_err(|_| format!("input.{name}: not 32 bytes"))
            };
            Ok(compare(number("hash")?, number("target")?))
        }
        other => return Err(format!("no operation is called `{other}`")),
    })
}
