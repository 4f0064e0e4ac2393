//! Work that is credited was proven: every accepted share meets the target of its job, and the
//! difficulties that a client is told add up to those of its shares (spec 5.3.13, 5.3.21).

use std::collections::BTreeMap;

use sv2::event::Event;
use sv2::message::Message;
use sv2::time::Instant;
use sv2::wire::Target;

use super::{Card, Checker, Sight, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct Work {
    wires: BTreeMap<Wire, OfWire>,
}

/// One connection.
#[derive(Default)]
struct OfWire {
    channels: BTreeMap<u32, Channel>,
    /// Job ids of shares that are being judged, by channel and sequence number.
    judged: BTreeMap<(u32, u32), u32>,
    /// A block is credited whatever the target of its channel.
    network_target: Target,
}

#[derive(Default)]
struct Channel {
    group_id: u32,
    target: Target,
    /// Jobs and their targets, once they are active.
    jobs: Vec<(u32, Option<Target>)>,
    /// In units of 2^-64, as [`sv2::mining::accounting`] has it.
    proven: u128,
    credited: u128,
}

impl Checker for Work {
    fn name(&self) -> &'static str {
        "work"
    }

    fn see(&mut self, _now: Instant, hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } if hosts[wire.server as usize].is_judge => {
                return self.wires.entry(*wire).or_default().said(message);
            }
            Sight::Heard { wire, message } if hosts[wire.server as usize].is_judge => {
                let of = self.wires.entry(*wire).or_default();
                let (channel_id, sequence_number, job_id) = match message {
                    Message::SubmitSharesStandard(share) => {
                        (share.channel_id, share.sequence_number, share.job_id)
                    }
                    Message::SubmitSharesExtended(share) => {
                        (share.channel_id, share.sequence_number, share.job_id)
                    }
                    Message::SetCustomMiningJob(job) => {
                        of.network_target = Target::from_compact(job.nbits).unwrap_or_default();
                        return Ok(());
                    }
                    Message::CloseChannel(close) => {
                        of.close(close.channel_id);
                        return Ok(());
                    }
                    _ => return Ok(()),
                };
                of.judged.insert((channel_id, sequence_number), job_id);
            }
            Sight::Told { event, wire: Some(wire), .. } => {
                if let Some(of) = self.wires.get_mut(wire) {
                    return of.told(event);
                }
            }
            Sight::Closed { wire } => {
                self.wires.remove(wire);
            }
            Sight::Ended { host } => self.wires.retain(|wire, _| wire.server != *host),
            _ => {}
        }
        Ok(())
    }
}

impl OfWire {
    fn said(&mut self, message: &Message) -> Result<(), String> {
        match message {
            Message::OpenStandardMiningChannelSuccess(success) => {
                self.open(success.channel_id, success.group_channel_id, success.target);
            }
            Message::OpenExtendedMiningChannelSuccess(success) => {
                self.open(success.channel_id, success.group_channel_id, success.target);
            }
            Message::SetTarget(set) => self.each(set.channel_id, |channel| {
                channel.target = set.maximum_target;
            }),
            Message::SetGroupChannel(set) => {
                for id in set.channel_ids.as_slice() {
                    if let Some(channel) = self.channels.get_mut(id) {
                        channel.group_id = set.group_channel_id;
                    }
                }
            }
            Message::NewMiningJob(job) => {
                let is_active = job.min_ntime.is_some();
                self.each(job.channel_id, |channel| channel.add(job.job_id, is_active));
            }
            Message::NewExtendedMiningJob(job) => {
                let is_active = job.min_ntime.is_some();
                self.each(job.channel_id, |channel| channel.add(job.job_id, is_active));
            }
            Message::SetCustomMiningJobSuccess(job) => {
                self.each(job.channel_id, |channel| channel.add(job.job_id, true));
            }
            Message::SetNewPrevHash(tip) => {
                self.network_target = Target::from_compact(tip.nbits).unwrap_or_default();
                self.each(tip.channel_id, |channel| {
                    channel.jobs.retain(|(job_id, _)| *job_id == tip.job_id);
                    channel.jobs.iter_mut().for_each(|job| job.1 = Some(channel.target));
                });
            }
            Message::CloseChannel(close) => self.close(close.channel_id),
            Message::SubmitSharesSuccess(success) => {
                let Some(channel) = self.channels.get_mut(&success.channel_id) else {
                    return Ok(());
                };
                channel.credited += u128::from(success.new_shares_sum) << 64;
                // What is less than one stays for the next answer.
                if channel.credited > channel.proven {
                    return Err(format!(
                        "channel {} is credited {} in all, and has proven {:.3}",
                        success.channel_id,
                        channel.credited >> 64,
                        units(channel.proven)
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn told(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::ShareAccepted { channel_id, sequence_number, hash, .. } => {
                let job_id = self.judged.remove(&(*channel_id, *sequence_number));
                let channel = self.channels.get_mut(channel_id);
                let (Some(job_id), Some(channel)) = (job_id, channel) else { return Ok(()) };
                let job = channel.jobs.iter().rev().find(|(id, _)| *id == job_id);
                let Some((_, Some(target))) = job else {
                    return Err(format!(
                        "share {sequence_number} of channel {channel_id} is accepted for job \
                         {job_id}, which is not valid"
                    ));
                };
                if !target.is_met_by(hash) && !self.network_target.is_met_by(hash) {
                    return Err(format!(
                        "share {sequence_number} of channel {channel_id} is accepted with the \
                         hash {hash}, which misses the target {target} of its job"
                    ));
                }
                channel.proven = channel.proven.saturating_add(target.difficulty_fixed());
                Ok(())
            }
            Event::ShareRejected { channel_id, sequence_number, .. } => {
                self.judged.remove(&(*channel_id, *sequence_number));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, channel_id: u32, group_id: u32, target: Target) {
        let channel = Channel { group_id, target, ..Channel::default() };
        self.channels.insert(channel_id, channel);
    }

    fn close(&mut self, id: u32) {
        self.channels.retain(|channel_id, channel| *channel_id != id && channel.group_id != id);
    }

    /// A channel, or all of a group.
    fn each(&mut self, id: u32, mut change: impl FnMut(&mut Channel)) {
        if let Some(channel) = self.channels.get_mut(&id) {
            return change(channel);
        }
        self.channels.values_mut().filter(|channel| channel.group_id == id).for_each(change);
    }
}

impl Channel {
    fn add(&mut self, job_id: u32, is_active: bool) {
        if self.jobs.len() == JOBS_MAX {
            self.jobs.remove(0);
        }
        self.jobs.push((job_id, is_active.then_some(self.target)));
    }
}

fn units(fixed: u128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let units = fixed as f64 / 18_446_744_073_709_551_616.0;
    units
}

/// Of one channel: as many as a server keeps, active and future ones.
const JOBS_MAX: usize = 32;
