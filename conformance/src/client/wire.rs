//! Bytes of the suite's end: acts, sealed frames, and the lies that cases ask for.

use bytes::{Bytes, BytesMut};
use sv2::noise::{CHUNK_LEN_MAX, CipherKey, CipherSuite, MAC_LEN, Opener, SessionSecrets};
use sv2::sv1::LineSplitter;
use sv2::wire::{Frame, FrameDecoder, FrameHeader};

use crate::case::step::CipherPart;

/// What is done to one frame when it is sealed, or after.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Damage {
    pub(crate) corrupt: Option<CipherPart>,
    pub(crate) replay: bool,
    pub(crate) keep: Option<usize>,
    pub(crate) skip: u64,
    pub(crate) empty_block: bool,
}

/// Seals frames as `sv2::noise::Sealer` does, but also frames whose header lies.
#[derive(Debug)]
pub(crate) struct LyingSealer {
    key: CipherKey,
    nonce: u64,
}

impl LyingSealer {
    /// Of the side that opened the connection.
    pub(crate) fn initiator(secrets: &SessionSecrets) -> Self {
        LyingSealer::new(&secrets.initiator_to_responder)
    }

    /// Of the side that accepted it.
    pub(crate) fn responder(secrets: &SessionSecrets) -> Self {
        LyingSealer::new(&secrets.responder_to_initiator)
    }

    fn new(key: &[u8; 32]) -> Self {
        LyingSealer { key: CipherKey::new(CipherSuite::default(), key), nonce: 0 }
    }

    fn seal(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(text);
        let mac = self.key.seal(self.nonce, &[], &mut out[start..]);
        out.extend_from_slice(&mac);
        self.nonce += 1;
    }

    /// The frame as it goes over the wire.
    pub(crate) fn frame(&mut self, header: FrameHeader, payload: &[u8], damage: Damage) -> Vec<u8> {
        let mut out = Vec::new();
        self.nonce += damage.skip;
        self.seal(&header.to_bytes(), &mut out);
        let header_end = out.len();
        for chunk in payload.chunks(CHUNK_LEN_MAX) {
            self.seal(chunk, &mut out);
        }
        if payload.is_empty() && damage.empty_block {
            self.seal(&[], &mut out);
        }
        if let Some(part) = damage.corrupt {
            let last = out.len() - 1;
            let at = match part {
                CipherPart::Header => 0,
                CipherPart::HeaderMac => header_end - MAC_LEN,
                CipherPart::Payload => header_end.min(last),
                CipherPart::PayloadMac => last,
            };
            out[at] ^= 0x01;
        }
        if damage.replay {
            let again = out.clone();
            out.extend_from_slice(&again);
        }
        if let Some(keep) = damage.keep {
            out.truncate(keep);
        }
        out
    }
}

/// What the target's bytes are read as.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Frames in a Noise session.
    Sealed(Box<Opener>),
    /// Frames without encryption.
    Plain(FrameDecoder),
    /// Lines of Stratum V1.
    Lines(LineSplitter),
    /// Bytes: no session, or an unfinished one.
    Raw,
}

/// What came out of the target's bytes.
pub(crate) enum Parsed {
    Frame(Frame),
    Line(Bytes),
    Bytes(Bytes),
    Broken(String),
    Nothing,
}

impl Incoming {
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Parsed {
        let frame = match self {
            Incoming::Sealed(opener) => opener.next_frame(input).map_err(|e| e.to_string()),
            Incoming::Plain(decoder) => decoder.next_frame(input).map_err(|e| e.to_string()),
            Incoming::Lines(splitter) => {
                return match splitter.next_line(input) {
                    Ok(Some(line)) => Parsed::Line(line),
                    Ok(None) => Parsed::Nothing,
                    Err(error) => Parsed::Broken(error.to_string()),
                };
            }
            Incoming::Raw if input.is_empty() => return Parsed::Nothing,
            Incoming::Raw => return Parsed::Bytes(input.split().freeze()),
        };
        match frame {
            Ok(Some(frame)) => Parsed::Frame(frame),
            Ok(None) => Parsed::Nothing,
            Err(why) => Parsed::Broken(why),
        }
    }
}

/// Pieces of these sizes, the last size repeated; one piece if there are no sizes.
pub(crate) fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().copied();
    let mut size = None;
    while !bytes.is_empty() {
        size = sizes.next().or(size);
        let (piece, rest) = bytes.split_at(size.unwrap_or(bytes.len()).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use sv2::entropy::Entropy;
    use sv2::noise::{AuthoritySecretKey, Identity, Initiator, Responder, StaticKey};
    use sv2::time::UnixTime;

    use super::*;

    /// A sealer of the suite, and the target's opener.
    fn session() -> (LyingSealer, Opener) {
        let mut entropy = Entropy::from_seed(1);
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let key = StaticKey::generate(&mut entropy);
        let identity = Identity::new(&authority, key, 0, 100, &mut entropy);
        let suite = CipherSuite::default();
        let initiator = Initiator::new(suite, Some(authority.public_key()), &mut entropy);
        let (act_2, target) =
            Responder::respond(suite, &identity, &initiator.act_1(), &mut entropy);
        let (ours, _) = initiator.finish(&act_2, UnixTime(50)).unwrap();
        (LyingSealer::initiator(&ours.secrets), target.opener)
    }

    fn header(payload_len: usize) -> FrameHeader {
        let payload_len = u32::try_from(payload_len).unwrap();
        FrameHeader { extension_type: 0, message_type: 7, payload_len }
    }

    #[test]
    fn honest_frames_are_read_by_the_other_side_whatever_their_length() {
        let (mut sealer, mut opener) = session();

        for len in [0, 1, CHUNK_LEN_MAX, CHUNK_LEN_MAX + 1, 3 * CHUNK_LEN_MAX] {
            let payload = vec![7; len];
            let sealed = sealer.frame(header(len), &payload, Damage::default());
            let frame = opener.next_frame(&mut BytesMut::from(&sealed[..])).unwrap().unwrap();
            assert_eq!(frame.payload, payload, "{len}");
        }
    }

    #[test]
    fn each_corrupted_part_is_noticed_by_the_other_side() {
        for part in
            [CipherPart::Header, CipherPart::HeaderMac, CipherPart::Payload, CipherPart::PayloadMac]
        {
            let (mut sealer, mut opener) = session();
            let damage = Damage { corrupt: Some(part), ..Damage::default() };

            let sealed = sealer.frame(header(3), b"abc", damage);

            assert!(opener.next_frame(&mut BytesMut::from(&sealed[..])).is_err(), "{part:?}");
        }
    }

    #[test]
    fn writes_are_cut_as_asked_with_the_last_size_repeated() {
        let pieces = |sizes: &[usize]| -> Vec<usize> {
            cut(b"abcdefg", sizes).into_iter().map(<[u8]>::len).collect()
        };

        assert_eq!(pieces(&[]), [7]);
        assert_eq!(pieces(&[1, 2]), [1, 2, 2, 2]);
        assert_eq!(pieces(&[9]), [7]);
    }
}
