//! A filter in words and signs, each with its place.

use std::ops::Range;

use super::{FilterError, Problem};

/// A word or sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, a number, an address, a time.
    Word(&'a str),
    /// In quotes, without them; what is in it has no meaning of its own.
    Quoted(&'a str),
    /// `==`, `&&`, `(` and so on.
    Sign(&'static str),
}

/// A token and where it stands, in bytes.
pub(super) type Spanned<'a> = (Token<'a>, Range<usize>);

/// Longest filter in bytes.
pub(super) const LEN_MAX: usize = 4096;

pub(super) fn tokens(text: &str) -> Result<Vec<Spanned<'_>>, FilterError> {
    if text.len() > LEN_MAX {
        let problem = Problem::TooLong { len: text.len() };
        return Err(FilterError { span: LEN_MAX..text.len(), problem });
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let len = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push((Token::Sign(sign), at..at + sign.len()));
            sign.len()
        } else if first == '"' || first == '\'' {
            let inside = &rest[1..];
            let Some(len) = inside.find(first) else {
                let problem = Problem::Unclosed { quote: first };
                return Err(FilterError { span: at..text.len(), problem });
            };
            found.push((Token::Quoted(&inside[..len]), at..at + len + 2));
            len + 2
        } else {
            let len = word_len(rest);
            found.push((Token::Word(&rest[..len]), at..at + len));
            len
        };
        at += len;
    }
    Ok(found)
}

/// Up to a blank, a quote or a sign. Brackets belong to a word that they follow at once:
/// `merkle_path[0]`.
fn word_len(rest: &str) -> usize {
    let ends = |(at, letter): (usize, char)| {
        let is_sign = SIGNS.iter().any(|sign| rest[at..].starts_with(sign));
        (letter.is_whitespace() || is_sign || letter == '"' || letter == '\'').then_some(at)
    };
    // Its first letter is none of these.
    rest.char_indices().skip(1).find_map(ends).unwrap_or(rest.len())
}

/// Longer ones first.
const SIGNS: &[&str] =
    &["==", "!=", "<=", ">=", "&&", "||", "<", ">", "=", "!", "~", "(", ")", "{", "}", ","];
