//! Handshake, sealed frames, and the connection over both.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sv2::connection::{
    Connection, ConnectionConfig, InitiatorSecurity, Received, ResponderSecurity,
};
use sv2::entropy::Entropy;
use sv2::noise::{
    ACT_1_LEN, ACT_2_LEN, AuthorityPublicKey, AuthoritySecretKey, CipherKey, CipherSuite,
    EllSwiftEncoding, Identity, Initiator, Opener, Responder, Sealer, StaticKey,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Frame;

use crate::segments;

/// Input: a choice, then for an even one what act 2 is altered by (XOR), for an odd one an
/// act 1. An initiator takes the genuine act 2 and no other; a responder answers anything, and
/// what it answers follows from its randomness.
pub fn noise_handshake(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice % 2 == 1 {
        let mut act_1 = [0; ACT_1_LEN];
        copy_prefix(bytes, &mut act_1);
        let answer = |seed| {
            Responder::respond(SUITE, &server().identity, &act_1, &mut Entropy::from_seed(seed))
        };
        let ((act_2, session), (again, _), (other, _)) = (answer(3), answer(3), answer(4));
        assert_eq!(act_2, again);
        assert_ne!(act_2[..64], other[..64]);
        assert_eq!(session.secrets.act_1, act_1);
        return;
    }
    let initiator = initiator();
    let mut entropy = Entropy::from_seed(4);
    let (genuine, ours) =
        Responder::respond(SUITE, &server().identity, &initiator.act_1(), &mut entropy);
    let mut act_2 = genuine;
    act_2.iter_mut().zip(bytes).for_each(|(byte, mask)| *byte ^= mask);

    match initiator.finish(&act_2, NOW.unix) {
        Ok((theirs, identity)) => {
            assert_eq!(act_2, genuine, "an altered act 2 is refused");
            assert_eq!(theirs.secrets, ours.secrets);
            assert!(identity.is_authenticated);
        }
        Err(error) => assert_ne!(act_2, genuine, "the genuine act 2 is taken: {error}"),
    }
}

/// Input: length of the segments, then what a genuine stream is altered by (XOR). What is
/// opened is a beginning of what was sealed, and nothing behind the first altered byte.
pub fn noise_transport(data: &[u8]) {
    let Some((cut, mask)) = data.split_first() else { return };
    let key = CipherKey::new(SUITE, &[7; 32]);
    let mut sealer = Sealer::new(key.clone());
    let (mut stream, mut sent, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for len in [0, 1, 24, 0, 300, 33] {
        let frame = Frame {
            extension_type: 0x8000,
            message_type: 0x1a,
            payload: Bytes::from(vec![0x5a; len]),
        };
        sealer.seal(frame.header(), &frame.payload, &mut stream).expect("a fresh session");
        sent.push(frame);
        ends.push(stream.len());
    }
    let altered_at = mask.iter().position(|byte| *byte != 0).filter(|at| *at < stream.len());
    stream.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);

    let mut opener = Opener::new(key);
    let (mut buffer, mut opened) = (BytesMut::new(), Vec::new());
    for segment in segments(&stream, *cut) {
        buffer.extend_from_slice(segment);
        while let Ok(Some(frame)) = opener.next_frame(&mut buffer) {
            opened.push(frame);
        }
    }

    let whole = ends.iter().take_while(|end| altered_at.is_none_or(|at| **end <= at)).count();
    assert_eq!(opened, sent[..whole]);
    assert_eq!(opener.failure().is_some(), altered_at.is_some());
}

/// Input: two bytes of choices (side and security; length of the segments), then what a peer
/// sends. A connection fails once and for good, keeps to its deadline, says why it was closed,
/// and sends nothing that was not asked for.
pub fn connection(data: &[u8]) {
    let Some(([choice, cut], stream)) = data.split_first_chunk() else { return };
    let config = ConnectionConfig { payload_len_max: 0xffff, ..ConnectionConfig::default() };
    let (mut entropy, mut out) = (Entropy::from_seed(5), Vec::new());
    let (mut connection, act_len) = match choice % 4 {
        0 => (open(config, InitiatorSecurity::Plain, &mut entropy, &mut out), 0),
        1 => {
            let authority = Some(server().authority);
            let security = InitiatorSecurity::Noise { suite: SUITE, authority };
            (open(config, security, &mut entropy, &mut out), ACT_1_LEN)
        }
        2 => (Connection::responder(config, ResponderSecurity::Plain, NOW, &mut entropy), 0),
        _ => {
            let identity = Arc::clone(&server().identity);
            let security = ResponderSecurity::Noise { suite: SUITE, identity };
            (Connection::responder(config, security, NOW, &mut entropy), ACT_2_LEN)
        }
    };
    let mut now = NOW;
    let (mut input, mut failure, mut established) = (BytesMut::new(), None, 0);
    for segment in [&[][..]].into_iter().chain(segments(stream, *cut)) {
        // Upper bits of the first choice: how slowly the segments arrive.
        now = now.after(Duration::from_millis(u64::from(choice / 4) * 100));
        let is_late = connection.deadline().is_some_and(|deadline| now.instant >= deadline);
        input.extend_from_slice(segment);
        loop {
            match connection.receive(now, &mut input, &mut out) {
                Ok(Some(Received::Established { .. })) => established += 1,
                Ok(Some(Received::Frame(frame))) => {
                    assert!(connection.is_established() && frame.payload.len() <= 0xffff);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(failure.as_ref().is_none_or(|first| *first == error));
                    failure = Some(error);
                    break;
                }
            }
        }
        assert!(failure.is_some() || !is_late, "a deadline has passed unnoticed");
    }
    assert!(established <= 1);
    assert!(out.len() <= act_len);
    if let Some(failure) = failure {
        assert_eq!(connection.end(&input), Err(failure));
    } else if !input.is_empty() {
        connection.end(&input).expect_err("the peer has stopped in the middle");
    }
}

fn open(
    config: ConnectionConfig,
    security: InitiatorSecurity,
    entropy: &mut Entropy,
    out: &mut Vec<u8>,
) -> Connection {
    Connection::initiator(config, security, NOW, entropy, out)
}

/// Signed once: the curve is what takes time.
struct Server {
    authority: AuthorityPublicKey,
    identity: Arc<Identity>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut entropy = Entropy::from_seed(1);
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let key = StaticKey::generate(&mut entropy);
        let identity = Identity::new(&authority, key, 0, u32::MAX, &mut entropy);
        Server { authority: authority.public_key(), identity: Arc::new(identity) }
    })
}

fn initiator() -> Initiator {
    let encoding = EllSwiftEncoding::ZeroRandomness;
    Initiator::with_ephemeral(SUITE, Some(server().authority), &[2; 32], encoding)
        .expect("below the order of the curve")
}

fn copy_prefix(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
}

const SUITE: CipherSuite = CipherSuite::ChaChaPoly;
const NOW: Now = Now { instant: Instant::ZERO, unix: UnixTime(1_700_000_000) };
