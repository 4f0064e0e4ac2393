//! Commands of an operator, and the words that stand for them.

use std::num::ParseIntError;
use std::str::FromStr;

use thiserror::Error;

use super::{ConnectionId, Outbox};
use crate::event::Event;
use crate::wire::Str255;

/// What an operator wants of a role that serves miners. Others refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Give channels other parts of the search space (spec 5.3.10): jobs to come use them.
    RenewExtranoncePrefix {
        /// Which.
        channels: Channels,
    },
    /// Give channels another group, whose messages they read from now on (spec 5.3.22).
    MoveToGroup {
        /// Which.
        channels: Channels,
        /// A group of the connection; `None` makes a new one for each channel.
        group_channel_id: Option<u32>,
    },
    /// Send all clients elsewhere (spec 3.6.5). Their connections stay until they leave.
    Reconnect {
        /// Empty: where they are.
        new_host: Str255,
        /// 0: the same.
        new_port: u16,
    },
}

impl Command {
    /// What it is called, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Command::RenewExtranoncePrefix { .. } => "renew-extranonce-prefix",
            Command::MoveToGroup { .. } => "move-to-group",
            Command::Reconnect { .. } => "reconnect",
        }
    }

    /// For roles that serve no miners.
    pub(crate) fn refuse(&self, out: &mut Outbox) {
        let reason = "this role serves no miners".to_owned();
        out.tell(Event::CommandRefused { command: self.name(), count: 1, reason });
    }
}

/// Which channels a [`Command`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// All of all clients.
    All,
    /// One.
    One {
        /// Of the client.
        connection: ConnectionId,
        /// Of the channel.
        channel_id: u32,
    },
}

impl FromStr for Command {
    type Err = CommandError;

    /// `renew-extranonce-prefix [CONNECTION CHANNEL]`, `move-to-group [CONNECTION CHANNEL
    /// [GROUP]]`, `reconnect [HOST PORT]`: without a channel all are meant, without a group a new
    /// one for each, without a host each client's own.
    fn from_str(line: &str) -> Result<Command, CommandError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let one = |connection: &str, channel: &str| {
            let connection = ConnectionId(number(connection)?);
            Ok::<_, CommandError>(Channels::One { connection, channel_id: number(channel)? })
        };
        let all = Channels::All;
        Ok(match words[..] {
            ["renew-extranonce-prefix"] => Command::RenewExtranoncePrefix { channels: all },
            ["renew-extranonce-prefix", connection, channel] => {
                Command::RenewExtranoncePrefix { channels: one(connection, channel)? }
            }
            ["move-to-group"] => Command::MoveToGroup { channels: all, group_channel_id: None },
            ["move-to-group", connection, channel] => {
                Command::MoveToGroup { channels: one(connection, channel)?, group_channel_id: None }
            }
            ["move-to-group", connection, channel, group] => Command::MoveToGroup {
                channels: one(connection, channel)?,
                group_channel_id: Some(number(group)?),
            },
            ["reconnect"] => Command::Reconnect { new_host: Str255::default(), new_port: 0 },
            ["reconnect", host, port] => Command::Reconnect {
                new_host: Str255::new(host.as_bytes().to_vec())
                    .map_err(|_| CommandError::Host { len: host.len() })?,
                new_port: number(port)?,
            },
            _ => return Err(CommandError::Unknown(line.trim().to_owned())),
        })
    }
}

fn number<T: FromStr<Err = ParseIntError>>(word: &str) -> Result<T, CommandError> {
    word.parse().map_err(|source| CommandError::Number { word: word.to_owned(), source })
}

/// A line that is no command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// No such command, or not with so many words.
    #[error(
        "\"{0}\" is no command; known are renew-extranonce-prefix [CONNECTION CHANNEL], \
         move-to-group [CONNECTION CHANNEL [GROUP]], reconnect [HOST PORT]"
    )]
    Unknown(String),
    /// Not a number, or too large.
    #[error("\"{word}\": {source}")]
    Number {
        /// As it was given.
        word: String,
        /// Why.
        source: ParseIntError,
    },
    /// Longer than a field of the protocol.
    #[error("a host has at most 255 bytes, not {len}")]
    Host {
        /// In bytes.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_commands() {
        let one = Channels::One { connection: ConnectionId(3), channel_id: 7 };
        let all = Channels::All;
        let parsed = [
            "renew-extranonce-prefix",
            "renew-extranonce-prefix 3 7",
            " move-to-group ",
            "move-to-group 3 7 9",
            "reconnect",
            "reconnect pool.example 4444",
        ]
        .map(|line| line.parse::<Command>().unwrap());

        assert_eq!(
            parsed,
            [
                Command::RenewExtranoncePrefix { channels: all },
                Command::RenewExtranoncePrefix { channels: one },
                Command::MoveToGroup { channels: all, group_channel_id: None },
                Command::MoveToGroup { channels: one, group_channel_id: Some(9) },
                Command::Reconnect { new_host: Str255::default(), new_port: 0 },
                Command::Reconnect {
                    new_host: Str255::from_static("pool.example"),
                    new_port: 4444
                },
            ]
        );
    }

    #[test]
    fn what_is_no_command_is_named() {
        for line in ["", "reconect", "reconnect host", "reconnect host 70000", "move-to-group 3 b"]
        {
            let error = line.parse::<Command>().unwrap_err().to_string();
            assert!(error.contains(line.split(' ').next_back().unwrap()), "{line}: {error}");
        }
    }
}
