//! A miner that brings its own job to a pool, by way of a job declarator server that shares with
//! the pool nothing but a key.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::TxOut;
use bitcoin::consensus::serialize;
use sv2::chain::block::height_push;
use sv2::chain::{BlockTemplate, TransactionShape, merkle};
use sv2::common::SetupConnection;
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::job_declaration::token::TokenKey;
use sv2::job_declaration::{
    AllocateMiningJobToken, DECLARE_TX_DATA, DeclareMiningJob, PushSolution,
};
use sv2::message::Message;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use sv2::mining::header::{Header, coinbase_txid, merkle_root};
use sv2::mining::{
    OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess, SetCustomMiningJob,
    SubmitSharesExtended, setup_flag,
};
use sv2::noise::AuthoritySecretKey;
use sv2::role::ConnectionId;
use sv2::roles::job_declarator_server::JobDeclaratorServerConfig;
use sv2::roles::pool::{CustomJobsConfig, PoolConfig};
use sv2::wire::{B32, B64K, B255, Seq64K, Seq255, Str255, Target, U256};

use crate::driver::{Network, server};

/// A miner with a connection to each side.
struct Miner {
    network: Network,
    pool: usize,
    declarator: usize,
    hand: usize,
    to_pool: ConnectionId,
    to_declarator: ConnectionId,
    channel: OpenExtendedMiningChannelSuccess,
}

impl Miner {
    /// A block takes 2^12 hashes, a share 16.
    fn new(flags: u32) -> Self {
        let mut network = Network::new(Target::from_expected_hashes(4_096.0).to_compact());
        let key = token_key();
        let pool = network.add_pool(PoolConfig {
            server: server(),
            custom_jobs: Some(CustomJobsConfig::new(key.clone())),
            ..PoolConfig::default()
        });
        let declarator =
            network.add_job_declarator(JobDeclaratorServerConfig::new(key, PAYOUT_SCRIPT.to_vec()));
        let hand = network.add_hand();
        network.run(Duration::from_secs(1));
        let to_pool = network.dial(hand, pool);
        network.say(hand, to_pool, setup(0, setup_flag::REQUIRES_WORK_SELECTION));
        let open = OpenExtendedMiningChannel {
            request_id: 1,
            user_identity: Str255::from_static("miner"),
            nominal_hash_rate: 0.0,
            max_target: Target::MAX,
            min_extranonce_size: 8,
        };
        let answers = network.say(hand, to_pool, open);
        let [Message::OpenExtendedMiningChannelSuccess(channel)] = &answers[..] else {
            panic!("a channel without jobs: {answers:?}");
        };
        let channel = *channel.clone();
        let to_declarator = network.dial(hand, declarator);
        network.say(hand, to_declarator, setup(1, flags));
        Miner { network, pool, declarator, hand, to_pool, to_declarator, channel }
    }

    fn token(&mut self) -> B255 {
        let user_identifier = Str255::from_static("miner");
        let request = AllocateMiningJobToken { user_identifier, request_id: 1 };
        match &self.network.say(self.hand, self.to_declarator, request)[..] {
            [Message::AllocateMiningJobTokenSuccess(success)] => success.mining_job_token.clone(),
            other => panic!("no token: {other:?}"),
        }
    }

    /// The job of the best template, paid to the pool; nobody has heard of it.
    fn job(&mut self) -> Job {
        let now = self.network.now;
        let template = self.network.chains[0].chain_mut().template(now);
        Job::new(template, self.channel.extranonce_prefix, self.channel.extranonce_size)
    }

    /// Its id at the pool.
    fn set(&mut self, job: &Job, token: B255) -> u32 {
        let request = job.custom_job(self.channel.channel_id, token);
        match &self.network.say(self.hand, self.to_pool, request)[..] {
            [Message::SetCustomMiningJobSuccess(success)] => success.job_id,
            other => panic!("not accepted: {other:?}"),
        }
    }

