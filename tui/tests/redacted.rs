//! `--redact`, as somebody runs it before a capture is given away: nothing that tells of anybody is
//! found in what comes out, whatever it is.
//!
//! What that would be is gathered here from whole messages, not by the table that the program has.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test runs a program")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use sv2::message::Message;
use sv2_capture::observed::What;
use sv2_capture::read::{Dissector, Item, PacketReader, Sink, segment};

/// What tokens and users of some captures are called: words of the language and of the program, whose
/// vendor is called so as well.
const WORDS: [&[u8]; 3] = [b"token", b"other", b"assay"];

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/captures"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pcapng"));
    files.sort();
    assert!(files.len() > 70);
    files
}

fn walk(bytes: &[u8], sink: &mut Sink<'_>) -> BTreeSet<String> {
    let mut reader = PacketReader::new(bytes);
    let mut dissector = Dissector::new(0, None);
    let mut addresses = BTreeSet::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Packet(packet) => {
                let segment = segment(packet.link_type, packet.data).unwrap();
                addresses.extend([segment.from, segment.to].map(|end| end.ip().to_string()));
                dissector.packet(0, &packet, sink);
            }
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
    }
    addresses
}

/// What tells of somebody.
#[derive(Default)]
struct Known {
    /// As messages have it.
    bytes: BTreeSet<Vec<u8>>,
    /// Of packets, as text.
    addresses: BTreeSet<String>,
}

impl Known {
    fn of(bytes: &[u8]) -> Known {
        let mut known = Known::default();
        let addresses = walk(bytes, &mut |found| match &found.observed.what {
            What::Frame { frame, .. } => {
                if let Ok(decoded) = Message::decode(frame) {
                    known.message(&decoded.message);
                }
            }
            What::Handshake(seen) => {
                known.bytes.extend(seen.certificate.iter().map(|it| it.static_x.to_vec()));
            }
            _ => {}
        });
        known.addresses = addresses;
        // Whatever is shorter is found anywhere, and so are words of the language.
        known.bytes.retain(|bytes| bytes.len() >= 4 && !WORDS.contains(&&bytes[..]));
        known
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.insert(bytes.to_vec());
    }

    fn user(&mut self, name: &[u8]) {
        self.take(name);
        name.split(|byte| *byte == b'.').for_each(|part| self.take(part));
    }

    fn message(&mut self, message: &Message) {
        match message {
            Message::SetupConnection(it) => {
                self.take(it.endpoint_host.as_slice());
                self.take(it.device_id.as_slice());
            }
            Message::OpenStandardMiningChannel(it) => self.user(it.user_identity.as_slice()),
            Message::OpenExtendedMiningChannel(it) => self.user(it.user_identity.as_slice()),
            Message::AllocateMiningJobToken(it) => self.user(it.user_identifier.as_slice()),
            Message::AllocateMiningJobTokenSuccess(it) => {
                self.take(it.mining_job_token.as_slice());
                self.outputs(it.coinbase_tx_outputs.as_slice().get(1..).unwrap_or_default());
            }
            Message::DeclareMiningJob(it) => {
                self.take(it.mining_job_token.as_slice());
                self.coinbase(it.coinbase_tx_prefix.as_slice(), it.coinbase_tx_suffix.as_slice());
            }
            Message::DeclareMiningJobSuccess(it) => self.take(it.new_mining_job_token.as_slice()),
            Message::SetCustomMiningJob(it) => {
                self.take(it.mining_job_token.as_slice());
                self.outputs(it.coinbase_tx_outputs.as_slice().get(1..).unwrap_or_default());
            }
            Message::NewExtendedMiningJob(it) => {
                self.coinbase(it.coinbase_tx_prefix.as_slice(), it.coinbase_tx_suffix.as_slice());
            }
            Message::NewTemplate(it) => self.outputs(it.coinbase_tx_outputs.as_slice()),
            Message::Reconnect(it) => self.take(it.new_host.as_slice()),
            _ => {}
        }
    }

