//! A relayed connection whose bytes pass as they are.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::Shared;
use super::event::RelayEvent;
use super::leg::dial;
use super::pump::{End, broken};
use super::record::{self, Leg, Side, Track};
use super::session::both;
use crate::listener;

/// Relays a client to the end. It is one stream for the recorder: the two legs say the same.
pub(super) async fn run(mut down: TcpStream, session: u64, shared: &Shared) {
    // Without an address the client has gone already.
    let Ok(client) = down.peer_addr() else { return };
    let refused = |why: String| shared.tell(RelayEvent::Refused { client, why });
    let mut up = match dial(&shared.upstream, shared).await {
        Ok(stream) => stream,
        Err(failure) => return refused(failure.to_string()),
    };
    let Ok(link) = listener::link(&up) else { return };
    let recorder = shared.recorder.as_ref();
    let tracks = record::tracks(recorder, session * 2, Leg::Down, client, link.peer);
    let [mut from_client, mut from_server] = match tracks {
        Ok(tracks) => tracks,
        Err(not_recorded) => return refused(not_recorded.to_string()),
    };
    shared.tell(RelayEvent::Opened { session, client, server: link.peer });
    let end = {
        let (down_read, down_write) = down.split();
        let (up_read, up_write) = up.split();
        let upwards = splice(Side::Client, down_read, up_write, &mut from_client);
        let downwards = splice(Side::Server, up_read, down_write, &mut from_server);
        both(upwards, downwards).await
    };
    if end.is_reset() {
        let _ = down.set_zero_linger();
        let _ = up.set_zero_linger();
    }
    let why = end.to_string();
    shared.tell(RelayEvent::Closed { session, why, client_frame_count: 0, server_frame_count: 0 });
}

/// Passes bytes on, until the side that sends them ends.
async fn splice(
    from: Side,
    mut socket: ReadHalf<'_>,
    mut other: WriteHalf<'_>,
    track: &mut Track,
) -> End {
    let passing = async {
        let mut buffer = vec![0; READ_LEN];
        loop {
            let len = socket.read(&mut buffer).await.map_err(|error| broken(from, &error))?;
            if len == 0 {
                break;
            }
            // What the socket takes at once need not wait for the recorder. What answers it is read
            // by this task, and so is recorded behind it.
            let sent = match track.comes_first() {
                true => 0,
                false => other.try_write(&buffer[..len]).unwrap_or_default(),
            };
            track.bytes(&buffer[..len], String::new())?;
            let written = other.write_all(&buffer[sent..len]).await;
            written.map_err(|error| broken(from.other(), &error))?;
        }
        other.shutdown().await.map_err(|error: io::Error| broken(from.other(), &error))
    };
    match passing.await {
        Ok(()) => {
            track.end(false);
            End::Finished(from)
        }
        Err(end) => end,
    }
}

/// Bytes that are passed on at once.
const READ_LEN: usize = 1 << 14;
