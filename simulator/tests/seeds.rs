//! What swarms have found, run again (`vectors/seeds.toml`).

use simulator::swarm::try_out;

/// Scenarios of the file, each with its name.
fn cases() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/seeds.toml");
    let text = std::fs::read_to_string(path).expect("it is in the repository");
    let document = sv2_document::Document::parse("vectors/seeds.toml", &text).expect("TOML");
    let mut root = document.keys(document.root()).expect("a table");
    let Some(cases) = root.take("case") else { return Vec::new() };
    let cases = document.list(cases).expect("[[case]]");
    let word = |case, key| {
        let mut keys = document.keys(case).expect("a table");
        document.string(keys.require(key).expect("a key")).expect("text").to_owned()
    };
    cases.iter().map(|case| (word(case, "found"), word(case, "scenario"))).collect()
}

#[test]
fn what_was_found_once_does_not_come_back() {
    for (found, scenario) in cases() {
        let verdict = try_out(&scenario, None).expect("a scenario");

        assert_eq!(verdict.violation, None, "{found}");
    }
}
