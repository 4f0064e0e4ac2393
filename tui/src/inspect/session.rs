//! A capture as the screens look at it: everything that was observed, with what it means.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use sv2::common::Protocol;
use sv2::message::{Descriptor, Message, descriptor};
use sv2::wire::Frame;
use sv2_capture::Direction;
use sv2_capture::filter::{CHUNK, Filter};
use sv2_capture::observed::{HandshakeSeen, Integrity, Observed, What};
use sv2_capture::rules::{Finding, Inspector, Policy, Tally};
use sv2_capture::state::channel::{Channel, ChannelKind, Group};
use sv2_capture::state::{Derived, Facts};

use super::remarks::Remarks;

/// Everything of one capture, up to [`Session::ENTRIES_MAX`].
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) name: String,
    entries: Vec<Entry>,
    findings: Vec<Finding>,
    tally: Tally,
    connections: BTreeMap<u32, ConnectionRow>,
    channels: BTreeMap<(u32, u32), ChannelRow>,
    jobs: Vec<JobRow>,
    inspector: Inspector,
    /// Places of shares without a verdict, by connection and channel.
    waiting: BTreeMap<(u32, u32), VecDeque<usize>>,
    /// Observations that found no room.
    pub(crate) left_out: u64,
    /// What the reader has to say of the file.
    pub(crate) notes: Vec<String>,
    /// What the user has to say.
    pub(crate) remarks: Remarks,
}

/// One observation.
pub(crate) struct Entry {
    /// From 1.
    pub(crate) number: u64,
    /// Nanoseconds since the Unix epoch.
    pub(crate) at: u64,
    pub(crate) connection: u32,
    pub(crate) direction: Option<Direction>,
    pub(crate) what: Kind,
    pub(crate) integrity: Option<Integrity>,
    /// The channel or group that it concerns.
    pub(crate) channel: Option<u32>,
    /// The job that it names.
    pub(crate) job: Option<u32>,
    /// The observation that gave the job.
    pub(crate) job_given_by: Option<u64>,
    /// The other half of a request and its answer.
    pub(crate) pair: Option<u64>,
    /// Nanoseconds between the two; of the answer.
    pub(crate) latency: Option<u64>,
    /// It asks for an answer.
    pub(crate) is_request: bool,
    /// Nanoseconds since the last one on its connection.
    pub(crate) since_last: Option<u64>,
    /// What became of a share.
    pub(crate) outcome: Option<Outcome>,
    /// The same on the leg above or below.
    pub(crate) same_as: Option<u64>,
    pub(crate) derived: Box<[(&'static str, Derived)]>,
    /// Places in [`Session::findings`].
    pub(crate) findings: Box<[usize]>,
    pub(crate) info: Box<str>,
}

/// What the server has said of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Rejected,
}

/// What was observed.
pub(crate) enum Kind {
    Opened,
    Handshake(Box<HandshakeSeen>),
    /// A frame; without a descriptor one that the table of messages does not have.
    Frame {
        frame: Frame,
        descriptor: Option<&'static Descriptor>,
    },
    Opaque,
    Line(Box<str>),
    Gap,
    Closed,
}

/// A line of the screen of connections.
pub(crate) struct ConnectionRow {
    pub(crate) id: u32,
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) opened: (u64, u64),
    pub(crate) last_at: u64,
    pub(crate) is_closed: bool,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) is_sv1: bool,
    pub(crate) version: Option<u16>,
    pub(crate) flags: u32,
    pub(crate) handshake: Option<HandshakeSeen>,
    pub(crate) channel_count: usize,
    pub(crate) message_count: [u64; 2],
    pub(crate) latencies: Vec<u64>,
    pub(crate) finding_count: usize,
}

/// A line of the screen of channels.
pub(crate) struct ChannelRow {
    pub(crate) connection: u32,
    pub(crate) id: u32,
    pub(crate) kind: ChannelKind,
    pub(crate) group: u32,
    pub(crate) user_identity: String,
    pub(crate) opened_by: u64,
    pub(crate) closed: bool,
    pub(crate) target_difficulty: f64,
    pub(crate) nominal_hashrate: f32,
    pub(crate) expected_shares_per_minute: f64,
    pub(crate) prefix: String,
    pub(crate) rollable_extranonce_size: u16,
    pub(crate) submitted: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) blocks_found: u64,
    pub(crate) first_at: u64,
    pub(crate) last_at: u64,
    pub(crate) work: f64,
}

