//! Cases: data that says what to send, what to expect, and which clause that proves.
//!
//! The format, by example and complete: `conformance/cases/README.md`.

mod corpus;
mod load;
mod load_step;
pub mod matcher;
mod names;
mod requirements;
mod role;
pub mod step;
pub mod suite;
pub mod value;

pub use load::{Fixture, load_case, load_fixture};
pub(crate) use load_step::{field_of, message_named};
pub use names::{FUNCTIONS, Function, INVARIANTS, Invariant};
pub use requirements::{Chain, Requires, WorldSettings};
pub use role::TargetRole;
pub use suite::Suite;

pub use sv2_document as document;

use crate::mutant::MutantRecipe;
use step::Step;
use value::Value;

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Never changes, is never reused: `mining.submit-standard.stale-job-is-refused`.
    pub id: String,
    /// A sentence that can be false.
    pub title: String,
    /// What a case teaches beyond its title: why it matters, what readers should know.
    pub note: Option<String>,
    /// Which roles of a target are tested; one at least.
    pub roles: Vec<TargetRole>,
    /// How bad a failure is for people who use the target.
    pub severity: Severity,
    /// Words to select cases by.
    pub tags: Vec<String>,
    /// Conventions beyond the specification, such as `sri-codes`: a case that names some is
    /// run only where one of them is asked for.
    pub profiles: Vec<String>,
    /// Conventions with which it makes no sense: where one of them is asked for it is not run.
    pub except: Vec<String>,
    /// Names of the same test in other catalogues.
    pub aliases: Vec<String>,
    /// Ids of the clauses that a pass proves.
    pub clauses: Vec<String>,
    /// Without which it cannot be run.
    pub requires: Requires,
    /// How our own target is set up for it; a foreign one is as it is.
    pub world: WorldSettings,
    /// One run per combination of values.
    pub parameters: Vec<Parameter>,
    /// What happens.
    pub steps: Vec<Step>,
    /// Ids of mutants that it must kill.
    pub kills: Vec<String>,
    /// Mutants that are described in its file.
    pub mutants: Vec<MutantRecipe>,
    /// Where it was read, or where it was built.
    pub file: String,
}

/// How bad a failure is for people who use the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody notices.
    Low,
    /// Some peers, some of the time.
    Medium,
    /// Peers do not work, or work is lost.
    High,
    /// Money is lost, or a stranger can take the target down.
    Critical,
}

impl Severity {
    /// As in cases and reports.
    pub const NAMES: &'static [(&'static str, Severity)] = &[
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];

    /// As in cases and reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// A parameter: a name and its values.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// `$NAME` in the steps.
    pub name: String,
    /// What it stands for, in turn.
    pub values: Vec<Value>,
}

/// One combination of a case's parameters.
#[derive(Clone, Debug)]
pub struct Permutation<'a> {
    /// The case.
    pub case: &'a Case,
    /// The case's id, and `/name=value` for each parameter that has several values.
    pub name: String,
    /// Values of all parameters.
    pub bindings: Vec<(String, Value)>,
}

impl Permutation<'_> {
    /// How our own target is set up for it: as the case says, and a proxy as the parameter
    /// [`MODE`] says.
    pub fn world(&self) -> WorldSettings {
        let mut world = self.case.world.clone();
        if let Some(mode) = self.proxy_mode() {
            world.is_transparent = mode == TRANSPARENT;
        }
        world
    }

    /// What a proxy must do with the channels of its clients, if that matters to the case.
    pub fn proxy_mode(&self) -> Option<&'static str> {
        let (_, mode) = self.bindings.iter().find(|(name, _)| name == MODE)?;
        let is_named = |name: &&str| mode.as_bytes().is_some_and(|mode| mode == name.as_bytes());
        PROXY_MODES.into_iter().find(is_named)
    }
}

/// The parameter that says what a proxy does with the channels of its clients (spec 5.2).
pub const MODE: &str = "mode";

/// Each channel is one of its own at the upstream.
pub const TRANSPARENT: &str = "transparent";

/// All share one channel at the upstream.
pub const AGGREGATED: &str = "aggregated";

/// What [`MODE`] can be.
pub const PROXY_MODES: [&str; 2] = [AGGREGATED, TRANSPARENT];

impl Case {
    /// All combinations of parameters, in a stable order; one if there are no parameters.
    pub fn permutations(&self) -> Vec<Permutation<'_>> {
        let mut all = vec![Permutation { case: self, name: self.id.clone(), bindings: Vec::new() }];
        for parameter in &self.parameters {
            let mut next = Vec::with_capacity(all.len() * parameter.values.len());
            for permutation in &all {
                for value in &parameter.values {
                    let mut wider = permutation.clone();
                    if parameter.values.len() > 1 {
                        wider.name += &format!("/{}={}", parameter.name, short(value));
                    }
                    wider.bindings.push((parameter.name.clone(), value.clone()));
                    next.push(wider);
                }
            }
            all = next;
        }
        all
    }
}

/// A value in a name: no spaces, no quotes, no slashes. A record is called by its part `name`
/// if it has one.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Text(bytes) => bytes.escape_ascii().to_string(),
        Value::Record(parts) => match parts.get("name") {
            Some(name) => short(name),
            None => parts.values().map(short).collect::<Vec<_>>().join("-"),
        },
        other => other.to_string(),
    };
    let text: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.:+".contains(c) { c } else { '_' })
        .take(SHORT_MAX)
        .collect();
    if text.is_empty() { "empty".to_owned() } else { text }
}

/// Longest value in the name of a permutation, in characters.
const SHORT_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn case(mode: &str) -> Result<Case, document::LoadError> {
        let text = format!(
            r#"
            format = 1
            id = "proxy.some.case"
            title = "A case"
            role = "mining-proxy"
            severity = "low"
            clauses = ["CP-3.6.1-01"]
            params = {{ mode = ["aggregated", "{mode}"] }}
            [[step]]
            connect = "noise"
            clause = "CP-3.6.1-01"
            "#
        );
        load_case("case.toml", &text, &[], &|_| true)
    }

    #[test]
    fn a_proxy_is_set_up_in_the_mode_that_the_permutation_names() {
        let case = case("transparent").unwrap();

        let modes: Vec<_> = case
            .permutations()
            .iter()
            .map(|permutation| (permutation.proxy_mode(), permutation.world().is_transparent))
            .collect();

        assert_eq!(modes, [(Some("aggregated"), false), (Some("transparent"), true)]);
    }

    #[test]
    fn a_mode_that_no_proxy_has_is_an_error_of_its_case() {
        let error = case("transparant").unwrap_err();

        assert!(error.message.contains("transparent"), "{error:?}");
    }
}
