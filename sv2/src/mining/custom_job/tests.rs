use bitcoin::consensus::serialize;
use bitcoin::{Transaction, TxOut, consensus};
use zeroize::Zeroizing;

use super::*;
use crate::mining::coinbase::payout;
use crate::mining::coinbase::tests::commitment;
use crate::mining::proof::ProofCheck;
use crate::time::Instant;
use crate::wire::{B64K, B255, Target};

const NOW: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };
const MIN_NTIME: u32 = 1_699_999_000;
const PAYOUT: [u8; 3] = [0x51, 0x52, 0x53];
const EXTRANONCE_LEN: usize = 20;

fn key() -> TokenKey {
    TokenKey::new(Zeroizing::new([1; 32]))
}

fn jobs() -> CustomJobs {
    CustomJobs::new(key(), 10)
}

fn tip() -> Tip {
    Tip {
        prev_hash: U256::from_limbs([1, 0, 0, 0]),
        nbits: 0x1d00_ffff,
        min_ntime: MIN_NTIME,
        network_target: Target::MAX,
        since: Instant(0),
        proof_check: ProofCheck::Hashed,
    }
}

fn outputs(outputs: &[TxOut]) -> B64K {
    B64K::new(serialize(&outputs.to_vec())).unwrap()
}

fn token(stage: TokenStage) -> JobToken {
    JobToken {
        id: TokenId { session: 1, serial: 1 },
        expires_at: UnixTime(NOW.unix.0 + 1),
        payout: PayoutDigest::new(&PAYOUT),
        user: UserDigest::new(b"miner"),
        stage,
    }
}

/// A job that is good, but for its token.
fn job_without_token() -> SetCustomMiningJob {
    SetCustomMiningJob {
        channel_id: 2,
        request_id: 3,
        mining_job_token: B255::default(),
        version: 0x2000_0000,
        prev_hash: tip().prev_hash,
        min_ntime: MIN_NTIME - 60,
        nbits: tip().nbits,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(vec![1, 102, 3, b't', b'a', b'g', 20]).unwrap(),
        coinbase_tx_input_n_sequence: u32::MAX,
        coinbase_tx_outputs: outputs(&[payout(7, &[0x6a]), payout(1, &PAYOUT), commitment()]),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::new(vec![U256::from_limbs([5, 0, 0, 0])]).unwrap(),
    }
}

fn with_token(token: &JobToken, job: SetCustomMiningJob) -> SetCustomMiningJob {
    SetCustomMiningJob { mining_job_token: key().seal(token), ..job }
}

fn coinbase_only() -> SetCustomMiningJob {
    with_token(&token(TokenStage::CoinbaseOnly), job_without_token())
}

fn declared() -> SetCustomMiningJob {
    let terms = JobParts::of_custom_job(&job_without_token(), EXTRANONCE_LEN).terms();
    with_token(&token(TokenStage::Declared(terms)), job_without_token())
}

fn accept(
    jobs: &mut CustomJobs,
    request: &SetCustomMiningJob,
) -> Result<CustomJob, CustomJobRefusal> {
    let tip = tip();
    let context = CustomJobContext {
        tip: Some(&tip),
        height: Some(102),
        extranonce_len: EXTRANONCE_LEN,
        user_identity: Some(b"miner"),
    };
    jobs.accept(NOW, request, &context)
}

#[track_caller]
fn refused(request: &SetCustomMiningJob) -> (CustomJobRefusal, &'static str) {
    let refusal = accept(&mut jobs(), request).unwrap_err();
    (refusal, refusal.error_code())
}

#[test]
fn a_good_job_of_either_mode_makes_the_coinbase_that_it_says() {
    for request in [coinbase_only(), declared()] {
        let job = accept(&mut jobs(), &request).unwrap();

        assert_eq!((job.version, job.min_ntime), (request.version, request.min_ntime));
        assert_eq!(job.merkle_path, request.merkle_path);
        let coinbase: Transaction =
            consensus::deserialize(&job.coinbase.transaction(&[&[8; EXTRANONCE_LEN]])).unwrap();
        assert_eq!(coinbase.version.0, 2);
        assert_eq!(coinbase.input[0].sequence.0, u32::MAX);
        assert_eq!(coinbase.input[0].witness.to_vec(), [[0; 32]]);
        assert_eq!(coinbase.lock_time.to_consensus_u32(), 0);
        assert_eq!(serialize(&coinbase.output), request.coinbase_tx_outputs.as_slice());
        let script = [request.coinbase_prefix.as_slice(), &[8; EXTRANONCE_LEN]].concat();
        assert_eq!(coinbase.input[0].script_sig.as_bytes(), script);
    }
}

