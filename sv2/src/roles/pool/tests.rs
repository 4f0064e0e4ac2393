//! The pool as its clients see it.

use std::time::Duration;

use super::*;
use crate::common::{SetupConnection, SetupConnectionError, SetupConnectionSuccess};
use crate::mining::SubmitSharesStandard;
use crate::role::{Output, Via};
use crate::time::UnixTime;
use crate::violation::Violation;
use crate::wire::{Str255, Tlvs};

const MINER: ConnectionId = ConnectionId(3);

/// A pool and the little driver around it.
struct Bench {
    pool: Pool,
    now: Now,
    out: Outbox,
}

impl Bench {
    fn new(config: PoolConfig) -> Self {
        let now = Now { instant: Instant::ZERO, unix: UnixTime(1_700_000_000) };
        Bench { pool: Pool::new(config, Entropy::from_seed(7)), now, out: Outbox::new() }
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.pool.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    fn connect(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Connected { connection, via: Via::Listener(0) })
    }

    fn receive(&mut self, connection: ConnectionId, message: impl Into<Message>) -> Vec<Output> {
        let message = message.into();
        self.give(Input::Received { connection, message, tlvs: Tlvs::NONE, original: None })
    }

    fn pass(&mut self, elapsed: Duration) -> Vec<Output> {
        self.now = self.now.after(elapsed);
        match self.pool.wake_at() {
            Some(at) if at <= self.now.instant => self.give(Input::Woken),
            _ => Vec::new(),
        }
    }
}

fn setup(flags: u32) -> SetupConnection {
    SetupConnection {
        protocol: 0,
        min_version: 2,
        max_version: 2,
        flags,
        ..SetupConnection::default()
    }
}

fn sent(connection: ConnectionId, message: impl Into<Message>) -> Output {
    Output::Send { connection, message: message.into(), tlvs: Tlvs::NONE }
}

#[test]
fn a_client_is_set_up_and_gets_the_pools_flags() {
    let config = PoolConfig { requires_extended_channels: true, ..PoolConfig::default() };
    let mut bench = Bench::new(config);

    assert_eq!(bench.connect(MINER), [], "a server is silent before set-up (AMB-08)");
    let answer = bench.receive(MINER, setup(0b100));

    assert_eq!(answer[0], sent(MINER, SetupConnectionSuccess { used_version: 2, flags: 0b10 }));
}

#[test]
fn a_refused_client_gets_one_error_and_is_closed() {
    let mut bench = Bench::new(PoolConfig::default());
    bench.connect(MINER);

    let answer = bench.receive(MINER, setup(0b10));
    let after = bench.receive(MINER, setup(0));

    let error_code = Str255::from_static("unsupported-feature-flags");
    assert_eq!(
        answer,
        [
            sent(MINER, SetupConnectionError { flags: !0b101, error_code }),
            Output::Close {
                connection: MINER,
                reason: CloseReason::SetupRefused("unsupported-feature-flags")
            },
        ]
    );
    assert_eq!(after, []);
}

#[test]
fn a_message_before_setup_closes_without_an_answer() {
    let mut bench = Bench::new(PoolConfig::default());
    bench.connect(MINER);
    let share = SubmitSharesStandard {
        channel_id: 1,
        sequence_number: 0,
        job_id: 1,
        nonce: 0,
        ntime: 0,
        version: 0,
    };

    let answer = bench.receive(MINER, share);

    let reason = Violation::BeforeSetup { message: "SubmitSharesStandard" }.into();
    assert_eq!(answer, [Output::Close { connection: MINER, reason }]);
}

#[test]
fn a_second_setup_closes() {
    let mut bench = Bench::new(PoolConfig::default());
    bench.connect(MINER);
    bench.receive(MINER, setup(0));

    let answer = bench.receive(MINER, setup(1));

    let reason = Violation::SecondSetup.into();
    assert_eq!(answer, [Output::Close { connection: MINER, reason }]);
}

#[test]
fn a_silent_client_is_closed_when_setup_times_out() {
    let mut bench = Bench::new(PoolConfig::default());
    bench.connect(MINER);

    let early = bench.pass(bench.pool.config.setup_timeout - Duration::from_nanos(1));
    let late = bench.pass(Duration::from_nanos(1));

    assert_eq!(early, []);
    let reason = CloseReason::SetupTimedOut;
    assert_eq!(late, [Output::Close { connection: MINER, reason }]);
}
