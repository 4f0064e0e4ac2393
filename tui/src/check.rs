//! `assay check`: the suite against a peer.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conformance::baseline::Baseline;
use conformance::case::{Suite, TargetRole};
use conformance::clause::Registry;
use conformance::expectations::Expectations;
use conformance::explain::explain;
use conformance::filter::Filter;
use conformance::report::{Changes, JUnit, JsonLines, Report, Results, Terminal};
use conformance::run::{RunOptions, Summary, run_suite, select};
use conformance::runner::probe::ProbeError;
use conformance::target_file::{Place, TargetFile, example_key};
use conformance::world::{
    ForeignClient, ForeignClientTarget, Hooks, LiveTarget, MemoryTarget, OwnClientTarget,
    OwnLiveTarget, ProviderChain, Target, WorldError,
};
use sv2::noise::StratumUrl;
use sv2_net::bitcoind::Network;
use sv2_net::clock::Clock;
use sv2_net::identity::read_secret_key;

use crate::arguments::{Check, CheckedChain, CheckedRole, FailOn};
use crate::interruption;
use crate::mutants;
use crate::outcome::Outcome;
use crate::print;
use crate::progress::Progress;

/// Runs `assay check`.
pub(crate) fn run(arguments: &Check) -> Outcome {
    let registry = Registry::embedded();
    let role = arguments.role.target_role();
    let suite = match built_in(&registry) {
        Ok(suite) => suite.for_role(role),
        Err(outcome) => return outcome,
    };
    let file = match arguments.target.as_deref().map(TargetFile::read).transpose() {
        Ok(file) => file,
        Err(error) => return Outcome::usage(error.to_string()),
    };
    let options = match options(arguments, file.as_ref()) {
        Ok(options) => options,
        Err(outcome) => return outcome,
    };
    if let Some(id) = &arguments.explain {
        return explain_case(&suite, &registry, role, id);
    }
    if arguments.list {
        return list(&suite, &registry, &options);
    }
    if arguments.mutants {
        return mutants::run(&suite, &registry, role, &options, &Progress::new());
    }
    let progress = Progress::new();
    let stop = match interruption::flag() {
        Ok(stop) => stop,
        Err(outcome) => return outcome,
    };
    if let Some(TargetFile { place: Place::Program(recipe), .. }) = &file {
        progress.message(format!("starting {}", recipe.name()));
    }
    match target(arguments, file.as_ref(), &options) {
        Ok(target) => check(arguments, &suite, &registry, &*target, &options, &progress, &stop),
        Err(outcome) => outcome,
    }
}

fn explain_case(suite: &Suite, registry: &Registry, role: TargetRole, id: &str) -> Outcome {
    match suite.case(id) {
        Some(case) => {
            print::text(explain(case, registry));
            Outcome::Done
        }
        None => Outcome::usage(format!(
            "no case is called \"{id}\"; `assay check {} --list` prints them all",
            role.name()
        )),
    }
}

/// The cases that are part of the program.
pub(crate) fn built_in(registry: &Registry) -> Result<Suite, Outcome> {
    Suite::built_in(&|id| registry.clause(id).is_some()).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Outcome::usage(errors.join("\n"))
    })
}

fn options(arguments: &Check, file: Option<&TargetFile>) -> Result<RunOptions, Outcome> {
    let default = RunOptions::default();
    let filter = arguments.filter.as_deref().map(Filter::parse).transpose();
    let of_file = file.and_then(|file| file.expectations.as_ref());
    let expectations = match arguments.expectations.as_ref().or(of_file) {
        None => Expectations::default(),
        Some(path) => {
            let text = read(path)?;
            Expectations::load(&path.display().to_string(), &text)
                .map_err(|error| Outcome::usage(error.to_string()))?
        }
    };
    let role = arguments.role.target_role().name();
    let rerun = match (&arguments.address, &arguments.target) {
        (address, None) if arguments.listen.is_some() => {
            let address = address.as_ref().map_or(String::new(), |address| format!(" {address}"));
            let listen = arguments.listen.as_deref().unwrap_or_default();
            format!("assay check {role}{address} --listen {listen}")
        }
        (Some(address), _) => format!("assay check {role} {address}"),
        (None, Some(file)) => format!("assay check {role} --target {}", file.display()),
        (None, None) if arguments.memory => format!("assay check {role} --memory"),
        (None, None) if arguments.chain.is_some() => {
            format!("assay check {role} --chain bitcoind")
        }
        (None, None) => format!("assay check {role}"),
    };
    let mut profiles = arguments.profile.clone();
    profiles.extend(file.iter().flat_map(|file| file.profiles.iter().cloned()));
    Ok(RunOptions {
        filter: filter.map_err(|error| Outcome::usage(error.to_string()))?,
        safe: arguments.safe,
        seed: arguments.seed.unwrap_or_else(|| sv2_net::entropy::from_system().u64() >> 32),
        parallel: parallel(arguments),
        profiles,
        hash_budget: arguments.hash_budget.unwrap_or(default.hash_budget),
        time_budget: arguments.time_budget.map_or(default.time_budget, Duration::from_secs),
        expectations,
        evidence: Some(arguments.evidence.clone()),
        key_log: crate::key_log::open(arguments.key_log.as_deref())?,
        rerun,
        now: Clock::of_process().now().unix,
        ..default
    })
}

