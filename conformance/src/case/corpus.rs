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
    "fixtures/extensions/worker-names.toml"
    "fixtures/job-declaration/setup.toml"
    "fixtures/mining/extended-channel.toml"
    "fixtures/mining/good-share.toml"
    "fixtures/mining/open-extended.toml"
    "fixtures/mining/open-standard.toml"
    "fixtures/mining/setup.toml"
    "fixtures/mining/standard-channel.toml"
    "fixtures/noise/handshake.toml"
};

/// Cases, by area.
pub(super) const CASES: &[(&str, &str)] = files! {
    // setup
    "pool/setup/all-flags.toml"
    "pool/setup/each-flag-alone.toml"
    "pool/setup/error-codes-control.toml"
    "pool/setup/error-codes-printable.toml"
    "pool/setup/error-then-close.toml"
    "pool/setup/extended-open-on-standard-jobs.toml"
    "pool/setup/fixed-version-jobs.toml"
    "pool/setup/no-service-without-setup.toml"
    "pool/setup/nothing-before-the-answer.toml"
    "pool/setup/other-protocols.toml"
    "pool/setup/ranges-with-2.toml"
    "pool/setup/ranges-without-2.toml"
    "pool/setup/requires-extended.toml"
    "pool/setup/same-flags-everywhere.toml"
    "pool/setup/second-setup.toml"
    "pool/setup/standard-jobs-flag.toml"
    "pool/setup/standard-jobs-only.toml"
    "pool/setup/string-lengths.toml"
    "pool/setup/success-flags.toml"
    "pool/setup/success.toml"
    "pool/setup/unknown-protocols.toml"
    "pool/setup/version-rolling-flag.toml"
    "pool/setup/version-rolling-refused.toml"
    // channels
    "pool/channels/standard-success-echoes-request-id.toml"
    // open
    "pool/open/error-echoes-request-id.toml"
    "pool/open/extended-ids-differ.toml"
    "pool/open/extended-is-served.toml"
    "pool/open/extended-success-echoes-request-id.toml"
    "pool/open/extended-target-within-max.toml"
    "pool/open/id-stays.toml"
    "pool/open/identity-any-bytes.toml"
    "pool/open/max-target-zero.toml"
    "pool/open/odd-hash-rates.toml"
    "pool/open/pipelined-kinds-mixed.toml"
    "pool/open/pipelined-requests-each-answered.toml"
    "pool/open/refused-request-has-no-channel.toml"
    "pool/open/request-ids-in-any-order.toml"
    "pool/open/same-identity-twice.toml"
    "pool/open/standard-ids-differ.toml"
    "pool/open/standard-is-served.toml"
    "pool/open/standard-jobs-means-no-extended-jobs.toml"
    "pool/open/standard-target-within-max.toml"
    "pool/open/success-comes-first.toml"
    "pool/open/target-is-usable.toml"
    // extranonce
    "pool/extranonce/after-close.toml"
    "pool/extranonce/changed-prefix-is-a-channels.toml"
    "pool/extranonce/changed-prefix-is-not-for-old-jobs.toml"
    "pool/extranonce/extended-across-connections.toml"
    "pool/extranonce/extended-disjoint.toml"
    "pool/extranonce/fits-the-field.toml"
    "pool/extranonce/kinds-disjoint.toml"
    "pool/extranonce/large-size-granted-or-refused.toml"
    "pool/extranonce/size-at-least-asked.toml"
    "pool/extranonce/sizes-disjoint.toml"
    "pool/extranonce/standard-across-connections.toml"
    "pool/extranonce/standard-disjoint.toml"
    "pool/extranonce/standard-prefix-is-whole.toml"
    // group
    "pool/group/every-channel-has-one.toml"
    "pool/group/ids-are-no-channels.toml"
    "pool/group/one-size.toml"
    "pool/group/regrouping.toml"
    // target
    "pool/target/channels-have-their-own.toml"
    "pool/target/extended-active-job-keeps-its-own.toml"
    "pool/target/extended-next-job-has-the-new-one.toml"
    "pool/target/extended-other-channels-keep-theirs.toml"
    "pool/target/group.toml"
    "pool/target/job-in-stock.toml"
    "pool/target/set-target-within-max.toml"
    "pool/target/stays-within-the-last-maximum.toml"
    // update
    "pool/update/before-any-channel.toml"
    "pool/update/closed-channel.toml"
    "pool/update/last-of-several-counts.toml"
    "pool/update/odd-hash-rates.toml"
    "pool/update/refused-changes-nothing.toml"
    "pool/update/smaller-maximum.toml"
    "pool/update/standard-smaller-maximum.toml"
    "pool/update/unknown-channel.toml"
    "pool/update/valid-gets-no-error.toml"
    // close
    "pool/close/first-member-goes.toml"
    "pool/close/group-closes-members.toml"
    "pool/close/group-is-silent.toml"
    "pool/close/idle-connection.toml"
    "pool/close/ids-do-not-come-back.toml"
    "pool/close/other-connections-go-on.toml"
    "pool/close/reason-is-readable.toml"
    "pool/close/reopened-channel-works.toml"
    "pool/close/share-after-close.toml"
    "pool/close/sibling-goes-on.toml"
    "pool/close/silence.toml"
    "pool/close/unknown-and-twice.toml"
    // custom-job
    "pool/custom-job/group.toml"
    "pool/custom-job/refused-leaves-the-job.toml"
    "pool/custom-job/several-at-once.toml"
    "pool/custom-job/unknown-channel.toml"
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
    // acknowledge
    "pool/acknowledge/counters.toml"
    "pool/acknowledge/error-at-once.toml"
    "pool/acknowledge/exact-sums.toml"
    "pool/acknowledge/falling-numbers.toml"
    "pool/acknowledge/last-sequence-number.toml"
    "pool/acknowledge/lone-share.toml"
    "pool/acknowledge/only-what-was-sent.toml"
    // block
    "pool/block/extended.toml"
    "pool/block/harder-channel.toml"
    "pool/block/rolled-header.toml"
    "pool/block/solution.toml"
    "pool/block/standard.toml"
    "pool/block/witness.toml"
    // job
    "pool/job/coinbase-height.toml"
    "pool/job/coinbase-is-stripped.toml"
    "pool/job/coinbase-is-valid.toml"
    "pool/job/coinbase-script-length.toml"
    "pool/job/coinbase-value.toml"
    "pool/job/commitment.toml"
    "pool/job/custom-bad-token.toml"
    "pool/job/custom-without-flag.toml"
    "pool/job/earlier-job-stays-valid.toml"
    "pool/job/extended-first-message.toml"
    "pool/job/extended-ids-are-not-reused.toml"
    "pool/job/group-job-once.toml"
    "pool/job/group-job-serves-members.toml"
    "pool/job/group-sizes.toml"
    "pool/job/grouped-standard-first-message.toml"
    "pool/job/kinds-per-channel.toml"
    "pool/job/merkle-path.toml"
    "pool/job/rolling-required.toml"
    "pool/job/search-spaces.toml"
    "pool/job/standard-first-message.toml"
    "pool/job/standard-ids-are-not-reused.toml"
    "pool/job/standard-jobs-connection.toml"
    "pool/job/standard-update.toml"
    "pool/job/target-active-job-keeps-its-own.toml"
    "pool/job/target-after-new-block.toml"
    "pool/job/target-later-job.toml"
    "pool/job/target-other-channel.toml"
    // ntime
    "pool/ntime/ahead-within-consensus.toml"
    "pool/ntime/extended-before-the-tip.toml"
    "pool/ntime/extended-beyond-two-hours.toml"
    "pool/ntime/extended-rolled-once-a-second.toml"
    "pool/ntime/standard-before-the-tip.toml"
    "pool/ntime/standard-beyond-two-hours.toml"
    "pool/ntime/standard-rolled-once-a-second.toml"
    // prevhash
    "pool/prevhash/closed-channel.toml"
    "pool/prevhash/extended-new-block.toml"
    "pool/prevhash/extended-new-channel.toml"
    "pool/prevhash/extended-stale-jobs.toml"
    "pool/prevhash/is-the-nodes-tip.toml"
    "pool/prevhash/reorganisation.toml"
    "pool/prevhash/several-blocks.toml"
    "pool/prevhash/standard-new-block.toml"
    "pool/prevhash/standard-new-channel.toml"
    "pool/prevhash/standard-stale-jobs.toml"
    // share
    "pool/share/each-bad-share-its-error.toml"
    "pool/share/extended-duplicate.toml"
    "pool/share/extended-fixed-bits.toml"
    "pool/share/extended-good.toml"
    "pool/share/extended-just-above-target.toml"
    "pool/share/extended-rolled-version.toml"
    "pool/share/extended-unknown-channel.toml"
    "pool/share/extended-unknown-job.toml"
    "pool/share/extended-wrong-kind.toml"
    "pool/share/extranonce-length.toml"
    "pool/share/fixed-version.toml"
    "pool/share/future-job.toml"
    "pool/share/other-channel.toml"
    "pool/share/rolled-low-bits.toml"
    "pool/share/sequence-numbers.toml"
    "pool/share/standard-duplicate.toml"
    "pool/share/standard-fixed-bits.toml"
    "pool/share/standard-fixed-version.toml"
    "pool/share/standard-good.toml"
    "pool/share/standard-just-above-target.toml"
    "pool/share/standard-other-channels-job.toml"
    "pool/share/standard-rolled-version.toml"
    "pool/share/standard-unknown-job.toml"
    "pool/share/standard-wrong-kind.toml"
    "pool/share/unknown-channel.toml"
    // extensions
    "pool/extensions/answers-carry-their-number.toml"
    "pool/extensions/confirmed-are-asked-for.toml"
    "pool/extensions/empty-name.toml"
    "pool/extensions/error-echoes-request-id.toml"
    "pool/extensions/error-lists.toml"
    "pool/extensions/frames-keep-their-number.toml"
    "pool/extensions/name-behind-another-tlv.toml"
    "pool/extensions/name-of-32-bytes.toml"
    "pool/extensions/name-too-long.toml"
    "pool/extensions/no-name.toml"
    "pool/extensions/not-agreed.toml"
    "pool/extensions/nothing-unasked.toml"
    "pool/extensions/other-field.toml"
    "pool/extensions/required-and-refused.toml"
    "pool/extensions/required-is-named.toml"
    "pool/extensions/success-echoes-request-id.toml"
    "pool/extensions/worker-name-big.toml"
    "pool/extensions/worker-name-little.toml"
    // job declarator server
    "job-declarator-server/tokens/echoes-request-id.toml"
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
