//! Sealed frames (spec 4.6): the header with its MAC, 22 bytes, then the payload in chunks of
//! at most 65,519 bytes with a MAC each.
//!
//! Our reading of AMB-12: a payload of length zero has no chunk and no MAC, as the
//! specification's `pt_len_to_ct_len` says. A peer that seals an empty chunk all the same is
//! noticed at its next header, whose MAC then seems wrong.

use bytes::{Buf, BytesMut};
use thiserror::Error;

use super::aead::{CipherKey, MAC_LEN};
use super::key_log::SessionSecrets;
use crate::wire::{Frame, FrameHeader};

/// Length of a header on the wire, in bytes.
pub const SEALED_HEADER_LEN: usize = FrameHeader::LEN + MAC_LEN;
/// Most plaintext under one MAC, in bytes: a Noise message has at most 65,535 (spec 4.6).
pub const CHUNK_LEN_MAX: usize = 65_535 - MAC_LEN;

/// Number of chunks, thus of MACs, of a payload (spec 4.6).
#[inline]
pub const fn payload_chunks(payload_len: usize) -> usize {
    payload_len.div_ceil(CHUNK_LEN_MAX)
}

/// Length of a payload on the wire, in bytes (spec 4.6, `pt_len_to_ct_len`).
#[inline]
pub const fn sealed_payload_len(payload_len: usize) -> usize {
    payload_len + payload_chunks(payload_len) * MAC_LEN
}

/// What a handshake ends in.
#[derive(Debug)]
pub struct Session {
    /// For what we send.
    pub sealer: Sealer,
    /// For what we receive.
    pub opener: Opener,
    /// For the key log; drop it where there is none.
    pub secrets: SessionSecrets,
}

/// Seals frames, each once and in the order in which they are sent.
#[derive(Debug)]
pub struct Sealer {
    key: CipherKey,
    nonce: u64,
}

impl Sealer {
    /// Starts at nonce 0.
    pub fn new(key: CipherKey) -> Self {
        Sealer::at(key, 0)
    }

    /// Starts in the middle of a session. Two sealers of one key must never share a nonce.
    pub fn at(key: CipherKey, nonce: u64) -> Self {
        Sealer { key, nonce }
    }

    /// Of the next header.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// As [`CipherKey::shrink`].
    pub fn shrink(&mut self) {
        self.key.shrink();
    }

