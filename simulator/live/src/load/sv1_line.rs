//! A connection of a fleet that speaks Stratum V1: one device, which configures, subscribes,
//! authorises, and submits shares. Chapters of Stratum V2 do not apply.

mod answers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sv2::sv1::lines::LineConfig;
use sv2::sv1::{Call, LineSplitter, Message};
use sv2::time::{Instant, Now};

use super::arrivals::Arrivals;
use super::fleet::Fleet;
use super::line::{End, Line};
use super::sv1_calls::{self, id};
use super::sv1_work::Sv1Work;
use super::turns::Turns;
pub(super) use answers::said;

/// One connection, and its device.
pub(super) struct Sv1Line {
    fleet: Arc<Fleet>,
    /// Of the line and of its device.
    number: u32,
    user: String,
    splitter: LineSplitter,
    stage: Stage,
    /// When the stage began.
    since: Instant,
    work: Sv1Work,
    arrivals: Arrivals,
    agenda: BinaryHeap<Reverse<(Instant, Task)>>,
    turns: Turns,
    next_id: u64,
    /// Oldest first.
    in_flight: VecDeque<InFlight>,
    is_quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `mining.subscribe` has no answer yet.
    Subscribing,
    /// `mining.authorize` has no answer yet.
    Authorizing,
    /// The first job has not come: what an open request for a channel is in Stratum V2.
    Opening,
    Running,
}

/// A share without an answer.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    id: u64,
    sent_at: Instant,
}

/// What is to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// A share is due.
    Arrive,
    Hash,
    /// The set-up should be over.
    MissSetUp,
    /// The first job should be there.
    MissJob,
}

impl Sv1Line {
    /// The line with that number. The socket has just opened.
    pub(super) fn new(fleet: &Arc<Fleet>, number: u32, now: Now, out: &mut Vec<u8>) -> Self {
        let config = &fleet.config;
        let from = fleet.started_at + config.opens_after(number);
        let arrivals = Arrivals::new(&fleet.entropy, number, from, fleet.mean_interval);
        let mut agenda = BinaryHeap::new();
        agenda.push(Reverse((arrivals.next(), Task::Arrive)));
        agenda.push(Reverse((now.instant + ANSWER_TIMEOUT, Task::MissSetUp)));
        let line = Sv1Line {
            fleet: Arc::clone(fleet),
            number,
            user: config.user_of(number),
            splitter: LineSplitter::new(LineConfig::DIALLED_LEN_MAX),
            stage: Stage::Subscribing,
            since: now.instant,
            work: Sv1Work::new(),
            arrivals,
            agenda,
            turns: Turns::default(),
            next_id: id::FIRST_SUBMIT,
            in_flight: VecDeque::new(),
            is_quiet: false,
        };
        // There is no handshake: whoever is connected may speak.
        fleet.tally.established.add(1);
        fleet.tally.last_established_at.reach(now.instant.0);
        line.send(&sv1_calls::configure(), out);
        line.send(&sv1_calls::subscribe(), out);
        line
    }

    fn send(&self, message: &Message, out: &mut Vec<u8>) {
        let line = message.to_line();
        out.extend_from_slice(&line);
        out.push(b'\n');
        let kind = match message {
            Message::Call { call, .. } => sv1_calls::kind_of(call.method()),
            Message::Response(_) => sv1_calls::kind_of_answer(""),
        };
        self.fleet.tally.sent.add(0, kind, line.len() + 1);
    }

    /// A share is due: it gets a turn to be searched for, or the reason is counted.
    fn arrive(&mut self, now: Instant) {
        let fleet = Arc::clone(&self.fleet);
        self.arrivals.advance(fleet.mean_interval);
        self.agenda.push(Reverse((self.arrivals.next(), Task::Arrive)));
        let price = self.work.price().filter(|_| self.stage == Stage::Running);
        if let Some(turn) = self.turns.claim(&fleet, price, self.in_flight.len(), now) {
            self.agenda.push(Reverse((turn, Task::Hash)));
        }
    }

    /// Goes on with the search whose turn it is, and submits what it finds.
    fn hash(&mut self, now: Now, out: &mut Vec<u8>) {
        let fleet = Arc::clone(&self.fleet);
        let Some(turn) = self.turns.begin() else { return };
        let found = self.work.search(now.instant, Turns::HASHES_AT_ONCE, &self.user);
        let (made, is_found) = (found.hash_count, found.share.is_some());
        if let Some(next) = self.turns.end(&fleet, turn, made, is_found, now.instant) {
            self.agenda.push(Reverse((next, Task::Hash)));
        }
        let Some(share) = found.share else { return };
        let id = self.next_id;
        self.next_id += 1;
        self.in_flight.push_back(InFlight { id, sent_at: fleet.clock.now().instant });
        self.send(&Message::request(id, Call::Submit(share)), out);
    }

    /// Counts something that the pool has done wrong, and goes on.
    fn fault(&self, what: &str) {
        self.fleet.tally.errors.add(what);
    }
}

impl Line for Sv1Line {
    fn receive(&mut self, now: Now, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<(), End> {
        while let Some(line) = self.splitter.next_line(input)? {
            self.take_line(now.instant, &line, out)?;
        }
        Ok(())
    }

    fn work(&mut self, now: Now, out: &mut Vec<u8>) -> Result<(), End> {
        for _ in 0..TASKS_AT_ONCE {
            let Some(Reverse((at, task))) = self.agenda.peek().copied() else { return Ok(()) };
            if at > now.instant {
                return Ok(());
            }
            self.agenda.pop();
            match task {
                Task::MissSetUp if self.stage == Stage::Subscribing => {
                    return Err(End::Unanswered("answer to mining.subscribe"));
                }
                Task::MissSetUp if self.stage == Stage::Authorizing => {
                    return Err(End::Unanswered("answer to mining.authorize"));
                }
                Task::MissJob if self.stage == Stage::Opening => {
                    return Err(End::Unanswered("job after mining.authorize"));
                }
                Task::MissSetUp | Task::MissJob => {}
                _ if self.is_quiet => {}
                Task::Arrive => self.arrive(now.instant),
                Task::Hash => self.hash(now, out),
            }
        }
        Ok(())
    }

    fn due(&self) -> Option<Instant> {
        self.agenda.peek().map(|Reverse((at, _))| *at)
    }

    fn quieten(&mut self) {
        self.is_quiet = true;
    }

    fn end(&mut self, end: End, rest: &[u8]) -> End {
        let tally = &self.fleet.tally;
        let in_flight = self.in_flight.len() as u64;
        match self.stage {
            Stage::Subscribing | Stage::Authorizing | Stage::Opening => tally.pending.take(1),
            Stage::Running => tally.closed_channels.add(1),
        }
        if end != End::ByUs {
            tally.lost.add(in_flight);
            return match (end, self.splitter.end(rest)) {
                (End::ByPeer, Err(error)) => End::Line(error),
                (end, _) => end,
            };
        }
        tally.left.add(in_flight);
        // Who has waited for us to end the run has not been served.
        match self.stage {
            Stage::Subscribing => self.fault("no answer to mining.subscribe by the end of the run"),
            Stage::Authorizing => self.fault("no answer to mining.authorize by the end of the run"),
            Stage::Opening => self.fault("no job by the end of the run"),
            Stage::Running => {}
        }
        end
    }
}

/// For the set-up, and for the first job.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Tasks between two looks at the socket.
const TASKS_AT_ONCE: usize = 16;

#[cfg(test)]
mod tests;
