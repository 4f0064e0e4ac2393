//! A client with all its peers played by the test: template provider, pool, job declarator
//! server, and a miner for whom every hash is a share.

use std::time::Duration;

use bitcoin::TxOut;
use bitcoin::consensus::serialize;

use crate::common::{SetupConnection, SetupConnectionSuccess};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::job_declaration::{AllocateMiningJobTokenSuccess, DeclareMiningJobSuccess};
use crate::message::Message;
use crate::mining::coinbase::payout;
use crate::mining::coinbase::tests::{commitment, template};
use crate::mining::{
    OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess, SetCustomMiningJobSuccess,
    SubmitSharesExtended,
};
use crate::role::{
    CloseReason, ConnectionId, DialId, Input, Outbox, Output, PeerAddress, Role, Via,
};
use crate::roles::job_declarator_client::{
    JobDeclaratorClient, JobDeclaratorClientConfig, JobDeclaratorUpstream,
};
use crate::roles::mining_server::MiningServerConfig;
use crate::template_distribution::{NewTemplate, RequestTransactionDataSuccess, SetNewPrevHash};
use crate::time::{Instant, Now, UnixTime};
use crate::wire::{B16M, B32, B64K, B255, Seq64K, Str255, Target, Tlvs, U256};

/// Who is dialled, in the order of their dial ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Provider,
    Pool,
    Declarator,
}
pub(super) use Peer::{Declarator, Pool, Provider};

pub(super) const MINER: ConnectionId = ConnectionId(9);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const OWN_SCRIPT: [u8; 1] = [0x60];
pub(super) const POOL_SCRIPT: [u8; 3] = [0x51, 0x52, 0x53];
pub(super) const HARD: u32 = 0x1d00_ffff;
pub(super) const EASY: u32 = 0x207f_ffff;

pub(super) struct Bench {
    pub(super) client: JobDeclaratorClient,
    pub(super) now: Now,
    /// Ids and ports that were dialled and not answered.
    pub(super) dials: Vec<(DialId, u16)>,
    connections: [Option<ConnectionId>; 3],
    next_connection: u32,
    pub(super) sent: Vec<(ConnectionId, Message)>,
    pub(super) events: Vec<Event>,
    pub(super) closed: Vec<(ConnectionId, CloseReason)>,
    next_nonce: u32,
    miner_channel: Option<OpenExtendedMiningChannelSuccess>,
}

/// Of two upstreams, on ports 10 and 20 for the first, 11 and 21 for the second.
pub(super) fn config() -> JobDeclaratorClientConfig {
    let peer = |port| PeerAddress { host: "peer".to_owned(), port, authority: None };
    let upstream = |number: u16| JobDeclaratorUpstream {
        pool: peer(10 + number),
        job_declarator: peer(20 + number),
    };
    JobDeclaratorClientConfig {
        template_provider: peer(1),
        upstreams: vec![upstream(0), upstream(1)],
        payout_script: OWN_SCRIPT.to_vec(),
        server: MiningServerConfig {
            easiest_target: Target::MAX,
            vardiff: None,
            ..MiningServerConfig::default()
        },
        ..JobDeclaratorClientConfig::default()
    }
}

impl Bench {
    /// All three have been dialled.
    pub(super) fn new(config: JobDeclaratorClientConfig) -> Self {
        let mut bench = Bench {
            client: JobDeclaratorClient::new(config, Entropy::from_seed(7)),
            now: Now { instant: Instant(1), unix: UnixTime(1_700_000_000) },
            dials: Vec::new(),
            connections: [None; 3],
            next_connection: 20,
            sent: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            next_nonce: 0,
            miner_channel: None,
        };
        bench.give(Input::Woken);
        bench
    }

    /// With all peers, a tip, tokens, a channel, and a miner at work: the first job waits for
    /// the transactions of its template.
    pub(super) fn started(config: JobDeclaratorClientConfig, nbits: u32) -> Self {
        let mut bench = Bench::new(config);
        [Provider, Pool, Declarator].into_iter().for_each(|peer| bench.accept(peer));
        bench.open_channel();
        bench.allocate(&[payout(0, &POOL_SCRIPT)]);
        bench.tip(1, 1, nbits);
        bench.open_miner();
        bench
    }

    /// The first job is paid under this id.
    pub(super) fn accepted(config: JobDeclaratorClientConfig, nbits: u32, job_id: u32) -> Self {
        let mut bench = Bench::started(config, nbits);
        bench.provide_data(1);
        bench.acknowledge();
        bench.accept_job(job_id);
        bench.allocate(&[payout(0, &POOL_SCRIPT)]);
        bench
    }

