//! The pool: serves work to miners and proxies, and pays for their shares (spec 5).
//!
//! Templates come from a template provider, which the pool dials itself; opens that come before
//! the first template are answered with it.

mod config;
mod custom_jobs;
mod provider;
#[cfg(test)]
mod tests;

pub use config::{CustomJobsConfig, PoolConfig};

use self::custom_jobs::CustomJobs;
pub(crate) use self::provider::{FoundBlock, Provider, ProviderNews, ProviderSettings};
use super::mining_server::{MiningServer, Owner, Proof};
use crate::entropy::Entropy;
use crate::message::Message;
use crate::role::{ConnectionId, Input, Outbox, Role, Via};
use crate::time::{Instant, Now};
use crate::wire::Tlvs;

/// A pool as a pure state machine.
#[derive(Debug)]
pub struct Pool {
    server: MiningServer,
    provider: Provider,
    custom_jobs: Option<CustomJobs>,
}

impl Pool {
    /// A pool that has no work yet. It wants to be woken at once, to dial its template
    /// provider.
    pub fn new(mut config: PoolConfig, entropy: Entropy) -> Self {
        config.server.supports_work_selection |= config.custom_jobs.is_some();
        Pool {
            provider: Provider::new(ProviderSettings {
                template_provider: config.template_provider,
                redial_wait: config.redial_wait,
                setup_timeout: config.server.setup_timeout,
                payout_script: config.payout_script,
                coinbase_tag: config.coinbase_tag,
                proof_check: config.server.proof_check,
            }),
            server: MiningServer::new(config.server, entropy),
            custom_jobs: config.custom_jobs.map(CustomJobs::new),
        }
    }

    fn start(&mut self, now: Now, out: &mut Outbox) {
        self.provider.uplink.dial(out);
        self.server.start(now);
    }

    fn handle_provider_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let rolls_version = !self.server.config().requires_fixed_version;
        let news = self.provider.handle_message(now, connection, message, rolls_version, out);
        match news {
            Some(ProviderNews::Restarted) => self.server.forget_futures(),
            // Without a tip there is nothing yet that the template could be for.
            Some(ProviderNews::Template { source, is_future })
                if is_future || self.server.tip().is_none() =>
            {
                self.server.add_future(source, out);
            }
            Some(ProviderNews::Template { source, is_future: _ }) => {
                self.server.set_current(now, source, out);
            }
            Some(ProviderNews::Tip { tip, template_id }) => {
                if let Err(unknown) = self.server.set_tip(now, tip, template_id, out) {
                    self.provider.refuse_tip(unknown, out);
                }
            }
            None => {}
        }
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        tlvs: &Tlvs,
        out: &mut Outbox,
    ) {
        if self.provider.uplink.is(connection) {
            return self.handle_provider_message(now, connection, message, out);
        }
        match message {
            Message::SetCustomMiningJob(request) if self.judges_jobs_of(connection) => {
                self.handle_custom_job(now, connection, &request, out);
            }
            message => {
                self.server.handle_message(now, connection, message, tlvs, &mut self.provider, out);
            }
        }
    }
}

impl Owner for Provider {
    #[inline]
    fn handle_proof(&mut self, proof: &Proof<'_>, out: &mut Outbox) {
        if proof.accepted.is_block {
            let block = FoundBlock {
                work: proof.work(),
                extranonce: proof.extranonce(),
                version: proof.version,
                ntime: proof.ntime,
                nonce: proof.nonce,
            };
            self.publish(&block, out);
        }
    }
}

impl Role for Pool {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.provider.uplink.is_started() {
            self.start(now, out);
        }
        let (server, uplink) = (&mut self.server, &mut self.provider.uplink);
        match input {
            Input::Received { connection, message, tlvs, original: _ } => {
                self.handle_message(now, connection, message, &tlvs, out);
            }
            Input::Connected { connection, via: Via::Dial(dial) } => {
                uplink.handle_connected(now, dial, connection, out);
            }
            Input::Connected { connection, via: Via::Listener(_) } => {
                server.handle_connected(now, connection);
            }
            Input::DialFailed { dial, reason: _ } => {
                uplink.handle_dial_failed(now, dial);
            }
            Input::Undecodable { connection, frame: _, error } if uplink.is(connection) => {
                uplink.handle_undecodable(connection, error, out);
            }
            Input::Undecodable { connection, frame, error } => {
                server.handle_undecodable(now, connection, &frame, error, out);
            }
            Input::Closed { connection, reason } if uplink.is(connection) => {
                uplink.handle_closed(now, connection, reason, out);
            }
            Input::Closed { connection, reason } => {
                server.handle_closed(connection, reason, out);
            }
            Input::Answer { request, answer } => server.handle_answer(now, request, &answer, out),
            Input::Line { connection, .. } => out.refuse_line(connection),
            Input::Command(command) => server.handle_command(&command, out),
            Input::Woken => {
                uplink.handle_woken(now, out);
                server.handle_woken(now, out);
            }
            // News of a chain come through the template provider.
            Input::Chain(_) => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let both = [self.provider.uplink.wake_at(), self.server.wake_at()];
        both.into_iter().flatten().min()
    }
}
