//! Rule 30 about single messages: what comes too late, or ends without a word
//! (spec 3.6.5, 5.3.9, 5.3.17, 5.3.19).

use std::collections::VecDeque;
use std::net::SocketAddr;

use sv2::message::Message;
use sv2::wire::U256;

use super::Severity::{Chat, Note, Warning};
use super::scene::{Findings, Said, Scene};
use crate::Direction;
use crate::state::Mark;
use crate::state::request::{Detail, RequestKind};
use crate::text::duration;

/// When each server first told anybody of a block.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    first: VecDeque<(SocketAddr, U256, Mark)>,
}

impl FanOut {
    /// Servers and blocks that are remembered.
    const MAX: usize = 64;

    pub(super) fn check(&mut self, said: &Said<'_>, out: &mut Findings<'_>) {
        let Message::SetNewPrevHash(message) = said.message else { return };
        let (scene, connection) = (said.scene, said.scene.connection);
        let (server, now) = (connection.server, scene.mark());
        let known = self
            .first
            .iter()
            .rev()
            .find(|(theirs, hash, _)| *theirs == server && *hash == message.prev_hash);
        let Some((_, _, first)) = known else {
            if self.first.len() == Self::MAX {
                self.first.pop_front();
            }
            self.first.push_back((server, message.prev_hash, now));
            return;
        };
        // Who came later, or was told before, is told late for a reason.
        let board = match connection.channels.get(&message.channel_id) {
            Some(channel) => Some(&channel.board),
            None => connection.groups.get(&message.channel_id).map(|group| &group.board),
        };
        let tip = board.and_then(|board| board.tip());
        let was_waiting =
            tip.is_some_and(|tip| tip.told < *first && tip.prev_hash != message.prev_hash);
        let skew = now.since(*first);
        if was_waiting && skew > SKEW_MAX {
            let severity = if skew > SKEW_BAD { Warning } else { Note };
            let about = first.number << 8;
            out.tell_once(scene, (30, about), severity, || {
                format!("told of a block {} after the first that was", duration(skew))
            })
            .cause(first.number);
        }
    }
}

pub(super) fn check(said: &Said<'_>, out: &mut Findings<'_>) {
    let Message::SetCustomMiningJobSuccess(message) = said.message else { return };
    let (scene, connection) = (said.scene, said.scene.connection);
    let pending = connection.requests.pending(RequestKind::CustomJob, message.request_id.into());
    let Some(pending) = pending else { return };
    let Detail::CustomJob(request) = &pending.detail else { return };
    let newest = scene.state.legs.newest_tip();
    let is_late =
        newest.filter(|tip| tip.prev_hash != request.tip.prev_hash && tip.first > pending.sent);
    if let Some(tip) = is_late {
        out.tell(scene, 30, Note, || {
            let took = duration(scene.mark().since(pending.sent));
            format!("the custom job is accepted after {took}, when a new block has come")
        })
        .cause(tip.first.number);
    }
}

/// The end of a connection.
pub(super) fn check_end(scene: &Scene<'_>, out: &mut Findings<'_>, by: Direction, reset: bool) {
    let connection = scene.connection;
    if connection.ended.is_some() || connection.channels.is_empty() {
        return;
    }
    let count = connection.channels.len();
    let severity = match (by, reset) {
        (Direction::ServerToClient, true) => Warning,
        (Direction::ServerToClient, false) => Note,
        (Direction::ClientToServer, _) => Chat,
    };
    if connection.farewell.is_none() {
        out.tell(scene, 30, severity, || {
            let who = match by {
                Direction::ClientToServer => "client",
                Direction::ServerToClient => "server",
            };
            let how = if reset { "breaks off" } else { "ends the connection" };
            format!("the {who} {how} with {count} open channels, and says nothing")
        });
    }
}

/// In nanoseconds.
const SKEW_MAX: u64 = 200_000_000;
/// In nanoseconds.
const SKEW_BAD: u64 = 1_000_000_000;
