//! Opening, updating and closing channels.

use std::collections::BTreeSet;

use super::*;
use crate::mining::vardiff::VardiffAlgorithm;
use crate::mining::{CloseChannel, SetTarget, UpdateChannel};

fn close(channel_id: u32) -> CloseChannel {
    CloseChannel { channel_id, reason_code: Str255::from_static("done") }
}

fn update(channel_id: u32, nominal_hash_rate: f32, maximum_target: Target) -> UpdateChannel {
    UpdateChannel { channel_id, nominal_hash_rate, maximum_target }
}

fn small(low: u64) -> Target {
    Target(U256::from_limbs([low, 0, 0, 0]))
}

#[test]
fn ids_of_channels_and_groups_are_new_also_after_closing() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let mut ids = BTreeSet::new();
    for turn in 0..40 {
        let success = bench.open_standard(MINER);
        assert_ne!(success.channel_id, success.group_channel_id);
        assert!(ids.insert(success.channel_id), "turn {turn}");
        assert!(!ids.contains(&success.group_channel_id));
        if turn % 2 == 0 {
            bench.receive(MINER, close(success.channel_id));
        }
    }
}

#[test]
fn channels_of_all_connections_search_apart_and_members_have_one_size() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.join(OTHER, 0);
    let mut prefixes = Vec::new();
    for connection in [MINER, OTHER, MINER] {
        let standard = bench.open_standard(connection);
        let extended = bench.open_extended(connection);
        let full_len =
            extended.extranonce_prefix.as_slice().len() + usize::from(extended.extranonce_size);
        assert_eq!(standard.extranonce_prefix.as_slice().len(), full_len);
        assert_eq!(standard.group_channel_id, extended.group_channel_id);
        prefixes.extend([standard.extranonce_prefix, extended.extranonce_prefix]);
    }

    for (first_index, first) in prefixes.iter().enumerate() {
        for (second_index, second) in prefixes.iter().enumerate() {
            let overlap = second.as_slice().starts_with(first.as_slice());
            assert_eq!(overlap, first_index == second_index);
        }
    }
}

#[test]
fn a_longer_extranonce_is_granted_in_a_group_of_its_own_or_refused() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let usual = bench.open_extended(MINER);
    let mut ask = |min_extranonce_size| {
        let request = OpenExtendedMiningChannel { min_extranonce_size, ..extended_request(2) };
        bench.answers(MINER, request)
    };

    let longer = ask(24);
    let Message::OpenExtendedMiningChannelSuccess(success) = &longer[0] else { panic!() };
    assert_eq!(success.extranonce_size, 24);
    assert_ne!(success.group_channel_id, usual.group_channel_id);
    for too_long in [29, 32, 33, u16::MAX] {
        assert_eq!(code(&ask(too_long)), "min-extranonce-size-too-large");
    }
}

#[test]
fn refusals_name_their_reason_and_open_nothing() {
    let config = MiningServerConfig {
        refused_user_identities: vec![b"nobody".to_vec()],
        channels_per_connection_max: 1,
        ..easy()
    };
    let mut bench = Bench::ready(config);
    bench.join(MINER, 0);
    let good = standard_request(5);
    for (request, expected) in [
        (
            OpenStandardMiningChannel { nominal_hash_rate: f32::NAN, ..good.clone() },
            "invalid-nominal-hashrate",
        ),
        (
            OpenStandardMiningChannel { nominal_hash_rate: f32::INFINITY, ..good.clone() },
            "invalid-nominal-hashrate",
        ),
        (
            OpenStandardMiningChannel { nominal_hash_rate: -1.0, ..good.clone() },
            "invalid-nominal-hashrate",
        ),
        (
            OpenStandardMiningChannel { max_target: small(0), ..good.clone() },
            "max-target-out-of-range",
        ),
        (
            OpenStandardMiningChannel {
                user_identity: Str255::from_static("nobody"),
                ..good.clone()
            },
            "invalid-user-identity",
        ),
    ] {
        assert_eq!(code(&bench.answers(MINER, request)), expected);
    }

    bench.open_standard(MINER);

    assert_eq!(code(&bench.answers(MINER, good)), "channel-capacity-exhausted");
}

#[test]
fn kinds_that_a_connection_cannot_use_are_refused() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0b001);
    assert_eq!(
        code(&bench.answers(MINER, extended_request(1))),
        "extended-channels-not-supported-for-standard-jobs"
    );

    let mut bench = Bench::ready(MiningServerConfig { requires_extended_channels: true, ..easy() });
    bench.join(MINER, 0);
    assert_eq!(code(&bench.answers(MINER, standard_request(1))), "standard-channels-not-supported");
}

#[test]
fn work_selection_brings_no_jobs_and_custom_jobs_are_answered() {
    let mut bench = Bench::ready(MiningServerConfig { supports_work_selection: true, ..easy() });
    bench.join(MINER, 0b010);

    let answers = bench.answers(MINER, extended_request(1));

    assert!(matches!(&answers[..], [Message::OpenExtendedMiningChannelSuccess(_)]), "AMB-07");
    bench.template(2, true);
    assert_eq!(messages_to(MINER, &bench.tip(2, 2)), []);
}

