//! Tests of [`super`].

use proptest::prelude::{any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::*;
use crate::common::SetupConnectionSuccess;
use crate::noise::{AuthoritySecretKey, StaticKey};
use crate::time::UnixTime;

const START: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };

/// One side and what it has received.
struct Side {
    connection: Connection,
    input: BytesMut,
    out: Vec<u8>,
}

impl Side {
    fn receive(&mut self) -> Result<Option<Received>, ConnectionError> {
        self.connection.receive(START, &mut self.input, &mut self.out)
    }

    fn receive_all(&mut self) -> Result<Vec<Received>, ConnectionError> {
        std::iter::from_fn(|| self.receive().transpose()).collect()
    }

    /// Hands over what the other side has sent.
    fn take_from(&mut self, other: &mut Side) {
        self.input.extend_from_slice(&std::mem::take(&mut other.out));
    }

    fn send(&mut self, frame: &Frame) {
        self.connection.send_frame(frame, &mut self.out).unwrap();
    }
}

fn authority() -> AuthoritySecretKey {
    AuthoritySecretKey::from_bytes(&[3; 32]).unwrap()
}

fn server_with(config: ConnectionConfig, security: ResponderSecurity) -> Side {
    let connection = Connection::responder(config, security, START, &mut Entropy::from_seed(2));
    Side { connection, input: BytesMut::new(), out: Vec::new() }
}

fn client_with(config: ConnectionConfig, security: InitiatorSecurity) -> Side {
    let mut out = Vec::new();
    let mut entropy = Entropy::from_seed(1);
    let connection = Connection::initiator(config, security, START, &mut entropy, &mut out);
    Side { connection, input: BytesMut::new(), out }
}

fn noise_server() -> ResponderSecurity {
    let mut entropy = Entropy::from_seed(3);
    let key = StaticKey::generate(&mut entropy);
    let identity = Arc::new(Identity::new(&authority(), key, 0, u32::MAX, &mut entropy));
    ResponderSecurity::Noise { suite: CipherSuite::ChaChaPoly, identity }
}

fn noise_client() -> InitiatorSecurity {
    InitiatorSecurity::Noise {
        suite: CipherSuite::ChaChaPoly,
        authority: Some(authority().public_key()),
    }
}

fn noise_pair() -> (Side, Side) {
    let config = ConnectionConfig::default();
    (client_with(config, noise_client()), server_with(config, noise_server()))
}

fn plain_pair() -> (Side, Side) {
    let config = ConnectionConfig::default();
    (client_with(config, InitiatorSecurity::Plain), server_with(config, ResponderSecurity::Plain))
}

/// Runs the handshake to its end.
fn established((mut client, mut server): (Side, Side)) -> (Side, Side) {
    server.take_from(&mut client);
    assert!(matches!(server.receive_all().as_deref(), Ok([Received::Established { .. }])));
    client.take_from(&mut server);
    assert!(matches!(client.receive_all().as_deref(), Ok([Received::Established { .. }])));
    (client, server)
}

fn frame(payload: &'static [u8]) -> Frame {
    Frame { extension_type: 0, message_type: 1, payload: payload.into() }
}

#[test]
fn frames_cross_a_noise_connection_both_ways() {
    let (mut client, mut server) = established(noise_pair());
    client.send(&frame(b"to the server"));
    server.send(&frame(b"to the client"));
    let on_the_wire = client.out.clone();

    server.take_from(&mut client);
    client.take_from(&mut server);

    assert_eq!(server.receive_all(), Ok(vec![Received::Frame(frame(b"to the server"))]));
    assert_eq!(client.receive_all(), Ok(vec![Received::Frame(frame(b"to the client"))]));
    assert!(!on_the_wire.windows(6).any(|window| window == b"server"));
}

#[test]
fn a_plain_connection_is_established_without_a_byte() {
    let (mut client, mut server) = plain_pair();

    assert_eq!(client.receive(), Ok(Some(Received::Established { server: None })));
    assert_eq!(server.receive(), Ok(Some(Received::Established { server: None })));
    client.send(&frame(b"abc"));

    assert_eq!(client.out, [0, 0, 1, 3, 0, 0, b'a', b'b', b'c']);
    server.take_from(&mut client);
    assert_eq!(server.receive_all(), Ok(vec![Received::Frame(frame(b"abc"))]));
}

#[test]
fn a_message_and_its_frame_are_the_same_bytes() {
    let message: Message = SetupConnectionSuccess { used_version: 2, flags: 1 }.into();
    for pair in [noise_pair, plain_pair] {
        let (mut by_message, mut by_frame) = (established(pair()).0, established(pair()).0);

        by_message.connection.send_message(&message, &Tlvs::NONE, &mut by_message.out).unwrap();
        by_frame.send(&message.to_frame(&Tlvs::NONE));

        assert!(!by_frame.out.is_empty());
        assert_eq!(by_message.out, by_frame.out);
    }
}

