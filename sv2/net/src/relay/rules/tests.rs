use super::*;
use sv2::message::Message;
use sv2::mining::{CloseChannel, SubmitSharesStandard};
use sv2::wire::{Str255, Tlvs};

fn share(channel_id: u32, sequence_number: u32) -> Frame {
    let share = SubmitSharesStandard {
        channel_id,
        sequence_number,
        job_id: 1,
        nonce: 2,
        ntime: 3,
        version: 4,
    };
    Message::from(share).to_frame(&Tlvs::NONE)
}

fn watch(text: &str) -> Watch {
    Watch::new(Arc::new(Rules::parse("rules.toml", text).unwrap()))
}

#[test]
fn a_rule_meets_the_messages_that_it_names_and_only_as_often_as_it_says() {
    let mut watch = watch(
        r#"
        [[rule]]
        message = "SubmitSharesStandard"
        from = "client"
        channel = 7
        skip = 1
        times = 2
        drop = true
        "#,
    );
    let mut copies =
        |from, channel| watch.judge(from, &share(channel, 1)).map(|verdict| verdict.copies);

    let of_others = [copies(Side::Server, 7), copies(Side::Client, 8)];
    let of_its_own = [(); 4].map(|()| copies(Side::Client, 7));

    assert_eq!(of_others, [None, None]);
    assert_eq!(of_its_own, [None, Some(0), Some(0), None]);
}

#[test]
fn several_rules_meet_one_message_in_the_order_of_the_file() {
    let mut watch = watch(
        r#"
        [[rule]]
        name = "late"
        message = "SubmitSharesStandard"
        delay = "250ms"
        [[rule]]
        message = "SubmitSharesStandard"
        change = { nonce = 9, ntime = 8 }
        [[rule]]
        message = "SubmitSharesStandard"
        duplicate = 2
        [[rule]]
        message = "SubmitSharesStandard"
        close = true
        "#,
    );

    let verdict = watch.judge(Side::Client, &share(7, 1)).unwrap();

    assert_eq!(verdict.delay, Duration::from_millis(250));
    assert_eq!((verdict.copies, verdict.closes), (3, true));
    let changed = Message::decode(&verdict.changed.unwrap()).unwrap().message;
    let Message::SubmitSharesStandard(changed) = changed else { panic!("{changed:?}") };
    assert_eq!((changed.nonce, changed.ntime, changed.version), (9, 8, 4));
    assert_eq!(
        verdict.comments,
        [
            "rule \"late\": delayed by 250 ms",
            "rule 2: nonce changed, ntime changed",
            "rule 3: repeated 2 times",
            "rule 4: the connection is closed",
        ]
    );
}

#[test]
fn an_injected_message_goes_back_with_the_channel_of_its_cause() {
    let mut watch = watch(
        r#"
        [[rule]]
        message = "SubmitSharesStandard"
        inject = { message = "CloseChannel", to = "client", fields = { reason_code = "bye" } }
        "#,
    );

    let verdict = watch.judge(Side::Client, &share(7, 1)).unwrap();

    let close = CloseChannel { channel_id: 7, reason_code: Str255::from_static("bye") };
    let frame = Message::from(close).to_frame(&Tlvs::NONE);
    let comment = "assay tap: rule 1: injected".to_owned();
    assert_eq!((verdict.copies, verdict.injected), (1, vec![(Side::Client, frame, comment)]));
}

#[test]
fn what_is_not_understood_names_its_place_and_what_was_meant() {
    let errors = [
        "[[rule]]\nmessage = \"SubmitSharesStandart\"\ndrop = true",
        "[[rule]]\nmessage = \"SetTarget\"\nchange = { max_target = \"ff\", channel_id = 1 }",
        "[[rule]]\nmessage = \"SetTarget\"\nchange = { maximum_targe = 1 }",
        "[[rule]]\ndrop = true\nclose = true",
        "[[rule]]\ndelay = \"2h\"",
        "[[rule]]\nfrom = \"miner\"\ndrop = true",
        "[[rule]]\ninject = { message = \"CloseChannel\" }",
        "[[rule]]\ninject = { raw = \"hex:000001020000ff\" }",
        "[[rules]]\ndrop = true",
    ]
    .map(|text| Rules::parse("rules.toml", text).unwrap_err().to_string());

    insta::assert_snapshot!(errors.join("\n"), @r#"
    rules.toml:2:11: unknown message "SubmitSharesStandart"; did you mean "SubmitSharesStandard"?
    rules.toml:3:12: unknown field of SetTarget "max_target"; did you mean "maximum_target"?
    rules.toml:3:12: unknown field of SetTarget "maximum_targe"; did you mean "maximum_target"?
    rules.toml:1:1: a rule does one thing: drop = true, delay = "250ms", duplicate = 1, change = { … }, inject = { … } or close = true
    rules.toml:2:9: expected a time up to 60s, such as "250ms"
    rules.toml:2:8: unknown side "miner"; known are client, server
    rules.toml:2:10: CloseChannel: field `reason_code` has no value
    rules.toml:2:18: expected hex: and one whole frame: header and payload
    rules.toml:1:3: unknown key "rules"; did you mean "rule"?
    "#);
}
