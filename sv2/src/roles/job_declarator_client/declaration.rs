//! From a job to the pool's commitment: declared to the job declarator server where it learns
//! the transactions (spec 6.4.4 to 6.4.8), then set at the pool (spec 5.3.18).
//!
//! One job is negotiated at a time, in the order of their templates. Answers to anything else
//! are late, since the tip or the prefix has changed, and say nothing.

use bitcoin::Transaction;
use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;

use super::config::JobDeclarationMode;
use super::fallback::Departure;
use super::jobs::Stage;
use super::upstream::PoolChannel;
use super::{JobDeclaratorClient, Timer};
use crate::event::Event;
use crate::job_declaration::{
    DeclareMiningJob, DeclareMiningJobSuccess, ProvideMissingTransactions,
    ProvideMissingTransactionsSuccess,
};
use crate::message::Message;
use crate::role::{ConnectionId, Outbox};
use crate::roles::uplink::UplinkNews;
use crate::template_distribution::{RequestTransactionData, RequestTransactionDataSuccess};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{B16M, B64K, B255, Seq64K, U256};

/// A job on its way.
#[derive(Debug)]
pub(super) struct Negotiation {
    pub(super) work_id: u64,
    pub(super) step: Step,
    /// Only where they are declared.
    data: TransactionData,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The transactions, from the template provider.
    Data,
    Token,
    /// `DeclareMiningJob`.
    Declaration {
        request_id: u32,
        provided_count: usize,
        /// `ProvideMissingTransactions`, so far.
        request_count: usize,
    },
    /// `SetCustomMiningJob`.
    CustomJob {
        request_id: u32,
    },
}

/// What a template is made of.
#[derive(Debug, Default)]
struct TransactionData {
    excess: B64K,
    wtxids: Vec<U256>,
    transactions: Seq64K<B16M>,
}

impl TransactionData {
    fn new(data: RequestTransactionDataSuccess) -> Result<Self, Violation> {
        let transactions = data.transaction_list.as_slice().iter().enumerate();
        let wtxids = transactions.map(|(position, raw)| {
            let decoded: Result<Transaction, _> = encode::deserialize(raw.as_slice());
            let template_id = data.template_id;
            decoded
                .map(|transaction| U256::from_le_bytes(transaction.compute_wtxid().to_byte_array()))
                .map_err(|_| Violation::TemplateTransaction { template_id, position })
        });
        Ok(TransactionData {
            wtxids: wtxids.collect::<Result<_, _>>()?,
            excess: data.excess_data.to_owned_bytes(),
            transactions: data.transaction_list,
        })
    }

    /// Each at most once, so that an answer is no longer than the block.
    fn pick(&self, positions: &[u16]) -> Result<Vec<B16M>, Violation> {
        let transactions = self.transactions.as_slice();
        let transaction_count = transactions.len();
        let mut is_picked = vec![false; transaction_count];
        let mut picked = Vec::new();
        for position in positions {
            let at = usize::from(*position);
            match is_picked.get_mut(at) {
                Some(was_picked) if !*was_picked => *was_picked = true,
                Some(_) | None => {
                    let position = *position;
                    return Err(Violation::MissingPosition { position, transaction_count });
                }
            }
            picked.push(transactions[at].clone());
        }
        Ok(picked)
    }
}

/// `ProvideMissingTransactions` for one declaration: each costs us up to a block.
const REQUESTS_MAX: usize = 4;

impl JobDeclaratorClient {
    /// Takes every step that can be taken now.
    pub(super) fn negotiate(&mut self, now: Now, out: &mut Outbox) {
        if self.client.session.payee_outputs().is_none() || self.client.session.is_paused {
            return;
        }
        if self.client.session.negotiation.is_none() {
            self.begin(now, out);
        }
        let negotiation = &self.client.session.negotiation;
        if negotiation.as_ref().is_some_and(|negotiation| negotiation.step == Step::Token)
            && let Some(token) = self.client.session.tokens.take()
        {
            match self.client.config.mode {
                JobDeclarationMode::FullTemplate => self.declare(now, token, out),
                JobDeclarationMode::CoinbaseOnly => self.set_custom_job(now, token, out),
            }
            self.refill_tokens(now, out);
        }
    }

    fn begin(&mut self, now: Now, out: &mut Outbox) {
        let client = &mut self.client;
        let Some(work_id) = client.jobs.next_waiting() else { return };
        let Some(job) = client.jobs.get(work_id) else { return };
        let step = match client.config.mode {
            JobDeclarationMode::CoinbaseOnly => Step::Token,
            JobDeclarationMode::FullTemplate => {
                let Some(provider) = client.provider.uplink.ready() else { return };
                let template_id = job.template.template_id;
                out.send(provider, RequestTransactionData { template_id });
                let deadline = now.instant + client.config.answer_timeout;
                client.timers.set(Timer::Answer, deadline);
                Step::Data
            }
        };
        client.jobs.set_stage(work_id, Stage::Negotiating);
        let data = TransactionData::default();
        client.session.negotiation = Some(Negotiation { work_id, step, data });
    }

    pub(super) fn handle_transaction_data(
        &mut self,
        now: Now,
        data: RequestTransactionDataSuccess,
        out: &mut Outbox,
    ) {
        let client = &mut self.client;
        let Some(negotiation) = &mut client.session.negotiation else { return };
        let is_awaited = negotiation.step == Step::Data
            && client
                .jobs
                .get(negotiation.work_id)
                .is_some_and(|job| job.template.template_id == data.template_id);
        if !is_awaited {
            return;
        }
        client.timers.cancel(Timer::Answer);
        match TransactionData::new(data) {
            Ok(data) => (negotiation.data, negotiation.step) = (data, Step::Token),
            Err(violation) => client.provider.uplink.close(violation.into(), out),
        }
        self.negotiate(now, out);
    }

