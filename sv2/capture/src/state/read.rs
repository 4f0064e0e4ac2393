//! From an observation to its facts; the state stays as it is.

use sv2::message::Message;
use sv2::mining::header::double_sha256;
use sv2::mining::setup_flag::success::REQUIRES_FIXED_VERSION;
use sv2::sv1;
use sv2::wire::Frame;

use super::connection::{Connection, Trust};
use super::legs::Place;
use super::request::{Paired, RequestKind};
use super::share::{Fault, Submitted, examine};
use super::{Batch, Facts, JobFacts, Mark, State};
use crate::Direction;
use crate::observed::{Observed, What};

impl State {
    /// What an observation means where it stands.
    pub fn read(&mut self, observed: &Observed<'_>) -> Facts {
        let frame = match &observed.what {
            What::Frame { frame, .. } => frame,
            What::Line { direction, line } => {
                let connection = self.connection(observed.connection);
                return line_facts(connection, *direction, line);
            }
            _ => return Facts::default(),
        };
        let mut facts = decode(frame);
        let Some(message) = &facts.message else { return facts };
        facts.channel = channel_of(message);
        facts.asks = asks(message);
        let sent = Mark { number: observed.number, at: observed.at };
        let Some(connection) = self.connections.get_mut(observed.connection) else {
            return facts;
        };
        let place = Place { connection: connection.id, channel: facts.channel.unwrap_or(0) };
        let submitted = match message {
            Message::SubmitSharesStandard(share) => Some(Submitted::from(share)),
            Message::SubmitSharesExtended(share) => Some(Submitted::from(share)),
            _ => None,
        };
        if let Some(submitted) = submitted {
            let fixed_version = connection.server_flags() & REQUIRES_FIXED_VERSION != 0;
            let groups = &connection.groups;
            if let Some(channel) = connection.channels.get_mut(&place.channel) {
                let (mut share, job) = examine(channel, groups, submitted, fixed_version, sent);
                // Of a selection nobody knows what was said in between.
                share.fault = share.fault.filter(|fault| {
                    connection.trust < Trust::Selected || !fault.is_of_what_is_missing()
                });
                if connection.is_redacted {
                    // What was hashed is not what was sent.
                    share.proof = None;
                    share.fault = share.fault.filter(|fault| *fault != Fault::AboveTarget);
                }
                if let Some(proof) = &share.proof {
                    let (here, elsewhere) = self.legs.proof(&proof.hash, place);
                    share.repeats = here.map(|mark| mark.number);
                    facts.same_as = elsewhere.map(|mark| mark.number);
                }
                facts.job = job;
                facts.share = Some(share);
            }
            return facts;
        }
        facts.answers = answers(message);
        facts.paired = paired(connection, message);
        facts.batch = batch(connection, message).map(Box::new);
        facts.job = job_named(connection, message);
        facts.same_as = self.same_job(message, place);
        facts
    }

    /// The extended job that a standard one was derived from on another leg.
    fn same_job(&self, message: &Message, place: Place) -> Option<u64> {
        let Message::NewMiningJob(job) = message else { return None };
        let channel = self.connection(place.connection)?.channels.get(&job.channel_id)?;
        let extranonce = channel.extranonce_prefix.now().as_slice();
        let known = self.legs.work_with_root(&job.merkle_root, extranonce)?;
        Some(known.first.number)
    }
}

/// Calls and answers of Stratum V1 are paired by their ids, each side's by themselves.
fn line_facts(connection: Option<&Connection>, direction: Direction, line: &[u8]) -> Facts {
    let said = sv1::Message::parse(line);
    let mut facts = Facts::default();
    match &said {
        Ok(sv1::Message::Call { id, .. }) => {
            facts.asks = call_id(id, direction).map(|id| (RequestKind::Call, id));
        }
        Ok(sv1::Message::Response(response)) => {
            let caller = match direction {
                Direction::ClientToServer => Direction::ServerToClient,
                Direction::ServerToClient => Direction::ClientToServer,
            };
            facts.answers = call_id(&response.id, caller).map(|id| (RequestKind::Call, id));
            facts.paired = connection
                .zip(facts.answers)
                .map(|(connection, (kind, id))| connection.requests.pair(kind, id));
        }
        Err(_) => {}
    }
    facts.line = Some(Box::new(said));
    facts
}

