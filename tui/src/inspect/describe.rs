//! Observations in a line, and their parts in words.

use std::net::SocketAddr;

use sv2::common::Protocol;
use sv2::message::{Descriptor, Message, descriptor};
use sv2::wire::Frame;
use sv2::wire::dissect::{Name, Value, dissect};
use sv2_capture::Direction;
use sv2_capture::index;
use sv2_capture::observed::{SessionKey, What};
use sv2_capture::state::{Derived, Facts, target_of};
use sv2_capture::text::scaled;

use super::entry::{Entry, Kind};

/// What a message says, in a few words, for lists.
pub(crate) fn info(what: &What<'_>, facts: &Facts) -> String {
    match what {
        What::Opened { client, server, from_the_start, is_selection, is_redacted } => {
            let rest = match (is_selection, from_the_start) {
                (true, _) => "; this is a selection of its messages",
                (false, true) => "",
                (false, false) => "; its beginning was not captured",
            };
            let redacted = match is_redacted {
                true => "; its coinbase transactions are redacted, so that no share can be proven",
                false => "",
            };
            format!("{client} opens a connection to {server}{rest}{redacted}")
        }
        What::Handshake(seen) => match (seen.failures.first(), seen.key) {
            (Some(failure), _) => failure.clone(),
            (None, SessionKey::Fits) => "Noise handshake, and the key is known".into(),
            (None, SessionKey::Missing) => "Noise handshake; no key for what follows".into(),
            (None, SessionKey::DoesNotFit) => "Noise handshake; the key does not fit".into(),
        },
        What::Frame { frame, .. } => match (&facts.message, &facts.error) {
            (Some(message), _) => message_info(message, frame, Worth::of(facts)),
            (None, Some(error)) => error.to_string(),
            (None, None) => format!("{} bytes", frame.payload.len()),
        },
        What::Opaque { len, .. } => format!("{len} bytes that nobody has a key for"),
        What::Line { line, .. } => line_info(line),
        What::Gap { len, resynced: true, .. } => format!("{len} bytes are missing; found again"),
        What::Gap { len, resynced: false, .. } => {
            format!("{len} bytes are missing; lost from here")
        }
        What::Closed { reset: true, .. } => "breaks the connection off (RST)".into(),
        What::Closed { reset: false, .. } => "ends the connection (FIN)".into(),
    }
}

