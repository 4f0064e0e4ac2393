//! One direction of one connection.

use sv2::time::Instant;

use super::{Link, Network, PathId};
use crate::engine::{Purpose, Stream, math};

/// What goes in comes out later, in the same order.
#[derive(Clone, Debug)]
pub struct Pipe {
    path: PathId,
    /// When the last message was there, in nanoseconds.
    last_arrival: u64,
    latency: Stream,
    /// Most links are wide, and lose nothing.
    narrow: Option<Box<Narrow>>,
    /// What was sent, without headers.
    pub payload_bytes: u64,
    /// Bytes of the Internet: with headers, with what was sent again, and with the
    /// acknowledgements that came back for it.
    pub packet_bytes: u64,
}

/// Of a link that loses segments, or that has a bandwidth of its own.
#[derive(Clone, Debug, Default)]
struct Narrow {
    losses: Option<Losses>,
    /// When the connection's own link is free, in nanoseconds.
    free_at: u64,
}

#[derive(Clone, Debug)]
struct Losses {
    /// Part of all segments, above 0.
    loss: f64,
    /// Segments that arrive before the next one that is lost.
    until_next: u64,
    draws: Stream,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Its last byte is there at this moment.
    Arrives(Instant),
    /// It never is: the sender gives up at this moment and its connection ends. The receiver
    /// hears nothing (a half-open connection).
    TimesOut(Instant),
}

impl Delivery {
    /// When it is there, if ever.
    pub fn arrival(self) -> Option<Instant> {
        match self {
            Delivery::Arrives(at) => Some(at),
            Delivery::TimesOut(_) => None,
        }
    }
}

impl Pipe {
    /// On a path. `entity` names the pipe: no other has the same latencies and losses.
    pub fn new(network: &Network, path: PathId, seed: u64, entity: u64) -> Self {
        let loss = network.link(network.path(path).link).loss;
        let narrow = (loss > 0.0).then(|| {
            let losses = Losses::new(loss, Stream::new(seed, entity, Purpose::Loss));
            Box::new(Narrow { losses: Some(losses), free_at: 0 })
        });
        Pipe {
            path,
            last_arrival: 0,
            latency: Stream::new(seed, entity, Purpose::Latency),
            narrow,
            payload_bytes: 0,
            packet_bytes: 0,
        }
    }

    /// Which way it leads.
    pub fn path(&self) -> PathId {
        self.path
    }

    /// Sends a message at a moment that is not before the last one.
    pub fn send(&mut self, network: &mut Network, at: Instant, payload_len: usize) -> Delivery {
        let payload_len = payload_len as u64;
        let framing = network.framing;
        let link_bytes = framing.link_bytes(payload_len);
        let segment_count = framing.segment_count(payload_len);
        let edges = framing.edge_bytes(payload_len);
        self.payload_bytes += payload_len;
        self.packet_bytes += framing.packet_bytes(payload_len);

        let span = network.pass(at.0, false, self.path, (at.0, at.0), link_bytes, edges);
        let (first, last) = self.serialise(network, span, link_bytes, edges);
        let link = network.link(network.path(self.path).link);
        let delay = link.latency.draw(&mut self.latency);
        let penalty = match self.lose(network, last, delay, segment_count) {
            Ok(penalty) => penalty,
            Err(gives_up) => return Delivery::TimesOut(gives_up),
        };
        // A segment does not overtake those before it, and is not read before them.
        let travelled = delay + penalty;
        let span = (first + travelled, last + travelled);
        let (_, last) = network.pass(at.0, true, self.path, span, link_bytes, edges);
        let arrival = last.max(self.last_arrival);
        self.last_arrival = arrival;
        self.acknowledge(network, at.0, arrival, segment_count);
        Delivery::Arrives(Instant(arrival))
    }

    /// On the link of this connection alone.
    fn serialise(
        &mut self,
        network: &Network,
        (first, last): (u64, u64),
        link_bytes: u64,
        edges: (u64, u64),
    ) -> (u64, u64) {
        let Some(bandwidth) = network.link(network.path(self.path).link).bandwidth else {
            return (first, last);
        };
        let narrow = self.narrow.get_or_insert_default();
        let begun = first.max(narrow.free_at);
        let work = bandwidth.transfer(link_bytes);
        let done = (begun + work).max(last + bandwidth.transfer(edges.1));
        narrow.free_at = done;
        (begun + bandwidth.transfer(edges.0), done)
    }

