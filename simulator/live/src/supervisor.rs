//! Keeps one part running: tells what it does, starts it again when it ends, stops it.

use std::sync::Arc;
use std::time::Duration;

use simulator::scenario::{NodeId, RoleId};
use sv2::event::Event;
use sv2::role::ChainEvent;
use sv2_net::clock::Clock;
use sv2_net::recipe::Hook;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::host::{Running, Starter};
use crate::nodes::LiveNode;
use crate::part::{Happening, Subject, What};

/// A part that is looked after. Dropping it ends the part at once.
#[derive(Debug)]
pub(crate) struct Supervisor {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

/// What a supervisor is told.
#[derive(Debug)]
enum Command {
    /// Ends the part as if it had been killed, and leaves it so.
    Halt(oneshot::Sender<()>),
    /// Starts it again.
    Resume(oneshot::Sender<()>),
    /// Ends the part gently, and itself.
    Stop,
}

impl Supervisor {
    pub(crate) fn of_role(
        starter: Arc<Starter>,
        id: RoleId,
        member: u32,
        running: Running,
        happenings: Reporter,
    ) -> Self {
        let (commands, queue) = mpsc::channel(1);
        let part = RolePart { starter, id, member, happenings, commands: queue };
        Supervisor { commands, task: tokio::spawn(part.keep_running(running)) }
    }

    pub(crate) fn of_node(id: NodeId, node: LiveNode, happenings: Reporter) -> Self {
        let (commands, queue) = mpsc::channel(1);
        let part = NodePart { id, node, happenings, commands: queue };
        Supervisor { commands, task: tokio::spawn(part.keep_running()) }
    }

    /// Ends the part as if it had been killed, until [`Supervisor::resume`].
    pub(crate) async fn halt(&self) {
        self.command(Command::Halt).await;
    }

    /// Starts a part that was halted.
    pub(crate) async fn resume(&self) {
        self.command(Command::Resume).await;
    }

    /// Ends the part gently, and waits for it.
    pub(crate) async fn stop(mut self) {
        // A supervisor that is gone has ended its part.
        let _ = self.commands.send(Command::Stop).await;
        let _ = (&mut self.task).await;
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(command(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The way of happenings to whoever looks at the network; waits where that one is slow.
#[derive(Clone, Debug)]
pub(crate) struct Reporter(pub(crate) mpsc::Sender<Happening>);

impl Reporter {
    async fn tell(&self, subject: Subject, what: What) {
        let at = Clock::of_process().now().instant;
        // Nobody looks any more: the network is being dropped.
        let _ = self.0.send(Happening { at, subject, what }).await;
    }
}

struct RolePart {
    starter: Arc<Starter>,
    id: RoleId,
    member: u32,
    happenings: Reporter,
    commands: mpsc::Receiver<Command>,
}

/// Why a part does not run any more.
enum End {
    ByItself(String),
    Halted(oneshot::Sender<()>),
    Stopped,
}

impl RolePart {
    async fn keep_running(mut self, mut running: Running) {
        loop {
            let end = self.watch(&mut running).await;
            match end {
                End::Stopped => return running.stop().await,
                End::Halted(done) => {
                    // A handle or program that is dropped ends at once.
                    drop(running);
                    let _ = done.send(());
                    self.tell(What::Down("halted".into())).await;
                    match self.start_on_command().await {
                        Some(again) => running = again,
                        None => return,
                    }
                }
                End::ByItself(why) => {
                    self.tell(What::Down(why)).await;
                    match self.start_again(running).await {
                        Some(again) => running = again,
                        None => return,
                    }
                }
            }
            self.tell(What::Up).await;
        }
    }

    /// Until the part ends, or has to.
    async fn watch(&mut self, running: &mut Running) -> End {
        let mut events = running.events();
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Halt(done)) => return End::Halted(done),
                    Some(Command::Resume(done)) => drop(done),
                    Some(Command::Stop) | None => return End::Stopped,
                },
                event = next(&mut events) => self.tell(event).await,
                why = running.ended() => return End::ByItself(why),
            }
        }
    }

