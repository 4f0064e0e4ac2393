//! Standard output. A reader that has gone away (`| head`) has seen enough: no error, no panic.
//! Any other failure, a full disk, is told at the end of the program.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::OnceLock;

static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// A line.
pub(crate) fn line(text: impl Display) {
    note(writeln!(anstream::stdout(), "{text}"));
}

/// A text that ends its own lines.
pub(crate) fn text(text: impl Display) {
    note(write!(anstream::stdout(), "{text}"));
}

/// Takes note of how writing to standard output has gone.
pub(crate) fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = FAILURE.set(error);
    }
}

/// What has failed first, in words.
pub(crate) fn failure() -> Option<String> {
    FAILURE.get().map(|error| format!("cannot write to standard output: {error}"))
}

/// Rows with columns of one width: the first `words` columns to the left, numbers to the right.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], words: usize) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < words { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
