//! Runs one permutation of a case in a world, and judges it.

mod accepted;
mod accepting;
mod attempts;
mod building;
mod call;
mod coinbase;
mod connection;
mod defaults;
mod fence;
mod invariants;
mod keeping;
mod line_rules;
mod line_serving;
mod lines;
mod matching;
mod mint;
pub mod probe;
mod sending;
mod server_defaults;
mod serving;
mod session;
mod shares;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sv2::entropy::Entropy;
use sv2::time::Instant;

use crate::case::Permutation;
use crate::case::step::{Action, Check, ControlKind, Reading, Step, Until};
use crate::case::value::{EvaluationError, Value};
use crate::clause::{Basis, Level, Registry};
use crate::client::{Exchange, What};
use crate::verdict::{Skip, Verdict};
use crate::world::{Target, TargetProfile, World, WorldError};
use call::Arguments;
use connection::Connection;
pub use keeping::Kept;
use keeping::Left;
pub(crate) use keeping::begins_working;
pub(crate) use matching::describe;
use mint::Mint;
use session::View;

/// What a run of a case needs beside the case and the target.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Levels of the clauses.
    pub registry: &'a Registry,
    /// What the probe has learned.
    pub facts: &'a BTreeMap<String, Value>,
    /// Of the run: the same seed sends the same bytes.
    pub seed: u64,
    /// Hashes that one share may cost on average.
    pub hash_budget: u64,
    /// Longest wait for an answer where a case names none.
    pub within: Duration,
    /// Real time that one case may wait; one that may need longer is not run.
    pub time_budget: Duration,
    /// Whether the run has ended, by the user or because the target was lost: nobody waits any
    /// longer where time is real.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

/// What came of a permutation.
#[derive(Debug)]
pub struct Outcome {
    /// Of the permutation.
    pub name: String,
    /// What is known.
    pub verdict: Verdict,
    /// Why, if it is no pass.
    pub finding: Option<Finding>,
    /// SHOULDs that were not kept, beside the finding.
    pub warnings: Vec<Finding>,
    /// Clauses that were observed and kept.
    pub observed: Vec<String>,
    /// Sides of ambiguities that the target has taken.
    pub readings: Vec<Reading>,
    /// What went over the wires.
    pub exchange: Exchange,
    /// What the target has told of itself, where we can read it.
    pub told: Vec<String>,
    /// On the world's clock.
    pub elapsed: Duration,
    /// The run ended while the case waited: it has no verdict.
    pub is_cut: bool,
}

/// Why a case is no pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub verdict: Verdict,
    /// Clauses that it is about.
    pub clauses: Vec<String>,
    /// In a sentence.
    pub because: String,
    /// What was demanded, in words.
    pub expected: Option<String>,
    /// What happened instead.
    pub actual: Option<String>,
    /// Line of the step in its file; 0 if it has none.
    pub line: usize,
    /// The fixture that the step belongs to.
    pub fixture: Option<String>,
}

impl Outcome {
    /// A permutation that was not run.
    pub fn skipped(name: &str, why: Skip, because: String) -> Outcome {
        let verdict = Verdict::Skip(why);
        let finding = Finding { verdict, because, ..Finding::default() };
        Outcome { verdict, finding: Some(finding), ..Outcome::new(name) }
    }

    fn new(name: &str) -> Outcome {
        Outcome {
            name: name.to_owned(),
            verdict: Verdict::Pass,
            finding: None,
            warnings: Vec::new(),
            observed: Vec::new(),
            readings: Vec::new(),
            exchange: Exchange::default(),
            told: Vec::new(),
            elapsed: Duration::ZERO,
            is_cut: false,
        }
    }
}

/// Runs a permutation.
pub fn run(permutation: &Permutation<'_>, target: &dyn Target, context: &Context<'_>) -> Outcome {
    run_on(permutation, target, context, &mut None)
}