    pub(super) fn give(&mut self, input: Input) {
        let mut out = Outbox::new();
        self.client.handle(self.now, input, &mut out);
        for output in out.take() {
            match output {
                Output::Send { connection, message, tlvs: _ } => {
                    self.sent.push((connection, message));
                }
                Output::Dial { dial, peer } => self.dials.push((dial, peer.port)),
                Output::Event(event) => self.events.push(event),
                Output::Close { connection, reason } => {
                    self.closed.push((connection, reason.clone()));
                    self.connections.iter_mut().for_each(|slot| {
                        slot.take_if(|ours| *ours == connection);
                    });
                    self.give(Input::Closed { connection, reason });
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn receive(&mut self, from: ConnectionId, message: impl Into<Message>) {
        let message = message.into();
        self.give(Input::Received { connection: from, message, tlvs: Tlvs::NONE, original: None });
    }

    pub(super) fn hear(&mut self, from: Peer, message: impl Into<Message>) {
        let connection = self.connection(from);
        self.receive(connection, message);
    }

    pub(super) fn connection(&self, peer: Peer) -> ConnectionId {
        self.connections[peer as usize].expect("it is connected")
    }

    /// Takes the dial of a peer, and sets up.
    pub(super) fn accept(&mut self, peer: Peer) {
        let is_theirs = |(dial, _): &(DialId, u16)| dial.0 % 3 == peer as u32;
        let at = self.dials.iter().position(is_theirs).expect("it is dialled");
        let (dial, _) = self.dials.remove(at);
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connections[peer as usize] = Some(connection);
        self.give(Input::Connected { connection, via: Via::Dial(dial) });
        self.receive(connection, SetupConnectionSuccess { used_version: 2, flags: 0 });
    }

    pub(super) fn cut(&mut self, peer: Peer) {
        let connection = self.connections[peer as usize].take().expect("it is connected");
        self.give(Input::Closed { connection, reason: CloseReason::ByPeer });
    }

    /// Lets time pass, waking the client whenever it wants to.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while let Some(at) = self.client.wake_at().filter(|at| *at <= end) {
            self.now = self.now.after(at.since(self.now.instant));
            self.give(Input::Woken);
        }
        self.now = self.now.after(end.since(self.now.instant));
    }

    /// The last message of a kind to a peer.
    pub(super) fn last<M>(&self, kind: impl Fn(&Message) -> Option<M>) -> M {
        let found = self.sent.iter().rev().find_map(|(_, message)| kind(message));
        found.unwrap_or_else(|| panic!("not sent: {:?}", self.names()))
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.sent.iter().map(|(_, message)| message.name()).collect()
    }

    /// What was sent since the last call, by name.
    pub(super) fn take_names(&mut self) -> Vec<&'static str> {
        let names = self.names();
        self.sent.clear();
        names
    }

    pub(super) fn count(&self, is_wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is_wanted(event)).count()
    }

    /// Which upstreams were left, and whether for good.
    pub(super) fn left(&self) -> Vec<(usize, bool)> {
        let left = self.events.iter().filter_map(|event| match event {
            Event::UpstreamLeft { upstream, broke_word, .. } => Some((*upstream, *broke_word)),
            _ => None,
        });
        left.collect()
    }

    /// Answers all requests for tokens.
    pub(super) fn allocate(&mut self, outputs: &[TxOut]) {
        let outputs = serialize(&outputs.to_vec());
        for request_id in self.token_requests() {
            self.hear(Declarator, token(request_id, &outputs));
        }
    }

    pub(super) fn token_requests(&mut self) -> Vec<u32> {
        let mut requests = Vec::new();
        self.sent.retain(|(_, message)| match message {
            Message::AllocateMiningJobToken(request) => {
                requests.push(request.request_id);
                false
            }
            _ => true,
        });
        requests
    }

    pub(super) fn open_channel(&mut self) {
        let request_id = self.last(|message| match message {
            Message::OpenExtendedMiningChannel(open) => Some(open.request_id),
            _ => None,
        });
        self.hear(
            Pool,
            OpenExtendedMiningChannelSuccess {
                request_id,
                channel_id: 5,
                target: Target::MAX,
                extranonce_size: 16,
                extranonce_prefix: B32::new(&[1, 2, 3, 4]).unwrap(),
                group_channel_id: 6,
            },
        );
    }

    /// A template, and the tip that it is for; both are called by numbers.
    pub(super) fn tip(&mut self, template_id: u64, prev_hash: u64, nbits: u32) {
        self.hear(Provider, new_template(template_id, true));
        self.hear(
            Provider,
            SetNewPrevHash {
                template_id,
                prev_hash: U256::from_limbs([prev_hash, 0, 0, 0]),
                header_timestamp: 1_700_000_000,
                nbits,
                target: Target::MAX,
            },
        );
    }

