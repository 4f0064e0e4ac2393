//! Mutants: one of our roles with one broken behaviour, made at its edges.
//!
//! A case counts only with a mutant that it kills: an alarm that was never heard may not be
//! connected. Each mutant stands for a bug that somebody could really have, in a sentence.

mod around_role;
mod channels;
mod closing;
mod declarations;
mod device_dialling;
mod device_reading;
mod device_work;
mod edge;
mod extranonces;
mod frames;
mod job_clients;
mod lines;
mod proxies;
mod recipe;
mod remembering;
mod set_up;
mod targets;
mod templates;
mod tlvs;
mod work;

pub use around_role::MutantRole;
pub(crate) use around_role::zero;
pub use recipe::{Deed, Line, MutantRecipe, Rule, RuleSet, Trigger};

use sv2::role::Role;

/// The mutants that have a memory of their own, or need what no rule can say.
pub fn in_code() -> Vec<Mutant> {
    [
        channels::mutants(),
        closing::mutants(),
        declarations::mutants(),
        device_dialling::mutants(),
        device_reading::mutants(),
        device_work::mutants(),
        extranonces::mutants(),
        frames::mutants(),
        job_clients::mutants(),
        lines::mutants(),
        proxies::mutants(),
        set_up::mutants(),
        targets::mutants(),
        templates::mutants(),
        tlvs::mutants(),
        work::mutants(),
    ]
    .concat()
}

/// A mutant: what it stands for, and how it is made.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Never changes, is never reused.
    pub id: String,
    /// The real bug that it stands for, in a sentence.
    pub stands_for: String,
    /// How it is made.
    pub make: Make,
}

impl Mutant {
    fn in_code(id: &str, stands_for: &str, around: fn(Box<dyn Role>) -> Box<dyn Role>) -> Mutant {
        let (id, stands_for) = (id.to_owned(), stands_for.to_owned());
        Mutant { id, stands_for, make: Make::Code(around) }
    }
}

/// How a mutant is made.
#[derive(Clone, Debug)]
pub enum Make {
    /// Around the role, by rules that a case's file describes.
    Rules(RuleSet),
    /// Around the role, with state of its own.
    Code(fn(Box<dyn Role>) -> Box<dyn Role>),
    /// Around the connection: the server's end of the stream is handled wrongly.
    Connection(ConnectionFault),
    /// By configuration of the certificate.
    Certificate(CertificateFault),
    /// By configuration of the role.
    Settings(fn(&mut crate::case::WorldSettings)),
}

/// What a role can do wrong beneath its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFault {
    /// The MAC of a header or payload is not looked at.
    MacUnchecked,
    /// A frame whose MAC is wrong is dropped, and the connection goes on.
    BadFrameDropped,
    /// The first bytes that arrive are taken for the whole of act 1.
    OneReadIsAct1,
    /// Lengths of received frames are taken modulo 2^16.
    LengthCut,
    /// Each write of the peer is taken for exactly one frame.
    WriteIsFrame,
    /// The handshake has no deadline.
    NoDeadline,
    /// Act 1 counts only if one read has all of it and nothing else.
    Act1NeedsOneRead,
    /// The MACs of act 2 belong to another handshake hash, as they are made or as they are read.
    Act2MacWrong,
    /// Where the peer's ephemeral key has an odd Y coordinate, act 2 cannot be opened.
    OddKeysFail,
    /// All connections have the same ephemeral key.
    EphemeralReused,
    /// A client that speaks frames without a handshake is served.
    PlainAccepted,
    /// Where a MAC is wrong, nonces nearby are tried.
    NonceSearched,
    /// Nonces have eight bits.
    NonceInOneByte,
    /// Chunks are as long as a Noise message, MAC not counted.
    ChunksTooLong,
    /// A payload that ends with a full chunk is followed by an empty one.
    FullChunkNeedsEmptyOne,
    /// Frames without payload are an error.
    EmptyPayloadRefused,
    /// The length of a frame is a signed number.
    LengthSigned,
    /// A known message whose channel bit is not that of the table is dropped.
    ChannelBitDecides,
    /// A client asks nobody who has certified the server.
    KeyUnchecked,
    /// The clock of a client is a day and a half behind.
    ClockBehind,
    /// The clock of a client is a day and a half ahead.
    ClockAhead,
    /// The first bytes that arrive are taken for the whole of act 2.
    OneReadIsAct2,
    /// A client whose handshake has failed goes on without encryption.
    PlainOnFailure,
    /// A client leaves the handshake out.
    PlainAtOnce,
    /// A client writes the length of act 1 in front of it.
    Act1HasLength,
    /// Of a role that dials: whom the certificate is of, and until when, is not looked at.
    CertificateUnchecked,
    /// What one read brings is taken for one line of Stratum V1.
    ReadIsLine,
}

/// What a server's certificate can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Signed by a key that is not the authority's.
    WrongAuthority,
    /// It certifies another static key.
    WrongKey,
}
