//! Everything that captures say, one observation after the other, with what it means and what is
//! wrong with it.

use sv2_capture::filter::Entry;
use sv2_capture::read::Found;
use sv2_capture::rules::{Inspector, Policy, Report};
use sv2_capture::state::State;
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
    source::read(
        input,
        &mut |found| {
            let observed = &found.observed;
            let before = inspector.state().connection(observed.connection);
            let previous_at = before.map(|connection| connection.last.at);
            let report = inspector.observe(observed);
            let since = observed.at.saturating_sub(*first_at.get_or_insert(observed.at));
            see(&Seen {
                found,
                report: &report,
                connection: inspector.state().connection(observed.connection),
                since_first: since,
                previous_at,
            })
        },
        idle,
    )
}

/// The same for whoever asks only what messages say by themselves: nothing is followed or judged.
///
/// # Errors
/// As [`walk`].
pub(crate) fn glance(
    input: &Input,
    see: &mut dyn FnMut(&Seen<'_>) -> Flow,
    idle: &mut dyn FnMut() -> Flow,
) -> Result<End, String> {
    // It never learns of a connection, so that a message means what it says and no more.
    let mut nothing = State::default();
    let mut first_at = None;
    source::read(
        input,
        &mut |found| {
            let observed = &found.observed;
            let report = Report { facts: nothing.read(observed), findings: Vec::new() };
            let since_first = observed.at.saturating_sub(*first_at.get_or_insert(observed.at));
            let (connection, previous_at) = (None, None);
            see(&Seen { found, report: &report, connection, since_first, previous_at })
        },
        idle,
    )
}
