//! `assay node`: one role alone, hosted over TCP until Ctrl-C.

pub(crate) mod arguments;
mod bitcoind;
mod chain;
mod commands;
mod config;
mod console;
mod job_declarator_client;
mod job_declarator_server;
mod mining_device;
mod mining_proxy;
mod pool;
mod server;
mod sv1_device;
mod sv1_pool;
mod template_provider;
mod translator;
mod vardiff;

use std::sync::Arc;

use sv2::event::Event;
use sv2::role::Input;
use sv2_net::host::Handle;
use sv2_net::tap::KeyLog;
use tokio::sync::broadcast::error::RecvError;

use crate::interruption::Interruption;
use crate::outcome::Outcome;
use crate::print;
use arguments::{Node, NodeCommon};
use console::Console;

/// Runs `assay node`.
pub(crate) fn run(command: Node) -> Outcome {
    if let Some(config) = default_config(&command) {
        print::text(config);
        return Outcome::Done;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::usage(format!("cannot start the runtime: {error}")),
    };
    let outcome = runtime.block_on(async {
        match command {
            Node::Pool(arguments) => pool::run(arguments).await,
            Node::MiningProxy(arguments) => mining_proxy::run(arguments).await,
            Node::Translator(arguments) => translator::run(arguments).await,
            Node::TemplateProvider(arguments) => template_provider::run(arguments).await,
            Node::JobDeclaratorServer(arguments) => job_declarator_server::run(arguments).await,
            Node::JobDeclaratorClient(arguments) => job_declarator_client::run(arguments).await,
            Node::MiningDevice(arguments) => mining_device::run(arguments).await,
            Node::Sv1Pool(arguments) => sv1_pool::run(arguments).await,
            Node::Sv1Device(arguments) => sv1_device::run(arguments).await,
            Node::Bitcoind(arguments) => bitcoind::run(arguments).await,
        }
    });
    match outcome {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

/// The role's settings as a file with comments, if they were asked for.
fn default_config(command: &Node) -> Option<&'static str> {
    let (is_wanted, config) = match command {
        Node::Pool(of) => (of.common.print_config, pool::DEFAULT_CONFIG),
        Node::MiningProxy(of) => (of.common.print_config, mining_proxy::DEFAULT_CONFIG),
        Node::Translator(of) => (of.common.print_config, translator::DEFAULT_CONFIG),
        Node::TemplateProvider(of) => (of.common.print_config, template_provider::DEFAULT_CONFIG),
        Node::JobDeclaratorServer(of) => {
            (of.common.print_config, job_declarator_server::DEFAULT_CONFIG)
        }
        Node::JobDeclaratorClient(of) => {
            (of.common.print_config, job_declarator_client::DEFAULT_CONFIG)
        }
        Node::MiningDevice(of) => (of.common.print_config, mining_device::DEFAULT_CONFIG),
        Node::Sv1Pool(of) => (of.common.print_config, sv1_pool::DEFAULT_CONFIG),
        Node::Sv1Device(of) => (of.common.print_config, sv1_device::DEFAULT_CONFIG),
        Node::Bitcoind(of) => (of.print_config, bitcoind::DEFAULT_CONFIG),
    };
    is_wanted.then_some(config)
}

/// Opens the key log that was asked for.
fn key_log(common: &NodeCommon) -> Result<Option<Arc<KeyLog>>, Outcome> {
    crate::key_log::open(common.key_log.as_deref())
}

/// As [`follow`], and takes commands from standard input: one a line.
async fn follow_and_obey(handle: Handle, console: &mut Console) -> Result<(), Outcome> {
    let (injector, mut lines) = (handle.injector(), commands::lines());
    let refusals = console.clone();
    let obeying = tokio::spawn(async move {
        let mut console = refusals;
        // Without an input, or once it has ended, nobody gives commands.
        while let Some(line) = lines.recv().await {
            match line.parse() {
                Ok(command) => {
                    if injector.inject(Input::Command(command)).await.is_err() {
                        return;
                    }
                }
                Err(error) => console.line(&error.to_string()),
            }
        }
    });
    let outcome = follow(handle, console, |_| false).await;
    obeying.abort();
    outcome
}

/// Prints events until Ctrl-C, until `is_enough` says so, or until the role ends by itself.
async fn follow(
    mut handle: Handle,
    console: &mut Console,
    mut is_enough: impl FnMut(&Event) -> bool,
) -> Result<(), Outcome> {
    let mut events = handle.events();
    let mut interruption = Interruption::catch()?;
    loop {
        tokio::select! {
            () = interruption.happened() => break,
            ended = handle.ended() => {
                return match ended {
                    Ok(()) => Ok(()),
                    Err(error) => Err(Outcome::Internal(format!("the role has failed: {error}"))),
                };
            }
            event = events.recv() => match event {
                Ok(event) => {
                    console.event(&event);
                    if is_enough(&event) {
                        break;
                    }
                }
                Err(RecvError::Lagged(count)) => console.line(&format!("{count} events left out")),
                Err(RecvError::Closed) => break,
            },
        }
    }
    handle.shutdown().await;
    Ok(())
}
