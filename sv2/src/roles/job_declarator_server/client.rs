//! One client: its tokens, its declaration at hand, and the jobs that it may solve.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::declaration::{Complete, Declaration, Flaw, Received};
use super::job::DeclaredJob;
use super::transactions::Known;
use crate::job_declaration::token::{JobToken, TokenId, TokenStage};
use crate::role::RequestId;
use crate::time::{Instant, UnixTime};
use crate::violation::Violation;

#[derive(Debug)]
pub(super) struct Client {
    pub phase: Phase,
    pub mode: Mode,
    /// In all its tokens; drawn at random, so that no other connection has it.
    pub session: u64,
    next_serial: u64,
    /// In full-template mode: allocated, and neither declared nor gone.
    tokens: BTreeMap<u64, UnixTime>,
    /// The declaration that is looked at; others wait, so that what one has brought is known to
    /// the next, and no client keeps the node busy alone.
    pub open: Option<Open>,
    pub waiting: VecDeque<Received>,
    /// Acknowledged, the last one at the back.
    declared: VecDeque<DeclaredJob>,
    rates: Rates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    AwaitingSetup,
    Open,
    /// We have asked the driver to close it; nothing more is read or sent.
    Closing,
}

/// Spec 6.3; each connection has its own (spec 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    CoinbaseOnly,
    FullTemplate,
}

/// A declaration that is looked at.
#[derive(Debug)]
pub(super) enum Open {
    /// Its client has been asked for what we lack.
    Incomplete(Box<Incomplete>),
    /// The node has enough to do.
    Queued(Box<Complete>),
    /// The node judges it.
    Judged { request: RequestId, complete: Box<Complete> },
}

#[derive(Debug)]
pub(super) struct Incomplete {
    pub declaration: Declaration,
    /// In the order of the list; `None` for what we lack.
    pub found: Vec<Option<Known>>,
    /// Positions of what we lack, ascending.
    pub missing: Vec<u16>,
}

impl Open {
    /// What it takes to keep it, in bytes.
    fn cost(&self) -> usize {
        match self {
            Open::Incomplete(incomplete) => {
                let found = size_of::<Option<Known>>() * incomplete.found.len();
                incomplete.declaration.cost() + found + 2 * incomplete.missing.len()
            }
            Open::Queued(complete) | Open::Judged { complete, .. } => complete.cost(),
        }
    }

    pub(super) fn request_id(&self) -> u32 {
        match self {
            Open::Incomplete(incomplete) => incomplete.declaration.request_id,
            Open::Queued(complete) | Open::Judged { complete, .. } => complete.request_id,
        }
    }
}

impl Client {
    pub(super) fn new(phase: Phase, session: u64) -> Self {
        Client {
            phase,
            mode: Mode::CoinbaseOnly,
            session,
            next_serial: 1,
            tokens: BTreeMap::new(),
            open: None,
            waiting: VecDeque::new(),
            declared: VecDeque::new(),
            rates: Rates::default(),
        }
    }

    /// The id of a new token; how many had to go for it (spec 6.4.2).
    pub(super) fn allocate(
        &mut self,
        now: UnixTime,
        expires_at: UnixTime,
        tokens_max: usize,
    ) -> (TokenId, usize) {
        let id = TokenId { session: self.session, serial: self.next_serial };
        self.next_serial += 1;
        let mut dropped = 0;
        // In coinbase-only mode nobody tells us of a token again, so none is kept.
        if self.mode == Mode::FullTemplate {
            self.tokens.retain(|_, expires_at| *expires_at > now);
            while self.tokens.len() >= tokens_max && self.tokens.pop_first().is_some() {
                dropped += 1;
            }
            self.tokens.insert(id.serial, expires_at);
        }
        (id, dropped)
    }

    /// Whether a token may be declared here and now.
    pub(super) fn judge(&self, now: UnixTime, token: &JobToken) -> Result<(), Flaw> {
        if token.id.session != self.session {
            Err(Flaw::ForeignToken)
        } else if token.expires_at <= now {
            Err(Flaw::ExpiredToken)
        } else if token.stage != TokenStage::FullTemplate {
            Err(Flaw::DeclaredToken)
        } else if !self.tokens.contains_key(&token.id.serial) {
            Err(Flaw::UsedToken)
        } else {
            Ok(())
        }
    }

    /// Its declaration is acknowledged.
    pub(super) fn use_up(&mut self, token: &JobToken) {
        self.tokens.remove(&token.id.serial);
    }

    /// Keeps a job to be solved; the oldest go if they are too many or too large (spec 6.4.9).
    pub(super) fn keep(&mut self, job: DeclaredJob, jobs_max: usize, bytes_max: usize) {
        self.declared.push_back(job);
        let mut bytes: usize = self.declared.iter().map(DeclaredJob::cost).sum();
        while (self.declared.len() > jobs_max || bytes > bytes_max)
            && self.declared.len() > 1
            && let Some(oldest) = self.declared.pop_front()
        {
            bytes -= oldest.cost();
        }
    }

    /// What its declarations take, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.waiting.iter().map(Received::cost).sum::<usize>()
            + self.open.as_ref().map_or(0, Open::cost)
            + self.declared.iter().map(DeclaredJob::cost).sum::<usize>()
    }

    /// Drops all jobs but the one that was acknowledged last, which has to stay (spec 6.4.9).
    pub(super) fn retire(&mut self) {
        let superseded = self.declared.len().saturating_sub(1);
        self.declared.drain(..superseded);
    }

    /// What a solution may be of, the job that was acknowledged last at the front (AMB-51).
    pub(super) fn declared(&self) -> impl Iterator<Item = &DeclaredJob> {
        self.declared.iter().rev()
    }

    /// Counts a message of a kind that costs us more than its sender.
    pub(super) fn count(
        &mut self,
        now: Instant,
        kind: Counted,
        limit: u64,
    ) -> Result<(), Violation> {
        let rate = match kind {
            Counted::Tokens => &mut self.rates.tokens,
            Counted::Declarations => &mut self.rates.declarations,
            Counted::Useless => &mut self.rates.useless,
        };
        rate.count(now, kind, limit)
    }
}

/// What is counted by the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Tokens,
    Declarations,
    Useless,
}

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Counted::Tokens => "AllocateMiningJobToken (spec 6.4.2)",
            Counted::Declarations => "DeclareMiningJob",
            Counted::Useless => "messages that lead to nothing",
        }
    }
}

#[derive(Debug, Default)]
struct Rates {
    tokens: Rate,
    declarations: Rate,
    useless: Rate,
}

#[derive(Debug, Default)]
struct Rate {
    since: Instant,
    count: u64,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(60);

    fn count(&mut self, now: Instant, kind: Counted, limit: u64) -> Result<(), Violation> {
        if now.since(self.since) >= Self::WINDOW {
            *self = Rate { since: now, count: 0 };
        }
        self.count += 1;
        if self.count > limit {
            let (what, count, seconds) = (kind.name(), self.count, Self::WINDOW.as_secs());
            return Err(Violation::Flood { what, count, seconds, limit });
        }
        Ok(())
    }
}
