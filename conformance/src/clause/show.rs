//! What `assay clauses` prints: lists, one clause, coverage; as text and as JSON lines.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use serde_json::{Value, json};

use super::{Citations, Clause, Coverage, Level, Reason, Registry, Role, UnknownWord};

/// Which clauses to list. Empty: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that bind a program of this role.
    pub role: Option<Role>,
    /// This section and those below it.
    pub section: Option<String>,
    /// Of this level.
    pub level: Option<Level>,
    /// Asked by a case, or why not.
    pub status: Option<Status>,
    /// Only what a suite that is the peer can see, with a hook or without.
    pub testable: bool,
}

/// Whether a case asks a clause, or why none does: `tested`, `untested` or a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A case asks it.
    Tested,
    /// No case asks it, whatever the reason.
    Untested,
    /// No case asks it, for this reason.
    Because(Reason),
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Status, UnknownWord> {
        match word {
            "tested" => Ok(Status::Tested),
            "untested" => Ok(Status::Untested),
            reason => reason.parse().map(Status::Because),
        }
    }
}

impl Status {
    fn accepts(self, clause: &Clause, citations: &Citations) -> bool {
        let tested = citations.is_tested(clause);
        match self {
            Status::Tested => tested,
            Status::Untested => !tested,
            Status::Because(reason) => {
                !tested && clause.untested.as_ref().is_some_and(|why| why.reason == reason)
            }
        }
    }
}

impl Filter {
    fn accepts(&self, clause: &Clause, citations: &Citations) -> bool {
        self.role.is_none_or(|role| clause.binds(role))
            && self.section.as_ref().is_none_or(|section| is_within(&clause.section, section))
            && self.level.is_none_or(|level| clause.level == level)
            && self.status.is_none_or(|status| status.accepts(clause, citations))
            && (!self.testable || clause.is_testable())
    }
}

fn is_within(section: &str, outer: &str) -> bool {
    section.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
}

/// One line a clause.
pub fn list(registry: &Registry, citations: &Citations, filter: &Filter) -> String {
    let mut text = String::new();
    let chosen: Vec<&Clause> =
        registry.clauses().iter().filter(|clause| filter.accepts(clause, citations)).collect();
    let width = chosen.iter().map(|clause| clause.id.len()).max().unwrap_or(0);
    for clause in &chosen {
        let status = status_word(clause, citations);
        line(
            &mut text,
            format_args!("{:width$}  {:10}  {status:12}  {}", clause.id, clause.level, clause.rule),
        );
    }
    let tested = chosen.iter().filter(|clause| citations.is_tested(clause)).count();
    line(&mut text, format_args!("{} clauses, {tested} tested", chosen.len()));
    text
}

/// One JSON object a line, with everything that is known of the clause.
pub fn list_json(registry: &Registry, citations: &Citations, filter: &Filter) -> String {
    let mut text = String::new();
    for clause in registry.clauses().iter().filter(|clause| filter.accepts(clause, citations)) {
        line(&mut text, format_args!("{}", clause_json(clause, citations)));
    }
    text
}

/// A clause or an ambiguity in full; `None` if the id is neither.
pub fn show(registry: &Registry, citations: &Citations, id: &str) -> Option<String> {
    if let Some(clause) = registry.clause(id) {
        return Some(show_clause(registry, citations, clause));
    }
    let ambiguity = registry.ambiguity(id)?;
    let mut text = String::new();
    line(&mut text, format_args!("{}  {}", ambiguity.id, ambiguity.question));
    line(&mut text, format_args!("  sections   {}", ambiguity.sections.join(", ")));
    for reading in &ambiguity.readings {
        line(&mut text, format_args!("  reading    {}: {}", reading.name, reading.means));
    }
    if !ambiguity.reference.is_empty() {
        line(&mut text, format_args!("  reference  {}", ambiguity.reference));
    }
    if !ambiguity.discussed.is_empty() {
        line(&mut text, format_args!("  discussed  {}", ambiguity.discussed));
    }
    for clause in
        registry.clauses().iter().filter(|clause| clause.ambiguities.iter().any(|a| a == id))
    {
        line(&mut text, format_args!("  clause     {}  {}", clause.id, clause.rule));
    }
    Some(text)
}

