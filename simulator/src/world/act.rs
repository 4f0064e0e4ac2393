//! How one event is handled, and all that needs no time after it.

use sv2::event::Event;
use sv2::role::{Answer, Input, Output, Request, RequestId};
use sv2::time::{Instant, MaybeInstant, Now, UnixTime};

use super::event::Planned;
use super::wire::{End, Parcel};
use super::{Happening, MOMENT_EVENTS_MAX, World};
use crate::checkers::{Sight, Violation, Wire, is_stale};

impl World {
    pub(super) fn handle(&mut self, at: Instant, planned: Planned) {
        self.count_moment(at, planned);
        self.now = self.start.after(at - self.start.instant);
        self.tally.event_count += 1;
        self.digest.word(at.0);
        planned.words().into_iter().for_each(|word| self.digest.word(word));
        if !self.hold(planned) {
            self.happen(at, planned);
        }
        self.settle();
    }

    /// Time passes, or somebody is at fault.
    fn count_moment(&mut self, at: Instant, planned: Planned) {
        self.moment_count = if at == self.now.instant { self.moment_count + 1 } else { 0 };
        let limit = MOMENT_EVENTS_MAX + 100 * self.hosts.len() as u64;
        if self.moment_count > limit && self.stuck.is_none() {
            self.stuck = Some(Violation {
                checker: "progress",
                what: format!("{limit} events at one moment, the last: {}", self.describe(planned)),
                at,
                event_number: self.tally.event_count,
            });
        }
    }

    /// Whether it waits, because the host that it is for is paused.
    fn hold(&mut self, planned: Planned) -> bool {
        let (wire, end) = match planned {
            Planned::Wake { host } => {
                let host = &mut self.hosts[host as usize];
                // It is planned again when the host goes on.
                let is_held = host.is_paused() && host.planned_at.get() == Some(self.now.instant);
                if is_held {
                    host.planned_at = MaybeInstant::NONE;
                }
                return is_held;
            }
            Planned::Opened { wire } | Planned::Refused { wire } => (wire, End::Client),
            Planned::Accepted { wire } => (wire, End::Server),
            Planned::Arrival { wire, from } => (wire, from.other()),
            Planned::Overdue { wire, end } => (wire, end),
            Planned::GivenUp { wire, from } => (wire, from),
            Planned::Transaction { .. }
            | Planned::Block
            | Planned::Branch { .. }
            | Planned::FaultBegins { .. }
            | Planned::FaultEnds { .. } => return false,
        };
        let Some(wire) = self.wires.get_mut(wire) else { return false };
        let host = &mut self.hosts[wire.end(end).host as usize];
        let is_held = host.is_paused();
        if is_held {
            host.trouble_mut().held.planned.push(planned);
        }
        is_held
    }

    fn happen(&mut self, at: Instant, planned: Planned) {
        match planned {
            Planned::Wake { host } => self.wake(at, host),
            Planned::Transaction { node } => {
                let node = node as usize;
                // Without a free coin there is no transaction this time; a block will bring some.
                let _ = self.nodes.all[node].chain.chain_mut().generate_transaction(<_>::default());
                self.tell_news(node);
                self.plan_transaction(node);
            }
            Planned::Block => {
                let now = self.now;
                self.nodes.all[0].chain.chain_mut().extend_tip_unproven(now);
                self.tally.foreign_block_count += 1;
                self.tell_news(0);
                self.plan_block();
            }
            Planned::Branch { number } => self.adopt(number),
            Planned::Opened { wire } => self.opened(wire),
            Planned::Accepted { wire } => self.accepted(wire),
            Planned::Refused { wire } => self.refused(wire),
            Planned::Arrival { wire, from } => self.arrive(wire, from),
            Planned::Overdue { wire, end } => self.overdue(wire, end),
            Planned::GivenUp { wire, from } => self.give_up(wire, from),
            Planned::FaultBegins { index } => self.fault_begins(index as usize),
            Planned::FaultEnds { index } => self.fault_ends(index as usize),
        }
    }

    fn wake(&mut self, at: Instant, index: u32) {
        let host = &mut self.hosts[index as usize];
        if host.planned_at.get() != Some(at) {
            return;
        }
        host.planned_at = MaybeInstant::NONE;
        if let Some(home) = host.home()
            && !host.is_started
        {
            let news = self.nodes.all[home].chain.current(self.now);
            self.inputs.push_back((index, Input::Chain(news)));
        }
        if !self.hosts[index as usize].is_started {
            self.see(&Sight::Began { host: index });
        }
        let host = &mut self.hosts[index as usize];
        host.is_started = true;
        if host.role.wake_at().is_some_and(|wake_at| wake_at <= at) {
            self.inputs.push_back((index, Input::Woken));
        } else {
            self.plan_wake(index);
        }
    }

    /// One event is planned for each host, and none anew where the host wants it later: when it
    /// comes, it is planned again.
    pub(super) fn plan_wake(&mut self, index: u32) {
        let host = &mut self.hosts[index as usize];
        let Some(wake_at) = host.role.wake_at().filter(|_| host.is_started) else { return };
        let at = wake_at.max(self.now.instant);
        if host.planned_at.get().is_none_or(|planned| planned > at) {
            host.planned_at = Some(at).into();
            self.queue.push(at, Planned::Wake { host: index });
        }
    }

