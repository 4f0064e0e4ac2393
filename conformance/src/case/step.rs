//! The steps that a case is made of, whether it was read from TOML or built in Rust.

use std::fmt;
use std::time::Duration;

use sv2::message::Descriptor;
use sv2::role::Command;
use sv2::wire::{Field, TlvOrder};

use super::matcher::Matcher;
use super::value::Expression;
use crate::verdict::{Skip, Verdict};

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line in its file, from 1; 0 if it was built in Rust.
    pub line: usize,
    /// The connection that it concerns; the runner's first one is [`MAIN`].
    pub connection: String,
    /// Runs so many times, with `$i` from 0.
    pub repeat: Option<Expression>,
    /// What it does.
    pub action: Action,
}

/// The connection of steps that name none.
pub const MAIN: &str = "main";

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Runs a fixture.
    Use(Use),
    /// Opens a connection.
    Connect(Box<Connect>),
    /// Takes a connection that the target opens.
    Accept(Box<Accept>),
    /// Sends a message, perhaps with a lie in it.
    Send(Box<Send>),
    /// Sends bytes or a frame that no message of the table makes.
    SendRaw(Box<SendRaw>),
    /// Sends a line of Stratum V1.
    Say(Box<Say>),
    /// Waits for one of several outcomes.
    Expect(Expect),
    /// Makes sure that something does not come.
    ExpectNone(ExpectNone),
    /// Asks the world around the target for something.
    Control(Control),
    /// Calls a function of the runner.
    Call(Call),
    /// Ends the connection.
    Close(CloseHow),
    /// Lets time pass, or waits for the end of the connection.
    WaitUntil(Until),
    /// Looks at what was saved.
    Check(Check),
}

/// A fixture and what is handed to it.
#[derive(Clone, Debug)]
pub struct Use {
    /// As `mining/setup`.
    pub fixture: String,
    /// Its arguments, defaults filled in.
    pub arguments: Vec<(String, Expression)>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Variables of the fixture to be kept under another name: (new, old).
    pub saves: Vec<(String, String)>,
}

/// How a connection is opened.
#[derive(Clone, Debug, Default)]
pub struct Connect {
    /// Whom to dial.
    pub peer: Peer,
    /// How far it goes.
    pub layer: Layer,
    /// Whose certificate is accepted.
    pub authority: Authority,
    /// What is sent instead of act 1: bytes.
    pub act1: Option<Expression>,
    /// Act 1 is cut to so many bytes.
    pub act1_keep: Option<Expression>,
    /// Act 1 is written in pieces of these sizes, the rest in one.
    pub act1_chunks: Vec<usize>,
    /// Frames are glued to act 1 before act 2 has come.
    pub early: Option<Expression>,
    /// What is expected of the handshake.
    pub outcome: HandshakeOutcome,
    /// What the handshake showed is kept as a record under this name.
    pub save: Option<String>,
    /// Clauses that the outcome observes.
    pub clauses: Vec<String>,
    /// Longest wait for act 2.
    pub within: Option<Duration>,
}

/// Whom the suite dials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// Who is tested.
    #[default]
    Target,
    /// The job declarator server whose tokens the target trusts.
    JobDeclarator,
}

/// How far a connection goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// TCP and a Noise session.
    #[default]
    Noise,
    /// TCP alone: what follows is sent as it is.
    Tcp,
    /// TCP, and frames without encryption.
    Plain,
    /// TCP, and lines of Stratum V1.
    Lines,
}

