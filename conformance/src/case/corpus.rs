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
    "pool/framing/channel-bit-is-not-looked-up.toml"
    "pool/framing/channel-bits.toml"
    "pool/framing/empty-messages.toml"
    "pool/framing/empty-setup.toml"
    "pool/framing/extension-types.toml"
    "pool/framing/fifty-frames-in-one-write.toml"
    "pool/framing/first-four-bytes.toml"
    "pool/framing/frames-across-writes.toml"
    "pool/framing/length-one-too-few.toml"
    "pool/framing/length-one-too-many.toml"
    "pool/framing/lengths-and-fields.toml"
    "pool/framing/longest-frame.toml"
    "pool/framing/misplaced-messages.toml"
    "pool/framing/one-byte-per-write.toml"
    "pool/framing/other-extension-same-number.toml"
    "pool/framing/setup-length-lies.toml"
    "pool/framing/trailing-bytes.toml"
    "pool/framing/unknown-channel-extension.toml"
    "pool/framing/unknown-extension.toml"
    "pool/framing/unused-numbers.toml"
    // noise
    "pool/noise/act1-in-pieces.toml"
    "pool/noise/act1-too-long.toml"
    "pool/noise/act1-too-short.toml"
    "pool/noise/bad-header-mac.toml"
    "pool/noise/bad-mac-in-second-chunk.toml"
    "pool/noise/certificate-is-valid-now.toml"
    "pool/noise/chunk-boundaries.toml"
    "pool/noise/empty-payload.toml"
    "pool/noise/fresh-ephemerals.toml"
    "pool/noise/handshake-completes.toml"
    "pool/noise/keys-of-either-parity.toml"
    "pool/noise/many-frames.toml"
    "pool/noise/plain-frames.toml"
    "pool/noise/random-act1.toml"
    "pool/noise/replayed-frame.toml"
    "pool/noise/skipped-nonce.toml"
    "pool/noise/truncated-frame.toml"
    // types
    "pool/types/custom-job-lengths.toml"
    "pool/types/extranonce-of-33-bytes.toml"
    "pool/types/extranonce-runs-past-payload.toml"
    "pool/types/hash-rates.toml"
    "pool/types/ids-little-endian.toml"
    "pool/types/options.toml"
    "pool/types/sequence-runs-past-payload.toml"
    "pool/types/sequences-of-many.toml"
    "pool/types/string-runs-past-payload.toml"
    "pool/types/strings.toml"
    "pool/types/targets-little-endian.toml"
    "pool/types/versions-little-endian.toml"
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
