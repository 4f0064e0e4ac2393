//! Jobs that miners bring, and whether the pool pays for them (spec 5.3.18).
//!
//! The token says all that a job declarator server has to say
//! ([`crate::job_declaration::token`]); the rest is judged from the message and the pool's tip
//! ([`crate::mining::custom_job`]).

use std::sync::Arc;

use super::{CustomJobsConfig, Pool};
use crate::event::Event;
use crate::mining::SetCustomMiningJob;
use crate::mining::custom_job::{self, CustomJob, CustomJobContext, CustomJobRefusal};
use crate::mining::job::Work;
use crate::role::{ConnectionId, Outbox};
use crate::time::Now;

/// What the pool keeps about custom jobs.
#[derive(Debug)]
pub(super) struct CustomJobs {
    judge: custom_job::CustomJobs,
    own_tokens_only: bool,
}

impl CustomJobs {
    pub(super) fn new(config: CustomJobsConfig) -> Self {
        let CustomJobsConfig { token_key, used_tokens_max, own_tokens_only } = config;
        let judge = custom_job::CustomJobs::new(token_key, used_tokens_max);
        CustomJobs { judge, own_tokens_only }
    }
}

impl Pool {
    /// Whether a job is the pool's to judge; any other is refused by the server.
    pub(super) fn judges_jobs_of(&self, connection: ConnectionId) -> bool {
        self.custom_jobs.is_some() && self.server.selects_work(connection)
    }

    pub(super) fn handle_custom_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetCustomMiningJob,
        out: &mut Outbox,
    ) {
        let channel_id = request.channel_id;
        match self.judge_custom_job(now, connection, request) {
            Ok(job) => {
                let work = Arc::new(Work {
                    // A block of it is its miner's to publish: the pool has a path through the
                    // tree of its transactions, and none of them.
                    template_id: None,
                    min_ntime: Some(job.min_ntime),
                    version: job.version,
                    version_rolling_allowed: !self.server.config().requires_fixed_version,
                    merkle_path: job.merkle_path,
                    coinbase: job.coinbase,
                });
                let job_id = self.server.accept_custom_job(connection, request, &work, out);
                out.tell(Event::CustomJobAccepted { connection, channel_id, job_id });
            }
            Err(refusal) => {
                let error_code = refusal.error_code();
                self.server.refuse_custom_job(now, connection, request, error_code, out);
                let reason = refusal.to_string();
                out.tell(Event::CustomJobRefused { connection, channel_id, error_code, reason });
            }
        }
    }

    fn judge_custom_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetCustomMiningJob,
    ) -> Result<CustomJob, CustomJobRefusal> {
        let place = self.server.custom_job_place(connection, request.channel_id);
        let (Some(place), Some(custom_jobs)) = (place, &mut self.custom_jobs) else {
            return Err(CustomJobRefusal::UnknownChannel);
        };
        let user_identity = match place.user_identity {
            _ if !custom_jobs.own_tokens_only => None,
            Some(user) => Some(user),
            None => return Err(CustomJobRefusal::ForeignToken),
        };
        let context = CustomJobContext {
            tip: self.server.tip(),
            height: self.provider.height(),
            extranonce_len: place.extranonce_len,
            user_identity,
        };
        custom_jobs.judge.accept(now, request, &context)
    }
}
