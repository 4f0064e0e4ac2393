//! Mutants as data: rules that a case's file describes.

use sv2::message::Descriptor;
use sv2::wire::{Field, Kind};

use super::{CertificateFault, ConnectionFault, Make, Mutant};
use crate::case::document;
use crate::case::document::{Document, LoadError, Node};
use crate::case::matcher::{Matcher, load_expression};
use crate::case::value::Expression;
use crate::case::{field_of, message_named};

/// A mutant as a case's file describes it.
#[derive(Clone, Debug)]
pub struct MutantRecipe {
    /// Never changes, is never reused.
    pub id: String,
    /// The real bug that it stands for, in a sentence.
    pub stands_for: String,
    /// How it is made.
    pub make: Make,
}

/// What is done to the messages of a role, rule by rule.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// For each message the first rule that concerns it applies.
    pub rules: Vec<Rule>,
}

/// What is done to some messages.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is about.
    pub trigger: Trigger,
    /// Only if all of these are met.
    pub fields: Vec<(&'static Field, Matcher)>,
    /// So many are left alone first, per connection.
    pub skip: u64,
    /// At most so many are touched, per connection.
    pub times: u64,
    /// What is done.
    pub deed: Deed,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug)]
pub enum Trigger {
    /// A message that the role sends.
    Say(&'static Descriptor),
    /// A message that it receives.
    Hear(&'static Descriptor),
    /// A message that it receives and that cannot be decoded.
    HearMalformed(&'static Descriptor),
    /// A frame that is no message of the table.
    HearUnknown,
}

/// What a rule does to a message.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Other values in some fields.
    Set(Vec<(&'static Field, Expression)>),
    /// The message does not get through.
    Drop,
    /// It gets through twice.
    Twice,
    /// The connection is closed, before or after it.
    Close {
        /// Whether the message gets through first.
        after: bool,
    },
    /// An outgoing frame is another one.
    Frame {
        /// The whole field, channel bit included.
        extension_type: Option<Expression>,
        /// Another number.
        message_type: Option<Expression>,
        /// Bytes behind the last field.
        trailing: Option<Expression>,
        /// Only so many bytes of the payload.
        keep: Option<Expression>,
    },
    /// The role sends this, in place of an outgoing message, or in answer to an incoming one
    /// that the role does not see.
    Instead(Line),
    /// The role sends this too, behind an outgoing message; in answer to an incoming one,
    /// before the role has seen it.
    Also(Line),
}

/// A message that a mutant makes up.
#[derive(Clone, Debug)]
pub struct Line {
    /// The message.
    pub message: &'static Descriptor,
    /// Its fields; `field:` names those of the message that the rule is about. A field that
    /// is not stated is that message's field of the same name, or zero.
    pub fields: Vec<(&'static Field, Expression)>,
}

impl MutantRecipe {
    /// Reads a `[[mutant]]`.
    ///
    /// # Errors
    /// Whatever is unknown or missing.
    pub fn load(document: &Document, node: &Node) -> Result<MutantRecipe, LoadError> {
        let mut keys = document.keys(node)?;
        let id = document.string(keys.require("id")?)?.to_owned();
        let stands_for = document.string(keys.require("stands_for")?)?.to_owned();
        let make = if let Some(node) = keys.take("certificate") {
            Make::Certificate(document.one_of(node, "fault of a certificate", CERTIFICATES)?)
        } else if let Some(node) = keys.take("connection") {
            Make::Connection(document.one_of(node, "fault of a connection", CONNECTIONS)?)
        } else if let Some(node) = keys.take("rules") {
            let rules = document
                .list(node)?
                .iter()
                .map(|node| load_rule(document, document.keys(node)?))
                .collect::<Result<_, _>>()?;
            Make::Rules(RuleSet { rules })
        } else {
            let rule = load_rule_keys(document, &mut keys)?;
            Make::Rules(RuleSet { rules: vec![rule] })
        };
        keys.finish(&[&["id", "stands_for", "certificate", "connection", "rules"], RULE].concat())?;
        Ok(MutantRecipe { id, stands_for, make })
    }

    /// The mutant.
    pub fn mutant(&self) -> Mutant {
        Mutant { id: self.id.clone(), stands_for: self.stands_for.clone(), make: self.make.clone() }
    }
}

fn load_rule(document: &Document, mut keys: document::Keys<'_>) -> Result<Rule, LoadError> {
    let rule = load_rule_keys(document, &mut keys)?;
    keys.finish(RULE)?;
    Ok(rule)
}

fn load_rule_keys(document: &Document, keys: &mut document::Keys<'_>) -> Result<Rule, LoadError> {
    let mut triggers = Vec::new();
    for (name, trigger) in [
        ("say", Trigger::Say as fn(_) -> _),
        ("hear", Trigger::Hear),
        ("hear_malformed", Trigger::HearMalformed),
    ] {
        if let Some(node) = keys.take(name) {
            triggers.push(trigger(message_named(document, node)?));
        }
    }
    if let Some(node) = keys.take("hear_unknown")
        && document.boolean(node)?
    {
        triggers.push(Trigger::HearUnknown);
    }
    let [trigger] = triggers[..] else {
        let message = "a rule is about one of `say`, `hear`, `hear_malformed`, `hear_unknown`";
        return Err(document.error(keys.at(), message));
    };
    let (outgoing, message) = match trigger {
        Trigger::Say(message) => (true, Some(message)),
        Trigger::Hear(message) => (false, Some(message)),
        Trigger::HearMalformed(_) | Trigger::HearUnknown => (false, None),
    };
    let mut fields = Vec::new();
    if let Some(node) = keys.take("fields") {
        let message = message
            .ok_or_else(|| document.error(node.at, "what cannot be decoded has no fields"))?;
        for entry in document.keys(node)?.all() {
            let field = field_of(document, message, &entry.key, entry.at)?;
            fields.push((field, Matcher::load(document, &entry.node, Some(field.kind))?));
        }
    }
    let number = |keys: &mut document::Keys<'_>, name, default| match keys.take(name) {
        None => Ok(default),
        Some(node) => document.integer(node),
    };
    let (skip, times) = (number(keys, "skip", 0)?, number(keys, "times", u64::MAX)?);
    let mut deeds = Vec::new();
    if let Some(node) = keys.take("set") {
        let message = message
            .ok_or_else(|| document.error(node.at, "what cannot be decoded has no fields"))?;
        deeds.push(Deed::Set(load_fields(document, message, node)?));
    }
    for (name, deed) in [("drop", Deed::Drop), ("twice", Deed::Twice)] {
        if let Some(node) = keys.take(name)
            && document.boolean(node)?
        {
            deeds.push(deed);
        }
    }
    if let Some(node) = keys.take("close") {
        let after = document.one_of(node, "moment", &[("before", false), ("after", true)])?;
        deeds.push(Deed::Close { after });
    }
    for (name, also) in [("instead", false), ("also", true)] {
        if let Some(node) = keys.take(name) {
            let mut keys = document.keys(node)?;
            let message = message_named(document, keys.require("message")?)?;
            let fields = match keys.take("fields") {
                None => Vec::new(),
                Some(node) => load_fields(document, message, node)?,
            };
            keys.finish(&["message", "fields"])?;
            let line = Line { message, fields };
            deeds.push(if also { Deed::Also(line) } else { Deed::Instead(line) });
        }
    }
    if let Some(node) = keys.take("frame") {
        if !outgoing {
            return Err(document.error(node.at, "only frames that the role sends are its own"));
        }
        let mut keys = document.keys(node)?;
        let mut part = |name, kind: &'static Kind| {
            keys.take(name).map(|node| load_expression(document, node, Some(kind))).transpose()
        };
        deeds.push(Deed::Frame {
            extension_type: part("extension_type", &Kind::Int { bytes: 2 })?,
            message_type: part("message_type", &Kind::Int { bytes: 1 })?,
            trailing: part("trailing", &Kind::Bytes { prefix: 3, max: u32::MAX })?,
            keep: part("keep", &Kind::Int { bytes: 8 })?,
        });
        keys.finish(&["extension_type", "message_type", "trailing", "keep"])?;
    }
    if deeds.len() != 1 {
        return Err(document.error(keys.at(), format!("a rule has one of {}", DEEDS.join(", "))));
    }
    Ok(Rule { trigger, fields, skip, times, deed: deeds.remove(0) })
}

fn load_fields(
    document: &Document,
    message: &'static Descriptor,
    node: &Node,
) -> Result<Vec<(&'static Field, Expression)>, LoadError> {
    let mut fields = Vec::new();
    for entry in document.keys(node)?.all() {
        let field = field_of(document, message, &entry.key, entry.at)?;
        fields.push((field, load_expression(document, &entry.node, Some(field.kind))?));
    }
    Ok(fields)
}

const DEEDS: &[&str] = &["set", "drop", "twice", "close", "instead", "also", "frame"];

const RULE: &[&str] = &[
    "say",
    "hear",
    "hear_malformed",
    "hear_unknown",
    "fields",
    "skip",
    "times",
    "set",
    "drop",
    "twice",
    "close",
    "instead",
    "also",
    "frame",
];

const CERTIFICATES: &[(&str, CertificateFault)] = &[
    ("expired", CertificateFault::Expired),
    ("not-yet-valid", CertificateFault::NotYetValid),
    ("wrong-authority", CertificateFault::WrongAuthority),
    ("wrong-key", CertificateFault::WrongKey),
];

const CONNECTIONS: &[(&str, ConnectionFault)] = &[
    ("mac-unchecked", ConnectionFault::MacUnchecked),
    ("bad-frame-dropped", ConnectionFault::BadFrameDropped),
    ("one-read-is-act1", ConnectionFault::OneReadIsAct1),
    ("length-cut", ConnectionFault::LengthCut),
    ("write-is-frame", ConnectionFault::WriteIsFrame),
    ("no-deadline", ConnectionFault::NoDeadline),
    ("act1-needs-one-read", ConnectionFault::Act1NeedsOneRead),
    ("act2-mac-wrong", ConnectionFault::Act2MacWrong),
    ("odd-keys-fail", ConnectionFault::OddKeysFail),
    ("ephemeral-reused", ConnectionFault::EphemeralReused),
    ("plain-accepted", ConnectionFault::PlainAccepted),
    ("nonce-searched", ConnectionFault::NonceSearched),
    ("nonce-in-one-byte", ConnectionFault::NonceInOneByte),
    ("chunks-too-long", ConnectionFault::ChunksTooLong),
    ("full-chunk-needs-empty-one", ConnectionFault::FullChunkNeedsEmptyOne),
    ("empty-payload-refused", ConnectionFault::EmptyPayloadRefused),
    ("length-signed", ConnectionFault::LengthSigned),
    ("channel-bit-decides", ConnectionFault::ChannelBitDecides),
    ("key-unchecked", ConnectionFault::KeyUnchecked),
    ("clock-behind", ConnectionFault::ClockBehind),
    ("clock-ahead", ConnectionFault::ClockAhead),
    ("one-read-is-act2", ConnectionFault::OneReadIsAct2),
    ("plain-on-failure", ConnectionFault::PlainOnFailure),
    ("plain-at-once", ConnectionFault::PlainAtOnce),
    ("act1-has-length", ConnectionFault::Act1HasLength),
    ("certificate-unchecked", ConnectionFault::CertificateUnchecked),
    ("read-is-line", ConnectionFault::ReadIsLine),
];
