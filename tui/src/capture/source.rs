//! Captures from the world: files and standard input, packed or not, growing or not, several
//! merged by time.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use sv2_capture::read::{
    ARENA_LEN, Dissector, FileError, Found, Item, Keeper, Kept, KeyRing, Options, Packet,
    PacketReader, Piece, SECRETS_AT, SESSIONS_MAX, Tally,
};

use super::options::{Input, tap_socket};
use super::stage::{Batch, on_a_thread, result_of, stage};

/// Files up to this size are looked through for keys first, in bytes: keys may stand behind the
/// packets that they open.
const KEYS_FIRST_LEN_MAX: u64 = 256 << 20;
/// From here on captures are read on a thread of their own, in bytes.
const LONG_LEN: u64 = 4 << 20;
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
    /// Where keys stand, in files that are read one after the other.
    pub(crate) secrets: Vec<Piece>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    /// Nobody listens any more.
    Stop,
}

/// Reads all captures to their ends and shows what is found. Files are read on a thread of their
/// own, while what was found before is looked at.
pub(crate) fn read(
    input: &Input,
    show: &mut dyn FnMut(&Found<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    if !is_worth_a_thread(input) {
        return read_packets(input, &mut |_, _| {}, show, idle);
    }
    thread::scope(|scope| {
        let (giver, taker) = stage();
        let reader = on_a_thread(scope, "reader", move || {
            read_kept(input, &mut |batch: &mut Vec<Kept>| giver.give(batch))
        })?;
        let mut arena = BytesMut::with_capacity(ARENA_LEN);
        taker.each(|batch| {
            let mut show = |kept: &mut Kept| {
                kept.open(&mut arena);
                show(&kept.found())
            };
            match batch.iter_mut().all(|kept| show(kept) == Flow::GoOn) {
                true => Flow::GoOn,
                false => Flow::Stop,
            }
        });
        result_of(reader)
    })
}

/// The same for whoever looks elsewhere: in batches, which `give` takes out, with sealed payloads
/// as they are.
pub(super) fn read_kept(
    input: &Input,
    give: &mut dyn FnMut(&mut Vec<Kept>) -> Flow,
) -> Result<End, String> {
    let out = RefCell::new((Batch::default(), give));
    let flush = || {
        let (batch, give) = &mut *out.borrow_mut();
        batch.hand_over(*give)
    };
    let mut keeper = Keeper::default();
    let mut show = |found: &Found<'_>| {
        let kept = keeper.keep(found);
        let held_len = kept.held_len();
        let is_full = out.borrow_mut().0.add(kept, held_len);
        if is_full { flush() } else { Flow::GoOn }
    };
    let end = read_here(input, true, &mut |_, _| {}, &mut show, &mut || flush())?;
    flush();
    Ok(end)
}

/// Files, some megabytes of them.
pub(super) fn is_worth_a_thread(input: &Input) -> bool {
    let len = |path: &PathBuf| path.metadata().ok().filter(|it| it.is_file()).map(|it| it.len());
    let all: Option<u64> = input.files.iter().map(len).sum();
    !input.follow && all.is_some_and(|len| len >= LONG_LEN)
}

