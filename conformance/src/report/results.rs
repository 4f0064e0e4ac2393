//! The verdicts of a run as data, and what has changed since an earlier one.

use std::io::{self, Write};

use super::Report;
use crate::baseline::{Baseline, Change};
use crate::run::RunEvent;

/// Collects the verdicts and writes them at the end of a run ([`Baseline`]).
#[derive(Debug)]
pub struct Results<W> {
    out: W,
    verdicts: Baseline,
}

impl<W: Write> Results<W> {
    /// Writes to `out` when the run is finished.
    pub fn new(out: W) -> Self {
        Results { out, verdicts: Baseline::default() }
    }
}

impl<W: Write> Report for Results<W> {
    fn event(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        collect(&mut self.verdicts, event);
        match event {
            RunEvent::Finished(_) => self.verdicts.write(&mut self.out),
            _ => Ok(()),
        }
    }
}

/// Tells at the end of a run which verdicts are not what they were.
#[derive(Debug)]
pub struct Changes<W> {
    out: W,
    before: Baseline,
    now: Baseline,
}

impl<W: Write> Changes<W> {
    /// Compares with `before`.
    pub fn new(out: W, before: Baseline) -> Self {
        Changes { out, before, now: Baseline::default() }
    }
}

impl<W: Write> Report for Changes<W> {
    fn event(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        collect(&mut self.now, event);
        if !matches!(event, RunEvent::Finished(_)) {
            return Ok(());
        }
        let Baseline { target, suite, seed, .. } = &self.before;
        let changes = self.before.changes(&self.now);
        write!(self.out, "{} verdicts changed", changes.len())?;
        writeln!(self.out, " since a run of suite {suite} on {target}, seed {seed}")?;
        for Change { name, before, now } in &changes {
            let before = before.as_deref().unwrap_or("new");
            writeln!(self.out, "  {name:<60} {before} -> {now}")?;
        }
        match self.before.missing(&self.now) {
            0 => {}
            missing => writeln!(self.out, "  {missing} runs of then were not made now")?,
        }
        self.out.flush()
    }
}

fn collect(verdicts: &mut Baseline, event: &RunEvent<'_>) {
    match event {
        RunEvent::Started { target, seed, spec_commit, .. } => {
            (*target).clone_into(&mut verdicts.target);
            verdicts.suite = env!("CARGO_PKG_VERSION").to_owned();
            (*spec_commit).clone_into(&mut verdicts.specification);
            verdicts.seed = *seed;
        }
        RunEvent::CaseFinished(report) => {
            verdicts.verdicts.insert(report.outcome.name.clone(), report.verdict.to_string());
        }
        RunEvent::Fact { .. }
        | RunEvent::Gap { .. }
        | RunEvent::CaseStarted { .. }
        | RunEvent::Finished(_) => {}
    }
}
