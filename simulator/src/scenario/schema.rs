//! The format for editors, as a JSON schema (draft 7, which the TOML servers of editors read).

use serde_json::{Map, Value, json};
use sv2::mining::vardiff::VardiffAlgorithm;

use super::keys::{self, Key, Shape};
use super::role::Kind;
use super::virtual_time::keys as virtual_keys;

/// The schema, as it lies beside the scenarios that ship with the program.
pub fn schema() -> String {
    let roles: Vec<Value> = Kind::ALL.into_iter().map(role).collect();
    let mut properties = properties(keys::SCENARIO);
    let mut chain = table(&[keys::CHAIN, virtual_keys::CHAIN].concat(), &[]);
    chain["description"] = json!("The chain that is mined on.");
    properties.insert("chain".to_owned(), chain);
    properties.insert("node".to_owned(), named("Who keeps the chain.", table(keys::NODE, &[])));
    properties.insert("role".to_owned(), named("Who mines.", json!({ "oneOf": roles })));
    properties.extend(virtual_time());
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A mining network for assay up and assay simulate",
        "type": "object",
        "properties": properties,
        "required": ["role"],
        "additionalProperties": false,
    });
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text + "\n"
}

/// What is for virtual time alone.
fn virtual_time() -> Map<String, Value> {
    let about = |about: &str, mut schema: Value| {
        schema["description"] = json!(about);
        schema
    };
    let list = |keys: &[Key], required: &[&str]| json!({ "type": "array", "items": table(keys, required) });
    let number = json!({ "type": ["number", "string", "boolean"] });
    let matrix = json!({
        "type": "object",
        "additionalProperties": {
            "oneOf": [
                { "type": "array", "items": number, "minItems": 1 },
                { "type": "string", "pattern": "^[0-9]+ ?[.][.] ?[0-9]+$" },
            ],
        },
    });
    let tables = [
        ("network", about("Where no link says otherwise.", table(virtual_keys::NETWORK, &[]))),
        ("region", named("Where roles stand.", table(virtual_keys::REGIONS, &[]))),
        ("link", about("What lies between regions.", list(virtual_keys::LINK, &["between"]))),
        ("fleet", named("Many devices.", table(virtual_keys::FLEET, &["upstream"]))),
        ("fault", about("What breaks, and when.", list(virtual_keys::FAULT, &["kind"]))),
        ("simulate", about("How a run goes.", table(virtual_keys::SIMULATE, &[]))),
        ("matrix", about("What differs between the runs of a sweep.", matrix)),
    ];
    tables.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn role(kind: Kind) -> Value {
    let mut schema = table(&keys::of_role(kind), &["kind"]);
    schema["title"] = json!(kind.name());
    schema["properties"]["kind"] = json!({ "const": kind.name() });
    schema
}

/// Tables with names that the user chooses.
fn named(about: &str, each: Value) -> Value {
    json!({
        "description": about,
        "type": "object",
        "patternProperties": { "^[a-z0-9-]{1,32}$": each },
        "additionalProperties": false,
    })
}

fn table(keys: &[Key], required: &[&str]) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": properties(keys),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn properties(keys: &[Key]) -> Map<String, Value> {
    let described = keys.iter().map(|key| {
        let mut schema = shape(key.shape);
        schema["description"] = json!(key.about);
        (key.name.to_owned(), schema)
    });
    described.collect()
}

fn shape(shape: Shape) -> Value {
    let name = json!({ "type": "string" });
    match shape {
        Shape::Text | Shape::Path | Shape::Node | Shape::Role(_) => name,
        Shape::Url => json!({ "type": "string", "pattern": "^stratum2\\+tcp://" }),
        Shape::Listen => json!({
            "oneOf": [
                { "type": "integer", "minimum": 0, "maximum": 65535 },
                { "type": "string", "pattern": ":[0-9]+$" },
            ],
        }),
        Shape::Duration => json!({
            "type": "string",
            "pattern": "^[0-9._]+ ?(ns|us|ms|s|min|h|d)$",
        }),
        Shape::Bandwidth => json!({ "type": "string", "pattern": "^[0-9._]+ ?[kMG]?bit$" }),
        Shape::Latency => json!({
            "type": "string",
            "pattern": "^([0-9._]+ ?(ns|us|ms|s)|(uniform|lognormal|pareto|file)\\(.*\\))$",
        }),
        Shape::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Shape::Words => json!({
            "oneOf": [name, { "type": "array", "items": name, "uniqueItems": true }],
        }),
        Shape::HashRate => json!({ "type": "string", "pattern": "^[0-9._]+ ?[kMGTPE]?H/s$" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::Vardiff => json!({
            "oneOf": [{ "type": "boolean" }, { "enum": VardiffAlgorithm::NAMES }],
        }),
        Shape::Hex => json!({ "type": "string", "pattern": "^([0-9a-fA-F]{2})*$" }),
        Shape::Nodes | Shape::Roles(_) => json!({
            "oneOf": [name, { "type": "array", "items": name, "uniqueItems": true }],
        }),
        Shape::OneOf(choices) => json!({ "enum": choices }),
        Shape::Extensions => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 0, "maximum": 65535 },
        }),
    }
}
