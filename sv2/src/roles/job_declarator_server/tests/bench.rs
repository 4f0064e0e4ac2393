//! A server with the embedded chain as its node, and a client that is built from the messages
//! alone: what it declares is a block only if every part of it is right.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::TxOut;
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::chain::block::height_push;
use crate::chain::{BlockTemplate, Chain, ChainConfig, ChainHost, TransactionShape, merkle};
use crate::common::SetupConnection;
use crate::entropy::Entropy;
use crate::event::Event;
use crate::job_declaration::token::TokenKey;
use crate::job_declaration::{
    AllocateMiningJobToken, AllocateMiningJobTokenSuccess, DeclareMiningJob,
    DeclareMiningJobSuccess, ProvideMissingTransactions, ProvideMissingTransactionsSuccess,
    PushSolution,
};
use crate::message::Message;
use crate::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role, Via};
use crate::roles::job_declarator_server::{JobDeclaratorServer, JobDeclaratorServerConfig};
use crate::time::{Instant, Now, UnixTime};
use crate::wire::{B16M, B32, B255, Seq64K, Str255, Target, Tlvs, U256};

pub(super) const MINER: ConnectionId = ConnectionId(3);
pub(super) const OTHER: ConnectionId = ConnectionId(4);
pub(super) const START: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };
pub(super) const PAYOUT: [u8; 3] = [0x51, 0x52, 0x53];
pub(super) const FULL_TEMPLATE: u32 = 1;
pub(super) const COINBASE_ONLY: u32 = 0;
pub(super) const EXTRANONCE_LEN: usize = 20;

/// So many that a solution of one job is none of another by chance.
const BLOCK_HASHES: f64 = 4_096.0;

/// A server, its node, and the little driver between them.
pub(super) struct Bench {
    pub(super) server: JobDeclaratorServer,
    pub(super) node: ChainHost,
    pub(super) now: Now,
    out: Outbox,
}

pub(super) fn key() -> TokenKey {
    TokenKey::new(Zeroizing::new([1; 32]))
}

pub(super) fn config() -> JobDeclaratorServerConfig {
    JobDeclaratorServerConfig::new(key(), PAYOUT.to_vec())
}

impl Bench {
    /// A server that knows the node's first template, of no transactions.
    pub(super) fn with(config: JobDeclaratorServerConfig) -> Self {
        let mut bench = Bench::without_template(config);
        bench.deliver_news();
        bench
    }

    pub(super) fn without_template(config: JobDeclaratorServerConfig) -> Self {
        let nbits = Target::from_expected_hashes(BLOCK_HASHES).to_compact();
        let chain = ChainConfig::new(nbits, START.unix);
        let chain = Chain::new(chain, Entropy::from_seed(7));
        let server = JobDeclaratorServer::new(config, Entropy::from_seed(8));
        Bench { server, node: ChainHost::new(chain), now: START, out: Outbox::new() }
    }

    /// With one client in full-template mode.
    pub(super) fn started() -> Self {
        Bench::started_with(config())
    }

    pub(super) fn started_with(config: JobDeclaratorServerConfig) -> Self {
        let mut bench = Bench::with(config);
        bench.join(MINER, FULL_TEMPLATE);
        bench
    }

    pub(super) fn give(&mut self, input: Input) -> Vec<Output> {
        self.server.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    pub(super) fn receive(
        &mut self,
        connection: ConnectionId,
        message: impl Into<Message>,
    ) -> Vec<Output> {
        let message = message.into();
        self.give(Input::Received { connection, message, tlvs: Tlvs::NONE, original: None })
    }

    /// Gives a message, and lets the node answer whatever it is asked.
    pub(super) fn exchange(
        &mut self,
        connection: ConnectionId,
        message: impl Into<Message>,
    ) -> Vec<Output> {
        let outputs = self.receive(connection, message);
        self.carry_out(outputs)
    }

    /// Brings all requests to the node and its answers back, until there is none.
    pub(super) fn carry_out(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        let mut done = Vec::new();
        for output in outputs {
            let Output::Request { request, what } = output else {
                done.push(output);
                continue;
            };
            let answer = self.node.answer(self.now, &what).unwrap();
            let outputs = self.give(Input::Answer { request, answer });
            done.extend(self.carry_out(outputs));
        }
        done
    }

    pub(super) fn connect(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Connected { connection, via: Via::Listener(0) })
    }

