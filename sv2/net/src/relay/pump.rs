//! One direction of a relayed connection: frames from one leg to the other.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use sv2::connection::{ConnectionError, ConnectionReader, ConnectionWriter};
use sv2::message::{DecodeError, Message};
use sv2::role::PeerAddress;
use sv2::wire::Frame;
use sv2::wire::dissect::Value;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::alter::with_field;
use super::budget::{Hold, OutOfBudget};
use super::event::RelayEvent;
use super::intercept::{Decision, Passing};
use super::record::{NotRecorded, Side, Track, append_plain};
use super::rules::{Rules, Verdict, Watch};
use super::session::Session;

/// Takes frames from one side, and gives them to the other.
pub(super) struct Pump<'a> {
    from: Side,
    session: &'a Session<'a>,
    reader: ConnectionReader,
    source: ReadHalf<'a>,
    input: BytesMut,
    heard: Track,
    /// What was heard and is not recorded yet: bytes of the wire, or frames as they are inside of
    /// Noise.
    heard_bytes: Vec<u8>,
    writer: ConnectionWriter,
    sink: WriteHalf<'a>,
    said: Track,
    out: Vec<u8>,
    out_plain: Vec<u8>,
    /// What of `out` has been recorded.
    recorded_len: usize,
    injected: mpsc::Receiver<Injected>,
    opposite: mpsc::Sender<Injected>,
    rules: watch::Receiver<Arc<Rules>>,
    watch: Watch,
    hold: Hold,
    frame_count: u64,
}

/// A frame that no side has sent.
#[derive(Debug)]
pub(super) struct Injected {
    pub(super) frame: Frame,
    pub(super) comment: String,
}

