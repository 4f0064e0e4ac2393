//! An observation as a line of text, and times.

use std::fmt::{self, Write};

use chrono::{DateTime, Datelike as _, Timelike as _};

use crate::inspect::{Entry, describe};

/// Appends the line of an observation, `since_first` nanoseconds after the first one.
pub(crate) fn write_line(out: &mut impl Write, entry: &Entry, since_first: u64) {
    let channel = entry.channel.map_or_else(|| "-".to_owned(), |channel| channel.to_string());
    // Writing to memory does not fail.
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
        f.write_str(UtcClock::default().text(self.0))
    }
}

/// Writes one time after the other: the calendar is asked once for each second, for chrono's answer
/// takes as long as all the rest of a line, and its own writing longer.
#[derive(Debug)]
pub(crate) struct UtcClock {
    second: Option<i64>,
    text: [u8; 30],
}

impl Default for UtcClock {
    fn default() -> Self {
        UtcClock { second: None, text: *b"0000-00-00T00:00:00.000000000Z" }
    }
}

impl UtcClock {
    /// As [`Utc`] is shown.
    pub(crate) fn text(&mut self, nanoseconds: u64) -> &str {
        // As signed numbers, beyond the year 2262 they are far in the past.
        let at = nanoseconds.cast_signed();
        let second = at.div_euclid(SECOND);
        if self.second != Some(second) {
            self.second = Some(second);
            let at = DateTime::from_timestamp_nanos(at);
            let fields = [
                (0..4, at.year().unsigned_abs()),
                (5..7, at.month()),
                (8..10, at.day()),
                (11..13, at.hour()),
                (14..16, at.minute()),
                (17..19, at.second()),
            ];
            fields
                .into_iter()
                .for_each(|(place, value)| write_digits(&mut self.text[place], value));
        }
        let fraction = u32::try_from(at.rem_euclid(SECOND)).unwrap_or_default();
        write_digits(&mut self.text[20..29], fraction);
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

fn write_digits(text: &mut [u8], mut value: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// In nanoseconds.
const SECOND: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let second = 1_000_000_000;
        let mut clock = UtcClock::default();
        for at in [0, 1, second - 1, 951_782_399 * second + 7, 1_709_164_800 * second, 1 << 62] {
            let expected = DateTime::from_timestamp_nanos(at as i64)
                .to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);

            assert_eq!(Utc(at).to_string(), expected);
            assert_eq!(clock.text(at), expected);
        }
    }
}
