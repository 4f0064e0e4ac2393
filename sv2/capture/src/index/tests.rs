use proptest::prelude::*;
use sv2::wire::U256;

use super::*;
use crate::Direction;
use crate::filter::{Column, Numbers};
use crate::observed::Integrity;
use crate::read::{Dissector, Found, Item, PacketReader, Piece};
use crate::rules::{Finding, Inspector, Policy, Severity, rule};
use crate::state::Derived;

fn any_row() -> impl Strategy<Value = Row> {
    let number = || {
        prop_oneof![
            4 => 0..1000_u64,
            1 => u64::from(u32::MAX) - 3..u64::from(u32::MAX) + 3,
            1 => any::<u64>(),
        ]
    };
    let id = || prop_oneof![4 => 0..100_u32, 1 => u32::MAX - 2..=u32::MAX];
    let kind = prop_oneof![
        Just(Kind::Opened),
        Just(Kind::Handshake),
        (any::<u16>(), any::<u8>(), 0..1_u32 << 24).prop_map(
            |(extension_type, message_type, payload_len)| Kind::Frame {
                extension_type,
                message_type,
                payload_len
            }
        ),
        Just(Kind::Opaque),
        (0..65_536_u32).prop_map(|len| Kind::Line { len }),
        Just(Kind::Gap),
        Just(Kind::Closed),
    ];
    let direction = prop_oneof![
        Just(None),
        Just(Some(Direction::ClientToServer)),
        Just(Some(Direction::ServerToClient))
    ];
    let integrity = prop_oneof![
        Just(None),
        Just(Some(Integrity::Verified)),
        Just(Some(Integrity::Unverified)),
        Just(Some(Integrity::Bad)),
        Just(Some(Integrity::Plain))
    ];
    let outcome =
        prop_oneof![Just(None), Just(Some(Outcome::Accepted)), Just(Some(Outcome::Rejected))];
    let sealed = prop::option::of((number(), any::<bool>()))
        .prop_map(|sealed| sealed.map(|(nonce, is_aes)| Sealed { nonce, is_aes }));
    let position = prop::option::of((0..9_u32, 1..1_u64 << 48))
        .prop_map(|at| at.and_then(|(file, at)| Position::new(file, at)));
    let said = (kind, direction, integrity, any::<bool>(), outcome, any::<bool>());
    let numbers = (id(), prop::option::of(id()), prop::option::of(id()));
    let longs = (
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(number()),
        any::<u64>(),
    );
    (said, numbers, longs, sealed, position).prop_map(|(said, numbers, longs, sealed, position)| {
        let (kind, direction, integrity, is_request, outcome, has_findings) = said;
        let (connection, channel, job) = numbers;
        let (pair, latency, since_last, at) = longs;
        Row {
            at,
            connection,
            kind,
            direction,
            integrity,
            is_request,
            outcome,
            channel,
            job,
            pair,
            latency,
            since_last,
            has_findings,
            position,
            sealed,
        }
    })
}

fn chunk_of(rows: &[Row]) -> Chunk {
    let mut chunk = Chunk::default();
    rows.iter().for_each(|row| chunk.push(row, &Extra::default()));
    chunk
}

fn finding() -> Finding {
    Finding {
        rule: rule(19).unwrap(),
        severity: Severity::Note,
        number: 7,
        connection: 2,
        channel: Some(u32::MAX),
        cause: None,
        pair: Some(1 << 40),
        text: "too late".to_owned(),
    }
}

