//! A run: probe, cases in parallel, expectations, evidence, verdicts as one stream of events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sv2::time::UnixTime;
use sv2_net::tap::KeyLog;

use crate::case::step::{ControlKind, Reading};
use crate::case::value::Value;
use crate::case::{Case, Chain, Permutation, Suite};
use crate::clause::Registry;
use crate::evidence;
use crate::expectations::{Expectation, ExpectationKind, Expectations};
use crate::filter::Filter;
use crate::runner::probe::{ProbeError, probe, serves};
use crate::runner::{Context, Finding, Kept, Outcome, begins_working, run_on};
use crate::verdict::{Skip, Verdict, exit};
use crate::world::Target;

/// What the user decides.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Which cases; all if `None`.
    pub filter: Option<Filter>,
    /// Conventions beyond the specification whose cases are run too, such as `sri-codes`.
    pub profiles: Vec<String>,
    /// Leaves out floods, malformed frames and bad handshakes.
    pub safe: bool,
    /// Every random choice follows from it.
    pub seed: u64,
    /// Cases at a time, at least one.
    pub parallel: usize,
    /// Hashes that one share may cost on average.
    pub hash_budget: u64,
    /// Longest wait for an answer where a case names none.
    pub within: Duration,
    /// Real time that one case may wait for a target that is not ours.
    pub time_budget: Duration,
    /// Known failures.
    pub expectations: Expectations,
    /// Folder for the evidence of what did not pass; none is written if `None`.
    pub evidence: Option<PathBuf>,
    /// Takes the secrets of the sessions of each case when it has ended, if given.
    pub key_log: Option<Arc<KeyLog>>,
    /// How to name the target on a command line that runs a case again.
    pub rerun: String,
    /// Civil time at the start, for the expectations' dates and the captures.
    pub now: UnixTime,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            filter: None,
            profiles: Vec::new(),
            safe: false,
            seed: 1,
            parallel: 1,
            hash_budget: DEFAULT_HASH_BUDGET,
            within: Duration::from_secs(5),
            time_budget: DEFAULT_TIME_BUDGET,
            expectations: Expectations::default(),
            evidence: None,
            key_log: None,
            rerun: "assay check pool".to_owned(),
            now: UnixTime(0),
        }
    }
}

/// About two seconds of one core.
pub const DEFAULT_HASH_BUDGET: u64 = 20_000_000;

/// What a run can wait for without being given up.
pub const DEFAULT_TIME_BUDGET: Duration = Duration::from_secs(60);

/// What happens in a run, in order.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// The cases are chosen.
    Started {
        /// For people.
        target: &'a str,
        /// Cases chosen.
        case_count: usize,
        /// Runs of them: a case with parameters has several.
        permutation_count: usize,
        /// See [`RunOptions::seed`].
        seed: u64,
        /// Commit of the specification.
        spec_commit: &'a str,
    },
    /// The probe has learned something.
    Fact {
        /// As in cases.
        name: &'a str,
        /// What.
        value: &'a Value,
    },
    /// The probe could not learn something.
    Gap {
        /// What, and why.
        text: &'a str,
    },
    /// A case begins.
    CaseStarted {
        /// Of the permutation.
        name: &'a str,
    },
    /// A case has ended.
    CaseFinished(&'a CaseReport),
    /// All has ended.
    Finished(&'a Summary),
}

/// A case that has ended.
#[derive(Debug)]
pub struct CaseReport {
    /// The case's id.
    pub case: String,
    /// The case's sentence.
    pub title: String,
    /// The case's file.
    pub file: String,
    /// How bad a failure is.
    pub severity: &'static str,
    /// Clauses that it cites.
    pub clauses: Vec<String>,
    /// What is known, expectations included.
    pub verdict: Verdict,
    /// Why an expectation applies.
    pub expectation: Option<String>,
    /// All of it.
    pub outcome: Outcome,
    /// Where its evidence lies.
    pub evidence: Option<PathBuf>,
    /// The command that runs it again.
    pub rerun: String,
}

/// The whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Permutations by verdict's name.
    pub counts: BTreeMap<&'static str, usize>,
    /// Clauses that were observed and kept in every case that cites them.
    pub clauses_kept: usize,
    /// Clauses that a case found broken.
    pub clauses_broken: Vec<String>,
    /// Sides of ambiguities of the specification that the target takes; more than one side of
    /// one ambiguity is worth a look.
    pub readings: BTreeSet<Reading>,
    /// Expectations that concern no case.
    pub unused_expectations: Vec<String>,
    /// Each time that the target stopped serving, and was started again if it could be.
    pub hangs: Vec<String>,
    /// Whether the target was lost before the end.
    pub target_lost: bool,
    /// Whether the user ended the run.
    pub interrupted: bool,
    /// Real or virtual time that the cases took together.
    pub elapsed: Duration,
}

