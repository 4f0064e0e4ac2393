//! Observations in a line, and their parts in words.

use std::net::SocketAddr;

use sv2::common::Protocol;
use sv2::message::Message;
use sv2::wire::dissect::Value;
use sv2_capture::Direction;
use sv2_capture::observed::SessionKey;
use sv2_capture::state::Facts;

use super::session::{Entry, Kind};

/// What a message says, in a few words, for lists.
pub(super) fn info(what: &Kind, facts: &Facts) -> String {
    match what {
        Kind::Opened { client, server } => format!("{client} opens a connection to {server}"),
        Kind::Handshake(seen) => match (seen.failures.first(), seen.key) {
            (Some(failure), _) => failure.clone(),
            (None, SessionKey::Fits) => "Noise handshake, and the key is known".into(),
            (None, SessionKey::Missing) => "Noise handshake; no key for what follows".into(),
            (None, SessionKey::DoesNotFit) => "Noise handshake; the key does not fit".into(),
        },
        Kind::Frame { frame, .. } => match (&facts.message, &facts.error) {
            (Some(message), _) => message_info(message, facts),
            (None, Some(error)) => error.to_string(),
            (None, None) => format!("{} bytes", frame.payload.len()),
        },
        Kind::Opaque { len } => format!("{len} bytes that nobody has a key for"),
        Kind::Line(line) => line.to_string(),
        Kind::Gap { len, resynced: true } => format!("{len} bytes are missing; found again"),
        Kind::Gap { len, resynced: false } => format!("{len} bytes are missing; lost from here"),
        Kind::Closed { reset: true } => "breaks the connection off (RST)".into(),
        Kind::Closed { reset: false } => "ends the connection (FIN)".into(),
    }
}

fn message_info(message: &Message, facts: &Facts) -> String {
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
        _ => words.extend(plain_fields(message)),
    }
    if let Some(target) = facts.target() {
        words.push(format!("diff {}", short_number(target.difficulty())));
    }
    if let Some(share) = &facts.share
        && let Some(proof) = &share.proof
    {
        let (found, wanted) = (proof.difficulty, proof.target.difficulty());
        words.push(format!("diff {} / {}", short_number(found), short_number(wanted)));
        if proof.is_block {
            words.push("a block".into());
        }
    }
    words.extend(facts.verdict().filter(|verdict| *verdict != "good").map(str::to_owned));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

/// The first scalar fields of a message, but for its channel.
fn plain_fields(message: &Message) -> Vec<String> {
    let mut payload = Vec::new();
    message.write_frame(&sv2::wire::Tlvs::NONE, &mut payload);
    let payload = &payload[sv2::wire::FrameHeader::LEN.min(payload.len())..];
    let dissection = sv2::wire::dissect::dissect(message.descriptor().fields, payload);
    let fields = dissection.nodes.iter().filter(|node| node.name.to_string() != "channel_id");
    fields
        .take(FIELDS_MAX)
        .map(|node| format!("{} {}", node.name, value(&node.value(payload), VALUE_LEN_MAX)))
        .collect()
}

fn future(is_future: bool) -> &'static str {
    if is_future { "future" } else { "" }
}

/// A value, cut at `max` characters.
pub(super) fn value(value: &Value, max: usize) -> String {
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
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Text of a peer in quotes, without what would steer a terminal.
pub(super) fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(bytes).escape_debug())
}

/// Lower-case digits.
pub(super) fn hex(bytes: &[u8]) -> String {
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

/// Three digits and a letter: `71.2k`.
pub(super) fn short_number(number: f64) -> String {
    const STEPS: [(f64, &str); 6] =
        [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    if !number.is_finite() || number.abs() >= 1e21 {
        return format!("{number:.1e}");
    }
    let step = STEPS.iter().find(|(size, _)| number.abs() >= *size);
    match step {
        Some((size, letter)) => format!("{}{letter}", three_digits(number / size)),
        None if number != 0.0 && number.abs() < 0.01 => format!("{number:.1e}"),
        None => three_digits(number),
    }
}

fn three_digits(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Hashes per second with their letter.
pub(super) fn hash_rate(rate: f32) -> String {
    format!("{}H/s", short_number(f64::from(rate)))
}

/// Nanoseconds as people say them.
pub(super) fn duration(nanoseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let seconds = nanoseconds as f64 / 1e9;
    match seconds {
        seconds if seconds >= 60.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 1e-3 => format!("{:.2} ms", seconds * 1e3),
        seconds => format!("{:.0} us", seconds * 1e6),
    }
}

/// The name of what was observed.
pub(super) fn name(entry: &Entry) -> String {
    match &entry.what {
        Kind::Opened { .. } => "-- opened".into(),
        Kind::Handshake(_) => "-- handshake".into(),
        Kind::Frame { descriptor: Some(descriptor), .. } => descriptor.name.into(),
        Kind::Frame { frame, descriptor: None, .. } => {
            format!("{:#06x}/{:#04x}", frame.header().extension(), frame.message_type)
        }
        Kind::Opaque { .. } => "-- encrypted".into(),
        Kind::Line(_) => "line".into(),
        Kind::Gap { .. } => "-- gap".into(),
        Kind::Closed { .. } => "-- closed".into(),
    }
}

/// `>` to the server, `<` to the client.
pub(super) fn arrow(direction: Option<Direction>) -> &'static str {
    match direction {
        Some(Direction::ClientToServer) => ">",
        Some(Direction::ServerToClient) => "<",
        None => " ",
    }
}

/// Of a connection, in one word.
pub(super) fn protocol(protocol: Option<Protocol>, is_sv1: bool) -> &'static str {
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
    fn numbers_have_three_digits_and_a_letter() {
        let rows = [
            (0.0, "0.00"),
            (0.000_004, "4.0e-6"),
            (1.0, "1.00"),
            (16_384.0, "16.4k"),
            (71_204.1, "71.2k"),
            (999_000.0, "999k"),
            (2.5e15, "2.50P"),
            (1e48, "1.0e48"),
        ];
        for (number, text) in rows {
            assert_eq!(short_number(number), text);
        }
    }

    #[test]
    fn text_of_a_peer_cannot_steer_a_terminal() {
        assert_eq!(text(b"a\x1b[2Jb"), "\"a\\u{1b}[2Jb\"");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!((cut("abcdef", 6), cut("abcdef", 4)), ("abcdef".into(), "abc…".into()));
    }
}
