//! The task of one connection: handshake, then reading and writing side by side.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use sv2::connection::Connection;
use sv2::noise::SessionSecrets;
use sv2::role::{CloseReason, ConnectionId, Via};
use sv2::sv1::lines::LineConfig;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::admission::Permit;
use crate::handshake::{HandshakeFailure, Witness, shake_hands};
use crate::host::{Inbound, Shared, Stop, Unsent, outbound};
use crate::speech::{Listening, Speaking};
use crate::tap::{Direction, Link};

/// A socket before its handshake.
pub(crate) struct Opening {
    pub(crate) stream: TcpStream,
    pub(crate) link: Link,
    pub(crate) speech: Speech,
    /// What the connection wants to be sent first.
    pub(crate) to_send: Vec<u8>,
    /// Of an accepted connection, held as long as the socket.
    pub(crate) permit: Option<Permit>,
}

/// What is spoken on a socket.
pub(crate) enum Speech {
    /// Stratum V2.
    Frames(Connection),
    /// Stratum V1, which has no handshake.
    Lines(LineConfig),
}

/// Why there was no session for the role to hear of.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Handshake(#[from] HandshakeFailure),
    #[error("closed by us")]
    Stopped,
}

/// Runs a connection to its end. What happens after the handshake is told to the role.
pub(crate) async fn run(opening: Opening, via: Via, shared: &Shared) -> Result<(), Failure> {
    let Opening { mut stream, link, mut speech, to_send, permit } = opening;
    if let Some(tap) = &shared.tap {
        tap.opened(shared.clock.now(), link, via);
    }
    let mut input = BytesMut::new();
    let mut witness = Counting { link, shared };
    let outcome = match &mut speech {
        Speech::Lines(_) => Ok(()),
        Speech::Frames(connection) => tokio::select! {
            () = shared.stopped(Stop::Gracefully) => Err(Failure::Stopped),
            outcome = shake_hands(
                &mut stream,
                connection,
                &mut input,
                to_send,
                shared.clock,
                &mut witness,
            ) => outcome.map_err(Failure::from),
        },
    };
    if outcome.is_ok() {
        tokio::select! {
            () = shared.stopped(Stop::AtOnce) => {}
            () = talk(stream, speech, input, via, link, shared) => {}
        }
    } else {
        shared.counting.handshakes_failed.add(1);
    }
    if let Some(tap) = &shared.tap {
        tap.closed(shared.clock.now(), link);
    }
    drop(permit);
    outcome
}

/// Counts what passes during a handshake, and shows it to the host's tap and key log.
struct Counting<'a> {
    link: Link,
    shared: &'a Shared,
}

impl Witness for Counting<'_> {
    fn sending(&mut self, bytes: &[u8]) {
        sending(bytes, self.link, self.shared);
    }

    fn receiving(&mut self, bytes: &[u8]) {
        receiving(bytes, self.link, self.shared);
    }

    fn secrets(&mut self, secrets: &SessionSecrets) {
        self.shared.log_keys(self.link, secrets);
    }
}

async fn talk(
    mut stream: TcpStream,
    speech: Speech,
    input: BytesMut,
    via: Via,
    link: Link,
    shared: &Shared,
) {
    let (listening, speaking) = match speech {
        Speech::Frames(connection) => {
            let (reader, writer) = connection.split();
            (Listening::frames(reader), Speaking::Frames(writer))
        }
        Speech::Lines(config) => (Listening::lines(config), Speaking::Lines),
    };
    let (outbound, unsent, told_to_end) = outbound();
    let id = shared.ids.take();
    let opened = Inbound::Opened { connection: id, via, link, outbound };
    if shared.inbound.send(opened).await.is_err() {
        return;
    }
    let (read_half, write_half) = stream.split();
    let (reason, is_flushed) = tokio::select! {
        reason = read(listening, read_half, input, id, link, shared) => (reason, false),
        outcome = write(speaking, write_half, unsent, link, shared) => match outcome {
            Ok(()) => (CloseReason::ByUs, true),
            Err(reason) => (reason, false),
        },
        () = end_of_patience(told_to_end) => {
            // What the peer does not read goes nowhere: not to the kernel's queue either.
            let _ = stream.set_zero_linger();
            (CloseReason::ByUs, false)
        }
    };
    let is_told = shared.inbound.send(Inbound::Closed { connection: id, reason }).await.is_ok();
    if is_flushed && is_told {
        let _ = timeout(shared.limits.close_timeout, drain(&mut stream)).await;
    }
}

