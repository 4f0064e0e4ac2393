//! The job declarator server: hands out tokens, acknowledges the jobs that miners choose for
//! themselves, and brings their blocks to its node (spec 6).
//!
//! It stands beside a pool and never speaks with it: what it has to tell the pool is written in
//! its tokens ([`crate::job_declaration::token`]). The node is whoever drives the role: templates
//! arrive as [`ChainEvent`], jobs leave to be judged as [`Request::ValidateBlock`], blocks as
//! [`Request::SubmitBlock`].

mod client;
mod config;
mod declaration;
mod declaring;
mod job;
mod solution;
#[cfg(test)]
mod tests;
mod tokens;
mod transactions;

pub use config::{JobDeclaratorServerConfig, JobDeclaratorServerConfigError};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use self::client::{Client, Counted, Mode, Phase};
use self::config::SETUP_OFFER;
use self::transactions::KnownTransactions;
use crate::chain::BlockTemplate;
use crate::common::{Protocol, SetupConnection, SetupConnectionError, SetupRefusal};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::extensions::{RequestExtensions, RequestExtensionsError};
use crate::job_declaration::{DECLARE_TX_DATA, error_code};
use crate::message::{DecodeError, Message};
use crate::role::{Answer, ChainEvent, CloseReason, ConnectionId, Input, Outbox, RequestId, Role};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::violation::Violation;
use crate::wire::{B64K, Seq64K, U256};

/// A job declarator server as a pure state machine.
#[derive(Debug)]
pub struct JobDeclaratorServer {
    config: JobDeclaratorServerConfig,
    /// That go with every token.
    outputs: B64K,
    entropy: Entropy,
    clients: BTreeMap<ConnectionId, Client>,
    /// `None` until the node has given its first template.
    tip: Option<TipTemplate>,
    known: KnownTransactions,
    next_request_id: u64,
    /// What the node has been asked.
    pending: BTreeMap<RequestId, Pending>,
    /// Whose declaration waits until the node has less to do, in order.
    queue: VecDeque<ConnectionId>,
    /// Hashes of the last blocks sent to the node.
    submitted: VecDeque<U256>,
    timers: Timers<Timer>,
}

/// The node's last template.
#[derive(Debug)]
struct TipTemplate {
    template: Arc<BlockTemplate>,
    received_at: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Pending {
    Judgement {
        /// Whose open declaration it is; `None` once nobody waits for it.
        connection: Option<ConnectionId>,
    },
    Block {
        hash: U256,
        /// `None` once the client has gone.
        connection: Option<ConnectionId>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Setup(ConnectionId),
    Idle(ConnectionId),
    /// Of the open declaration.
    Declaration(ConnectionId),
}

impl JobDeclaratorServer {
    /// Longest payload that a client has reason to send, in bytes: all transactions of a block,
    /// each with its length in front (spec 6.4.8). Hosts need not read more.
    pub const PAYLOAD_LEN_MAX: u32 = 4_000_000 + 3 * 16_666 + 6;

    /// A server that waits for the node's first template.
    ///
    /// # Panics
    /// If [`JobDeclaratorServerConfig::check`] fails.
    pub fn new(config: JobDeclaratorServerConfig, entropy: Entropy) -> Self {
        config.check().expect("the configuration has been checked");
        JobDeclaratorServer {
            outputs: config.outputs().expect("the configuration has been checked"),
            entropy,
            clients: BTreeMap::new(),
            tip: None,
            known: KnownTransactions::new(config.known_transactions_bytes_max),
            next_request_id: 0,
            pending: BTreeMap::new(),
            queue: VecDeque::new(),
            submitted: VecDeque::new(),
            timers: Timers::new(),
            config,
        }
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let is_full = self.clients.len() >= self.config.clients_max;
        self.clients.insert(connection, Client::new(Phase::AwaitingSetup, self.entropy.u64()));
        if is_full {
            self.close(connection, CloseReason::Limit("clients of the job declarator server"), out);
        } else {
            self.timers.set(Timer::Setup(connection), now.instant + self.config.setup_timeout);
        }
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let Some(client) = self.clients.get(&connection) else { return };
        let handled = match (client.phase, message) {
            (Phase::Closing, _) => return,
            (Phase::AwaitingSetup, Message::SetupConnection(request)) => {
                self.handle_setup(now, connection, &request, out);
                Ok(())
            }
            (Phase::AwaitingSetup, other) => Err(Violation::BeforeSetup { message: other.name() }),
            (Phase::Open, Message::SetupConnection(_)) => Err(Violation::SecondSetup),
            (Phase::Open, Message::AllocateMiningJobToken(request)) => {
                self.handle_allocate(now, connection, &request, out)
            }
            (Phase::Open, Message::DeclareMiningJob(request)) => {
                self.handle_declare(now, connection, *request, out)
            }
            (Phase::Open, Message::ProvideMissingTransactionsSuccess(answer)) => {
                self.handle_provided(now, connection, &answer, out)
            }
            (Phase::Open, Message::PushSolution(solution)) => {
                self.handle_solution(now, connection, &solution, out)
            }
            (Phase::Open, Message::RequestExtensions(request)) => {
                out.send(connection, no_extensions(&request));
                Ok(())
            }
            (Phase::Open, other) => self.ignore(now, connection, other.name(), out),
        };
        if let Err(violation) = handled {
            self.close(connection, violation.into(), out);
        }
        self.proceed(now, connection, out);
    }

    fn handle_undecodable(
        &mut self,
        now: Now,
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
                if let Err(violation) = self.ignore(now, connection, &error.to_string(), out) {
                    self.close(connection, violation.into(), out);
                }
            }
            (_, error @ DecodeError::Malformed { .. }) => {
                self.close(connection, error.into(), out);
            }
        }
    }

