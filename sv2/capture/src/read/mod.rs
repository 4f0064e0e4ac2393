//! Reading captures: packets of a file ([`PacketReader`]), segments of packets, streams of
//! segments, frames and lines of streams ([`Dissector`]).
//!
//! One walk does it all, MACs included: with `ring` a share costs less than a microsecond, so a
//! second walk for verification would cost more than it saves. Nothing is kept of what was
//! found; what is held until it is whole is bounded.

mod connection;
mod context;
mod dissector;
mod file;
mod handshake;
mod kept;
mod key_log;
mod link_layer;
mod reassembly;
mod sealed;
mod stream;

pub use context::{ARENA_LEN, Found, Seal, Sink};
pub use dissector::{CONNECTIONS_MAX, Dissector, Tally};
pub use file::{
    BLOCK_LEN_MAX, FileError, INTERFACES_MAX, Item, Options, Packet, PacketReader, SECRETS_AT,
};
pub use kept::{Keeper, Kept};
pub use key_log::{CHECKPOINTS_MAX, Checkpoint, KeyRing, SESSIONS_MAX, SessionKeys};
pub use link_layer::{NotTcp, Segment, segment};
pub use reassembly::{Piece, Place, WAITING_COUNT_MAX, WAITING_LEN_MAX};
pub use sealed::open_again;
pub use stream::HELD_LEN_MAX;

#[cfg(test)]
mod tests;
