//! Rules about shares and their verdicts: 19 to 23, 33.

use bytes::Bytes;
use sv2::mining::{
    NewExtendedMiningJob, SubmitSharesError, SubmitSharesExtended, SubmitSharesStandard,
};
use sv2::wire::{B32, Target, Tlv, TlvOrder, Tlvs};
use sv2_capture::Direction::ClientToServer;
use sv2_capture::rules::Severity::{Chat, Error, Note, Warning};

use super::Case;
use crate::talk::{CHANNEL, GROUP, MINER, START, Talk, easy_target, extended_job, text, tip};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 19,
        severity: Error,
        about: "share for a job that was never given",
        wrong: |talk| share_with(talk, |share| share.job_id = 9),
        nearly: |talk| share_with(talk, |_| {}),
    },
    Case {
        rule: 19,
        severity: Error,
        about: "share for a future job",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.server(extended_job(CHANNEL, 2, None));
            let share = talk.good_share(&easy_target());
            talk.client(SubmitSharesExtended { job_id: 2, ..share });
        },
        nearly: |talk| {
            *talk = Talk::mining();
            talk.server(extended_job(CHANNEL, 2, None));
            talk.share();
        },
    },
    Case {
        rule: 19,
        severity: Error,
        about: "share for a job that is void for seconds",
        wrong: |talk| after_block(talk, CHANNEL, 3000),
        nearly: |talk| after_block(talk, CHANNEL, 100),
    },
    Case {
        rule: 19,
        severity: Note,
        about: "share that a block has overtaken",
        wrong: |talk| after_block(talk, CHANNEL, 100),
        nearly: |talk| share_with(talk, |_| {}),
    },
    Case {
        rule: 19,
        severity: Error,
        about: "share for a job that the group's block has made void",
        wrong: |talk| after_block(talk, GROUP, 3000),
        nearly: |talk| after_block(talk, GROUP, 100),
    },
    Case {
        rule: 20,
        severity: Error,
        about: "header time before the block's",
        wrong: |talk| share_with(talk, |share| share.ntime = START - 1),
        // Ahead of the clock, within consensus.
        nearly: |talk| share_with(talk, |share| share.ntime = START + 7000),
    },
    Case {
        rule: 20,
        severity: Error,
        about: "header time beyond consensus",
        wrong: |talk| share_with(talk, |share| share.ntime = START + 8000),
        nearly: |talk| share_with(talk, |share| share.ntime = START),
    },
    Case {
        rule: 20,
        severity: Error,
        about: "version bits outside of the mask",
        wrong: |talk| share_with(talk, |share| share.version |= 1),
        // BIP 323 has 24 bits, BIP 320 had 16.
        nearly: |talk| share_with(talk, |share| share.version |= 0x20),
    },
    Case {
        rule: 20,
        severity: Error,
        about: "version rolled where it is fixed",
        wrong: |talk| fixed_version(talk, 0x2000_2000),
        nearly: |talk| fixed_version(talk, 0x2000_0000),
    },
    Case {
        rule: 20,
        severity: Error,
        about: "extranonce one byte short",
        wrong: |talk| share_with(talk, |share| share.extranonce = B32::new(&[7; 7]).unwrap()),
        nearly: |talk| share_with(talk, |_| {}),
    },
    Case {
        rule: 20,
        severity: Error,
        about: "worker's name of 33 bytes",
        wrong: |talk| named(talk, &[b'a'; 33]),
        nearly: |talk| named(talk, &[b'a'; 32]),
    },
    Case {
        rule: 21,
        severity: Warning,
        about: "share above its target",
        wrong: |talk| {
            *talk = Talk::mining();
            let share = talk.bad_share();
            talk.client(share);
        },
        nearly: |talk| share_with(talk, |_| {}),
    },
    Case {
        rule: 21,
        severity: Warning,
        about: "good share refused",
        wrong: |talk| refused(talk, "difficulty-too-low"),
        // A block was on its way.
        nearly: |talk| refused(talk, "stale-share"),
    },
    Case {
        rule: 21,
        severity: Warning,
        about: "share above its target accepted",
        wrong: |talk| {
            *talk = Talk::mining();
            let share = talk.bad_share();
            talk.client(share.clone());
            talk.accept(share.sequence_number, 1, 0);
        },
        nearly: |talk| {
            *talk = Talk::mining();
            let number = talk.share();
            talk.accept(number, 1, 0);
        },
    },
    Case {
        rule: 21,
        severity: Warning,
        about: "target that holds for jobs to come only",
        // The job keeps its target: a harder one makes no difference, an easier one neither.
        wrong: |talk| {
            *talk = Talk::mining();
            set_target(talk, Target::MAX);
            let share = talk.bad_share();
            talk.client(share);
        },
        nearly: |talk| {
            *talk = Talk::mining();
            set_target(talk, Target::from_expected_hashes(1e9));
            talk.share();
        },
    },
    Case {
        rule: 22,
        severity: Warning,
        about: "share sent twice",
        wrong: |talk| sent_twice(talk, 0),
        nearly: |talk| sent_twice(talk, 1),
    },
    Case {
        rule: 22,
        severity: Error,
        about: "share paid twice",
        wrong: |talk| {
            sent_twice(talk, 0);
            talk.accept(2, 2, 0);
        },
        nearly: |talk| {
            sent_twice(talk, 0);
            talk.accept(1, 1, 0);
        },
    },
    Case {
        rule: 22,
        severity: Warning,
        about: "sequence number used again",
        wrong: |talk| numbered(talk, 1),
        nearly: |talk| numbered(talk, 2),
    },
    Case {
        rule: 23,
        severity: Warning,
        about: "more shares acknowledged than were sent",
        wrong: |talk| acknowledged(talk, 2, 3, 0),
        nearly: |talk| acknowledged(talk, 2, 2, 0),
    },
    Case {
        rule: 23,
        severity: Warning,
        about: "sequence number that was never sent",
        wrong: |talk| acknowledged(talk, 9, 1, 0),
        nearly: |talk| acknowledged(talk, 1, 1, 0),
    },
    Case {
        rule: 23,
        severity: Warning,
        about: "sum of difficulties that does not add up",
        wrong: |talk| acknowledged(talk, 2, 2, 1000),
        nearly: |talk| acknowledged(talk, 2, 2, 0),
    },
    Case {
        rule: 33,
        severity: Chat,
        about: "share refused",
        wrong: |talk| refused(talk, "stale-share"),
        nearly: |talk| share_with(talk, |_| {}),
    },
];