/// The same of a frame that is looked at another time, with what was derived the first time.
pub(super) fn frame_info(frame: &Frame, derived: &[(&'static str, Derived)]) -> String {
    match Message::decode(frame) {
        Ok(decoded) => message_info(&decoded.message, frame, Worth::again(derived)),
        Err(error) => error.to_string(),
    }
}

/// The same of a line of Stratum V1.
pub(super) fn line_info(line: &[u8]) -> String {
    safe(&String::from_utf8_lossy(line))
}

/// What a share is worth.
#[derive(Clone, Copy, Default)]
struct Worth {
    /// Difficulties of the hash and of its target.
    found: Option<(f64, f64)>,
    is_block: bool,
    verdict: Option<&'static str>,
}

impl Worth {
    fn of(facts: &Facts) -> Self {
        let proof = facts.share.as_ref().and_then(|share| share.proof.as_ref());
        Worth {
            found: proof.map(|proof| (proof.difficulty, proof.target.difficulty())),
            is_block: proof.is_some_and(|proof| proof.is_block),
            verdict: facts.verdict(),
        }
    }

    fn again(derived: &[(&'static str, Derived)]) -> Self {
        let value = |name: &str| derived.iter().find(|(known, _)| *known == name).map(|it| &it.1);
        let number = |name: &str| match value(name) {
            Some(Derived::Number(number)) => Some(*number),
            _ => None,
        };
        Worth {
            found: number("diff").zip(number("target_diff")),
            is_block: value("is_block") == Some(&Derived::Flag(true)),
            verdict: match value("verdict") {
                Some(Derived::Word(word)) => Some(word),
                _ => None,
            },
        }
    }
}

fn message_info(message: &Message, frame: &Frame, worth: Worth) -> String {
    let mut words: Vec<String> = Vec::new();
    match message {
        Message::SetupConnection(setup) => {
            words.push(format!("versions {} to {}", setup.min_version, setup.max_version));
            words.push(format!("flags {:#x}", setup.flags));
            words.push(text(setup.vendor.as_slice()));
        }
        Message::OpenStandardMiningChannel(open) => {
            words.push(format!("req {}", open.request_id));
            words.push(text(open.user_identity.as_slice()));
            words.push(hash_rate(open.nominal_hash_rate));
        }
        Message::OpenExtendedMiningChannel(open) => {
            words.push(format!("req {}", open.request_id));
            words.push(text(open.user_identity.as_slice()));
            words.push(hash_rate(open.nominal_hash_rate));
        }
        Message::OpenStandardMiningChannelSuccess(success) => {
            words.push(format!("req {}", success.request_id));
            words.push(format!("prefix {}", hex(success.extranonce_prefix.as_slice())));
        }
        Message::OpenExtendedMiningChannelSuccess(success) => {
            words.push(format!("req {}", success.request_id));
            words.push(format!("prefix {}", hex(success.extranonce_prefix.as_slice())));
            words.push(format!("+{} bytes", success.extranonce_size));
        }
        Message::SubmitSharesStandard(share) => {
            words.push(format!("job {} seq {}", share.job_id, share.sequence_number));
        }
        Message::SubmitSharesExtended(share) => {
            words.push(format!("job {} seq {}", share.job_id, share.sequence_number));
            words.push(format!("xn {}", hex(share.extranonce.as_slice())));
        }
        Message::SubmitSharesSuccess(success) => {
            words.push(format!("up to seq {}", success.last_sequence_number));
            words.push(format!("{} accepted", success.new_submits_accepted_count));
        }
        Message::NewMiningJob(job) => {
            words.push(format!("job {}", job.job_id));
            words.push(future(job.min_ntime.is_none()).into());
        }
        Message::NewExtendedMiningJob(job) => {
            words.push(format!("job {}", job.job_id));
            words.push(future(job.min_ntime.is_none()).into());
        }
        Message::SetNewPrevHash(tip) => {
            words.push(format!("job {}", tip.job_id));
            words.push(format!("prev {}", tail(&tip.prev_hash.to_string())));
        }
        _ => words.extend(plain_fields(message.descriptor(), &frame.payload)),
    }
    if let Some(target) = target_of(message) {
        words.push(format!("diff {}", scaled(target.difficulty())));
    }
    if let Some((found, wanted)) = worth.found {
        words.push(format!("diff {} / {}", scaled(found), scaled(wanted)));
        if worth.is_block {
            words.push("a block".into());
        }
    }
    words.extend(worth.verdict.filter(|verdict| *verdict != "good").map(str::to_owned));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

/// The first fields of a message, but for its channel.
fn plain_fields(descriptor: &Descriptor, payload: &[u8]) -> Vec<String> {
    let dissection = dissect(descriptor.fields, payload);
    let fields = dissection.nodes.iter().filter(|node| node.name != Name::Named("channel_id"));
    fields
        .take(FIELDS_MAX)
        .map(|node| format!("{} {}", node.name, value(&node.value(payload), VALUE_LEN_MAX)))
        .collect()
}

fn future(is_future: bool) -> &'static str {
    if is_future { "future" } else { "" }
}

/// A value, cut at `max` characters.
pub(crate) fn value(value: &Value, max: usize) -> String {
    let text = match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::F32(number) => number.to_string(),
        Value::U256(number) => number.to_string(),
        Value::Target(target) => target.0.to_string(),
        Value::Bytes(bytes) if bytes.is_empty() => "empty".into(),
        Value::Bytes(bytes) => hex(bytes),
        Value::Text(bytes) => text(bytes),
        Value::Sequence(values) if values.is_empty() => "none".into(),
        Value::Sequence(values) => format!("{} of them", values.len()),
    };
    cut(&text, max)
}

/// At most `max` characters; a cut is shown.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// In lines of at most `width` characters.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(width.max(1)).map(|line| line.iter().collect()).collect()
}

/// Text of a peer in quotes, without what would steer a terminal.
pub(super) fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(bytes).escape_debug())
}

