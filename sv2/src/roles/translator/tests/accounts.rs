//! Every share is accounted for, by what the translator tells.

use super::*;
use crate::mining::{SetTarget, SubmitSharesError, SubmitSharesSuccess};
use crate::wire::Str255;

/// Counted from events alone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Books {
    accepted: usize,
    rejected: usize,
    filtered: usize,
    lost: usize,
    sent: usize,
    paid: usize,
    refused: usize,
}

fn books(bench: &Bench) -> Books {
    let mut books = Books::default();
    for event in &bench.events {
        match event {
            Event::ShareAccepted { .. } => books.accepted += 1,
            Event::ShareRejected { .. } => books.rejected += 1,
            Event::ShareFiltered { .. } => books.filtered += 1,
            Event::ShareSubmitted { .. } => books.sent += 1,
            Event::SharesLost { count } => books.lost += count,
            Event::SharesAcknowledged { accepted_count, .. } => {
                books.paid += *accepted_count as usize;
            }
            Event::ShareRefused { .. } => books.refused += 1,
            _ => {}
        }
    }
    books
}

#[test]
fn what_devices_submit_is_accepted_or_rejected_and_what_is_accepted_has_one_fate() {
    for config in [config(), per_device()] {
        let mut bench = Bench::working(config, &[]);
        let alice = bench.login(ALICE);
        let bob = bench.login(BOB);
        let mut submitted = 0;
        let upstream = Target::from_expected_hashes(400.0);
        bench.receive(SetTarget { channel_id: GROUP, maximum_target: upstream });
        bench.said.clear();
        bench.receive(job(GROUP, 2, Some(1_700_000_002)));
        let devices = [(ALICE, alice), (BOB, bob)].map(|(device, old)| {
            let new = Miner { notify: bench.miner(device).notify, ..old.clone() };
            (device, old, new)
        });
        for (device, old, new) in devices {
            for miner in [&old, &new] {
                for round in 0..10 {
                    let share = miner.find(round * 7_919);
                    // Once more, as a duplicate.
                    for _ in 0..2 {
                        bench.submit(device, &share);
                        submitted += 1;
                    }
                }
            }
            let junk = r#"{"id":9,"method":"mining.submit","params":["alice.1"]}"#;
            bench.say(device, junk);
            submitted += 1;
        }

        // Of what was sent, some is paid, one refused, the rest lost with the upstream.
        let sent = bench.take_shares();
        let channel_id = sent[0].channel_id;
        bench.receive(SubmitSharesSuccess {
            channel_id,
            last_sequence_number: sent[2].sequence_number,
            new_submits_accepted_count: 3,
            new_shares_sum: 0,
        });
        let (sequence_number, error_code) = (sent[4].sequence_number, Str255::default());
        bench.receive(SubmitSharesError { channel_id, sequence_number, error_code });
        let before = books(&bench);
        let in_flight = bench.translator.upstream.in_flight;
        let connection = bench.up;
        bench.handle(Input::Closed { connection, reason: CloseReason::ByPeer });
        let after = books(&bench);

        assert_eq!(submitted, before.accepted + before.rejected, "{before:?}");
        assert_eq!(before.accepted, before.filtered + before.sent + before.lost, "{before:?}");
        assert_eq!(before.sent, before.paid + before.refused + in_flight, "{before:?}");
        assert_eq!((before.lost, after.lost), (0, in_flight), "{after:?}");
        assert!(before.filtered > 0 && before.rejected > 20, "{before:?}");
        assert_eq!(before.sent, sent.len());
    }
}

#[test]
fn shares_that_are_found_without_an_upstream_are_paid_below_and_told_as_lost() {
    let mut bench = Bench::working(config(), &[]);
    let miner = bench.login(ALICE);
    let connection = bench.up;
    bench.handle(Input::Closed { connection, reason: CloseReason::ByPeer });

    assert!(bench.submit(ALICE, &miner.find(0)).contains("true"));

    let books = books(&bench);
    assert_eq!((books.accepted, books.lost, books.sent), (1, 1, 0));
}

#[test]
fn a_channel_that_ends_with_its_device_takes_its_shares_with_it() {
    let mut bench = Bench::working(per_device(), &[]);
    let miner = bench.login(ALICE);
    bench.submit(ALICE, &miner.find(0));

    bench.handle(Input::Closed { connection: ALICE, reason: CloseReason::ByPeer });

    let books = books(&bench);
    assert_eq!((books.sent, books.lost, bench.translator.upstream.in_flight), (1, 1, 0));
}
