//! Rules about Noise: 1 and 6 (spec 4.5), and what cannot be read.

use super::Severity::{Error, Note, Warning};
use super::scene::{Findings, Scene};
use crate::Direction;
use crate::observed::{CertificateSeen, HandshakeSeen, SessionKey};
use crate::text::seconds;

pub(super) fn check(scene: &Scene<'_>, out: &mut Findings<'_>, seen: &HandshakeSeen) {
    for (act, len, right) in [(1, seen.act_1_len, 64), (2, seen.act_2_len, 234)] {
        if len != 0 && len != right {
            out.tell(scene, 6, Error, || format!("act {act} has {len} bytes instead of {right}"));
        }
    }
    if seen.act_1_len != 0 && seen.act_2_len == 0 {
        out.tell(scene, 6, Warning, || "act 1 has no answer".to_owned());
    }
    for failure in &seen.failures {
        out.tell(scene, 6, Error, || failure.clone());
    }
    if let Some(certificate) = &seen.certificate {
        check_certificate(scene, out, certificate);
    }
    match seen.key {
        SessionKey::Fits => {}
        SessionKey::DoesNotFit => {
            out.tell(scene, 1, Error, || {
                "the key that was given for this session opens nothing; rules that need to read \
                 are silent from here"
                    .to_owned()
            });
        }
        SessionKey::Missing => tell_no_key(scene, out),
    }
}

fn tell_no_key(scene: &Scene<'_>, out: &mut Findings<'_>) {
    out.tell_once(scene, (1, 0), Note, || {
        "encrypted, and there is no key: rules that need to read are silent".to_owned()
    });
}

/// By the capture's clock: it is the only one that there is.
fn check_certificate(scene: &Scene<'_>, out: &mut Findings<'_>, seen: &CertificateSeen) {
    let now = scene.observed.at / 1_000_000_000;
    let (from, until) =
        (u64::from(seen.certificate.valid_from), u64::from(seen.certificate.not_valid_after));
    #[expect(clippy::cast_precision_loss, reason = "seconds between two 32-bit times")]
    let in_words = |skew: u64| seconds(skew as f64);
    if from > now {
        let skew = from - now;
        // AMB-11: deployed clients have ten seconds of tolerance, the specification has none.
        let severity = if skew <= sv2::noise::CLOCK_LEEWAY_SECONDS { Warning } else { Error };
        out.tell(scene, 6, severity, || {
            format!("the certificate is valid only in {}, by the capture's clock", in_words(skew))
        });
    } else if until < now {
        let skew = now - until;
        let severity = if skew <= sv2::noise::CLOCK_LEEWAY_SECONDS { Warning } else { Error };
        out.tell(scene, 6, severity, || {
            format!("the certificate ran out {} ago, by the capture's clock", in_words(skew))
        });
    }
    if seen.is_signed == Some(false) {
        out.tell(scene, 6, Error, || {
            "the certificate is not signed by the authority that is expected".to_owned()
        });
    }
    if seen.certificate.version != 0 {
        let version = seen.certificate.version;
        out.tell(scene, 6, Warning, || format!("the certificate has version {version}"));
    }
}

pub(super) fn check_opaque(scene: &Scene<'_>, out: &mut Findings<'_>) {
    tell_no_key(scene, out);
}

pub(super) fn check_gap(
    scene: &Scene<'_>,
    out: &mut Findings<'_>,
    direction: Direction,
    len: u64,
    resynced: bool,
) {
    let who = match direction {
        Direction::ClientToServer => "client",
        Direction::ServerToClient => "server",
    };
    if resynced {
        out.tell(scene, 2, Note, || {
            format!(
                "{len} bytes of the {who} were not captured: what is unknown from here may have \
                 been said"
            )
        });
    } else {
        let about = u64::MAX - u64::from(direction == Direction::ServerToClient);
        out.tell_once(scene, (2, about), Warning, || {
            format!(
                "{len} bytes of the {who} were not captured, and no frame was found behind them: \
                 rules that need to read are silent from here"
            )
        });
    }
}
