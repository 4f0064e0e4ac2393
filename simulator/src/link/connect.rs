//! How a connection comes about.

use sv2::time::Instant;

use super::{Delivery, Network, Pipe};

/// A connection that both ends know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// When the dialling end may send.
    pub client: Instant,
    /// When the listening end may.
    pub server: Instant,
}

/// What becomes of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// The other end listens.
    Connected(Connected),
    /// It does not: the client hears so one round trip later.
    Refused(Instant),
    /// Nothing came back.
    TimedOut(Instant),
}

/// Shakes hands (RFC 9293, 3.5): one round trip until the client may send, half a one more until
/// the server knows. What is encrypted takes another, which is that of two messages.
pub fn connect(
    network: &mut Network,
    at: Instant,
    out: &mut Pipe,
    back: &mut Pipe,
    is_listening: bool,
) -> ConnectOutcome {
    let asked = match out.send(network, at, 0) {
        Delivery::Arrives(asked) => asked,
        Delivery::TimesOut(at) => return ConnectOutcome::TimedOut(at),
    };
    let client = match back.send(network, asked, 0) {
        Delivery::Arrives(client) => client,
        Delivery::TimesOut(at) => return ConnectOutcome::TimedOut(at),
    };
    if !is_listening {
        return ConnectOutcome::Refused(client);
    }
    match out.send(network, client, 0) {
        Delivery::Arrives(server) => ConnectOutcome::Connected(Connected { client, server }),
        Delivery::TimesOut(at) => ConnectOutcome::TimedOut(at),
    }
}
