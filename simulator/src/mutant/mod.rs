//! Roles that do wrong, so that checkers are seen to ring: each is the real role, and something
//! between it and the world that loses, doubles or changes a message.

mod table;

use sv2::message::Message;
use sv2::role::{Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

use crate::scenario::Kind;
use crate::world::{Casting, Player};

pub use table::MUTANTS;

/// What is wrong with every role of one kind.
#[derive(Debug)]
pub struct Mutant {
    /// As the command line calls it.
    pub name: &'static str,
    /// Which roles do it.
    pub role: Kind,
    /// What they do, for people.
    pub does: &'static str,
    /// The checker that sees it, as a [`Violation`](crate::checkers::Violation) names it.
    pub checker: &'static str,
    /// A network in which it shows, by its name.
    pub scenario: &'static str,
    /// A fault of the network that must happen for it to show, as a scenario writes it.
    pub fault: &'static str,
    hears: fn(&mut Memory, &Input) -> bool,
    says: fn(&mut Memory, Output, &mut Outbox),
}

impl Mutant {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MUTANTS.iter().find(|mutant| mutant.name == name)
    }

    /// Puts it around every role of its kind.
    pub fn casting(&'static self) -> Casting {
        Box::new(move |kind, _, inner| {
            if kind != self.role {
                return inner;
            }
            let (memory, inner_out) = (Memory::default(), Outbox::new());
            Box::new(Faulty { mutant: self, inner, memory, inner_out })
        })
    }
}

/// What a role has done wrong so far, or needs to know for it.
#[derive(Debug, Default)]
struct Memory {
    count: u32,
    kept: Option<Output>,
}

struct Faulty {
    mutant: &'static Mutant,
    inner: Player,
    memory: Memory,
    inner_out: Outbox,
}

impl Role for Faulty {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if (self.mutant.hears)(&mut self.memory, &input) {
            self.inner.handle(now, input, &mut self.inner_out);
        }
        for output in self.inner_out.take() {
            (self.mutant.says)(&mut self.memory, output, out);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

fn hears_all(_: &mut Memory, _: &Input) -> bool {
    true
}

fn says_all(_: &mut Memory, output: Output, out: &mut Outbox) {
    out.put(output);
}

/// The message that is said, if one is.
fn said(output: &mut Output) -> Option<&mut Message> {
    match output {
        Output::Send { message, .. } => Some(message),
        _ => None,
    }
}

/// The message that is heard, if one is.
fn heard(input: &Input) -> Option<&Message> {
    match input {
        Input::Received { message, .. } => Some(message),
        _ => None,
    }
}
