//! A connection of a fleet that speaks SV2: handshake, set-up, channels, shares (spec 4, 3.6, 5).

mod answers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sv2::common::{PROTOCOL_VERSION, SetupConnectionSuccess};
use sv2::connection::{Connection, ConnectionConfig, InitiatorSecurity, Received};
use sv2::message::{DecodeError, Message};
use sv2::noise::{CipherSuite, SEALED_HEADER_LEN, sealed_payload_len};
use sv2::time::{Instant, Now};
use sv2::wire::{Frame, Str255, Tlvs};

use super::arrivals::Arrivals;
use super::channel::Channel;
use super::fleet::Fleet;
use super::line::{End, Line};
use super::tally::Wait;
use super::turns::Turns;

/// One connection, and the devices that share it.
pub(super) struct Sv2Line {
    fleet: Arc<Fleet>,
    number: u32,
    connection: Connection,
    stage: Stage,
    /// When the stage began.
    since: Instant,
    /// The request for a device's channel has its place plus one as its id.
    devices: Vec<Device>,
    /// Channel ids with the places of their devices, in order: peers choose the ids.
    by_channel: Vec<(u32, u32)>,
    agenda: BinaryHeap<Reverse<(Instant, Task)>>,
    /// Places of devices that wait for the set-up.
    delayed: Vec<u32>,
    is_quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake,
    SetUp,
    Running,
}

struct Device {
    /// Within the whole fleet.
    number: u32,
    arrivals: Arrivals,
    state: DeviceState,
    turns: Turns,
}

#[derive(Debug)]
enum DeviceState {
    /// Its time has not come, or the connection is not set up.
    Waiting,
    Asked(Instant),
    Open(Box<Channel>),
    /// Refused, unanswered, or closed by the pool.
    Closed,
}

/// What is to be done at a time; for the device in that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Open(u32),
    /// A share is due.
    Arrive(u32),
    Hash(u32),
    /// The answer to an open request should be there.
    MissOpening(u32),
    /// The answer to SetupConnection should be there.
    MissSetUp,
}

impl Sv2Line {
    /// The line with that number, and the devices that fall to it. The socket has just opened.
    pub(super) fn new(fleet: &Arc<Fleet>, number: u32, now: Now, out: &mut Vec<u8>) -> Self {
        let config = &fleet.config;
        let (first, step) = (number as usize, config.connection_count() as usize);
        let numbers = (0..config.device_count).skip(first).step_by(step);
        let mut agenda = BinaryHeap::new();
        let devices: Vec<Device> = (0_u32..)
            .zip(numbers)
            .map(|(place, number)| {
                let from = fleet.started_at + config.opens_after(number);
                let arrivals = Arrivals::new(&fleet.entropy, number, from, fleet.mean_interval);
                agenda.push(Reverse((from, Task::Open(place))));
                agenda.push(Reverse((arrivals.next(), Task::Arrive(place))));
                Device { number, arrivals, state: DeviceState::Waiting, turns: Turns::default() }
            })
            .collect();
        let authority = config.pool.authority;
        let security = InitiatorSecurity::Noise { suite: CipherSuite::default(), authority };
        let limits = ConnectionConfig {
            handshake_timeout: ANSWER_TIMEOUT,
            payload_len_max: PAYLOAD_LEN_MAX,
        };
        let mut keys = fleet.key_entropy(number);
        Sv2Line {
            fleet: Arc::clone(fleet),
            number,
            connection: Connection::initiator(limits, security, now, &mut keys, out),
            stage: Stage::Handshake,
            since: now.instant,
            devices,
            by_channel: Vec::new(),
            agenda,
            delayed: Vec::new(),
            is_quiet: false,
        }
    }

    fn send(&mut self, message: Message, out: &mut Vec<u8>) -> Result<(), End> {
        let before = out.len();
        self.connection.send_message(&message, &Tlvs::NONE, out)?;
        let number = message.descriptor().number;
        self.fleet.tally.sent.add(0, number, out.len() - before);
        Ok(())
    }

    fn set_up(&mut self, now: Now, out: &mut Vec<u8>) -> Result<(), End> {
        let fleet = Arc::clone(&self.fleet);
        fleet.tally.established.add(1);
        fleet.tally.last_established_at.reach(now.instant.0);
        fleet.tally.waited(Wait::Handshake, self.number, now.instant.since(self.since));
        (self.stage, self.since) = (Stage::SetUp, now.instant);
        self.agenda.push(Reverse((now.instant + ANSWER_TIMEOUT, Task::MissSetUp)));
        self.send(fleet.config.setup_connection().into(), out)
    }