    /// `None` if the network ends meanwhile.
    async fn start_again(&mut self, mut ended: Running) -> Option<Running> {
        let mut wait = RESTART_WAIT_MIN;
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Halt(done)) => {
                        drop(ended);
                        let _ = done.send(());
                        return self.start_on_command().await;
                    }
                    Some(Command::Resume(done)) => drop(done),
                    Some(Command::Stop) | None => return None,
                },
                () = sleep(wait) => {}
            }
            let attempt = match ended {
                // The same ports and files.
                Running::Program(ref mut program) => match program.run_hook(Hook::Restart).await {
                    Ok(()) => return Some(ended),
                    Err(error) => error.to_string(),
                },
                Running::Ours { .. } => match self.starter.start(self.id, self.member).await {
                    Ok(running) => return Some(running),
                    Err(error) => error.to_string(),
                },
            };
            self.tell(What::Down(attempt)).await;
            wait = (wait * 2).min(RESTART_WAIT_MAX);
        }
    }

    async fn start_on_command(&mut self) -> Option<Running> {
        loop {
            match self.commands.recv().await {
                Some(Command::Halt(done)) => drop(done),
                Some(Command::Stop) | None => return None,
                Some(Command::Resume(done)) => {
                    match self.starter.start(self.id, self.member).await {
                        Ok(running) => {
                            let _ = done.send(());
                            return Some(running);
                        }
                        Err(error) => self.tell(What::Down(error.to_string())).await,
                    }
                }
            }
        }
    }

    async fn tell(&self, what: What) {
        self.happenings.tell(Subject::Role(self.id, self.member), what).await;
    }
}

impl Running {
    /// `None`: what a program of others does is not told.
    fn events(&self) -> Option<broadcast::Receiver<Event>> {
        match self {
            Running::Ours { handle, .. } => Some(handle.events()),
            Running::Program(_) => None,
        }
    }

    /// Why it ended.
    async fn ended(&mut self) -> String {
        match self {
            Running::Ours { handle, .. } => match handle.ended().await {
                Ok(()) => "it has ended".to_owned(),
                Err(error) => format!("our own fault: {error}"),
            },
            Running::Program(program) => match program.ended().await {
                Ok(status) => {
                    format!("it ended with {status}; its last words:\n{}", program.log_tail())
                }
                Err(error) => format!("it cannot be waited for: {error}"),
            },
        }
    }

    async fn stop(self) {
        match self {
            Running::Ours { handle, .. } => handle.shutdown().await,
            Running::Program(program) => {
                if let Err(error) = program.stop().await {
                    tracing::warn!(%error, "a program cannot be waited for");
                }
            }
        }
    }
}

/// Never, where there are no events.
async fn next(events: &mut Option<broadcast::Receiver<Event>>) -> What {
    if let Some(receiver) = events {
        match receiver.recv().await {
            Ok(event) => return What::Event(event),
            Err(RecvError::Lagged(count)) => return What::Missed(count),
            Err(RecvError::Closed) => *events = None,
        }
    }
    std::future::pending().await
}

struct NodePart {
    id: NodeId,
    node: LiveNode,
    happenings: Reporter,
    commands: mpsc::Receiver<Command>,
}

impl NodePart {
    async fn keep_running(mut self) {
        let mut news = self.node.news();
        news.mark_changed();
        let mut tip = None;
        let mut wait = RESTART_WAIT_MIN;
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    // A process is stopped; a chain of ours cannot be away.
                    Some(Command::Halt(done) | Command::Resume(done)) => drop(done),
                    Some(Command::Stop) | None => return self.node.stop().await,
                },
                changed = news.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let latest = news.borrow_and_update().clone();
                    match latest {
                        Some(ChainEvent::Template(template)) if tip != Some(template.prev_hash) => {
                            tip = Some(template.prev_hash);
                            let (height, hash) = (template.height - 1, template.prev_hash);
                            self.tell(What::Tip { height, hash }).await;
                        }
                        _ => {}
                    }
                }
                why = self.node.ended() => {
                    self.tell(What::Down(why)).await;
                    let again = async {
                        sleep(wait).await;
                        self.node.start_again().await
                    };
                    let outcome = tokio::select! {
                        outcome = again => outcome,
                        // A node may take a minute to start: nobody who leaves waits for it.
                        () = told_to_stop(&mut self.commands) => return self.node.stop().await,
                    };
                    match outcome {
                        Ok(()) => {
                            wait = RESTART_WAIT_MIN;
                            self.tell(What::Up).await;
                        }
                        Err(error) => {
                            wait = (wait * 2).min(RESTART_WAIT_MAX);
                            self.tell(What::Down(error.to_string())).await;
                        }
                    }
                }
            }
        }
    }

    async fn tell(&self, what: What) {
        self.happenings.tell(Subject::Node(self.id), what).await;
    }
}

/// Of a node, for which the other commands mean nothing.
async fn told_to_stop(commands: &mut mpsc::Receiver<Command>) {
    while let Some(Command::Halt(_) | Command::Resume(_)) = commands.recv().await {}
}

/// Before the first attempt to start a part again; doubles up to the second.
const RESTART_WAIT_MIN: Duration = Duration::from_millis(100);
const RESTART_WAIT_MAX: Duration = Duration::from_secs(10);
