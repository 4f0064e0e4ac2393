//! Who gets which job, and when it is valid.

use super::*;
use crate::mining::SubmitSharesExtended;
use crate::mining::header::{coinbase_txid, merkle_root};
use crate::wire::B32;

#[test]
fn a_new_channel_gets_a_future_job_and_its_prevhash_under_its_own_id() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);

    let standard = bench.answers(MINER, standard_request(1));
    let extended = bench.answers(MINER, extended_request(2));

    let (job, news) = (standard_job(&standard[1]), prev_hash(&standard[2]));
    assert_eq!((job.min_ntime, news.job_id), (None, job.job_id));
    assert_eq!((job.channel_id, news.channel_id), (2, 2));
    assert_eq!((news.min_ntime, news.nbits), (MIN_NTIME, 0x1d00_ffff));
    let (job, news) = (extended_job(&extended[1]), prev_hash(&extended[2]));
    assert_eq!((job.min_ntime, news.job_id), (None, job.job_id));
    assert_eq!((job.channel_id, news.channel_id), (3, 3));
    assert!(job.version_rolling_allowed);
}

#[test]
fn later_jobs_and_prevhashes_go_to_the_group_once() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let group_id = bench.open_standard(MINER).group_channel_id;
    bench.open_extended(MINER);

    let better = messages_to(MINER, &bench.template(2, false));
    let future = messages_to(MINER, &bench.template(3, true));
    let tip = messages_to(MINER, &bench.tip(3, 2));

    assert_eq!((better.len(), future.len(), tip.len()), (1, 1, 1));
    let (better, future) = (extended_job(&better[0]), extended_job(&future[0]));
    assert_eq!((better.channel_id, better.min_ntime), (group_id, Some(MIN_NTIME)));
    assert_eq!((future.channel_id, future.min_ntime), (group_id, None));
    assert_eq!(
        (prev_hash(&tip[0]).channel_id, prev_hash(&tip[0]).job_id),
        (group_id, future.job_id)
    );
}

#[test]
fn a_client_of_standard_jobs_gets_each_job_per_channel_and_nothing_for_groups() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0b001);
    let channels = [bench.open_standard(MINER), bench.open_standard(MINER)];

    let better = messages_to(MINER, &bench.template(2, false));
    let future = messages_to(MINER, &bench.template(3, true));
    let tip = messages_to(MINER, &bench.tip(3, 2));

    for (at, channel) in channels.iter().enumerate() {
        assert_eq!(standard_job(&better[at]).channel_id, channel.channel_id);
        assert_eq!(standard_job(&better[at]).min_ntime, Some(MIN_NTIME));
        assert_eq!(standard_job(&future[at]).channel_id, channel.channel_id);
        assert_eq!(standard_job(&future[at]).min_ntime, None);
        assert_eq!(prev_hash(&tip[at]).channel_id, channel.channel_id);
        assert_eq!(prev_hash(&tip[at]).job_id, standard_job(&future[at]).job_id);
    }
    assert_ne!(standard_job(&better[0]).merkle_root, standard_job(&better[1]).merkle_root);
}

#[test]
fn a_standard_job_is_what_the_groups_job_and_the_channels_prefix_make() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.join(OTHER, 0b001);
    bench.open_extended(MINER);
    let prefix = bench.open_standard(OTHER).extranonce_prefix;

    let outputs = bench.template(2, false);

    let (group, own) = (messages_to(MINER, &outputs), messages_to(OTHER, &outputs));
    let job = extended_job(&group[0]);
    let txid = coinbase_txid(
        job.coinbase_tx_prefix.as_slice(),
        prefix.as_slice(),
        &[],
        job.coinbase_tx_suffix.as_slice(),
    );
    let root = merkle_root(txid, job.merkle_path.as_slice());
    assert_eq!(standard_job(&own[0]).merkle_root, root);
}

#[test]
fn job_ids_are_never_used_twice_on_a_connection() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let mut ids = Vec::new();
    let mut template_id = 1;
    for block in 2..6 {
        let mut messages = bench.answers(MINER, standard_request(1));
        messages.extend(bench.answers(MINER, extended_request(2)));
        template_id += 2;
        messages.extend(messages_to(MINER, &bench.template(template_id - 1, false)));
        messages.extend(messages_to(MINER, &bench.template(template_id, true)));
        bench.tip(template_id, block);
        ids.extend(messages.iter().filter_map(|message| match message {
            Message::NewMiningJob(job) => Some(job.job_id),
            Message::NewExtendedMiningJob(job) => Some(job.job_id),
            _ => None,
        }));
    }

    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (16, 16));
}

#[test]
fn a_channel_that_opens_between_future_job_and_tip_takes_part_in_the_tip() {
    for flags in [0b000, 0b001] {
        let mut bench = Bench::ready(easy());
        bench.join(MINER, flags);
        let first = bench.open_standard(MINER).channel_id;
        bench.template(2, true);
        bench.template(3, true);
        let second = bench.open_standard(MINER).channel_id;

        let tip = messages_to(MINER, &bench.tip(2, 2));

        for (channel_id, news) in [(first, &tip[0]), (second, &tip[tip.len() - 1])] {
            let answers = bench.answers(MINER, share(channel_id, prev_hash(news).job_id, 1));
            assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]), "{answers:?}");
        }
        for message in &tip {
            assert!(matches!(message, Message::SetNewPrevHash(_)));
        }
    }
}

#[test]
fn a_tip_names_only_what_was_sent_as_a_future_job_before() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.open_standard(MINER);
    bench.template(2, false);

    // The provider builds on with a template that it never called a future one.
    let messages = messages_to(MINER, &bench.tip(2, 2));

    let (job, news) = (extended_job(&messages[0]), prev_hash(&messages[1]));
    assert_eq!((job.min_ntime, news.job_id), (None, job.job_id));
}

#[test]
fn a_tip_ends_all_other_jobs_and_a_tip_that_comes_back_is_a_tip() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    bench.template(2, true);
    bench.tip(2, 2);

    assert_eq!(code(&bench.answers(MINER, share(channel_id, 1, 1))), "stale-share");
    bench.template(3, true);
    let back = messages_to(MINER, &bench.tip(3, 1));

    let answers = bench.answers(MINER, share(channel_id, prev_hash(&back[0]).job_id, 1));
    assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]));
}

#[test]
fn a_pool_of_fixed_versions_says_so_in_its_jobs_and_means_it() {
    let mut bench = Bench::ready(MiningServerConfig { requires_fixed_version: true, ..easy() });
    bench.join(MINER, 0);
    let answers = bench.answers(MINER, extended_request(1));
    let job = extended_job(&answers[1]);
    assert!(!job.version_rolling_allowed);
    let rolled = SubmitSharesExtended {
        channel_id: job.channel_id,
        sequence_number: 0,
        job_id: job.job_id,
        nonce: 0,
        ntime: MIN_NTIME,
        version: job.version ^ 1 << 13,
        extranonce: B32::new(&[0; 16]).unwrap(),
    };

    assert_eq!(code(&bench.answers(MINER, rolled)), "version-rolling-not-allowed");
}

#[test]
fn more_future_templates_than_are_kept_still_lead_to_a_tip() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.open_standard(MINER);
    for template_id in 2..60 {
        bench.template(template_id, true);
        if template_id % 7 == 0 {
            bench.open_extended(MINER);
        }
    }

    let messages = messages_to(MINER, &bench.tip(59, 2));

    assert_eq!(messages.len(), 1);
    prev_hash(&messages[0]);
}
