//! Frames: six bytes of header, then the payload (spec 3.2).

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The header of a frame (spec 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// As on the wire: the extension's number and, in bit 15, the channel bit.
    pub extension_type: u16,
    /// Number of the message within its extension.
    pub message_type: u8,
    /// Length of the payload in bytes, at most 2^24 - 1.
    pub payload_len: u32,
}

impl FrameHeader {
    /// On the wire, in bytes.
    pub const LEN: usize = 6;
    /// Longest payload that the length field can name, in bytes.
    pub const PAYLOAD_LEN_MAX: usize = 0xff_ffff;
    /// Bit 15 of `extension_type` (spec 3.2.1; AMB-01): the payload starts with a channel id.
    pub const CHANNEL_BIT: u16 = 0x8000;

    /// Reads six bytes; every combination of bits is a header.
    #[inline]
    pub fn from_bytes([e0, e1, number, l0, l1, l2]: [u8; Self::LEN]) -> Self {
        FrameHeader {
            extension_type: u16::from_le_bytes([e0, e1]),
            message_type: number,
            payload_len: u32::from_le_bytes([l0, l1, l2, 0]),
        }
    }

    /// As on the wire; of a longer payload only the low 24 bits of its length are written.
    #[inline]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let [e0, e1] = self.extension_type.to_le_bytes();
        let [l0, l1, l2, _] = self.payload_len.to_le_bytes();
        [e0, e1, self.message_type, l0, l1, l2]
    }

    /// The extension's number without the channel bit (spec 3.2.1).
    #[inline]
    pub fn extension(self) -> u16 {
        self.extension_type & !Self::CHANNEL_BIT
    }

    /// Whether the channel bit is set.
    #[inline]
    pub fn has_channel_bit(self) -> bool {
        self.extension_type & Self::CHANNEL_BIT != 0
    }
}

/// A whole frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// As on the wire; see [`FrameHeader::extension_type`].
    pub extension_type: u16,
    /// Number of the message within its extension.
    pub message_type: u8,
    /// At most 2^24 - 1 bytes.
    pub payload: Bytes,
}

impl Frame {
    /// The header that announces this frame.
    #[inline]
    pub fn header(&self) -> FrameHeader {
        #[expect(clippy::cast_possible_truncation, reason = "a payload is below 2^24 bytes")]
        FrameHeader {
            extension_type: self.extension_type,
            message_type: self.message_type,
            payload_len: self.payload.len() as u32,
        }
    }

    /// Header and payload as on an unencrypted wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(FrameHeader::LEN + self.payload.len());
        out.extend_from_slice(&self.header().to_bytes());
        out.extend_from_slice(&self.payload);
    }

    /// The channel that a frame with the channel bit is for: the first four bytes of the
    /// payload (spec 3.2.1).
    pub fn channel_id(&self) -> Option<u32> {
        if !self.header().has_channel_bit() {
            return None;
        }
        self.payload.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame {{ extension_type: {:#06x}, message_type: {:#04x}, payload: ",
            self.extension_type, self.message_type
        )?;
        self.payload.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(" }")
    }
}

/// Why a stream of frames cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The header announces more than this side takes.
    #[error(
        "a frame of {payload_len} bytes is announced, the limit is {payload_len_max} (spec 3.2)"
    )]
    TooLong {
        /// Announced, in bytes.
        payload_len: u32,
        /// Our limit, in bytes.
        payload_len_max: u32,
    },
}

/// Finds frames in an unencrypted stream, however it was cut into segments.
#[derive(Debug)]
pub struct FrameDecoder {
    payload_len_max: u32,
}

impl FrameDecoder {
    /// Refuses payloads above `payload_len_max` bytes as soon as their header has arrived.
    pub fn new(payload_len_max: u32) -> Self {
        FrameDecoder { payload_len_max }
    }

    /// Takes the next whole frame out of `buffer`; `None` if it has not arrived yet. Holds
    /// back nothing, and reserves memory only for what has arrived.
    ///
    /// # Errors
    /// [`FrameError::TooLong`]; the stream cannot be read on.
    pub fn next_frame(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(bytes) = buffer.first_chunk() else { return Ok(None) };
        let header = FrameHeader::from_bytes(*bytes);
        if header.payload_len > self.payload_len_max {
            return Err(FrameError::TooLong {
                payload_len: header.payload_len,
                payload_len_max: self.payload_len_max,
            });
        }
        let payload_len = header.payload_len as usize;
        if buffer.len() < FrameHeader::LEN + payload_len {
            return Ok(None);
        }
        buffer.advance(FrameHeader::LEN);
        Ok(Some(Frame {
            extension_type: header.extension_type,
            message_type: header.message_type,
            payload: buffer.split_to(payload_len).freeze(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: &'static [u8]) -> Frame {
        Frame { extension_type: 0x8001, message_type: 7, payload: Bytes::from_static(payload) }
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        for sent in [frame(b"abc"), frame(b""), frame(b"d")] {
            sent.write(&mut stream);
        }
        let decoder = FrameDecoder::new(100);

        for segment_len in 1..stream.len() {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for segment in stream.chunks(segment_len) {
                buffer.extend_from_slice(segment);
                while let Some(next) = decoder.next_frame(&mut buffer).unwrap() {
                    found.push(next);
                }
            }
            assert_eq!(found, [frame(b"abc"), frame(b""), frame(b"d")], "{segment_len}");
        }
    }

    proptest! {
        #[test]
        fn a_stream_of_any_bytes_is_nothing_but_its_frames(
            stream: Vec<u8>,
            cuts in proptest::collection::vec(0_usize..20, 0..20),
        ) {
            let decoder = FrameDecoder::new(1000);
            let mut buffer = BytesMut::new();
            let (mut seen, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts.into_iter().chain([stream.len()]) {
                let (segment, left) = rest.split_at(cut.min(rest.len()));
                rest = left;
                buffer.extend_from_slice(segment);
                while let Ok(Some(frame)) = decoder.next_frame(&mut buffer) {
                    frame.write(&mut seen);
                }
            }

            prop_assert_eq!([&seen[..], &buffer[..]].concat(), stream);
        }
    }

    #[test]
    fn an_overlong_frame_is_refused_before_its_payload_arrives() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 0xff, 0xff, 0xff][..]);

        let outcome = FrameDecoder::new(1000).next_frame(&mut buffer);

        assert_eq!(
            outcome,
            Err(FrameError::TooLong { payload_len: 0xff_ffff, payload_len_max: 1000 })
        );
    }

    #[test]
    fn the_channel_id_is_read_only_under_the_channel_bit() {
        let mut with_bit = frame(&[1, 0, 0, 0]);
        assert_eq!(with_bit.channel_id(), Some(1));

        with_bit.extension_type = 1;

        assert_eq!(with_bit.channel_id(), None);
    }
}
