//! Rules about frames, Noise and extensions: 1 to 6, 32, 34.

use bytes::Bytes;
use sv2::message::Message;
use sv2::mining::CloseChannel;
use sv2::noise::Certificate;
use sv2::wire::{Frame, Tlv, TlvOrder, Tlvs};
use sv2_capture::observed::{CertificateSeen, HandshakeSeen, SessionKey};
use sv2_capture::rules::Severity::{Error, Note, Warning};
use sv2_capture::{Direction, Integrity, What};

use super::Case;
use crate::talk::{CHANNEL, MINER, START, Talk, easy_target, good_handshake, setup, text, tip};
use Direction::{ClientToServer, ServerToClient};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 1,
        severity: Error,
        about: "wrong MAC",
        wrong: |talk| with_integrity(talk, Integrity::Bad),
        nearly: |talk| with_integrity(talk, Integrity::Unverified),
    },
    Case {
        rule: 1,
        severity: Error,
        about: "key of another session",
        wrong: |talk| with_key(talk, SessionKey::DoesNotFit),
        nearly: |talk| with_key(talk, SessionKey::Fits),
    },
    Case {
        rule: 1,
        severity: Note,
        about: "no key",
        wrong: |talk| with_key(talk, SessionKey::Missing),
        nearly: |talk| with_key(talk, SessionKey::Fits),
    },
    Case {
        rule: 2,
        severity: Error,
        about: "setup success of 5000 bytes",
        wrong: |talk| {
            set_up_with_trailing(talk, 5000);
        },
        nearly: |talk| {
            set_up_with_trailing(talk, 15);
        },
    },
    Case {
        rule: 2,
        severity: Warning,
        about: "gap without resynchronisation",
        wrong: |talk| gap(talk, false),
        nearly: |talk| gap(talk, true),
    },
    Case {
        rule: 3,
        severity: Error,
        about: "short payload",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.raw(ServerToClient, 0x8000, 0x21, &[1, 0, 0, 0, 7]);
        },
        nearly: |talk| {
            *talk = Talk::mining();
            let whole = [&CHANNEL.to_le_bytes()[..], easy_target().0.as_le_bytes()].concat();
            talk.raw(ServerToClient, 0x8000, 0x21, &whole);
        },
    },
    Case {
        rule: 3,
        severity: Warning,
        about: "trailing bytes that are no TLV",
        wrong: |talk| share_with(talk, Tlvs::from_bytes(Bytes::from_static(&[1, 2, 3]))),
        nearly: |talk| share_with(talk, worker(TlvOrder::LittleEndian)),
    },
    Case {
        rule: 4,
        severity: Warning,
        about: "server message from the client",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.client(tip(CHANNEL, 1, 1));
        },
        nearly: |talk| {
            *talk = Talk::mining();
            let reason_code = text("done");
            talk.client(CloseChannel { channel_id: CHANNEL, reason_code });
        },
    },
    Case {
        rule: 4,
        severity: Warning,
        about: "message 0x1e, which is reserved",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.raw(ServerToClient, 0x8000, 0x1e, &[1, 0, 0, 0]);
        },
        nearly: |talk| *talk = Talk::mining(),
    },
    Case {
        rule: 5,
        severity: Error,
        about: "channel bit clear on SetTarget",
        wrong: |talk| set_target_with(talk, 0),
        nearly: |talk| set_target_with(talk, 0x8000),
    },
    Case {
        rule: 5,
        severity: Warning,
        about: "channel bit of an older revision on NewMiningJob",
        wrong: |talk| standard_job_with(talk, 0),
        nearly: |talk| standard_job_with(talk, 0x8000),
    },
    Case {
        rule: 6,
        severity: Error,
        about: "act 2 of 170 bytes",
        wrong: |talk| {
            talk.open(true);
            talk.handshake(HandshakeSeen { act_2_len: 170, ..good_handshake() });
        },
        nearly: |talk| {
            talk.open(true);
            talk.handshake(good_handshake());
        },
    },
    Case {
        rule: 6,
        severity: Error,
        about: "certificate of the future",
        wrong: |talk| with_certificate(talk, START + 60),
        nearly: |talk| with_certificate(talk, START + 6),
    },
    Case {
        rule: 32,
        severity: Note,
        about: "big-endian TLV",
        wrong: |talk| share_with(talk, worker(TlvOrder::BigEndian)),
        nearly: |talk| share_with(talk, worker(TlvOrder::LittleEndian)),
    },
    Case {
        rule: 34,
        severity: Note,
        about: "experimental extension",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.raw(ClientToServer, 0x4001, 0, &[]);
        },
        nearly: |talk| *talk = Talk::mining(),
    },
];

fn with_integrity(talk: &mut Talk, integrity: Integrity) {
    talk.open(true);
    let frame = Message::from(setup(0, 0)).to_frame(&Tlvs::NONE);
    talk.observe(MINER, What::Frame { direction: ClientToServer, frame: &frame, integrity });
}

fn with_key(talk: &mut Talk, key: SessionKey) {
    talk.open(true);
    talk.handshake(HandshakeSeen { key, ..good_handshake() });
}

fn set_up_with_trailing(talk: &mut Talk, len: usize) {
    talk.open(true);
    talk.client(setup(0, 0));
    // One TLV that fills the rest.
    let value = u16::try_from(len - 5).unwrap();
    let tlv = [&[9, 0x40, 1][..], &value.to_le_bytes(), &vec![0; len - 5]].concat();
    let payload = [&[2, 0, 0, 0, 0, 0][..], &tlv].concat();
    talk.raw(ServerToClient, 0, 1, &payload);
}

fn gap(talk: &mut Talk, resynced: bool) {
    *talk = Talk::mining();
    talk.observe(MINER, What::Gap { direction: ServerToClient, len: 1460, resynced });
    // Both are silent about what may have been said meanwhile.
    talk.server(tip(CHANNEL, 9, 2));
}

fn worker(order: TlvOrder) -> Tlvs {
    let value = Bytes::from_static(b"rack4");
    Tlvs::encode(&[Tlv { extension: 2, field: 1, value }], order)
}

fn share_with(talk: &mut Talk, tlvs: Tlvs) {
    *talk = Talk::mining();
    let share = talk.good_share(&easy_target());
    talk.say(MINER, ClientToServer, share, &tlvs);
}

fn set_target_with(talk: &mut Talk, extension: u16) {
    *talk = Talk::mining();
    let whole = [&CHANNEL.to_le_bytes()[..], easy_target().0.as_le_bytes()].concat();
    talk.raw(ServerToClient, extension, 0x21, &whole);
}

fn standard_job_with(talk: &mut Talk, extension: u16) {
    *talk = Talk::mining_standard();
    let job = Message::from(crate::talk::standard_job(CHANNEL, 2, None));
    let frame = Frame { extension_type: extension, ..job.to_frame(&Tlvs::NONE) };
    talk.frame(MINER, ServerToClient, &frame);
}

fn with_certificate(talk: &mut Talk, valid_from: u32) {
    talk.open(true);
    let certificate =
        Certificate { version: 0, valid_from, not_valid_after: START + 3600, signature: [1; 64] };
    let certificate = CertificateSeen { certificate, static_x: [2; 32], is_signed: Some(true) };
    talk.handshake(HandshakeSeen { certificate: Some(certificate), ..good_handshake() });
}
