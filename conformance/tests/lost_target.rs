//! A target that stops serving: the case that did it is named, and the others are not blamed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conformance::case::step::{CloseHow, ControlKind, Peer};
use conformance::case::{Suite, WorldSettings};
use conformance::clause::Registry;
use conformance::run::{RunEvent, RunOptions, Summary, run_suite};
use conformance::verdict::Verdict;
use conformance::world::{
    Arrival, LinkId, MemoryTarget, OwnLiveTarget, Target, TargetProfile, World, WorldError,
};
use sv2::entropy::Entropy;
use sv2::time::{Instant, Now};

/// Our pool, but one that is dead for everybody once a case with a share batch of seven has
/// written to it.
struct Fragile {
    inner: MemoryTarget,
    profile: TargetProfile,
    is_dead: Arc<AtomicBool>,
}

impl Fragile {
    fn new(can_restart: bool) -> Self {
        let inner = MemoryTarget::pool();
        let mut profile = inner.profile().clone();
        profile.controls.retain(|kind| can_restart || *kind != ControlKind::Restart);
        Fragile { inner, profile, is_dead: Arc::default() }
    }
}

impl Target for Fragile {
    fn world(&self, settings: &WorldSettings, seed: u64) -> Result<Box<dyn World>, WorldError> {
        let inner = self.inner.world(settings, seed)?;
        let is_deadly = settings.share_batch == 7;
        Ok(Box::new(FragileWorld { inner, is_deadly, is_dead: Arc::clone(&self.is_dead) }))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }
}

struct FragileWorld {
    inner: Box<dyn World>,
    is_deadly: bool,
    is_dead: Arc<AtomicBool>,
}

impl World for FragileWorld {
    fn now(&self) -> Now {
        self.inner.now()
    }
    fn dial(&mut self, peer: Peer) -> Result<LinkId, WorldError> {
        self.inner.dial(peer)
    }
    fn write(&mut self, link: LinkId, bytes: &[u8]) {
        if self.is_deadly {
            self.is_dead.store(true, Ordering::Relaxed);
        }
        // A hung program still has an open socket.
        if !self.is_dead.load(Ordering::Relaxed) {
            self.inner.write(link, bytes);
        }
    }
    fn read(&mut self, link: LinkId, until: Instant) -> Arrival {
        self.inner.read(link, until)
    }
    fn close(&mut self, link: LinkId, how: CloseHow) {
        self.inner.close(link, how);
    }
    fn pass(&mut self, until: Instant) {
        self.inner.pass(until);
    }
    fn control(&mut self, kind: ControlKind) -> Result<(), WorldError> {
        if kind == ControlKind::Restart {
            self.is_dead.store(false, Ordering::Relaxed);
        }
        self.inner.control(kind)
    }
}

/// Five cases, of which the third is deadly; what was said of each, and of the run.
fn outcome(can_restart: bool, parallel: usize) -> (Vec<(String, Verdict, String)>, Summary) {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("the cases are right");
    suite.cases.clear();
    for number in 1..=5 {
        let deadly = if number == 3 { "[world]\nshare_batch = 7\n" } else { "" };
        let text = format!(
            "format = 1\nid = \"test.case{number}\"\ntitle = \"A test\"\nrole = \"pool\"\n\
             severity = \"low\"\nclauses = [\"CP-3.6.2-01\"]\n{deadly}\
             [[step]]\nconnect = \"noise\"\n\
             [[step]]\nsend = \"SetupConnection\"\n\
             [[step]]\nexpect = \"SetupConnection.Success\"\n"
        );
        suite.add("test.toml", &text, &is_clause).expect("it is a case");
    }
    let options = RunOptions { parallel, ..RunOptions::default() };
    let mut told = Vec::new();
    let summary = run_suite(
        &suite,
        &registry,
        &Fragile::new(can_restart),
        &options,
        &AtomicBool::new(false),
        &mut |event| {
            if let RunEvent::CaseFinished(report) = event {
                let because = report.outcome.finding.as_ref().map(|one| one.because.clone());
                told.push((report.case.clone(), report.verdict, because.unwrap_or_default()));
            }
        },
    )
    .expect("the probe is answered");
    told.sort();
    (told, summary)
}

#[test]
fn a_case_that_kills_the_target_fails_and_the_others_go_on_after_a_restart() {
    for parallel in [1, 3] {
        let (told, summary) = outcome(true, parallel);

        let verdicts: Vec<Verdict> = told.iter().map(|(_, verdict, _)| *verdict).collect();
        let (pass, fail) = (Verdict::Pass, Verdict::Fail);
        assert_eq!(verdicts, [pass, pass, fail, pass, pass], "{told:#?}");
        assert!(told[2].2.contains("stopped serving"), "{}", told[2].2);
        assert!(!summary.target_lost && summary.clauses_broken.is_empty());
        // Once beside others or alone, and once more to be sure.
        assert_eq!(summary.hangs.len(), 2, "{:#?}", summary.hangs);
    }
}

#[test]
fn without_a_restart_the_run_ends_and_nobody_is_blamed_without_proof() {
    let (told, summary) = outcome(false, 3);

    assert!(summary.target_lost);
    assert!(told.iter().all(|(_, verdict, _)| *verdict != Verdict::Fail), "{told:#?}");
    let is_named = |(_, _, because): &(String, Verdict, String)| because.contains("test.case3");
    assert!(told.iter().any(is_named), "{told:#?}");
}

#[test]
fn a_run_that_the_user_ends_waits_for_nobody_and_blames_nobody() {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("the cases are right");
    suite.cases.clear();
    let text = "format = 1\nid = \"test.waits\"\ntitle = \"A test\"\nrole = \"pool\"\n\
                severity = \"low\"\nclauses = [\"CP-3.6.2-01\"]\n\
                [[step]]\nconnect = \"noise\"\n\
                [[step]]\nexpect = \"SetupConnection.Success\"\nwithin = \"60000m\"\n";
    suite.add("test.toml", text, &is_clause).expect("it is a case");
    let target = OwnLiveTarget::new(Entropy::from_seed(1)).expect("threads");
    let stop = AtomicBool::new(false);
    let mut finished = 0;

    let summary =
        run_suite(&suite, &registry, &target, &RunOptions::default(), &stop, &mut |event| {
            match event {
                RunEvent::CaseStarted { .. } => stop.store(true, Ordering::Relaxed),
                RunEvent::CaseFinished(_) => finished += 1,
                _ => {}
            }
        })
        .expect("the probe is answered");

    assert!(summary.interrupted);
    assert_eq!(finished, 0);
}