/// How a connection of the target's is taken: the suite is its server.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    /// Where the target dials.
    pub door: Door,
    /// How far it goes.
    pub layer: Layer,
    /// What the target is shown.
    pub certificate: Certificate,
    /// One bit of this byte of act 2 is flipped.
    pub act2_corrupt: Option<Expression>,
    /// Act 2 is cut to so many bytes.
    pub act2_keep: Option<Expression>,
    /// Act 2 is written in pieces of these sizes, the rest in one.
    pub act2_chunks: Vec<usize>,
    /// `Refused`: the target must leave, without a frame.
    pub outcome: HandshakeOutcome,
    /// Messages that the suite does not answer by itself.
    pub by_hand: Vec<&'static str>,
    /// What it refuses, by itself.
    pub refuses: Refusal,
    /// Extensions that it agrees to.
    pub extensions: Vec<u16>,
    /// Seconds that a share takes on average at the claimed hash rate.
    pub share_seconds: Option<Expression>,
    /// What act 1 showed is kept as a record under this name.
    pub save: Option<String>,
    /// Clauses that the outcome observes.
    pub clauses: Vec<String>,
    /// Longest wait for the target to dial.
    pub within: Option<Duration>,
}

/// What the suite, as a server, refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing that is in order.
    #[default]
    Nothing,
    /// Every `SetupConnection`.
    Setup,
    /// Every channel.
    Channels,
    /// Every custom job.
    CustomJobs,
}

impl Refusal {
    /// All of them, as cases call them.
    pub const NAMES: &'static [(&'static str, Refusal)] = &[
        ("nothing", Refusal::Nothing),
        ("setup", Refusal::Setup),
        ("channels", Refusal::Channels),
        ("custom-jobs", Refusal::CustomJobs),
    ];
}

/// Where a target dials: a server that the suite plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// Its mining server.
    #[default]
    Upstream,
    /// The mining server that it turns to when the first one fails.
    Backup,
}

impl Door {
    /// All of them, as cases call them.
    pub const NAMES: &'static [(&'static str, Door)] =
        &[("upstream", Door::Upstream), ("backup", Door::Backup)];
}

/// What a target that dials us is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// One that is in order.
    #[default]
    Good,
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Signed by a key that is not the one that the target was told.
    WrongAuthority,
    /// It certifies another static key.
    WrongKey,
}

impl Certificate {
    /// All of them, as cases call them.
    pub const NAMES: &'static [(&'static str, Certificate)] = &[
        ("good", Certificate::Good),
        ("expired", Certificate::Expired),
        ("not-yet-valid", Certificate::NotYetValid),
        ("wrong-authority", Certificate::WrongAuthority),
        ("wrong-key", Certificate::WrongKey),
    ];
}

/// Whose certificate the suite accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// The target's, if it is known.
    #[default]
    Target,
    /// A key that is not the target's: the handshake must fail on our side.
    Wrong,
    /// Any.
    None,
}

/// What is expected of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandshakeOutcome {
    /// A session.
    #[default]
    Established,
    /// No session: the target closes, or sends what is no act 2.
    Refused,
    /// Act 1 is sent, nothing is awaited.
    Unfinished,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// Its row in the table.
    pub message: &'static Descriptor,
    /// Fields that the case states.
    pub fields: Vec<(&'static Field, Expression)>,
    /// A record whose parts stand for the fields that are not stated.
    pub from: Option<Expression>,
    /// Lies in the frame.
    pub frame: FrameLies,
    /// How it is written.
    pub write: WriteStyle,
    /// Lies in the encryption.
    pub cipher: CipherLies,
    /// Variables that keep what was sent: (name, field, or `.` for all).
    pub saves: Vec<(String, String)>,
}

/// Lies in a frame. In their expressions `field:payload_len` is the true length, and the
/// other names are the message's fields.
#[derive(Clone, Debug, Default)]
pub struct FrameLies {
    /// The whole field, channel bit included.
    pub extension_type: Option<Expression>,
    /// Another number.
    pub message_type: Option<Expression>,
    /// Set or clear, whatever the table says.
    pub channel_bit: Option<Expression>,
    /// What the header says.
    pub payload_len: Option<Expression>,
    /// Only so many bytes of the payload are sent; the header tells the new length.
    pub keep: Option<Expression>,
    /// Bytes behind the last field.
    pub trailing: Option<Expression>,
    /// TLVs behind the last field.
    pub tlvs: Vec<TlvField>,
    /// Byte order of the TLVs.
    pub tlv_order: TlvOrder,
    /// Bytes that replace some of a field's.
    pub patches: Vec<Patch>,
}