/// Reads on this thread, and shows each packet, with the number of its file, before it is looked
/// into.
pub(super) fn read_packets(
    input: &Input,
    look: &mut dyn FnMut(u32, &Packet<'_>),
    show: &mut dyn FnMut(&Found<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    read_here(input, false, look, show, idle)
}

/// The same, with sealed payloads opened or left as they are.
fn read_here(
    input: &Input,
    leaves_payloads: bool,
    look: &mut dyn FnMut(u32, &Packet<'_>),
    show: &mut dyn FnMut(&Found<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    let mut dissector = Dissector::new(seed(), input.authority);
    if leaves_payloads {
        dissector = dissector.leaving_payloads();
    }
    let mut end = End::default();
    take_key_logs(input, &mut dissector, &mut end)?;
    let mut sources = Vec::new();
    for (index, path) in input.files.iter().enumerate() {
        if !input.follow {
            keys_first(path, &mut dissector);
        }
        let file = u32::try_from(index).unwrap_or(u32::MAX);
        sources.push(Source::open(file, path, input.follow)?);
    }
    let mut audience = Audience { look, show, flow: Flow::GoOn };
    match sources.as_mut_slice() {
        [source] => source.read_alone(&mut dissector, &mut end, &mut audience, idle),
        sources => merge(sources, &mut dissector, &mut end, &mut audience),
    }
    dissector.finish(&mut |found| audience.take(found));
    end.tally = dissector.tally();
    end.note_tally();
    Ok(end)
}

/// Shows all blocks of a capture.
pub(super) fn look_through(path: &Path, see: &mut dyn FnMut(&Item<'_>)) -> Result<(), String> {
    let (input, _) = unpacked(path, false)?;
    let mut reader = PacketReader::new(input);
    while let Ok(Some(item)) = reader.next_item() {
        see(&item);
    }
    Ok(())
}

impl End {
    fn complain(&mut self, path: &Path, error: &FileError) {
        self.complaints.push(format!("{}: {error}", path.display()));
        self.is_unreadable = true;
    }

    fn note_tally(&mut self) {
        let Tally { unknown_link, fragments, cut_off, shortened, forgotten, .. } = self.tally;
        let rows = [
            (unknown_link, "packets of a link layer that is not known were not looked at"),
            (fragments, "fragments of IP packets were not put together"),
            (cut_off, "packets were cut off within their headers"),
            (shortened, "packets were captured only in part: `tcpdump -s 0` keeps all of them"),
            (forgotten, "connections were forgotten to make room for others"),
        ];
        for (count, what) in rows {
            if count > 0 {
                self.complaints.push(format!("{count} {what}"));
            }
        }
    }
}

/// Who is shown what is found, until they have seen enough.
struct Audience<'a> {
    look: &'a mut dyn FnMut(u32, &Packet<'_>),
    show: &'a mut dyn FnMut(&Found<'_>) -> Flow,
    flow: Flow,
}

impl Audience<'_> {
    fn look(&mut self, file: u32, packet: &Packet<'_>) {
        (self.look)(file, packet);
    }

    fn take(&mut self, found: &Found<'_>) {
        if self.flow == Flow::GoOn {
            self.flow = (self.show)(found);
        }
    }
}

struct Source {
    file: u32,
    path: PathBuf,
    reader: PacketReader<Box<dyn Read>>,
    is_live: bool,
    /// The packet that comes next, where several files are merged.
    next: Option<NextPacket>,
}

struct NextPacket {
    /// Without its data and options.
    packet: Packet<'static>,
    data: Vec<u8>,
    options: Vec<u8>,
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
        audience: &mut Audience<'_>,
        idle: &mut dyn FnMut() -> Flow,
    ) {
        while audience.flow == Flow::GoOn {
            match self.reader.next_item() {
                Ok(Some(Item::Packet(packet))) => {
                    audience.look(self.file, &packet);
                    dissector.packet(self.file, &packet, &mut |found| audience.take(found));
                }
                Ok(Some(Item::Secrets(text))) => {
                    dissector.key_log(text);
                    let len = text.len();
                    self.note_secrets(len, end);
                }
                Ok(Some(Item::Skipped(what))) => self.skipped(what, end),
                Ok(Some(Item::Other)) => {}
                Ok(None) => return self.note_end(end),
                Err(error) => return end.complain(&self.path, &error),
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
                    let mut data = kept.take().map_or_else(Vec::new, |kept: NextPacket| kept.data);
                    data.clear();
                    data.extend_from_slice(packet.data);
                    let Options { bytes, is_big_endian } = packet.options;
                    let (options, bytes) = (Options { bytes: &[], is_big_endian }, bytes.to_vec());
                    let packet = Packet { data: &[], options, ..packet };
                    self.next = Some(NextPacket { packet, data, options: bytes });
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

    fn note_secrets(&self, len: usize, end: &mut End) {
        let block_at = self.reader.position() - self.reader.block().len() as u64;
        if end.secrets.len() < SESSIONS_MAX {
            let at = block_at + SECRETS_AT as u64;
            end.secrets.push(Piece { file: self.file, at, len });
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
    audience: &mut Audience<'_>,
) {
    for source in sources.iter_mut() {
        source.advance(dissector, end);
    }
    while audience.flow == Flow::GoOn {
        let first = sources
            .iter_mut()
            .filter(|source| source.next.is_some())
            .min_by_key(|source| source.next.as_ref().map(|next| next.packet.at));
        let Some(source) = first else { return };
        if let Some(kept) = &source.next {
            let options = Options { bytes: &kept.options, ..kept.packet.options };
            let packet = Packet { data: &kept.data, options, ..kept.packet };
            audience.look(source.file, &packet);
            dissector.packet(source.file, &packet, &mut |found| audience.take(found));
        }
        source.advance(dissector, end);
    }
}

/// A stream of the bytes of a capture, unpacked, and whether they come as they are made.
pub(super) fn unpacked(path: &Path, follow: bool) -> Result<(Box<dyn Read>, bool), String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    let is_stdin = path == Path::new("-");
    let socket = tap_socket(path);
    let mut input: Box<dyn Read> = if is_stdin {
        Box::new(io::stdin().lock())
    } else if let Some(socket) = socket {
        Box::new(std::os::unix::net::UnixStream::connect(socket).map_err(said)?)
    } else {
        let file = File::open(path).map_err(said)?;
        if file.metadata().is_ok_and(|found| found.is_dir()) {
            let path = path.display();
            return Err(format!(
                "{path}: this is a folder: name the captures in it, {path}/*.pcapng"
            ));
        }
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
        let input = Box::new(BufReader::with_capacity(128 << 10, input));
        Box::new(Zstd { input: Some(Peeked { next: None, input }), frame: None })
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
                0 => thread::sleep(PAUSE),
                len => return Ok(len),
            }
        }
    }
}

type ZstdFrame = ruzstd::decoding::StreamingDecoder<Peeked, ruzstd::decoding::FrameDecoder>;

/// Frames of zstd, one after the other, all through one reader: nothing grows with their number.
struct Zstd {
    input: Option<Peeked>,
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
            if input.is_at_end()? {
                return Ok(0);
            }
            let frame = ZstdFrame::new(input).map_err(io::Error::other)?;
            self.frame = Some(Box::new(frame));
        }
    }
}

