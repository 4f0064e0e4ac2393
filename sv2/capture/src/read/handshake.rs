//! Act 2 of a handshake, opened with the keys of a key log (spec 4.5.2): the certificate that
//! the server has shown, and whether it holds by the clock of the capture.

use sha2::{Digest, Sha256};
use sv2::noise::{
    ACT_1_LEN, ACT_2_LEN, AuthorityPublicKey, Certificate, CertificateError, CipherKey,
    CipherSuite, KeyLogLabel, MAC_LEN, ServerIdentity,
};
use sv2::time::UnixTime;

use super::key_log::SessionKeys;
use crate::observed::CertificateSeen;

/// What act 2 carried, and what is wrong with it, in sentences.
pub(super) fn open(
    act_1: &[u8; ACT_1_LEN],
    act_2: &[u8; ACT_2_LEN],
    keys: &SessionKeys,
    authority: Option<&AuthorityPublicKey>,
    at: u64,
) -> (Option<CertificateSeen>, Vec<String>) {
    let secrets = [KeyLogLabel::HandshakeEe, KeyLogLabel::HandshakeEs];
    let [Some(ee), Some(es)] = secrets.map(|label| keys.secret(label)) else {
        return (None, Vec::new());
    };
    let mut failures = Vec::new();
    for suite in [CipherSuite::ChaChaPoly, CipherSuite::AesGcm] {
        let Some((static_key, certificate)) = open_with(suite, act_1, act_2, ee, es) else {
            continue;
        };
        let identity = ServerIdentity { static_key, certificate, is_authenticated: false };
        let static_x = identity.static_x();
        let now = UnixTime(at / 1_000_000_000);
        if let Err(error) = certificate.check_window(now) {
            failures.push(in_words(&error, now));
        }
        // Whether it is signed is asked at a time at which nothing else can be wrong.
        let then = UnixTime(u64::from(certificate.valid_from));
        let is_signed = authority.map(|authority| {
            !matches!(
                certificate.verify(&static_x, authority, then),
                Err(CertificateError::Signature)
            )
        });
        if is_signed == Some(false) {
            failures.push("the certificate is not signed by the authority (spec 4.5.3)".into());
        }
        return (Some(CertificateSeen { certificate, static_x, is_signed }), failures);
    }
    failures.push("act 2 does not open with the keys of this session (spec 4.5.2)".into());
    (None, failures)
}

fn open_with(
    suite: CipherSuite,
    act_1: &[u8; ACT_1_LEN],
    act_2: &[u8; ACT_2_LEN],
    ee: &[u8; 32],
    es: &[u8; 32],
) -> Option<([u8; 64], Certificate)> {
    let (ephemeral, rest) = act_2.split_first_chunk::<64>()?;
    let (sealed_static, sealed_certificate) = rest.split_first_chunk::<SEALED_STATIC_LEN>()?;
    // The handshake hash (spec 4.5.1, Noise 5.2): name, empty prologue, act 1 with its empty
    // payload, then act 2 piece by piece.
    let name = Sha256::digest(suite.protocol_name());
    let hash = [&[][..], act_1, &[], ephemeral].iter().fold(name, |hash, bytes| mix(&hash, bytes));
    let mut static_key = *sealed_static;
    let static_key = CipherKey::new(suite, ee).open(0, &hash, &mut static_key, 0)?;
    let static_key = *static_key.first_chunk()?;
    let hash = mix(&hash, sealed_static);
    let mut certificate = sealed_certificate.to_vec();
    let certificate = CipherKey::new(suite, es).open(0, &hash, &mut certificate, 0)?;
    Some((static_key, Certificate::from_bytes(certificate.first_chunk()?)))
}

fn mix(hash: &[u8], bytes: &[u8]) -> sha2::digest::Output<Sha256> {
    Sha256::new().chain_update(hash).chain_update(bytes).finalize()
}

fn in_words(error: &CertificateError, now: UnixTime) -> String {
    match *error {
        CertificateError::NotYetValid { valid_from, .. } => format!(
            "the certificate is valid from {} s after this moment of the capture (spec 4.5.3)",
            u64::from(valid_from).saturating_sub(now.0)
        ),
        CertificateError::Expired { not_valid_after, .. } => format!(
            "the certificate expired {} s before this moment of the capture (spec 4.5.3)",
            now.0.saturating_sub(u64::from(not_valid_after))
        ),
        CertificateError::Version { .. } | CertificateError::Signature => error.to_string(),
    }
}

const SEALED_STATIC_LEN: usize = 64 + MAC_LEN;
