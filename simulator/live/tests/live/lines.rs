//! The recorded lines of a network: connections of Stratum V1, as the device saw them.

use libtest_mimic::Failed;
use simulator_live::{Network, Subject};
use sv2::sv1::{Call, Message, Notify, Outcome, Response, Submit};
use sv2_net::tap::{Direction, Link};

use crate::exchange::Exchange;

/// A line at one of its ends.
#[derive(Clone, Debug)]
pub(crate) struct SeenLine {
    subject: Subject,
    link: Link,
    pub(crate) direction: Direction,
    pub(crate) message: Message,
}

impl SeenLine {
    /// # Panics
    /// If the line says nothing: roles of ours say something.
    pub(crate) fn new(subject: Subject, link: Link, direction: Direction, line: &[u8]) -> Self {
        let message = Message::parse(line);
        let message = message.unwrap_or_else(|error| panic!("{error}: {}", line.escape_ascii()));
        SeenLine { subject, link, direction, message }
    }
}

/// One connection of Stratum V1, read from its first line on.
pub(crate) struct LineLeg {
    name: String,
    seen: Vec<SeenLine>,
    next: usize,
}

impl Exchange {
    /// What one device of a fleet saw of its connection.
    pub(crate) fn line_leg(&self, network: &Network, from: (&str, u32), to: &str) -> LineLeg {
        let scenario = network.scenario();
        let (name, member) = from;
        let subject = Subject::Role(scenario.role_named(name).unwrap(), member);
        let url = network.url(scenario.role_named(to).unwrap()).unwrap();
        let lines = self.lines.lock().unwrap();
        let is_on_it =
            |seen: &&SeenLine| seen.subject == subject && seen.link.peer.port() == url.port;
        let seen = lines.iter().filter(is_on_it).cloned().collect();
        LineLeg { name: format!("{name}.{member} > {to}"), seen, next: 0 }
    }
}

impl LineLeg {
    /// The next line must be this.
    pub(crate) fn expect<T>(
        &mut self,
        direction: Direction,
        what: &str,
        is_it: impl Fn(&Message) -> Option<T>,
    ) -> Result<T, Failed> {
        let at = self.next;
        self.next += 1;
        let seen = self.seen.get(at);
        let found = seen.filter(|seen| seen.direction == direction);
        found.and_then(|seen| is_it(&seen.message)).ok_or_else(|| {
            format!("{}, line {at}: expected {what}, got {seen:?}", self.name).into()
        })
    }

    /// The next call of the device, and its answer.
    pub(crate) fn asks(
        &mut self,
        method: &str,
        is_it: impl Fn(&Call) -> bool,
    ) -> Result<Outcome, Failed> {
        let id = self.expect(Direction::Sent, method, |message| match message {
            Message::Call { id, call } if is_it(call) => Some(id.clone()),
            _ => None,
        })?;
        self.expect(Direction::Received, "its answer", |message| match message {
            Message::Response(response) if response.id == id => Some(response.outcome.clone()),
            _ => None,
        })
    }

    pub(crate) fn all_seen(&self) -> &[SeenLine] {
        &self.seen
    }

    /// Of the whole connection.
    pub(crate) fn notifies(&self) -> impl Iterator<Item = &Notify> {
        self.seen.iter().filter_map(|seen| match &seen.message {
            Message::Call { call: Call::Notify(notify), .. } => Some(&**notify),
            _ => None,
        })
    }

    /// Shares, each with what it was answered with.
    pub(crate) fn shares(&self) -> Vec<(&Submit, Option<&Outcome>)> {
        let answers = || {
            self.seen.iter().filter_map(|seen| match (seen.direction, &seen.message) {
                (Direction::Received, Message::Response(Response { id, outcome })) => {
                    Some((id, outcome))
                }
                _ => None,
            })
        };
        let submits = self.seen.iter().filter_map(|seen| match &seen.message {
            Message::Call { id, call: Call::Submit(submit) } => Some((id, submit)),
            _ => None,
        });
        submits
            .map(|(id, submit)| {
                let answer = answers().find(|(of, _)| *of == id).map(|(_, outcome)| outcome);
                (submit, answer)
            })
            .collect()
    }
}
