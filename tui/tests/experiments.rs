//! `assay experiments` as a process: the page that ships is what its files give.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Those that take seconds.
const FAST: [&str; 4] =
    ["block-change-latency", "block-change-roles", "new-block-egress-burst", "mitm-hijack"];

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/EXPERIMENTS.md")
}

/// What a page says of an experiment: from its anchor to the next one.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let anchor = format!("<a id=\"{name}\"></a>\n");
    let (_, section) = page.split_once(&anchor).unwrap_or_else(|| panic!("{name} is missing"));
    section.split_once("<a id=").map_or(section, |(section, _)| section).trim_end()
}

#[test]
fn the_page_that_ships_says_what_the_experiments_give() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");

    let output = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["experiments", "run"])
        .args(FAST)
        .arg("--write")
        .arg(&page)
        .output()
        .unwrap();

    assert!(output.status.success(), "{output:?}");
    let (made, kept) =
        [&page, &shipped()].map(|path| std::fs::read_to_string(path).unwrap()).into();
    for name in FAST {
        assert_eq!(section(&made, name), section(&kept, name), "{name}");
    }
    let plots = std::fs::read_dir(folder.path().join("experiments")).unwrap();
    for plot in plots.map(|entry| entry.unwrap().path()) {
        let kept = shipped().with_file_name("experiments").join(plot.file_name().unwrap());
        assert_eq!(std::fs::read(&plot).unwrap(), std::fs::read(&kept).unwrap(), "{plot:?}");
    }
}
