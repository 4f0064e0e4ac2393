//! Shares against channels: the rules that a share can break, one at a time.

use std::time::Duration;

use super::*;
use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::coinbase::tests::{commitment, template};
use crate::mining::coinbase::{Coinbase, payout};
use crate::mining::extranonce::{ExtranonceAllocator, ExtranonceLayout};
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::mining::proof::ProofCheck;
use crate::mining::share::NTIME_LEAD_MAX;
use crate::time::{Instant, UnixTime};
use crate::wire::Seq255;

const START: Now = Now { instant: Instant::ZERO, unix: UnixTime(1_700_000_000) };
const MIN_NTIME: u32 = 1_699_999_900;
const SEEN_LIMIT: usize = 5;

fn work(merkle_path: Vec<U256>) -> Arc<Work> {
    let template = template(&[commitment()]);
    Arc::new(Work {
        template_id: Some(template.template_id),
        min_ntime: None,
        version: template.version,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(merkle_path).unwrap(),
        coinbase: Coinbase::new(&template, b"assay", &[payout(50, &[0x51])], 20).unwrap(),
    })
}

/// No hash of these tests is a block.
fn tip() -> Tip {
    Tip {
        prev_hash: U256::from_limbs([1, 2, 3, 4]),
        nbits: 0x1d00_ffff,
        min_ntime: MIN_NTIME,
        network_target: Target::HARDEST,
        since: START.instant,
        proof_check: ProofCheck::Hashed,
    }
}

/// Another block; shares are judged against [`tip`] all the same, whose hashes these tests know.
fn next_tip(block: u64) -> Tip {
    Tip { prev_hash: U256::from_limbs([block, 0, 0, 0]), ..tip() }
}

fn channel(kind: ChannelKind, target: Target) -> Channel {
    let mut allocator = ExtranonceAllocator::new(ExtranonceLayout::default());
    let extranonce = match kind {
        ChannelKind::Standard => allocator.standard(),
        ChannelKind::Extended => allocator.extended(16),
    };
    let mut channel = Channel::new(1, kind, 2, extranonce.unwrap(), target, (SEEN_LIMIT, 0));
    channel.add_future_job(1, work(vec![]));
    channel.activate(1, &tip());
    channel
}

fn share() -> SubmitSharesStandard {
    SubmitSharesStandard {
        channel_id: 1,
        sequence_number: 0,
        job_id: 1,
        nonce: 7,
        ntime: MIN_NTIME,
        version: 0x2000_0000,
    }
}

fn extended(extranonce: &[u8]) -> SubmitSharesExtended {
    let share = share();
    SubmitSharesExtended {
        channel_id: share.channel_id,
        sequence_number: share.sequence_number,
        job_id: share.job_id,
        nonce: share.nonce,
        ntime: share.ntime,
        version: share.version,
        extranonce: B32::new(extranonce).unwrap(),
    }
}

fn judge(channel: &mut Channel, share: &SubmitSharesStandard) -> Result<Accepted, Rejection> {
    channel.judge_standard(share, &tip(), START)
}

fn code(result: Result<Accepted, Rejection>) -> &'static str {
    result.unwrap_err().error_code()
}

#[test]
fn a_root_that_was_kept_gives_the_hash_that_the_tree_gives() {
    let mut climbing = channel(ChannelKind::Standard, Target::MAX);
    let mut keeping = channel(ChannelKind::Standard, Target::MAX);
    for (channel, is_kept) in [(&mut climbing, false), (&mut keeping, true)] {
        let work = work(vec![U256::MAX]);
        let root = work.merkle_root(&channel.extranonce().prefix());
        channel.add_active_job(2, work);
        if is_kept {
            channel.keep_root(2, root);
        }
    }
    for (job_id, nonce) in [(2, 7), (1, 8), (2, 9)] {
        let share = SubmitSharesStandard { job_id, nonce, ..share() };

        let kept = judge(&mut keeping, &share).unwrap().hash;

        assert_eq!(kept, judge(&mut climbing, &share).unwrap().hash, "job {job_id}");
    }
}

