//! Work that is credited was proven: every accepted share meets the target of its job, and the
//! difficulties that a client is told add up to those of its shares (spec 5.3.13, 5.3.21).

use std::sync::Arc;

use sv2::event::Event;
use sv2::message::Message;
use sv2::time::Instant;
use sv2::wire::{Target, U256};

use super::tables::{ByChannel, ByWire};
use super::{Card, Checker, Sight, SightKind, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct Work {
    wires: ByWire<OfWire>,
    /// Shares that are being judged: few, since that is over before time goes on.
    judged: Vec<Judged>,
}

/// What a share says of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Share {
    wire: Wire,
    channel_id: u32,
    sequence_number: u32,
}

struct Judged {
    share: Share,
    job_id: u32,
}

/// One connection.
#[derive(Default)]
struct OfWire {
    channels: ByChannel<Channel>,
    /// A block is credited whatever the target of its channel. As headers say it: it is seldom
    /// asked for.
    nbits: u32,
}

#[derive(Default)]
struct Channel {
    group_id: u32,
    /// Of jobs to come (spec 5.3.21). Shared with those that there are: it changes seldom, and
    /// jobs often.
    price: Arc<Price>,
    /// Jobs and what shares for them are held to, once they are active.
    jobs: Vec<(u32, Option<Arc<Price>>)>,
    /// The newest active one of them, which nearly all shares are for: found here, they need no
    /// look elsewhere in memory.
    newest: Option<(u32, Price)>,
    /// In units of 2^-64, as [`sv2::mining::accounting`] has it.
    proven: u128,
    credited: u128,
}

/// A target, and what meeting it is worth, in units of 2^-64.
#[derive(Clone, Copy, Default)]
struct Price {
    target: Target,
    difficulty: u128,
}

impl Price {
    fn of(target: Target) -> Arc<Self> {
        Arc::new(Price { target, difficulty: target.difficulty_fixed() })
    }
}

impl Checker for Work {
    fn name(&self) -> &'static str {
        "work"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Said, SightKind::Heard, SightKind::Judged, SightKind::Life, SightKind::Settled]
    }

    fn see(&mut self, _now: Instant, hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } if hosts[wire.server as usize].is_judge => {
                return self.wires.entry(*wire).said(message);
            }
            Sight::Heard { wire, message } if hosts[wire.server as usize].is_judge => {
                self.heard(*wire, message);
            }
            Sight::Told { event, wire: Some(wire), .. } => return self.told(*wire, event),
            Sight::Closed { wire } => {
                self.wires.remove(*wire);
            }
            Sight::Ended { host } => self.wires.remove_all_of(*host),
            Sight::Settled => self.judged.clear(),
            _ => {}
        }
        Ok(())
    }
}

impl Work {
    fn heard(&mut self, wire: Wire, message: &Message) {
        let (channel_id, sequence_number, job_id) = match message {
            Message::SubmitSharesStandard(share) => {
                (share.channel_id, share.sequence_number, share.job_id)
            }
            Message::SubmitSharesExtended(share) => {
                (share.channel_id, share.sequence_number, share.job_id)
            }
            Message::SetCustomMiningJob(job) => {
                self.wires.entry(wire).nbits = job.nbits;
                return;
            }
            Message::CloseChannel(close) => {
                return self.wires.entry(wire).close(close.channel_id);
            }
            _ => return,
        };
        let share = Share { wire, channel_id, sequence_number };
        self.judged.push(Judged { share, job_id });
    }

