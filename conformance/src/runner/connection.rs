//! Connections of a running case: opening, reading, closing.

use std::time::Duration;

use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ellswift::ElligatorSwift;
use bytes::BytesMut;
use sv2::entropy::Entropy;
use sv2::noise::{
    ACT_2_LEN, AuthoritySecretKey, CipherSuite, Initiator, ServerIdentity, SessionSecrets,
};
use sv2::time::Instant;
use sv2::wire::FrameHeader;

use super::serving::Service;
use super::{Finding, Session, Stop};
use crate::case::step::{Authority, CloseHow, Connect, Door, HandshakeOutcome, Layer, Peer};
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::{Direction, FrameView, MessageView, Record, Segment, What};
use crate::client::line::LineView;
use crate::client::sv1::Sv1Tracker;
use crate::client::tracker::Tracker;
use crate::client::wire::{Incoming, LyingSealer, Parsed, cut};
use crate::verdict::Verdict;
use crate::world::{Arrival, LinkId, Ready, WorldError};

/// A connection of the suite.
pub(super) struct Connection {
    pub(super) link: LinkId,
    /// Number of the link within the case, for captures.
    pub(super) index: usize,
    pub(super) sealer: Option<LyingSealer>,
    pub(super) has_frames: bool,
    pub(super) incoming: Incoming,
    pub(super) input: BytesMut,
    /// Written together with what is sent next.
    pub(super) glued: Vec<u8>,
    pub(super) items: Vec<Item>,
    /// Where the present stimulus begins.
    pub(super) mark: usize,
    /// Whether something was expected since the mark: then the next stimulus sets a new one.
    pub(super) is_mark_used: bool,
    /// The last item that was matched.
    pub(super) last_matched: Option<usize>,
    pub(super) tracker: Tracker,
    /// What we have sent, each with the number of items that had come before.
    pub(super) sent: Vec<(usize, MessageView)>,
    pub(super) is_closed: bool,
    /// Whom we have dialled.
    pub(super) peer: Peer,
    /// After set-up: a fence can be asked for.
    pub(super) is_set_up: bool,
    pub(super) next_request: u32,
    pub(super) next_sequence: u32,
    /// Of a connection that speaks Stratum V1.
    pub(super) lines: Option<Box<Sv1Tracker>>,
    /// Where the target has dialled us.
    pub(super) service: Option<Service>,
}

/// Something that came from the target.
pub(super) struct Item {
    pub(super) what: ItemWhat,
    pub(super) is_taken: bool,
}

pub(super) enum ItemWhat {
    Frame(FrameView),
    Line(LineView),
    Bytes,
    Closed,
    Broken(String),
}

