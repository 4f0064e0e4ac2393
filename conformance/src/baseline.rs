//! The verdicts of a run as a file, to compare the next run with.
//!
//! ```toml
//! target = "pool_sv2 0.7.0"
//! suite = "0.1.0"
//! specification = "0f38d51"
//! seed = 1
//!
//! [verdicts]
//! "close.group.closes-every-member" = "fail"
//! "common.setup.success-keeps-to-the-range" = "pass"
//! ```

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Verdicts by the name of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// As the run called it.
    pub target: String,
    /// Version of the suite.
    pub suite: String,
    /// Commit of the specification.
    pub specification: String,
    /// Of the run.
    pub seed: u64,
    /// As reports write them, such as `skip (unaffordable)`.
    pub verdicts: BTreeMap<String, String>,
}

/// A verdict that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of the run.
    pub name: String,
    /// `None`: it is new.
    pub before: Option<String>,
    /// What it is now.
    pub now: String,
}

/// What is wrong with a file of verdicts.
#[derive(Clone, Debug, Error)]
#[error("{file}: {error}")]
pub struct BaselineError {
    file: String,
    error: toml::de::Error,
}

impl Baseline {
    /// Reads a file of verdicts; `file` is how errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(file: &str, text: &str) -> Result<Baseline, BaselineError> {
        toml::from_str(text).map_err(|error| BaselineError { file: file.to_owned(), error })
    }

    /// What has changed from `self` to `now`, in the order of names. What has not been run now
    /// is no change.
    pub fn changes(&self, now: &Baseline) -> Vec<Change> {
        now.verdicts
            .iter()
            .filter(|(name, verdict)| self.verdicts.get(*name) != Some(verdict))
            .map(|(name, verdict)| Change {
                name: name.clone(),
                before: self.verdicts.get(name).cloned(),
                now: verdict.clone(),
            })
            .collect()
    }

    /// How many of its runs `now` does not have.
    pub fn missing(&self, now: &Baseline) -> usize {
        self.verdicts.keys().filter(|name| !now.verdicts.contains_key(*name)).count()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Of `out`.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(verdicts: &[(&str, &str)]) -> Baseline {
        let verdicts =
            verdicts.iter().map(|(name, verdict)| ((*name).into(), (*verdict).into())).collect();
        Baseline { target: "a pool".into(), seed: 7, verdicts, ..Baseline::default() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = baseline(&[("a/count=1", "skip (unaffordable)"), ("b", "pass")]);
        let mut text = Vec::new();

        written.write(&mut text).unwrap();

        let text = String::from_utf8(text).unwrap();
        assert_eq!(Baseline::load("results.toml", &text).unwrap(), written);
    }

    #[test]
    fn only_what_was_run_can_have_changed() {
        let before = baseline(&[("gone", "pass"), ("same", "pass"), ("worse", "pass")]);
        let now = baseline(&[("fresh", "info"), ("same", "pass"), ("worse", "fail")]);

        let changes = before.changes(&now);

        let shown: Vec<_> =
            changes.iter().map(|one| (&*one.name, one.before.as_deref(), &*one.now)).collect();
        assert_eq!(shown, [("fresh", None, "info"), ("worse", Some("pass"), "fail")]);
        assert_eq!(before.missing(&now), 1);
    }

    #[test]
    fn a_file_that_is_wrong_is_named_with_its_place() {
        let error = Baseline::load("results.toml", "target = 1\n").unwrap_err().to_string();

        assert!(
            error.starts_with("results.toml: TOML parse error at line 1, column 10"),
            "{error}"
        );
    }
}
