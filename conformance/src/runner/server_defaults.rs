//! What stands in the fields that a case does not state, where the suite is the server: a
//! message that a reasonable pool would send.

use sv2::message::Descriptor;
use sv2::wire::Field;

use super::Session;
use super::connection::{Connection, ItemWhat};
use super::serving::{int, rate_of};
use crate::case::value::Value;
use crate::client::exchange::MessageView;
use crate::client::tracker::{Channel, JobState};

impl Session<'_> {
    /// As `default_field`; `None` where zero is as good as anything.
    pub(super) fn server_field(
        &mut self,
        connection: &mut Connection,
        message: &'static Descriptor,
        field: &'static Field,
        stated: &[(&'static str, Value)],
    ) -> Option<Value> {
        let now = self.world.now();
        let addressed = stated.iter().find(|(name, _)| *name == "channel_id");
        let addressed = addressed.and_then(|(_, id)| id.as_u32());
        let channel = member(connection, addressed.or(connection.tracker.last_opened));
        let is_open = message.name.starts_with("Open") && message.name.ends_with(".Success");
        Some(match (message.name, field.name) {
            ("SetupConnection.Success", "used_version") => Value::Int(2),
            (name, "request_id") if name.starts_with("Open") => {
                int(asked(connection, name)?.number("request_id")?)
            }
            ("SetCustomMiningJob.Success" | "SetCustomMiningJob.Error", "request_id") => {
                int(asked(connection, message.name)?.number("request_id")?)
            }
            (_, "channel_id") if is_open => int(connection.service.as_mut()?.fresh_id()),
            (_, "target") if is_open => {
                let asked = asked(connection, message.name)?;
                let max_target = asked.field("max_target").and_then(Value::as_u256)?;
                Value::U256(connection.service.as_ref()?.target(rate_of(&asked), max_target).0)
            }
            ("OpenStandardMiningChannel.Success", "extranonce_prefix") => {
                Value::Bytes(self.mint().extranonce_prefix(PREFIX_LEN + EXTRANONCE_SIZE))
            }
            ("OpenExtendedMiningChannel.Success", "extranonce_prefix") => {
                Value::Bytes(self.mint().extranonce_prefix(PREFIX_LEN))
            }
            ("OpenExtendedMiningChannel.Success", "extranonce_size") => {
                Value::Int(extranonce_size(connection) as u64)
            }
            (name, "group_channel_id") if is_open => {
                let rolled = match name {
                    "OpenExtendedMiningChannel.Success" => extranonce_size(connection),
                    _ => EXTRANONCE_SIZE,
                };
                int(connection.service.as_mut()?.group(PREFIX_LEN + rolled))
            }
            ("SetGroupChannel", "group_channel_id") => int(connection.service.as_mut()?.fresh_id()),
            ("SetGroupChannel", "channel_ids") => Value::List(vec![int(channel?.id)]),
            ("NewMiningJob" | "NewExtendedMiningJob" | "SetCustomMiningJob.Success", "job_id") => {
                int(self.mint().job_id())
            }
            ("NewMiningJob" | "NewExtendedMiningJob", "min_ntime") => {
                let template = self.mint().template(now);
                Value::List(vec![int(template.current_time)])
            }
            ("NewMiningJob" | "NewExtendedMiningJob", "version") => {
                int(self.mint().template(now).version)
            }
            ("NewMiningJob", "merkle_root") => {
                let prefix = channel?.extranonce_prefix;
                let work = self.mint().work(now, prefix.len())?;
                Value::U256(work.merkle_root(&prefix))
            }
            ("NewExtendedMiningJob", "version_rolling_allowed") => Value::Bool(true),
            ("NewExtendedMiningJob", part) => {
                let channel = channel?;
                let work = self.mint().work(now, full_len(&channel))?;
                match part {
                    "merkle_path" => {
                        Value::List(work.path.iter().copied().map(Value::U256).collect())
                    }
                    "coinbase_tx_prefix" => Value::Bytes(work.prefix()),
                    "coinbase_tx_suffix" => Value::Bytes(work.suffix()),
                    "channel_id" => int(channel.id),
                    _ => return None,
                }
            }
            ("SetNewPrevHash", "job_id") => {
                int(channel?.newest(&[JobState::Future]).map_or(0, |job| job.id))
            }
            ("SetNewPrevHash", part @ ("prev_hash" | "min_ntime" | "nbits")) => {
                let template = self.mint().template(now);
                match part {
                    "prev_hash" => Value::U256(template.prev_hash),
                    "min_ntime" => int(template.min_ntime),
                    _ => int(template.nbits),
                }
            }
            ("SetTarget", "maximum_target") => Value::U256(channel?.target),
            ("SetExtranoncePrefix", "extranonce_prefix") => {
                let len = channel?.extranonce_prefix.len();
                Value::Bytes(self.mint().extranonce_prefix(len))
            }
            ("SubmitShares.Success", "new_submits_accepted_count") => Value::Int(1),
            (_, "channel_id") => int(channel?.id),
            (_, "error_code" | "reason_code") => Value::text("conformance-suite"),
            _ => return None,
        })
    }
}

/// The open request of the kind that a message answers which nobody has answered yet.
fn asked(connection: &Connection, answer: &str) -> Option<MessageView> {
    let kind = |name: &str| match name.starts_with("SetCustomMiningJob") {
        true => "SetCustomMiningJob",
        false => "Open",
    };
    let is_answered = |request: &MessageView| {
        connection.sent.iter().any(|(_, sent)| {
            sent.descriptor.name.starts_with(kind(answer))
                && sent.number("request_id") == request.number("request_id")
        })
    };
    let requests = connection.items.iter().filter_map(|item| match &item.what {
        ItemWhat::Frame(frame) => frame.message(),
        _ => None,
    });
    requests
        .filter(|message| match answer.strip_suffix(".Success") {
            Some(name) => message.descriptor.name == name,
            // One error for both kinds of channels.
            None => message.descriptor.name.starts_with(kind(answer)),
        })
        .find(|message| !is_answered(message))
        .cloned()
}

/// The channel with an id, or one of the group with that id.
fn member(connection: &Connection, id: Option<u32>) -> Option<Channel> {
    let tracker = &connection.tracker;
    let id = tracker.members(id?).into_iter().next()?;
    tracker.channels.get(&id).cloned()
}

/// What a client that has asked may roll: as much as it needs.
fn extranonce_size(connection: &Connection) -> usize {
    let asked = asked(connection, "OpenExtendedMiningChannel.Success");
    let needed = asked.and_then(|asked| asked.number("min_extranonce_size")).unwrap_or(0);
    usize::try_from(needed).unwrap_or(0).max(EXTRANONCE_SIZE)
}

fn full_len(channel: &Channel) -> usize {
    channel.extranonce_prefix.len() + channel.extranonce_size
}

/// Of extended channels, in bytes.
const PREFIX_LEN: usize = 6;

/// That a client of an extended channel rolls where it asks for no more, in bytes.
const EXTRANONCE_SIZE: usize = 8;
