//! Tests of [`super`].

use bytes::{Bytes, BytesMut};
use proptest::prelude::{any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::*;
use crate::noise::CipherSuite;

fn key() -> CipherKey {
    CipherKey::new(CipherSuite::ChaChaPoly, &[7; 32])
}

fn frame(payload_len: usize) -> Frame {
    let payload: Vec<u8> = (0..=250).cycle().take(payload_len).collect();
    Frame { extension_type: 0x8000, message_type: 0x1b, payload: Bytes::from(payload) }
}

fn sealed(sealer: &mut Sealer, frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    sealer.seal(frame.header(), &frame.payload, &mut out).unwrap();
    out
}

fn open_all(opener: &mut Opener, stream: &[u8]) -> Result<Vec<Frame>, TransportError> {
    let mut buffer = BytesMut::from(stream);
    std::iter::from_fn(|| opener.next_frame(&mut buffer).transpose()).collect()
}

/// Lengths on both sides of every boundary of a chunk.
const BOUNDARIES: [usize; 8] = [0, 1, 65_518, 65_519, 65_520, 131_037, 131_038, 131_039];

#[test]
fn a_frame_opens_to_what_was_sealed_at_every_chunk_boundary() {
    for suite in [CipherSuite::ChaChaPoly, CipherSuite::AesGcm] {
        let key = CipherKey::new(suite, &[7; 32]);
        let (mut sealer, mut opener) = (Sealer::new(key.clone()), Opener::new(key));
        for payload_len in BOUNDARIES {
            let sent = frame(payload_len);

            let stream = sealed(&mut sealer, &sent);

            assert_eq!(stream.len(), SEALED_HEADER_LEN + sealed_payload_len(payload_len));
            assert_eq!(open_all(&mut opener, &stream).unwrap(), [sent], "{payload_len}");
            assert_eq!(opener.nonce(), sealer.nonce());
        }
    }
}

/// The table that spec 4.6's `pt_len_to_ct_len` gives.
#[test]
fn sealed_lengths_are_those_of_the_specification() {
    let lengths = BOUNDARIES.map(sealed_payload_len);

    assert_eq!(lengths, [0, 17, 65_534, 65_535, 65_552, 131_069, 131_070, 131_087]);
}

#[test]
fn an_empty_payload_takes_one_nonce_and_no_mac() {
    let mut sealer = Sealer::new(key());

    let stream = sealed(&mut sealer, &frame(0));

    assert_eq!((stream.len(), sealer.nonce()), (SEALED_HEADER_LEN, 1));
}

#[test]
fn chunks_are_sealed_one_by_one_under_consecutive_nonces() {
    let sent = frame(CHUNK_LEN_MAX + 5);

    let mut stream = sealed(&mut Sealer::at(key(), 10), &sent);

    let (first, second) = stream[SEALED_HEADER_LEN..].split_at_mut(65_535);
    assert_eq!(key().open(11, &[], first, 0).unwrap(), &sent.payload[..CHUNK_LEN_MAX]);
    assert_eq!(key().open(12, &[], second, 0).unwrap(), &sent.payload[CHUNK_LEN_MAX..]);
}

#[test]
fn frames_are_found_however_the_stream_is_cut() {
    let mut sealer = Sealer::new(key());
    let sent = [frame(3), frame(0), frame(41)];
    let stream: Vec<u8> = sent.iter().flat_map(|frame| sealed(&mut sealer, frame)).collect();

    for cut in 0..=stream.len() {
        let (mut opener, mut buffer, mut found) = (Opener::new(key()), BytesMut::new(), vec![]);
        for part in [&stream[..cut], &stream[cut..]] {
            buffer.extend_from_slice(part);
            while let Some(frame) = opener.next_frame(&mut buffer).unwrap() {
                found.push(frame);
            }
        }
        assert_eq!(found, sent, "cut at {cut}");
        assert!(buffer.is_empty() && !opener.is_inside_frame());
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed_where_it_is() {
    let stream = sealed(&mut Sealer::new(key()), &frame(41));

    for index in 0..stream.len() {
        let mut altered = stream.clone();
        altered[index] ^= 0x80;
        let expected = match index {
            0..SEALED_HEADER_LEN => TransportError::HeaderMac { nonce: 0 },
            _ => TransportError::PayloadMac { nonce: 1 },
        };
        assert_eq!(open_all(&mut Opener::new(key()), &altered), Err(expected), "byte {index}");
    }
}

#[test]
fn the_second_chunk_is_authenticated_too() {
    let mut stream = sealed(&mut Sealer::new(key()), &frame(CHUNK_LEN_MAX + 5));
    *stream.last_mut().unwrap() ^= 1;

    let outcome = open_all(&mut Opener::new(key()), &stream);

    assert_eq!(outcome, Err(TransportError::PayloadMac { nonce: 2 }));
}

#[test]
fn after_a_wrong_mac_nothing_is_opened_any_more() {
    let mut opener = Opener::new(key());
    let failure = Err(TransportError::HeaderMac { nonce: 0 });
    assert_eq!(open_all(&mut opener, &[0; SEALED_HEADER_LEN]), failure);

    let authentic = sealed(&mut Sealer::new(key()), &frame(3));

    assert_eq!(open_all(&mut opener, &authentic), failure);
}

#[test]
fn a_repeated_frame_is_not_opened_again() {
    let stream = sealed(&mut Sealer::new(key()), &frame(3));
    let mut opener = Opener::new(key());
    open_all(&mut opener, &stream).unwrap();

    assert_eq!(open_all(&mut opener, &stream), Err(TransportError::HeaderMac { nonce: 2 }));
}

#[test]
fn an_overlong_frame_is_refused_before_its_payload_arrives() {
    let stream = sealed(&mut Sealer::new(key()), &frame(101));
    let mut opener = Opener::new(key());
    opener.limit_payload_len(100);

    let outcome = open_all(&mut opener, &stream[..SEALED_HEADER_LEN]);

    assert_eq!(outcome, Err(TransportError::TooLong { payload_len: 101, payload_len_max: 100 }));
}

#[test]
fn an_announced_payload_reserves_no_memory() {
    let header = FrameHeader { extension_type: 0, message_type: 0, payload_len: 0xff_ffff };
    let mut bytes = header.to_bytes();
    let mac = key().seal(0, &[], &mut bytes);
    let mut buffer = BytesMut::from(&[&bytes[..], &mac].concat()[..]);

    let outcome = Opener::new(key()).next_frame(&mut buffer);

    assert_eq!(outcome, Ok(None));
    assert!(buffer.capacity() < 100, "{}", buffer.capacity());
}

#[test]
fn the_last_nonce_is_never_used() {
    let header = frame(1).header();
    let mut out = Vec::new();

    let mut sealer = Sealer::at(key(), u64::MAX - 2);
    assert_eq!(sealer.seal(header, &[0], &mut out), Ok(()));
    assert_eq!(sealer.nonce(), u64::MAX);
    let sealed_len = out.len();
    assert_eq!(sealer.seal(header, &[0], &mut out), Err(TransportError::NonceExhausted));
    assert_eq!(out.len(), sealed_len);

    let mut opener = Opener::at(key(), u64::MAX - 2);
    assert_eq!(open_all(&mut opener, &out).unwrap().len(), 1);
}

#[test]
fn an_opener_at_the_last_nonce_says_so() {
    let header = FrameHeader { extension_type: 0, message_type: 0, payload_len: 1 };
    let mut bytes = header.to_bytes();
    let mac = key().seal(u64::MAX - 1, &[], &mut bytes);
    let stream = [&bytes[..], &mac].concat();

    let outcome = open_all(&mut Opener::at(key(), u64::MAX - 1), &stream);

    assert_eq!(outcome, Err(TransportError::NonceExhausted));
}

proptest! {
    #[test]
    fn garbage_is_refused_and_never_panics(
        garbage in prop::collection::vec(any::<u8>(), 0..200),
        segment_len in 1_usize..60,
    ) {
        let (mut opener, mut buffer, mut outcome) = (Opener::new(key()), BytesMut::new(), Ok(None));
        for segment in garbage.chunks(segment_len) {
            buffer.extend_from_slice(segment);
            outcome = opener.next_frame(&mut buffer);
        }
        if garbage.len() < SEALED_HEADER_LEN {
            prop_assert_eq!(outcome, Ok(None));
        } else {
            prop_assert_eq!(outcome, Err(TransportError::HeaderMac { nonce: 0 }));
        }
    }

    #[test]
    fn any_payload_survives_any_segmentation(
        payload in prop::collection::vec(any::<u8>(), 0..500),
        extension_type: u16,
        message_type: u8,
        segment_len in 1_usize..100,
    ) {
        let sent = Frame { extension_type, message_type, payload: Bytes::from(payload) };
        let stream = sealed(&mut Sealer::new(key()), &sent);
        let (mut opener, mut buffer, mut found) = (Opener::new(key()), BytesMut::new(), vec![]);
        for segment in stream.chunks(segment_len) {
            buffer.extend_from_slice(segment);
            found.extend(opener.next_frame(&mut buffer).unwrap());
        }
        prop_assert_eq!(found, [sent]);
        prop_assert!(buffer.is_empty());
    }
}
