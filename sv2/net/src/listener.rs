//! Accepts connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sv2::connection::{Connection, ResponderSecurity};
use sv2::entropy::Entropy;
use sv2::role::Via;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::sleep;

use crate::admission::Admission;
use crate::host::{ListenerSecurity, Shared, Stop};
use crate::peer::{self, Failure, Opening, Speech};
use crate::tap::Link;

/// Opens a listener at the first address that `address` resolves to and the system gives.
pub(crate) async fn open(address: &str) -> io::Result<TcpListener> {
    let mut outcome = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in lookup_host(address).await? {
        outcome = open_at(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn open_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The next host shall not wait for the last one's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the host stops. Whatever a peer does, the next one is accepted.
pub(crate) async fn listen(
    listener: TcpListener,
    index: u16,
    security: ListenerSecurity,
    admission: Arc<Admission>,
    shared: Arc<Shared>,
    mut entropy: Entropy,
) {
    let mut wait = WAIT_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stopped(Stop::Gracefully) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                wait = WAIT_MIN;
                accept(stream, index, &security, &admission, &shared, &mut entropy);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: the connection stays in the system's queue,
                // and asking again at once would burn a core.
                tracing::error!(host = shared.name, %error, ?wait, "cannot accept connections");
                tokio::select! {
                    () = shared.stopped(Stop::Gracefully) => return,
                    () = sleep(wait) => wait = (wait * 2).min(WAIT_MAX),
                }
            }
        }
    }
}

fn accept(
    stream: TcpStream,
    index: u16,
    security: &ListenerSecurity,
    admission: &Arc<Admission>,
    shared: &Arc<Shared>,
    entropy: &mut Entropy,
) {
    // Without addresses the peer has gone already.
    let Ok(link) = link(&stream) else { return };
    let permit = match admission.admit(link.peer.ip()) {
        Ok(permit) => permit,
        Err(refusal) => {
            shared.counting.refused.add(1);
            shared.note(link, &refusal);
            return;
        }
    };
    let now = shared.clock.now();
    let mut frames = |security| {
        let config = shared.connection_config(shared.limits.accepted_payload_len_max);
        Speech::Frames(Connection::responder(config, security, now, entropy))
    };
    let speech = match security {
        ListenerSecurity::Plain => frames(ResponderSecurity::Plain),
        ListenerSecurity::Noise { suite, certifier } => frames(ResponderSecurity::Noise {
            suite: *suite,
            identity: certifier.identity(now.unix),
        }),
        ListenerSecurity::Sv1 => {
            Speech::Lines(shared.line_config(shared.limits.accepted_line_len_max))
        }
    };
    let opening = Opening { stream, link, speech, to_send: Vec::new(), permit: Some(permit) };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        match peer::run(opening, Via::Listener(index), &shared).await {
            Ok(()) | Err(Failure::Stopped) => {}
            Err(failure) => shared.note(link, &failure),
        }
    });
}

/// The two addresses of a socket; also turns off its delay for small writes.
pub(crate) fn link(stream: &TcpStream) -> io::Result<Link> {
    stream.set_nodelay(true)?;
    Ok(Link { local: stream.local_addr()?, peer: stream.peer_addr()? })
}

/// Errors of a connection that was gone before it was accepted.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Connections that wait to be accepted; the system has a limit of its own (on Linux
/// `net.core.somaxconn`, 4,096). When a pool comes back its whole fleet dials at once: whoever does
/// not find room is not told so, but tries again after 1, 3 and 7 seconds.
const BACKLOG: u32 = 16_384;
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(1);