/// Turns bytes into batches for the role, until the connection ends.
async fn read(
    mut listening: Listening,
    mut socket: ReadHalf<'_>,
    mut input: BytesMut,
    id: ConnectionId,
    link: Link,
    shared: &Shared,
) -> CloseReason {
    let batch_max = shared.limits.batch_messages_max.max(1);
    let mut read_len = READ_LEN_MIN;
    loop {
        let mut inputs = Vec::new();
        let outcome = loop {
            match listening.next_input(id, &mut input) {
                Ok(Some(input)) => inputs.push(input),
                Ok(None) => break Ok(false),
                Err(error) => break Err(error),
            }
            if inputs.len() >= batch_max {
                break Ok(true);
            }
        };
        if !inputs.is_empty() {
            shared.counting.frames_received.add(inputs.len());
            let batch = Inbound::Batch { connection: id, inputs };
            if shared.inbound.send(batch).await.is_err() {
                return CloseReason::ByUs;
            }
        }
        match outcome {
            Ok(true) => continue,
            Ok(false) => {}
            Err(reason) => return reason,
        }
        input.reserve(read_len);
        let deadline = listening.deadline(Instant::now(), &input);
        let reading = socket.read_buf(&mut input);
        let received = match deadline {
            Some(deadline) => match timeout_at(deadline, reading).await {
                Ok(received) => received,
                Err(_) => return listening.expired(),
            },
            None => reading.await,
        };
        match received {
            Ok(0) => return listening.end(&input),
            Ok(received_len) => {
                receiving(&input[input.len() - received_len..], link, shared);
                // Few bytes at a time: little memory. A flood: few system calls.
                read_len = match received_len {
                    len if len >= read_len => (read_len * 2).min(READ_LEN_MAX),
                    _ => READ_LEN_MIN,
                };
            }
            Err(error) => return broken(&error),
        }
    }
}

/// Sends what the role has queued, until it closes the queue and everything is sent.
async fn write(
    mut speaking: Speaking,
    mut socket: WriteHalf<'_>,
    mut unsent: Unsent,
    link: Link,
    shared: &Shared,
) -> Result<(), CloseReason> {
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    while unsent.take(&mut batch, WRITE_BATCH_MAX).await {
        shared.counting.frames_sent.add(batch.len());
        for outgoing in batch.drain(..) {
            speaking.write(outgoing, &mut bytes)?;
            if bytes.len() >= WRITE_LEN {
                flush(&mut bytes, &mut socket, link, shared).await?;
            }
        }
        flush(&mut bytes, &mut socket, link, shared).await?;
    }
    socket.shutdown().await.map_err(|error| broken(&error))
}

async fn flush(
    bytes: &mut Vec<u8>,
    socket: &mut WriteHalf<'_>,
    link: Link,
    shared: &Shared,
) -> Result<(), CloseReason> {
    sending(bytes, link, shared);
    socket.write_all(bytes).await.map_err(|error| broken(&error))?;
    bytes.clear();
    // One long message does not cost its length for ever.
    bytes.shrink_to(WRITE_LEN);
    Ok(())
}

async fn end_of_patience(told_to_end: oneshot::Receiver<Duration>) {
    match told_to_end.await {
        Ok(patience) => sleep(patience).await,
        // The role task is gone: its end of the queue as well, which ends the writer.
        Err(_) => std::future::pending().await,
    }
}

/// Until the peer has closed its side: closing while it still sends would reset the connection
/// and could destroy what we have sent last.
async fn drain(stream: &mut TcpStream) {
    let mut ignored = [0; 512];
    while let Ok(1..) = stream.read(&mut ignored).await {}
}

fn sending(bytes: &[u8], link: Link, shared: &Shared) {
    shared.counting.bytes_sent.add(bytes.len());
    if let Some(tap) = shared.tap.as_ref().filter(|_| !bytes.is_empty()) {
        tap.bytes(shared.clock.now(), link, Direction::Sent, bytes);
    }
}

fn receiving(bytes: &[u8], link: Link, shared: &Shared) {
    shared.counting.bytes_received.add(bytes.len());
    if let Some(tap) = &shared.tap {
        tap.bytes(shared.clock.now(), link, Direction::Received, bytes);
    }
}

fn broken(error: &io::Error) -> CloseReason {
    CloseReason::Broken(error.to_string())
}

const READ_LEN_MIN: usize = 1 << 11;
const READ_LEN_MAX: usize = 1 << 16;
/// Bytes after which a batch is written in several parts.
const WRITE_LEN: usize = 1 << 16;
const WRITE_BATCH_MAX: usize = 256;
