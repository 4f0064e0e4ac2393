//! Where messages are read again: in the files that they come from, opened with the keys that have
//! opened them before.

use std::collections::BTreeMap;
use std::sync::Arc;

use sv2::noise::{ACT_1_LEN, CipherSuite, SEALED_HEADER_LEN, sealed_payload_len};
use sv2::wire::{Frame, FrameHeader};
use sv2_capture::Direction;
use sv2_capture::index::{Extra, Kind, Position, Reader, Row, Sealed, Writer};
use sv2_capture::observed::{Observed, What};
use sv2_capture::read::{Found, Piece, Seal, open_again};
use zeroize::Zeroizing;

use super::entry::Said;
use super::tables::list;
use crate::capture::{Again, Input, keys_beside};

/// The files of a session, and the keys of its connections.
#[derive(Default)]
pub(super) struct Origins {
    again: Option<Again>,
    keys: Keys,
}

/// By connection, and whether it is the server that sends.
pub(super) type Keys = BTreeMap<(u32, bool), Arc<Key>>;

/// Of one direction of a connection.
pub(super) struct Key {
    session: [u8; ACT_1_LEN],
    secret: Zeroizing<[u8; 32]>,
    suite: CipherSuite,
}

/// Where the bytes of an observation lie, as the reader has found them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lies<'a> {
    pub(crate) pieces: &'a [Piece],
    pub(crate) seal: Option<Seal<'a>>,
}

impl<'a> Lies<'a> {
    pub(crate) fn of(found: &Found<'a>) -> Self {
        Lies { pieces: found.pieces, seal: found.seal }
    }
}

impl Origins {
    pub(super) fn of(input: &Input) -> Self {
        Origins { again: Again::open(input), keys: BTreeMap::new() }
    }

    /// Names the sessions whose keys have opened something, and where keys stand in the capture;
    /// the keys themselves are not written.
    pub(super) fn write(&self, secrets: &[Piece], out: &mut Writer) {
        out.int(self.keys.len() as u64);
        for ((connection, is_down), key) in &self.keys {
            out.int((*connection).into());
            out.u8(u8::from(*is_down));
            out.raw(&key.session);
        }
        out.int(secrets.len() as u64);
        for Piece { file, at, len } in secrets {
            [u64::from(*file), *at, *len as u64].iter().for_each(|value| out.int(*value));
        }
    }

    /// Finds the keys of those sessions where they were found before. What opens nothing any more
    /// is left out, and its messages will be said to be gone.
    pub(super) fn read_keys(&mut self, input: &Input, from: &mut Reader<'_>) -> Option<()> {
        let named = list(from, |from| Some((from.small()?, from.u8()? != 0, from.array()?)))?;
        let secrets = list(from, |from| {
            Some(Piece { file: from.small()?, at: from.int()?, len: from.small()? })
        })?;
        let mut keys = keys_beside(input).ok()?;
        for piece in secrets {
            let text = self.again.as_ref().and_then(|again| again.read(&[piece]));
            keys.read(&Zeroizing::new(text.unwrap_or_default()));
        }
        for (connection, is_down, session) in named {
            let direction = match is_down {
                true => Direction::ServerToClient,
                false => Direction::ClientToServer,
            };
            if let Some(secret) = keys.session(&session).and_then(|keys| keys.transport(direction))
            {
                // Rows say which cipher it is.
                let (secret, suite) = (Zeroizing::new(*secret), CipherSuite::ChaChaPoly);
                let key = Arc::new(Key { session, secret, suite });
                self.keys.insert((connection, is_down), key);
            }
        }
        Some(())
    }

    /// Notes where a message lies; holds it where it could not be read again.
    pub(super) fn place(
        &mut self,
        observed: &Observed<'_>,
        lies: Lies<'_>,
        row: &mut Row,
        extra: &mut Extra,
    ) {
        let bytes = match &observed.what {
            What::Frame { frame, .. } => &frame.payload[..],
            What::Line { line, .. } => line,
            _ => return,
        };
        if self.again.is_none() || lies.pieces.is_empty() {
            extra.bytes = Some(bytes.to_vec());
            return;
        }
        lies_at(observed, lies, row, extra);
        if let Some(seal) = lies.seal {
            Key::note(&mut self.keys, row, seal);
        }
    }

