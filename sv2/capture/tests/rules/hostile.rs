//! Whatever a capture holds: no panic, and no sum that overflows (tests are built to notice).

use std::net::SocketAddr;

use bytes::Bytes;
use proptest::prelude::*;
use sv2::entropy::Entropy;
use sv2::message::DESCRIPTORS;
use sv2::wire::Frame;
use sv2::wire::arbitrary::{Shape, arbitrary_payload};
use sv2_capture::observed::{HandshakeSeen, SessionKey};
use sv2_capture::rules::{Inspector, Policy, Tally};
use sv2_capture::{Direction, Integrity, Observed, What};

/// Few ids, so that messages meet each other.
const IDS: u64 = 4;
const OBSERVATIONS: u64 = 400;

fn direction(entropy: &mut Entropy) -> Direction {
    if entropy.below(2) == 0 { Direction::ClientToServer } else { Direction::ServerToClient }
}

/// Mostly a message whose first numbers are small; now and then with a bit changed, or cut.
fn frame(entropy: &mut Entropy) -> Frame {
    let row = DESCRIPTORS[usize::try_from(entropy.below(DESCRIPTORS.len() as u64)).unwrap()];
    let shape = match entropy.below(3) {
        0 => Shape::Random,
        1 => Shape::Odd,
        _ => Shape::Minimal,
    };
    let mut payload = arbitrary_payload(row.fields, entropy, shape);
    for at in (0..payload.len().min(12)).step_by(4) {
        if entropy.below(4) > 0
            && let Some(number) = payload.get_mut(at..at + 4)
        {
            let id = u32::try_from(entropy.below(IDS)).unwrap();
            number.copy_from_slice(&id.to_le_bytes());
        }
    }
    if entropy.below(8) == 0 && !payload.is_empty() {
        let at = usize::try_from(entropy.below(payload.len() as u64)).unwrap();
        payload[at] ^= 1 << entropy.below(8);
        payload.truncate(payload.len() - usize::try_from(entropy.below(2)).unwrap());
    }
    let odd_bit = if entropy.below(8) == 0 { 0x8000 } else { 0 };
    Frame {
        extension_type: row.extension_type() ^ odd_bit,
        message_type: row.number,
        payload: Bytes::from(payload),
    }
}

fn what<'a>(entropy: &mut Entropy, frame: &'a Frame) -> What<'a> {
    let direction = direction(entropy);
    match entropy.below(200) {
        0 => What::Opaque { direction, len: 7 },
        1 => What::Gap { direction, len: u64::MAX, resynced: entropy.below(4) > 0 },
        2 => What::Closed { by: direction, reset: true },
        3 => What::Line { direction, line: b"{\"id\":1" },
        4 => What::Handshake(HandshakeSeen {
            act_1_len: usize::MAX,
            key: SessionKey::Fits,
            ..HandshakeSeen::default()
        }),
        5 => What::Frame { direction, frame, integrity: Integrity::Bad },
        _ => What::Frame { direction, frame, integrity: Integrity::Plain },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_capture_makes_the_rules_panic(seed: u64) {
        let mut entropy = Entropy::from_seed(seed);
        let mut inspector = Inspector::new(Policy::default());
        let (mut at, mut tally) = (entropy.below(u64::MAX), Tally::default());
        for number in 1..=OBSERVATIONS {
            // Stamps go back too.
            at = match entropy.below(50) {
                0 => entropy.u64(),
                1 => at.saturating_sub(1 << 40),
                _ => at.saturating_add(entropy.below(1 << 31)),
            };
            let connection = u32::try_from(entropy.below(2)).unwrap();
            let frame = frame(&mut entropy);
            let (client, server) = (SocketAddr::from(([1, 1, 1, 1], 1)), SocketAddr::from(([2, 2, 2, 2], 2)));
            let what = match number {
                1 | 2 => What::Opened {
                    client,
                    server,
                    from_the_start: entropy.below(2) == 0,
                    is_selection: entropy.below(4) == 0,
                    is_redacted: entropy.below(4) == 0,
                },
                _ => what(&mut entropy, &frame),
            };
            let connection = if number <= 2 { u32::try_from(number - 1).unwrap() } else { connection };
            let observed = Observed { number, at, connection, what };

            let report = inspector.observe(&observed);

            report.findings.iter().for_each(|finding| tally.add(finding));
            let _ = (report.facts.derived(), report.facts.latency(at), report.facts.verdict());
        }
    }
}
