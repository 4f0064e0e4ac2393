//! Lines of Stratum V1. Strings are replaced where they stand, so that numbers, order and spaces
//! stay as they were sent; a parser of JSON would not tell where they are.

use std::ops::Range;

use sv2::wire::hex::{bytes_from_hex, write_hex};

use super::Redactor;
use super::coinbase;
use super::stand_ins::{Letter, StandIns};
use super::table::Private;

/// Replaces what is private in a line, or all of it where it is no JSON.
pub(super) fn redact(line: &mut [u8], redactor: &mut Redactor) {
    let Some(strings) = strings(line) else {
        return redactor.stand_ins.replace(Letter::Unknown, line);
    };
    let method = strings.iter().find(|it| it.is_value_of("method", line));
    let method = method.map(|it| line[it.span.clone()].to_vec());
    for string in &strings {
        let text = &line[string.span.clone()];
        let Some(kind) = kind(string, text, method.as_deref(), line) else { continue };
        let text = &mut line[string.span.clone()];
        match kind {
            Private::CoinbasePrefix => redactor.hex(text, kind, coinbase::prefix),
            Private::CoinbaseSuffix => redactor.hex(text, kind, coinbase::suffix),
            kind => redactor.value(kind, text),
        }
    }
}

impl Redactor {
    /// Bytes that are written as digits.
    fn hex(&mut self, text: &mut [u8], kind: Private, replace: fn(&mut [u8], &mut StandIns)) {
        if kind.category().is_some_and(|category| !self.categories.has(category)) {
            return;
        }
        let Some(mut bytes) = std::str::from_utf8(text).ok().and_then(bytes_from_hex) else {
            return self.stand_ins.replace(Letter::Coinbase, text);
        };
        replace(&mut bytes, &mut self.stand_ins);
        let mut digits = Vec::new();
        write_hex(&bytes, &mut digits);
        text.copy_from_slice(&digits);
    }
}

/// What a string of a call or an answer tells.
fn kind(string: &Text, text: &[u8], method: Option<&[u8]>, line: &[u8]) -> Option<Private> {
    let path: Vec<Step<'_>> = string.path.iter().map(|step| step.of(line)).collect();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    if string.is_name {
        return (text.len() > NAME_LEN_MAX || !text.iter().all(is_plain)).then_some(Private::Words);
    }
    match (method, path.as_slice()) {
        (Some(method), [Step::Name(b"method")]) => {
            (!KNOWN.contains(&method)).then_some(Private::Words)
        }
        (Some(method), [Step::Name(b"params"), Step::Index(index), rest @ ..]) => {
            match (method, index) {
                (b"mining.authorize", _) | (b"mining.submit", 0) => Some(Private::User),
                (b"mining.subscribe", 1) => Some(Private::Token),
                (b"mining.subscribe", 2) | (b"client.reconnect", 0) => Some(Private::Host),
                (b"mining.notify", 2) => Some(Private::CoinbasePrefix),
                (b"mining.notify", 3) => Some(Private::CoinbaseSuffix),
                // The name of a program.
                (b"mining.subscribe", 0) => None,
                // Names of extensions, masks.
                (b"mining.configure", _) if rest.len() <= 1 && text.iter().all(is_plain) => None,
                _ => words_unless_digits(text),
            }
        }
        // Of a subscription: pairs of a method and a session, then the extranonce.
        (None, [Step::Name(b"result"), Step::Index(0), .., Step::Index(1)]) => Some(Private::Token),
        (None, [Step::Name(b"result"), Step::Index(0), .., Step::Index(0)])
            if KNOWN.contains(&text) =>
        {
            None
        }
        _ => words_unless_digits(text),
    }
}

/// Extranonces, hashes, header fields, and ids that are numbers.
fn words_unless_digits(text: &[u8]) -> Option<Private> {
    let is_digits = text.len() <= DIGITS_MAX && text.iter().all(u8::is_ascii_hexdigit);
    (!is_digits).then_some(Private::Words)
}

const KNOWN: [&[u8]; 16] = [
    b"mining.authorize",
    b"mining.submit",
    b"mining.subscribe",
    b"mining.notify",
    b"mining.configure",
    b"mining.set_difficulty",
    b"mining.set_target",
    b"mining.set_extranonce",
    b"mining.set_version_mask",
    b"mining.extranonce.subscribe",
    b"mining.suggest_difficulty",
    b"mining.suggest_target",
    b"mining.ping",
    b"client.reconnect",
    b"client.get_version",
    b"client.show_message",
];

/// A string between its quotes.
#[derive(Debug)]
struct Text {
    span: Range<usize>,
    path: Vec<Place>,
    /// In front of a colon.
    is_name: bool,
}

impl Text {
    fn is_value_of(&self, name: &str, line: &[u8]) -> bool {
        let is_it =
            |place: &Place| matches!(place.of(line), Step::Name(it) if it == name.as_bytes());
        !self.is_name && matches!(self.path.as_slice(), [place] if is_it(place))
    }
}

/// Where something stands in what surrounds it.
#[derive(Clone, Debug)]
enum Place {
    Index(usize),
    Name(Range<usize>),
}