#[test]
fn a_token_backs_one_job() {
    // A declared token comes in place of an allocated one: the id is the same.
    for (first, second) in [
        (coinbase_only(), coinbase_only()),
        (declared(), declared()),
        (coinbase_only(), declared()),
    ] {
        let mut jobs = jobs();
        accept(&mut jobs, &first).unwrap();

        let refusal = accept(&mut jobs, &second).unwrap_err();

        let code = refusal.error_code();
        assert_eq!((refusal, code), (CustomJobRefusal::UsedToken, "mining-job-token-used"));
    }
}

#[test]
fn a_refused_job_leaves_its_token_good() {
    let mut jobs = jobs();
    let stale = SetCustomMiningJob { prev_hash: U256::ZERO, ..coinbase_only() };
    accept(&mut jobs, &stale).unwrap_err();

    assert!(accept(&mut jobs, &coinbase_only()).is_ok());
}

#[test]
fn tokens_that_are_not_good_are_told_apart() {
    let stage = TokenStage::CoinbaseOnly;
    let make = |token: JobToken| with_token(&token, job_without_token());
    let changed = |byte: usize| {
        let mut bytes = coinbase_only().mining_job_token.as_slice().to_vec();
        bytes[byte] ^= 1;
        SetCustomMiningJob { mining_job_token: B255::new(bytes).unwrap(), ..coinbase_only() }
    };
    for (request, code) in [
        (job_without_token(), "invalid-mining-job-token"),
        (changed(0), "invalid-mining-job-token"),
        (changed(40), "invalid-mining-job-token"),
        (make(JobToken { expires_at: NOW.unix, ..token(stage) }), "mining-job-token-expired"),
        (
            make(JobToken { user: UserDigest::new(b"other"), ..token(stage) }),
            "mining-job-token-of-another-user",
        ),
        (make(token(TokenStage::FullTemplate)), "job-not-yet-validated"),
    ] {
        assert_eq!(refused(&request).1, code);
    }
}

#[test]
fn without_a_rule_about_users_a_token_is_good_for_whoever_has_it() {
    let tip = tip();
    let context = CustomJobContext {
        tip: Some(&tip),
        height: None,
        extranonce_len: EXTRANONCE_LEN,
        user_identity: None,
    };

    assert!(jobs().accept(NOW, &coinbase_only(), &context).is_ok());
}

#[test]
fn each_fault_of_a_job_has_its_own_code() {
    let job = coinbase_only;
    let prefix = |bytes: Vec<u8>| B255::new(bytes).unwrap();
    let long_path = Seq255::new(vec![U256::ZERO; 33]).unwrap();
    let too_rich = outputs(&[payout(21_000_000 * 100_000_000, &PAYOUT), payout(1, &PAYOUT)]);
    let mut trailing = coinbase_only().coinbase_tx_outputs.as_slice().to_vec();
    trailing.push(0);
    let raw = |bytes: &[u8]| B64K::new(bytes.to_vec()).unwrap();
    let overlong = prefix([&[1, 102][..], &[0; 79]].concat());
    for (request, code) in [
        (SetCustomMiningJob { prev_hash: U256::MAX, ..job() }, "stale-chain-tip"),
        (SetCustomMiningJob { nbits: 0x1d00_fffe, ..job() }, "invalid-nbits"),
        (SetCustomMiningJob { min_ntime: MIN_NTIME - 7_201, ..job() }, "invalid-min-ntime"),
        (SetCustomMiningJob { min_ntime: 1_700_007_201, ..job() }, "invalid-min-ntime"),
        (SetCustomMiningJob { version: 3, ..job() }, "invalid-version"),
        (SetCustomMiningJob { version: 0x8000_0004, ..job() }, "invalid-version"),
        (SetCustomMiningJob { coinbase_prefix: overlong, ..job() }, "invalid-coinbase-prefix"),
        (
            SetCustomMiningJob { coinbase_prefix: prefix(vec![1, 101]), ..job() },
            "invalid-coinbase-prefix",
        ),
        (
            SetCustomMiningJob { coinbase_prefix: B255::default(), ..job() },
            "invalid-coinbase-prefix",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: B64K::default(), ..job() },
            "invalid-coinbase-tx-outputs",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: outputs(&[]), ..job() },
            "invalid-coinbase-tx-outputs",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: raw(&trailing), ..job() },
            "invalid-coinbase-tx-outputs",
        ),
        (
            SetCustomMiningJob {
                coinbase_tx_outputs: raw(&[0xfe, 0xff, 0xff, 0xff, 0xff]),
                ..job()
            },
            "invalid-coinbase-tx-outputs",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: too_rich, ..job() },
            "invalid-coinbase-tx-outputs",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: outputs(&[payout(0, &PAYOUT)]), ..job() },
            "pool-payout-missing",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: outputs(&[payout(9, &[0x51])]), ..job() },
            "pool-payout-missing",
        ),
        (SetCustomMiningJob { merkle_path: long_path, ..job() }, "invalid-merkle-path"),
    ] {
        let (refusal, found) = refused(&request);
        assert_eq!(found, code, "{refusal}");
    }
}

