//! Rules about single frames: 1, 2, 3, 4, 5, 32, 34 (spec 3.1 to 3.4, 8).

use sv2::common::Protocol;
use sv2::message::{Chapter, DecodeError, Descriptor, Sender, descriptor};
use sv2::wire::{Frame, Kind, TlvOrder};

use super::Severity::{Chat, Error, Note, Warning};
use super::scene::{Findings, Scene};
use crate::Direction;
use crate::observed::Integrity;

/// Everything that a frame says by itself. False if nothing else in it is to be believed.
pub(super) fn check(
    scene: &Scene<'_>,
    out: &mut Findings<'_>,
    direction: Direction,
    frame: &Frame,
    integrity: Integrity,
) -> bool {
    if integrity == Integrity::Bad {
        out.tell(scene, 1, Error, || {
            let len = frame.payload.len();
            format!(
                "the MAC of this frame ({len} bytes of payload) is wrong; rules that need to read \
                 are silent from here"
            )
        });
        return false;
    }
    let header = frame.header();
    let row = match &scene.facts.message {
        Some(message) => Some(message.descriptor()),
        None => descriptor(header.extension(), frame.message_type),
    };
    match (row, scene.facts.error.as_deref()) {
        (Some(row), error) => {
            check_len(scene, out, row, frame.payload.len());
            if let Some(DecodeError::Malformed { name, finding }) = error {
                out.tell(scene, 3, Error, || format!("{name} does not parse: {finding}"));
            }
            check_row(scene, out, row, direction);
            check_channel_bit(scene, out, row, header.has_channel_bit());
        }
        (None, _) => check_unknown(scene, out, frame),
    }
    if scene.facts.is_odd {
        out.tell(scene, 3, Note, || {
            "legal, but not canonical: upper bits of a BOOL are set".to_owned()
        });
    }
    if !scene.facts.tlvs.is_empty() {
        check_tlvs(scene, out);
    }
    scene.facts.message.is_some()
}

fn check_len(scene: &Scene<'_>, out: &mut Findings<'_>, row: &Descriptor, len: usize) {
    // No message's limit is below what TLVs may take.
    if len as u64 <= TLVS_LEN_MAX {
        return;
    }
    let max: u64 = row.fields.iter().map(|field| len_max(field.kind)).sum();
    let max = max.saturating_add(TLVS_LEN_MAX);
    if len as u64 > max {
        out.tell(scene, 2, Error, || {
            format!("{} with {len} bytes of payload, {max} are ample", row.name)
        });
    }
}

/// Longest encoding in bytes.
fn len_max(kind: &Kind) -> u64 {
    match kind {
        Kind::Bool => 1,
        Kind::Int { bytes } => u64::from(*bytes),
        Kind::F32 => 4,
        Kind::U256 | Kind::Target => 32,
        Kind::Bytes { prefix, max } => u64::from(*prefix) + u64::from(*max),
        Kind::Text => 256,
        Kind::Sequence { prefix, item } => {
            let count_max = if *prefix == 1 { 0xff } else { 0xffff };
            u64::from(*prefix) + count_max * len_max(item)
        }
        Kind::Option { item } => 1 + len_max(item),
    }
}

fn check_row(scene: &Scene<'_>, out: &mut Findings<'_>, row: &Descriptor, direction: Direction) {
    let is_wrong_side = match (row.sender, direction) {
        (Sender::Client, Direction::ServerToClient) => true,
        (Sender::Server, Direction::ClientToServer) => true,
        (Sender::Client | Sender::Server | Sender::Both, _) => false,
    };
    if is_wrong_side {
        let (who, other) = match direction {
            Direction::ClientToServer => ("client", "server"),
            Direction::ServerToClient => ("server", "client"),
        };
        out.tell(scene, 4, Warning, || {
            format!("{} comes from the {who}, it is the {other}'s to send", row.name)
        });
    }
    let Some(protocol) = scene.connection.protocol else { return };
    let chapter = match protocol {
        Protocol::Mining => Chapter::Mining,
        Protocol::JobDeclaration => Chapter::JobDeclaration,
        Protocol::TemplateDistribution => Chapter::TemplateDistribution,
    };
    let is_common = matches!(row.chapter, Chapter::Common | Chapter::ExtensionNegotiation);
    if !is_common && row.chapter != chapter {
        out.tell(scene, 4, Warning, || {
            format!("{} ({:?}) on a connection for {protocol:?}", row.name, row.chapter)
        });
    }
}

fn check_channel_bit(scene: &Scene<'_>, out: &mut Findings<'_>, row: &Descriptor, is_set: bool) {
    if row.channel_bit == is_set {
        return;
    }
    // sv2-spec#196 has changed these: a peer of the older revision is no liar.
    let has_changed = row.extension == 0 && matches!(row.number, 0x15 | 0x22..=0x24 | 0x60);
    let severity = if has_changed { Warning } else { Error };
    let about = u64::from(row.extension) << 8 | u64::from(row.number);
    out.tell_once(scene, (5, about), severity, || {
        let (is, should) = if is_set { ("set", "clear") } else { ("clear", "set") };
        format!("the channel bit of {} is {is}, it should be {should}", row.name)
    });
}

fn check_unknown(scene: &Scene<'_>, out: &mut Findings<'_>, frame: &Frame) {
    let header = frame.header();
    let (extension, number) = (header.extension(), frame.message_type);
    let is_ours = descriptor(extension, 0).is_some();
    if is_ours {
        out.tell(scene, 4, Warning, || {
            format!("extension {extension:#06x} has no message {number:#04x} that is specified")
        });
        return;
    }
    out.tell_once(scene, (34, extension.into()), Note, || {
        let kind = match extension {
            0x4000..=0x7fff => "experimental",
            _ if header.has_channel_bit() => "unknown, with the channel bit: to be forwarded",
            _ => "unknown: to be ignored",
        };
        format!("message {number:#04x} of extension {extension:#06x} ({kind})")
    });
}

fn check_tlvs(scene: &Scene<'_>, out: &mut Findings<'_>) {
    let tlvs = &scene.facts.tlvs;
    let len = tlvs.as_bytes().len();
    let reads = [TlvOrder::LittleEndian, TlvOrder::BigEndian].map(|order| tlvs.fields(order));
    match reads {
        [Err(error), Err(_)] => {
            out.tell(scene, 3, Warning, || {
                format!("{len} bytes follow the last field and are no TLVs: {error}")
            });
        }
        [Ok(_), Err(_)] => {
            out.tell_once(scene, (32, 0), Chat, || "TLVs are little-endian".to_owned());
        }
        [Err(_), Ok(_)] => {
            out.tell_once(scene, (32, 1), Note, || {
                "TLVs are big-endian, as the examples of 3.4.3".to_owned()
            });
        }
        [Ok(_), Ok(_)] => {}
    }
}

/// Bytes of TLVs that no agreed extension comes near.
const TLVS_LEN_MAX: u64 = 4096;