/// A stream whose next byte can be looked at.
struct Peeked {
    next: Option<u8>,
    input: Box<dyn Read>,
}

impl Peeked {
    fn is_at_end(&mut self) -> io::Result<bool> {
        if self.next.is_none() {
            let mut byte = [0];
            self.next = (self.input.read(&mut byte)? > 0).then_some(byte[0]);
        }
        Ok(self.next.is_none())
    }
}

impl Read for Peeked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match buffer.first_mut() {
            Some(place) if self.next.is_some() => {
                *place = self.next.take().unwrap_or_default();
                Ok(1)
            }
            _ => self.input.read(buffer),
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
    let mut reader = PacketReader::new(input).stepping_over_packets();
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Secrets(text) = item {
            dissector.key_log(text);
        }
    }
}

fn take_key_logs(input: &Input, dissector: &mut Dissector, end: &mut End) -> Result<(), String> {
    with_key_logs(input, &mut |path, text| {
        let mut alone = KeyRing::default();
        alone.read(text);
        let is_asked_for = input.key_logs.iter().any(|asked| asked == path);
        if is_asked_for && alone.is_empty() {
            end.complaints.push(format!("{}: there is no key in it", path.display()));
        }
        dissector.key_log(text);
    })
}

/// The keys that a user has given beside the captures.
pub(crate) fn keys_beside(input: &Input) -> Result<KeyRing, String> {
    let mut keys = KeyRing::default();
    with_key_logs(input, &mut |_, text| keys.read(text))?;
    Ok(keys)
}

fn with_key_logs(input: &Input, take: &mut dyn FnMut(&Path, &[u8])) -> Result<(), String> {
    for path in &input.key_logs {
        let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        take(path, &zeroize::Zeroizing::new(text));
    }
    if let Some(path) = std::env::var_os("SV2KEYLOGFILE")
        && let Ok(text) = std::fs::read(&path)
    {
        take(Path::new(&path), &zeroize::Zeroizing::new(text));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_many_small_frames_of_zstd_needs_no_more_stack_than_one() {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let frame = ruzstd::encoding::compress_to_vec(&b"x"[..], level);
        let input = Box::new(Cursor::new(frame.repeat(FRAMES)));
        let mut zstd = Zstd { input: Some(Peeked { next: None, input }), frame: None };

        let mut bytes = Vec::new();
        zstd.read_to_end(&mut bytes).unwrap();

        assert_eq!(bytes, [b'x'; FRAMES]);
    }

    #[test]
    fn reading_stops_when_nobody_listens_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pcapng");
        let mut sample = sv2_capture::sample::ShareCapture::new(1, false);
        std::fs::write(&file, sample.next_piece(500)).unwrap();
        let files = [file.clone(), file];

        for files in [&files[..1], &files[..]] {
            let input = Input { files: files.to_vec(), ..Input::default() };
            let end = read(&input, &mut |_| Flow::Stop, &mut || Flow::GoOn).unwrap();

            assert!(end.tally.packets < 10, "{:?}", end.tally);
        }
    }

    const FRAMES: usize = 20_000;
}
