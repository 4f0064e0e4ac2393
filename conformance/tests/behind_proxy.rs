//! The cases for a pool, asked of our proxy with our pool behind it: towards its clients a
//! transparent proxy is as good as the pool, and an aggregating one is a mining server.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use conformance::case::{Suite, TargetRole};
use conformance::clause::Registry;
use conformance::mutant::{Make, Mutant};
use conformance::runner::probe::probe;
use conformance::runner::{Context, run};
use conformance::verdict::Verdict;
use conformance::world::MemoryTarget;
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role, Via};
use sv2::roles::mining_proxy::{MiningProxy, MiningProxyConfig, MiningProxyMode};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::time::{Instant, Now};
use sv2::wire::{Frame, Target};

/// A proxy and the pool that it has upstream, as one role.
///
/// Each side knows connections with the world by even numbers, and those between the two by odd
/// ones.
struct Behind {
    pool: Box<dyn Role>,
    proxy: MiningProxy,
    /// Connections with the world that the pool has dialled; all others are clients.
    of_pool: BTreeSet<ConnectionId>,
    next_inner: u32,
    queue: VecDeque<(Side, Input)>,
    /// Whose channels the clients have: that is where an operator changes them.
    operated: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Pool,
    Proxy,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Pool => Side::Proxy,
            Side::Proxy => Side::Pool,
        }
    }
}

fn transparent(pool: Box<dyn Role>) -> Box<dyn Role> {
    let mode = MiningProxyMode::Transparent;
    behind(pool, MiningProxyConfig { mode, ..MiningProxyConfig::default() })
}

fn aggregated(pool: Box<dyn Role>) -> Box<dyn Role> {
    let default = MiningProxyConfig::default();
    // As our pool in this world: shares that cost little, and targets that stay.
    let server = MiningServerConfig {
        easiest_target: Target::from_expected_hashes(4_096.0),
        shares_per_minute: 60.0,
        vardiff: None,
        refused_user_identities: vec![b"assay.refused".to_vec()],
        ..default.server
    };
    behind(pool, MiningProxyConfig { server, ..default })
}

fn behind(pool: Box<dyn Role>, config: MiningProxyConfig) -> Box<dyn Role> {
    let operated = match config.mode {
        MiningProxyMode::Transparent => Side::Pool,
        MiningProxyMode::Aggregated => Side::Proxy,
    };
    Box::new(Behind {
        pool,
        proxy: MiningProxy::new(config, Entropy::from_seed(3)),
        of_pool: BTreeSet::new(),
        next_inner: 0,
        queue: VecDeque::new(),
        operated,
    })
}

impl Behind {
    fn side_of(&self, connection: ConnectionId) -> Side {
        if self.of_pool.contains(&connection) { Side::Pool } else { Side::Proxy }
    }

    /// From the world: to the side that it is for, under the number that this side knows.
    fn accept(&mut self, mut input: Input) {
        let side = match &mut input {
            Input::Connected { connection, via } => {
                if matches!(via, Via::Dial(_)) {
                    self.of_pool.insert(*connection);
                }
                let side = self.side_of(*connection);
                *connection = even(*connection);
                side
            }
            Input::Received { connection, .. }
            | Input::Undecodable { connection, .. }
            | Input::Line { connection, .. }
            | Input::Closed { connection, .. } => {
                let side = self.side_of(*connection);
                *connection = even(*connection);
                side
            }
            Input::Woken => {
                self.queue.push_back((Side::Proxy, Input::Woken));
                Side::Pool
            }
            Input::Command(_) => self.operated,
            Input::Chain(_) | Input::Answer { .. } | Input::DialFailed { .. } => Side::Pool,
        };
        if let Input::Closed { connection, .. } = &input
            && side == Side::Pool
        {
            self.of_pool.remove(&ConnectionId(connection.0 / 2));
        }
        self.queue.push_back((side, input));
    }

    fn carry_out(&mut self, side: Side, output: Output, out: &mut Outbox) {
        match output {
            Output::Dial { dial, .. } if side == Side::Proxy => {
                let connection = ConnectionId(2 * self.next_inner + 1);
                self.next_inner += 1;
                let (listener, via) = (Via::Listener(0), Via::Dial(dial));
                self.queue.push_back((Side::Pool, Input::Connected { connection, via: listener }));
                self.queue.push_back((Side::Proxy, Input::Connected { connection, via }));
            }
            Output::Send { connection, message, tlvs } if is_inner(connection) => {
                let received = Input::Received { connection, message, tlvs, original: None };
                self.queue.push_back((side.other(), received));
            }
            Output::Forward { connection, frame } if is_inner(connection) => {
                self.queue.push_back((side.other(), arrived(connection, frame)));
            }
            Output::Close { connection, reason } if is_inner(connection) => {
                self.queue.push_back((side, Input::Closed { connection, reason }));
                let reason = CloseReason::ByPeer;
                self.queue.push_back((side.other(), Input::Closed { connection, reason }));
            }
            Output::Send { connection, message, tlvs } => {
                out.put(Output::Send { connection: half(connection), message, tlvs });
            }
            Output::Forward { connection, frame } => {
                out.put(Output::Forward { connection: half(connection), frame });
            }
            Output::Close { connection, reason } => out.close(half(connection), reason),
            Output::Dial { .. }
            | Output::Request { .. }
            | Output::Line { .. }
            | Output::Event(_) => out.put(output),
        }
    }
}

