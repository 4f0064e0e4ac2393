//! A provider with the embedded chain as its node, and a client that is built from the messages
//! alone: what it mines is valid only if every field of them is right.

use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, VarInt, Witness};

use crate::chain::block::from_txid;
use crate::chain::{Chain, ChainConfig, ChainHost, TransactionShape};
use crate::common::SetupConnection;
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::Message;
use crate::mining::header::{Header, merkle_root};
use crate::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role, Via};
use crate::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use crate::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, RequestTransactionDataSuccess, SetNewPrevHash,
    SubmitSolution,
};
use crate::time::{Instant, Now, UnixTime};
use crate::wire::{B64K, Tlvs, U256};

pub(super) const POOL: ConnectionId = ConnectionId(3);
pub(super) const OTHER: ConnectionId = ConnectionId(4);
pub(super) const START: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };

/// A provider, its node, and the little driver between them.
pub(super) struct Bench {
    pub(super) provider: TemplateProvider,
    pub(super) node: ChainHost,
    pub(super) now: Now,
    pub(super) out: Outbox,
}

impl Bench {
    pub(super) fn with(config: TemplateProviderConfig, nbits: u32) -> Self {
        let chain = Chain::new(ChainConfig::new(nbits, START.unix), Entropy::from_seed(7));
        let provider = TemplateProvider::new(config);
        let mut bench =
            Bench { provider, node: ChainHost::new(chain), now: START, out: Outbox::new() };
        bench.deliver_news();
        bench
    }

    pub(super) fn new() -> Self {
        Bench::with(TemplateProviderConfig::default(), ChainConfig::EASY)
    }

    /// With one client that has had its first pair.
    pub(super) fn started(constraints: CoinbaseOutputConstraints) -> (Self, Work) {
        let mut bench = Bench::new();
        bench.setup(POOL);
        let work = Work::from_pair(&bench.receive(POOL, constraints));
        (bench, work)
    }

