//! The language as a whole: what it takes, what it refuses, and that both ways of asking agree.

use proptest::prelude::*;
use sv2::message::Message;
use sv2::mining::SetTarget;
use sv2::wire::{Target, Tlvs};

use super::columns::frame_values;
use super::*;
use crate::rules::Severity;

/// Five messages of a channel, with a share that came too late.
struct Sample;

const SECOND: u64 = 1_000_000_000;
/// 2023-11-14 22:13:20.
const START: u64 = 1_700_000_000 * SECOND;
const NAMES: [&str; 5] = [
    "SetTarget",
    "NewExtendedMiningJob",
    "SetNewPrevHash",
    "SubmitSharesExtended",
    "SubmitShares.Error",
];
const JOBS: [u32; 5] = [u32::MAX, 41, 41, 40, u32::MAX];
const LENS: [u16; 5] = [36, 500, 48, 33, 20];

impl Columns for Sample {
    fn len(&self) -> u64 {
        5
    }

    fn values(&self, row: u64, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        let at = usize::try_from(row).unwrap();
        match field {
            Field::Column(Column::N) => take(Value::Int(row + 1)),
            Field::Column(Column::T) => take(Value::Int(START + row * SECOND)),
            Field::Column(Column::Msg) => take(Value::Text(NAMES[at].into())),
            Field::Column(Column::Ch) => take(Value::Int(7)),
            Field::Column(Column::Len) => take(Value::Int(LENS[at].into())),
            Field::Column(Column::Job) if JOBS[at] != u32::MAX => {
                take(Value::Int(JOBS[at].into()));
            }
            Field::Column(Column::ShareDiff) if at == 3 => take(Value::Float(18_200.5)),
            Field::Column(Column::Src) => take(Value::Address([10, 0, 3, 9].into())),
            Field::Column(Column::Sev) if at == 3 => take(Value::Severity(Severity::Warning)),
            Field::Column(Column::Rule) if at == 3 => {
                take(Value::Int(19));
                take(Value::Int(22));
            }
            Field::Column(Column::Err) if at == 4 => take(Value::Text("stale-share".into())),
            Field::Column(Column::Pair) if at == 4 => take(Value::Int(4)),
            Field::Column(Column::Latency) if at == 4 => take(Value::Int(653_000)),
            Field::Column(Column::Token) if at == 1 => take(Value::Bytes((&[1, 0xab][..]).into())),
            Field::Column(Column::Info) => take(Value::Text(format!("row {row}").into())),
            Field::Path(path) if at == 0 => {
                let target = Target::MAX;
                let message = SetTarget { channel_id: 7, maximum_target: target };
                let frame = Message::from(message).to_frame(&Tlvs::NONE);
                frame_values(&frame, path, take);
            }
            _ => {}
        }
    }

    fn is(&self, row: u64, predicate: Predicate) -> bool {
        predicate == Predicate::Stale && row == 3
    }

    fn row_of(&self, number: u64) -> Option<u64> {
        number.checked_sub(1).filter(|row| *row < 5)
    }

    fn dense(&self, column: Column, first: u64) -> Option<Dense<'_>> {
        let first = usize::try_from(first).unwrap();
        match column {
            Column::Job => Some(Dense {
                numbers: Numbers::U32(&JOBS[first..]),
                missing: Some(u32::MAX.into()),
            }),
            Column::Len => Some(Dense { numbers: Numbers::U16(&LENS[first..]), missing: None }),
            _ => None,
        }
    }
}

fn taken(text: &str) -> Vec<usize> {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows: Vec<usize> = filter.select(&Sample, 0, 5, None).iter().collect();
    let one_by_one: Vec<usize> = (0..5).filter(|row| filter.takes(&Sample, *row as u64)).collect();
    assert_eq!(rows, one_by_one, "{text}");
    rows
}

