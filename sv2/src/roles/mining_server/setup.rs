//! Setting up a connection (spec 3.6.1 to 3.6.3).

use super::{MiningServer, Timer, slot};
use crate::common::{Protocol, SetupConnection, SetupConnectionError};
use crate::event::Event;
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::Now;

impl MiningServer {
    pub(super) fn handle_setup(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetupConnection,
        out: &mut Outbox,
    ) {
        match self.offer.answer(request) {
            Ok(success) => {
                let Some(downstream) = slot(&mut self.connections, connection) else { return };
                downstream.open(request.flags);
                self.timers.cancel(Timer::Setup(connection));
                self.watch_idleness(now.instant, connection);
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
