//! What a relay tells whoever records it: bytes of streams, by their place.

use std::net::SocketAddr;
use std::sync::Arc;

use sv2::noise::SessionSecrets;
use sv2::wire::Frame;
use thiserror::Error;

use crate::clock::civil_nanoseconds;
use crate::handshake::Witness;
use crate::tap::KeyLog;

/// Who sends: an end of the relayed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who has dialled the relay.
    Client,
    /// Whom the relay has dialled.
    Server,
}

impl Side {
    /// As rules and notes call it.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }

    /// Whom it sends to.
    pub const fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// A recorded connection: one of the two that a relay is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// From the client to the relay, or through a relay that only passes bytes on.
    Down,
    /// From the relay to the server.
    Up,
}

/// Takes what a relay sees. Called from the connections' own tasks: must not block.
pub trait Recorder: Send + Sync {
    /// Whether it wants frames as they are inside of Noise, instead of the bytes on the wire.
    fn wants_plain(&self) -> bool {
        false
    }

    /// Whether what it does not take must not pass. Others are told of bytes when these are on
    /// their way already: nobody waits for them.
    fn is_strict(&self) -> bool {
        true
    }

    /// Takes a record of a stream; `nanoseconds` are since the Unix epoch and never go back.
    ///
    /// # Errors
    /// [`NotRecorded`], of a recorder that would rather stop what it cannot record: the relay
    /// ends the connection. Others lose the record, and count it.
    fn record(&self, nanoseconds: u64, stream: u64, record: Record) -> Result<(), NotRecorded>;
}

/// What happens to a stream.
#[derive(Clone, Debug)]
pub enum Record {
    /// It begins.
    Opened {
        /// Which leg it is.
        leg: Leg,
        /// Who has opened it.
        client: SocketAddr,
        /// Who has accepted it.
        server: SocketAddr,
    },
    /// Its keys, before the first bytes that they open.
    Secrets(SessionSecrets),
    /// Bytes, or a comment alone.
    Bytes {
        /// Who has sent them.
        from: Side,
        /// Place of the first byte in what this side sends.
        offset: u64,
        /// For people; empty for none.
        comment: String,
        /// In order.
        bytes: Vec<u8>,
    },
    /// A side will send no more.
    Closed {
        /// Which side.
        from: Side,
        /// It broke off.
        is_reset: bool,
    },
}

/// Something could not be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the recording cannot keep up or its disk is full, and what is not recorded must not pass")]
pub struct NotRecorded;

/// What is recorded of one side of one stream.
pub(super) struct Track {
    recorder: Option<Arc<dyn Recorder>>,
    stream: u64,
    from: Side,
    offset: u64,
    is_plain: bool,
    has_ended: bool,
}

/// A stream begins: what is recorded of its client and of its server.
pub(super) fn tracks(
    recorder: Option<&Arc<dyn Recorder>>,
    stream: u64,
    leg: Leg,
    client: SocketAddr,
    server: SocketAddr,
) -> Result<[Track; 2], NotRecorded> {
    if let Some(recorder) = recorder {
        recorder.record(civil_nanoseconds(), stream, Record::Opened { leg, client, server })?;
    }
    Ok([Side::Client, Side::Server].map(|from| Track {
        recorder: recorder.cloned(),
        stream,
        from,
        offset: 0,
        is_plain: recorder.is_some_and(|recorder| recorder.wants_plain()),
        has_ended: false,
    }))
}

impl Track {
    /// Whether bytes of the wire are recorded.
    pub(super) fn takes_wire(&self) -> bool {
        self.recorder.is_some() && !self.is_plain
    }

    /// Whether bytes have to be recorded before they are passed on.
    pub(super) fn comes_first(&self) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| recorder.is_strict())
    }

    /// Whether frames are recorded as they are inside of Noise.
    pub(super) fn takes_plain(&self) -> bool {
        self.recorder.is_some() && self.is_plain
    }

    /// Records bytes, of the kind that the recorder takes.
    pub(super) fn bytes(&mut self, bytes: &[u8], comment: String) -> Result<(), NotRecorded> {
        let Some(recorder) = &self.recorder else { return Ok(()) };
        if bytes.is_empty() && comment.is_empty() {
            return Ok(());
        }
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        let record = Record::Bytes { from: self.from, offset, comment, bytes: bytes.to_vec() };
        recorder.record(civil_nanoseconds(), self.stream, record)
    }

    /// Records a comment behind what was sent last.
    pub(super) fn comment(&mut self, comment: String) -> Result<(), NotRecorded> {
        self.bytes(&[], comment)
    }

    /// The side has ended; without this, dropping the track means that it broke off.
    pub(super) fn end(&mut self, is_reset: bool) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        if let Some(recorder) = &self.recorder {
            // Whoever is told has ended already.
            let record = Record::Closed { from: self.from, is_reset };
            let _ = recorder.record(civil_nanoseconds(), self.stream, record);
        }
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.end(true);
    }
}

/// Records the handshake of one leg.
pub(super) struct Handshake<'a> {
    pub(super) sent: &'a mut Track,
    pub(super) received: &'a mut Track,
    pub(super) key_log: Option<&'a KeyLog>,
    /// What the recorder has refused.
    pub(super) refused: Option<NotRecorded>,
}

impl Handshake<'_> {
    fn keep(&mut self, outcome: Result<(), NotRecorded>) {
        self.refused = self.refused.or(outcome.err());
    }
}

impl Witness for Handshake<'_> {
    fn sending(&mut self, bytes: &[u8]) {
        if self.sent.takes_wire() {
            let outcome = self.sent.bytes(bytes, String::new());
            self.keep(outcome);
        }
    }

    fn receiving(&mut self, bytes: &[u8]) {
        if self.received.takes_wire() {
            let outcome = self.received.bytes(bytes, String::new());
            self.keep(outcome);
        }
    }

    fn secrets(&mut self, secrets: &SessionSecrets) {
        if let Some(key_log) = self.key_log {
            key_log.keep(secrets);
        }
        if self.sent.takes_wire()
            && let Some(recorder) = &self.sent.recorder
        {
            let record = Record::Secrets(secrets.clone());
            let outcome = recorder.record(civil_nanoseconds(), self.sent.stream, record);
            self.keep(outcome);
        }
    }
}

/// Header and payload as they are inside of Noise.
pub(super) fn append_plain(track: &Track, frame: &Frame, plain: &mut Vec<u8>) {
    if track.takes_plain() {
        frame.write(plain);
    }
}
