//! A device against a scripted pool that checks every share as a pool would.

use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};

use super::*;
use crate::common::SetupConnectionSuccess;
use crate::message::Message;
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::mining::{
    NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannelSuccess,
    OpenStandardMiningChannelSuccess, SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash,
    SetTarget, SubmitSharesError, SubmitSharesSuccess, setup_flag,
};
use crate::noise::AuthoritySecretKey;
use crate::role::{Output, PeerAddress};
use crate::time::UnixTime;
use crate::wire::{B32, B64K, Seq64K, Seq255, Str255, Target, Tlvs, U256};

mod connection;
mod extensions;

const POOL: ConnectionId = ConnectionId(3);
const CHANNEL: u32 = 10;
const GROUP: u32 = 99;
const VERSION: u32 = 0x2000_0000;
const MIN_NTIME: u32 = 5_000;
const NBITS: u32 = 0x1d00_ffff;
const EASY: Target = Target::MAX;
const PATH: [U256; 2] = [U256::MAX, U256::ZERO];
const COINBASE_PREFIX: &[u8] = b"coinbase before the extranonce";
const COINBASE_SUFFIX: &[u8] =
    b"coinbase behind the extranonce, which is longer than sixty-four bytes";

/// A device and the time that it believes.
struct Bench {
    device: MiningDevice,
    now: Now,
    out: Outbox,
}

/// A share of either kind, with what the pool needs to check it.
#[derive(Clone, Debug, PartialEq)]
struct Submitted {
    channel_id: u32,
    sequence_number: u32,
    job_id: u32,
    header: Header,
    extranonce: Vec<u8>,
}

fn config() -> MiningDeviceConfig {
    let pool = PeerAddress {
        host: "pool.example".to_owned(),
        port: 3333,
        authority: Some(AuthoritySecretKey::generate(&mut Entropy::from_seed(1)).public_key()),
    };
    MiningDeviceConfig {
        nonces_per_call: NonZeroU32::new(50).unwrap(),
        ..MiningDeviceConfig::new(pool, Str255::from_static("user.worker"))
    }
}

fn extended_config() -> MiningDeviceConfig {
    MiningDeviceConfig {
        channel_kind: ChannelKind::Extended { min_extranonce_size: 4 },
        ..config()
    }
}

/// Takes standard and group jobs.
fn group_config() -> MiningDeviceConfig {
    MiningDeviceConfig {
        channel_kind: ChannelKind::Standard { requires_standard_jobs: false },
        ..config()
    }
}

impl Bench {
    fn new(config: MiningDeviceConfig) -> Self {
        let now = Now { instant: Instant(1_000_000), unix: UnixTime(9_000) };
        let device = MiningDevice::new(config, Entropy::from_seed(7));
        Bench { device, now, out: Outbox::new() }
    }

    /// Connected; the pool has not answered yet.
    fn connected(config: MiningDeviceConfig) -> Self {
        let mut bench = Bench::new(config);
        bench.connect(0);
        bench
    }

    /// Set up with these flags of the pool.
    fn set_up(config: MiningDeviceConfig, flags: u32) -> (Self, Vec<Output>) {
        let mut bench = Bench::connected(config);
        let outputs = bench.receive(SetupConnectionSuccess { used_version: 2, flags });
        (bench, outputs)
    }

    /// One channel is open.
    fn open(config: MiningDeviceConfig, target: Target) -> Self {
        let (mut bench, _) = Bench::set_up(config, 0);
        bench.open_channel(1, CHANNEL, target);
        bench
    }

    fn open_channel(&mut self, request_id: u32, channel_id: u32, target: Target) {
        let extranonce_prefix = prefix(channel_id);
        match self.device.config.channel_kind {
            ChannelKind::Standard { .. } => self.receive(OpenStandardMiningChannelSuccess {
                request_id,
                channel_id,
                target,
                extranonce_prefix,
                group_channel_id: GROUP,
            }),
            ChannelKind::Extended { .. } => self.receive(OpenExtendedMiningChannelSuccess {
                request_id,
                channel_id,
                target,
                extranonce_size: 6,
                extranonce_prefix,
                group_channel_id: GROUP,
            }),
        };
    }