#[test]
fn a_returned_target_is_never_easier_than_asked_for() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    for max_target in [small(1), small(u64::MAX), Target::DIFFICULTY_1, Target::MAX] {
        for nominal_hash_rate in [0.0, 1e-30, 1e3, 1e15, f32::MAX] {
            let request =
                OpenStandardMiningChannel { nominal_hash_rate, max_target, ..standard_request(1) };
            let answers = bench.answers(MINER, request);
            let Message::OpenStandardMiningChannelSuccess(success) = &answers[0] else { panic!() };
            assert!(success.target <= max_target);
            assert_ne!(success.target.0, U256::ZERO);
        }
    }
}

#[test]
fn a_smaller_maximum_is_answered_with_a_fitting_target_and_a_larger_one_with_nothing() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    let smaller = bench.answers(MINER, update(channel_id, 0.0, Target::DIFFICULTY_1));
    let same = bench.answers(MINER, update(channel_id, 0.0, Target::DIFFICULTY_1));

    let maximum_target = Target::DIFFICULTY_1;
    assert_eq!(smaller, [SetTarget { channel_id, maximum_target }.into()]);
    assert_eq!(same, []);
}

#[test]
fn a_hash_rate_moves_the_target_within_the_clients_last_maximum() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    let expected = Target::from_hash_rate(1e6, bench.pool.server.config().shares_per_minute);

    let faster = bench.answers(MINER, update(channel_id, 1e6, Target::MAX));

    assert_eq!(faster, [SetTarget { channel_id, maximum_target: expected }.into()]);
}

#[test]
fn an_invalid_update_gets_an_error_and_changes_nothing() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    for (message, expected) in [
        (update(channel_id, f32::NAN, Target::MAX), "invalid-nominal-hashrate"),
        (update(channel_id, -0.5, Target::MAX), "invalid-nominal-hashrate"),
        (update(channel_id, 1.0, small(0)), "max-target-out-of-range"),
        (update(channel_id + 1, 1.0, Target::MAX), "invalid-channel-id"),
    ] {
        assert_eq!(code(&bench.answers(MINER, message)), expected);
    }

    assert_eq!(bench.answers(MINER, update(channel_id, 0.0, Target::MAX)), []);
}

#[test]
fn a_closed_channel_hears_nothing_more_and_its_sibling_goes_on() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0b001);
    let first = bench.open_standard(MINER).channel_id;
    let second = bench.open_standard(MINER).channel_id;

    bench.receive(MINER, close(first));
    bench.template(2, true);
    let messages = messages_to(MINER, &bench.tip(2, 2));

    assert_eq!(messages.len(), 1);
    assert_eq!(prev_hash(&messages[0]).channel_id, second);
    assert_eq!(code(&bench.answers(MINER, share(first, 1, 1))), "invalid-channel-id");
    let job_id = prev_hash(&messages[0]).job_id;
    let answers = bench.answers(MINER, share(second, job_id, 1));
    assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]));
}

#[test]
fn closing_a_group_closes_its_members_and_a_later_channel_gets_another_group() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let first = bench.open_standard(MINER);
    let second = bench.open_extended(MINER);

    bench.receive(MINER, close(first.group_channel_id));

    assert_eq!(code(&bench.answers(MINER, share(first.channel_id, 1, 1))), "invalid-channel-id");
    let gone = update(second.channel_id, 1.0, Target::MAX);
    assert_eq!(code(&bench.answers(MINER, gone)), "invalid-channel-id");
    assert_eq!(messages_to(MINER, &bench.template(2, false)), []);
    assert!(bench.open_standard(MINER).group_channel_id > second.channel_id);
}

#[test]
fn closing_what_is_not_open_is_ignored() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);

    let outputs = bench.receive(MINER, close(77));

    assert!(matches!(&outputs[..], [Output::Event(Event::Noted { .. })]));
}

#[test]
fn search_space_of_a_lost_connection_returns() {
    let layout = crate::mining::extranonce::ExtranonceLayout::new(vec![], 1, 20).unwrap();
    let mut bench = Bench::ready(MiningServerConfig { extranonce: layout, ..easy() });
    bench.join(MINER, 0);
    for _ in 0..256 {
        bench.open_standard(MINER);
    }
    bench.join(OTHER, 0);
    assert_eq!(code(&bench.answers(OTHER, standard_request(1))), "channel-capacity-exhausted");

    bench.closed(MINER);

    bench.open_standard(OTHER);
}

#[test]
fn targets_follow_the_shares_where_the_operator_wants_it() {
    let config = MiningServerConfig { vardiff: Some(VardiffAlgorithm::default()), ..easy() };
    let mut bench = Bench::ready(config);
    bench.join(MINER, 0);
    let request = OpenStandardMiningChannel { nominal_hash_rate: 1e9, ..standard_request(1) };
    let answers = bench.answers(MINER, request);
    let Message::OpenStandardMiningChannelSuccess(success) = &answers[0] else { panic!() };

    let quiet: Vec<Message> =
        (0..2).flat_map(|_| messages_to(MINER, &bench.pass(Duration::from_secs(30)))).collect();

    let [Message::SetTarget(set)] = &quiet[..] else { panic!("{quiet:?}") };
    assert_eq!(set.channel_id, success.channel_id);
    assert!(set.maximum_target > success.target, "a silent channel gets an easier target");
}
