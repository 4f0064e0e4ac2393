//! `assay key`: authority keys and URLs (spec 4.7).

use std::io::Write as _;
use std::path::Path;

use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, StratumUrl};
use sv2_net::identity::read_secret_key;
use zeroize::Zeroizing;

use crate::arguments::Key;
use crate::outcome::Outcome;
use crate::print;

/// Runs `assay key`.
pub(crate) fn run(command: Key) -> Outcome {
    match command {
        Key::New { file } => new(&file),
        Key::Show { file } => match read_secret_key(&file) {
            Ok(secret) => {
                print::line(secret.public_key());
                Outcome::Done
            }
            Err(error) => Outcome::usage(error.to_string()),
        },
        Key::Url { key, endpoint } => url(&key, endpoint.as_deref()),
    }
}

fn new(file: &Path) -> Outcome {
    let secret = AuthoritySecretKey::generate(&mut sv2_net::entropy::from_system());
    match write_new(file, &secret) {
        Ok(()) => {
            print::line(secret.public_key());
            anstream::eprintln!("the secret key is in {}; keep it there", file.display());
            Outcome::Done
        }
        Err(error) => Outcome::usage(format!("cannot write {}: {error}", file.display())),
    }
}

/// Writes a secret key to a file of its own, readable for its owner alone.
///
/// # Errors
/// If there is such a file: whoever loses an old key loses all clients that know it.
pub(crate) fn write_new(file: &Path, secret: &AuthoritySecretKey) -> std::io::Result<()> {
    let mut text = Zeroizing::new(secret.to_text().to_string());
    text.push('\n');
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}

fn url(key: &str, endpoint: Option<&str>) -> Outcome {
    if key.contains("://") {
        return take_apart(key);
    }
    let authority = match key.parse::<AuthorityPublicKey>() {
        Ok(authority) => authority,
        Err(not_a_key) => match read_secret_key(Path::new(key)) {
            Ok(secret) => secret.public_key(),
            Err(not_a_file) => {
                return Outcome::usage(format!(
                    "\"{key}\" is no public key ({not_a_key}) and no secret key's file \
                     ({not_a_file})"
                ));
            }
        },
    };
    let Some(endpoint) = endpoint else {
        return Outcome::usage("where does the server listen? assay key url KEY HOST:PORT");
    };
    match format!("stratum2+tcp://{endpoint}/{authority}").parse::<StratumUrl>() {
        Ok(url) => {
            print::line(url);
            Outcome::Done
        }
        Err(error) => Outcome::usage(error.to_string()),
    }
}

fn take_apart(text: &str) -> Outcome {
    match text.parse::<StratumUrl>() {
        Ok(url) => {
            print::line(format_args!("host       {}\nport       {}", url.host, url.port));
            match url.authority {
                Some(authority) => print::line(format_args!("authority  {authority}")),
                None => {
                    print::line(format_args!("authority  none: the server is not authenticated"))
                }
            }
            Outcome::Done
        }
        Err(error) => Outcome::usage(format!("\"{text}\": {error}")),
    }
}
