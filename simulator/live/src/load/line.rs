//! What a protocol does on one connection of the fleet, without the socket: bytes go in and out,
//! and shares when they are due. The seam behind which the kinds of devices differ.

use bytes::BytesMut;
use sv2::connection::ConnectionError;
use sv2::sv1::Sv1Error;
use sv2::time::{Instant, Now};
use thiserror::Error;

/// One connection with its devices. After any call, what was appended to `out` is to be sent, and
/// [`Line::due`] is to be asked again.
pub(super) trait Line {
    /// Takes what it can use out of `input`; the rest is given again, with more behind it.
    fn receive(&mut self, now: Now, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<(), End>;

    /// Does a bounded part of what is due.
    fn work(&mut self, now: Now, out: &mut Vec<u8>) -> Result<(), End>;

    /// When [`Line::work`] has something to do.
    fn due(&self) -> Option<Instant>;

    /// From here on nothing new is begun; answers are still counted.
    fn quieten(&mut self);

    /// The connection has ended, with `rest` received and unused. Counts what was under way, and
    /// says what that end means to the protocol.
    fn end(&mut self, end: End, rest: &[u8]) -> End;
}

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum End {
    /// The run is over.
    #[error("closed by us at the end of the run")]
    ByUs,
    #[error("closed by the peer")]
    ByPeer,
    /// TCP did not come about.
    #[error("no TCP connection: {0}")]
    Unconnected(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Line(#[from] Sv1Error),
    /// The pool does not want us, in its own words.
    #[error("{0}")]
    Refused(String),
    /// The pool has not said in time what it had to.
    #[error("no {0} in time")]
    Unanswered(&'static str),
    /// The pool reads so slowly that too much is unsent.
    #[error("the peer does not read: {UNSENT_LEN_MAX} bytes are unsent")]
    Unread,
}

/// Most bytes of one connection that the system has not taken from us.
pub(super) const UNSENT_LEN_MAX: usize = 1 << 20;
