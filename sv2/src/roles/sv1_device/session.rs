//! One connection to a pool: the handshake, jobs, shares.

use std::collections::VecDeque;

use super::config::{Configures, Dialect, Follows, Sv1DeviceConfig};
use super::pending::{Asked, Pending, TooMany};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::mining::header::CoinbaseMidstate;
use crate::mining::job::PinnedTarget;
use crate::role::{CloseReason, ConnectionId, Outbox, Output, PeerAddress};
use crate::roles::hashing::{CoinbaseRest, Job, Pace, Proof, Search, ShareAccounts, Tip};
use crate::sv1::{
    Call, Configured, Difficulty, Granted, Id, Message, Notify, Outcome, Reconnect, Response,
    ResponseError, Subscribe, Subscribed, Sv1Error, error_code,
};
use crate::time::{Instant, Now};
use crate::wire::{B32, Str255};

/// A connection and what the pool has said on it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: ConnectionId,
    /// Until the answer that is due has come.
    pub(super) deadline: Option<Instant>,
    /// Of the handshake, in order, not yet sent.
    steps: VecDeque<Step>,
    pending: Pending,
    /// What is in front of the rolled part, and the size of that.
    extranonce: Option<(B32, u8)>,
    is_authorized: bool,
    /// Bits that the pool lets us roll; `None` without `version-rolling` (BIP 310).
    version_mask: Option<u32>,
    /// From the next job on, or at once.
    difficulty: Difficulty,
    /// A job that came before authorisation.
    early: Option<Box<Notify>>,
    work: Option<Work>,
    job_count: u32,
}

/// What is worked on.
#[derive(Debug)]
struct Work {
    /// In the pool's words.
    job_id: String,
    difficulty: Difficulty,
    search: Search,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Configure,
    Suggest,
    Subscribe,
    SubscribeExtranonce,
    Authorize,
}

/// What the session may use of the device.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) config: &'a Sv1DeviceConfig,
    pub(super) peer: &'a PeerAddress,
    pub(super) accounts: &'a mut ShareAccounts,
    pub(super) entropy: &'a mut Entropy,
    pub(super) out: &'a mut Outbox,
}

/// How it goes on.
#[derive(Debug)]
pub(super) enum Verdict {
    /// As before.
    Stay,
    /// There is work: the pool is of use.
    Working,
    /// The pool is of no use.
    Leave(CloseReason),
    /// The pool asks to be left.
    Redirect(Reconnect),
}

impl Session {
    pub(super) fn begin(connection: ConnectionId, context: &mut Context<'_>) -> Self {
        let mut session = Session {
            connection,
            deadline: Some(context.now.instant + super::ANSWER_TIMEOUT),
            steps: steps(context.config),
            pending: Pending::default(),
            extranonce: None,
            is_authorized: false,
            version_mask: None,
            difficulty: Difficulty::ONE,
            early: None,
            work: None,
            job_count: 0,
        };
        session.proceed(context);
        session
    }

    /// Sends the next steps: all, or up to the first one whose answer is waited for.
    fn proceed(&mut self, context: &mut Context<'_>) {
        while let Some(step) = self.steps.pop_front() {
            let config = context.config;
            let call = match step {
                Step::Configure => match config.configure() {
                    Some(configure) => Call::Configure(Box::new(configure)),
                    None => continue,
                },
                Step::Suggest => match config.suggested_difficulty {
                    Some(difficulty) => Call::SuggestDifficulty(difficulty),
                    None => continue,
                },
                Step::Subscribe => {
                    let user_agent = Some(config.user_agent.clone());
                    Call::Subscribe(Subscribe { user_agent, session: None })
                }
                Step::SubscribeExtranonce => Call::ExtranonceSubscribe,
                Step::Authorize => Call::Authorize {
                    user: config.user.clone(),
                    password: Some(config.password.clone()),
                },
            };
            // A handshake is far below the limit of calls.
            let _ = self.ask(Asked::Step(step), call, context);
            // Many pools do not answer suggestions.
            if !config.dialect.pipelines && step != Step::Suggest {
                self.deadline = Some(context.now.instant + super::ANSWER_TIMEOUT);
                return;
            }
        }
    }

