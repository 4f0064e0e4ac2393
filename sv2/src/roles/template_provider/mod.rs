//! The template provider: gives the templates of a node to pools and job declarators, and their
//! solutions to the node (spec 7).
//!
//! The node is whoever drives the role: templates arrive as [`ChainEvent`], blocks leave as
//! [`Request::SubmitBlock`]. Every client gets templates cut to its own constraints, and its own
//! pair of messages for each tip.

mod client;
mod config;
mod distribution;
mod offer;
mod solution;
#[cfg(test)]
mod tests;

pub use config::TemplateProviderConfig;

use std::collections::{BTreeMap, VecDeque};

use self::client::{CONSTRAINTS_COST, Client, Known, Phase};
use self::config::SETUP_OFFER;
use self::offer::{Constraints, Offers, STALE_TEMPLATE, UNKNOWN_TEMPLATE, no_data};
use crate::common::{Protocol, SetupConnection, SetupConnectionError};
use crate::event::Event;
use crate::extensions::{RequestExtensions, RequestExtensionsError};
use crate::message::{DecodeError, Message};
use crate::role::{
    Answer, ChainEvent, CloseReason, ConnectionId, Input, Outbox, Output, Request, RequestId, Role,
};
use crate::template_distribution::{
    CoinbaseOutputConstraints, RequestTransactionData, SubmitSolution,
};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::violation::Violation;
use crate::wire::{Seq64K, U256};

/// A template provider as a pure state machine.
#[derive(Debug)]
pub struct TemplateProvider {
    config: TemplateProviderConfig,
    clients: BTreeMap<ConnectionId, Client>,
    /// `None` until the node has given its first template.
    offers: Option<Offers>,
    next_template_id: u64,
    next_request_id: u64,
    /// Blocks on their way to the node.
    pending: BTreeMap<RequestId, Pending>,
    /// Hashes of the last blocks sent to the node.
    submitted: VecDeque<U256>,
    /// Tips so far.
    tip_count: u64,
    timers: Timers<Timer>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    hash: U256,
    /// `None` once the client has gone.
    connection: Option<ConnectionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Setup(ConnectionId),
    Constraints(ConnectionId),
    FeeUpdate(ConnectionId),
    /// The templates before this tip have had their grace.
    Grace(u64),
}

impl TemplateProvider {
    /// A provider that waits for the node's first template.
    pub fn new(config: TemplateProviderConfig) -> Self {
        TemplateProvider {
            config,
            clients: BTreeMap::new(),
            offers: None,
            next_template_id: 1,
            next_request_id: 0,
            pending: BTreeMap::new(),
            submitted: VecDeque::new(),
            tip_count: 0,
            timers: Timers::new(),
        }
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let is_full = self.clients.len() >= self.config.clients_max;
        self.clients.insert(connection, Client::new(Phase::AwaitingSetup));
        if is_full {
            self.close(connection, CloseReason::Limit("clients of the template provider"), out);
        } else {
            self.timers.set(Timer::Setup(connection), now.instant + self.config.setup_timeout);
        }
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: &Message,
        out: &mut Outbox,
    ) {
        let Some(client) = self.clients.get(&connection) else { return };
        let handled = match (client.phase, message) {
            (Phase::Closing, _) => return,
            (Phase::AwaitingSetup, Message::SetupConnection(request)) => {
                self.handle_setup(now, connection, request, out);
                Ok(())
            }
            (Phase::AwaitingSetup, other) => Err(Violation::BeforeSetup { message: other.name() }),
            (Phase::Open, Message::SetupConnection(_)) => Err(Violation::SecondSetup),
            (Phase::Open, Message::CoinbaseOutputConstraints(asked)) => {
                self.handle_constraints(now, connection, asked, out)
            }
            (Phase::Open, Message::RequestTransactionData(request)) => {
                self.handle_data_request(now, connection, request, out)
            }
            (Phase::Open, Message::SubmitSolution(solution)) => {
                self.handle_solution(now, connection, solution, out);
                Ok(())
            }
            (Phase::Open, Message::RequestExtensions(request)) => {
                out.send(connection, no_extensions(request));
                Ok(())
            }
            (Phase::Open, other) => Err(Violation::OutOfPlace { message: other.name() }),
        };
        if let Err(violation) = handled {
            self.close(connection, violation.into(), out);
        }
    }