#[test]
fn the_client_is_told_who_the_server_is() {
    let (mut client, mut server) = noise_pair();
    server.take_from(&mut client);
    server.receive_all().unwrap();
    client.take_from(&mut server);

    let Ok(Some(Received::Established { server: Some(shown) })) = client.receive() else {
        panic!("the handshake has failed");
    };

    assert!(shown.is_authenticated);
    assert_eq!((shown.certificate.valid_from, shown.certificate.not_valid_after), (0, u32::MAX));
}

#[test]
fn a_handshake_and_a_frame_survive_every_cut() {
    let (mut client, mut server) = established(noise_pair());
    let (mut to_server, mut to_client) = noise_pair_acts();
    client.send(&frame(b"share"));
    server.send(&frame(b"job"));
    to_server.extend_from_slice(&client.out);
    to_client.extend_from_slice(&server.out);

    for (stream, side, expected) in [(to_server, 1, frame(b"share")), (to_client, 0, frame(b"job"))]
    {
        for cut in 0..=stream.len() {
            let (client, server) = noise_pair();
            let mut side = if side == 0 { client } else { server };
            let mut received = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                side.input.extend_from_slice(part);
                received.extend(side.receive_all().unwrap());
            }
            assert!(matches!(received[0], Received::Established { .. }), "cut at {cut}");
            assert_eq!(received[1..], [Received::Frame(expected.clone())], "cut at {cut}");
        }
    }
}

/// Acts 1 and 2 of [`noise_pair`], which is the same every time.
fn noise_pair_acts() -> (Vec<u8>, Vec<u8>) {
    let (mut client, mut server) = noise_pair();
    let act_1 = client.out.clone();
    server.take_from(&mut client);
    server.receive_all().unwrap();
    (act_1, server.out)
}

#[test]
fn silence_ends_the_handshake_at_its_deadline() {
    let (client, server) = noise_pair();
    for (side, expected_len) in [(client, ACT_2_LEN), (server, ACT_1_LEN)] {
        let mut connection = side.connection;
        let deadline = connection.deadline().unwrap();
        assert_eq!(deadline, START.instant + Duration::from_secs(10));
        assert_eq!(connection.expire(Instant(deadline.0 - 1)), Ok(()));

        let expected = Err(ConnectionError::HandshakeTimedOut { received_len: 0, expected_len });

        assert_eq!(connection.expire(deadline), expected);
        assert_eq!(connection.deadline(), None);
        assert_eq!(connection.expire(deadline), expected);
    }
}

/// AMB-02: a server that takes the specification by its word sends 170 bytes and waits.
#[test]
fn a_short_act_2_is_reported_with_its_length() {
    let (mut client, _) = noise_pair();
    client.input.extend_from_slice(&[1; 170]);
    assert_eq!(client.receive(), Ok(None));

    let outcome = client.connection.expire(client.connection.deadline().unwrap());

    assert_eq!(
        outcome,
        Err(ConnectionError::HandshakeTimedOut { received_len: 170, expected_len: 234 })
    );
}

#[test]
fn an_act_that_comes_too_late_is_not_read() {
    let (mut client, mut server) = noise_pair();
    server.take_from(&mut client);
    let late = START.after(Duration::from_secs(10));

    let outcome = server.connection.receive(late, &mut server.input, &mut server.out);

    assert!(matches!(outcome, Err(ConnectionError::HandshakeTimedOut { .. })));
    assert!(server.out.is_empty());
}

#[test]
fn an_established_connection_has_no_deadline() {
    for pair in [noise_pair, plain_pair] {
        let (mut client, server) = established(pair());

        assert_eq!((client.connection.deadline(), server.connection.deadline()), (None, None));
        assert_eq!(client.connection.expire(Instant(u64::MAX)), Ok(()));
    }
}

#[test]
fn a_client_that_speaks_plain_is_noticed_by_the_mac_of_its_first_frame() {
    let (_, mut server) = noise_pair();
    let (mut client, _) = established(plain_pair());
    client.send(&frame(&[0; 100]));
    server.take_from(&mut client);

    let outcome = server.receive_all();

    let expected = ConnectionError::Transport(TransportError::HeaderMac { nonce: 0 });
    assert_eq!(outcome, Err(expected.clone()));
    assert_eq!(server.receive(), Err(expected.clone()));
    assert_eq!(server.connection.end(&server.input), Err(expected));
}

#[test]
fn a_server_with_another_authority_is_refused_and_stays_refused() {
    let (mut client, _) = noise_pair();
    let stranger = AuthoritySecretKey::from_bytes(&[4; 32]).unwrap();
    let mut entropy = Entropy::from_seed(3);
    let key = StaticKey::generate(&mut entropy);
    let identity = Arc::new(Identity::new(&stranger, key, 0, u32::MAX, &mut entropy));
    let mut server = server_with(
        ConnectionConfig::default(),
        ResponderSecurity::Noise { suite: CipherSuite::ChaChaPoly, identity },
    );
    server.take_from(&mut client);
    server.receive_all().unwrap();
    client.take_from(&mut server);

    let refusal = client.receive().unwrap_err();

    assert_eq!(refusal.certificate(), Some(CertificateError::Signature));
    assert_eq!(client.receive(), Err(refusal));
    assert!(!client.connection.is_established());
}

