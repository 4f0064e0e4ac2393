//! What the user has to say of a capture, kept in a file beside it: marks and comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sv2_document::{Document, LoadError};

/// Marks and comments, by the numbers of messages.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    marks: BTreeMap<char, u64>,
    comments: BTreeMap<u64, String>,
    /// Since the last call of [`Remarks::take_change`].
    is_changed: bool,
}

impl Remarks {
    /// Comments on one capture.
    pub(crate) const COMMENTS_MAX: usize = 10_000;

    /// Where the remarks on a capture are.
    pub(crate) fn path(capture: &Path) -> PathBuf {
        let mut path = capture.as_os_str().to_owned();
        path.push(".remarks.toml");
        path.into()
    }

    /// Reads what [`Remarks::to_toml`] has written, or somebody by hand.
    ///
    /// # Errors
    /// With file, line and the way out.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Remarks, LoadError> {
        let document = Document::parse(file, text)?;
        let mut root = document.keys(document.root())?;
        let mut remarks = Remarks::default();
        for node in list(&document, root.take("mark"))? {
            let mut keys = document.keys(node)?;
            let letter = keys.require("letter")?;
            let mut letters = document.string(letter)?.chars();
            let (Some(mark), None) = (letters.next(), letters.next()) else {
                return Err(document.error(letter.at, "a mark is one letter"));
            };
            remarks.marks.insert(mark, document.integer(keys.require("number")?)?);
            keys.finish(&["letter", "number"])?;
        }
        for node in list(&document, root.take("comment"))? {
            if remarks.comments.len() == Self::COMMENTS_MAX {
                let most = format!("more than {} comments", Self::COMMENTS_MAX);
                return Err(document.error(node.at, most));
            }
            let mut keys = document.keys(node)?;
            let number = document.integer(keys.require("number")?)?;
            let text = document.string(keys.require("text")?)?.to_owned();
            remarks.comments.insert(number, text);
            keys.finish(&["number", "text"])?;
        }
        root.finish(&["mark", "comment"])?;
        Ok(remarks)
    }

    /// As a file.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::from("# Remarks on a capture, by `assay inspect`.\n");
        // Writing to a string does not fail.
        for (letter, number) in &self.marks {
            let letter = toml::Value::from(letter.to_string());
            let _ = write!(text, "\n[[mark]]\nletter = {letter}\nnumber = {number}\n");
        }
        for (number, comment) in &self.comments {
            let comment = toml::Value::from(comment.as_str());
            let _ = write!(text, "\n[[comment]]\nnumber = {number}\ntext = {comment}\n");
        }
        text
    }

    /// Writes the file whole, or leaves the old one as it is.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(self.to_toml().as_bytes())?;
        file.persist(path)?;
        Ok(())
    }

    /// Puts a mark on a message; it leaves where it was.
    pub(crate) fn mark(&mut self, letter: char, number: u64) {
        self.marks.insert(letter, number);
        self.is_changed = true;
    }

    /// The message with a mark.
    pub(crate) fn marked(&self, letter: char) -> Option<u64> {
        self.marks.get(&letter).copied()
    }

    /// The marks of a message.
    pub(crate) fn marks_of(&self, number: u64) -> impl Iterator<Item = char> {
        self.marks.iter().filter(move |(_, marked)| **marked == number).map(|(letter, _)| *letter)
    }

    /// Says something of a message; nothing takes away what was said. False if there are
    /// [`Remarks::COMMENTS_MAX`] already.
    pub(crate) fn comment(&mut self, number: u64, text: &str) -> bool {
        let text = text.trim();
        if text.is_empty() {
            self.is_changed |= self.comments.remove(&number).is_some();
            return true;
        }
        let is_full = self.comments.len() >= Self::COMMENTS_MAX;
        if is_full && !self.comments.contains_key(&number) {
            return false;
        }
        self.comments.insert(number, text.to_owned());
        self.is_changed = true;
        true
    }

    /// What was said of a message.
    pub(crate) fn comment_of(&self, number: u64) -> Option<&str> {
        self.comments.get(&number).map(String::as_str)
    }

    /// Messages with a mark or a comment, some twice.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.marks.values().chain(self.comments.keys()).copied().collect()
    }

    /// Whether there is something new to be saved; once.
    pub(crate) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }
}

fn list<'a>(
    document: &Document,
    node: Option<&'a sv2_document::Node>,
) -> Result<&'a [sv2_document::Node], LoadError> {
    node.map_or(Ok(&[]), |node| document.list(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_read_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = Remarks::path(&folder.path().join("run.pcapng"));
        let mut remarks = Remarks::default();
        remarks.mark('a', 12);
        remarks.comment(7, "  \"why\" here?\nand #8 ");

        remarks.save(&path).unwrap();
        let again = std::fs::read_to_string(&path).unwrap();
        let again = Remarks::parse("remarks", &again).unwrap();

        assert_eq!(path.file_name().unwrap(), "run.pcapng.remarks.toml");
        assert_eq!(again.marked('a'), Some(12));
        assert_eq!(again.marks_of(12).collect::<String>(), "a");
        assert_eq!(again.comment_of(7), Some("\"why\" here?\nand #8"));
    }

    #[test]
    fn an_empty_comment_takes_the_old_one_away() {
        let mut remarks = Remarks::default();
        remarks.comment(7, "late");
        assert!(remarks.take_change() && !remarks.take_change());

        remarks.comment(7, " ");

        assert_eq!(remarks.comment_of(7), None);
        assert!(remarks.take_change());
    }

    #[test]
    fn a_file_that_is_wrong_is_told_with_its_line() {
        let rows = [
            ("[[mark]]\nletter = \"ab\"\nnumber = 1\n", "r:2:10: a mark is one letter"),
            ("[[comment]]\nnumber = 1\n", "text"),
            ("[[comments]]\n", "r:1:3"),
        ];
        for (text, expected) in rows {
            let error = Remarks::parse("r", text).unwrap_err().to_string();

            assert!(error.contains(expected), "{error}");
        }
    }
}
