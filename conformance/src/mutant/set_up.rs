//! Mutants that forget what a connection has been set up for.

use std::collections::BTreeSet;

use sv2::common::SetupConnection;
use sv2::message::Message;
use sv2::mining::SetTarget;
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Via};
use sv2::wire::{Target, Tlvs};

use super::Mutant;
use super::edge::{Tamper, edge};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "sets-up-by-itself",
            "A server that hands every message to the mining code, which knows clients by their \
             defaults until they say more",
            |role| edge(role, SetsUpByItself::default()),
        ),
        Mutant::in_code(
            "second-setup-takes-over",
            "A server that handles SetupConnection whenever it comes, so that a second one \
             replaces what was agreed on",
            |role| edge(role, SecondSetupTakesOver::default()),
        ),
        Mutant::in_code(
            "servers-of-one-address-differ",
            "Two servers behind one address, of which only one has been given the new release",
            |role| edge(role, ServersDiffer),
        ),
        Mutant::in_code(
            "greets-its-clients",
            "A pool that sends the difficulty to whoever connects, as servers of the old protocol \
             do",
            |role| edge(role, Greets),
        ),
    ]
}

fn setup_with(connection: ConnectionId, request: SetupConnection) -> Input {
    Input::Received { connection, message: request.into(), tlvs: Tlvs::NONE, original: None }
}

/// The default request for mining, which needs nothing.
fn plain_request() -> SetupConnection {
    SetupConnection { min_version: 2, max_version: 2, ..SetupConnection::default() }
}

#[derive(Default)]
struct SetsUpByItself {
    /// Clients that have said nothing yet.
    fresh: BTreeSet<ConnectionId>,
    /// Clients for which the answer to our own request must not go out.
    silenced: BTreeSet<ConnectionId>,
}

impl Tamper for SetsUpByItself {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Connected { connection, via: Via::Listener(_) } => {
                self.fresh.insert(*connection);
            }
            Input::Received { connection, message, .. }
                if self.fresh.remove(connection)
                    && !matches!(message, Message::SetupConnection(_)) =>
            {
                self.silenced.insert(*connection);
                return vec![setup_with(*connection, plain_request()), input];
            }
            _ => {}
        }
        vec![input]
    }

    fn say(&mut self, output: Output) -> Option<Output> {
        match &output {
            Output::Send { connection, message: Message::SetupConnectionSuccess(_), .. }
                if self.silenced.remove(connection) =>
            {
                None
            }
            _ => Some(output),
        }
    }
}

#[derive(Default)]
struct SecondSetupTakesOver {
    set_up: BTreeSet<ConnectionId>,
}

impl Tamper for SecondSetupTakesOver {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Received { connection, message: Message::SetupConnection(_), .. }
                if !self.set_up.insert(*connection) =>
            {
                let connection = *connection;
                vec![
                    Input::Closed { connection, reason: CloseReason::ByPeer },
                    Input::Connected { connection, via: Via::Listener(0) },
                    input,
                ]
            }
            Input::Closed { connection, .. } => {
                self.set_up.remove(connection);
                vec![input]
            }
            _ => vec![input],
        }
    }
}

/// Every second connection is served by the older release.
struct ServersDiffer;

impl Tamper for ServersDiffer {
    fn say(&mut self, output: Output) -> Option<Output> {
        match output {
            Output::Send {
                connection,
                message: Message::SetupConnectionError(mut error),
                tlvs,
            } if connection.0 % 2 == 1 => {
                error.flags |= 1;
                let message = Message::SetupConnectionError(error);
                Some(Output::Send { connection, message, tlvs })
            }
            other => Some(other),
        }
    }
}

/// Speaks first.
struct Greets;

impl Tamper for Greets {
    fn hear(&mut self, input: Input, out: &mut Outbox) -> Vec<Input> {
        if let Input::Connected { connection, via: Via::Listener(_) } = &input {
            let target = Target::from_expected_hashes(4096.0);
            out.send(*connection, SetTarget { channel_id: 0, maximum_target: target });
        }
        vec![input]
    }
}
