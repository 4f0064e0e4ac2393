//! Rules about channels, groups and targets: 9 to 12, 16, 17, 36.

use sv2::mining::{
    CloseChannel, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess, SetExtranoncePrefix,
    SetTarget, UpdateChannel,
};
use sv2::wire::{B32, Target, U256};
use sv2_capture::rules::Severity::{Error, Warning};

use super::Case;
use crate::talk::{
    CHANNEL, GROUP, RATE, Talk, easy_target, extended_success, open_extended, open_standard,
    standard_success, text,
};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 9,
        severity: Error,
        about: "two channels with one id",
        wrong: |talk| opened(talk, CHANNEL),
        nearly: |talk| opened(talk, CHANNEL + 1),
    },
    Case {
        rule: 9,
        severity: Error,
        about: "channel with the id of its group",
        wrong: |talk| opened(talk, GROUP),
        nearly: |talk| opened(talk, GROUP + 1),
    },
    Case {
        rule: 10,
        severity: Error,
        about: "target for a channel that was never opened",
        wrong: |talk| target_for(talk, 77),
        nearly: |talk| target_for(talk, GROUP),
    },
    Case {
        rule: 10,
        severity: Error,
        about: "share long after the channel was closed",
        wrong: |talk| share_after_close(talk, 5000),
        nearly: |talk| share_after_close(talk, 50),
    },
    Case {
        rule: 11,
        severity: Error,
        about: "members of a group with different sizes",
        wrong: |talk| group_with(talk, 9),
        nearly: |talk| group_with(talk, 8),
    },
    Case {
        rule: 11,
        severity: Error,
        about: "new prefix of another length",
        wrong: |talk| prefix(talk, &[1, 2, 3]),
        nearly: |talk| prefix(talk, &[1, 2, 3, 4]),
    },
    Case {
        rule: 12,
        severity: Warning,
        about: "less extranonce than was asked for",
        wrong: |talk| granted(talk, 8, 6),
        nearly: |talk| granted(talk, 8, 8),
    },
    Case {
        rule: 12,
        severity: Warning,
        about: "no extranonce for who needs one byte",
        wrong: |talk| granted(talk, 1, 0),
        // A proxy that relays its devices' channels needs none.
        nearly: |talk| granted(talk, 0, 0),
    },
    Case {
        rule: 16,
        severity: Error,
        about: "target of zero",
        wrong: |talk| set_target(talk, Target(U256::ZERO)),
        nearly: |talk| set_target(talk, easy_target()),
    },
    Case {
        rule: 16,
        severity: Error,
        about: "target with its bytes reversed",
        wrong: |talk| set_target(talk, reversed(usual_target())),
        nearly: |talk| set_target(talk, usual_target()),
    },
    Case {
        rule: 16,
        severity: Error,
        about: "target easier than was asked for",
        wrong: |talk| max_target(talk, Target::from_expected_hashes(8.0)),
        nearly: |talk| max_target(talk, easy_target()),
    },
    Case {
        rule: 17,
        severity: Warning,
        about: "target that swings",
        wrong: |talk| targets(talk, &[10.0, 100.0, 10.0, 100.0, 10.0, 100.0]),
        nearly: |talk| targets(talk, &[10.0, 20.0, 40.0, 80.0, 160.0, 320.0]),
    },
    Case {
        rule: 36,
        severity: Warning,
        about: "share that takes hours",
        wrong: |talk| priced(talk, 3.0 * 3600.0),
        nearly: |talk| priced(talk, 10.0),
    },
];

fn opened(talk: &mut Talk, id: u32) {
    *talk = Talk::mining();
    talk.open_extended(2, id);
}

fn target_for(talk: &mut Talk, channel_id: u32) {
    *talk = Talk::mining();
    talk.server(SetTarget { channel_id, maximum_target: easy_target() });
}

fn share_after_close(talk: &mut Talk, milliseconds: u64) {
    *talk = Talk::mining();
    talk.server(CloseChannel { channel_id: CHANNEL, reason_code: text("service-ends") });
    talk.pass(milliseconds);
    talk.share();
}

fn group_with(talk: &mut Talk, size: u16) {
    *talk = Talk::mining();
    talk.client(open_extended(2));
    talk.server(OpenExtendedMiningChannelSuccess {
        extranonce_size: size,
        ..extended_success(2, 2)
    });
}

fn prefix(talk: &mut Talk, prefix: &[u8]) {
    *talk = Talk::mining();
    let extranonce_prefix = B32::new(prefix).unwrap();
    talk.server(SetExtranoncePrefix { channel_id: CHANNEL, extranonce_prefix });
}

fn granted(talk: &mut Talk, asked: u16, granted: u16) {
    *talk = Talk::set_up(0);
    talk.client(OpenExtendedMiningChannel { min_extranonce_size: asked, ..open_extended(1) });
    talk.server(OpenExtendedMiningChannelSuccess {
        extranonce_size: granted,
        ..extended_success(1, CHANNEL)
    });
}

/// Ten shares a minute of a device.
fn usual_target() -> Target {
    Target::from_hash_rate(1e14, 10.0)
}

fn reversed(target: Target) -> Target {
    let mut bytes = target.0.to_be_bytes();
    bytes.reverse();
    Target(U256::from_be_bytes(bytes))
}

fn set_target(talk: &mut Talk, target: Target) {
    *talk = Talk::set_up(0);
    talk.client(OpenExtendedMiningChannel { nominal_hash_rate: 1e14, ..open_extended(1) });
    talk.server(OpenExtendedMiningChannelSuccess { target, ..extended_success(1, CHANNEL) });
}

fn max_target(talk: &mut Talk, target: Target) {
    *talk = Talk::set_up(0);
    talk.client(OpenExtendedMiningChannel { max_target: easy_target(), ..open_extended(1) });
    talk.server(OpenExtendedMiningChannelSuccess {
        target: easy_target(),
        ..extended_success(1, CHANNEL)
    });
    talk.pass(5000);
    let (channel_id, nominal_hash_rate) = (CHANNEL, RATE);
    talk.client(UpdateChannel { channel_id, nominal_hash_rate, maximum_target: easy_target() });
    talk.pass(5000);
    talk.server(SetTarget { channel_id, maximum_target: target });
}

fn targets(talk: &mut Talk, hashes: &[f64]) {
    *talk = Talk::mining();
    for hashes in hashes {
        let maximum_target = Target::from_expected_hashes(*hashes);
        talk.server(SetTarget { channel_id: CHANNEL, maximum_target });
    }
}

fn priced(talk: &mut Talk, seconds: f64) {
    *talk = Talk::set_up(0);
    talk.client(open_standard(1));
    let target = Target::from_expected_hashes(f64::from(RATE) * seconds);
    let success = standard_success(1, CHANNEL);
    talk.server(sv2::mining::OpenStandardMiningChannelSuccess { target, ..success });
}
