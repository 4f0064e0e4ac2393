//! Rules about channels and groups: 9, 10, 11, 12 (spec 5.2, 5.3.2 to 5.3.10).

use sv2::message::Message;
use sv2::mining::SetGroupChannel;
use sv2::mining::setup_flag::{REQUIRES_STANDARD_JOBS, REQUIRES_WORK_SELECTION};

use super::Severity::{Chat, Error, Note, Warning};
use super::scene::{Findings, Said};
use crate::state::connection::Trust;
use crate::state::request::{Detail, OpenRequest, RequestKind};

/// How long after a close what was already on its way may arrive, in nanoseconds.
const CLOSE_RACE: u64 = 2_000_000_000;

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    match said.message {
        Message::OpenStandardMiningChannelSuccess(message) => {
            let size = message.extranonce_prefix.as_slice().len();
            check_open(said, out, message.channel_id, message.group_channel_id, size);
        }
        Message::OpenExtendedMiningChannelSuccess(message) => {
            let rolled = usize::from(message.extranonce_size);
            let size = message.extranonce_prefix.as_slice().len() + rolled;
            check_open(said, out, message.channel_id, message.group_channel_id, size);
            check_granted(said, out, message.request_id, message.extranonce_size);
        }
        Message::SetGroupChannel(message) => check_group(said, out, message),
        Message::SetExtranoncePrefix(message) => {
            check_known(said, out, false);
            let Some(channel) = said.scene.connection.channels.get(&message.channel_id) else {
                return;
            };
            let (old, new) = (channel.extranonce_prefix.now(), &message.extranonce_prefix);
            let (old, new) = (old.as_slice().len(), new.as_slice().len());
            if old != new {
                out.tell(said.scene, 11, Error, || {
                    format!("the prefix had {old} bytes, the new one has {new}: jobs do not fit")
                })
                .cause(channel.opened.number);
            }
        }
        Message::NewExtendedMiningJob(_)
        | Message::SetNewPrevHash(_)
        | Message::SetTarget(_)
        | Message::CloseChannel(_)
        | Message::SetCustomMiningJob(_)
        | Message::SetCustomMiningJobSuccess(_)
        | Message::SetCustomMiningJobError(_) => check_known(said, out, true),
        Message::NewMiningJob(_)
        | Message::UpdateChannel(_)
        | Message::UpdateChannelError(_)
        | Message::SubmitSharesStandard(_)
        | Message::SubmitSharesExtended(_)
        | Message::SubmitSharesSuccess(_)
        | Message::SubmitSharesError(_) => check_known(said, out, false),
        _ => {}
    }
}

/// Channels, and groups where a message may concern one.
fn check_known(said: &Said<'_>, out: &mut Findings<'_>, may_be_group: bool) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let Some(id) = scene.facts.channel else { return };
    let is_group = connection.groups.contains_key(&id);
    if connection.channels.contains_key(&id) || (may_be_group && is_group) {
        return;
    }
    let name = said.message.name();
    // Of the answer to a message for a channel that is none, the message is the reason.
    let is_refusal = matches!(
        said.message,
        Message::SubmitSharesError(_)
            | Message::UpdateChannelError(_)
            | Message::SetCustomMiningJobError(_)
    );
    if is_refusal {
        return;
    }
    if is_group {
        out.tell_once(scene, (10, u64::from(id) << 8 | 1), Error, || {
            format!("{name} for group {id}: it concerns single channels")
        });
        return;
    }
    match connection.closed_by(id) {
        Some(closed) => {
            let lag = scene.mark().since(closed);
            let is_race = lag < CLOSE_RACE;
            let severity = match said.message {
                _ if is_race => Chat,
                Message::CloseChannel(_) => Note,
                _ => Error,
            };
            out.tell(scene, 10, severity, || {
                let lag = crate::text::duration(lag);
                format!("{name} for channel {id}, which was closed {lag} ago")
            })
            .cause(closed.number);
        }
        // Opened before the capture began: once is enough.
        None if scene.trust == Trust::Assumed => {
            out.tell_once(scene, (10, u64::from(id) << 8 | 2), Note, || {
                format!("{name} for channel {id}, whose opening was not captured")
            });
        }
        None => {
            let severity =
                if matches!(said.message, Message::CloseChannel(_)) { Warning } else { Error };
            out.tell(scene, 10, severity, || {
                format!("{name} for channel {id}, which was never opened on this connection")
            });
        }
    }
}