/// A number for an id of any kind: those that are text are told apart by their hashes.
fn call_id(id: &sv1::Id, caller: Direction) -> Option<u64> {
    let number = match id {
        sv1::Id::Missing | sv1::Id::Null => return None,
        sv1::Id::Number(number) => *number,
        sv1::Id::Raw(text) => double_sha256(text.as_bytes()).to_limbs()[0],
    };
    // The lowest bit is the caller's: ids beyond 2^63 are nobody's.
    Some(number << 1 | u64::from(caller == Direction::ServerToClient))
}

fn decode(frame: &Frame) -> Facts {
    match Message::decode(frame) {
        Ok(decoded) => {
            let (message, tlvs, is_odd) =
                (Some(decoded.message), decoded.tlvs, !decoded.is_canonical);
            Facts { message, tlvs, is_odd, ..Facts::default() }
        }
        Err(error) => Facts { error: Some(Box::new(error)), ..Facts::default() },
    }
}

/// The channel or group that a message concerns.
fn channel_of(message: &Message) -> Option<u32> {
    Some(match message {
        Message::ChannelEndpointChanged(message) => message.channel_id,
        Message::OpenStandardMiningChannelSuccess(message) => message.channel_id,
        Message::OpenExtendedMiningChannelSuccess(message) => message.channel_id,
        Message::NewMiningJob(message) => message.channel_id,
        Message::UpdateChannel(message) => message.channel_id,
        Message::UpdateChannelError(message) => message.channel_id,
        Message::CloseChannel(message) => message.channel_id,
        Message::SetExtranoncePrefix(message) => message.channel_id,
        Message::SubmitSharesStandard(message) => message.channel_id,
        Message::SubmitSharesExtended(message) => message.channel_id,
        Message::SubmitSharesSuccess(message) => message.channel_id,
        Message::SubmitSharesError(message) => message.channel_id,
        Message::NewExtendedMiningJob(message) => message.channel_id,
        Message::SetNewPrevHash(message) => message.channel_id,
        Message::SetTarget(message) => message.channel_id,
        Message::SetCustomMiningJob(message) => message.channel_id,
        Message::SetCustomMiningJobSuccess(message) => message.channel_id,
        Message::SetCustomMiningJobError(message) => message.channel_id,
        Message::SetGroupChannel(message) => message.group_channel_id,
        _ => return None,
    })
}

fn asks(message: &Message) -> Option<(RequestKind, u64)> {
    Some(match message {
        Message::SetupConnection(_) => (RequestKind::Setup, 0),
        Message::OpenStandardMiningChannel(message) => {
            (RequestKind::OpenChannel, message.request_id.into())
        }
        Message::OpenExtendedMiningChannel(message) => {
            (RequestKind::OpenChannel, message.request_id.into())
        }
        Message::SetCustomMiningJob(message) => (RequestKind::CustomJob, message.request_id.into()),
        Message::AllocateMiningJobToken(message) => (RequestKind::Token, message.request_id.into()),
        Message::DeclareMiningJob(message) => (RequestKind::Declaration, message.request_id.into()),
        Message::ProvideMissingTransactions(message) => {
            (RequestKind::MissingTransactions, message.request_id.into())
        }
        Message::RequestTransactionData(message) => {
            (RequestKind::TransactionData, message.template_id)
        }
        Message::RequestExtensions(message) => (RequestKind::Extensions, message.request_id.into()),
        _ => return None,
    })
}

