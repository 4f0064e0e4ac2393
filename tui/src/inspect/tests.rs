//! The screens at four widths, of a conversation that is small enough to read.

mod export;
mod graphs;
mod intercept;
mod stories;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::message::Message;
use sv2::mining::{
    NewExtendedMiningJob, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesError, SubmitSharesExtended, SubmitSharesSuccess,
};
use sv2::wire::{B32, B64K, Seq255, Str255, Target, Tlvs, U256};
use sv2_capture::Direction;
use sv2_capture::observed::{Integrity, Observed, What};
use sv2_capture::read::Found;
use sv2_capture::rules::Policy;
use sv2_capture::state::Derived;

use super::app::{App, Flow, Pane, Reading};
use super::far_marks::FarMarks;
use super::keys::{Keymap, Screen};
use super::open::open;
use super::session::Session;
use super::theme::{Theme, ThemeName};
use super::view;
use crate::capture::{Follower, Input};

const START: u64 = 1_700_000_000_000_000_000;

/// An observation of no file.
fn take(session: &mut Session, follower: &mut Follower, observed: Observed<'_>) {
    let came = follower.follow(&observed);
    let found = Found { observed, places: &[], pieces: &[], seal: None, is_left_sealed: false };
    came.show(&found, &mut |seen| session.take(seen));
}

/// A device and its pool: set-up, a channel, a job, a share that is paid, a new block, and a share
/// that comes too late for it.
fn session() -> Session {
    let mut session = Session::new("pool.pcapng".into());
    let mut follower = Follower::new(Policy::default());
    let mut number = 0;
    let mut observe = |at_ms: u64, what: What<'_>| {
        number += 1;
        let at = START + at_ms * 1_000_000;
        take(&mut session, &mut follower, Observed { number, at, connection: 0, what });
    };
    observe(
        0,
        What::Opened {
            client: ([10, 0, 3, 9], 51_044).into(),
            server: ([10, 0, 3, 1], 34_254).into(),
            from_the_start: true,
            is_selection: false,
            is_redacted: false,
        },
    );
    let mut say = |at_ms: u64, direction: Direction, message: Message| {
        let frame = message.to_frame(&Tlvs::NONE);
        observe(at_ms, What::Frame { direction, frame: &frame, integrity: Integrity::Plain });
    };
    let (up, down) = (Direction::ClientToServer, Direction::ServerToClient);
    let target = Target::from_expected_hashes(1.0);
    let vendor = Str255::from_static("bitaxe");
    let setup = SetupConnection { min_version: 2, max_version: 2, vendor, ..Default::default() };
    say(1, up, setup.into());
    say(2, down, SetupConnectionSuccess { used_version: 2, flags: 0 }.into());
    let open = OpenExtendedMiningChannel {
        request_id: 1,
        user_identity: Str255::from_static("farm1.rack4"),
        nominal_hash_rate: 1e6,
        max_target: Target(U256::MAX),
        min_extranonce_size: 4,
    };
    say(3, up, open.into());
    let success = OpenExtendedMiningChannelSuccess {
        request_id: 1,
        channel_id: 7,
        target,
        extranonce_size: 8,
        extranonce_prefix: B32::new(&[0, 1, 0xa2]).unwrap(),
        group_channel_id: 2,
    };
    say(4, down, success.into());
    for (at_ms, job_id, tip) in [(5, 41, 1_u8), (5_000, 43, 2)] {
        say(at_ms, down, job(job_id).into());
        let tip = SetNewPrevHash {
            channel_id: 7,
            job_id,
            prev_hash: U256::from_le_bytes([tip; 32]),
            min_ntime: 1_700_000_000,
            nbits: 0x1d00_ffff,
        };
        say(at_ms + 1, down, tip.into());
        if job_id == 41 {
            say(1_000, up, share(912, 41).into());
            let paid = SubmitSharesSuccess {
                channel_id: 7,
                last_sequence_number: 912,
                new_submits_accepted_count: 1,
                new_shares_sum: 0,
            };
            say(1_001, down, paid.into());
        }
    }
    say(9_000, up, share(913, 41).into());
    let error_code = Str255::from_static("stale-share");
    let refusal = SubmitSharesError { channel_id: 7, sequence_number: 913, error_code };
    say(9_001, down, refusal.into());
    session
}