/// A TLV to be sent.
#[derive(Clone, Debug)]
pub struct TlvField {
    /// Number of the extension.
    pub extension: Expression,
    /// Number of the field.
    pub field: Expression,
    /// Its bytes.
    pub value: Expression,
}

/// Bytes that replace some of the payload's.
#[derive(Clone, Debug)]
pub struct Patch {
    /// A path such as `merkle_path[3]`.
    pub field: String,
    /// From the start of the field, its length prefix included, in bytes.
    pub at: usize,
    /// In their place.
    pub bytes: Expression,
}

/// How bytes reach the socket.
#[derive(Clone, Debug, Default)]
pub struct WriteStyle {
    /// Pieces of these sizes, each in a write of its own; the last size repeats.
    pub chunks: Vec<usize>,
    /// Kept back and written together with what is sent next.
    pub glue: bool,
}

/// Lies in the encryption of one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CipherLies {
    /// One bit of this part is flipped after encryption: a name of [`CipherPart::NAMES`].
    pub corrupt: Option<Expression>,
    /// The frame is sent again, byte for byte.
    pub replay: bool,
    /// Only so many bytes of the ciphertext are sent.
    pub keep: Option<usize>,
    /// So many nonces are passed over first.
    pub skip: u64,
    /// An empty payload is sealed too: 16 bytes of MAC behind the header (AMB-12).
    pub empty_block: bool,
}

/// A part of an encrypted frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherPart {
    /// The six bytes of the header.
    Header,
    /// The header's MAC.
    HeaderMac,
    /// The first byte of the payload.
    Payload,
    /// The last MAC.
    PayloadMac,
}

impl CipherPart {
    /// As cases call them.
    pub const NAMES: &'static [(&'static str, CipherPart)] = &[
        ("header", CipherPart::Header),
        ("header-mac", CipherPart::HeaderMac),
        ("payload", CipherPart::Payload),
        ("payload-mac", CipherPart::PayloadMac),
    ];
}

/// Bytes or a frame that no message of the table makes.
#[derive(Clone, Debug)]
pub struct SendRaw {
    /// What is sent.
    pub raw: Raw,
    /// How it is written.
    pub write: WriteStyle,
    /// Lies in the encryption; of frames only.
    pub cipher: CipherLies,
}

/// What `send_raw` sends.
#[derive(Clone, Debug)]
pub enum Raw {
    /// As they are, beneath the encryption.
    Bytes(Expression),
    /// A frame, encrypted if the connection is.
    Frame {
        /// The whole field, channel bit included.
        extension_type: Expression,
        /// Number of the message.
        message_type: Expression,
        /// Its payload.
        payload: Expression,
        /// What the header says, if not the truth.
        payload_len: Option<Expression>,
    },
}

/// A line of Stratum V1 to be sent.
#[derive(Clone, Debug)]
pub struct Say {
    /// What it says.
    pub spoken: Spoken,
    /// Its id; a call of the suite as a device has a fresh one, a pool's has none.
    pub id: Option<Expression>,
    /// How it is written.
    pub write: WriteStyle,
    /// Whether its end is sent as well.
    pub ends: bool,
    /// Whether an answer leaves the half out that is null.
    pub is_bare: bool,
    /// Variables that keep what was sent: (name, path, or `.` for all).
    pub saves: Vec<(String, String)>,
}

/// What a line says.
#[derive(Clone, Debug)]
pub enum Spoken {
    /// A method and its parameters.
    Call {
        /// As written.
        method: String,
        /// A list; none is an empty one.
        params: Option<Expression>,
    },
    /// An answer; nothing is null.
    Result(Option<Expression>),
    /// An answer that refuses.
    Error(Option<Expression>),
    /// Whatever bytes these are.
    Raw(Expression),
}

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// With this method.
    Call(&'static str),
    /// An answer that is no refusal.
    Result,
    /// A refusal.
    Error,
    /// Any at all, also one that is no JSON.
    Any,
}

