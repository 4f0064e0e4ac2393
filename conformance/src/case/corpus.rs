//! The cases and fixtures that are part of the program.
//!
//! A file in `conformance/cases` that is not listed here fails a test; so does a line without
//! its file.

macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../cases/", $path)))),*]
    };
}

/// Fixtures: path below `cases/fixtures`, without `.toml`, is the name.
pub(super) const FIXTURES: &[(&str, &str)] = files! {
    "fixtures/mining/extended-channel.toml"
    "fixtures/mining/open-extended.toml"
    "fixtures/mining/open-standard.toml"
    "fixtures/mining/setup.toml"
    "fixtures/mining/standard-channel.toml"
    "fixtures/noise/handshake.toml"
};

/// Cases, by area.
pub(super) const CASES: &[(&str, &str)] = files! {
    // setup
    "pool/setup/success.toml"
    // channels
    "pool/channels/standard-success-echoes-request-id.toml"
    // shares
    "pool/shares/standard-accepted.toml"
    "pool/shares/standard-low-difficulty.toml"
    "pool/shares/standard-stale.toml"
    // framing
    "pool/framing/setup-length-lies.toml"
    // noise
    "pool/noise/bad-header-mac.toml"
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn files_below(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_part_of_the_program() {
        let mut found = BTreeSet::new();
        files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"), &mut found);

        let listed: BTreeSet<String> =
            FIXTURES.iter().chain(CASES).map(|(path, _)| (*path).to_owned()).collect();

        assert_eq!(listed, found, "list new files in src/case/corpus.rs");
    }
}
