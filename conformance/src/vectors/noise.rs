//! Vectors of the handshake: spec 4.5, with all keys known.
//!
//! Keys are encoded with all-zero randomness, so that implementations that cannot choose the
//! encoding can repeat the bytes; on a live connection that would be a mistake.

use bitcoin::secp256k1::{Parity, Secp256k1, SecretKey};
use serde_json::{Value as Json, json};
use sv2::entropy::Entropy;
use sv2::noise::{
    ACT_1_LEN, ACT_2_LEN, AuthorityPublicKey, AuthoritySecretKey, Certificate, CertificateError,
    CipherSuite, EllSwiftEncoding, HandshakeError, Identity, Initiator, Responder, Session,
    SessionSecrets, StaticKey,
};
use sv2::time::UnixTime;

use super::{File, Group, Outcome, Test, hex, new_file, new_group, transport, unhex};

/// Both sides of a handshake with fixed keys.
pub(super) const HANDSHAKE: &str = "handshake";
/// An initiator takes act 2.
pub(super) const ACT_2: &str = "take act 2";

const VALID_FROM: u32 = 1_700_000_000;
const NOT_VALID_AFTER: u32 = 1_700_003_600;
const NOW: u64 = 1_700_000_600;

pub(super) fn generate() -> File {
    new_file(
        "the Noise handshake and the sealed frames after it, with all keys known",
        &[
            (
                "zero-randomness",
                "public keys are encoded with all-zero randomness, so that the bytes can be repeated; on a live connection that would be a mistake",
            ),
            ("not-in-spec", "AES-256-GCM is no longer part of the specification"),
            (
                "AMB-02",
                "act 2 has 234 bytes; the specification also says 170, which its own steps contradict",
            ),
            ("AMB-11", "the specification has no tolerance for clocks; ten seconds are deployed"),
            ("AMB-27", "whether a client without the authority's key may connect is open"),
            ("mac", "a message authentication code does not fit"),
            (
                "certificate",
                "both sides have computed the same keys, but the server is not who it should be",
            ),
            (
                "incomplete",
                "act 2 has not arrived whole: the initiator waits, and gives up after a time of its own choice",
            ),
            (
                "chunks",
                "payloads are sealed in chunks of at most 65,519 bytes, each with a MAC of 16 bytes",
            ),
        ],
        [vec![handshakes(), acts_2()], transport::groups()].concat(),
    )
}

/// Who takes part in a handshake, from a seed.
struct Cast {
    initiator_ephemeral: [u8; 32],
    responder_ephemeral: [u8; 32],
    responder_static: [u8; 32],
    authority: [u8; 32],
    entropy: Entropy,
}

impl Cast {
    fn new(seed: u64) -> Self {
        let mut entropy = Entropy::from_seed(seed);
        Cast {
            initiator_ephemeral: secret(&mut entropy),
            responder_ephemeral: secret(&mut entropy),
            responder_static: secret(&mut entropy),
            authority: secret(&mut entropy),
            entropy,
        }
    }

    fn authority(&self) -> AuthoritySecretKey {
        AuthoritySecretKey::from_bytes(&self.authority).expect("below the order of the curve")
    }

    fn static_key(&self) -> StaticKey {
        StaticKey::from_secret(&self.responder_static, ENCODING)
            .expect("below the order of the curve")
    }

    fn certificate(&mut self, valid_from: u32, not_valid_after: u32) -> Certificate {
        let (authority, key) = (self.authority(), self.static_key().to_x_only());
        Certificate::sign(&authority, &key, valid_from, not_valid_after, &mut self.entropy)
    }

    fn initiator(&self, suite: CipherSuite) -> Initiator {
        let authority = Some(self.authority().public_key());
        Initiator::with_ephemeral(suite, authority, &self.initiator_ephemeral, ENCODING)
            .expect("below the order of the curve")
    }

