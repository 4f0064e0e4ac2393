//! The specification's text as sections and sentences, and their fingerprints. Reads Markdown as
//! the specification is written; knows nothing of clauses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use sv2::wire::hex::array_from_hex;

/// SHA-256 of a normalised sentence: equal as long as only its markup, white space or line breaks
/// change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a sentence, a row of a table, or any piece of text.
    pub fn of(text: &str) -> Fingerprint {
        Fingerprint(Sha256::digest(normalise(text)).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A fingerprint is 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256 as 64 hexadecimal digits")]
pub struct BadFingerprint;

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, BadFingerprint> {
        array_from_hex(text.as_bytes()).map(Fingerprint).ok_or(BadFingerprint)
    }
}

/// The text between one numbered heading and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Such as `5.3.14`.
    pub number: String,
    /// The heading, then sentences, rows of tables and code blocks, normalised.
    pub sentences: Vec<String>,
}

impl Section {
    /// Of everything in the section.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.sentences.join("\n"))
    }

    /// Index of the sentence whose fingerprint this is.
    pub fn position(&self, fingerprint: Fingerprint) -> Option<usize> {
        self.sentences.iter().position(|sentence| Fingerprint::of(sentence) == fingerprint)
    }

    /// Index of the sentence that has most of the words of `rule`, rare words counting more; `None`
    /// if none has enough. With `keyword` (such as `MUST NOT`), sentences that have it are
    /// preferred. Never the heading: a title is no rule.
    pub fn best_match(&self, rule: &str, keyword: Option<&str>) -> Option<usize> {
        let wanted = stems(rule);
        let sentences: Vec<BTreeSet<String>> = self.sentences.iter().map(|s| stems(s)).collect();
        let weight = |stem: &String| {
            let holders = sentences.iter().filter(|sentence| sentence.contains(stem)).count();
            1.0 / (1.0 + f64::from(u32::try_from(holders).unwrap_or(u32::MAX)))
        };
        let mut best: Option<(f64, usize)> = None;
        for (index, sentence) in sentences.iter().enumerate().skip(1) {
            let shared: Vec<&String> = wanted.intersection(sentence).collect();
            let text = &self.sentences[index];
            let bonus = match keyword {
                Some(word) if text.contains(word) => 0.3,
                Some(word) if text.to_lowercase().contains(&word.to_lowercase()) => 0.2,
                _ => 0.0,
            };
            let enough = shared.len() >= 2 && shared.len() * 3 >= wanted.len()
                || bonus > 0.0 && !shared.is_empty();
            if !enough {
                continue;
            }
            // A long row shares words with every rule.
            let length = f64::from(u32::try_from(sentence.len()).unwrap_or(u32::MAX)).max(4.0);
            let score = shared.into_iter().map(weight).sum::<f64>() / length.sqrt() + bonus;
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, index));
            }
        }
        best.map(|(_, index)| index)
    }
}

/// The numbered sections of a file. Text before the first is left out.
pub fn sections(markdown: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut block = Block::default();
    let mut lines = markdown.lines().peekable();
    let mut fence: Option<String> = None;
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            match fence.take() {
                Some(code) => block.push_whole(&code),
                None => {
                    block.end_paragraph();
                    fence = Some(String::new());
                }
            }
            continue;
        }
        if let Some(code) = &mut fence {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        if let Some(number) = heading_number(line) {
            block.move_into(sections.last_mut());
            sections.push(Section { number, sentences: Vec::new() });
            block.push_whole(trimmed.trim_start_matches('#'));
        } else if trimmed.starts_with('#') {
            block.end_paragraph();
            block.push_whole(trimmed.trim_start_matches('#'));
        } else if trimmed.starts_with('|') {
            block.end_paragraph();
            let heads_a_table = lines.peek().is_some_and(|next| is_rule(next.trim()));
            if continues_row(trimmed) {
                block.extend_last(trimmed);
            } else if !is_rule(trimmed) && !heads_a_table {
                block.push_whole(trimmed);
            }
        } else if trimmed.is_empty() || trimmed.starts_with("<img") {
            block.end_paragraph();
        } else {
            if is_list_item(trimmed) {
                block.end_paragraph();
            }
            block.paragraph.push_str(trimmed);
            block.paragraph.push('\n');
        }
    }
    block.move_into(sections.last_mut());
    sections
}

/// Text without markup, with single spaces.
pub fn normalise(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((label, after)) = link(rest) {
            plain.push_str(&normalise(label));
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("<br>") {
            plain.push(' ');
            rest = after;
            continue;
        }
        match next {
            '*' | '`' | '\\' => {}
            '|' => plain.push(' '),
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            '\u{201c}' | '\u{201d}' => plain.push('"'),
            other => plain.push(other),
        }
        rest = &rest[next.len_utf8()..];
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Default)]
struct Block {
    sentences: Vec<String>,
    paragraph: String,
}

impl Block {
    fn push_whole(&mut self, text: &str) {
        let text = normalise(text);
        if !text.is_empty() {
            self.sentences.push(text);
        }
    }

    fn extend_last(&mut self, text: &str) {
        match self.sentences.last_mut() {
            Some(last) => *last = normalise(&format!("{last} {text}")),
            None => self.push_whole(text),
        }
    }

    fn end_paragraph(&mut self) {
        let paragraph = normalise(&std::mem::take(&mut self.paragraph));
        self.sentences.extend(split_sentences(&paragraph));
    }