#[test]
fn both_kinds_hash_the_header_that_the_specification_describes() {
    let path: Vec<U256> = (1..=3).map(|leaf| U256::from_limbs([leaf, 0, 0, 0])).collect();
    let work = work(path.clone());
    let rolled = [5; 16];
    for version in [0x2000_0000, 0x2000_0020] {
        let mut standard = channel(ChannelKind::Standard, Target::MAX);
        let mut wide = channel(ChannelKind::Extended, Target::MAX);
        let expected = |prefix: &[u8], extranonce: &[u8]| {
            let (front, back) = (work.coinbase.prefix(), work.coinbase.suffix());
            let txid = coinbase_txid(front.as_slice(), prefix, extranonce, back.as_slice());
            Header {
                version,
                prev_hash: tip().prev_hash,
                merkle_root: merkle_root(txid, &path),
                ntime: MIN_NTIME,
                nbits: tip().nbits,
                nonce: 7,
            }
            .hash()
        };
        standard.add_active_job(9, work.clone());
        wide.add_active_job(9, work.clone());

        let header = judge(&mut standard, &SubmitSharesStandard { job_id: 9, version, ..share() });
        let rolled_header = wide.judge_extended(
            &SubmitSharesExtended { job_id: 9, version, ..extended(&rolled) },
            &tip(),
            START,
        );

        let prefix = standard.extranonce().prefix();
        assert_eq!(header.unwrap().hash, expected(prefix.as_slice(), &[]));
        let prefix = wide.extranonce().prefix();
        assert_eq!(rolled_header.unwrap().hash, expected(prefix.as_slice(), &rolled));
    }
}

#[test]
fn a_hash_equal_to_the_target_earns_and_one_above_does_not() {
    let hash = judge(&mut channel(ChannelKind::Standard, Target::MAX), &share()).unwrap().hash;
    let [low, rest @ ..] = hash.to_limbs();
    let below = Target(U256::from_limbs([low - 1, rest[0], rest[1], rest[2]]));

    let equal = judge(&mut channel(ChannelKind::Standard, Target(hash)), &share());
    let above = judge(&mut channel(ChannelKind::Standard, below), &share());

    assert!(equal.is_ok());
    assert_eq!(code(above), "difficulty-too-low");
}

#[test]
fn a_block_above_the_channels_target_is_found_and_earns_its_jobs_difficulty() {
    let mut channel = channel(ChannelKind::Standard, Target::HARDEST);
    let tip = Tip { network_target: Target::MAX, ..tip() };

    let accepted = channel.judge_standard(&share(), &tip, START).unwrap();

    assert!(accepted.is_block);
    assert_eq!(accepted.difficulty, Target::HARDEST.difficulty_fixed());
}

#[test]
fn a_header_earns_once_whatever_its_sequence_number() {
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    judge(&mut channel, &share()).unwrap();

    let again = judge(&mut channel, &SubmitSharesStandard { sequence_number: 1, ..share() });

    assert_eq!(code(again), "duplicate-share");
}

#[test]
fn a_full_memory_of_shares_has_a_name_and_still_takes_blocks() {
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    let numbered = |nonce| SubmitSharesStandard { nonce, ..share() };
    for nonce in 0..5 {
        judge(&mut channel, &numbered(nonce)).unwrap();
    }

    assert_eq!(code(judge(&mut channel, &numbered(5))), "too-many-shares");
    assert_eq!(code(judge(&mut channel, &numbered(4))), "duplicate-share");
    let easy = Tip { network_target: Target::MAX, ..tip() };
    assert!(channel.judge_standard(&numbered(6), &easy, START).unwrap().is_block);

    channel.add_future_job(2, work(vec![]));
    channel.activate(2, &next_tip(2));
    assert!(judge(&mut channel, &SubmitSharesStandard { job_id: 2, ..share() }).is_ok());
}

/// A source of work that was lost and is back names the tip that there was, and may send what it
/// sent before.
#[test]
fn nothing_is_paid_twice_when_the_same_tip_is_named_again() {
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    judge(&mut channel, &share()).unwrap();

    channel.add_future_job(2, work(vec![]));
    channel.activate(2, &tip());
    let again = SubmitSharesStandard { job_id: 2, ..share() };
    assert_eq!(code(judge(&mut channel, &again)), "duplicate-share");

    channel.add_future_job(3, work(vec![]));
    channel.activate(3, &next_tip(3));
    assert!(judge(&mut channel, &SubmitSharesStandard { job_id: 3, ..share() }).is_ok());
}

#[test]
fn unknown_future_and_stale_jobs_are_told_apart() {
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    channel.add_future_job(2, work(vec![]));
    channel.add_future_job(3, work(vec![]));
    let for_job = |job_id| SubmitSharesStandard { job_id, ..share() };

    assert_eq!(code(judge(&mut channel, &for_job(4))), "invalid-job-id");
    assert_eq!(code(judge(&mut channel, &for_job(2))), "invalid-job-id");
    channel.activate(2, &next_tip(2));

    assert!(judge(&mut channel, &for_job(2)).is_ok());
    assert_eq!(code(judge(&mut channel, &for_job(1))), "stale-share");
    assert_eq!(code(judge(&mut channel, &for_job(3))), "stale-share", "AMB-24: it dies");
    assert_eq!(code(judge(&mut channel, &for_job(4))), "invalid-job-id");
}

