//! Shares and their answers; fields and messages of extensions.

use bytes::Bytes;

use super::*;
use crate::extensions::{RequestExtensions, RequestExtensionsSuccess, WORKER_TRACKING};
use crate::mining::{
    SubmitSharesError, SubmitSharesExtended, SubmitSharesStandard, SubmitSharesSuccess,
};

fn share(channel_id: u32, sequence_number: u32) -> SubmitSharesStandard {
    SubmitSharesStandard { channel_id, sequence_number, job_id: 1, nonce: 2, ntime: 3, version: 4 }
}

fn refusal(channel_id: u32, sequence_number: u32, error_code: &'static str) -> SubmitSharesError {
    SubmitSharesError { channel_id, sequence_number, error_code: code(error_code) }
}

/// A frame of an extension that nobody knows.
fn unknown(channel_id: u32, extension_type: u16) -> Frame {
    let payload = [&channel_id.to_le_bytes()[..], &[0xde, 0xad, 0xbe, 0xef]].concat();
    Frame { extension_type, message_type: 0x42, payload: Bytes::from(payload) }
}

fn undecodable(connection: ConnectionId, frame: &Frame) -> Input {
    let error = Message::decode(frame).unwrap_err();
    Input::Undecodable { connection, frame: frame.clone(), error }
}

fn forwarded(outputs: Vec<Output>) -> Vec<(ConnectionId, Frame)> {
    let forwarded = outputs.into_iter().filter_map(|output| match output {
        Output::Forward { connection, frame } => Some((connection, frame)),
        _ => None,
    });
    forwarded.collect()
}

#[test]
fn shares_go_up_as_they_are_and_each_answer_reaches_the_client_of_its_channel() {
    let mut bench = Bench::open();
    let success = SubmitSharesSuccess {
        channel_id: 12,
        last_sequence_number: 6,
        new_submits_accepted_count: 2,
        new_shares_sum: 8,
    };

    for (client, channel_id, sequence_number) in
        [(ALICE, 11, 5), (BOB, 12, 5), (BOB, 12, 6), (BOB, 13, 5)]
    {
        let share = share(channel_id, sequence_number);
        assert_eq!(bench.say(client, share.clone()), [(UP, share.into())]);
    }

    assert_eq!(bench.say(UP, success.clone()), [(BOB, success.into())]);
    let refusal = refusal(11, 5, "stale-share");
    assert_eq!(bench.say(UP, refusal.clone()), [(ALICE, refusal.into())]);
}

#[test]
fn a_share_for_the_channel_of_another_or_for_a_group_goes_nowhere() {
    let mut bench = Bench::open();
    for channel_id in [12, 13, GROUP, 99] {
        let told = bench.say(ALICE, share(channel_id, 3));

        assert_eq!(told, [(ALICE, refusal(channel_id, 3, "invalid-channel-id").into())]);
    }
}

#[test]
fn shares_that_a_lost_upstream_has_not_answered_are_told_of() {
    let mut bench = Bench::open();
    (0..5).for_each(|number| drop(bench.receive(ALICE, share(11, number))));
    bench.receive(UP, refusal(11, 1, "stale-share"));
    let success = SubmitSharesSuccess {
        channel_id: 11,
        last_sequence_number: 2,
        new_submits_accepted_count: 2,
        new_shares_sum: 8,
    };
    bench.receive(UP, success);

    let outputs = bench.handle(Input::Closed { connection: UP, reason: CloseReason::ByPeer });

    assert!(outputs.contains(&Output::Event(Event::SharesLost { count: 2 })), "{outputs:?}");
}

#[test]
fn fields_of_extensions_are_kept_where_they_were_agreed_on_and_dropped_where_not() {
    for is_agreed in [true, false] {
        let mut bench = Bench::new(MiningProxyConfig::default());
        bench.connect(ALICE, 0);
        bench.upstream_before_extensions(UP, 0);
        bench.receive(UP, no_extensions(1));
        let extensions = Seq64K::new(vec![WORKER_TRACKING]).unwrap();
        if is_agreed {
            let supported_extensions = extensions.clone();
            bench.say(UP, RequestExtensionsSuccess { request_id: 2, supported_extensions });
            bench.say(ALICE, RequestExtensions { request_id: 4, requested_extensions: extensions });
        } else {
            bench.receive(UP, no_extensions(2));
        }
        bench.open_extended(ALICE, 1, 11);
        let tlvs = Tlvs::from_bytes(Bytes::from_static(&[2, 0, 1, 1, 0, b'x']));
        let share = SubmitSharesExtended {
            channel_id: 11,
            sequence_number: 1,
            job_id: 1,
            nonce: 2,
            ntime: 3,
            version: 4,
            extranonce: B32::new(&[1; 8]).unwrap(),
        };
        let message = Message::from(share);
        let received = Input::Received {
            connection: ALICE,
            message: message.clone(),
            tlvs: tlvs.clone(),
            original: None,
        };

        let outputs = bench.handle(received);

        let tlvs = if is_agreed { tlvs } else { Tlvs::NONE };
        assert_eq!(outputs, [Output::Send { connection: UP, message, tlvs }]);
    }
}

#[test]
fn a_message_whose_bytes_are_not_ours_is_passed_on_in_its_own() {
    let mut bench = Bench::open();
    let frame = Message::from(share(11, 1)).to_frame(&Tlvs::NONE);
    let received = Input::Received {
        connection: ALICE,
        message: share(11, 1).into(),
        tlvs: Tlvs::NONE,
        original: Some(Box::new(frame.clone())),
    };

    assert_eq!(bench.handle(received), [Output::Forward { connection: UP, frame }]);
}

#[test]
fn unknown_messages_of_extensions_go_byte_for_byte_to_the_other_end_of_their_channel() {
    let mut bench = Bench::open();
    for extension_type in [0x8042, 0xc001, 0xffff] {
        for (from, channel_id, to) in [
            (ALICE, 11, vec![UP]),
            (BOB, 13, vec![UP]),
            (UP, 11, vec![ALICE]),
            (UP, 12, vec![BOB]),
            (UP, GROUP, vec![ALICE, BOB]),
        ] {
            let frame = unknown(channel_id, extension_type);

            let outputs = bench.handle(undecodable(from, &frame));

            let expected: Vec<_> = to.into_iter().map(|to| (to, frame.clone())).collect();
            assert_eq!(forwarded(outputs), expected);
        }
    }
}

#[test]
fn unknown_messages_end_here_that_name_no_channel_of_their_sender_or_belong_to_no_extension() {
    let mut bench = Bench::open();
    for (from, channel_id, extension_type) in [
        (ALICE, 12, 0x8042),
        (ALICE, GROUP, 0x8042),
        (UP, 99, 0x8042),
        // Without the channel bit the connection is the end.
        (ALICE, 11, 0x0042),
        (UP, 11, 0x0042),
        (ALICE, 11, 0x8000),
        (ALICE, 11, 0x8001),
    ] {
        let outputs = bench.handle(undecodable(from, &unknown(channel_id, extension_type)));

        assert!(matches!(outputs[..], [Output::Event(Event::Noted { .. })]), "{outputs:?}");
    }
}
