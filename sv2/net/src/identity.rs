//! What a listener shows its clients: a static key and a certificate that does not run out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sv2::entropy::Entropy;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, Identity, StaticKey};
use sv2::time::UnixTime;
use thiserror::Error;
use zeroize::Zeroizing;

/// Reads an authority's secret key from a file with one line, as `assay key new` writes it.
///
/// # Errors
/// [`KeyFileError`]; never shows what is in the file.
pub fn read_secret_key(path: &Path) -> Result<AuthoritySecretKey, KeyFileError> {
    let failed = |source| KeyFileError::Unreadable { path: path.into(), source };
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(failed)?;
    text.trim().parse().map_err(|_| KeyFileError::NotAKey { path: path.into() })
}

/// Why there is no secret key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// No file, or not for us.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Of the file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is in it.
    #[error(
        "{}: expected one line with a secret key, as written by `assay key new FILE`",
        path.display()
    )]
    NotAKey {
        /// Of the file.
        path: PathBuf,
    },
}

/// Makes certificates, or shows one that was made elsewhere.
pub struct Certifier {
    kind: Kind,
}

enum Kind {
    Fixed(Arc<Identity>),
    Renewing { authority: AuthoritySecretKey, term: Term, current: Box<Mutex<Current>> },
}

/// Of certificates, from when they are signed.
#[derive(Clone, Copy)]
struct Term {
    validity: Duration,
    backdated: Duration,
}

struct Current {
    identity: Arc<Identity>,
    signed_at: UnixTime,
    entropy: Entropy,
}

impl Certifier {
    /// Shows one identity for ever, even when it has run out.
    pub fn fixed(identity: Identity) -> Self {
        Certifier { kind: Kind::Fixed(Arc::new(identity)) }
    }

    /// Certifies a fresh static key for `validity` (whole seconds), and the next one when half of
    /// it has passed. The certificate starts a minute in the past, for clients whose clock is
    /// slow.
    pub fn renewing(
        authority: AuthoritySecretKey,
        validity: Duration,
        now: UnixTime,
        entropy: Entropy,
    ) -> Self {
        Certifier::renewing_backdated(authority, validity, SLOW_CLOCK, now, entropy)
    }

    /// The same, with certificates that start so long in the past.
    pub fn renewing_backdated(
        authority: AuthoritySecretKey,
        validity: Duration,
        backdated: Duration,
        now: UnixTime,
        mut entropy: Entropy,
    ) -> Self {
        let term = Term { validity, backdated };
        let identity = certify(&authority, term, now, &mut entropy);
        let current = Box::new(Mutex::new(Current { identity, signed_at: now, entropy }));
        Certifier { kind: Kind::Renewing { authority, term, current } }
    }

    /// Whom clients must trust; unknown for a fixed identity.
    pub fn authority(&self) -> Option<AuthorityPublicKey> {
        match &self.kind {
            Kind::Fixed(_) => None,
            Kind::Renewing { authority, .. } => Some(authority.public_key()),
        }
    }

    /// For a connection that is accepted at `now`.
    pub fn identity(&self, now: UnixTime) -> Arc<Identity> {
        let (authority, term, current) = match &self.kind {
            Kind::Fixed(identity) => return Arc::clone(identity),
            Kind::Renewing { authority, term, current } => (authority, *term, current),
        };
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes a certificate of the future: renewed as well.
        if now.0.abs_diff(current.signed_at.0) >= term.validity.as_secs().div_ceil(2) {
            let Current { identity, signed_at, entropy } = &mut *current;
            *identity = certify(authority, term, now, entropy);
            *signed_at = now;
        }
        Arc::clone(&current.identity)
    }
}

impl fmt::Debug for Certifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certifier(..)")
    }
}

fn certify(
    authority: &AuthoritySecretKey,
    Term { validity, backdated }: Term,
    now: UnixTime,
    entropy: &mut Entropy,
) -> Arc<Identity> {
    let from = UnixTime(now.0.saturating_sub(backdated.as_secs())).to_u32();
    let until = UnixTime(now.0.saturating_add(validity.as_secs())).to_u32();
    Arc::new(Identity::new(authority, StaticKey::generate(entropy), from, until, entropy))
}

const SLOW_CLOCK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_half_of_its_validity_and_when_the_clock_is_set_back() {
        let mut entropy = Entropy::from_seed(1);
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let hour = Duration::from_secs(3600);
        let certifier = Certifier::renewing(authority, hour, UnixTime(1_000_000), entropy);
        let not_valid_after = |now| certifier.identity(UnixTime(now)).certificate().not_valid_after;

        assert_eq!(not_valid_after(1_001_799), 1_003_600);
        assert_eq!(not_valid_after(1_001_800), 1_005_400);
        assert_eq!(not_valid_after(900_000), 903_600);
    }

    #[test]
    fn a_certificate_can_start_a_day_in_the_past() {
        let mut entropy = Entropy::from_seed(1);
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let [hour, day] = [3_600, 86_400].map(Duration::from_secs);
        let now = UnixTime(1_000_000);

        let certifier = Certifier::renewing_backdated(authority, hour, day, now, entropy);

        let identity = certifier.identity(now);
        let certificate = identity.certificate();
        assert_eq!((certificate.valid_from, certificate.not_valid_after), (913_600, 1_003_600));
    }
}
