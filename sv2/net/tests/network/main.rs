//! Whole networks over TCP and Noise: template provider, pool and devices, each as it runs under
//! `assay node`, on the embedded chain and on a real node; and with programs of others in the
//! place of one of them.
//!
//! This test is also its own helper, and the pool of its own cases: see `main`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, without the harness clippy knows")]

mod accounts;
mod blocks;
mod client;
mod declarations;
mod events;
mod foreign;
mod full_blocks;
mod hosted;
mod outages;
mod pool_process;
mod redirects;
mod relayed;
mod rpc_node;
mod sv1;
mod thousand;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use sv2_net::child::{Helper, run_child_main};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|first| first.to_str()) {
        Some("run-child") => run_child_main(arguments),
        Some(thousand::POOL) => pool_process::main(thousand::serve),
        Some(accounts::POOL) => pool_process::main(|| accounts::serve(arguments)),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let mut trials = blocks::trials();
    trials.extend(accounts::trials());
    trials.extend(declarations::trials());
    trials.extend(outages::trials());
    trials.extend(rpc_node::trials());
    trials.extend(redirects::trials());
    trials.extend(relayed::trials());
    trials.extend(sv1::trials());
    trials.extend(foreign::trials());
    trials.extend(full_blocks::trials());
    trials.extend(thousand::trials());
    trials
}

fn run(test: impl AsyncFnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    runtime()?.block_on(test())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn helper() -> std::io::Result<Helper> {
    Helper::of_this_program()
}
