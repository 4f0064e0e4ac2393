//! How often a target comes back to a server that is of no use to it.

use std::time::Duration;

use sv2::time::Instant;

use super::call::Arguments;
use super::connection::Connection;
use super::{Session, Stop};
use crate::case::step::{Accept, Certificate, CloseHow, Door, Refusal};
use crate::case::value::{EvaluationError, Value};
use crate::world::Ready;

impl Session<'_> {
    /// Takes and refuses whatever comes, for some time.
    pub(super) fn attempts(&mut self, arguments: &Arguments) -> Result<Value, Stop> {
        let seconds = arguments.number("seconds")?.unwrap_or(SECONDS);
        let accept = refusing(arguments.word("refuse").as_deref())?;
        let time = Duration::from_secs(seconds.into());
        let deadline = self.world.now().instant + time;
        let before = COUNTED.map(|what| self.count(what));
        let mut dials: Vec<Instant> = Vec::new();
        while dials.len() < DIALS_MAX
            && self.await_news(Some(Door::Upstream), deadline) == Some(Ready::Dialled)
        {
            dials.push(self.world.now().instant);
            match &accept {
                Some(accept) => self.accept(&name(dials.len()), accept)?,
                None => {
                    if let Some(link) = self.world.accept(Door::Upstream) {
                        self.world.close(link, CloseHow::Finish);
                    }
                }
            }
        }
        let count = |what: usize| Value::Int(self.count(COUNTED[what]) - before[what]);
        let waits = dials.windows(2).map(|pair| pair[1].since(pair[0]));
        let shortest = waits.min().unwrap_or(time);
        Ok(Value::record([
            ("dials", Value::Int(dials.len() as u64)),
            ("setups", count(0)),
            ("opens", count(1)),
            ("shortest_ms", Value::Int(u64::try_from(shortest.as_millis()).unwrap_or(u64::MAX))),
        ]))
    }

    /// Messages of the target, on all connections, whose names begin so.
    fn count(&self, what: &str) -> u64 {
        let messages = self.connections.values().flat_map(Connection::messages);
        messages.filter(|message| message.descriptor.name.starts_with(what)).count() as u64
    }
}

/// How a dial is taken; `None`: not at all.
fn refusing(what: Option<&str>) -> Result<Option<Accept>, EvaluationError> {
    let mut accept = Accept::default();
    match what {
        None | Some("connection") => return Ok(None),
        Some("handshake") => accept.certificate = Certificate::WrongAuthority,
        Some("setup") => accept.refuses = Refusal::Setup,
        Some("channels") => accept.refuses = Refusal::Channels,
        Some(other) => return Err(EvaluationError(format!("`{other}` cannot be refused"))),
    }
    Ok(Some(accept))
}

/// The connection of a dial.
fn name(dial: usize) -> String {
    format!("attempt {dial}")
}

/// What is counted: beginnings of names.
const COUNTED: [&str; 2] = ["SetupConnection", "Open"];

/// That are watched, if nobody says otherwise.
const SECONDS: u32 = 60;

/// That are taken: more are a flood, whatever comes of them.
const DIALS_MAX: usize = 500;
