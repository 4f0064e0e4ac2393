//! What is spoken on a socket after its handshake, if there was one: frames of Stratum V2, or
//! lines of Stratum V1.

use std::time::Duration;

use bytes::BytesMut;
use sv2::connection::{ConnectionReader, ConnectionWriter};
use sv2::message::Message;
use sv2::role::{CloseReason, ConnectionId, Input};
use sv2::sv1::lines::LineConfig;
use sv2::sv1::{LineSplitter, Sv1Error};
use sv2::wire::Frame;
use tokio::time::Instant;

use crate::host::Outgoing;

/// Turns bytes into what the role hears.
pub(crate) enum Listening {
    Frames(ConnectionReader),
    Lines {
        splitter: LineSplitter,
        line_timeout: Duration,
        /// Of the line that has been begun.
        deadline: Option<Instant>,
    },
}

impl Listening {
    pub(crate) fn frames(reader: ConnectionReader) -> Self {
        Listening::Frames(reader)
    }

    pub(crate) fn lines(config: LineConfig) -> Self {
        let LineConfig { line_len_max, line_timeout } = config;
        Listening::Lines { splitter: LineSplitter::new(line_len_max), line_timeout, deadline: None }
    }

    /// Takes one out of `input`, which may only grow between calls.
    pub(crate) fn next_input(
        &mut self,
        connection: ConnectionId,
        input: &mut BytesMut,
    ) -> Result<Option<Input>, CloseReason> {
        match self {
            Listening::Frames(reader) => {
                Ok(reader.next_frame(input)?.map(|frame| to_input(connection, frame)))
            }
            Listening::Lines { splitter, deadline, .. } => {
                let line = splitter.next_line(input)?;
                if line.is_some() {
                    *deadline = None;
                }
                Ok(line.map(|line| Input::Line { connection, line }))
            }
        }
    }

    /// Until when more bytes must have come. Bytes one by one do not put it off.
    pub(crate) fn deadline(&mut self, now: Instant, input: &[u8]) -> Option<Instant> {
        match self {
            Listening::Frames(_) => None,
            Listening::Lines { deadline, .. } if input.is_empty() => {
                *deadline = None;
                None
            }
            Listening::Lines { line_timeout, deadline, .. } => {
                Some(*deadline.get_or_insert(now + *line_timeout))
            }
        }
    }

    /// [`Listening::deadline`] has passed.
    pub(crate) fn expired(&self) -> CloseReason {
        match self {
            Listening::Frames(_) => unreachable!("frames have no deadline"),
            Listening::Lines { line_timeout, .. } => {
                Sv1Error::HalfLine { seconds: line_timeout.as_secs() }.into()
            }
        }
    }

    /// The peer has closed its side.
    pub(crate) fn end(&self, input: &BytesMut) -> CloseReason {
        let by_peer = |()| CloseReason::ByPeer;
        match self {
            Listening::Frames(reader) => reader.end(input).map_or_else(CloseReason::from, by_peer),
            Listening::Lines { splitter, .. } => {
                splitter.end(input).map_or_else(CloseReason::from, by_peer)
            }
        }
    }
}

/// Turns what the role says into bytes.
pub(crate) enum Speaking {
    Frames(ConnectionWriter),
    Lines,
}

impl Speaking {
    /// Appends to `bytes`. What a role says to a peer of the other protocol ends the connection.
    pub(crate) fn write(
        &mut self,
        outgoing: Outgoing,
        bytes: &mut Vec<u8>,
    ) -> Result<(), CloseReason> {
        match (self, outgoing) {
            (Speaking::Frames(writer), Outgoing::Message { message, tlvs }) => {
                writer.write_message(&message, &tlvs, bytes)?;
            }
            (Speaking::Frames(writer), Outgoing::Frame(frame)) => {
                writer.write_frame(&frame, bytes)?;
            }
            (Speaking::Lines, Outgoing::Line(line)) => {
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
            (Speaking::Frames(_), Outgoing::Line(_)) => return Err(Sv1Error::OutOfPlace.into()),
            (Speaking::Lines, Outgoing::Message { .. } | Outgoing::Frame(_)) => {
                return Err(Sv1Error::FrameOutOfPlace.into());
            }
        }
        Ok(())
    }
}

fn to_input(connection: ConnectionId, frame: Frame) -> Input {
    match Message::decode(&frame) {
        Ok(decoded) => Input::Received {
            connection,
            message: decoded.message,
            tlvs: decoded.tlvs,
            original: (!decoded.is_canonical).then(|| Box::new(frame)),
        },
        Err(error) => Input::Undecodable { connection, frame, error },
    }
}
