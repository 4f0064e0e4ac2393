//! What the connections of a capture share: keys, time, and the way out.

use bytes::BytesMut;
use sv2::noise::{AuthorityPublicKey, SEALED_HEADER_LEN};

use super::key_log::{KeyRing, SessionKeys};
use super::reassembly::Place;
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
    /// The nonce of a sealed frame's header (spec 4.6).
    pub nonce: Option<u64>,
}

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
}

/// The same, and who takes what is found.
pub(super) struct Context<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) sink: &'a mut dyn FnMut(&Found<'_>),
}

impl Context<'_> {
    pub(super) fn emit(
        &mut self,
        connection: u32,
        what: What<'_>,
        places: &[Place],
        nonce: Option<u64>,
    ) {
        self.shared.found += 1;
        let observed = Observed { number: self.shared.found, at: self.shared.at, connection, what };
        (self.sink)(&Found { observed, places, nonce });
    }

    /// Looks for the session that `input` is the middle of, a header at its start: by a
    /// checkpoint, else by trying the keys with more nonces at each attempt.
    pub(super) fn attach(
        &mut self,
        input: &[u8],
        attempt: u32,
    ) -> Option<(Direction, u64, SessionKeys)> {
        let mac = input.get(6..SEALED_HEADER_LEN)?.first_chunk()?;
        if let Some(point) = self.shared.keys.checkpoint(mac)
            && let Some(keys) = self.shared.keys.session(&point.session)
        {
            return Some((point.direction, point.nonce, keys.clone()));
        }
        let window = 4096_u64 << (2 * attempt);
        for (_, keys) in self.shared.keys.sessions() {
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                let Some(secret) = keys.transport(direction) else { continue };
                let mut sealed = Sealed::new(secret, 0);
                if sealed.search(input, window * 19, &mut self.shared.attach_trials) {
                    return Some((direction, sealed.nonce(), keys.clone()));
                }
            }
        }
        None
    }
}
