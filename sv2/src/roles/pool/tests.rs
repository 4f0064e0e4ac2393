//! The pool as its clients and its template provider see it.

mod accounts;
mod chain;
mod channels;
mod commands;
mod custom_jobs;
mod extensions;
mod jobs;
mod order;
mod setup;
mod shares;
mod upstream;
mod vardiff;

use std::time::Duration;

use super::*;
use crate::common::{SetupConnection, SetupConnectionSuccess};
use crate::event::Event;
use crate::mining::coinbase::tests::{commitment, template};
use crate::mining::{
    NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannel,
    OpenExtendedMiningChannelSuccess, OpenStandardMiningChannel, OpenStandardMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesStandard,
};
use crate::role::{CloseReason, DialId, Output};
use crate::roles::mining_server::MiningServerConfig;
use crate::template_distribution::{NewTemplate, SetNewPrevHash as TemplateSetNewPrevHash};
use crate::time::UnixTime;
use crate::violation::Violation;
use crate::wire::{Frame, Str255, Target, U256};

const PROVIDER: ConnectionId = ConnectionId(0);
const MINER: ConnectionId = ConnectionId(3);
const OTHER: ConnectionId = ConnectionId(4);
const MIN_NTIME: u32 = 1_699_999_900;

/// A pool and the little driver around it.
struct Bench {
    pool: Pool,
    now: Now,
    out: Outbox,
}

impl Bench {
    /// Without a template provider.
    fn new(config: MiningServerConfig) -> Self {
        let now = Now { instant: Instant::ZERO, unix: UnixTime(1_700_000_000) };
        let pool = Pool::new(served(config), Entropy::from_seed(7));
        let mut bench = Bench { pool, now, out: Outbox::new() };
        bench.give(Input::Woken);
        bench
    }

    /// With template 1 on a first tip; shares are easy, blocks are not.
    fn ready(config: MiningServerConfig) -> Self {
        let mut bench = Bench::new(config);
        bench.provide();
        bench.template(1, true);
        bench.tip(1, 1);
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.pool.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    fn connect(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Connected { connection, via: Via::Listener(0) })
    }

    fn receive(&mut self, connection: ConnectionId, message: impl Into<Message>) -> Vec<Output> {
        self.receive_with(connection, message, Tlvs::NONE)
    }

    fn receive_with(
        &mut self,
        connection: ConnectionId,
        message: impl Into<Message>,
        tlvs: Tlvs,
    ) -> Vec<Output> {
        let message = message.into();
        self.give(Input::Received { connection, message, tlvs, original: None })
    }

    /// Messages in answer to a message.
    fn answers(&mut self, connection: ConnectionId, message: impl Into<Message>) -> Vec<Message> {
        messages_to(connection, &self.receive(connection, message))
    }

    fn closed(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Closed { connection, reason: CloseReason::ByPeer })
    }

    fn pass(&mut self, elapsed: Duration) -> Vec<Output> {
        self.now = self.now.after(elapsed);
        match self.pool.wake_at() {
            Some(at) if at <= self.now.instant => self.give(Input::Woken),
            _ => Vec::new(),
        }
    }

    /// The template provider comes up.
    fn provide(&mut self) -> Vec<Output> {
        let dial = DialId(0);
        self.give(Input::Connected { connection: PROVIDER, via: Via::Dial(dial) });
        self.receive(PROVIDER, SetupConnectionSuccess { used_version: 2, flags: 0 })
    }

    fn template(&mut self, template_id: u64, future_template: bool) -> Vec<Output> {
        self.receive(PROVIDER, numbered_template(template_id, future_template))
    }

    fn tip(&mut self, template_id: u64, block: u64) -> Vec<Output> {
        self.receive(PROVIDER, tip_message(template_id, block))
    }

    /// Connects and sets up.
    fn join(&mut self, connection: ConnectionId, flags: u32) {
        self.connect(connection);
        self.receive(connection, setup(flags));
    }

    fn open_standard(&mut self, connection: ConnectionId) -> OpenStandardMiningChannelSuccess {
        let answers = self.answers(connection, standard_request(1));
        match &answers[..] {
            [Message::OpenStandardMiningChannelSuccess(success), ..] => (**success).clone(),
            other => panic!("{other:?}"),
        }
    }

    fn open_extended(&mut self, connection: ConnectionId) -> OpenExtendedMiningChannelSuccess {
        let answers = self.answers(connection, extended_request(1));
        match &answers[..] {
            [Message::OpenExtendedMiningChannelSuccess(success), ..] => (**success).clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// Every hash is a share.
fn easy() -> MiningServerConfig {
    MiningServerConfig {
        easiest_target: Target::MAX,
        vardiff: None,
        ..MiningServerConfig::default()
    }
}

fn served(server: MiningServerConfig) -> PoolConfig {
    PoolConfig { server, ..PoolConfig::default() }
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

fn standard_request(request_id: u32) -> OpenStandardMiningChannel {
    OpenStandardMiningChannel {
        request_id,
        user_identity: Str255::from_static("miner"),
        nominal_hash_rate: 0.0,
        max_target: Target::MAX,
    }
}

fn extended_request(request_id: u32) -> OpenExtendedMiningChannel {
    OpenExtendedMiningChannel {
        request_id,
        user_identity: Str255::from_static("miner"),
        nominal_hash_rate: 0.0,
        max_target: Target::MAX,
        min_extranonce_size: 8,
    }
}

fn numbered_template(template_id: u64, future_template: bool) -> NewTemplate {
    NewTemplate { template_id, future_template, ..template(&[commitment()]) }
}

fn tip_message(template_id: u64, block: u64) -> TemplateSetNewPrevHash {
    TemplateSetNewPrevHash {
        template_id,
        prev_hash: U256::from_limbs([block, 0, 0, 0]),
        header_timestamp: MIN_NTIME,
        nbits: 0x1d00_ffff,
        target: Target::HARDEST,
    }
}

fn share(channel_id: u32, job_id: u32, nonce: u32) -> SubmitSharesStandard {
    SubmitSharesStandard {
        channel_id,
        sequence_number: nonce,
        job_id,
        nonce,
        ntime: MIN_NTIME,
        version: 0x2000_0000,
    }
}

fn sent(connection: ConnectionId, message: impl Into<Message>) -> Output {
    Output::Send { connection, message: message.into(), tlvs: Tlvs::NONE }
}

fn messages_to(to: ConnectionId, outputs: &[Output]) -> Vec<Message> {
    let message_to = |output: &Output| match output {
        Output::Send { connection, message, .. } if *connection == to => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message_to).collect()
}

fn standard_job(message: &Message) -> &NewMiningJob {
    match message {
        Message::NewMiningJob(job) => job,
        other => panic!("{other:?}"),
    }
}

fn extended_job(message: &Message) -> &NewExtendedMiningJob {
    match message {
        Message::NewExtendedMiningJob(job) => job,
        other => panic!("{other:?}"),
    }
}

fn prev_hash(message: &Message) -> &SetNewPrevHash {
    match message {
        Message::SetNewPrevHash(news) => news,
        other => panic!("{other:?}"),
    }
}

/// The error code of whatever error it is.
fn code(messages: &[Message]) -> String {
    let [message] = messages else { panic!("one error was expected: {messages:?}") };
    let code = match message {
        Message::OpenMiningChannelError(error) => &error.error_code,
        Message::UpdateChannelError(error) => &error.error_code,
        Message::SubmitSharesError(error) => &error.error_code,
        Message::SetCustomMiningJobError(error) => &error.error_code,
        other => panic!("{other:?}"),
    };
    code.to_text().into_owned()
}
