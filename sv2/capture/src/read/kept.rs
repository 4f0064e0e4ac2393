//! Observations that outlive what they were read from, to be looked at elsewhere: on another thread,
//! where sealed payloads are opened too.

use std::sync::Arc;

use bytes::BytesMut;
use sv2::noise::{ACT_1_LEN, CipherKey, CipherSuite};
use sv2::wire::Frame;
use zeroize::Zeroizing;

use super::context::{Found, Seal};
use super::dissector::CONNECTIONS_MAX;
use super::reassembly::{Piece, Place};
use super::sealed;
use crate::observed::{Integrity, Observed, What};
use crate::{ById, Direction};

/// Keeps observations; the keys of sessions are held once, while their connections last and as long
/// as what was kept needs them.
#[derive(Debug, Default)]
pub struct Keeper {
    /// By connection; of client and server.
    keys: ById<[Option<Arc<Key>>; 2]>,
}

/// An observation.
#[derive(Debug)]
pub struct Kept {
    number: u64,
    at: u64,
    connection: u32,
    what: KeptWhat,
    places: Few<Place>,
    pieces: Few<Piece>,
    /// The nonce of a sealed frame, and what opens it.
    seal: Option<(u64, Arc<Key>)>,
    is_left_sealed: bool,
}

#[derive(Debug)]
enum KeptWhat {
    Frame { direction: Direction, frame: Frame, integrity: Integrity },
    Line { direction: Direction, line: Vec<u8> },
    Other(Box<What<'static>>),
}

/// Most messages come in one packet and lie in one piece.
#[derive(Debug)]
enum Few<T> {
    One([T; 1]),
    Other(Box<[T]>),
}

impl<T: Copy> Few<T> {
    fn of(all: &[T]) -> Self {
        match all {
            [one] => Few::One([*one]),
            other => Few::Other(other.into()),
        }
    }

    fn as_slice(&self) -> &[T] {
        match self {
            Few::One(one) => one,
            Few::Other(all) => all,
        }
    }
}

/// Of one direction of a session.
struct Key {
    suite: CipherSuite,
    session: [u8; ACT_1_LEN],
    secret: Zeroizing<[u8; 32]>,
    cipher: CipherKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    fn of(seal: Seal<'_>) -> Self {
        let Seal { suite, session, secret, .. } = seal;
        let cipher = CipherKey::new(suite, secret);
        Key { suite, session: *session, secret: Zeroizing::new(*secret), cipher }
    }

    fn is_of(&self, seal: Seal<'_>) -> bool {
        self.suite == seal.suite
            && *self.secret == *seal.secret
            && self.session[..] == seal.session[..]
    }
}

impl Keeper {
    /// Keeps what was found.
    pub fn keep(&mut self, found: &Found<'_>) -> Kept {
        let Observed { number, at, connection, what } = &found.observed;
        let other = |what| KeptWhat::Other(Box::new(what));
        let kept = match what {
            What::Frame { direction, frame, integrity } => KeptWhat::Frame {
                direction: *direction,
                frame: Frame::clone(frame),
                integrity: *integrity,
            },
            What::Line { direction, line } => {
                KeptWhat::Line { direction: *direction, line: line.to_vec() }
            }
            What::Opened { client, server, from_the_start, is_selection, is_redacted } => {
                other(What::Opened {
                    client: *client,
                    server: *server,
                    from_the_start: *from_the_start,
                    is_selection: *is_selection,
                    is_redacted: *is_redacted,
                })
            }
            What::Handshake(seen) => other(What::Handshake(seen.clone())),
            What::Opaque { direction, len } => {
                other(What::Opaque { direction: *direction, len: *len })
            }
            What::Gap { direction, len, resynced } => {
                other(What::Gap { direction: *direction, len: *len, resynced: *resynced })
            }
            What::Closed { by, reset } => other(What::Closed { by: *by, reset: *reset }),
        };
        if let What::Closed { .. } = what {
            self.keys.remove(*connection);
        }
        let is_down = what.direction() == Some(Direction::ServerToClient);
        Kept {
            number: *number,
            at: *at,
            connection: *connection,
            what: kept,
            places: Few::of(found.places),
            pieces: Few::of(found.pieces),
            seal: found.seal.map(|seal| (seal.nonce, self.key(*connection, is_down, seal))),
            is_left_sealed: found.is_left_sealed,
        }
    }

    fn key(&mut self, connection: u32, is_down: bool, seal: Seal<'_>) -> Arc<Key> {
        if self.keys.len() > CONNECTIONS_MAX {
            // Of those whose end was not captured; the others make theirs anew.
            self.keys = ById::default();
        }
        let keys = self.keys.get_or_insert_with(connection, Default::default);
        let known = &mut keys[usize::from(is_down)];
        match known {
            Some(key) if key.is_of(seal) => Arc::clone(key),
            _ => Arc::clone(known.insert(Arc::new(Key::of(seal)))),
        }
    }
}

impl Kept {
    /// Opens a payload that was left sealed, in `arena`, and checks its MACs; nothing else needs it.
    /// The arena is made with [`ARENA_LEN`](super::ARENA_LEN): otherwise it has room for one payload.
    pub fn open(&mut self, arena: &mut BytesMut) {
        if !std::mem::take(&mut self.is_left_sealed) {
            return;
        }
        if let (KeptWhat::Frame { frame, integrity, .. }, Some((nonce, key))) =
            (&mut self.what, &self.seal)
        {
            // The header has a nonce of its own.
            let (payload, is_authentic) =
                sealed::open_payload(&key.cipher, nonce + 1, &frame.payload, arena);
            frame.payload = payload;
            if !is_authentic {
                *integrity = Integrity::Bad;
            }
        }
    }

    /// Bytes of what was said.
    pub fn held_len(&self) -> usize {
        match &self.what {
            KeptWhat::Frame { frame, .. } => frame.payload.len(),
            KeptWhat::Line { line, .. } => line.len(),
            KeptWhat::Other(_) => 0,
        }
    }

    /// As it was found.
    pub fn found(&self) -> Found<'_> {
        let what = match &self.what {
            KeptWhat::Frame { direction, frame, integrity } => {
                What::Frame { direction: *direction, frame, integrity: *integrity }
            }
            KeptWhat::Line { direction, line } => What::Line { direction: *direction, line },
            KeptWhat::Other(what) => What::clone(what),
        };
        let Kept { number, at, connection, is_left_sealed, .. } = *self;
        let seal = self.seal.as_ref().map(|(nonce, key)| {
            let Key { suite, session, secret, .. } = &**key;
            Seal { nonce: *nonce, suite: *suite, session, secret }
        });
        Found {
            observed: Observed { number, at, connection, what },
            places: self.places.as_slice(),
            pieces: self.pieces.as_slice(),
            seal,
            is_left_sealed,
        }
    }
}
