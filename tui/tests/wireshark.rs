//! The generated dissector, as a real tshark reads it: every message of the test vectors and of the
//! captures, field by field.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sv2::job_declaration::DeclareMiningJob;
use sv2::message::{Message, descriptor};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B64K, B255, Kind, Seq64K, Tlvs, U256};
use sv2_capture::{Capture, Direction};

#[test]
#[ignore = "needs tshark"]
fn tshark_shows_every_field_of_every_message_as_the_vectors_have_it() {
    let vectors = vectors();
    let cases: Vec<Case<'_>> = cases(&vectors).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let shown = tshark(folder.path(), &cases);

    assert_eq!(shown.len(), cases.len());
    let mut seen = 0;
    for (case, layers) in cases.iter().zip(&shown) {
        let sv2 = &layers["sv2"];
        assert_eq!(sv2["sv2.message"], case.message, "{}", case.id);
        let is_malformed = sv2.to_string().contains("sv2.malformed");
        assert!(!is_malformed, "{}: {sv2}", case.id);
        for (field, value) in case.fields.iter().zip(case.values) {
            let name = field["name"].as_str().expect("a name");
            let key = format!("sv2.{}.{name}", case.field_prefix());
            seen += check(sv2, &key, field["type"].as_str().expect("a type"), value, case.id);
        }
    }
    assert!(seen > 1_000, "{seen} values were compared");
}

#[test]
#[ignore = "needs tshark"]
fn tshark_marks_what_is_no_message() {
    let vectors = vectors();
    let frames = tests(&vectors).filter(|(_, test)| test["result"] == "invalid");
    let cases: Vec<Case<'_>> = frames.map(|(group, test)| Case::of(group, test)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let shown = tshark(folder.path(), &cases);

    assert_eq!(shown.len(), cases.len());
    for (case, layers) in cases.iter().zip(&shown) {
        assert!(layers["sv2"].to_string().contains("sv2.malformed"), "{}: {layers}", case.id);
    }
}

#[test]
#[ignore = "needs tshark"]
fn a_list_of_which_a_part_is_shown_does_not_shift_what_follows() {
    let declaration = DeclareMiningJob {
        request_id: 7,
        mining_job_token: B255::new(vec![1]).expect("short"),
        version: 2,
        coinbase_tx_prefix: B64K::new(vec![2]).expect("short"),
        coinbase_tx_suffix: B64K::new(vec![3]).expect("short"),
        wtxid_list: Seq64K::new(vec![U256::MAX; SHOWN_MAX + 500]).expect("few"),
        excess_data: B64K::new(vec![0xab, 0xcd]).expect("short"),
    };
    let mut frame = Vec::new();
    Message::from(declaration).write_frame(&Tlvs::NONE, &mut frame);
    let (id, message, chapter) = ("by hand", "DeclareMiningJob", "JobDeclaration");
    let case = Case { id, message, chapter, fields: &[], values: &[], frame };
    let folder = tempfile::tempdir().expect("a folder");

    let shown = tshark(folder.path(), &[case]);

    let sv2 = &shown[0]["sv2"];
    assert_eq!(sv2["sv2.DeclareMiningJob.wtxid_list.len"], "1500");
    assert_eq!(sv2["sv2.DeclareMiningJob.excess_data"], "ab:cd");
    assert!(!sv2.to_string().contains("sv2.malformed"));
}

#[test]
#[ignore = "needs tshark"]
fn tshark_shows_the_messages_and_fields_of_every_capture_as_decode_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for file in captures() {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        // In clear, a message a packet: the dissector has no keys, and JSON no repeated names.
        let plain = folder.path().join("plain.pcapng");
        assay(&["decode", "--plain", "-w", path(&plain), path(&file)]);
        let messages = decoded(&plain);
        let shown = tshark_of(folder.path(), &plain, &ports(&plain));

        let names = |list: &[Value], key: &str| -> Vec<String> {
            list.iter().map(|one| one[key].as_str().unwrap_or("unknown").to_owned()).collect()
        };
        let sv2: Vec<Value> = shown.iter().map(|layers| layers["sv2"].clone()).collect();
        assert_eq!(sv2.len(), messages.len(), "{name}: {:?}", names(&messages, "msg"));
        for (layer, message) in sv2.iter().zip(&messages) {
            seen += compare(layer, message, &name);
        }
    }
    assert!(seen > 1_000, "{seen} values were compared");
}

