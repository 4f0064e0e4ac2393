//! Sealed frames, from a message to bytes and back.

use bytes::{Bytes, BytesMut};
use codec_sv2::{Decrypted, MessageFrame, NoiseDecoder, NoiseEncoder};
use parsers_sv2::Mining;
use sv2::message::Message;
use sv2::noise::{CipherKey, Opener, Sealer};
use sv2::wire::{Frame, FrameHeader};

use super::messages::{share, their_share};
use super::{Workload, repeat, repeat_prepared};
use crate::noise::{Keys, SUITE, TheirSession, their_act_1, their_act_2};

pub(super) fn all() -> Vec<Workload> {
    vec![seal_share(), open_share(), open_mebibyte()]
}

const SECRET: [u8; 32] = [7; 32];

fn seal_share() -> Workload {
    let message = Message::from(share());
    let header = message.to_frame(&sv2::wire::Tlvs::NONE).header();
    let mut sealer = Sealer::new(CipherKey::new(SUITE, &SECRET));
    let mut out = Vec::with_capacity(128);
    let (mut theirs, their_message) = (their_client(), their_share());
    let mut encoder = NoiseEncoder::new();
    Workload {
        name: "seal",
        detail: "share, from message to bytes",
        goal_nanoseconds: 360.0,
        ours: repeat(move || {
            out.clear();
            sealer.seal_with(header, &mut out, |out| message.write(out)).expect("nonces are left");
            out.len()
        }),
        theirs: repeat(move || {
            let frame =
                MessageFrame::from_message(their_message.clone(), 0x1b, 0, true).expect("it fits");
            encoder.encode_transport(frame, theirs.encrypt_state()).expect("it fits")
        }),
    }
}

fn open_share() -> Workload {
    Workload {
        name: "open",
        detail: "share, from bytes to message",
        goal_nanoseconds: 360.0,
        ours: repeat_prepared(
            |count| {
                let frame = Message::from(share()).to_frame(&sv2::wire::Tlvs::NONE);
                (Opener::new(CipherKey::new(SUITE, &SECRET)), sealed(&frame, count))
            },
            |(opener, stream), _| {
                let frame = opener.next_frame(stream).expect("genuine").expect("whole");
                Message::decode(&frame).expect("a share")
            },
        ),
        theirs: their_open(share_frame, |frame| {
            let number = frame.header().msg_type();
            drop(Mining::try_from((number, frame.payload())).expect("a share").into_owned());
        }),
    }
}

fn open_mebibyte() -> Workload {
    fn frame() -> Frame {
        let payload = Bytes::from(vec![0x5a; 1 << 20]);
        Frame { extension_type: 0, message_type: 0x74, payload }
    }
    let mut round = 0;
    Workload {
        name: "open",
        detail: "a frame of 1 MiB",
        // 2.3 GB/s.
        goal_nanoseconds: 455_900.0,
        ours: Box::new(move |count| {
            round += 1;
            let mut took = std::time::Duration::ZERO;
            for _ in 0..count {
                let mut opener = Opener::new(CipherKey::new(SUITE, &SECRET));
                let mut stream = sealed(&frame(), 1);
                let start = std::time::Instant::now();
                let opened = opener.next_frame(&mut stream).expect("genuine").expect("whole");
                took += start.elapsed();
                assert_eq!(opened.payload.len(), 1 << 20, "round {round}");
            }
            took
        }),
        theirs: their_open(frame, |frame| assert_eq!(frame.payload().len(), 1 << 20)),
    }
}

fn share_frame() -> Frame {
    Message::from(share()).to_frame(&sv2::wire::Tlvs::NONE)
}

pub(super) fn sealed(frame: &Frame, count: u64) -> BytesMut {
    let mut sealer = Sealer::new(CipherKey::new(SUITE, &SECRET));
    let mut out = Vec::new();
    for _ in 0..count {
        let header: FrameHeader = frame.header();
        sealer.seal(header, &frame.payload, &mut out).expect("nonces are left");
    }
    BytesMut::from(&out[..])
}

/// Batches are small where frames are long: the sealed bytes are all in memory.
fn their_open(
    frame: fn() -> Frame,
    mut take: impl FnMut(&mut codec_sv2::SerializedFrame) + 'static,
) -> super::Run {
    Box::new(move |count| {
        let (mut left, mut took) = (count, std::time::Duration::ZERO);
        let frame = frame();
        let batch = if frame.payload.len() > 10_000 { 4 } else { 2000 };
        while left > 0 {
            let size = left.min(batch);
            let (mut client, mut server) = their_sessions();
            let stream: Vec<Vec<u8>> = (0..size).map(|_| client.seal(&frame)).collect();
            let mut decrypt = server.take_decrypt_state();
            let mut decoder = NoiseDecoder::new();
            let start = std::time::Instant::now();
            for sealed in &stream {
                let mut rest = &sealed[..];
                let mut opened = loop {
                    let wanted = decoder.writable();
                    let (now, later) = rest.split_at(wanted.len());
                    wanted.copy_from_slice(now);
                    rest = later;
                    match decoder.next_transport_frame(decrypt).expect("genuine") {
                        Decrypted::Frame(frame, state) => {
                            decrypt = state;
                            break frame;
                        }
                        Decrypted::Incomplete(_, state) => decrypt = state,
                    }
                };
                take(&mut opened);
            }
            took += start.elapsed();
            left -= size;
        }
        took
    })
}

pub(super) fn their_sessions() -> (TheirSession, TheirSession) {
    let keys = Keys::from_seed(1);
    let (act_1, handshake) = their_act_1(keys.their_initiator(None));
    let (act_2, server) = their_act_2(&keys, act_1);
    let transport = handshake.step_2_with_now(act_2, crate::noise::NOW).expect("their own act 2");
    (TheirSession::new(transport), server)
}

fn their_client() -> TheirSession {
    their_sessions().0
}
