//! A host on which lines of Stratum V1 are spoken.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sv2::event::Event;
use sv2::message::Message;
use sv2::noise::SessionSecrets;
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role, Via};
use sv2::sv1::Sv1Error;
use sv2::time::{Instant, Now};
use sv2::wire::{Frame, Tlvs};
use sv2_net::host::{Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::limits::Limits;
use sv2_net::tap::{Direction, Link, Tap, Trace};
use sv2_net::world::Worlds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::closed;

/// Gives lines back; sends a frame, or more than anyone reads, where it is asked to.
#[derive(Default)]
struct LineEcho {
    flooded: Option<ConnectionId>,
    now: Instant,
}

impl Role for LineEcho {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.now = now.instant;
        match input {
            Input::Line { connection, line } => match &line[..] {
                b"flood" => self.flooded = Some(connection),
                b"frame" => {
                    let frame = Frame { extension_type: 0, message_type: 0, payload: Bytes::new() };
                    out.put(Output::Forward { connection, frame });
                }
                _ => out.put(Output::Line { connection, line }),
            },
            Input::Closed { connection, reason } => {
                self.flooded.take_if(|flooded| *flooded == connection);
                out.tell(Event::ConnectionClosed { connection, reason });
            }
            _ => {}
        }
        if let Some(connection) = self.flooded {
            out.put(Output::Line { connection, line: Bytes::from(vec![b'x'; 50_000]) });
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.flooded.map(|_| self.now)
    }
}

/// What was seen, in order.
#[derive(Default)]
struct Recorder {
    lines: Mutex<Vec<(Direction, String)>>,
    bytes: Mutex<Vec<(Direction, u8)>>,
}

impl Trace for Recorder {
    fn message(&self, _: Now, _: Link, _: Direction, message: &Message, _: &Tlvs) {
        panic!("{} is no line", message.name());
    }

    fn line(&self, _: Now, _: Link, direction: Direction, line: &[u8]) {
        let line = String::from_utf8(line.to_vec()).unwrap();
        self.lines.lock().unwrap().push((direction, line));
    }
}

impl Tap for Recorder {
    fn opened(&self, _: Now, _: Link, _: Via) {}

    fn bytes(&self, _: Now, _: Link, direction: Direction, bytes: &[u8]) {
        self.bytes.lock().unwrap().extend(bytes.iter().map(|byte| (direction, *byte)));
    }

    fn secrets(&self, _: Now, _: Link, _: &SessionSecrets) {
        panic!("Stratum V1 has no secrets");
    }

    fn closed(&self, _: Now, _: Link) {}
}

async fn host(recorder: Arc<Recorder>) -> Handle {
    let mut config = HostConfig::new("echo");
    config.listeners =
        vec![ListenerConfig { address: "127.0.0.1:0".to_owned(), security: ListenerSecurity::Sv1 }];
    config.limits = Limits { unsent_bytes_max: 200_000, ..Limits::default() };
    config.trace = Some(recorder.clone());
    config.tap = Some(recorder);
    Host::bind(config).await.unwrap().start(LineEcho::default(), Worlds::default())
}

#[tokio::test]
async fn traces_see_lines_and_taps_all_bytes() {
    let recorder = Arc::new(Recorder::default());
    let handle = host(recorder.clone()).await;
    let mut stream = TcpStream::connect(handle.addresses()[0]).await.unwrap();

    stream.write_all(b"a\r\n\nb\n").await.unwrap();
    let mut echoed = [0; 4];
    stream.read_exact(&mut echoed).await.unwrap();
    handle.shutdown().await;

    assert_eq!(&echoed, b"a\nb\n");
    let seen = |from: Direction| {
        let lines = recorder.lines.lock().unwrap();
        let lines = lines.iter().filter(|(direction, _)| *direction == from);
        let lines: Vec<_> = lines.map(|(_, line)| line.clone()).collect();
        let bytes = recorder.bytes.lock().unwrap();
        let bytes = bytes.iter().filter(|(direction, _)| *direction == from);
        (lines, bytes.map(|(_, byte)| *byte).collect::<Vec<u8>>())
    };
    let lines = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(seen(Direction::Received), (lines.clone(), b"a\r\n\nb\n".to_vec()));
    assert_eq!(seen(Direction::Sent), (lines, b"a\nb\n".to_vec()));
}

#[tokio::test]
async fn who_does_not_read_lines_is_too_slow() {
    let handle = host(Arc::default()).await;
    let mut events = handle.events();
    let mut stream = TcpStream::connect(handle.addresses()[0]).await.unwrap();

    stream.write_all(b"flood\n").await.unwrap();

    let reason = closed(&mut events, ConnectionId(0)).await;
    assert!(matches!(reason, CloseReason::TooSlow { limit: 200_000, .. }), "{reason}");
}

#[tokio::test]
async fn a_frame_for_a_peer_that_reads_lines_ends_the_connection() {
    let handle = host(Arc::default()).await;
    let mut events = handle.events();
    let mut stream = TcpStream::connect(handle.addresses()[0]).await.unwrap();

    stream.write_all(b"frame\n").await.unwrap();

    let reason = closed(&mut events, ConnectionId(0)).await;
    assert_eq!(reason, CloseReason::Sv1(Sv1Error::FrameOutOfPlace));
}
