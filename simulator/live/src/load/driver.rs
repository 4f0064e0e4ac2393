//! A line on a socket: connects, reads, writes, and wakes it up.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use super::FleetChannel;
use super::fleet::Fleet;
use super::line::{End, Line, UNSENT_LEN_MAX};
use super::sv1_line::Sv1Line;
use super::sv2_line::Sv2Line;
use super::tally::Wait;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// Nothing new is begun.
    Quiet,
    Ending,
}

/// Runs a connection from its dial to its end, and counts both.
pub(super) async fn run(fleet: Arc<Fleet>, number: u32, mut stage: watch::Receiver<Stage>) {
    let tally = &fleet.tally;
    tally.dialled.add(1);
    tally.pending.add(1);
    let dialled_at = fleet.clock.now().instant;
    let stream = tokio::select! {
        _ = stage.wait_for(|stage| *stage == Stage::Ending) => {
            tally.pending.take(1);
            return tally.errors.add("no TCP connection by the end of the run");
        }
        connected = connect(&fleet) => match connected {
            Ok(stream) => stream,
            Err(error) => {
                tally.pending.take(1);
                let end = End::Unconnected(named(&error));
                return tally.errors.add(&end.to_string());
            }
        }
    };
    let now = fleet.clock.now();
    tally.connected.add(1);
    tally.waited(Wait::Connect, number, now.instant.since(dialled_at));
    let mut unsent = Vec::new();
    let end = match fleet.config.channel {
        FleetChannel::Sv1 => {
            let mut line = Sv1Line::new(&fleet, number, now, &mut unsent);
            drive(&fleet, stream, &mut line, unsent, &mut stage).await
        }
        FleetChannel::Standard { .. } | FleetChannel::Extended => {
            let mut line = Sv2Line::new(&fleet, number, now, &mut unsent);
            drive(&fleet, stream, &mut line, unsent, &mut stage).await
        }
    };
    tally.ended.add(1);
    tally.closes.add(&end.to_string());
    if end != End::ByUs {
        tally.errors.add(&end.to_string());
    }
}

async fn connect(fleet: &Fleet) -> io::Result<TcpStream> {
    let pool = &fleet.config.pool;
    let connecting = TcpStream::connect((pool.host.as_str(), pool.port));
    let stream = timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What went wrong, without the numbers that would make each occurrence a kind of its own.
pub(super) fn named(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "all source ports are taken (net.ipv4.ip_local_port_range)".to_owned()
        }
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => match error.raw_os_error() {
            Some(TOO_MANY_FILES) => "too many open files (ulimit -n)".to_owned(),
            _ => error.kind().to_string(),
        },
    }
}

async fn drive(
    fleet: &Fleet,
    mut stream: TcpStream,
    line: &mut impl Line,
    mut unsent: Vec<u8>,
    stage: &mut watch::Receiver<Stage>,
) -> End {
    let (mut reader, writer) = stream.split();
    let mut rest = Vec::new();
    if *stage.borrow() >= Stage::Quiet {
        line.quieten();
    }
    let mut timer = pin!(sleep_until(TokioInstant::now()));
    let mut armed_for = None;
    let end = loop {
        if let Err(end) = flush(fleet, &writer, &mut unsent) {
            break end;
        }
        let due = line.due();
        if let Some(at) = due.filter(|_| due != armed_for) {
            timer.as_mut().reset(fleet.clock.to_tokio(at));
            armed_for = due;
        }
        let is_blocked = !unsent.is_empty();
        let outcome = tokio::select! {
            changed = stage.changed() => {
                line.quieten();
                match changed.is_err() || *stage.borrow_and_update() == Stage::Ending {
                    true => Err(End::ByUs),
                    false => Ok(()),
                }
            }
            outcome = poll_fn(|context| {
                receive(fleet, context, &mut reader, line, &mut rest, &mut unsent)
            }) => outcome,
            () = &mut timer, if due.is_some() => {
                armed_for = None;
                line.work(fleet.clock.now(), &mut unsent)
            }
            writable = writer.writable(), if is_blocked => {
                writable.map_err(|error| End::Broken(named(&error)))
            }
        };
        if let Err(end) = outcome {
            break end;
        }
    };
    line.end(end, &rest)
}

/// Gives the system what it takes.
fn flush(fleet: &Fleet, writer: &WriteHalf<'_>, unsent: &mut Vec<u8>) -> Result<(), End> {
    let mut sent_len = 0;
    while sent_len < unsent.len() {
        match writer.try_write(&unsent[sent_len..]) {
            Ok(len) => sent_len += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(End::Broken(named(&error))),
        }
    }
    fleet.tally.bytes_sent.add(sent_len as u64);
    unsent.drain(..sent_len);
    if unsent.len() > UNSENT_LEN_MAX {
        return Err(End::Unread);
    }
    if unsent.is_empty() {
        // Thousands of lines hold little.
        unsent.shrink_to(KEPT_LEN);
    }
    Ok(())
}

thread_local! {
    /// Where all lines of a thread read: what is no whole frame moves to the line.
    static INPUT: RefCell<BytesMut> = RefCell::default();
}

/// Reads once, and gives the line what has come.
fn receive(
    fleet: &Fleet,
    context: &mut Context<'_>,
    reader: &mut ReadHalf<'_>,
    line: &mut impl Line,
    rest: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Poll<Result<(), End>> {
    INPUT.with_borrow_mut(|input| {
        input.clear();
        input.reserve(rest.len() + READ_LEN);
        input.extend_from_slice(rest);
        // The future takes bytes when it is polled, or none: it need not live on.
        match ready!(pin!(reader.read_buf(input)).poll(context)) {
            Err(error) => return Poll::Ready(Err(End::Broken(named(&error)))),
            Ok(0) => return Poll::Ready(Err(End::ByPeer)),
            Ok(read_len) => fleet.tally.bytes_received.add(read_len as u64),
        }
        let outcome = line.receive(fleet.clock.now(), input, out);
        rest.clear();
        rest.extend_from_slice(input);
        rest.shrink_to(KEPT_LEN);
        Poll::Ready(outcome)
    })
}

/// Name resolution and TCP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// `EMFILE`, on every Unix.
const TOO_MANY_FILES: i32 = 24;
const READ_LEN: usize = 1 << 16;
/// What a line keeps of its buffers, in bytes.
const KEPT_LEN: usize = 256;
