//! What a run changes in a scenario without changing its file.

use std::path::PathBuf;

use sv2::noise::StratumUrl;

use super::{ChainKind, HeldBy};

/// What is different in this run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Instead of the file's.
    pub seed: Option<u64>,
    /// Instead of the file's; settings of the embedded chain are then left alone.
    pub chain: Option<ChainKind>,
    /// Where our roles listen.
    pub ports: Ports,
    /// Roles, by name, that others hold.
    pub replace: Vec<(String, HeldBy)>,
    /// Settings, by their place with dots between, and their values as TOML.
    pub set: Vec<(String, String)>,
}

/// Where roles of ours listen, seen from where the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// There.
    #[default]
    AsWritten,
    /// So many ports above it.
    Above(u16),
    /// On ports that the system chooses.
    Free,
}

/// `ROLE=stratum2+tcp://HOST:PORT/KEY` or `ROLE=RECIPE.toml`, for [`Overrides::replace`].
///
/// # Errors
/// What was expected.
pub fn parse_replacement(text: &str) -> Result<(String, HeldBy), String> {
    let expected = "expected ROLE=stratum2+tcp://HOST:PORT/KEY or ROLE=RECIPE.toml";
    let (role, by) = text.split_once('=').ok_or_else(|| format!("{expected}, got \"{text}\""))?;
    if role.is_empty() || by.is_empty() {
        return Err(format!("{expected}, got \"{text}\""));
    }
    let held_by = if by.contains("://") {
        let url: StratumUrl = by.parse().map_err(|error| format!("\"{by}\": {error}"))?;
        HeldBy::Address(url)
    } else {
        HeldBy::Recipe(PathBuf::from(by))
    };
    Ok((role.to_owned(), held_by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_an_address_or_a_file() {
        let address = parse_replacement("pool=stratum2+tcp://127.0.0.1:34254").unwrap();
        let recipe = parse_replacement("pool=recipes/pool.toml").unwrap();

        assert!(matches!(address.1, HeldBy::Address(StratumUrl { port: 34254, .. })));
        assert_eq!(recipe.1, HeldBy::Recipe("recipes/pool.toml".into()));
        for text in ["pool", "=pool.toml", "pool=", "pool=stratum2+tcp://x"] {
            assert!(parse_replacement(text).unwrap_err().contains("expected"), "{text}");
        }
    }
}
