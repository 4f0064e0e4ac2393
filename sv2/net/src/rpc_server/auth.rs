//! Who may call: Basic authentication, by a cookie file that we write or by a password.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sv2::entropy::Entropy;

use crate::base64::base64;
use crate::bitcoind::Auth;

/// What a client has to show. The cookie's file is gone with it.
pub(super) struct Door {
    /// Header value of those who may.
    expected: String,
    cookie: Option<PathBuf>,
}

impl Door {
    /// Writes the cookie's file, for nobody to read but its owner, if that is how it is to be.
    pub(super) fn new(auth: &Auth, entropy: &mut Entropy) -> io::Result<Self> {
        let (secret, cookie) = match auth {
            Auth::Password { user, password } => (format!("{user}:{password}"), None),
            Auth::Cookie(path) => {
                let word: String =
                    entropy.bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
                let secret = format!("{COOKIE_USER}:{word}");
                write_cookie(path, &secret)?;
                (secret, Some(path.clone()))
            }
        };
        Ok(Door { expected: base64(secret.as_bytes()), cookie })
    }

    /// Whether a header of a request opens. How long that takes says nothing of the secret.
    pub(super) fn opens_to(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, given)) = authorization.and_then(|value| value.split_at_checked(6))
        else {
            return false;
        };
        let (given, expected) = (given.trim_ascii(), self.expected.as_bytes());
        let difference = given.iter().zip(expected).fold(0, |sum, (a, b)| sum | (a ^ b));
        scheme.eq_ignore_ascii_case(b"Basic ") && given.len() == expected.len() && difference == 0
    }
}

/// In one step: who waits for the file never reads half of it.
fn write_cookie(path: &Path, secret: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(secret.as_bytes())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(path) = &self.cookie {
            // Somebody else may have cleared it away.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

/// As Bitcoin Core's cookie has it.
const COOKIE_USER: &str = "__cookie__";

#[cfg(test)]
mod tests {
    use super::*;

    fn door(auth: &Auth) -> Door {
        Door::new(auth, &mut Entropy::from_seed(1)).unwrap()
    }

    #[test]
    fn only_the_whole_secret_opens() {
        let door = door(&Auth::Password { user: "a".into(), password: "b".into() });

        for (header, is_open) in [
            ("Basic YTpi", true),
            ("basic  YTpi ", true),
            ("Basic YTpj", false),
            ("Basic YTp", false),
            ("Basic YTpiYTpi", false),
            ("Basic ", false),
            ("Bearer YTpi", false),
            ("", false),
        ] {
            assert_eq!(door.opens_to(Some(header.as_bytes())), is_open, "{header}");
        }
        assert!(!door.opens_to(None));
    }

    #[test]
    fn a_cookie_is_its_owners_alone_and_gone_with_the_server() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".cookie");
        std::fs::write(&path, "of an earlier run").unwrap();

        let door = door(&Auth::Cookie(path.clone()));

        let cookie = std::fs::read_to_string(&path).unwrap();
        assert!(cookie.starts_with("__cookie__:") && cookie.len() == 11 + 64, "{cookie}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(door.opens_to(Some(format!("Basic {}", base64(cookie.as_bytes())).as_bytes())));
        drop(door);
        assert!(!path.exists());
    }
}