#[test]
fn closing_is_clean_only_between_frames() {
    #[track_caller]
    fn check(side: &Side, expected: Result<(), ConnectionError>) {
        assert_eq!(side.connection.end(&side.input), expected);
    }
    let (mut client, mut server) = noise_pair();
    client.input.extend_from_slice(&[0; 10]);
    check(
        &client,
        Err(ConnectionError::ClosedInHandshake { received_len: 10, expected_len: ACT_2_LEN }),
    );
    client.input.clear();
    server.take_from(&mut client);
    server.receive_all().unwrap();
    client.take_from(&mut server);
    client.receive_all().unwrap();
    check(&server, Ok(()));
    client.send(&frame(b"share"));
    server.input.extend_from_slice(&client.out[..22]);
    assert_eq!(server.receive_all(), Ok(vec![]));
    check(&server, Err(ConnectionError::ClosedInFrame { rest_len: 0 }));
    server.input.extend_from_slice(&client.out[22..25]);
    check(&server, Err(ConnectionError::ClosedInFrame { rest_len: 3 }));
}

#[test]
fn an_overlong_frame_is_refused_on_either_kind_of_connection() {
    let config = ConnectionConfig { payload_len_max: 4, ..ConnectionConfig::default() };
    let too_long = (
        ConnectionError::Frame(FrameError::TooLong { payload_len: 5, payload_len_max: 4 }),
        ConnectionError::Transport(TransportError::TooLong { payload_len: 5, payload_len_max: 4 }),
    );
    let (plain_client, noise_client) = (plain_pair().0, noise_pair().0);
    let plain_server = server_with(config, ResponderSecurity::Plain);
    let noise_server = server_with(config, noise_server());

    for (pair, expected) in
        [((plain_client, plain_server), too_long.0), ((noise_client, noise_server), too_long.1)]
    {
        let (mut client, mut server) = established(pair);
        client.send(&frame(b"share"));
        server.take_from(&mut client);

        assert_eq!(server.receive(), Err(expected.clone()));
        assert_eq!(server.receive(), Err(expected));
    }
}

#[test]
fn what_no_frame_can_hold_is_not_sent() {
    let (mut client, _) = established(noise_pair());
    let payload = vec![0; FrameHeader::PAYLOAD_LEN_MAX + 1];
    let frame = Frame { extension_type: 0, message_type: 0, payload: payload.into() };

    let outcome = client.connection.send_frame(&frame, &mut client.out);

    assert_eq!(outcome, Err(ConnectionError::Unsendable { payload_len: 0x100_0000 }));
    assert!(client.out.is_empty());
}

#[test]
fn the_halves_of_a_split_connection_work_apart() {
    let (client, mut server) = established(noise_pair());
    let (mut reader, mut writer) = client.connection.split();
    let (mut out, mut input) = (Vec::new(), BytesMut::new());

    writer.write_frame(&frame(b"up"), &mut out).unwrap();
    server.input.extend_from_slice(&out);
    server.send(&frame(b"down"));
    input.extend_from_slice(&server.out);

    assert_eq!(server.receive(), Ok(Some(Received::Frame(frame(b"up")))));
    assert_eq!(reader.next_frame(&mut input), Ok(Some(frame(b"down"))));
    assert_eq!(reader.end(&input), Ok(()));
}

#[test]
fn both_sides_log_the_same_keys_and_a_plain_connection_none() {
    let (client, server) = established(noise_pair());
    let log = client.connection.key_log().unwrap().to_key_log();

    assert_eq!(server.connection.key_log().unwrap().to_key_log(), log);
    assert_eq!(established(plain_pair()).0.connection.key_log(), None);
    assert_eq!(noise_pair().0.connection.key_log(), None);
}

#[test]
fn the_same_randomness_gives_the_same_bytes() {
    let run = || {
        let (mut client, mut server) = established(noise_pair());
        client.send(&frame(b"share"));
        server.send(&frame(b"job"));
        (noise_pair_acts(), client.out, server.out)
    };

    assert_eq!(run(), run());
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_never_panics_and_never_becomes_a_frame(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        segment_len in 1_usize..100,
    ) {
        let (client, server) = noise_pair();
        for mut side in [client, server] {
            for segment in garbage.chunks(segment_len) {
                side.input.extend_from_slice(segment);
                while let Ok(Some(received)) = side.receive() {
                    prop_assert!(!matches!(received, Received::Frame(_)));
                }
            }
        }
    }

    #[test]
    fn plain_garbage_becomes_frames_without_a_loss(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_, mut server) = plain_pair();
        server.input.extend_from_slice(&garbage);
        let mut written = Vec::new();
        for received in server.receive_all().unwrap() {
            if let Received::Frame(frame) = received {
                frame.write(&mut written);
            }
        }
        written.extend_from_slice(&server.input);
        prop_assert_eq!(written, garbage);
    }
}
