//! Devices and an upstream, all played by the test; proofs of work are real.

mod accounts;
mod dialect;
mod hostile;
mod session;
mod upstream;

use std::time::Duration;

use super::*;
use crate::common::SetupConnectionSuccess;
use crate::extensions::{RequestExtensionsSuccess, WORKER_TRACKING};
use crate::message::Message;
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::mining::{
    NewExtendedMiningJob, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesExtended,
};
use crate::role::{Output, PeerAddress};
use crate::sv1::{self, Call, Notify, Submit};
use crate::time::UnixTime;
use crate::wire::{B32, B64K, Seq64K, Seq255, Target, Tlvs, U256};

/// The first upstream connection; those that follow count on.
const UP: ConnectionId = ConnectionId(1_000);
const ALICE: ConnectionId = ConnectionId(0);
const BOB: ConnectionId = ConnectionId(1);
/// Of the upstream's channels.
const GROUP: u32 = 99;
const SECOND: Duration = Duration::from_secs(1);
/// A network target that no share of these tests meets.
const HARD_NBITS: u32 = 0x1d00_ffff;

struct Bench {
    translator: Translator,
    now: Now,
    out: Outbox,
    up: ConnectionId,
    dialled: Vec<(DialId, PeerAddress)>,
    /// Lines, to whom.
    said: Vec<(ConnectionId, String)>,
    /// Messages to the upstream.
    sent: Vec<(Message, Tlvs)>,
    events: Vec<Event>,
    closed: Vec<(ConnectionId, CloseReason)>,
    /// Flags of the upstream's answer to set-up.
    flags: u32,
    extensions: Vec<u16>,
    /// Of the channels that the upstream opens.
    target: Target,
}

use crate::role::DialId;

/// A share takes a hundred hashes, and the upstream takes all.
fn config() -> TranslatorConfig {
    let peer = |port| PeerAddress { host: "pool".to_owned(), port, authority: None };
    TranslatorConfig {
        upstreams: vec![peer(1), peer(2)],
        initial_hash_rate: 10.0,
        vardiff: None,
        ..TranslatorConfig::default()
    }
}

/// As hard as what devices are given, or a little harder.
fn upstream_target() -> Target {
    Target::from_expected_hashes(100.0)
}

fn per_device() -> TranslatorConfig {
    TranslatorConfig { mode: TranslatorMode::ChannelPerDevice, ..config() }
}

impl Bench {
    fn new(config: TranslatorConfig) -> Self {
        let now = Now { instant: Instant(1), unix: UnixTime(1_700_000_000) };
        let mut bench = Bench {
            translator: Translator::new(config, Entropy::from_seed(7)),
            now,
            out: Outbox::new(),
            up: ConnectionId(UP.0 - 1),
            dialled: Vec::new(),
            said: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            flags: 0,
            extensions: vec![WORKER_TRACKING],
            target: upstream_target(),
        };
        bench.handle(Input::Woken);
        bench
    }

    /// An upstream that is set up, and devices that have subscribed, authorized and been given
    /// a job.
    fn working(config: TranslatorConfig, devices: &[ConnectionId]) -> Self {
        let mut bench = Bench::new(config);
        bench.set_up_upstream();
        for device in devices {
            bench.login(*device);
        }
        bench
    }