#[test]
fn filters_take_what_they_say() {
    for (text, rows) in [
        ("", &[0, 1, 2, 3, 4][..]),
        ("job == 41", &[1, 2]),
        ("job != 41", &[3]),
        ("!(job == 41)", &[0, 3, 4]),
        ("job", &[1, 2, 3]),
        ("len >= 36 and len < 0x100", &[0, 2]),
        ("ch:7 && msg in {Submit*, SetTarget}", &[0, 3, 4]),
        ("msg == submitshares.error", &[4]),
        ("msg == *Job", &[1]),
        ("sharediff > 18.2k", &[3]),
        ("latency < 1ms", &[4]),
        ("latency > 0.7ms", &[]),
        ("src == 10.0.0.0/8", &[0, 1, 2, 3, 4]),
        ("src == 10.0.3.8", &[]),
        ("sev >= W", &[3]),
        ("sev >= E", &[]),
        ("rule == 22", &[3]),
        ("rule != 22", &[]),
        ("rule != 23", &[3]),
        ("expert(19)", &[3]),
        ("stale", &[3]),
        ("not stale or err", &[0, 1, 2, 4]),
        ("err contains STALE", &[4]),
        ("err ~ '^st.*re$'", &[4]),
        ("err in {\"stale-share\", other}", &[4]),
        ("err:\"stale-share\"", &[4]),
        ("err: stale-share", &[4]),
        ("pair(#4)", &[3, 4]),
        ("pair(#5)", &[3, 4]),
        ("job(7, 41)", &[1, 2]),
        ("around(#2, 1s)", &[0, 1, 2]),
        ("first(7)", &[0]),
        ("n == #4", &[3]),
        ("t >= 22:13:22", &[2, 3, 4]),
        ("t == 22:13", &[0, 1, 2, 3, 4]),
        ("t < 2023-11-14T22:13:21Z", &[0]),
        ("token == 01ab", &[1]),
        ("token contains ab", &[1]),
        ("row", &[0, 1, 2, 3, 4]),
        ("'ROW 3'", &[3]),
        ("job == 41 SetNew", &[2]),
        ("SetTarget.channel_id == 7", &[0]),
        ("SetTarget.maximum_target ~ ^ffff", &[0]),
        ("UpdateChannel.maximum_target", &[]),
        ("channel_id < 8", &[0]),
        ("maximum_target.len == 32", &[0]),
        ("(job == 40 || job == 41) && !(len == 500)", &[2, 3]),
    ] {
        assert_eq!(taken(text), rows, "{text}");
    }
}

#[test]
fn errors_name_the_place_and_the_way_out() {
    for (text, span, words) in [
        ("chan == 7", 0..4, "there is no field `chan`; did you mean \"ch\"?"),
        ("job == x", 7..8, "expected a number, such as 7, 0x1f, 16.4k or #81244"),
        ("job ==", 6..6, "expected a value behind `==`"),
        ("job:", 4..4, "expected a value behind `==`"),
        ("job: && ch == 7", 5..7, "expected a value behind `==`"),
        ("(job == 41", 10..10, "expected `)`"),
        ("job == 41)", 9..10, "expected an operator, or the end"),
        ("latency > 5", 10..11, "expected a duration, such as 250ms, 1.5s or 2m"),
        ("sev >= X", 7..8, "expected a severity: C, N, W or E"),
        ("msg in Submit*", 7..14, "expected `{` and values, with commas between"),
        ("err ~ '('", 6..9, "expected a pattern"),
        ("err == 'x", 7..9, "the text is not closed: write another ' at its end"),
        ("pear(#4)", 0..4, "there is no function `pear`"),
        ("job == 41 &&", 12..12, "expected a field, a message, a word or `(`"),
        ("src == 10.0.0.0/99", 7..18, "expected an address"),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.span, span, "{text}");
        assert!(error.to_string().starts_with(words), "{text}: {error}");
    }
}

#[test]
fn limits_are_errors_and_not_deep_stacks() {
    let deep = "(".repeat(2000);
    assert_eq!(Filter::parse(&deep).map_err(|e| e.problem), Err(Problem::TooDeep));
    let not = "!".repeat(2000);
    assert_eq!(Filter::parse(&not).map_err(|e| e.problem), Err(Problem::TooDeep));
    let wide = "a ".repeat(2000);
    assert_eq!(Filter::parse(&wide).map_err(|e| e.problem), Err(Problem::TooMany));
    let long = "a".repeat(5000);
    assert_eq!(Filter::parse(&long).map_err(|e| e.problem), Err(Problem::TooLong { len: 5000 }));
}

