//! Setting up a connection (spec 3.6.1 to 3.6.3).

use super::{Phase, Pool, Timer};
use crate::common::{Protocol, SetupConnection, SetupConnectionError};
use crate::event::Event;
use crate::message::Message;
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::Now;
use crate::violation::Violation;

impl Pool {
    pub(super) fn handle_setup(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetupConnection,
        out: &mut Outbox,
    ) {
        match self.offer.answer(request) {
            Ok(success) => {
                let idle_at = now.instant + self.config.idle_timeout;
                let Some(downstream) = self.downstream(connection) else { return };
                downstream.phase = Phase::Open;
                self.timers.cancel(Timer::Setup(connection));
                self.timers.set(Timer::Idle(connection), idle_at);
                out.send(connection, success);
                out.tell(Event::SetupDone {
                    connection,
                    protocol: Protocol::Mining as u8,
                    flags: request.flags,
                });
            }
            Err(refusal) => {
                out.send(connection, SetupConnectionError::from(refusal));
                self.close(connection, CloseReason::SetupRefused(refusal.error_code), out);
            }
        }
    }
}

pub(super) fn before_setup(message: &Message) -> CloseReason {
    Violation::BeforeSetup { message: message.name() }.into()
}

pub(super) fn unknown_before_setup() -> CloseReason {
    Violation::BeforeSetup { message: "an unknown message" }.into()
}

/// AMB-47: the connection ends, since its two sides no longer agree about what it is.
pub(super) fn second_setup() -> CloseReason {
    Violation::SecondSetup.into()
}