#[test]
fn a_job_that_is_not_the_declared_one_is_refused_for_what_differs() {
    let swapped = outputs(&[payout(1, &PAYOUT), payout(7, &[0x6a]), commitment()]);
    let other_prefix = B255::new(vec![1, 102, 3, b't', b'a', b'k', 20]).unwrap();
    let job = declared;
    for (request, code) in [
        (SetCustomMiningJob { version: 0x2000_0001, ..job() }, "invalid-version"),
        (SetCustomMiningJob { coinbase_tx_version: 1, ..job() }, "invalid-coinbase-tx-version"),
        (SetCustomMiningJob { coinbase_prefix: other_prefix, ..job() }, "invalid-coinbase-prefix"),
        (
            SetCustomMiningJob { coinbase_tx_input_n_sequence: 0, ..job() },
            "invalid-coinbase-tx-input-n-sequence",
        ),
        (
            SetCustomMiningJob { coinbase_tx_outputs: swapped, ..job() },
            "invalid-coinbase-tx-outputs",
        ),
        (SetCustomMiningJob { coinbase_tx_locktime: 1, ..job() }, "invalid-coinbase-tx-locktime"),
        (SetCustomMiningJob { merkle_path: Seq255::default(), ..job() }, "invalid-merkle-path"),
    ] {
        assert_eq!(refused(&request).1, code);
    }
}

#[test]
fn a_declared_job_needs_a_channel_with_the_extranonce_that_was_declared() {
    let tip = tip();
    let context = CustomJobContext {
        tip: Some(&tip),
        height: None,
        extranonce_len: EXTRANONCE_LEN - 1,
        user_identity: None,
    };

    let refusal = jobs().accept(NOW, &declared(), &context).unwrap_err();

    assert_eq!(refusal, CustomJobRefusal::NotAsDeclared(Term::ExtranonceLen));
}

#[test]
fn a_job_that_was_declared_on_another_tip_lost_a_race() {
    let other_tip = SetCustomMiningJob { prev_hash: U256::ZERO, ..job_without_token() };
    let terms = JobParts::of_custom_job(&other_tip, EXTRANONCE_LEN).terms();
    let request = with_token(&token(TokenStage::Declared(terms)), job_without_token());

    let (refusal, code) = refused(&request);

    assert_eq!((refusal, code), (CustomJobRefusal::DeclaredOnOtherTip, "stale-chain-tip"));
    assert_eq!(refusal.error_code(), "stale-chain-tip");
}

#[test]
fn used_tokens_are_bounded_and_forgotten_when_they_expire() {
    let mut jobs = CustomJobs::new(key(), 2);
    let numbered = |serial: u64| {
        let id = TokenId { session: 1, serial };
        with_token(&JobToken { id, ..token(TokenStage::CoinbaseOnly) }, job_without_token())
    };
    accept(&mut jobs, &numbered(1)).unwrap();
    accept(&mut jobs, &numbered(2)).unwrap();

    let full = accept(&mut jobs, &numbered(3)).unwrap_err();
    let tip = tip();
    let context = CustomJobContext {
        tip: Some(&tip),
        height: None,
        extranonce_len: EXTRANONCE_LEN,
        user_identity: None,
    };
    let later = Now { unix: UnixTime(NOW.unix.0 + 1), ..NOW };
    let expired = jobs.accept(later, &numbered(1), &context).unwrap_err();

    assert_eq!(full, CustomJobRefusal::TooManyTokens { limit: 2 });
    assert_eq!(full.error_code(), "too-many-custom-jobs");
    assert!(matches!(expired, CustomJobRefusal::ExpiredToken { .. }));
    assert!(jobs.used.is_empty());
}