    fn act_2(&self, suite: CipherSuite, certificate: Certificate) -> [u8; ACT_2_LEN] {
        let act_1 = self.initiator(suite).act_1();
        self.respond(suite, &act_1, certificate).0
    }

    fn respond(
        &self,
        suite: CipherSuite,
        act_1: &[u8; ACT_1_LEN],
        certificate: Certificate,
    ) -> ([u8; ACT_2_LEN], Session) {
        let identity = Identity::with_certificate(self.static_key(), certificate);
        Responder::respond_with_ephemeral(
            suite,
            &identity,
            act_1,
            &self.responder_ephemeral,
            ENCODING,
        )
        .expect("below the order of the curve")
    }
}

/// A secret key whose point has an even y: some implementations negate the others, and the
/// encoding shows the sign.
fn secret(entropy: &mut Entropy) -> [u8; 32] {
    let secret = SecretKey::from_slice(&entropy.bytes::<32>())
        .expect("below the order of the curve for all but one in 2^128");
    match secret.x_only_public_key(&Secp256k1::signing_only()).1 {
        Parity::Even => secret.secret_bytes(),
        Parity::Odd => secret.negate().secret_bytes(),
    }
}

const ENCODING: EllSwiftEncoding = EllSwiftEncoding::ZeroRandomness;

fn handshakes() -> Group {
    let rows = (1..=8).map(|seed| (seed, CipherSuite::ChaChaPoly, "any keys"));
    let aes = [(9, CipherSuite::AesGcm, "AES-256-GCM")];
    let tests = rows
        .chain(aes)
        .map(|(seed, suite, comment)| {
            let mut cast = Cast::new(seed);
            let certificate = cast.certificate(VALID_FROM, NOT_VALID_AFTER);
            let input = json!({
                "suite": suite_name(suite),
                "initiator_ephemeral_secret": hex(cast.initiator_ephemeral),
                "responder_ephemeral_secret": hex(cast.responder_ephemeral),
                "responder_static_secret": hex(cast.responder_static),
                "authority_secret": hex(cast.authority),
                "certificate": hex(certificate.to_bytes()),
                "now": NOW,
            });
            let expected = shake(&input).expect("all keys fit");
            let (result, flags): (_, &[&str]) = match suite {
                CipherSuite::ChaChaPoly => (Outcome::Valid, &["zero-randomness"]),
                CipherSuite::AesGcm => (Outcome::Acceptable, &["zero-randomness", "not-in-spec"]),
            };
            Test::new(format!("handshake/{seed}"), comment, input, expected, result, flags)
        })
        .collect();
    new_group(HANDSHAKE, json!({}), tests)
}

/// Both sides; they must end with the same keys.
fn shake(input: &Json) -> Result<Json, String> {
    let suite = suite(input)?;
    let cast = Cast {
        initiator_ephemeral: array(input, "initiator_ephemeral_secret")?,
        responder_ephemeral: array(input, "responder_ephemeral_secret")?,
        responder_static: array(input, "responder_static_secret")?,
        authority: array(input, "authority_secret")?,
        entropy: Entropy::from_seed(0),
    };
    let certificate = Certificate::from_bytes(&array(input, "certificate")?);
    let initiator = cast.initiator(suite);
    let act_1 = initiator.act_1();
    let (act_2, responder_session) = cast.respond(suite, &act_1, certificate);
    let (initiator_session, server) =
        initiator.finish(&act_2, now(input)?).map_err(|error| error.to_string())?;
    if initiator_session.secrets != responder_session.secrets {
        return Err("the two sides have different keys".to_owned());
    }
    Ok(json!({
        "act_1": hex(act_1),
        "act_2": hex(act_2),
        "authority_public_key": cast.authority().public_key().to_string(),
        "responder_static_x": hex(server.static_x()),
        "certificate": show_certificate(&certificate),
        "secrets": show_secrets(&initiator_session.secrets),
    }))
}

