//! The key log: its test vectors, which are for other implementations too, and that the commands
//! write it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::process::{Command, Stdio};

use bytes::BytesMut;
use serde_json::{Value, json};
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::noise::{
    AuthoritySecretKey, CipherKey, CipherSuite, Identity, Initiator, KeyLogLabel, Opener,
    Responder, Sealer, Session, StaticKey,
};
use sv2::time::UnixTime;
use sv2::wire::{Frame, Str255, Tlvs};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/key-log/session.json");
const VECTORS: &str = include_str!("../../vectors/key-log/session.json");

#[test]
fn the_vectors_are_what_we_write() {
    let expected = serde_json::to_string_pretty(&session()).unwrap() + "\n";

    // As for all other vectors.
    if std::env::var_os("ASSAY_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &expected).unwrap();
    }
    assert_eq!(VECTORS, expected);
}

#[test]
fn the_keys_of_the_vectors_open_every_frame() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for (label, side, acts_len) in [("SV2_I2R", "initiator", 64), ("SV2_R2I", "responder", 234)] {
        let sent = hex(vectors[side].as_str().unwrap());
        let key_log = vectors["key_log"].as_str().unwrap();
        let line = key_log.lines().find(|line| line.starts_with(label)).unwrap();
        let [_, id, secret] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let key: [u8; 32] = hex(secret).try_into().unwrap();
        let mut opener = Opener::new(CipherKey::new(CipherSuite::default(), &key));

        let mut input = BytesMut::from(&sent[acts_len..]);
        let mut found = Vec::new();
        while let Some(frame) = opener.next_frame(&mut input).unwrap() {
            found.push(digits(&plain(&frame)));
        }

        assert_eq!(json!(found), vectors[format!("{side}_frames")]);
        assert_eq!(id, &vectors["initiator"].as_str().unwrap()[..128]);
    }
}

#[test]
fn a_fleet_and_a_suite_write_the_keys_of_their_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let runs: [&[&str]; 2] = [
        &["load", "--devices", "2", "--ramp", "100ms", "--for", "200ms"],
        &["check", "pool", "--filter", "common.setup.success"],
    ];
    for (arguments, name) in runs.into_iter().zip(["load", "check"]) {
        let file = directory.path().join(name);

        run(arguments, directory.path(), &file);

        let text = std::fs::read_to_string(&file).unwrap();
        for label in KeyLogLabel::ALL.map(KeyLogLabel::as_str) {
            let count = text.lines().filter(|line| line.starts_with(label)).count();
            assert!(count >= 1, "{name} {label}: {text}");
        }
    }
}

fn run(arguments: &[&str], directory: &Path, key_log: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(arguments).env("SV2KEYLOGFILE", key_log).current_dir(directory);
    command.stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");
}

/// A session with two frames each way, the second of them without a payload.
fn session() -> Value {
    let mut entropy = Entropy::from_seed(0x6b65_796c_6f67);
    let authority = AuthoritySecretKey::generate(&mut entropy);
    let key = StaticKey::generate(&mut entropy);
    let identity = Identity::new(&authority, key, 1_700_000_000, 1_800_000_000, &mut entropy);
    let suite = CipherSuite::default();
    let initiator = Initiator::new(suite, Some(authority.public_key()), &mut entropy);
    let act_1 = initiator.act_1();
    let (act_2, server) = Responder::respond(suite, &identity, &act_1, &mut entropy);
    let (client, _) = initiator.finish(&act_2, UnixTime(1_750_000_000)).unwrap();
    let Session { mut sealer, secrets, .. } = client;
    assert_eq!(*secrets.to_key_log(), *server.secrets.to_key_log());

    let set_up = SetupConnection {
        min_version: 2,
        max_version: 2,
        endpoint_host: Str255::from_static("pool.example"),
        endpoint_port: 34_254,
        vendor: Str255::from_static("assay"),
        ..SetupConnection::default()
    };
    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    let empty = Frame { extension_type: 0x7fff, message_type: 0x7f, payload: bytes::Bytes::new() };
    let asked = [Message::from(set_up).to_frame(&Tlvs::NONE), empty.clone()];
    let answered = [Message::from(success).to_frame(&Tlvs::NONE), empty];
    let mut answering = server.sealer;
    let key_log = secrets.to_key_log().to_string();
    json!({
        "initiator": digits(&[&act_1[..], &sealed(&mut sealer, &asked)].concat()),
        "responder": digits(&[&act_2[..], &sealed(&mut answering, &answered)].concat()),
        "initiator_frames": asked.map(|frame| digits(&plain(&frame))),
        "responder_frames": answered.map(|frame| digits(&plain(&frame))),
        "key_log": key_log,
        "key_logs": forms(&key_log),
    })
}

/// The same secrets as others may write them, and lines that no reader stumbles over.
fn forms(key_log: &str) -> Value {
    let lines: Vec<&str> = key_log.lines().collect();
    let backwards: Vec<&str> = lines.iter().rev().copied().collect();
    let shouted: Vec<String> = lines
        .iter()
        .map(|line| {
            let (label, rest) = line.split_once(' ').unwrap();
            format!("{label} {}", rest.to_uppercase())
        })
        .collect();
    let form = |what: &str, text: String, secrets: usize| json!({ "what": what, "text": text, "secrets": secrets });
    json!([
        form("lines end with CRLF", lines.join("\r\n") + "\r\n", 4),
        form("the last line has no end", lines.join("\n"), 4),
        form("digits are upper case", shouted.join("\n") + "\n", 4),
        form("the order is another", backwards.join("\n") + "\n", 4),
        form(
            "comments, empty lines, an unknown label",
            format!("# sv2\n\n{key_log}SV2_NEW 00\n"),
            4
        ),
        form("one secret is a digit short", format!("{}\n", &key_log[..key_log.len() - 2]), 3),
        form("every line twice", format!("{key_log}{key_log}"), 4),
        form("cut off in the middle", key_log[..key_log.len() / 2].to_owned(), 2),
        form("empty", String::new(), 0),
    ])
}

fn sealed(sealer: &mut Sealer, frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        sealer.seal(frame.header(), &frame.payload, &mut out).unwrap();
    }
    out
}

fn plain(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write(&mut bytes);
    bytes
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|index| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap())
        .collect()
}