/// Why a pump has ended.
#[derive(Debug, Error)]
pub(super) enum End {
    #[error("closed by the {}", .0.name())]
    Finished(Side),
    #[error("closed by the {}, and the other side did not end in time", .0.name())]
    HalfClosed(Side),
    #[error("the {} broke off: {why}", side.name())]
    Broken { side: Side, is_reset: bool, why: String },
    #[error("what the {} sends cannot be read: {error}", side.name())]
    Unreadable { side: Side, error: ConnectionError },
    #[error("closed by a rule")]
    ByRule,
    #[error(transparent)]
    OutOfBudget(#[from] OutOfBudget),
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
}

impl End {
    /// Whether the other side is to see a connection that broke off.
    pub(super) fn is_reset(&self) -> bool {
        matches!(self, End::Broken { is_reset: true, .. })
    }
}

pub(super) fn broken(side: Side, error: &io::Error) -> End {
    let is_reset = error.kind() == io::ErrorKind::ConnectionReset;
    End::Broken { side, is_reset, why: error.to_string() }
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        from: Side,
        session: &'a Session<'a>,
        (reader, source, input, heard): (ConnectionReader, ReadHalf<'a>, BytesMut, Track),
        (writer, sink, said): (ConnectionWriter, WriteHalf<'a>, Track),
        (injected, opposite): (mpsc::Receiver<Injected>, mpsc::Sender<Injected>),
    ) -> Self {
        let mut rules = session.shared.rules.clone();
        let watch = Watch::new(Arc::clone(&rules.borrow_and_update()));
        Pump {
            from,
            session,
            reader,
            source,
            input,
            heard,
            heard_bytes: Vec::new(),
            writer,
            sink,
            said,
            out: Vec::new(),
            out_plain: Vec::new(),
            recorded_len: 0,
            injected,
            opposite,
            rules,
            watch,
            hold: session.shared.budget.hold(),
            frame_count: 0,
        }
    }

    /// Frames that were heard so far.
    pub(super) fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Pumps until its side ends.
    pub(super) async fn run(&mut self) -> End {
        let end = self.pump().await.err().unwrap_or(End::Finished(self.from));
        // Where it ends between hearing and saying.
        match self.flush_heard() {
            Ok(()) => end,
            Err(not_recorded) => not_recorded.into(),
        }
    }

    async fn pump(&mut self) -> Result<(), End> {
        let mut read_len = READ_LEN_MIN;
        loop {
            self.take_frames().await?;
            self.flush().await?;
            self.hold.resize(self.input.len())?;
            self.input.reserve(read_len);
            let received = tokio::select! {
                received = self.source.read_buf(&mut self.input) => received,
                Some(injected) = self.injected.recv() => {
                    self.say(&injected.frame, injected.comment)?;
                    continue;
                }
            };
            match received {
                Ok(0) => return self.end().await,
                Ok(len) => {
                    if self.heard.takes_wire() {
                        self.heard_bytes.extend_from_slice(&self.input[self.input.len() - len..]);
                    }
                    if self.heard.comes_first() {
                        self.flush_heard()?;
                    }
                    // Few bytes at a time: little memory. A flood: few system calls.
                    read_len = match len {
                        len if len >= read_len => (read_len * 2).min(READ_LEN_MAX),
                        _ => READ_LEN_MIN,
                    };
                }
                Err(error) => {
                    let end = broken(self.from, &error);
                    self.heard.end(end.is_reset());
                    return Err(end);
                }
            }
        }
    }

    /// Hears all frames that have arrived, and says what is to be said of them.
    async fn take_frames(&mut self) -> Result<(), End> {
        loop {
            match self.reader.next_frame(&mut self.input) {
                Ok(Some(frame)) => {
                    self.frame_count += 1;
                    append_plain(&self.heard, &frame, &mut self.heard_bytes);
                    self.hear(frame).await?;
                    if self.out.len() >= WRITE_LEN {
                        self.flush().await?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.flush().await?;
                    return Err(End::Unreadable { side: self.from, error });
                }
            }
        }
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), End> {
        let intercepted = self.intercept(&frame).await?;
        let mut verdict = self.judge(&frame);
        if let Some((decision, words)) = intercepted {
            let mut decided = verdict.unwrap_or(Verdict { copies: 1, ..Verdict::default() });
            decided.copies = decided.copies.saturating_mul(match decision {
                Decision::Forward => 1,
                Decision::Drop => 0,
                Decision::Duplicate => 2,
            });
            decided.comments.insert(0, words);
            verdict = Some(decided);
        }
        let Some(verdict) = verdict else { return self.pass_on(frame, None) };
        let comment = format!("assay tap: {}", verdict.comments.join("; "));
        self.note(&comment);
        if !verdict.delay.is_zero() {
            self.flush().await?;
            sleep(verdict.delay).await;
        }
        if verdict.copies == 0 {
            self.flush_heard()?;
            self.heard.comment(comment)?;
        } else {
            let frame = verdict.changed.unwrap_or(frame);
            for _ in 0..verdict.copies {
                self.pass_on(frame.clone(), Some(&comment))?;
                if self.out.len() >= WRITE_LEN {
                    self.flush().await?;
                }
            }
        }
        for (to, frame, comment) in verdict.injected {
            if to == self.from {
                let injected = Injected { frame, comment };
                if self.opposite.try_send(injected).is_err() {
                    self.note("assay tap: not injected: too many frames wait to be");
                }
            } else {
                self.say(&frame, comment)?;
            }
        }
        if verdict.closes {
            self.flush().await?;
            return Err(End::ByRule);
        }
        Ok(())
    }

    /// Waits with a frame that somebody wants to decide about; nothing behind it is read meanwhile.
    async fn intercept(&mut self, frame: &Frame) -> Result<Option<(Decision, String)>, End> {
        let Session { number: session, shared, .. } = *self.session;
        let Some(interception) = &shared.interception else { return Ok(None) };
        let passing = Passing { session, from: self.from, place: self.frame_count, frame };
        let Some(waiting) = interception.look(&passing) else { return Ok(None) };
        // What came before it does not wait, and whoever looks is to see it.
        self.flush().await?;
        let since = Instant::now();
        let (decision, how) = waiting.decided().await;
        let held = since.elapsed().as_millis();
        Ok(Some((decision, format!("intercepted: held for {held} ms, then {how}"))))
    }

    /// What the present rules make of a frame.
    fn judge(&mut self, frame: &Frame) -> Option<Verdict> {
        if self.rules.has_changed().unwrap_or(false) {
            let rules = Arc::clone(&self.rules.borrow_and_update());
            self.watch = Watch::new(rules);
        }
        self.watch.judge(self.from, frame)
    }

    /// Says what was heard, with what we have to change in it ourselves.
    fn pass_on(&mut self, frame: Frame, by_rule: Option<&str>) -> Result<(), End> {
        let (frame, mut comment) = match Message::decode(&frame) {
            Ok(decoded) => match decoded.message {
                Message::Reconnect(_) if self.from == Side::Server => self.redirect(&frame),
                Message::SetupConnection(_) if self.from == Side::Client => self.announce(&frame),
                _ => (frame, String::new()),
            },
            Err(error) => {
                let comment = odd(&error);
                self.note(&comment);
                (frame, comment)
            }
        };
        if let Some(by_rule) = by_rule {
            comment = match comment.as_str() {
                "" => by_rule.to_owned(),
                comment => format!("{by_rule}; {comment}"),
            };
        }
        self.say(&frame, comment)
    }

    /// A `Reconnect` (spec 3.6.5) leads the client back to us, and us to where it leads.
    fn redirect(&mut self, frame: &Frame) -> (Frame, String) {
        let Ok(Message::Reconnect(reconnect)) = Message::decode(frame).map(|it| it.message) else {
            return (frame.clone(), String::new());
        };
        let Session { server, client, local, shared, .. } = self.session;
        let host = match reconnect.new_host.to_text() {
            host if host.is_empty() => server.host.clone(),
            host => host.into_owned(),
        };
        let port = if reconnect.new_port == 0 { server.port } else { reconnect.new_port };
        let next = PeerAddress { host, port, authority: server.authority };
        let to = format!("{}:{}", next.host.escape_debug(), next.port);
        let now = shared.clock.now().instant;
        let comment = match shared.routes.note(client.ip(), next, now) {
            Ok(()) => format!("assay tap: Reconnect to {to} now leads to the tap, {local}"),
            Err(_) => {
                format!("assay tap: Reconnect to {to} is lost: too many clients are on their way")
            }
        };
        self.note(&comment);
        let ours = Value::Text(local.ip().to_canonical().to_string().into());
        let altered = with_field(frame, "new_host", &ours)
            .and_then(|frame| with_field(&frame, "new_port", &Value::Int(local.port().into())));
        (altered.unwrap_or_else(|_| frame.clone()), comment)
    }

    /// A `SetupConnection` (spec 3.6.1) names whom the client has dialled: us.
    fn announce(&mut self, frame: &Frame) -> (Frame, String) {
        let Session { server, shared, .. } = self.session;
        if !shared.rewrites_endpoint {
            let comment = "assay tap: endpoint_host and endpoint_port are the client's, unchanged";
            return (frame.clone(), comment.to_owned());
        }
        let host = Value::Text(server.host.clone().into());
        let altered = with_field(frame, "endpoint_host", &host)
            .and_then(|frame| with_field(&frame, "endpoint_port", &Value::Int(server.port.into())));
        match altered {
            Ok(altered) => {
                let comment = format!(
                    "assay tap: endpoint_host and endpoint_port now name {}:{}",
                    server.host, server.port
                );
                (altered, comment)
            }
            Err(why) => (frame.clone(), format!("assay tap: the endpoint is unchanged: {why}")),
        }
    }

    /// Appends a frame to what is written next.
    fn say(&mut self, frame: &Frame, comment: String) -> Result<(), End> {
        if !comment.is_empty() {
            self.record_said(String::new())?;
        }
        let side = self.from.other();
        self.writer
            .write_frame(frame, &mut self.out)
            .map_err(|error| End::Unreadable { side, error })?;
        append_plain(&self.said, frame, &mut self.out_plain);
        if !comment.is_empty() {
            self.record_said(comment)?;
        }
        Ok(())
    }

    /// Records what was said since the last time.
    fn record_said(&mut self, comment: String) -> Result<(), NotRecorded> {
        if self.said.takes_plain() {
            self.said.bytes(&self.out_plain, comment)?;
            self.out_plain.clear();
        } else {
            self.said.bytes(&self.out[self.recorded_len..], comment)?;
        }
        self.recorded_len = self.out.len();
        Ok(())
    }

    fn flush_heard(&mut self) -> Result<(), NotRecorded> {
        if !self.heard_bytes.is_empty() {
            self.heard.bytes(&self.heard_bytes, String::new())?;
            self.heard_bytes.clear();
            // One flood does not cost its length for ever.
            self.heard_bytes.shrink_to(WRITE_LEN);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        // What the socket takes at once need not wait for the recorder. What answers it is read by
        // the same task, and so is recorded behind it.
        let sent = match self.out.is_empty() || self.said.comes_first() {
            true => 0,
            false => self.sink.try_write(&self.out).unwrap_or_default(),
        };
        self.flush_heard()?;
        if self.out.is_empty() {
            return Ok(());
        }
        self.record_said(String::new())?;
        let written = self.sink.write_all(&self.out[sent..]).await;
        written.map_err(|error| broken(self.from.other(), &error))?;
        self.out.clear();
        self.recorded_len = 0;
        // One long message does not cost its length for ever.
        self.out.shrink_to(WRITE_LEN);
        Ok(())
    }

    /// The side has ended: so do we, towards the other.
    async fn end(&mut self) -> Result<(), End> {
        if let Err(error) = self.reader.end(&self.input) {
            self.note(&error.to_string());
        }
        self.heard.end(false);
        let ended = self.sink.shutdown().await;
        self.said.end(false);
        ended.map_err(|error| broken(self.from.other(), &error))
    }

    fn note(&self, what: &str) {
        let Session { number, shared, .. } = self.session;
        let (from, what) = (self.from, what.to_owned());
        shared.tell(RelayEvent::Noted { session: *number, from, what });
    }
}

fn odd(error: &DecodeError) -> String {
    format!("assay tap: passed on as it is: {error}")
}

/// Frames of rules that wait for the direction in which they go.
pub(super) const INJECTED_MAX: usize = 64;
const READ_LEN_MIN: usize = 1 << 11;
const READ_LEN_MAX: usize = 1 << 16;
/// Bytes after which a batch is written in several parts.
const WRITE_LEN: usize = 1 << 16;
