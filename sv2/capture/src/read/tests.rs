use std::fmt::Write as _;

use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::mining::{SubmitSharesStandard, SubmitSharesSuccess};
use sv2::noise::{
    AuthoritySecretKey, CipherSuite, Identity, Initiator, Responder, Session, SessionSecrets,
    StaticKey,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Tlvs;

use super::*;
use crate::observed::{Observed, What};
use crate::pcapng::Making;
use crate::{Capture, Direction, StreamId};

use Direction::{ClientToServer as Up, ServerToClient as Down};

const AT: u64 = 1_700_000_000;

fn now() -> Now {
    Now { instant: Instant(0), unix: UnixTime(AT) }
}

/// What is found in a file, a line each.
fn found(file: &[u8]) -> String {
    let out = found_with(file, &mut Dissector::new(1, None));
    assert_eq!(found_elsewhere(file), out);
    out
}

/// The same, kept before it is looked at, and payloads opened only then.
fn found_elsewhere(file: &[u8]) -> String {
    let (mut keeper, mut kept) = (Keeper::default(), Vec::new());
    let mut dissector = Dissector::new(1, None).leaving_payloads();
    read_all(file, &mut dissector, &mut |found| kept.push(keeper.keep(found)));
    let (mut out, mut arena) = (String::new(), bytes::BytesMut::new());
    for mut kept in kept {
        kept.open(&mut arena);
        assert_is_found_again(file, &kept.found());
        write_line(&mut out, &kept.found().observed);
    }
    out
}

fn found_with(file: &[u8], dissector: &mut Dissector) -> String {
    let mut out = String::new();
    let mut sink = |found: &Found<'_>| {
        assert_is_found_again(file, found);
        write_line(&mut out, &found.observed);
    };
    read_all(file, dissector, &mut sink);
    out
}