    fn handle_undecodable(
        &mut self,
        connection: ConnectionId,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        let Some(client) = self.clients.get(&connection) else { return };
        match (client.phase, error) {
            (Phase::Closing, _) => {}
            (Phase::AwaitingSetup, DecodeError::Unknown { .. }) => {
                let violation = Violation::BeforeSetup { message: "an unknown message" };
                self.close(connection, violation.into(), out);
            }
            // Spec 3.4.1: discarded by the endpoint of the connection.
            (Phase::Open, error @ DecodeError::Unknown { .. }) => {
                note(Some(connection), format!("ignored: {error} (spec 3.4.1)"), out);
            }
            (_, error @ DecodeError::Malformed { .. }) => {
                self.close(connection, error.into(), out);
            }
        }
    }

    fn handle_setup(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetupConnection,
        out: &mut Outbox,
    ) {
        match SETUP_OFFER.answer(request) {
            Ok(success) => {
                let Some(client) = self.clients.get_mut(&connection) else { return };
                client.phase = Phase::Open;
                let constraints_at = now.instant + self.config.constraints_timeout;
                self.timers.cancel(Timer::Setup(connection));
                self.timers.set(Timer::Constraints(connection), constraints_at);
                out.send(connection, success);
                out.tell(Event::SetupDone {
                    connection,
                    protocol: Protocol::TemplateDistribution as u8,
                    flags: request.flags,
                });
            }
            Err(refusal) => {
                out.send(connection, SetupConnectionError::from(refusal));
                self.close(connection, CloseReason::SetupRefused(refusal.error_code), out);
            }
        }
    }

    /// Spec 7.1: the first one starts the work; any other renews it (AMB-32).
    fn handle_constraints(
        &mut self,
        now: Now,
        connection: ConnectionId,
        asked: &CoinbaseOutputConstraints,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(&connection) else { return Ok(()) };
        client.count_request(now.instant, "CoinbaseOutputConstraints", CONSTRAINTS_COST)?;
        client.constraints = Some(Constraints::new(asked)?);
        self.timers.cancel(Timer::Constraints(connection));
        match client.announced {
            None => self.send_tip(now, connection, out),
            Some(announced) => self.send_update(now, connection, announced, out),
        }
        Ok(())
    }

    fn handle_data_request(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &RequestTransactionData,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(&connection) else { return Ok(()) };
        client.count_request(now.instant, "RequestTransactionData", 1)?;
        client.drop_stale(now.instant, self.config.stale_grace);
        let template_id = request.template_id;
        let answer = match client.template(template_id) {
            Known::Kept(offer) => offer.transaction_data(template_id),
            Known::Stale => no_data(template_id, STALE_TEMPLATE),
            Known::Never => no_data(template_id, UNKNOWN_TEMPLATE),
        };
        out.send(connection, answer);
        Ok(())
    }

