//! `assay up`: a whole network on this machine, and what comes of it.

mod board;
mod lines;
mod machine;
mod screen;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use simulator::goal::Goal;
use simulator::scenario::{ChainKind, Overrides, Ports, Scenario, builtin, parse_replacement};
use simulator::units::parse_duration;
use simulator_live::{Happening, Network, Settings, StartStep};
use sv2_net::child::Helper;
use sv2_net::clock::Clock;
use sv2_net::relay::Recorder;
use tokio::time::{Instant, sleep_until};

use crate::arguments::{self, Up};
use crate::interruption::{INTERRUPTED, Interruption};
use crate::key_log;
use crate::outcome::Outcome;
use crate::recorder::{FileRecorder, RecorderConfig, Recording};
use board::Board;

/// Runs `assay up`.
pub(crate) fn run(arguments: &Up) -> Outcome {
    let (scenario, run) = match prepare(arguments) {
        Ok(prepared) => prepared,
        Err(outcome) => return outcome,
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::usage(format!("cannot start the runtime: {error}")),
    };
    runtime.block_on(bring_up(scenario, run)).unwrap_or_else(|outcome| outcome)
}

/// How the run goes on and ends.
struct Run {
    settings: Settings,
    /// Folder for captures.
    record: Option<PathBuf>,
    goal: Option<Goal>,
    duration: Option<Duration>,
    look: Look,
}

/// What people or machines see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Screen,
    Lines,
    Machine,
}

/// Shows a network that runs.
trait View {
    /// Something has happened, and is counted; `is_news` as [`Board::take`] says.
    fn happened(&mut self, board: &Board, happening: &Happening, is_news: bool);
    /// Some time has passed; an error ends the run.
    fn tick(&mut self, board: &Board) -> std::io::Result<()>;
    /// The run is over, as told.
    fn finish(&mut self, board: &Board, ending: Ending);
}

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// What `--until` asks for has happened.
    GoalReached,
    /// `--for` has passed, with nothing else asked for.
    TimeIsUp,
    /// `--for` has passed before what `--until` asks for.
    GoalMissed,
    /// Somebody has ended it.
    Interrupted,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Ending::GoalReached => "goal reached",
            Ending::TimeIsUp => "time is up",
            Ending::GoalMissed => "goal missed",
            Ending::Interrupted => "interrupted",
        }
    }
}

fn prepare(arguments: &Up) -> Result<(Scenario, Run), Outcome> {
    let usage = |option: &str, error: String| Outcome::usage(format!("{option}: {error}"));
    let (file, text) = read_scenario(&arguments.scenario)?;
    let replace = arguments.replace.iter().map(|text| parse_replacement(text));
    let replace = replace.collect::<Result<_, _>>().map_err(|error| usage("--replace", error))?;
    let overrides = Overrides {
        seed: arguments.seed,
        chain: arguments.chain.map(|chain| match chain {
            arguments::ChainKind::Embedded => ChainKind::Embedded,
            arguments::ChainKind::Bitcoind => ChainKind::Bitcoind,
            arguments::ChainKind::Signet => ChainKind::Signet,
        }),
        ports: match arguments.port_offset {
            Some(offset) => Ports::Above(offset),
            None if arguments.free_ports => Ports::Free,
            None => Ports::AsWritten,
        },
        replace,
        set: Vec::new(),
    };
    let scenario = Scenario::load(&file, &text, &overrides)
        .map_err(|error| Outcome::usage(format!("scenario {error}")))?;
    for note in &scenario.virtual_time.notes {
        anstream::eprintln!("note: scenario {note}");
    }
    let goal = arguments.until.as_deref().map(str::parse).transpose();
    let duration = arguments.duration.as_deref().map(parse_duration).transpose();
    let key_log = key_log::open(arguments.key_log.as_deref())?;
    let helper = Helper::of_this_program()
        .map_err(|error| Outcome::Internal(format!("our own executable: {error}")))?;
    let is_watched = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let run = Run {
        settings: Settings { helper, key_log, trace: None, recorder: None },
        record: arguments.record.clone(),
        goal: goal.map_err(|error| usage("--until", error))?,
        duration: duration.map_err(|error| usage("--for", error))?,
        look: match (arguments.json, is_watched && !arguments.plain) {
            (true, _) => Look::Machine,
            (false, true) => Look::Screen,
            (false, false) => Look::Lines,
        },
    };
    Ok((scenario, run))
}

