//! What the connections of a capture share: keys, time, and the way out.

use bytes::BytesMut;
use sv2::noise::{ACT_1_LEN, AuthorityPublicKey, CipherSuite, SEALED_HEADER_LEN};

use super::key_log::{KeyRing, SessionKeys};
use super::reassembly::{Piece, Place};
use super::sealed::Sealed;
use crate::Direction;
use crate::observed::{Observed, What};

/// An observation, and where it comes from.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// What was found.
    pub observed: Observed<'a>,
    /// The packets that brought it, in the order of the stream; none where that says nothing.
    pub places: &'a [Place],
    /// The bytes of a frame as sent, or of a line, in the order of the stream.
    pub pieces: &'a [Piece],
    /// Of a frame that was sealed.
    pub seal: Option<Seal<'a>>,
    /// Whether the payload of the frame is as sent, for [`Kept::open`](super::Kept::open): nobody
    /// has looked at its MACs, and its integrity is that of the header.
    pub is_left_sealed: bool,
}

/// What opens a sealed frame (spec 4.6).
#[derive(Clone, Copy)]
pub struct Seal<'a> {
    /// Of the header; those of the payload follow.
    pub nonce: u64,
    /// Which cipher.
    pub suite: CipherSuite,
    /// Act 1 of the session, which is its name in key logs.
    pub session: &'a [u8; ACT_1_LEN],
    /// The key of the direction.
    pub secret: &'a [u8; 32],
}

impl std::fmt::Debug for Seal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").field("nonce", &self.nonce).finish_non_exhaustive()
    }
}

/// Where an observation comes from, as in [`Found`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin<'a> {
    pub(super) places: &'a [Place],
    pub(super) pieces: &'a [Piece],
    pub(super) seal: Option<Seal<'a>>,
    pub(super) is_left_sealed: bool,
}

/// Room in which payloads are put, in bytes: those of one room count together who holds any of them.
/// Longer, and who reads would often count in the room that another thread lets go of; shorter, and
/// it would be made too often.
pub const ARENA_LEN: usize = 8 << 10;

/// Takes what is found, in the order of the capture.
pub type Sink<'a> = dyn FnMut(&Found<'_>) + 'a;

/// What all connections need.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keys: KeyRing,
    pub(super) authority: Option<AuthorityPublicKey>,
    /// Of the packet that is looked at.
    pub(super) at: u64,
    /// Where payloads are opened.
    pub(super) arena: BytesMut,
    pub(super) found: u64,
    /// Headers that may still be tried for sessions whose beginning was not captured.
    pub(super) attach_trials: u32,
    /// Sealed payloads are shown as sent.
    pub(super) leaves_payloads: bool,
}

/// The same, and who takes what is found.
pub(super) struct Context<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) sink: &'a mut dyn FnMut(&Found<'_>),
}

/// The way out alone.
pub(super) struct Out<'a> {
    found: &'a mut u64,
    at: u64,
    sink: &'a mut dyn FnMut(&Found<'_>),
}

impl Out<'_> {
    pub(super) fn emit(&mut self, connection: u32, what: What<'_>, origin: Origin<'_>) {
        *self.found += 1;
        let observed = Observed { number: *self.found, at: self.at, connection, what };
        let Origin { places, pieces, seal, is_left_sealed } = origin;
        (self.sink)(&Found { observed, places, pieces, seal, is_left_sealed });
    }
}

impl Context<'_> {
    pub(super) fn emit(&mut self, connection: u32, what: What<'_>, origin: Origin<'_>) {
        self.split().1.emit(connection, what, origin);
    }

    /// Where payloads are opened, and the way out.
    pub(super) fn split(&mut self) -> (&mut BytesMut, Out<'_>) {
        let Shared { arena, found, at, .. } = &mut *self.shared;
        (arena, Out { found, at: *at, sink: &mut *self.sink })
    }

    /// Looks for the session that `input` is the middle of, a header at its start: by a
    /// checkpoint, else by trying the keys with more nonces at each attempt.
    pub(super) fn attach(
        &mut self,
        input: &[u8],
        attempt: u32,
    ) -> Option<(Direction, u64, [u8; ACT_1_LEN], SessionKeys)> {
        let mac = input.get(6..SEALED_HEADER_LEN)?.first_chunk()?;
        if let Some(point) = self.shared.keys.checkpoint(mac)
            && let Some(keys) = self.shared.keys.session(&point.session)
        {
            return Some((point.direction, point.nonce, point.session, keys.clone()));
        }
        let window = 4096_u64 << (2 * attempt);
        for (session, keys) in self.shared.keys.sessions() {
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                let Some(secret) = keys.transport(direction) else { continue };
                let mut sealed = Sealed::new(*session, secret, 0);
                if sealed.search(input, window * 19, &mut self.shared.attach_trials) {
                    return Some((direction, sealed.nonce(), *session, keys.clone()));
                }
            }
        }
        None
    }
}
