//! Captures from the world: files and standard input, packed or not, growing or not, several
//! merged by time.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sv2_capture::read::{Dissector, FileError, Found, Item, Packet, PacketReader, Tally};

use super::options::Input;

/// Files up to this size are looked through for keys first, in bytes: keys may stand behind the
/// packets that they open.
const KEYS_FIRST_LEN_MAX: u64 = 256 << 20;
/// Between two looks at the end of a file that grows.
const PAUSE: Duration = Duration::from_millis(50);

/// How reading has ended.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) tally: Tally,
    /// What could not be read, in sentences.
    pub(crate) complaints: Vec<String>,
    /// Complaints that are more than notes.
    pub(crate) is_unreadable: bool,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    /// Nobody listens any more.
    Stop,
}

/// Reads all captures to their ends and shows what is found, and each packet before it is
/// looked into.
pub(crate) fn read(
    input: &Input,
    show: &mut dyn FnMut(&Found<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    let mut dissector = Dissector::new(seed(), input.authority);
    let mut end = End::default();
    take_key_logs(input, &mut dissector)?;
    let mut sources = Vec::new();
    for (index, path) in input.files.iter().enumerate() {
        if !input.follow {
            keys_first(path, &mut dissector);
        }
        let file = u32::try_from(index).unwrap_or(u32::MAX);
        sources.push(Source::open(file, path, input.follow)?);
    }
    let mut flow = Flow::GoOn;
    let mut sink = |found: &Found<'_>| {
        if flow == Flow::GoOn {
            flow = show(found);
        }
    };
    match sources.as_mut_slice() {
        [source] => source.read_alone(&mut dissector, &mut end, &mut sink, idle),
        sources => merge(sources, &mut dissector, &mut end, &mut sink),
    }
    dissector.finish(&mut sink);
    end.tally = dissector.tally();
    end.note_tally();
    Ok(end)
}

/// Copies those blocks of a capture that are wanted; what is corrupt is left out.
pub(crate) fn copy_blocks(
    path: &Path,
    is_wanted: &dyn Fn(&Item<'_>) -> bool,
    out: &mut dyn io::Write,
) -> Result<(), String> {
    let (input, _) = unpacked(path, false)?;
    let mut reader = PacketReader::new(input);
    loop {
        let is_wanted = match reader.next_item() {
            Ok(Some(Item::Skipped(_))) => false,
            Ok(Some(item)) => is_wanted(&item),
            Ok(None) | Err(_) => return Ok(()),
        };
        if is_wanted {
            out.write_all(reader.block()).map_err(|error| format!("cannot write: {error}"))?;
        }
    }
}

impl End {
    fn complain(&mut self, path: &Path, error: &FileError) {
        self.complaints.push(format!("{}: {error}", path.display()));
        self.is_unreadable = true;
    }

    fn note_tally(&mut self) {
        let Tally { unknown_link, fragments, cut_off, forgotten, .. } = self.tally;
        let rows = [
            (unknown_link, "packets of a link layer that is not known were not looked at"),
            (fragments, "fragments of IP packets were not put together"),
            (cut_off, "packets were cut off within their headers"),
            (forgotten, "connections were forgotten to make room for others"),
        ];
        for (count, what) in rows {
            if count > 0 {
                self.complaints.push(format!("{count} {what}"));
            }
        }
    }
}

struct Source {
    file: u32,
    path: PathBuf,
    reader: PacketReader<Box<dyn Read>>,
    is_live: bool,
    /// The packet that comes next, where several files are merged.
    next: Option<Kept>,
}

struct Kept {
    number: u64,
    position: u64,
    at: u64,
    link_type: u32,
    data: Vec<u8>,
}

impl Source {
    fn open(file: u32, path: &Path, follow: bool) -> Result<Self, String> {
        let (input, is_live) = unpacked(path, follow)?;
        let reader = PacketReader::new(input);
        Ok(Source { file, path: path.to_owned(), reader, is_live, next: None })
    }

    fn read_alone(
        &mut self,
        dissector: &mut Dissector,
        end: &mut End,
        sink: &mut dyn FnMut(&Found<'_>),
        idle: &mut dyn FnMut() -> Flow,
    ) {
        loop {
            match self.reader.next_item() {
                Ok(Some(Item::Packet(packet))) => dissector.packet(self.file, &packet, sink),
                Ok(Some(Item::Secrets(text))) => dissector.key_log(text),
                Ok(Some(Item::Skipped(what))) => self.skipped(what, end),
                Ok(Some(Item::Other)) => {}
                Ok(None) => break self.note_end(end),
                Err(error) => break end.complain(&self.path, &error),
            }
            if self.is_live && idle() == Flow::Stop {
                break;
            }
        }
    }

    /// Has the next packet at hand; keys are taken on the way to it.
    fn advance(&mut self, dissector: &mut Dissector, end: &mut End) {
        let mut kept = self.next.take();
        loop {
            match self.reader.next_item() {
                Ok(Some(Item::Packet(packet))) => {
                    let mut data = kept.take().map_or_else(Vec::new, |kept: Kept| kept.data);
                    data.clear();
                    data.extend_from_slice(packet.data);
                    let Packet { number, position, at, link_type, .. } = packet;
                    self.next = Some(Kept { number, position, at, link_type, data });
                    return;
                }
                Ok(Some(Item::Secrets(text))) => dissector.key_log(text),
                Ok(Some(Item::Skipped(what))) => self.skipped(what, end),
                Ok(Some(Item::Other)) => {}
                Ok(None) => return self.note_end(end),
                Err(error) => return end.complain(&self.path, &error),
            }
        }
    }

    fn skipped(&self, what: &str, end: &mut End) {
        if end.complaints.len() < COMPLAINTS_MAX {
            let position = self.reader.position();
            let path = self.path.display();
            end.complaints.push(format!("{path}: before byte {position}: {what} was skipped"));
        }
        end.is_unreadable = true;
    }

    fn note_end(&self, end: &mut End) {
        let rest = self.reader.rest_len();
        if rest > 0 {
            let path = self.path.display();
            end.complaints
                .push(format!("{path}: the last {rest} bytes are a packet that was cut off"));
            end.is_unreadable = true;
        }
    }
}

fn merge(
    sources: &mut [Source],
    dissector: &mut Dissector,
    end: &mut End,
    sink: &mut dyn FnMut(&Found<'_>),
) {
    for source in sources.iter_mut() {
        source.advance(dissector, end);
    }
    loop {
        let first = sources
            .iter_mut()
            .filter(|source| source.next.is_some())
            .min_by_key(|source| source.next.as_ref().map(|next| next.at));
        let Some(source) = first else { return };
        if let Some(Kept { number, position, at, link_type, data }) = &source.next {
            let (number, position, at, link_type) = (*number, *position, *at, *link_type);
            let packet = Packet { number, position, at, link_type, data };
            dissector.packet(source.file, &packet, sink);
        }
        source.advance(dissector, end);
    }
}

/// A stream of the bytes of a capture, and whether they come as they are made.
fn unpacked(path: &Path, follow: bool) -> Result<(Box<dyn Read>, bool), String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    let is_stdin = path == Path::new("-");
    let socket = path.to_str().and_then(|path| path.strip_prefix("tap:"));
    let mut input: Box<dyn Read> = if is_stdin {
        Box::new(io::stdin().lock())
    } else if let Some(socket) = socket {
        Box::new(std::os::unix::net::UnixStream::connect(socket).map_err(said)?)
    } else {
        let file = File::open(path).map_err(said)?;
        if follow { Box::new(Growing(file)) } else { Box::new(file) }
    };
    let mut head = Vec::new();
    while head.len() < 4 {
        let mut byte = [0];
        match input.read(&mut byte).map_err(said)? {
            0 => break,
            _ => head.push(byte[0]),
        }
    }
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let is_zstd = head == [0x28, 0xb5, 0x2f, 0xfd];
    let input = Cursor::new(head).chain(input);
    let input: Box<dyn Read> = if is_gzip {
        Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(128 << 10, input)))
    } else if is_zstd {
        Box::new(Zstd {
            input: Some(Box::new(BufReader::with_capacity(128 << 10, input))),
            frame: None,
        })
    } else {
        Box::new(input)
    };
    Ok((input, is_stdin || follow || socket.is_some()))
}

