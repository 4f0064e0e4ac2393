//! The pool as its devices and its template provider see it.

mod devices;
mod handshake;
mod hostile;
mod jobs;
mod shares;

use bytes::Bytes;

use super::*;
use crate::common::SetupConnectionSuccess;
use crate::mining::coinbase::tests::{commitment, template};
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::role::{DialId, Output};
use crate::sv1::{Difficulty, Notify, Submit, Subscribed};
use crate::template_distribution::{
    NewTemplate, SetNewPrevHash as TemplateSetNewPrevHash, SubmitSolution,
};
use crate::time::UnixTime;
use crate::wire::{B32, Target, Tlvs, U256};

const PROVIDER: ConnectionId = ConnectionId(0);
const DEVICE: ConnectionId = ConnectionId(3);
const OTHER: ConnectionId = ConnectionId(4);
const NOW: u64 = 1_700_000_000;
const MASK: u32 = 0x1fff_e000;

/// A pool and the little driver around it.
struct Bench {
    pool: Sv1Pool,
    now: Now,
    out: Outbox,
}

impl Bench {
    /// Without a template provider.
    fn new(config: Sv1PoolConfig) -> Self {
        let now = Now { instant: Instant::ZERO, unix: UnixTime(NOW) };
        let pool = Sv1Pool::new(config, Entropy::from_seed(7));
        let mut bench = Bench { pool, now, out: Outbox::new() };
        bench.give(Input::Woken);
        bench
    }

    /// With template 1 on a first tip; shares are easy, blocks are not.
    fn ready(config: Sv1PoolConfig) -> Self {
        let mut bench = Bench::new(config);
        bench.provide();
        bench.template(1, true);
        bench.tip(1, 1, Target::HARDEST);
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.pool.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    fn provide(&mut self) -> Vec<Output> {
        self.give(Input::Connected { connection: PROVIDER, via: Via::Dial(DialId(0)) });
        self.provider_says(SetupConnectionSuccess { used_version: 2, flags: 0 })
    }

    fn provider_says(&mut self, message: impl Into<FrameMessage>) -> Vec<Output> {
        let message = message.into();
        let (connection, tlvs) = (PROVIDER, Tlvs::NONE);
        self.give(Input::Received { connection, message, tlvs, original: None })
    }

    fn template(&mut self, template_id: u64, future_template: bool) -> Vec<Output> {
        let template = template(&[commitment()]);
        self.provider_says(NewTemplate { template_id, future_template, ..template })
    }

    fn tip(&mut self, template_id: u64, block: u64, target: Target) -> Vec<Output> {
        self.provider_says(TemplateSetNewPrevHash {
            template_id,
            prev_hash: U256::from_limbs([block, 0, 0, 0]),
            header_timestamp: 1_699_999_900,
            nbits: 0x207f_ffff,
            target,
        })
    }

    fn connect(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Connected { connection, via: Via::Listener(0) })
    }

    fn line(&mut self, connection: ConnectionId, line: impl Into<Bytes>) -> Vec<Output> {
        self.give(Input::Line { connection, line: line.into() })
    }

    /// The answer, and whatever follows it.
    fn ask(&mut self, connection: ConnectionId, line: &'static str) -> Vec<String> {
        lines_to(connection, &self.line(connection, line))
    }

    fn wake(&mut self) -> Vec<Output> {
        let at = self.pool.wake_at().expect("the pool waits for something");
        self.now = self.now.after(at.since(self.now.instant));
        self.give(Input::Woken)
    }

    /// Connects a device that rolls versions, up to its first job.
    fn join(&mut self, connection: ConnectionId) -> Device {
        self.connect(connection);
        self.ask(connection, CONFIGURE);
        self.ask(connection, EXTRANONCE_SUBSCRIBE);
        let answer = self.ask(connection, SUBSCRIBE).remove(0);
        let rest = self.ask(connection, AUTHORIZE);
        let Outcome::Subscribed(Subscribed { extranonce1, .. }) = outcome(&answer) else {
            panic!("{answer}")
        };
        let notify = notify(rest.last().expect("there is a job"));
        Device { connection, extranonce1, notify }
    }

