use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use sv2_capture::sample::ShareCapture;

use super::*;
use crate::capture::verdict::{FINDINGS, UNDECRYPTED, UNREADABLE};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    decode: Decode,
}

fn options(words: &[&str]) -> Decode {
    let words = ["decode"].iter().chain(words);
    Line::try_parse_from(words).unwrap().decode
}

/// A file in a folder that goes away with it.
struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        Scratch { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// What is printed, and the exit code.
fn decoded(words: &[&str]) -> (String, u8) {
    let mut out = Vec::new();
    let outcome = decode(&options(words), &mut out).unwrap_or_else(|outcome| outcome);
    let code = match outcome {
        Outcome::Done => 0,
        Outcome::Code(code) | Outcome::Said(_, code) => code,
        other => panic!("{other:?}"),
    };
    (String::from_utf8(out).unwrap(), code)
}

fn sample(is_sealed: bool) -> Vec<u8> {
    ShareCapture::new(1, is_sealed).next_piece(2)
}

/// Of `vectors/captures`.
fn capture(name: &str) -> String {
    format!("{}/../vectors/captures/{name}.pcapng", env!("CARGO_MANIFEST_DIR"))
}

/// Both legs of a tap, sealed, with their keys.
const TAP: &str = "tap-mining_device-pool_sv2";
/// One leg, of the other messages.
const JOB_DECLARATION: &str = "tap-jd_client_sv2-assay-job-declarator-server";

#[test]
fn each_form_says_the_same() {
    let file = capture("21-good-share-refused");

    insta::assert_snapshot!("text", decoded(&[&file]).0);
    insta::assert_snapshot!("jsonl", decoded(&[&file, "-o", "jsonl"]).0);
    let fields = "--fields=n,t,conn,src,dir,msg,ch,mac,job,pair,latency,verdict,code";
    insta::assert_snapshot!("csv", decoded(&[&file, "-o", "csv", fields]).0.replace('\r', ""));
}

#[test]
fn a_tree_and_bytes_are_shown_on_demand() {
    let file = capture("21-good-share-refused");

    let (text, _) = decoded(&[&file, "-vv", "-x", "--filter", "msg == submitshares*"]);

    insta::assert_snapshot!("tree", text);
}

#[test]
fn packed_files_are_read_as_they_are() {
    let scratch = Scratch::new();
    let bytes = sample(true);
    let plain = scratch.write("a.pcapng", &bytes);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let gzip = scratch.write("a.pcapng.gz", &gzip.finish().unwrap());
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let (first, second) = bytes.split_at(700);
    let frames = [first, second].map(|piece| ruzstd::encoding::compress_to_vec(piece, level));
    let zstd = scratch.write("a.pcapng.zst", &frames.concat());
    let expected = decoded(&[&plain]).0;

    for packed in [gzip, zstd] {
        assert_eq!(decoded(&[&packed]).0, expected, "{packed}");
    }
}

#[test]
fn cells_that_messages_have_by_themselves_are_the_same_if_nothing_is_followed() {
    let fields = "--fields=n,conn,dir,msg,type,ext,len,mac,ch,job,tmpl,token,req,seq,err,flags,prev,\
                  ntime,version,xn,raw[0:4],SubmitSharesExtended.nonce,merkle_path,merkle_path.len";
    let fields = fields.replace(' ', "");
    for name in [TAP, JOB_DECLARATION] {
        let by_themselves = decoded(&[&capture(name), "-o", "csv", &fields]).0;

        // Whoever asks for findings has everything followed.
        let followed = decoded(&[&capture(name), "-o", "csv", &fields, "--fail-on=error"]).0;

        assert!(by_themselves.lines().count() > 20);
        assert_eq!(by_themselves, followed, "{name}");
    }
}

#[test]
fn every_line_of_json_keeps_to_the_schema() {
    let scratch = Scratch::new();
    let file = scratch.write("a.pcapng", &sample(true));
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/decode.schema.json")).unwrap();
    let known = schema["properties"].as_object().unwrap();

    let (text, ..) = decoded(&[&file, "-o", "jsonl", "--raw"]);

    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        for required in schema["required"].as_array().unwrap() {
            assert!(!object[required.as_str().unwrap()].is_null(), "{required} {line}");
        }
        for key in object.as_object().unwrap().keys() {
            assert!(known.contains_key(key), "{key} is not in the schema");
        }
    }
}

