//! The recorded exchange of a network, leg by leg: what its flows are asserted on. Lines of
//! Stratum V1 are legs of their own (`lines`).

use std::sync::{Arc, Mutex};

use libtest_mimic::Failed;
use simulator_live::{Network, NetworkTrace, Subject};
use sv2::message::Message;
use sv2::time::Now;
use sv2::wire::Tlvs;
use sv2_net::tap::{Direction, Link};

use crate::lines::SeenLine;

/// All messages, in the order in which they were seen.
#[derive(Default)]
pub(crate) struct Exchange {
    messages: Mutex<Vec<Seen>>,
    pub(crate) lines: Mutex<Vec<SeenLine>>,
}

/// A message at one of its ends.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    subject: Subject,
    link: Link,
    pub(crate) direction: Direction,
    pub(crate) message: Message,
    pub(crate) tlvs: Tlvs,
}

impl NetworkTrace for Exchange {
    fn message(
        &self,
        subject: Subject,
        _: Now,
        link: Link,
        direction: Direction,
        message: &Message,
        tlvs: &Tlvs,
    ) {
        let (message, tlvs) = (message.clone(), tlvs.clone());
        let seen = Seen { subject, link, direction, message, tlvs };
        self.messages.lock().unwrap().push(seen);
    }

    fn line(&self, subject: Subject, _: Now, link: Link, direction: Direction, line: &[u8]) {
        let seen = SeenLine::new(subject, link, direction, line);
        self.lines.lock().unwrap().push(seen);
    }
}

impl Exchange {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What a role that dialled saw of its connection to another: `None` for any other.
    pub(crate) fn leg(&self, network: &Network, from: &str, to: &str) -> Leg {
        let scenario = network.scenario();
        let from_id = scenario.role_named(from).unwrap();
        let url = network.url(scenario.role_named(to).unwrap()).unwrap();
        let seen = self.messages.lock().unwrap();
        let is_on_it = |seen: &&Seen| {
            seen.subject == Subject::Role(from_id, 0) && seen.link.peer.port() == url.port
        };
        let seen = seen.iter().filter(is_on_it).cloned().collect();
        Leg { name: format!("{from} > {to}"), seen, next: 0 }
    }
}

/// One connection, read from its first message on.
pub(crate) struct Leg {
    name: String,
    seen: Vec<Seen>,
    next: usize,
}

impl Leg {
    /// The next message, noise left aside, must be this.
    pub(crate) fn expect<T>(
        &mut self,
        direction: Direction,
        what: &str,
        is_it: impl Fn(&Message) -> Option<T>,
    ) -> Result<T, Failed> {
        self.advance(direction, what, is_it, is_noise)
    }

    /// Goes on to the next message that is this, whatever lies before it.
    pub(crate) fn find<T>(
        &mut self,
        direction: Direction,
        what: &str,
        is_it: impl Fn(&Message) -> Option<T>,
    ) -> Result<T, Failed> {
        self.advance(direction, what, is_it, |_| true)
    }

    fn advance<T>(
        &mut self,
        direction: Direction,
        what: &str,
        is_it: impl Fn(&Message) -> Option<T>,
        may_lie_before: impl Fn(&Message) -> bool,
    ) -> Result<T, Failed> {
        while let Some(seen) = self.seen.get(self.next) {
            self.next += 1;
            if let Some(found) = is_it(&seen.message).filter(|_| seen.direction == direction) {
                return Ok(found);
            }
            if !may_lie_before(&seen.message) {
                return Err(self.failure(what, &format!("{:?}", seen.message)));
            }
        }
        Err(self.failure(what, "nothing more"))
    }

    /// Messages of one kind, of the whole connection.
    pub(crate) fn all<'l, T>(
        &'l self,
        direction: Direction,
        is_it: impl Fn(&Message) -> Option<T> + 'l,
    ) -> impl Iterator<Item = T> + 'l {
        let seen = self.seen.iter().filter(move |seen| seen.direction == direction);
        seen.filter_map(move |seen| is_it(&seen.message))
    }

    pub(crate) fn all_seen(&self) -> &[Seen] {
        &self.seen
    }

    fn failure(&self, what: &str, got: &str) -> Failed {
        format!("{}, message {}: expected {what}, got {got}", self.name, self.next).into()
    }
}

/// What may stand anywhere once a channel is open: shares and solutions come when they are
/// found, and their answers with them.
fn is_noise(message: &Message) -> bool {
    match message {
        Message::SetTarget(_)
        | Message::UpdateChannel(_)
        | Message::SubmitSharesStandard(_)
        | Message::SubmitSharesExtended(_)
        | Message::SubmitSharesSuccess(_)
        | Message::SubmitSharesError(_)
        | Message::SubmitSolution(_) => true,
        Message::NewMiningJob(job) => job.min_ntime.is_some(),
        Message::NewExtendedMiningJob(job) => job.min_ntime.is_some(),
        Message::NewTemplate(template) => !template.future_template,
        _ => false,
    }
}

/// `expect` or `find` one kind of message on a leg, as its own type.
macro_rules! message {
    ($leg:ident.$how:ident($direction:ident, $variant:ident)) => {
        $leg.$how(
            ::sv2_net::tap::Direction::$direction,
            stringify!($variant),
            $crate::exchange::kind!($variant),
        )
    };
}
/// One kind of message, as its own type.
macro_rules! kind {
    ($variant:ident) => {
        |message: &::sv2::message::Message| match message {
            ::sv2::message::Message::$variant(message) => Some(message.clone()),
            _ => None,
        }
    };
}
pub(crate) use {kind, message};
