//! Connections that outlive a case: a device that dials in and cannot be restarted need not dial
//! for each case that begins where it works.

use sv2::wire::{Target, U256};

use super::connection::Connection;
use super::mint::Mint;
use super::serving::int;
use super::{Session, Stop};
use crate::case::Case;
use crate::case::step::{Action, MAIN, Use};
use crate::case::value::Value;
use crate::client::exchange::What;
use crate::world::World;

/// What a case has left in order: a device that works on its channel.
pub struct Kept {
    pub(super) world: Box<dyn World>,
    pub(super) left: Left,
}

/// The suite's end of it.
pub(super) struct Left {
    connection: Connection,
    mint: Mint,
}

/// Whether a case can go on where another has ended: it begins with a device that works, and
/// does not look at how it came to that.
pub(crate) fn begins_working(case: &Case) -> bool {
    let begins = case.steps.first().is_some_and(|step| match &step.action {
        Action::Use(fixture) => is_working(fixture) && step.connection == MAIN,
        _ => false,
    });
    begins && !case.steps.iter().any(|step| looks_back(&step.action))
}

/// Whether a step judges the whole connection, from its first message on.
fn looks_back(action: &Action) -> bool {
    match action {
        Action::Check(check) => !check.invariants.is_empty(),
        Action::ExpectNone(none) => none.ever,
        Action::Call(call) => call.function == "received",
        Action::Use(fixture) => fixture.steps.iter().any(|step| looks_back(&step.action)),
        _ => false,
    }
}

/// The fixture that a kept connection stands for.
pub(super) fn is_working(fixture: &Use) -> bool {
    fixture.fixture == "served/working"
}

impl Session<'_> {
    /// What is left of a case that has passed. All other connections end.
    pub(super) fn leave(mut self) -> Option<Kept> {
        self.drain(MAIN);
        let connection = self.connections.remove(MAIN)?;
        let tracker = &connection.tracker;
        let channel = tracker.last_opened.and_then(|id| tracker.channels.get(&id));
        let is_working = connection.is_served()
            && connection.is_set_up
            && !connection.is_closed
            && channel.is_some_and(|channel| !channel.is_closed);
        let mint = self.mint.take().filter(|_| is_working)?;
        let others: Vec<String> = self.connections.keys().cloned().collect();
        for name in others {
            // One that is closed already stays so.
            let _ = self.close(&name, crate::case::step::CloseHow::Finish);
        }
        Some(Kept { world: self.world, left: Left { connection, mint } })
    }

    /// Goes on with it, in place of [`is_working`]'s fixture: on a new tip, so that nothing that
    /// was said before counts. False if the device has left meanwhile.
    pub(super) fn adopt(&mut self, left: Left) -> Result<bool, Stop> {
        let Left { connection, mint } = left;
        self.links = self.links.max(connection.index);
        self.connections.insert(MAIN.to_owned(), connection);
        self.mint = Some(mint);
        self.drain(MAIN);
        let now = self.world.now();
        let connection = self.connection(MAIN)?;
        if connection.is_closed {
            self.connections.remove(MAIN);
            return Ok(false);
        }
        connection.forget();
        let id = connection.tracker.last_opened.unwrap_or(0);
        let max_target =
            connection.tracker.channels.get(&id).map_or(U256::MAX, |channel| channel.max_target);
        self.note_on(MAIN, What::Note("goes on where the case before has ended".to_owned()));
        let target = self.service(MAIN).map(|service| {
            service.target(service.rates.get(&id).copied().unwrap_or(0.0), max_target)
        });
        let Target(target) = target.unwrap_or_default();
        let fields = [("channel_id", int(id)), ("maximum_target", Value::U256(target))];
        self.say(MAIN, "SetTarget", &fields)?;
        self.mint().new_block(now);
        self.give_work(MAIN)?;
        let channel = self.channel(MAIN, Some(id))?;
        self.variables.insert("ch".to_owned(), int(id));
        if let Some(job) = channel.active() {
            self.variables.insert("job".to_owned(), job.record(&channel));
        }
        Ok(true)
    }
}

impl Connection {
    /// What came and what was sent is another case's business.
    fn forget(&mut self) {
        self.items.clear();
        self.sent.clear();
        self.mark = 0;
        self.is_mark_used = false;
        self.last_matched = None;
        if let Some(service) = &mut self.service {
            service.forget();
        }
    }
}
