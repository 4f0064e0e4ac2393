//! Rules about what does not happen, or too late: 8, 15, 18, 24, 30.

use sv2::common::{Reconnect, SetupConnectionError};
use sv2::mining::{CloseChannel, UpdateChannel};
use sv2::wire::{Str255, Target, Tlvs};
use sv2_capture::Direction::{ClientToServer, ServerToClient};
use sv2_capture::rules::Severity::{Note, Warning};

use super::Case;
use crate::talk::{
    CHANNEL, GROUP, RATE, Talk, extended_job, extended_success, open_extended, setup, text, tip,
};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 8,
        severity: Warning,
        about: "connection that stays open after it was refused",
        wrong: |talk| refused_and_waited(talk, 20_000),
        nearly: |talk| refused_and_waited(talk, 2000),
    },
    Case {
        rule: 15,
        severity: Warning,
        about: "channel without a job",
        wrong: |talk| without_job(talk, 0),
        // Who selects work brings the jobs.
        nearly: |talk| without_job(talk, 2),
    },
    Case {
        rule: 17,
        severity: Warning,
        about: "smaller maximum target that is not granted",
        wrong: |talk| updated(talk, Target::from_expected_hashes(64.0)),
        nearly: |talk| updated(talk, Target::MAX),
    },
    Case {
        rule: 18,
        severity: Warning,
        about: "channel that finds nothing",
        wrong: |talk| silent(talk, 300),
        nearly: |talk| silent(talk, 100),
    },
    Case {
        rule: 24,
        severity: Warning,
        about: "request without an answer",
        wrong: |talk| unanswered(talk, 60_000),
        nearly: |talk| unanswered(talk, 10_000),
    },
    Case {
        rule: 30,
        severity: Warning,
        about: "block that one channel hears of late",
        wrong: |talk| fan_out(talk, 1500),
        nearly: |talk| fan_out(talk, 10),
    },
    Case {
        rule: 30,
        severity: Warning,
        about: "connection broken off by the server",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.close(ServerToClient, true);
        },
        nearly: |talk| {
            *talk = Talk::mining();
            talk.server(CloseChannel { channel_id: GROUP, reason_code: text("service-ends") });
            talk.close(ServerToClient, true);
        },
    },
    Case {
        rule: 30,
        severity: Note,
        about: "first share long after its job",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.pass(6000);
            talk.share();
        },
        nearly: |talk| {
            *talk = Talk::mining();
            talk.pass(4000);
            talk.share();
        },
    },
    Case {
        rule: 30,
        severity: Note,
        about: "client that does not come back after Reconnect",
        wrong: |talk| reconnected(talk, false),
        nearly: |talk| reconnected(talk, true),
    },
];

/// Time is seen to pass by what the connection says.
fn let_pass(talk: &mut Talk, milliseconds: u64) {
    talk.pass(milliseconds);
    talk.raw(ServerToClient, 0x0004, 0, &[]);
}

fn refused_and_waited(talk: &mut Talk, milliseconds: u64) {
    talk.open(true);
    talk.client(setup(0, 0));
    let error_code = text("unsupported-feature-flags");
    talk.server(SetupConnectionError { flags: 0, error_code });
    let_pass(talk, milliseconds);
}

fn without_job(talk: &mut Talk, flags: u32) {
    *talk = Talk::set_up(flags);
    talk.open_extended(1, CHANNEL);
    let_pass(talk, 1100);
    let_pass(talk, 20_000);
}

fn updated(talk: &mut Talk, maximum_target: Target) {
    *talk = Talk::mining();
    talk.client(UpdateChannel { channel_id: CHANNEL, nominal_hash_rate: RATE, maximum_target });
    let_pass(talk, 6000);
}

/// At 1000 hashes a second and 16 hashes a share, ten shares take 160 ms: counted once a second.
fn silent(talk: &mut Talk, milliseconds: u64) {
    *talk = Talk::mining();
    if milliseconds < 200 {
        talk.pass(milliseconds);
        talk.share();
        return;
    }
    let_pass(talk, milliseconds + 1000);
}

fn unanswered(talk: &mut Talk, milliseconds: u64) {
    *talk = Talk::set_up(0);
    talk.client(open_extended(1));
    let_pass(talk, milliseconds);
}

/// Two connections to one pool; the second one hears of the second block later.
fn fan_out(talk: &mut Talk, milliseconds: u64) {
    *talk = Talk::mining();
    let id = talk.open(true);
    talk.say(id, ClientToServer, setup(0, 0), &Tlvs::NONE);
    let success = sv2::common::SetupConnectionSuccess { used_version: 2, flags: 0 };
    talk.say(id, ServerToClient, success, &Tlvs::NONE);
    talk.say(id, ClientToServer, open_extended(1), &Tlvs::NONE);
    talk.say(id, ServerToClient, extended_success(1, 7), &Tlvs::NONE);
    talk.say(id, ServerToClient, extended_job(7, 1, None), &Tlvs::NONE);
    talk.say(id, ServerToClient, tip(7, 1, 1), &Tlvs::NONE);
    talk.say(id, ServerToClient, extended_job(7, 2, None), &Tlvs::NONE);
    talk.server(extended_job(CHANNEL, 2, None));
    talk.server(tip(CHANNEL, 2, 2));
    talk.pass(milliseconds);
    talk.say(id, ServerToClient, tip(7, 2, 2), &Tlvs::NONE);
}

fn reconnected(talk: &mut Talk, comes_back: bool) {
    *talk = Talk::mining();
    talk.server(Reconnect { new_host: Str255::default(), new_port: 0 });
    if comes_back {
        talk.open(true);
    }
    let_pass(talk, 70_000);
}
