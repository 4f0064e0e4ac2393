//! What roles tell people: logs, metrics, checkers and tests read events, and nothing parses
//! log text.

use std::fmt;

use crate::role::{CloseReason, ConnectionId};
use crate::wire::{Str255, Target, U256};

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A connection passed set-up.
    SetupDone {
        /// Which.
        connection: ConnectionId,
        /// Protocol number (spec 3.6.1).
        protocol: u8,
        /// As the client sent them.
        flags: u32,
    },
    /// A connection ended.
    ConnectionClosed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A channel was opened.
    ChannelOpened {
        /// Where.
        connection: ConnectionId,
        /// Its id.
        channel_id: u32,
    },
    /// A channel was closed.
    ChannelClosed {
        /// Where.
        connection: ConnectionId,
        /// Its id.
        channel_id: u32,
    },
    /// A job that a client has brought is paid from now on.
    CustomJobAccepted {
        /// Where.
        connection: ConnectionId,
        /// Of the job: a channel or a group.
        channel_id: u32,
        /// What shares for it name.
        job_id: u32,
    },
    /// A job that a client has brought is not paid.
    CustomJobRefused {
        /// Where.
        connection: ConnectionId,
        /// Of the job: a channel or a group.
        channel_id: u32,
        /// As sent.
        error_code: &'static str,
        /// Why, in words.
        reason: String,
    },
    /// A share was accepted.
    ShareAccepted {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// Of the header.
        hash: U256,
    },
    /// An accepted share names its worker (extension 0x0002).
    WorkerNamed {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Escaped: only printable ASCII.
        worker: String,
    },
    /// A share was refused.
    ShareRejected {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// As sent to the peer.
        error_code: &'static str,
    },
    /// Records of shares cannot be written: such shares are refused, and earn nothing. Told once
    /// until [`Event::AccountsRecovered`].
    AccountsFailed {
        /// In words.
        reason: String,
    },
    /// Records of shares are written again.
    AccountsRecovered,
    /// Rejections that are missing in the accounts: more came than could be written.
    RejectionsUncounted {
        /// How many.
        count: usize,
    },
    /// What an operator wanted was done.
    CommandDone {
        /// [`crate::role::Command::name`].
        command: &'static str,
        /// To so many channels, or clients.
        count: usize,
    },
    /// What an operator wanted was not done.
    CommandRefused {
        /// [`crate::role::Command::name`].
        command: &'static str,
        /// To so many channels.
        count: usize,
        /// Why, of the first.
        reason: String,
    },
    /// A device has begun to work on a job.
    WorkStarted {
        /// Where.
        connection: ConnectionId,
        /// Its channel.
        channel_id: u32,
        /// Of the job.
        job_id: u32,
        /// What a hash must meet until the next job.
        target: Target,
    },
    /// A device has sent a share.
    ShareSubmitted {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// Of the share.
        job_id: u32,
        /// Of the header.
        hash: U256,
    },
    /// A share was accepted and does not go up: it misses the target of the upstream.
    ShareFiltered {
        /// Of the client.
        connection: ConnectionId,
        /// Of the client's share.
        channel_id: u32,
        /// Of the client's share.
        sequence_number: u32,
    },
    /// Accepted shares that reach nobody who pays: the upstream is gone, before it has said
    /// what it does with them, or before they could be sent.
    SharesLost {
        /// How many.
        count: usize,
    },
    /// The peer says that it has accepted our shares.
    SharesAcknowledged {
        /// Where.
        connection: ConnectionId,
        /// Of the shares.
        channel_id: u32,
        /// Of the last one.
        last_sequence_number: u32,
        /// How many.
        accepted_count: u32,
        /// Sum of their difficulties, as the peer counts.
        difficulty_sum: u64,
    },
    /// The peer has refused a share of ours.
    ShareRefused {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// In the peer's words.
        error_code: Str255,
    },
    /// A client got a token to declare a job with.
    TokenAllocated {
        /// Where.
        connection: ConnectionId,
        /// As the client calls itself, escaped: only printable ASCII.
        user: String,
    },
    /// A client's own job was acknowledged (spec 6.4.5).
    JobDeclared {
        /// Where.
        connection: ConnectionId,
        /// Of the declaration.
        request_id: u32,
        /// Without the coinbase transaction.
        transaction_count: usize,
        /// As many of these had to be sent by the client.
        provided_count: usize,
    },
    /// A client's own job was not acknowledged (spec 6.4.6).
    DeclarationRefused {
        /// Where.
        connection: ConnectionId,
        /// Of the declaration.
        request_id: u32,
        /// As sent to the peer.
        error_code: &'static str,
        /// In words.
        reason: String,
    },
    /// The peer does not acknowledge a job of ours.
    JobRefused {
        /// Where.
        connection: ConnectionId,
        /// Its answer: of the job declarator server, or of the pool.
        answer: &'static str,
        /// In the peer's words.
        error_code: Str255,
    },
    /// An upstream is left for the next one, or for nobody (spec 6.2).
    UpstreamLeft {
        /// In the order of the configuration, from 0.
        upstream: usize,
        /// It has broken its word, and is not gone back to.
        broke_word: bool,
        /// In words.
        reason: String,
    },
    /// From now on the work below pays somebody else.
    MiningFor {
        /// In the order of the configuration, from 0; `None`: the miner itself.
        upstream: Option<usize>,
    },
    /// A client has found a block of its own job, which goes to the node now (spec 6.4.9).
    BlockPushed {
        /// Where.
        connection: ConnectionId,
        /// Of the header.
        hash: U256,
    },
    /// A share is a block.
    BlockFound {
        /// Of the header.
        hash: U256,
    },
    /// The tip of the chain changed.
    TipChanged {
        /// The block to build on.
        prev_hash: U256,
    },
    /// Something unusual that needs no action, in words, with the clause if a peer is at fault.
    Noted {
        /// Where, if on a connection.
        connection: Option<ConnectionId>,
        /// What.
        what: String,
    },
}

