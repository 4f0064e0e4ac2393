//! Rules about setting a connection up, and what was agreed there: 7, 8, 25, 31, 35
//! (spec 3.5, 3.6, 5.3.1, 6.4.1).

use sv2::common::{SetupConnection, SetupConnectionError, SetupConnectionSuccess};
use sv2::job_declaration::DECLARE_TX_DATA;
use sv2::message::Message;
use sv2::mining::setup_flag::{
    REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, REQUIRES_WORK_SELECTION, success,
};
use sv2::wire::Str255;

use super::Severity::{Chat, Error, Note, Warning};
use super::scene::{Findings, Said};
use crate::Direction;
use crate::state::connection::{Connection, SetupAnswered, Trust};

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    check_order(said, out);
    match said.message {
        Message::SetupConnection(message) => check_request(said, out, message),
        Message::SetupConnectionSuccess(message) => check_success(said, out, message),
        Message::SetupConnectionError(message) => check_error(said, out, message),
        _ => check_flags(said, out),
    }
    check_values(said, out);
}

/// `SetupConnection`, its answer, then the rest (spec 3.6.1).
fn check_order(said: &Said<'_>, out: &mut Findings<'_>) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let name = said.message.name();
    let is_setup = matches!(
        said.message,
        Message::SetupConnection(_)
            | Message::SetupConnectionSuccess(_)
            | Message::SetupConnectionError(_)
    );
    if is_setup {
        return;
    }
    match (&connection.asked, &connection.answered, said.direction) {
        (None, None, Direction::ClientToServer) if scene.trust == Trust::Known => {
            out.tell_once(scene, (7, 0), Error, || {
                format!("{name} is the first message instead of SetupConnection")
            });
        }
        (Some(asked), None, Direction::ClientToServer) => {
            out.tell_once(scene, (7, 1), Error, || {
                format!("{name} before SetupConnection has its answer")
            })
            .cause(asked.sent.number);
        }
        (_, None, Direction::ServerToClient) if scene.trust == Trust::Known => {
            out.tell_once(scene, (7, 2), Warning, || {
                format!("the server sends {name} before its answer to SetupConnection")
            });
        }
        (_, Some(SetupAnswered::Error { sent, .. }), _) => {
            out.tell_once(scene, (7, 3), Error, || {
                format!("{name} on a connection that was refused")
            })
            .cause(sent.number);
        }
        _ => {}
    }
}

fn check_request(said: &Said<'_>, out: &mut Findings<'_>, message: &SetupConnection) {
    let (scene, connection) = (said.scene, said.scene.connection);
    if let Some(first) = &connection.asked {
        out.tell(scene, 7, Error, || "a second SetupConnection".to_owned())
            .cause(first.sent.number);
    } else if connection.message_count[0] > 0 && scene.trust == Trust::Known {
        out.tell(scene, 7, Error, || "SetupConnection is not the first message".to_owned());
    }
    if message.min_version > message.max_version {
        out.tell(scene, 7, Error, || {
            format!("versions {} to {} are none", message.min_version, message.max_version)
        });
    }
    let texts = [
        ("vendor", &message.vendor),
        ("hardware_version", &message.hardware_version),
        ("firmware", &message.firmware),
    ];
    let empty: Vec<&str> = texts
        .iter()
        .filter(|(_, text)| text.as_slice().is_empty())
        .map(|(name, _)| *name)
        .collect();
    if !empty.is_empty() {
        // Only of the vendor the specification says that it is never empty.
        let severity = if empty[0] == "vendor" { Warning } else { Chat };
        out.tell(scene, 35, severity, || format!("empty: {}", empty.join(", ")));
    }
}

fn check_success(said: &Said<'_>, out: &mut Findings<'_>, message: &SetupConnectionSuccess) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let Some(asked) = &connection.asked else { return };
    let version = message.used_version;
    if !(asked.min_version..=asked.max_version).contains(&version) {
        out.tell(scene, 7, Error, || {
            let (min, max) = (asked.min_version, asked.max_version);
            format!("version {version} was not offered: {min} to {max} were")
        })
        .cause(asked.sent.number);
    }
    let is_mining = asked.protocol == 0;
    let contradicts = asked.flags & REQUIRES_VERSION_ROLLING != 0
        && message.flags & success::REQUIRES_FIXED_VERSION != 0;
    if is_mining && contradicts {
        out.tell(scene, 7, Error, || {
            "REQUIRES_FIXED_VERSION to a client that has set REQUIRES_VERSION_ROLLING: refuse it \
             instead"
                .to_owned()
        })
        .cause(asked.sent.number);
    }
}

