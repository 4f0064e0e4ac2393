//! From a declaration to its answer (spec 6.4.4 to 6.4.8).
//!
//! Each connection has one declaration open; others wait behind it. Every declaration gets one
//! answer, and a token is used up only by an acknowledgement.

use std::collections::BTreeMap;

use super::client::{Client, Counted, Incomplete, Mode, Open};
use super::declaration::{Complete, Flaw, Received, provided};
use super::transactions::Known;
use super::{JobDeclaratorServer, Pending, Phase, Timer, note};
use crate::event::Event;
use crate::job_declaration::token::{JobToken, NotOurs, TokenStage};
use crate::job_declaration::{
    DeclareMiningJob, DeclareMiningJobError, DeclareMiningJobSuccess, ProvideMissingTransactions,
    ProvideMissingTransactionsSuccess,
};
use crate::role::{Answer, ConnectionId, Outbox, Output, Request, RequestId};
use crate::time::{Instant, Now};
use crate::violation::Violation;
use crate::wire::{B64K, Seq64K, Str255};

impl JobDeclaratorServer {
    pub(super) fn handle_declare(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: DeclareMiningJob,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        let limit = self.config.declarations_per_minute_max;
        self.count(now, connection, Counted::Declarations, limit)?;
        let Some(client) = self.clients.get_mut(&connection) else { return Ok(()) };
        let request_id = request.request_id;
        let limit = self.config.declarations_waiting_max;
        let received = match client.mode {
            // Spec 6.4.4: "Only used in Full-Template mode".
            Mode::CoinbaseOnly => Err(Flaw::NotNegotiated),
            Mode::FullTemplate if client.waiting.len() >= limit => Err(Flaw::TooMany { limit }),
            Mode::FullTemplate => Received::new(request),
        };
        let received = received.and_then(|received| {
            self.make_room(received.cost(), out)?;
            Ok(received)
        });
        match received {
            Ok(received) => {
                let Some(client) = self.clients.get_mut(&connection) else { return Ok(()) };
                client.waiting.push_back(received);
            }
            Err(flaw) => refuse(connection, request_id, &flaw, out),
        }
        Ok(())
    }

    /// Whether so many bytes more can be held for declarations; jobs that solutions need not be
    /// tried on (spec 6.4.9) give way.
    fn make_room(&mut self, cost: usize, out: &mut Outbox) -> Result<(), Flaw> {
        let limit = self.config.declarations_bytes_max;
        let held = |clients: &BTreeMap<ConnectionId, Client>| -> usize {
            clients.values().map(Client::cost).sum()
        };
        if held(&self.clients) + cost <= limit {
            return Ok(());
        }
        self.clients.values_mut().for_each(Client::retire);
        let what = format!("declarations take {limit} bytes: only the last job of each is kept");
        note(None, what, out);
        if held(&self.clients) + cost <= limit { Ok(()) } else { Err(Flaw::NoRoom { limit }) }
    }

    /// Looks at declarations that wait, until one is open.
    pub(super) fn proceed(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        loop {
            let Some(client) = self.clients.get_mut(&connection) else { return };
            if client.phase != Phase::Open || client.open.is_some() {
                return;
            }
            let Some(received) = client.waiting.pop_front() else { return };
            let request_id = received.request_id;
            match self.open(now, connection, received) {
                Ok(Opened::Incomplete(incomplete)) => {
                    self.ask(now, connection, incomplete, out);
                }
                Ok(Opened::Complete(complete)) => self.queue(now, connection, complete),
                Err(flaw) => refuse(connection, request_id, &flaw, out),
            }
        }
    }

    fn open(&self, now: Now, connection: ConnectionId, received: Received) -> Result<Opened, Flaw> {
        let token = self.config.token_key.open(&received.token);
        let token = token.map_err(|NotOurs| Flaw::UnknownToken)?;
        let client = self.clients.get(&connection).expect("the caller has looked it up");
        client.judge(now.unix, &token)?;
        let template = &self.tip.as_ref().ok_or(Flaw::NoTemplate)?.template;
        let declaration = received.examine(token, template)?;
        let found: Vec<Option<Known>> =
            declaration.wtxids.iter().map(|wtxid| self.known.get(wtxid).cloned()).collect();
        // The list has fewer than 2^16 entries.
        let missing: Vec<u16> =
            (0..).zip(&found).filter(|(_, known)| known.is_none()).map(|(at, _)| at).collect();
        if !missing.is_empty() {
            return Ok(Opened::Incomplete(Incomplete { declaration, found, missing }));
        }
        let transactions = found.into_iter().flatten().collect();
        let complete = declaration.complete(transactions, Vec::new(), template)?;
        Ok(Opened::Complete(complete))
    }

