//! Jobs that miners bring: which are paid, for how long, and what becomes of their blocks.

use bitcoin::consensus::serialize;
use zeroize::Zeroizing;

use super::*;
use crate::job_declaration::token::{
    JobToken, PayoutDigest, TokenId, TokenKey, TokenStage, UserDigest,
};
use crate::mining::coinbase::payout;
use crate::mining::{
    SetCustomMiningJob, SetCustomMiningJobSuccess, SubmitSharesExtended, SubmitSharesSuccess,
};
use crate::wire::{B32, B64K, B255, Seq255};

const PAYOUT: [u8; 3] = [0x51, 0x52, 0x53];
/// REQUIRES_WORK_SELECTION.
const SELECTS_WORK: u32 = 0b010;

fn key() -> TokenKey {
    TokenKey::new(Zeroizing::new([1; 32]))
}

fn config(server: MiningServerConfig) -> PoolConfig {
    PoolConfig { custom_jobs: Some(CustomJobsConfig::new(key())), ..served(server) }
}

fn bench_with(config: PoolConfig) -> Bench {
    let mut bench = Bench::new(config.server.clone());
    bench.pool = Pool::new(config, Entropy::from_seed(7));
    bench.give(Input::Woken);
    bench
}

/// On template 1 and its tip.
fn ready(config: PoolConfig) -> Bench {
    let mut bench = bench_with(config);
    bench.provide();
    bench.template(1, true);
    bench.tip(1, 1);
    bench
}

/// With a miner that brings its own work, and its channel.
fn started(config: PoolConfig) -> (Bench, OpenExtendedMiningChannelSuccess) {
    let mut bench = ready(config);
    bench.join(MINER, SELECTS_WORK);
    let channel = bench.open_extended(MINER);
    (bench, channel)
}

/// The token of this number, as a server in coinbase-only mode gives it to `user`.
fn token(serial: u64, user: &[u8]) -> B255 {
    key().seal(&JobToken {
        id: TokenId { session: 1, serial },
        expires_at: UnixTime(1_800_000_000),
        payout: PayoutDigest::new(&PAYOUT),
        user: UserDigest::new(user),
        stage: TokenStage::CoinbaseOnly,
    })
}

/// A job on the first tip that pays the pool.
fn job(channel_id: u32, serial: u64) -> SetCustomMiningJob {
    let outputs = vec![payout(5, &PAYOUT), commitment()];
    SetCustomMiningJob {
        channel_id,
        request_id: 9,
        mining_job_token: token(serial, b"miner"),
        version: 0x2000_0000,
        prev_hash: tip_message(1, 1).prev_hash,
        min_ntime: MIN_NTIME - 30,
        nbits: 0x1d00_ffff,
        coinbase_tx_version: 2,
        // The height of the template.
        coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03, 20]).unwrap(),
        coinbase_tx_input_n_sequence: u32::MAX,
        coinbase_tx_outputs: B64K::new(serialize(&outputs)).unwrap(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::default(),
    }
}

fn success(answers: &[Message]) -> SetCustomMiningJobSuccess {
    match answers {
        [Message::SetCustomMiningJobSuccess(success)] => success.clone(),
        other => panic!("not accepted: {other:?}"),
    }
}

fn extended_share(channel_id: u32, job_id: u32, nonce: u32, ntime: u32) -> SubmitSharesExtended {
    SubmitSharesExtended {
        channel_id,
        sequence_number: nonce,
        job_id,
        nonce,
        ntime,
        version: 0x2000_0000,
        extranonce: B32::new(&[5; 16]).unwrap(),
    }
}

fn is_accepted(answers: &[Message]) -> bool {
    matches!(answers, [Message::SubmitSharesSuccess(SubmitSharesSuccess { .. })])
}

#[test]
fn work_selection_is_offered_where_the_pool_has_the_key_of_the_tokens() {
    for (config, is_offered) in [(served(easy()), false), (config(easy()), true)] {
        let mut bench = bench_with(config);
        bench.connect(MINER);

        let answers = bench.answers(MINER, setup(SELECTS_WORK));

        let is_success = matches!(answers[..], [Message::SetupConnectionSuccess(_)]);
        assert_eq!(is_success, is_offered, "{answers:?}");
    }
}