impl Session<'_> {
    pub(super) fn connect(&mut self, on: &str, connect: &Connect) -> Result<(), Stop> {
        let link = self.dial(connect.peer).map_err(|stop| self.unreached(stop, connect))?;
        self.links += 1;
        let index = self.links;
        let mut connection = Connection::new(link, index);
        connection.peer = connect.peer;
        connection.speak(connect.layer);
        self.note_on(on, What::Opened);
        if connect.layer == Layer::Noise {
            self.handshake(on, &mut connection, connect)?;
        }
        self.connections.insert(on.to_owned(), connection);
        Ok(())
    }

    /// That a target which has dialled us serves its own clients is what some clauses are about.
    fn unreached(&self, stop: Stop, connect: &Connect) -> Stop {
        if !self.profile.role.dials() || connect.clauses.is_empty() {
            return stop;
        }
        let finding = self.finding(Verdict::Fail, &connect.clauses);
        Stop(Box::new(Finding { because: stop.0.because, ..finding }))
    }

    /// A target that dials the suite may listen only once the suite has served it: until then it
    /// is served, and dialled again.
    fn dial(&mut self, peer: Peer) -> Result<LinkId, Stop> {
        let begun = self.world.now().instant;
        loop {
            let dialled = self.world.dial(peer);
            let now = self.world.now().instant;
            let may_wait = self.profile.role.dials() && now.since(begun) < LISTEN_TIME;
            if !may_wait || !matches!(dialled, Err(WorldError::Unreachable(_))) {
                return Ok(dialled?);
            }
            let until = now + BETWEEN_DIALS;
            while let Some(Ready::Link(link)) = self.await_news(None, until) {
                self.take_news(link);
            }
        }
    }

    fn handshake(
        &mut self,
        on: &str,
        connection: &mut Connection,
        connect: &Connect,
    ) -> Result<(), Stop> {
        let mut entropy = self.entropy.fork("handshake", connection.index as u64);
        let authority = match connect.authority {
            Authority::Target if connect.peer == Peer::JobDeclarator => {
                self.profile.job_declarator.and_then(|peer| peer.authority)
            }
            Authority::Target => self.profile.authority,
            Authority::Wrong => {
                Some(AuthoritySecretKey::generate(&mut Entropy::from_seed(0)).public_key())
            }
            Authority::None => None,
        };
        let initiator = Initiator::new(CipherSuite::default(), authority, &mut entropy);
        let mut act_1 = match &connect.act1 {
            None => initiator.act_1().to_vec(),
            Some(expression) => bytes_of(&expression.evaluate(&self.view(on))?)?,
        };
        if let Some(keep) = &connect.act1_keep {
            let keep = keep.evaluate(&self.view(on))?.as_int().unwrap_or(0);
            act_1.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        }
        if let Some(early) = &connect.early {
            act_1.extend(bytes_of(&early.evaluate(&self.view(on))?)?);
        }
        for piece in cut(&act_1, &connect.act1_chunks) {
            self.write(on, connection, piece);
        }
        if connect.outcome == HandshakeOutcome::Unfinished {
            return Ok(());
        }
        let deadline = self.deadline(connect.within);
        let answer = self.read_act_2(on, connection, deadline);
        let outcome = answer.and_then(|act_2| {
            let finished = initiator.finish(&act_2, self.world.now().unix);
            let (session, server) = finished.map_err(|error| error.to_string())?;
            Ok((session, handshake_record(&act_2, &server)))
        });
        self.note_on(on, What::Handshake(outcome.as_ref().map(|_| ()).map_err(Clone::clone)));
        let expected = connect.outcome;
        match (outcome, expected) {
            (Ok((session, record)), HandshakeOutcome::Established) => {
                self.keep_secrets(connection, &session.secrets);
                connection.sealer = Some(LyingSealer::initiator(&session.secrets));
                connection.incoming = Incoming::Sealed(Box::new(session.opener));
                connection.has_frames = true;
                if let Some(name) = &connect.save {
                    self.variables.insert(name.clone(), record);
                }
            }
            (Err(_), HandshakeOutcome::Refused) => {}
            (outcome, _) => {
                let actual = match outcome {
                    Ok(_) => "a Noise session".to_owned(),
                    Err(why) => format!("no Noise session: {why}"),
                };
                let expected = match expected {
                    HandshakeOutcome::Refused => "no Noise session",
                    _ => "a Noise session",
                };
                let finding = Finding {
                    because: actual.clone(),
                    expected: Some(expected.to_owned()),
                    actual: Some(actual),
                    ..self.finding(Verdict::Fail, &connect.clauses)
                };
                return Err(Stop(Box::new(finding)));
            }
        }
        self.observe(&connect.clauses);
        Ok(())
    }

    fn read_act_2(
        &mut self,
        on: &str,
        connection: &mut Connection,
        deadline: Instant,
    ) -> Result<[u8; ACT_2_LEN], String> {
        loop {
            if let Some(act_2) = connection.input.first_chunk::<ACT_2_LEN>() {
                let act_2 = *act_2;
                // What follows act 2 stays: a server may send at once.
                let _ = connection.input.split_to(ACT_2_LEN);
                return Ok(act_2);
            }
            match self.read(connection.link, deadline) {
                Arrival::Bytes(bytes) => {
                    self.log(connection.index, Direction::Received, &bytes);
                    connection.input.extend_from_slice(&bytes);
                }
                Arrival::Closed => {
                    connection.is_closed = true;
                    connection.items.push(Item { what: ItemWhat::Closed, is_taken: false });
                    self.note_on(on, What::Closed(Direction::Received));
                    return Err(format!(
                        "the target closed the connection after {} of {ACT_2_LEN} bytes of act 2",
                        connection.input.len()
                    ));
                }
                Arrival::Nothing => {
                    return Err(format!(
                        "{} of {ACT_2_LEN} bytes of act 2 came in time",
                        connection.input.len()
                    ));
                }
            }
        }
    }

    /// Reads what comes next, at the latest at `until`.
    pub(super) fn read(&mut self, link: LinkId, until: Instant) -> Arrival {
        loop {
            let slice = self.slice(until);
            match self.world.read(link, slice) {
                Arrival::Nothing if slice < until && !self.is_over() => {}
                other => return other,
            }
        }
    }

    /// Waits for news of any connection, or until the target dials `door`.
    pub(super) fn await_news(&mut self, door: Option<Door>, until: Instant) -> Option<Ready> {
        loop {
            let open = self.connections.values().filter(|connection| !connection.is_closed);
            let links: Vec<LinkId> = open.map(|connection| connection.link).collect();
            let slice = self.slice(until);
            match self.world.wait(door, &links, slice) {
                None if slice < until && !self.is_over() => {}
                Some(Ready::Link(link)) if door.is_some() => self.take_news(link),
                news => return news,
            }
        }
    }

    /// Reads what has come from a link, and serves it.
    fn take_news(&mut self, link: LinkId) {
        let named = self.connections.iter().find(|(_, connection)| connection.link == link);
        let Some(name) = named.map(|(name, _)| name.clone()) else { return };
        let now = self.world.now().instant;
        if let Some(mut connection) = self.connections.remove(&name) {
            self.pump_connection(&name, &mut connection, now);
            self.connections.insert(name.clone(), connection);
        }
        self.serve(&name);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, until: Instant) {
        while self.world.now().instant < until && !self.is_over() {
            self.world.pass(self.slice(until));
        }
    }

    /// Until when to wait before looking again whether the run is over.
    fn slice(&self, until: Instant) -> Instant {
        match self.profile.is_virtual {
            true => until,
            false => until.min(self.world.now().instant + SLICE),
        }
    }

    fn is_over(&mut self) -> bool {
        self.is_cut |= (self.context.is_over)();
        self.is_cut
    }

    fn keep_secrets(&mut self, connection: &Connection, secrets: &SessionSecrets) {
        self.exchange.secrets.push((connection.index, secrets.clone()));
    }

    /// Reads what comes next into the connection's items; false if nothing came in time.
    pub(super) fn pump(&mut self, on: &str, until: Instant) -> bool {
        if self.connections.values().any(Connection::is_served) {
            return self.pump_all(on, until);
        }
        let Some(mut connection) = self.connections.remove(on) else { return false };
        let came = self.pump_connection(on, &mut connection, until);
        self.connections.insert(on.to_owned(), connection);
        came
    }

    /// The same where the suite is a server too: whoever asks meanwhile is answered.
    fn pump_all(&mut self, on: &str, until: Instant) -> bool {
        let count = |session: &Self| session.connections.get(on).map(|one| one.items.len());
        let before = count(self);
        while count(self) == before {
            match self.await_news(None, until) {
                Some(Ready::Link(link)) => self.take_news(link),
                _ => return false,
            }
        }
        true
    }

    fn pump_connection(&mut self, on: &str, connection: &mut Connection, until: Instant) -> bool {
        let before = connection.items.len();
        self.parse(on, connection);
        while connection.items.len() == before && !connection.is_closed {
            match self.read(connection.link, until) {
                Arrival::Bytes(bytes) => {
                    self.log(connection.index, Direction::Received, &bytes);
                    connection.input.extend_from_slice(&bytes);
                    self.parse(on, connection);
                }
                Arrival::Closed => {
                    connection.is_closed = true;
                    self.note_on(on, What::Closed(Direction::Received));
                    connection.items.push(Item { what: ItemWhat::Closed, is_taken: false });
                }
                Arrival::Nothing => return false,
            }
        }
        connection.items.len() > before
    }

    fn parse(&mut self, on: &str, connection: &mut Connection) {
        loop {
            let what = match connection.incoming.next(&mut connection.input) {
                Parsed::Nothing => return,
                Parsed::Frame(frame) => {
                    let view = FrameView::of(&frame);
                    if let Some(message) = view.message() {
                        let is_client = connection.is_served();
                        connection.tracker.note(is_client, message);
                        if message.descriptor.name == "SetupConnection.Success" {
                            connection.is_set_up = true;
                        }
                    }
                    self.note_on(on, What::Frame(Direction::Received, view.clone()));
                    ItemWhat::Frame(view)
                }
                Parsed::Line(text) => {
                    let line = LineView::of(&text);
                    let is_client = connection.is_served();
                    if let Some(tracker) = &mut connection.lines {
                        tracker.note(is_client, &text);
                    }
                    self.note_on(on, What::Line(Direction::Received, line.clone()));
                    ItemWhat::Line(line)
                }
                Parsed::Bytes(bytes) => {
                    self.note_on(on, What::Bytes(Direction::Received, bytes));
                    ItemWhat::Bytes
                }
                Parsed::Broken(why) => {
                    if connection.items.iter().any(|item| matches!(item.what, ItemWhat::Broken(_)))
                    {
                        return;
                    }
                    self.note_on(on, What::Broken(why.clone()));
                    ItemWhat::Broken(why)
                }
            };
            connection.items.push(Item { what, is_taken: false });
        }
    }

    /// Reads what is there, of all connections.
    pub(super) fn drain_all(&mut self) {
        let names: Vec<String> = self.connections.keys().cloned().collect();
        for name in names {
            self.drain(&name);
        }
    }

    /// Reads what is there.
    pub(super) fn drain(&mut self, on: &str) {
        let now = self.world.now().instant;
        // A target that never stops sending must not keep us here.
        for _ in 0..DRAINED_MAX {
            if !self.pump(on, now) {
                return;
            }
        }
    }

    /// From here on what comes unasked is new. Several stimuli in a row are one.
    pub(super) fn mark(&mut self, on: &str) {
        if let Some(connection) = self.connections.get_mut(on)
            && connection.is_mark_used
        {
            connection.mark = connection.items.len();
            connection.is_mark_used = false;
        }
    }

    /// A stimulus on a connection. What a target between two peers does about it may show on any.
    pub(super) fn stimulate(&mut self, on: &str) {
        if self.connections.values().any(Connection::is_served) {
            self.drain_all();
            self.mark_all();
        } else {
            self.mark(on);
        }
    }

    pub(super) fn mark_all(&mut self) {
        let names: Vec<String> = self.connections.keys().cloned().collect();
        for name in names {
            self.mark(&name);
        }
    }

    pub(super) fn close(&mut self, on: &str, how: CloseHow) -> Result<(), Stop> {
        let link = self.connection(on)?.link;
        self.drain(on);
        self.world.close(link, how);
        if let Some(connection) = self.connections.get_mut(on) {
            connection.is_closed = true;
        }
        self.note_on(on, What::Closed(Direction::Sent));
        Ok(())
    }

    pub(super) fn wait_closed(&mut self, on: &str) -> Result<(), Stop> {
        let deadline = self.deadline(None);
        self.connection(on)?;
        while self.pump(on, deadline) {}
        if self.connection(on)?.is_closed {
            return Ok(());
        }
        let finding = Finding {
            because: "the connection was not closed in time".to_owned(),
            ..self.finding(Verdict::Fail, &[])
        };
        Err(Stop(Box::new(finding)))
    }

    pub(super) fn write(&mut self, _on: &str, connection: &mut Connection, bytes: &[u8]) {
        self.log(connection.index, Direction::Sent, bytes);
        self.world.write(connection.link, bytes);
    }

    pub(super) fn connection(&mut self, on: &str) -> Result<&mut Connection, Stop> {
        self.connections
            .get_mut(on)
            .ok_or_else(|| EvaluationError(format!("there is no connection `{on}` yet")).into())
    }

    pub(super) fn note_on(&mut self, on: &str, what: What) {
        let at = self.world.now().instant;
        if self.exchange.records.len() < RECORDS_MAX {
            self.exchange.records.push(Record { at, connection: on.to_owned(), what });
        }
    }

    pub(super) fn log(&mut self, link: usize, direction: Direction, bytes: &[u8]) {
        let at = self.world.now().instant;
        if self.exchange.segments.len() < RECORDS_MAX {
            let bytes = bytes::Bytes::copy_from_slice(bytes);
            self.exchange.segments.push(Segment { at, link, direction, bytes });
        }
    }
}

