//! Experiments that test what is said of Stratum V2: scenario files with claims in them, run in
//! paired arms, each claim with a verdict, whichever way it falls.
//!
//! An [`Experiment`] is a scenario with two more tables, `[experiment]` and `[[assert]]`; a
//! `[matrix]` makes cells of it, and every cell is run by all arms with the same seeds. An
//! assertion also says which verdict was found when the file was written: another one fails, so
//! that a change of the code that changes an answer is seen.

mod fleets;
mod hijack;
mod judge;
mod load;
mod page;
mod row;
#[cfg(test)]
mod tests;
mod vardiff;

use std::path::Path;

use crate::compare::{Expectation, Figure, Verdict};
use crate::scenario::Axis;

pub use judge::{CellFinding, Judgement, judge};
pub use page::{Page, page};
pub use row::Row;

/// What is asked, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Of the list in the design of this simulator.
    pub number: u32,
    /// As its file is called, without `.toml`.
    pub name: String,
    /// In a line.
    pub title: String,
    /// What is claimed, by whom, and what is measured instead.
    pub about: String,
    /// What is run.
    pub kind: Kind,
    /// Names of arms; the first is what the others are compared to.
    pub arms: Vec<String>,
    /// Of each arm in each cell, with seeds from 1 on.
    pub runs: u64,
    /// What differs between cells.
    pub axes: Vec<Axis>,
    /// Figures that the page shows; names of [`Figure`], or of the kind's own.
    pub figures: Vec<String>,
    /// Whether the page tells the effects of axes with two values apart.
    pub effects: Option<String>,
    /// In the order of the file.
    pub assertions: Vec<Assertion>,
    /// In the order of the file.
    pub plots: Vec<Plot>,
    /// What must be known to read the result right.
    pub limits: Vec<String>,
    text: String,
    file: String,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Fleets as models (fidelity L1).
    Fleet,
    /// The roles themselves, with typed messages (L2).
    Roles,
    /// Roles with real bytes, and a man in the middle.
    Hijack,
    /// The laboratory of algorithms for difficulty.
    Vardiff,
}

/// What is claimed of the figures of an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// Unique in its experiment.
    pub id: String,
    /// In a sentence, with who says so.
    pub says: String,
    /// Of what.
    pub figure: String,
    /// Whose.
    pub arm: String,
    /// Compared to what.
    pub to: To,
    /// Where it should lie.
    pub expected: Expectation,
    /// What was found when this was written.
    pub verdict: Verdict,
    /// Cells that it is about: settings with their values as TOML; all if empty.
    pub cells: Vec<(String, Vec<String>)>,
}

/// What a figure is compared to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Nothing: the figure itself.
    Nothing,
    /// As a ratio, to that of another arm.
    Over(String),
    /// As a difference, to that of another arm.
    Less(String),
    /// As a ratio, to what a closed form gives.
    ClosedForm,
}

/// A plot of one figure against one axis, with a line for each arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Upwards.
    pub figure: String,
    /// To the right: the key of an axis.
    pub x: String,
    /// Cells that it shows.
    pub cells: Vec<(String, Vec<String>)>,
    /// Whether the axes are logarithmic, to the right and upwards.
    pub is_log: (bool, bool),
}

/// An experiment that comes with the simulator.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// As it is asked for.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// All of them, in the order of their numbers.
        pub const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../scenarios/experiments/", $name, ".toml")),
        }),*];
    };
}

shipped![
    "bandwidth-equal-spm",
    "block-change-latency",
    "block-change-roles",
    "new-block-egress-burst",
    "stale-vs-rtt-law",
    "mitm-hijack",
    "vardiff-lab",
];

/// Top-level tables of an experiment beside those of a scenario.
pub(crate) const TABLES: &[&str] = &["experiment", "assert", "plot"];

impl Experiment {
    /// Runs all cells. `read` gives the text of a file of delays.
    ///
    /// # Errors
    /// What cannot be run, and the cell.
    pub fn run(
        &self,
        read: &mut dyn FnMut(&Path) -> Result<String, String>,
        tell: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Row>, String> {
        let cells = self.cells();
        let mut rows = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            tell(index, cells.len());
            let found = match self.kind {
                Kind::Fleet => fleets::run_fleets(self, cell, read),
                Kind::Roles => fleets::run_roles(self, cell),
                Kind::Hijack => hijack::run(self, cell),
                Kind::Vardiff => vardiff::run(self, cell),
            };
            rows.extend(found.map_err(|error| format!("{}: {cell:?}: {error}", self.name))?);
        }
        tell(cells.len(), cells.len());
        Ok(rows)
    }

    /// Every combination of the values of the axes; the last changes fastest.
    pub fn cells(&self) -> Vec<Vec<(String, String)>> {
        let plan = crate::sweep::Plan::new(&self.file, &self.text, &self.axes, "");
        plan.runs.into_iter().map(|run| run.set).collect()
    }

    /// In words.
    pub(crate) fn unit(figure: &str) -> &'static str {
        let index = Figure::NAMES.iter().position(|name| *name == figure);
        index.map_or("", |index| Figure::ALL[index].unit())
    }
}