/// What frames say, when, and on which connection.
fn said(rows: &[serde_json::Value]) -> Vec<String> {
    let opened = rows.iter().filter(|row| row["event"] == "opened");
    let ends = |row: &serde_json::Value| {
        let is_it = |opened: &&serde_json::Value| opened["conn"] == row["conn"];
        opened.clone().find(is_it).map(|row| row["client"].to_string())
    };
    let frames = rows.iter().filter(|row| row["raw"].is_string());
    let keys = ["t", "dir", "type", "mac", "raw"];
    frames.map(|row| format!("{:?} {:?}", ends(row), keys.map(|key| &row[key]))).collect()
}

fn rows(words: &[&str]) -> Vec<serde_json::Value> {
    let (text, _) = decoded(&[words, &["-o", "jsonl", "--raw"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a copy of some messages must say: these, and the set-up of their connections.
fn chosen(all: &[serde_json::Value], chosen: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let numbers: BTreeSet<u64> = chosen.iter().map(|row| row["n"].as_u64().unwrap()).collect();
    let connections: BTreeSet<&str> =
        chosen.iter().filter_map(|row| row["conn"].as_str()).collect();
    let is_in_it = |row: &&serde_json::Value| {
        let name = row["msg"].as_str().unwrap_or_default();
        let is_set_up = name.starts_with("SetupConnection") || name.contains("MiningChannel");
        let is_chosen = numbers.contains(&row["n"].as_u64().unwrap());
        let is_frame = row["raw"].is_string();
        connections.contains(row["conn"].as_str().unwrap()) && (is_chosen || is_set_up || !is_frame)
    };
    all.iter().filter(is_in_it).cloned().collect()
}

fn codes(rows: &[serde_json::Value]) -> BTreeSet<String> {
    let codes = rows.iter().filter_map(|row| row["x"].as_array()).flatten();
    codes.map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_copy_says_what_was_chosen_at_its_times_and_in_its_order_and_nothing_else() {
    let scratch = Scratch::new();
    let copy = scratch.path("copy.pcapng");
    let copy = copy.to_str().unwrap();
    let filters = ["conn == 1", "conn == 0 && dir == down", "seq == 7", "accepted", "len > 20"];
    for name in [TAP, "tap-translator_sv2-pool_sv2", "36-share-that-takes-hours"] {
        let file = capture(name);
        let all = rows(&[&file]);
        for filter in filters {
            let expected = chosen(&all, &rows(&[&file, "--filter", filter]));

            decoded(&[&file, "--filter", filter, "-w", copy]);

            assert_eq!(said(&rows(&[copy])), said(&expected), "{name} {filter}");
        }
    }
}

#[test]
fn a_copy_of_whole_connections_is_judged_as_they_were_and_a_selection_never_wrongly() {
    let scratch = Scratch::new();
    let copy = scratch.path("copy.pcapng");
    let copy = copy.to_str().unwrap();
    for path in
        std::fs::read_dir(format!("{}/../vectors/captures", env!("CARGO_MANIFEST_DIR"))).unwrap()
    {
        let path = path.unwrap().path();
        let Some(file) = path.to_str().filter(|path| path.ends_with(".pcapng")) else { continue };
        let found = codes(&rows(&[file]));

        decoded(&[file, "-w", copy]);
        assert_eq!(codes(&rows(&[copy])), found, "{file}");

        for filter in ["msg == SubmitShares*", "dir == down", "n > 8"] {
            decoded(&[file, "--filter", filter, "-w", copy]);
            let again = codes(&rows(&[copy]));
            assert!(again.is_subset(&found), "{file} {filter}: {again:?} beyond {found:?}");
        }
    }
}

#[test]
fn what_stands_beside_a_packet_stands_beside_it_in_a_copy() {
    let scratch = Scratch::new();
    let comments = |file: &[u8]| {
        let mut reader = sv2_capture::read::PacketReader::new(file);
        let mut comments = Vec::new();
        while let Some(item) = reader.next_item().unwrap() {
            if let sv2_capture::read::Item::Packet(packet) = item {
                comments.extend(packet.options.comment().map(str::to_owned));
            }
        }
        comments
    };
    let whole = std::fs::read(capture(TAP)).unwrap();
    let copy = scratch.path("copy.pcapng");

    decoded(&[&capture(TAP), "-w", copy.to_str().unwrap()]);

    let copied = comments(&std::fs::read(copy).unwrap());
    assert!(!copied.is_empty());
    assert_eq!(copied, comments(&whole));
}

#[test]
fn a_share_of_a_copy_is_not_blamed_for_a_job_that_was_left_out() {
    let scratch = Scratch::new();
    let copy = scratch.path("copy.pcapng");
    let copy = copy.to_str().unwrap();
    for words in [&["-w", copy][..], &["-w", copy, "--plain"]] {
        let shares = ["--filter", "msg == SubmitSharesStandard"];

        decoded(&[&[&*capture(TAP)], &shares[..], words].concat());

        let (text, _) = decoded(&[&[copy], &shares[..]].concat());
        assert!(text.contains("seq 7") && !text.contains("unknown-job"), "{text}");
    }
}

#[test]
fn what_a_capture_has_lost_is_lost_in_its_copy_at_the_same_place() {
    let scratch = Scratch::new();
    for is_sealed in [false, true] {
        let mut sample = ShareCapture::new(1, is_sealed);
        let pieces = [sample.next_piece(20), sample.next_piece(5), sample.next_piece(200)];
        let file = scratch.write("lost.pcapng", &[&pieces[0][..], &pieces[2]].concat());
        let copy = scratch.path("copy.pcapng");
        let copy = copy.to_str().unwrap();
        let happened = |file: &str| {
            let rows = rows(&[file]);
            let gap = rows.iter().find(|row| row["event"] == "gap").unwrap();
            let gap = ["n", "t", "dir", "len", "resynced"].map(|key| gap[key].clone());
            (rows.len(), gap, codes(&rows), said(&rows))
        };

        decoded(&[&file, "-w", copy]);

        assert_eq!(happened(copy), happened(&file));
    }
}

#[test]
fn packed_files_and_several_at_once_are_copied_like_one() {
    let scratch = Scratch::new();
    let mut sample = ShareCapture::new(3, true);
    let [first, second] = [sample.next_piece(300), sample.next_piece(300)];
    let whole = scratch.write("whole.pcapng", &[&first[..], &second].concat());
    let filter = ["--filter", "seq == 90 || seq == 150"];
    let expected = chosen(&rows(&[&whole]), &rows(&[&[&*whole], &filter[..]].concat()));
    // Each file needs its own head.
    let head_len = sv2_capture::Capture::new("assay").take().len();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = [first.clone(), [&first[..head_len], &second].concat()]
        .map(|piece| ruzstd::encoding::compress_to_vec(&piece[..], level));
    let one = scratch.write("1.pcapng.zst", &packed[0]);
    let two = scratch.write("2.pcapng.zst", &packed[1]);
    let copy = scratch.path("copy.pcapng");
    let copy = copy.to_str().unwrap();

    decoded(&[&[&*one, &two, "-w", copy], &filter[..]].concat());

    assert!(expected.len() > 6);
    assert_eq!(said(&rows(&[copy])), said(&expected));
}

#[test]
fn a_copy_of_what_was_chosen_is_decrypted_like_the_whole() {
    let scratch = Scratch::new();
    let file = capture(TAP);
    let copy = scratch.path("copy.pcapng");
    let copy = copy.to_str().unwrap();
    for filter in ["conn == 1", "conn == 1 && msg == SubmitShares.Success", "seq == 7", "accepted"]
    {
        let filter = ["--filter", filter];
        let only = ["-o", "csv", "--fields=msg,mac,job,seq"];
        let messages = |text: &str| {
            text.lines().filter(|line| !line.starts_with(',')).map(str::to_owned).collect()
        };
        let expected: Vec<String> = messages(&decoded(&[&[&*file], &filter[..], &only].concat()).0);

        assert_eq!(decoded(&[&[&*file, "-w", copy], &filter[..]].concat()).1, 0);
        let copied: Vec<String> = messages(&decoded(&[&[copy], &only[..]].concat()).0);
        for line in &expected {
            assert!(copied.contains(line), "{filter:?}: {line} is not in the copy");
        }

        decoded(&[&[&*file, "-w", copy, "--strip-keys"], &filter[..]].concat());
        assert_eq!(decoded(&[copy]).1, UNDECRYPTED);

        decoded(&[&[&*file, "-w", copy, "--plain"], &filter[..]].concat());
        let plain: Vec<String> = messages(&decoded(&[&[copy], &only[..]].concat()).0);
        let ok: Vec<String> = expected.iter().map(|line| line.replace(",ok,", ",plain,")).collect();
        for line in &ok {
            assert!(plain.contains(line), "{filter:?}: {line} is not in the clear copy");
        }
    }
}

#[test]
fn a_copy_has_the_keys_of_its_sessions_from_wherever_they_came() {
    let scratch = Scratch::new();
    let file = capture(TAP);
    let bare = scratch.path("bare.pcapng");
    let bare = bare.to_str().unwrap();
    decoded(&[&file, "-w", bare, "--strip-keys"]);
    let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
    let lines = text.split(['\n', '\0']).filter_map(|line| line.find("SV2_").map(|at| &line[at..]));
    let lines: Vec<&str> = lines.collect();
    let key_log = scratch.write("keys.log", lines.join("\n").as_bytes());
    let copy = scratch.path("copy.pcapng");
    let copy = copy.to_str().unwrap();

    decoded(&[bare, "--key-log", &key_log, "--filter", "conn == 1", "-w", copy]);

    assert_eq!(decoded(&[bare]).1, UNDECRYPTED);
    assert_eq!(decoded(&[copy]).1, 0);
    let copied = String::from_utf8_lossy(&std::fs::read(copy).unwrap()).into_owned();
    assert_eq!((lines.len(), copied.matches("SV2_").count()), (8, 4));
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_shown() {
    let scratch = Scratch::new();
    let whole = sample(false);
    let cut = scratch.write("cut.pcapng", &whole[..whole.len() - 10]);
    let empty = scratch.write("empty", b"");
    let foreign = scratch.write("foreign", b"\x7fELF...............................");

    let (text, code) = decoded(&[&cut]);
    assert!(text.lines().count() > 1, "{text}");
    assert_eq!(code, UNREADABLE);
    for file in [empty, foreign] {
        assert_eq!(decoded(&[&file]), (String::new(), UNREADABLE));
    }
}

#[test]
fn behind_a_damaged_stretch_messages_are_shown_again() {
    let scratch = Scratch::new();
    let whole = std::fs::read(capture(TAP)).unwrap();
    let count = |bytes: &[u8]| {
        let file = scratch.write("a.pcapng", bytes);
        let (text, code) = decoded(&[&file, "-o", "csv", "--fields=msg"]);
        (text.lines().filter(|name| name.starts_with("Submit")).count(), code)
    };
    let (all, _) = count(&whole);

    let mut damaged = whole.clone();
    damaged[whole.len() / 2..][..300].fill(0xff);

    let (found, code) = count(&damaged);
    assert!(all - 6 < found && found < all, "{found} of {all}");
    assert_eq!(code, UNREADABLE);
}

#[test]
fn a_direction_of_packets_that_were_cut_short_is_lost_once() {
    let scratch = Scratch::new();
    let mut capture = sv2_capture::Capture::new("assay");
    let ends = ["10.0.0.1:50000", "10.0.0.2:34254"].map(|end| end.parse().unwrap());
    let now = sv2::time::Now { instant: sv2::time::Instant(0), unix: sv2::time::UnixTime(9) };
    let stream = capture.open(now, ends[0], ends[1]);
    let mut bytes = capture.take();
    for _ in 0..20 {
        capture.bytes(now, stream, sv2_capture::Direction::ClientToServer, "", &[7; 100]);
        let mut block = capture.take();
        // Half of the payload is not in the file.
        block.drain(28 + 92..28 + 140);
        for at in [4, block.len() - 4] {
            let len = u32::try_from(block.len()).unwrap();
            block[at..at + 4].copy_from_slice(&len.to_le_bytes());
        }
        block[20..24].copy_from_slice(&92_u32.to_le_bytes());
        bytes.extend(block);
    }
    let file = scratch.write("short.pcapng", &bytes);

    let (text, code) = decoded(&[&file]);

    assert_eq!((text.matches("W02").count(), code), (1, UNDECRYPTED), "{text}");
}

#[test]
fn what_becomes_of_a_message_is_known_at_its_place() {
    let count = |name: &str, filter: &str| {
        decoded(&[&capture(name), "-o", "csv", "--filter", filter]).0.lines().count() - 1
    };

    let shares = count(TAP, "msg == SubmitSharesStandard");
    // The last ones were on their way when the capture ended.
    let acknowledgements = count(TAP, "msg == SubmitShares.Success");
    assert!(0 < acknowledgements && acknowledgements < shares);
    assert_eq!(count(TAP, "accepted"), acknowledgements, "one for each share");
    assert_eq!(count(TAP, "rejected"), 0);
    assert_eq!(count("21-good-share-refused", "rejected"), 1);
    assert_eq!(count("24-request-without-an-answer", "unanswered"), 1);
}

#[test]
fn findings_are_printed_and_make_the_exit_code() {
    let file = capture("21-good-share-refused");

    let (text, code) = decoded(&[&file]);
    assert!(text.contains("W21"), "{text}");
    assert_eq!(code, 0);
    assert_eq!(decoded(&[&file, "--fail-on", "warning"]).1, FINDINGS);
    assert_eq!(decoded(&[&file, "--fail-on", "error"]).1, 0);
    assert_eq!(decoded(&[&file, "--fail-on", "error", "--deny", "21"]).1, FINDINGS);

    let (json, _) = decoded(&[&file, "-o", "jsonl", "--filter", "rule == 21"]);
    let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(line["x"], serde_json::json!(["C33", "W21"]));
    assert!(line["pair"].is_number() && line["why"][0].is_string(), "{line}");
}

#[test]
fn wrong_words_are_said_before_anything_is_read() {
    let rows = [
        (&["--filter", "chh == 1"][..], "chh"),
        (&["--fields", "n,jobb", "-o", "csv"], "jobb"),
        (&["--allow", "99"], "99"),
    ];
    for (words, expected) in rows {
        let words = [&["no-such-file"], words].concat();
        let outcome = decode(&options(&words), &mut Vec::new()).unwrap_err();

        let Outcome::Usage(text) = outcome else { panic!("{words:?}") };
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn several_files_are_merged_by_time() {
    let files = [TAP, "tap-translator_sv2-pool_sv2"].map(capture);
    let times = |files: &[&str]| {
        let (text, code) = decoded(&[files, &["-o", "csv", "--fields=t"]].concat());
        assert_eq!(code, 0);
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };

    let merged = times(&[&files[0], &files[1]]);

    let mut alone = [times(&[&files[0]]), times(&[&files[1]])].concat();
    alone.sort();
    assert_eq!(merged, alone);
}