impl Place {
    fn of<'a>(&self, line: &'a [u8]) -> Step<'a> {
        match self {
            Place::Index(index) => Step::Index(*index),
            Place::Name(span) => Step::Name(&line[span.clone()]),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Index(usize),
    Name(&'a [u8]),
}

/// All strings of a line; `None` if it is not JSON, or nested deeper than anything that is said.
fn strings(line: &[u8]) -> Option<Vec<Text>> {
    let mut found = Vec::new();
    let mut path: Vec<Place> = Vec::new();
    let mut at = 0;
    let mut awaits_name = false;
    while let Some(byte) = line.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' if path.len() == DEPTH_MAX => return None,
            b'{' => {
                path.push(Place::Name(0..0));
                awaits_name = true;
            }
            b'[' => {
                path.push(Place::Index(0));
                awaits_name = false;
            }
            b'}' | b']' => {
                path.pop()?;
                awaits_name = false;
            }
            b',' => match path.last_mut()? {
                Place::Index(index) => *index += 1,
                Place::Name(_) => awaits_name = true,
            },
            b':' => awaits_name = false,
            b'"' => {
                let start = at;
                at += string_len(&line[start..])?;
                let span = start..at;
                at += 1;
                if awaits_name && let Some(Place::Name(name)) = path.last_mut() {
                    *name = span.clone();
                }
                found.push(Text { span, path: path.clone(), is_name: awaits_name });
            }
            b' ' | b'\t' | b'\r' | b'+' | b'-' | b'.' | b'0'..=b'9' => {}
            // What numbers and the three words are made of.
            b'E' | b'a' | b'e' | b'f' | b'l' | b'n' | b'r' | b's' | b't' | b'u' => {}
            _ => return None,
        }
    }
    path.is_empty().then_some(found)
}

/// Up to the quote that ends it.
fn string_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

const DEPTH_MAX: usize = 8;
const NAME_LEN_MAX: usize = 40;
/// Of a hash.
const DIGITS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::Categories;
    use super::*;

    #[test]
    fn users_sessions_hosts_and_texts_are_replaced_where_they_stand() {
        let rows = [
            (
                r#"{"id":1,"method":"mining.authorize","params":["farm.rig1","pass word"]}"#,
                r#"{"id":1,"method":"mining.authorize","params":["u001.u002","u00000001"]}"#,
            ),
            (
                r#"{"params": ["farm.rig1", "4f", "0001", "504e86b9", "b2957c02"], "id": 4, "method": "mining.submit"}"#,
                r#"{"params": ["u001.u002", "4f", "0001", "504e86b9", "b2957c02"], "id": 4, "method": "mining.submit"}"#,
            ),
            (
                r#"{"id":2,"method":"mining.subscribe","params":["bosminer/1.0","5ea510","pool.example",3333]}"#,
                r#"{"id":2,"method":"mining.subscribe","params":["bosminer/1.0","t00001","h00000000001",3333]}"#,
            ),
            (
                r#"{"id":2,"result":[[["mining.notify","5ea510"]],"08000002",4],"error":null}"#,
                r#"{"id":2,"result":[[["mining.notify","t00001"]],"08000002",4],"error":null}"#,
            ),
            (
                r#"{"id":null,"method":"client.show_message","params":["Hi \"Bob\""]}"#,
                r#"{"id":null,"method":"client.show_message","params":["w000000001"]}"#,
            ),
            (r#"{"id":1,"result":true,"error":null}"#, r#"{"id":1,"result":true,"error":null}"#),
            ("farm.rig1 says hello", "x0000000000000000001"),
            (r#"{"id":[[[[[[[[["farm"]]]]]]]]]}"#, "x000000000000000000000000000001"),
        ];
        let mut redactor = Redactor::new(Categories::ALL);
        for (original, expected) in rows {
            let covered = String::from_utf8(redactor.line(original.as_bytes())).unwrap();

            assert_eq!(covered, expected);
            assert_eq!(covered.len(), original.len());
        }
    }

    #[test]
    fn only_what_was_asked_for_is_replaced() {
        let mut redactor = Redactor::new("tokens".parse().unwrap());
        let line = br#"{"id":1,"method":"mining.authorize","params":["farm.rig1","x"]}"#;

        assert_eq!(redactor.line(line), line);
    }

    #[test]
    fn coinbases_of_digits_are_replaced_as_bytes_are() {
        let tag = "2f4661726d506f6f6c2f";
        let line = format!(
            r#"{{"id":null,"method":"mining.notify","params":["1","00","02000000010000{tag}","{tag}",[],"20000000","1d00ffff","65e0f0f0",true]}}"#
        );

        let covered = Redactor::new(Categories::ALL).line(line.as_bytes());

        let covered = String::from_utf8(covered).unwrap();
        assert!(!covered.contains(tag) && covered.contains("1d00ffff"), "{covered}");
        assert_eq!(covered.len(), line.len());
    }

    #[test]
    fn no_line_is_too_strange() {
        for line in ["", "\"", "\"\\", "]", "{\"a\":[}", "{\"\":\"\"}", "[,]", "{\"a\" \"b\"}"] {
            let covered = Redactor::new(Categories::ALL).line(line.as_bytes());

            assert_eq!(covered.len(), line.len(), "{line}");
        }
    }
}
