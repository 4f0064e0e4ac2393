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
