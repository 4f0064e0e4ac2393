//! What is counted, and how it is printed.

use std::collections::BTreeMap;

use serde_json::json;
use simulator::statistics::Histogram;
use sv2::message::descriptor;
use sv2_capture::observed::{Integrity, SessionKey, What};
use sv2_capture::{ById, Direction};

use sv2::message::Message;
use sv2_capture::text::{duration, scaled};

use crate::capture::{End, Seen, Utc};
use crate::print;

/// Connections that are counted one by one; others in the sums alone.
const CONNECTIONS_MAX: usize = 1 << 18;

/// Counts of a capture.
#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: BTreeMap<(u16, u8, &'static str), Count>,
    connections: ById<OfConnection>,
    frames: u64,
    lines: u64,
    opaque_len: u64,
    gaps: u64,
    bad: u64,
    shares: Shares,
    /// Nanoseconds from a request to its answer, by the answer.
    latencies: BTreeMap<&'static str, Histogram>,
    first_at: Option<u64>,
    last_at: u64,
}

/// What became of shares.
#[derive(Clone, Debug, Default)]
struct Shares {
    submitted: u64,
    accepted: u64,
    /// By error code.
    refused: BTreeMap<String, u64>,
    /// By our own recomputation.
    verdicts: BTreeMap<&'static str, u64>,
    blocks: u64,
    /// Sum of the difficulties of their targets.
    work: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    up: u64,
    down: u64,
    len: u64,
}

#[derive(Debug, Default)]
struct OfConnection {
    ends: String,
    protocol: &'static str,
    up: u64,
    down: u64,
    len: u64,
    first_at: u64,
    last_at: u64,
}

impl Counts {
    /// Counts one more.
    pub(super) fn take(&mut self, seen: &Seen<'_>) {
        let observed = &seen.found.observed;
        self.note_latency(seen);
        self.shares.note(seen);
        self.first_at.get_or_insert(observed.at);
        self.last_at = observed.at;
        let is_new = !self.connections.contains(observed.connection);
        let mut other = OfConnection::default();
        let connection = if is_new && self.connections.len() >= CONNECTIONS_MAX {
            &mut other
        } else {
            self.connections.get_or_insert_with(observed.connection, Default::default)
        };
        if is_new {
            connection.first_at = observed.at;
        }
        connection.last_at = observed.at;
        match &observed.what {
            What::Opened { client, server, .. } => {
                connection.ends = format!("{client} -> {server}");
            }
            What::Handshake(seen) => {
                connection.protocol = match seen.key {
                    SessionKey::Fits => "noise",
                    SessionKey::Missing => "noise, no key",
                    SessionKey::DoesNotFit => "noise, wrong key",
                };
            }
            What::Frame { direction, frame, integrity } => {
                self.frames += 1;
                self.bad += u64::from(*integrity == Integrity::Bad);
                if connection.protocol.is_empty() {
                    let is_plain = *integrity == Integrity::Plain;
                    connection.protocol = if is_plain { "plain" } else { "noise" };
                }
                let len = frame.payload.len() as u64;
                connection.count(*direction, len);
                let extension = frame.header().extension();
                let row = match &seen.report.facts.message {
                    Some(message) => Some(message.descriptor()),
                    None => descriptor(extension, frame.message_type),
                };
                let name = row.map_or("", |row| row.name);
                let key = (extension, frame.message_type, name);
                let count = self.messages.entry(key).or_default();
                match direction {
                    Direction::ClientToServer => count.up += 1,
                    Direction::ServerToClient => count.down += 1,
                }
                count.len += len;
            }
            What::Line { direction, line } => {
                self.lines += 1;
                connection.protocol = "stratum v1";
                connection.count(*direction, line.len() as u64);
            }
            What::Opaque { len, .. } => self.opaque_len += *len as u64,
            What::Gap { .. } => self.gaps += 1,
            What::Closed { .. } => {}
        }
    }

    pub(super) fn print_text(&self, end: &End) {
        let elapsed = self.last_at.saturating_sub(self.first_at.unwrap_or_default());
        print::line(format_args!(
            "{} packets, {} bytes, {} messages, {} lines, {} connections, {} from {}",
            end.tally.packets,
            end.tally.bytes,
            self.frames,
            self.lines,
            self.connections.len(),
            duration(elapsed),
            Utc(self.first_at.unwrap_or_default())
        ));
        print::line(format_args!(
            "{} wrong MACs, {} gaps, {} bytes that cannot be read\n",
            self.bad, self.gaps, self.opaque_len
        ));
        let mut rows = vec![["message", "up", "down", "bytes"].map(String::from)];
        for ((extension, number, name), count) in &self.messages {
            let name = match *name {
                "" => format!("extension {extension:#06x} message {number:#04x}"),
                name => name.to_owned(),
            };
            let [up, down, len] = [count.up, count.down, count.len].map(|it| it.to_string());
            rows.push([name, up, down, len]);
        }
        print::table(&rows, 1);
        print::line("");
        let head =
            ["connection", "client -> server", "protocol", "up", "down", "bytes", "open for"];
        let mut rows = vec![head.map(String::from)];
        for (number, row) in self.connections.iter() {
            rows.push([
                format!("c{number}"),
                row.ends.clone(),
                if row.protocol.is_empty() { "unknown" } else { row.protocol }.to_owned(),
                row.up.to_string(),
                row.down.to_string(),
                row.len.to_string(),
                duration(row.last_at.saturating_sub(row.first_at)),
            ]);
        }
        print::table(&rows, 3);
        self.print_shares();
        self.print_latencies();
    }

