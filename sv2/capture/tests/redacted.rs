//! Redacted captures: those of `vectors/captures` without whom and what they are about, judged again.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sv2_capture::observed::What;
use sv2_capture::read::{Dissector, Item, PacketReader, Sink};
use sv2_capture::redact::{Categories, Redactor};
use sv2_capture::rules::{Finding, Inspector, Policy};

#[expect(clippy::disallowed_methods, reason = "the files are what is redacted")]
fn captures() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/captures"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pcapng"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn walk(bytes: &[u8], sink: &mut Sink<'_>) {
    let mut reader = PacketReader::new(bytes);
    let mut dissector = Dissector::new(0, None);
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Packet(packet) => dissector.packet(0, &packet, sink),
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
    }
}

/// What the rules find, redacted or not.
fn codes(bytes: &[u8], categories: Option<Categories>) -> BTreeSet<(u64, String)> {
    let mut redactor = categories.map(Redactor::new);
    let mut inspector = Inspector::new(Policy::default());
    let mut codes = BTreeSet::new();
    walk(bytes, &mut |found| {
        let mut judge = |observed: &sv2_capture::Observed<'_>| {
            let report = inspector.observe(observed);
            codes.extend(report.findings.iter().map(|it: &Finding| (observed.number, it.code())));
        };
        match &mut redactor {
            Some(redactor) => redactor.cover(&found.observed, &mut judge),
            None => judge(&found.observed),
        }
    });
    codes
}

#[test]
fn rules_find_nothing_in_a_redacted_capture_that_was_not_there_before() {
    let (mut found, mut kept) = (0, 0);
    for (path, bytes) in captures() {
        let before = codes(&bytes, None);
        let after = codes(&bytes, Some(Categories::ALL));

        let new: Vec<_> = after.difference(&before).collect();
        assert!(new.is_empty(), "{}: {new:?}", path.display());
        let without = codes(&bytes, Some("users,ips,tokens".parse().unwrap()));
        assert_eq!(without, before, "{}: these are of no interest to rules", path.display());
        (found, kept) = (found + before.len(), kept + after.len());
    }
    assert!(found > 100 && kept * 10 > found * 8, "{kept} of {found} are found still");
}

#[test]
fn messages_keep_their_lengths_and_the_same_capture_gives_the_same_bytes() {
    for (path, bytes) in captures() {
        let mut payloads = [Vec::new(), Vec::new()];
        for payloads in &mut payloads {
            let mut redactor = Redactor::new(Categories::ALL);
            walk(&bytes, &mut |found| {
                redactor.cover(&found.observed, &mut |covered| {
                    if let (What::Frame { frame, .. }, What::Frame { frame: original, .. }) =
                        (&covered.what, &found.observed.what)
                    {
                        assert_eq!(frame.header(), original.header());
                        payloads.push(frame.payload.clone());
                    }
                });
            });
        }

        assert_eq!(payloads[0], payloads[1], "{}", path.display());
    }
}

#[test]
fn what_is_redacted_twice_is_a_redacted_capture() {
    for (path, bytes) in captures() {
        let (mut once, mut twice) =
            (Redactor::new(Categories::ALL), Redactor::new(Categories::ALL));
        walk(&bytes, &mut |found| {
            once.cover(&found.observed, &mut |covered| {
                twice.cover(covered, &mut |again| {
                    if let What::Opened { is_redacted, .. } = again.what {
                        assert!(is_redacted, "{}", path.display());
                    }
                });
            });
        });
    }
}