#[test]
fn a_custom_job_is_accepted_and_its_shares_are_paid_from_the_jobs_own_time_on() {
    let (mut bench, channel) = started(config(easy()));
    let channel_id = channel.channel_id;

    let outputs = bench.receive(MINER, job(channel_id, 1));
    let success = success(&messages_to(MINER, &outputs));
    let early = bench.answers(MINER, extended_share(channel_id, success.job_id, 1, MIN_NTIME - 31));
    let paid = bench.answers(MINER, extended_share(channel_id, success.job_id, 2, MIN_NTIME - 30));

    assert_eq!((success.channel_id, success.request_id), (channel_id, 9));
    let accepted =
        Event::CustomJobAccepted { connection: MINER, channel_id, job_id: success.job_id };
    assert!(outputs.contains(&Output::Event(accepted)), "{outputs:?}");
    assert_eq!(code(&early), "invalid-ntime");
    assert!(is_accepted(&paid), "{paid:?}");
}

#[test]
fn a_share_proves_work_on_the_coinbase_that_the_miner_has_described() {
    let (mut bench, channel) = started(config(easy()));
    let custom = job(channel.channel_id, 1);
    let success = success(&bench.answers(MINER, custom.clone()));
    let share = extended_share(channel.channel_id, success.job_id, 1, MIN_NTIME);

    let outputs = bench.receive(MINER, share.clone());

    // The transaction, put together here by hand.
    let script_len = u8::try_from(5 + 20).unwrap();
    let coinbase = [
        &2_u32.to_le_bytes()[..],
        &[1],
        &[0; 32],
        &[0xff; 4],
        &[script_len],
        custom.coinbase_prefix.as_slice(),
        channel.extranonce_prefix.as_slice(),
        share.extranonce.as_slice(),
        &u32::MAX.to_le_bytes(),
        custom.coinbase_tx_outputs.as_slice(),
        &0_u32.to_le_bytes(),
    ]
    .concat();
    let header = crate::mining::header::Header {
        version: share.version,
        prev_hash: custom.prev_hash,
        merkle_root: crate::mining::header::double_sha256(&coinbase),
        ntime: share.ntime,
        nbits: custom.nbits,
        nonce: share.nonce,
    };
    let hash = outputs.iter().find_map(|output| match output {
        Output::Event(Event::ShareAccepted { hash, .. }) => Some(*hash),
        _ => None,
    });
    assert_eq!(hash, Some(header.hash()));
}

#[test]
fn a_block_of_a_custom_job_is_paid_and_left_to_its_miner_to_publish() {
    let mut bench = bench_with(config(easy()));
    bench.provide();
    bench.template(1, true);
    // Every hash is a block.
    bench.receive(
        PROVIDER,
        TemplateSetNewPrevHash { target: Target::MAX, nbits: 0x207f_ffff, ..tip_message(1, 1) },
    );
    bench.join(MINER, SELECTS_WORK);
    let channel_id = bench.open_extended(MINER).channel_id;
    let custom = SetCustomMiningJob { nbits: 0x207f_ffff, ..job(channel_id, 1) };
    let job_id = success(&bench.answers(MINER, custom)).job_id;

    let outputs: Vec<Output> = (0..64)
        .flat_map(|nonce| {
            bench.receive(MINER, extended_share(channel_id, job_id, nonce, MIN_NTIME))
        })
        .collect();

    let found = |output: &&Output| matches!(output, Output::Event(Event::BlockFound { .. }));
    assert!(outputs.iter().filter(found).count() > 10);
    assert_eq!(messages_to(PROVIDER, &outputs), []);
    assert_eq!(messages_to(MINER, &outputs).len(), 64, "all are paid");
}

#[test]
fn custom_jobs_end_with_the_tip() {
    let (mut bench, channel) = started(config(easy()));
    let channel_id = channel.channel_id;
    let job_id = success(&bench.answers(MINER, job(channel_id, 1))).job_id;
    bench.template(2, true);

    let told = messages_to(MINER, &bench.tip(2, 2));
    let late = bench.answers(MINER, extended_share(channel_id, job_id, 1, MIN_NTIME));

    assert_eq!(told, [], "AMB-07");
    assert_eq!(code(&late), "stale-share");
    assert_eq!(code(&bench.answers(MINER, job(channel_id, 2))), "stale-chain-tip");
}

#[test]
fn jobs_of_one_tip_live_side_by_side() {
    let (mut bench, channel) = started(config(easy()));
    let channel_id = channel.channel_id;
    let jobs: Vec<u32> = (1..=3)
        .map(|serial| success(&bench.answers(MINER, job(channel_id, serial))).job_id)
        .collect();

    // The same header for all: only the first is work.
    let answers: Vec<_> = jobs
        .iter()
        .map(|job_id| bench.answers(MINER, extended_share(channel_id, *job_id, 7, MIN_NTIME)))
        .collect();

    assert!(jobs.is_sorted() && jobs[0] != jobs[2]);
    assert!(is_accepted(&answers[0]));
    assert_eq!(code(&answers[1]), "duplicate-share", "one proof is paid once, whatever its job");
}