    fn take_frame(&mut self, now: Now, frame: Frame, out: &mut Vec<u8>) -> Result<(), End> {
        let wire_len = SEALED_HEADER_LEN + sealed_payload_len(frame.payload.len());
        let extension = frame.header().extension();
        self.fleet.tally.received.add(extension, frame.message_type, wire_len);
        let message = match Message::decode(&frame) {
            Ok(decoded) => decoded.message,
            // Spec 3.4: what we do not know is ignored.
            Err(DecodeError::Unknown { .. }) => return Ok(()),
            Err(error @ DecodeError::Malformed { .. }) => {
                return Err(End::Refused(error.to_string()));
            }
        };
        match (self.stage, message) {
            (Stage::SetUp, Message::SetupConnectionSuccess(answer)) => {
                self.handle_set_up(now, answer, out)
            }
            (Stage::SetUp, Message::SetupConnectionError(answer)) => {
                let code = text(&answer.error_code);
                Err(End::Refused(format!(
                    "SetupConnection.Error {code}, flags {:#x}",
                    answer.flags
                )))
            }
            (Stage::Running, message) => {
                self.handle(now.instant, message);
                Ok(())
            }
            (Stage::Handshake | Stage::SetUp, message) => {
                let name = message.name();
                self.fault(&format!("{name} before the answer to SetupConnection (spec 3.6)"));
                Ok(())
            }
        }
    }

    /// Spec 3.6.2 and 5.3.1.
    fn handle_set_up(
        &mut self,
        now: Now,
        answer: SetupConnectionSuccess,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let SetupConnectionSuccess { used_version, flags } = answer;
        if used_version != PROTOCOL_VERSION {
            return Err(End::Refused(format!("version {used_version} was not offered")));
        }
        let is_extended = self.fleet.config.channel == super::FleetChannel::Extended;
        if flags & sv2::mining::setup_flag::success::REQUIRES_EXTENDED_CHANNELS != 0 && !is_extended
        {
            return Err(End::Refused(
                "the pool opens no standard channels (spec 5.3.1)".to_owned(),
            ));
        }
        self.fleet.tally.set_up.add(1);
        self.fleet.tally.pending.take(1);
        self.fleet.tally.waited(Wait::SetUp, self.number, now.instant.since(self.since));
        (self.stage, self.since) = (Stage::Running, now.instant);
        for place in std::mem::take(&mut self.delayed) {
            self.open(now.instant, place, out)?;
        }
        Ok(())
    }

    fn open(&mut self, now: Instant, place: u32, out: &mut Vec<u8>) -> Result<(), End> {
        let fleet = Arc::clone(&self.fleet);
        let device = &mut self.devices[place as usize];
        device.state = DeviceState::Asked(now);
        let rate = fleet.config.nominal_hash_rate;
        let request = fleet.config.open_channel(place + 1, device.number, rate);
        self.agenda.push(Reverse((now + ANSWER_TIMEOUT, Task::MissOpening(place))));
        fleet.tally.asked_channels.add(1);
        fleet.tally.pending.add(1);
        self.send(request, out)
    }

    /// A share is due: it gets a turn to be searched for, or the reason is counted.
    fn arrive(&mut self, now: Instant, place: u32) {
        let fleet = Arc::clone(&self.fleet);
        let device = &mut self.devices[place as usize];
        device.arrivals.advance(fleet.mean_interval);
        self.agenda.push(Reverse((device.arrivals.next(), Task::Arrive(place))));
        let (price, in_flight) = match &device.state {
            DeviceState::Open(channel) => (channel.price(), channel.in_flight.len()),
            _ => (None, 0),
        };
        if let Some(turn) = device.turns.claim(&fleet, price, in_flight, now) {
            self.agenda.push(Reverse((turn, Task::Hash(place))));
        }
    }

