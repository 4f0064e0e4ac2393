//! `${name}` in texts, and `$$` for a dollar sign.

use thiserror::Error;

/// A `${name}` that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("${{{name}}} stands for nothing{hint}")]
pub struct UnknownPlaceholder {
    /// Where, in bytes of its text.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) hint: String,
}

/// All names in a text and where their `$` stands.
pub(super) fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    parts(text).filter_map(|part| match part {
        Part::Name { at, name } => Some((at, name)),
        Part::Text(_) => None,
    })
}

/// The text with what `value` knows of its names.
pub(super) fn expand(
    text: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, UnknownPlaceholder> {
    let mut expanded = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Text(text) => expanded.push_str(text),
            Part::Name { at, name } => expanded.push_str(&value(name).ok_or_else(|| {
                UnknownPlaceholder { at, name: name.into(), hint: String::new() }
            })?),
        }
    }
    Ok(expanded)
}

enum Part<'t> {
    Text(&'t str),
    Name { at: usize, name: &'t str },
}

/// A dollar sign without brace, or with one that is never closed, is a dollar sign.
fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let (part, len) = match rest.find('$').unwrap_or(rest.len()) {
            _ if rest.is_empty() => return None,
            0 if rest.starts_with("$$") => (Part::Text("$"), 2),
            0 => match rest.strip_prefix("${").and_then(|name| name.split_once('}')) {
                Some((name, _)) => (Part::Name { at, name }, name.len() + 3),
                None => (Part::Text("$"), 1),
            },
            start => (Part::Text(&rest[..start]), start),
        };
        at += len;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_dollars_kept() {
        let value = |name: &str| (name == "a.b").then(|| "<x>".to_owned());
        for (text, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("${a.b}${a.b}", "<x><x>"),
            ("1 ${a.b} 2", "1 <x> 2"),
            ("$$ $${a.b} $ $", "$ ${a.b} $ $"),
            ("cost $5 ${open", "cost $5 ${open"),
        ] {
            assert_eq!(expand(text, value).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_its_place() {
        let error = expand("at ${nowhere}", |_| None).unwrap_err();

        assert_eq!((error.at, error.name.as_str()), (3, "nowhere"));
    }
}