fn show_clause(registry: &Registry, citations: &Citations, clause: &Clause) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("{}  {} ({})", clause.id, clause.level, clause.basis));
    line(&mut text, format_args!("  rule       {}", clause.rule));
    let roles: Vec<&str> = clause.roles.iter().map(|role| role.as_str()).collect();
    line(&mut text, format_args!("  binds      {}", roles.join(", ")));
    line(
        &mut text,
        format_args!("  section    {} of {} at {}", clause.section, clause.file, registry.commit),
    );
    match clause.sentence {
        Some(number) => {
            line(&mut text, format_args!("  sentence   {number}, {}", clause.fingerprint))
        }
        None => {
            line(&mut text, format_args!("  sentence   the whole section, {}", clause.fingerprint))
        }
    }
    line(&mut text, format_args!("  observe    {}", clause.observe));
    if !clause.how.is_empty() {
        line(&mut text, format_args!("  how        {}", clause.how));
    }
    for id in &clause.ambiguities {
        let question = registry.ambiguity(id).map_or("", |ambiguity| &ambiguity.question);
        line(&mut text, format_args!("  ambiguity  {id}: {question}"));
    }
    let cases = citations.cases(&clause.id);
    for case in cases {
        line(&mut text, format_args!("  case       {case}"));
    }
    if let (true, Some(untested)) = (cases.is_empty(), &clause.untested) {
        line(&mut text, format_args!("  untested   {}: {}", untested.reason, untested.why));
    }
    text
}

/// A table of roles, and below it the reasons.
pub fn print_coverage(coverage: &Coverage) -> String {
    let mut text = String::new();
    line(
        &mut text,
        format_args!("{:18} {:>8} {:>9} {:>15}", "role", "clauses", "testable", "of these tested"),
    );
    for role in &coverage.roles {
        let percent = (role.testable_tested_count * 100).checked_div(role.testable_count);
        let percent = percent.map_or(String::new(), |percent| format!("{percent} %"));
        line(
            &mut text,
            format_args!(
                "{:18} {:>8} {:>9} {:>9} {percent:>5}",
                role.role, role.clause_count, role.testable_count, role.testable_tested_count
            ),
        );
    }
    for role in &coverage.roles {
        let reasons: Vec<String> = role
            .untested_counts
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        line(&mut text, format_args!("{}: not tested: {}", role.role, reasons.join(", ")));
    }
    line(
        &mut text,
        format_args!("{} of {} clauses are tested", coverage.tested_count, coverage.clause_count),
    );
    text
}

/// Coverage as one JSON object.
pub fn coverage_json(coverage: &Coverage) -> Value {
    let roles: Vec<Value> = coverage
        .roles
        .iter()
        .map(|role| {
            let untested: BTreeMap<&str, usize> = role
                .untested_counts
                .iter()
                .map(|(reason, count)| (reason.as_str(), *count))
                .collect();
            json!({
                "role": role.role.as_str(),
                "clauses": role.clause_count,
                "testable": role.testable_count,
                "testable_tested": role.testable_tested_count,
                "tested": role.tested_count,
                "untested": untested,
                "unexplained": role.unexplained,
            })
        })
        .collect();
    json!({ "clauses": coverage.clause_count, "tested": coverage.tested_count, "roles": roles })
}

fn status_word(clause: &Clause, citations: &Citations) -> &'static str {
    if citations.is_tested(clause) {
        return "tested";
    }
    clause.untested.as_ref().map_or("unexplained", |untested| untested.reason.as_str())
}

fn clause_json(clause: &Clause, citations: &Citations) -> Value {
    json!({
        "id": clause.id,
        "section": clause.section,
        "roles": clause.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "level": clause.level.as_str(),
        "basis": clause.basis.as_str(),
        "observe": clause.observe.as_str(),
        "rule": clause.rule,
        "how": clause.how,
        "ambiguities": clause.ambiguities,
        "file": clause.file,
        "sentence": clause.sentence,
        "fingerprint": clause.fingerprint.to_string(),
        "status": status_word(clause, citations),
        "cases": citations.cases(&clause.id),
        "why": clause.untested.as_ref().map(|untested| &untested.why),
    })
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{arguments}");
}
