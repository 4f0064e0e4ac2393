//! The job declarator client: lets miners work on their own node's templates, and a pool pay for
//! it (spec 6.2).
//!
//! Clients are served as by a pool ([`crate::roles::mining_server`]), with jobs made of the
//! templates at once (optimistic mining, spec 6.3.1). Behind their backs each job is declared to
//! the job declarator server and set at the pool; what is found before it is acknowledged waits.
//! Where an upstream fails, or breaks its word, the next one of the list is worked for, and where
//! all do, the miner itself. No error text decides that: only who answered what, for which tip.

mod config;
mod custom_job;
mod declaration;
mod fallback;
mod jobs;
mod shares;
mod solution;
mod templates;
#[cfg(test)]
mod tests;
mod tokens;
mod upstream;
mod work;

pub use config::{JobDeclarationMode, JobDeclaratorClientConfig, JobDeclaratorUpstream};

use self::fallback::{Departure, Standing};
use self::jobs::Jobs;
use self::shares::Shares;
use self::templates::Provider;
use self::upstream::Session;
use super::mining_server::{MiningServer, MiningServerConfig};
use super::uplink::{Uplink, UplinkPurpose, UplinkSettings};
use crate::common::Protocol;
use crate::entropy::Entropy;
use crate::job_declaration::DECLARE_TX_DATA;
use crate::message::Message;
use crate::mining::setup_flag;
use crate::role::{CloseReason, ConnectionId, DialId, Input, Outbox, PeerAddress, Role, Via};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::wire::Tlvs;

/// A job declarator client as a pure state machine.
#[derive(Debug)]
pub struct JobDeclaratorClient {
    server: MiningServer,
    client: Client,
}

/// Everything but the serving of miners.
#[derive(Debug)]
pub(super) struct Client {
    config: JobDeclaratorClientConfig,
    provider: Provider,
    /// The pool of the present upstream.
    pool: Uplink,
    /// The job declarator server of the present upstream.
    declarator: Uplink,
    /// With the present upstream, from its dial to its end.
    session: Session,
    standing: Standing,
    jobs: Jobs,
    shares: Shares,
    timers: Timers<Timer>,
    next_request_id: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The channel that the pool was asked for.
    Channel,
    /// The oldest token that was asked for.
    Token,
    /// What the negotiation waits for.
    Answer,
    /// After a refusal.
    Retry,
    /// The pool has refused a share, and the tip has not changed since.
    Suspicion,
    /// The list of upstreams is tried again.
    Round,
}

/// Uplinks of this role.
const TURNS: u32 = 3;

impl Client {
    fn take_request_id(&mut self) -> u32 {
        self.next_request_id = self.next_request_id.wrapping_add(1);
        self.next_request_id
    }

    fn uplinks(&self) -> [&Uplink; 3] {
        [&self.provider.uplink, &self.pool, &self.declarator]
    }
}

impl JobDeclaratorClient {
    /// A client that has no template yet. It wants to be woken at once, to dial.
    pub fn new(config: JobDeclaratorClientConfig, entropy: Entropy) -> Self {
        // Whoever behind us brings work of their own would need another role.
        let server = MiningServerConfig { supports_work_selection: false, ..config.server.clone() };
        let pools = config.upstreams.iter().map(|upstream| upstream.pool.clone());
        let declarators = config.upstreams.iter().map(|upstream| upstream.job_declarator.clone());
        let declares = match config.mode {
            JobDeclarationMode::FullTemplate => DECLARE_TX_DATA,
            JobDeclarationMode::CoinbaseOnly => 0,
        };
        let client = Client {
            provider: Provider::new(&config),
            pool: uplink(
                &config,
                pools.collect(),
                UplinkPurpose {
                    turn: (1, TURNS),
                    protocol: Protocol::Mining,
                    flags: setup_flag::REQUIRES_WORK_SELECTION
                        | setup_flag::REQUIRES_VERSION_ROLLING,
                    role: "job declarator client",
                    peer: "pool",
                },
            ),
            declarator: uplink(
                &config,
                declarators.collect(),
                UplinkPurpose {
                    turn: (2, TURNS),
                    protocol: Protocol::JobDeclaration,
                    flags: declares,
                    role: "job declarator client",
                    peer: "job declarator server",
                },
            ),
            session: Session::default(),
            standing: Standing::new(config.redial_wait.0),
            jobs: Jobs::default(),
            shares: Shares::default(),
            timers: Timers::new(),
            next_request_id: 0,
            config,
        };
        JobDeclaratorClient { server: MiningServer::new(server, entropy), client }
    }