fn show_certificate(certificate: &Certificate) -> Json {
    json!({
        "version": certificate.version,
        "valid_from": certificate.valid_from,
        "not_valid_after": certificate.not_valid_after,
        "signature": hex(certificate.signature),
    })
}

fn show_secrets(secrets: &SessionSecrets) -> Json {
    json!({
        "initiator_to_responder": hex(secrets.initiator_to_responder),
        "responder_to_initiator": hex(secrets.responder_to_initiator),
        "ee": hex(secrets.handshake_ee),
        "es": hex(secrets.handshake_es),
    })
}

fn acts_2() -> Group {
    let mut tests = altered_acts();
    tests.extend(certificates());
    tests.extend(clocks());
    new_group(ACT_2, json!({ "act_2_len": ACT_2_LEN }), tests)
}

/// Act 2 is not what the server has sent, or the server computes something else.
fn altered_acts() -> Vec<Test> {
    let mut cast = Cast::new(20);
    let certificate = cast.certificate(VALID_FROM, NOT_VALID_AFTER);
    let good = cast.act_2(CHACHA, certificate);
    let flipped = |at: usize| {
        let mut act = good.to_vec();
        act[at] ^= 0x01;
        act
    };
    let other_act_1 = Cast::new(21).initiator(CHACHA).act_1();
    let answer_to_another = cast.respond(CHACHA, &other_act_1, certificate).0;
    let mirrored = [&cast.initiator(CHACHA).act_1()[..], &[0; 170]].concat();
    let swapped = [&good[..64], &good[144..], &good[64..144]].concat();
    let rows: [(&str, &str, Vec<u8>, &str); 16] = [
        ("good", "as sent", good.to_vec(), ""),
        ("ephemeral-key", "the first bit of the ephemeral key is flipped", flipped(0), "mac"),
        ("ephemeral-key-end", "the last byte of the ephemeral key is altered", flipped(63), "mac"),
        ("static-key", "the sealed static key is altered", flipped(64), "mac"),
        ("static-key-mac", "the MAC of the static key is altered", flipped(127 + 1), "mac"),
        (
            "static-key-mac-end",
            "the last byte of the static key's MAC is altered",
            flipped(143),
            "mac",
        ),
        ("certificate", "the sealed certificate is altered", flipped(144), "mac"),
        ("signature", "the sealed signature is altered", flipped(200), "mac"),
        ("certificate-mac", "the last byte of act 2 is altered", flipped(233), "mac"),
        ("zeros", "nothing but zeros", vec![0; ACT_2_LEN], "mac"),
        ("mirrored", "the initiator's own key comes back", mirrored, "mac"),
        ("swapped", "certificate and static key stand the wrong way round", swapped, "mac"),
        (
            "other-act-1",
            "the answer to another initiator, as in a replay",
            answer_to_another.to_vec(),
            "mac",
        ),
        (
            "other-cipher",
            "the server seals with AES-256-GCM",
            cast.act_2(CipherSuite::AesGcm, certificate).to_vec(),
            "mac",
        ),
        ("one-byte-short", "233 bytes", good[..233].to_vec(), "incomplete"),
        (
            "170-bytes",
            "170 bytes, as one sentence of the specification says",
            good[..170].to_vec(),
            "incomplete",
        ),
    ];
    rows.map(|(id, comment, act_2, flag)| {
        let result = if flag.is_empty() { Outcome::Valid } else { Outcome::Invalid };
        let mut flags: Vec<&str> = vec!["zero-randomness"];
        flags.extend((!flag.is_empty()).then_some(flag));
        flags.extend((id == "170-bytes").then_some("AMB-02"));
        act_2_test(id, comment, &cast, act_2, NOW, result, &flags)
    })
    .into()
}

