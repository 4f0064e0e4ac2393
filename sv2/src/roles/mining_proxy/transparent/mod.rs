//! Every channel of a client is a channel of its own at the upstream (spec 5.2, the preferred
//! way).
//!
//! What clients and upstream say about a channel goes through as it is: shares, their answers,
//! jobs, targets, prefixes, fields of extensions, and messages of extensions that we do not know
//! (spec 3.4.1). Ids of requests are mapped, since clients choose them without knowing of each
//! other. Ids of channels, groups and jobs are kept: the upstream makes them unique on its
//! connection, and a client sees one such connection alone. Sequence numbers are kept too: they
//! count by channel (spec 5.3.11), and no channel has two clients, so an answer that covers many
//! shares covers those of one client.
//!
//! **Flags.** Clients whose `SetupConnection` asks for the same share an upstream connection
//! (a [`Lane`]); there are at most four. `REQUIRES_WORK_SELECTION` and
//! `REQUIRES_VERSION_ROLLING` are promises about a whole connection (spec 5.3.1): with the first
//! set, an upstream sends no jobs and refuses standard channels, so clients that want it and
//! those that do not cannot share one. `REQUIRES_STANDARD_JOBS` is never passed on, even if all
//! clients ask for it: it would forbid extended channels and groups, and with them one message
//! for all (spec 5.2.1). Standard jobs are derived here, at the arrival of the group's.
//!
//! **A lost upstream** takes the connections of its clients with it: ids, flags and extensions
//! were agreed on with that one, and the ids of the next would come twice on a connection that
//! lived on, which spec 5.2 forbids. Every client knows how to dial again; until an upstream is
//! there, and has settled extensions with the proxy, its set-up waits.

mod client;
mod group;
mod lane;
mod news;
mod opening;
mod requests;
mod setup;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::client::{Client, Phase};
use self::lane::Lane;
use super::MiningProxyConfig;
use crate::common::{Protocol, Reconnect, SetupOffer};
use crate::event::Event;
use crate::message::{DecodeError, Message};
use crate::mining::error_code::close_reason;
use crate::mining::setup_flag::{
    REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, REQUIRES_WORK_SELECTION,
};
use crate::mining::{CloseChannel, UpdateChannel};
use crate::role::{CloseReason, Command, ConnectionId, DialId, Input, Outbox, Output, Role, Via};
use crate::roles::mining_server::MiningServerConfig;
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::violation::Violation;
use crate::wire::{Frame, Str255, Tlvs};

/// A proxy that passes channels on.
#[derive(Debug)]
pub(super) struct Transparent {
    server: MiningServerConfig,
    update_interval: Duration,
    offer: SetupOffer,
    /// By the flags that clients ask for: see [`Lane::of_flags`].
    lanes: Vec<Lane>,
    /// By [`ConnectionId`]: the driver hands out small numbers.
    clients: Vec<Option<Box<Client>>>,
    timers: Timers<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Of `SetupConnection`, and then of an upstream to answer it for.
    Setup(ConnectionId),
    Idle(ConnectionId),
    /// `UpdateChannel` of a channel of a lane may be sent again.
    Update(usize, u32),
}

/// A message as it came: what is passed on unchanged.
#[derive(Clone)]
struct Passage {
    message: Message,
    tlvs: Tlvs,
    original: Option<Box<Frame>>,
}

impl Transparent {
    pub(super) fn new(config: MiningProxyConfig) -> Self {
        Transparent {
            update_interval: config.update_interval,
            offer: SetupOffer {
                protocol: Protocol::Mining,
                supported_flags: REQUIRES_STANDARD_JOBS
                    | REQUIRES_WORK_SELECTION
                    | REQUIRES_VERSION_ROLLING,
                // The upstream's, which come later.
                answer_flags: 0,
            },
            lanes: (0..Lane::COUNT).map(|index| Lane::new(&config, index)).collect(),
            clients: Vec::new(),
            timers: Timers::new(),
            server: config.server,
        }
    }

    fn client(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.clients.get_mut(connection.0 as usize)?.as_deref_mut()
    }