    /// What stands behind the height, and what is paid to.
    fn coinbase(&mut self, prefix: &[u8], suffix: &[u8]) {
        let start = if prefix.get(4..6) == Some(&[0, 1]) { 44 } else { 42 };
        if let Some([height_len, rest @ ..]) = prefix.get(start..) {
            self.take(rest.get(usize::from(*height_len)..).unwrap_or_default());
        }
        let sequence = suffix.windows(4).position(|it| it[1..] == [0xff; 3]);
        let outputs = sequence.and_then(|at| suffix.get(at + 5..)).unwrap_or_default();
        self.outputs(outputs);
    }

    fn outputs(&mut self, mut bytes: &[u8]) {
        while let Some((len, rest)) = bytes.get(8..).and_then(|rest| rest.split_first()) {
            let Some((script, rest)) = rest.split_at_checked(usize::from(*len)) else { return };
            let is_commitment = script.starts_with(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]);
            if !is_commitment {
                self.take(script.get(2..).unwrap_or_default());
            }
            bytes = rest;
        }
    }

    /// What of it is found in an output, as bytes or digits.
    fn found_in(&self, output: &[u8]) -> Vec<String> {
        let finder = |needle: &[u8]| output.windows(needle.len()).any(|window| window == needle);
        let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
        let is_found = |bytes: &&Vec<u8>| finder(bytes) || finder(hex(bytes).as_bytes());
        let texts = self.bytes.iter().filter(is_found);
        let texts = texts.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let addresses = self.addresses.iter().filter(|it| finder(it.as_bytes())).cloned();
        texts.chain(addresses).collect()
    }
}

/// What is printed; a redacted capture has the exit code of the whole, findings included.
fn assay(words: &[&str], file: &Path) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    let output = command.args(words).arg(file).env_remove("SV2KEYLOGFILE").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        matches!(output.status.code(), Some(0 | 1 | 6)),
        "{words:?} {}: {said}",
        file.display()
    );
    output.stdout
}

#[test]
fn nothing_that_tells_of_anybody_is_in_what_is_printed() {
    let fields = "--fields=n,t,conn,src,dst,msg,user,token,err,coinbase_tx_prefix,info";
    let forms: [&[&str]; 13] = [
        &["decode", "-vv", "-x"],
        &["decode", "-o", "jsonl", "--raw"],
        &["decode", "-o", "csv", fields],
        &["rules", "-v"],
        &["stats"],
        &["rules", "-o", "jsonl"],
        &["rules", "-o", "junit"],
        &["rules", "-o", "sarif"],
        &["stats", "--json"],
        &["inspect"],
        &["ladder"],
        &["ladder", "-o", "mermaid"],
        &["ladder", "-o", "markdown"],
    ];
    let mut known_count = 0;
    for file in captures() {
        let known = Known::of(&std::fs::read(&file).unwrap());
        known_count += known.bytes.len();
        // Other forms show the same words.
        let is_long = file.to_string_lossy().contains("tap-");
        for form in &forms[..if is_long { forms.len() } else { 5 }] {
            let output = assay(&[form, &["--redact", "all"][..]].concat(), &file);

            assert!(!output.is_empty());
            assert_eq!(known.found_in(&output), [""; 0], "{form:?} {}", file.display());
        }
        if is_long {
            // The alarm rings.
            let output = assay(&["decode", "-v"], &file);
            assert!(!known.found_in(&output).is_empty(), "{}", file.display());
        }
    }
    assert!(known_count > 200, "{known_count} things are known");
}

#[test]
fn rules_and_stats_name_nobody_and_count_the_same() {
    let file = captures().into_iter().find(|it| it.ends_with("33-share-refused.pcapng")).unwrap();
    let capture = std::fs::read(&file).unwrap();
    let at = capture.windows(11).position(|window| window == b"stale-share").unwrap();
    // The user and the host that the capture has, where a peer can write what it likes.
    for (code, secret) in [(b"alice-stale", "alice"), (b"at 10.0.0.2", "10.0.0.2")] {
        let mut bytes = capture.clone();
        assert!(bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        bytes[at..at + code.len()].copy_from_slice(code);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("of-{secret}.pcapng"));
        std::fs::write(&file, bytes).unwrap();
        let forms: [&[&str]; 7] = [
            &["rules"],
            &["rules", "-v"],
            &["rules", "-o", "jsonl"],
            &["rules", "-o", "junit", "--fail-on", "chat"],
            &["rules", "-o", "sarif"],
            &["stats"],
            &["stats", "--json"],
        ];
        for form in forms {
            let print = |form: &[&str]| String::from_utf8(assay(form, &file)).unwrap();

            let shown = print(form);
            let covered = print(&[form, &["--redact", "users,ips"][..]].concat());

            assert!(shown.contains(secret), "the alarm rings: {form:?} {shown}");
            assert!(!covered.contains(secret), "{form:?} {covered}");
            assert!(!covered.contains(folder.path().to_str().unwrap()), "{form:?} {covered}");
            assert_eq!(covered.lines().count(), shown.lines().count(), "{form:?} {covered}");
        }
    }
}

