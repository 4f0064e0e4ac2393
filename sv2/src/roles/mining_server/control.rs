//! What the owner changes about channels that are open: prefixes, groups, flags, and their end.

use std::collections::BTreeMap;

use super::channels::retarget;
use super::downstream::Downstream;
use super::{MiningServer, served_connections, slot};
use crate::mining::error_code::close_reason;
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::{CloseChannel, SetExtranoncePrefix, SetGroupChannel};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::Now;
use crate::wire::{Seq64K, Str255, Target};

impl MiningServer {
    /// Counts everything that changes what [`MiningServer::hash_rate`] or
    /// [`MiningServer::channel_count`] say, so that an owner need not add up to see that
    /// nothing has.
    pub(crate) fn channel_changes(&self) -> u64 {
        self.channel_changes
    }

    /// Hashes per second of all channels: as claimed or, with vardiff, as shown. Requests that
    /// wait for work count.
    pub(crate) fn hash_rate(&self) -> f64 {
        let downstreams = self.connections.iter().flatten();
        downstreams.map(|downstream| downstream.hash_rate()).sum()
    }

    /// Open channels, and requests that wait for work.
    pub(crate) fn channel_count(&self) -> usize {
        let downstreams = self.connections.iter().flatten();
        downstreams.map(|downstream| downstream.channels.len() + downstream.waiting().len()).sum()
    }

    /// No channel gets a harder target from now on, unless its client asks for it: whoever pays
    /// for all shares together loses those that are never sent.
    pub(crate) fn set_hardest_target(&mut self, target: Target, out: &mut Outbox) {
        self.config.hardest_target = target;
        for (connection, downstream) in served_connections(&mut self.connections) {
            for (_, served) in downstream.channels.iter_mut() {
                retarget(&self.config, connection, served, served.hash_rate, out);
            }
        }
    }

    /// Whether the version of a header must stay as sent. Clients that need to roll it are
    /// closed where it must: they were promised otherwise (spec 5.3.1).
    pub(crate) fn set_requires_fixed_version(&mut self, is_required: bool, out: &mut Outbox) {
        self.config.requires_fixed_version = is_required;
        self.offer = self.config.setup_offer();
        let disappointed = |downstream: &Downstream| {
            is_required && downstream.is_open() && downstream.requires_version_rolling()
        };
        for connection in self.connections_where(disappointed) {
            self.close(connection, CloseReason::ServiceChanged("the version is fixed now"), out);
        }
    }

    /// Divides the search space anew, for channels to come and for jobs to come on those that
    /// are open; jobs that were sent keep their prefixes, active or future (spec 5.3.10,
    /// AMB-16). Channels that have no place in the new layout are closed.
    ///
    /// All work that is there belongs to the old prefixes: it goes to no new channel, and
    /// requests wait until [`MiningServer::set_current`] or a tip brings new work.
    pub(crate) fn set_extranonce_layout(
        &mut self,
        now: Now,
        layout: ExtranonceLayout,
        out: &mut Outbox,
    ) {
        self.config.extranonce = layout.clone();
        self.extranonces.set_layout(layout);
        self.stock.outdate();
        for connection in self.open_connections() {
            for channel_id in self.renew_prefixes(connection, out) {
                let reason = close_reason::EXTRANONCE_CHANGED;
                self.close_channel(connection, channel_id, reason, out);
            }
            self.separate_lengths(connection, out);
            self.watch_idleness(now.instant, connection);
        }
    }

    /// Returns the channels that have no place.
    fn renew_prefixes(&mut self, connection: ConnectionId, out: &mut Outbox) -> Vec<u32> {
        let Some(downstream) = slot(&mut self.connections, connection) else { return Vec::new() };
        let mut displaced = Vec::new();
        for (channel_id, served) in downstream.channels.iter_mut() {
            let channel = &mut served.channel;
            let Some(extranonce) = self.extranonces.renewed(channel.extranonce()) else {
                displaced.push(channel_id);
                continue;
            };
            let extranonce_prefix = extranonce.prefix();
            if extranonce_prefix != channel.extranonce().prefix() {
                channel.set_extranonce(extranonce);
                out.send(connection, SetExtranoncePrefix { channel_id, extranonce_prefix });
            }
        }
        displaced
    }

    /// After new prefixes: members of a group whose extranonces are as long as each other
    /// stay together, the others get groups of their own (spec 5.2.3).
    fn separate_lengths(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let Downstream { groups, channels, .. } = downstream;
        let mut apart: BTreeMap<(u32, usize), Vec<u32>> = BTreeMap::new();
        for group in groups.iter_mut() {
            group.close_to_joins();
            let mut full_len = None;
            for channel_id in group.members() {
                let len = channels[channel_id].channel.extranonce().full_len();
                if *full_len.get_or_insert(len) != len {
                    apart.entry((group.id(), len)).or_default().push(channel_id);
                }
            }
            full_len.into_iter().for_each(|full_len| group.set_full_len(full_len));
        }
        // A group without members has none to keep its length for.
        groups.retain(|group| !group.is_empty());
        for channel_ids in apart.into_values() {
            self.regroup(connection, &channel_ids, out);
        }
    }

    /// Makes a group of these channels, which are members of one group and have extranonces of
    /// one length (spec 5.3.22). Never for a client that requires standard jobs. `false`: there
    /// is no id for it.
    pub(super) fn regroup(
        &mut self,
        connection: ConnectionId,
        channel_ids: &[u32],
        out: &mut Outbox,
    ) -> bool {
        let Some(downstream) = slot(&mut self.connections, connection) else { return false };
        let Some(group_channel_id) = downstream.take_id() else { return false };
        let Downstream { groups, channels, .. } = downstream;
        let first = &channels[channel_ids[0]].channel;
        let origin = groups.iter_mut().find(|group| group.id() == first.group_id());
        let origin = origin.expect("every channel has a group");
        let group = origin.split(group_channel_id, first.extranonce().full_len(), channel_ids);
        groups.push(group);
        for channel_id in channel_ids {
            let served = channels.get_mut(*channel_id).expect("members are open");
            served.channel.set_group_id(group_channel_id);
        }
        for part in channel_ids.chunks(usize::from(u16::MAX)) {
            let channel_ids = Seq64K::new(part.to_vec()).expect("a chunk fits its field");
            out.send(connection, SetGroupChannel { group_channel_id, channel_ids });
        }
        true
    }

    /// Ends a channel from our side: what it has earned is told before.
    fn close_channel(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        reason_code: &'static str,
        out: &mut Outbox,
    ) {
        self.acknowledge(connection, channel_id, out);
        let reason_code = Str255::from_static(reason_code);
        out.send(connection, CloseChannel { channel_id, reason_code });
        self.end_channel(connection, channel_id, out);
    }
}