    /// How much later the message is there because parts of it are sent again, in nanoseconds; or
    /// when the sender gives up.
    fn lose(
        &mut self,
        network: &Network,
        sent: u64,
        delay: u64,
        segment_count: u64,
    ) -> Result<u64, Instant> {
        let link = network.link(network.path(self.path).link);
        let is_out = link.outages.hit(sent, sent + delay);
        // In an outage all segments are lost, and none of them is counted.
        let lost_at = self.losses().filter(|_| !is_out).and_then(|of| of.pass(segment_count));
        if !is_out && lost_at.is_none() {
            return Ok(0);
        }
        let round_trip = network.round_trip(self.path);
        let mut wait = RETRANSMISSION_MIN_NS + round_trip;
        let mut penalty = 0;
        if let Some(at) = lost_at {
            let behind = segment_count - 1 - at;
            // Three duplicate acknowledgements tell of the loss at once (RFC 5681, 3.2).
            if behind >= FAST_RETRANSMIT_SEGMENTS {
                penalty = round_trip.max(1);
                self.send_again(network);
            }
        }
        for _ in 0..RETRANSMISSIONS_MAX {
            if penalty == 0 || self.is_lost_again(link, sent + penalty, delay) {
                penalty += wait;
                wait = (wait * 2).min(RETRANSMISSION_MAX_NS);
                self.send_again(network);
            } else {
                return Ok(penalty);
            }
        }
        Err(Instant(sent + penalty))
    }

    fn losses(&mut self) -> Option<&mut Losses> {
        self.narrow.as_mut()?.losses.as_mut()
    }

    fn is_lost_again(&mut self, link: &Link, at: u64, delay: u64) -> bool {
        self.losses().is_some_and(Losses::is_next) || link.outages.hit(at, at + delay)
    }

    /// One segment; the rest of the message has been there for a while.
    fn send_again(&mut self, network: &Network) {
        let len = u64::from(network.framing.segment_len_max);
        self.packet_bytes += network.framing.packet_bytes(len.min(self.payload_bytes));
    }

    fn acknowledge(&mut self, network: &mut Network, now: u64, arrival: u64, segment_count: u64) {
        let framing = network.framing;
        let count = framing.acknowledgement_count(segment_count);
        self.packet_bytes += count * u64::from(framing.header_len);
        if let Some(back) = network.path(self.path).back {
            let bytes = count * framing.link_bytes(0);
            let edges = framing.edge_bytes(0);
            let span = network.pass(now, false, back, (arrival, arrival), bytes, edges);
            network.pass(now, true, back, span, bytes, edges);
        }
    }
}

impl Losses {
    fn new(loss: f64, draws: Stream) -> Self {
        let mut losses = Losses { loss, until_next: 0, draws };
        losses.until_next = losses.draw();
        losses
    }

    /// Which of some segments is lost, from 0.
    fn pass(&mut self, segment_count: u64) -> Option<u64> {
        if segment_count <= self.until_next {
            self.until_next -= segment_count;
            return None;
        }
        let at = self.until_next;
        self.until_next = self.draw();
        Some(at)
    }

    /// Whether the very next segment is.
    fn is_next(&mut self) -> bool {
        let is_lost = self.until_next == 0;
        if is_lost {
            self.until_next = self.draw();
        }
        is_lost
    }

    /// Segments before the next one that is lost: geometric.
    fn draw(&mut self) -> u64 {
        let count = math::ln(self.draws.unit()) / math::ln(1.0 - self.loss);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let count = count as u64;
        count
    }
}

/// Linux' least retransmission timeout, above the round trip.
const RETRANSMISSION_MIN_NS: u64 = 200_000_000;
/// RFC 6298, 2.5: doubling ends at two minutes.
const RETRANSMISSION_MAX_NS: u64 = 120_000_000_000;
/// Linux' `tcp_retries2`: a quarter of an hour until a connection is given up.
const RETRANSMISSIONS_MAX: u32 = 15;
const FAST_RETRANSMIT_SEGMENTS: u64 = 3;
