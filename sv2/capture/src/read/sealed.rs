//! Sealed frames of one direction, opened from a capture: unlike a peer, a reader goes on behind
//! a MAC that is wrong, and finds its place again behind what was lost.

use bytes::{Bytes, BytesMut};
use sv2::message::descriptor;
use sv2::noise::{
    ACT_1_LEN, CHUNK_LEN_MAX, CipherKey, CipherSuite, MAC_LEN, SEALED_HEADER_LEN, payload_chunks,
    sealed_payload_len,
};
use sv2::wire::{Frame, FrameHeader};

use super::context::Seal;
use super::key_log::Checkpoint;
use crate::observed::Integrity;

/// The frame that was found in these bytes, opened another time; `None` if they are other bytes.
pub fn open_again(sealed: &[u8], seal: Seal<'_>) -> Option<(Frame, Integrity)> {
    let mut again = Sealed::again(seal);
    let mut arena = BytesMut::new();
    let Step::Header(header_len) = again.step(sealed, &mut arena) else { return None };
    let rest = &sealed[header_len..];
    match again.step(rest, &mut arena) {
        Step::Frame { len, frame, integrity, .. } if len == rest.len() => Some((frame, integrity)),
        _ => None,
    }
}

/// The shortest a frame can be for each nonce that it uses, in bytes of the wire: a payload of
/// one byte has two. A gap of so many bytes has used at most one nonce for each.
const WIRE_LEN_PER_NONCE: u64 = 19;

/// Opens frames one after the other.
#[derive(Debug)]
pub(super) struct Sealed {
    key: CipherKey,
    suite: CipherSuite,
    session: [u8; ACT_1_LEN],
    secret: [u8; 32],
    /// Of what comes next: a header, or the payload of the header that is open.
    nonce: u64,
    header: Option<FrameHeader>,
    /// Of the header that is open.
    integrity: Integrity,
    /// A MAC was right: the key fits.
    has_fit: bool,
    /// Payloads are left to whoever is shown them.
    leaves_payloads: bool,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

/// What the bytes at hand are.
pub(super) enum Step {
    /// Not enough of them.
    More,
    /// A header was opened: it is `0` bytes long.
    Header(usize),
    /// A frame, whose payload took so many bytes, and the nonce of its header.
    Frame { len: usize, frame: Frame, integrity: Integrity, nonce: u64 },
    /// No header, and nothing that follows can be found without a search.
    Lost,
}

impl Sealed {
    pub(super) fn new(session: [u8; ACT_1_LEN], secret: &[u8; 32], nonce: u64) -> Self {
        Sealed {
            key: CipherKey::new(CipherSuite::ChaChaPoly, secret),
            suite: CipherSuite::ChaChaPoly,
            session,
            secret: *secret,
            nonce,
            header: None,
            integrity: Integrity::Verified,
            has_fit: false,
            leaves_payloads: false,
        }
    }

    /// The same, but that payloads are not opened.
    pub(super) fn leaving_payloads(mut self, leaves_payloads: bool) -> Self {
        self.leaves_payloads = leaves_payloads;
        self
    }

    /// Whether the payloads of its frames are as sent.
    pub(super) fn leaves_payloads(&self) -> bool {
        self.leaves_payloads
    }

    /// Of a frame whose header is known to have been sealed so.
    fn again(seal: Seal<'_>) -> Self {
        let mut sealed = Sealed::new(*seal.session, seal.secret, seal.nonce);
        sealed.key = CipherKey::new(seal.suite, seal.secret);
        sealed.suite = seal.suite;
        sealed.has_fit = true;
        sealed
    }

    /// What opens a frame again whose header has this nonce.
    pub(super) fn seal(&self, nonce: u64) -> Seal<'_> {
        Seal { nonce, suite: self.suite, session: &self.session, secret: &self.secret }
    }

    /// Whether anything was opened.
    pub(super) fn has_fit(&self) -> bool {
        self.has_fit
    }

    /// Of what comes next.
    pub(super) fn nonce(&self) -> u64 {
        self.nonce
    }

    /// A header comes next, at a place that a key log names; false if that is another session's.
    pub(super) fn seek(&mut self, point: &Checkpoint) -> bool {
        let is_ours = point.session == self.session;
        if is_ours {
            (self.nonce, self.header) = (point.nonce, None);
        }
        is_ours
    }

    /// Takes a header or a payload off `input`. Payloads are opened in `arena`.
    pub(super) fn step(&mut self, input: &[u8], arena: &mut BytesMut) -> Step {
        match self.header {
            None => self.open_header(input),
            Some(header) => self.open_payload(header, input, arena),
        }
    }

