//! Shares, judged by both sides on the same channel.

use peers::shares::{Judgement, MIN_NTIME, Pair, Setup, VERSION};
use sv2::entropy::Entropy;
use sv2::mining::SubmitSharesExtended;
use sv2::mining::channel::ChannelKind;
use sv2::wire::{B32, Target, U256};

const KINDS: [ChannelKind; 2] = [ChannelKind::Standard, ChannelKind::Extended];

/// One hash in sixteen counts.
fn easy() -> Target {
    Target(U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 4]))
}

fn setup(kind: ChannelKind) -> Setup {
    Setup { kind, target: easy(), version_rolling_allowed: true, path_len: 3 }
}

fn share(entropy: &mut Entropy) -> SubmitSharesExtended {
    SubmitSharesExtended {
        channel_id: 1,
        sequence_number: entropy.u32(),
        job_id: 1,
        nonce: entropy.u32(),
        ntime: MIN_NTIME + entropy.below(7200) as u32,
        version: VERSION | entropy.u32() & 0x1fff_ffe0,
        extranonce: B32::new(&entropy.bytes::<16>()).unwrap(),
    }
}

/// Draws until both accept a share; whatever they refuse, they refuse alike.
fn accepted(pair: &mut Pair, entropy: &mut Entropy, job_id: u32) -> SubmitSharesExtended {
    loop {
        let share = SubmitSharesExtended { job_id, ..share(entropy) };
        let (ours, theirs) = pair.judge(&share);
        assert_eq!(ours, theirs, "{share:?}");
        if ours.is_ok() {
            return share;
        }
    }
}

#[test]
fn real_proofs_are_judged_alike_to_the_hash() {
    for kind in KINDS {
        for path_len in [0, 1, 12] {
            let mut pair = Pair::new(Setup { path_len, ..setup(kind) });
            let mut entropy = Entropy::from_seed(u64::from(path_len));
            let mut accepted_count = 0;
            for _ in 0..2000 {
                let share = share(&mut entropy);
                let (ours, theirs) = pair.judge(&share);
                assert_eq!(ours, theirs, "{kind:?}, path of {path_len}: {share:?}");
                accepted_count += u32::from(ours.is_ok());
            }
            assert!((60..200).contains(&accepted_count), "one in sixteen: {accepted_count}");
        }
    }
}

#[test]
fn a_target_is_met_by_a_hash_that_is_equal() {
    for kind in KINDS {
        let mut entropy = Entropy::from_seed(1);
        let share = accepted(&mut Pair::new(setup(kind)), &mut entropy, 1);
        let (Ok(hash), _) = Pair::new(setup(kind)).judge(&share) else { panic!("was accepted") };
        let [low, rest @ ..] = hash.to_limbs();
        let below = U256::from_limbs([low - 1, rest[0], rest[1], rest[2]]);

        let exact = Pair::new(Setup { target: Target(hash), ..setup(kind) }).judge(&share);
        let harder = Pair::new(Setup { target: Target(below), ..setup(kind) }).judge(&share);

        assert_eq!(exact, (Ok(hash), Ok(hash)));
        let too_low: Judgement = Err("difficulty-too-low".to_owned());
        assert_eq!(harder, (too_low.clone(), too_low));
    }
}

/// A share that breaks one rule, and both error codes.
fn check(what: &str, pair: &mut Pair, share: &SubmitSharesExtended, ours: &str, theirs: &str) {
    let refused = (Err(ours.to_owned()), Err(theirs.to_owned()));
    assert_eq!(pair.judge(share), refused, "{what}");
}

#[test]
fn broken_rules_have_the_same_names() {
    for kind in KINDS {
        let mut pair = Pair::new(setup(kind));
        let mut entropy = Entropy::from_seed(2);
        let good = accepted(&mut pair, &mut entropy, 1);
        let fixed = &mut Pair::new(Setup { version_rolling_allowed: false, ..setup(kind) });
        let bit = SubmitSharesExtended { version: good.version ^ 1 << 30, ..good.clone() };
        let unknown = SubmitSharesExtended { job_id: 77, ..good.clone() };
        let rolled = SubmitSharesExtended { version: VERSION ^ 1 << 13, ..good.clone() };
        let early = SubmitSharesExtended { ntime: MIN_NTIME - 1, ..good.clone() };
        let late = SubmitSharesExtended { ntime: MIN_NTIME + 7201, ..good.clone() };

        check("twice", &mut pair, &good, "duplicate-share", "duplicate-share");
        check("no such job", &mut pair, &unknown, "invalid-job-id", "invalid-job-id");
        let code = "invalid-non-rollable-version-bit";
        check("a bit that may not be rolled", &mut pair, &bit, code, code);
        // A server that requires a fixed version takes no other on standard channels either
        // (spec 5.3.1); theirs cannot say so there, and judges the hash, which is no proof.
        let ours = "version-rolling-not-allowed";
        let theirs = match kind {
            ChannelKind::Standard => "difficulty-too-low",
            ChannelKind::Extended => ours,
        };
        check("rolled where nothing may be", fixed, &rolled, ours, theirs);
        // The specification has no word for it; theirs is also that of a coinbase too short.
        check("too early", &mut pair, &early, "invalid-ntime", "invalid-share");
        check("too late", &mut pair, &late, "invalid-ntime", "invalid-share");

        pair.next_tip();
        check("for an older tip", &mut pair, &good, "stale-share", "stale-share");
        accepted(&mut pair, &mut entropy, 2);
    }
}

#[test]
fn an_extranonce_of_another_length_is_refused_alike() {
    let mut pair = Pair::new(setup(ChannelKind::Extended));
    let mut entropy = Entropy::from_seed(3);
    let good = accepted(&mut pair, &mut entropy, 1);

    for len in [0, 15, 17, 32] {
        let extranonce = B32::new(&vec![1; len]).unwrap();
        let share = SubmitSharesExtended { extranonce, ..good.clone() };
        check("length", &mut pair, &share, "bad-extranonce-size", "bad-extranonce-size");
    }
}

#[test]
fn a_target_belongs_to_the_jobs_that_come_after_it() {
    for kind in KINDS {
        let mut pair = Pair::new(setup(kind));
        let mut entropy = Entropy::from_seed(4);

        // Nothing could meet it: the active job keeps the one that it was given with.
        pair.set_target(Target::HARDEST);
        accepted(&mut pair, &mut entropy, 1);
        let job_id = pair.next_tip();

        for _ in 0..100 {
            let share = SubmitSharesExtended { job_id, ..share(&mut entropy) };
            check("hard", &mut pair, &share, "difficulty-too-low", "difficulty-too-low");
        }
    }
}