/// Runs a permutation, where the one before it has ended if both allow that.
pub fn run_on(
    permutation: &Permutation<'_>,
    target: &dyn Target,
    context: &Context<'_>,
    kept: &mut Option<Kept>,
) -> Outcome {
    let profile = target.profile();
    let mut outcome = Outcome::new(&permutation.name);
    let seed = Entropy::from_seed(context.seed).fork(&permutation.name, 0).u64();
    if let Some(finding) = unmet(permutation, profile, context) {
        outcome.verdict = finding.verdict;
        outcome.finding = Some(finding);
        return outcome;
    }
    let changes_world = !permutation.case.requires.controls.is_empty();
    let _lane = target.lane(changes_world);
    // One that cannot go on here ends it, so that the target dials again.
    let previous = kept.take().filter(|_| begins_working(permutation.case));
    let (world, left) = match previous {
        Some(Kept { world, left }) => (Ok(world), Some(left)),
        None => (target.world(&permutation.world(), seed), None),
    };
    let world = match world {
        Ok(world) => world,
        Err(error) => {
            let finding = Finding::ours(error.to_string());
            outcome.verdict = finding.verdict;
            outcome.finding = Some(finding);
            return outcome;
        }
    };
    let mut session = Session::new(permutation, world, profile, context, seed);
    session.left = left;
    let started_at = session.world.now().instant;
    let stopped = session.steps(&permutation.case.steps).err();
    let mut finding = stopped.map(|stop| *stop.0);
    outcome.is_cut = session.is_cut;
    if session.is_cut {
        finding = Some(Finding {
            verdict: Verdict::Inconclusive,
            because: "the run ended while the case waited".to_owned(),
            ..Finding::default()
        });
    } else if finding.is_none() {
        let missing: Vec<String> = permutation
            .case
            .clauses
            .iter()
            .filter(|clause| !session.observed.contains(*clause))
            .cloned()
            .collect();
        if !missing.is_empty() {
            finding = Some(Finding {
                verdict: Verdict::Inconclusive,
                because: format!("{} was not observed", missing.join(", ")),
                clauses: missing,
                ..Finding::default()
            });
        }
    }
    let warned = session.warnings.iter().map(|warning| warning.verdict).max();
    outcome.verdict =
        finding.iter().map(|finding| finding.verdict).chain(warned).max().unwrap_or(Verdict::Pass);
    outcome.finding = finding;
    outcome.told = session.world.told();
    outcome.elapsed = session.world.now().instant.since(started_at);
    outcome.warnings = std::mem::take(&mut session.warnings);
    outcome.observed = std::mem::take(&mut session.observed).into_iter().collect();
    outcome.readings = std::mem::take(&mut session.readings);
    outcome.exchange = std::mem::take(&mut session.exchange);
    if profile.keeps_connections && outcome.finding.is_none() {
        *kept = session.leave();
    }
    outcome
}

