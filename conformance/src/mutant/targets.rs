//! Bugs about what a share must meet.

use sv2::message::Message;
use sv2::role::ConnectionId;
use sv2::wire::{Target, U256};

use super::Mutant;
use super::remembering::{Bug, Turn, around, opened};

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