#[test]
fn what_fits_is_suggested_where_it_fits() {
    for (text, words) in [
        ("lat", &["latency"][..]),
        ("dir == ", &["up", "down"]),
        ("sev >= ", &["E", "W", "N", "C"]),
        ("msg == SubmitShares.S", &["SubmitShares.Success"]),
        ("msg in {SetT", &["SetTarget"]),
        ("msg in {SetTarget, NewM", &["NewMiningJob"]),
        ("SetTarget.max", &["SetTarget.maximum_target"]),
        ("ch == 7 && acc", &["accepted"]),
        ("aro", &["around("]),
        ("job == ", &[]),
    ] {
        let completion = Filter::complete(text, text.len());
        let found: Vec<&str> = completion.words.iter().map(|it| it.word.as_str()).collect();
        assert_eq!(found, words, "{text}");
    }
    assert_eq!(Filter::complete("job == 4 && la", 14).span, 12..14);
}

/// Texts that look like filters.
fn filters() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "job == 41",
        "job != 40",
        "len > 40",
        "len <= 36",
        "stale",
        "err",
        "msg == Submit*",
        "rule != 19",
        "sev >= N",
        "'row 2'",
        "pair(#4)",
        "around(#3, 1500ms)",
        "job in {40, 41}",
        "latency < 1ms",
        "channel_id == 7",
        "raw[0:4]",
        "t > 22:13:21",
        "src == 10.0.0.0/8",
    ]);
    let leaf = condition.prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("!({inner})")),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" && "))),
            prop::collection::vec(inner, 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error_within_it(text in ".{0,80}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
            prop_assert!(text.is_char_boundary(error.span.start));
        }
        for cursor in 0..=text.len() {
            let span = Filter::complete(&text, cursor).span;
            prop_assert!(text.get(span).is_some());
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same(text in filters()) {
        let filter = Filter::parse(&text).unwrap();

        let again = Filter::parse(&filter.to_string()).unwrap();

        prop_assert_eq!(taken(&text), taken(&again.to_string()));
        prop_assert_eq!(again.to_string(), filter.to_string());
    }

    #[test]
    fn rows_are_taken_or_not_and_never_both(text in filters()) {
        let taken_rows = taken(&text);
        let left = taken(&format!("!({text})"));

        let mut all = [taken_rows, left].concat();
        all.sort_unstable();
        prop_assert_eq!(all, vec![0, 1, 2, 3, 4]);
    }
}

/// Messages whose kinds are held as numbers; counts how often a name is asked for.
struct Kinds {
    types: Vec<u32>,
    extensions: Vec<u32>,
    asked: std::cell::Cell<usize>,
}

impl Columns for Kinds {
    fn len(&self) -> u64 {
        self.types.len() as u64
    }

    fn values(&self, row: u64, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        assert_eq!(*field, Field::Column(Column::Msg));
        self.asked.set(self.asked.get() + 1);
        match self.types[usize::try_from(row).unwrap()] {
            u32::MAX if row == 3 => take(Value::Text("line".into())),
            u32::MAX => {}
            0x1b => take(Value::Text("SubmitSharesExtended".into())),
            _ => take(Value::Text("SetTarget".into())),
        }
    }

    fn is(&self, _: u64, _: Predicate) -> bool {
        false
    }

    fn row_of(&self, _: u64) -> Option<u64> {
        None
    }

    fn dense(&self, column: Column, first: u64) -> Option<Dense<'_>> {
        let numbers = match column {
            Column::Type => &self.types,
            Column::Ext => &self.extensions,
            _ => return None,
        };
        let numbers = Numbers::U32(&numbers[usize::try_from(first).unwrap()..]);
        Some(Dense { numbers, missing: Some(u32::MAX.into()) })
    }
}

#[test]
fn a_name_is_compared_once_for_each_kind_of_message() {
    let mut types = vec![0x1b, 0x21, 0x1b, u32::MAX, u32::MAX];
    types.extend([0x1b, 0x21].repeat(500));
    let extensions = types.iter().map(|number| if *number == u32::MAX { *number } else { 0 });
    let rows = Kinds { extensions: extensions.collect(), types, asked: std::cell::Cell::new(0) };
    for text in ["msg == Submit*", "msg != SetTarget", "msg in {line, Submit*}", "!(msg == line)"] {
        let filter = Filter::parse(text).unwrap();
        rows.asked.set(0);

        let found = filter.select(&rows, 0, rows.types.len(), None);

        assert!(rows.asked.get() < 10, "{text}: {}", rows.asked.get());
        for row in 0..rows.len() {
            let at = usize::try_from(row).unwrap();
            assert_eq!(found.contains(at), filter.takes(&rows, row), "{text} {row}");
        }
    }
}