    pub(super) fn join(&mut self, connection: ConnectionId, flags: u32) -> Vec<Output> {
        self.connect(connection);
        self.receive(connection, setup(flags))
    }

    pub(super) fn leave(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Closed { connection, reason: CloseReason::ByPeer })
    }

    pub(super) fn deliver_news(&mut self) -> Vec<Output> {
        match self.node.news(self.now) {
            Some(news) => self.give(Input::Chain(news)),
            None => Vec::new(),
        }
    }

    /// The node gets a transaction; the server does not hear of it before it gets news.
    pub(super) fn new_transaction(&mut self) {
        self.node.chain_mut().generate_transaction(TransactionShape::default()).unwrap();
    }

    pub(super) fn new_block(&mut self) -> Vec<Output> {
        self.node.chain_mut().extend_tip_unproven(self.now);
        self.deliver_news()
    }

    pub(super) fn pass(&mut self, elapsed: Duration) -> Vec<Output> {
        self.now = self.now.after(elapsed);
        match self.server.wake_at() {
            Some(at) if at <= self.now.instant => self.give(Input::Woken),
            _ => Vec::new(),
        }
    }

    pub(super) fn allocate(&mut self, connection: ConnectionId) -> AllocateMiningJobTokenSuccess {
        let outputs = self.receive(connection, allocate(5));
        match &messages(&outputs, connection)[..] {
            [Message::AllocateMiningJobTokenSuccess(success)] => *success.clone(),
            other => panic!("no token: {other:?}"),
        }
    }

    pub(super) fn token(&mut self, connection: ConnectionId) -> B255 {
        self.allocate(connection).mining_job_token
    }

    /// A job on the node's best template, which pays the pool all that there is.
    pub(super) fn job(&mut self) -> Job {
        Job::new(self.node.chain_mut().template(self.now))
    }

    /// A job that has been acknowledged, and the token that it got.
    pub(super) fn declared(&mut self, connection: ConnectionId) -> (Job, B255) {
        let job = self.job();
        let request = job.declaration(1, self.token(connection));
        let outputs = self.exchange(connection, request);
        let token = match &messages(&outputs, connection)[..] {
            [Message::ProvideMissingTransactions(asked)] => {
                let answer = job.provide(asked);
                success(&self.exchange(connection, answer), connection).new_mining_job_token
            }
            _ => success(&outputs, connection).new_mining_job_token,
        };
        (job, token)
    }
}

/// A block that a miner wants to work on.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) template: Arc<BlockTemplate>,
    pub(super) script_start: Vec<u8>,
    pub(super) extranonce_len: usize,
    pub(super) outputs: Vec<TxOut>,
    pub(super) wtxids: Vec<U256>,
}

impl Job {
    pub(super) fn new(template: Arc<BlockTemplate>) -> Self {
        let mut script_start = height_push(template.height).into_bytes();
        script_start.push(20);
        Job {
            script_start,
            extranonce_len: EXTRANONCE_LEN,
            outputs: vec![
                payout(0, &[0x6a, 1, 7]),
                payout(template.coinbase_value, &PAYOUT),
                payout(0, template.witness_commitment_script()),
            ],
            wtxids: template.transactions.iter().map(|transaction| transaction.wtxid).collect(),
            template,
        }
    }

    pub(super) fn coinbase(&self) -> Coinbase {
        Coinbase::assemble(&CoinbaseParts {
            version: 2,
            script_start: &self.script_start,
            extranonce_len: self.extranonce_len,
            sequence: 0xffff_fffe,
            outputs: &self.outputs,
            locktime: 0,
        })
        .unwrap()
    }

    pub(super) fn declaration(&self, request_id: u32, token: B255) -> DeclareMiningJob {
        let (coinbase_tx_prefix, coinbase_tx_suffix) = self.coinbase().declaration_parts().unwrap();
        DeclareMiningJob {
            request_id,
            mining_job_token: token,
            version: self.template.version,
            coinbase_tx_prefix,
            coinbase_tx_suffix,
            wtxid_list: Seq64K::new(self.wtxids.clone()).unwrap(),
            excess_data: Default::default(),
        }
    }