    /// `len` bytes of the stream are missing behind `held` bytes that were not used up.
    /// Returns how many of the bytes behind the gap still belong to a frame that is damaged, or
    /// `None` if the start of a frame must be searched for.
    pub(super) fn gap(&mut self, held: usize, len: u64) -> Option<u64> {
        let header = self.header.take()?;
        let payload_len = header.payload_len as usize;
        let left = (sealed_payload_len(payload_len) - held) as u64;
        self.nonce += payload_chunks(payload_len) as u64;
        left.checked_sub(len)
    }

    /// Searches the header at the start of `input`, where `skipped` bytes of the stream may have
    /// used nonces. Counts what was tried off `trials`.
    pub(super) fn search(&mut self, input: &[u8], skipped: u64, trials: &mut u32) -> bool {
        let Some(sealed) = input.first_chunk::<SEALED_HEADER_LEN>() else { return false };
        let window = (skipped / WIRE_LEN_PER_NONCE).saturating_add(2);
        for nonce in self.nonce..self.nonce.saturating_add(window) {
            if *trials == 0 {
                return false;
            }
            *trials -= 1;
            let mut bytes = *sealed;
            if self.key.open(nonce, &[], &mut bytes, 0).is_some() {
                self.nonce = nonce;
                self.has_fit = true;
                return true;
            }
        }
        false
    }

    fn open_header(&mut self, input: &[u8]) -> Step {
        let Some(sealed) = input.first_chunk::<SEALED_HEADER_LEN>() else { return Step::More };
        let mut bytes = *sealed;
        let opened = self.key.open(self.nonce, &[], &mut bytes, 0);
        let mut header = opened.and_then(|bytes| bytes.first_chunk().copied());
        if header.is_none() && !self.has_fit && self.nonce == 0 {
            // The key log does not say which cipher it is for.
            let other = CipherKey::new(CipherSuite::AesGcm, &self.secret);
            let mut bytes = *sealed;
            header = other.open(0, &[], &mut bytes, 0).and_then(|it| it.first_chunk().copied());
            if header.is_some() {
                self.key = other;
                self.suite = CipherSuite::AesGcm;
            }
        }
        let header = match header {
            Some(header) => {
                self.integrity = Integrity::Verified;
                self.has_fit = true;
                FrameHeader::from_bytes(header)
            }
            None => {
                // Only the MAC may be wrong: then the header still makes sense.
                let mut bytes: [u8; 6] = *sealed.first_chunk().expect("22 bytes begin with 6");
                apply_key_stream(&self.key, self.nonce, &mut bytes);
                let header = FrameHeader::from_bytes(bytes);
                if !self.has_fit || !is_plausible(header) {
                    return Step::Lost;
                }
                self.integrity = Integrity::Bad;
                header
            }
        };
        self.nonce += 1;
        self.header = Some(header);
        Step::Header(SEALED_HEADER_LEN)
    }

    fn open_payload(&mut self, header: FrameHeader, input: &[u8], arena: &mut BytesMut) -> Step {
        let payload_len = header.payload_len as usize;
        let len = sealed_payload_len(payload_len);
        let Some(sealed) = input.get(..len) else { return Step::More };
        let nonce = self.nonce - 1;
        let payload = if self.leaves_payloads {
            arena.extend_from_slice(sealed);
            arena.split().freeze()
        } else {
            let (payload, is_authentic) = open_payload(&self.key, self.nonce, sealed, arena);
            if !is_authentic {
                self.integrity = Integrity::Bad;
            }
            payload
        };
        self.nonce += payload_chunks(payload_len) as u64;
        self.header = None;
        let frame = Frame {
            extension_type: header.extension_type,
            message_type: header.message_type,
            payload,
        };
        Step::Frame { len, frame, integrity: self.integrity, nonce }
    }
}

/// Opens a payload whose first chunk has a nonce; false where a MAC is wrong.
pub(super) fn open_payload(
    key: &CipherKey,
    mut nonce: u64,
    sealed: &[u8],
    arena: &mut BytesMut,
) -> (Bytes, bool) {
    let mut is_authentic = true;
    arena.reserve(sealed.len());
    for chunk in sealed.chunks(CHUNK_LEN_MAX + MAC_LEN) {
        let start = arena.len();
        arena.extend_from_slice(chunk);
        let text_len = chunk.len() - MAC_LEN;
        if key.open(nonce, &[], &mut arena[start..], 0).is_none() {
            is_authentic = false;
            arena[start..start + text_len].copy_from_slice(&chunk[..text_len]);
            apply_key_stream(key, nonce, &mut arena[start..start + text_len]);
        }
        arena.truncate(start + text_len);
        nonce += 1;
    }
    (arena.split().freeze(), is_authentic)
}

