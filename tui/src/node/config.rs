//! Config files of roles: TOML, with errors that name the place.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::outcome::Outcome;

/// Reads a config file; without one, every setting has its default.
pub(super) fn read<C: DeserializeOwned + Default>(file: Option<&Path>) -> Result<C, Outcome> {
    let Some(file) = file else { return Ok(C::default()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Outcome::usage(format!("cannot read {}: {error}", file.display())))?;
    toml::from_str(&text).map_err(|error| {
        // The error shows the line, and an arrow below the place.
        Outcome::usage(format!("{}: {error}", file.display()))
    })
}
