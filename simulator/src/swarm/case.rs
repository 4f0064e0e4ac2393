//! A scenario of a swarm: one of those that ship, and what is different.

use std::fmt::Write as _;

use crate::scenario::Builtin;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub(super) seed: u64,
    pub(super) base: Builtin,
    /// A table of the base, a key of it, and its value.
    pub(super) settings: Vec<(String, &'static str, String)>,
    /// Lines of `[network]`.
    pub(super) network: Vec<String>,
    /// Lines of each fault.
    pub(super) faults: Vec<Vec<String>>,
    /// Of simulated time.
    pub(super) seconds: u64,
}

impl Case {
    /// The whole scenario, as a file has it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut table = String::new();
        let mut is_first = true;
        for line in self.base.text.lines().filter(|line| !line.starts_with('#')) {
            let header = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let key = line.split('=').next().unwrap_or_default().trim();
            let is_changed = self.settings.iter().any(|(of, name, _)| *of == table && *name == key);
            if header.is_none() && is_changed {
                continue;
            }
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
            if std::mem::take(&mut is_first) {
                let _ = writeln!(text, "seed = {}", self.seed);
            }
            if let Some(header) = header {
                header.clone_into(&mut table);
                for (_, name, value) in self.settings.iter().filter(|(of, ..)| of == header) {
                    let _ = writeln!(text, "{name} = {value}");
                }
            }
        }
        if !self.network.is_empty() {
            let _ = write!(text, "\n[network]\n{}\n", self.network.join("\n"));
        }
        for fault in &self.faults {
            let _ = write!(text, "\n[[fault]]\n{}\n", fault.join("\n"));
        }
        let _ = write!(text, "\n[simulate]\nfor = \"{}s\"\n", self.seconds);
        text
    }

    /// What it was drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}