    /// Spec 6.4.1: whether the client reveals its transactions is settled for each connection.
    fn handle_setup(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetupConnection,
        out: &mut Outbox,
    ) {
        let reveals = request.flags & DECLARE_TX_DATA != 0;
        let answer = SETUP_OFFER.answer(request).and_then(|success| {
            if self.config.requires_transaction_data && !reveals {
                // AMB-30. No flag of the request is at fault, so none is named.
                let error_code = error_code::MISSING_DECLARE_TX_DATA_FLAG;
                return Err(SetupRefusal { flags: 0, error_code });
            }
            Ok(success)
        });
        match answer {
            Ok(success) => {
                let Some(client) = self.clients.get_mut(&connection) else { return };
                client.phase = Phase::Open;
                client.mode = if reveals { Mode::FullTemplate } else { Mode::CoinbaseOnly };
                self.timers.cancel(Timer::Setup(connection));
                self.timers.set(Timer::Idle(connection), now.instant + self.config.idle_timeout);
                out.send(connection, success);
                out.tell(Event::SetupDone {
                    connection,
                    protocol: Protocol::JobDeclaration as u8,
                    flags: request.flags,
                });
            }
            Err(refusal) => {
                out.send(connection, SetupConnectionError::from(refusal));
                self.close(connection, CloseReason::SetupRefused(refusal.error_code), out);
            }
        }
    }

    fn handle_template(&mut self, now: Now, template: Arc<BlockTemplate>, out: &mut Outbox) {
        for transaction in template.transactions.iter() {
            let known =
                transactions::Known { raw: transaction.raw.clone(), txid: transaction.txid };
            self.known.insert(transaction.wtxid, known);
        }
        let prev_hash = template.prev_hash;
        let last = self.tip.replace(TipTemplate { template, received_at: now.instant });
        if last.is_none_or(|last| last.template.prev_hash != prev_hash) {
            out.tell(Event::TipChanged { prev_hash });
            self.drop_stale(now, out);
        }
    }

    fn handle_answer(&mut self, now: Now, request: RequestId, answer: Answer, out: &mut Outbox) {
        match self.pending.remove(&request) {
            None | Some(Pending::Judgement { connection: None }) => {}
            Some(Pending::Judgement { connection: Some(connection) }) => {
                self.handle_judgement(now, connection, request, answer, out);
            }
            Some(Pending::Block { hash, connection }) => {
                self.handle_block_answer(hash, connection, answer, out);
            }
        }
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Setup(connection) => self.close(connection, CloseReason::SetupTimedOut, out),
                Timer::Idle(connection) => self.close(connection, CloseReason::Idle, out),
                Timer::Declaration(connection) => self.give_up(now, connection, out),
            }
        }
    }

    /// Something that leads to nothing.
    ///
    /// # Errors
    /// Too often.
    fn ignore(
        &mut self,
        now: Now,
        connection: ConnectionId,
        what: &str,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        note(Some(connection), format!("ignored: {what}"), out);
        self.count(now, connection, Counted::Useless, self.config.useless_messages_per_minute_max)
    }

    fn count(
        &mut self,
        now: Now,
        connection: ConnectionId,
        kind: Counted,
        limit: u64,
    ) -> Result<(), Violation> {
        match self.clients.get_mut(&connection) {
            Some(client) => client.count(now.instant, kind, limit),
            None => Ok(()),
        }
    }

    fn take_request_id(&mut self) -> RequestId {
        let request = RequestId(self.next_request_id);
        self.next_request_id += 1;
        request
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        *client = Client::new(Phase::Closing, 0);
        self.release(connection);
        out.close(connection, reason);
    }

    fn handle_closed(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        if self.clients.remove(&connection).is_none() {
            return;
        }
        self.release(connection);
        out.tell(Event::ConnectionClosed { connection, reason });
    }

    /// Ends everything that was on its way for a connection, but its blocks.
    fn release(&mut self, connection: ConnectionId) {
        let timers =
            [Timer::Setup(connection), Timer::Idle(connection), Timer::Declaration(connection)];
        timers.into_iter().for_each(|timer| self.timers.cancel(timer));
        self.queue.retain(|queued| *queued != connection);
        for pending in self.pending.values_mut() {
            let (Pending::Judgement { connection: asker }
            | Pending::Block { connection: asker, .. }) = pending;
            *asker = asker.filter(|other| *other != connection);
        }
    }
}

impl Role for JobDeclaratorServer {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { connection, via: _ } => self.handle_connected(now, connection, out),
            Input::Received { connection, message, .. } => {
                self.handle_message(now, connection, message, out);
            }
            Input::Undecodable { connection, frame: _, error } => {
                self.handle_undecodable(now, connection, error, out);
            }
            Input::Closed { connection, reason } => self.handle_closed(connection, reason, out),
            Input::Chain(ChainEvent::Template(template)) => {
                self.handle_template(now, template, out);
            }
            Input::Chain(ChainEvent::Unreachable(reason)) => {
                note(None, format!("the node cannot be reached: {reason}"), out);
            }
            Input::Answer { request, answer } => self.handle_answer(now, request, answer, out),
            Input::Line { connection, .. } => out.refuse_line(connection),
            Input::Command(command) => command.refuse(out),
            Input::Woken => self.handle_woken(now, out),
            // The role dials nobody.
            Input::DialFailed { .. } => {}
        }
        // Whatever it was, the node may have less to do now.
        self.judge_next(now, out);
    }

    fn wake_at(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}

/// Extension 0x0001, 4: no extension concerns job declaration.
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
