//! How far a long command has come.

use std::io::IsTerminal as _;

use conformance::run::RunEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line at the bottom of a terminal; nothing where there is none.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        let is_watched = std::io::stderr().is_terminal();
        let draw =
            if is_watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, draw);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    pub(crate) fn message(&self, text: String) {
        self.0.set_message(text);
    }

    /// From here on so many steps are to be done.
    pub(crate) fn start(&self, step_count: usize) {
        self.0.set_length(u64::try_from(step_count).unwrap_or(u64::MAX));
    }

    /// One of them is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }

    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    pub(crate) fn event(&self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Started { permutation_count, .. } => self.start(*permutation_count),
            RunEvent::CaseStarted { name } => self.0.set_message((*name).to_owned()),
            RunEvent::CaseFinished(_) => self.step(),
            RunEvent::Finished(_) => self.finish(),
            RunEvent::Fact { .. } | RunEvent::Gap { .. } => {}
        }
    }
}
