//! A server speaks of channels and groups that are there, in one name space (spec 5.2.3).

use std::collections::{BTreeMap, BTreeSet};

use sv2::message::Message;
use sv2::time::Instant;

use super::{Card, Checker, Sight, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct Channels {
    /// By connection and channel: its group.
    groups: BTreeMap<(Wire, u32), u32>,
    /// How many channels a group has.
    members: BTreeMap<(Wire, u32), u32>,
}

impl Checker for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } => return self.said(*wire, message),
            Sight::Heard { wire, message: Message::CloseChannel(close) } => {
                self.close(*wire, close.channel_id);
            }
            Sight::Closed { wire } => {
                let range = (*wire, 0)..=(*wire, u32::MAX);
                let of_wire = |map: &BTreeMap<(Wire, u32), u32>| -> Vec<(Wire, u32)> {
                    map.range(range.clone()).map(|(key, _)| *key).collect()
                };
                for key in of_wire(&self.groups) {
                    self.groups.remove(&key);
                }
                for key in of_wire(&self.members) {
                    self.members.remove(&key);
                }
            }
            Sight::Ended { host } => {
                self.groups.retain(|(wire, _), _| wire.server != *host);
                self.members.retain(|(wire, _), _| wire.server != *host);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Channels {
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
                    if !self.groups.contains_key(&(wire, *channel_id)) || !seen.insert(channel_id) {
                        return Err(format!(
                            "channel {channel_id} is put into group {} and is not there, or \
                             twice",
                            set.group_channel_id
                        ));
                    }
                    self.leave(wire, *channel_id);
                    self.open(wire, *channel_id, set.group_channel_id)?;
                }
                Ok(())
            }
            Message::CloseChannel(close) => {
                self.known(wire, close.channel_id, message)?;
                self.close(wire, close.channel_id);
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
        let key = (wire, channel_id);
        if self.groups.contains_key(&key) || self.members.contains_key(&key) {
            return Ok(());
        }
        let name = message.descriptor().name;
        Err(format!(
            "{name} on connection {} names channel {channel_id}, which is none",
            wire.number
        ))
    }

    fn open(&mut self, wire: Wire, channel_id: u32, group_id: u32) -> Result<(), String> {
        let (channel, group) = ((wire, channel_id), (wire, group_id));
        let is_taken = self.groups.contains_key(&channel) || self.members.contains_key(&channel);
        if is_taken || self.groups.contains_key(&group) || channel_id == group_id {
            return Err(format!(
                "channel {channel_id} of group {group_id} on connection {}: there is another \
                 channel or group of one of these ids",
                wire.number
            ));
        }
        self.groups.insert(channel, group_id);
        *self.members.entry(group).or_default() += 1;
        Ok(())
    }

    fn leave(&mut self, wire: Wire, channel_id: u32) {
        let Some(group_id) = self.groups.remove(&(wire, channel_id)) else { return };
        if let Some(count) = self.members.get_mut(&(wire, group_id)) {
            *count -= 1;
            if *count == 0 {
                self.members.remove(&(wire, group_id));
            }
        }
    }

    /// A channel, or all of a group.
    fn close(&mut self, wire: Wire, channel_id: u32) {
        let range = (wire, 0)..=(wire, u32::MAX);
        let of_group = self.groups.range(range).filter(|(_, group)| **group == channel_id);
        let members: Vec<u32> = of_group.map(|((_, channel), _)| *channel).collect();
        for channel in members.into_iter().chain([channel_id]) {
            self.leave(wire, channel);
        }
    }
}
