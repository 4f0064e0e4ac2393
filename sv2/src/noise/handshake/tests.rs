//! Tests of [`super`].

use bytes::BytesMut;
use proptest::prelude::{any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::*;
use crate::wire::{Frame, FrameHeader};

const NOW: UnixTime = UnixTime(1_700_000_000);
const SUITE: CipherSuite = CipherSuite::ChaChaPoly;

fn authority() -> AuthoritySecretKey {
    AuthoritySecretKey::from_bytes(&[3; 32]).unwrap()
}

fn identity() -> Identity {
    let mut entropy = Entropy::from_seed(1);
    let key = StaticKey::generate(&mut entropy);
    Identity::new(&authority(), key, 1_600_000_000, 1_800_000_000, &mut entropy)
}

fn initiator() -> Initiator {
    Initiator::new(SUITE, Some(authority().public_key()), &mut Entropy::from_seed(2))
}

fn respond(identity: &Identity, act_1: &[u8; ACT_1_LEN]) -> ([u8; ACT_2_LEN], Session) {
    Responder::respond(SUITE, identity, act_1, &mut Entropy::from_seed(3))
}

fn handshake() -> (Session, Session) {
    let initiator = initiator();
    let (act_2, server) = respond(&identity(), &initiator.act_1());
    (initiator.finish(&act_2, NOW).unwrap().0, server)
}

/// Sends one frame each way.
fn converse(client: &mut Session, server: &mut Session) -> [Option<Frame>; 2] {
    let send = |sender: &mut Session, receiver: &mut Session| {
        let header = FrameHeader { extension_type: 0, message_type: 1, payload_len: 5 };
        let mut stream = Vec::new();
        sender.sealer.seal(header, b"share", &mut stream).unwrap();
        receiver.opener.next_frame(&mut BytesMut::from(&stream[..])).ok().flatten()
    };
    [send(client, server), send(server, client)]
}

#[test]
fn both_sides_end_in_the_same_session() {
    for suite in [CipherSuite::ChaChaPoly, CipherSuite::AesGcm] {
        let mut entropy = Entropy::from_seed(2);
        let initiator = Initiator::new(suite, Some(authority().public_key()), &mut entropy);
        let (act_2, mut server) =
            Responder::respond(suite, &identity(), &initiator.act_1(), &mut entropy);
        let act_1 = initiator.act_1();

        let (mut client, shown) = initiator.finish(&act_2, NOW).unwrap();

        assert_eq!(shown.static_key, identity().static_key());
        assert_eq!(shown.certificate, *identity().certificate());
        assert!(shown.is_authenticated);
        assert_eq!(client.secrets, server.secrets);
        assert_eq!(client.secrets.act_1, act_1);
        assert!(converse(&mut client, &mut server).iter().all(Option::is_some));
    }
}

#[test]
fn the_two_directions_have_different_keys() {
    let secrets = handshake().0.secrets;

    assert_ne!(secrets.initiator_to_responder, secrets.responder_to_initiator);
}

#[test]
fn sides_with_different_ciphers_do_not_understand_each_other() {
    let initiator = initiator();
    let (act_2, _) = Responder::respond(
        CipherSuite::AesGcm,
        &identity(),
        &initiator.act_1(),
        &mut Entropy::from_seed(3),
    );

    let outcome = initiator.finish(&act_2, NOW);

    assert_eq!(outcome.err(), Some(HandshakeError::StaticKeyMac));
}

#[test]
fn the_same_randomness_gives_the_same_bytes() {
    let run = || {
        let initiator = initiator();
        let (act_2, session) = respond(&identity(), &initiator.act_1());
        (initiator.act_1(), act_2, session.secrets)
    };

    assert!(run() == run());
}

#[test]
fn act_1_is_the_ephemeral_key_in_the_given_encoding() {
    let secret = [5; 32];
    let initiator =
        Initiator::with_ephemeral(SUITE, None, &secret, EllSwiftEncoding::ZeroRandomness).unwrap();

    let key = StaticKey::from_secret(&secret, EllSwiftEncoding::ZeroRandomness).unwrap();

    assert_eq!(initiator.act_1(), key.to_ellswift());
}

#[test]
fn given_ephemeral_keys_make_a_session_too() {
    let encoding = EllSwiftEncoding::ZeroRandomness;
    let initiator = Initiator::with_ephemeral(SUITE, None, &[5; 32], encoding).unwrap();
    let (act_2, mut server) = Responder::respond_with_ephemeral(
        SUITE,
        &identity(),
        &initiator.act_1(),
        &[6; 32],
        encoding,
    )
    .unwrap();

    let (mut client, _) = initiator.finish(&act_2, NOW).unwrap();

    assert!(converse(&mut client, &mut server).iter().all(Option::is_some));
}

/// Bytes that the reference implementation (noise_sv2 2.0.0) computes from the same keys. It
/// encodes points without randomness.
#[test]
fn fixed_keys_give_the_bytes_that_the_reference_implementation_gives() {
    let encoding = EllSwiftEncoding::ZeroRandomness;
    let authority = AuthoritySecretKey::from_bytes(&[9; 32]).unwrap().public_key();
    let certificate = Certificate::from_bytes(&from_hex(CERTIFICATE));
    let identity = Identity::with_certificate(
        StaticKey::from_secret(&[7; 32], encoding).unwrap(),
        certificate,
    );

    let initiator = Initiator::with_ephemeral(SUITE, Some(authority), &[2; 32], encoding).unwrap();
    let act_1 = initiator.act_1();
    let (act_2, mut server) =
        Responder::respond_with_ephemeral(SUITE, &identity, &act_1, &[3; 32], encoding).unwrap();
    let (mut client, shown) = initiator.finish(&act_2, NOW).unwrap();
    let [up, down] = [&mut client, &mut server].map(|side| {
        let header = FrameHeader { extension_type: 0x8000, message_type: 0x1b, payload_len: 5 };
        let mut sealed = Vec::new();
        side.sealer.seal(header, b"share", &mut sealed).unwrap();
        sealed
    });

    assert_eq!(shown.certificate, certificate);
    assert_eq!(act_1, from_hex(ACT_1));
    assert_eq!(act_2, from_hex(ACT_2));
    assert_eq!(up, from_hex::<43>(UP));
    assert_eq!(down, from_hex::<43>(DOWN));
}

const ACT_1: &str = "
    9ccc27e12a4f4aa54fe7378b532ef5f60f02ada72739decdb5ca2300a700c4f4
    5dacc117f482e01dcfa2c3efa61087358ec47b2644922e8d733e4037249bed8a";
/// Ephemeral key; static key, MAC; certificate, MAC.
const ACT_2: &str = "
    1bf2f6de0af52d51cfd9ea43a46abcf110f3cc02e4039eb0beee8bef63b27659
    9ec7a7bc74bbe7928caa3bec8b63d8d4367b17f7b4df6d48f890f9e5d80d12d2

    32716d12c448a9e3a67e3713d55fc4ee9f297a5886347c39d706d5f57632d4e4
    a73b5b7d9b36316fb281e53677ea5206455f0a0f167b4dcba3454bcf72d860d8
    93b016e3910e51d1489de57574640e4b

    d1e13d023e768128dce0
    74eb7a32f4d05b24c3e1f41062107ef54084091971064972efd07484e667a9e6
    9de1f6462284ff1658c69b3bc14c2c2ef54a7cb14ad6625fb12b498955516ea4
    a8d81343d2ee3aeaa5ec11bb366deff7";
const CERTIFICATE: &str = "
    0000 00f15365 10ff5365
    4a46f49ba201f03375d85591a92c9bed90f1bf6683ca45fac4ab4f30bb03d2e3
    1c1d944ab7e78a56da5d0018e45b0339595d32d2c2aad8033003ef577397d52b";
/// A frame of extension type 0x8000, message type 0x1b, payload `share`.
const UP: &str = "
    d15c6aece30d 8744fdf49aed7b21404e61d7d6a9110d
    45170702e4 ca8edfd8ee467a0e95e302a1cb2df454";
const DOWN: &str = "
    b1ddae05dccc 93d830a6d974fab628ed018a5a8686fa
    f67dc39f1d 154438e8fbaf859cd1757bc7b2f0cd4a";

fn from_hex<const LEN: usize>(text: &str) -> [u8; LEN] {
    let digits: Vec<u8> = text
        .chars()
        .filter(|char| !char.is_whitespace())
        .map(|char| u8::try_from(char.to_digit(16).unwrap()).unwrap())
        .collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().unwrap()
}

#[test]
fn a_flipped_bit_anywhere_in_act_2_is_noticed_where_it_is() {
    let (act_2, _) = respond(&identity(), &initiator().act_1());

    // One byte in the middle and at both ends of each region.
    for (indices, expected) in [
        ([0, 31, 63], HandshakeError::StaticKeyMac),
        ([64, 96, 127], HandshakeError::StaticKeyMac),
        ([128, 136, 143], HandshakeError::StaticKeyMac),
        ([144, 180, 217], HandshakeError::CertificateMac),
        ([218, 226, 233], HandshakeError::CertificateMac),
    ] {
        for index in indices {
            let mut altered = act_2;
            altered[index] ^= 1;
            let outcome = initiator().finish(&altered, NOW);
            assert_eq!(outcome.err(), Some(expected), "byte {index}");
        }
    }
}

#[test]
fn a_flipped_bit_in_act_1_is_noticed_by_the_initiator() {
    let mut act_1 = initiator().act_1();
    act_1[40] ^= 1;
    let (act_2, _) = respond(&identity(), &act_1);

    let outcome = initiator().finish(&act_2, NOW);

    assert_eq!(outcome.err(), Some(HandshakeError::StaticKeyMac));
}

#[test]
fn every_bad_certificate_ends_the_handshake_for_its_own_reason() {
    #[track_caller]
    fn check(identity: &Identity, expected: CertificateError) {
        let initiator = initiator();
        let (act_2, _) = respond(identity, &initiator.act_1());
        let outcome = initiator.finish(&act_2, NOW);
        assert_eq!(outcome.err(), Some(HandshakeError::Certificate(expected)));
    }
    let key = || StaticKey::from_secret(&[8; 32], EllSwiftEncoding::ZeroRandomness).unwrap();
    let signed_by = |authority: &AuthoritySecretKey, from, until| {
        Identity::new(authority, key(), from, until, &mut Entropy::from_seed(1))
    };
    let good = *signed_by(&authority(), 0, u32::MAX).certificate();
    let stranger = AuthoritySecretKey::from_bytes(&[4; 32]).unwrap();

    check(
        &signed_by(&authority(), 1_700_000_011, u32::MAX),
        CertificateError::NotYetValid { valid_from: 1_700_000_011, now: NOW },
    );
    check(
        &signed_by(&authority(), 0, 1_699_999_989),
        CertificateError::Expired { not_valid_after: 1_699_999_989, now: NOW },
    );
    check(&signed_by(&stranger, 0, u32::MAX), CertificateError::Signature);
    check(
        &Identity::with_certificate(key(), Certificate { signature: [0; 64], ..good }),
        CertificateError::Signature,
    );
    check(
        &Identity::with_certificate(key(), Certificate { version: 1, ..good }),
        CertificateError::Version { version: 1 },
    );
    check(
        &Identity::with_certificate(StaticKey::generate(&mut Entropy::from_seed(9)), good),
        CertificateError::Signature,
    );
}

#[test]
fn without_an_authority_key_any_certificate_is_taken_and_said_to_be_unread() {
    let stranger = AuthoritySecretKey::from_bytes(&[4; 32]).unwrap();
    let mut entropy = Entropy::from_seed(1);
    let key = StaticKey::generate(&mut entropy);
    let identity = Identity::new(&stranger, key, 0, 1, &mut entropy);
    let initiator = Initiator::new(SUITE, None, &mut entropy);
    let (act_2, _) = respond(&identity, &initiator.act_1());

    let (_, shown) = initiator.finish(&act_2, NOW).unwrap();

    assert!(!shown.is_authenticated);
    assert_eq!(
        shown.certificate.verify(&shown.static_x(), &stranger.public_key(), UnixTime(1)),
        Ok(())
    );
}

#[test]
fn the_logged_handshake_keys_open_act_2() {
    let initiator = initiator();
    let (act_2, session) = respond(&identity(), &initiator.act_1());
    let open = |secret, hash: [u8; 32], sealed: &[u8]| {
        let mut text = sealed.to_vec();
        let key = CipherKey::new(SUITE, secret);
        key.open(0, &hash, &mut text, 0).map(|plain| plain.to_vec()).unwrap()
    };

    // The associated data is the hash of the handshake, which a reader of a capture computes.
    let hash = [&[][..], &initiator.act_1(), &[], &act_2[..64]]
        .into_iter()
        .fold(sha(SUITE.protocol_name().as_bytes()), |hash, part| sha(&[&hash, part].concat()));
    let static_key = open(&session.secrets.handshake_ee, hash, &act_2[64..144]);
    let hash = sha(&[&hash, &act_2[64..144]].concat());
    let certificate = open(&session.secrets.handshake_es, hash, &act_2[144..]);

    assert_eq!(static_key, identity().static_key());
    assert_eq!(certificate, identity().certificate().to_bytes());
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}

#[test]
fn debug_output_shows_no_secrets() {
    let (client, _) = handshake();
    let secrets = client.secrets.to_key_log();

    let shown = format!("{client:?} {:?} {:?}", initiator(), identity());

    for secret in secrets.lines().filter_map(|line| line.split(' ').nth(2)) {
        assert!(!shown.contains(&secret[..16]), "{shown}");
    }
    assert!(shown.contains("secrets: SessionSecrets(..)"), "{shown}");
    assert!(shown.contains("static_key: .., "), "{shown}");
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn any_64_bytes_are_an_act_1_whose_sender_cannot_forge_a_frame(
        bytes in proptest::collection::vec(any::<u8>(), ACT_1_LEN),
    ) {
        let act_1 = bytes.try_into().unwrap();
        let (act_2, mut session) = respond(&identity(), &act_1);
        prop_assert!(act_2.iter().any(|byte| *byte != 0));
        let outcome = session.opener.next_frame(&mut BytesMut::from(&act_1[..]));
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn a_random_act_2_is_refused(bytes in proptest::collection::vec(any::<u8>(), ACT_2_LEN)) {
        let act_2 = bytes.try_into().unwrap();
        let outcome = initiator().finish(&act_2, NOW);
        prop_assert_eq!(outcome.err(), Some(HandshakeError::StaticKeyMac));
    }
}