    pub(super) fn give(&mut self, input: Input) -> Vec<Output> {
        self.provider.handle(self.now, input, &mut self.out);
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

    pub(super) fn connect(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.give(Input::Connected { connection, via: Via::Listener(0) })
    }

    pub(super) fn setup(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.connect(connection);
        self.receive(connection, setup())
    }

    pub(super) fn deliver_news(&mut self) -> Vec<Output> {
        match self.node.news(self.now) {
            Some(news) => self.give(Input::Chain(news)),
            None => Vec::new(),
        }
    }

    pub(super) fn new_transaction(&mut self) -> Vec<Output> {
        self.node.chain_mut().generate_transaction(TransactionShape::default()).unwrap();
        self.deliver_news()
    }

    pub(super) fn new_block(&mut self) -> Vec<Output> {
        self.node.chain_mut().extend_tip_unproven(self.now);
        self.deliver_news()
    }

    pub(super) fn pass(&mut self, elapsed: Duration) -> Vec<Output> {
        self.now = self.now.after(elapsed);
        match self.provider.wake_at() {
            Some(at) if at <= self.now.instant => self.give(Input::Woken),
            _ => Vec::new(),
        }
    }

    /// Brings the one requested block to the node and its answer back.
    pub(super) fn carry_out(&mut self, outputs: &[Output]) -> Vec<Output> {
        let [Output::Request { request, what }] = outputs else { panic!("{outputs:?}") };
        let answer = self.node.answer(self.now, what).unwrap();
        self.give(Input::Answer { request: *request, answer })
    }
}

pub(super) fn setup() -> SetupConnection {
    SetupConnection { protocol: 2, min_version: 2, max_version: 2, ..SetupConnection::default() }
}

pub(super) fn constraints(size: u32, sigops: u16) -> CoinbaseOutputConstraints {
    CoinbaseOutputConstraints {
        coinbase_output_max_additional_size: size,
        coinbase_output_max_additional_sigops: sigops,
    }
}

/// Room for one output with a script of one byte.
pub(super) fn small() -> CoinbaseOutputConstraints {
    constraints(10, 0)
}

pub(super) fn sent(connection: ConnectionId, message: impl Into<Message>) -> Output {
    Output::Send { connection, message: message.into(), tlvs: Tlvs::NONE }
}

pub(super) fn closed(connection: ConnectionId, reason: impl Into<CloseReason>) -> Output {
    Output::Close { connection, reason: reason.into() }
}

pub(super) fn notes(outputs: &[Output]) -> Vec<&str> {
    let note = |output| match output {
        &Output::Event(Event::Noted { ref what, .. }) => Some(what.as_str()),
        _ => None,
    };
    outputs.iter().filter_map(note).collect()
}

pub(super) fn messages(outputs: &[Output], to: ConnectionId) -> Vec<Message> {
    let message = |output: &Output| match output {
        Output::Send { connection, message, .. } if *connection == to => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

/// A block as a client puts it together that has asked for the transactions.
pub(super) fn block_of(
    header: &Header,
    coinbase: &Transaction,
    data: &RequestTransactionDataSuccess,
) -> Vec<u8> {
    let transactions = data.transaction_list.as_slice();
    let mut block = header.to_bytes().to_vec();
    block.extend(encode::serialize(&VarInt::from(1 + transactions.len())));
    block.extend(encode::serialize(coinbase));
    transactions.iter().for_each(|transaction| block.extend(transaction.as_slice()));
    block
}

/// What a client knows.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) template: NewTemplate,
    pub(super) tip: SetNewPrevHash,
}

impl Work {
    pub(super) fn from_pair(outputs: &[Output]) -> Self {
        Work::from_pair_to(POOL, outputs)
    }

    pub(super) fn from_pair_to(connection: ConnectionId, outputs: &[Output]) -> Self {
        match &messages(outputs, connection)[..] {
            [Message::NewTemplate(template), Message::TemplateSetNewPrevHash(tip)] => {
                assert!(template.future_template);
                assert_eq!(template.template_id, tip.template_id);
                Work { template: *template.clone(), tip: *tip.clone() }
            }
            other => panic!("no pair: {other:?}"),
        }
    }

    /// With a template for the same tip.
    pub(super) fn updated(&self, outputs: &[Output]) -> Self {
        match &messages(outputs, POOL)[..] {
            [Message::NewTemplate(template)] => {
                assert!(!template.future_template);
                assert!(template.template_id > self.template.template_id);
                Work { template: *template.clone(), tip: self.tip.clone() }
            }
            other => panic!("no update: {other:?}"),
        }
    }

    /// A coinbase with own outputs before the provider's, and a script of 100 bytes.
    pub(super) fn coinbase(&self, own_outputs: Vec<TxOut>) -> Transaction {
        let template = &self.template;
        let mut script_sig = template.coinbase_prefix.as_slice().to_vec();
        script_sig.resize(100, 0xac);
        let mut output = own_outputs;
        let mut rest = template.coinbase_tx_outputs.as_slice();
        for _ in 0..template.coinbase_tx_outputs_count {
            let (next, read_len) = encode::deserialize_partial(rest).unwrap();
            output.push(next);
            rest = &rest[read_len..];
        }
        assert!(rest.is_empty(), "nothing follows the outputs that are counted");
        Transaction {
            version: Version(template.coinbase_tx_version.cast_signed()),
            lock_time: LockTime::from_consensus(template.coinbase_tx_locktime),
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                script_sig: ScriptBuf::from_bytes(script_sig),
                sequence: Sequence(template.coinbase_tx_input_sequence),
                witness: Witness::from_slice(&[[0; 32]]),
            }],
            output,
        }
    }

    /// An output that takes all there is.
    pub(super) fn payout(&self) -> TxOut {
        let value = Amount::from_sat(self.template.coinbase_tx_value_remaining);
        TxOut { value, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) }
    }

    pub(super) fn header(&self, coinbase: &Transaction) -> Header {
        let path = self.template.merkle_path.as_slice();
        Header {
            version: self.template.version,
            prev_hash: self.tip.prev_hash,
            merkle_root: merkle_root(from_txid(coinbase.compute_txid()), path),
            ntime: self.tip.header_timestamp,
            nbits: self.tip.nbits,
            nonce: 0,
        }
    }

    pub(super) fn solve(
        &self,
        coinbase: &Transaction,
        mut header: Header,
    ) -> (SubmitSolution, U256) {
        while !self.tip.target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        (self.solution(coinbase, &header), header.hash())
    }

    pub(super) fn solution(&self, coinbase: &Transaction, header: &Header) -> SubmitSolution {
        SubmitSolution {
            template_id: self.template.template_id,
            version: header.version,
            header_timestamp: header.ntime,
            header_nonce: header.nonce,
            coinbase_tx: B64K::new(encode::serialize(coinbase)).unwrap(),
        }
    }

    pub(super) fn solved(&self) -> (SubmitSolution, U256) {
        let coinbase = self.coinbase(vec![self.payout()]);
        self.solve(&coinbase, self.header(&coinbase))
    }
}
