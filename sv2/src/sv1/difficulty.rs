//! Difficulties, the one way in which Stratum V1 says targets.

use std::fmt;

use crate::wire::Target;

/// A share's difficulty: above zero and finite. Like everywhere here it is *bdiff*:
/// difficulty 1 is the target `0xffff << 208` (see [`Target::DIFFICULTY_1`]).
///
/// Printed without exponent, and whole numbers without a point: firmware reads `1024`, and not
/// always `1024.0` or `1e3`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Difficulty(f64);

impl Difficulty {
    /// That of the first blocks.
    pub const ONE: Difficulty = Difficulty(1.0);

    /// `None` if it is zero, negative, infinite or no number.
    pub fn new(difficulty: f64) -> Option<Self> {
        (difficulty > 0.0 && difficulty.is_finite()).then_some(Difficulty(difficulty))
    }

    /// As a number.
    pub fn to_f64(self) -> f64 {
        self.0
    }

    /// The largest target of at least this difficulty, exactly.
    pub fn target(self) -> Target {
        Target::from_difficulty(self.0)
    }

    /// A difficulty whose target is not below `target`, so that what meets `target` meets it,
    /// and hardly above: at most a few units in the last of 53 bits. For a target of zero, that
    /// of the hardest one.
    pub fn of(target: Target) -> Self {
        let target = target.max(Target::HARDEST);
        let mut difficulty = target.difficulty();
        // One quotient rounded to the nearest: a few steps at most.
        while Target::from_difficulty(difficulty) < target {
            difficulty = difficulty.next_down();
        }
        Difficulty(difficulty)
    }

    /// The largest power of two that is not above [`Difficulty::of`]: what every firmware
    /// reads without loss.
    pub fn power_of_two_of(target: Target) -> Self {
        Difficulty::of(target).power_of_two()
    }

    /// The largest power of two that is not above this.
    pub fn power_of_two(self) -> Self {
        // Of a positive normal number: its sign and exponent. No target has a difficulty as
        // small as the subnormal ones.
        let power = f64::from_bits(self.0.to_bits() & 0xfff0_0000_0000_0000);
        Difficulty(power.max(f64::MIN_POSITIVE))
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::U256;

    #[test]
    fn difficulties_are_written_as_firmware_reads_them() {
        for (difficulty, text) in [
            (1.0, "1"),
            (1024.0, "1024"),
            (0.5, "0.5"),
            (931.1, "931.1"),
            (1e6, "1000000"),
            (1e-7, "0.0000001"),
            (18_446_744_073_709_551_616.0, "18446744073709552000"),
        ] {
            assert_eq!(Difficulty::new(difficulty).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_difficulty_is_refused() {
        for difficulty in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Difficulty::new(difficulty), None);
        }
    }

    #[test]
    fn known_targets_have_their_difficulties() {
        for (target, difficulty, power) in [
            (Target::DIFFICULTY_1, 1.0, 1.0),
            (Target::from_difficulty(931.1), 931.1, 512.0),
            (Target::from_difficulty(3.0), 3.0, 2.0),
            (Target::from_difficulty(0.75), 0.75, 0.5),
        ] {
            assert_eq!(Difficulty::of(target).to_f64(), difficulty);
            assert_eq!(Difficulty::power_of_two_of(target).to_f64(), power);
        }
    }

    proptest! {
        #[test]
        fn rounding_never_makes_a_target_harder(bytes: [u8; 32], zero_count in 0_usize..32) {
            let mut bytes = bytes;
            bytes[32 - zero_count..].fill(0);
            let target = Target(U256::from_le_bytes(bytes)).max(Target::HARDEST);

            let difficulty = Difficulty::of(target);
            let power = Difficulty::power_of_two_of(target);

            prop_assert!(difficulty.target() >= target);
            let harder = (0..4).fold(difficulty.to_f64(), |harder, _| harder.next_up());
            prop_assert!(Target::from_difficulty(harder) <= target);
            prop_assert!(power <= difficulty && difficulty.to_f64() < 2.0 * power.to_f64());
            prop_assert_eq!(power.to_f64().log2().fract(), 0.0);
        }
    }
}
