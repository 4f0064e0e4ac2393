use std::fs;

use tempfile::TempDir;

use super::*;
use crate::capture::{Flow, Seen, walk};
use crate::inspect::open;

/// A capture of some devices, and where it is.
fn capture(is_sealed: bool) -> (TempDir, Input) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shares.pcapng");
    let mut sample = sv2_capture::sample::ShareCapture::new(3, is_sealed);
    fs::write(&path, sample.next_piece(800)).unwrap();
    (folder, Input { files: vec![path], ..Input::default() })
}

fn index_of(input: &Input) -> IndexFile {
    IndexFile::of_long(input, &Policy::default(), 0).unwrap()
}

/// Reads it, and leaves an index.
fn read_once(input: &Input) -> Session {
    open::open(input, Policy::default(), Some(index_of(input)), None).unwrap()
}

fn opened(input: &Input) -> Option<Session> {
    index_of(input).open(input, "shares.pcapng", false)
}

/// Everything that screens show of it.
fn shown(session: &Session) -> Vec<String> {
    let mut lines: Vec<String> = (0..session.len())
        .map(|index| {
            let entry = session.entry(index).unwrap();
            let bytes = crate::inspect::yank::frame_bytes(&entry);
            let row = session.row(index).unwrap();
            format!("{row:?} {} {:?} {:?} {bytes:?}", entry.info, entry.derived, entry.findings)
        })
        .collect();
    let mut out = Writer::default();
    session.connections().for_each(|row| row.write(&mut out));
    session.channels().for_each(|row| row.write(&mut out));
    session.jobs().iter().for_each(|row| row.write(&mut out));
    session.tally().write(&mut out);
    lines.push(format!("{:?} {} {}", out.into_bytes(), session.start(), session.end()));
    lines.extend(session.notes.iter().cloned());
    lines
}

#[test]
fn what_is_opened_by_its_index_shows_what_was_read() {
    for is_sealed in [false, true] {
        let (_folder, input) = capture(is_sealed);
        let read = read_once(&input);

        let again = opened(&input).expect("it was left");

        assert!(read.len() > 800);
        assert_eq!(shown(&again), shown(&read), "{is_sealed}");
    }
}

#[test]
fn nothing_but_the_index_is_left_in_the_folder() {
    let (folder, input) = capture(false);
    let index = index_of(&input);
    let names = || {
        let all = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = all.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let mut half_read = Session::of(&input, String::new()).indexed(Some(index));
    let mut take = |seen: &Seen<'_>| {
        half_read.take(seen);
        Flow::GoOn
    };
    walk(&input, Policy::default(), &mut take, &mut || Flow::GoOn).unwrap();
    half_read.write_index(&[], &End::default()).unwrap();
    assert_eq!(names(), ["shares.pcapng"], "while it is made");

    drop(half_read);
    read_once(&input);
    // Once more, over the one that is there.
    read_again(&input);

    assert_eq!(names(), ["shares.pcapng", "shares.pcapng.sv2idx"]);
    assert!(opened(&input).is_some());
}

#[test]
fn an_index_that_would_not_fit_on_the_disk_is_not_begun_and_all_is_shown_without() {
    let (folder, input) = capture(false);
    let expected = shown(&open::open(&input, Policy::default(), None, None).unwrap());
    let large = IndexFile { len: u64::MAX, ..index_of(&input) };

    let mut session = open::open(&input, Policy::default(), Some(large), None).unwrap();

    let why = session.notes.remove(0);
    assert!(why.starts_with("no index is made: it would take about 18.4EB, and "), "{why}");
    assert!(why.contains("set TMPDIR"), "{why}");
    assert_eq!(shown(&session), expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the capture alone");
}

#[test]
fn an_index_is_expected_to_be_as_long_as_its_capture_unpacked() {
    let (_folder, input) = capture(false);
    let path = &input.files[0];
    let capture = fs::read(path).unwrap();
    read_once(&input);
    let index = index_of(&input);

    let made = fs::metadata(&index.path).unwrap().len();
    assert!((made / 2..made * 2).contains(&index.len), "{} for {made}", index.len);

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&capture).unwrap();
    fs::write(path, gzip.finish().unwrap()).unwrap();
    let len = index_of(&input).len;
    assert!((made / 2..made * 2).contains(&len), "packed: {len} for {made}");
}

/// As if there were no index.
fn read_again(input: &Input) {
    let session = Session::of(input, String::new());
    let mut session = session.indexed(Some(index_of(input)));
    let mut take = |seen: &Seen<'_>| {
        session.take(seen);
        Flow::GoOn
    };
    let end = walk(input, Policy::default(), &mut take, &mut || Flow::GoOn).unwrap();
    session.keep_index(&end);
    assert!(session.notes.is_empty(), "{:?}", session.notes);
}

