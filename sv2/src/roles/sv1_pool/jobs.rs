//! Jobs and difficulties: who is told what, and when.
//!
//! A job is one line for all: they differ in nothing but the extranonce1 that each was given.

use std::sync::Arc;

use bytes::Bytes;

use super::client::Client;
use super::handshake::set_difficulty;
use super::{Sv1Pool, Timer, slot};
use crate::event::Event;
use crate::mining::job::{Tip, Work};
use crate::mining::vardiff::Aim;
use crate::role::{ConnectionId, Outbox, Output};
use crate::roles::mining_server::{UnknownWork, WorkSource};
use crate::sv1::{Call, Message, Notify};
use crate::time::{Instant, Now};

/// The newest job.
#[derive(Debug)]
pub(super) struct PresentJob {
    id: u32,
    work: Arc<Work>,
    notify: Notify,
}

impl PresentJob {
    /// The line for everybody.
    fn line(&self, clean_jobs: bool) -> Bytes {
        let notify = Notify { clean_jobs, ..self.notify.clone() };
        Message::notification(Call::Notify(Box::new(notify))).to_line()
    }
}

impl Sv1Pool {
    /// Work for a coming tip: devices hear of it with the tip.
    pub(super) fn add_future(&mut self, source: WorkSource) {
        self.stock.add_future(source);
    }

    /// Better work for the same tip.
    pub(super) fn set_current(&mut self, now: Now, source: WorkSource, out: &mut Outbox) {
        self.stock.current = Some(source);
        self.renew_job(now, false, out);
    }

    /// A new tip: whatever devices do is worth nothing from now on.
    pub(super) fn set_tip(
        &mut self,
        now: Now,
        tip: Tip,
        work_id: u64,
        out: &mut Outbox,
    ) -> Result<(), UnknownWork> {
        self.stock.advance(work_id)?;
        out.tell(Event::TipChanged { prev_hash: tip.prev_hash });
        self.stock.tip = Some(tip);
        self.renew_job(now, true, out);
        Ok(())
    }

    /// Makes a job of the current work and gives it to all who work, and to all who wait.
    fn renew_job(&mut self, now: Now, is_new_tip: bool, out: &mut Outbox) {
        let full_len = self.full_len;
        let id = self.take_job_id();
        let (Some(tip), Some(source)) = (&self.stock.tip, &mut self.stock.current) else { return };
        let Some(work) = source.work(full_len) else { return };
        // Devices begin at this time, and many roll it no further.
        let ntime = source.min_ntime(tip).max(now.unix.to_u32());
        let notify = Notify {
            job_id: job_name(id),
            prev_hash: tip.prev_hash,
            coinbase_1: work.coinbase.prefix().as_slice().to_vec(),
            coinbase_2: work.coinbase.suffix().as_slice().to_vec(),
            merkle_branches: work.merkle_path.as_slice().to_vec(),
            version: work.version,
            nbits: tip.nbits,
            ntime,
            clean_jobs: is_new_tip,
        };
        let job = PresentJob { id, work, notify };
        let line = job.line(is_new_tip);
        for (index, client) in (0..).zip(&mut self.clients) {
            let Some(client) = client.as_deref_mut().filter(|client| client.is_working()) else {
                continue;
            };
            give(client, &job, is_new_tip.then_some(tip));
            out.put(Output::Line { connection: ConnectionId(index), line: line.clone() });
        }
        self.job = Some(job);
        self.begin_waiting(now, out);
    }

    /// The newest job once more: for a device that begins, or under a new difficulty or
    /// extranonce, for which it needs another name.
    pub(super) fn send_present_job(
        &mut self,
        connection: ConnectionId,
        clean_jobs: bool,
        out: &mut Outbox,
    ) {
        let id = self.take_job_id();
        let Some(client) = slot(&mut self.clients, connection) else { return };
        let (Some(job), Some(tip)) = (&mut self.job, &self.stock.tip) else { return };
        (job.id, job.notify.job_id) = (id, job_name(id));
        give(client, job, clean_jobs.then_some(tip));
        out.put(Output::Line { connection, line: job.line(clean_jobs) });
    }

    fn take_job_id(&mut self) -> u32 {
        let id = self.next_job_id;
        // After 2^32 jobs the first are long forgotten.
        self.next_job_id = id.checked_add(1).unwrap_or(1);
        id
    }

    /// Tells a connection its difficulty, if it is another one. One that is easier comes with a
    /// job: some firmware takes it for the present job at once, whose shares we would refuse.
    pub(super) fn retarget(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let Some(client) = slot(&mut self.clients, connection) else { return };
        if !client.is_working() {
            return;
        }
        let difficulty = self.config.difficulty_for(client.hash_rate, client.max_target);
        let Some(told) = client.difficulty.filter(|told| *told != difficulty) else { return };
        set_difficulty(connection, client, difficulty, out);
        if difficulty < told {
            self.send_present_job(connection, false, out);
        }
    }

    /// Gives connections the difficulties that their shares call for.
    pub(super) fn adjust_difficulties(&mut self, now: Now, out: &mut Outbox) {
        let shares_per_minute = self.config.shares_per_minute;
        for connection in self.connections_where(Client::is_working) {
            let Some(client) = slot(&mut self.clients, connection) else { continue };
            let share_hashes = client.share_hashes();
            let aim = Aim {
                hash_rate: client.hash_rate,
                share_hashes,
                // Which job it works on, and under which difficulty, nobody but its firmware knows.
                worked_hashes: share_hashes,
                shares_per_minute,
            };
            let shown = client.vardiff.as_mut().and_then(|one| one.judge(now.instant, &aim));
            if let Some(hash_rate) = shown {
                client.hash_rate = hash_rate;
                self.retarget(connection, out);
            }
        }
        self.watch_vardiff(now.instant);
    }

    pub(super) fn watch_vardiff(&mut self, now: Instant) {
        if let Some(algorithm) = self.config.vardiff {
            self.timers.set(Timer::Vardiff, now + algorithm.interval());
        }
    }
}

/// What shares of this connection name from now on; with the tip if older jobs end here, though it
/// be the same as before.
fn give(client: &mut Client, job: &PresentJob, ended_by: Option<&Tip>) {
    let Some(channel) = &mut client.channel else { return };
    if let Some(tip) = ended_by {
        channel.retire_jobs(tip);
    }
    channel.add_active_job(job.id, job.work.clone());
}

/// Old firmware has room for 8 characters.
pub(super) fn job_name(id: u32) -> String {
    format!("{id:x}")
}
