//! Frames and messages.

use bytes::{Bytes, BytesMut};
use sv2::message::{DESCRIPTORS, DecodeError, Descriptor, Message, dissect_frame};
use sv2::wire::compose::compose;
use sv2::wire::dissect::{Dissection, Node, Problem};
use sv2::wire::{Frame, FrameDecoder, FrameError, TlvOrder, Tlvs};

use crate::segments;

/// Input: length of the segments, then a stream. Nothing of a stream is lost or made up,
/// however it is cut, and what cannot be read is refused for its length alone.
pub fn frame(data: &[u8]) {
    const PAYLOAD_LEN_MAX: u32 = 0xffff;
    let Some((cut, stream)) = data.split_first() else { return };
    let decoder = FrameDecoder::new(PAYLOAD_LEN_MAX);
    let (mut buffer, mut seen, mut refused) = (BytesMut::new(), Vec::new(), None);
    for segment in segments(stream, *cut) {
        buffer.extend_from_slice(segment);
        while refused.is_none() {
            match decoder.next_frame(&mut buffer) {
                Ok(Some(frame)) => frame.write(&mut seen),
                Ok(None) => break,
                Err(error) => refused = Some(error),
            }
        }
    }
    seen.extend_from_slice(&buffer);
    assert_eq!(seen, stream);
    if let Some(FrameError::TooLong { payload_len, payload_len_max }) = refused {
        assert!(payload_len > payload_len_max);
    }
}

/// Input: number of a row of the message table, then a payload. The two readers agree, and
/// what is canonical is written as it came.
pub fn message(data: &[u8]) {
    let Some((index, payload)) = data.split_first() else { return };
    let row = DESCRIPTORS[usize::from(*index) % DESCRIPTORS.len()];
    check_message(row, &frame_of(row, payload));
}

/// Input: a frame. What it is taken for is sound in every part, whether it is a message or not.
pub fn dissect(data: &[u8]) {
    let Ok(Some(frame)) = FrameDecoder::new(0xff_ffff).next_frame(&mut BytesMut::from(data)) else {
        return;
    };
    let Some((row, dissection)) = dissect_frame(&frame) else {
        let unknown = Message::decode(&frame).expect_err("the table has no such message");
        assert!(matches!(unknown, DecodeError::Unknown { .. }));
        return;
    };
    check_message(row, &frame);
    for finding in &dissection.findings {
        assert!(finding.offset <= frame.payload.len());
        assert!(!finding.to_string().is_empty());
        if matches!(finding.problem, Problem::UpperBits { .. } | Problem::NotUtf8) {
            assert!(dissection.node(&finding.path).is_some(), "{finding} has no node");
        }
    }
    let tlvs = Tlvs::from_bytes(frame.payload.slice(dissection.fields_len..));
    for order in [TlvOrder::LittleEndian, TlvOrder::BigEndian] {
        if let Ok(fields) = tlvs.fields(order) {
            assert_eq!(Tlvs::encode(&fields, order), tlvs);
        }
    }
}

fn frame_of(row: &Descriptor, payload: &[u8]) -> Frame {
    Frame {
        extension_type: row.extension_type(),
        message_type: row.number,
        payload: Bytes::copy_from_slice(payload),
    }
}

fn check_message(row: &Descriptor, frame: &Frame) {
    let (_, dissection) = dissect_frame(frame).expect("a row of the table");
    let composed = compose_again(row, &dissection, &frame.payload);
    match Message::decode(frame) {
        Ok(decoded) => {
            let (fields, behind) = frame.payload.split_at(dissection.fields_len);
            assert_eq!(dissection.fatal(), None);
            assert_eq!(check_spans(&dissection.nodes, 0), fields.len());
            assert_eq!(decoded.tlvs.as_bytes(), behind);
            assert_eq!(decoded.message.wire_len(), fields.len());
            let mut written = Vec::new();
            decoded.message.write(&mut written);
            assert_eq!(composed, Some(written.clone()));
            assert_eq!(decoded.is_canonical, written == fields);
            // What we write is canonical, and means the same.
            let again = Message::decode(&decoded.message.to_frame(&decoded.tlvs)).expect("written");
            assert!(again.is_canonical);
            assert_eq!(format!("{:?}", again.message), format!("{:?}", decoded.message));
        }
        Err(DecodeError::Malformed { name, finding }) => {
            assert_eq!(name, row.name);
            assert_eq!(Some(&finding), dissection.fatal());
            assert_eq!(composed, None);
        }
        Err(unknown @ DecodeError::Unknown { .. }) => panic!("{}: {unknown}", row.name),
    }
}

fn compose_again(row: &Descriptor, dissection: &Dissection, payload: &[u8]) -> Option<Vec<u8>> {
    compose(row.fields, |name| dissection.node(name).map(|node| node.value(payload))).ok()
}

/// Nodes lie side by side; returns where the last one ends.
fn check_spans(nodes: &[Node], start: usize) -> usize {
    nodes.iter().fold(start, |at, node| {
        assert_eq!(node.span.start, at);
        if let Some(first) = node.children.first() {
            assert_eq!(check_spans(&node.children, first.span.start), node.span.end);
        }
        node.span.end
    })
}
