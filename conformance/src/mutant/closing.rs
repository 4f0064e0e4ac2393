//! Bugs about what ends: channels, groups, idle connections, and jobs that end too early.

use sv2::message::Message;
use sv2::mining::CloseChannel;
use sv2::role::{CloseReason, ConnectionId};

use super::Mutant;
use super::remembering::{Bug, Turn, around, channel_id, opened, spoil};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "closes-the-whole-group",
            "A pool that ends a group when one of its members is closed",
            around::<ClosesTheWholeGroup>,
        ),
        Mutant::in_code(
            "closes-no-groups",
            "A pool that looks a CloseChannel up among its channels alone, where the id \
             of a group is not found",
            around::<ClosesNoGroups>,
        ),
        Mutant::in_code(
            "closes-one-member",
            "A pool that leaves its loop over a group's members after the first, because \
             closing it has changed the list",
            around::<ClosesOneMember>,
        ),
        Mutant::in_code(
            "closes-on-all-connections",
            "A pool that keeps all channels in one table by id, although ids mean \
             something within one connection only",
            around::<ClosesOnAllConnections>,
        ),
        Mutant::in_code(
            "jobs-for-closed-channels",
            "A pool that takes a closed channel out of its accounts and not out of the \
             list that jobs are sent to",
            around::<JobsForClosedChannels>,
        ),
        Mutant::in_code(
            "group-lives-with-its-first-member",
            "A pool that keeps a group's jobs in its first channel, and loses them when that one \
             is closed",
            around::<GroupLivesWithItsFirstMember>,
        ),
        Mutant::in_code(
            "idle-for-ever",
            "A pool that lets connections without channels sit for ever, until it has no \
             room for miners",
            around::<IdleForEver>,
        ),
        Mutant::in_code(
            "refused-custom-job-ends-the-job",
            "A pool that takes the channel's job away when a custom job arrives, before \
             it finds that it cannot accept it",
            around::<RefusedCustomJobEndsTheJob>,
        ),
    ]
}

/// Which channels belong to which group.
#[derive(Default)]
struct Groups {
    members: Vec<(ConnectionId, u32, u32)>,
}

impl Groups {
    fn note(&mut self, connection: ConnectionId, message: &mut Message) {
        if let Some(opened) = opened(message) {
            self.members.push((connection, *opened.group_id, opened.channel_id));
        }
    }

    fn group_of(&self, connection: ConnectionId, channel_id: u32) -> Option<u32> {
        let key = (connection, channel_id);
        let member = self.members.iter().find(|(on, _, channel)| (*on, *channel) == key);
        member.map(|(_, group, _)| *group)
    }

    fn first_member(&self, connection: ConnectionId, group_id: u32) -> Option<u32> {
        let key = (connection, group_id);
        let member = self.members.iter().find(|(on, group, _)| (*on, *group) == key);
        member.map(|(_, _, channel)| *channel)
    }
}

#[derive(Default)]
struct ClosesTheWholeGroup(Groups);

impl Bug for ClosesTheWholeGroup {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::CloseChannel(close) = &mut message {
            let group = self.0.group_of(connection, close.channel_id);
            close.channel_id = group.unwrap_or(close.channel_id);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(connection, &mut message);
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct ClosesNoGroups(Groups);

impl Bug for ClosesNoGroups {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        let is_group = matches!(&message, Message::CloseChannel(close)
            if self.0.first_member(connection, close.channel_id).is_some());
        if !is_group {
            turn.hear(connection, message);
        }
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(connection, &mut message);
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct ClosesOneMember(Groups);

impl Bug for ClosesOneMember {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::CloseChannel(close) = &mut message {
            let member = self.0.first_member(connection, close.channel_id);
            close.channel_id = member.unwrap_or(close.channel_id);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(connection, &mut message);
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct ClosesOnAllConnections(Groups);

impl Bug for ClosesOnAllConnections {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::CloseChannel(CloseChannel { channel_id, .. }) = &message {
            for (other, _, channel) in &self.0.members {
                if *other != connection && channel == channel_id {
                    turn.hear(*other, message.clone());
                }
            }
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(connection, &mut message);
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct JobsForClosedChannels {
    closed: Vec<(ConnectionId, u32)>,
}

impl Bug for JobsForClosedChannels {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::CloseChannel(close) = &message {
            self.closed.push((connection, close.channel_id));
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if matches!(message, Message::NewMiningJob(_) | Message::SetNewPrevHash(_)) {
            for (_, closed) in self.closed.iter().filter(|(on, _)| *on == connection) {
                let mut again = message.clone();
                if let Some(id) = channel_id(&mut again) {
                    *id = *closed;
                }
                turn.say(connection, again);
            }
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct IdleForEver;

impl Bug for IdleForEver {
    fn closes(&mut self, reason: &CloseReason) -> bool {
        *reason != CloseReason::Idle
    }
}

#[derive(Default)]
struct RefusedCustomJobEndsTheJob {
    channels: Vec<(ConnectionId, u32)>,
}

impl Bug for RefusedCustomJobEndsTheJob {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::SetCustomMiningJob(job) = &message {
            self.channels.push((connection, job.channel_id));
        } else if let Some(id) = channel_id(&mut message)
            && self.channels.contains(&(connection, *id))
        {
            spoil(&mut message);
        }
        turn.hear(connection, message);
    }
}

/// What goes to a group whose first member has left gets lost.
#[derive(Default)]
struct GroupLivesWithItsFirstMember {
    groups: Groups,
    ended: Vec<(ConnectionId, u32)>,
}

impl Bug for GroupLivesWithItsFirstMember {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::CloseChannel(close) = &message
            && let Some(group) = self.groups.group_of(connection, close.channel_id)
            && self.groups.first_member(connection, group) == Some(close.channel_id)
        {
            self.ended.push((connection, group));
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.groups.note(connection, &mut message);
        let to = channel_id(&mut message).map(|id| (connection, *id));
        if to.is_none_or(|to| !self.ended.contains(&to)) {
            turn.say(connection, message);
        }
    }
}