    /// Whether messages can be read again.
    pub(super) fn can_read(&self) -> bool {
        self.again.is_some()
    }

    /// Takes keys that have opened something.
    pub(super) fn add(&mut self, keys: Keys) {
        self.keys.extend(keys);
    }

    /// Reads a message again.
    pub(super) fn read(&self, row: &Row, extra: &Extra) -> Said {
        match row.kind {
            Kind::Frame { .. } => self.frame(row, extra).map_or(Said::Nothing, Said::Frame),
            Kind::Line { len } => self.line(row, extra, len).map_or(Said::Nothing, Said::Line),
            Kind::Opened | Kind::Handshake | Kind::Opaque | Kind::Gap | Kind::Closed => {
                Said::Nothing
            }
        }
    }

    fn frame(&self, row: &Row, extra: &Extra) -> Option<Frame> {
        let Kind::Frame { extension_type, message_type, payload_len } = row.kind else {
            return None;
        };
        if let Some(bytes) = &extra.bytes {
            let payload = bytes.clone().into();
            return Some(Frame { extension_type, message_type, payload });
        }
        let len = match row.sealed {
            Some(_) => SEALED_HEADER_LEN + sealed_payload_len(payload_len as usize),
            None => FrameHeader::LEN + payload_len as usize,
        };
        let bytes = self.bytes(row, extra, len)?;
        let frame = match row.sealed {
            Some(Sealed { nonce, is_aes }) => {
                let key = self.keys.get(&key_of(row))?;
                let suite = if is_aes { CipherSuite::AesGcm } else { CipherSuite::ChaChaPoly };
                let seal = Seal { nonce, suite, session: &key.session, secret: &key.secret };
                open_again(&bytes, seal)?.0
            }
            None => {
                let (header, payload) = bytes.split_first_chunk()?;
                let FrameHeader { extension_type, message_type, .. } =
                    FrameHeader::from_bytes(*header);
                Frame { extension_type, message_type, payload: payload.to_vec().into() }
            }
        };
        let header = FrameHeader { extension_type, message_type, payload_len };
        (frame.header() == header).then_some(frame)
    }

    fn line(&self, row: &Row, extra: &Extra, len: u32) -> Option<Vec<u8>> {
        if let Some(bytes) = &extra.bytes {
            return Some(bytes.clone());
        }
        let mut bytes = self.bytes(row, extra, len as usize)?;
        bytes.truncate(len as usize);
        Some(bytes)
    }

    fn bytes(&self, row: &Row, extra: &Extra, len: usize) -> Option<Vec<u8>> {
        let again = self.again.as_ref()?;
        match row.position {
            Some(position) => {
                again.read(&[Piece { file: position.file(), at: position.at(), len }])
            }
            None => again.read(&extra.pieces),
        }
    }
}

impl Key {
    /// Among others.
    pub(super) fn note(keys: &mut Keys, row: &Row, seal: Seal<'_>) {
        let key = keys.entry(key_of(row)).or_insert_with(|| Key::of(seal));
        if key.secret[..] != seal.secret[..] || key.suite != seal.suite {
            *key = Key::of(seal);
        }
    }

    fn of(seal: Seal<'_>) -> Arc<Self> {
        let Seal { suite, session, secret, .. } = seal;
        Arc::new(Key { suite, session: *session, secret: Zeroizing::new(*secret) })
    }
}

/// Notes where a message lies and how it was sealed.
pub(super) fn lies_at(observed: &Observed<'_>, lies: Lies<'_>, row: &mut Row, extra: &mut Extra) {
    if !matches!(observed.what, What::Frame { .. } | What::Line { .. }) {
        return;
    }
    row.sealed = lies.seal.map(|seal| {
        let is_aes = seal.suite == CipherSuite::AesGcm;
        Sealed { nonce: seal.nonce, is_aes }
    });
    let whole = match lies.pieces {
        [piece] => Position::new(piece.file, piece.at),
        _ => None,
    };
    match whole {
        Some(position) => row.position = Some(position),
        None => extra.pieces = lies.pieces.to_vec(),
    }
}