/// Text of a peer without quotes, and without what would steer a terminal or turn a line around.
pub(crate) fn safe(text: &str) -> String {
    let is_harmful =
        |letter: char| letter.is_control() || ('\u{2028}'..='\u{202e}').contains(&letter);
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let letters = text.chars().map(|letter| match is_harmful(letter) {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    });
    letters.collect()
}

/// Lower-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The end of a hash, which differs from one to the next.
fn tail(digits: &str) -> String {
    format!("…{}", &digits[digits.len().saturating_sub(8)..])
}

/// Hashes per second with their letter.
pub(super) fn hash_rate(rate: f32) -> String {
    format!("{}H/s", scaled(f64::from(rate)))
}

/// The name of what was observed.
pub(crate) fn name(entry: &Entry) -> String {
    match &entry.what {
        Kind::Opened => "-- opened".into(),
        Kind::Handshake(_) => "-- handshake".into(),
        Kind::Frame { descriptor: Some(descriptor), .. } => descriptor.name.into(),
        Kind::Frame { frame, descriptor: None, .. } => {
            format!("{:#06x}/{:#04x}", frame.header().extension(), frame.message_type)
        }
        Kind::Opaque => "-- encrypted".into(),
        Kind::Line(_) => "line".into(),
        Kind::Gap => "-- gap".into(),
        Kind::Closed => "-- closed".into(),
    }
}

/// The name of a message that the table has, or nothing.
pub(super) fn message_name(kind: index::Kind) -> &'static str {
    let index::Kind::Frame { extension_type, message_type, .. } = kind else { return "" };
    descriptor(extension_type & 0x7fff, message_type).map_or("", |known| known.name)
}

/// Whether two have the same name.
pub(super) fn is_alike(one: index::Kind, other: index::Kind) -> bool {
    match (one, other) {
        (
            index::Kind::Frame { extension_type, message_type, .. },
            index::Kind::Frame {
                extension_type: other_extension, message_type: other_type, ..
            },
        ) => {
            // Of an extension type, the highest bit is not part of the name (spec 3.2.1).
            (extension_type << 1, message_type) == (other_extension << 1, other_type)
        }
        _ => std::mem::discriminant(&one) == std::mem::discriminant(&other),
    }
}

/// `>` to the server, `<` to the client.
pub(crate) fn arrow(direction: Option<Direction>) -> &'static str {
    match direction {
        Some(Direction::ClientToServer) => ">",
        Some(Direction::ServerToClient) => "<",
        None => " ",
    }
}

/// Of a connection, in one word.
pub(crate) fn protocol(protocol: Option<Protocol>, is_sv1: bool) -> &'static str {
    match protocol {
        _ if is_sv1 => "sv1",
        Some(Protocol::Mining) => "mining",
        Some(Protocol::JobDeclaration) => "jobdecl",
        Some(Protocol::TemplateDistribution) => "tmpl",
        None => "?",
    }
}

/// An address, or a stand-in for it where others look on.
pub(super) fn address(address: SocketAddr, is_private: bool) -> String {
    if is_private { format!("host:{}", address.port()) } else { address.to_string() }
}

/// Fields of a message that a list shows.
const FIELDS_MAX: usize = 4;
/// Of one value in a list, in characters.
const VALUE_LEN_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_peer_cannot_steer_a_terminal() {
        assert_eq!(text(b"a\x1b[2Jb"), "\"a\\u{1b}[2Jb\"");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!((cut("abcdef", 6), cut("abcdef", 4)), ("abcdef".into(), "abc…".into()));
    }
}
