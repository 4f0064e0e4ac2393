//! The scenarios that come with Assay, brought up over TCP and Noise, on embedded chains and on
//! real nodes. This test is also its own helper: see `main`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, without the harness clippy knows")]

mod blocks;
mod config_a;
mod config_b;
mod config_c;
mod config_d;
mod exchange;
mod lines;
mod outages;
mod record;
mod steps;
mod steps_v1;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use simulator::scenario::{ChainKind, Overrides, Ports, Scenario};
use simulator_live::{Network, NetworkTrace, Settings};
use sv2_net::child::{Helper, run_child_main};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|first| first.to_str()) {
        Some("run-child") => run_child_main(arguments),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let mut trials = blocks::trials();
    trials.extend(config_a::trials());
    trials.extend(config_b::trials());
    trials.extend(config_c::trials());
    trials.extend(config_d::trials());
    trials.extend(outages::trials());
    trials
}

fn run(test: impl AsyncFnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(test())
}

/// A scenario of `simulator/scenarios`, on ports that are free.
fn scenario(name: &str, chain: Option<ChainKind>) -> Result<Scenario, Failed> {
    changed(name, chain, ("", ""))
}

/// The same with another text in the place of one.
fn changed(
    name: &str,
    chain: Option<ChainKind>,
    (from, to): (&str, &str),
) -> Result<Scenario, Failed> {
    let file = format!("{}/../scenarios/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file)?;
    assert!(text.contains(from), "{name} says nothing of {from}");
    let text = if from.is_empty() { text } else { text.replace(from, to) };
    let overrides = Overrides { ports: Ports::Free, chain, ..Overrides::default() };
    Ok(Scenario::load(&file, &text, &overrides)?)
}

async fn start(scenario: Scenario) -> Result<Network, Failed> {
    start_with(scenario, None).await
}

/// Sees all messages.
async fn start_traced(scenario: Scenario, trace: Arc<dyn NetworkTrace>) -> Result<Network, Failed> {
    start_with(scenario, Some(trace)).await
}

async fn start_with(
    scenario: Scenario,
    trace: Option<Arc<dyn NetworkTrace>>,
) -> Result<Network, Failed> {
    let settings =
        Settings { helper: Helper::of_this_program()?, key_log: None, trace, recorder: None };
    Ok(Network::start(scenario, settings, |_| {}).await?)
}
