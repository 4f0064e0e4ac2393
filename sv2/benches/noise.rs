//! What the encrypted session costs: frames of shares, long frames, handshakes.

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sv2::connection::{
    Connection, ConnectionConfig, ConnectionReader, ConnectionWriter, InitiatorSecurity, Received,
    ResponderSecurity,
};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::mining::SubmitSharesExtended;
use sv2::noise::{
    AuthoritySecretKey, CipherKey, CipherSuite, Identity, Initiator, Opener, Responder, Sealer,
    StaticKey,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B32, FrameHeader, Tlvs};

const NOW: Now = Now { instant: Instant::ZERO, unix: UnixTime(1_700_000_000) };
const SUITES: [CipherSuite; 2] = [CipherSuite::ChaChaPoly, CipherSuite::AesGcm];
/// Frames in one measured batch.
const FRAMES: u32 = 1000;

fn authority() -> AuthoritySecretKey {
    AuthoritySecretKey::from_bytes(&[3; 32]).expect("it is in range")
}

fn identity(entropy: &mut Entropy) -> Arc<Identity> {
    let key = StaticKey::generate(entropy);
    Arc::new(Identity::new(&authority(), key, 0, u32::MAX, entropy))
}

/// 41 bytes as a plain frame: six of header, 35 of payload.
fn share(sequence_number: u32) -> Message {
    SubmitSharesExtended {
        channel_id: 1,
        sequence_number,
        job_id: 2,
        nonce: 0xdead_beef,
        ntime: 1_700_000_000,
        version: 0x2000_0000,
        extranonce: B32::new(&[7; 10]).expect("10 bytes fit"),
    }
    .into()
}

/// The client's writer and the server's reader of one connection.
fn connection(suite: CipherSuite) -> (ConnectionWriter, ConnectionReader) {
    let mut entropy = Entropy::from_seed(1);
    let (config, mut to_server, mut to_client) = (ConnectionConfig::default(), vec![], vec![]);
    let authority = Some(authority().public_key());
    let identity = identity(&mut entropy);
    let mut client = Connection::initiator(
        config,
        InitiatorSecurity::Noise { suite, authority },
        NOW,
        &mut entropy,
        &mut to_server,
    );
    let security = ResponderSecurity::Noise { suite, identity };
    let mut server = Connection::responder(config, security, NOW, &mut entropy);
    let outcome = server.receive(NOW, &mut BytesMut::from(&to_server[..]), &mut to_client);
    assert!(matches!(outcome, Ok(Some(Received::Established { .. }))));
    let outcome = client.receive(NOW, &mut BytesMut::from(&to_client[..]), &mut vec![]);
    assert!(matches!(outcome, Ok(Some(Received::Established { .. }))));
    (client.split().1, server.split().0)
}

fn share_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("share frame, 41 bytes");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for suite in SUITES {
        let (mut writer, _) = connection(suite);
        let messages: Vec<Message> = (0..FRAMES).map(share).collect();
        let mut out = Vec::new();
        group.bench_function(format!("message to bytes, {suite:?}, 1000 times"), |bencher| {
            bencher.iter(|| {
                out.clear();
                for message in &messages {
                    writer.write_message(message, &Tlvs::NONE, &mut out).expect("it fits");
                }
                black_box(out.len())
            });
        });

        group.bench_function(format!("bytes to message, {suite:?}, 1000 times"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    let ((mut writer, reader), mut out) = (connection(suite), vec![]);
                    for message in &messages {
                        writer.write_message(message, &Tlvs::NONE, &mut out).expect("it fits");
                    }
                    (reader, BytesMut::from(&out[..]))
                },
                |(reader, input)| {
                    let mut count = 0;
                    while let Some(frame) = reader.next_frame(input).expect("it is authentic") {
                        black_box(Message::decode(&frame).expect("it is a message"));
                        count += 1;
                    }
                    assert_eq!(count, FRAMES);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn long_frames(criterion: &mut Criterion) {
    let payload = vec![7; 1 << 20];
    let header = FrameHeader { extension_type: 0, message_type: 0x74, payload_len: 1 << 20 };
    let mut group = criterion.benchmark_group("frame of 1 MiB");
    group.throughput(Throughput::Bytes(payload.len() as u64));
    for suite in SUITES {
        let key = CipherKey::new(suite, &[7; 32]);
        let mut sealer = Sealer::new(key.clone());
        let mut out = Vec::new();
        group.bench_function(format!("seal, {suite:?}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                sealer.seal(header, &payload, &mut out).expect("nonces are left");
                black_box(out.len())
            });
        });

        let mut sealed = Vec::new();
        Sealer::new(key.clone()).seal(header, &payload, &mut sealed).expect("nonces are left");
        group.bench_function(format!("open, {suite:?}"), |bencher| {
            bencher.iter_batched_ref(
                || (Opener::new(key.clone()), BytesMut::from(&sealed[..])),
                |(opener, input)| opener.next_frame(input).expect("it is authentic"),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn handshakes(criterion: &mut Criterion) {
    let mut entropy = Entropy::from_seed(1);
    let (suite, authority) = (CipherSuite::ChaChaPoly, Some(authority().public_key()));
    let identity = identity(&mut entropy);
    let mut group = criterion.benchmark_group("handshake");
    group.bench_function("both sides, certificate verified", |bencher| {
        bencher.iter(|| {
            let initiator = Initiator::new(suite, authority, &mut entropy);
            let (act_2, server) =
                Responder::respond(suite, &identity, &initiator.act_1(), &mut entropy);
            (initiator.finish(&act_2, NOW.unix).expect("it is authentic"), server)
        });
    });
    let act_1 = Initiator::new(suite, authority, &mut entropy).act_1();
    group.bench_function("responder", |bencher| {
        bencher.iter(|| Responder::respond(suite, &identity, &act_1, &mut entropy));
    });
    group.finish();
}

criterion_group!(benches, share_frames, long_frames, handshakes);
criterion_main!(benches);
