//! Families: cases that differ in one thing, one for each message, field or number. Built here
//! and read like any other case, so that they are listed, explained and filtered like them.

mod channels;
mod flags;
mod lies;
mod numbers;

use crate::case::document::LoadError;
use crate::case::{Case, Fixture, load_case};

/// All families.
///
/// # Errors
/// A family that does not fit the message table: a fault of ours.
pub(crate) fn all(
    fixtures: &[Fixture],
    is_clause: &dyn Fn(&str) -> bool,
) -> Result<Vec<Case>, Vec<LoadError>> {
    let families = [lies::cases(), channels::cases(), flags::cases(), numbers::cases()];
    let texts = families.into_iter().flatten();
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for (family, text) in texts {
        match load_case(family, &text, fixtures, is_clause) {
            Ok(case) => cases.push(case),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(cases) } else { Err(errors) }
}

/// `OpenStandardMiningChannel` to `open-standard-mining-channel`, `user_identity` to
/// `user-identity`.
fn kebab(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(if c == '_' { '-' } else { c.to_ascii_lowercase() });
    }
    words
}
