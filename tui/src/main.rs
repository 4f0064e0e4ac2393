//! `assay`: the one binary. Dispatch only.

mod accounts;
mod address;
mod arguments;
mod capture;
mod check;
mod clauses;
mod compare;
mod decode;
mod event_json;
mod experiments;
mod inspect;
mod interruption;
mod key;
mod key_log;
mod ladder;
mod load;
mod mutants;
mod node;
mod outcome;
mod print;
mod progress;
mod recorder;
mod rules;
mod simulate;
mod stats;
mod sweep;
mod tap;
mod up;
mod vectors;
mod wireshark;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Color, Command};
use outcome::Outcome;

/// Memory of a large world is mostly pages that nobody has looked at for a while: with fewer and
/// larger ones a simulation is a tenth faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refused) => return Outcome::of_parser(&refused).report(),
    };
    choose_color(arguments.color);
    // What a checked pool of our own says of our bad handshakes is no news.
    let default = if matches!(arguments.command, Command::Check(_)) { "off" } else { "warn" };
    start_log(arguments.log.as_deref(), default);
    let outcome = match arguments.command {
        Command::Completions { shell } => completions(shell),
        Command::Man { directory } => man(&directory),
        Command::Accounts(arguments) => accounts::run(&arguments),
        Command::Key(command) => key::run(command),
        Command::Up(arguments) => up::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Stats(arguments) => stats::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Ladder(arguments) => ladder::run(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::LoadPool { starter } => load::serve(starter),
        Command::Sweep(command) => sweep::run(&command),
        Command::Experiments(command) => experiments::run(&command),
        Command::Node(command) => node::run(command),
        Command::Tap(options) => tap::run(&options),
        Command::RunChild { program } => return sv2_net::child::run_child_main(program),
        Command::Check(arguments) => check::run(&arguments),
        Command::Clauses(command) => clauses::run(command),
        Command::Vectors(command) => vectors::run(&command),
        Command::Wireshark(command) => wireshark::run(&command),
        Command::Inspect(command) => inspect::run(&command),
    };
    match print::failure() {
        Some(failure) => Outcome::usage(failure).report(),
        None => outcome.report(),
    }
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    // Into memory first: the generator panics when its reader goes away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "assay", &mut script);
    print::text(String::from_utf8_lossy(&script));
    Outcome::Done
}

fn man(directory: &std::path::Path) -> Outcome {
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory));
    match written {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::usage(format!("cannot write to {}: {error}", directory.display())),
    }
}

fn choose_color(color: Color) {
    let choice = match color {
        // anstream itself honours NO_COLOR and looks for a terminal.
        Color::Auto => return,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Logs go to standard error, so that what a command prints can be piped.
fn start_log(filter: Option<&str>, default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter.unwrap_or(default))
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
