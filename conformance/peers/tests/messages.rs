//! Every message, held against the reference implementation's parsers.

use std::collections::BTreeMap;

use bytes::BytesMut;
use peers::messages::{explain, ours, theirs};
use peers::vectors;
use sv2::entropy::Entropy;
use sv2::message::DESCRIPTORS;
use sv2::wire::arbitrary::{Shape, arbitrary_payload};
use sv2::wire::{Frame, FrameDecoder};

/// Counts differences by their reason; one without a reason is kept as text.
#[derive(Default)]
struct Comparison {
    known: BTreeMap<String, usize>,
    unexplained: Vec<String>,
}

impl Comparison {
    fn compare(&mut self, what: &str, frame: &Frame) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let (ours, theirs) = (ours(frame), theirs(&bytes));
        let are_alike = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(_), Err(why)) => why != "panic",
            _ => false,
        };
        if are_alike {
            return;
        }
        match explain(frame, &ours, &theirs) {
            Some(reason) => *self.known.entry(format!("{reason:?}")).or_default() += 1,
            None => self
                .unexplained
                .push(format!("{what}: {frame:?}\n  ours {ours:02x?}\n  theirs {theirs:02x?}")),
        }
    }

    fn finish(self) -> Vec<String> {
        let count = self.unexplained.len();
        assert!(
            count == 0,
            "{count} unexplained, such as\n{}",
            self.unexplained[..count.min(40)].join("\n")
        );
        self.known.into_keys().collect()
    }
}

#[test]
fn every_vector_is_taken_alike() {
    let mut comparison = Comparison::default();
    for test in vectors::tests("messages.json", "decode message") {
        let bytes = vectors::bytes(&test["input"]["frame"]);
        let frame = FrameDecoder::new(0xff_ffff)
            .next_frame(&mut BytesMut::from(&bytes[..]))
            .unwrap()
            .unwrap();
        comparison.compare(&test["id"].to_string(), &frame);
    }

    assert_eq!(comparison.finish(), ["UnknownProtocol"]);
}

#[test]
fn random_messages_are_taken_alike() {
    let mut comparison = Comparison::default();
    let mut entropy = Entropy::from_seed(1);
    for row in DESCRIPTORS {
        for round in 0..300 {
            let shape = if round % 3 == 0 { Shape::Odd } else { Shape::Random };
            let mut payload = arbitrary_payload(row.fields, &mut entropy, shape);
            // A third as they are, a third with a wrong byte, a third cut.
            match entropy.below(3) {
                0 => {}
                1 => {
                    let at = entropy.below(payload.len() as u64) as usize;
                    payload[at] = entropy.u32() as u8;
                }
                _ => payload.truncate(entropy.below(payload.len() as u64) as usize),
            }
            let frame = Frame {
                extension_type: row.extension_type(),
                message_type: row.number,
                payload: payload.into(),
            };
            comparison.compare(&format!("{} {round}", row.name), &frame);
        }
    }

    assert_eq!(comparison.finish(), ["UnknownProtocol"]);
}
