//! One share and one block, from one end of a network to the other.

use super::*;

#[test]
fn a_share_tells_its_story_and_no_other() {
    let mut app = app();
    press(&mut app, "smsg == SubmitSharesExtended\ngs");

    let names: Vec<_> = (0..app.shown_count())
        .map(|place| crate::inspect::describe::name(&app.shown_at(place).unwrap()))
        .collect();
    let expected =
        ["NewExtendedMiningJob", "SetNewPrevHash", "SubmitSharesExtended", "SubmitShares.Success"];
    assert_eq!(names, expected);
}

/// Three minutes of configuration A: devices, a proxy, a client that declares jobs, a pool, a job
/// declarator server and two template providers.
fn network() -> App {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        simulate: crate::simulate::Simulate,
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let words = ["", "config-a", "--for", "3min", "--capture", "--output", output];
    let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
    let outcome = crate::simulate::run(&line.simulate);
    assert!(matches!(outcome, crate::outcome::Outcome::Done), "{outcome:?}");
    let files = vec![folder.path().join("run.pcapng")];
    let input = Input { files, ..Input::default() };
    let session = open(&input, Policy::default(), None, None).unwrap();
    App::new(session, Theme::new(ThemeName::Mono, true), Keymap::default())
}

/// What is shown: connections, and names of messages in their order.
fn shown(app: &App) -> (usize, Vec<String>) {
    let entries: Vec<_> = (0..app.shown_count()).filter_map(|place| app.shown_at(place)).collect();
    let connections: std::collections::BTreeSet<_> =
        entries.iter().map(|entry| entry.connection).collect();
    (connections.len(), entries.iter().map(|entry| crate::inspect::describe::name(entry)).collect())
}

#[test]
fn a_share_is_followed_from_job_to_answer_through_a_network_with_seven_keys() {
    let mut app = network();

    press(&mut app, "5<R\nGgs");

    let (connections, names) = shown(&app);
    let place = |name: &str| names.iter().position(|shown| shown.starts_with(name));
    let way = ["NewTemplate", "New", "SubmitShares", "SubmitShares.Success"].map(place);
    assert!(way.iter().all(Option::is_some) && way.is_sorted(), "{names:?}");
    let shares = names
        .iter()
        .filter(|name| ["SubmitSharesStandard", "SubmitSharesExtended"].contains(&name.as_str()));
    assert!(connections >= 3 && shares.count() >= 2, "{connections}: {names:?}");
}

#[test]
fn a_block_is_followed_from_template_to_submission_through_a_network_with_four_keys() {
    let mut app = network();

    press(&mut app, "]bgs");

    let (connections, names) = shown(&app);
    let place = |name: &str| names.iter().position(|shown| shown.starts_with(name));
    let way =
        ["NewTemplate", "DeclareMiningJob", "SetCustomMiningJob", "SubmitShares", "SubmitSolution"];
    let places = way.map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{names:?}");
    assert!(place("PushSolution").is_some() && connections >= 5, "{connections}: {names:?}");
    press(&mut app, "4");
    assert!(screen(&mut app, 160, 40).contains("SubmitSol"));
}