impl CaseReport {
    /// Says that the target stopped serving: the finding is about that, not about the case's
    /// clauses.
    fn blame(&mut self, note: &str) {
        let finding = self.outcome.finding.get_or_insert_with(Finding::default);
        finding.because = format!("{note}. The case says: {}", finding.because);
        finding.verdict = self.verdict;
        finding.clauses.clear();
        self.outcome.verdict = self.verdict;
        self.expectation = None;
    }
}

impl Summary {
    /// How many permutations got a verdict.
    pub fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// The exit code.
    pub fn exit_code(&self, fail_on_inconclusive: bool) -> u8 {
        if self.count("fail") + self.count("xpass") > 0 {
            exit::FAILED
        } else if self.count("error") > 0 {
            exit::INTERNAL
        } else if self.target_lost {
            exit::TARGET_LOST
        } else if self.counts.is_empty() {
            exit::NOTHING_RUN
        } else if fail_on_inconclusive && self.count("inconclusive") > 0 || self.interrupted {
            exit::INCONCLUSIVE
        } else {
            exit::AS_EXPECTED
        }
    }
}

/// The cases that the options choose, in the order in which they are run: what waits comes
/// first, so that others run meanwhile; what may get us banned comes last.
pub fn select<'a>(suite: &'a Suite, registry: &Registry, options: &RunOptions) -> Vec<&'a Case> {
    let mut cases: Vec<&Case> = suite
        .cases
        .iter()
        .filter(|case| options.filter.as_ref().is_none_or(|one| one.selects(case, registry)))
        .filter(|case| {
            let is_chosen = |profile| options.profiles.contains(profile);
            (case.profiles.is_empty() || case.profiles.iter().any(is_chosen))
                && !case.except.iter().any(is_chosen)
        })
        .collect();
    let has = |case: &Case, tag: &str| case.tags.iter().any(|one| one == tag);
    // Those that can share a connection stand together.
    let sharing = |case: &Case| !begins_working(case);
    cases.sort_by_key(|case| (has(case, "bad-noise"), !has(case, "slow"), sharing(case)));
    cases
}

