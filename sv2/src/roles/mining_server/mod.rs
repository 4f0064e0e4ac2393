//! What every role does that serves miners: a pool, a proxy, a job declarator client, a
//! translator (spec 5).
//!
//! Set-up, extensions, channels, groups, jobs, shares and their acknowledgement are here. Where
//! work comes from, and where proofs go, is the business of the [`Owner`]: it hands in
//! [`WorkSource`]s and tips, and is handed every accepted share.

mod accounts;
mod channel_table;
mod channels;
mod commands;
mod config;
mod control;
mod custom_jobs;
mod downstream;
mod extensions;
mod jobs;
mod setup;
mod shares;
mod work;

pub use config::MiningServerConfig;
pub(crate) use shares::{Owner, Proof};
pub(crate) use work::{Stock, UnknownWork, WorkSource};

use self::accounts::Unwritten;
use self::downstream::{Downstream, Phase};
use crate::common::SetupOffer;
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::{DecodeError, Message};
use crate::mining::extranonce::ExtranonceAllocator;
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::violation::Violation;
use crate::wire::{Frame, Tlvs};

/// The clients of a role, their channels, and the work that these have.
#[derive(Debug)]
pub(crate) struct MiningServer {
    config: MiningServerConfig,
    entropy: Entropy,
    offer: SetupOffer,
    /// By [`ConnectionId`]: the driver hands out small numbers.
    connections: Vec<Option<Box<Downstream>>>,
    /// Clients that have ever connected.
    generation: u64,
    extranonces: ExtranonceAllocator,
    stock: Stock,
    unwritten: Unwritten,
    timers: Timers<Timer>,
    /// See [`MiningServer::channel_changes`].
    channel_changes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Vardiff,
    Setup(ConnectionId),
    Idle(ConnectionId),
    /// Of a channel's batch.
    Acknowledge(ConnectionId, u32),
}

impl MiningServer {
    /// A server without clients and without work.
    pub(crate) fn new(config: MiningServerConfig, entropy: Entropy) -> Self {
        MiningServer {
            offer: config.setup_offer(),
            connections: Vec::new(),
            generation: 0,
            extranonces: ExtranonceAllocator::new(config.extranonce.clone()),
            stock: Stock::default(),
            unwritten: Unwritten::default(),
            timers: Timers::new(),
            channel_changes: 0,
            config,
            entropy,
        }
    }

    /// As it is now: some settings follow an upstream.
    pub(crate) fn config(&self) -> &MiningServerConfig {
        &self.config
    }

    /// Once, with the first input of the role.
    pub(crate) fn start(&mut self, now: Now) {
        if let Some(algorithm) = self.config.vardiff {
            self.timers.set(Timer::Vardiff, now.instant + algorithm.interval());
        }
    }

    /// When [`MiningServer::handle_woken`] is due.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    /// A client has connected, by whichever listener.
    pub(crate) fn handle_connected(&mut self, now: Now, connection: ConnectionId) {
        let index = connection.0 as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.generation += 1;
        self.connections[index] = Some(Box::new(Downstream::new(self.generation)));
        self.timers.set(Timer::Setup(connection), now.instant + self.config.setup_timeout);
    }