    pub(super) fn provide_data(&mut self, template_id: u64) {
        self.hear(Provider, transaction_data(template_id, vec![transaction(), transaction()]));
    }

    /// The declaration that was sent last is acknowledged.
    pub(super) fn acknowledge(&mut self) {
        let request_id = self.declaration_id();
        let new_mining_job_token = B255::new(vec![8]).unwrap();
        self.hear(Declarator, DeclareMiningJobSuccess { request_id, new_mining_job_token });
    }

    pub(super) fn declaration_id(&self) -> u32 {
        self.last(|message| match message {
            Message::DeclareMiningJob(declaration) => Some(declaration.request_id),
            _ => None,
        })
    }

    pub(super) fn custom_job_id(&self) -> u32 {
        self.last(|message| match message {
            Message::SetCustomMiningJob(request) => Some(request.request_id),
            _ => None,
        })
    }

    pub(super) fn accept_job(&mut self, job_id: u32) {
        let request_id = self.custom_job_id();
        self.hear(Pool, SetCustomMiningJobSuccess { channel_id: 5, request_id, job_id });
    }

    fn open_miner(&mut self) {
        self.give(Input::Connected { connection: MINER, via: Via::Listener(0) });
        self.receive(
            MINER,
            SetupConnection { min_version: 2, max_version: 2, ..SetupConnection::default() },
        );
        self.receive(
            MINER,
            OpenExtendedMiningChannel {
                request_id: 1,
                user_identity: Str255::from_static("miner"),
                nominal_hash_rate: 0.0,
                max_target: Target::MAX,
                min_extranonce_size: 4,
            },
        );
        self.miner_channel = Some(self.last(|message| match message {
            Message::OpenExtendedMiningChannelSuccess(success) => Some(*success.clone()),
            _ => None,
        }));
    }

    /// The miner sends shares for its newest job.
    pub(super) fn mine(&mut self, count: u32) {
        let (job_id, version) = self.last(|message| match message {
            Message::NewExtendedMiningJob(job) => Some((job.job_id, job.version)),
            _ => None,
        });
        let channel = self.miner_channel.clone().expect("it is open");
        let extranonce = vec![0; usize::from(channel.extranonce_size)];
        for _ in 0..count {
            self.next_nonce += 1;
            let share = SubmitSharesExtended {
                channel_id: channel.channel_id,
                sequence_number: self.next_nonce,
                job_id,
                nonce: self.next_nonce,
                ntime: 1_700_000_000,
                version,
                extranonce: B32::new(&extranonce).unwrap(),
            };
            self.receive(MINER, share);
        }
    }

    /// Until a share is a block; what was sent because of it alone.
    pub(super) fn mine_block(&mut self) -> Vec<&'static str> {
        let is_found = |event: &Event| matches!(event, Event::BlockFound { .. });
        let found = self.count(is_found);
        while self.count(is_found) == found {
            let jobs = self
                .sent
                .iter()
                .rposition(|(_, message)| matches!(message, Message::NewExtendedMiningJob(_)));
            self.sent.drain(jobs.expect("there is a job") + 1..);
            self.mine(1);
        }
        self.names().into_iter().rev().take_while(|name| *name != "NewExtendedMiningJob").collect()
    }

    /// Shares that the pool was sent, as sequence number and job.
    pub(super) fn submitted(&self) -> Vec<(u32, u32)> {
        let connection = self.connections[Pool as usize];
        let shares = self.sent.iter().filter_map(|(to, message)| match message {
            Message::SubmitSharesExtended(share) if Some(*to) == connection => {
                Some((share.sequence_number, share.job_id))
            }
            _ => None,
        });
        shares.collect()
    }
}

pub(super) fn token(request_id: u32, outputs: &[u8]) -> AllocateMiningJobTokenSuccess {
    AllocateMiningJobTokenSuccess {
        request_id,
        mining_job_token: B255::new(vec![7]).unwrap(),
        coinbase_tx_outputs: B64K::new(outputs.to_vec()).unwrap(),
    }
}

pub(super) fn new_template(template_id: u64, future_template: bool) -> NewTemplate {
    NewTemplate { template_id, future_template, ..template(&[commitment()]) }
}

pub(super) fn transaction_data(
    template_id: u64,
    transactions: Vec<Vec<u8>>,
) -> RequestTransactionDataSuccess {
    let transactions = transactions.into_iter().map(|raw| B16M::new(raw).unwrap());
    RequestTransactionDataSuccess {
        template_id,
        excess_data: B64K::default(),
        transaction_list: Seq64K::new(transactions.collect()).unwrap(),
    }
}

/// One without inputs or witnesses would be taken for one with: this has an output and an input.
pub(super) fn transaction() -> Vec<u8> {
    serialize(&bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn::default()],
        output: vec![payout(1, &[0x51])],
    })
}
