//! `-w`: what was chosen as another capture.
//!
//! Each chosen message as it was sent, at its time, in packets made for it; of its connection the
//! handshake, the set-up and the channels, so that the copy can be decrypted and understood; and
//! the keys of these sessions. Where something was left out of a connection, its packets say so by
//! their interface ([`sv2_capture::pcapng::Making`]).

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sv2::message::descriptor;
use sv2::noise::ACT_1_LEN;
use sv2::wire::Frame;
use sv2_capture::observed::What;
use sv2_capture::pcapng::Making;
use sv2_capture::read::Found;

use super::again::Again;
use super::copied_keys::copied_keys;
use super::copied_streams::CopiedStreams;
use super::options::Input;
use super::plain::create_private;
use super::source::{self, Flow};

/// Runs of chosen messages that a copy has at most.
const RUNS_MAX: usize = 1 << 22;

/// A copy of captures, which are read once to know what is wanted, and again to write it.
#[derive(Debug)]
pub(crate) struct Copy {
    input: Input,
    to: PathBuf,
    pub(super) connections: BTreeMap<u32, OfConnection>,
    /// First and last number of each run of chosen observations, in order.
    chosen: Vec<(u64, u64)>,
    /// Of all observations: a capture may have grown since.
    last: u64,
    /// What the user has to say of some, by number.
    comments: BTreeMap<u64, String>,
    failure: Option<String>,
}

/// What a copy knows of a connection.
#[derive(Debug)]
pub(super) struct OfConnection {
    /// Client and server.
    pub(super) ends: [SocketAddr; 2],
    pub(super) is_chosen: bool,
    /// Something of it is left out.
    pub(super) is_selection: bool,
    /// It is a redacted copy already.
    is_redacted: bool,
    pub(super) has_handshake: bool,
    /// Its name in key logs, where something was decrypted.
    pub(super) session: Option<[u8; ACT_1_LEN]>,
}

impl OfConnection {
    pub(super) fn making(&self) -> Making {
        Making::of_copy(self.is_selection, self.is_redacted)
    }
}

/// Whether a message says what others on its connection mean: what it speaks, and which channels
/// there are.
pub(crate) fn is_set_up(frame: &Frame) -> bool {
    let row = descriptor(frame.header().extension(), frame.message_type);
    row.is_some_and(|row| SET_UP.iter().any(|start| row.name.starts_with(start)))
}

const SET_UP: [&str; 3] =
    ["SetupConnection", "OpenStandardMiningChannel", "OpenExtendedMiningChannel"];

/// Whether a file is one of those that are read: written to, it would be gone.
pub(crate) fn is_read(input: &Input, to: &Path) -> bool {
    let is_it = |to: &PathBuf| {
        input.files.iter().any(|from| from.canonicalize().is_ok_and(|from| from == *to))
    };
    to.canonicalize().is_ok_and(|to| is_it(&to))
}

impl Copy {
    /// Of what is read, unless that cannot be read again or is what would be written.
    ///
    /// # Errors
    /// In words, with the way out.
    pub(crate) fn new(input: &Input, to: &Path) -> Result<Self, String> {
        if let Some(from) = input.files.iter().find(|from| !from.is_file()) {
            return Err(format!(
                "{}: a copy needs a file that can be read twice; `assay decode --plain -w` does not",
                from.display()
            ));
        }
        if is_read(input, to) {
            return Err(format!("{}: this is what is read", to.display()));
        }
        Ok(Copy {
            input: Input { follow: false, ..input.clone() },
            to: to.to_owned(),
            connections: BTreeMap::new(),
            chosen: Vec::new(),
            last: 0,
            comments: BTreeMap::new(),
            failure: None,
        })
    }

    /// Comments to be written beside what the packets have already.
    pub(crate) fn comment(&mut self, comments: impl Iterator<Item = (u64, String)>) {
        self.comments.extend(comments);
    }

    pub(super) fn comment_on(&self, number: u64) -> Option<&str> {
        self.comments.get(&number).map(String::as_str)
    }