#[test]
#[ignore = "needs tshark"]
fn tshark_counts_the_packets_streams_and_bytes_of_every_capture_as_stats_does() {
    for file in captures() {
        let output = tshark_command()
            .args(["-T", "fields", "-e", "tcp.stream", "-e", "frame.cap_len", "-r"])
            .arg(&file)
            .output()
            .expect("tshark runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("numbers");
        let rows: Vec<(&str, u64)> = text
            .lines()
            .map(|line| line.split_once('\t').expect("two columns"))
            .map(|(stream, len)| (stream, len.parse().expect("a length")))
            .collect();
        let streams: BTreeSet<&str> = rows.iter().map(|(stream, _)| *stream).collect();
        let stats: Value =
            serde_json::from_str(&assay(&["stats", "--json", path(&file)])).expect("JSON");

        let counted = [
            stats["packets"].as_u64(),
            stats["connections"].as_array().map(|list| list.len() as u64),
            stats["bytes"].as_u64(),
        ];
        let bytes = rows.iter().map(|(_, len)| len).sum();
        let wanted = [rows.len() as u64, streams.len() as u64, bytes].map(Some);
        assert_eq!(counted, wanted, "packets, streams, bytes of {}", file.display());
    }
}

/// Compares what tshark shows of a message with a line of `assay decode`; the count of values.
fn compare(layer: &Value, message: &Value, file: &str) -> usize {
    let id = format!("{file} #{}", message["n"]);
    let Some(name) = message["msg"].as_str() else { return 0 };
    assert_eq!(layer["sv2.message"], name, "{id}");
    if message.get("problems").is_some() {
        return 0;
    }
    let extension = u16::try_from(message["ext"].as_u64().expect(&id) & 0x7fff).expect(&id);
    let number = u8::try_from(message["type"].as_u64().expect(&id)).expect(&id);
    let row = descriptor(extension, number).expect(&id);
    let is_of_templates = name == "SetNewPrevHash" && number == 0x72;
    let prefix = if is_of_templates { "TemplateDistribution." } else { "" };
    let mut seen = 0;
    for field in row.fields {
        let key = format!("sv2.{prefix}{name}.{}", field.name);
        let kind = field.kind.spec_name();
        let value = &message["f"][field.name];
        // The vectors have an option as its value or as null, and numbers with fractions as text.
        let value = match (field.kind, value) {
            (Kind::Option { .. }, Value::Array(items)) => {
                items.first().cloned().unwrap_or(Value::Null)
            }
            (Kind::F32, value) => Value::from(value.to_string().trim_matches('"')),
            (_, value) => value.clone(),
        };
        seen += check(layer, &key, &kind, &value, &id);
    }
    seen
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/captures");
    let files = std::fs::read_dir(folder).expect("the captures");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pcapng"));
    files.sort();
    assert!(files.len() > 80, "{} captures", files.len());
    files
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

/// What a command prints, whatever it thinks of the capture.
fn assay(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    let output = command.args(words).env_remove("SV2KEYLOGFILE").output().expect("it runs");
    assert_ne!(output.status.code(), Some(4), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Lines of `assay decode -o jsonl`.
fn lines(file: &Path) -> Vec<Value> {
    let text = assay(&["decode", "-o", "jsonl", path(file)]);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn decoded(file: &Path) -> Vec<Value> {
    lines(file).into_iter().filter(|line| line.get("msg").is_some()).collect()
}

/// Where the servers of a capture listen.
fn ports(file: &Path) -> BTreeSet<String> {
    let lines = lines(file);
    let servers = lines.iter().filter_map(|line| line["server"].as_str());
    servers.filter_map(|server| Some(server.rsplit_once(':')?.1.to_owned())).collect()
}

/// A message of the vectors.
struct Case<'a> {
    id: &'a str,
    message: &'a str,
    chapter: &'a str,
    fields: &'a [Value],
    values: &'a [Value],
    frame: Vec<u8>,
}

impl<'a> Case<'a> {
    fn of(group: &'a Value, test: &'a Value) -> Self {
        let parameters = &group["parameters"];
        let digits = test["input"]["frame"].as_str().expect("digits").as_bytes();
        let byte = |pair: &[u8]| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits")
        };
        Case {
            id: test["id"].as_str().expect("an id"),
            message: parameters["message"].as_str().expect("a name"),
            chapter: parameters["chapter"].as_str().expect("a chapter"),
            fields: parameters["fields"].as_array().expect("fields"),
            values: test["expected"]["values"].as_array().map_or(&[], Vec::as_slice),
            frame: digits.chunks(2).map(byte).collect(),
        }
    }

    fn field_prefix(&self) -> String {
        match (self.message, self.chapter) {
            ("SetNewPrevHash", "TemplateDistribution") => {
                format!("{}.{}", self.chapter, self.message)
            }
            (message, _) => message.to_owned(),
        }
    }
}

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/messages.json");
    serde_json::from_slice(&std::fs::read(path).expect("the vectors")).expect("JSON")
}

fn tests(vectors: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = vectors["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| {
        group["tests"].as_array().expect("tests").iter().map(move |test| (group, test))
    })
}

fn cases(vectors: &Value) -> impl Iterator<Item = Case<'_>> {
    // The JSON of tshark is none where a text is not UTF-8.
    let is_utf8 = |test: &Value| !test["flags"].to_string().contains("not-utf8");
    let readable =
        tests(vectors).filter(move |(_, test)| test["result"] != "invalid" && is_utf8(test));
    readable.map(|(group, test)| Case::of(group, test))
}