    fn ask(&mut self, asked: Asked, call: Call, context: &mut Context<'_>) -> Result<u64, TooMany> {
        let number = self.pending.add(asked)?;
        let id = match context.config.dialect.text_ids {
            true => Id::text(&number.to_string()),
            false => Id::Number(number),
        };
        self.say(&Message::Call { id, call }, context);
        Ok(number)
    }

    fn say(&self, message: &Message, context: &mut Context<'_>) {
        let mut line = message.to_line();
        if context.config.dialect.crlf {
            // The host ends lines with LF.
            line = [&line[..], b"\r"].concat().into();
        }
        context.out.put(Output::Line { connection: self.connection, line });
    }

    /// A line of the pool.
    pub(super) fn handle(&mut self, line: &[u8], context: &mut Context<'_>) -> Verdict {
        match Message::parse(line) {
            Ok(Message::Response(response)) => self.handle_response(response, context),
            Ok(Message::Call { id, call }) => self.handle_call(id, call, context),
            // A pool that we do not understand gives no work that we could trust.
            Err(error) => Verdict::Leave(CloseReason::Sv1(Sv1Error::Parse(error))),
        }
    }

    fn handle_response(&mut self, response: Response, context: &mut Context<'_>) -> Verdict {
        let Response { id, outcome } = response;
        let Some((number, asked)) = self.pending.take(&id) else {
            return self.note(context, "an answer to nothing that was asked".to_owned());
        };
        match asked {
            Asked::Share { difficulty } => {
                self.handle_judgement(number, difficulty, &outcome, context);
                Verdict::Stay
            }
            Asked::Step(step) => match self.handle_step(step, outcome, context) {
                Verdict::Stay => {
                    self.is_answered(context);
                    self.start_early(context)
                }
                other => other,
            },
        }
    }

    /// The next step, or the end of the handshake.
    fn is_answered(&mut self, context: &mut Context<'_>) {
        if context.config.dialect.pipelines {
            if self.extranonce.is_some() && self.is_authorized {
                self.deadline = None;
            }
        } else if !self.pending.has_awaited_step() {
            self.deadline = None;
            self.proceed(context);
        }
    }

    fn handle_step(&mut self, step: Step, outcome: Outcome, context: &mut Context<'_>) -> Verdict {
        match (step, outcome) {
            (Step::Subscribe, Outcome::Subscribed(answer)) => {
                self.handle_subscribed(answer, context)
            }
            (Step::Configure, Outcome::Configured(answer)) => {
                self.handle_configured(&answer, context)
            }
            (Step::Configure, outcome) if context.config.requires_version_rolling() => {
                leave("mining.configure", &outcome)
            }
            (Step::Authorize, outcome) if outcome.is_yes() => {
                self.is_authorized = true;
                Verdict::Stay
            }
            (Step::Subscribe, outcome) => leave("mining.subscribe", &outcome),
            (Step::Authorize, outcome) => leave("mining.authorize", &outcome),
            // Pools that do not know the others are pools all the same.
            (step, outcome) if !outcome.is_yes() => {
                self.note(context, format!("{} was refused{}", step.method(), why(&outcome)))
            }
            _ => Verdict::Stay,
        }
    }

    fn handle_subscribed(&mut self, answer: Subscribed, context: &mut Context<'_>) -> Verdict {
        let Subscribed { subscriptions: _, extranonce1, extranonce2_size } = answer;
        match self.take_extranonce(extranonce1, extranonce2_size, context) {
            Ok(()) => {
                let (connection, channel_id) = (self.connection, super::CHANNEL_ID);
                context.out.tell(Event::ChannelOpened { connection, channel_id });
                Verdict::Stay
            }
            Err(reason) => Verdict::Leave(reason),
        }
    }

