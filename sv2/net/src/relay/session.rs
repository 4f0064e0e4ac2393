//! A relayed connection whose frames pass through our hands: two legs and a pump each way.

use std::net::SocketAddr;

use sv2::entropy::Entropy;
use sv2::role::PeerAddress;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::RelayEvent;
use super::leg::{self, LegFailure};
use super::pump::{End, INJECTED_MAX, Pump};
use super::record::Side;
use super::{HALF_CLOSED_MAX, Shared};

/// What both pumps of a connection know.
pub(super) struct Session<'a> {
    pub(super) number: u64,
    pub(super) client: SocketAddr,
    /// Where the client thinks that its server is.
    pub(super) local: SocketAddr,
    /// Whom we have dialled.
    pub(super) server: PeerAddress,
    pub(super) shared: &'a Shared,
}

/// Relays a client to the end.
pub(super) async fn run(stream: TcpStream, number: u64, shared: &Shared, entropy: Entropy) {
    let addresses = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?)));
    // Without addresses the client has gone already.
    let Ok((client, local)) = addresses else { return };
    let failed = |failure: LegFailure| {
        shared.tell(RelayEvent::Refused { client, why: failure.to_string() });
    };
    let mut entropy = entropy;
    // Who does not even shake hands costs the server nothing.
    let mut down = match leg::down(stream, number, shared, &mut entropy).await {
        Ok(leg) => leg,
        Err(failure) => return failed(failure),
    };
    let route = shared.routes.take(client.ip(), shared.clock.now().instant);
    let server = route.unwrap_or_else(|| shared.upstream.clone());
    let mut up = match leg::up(&server, number, shared, &mut entropy).await {
        Ok(leg) => leg,
        Err(failure) => return failed(failure),
    };
    shared.tell(RelayEvent::Opened { session: number, client, server: up.peer });
    let session = Session { number, client, local, server, shared };
    let (to_server, from_client) = mpsc::channel(INJECTED_MAX);
    let (to_client, from_server) = mpsc::channel(INJECTED_MAX);
    let legs = [(down.peer, down.local), (up.local, up.peer)];
    let injected = [to_server.clone(), to_client.clone()];
    let interception = shared.interception.as_ref();
    let _open = interception.map(|it| it.opened(number, legs, injected));
    let (down_read, down_write) = down.stream.split();
    let (up_read, up_write) = up.stream.split();
    let mut upwards = Pump::new(
        Side::Client,
        &session,
        (down.reader, down_read, down.input, down.received),
        (up.writer, up_write, up.sent),
        (from_client, to_client),
    );
    let mut downwards = Pump::new(
        Side::Server,
        &session,
        (up.reader, up_read, up.input, up.received),
        (down.writer, down_write, down.sent),
        (from_server, to_server),
    );
    let end = both(upwards.run(), downwards.run()).await;
    let (client_frame_count, server_frame_count) = (upwards.frame_count(), downwards.frame_count());
    drop((upwards, downwards));
    if end.is_reset() {
        // What one side has broken off, the other one sees broken off.
        let _ = down.stream.set_zero_linger();
        let _ = up.stream.set_zero_linger();
    }
    let why = end.to_string();
    let closed =
        RelayEvent::Closed { session: number, why, client_frame_count, server_frame_count };
    shared.tell(closed);
}

/// Runs both directions, until both sides have ended or something has gone wrong.
pub(super) async fn both(
    upwards: impl Future<Output = End>,
    downwards: impl Future<Output = End>,
) -> End {
    tokio::pin!(upwards, downwards);
    let (first, other) = tokio::select! {
        end = &mut upwards => match end {
            End::Finished(_) => (end, timeout(HALF_CLOSED_MAX, downwards).await),
            end => return end,
        },
        end = &mut downwards => match end {
            End::Finished(_) => (end, timeout(HALF_CLOSED_MAX, upwards).await),
            end => return end,
        },
    };
    match (first, other) {
        (End::Finished(side), Err(_)) => End::HalfClosed(side),
        (first, Ok(End::Finished(_))) => first,
        (first, Err(_)) => first,
        (_, Ok(end)) => end,
    }
}