    /// Spec 7.7: what may be a block goes to the node at once; what is none harms nobody.
    fn handle_solution(
        &mut self,
        now: Now,
        connection: ConnectionId,
        solution: &SubmitSolution,
        out: &mut Outbox,
    ) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        client.drop_stale(now.instant, self.config.stale_grace);
        let template_id = solution.template_id;
        let mut note = |what: &str| {
            note(Some(connection), format!("solution for template {template_id}: {what}"), out);
        };
        let offer = match client.template(template_id) {
            Known::Kept(offer) => offer,
            Known::Stale => return note("dropped, the template is stale"),
            Known::Never => return note("dropped, no such template was sent (spec 7.7)"),
        };
        let (announced, check) = (client.announced, self.config.proof_check);
        let solved = match solution::solve(&offer, solution, announced, check, now.instant) {
            Ok(solved) => solved,
            Err(flaw) => return note(&format!("dropped, {flaw} (spec 7.7)")),
        };
        if self.submitted.contains(&solved.hash) {
            return note("dropped, the block is on its way already");
        }
        if self.pending.len() >= PENDING_MAX {
            return note("dropped, too many blocks wait for the node");
        }
        solved.remarks.iter().for_each(|remark| note(remark));
        self.submitted.push_back(solved.hash);
        if self.submitted.len() > SUBMITTED_MAX {
            self.submitted.pop_front();
        }
        let request = RequestId(self.next_request_id);
        self.next_request_id += 1;
        self.pending.insert(request, Pending { hash: solved.hash, connection: Some(connection) });
        let what = Request::SubmitBlock { block: solved.block };
        out.put(Output::Request { request, what });
    }

    fn handle_answer(&mut self, request: RequestId, answer: Answer, out: &mut Outbox) {
        let Some(Pending { hash, connection }) = self.pending.remove(&request) else { return };
        match answer {
            Answer::BlockAccepted { hash } => out.tell(Event::BlockFound { hash }),
            Answer::BlockRejected { reason } => {
                note(connection, format!("the node refused block {hash}: {reason}"), out);
            }
            Answer::Failed(reason) => {
                // The client may send it again, or another one of ours may.
                self.submitted.retain(|submitted| *submitted != hash);
                note(connection, format!("block {hash} did not reach the node: {reason}"), out);
            }
            Answer::Persisted => {}
        }
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Setup(connection) => self.close(connection, CloseReason::SetupTimedOut, out),
                Timer::Constraints(connection) => {
                    let seconds = self.config.constraints_timeout.as_secs();
                    let violation = Violation::ConstraintsMissing { seconds };
                    self.close(connection, violation.into(), out);
                }
                Timer::FeeUpdate(connection) => self.send_rise(now, connection, out),
                Timer::Grace(_) => {
                    for client in self.clients.values_mut() {
                        client.drop_stale(now.instant, self.config.stale_grace);
                    }
                }
            }
        }
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        *client = Client::new(Phase::Closing);
        self.cancel_timers(connection);
        out.close(connection, reason);
    }

    fn handle_closed(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        if self.clients.remove(&connection).is_none() {
            return;
        }
        self.cancel_timers(connection);
        for pending in self.pending.values_mut() {
            pending.connection = pending.connection.filter(|other| *other != connection);
        }
        out.tell(Event::ConnectionClosed { connection, reason });
    }

    fn cancel_timers(&mut self, connection: ConnectionId) {
        let timers = [
            Timer::Setup(connection),
            Timer::Constraints(connection),
            Timer::FeeUpdate(connection),
        ];
        timers.into_iter().for_each(|timer| self.timers.cancel(timer));
    }
}

impl Role for TemplateProvider {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { connection, via: _ } => self.handle_connected(now, connection, out),
            Input::Received { connection, message, .. } => {
                self.handle_message(now, connection, &message, out);
            }
            Input::Undecodable { connection, frame: _, error } => {
                self.handle_undecodable(connection, error, out);
            }
            Input::Closed { connection, reason } => self.handle_closed(connection, reason, out),
            Input::Chain(ChainEvent::Template(template)) => {
                self.handle_template(now, template, out);
            }
            Input::Chain(ChainEvent::Unreachable(reason)) => {
                note(None, format!("the node cannot be reached: {reason}"), out);
            }
            Input::Answer { request, answer } => self.handle_answer(request, answer, out),
            Input::Line { connection, .. } => out.refuse_line(connection),
            Input::Command(command) => command.refuse(out),
            Input::Woken => self.handle_woken(now, out),
            // The role dials nobody.
            Input::DialFailed { .. } => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}

/// Extension 0x0001, 4: no extension concerns templates.
fn no_extensions(request: &RequestExtensions) -> RequestExtensionsError {
    RequestExtensionsError {
        request_id: request.request_id,
        unsupported_extensions: request.requested_extensions.clone(),
        required_extensions: Seq64K::default(),
    }
}

fn note(connection: Option<ConnectionId>, what: String, out: &mut Outbox) {
    out.tell(Event::Noted { connection, what });
}

/// Blocks on their way to the node.
const PENDING_MAX: usize = 64;

/// Hashes of blocks kept to send each once.
const SUBMITTED_MAX: usize = 256;