    /// Goes on with the search whose turn it is, and submits what it finds.
    fn hash(&mut self, now: Now, place: u32, out: &mut Vec<u8>) -> Result<(), End> {
        let fleet = Arc::clone(&self.fleet);
        let device = &mut self.devices[place as usize];
        let Some(turn) = device.turns.begin() else { return Ok(()) };
        let channel = match &mut device.state {
            DeviceState::Open(channel) if channel.price().is_some() => channel,
            _ => {
                Turns::give_back(&fleet, turn);
                return Ok(());
            }
        };
        let found = channel.search(now.instant, Turns::HASHES_AT_ONCE);
        let (made, is_found) = (found.hash_count, found.share.is_some());
        if let Some(next) = device.turns.end(&fleet, turn, made, is_found, now.instant) {
            self.agenda.push(Reverse((next, Task::Hash(place))));
        }
        let Some(share) = found.share else { return Ok(()) };
        channel.submitted(fleet.clock.now().instant);
        self.send(share, out)
    }

    fn miss_opening(&mut self, place: u32) {
        let device = &mut self.devices[place as usize];
        if let DeviceState::Asked(_) = device.state {
            device.state = DeviceState::Closed;
            self.fleet.tally.pending.take(1);
            self.fault("no answer to a request for a channel within 30 s (spec 5.3.2)");
        }
    }

    /// Counts something that the pool has done wrong, and goes on.
    fn fault(&self, what: &str) {
        self.fleet.tally.errors.add(what);
    }
}

impl Line for Sv2Line {
    fn receive(&mut self, now: Now, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<(), End> {
        while let Some(received) = self.connection.receive(now, input, out)? {
            match received {
                Received::Established { .. } => {
                    self.fleet.config.log_keys(&self.connection);
                    self.set_up(now, out)?;
                }
                Received::Frame(frame) => self.take_frame(now, frame, out)?,
            }
        }
        Ok(())
    }

    fn work(&mut self, now: Now, out: &mut Vec<u8>) -> Result<(), End> {
        self.connection.expire(now.instant)?;
        for _ in 0..TASKS_AT_ONCE {
            let Some(Reverse((at, task))) = self.agenda.peek().copied() else { return Ok(()) };
            if at > now.instant {
                return Ok(());
            }
            self.agenda.pop();
            match task {
                Task::MissOpening(place) => self.miss_opening(place),
                Task::MissSetUp if self.stage == Stage::SetUp => {
                    return Err(End::Unanswered("answer to SetupConnection"));
                }
                Task::MissSetUp => {}
                _ if self.is_quiet => {}
                Task::Open(place) if self.stage != Stage::Running => self.delayed.push(place),
                Task::Open(place) => self.open(now.instant, place, out)?,
                Task::Arrive(place) => self.arrive(now.instant, place),
                Task::Hash(place) => self.hash(now, place, out)?,
            }
        }
        Ok(())
    }

    fn due(&self) -> Option<Instant> {
        self.agenda
            .peek()
            .map(|Reverse((at, _))| *at)
            .into_iter()
            .chain(self.connection.deadline())
            .min()
    }

    fn quieten(&mut self) {
        self.is_quiet = true;
    }

    fn end(&mut self, end: End, rest: &[u8]) -> End {
        let tally = &self.fleet.tally;
        let (mut in_flight, mut asked_count) = (0, 0);
        for device in &self.devices {
            match &device.state {
                DeviceState::Open(channel) => {
                    in_flight += channel.in_flight.len() as u64;
                    tally.closed_channels.add(1);
                }
                DeviceState::Asked(_) => asked_count += 1,
                DeviceState::Waiting | DeviceState::Closed => {}
            }
        }
        let is_set_up = self.stage == Stage::Running;
        tally.pending.take(asked_count + u64::from(!is_set_up));
        if end != End::ByUs {
            tally.lost.add(in_flight);
            return match (end, self.connection.end(&BytesMut::from(rest))) {
                // Inside a frame or the handshake.
                (End::ByPeer, Err(error)) => End::Connection(error),
                (end, _) => end,
            };
        }
        tally.left.add(in_flight);
        // Who has waited for us to end the run has not been served.
        if !is_set_up {
            self.fault("no answer to the handshake or SetupConnection by the end of the run");
        }
        for _ in 0..asked_count {
            self.fault("no answer to a request for a channel by the end of the run");
        }
        end
    }
}

fn text(code: &Str255) -> String {
    code.as_slice().escape_ascii().to_string()
}

/// For answers of the pool, the last act of the handshake included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest payload taken, in bytes: no message to a miner comes near it.
const PAYLOAD_LEN_MAX: u32 = 1 << 20;
/// Tasks between two looks at the socket.
const TASKS_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests;
