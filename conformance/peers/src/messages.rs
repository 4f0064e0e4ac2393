//! Frames to messages and back, as the reference implementation does it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use framing_sv2::framing::{EncodableFrame, MessageFrame};
use framing_sv2::header::Header;
use parsers_sv2::AnyMessage;
use sv2::message::Message;
use sv2::wire::{Frame, Tlvs};

/// What came of a frame: the frame that its message encodes to, or why it is refused.
pub type Outcome = Result<Vec<u8>, String>;

/// Decodes and encodes again; bytes behind the last field are lost.
pub fn theirs(frame: &[u8]) -> Outcome {
    let mut bytes = frame.to_vec();
    let reencode = || {
        let header = Header::from_bytes(&bytes).map_err(|error| format!("{error:?}"))?;
        let message = AnyMessage::try_from((header, &mut bytes[Header::SIZE..]))
            .map_err(|error| format!("{error:?}"))?;
        let frame = MessageFrame::try_from(message).map_err(|error| format!("{error:?}"))?;
        let mut out = vec![0; frame.encoded_length()];
        frame.encode_into(&mut out).map_err(|error| format!("{error:?}"))?;
        Ok(out)
    };
    catch_unwind(AssertUnwindSafe(reencode)).unwrap_or_else(|_| Err("panic".to_owned()))
}

/// The same with ours.
pub fn ours(frame: &Frame) -> Outcome {
    let decoded = Message::decode(frame).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    decoded.message.write_frame(&Tlvs::NONE, &mut out);
    Ok(out)
}

/// A difference that we know and stand by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownDifference {
    /// They refuse to decode a SetupConnection for a protocol that does not exist. A server
    /// that cannot read it cannot answer with SetupConnection.Error either (spec 3.6.3).
    UnknownProtocol,
}

/// The reason why the two may differ on a frame; `None` if there is none.
pub fn explain(frame: &Frame, ours: &Outcome, theirs: &Outcome) -> Option<KnownDifference> {
    match (ours, theirs) {
        (Ok(_), Err(why))
            if why.contains("ValueIsNotAValidProtocol")
                && (frame.header().extension(), frame.message_type) == (0, 0)
                && frame.payload.first().is_some_and(|protocol| *protocol > 2) =>
        {
            Some(KnownDifference::UnknownProtocol)
        }
        _ => None,
    }
}
