//! SARIF 2.1.0 (OASIS), as code hosts show it. A place in a capture is the number of a message:
//! it stands for the line.

use serde_json::{Value, json};
use sv2_capture::rules::{Finding, RULES, Severity};

/// The whole document.
pub(super) fn document(files: &[String], findings: &[Finding], unjudged: &[String]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": format!("SV2-{:02}", rule.number),
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": format!("Specification, section {}", rule.sections) },
                "help": { "text": rule.hint },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    let file = files.first().map_or("-", String::as_str);
    let results: Vec<Value> = findings.iter().map(|finding| result(file, finding)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "assay",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "artifacts": files.iter().map(|file| json!({ "location": { "uri": file } }))
                .collect::<Vec<_>>(),
            "invocations": [{
                "executionSuccessful": unjudged.is_empty(),
                "toolExecutionNotifications": unjudged.iter()
                    .map(|what| json!({ "level": "error", "message": { "text": what } }))
                    .collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    })
}

fn result(file: &str, finding: &Finding) -> Value {
    let related: Vec<Value> = finding
        .cause
        .iter()
        .map(|cause| json!({ "message": { "text": "cause" }, "physicalLocation": place(file, *cause) }))
        .collect();
    json!({
        "ruleId": format!("SV2-{:02}", finding.rule.number),
        "level": level(finding.severity),
        "message": { "text": format!(
            "{} (message #{}, connection c{})", finding.text, finding.number, finding.connection
        ) },
        "locations": [{ "physicalLocation": place(file, finding.number) }],
        "relatedLocations": related,
    })
}

fn place(file: &str, number: u64) -> Value {
    json!({ "artifactLocation": { "uri": file }, "region": { "startLine": number } })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
        Severity::Chat => "none",
    }
}
