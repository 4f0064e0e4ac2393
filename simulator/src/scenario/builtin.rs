//! The scenarios that come with Assay, so that one program is enough to start a network.

use sv2_document::did_you_mean;

/// A scenario that comes with Assay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// As it is asked for, and its file without `.toml`.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

/// Whole networks of roles, small enough for real sockets.
pub const NETWORKS: &[Builtin] = &[
    Builtin { name: "pool", text: include_str!("../../scenarios/pool.toml") },
    Builtin { name: "sv1", text: include_str!("../../scenarios/sv1.toml") },
    Builtin { name: "config-a", text: include_str!("../../scenarios/config-a.toml") },
    Builtin { name: "config-b", text: include_str!("../../scenarios/config-b.toml") },
    Builtin { name: "config-c", text: include_str!("../../scenarios/config-c.toml") },
    Builtin { name: "config-d", text: include_str!("../../scenarios/config-d.toml") },
];

/// Ten thousand devices each, for virtual time alone.
const CROWDS: &[Builtin] = &[
    Builtin { name: "farm", text: include_str!("../../scenarios/farm.toml") },
    Builtin { name: "mine", text: include_str!("../../scenarios/mine.toml") },
];

/// All of them.
pub fn builtins() -> impl Iterator<Item = &'static Builtin> {
    NETWORKS.iter().chain(CROWDS)
}

/// One by its name.
///
/// # Errors
/// The names that there are.
pub fn builtin(name: &str) -> Result<Builtin, String> {
    builtins().find(|builtin| builtin.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = builtins().map(|builtin| builtin.name).collect();
        let hint = did_you_mean(name, names.iter().copied());
        let names = names.join(", ");
        format!("\"{name}\" is no file and no scenario that comes with assay ({names}){hint}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Scenario};

    #[test]
    fn every_scenario_that_comes_with_assay_loads_and_says_what_it_shows() {
        for Builtin { name, text } in builtins() {
            let scenario = Scenario::load(name, text, &Overrides::default());
            let title = scenario.unwrap_or_else(|error| panic!("{error}")).title;
            assert!(!title.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let error = builtin("confg-b").unwrap_err();

        assert!(error.ends_with("did you mean \"config-b\"?"), "{error}");
    }
}