proptest! {
    #[test]
    fn rows_come_back_from_their_bytes(rows in prop::collection::vec(any_row(), 0..40)) {
        let chunk = chunk_of(&rows);

        let again = Chunk::from_bytes(&chunk.to_bytes()).unwrap();

        for (index, row) in rows.iter().enumerate() {
            prop_assert_eq!(chunk.row(index), *row);
            prop_assert_eq!(again.row(index), *row);
        }
    }

    #[test]
    fn what_is_dense_is_what_rows_say(rows in prop::collection::vec(any_row(), 1..40)) {
        let chunk = chunk_of(&rows);
        type Ask = fn(&Row) -> Option<u64>;
        let ask: [(Column, Ask); 6] = [
            (Column::T, |row| Some(row.at)),
            (Column::Conn, |row| Some(row.connection.into())),
            (Column::Ch, |row| row.channel.map(u64::from)),
            (Column::Pair, |row| row.pair),
            (Column::Latency, |row| row.latency),
            (Column::Ext, |row| match row.kind {
                Kind::Frame { extension_type, .. } => Some(u64::from(extension_type & 0x7fff)),
                _ => None,
            }),
        ];
        for (column, expected) in ask {
            let long = chunk.long_columns();
            let place = Chunk::place_of(column, rows.len(), long);
            let Some(dense) = chunk.dense(column, 0) else {
                prop_assert!(place.is_none());
                continue;
            };
            let alone = Loose::new(column, &chunk.to_bytes()[place.unwrap()]);
            prop_assert_eq!(format!("{:?}", alone.dense(0)), format!("{:?}", Some(dense)));
            for (index, row) in rows.iter().enumerate() {
                let number = match dense.numbers {
                    Numbers::U32(numbers) => u64::from(numbers[index]),
                    Numbers::U64(numbers) => numbers[index],
                    other => panic!("{other:?}"),
                };
                let value = Some(number).filter(|number| Some(*number) != dense.missing);
                prop_assert_eq!(value, expected(row), "{:?}", column);
            }
        }
    }

    #[test]
    fn lengths_by_themselves_are_those_of_frames(rows in prop::collection::vec(any_row(), 1..40)) {
        let chunk = chunk_of(&rows);
        let bytes = chunk.to_bytes();
        let alone = |column| {
            let place = Chunk::place_of(column, rows.len(), chunk.long_columns())?;
            Some(Loose::new(column, &bytes[place]))
        };
        let Some(lengths) = alone(Column::Len) else { return Ok(()) };

        let of_frames = lengths.of_frames(&alone(Column::Type).unwrap());

        let dense = of_frames.dense(0).unwrap();
        let Numbers::U32(numbers) = dense.numbers else { panic!("{dense:?}") };
        for (number, row) in numbers.iter().zip(&rows) {
            let expected = match row.kind {
                Kind::Frame { payload_len, .. } => Some(u64::from(payload_len)),
                _ => None,
            };
            let number = Some(u64::from(*number)).filter(|number| Some(*number) != dense.missing);
            prop_assert_eq!(number, expected);
        }
    }

    #[test]
    fn what_is_learned_later_changes_that_row_alone(
        rows in prop::collection::vec(any_row(), 2..20),
        at in any::<prop::sample::Index>(),
        pair in any::<u64>(),
    ) {
        let mut chunk = chunk_of(&rows);
        let at = at.index(rows.len());

        chunk.change(at, Change::Pair(pair));
        chunk.change(at, Change::Outcome(Outcome::Rejected));

        for (index, row) in rows.iter().enumerate() {
            let changed = Row { pair: Some(pair), outcome: Some(Outcome::Rejected), ..*row };
            prop_assert_eq!(chunk.row(index), if index == at { changed } else { *row });
        }
    }

    #[test]
    fn other_bytes_are_refused_or_read_without_a_panic(
        rows in prop::collection::vec(any_row(), 0..20),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let extra = Extra { findings: vec![finding()], ..Extra::default() };
        let mut chunk = Chunk::default();
        rows.iter().for_each(|row| chunk.push(row, &extra));
        let mut bytes = chunk.to_bytes();
        prop_assert!(Chunk::from_bytes(&bytes[..cut.index(bytes.len())]).is_none());
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }

        if let Some(chunk) = Chunk::from_bytes(&bytes) {
            for index in 0..chunk.len() {
                chunk.row(index);
                chunk.extra(index);
            }
        }
    }
}

#[test]
fn an_extra_comes_back_from_the_heap() {
    let extra = Extra {
        pieces: vec![Piece { file: 1, at: 1 << 40, len: 70_000 }, Piece { file: 0, at: 3, len: 1 }],
        derived: vec![
            ("hash", Derived::Hash(U256::from_le_bytes([7; 32]))),
            ("diff", Derived::Number(0.5)),
            ("job_state", Derived::Word("retired")),
            ("retired_by", Derived::Number64(9)),
            ("is_block", Derived::Flag(true)),
        ],
        findings: vec![finding()],
        info: Some("a gap".to_owned()),
        bytes: Some(vec![1, 2, 3]),
    };
    let mut chunk = chunk_of(&[]);
    let row = Row { has_findings: true, ..Row::default() };
    chunk.push(&row, &Extra::default());
    chunk.push(&row, &extra);

    let again = Chunk::from_bytes(&chunk.to_bytes()).unwrap();

    assert!(again.extra(0).is_empty());
    assert_eq!(format!("{:?}", again.extra(1)), format!("{extra:?}"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "captures ship as files")]
fn everything_that_is_derived_from_the_captures_we_ship_has_its_word() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/captures");
    let files = std::fs::read_dir(folder).expect("captures ship").map(|file| file.unwrap().path());
    let mut count = 0;
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "pcapng")) {
        let bytes = std::fs::read(&file).unwrap();
        let mut inspector = Inspector::new(Policy::default());
        let mut dissector = Dissector::new(1, None);
        let mut reader = PacketReader::new(&bytes[..]);
        let mut sink = |found: &Found<'_>| {
            let report = inspector.observe(&found.observed);
            let derived = report.facts.derived();
            let mut out = Writer::default();
            let extra = Extra { derived, findings: report.findings, ..Extra::default() };
            extra.write(&mut out);
            let again = Extra::read(&mut Reader::new(&out.into_bytes())).unwrap();
            count += extra.derived.len();
            assert_eq!(format!("{again:?}"), format!("{extra:?}"), "{}", file.display());
        };
        while let Ok(Some(item)) = reader.next_item() {
            match item {
                Item::Packet(packet) => dissector.packet(0, &packet, &mut sink),
                Item::Secrets(text) => dissector.key_log(text),
                Item::Skipped(_) | Item::Other => {}
            }
        }
        dissector.finish(&mut sink);
    }
    assert!(count > 100, "{count}");
}