    fn connect(&mut self, dial: u32) -> Vec<Output> {
        assert!(matches!(&self.wake()[..], [Output::Dial { .. }]));
        self.input(Input::Connected { connection: POOL, via: Via::Dial(DialId(dial)) })
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.device.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    fn receive(&mut self, message: impl Into<Message>) -> Vec<Output> {
        let (message, tlvs) = (message.into(), Tlvs::NONE);
        self.input(Input::Received { connection: POOL, message, tlvs, original: None })
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// Goes to the moment that the device waits for.
    fn wake(&mut self) -> Vec<Output> {
        let at = self.device.wake_at().expect("the device waits for something");
        self.pass(at.since(self.now.instant));
        self.input(Input::Woken)
    }

    /// Lets the device hash until it has sent something, at the present time.
    fn mine(&mut self, tip: U256, root_of: impl Fn(&Submitted) -> U256) -> Vec<Submitted> {
        for _ in 0..1_000 {
            let shares = shares(&self.input(Input::Woken), tip, &root_of);
            if !shares.is_empty() {
                return shares;
            }
        }
        panic!("no share within 50,000 hashes");
    }

    fn standard_job(&mut self, job_id: u32, min_ntime: Option<u32>) -> Vec<Output> {
        self.receive(NewMiningJob {
            channel_id: CHANNEL,
            job_id,
            min_ntime,
            version: VERSION,
            merkle_root: root(job_id),
        })
    }

    fn extended_job(
        &mut self,
        channel_id: u32,
        job_id: u32,
        min_ntime: Option<u32>,
    ) -> Vec<Output> {
        self.receive(NewExtendedMiningJob {
            channel_id,
            job_id,
            min_ntime,
            version: VERSION,
            version_rolling_allowed: true,
            merkle_path: Seq255::new(PATH.to_vec()).unwrap(),
            coinbase_tx_prefix: B64K::new(COINBASE_PREFIX).unwrap(),
            coinbase_tx_suffix: B64K::new(COINBASE_SUFFIX).unwrap(),
        })
    }

    fn tip(&mut self, channel_id: u32, job_id: u32) -> Vec<Output> {
        self.receive(SetNewPrevHash {
            channel_id,
            job_id,
            prev_hash: tip(job_id),
            min_ntime: MIN_NTIME,
            nbits: NBITS,
        })
    }

    fn is_hashing(&self) -> bool {
        self.device.hash_at.get().is_some()
    }
}

/// Every channel has its own.
fn prefix(channel_id: u32) -> B32 {
    B32::new(&channel_id.to_be_bytes()).unwrap()
}

/// Each standard job has its own.
fn root(job_id: u32) -> U256 {
    U256::from_limbs([u64::from(job_id), 5, 6, 7])
}

/// The tip that a job is activated with.
fn tip(job_id: u32) -> U256 {
    U256::from_limbs([u64::from(job_id), 1, 1, 0])
}

fn standard_root(share: &Submitted) -> U256 {
    root(share.job_id)
}

/// The root of an extended share under a prefix.
fn extended_root(prefix: B32) -> impl Fn(&Submitted) -> U256 {
    move |share| {
        let txid =
            coinbase_txid(COINBASE_PREFIX, prefix.as_slice(), &share.extranonce, COINBASE_SUFFIX);
        merkle_root(txid, &PATH)
    }
}

fn sent(outputs: &[Output]) -> Vec<&Message> {
    let message = |output| match output {
        &Output::Send { connection: POOL, ref message, .. } => Some(message),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn shares(
    outputs: &[Output],
    prev_hash: U256,
    root_of: impl Fn(&Submitted) -> U256,
) -> Vec<Submitted> {
    let share = |message: &Message| {
        let header = |version, ntime, nonce| Header {
            version,
            prev_hash,
            ntime,
            nbits: NBITS,
            nonce,
            ..Header::default()
        };
        let mut share = match message {
            Message::SubmitSharesStandard(share) => Submitted {
                channel_id: share.channel_id,
                sequence_number: share.sequence_number,
                job_id: share.job_id,
                header: header(share.version, share.ntime, share.nonce),
                extranonce: Vec::new(),
            },
            Message::SubmitSharesExtended(share) => Submitted {
                channel_id: share.channel_id,
                sequence_number: share.sequence_number,
                job_id: share.job_id,
                header: header(share.version, share.ntime, share.nonce),
                extranonce: share.extranonce.as_slice().to_vec(),
            },
            other => panic!("{} is no share", other.name()),
        };
        share.header.merkle_root = root_of(&share);
        share
    };
    sent(outputs).into_iter().map(share).collect()
}

fn notes(outputs: &[Output]) -> Vec<&str> {
    let note = |output| match output {
        &Output::Event(Event::Noted { ref what, .. }) => Some(what.as_str()),
        _ => None,
    };
    outputs.iter().filter_map(note).collect()
}

/// The reason for which the pool was left.
fn left(outputs: &[Output]) -> Option<String> {
    outputs.iter().find_map(|output| match output {
        Output::Close { connection: POOL, reason } => Some(reason.to_string()),
        _ => None,
    })
}

/// 2^248 of 2^256 hashes meet it: one in 256.
fn one_in_256() -> Target {
    Target(U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 8]))
}

#[test]
fn a_share_of_a_standard_channel_is_a_real_proof_for_the_job() {
    let mut bench = Bench::open(config(), one_in_256());
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);

    let shares = bench.mine(tip(1), standard_root);

    assert_eq!((shares[0].channel_id, shares[0].job_id), (CHANNEL, 1));
    assert!(one_in_256().is_met_by(&shares[0].header.hash()));
    assert_eq!(shares[0].header.ntime, MIN_NTIME);
}

#[test]
fn a_share_of_an_extended_channel_is_a_real_proof_with_exactly_the_negotiated_extranonce() {
    let mut bench = Bench::open(extended_config(), one_in_256());
    bench.extended_job(CHANNEL, 1, None);
    bench.tip(CHANNEL, 1);

    let shares = bench.mine(tip(1), extended_root(prefix(CHANNEL)));

    assert_eq!(shares[0].extranonce.len(), 6);
    assert!(one_in_256().is_met_by(&shares[0].header.hash()));
}

#[test]
fn a_standard_channel_derives_its_root_from_a_job_for_its_group() {
    let mut bench = Bench::open(group_config(), one_in_256());
    bench.extended_job(GROUP, 1, None);
    bench.tip(GROUP, 1);

    let shares = bench.mine(tip(1), extended_root(prefix(CHANNEL)));

    assert!(one_in_256().is_met_by(&shares[0].header.hash()));
    assert!(shares[0].extranonce.is_empty());
}

#[test]
fn a_device_that_requires_standard_jobs_does_not_touch_extended_ones() {
    let mut bench = Bench::open(config(), EASY);

    let outputs = bench.extended_job(GROUP, 1, None);
    bench.tip(GROUP, 1);

    assert!(notes(&outputs)[0].contains("REQUIRES_STANDARD_JOBS"));
    assert!(!bench.is_hashing());
}

#[test]
fn a_channel_that_was_moved_to_another_group_takes_the_jobs_of_that_group_alone() {
    let mut bench = Bench::open(group_config(), EASY);
    let channel_ids = Seq64K::new(vec![CHANNEL, 77]).unwrap();
    bench.receive(SetGroupChannel { group_channel_id: 500, channel_ids });

    bench.extended_job(GROUP, 1, None);
    bench.tip(GROUP, 1);
    assert!(!bench.is_hashing());

    bench.extended_job(500, 1, None);
    bench.tip(500, 1);
    assert!(bench.is_hashing());
}

#[test]
fn a_future_job_is_not_worked_on_before_its_tip() {
    let mut bench = Bench::open(config(), EASY);
    bench.standard_job(1, None);

    assert!(!bench.is_hashing());
    assert_eq!(bench.input(Input::Woken), []);
    assert_eq!(bench.device.accounts().hash_count, 0);

    bench.tip(CHANNEL, 1);
    assert_eq!(bench.mine(tip(1), standard_root)[0].job_id, 1);
}

#[test]
fn an_active_job_is_worked_on_at_once_on_the_present_tip_from_its_own_time() {
    let mut bench = Bench::open(config(), EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);

    bench.standard_job(2, Some(MIN_NTIME + 40));

    let share = &bench.mine(tip(1), standard_root)[0];
    assert_eq!((share.job_id, share.header.ntime), (2, MIN_NTIME + 40));
}

#[test]
fn an_active_job_without_any_tip_is_noted_and_not_worked_on() {
    let mut bench = Bench::open(config(), EASY);

    let outputs = bench.standard_job(1, Some(MIN_NTIME));

    assert!(notes(&outputs)[0].contains("no SetNewPrevHash"));
    assert!(!bench.is_hashing());
}

#[test]
fn a_new_tip_drops_the_active_job_and_all_other_future_jobs() {
    let mut bench = Bench::open(config(), EASY);
    for job_id in [1, 2, 3] {
        bench.standard_job(job_id, None);
    }
    bench.tip(CHANNEL, 1);
    bench.standard_job(4, None);

    bench.tip(CHANNEL, 4);
    assert_eq!(bench.mine(tip(4), standard_root)[0].job_id, 4);
    let outputs = bench.tip(CHANNEL, 3);

    assert!(notes(&outputs)[0].contains("names job 3"));
    assert!(!bench.is_hashing());
}

#[test]
fn the_active_job_keeps_its_target_and_later_jobs_get_the_new_one() {
    let mut bench = Bench::open(config(), EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);
    bench.standard_job(2, None);
    bench.receive(SetTarget { channel_id: CHANNEL, maximum_target: Target::HARDEST });

    assert!(!shares(&bench.input(Input::Woken), tip(1), standard_root).is_empty());

    bench.standard_job(3, Some(MIN_NTIME));
    assert_eq!(bench.input(Input::Woken), [], "a job that came after SetTarget");
    bench.tip(CHANNEL, 2);
    assert_eq!(bench.input(Input::Woken), [], "a future job that was queued before SetTarget");
    assert!(bench.is_hashing());
}

#[test]
fn a_target_for_the_group_is_for_each_of_its_channels() {
    let config = MiningDeviceConfig { channel_count: NonZeroU8::new(2).unwrap(), ..group_config() };
    let (mut bench, _) = Bench::set_up(config, 0);
    bench.open_channel(1, CHANNEL, Target::HARDEST);
    bench.open_channel(2, CHANNEL + 1, Target::HARDEST);
    bench.receive(SetTarget { channel_id: GROUP, maximum_target: EASY });

    bench.extended_job(GROUP, 1, None);
    let outputs = bench.tip(GROUP, 1);

    let started = outputs.iter().filter_map(|output| match output {
        Output::Event(Event::WorkStarted { channel_id, target, .. }) => {
            Some((*channel_id, *target))
        }
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), [(CHANNEL, EASY), (CHANNEL + 1, EASY)]);
}

#[test]
fn jobs_keep_the_prefix_of_their_arrival() {
    let mut bench = Bench::open(extended_config(), EASY);
    let fresh = B32::new(&[9; 4]).unwrap();
    bench.extended_job(CHANNEL, 1, None);
    bench.tip(CHANNEL, 1);
    bench.extended_job(CHANNEL, 2, None);
    bench.receive(SetExtranoncePrefix { channel_id: CHANNEL, extranonce_prefix: fresh });
    bench.extended_job(CHANNEL, 3, None);
    // The easiest target accepts any header: what tells prefixes apart is the reported hash.
    let hashes_under = |bench: &mut Bench, job_id, prefix| {
        let outputs = bench.input(Input::Woken);
        let told = outputs.iter().filter_map(|output| match output {
            Output::Event(Event::ShareSubmitted { hash, .. }) => Some(*hash),
            _ => None,
        });
        let told: Vec<_> = told.collect();
        let hashes = shares(&outputs, tip(job_id), extended_root(prefix))
            .iter()
            .map(|share| share.header.hash())
            .collect::<Vec<_>>();
        (told, hashes)
    };

    let (told, old) = hashes_under(&mut bench, 1, prefix(CHANNEL));
    assert!(!told.is_empty() && told == old, "the active job");

    bench.tip(CHANNEL, 2);
    let (told, old) = hashes_under(&mut bench, 2, prefix(CHANNEL));
    assert!(!told.is_empty() && told == old, "a future job that was queued before");

    bench.extended_job(CHANNEL, 4, Some(MIN_NTIME));
    let (told, new) = hashes_under(&mut bench, 2, fresh);
    assert!(!told.is_empty() && told == new, "a job that came after");
}

#[test]
fn a_fixed_version_is_not_touched_and_a_free_one_is_rolled_within_its_mask() {
    for (flags, mask) in
        [(setup_flag::success::REQUIRES_FIXED_VERSION, 0), (0, VersionRolling::BIP_320)]
    {
        let rolling = VersionRolling::Allowed(VersionRolling::BIP_320);
        let config = MiningDeviceConfig { version_rolling: rolling, ..config() };
        let (mut bench, _) = Bench::set_up(config, flags);
        bench.open_channel(1, CHANNEL, EASY);
        bench.standard_job(1, None);
        bench.tip(CHANNEL, 1);

        let version = bench.mine(tip(1), standard_root)[0].header.version;

        assert_eq!(version & !mask, VERSION);
        assert_eq!(version != VERSION, mask != 0, "the search starts at a random version");
    }
}

#[test]
fn a_job_that_forbids_version_rolling_is_obeyed() {
    let mut bench = Bench::open(extended_config(), EASY);
    bench.receive(NewExtendedMiningJob {
        channel_id: CHANNEL,
        job_id: 1,
        min_ntime: None,
        version: VERSION,
        version_rolling_allowed: false,
        merkle_path: Seq255::default(),
        coinbase_tx_prefix: B64K::default(),
        coinbase_tx_suffix: B64K::default(),
    });
    bench.tip(CHANNEL, 1);

    assert_eq!(bench.mine(tip(1), |_| U256::ZERO)[0].header.version, VERSION);
}

#[test]
fn time_moves_on_once_per_second_and_never_ahead_of_the_seconds_since_the_tip() {
    let mut bench = Bench::open(config(), EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);

    for (milliseconds, seconds) in [(999, 0), (1, 1), (59_000, 60), (500, 60)] {
        bench.pass(Duration::from_millis(milliseconds));

        let ntime = bench.mine(tip(1), standard_root)[0].header.ntime;

        assert_eq!(ntime, MIN_NTIME + seconds);
    }
}

#[test]
fn time_stands_still_if_it_is_not_to_be_rolled() {
    let mut bench = Bench::open(MiningDeviceConfig { rolls_ntime: false, ..config() }, EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);

    bench.pass(Duration::from_secs(90));

    assert_eq!(bench.mine(tip(1), standard_root)[0].header.ntime, MIN_NTIME);
}

#[test]
fn channels_take_turns_and_each_counts_its_own_shares() {
    let config = MiningDeviceConfig { channel_count: NonZeroU8::new(2).unwrap(), ..group_config() };
    let (mut bench, _) = Bench::set_up(config, 0);
    bench.open_channel(1, CHANNEL, EASY);
    bench.open_channel(2, CHANNEL + 1, EASY);
    bench.extended_job(GROUP, 1, None);
    bench.tip(GROUP, 1);

    let turns = [(); 4].map(|()| {
        let shares = bench.mine(tip(1), standard_root);
        let numbers: Vec<_> = shares.iter().map(|share| share.sequence_number).collect();
        assert!(shares.iter().all(|share| share.channel_id == shares[0].channel_id));
        (shares[0].channel_id, numbers[0], numbers[numbers.len() - 1])
    });

    assert_eq!(
        turns,
        [(CHANNEL, 1, 16), (CHANNEL + 1, 1, 16), (CHANNEL, 17, 32), (CHANNEL + 1, 17, 32)]
    );
}

#[test]
fn no_header_is_hashed_twice() {
    let mut bench = Bench::open(config(), EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);

    let mut headers = Vec::new();
    for _ in 0..50 {
        bench.pass(Duration::from_millis(100));
        headers.extend(bench.mine(tip(1), standard_root).iter().map(|share| share.header.hash()));
    }

    let count = headers.len();
    headers.sort_unstable();
    headers.dedup();
    assert_eq!((headers.len(), count), (800, 800));
}

#[test]
fn the_hash_rate_limit_is_kept_over_a_virtual_minute() {
    let limit = NonZeroU64::new(300);
    let config = MiningDeviceConfig { hash_rate_limit: limit, ..config() };
    let mut bench = Bench::open(config, Target::HARDEST);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);
    let end = bench.now.instant + Duration::from_secs(60);

