//! A server speaks of channels and groups that are there, in one name space (spec 5.2.3).

use std::collections::BTreeSet;

use sv2::message::Message;
use sv2::time::Instant;

use super::tables::{ByChannel, ByWire};
use super::{Card, Checker, Sight, SightKind, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct Channels {
    wires: ByWire<OfWire>,
}

/// What there is on one connection.
#[derive(Default)]
struct OfWire {
    /// By channel: its group.
    groups: ByChannel<u32>,
    /// How many channels a group has.
    members: ByChannel<u32>,
}

impl Checker for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Said, SightKind::Heard, SightKind::Life]
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } => return self.wires.entry(*wire).said(*wire, message),
            Sight::Heard { wire, message: Message::CloseChannel(close) } => {
                if let Some(of) = self.wires.get_mut(*wire) {
                    of.close(close.channel_id);
                }
            }
            Sight::Closed { wire } => {
                self.wires.remove(*wire);
            }
            Sight::Ended { host } => self.wires.remove_all_of(*host),
            _ => {}
        }
        Ok(())
    }
}

impl OfWire {
    fn said(&mut self, wire: Wire, message: &Message) -> Result<(), String> {
        match message {
            Message::OpenStandardMiningChannelSuccess(success) => {
                self.open(wire, success.channel_id, success.group_channel_id)
            }
            Message::OpenExtendedMiningChannelSuccess(success) => {
                self.open(wire, success.channel_id, success.group_channel_id)
            }
            Message::SetGroupChannel(set) => {
                let mut seen = BTreeSet::new();
                for channel_id in set.channel_ids.as_slice() {
                    if !self.groups.contains(*channel_id) || !seen.insert(channel_id) {
                        return Err(format!(
                            "channel {channel_id} is put into group {} and is not there, or \
                             twice",
                            set.group_channel_id
                        ));
                    }
                    self.leave(*channel_id);
                    self.open(wire, *channel_id, set.group_channel_id)?;
                }
                Ok(())
            }
            Message::CloseChannel(close) => {
                self.known(wire, close.channel_id, message)?;
                self.close(close.channel_id);
                Ok(())
            }
            Message::NewMiningJob(job) => self.known(wire, job.channel_id, message),
            Message::NewExtendedMiningJob(job) => self.known(wire, job.channel_id, message),
            Message::SetNewPrevHash(tip) => self.known(wire, tip.channel_id, message),
            Message::SetTarget(set) => self.known(wire, set.channel_id, message),
            Message::SetExtranoncePrefix(set) => self.known(wire, set.channel_id, message),
            Message::SubmitSharesSuccess(success) => self.known(wire, success.channel_id, message),
            Message::SetCustomMiningJobSuccess(job) => self.known(wire, job.channel_id, message),
            // Errors may answer to channels that are none.
            _ => Ok(()),
        }
    }

    fn known(&self, wire: Wire, channel_id: u32, message: &Message) -> Result<(), String> {
        if self.is_taken(channel_id) {
            return Ok(());
        }
        let name = message.descriptor().name;
        Err(format!(
            "{name} on connection {} names channel {channel_id}, which is none",
            wire.number
        ))
    }

    fn open(&mut self, wire: Wire, channel_id: u32, group_id: u32) -> Result<(), String> {
        let is_taken = self.is_taken(channel_id) || self.groups.contains(group_id);
        if is_taken || channel_id == group_id {
            return Err(format!(
                "channel {channel_id} of group {group_id} on connection {}: there is another \
                 channel or group of one of these ids",
                wire.number
            ));
        }
        self.groups.insert(channel_id, group_id);
        let count = self.members.get(group_id).copied().unwrap_or_default();
        self.members.insert(group_id, count + 1);
        Ok(())
    }

    /// Whether there is a channel or group of this id.
    fn is_taken(&self, id: u32) -> bool {
        self.groups.contains(id) || self.members.contains(id)
    }

    fn leave(&mut self, channel_id: u32) {
        let Some(group_id) = self.groups.remove(channel_id) else { return };
        if let Some(count) = self.members.get_mut(group_id) {
            *count -= 1;
            if *count == 0 {
                self.members.remove(group_id);
            }
        }
    }

    /// A channel, or all of a group.
    fn close(&mut self, id: u32) {
        let of_group = self.groups.iter().filter(|(_, group)| **group == id);
        let members: Vec<u32> = of_group.map(|(channel, _)| channel).collect();
        for channel in members.into_iter().chain([id]) {
            self.leave(channel);
        }
    }
}