/// A file that may grow: its end is no end.
struct Growing(File);

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer)? {
                0 => std::thread::sleep(PAUSE),
                len => return Ok(len),
            }
        }
    }
}

type ZstdFrame = ruzstd::decoding::StreamingDecoder<Box<dyn Read>, ruzstd::decoding::FrameDecoder>;

/// Frames of zstd, one after the other.
struct Zstd {
    input: Option<Box<dyn Read>>,
    frame: Option<Box<ZstdFrame>>,
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                match frame.read(buffer)? {
                    0 => self.input = self.frame.take().map(|frame| frame.into_inner()),
                    len => return Ok(len),
                }
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            let mut first = [0];
            if input.read(&mut first)? == 0 {
                return Ok(0);
            }
            let input: Box<dyn Read> = Box::new(Cursor::new(first).chain(input));
            let frame = ZstdFrame::new(input).map_err(io::Error::other)?;
            self.frame = Some(Box::new(frame));
        }
    }
}

/// Looks through a file for keys, unless it is long.
fn keys_first(path: &Path, dissector: &mut Dissector) {
    let is_short =
        path.metadata().is_ok_and(|found| found.is_file() && found.len() <= KEYS_FIRST_LEN_MAX);
    if !is_short {
        return;
    }
    let Ok((input, _)) = unpacked(path, false) else { return };
    let mut reader = PacketReader::new(input);
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Secrets(text) = item {
            dissector.key_log(text);
        }
    }
}

fn take_key_logs(input: &Input, dissector: &mut Dissector) -> Result<(), String> {
    for path in &input.key_logs {
        let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        dissector.key_log(&zeroize::Zeroizing::new(text));
    }
    if let Some(path) = std::env::var_os("SV2KEYLOGFILE")
        && let Ok(text) = std::fs::read(path)
    {
        dissector.key_log(&zeroize::Zeroizing::new(text));
    }
    Ok(())
}

/// Of the table of connections: nobody can know it beforehand.
fn seed() -> u64 {
    use std::hash::BuildHasher as _;
    std::hash::RandomState::new().hash_one(0)
}

/// Packets that are skipped are told one by one up to here.
const COMPLAINTS_MAX: usize = 20;
