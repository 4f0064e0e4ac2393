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

/// Proves a text that `--print-config` prints: it has every key of the role's file and no other,
/// what stands behind a `#` is a valid example, and the rest says what no file says.
#[cfg(test)]
pub(super) fn check_default<F, S>(text: &str, settings: impl Fn(F) -> Result<S, Outcome>)
where
    F: DeserializeOwned + Default,
    S: PartialEq + std::fmt::Debug,
{
    let is_example = |line: &str| {
        let name = line.strip_prefix("# ").and_then(|line| line.split_once(" = "));
        name.is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let examples = text.lines().map(|line| match is_example(line) {
        true => line.trim_start_matches("# "),
        false => line,
    });
    let full = examples.collect::<Vec<_>>().join("\n");

    let given: toml::Table = toml::from_str(&full).expect("a default config is TOML");
    let mut keys: Vec<&str> = given.keys().map(String::as_str).collect();
    let mut fields = fields_of::<F>().to_vec();
    keys.sort_unstable();
    fields.sort_unstable();
    assert_eq!(keys, fields);
    toml::from_str::<F>(&full).expect("the examples are valid");
    let printed = toml::from_str(text).expect("a default config can be read");
    assert_eq!(settings(printed).unwrap(), settings(F::default()).unwrap());
    assert!(text.lines().all(|line| line.len() <= 100 || is_example(line)), "lines are short");
}

/// The names that a type reads.
#[cfg(test)]
fn fields_of<F: DeserializeOwned>() -> &'static [&'static str] {
    use serde::de::{self, Visitor, value::Error};
    struct Asks<'a>(&'a mut &'static [&'static str]);
    impl<'de> de::Deserializer<'de> for Asks<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(de::Error::custom("no struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            Err(de::Error::custom("asked"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    let _ = F::deserialize(Asks(&mut fields));
    fields
}
