//! Pool, template provider and chain together: what a client builds from messages alone is a
//! block of that chain.

use std::collections::VecDeque;

use bitcoin::consensus::deserialize;

use super::*;
use crate::chain::{Chain, ChainConfig, TransactionShape};
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::mining::{SubmitSharesExtended, VERSION_ROLLING_MASK};
use crate::role::{Answer, ChainEvent, PeerAddress, Request};
use crate::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use crate::wire::B32;

const PAYOUT: &[u8] = &[0x00, 0x14, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

/// Everything but the miner, wired to each other.
struct Network {
    chain: Chain,
    provider: TemplateProvider,
    pool: Pool,
    now: Now,
    to_miner: Vec<Message>,
    events: Vec<Event>,
}

impl Network {
    fn new(initial_height: u32) -> Self {
        let start = UnixTime(1_700_000_000);
        let chain = ChainConfig { initial_height, ..ChainConfig::new(ChainConfig::EASY, start) };
        let now = Now { instant: Instant::ZERO, unix: start };
        let config = PoolConfig { payout_script: PAYOUT.to_vec(), ..served(easy()) };
        let mut network = Network {
            chain: Chain::new(chain, Entropy::from_seed(1)),
            provider: TemplateProvider::new(TemplateProviderConfig::default()),
            pool: Pool::new(config, Entropy::from_seed(2)),
            now,
            to_miner: Vec::new(),
            events: Vec::new(),
        };
        network.renew_template();
        network.tell_pool(Input::Woken);
        network
    }

    fn renew_template(&mut self) {
        let template = self.chain.template(self.now);
        self.tell_provider(Input::Chain(ChainEvent::Template(template)));
    }

    fn tell_pool(&mut self, input: Input) {
        self.run(VecDeque::from([(true, input)]));
    }

    fn tell_provider(&mut self, input: Input) {
        self.run(VecDeque::from([(false, input)]));
    }

    /// Until nobody has anything to say; a block that the chain takes makes a new template.
    fn run(&mut self, mut queue: VecDeque<(bool, Input)>) {
        let mut out = Outbox::new();
        while let Some((is_for_pool, input)) = queue.pop_front() {
            match is_for_pool {
                true => self.pool.handle(self.now, input, &mut out),
                false => self.provider.handle(self.now, input, &mut out),
            }
            for output in out.take() {
                match output {
                    Output::Send { connection: PROVIDER, message, tlvs } => queue.push_back((
                        !is_for_pool,
                        Input::Received { connection: PROVIDER, message, tlvs, original: None },
                    )),
                    Output::Send { message, .. } => self.to_miner.push(message),
                    Output::Dial { dial, peer: PeerAddress { .. } } => {
                        let connection = PROVIDER;
                        let listener = Via::Listener(0);
                        queue.push_back((false, Input::Connected { connection, via: listener }));
                        let via = Via::Dial(dial);
                        queue.push_back((true, Input::Connected { connection, via }));
                    }
                    Output::Request { request, what: Request::SubmitBlock { block } } => {
                        let answer = match self.chain.submit_block(self.now, &block) {
                            Ok(hash) => Answer::BlockAccepted { hash },
                            Err(error) => Answer::BlockRejected { reason: error.to_string() },
                        };
                        queue.push_back((false, Input::Answer { request, answer }));
                        let template = self.chain.template(self.now);
                        let news = ChainEvent::Template(template);
                        queue.push_back((false, Input::Chain(news)));
                    }
                    Output::Event(event) => self.events.push(event),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn say(&mut self, message: impl Into<Message>) {
        let message = message.into();
        let tlvs = Tlvs::NONE;
        self.tell_pool(Input::Received { connection: MINER, message, tlvs, original: None });
    }
}

/// A client that knows nothing but its messages.
#[derive(Default)]
struct Client {
    channel_id: u32,
    group_id: u32,
    prefix: Vec<u8>,
    rolled: Option<Vec<u8>>,
    jobs: Vec<(u32, u32, U256)>,
    job: Option<(u32, u32, U256)>,
    tip: Option<(U256, u32, u32)>,
}

impl Client {
    fn read(&mut self, messages: Vec<Message>) {
        for message in messages {
            match message {
                Message::OpenStandardMiningChannelSuccess(success) => {
                    (self.channel_id, self.group_id) =
                        (success.channel_id, success.group_channel_id);
                    self.prefix = success.extranonce_prefix.as_slice().to_vec();
                }
                Message::OpenExtendedMiningChannelSuccess(success) => {
                    (self.channel_id, self.group_id) =
                        (success.channel_id, success.group_channel_id);
                    self.prefix = success.extranonce_prefix.as_slice().to_vec();
                    self.rolled = Some(vec![0xac; usize::from(success.extranonce_size)]);
                }
                Message::NewMiningJob(job) => {
                    self.take(
                        job.channel_id,
                        job.job_id,
                        job.min_ntime,
                        job.version,
                        job.merkle_root,
                    );
                }
                Message::NewExtendedMiningJob(job) => {
                    let txid = coinbase_txid(
                        job.coinbase_tx_prefix.as_slice(),
                        &self.prefix,
                        self.rolled.as_deref().unwrap_or_default(),
                        job.coinbase_tx_suffix.as_slice(),
                    );
                    let root = merkle_root(txid, job.merkle_path.as_slice());
                    self.take(job.channel_id, job.job_id, job.min_ntime, job.version, root);
                }
                Message::SetNewPrevHash(news) => {
                    self.job = self.jobs.iter().copied().find(|job| job.0 == news.job_id);
                    assert!(self.job.is_some(), "{news:?}");
                    self.tip = Some((news.prev_hash, news.min_ntime, news.nbits));
                }
                Message::SetupConnectionSuccess(_) | Message::SubmitSharesSuccess(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn take(&mut self, to: u32, job_id: u32, min_ntime: Option<u32>, version: u32, root: U256) {
        assert!(to == self.channel_id || to == self.group_id);
        self.jobs.push((job_id, version, root));
        if min_ntime.is_some() {
            self.job = self.jobs.last().copied();
        }
    }

    /// A share that is a block, with every rollable bit of the version turned.
    fn block(&self) -> Message {
        let ((job_id, version, merkle_root), (prev_hash, min_ntime, nbits)) =
            (self.job.unwrap(), self.tip.unwrap());
        let version = version ^ VERSION_ROLLING_MASK;
        let header =
            |nonce| Header { version, prev_hash, merkle_root, ntime: min_ntime + 1, nbits, nonce };
        let target = Target::from_compact(nbits).unwrap();
        let nonce = (0..).find(|nonce| target.is_met_by(&header(*nonce).hash())).unwrap();
        let share = SubmitSharesStandard {
            channel_id: self.channel_id,
            sequence_number: 0,
            job_id,
            nonce,
            ntime: min_ntime + 1,
            version,
        };
        match &self.rolled {
            None => share.into(),
            Some(rolled) => SubmitSharesExtended {
                channel_id: share.channel_id,
                sequence_number: share.sequence_number,
                job_id,
                nonce,
                ntime: share.ntime,
                version,
                extranonce: B32::new(rolled).unwrap(),
            }
            .into(),
        }
    }
}

#[test]
fn clients_of_every_kind_mine_blocks_from_height_one_on_with_transactions_in_them() {
    for initial_height in [0, 15, 16, 127] {
        for (flags, open) in [
            (0b000, Message::from(standard_request(1))),
            (0b001, Message::from(standard_request(1))),
            (0b000, Message::from(extended_request(1))),
        ] {
            let mut network = Network::new(initial_height);
            network.tell_pool(Input::Connected { connection: MINER, via: Via::Listener(0) });
            network.say(setup(flags));
            network.say(open);
            let mut client = Client::default();
            for block_count in 1..=4 {
                // With more fees there is another, active job; every second block is of one.
                if block_count % 2 == 0 {
                    for _ in 0..block_count {
                        network.chain.generate_transaction(TransactionShape::default());
                    }
                    network.renew_template();
                }
                client.read(std::mem::take(&mut network.to_miner));
                let value = network.chain.template(network.now).coinbase_value;

                network.say(client.block());

                let height = network.chain.height();
                assert_eq!(height, initial_height + block_count, "{:?}", network.events);
                let raw = network.chain.block(&network.chain.tip()).unwrap();
                let block: bitcoin::Block = deserialize(raw).unwrap();
                let reward = &block.txdata[0].output[0];
                assert_eq!(
                    (reward.value.to_sat(), reward.script_pubkey.as_bytes()),
                    (value, PAYOUT)
                );
                network.now = network.now.after(Duration::from_secs(60));
            }
        }
    }
}
