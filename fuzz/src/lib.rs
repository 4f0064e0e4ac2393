//! Properties of the protocol library that no input may break: one function for each target
//! in `fuzz_targets/`, which panics when its property does not hold.
//!
//! Inputs are laid out simply, so that seeds can be written by hand: one or two bytes of
//! choices, then what a peer would send. Seeds are in `vectors/fuzz/`.

mod capture;
mod inspect;
mod noise;
mod wire;

pub use capture::{capture_file, capture_stream};
pub use inspect::{filter, index_chunk, inspect};
pub use noise::{connection, noise_handshake, noise_transport};
pub use wire::{dissect, frame, message};

/// Cuts `stream` into segments of `len` bytes; into one if `len` is zero.
fn segments(stream: &[u8], len: u8) -> impl Iterator<Item = &[u8]> {
    stream.chunks(if len == 0 { stream.len().max(1) } else { usize::from(len) })
}