    fn ask(
        &mut self,
        now: Now,
        connection: ConnectionId,
        incomplete: Incomplete,
        out: &mut Outbox,
    ) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        let positions = Seq64K::new(incomplete.missing.clone());
        out.send(
            connection,
            ProvideMissingTransactions {
                request_id: incomplete.declaration.request_id,
                unknown_tx_position_list: positions.expect("not more than in the list of all"),
            },
        );
        client.open = Some(Open::Incomplete(Box::new(incomplete)));
        let deadline = now.instant + self.config.transactions_timeout;
        self.timers.set(Timer::Declaration(connection), deadline);
    }

    /// Spec 6.4.8. What was not asked for, or comes when the declaration has been answered, leads
    /// to nothing.
    pub(super) fn handle_provided(
        &mut self,
        now: Now,
        connection: ConnectionId,
        answer: &ProvideMissingTransactionsSuccess,
        out: &mut Outbox,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(&connection) else { return Ok(()) };
        let asked = client.open.take_if(|open| {
            matches!(open, Open::Incomplete(_)) && open.request_id() == answer.request_id
        });
        let Some(Open::Incomplete(incomplete)) = asked else {
            let what = "ProvideMissingTransactions.Success that nobody asked for";
            return self.ignore(now, connection, what, out);
        };
        self.timers.cancel(Timer::Declaration(connection));
        let request_id = answer.request_id;
        let filled = self.fill(*incomplete, answer).and_then(|complete| {
            self.make_room(complete.cost(), out)?;
            Ok(complete)
        });
        match filled {
            Ok(complete) => self.queue(now, connection, complete),
            Err(flaw) => refuse(connection, request_id, &flaw, out),
        }
        Ok(())
    }

    fn fill(
        &self,
        incomplete: Incomplete,
        answer: &ProvideMissingTransactionsSuccess,
    ) -> Result<Complete, Flaw> {
        let Incomplete { declaration, mut found, missing } = incomplete;
        let raw = answer.transaction_list.as_slice();
        if raw.len() != missing.len() {
            return Err(Flaw::ProvidedCount { provided: raw.len(), asked: missing.len() });
        }
        let mut new = Vec::with_capacity(missing.len());
        for (raw, position) in raw.iter().zip(missing) {
            let wtxid = declaration.wtxids[usize::from(position)];
            let known = provided(raw, position, wtxid)?;
            found[usize::from(position)] = Some(known.clone());
            new.push((wtxid, known));
        }
        let template = &self.tip.as_ref().ok_or(Flaw::NoTemplate)?.template;
        declaration.complete(found.into_iter().flatten().collect(), new, template)
    }

    fn queue(&mut self, now: Now, connection: ConnectionId, complete: Complete) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        client.open = Some(Open::Queued(Box::new(complete)));
        self.queue.push_back(connection);
        let deadline = now.instant + self.config.validation_timeout;
        self.timers.set(Timer::Declaration(connection), deadline);
    }

    /// Gives the node what waits for it, as much as it is given at a time.
    pub(super) fn judge_next(&mut self, now: Now, out: &mut Outbox) {
        let is_judgement = |pending: &&Pending| matches!(pending, Pending::Judgement { .. });
        let mut open_count = self.pending.values().filter(is_judgement).count();
        while open_count < self.config.validations_max
            && let Some(connection) = self.queue.pop_front()
        {
            let ntime = self.block_time(now.instant);
            let request = self.take_request_id();
            let Some(client) = self.clients.get_mut(&connection) else { continue };
            let Some(Open::Queued(complete)) = client.open.take() else { continue };
            let what = Request::ValidateBlock { block: complete.job.unproven(ntime) };
            client.open = Some(Open::Judged { request, complete });
            self.pending.insert(request, Pending::Judgement { connection: Some(connection) });
            out.put(Output::Request { request, what });
            open_count += 1;
        }
    }

    /// The node's time by now.
    fn block_time(&self, now: Instant) -> u32 {
        let Some(tip) = &self.tip else { return 0 };
        let elapsed = u32::try_from(now.since(tip.received_at).as_secs()).unwrap_or(u32::MAX);
        tip.template.current_time.saturating_add(elapsed).max(tip.template.min_ntime)
    }

    /// The node has judged the open declaration of a connection.
    pub(super) fn handle_judgement(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: RequestId,
        answer: Answer,
        out: &mut Outbox,
    ) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        let judged = client.open.take_if(
            |open| matches!(open, Open::Judged { request: judged, .. } if *judged == request),
        );
        let Some(Open::Judged { complete, .. }) = judged else { return };
        self.timers.cancel(Timer::Declaration(connection));
        match answer {
            Answer::BlockAccepted { .. } => self.acknowledge(connection, *complete, out),
            Answer::BlockRejected { reason } if is_stale(&reason) => {
                refuse(connection, complete.request_id, &Flaw::StaleTip, out);
            }
            Answer::BlockRejected { reason } => {
                refuse(connection, complete.request_id, &Flaw::Invalid { reason }, out);
            }
            Answer::Failed(reason) => {
                refuse(connection, complete.request_id, &Flaw::NodeFailed { reason }, out);
            }
            Answer::Persisted => {
                let reason = "it answers another question".to_owned();
                refuse(connection, complete.request_id, &Flaw::NodeFailed { reason }, out);
            }
        }
        self.proceed(now, connection, out);
    }

    /// Spec 6.4.5: the new token says which job the pool may expect.
    fn acknowledge(&mut self, connection: ConnectionId, complete: Complete, out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        let Complete { request_id, token, job, terms, provided } = complete;
        client.use_up(&token);
        let transaction_count = job.transactions.len();
        let provided_count = provided.len();
        client.keep(job, self.config.declared_jobs_max, self.config.declared_bytes_max);
        for (wtxid, known) in provided {
            self.known.insert(wtxid, known);
        }
        let declared = JobToken { stage: TokenStage::Declared(terms), ..token };
        let new_mining_job_token = self.config.token_key.seal(&declared);
        out.send(connection, DeclareMiningJobSuccess { request_id, new_mining_job_token });
        out.tell(Event::JobDeclared { connection, request_id, transaction_count, provided_count });
    }

    /// Another tip: nothing that was declared for the last one can be acknowledged any more.
    pub(super) fn drop_stale(&mut self, now: Now, out: &mut Outbox) {
        let connections: Vec<ConnectionId> = self.clients.keys().copied().collect();
        for connection in connections {
            let Some(client) = self.clients.get_mut(&connection) else { continue };
            client.retire();
            self.abandon(connection, &Flaw::StaleTip, out);
            self.proceed(now, connection, out);
        }
    }

    /// The open declaration of a connection has taken too long.
    pub(super) fn give_up(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let Some(client) = self.clients.get(&connection) else { return };
        let flaw = match client.open {
            None => return,
            Some(Open::Incomplete(_)) => {
                Flaw::ProvidedLate { seconds: self.config.transactions_timeout.as_secs() }
            }
            Some(Open::Queued(_) | Open::Judged { .. }) => {
                Flaw::NodeSilent { seconds: self.config.validation_timeout.as_secs() }
            }
        };
        self.abandon(connection, &flaw, out);
        self.proceed(now, connection, out);
    }

    /// Refuses the open declaration of a connection, if there is one, wherever it has got to.
    fn abandon(&mut self, connection: ConnectionId, flaw: &Flaw, out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        let Some(open) = client.open.take() else { return };
        let request_id = open.request_id();
        self.timers.cancel(Timer::Declaration(connection));
        match open {
            Open::Incomplete(_) => {}
            Open::Queued(_) => self.queue.retain(|queued| *queued != connection),
            // Until it answers, the node has it to judge.
            Open::Judged { request, .. } => {
                self.pending.insert(request, Pending::Judgement { connection: None });
            }
        }
        refuse(connection, request_id, flaw, out);
    }
}

/// A declaration that was looked at.
enum Opened {
    Incomplete(Incomplete),
    Complete(Complete),
}

/// Spec 6.4.6.
fn refuse(connection: ConnectionId, request_id: u32, flaw: &Flaw, out: &mut Outbox) {
    let (error_code, reason) = (flaw.error_code(), flaw.to_string());
    let details = reason.as_bytes()[..reason.len().min(DETAILS_LEN_MAX)].to_vec();
    out.send(
        connection,
        DeclareMiningJobError {
            request_id,
            error_code: Str255::from_static(error_code),
            error_details: B64K::new(details).expect("they were cut"),
        },
    );
    out.tell(Event::DeclarationRefused { connection, request_id, error_code, reason });
}

/// The words of nodes for a block that does not build on their tip (BIP 22, 23).
fn is_stale(reason: &str) -> bool {
    reason.starts_with("inconclusive") || reason.starts_with("prev-blk-not-found")
}

/// Of the words that go with a refusal, in bytes.
const DETAILS_LEN_MAX: usize = 1_000;
