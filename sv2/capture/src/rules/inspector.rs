//! One observation after the other: read, judged, followed.

use super::scene::{Findings, Said, Scene, Told};
use super::timing::FanOut;
use super::{
    Finding, Policy, channels, declarations, framing, handshake, jobs, lines, requests, setup,
    shares, targets, templates, timing, waiting,
};
use crate::ById;
use crate::observed::{Observed, What};
use crate::state::connection::Trust;
use crate::state::{Facts, State};

/// Follows a capture and says what is wrong in it.
#[derive(Debug, Default)]
pub struct Inspector {
    state: State,
    policy: Policy,
    watches: ById<Box<Watch>>,
    fan_out: FanOut,
}

/// What the rules remember of a connection.
#[derive(Debug, Default)]
struct Watch {
    told: Told,
    /// When what did not happen was looked for, in nanoseconds since the Unix epoch.
    swept_at: u64,
    /// Observations until it may be looked for again: looking costs a step for each channel, and
    /// stamps can say that hours pass between any two.
    rest: usize,
}

/// What came of one observation.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it means.
    pub facts: Facts,
    /// What is wrong, in the order of the rules' files.
    pub findings: Vec<Finding>,
}

impl Inspector {
    /// Tells what the policy lets through.
    pub fn new(policy: Policy) -> Self {
        Inspector { policy, ..Inspector::default() }
    }

    /// What is known up to here.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes the next observation. A finding about something that did not happen stands at the
    /// observation that shows that it is late.
    pub fn observe(&mut self, observed: &Observed<'_>) -> Report {
        if self.watches.len() > WATCHES_MAX {
            // Of connections that the state has forgotten.
            self.watches.retain(|id, _| self.state.connection(id).is_some());
        }
        let facts = self.state.read(observed);
        let mut findings = self.judge(observed, &facts);
        self.state.apply(observed, &facts);
        self.sweep(observed, &facts, &mut findings);
        let policy = &self.policy;
        let findings = findings.into_iter().filter_map(|finding| policy.judge(finding)).collect();
        Report { facts, findings }
    }

    fn judge(&mut self, observed: &Observed<'_>, facts: &Facts) -> Vec<Finding> {
        let Some(connection) = self.state.connection(observed.connection) else {
            return Vec::new();
        };
        let state = &self.state;
        let scene = Scene { state, connection, observed, facts, trust: connection.trust };
        let watch = self.watches.get_or_insert_with(connection.id, Box::default);
        let mut out = Findings { found: Vec::new(), told: &mut watch.told };
        match &observed.what {
            What::Opened { .. } => {}
            What::Line { .. } => lines::check(&scene, &mut out),
            What::Handshake(seen) => handshake::check(&scene, &mut out, seen),
            What::Opaque { .. } => handshake::check_opaque(&scene, &mut out),
            What::Gap { direction, len, resynced } => {
                handshake::check_gap(&scene, &mut out, *direction, *len, *resynced);
            }
            What::Closed { by, reset } => timing::check_end(&scene, &mut out, *by, *reset),
            What::Frame { direction, frame, integrity } => {
                let is_readable = framing::check(&scene, &mut out, *direction, frame, *integrity);
                if let Some(message) = facts.message.as_ref().filter(|_| is_readable) {
                    let said = Said { scene: &scene, message, direction: *direction };
                    judge_message(&said, &mut out);
                    self.fan_out.check(&said, &mut out);
                }
            }
        }
        out.found
    }

    /// Looks for what did not happen, once in a while on each connection that says something.
    fn sweep(&mut self, observed: &Observed<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
        let id = observed.connection;
        let Some(watch) = self.watches.get_mut(id) else { return };
        watch.rest = watch.rest.saturating_sub(1);
        let is_due = observed.at >= watch.swept_at.saturating_add(waiting::INTERVAL);
        if !is_due || watch.rest > 0 {
            return;
        }
        let is_first = watch.swept_at == 0;
        watch.swept_at = observed.at;
        if is_first {
            return;
        }
        self.state.count_silence(id, observed.at);
        let state = &self.state;
        let Some(connection) = state.connection(id) else { return };
        if connection.trust >= Trust::Selected {
            return;
        }
        let steps = connection.channels.len() + connection.requests.all_pending().len();
        watch.rest = steps / waiting::STEPS_PER_OBSERVATION;
        let scene = Scene { state, connection, observed, facts, trust: connection.trust };
        let mut out = Findings { found: Vec::new(), told: &mut watch.told };
        waiting::check(&scene, &mut out);
        // They are about the connection, not about the message that shows the time.
        findings.extend(out.found.into_iter().map(|finding| Finding { pair: None, ..finding }));
    }
}

/// In the order in which people would look.
fn judge_message(said: &Said<'_>, out: &mut Findings<'_>) {
    setup::check(said, out);
    requests::check(said, out);
    channels::check(said, out);
    targets::check(said, out);
    jobs::check(said, out);
    shares::check(said, out);
    declarations::check(said, out);
    templates::check(said, out);
    timing::check(said, out);
}

/// More than the state follows; above, those of forgotten connections go.
const WATCHES_MAX: usize = 2 * State::CONNECTIONS_MAX;
