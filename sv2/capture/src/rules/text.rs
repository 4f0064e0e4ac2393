//! How rules write numbers for people.

use sv2::wire::Target;

/// A difficulty with three digits: `16.4k`.
pub(super) fn difficulty(target: &Target) -> String {
    scaled(target.difficulty())
}

/// A number with three digits and a suffix.
pub(super) fn scaled(number: f64) -> String {
    let (suffix, unit) = match number.abs() {
        n if !(1e-2..1e18).contains(&n) => return format!("{number:.2e}"),
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

/// Nanoseconds as people read them.
pub(super) fn duration(nanoseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    seconds(nanoseconds as f64 / 1e9)
}

/// Seconds as people read them.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 172_800.0 => format!("{} d", scaled(s / 86_400.0)),
        s if s >= 7200.0 => format!("{} h", scaled(s / 3600.0)),
        s if s >= 120.0 => format!("{} min", scaled(s / 60.0)),
        s if s >= 1.0 => format!("{} s", scaled(s)),
        s if s >= 1e-3 => format!("{} ms", scaled(s * 1e3)),
        s => format!("{} us", scaled(s * 1e6)),
    }
}
