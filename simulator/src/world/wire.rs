//! Connections between hosts: two pipes, and what is under way in them.

use bytes::Bytes;
use sv2::message::{Message, descriptor};
use sv2::noise::{ACT_1_LEN, ACT_2_LEN, SEALED_HEADER_LEN, sealed_payload_len};
use sv2::role::{ConnectionId, DialId};
use sv2::sv1;
use sv2::wire::{Frame, FrameHeader, Tlvs, U256};

use super::sealed::Sealed;
use super::tips::TipId;
use super::under_way::UnderWay;
use crate::checkers;
use crate::link::Pipe;

/// What travels from one end of a connection to the other.
#[derive(Debug)]
pub(super) enum Parcel {
    /// The initiator's part of the Noise handshake.
    FirstAct,
    /// The responder's.
    SecondAct,
    /// With the fields behind it, of which most have none.
    Message(Message, Option<Box<Tlvs>>),
    Frame(Frame),
    Line(Bytes),
    /// The sender has closed its end.
    End,
}

impl Parcel {
    pub(super) fn message(message: Message, tlvs: Tlvs) -> Self {
        Parcel::Message(message, (!tlvs.is_empty()).then(|| Box::new(tlvs)))
    }

    /// As payload of TCP, in bytes.
    pub(super) fn wire_len(&self) -> usize {
        let sealed = |payload_len| SEALED_HEADER_LEN + sealed_payload_len(payload_len);
        match self {
            Parcel::FirstAct => ACT_1_LEN,
            Parcel::SecondAct => ACT_2_LEN,
            Parcel::Message(message, tlvs) => {
                let tlvs_len = tlvs.as_ref().map_or(0, |tlvs| tlvs.as_bytes().len());
                sealed(message.wire_len() + tlvs_len)
            }
            Parcel::Frame(frame) => sealed(frame.payload.len()),
            Parcel::Line(line) => line.len() + 1,
            Parcel::End => 0,
        }
    }