    fn submit(&mut self, device: &Device, share: Submit) -> Vec<Output> {
        let line = Message::request(9, Call::Submit(share)).to_line();
        self.line(device.connection, line)
    }
}

/// What a device knows.
struct Device {
    connection: ConnectionId,
    extranonce1: B32,
    notify: Notify,
}

impl Device {
    fn share(&self, nonce: u32) -> Submit {
        Submit {
            user: "user.worker".to_owned(),
            job_id: self.notify.job_id.clone(),
            extranonce2: B32::new(&[7; 8]).unwrap(),
            ntime: self.notify.ntime,
            nonce,
            version_bits: Some(0),
            extra_param_count: 0,
        }
    }

    fn hash(&self, share: &Submit) -> U256 {
        let (extranonce1, extranonce2) = (&self.extranonce1, share.extranonce2.as_slice());
        let Notify { coinbase_1, coinbase_2, .. } = &self.notify;
        let txid = coinbase_txid(coinbase_1, extranonce1.as_slice(), extranonce2, coinbase_2);
        let header = Header {
            version: (self.notify.version & !MASK) | share.version_bits.unwrap_or(0),
            prev_hash: self.notify.prev_hash,
            merkle_root: merkle_root(txid, &self.notify.merkle_branches),
            ntime: share.ntime,
            nbits: self.notify.nbits,
            nonce: share.nonce,
        };
        header.hash()
    }
}

/// Every hash is a share.
fn easy() -> Sv1PoolConfig {
    Sv1PoolConfig {
        easiest_target: Target::MAX,
        assumed_hash_rate: 0.0,
        vardiff: None,
        ..Sv1PoolConfig::default()
    }
}

const CONFIGURE: &str = r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]}"#;
const SUBSCRIBE: &str = r#"{"id":2,"method":"mining.subscribe","params":["test/1"]}"#;
const EXTRANONCE_SUBSCRIBE: &str = r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#;
const AUTHORIZE: &str = r#"{"id":4,"method":"mining.authorize","params":["user.worker","x"]}"#;

fn lines_to(to: ConnectionId, outputs: &[Output]) -> Vec<String> {
    let line_to = |output: &Output| match output {
        Output::Line { connection, line } if *connection == to => {
            Some(String::from_utf8(line.to_vec()).unwrap())
        }
        _ => None,
    };
    outputs.iter().filter_map(line_to).collect()
}

fn call(line: &str) -> Call {
    match Message::parse(line.as_bytes()) {
        Ok(Message::Call { id: Id::Null, call }) => call,
        other => panic!("{line}: {other:?}"),
    }
}

fn outcome(line: &str) -> Outcome {
    match Message::parse(line.as_bytes()) {
        Ok(Message::Response(response)) => response.outcome,
        other => panic!("{line}: {other:?}"),
    }
}

fn notify(line: &str) -> Notify {
    match call(line) {
        Call::Notify(notify) => *notify,
        other => panic!("{other:?}"),
    }
}

fn difficulty(line: &str) -> Difficulty {
    match call(line) {
        Call::SetDifficulty(difficulty) => difficulty,
        other => panic!("{other:?}"),
    }
}

/// The code and the text of the one answer to a device.
fn error(connection: ConnectionId, outputs: &[Output]) -> (i64, String) {
    let lines = lines_to(connection, outputs);
    match &lines.iter().map(|line| outcome(line)).collect::<Vec<_>>()[..] {
        [Outcome::Error(error)] => (error.code, error.text.clone()),
        other => panic!("{other:?}"),
    }
}

fn closed(outputs: &[Output]) -> Vec<(ConnectionId, String)> {
    let close = |output: &Output| match output {
        Output::Close { connection, reason } => Some((*connection, reason.to_string())),
        _ => None,
    };
    outputs.iter().filter_map(close).collect()
}

fn solutions(outputs: &[Output]) -> Vec<SubmitSolution> {
    let solution = |output: &Output| match output {
        Output::Send {
            connection: PROVIDER, message: FrameMessage::SubmitSolution(found), ..
        } => Some(found.clone()),
        _ => None,
    };
    outputs.iter().filter_map(solution).collect()
}
