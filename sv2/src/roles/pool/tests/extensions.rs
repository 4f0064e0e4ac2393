//! Negotiation and the worker's name.

use bytes::Bytes;

use super::*;
use crate::extensions::{RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess};
use crate::mining::SubmitSharesExtended;
use crate::wire::{B32, Seq64K, Tlv, TlvOrder};

fn list(extensions: &[u16]) -> Seq64K<u16> {
    Seq64K::new(extensions.to_vec()).unwrap()
}

fn request(request_id: u16, extensions: &[u16]) -> RequestExtensions {
    RequestExtensions { request_id, requested_extensions: list(extensions) }
}

fn success(request_id: u16, extensions: &[u16]) -> Message {
    RequestExtensionsSuccess { request_id, supported_extensions: list(extensions) }.into()
}

fn error(request_id: u16, unsupported: &[u16], required: &[u16]) -> Message {
    RequestExtensionsError {
        request_id,
        unsupported_extensions: list(unsupported),
        required_extensions: list(required),
    }
    .into()
}

/// A share with a worker's name behind it, and the worker that the pool heard.
fn verdict(negotiate: bool, tlvs: Tlvs) -> (Vec<Message>, Option<String>) {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    if negotiate {
        bench.receive(MINER, request(1, &[2]));
    }
    let channel_id = bench.open_extended(MINER).channel_id;
    let share = share(channel_id, 1, 1);
    let share = SubmitSharesExtended {
        channel_id,
        sequence_number: 1,
        job_id: 1,
        nonce: 1,
        ntime: share.ntime,
        version: share.version,
        extranonce: B32::new(&[0; 16]).unwrap(),
    };
    let outputs = bench.receive_with(MINER, share, tlvs);
    let worker = outputs.iter().find_map(|output| match output {
        Output::Event(Event::WorkerNamed { worker, .. }) => Some(worker.clone()),
        _ => None,
    });
    (messages_to(MINER, &outputs), worker)
}

fn name(name: &'static [u8]) -> Tlv {
    Tlv { extension: 2, field: 1, value: Bytes::from_static(name) }
}

const ORDERS: [TlvOrder; 2] = [TlvOrder::LittleEndian, TlvOrder::BigEndian];

#[test]
fn what_is_supported_is_confirmed_and_nothing_else() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);

    assert_eq!(bench.answers(MINER, request(0, &[2, 7])), [success(0, &[2])]);
    assert_eq!(bench.answers(MINER, request(u16::MAX, &[7, 8])), [error(u16::MAX, &[7, 8], &[])]);
    assert_eq!(bench.answers(MINER, request(1, &[])), [success(1, &[])]);
    bench.open_standard(MINER);
}

#[test]
fn a_missing_requirement_is_named_once_and_closes_the_second_time() {
    let config = MiningServerConfig { required_extensions: vec![2], ..easy() };
    let mut bench = Bench::ready(config);
    bench.join(MINER, 0);

    assert_eq!(bench.answers(MINER, request(1, &[7])), [error(1, &[7], &[2])]);
    let second = bench.receive(MINER, request(2, &[7]));

    let reason = Violation::RequiredExtensionMissing { extension: 2 }.into();
    assert_eq!(second, [Output::Close { connection: MINER, reason }]);
}

#[test]
fn going_on_without_a_required_extension_closes_and_with_it_serves() {
    let config = MiningServerConfig { required_extensions: vec![2], ..easy() };
    let mut bench = Bench::ready(config);
    bench.join(MINER, 0);
    bench.join(OTHER, 0);
    bench.receive(OTHER, request(1, &[2]));

    let without = bench.receive(MINER, standard_request(1));

    let reason = Violation::RequiredExtensionMissing { extension: 2 }.into();
    assert_eq!(without, [Output::Close { connection: MINER, reason }]);
    bench.open_standard(OTHER);
}

#[test]
fn a_negotiated_name_is_heard_in_both_byte_orders() {
    for order in ORDERS {
        let (answers, worker) = verdict(true, Tlvs::encode(&[name(b"Worker_001")], order));

        assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]));
        assert_eq!(worker.as_deref(), Some("Worker_001"), "{order:?}");
    }
}

#[test]
fn a_name_behind_an_unknown_field_is_found() {
    let unknown = Tlv { extension: 1, field: 9, value: Bytes::from_static(b"?") };
    for order in ORDERS {
        let (_, worker) = verdict(true, Tlvs::encode(&[unknown.clone(), name(b"w")], order));

        assert_eq!(worker.as_deref(), Some("w"));
    }
}

#[test]
fn a_name_of_33_bytes_refuses_the_share_and_one_of_32_does_not() {
    for order in ORDERS {
        let (longest, _) = verdict(true, Tlvs::encode(&[name(&[b'w'; 32])], order));
        let (too_long, worker) = verdict(true, Tlvs::encode(&[name(&[b'w'; 33])], order));

        assert!(matches!(&longest[..], [Message::SubmitSharesSuccess(_)]));
        assert_eq!((code(&too_long).as_str(), worker), ("invalid-tlv", None));
    }
}

#[test]
fn without_agreement_a_name_is_ignored_whatever_its_length() {
    for tlvs in [
        Tlvs::encode(&[name(&[b'w'; 33])], TlvOrder::LittleEndian),
        Tlvs::from_bytes(Bytes::from_static(b"rubbish")),
    ] {
        let (answers, worker) = verdict(false, tlvs);

        assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]));
        assert_eq!(worker, None);
    }
}

#[test]
fn a_share_without_its_name_is_judged_on_its_work() {
    let (answers, worker) = verdict(true, Tlvs::NONE);

    assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]), "AMB-35");
    assert_eq!(worker, None);
}