impl LineKind {
    /// Methods that cases may wait for.
    pub const METHODS: &'static [&'static str] = &[
        "mining.authorize",
        "mining.configure",
        "mining.extranonce.subscribe",
        "mining.get_version",
        "mining.notify",
        "mining.ping",
        "mining.set_difficulty",
        "mining.set_extranonce",
        "mining.set_version_mask",
        "mining.submit",
        "mining.subscribe",
        "mining.suggest_difficulty",
        "mining.suggest_target",
        "client.get_version",
        "client.reconnect",
        "client.show_message",
    ];

    /// As cases call it.
    pub fn name(self) -> &'static str {
        match self {
            LineKind::Call(method) => method,
            LineKind::Result => "result",
            LineKind::Error => "error",
            LineKind::Any => "any",
        }
    }
}

/// A wait for one of several outcomes.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The first is what should happen.
    pub alternatives: Vec<Alternative>,
    /// Longest wait; the runner's default if unset.
    pub within: Option<Duration>,
    /// What may come before.
    pub noise: Noise,
    /// Whether it must come behind everything that earlier steps have matched.
    pub in_order: bool,
    /// Whether the first message that is about the same exchange decides, or any that fits.
    pub any: bool,
}

/// One outcome of an `expect`.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// What happens.
    pub what: Expected,
    /// Demands on the message's fields.
    pub fields: Vec<(&'static Field, Matcher)>,
    /// Demands on the frame: `extension_type`, `message_type`, `channel_bit`, `payload_len`,
    /// `trailing`.
    pub frame: Vec<(String, Matcher)>,
    /// Demands on a line's parts, by their paths.
    pub parts: Vec<(String, Matcher)>,
    /// What is kept.
    pub saves: Vec<Save>,
    /// Clauses that it observes.
    pub clauses: Vec<String>,
    /// What it means; only a pass lets the case go on.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: Option<String>,
    /// Which side of an ambiguity of the specification the target takes with it.
    pub reading: Option<Reading>,
}

/// A side of an ambiguity. Both are right; which one a target takes is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// Id in the ambiguity register.
    pub ambiguity: String,
    /// The side, in words.
    pub side: String,
}

/// What can happen on a connection.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// A message.
    Message(&'static Descriptor),
    /// A frame that is no message of the table, or a malformed one.
    Unknown,
    /// Bytes on a connection without frames.
    Bytes,
    /// A line of Stratum V1.
    Line(LineKind),
    /// The end of the connection: FIN or RST.
    Closed,
    /// Nothing, until the wait is over.
    Nothing,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Message(descriptor) => descriptor.name,
            Expected::Unknown => "an unknown or malformed frame",
            Expected::Bytes => "bytes",
            Expected::Line(kind) => return write!(f, "line {}", kind.name()),
            Expected::Closed => "the end of the connection",
            Expected::Nothing => "nothing",
        })
    }
}

/// A value to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// Under this name.
    pub variable: String,
    /// A field, `.` for a record of all fields, `frame.channel_bit` and its like.
    pub source: String,
    /// Added to a list instead of replacing the value.
    pub push: bool,
}

/// What may come between a stimulus and what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Noise {
    /// Everything that the target may send unasked.
    #[default]
    Legal,
    /// These messages alone.
    Only(Vec<&'static str>),
}

