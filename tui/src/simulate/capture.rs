//! `run.pcapng`: what all links of a simulated network have carried, with the keys to read it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use simulator::world::{Segment, SegmentKind, World};
use sv2_capture::{Direction, Recording};

/// A file that grows with the run.
pub(super) struct CaptureFile {
    pub(super) path: PathBuf,
    file: File,
    recording: Recording,
    /// Where each connection stands, by number: bytes of client and server so far.
    offsets: std::collections::BTreeMap<u64, [u64; 2]>,
}

impl CaptureFile {
    /// Begins it.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let recording =
            Recording::new(concat!("assay ", env!("CARGO_PKG_VERSION")), &["simulated"]);
        let file = File::create(&path)?;
        Ok(CaptureFile { path, file, recording, offsets: <_>::default() })
    }

    /// Appends what was sent since the last call.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn take(&mut self, world: &mut World) -> io::Result<()> {
        for segment in world.take_segments() {
            self.record(segment);
            if self.recording.untaken_len() > BUFFER_LEN {
                self.file.write_all(&self.recording.take())?;
            }
        }
        self.file.write_all(&self.recording.take())
    }

    fn record(&mut self, segment: Segment) {
        let Segment { at, connection, what } = segment;
        // All worlds begin at one civil time, which their roles see as well.
        let stamp = simulator::world::START.0 * 1_000_000_000 + at.0;
        match what {
            SegmentKind::Opened { client, server } => {
                self.offsets.insert(connection, [0, 0]);
                self.recording.open(stamp, connection, 0, client, server);
            }
            SegmentKind::Secrets(secrets) => self.recording.secrets(connection, *secrets),
            SegmentKind::Bytes { is_client, bytes } => {
                let Some(offsets) = self.offsets.get_mut(&connection) else { return };
                let offset = &mut offsets[usize::from(!is_client)];
                let direction = direction(is_client);
                self.recording.bytes(stamp, connection, direction, *offset, "", &bytes);
                *offset += bytes.len() as u64;
            }
            SegmentKind::Closed { is_client } => {
                self.recording.close(stamp, connection, direction(is_client), false);
            }
        }
    }
}

fn direction(is_client: bool) -> Direction {
    if is_client { Direction::ClientToServer } else { Direction::ServerToClient }
}

/// Written at once, in bytes.
const BUFFER_LEN: usize = 1 << 20;
