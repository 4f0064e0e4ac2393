//! Mutants that take a frame for what it is not.

use bytes::BytesMut;
use sv2::message::{DecodeError, Message};
use sv2::role::{Input, Outbox, Output};
use sv2::wire::Frame;

use super::Mutant;
use super::edge::{Tamper, edge};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "message-number-alone-decides",
            "A server whose table of messages is keyed by the number alone, so that frames of \
             extensions are taken for messages of the core",
            |role| edge(role, NumberAlone),
        ),
        Mutant::in_code(
            "trailing-bytes-silence-a-message",
            "A server whose parser wants a payload to be used up exactly, and drops without a \
             word what is longer",
            |role| edge(role, TrailingSilenced),
        ),
        Mutant::in_code(
            "option-tag-two",
            "A pool that writes the presence of min_ntime as 2, because its BOOLs are made of \
             whatever is not zero",
            |role| edge(role, OptionTagTwo),
        ),
    ]
}

struct NumberAlone;

impl Tamper for NumberAlone {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        let Input::Undecodable { connection, frame, error: DecodeError::Unknown { .. } } = &input
        else {
            return vec![input];
        };
        let as_core = Frame { extension_type: 0, ..frame.clone() };
        match Message::decode(&as_core) {
            Ok(decoded) => vec![Input::Received {
                connection: *connection,
                message: decoded.message,
                tlvs: decoded.tlvs,
                original: None,
            }],
            Err(_) => vec![input],
        }
    }
}

struct TrailingSilenced;

impl Tamper for TrailingSilenced {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Received { tlvs, .. } if !tlvs.is_empty() => Vec::new(),
            _ => vec![input],
        }
    }
}

struct OptionTagTwo;

impl Tamper for OptionTagTwo {
    fn say(&mut self, output: Output) -> Option<Output> {
        let Output::Send { connection, message, tlvs } = &output else { return Some(output) };
        let has_min_ntime = match message {
            Message::NewMiningJob(job) => job.min_ntime.is_some(),
            Message::NewExtendedMiningJob(job) => job.min_ntime.is_some(),
            _ => false,
        };
        if !has_min_ntime {
            return Some(output);
        }
        let mut frame = message.to_frame(tlvs);
        let mut payload = BytesMut::from(&frame.payload[..]);
        payload[MIN_NTIME_AT] = 2;
        frame.payload = payload.freeze();
        Some(Output::Forward { connection: *connection, frame })
    }
}

/// Where min_ntime stands in both kinds of job: behind channel_id and job_id.
const MIN_NTIME_AT: usize = 8;
