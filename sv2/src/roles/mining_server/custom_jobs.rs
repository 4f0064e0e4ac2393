//! Jobs that clients bring (spec 5.3.18 to 5.3.20). Whether they are good is the owner's to say;
//! an owner that says nothing has none.

use std::sync::Arc;

use super::downstream::Downstream;
use super::{MiningServer, slot};
use crate::mining::channel::ChannelKind;
use crate::mining::error_code::custom_job;
use crate::mining::job::Work;
use crate::mining::{SetCustomMiningJob, SetCustomMiningJobError, SetCustomMiningJobSuccess};
use crate::role::{ConnectionId, Outbox};
use crate::time::Now;
use crate::wire::Str255;

/// The channel, or the channels of the group, that a custom job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CustomJobPlace<'a> {
    /// Of the whole extranonce, in bytes: the same for all members of a group.
    pub(crate) extranonce_len: usize,
    /// `None` if the members of a group have different ones.
    pub(crate) user_identity: Option<&'a [u8]>,
}

impl MiningServer {
    /// Whether a client has set up that it brings its own work.
    pub(crate) fn selects_work(&self, connection: ConnectionId) -> bool {
        self.downstream(connection).is_some_and(|client| client.is_open() && client.selects_work())
    }

    /// `None`: no extended channel, and no group that has one, goes by this id (AMB-37).
    pub(crate) fn custom_job_place(
        &self,
        connection: ConnectionId,
        channel_id: u32,
    ) -> Option<CustomJobPlace<'_>> {
        let downstream = self.downstream(connection)?;
        let served: Vec<_> = targets(downstream, channel_id)
            .into_iter()
            .map(|channel_id| &downstream.channels[channel_id])
            .collect();
        let (first, others) = served.split_first()?;
        let is_one_user = others.iter().all(|other| other.user_identity == first.user_identity);
        Some(CustomJobPlace {
            extranonce_len: first.channel.extranonce().full_len(),
            user_identity: is_one_user.then_some(&*first.user_identity),
        })
    }

    /// The job is paid from now on, until the next tip: on one channel or, under the same id, on
    /// all extended channels of a group. Returns its id.
    ///
    /// # Panics
    /// If there is no [place](MiningServer::custom_job_place) for it.
    pub(crate) fn accept_custom_job(
        &mut self,
        connection: ConnectionId,
        request: &SetCustomMiningJob,
        work: &Arc<Work>,
        out: &mut Outbox,
    ) -> u32 {
        let (channel_id, request_id) = (request.channel_id, request.request_id);
        let downstream = slot(&mut self.connections, connection).expect("the place is there");
        let job_id = downstream.take_job_id();
        let channel_ids = targets(downstream, channel_id);
        assert!(!channel_ids.is_empty(), "the place is there");
        for channel_id in channel_ids {
            let served = downstream.channels.get_mut(channel_id).expect("targets are open");
            served.channel.add_active_job(job_id, work.clone());
        }
        out.send(connection, SetCustomMiningJobSuccess { channel_id, request_id, job_id });
        job_id
    }

    /// The job is not paid.
    pub(crate) fn refuse_custom_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetCustomMiningJob,
        error_code: &'static str,
        out: &mut Outbox,
    ) {
        out.send(
            connection,
            SetCustomMiningJobError {
                channel_id: request.channel_id,
                request_id: request.request_id,
                error_code: Str255::from_static(error_code),
            },
        );
        self.count_useless(now, connection, out);
    }

    /// Nobody has taken it away: there is nothing that it could be checked against.
    pub(super) fn handle_custom_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetCustomMiningJob,
        out: &mut Outbox,
    ) {
        self.refuse_custom_job(now, connection, request, custom_job::JD_NOT_SUPPORTED, out);
    }

    fn downstream(&self, connection: ConnectionId) -> Option<&Downstream> {
        self.connections.get(connection.0 as usize)?.as_deref()
    }
}

/// Spec 5.3.18: an extended channel, or those of a group, whose standard ones are ignored.
fn targets(downstream: &Downstream, channel_id: u32) -> Vec<u32> {
    let group = downstream.groups.iter().find(|group| group.id() == channel_id);
    let named = match group {
        Some(group) => group.members().collect(),
        None => vec![channel_id],
    };
    let is_extended = |channel_id: &u32| {
        let served = downstream.channels.get(*channel_id);
        served.is_some_and(|served| served.channel.kind() == ChannelKind::Extended)
    };
    named.into_iter().filter(is_extended).collect()
}