/// A job, from its message to the block that made it void.
pub(crate) struct JobRow {
    pub(crate) connection: u32,
    /// The channel or group that it was given to.
    pub(crate) channel: u32,
    pub(crate) id: u32,
    pub(crate) number: u64,
    pub(crate) arrived: u64,
    pub(crate) activated: Option<u64>,
    pub(crate) retired: Option<u64>,
    pub(crate) shares: u64,
}

impl Session {
    /// Observations that are kept; further ones are counted.
    pub(crate) const ENTRIES_MAX: usize = 5_000_000;

    pub(crate) fn new(name: String, policy: Policy) -> Self {
        Session { name, inspector: Inspector::new(policy), ..Session::default() }
    }

    /// Places of all entries that a filter takes, in order.
    pub(crate) fn places(&self, filter: &Filter) -> Vec<usize> {
        self.places_from(filter, 0)
    }

    /// The same of those from this place on.
    pub(crate) fn places_from(&self, filter: &Filter, from: usize) -> Vec<usize> {
        let count = self.entries.len();
        let chunks = (from..count).step_by(CHUNK);
        let rows = chunks.flat_map(|first| {
            let len = CHUNK.min(count - first);
            let rows = filter.select(self, first as u64, len, None);
            rows.iter().map(|row| first + row).collect::<Vec<_>>()
        });
        rows.collect()
    }

    /// Something that the reader has to say; what it says again and again is kept once.
    pub(crate) fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Takes the next observation.
    pub(crate) fn take(&mut self, observed: &Observed<'_>) {
        if self.entries.len() >= Self::ENTRIES_MAX {
            self.left_out += 1;
            return;
        }
        let report = self.inspector.observe(observed);
        let first = self.findings.len();
        report.findings.iter().for_each(|finding| self.tally.add(finding));
        self.findings.extend(report.findings);
        let findings: Box<[usize]> = (first..self.findings.len()).collect();
        let last_at = self.connections.get(&observed.connection).map(|row| row.last_at);
        let mut entry = Entry::of(observed, &report.facts, findings);
        entry.since_last = last_at.map(|last| observed.at.saturating_sub(last));
        self.note_connection(observed, &entry);
        self.note_shares(observed, &report.facts);
        self.note_channels(observed, &report.facts);
        self.note_jobs(observed, &report.facts);
        // The request learns of its answer.
        if let Some(pair) = entry.pair
            && let Some(request) = self.index_of(pair)
            && self.entries[request].pair.is_none()
        {
            self.entries[request].pair = Some(entry.number);
        }
        self.entries.push(entry);
    }

    fn note_connection(&mut self, observed: &Observed<'_>, entry: &Entry) {
        let Some(state) = self.inspector.state().connection(observed.connection) else { return };
        let row = self.connections.entry(state.id).or_insert_with(|| ConnectionRow {
            id: state.id,
            client: state.client,
            server: state.server,
            opened: (observed.number, observed.at),
            last_at: observed.at,
            is_closed: false,
            protocol: None,
            is_sv1: false,
            version: None,
            flags: 0,
            handshake: None,
            channel_count: 0,
            message_count: [0; 2],
            latencies: Vec::new(),
            finding_count: 0,
        });
        row.last_at = observed.at;
        row.is_closed = state.ended.is_some();
        row.protocol = state.protocol;
        row.is_sv1 = state.is_sv1;
        row.flags = state.client_flags();
        if let Some(sv2_capture::state::connection::SetupAnswered::Success { version, .. }) =
            state.answered
        {
            row.version = Some(version);
        }
        if let What::Handshake(seen) = &observed.what {
            row.handshake = Some(seen.clone());
        }
        row.channel_count = row.channel_count.max(state.channels.len());
        row.message_count = state.message_count;
        if let Some(latency) = entry.latency
            && row.latencies.len() < LATENCIES_MAX
        {
            row.latencies.push(latency);
        }
        row.finding_count += entry.findings.len();
    }

