//! Mutants that hand out tokens and ask for transactions in ways of their own.

use std::collections::BTreeMap;

use sv2::job_declaration::ProvideMissingTransactions;
use sv2::message::Message;
use sv2::role::ConnectionId;
use sv2::wire::{B255, Seq64K};

use super::Mutant;
use super::remembering::{Bug, Turn, around};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "tokens-are-counted",
            "A server whose tokens are the numbers of its requests, as the reference \
             implementation's are",
            around::<TokensCounted>,
        ),
        Mutant::in_code(
            "positions-count-the-coinbase",
            "A server that counts positions in the block, where the coinbase transaction is the \
             first",
            around::<PositionsShifted>,
        ),
        Mutant::in_code(
            "asks-for-everything",
            "A server that asks for all transactions of a job as soon as it lacks one",
            around::<AsksForEverything>,
        ),
        Mutant::in_code(
            "answers-whoever-used-the-number-first",
            "A server that finds the connection for an answer by the request's number alone",
            around::<AnswersFirst>,
        ),
    ]
}

#[derive(Default)]
struct TokensCounted {
    given: u64,
}

impl Bug for TokensCounted {
    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::AllocateMiningJobTokenSuccess(success) = &mut message {
            self.given += 1;
            success.mining_job_token =
                B255::new(self.given.to_le_bytes().to_vec()).unwrap_or_default();
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct PositionsShifted;

impl Bug for PositionsShifted {
    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        match message {
            Message::ProvideMissingTransactions(asked) => {
                let shifted = |at: &u16| at.saturating_add(1);
                let positions = asked.unknown_tx_position_list.as_slice().iter().map(shifted);
                turn.say(connection, ask(asked.request_id, positions.collect()));
            }
            other => turn.say(connection, other),
        }
    }
}

#[derive(Default)]
struct AsksForEverything {
    lengths: BTreeMap<(ConnectionId, u32), u16>,
}

impl Bug for AsksForEverything {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::DeclareMiningJob(request) = &message {
            let len = u16::try_from(request.wtxid_list.as_slice().len()).unwrap_or(u16::MAX);
            self.lengths.insert((connection, request.request_id), len);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        match message {
            Message::ProvideMissingTransactions(asked) => {
                let len = self.lengths.get(&(connection, asked.request_id)).copied();
                turn.say(connection, ask(asked.request_id, (0..len.unwrap_or(0)).collect()));
            }
            other => turn.say(connection, other),
        }
    }
}

fn ask(request_id: u32, positions: Vec<u16>) -> ProvideMissingTransactions {
    let unknown_tx_position_list = Seq64K::new(positions).unwrap_or_default();
    ProvideMissingTransactions { request_id, unknown_tx_position_list }
}

#[derive(Default)]
struct AnswersFirst {
    asked: BTreeMap<u32, ConnectionId>,
}

impl Bug for AnswersFirst {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::DeclareMiningJob(request) = &message {
            self.asked.entry(request.request_id).or_insert(connection);
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        let request_id = match &message {
            Message::DeclareMiningJobSuccess(success) => success.request_id,
            Message::DeclareMiningJobError(error) => error.request_id,
            _ => return turn.say(connection, message),
        };
        let first = self.asked.get(&request_id).copied();
        turn.say(first.unwrap_or(connection), message);
    }
}
