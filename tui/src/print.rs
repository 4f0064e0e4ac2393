//! Standard output. A reader that has gone away (`| head`) has seen enough: no error, no panic.

use std::fmt::Display;
use std::io::Write as _;

/// A line.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// A text that ends its own lines.
pub(crate) fn text(text: impl Display) {
    let _ = write!(anstream::stdout(), "{text}");
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
