//! TOML with places: every value knows where it stands, so that an error can name file, line
//! and column, and say what was probably meant.
//!
//! What people write for us (cases, targets, scenarios) is read with this. It knows nothing of
//! what the files mean, and touches none: whoever read the text passes it.

mod suggestion;

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use suggestion::distance;
pub use suggestion::{did_you_mean, suggestion};

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Document {
    file: String,
    text: String,
    root: Node,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Byte offset in the text.
    pub at: usize,
    /// What it is.
    pub data: Data,
}

/// What TOML can hold, dates excepted.
#[derive(Clone, Debug)]
pub enum Data {
    /// A string.
    Text(String),
    /// Wider than 64 bits, so that an overflow is an error with a place.
    Integer(i128),
    /// A float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// An array, or an array of tables.
    List(Vec<Node>),
    /// A table, in the order of the file.
    Table(Vec<Entry>),
}

/// A key of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As written.
    pub key: String,
    /// Byte offset of the key.
    pub at: usize,
    /// Its value.
    pub node: Node,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// As given by whoever read it.
    pub file: String,
    /// From 1; 0 if the error has no place.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

impl std::error::Error for LoadError {}

/// Line and column of a byte offset in a text, both from 1; the column counts characters.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl Document {
    /// Parses `text`; `file` is how errors call it.
    ///
    /// # Errors
    /// What is no TOML, or holds a date.
    pub fn parse(file: &str, text: &str) -> Result<Document, LoadError> {
        let mut document = Document {
            file: file.to_owned(),
            text: text.to_owned(),
            root: Node { at: 0, data: Data::Table(Vec::new()) },
        };
        let table = DeTable::parse(text).map_err(|error| {
            document.error(error.span().map_or(0, |span| span.start), error.message())
        })?;
        document.root = document.table(table.span(), table.get_ref())?;
        Ok(document)
    }

    /// Gives a setting another value: `key` names its place with dots between, from the
    /// outermost table, and `value` is TOML. Errors about it are at the table that it stands in.
    ///
    /// # Errors
    /// If `value` is no TOML, or `key` leads through something that is no table.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), LoadError> {
        let file = format!("{key} = {value}");
        let value = match Document::parse(&file, &format!("value = {value}"))?.root.data {
            Data::Table(entries) => entries.into_iter().next(),
            _ => None,
        };
        let missing = LoadError { file, line: 0, column: 0, message: "no such table".to_owned() };
        let Some(Entry { node: value, .. }) = value else { return Err(missing) };
        let mut node = &mut self.root;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let at = node.at;
            let Data::Table(entries) = &mut node.data else { return Err(missing) };
            let index = entries.iter().position(|entry| entry.key == part);
            if parts.peek().is_none() {
                let place = index.map_or(at, |index| entries[index].node.at);
                let node = Node { at: place, data: value.data };
                match index {
                    Some(index) => entries[index].node = node,
                    None => entries.push(Entry { key: part.to_owned(), at, node }),
                }
                return Ok(());
            }
            let Some(index) = index else { return Err(missing) };
            node = &mut entries[index].node;
        }
        Err(missing)
    }

    /// As errors call it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The outermost table.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Line and column of a byte offset, both from 1.
    pub fn place(&self, at: usize) -> (usize, usize) {
        place(&self.text, at)
    }

    /// An error at a byte offset.
    pub fn error(&self, at: usize, message: impl Into<String>) -> LoadError {
        let (line, column) = self.place(at);
        LoadError { file: self.file.clone(), line, column, message: message.into() }
    }

    /// The keys of `node`, to be taken one by one; [`Keys::finish`] refuses what is left.
    ///
    /// # Errors
    /// If it is no table.
    pub fn keys<'a>(&'a self, node: &'a Node) -> Result<Keys<'a>, LoadError> {
        match &node.data {
            Data::Table(entries) => {
                Ok(Keys { document: self, at: node.at, entries, taken: vec![false; entries.len()] })
            }
            other => Err(self.error(node.at, format!("expected a table, got {}", other.name()))),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// If it is something else.
    pub fn string<'a>(&self, node: &'a Node) -> Result<&'a str, LoadError> {
        match &node.data {
            Data::Text(text) => Ok(text),
            other => Err(self.error(node.at, format!("expected a string, got {}", other.name()))),
        }
    }

    /// An integer that fits `T`.
    ///
    /// # Errors
    /// If it is something else, or does not fit.
    pub fn integer<T: TryFrom<i128>>(&self, node: &Node) -> Result<T, LoadError> {
        match &node.data {
            Data::Integer(number) => T::try_from(*number)
                .map_err(|_| self.error(node.at, format!("{number} does not fit here"))),
            other => Err(self.error(node.at, format!("expected an integer, got {}", other.name()))),
        }
    }

    /// A truth value.
    ///
    /// # Errors
    /// If it is something else.
    pub fn boolean(&self, node: &Node) -> Result<bool, LoadError> {
        match &node.data {
            Data::Bool(flag) => Ok(*flag),
            other => {
                Err(self.error(node.at, format!("expected true or false, got {}", other.name())))
            }
        }
    }

    /// A list.
    ///
    /// # Errors
    /// If it is something else.
    pub fn list<'a>(&self, node: &'a Node) -> Result<&'a [Node], LoadError> {
        match &node.data {
            Data::List(items) => Ok(items),
            other => Err(self.error(node.at, format!("expected a list, got {}", other.name()))),
        }
    }

    /// A string, or a list of strings.
    ///
    /// # Errors
    /// If it is something else.
    pub fn strings(&self, node: &Node) -> Result<Vec<(String, usize)>, LoadError> {
        match &node.data {
            Data::Text(text) => Ok(vec![(text.clone(), node.at)]),
            Data::List(items) => {
                items.iter().map(|item| Ok((self.string(item)?.to_owned(), item.at))).collect()
            }
            other => {
                Err(self
                    .error(node.at, format!("expected a string or a list, got {}", other.name())))
            }
        }
    }

    /// One of `known`, with a suggestion if it is not.
    ///
    /// # Errors
    /// If it is something else.
    pub fn one_of<T: Copy>(
        &self,
        node: &Node,
        what: &str,
        known: &[(&str, T)],
    ) -> Result<T, LoadError> {
        let word = self.string(node)?;
        match known.iter().find(|(name, _)| *name == word) {
            Some((_, value)) => Ok(*value),
            None => Err(self.unknown(node.at, what, word, known.iter().map(|(name, _)| *name))),
        }
    }

    /// `unknown WHAT "WORD"; did you mean …?`
    pub fn unknown<'a>(
        &self,
        at: usize,
        what: &str,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> LoadError {
        let known: Vec<&str> = known.into_iter().collect();
        self.error(at, format!("unknown {what} \"{word}\"{}", suggestion(word, &known)))
    }

    fn table(&self, span: Range<usize>, table: &DeTable<'_>) -> Result<Node, LoadError> {
        let mut entries = Vec::new();
        for (key, value) in table {
            entries.push(Entry {
                key: key.get_ref().to_string(),
                at: key.span().start,
                node: self.value(value)?,
            });
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(Node { at: span.start, data: Data::Table(entries) })
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Result<Node, LoadError> {
        let at = value.span().start;
        let data = match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(number) => Data::Integer(
                i128::from_str_radix(number.as_str(), number.radix())
                    .map_err(|_| self.error(at, "the integer is too large"))?,
            ),
            DeValue::Float(number) => Data::Float(
                number.as_str().parse().map_err(|_| self.error(at, "the number is malformed"))?,
            ),
            DeValue::Boolean(flag) => Data::Bool(*flag),
            DeValue::Array(items) => {
                Data::List(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => return self.table(value.span(), table),
            DeValue::Datetime(_) => return Err(self.error(at, "a date has no meaning here")),
        };
        Ok(Node { at, data })
    }
}

impl Data {
    fn name(&self) -> &'static str {
        match self {
            Data::Text(_) => "a string",
            Data::Integer(_) => "an integer",
            Data::Float(_) => "a fraction",
            Data::Bool(_) => "a truth value",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
        }
    }
}

/// The keys of a table that have not been taken yet.
pub struct Keys<'a> {
    document: &'a Document,
    at: usize,
    entries: &'a [Entry],
    taken: Vec<bool>,
}

