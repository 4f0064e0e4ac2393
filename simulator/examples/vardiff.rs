//! Prints what the vardiff laboratory finds, as Markdown:
//! `cargo run --release -p simulator --example vardiff [TRIALS]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let trials = std::env::args().nth(1).map_or(Ok(TRIALS), |argument| argument.parse());
    match trials {
        Ok(trials) if trials >= 2 => {
            print!("{}", simulator::vardiff::report::markdown(trials));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("expected a number of trials, from 2; {TRIALS} if missing");
            ExitCode::FAILURE
        }
    }
}

/// As many as the tests run.
const TRIALS: u64 = 200;