    /// A message of a client; nothing if the connection is none of a client.
    pub(crate) fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        tlvs: &Tlvs,
        owner: &mut impl Owner,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        match (downstream.phase, message) {
            // First what comes a thousand times as often as the rest.
            (Phase::Open, Message::SubmitSharesStandard(share)) => {
                self.handle_standard_share(now, connection, &share, owner, out);
            }
            (Phase::Open, Message::SubmitSharesExtended(share)) => {
                self.handle_extended_share(now, connection, &share, tlvs, owner, out);
            }
            (Phase::Closing, _) => {}
            (Phase::AwaitingSetup, Message::SetupConnection(request)) => {
                self.handle_setup(now, connection, &request, out);
            }
            (Phase::AwaitingSetup, other) => {
                let violation = Violation::BeforeSetup { message: other.name() };
                self.close(connection, violation.into(), out);
            }
            // AMB-47: the two sides no longer agree about what the connection is.
            (Phase::Open, Message::SetupConnection(_)) => {
                self.close(connection, Violation::SecondSetup.into(), out);
            }
            (Phase::Open, Message::RequestExtensions(request)) => {
                self.handle_request_extensions(connection, &request, out);
            }
            (Phase::Open, Message::SetCustomMiningJob(request)) => {
                self.handle_custom_job(now, connection, &request, out);
            }
            (Phase::Open, other) => self.handle_mining(now, connection, other, out),
        }
    }

    /// Everything of the mining protocol but shares and custom jobs.
    fn handle_mining(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let opens = matches!(
            message,
            Message::OpenStandardMiningChannel(_) | Message::OpenExtendedMiningChannel(_)
        );
        // Without a channel nothing is served, so this is where going on without a required
        // extension ends.
        let missing = self.config.missing_extension(&downstream.negotiated).filter(|_| opens);
        if let Some(violation) = missing {
            return self.close(connection, violation.into(), out);
        }
        match message {
            Message::OpenStandardMiningChannel(request) => {
                self.handle_open(now, connection, (*request).into(), out);
            }
            Message::OpenExtendedMiningChannel(request) => {
                self.handle_open(now, connection, (*request).into(), out);
            }
            Message::UpdateChannel(update) => self.handle_update(now, connection, &update, out),
            Message::CloseChannel(close) => {
                self.handle_close_channel(now, connection, &close, out);
            }
            // A message of another protocol, or one that only a server sends (spec 8).
            other => self.note_ignored(now, connection, other.name(), out),
        }
    }

    /// A frame of a client that is no message that we know, or a malformed one; nothing if the
    /// connection is none of a client.
    pub(crate) fn handle_undecodable(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: &Frame,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        match (downstream.phase, error) {
            (Phase::Closing, _) => {}
            // Spec 3.4.1: the endpoint of connection and channel drops what it does not know;
            // before set-up nothing but SetupConnection has a place.
            (Phase::Open, DecodeError::Unknown { .. }) => {
                let (number, extension) = (frame.message_type, frame.header().extension());
                let what = format!("message {number:#04x} of extension {extension:#06x}");
                self.note_ignored(now, connection, &what, out);
            }
            (Phase::AwaitingSetup, DecodeError::Unknown { .. }) => {
                let violation = Violation::BeforeSetup { message: "an unknown message" };
                self.close(connection, violation.into(), out);
            }
            (_, error @ DecodeError::Malformed { .. }) => {
                self.close(connection, CloseReason::Undecodable(error), out);
            }
        }
    }

    fn note_ignored(&mut self, now: Now, connection: ConnectionId, what: &str, out: &mut Outbox) {
        out.tell(Event::Noted {
            connection: Some(connection),
            what: format!("ignored {what}: nothing for a mining server (spec 3.4.1, 8)"),
        });
        self.count_useless(now, connection, out);
    }

    fn count_useless(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let limit = self.config.useless_messages_per_minute_max;
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if let Err(violation) = downstream.count_useless(now.instant, limit) {
            self.close(connection, violation.into(), out);
        }
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if downstream.phase != Phase::Closing {
            downstream.phase = Phase::Closing;
            self.release(connection);
            out.close(connection, reason);
        }
    }

    /// Ends everything that a connection holds.
    fn release(&mut self, connection: ConnectionId) {
        self.timers.cancel(Timer::Setup(connection));
        self.timers.cancel(Timer::Idle(connection));
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        downstream.take_waiting();
        downstream.groups.clear();
        for (channel_id, served) in downstream.channels.take() {
            self.timers.cancel(Timer::Acknowledge(connection, channel_id));
            let extranonces = served.channel.into_extranonces();
            extranonces.for_each(|extranonce| self.extranonces.release(extranonce));
            self.channel_changes += 1;
        }
    }

    /// `false`: the connection was none of a client, and nothing is done about it.
    pub(crate) fn handle_closed(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Outbox,
    ) -> bool {
        if slot(&mut self.connections, connection).is_none() {
            return false;
        }
        self.release(connection);
        self.connections[connection.0 as usize] = None;
        out.tell(Event::ConnectionClosed { connection, reason });
        true
    }

    /// Does what is due.
    pub(crate) fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Vardiff => self.adjust_targets(now.instant, out),
                Timer::Setup(connection) => self.close(connection, CloseReason::SetupTimedOut, out),
                Timer::Idle(connection) => self.close(connection, CloseReason::Idle, out),
                Timer::Acknowledge(connection, channel_id) => {
                    self.acknowledge(connection, channel_id, out);
                }
            }
        }
    }

    /// Connections that are served.
    fn open_connections(&self) -> Vec<ConnectionId> {
        self.connections_where(Downstream::is_open)
    }

    /// In the order of their ids.
    fn connections_where(&self, is_wanted: impl Fn(&Downstream) -> bool) -> Vec<ConnectionId> {
        (0..)
            .zip(&self.connections)
            .filter(|(_, downstream)| downstream.as_deref().is_some_and(&is_wanted))
            .map(|(index, _)| ConnectionId(index))
            .collect()
    }
}

/// Those that are served, in the order of their ids.
fn served_connections(
    connections: &mut [Option<Box<Downstream>>],
) -> impl Iterator<Item = (ConnectionId, &mut Downstream)> {
    let all = (0..).zip(connections).map(|(index, place)| (ConnectionId(index), place));
    let there = all.filter_map(|(connection, place)| Some((connection, place.as_deref_mut()?)));
    there.filter(|(_, downstream)| downstream.is_open())
}

fn slot(
    connections: &mut [Option<Box<Downstream>>],
    connection: ConnectionId,
) -> Option<&mut Downstream> {
    connections.get_mut(connection.0 as usize)?.as_deref_mut()
}
