//! Mutants that give templates in another order, to other clients, or forget them.

use std::collections::BTreeMap;

use sv2::message::Message;
use sv2::role::ConnectionId;
use sv2::wire::Seq64K;

use super::Mutant;
use super::remembering::{Bug, Turn, around};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "prev-hash-comes-first",
            "A provider that tells the new block at once, and the template for it when that is \
             made",
            around::<PrevHashFirst>,
        ),
        Mutant::in_code(
            "data-in-another-order",
            "A provider that keeps the transactions of a template in the order of their ids",
            around::<DataReversed>,
        ),
        Mutant::in_code(
            "knows-its-last-template-alone",
            "A provider that keeps one template for each client, so that a block of the one \
             before is lost",
            around::<LastAlone>,
        ),
        Mutant::in_code(
            "first-client-alone-hears-of-blocks",
            "A provider that takes one client for granted, and tells new blocks to the first",
            around::<FirstAlone>,
        ),
    ]
}

#[derive(Default)]
struct PrevHashFirst {
    /// Future templates that wait for their turn.
    held: BTreeMap<ConnectionId, Message>,
}

impl Bug for PrevHashFirst {
    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        match &message {
            Message::NewTemplate(template) if template.future_template => {
                self.held.insert(connection, message);
            }
            Message::TemplateSetNewPrevHash(_) => {
                turn.say(connection, message);
                if let Some(template) = self.held.remove(&connection) {
                    turn.say(connection, template);
                }
            }
            _ => turn.say(connection, message),
        }
    }
}

#[derive(Default)]
struct DataReversed;

impl Bug for DataReversed {
    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::RequestTransactionDataSuccess(success) = &mut message {
            let reversed = success.transaction_list.as_slice().iter().rev().cloned().collect();
            success.transaction_list = Seq64K::new(reversed).unwrap_or_default();
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct LastAlone {
    last: BTreeMap<ConnectionId, u64>,
}

impl Bug for LastAlone {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::SubmitSolution(solution) = &message
            && self.last.get(&connection) != Some(&solution.template_id)
        {
            return;
        }
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::NewTemplate(template) = &message {
            self.last.insert(connection, template.template_id);
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct FirstAlone {
    /// Messages about blocks so far.
    told: BTreeMap<ConnectionId, u64>,
}

impl Bug for FirstAlone {
    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if matches!(message, Message::TemplateSetNewPrevHash(_)) {
            let told = self.told.entry(connection).or_default();
            *told += 1;
            let is_first = self.told.keys().next() == Some(&connection);
            if self.told[&connection] > 1 && !is_first {
                return;
            }
        }
        turn.say(connection, message);
    }
}
