//! `vardiff` of a config file: the name of an algorithm, or a switch.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use sv2::mining::vardiff::VardiffAlgorithm;

/// How targets follow the hash rate that shares show; `None`: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vardiff(pub(super) Option<VardiffAlgorithm>);

impl Default for Vardiff {
    fn default() -> Self {
        Vardiff(Some(VardiffAlgorithm::default()))
    }
}

impl<'de> Deserialize<'de> for Vardiff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrSwitch)
    }
}

struct NameOrSwitch;

impl Visitor<'_> for NameOrSwitch {
    type Value = Vardiff;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        VardiffAlgorithm::NAMES.iter().try_for_each(|name| write!(f, "\"{name}\", "))?;
        f.write_str("true or false")
    }

    fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<Vardiff, E> {
        Ok(if is_on { Vardiff::default() } else { Vardiff(None) })
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Vardiff, E> {
        match VardiffAlgorithm::named(name) {
            Some(algorithm) => Ok(Vardiff(Some(algorithm))),
            None => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct File {
        vardiff: Vardiff,
    }

    #[test]
    fn a_name_or_a_switch_is_read_and_another_word_is_refused_with_the_choice() {
        for (text, expected) in [
            ("\"sri\"", Some(VardiffAlgorithm::Sri)),
            ("\"ckpool\"", Some(VardiffAlgorithm::Ckpool)),
            ("true", Some(VardiffAlgorithm::Bayes)),
            ("false", None),
        ] {
            let file: File = toml::from_str(&format!("vardiff = {text}")).unwrap();
            assert_eq!(file.vardiff.0, expected, "{text}");
        }
        let refusal = toml::from_str::<File>("vardiff = \"pid\"").unwrap_err().to_string();
        assert!(refusal.contains("\"bayes\", \"sri\", \"ckpool\""), "{refusal}");
    }
}
