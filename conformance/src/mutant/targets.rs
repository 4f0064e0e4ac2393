//! Bugs about what a share must meet.

use sv2::message::Message;
use sv2::mining::UpdateChannel;
use sv2::role::ConnectionId;
use sv2::wire::{Target, U256};

use super::Mutant;
use super::remembering::{Bug, Turn, around, opened, spoil};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "targets-most-significant-first",
            "A pool that writes targets the way people write them, most significant byte \
             first",
            around::<MostSignificantFirst>,
        ),
        Mutant::in_code(
            "odd-hash-rates-give-target-zero",
            "A pool that divides by the hash rate and casts the result, so that rates \
             that are no rates give a target of zero",
            around::<OddRatesGiveZero>,
        ),
        Mutant::in_code(
            "targets-per-connection",
            "A pool that keeps one target per connection: what one channel asks for \
             changes what is demanded of all, and only that one is told",
            around::<PerConnection>,
        ),
        Mutant::in_code(
            "targets-hold-backwards",
            "A pool that judges a share by the channel's present target, not by that of \
             its job",
            around::<Backwards>,
        ),
    ]
}

#[derive(Default)]
struct MostSignificantFirst;

impl MostSignificantFirst {
    fn reverse(target: &mut Target) {
        *target = Target(U256::from_be_bytes(*target.0.as_le_bytes()));
    }
}

impl Bug for MostSignificantFirst {
    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message) {
            Self::reverse(opened.target);
        } else if let Message::SetTarget(set) = &mut message {
            Self::reverse(&mut set.maximum_target);
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct OddRatesGiveZero {
    odd: Vec<(ConnectionId, u32)>,
}

impl Bug for OddRatesGiveZero {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        let (request_id, rate) = match &mut message {
            Message::OpenStandardMiningChannel(open) => {
                (open.request_id, &mut open.nominal_hash_rate)
            }
            Message::OpenExtendedMiningChannel(open) => {
                (open.request_id, &mut open.nominal_hash_rate)
            }
            _ => return turn.hear(connection, message),
        };
        if !rate.is_finite() || *rate < 0.0 {
            *rate = 1e5;
            self.odd.push((connection, request_id));
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message)
            && self.odd.contains(&(connection, opened.request_id))
        {
            *opened.target = Target(U256::ZERO);
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct PerConnection {
    channels: Vec<(ConnectionId, u32)>,
    untold: Vec<(ConnectionId, u32)>,
}

impl Bug for PerConnection {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::UpdateChannel(update) = &message {
            for (on, channel_id) in &self.channels {
                if *on == connection && *channel_id != update.channel_id {
                    self.untold.push((connection, *channel_id));
                    let update = UpdateChannel { channel_id: *channel_id, ..update.clone() };
                    turn.hear(connection, update);
                }
            }
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message) {
            self.channels.push((connection, opened.channel_id));
        }
        let is_untold = matches!(&message, Message::SetTarget(set)
            if self.untold.contains(&(connection, set.channel_id)));
        if !is_untold {
            turn.say(connection, message);
        }
    }
}

/// Jobs that were sent before their channel's target changed.
#[derive(Default)]
struct Backwards {
    jobs: Vec<(ConnectionId, u32)>,
    spoiled: Vec<(ConnectionId, u32)>,
}

impl Bug for Backwards {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        let job = match &message {
            Message::SubmitSharesStandard(share) => Some(share.job_id),
            Message::SubmitSharesExtended(share) => Some(share.job_id),
            _ => None,
        };
        if job.is_some_and(|job| self.spoiled.contains(&(connection, job))) {
            spoil(&mut message);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        match &message {
            Message::NewMiningJob(job) => self.jobs.push((connection, job.job_id)),
            Message::NewExtendedMiningJob(job) => self.jobs.push((connection, job.job_id)),
            Message::SetTarget(_) => self.spoiled.append(&mut self.jobs),
            _ => {}
        }
        turn.say(connection, message);
    }
}