    fn take_extranonce(
        &mut self,
        extranonce1: B32,
        extranonce2_size: u8,
        context: &Context<'_>,
    ) -> Result<(), CloseReason> {
        let max = context.config.dialect.extranonce2_size_max;
        if extranonce2_size > max {
            let what = format!("an extranonce2 of {extranonce2_size} bytes, {max} is the most");
            return Err(CloseReason::RefusedByPeer(what));
        }
        self.extranonce = Some((extranonce1, extranonce2_size));
        Ok(())
    }

    /// BIP 310: the bits that both sides can roll.
    fn handle_configured(&mut self, answer: &Configured, context: &mut Context<'_>) -> Verdict {
        let is_granted = answer.version_rolling.as_ref().is_some_and(Granted::is_yes);
        let mask = answer.version_rolling_mask.unwrap_or(0);
        let ours = context.config.version_mask();
        self.version_mask = is_granted.then_some(mask & ours);
        if self.version_mask.unwrap_or(0) == 0 && context.config.requires_version_rolling() {
            let why = "no bit of the version may be rolled, and this device needs some";
            return Verdict::Leave(CloseReason::RefusedByPeer(why.to_owned()));
        }
        if is_granted && mask & !ours != 0 {
            let what = format!("the mask {mask:08x} has bits that were not asked for (BIP 310)");
            return self.note(context, what);
        }
        Verdict::Stay
    }

    fn handle_call(&mut self, id: Id, call: Call, context: &mut Context<'_>) -> Verdict {
        match call {
            Call::Notify(notify) => return self.handle_notify(notify, context),
            Call::SetDifficulty(difficulty) => self.handle_difficulty(difficulty, context),
            Call::SetExtranonce { extranonce1, extranonce2_size } => {
                if !context.config.dialect.takes_extranonces {
                    return self
                        .note(context, "mining.set_extranonce was not asked for".to_owned());
                }
                if let Err(reason) = self.take_extranonce(extranonce1, extranonce2_size, context) {
                    return Verdict::Leave(reason);
                }
            }
            Call::SetVersionMask(mask) => {
                if context.config.dialect.fears_early_version_mask && !self.is_authorized {
                    let why = "mining.set_version_mask before authorisation";
                    return Verdict::Leave(CloseReason::RefusedByPeer(why.to_owned()));
                }
                return self.handle_version_mask(mask, context);
            }
            Call::Reconnect(reconnect) => {
                let (host, follows) = (&reconnect.host, context.config.dialect.follows);
                if may_follow(follows, &context.peer.host, host.as_deref()) {
                    return Verdict::Redirect(reconnect);
                }
                return self.note(context, "client.reconnect elsewhere, not followed".to_owned());
            }
            Call::ShowMessage(text) => {
                let what = format!("the pool says: {}", text.escape_debug());
                return self.note(context, what);
            }
            Call::GetVersion => {
                self.answer(id, Outcome::Text(context.config.user_agent.clone()), context);
            }
            Call::Ping => self.answer(id, Outcome::Text("pong".to_owned()), context),
            Call::Pong => {}
            other => {
                let what = format!("{} is nothing for a device", other.method().escape_debug());
                let error = ResponseError::new(error_code::OTHER, "Unknown method");
                self.answer(id, Outcome::Error(error), context);
                return self.note(context, what);
            }
        }
        Verdict::Stay
    }

    /// Whoever asks for no answer gets none.
    fn answer(&self, id: Id, outcome: Outcome, context: &mut Context<'_>) {
        if id.is_some() {
            self.say(&Response { id, outcome }.into(), context);
        }
    }

    fn handle_difficulty(&mut self, difficulty: Difficulty, context: &Context<'_>) {
        self.difficulty = difficulty;
        if let Some(work) = self.work.as_mut().filter(|_| context.config.dialect.difficulty_at_once)
        {
            work.difficulty = difficulty;
            work.search.set_target(difficulty.target());
        }
    }