/// The keys agree, the certificate does not hold.
fn certificates() -> Vec<Test> {
    let mut cast = Cast::new(30);
    let good = cast.certificate(VALID_FROM, NOT_VALID_AFTER);
    let mut other = Cast::new(31);
    let of_other_server = {
        let key = other.static_key().to_x_only();
        Certificate::sign(&cast.authority(), &key, VALID_FROM, NOT_VALID_AFTER, &mut other.entropy)
    };
    let by_other_authority = {
        let key = cast.static_key().to_x_only();
        Certificate::sign(&other.authority(), &key, VALID_FROM, NOT_VALID_AFTER, &mut other.entropy)
    };
    let mut forged = good;
    forged.signature[63] ^= 0x01;
    let rows = [
        ("wrong-authority", "another authority has signed", by_other_authority),
        ("wrong-server", "signed by the authority for another server", of_other_server),
        ("forged-signature", "one bit of the signature is flipped", forged),
        ("zero-signature", "a signature of zeros", Certificate { signature: [0; 64], ..good }),
        (
            "longer",
            "valid for longer than the authority has signed",
            Certificate { not_valid_after: u32::MAX, ..good },
        ),
        (
            "earlier",
            "valid from earlier than the authority has signed",
            Certificate { valid_from: 0, ..good },
        ),
        ("version-1", "a version that does not exist", Certificate { version: 1, ..good }),
    ];
    rows.map(|(id, comment, certificate)| {
        let act_2 = cast.act_2(CHACHA, certificate).to_vec();
        act_2_test(
            id,
            comment,
            &cast,
            act_2,
            NOW,
            Outcome::Invalid,
            &["zero-randomness", "certificate"],
        )
    })
    .into()
}

/// The same certificate at different times.
fn clocks() -> Vec<Test> {
    let mut cast = Cast::new(40);
    let certificate = cast.certificate(VALID_FROM, NOT_VALID_AFTER);
    let backwards = cast.certificate(NOT_VALID_AFTER, VALID_FROM);
    let (from, after) = (u64::from(VALID_FROM), u64::from(NOT_VALID_AFTER));
    let rows = [
        ("first-second", "at the first second of its validity", certificate, from, Outcome::Valid),
        ("last-second", "at the last second of its validity", certificate, after, Outcome::Valid),
        ("early", "ten seconds before its validity", certificate, from - 10, Outcome::Acceptable),
        ("late", "ten seconds after its validity", certificate, after + 10, Outcome::Acceptable),
        (
            "not-yet-valid",
            "an hour before its validity",
            certificate,
            from - 3600,
            Outcome::Invalid,
        ),
        ("expired", "an hour after its validity", certificate, after + 3600, Outcome::Invalid),
        ("backwards", "its validity ends before it begins", backwards, NOW, Outcome::Invalid),
        ("epoch", "a clock that was never set", certificate, 0, Outcome::Invalid),
    ];
    rows.map(|(id, comment, certificate, now, result)| {
        let act_2 = cast.act_2(CHACHA, certificate).to_vec();
        let flags: &[&str] = match result {
            Outcome::Valid => &["zero-randomness"],
            Outcome::Invalid => &["zero-randomness", "certificate"],
            Outcome::Acceptable => &["zero-randomness", "AMB-11"],
        };
        act_2_test(id, comment, &cast, act_2, now, result, flags)
    })
    .into_iter()
    .chain([without_authority()])
    .collect()
}

fn without_authority() -> Test {
    let mut cast = Cast::new(50);
    let certificate = cast.certificate(VALID_FROM, NOT_VALID_AFTER);
    let act_2 = cast.act_2(CHACHA, certificate).to_vec();
    let mut input = act_2_input(&cast, act_2, NOW);
    input["authority_public_key"] = Json::Null;
    let expected = take_act_2(&input).expect("readable").expect("nothing is checked");
    let comment = "a client that knows no authority";
    Test::new(
        "act-2/no-authority",
        comment,
        input,
        expected,
        Outcome::Acceptable,
        &["zero-randomness", "AMB-27"],
    )
}