    /// Takes note of an observation, chosen or not.
    pub(crate) fn note(&mut self, found: &Found<'_>, is_chosen: bool) -> Flow {
        let observed = &found.observed;
        self.last = observed.number;
        if let What::Opened { client, server, is_selection, is_redacted, .. } = observed.what {
            let row = OfConnection {
                ends: [client, server],
                is_chosen: false,
                is_selection,
                is_redacted,
                has_handshake: false,
                session: None,
            };
            self.connections.insert(observed.connection, row);
        }
        let Some(row) = self.connections.get_mut(&observed.connection) else { return Flow::GoOn };
        let is_content = match &observed.what {
            What::Frame { frame, .. } => !is_set_up(frame),
            What::Line { .. } | What::Gap { .. } | What::Opaque { .. } => true,
            What::Handshake(_) => {
                row.has_handshake = true;
                false
            }
            What::Opened { .. } | What::Closed { .. } => false,
        };
        // What was not understood where it stood alone has no place to be copied from.
        let has_place = !found.pieces.is_empty() || matches!(observed.what, What::Gap { .. });
        row.is_selection |= is_content && !(is_chosen && has_place);
        if let (None, Some(seal)) = (&row.session, found.seal) {
            row.session = Some(*seal.session);
        }
        if is_chosen {
            row.is_chosen = true;
            match self.chosen.last_mut() {
                Some((_, last)) if *last + 1 == observed.number => *last += 1,
                _ => self.chosen.push((observed.number, observed.number)),
            }
        }
        if self.chosen.len() > RUNS_MAX {
            self.failure = Some(format!("more than {RUNS_MAX} messages were chosen one by one"));
            return Flow::Stop;
        }
        Flow::GoOn
    }

    /// Whether an observation of a chosen connection is in the copy.
    pub(super) fn keeps(&self, number: u64, what: &What<'_>) -> bool {
        let behind = self.chosen.partition_point(|(first, _)| *first <= number);
        let is_chosen = behind > 0 && self.chosen[behind - 1].1 >= number;
        is_chosen || matches!(what, What::Frame { frame, .. } if is_set_up(frame))
    }

    /// Whether the captures had this observation when they were read first.
    pub(super) fn knows(&self, number: u64) -> bool {
        number <= self.last
    }

    /// Writes the copy, and of the keys those of the sessions in it, from wherever they came; or
    /// none.
    ///
    /// # Errors
    /// In words; what was written so far stays.
    pub(crate) fn write(self, strip_keys: bool) -> Result<(), String> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let said = |error: io::Error| format!("{}: {error}", self.to.display());
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let again = Again::unpacked(&self.input, folder.unwrap_or(Path::new(".")))?;
        let keys = if strip_keys {
            Vec::new()
        } else {
            let chosen = || self.connections.values().filter(|row| row.is_chosen);
            let ends = chosen().map(|row| row.ends).collect();
            let sessions = chosen().filter_map(|row| row.session.as_ref());
            copied_keys(&self.input.files, &key_logs(&self.input), ends, sessions)?
        };
        let mut out = BufWriter::new(create_private(&self.to).map_err(said)?);
        let mut streams = CopiedStreams::new(&self, again, &mut out);
        keys.iter().for_each(|lines| streams.key_log(lines));
        streams.read(&self.input)?;
        out.flush().map_err(said)
    }
}

/// Files that keys were taken from.
fn key_logs(input: &Input) -> Vec<PathBuf> {
    let named = std::env::var_os("SV2KEYLOGFILE").map(PathBuf::from);
    input.key_logs.iter().cloned().chain(named).collect()
}

/// Reads the captures once more, each packet before what is found in it.
pub(super) fn read_again(
    input: &Input,
    look: &mut dyn FnMut(u32, &sv2_capture::read::Packet<'_>),
    show: &mut dyn FnMut(&Found<'_>) -> Flow,
) -> Result<(), String> {
    source::read_packets(input, look, show, &mut || Flow::GoOn).map(|_| ())
}