fn parallel(arguments: &Check) -> usize {
    let is_foreign = arguments.target.is_some() || arguments.listen.is_some();
    match arguments.parallel {
        // What dials us dials for one case at a time.
        _ if is_foreign && arguments.role.target_role().dials() => 1,
        Some(parallel) => parallel,
        None if arguments.memory => cores(),
        None => PARALLEL,
    }
}

fn target(
    arguments: &Check,
    file: Option<&TargetFile>,
    options: &RunOptions,
) -> Result<Box<dyn Target>, Outcome> {
    let role = arguments.role.target_role();
    if arguments.memory {
        return Ok(Box::new(MemoryTarget::of(role)));
    }
    if role.dials() {
        return client(arguments, file, role);
    }
    if let Some(file) = file {
        let target = file
            .target(role, options.seed)
            .map_err(|error| Outcome::Unreachable(error.to_string()))?;
        return Ok(Box::new(target));
    }
    let Some(address) = &arguments.address else {
        let chain = arguments.chain.map(|chain| match chain {
            CheckedChain::Bitcoind => ProviderChain::Node(Network::Regtest),
        });
        let own = OwnLiveTarget::of(role, chain, sv2_net::entropy::from_system())
            .map_err(|error| Outcome::Unreachable(error.to_string()))?;
        return Ok(Box::new(own));
    };
    let url = parse(address)?;
    let (user, hooks) = (("user".to_owned(), "assay".to_owned()), Arc::new(Hooks::default()));
    let target = LiveTarget::new(role, address.clone(), &url, vec![user], hooks);
    Ok(Box::new(match &arguments.job_declarator {
        Some(declarator) => target.beside(&parse(declarator)?),
        None => target,
    }))
}

/// A target that dials the suite.
fn client(
    arguments: &Check,
    file: Option<&TargetFile>,
    role: TargetRole,
) -> Result<Box<dyn Target>, Outcome> {
    let unreachable = |error: WorldError| Outcome::Unreachable(error.to_string());
    if let Some(file) = file {
        let target = file.client(role).map_err(unreachable)?;
        say_where(&target);
        return Ok(Box::new(target));
    }
    let address = arguments.address.as_deref().map(parse).transpose()?;
    let Some(listen) = &arguments.listen else {
        if address.is_some() {
            return Err(Outcome::usage(format!(
                "a {} dials: say with --listen HOST:PORT where the suite waits for it",
                role.title()
            )));
        }
        let own = OwnClientTarget::new(role, sv2_net::entropy::from_system());
        return Ok(Box::new(own.map_err(unreachable)?));
    };
    let authority = match &arguments.key {
        None => example_key(),
        Some(path) => read_secret_key(path)
            .map_err(|error| Outcome::usage(format!("{}: {error}", path.display())))?,
    };
    let target = ForeignClientTarget::new(ForeignClient {
        role,
        name: format!("the {} that dials {listen}", role.title()),
        listen: listen.clone(),
        authority,
        address,
        identities: Vec::new(),
        hooks: Hooks::default(),
        recipe: None,
    });
    let target = target.map_err(unreachable)?;
    say_where(&target);
    Ok(Box::new(target))
}

fn say_where(target: &ForeignClientTarget) {
    if let Some(url) = target.url() {
        anstream::eprintln!("waiting at {url}");
    }
}

fn parse(address: &str) -> Result<StratumUrl, Outcome> {
    address.parse().map_err(|error| Outcome::usage(format!("\"{address}\": {error}")))
}

impl CheckedRole {
    fn target_role(self) -> TargetRole {
        match self {
            CheckedRole::Pool => TargetRole::Pool,
            CheckedRole::JobDeclaratorServer => TargetRole::JobDeclaratorServer,
            CheckedRole::TemplateProvider => TargetRole::TemplateProvider,
            CheckedRole::MiningDevice => TargetRole::MiningDevice,
            CheckedRole::MiningProxy => TargetRole::MiningProxy,
            CheckedRole::Translator => TargetRole::Translator,
            CheckedRole::JobDeclaratorClient => TargetRole::JobDeclaratorClient,
            CheckedRole::Sv1Device => TargetRole::Sv1Device,
        }
    }
}

