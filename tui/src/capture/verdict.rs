//! What a capture was like: for the exit code, and for what is said of it at the end.

use std::collections::BTreeSet;

use sv2_capture::Direction;
use sv2_capture::observed::{Integrity, Observed, SessionKey, What};
use sv2_capture::rules::Severity;

use super::source::End;
use super::walk::Seen;
use crate::outcome::Outcome;

/// There are findings as bad as `--fail-on`.
pub(crate) const FINDINGS: u8 = 1;
/// A file cannot be read, or not to its end.
pub(crate) const UNREADABLE: u8 = 3;
/// Something could not be decrypted, or not be found again behind a gap.
pub(crate) const UNDECRYPTED: u8 = 6;

/// What a capture was like, for the exit code.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    doubt: Doubt,
    worst: Option<Severity>,
}

impl Verdict {
    /// Takes note of an observation; its findings count where it is chosen.
    pub(crate) fn note_if(&mut self, seen: &Seen<'_>, is_chosen: bool) {
        self.doubt.note(&seen.found.observed);
        let worst = seen.report.findings.iter().map(|finding| finding.severity).max();
        self.worst = self.worst.max(worst.filter(|_| is_chosen));
    }

    /// Takes note of an observation.
    pub(crate) fn note(&mut self, seen: &Seen<'_>) {
        self.note_if(seen, true);
    }

    /// In words, what of a capture nobody has judged; nothing where it was read and understood
    /// whole.
    pub(crate) fn unjudged(&self, end: &End) -> Vec<String> {
        let unread = end.complaints.iter().filter(|_| end.is_unreadable);
        unread.cloned().chain(self.doubt.sentences()).collect()
    }

    /// Says on standard error what is missing, and gives the exit code.
    pub(crate) fn outcome(
        &self,
        end: Result<End, String>,
        fail_on: Option<Severity>,
    ) -> Result<Outcome, Outcome> {
        let end = end.map_err(|why| Outcome::Said(why, UNREADABLE))?;
        let doubts = self.doubt.sentences();
        for sentence in end.complaints.iter().chain(&doubts) {
            anstream::eprintln!("note: {sentence}");
        }
        let is_bad = fail_on.is_some_and(|least| self.worst >= Some(least));
        Ok(match (end.is_unreadable, is_bad, doubts.is_empty()) {
            (true, ..) => Outcome::Code(UNREADABLE),
            (false, true, _) => Outcome::Code(FINDINGS),
            (false, false, false) => Outcome::Code(UNDECRYPTED),
            (false, false, true) => Outcome::Done,
        })
    }
}

/// Lost directions that are counted.
const LOST_MAX: usize = 1 << 18;

/// What could not be shown.
#[derive(Debug, Default)]
struct Doubt {
    opaque_len: u64,
    without_key: u64,
    wrong_key: u64,
    wrong_macs: u64,
    /// By connection and direction, up to [`LOST_MAX`].
    lost: BTreeSet<(u32, bool)>,
}

impl Doubt {
    /// Takes note of an observation.
    fn note(&mut self, observed: &Observed<'_>) {
        match &observed.what {
            What::Handshake(seen) => match seen.key {
                SessionKey::Missing => self.without_key += 1,
                SessionKey::DoesNotFit => self.wrong_key += 1,
                SessionKey::Fits => {}
            },
            What::Frame { integrity, .. } => {
                self.wrong_macs += u64::from(*integrity == Integrity::Bad);
            }
            What::Opaque { len, .. } => self.opaque_len += *len as u64,
            What::Gap { direction, resynced: false, .. } if self.lost.len() < LOST_MAX => {
                self.lost.insert((observed.connection, *direction == Direction::ServerToClient));
            }
            What::Gap { .. } => {}
            What::Opened { .. } | What::Line { .. } | What::Closed { .. } => {}
        }
    }

    /// One for each kind.
    fn sentences(&self) -> Vec<String> {
        let rows = [
            (self.without_key, "sessions have no key: give --key-log"),
            (self.wrong_key, "sessions have keys that do not fit"),
            (self.opaque_len, "bytes could not be read"),
            (self.wrong_macs, "messages have a wrong MAC"),
            (self.lost.len() as u64, "directions were lost behind a gap"),
        ];
        let rows = rows.iter().filter(|(count, _)| *count > 0);
        rows.map(|(count, what)| format!("{count} {what}")).collect()
    }
}
