//! Rules about setting up, requests and flags: 7, 8, 24, 25, 31, 35.

use sv2::common::{SetupConnection, SetupConnectionError, SetupConnectionSuccess};
use sv2::mining::OpenMiningChannelError;
use sv2::wire::Str255;
use sv2_capture::Direction;
use sv2_capture::rules::Severity::{Error, Note, Warning};

use super::Case;
use crate::talk::{CHANNEL, Talk, extended_success, open_extended, setup, text};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 7,
        severity: Error,
        about: "a channel is opened first",
        wrong: |talk| {
            talk.open(true);
            talk.client(open_extended(1));
        },
        nearly: |talk| {
            // In the middle of a connection: it was set up before the capture.
            talk.open(false);
            talk.client(open_extended(1));
        },
    },
    Case {
        rule: 7,
        severity: Error,
        about: "second SetupConnection",
        wrong: |talk| {
            *talk = Talk::set_up(0);
            talk.client(setup(0, 0));
        },
        nearly: |talk| *talk = Talk::set_up(0),
    },
    Case {
        rule: 7,
        severity: Error,
        about: "version that was not offered",
        wrong: |talk| answered(talk, 0, SetupConnectionSuccess { used_version: 3, flags: 0 }),
        nearly: |talk| answered(talk, 0, SetupConnectionSuccess { used_version: 2, flags: 0 }),
    },
    Case {
        rule: 7,
        severity: Error,
        about: "fixed version for who rolls versions",
        wrong: |talk| answered(talk, 4, SetupConnectionSuccess { used_version: 2, flags: 1 }),
        // Bit 2 of the answer has no meaning.
        nearly: |talk| answered(talk, 4, SetupConnectionSuccess { used_version: 2, flags: 4 }),
    },
    Case {
        rule: 8,
        severity: Warning,
        about: "other flags are refused the second time",
        wrong: |talk| refused_twice(talk, [2, 1]),
        nearly: |talk| refused_twice(talk, [2, 2]),
    },
    Case {
        rule: 8,
        severity: Warning,
        about: "refusal without a code",
        wrong: |talk| refused(talk, Str255::default()),
        nearly: |talk| refused(talk, text("unsupported-feature-flags")),
    },
    Case {
        rule: 24,
        severity: Warning,
        about: "answer to nobody",
        wrong: |talk| {
            *talk = Talk::set_up(0);
            talk.client(open_extended(1));
            talk.server(extended_success(2, CHANNEL));
        },
        nearly: |talk| {
            *talk = Talk::set_up(0);
            talk.open_extended(2, CHANNEL);
        },
    },
    Case {
        rule: 24,
        severity: Warning,
        about: "two answers",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.server(OpenMiningChannelError { request_id: 1, error_code: text("no") });
        },
        nearly: |talk| {
            *talk = Talk::mining();
            talk.client(open_extended(2));
            talk.server(OpenMiningChannelError { request_id: 2, error_code: text("no") });
        },
    },
    Case {
        rule: 24,
        severity: Warning,
        about: "request id used again before its answer",
        wrong: |talk| opened_with(talk, [1, 1]),
        nearly: |talk| opened_with(talk, [1, 2]),
    },
    Case {
        rule: 25,
        severity: Error,
        about: "extended job for who requires standard jobs",
        wrong: |talk| {
            *talk = Talk::mining_standard();
            talk.server(crate::talk::extended_job(100, 2, None));
        },
        nearly: |talk| {
            *talk = Talk::mining();
            talk.server(crate::talk::extended_job(100, 2, None));
        },
    },
    Case {
        rule: 31,
        severity: Note,
        about: "hash rate that is no number",
        wrong: |talk| {
            *talk = Talk::set_up(0);
            let nominal_hash_rate = f32::NAN;
            let open =
                sv2::mining::OpenExtendedMiningChannel { nominal_hash_rate, ..open_extended(1) };
            talk.client(open);
        },
        nearly: |talk| {
            *talk = Talk::set_up(0);
            // A proxy without devices.
            let nominal_hash_rate = 0.0;
            let open =
                sv2::mining::OpenExtendedMiningChannel { nominal_hash_rate, ..open_extended(1) };
            talk.client(open);
        },
    },
    Case {
        rule: 35,
        severity: Warning,
        about: "empty vendor",
        wrong: |talk| {
            talk.open(true);
            talk.client(SetupConnection { vendor: Str255::default(), ..setup(0, 0) });
        },
        nearly: |talk| {
            talk.open(true);
            talk.client(SetupConnection { firmware: Str255::default(), ..setup(0, 0) });
        },
    },
];

fn answered(talk: &mut Talk, flags: u32, success: SetupConnectionSuccess) {
    talk.open(true);
    talk.client(setup(0, flags));
    talk.server(success);
}

fn refused(talk: &mut Talk, error_code: Str255) {
    talk.open(true);
    talk.client(setup(0, 0));
    talk.server(SetupConnectionError { flags: 0, error_code });
    talk.close(Direction::ServerToClient, false);
}

fn refused_twice(talk: &mut Talk, flags: [u32; 2]) {
    use sv2::message::Message;
    use sv2::wire::Tlvs;
    for flags in flags {
        let id = talk.open(true);
        talk.say(id, Direction::ClientToServer, setup(0, 3), &Tlvs::NONE);
        let error_code = text("unsupported-feature-flags");
        let error = Message::from(SetupConnectionError { flags, error_code });
        talk.say(id, Direction::ServerToClient, error, &Tlvs::NONE);
    }
}

fn opened_with(talk: &mut Talk, ids: [u32; 2]) {
    *talk = Talk::set_up(0);
    ids.into_iter().for_each(|id| talk.client(open_extended(id)));
}