    while bench.device.wake_at().is_some_and(|at| at <= end) {
        bench.wake();
    }

    assert_eq!(bench.device.accounts().hash_count, 60 * 300);
}

#[test]
fn accounts_add_up_what_was_sent_accepted_and_refused() {
    let mut bench = Bench::open(config(), EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);
    bench.mine(tip(1), standard_root);

    bench.receive(SubmitSharesSuccess {
        channel_id: CHANNEL,
        last_sequence_number: 10,
        new_submits_accepted_count: 10,
        new_shares_sum: 70,
    });
    let refused = bench.receive(SubmitSharesError {
        channel_id: CHANNEL,
        sequence_number: 11,
        error_code: Str255::from_static("stale-share"),
    });

    let accounts = bench.device.accounts();
    assert_eq!(accounts.submitted_count, 16);
    assert_eq!(accounts.submitted_difficulty_fixed(), 16 * EASY.difficulty_fixed());
    assert_eq!((accounts.accepted_count, accounts.accepted_difficulty_sum), (10, 70));
    assert_eq!(accounts.rejected_count_by_code()["stale-share"], 1);
    assert_eq!(accounts.unanswered_count(), 5);
    assert!(matches!(
        &refused[..],
        [Output::Event(Event::ShareRefused { sequence_number: 11, .. })]
    ));
}

#[test]
fn a_pool_that_queues_jobs_without_end_is_remembered_in_part() {
    let mut bench = Bench::open(config(), EASY);
    for job_id in 0..100 {
        bench.standard_job(job_id, None);
    }

    let outputs = bench.tip(CHANNEL, 83);
    assert!(notes(&outputs)[0].contains("names job 83"));

    for job_id in 0..100 {
        bench.standard_job(job_id, None);
    }
    bench.tip(CHANNEL, 84);
    assert!(bench.is_hashing());
}
