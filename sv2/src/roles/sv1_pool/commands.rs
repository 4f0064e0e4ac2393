//! What an operator wants: other extranonces, or everybody elsewhere.

use super::client::Client;
use super::{Sv1Pool, slot};
use crate::event::Event;
use crate::role::{Channels, CloseReason, Command, ConnectionId, Outbox};
use crate::sv1::{Call, Message, Reconnect};
use crate::wire::Str255;

impl Sv1Pool {
    pub(super) fn handle_command(&mut self, command: &Command, out: &mut Outbox) {
        match command {
            Command::RenewExtranoncePrefix { channels } => {
                let count = self.renew_extranonces(*channels, out);
                out.tell(Event::CommandDone { command: command.name(), count });
            }
            Command::Reconnect { new_host, new_port } => {
                let count = self.send_elsewhere(new_host, *new_port, out);
                out.tell(Event::CommandDone { command: command.name(), count });
            }
            Command::MoveToGroup { .. } => {
                let reason = "Stratum V1 has no groups".to_owned();
                out.tell(Event::CommandRefused { command: command.name(), count: 1, reason });
            }
        }
    }

    /// Those who cannot be told must begin anew.
    fn renew_extranonces(&mut self, channels: Channels, out: &mut Outbox) -> usize {
        let mut count = 0;
        for connection in self.connections_where(|client| client.channel.is_some()) {
            let is_meant = match channels {
                Channels::All => true,
                Channels::One { connection: one, channel_id } => {
                    one == connection && channel_id == super::CHANNEL_ID
                }
            };
            if is_meant {
                count += usize::from(self.renew_extranonce(connection, out));
            }
        }
        count
    }

    fn renew_extranonce(&mut self, connection: ConnectionId, out: &mut Outbox) -> bool {
        let Some(client) = slot(&mut self.clients, connection) else { return false };
        if !client.takes_extranonces {
            self.close(connection, CloseReason::ServiceChanged("another extranonce"), out);
            return true;
        }
        let Some(channel) = &mut client.channel else { return false };
        let Ok(extranonce) = self.extranonces.extended(0) else { return false };
        let set = Call::SetExtranonce {
            extranonce1: extranonce.prefix(),
            extranonce2_size: u8::try_from(extranonce.rollable_len()).expect("at most 32"),
        };
        let unused = channel.replace_extranonce(extranonce);
        unused.into_iter().for_each(|extranonce| self.extranonces.release(extranonce));
        out.say(connection, &Message::notification(set));
        if client.is_working() {
            // It holds from the next job on, and no other may be worked on.
            self.send_present_job(connection, true, out);
        }
        true
    }

    fn send_elsewhere(&mut self, host: &Str255, port: u16, out: &mut Outbox) -> usize {
        let host = host.to_text().into_owned();
        let reconnect = Reconnect {
            host: (!host.is_empty()).then_some(host),
            port: (port != 0).then_some(port),
            wait: 0,
        };
        let message = Message::notification(Call::Reconnect(reconnect));
        let connections = self.connections_where(Client::is_ready);
        connections.iter().for_each(|connection| out.say(*connection, &message));
        connections.len()
    }
}
