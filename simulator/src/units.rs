//! Numbers with units, as people write and read them: `20ms`, `1MH/s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Hashes per second; finite and not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct HashRate(f64);

impl HashRate {
    /// From a number of hashes per second; what is no number, or below zero, is zero.
    pub fn new(hashes_per_second: f64) -> Self {
        // A zero of either sign becomes the one without.
        HashRate(if hashes_per_second > 0.0 && hashes_per_second.is_finite() {
            hashes_per_second
        } else {
            0.0
        })
    }

    /// Hashes per second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for HashRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, &HASH_RATE_UNITS, HASH_RATE_MAX).map(HashRate).ok_or_else(|| {
            format!("expected a hash rate such as \"50kH/s\" or \"1.5TH/s\", got \"{text}\"")
        })
    }
}

/// Three digits that matter: `198 kH/s`.
impl fmt::Display for HashRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // From the largest unit down; what is less than all of them stays in the smallest.
        let (unit, factor) = HASH_RATE_UNITS
            .into_iter()
            .rev()
            .find(|(_, factor)| self.0 >= *factor)
            .unwrap_or(HASH_RATE_UNITS[0]);
        let number = self.0 / factor;
        let decimals = if number >= 100.0 || self.0 == 0.0 { 0 } else { 1 };
        f.pad(&format!("{number:.decimals$} {unit}"))
    }
}

/// Bits per second, above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Bandwidth(f64);

impl Bandwidth {
    /// From bits per second; `None` unless above zero and finite.
    pub fn new(bits_per_second: f64) -> Option<Self> {
        let is_rate = bits_per_second > 0.0 && bits_per_second.is_finite();
        is_rate.then_some(Bandwidth(bits_per_second))
    }

    /// Bits per second.
    pub fn per_second(self) -> f64 {
        self.0
    }

    /// How long so many bytes take, in nanoseconds.
    #[inline]
    pub fn transfer(self, bytes: u64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody sends petabytes at once")]
        let nanoseconds = bytes as f64 * 8e9 / self.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let whole = (nanoseconds + 0.5) as u64;
        whole
    }
}

impl FromStr for Bandwidth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = scaled(text, &BANDWIDTH_UNITS, BANDWIDTH_MAX);
        match number.map(Bandwidth::new) {
            Some(Some(bandwidth)) => Ok(bandwidth),
            Some(None) => Err(format!("nothing passes at \"{text}\": expected more than zero")),
            None => Err(format!(
                "expected a bandwidth such as \"256kbit\" or \"1Gbit\", got \"{text}\""
            )),
        }
    }
}

/// A span of time, such as `20ms` or `10min`.
///
/// # Errors
/// What was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let nanoseconds = scaled(text, &DURATION_UNITS, NANOSECONDS_MAX).ok_or_else(|| {
        format!("expected a duration such as \"20ms\", \"10s\" or \"5min\", got \"{text}\"")
    })?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    Ok(Duration::from_nanos(nanoseconds.round() as u64))
}

/// A number and its unit, multiplied; `None` if either is missing, or the product is not in
/// `0..=max`.
fn scaled(text: &str, units: &[(&str, f64)], max: f64) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))?;
    let number: f64 = text[..end].replace('_', "").parse().ok()?;
    let unit = text[end..].trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number * factor).filter(|product| (0.0..=max).contains(product))
}

const DURATION_UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("min", 60e9),
    ("m", 60e9),
    ("h", 3_600e9),
    ("d", 86_400e9),
];

/// Ascending.
const HASH_RATE_UNITS: [(&str, f64); 7] = [
    ("H/s", 1.0),
    ("kH/s", 1e3),
    ("MH/s", 1e6),
    ("GH/s", 1e9),
    ("TH/s", 1e12),
    ("PH/s", 1e15),
    ("EH/s", 1e18),
];

/// Ascending, per second.
const BANDWIDTH_UNITS: [(&str, f64); 4] =
    [("bit", 1.0), ("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9)];

/// A century: longer than any run, and far below what 64 bits of nanoseconds hold.
const NANOSECONDS_MAX: f64 = 100.0 * 365.0 * 86_400e9;
/// A terabit per second.
const BANDWIDTH_MAX: f64 = 1e12;
/// A thousand times what the world had in 2026.
const HASH_RATE_MAX: f64 = 1e24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, expected) in [
            ("20ms", Duration::from_millis(20)),
            ("1.5 s", Duration::from_millis(1_500)),
            ("10min", Duration::from_secs(600)),
            ("1_000us", Duration::from_millis(1)),
            ("2d", Duration::from_secs(172_800)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_what_one_is() {
        for text in ["10", "s", "", "-1s", "1.5.1s", "10 parsecs", "200000000h"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.starts_with("expected a duration such as"), "{text}: {error}");
        }
    }

    #[test]
    fn bandwidths_are_bits_a_second_and_never_zero() {
        let gigabit: Bandwidth = "1Gbit".parse().unwrap();

        assert_eq!(gigabit.transfer(125), 1_000);
        assert!("0kbit".parse::<Bandwidth>().unwrap_err().contains("more than zero"));
        assert!("1GB".parse::<Bandwidth>().unwrap_err().contains("expected a bandwidth"));
    }

    #[test]
    fn hash_rates_are_read_and_shown_in_the_unit_that_fits() {
        for (text, shown) in [
            ("0H/s", "0 H/s"),
            ("7.25H/s", "7.2 H/s"),
            ("50kH/s", "50.0 kH/s"),
            ("1_500 kH/s", "1.5 MH/s"),
            ("200TH/s", "200 TH/s"),
        ] {
            assert_eq!(text.parse::<HashRate>().unwrap().to_string(), shown, "{text}");
        }
        assert!("50".parse::<HashRate>().unwrap_err().contains("expected a hash rate"));
    }
}
