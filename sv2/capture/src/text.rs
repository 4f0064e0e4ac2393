//! Numbers as people read them: the same in findings, lists and trees.

use sv2::wire::Target;

/// A difficulty with three digits: `16.4k`.
pub fn difficulty(target: &Target) -> String {
    scaled(target.difficulty())
}

/// A number with three digits and a suffix: `71.2k`. What no suffix reaches has an exponent.
pub fn scaled(number: f64) -> String {
    let (suffix, unit) = match number.abs() {
        n if n != 0.0 && !(1e-2..1e21).contains(&n) => return format!("{number:.1e}"),
        n if n >= 1e18 => ("E", 1e18),
        n if n >= 1e15 => ("P", 1e15),
        n if n >= 1e12 => ("T", 1e12),
        n if n >= 1e9 => ("G", 1e9),
        n if n >= 1e6 => ("M", 1e6),
        n if n >= 1e3 => ("k", 1e3),
        _ => ("", 1.0),
    };
    let value = number / unit;
    let digits = if value >= 100.0 { 0 } else { usize::from(value < 10.0) + 1 };
    format!("{value:.digits$}{suffix}")
}

/// Nanoseconds, such as `5.00 ms`.
pub fn duration(nanoseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    seconds(nanoseconds as f64 / 1e9)
}

/// Seconds, such as `3.50 h`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 172_800.0 => format!("{} d", scaled(s / 86_400.0)),
        s if s >= 7200.0 => format!("{} h", scaled(s / 3600.0)),
        s if s >= 120.0 => format!("{} min", scaled(s / 60.0)),
        s if s >= 1.0 => format!("{} s", scaled(s)),
        s if s >= 1e-3 => format!("{} ms", scaled(s * 1e3)),
        s => format!("{} us", scaled(s * 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_letter() {
        let rows = [
            (0.0, "0.00"),
            (0.000_004, "4.0e-6"),
            (1.0, "1.00"),
            (16_384.0, "16.4k"),
            (71_204.1, "71.2k"),
            (999_000.0, "999k"),
            (2.5e15, "2.50P"),
            (1e48, "1.0e48"),
        ];
        for (number, text) in rows {
            assert_eq!(scaled(number), text);
        }
    }

    #[test]
    fn times_have_the_unit_that_people_would_choose() {
        let rows = [
            (0, "0.00 us"),
            (677_000, "677 us"),
            (27_000_000, "27.0 ms"),
            (90_000_000_000, "90.0 s"),
        ];
        for (nanoseconds, text) in rows {
            assert_eq!(duration(nanoseconds), text);
        }
    }
}