    fn note_channels(&mut self, observed: &Observed<'_>, facts: &Facts) {
        let Some(state) = self.inspector.state().connection(observed.connection) else { return };
        let named = facts.channel.filter(|id| state.channels.contains_key(id));
        let opened = match &facts.message {
            Some(Message::OpenStandardMiningChannelSuccess(message)) => Some(message.channel_id),
            Some(Message::OpenExtendedMiningChannelSuccess(message)) => Some(message.channel_id),
            _ => None,
        };
        if let Some(id) = opened.or(named)
            && let Some(channel) = state.channels.get(&id)
        {
            let row = channel_row(observed, id, channel, &state.groups);
            let key = (observed.connection, id);
            let work = self.channels.get(&key).map_or(0.0, |known| known.work);
            let first_at = self.channels.get(&key).map_or(observed.at, |known| known.first_at);
            self.channels.insert(key, ChannelRow { work, first_at, ..row });
        }
        if let (Some(share), Some(id)) = (&facts.share, facts.channel)
            && let (Some(proof), true) = (&share.proof, facts.is_good() == Some(true))
            && let Some(row) = self.channels.get_mut(&(observed.connection, id))
        {
            row.work += proof.target.difficulty();
        }
        if matches!(facts.message, Some(Message::CloseChannel(_))) {
            let gone = |row: &&mut ChannelRow| !state.channels.contains_key(&row.id);
            let of_connection = (observed.connection, 0)..=(observed.connection, u32::MAX);
            self.channels
                .range_mut(of_connection)
                .map(|(_, row)| row)
                .filter(gone)
                .for_each(|row| row.closed = true);
        }
    }

    /// Shares learn what became of them.
    fn note_shares(&mut self, observed: &Observed<'_>, facts: &Facts) {
        let Some(channel) = facts.channel else { return };
        let key = (observed.connection, channel);
        if facts.share.is_some() {
            let waiting = self.waiting.entry(key).or_default();
            if waiting.len() == WAITING_MAX {
                waiting.pop_front();
            }
            return waiting.push_back(self.entries.len());
        }
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        match &facts.message {
            Some(Message::SubmitSharesSuccess(_)) => {
                let last = facts.pair();
                let is_last = |place: &usize| Some(self.entries[*place].number) == last;
                let Some(end) = waiting.iter().position(is_last) else { return };
                for place in waiting.drain(..=end) {
                    self.entries[place].outcome = Some(Outcome::Accepted);
                    self.entries[place].pair = Some(observed.number);
                }
            }
            Some(Message::SubmitSharesError(_)) => {
                let share = facts.pair();
                let is_it = |place: &usize| Some(self.entries[*place].number) == share;
                if let Some(at) = waiting.iter().position(is_it)
                    && let Some(place) = waiting.remove(at)
                {
                    self.entries[place].outcome = Some(Outcome::Rejected);
                }
            }
            _ => {}
        }
    }

