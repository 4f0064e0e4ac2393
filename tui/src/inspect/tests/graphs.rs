//! Graphs of a part of the time.

use super::*;
use crate::inspect::describe;

#[test]
fn a_moment_looks_closer_the_more_it_is_zoomed_in() {
    let mut app = app();
    press(&mut app, "7");
    let mut drawn = screen(&mut app, 80, 24);
    for keys in ["gglllllll", "+++", "ll", "-"] {
        press(&mut app, keys);
        drawn.push_str(&format!("{keys}\n{}", screen(&mut app, 80, 24)));
    }
    insta::assert_snapshot!("graphs_zoomed", drawn);
}

#[test]
fn enter_leads_to_the_first_message_of_a_moment() {
    let mut app = app();
    press(&mut app, "7");
    screen(&mut app, 80, 24);

    // The share is in the eighth column: a second after the start.
    press(&mut app, "ggllllllll");
    screen(&mut app, 80, 24);
    press(&mut app, "\n");
    let entry = app.current().unwrap();
    assert_eq!(app.screen, Screen::Messages);
    assert_eq!(describe::name(&entry), "SubmitSharesExtended");

    // Looked at closely, the answer has a column of its own.
    press(&mut app, "7+++++++");
    screen(&mut app, 80, 24);
    press(&mut app, "l\n");
    assert_eq!(describe::name(&app.current().unwrap()), "SubmitShares.Success");

    press(&mut app, "7");
    press(&mut app, "=");
    assert!(app.said.is_empty());
    press(&mut app, "=");
    assert!(app.said.contains("all of it"));
}

#[test]
fn nothing_happened_in_an_empty_moment() {
    let mut app = app();
    press(&mut app, "7");
    screen(&mut app, 80, 24);

    press(&mut app, "ggl\n");

    assert_eq!(app.screen, Screen::Graphs);
    assert!(app.said.contains("nothing happened"), "{}", app.said);
}

#[test]
fn what_comes_meanwhile_does_not_move_a_part_and_the_end_stays_the_end() {
    let mut app = app();
    app.reading = Reading::Live;
    press(&mut app, "7");
    screen(&mut app, 80, 24);
    press(&mut app, "ggllll++");
    let part = app.graph_window(79);
    press(&mut app, "1G7");

    let setup = SetupConnectionSuccess { used_version: 2, flags: 0 };
    let frame = Message::from(setup).to_frame(&Tlvs::NONE);
    let (direction, integrity) = (Direction::ServerToClient, Integrity::Plain);
    let what = What::Frame { direction, frame: &frame, integrity };
    let at = START + 60_000_000_000;
    let mut follower = Follower::new(Policy::default());
    take(&mut app.session, &mut follower, Observed { number: 14, at, connection: 0, what });
    app.grow();

    assert_eq!(app.graph_window(79), part);
    press(&mut app, "=G");
    let whole = app.graph_window(79);
    assert_eq!((whole.cursor, whole.bucket_of(at)), (78, Some(78)));
}

#[test]
fn no_key_is_too_much_for_an_empty_capture() {
    let session = Session::new("empty.pcapng".into());
    let mut app = App::new(session, Theme::new(ThemeName::Mono, true), Keymap::default());
    press(&mut app, "7");
    for keys in ["+", "-", "=", "h", "l", "gg", "G", "\n"] {
        press(&mut app, keys);
        screen(&mut app, 80, 24);
    }
    assert_eq!(app.screen, Screen::Graphs);
}
