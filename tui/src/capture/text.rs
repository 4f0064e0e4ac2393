//! An observation as a line of text, and times.

use std::fmt::{self, Write as _};

use chrono::{DateTime, SecondsFormat};

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
        let at = DateTime::from_timestamp_nanos(self.0.cast_signed());
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}