    pub(super) fn provide(
        &self,
        asked: &ProvideMissingTransactions,
    ) -> ProvideMissingTransactionsSuccess {
        let raw = |position: &u16| {
            let transaction = &self.template.transactions[usize::from(*position)];
            transaction.raw.clone()
        };
        let positions = asked.unknown_tx_position_list.as_slice();
        provided(asked.request_id, positions.iter().map(raw))
    }

    pub(super) fn header(&self, extranonce: &[u8]) -> Header {
        let coinbase = self.coinbase();
        let (prefix, suffix) = (coinbase.prefix().as_slice(), coinbase.suffix().as_slice());
        let txids = self.template.transactions.iter().map(|transaction| transaction.txid);
        let path = merkle::path(txids);
        Header {
            version: self.template.version,
            prev_hash: self.template.prev_hash,
            merkle_root: merkle_root(coinbase_txid(prefix, extranonce, &[], suffix), &path),
            ntime: self.template.current_time,
            nbits: self.template.nbits,
            nonce: 0,
        }
    }

    /// A block of the job, and its hash.
    pub(super) fn solve(&self, extranonce: &[u8]) -> (PushSolution, U256) {
        self.solve_header(extranonce, self.header(extranonce))
    }

    pub(super) fn solve_header(
        &self,
        extranonce: &[u8],
        mut header: Header,
    ) -> (PushSolution, U256) {
        while !self.template.target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        (solution(extranonce, &header), header.hash())
    }
}

pub(super) fn solution(extranonce: &[u8], header: &Header) -> PushSolution {
    PushSolution {
        extranonce: B32::new(extranonce).unwrap(),
        prev_hash: header.prev_hash,
        nonce: header.nonce,
        ntime: header.ntime,
        nbits: header.nbits,
        version: header.version,
    }
}

pub(super) fn provided(
    request_id: u32,
    transactions: impl IntoIterator<Item = Bytes>,
) -> ProvideMissingTransactionsSuccess {
    let transactions: Vec<B16M> =
        transactions.into_iter().map(|raw| B16M::new(raw).unwrap()).collect();
    ProvideMissingTransactionsSuccess {
        request_id,
        transaction_list: Seq64K::new(transactions).unwrap(),
    }
}

pub(super) fn setup(flags: u32) -> SetupConnection {
    SetupConnection {
        protocol: 1,
        min_version: 2,
        max_version: 2,
        flags,
        ..SetupConnection::default()
    }
}

pub(super) fn allocate(request_id: u32) -> AllocateMiningJobToken {
    AllocateMiningJobToken { user_identifier: Str255::from_static("miner"), request_id }
}

pub(super) fn sent(connection: ConnectionId, message: impl Into<Message>) -> Output {
    Output::Send { connection, message: message.into(), tlvs: Tlvs::NONE }
}

pub(super) fn closed(connection: ConnectionId, reason: impl Into<CloseReason>) -> Output {
    Output::Close { connection, reason: reason.into() }
}

pub(super) fn messages(outputs: &[Output], to: ConnectionId) -> Vec<Message> {
    let message = |output: &Output| match output {
        Output::Send { connection, message, .. } if *connection == to => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

pub(super) fn events(outputs: &[Output]) -> Vec<Event> {
    let event = |output: &Output| match output {
        Output::Event(event) => Some(event.clone()),
        _ => None,
    };
    outputs.iter().filter_map(event).collect()
}

pub(super) fn success(outputs: &[Output], to: ConnectionId) -> DeclareMiningJobSuccess {
    match &messages(outputs, to)[..] {
        [Message::DeclareMiningJobSuccess(success)] => success.clone(),
        other => panic!("not acknowledged: {other:?}"),
    }
}

/// The codes of all refusals, with what they answer.
pub(super) fn errors(outputs: &[Output], to: ConnectionId) -> Vec<(u32, String)> {
    let error = |message: Message| match message {
        Message::DeclareMiningJobError(error) => {
            let code = error.error_code.as_slice().to_vec();
            Some((error.request_id, String::from_utf8(code).unwrap()))
        }
        _ => None,
    };
    messages(outputs, to).into_iter().filter_map(error).collect()
}

/// The positions that are asked for.
pub(super) fn asked(outputs: &[Output], of: ConnectionId) -> ProvideMissingTransactions {
    match &messages(outputs, of)[..] {
        [Message::ProvideMissingTransactions(asked)] => asked.clone(),
        other => panic!("nothing asked for: {other:?}"),
    }
}