fn share_with(talk: &mut Talk, change: fn(&mut SubmitSharesExtended)) {
    *talk = Talk::mining();
    let mut share = talk.good_share(&easy_target());
    change(&mut share);
    talk.client(share);
}

fn after_block(talk: &mut Talk, told: u32, milliseconds: u64) {
    *talk = Talk::mining();
    talk.server(extended_job(told, 2, None));
    talk.server(tip(told, 2, 2));
    talk.pass(milliseconds);
    talk.share();
}

fn fixed_version(talk: &mut Talk, version: u32) {
    *talk = Talk::set_up(0);
    talk.open_extended(1, CHANNEL);
    let job = extended_job(CHANNEL, 1, None);
    talk.server(NewExtendedMiningJob { version_rolling_allowed: false, ..job });
    talk.server(tip(CHANNEL, 1, 1));
    let share = talk.good_share(&easy_target());
    talk.client(SubmitSharesExtended { version, ..share });
}

fn named(talk: &mut Talk, name: &'static [u8]) {
    *talk = Talk::mining();
    let tlv = Tlv { extension: 2, field: 1, value: Bytes::from_static(name) };
    let tlvs = Tlvs::encode(&[tlv], TlvOrder::LittleEndian);
    let share = talk.good_share(&easy_target());
    talk.say(MINER, ClientToServer, share, &tlvs);
}

fn refused(talk: &mut Talk, code: &'static str) {
    *talk = Talk::mining();
    let sequence_number = talk.share();
    let error_code = text(code);
    talk.server(SubmitSharesError { channel_id: CHANNEL, sequence_number, error_code });
}

fn set_target(talk: &mut Talk, maximum_target: Target) {
    talk.server(sv2::mining::SetTarget { channel_id: CHANNEL, maximum_target });
}

/// The same share, or the next one, under the next number; on a standard channel.
fn sent_twice(talk: &mut Talk, difference: u32) {
    *talk = Talk::mining_standard();
    let first = talk.standard_share();
    talk.client(first.clone());
    let second = if difference == 0 { first } else { talk.standard_share() };
    talk.client(SubmitSharesStandard { sequence_number: 2, ..second });
}

fn numbered(talk: &mut Talk, second: u32) {
    *talk = Talk::mining();
    talk.share();
    let share = talk.good_share(&easy_target());
    talk.client(SubmitSharesExtended { sequence_number: second, ..share });
}

/// Two good shares, and an acknowledgement.
fn acknowledged(talk: &mut Talk, last: u32, count: u32, sum: u64) {
    *talk = Talk::mining();
    talk.share();
    talk.share();
    talk.accept(last, count, sum);
}