fn check(
    arguments: &Check,
    suite: &Suite,
    registry: &Registry,
    target: &dyn Target,
    options: &RunOptions,
    progress: &Progress,
    stop: &AtomicBool,
) -> Outcome {
    let mut reports = match reports(arguments, registry) {
        Ok(reports) => reports,
        Err(outcome) => return outcome,
    };
    let wait = arguments.wait.unwrap_or(if arguments.target.is_some() { WAIT_SECONDS } else { 0 });
    await_target(target, Duration::from_secs(wait), stop, progress);
    let mut unwritten = None;
    let run = run_suite(suite, registry, target, options, stop, &mut |event| {
        progress.suspend(|| {
            for (name, report) in &mut reports {
                if let Err(error) = report.event(event) {
                    unwritten.get_or_insert(format!("cannot write {name}: {error}"));
                }
            }
        });
        progress.event(event);
    });
    if let Some(text) = unwritten {
        return Outcome::usage(text);
    }
    match run {
        Ok(summary) => finish(&summary, arguments),
        Err(ProbeError::World(error)) => Outcome::Unreachable(format!(
            "{}: {error}\ntried: a TCP connection and the Noise handshake",
            target.profile().name
        )),
        Err(error) => Outcome::Unreachable(format!(
            "{}: {error}\ntried: TCP, the Noise handshake, SetupConnection for its protocol, version 2",
            target.profile().name
        )),
    }
}

/// A pool that our template provider feeds starts to listen only once it has been fed. Whoever
/// is not there in the end is told by the probe.
fn await_target(target: &dyn Target, patience: Duration, stop: &AtomicBool, progress: &Progress) {
    let started = Instant::now();
    let profile = target.profile();
    while started.elapsed() < patience && !stop.load(Ordering::Relaxed) {
        let is_dialled = !profile.role.dials();
        if profile.is_ours
            || !is_dialled
            || TcpStream::connect((profile.host.as_str(), profile.port)).is_ok()
        {
            return;
        }
        progress.message(format!("waiting for {}:{}", profile.host, profile.port));
        std::thread::sleep(POLL);
    }
}

fn finish(summary: &Summary, arguments: &Check) -> Outcome {
    let fail_on_inconclusive = arguments.fail_on == Some(FailOn::Inconclusive);
    match summary.exit_code(fail_on_inconclusive) {
        0 => Outcome::Done,
        conformance::verdict::exit::NOTHING_RUN => {
            Outcome::Said("no case matches the filter".to_owned(), 3)
        }
        code => Outcome::Code(code),
    }
}

type NamedReport<'a> = (String, Box<dyn Report + 'a>);

fn reports<'a>(arguments: &Check, registry: &'a Registry) -> Result<Vec<NamedReport<'a>>, Outcome> {
    let terminal = Terminal::new(anstream::stdout(), registry, arguments.verbose);
    let mut reports: Vec<NamedReport<'a>> =
        vec![("standard output".to_owned(), Box::new(terminal))];
    if let Some(path) = &arguments.baseline {
        let before = Baseline::load(&path.display().to_string(), &read(path)?)
            .map_err(|error| Outcome::usage(error.to_string()))?;
        let changes = Changes::new(anstream::stdout(), before);
        reports.push(("standard output".to_owned(), Box::new(changes)));
    }
    for wanted in &arguments.report {
        let Some((kind, path)) = wanted.split_once('=') else {
            return Err(Outcome::usage(format!(
                "--report {wanted}: expected KIND=FILE, such as junit=sv2.xml"
            )));
        };
        let file = File::create(path)
            .map_err(|error| Outcome::usage(format!("cannot write {path}: {error}")))?;
        let report: Box<dyn Report> = match kind {
            "json" => Box::new(JsonLines::new(file)),
            "junit" => Box::new(JUnit::new(file)),
            "results" => Box::new(Results::new(file)),
            _ => {
                return Err(Outcome::usage(format!(
                    "--report {wanted}: unknown kind \"{kind}\"; known are json, junit, results"
                )));
            }
        };
        reports.push((path.to_owned(), report));
    }
    Ok(reports)
}

fn list(suite: &Suite, registry: &Registry, options: &RunOptions) -> Outcome {
    let cases = select(suite, registry, options);
    if cases.is_empty() {
        return Outcome::Said("no case matches the filter".to_owned(), 3);
    }
    let mut out = anstream::stdout().lock();
    for case in &cases {
        // A reader that has gone away (`| head`) has seen enough.
        if writeln!(out, "{:<56} {}", case.id, case.title).is_err() {
            return Outcome::Done;
        }
    }
    let runs: usize = cases.iter().map(|case| case.permutations().len()).sum();
    let _ = writeln!(out, "{} cases, {runs} runs", cases.len());
    Outcome::Done
}

fn read(path: &Path) -> Result<String, Outcome> {
    std::fs::read_to_string(path)
        .map_err(|error| Outcome::usage(format!("cannot read {}: {error}", path.display())))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How long a foreign program may take to start.
const WAIT_SECONDS: u64 = 60;

/// Between two attempts to reach a target that is starting.
const POLL: Duration = Duration::from_millis(100);

/// Cases at a time against a live target: most of their time they wait.
const PARALLEL: usize = 16;