fn check_error(said: &Said<'_>, out: &mut Findings<'_>, message: &SetupConnectionError) {
    let (scene, connection) = (said.scene, said.scene.connection);
    check_code(said, out, 8, Warning, &message.error_code);
    let Some(asked) = &connection.asked else { return };
    let is_comparable = |other: &&Connection| {
        let same = other
            .asked
            .as_ref()
            .is_some_and(|theirs| (theirs.protocol, theirs.flags) == (asked.protocol, asked.flags));
        other.id != connection.id && other.server == connection.server && same
    };
    // AMB-06: which flags are named is open; that it is the same each time is not.
    let others = scene.state.connections().rev().take(REFUSALS_COMPARED_MAX);
    let other = others.filter(is_comparable).find_map(|other| match &other.answered {
        Some(SetupAnswered::Error { sent, flags, code })
            if *flags != message.flags && code.as_bytes() == message.error_code.as_slice() =>
        {
            Some((*sent, *flags))
        }
        _ => None,
    });
    if let Some((sent, flags)) = other {
        out.tell(scene, 8, Warning, || {
            format!("flags {:#x} are refused now, {flags:#x} before", message.flags)
        })
        .cause(sent.number);
    }
}

/// What the flags of a connection exclude (spec 5.3.1, 6.4.1).
fn check_flags(said: &Said<'_>, out: &mut Findings<'_>) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let Some(asked) = &connection.asked else { return };
    let has = |flag| asked.flags & flag != 0;
    let is_breach = match said.message {
        Message::SetCustomMiningJob(_) if !has(REQUIRES_WORK_SELECTION) => {
            Some((Error, "the client has not set REQUIRES_WORK_SELECTION"))
        }
        Message::NewExtendedMiningJob(_) | Message::SetGroupChannel(_)
            if has(REQUIRES_STANDARD_JOBS) =>
        {
            Some((Error, "the client has set REQUIRES_STANDARD_JOBS"))
        }
        Message::OpenExtendedMiningChannel(_) if has(REQUIRES_STANDARD_JOBS) => {
            Some((Note, "the client has set REQUIRES_STANDARD_JOBS"))
        }
        Message::OpenStandardMiningChannel(_)
            if connection.server_flags() & success::REQUIRES_EXTENDED_CHANNELS != 0 =>
        {
            Some((Error, "the server has set REQUIRES_EXTENDED_CHANNELS"))
        }
        Message::DeclareMiningJob(_) if !has(DECLARE_TX_DATA) => {
            Some((Error, "the client has not set DECLARE_TX_DATA"))
        }
        _ => None,
    };
    if let Some((severity, why)) = is_breach {
        let cause = match &connection.answered {
            Some(SetupAnswered::Success { sent, .. }) if why.starts_with("the server") => *sent,
            _ => asked.sent,
        };
        out.tell(scene, 25, severity, || format!("{}, but {why}", said.message.name()))
            .cause(cause.number);
    }
}

/// Values that are allowed and odd.
fn check_values(said: &Said<'_>, out: &mut Findings<'_>) {
    let scene = said.scene;
    let (hash_rate, user) = match said.message {
        Message::OpenStandardMiningChannel(message) => {
            (Some(message.nominal_hash_rate), Some(&message.user_identity))
        }
        Message::OpenExtendedMiningChannel(message) => {
            (Some(message.nominal_hash_rate), Some(&message.user_identity))
        }
        Message::UpdateChannel(message) => (Some(message.nominal_hash_rate), None),
        Message::AllocateMiningJobToken(message) => (None, Some(&message.user_identifier)),
        _ => (None, None),
    };
    // Zero is what a proxy without devices has to say (spec 5.3.2).
    if let Some(rate) = hash_rate.filter(|rate| !rate.is_finite() || *rate < 0.0) {
        out.tell(scene, 31, Note, || format!("nominal_hash_rate is {rate}"));
    }
    if let Some(user) = user {
        if std::str::from_utf8(user.as_slice()).is_err() {
            out.tell(scene, 31, Note, || "the user's identity is not UTF-8".to_owned());
        } else if user.as_slice().iter().any(u8::is_ascii_control) {
            out.tell(scene, 31, Note, || "control bytes in the user's identity".to_owned());
        }
    }
    match said.message {
        Message::CloseChannel(message) => {
            check_code(said, out, 31, Note, &message.reason_code);
            let reason = &message.reason_code;
            out.tell(scene, 31, Chat, || format!("the channel is closed: {reason:?}"));
        }
        Message::Reconnect(message) if !message.new_host.as_slice().is_empty() => {
            let (host, port) = (&message.new_host, message.new_port);
            out.tell(scene, 31, Note, || {
                format!("the client is sent to another host: {host:?}, port {port}")
            });
        }
        _ => {}
    }
}

/// A code is printable ASCII, and there is one (spec 3.5).
pub(super) fn check_code(
    said: &Said<'_>,
    out: &mut Findings<'_>,
    rule: u8,
    severity: super::Severity,
    code: &Str255,
) {
    let is_printable = code.as_slice().iter().all(|byte| (0x20..0x7f).contains(byte));
    if code.as_slice().is_empty() {
        out.tell(said.scene, rule, severity, || "the code is empty".to_owned());
    } else if !is_printable {
        out.tell(said.scene, rule, severity, || format!("the code is not printable: {code:?}"));
    }
}

/// Newest connections among which an earlier refusal is looked for.
const REFUSALS_COMPARED_MAX: usize = 1024;