    fn told(&mut self, wire: Wire, event: &Event) -> Result<(), String> {
        let Event::ShareAccepted { channel_id, sequence_number, hash, .. } = event else {
            return Ok(());
        };
        let share = Share { wire, channel_id: *channel_id, sequence_number: *sequence_number };
        let judged = self.judged.iter().position(|judged| judged.share == share);
        let judged = judged.map(|at| self.judged.swap_remove(at));
        match (judged, self.wires.get_mut(wire)) {
            (Some(Judged { share, job_id }), Some(of)) => of.accepted(share, job_id, hash),
            _ => Ok(()),
        }
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
            Message::SetTarget(set) => {
                let price = Price::of(set.maximum_target);
                self.each(set.channel_id, |channel| channel.price = price.clone());
            }
            Message::SetGroupChannel(set) => {
                for id in set.channel_ids.as_slice() {
                    if let Some(channel) = self.channels.get_mut(*id) {
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
                self.nbits = tip.nbits;
                self.each(tip.channel_id, |channel| channel.activate(tip.job_id));
            }
            Message::CloseChannel(close) => self.close(close.channel_id),
            Message::SubmitSharesSuccess(success) => {
                let Some(channel) = self.channels.get_mut(success.channel_id) else {
                    return Ok(());
                };
                let credit = u128::from(success.new_shares_sum) << 64;
                channel.credited = channel.credited.checked_add(credit).ok_or_else(|| {
                    format!("channel {} is credited 2^64 or more in all", success.channel_id)
                })?;
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

    fn accepted(&mut self, share: Share, job_id: u32, hash: &U256) -> Result<(), String> {
        let Share { channel_id, sequence_number, .. } = share;
        let Some(channel) = self.channels.get_mut(channel_id) else { return Ok(()) };
        let Some(price) = channel.price_of(job_id) else {
            return Err(format!(
                "share {sequence_number} of channel {channel_id} is accepted for job {job_id}, \
                 which is not valid"
            ));
        };
        let target = &price.target;
        let is_block = || Target::from_compact(self.nbits).is_some_and(|all| all.is_met_by(hash));
        if !target.is_met_by(hash) && !is_block() {
            return Err(format!(
                "share {sequence_number} of channel {channel_id} is accepted with the hash \
                 {hash}, which misses the target {target} of its job"
            ));
        }
        channel.proven = channel.proven.saturating_add(price.difficulty);
        Ok(())
    }

    fn open(&mut self, channel_id: u32, group_id: u32, target: Target) {
        let channel = Channel { group_id, price: Price::of(target), ..Channel::default() };
        self.channels.insert(channel_id, channel);
    }

    fn close(&mut self, id: u32) {
        self.channels.retain(|channel_id, channel| channel_id != id && channel.group_id != id);
    }

    /// A channel, or all of a group.
    fn each(&mut self, id: u32, mut change: impl FnMut(&mut Channel)) {
        if let Some(channel) = self.channels.get_mut(id) {
            return change(channel);
        }
        let channels = self.channels.iter_mut().map(|(_, channel)| channel);
        channels.filter(|channel| channel.group_id == id).for_each(change);
    }
}

impl Channel {
    fn add(&mut self, job_id: u32, is_active: bool) {
        if self.jobs.len() == JOBS_MAX {
            self.jobs.remove(0);
        }
        self.jobs.push((job_id, is_active.then(|| self.price.clone())));
        if is_active {
            self.newest = Some((job_id, *self.price));
        }
    }

    /// Of all jobs this one is left.
    fn activate(&mut self, job_id: u32) {
        self.jobs.retain(|(id, _)| *id == job_id);
        self.jobs.iter_mut().for_each(|(_, price)| *price = Some(self.price.clone()));
        self.newest = self.jobs.last().map(|(id, _)| (*id, *self.price));
    }

    /// `None`: there is no such job, or it is not active.
    fn price_of(&self, job_id: u32) -> Option<Price> {
        match &self.newest {
            Some((id, price)) if *id == job_id => Some(*price),
            _ => {
                let (_, price) = self.jobs.iter().rev().find(|(id, _)| *id == job_id)?;
                price.as_deref().copied()
            }
        }
    }
}

fn units(fixed: u128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let units = fixed as f64 / 18_446_744_073_709_551_616.0;
    units
}

/// Of one channel: as many as a server keeps, active and future ones.
const JOBS_MAX: usize = 32;
