//! What a share is worth.

use super::*;
use bitcoin::Transaction;
use bitcoin::consensus::deserialize;

#[test]
fn a_good_share_is_answered_with_true_and_hashed_as_the_device_does() {
    let mut bench = Bench::ready(easy());
    let device = bench.join(DEVICE);
    let share = Submit { version_bits: Some(0x0000_2000), ..device.share(5) };

    let outputs = bench.submit(&device, share.clone());

    assert_eq!(lines_to(DEVICE, &outputs), [r#"{"id":9,"result":true,"error":null}"#]);
    let hash = device.hash(&share);
    let channel_id = CHANNEL_ID;
    let (connection, sequence_number) = (DEVICE, 1);
    let accepted = Event::ShareAccepted { connection, channel_id, sequence_number, hash };
    assert!(outputs.contains(&Output::Event(accepted)));
}

#[test]
fn what_is_wrong_with_a_share_has_its_usual_code() {
    let mut bench = Bench::ready(easy());
    let device = bench.join(DEVICE);
    let good = || device.share(1);
    let extranonce2 = B32::new(&[7; 4]).unwrap();
    for (share, code, text) in [
        (Submit { user: "nobody".to_owned(), ..good() }, 24, "Unauthorized worker"),
        (Submit { job_id: "ff".to_owned(), ..good() }, 21, "Job not found"),
        (Submit { job_id: "no job".to_owned(), ..good() }, 21, "Job not found"),
        (Submit { job_id: format!("0{}", device.notify.job_id), ..good() }, 21, "Job not found"),
        (Submit { extranonce2, ..good() }, 20, "4 bytes of extranonce, 8 were agreed"),
        (Submit { ntime: 1, ..good() }, 20, "ntime 1 is below 1699999900"),
        (Submit { version_bits: Some(0x0000_0020), ..good() }, 20, "Version bits outside the mask"),
    ] {
        assert_eq!(error(DEVICE, &bench.submit(&device, share)), (code, text.to_owned()));
    }
    bench.submit(&device, good());
    assert_eq!(error(DEVICE, &bench.submit(&device, good())), (22, "Duplicate share".to_owned()));
}

#[test]
fn without_an_agreement_a_sixth_parameter_is_refused_and_five_are_enough() {
    let mut bench = Bench::ready(easy());
    bench.connect(DEVICE);
    bench.ask(DEVICE, SUBSCRIBE);
    let job = notify(&bench.ask(DEVICE, AUTHORIZE)[2]);
    let device = Device { connection: DEVICE, extranonce1: B32::default(), notify: job };

    let six = bench.submit(&device, device.share(1));
    let five = bench.submit(&device, Submit { version_bits: None, ..device.share(1) });

    assert_eq!(error(DEVICE, &six), (20, "Version rolling was not agreed on".to_owned()));
    assert!(outcome(&lines_to(DEVICE, &five)[0]).is_yes());
}

#[test]
fn a_share_before_subscription_or_authorisation_says_what_is_missing() {
    let mut bench = Bench::ready(easy());
    let device = bench.join(OTHER);
    let device = Device { connection: DEVICE, ..device };
    bench.connect(DEVICE);

    let before_both = bench.submit(&device, device.share(1));
    bench.ask(DEVICE, SUBSCRIBE);
    let before_one = bench.submit(&device, device.share(1));

    assert_eq!(error(DEVICE, &before_both).0, error_code::NOT_SUBSCRIBED);
    assert_eq!(error(DEVICE, &before_one).0, error_code::UNAUTHORIZED);
}

#[test]
fn a_share_that_is_a_block_goes_to_the_template_provider_before_its_answer() {
    let mut bench = Bench::new(easy());
    bench.provide();
    bench.template(1, true);
    bench.tip(1, 1, Target::MAX);
    let device = bench.join(DEVICE);
    // The easiest nbits: one hash in two.
    let share = (0..64)
        .map(|nonce| device.share(nonce))
        .find(|share| Target::from_compact(0x207f_ffff).unwrap().is_met_by(&device.hash(share)));
    let share = share.unwrap();

    let outputs = bench.submit(&device, share.clone());

    let [solution] = &solutions(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!((solution.template_id, solution.header_nonce), (1, share.nonce));
    let coinbase: Transaction = deserialize(solution.coinbase_tx.as_slice()).unwrap();
    let script = coinbase.input[0].script_sig.as_bytes();
    let extranonce = [device.extranonce1.as_slice(), &[7; 8]].concat();
    assert!(script.ends_with(&extranonce), "{script:?}");
    assert!(matches!(outputs[0], Output::Send { connection: PROVIDER, .. }));
    let hash = device.hash(&share);
    assert!(outputs.contains(&Output::Event(Event::BlockFound { hash })));
}