/// What the case needs and does not have.
fn unmet(
    permutation: &Permutation<'_>,
    profile: &TargetProfile,
    context: &Context<'_>,
) -> Option<Finding> {
    let requires = &permutation.case.requires;
    let skip = |why, because: String| {
        Some(Finding { verdict: Verdict::Skip(why), because, ..Finding::default() })
    };
    if let Some(control) = requires.controls.iter().find(|one| !profile.controls.contains(one)) {
        let because = format!("nothing here can make a `{}` happen", control.name());
        return skip(Skip::NoControl, because);
    }
    if let Some(name) = requires.identities.iter().find(|one| profile.identity(one).is_none()) {
        return skip(Skip::NoControl, format!("the target's file names no identity `{name}`"));
    }
    if requires.job_declarator && profile.job_declarator.is_none() {
        let because = "the target's file names no job declarator server that it trusts".to_owned();
        return skip(Skip::NoControl, because);
    }
    if requires.template && !profile.has_templates {
        let because = "nothing here gives templates of the target's chain: without one no job can \
                       be built for it";
        return skip(Skip::NoControl, because.to_owned());
    }
    // Where our own target is set up for the case, the facts of another set-up do not count.
    let is_set_up = profile.is_ours && permutation.world() != Default::default();
    for (name, matcher) in requires.facts.iter().filter(|_| !is_set_up) {
        let Some(fact) = context.facts.get(name) else {
            return Some(Finding {
                verdict: Verdict::Inconclusive,
                because: format!("the probe has not learned `{name}`"),
                ..Finding::default()
            });
        };
        let view = View::of_facts(context.facts);
        match matcher.verify(fact, &view) {
            Ok(Ok(())) => {}
            Ok(Err(mismatch)) => {
                return skip(Skip::NotApplicable, format!("{name} is {}", mismatch.0));
            }
            Err(error) => return Some(Finding::ours(error.to_string())),
        }
    }
    if let Some(mode) = permutation.proxy_mode().filter(|_| !profile.is_ours) {
        match context.facts.get(probe::PROXY_MODE) {
            Some(fact) if *fact == Value::text(mode) => {}
            Some(fact) => {
                let because =
                    format!("it is for proxies whose mode is {mode}; this one's is {fact}");
                return skip(Skip::NotApplicable, because);
            }
            None => {
                return Some(Finding {
                    verdict: Verdict::Inconclusive,
                    because: format!("the probe has not learned `{}`", probe::PROXY_MODE),
                    ..Finding::default()
                });
            }
        }
    }
    if let Some(time) = requires.time
        && time > context.time_budget
        && !profile.is_ours
    {
        let because = format!(
            "it may have to wait {} s, the budget is {} s: raise --time-budget",
            time.as_secs(),
            context.time_budget.as_secs()
        );
        return skip(Skip::Unaffordable, because);
    }
    let price = context.facts.get(SHARE_PRICE).and_then(Value::as_int).unwrap_or(0);
    if requires.shares > 0 && price > context.hash_budget {
        let because = format!(
            "a share costs {price} hashes, the budget is {}: lower the pool's difficulty floor, \
             or raise --hash-budget",
            context.hash_budget
        );
        return skip(Skip::Unaffordable, because);
    }
    None
}

/// The fact that holds the price of the cheapest share, in hashes.
pub const SHARE_PRICE: &str = "mining.share.price";

impl Default for Finding {
    fn default() -> Self {
        Finding {
            verdict: Verdict::Error,
            clauses: Vec::new(),
            because: String::new(),
            expected: None,
            actual: None,
            line: 0,
            fixture: None,
        }
    }
}

impl Finding {
    /// The suite's or the case's own fault.
    fn ours(because: String) -> Finding {
        Finding { because, ..Finding::default() }
    }
}

/// The end of a case before its last step.
struct Stop(Box<Finding>);

impl From<EvaluationError> for Stop {
    fn from(error: EvaluationError) -> Self {
        Stop(Box::new(Finding::ours(error.0)))
    }
}

impl From<WorldError> for Stop {
    fn from(error: WorldError) -> Self {
        let verdict = match error {
            WorldError::NoControl(_) => Verdict::Skip(Skip::NoControl),
            _ => Verdict::Inconclusive,
        };
        Stop(Box::new(Finding { verdict, because: error.to_string(), ..Finding::default() }))
    }
}

/// A case while it runs.
struct Session<'a> {
    permutation: &'a Permutation<'a>,
    profile: &'a TargetProfile,
    context: &'a Context<'a>,
    world: Box<dyn World>,
    entropy: Entropy,
    exchange: Exchange,
    variables: BTreeMap<String, Value>,
    connections: BTreeMap<String, Connection>,
    observed: BTreeSet<String>,
    readings: Vec<Reading>,
    warnings: Vec<Finding>,
    /// Fixtures that the present step is in, and its line.
    fixtures: Vec<String>,
    line: usize,
    /// Random draws so far: each is a stream of its own.
    draws: std::cell::Cell<u64>,
    links: usize,
    /// Where the suite is a mining server: its chain.
    mint: Option<Mint>,
    /// Where the case before has ended, until a fixture goes on with it.
    left: Option<Left>,
    /// Whether a wait was given up because the run is over.
    is_cut: bool,
}

