//! From a job of the upstream to what a device reads: extranonce, version bits, difficulty and,
//! behind these, the job.

use super::config::{DifficultySteps, TranslatorConfig};
use super::device::GivenJob;
use super::lane::{ActiveJob, LaneId};
use super::login::tell;
use super::{Timer, Translator, slot};
use crate::mining::job::Job;
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::sv1::{Call, Difficulty, Notify, Reconnect};
use crate::time::Now;
use crate::wire::Target;

impl Translator {
    /// A lane has other work: for the block that is there, or for a new one.
    pub(super) fn share_work(&mut self, now: Now, id: LaneId, is_new_tip: bool, out: &mut Outbox) {
        let Some(lane) = self.lanes.get(&id) else { return };
        let devices: Vec<ConnectionId> = lane.devices.iter().copied().collect();
        for connection in devices {
            let Some(device) = slot(&mut self.devices, connection) else { continue };
            if is_new_tip {
                device.forget_tip();
            }
            self.give_work(now, connection, is_new_tip, out);
        }
    }

    /// Tells a device to work on what its lane has, and before that what it must know for it.
    pub(super) fn give_work(
        &mut self,
        now: Now,
        connection: ConnectionId,
        is_new_tip: bool,
        out: &mut Outbox,
    ) {
        let Some(device) = slot(&mut self.devices, connection).filter(|device| device.is_ready())
        else {
            return;
        };
        let (Some(lane), Some(index)) = (self.lanes.get(&device.lane), device.index) else {
            return;
        };
        let Some(source) = &lane.current else { return };
        let channel = lane.channel();
        if channel.is_some_and(|channel| channel.opened != source.opened) {
            // The channel is another one by now, and has no job yet.
            return;
        }
        let extranonce1 = lane.budget.extranonce1(&source.prefix, source.granted, index);
        let is_moved = extranonce1 != device.extranonce1;
        if is_moved && (channel.is_none() || !device.takes_extranonce) {
            if channel.is_some() {
                self.send_away(connection, out);
            }
            return;
        }
        let (source, extranonce2_size) = (source.clone(), self.config.extranonce2_len);
        if is_moved {
            tell(connection, Call::SetExtranonce { extranonce1, extranonce2_size }, out);
            device.extranonce1 = extranonce1;
        }
        let mut mask = 0;
        if let Some(rolling) = &mut device.rolling {
            mask = if source.may_roll { rolling.mask } else { 0 };
            if rolling.told != mask {
                rolling.told = mask;
                tell(connection, Call::SetVersionMask(mask), out);
            }
        }
        let difficulty = self.config.difficulty(device.pace.hash_rate(), source.target);
        if device.difficulty != Some(difficulty) {
            device.set_difficulty(difficulty, now.instant + self.config.difficulty_grace);
            tell(connection, Call::SetDifficulty(difficulty), out);
        }
        let id = device.jobs.take_id();
        let notify = notify(now, id, &source, is_new_tip || is_moved);
        let job = Job::new(id, source.work.clone(), extranonce1);
        device.jobs.add(GivenJob { job, source, target: difficulty.target(), mask });
        tell(connection, Call::Notify(Box::new(notify)), out);
        if let Some(interval) = self.config.keep_alive {
            self.timers.set(Timer::KeepAlive(connection), now.instant + interval);
        }
    }

    /// A device that cannot be told of another extranonce has to come again.
    fn send_away(&mut self, connection: ConnectionId, out: &mut Outbox) {
        tell(connection, Call::Reconnect(Reconnect::default()), out);
        self.close_device(connection, CloseReason::ServiceChanged("the extranonce"), out);
    }

    /// A device that hears nothing for long takes its pool for dead: it is told the time.
    pub(super) fn keep_alive(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let Some(interval) = self.config.keep_alive else { return };
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let quiet_until = device.last_share_at + interval;
        if quiet_until > now.instant {
            return self.timers.set(Timer::KeepAlive(connection), quiet_until);
        }
        self.give_work(now, connection, false, out);
    }

    /// Gives devices the difficulties that their shares call for.
    pub(super) fn adjust_difficulties(&mut self, now: Now, out: &mut Outbox) {
        let Some(algorithm) = self.config.vardiff else { return };
        for index in 0..self.devices.len() {
            let Some(device) = self.devices[index].as_deref_mut() else { continue };
            if !device.is_ready() {
                continue;
            }
            let (lane, share_hashes) = (device.lane, device.share_hashes());
            let judgement = device.pace.judge(now.instant, share_hashes, &self.config);
            if judgement.is_other_proof {
                self.want_update(lane);
            }
            if judgement.is_other_rate {
                let index = u32::try_from(index).expect("connections are numbered by 32 bits");
                self.renew_difficulty(now, ConnectionId(index), out);
            }
        }
        self.timers.set(Timer::Vardiff, now.instant + algorithm.interval());
    }

    /// If it is another one. Most firmware takes it with the next job only: that is the present
    /// one, once more.
    pub(super) fn renew_difficulty(
        &mut self,
        now: Now,
        connection: ConnectionId,
        out: &mut Outbox,
    ) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let Some(current) = self.lanes.get(&device.lane).and_then(|lane| lane.current.as_ref())
        else {
            return;
        };
        let difficulty = self.config.difficulty(device.pace.hash_rate(), current.target);
        if device.difficulty.is_some_and(|told| told != difficulty) {
            self.give_work(now, connection, false, out);
        }
    }
}

fn notify(now: Now, id: u32, source: &ActiveJob, clean_jobs: bool) -> Notify {
    let (work, tip) = (&source.work, &source.tip);
    Notify {
        job_id: format!("{id:x}"),
        prev_hash: tip.prev_hash,
        coinbase_1: work.coinbase.prefix().as_slice().to_vec(),
        coinbase_2: work.coinbase.suffix().as_slice().to_vec(),
        merkle_branches: work.merkle_path.as_slice().to_vec(),
        version: work.version,
        nbits: tip.nbits,
        ntime: source.ntime(now),
        clean_jobs,
    }
}

impl TranslatorConfig {
    /// Of a device: for its hash rate, and never harder than what the upstream pays for.
    fn difficulty(&self, hash_rate: f64, upstream_target: Target) -> Difficulty {
        let wanted = Target::from_hash_rate(hash_rate, self.shares_per_minute);
        let target = wanted.min(self.easiest_target).max(upstream_target);
        match self.difficulty_steps {
            DifficultySteps::PowersOfTwo => Difficulty::power_of_two_of(target),
            DifficultySteps::Exact => Difficulty::of(target),
        }
    }
}