    fn move_into(&mut self, section: Option<&mut Section>) {
        self.end_paragraph();
        let sentences = std::mem::take(&mut self.sentences);
        if let Some(section) = section {
            section.sentences = sentences;
        }
    }
}

/// `5.3.1` of `### 5.3.1 Title`. A list item that was written as a heading far too deep for its
/// number is none.
fn heading_number(line: &str) -> Option<String> {
    let title = line.trim_start_matches('#');
    let depth = line.len() - title.len();
    let number = title.strip_prefix(' ')?.split_whitespace().next()?.trim_end_matches('.');
    let parts: Vec<&str> = number.split('.').collect();
    let is_number =
        parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    (depth > 0 && is_number && depth <= parts.len() + 2).then(|| number.to_owned())
}

/// Whether a line is the one of dashes below a table's head.
fn is_rule(line: &str) -> bool {
    line.starts_with('|') && line.contains('-') && line.bytes().all(|byte| b"|-: ".contains(&byte))
}

/// Whether a row of a table goes on with the one above it: its first cell is empty.
fn continues_row(line: &str) -> bool {
    line.strip_prefix('|').is_some_and(|cells| cells.trim_start().starts_with('|'))
}

fn is_list_item(line: &str) -> bool {
    let after_number = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (after_number.len() < line.len() && after_number.starts_with(". "))
}

/// `[label](address)` at the start: the label and what follows.
fn link(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    if label.contains(['[', ']', '\n']) {
        return None;
    }
    let (_, after) = rest.split_once(')')?;
    Some((label, after))
}

fn split_sentences(paragraph: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, character) in paragraph.char_indices() {
        if !matches!(character, '.' | '?' | '!') {
            continue;
        }
        let Some(rest) = paragraph[at + 1..].strip_prefix(' ') else { continue };
        let sentence = &paragraph[start..=at];
        let abbreviated = ["e.g.", "i.e.", "etc.", "vs."].iter().any(|end| sentence.ends_with(end));
        let numbers_an_item = sentence.trim_end_matches('.').bytes().all(|b| b.is_ascii_digit());
        if abbreviated || numbers_an_item || rest.starts_with(|next: char| next.is_lowercase()) {
            continue;
        }
        sentences.push(sentence.to_owned());
        start = at + 2;
    }
    if start < paragraph.len() {
        sentences.push(paragraph[start..].to_owned());
    }
    sentences
}

/// Lower-case words without their endings and without the words that every sentence has. A field's
/// name counts as a whole and by its parts.
fn stems(text: &str) -> BTreeSet<String> {
    const COMMON: &[&str] = &[
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "is",
        "it", "its", "may", "must", "no", "not", "of", "on", "or", "should", "so", "that", "the",
        "their", "this", "to", "was", "when", "which", "with",
    ];
    let text = text.to_lowercase();
    let names = text
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|name| name.contains('_'))
        .map(str::to_owned);
    let words = text
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty() && !COMMON.contains(word))
        .map(|word| word.chars().take(5).collect());
    names.chain(words).collect()
}

/// Sections of a file by number, for look-ups.
pub fn by_number(sections: &[Section]) -> BTreeMap<&str, &Section> {
    sections.iter().map(|section| (section.number.as_str(), section)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_line_breaks_do_not_change_a_fingerprint() {
        let plain = Fingerprint::of("The server MUST answer, see Section 3.");

        let marked = Fingerprint::of("The  **server** MUST\n`answer`, see [Section 3](./3.md#x).");

        assert_eq!(marked, plain);
    }

    #[test]
    fn a_changed_word_changes_a_fingerprint() {
        let before = Fingerprint::of("The server MUST answer.");

        let after = Fingerprint::of("The server SHOULD answer.");

        assert_ne!(after, before);
    }

    #[test]
    fn a_fingerprint_survives_being_written_and_read() {
        let fingerprint = Fingerprint::of("x");

        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!("ab".parse::<Fingerprint>(), Err(BadFingerprint));
    }

    #[test]
    fn a_file_is_cut_into_sections_and_sentences() {
        let markdown = "\
preface
# 7. Made up
It is short, e.g. this. It\nends here.
## 7.1 Table
| Field | Type |
| ----- | ---- |
| `a_b` | U8   |
|       | goes on |
```
# 7.9 no heading
```
- one item. Its second sentence
1. a number
#### 3. **not a section**
";

        let sections = sections(markdown);

        let shown: Vec<(&str, Vec<&str>)> = sections
            .iter()
            .map(|s| (s.number.as_str(), s.sentences.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            shown,
            [
                ("7", vec!["7. Made up", "It is short, e.g. this.", "It ends here."]),
                (
                    "7.1",
                    vec![
                        "7.1 Table",
                        "a_b U8 goes on",
                        "# 7.9 no heading",
                        "- one item.",
                        "Its second sentence",
                        "1. a number",
                        "3. not a section",
                    ]
                ),
            ]
        );
    }

    #[test]
    fn the_sentence_with_the_rare_words_of_a_rule_is_found() {
        let section = Section {
            number: "1".to_owned(),
            sentences: vec![
                "1 Set-up".to_owned(),
                "The server MUST respond to each set-up.".to_owned(),
                "The server closes after an error.".to_owned(),
                "The server has a name.".to_owned(),
            ],
        };

        assert_eq!(
            section.best_match("Every set-up is responded to by servers", Some("MUST")),
            Some(1)
        );
        assert_eq!(section.best_match("An error leads the server to close", None), Some(2));
        assert_eq!(section.best_match("Bananas are yellow", None), None);
    }
}