fn job(job_id: u32) -> NewExtendedMiningJob {
    // A coinbase of one input and one output, around eleven bytes of extranonce.
    let prefix = [&[1, 0, 0, 0, 1][..], &[0; 32], &[0xff; 4], &[13, 1, 0x66]].concat();
    let suffix = [&[0xff; 4][..], &[1], &50_u64.to_le_bytes(), &[1, 0x51], &[0; 4]].concat();
    NewExtendedMiningJob {
        channel_id: 7,
        job_id,
        min_ntime: None,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq255::default(),
        coinbase_tx_prefix: B64K::new(prefix).unwrap(),
        coinbase_tx_suffix: B64K::new(suffix).unwrap(),
    }
}

fn share(sequence_number: u32, job_id: u32) -> SubmitSharesExtended {
    SubmitSharesExtended {
        channel_id: 7,
        sequence_number,
        job_id,
        nonce: 0xf07a_125e,
        ntime: 1_700_000_005,
        version: 0x2000_0000,
        extranonce: B32::new(&[0x2a; 8]).unwrap(),
    }
}

fn app() -> App {
    App::new(session(), Theme::new(ThemeName::Mono, true), Keymap::default())
}

fn press(app: &mut App, keys: &str) -> Flow {
    let mut flow = Flow::GoOn;
    for letter in keys.chars() {
        let code = match letter {
            '\n' => KeyCode::Enter,
            letter => KeyCode::Char(letter),
        };
        flow = app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    flow
}

fn screen(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn a_stale_share_is_found_with_two_keys_and_explained_with_two_more() {
    let mut app = app();

    press(&mut app, "6\n");
    let found = app.current().unwrap();
    assert_eq!(
        (super::describe::name(&found), found.job),
        ("SubmitSharesExtended".into(), Some(41))
    );

    press(&mut app, "gp");
    assert_eq!(super::describe::name(&app.current().unwrap()), "SubmitShares.Error");

    press(&mut app, "gp");
    press(&mut app, "gd");
    assert_eq!(super::describe::name(&app.current().unwrap()), "NewExtendedMiningJob");
}

#[test]
fn filters_keep_the_cursor_where_it_was_and_say_when_nothing_fits() {
    let mut app = app();
    press(&mut app, "G");
    let last = app.current().unwrap().number;

    press(&mut app, "/msg == Submit*\n");
    assert_eq!((app.shown_count(), app.current().unwrap().number), (4, last));

    press(&mut app, "F/job == 99\n");
    assert_eq!((app.shown_count(), app.said.is_empty()), (0, false));
    assert!(screen(&mut app, 80, 20).contains("nothing fits the filter"));

    press(&mut app, "F");
    assert_eq!(app.shown_count(), app.session.len());
}

#[test]
fn back_leads_to_where_one_came_from_and_out_at_last() {
    let mut app = app();

    press(&mut app, "3\n");
    assert_eq!(app.filter, "conn == 0 && ch == 7");
    assert_eq!(press(&mut app, "qq"), Flow::GoOn);
    assert_eq!(press(&mut app, "q"), Flow::GoOn);

    assert_eq!(press(&mut app, "q"), Flow::End);
}

#[test]
fn every_screen_is_drawn_at_every_size() {
    let mut app = app();
    for digit in '1'..='9' {
        press(&mut app, &digit.to_string());
        for width in [20, 40, 59, 60, 79, 80, 119, 120, 250] {
            for height in [3, 10, 24, 60] {
                screen(&mut app, width, height);
            }
        }
    }
}

/// Wide to narrow: what fits, and what is left out.
const SIZES: [(u16, u16); 4] = [(120, 30), (80, 24), (60, 20), (40, 12)];

/// A screen at every size.
fn at_sizes(app: &mut App, draw: fn(&mut App, u16, u16) -> String) -> String {
    let drawn =
        SIZES.map(|(width, height)| format!("{width} x {height}\n{}", draw(app, width, height)));
    drawn.join("\n")
}

#[test]
fn screens_look_as_they_did() {
    let mut app = app();
    press(&mut app, "G");
    for (digit, name) in ('1'..).zip(Screen::ALL) {
        press(&mut app, &digit.to_string());
        let name = name.name().to_lowercase();
        insta::assert_snapshot!(format!("mono_{name}"), at_sizes(&mut app, screen));
    }
    press(&mut app, "?");
    insta::assert_snapshot!("help", at_sizes(&mut app, screen));
}

#[test]
fn screens_without_signs_beyond_ascii_look_as_they_did() {
    let mut app = app();
    app.theme = Theme::new(ThemeName::Mono, false);
    press(&mut app, "G >");
    let mut drawn = String::new();
    for digit in ['1', '2', '4', '7'] {
        press(&mut app, &digit.to_string());
        drawn.push_str(&screen(&mut app, 80, 20));
        drawn.push('\n');
    }
    assert!(drawn.is_ascii(), "{drawn}");
    insta::assert_snapshot!("ascii", drawn);
}

#[test]
fn what_lies_over_a_screen_looks_as_it_did() {
    let rows = [
        ("prompt", "/ch == 7 && lat"),
        ("problem", "/ch == "),
        ("columns", "o"),
        ("command", ":ne"),
        ("diff", "]e gpd"),
    ];
    for (name, keys) in rows {
        let mut app = app();
        press(&mut app, keys);
        insta::assert_snapshot!(format!("over_{name}"), screen(&mut app, 100, 24));
    }
}

/// Runs of one colour, each in front of its text.
fn colored(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app)).unwrap();
    let mut text = String::new();
    for row in terminal.backend().buffer().content().chunks(width.into()) {
        let mut last = None;
        for cell in row {
            let style = (cell.fg, cell.modifier);
            if last != Some(style) {
                let names = cell.modifier.iter_names().map(|(name, _)| name);
                let names: Vec<_> = names.collect();
                text.push_str(&format!("<{} {}>", cell.fg, names.join("+")));
                last = Some(style);
            }
            text.push_str(cell.symbol());
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[test]
fn colours_are_where_they_were() {
    let mut app = app();
    app.theme = Theme::new(ThemeName::Dark, true);
    press(&mut app, "G");
    for (digit, name) in ('1'..).zip(Screen::ALL) {
        press(&mut app, &digit.to_string());
        let name = name.name().to_lowercase();
        insta::assert_snapshot!(format!("dark_{name}"), at_sizes(&mut app, colored));
    }
    press(&mut app, "1");
    for theme in [ThemeName::Light, ThemeName::Hc] {
        app.theme = Theme::new(theme, true);
        let name = format!("{theme:?}_messages").to_lowercase();
        insta::assert_snapshot!(name, colored(&mut app, 120, 30));
    }
}

#[test]
fn a_search_steps_through_what_it_takes_and_hides_nothing() {
    let mut app = app();
    let all = app.shown_count();

    press(&mut app, "smsg == Submit*\n");
    let mut names = vec![super::describe::name(&app.current().unwrap())];
    for _ in 0..3 {
        press(&mut app, "n");
        names.push(super::describe::name(&app.current().unwrap()));
    }

    assert_eq!(app.shown_count(), all);
    let [share, paid, late, refused] = &names[..] else { panic!("{names:?}") };
    assert_eq!((share.as_str(), late), ("SubmitSharesExtended", share));
    assert_eq!((paid.as_str(), refused.as_str()), ("SubmitShares.Success", "SubmitShares.Error"));
    press(&mut app, "n");
    assert_eq!(app.said, "no further one");
    press(&mut app, "N");
    assert_eq!(super::describe::name(&app.current().unwrap()), "SubmitSharesExtended");
}

#[test]
fn marks_and_comments_are_shown_and_filtered_by() {
    let mut app = app();
    press(&mut app, "Gma;why so late?\ngg'a");
    let number = app.current().unwrap().number;

    assert!(screen(&mut app, 120, 30).contains(&format!("a;{number}")));
    assert!(app.tree().iter().any(|line| line.text == "why so late?"));
    for filter in ["mark == a", "comment contains late"] {
        app.set_filter(filter);
        assert_eq!((app.shown_count(), app.current().unwrap().number), (1, number), "{filter}");
    }

    press(&mut app, "F;");
    assert_eq!(app.prompt.as_ref().unwrap().text, "why so late?");
    app.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    press(&mut app, "\n");
    assert_eq!(app.session.remarks.comment_of(number), None);
}

#[test]
fn a_click_chooses_a_line_and_one_on_the_same_line_opens_it() {
    let mut app = app();
    for (width, row, line) in [(120, 5, 2), (40, 7, 2)] {
        press(&mut app, "gg");
        screen(&mut app, width, 40);

        app.click(3, row);
        assert_eq!((app.cursor, app.pane), (line, Pane::List), "{width}");

        screen(&mut app, width, 40);
        app.click(3, row);
        assert_eq!((app.cursor, app.pane), (line, Pane::Tree), "{width}");
        press(&mut app, "q");
        screen(&mut app, width, 40);
        app.click(3, 39);
        assert_eq!(app.cursor, line, "below the list is nothing to click at");
    }
}

#[test]
fn keys_are_those_of_the_file() {
    let keymap = Keymap::parse("keys.toml", "[keys]\npair = [\"p\"]\nhelp = [\"x\"]\n").unwrap();
    let mut app = App::new(session(), Theme::new(ThemeName::Mono, true), keymap);

    press(&mut app, "Gp");
    assert_eq!(super::describe::name(&app.current().unwrap()), "SubmitSharesExtended");
    press(&mut app, "gp?");
    assert!(!app.is_help);
    press(&mut app, "x");
    assert!(screen(&mut app, 120, 40).contains("p            to the answer"));
}

#[test]
fn whoever_looks_on_sees_no_address_and_no_user() {
    let mut app = app();
    press(&mut app, "P");
    app.session.note("/home/rack4/run.pcapng: 10.0.3.9".into());
    press(&mut app, ":columns\nuser src err info\n");
    for keys in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "1 kd"] {
        press(&mut app, keys);
        let text = screen(&mut app, 250, 40);
        assert!(!text.contains("10.0.3") && !text.contains("rack4"), "{text}");
    }
}

#[test]
fn whoever_stands_at_the_end_of_what_is_live_stays_there_and_nobody_else_is_moved() {
    for (keys, filter, stays) in
        [("G", "", false), ("Gk", "", true), ("G", "msg == Submit*", false), ("gg", "", true)]
    {
        let mut app = app();
        app.reading = Reading::Live;
        app.set_filter(filter);
        press(&mut app, keys);
        let (before, count) = (app.current().unwrap().number, app.shown_count());
        let (number, at) = (app.session.len() as u64 + 1, app.session.end() + 1);

        let message = Message::from(SubmitSharesSuccess {
            channel_id: 1,
            last_sequence_number: 1,
            new_submits_accepted_count: 1,
            new_shares_sum: 1,
        });
        let frame = message.to_frame(&Tlvs::default());
        let (direction, integrity) = (Direction::ServerToClient, Integrity::Plain);
        let what = What::Frame { direction, frame: &frame, integrity };
        let mut follower = Follower::new(Policy::default());
        take(&mut app.session, &mut follower, Observed { number, at, connection: 0, what });
        app.grow();

        assert_eq!(app.shown_count(), count + 1, "{keys} {filter}");
        let now = app.current().unwrap().number;
        assert_eq!(now, if stays { before } else { number }, "{keys} {filter}");
    }
}

/// A capture that ships, in a folder of its own.
fn opened(name: &str) -> (tempfile::TempDir, Input, App) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    let capture = format!("{}/../vectors/captures/{name}.pcapng", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(capture, &file).unwrap();
    let input = Input { files: vec![file.clone()], ..Input::default() };
    let session = open(&input, Policy::default(), None, None).unwrap();
    let mut app = App::new(session, Theme::new(ThemeName::Mono, true), Keymap::default());
    app.origin = Some(file);
    (folder, input, app)
}

#[test]
fn the_list_of_messages_gets_more_room_or_less() {
    let mut app = app();
    let height = |app: &mut App| {
        screen(app, 120, 40);
        app.list.get().area.height
    };
    let usual = height(&mut app);

    press(&mut app, "++");
    let tall = height(&mut app);
    press(&mut app, "--------------");
    let short = height(&mut app);
    press(&mut app, "=");

    assert!(short > 0 && short < usual && usual < tall, "{short} {usual} {tall}");
    assert_eq!(height(&mut app), usual);
}

#[test]
fn a_capital_mark_is_compared_with_a_message_of_another_capture() {
    let (folder, _, mut first) = opened("21-good-share-refused");
    press(&mut first, "/msg == SubmitSharesExtended\nmA");
    let marks = folder.path().join("marks.toml");
    assert!(first.far_marks.take_change());
    first.far_marks.save(&marks).unwrap();
    let (_other, _, mut second) = opened("22-sequence-number-used-again");
    let text = std::fs::read_to_string(&marks).unwrap();
    second.far_marks = FarMarks::parse("marks", &text).unwrap();
    press(&mut second, "/msg == SubmitSharesExtended\n");

    press(&mut second, "'A");
    assert!(second.said.contains("run.pcapng; D A compares"), "{}", second.said);
    press(&mut second, "DA");

    let text = screen(&mut second, 120, 30);
    let heading = text.lines().find(|line| line.contains(" of run.pcapng")).unwrap();
    assert_eq!(heading.matches("SubmitSharesExtended").count(), 2, "{text}");
    assert!(text.lines().any(|line| line.contains('≠') && line.contains("pair")), "{text}");
}

#[test]
fn a_mark_of_this_capture_is_compared_as_the_chosen_message_is() {
    let (_folder, _, mut app) = opened("22-share-sent-twice");
    press(&mut app, "/msg == SubmitSharesStandard\nmaj");
    press(&mut app, "Da");
    let by_mark = screen(&mut app, 120, 30);
    press(&mut app, "qk j");

    press(&mut app, "d");

    assert!(app.compared.is_some());
    assert_eq!(screen(&mut app, 120, 30).replace('*', " "), by_mark);
}

#[test]
fn columns_are_chosen_and_those_of_the_width_come_back() {
    let mut app = app();
    let before = screen(&mut app, 120, 30);

    press(&mut app, "o");
    app.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    press(&mut app, "n msg:22 SubmitSharesExtended.nonce seq info\nG");

    let text = screen(&mut app, 120, 30);
    let head = "# message                SubmitSharesExt…       seq info";
    assert!(text.contains(head) && text.contains("4034531934"), "{text}");

    press(&mut app, "o");
    app.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    press(&mut app, "\ngg");
    assert_eq!(screen(&mut app, 120, 30), before);
}

#[test]
fn messages_are_sorted_by_a_column_and_the_cursor_stays_on_its_message() {
    let mut app = app();
    press(&mut app, "o");
    app.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    press(&mut app, "n latency msg\nG");
    let last = app.current().unwrap().number;

    press(&mut app, ">>R");

    assert_eq!(app.current().unwrap().number, last);
    let latencies: Vec<_> =
        (0..app.shown_count()).map(|place| app.shown_at(place).unwrap().latency).collect();
    let with = latencies.iter().take_while(|latency| latency.is_some()).count();
    assert!(with > 2 && latencies[..with].is_sorted_by(|one, other| one >= other));
    assert!(latencies[with..].iter().all(Option::is_none));

    press(&mut app, "<<");
    let numbers = (0..app.shown_count()).map(|place| app.shown_at(place).unwrap().number);
    assert!(numbers.is_sorted());
}

#[test]
fn a_line_of_a_sorted_screen_opens_what_it_shows() {
    let mut app = app();
    press(&mut app, "5R>>>>>>R");
    let text = screen(&mut app, 120, 20);
    assert!(text.contains("▼shares"), "{text}");

    press(&mut app, "\n");

    assert_eq!(app.filter, "conn == 0 && (n == 6 || job(7, 41))");
}

#[test]
fn a_command_does_what_its_key_does() {
    let mut app = app();

    press(&mut app, ":#12\n");
    assert_eq!(app.current().unwrap().number, 12);

    press(&mut app, ":ladder\n");
    assert_eq!(app.screen, Screen::Ladder);

    press(&mut app, ":laddar\n");
    assert!(app.prompt.is_some() && app.said.contains("ladder"), "{}", app.said);
    app.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    assert_eq!(press(&mut app, ":quit\n"), Flow::End);
}

#[test]
fn what_is_longer_than_the_screen_is_scrolled() {
    let mut app = app();
    press(&mut app, "?G");

    let text = screen(&mut app, 60, 12);

    assert!(text.contains("log of the reader"), "{text}");
    press(&mut app, "gg");
    assert!(screen(&mut app, 60, 12).contains("j and k scroll"));
    press(&mut app, "x?q");
    assert!(!app.is_help);
}

#[test]
fn the_last_place_is_found_again() {
    let mut app = app();
    press(&mut app, "G");
    let last = app.current().unwrap().number;

    press(&mut app, "gp''");
    assert_eq!(app.current().unwrap().number, last);
}

#[test]
fn no_keys_and_no_clicks_break_the_screen() {
    const KEYS: &[u8] = b"jkhlHMLgGpdslqQ/sfFnN][ebcCeEmay';ofSt>R<wPfm?:x12345678990 \\\n\n\n&=ab";
    for seed in 0..50 {
        let mut entropy = sv2::entropy::Entropy::from_seed(seed);
        let mut app = app();
        let mut below = |count: usize| {
            usize::try_from(entropy.below(count as u64)).expect("it is below a length")
        };
        let mut typed = String::new();
        for _ in 0..120 {
            let key = char::from(KEYS[below(KEYS.len())]);
            typed.push(key);
            let code = match (key, below(20)) {
                ('\n', _) => KeyCode::Enter,
                (_, 0) => KeyCode::Esc,
                (_, 1) => KeyCode::Tab,
                (_, 2) => KeyCode::Down,
                (_, 3) => KeyCode::Backspace,
                (key, _) => KeyCode::Char(key),
            };
            app.key(KeyEvent::new(code, KeyModifiers::NONE));
            let (width, height) = [(120, 40), (60, 20), (41, 11), (20, 5)][below(4)];
            if below(4) == 0 {
                screen(&mut app, width, height);
                app.click(3, u16::try_from(below(20)).unwrap());
            }
        }

        // Whatever lies over it can be closed.
        for _ in 0..3 {
            app.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        }
        let text = screen(&mut app, 120, 40);
        assert!(text.contains("13 msg") || app.is_private, "seed {seed}, {typed:?}: {text}");
    }
}