    /// BIP 310: at once, and only after `version-rolling` was agreed on.
    fn handle_version_mask(&mut self, mask: u32, context: &mut Context<'_>) -> Verdict {
        let Some(agreed) = &mut self.version_mask else {
            return self.note(context, "mining.set_version_mask was not asked for".to_owned());
        };
        *agreed = mask & context.config.version_mask();
        if let Some(work) = &mut self.work {
            work.search.set_version_mask(*agreed, context.entropy.u64());
        }
        Verdict::Stay
    }

    /// Whatever `clean_jobs` says, the newest job is worked on.
    fn handle_notify(&mut self, notify: Box<Notify>, context: &mut Context<'_>) -> Verdict {
        let Some((extranonce1, extranonce2_size)) = self.extranonce else {
            return self.note(context, "a job before the answer to mining.subscribe".to_owned());
        };
        if !self.is_authorized {
            self.early = Some(notify);
            return Verdict::Stay;
        }
        let Notify { prev_hash, ntime, nbits, version, .. } = *notify;
        self.job_count = self.job_count.wrapping_add(1);
        let coinbase = CoinbaseMidstate::new(&notify.coinbase_1, extranonce1.as_slice());
        let rest = CoinbaseRest::new(notify.coinbase_2.into(), notify.merkle_branches.into());
        let version = (version, self.version_mask.unwrap_or(0));
        let job =
            Job::rolled(self.job_count, version, (coinbase, &extranonce1), rest, extranonce2_size);
        let tip = Tip { prev_hash, min_ntime: ntime, nbits };
        let (target, start) = (PinnedTarget::new(self.difficulty.target()), context.entropy.u64());
        let rolls_ntime = context.config.rolls_ntime;
        self.work = Some(Work {
            job_id: notify.job_id,
            difficulty: self.difficulty,
            search: Search::new(job, &tip, None, target, context.now.instant, rolls_ntime, start),
        });
        context.out.tell(Event::WorkStarted {
            connection: self.connection,
            channel_id: super::CHANNEL_ID,
            job_id: self.job_count,
            target: target.target,
        });
        Verdict::Working
    }

    /// Authorisation may be all that the first job has waited for.
    fn start_early(&mut self, context: &mut Context<'_>) -> Verdict {
        match self.early.take_if(|_| self.is_authorized) {
            Some(notify) => self.handle_notify(notify, context),
            None => Verdict::Stay,
        }
    }

    fn handle_judgement(
        &mut self,
        number: u64,
        difficulty: Difficulty,
        outcome: &Outcome,
        context: &mut Context<'_>,
    ) {
        let (connection, channel_id) = (self.connection, super::CHANNEL_ID);
        let sequence_number = sequence_number(number);
        if outcome.is_yes() {
            let difficulty_sum = difficulty.target().difficulty_floor();
            context.accounts.accepted(1, difficulty_sum);
            context.out.tell(Event::SharesAcknowledged {
                connection,
                channel_id,
                last_sequence_number: sequence_number,
                accepted_count: 1,
                difficulty_sum,
            });
        } else {
            let error_code = match outcome {
                Outcome::Error(error) => format!("{} {}", error.code, error.text),
                _ => "false".to_owned(),
            };
            context.accounts.rejected(error_code.as_bytes());
            let error_code = Str255::new(error_code).unwrap_or(Str255::from_static("too long"));
            context.out.tell(Event::ShareRefused {
                connection,
                channel_id,
                sequence_number,
                error_code,
            });
        }
    }

    fn note(&self, context: &mut Context<'_>, what: String) -> Verdict {
        context.out.tell(Event::Noted { connection: Some(self.connection), what });
        Verdict::Stay
    }

