//! No job id names two jobs at a time, and no new tip an unknown one (spec 5.3.15 to 5.3.17).

use sv2::message::Message;
use sv2::sv1;
use sv2::time::Instant;

use super::tables::{ByChannel, ByWire};
use super::{Card, Checker, Sight, SightKind, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct JobIds {
    wires: ByWire<OfWire>,
}

/// What is valid on one connection.
#[derive(Default)]
struct OfWire {
    /// Ids that are valid, by channel or group.
    jobs: ByChannel<Vec<u32>>,
    /// The group of a channel.
    groups: ByChannel<u32>,
    /// Of Stratum V1.
    names: Vec<String>,
}

impl Checker for JobIds {
    fn name(&self) -> &'static str {
        "job-ids"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Said, SightKind::Heard, SightKind::Line, SightKind::Life]
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } => self.said(*wire, message),
            Sight::Heard { wire, message: Message::CloseChannel(close) } => {
                if let Some(of) = self.wires.get_mut(*wire) {
                    of.close(close.channel_id);
                }
                Ok(())
            }
            Sight::SaidLine {
                wire,
                message: sv1::Message::Call { call: sv1::Call::Notify(notify), .. },
            } => self.wires.entry(*wire).notify(notify),
            Sight::Closed { wire } => {
                self.wires.remove(*wire);
                Ok(())
            }
            Sight::Ended { host } => {
                self.wires.remove_all_of(*host);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl JobIds {
    fn said(&mut self, wire: Wire, message: &Message) -> Result<(), String> {
        match message {
            Message::OpenStandardMiningChannelSuccess(success) => {
                self.wires.entry(wire).groups.insert(success.channel_id, success.group_channel_id);
            }
            Message::OpenExtendedMiningChannelSuccess(success) => {
                self.wires.entry(wire).groups.insert(success.channel_id, success.group_channel_id);
            }
            Message::SetGroupChannel(set) => {
                let of = self.wires.entry(wire);
                for channel_id in set.channel_ids.as_slice() {
                    of.groups.insert(*channel_id, set.group_channel_id);
                }
            }
            Message::NewMiningJob(job) => {
                return self.wires.entry(wire).add(job.channel_id, job.job_id);
            }
            Message::NewExtendedMiningJob(job) => {
                return self.wires.entry(wire).add(job.channel_id, job.job_id);
            }
            Message::SetCustomMiningJobSuccess(job) => {
                return self.wires.entry(wire).add(job.channel_id, job.job_id);
            }
            Message::SetNewPrevHash(tip) => {
                return self.wires.entry(wire).tip(tip.channel_id, tip.job_id);
            }
            Message::CloseChannel(close) => self.wires.entry(wire).close(close.channel_id),
            _ => {}
        }
        Ok(())
    }
}

impl OfWire {
    fn add(&mut self, channel_id: u32, job_id: u32) -> Result<(), String> {
        let group = self.groups.get(channel_id).copied();
        let members = self.groups.iter().filter(|(_, group)| **group == channel_id);
        let lists = members.map(|(member, _)| member).chain([channel_id]).chain(group);
        for list in lists.filter_map(|list| self.jobs.get(list)) {
            if list.contains(&job_id) {
                return Err(format!(
                    "channel {channel_id} is given a job {job_id} while it has another one of \
                     that id"
                ));
            }
        }
        let jobs = self.jobs.entry(channel_id);
        if jobs.len() == JOBS_MAX {
            jobs.remove(0);
        }
        jobs.push(job_id);
        Ok(())
    }

    /// Of all jobs this one is left.
    fn tip(&mut self, channel_id: u32, job_id: u32) -> Result<(), String> {
        let group = self.groups.get(channel_id).copied();
        let has = |list: u32| self.jobs.get(list).is_some_and(|jobs| jobs.contains(&job_id));
        if !has(channel_id) && !group.is_some_and(has) {
            return Err(format!(
                "channel {channel_id} is to go on with job {job_id}, which it was not given"
            ));
        }
        for (member, _) in self.groups.iter().filter(|(_, group)| **group == channel_id) {
            self.jobs.remove(member);
        }
        let jobs = self.jobs.entry(channel_id);
        jobs.clear();
        jobs.push(job_id);
        Ok(())
    }

    fn close(&mut self, channel_id: u32) {
        self.jobs.remove(channel_id);
        self.groups.retain(|channel, group| channel != channel_id && *group != channel_id);
    }

    fn notify(&mut self, notify: &sv1::Notify) -> Result<(), String> {
        if notify.clean_jobs {
            self.names.clear();
        }
        if self.names.contains(&notify.job_id) {
            return Err(format!("job {:?} is given while there is one of that id", notify.job_id));
        }
        if self.names.len() == JOBS_MAX {
            self.names.remove(0);
        }
        self.names.push(notify.job_id.clone());
        Ok(())
    }
}

/// Of one channel; beyond what servers keep valid ([`sv2::mining::channel::Channel::JOBS_MAX`]).
const JOBS_MAX: usize = 16;
