//! Everything that captures say, one observation after the other, with what it means and what is
//! wrong with it.

use std::collections::BTreeMap;

use sv2_capture::filter::Entry;
use sv2_capture::observed::{Integrity, SessionKey, What};
use sv2_capture::read::Found;
use sv2_capture::rules::{Inspector, Policy, Report};
use sv2_capture::state::connection::Connection;

use super::options::Input;
use super::source::{self, End, Flow};

/// An observation, followed and judged.
pub(crate) struct Seen<'a> {
    pub(crate) found: &'a Found<'a>,
    pub(crate) report: &'a Report,
    /// Where it belongs, as it stands behind the observation.
    pub(crate) connection: Option<&'a Connection>,
    /// Nanoseconds since the first observation of all.
    pub(crate) since_first: u64,
    /// When its connection said something before, in nanoseconds since the Unix epoch.
    pub(crate) previous_at: Option<u64>,
}

impl<'a> Seen<'a> {
    /// For filters and columns.
    pub(crate) fn columns(&self, info: &'a str) -> Entry<'a> {
        Entry {
            observed: &self.found.observed,
            report: self.report,
            connection: self.connection,
            previous_at: self.previous_at,
            info,
        }
    }
}

/// Reads all of the input and shows it. `idle` is called where a live input may wait for more.
///
/// # Errors
/// In words: an input that cannot be opened.
pub(crate) fn walk(
    input: &Input,
    policy: Policy,
    see: &mut dyn FnMut(&Seen<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    let mut inspector = Inspector::new(policy);
    let mut first_at = None;
    let mut last_at: BTreeMap<u32, u64> = BTreeMap::new();
    source::read(
        input,
        &mut |found| {
            let observed = &found.observed;
            let report = inspector.observe(observed);
            if last_at.len() > CONNECTIONS_MAX {
                last_at.clear();
            }
            let since = observed.at.saturating_sub(*first_at.get_or_insert(observed.at));
            see(&Seen {
                found,
                report: &report,
                connection: inspector.state().connection(observed.connection),
                since_first: since,
                previous_at: last_at.insert(observed.connection, observed.at),
            })
        },
        idle,
    )
}

/// Connections of which it is remembered when they last said something.
const CONNECTIONS_MAX: usize = 1 << 16;

/// What could not be shown.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    opaque_len: u64,
    without_key: u64,
    wrong_key: u64,
    wrong_macs: u64,
    lost: u64,
}

impl Doubt {
    /// Takes note of an observation.
    pub(crate) fn note(&mut self, what: &What<'_>) {
        match what {
            What::Handshake(seen) => match seen.key {
                SessionKey::Missing => self.without_key += 1,
                SessionKey::DoesNotFit => self.wrong_key += 1,
                SessionKey::Fits => {}
            },
            What::Frame { integrity, .. } => {
                self.wrong_macs += u64::from(*integrity == Integrity::Bad);
            }
            What::Opaque { len, .. } => self.opaque_len += *len as u64,
            What::Gap { resynced, .. } => self.lost += u64::from(!resynced),
            What::Opened { .. } | What::Line { .. } | What::Closed { .. } => {}
        }
    }

    /// One for each kind.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let rows = [
            (self.without_key, "sessions have no key: give --key-log"),
            (self.wrong_key, "sessions have keys that do not fit"),
            (self.opaque_len, "bytes could not be read"),
            (self.wrong_macs, "messages have a wrong MAC"),
            (self.lost, "directions were lost behind a gap"),
        ];
        let rows = rows.iter().filter(|(count, _)| *count > 0);
        rows.map(|(count, what)| format!("{count} {what}")).collect()
    }
}
