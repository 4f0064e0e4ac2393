//! Messages that wait at a tap, as the screen knows of them.

use super::*;
use crate::inspect::app::intercept::Tap;

/// A live app whose tap has greeted it.
fn live() -> App {
    let mut app = app();
    app.reading = Reading::Live;
    app.tap = Some(Tap::default());
    app.tap_said("assay-tap 1");
    app
}

/// What the tap was told since.
fn told(app: &mut App) -> Vec<String> {
    std::mem::take(&mut app.tap.as_mut().unwrap().to_say)
}

#[test]
fn keys_become_words_for_the_tap() {
    let mut app = live();

    press(&mut app, "imsg == Submit*\n");
    assert_eq!(told(&mut app), ["filter msg == Submit*"]);
    // The second share, which is the fourth message of the client.
    app.tap_said("held 3 10.0.3.9:51044 10.0.3.1:34254 up 4");
    app.tap_said("held 5 10.0.3.9:51044 10.0.3.1:34254 down 99");
    assert!(app.is_held(12) && app.said.contains("a message waits"), "{}", app.said);
    press(&mut app, ":12\n");
    app.said.clear();
    insta::assert_snapshot!("intercept", screen(&mut app, 100, 24));

    for (keys, expected) in [
        // What is under the cursor, or else what waits longest.
        ("a", "forward 3"),
        ("ggX", "drop 3"),
        ("T", "twice 3"),
        ("A", "forward all"),
        ("I", "filter "),
        ("I", "filter msg == Submit*"),
        ("i", ""),
    ] {
        press(&mut app, keys);
        let said = told(&mut app);
        assert_eq!(said, if expected.is_empty() { vec![] } else { vec![expected] }, "{keys}");
    }
    app.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));

    app.tap_said("gone 3 dropped");
    assert!(!app.is_held(12) && app.said == "#12: dropped; 1 wait", "{}", app.said);
    press(&mut app, "a");
    assert_eq!(told(&mut app), ["forward 5"], "what has not come yet can be decided about");
    app.let_all_pass();
    assert_eq!(told(&mut app), ["filter "]);
}

#[test]
fn a_message_is_sent_again_as_it_was_on_its_connection() {
    let mut app = live();

    press(&mut app, ":2\nr");
    let [line] = &told(&mut app)[..] else { panic!("one line") };
    let bytes = crate::inspect::yank::frame_bytes(&app.current().unwrap());
    let bytes = crate::inspect::describe::hex(&bytes);
    assert_eq!(*line, format!("again 10.0.3.9:51044 10.0.3.1:34254 up {bytes}"));

    press(&mut app, "ggr");
    assert!(told(&mut app).is_empty() && app.said.contains("no message"), "{}", app.said);
}

#[test]
fn without_a_tap_that_listens_keys_say_why_nothing_happens() {
    let mut app = app();
    for key in ["i", "I", "a", "A", "X", "T", "r"] {
        app.said.clear();
        press(&mut app, key);
        assert!(app.said.contains("--allow-intercept"), "{key}: {}", app.said);
    }
    app.tap = Some(Tap::default());
    press(&mut app, "a");
    assert!(app.said.contains("another inspector"), "{}", app.said);
    app.lose_tap();
    assert!(app.tap.is_none() && app.said.contains("everything passes"), "{}", app.said);
}

#[test]
fn no_line_of_a_tap_is_too_strange() {
    let mut app = live();
    for line in [
        "",
        "held",
        "held 1 x y up 1",
        "held 1 1.2.3.4:5 1.2.3.4:6 up",
        "gone",
        "gone x y",
        "error \u{1b}[2J",
        "done",
        "what",
    ] {
        app.tap_said(line);
    }
    assert!(!app.said.contains('\u{1b}'));
    for id in 0..10_000 {
        app.tap_said(&format!("held {id} 1.2.3.4:5 1.2.3.4:6 up 1"));
    }
    press(&mut app, "a");
    assert_eq!(told(&mut app), ["forward 0"]);
}