/// What the server has shown, as cases see it.
fn handshake_record(act_2: &[u8; ACT_2_LEN], server: &ServerIdentity) -> Value {
    let certificate = &server.certificate;
    let bytes = |bytes: &[u8]| Value::Bytes(bytes::Bytes::copy_from_slice(bytes));
    Value::record([
        ("act2_len", Value::Int(ACT_2_LEN as u64)),
        ("version", Value::Int(certificate.version.into())),
        ("valid_from", Value::Int(certificate.valid_from.into())),
        ("not_valid_after", Value::Int(certificate.not_valid_after.into())),
        ("is_authenticated", Value::Bool(server.is_authenticated)),
        ("static_key", bytes(&server.static_key)),
        ("ephemeral_x", bytes(&ephemeral_x(act_2))),
    ])
}

/// Of the key that an act begins with. The same key has 2^256 encodings: only the point says
/// whether it is fresh.
pub(super) fn ephemeral_x(act: &[u8]) -> [u8; 32] {
    let mut encoding = [0; ELLSWIFT_LEN];
    encoding.copy_from_slice(&act[..ELLSWIFT_LEN]);
    let ephemeral = PublicKey::from_ellswift(ElligatorSwift::from_array(encoding));
    ephemeral.x_only_public_key().0.serialize()
}

pub(super) fn bytes_of(value: &Value) -> Result<Vec<u8>, EvaluationError> {
    value
        .as_bytes()
        .map(|bytes| bytes.to_vec())
        .ok_or_else(|| EvaluationError(format!("{value} are no bytes")))
}

/// Of an ElligatorSwift-encoded key, with which act 2 begins.
const ELLSWIFT_LEN: usize = 64;

/// Longest payload that we take: all that a header can name.
#[expect(clippy::cast_possible_truncation, reason = "24 bits")]
pub(super) const PAYLOAD_LEN_MAX: u32 = FrameHeader::PAYLOAD_LEN_MAX as u32;

/// Arrivals that one drain takes.
const DRAINED_MAX: usize = 100_000;

/// Records and segments that one case keeps; what follows is judged, but not kept.
const RECORDS_MAX: usize = 200_000;

/// How long a wait goes on after the end of a run.
const SLICE: Duration = Duration::from_millis(250);

/// For a target that dials the suite to listen itself, from when it is dialled first.
const LISTEN_TIME: Duration = Duration::from_secs(10);

/// Between two attempts to reach it.
const BETWEEN_DIALS: Duration = Duration::from_millis(50);