    fn print_shares(&self) {
        let Shares { submitted, accepted, refused, verdicts, blocks, work } = &self.shares;
        if *submitted == 0 {
            return;
        }
        print::line(format_args!(
            "\n{submitted} shares sent, {accepted} accepted, {} refused, {blocks} blocks, work {}",
            refused.values().sum::<u64>(),
            scaled(*work)
        ));
        let mut rows = vec![["refused, or wrong when recomputed", "shares"].map(String::from)];
        let refused = refused.iter().map(|(code, count)| (format!("refused: {code}"), count));
        let wrong = verdicts.iter().filter(|(verdict, _)| **verdict != "good");
        let wrong = wrong.map(|(verdict, count)| (format!("recomputed: {verdict}"), count));
        rows.extend(refused.chain(wrong).map(|(what, count)| [what, count.to_string()]));
        if rows.len() > 1 {
            print::table(&rows, 1);
        }
    }

    fn print_latencies(&self) {
        if self.latencies.is_empty() {
            return;
        }
        print::line("");
        let head = ["answer", "count", "p50", "p90", "p99", "max"];
        let mut rows = vec![head.map(String::from)];
        for (name, all) in &self.latencies {
            let [p50, p90, p99, max] = quantiles(all).map(duration);
            rows.push([(*name).to_owned(), all.count().to_string(), p50, p90, p99, max]);
        }
        print::table(&rows, 1);
    }

    /// An answer tells how long it took; an acknowledgement of shares counts from the last of them.
    fn note_latency(&mut self, seen: &Seen<'_>) {
        let facts = &seen.report.facts;
        let Some(message) = &facts.message else { return };
        let at = seen.found.observed.at;
        let batch = facts.batch.as_ref().map(|batch| at.saturating_sub(batch.last.at));
        let Some(latency) = facts.latency(at).or(batch) else { return };
        self.latencies.entry(message.descriptor().name).or_default().record(latency);
    }

    pub(super) fn print_json(&self, end: &End) {
        let messages: Vec<_> = self
            .messages
            .iter()
            .map(|((extension, number, name), count)| {
                json!({
                    "msg": if name.is_empty() { None } else { Some(name) },
                    "ext": extension, "type": number,
                    "up": count.up, "down": count.down, "len": count.len,
                })
            })
            .collect();
        let connections: Vec<_> = self
            .connections
            .iter()
            .map(|(number, row)| {
                json!({
                    "conn": format!("c{number}"), "ends": row.ends, "protocol": row.protocol,
                    "up": row.up, "down": row.down, "len": row.len,
                    "duration_us": row.last_at.saturating_sub(row.first_at) / 1000,
                })
            })
            .collect();
        let latencies: BTreeMap<_, _> = self
            .latencies
            .iter()
            .map(|(name, all)| {
                let [p50, p90, p99, max] = quantiles(all).map(|latency| latency / 1_000);
                let count = all.count();
                let row = json!({
                    "count": count, "p50_us": p50, "p90_us": p90, "p99_us": p99, "max_us": max,
                });
                (*name, row)
            })
            .collect();
        print::line(json!({
            "v": 1, "packets": end.tally.packets, "bytes": end.tally.bytes,
            "messages": messages, "connections": connections, "frames": self.frames,
            "lines": self.lines, "wrong_macs": self.bad, "gaps": self.gaps,
            "opaque_len": self.opaque_len,
            "shares": {
                "submitted": self.shares.submitted, "accepted": self.shares.accepted,
                "refused": self.shares.refused, "recomputed": self.shares.verdicts,
                "blocks": self.shares.blocks, "work": self.shares.work,
            },
            "latencies": latencies,
        }));
    }
}

impl OfConnection {
    fn count(&mut self, direction: Direction, len: u64) {
        match direction {
            Direction::ClientToServer => self.up += 1,
            Direction::ServerToClient => self.down += 1,
        }
        self.len += len;
    }
}

impl Shares {
    fn note(&mut self, seen: &Seen<'_>) {
        let facts = &seen.report.facts;
        match &facts.message {
            Some(Message::SubmitSharesStandard(_) | Message::SubmitSharesExtended(_)) => {
                self.submitted += 1;
                if let Some(verdict) = facts.verdict() {
                    *self.verdicts.entry(verdict).or_default() += 1;
                }
                if let Some(proof) = facts.share.as_ref().and_then(|share| share.proof.as_ref()) {
                    self.work += proof.target.difficulty();
                    self.blocks += u64::from(proof.is_block);
                }
            }
            Some(Message::SubmitSharesSuccess(success)) => {
                self.accepted += u64::from(success.new_submits_accepted_count);
            }
            Some(Message::SubmitSharesError(error)) => {
                let code = error.error_code.as_slice().escape_ascii().to_string();
                if self.refused.len() < CODES_MAX || self.refused.contains_key(&code) {
                    *self.refused.entry(code).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}

/// Half, nine tenths, 99 hundredths of them are at most so long, and all.
fn quantiles(all: &Histogram) -> [u64; 4] {
    [all.quantile(0.5), all.quantile(0.9), all.quantile(0.99), all.max()]
}

/// Error codes that are told apart.
const CODES_MAX: usize = 1_000;
