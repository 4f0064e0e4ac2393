//! Bugs about opening and naming channels.

use sv2::message::Message;
use sv2::mining::OpenMiningChannelError;
use sv2::role::ConnectionId;
use sv2::wire::Str255;

use super::Mutant;
use super::remembering::{Bug, Turn, around, channel_id, opened};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "job-overtakes-success",
            "A pool whose jobs and answers come from two tasks, so that the first job of \
             a channel can be sent before the answer that opens it",
            around::<JobOvertakesSuccess>,
        ),
        Mutant::in_code(
            "counts-channels-and-groups-apart",
            "A pool that counts channels from 1 and groups from 1, in two tables",
            around::<CountsApart>,
        ),
        Mutant::in_code(
            "gives-closed-ids-away",
            "A pool whose channel id is the first free index of a table, so that an id \
             comes back as soon as its channel is closed",
            around::<GivesClosedIdsAway>,
        ),
        Mutant::in_code(
            "one-channel-per-identity",
            "A pool that keeps channels by user identity and gives a second device of \
             the same user the channel of the first",
            around::<OneChannelPerIdentity>,
        ),
        Mutant::in_code(
            "requests-must-rise",
            "A pool that takes a request_id below the last one for a repetition, and \
             does not answer it",
            around::<RequestsMustRise>,
        ),
        Mutant::in_code(
            "refusal-leaves-the-channel",
            "A pool that makes the channel first, finds that it has no room for the \
             extranonce, refuses, and does not unmake the channel: jobs go out to it",
            around::<RefusalLeavesTheChannel>,
        ),
    ]
}

#[derive(Default)]
struct JobOvertakesSuccess {
    held: Option<(ConnectionId, Message)>,
}

impl Bug for JobOvertakesSuccess {
    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if opened(&mut message).is_some() {
            self.held = Some((connection, message));
            return;
        }
        turn.say(connection, message);
        if let Some((connection, success)) = self.held.take_if(|(to, _)| *to == connection) {
            turn.say(connection, success);
        }
    }
}

/// Ids of channels are the order in which they were opened, to the outside.
#[derive(Default)]
struct CountsApart {
    opened: Vec<(ConnectionId, u32)>,
}

impl CountsApart {
    fn of(&self, connection: ConnectionId) -> impl Iterator<Item = u32> + '_ {
        self.opened.iter().filter(move |(on, _)| *on == connection).map(|(_, id)| *id)
    }
}

impl Bug for CountsApart {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(id) = channel_id(&mut message) {
            let index = (*id as usize).wrapping_sub(1);
            *id = self.of(connection).nth(index).unwrap_or(*id);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message) {
            self.opened.push((connection, opened.channel_id));
        }
        if let Some(id) = channel_id(&mut message) {
            let number = (1..).zip(self.of(connection)).find(|(_, inner)| inner == id);
            *id = number.map_or(*id, |(number, _)| number);
        }
        turn.say(connection, message);
    }
}

/// Inner id and the one that the client knows, of live channels.
#[derive(Default)]
struct GivesClosedIdsAway {
    live: Vec<(ConnectionId, u32, u32)>,
    free: Vec<(ConnectionId, u32)>,
}

impl Bug for GivesClosedIdsAway {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        let closes = matches!(message, Message::CloseChannel(_));
        if let Some(id) = channel_id(&mut message) {
            let known = (connection, *id);
            let at = self.live.iter().position(|(on, _, outer)| (*on, *outer) == known);
            *id = at.map_or(*id, |at| self.live[at].1);
            if let (true, Some(at)) = (closes, at) {
                self.live.remove(at);
                self.free.push(known);
            }
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message) {
            let inner = opened.channel_id;
            let at = self.free.iter().position(|(on, _)| *on == connection);
            let outer = at.map_or(inner, |at| self.free.remove(at).1);
            self.live.push((connection, inner, outer));
        }
        if let Some(id) = channel_id(&mut message) {
            let known = (connection, *id);
            let live = self.live.iter().find(|(on, inner, _)| (*on, *inner) == known);
            *id = live.map_or(*id, |(_, _, outer)| *outer);
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct OneChannelPerIdentity {
    asked: Vec<(ConnectionId, u32, Str255)>,
    answers: Vec<(ConnectionId, Str255, Message)>,
}

impl Bug for OneChannelPerIdentity {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        let (request_id, identity) = match &message {
            Message::OpenStandardMiningChannel(open) => (open.request_id, &open.user_identity),
            Message::OpenExtendedMiningChannel(open) => (open.request_id, &open.user_identity),
            _ => return turn.hear(connection, message),
        };
        let known = self.answers.iter().find(|(on, of, _)| *on == connection && of == identity);
        if let Some((_, _, first)) = known {
            let mut again = first.clone();
            match &mut again {
                Message::OpenStandardMiningChannelSuccess(one) => one.request_id = request_id,
                Message::OpenExtendedMiningChannelSuccess(one) => one.request_id = request_id,
                _ => {}
            }
            turn.say(connection, again);
        } else {
            self.asked.push((connection, request_id, identity.clone()));
            turn.hear(connection, message);
        }
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(request_id) = opened(&mut message).map(|opened| opened.request_id) {
            let key = (connection, request_id);
            let asked = self.asked.iter().find(|(on, id, _)| (*on, *id) == key);
            if let Some((_, _, identity)) = asked {
                self.answers.push((connection, identity.clone(), message.clone()));
            }
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct RequestsMustRise {
    last: Vec<(ConnectionId, u32)>,
}

impl Bug for RequestsMustRise {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        let request_id = match &message {
            Message::OpenStandardMiningChannel(open) => open.request_id,
            Message::OpenExtendedMiningChannel(open) => open.request_id,
            _ => return turn.hear(connection, message),
        };
        let last = self.last.iter().rev().find(|(on, _)| *on == connection);
        if last.is_none_or(|(_, last)| request_id > *last) {
            self.last.push((connection, request_id));
            turn.hear(connection, message);
        }
    }
}

#[derive(Default)]
struct RefusalLeavesTheChannel {
    refused: Vec<(ConnectionId, u32)>,
}

impl Bug for RefusalLeavesTheChannel {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::OpenExtendedMiningChannel(open) = &mut message
            && open.min_extranonce_size > 32
        {
            open.min_extranonce_size = 0;
            self.refused.push((connection, open.request_id));
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        let request_id = opened(&mut message).map(|opened| opened.request_id);
        match request_id.filter(|id| self.refused.contains(&(connection, *id))) {
            None => turn.say(connection, message),
            Some(request_id) => turn.say(
                connection,
                OpenMiningChannelError { request_id, error_code: Str255::from_static("no-room") },
            ),
        }
    }
}