    /// The template is gone, which is nobody's fault: a newer one is on its way.
    pub(super) fn handle_no_transaction_data(
        &mut self,
        now: Now,
        template_id: u64,
        out: &mut Outbox,
    ) {
        let client = &self.client;
        let Some(negotiation) = &client.session.negotiation else { return };
        let job = client.jobs.get(negotiation.work_id);
        if job.is_some_and(|job| job.template.template_id == template_id) {
            self.abandon_transaction_data(now, out);
        }
    }

    /// Whoever waits for transactions waits in vain: the job is declared to nobody.
    pub(super) fn abandon_transaction_data(&mut self, now: Now, out: &mut Outbox) {
        let client = &mut self.client;
        let is_waiting = |negotiation: &mut Negotiation| negotiation.step == Step::Data;
        let Some(negotiation) = client.session.negotiation.take_if(is_waiting) else { return };
        client.timers.cancel(Timer::Answer);
        client.jobs.set_stage(negotiation.work_id, Stage::Dropped);
        client.shares.lose_cached_of(negotiation.work_id, out);
        let what = "a job cannot be declared: its transactions did not come (spec 7.4)".to_owned();
        out.tell(Event::Noted { connection: None, what });
        self.negotiate(now, out);
    }

    fn declare(&mut self, now: Now, mining_job_token: B255, out: &mut Outbox) {
        let client = &mut self.client;
        let request_id = client.take_request_id();
        let full_len = client.session.channel().map(PoolChannel::full_len);
        let (Some(negotiation), Some(full_len), Some(connection)) =
            (&mut client.session.negotiation, full_len, client.declarator.ready())
        else {
            return;
        };
        let Some(job) = client.jobs.get(negotiation.work_id) else { return };
        let coinbase = job.coinbase(&client.config.coinbase_tag, full_len);
        let parts = coinbase.and_then(|coinbase| coinbase.declaration_parts());
        let (coinbase_tx_prefix, coinbase_tx_suffix) =
            parts.expect("outputs are bounded, and clients work on the same transaction");
        let wtxid_list = Seq64K::new(negotiation.data.wtxids.clone());
        let declaration = DeclareMiningJob {
            request_id,
            mining_job_token,
            version: job.template.version,
            coinbase_tx_prefix,
            coinbase_tx_suffix,
            wtxid_list: wtxid_list.expect("as many as came in one message"),
            excess_data: negotiation.data.excess.clone(),
        };
        negotiation.step = Step::Declaration { request_id, provided_count: 0, request_count: 0 };
        client.timers.set(Timer::Answer, now.instant + client.config.declaration_timeout);
        out.send(connection, declaration);
    }

    pub(super) fn handle_declarator_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let declarator = &mut self.client.declarator;
        let message = match declarator.handle_message(now, connection, message, out) {
            Some(UplinkNews::Message(message)) => message,
            // The first tokens are asked for by whoever sees that there are none.
            Some(UplinkNews::Ready { .. } | UplinkNews::Refused(_)) | None => return,
        };
        match message {
            Message::AllocateMiningJobTokenSuccess(success) => {
                self.handle_token(now, &success, out);
            }
            Message::ProvideMissingTransactions(request) => {
                self.handle_missing(now, connection, &request, out);
            }
            Message::DeclareMiningJobSuccess(success) => {
                self.handle_declared(now, connection, &success, out);
            }
            Message::DeclareMiningJobError(error) => {
                let answer = ("DeclareMiningJob.Error", error.request_id);
                self.handle_refused_job(now, connection, answer, error.error_code, out);
            }
            other => declarator.note_ignored(connection, other.name(), out),
        }
    }

    fn handle_missing(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &ProvideMissingTransactions,
        out: &mut Outbox,
    ) {
        let Some(negotiation) = &mut self.client.session.negotiation else { return };
        let Step::Declaration { request_id, provided_count, request_count } = &mut negotiation.step
        else {
            return;
        };
        if *request_id != request.request_id {
            return;
        }
        *request_count += 1;
        let picked = match negotiation.data.pick(request.unknown_tx_position_list.as_slice()) {
            _ if *request_count > REQUESTS_MAX => Err(Violation::Flood {
                what: "ProvideMissingTransactions for one declaration",
                count: *request_count as u64,
                seconds: self.client.config.declaration_timeout.as_secs(),
                limit: REQUESTS_MAX as u64,
            }),
            picked => picked,
        };
        match picked {
            Ok(picked) => {
                *provided_count += picked.len();
                let transaction_list = Seq64K::new(picked);
                out.send(
                    connection,
                    ProvideMissingTransactionsSuccess {
                        request_id: *request_id,
                        transaction_list: transaction_list.expect("each at most once"),
                    },
                );
            }
            Err(violation) => self.leave(now, Departure::broke_word(violation.into()), out),
        }
    }

    fn handle_declared(
        &mut self,
        now: Now,
        connection: ConnectionId,
        success: &DeclareMiningJobSuccess,
        out: &mut Outbox,
    ) {
        let client = &mut self.client;
        let Some(negotiation) = &mut client.session.negotiation else { return };
        match negotiation.step {
            Step::Declaration { request_id, provided_count, .. }
                if request_id == success.request_id =>
            {
                client.jobs.set_declared(negotiation.work_id);
                out.tell(Event::JobDeclared {
                    connection,
                    request_id,
                    transaction_count: negotiation.data.wtxids.len(),
                    provided_count,
                });
                let token = success.new_mining_job_token.to_owned_bytes();
                self.set_custom_job(now, token, out);
            }
            _ => {}
        }
    }
}