#[test]
fn no_key_stands_in_an_index() {
    let (_folder, input) = capture(true);
    read_once(&input);
    let text = fs::read(&input.files[0]).unwrap();
    let index = fs::read(&index_of(&input).path).unwrap();

    let mut count = 0;
    for (at, _) in text.windows(8).enumerate().filter(|(_, bytes)| bytes.starts_with(b"SV2_")) {
        let line = text[at..].split(|byte| *byte == b'\n').next().unwrap();
        let Some(secret) = line.split(|byte| *byte == b' ').nth(2) else { continue };
        let digits = std::str::from_utf8(secret).unwrap();
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        for secret in [&bytes[..], secret] {
            assert!(!index.windows(secret.len()).any(|window| window == secret));
        }
        count += 1;
    }
    assert!(count >= 6, "{count} keys");
}

#[test]
fn an_index_with_a_wrong_byte_or_without_its_end_is_not_used() {
    let (_folder, input) = capture(true);
    read_once(&input);
    let path = index_of(&input).path;
    let whole = fs::read(&path).unwrap();

    for at in (0..whole.len()).step_by(whole.len() / 61) {
        let mut altered = whole.clone();
        altered[at] ^= 0x10;
        fs::write(&path, &altered).unwrap();
        assert!(opened(&input).is_none(), "byte {at}");

        fs::write(&path, &whole[..at]).unwrap();
        assert!(opened(&input).is_none(), "cut at {at}");
    }

    fs::write(&path, &whole).unwrap();
    assert!(opened(&input).is_some());
}

#[test]
fn a_screen_is_told_of_a_damaged_index_and_the_file_is_gone() {
    let (_folder, input) = capture(false);
    read_once(&input);
    let index = index_of(&input);
    let mut bytes = fs::read(&index.path).unwrap();
    bytes[HEAD_LEN + 1000] ^= 1;
    fs::write(&index.path, &bytes).unwrap();

    let session = index.open(&input, "", true).expect("its table is whole");

    while session.failure().is_none() {
        std::thread::yield_now();
    }
    while index.path.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn an_index_of_something_else_is_made_anew() {
    let (folder, input) = capture(true);
    let whole = read_once(&input);
    let mut policy = Policy::default();
    policy.allow("18").unwrap();
    let with_policy = IndexFile::of_long(&input, &policy, 0).unwrap();
    assert!(with_policy.open(&input, "", false).is_none(), "other rules");

    let key_log = folder.path().join("keys.log");
    fs::write(&key_log, format!("SV2_I2R {} {}\n", "ab".repeat(64), "cd".repeat(32))).unwrap();
    let with_key = Input { key_logs: vec![key_log], ..input.clone() };
    assert!(opened(&with_key).is_none(), "another key");

    let mut longer = fs::read(&input.files[0]).unwrap();
    let cut = longer.len() - 60;
    longer.truncate(cut);
    fs::write(&input.files[0], &longer).unwrap();
    assert!(opened(&input).is_none(), "another capture");

    let mut count = 0;
    let mut take = |_: &Seen<'_>| {
        count += 1;
        Flow::GoOn
    };
    walk(&input, Policy::default(), &mut take, &mut || Flow::GoOn).unwrap();
    let anew = read_once(&input);
    assert_eq!(anew.len(), count);
    assert!(count <= whole.len());
}

#[test]
fn a_capture_that_is_not_whole_leaves_no_index() {
    let (_folder, input) = capture(false);
    let bytes = fs::read(&input.files[0]).unwrap();
    fs::write(&input.files[0], &bytes[..bytes.len() - 7]).unwrap();

    read_once(&input);

    assert!(!index_of(&input).path.exists());
}

#[test]
fn the_index_of_a_capture_in_this_folder_is_beside_it() {
    // Any file in the folder that tests run in.
    let input = Input { files: vec!["Cargo.toml".into()], ..Input::default() };
    let index = index_of(&input);

    assert_eq!(index.path, std::env::current_dir().unwrap().join("Cargo.toml.sv2idx"));
    assert_eq!(index.folder(), std::env::current_dir().ok());
}

#[test]
fn what_cannot_be_read_again_has_no_index() {
    let (folder, input) = capture(false);
    let other = folder.path().join("other.pcapng");
    fs::copy(&input.files[0], &other).unwrap();
    let two = Input { files: vec![input.files[0].clone(), other], ..Input::default() };
    let growing = Input { follow: true, ..input.clone() };

    for input in [two, growing] {
        assert!(IndexFile::of_long(&input, &Policy::default(), 0).is_none());
    }
}
