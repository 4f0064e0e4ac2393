//! Captures: files, packets, streams, sessions.

use sv2::message::dissect_frame;
use sv2_capture::observed::What;
use sv2_capture::pcapng::Making;
use sv2_capture::read::{
    BLOCK_LEN_MAX, Dissector, Found, HELD_LEN_MAX, Item, Options, Packet, PacketReader,
};

/// Input: a capture file. It is read to its end or to where it cannot be believed any more;
/// observations are numbered without holes, and no more is held than the limit says.
pub fn capture_file(data: &[u8]) {
    let mut check = Check::default();
    let mut dissector = Dissector::new(1, None);
    let mut reader = PacketReader::new(data);
    while let Ok(Some(item)) = reader.next_item() {
        match item {
            Item::Packet(packet) => {
                assert!(packet.data.len() <= BLOCK_LEN_MAX);
                dissector.packet(0, &packet, &mut |found| check.take(found));
            }
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
        assert!(dissector.held_len() <= HELD_LEN_MAX + data.len());
    }
    assert!(reader.position() <= data.len() as u64);
    dissector.finish(&mut |found| check.take(found));
    assert_eq!(dissector.held_len(), 0);
}

/// Input: segments of one connection, each as direction and flags, two bytes of sequence number,
/// length, and as many bytes. No order of segments, no overlap and no gap makes the reader
/// panic, and what it says of a direction is never more than what its sequence numbers cover.
pub fn capture_stream(mut data: &[u8]) {
    let mut check = Check::default();
    let mut dissector = Dissector::new(1, None);
    let mut number = 0;
    while let Some(([flags, high, low, len], rest)) = data.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        data = rest;
        number += 1;
        let bytes = packet(*flags, [*high, *low], payload);
        let making = if number % 2 == 0 { Making::Selected } else { Making::Captured };
        let packet = Packet {
            number,
            position: 0,
            at: number,
            link_type: 101,
            data: &bytes,
            data_at: 0,
            making,
            options: Options::default(),
        };
        dissector.packet(0, &packet, &mut |found| check.take(found));
    }
    dissector.finish(&mut |found| check.take(found));
    assert_eq!(dissector.held_len(), 0);
}

/// An IPv4 packet with a TCP segment. The highest bit of the flags is the direction, the lowest five are those
/// of TCP.
fn packet(flags: u8, sequence: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let is_answer = flags & 0x80 != 0;
    let (from, to) = if is_answer { (2, 1) } else { (1, 2) };
    let len = u16::try_from(40 + payload.len()).expect("a payload has one byte of length");
    let [len_high, len_low] = len.to_be_bytes();
    let mut bytes = vec![0x45, 0, len_high, len_low, 0, 0, 0, 0, 64, 6, 0, 0];
    bytes.extend_from_slice(&[10, 0, 0, from, 10, 0, 0, to]);
    bytes.extend_from_slice(&[0x10, from, 0x10, to]);
    bytes.extend_from_slice(&[0, 0, sequence[0], sequence[1], 0, 0, 0, 0]);
    bytes.extend_from_slice(&[0x50, flags & 0x1f, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

/// What holds for every observation.
#[derive(Default)]
struct Check {
    number: u64,
    at: u64,
}

impl Check {
    fn take(&mut self, found: &Found<'_>) {
        let observed = &found.observed;
        self.number += 1;
        assert_eq!(observed.number, self.number);
        assert!(observed.at >= self.at);
        self.at = observed.at;
        if let What::Frame { frame, .. } = &observed.what {
            dissect_frame(frame);
        }
    }
}
