//! One observation as people look at it, made anew from its row and the capture each time.

use sv2::message::{Descriptor, descriptor};
use sv2::wire::{Frame, FrameHeader};
use sv2_capture::Direction;
use sv2_capture::index::{self, Extra, Row};
use sv2_capture::observed::{HandshakeSeen, Integrity, Observed, What};
use sv2_capture::rules::Finding;
use sv2_capture::state::{Derived, Facts};

use super::describe;

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
    /// Nanoseconds since the last one on its connection.
    pub(crate) since_last: Option<u64>,
    /// The same on the leg above or below.
    pub(crate) same_as: Option<u64>,
    pub(crate) derived: Box<[(&'static str, Derived)]>,
    /// In the order of the rules.
    pub(crate) findings: Box<[Finding]>,
    pub(crate) info: Box<str>,
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

/// What a message says, read again.
pub(super) enum Said {
    Frame(Frame),
    Line(Vec<u8>),
    /// The capture has changed, or it is no message.
    Nothing,
}

impl Entry {
    /// What an observation says by itself.
    pub(crate) fn of(observed: &Observed<'_>, facts: &Facts) -> Entry {
        let what = match &observed.what {
            What::Opened { .. } => Kind::Opened,
            What::Handshake(seen) => Kind::Handshake(Box::new(seen.clone())),
            What::Frame { frame, .. } => Kind::of_frame((*frame).clone()),
            What::Opaque { .. } => Kind::Opaque,
            What::Line { line, .. } => Kind::of_line(line),
            What::Gap { .. } => Kind::Gap,
            What::Closed { .. } => Kind::Closed,
        };
        let info = describe::info(&observed.what, facts).into();
        let extra = Extra { derived: facts.derived(), ..Extra::default() };
        Entry::from_parts(observed.number, &row_of(observed, facts), extra, what, info)
    }

    /// From what is kept of it; `handshake` is that of its connection.
    pub(super) fn again(
        number: u64,
        row: &Row,
        extra: Extra,
        said: Said,
        handshake: Option<&HandshakeSeen>,
    ) -> Entry {
        let info = match (&extra.info, &said) {
            (Some(info), _) => info.clone(),
            (None, Said::Frame(frame)) => describe::frame_info(frame, &extra.derived),
            (None, Said::Line(line)) => describe::line_info(line),
            (None, Said::Nothing) => "the capture does not have it any more".to_owned(),
        };
        let what = match (row.kind, said) {
            (index::Kind::Opened, _) => Kind::Opened,
            (index::Kind::Handshake, _) => {
                Kind::Handshake(Box::new(handshake.cloned().unwrap_or_default()))
            }
            (_, Said::Frame(frame)) => Kind::of_frame(frame),
            (_, Said::Line(line)) => Kind::of_line(&line),
            (index::Kind::Frame { extension_type, message_type, .. }, Said::Nothing) => {
                let payload = Default::default();
                Kind::of_frame(Frame { extension_type, message_type, payload })
            }
            (index::Kind::Line { .. }, Said::Nothing) => Kind::of_line(&[]),
            (index::Kind::Opaque, Said::Nothing) => Kind::Opaque,
            (index::Kind::Gap, Said::Nothing) => Kind::Gap,
            (index::Kind::Closed, Said::Nothing) => Kind::Closed,
        };
        Entry::from_parts(number, row, extra, what, info.into())
    }

    fn from_parts(number: u64, row: &Row, extra: Extra, what: Kind, info: Box<str>) -> Entry {
        let number_of = |name: &str| {
            let found = extra.derived.iter().find(|(known, _)| *known == name);
            found.and_then(|(_, value)| match value {
                Derived::Number64(number) => Some(*number),
                _ => None,
            })
        };
        Entry {
            number,
            at: row.at,
            connection: row.connection,
            direction: row.direction,
            what,
            integrity: row.integrity,
            channel: row.channel,
            job: row.job,
            job_given_by: number_of("job_given_by"),
            pair: row.pair,
            latency: row.latency,
            since_last: row.since_last,
            same_as: number_of("same_as"),
            derived: extra.derived.into(),
            findings: extra.findings.into(),
            info,
        }
    }
}

impl Kind {
    fn of_frame(frame: Frame) -> Kind {
        let descriptor = descriptor(frame.header().extension(), frame.message_type);
        Kind::Frame { frame, descriptor }
    }

    fn of_line(line: &[u8]) -> Kind {
        Kind::Line(String::from_utf8_lossy(line).into())
    }
}

/// The row of an observation, but for where it lies and what came before it.
pub(super) fn row_of(observed: &Observed<'_>, facts: &Facts) -> Row {
    let kind = match &observed.what {
        What::Opened { .. } => index::Kind::Opened,
        What::Handshake(_) => index::Kind::Handshake,
        What::Frame { frame, .. } => {
            let FrameHeader { extension_type, message_type, payload_len } = frame.header();
            index::Kind::Frame { extension_type, message_type, payload_len }
        }
        What::Opaque { .. } => index::Kind::Opaque,
        What::Line { line, .. } => {
            index::Kind::Line { len: u32::try_from(line.len()).unwrap_or(u32::MAX) }
        }
        What::Gap { .. } => index::Kind::Gap,
        What::Closed { .. } => index::Kind::Closed,
    };
    let integrity = match observed.what {
        What::Frame { integrity, .. } => Some(integrity),
        _ => None,
    };
    Row {
        at: observed.at,
        connection: observed.connection,
        kind,
        direction: observed.what.direction(),
        integrity,
        is_request: facts.asks.is_some(),
        channel: facts.channel,
        job: facts.job.map(|job| job.id),
        pair: facts.pair(),
        latency: facts.latency(observed.at),
        ..Row::default()
    }
}