    fn submit(&mut self, job: &Job, job_id: u32, nonce: u32) -> Vec<Message> {
        let header = Header { nonce, ..job.header() };
        let share = SubmitSharesExtended {
            channel_id: self.channel.channel_id,
            sequence_number: nonce,
            job_id,
            nonce,
            ntime: header.ntime,
            version: header.version,
            extranonce: job.extranonce,
        };
        self.network.say(self.hand, self.to_pool, share)
    }
}

/// A block in the making.
struct Job {
    template: Arc<BlockTemplate>,
    script_start: Vec<u8>,
    outputs: Vec<TxOut>,
    prefix: B32,
    /// Behind the prefix.
    extranonce: B32,
}

impl Job {
    fn new(template: Arc<BlockTemplate>, prefix: B32, extranonce_size: u16) -> Self {
        Job {
            script_start: height_push(template.height).into_bytes(),
            outputs: vec![
                payout(template.coinbase_value, &PAYOUT_SCRIPT),
                payout(0, template.witness_commitment_script()),
            ],
            prefix,
            extranonce: B32::new(&[9; 32][..usize::from(extranonce_size)]).unwrap(),
            template,
        }
    }

    fn whole_extranonce(&self) -> Vec<u8> {
        [self.prefix.as_slice(), self.extranonce.as_slice()].concat()
    }

    fn coinbase(&self) -> Coinbase {
        let parts = CoinbaseParts {
            version: 2,
            script_start: &self.script_start,
            extranonce_len: self.whole_extranonce().len(),
            sequence: u32::MAX,
            outputs: &self.outputs,
            locktime: 0,
        };
        Coinbase::assemble(&parts).unwrap()
    }

    fn merkle_path(&self) -> Vec<U256> {
        merkle::path(self.template.transactions.iter().map(|transaction| transaction.txid))
    }

    fn declaration(&self, token: B255) -> DeclareMiningJob {
        let (coinbase_tx_prefix, coinbase_tx_suffix) = self.coinbase().declaration_parts().unwrap();
        let wtxids = self.template.transactions.iter().map(|transaction| transaction.wtxid);
        DeclareMiningJob {
            request_id: 5,
            mining_job_token: token,
            version: self.template.version,
            coinbase_tx_prefix,
            coinbase_tx_suffix,
            wtxid_list: Seq64K::new(wtxids.collect()).unwrap(),
            excess_data: B64K::default(),
        }
    }

    fn custom_job(&self, channel_id: u32, token: B255) -> SetCustomMiningJob {
        SetCustomMiningJob {
            channel_id,
            request_id: 6,
            mining_job_token: token,
            version: self.template.version,
            prev_hash: self.template.prev_hash,
            min_ntime: self.template.current_time,
            nbits: self.template.nbits,
            coinbase_tx_version: 2,
            coinbase_prefix: B255::new(self.script_start.clone()).unwrap(),
            coinbase_tx_input_n_sequence: u32::MAX,
            coinbase_tx_outputs: B64K::new(serialize(&self.outputs)).unwrap(),
            coinbase_tx_locktime: 0,
            merkle_path: Seq255::new(self.merkle_path()).unwrap(),
        }
    }

    fn header(&self) -> Header {
        let coinbase = self.coinbase();
        let (prefix, suffix) = (coinbase.prefix().as_slice(), coinbase.suffix().as_slice());
        let txid = coinbase_txid(prefix, &self.whole_extranonce(), &[], suffix);
        Header {
            version: self.template.version,
            prev_hash: self.template.prev_hash,
            merkle_root: merkle_root(txid, &self.merkle_path()),
            ntime: self.template.current_time,
            nbits: self.template.nbits,
            nonce: 0,
        }
    }

    /// The first nonce whose hash meets one target and not the other.
    fn nonce(&self, target: Target, not: Target) -> u32 {
        let header = self.header();
        let is_wanted = |nonce: &u32| {
            let hash = Header { nonce: *nonce, ..header }.hash();
            target.is_met_by(&hash) && !not.is_met_by(&hash)
        };
        (0..).find(is_wanted).expect("there are enough nonces")
    }

