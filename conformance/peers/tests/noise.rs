//! The handshake and sealed frames, held against the reference implementation's.

use bytes::{Bytes, BytesMut};
use peers::noise::{ENCODING, Keys, NOW, SUITE, TheirSession, their_act_1, their_act_2};
use peers::vectors;
use serde_json::Value as Json;
use sv2::entropy::Entropy;
use sv2::noise::{
    AuthorityPublicKey, CHUNK_LEN_MAX, CipherKey, Identity, Initiator, Responder, Sealer, Session,
};
use sv2::time::UnixTime;
use sv2::wire::Frame;

const CLOCK: UnixTime = UnixTime(NOW as u64);

fn frame(payload_len: usize) -> Frame {
    let payload = Bytes::from((0..payload_len).map(|at| at as u8).collect::<Vec<_>>());
    Frame { extension_type: 0x8000, message_type: 0x1b, payload }
}

fn sealed(session: &mut Session, frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    session.sealer.seal(frame.header(), &frame.payload, &mut out).unwrap();
    out
}

fn opened(session: &mut Session, bytes: &[u8]) -> Frame {
    session.opener.next_frame(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

fn plain(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame.write(&mut out);
    out
}

/// Frames cross in both directions and arrive as they were sent.
fn check_exchange(ours: &mut Session, theirs: &mut TheirSession) {
    for payload_len in [0, 1, 24, 33, 0, 1000, CHUNK_LEN_MAX, CHUNK_LEN_MAX + 1, 200_000] {
        let sent = frame(payload_len);
        assert_eq!(theirs.open(&sealed(ours, &sent)), Ok(plain(&sent)), "{payload_len}");
        assert_eq!(opened(ours, &theirs.seal(&sent)), sent, "{payload_len}");
    }
}

#[test]
fn every_byte_is_the_same_under_the_same_keys() {
    for seed in 0..200 {
        let keys = Keys::from_seed(seed);
        let authority = keys.authority().public_key();

        let (their_act_1, their_handshake) =
            their_act_1(keys.their_initiator(Some(authority.to_bytes())));
        let our_initiator =
            Initiator::with_ephemeral(SUITE, Some(authority), &keys.initiator_ephemeral, ENCODING)
                .unwrap();
        assert_eq!(our_initiator.act_1(), their_act_1, "act 1 of seed {seed}");

        let (their_act_2, mut their_server) = their_act_2(&keys, their_act_1);
        let (mut our_client, server) = our_initiator.finish(&their_act_2, CLOCK).unwrap();
        let identity = Identity::with_certificate(keys.static_key(), server.certificate);
        let (our_act_2, mut our_server) = Responder::respond_with_ephemeral(
            SUITE,
            &identity,
            &their_act_1,
            &keys.responder_ephemeral,
            ENCODING,
        )
        .unwrap();
        assert_eq!(our_act_2, their_act_2, "act 2 of seed {seed}");

        let transport = their_handshake.step_2_with_now(their_act_2, NOW).unwrap();
        let mut their_client = TheirSession::new(transport);
        for payload_len in [0, 1, 6, 24, 33, 1000, 5] {
            let sent = frame(payload_len);
            assert_eq!(sealed(&mut our_client, &sent), their_client.seal(&sent), "seed {seed}");
            assert_eq!(sealed(&mut our_server, &sent), their_server.seal(&sent), "seed {seed}");
        }
        let long = frame(2 * CHUNK_LEN_MAX + 1);
        assert!(sealed(&mut our_client, &long) == their_client.seal(&long), "seed {seed}");
    }
}

#[test]
fn our_client_speaks_to_their_server() {
    for seed in 1000..1020 {
        let keys = Keys::from_seed(seed);
        let mut entropy = Entropy::from_seed(seed);
        let initiator = Initiator::new(SUITE, Some(keys.authority().public_key()), &mut entropy);

        let (act_2, mut theirs) = their_act_2(&keys, initiator.act_1());
        let (mut ours, server) = initiator.finish(&act_2, CLOCK).unwrap();

        assert!(server.is_authenticated);
        check_exchange(&mut ours, &mut theirs);
    }
}

#[test]
fn their_client_speaks_to_our_server() {
    for seed in 2000..2020 {
        let keys = Keys::from_seed(seed);
        let mut entropy = Entropy::from_seed(seed);
        let authority = keys.authority().public_key().to_bytes();

        let (act_1, handshake) = their_act_1(keys.their_initiator(Some(authority)));
        let (act_2, mut ours) = Responder::respond(SUITE, &keys.identity(), &act_1, &mut entropy);
        let mut theirs = TheirSession::new(handshake.step_2_with_now(act_2, NOW).unwrap());

        check_exchange(&mut ours, &mut theirs);
    }
}

fn keys_of(input: &Json) -> Keys {
    let initiator_ephemeral = vectors::array(&input["initiator_ephemeral_secret"]);
    Keys { initiator_ephemeral, ..Keys::from_seed(0) }
}

#[test]
fn every_answer_of_a_server_is_judged_alike() {
    for test in vectors::tests("noise.json", "take act 2") {
        let input = &test["input"];
        let act_2 = vectors::bytes(&input["act_2"]);
        // Their reader of the stream waits for the rest, as ours does.
        let Ok(act_2) = act_2.try_into() else { continue };
        let authority = input["authority_public_key"]
            .as_str()
            .map(|text| text.parse::<AuthorityPublicKey>().unwrap().to_bytes());
        let (act_1, handshake) = their_act_1(keys_of(input).their_initiator(authority));
        let now = input["now"].as_u64().unwrap().try_into().unwrap();

        let is_accepted = handshake.step_2_with_now(act_2, now).is_ok();

        let id = test["id"].as_str().unwrap();
        assert_eq!(act_1.to_vec(), vectors::bytes(&test["expected"]["act_1"]), "{id}");
        let we_accept = test["expected"].get("error").is_none();
        assert_eq!(is_accepted, we_accept, "{id}");
    }
}

#[test]
fn the_keys_of_every_handshake_vector_seal_as_theirs_do() {
    for test in vectors::tests("noise.json", "handshake") {
        let (input, expected) = (&test["input"], &test["expected"]);
        if input["suite"] != SUITE.protocol_name() {
            continue;
        }
        let authority: AuthorityPublicKey =
            expected["authority_public_key"].as_str().unwrap().parse().unwrap();
        let keys = keys_of(input);
        let (act_1, handshake) = their_act_1(keys.their_initiator(Some(authority.to_bytes())));
        assert_eq!(act_1.to_vec(), vectors::bytes(&expected["act_1"]), "{}", test["id"]);

        let act_2 = vectors::array(&expected["act_2"]);
        let now = input["now"].as_u64().unwrap().try_into().unwrap();
        let mut theirs = TheirSession::new(handshake.step_2_with_now(act_2, now).unwrap());

        let secret = vectors::array(&expected["secrets"]["initiator_to_responder"]);
        let (mut out, sent) = (Vec::new(), frame(33));
        Sealer::new(CipherKey::new(SUITE, &secret))
            .seal(sent.header(), &sent.payload, &mut out)
            .unwrap();
        assert_eq!(out, theirs.seal(&sent), "{}", test["id"]);
    }
}