    /// In words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Parcel::FirstAct => "the first act of Noise",
            Parcel::SecondAct => "the second act of Noise",
            Parcel::Message(message, _) => message.descriptor().name,
            Parcel::Frame(frame) => {
                let extension = frame.extension_type & !FrameHeader::CHANNEL_BIT;
                descriptor(extension, frame.message_type).map_or("a frame", |row| row.name)
            }
            Parcel::Line(_) => "a line",
            Parcel::End => "the end of the connection",
        }
    }

    /// The block to build on, where it is news of that (spec 5.3.17, 7.6).
    pub(super) fn tip(&self) -> Option<U256> {
        match self {
            Parcel::Message(Message::SetNewPrevHash(tip), _) => Some(tip.prev_hash),
            Parcel::Message(Message::TemplateSetNewPrevHash(tip), _) => Some(tip.prev_hash),
            Parcel::Line(line) if is_notify(line) => match sv1::Message::parse(line) {
                Ok(sv1::Message::Call { call: sv1::Call::Notify(job), .. }) => Some(job.prev_hash),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is news of a job or of a tip, which ends other work.
    pub(super) fn is_news(&self) -> bool {
        match self {
            Parcel::Message(message, _) => matches!(
                message,
                Message::SetNewPrevHash(_)
                    | Message::NewMiningJob(_)
                    | Message::NewExtendedMiningJob(_)
            ),
            Parcel::Line(line) => is_notify(line),
            _ => false,
        }
    }

    /// For the digest: what it is.
    pub(super) fn kind(&self) -> u64 {
        match self {
            Parcel::FirstAct => 1,
            Parcel::SecondAct => 2,
            Parcel::End => 3,
            Parcel::Line(_) => 4,
            Parcel::Frame(frame) => 5 << 32 | u64::from(frame.message_type),
            Parcel::Message(message, _) => {
                let of = message.descriptor();
                6 << 32 | u64::from(of.extension) << 8 | u64::from(of.number)
            }
        }
    }
}

/// Without a look at all of it: most lines are no jobs.
fn is_notify(line: &[u8]) -> bool {
    let has = |word: &[u8]| line.windows(word.len()).any(|found| found == word);
    line.len() > NOTIFY_LEN_MIN && has(b"mining.notify\"")
}

/// A job has hashes and a coinbase transaction.
const NOTIFY_LEN_MIN: usize = 200;

/// A parcel under way.
#[derive(Debug)]
pub(super) struct Sent {
    /// That its sender knew of.
    pub(super) tip: TipId,
    /// How much news had come the other way.
    pub(super) heard_count: u32,
    /// It passes on, unread, what was sent before its sender knew of the tip.
    pub(super) is_excused: bool,
    pub(super) parcel: Parcel,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

impl End {
    pub(super) fn other(self) -> End {
        match self {
            End::Client => End::Server,
            End::Server => End::Client,
        }
    }
}

/// A connection, also while it comes about.
#[derive(Debug)]
pub(super) struct Wire {
    /// No other one of a run has it.
    pub(super) number: u64,
    /// By [`End`].
    pub(super) ends: [Terminal; 2],
    /// The client's name for it.
    pub(super) dial: DialId,
    pub(super) is_sv1: bool,
    /// At fidelity L3.
    pub(super) sealed: Option<Box<Sealed>>,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) host: u32,
    /// See [`Terminal::connection`].
    connection: ConnectionId,
    is_known: bool,
    /// Neither sends nor takes anything any more.
    pub(super) is_closed: bool,
    /// Its host has vanished without a word: what arrives is lost.
    pub(super) is_mute: bool,
    /// That the other end has vanished is known from some moment on, which is planned.
    pub(super) is_giving_up: bool,
    /// From this end to the other.
    pub(super) pipe: Pipe,
    /// In it, first in first out, as TCP has it.
    pub(super) under_way: UnderWay,
    /// How much that is.
    pub(super) under_way_bytes: u32,
    /// News of jobs and tips that was sent from this end, and that has arrived at the other.
    pub(super) news_count: u32,
    pub(super) news_heard_count: u32,
}

impl Terminal {
    pub(super) fn new(host: u32, pipe: Pipe) -> Self {
        Terminal {
            host,
            connection: ConnectionId(0),
            is_known: false,
            is_closed: false,
            is_mute: false,
            is_giving_up: false,
            pipe,
            under_way: UnderWay::default(),
            under_way_bytes: 0,
            news_count: 0,
            news_heard_count: 0,
        }
    }

    /// The role's name for it, while it knows of it.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.is_known.then_some(self.connection)
    }

    /// The role gets to know of it.
    pub(super) fn know(&mut self, connection: ConnectionId) {
        (self.connection, self.is_known) = (connection, true);
    }

    /// The role knows of it no longer.
    pub(super) fn forget(&mut self) -> Option<ConnectionId> {
        let connection = self.connection();
        self.is_known = false;
        connection
    }
}

impl Wire {
    pub(super) fn end(&self, end: End) -> &Terminal {
        &self.ends[end as usize]
    }

    pub(super) fn end_mut(&mut self, end: End) -> &mut Terminal {
        &mut self.ends[end as usize]
    }

    /// Tells it from others that have had its place: a run has fewer than 2^32 in between.
    #[expect(clippy::cast_possible_truncation, reason = "what tells neighbours apart")]
    fn generation(&self) -> u32 {
        self.number as u32
    }

    /// As checkers know it, with its name.
    pub(super) fn card(&self, id: WireId) -> checkers::Wire {
        let server = self.end(End::Server).host;
        checkers::Wire { number: self.number, server, place: id.index }
    }

    /// Nothing is left that anybody could wait for.
    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.is_closed && end.under_way.is_empty())
    }
}

/// A connection, by its place and by what tells it from others that have had that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireId {
    pub(super) index: u32,
    generation: u32,
}

/// All connections; places are used again.
#[derive(Debug, Default)]
pub(super) struct Wires {
    places: Vec<Option<Box<Wire>>>,
    free: Vec<u32>,
}

impl Wires {
    pub(super) fn insert(&mut self, wire: Wire) -> WireId {
        let generation = wire.generation();
        let wire = Some(Box::new(wire));
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = wire;
            return WireId { index, generation };
        }
        let index = u32::try_from(self.places.len()).expect("fewer than 2^32 connections");
        self.places.push(wire);
        WireId { index, generation }
    }

    /// `None` if it is over.
    pub(super) fn get_mut(&mut self, id: WireId) -> Option<&mut Wire> {
        let wire = self.places.get_mut(id.index as usize)?.as_deref_mut();
        wire.filter(|wire| wire.generation() == id.generation)
    }

    pub(super) fn get(&self, id: WireId) -> Option<&Wire> {
        let wire = self.places.get(id.index as usize)?.as_deref();
        wire.filter(|wire| wire.generation() == id.generation)
    }

    pub(super) fn remove(&mut self, id: WireId) -> Option<Box<Wire>> {
        let place = self.places.get_mut(id.index as usize)?;
        let wire = place.take_if(|wire| wire.generation() == id.generation)?;
        self.free.push(id.index);
        Some(wire)
    }

    /// Names of those that are there.
    pub(super) fn ids(&self) -> Vec<WireId> {
        let places = (0_u32..).zip(&self.places);
        let id = |(index, place): (u32, &Option<Box<Wire>>)| {
            Some(WireId { index, generation: place.as_ref()?.generation() })
        };
        places.filter_map(id).collect()
    }

    /// Those that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Wire> {
        self.places.iter().filter_map(|wire| wire.as_deref())
    }
}
