//! What is kept of a capture so that any part of it can be shown without the rest: a row for each
//! observation, in chunks of columns, as bytes.
//!
//! - A [`Row`] has what lists and filters ask of every observation: when, where, which message,
//!   channel, job and pair, and where its bytes lie in the capture. Rows of a [`Chunk`] are held
//!   column by column, each as wide as it need be: a filter walks over numbers.
//! - What few rows have stands in an [`Extra`], in the heap of the chunk: findings, what was
//!   derived from the state of the capture, pieces of a message that came in several packets.
//! - The message itself is read again from the capture, and opened with its key, when somebody
//!   looks at it: [`open_again`](crate::read::open_again). No key and no payload is in an index.
//! - State (channels, jobs, shares) is followed once, while the index is made: what a message
//!   means where it stands is in its extra, so that a capture can be entered at any place.
//! - A chunk is at most [`CHUNK`](crate::filter::CHUNK) rows and some megabytes: whoever holds a
//!   capture holds a few of them, and has the others in a file.
//!
//! Bytes of an index are those of a stranger: everything that is read from them is checked, and
//! what is wrong with them is `None`, never a panic.

mod bytes;
mod chunk;
mod extra;
mod row;

#[cfg(test)]
mod tests;

pub use bytes::{Reader, Writer};
pub use chunk::{Change, Chunk, HEAP_LEN_MAX, Loose};
pub use extra::Extra;
pub use row::{Kind, Outcome, Position, Row, Sealed};