    /// Hashes, and sends what it finds.
    pub(super) fn hash(&mut self, pace: &mut Pace<'_>, context: &mut Context<'_>) -> Verdict {
        let now = context.now.instant;
        let Some(work) = &mut self.work else { return Verdict::Stay };
        let mut proofs = Vec::new();
        let tried = pace.advance(&mut work.search, now, &mut proofs);
        context.accounts.hash_count += u64::from(tried);
        for proof in &proofs {
            if let Err(TooMany) = self.submit(proof, context) {
                return Verdict::Leave(CloseReason::Unanswered("mining.submit"));
            }
        }
        Verdict::Stay
    }

    fn submit(&mut self, proof: &Proof, context: &mut Context<'_>) -> Result<(), TooMany> {
        let Some(Work { job_id, difficulty, search }) = &self.work else {
            return Ok(());
        };
        let (difficulty, target) = (*difficulty, *search.target());
        let share = super::share::Share { job_id, version_mask: self.version_mask, proof };
        let call = share.call(context.config);
        let number = self.ask(Asked::Share { difficulty }, call, context)?;
        context.accounts.submitted(&target);
        context.out.tell(Event::ShareSubmitted {
            connection: self.connection,
            channel_id: super::CHANNEL_ID,
            sequence_number: sequence_number(number),
            job_id: proof.job_id,
            hash: proof.hash,
        });
        Ok(())
    }

    /// When there is something to hash.
    pub(super) fn hash_at(
        &mut self,
        pace: &mut Pace<'_>,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Option<Instant> {
        let earliest = pace.due_at(&mut self.work.as_mut()?.search, 1, now, entropy)?;
        if earliest > now {
            return Some(earliest);
        }
        pace.start(now);
        Some(pace.next_at(now))
    }
}

impl Step {
    pub(super) fn method(self) -> &'static str {
        match self {
            Step::Configure => "mining.configure",
            Step::Suggest => "mining.suggest_difficulty",
            Step::Subscribe => "mining.subscribe",
            Step::SubscribeExtranonce => "mining.extranonce.subscribe",
            Step::Authorize => "mining.authorize",
        }
    }
}

fn steps(config: &Sv1DeviceConfig) -> VecDeque<Step> {
    let Dialect { configures, suggests_first, takes_extranonces, .. } = config.dialect;
    [
        (Step::Configure, configures == Configures::First),
        (Step::Suggest, suggests_first),
        (Step::Subscribe, true),
        (Step::Configure, configures == Configures::AfterSubscribe),
        (Step::SubscribeExtranonce, takes_extranonces),
        (Step::Authorize, true),
        (Step::Configure, configures == Configures::Last),
        (Step::Suggest, !suggests_first),
    ]
    .into_iter()
    .filter_map(|(step, is_taken)| is_taken.then_some(step))
    .collect()
}

fn leave(method: &str, outcome: &Outcome) -> Verdict {
    let what = format!("{method} was refused{}", why(outcome));
    Verdict::Leave(CloseReason::RefusedByPeer(what))
}

fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Error(error) => format!(": {} {}", error.code, error.text.escape_debug()),
        _ => String::new(),
    }
}

/// cgminer's rule for hosts: the part of the name behind the first point is the same.
fn may_follow(follows: Follows, from: &str, to: Option<&str>) -> bool {
    let domain = |host: &str| match host.parse::<std::net::IpAddr>() {
        Ok(_) => None,
        Err(_) => host.split_once('.').map(|(_, domain)| domain.to_ascii_lowercase()),
    };
    let to = to.unwrap_or(from);
    let is_name = !to.is_empty() && to.bytes().all(|byte| byte.is_ascii_graphic());
    is_name
        && match follows {
            Follows::Never => false,
            Follows::Anywhere => true,
            Follows::SameDomain => {
                to == from || domain(to).is_some_and(|domain_to| Some(domain_to) == domain(from))
            }
        }
}

/// Of events: the calls of a connection are numbered, and 2^32 of them are enough.
fn sequence_number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