fn key_of(row: &Row) -> (u32, bool) {
    (row.connection, row.direction == Some(Direction::ServerToClient))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sv2_capture::rules::Policy;

    use super::*;
    use crate::capture::{Flow, Seen, walk};
    use crate::inspect::entry::{Entry, Kind as EntryKind};
    use crate::inspect::session::Session;

    /// Everything that does not depend on what comes later.
    fn shown(entry: &Entry) -> String {
        let what = match &entry.what {
            EntryKind::Frame { frame, .. } => format!("{frame:?}"),
            EntryKind::Handshake(seen) => format!("{seen:?}"),
            EntryKind::Line(line) => line.to_string(),
            EntryKind::Opened | EntryKind::Opaque | EntryKind::Gap | EntryKind::Closed => {
                String::new()
            }
        };
        let Entry { number, at, connection, direction, integrity, channel, job, .. } = entry;
        let Entry { job_given_by, latency, same_as, derived, info, .. } = entry;
        format!(
            "{number} {at} {connection} {direction:?} {integrity:?} {channel:?} {job:?} \
             {job_given_by:?} {latency:?} {same_as:?} {derived:?} {info} {what}"
        )
    }

    fn assert_is_shown_again(file: &Path) -> usize {
        let input = Input { files: vec![file.to_owned()], ..Input::default() };
        let mut session = Session::of(&input, String::new());
        let mut expected = Vec::new();
        let mut take = |seen: &Seen<'_>| {
            let findings = format!("{:?}", seen.report.findings);
            let entry = Entry::of(&seen.found.observed, &seen.report.facts);
            expected.push((shown(&entry), findings));
            session.take(seen);
            Flow::GoOn
        };
        if walk(&input, Policy::default(), &mut take, &mut || Flow::GoOn).is_err() {
            return 0;
        }
        assert_eq!(session.len(), expected.len());
        for (index, (line, findings)) in expected.iter().enumerate() {
            let entry = session.entry(index).expect("it was taken");
            assert_eq!(shown(&entry), *line, "{}", file.display());
            assert_eq!(format!("{:?}", entry.findings), *findings, "{}", file.display());
        }
        expected.len()
    }

    #[test]
    fn messages_that_are_read_again_say_what_they_have_said() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/captures");
        let files = std::fs::read_dir(folder).expect("captures ship");
        let paths = files.map(|file| file.expect("a file").path());
        let count: usize = paths.map(|path| assert_is_shown_again(&path)).sum();
        assert!(count > 100, "{count}");

        let folder = tempfile::tempdir().expect("a folder");
        for is_sealed in [false, true] {
            let path: PathBuf = folder.path().join("shares.pcapng");
            let mut sample = sv2_capture::sample::ShareCapture::new(3, is_sealed);
            std::fs::write(&path, sample.next_piece(2000)).expect("room");
            assert!(assert_is_shown_again(&path) > 2000);
        }
    }

    #[test]
    fn what_the_capture_has_no_more_is_said_to_be_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shares.pcapng");
        let mut sample = sv2_capture::sample::ShareCapture::new(1, false);
        std::fs::write(&path, sample.next_piece(100)).expect("room");
        let input = Input { files: vec![path.clone()], ..Input::default() };
        let mut session = Session::of(&input, String::new());
        let mut take = |seen: &Seen<'_>| {
            session.take(seen);
            Flow::GoOn
        };
        walk(&input, Policy::default(), &mut take, &mut || Flow::GoOn).expect("a capture");

        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(2000).unwrap();

        let last = session.entry(session.len() - 1).expect("its row is there");
        assert_eq!(&*last.info, "the capture does not have it any more");
    }
}
