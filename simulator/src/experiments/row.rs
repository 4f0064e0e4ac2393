//! What was found: a figure of an arm in a cell.

use crate::statistics::{Interval, Sample, paired_differences, paired_ratios};

/// A figure of an arm in a cell, for every run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Settings of the cell, and their values as TOML.
    pub cell: Vec<(String, String)>,
    /// Whose.
    pub arm: String,
    /// Of what.
    pub figure: String,
    /// For each run, in the order of seeds; twice the same where chance has no part in it.
    pub values: Vec<f64>,
    /// What a closed form gives.
    pub closed_form: Option<f64>,
}

impl Row {
    /// The mean, at 95 %.
    pub fn interval(&self) -> Interval {
        self.values.iter().copied().collect::<Sample>().interval()
    }

    /// Over that of another arm, paired by run.
    pub(super) fn over(&self, other: &Row) -> Interval {
        paired_ratios(&other.values, &self.values).interval()
    }

    /// Less that of another arm, paired by run.
    pub(super) fn less(&self, other: &Row) -> Interval {
        paired_differences(&other.values, &self.values).interval()
    }

    /// Whether it belongs to cells with these values.
    pub(super) fn is_in(&self, cells: &[(String, Vec<String>)]) -> bool {
        cells.iter().all(|(key, values)| {
            let value = self.cell.iter().find(|(own, _)| own == key);
            value.is_some_and(|(_, value)| values.contains(value))
        })
    }
}