    fn handle(&mut self, input: Input) {
        self.translator.handle(self.now, input, &mut self.out);
        for output in self.out.take() {
            match output {
                Output::Line { connection, line } => {
                    let line = String::from_utf8(line.to_vec()).expect("lines are text");
                    self.said.push((connection, line));
                }
                Output::Send { connection, message, tlvs } => {
                    assert_eq!(connection, self.up);
                    self.sent.push((message, tlvs));
                }
                Output::Close { connection, reason } => self.closed.push((connection, reason)),
                Output::Dial { dial, peer } => self.dialled.push((dial, peer)),
                Output::Event(event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
        // What was asked to be closed is closed.
        while let Some((connection, reason)) = self.closed.get(self.closed_count()).cloned() {
            self.events.push(Event::Noted { connection: None, what: CLOSED.to_owned() });
            self.handle(Input::Closed { connection, reason });
        }
    }

    /// Closes that were carried out.
    fn closed_count(&self) -> usize {
        let is_mark = |event: &&Event| matches!(event, Event::Noted { what, .. } if what == CLOSED);
        self.events.iter().filter(is_mark).count()
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.after(time);
        while let Some(at) = self.translator.wake_at().filter(|at| *at <= end.instant) {
            self.now = self.now.after(at.max(self.now.instant).since(self.now.instant));
            self.handle(Input::Woken);
        }
        self.now = end;
    }

    /// Answers the latest dial, set-up and extensions.
    fn set_up_upstream(&mut self) {
        let (dial, _) = self.dialled.last().cloned().expect("somebody is dialled");
        self.up = ConnectionId(self.up.0 + 1);
        let (connection, via) = (self.up, Via::Dial(dial));
        self.handle(Input::Connected { connection, via });
        let flags = self.flags;
        self.receive(SetupConnectionSuccess { used_version: 2, flags });
        let supported = Seq64K::new(self.extensions.clone()).unwrap();
        self.receive(RequestExtensionsSuccess { request_id: 0, supported_extensions: supported });
        self.serve();
    }

    /// From the upstream.
    fn receive(&mut self, message: impl Into<Message>) {
        let (connection, message) = (self.up, message.into());
        self.handle(Input::Received { connection, message, tlvs: Tlvs::NONE, original: None });
    }

    /// Opens what was asked for, with a job. The prefix is that of the connection.
    fn serve(&mut self) {
        let asked: Vec<_> = self.take_sent(|message| match message {
            Message::OpenExtendedMiningChannel(open) => Some(open.as_ref().clone()),
            _ => None,
        });
        for open in asked {
            let channel_id = open.request_id + 10;
            self.receive(self.opened(&open));
            self.receive(job(channel_id, 1, None));
            self.receive(tip(channel_id, 1, 1));
        }
    }

    fn opened(&self, open: &OpenExtendedMiningChannel) -> OpenExtendedMiningChannelSuccess {
        OpenExtendedMiningChannelSuccess {
            request_id: open.request_id,
            channel_id: open.request_id + 10,
            target: self.target,
            extranonce_size: open.min_extranonce_size,
            extranonce_prefix: B32::new(&self.prefix(open.request_id)).unwrap(),
            group_channel_id: GROUP,
        }
    }

    fn prefix(&self, request_id: u32) -> [u8; 3] {
        [0xf0, u8::try_from(self.up.0 - 900).unwrap(), u8::try_from(request_id).unwrap()]
    }

    fn connect(&mut self, device: ConnectionId) {
        self.handle(Input::Connected { connection: device, via: Via::Listener(0) });
    }

    /// A line of a device; what it hears.
    fn say(&mut self, device: ConnectionId, line: &str) -> Vec<String> {
        self.said.clear();
        let line = line.to_owned().into();
        self.handle(Input::Line { connection: device, line });
        self.heard(device)
    }

    fn heard(&self, device: ConnectionId) -> Vec<String> {
        let to_device = self.said.iter().filter(|(to, _)| *to == device);
        to_device.map(|(_, line)| line.clone()).collect()
    }

    /// Connects, subscribes and authorizes `alice.1` (or the like); what it heard.
    fn login(&mut self, device: ConnectionId) -> Miner {
        self.connect(device);
        self.said.clear();
        for line in [SUBSCRIBE.to_owned(), authorize(2, &name(device))] {
            let line = line.into();
            self.handle(Input::Line { connection: device, line });
        }
        self.serve();
        self.miner(device)
    }

    /// What a device knows from all lines since they were last cleared.
    fn miner(&self, device: ConnectionId) -> Miner {
        let mut miner = Miner { user: name(device), ..Miner::default() };
        self.heard(device).iter().for_each(|line| miner.read(line));
        miner
    }

    fn take_sent<T>(&mut self, is_it: impl Fn(&Message) -> Option<T>) -> Vec<T> {
        let found = self.sent.iter().filter_map(|(message, _)| is_it(message)).collect();
        self.sent.retain(|(message, _)| is_it(message).is_none());
        found
    }

    fn take_shares(&mut self) -> Vec<SubmitSharesExtended> {
        self.take_sent(|message| match message {
            Message::SubmitSharesExtended(share) => Some(share.clone()),
            _ => None,
        })
    }

    /// Submits a share; the line that it is answered with.
    fn submit(&mut self, device: ConnectionId, submit: &Submit) -> String {
        let message = sv1::Message::request(9, Call::Submit(submit.clone()));
        let line = String::from_utf8(message.to_line().to_vec()).unwrap();
        let heard = self.say(device, &line);
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard[0].clone()
    }

    fn count(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is_it(event)).count()
    }
}

/// A mark between the events.
const CLOSED: &str = "the bench has closed a connection";
const SUBSCRIBE: &str = r#"{"id":1,"method":"mining.subscribe","params":["test/1.0"]}"#;

fn name(device: ConnectionId) -> String {
    ["alice.1", "bob.1", "carol.1"].get(device.0 as usize).map_or("dave.1", |name| name).to_owned()
}

fn authorize(id: u32, user: &str) -> String {
    format!(r#"{{"id":{id},"method":"mining.authorize","params":["{user}","x"]}}"#)
}

fn job(channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob {
    NewExtendedMiningJob {
        channel_id,
        job_id,
        min_ntime,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(vec![U256::from_le_bytes([7; 32])]).unwrap(),
        coinbase_tx_prefix: B64K::new(vec![0xc1; 60]).unwrap(),
        coinbase_tx_suffix: B64K::new(vec![0xc2; 60]).unwrap(),
    }
}

/// Blocks are numbered.
fn tip(channel_id: u32, job_id: u32, block: u8) -> SetNewPrevHash {
    let min_ntime = 1_700_000_000 + u32::from(block);
    let prev_hash = U256::from_le_bytes([block; 32]);
    SetNewPrevHash { channel_id, job_id, prev_hash, min_ntime, nbits: HARD_NBITS }
}

/// A device that hashes, by what it was told.
#[derive(Clone, Debug, Default)]
struct Miner {
    user: String,
    extranonce1: Vec<u8>,
    extranonce2_size: usize,
    difficulty: Option<sv1::Difficulty>,
    mask: Option<u32>,
    notify: Option<Notify>,
    notify_count: usize,
}

impl Miner {
    fn read(&mut self, line: &str) {
        match sv1::Message::parse(line.as_bytes()).unwrap() {
            sv1::Message::Response(response) => {
                if let sv1::Outcome::Subscribed(subscribed) = response.outcome {
                    self.extranonce1 = subscribed.extranonce1.as_slice().to_vec();
                    self.extranonce2_size = usize::from(subscribed.extranonce2_size);
                }
            }
            sv1::Message::Call { call: Call::Notify(notify), .. } => {
                self.notify = Some(*notify);
                self.notify_count += 1;
            }
            sv1::Message::Call { call: Call::SetDifficulty(difficulty), .. } => {
                self.difficulty = Some(difficulty);
            }
            sv1::Message::Call { call: Call::SetVersionMask(mask), .. } => self.mask = Some(mask),
            sv1::Message::Call {
                call: Call::SetExtranonce { extranonce1, extranonce2_size },
                ..
            } => {
                self.extranonce1 = extranonce1.as_slice().to_vec();
                self.extranonce2_size = usize::from(extranonce2_size);
            }
            sv1::Message::Call { .. } => {}
        }
    }

    fn hash(&self, submit: &Submit) -> U256 {
        let notify = self.notify.as_ref().unwrap();
        let (first, second) = (&notify.coinbase_1, &notify.coinbase_2);
        let extranonce2 = submit.extranonce2.as_slice();
        let txid = coinbase_txid(first, &self.extranonce1, extranonce2, second);
        let mask = self.mask.unwrap_or(0);
        let bits = submit.version_bits.unwrap_or(0);
        Header {
            version: (notify.version & !mask) | (bits & mask),
            prev_hash: notify.prev_hash,
            merkle_root: merkle_root(txid, &notify.merkle_branches),
            ntime: submit.ntime,
            nbits: notify.nbits,
            nonce: submit.nonce,
        }
        .hash()
    }

    /// The first share, from a nonce on, whose hash is wanted.
    fn find_from(&self, nonce: u32, bits: Option<u32>, is_it: impl Fn(&U256) -> bool) -> Submit {
        let notify = self.notify.as_ref().unwrap();
        let mut submit = Submit {
            user: self.user.clone(),
            job_id: notify.job_id.clone(),
            extranonce2: B32::new(&vec![0x22; self.extranonce2_size]).unwrap(),
            ntime: notify.ntime,
            nonce,
            version_bits: bits,
            extra_param_count: 0,
        };
        while !is_it(&self.hash(&submit)) {
            submit.nonce += 1;
        }
        submit
    }

    /// A share that the upstream takes too.
    fn find(&self, nonce: u32) -> Submit {
        let target = self.difficulty.unwrap().target().min(upstream_target());
        self.find_from(nonce, None, |hash| target.is_met_by(hash))
    }
}

#[test]
fn a_share_of_a_device_reaches_the_upstream_as_the_upstream_would_hash_it() {
    for config in [config(), per_device()] {
        let index_len = budget(&config).index_len;
        let mut bench = Bench::working(config, &[]);
        let miner = bench.login(ALICE);
        let submit = miner.find(0);

        assert_eq!(bench.submit(ALICE, &submit), r#"{"id":9,"result":true,"error":null}"#);

        let [share] = &bench.take_shares()[..] else { panic!("one share") };
        assert_eq!(share.extranonce.as_slice().len(), index_len + 4);
        let whole = [&bench.prefix(0)[..], share.extranonce.as_slice()].concat();
        let parts = job(10, 1, None);
        let (first, second) = (parts.coinbase_tx_prefix, parts.coinbase_tx_suffix);
        let txid = coinbase_txid(first.as_slice(), &whole, &[], second.as_slice());
        let block = tip(10, 1, 1);
        let header = Header {
            version: share.version,
            prev_hash: block.prev_hash,
            merkle_root: merkle_root(txid, parts.merkle_path.as_slice()),
            ntime: share.ntime,
            nbits: block.nbits,
            nonce: share.nonce,
        };
        assert_eq!(header.hash(), miner.hash(&submit));
        assert_eq!((share.channel_id, share.job_id), (10, 1));
    }
}

#[test]
fn devices_on_one_channel_search_different_extranonces() {
    let mut bench = Bench::working(config(), &[]);

    let (alice, bob) = (bench.login(ALICE), bench.login(BOB));

    assert_eq!(alice.extranonce1, [&bench.prefix(0)[..], &[0, 0]].concat());
    assert_eq!(bob.extranonce1, [&bench.prefix(0)[..], &[0, 1]].concat());
    assert_eq!(
        bench.take_sent(|m| matches!(m, Message::OpenExtendedMiningChannel(_)).then_some(())).len(),
        0
    );
}

#[test]
fn devices_with_channels_of_their_own_have_what_these_give() {
    for (size, config) in [(2, per_device()), (8, per_device())] {
        let config = TranslatorConfig { extranonce2_len: size, ..config };
        let mut bench = Bench::working(config, &[]);

        let (alice, bob) = (bench.login(ALICE), bench.login(BOB));

        assert_eq!(alice.extranonce1, bench.prefix(0));
        assert_eq!(bob.extranonce1, bench.prefix(1));
        assert_eq!((alice.extranonce2_size, bob.extranonce2_size), (size.into(), size.into()));
    }
}