#[test]
fn a_token_backs_one_job_and_a_refusal_leaves_it() {
    let (mut bench, channel) = started(config(easy()));
    let channel_id = channel.channel_id;
    let broke = SetCustomMiningJob { nbits: 1, ..job(channel_id, 1) };

    let refused = bench.answers(MINER, broke);
    let lost = bench.answers(MINER, job(channel_id + 10, 1));
    let accepted = bench.answers(MINER, job(channel_id, 1));
    let again = bench.answers(MINER, job(channel_id, 1));

    assert_eq!(code(&refused), "invalid-nbits");
    assert_eq!(code(&lost), "invalid-channel-id");
    success(&accepted);
    assert_eq!(code(&again), "mining-job-token-used");
}

#[test]
fn a_group_works_on_one_job_under_one_id() {
    let (mut bench, first) = started(config(easy()));
    let second = bench.open_extended(MINER);
    assert_eq!(first.group_channel_id, second.group_channel_id);

    let success = success(&bench.answers(MINER, job(first.group_channel_id, 1)));

    assert_eq!(success.channel_id, first.group_channel_id);
    for channel in [first, second] {
        let share = extended_share(channel.channel_id, success.job_id, 1, MIN_NTIME);
        let answers = bench.answers(MINER, share);
        assert!(is_accepted(&answers), "AMB-37: {answers:?}");
    }
}

#[test]
fn refusals_are_told_with_their_reason() {
    let (mut bench, channel) = started(config(easy()));
    let broke = SetCustomMiningJob {
        coinbase_prefix: B255::new(vec![3, 0x41, 0x0d, 0x03, 20]).unwrap(),
        ..job(channel.channel_id, 1)
    };

    let outputs = bench.receive(MINER, broke);

    let Some(Output::Event(refused)) = outputs.last() else { panic!("{outputs:?}") };
    insta::assert_snapshot!(
        refused,
        @"connection 3: channel 2 custom job refused, invalid-coinbase-prefix: coinbase_prefix does not begin with the height 200000"
    );
}

#[test]
fn a_pool_that_has_no_tip_yet_calls_it_a_race() {
    let mut bench = bench_with(config(easy()));
    bench.join(MINER, SELECTS_WORK);
    let channel_id = bench.open_extended(MINER).channel_id;

    assert_eq!(code(&bench.answers(MINER, job(channel_id, 1))), "stale-chain-tip");
}

#[test]
fn custom_jobs_are_for_those_who_have_asked_for_work_selection() {
    let mut bench = ready(config(easy()));
    bench.join(MINER, 0);
    let channel_id = bench.open_extended(MINER).channel_id;
    let with_key = bench.answers(MINER, job(channel_id, 1));
    let mut bench = ready(served(MiningServerConfig { supports_work_selection: true, ..easy() }));
    bench.join(MINER, SELECTS_WORK);
    let channel_id = bench.open_extended(MINER).channel_id;
    let without_key = bench.answers(MINER, job(channel_id, 1));

    assert_eq!(code(&with_key), "jd-not-supported");
    assert_eq!(code(&without_key), "jd-not-supported");
}

#[test]
fn tokens_of_others_are_good_unless_the_operator_forbids_it() {
    for (own_tokens_only, is_good) in [(false, true), (true, false)] {
        let custom_jobs = CustomJobsConfig { own_tokens_only, ..CustomJobsConfig::new(key()) };
        let (mut bench, channel) =
            started(PoolConfig { custom_jobs: Some(custom_jobs), ..served(easy()) });
        let others = SetCustomMiningJob {
            mining_job_token: token(1, b"other"),
            ..job(channel.channel_id, 1)
        };

        let answers = bench.answers(MINER, others);

        match is_good {
            true => drop(success(&answers)),
            false => assert_eq!(code(&answers), "mining-job-token-of-another-user"),
        }
        success(&bench.answers(MINER, job(channel.channel_id, 2)));
    }
}

#[test]
fn a_table_of_used_tokens_that_is_full_refuses_jobs() {
    let custom_jobs = CustomJobsConfig { used_tokens_max: 1, ..CustomJobsConfig::new(key()) };
    let (mut bench, channel) =
        started(PoolConfig { custom_jobs: Some(custom_jobs), ..served(easy()) });
    success(&bench.answers(MINER, job(channel.channel_id, 1)));

    let answers = bench.answers(MINER, job(channel.channel_id, 2));

    assert_eq!(code(&answers), "too-many-custom-jobs");
}
