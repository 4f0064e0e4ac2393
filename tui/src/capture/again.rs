//! Captures whose bytes can be read again at any place.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sv2_capture::read::Piece;

use super::options::Input;
use super::source;

/// The files of a capture.
pub(crate) struct Again {
    files: Vec<File>,
    /// What was read last, for what is asked for next often lies beside it.
    window: RefCell<Window>,
}

#[derive(Default)]
struct Window {
    file: u32,
    at: u64,
    bytes: Vec<u8>,
}

impl Again {
    /// `None` where one of them is no file, or packed.
    pub(crate) fn open(input: &Input) -> Option<Again> {
        let files: Option<Vec<File>> = input
            .files
            .iter()
            .map(|path| {
                let file = File::open(path).ok().filter(|_| path.is_file())?;
                (!is_packed(&file).ok()?).then_some(file)
            })
            .collect();
        Some(Again { files: files?, window: RefCell::default() })
    }

    /// The same of packed files as well, which are unpacked into this folder for the time being.
    pub(super) fn unpacked(input: &Input, folder: &Path) -> Result<Again, String> {
        let open = |path: &PathBuf| {
            let said = |error: io::Error| format!("{}: {error}", path.display());
            let mut file = File::open(path).map_err(said)?;
            if is_packed(&file).map_err(said)? {
                let (mut bytes, _) = source::unpacked(path, false)?;
                file = tempfile::tempfile_in(folder).map_err(said)?;
                match io::copy(&mut bytes, &mut file) {
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                        return Err(format!("{}: {error}", folder.display()));
                    }
                    // What is packed badly ends early here as it does elsewhere.
                    Ok(_) | Err(_) => {}
                }
            }
            Ok(file)
        };
        let files: Result<Vec<File>, String> = input.files.iter().map(open).collect();
        Ok(Again { files: files?, window: RefCell::default() })
    }

    /// The bytes of these pieces, one after the other; `None` if they are there no more.
    pub(crate) fn read(&self, pieces: &[Piece]) -> Option<Vec<u8>> {
        let len = pieces.iter().try_fold(0_usize, |sum, piece| sum.checked_add(piece.len));
        if len? > MESSAGE_LEN_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        pieces.iter().try_for_each(|piece| self.append(&mut bytes, piece))?;
        Some(bytes)
    }

    fn append(&self, bytes: &mut Vec<u8>, piece: &Piece) -> Option<()> {
        let file = self.files.get(usize::try_from(piece.file).ok()?)?;
        let mut window = self.window.borrow_mut();
        let is_there = |window: &Window| {
            let end = window.at + window.bytes.len() as u64;
            window.file == piece.file
                && piece.at >= window.at
                && piece.at.checked_add(piece.len as u64).is_some_and(|it| it <= end)
        };
        if !is_there(&window) {
            let Window { file: number, at, bytes } = &mut *window;
            (*number, *at) = (piece.file, piece.at);
            bytes.resize(piece.len.max(WINDOW_LEN), 0);
            let mut len = 0;
            while len < bytes.len() {
                match file.read_at(&mut bytes[len..], *at + len as u64) {
                    Ok(0) => break,
                    Ok(count) => len += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            bytes.truncate(len);
        }
        if !is_there(&window) {
            return None;
        }
        let start = usize::try_from(piece.at - window.at).ok()?;
        bytes.extend_from_slice(&window.bytes[start..start + piece.len]);
        Some(())
    }
}

/// By what it begins with.
pub(crate) fn is_packed(file: &File) -> io::Result<bool> {
    let mut head = [0; 4];
    file.read_exact_at(&mut head, 0)?;
    Ok(head.starts_with(&GZIP) || head == ZSTD)
}

/// What gzip and zstd begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Read at once.
const WINDOW_LEN: usize = 64 << 10;
/// More than any sealed message has.
const MESSAGE_LEN_MAX: usize = 32 << 20;