/// A file, or what comes with assay under that name.
pub(crate) fn read_scenario(scenario: &str) -> Result<(String, String), Outcome> {
    if Path::new(scenario).exists() || scenario.contains(['/', '.']) {
        let text = std::fs::read_to_string(scenario)
            .map_err(|error| Outcome::usage(format!("cannot read {scenario}: {error}")))?;
        return Ok((scenario.to_owned(), text));
    }
    let builtin = builtin(scenario).map_err(Outcome::Usage)?;
    Ok((format!("{}.toml", builtin.name), builtin.text.to_owned()))
}

async fn bring_up(scenario: Scenario, mut run: Run) -> Result<Outcome, Outcome> {
    let mut interruption = Interruption::catch()?;
    let recording = run.record.take().map(record).transpose()?;
    let recording = recording.map(|(recorder, recording)| {
        run.settings.recorder = Some(recorder);
        recording
    });
    let names: Vec<String> = scenario.roles.iter().map(|role| role.name.clone()).collect();
    let goal = run.goal;
    let started = tokio::select! {
        started = Network::start(scenario, run.settings, |step| match step {
            _ if run.look == Look::Machine => {}
            StartStep::Nodes => anstream::eprintln!("starting the chain"),
            StartStep::Role(id) => anstream::eprintln!("starting {}", names[id.0]),
        }) => started.map_err(|error| Outcome::Unreachable(error.to_string()))?,
        () = interruption.happened() => return Err(Outcome::Said("interrupted".into(), INTERRUPTED)),
    };
    let mut network = started;
    let mut board = Board::new(&network, goal);
    let mut view: Box<dyn View> = match run.look {
        Look::Screen => Box::new(
            screen::Screen::open()
                .map_err(|error| Outcome::Internal(format!("the terminal: {error}")))?,
        ),
        Look::Lines => Box::new(lines::Lines::new(&board)),
        Look::Machine => Box::new(machine::Machine::new(&board)),
    };
    let until = run.duration.map(|duration| Instant::now() + duration);
    let ending = watch(&mut network, &mut board, view.as_mut(), until, &mut interruption).await;
    board.set_now(Clock::of_process().now().instant);
    view.finish(&board, ending);
    drop(view);
    network.shutdown().await;
    if let Some(recording) = recording {
        recording.finish();
    }
    Ok(match ending {
        Ending::GoalReached | Ending::TimeIsUp => Outcome::Done,
        Ending::GoalMissed => Outcome::Code(GOAL_MISSED),
        Ending::Interrupted if goal.is_none() => Outcome::Done,
        Ending::Interrupted => Outcome::Code(INTERRUPTED),
    })
}

/// Begins to record in a folder, and says in which file.
fn record(directory: PathBuf) -> Result<(Arc<dyn Recorder>, Recording), Outcome> {
    let config = RecorderConfig {
        command: "up",
        directory: directory.clone(),
        interfaces: vec!["network"],
        is_plain: false,
        has_keys: true,
        is_fail_closed: false,
        file_len_max: None,
        file_age_max: None,
        files_kept: None,
        queued_len_max: QUEUED_LEN_MAX,
    };
    let (recorder, recording) = FileRecorder::start(config).map_err(|error| {
        Outcome::usage(format!("--record: cannot write {}: {error}", directory.display()))
    })?;
    let file = recording.progress().borrow().path.display().to_string();
    anstream::eprintln!("records in {file}, with the keys that open it");
    Ok((recorder, recording))
}

async fn watch(
    network: &mut Network,
    board: &mut Board,
    view: &mut dyn View,
    until: Option<Instant>,
    interruption: &mut Interruption,
) -> Ending {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = interruption.happened() => return Ending::Interrupted,
            () = at(until) => {
                return if board.has_goal() { Ending::GoalMissed } else { Ending::TimeIsUp };
            }
            _ = ticks.tick() => {
                board.set_now(Clock::of_process().now().instant);
                if view.tick(board).is_err() {
                    return Ending::Interrupted;
                }
            }
            happening = network.next() => {
                let is_news = board.take(&happening);
                view.happened(board, &happening, is_news);
                if board.is_goal_reached() {
                    return Ending::GoalReached;
                }
            }
        }
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Between two looks.
const TICK: Duration = Duration::from_millis(250);
/// What `--until` asks for has not happened within `--for`.
const GOAL_MISSED: u8 = 1;
/// Records that wait to be written, in bytes.
const QUEUED_LEN_MAX: usize = 64 << 20;