/// What tshark makes of each case, one connection each.
fn tshark(folder: &Path, cases: &[Case<'_>]) -> Vec<Value> {
    let capture = folder.join("messages.pcapng");
    std::fs::write(&capture, recorded(cases)).expect("a file");
    tshark_of(folder, &capture, &BTreeSet::from(["34254".to_owned()]))
}

/// What tshark makes of the packets with SV2 in them, of servers at `ports`.
fn tshark_of(folder: &Path, capture: &Path, ports: &BTreeSet<String>) -> Vec<Value> {
    let script = folder.join("sv2.lua");
    let written = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["wireshark", "--output"])
        .arg(&script)
        .output()
        .expect("it runs");
    assert!(written.status.success(), "{written:?}");

    let mut command = tshark_command();
    command.arg("-X").arg(format!("lua_script:{}", script.display()));
    for port in ports {
        command.args(["-d", &format!("tcp.port=={port},sv2")]);
    }
    let words = ["-Y", "sv2", "-T", "json", "--no-duplicate-keys", "-r"];
    let output = command.args(words).arg(capture).output().expect("tshark runs");
    packets(&output)
}

fn tshark_command() -> Command {
    Command::new(std::env::var_os("TSHARK_EXE").unwrap_or_else(|| "tshark".into()))
}

fn packets(output: &Output) -> Vec<Value> {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !complaint.contains("Lua"), "{complaint}");
    let packets: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    packets.into_iter().map(|mut packet| packet["_source"]["layers"].take()).collect()
}

fn recorded(cases: &[Case<'_>]) -> Vec<u8> {
    let now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };
    let mut capture = Capture::new("assay");
    for (index, case) in cases.iter().enumerate() {
        let port = u16::try_from(40_000 + index).expect("few cases");
        let client = ([10, 0, 0, 1], port).into();
        let stream = capture.open(now, client, ([10, 0, 0, 2], 34_254).into());
        capture.bytes(now, stream, Direction::ClientToServer, "", &case.frame);
    }
    capture.take()
}

/// Compares one value; the count of values that could be.
fn check(layer: &Value, key: &str, kind: &str, value: &Value, id: &str) -> usize {
    if let Some(items) = value.as_array() {
        assert_eq!(layer[&format!("{key}.len")], items.len().to_string(), "{id}: {key}");
        let shown = &layer[&format!("{key}.len_tree")][key];
        let shown = match shown {
            Value::Null => &[],
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        let shown = shown.iter().map(|one| one.as_str().expect(key).replace(':', ""));
        let wanted = items.iter().map(|one| one.as_str().map_or(one.to_string(), str::to_owned));
        // Those behind are not shown one by one.
        let wanted: Vec<String> = wanted.take(SHOWN_MAX).collect();
        assert_eq!(shown.collect::<Vec<String>>(), wanted, "{id}: {key}");
        return items.len();
    }
    let shown = layer.get(key);
    match value {
        // An option without a value, and what tshark has no way to show.
        Value::Null => {
            assert_eq!(shown, None, "{id}: {key}");
            1
        }
        Value::Object(_) => 0,
        Value::Number(number) => {
            assert_eq!(shown, Some(&Value::from(number.to_string())), "{id}: {key} of {layer}");
            1
        }
        Value::Bool(flag) => {
            let shown = shown.and_then(Value::as_str);
            let words = if *flag { ["1", "True"] } else { ["0", "False"] };
            assert!(shown.is_some_and(|shown| words.contains(&shown)), "{id}: {key} of {layer}");
            1
        }
        Value::String(text) if kind == "F32" => {
            let Ok(wanted) = text.parse::<f32>() else { return 0 };
            let shown: f32 = shown.and_then(Value::as_str).expect(key).parse().expect(key);
            let is_same = shown == wanted || (shown.is_nan() && wanted.is_nan());
            let is_near = (shown - wanted).abs() <= wanted.abs() * 1e-5;
            assert!(is_same || is_near, "{id}: {key}: {shown} {wanted}");
            1
        }
        Value::String(digits) if kind.starts_with("B0") => {
            let shown = shown.and_then(Value::as_str).unwrap_or_default().replace(':', "");
            assert_eq!(&shown, digits, "{id}: {key}");
            1
        }
        Value::String(text) => {
            assert_eq!(shown.and_then(Value::as_str), Some(text.as_str()), "{id}: {key}");
            1
        }
        Value::Array(_) => unreachable!("lists are above"),
    }
}

/// As in the script.
const SHOWN_MAX: usize = 1_000;