fn act_2_test(
    id: &str,
    comment: &str,
    cast: &Cast,
    act_2: Vec<u8>,
    now: u64,
    result: Outcome,
    flags: &[&str],
) -> Test {
    let input = act_2_input(cast, act_2, now);
    let (Ok(expected) | Err(expected)) = take_act_2(&input).expect("the input is readable");
    Test::new(format!("act-2/{id}"), comment, input, expected, result, flags)
}

fn act_2_input(cast: &Cast, act_2: Vec<u8>, now: u64) -> Json {
    json!({
        "suite": suite_name(CHACHA),
        "initiator_ephemeral_secret": hex(cast.initiator_ephemeral),
        "authority_public_key": cast.authority().public_key().to_string(),
        "act_2": hex(act_2),
        "now": now,
    })
}

/// What our initiator makes of act 2; outside, that the test cannot be read.
fn take_act_2(input: &Json) -> Result<Result<Json, Json>, String> {
    let authority: Option<AuthorityPublicKey> = match &input["authority_public_key"] {
        Json::Null => None,
        text => {
            let text = text.as_str().ok_or("input.authority_public_key is no text")?;
            Some(text.parse().map_err(|error| format!("input.authority_public_key: {error}"))?)
        }
    };
    let secret = array(input, "initiator_ephemeral_secret")?;
    let initiator = Initiator::with_ephemeral(suite(input)?, authority, &secret, ENCODING)
        .map_err(|error| error.to_string())?;
    let act_1 = hex(initiator.act_1());
    let act_2 = input["act_2"].as_str().and_then(unhex).ok_or("input.act_2 is not hexadecimal")?;
    let Some(act_2) = act_2.first_chunk() else {
        return Ok(Err(json!({ "act_1": act_1, "error": "incomplete" })));
    };
    Ok(match initiator.finish(act_2, now(input)?) {
        Ok((session, server)) => Ok(json!({
            "act_1": act_1,
            "certificate": show_certificate(&server.certificate),
            "is_authenticated": server.is_authenticated,
            "secrets": show_secrets(&session.secrets),
        })),
        Err(error) => Err(json!({ "act_1": act_1, "error": reason(error) })),
    })
}

fn reason(error: HandshakeError) -> &'static str {
    match error {
        HandshakeError::StaticKeyMac => "mac of the static key",
        HandshakeError::CertificateMac => "mac of the certificate",
        HandshakeError::Certificate(CertificateError::Version { .. }) => "certificate version",
        HandshakeError::Certificate(CertificateError::NotYetValid { .. }) => {
            "certificate not yet valid"
        }
        HandshakeError::Certificate(CertificateError::Expired { .. }) => "certificate expired",
        HandshakeError::Certificate(CertificateError::Signature) => "certificate signature",
    }
}

const CHACHA: CipherSuite = CipherSuite::ChaChaPoly;

fn suite_name(suite: CipherSuite) -> &'static str {
    suite.protocol_name()
}

/// The cipher suite that `input.suite` names.
fn suite(input: &Json) -> Result<CipherSuite, String> {
    [CipherSuite::ChaChaPoly, CipherSuite::AesGcm]
        .into_iter()
        .find(|suite| input["suite"] == suite.protocol_name())
        .ok_or_else(|| "input.suite is no cipher suite".to_owned())
}

fn now(input: &Json) -> Result<UnixTime, String> {
    input["now"].as_u64().map(UnixTime).ok_or_else(|| "input.now is no time".to_owned())
}

fn array<const N: usize>(input: &Json, name: &str) -> Result<[u8; N], String> {
    input[name]
        .as_str()
        .and_then(unhex)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("input.{name} is not {N} bytes"))
}

pub(super) fn verify(operation: &str, test: &Test) -> Result<(), String> {
    test.judge(match operation {
        HANDSHAKE => Ok(shake(&test.input)?),
        ACT_2 => take_act_2(&test.input)?,
        other => return Err(format!("no operation is called `{other}`")),
    })
}