    fn note_jobs(&mut self, observed: &Observed<'_>, facts: &Facts) {
        let (number, at, connection) = (observed.number, observed.at, observed.connection);
        let mut add = |channel: u32, id: u32, is_future: bool| {
            if self.jobs.len() < JOBS_MAX {
                let activated = (!is_future).then_some(at);
                self.jobs.push(JobRow {
                    connection,
                    channel,
                    id,
                    number,
                    arrived: at,
                    activated,
                    retired: None,
                    shares: 0,
                });
            }
        };
        match &facts.message {
            Some(Message::NewMiningJob(job)) => {
                add(job.channel_id, job.job_id, job.min_ntime.is_none());
            }
            Some(Message::NewExtendedMiningJob(job)) => {
                add(job.channel_id, job.job_id, job.min_ntime.is_none());
            }
            Some(Message::SetNewPrevHash(tip)) => {
                let newest_first = self.jobs.iter_mut().rev().take(JOBS_LOOKED_AT);
                let of_channel = newest_first
                    .filter(|job| (job.connection, job.channel) == (connection, tip.channel_id));
                for job in of_channel {
                    if job.id == tip.job_id && job.activated.is_none() {
                        job.activated = Some(at);
                    } else if job.retired.is_none() {
                        job.retired = Some(at);
                    }
                }
            }
            _ => {}
        }
        if let (Some(_), Some(job)) = (&facts.share, &facts.job)
            && let Ok(place) = self.jobs.binary_search_by_key(&job.given.number, |job| job.number)
        {
            self.jobs[place].shares += 1;
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The place of an observation.
    pub(crate) fn index_of(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    /// Of one entry, in the order of the rules.
    pub(crate) fn findings_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = &'a Finding> {
        entry.findings.iter().map(|index| &self.findings[*index])
    }

    pub(crate) fn connections(&self) -> impl ExactSizeIterator<Item = &ConnectionRow> {
        self.connections.values()
    }

    pub(crate) fn connection(&self, id: u32) -> Option<&ConnectionRow> {
        self.connections.get(&id)
    }

    pub(crate) fn channels(&self) -> impl ExactSizeIterator<Item = &ChannelRow> {
        self.channels.values()
    }

    pub(crate) fn channel(&self, connection: u32, id: u32) -> Option<&ChannelRow> {
        self.channels.get(&(connection, id))
    }

    pub(crate) fn jobs(&self) -> &[JobRow] {
        &self.jobs
    }

    /// When the capture begins, in nanoseconds since the Unix epoch.
    pub(crate) fn start(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.at)
    }

    /// Connections behind Noise, and those of them that can be read.
    pub(crate) fn keys(&self) -> (usize, usize) {
        let handshakes = self.connections.values().filter_map(|row| row.handshake.as_ref());
        let fits = |seen: &HandshakeSeen| seen.key == sv2_capture::observed::SessionKey::Fits;
        let (mut all, mut open) = (0, 0);
        for seen in handshakes {
            all += 1;
            open += usize::from(fits(seen));
        }
        (open, all)
    }

    /// What the rules have found, counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Entry {
    /// What an observation says by itself.
    pub(crate) fn of(observed: &Observed<'_>, facts: &Facts, findings: Box<[usize]>) -> Entry {
        let (direction, integrity, what) = match &observed.what {
            What::Opened { .. } => (None, None, Kind::Opened),
            What::Handshake(seen) => (None, None, Kind::Handshake(Box::new(seen.clone()))),
            What::Frame { direction, frame, integrity } => {
                let header = frame.header();
                let descriptor = descriptor(header.extension(), frame.message_type);
                let frame = (*frame).clone();
                let kind = Kind::Frame { frame, descriptor };
                (Some(*direction), Some(*integrity), kind)
            }
            What::Opaque { direction, .. } => (Some(*direction), None, Kind::Opaque),
            What::Line { direction, line } => {
                let text = String::from_utf8_lossy(line).into_owned();
                (Some(*direction), None, Kind::Line(text.into()))
            }
            What::Gap { direction, .. } => (Some(*direction), None, Kind::Gap),
            What::Closed { by, .. } => (Some(*by), None, Kind::Closed),
        };
        let info = super::describe::info(&observed.what, facts).into();
        Entry {
            number: observed.number,
            at: observed.at,
            connection: observed.connection,
            direction,
            what,
            integrity,
            channel: facts.channel,
            job: facts.job.map(|job| job.id),
            job_given_by: facts.job.map(|job| job.given.number),
            pair: facts.pair(),
            latency: facts.latency(observed.at),
            is_request: facts.asks.is_some(),
            since_last: None,
            outcome: None,
            same_as: facts.same_as,
            derived: facts.derived().into(),
            findings,
            info,
        }
    }
}

fn channel_row(
    observed: &Observed<'_>,
    id: u32,
    channel: &Channel,
    groups: &BTreeMap<u32, Group>,
) -> ChannelRow {
    ChannelRow {
        connection: observed.connection,
        id,
        kind: channel.kind,
        group: channel.group,
        user_identity: channel.user_identity.clone(),
        opened_by: channel.opened.number,
        closed: false,
        target_difficulty: channel.target(groups).difficulty(),
        nominal_hashrate: channel.nominal_hashrate,
        expected_shares_per_minute: channel.expected_shares_per_minute(groups),
        prefix: super::describe::hex(channel.extranonce_prefix.now().as_slice()),
        rollable_extranonce_size: channel.rollable_extranonce_size,
        submitted: channel.shares.submitted,
        accepted: channel.shares.shares_accepted,
        rejected: channel.shares.shares_rejected(),
        blocks_found: channel.shares.blocks_found,
        first_at: observed.at,
        last_at: observed.at,
        work: 0.0,
    }
}

/// Of the reader.
const NOTES_MAX: usize = 1_000;
/// Latencies that are kept for the median of one connection.
const LATENCIES_MAX: usize = 10_000;
/// Shares of one channel that wait for a verdict.
const WAITING_MAX: usize = 4_096;
/// Jobs that are kept.
const JOBS_MAX: usize = 200_000;
/// Of the newest jobs, those that a new block is held against.
const JOBS_LOOKED_AT: usize = 4_096;
