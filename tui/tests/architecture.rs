//! The architecture as a test: which package may depend on which, what stays out of the pure ones,
//! and the order of modules inside `sv2`. It reads Cargo's own answers and the source files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package and those of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("sv2", &[]),
    ("sv2-document", &[]),
    ("sv2-net", &["sv2", "sv2-document"]),
    ("sv2-capture", &["sv2", "sv2-document"]),
    ("simulator", &["sv2", "sv2-document", "sv2-capture"]),
    ("simulator-live", &["sv2", "sv2-net", "simulator"]),
    ("conformance", &["sv2", "sv2-document", "sv2-net", "sv2-capture"]),
    (
        "assay",
        &[
            "sv2",
            "sv2-document",
            "sv2-net",
            "sv2-capture",
            "simulator",
            "simulator-live",
            "conformance",
        ],
    ),
];

/// Packages without sockets, clocks and threads.
const PURE: &[&str] = &["sv2", "sv2-document", "sv2-capture", "simulator"];

/// What brings sockets and event loops, and so must not stand below a pure package.
const IMPURE_CRATES: &[&str] = &["tokio", "mio", "socket2", "async-std", "smol"];

/// Modules of `sv2` from the bottom up: a module uses its own layer and those above it in this
/// list. The longest path that fits decides.
const LAYERS: &[&[&str]] = &[
    &["time", "entropy"],
    &["wire", "wire_message"],
    &[
        "common/messages",
        "mining/messages",
        "job_declaration/messages",
        "template_distribution/messages",
        "extensions/messages",
    ],
    // The table of messages names them by their chapters.
    &["message", "common", "mining", "job_declaration", "template_distribution", "extensions"],
    &["noise"],
    // The older protocol; of the newer one it knows data types and targets.
    &["sv1"],
    &["connection", "chain"],
    // One contract in three files: what goes into a role, what comes out, what it tells people.
    &["role", "event", "violation"],
    &["timers", "chain/host"],
    &["roles"],
];

#[test]
fn packages_depend_only_along_the_allowed_arrows() {
    let metadata = metadata();
    let ours: Vec<&str> = packages(&metadata).map(name).collect();

    let mut refused = Vec::new();
    for package in packages(&metadata) {
        let from = name(package);
        let allowed = ARROWS.iter().find(|(package, _)| *package == from).map(|(_, to)| *to);
        let allowed = allowed.unwrap_or_else(|| panic!("package {from} is not in ARROWS"));
        for dependency in array(package, "dependencies") {
            let to = name(dependency);
            if ours.contains(&to) && !allowed.contains(&to) {
                refused.push(format!("{from} -> {to}"));
            }
        }
    }

    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn no_event_loop_is_below_a_pure_package() {
    let metadata = metadata();
    for package in packages(&metadata).map(name).filter(|package| PURE.contains(package)) {
        let tree = cargo(&["tree", "-p", package, "-e", "normal,build", "--prefix", "none"]);

        let crates: BTreeSet<&str> =
            tree.lines().filter_map(|line| line.split_whitespace().next()).collect();

        assert!(crates.contains(package), "cargo tree said: {tree}");
        for impure in IMPURE_CRATES {
            assert!(!crates.contains(impure), "{package} brings {impure}");
        }
    }
}

#[test]
fn the_workspace_has_one_binary_and_no_default_members() {
    let metadata = metadata();

    let binaries: Vec<String> = packages(&metadata)
        .flat_map(|package| {
            array(package, "targets")
                .iter()
                .filter(|target| array(target, "kind").iter().any(|kind| kind == "bin"))
                .map(move |target| format!("{} in {}", name(target), name(package)))
        })
        .collect();

    assert_eq!(binaries, ["assay in assay"]);
    assert_eq!(metadata["workspace_default_members"], metadata["workspace_members"]);
}

#[test]
fn modules_of_sv2_use_only_what_is_below_them() {
    let source = workspace().join("sv2/src");
    let mut refused = Vec::new();
    for file in rust_files(&source) {
        let path = module_path(&source, &file);
        if path.is_empty() || path.split('/').any(|part| part == "tests") {
            continue;
        }
        let own = layer(&path).unwrap_or_else(|| panic!("sv2/src/{path} is in no layer of LAYERS"));
        let text = fs::read_to_string(&file).expect("a source file is text");
        for used in crate_paths(&text) {
            let below =
                layer(&used).unwrap_or_else(|| panic!("{used}, used by {path}, is in no layer"));
            if below > own {
                refused.push(format!("{path} uses {used}"));
            }
        }
    }

    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn the_inspector_uses_the_protocol_and_captures_alone() {
    let folder = workspace().join("tui/src/inspect");
    let others = ["conformance::", "simulator::", "simulator_live::", "sv2_net::"];

    let refused: Vec<PathBuf> = rust_files(&folder)
        .into_iter()
        .filter(|file| {
            let text = fs::read_to_string(file).expect("a source file is text");
            others.iter().any(|other| text.contains(other))
        })
        .collect();

    assert_eq!(refused, Vec::<PathBuf>::new());
}

#[test]
fn paths_of_the_crate_are_found_in_every_way_of_writing_them() {
    let text = "\
use crate::wire::{Reader, U256};
use crate::{
    time::Now,
    noise::{handshake::Act, Key},
};
// crate::in_a_comment
fn f() -> crate::role::Output { $crate::not_here(); }
#[cfg(test)]
mod tests { use crate::roles::Pool; }
";

    assert_eq!(crate_paths(text), ["wire", "time/Now", "noise", "role/Output"]);
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(workspace())
        .output()
        .expect("the cargo that built this test runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {complaints}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn metadata() -> Value {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    serde_json::from_str(&text).expect("cargo prints JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    array(metadata, "packages").iter()
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().expect("cargo's metadata has this array")
}

fn name(value: &Value) -> &str {
    value["name"].as_str().expect("cargo's metadata names it")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `mining/share` of `sv2/src/mining/share.rs`; empty for `lib.rs`.
fn module_path(source: &Path, file: &Path) -> String {
    let path = file.strip_prefix(source).expect("the file is below the folder").with_extension("");
    let path = path.to_str().expect("our names are ASCII").replace('\\', "/");
    path.strip_suffix("/mod").unwrap_or(&path).trim_start_matches("lib").to_owned()
}

fn layer(path: &str) -> Option<usize> {
    LAYERS
        .iter()
        .enumerate()
        .flat_map(|(index, modules)| modules.iter().map(move |module| (index, *module)))
        .filter(|(_, module)| {
            path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|(_, module)| module.len())
        .map(|(index, _)| index)
}

/// Every `crate::…` of a file's code, as far as it is one path, tests at its end left out.
fn crate_paths(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]" || line.starts_with(' '))
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before == '$' || before.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => paths.extend(group_members(group).map(path_at_start)),
            None => paths.push(path_at_start(rest)),
        }
    }
    paths
}

/// The members of a `{…}` group, up to its end.
fn group_members(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut members = Vec::new();
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.into_iter().map(str::trim).filter(|member| !member.is_empty())
}

fn path_at_start(text: &str) -> String {
    let end = text
        .find(|character: char| !(character.is_alphanumeric() || "_:".contains(character)))
        .unwrap_or(text.len());
    text[..end].trim_end_matches(':').replace("::", "/")
}
