//! Marks of capital letters: each stands for a message of any capture, as it was shown there, and
//! is compared with messages of others. They are kept in the user's own folder, for nobody else:
//! what a message says stands in them in clear.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sv2_document::{Document, LoadError};

use super::tree::TreeLine;

/// Marks by their letters.
#[derive(Debug, Default)]
pub(crate) struct FarMarks {
    marks: BTreeMap<char, FarMark>,
    /// Since the last call of [`FarMarks::take_change`].
    is_changed: bool,
}

/// A message that has such a mark.
#[derive(Clone, Debug)]
pub(crate) struct FarMark {
    /// Whose message it is, as far as it is a file.
    pub(crate) file: PathBuf,
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) lines: Vec<TreeLine>,
}

impl FarMarks {
    /// Lines that are kept of a message.
    const LINES_MAX: usize = 2_000;

    /// As the XDG Base Directory Specification says.
    pub(crate) fn path() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let folder = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
        Some(folder.join("assay/marks.toml"))
    }

    /// Reads what [`FarMarks::save`] has written.
    ///
    /// # Errors
    /// With file, line and the way out.
    pub(crate) fn parse(file: &str, text: &str) -> Result<FarMarks, LoadError> {
        let document = Document::parse(file, text)?;
        let mut root = document.keys(document.root())?;
        let mut marks = FarMarks::default();
        let nodes = root.take("mark").map_or(Ok(&[][..]), |node| document.list(node))?;
        for node in nodes {
            let mut keys = document.keys(node)?;
            let letter = keys.require("letter")?;
            let mut letters = document.string(letter)?.chars();
            let (Some(mark), None) = (letters.next(), letters.next()) else {
                return Err(document.error(letter.at, "a mark is one letter"));
            };
            let mut lines = Vec::new();
            for node in document.list(keys.require("line")?)? {
                let mut keys = document.keys(node)?;
                let depth = document.integer(keys.require("depth")?)?;
                let name = document.string(keys.require("name")?)?;
                let text = document.string(keys.require("text")?)?;
                let is_private = document.boolean(keys.require("private")?)?;
                lines.push(TreeLine::new(depth, name, text).private_if(is_private));
                keys.finish(&["depth", "name", "text", "private"])?;
            }
            let file = document.string(keys.require("file")?)?.into();
            let number = document.integer(keys.require("number")?)?;
            let name = document.string(keys.require("name")?)?.to_owned();
            marks.marks.insert(mark, FarMark { file, number, name, lines });
            keys.finish(&["letter", "file", "number", "name", "line"])?;
        }
        root.finish(&["mark"])?;
        Ok(marks)
    }

    fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text =
            String::from("# Messages with marks of capital letters, by `assay inspect`.\n");
        // Writing to a string does not fail.
        for (letter, mark) in &self.marks {
            let FarMark { file, number, name, lines } = mark;
            let (letter, name) = (quoted(&letter.to_string()), quoted(name));
            let file = quoted(&file.to_string_lossy());
            let _ = write!(text, "\n[[mark]]\nletter = {letter}\nfile = {file}\n");
            let _ = writeln!(text, "number = {number}\nname = {name}\nline = [");
            for line in lines {
                let (depth, is_private) = (line.depth, line.is_private());
                let (name, said) = (quoted(&line.name), quoted(&line.text));
                let _ = writeln!(
                    text,
                    "  {{ depth = {depth}, name = {name}, text = {said}, private = {is_private} }},"
                );
            }
            text.push_str("]\n");
        }
        text
    }

    /// Writes the file whole, for its owner alone, or leaves the old one as it is.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // Only its owner may read a temporary file.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(self.to_toml().as_bytes())?;
        file.persist(path)?;
        Ok(())
    }

    /// Puts a mark on a message; it leaves where it was.
    pub(crate) fn mark(&mut self, letter: char, mut mark: FarMark) {
        mark.lines.truncate(Self::LINES_MAX);
        self.marks.insert(letter, mark);
        self.is_changed = true;
    }

    pub(crate) fn marked(&self, letter: char) -> Option<&FarMark> {
        self.marks.get(&letter)
    }

    /// Whether there is something new to be saved; once.
    pub(crate) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_were_saved_and_nobody_else_may_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/marks.toml");
        let private = TreeLine::new(1, "user", "\"a\"\n'b'").private_if(true);
        let lines = vec![private, TreeLine::new(0, "known", "")];
        let mut marks = FarMarks::default();
        marks.mark('A', FarMark { file: "a.pcapng".into(), number: 7, name: "X".into(), lines });

        marks.save(&path).unwrap();
        let again = std::fs::read_to_string(&path).unwrap();
        let again = FarMarks::parse("marks", &again).unwrap();

        let told = |marks: &FarMarks| {
            let FarMark { file, number, name, lines } = marks.marked('A').unwrap().clone();
            let lines = lines.into_iter().map(|line| {
                let is_private = line.is_private();
                (line.depth, line.name, line.text, is_private)
            });
            (file, number, name, lines.collect::<Vec<_>>())
        };
        assert_eq!(told(&again), told(&marks));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}