impl Event {
    /// What kind of event it is, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Event::SetupDone { .. } => "setup-done",
            Event::ConnectionClosed { .. } => "connection-closed",
            Event::ChannelOpened { .. } => "channel-opened",
            Event::ChannelClosed { .. } => "channel-closed",
            Event::CustomJobAccepted { .. } => "custom-job-accepted",
            Event::CustomJobRefused { .. } => "custom-job-refused",
            Event::ShareAccepted { .. } => "share-accepted",
            Event::WorkerNamed { .. } => "worker-named",
            Event::ShareRejected { .. } => "share-rejected",
            Event::AccountsFailed { .. } => "accounts-failed",
            Event::AccountsRecovered => "accounts-recovered",
            Event::RejectionsUncounted { .. } => "rejections-uncounted",
            Event::CommandDone { .. } => "command-done",
            Event::CommandRefused { .. } => "command-refused",
            Event::WorkStarted { .. } => "work-started",
            Event::ShareSubmitted { .. } => "share-submitted",
            Event::ShareFiltered { .. } => "share-filtered",
            Event::SharesLost { .. } => "shares-lost",
            Event::SharesAcknowledged { .. } => "shares-acknowledged",
            Event::ShareRefused { .. } => "share-refused",
            Event::TokenAllocated { .. } => "token-allocated",
            Event::JobDeclared { .. } => "job-declared",
            Event::DeclarationRefused { .. } => "declaration-refused",
            Event::JobRefused { .. } => "job-refused",
            Event::UpstreamLeft { .. } => "upstream-left",
            Event::MiningFor { .. } => "mining-for",
            Event::BlockPushed { .. } => "block-pushed",
            Event::BlockFound { .. } => "block-found",
            Event::TipChanged { .. } => "tip-changed",
            Event::Noted { .. } => "noted",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::SetupDone { connection, protocol, flags } => {
                write!(f, "{connection}: set up for protocol {protocol}, flags {flags:#b}")
            }
            Event::ConnectionClosed { connection, reason } => {
                write!(f, "{connection}: closed: {reason}")
            }
            Event::ChannelOpened { connection, channel_id } => {
                write!(f, "{connection}: channel {channel_id} opened")
            }
            Event::ChannelClosed { connection, channel_id } => {
                write!(f, "{connection}: channel {channel_id} closed")
            }
            Event::CustomJobAccepted { connection, channel_id, job_id } => {
                write!(f, "{connection}: channel {channel_id} custom job {job_id} accepted")
            }
            Event::CustomJobRefused { connection, channel_id, error_code, reason } => {
                write!(f, "{connection}: channel {channel_id} custom job refused, {error_code}: ")?;
                f.write_str(reason)
            }
            Event::ShareAccepted { connection, channel_id, sequence_number, hash } => {
                write!(f, "{connection}: channel {channel_id} share {sequence_number} accepted, ")?;
                write!(f, "hash {hash}")
            }
            Event::WorkerNamed { connection, channel_id, worker } => {
                write!(f, "{connection}: channel {channel_id} share by worker {worker}")
            }
            Event::ShareRejected { connection, channel_id, sequence_number, error_code } => {
                write!(f, "{connection}: channel {channel_id} share {sequence_number} refused: ")?;
                f.write_str(error_code)
            }
            Event::AccountsFailed { reason } => {
                write!(f, "shares are refused, accounts cannot be written: {reason}")
            }
            Event::AccountsRecovered => f.write_str("accounts are written again"),
            Event::RejectionsUncounted { count } => {
                write!(f, "{count} rejected shares are missing in the accounts")
            }
            Event::CommandDone { command, count } => write!(f, "{command}: done to {count}"),
            Event::CommandRefused { command, count, reason } => {
                write!(f, "{command}: refused to {count}, the first: {reason}")
            }
            Event::WorkStarted { connection, channel_id, job_id, target } => {
                write!(f, "{connection}: channel {channel_id} works on job {job_id}, ")?;
                write!(f, "target {target}")
            }
            Event::ShareSubmitted { connection, channel_id, sequence_number, job_id, hash } => {
                write!(f, "{connection}: channel {channel_id} share {sequence_number} sent ")?;
                write!(f, "for job {job_id}, hash {hash}")
            }
            Event::ShareFiltered { connection, channel_id, sequence_number } => {
                write!(
                    f,
                    "{connection}: channel {channel_id} share {sequence_number} stays here: "
                )?;
                f.write_str("it misses the target of the upstream")
            }
            Event::SharesLost { count } => {
                write!(f, "{count} accepted shares lost with the upstream")
            }
            Event::SharesAcknowledged {
                connection,
                channel_id,
                last_sequence_number,
                accepted_count,
                difficulty_sum,
            } => {
                write!(f, "{connection}: channel {channel_id} {accepted_count} accepted up to ")?;
                write!(f, "share {last_sequence_number}, difficulty {difficulty_sum}")
            }
            Event::ShareRefused { connection, channel_id, sequence_number, error_code } => {
                write!(f, "{connection}: channel {channel_id} share {sequence_number} refused ")?;
                write!(f, "by the peer: {error_code:?}")
            }
            Event::TokenAllocated { connection, user } => {
                write!(f, "{connection}: token allocated to {user}")
            }
            Event::JobDeclared { connection, request_id, transaction_count, provided_count } => {
                write!(f, "{connection}: job {request_id} declared, {transaction_count} ")?;
                write!(f, "transactions, {provided_count} of them sent by the client")
            }
            Event::DeclarationRefused { connection, request_id, error_code, reason } => {
                write!(f, "{connection}: job {request_id} refused, {error_code}: {reason}")
            }
            Event::JobRefused { connection, answer, error_code } => {
                write!(f, "{connection}: the peer refuses a job, {answer}: {error_code:?}")
            }
            Event::UpstreamLeft { upstream, broke_word, reason } => {
                let for_good = if *broke_word { "for good" } else { "for now" };
                write!(f, "upstream {upstream} left {for_good}: {reason}")
            }
            Event::MiningFor { upstream: Some(upstream) } => {
                write!(f, "mining for upstream {upstream}")
            }
            Event::MiningFor { upstream: None } => f.write_str("mining for ourselves"),
            Event::BlockPushed { connection, hash } => {
                write!(f, "{connection}: block {hash} pushed")
            }
            Event::BlockFound { hash } => write!(f, "block found: {hash}"),
            Event::TipChanged { prev_hash } => write!(f, "new tip: {prev_hash}"),
            Event::Noted { connection: Some(connection), what } => {
                write!(f, "{connection}: {what}")
            }
            Event::Noted { connection: None, what } => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Str255;

    #[test]
    fn what_a_peer_says_cannot_steer_a_terminal() {
        let event = Event::ShareRefused {
            connection: ConnectionId(3),
            channel_id: 1,
            sequence_number: 7,
            error_code: Str255::from_static("\u{1b}[2Jgone"),
        };

        insta::assert_snapshot!(
            event,
            @r#"connection 3: channel 1 share 7 refused by the peer: "\x1b[2Jgone""#
        );
    }
}
