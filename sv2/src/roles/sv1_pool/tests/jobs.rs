//! Templates, tips, difficulties, extranonces.

use super::*;
use crate::mining::vardiff::VardiffAlgorithm;
use crate::role::{Channels, Command};
use crate::wire::Str255;

#[test]
fn a_better_template_is_a_job_beside_the_others_and_a_tip_ends_them() {
    let mut bench = Bench::ready(easy());
    let device = bench.join(DEVICE);
    let old = device.share(1);

    let better = notify(&lines_to(DEVICE, &bench.template(2, false))[0]);
    let still_good = bench.submit(&device, device.share(2));
    let future = bench.template(3, true);
    let tipped = notify(&lines_to(DEVICE, &bench.tip(3, 2, Target::HARDEST))[0]);
    let late = bench.submit(&device, old);

    assert!(!better.clean_jobs && tipped.clean_jobs);
    assert_ne!(better.job_id, device.notify.job_id);
    assert_eq!(lines_to(DEVICE, &future), <[String; 0]>::default());
    assert_eq!(tipped.prev_hash, U256::from_limbs([2, 0, 0, 0]));
    assert!(outcome(&lines_to(DEVICE, &still_good)[0]).is_yes());
    assert_eq!(error(DEVICE, &late), (21, "Job not found".to_owned()));
}

#[test]
fn one_job_is_the_same_line_for_everybody() {
    let mut bench = Bench::ready(easy());
    bench.join(DEVICE);
    bench.join(OTHER);

    let outputs = bench.template(2, false);

    assert_eq!(lines_to(DEVICE, &outputs), lines_to(OTHER, &outputs));
}

#[test]
fn a_tip_for_an_unknown_template_costs_the_provider_its_connection_and_no_device_its_job() {
    let mut bench = Bench::ready(easy());
    let device = bench.join(DEVICE);

    let outputs = bench.tip(99, 2, Target::HARDEST);

    assert_eq!(closed(&outputs)[0].0, PROVIDER);
    let outputs = bench.submit(&device, device.share(1));
    assert!(outcome(&lines_to(DEVICE, &outputs)[0]).is_yes());
}

#[test]
fn an_easier_difficulty_comes_with_a_job_and_a_harder_one_alone() {
    let vardiff = Some(VardiffAlgorithm::default());
    let config = Sv1PoolConfig { vardiff, assumed_hash_rate: 1e9, ..easy() };
    let mut bench = Bench::ready(config);
    let device = bench.join(DEVICE);
    // Nobody finds anything: easier, until what is found shows too much.
    let mut told = Vec::new();
    while told.is_empty() {
        told = lines_to(DEVICE, &bench.wake());
    }
    let easier = difficulty(&told[0]);
    let job = notify(&told[1]);

    let share = Submit { job_id: job.job_id.clone(), ..device.share(1) };
    let by_new_job = bench.submit(&device, share);

    assert_eq!(told.len(), 2);
    assert!(!job.clean_jobs);
    assert_eq!(error(DEVICE, &by_new_job).0, error_code::LOW_DIFFICULTY);
    let suggest = r#"{"id":1,"method":"mining.suggest_difficulty","params":[4096]}"#;
    let lines = bench.ask(DEVICE, suggest);
    assert!(difficulty(&lines[1]) > easier);
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_share_is_judged_by_the_difficulty_that_its_job_was_given_with() {
    let mut bench = Bench::ready(easy());
    let device = bench.join(DEVICE);
    bench.ask(DEVICE, r#"{"id":1,"method":"mining.suggest_difficulty","params":[4096]}"#);

    let by_old_job = bench.submit(&device, device.share(1));
    let job = notify(&lines_to(DEVICE, &bench.template(2, false))[0]);
    let by_new_job = Submit { job_id: job.job_id.clone(), ..device.share(2) };
    let by_new_job = bench.submit(&device, by_new_job);

    assert!(outcome(&lines_to(DEVICE, &by_old_job)[0]).is_yes());
    assert_eq!(error(DEVICE, &by_new_job), (23, "Low difficulty share".to_owned()));
}

#[test]
fn another_extranonce_reaches_those_who_take_it_and_ends_the_others() {
    let mut bench = Bench::ready(easy());
    let mut device = bench.join(DEVICE);
    let old = device.extranonce1;
    bench.connect(OTHER);
    bench.ask(OTHER, SUBSCRIBE);
    bench.ask(OTHER, AUTHORIZE);

    let renew = Command::RenewExtranoncePrefix { channels: Channels::All };
    let outputs = bench.give(Input::Command(renew));

    let lines = lines_to(DEVICE, &outputs);
    let Call::SetExtranonce { extranonce1, extranonce2_size: 8 } = call(&lines[0]) else {
        panic!("{lines:?}")
    };
    assert_ne!(extranonce1, old);
    assert_eq!(closed(&outputs)[0].0, OTHER);
    (device.extranonce1, device.notify) = (extranonce1, notify(&lines[1]));
    assert!(device.notify.clean_jobs);
    let share = device.share(1);
    let outputs = bench.submit(&device, share.clone());
    let accepted = outputs.iter().find_map(|output| match output {
        Output::Event(Event::ShareAccepted { hash, .. }) => Some(*hash),
        _ => None,
    });
    assert_eq!(accepted, Some(device.hash(&share)));
}

#[test]
fn devices_are_sent_elsewhere_and_there_are_no_groups_to_move_them_to() {
    let mut bench = Bench::ready(easy());
    bench.join(DEVICE);

    let reconnect =
        Command::Reconnect { new_host: Str255::from_static("b.example"), new_port: 4444 };
    let outputs = bench.give(Input::Command(reconnect));
    let moved = Command::MoveToGroup { channels: Channels::All, group_channel_id: None };
    let refused = bench.give(Input::Command(moved));

    let line = r#"{"id":null,"method":"client.reconnect","params":["b.example","4444",0]}"#;
    assert_eq!(lines_to(DEVICE, &outputs), [line]);
    assert!(matches!(&refused[..], [Output::Event(Event::CommandRefused { .. })]));
}