fn check_open(said: &Said<'_>, out: &mut Findings<'_>, id: u32, group: u32, size: usize) {
    let (scene, connection) = (said.scene, said.scene.connection);
    if let Some(channel) = connection.channels.get(&id) {
        out.tell(scene, 9, Error, || format!("channel {id} is open already"))
            .cause(channel.opened.number);
    }
    let is_group = connection.groups.get(&id).filter(|_| id != group);
    if let Some(other) = is_group {
        out.tell(scene, 9, Error, || format!("channel {id} has the id of a group"))
            .cause(other.since.number);
    }
    if id == group {
        out.tell(scene, 9, Error, || format!("channel and group are both {id}"));
    } else if let Some(channel) = connection.channels.get(&group) {
        out.tell(scene, 9, Error, || format!("group {group} has the id of a channel"))
            .cause(channel.opened.number);
    }
    if size > 32 {
        out.tell(scene, 11, Error, || format!("an extranonce of {size} bytes, 32 are the most"));
    }
    check_sizes(said, out, group, id, size);
}

/// All members of a group have one full size: they share its jobs (spec 5.2.3).
fn check_sizes(said: &Said<'_>, out: &mut Findings<'_>, group: u32, id: u32, size: usize) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let mut others = connection.members(group).take(MEMBERS_COMPARED_MAX);
    let other =
        others.find(|(other, channel)| *other != id && channel.full_extranonce_size() != size);
    let Some((other_id, other)) = other else { return };
    // Where no job ever comes to the group, the sizes do no harm.
    let is_harmless =
        connection.client_flags() & (REQUIRES_STANDARD_JOBS | REQUIRES_WORK_SELECTION) != 0;
    let severity = if is_harmless { Note } else { Error };
    out.tell(scene, 11, severity, || {
        let others = other.full_extranonce_size();
        format!(
            "channel {id} has {size} bytes of extranonce, channel {other_id} of the same group \
             {group} has {others}"
        )
    })
    .cause(other.opened.number);
}

fn check_granted(said: &Said<'_>, out: &mut Findings<'_>, request_id: u32, size: u16) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let pending = connection.requests.pending(RequestKind::OpenChannel, request_id.into());
    let Some(pending) = pending else { return };
    let Detail::Open(OpenRequest { min_extranonce_size: Some(min), .. }) = pending.detail else {
        return;
    };
    if size < min {
        out.tell(scene, 12, Warning, || {
            format!("{size} bytes of extranonce are granted, at least {min} were asked for")
        })
        .cause(pending.sent.number);
    } else if size == 0 {
        out.tell(scene, 12, Note, || {
            "no byte of extranonce to roll: enough for a proxy that only relays".to_owned()
        })
        .cause(pending.sent.number);
    }
}

fn check_group(said: &Said<'_>, out: &mut Findings<'_>, message: &SetGroupChannel) {
    let (scene, connection) = (said.scene, said.scene.connection);
    let group = message.group_channel_id;
    if let Some(channel) = connection.channels.get(&group) {
        out.tell(scene, 9, Error, || format!("group {group} has the id of a channel"))
            .cause(channel.opened.number);
    }
    let ids = message.channel_ids.as_slice();
    let unknown = ids.iter().find(|id| !connection.channels.contains_key(id));
    if let Some(id) = unknown {
        let closed = connection.closed_by(*id);
        let severity = if closed.is_some() { Note } else { Error };
        out.tell(scene, 10, severity, || format!("channel {id} in SetGroupChannel is not open"));
    }
    let mut sizes = ids
        .iter()
        .take(MEMBERS_COMPARED_MAX)
        .filter_map(|id| Some((*id, connection.channels.get(id)?.full_extranonce_size())));
    let Some((first_id, first)) = sizes.next() else { return };
    if let Some((id, size)) = sizes.find(|(_, size)| *size != first) {
        out.tell(scene, 11, Error, || {
            format!(
                "group {group} joins channel {first_id} with {first} bytes of extranonce and \
                 channel {id} with {size}"
            )
        });
    } else {
        check_sizes(said, out, group, first_id, first);
    }
}

/// Members that are compared with a new one: all have one size, or the difference was told
/// before.
const MEMBERS_COMPARED_MAX: usize = 16;
