//! Comparing messages: with the one that was chosen, with a mark, with a mark of another capture.

use std::path::PathBuf;

use super::app::App;
use super::entry::Entry;
use super::far_marks::FarMark;
use super::{describe, tree};

impl App {
    /// Compares a message of this capture with the one under the cursor.
    pub(super) fn compare(&mut self, number: Option<u64>, or_say: &str) {
        let index = number.and_then(|number| self.session.index_of(number));
        match index.and_then(|index| self.session.entry(index)) {
            Some(entry) => {
                self.compared = Some(self.as_mark(&entry));
                self.scrolled = 0;
            }
            None => self.said = or_say.to_owned(),
        }
    }

    /// The same with a marked message: of this capture, or by a capital letter of another.
    pub(super) fn compare_with_mark(&mut self, letter: char) {
        let far = self.far_marks.marked(letter).filter(|far| far.file != self.file()).cloned();
        match (self.session.remarks.marked(letter), far) {
            (None, Some(far)) => (self.compared, self.scrolled) = (Some(far), 0),
            (mark, _) => self.compare(mark, "nothing has that mark"),
        }
    }

    /// Puts a mark on a message that holds for other captures as well.
    pub(super) fn mark_far(&mut self, letter: char, entry: &Entry) {
        let mark = self.as_mark(entry);
        self.far_marks.mark(letter, mark);
        self.said.push_str("; D compares it with messages of other captures, too");
    }

    /// What to say of a mark that no message here has.
    pub(super) fn where_mark_is(&self, letter: char) -> String {
        match self.far_marks.marked(letter) {
            Some(far) if !self.is_private => {
                let (number, file) = (far.number, far.file.display());
                format!("{letter} is #{number} of {file}; D {letter} compares it")
            }
            Some(_) => format!("{letter} is of another capture; D {letter} compares it"),
            None => "nothing has that mark".to_owned(),
        }
    }

    /// The capture.
    pub(super) fn file(&self) -> PathBuf {
        let origin = self.origin.as_ref().map(|file| file.canonicalize().unwrap_or(file.clone()));
        origin.unwrap_or_else(|| PathBuf::from(&self.session.name))
    }

    fn as_mark(&self, entry: &Entry) -> FarMark {
        let (file, number) = (self.file(), entry.number);
        let (name, lines) = (describe::name(entry), tree::lines(&self.session, entry));
        FarMark { file, number, name, lines }
    }
}
