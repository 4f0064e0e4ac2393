//! What an operator wants of open channels and connections while they are served.

use thiserror::Error;

use super::downstream::Downstream;
use super::jobs::send_job;
use super::{MiningServer, slot};
use crate::common::Reconnect;
use crate::event::Event;
use crate::mining::extranonce::ExtranonceError;
use crate::mining::{SetExtranoncePrefix, SetGroupChannel};
use crate::role::{Channels, Command, ConnectionId, Outbox};
use crate::wire::{Seq64K, Str255};

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Refusal {
    #[error("{connection} has no open channel {channel_id}")]
    NoSuchChannel { connection: ConnectionId, channel_id: u32 },
    #[error(transparent)]
    Extranonce(#[from] ExtranonceError),
    #[error("the client requires standard jobs and has no groups (spec 5.3.22)")]
    StandardJobsOnly,
    #[error("{connection} has no group {group_channel_id}")]
    NoSuchGroup { connection: ConnectionId, group_channel_id: u32 },
    #[error("its extranonces have {channel} bytes, those of the group {group} (spec 5.3.22)")]
    OtherLength { channel: usize, group: usize },
    #[error("it is a member already")]
    AlreadyMember,
    #[error("work for new extranonce prefixes has not come yet")]
    AwaitsWork,
    #[error("the connection has used up its channel ids")]
    IdsExhausted,
}

impl MiningServer {
    /// Does it, and tells what came of it.
    pub(crate) fn handle_command(&mut self, command: &Command, out: &mut Outbox) {
        let name = command.name();
        let outcomes: Vec<Result<(), Refusal>> = match command {
            Command::RenewExtranoncePrefix { channels } => self
                .chosen(*channels)
                .into_iter()
                .map(|(connection, channel_id)| self.renew_prefix(connection, channel_id, out))
                .collect(),
            Command::MoveToGroup { channels, group_channel_id } => self
                .chosen(*channels)
                .into_iter()
                .map(|(connection, channel_id)| match group_channel_id {
                    Some(group) => self.move_to_group(connection, channel_id, *group, out),
                    None => self.move_to_new_group(connection, channel_id, out),
                })
                .collect(),
            Command::Reconnect { new_host, new_port } => {
                let count = self.send_reconnect(new_host, *new_port, out);
                return out.tell(Event::CommandDone { command: name, count });
            }
        };
        let refusals: Vec<Refusal> = outcomes.iter().filter_map(|outcome| outcome.err()).collect();
        let done = outcomes.len() - refusals.len();
        if done > 0 || refusals.is_empty() {
            out.tell(Event::CommandDone { command: name, count: done });
        }
        if let Some(first) = refusals.first() {
            let (count, reason) = (refusals.len(), first.to_string());
            out.tell(Event::CommandRefused { command: name, count, reason });
        }
    }

    /// In the order of connections, then of opening.
    fn chosen(&self, channels: Channels) -> Vec<(ConnectionId, u32)> {
        match channels {
            Channels::One { connection, channel_id } => vec![(connection, channel_id)],
            Channels::All => (0..)
                .map(ConnectionId)
                .zip(&self.connections)
                .filter_map(|(connection, downstream)| Some((connection, downstream.as_deref()?)))
                .flat_map(|(connection, downstream)| {
                    downstream.channels.iter().map(move |(channel_id, _)| (connection, channel_id))
                })
                .collect(),
        }
    }

    fn open(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
    ) -> Result<&mut Downstream, Refusal> {
        slot(&mut self.connections, connection)
            .filter(|downstream| downstream.channels.contains(channel_id))
            .ok_or(Refusal::NoSuchChannel { connection, channel_id })
    }

    /// Spec 5.3.10. Jobs that were sent keep the old prefix, so its part of the search space
    /// stays the channel's as long as there are any.
    fn renew_prefix(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let downstream = slot(&mut self.connections, connection);
        let served = downstream
            .and_then(|downstream| downstream.channels.get_mut(channel_id))
            .ok_or(Refusal::NoSuchChannel { connection, channel_id })?;
        let extranonce = self.extranonces.another(served.channel.extranonce())?;
        let extranonce_prefix = extranonce.prefix();
        let unused = served.channel.replace_extranonce(extranonce);
        unused.into_iter().for_each(|extranonce| self.extranonces.release(extranonce));
        out.send(connection, SetExtranoncePrefix { channel_id, extranonce_prefix });
        Ok(())
    }

    /// Spec 5.3.22: takes its future jobs along.
    fn move_to_new_group(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        if self.open(connection, channel_id)?.requires_standard_jobs() {
            return Err(Refusal::StandardJobsOnly);
        }
        match self.regroup(connection, &[channel_id], out) {
            true => Ok(()),
            false => Err(Refusal::IdsExhausted),
        }
    }

    /// Spec 5.3.22. Future jobs of the group are sent again, under new ids, as for a channel
    /// that is opened.
    fn move_to_group(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        group_channel_id: u32,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let downstream = self.open(connection, channel_id)?;
        if downstream.requires_standard_jobs() {
            return Err(Refusal::StandardJobsOnly);
        }
        let Downstream { groups, channels, .. } = downstream;
        let channel = &mut channels.get_mut(channel_id).expect("it was found above").channel;
        let full_len = channel.extranonce().full_len();
        let at = |id: u32| groups.iter().position(|group| group.id() == id);
        let origin = at(channel.group_id()).expect("every channel has a group");
        let goal =
            at(group_channel_id).ok_or(Refusal::NoSuchGroup { connection, group_channel_id })?;
        if goal == origin {
            return Err(Refusal::AlreadyMember);
        }
        if groups[goal].full_len() != full_len {
            let group = groups[goal].full_len();
            return Err(Refusal::OtherLength { channel: full_len, group });
        }
        let waits = |at: usize| groups[at].is_behind() || groups[at].is_closed();
        if waits(origin) || waits(goal) {
            return Err(Refusal::AwaitsWork);
        }
        channel.set_group_id(group_channel_id);
        groups[origin].leave(channel_id);
        groups[goal].join(channel_id);
        let channel_ids = Seq64K::new(vec![channel_id]).expect("one fits");
        out.send(connection, SetGroupChannel { group_channel_id, channel_ids });
        if downstream.selects_work() {
            return Ok(());
        }
        let Some(downstream) = slot(&mut self.connections, connection) else { return Ok(()) };
        for source in self.stock.futures.values_mut() {
            send_job(connection, downstream, goal, source, None, out);
        }
        Ok(())
    }

    /// Spec 3.6.5. Says to how many clients.
    fn send_reconnect(&mut self, new_host: &Str255, new_port: u16, out: &mut Outbox) -> usize {
        let connections = self.open_connections();
        for connection in &connections {
            out.send(*connection, Reconnect { new_host: new_host.clone(), new_port });
        }
        connections.len()
    }
}
