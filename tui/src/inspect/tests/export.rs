//! What is exported, and read again.

use super::*;

fn key_count(path: &std::path::Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(8).filter(|bytes| bytes == b"SV2_I2R ").count()
}

/// Frames that were decrypted.
fn decrypted(session: &Session) -> Vec<Vec<u8>> {
    let entries = (0..session.len()).filter_map(|index| session.entry(index));
    let whole = entries.filter(|entry| entry.integrity == Some(Integrity::Verified));
    whole.map(|entry| crate::inspect::yank::frame_bytes(&entry)).collect()
}

#[test]
fn what_is_exported_can_be_decrypted_and_opens_no_other_session() {
    for (keys, name) in [("wc\n", "run-connection.pcapng"), ("wp\n", "run-pair.pcapng")] {
        let (folder, input, mut app) = opened("tap-mining_device-pool_sv2");
        let whole = decrypted(&app.session);
        press(&mut app, "/msg == SubmitShares* && conn == 1\nF");

        press(&mut app, keys);
        let said = app.export.take().unwrap().write(&input);

        let copy = folder.path().join(name);
        assert!(said.contains(name), "{said}");
        assert_eq!((key_count(&input.files[0]), key_count(&copy)), (2, 1), "{keys}");
        let input = Input { files: vec![copy], ..Input::default() };
        let copied = decrypted(&open(&input, Policy::default(), None, None).unwrap());
        assert!(copied.len() >= 2 && copied.len() < whole.len(), "{copied:?}");
        let missing = copied.iter().find(|message| !whole.contains(message));
        assert_eq!(missing, None, "{keys}");
    }
}

#[test]
fn comments_are_exported_as_comments_on_packets() {
    let (folder, input, mut app) = opened("tap-mining_device-pool_sv2");
    press(&mut app, "/msg == SubmitSharesStandard\n;so late\nwf\n");

    app.export.take().unwrap().write(&input);

    let copy = std::fs::read(folder.path().join("run-shown.pcapng")).unwrap();
    let mut reader = sv2_capture::read::PacketReader::new(&copy[..]);
    let mut comments = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let sv2_capture::read::Item::Packet(packet) = item {
            comments.extend(packet.options.comment().map(str::to_owned));
        }
    }
    assert!(comments.contains(&"so late".to_owned()), "{comments:?}");
}

/// What is known of a share beyond what it says.
fn judged(share: &crate::inspect::entry::Entry) -> Vec<(&'static str, Derived)> {
    let names = ["hash", "diff", "target_diff", "verdict"];
    share.derived.iter().filter(|(name, _)| names.contains(name)).cloned().collect()
}

#[test]
fn a_share_that_is_exported_with_its_story_is_judged_again_as_it_was() {
    let (folder, input, mut app) = opened("tap-mining_device-pool_sv2");
    press(&mut app, "/accepted && conn == 1\ngswf\n");
    let share = app.current().unwrap();

    app.export.take().unwrap().write(&input);

    let copy = Input { files: vec![folder.path().join("run-shown.pcapng")], ..Input::default() };
    let copied = open(&copy, Policy::default(), None, None).unwrap();
    let again = (0..copied.len()).filter_map(|index| copied.entry(index));
    let again: Vec<_> = again.filter(|entry| judged(entry).len() == 4).collect();
    assert_eq!(judged(&share).len(), 4);
    assert!(again.iter().any(|entry| judged(entry) == judged(&share)), "{} others", again.len());
}

#[test]
fn a_file_that_is_there_is_written_over_only_after_a_second_word() {
    let (folder, _, mut app) = opened("clean-standard-channel");
    std::fs::write(folder.path().join("run-shown.pcapng"), "dear to somebody").unwrap();

    press(&mut app, "wf\n");
    assert!(app.export.is_none() && app.said.contains("is there"), "{}", app.said);

    press(&mut app, "\n");
    assert!(app.export.is_some());
}

#[test]
fn what_cannot_be_read_again_is_exported_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("live.pcapng");
    let mut app = app();
    press(&mut app, "/msg == SubmitShares*\nwf");
    app.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));

    press(&mut app, &format!("{}\n", to.display()));
    let said = app.export.take().unwrap().write_held(&app.session);

    assert!(said.contains("in clear"), "{said}");
    let input = Input { files: vec![to], ..Input::default() };
    let copy = open(&input, Policy::default(), None, None).unwrap();
    let told = |session: &Session, takes: &dyn Fn(&str) -> bool| -> Vec<(u64, Vec<u8>)> {
        let entries = (0..session.len()).filter_map(|index| session.entry(index));
        let frames = entries.filter(|entry| takes(&crate::inspect::describe::name(entry)));
        frames.map(|entry| (entry.at, crate::inspect::yank::frame_bytes(&entry))).collect()
    };
    let is_wanted = |name: &str| {
        ["SubmitShares", "SetupConnection", "OpenExtended"].iter().any(|it| name.starts_with(it))
    };
    let all = told(&app.session, &is_wanted);
    assert!(all.len() > 4 && all.len() < app.session.len(), "{}", all.len());
    assert_eq!(told(&copy, &|name: &str| name.contains(char::is_uppercase)), all);
}

#[test]
fn a_redacted_export_has_neither_keys_nor_users_nor_comments_nor_the_name_of_its_capture() {
    let (folder, input, mut app) = opened("tap-translator_sv2-pool_sv2");
    app.redact = Some(sv2_capture::redact::Categories::ALL);
    press(&mut app, "/msg == Open* && conn == 2\n;of farm1\ny");
    assert!(app.copied.is_none() && app.said.contains("--redact"), "{}", app.said);
    let user = b"translator-proxy";
    let message = crate::inspect::yank::frame_bytes(&app.current().unwrap());
    assert!(message.windows(user.len()).any(|window| window == user));

    press(&mut app, "wf\n");
    let said = app.export.take().unwrap().write(&input);

    let copy = folder.path().join("redacted-shown.pcapng");
    assert!(said.contains("redacted and in clear"), "{said}");
    let bytes = std::fs::read(&copy).unwrap();
    for part in [&b"SV2_"[..], user, b"farm1"] {
        assert!(!bytes.windows(part.len()).any(|window| window == part), "{part:?}");
    }
    let input = Input { files: vec![copy], ..Input::default() };
    let copied = open(&input, Policy::default(), None, None).unwrap();
    let names = (0..copied.len()).filter_map(|index| copied.entry(index));
    let names: Vec<_> = names.map(|entry| crate::inspect::describe::name(&entry)).collect();
    assert!(names.contains(&"OpenExtendedMiningChannel".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("SubmitShares")), "{names:?}");
}
