//! From work to jobs, and who gets them (spec 5.3.15 to 5.3.17).
//!
//! A new channel gets a future job and at once its `SetNewPrevHash`, both under its own id.
//! Everything later goes to the group, or, where the client reads standard jobs alone, to each
//! channel.

use super::downstream::Downstream;
use super::work::{UnknownWork, WorkSource};
use super::{MiningServer, slot};
use crate::event::Event;
use crate::mining::SetNewPrevHash;
use crate::mining::channel::ChannelKind;
use crate::mining::group::Group;
use crate::mining::job::Tip;
use crate::role::{ConnectionId, Outbox};
use crate::time::Now;

impl MiningServer {
    /// The block that jobs build on.
    pub(crate) fn tip(&self) -> Option<&Tip> {
        self.stock.tip.as_ref()
    }

    /// Work for a coming tip; goes out at once, as a future job.
    pub(crate) fn add_future(&mut self, source: WorkSource, out: &mut Outbox) {
        let work_id = source.work_id();
        self.stock.add_future(source);
        for connection in self.connection_ids() {
            let Some(downstream) = fed(&mut self.connections, connection) else { continue };
            let Some(source) = self.stock.futures.get_mut(&work_id) else { return };
            for at in 0..downstream.groups.len() {
                send_job(connection, downstream, at, source, None, out);
            }
        }
    }

    /// Better work for the same tip; goes out at once. Without a tip it only takes the place of
    /// the current one, for [`MiningServer::set_tip`] to name.
    pub(crate) fn set_current(&mut self, now: Now, source: WorkSource, out: &mut Outbox) {
        self.stock.current = Some(source);
        self.send_active_job(out);
        // After a change of prefixes, clients may have waited for it.
        self.open_waiting(now, out);
    }

    /// A new tip, with the work that becomes the only valid one: a future one, or the current
    /// one. Then those are served who wait for work.
    ///
    /// # Errors
    /// There is no such work: nothing has changed.
    pub(crate) fn set_tip(
        &mut self,
        now: Now,
        tip: Tip,
        work_id: u64,
        out: &mut Outbox,
    ) -> Result<(), UnknownWork> {
        self.stock.advance(work_id)?;
        out.tell(Event::TipChanged { prev_hash: tip.prev_hash });
        let is_new = self.stock.tip.as_ref().is_none_or(|last| last.prev_hash != tip.prev_hash);
        self.stock.tip = Some(tip);
        self.send_tip(is_new, out);
        self.open_waiting(now, out);
        Ok(())
    }

    /// Whoever makes the work may number it anew: future jobs will not be named any more.
    pub(crate) fn forget_futures(&mut self) {
        self.stock.futures.clear();
        for downstream in self.connections.iter_mut().flatten() {
            downstream.groups.iter_mut().for_each(Group::forget_futures);
        }
    }

    /// First messages of a new channel (spec 5.3.15; AMB-21, AMB-23).
    pub(super) fn start_channel(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if downstream.selects_work() {
            return;
        }
        let (Some(tip), Some(current)) = (&self.stock.tip, &mut self.stock.current) else { return };
        let Some(served) = downstream.channels.get(channel_id) else { return };
        let Some(work) = current.work(served.channel.extranonce().full_len()) else { return };
        let job_id = downstream.take_job_id();
        let Some(served) = downstream.channels.get_mut(channel_id) else { return };
        let channel = &mut served.channel;
        match channel.kind() {
            ChannelKind::Standard => out.send(
                connection,
                work.standard_job(channel_id, job_id, None, &channel.extranonce().prefix()),
            ),
            ChannelKind::Extended => {
                out.send(connection, work.extended_job(channel_id, job_id, None));
            }
        }
        channel.add_future_job(job_id, work);
        let min_ntime = current.min_ntime(tip);
        out.send(connection, prev_hash_message(tip, min_ntime, channel_id, job_id));
        channel.activate(job_id, tip);

        // The future jobs of the group were sent before this member came, so they are sent to
        // all again, under new ids: no message to a group means different things to members.
        let group_id = channel.group_id();
        let group_index = downstream.groups.iter().position(|group| group.id() == group_id);
        let group_index = group_index.expect("every channel has a group");
        for source in self.stock.futures.values_mut() {
            send_job(connection, downstream, group_index, source, None, out);
        }
    }

    fn connection_ids(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        (0..).take(self.connections.len()).map(ConnectionId)
    }

    fn send_active_job(&mut self, out: &mut Outbox) {
        for connection in self.connection_ids() {
            let Some(downstream) = fed(&mut self.connections, connection) else { continue };
            let (Some(tip), Some(source)) = (&self.stock.tip, &mut self.stock.current) else {
                return;
            };
            let min_ntime = Some(source.min_ntime(tip));
            for at in 0..downstream.groups.len() {
                match downstream.groups[at].is_behind() {
                    true => start_tip(connection, downstream, at, source, tip, out),
                    false => send_job(connection, downstream, at, source, min_ntime, out),
                }
            }
        }
    }