/// Runs the chosen cases against a target.
///
/// # Errors
/// The target does not answer the probe.
pub fn run_suite(
    suite: &Suite,
    registry: &Registry,
    target: &dyn Target,
    options: &RunOptions,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&RunEvent<'_>),
) -> Result<Summary, ProbeError> {
    let cases = select(suite, registry, options);
    let permutations: Vec<Permutation<'_>> =
        cases.iter().flat_map(|case| case.permutations()).collect();
    tell(&RunEvent::Started {
        target: &target.profile().name,
        case_count: cases.len(),
        permutation_count: permutations.len(),
        seed: options.seed,
        spec_commit: &registry.commit,
    });
    let mut summary = Summary::default();
    if permutations.is_empty() {
        tell(&RunEvent::Finished(&summary));
        return Ok(summary);
    }
    let probed = probe(target, registry, options.seed, options.hash_budget)?;
    for (name, value) in &probed.facts {
        tell(&RunEvent::Fact { name, value });
    }
    for gap in &probed.gaps {
        tell(&RunEvent::Gap { text: gap });
    }
    let lost = AtomicBool::new(false);
    let context = Context {
        registry,
        facts: &probed.facts,
        seed: options.seed,
        hash_budget: options.hash_budget,
        within: options.within,
        time_budget: options.time_budget,
        is_over: &|| stop.load(Ordering::Relaxed) || lost.load(Ordering::Relaxed),
    };
    let names: Vec<String> = permutations.iter().map(|one| one.name.clone()).collect();
    summary.unused_expectations =
        options.expectations.unused(&names).into_iter().map(str::to_owned).collect();

    let mut kept: BTreeMap<String, bool> = BTreeMap::new();
    let mut tried_alone = BTreeSet::new();
    let mut batches = VecDeque::from(batches(&permutations, target, options.parallel));
    while let Some((batch, parallel)) = batches.pop_front() {
        let queue = Mutex::new(batch.into_iter());
        let (suspects, cut) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let (reports, reported) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..parallel {
                let (reports, queue, context, lost) = (reports.clone(), &queue, &context, &lost);
                let (suspects, cut) = (&suspects, &cut);
                scope.spawn(move || {
                    let mut kept = None;
                    loop {
                        if stop.load(Ordering::Relaxed) || lost.load(Ordering::Relaxed) {
                            return;
                        }
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(permutation) = next else { return };
                        if reports.send(Progress::Started(permutation.name.clone())).is_err() {
                            return;
                        }
                        let report = judge(permutation, target, context, options, &mut kept);
                        if report.outcome.is_cut {
                            cut.lock().unwrap_or_else(PoisonError::into_inner).push(permutation);
                            return;
                        }
                        // A target that hangs or has crashed fails whatever runs: what it
                        // fails then is no finding about the case.
                        if matches!(report.verdict, Verdict::Fail | Verdict::Inconclusive)
                            && let Err(why) = serves(target, registry, options.within)
                        {
                            lost.store(true, Ordering::Relaxed);
                            let mut suspects =
                                suspects.lock().unwrap_or_else(PoisonError::into_inner);
                            suspects.push((permutation, report, why));
                            return;
                        }
                        if reports.send(Progress::Finished(Box::new(report))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(reports);
            for progress in reported {
                match progress {
                    Progress::Started(name) => tell(&RunEvent::CaseStarted { name: &name }),
                    Progress::Finished(report) => {
                        finish(*report, &mut summary, &mut kept, target, options, tell);
                    }
                }
            }
        });
        let suspects = suspects.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some((first, _, why)) = suspects.first() else { continue };
        let names: Vec<&str> = suspects.iter().map(|(one, _, _)| one.name.as_str()).collect();
        let note = format!(
            "the target stopped serving new connections ({why}) while {} ran",
            names.join(", ")
        );
        let note = match last_words(target) {
            words if words.is_empty() => note,
            words => format!("{note}; its last words:\n{words}"),
        };
        let is_back = target.profile().controls.contains(&ControlKind::Restart)
            && summary.hangs.len() < RESTARTS_MAX
            && restart(target, registry, options.within).is_ok();
        summary.hangs.push(note.clone());
        // Twice, and alone the second time: that is no chance.
        let is_proven = is_back && tried_alone.contains(&first.name);
        if is_back && !is_proven {
            batches.push_front((queue_rest(queue, cut), parallel));
            for (permutation, _, _) in suspects.into_iter().rev() {
                tried_alone.insert(permutation.name.clone());
                batches.push_front((vec![permutation], 1));
            }
        } else {
            let verdict = if is_proven { Verdict::Fail } else { Verdict::Inconclusive };
            for (_, mut report, _) in suspects {
                report.verdict = verdict;
                report.blame(&note);
                finish(report, &mut summary, &mut kept, target, options, tell);
            }
            if !is_back {
                break;
            }
            batches.push_front((queue_rest(queue, cut), parallel));
        }
        lost.store(false, Ordering::Relaxed);
    }
    summary.target_lost = lost.load(Ordering::Relaxed);
    summary.interrupted = stop.load(Ordering::Relaxed);
    summary.clauses_kept = kept.values().filter(|kept| **kept).count();
    summary.clauses_broken =
        kept.into_iter().filter(|(_, kept)| !kept).map(|(clause, _)| clause).collect();
    tell(&RunEvent::Finished(&summary));
    Ok(summary)
}

/// What may run beside each other, in order, and how many at a time.
fn batches<'a>(
    permutations: &'a [Permutation<'a>],
    target: &dyn Target,
    parallel: usize,
) -> [(Vec<&'a Permutation<'a>>, usize); 3] {
    // Of our own kind each case has one to itself.
    let is_ours = target.profile().is_ours;
    // On a target that all share, a new tip makes everybody's shares stale.
    let is_alone = |case: &Case| {
        !is_ours && (!case.requires.controls.is_empty() || case.world.chain == Chain::Easy)
    };
    let (mut shared, mut alone, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for permutation in permutations {
        match permutation.case {
            // Bad handshakes may get us banned.
            case if is_last(case) && !is_ours => last.push(permutation),
            case if is_alone(case) => alone.push(permutation),
            _ => shared.push(permutation),
        }
    }
    let parallel = parallel.max(1);
    [(shared, parallel), (alone, 1), (last, parallel)]
}

enum Progress {
    Started(String),
    Finished(Box<CaseReport>),
}

fn is_last(case: &Case) -> bool {
    case.tags.iter().any(|tag| tag == "bad-noise")
}

fn judge(
    permutation: &Permutation<'_>,
    target: &dyn Target,
    context: &Context<'_>,
    options: &RunOptions,
    kept: &mut Option<Kept>,
) -> CaseReport {
    let case = permutation.case;
    let expectation = options.expectations.of(&case.id, &permutation.name, options.now);
    let excluded = match expectation {
        Some(Expectation { kind: ExpectationKind::Skip, reason, .. }) => Some(reason.clone()),
        _ if options.safe => UNSAFE_TAGS
            .iter()
            .find(|unsafe_tag| case.tags.iter().any(|tag| tag == *unsafe_tag))
            .map(|tag| format!("--safe leaves out cases tagged {tag}")),
        _ => None,
    };
    let outcome = match excluded {
        Some(because) => Outcome::skipped(&permutation.name, Skip::Excluded, because),
        None => run_on(permutation, target, context, kept),
    };
    let (verdict, note) = match expectation {
        Some(expectation) => expected(expectation, &outcome),
        None => (outcome.verdict, None),
    };
    CaseReport {
        case: case.id.clone(),
        title: case.title.clone(),
        file: case.file.clone(),
        severity: case.severity.name(),
        clauses: case.clauses.clone(),
        verdict,
        expectation: note,
        evidence: None,
        rerun: format!("{} --filter 'name({})' --seed {}", options.rerun, case.id, options.seed),
        outcome,
    }
}

/// The verdict in the light of what was expected.
fn expected(expectation: &Expectation, outcome: &Outcome) -> (Verdict, Option<String>) {
    let mut note = expectation.reason.clone();
    if let Some(issue) = &expectation.issue {
        note += &format!(" ({issue})");
    }
    let verdict = match (expectation.kind, outcome.verdict) {
        (ExpectationKind::Fail | ExpectationKind::Flaky, Verdict::Fail) => {
            let wanted = expectation.failure.as_deref().unwrap_or_default();
            match outcome.finding.as_ref().is_some_and(|finding| says(finding, wanted)) {
                true => Verdict::ExpectedFail,
                false => {
                    note = format!("it was expected to fail with \"{wanted}\", not like this");
                    Verdict::Fail
                }
            }
        }
        (ExpectationKind::Fail, Verdict::Pass | Verdict::Info) => Verdict::UnexpectedPass,
        (_, verdict) => verdict,
    };
    (verdict, Some(note))
}

fn says(finding: &Finding, wanted: &str) -> bool {
    [Some(&finding.because), finding.expected.as_ref(), finding.actual.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| text.contains(wanted))
}

/// Stops the target and starts it again, and waits until it serves.
fn restart(target: &dyn Target, registry: &Registry, within: Duration) -> Result<(), String> {
    let mut world = target.world(&Default::default(), 0).map_err(|error| error.to_string())?;
    world.control(ControlKind::Restart).map_err(|error| error.to_string())?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match serves(target, registry, within) {
            Err(why) if attempts >= ATTEMPTS_MAX => return Err(why),
            Err(_) => std::thread::sleep(BETWEEN_ATTEMPTS),
            Ok(()) => return Ok(()),
        }
    }
}

/// The end of what a target has written, where we can read it.
fn last_words(target: &dyn Target) -> String {
    let words = target.world(&Default::default(), 0).map(|mut world| world.told());
    let words = words.unwrap_or_default();
    words[words.len().saturating_sub(LAST_WORDS_MAX)..].join("\n")
}

/// The cases of a batch that nobody has ended: those that waited when the target was lost come
/// first.
fn queue_rest<'a>(
    queue: Mutex<std::vec::IntoIter<&'a Permutation<'a>>>,
    cut: Mutex<Vec<&'a Permutation<'a>>>,
) -> Vec<&'a Permutation<'a>> {
    let mut rest = cut.into_inner().unwrap_or_else(PoisonError::into_inner);
    rest.extend(queue.into_inner().unwrap_or_else(PoisonError::into_inner));
    rest
}

