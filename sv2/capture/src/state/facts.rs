//! What a message means where it stands: read off before the state follows it.

use sv2::message::{DecodeError, Message};
use sv2::sv1::{self, ParseError};
use sv2::wire::{Target, Tlvs, U256};

use super::Mark;
use super::job::JobState;
use super::request::{Paired, RequestKind};
use super::share::{Fault, ShareFacts};

/// What is known of one observation.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The message, where the frame is one.
    pub message: Option<Message>,
    /// Bytes behind it.
    pub tlvs: Tlvs,
    /// Whether the payload is legal, but not what we would encode (spec 3.1, BOOL).
    pub is_odd: bool,
    /// Why the frame is no message.
    pub error: Option<Box<DecodeError>>,
    /// Of Stratum V1: what the line says, or what is wrong with it.
    pub line: Option<Box<Result<sv1::Message, ParseError>>>,
    /// The channel or group that it concerns.
    pub channel: Option<u32>,
    /// What it asks for, and under which id.
    pub asks: Option<(RequestKind, u64)>,
    /// What it answers, and under which id.
    pub answers: Option<(RequestKind, u64)>,
    /// Whose answer it is.
    pub paired: Option<Paired>,
    /// The job that it names.
    pub job: Option<JobFacts>,
    /// Of a share.
    pub share: Option<ShareFacts>,
    /// Of a `SubmitShares.Success`.
    pub batch: Option<Box<Batch>>,
    /// The first message that says the same on another connection: the job above, the share
    /// below.
    pub same_as: Option<u64>,
}

/// A job that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// As named.
    pub id: u32,
    /// The message that gave it.
    pub given: Mark,
    /// How it stands for this channel.
    pub state: JobState,
}

/// The shares that a `SubmitShares.Success` speaks of: those that wait up to its last sequence
/// number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// The oldest of them.
    pub first: Mark,
    /// The one that it names.
    pub last: Mark,
    /// How many wait.
    pub waiting: u64,
    /// How many of them are good by our own recomputation, or may be.
    pub good: u64,
    /// How many of them repeat an earlier proof.
    pub repeated: u64,
    /// Whether all difficulties are known.
    pub is_priced: bool,
    /// Sum of the difficulties of their jobs' targets, in units of 2^-64.
    pub sum: u128,
    /// The same, each rounded down to a whole number first.
    pub sum_of_floors: u64,
    /// Sum of the difficulties of the hashes themselves.
    pub hash_sum: f64,
}

/// A derived value, for people and machines.
#[derive(Clone, Debug, PartialEq)]
pub enum Derived {
    /// A number.
    Number(f64),
    /// The number of an observation.
    Number64(u64),
    /// A word.
    Word(&'static str),
    /// A hash.
    Hash(U256),
    /// Yes or no.
    Flag(bool),
}

impl Facts {
    /// The observation that it answers.
    pub fn pair(&self) -> Option<u64> {
        match self.paired? {
            Paired::To(mark) => Some(mark.number),
            Paired::Again { request, .. } => Some(request.number),
            Paired::Unknown => None,
        }
    }

    /// Nanoseconds since the request.
    pub fn latency(&self, at: u64) -> Option<u64> {
        match self.paired? {
            Paired::To(mark) => Some(at.saturating_sub(mark.at)),
            Paired::Again { .. } | Paired::Unknown => None,
        }
    }

    /// What the recomputation says of a share: `good`, a fault, or `duplicate`.
    pub fn verdict(&self) -> Option<&'static str> {
        let share = self.share.as_ref()?;
        match (share.fault, share.repeats, share.proof) {
            (Some(fault), ..) => Some(fault.name()),
            (None, Some(_), _) => Some("duplicate"),
            (None, None, Some(_)) => Some("good"),
            (None, None, None) => None,
        }
    }

    /// The `d` of a message in JSON: names that never change, in a fixed order.
    pub fn derived(&self) -> Vec<(&'static str, Derived)> {
        let mut fields = Vec::new();
        self.each_derived(&mut |name, value| fields.push((name, value)));
        fields
    }

    /// The same, one after the other.
    pub fn each_derived(&self, take: &mut dyn FnMut(&'static str, Derived)) {
        if let Some(job) = &self.job {
            take("job_given_by", Derived::Number64(job.given.number));
            take("job_state", Derived::Word(job.state.name()));
            if let JobState::Retired { by } = job.state {
                take("retired_by", Derived::Number64(by.number));
            }
        }
        if let Some(share) = &self.share {
            if let Some(proof) = &share.proof {
                take("hash", Derived::Hash(proof.hash));
                take("diff", Derived::Number(proof.difficulty));
                take("target_diff", Derived::Number(proof.target.difficulty()));
                take("is_block", Derived::Flag(proof.is_block));
            }
            if let Some(repeats) = share.repeats {
                take("repeats", Derived::Number64(repeats));
            }
        }
        if let Some(verdict) = self.verdict() {
            take("verdict", Derived::Word(verdict));
        }
        if let Some(number) = self.same_as {
            take("same_as", Derived::Number64(number));
        }
        if let Some(batch) = &self.batch {
            take("first_share", Derived::Number64(batch.first.number));
            take("shares", Derived::Number64(batch.waiting));
        }
        if let Some(target) = self.target() {
            take("target_diff", Derived::Number(target.difficulty()));
        }
    }

    /// The target that the message sets or asks for.
    pub fn target(&self) -> Option<Target> {
        self.message.as_ref().and_then(target_of)
    }

    /// Whether the share cannot earn anything, by our own recomputation; `None`: cannot be told.
    pub fn is_good(&self) -> Option<bool> {
        let share = self.share.as_ref()?;
        match (share.fault, share.repeats, share.proof) {
            (Some(Fault::StaleJob { .. } | Fault::NtimeTooEarly { .. }), ..) => None,
            (Some(_), ..) | (_, Some(_), _) => Some(false),
            (None, None, Some(_)) => Some(true),
            (None, None, None) => None,
        }
    }
}

/// The target that a message sets or asks for.
pub fn target_of(message: &Message) -> Option<Target> {
    match message {
        Message::OpenStandardMiningChannel(message) => Some(message.max_target),
        Message::OpenExtendedMiningChannel(message) => Some(message.max_target),
        Message::OpenStandardMiningChannelSuccess(message) => Some(message.target),
        Message::OpenExtendedMiningChannelSuccess(message) => Some(message.target),
        Message::UpdateChannel(message) => Some(message.maximum_target),
        Message::SetTarget(message) => Some(message.maximum_target),
        _ => None,
    }
}