    /// The lane whose upstream connection this is.
    fn lane_at(&self, connection: ConnectionId) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.uplink.is(connection))
    }

    fn lane_of_dial(&mut self, dial: DialId) -> &mut Lane {
        &mut self.lanes[dial.0 as usize % Lane::COUNT]
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        passage: Passage,
        out: &mut Outbox,
    ) {
        if let Some(lane) = self.lane_at(connection) {
            return self.handle_news(now, lane, connection, passage, out);
        }
        let Some(client) = self.client(connection) else { return };
        match (client.phase, passage.message) {
            (Phase::Open, message) => {
                let passage = Passage { message, ..passage };
                self.handle_request(now, connection, passage, out);
            }
            (Phase::AwaitingSetup, Message::SetupConnection(request)) => {
                self.handle_setup(now, connection, &request, out);
            }
            (Phase::AwaitingSetup | Phase::AwaitingUpstream, other) => {
                let violation = Violation::BeforeSetup { message: other.name() };
                self.close(connection, violation.into(), out);
            }
            (Phase::Closing, _) => {}
        }
    }

    /// Spec 3.4.1: what names a channel goes to the other end of it, the rest ends here.
    fn handle_undecodable(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: Frame,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        let lane = self.lane_at(connection);
        match (lane, error) {
            (Some(lane), error @ DecodeError::Malformed { .. }) => {
                self.lanes[lane].uplink.handle_undecodable(connection, error, out);
            }
            (Some(lane), DecodeError::Unknown { .. }) => {
                self.pass_frame_down(lane, connection, frame, out);
            }
            (None, error @ DecodeError::Malformed { .. }) => {
                self.close(connection, CloseReason::Undecodable(error), out);
            }
            (None, DecodeError::Unknown { .. }) => {
                self.pass_frame_up(now, connection, frame, out);
            }
        }
    }

    fn note_ignored(&mut self, now: Now, connection: ConnectionId, what: &str, out: &mut Outbox) {
        out.tell(Event::Noted {
            connection: Some(connection),
            what: format!("ignored {what}: nothing that a proxy passes on (spec 3.4.1, 8)"),
        });
        self.count_useless(now, connection, out);
    }

    /// What one client wastes would count against all of its lane at the upstream.
    fn count_useless(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let limit = self.server.useless_messages_per_minute_max;
        let Some(client) = self.client(connection) else { return };
        if let Err(violation) = client.useless.count(now.instant, limit) {
            self.close(connection, violation.into(), out);
        }
    }

    /// Spec 5.3.2: a connection without channels is closed after a while.
    fn watch_idleness(&mut self, now: Now, connection: ConnectionId) {
        let Some(client) = self.client(connection) else { return };
        if client.phase == Phase::Open && client.channels.is_empty() && client.open_count == 0 {
            self.timers.set(Timer::Idle(connection), now.instant + self.server.idle_timeout);
        }
    }

    /// Asks the driver to close a client's connection; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(client) = self.client(connection) else { return };
        if client.phase != Phase::Closing {
            self.release(connection, out);
            if let Some(client) = self.client(connection) {
                client.phase = Phase::Closing;
            }
            out.close(connection, reason);
        }
    }

    /// Ends everything that a connection holds, also at the upstream (spec 5.3.9).
    fn release(&mut self, connection: ConnectionId, out: &mut Outbox) {
        self.timers.cancel(Timer::Setup(connection));
        self.timers.cancel(Timer::Idle(connection));
        let Some(client) = self.client(connection) else { return };
        let (lane, channels) = (client.lane, std::mem::take(&mut client.channels));
        let Some(lane) = lane else { return };
        client.lane = None;
        self.lanes[lane].forget_client(connection);
        for channel_id in channels {
            self.end_channel_upstream(lane, channel_id, close_reason::DOWNSTREAM_CLOSED, out);
        }
    }

    /// A channel whose client has left.
    fn end_channel_upstream(
        &mut self,
        lane: usize,
        channel_id: u32,
        reason: &'static str,
        out: &mut Outbox,
    ) {
        self.timers.cancel(Timer::Update(lane, channel_id));
        if let Some(in_flight) = self.lanes[lane].remove_channel(channel_id) {
            tell_lost(u64::from(in_flight), out);
            let reason_code = Str255::from_static(reason);
            self.lanes[lane].send(CloseChannel { channel_id, reason_code }, out);
        }
    }

    /// Everybody on the lane has to set up again.
    fn handle_upstream_lost(&mut self, lane: usize, out: &mut Outbox) {
        let count = self.lanes[lane].forget_everything();
        tell_lost(count, out);
        for connection in self.clients_of(lane, Phase::Open) {
            self.close(connection, CloseReason::ServiceChanged("the upstream is lost"), out);
        }
    }

    fn clients_of(&self, lane: usize, phase: Phase) -> Vec<ConnectionId> {
        let clients = (0..).zip(&self.clients).filter_map(|(index, client)| {
            let client = client.as_deref()?;
            (client.lane == Some(lane) && client.phase == phase).then_some(ConnectionId(index))
        });
        clients.collect()
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].handle_woken(now, out) {
                self.answer_waiting(now, lane, out);
            }
        }
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Setup(connection) => self.handle_setup_deadline(connection, out),
                Timer::Idle(connection) => self.close(connection, CloseReason::Idle, out),
                Timer::Update(lane, channel_id) => {
                    self.send_held_update(now, lane, channel_id, out);
                }
            }
        }
    }

    fn send_held_update(&mut self, now: Now, lane: usize, channel_id: u32, out: &mut Outbox) {
        let Some(channel) = self.lanes[lane].channels.get_mut(&channel_id) else { return };
        let Some(update) = channel.held_update.take() else { return };
        channel.updated_at = Some(now.instant);
        self.lanes[lane].send::<UpdateChannel>(update, out);
    }

    /// Prefixes and groups are the upstream's to change.
    fn handle_command(&mut self, command: &Command, out: &mut Outbox) {
        let Command::Reconnect { new_host, new_port } = command else {
            let reason = "a transparent proxy has neither prefixes nor groups".to_owned();
            return out.tell(Event::CommandRefused { command: command.name(), count: 1, reason });
        };
        let lanes = 0..self.lanes.len();
        let clients: Vec<_> = lanes.flat_map(|lane| self.clients_of(lane, Phase::Open)).collect();
        for connection in &clients {
            let (new_host, new_port) = (new_host.clone(), *new_port);
            out.send(*connection, Reconnect { new_host, new_port });
        }
        out.tell(Event::CommandDone { command: command.name(), count: clients.len() });
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Received { connection, message, tlvs, original } => {
                let passage = Passage { message, tlvs, original };
                self.handle_message(now, connection, passage, out);
            }
            Input::Connected { connection, via: Via::Dial(dial) } => {
                self.lane_of_dial(dial).uplink.handle_connected(now, dial, connection, out);
            }
            Input::Connected { connection, via: Via::Listener(_) } => {
                self.handle_connected(now, connection);
            }
            Input::DialFailed { dial, reason: _ } => {
                self.lane_of_dial(dial).uplink.handle_dial_failed(now, dial);
            }
            Input::Undecodable { connection, frame, error } => {
                self.handle_undecodable(now, connection, frame, error, out);
            }
            Input::Closed { connection, reason } => match self.lane_at(connection) {
                Some(lane) => {
                    self.lanes[lane].uplink.handle_closed(now, connection, reason, out);
                    self.handle_upstream_lost(lane, out);
                }
                None => self.handle_client_closed(connection, reason, out),
            },
            Input::Line { connection, .. } => out.refuse_line(connection),
            Input::Command(command) => self.handle_command(&command, out),
            Input::Woken => self.handle_woken(now, out),
            // News of a chain come through the upstream, and nothing was asked of the world.
            Input::Chain(_) | Input::Answer { .. } => {}
        }
    }
}

/// Shares whose answers reach nobody any more.
fn tell_lost(count: u64, out: &mut Outbox) {
    if count > 0 {
        out.tell(Event::SharesLost { count: usize::try_from(count).unwrap_or(usize::MAX) });
    }
}

impl Role for Transparent {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.take(now, input, out);
        for lane in &mut self.lanes {
            lane.follow_demand(now, out);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(Lane::wake_at);
        lanes.chain(self.timers.earliest()).min()
    }
}

impl Passage {
    /// Byte for byte where the message alone would not give the same bytes; fields of extensions
    /// only where both sides have agreed on some.
    fn pass(self, connection: ConnectionId, keeps_tlvs: bool, out: &mut Outbox) {
        let Passage { message, tlvs, original } = self;
        match original {
            Some(frame) if keeps_tlvs || tlvs.is_empty() => {
                out.put(Output::Forward { connection, frame: *frame });
            }
            _ => {
                let tlvs = if keeps_tlvs { tlvs } else { Tlvs::NONE };
                out.put(Output::Send { connection, message, tlvs });
            }
        }
    }
}
