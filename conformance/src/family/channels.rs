//! Many channels on one connection: what is right for two must be right for a thousand.

/// Channels that are opened.
const COUNTS: &[usize] = &[10, 100, 1000];

/// The family's cases as texts, each with the file that errors name.
pub(super) fn cases() -> Vec<(&'static str, String)> {
    let kinds =
        [("extended", "Extended", 0, "MP-5.3.5-06"), ("standard", "Standard", 1, "MP-5.3.3-04")];
    let mut cases = Vec::new();
    for (kind, name, flags, clause) in kinds {
        for (index, count) in COUNTS.iter().enumerate() {
            cases.push((FILE, case(kind, name, flags, clause, *count, index == 0)));
        }
    }
    cases
}

fn case(
    kind: &str,
    name: &str,
    flags: u32,
    clause: &str,
    count: usize,
    describes_mutant: bool,
) -> String {
    let mutant = format!("gives-every-{kind}-channel-the-same-prefix");
    let (kills, described) = match describes_mutant {
        false => (format!("mutants = [\"{mutant}\"]"), String::new()),
        true => (
            String::new(),
            format!(
                "[[mutant]]\n\
                 id = \"{mutant}\"\n\
                 stands_for = \"A pool that derives the prefix from the connection and forgets \
                 that one connection has many channels\"\n\
                 say = \"Open{name}MiningChannel.Success\"\n\
                 set = {{ extranonce_prefix = \"hex:0000000a\" }}\n"
            ),
        ),
    };
    let flood = if count >= 1000 { ", \"flood\"" } else { "" };
    format!(
        "format = 1\n\
         id = \"mining.open-{kind}.extranonces-of-{count}-channels-are-disjoint\"\n\
         title = \"{count} {kind} channels of one connection share no extranonce\"\n\
         note = \"Part of a family: ten, a hundred and a thousand channels.\"\n\
         role = \"pool\"\n\
         severity = \"critical\"\n\
         tags = [\"channels\", \"family\"{flood}]\n\
         clauses = [\"MP-5.1-02\", \"{clause}\"]\n\
         {kills}\n\
         [requires]\n\
         facts = {{ \"mining.{kind}_channels\" = true }}\n\
         [[step]]\n\
         use = \"mining/setup\"\n\
         with = {{ flags = {flags} }}\n\
         [[step]]\n\
         send = \"Open{name}MiningChannel\"\n\
         fields = {{ request_id = \"$i + 1000\" }}\n\
         repeat = {count}\n\
         [[step]]\n\
         expect = \"Open{name}MiningChannel.Success\"\n\
         fields = {{ request_id = \"$i + 1000\" }}\n\
         within = \"20s\"\n\
         repeat = {count}\n\
         [[step.or]]\n\
         expect = \"OpenMiningChannel.Error\"\n\
         verdict = \"inconclusive\"\n\
         reason = \"the target does not open so many channels\"\n\
         [[step]]\n\
         check = \"disjoint-extranonces\"\n\
         {described}"
    )
}

const FILE: &str = "src/family/channels.rs";