#[test]
fn nothing_that_tells_of_anybody_is_in_a_redacted_copy_which_is_a_capture_still() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.pcapng");
    for file in captures() {
        let bytes = std::fs::read(&file).unwrap();
        let known = Known::of(&bytes);

        assay(&["decode", "--redact", "all", "-w", copy.to_str().unwrap()], &file);

        let copied = std::fs::read(&copy).unwrap();
        assert_eq!(known.found_in(&copied), [""; 0], "{}", file.display());
        assert!(!copied.windows(7).any(|window| window == b"SV2_I2R"), "keys");
        let frames = |bytes: &[u8]| {
            let mut frames = Vec::new();
            let addresses = walk(bytes, &mut |found| match &found.observed.what {
                What::Frame { frame, .. } => frames.push((found.observed.at, frame.header())),
                What::Opened { is_redacted, .. } => assert_eq!(*is_redacted, bytes == copied),
                _ => {}
            });
            (frames, addresses)
        };
        let (before, after) = (frames(&bytes), frames(&copied));
        assert_eq!(before.0, after.0, "{}", file.display());
        let is_documented =
            |address: &String| address.starts_with("192.0.2.") || address.starts_with("2001:db8:");
        assert!(after.1.iter().all(is_documented), "{:?}", after.1);

        // The same capture gives the same bytes.
        assay(&["decode", "--redact", "all", "-w", copy.to_str().unwrap()], &file);
        assert!(std::fs::read(&copy).unwrap() == copied, "{}", file.display());
    }
}

#[test]
fn filters_ask_what_was_captured_and_shares_of_a_copy_are_not_judged() {
    let file = captures().into_iter().find(|it| it.ends_with("21-good-share-refused.pcapng"));
    let file = file.unwrap();
    let (word, folder) = (|bytes| String::from_utf8(bytes).unwrap(), tempfile::tempdir().unwrap());
    let copy = folder.path().join("copy.pcapng");

    // By the proof that is gone in what is shown.
    let words = ["decode", "--redact", "coinbase", "--filter", "verdict == good", "-o", "jsonl"];
    let shown = word(assay(&words, &file));
    assert!(shown.contains("SubmitShares") && !shown.contains("\"hash\""), "{shown}");

    assay(&["decode", "--redact", "coinbase", "-w", copy.to_str().unwrap()], &file);
    let judged = word(assay(&["decode"], &copy));
    assert!(judged.contains("redacted") && judged.contains("C33"), "{judged}");
    assert!(!judged.contains("W21"), "no share can be recomputed: {judged}");
    assert!(word(assay(&["decode"], &file)).contains("W21"));

    // A copy of the copy says the same.
    let again = folder.path().join("again.pcapng");
    assay(&["decode", "--filter", "n > 0", "-w", again.to_str().unwrap()], &copy);
    assert!(word(assay(&["decode"], &again)).contains("redacted"));
}

#[test]
fn what_cannot_be_redacted_is_said() {
    let file = captures().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.pcapng");
    std::fs::copy(&file, &own).unwrap();
    let own = own.to_str().unwrap();
    let rows = [
        (&["decode", "--redact", "names", own][..], "users, ips, tokens, coinbase or all"),
        (&["decode", "--redact", "all", "-w", own, own], "this is what is read"),
    ];
    for (words, expected) in rows {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        let output = command.args(words).output().unwrap();

        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(4));
    }
    assert_eq!(std::fs::read(own).unwrap(), std::fs::read(&file).unwrap());
}
