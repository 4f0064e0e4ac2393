//! Shares: validation alone, and the whole way through a server.

use bytes::BytesMut;
use codec_sv2::{Decrypted, MessageFrame, NoiseDecoder, NoiseEncoder, TransportDecryptState};
use parsers_sv2::{Mining, MiningOwned};
use sv2::message::Message;
use sv2::mining::channel::ChannelKind;
use sv2::mining::{SubmitSharesExtended, SubmitSharesStandard, SubmitSharesSuccess};
use sv2::noise::{CipherKey, Opener, Sealer};
use sv2::wire::{B32, FrameHeader, Target, Tlvs};

use super::frames::their_sessions;
use super::{Workload, repeat_prepared};
use crate::noise::{SUITE, TheirSession};
use crate::shares::{
    MIN_NTIME, NOW, Pair, Setup, TheirChannel, VERSION, standard, their_extended, their_standard,
};

pub(super) fn all() -> Vec<Workload> {
    vec![
        validate("standard share", 160.0, ChannelKind::Standard, 0),
        validate("extended share, 12 branches", 1_800.0, ChannelKind::Extended, 12),
        server_path(),
    ]
}

fn pair(kind: ChannelKind, path_len: u8) -> Pair {
    Pair::new(Setup { kind, target: Target::MAX, version_rolling_allowed: true, path_len })
}

/// All different, all good.
fn share(index: u32) -> SubmitSharesExtended {
    SubmitSharesExtended {
        channel_id: 1,
        sequence_number: index,
        job_id: 1,
        nonce: index,
        ntime: MIN_NTIME,
        version: VERSION,
        extranonce: B32::new(&u128::from(index).to_le_bytes()).expect("16 bytes"),
    }
}

fn validate(
    detail: &'static str,
    goal_nanoseconds: f64,
    kind: ChannelKind,
    path_len: u8,
) -> Workload {
    let shares = |count: u64| (0..count as u32).map(share);
    let (ours, theirs): (super::Run, super::Run) = match kind {
        ChannelKind::Standard => (
            repeat_prepared(
                move |count| {
                    (pair(kind, path_len), shares(count).map(|share| standard(&share)).collect())
                },
                |(pair, shares): &mut (Pair, Vec<SubmitSharesStandard>), index| {
                    pair.ours.judge_standard(&shares[index], &pair.tip, NOW).expect("accepted")
                },
            ),
            repeat_prepared(
                move |count| {
                    let shares = shares(count).map(|share| their_standard(&standard(&share)));
                    (pair(kind, path_len), shares.map(Some).collect())
                },
                |(pair, shares): &mut (Pair, Vec<Option<_>>), index| {
                    let TheirChannel::Standard(channel) = &mut pair.theirs else {
                        panic!("standard")
                    };
                    channel.validate_share(shares[index].take().expect("once")).expect("accepted")
                },
            ),
        ),
        ChannelKind::Extended => (
            repeat_prepared(
                move |count| (pair(kind, path_len), shares(count).collect()),
                |(pair, shares): &mut (Pair, Vec<SubmitSharesExtended>), index| {
                    pair.ours.judge_extended(&shares[index], &pair.tip, NOW).expect("accepted")
                },
            ),
            repeat_prepared(
                move |count| {
                    let shares = shares(count).map(|share| Some(their_extended(&share)));
                    (pair(kind, path_len), shares.collect())
                },
                |(pair, shares): &mut (Pair, Vec<Option<_>>), index| {
                    let TheirChannel::Extended(channel) = &mut pair.theirs else {
                        panic!("extended")
                    };
                    channel.validate_share(shares[index].take().expect("once")).expect("accepted")
                },
            ),
        ),
    };
    Workload { name: "validate", detail, goal_nanoseconds, ours, theirs }
}

/// A sealed share comes in, a sealed SubmitShares.Success goes out; sockets and everything
/// above are left out on both sides.
fn server_path() -> Workload {
    Workload {
        name: "server",
        detail: "standard share: opened, validated, answered",
        goal_nanoseconds: 1_200.0,
        ours: repeat_prepared(our_server, |server, _| server.serve()),
        theirs: repeat_prepared(their_server, |server, index| server.serve(index)),
    }
}

