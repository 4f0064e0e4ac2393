//! Frames with other values in some of their fields, everything else byte for byte.

use bytes::Bytes;
use sv2::message::{Descriptor, dissect_frame};
use sv2::wire::compose::compose;
use sv2::wire::dissect::Value;
use sv2::wire::{Field, Frame, FrameHeader};

/// The frame with another value in a field, such as `channel_id` or `merkle_path[3]`.
///
/// # Errors
/// If the frame does not have that field, or the value does not fit it; in words.
pub(super) fn with_field(frame: &Frame, path: &str, value: &Value) -> Result<Frame, String> {
    let (descriptor, dissection) = dissect_frame(frame).ok_or("the message is unknown")?;
    let node = dissection.node(path).ok_or_else(|| no_field(descriptor, path))?;
    let field = [Field { name: "value", kind: node.kind }];
    let bytes =
        compose(&field, |_| Some(value.clone())).map_err(|error| format!("{path}: {error}"))?;
    let mut payload = Vec::with_capacity(frame.payload.len() + bytes.len());
    payload.extend_from_slice(&frame.payload[..node.span.start]);
    payload.extend_from_slice(&bytes);
    payload.extend_from_slice(&frame.payload[node.span.end..]);
    if payload.len() > FrameHeader::PAYLOAD_LEN_MAX {
        return Err(format!("{path}: the payload would be too long"));
    }
    Ok(Frame { payload: Bytes::from(payload), ..frame.clone() })
}

fn no_field(descriptor: &Descriptor, path: &str) -> String {
    format!("{} has no `{path}` here", descriptor.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sv2::common::Reconnect;
    use sv2::message::Message;
    use sv2::wire::{Str255, Tlvs};

    #[test]
    fn one_field_changes_and_what_stands_behind_the_last_one_stays() {
        let reconnect = Reconnect { new_host: Str255::from_static("pool"), new_port: 7 };
        let mut frame = Message::from(reconnect).to_frame(&Tlvs::NONE);
        frame.payload = [&frame.payload[..], b"behind"].concat().into();

        let altered =
            with_field(&frame, "new_host", &Value::Text(Bytes::from_static(b"x"))).unwrap();

        assert_eq!(&altered.payload[..], b"\x01x\x07\x00behind");
        assert_eq!(altered.message_type, frame.message_type);
    }

    #[test]
    fn a_field_that_is_not_there_and_a_value_that_does_not_fit_are_errors() {
        let reconnect = Reconnect { new_host: Str255::from_static("pool"), new_port: 7 };
        let frame = Message::from(reconnect).to_frame(&Tlvs::NONE);

        let missing = with_field(&frame, "nonce", &Value::Int(1)).unwrap_err();
        let unfit = with_field(&frame, "new_port", &Value::Int(70_000)).unwrap_err();

        assert_eq!(missing, "Reconnect has no `nonce` here");
        assert!(unfit.contains("70000 does not fit"), "{unfit}");
    }
}
