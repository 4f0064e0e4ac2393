//! `assay clauses`: the registry, and which of its rules a case asks.

use std::path::Path;
use std::str::FromStr;

use conformance::clause::drift::Specification;
use conformance::clause::{
    Citations, Filter, Registry, coverage_json, list, list_json, print_coverage, show,
};

use crate::arguments::Clauses;
use crate::check;
use crate::outcome::Outcome;
use crate::print;

/// Runs `assay clauses`.
pub(crate) fn run(command: Clauses) -> Outcome {
    let registry = Registry::embedded();
    let suite = match check::built_in(&registry) {
        Ok(suite) => suite,
        Err(outcome) => return outcome,
    };
    let citations = match Citations::of(&registry, &suite) {
        Ok(citations) => citations,
        Err(unknown) => {
            let lines: Vec<String> = unknown.iter().map(ToString::to_string).collect();
            return Outcome::usage(lines.join("\n"));
        }
    };
    match command {
        Clauses::List { role, section, level, status, testable, json } => {
            let filter = match filter(role, section, level, status, testable) {
                Ok(filter) => filter,
                Err(text) => return Outcome::Usage(text),
            };
            let print = if json { list_json } else { list };
            print::text(print(&registry, &citations, &filter));
            Outcome::Done
        }
        Clauses::Show { id } => match show(&registry, &citations, &id) {
            Some(text) => {
                print::text(text);
                Outcome::Done
            }
            None => Outcome::usage(format!("no clause or ambiguity is called \"{id}\"")),
        },
        Clauses::Coverage { json } => {
            let coverage = registry.coverage(&citations);
            match json {
                true => print::line(format_args!("{}", coverage_json(&coverage))),
                false => print::text(print_coverage(&coverage)),
            }
            Outcome::Done
        }
        Clauses::Check { spec, accept } => drift(&registry, &spec, accept.as_deref()),
    }
}

fn filter(
    role: Option<String>,
    section: Option<String>,
    level: Option<String>,
    status: Option<String>,
    testable: bool,
) -> Result<Filter, String> {
    Ok(Filter {
        role: word("--role", role)?,
        section,
        level: word("--level", level)?,
        status: word("--status", status)?,
        testable,
    })
}

fn word<T: FromStr>(option: &str, text: Option<String>) -> Result<Option<T>, String>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| text.parse().map_err(|error| format!("{option}: {error}"))).transpose()
}

fn drift(registry: &Registry, spec: &Path, accept: Option<&Path>) -> Outcome {
    if let Some(folder) = accept {
        let accepted = Specification::read(spec)
            .map_err(|error| error.to_string())
            .and_then(|spec| registry.accept_in(folder, &spec).map_err(|error| error.to_string()));
        return match accepted {
            Ok(_) => Outcome::Done,
            Err(text) => Outcome::Usage(text),
        };
    }
    match registry.check_drift(spec) {
        Err(error) => Outcome::usage(error.to_string()),
        Ok(drifts) if drifts.is_empty() => {
            print::line(format_args!("the registry agrees with {}", spec.display()));
            Outcome::Done
        }
        Ok(drifts) => {
            for drift in &drifts {
                print::line(drift);
            }
            Outcome::Code(1)
        }
    }
}
