//! Opens the connections that a role asks for.

use std::sync::Arc;
use std::time::Duration;

use sv2::connection::{Connection, InitiatorSecurity};
use sv2::entropy::Entropy;
use sv2::role::{DialFailure, DialId, PeerAddress, Via};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::handshake::HandshakeFailure;
use crate::host::{DialSecurity, Inbound, Shared, Stop};
use crate::listener::link;
use crate::peer::{self, Failure, Opening, Speech};

/// Dials once; trying again is the role's business. Runs until the connection ends.
pub(crate) async fn dial(
    dial: DialId,
    peer: PeerAddress,
    shared: Arc<Shared>,
    mut entropy: Entropy,
) {
    let outcome = tokio::select! {
        () = shared.stopped(Stop::Gracefully) => return,
        outcome = connect(&peer, shared.limits.connect_timeout) => outcome,
    };
    let reason = match outcome {
        Ok(stream) => match open(stream, &peer, &shared, &mut entropy) {
            Ok(opening) => match peer::run(opening, Via::Dial(dial), &shared).await {
                Ok(()) => return,
                Err(Failure::Handshake(HandshakeFailure::Connection(error))) => {
                    DialFailure::Connection(error)
                }
                Err(Failure::Handshake(HandshakeFailure::Socket(error))) => {
                    unreachable(&peer, error)
                }
                Err(Failure::Stopped) => return,
            },
            Err(error) => unreachable(&peer, error),
        },
        Err(error) => unreachable(&peer, error),
    };
    let _ = shared.inbound.send(Inbound::DialFailed { dial, reason }).await;
}

/// Resolves a name and opens a socket, within `patience`.
pub(crate) async fn connect(peer: &PeerAddress, patience: Duration) -> std::io::Result<TcpStream> {
    let connecting = TcpStream::connect((peer.host.as_str(), peer.port));
    timeout(patience, connecting).await.unwrap_or_else(|_| {
        let what = format!("no answer within {} s", patience.as_secs_f32());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
    })
}

fn open(
    stream: TcpStream,
    peer: &PeerAddress,
    shared: &Shared,
    entropy: &mut Entropy,
) -> std::io::Result<Opening> {
    let link = link(&stream)?;
    let mut to_send = Vec::new();
    let mut frames = |security| {
        let config = shared.connection_config(shared.limits.dialled_payload_len_max);
        let now = shared.clock.now();
        Speech::Frames(Connection::initiator(config, security, now, entropy, &mut to_send))
    };
    let speech = match shared.dial_security {
        DialSecurity::Plain => frames(InitiatorSecurity::Plain),
        DialSecurity::Noise(suite) => {
            frames(InitiatorSecurity::Noise { suite, authority: peer.authority })
        }
        DialSecurity::Sv1 => Speech::Lines(shared.line_config(shared.limits.dialled_line_len_max)),
    };
    Ok(Opening { stream, link, speech, to_send, permit: None })
}

fn unreachable(peer: &PeerAddress, error: impl std::fmt::Display) -> DialFailure {
    DialFailure::Unreachable(format!("{}:{}: {error}", peer.host, peer.port))
}