/// Something that must not come.
#[derive(Clone, Debug)]
pub struct ExpectNone {
    /// The message; `None` for any message at all.
    pub message: Option<&'static Descriptor>,
    /// A line of Stratum V1 instead.
    pub line: Option<LineKind>,
    /// Only if the line has these parts.
    pub parts: Vec<(String, Matcher)>,
    /// Only if all of these are met.
    pub fields: Vec<(&'static Field, Matcher)>,
    /// How long is waited where no fence bounds the wait.
    pub within: Option<Duration>,
    /// Whether a request whose answer bounds the wait may be sent.
    pub fence: bool,
    /// Looks at everything since the connection began, not since the last stimulus.
    pub ever: bool,
    /// Clauses that it observes.
    pub clauses: Vec<String>,
}

/// Something that the world around the target does.
#[derive(Clone, Debug)]
pub struct Control {
    /// What.
    pub kind: ControlKind,
    /// How often.
    pub count: Expression,
}

/// What a world can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlKind {
    /// A block that the target did not find.
    NewBlock,
    /// The tip is replaced by a longer branch.
    Reorg,
    /// A transaction with a fee, so that the template changes.
    AddTransaction,
    /// A transaction with [`SIGOPS`] signature operations, on the embedded chain alone.
    AddSigops,
    /// The target is stopped and started again.
    Restart,
    /// The target gives all channels other parts of the search space (spec 5.3.10).
    RenewExtranoncePrefix,
    /// The target gives each channel a group of its own (spec 5.3.22).
    MoveToGroup,
    /// The target sends its clients elsewhere: to itself (spec 3.6.5).
    Reconnect,
}

/// Signature operations of an `add-sigops`, as the limit of 80,000 a block counts them.
pub const SIGOPS: usize = 16_000;

impl ControlKind {
    /// All of them, as cases and hooks call them.
    pub const NAMES: &'static [(&'static str, ControlKind)] = &[
        ("new-block", ControlKind::NewBlock),
        ("reorg", ControlKind::Reorg),
        ("add-transaction", ControlKind::AddTransaction),
        ("add-sigops", ControlKind::AddSigops),
        ("restart", ControlKind::Restart),
        ("renew-extranonce-prefix", ControlKind::RenewExtranoncePrefix),
        ("move-to-group", ControlKind::MoveToGroup),
        ("reconnect", ControlKind::Reconnect),
    ];

    /// As cases and hooks call it.
    pub fn name(self) -> &'static str {
        match self {
            ControlKind::NewBlock => "new-block",
            ControlKind::Reorg => "reorg",
            ControlKind::AddTransaction => "add-transaction",
            ControlKind::AddSigops => "add-sigops",
            ControlKind::Restart => "restart",
            ControlKind::RenewExtranoncePrefix => "renew-extranonce-prefix",
            ControlKind::MoveToGroup => "move-to-group",
            ControlKind::Reconnect => "reconnect",
        }
    }

    /// What an operator of our own role says to make it happen, if it is the role's own doing.
    pub fn command(self) -> Option<Command> {
        match self {
            ControlKind::RenewExtranoncePrefix
            | ControlKind::MoveToGroup
            | ControlKind::Reconnect => self.name().parse().ok(),
            _ => None,
        }
    }
}

/// A call of a function of the runner.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name; see [`super::FUNCTIONS`].
    pub function: &'static str,
    /// What is handed to it.
    pub arguments: Vec<(String, Expression)>,
    /// What is kept of its result.
    pub saves: Vec<Save>,
    /// Clauses that it observes.
    pub clauses: Vec<String>,
}

/// How the suite ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseHow {
    /// FIN, after everything was sent.
    Finish,
    /// RST where the world has such a thing.
    Reset,
}

/// What is waited for without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The end of the connection.
    Closed,
    /// So much time.
    Passed(Duration),
}

/// Demands on what was saved, or on everything that was received.
#[derive(Clone, Debug)]
pub struct Check {
    /// Values and what is demanded of them.
    pub that: Vec<(Expression, Matcher)>,
    /// Rules over the whole exchange; see [`super::INVARIANTS`].
    pub invariants: Vec<&'static str>,
    /// Clauses that it observes.
    pub clauses: Vec<String>,
    /// What a mismatch means.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: Option<String>,
}

/// Verdicts that a case may give to an outcome.
pub(crate) const OUTCOMES: &[(&str, Verdict)] = &[
    ("pass", Verdict::Pass),
    ("fail", Verdict::Fail),
    ("warn", Verdict::Warn),
    ("info", Verdict::Info),
    ("inconclusive", Verdict::Inconclusive),
    ("skip", Verdict::Skip(Skip::NotApplicable)),
    ("unsupported", Verdict::Skip(Skip::Unsupported)),
];
