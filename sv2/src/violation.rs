//! Rules that a peer can break: one variant per rule, with the numbers that broke it.
//!
//! A violation does not decide: the state machine turns it into a reply, a close or nothing.

use thiserror::Error;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// Something came before `SetupConnection`.
    #[error("{message} came before SetupConnection (spec 3.6.1)")]
    BeforeSetup {
        /// Its name.
        message: &'static str,
    },
    /// `SetupConnection` came twice.
    #[error("a second SetupConnection (spec 3.6.1)")]
    SecondSetup,
    /// A message of another protocol, or one that only the other side sends.
    #[error("{message} has no place on this connection (spec 8)")]
    OutOfPlace {
        /// Its name.
        message: &'static str,
    },
    /// An extension message without negotiation.
    #[error("extension {extension:#06x} was not negotiated (spec 3.4.2)")]
    NotNegotiated {
        /// Its number.
        extension: u16,
    },
    /// A version that was not asked for.
    #[error("version {used} was chosen from {min} to {max} (spec 3.6.2)")]
    VersionOutOfRange {
        /// By the server.
        used: u16,
        /// Our lowest.
        min: u16,
        /// Our highest.
        max: u16,
    },
    /// A required extension was left out twice.
    #[error("required extension {extension:#06x} was not requested (extension 0x0001, 4)")]
    RequiredExtensionMissing {
        /// Its number.
        extension: u16,
    },
    /// A client of a template provider does not say what it needs.
    #[error("no CoinbaseOutputConstraints within {seconds} s of set-up (spec 7)")]
    ConstraintsMissing {
        /// Waited.
        seconds: u64,
    },
    /// A client of a template provider needs more than a block.
    #[error("a block of {limit} weight units cannot reserve {weight} (spec 7.1)")]
    CoinbaseTooLarge {
        /// To be reserved, in weight units.
        weight: u64,
        /// In weight units.
        limit: u64,
    },
    /// A template provider names a template that it has not sent on this connection.
    #[error("SetNewPrevHash names template {template_id}, which was not sent (spec 7.3)")]
    UnknownTemplate {
        /// As named.
        template_id: u64,
    },
    /// A tip names a job that is not there.
    #[error("SetNewPrevHash names job {job_id}, which was not sent (spec 5.3.17)")]
    UnknownJob {
        /// As named.
        job_id: u32,
    },
    /// A token comes with outputs that no coinbase transaction can begin with.
    #[error("the outputs of a token {what} (spec 6.4.3)")]
    TokenOutputs {
        /// Is wrong with them.
        what: &'static str,
    },
    /// A job declarator server asks for a transaction that the job does not have, or for one
    /// twice.
    #[error(
        "transaction {position} of {transaction_count} was asked for, or one twice (spec 6.4.7)"
    )]
    MissingPosition {
        /// From 0.
        position: u16,
        /// Of the declaration.
        transaction_count: usize,
    },
    /// A template provider gives bytes that are no transaction.
    #[error("transaction {position} of template {template_id} cannot be decoded (spec 7.5)")]
    TemplateTransaction {
        /// Of the template.
        template_id: u64,
        /// From 0, without the coinbase transaction.
        position: usize,
    },
    /// A channel or a group gets an id that another one has.
    #[error("id {id} is in use on this connection (spec 5.2, 5.2.3)")]
    ChannelIdInUse {
        /// As given.
        id: u32,
    },
    /// The peer sends faster than a limit of ours allows.
    #[error("{what}: {count} within {seconds} s, the limit is {limit}")]
    Flood {
        /// Of what.
        what: &'static str,
        /// As many.
        count: u64,
        /// Within this time.
        seconds: u64,
        /// Allowed.
        limit: u64,
    },
}