    /// Appends a sealed frame.
    ///
    /// # Errors
    /// [`TransportError::NonceExhausted`]; nothing was appended.
    ///
    /// # Panics
    /// If `header` announces another length than that of `payload`, or one that it cannot hold.
    #[inline]
    pub fn seal(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TransportError> {
        self.seal_with(header, out, |out| out.extend_from_slice(payload))
    }

    /// The same, with a payload that `write` appends: it is sealed where it was written.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    ///
    /// # Panics
    /// If `write` appends another number of bytes than `header` announces, or if that is a
    /// length that a header cannot hold.
    #[inline]
    pub fn seal_with(
        &mut self,
        header: FrameHeader,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TransportError> {
        let payload_len = header.payload_len as usize;
        assert!(payload_len <= FrameHeader::PAYLOAD_LEN_MAX, "a payload is below 2^24 bytes");
        let mut nonce = next_nonces(&mut self.nonce, payload_len)?;
        out.reserve(SEALED_HEADER_LEN + sealed_payload_len(payload_len));

        let mut bytes = header.to_bytes();
        let mac = self.key.seal(nonce, &[], &mut bytes);
        out.extend_from_slice(&bytes);
        out.extend_from_slice(&mac);

        let start = out.len();
        write(out);
        assert_eq!(out.len() - start, payload_len, "the header announces the payload's length");
        if payload_len <= CHUNK_LEN_MAX {
            if payload_len > 0 {
                let mac = self.key.seal(nonce + 1, &[], &mut out[start..]);
                out.extend_from_slice(&mac);
            }
            return Ok(());
        }
        // Long payloads make room for their MACs from the end: each byte moves once.
        out.resize(start + sealed_payload_len(payload_len), 0);
        let sealed = &mut out[start..];
        let chunks = payload_chunks(payload_len);
        for index in (1..chunks).rev() {
            let from = index * CHUNK_LEN_MAX;
            let to = payload_len.min(from + CHUNK_LEN_MAX);
            sealed.copy_within(from..to, from + index * MAC_LEN);
        }
        for chunk in sealed.chunks_mut(CHUNK_LEN_MAX + MAC_LEN) {
            nonce += 1;
            let (text, mac) = chunk.split_at_mut(chunk.len() - MAC_LEN);
            mac.copy_from_slice(&self.key.seal(nonce, &[], text));
        }
        Ok(())
    }
}

/// Opens frames in the order in which they were sealed. After an error it says that error
/// again: nothing that follows can be trusted (spec 4.5).
#[derive(Debug)]
pub struct Opener {
    key: CipherKey,
    nonce: u64,
    payload_len_max: u32,
    /// Of a frame whose payload has not arrived yet.
    header: Option<FrameHeader>,
    failure: Option<TransportError>,
}

impl Opener {
    /// Starts at nonce 0 and takes payloads of every length that a header can name.
    pub fn new(key: CipherKey) -> Self {
        Opener::at(key, 0)
    }

    /// Starts in the middle of a session, at the nonce of a header.
    pub fn at(key: CipherKey, nonce: u64) -> Self {
        Opener { key, nonce, payload_len_max: u32::MAX, header: None, failure: None }
    }

    /// Refuses longer payloads, in bytes, as soon as their header has arrived.
    pub fn limit_payload_len(&mut self, payload_len_max: u32) {
        self.payload_len_max = payload_len_max;
    }

    /// Of the next header, or of the payload whose header has arrived.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// As [`CipherKey::shrink`].
    pub fn shrink(&mut self) {
        self.key.shrink();
    }

    /// Whether a header has arrived without its payload.
    pub fn is_inside_frame(&self) -> bool {
        self.header.is_some()
    }

    /// What [`Opener::next_frame`] has failed with.
    pub fn failure(&self) -> Option<TransportError> {
        self.failure
    }

    /// Takes the next whole frame out of `buffer`; `None` if it has not arrived yet. Opens it in
    /// place and reserves memory only for what has arrived. Between calls `buffer` may only
    /// grow.
    ///
    /// # Errors
    /// [`TransportError`]; the stream cannot be read on.
    #[inline]
    pub fn next_frame(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, TransportError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match self.open_frame(buffer) {
            Ok(frame) => Ok(frame),
            Err(failure) => {
                self.failure = Some(failure);
                Err(failure)
            }
        }
    }

    #[inline]
    fn open_frame(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, TransportError> {
        let header = match self.header {
            Some(header) => header,
            None => {
                if buffer.len() < SEALED_HEADER_LEN {
                    return Ok(None);
                }
                let header = self.open_header(&mut buffer[..SEALED_HEADER_LEN])?;
                buffer.advance(SEALED_HEADER_LEN);
                self.header = Some(header);
                header
            }
        };
        let payload_len = header.payload_len as usize;
        let sealed_len = sealed_payload_len(payload_len);
        if buffer.len() < sealed_len {
            return Ok(None);
        }
        let mut payload = buffer.split_to(sealed_len);
        self.open_payload(payload_len, &mut payload)?;
        payload.truncate(payload_len);
        self.header = None;
        Ok(Some(Frame {
            extension_type: header.extension_type,
            message_type: header.message_type,
            payload: payload.freeze(),
        }))
    }

    #[inline]
    fn open_header(&mut self, sealed: &mut [u8]) -> Result<FrameHeader, TransportError> {
        let bytes = self
            .key
            .open(self.nonce, &[], sealed, 0)
            .ok_or(TransportError::HeaderMac { nonce: self.nonce })?;
        let header = FrameHeader::from_bytes(
            bytes.try_into().expect("22 bytes without their MAC are a header"),
        );
        if header.payload_len > self.payload_len_max {
            return Err(TransportError::TooLong {
                payload_len: header.payload_len,
                payload_len_max: self.payload_len_max,
            });
        }
        // The payload's nonces are taken from the same count.
        let mut end = self.nonce;
        next_nonces(&mut end, header.payload_len as usize)?;
        self.nonce += 1;
        Ok(header)
    }

    #[inline]
    fn open_payload(
        &mut self,
        payload_len: usize,
        sealed: &mut [u8],
    ) -> Result<(), TransportError> {
        for index in 0..payload_chunks(payload_len) {
            // Each chunk is opened to where the one before it has ended.
            let from = index * CHUNK_LEN_MAX;
            let len = (payload_len - from).min(CHUNK_LEN_MAX);
            let shift = index * MAC_LEN;
            self.key
                .open(self.nonce, &[], &mut sealed[from..from + shift + len + MAC_LEN], shift)
                .ok_or(TransportError::PayloadMac { nonce: self.nonce })?;
            self.nonce += 1;
        }
        Ok(())
    }
}

/// Takes the nonces of a frame from a count and returns the header's. The last number is
/// reserved (Noise 5.1).
#[inline]
fn next_nonces(count: &mut u64, payload_len: usize) -> Result<u64, TransportError> {
    let first = *count;
    let used = 1 + payload_chunks(payload_len) as u64;
    *count = first.checked_add(used).ok_or(TransportError::NonceExhausted)?;
    Ok(first)
}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// Altered, sealed with another key, out of order, or not sealed at all.
    #[error("the MAC of a frame header is wrong, at nonce {nonce} (spec 4.6)")]
    HeaderMac {
        /// Of the header.
        nonce: u64,
    },
    /// As above, of a chunk of a payload.
    #[error("the MAC of a payload is wrong, at nonce {nonce} (spec 4.6)")]
    PayloadMac {
        /// Of the chunk.
        nonce: u64,
    },
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
    /// 2^64 - 1 Noise messages in one direction; there is no rekeying.
    #[error("all nonces of this session are used up (spec 4.4.1)")]
    NonceExhausted,
}

#[cfg(test)]
mod tests;
