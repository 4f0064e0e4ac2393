//! Accepts connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sv2::connection::{Connection, ResponderSecurity};
use sv2::entropy::Entropy;
use sv2::role::Via;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::admission::Admission;
use crate::host::{ListenerSecurity, Shared, Stop};
use crate::peer::{self, Failure, Opening, Speech};
use crate::tap::Link;

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

const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(1);
