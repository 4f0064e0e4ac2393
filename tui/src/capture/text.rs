//! An observation as a line of text, and times.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Datelike as _, Timelike as _};

use crate::inspect::{Entry, describe};

/// Appends the line of an observation, `since_first` nanoseconds after the first one.
pub(crate) fn write_line(out: &mut String, entry: &Entry, since_first: u64) {
    let channel = entry.channel.map_or_else(|| "-".to_owned(), |channel| channel.to_string());
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{:>7} {:>5}.{:06} c{:<3} {} {:<34} ch {channel:<6} {}",
        entry.number,
        since_first / 1_000_000_000,
        since_first % 1_000_000_000 / 1_000,
        entry.connection,
        describe::arrow(entry.direction),
        describe::name(entry),
        entry.info,
    );
}

/// Nanoseconds since the Unix epoch, as RFC 3339 in UTC with all nine digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Utc(pub(crate) u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A line of every message has one: chrono knows the calendar, and its own writing takes
        // longer than all the rest of the line.
        let at = DateTime::from_timestamp_nanos(self.0.cast_signed());
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let fields = [
            (0..4, at.year().unsigned_abs()),
            (5..7, at.month()),
            (8..10, at.day()),
            (11..13, at.hour()),
            (14..16, at.minute()),
            (17..19, at.second()),
            (20..29, at.timestamp_subsec_nanos()),
        ];
        for (place, mut value) in fields {
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let second = 1_000_000_000;
        for at in [0, 1, second - 1, 951_782_399 * second + 7, 1_709_164_800 * second, 1 << 62] {
            let expected = DateTime::from_timestamp_nanos(at as i64)
                .to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);

            assert_eq!(Utc(at).to_string(), expected);
        }
    }
}