impl<'a> Session<'a> {
    fn new(
        permutation: &'a Permutation<'a>,
        world: Box<dyn World>,
        profile: &'a TargetProfile,
        context: &'a Context<'a>,
        seed: u64,
    ) -> Self {
        Session {
            permutation,
            profile,
            context,
            world,
            entropy: Entropy::from_seed(seed),
            exchange: Exchange::default(),
            variables: permutation.bindings.iter().cloned().collect(),
            connections: BTreeMap::new(),
            observed: BTreeSet::new(),
            readings: Vec::new(),
            warnings: Vec::new(),
            fixtures: Vec::new(),
            line: 0,
            draws: std::cell::Cell::new(0),
            links: 0,
            mint: None,
            left: None,
            is_cut: false,
        }
    }

    fn steps(&mut self, steps: &[Step]) -> Result<(), Stop> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        self.line = step.line;
        let times = match &step.repeat {
            None => 1,
            Some(expression) => expression
                .evaluate(&self.view(&step.connection))?
                .as_int()
                .filter(|times| *times <= REPEAT_MAX)
                .ok_or_else(|| EvaluationError(format!("`repeat` is above {REPEAT_MAX}")))?,
        };
        for index in 0..times {
            if step.repeat.is_some() {
                self.variables.insert("i".to_owned(), Value::Int(index));
            }
            self.action(step)?;
        }
        Ok(())
    }

    fn action(&mut self, step: &Step) -> Result<(), Stop> {
        let on = step.connection.as_str();
        match &step.action {
            Action::Use(fixture) => {
                if keeping::is_working(fixture)
                    && let Some(left) = self.left.take()
                    && self.adopt(left)?
                {
                    return Ok(());
                }
                for (name, expression) in &fixture.arguments {
                    let value = expression.evaluate(&self.view(on))?;
                    self.variables.insert(name.clone(), value);
                }
                let outer = self.line;
                self.fixtures.push(fixture.fixture.clone());
                for inner in &fixture.steps {
                    // A fixture's steps concern the connection that it is used on.
                    let mut inner = inner.clone();
                    if inner.connection == crate::case::step::MAIN {
                        inner.connection = on.to_owned();
                    }
                    self.step(&inner)?;
                }
                self.fixtures.pop();
                self.line = outer;
                for (new, old) in &fixture.saves {
                    if let Some(value) = self.variables.get(old).cloned() {
                        self.variables.insert(new.clone(), value);
                    }
                }
                Ok(())
            }
            Action::Connect(connect) => self.connect(on, connect),
            Action::Accept(accept) => self.accept(on, accept),
            Action::Send(send) => self.send(on, send),
            Action::Say(line) => self.say_line(on, line),
            Action::SendRaw(raw) => self.send_raw(on, raw),
            Action::Expect(expect) => self.expect(on, expect),
            Action::ExpectNone(none) => self.expect_none(on, none),
            Action::Control(control) => {
                let count = control.count.evaluate(&self.view(on))?.as_int().unwrap_or(1);
                self.drain_all();
                self.mark_all();
                for _ in 0..count.min(REPEAT_MAX) {
                    self.control(control.kind)?;
                    self.note_on(on, What::Control(control.kind.name()));
                }
                Ok(())
            }
            Action::Call(call) => self.call(on, call),
            Action::Close(how) => self.close(on, *how),
            Action::WaitUntil(Until::Passed(time)) => {
                let until = self.world.now().instant + *time;
                self.pass(until);
                self.drain_all();
                Ok(())
            }
            Action::WaitUntil(Until::Closed) => self.wait_closed(on),
            Action::Check(check) => self.check(on, check),
        }
    }

    /// Of a target that dials us, the chain is ours.
    fn control(&mut self, kind: ControlKind) -> Result<(), Stop> {
        let role = self.profile.role;
        if kind == ControlKind::NewBlock && role.dials() && !role.has_own_chain() {
            let now = self.world.now();
            self.mint().new_block(now);
            return Ok(());
        }
        Ok(self.world.control(kind)?)
    }

    fn check(&mut self, on: &str, check: &Check) -> Result<(), Stop> {
        for (expression, matcher) in &check.that {
            let actual = expression.evaluate(&self.view(on))?;
            let verified = matcher.verify(&actual, &self.view(on))?;
            if let Err(mismatch) = verified {
                let finding = Finding {
                    because: check
                        .reason
                        .clone()
                        .unwrap_or_else(|| format!("{expression} is {}", mismatch.0)),
                    expected: Some(format!("{expression} {matcher}")),
                    actual: Some(format!("{expression} = {actual}")),
                    ..self.finding(check.verdict, &check.clauses)
                };
                self.judge(finding)?;
                return Ok(());
            }
        }
        self.drain_all();
        for name in &check.invariants {
            match self.invariant(name) {
                Ok(0) => {
                    let finding = Finding {
                        because: format!("nothing was seen that `{name}` speaks of"),
                        ..self.finding(Verdict::Inconclusive, &check.clauses)
                    };
                    return Err(Stop(Box::new(finding)));
                }
                Ok(_) => {}
                Err(broken) => {
                    let finding = Finding {
                        because: check.reason.clone().unwrap_or_else(|| broken.clone()),
                        expected: Some(invariants::text(name).to_owned()),
                        actual: Some(broken),
                        ..self.finding(check.verdict, &check.clauses)
                    };
                    self.judge(finding)?;
                    return Ok(());
                }
            }
        }
        self.observe(&check.clauses);
        Ok(())
    }

    /// A finding about the present step: a failure weighs as much as the strictest of its
    /// clauses, and one in a fixture says nothing about the case's clauses.
    fn finding(&self, verdict: Verdict, clauses: &[String]) -> Finding {
        let clauses = match clauses {
            [] => self.permutation.case.clauses.clone(),
            clauses => clauses.to_vec(),
        };
        let verdict = match verdict {
            Verdict::Fail if !self.fixtures.is_empty() => Verdict::Inconclusive,
            Verdict::Fail => self.weight(&clauses),
            other => other,
        };
        Finding {
            verdict,
            clauses,
            because: String::new(),
            expected: None,
            actual: None,
            line: self.line,
            fixture: self.fixtures.last().cloned(),
        }
    }

    fn weight(&self, clauses: &[String]) -> Verdict {
        let levels = clauses.iter().filter_map(|id| self.context.registry.clause(id));
        levels
            .map(|clause| match clause.level {
                // What is only customary breaks nobody's rule.
                _ if clause.basis == Basis::Convention => Verdict::Warn,
                Level::Must | Level::MustNot => Verdict::Fail,
                Level::Should | Level::ShouldNot => Verdict::Warn,
                Level::May => Verdict::Info,
            })
            .max()
            .unwrap_or(Verdict::Fail)
    }

    /// A failure ends the case; less than that is noted.
    fn judge(&mut self, finding: Finding) -> Result<(), Stop> {
        match finding.verdict {
            Verdict::Warn | Verdict::Info => {
                // What was looked at was observed, even though it was not kept.
                self.observe(&finding.clauses.clone());
                self.warnings.push(finding);
                Ok(())
            }
            _ => Err(Stop(Box::new(finding))),
        }
    }

    fn observe(&mut self, clauses: &[String]) {
        self.observed.extend(clauses.iter().cloned());
    }

    /// Host and port as they go into `SetupConnection`.
    fn endpoint(&self) -> (String, u16) {
        let known = || (self.profile.host.clone(), self.profile.port);
        self.world.endpoint().unwrap_or_else(known)
    }

    /// The number of a stream of randomness that nothing else has drawn from.
    fn draw(&self) -> u64 {
        let draw = self.draws.get();
        self.draws.set(draw + 1);
        draw
    }

    fn view(&self, on: &str) -> View<'_> {
        View::of(self, on)
    }

    fn deadline(&self, within: Option<Duration>) -> Instant {
        self.world.now().instant + within.unwrap_or(self.context.within)
    }
}

/// Times that a step, or a control, is repeated at most.
const REPEAT_MAX: u64 = 1_000_000;
