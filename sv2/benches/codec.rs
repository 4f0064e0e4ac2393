//! Decoding and encoding: the two messages that a pool sees and sends most.
//!
//! `struct` is the message alone, `message` goes through the table: a frame into a `Message`,
//! or a `Message` into header and payload.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use sv2::message::Message;
use sv2::mining::{NewExtendedMiningJob, SubmitSharesExtended};
use sv2::wire::{B32, B64K, Frame, Reader, Seq255, Tlvs, U256, WireMessage};

criterion_group!(benches, share, extended_job);
criterion_main!(benches);

fn share(criterion: &mut Criterion) {
    let message = SubmitSharesExtended {
        channel_id: 1,
        sequence_number: 2,
        job_id: 3,
        nonce: 4,
        ntime: 5,
        version: 6,
        extranonce: B32::new(&[7; 8]).expect("8 bytes fit"),
    };
    let payload_len = 33;
    decode::<SubmitSharesExtended>(criterion, message.clone().into(), payload_len);
    encode(criterion, &message, &message.clone().into());
}

/// The job of the reference measurements: twelve branches, 60 and 120 bytes of coinbase.
fn extended_job(criterion: &mut Criterion) {
    let message = NewExtendedMiningJob {
        channel_id: 1,
        job_id: 2,
        min_ntime: Some(3),
        version: 4,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(vec![U256::MAX; 12]).expect("12 elements fit"),
        coinbase_tx_prefix: B64K::new(vec![5; 60]).expect("60 bytes fit"),
        coinbase_tx_suffix: B64K::new(vec![6; 120]).expect("120 bytes fit"),
    };
    let payload_len = 587;
    decode::<NewExtendedMiningJob>(criterion, message.clone().into(), payload_len);
    encode(criterion, &message, &message.clone().into());
}

fn decode<M: WireMessage>(criterion: &mut Criterion, message: Message, payload_len: usize) {
    let name = message.name();
    let frame = message.to_frame(&Tlvs::NONE);
    assert_eq!(frame.payload.len(), payload_len);
    // As a driver hands it over: a slice of a read buffer that others share.
    let mut read_buffer = vec![0; 4096];
    read_buffer[..payload_len].copy_from_slice(&frame.payload);
    let read_buffer = Bytes::from(read_buffer);
    let frame = Frame { payload: read_buffer.slice(..payload_len), ..frame };

    criterion.bench_function(&format!("decode/{name}/struct"), |bencher| {
        bencher.iter(|| M::read(&mut Reader::shared(black_box(&frame.payload))));
    });
    criterion.bench_function(&format!("decode/{name}/message"), |bencher| {
        bencher.iter(|| Message::decode(black_box(&frame)));
    });
}

fn encode<M: WireMessage>(criterion: &mut Criterion, body: &M, message: &Message) {
    let name = message.name();
    let mut out = Vec::with_capacity(4096);
    criterion.bench_function(&format!("encode/{name}/struct"), |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(body).write(black_box(&mut out));
        });
    });
    criterion.bench_function(&format!("encode/{name}/message"), |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(message).write_frame(&Tlvs::NONE, black_box(&mut out));
        });
    });
}
