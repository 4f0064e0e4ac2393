//! Payloads to messages and back.

use std::hint::black_box;

use binary_sv2::{from_bytes, to_writer};
use bytes::Bytes;
use parsers_sv2::{AnyMessageOwned, Mining, MiningOwned};
use sv2::message::Message;
use sv2::mining::header::double_sha256;
use sv2::mining::{NewExtendedMiningJob, SubmitSharesExtended};
use sv2::wire::{B32, B64K, Frame, Reader, Seq255, Tlvs, WireMessage};

use super::{Workload, repeat};
use crate::shares::their_message;

pub(super) fn all() -> Vec<Workload> {
    vec![
        decode_struct::<SubmitSharesExtended>(
            "SubmitSharesExtended, 33 B, to its struct",
            15.0,
            share(),
            |payload| {
                black_box(
                    from_bytes::<mining_sv2::SubmitSharesExtended>(payload)
                        .expect("a share")
                        .into_owned(),
                );
            },
        ),
        decode_message("SubmitSharesExtended, 33 B, to any message", 30.0, share().into()),
        decode_struct::<NewExtendedMiningJob>(
            "NewExtendedMiningJob, 587 B, to its struct",
            60.0,
            job(),
            |payload| {
                black_box(
                    from_bytes::<mining_sv2::NewExtendedMiningJob>(payload)
                        .expect("a job")
                        .into_owned(),
                );
            },
        ),
        decode_message("NewExtendedMiningJob, 587 B, to any message", 95.0, job().into()),
        encode_struct(),
        encode_frame(),
    ]
}

pub(super) fn share() -> SubmitSharesExtended {
    SubmitSharesExtended {
        channel_id: 1,
        sequence_number: 2,
        job_id: 3,
        nonce: 0x1234_5678,
        ntime: 1_700_000_000,
        version: 0x2000_0000,
        extranonce: B32::new(&[7; 8]).expect("8 bytes"),
    }
}

fn job() -> NewExtendedMiningJob {
    let path = (0..12_u8).map(|index| double_sha256(&[index])).collect();
    NewExtendedMiningJob {
        channel_id: 1,
        job_id: 2,
        min_ntime: Some(1_700_000_000),
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(path).expect("12 branches"),
        coinbase_tx_prefix: B64K::new(vec![1; 60]).expect("60 bytes"),
        coinbase_tx_suffix: B64K::new(vec![2; 120]).expect("120 bytes"),
    }
}

fn decode_struct<M: WireMessage + Into<Message> + Clone + 'static>(
    detail: &'static str,
    goal_nanoseconds: f64,
    message: M,
    theirs: impl Fn(&mut [u8]) + 'static,
) -> Workload {
    let frame = message.into().to_frame(&Tlvs::NONE);
    let mut bytes = frame.payload.to_vec();
    Workload {
        name: "decode",
        detail,
        goal_nanoseconds,
        ours: repeat(move || {
            let payload: &Bytes = black_box(&frame.payload);
            M::read(&mut Reader::shared(payload)).expect("a message")
        }),
        theirs: repeat(move || theirs(black_box(&mut bytes))),
    }
}

fn decode_message(detail: &'static str, goal_nanoseconds: f64, message: Message) -> Workload {
    let frame = message.to_frame(&Tlvs::NONE);
    let mut bytes = frame.payload.to_vec();
    let number = frame.message_type;
    Workload {
        name: "decode",
        detail,
        goal_nanoseconds,
        ours: repeat(move || Message::decode(black_box::<&Frame>(&frame)).expect("a message")),
        theirs: repeat(move || {
            Mining::try_from((number, black_box(&mut bytes[..]))).expect("a message").into_owned()
        }),
    }
}

fn encode_struct() -> Workload {
    let (ours, theirs) = (share(), their_share());
    let (mut out, mut their_out) = (Vec::with_capacity(64), vec![0; 33]);
    Workload {
        name: "encode",
        detail: "SubmitSharesExtended, 33 B",
        goal_nanoseconds: 12.0,
        ours: repeat(move || {
            out.clear();
            WireMessage::write(black_box(&ours), &mut out);
            black_box(&out).len()
        }),
        theirs: repeat(move || {
            to_writer(black_box(&theirs).clone(), &mut their_out).expect("it fits");
            black_box(&their_out).len()
        }),
    }
}

fn encode_frame() -> Workload {
    use codec_sv2::{Encoder, MessageFrame};
    let (ours, theirs) = (Message::from(share()), their_share());
    let (mut out, mut encoder) = (Vec::with_capacity(64), Encoder::new());
    Workload {
        name: "encode",
        detail: "SubmitSharesExtended with its header, 39 B",
        goal_nanoseconds: 20.0,
        ours: repeat(move || {
            out.clear();
            black_box(&ours).write_frame(&Tlvs::NONE, &mut out);
            black_box(&out).len()
        }),
        theirs: repeat(move || {
            let share = black_box(&theirs).clone();
            let frame = MessageFrame::from_message(share, 0x1b, 0, true).expect("it fits");
            encoder.encode(frame).expect("it fits")
        }),
    }
}

pub(super) fn their_share() -> mining_sv2::SubmitSharesExtendedOwned {
    match their_message(&share().into()) {
        AnyMessageOwned::Mining(MiningOwned::SubmitSharesExtended(share)) => share,
        other => panic!("another message: {other:?}"),
    }
}
