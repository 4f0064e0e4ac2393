//! Requests and their answers.

use std::collections::{BTreeMap, VecDeque};

use sv2::wire::Target;

use super::Mark;
use super::budget::{Budget, Slot};
use super::channel::ChannelKind;
use super::declaration::CustomJobRequest;

/// What is asked for. Each has a name space of ids of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// `SetupConnection`; has no id.
    Setup,
    /// `OpenStandardMiningChannel` and `OpenExtendedMiningChannel`.
    OpenChannel,
    /// `SetCustomMiningJob`.
    CustomJob,
    /// `AllocateMiningJobToken`.
    Token,
    /// `DeclareMiningJob`.
    Declaration,
    /// `ProvideMissingTransactions`, which the server asks.
    MissingTransactions,
    /// `RequestTransactionData`; the id is the template's.
    TransactionData,
    /// `RequestExtensions`.
    Extensions,
    /// A call of Stratum V1.
    Call,
}

impl RequestKind {
    /// As the specification calls it.
    pub fn name(self) -> &'static str {
        match self {
            RequestKind::Setup => "SetupConnection",
            RequestKind::OpenChannel => "OpenMiningChannel",
            RequestKind::CustomJob => "SetCustomMiningJob",
            RequestKind::Token => "AllocateMiningJobToken",
            RequestKind::Declaration => "DeclareMiningJob",
            RequestKind::MissingTransactions => "ProvideMissingTransactions",
            RequestKind::TransactionData => "RequestTransactionData",
            RequestKind::Extensions => "RequestExtensions",
            RequestKind::Call => "call",
        }
    }
}

/// A request without an answer.
#[derive(Clone, Debug)]
pub struct Pending {
    /// When it was sent.
    pub sent: Mark,
    /// What of it the answer needs.
    pub detail: Detail,
}

/// What an answer is read with.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Nothing.
    Bare,
    /// Of a channel.
    Open(OpenRequest),
    /// Of a custom job.
    CustomJob(Box<CustomJobRequest>),
    /// Of a declaration: the token, and how many transactions it lists.
    Declaration {
        /// As declared.
        token: Vec<u8>,
        /// Without the coinbase transaction.
        transaction_count: usize,
    },
    /// How many transactions are asked for.
    Missing {
        /// Positions.
        count: usize,
    },
    /// Extensions that are asked for.
    Extensions(Vec<u16>),
}

/// What a client asks of a channel (spec 5.3.2, 5.3.4).
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// By the message.
    pub kind: ChannelKind,
    /// As sent; what is not UTF-8 is replaced.
    pub user_identity: String,
    /// Hashes per second.
    pub nominal_hash_rate: f32,
    /// The easiest target.
    pub max_target: Target,
    /// Of an extended channel.
    pub min_extranonce_size: Option<u16>,
}

/// Whose answer a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paired {
    /// The first answer.
    To(Mark),
    /// The request was answered before.
    Again {
        /// The request.
        request: Mark,
        /// Its first answer.
        answer: Mark,
    },
    /// Nobody asked.
    Unknown,
}

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Requests {
    pending: BTreeMap<(RequestKind, u64), (Pending, Slot)>,
    answered: VecDeque<Answered>,
    /// Requests that found no room: an answer to nobody may be theirs.
    pub has_forgotten: bool,
}

/// A request that has had its answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// What was asked.
    pub kind: RequestKind,
    /// Of the request.
    pub id: u64,
    /// The request.
    pub request: Mark,
    /// The answer.
    pub answer: Mark,
}

impl Requests {
    /// Requests that may wait for an answer.
    pub const PENDING_MAX: usize = 4096;
    /// Answered requests that are remembered.
    pub const ANSWERED_MAX: usize = 64;

    pub(super) fn ask(&mut self, kind: RequestKind, id: u64, pending: Pending, budget: &Budget) {
        let has_room = self.pending.len() < Self::PENDING_MAX;
        let slot = match self.pending.remove(&(kind, id)) {
            Some((_, slot)) => Some(slot),
            None => budget.take().filter(|_| has_room),
        };
        match slot {
            Some(slot) => drop(self.pending.insert((kind, id), (pending, slot))),
            None => self.has_forgotten = true,
        }
    }

    pub(super) fn answer(&mut self, kind: RequestKind, id: u64, answer: Mark) -> Option<Pending> {
        let (pending, _) = self.pending.remove(&(kind, id))?;
        if self.answered.len() == Self::ANSWERED_MAX {
            self.answered.pop_front();
        }
        self.answered.push_back(Answered { kind, id, request: pending.sent, answer });
        Some(pending)
    }

    /// The request that waits under an id.
    pub fn pending(&self, kind: RequestKind, id: u64) -> Option<&Pending> {
        self.pending.get(&(kind, id)).map(|(pending, _)| pending)
    }

    /// The last request under an id that has had its answer.
    pub fn answered(&self, kind: RequestKind, id: u64) -> Option<&Answered> {
        self.answered.iter().rev().find(|answered| answered.kind == kind && answered.id == id)
    }

    /// Whose answer a message with an id is.
    pub fn pair(&self, kind: RequestKind, id: u64) -> Paired {
        if let Some(pending) = self.pending(kind, id) {
            return Paired::To(pending.sent);
        }
        match self.answered(kind, id) {
            Some(Answered { request, answer, .. }) => {
                Paired::Again { request: *request, answer: *answer }
            }
            None => Paired::Unknown,
        }
    }

    /// All that wait, by kind and id.
    pub fn all_pending(&self) -> impl ExactSizeIterator<Item = (RequestKind, u64, &Pending)> {
        self.pending.iter().map(|((kind, id), (pending, _))| (*kind, *id, pending))
    }
}