/// What a message answers, and under which id.
fn answers(message: &Message) -> Option<(RequestKind, u64)> {
    Some(match message {
        Message::SetupConnectionSuccess(_) | Message::SetupConnectionError(_) => {
            (RequestKind::Setup, 0)
        }
        Message::OpenStandardMiningChannelSuccess(message) => {
            (RequestKind::OpenChannel, message.request_id.into())
        }
        Message::OpenExtendedMiningChannelSuccess(message) => {
            (RequestKind::OpenChannel, message.request_id.into())
        }
        Message::OpenMiningChannelError(message) => {
            (RequestKind::OpenChannel, message.request_id.into())
        }
        Message::SetCustomMiningJobSuccess(message) => {
            (RequestKind::CustomJob, message.request_id.into())
        }
        Message::SetCustomMiningJobError(message) => {
            (RequestKind::CustomJob, message.request_id.into())
        }
        Message::AllocateMiningJobTokenSuccess(message) => {
            (RequestKind::Token, message.request_id.into())
        }
        Message::DeclareMiningJobSuccess(message) => {
            (RequestKind::Declaration, message.request_id.into())
        }
        Message::DeclareMiningJobError(message) => {
            (RequestKind::Declaration, message.request_id.into())
        }
        Message::ProvideMissingTransactionsSuccess(message) => {
            (RequestKind::MissingTransactions, message.request_id.into())
        }
        Message::RequestTransactionDataSuccess(message) => {
            (RequestKind::TransactionData, message.template_id)
        }
        Message::RequestTransactionDataError(message) => {
            (RequestKind::TransactionData, message.template_id)
        }
        Message::RequestExtensionsSuccess(message) => {
            (RequestKind::Extensions, message.request_id.into())
        }
        Message::RequestExtensionsError(message) => {
            (RequestKind::Extensions, message.request_id.into())
        }
        _ => return None,
    })
}

fn paired(connection: &Connection, message: &Message) -> Option<Paired> {
    if let Some((kind, id)) = answers(message) {
        return Some(connection.requests.pair(kind, id));
    }
    let (channel_id, sequence_number) = match message {
        Message::SubmitSharesSuccess(message) => (message.channel_id, message.last_sequence_number),
        Message::SubmitSharesError(message) => (message.channel_id, message.sequence_number),
        _ => return None,
    };
    let shares = &connection.channels.get(&channel_id)?.shares;
    let share = shares.pending().find(|share| share.sequence_number == sequence_number);
    Some(share.map_or(Paired::Unknown, |share| Paired::To(share.sent)))
}

fn batch(connection: &Connection, message: &Message) -> Option<Batch> {
    let Message::SubmitSharesSuccess(message) = message else { return None };
    let shares = &connection.channels.get(&message.channel_id)?.shares;
    let last = shares.position(message.last_sequence_number)?;
    let mut waiting = shares.pending().take(last + 1);
    let first = waiting.next()?;
    let mut batch = Batch {
        first: first.sent,
        last: first.sent,
        waiting: 0,
        good: 0,
        repeated: 0,
        is_priced: true,
        sum: 0,
        sum_of_floors: 0,
        hash_sum: 0.0,
    };
    for share in std::iter::once(first).chain(waiting) {
        batch.last = share.sent;
        batch.waiting += 1;
        batch.repeated += u64::from(share.is_repeated);
        if share.is_good != Some(false) {
            batch.good += 1;
            batch.is_priced &= share.is_priced;
            batch.sum = batch.sum.saturating_add(share.difficulty);
            let floor = u64::try_from(share.difficulty >> 64).unwrap_or(u64::MAX);
            batch.sum_of_floors = batch.sum_of_floors.saturating_add(floor);
            batch.hash_sum += share.hash_difficulty;
        }
    }
    Some(batch)
}

/// The job that a message activates.
fn job_named(connection: &Connection, message: &Message) -> Option<JobFacts> {
    let Message::SetNewPrevHash(message) = message else { return None };
    let id = message.job_id;
    if let Some(view) = connection.view(message.channel_id) {
        let job = view.job(id)?;
        return Some(JobFacts { id, given: job.arrived, state: view.state(job) });
    }
    let board = &connection.groups.get(&message.channel_id)?.board;
    let view = super::job::View::of_board(board);
    let job = view.job(id)?;
    Some(JobFacts { id, given: job.arrived, state: view.state(job) })
}