    /// Until nobody has anything to say at this moment.
    fn settle(&mut self) {
        while let Some((index, input)) = self.inputs.pop_front() {
            let mut outbox = std::mem::take(&mut self.outbox);
            let now = self.clocks_of(index);
            self.hosts[index as usize].role.handle(now, input, &mut outbox);
            for output in outbox.drain() {
                self.carry_out(index, output);
            }
            self.outbox = outbox;
            self.plan_wake(index);
        }
        self.is_share_excused = false;
        self.see(&Sight::Settled);
    }

    /// Shows something to checkers.
    #[inline]
    pub(super) fn see(&mut self, sight: &Sight<'_>) {
        if let Some(checkers) = &mut self.checkers {
            checkers.see(self.now.instant, self.tally.event_count, sight);
        }
    }

    /// Both clocks as a host has them: its civil one may have been stepped.
    pub(super) fn clocks_of(&self, index: u32) -> Now {
        let offset = self.hosts[index as usize].clock_offset_ns();
        if offset == 0 {
            return self.now;
        }
        let elapsed = i128::from(self.now.instant.0 - self.start.instant.0) + i128::from(offset);
        let unix = i128::from(self.start.unix.0) + elapsed.div_euclid(NANOSECONDS);
        let unix = UnixTime(u64::try_from(unix).unwrap_or(0));
        Now { unix, ..self.now }
    }

    fn carry_out(&mut self, index: u32, output: Output) {
        match output {
            Output::Event(event) => self.told(index, event),
            Output::Request { request, what } => self.answer(index, request, &what),
            Output::Send { connection, message, tlvs } => {
                self.send(index, connection, Parcel::message(message, tlvs));
            }
            Output::Forward { connection, frame } => {
                self.send(index, connection, Parcel::Frame(frame));
            }
            Output::Line { connection, line } => {
                self.send(index, connection, Parcel::Line(line));
            }
            Output::Close { connection, reason } => self.close(index, connection, reason),
            Output::Dial { dial, peer } => self.dial(index, dial, peer),
        }
    }

    fn told(&mut self, index: u32, event: Event) {
        let (role, member) = (self.hosts[index as usize].id, self.hosts[index as usize].member);
        if self.checkers.is_some() {
            let wire = self.server_wire(index, &event);
            let is_excused = self.is_share_excused;
            self.see(&Sight::Told { host: index, event: &event, wire, is_excused });
        }
        if is_stale(&event) {
            match self.is_share_excused {
                true => self.tally.stale_explained_count += 1,
                false => self.tally.stale_unexplained_count += 1,
            }
        }
        if let Event::ShareSubmitted { hash, .. } | Event::BlockFound { hash } = &event {
            self.digest.word(hash.to_limbs()[0]);
        }
        self.tally.count(self.now.instant, role.0, member, &event);
        if let Some(happenings) = &mut self.happenings {
            happenings.push(Happening { at: self.now.instant, role, member, event });
        }
    }

    /// The connection that an event is about, if this host is its server.
    fn server_wire(&self, index: u32, event: &Event) -> Option<Wire> {
        let (Event::ShareAccepted { connection, .. } | Event::ShareRejected { connection, .. }) =
            event
        else {
            return None;
        };
        let (id, end) = self.hosts[index as usize].wire(*connection)?;
        let wire = self.wires.get(id)?;
        (end == End::Server).then(|| wire.card(id))
    }

    fn answer(&mut self, index: u32, request: RequestId, what: &Request) {
        let home = self.hosts[index as usize].home();
        let asked = home.and_then(|home| self.nodes.all[home].chain.answer(self.now, what));
        let answer = asked.unwrap_or(match what {
            Request::Persist { .. } => Answer::Persisted,
            _ => Answer::Failed("this role has no node".to_owned()),
        });
        // Before the news: who has found a block hears that first.
        self.inputs.push_back((index, Input::Answer { request, answer }));
        if let Some(home) = home {
            self.tell_news(home);
        }
    }

    fn tell_news(&mut self, node: usize) {
        let Some(news) = self.nodes.all[node].chain.news(self.now) else { return };
        for follower in &self.nodes.all[node].followers {
            let host = &mut self.hosts[*follower as usize];
            if host.is_started && host.is_paused() {
                host.trouble_mut().held.news.push(news.clone());
            } else if host.is_started {
                self.inputs.push_back((*follower, Input::Chain(news.clone())));
            }
        }
        let tip = self.nodes.all[node].chain.chain().tip();
        if self.nodes.all[node].told_tip != tip {
            if let Some(measures) = &mut self.measures {
                measures.tip(self.now.instant, tip);
            }
            self.see(&Sight::Tip);
        }
        for (number, delay) in self.nodes.relay(node) {
            self.queue.push(self.now.instant + delay, Planned::Branch { number });
        }
    }

    fn adopt(&mut self, number: u64) {
        let Some(branch) = self.nodes.arrived(number) else { return };
        let chain = self.nodes.all[branch.to].chain.chain_mut();
        if chain.block(&branch.tip).is_none() {
            // A branch that is no longer the best one by now is left alone, as nodes do.
            let _ = chain.adopt(self.now, &branch.blocks);
            self.tell_news(branch.to);
        }
    }

    pub(super) fn plan_transaction(&mut self, node: usize) {
        if let Some(wait) = self.nodes.transaction_wait(node) {
            let node = u32::try_from(node).expect("nodes are few");
            self.queue.push(self.now.instant + wait, Planned::Transaction { node });
        }
    }

    pub(super) fn plan_block(&mut self) {
        if let Some(wait) = self.nodes.block_wait() {
            self.queue.push(self.now.instant + wait, Planned::Block);
        }
    }
}

const NANOSECONDS: i128 = 1_000_000_000;