    fn push(&self, nonce: u32) -> PushSolution {
        let header = self.header();
        PushSolution {
            extranonce: B32::new(&self.whole_extranonce()).unwrap(),
            prev_hash: header.prev_hash,
            nonce,
            ntime: header.ntime,
            nbits: header.nbits,
            version: header.version,
        }
    }
}

#[test]
fn a_declared_job_is_paid_by_the_pool_and_its_block_reaches_the_chain_by_way_of_the_server() {
    let mut miner = Miner::new(DECLARE_TX_DATA);
    let chain = miner.network.chains[0].chain_mut();
    chain.generate_transaction(TransactionShape::default()).unwrap();
    miner.network.settle();
    let (token, job) = (miner.token(), miner.job());
    assert_eq!(job.template.transactions.len(), 1);

    let answers = miner.network.say(miner.hand, miner.to_declarator, job.declaration(token));
    let [Message::DeclareMiningJobSuccess(success)] = &answers[..] else { panic!("{answers:?}") };
    let job_id = miner.set(&job, success.new_mining_job_token.clone());
    let share = job.nonce(miner.channel.target, job.template.target);
    let paid = miner.submit(&job, job_id, share);
    let block = job.nonce(job.template.target, Target::default());
    let paid_block = miner.submit(&job, job_id, block);
    let height = miner.network.chains[0].chain().height();
    let pushed = miner.network.say(miner.hand, miner.to_declarator, job.push(block));

    for answers in [paid, paid_block] {
        assert!(matches!(answers[..], [Message::SubmitSharesSuccess(_)]), "{answers:?}");
    }
    assert_eq!(pushed, []);
    let hash = Header { nonce: block, ..job.header() }.hash();
    let chain = miner.network.chains[0].chain();
    assert_eq!((chain.tip(), chain.height()), (hash, height + 1), "it came by the server alone");
    assert_eq!(chain.mempool_len(), 0, "with its transaction");
    let found = |event: &Event| *event == Event::BlockFound { hash };
    assert_eq!(miner.network.count(miner.pool, found), 1);
    assert_eq!(miner.network.count(miner.declarator, found), 1);
}

#[test]
fn a_job_whose_transactions_nobody_sees_is_paid_in_coinbase_only_mode() {
    let mut miner = Miner::new(0);
    let (token, job) = (miner.token(), miner.job());

    let job_id = miner.set(&job, token);
    let share = job.nonce(miner.channel.target, job.template.target);
    let paid = miner.submit(&job, job_id, share);

    assert!(matches!(paid[..], [Message::SubmitSharesSuccess(_)]), "{paid:?}");
}

#[test]
fn a_token_that_should_have_been_declared_and_one_that_is_used_buy_nothing() {
    let mut miner = Miner::new(DECLARE_TX_DATA);
    let (token, job) = (miner.token(), miner.job());
    let answers =
        miner.network.say(miner.hand, miner.to_declarator, job.declaration(token.clone()));
    let [Message::DeclareMiningJobSuccess(success)] = &answers[..] else { panic!("{answers:?}") };
    miner.set(&job, success.new_mining_job_token.clone());

    for (token, expected) in [
        (miner.token(), "job-not-yet-validated"),
        (success.new_mining_job_token.clone(), "mining-job-token-used"),
        (token, "job-not-yet-validated"),
    ] {
        let request = job.custom_job(miner.channel.channel_id, token);
        let answers = miner.network.say(miner.hand, miner.to_pool, request);
        let [Message::SetCustomMiningJobError(error)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(error.error_code.to_text(), expected);
    }
}

fn token_key() -> TokenKey {
    let authority = AuthoritySecretKey::generate(&mut Entropy::from_seed(3));
    TokenKey::new(authority.derive(TokenKey::PURPOSE))
}

fn setup(protocol: u8, flags: u32) -> SetupConnection {
    SetupConnection {
        protocol,
        min_version: 2,
        max_version: 2,
        flags,
        ..SetupConnection::default()
    }
}

const PAYOUT_SCRIPT: [u8; 4] = [0x51, 0x52, 0x53, 0x54];