    /// A source of work that was lost and is back names the tip that there was before.
    fn send_tip(&mut self, is_new: bool, out: &mut Outbox) {
        for connection in self.connection_ids() {
            let Some(downstream) = fed(&mut self.connections, connection) else { continue };
            let (Some(tip), Some(source)) = (&self.stock.tip, &mut self.stock.current) else {
                return;
            };
            for at in 0..downstream.groups.len() {
                start_tip(connection, downstream, at, source, tip, out);
            }
        }
        if !is_new {
            // Custom jobs are for this very tip, and whoever has made them hears of nothing.
            return;
        }
        let Some(tip) = &self.stock.tip else { return };
        // Custom jobs are never future ones, so none is left.
        for downstream in self.connections.iter_mut().flatten() {
            if downstream.selects_work() {
                let channels = downstream.channels.iter_mut();
                channels.for_each(|(_, served)| served.channel.retire_jobs(tip));
            }
        }
    }
}

/// A client that work is sent to: who brings their own gets none (AMB-07).
fn fed(
    connections: &mut [Option<Box<Downstream>>],
    connection: ConnectionId,
) -> Option<&mut Downstream> {
    let downstream = slot(connections, connection)?;
    (downstream.is_open() && !downstream.selects_work()).then_some(downstream)
}

/// Moves a group to a tip, with the job of this work.
fn start_tip(
    connection: ConnectionId,
    downstream: &mut Downstream,
    group_index: usize,
    source: &mut WorkSource,
    tip: &Tip,
    out: &mut Outbox,
) {
    if downstream.groups[group_index].is_empty() {
        return;
    }
    // Spec 5.3.17: only a job that was sent as a future one may be named.
    let mut job_id = downstream.groups[group_index].take_future(source.work_id());
    if job_id.is_none() {
        send_job(connection, downstream, group_index, source, None, out);
        job_id = downstream.groups[group_index].take_future(source.work_id());
    }
    let to_channels = downstream.requires_standard_jobs();
    let group = &mut downstream.groups[group_index];
    group.set_behind(job_id.is_none());
    let Some(job_id) = job_id else {
        // Members wait for work with their prefix; what they find until then is stale.
        for channel_id in group.members() {
            let served = downstream.channels.get_mut(channel_id);
            served.expect("members are open").channel.retire_jobs(tip);
        }
        return;
    };
    let min_ntime = source.min_ntime(tip);
    if !to_channels {
        out.send(connection, prev_hash_message(tip, min_ntime, group.id(), job_id));
    }
    for channel_id in group.members() {
        if to_channels {
            out.send(connection, prev_hash_message(tip, min_ntime, channel_id, job_id));
        }
        let served = downstream.channels.get_mut(channel_id);
        served.expect("members are open").channel.activate(job_id, tip);
    }
}

/// Sends one job to all members of a group; a future one without `min_ntime`.
pub(super) fn send_job(
    connection: ConnectionId,
    downstream: &mut Downstream,
    group_index: usize,
    source: &mut WorkSource,
    min_ntime: Option<u32>,
    out: &mut Outbox,
) {
    if downstream.groups[group_index].is_empty() {
        return;
    }
    let Some(work) = source.work(downstream.groups[group_index].full_len()) else { return };
    let job_id = downstream.take_job_id();
    let to_channels = downstream.requires_standard_jobs();
    let group = &mut downstream.groups[group_index];
    if !to_channels {
        out.send(connection, work.extended_job(group.id(), job_id, min_ntime));
    }
    for channel_id in group.members() {
        let channel =
            &mut downstream.channels.get_mut(channel_id).expect("members are open").channel;
        if to_channels {
            let extranonce = channel.extranonce().prefix();
            let job = work.standard_job(channel_id, job_id, min_ntime, &extranonce);
            if min_ntime.is_some() {
                channel.keep_root(job_id, job.merkle_root);
            }
            out.send(connection, job);
        }
        match min_ntime {
            Some(_) => channel.add_active_job(job_id, work.clone()),
            None => channel.add_future_job(job_id, work.clone()),
        }
    }
    if min_ntime.is_none() {
        group.set_future(source.work_id(), job_id);
    }
}

fn prev_hash_message(tip: &Tip, min_ntime: u32, channel_id: u32, job_id: u32) -> SetNewPrevHash {
    SetNewPrevHash { channel_id, job_id, prev_hash: tip.prev_hash, min_ntime, nbits: tip.nbits }
}