/// Encrypts or decrypts without a MAC: sealing zeros gives the key stream.
fn apply_key_stream(key: &CipherKey, nonce: u64, text: &mut [u8]) {
    let mut stream = vec![0; text.len()];
    key.seal(nonce, &[], &mut stream);
    text.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
}

/// Whether a header that nothing vouches for can be one: a message of the table, its channel
/// bit as it must be, and no longer than any such message has reason to be.
pub(super) fn is_plausible(header: FrameHeader) -> bool {
    const PLAUSIBLE_LEN_MAX: u32 = 1 << 20;
    header.payload_len <= PLAUSIBLE_LEN_MAX
        && descriptor(header.extension(), header.message_type)
            .is_some_and(|row| row.channel_bit == header.has_channel_bit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sv2::noise::Sealer;

    fn stream(payloads: &[&[u8]]) -> Vec<u8> {
        let mut sealer = Sealer::new(CipherKey::new(CipherSuite::ChaChaPoly, &[7; 32]));
        let mut out = Vec::new();
        for payload in payloads {
            let payload_len = u32::try_from(payload.len()).unwrap();
            let header = FrameHeader { extension_type: 0x8000, message_type: 0x1a, payload_len };
            sealer.seal(header, payload, &mut out).unwrap();
        }
        out
    }

    fn frames(sealed: &mut Sealed, mut input: &[u8]) -> Vec<(Vec<u8>, Integrity)> {
        let (mut found, mut arena) = (Vec::new(), BytesMut::new());
        loop {
            match sealed.step(input, &mut arena) {
                Step::Header(len) => input = &input[len..],
                Step::Frame { len, frame, integrity, .. } => {
                    input = &input[len..];
                    found.push((frame.payload.to_vec(), integrity));
                }
                Step::More | Step::Lost => return found,
            }
        }
    }

    #[test]
    fn a_wrong_mac_is_named_and_the_text_shown_all_the_same() {
        let long = vec![5; 70_000];
        let whole = stream(&[b"first", &long, b"third"]);
        // Of the first header, of a payload, of the first chunk of a long payload.
        for (at, bad) in [(5 + 22 + 3 + 2, 0), (22 + 5 + 16 + 22 + 65_519 + 3, 1)] {
            let mut altered = whole.clone();
            altered[at] ^= 1;

            let found = frames(&mut Sealed::new([0; 64], &[7; 32], 0), &altered);

            let texts: Vec<&[u8]> = found.iter().map(|(text, _)| &text[..]).collect();
            assert_eq!(texts, [b"first", &long[..], b"third"]);
            for (index, (_, integrity)) in found.iter().enumerate() {
                let expected = if index == bad { Integrity::Bad } else { Integrity::Verified };
                assert_eq!(*integrity, expected, "{at} {index}");
            }
        }
    }

    #[test]
    fn a_header_with_a_wrong_mac_still_leads_to_the_next() {
        let mut altered = stream(&[b"first", b"second", b"third"]);
        altered[22 + 21 + 8] ^= 1;

        let found = frames(&mut Sealed::new([0; 64], &[7; 32], 0), &altered);

        assert_eq!(found.len(), 3);
        assert_eq!(found[1], (b"second".to_vec(), Integrity::Bad));
    }

    #[test]
    fn a_frame_is_found_again_behind_a_gap() {
        let whole = stream(&[b"first", b"second", b"third"]);
        let mut sealed = Sealed::new([0; 64], &[7; 32], 0);
        assert_eq!(frames(&mut sealed, &whole[..43]).len(), 1);
        let second_len = 22 + 22;
        assert_eq!(sealed.gap(0, second_len), None);

        let mut trials = 10;
        assert!(sealed.search(&whole[43 + 44..], second_len, &mut trials));

        assert_eq!(frames(&mut sealed, &whole[43 + 44..]).len(), 1);
        assert_eq!(trials, 7);
    }

    #[test]
    fn a_gap_within_a_payload_costs_that_frame_alone() {
        let whole = stream(&[b"first", b"second"]);
        let mut sealed = Sealed::new([0; 64], &[7; 32], 0);
        assert!(frames(&mut sealed, &whole[..25]).is_empty());

        // Three bytes of the payload were held, ten are missing, the rest is skipped.
        assert_eq!(sealed.gap(3, 10), Some(21 - 13));

        assert_eq!(frames(&mut sealed, &whole[43..]), [(b"second".to_vec(), Integrity::Verified)]);
    }
}
