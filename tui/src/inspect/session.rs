//! A capture as the screens look at it: everything that was observed, with what it means.
//!
//! Of each observation a row is kept ([`Rows`]); what it says is read again from the capture
//! ([`Origins`]) when somebody looks. So a session takes about the same memory for a capture of
//! any length; where there is no file to read again, up to [`Session::HELD_LEN_MAX`] bytes of
//! messages are held.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use sv2::common::Protocol;
use sv2::message::Message;
use sv2_capture::ById;
use sv2_capture::filter::{CHUNK, Filter};
use sv2_capture::index::{Change, Extra, Outcome, Reader, Row};
use sv2_capture::observed::{HandshakeSeen, Observed, What};
use sv2_capture::rules::{Finding, Tally};
use sv2_capture::state::channel::ChannelKind;
use sv2_capture::state::{ChannelStanding, Derived, Facts, Standing};

use super::by_channel::ByChannel;
use super::columns::PartOf;
use super::entry::{Entry, row_of};
use super::index_file::{HEAD_LEN, IndexFile};
use super::origin::{Lies, Origins};
use super::quick;
use super::remarks::Remarks;
use super::rows::Rows;
use super::tables::list;
use crate::capture::{End, Input, Seen};

/// Everything of one capture, up to [`Session::ENTRIES_MAX`].
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) name: String,
    rows: Rows,
    /// What was found beyond them by a first, quick reading, from the first observation on.
    quick: Rows,
    /// What the rows are to become.
    index: Option<IndexFile>,
    origins: Origins,
    /// The last entry that was made, and its place.
    last_made: RefCell<Option<(usize, Rc<Entry>)>>,
    start: u64,
    end: u64,
    tally: Tally,
    connections: ById<ConnectionRow>,
    channels: ByChannel<ChannelRow>,
    jobs: Vec<JobRow>,
    /// Places of shares without a verdict, by connection and channel.
    waiting: ByChannel<VecDeque<usize>>,
    waiting_count: usize,
    latency_count: usize,
    /// Bytes of messages that are held.
    held_len: usize,
    /// Observations that found no room.
    pub(crate) left_out: u64,
    /// What the reader has to say of the file.
    pub(crate) notes: Vec<String>,
    /// What the user has to say.
    pub(crate) remarks: Remarks,
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
    /// Of a redacted copy.
    pub(crate) is_redacted: bool,
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
    pub(crate) const ENTRIES_MAX: usize = 100_000_000;
    /// Bytes of messages that are held where they cannot be read again.
    pub(crate) const HELD_LEN_MAX: usize = 64 << 20;

    /// Nothing was observed yet; what will be is held.
    pub(crate) fn new(name: String) -> Self {
        Session { name, ..Session::default() }
    }

    /// The same of an input, whose messages are read again where it can be.
    pub(crate) fn of(input: &Input, name: String) -> Self {
        Session { origins: Origins::of(input), ..Session::new(name) }
    }

    /// The same, whose rows can become an index, if there is room for it.
    pub(super) fn indexed(mut self, index: Option<IndexFile>) -> Self {
        let folder = index.as_ref().and_then(IndexFile::folder);
        let Some((index, folder)) = index.zip(folder) else { return self };
        match index.lack_of_room(&folder) {
            Some(why) => self.note(why),
            None => {
                self.rows = Rows::in_folder(folder, HEAD_LEN as u64);
                self.index = Some(index);
            }
        }
        self
    }

    /// Keeps the index, now that everything was read.
    pub(super) fn keep_index(&mut self, end: &End) {
        let Some(index) = self.index.take() else { return };
        let is_whole = !end.is_unreadable && self.left_out == 0 && self.rows.failure().is_none();
        if is_whole && let Err(why) = index.save(self, end) {
            self.note(why);
        }
    }

    /// Puts everything into the file of an index.
    pub(super) fn write_index(
        &mut self,
        stamp: &[u8],
        end: &End,
    ) -> io::Result<(&File, u64, Vec<u8>)> {
        let Session { origins, tally, connections, channels, jobs, notes, .. } = self;
        let (start, last) = (self.start, self.end);
        self.rows.finish(stamp, |out| {
            [start, last].iter().for_each(|value| out.int(*value));
            origins.write(&end.secrets, out);
            tally.write(out);
            out.int(connections.len() as u64);
            connections.values().for_each(|row| row.write(out));
            out.int(channels.len() as u64);
            channels.values().for_each(|row| row.write(out));
            out.int(jobs.len() as u64);
            jobs.iter().for_each(|row| row.write(out));
            out.int(notes.len() as u64);
            notes.iter().for_each(|note| out.bytes(note.as_bytes()));
        })
    }

    /// Why messages cannot be shown any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        self.rows.failure()
    }

    /// Whether the file of the index is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.are_whole()
    }

    /// Looks whether it is while it is used already.
    pub(super) fn check_beside(&mut self, index: PathBuf) {
        self.rows.check_beside(index);
    }

    /// Takes everything from the file of an index; `None` if its table is not whole.
    pub(super) fn restored(
        mut self,
        input: &Input,
        file: File,
        from: &mut Reader<'_>,
    ) -> Option<Self> {
        self.rows = Rows::opened(file, from)?;
        (self.start, self.end) = (from.int()?, from.int()?);
        self.origins.read_keys(input, from)?;
        self.tally = Tally::read(from)?;
        let connections = list(from, ConnectionRow::read)?;
        connections.into_iter().for_each(|row| self.connections.insert(row.id, row));
        let channels = list(from, ChannelRow::read)?;
        channels.into_iter().for_each(|row| self.channels.insert(row.connection, row.id, row));
        self.jobs = list(from, JobRow::read)?;
        self.notes = list(from, |from| Some(from.text()?.to_owned()))?;
        from.is_at_end().then_some(self)
    }

    /// Places of all entries that a filter takes, in order.
    pub(crate) fn places(&self, filter: &Filter) -> Vec<usize> {
        self.places_from(filter, 0)
    }

    /// The same of those from this place on.
    pub(crate) fn places_from(&self, filter: &Filter, from: usize) -> Vec<usize> {
        // Once, for all that there may be: what is not used of it takes no memory.
        let mut places = Vec::with_capacity(self.len().saturating_sub(from));
        let mut next = from;
        loop {
            let rows = self.rows_with(next);
            let Some(part) = rows.part_of(next) else { break };
            let len = CHUNK.min(part.len - (next - part.first));
            let part = PartOf::new(self, rows, part);
            let rows = filter.select(&part, next as u64, len, None);
            places.extend(rows.iter().map(|row| next + row));
            next += len;
        }
        places
    }

    /// The rows around a place, for filters and columns.
    pub(super) fn part_of(&self, index: usize) -> Option<PartOf<'_>> {
        let rows = self.rows_with(index);
        Some(PartOf::new(self, rows, rows.part_of(index)?))
    }

    /// What is known of a message beyond its row, without what it says itself.
    pub(super) fn derived(&self, index: usize) -> Vec<(&'static str, Derived)> {
        self.rows_with(index).extra(index).map_or_else(Vec::new, |extra| extra.derived)
    }

    /// Something that the reader has to say; what it says again and again is kept once.
    pub(crate) fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Takes the next observation.
    pub(crate) fn take(&mut self, seen: &Seen<'_>) {
        if !self.has_room() {
            self.left_out += 1;
            return;
        }
        let Seen { found, report, standing, .. } = seen;
        let observed = &found.observed;
        report.findings.iter().for_each(|finding| self.tally.add(finding));
        let mut row = row_of(observed, &report.facts);
        let last_at = self.connections.get(observed.connection).map(|row| row.last_at);
        row.since_last = last_at.map(|last| observed.at.saturating_sub(last));
        row.has_findings = !report.findings.is_empty();
        if let Some(standing) = standing {
            self.note_connection(observed, &row, standing, report.findings.len());
        }
        self.note_shares(observed, &report.facts);
        if let Some(standing) = standing {
            self.note_channels(observed, &report.facts, standing);
        }
        self.note_jobs(observed, &report.facts);
        // The request learns of its answer.
        if let Some(pair) = row.pair
            && let Some(request) = self.index_of(pair)
            && self.rows.open_row(request).is_some_and(|request| request.pair.is_none())
        {
            self.rows.change(request, Change::Pair(observed.number));
        }
        let mut extra = Extra {
            derived: report.facts.derived(),
            findings: report.findings.clone(),
            ..Extra::default()
        };
        self.origins.place(observed, Lies::of(found), &mut row, &mut extra);
        self.held_len += extra.bytes.as_ref().map_or(0, Vec::len);
        match &observed.what {
            What::Frame { .. } | What::Line { .. } => {}
            other => extra.info = Some(super::describe::info(other, &report.facts)),
        }
        if self.len() == 0 {
            self.start = observed.at;
        }
        self.end = self.end.max(observed.at);
        self.rows.push(&row, &extra);
        self.last_made.take();
    }

    /// Whether messages can be read again.
    pub(super) fn can_read_again(&self) -> bool {
        self.origins.can_read()
    }

    /// Takes what a first, quick reading has found next.
    pub(super) fn take_part(&mut self, part: quick::Part) {
        let rows = part.chunk.len();
        if self.len() == 0 && rows > 0 {
            self.start = part.chunk.row(0).at;
        }
        if rows > 0 {
            self.end = part.chunk.row(rows - 1).at;
        }
        self.origins.add(part.keys);
        self.quick.take_chunk(part.chunk);
        self.last_made.take();
    }

    /// Everything was followed and judged: what the quick reading has found is of no use any more.
    /// Returns whether there was such a thing.
    pub(super) fn end_quick_reading(&mut self) -> bool {
        let had_some = self.quick.len() > 0;
        self.quick = Rows::default();
        had_some
    }

    /// The rows that have an observation.
    fn rows_with(&self, index: usize) -> &Rows {
        if index < self.rows.len() { &self.rows } else { &self.quick }
    }

    fn has_room(&mut self) -> bool {
        if let Some(failure) = self.rows.failure() {
            self.note(failure);
            return false;
        }
        self.rows.len() < Self::ENTRIES_MAX && self.held_len < Self::HELD_LEN_MAX
    }

    fn note_connection(
        &mut self,
        observed: &Observed<'_>,
        seen: &Row,
        standing: &Standing,
        finding_count: usize,
    ) {
        let id = observed.connection;
        if self.connections.len() >= CONNECTIONS_MAX && !self.connections.contains(id) {
            return;
        }
        let row = self.connections.get_or_insert_with(id, || ConnectionRow {
            id,
            client: standing.client,
            server: standing.server,
            opened: (observed.number, observed.at),
            last_at: observed.at,
            is_closed: false,
            protocol: None,
            is_sv1: false,
            is_redacted: standing.is_redacted,
            version: None,
            flags: 0,
            handshake: None,
            channel_count: 0,
            message_count: [0; 2],
            latencies: Vec::new(),
            finding_count: 0,
        });
        row.last_at = observed.at;
        row.is_closed = standing.is_ended;
        row.protocol = standing.protocol;
        row.is_sv1 = standing.is_sv1;
        row.flags = standing.client_flags;
        row.version = standing.version.or(row.version);
        if let What::Handshake(seen) = &observed.what {
            row.handshake = Some(seen.clone());
        }
        row.channel_count = row.channel_count.max(standing.channel_count);
        row.message_count = standing.message_count;
        if let Some(latency) = seen.latency
            && row.latencies.len() < LATENCIES_MAX
            && self.latency_count < ALL_LATENCIES_MAX
        {
            self.latency_count += 1;
            row.latencies.push(latency);
        }
        row.finding_count += finding_count;
    }

    fn note_channels(&mut self, observed: &Observed<'_>, facts: &Facts, standing: &Standing) {
        if let (Some(id), Some(channel)) = (facts.channel, &standing.channel) {
            let connection = observed.connection;
            let known = self.channels.get_mut(connection, id);
            if is_about_shares(facts)
                && let Some(row) = known
                && row.opened_by == channel.opened
            {
                row.follow(observed, channel);
            } else {
                let known = self.channels.get(connection, id);
                if known.is_none() && self.channels.len() >= CHANNELS_MAX {
                    return;
                }
                let row = channel_row(observed, id, channel);
                let work = known.map_or(0.0, |known| known.work);
                let first_at = known.map_or(observed.at, |known| known.first_at);
                self.channels.insert(connection, id, ChannelRow { work, first_at, ..row });
            }
        }
        if let (Some(share), Some(id)) = (&facts.share, facts.channel)
            && let (Some(proof), true) = (&share.proof, facts.is_good() == Some(true))
            && let Some(row) = self.channels.get_mut(observed.connection, id)
        {
            row.work += proof.target.difficulty();
        }
        for id in &standing.closed {
            if let Some(row) = self.channels.get_mut(observed.connection, *id) {
                row.closed = true;
            }
        }
    }

    /// Shares learn what became of them.
    fn note_shares(&mut self, observed: &Observed<'_>, facts: &Facts) {
        let Some(channel) = facts.channel else { return };
        if facts.share.is_some() {
            let waiting = self.waiting.get_or_default(observed.connection, channel);
            if waiting.len() == WAITING_MAX {
                waiting.pop_front();
            } else if self.waiting_count == ALL_WAITING_MAX {
                return;
            } else {
                self.waiting_count += 1;
            }
            return waiting.push_back(self.rows.len());
        }
        let Some(waiting) = self.waiting.get_mut(observed.connection, channel) else { return };
        let count_before = waiting.len();
        match &facts.message {
            Some(Message::SubmitSharesSuccess(_)) => {
                let last = facts.pair();
                let is_last = |place: &usize| Some(number_of(*place)) == last;
                let Some(end) = waiting.iter().position(is_last) else { return };
                for place in waiting.drain(..=end) {
                    self.rows.change(place, Change::Outcome(Outcome::Accepted));
                    self.rows.change(place, Change::Pair(observed.number));
                }
            }
            Some(Message::SubmitSharesError(_)) => {
                let share = facts.pair();
                let is_it = |place: &usize| Some(number_of(*place)) == share;
                if let Some(at) = waiting.iter().position(is_it)
                    && let Some(place) = waiting.remove(at)
                {
                    self.rows.change(place, Change::Outcome(Outcome::Rejected));
                }
            }
            _ => {}
        }
        self.waiting_count -= count_before - waiting.len();
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
                let channels = &self.channels;
                let group = |job: &JobRow| Some(channels.get(connection, job.channel)?.group);
                // What a group is told of holds for its members.
                let is_told = |job: &&mut JobRow| {
                    job.connection == connection
                        && (job.channel == tip.channel_id || group(job) == Some(tip.channel_id))
                };
                for job in newest_first.filter(is_told) {
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

    /// How many observations there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len().max(self.quick.len())
    }

    /// What is known of the one at a place.
    pub(crate) fn row(&self, index: usize) -> Option<Row> {
        self.rows_with(index).row(index)
    }

    /// The same with what it says, read again.
    pub(crate) fn entry(&self, index: usize) -> Option<Rc<Entry>> {
        if let Some((_, made)) =
            self.last_made.borrow().as_ref().filter(|(place, _)| *place == index)
        {
            return Some(Rc::clone(made));
        }
        let rows = self.rows_with(index);
        let (row, extra) = (rows.row(index)?, rows.extra(index)?);
        let said = self.origins.read(&row, &extra);
        let connection = self.connections.get(row.connection);
        let handshake = connection.and_then(|row| row.handshake.as_ref());
        let entry = Rc::new(Entry::again(number_of(index), &row, extra, said, handshake));
        *self.last_made.borrow_mut() = Some((index, Rc::clone(&entry)));
        Some(entry)
    }

    /// The place of an observation.
    pub(crate) fn index_of(&self, number: u64) -> Option<usize> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        (index < self.len()).then_some(index)
    }

    /// Of one entry, in the order of the rules.
    pub(crate) fn findings_of<'a>(&self, entry: &'a Entry) -> impl Iterator<Item = &'a Finding> {
        entry.findings.iter()
    }

    pub(crate) fn connections(&self) -> impl ExactSizeIterator<Item = &ConnectionRow> {
        self.connections.values()
    }

    pub(crate) fn connection(&self, id: u32) -> Option<&ConnectionRow> {
        self.connections.get(id)
    }

    pub(crate) fn channels(&self) -> impl ExactSizeIterator<Item = &ChannelRow> {
        self.channels.values()
    }

    pub(crate) fn channel(&self, connection: u32, id: u32) -> Option<&ChannelRow> {
        self.channels.get(connection, id)
    }

    pub(crate) fn jobs(&self) -> &[JobRow] {
        &self.jobs
    }

    /// When the capture begins, in nanoseconds since the Unix epoch.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// When it ends, as far as it was read.
    pub(crate) fn end(&self) -> u64 {
        self.end
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

/// Observations are numbered from 1, without holes.
pub(super) fn number_of(index: usize) -> u64 {
    index as u64 + 1
}

fn channel_row(observed: &Observed<'_>, id: u32, channel: &ChannelStanding) -> ChannelRow {
    ChannelRow {
        connection: observed.connection,
        id,
        kind: channel.kind,
        group: channel.group,
        user_identity: channel.user_identity.to_string(),
        opened_by: channel.opened,
        closed: false,
        target_difficulty: channel.target.difficulty(),
        nominal_hashrate: channel.nominal_hashrate,
        expected_shares_per_minute: channel.expected_shares_per_minute(),
        prefix: super::describe::hex(channel.extranonce_prefix.as_slice()),
        rollable_extranonce_size: channel.rollable_extranonce_size,
        submitted: channel.submitted,
        accepted: channel.accepted,
        rejected: channel.rejected,
        blocks_found: channel.blocks_found,
        first_at: observed.at,
        last_at: observed.at,
        work: 0.0,
    }
}

impl ChannelRow {
    /// What may have changed with a message about shares, which nearly all messages are.
    fn follow(&mut self, observed: &Observed<'_>, channel: &ChannelStanding) {
        self.group = channel.group;
        self.target_difficulty = channel.target.difficulty();
        self.expected_shares_per_minute = channel.expected_shares_per_minute();
        self.submitted = channel.submitted;
        self.accepted = channel.accepted;
        self.rejected = channel.rejected;
        self.blocks_found = channel.blocks_found;
        self.last_at = observed.at;
    }
}

fn is_about_shares(facts: &Facts) -> bool {
    matches!(
        facts.message,
        Some(
            Message::SubmitSharesStandard(_)
                | Message::SubmitSharesExtended(_)
                | Message::SubmitSharesSuccess(_)
                | Message::SubmitSharesError(_)
        )
    )
}

/// Of the reader.
const NOTES_MAX: usize = 1_000;
/// Connections that have a line.
const CONNECTIONS_MAX: usize = 100_000;
/// Channels that have a line.
const CHANNELS_MAX: usize = 100_000;
/// Latencies that are kept for the median of one connection.
const LATENCIES_MAX: usize = 10_000;
/// The same of all.
const ALL_LATENCIES_MAX: usize = 1_000_000;
/// Shares of one channel that wait for a verdict.
const WAITING_MAX: usize = 4_096;
/// The same of all.
const ALL_WAITING_MAX: usize = 1_000_000;
/// Jobs that are kept.
const JOBS_MAX: usize = 200_000;
/// Of the newest jobs, those that a new block is held against.
const JOBS_LOOKED_AT: usize = 4_096;