impl Role for Behind {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.accept(input);
        let mut outputs = Outbox::new();
        while let Some((side, input)) = self.queue.pop_front() {
            match side {
                Side::Pool => self.pool.handle(now, input, &mut outputs),
                Side::Proxy => self.proxy.handle(now, input, &mut outputs),
            }
            outputs.take().into_iter().for_each(|output| self.carry_out(side, output, out));
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        [self.pool.wake_at(), self.proxy.wake_at()].into_iter().flatten().min()
    }
}

fn even(ConnectionId(world): ConnectionId) -> ConnectionId {
    ConnectionId(2 * world)
}

fn half(ConnectionId(ours): ConnectionId) -> ConnectionId {
    ConnectionId(ours / 2)
}

fn is_inner(ConnectionId(ours): ConnectionId) -> bool {
    ours % 2 == 1
}

fn arrived(connection: ConnectionId, frame: Frame) -> Input {
    match Message::decode(&frame) {
        Ok(decoded) => Input::Received {
            connection,
            message: decoded.message,
            tlvs: decoded.tlvs,
            original: (!decoded.is_canonical).then(|| Box::new(frame)),
        },
        Err(error) => Input::Undecodable { connection, frame, error },
    }
}

/// Every case that does not pass, with what is wrong in it.
fn failures(id: &str, around: fn(Box<dyn Role>) -> Box<dyn Role>) -> Vec<(String, String)> {
    let registry = Registry::embedded();
    let suite = Suite::built_in(&|id| registry.clause(id).is_some()).expect("cases can be read");
    let suite = suite.for_role(TargetRole::Pool);
    let target = MemoryTarget::mutant(
        TargetRole::Pool,
        Mutant {
            id: id.to_owned(),
            stands_for: "no bug: a proxy in front".to_owned(),
            make: Make::Code(around),
        },
    );
    let facts = probe(&target, &registry, 1, HASH_BUDGET).expect("it answers").facts;
    let context = Context {
        registry: &registry,
        facts: &facts,
        seed: 1,
        hash_budget: HASH_BUDGET,
        within: Duration::from_secs(5),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };

    let mut failures = Vec::new();
    for case in &suite.cases {
        for permutation in case.permutations() {
            let outcome = run(&permutation, &target, &context);
            if !matches!(outcome.verdict, Verdict::Pass | Verdict::Info) {
                let what = format!(
                    "{}: {} {:#?}\n{}{}",
                    outcome.name,
                    outcome.verdict,
                    outcome.finding,
                    outcome.exchange.to_text(),
                    outcome.told.join("\n")
                );
                failures.push((case.id.clone(), what));
            }
        }
    }
    failures
}

fn in_words(failures: &[(String, String)]) -> String {
    failures.iter().map(|(_, what)| &**what).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_transparent_proxy_passes_every_case_that_its_pool_passes() {
    let failures = failures("behind-a-transparent-proxy", transparent);

    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), in_words(&failures));
}

#[test]
fn an_aggregating_proxy_passes_every_case_for_a_pool_but_those_that_are_not_about_it() {
    let failures = failures("behind-an-aggregating-proxy", aggregated);

    let mut ids: Vec<&str> = failures.iter().map(|(id, _)| &**id).collect();
    ids.dedup();
    // It takes no custom jobs, so that a whole folder of cases is not about it.
    ids.retain(|id| !id.starts_with("custom-jobs."));
    let excepted: Vec<&str> = EXCEPTED.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, excepted, "{}", in_words(&failures));
}

/// In the order of cases, with the reason: what a case sets at the pool is not so at a proxy that
/// serves clients by itself.
const EXCEPTED: &[(&str, &str)] = &[
    ("mining.flags.standard-channels-are-refused-where-announced", "it opens standard channels"),
    ("group.set-group-channel.names-open-channels-of-one-size", "its extranonces have one length"),
    ("acknowledge.standard.errors-do-not-wait-for-a-batch", "it has batches of its own"),
    ("job.extended.coinbase-script-is-at-most-100-bytes", "16 bytes are more than is left"),
    ("job.custom.unknown-token-is-refused", "it takes no custom jobs"),
    ("extensions.required.client-without-it-is-disconnected", "it requires no extension"),
    ("extensions.required.missing-ones-are-listed", "it requires no extension"),
    ("setup.flags.unsupported-bit-0-is-refused", "it opens standard channels"),
];

const HASH_BUDGET: u64 = 20_000_000;