impl<'a> Keys<'a> {
    /// Where the table stands.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The value of a key, if it is there.
    pub fn take(&mut self, key: &str) -> Option<&'a Node> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        self.taken[index] = true;
        Some(&self.entries[index].node)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// If it is not there.
    pub fn require(&mut self, key: &str) -> Result<&'a Node, LoadError> {
        if let Some(node) = self.take(key) {
            return Ok(node);
        }
        // A key that nobody has taken and that is nearly it, is it, misspelt.
        let misspelt = self.entries.iter().zip(&self.taken).find(|(entry, taken)| {
            !**taken && distance(&entry.key, key) <= key.chars().count() / 3
        });
        Err(match misspelt {
            Some((entry, _)) => self.document.unknown(entry.at, "key", &entry.key, [key]),
            None => self.document.error(self.at, format!("`{key}` is missing")),
        })
    }

    /// All entries, taken.
    pub fn all(&mut self) -> &'a [Entry] {
        self.taken.fill(true);
        self.entries
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Refuses keys that nobody took; `known` are those that make sense here.
    ///
    /// # Errors
    /// At the first unknown key, with a suggestion.
    pub fn finish(&self, known: &[&str]) -> Result<(), LoadError> {
        match self.entries.iter().zip(&self.taken).find(|(_, taken)| !**taken) {
            None => Ok(()),
            Some((entry, _)) => {
                Err(self.document.unknown(entry.at, "key", &entry.key, known.iter().copied()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_its_place_and_what_was_meant() {
        let document = Document::parse("a.toml", "x = 1\n  sevrity = \"high\"\n").unwrap();
        let mut keys = document.keys(document.root()).unwrap();
        keys.take("x");

        let error = keys.finish(&["x", "severity"]).unwrap_err();

        insta::assert_snapshot!(
            error,
            @r#"a.toml:2:3: unknown key "sevrity"; did you mean "severity"?"#
        );
    }

    #[test]
    fn a_setting_is_given_another_value_where_it_stands() {
        let mut document = Document::parse("a.toml", "[pool.a]\nshares = 6\n").unwrap();

        document.set("pool.a.shares", "18").unwrap();
        document.set("seed", "\"x\"").unwrap();
        let error = document.set("pool.b.shares", "18").unwrap_err();

        let shown = format!("{:?}", document.root());
        assert!(shown.contains("Integer(18)") && !shown.contains("Integer(6)"), "{shown}");
        assert!(shown.contains("Text(\"x\")"), "{shown}");
        assert_eq!(error.to_string(), "pool.b.shares = 18: no such table");
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let error = Document::parse("a.toml", "x = 1\ny = [1, 2\n").unwrap_err();

        assert_eq!((error.line, error.file.as_str()), (2, "a.toml"), "{error}");
    }

    #[test]
    fn an_integer_of_64_bits_is_not_cut() {
        let document = Document::parse("a.toml", "x = 0x7fff_ffff_ffff_ffff").unwrap();
        let mut keys = document.keys(document.root()).unwrap();

        let x: u64 = document.integer(keys.require("x").unwrap()).unwrap();

        assert_eq!(x, i64::MAX.unsigned_abs());
    }
}