struct OurServer {
    pair: Pair,
    opener: Opener,
    sealer: Sealer,
    stream: BytesMut,
    out: Vec<u8>,
}

fn our_server(count: u64) -> OurServer {
    let key = || CipherKey::new(SUITE, &[7; 32]);
    let (mut client, mut stream) = (Sealer::new(key()), Vec::new());
    for index in 0..count as u32 {
        let frame = Message::from(standard(&share(index))).to_frame(&Tlvs::NONE);
        client.seal(frame.header(), &frame.payload, &mut stream).expect("nonces are left");
    }
    OurServer {
        pair: pair(ChannelKind::Standard, 0),
        opener: Opener::new(key()),
        sealer: Sealer::new(key()),
        stream: BytesMut::from(&stream[..]),
        out: Vec::with_capacity(128),
    }
}

impl OurServer {
    fn serve(&mut self) -> usize {
        let frame = self.opener.next_frame(&mut self.stream).expect("genuine").expect("whole");
        let message = Message::decode(&frame).expect("a message").message;
        let Message::SubmitSharesStandard(share) = message else { panic!("a share") };
        let Pair { ours, tip, .. } = &mut self.pair;
        let accepted = ours.judge_standard(&share, tip, NOW).expect("accepted");
        ours.batch.add(share.sequence_number, accepted.difficulty);
        let answer: SubmitSharesSuccess = ours.batch.acknowledge(1).expect("one share");
        let answer = Message::from(answer);
        let header = FrameHeader {
            extension_type: answer.descriptor().extension_type(),
            message_type: answer.descriptor().number,
            payload_len: answer.wire_len() as u32,
        };
        self.out.clear();
        self.sealer
            .seal_with(header, &mut self.out, |out| answer.write(out))
            .expect("nonces are left");
        self.out.len()
    }
}

struct TheirServer {
    pair: Pair,
    session: TheirSession,
    decrypt: Option<TransportDecryptState>,
    decoder: NoiseDecoder,
    encoder: NoiseEncoder,
    stream: Vec<Vec<u8>>,
}

fn their_server(count: u64) -> TheirServer {
    let (mut client, mut session) = their_sessions();
    let stream = (0..count as u32)
        .map(|index| client.seal(&Message::from(standard(&share(index))).to_frame(&Tlvs::NONE)))
        .collect();
    TheirServer {
        pair: pair(ChannelKind::Standard, 0),
        decrypt: Some(session.take_decrypt_state()),
        session,
        decoder: NoiseDecoder::new(),
        encoder: NoiseEncoder::new(),
        stream,
    }
}

impl TheirServer {
    fn serve(&mut self, index: usize) -> usize {
        let mut rest = &self.stream[index][..];
        let mut frame = loop {
            let wanted = self.decoder.writable();
            let (now, later) = rest.split_at(wanted.len());
            wanted.copy_from_slice(now);
            rest = later;
            let decrypt = self.decrypt.take().expect("given back");
            match self.decoder.next_transport_frame(decrypt).expect("genuine") {
                Decrypted::Frame(frame, decrypt) => {
                    self.decrypt = Some(decrypt);
                    break frame;
                }
                Decrypted::Incomplete(_, decrypt) => self.decrypt = Some(decrypt),
            }
        };
        let number = frame.header().msg_type();
        let message = Mining::try_from((number, frame.payload())).expect("a message").into_owned();
        let MiningOwned::SubmitSharesStandard(share) = message else { panic!("a share") };
        let TheirChannel::Standard(channel) = &mut self.pair.theirs else { panic!("standard") };
        channel.validate_share(share).expect("accepted");
        let accounting = channel.get_share_accounting();
        let answer = mining_sv2::SubmitSharesSuccessOwned {
            channel_id: 1,
            last_sequence_number: accounting.get_last_share_sequence_number(),
            new_submits_accepted_count: accounting.get_last_batch_accepted(),
            new_shares_sum: accounting.get_last_batch_work_sum(),
        };
        let frame = MessageFrame::from_message(answer, 0x1c, 0, true).expect("it fits");
        self.encoder.encode_transport(frame, self.session.encrypt_state()).expect("it fits").len()
    }
}