fn read_all(file: &[u8], dissector: &mut Dissector, sink: &mut Sink<'_>) {
    let mut reader = PacketReader::new(file);
    while let Ok(Some(item)) = reader.next_item() {
        match item {
            Item::Packet(packet) => dissector.packet(0, &packet, sink),
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
    }
    dissector.finish(sink);
    assert_eq!(dissector.held_len(), 0);
}

/// The bytes at the places in the file say the same another time.
fn assert_is_found_again(file: &[u8], found: &Found<'_>) {
    let pieces = found.pieces.iter().map(|piece| {
        let at = usize::try_from(piece.at).unwrap();
        &file[at..at + piece.len]
    });
    let bytes: Vec<u8> = pieces.flatten().copied().collect();
    match (&found.observed.what, found.seal) {
        (What::Frame { frame, integrity, .. }, Some(seal)) => {
            let (again, how) = open_again(&bytes, seal).unwrap();
            assert_eq!((&again, how), (*frame, *integrity));
        }
        (What::Frame { frame, .. }, None) => {
            let mut as_sent = Vec::new();
            frame.write(&mut as_sent);
            assert_eq!(bytes, as_sent);
        }
        (What::Line { line, .. }, _) => assert!(bytes.starts_with(line)),
        (What::Opaque { len, .. }, _) => assert!(bytes.is_empty() || bytes.len() == *len),
        _ => assert!(bytes.is_empty()),
    }
}

fn write_line(out: &mut String, observed: &Observed<'_>) {
    let arrow = |direction: &Direction| if *direction == Up { '>' } else { '<' };
    let text = match &observed.what {
        What::Opened { from_the_start, .. } => format!("opened {from_the_start}"),
        What::Handshake(seen) => {
            format!("handshake {} {:?} {:?}", seen.act_2_len, seen.key, seen.failures)
        }
        What::Frame { direction, frame, integrity } => {
            let name = Message::decode(frame).map_or("?".into(), |decoded| match decoded.message {
                Message::SubmitSharesStandard(share) => format!("share {}", share.sequence_number),
                other => other.name().to_owned(),
            });
            format!("{} {name} {integrity:?}", arrow(direction))
        }
        What::Opaque { direction, len } => format!("{} opaque {len}", arrow(direction)),
        What::Line { direction, line } => {
            format!("{} {}", arrow(direction), String::from_utf8_lossy(line))
        }
        What::Gap { direction, len, resynced } => {
            format!("{} gap {len} {resynced}", arrow(direction))
        }
        What::Closed { by, reset } => format!("{} closed {reset}", arrow(by)),
    };
    let _ = writeln!(out, "{} c{} {text}", observed.number, observed.connection);
}

/// A connection that is being recorded, each call one packet.
struct Recorded {
    capture: Capture,
    stream: StreamId,
    /// Of client and server.
    sessions: Option<[Session; 2]>,
    packets: Vec<Vec<u8>>,
}

impl Recorded {
    fn open() -> Self {
        let mut capture = Capture::new("assay");
        let packets = vec![capture.take()];
        let [client, server] =
            ["10.0.0.1:50000", "10.0.0.2:34254"].map(|address| address.parse().unwrap());
        let stream = capture.open(now(), client, server);
        let mut recorded = Recorded { capture, stream, sessions: None, packets };
        recorded.cut();
        recorded
    }

    /// A copy of a connection, of which messages are left out.
    fn selection() -> Self {
        let mut capture = Capture::copy("assay");
        let [client, server] =
            ["10.0.0.1:50000", "10.0.0.2:34254"].map(|address| address.parse().unwrap());
        let stream = capture.open_copied(now(), client, server, Making::Selected);
        let packets = vec![capture.take()];
        Recorded { capture, stream, sessions: None, packets }
    }

    /// Leaves messages out, and says that they were so long.
    fn leave_out(&mut self, shares: std::ops::Range<u32>, hole: Option<u64>) {
        let len = shares.map(|number| self.wire(Up, share(number)).len() as u64).sum();
        self.capture.skip(self.stream, Up, hole.unwrap_or(len));
    }

    fn cut(&mut self) {
        self.packets.push(self.capture.take());
    }

    fn send(&mut self, direction: Direction, bytes: &[u8]) {
        self.capture.bytes(now(), self.stream, direction, "", bytes);
        self.cut();
    }

    fn shake_hands(&mut self, with_keys: bool) {
        let mut entropy = Entropy::from_seed(5);
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let key = StaticKey::generate(&mut entropy);
        let (from, until) = (u32::try_from(AT).unwrap() - 60, u32::try_from(AT).unwrap() + 60);
        let identity = Identity::new(&authority, key, from, until, &mut entropy);
        let suite = CipherSuite::ChaChaPoly;
        let initiator = Initiator::new(suite, None, &mut entropy);
        let act_1 = initiator.act_1();
        let (act_2, server) = Responder::respond(suite, &identity, &act_1, &mut entropy);
        let (client, _) = initiator.finish(&act_2, UnixTime(AT)).unwrap();
        self.send(Up, &act_1);
        self.send(Down, &act_2);
        if with_keys {
            self.capture.secrets(&client.secrets);
            self.cut();
        }
        self.sessions = Some([client, server]);
    }

    fn message(&mut self, direction: Direction, message: impl Into<Message>) {
        let bytes = self.wire(direction, message);
        self.send(direction, &bytes);
    }

    fn wire(&mut self, direction: Direction, message: impl Into<Message>) -> Vec<u8> {
        let frame = message.into().to_frame(&Tlvs::NONE);
        let mut out = Vec::new();
        match &mut self.sessions {
            Some(sessions) => {
                let sealer = &mut sessions[usize::from(direction == Down)].sealer;
                sealer.seal(frame.header(), &frame.payload, &mut out).unwrap();
            }
            None => frame.write(&mut out),
        }
        out
    }

    fn close(&mut self) {
        self.capture.close(now(), self.stream, Up, false);
        self.cut();
        self.capture.close(now(), self.stream, Down, false);
        self.cut();
    }

    fn file(&self) -> Vec<u8> {
        self.packets.concat()
    }

    /// Without some of the calls.
    fn file_without(&self, lost: std::ops::Range<usize>) -> Vec<u8> {
        let kept = self.packets.iter().enumerate().filter(|(index, _)| !lost.contains(index));
        kept.flat_map(|(_, packet)| packet.clone()).collect()
    }
}

#[test]
fn what_is_left_out_of_a_selection_is_no_gap_and_nothing_waits_for_it() {
    let mut recorded = Recorded::selection();
    recorded.shake_hands(true);
    recorded.message(Up, share(1));
    recorded.leave_out(2..50, None);

    recorded.message(Up, share(50));
    recorded.message(Down, success());

    insta::assert_snapshot!(found(&recorded.file()), @r"
    1 c0 opened true
    2 c0 handshake 234 Fits []
    3 c0 > share 1 Verified
    4 c0 > share 50 Verified
    5 c0 < SubmitShares.Success Verified
    ");
}

#[test]
fn a_checkpoint_leads_to_a_header_that_no_trial_would_reach() {
    for (has_checkpoint, expected) in [(true, true), (false, false)] {
        let mut recorded = Recorded::selection();
        recorded.shake_hands(true);
        recorded.message(Up, share(1));
        // So short a hole says that two nonces are missing.
        recorded.leave_out(2..50, Some(1));

        let bytes = recorded.wire(Up, share(50));
        if has_checkpoint {
            let act_1 = recorded.sessions.as_ref().unwrap()[0].secrets.act_1;
            let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
            let line = format!("SV2_CKPT_I2R {} 98 {}", hex(&act_1), hex(&bytes[6..22]));
            recorded.capture.key_log(line.as_bytes());
        }
        recorded.send(Up, &bytes);

        let text = found(&recorded.file());
        assert_eq!(text.contains("share 50 Verified"), expected, "{text}");
    }
}

fn share(sequence_number: u32) -> SubmitSharesStandard {
    SubmitSharesStandard {
        channel_id: 1,
        sequence_number,
        job_id: 2,
        nonce: 3,
        ntime: 4,
        version: 5,
    }
}

fn success() -> SubmitSharesSuccess {
    SubmitSharesSuccess {
        channel_id: 1,
        last_sequence_number: 1,
        new_submits_accepted_count: 1,
        new_shares_sum: 1,
    }
}

/// Packets: header, SYNs, act 1, act 2, keys, then shares from index 5 on.
fn ten_shares(with_keys: bool) -> Recorded {
    let mut recorded = Recorded::open();
    recorded.shake_hands(with_keys);
    for number in 1..=10 {
        recorded.message(Up, share(number));
    }
    recorded
}

#[test]
fn a_sealed_session_is_read_with_the_keys_in_the_file() {
    let mut recorded = Recorded::open();
    recorded.shake_hands(true);
    recorded.message(Up, share(1));
    recorded.message(Down, success());
    recorded.close();

    insta::assert_snapshot!(found(&recorded.file()), @r"
    1 c0 opened true
    2 c0 handshake 234 Fits []
    3 c0 > share 1 Verified
    4 c0 < SubmitShares.Success Verified
    5 c0 > closed false
    ");
}

#[test]
fn a_wrong_mac_is_told_wherever_payloads_are_opened() {
    let mut file = ten_shares(true).file();
    let mut last = 0;
    read_all(&file, &mut Dissector::new(1, None), &mut |found| {
        last = found.pieces.last().map_or(last, |piece| piece.at + piece.len as u64 - 1);
    });
    file[usize::try_from(last).unwrap()] ^= 1;

    let text = found(&file);

    assert_eq!(text.matches("Bad").count(), 1, "{text}");
}

#[test]
fn a_sealed_session_without_keys_is_opaque_and_says_so() {
    let mut recorded = Recorded::open();
    recorded.shake_hands(false);
    recorded.message(Up, share(1));

    insta::assert_snapshot!(found(&recorded.file()), @r"
    1 c0 opened true
    2 c0 handshake 234 Missing []
    3 c0 > opaque 62
    ");
}

#[test]
fn keys_of_another_session_do_not_fit() {
    let mut recorded = Recorded::open();
    recorded.shake_hands(false);
    let act_1 = *recorded.packets[2][28 + 40..].first_chunk().unwrap();
    let wrong = SessionSecrets {
        act_1,
        initiator_to_responder: [2; 32],
        responder_to_initiator: [3; 32],
        handshake_ee: [4; 32],
        handshake_es: [5; 32],
    };
    recorded.message(Up, share(1));
    let mut dissector = Dissector::new(1, None);
    dissector.key_log(wrong.to_key_log().as_bytes());

    insta::assert_snapshot!(found_with(&recorded.file(), &mut dissector), @r#"
    1 c0 opened true
    2 c0 handshake 234 DoesNotFit ["act 2 does not open with the keys of this session (spec 4.5.2)"]
    3 c0 > opaque 62
    "#);
}

#[test]
fn plain_frames_are_found_however_packets_cut_them() {
    let setup = Message::from(sv2::common::SetupConnectionSuccess { used_version: 2, flags: 0 });
    for segment_len in 1..40 {
        let mut recorded = Recorded::open();
        let shares: Vec<u8> = (1..4).flat_map(|number| recorded.wire(Up, share(number))).collect();
        for bytes in shares.chunks(segment_len) {
            recorded.send(Up, bytes);
        }
        recorded.message(Down, setup.clone());

        let text = found(&recorded.file());

        let expected = "1 c0 opened true\n2 c0 > share 1 Plain\n3 c0 > share 2 Plain\n\
            4 c0 > share 3 Plain\n5 c0 < SetupConnection.Success Plain\n";
        assert_eq!(text, expected, "{segment_len}");
    }
}

#[test]
fn lines_of_stratum_v1_are_cut_at_line_feeds() {
    let mut recorded = Recorded::open();
    recorded.send(Up, b"{\"id\":1}\r\n{\"i");
    recorded.send(Up, b"d\":2}\n{\"half");
    recorded.close();

    insta::assert_snapshot!(found(&recorded.file()), @r#"
    1 c0 opened true
    2 c0 > {"id":1}
    3 c0 > {"id":2}
    4 c0 > {"half
    5 c0 > closed false
    "#);
}

#[test]
fn frames_are_found_again_behind_lost_packets() {
    let recorded = ten_shares(true);

    insta::assert_snapshot!(found(&recorded.file_without(7..10)), @r"
    1 c0 opened true
    2 c0 handshake 234 Fits []
    3 c0 > share 1 Verified
    4 c0 > share 2 Verified
    5 c0 > gap 186 true
    6 c0 > share 6 Verified
    7 c0 > share 7 Verified
    8 c0 > share 8 Verified
    9 c0 > share 9 Verified
    10 c0 > share 10 Verified
    ");
}

#[test]
fn a_session_is_joined_in_its_middle_by_its_keys() {
    let mut recorded = ten_shares(true);
    for _ in 0..3 {
        recorded.message(Down, success());
    }
    // Keys and header are there, everything up to the eighth share and its answer is not.
    let keys = recorded.packets[4].clone();
    let tail = recorded.packets[12..].concat();
    let file = [&recorded.packets[0][..], &keys, &tail].concat();

    insta::assert_snapshot!(found(&file), @r"
    1 c0 opened false
    2 c0 > share 8 Verified
    3 c0 > share 9 Verified
    4 c0 > share 10 Verified
    5 c0 < SubmitShares.Success Verified
    6 c0 < SubmitShares.Success Verified
    7 c0 < SubmitShares.Success Verified
    ");
}

#[test]
fn a_plain_session_is_joined_in_its_middle_and_its_sides_told_apart_by_what_they_say() {
    let mut recorded = Recorded::open();
    recorded.message(Down, success());
    recorded.message(Up, share(2));
    let file = recorded.file_without(1..2);

    insta::assert_snapshot!(found(&file), @r"
    1 c0 opened false
    2 c0 < SubmitShares.Success Plain
    3 c0 > share 2 Plain
    ");
}

#[test]
fn an_unfinished_handshake_says_what_came() {
    let mut recorded = Recorded::open();
    recorded.send(Up, &[0xe7; 64]);
    recorded.send(Down, &[0x5b; 170]);
    recorded.close();

    insta::assert_snapshot!(found(&recorded.file()), @r#"
    1 c0 opened true
    2 c0 handshake 170 Missing ["the server sent 170 bytes of act 2, which has 234 (spec 4.5.2)"]
    3 c0 > closed false
    "#);
}

#[test]
fn addresses_that_are_used_again_are_another_connection() {
    let mut first = Recorded::open();
    first.message(Up, share(1));
    let mut second = Recorded::open();
    second.message(Up, share(2));
    second.close();
    // As a second SYN of the same number would be a repetition, the other has its bytes changed.
    let mut again = second.packets[1].clone();
    again[28 + 24..28 + 28].copy_from_slice(&7_u32.to_be_bytes());
    let file = [first.file(), again].concat();

    insta::assert_snapshot!(found(&file), @r"
    1 c0 opened true
    2 c0 > share 1 Plain
    3 c1 opened true
    ");
}

#[test]
fn a_gap_right_behind_the_handshake_costs_nothing_but_itself() {
    let recorded = ten_shares(true);

    insta::assert_snapshot!(found(&recorded.file_without(5..12)), @r"
    1 c0 opened true
    2 c0 handshake 234 Fits []
    3 c0 > gap 434 true
    4 c0 > share 8 Verified
    5 c0 > share 9 Verified
    6 c0 > share 10 Verified
    ");
}

#[test]
fn who_sends_act_1_is_the_client_even_if_the_other_has_sent_the_syn() {
    let mut recorded = Recorded::open();
    recorded.shake_hands(true);
    recorded.message(Up, share(1));
    let swapped: Vec<Vec<u8>> = recorded.packets.drain(..).collect();
    // The ports change places in all packets behind the opening.
    for (index, mut packet) in swapped.into_iter().enumerate() {
        if index >= 2 && packet[0] == 6 {
            let (ip, tcp) = (28, 48);
            for at in [ip + 12, ip + 13, ip + 14, ip + 15] {
                packet.swap(at, at + 4);
            }
            packet.swap(tcp, tcp + 2);
            packet.swap(tcp + 1, tcp + 3);
        }
        recorded.packets.push(packet);
    }

    insta::assert_snapshot!(found(&recorded.file()), @r"
    1 c0 opened true
    2 c0 handshake 234 Fits []
    3 c0 > share 1 Verified
    ");
}

#[test]
fn other_protocols_are_opaque() {
    let mut recorded = Recorded::open();
    recorded.send(Up, b"GET / HTTP/1.1\r\n\r\n");

    insta::assert_snapshot!(found(&recorded.file()), @r"
    1 c0 opened true
    2 c0 > opaque 18
    ");
}

#[test]
fn a_message_leads_to_the_packets_that_brought_it() {
    let mut recorded = Recorded::open();
    let bytes = recorded.wire(Up, share(1));
    recorded.send(Up, &bytes[..10]);
    recorded.send(Up, &bytes[10..]);
    let file = recorded.file();
    let mut places = Vec::new();
    let mut dissector = Dissector::new(1, None);
    let mut reader = PacketReader::new(&file[..]);
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Packet(packet) = item {
            dissector.packet(3, &packet, &mut |found| places = found.places.to_vec());
        }
    }

    let packets: Vec<(u32, u64)> = places.iter().map(|place| (place.file, place.packet)).collect();
    assert_eq!(packets, [(3, 4), (3, 5)]);
}

#[test]
fn any_bytes_are_read_to_their_end() {
    let whole = ten_shares(true).file();
    let mut entropy = Entropy::from_seed(11);
    for _ in 0..300 {
        let mut altered = whole.clone();
        for _ in 0..1 + entropy.below(8) {
            let at = usize::try_from(entropy.below(altered.len() as u64)).unwrap();
            altered[at] ^= u8::try_from(entropy.below(256)).unwrap();
        }

        found(&altered);
    }
}
