//! Bugs of job declarator clients that no rule can say: what they do not notice, and whom they
//! do not leave.

use sv2::message::Message;
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output};

use super::Mutant;
use super::edge::{Tamper, edge};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "client-never-hangs-up",
            "A client that stays with its pool, whatever the pool does to its jobs",
            |role| edge(role, NeverHangsUp),
        ),
        Mutant::in_code(
            "client-does-not-miss-its-pool",
            "A client that notices the end of a connection only when it has something to send",
            |role| edge(role, MissesNobody::default()),
        ),
    ]
}

struct NeverHangsUp;

impl Tamper for NeverHangsUp {
    fn say(&mut self, output: Output) -> Option<Output> {
        match output {
            Output::Close { reason: CloseReason::ByPeer, .. } => Some(output),
            Output::Close { .. } => None,
            other => Some(other),
        }
    }
}

/// Of the connection that has accepted a custom job, the end is not heard.
#[derive(Default)]
struct MissesNobody {
    pool: Option<ConnectionId>,
}

impl Tamper for MissesNobody {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Received {
                connection, message: Message::SetCustomMiningJobSuccess(_), ..
            } => {
                self.pool = Some(*connection);
                vec![input]
            }
            Input::Closed { connection, .. } if self.pool == Some(*connection) => Vec::new(),
            _ => vec![input],
        }
    }
}
