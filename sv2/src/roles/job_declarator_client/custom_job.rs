//! The pool's commitment to a job, and what follows when it is refused (spec 5.3.18 to 5.3.20,
//! 6.2).

use super::declaration::Step;
use super::jobs::Stage;
use super::{JobDeclaratorClient, Timer};
use crate::event::Event;
use crate::mining::{SetCustomMiningJob, SetCustomMiningJobSuccess};
use crate::role::{ConnectionId, Outbox};
use crate::time::Now;
use crate::wire::{B64K, B255, Str255};

impl JobDeclaratorClient {
    /// With the token that backs it: the allocated one, or the one of its declaration.
    pub(super) fn set_custom_job(&mut self, now: Now, mining_job_token: B255, out: &mut Outbox) {
        let client = &mut self.client;
        let request_id = client.take_request_id();
        let (Some(negotiation), Some(connection)) =
            (&mut client.session.negotiation, client.pool.ready())
        else {
            return;
        };
        let work_id = negotiation.work_id;
        negotiation.step = Step::CustomJob { request_id };
        let (Some(job), Some(tip), Some(channel)) =
            (client.jobs.get(work_id), client.provider.tip(), client.session.channel())
        else {
            return;
        };
        let coinbase = job.coinbase(&client.config.coinbase_tag, channel.full_len());
        let coinbase = coinbase.expect("clients work on the same transaction");
        let field = "a script of at most 100 bytes, and outputs that came in one message";
        let request = SetCustomMiningJob {
            channel_id: channel.id,
            request_id,
            mining_job_token,
            version: job.template.version,
            prev_hash: tip.prev_hash,
            min_ntime: tip.min_ntime,
            nbits: tip.nbits,
            coinbase_tx_version: job.template.coinbase_tx_version,
            coinbase_prefix: B255::new(coinbase.script_start().to_vec()).expect(field),
            coinbase_tx_input_n_sequence: job.template.coinbase_tx_input_sequence,
            coinbase_tx_outputs: B64K::new(coinbase.serialized_outputs().to_vec()).expect(field),
            coinbase_tx_locktime: job.template.coinbase_tx_locktime,
            merkle_path: job.template.merkle_path.clone(),
        };
        client.timers.set(Timer::Answer, now.instant + client.config.answer_timeout);
        out.send(connection, request);
    }

    pub(super) fn handle_custom_job_success(
        &mut self,
        connection: ConnectionId,
        success: &SetCustomMiningJobSuccess,
        out: &mut Outbox,
    ) {
        let client = &mut self.client;
        let session = &mut client.session;
        let Some(channel) = session.channel().copied() else { return };
        let is_answered = |step| step == Step::CustomJob { request_id: success.request_id };
        let Some(negotiation) = session.negotiation.take_if(|open| is_answered(open.step)) else {
            return;
        };
        session.refused_since = None;
        client.timers.cancel(Timer::Answer);
        let (work_id, job_id) = (negotiation.work_id, success.job_id);
        let (target, prefix_len) = (channel.target, channel.prefix_len());
        client.jobs.set_stage(work_id, Stage::Accepted { job_id, target, prefix_len });
        out.tell(Event::CustomJobAccepted { connection, channel_id: channel.id, job_id });
        client.send_cached(work_id, out);
    }

    /// Spec 6.2, by state and not by text: the node of the upstream may be behind ours or ahead,
    /// so work on a tip is refused for good only when the tip has stayed ours for a while.
    pub(super) fn handle_refused_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        (answer, id): (&'static str, u32),
        error_code: Str255,
        out: &mut Outbox,
    ) {
        out.tell(Event::JobRefused { connection, answer, error_code });
        let client = &mut self.client;
        let session = &mut client.session;
        let is_refused = |step| match step {
            Step::Declaration { request_id, .. } | Step::CustomJob { request_id } => {
                request_id == id
            }
            Step::Data | Step::Token => false,
        };
        let Some(negotiation) = session.negotiation.take_if(|open| is_refused(open.step)) else {
            return;
        };
        client.timers.cancel(Timer::Answer);
        let since = *session.refused_since.get_or_insert(now.instant);
        if now.instant.since(since) >= client.config.tip_grace {
            return self.leave_refuser(now, out);
        }
        session.is_paused = true;
        client.jobs.set_stage(negotiation.work_id, Stage::Waiting);
        client.timers.set(Timer::Retry, now.instant + client.config.retry_wait);
    }

    /// What the negotiation waited for did not come.
    pub(super) fn handle_unanswered(&mut self, now: Now, out: &mut Outbox) {
        let step = self.client.session.negotiation.as_ref().map(|negotiation| negotiation.step);
        match step {
            Some(Step::Data) => self.abandon_transaction_data(now, out),
            Some(Step::Declaration { .. }) => self.leave_silent(now, "DeclareMiningJob", out),
            Some(Step::CustomJob { .. }) => self.leave_silent(now, "SetCustomMiningJob", out),
            Some(Step::Token) | None => {}
        }
    }
}