#[test]
fn an_older_job_of_the_same_tip_stays_valid_until_its_place_is_needed() {
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    let jobs_max = u32::try_from(Channel::JOBS_MAX).unwrap();
    for job_id in 2..=jobs_max {
        channel.add_active_job(job_id, work(vec![]));
    }
    assert!(judge(&mut channel, &share()).is_ok());

    channel.add_active_job(jobs_max + 1, work(vec![]));

    assert_eq!(code(judge(&mut channel, &share())), "stale-share");
}

#[test]
fn header_times_from_the_tips_minimum_to_the_limit_of_consensus_earn() {
    let clock = START.unix.to_u32();
    for (ntime, verdict) in [
        (MIN_NTIME, "paid"),
        (MIN_NTIME - 1, "invalid-ntime"),
        (clock, "paid"),
        (clock + NTIME_LEAD_MAX, "paid"),
        (clock + NTIME_LEAD_MAX + 1, "invalid-ntime"),
        (0, "invalid-ntime"),
        (u32::MAX, "invalid-ntime"),
    ] {
        let mut channel = channel(ChannelKind::Standard, Target::MAX);

        let judged = judge(&mut channel, &SubmitSharesStandard { ntime, ..share() });

        assert_eq!(judged.map_or_else(|error| error.error_code(), |_| "paid"), verdict, "{ntime}");
    }
}

#[test]
fn seconds_since_a_tip_that_is_ahead_of_the_clock_are_granted() {
    let ahead = START.unix.to_u32() + 2 * NTIME_LEAD_MAX;
    let tip = Tip { min_ntime: ahead, ..tip() };
    let later = START.after(Duration::from_secs(30));
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    let mut at = |ntime| {
        let share = SubmitSharesStandard { ntime, ..share() };
        channel.judge_standard(&share, &tip, later)
    };

    assert!(at(ahead + 30).is_ok());
    assert_eq!(code(at(ahead + 31)), "invalid-ntime");
}

#[test]
fn only_the_bits_of_bip_323_are_rolled_and_only_where_the_job_allows_it() {
    let rolled = |bits: u32| SubmitSharesStandard { version: 0x2000_0000 ^ bits, ..share() };
    for bit in 0..32 {
        let mut channel = channel(ChannelKind::Standard, Target::MAX);

        let judged = judge(&mut channel, &rolled(1 << bit));

        assert_eq!(judged.is_ok(), VERSION_ROLLING_MASK & 1 << bit != 0, "bit {bit}");
    }
    let mut fixed = channel(ChannelKind::Standard, Target::MAX);
    let work = Arc::new(Work { version_rolling_allowed: false, ..(*work(vec![])).clone() });
    fixed.add_active_job(2, work);
    let mut for_fixed =
        |bits| judge(&mut fixed, &SubmitSharesStandard { job_id: 2, ..rolled(bits) });

    assert_eq!(code(for_fixed(1 << 13)), "version-rolling-not-allowed");
    assert_eq!(code(for_fixed(1)), "invalid-non-rollable-version-bit");
    assert!(for_fixed(0).is_ok());
}

#[test]
fn an_extranonce_of_another_length_earns_nothing() {
    let mut channel = channel(ChannelKind::Extended, Target::MAX);
    for len in [0, 15, 17, 32] {
        let judged = channel.judge_extended(&extended(&vec![0; len]), &tip(), START);
        assert_eq!(code(judged), "bad-extranonce-size", "{len}");
    }
    assert!(channel.judge_extended(&extended(&[0; 16]), &tip(), START).is_ok());
}

#[test]
fn a_target_reaches_future_jobs_and_jobs_to_come_but_not_active_ones() {
    let mut channel = channel(ChannelKind::Standard, Target::MAX);
    channel.add_future_job(2, work(vec![]));
    channel.set_target(Target::HARDEST);
    channel.add_active_job(3, work(vec![]));
    let for_job = |job_id| SubmitSharesStandard { job_id, ..share() };

    assert!(judge(&mut channel, &for_job(1)).is_ok(), "an active job keeps its target");
    assert_eq!(code(judge(&mut channel, &for_job(3))), "difficulty-too-low");
    channel.activate(2, &next_tip(2));
    assert_eq!(code(judge(&mut channel, &for_job(2))), "difficulty-too-low");
    channel.set_target(Target::MAX);
    assert_eq!(code(judge(&mut channel, &for_job(2))), "difficulty-too-low");
}
