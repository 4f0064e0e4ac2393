//! `-w --plain`: what was chosen as a capture in clear.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sv2::time::{Instant, Now, UnixTime};
use sv2_capture::observed::{Observed, What};
use sv2_capture::pcapng::Making;
use sv2_capture::{Capture, Direction, StreamId};

/// A file that is new, or empty now. What was said, or the keys of it, is nobody else's business
/// before its owner says so.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// A capture in clear.
pub(crate) struct Plain {
    out: BufWriter<File>,
    capture: Capture,
    /// Messages are left out of its connections.
    is_selection: bool,
    streams: BTreeMap<u32, Stream>,
}

struct Stream {
    id: StreamId,
    /// Bytes of client and server that the capture has lost since their last message.
    lost: [u64; 2],
}

impl Plain {
    pub(crate) fn create(path: &Path, is_selection: bool) -> io::Result<Self> {
        let out = BufWriter::new(create_private(path)?);
        let (capture, streams) = (Capture::copy("assay"), BTreeMap::new());
        Ok(Plain { out, capture, is_selection, streams })
    }

    /// Writes an observation, if there is a packet for it.
    pub(crate) fn write(&mut self, observed: &Observed<'_>) -> io::Result<()> {
        let now =
            Now { instant: Instant(observed.at), unix: UnixTime(observed.at / 1_000_000_000) };
        if let What::Opened { client, server, from_the_start, is_selection, is_redacted } =
            observed.what
        {
            let making = Making::of_copy(is_selection || self.is_selection, is_redacted);
            let id = match from_the_start {
                false => self.capture.join(client, server, making),
                true => self.capture.open_copied(now, client, server, making),
            };
            self.streams.insert(observed.connection, Stream { id, lost: [0; 2] });
        }
        if let Some(stream) = self.streams.get_mut(&observed.connection) {
            match &observed.what {
                What::Frame { direction, frame, .. } => {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    self.capture.skip(stream.id, *direction, stream.take_lost(*direction));
                    self.capture.bytes(now, stream.id, *direction, "", &bytes);
                }
                What::Line { direction, line } => {
                    let lost = stream.take_lost(*direction);
                    // The end of the line before: a reader looks for it behind a gap.
                    let end: &[u8] = if lost > 0 { b"\n" } else { b"" };
                    self.capture.skip(stream.id, *direction, lost.saturating_sub(1));
                    let bytes = [end, line, b"\n"].concat();
                    self.capture.bytes(now, stream.id, *direction, "", &bytes);
                }
                What::Gap { direction, len, .. } if !self.is_selection => {
                    stream.lost[side(*direction)] += len;
                }
                What::Closed { by, reset } => self.capture.close(now, stream.id, *by, *reset),
                What::Opened { .. }
                | What::Handshake(_)
                | What::Opaque { .. }
                | What::Gap { .. } => {}
            }
        }
        self.out.write_all(&self.capture.take())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Stream {
    fn take_lost(&mut self, direction: Direction) -> u64 {
        std::mem::take(&mut self.lost[side(direction)])
    }
}

fn side(direction: Direction) -> usize {
    usize::from(direction == Direction::ServerToClient)
}