    fn start(&mut self, now: Now, out: &mut Outbox) {
        self.client.provider.uplink.dial(out);
        self.server.start(now);
        self.start_round(now, out);
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let server = &mut self.server;
        match input {
            Input::Received { connection, message, tlvs, original: _ } => {
                self.handle_message(now, connection, message, &tlvs, out);
            }
            Input::Connected { connection, via: Via::Dial(dial) } => {
                let client = &mut self.client;
                let uplinks =
                    [&mut client.provider.uplink, &mut client.pool, &mut client.declarator];
                uplinks
                    .into_iter()
                    .filter(|uplink| uplink.owns(dial))
                    .for_each(|uplink| uplink.handle_connected(now, dial, connection, out));
            }
            Input::Connected { connection, via: Via::Listener(_) } => {
                server.handle_connected(now, connection);
            }
            Input::DialFailed { dial, reason } => {
                self.handle_dial_failed(now, dial, &reason.to_string(), out);
            }
            Input::Undecodable { connection, frame, error } => {
                let client = &mut self.client;
                let uplinks =
                    [&mut client.provider.uplink, &mut client.pool, &mut client.declarator];
                match uplinks.into_iter().find(|uplink| uplink.is(connection)) {
                    Some(uplink) => uplink.handle_undecodable(connection, error, out),
                    None => server.handle_undecodable(now, connection, &frame, error, out),
                }
            }
            Input::Closed { connection, reason } => {
                self.handle_closed(now, connection, reason, out);
            }
            Input::Answer { request, answer } => server.handle_answer(now, request, &answer, out),
            Input::Line { connection, .. } => out.refuse_line(connection),
            Input::Command(command) => server.handle_command(&command, out),
            Input::Woken => {
                let client = &mut self.client;
                client.provider.uplink.handle_woken(now, out);
                client.pool.handle_woken(now, out);
                client.declarator.handle_woken(now, out);
                server.handle_woken(now, out);
                self.handle_timers(now, out);
            }
            // News of the chain come through the template provider.
            Input::Chain(_) => {}
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
        let client = &mut self.client;
        if client.provider.uplink.is(connection) {
            self.handle_provider_message(now, connection, message, out);
        } else if client.pool.is(connection) {
            self.handle_pool_message(now, connection, message, out);
        } else if client.declarator.is(connection) {
            self.handle_declarator_message(now, connection, message, out);
        } else {
            self.server.handle_message(now, connection, message, tlvs, client, out);
        }
    }

    fn handle_dial_failed(&mut self, now: Now, dial: DialId, why: &str, out: &mut Outbox) {
        let client = &mut self.client;
        if client.provider.uplink.owns(dial) {
            client.provider.uplink.handle_dial_failed(now, dial);
            return;
        }
        let uplinks = [&mut client.pool, &mut client.declarator];
        let failed = uplinks.into_iter().find(|uplink| uplink.owns(dial));
        if failed.is_some_and(|uplink| uplink.handle_dial_failed(now, dial)) {
            self.leave(now, Departure::gone(CloseReason::Broken(why.to_owned())), out);
        }
    }

    fn handle_closed(
        &mut self,
        now: Now,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Outbox,
    ) {
        let client = &mut self.client;
        if client.provider.uplink.handle_closed(now, connection, reason.clone(), out) {
            return self.handle_provider_lost(now, out);
        }
        let is_pool = client.pool.is(connection);
        let uplink = if is_pool { &mut client.pool } else { &mut client.declarator };
        let (is_told, is_redirected) = (uplink.is_told(), uplink.is_redirected());
        if !uplink.handle_closed(now, connection, reason.clone(), out) {
            self.server.handle_closed(connection, reason, out);
        } else if is_redirected {
            let other = if is_pool { &mut client.declarator } else { &mut client.pool };
            other.turn_to(now, client.standing.at(), CloseReason::ByUs, out);
            self.restart_session(now, out);
        } else if !is_told {
            self.leave(now, Departure::of_closed(reason), out);
        }
    }

    fn handle_timers(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.client.timers.take_due(now.instant) {
            match timer {
                Timer::Channel => self.leave_silent(now, "OpenExtendedMiningChannel", out),
                Timer::Token => self.leave_silent(now, "AllocateMiningJobToken", out),
                Timer::Answer => self.handle_unanswered(now, out),
                Timer::Retry => self.client.session.is_paused = false,
                Timer::Suspicion => self.leave_refuser(now, out),
                Timer::Round => self.start_round(now, out),
            }
        }
    }
}

impl Role for JobDeclaratorClient {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.client.provider.uplink.is_started() {
            self.start(now, out);
        }
        self.take(now, input, out);
        self.follow_demand(now, out);
        self.refill_tokens(now, out);
        self.negotiate(now, out);
    }

    fn wake_at(&self) -> Option<Instant> {
        let [provider, pool, declarator] = self.client.uplinks();
        // The pair is dialled together with the provider, or never.
        let pair = [pool, declarator].into_iter().filter(|uplink| uplink.is_started());
        let others = [
            provider.wake_at(),
            self.server.wake_at(),
            self.client.timers.earliest(),
            self.client.update_at(self.server.channel_changes()),
        ];
        others.into_iter().chain(pair.map(Uplink::wake_at)).flatten().min()
    }
}

fn uplink(
    config: &JobDeclaratorClientConfig,
    peers: Vec<PeerAddress>,
    purpose: UplinkPurpose,
) -> Uplink {
    let settings = UplinkSettings {
        peers,
        redial_wait: config.redial_wait,
        setup_timeout: config.server.setup_timeout,
    };
    Uplink::new(settings, purpose)
}