/// Keeps, counts and tells a report.
fn finish(
    mut report: CaseReport,
    summary: &mut Summary,
    kept: &mut BTreeMap<String, bool>,
    target: &dyn Target,
    options: &RunOptions,
    tell: &mut dyn FnMut(&RunEvent<'_>),
) {
    if let Some(key_log) = &options.key_log {
        report.outcome.exchange.secrets.iter().for_each(|(_, secrets)| key_log.keep(secrets));
    }
    keep_evidence(&mut report, target, options);
    count(summary, kept, &report);
    tell(&RunEvent::CaseFinished(&report));
}

fn keep_evidence(report: &mut CaseReport, target: &dyn Target, options: &RunOptions) {
    let worth = matches!(
        report.verdict,
        Verdict::Fail | Verdict::Warn | Verdict::Inconclusive | Verdict::Error
    );
    let (true, Some(folder)) = (worth, &options.evidence) else { return };
    match evidence::write(folder, report, target.profile(), options.now) {
        Ok(path) => report.evidence = Some(path),
        Err(error) => {
            tracing::error!(folder = %folder.display(), %error, "the evidence cannot be written");
        }
    }
}

fn count(summary: &mut Summary, kept: &mut BTreeMap<String, bool>, report: &CaseReport) {
    *summary.counts.entry(report.verdict.name()).or_default() += 1;
    summary.elapsed += report.outcome.elapsed;
    summary.readings.extend(report.outcome.readings.iter().cloned());
    for clause in &report.outcome.observed {
        kept.entry(clause.clone()).or_insert(true);
    }
    let findings = report.outcome.finding.iter().chain(&report.outcome.warnings);
    for finding in findings.filter(|finding| finding.verdict.is_finding()) {
        for clause in &finding.clauses {
            kept.insert(clause.clone(), false);
        }
    }
}

/// Times that a target is started again because it has stopped serving.
const RESTARTS_MAX: usize = 20;

/// Lines of a target's log that the note on its end shows.
const LAST_WORDS_MAX: usize = 8;

/// Half a minute for a target to come back.
const ATTEMPTS_MAX: u32 = 60;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

/// What `--safe` leaves out.
const UNSAFE_TAGS: &[&str] = &["flood", "malformed", "bad-noise"];
