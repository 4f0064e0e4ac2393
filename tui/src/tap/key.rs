//! The tap's own authority: a key that devices are told to trust in place of the pool's.

use std::path::{Path, PathBuf};

use sv2::noise::AuthoritySecretKey;
use sv2_net::identity::read_secret_key;

use super::options::Tap;
use crate::key::write_new;
use crate::outcome::Outcome;

/// The key, and the file that it was just written to, if it is new.
pub(super) fn authority(options: &Tap) -> Result<(AuthoritySecretKey, Option<PathBuf>), Outcome> {
    if let Some(file) = &options.new_authority {
        return made(file);
    }
    if let Some(file) = &options.authority_key {
        return read(file);
    }
    let file = default_file().ok_or_else(|| {
        Outcome::usage("there is no home to keep an authority's key in: --new-authority FILE")
    })?;
    if file.exists() { read(&file) } else { made(&file) }
}

fn read(file: &Path) -> Result<(AuthoritySecretKey, Option<PathBuf>), Outcome> {
    let key = read_secret_key(file).map_err(|error| Outcome::usage(error.to_string()))?;
    Ok((key, None))
}

/// Never over an old key: devices out there know it.
fn made(file: &Path) -> Result<(AuthoritySecretKey, Option<PathBuf>), Outcome> {
    if let Some(parent) = file.parent() {
        // If it cannot be made, the file cannot either, and that error says why.
        let _ = std::fs::create_dir_all(parent);
    }
    if file.exists() {
        let file = file.display();
        return Err(Outcome::usage(format!(
            "--new-authority {file}: there is one already; --authority-key {file} uses it"
        )));
    }
    let key = AuthoritySecretKey::generate(&mut sv2_net::entropy::from_system());
    write_new(file, &key)
        .map_err(|error| Outcome::usage(format!("cannot write {}: {error}", file.display())))?;
    Ok((key, Some(file.to_owned())))
}

/// Where programs keep what they have made themselves (XDG base directories).
fn default_file() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    Some(state.join("assay/tap-authority.key"))
}
