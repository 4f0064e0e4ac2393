//! Reads what a tap has recorded, with an independent reader of blocks and our own of frames.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::BytesMut;
use pcap_parser::traits::PcapReaderIterator as _;
use pcap_parser::{Block, PcapBlockOwned, PcapNGReader};
use sv2::noise::{CipherKey, CipherSuite, Opener};
use sv2::wire::Frame;

/// What stands in a file.
#[derive(Default)]
pub(crate) struct Capture {
    /// By the addresses and ports of client and server, which are those of the SYN.
    pub(crate) streams: Vec<Stream>,
    pub(crate) interfaces: Vec<String>,
    pub(crate) comments: Vec<String>,
    /// Text of all secrets blocks.
    pub(crate) secrets: String,
    pub(crate) section_count: usize,
    /// Received and dropped, of each statistics block.
    pub(crate) statistics: Vec<(u64, u64)>,
}

/// One connection.
pub(crate) struct Stream {
    pub(crate) interface: u32,
    ports: (u16, u16),
    /// Of client and server.
    pub(crate) bytes: [Vec<u8>; 2],
}

impl Capture {
    pub(crate) fn read(path: &Path) -> Capture {
        Capture::parse(&std::fs::read(path).unwrap())
    }

    pub(crate) fn parse(file: &[u8]) -> Capture {
        let mut reader = PcapNGReader::new(1 << 21, file).unwrap();
        let mut capture = Capture::default();
        loop {
            match reader.next() {
                Ok((consumed, PcapBlockOwned::NG(block))) => {
                    capture.take(&block);
                    reader.consume(consumed);
                }
                Ok(_) => panic!("no pcapng"),
                Err(pcap_parser::PcapError::Eof) => return capture,
                Err(pcap_parser::PcapError::Incomplete(_)) => {
                    if reader.reader_exhausted() {
                        return capture;
                    }
                    reader.refill().unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn take(&mut self, block: &Block<'_>) {
        match block {
            Block::SectionHeader(_) => self.section_count += 1,
            Block::InterfaceDescription(block) => {
                let name = block.options.iter().find(|option| option.code.0 == 2).unwrap();
                // The reader leaves the padding at it.
                let name = String::from_utf8(name.value.to_vec()).unwrap();
                self.interfaces.push(name.trim_end_matches('\0').to_owned());
            }
            Block::DecryptionSecrets(block) => {
                let len = usize::try_from(block.secrets_len).unwrap();
                self.secrets += std::str::from_utf8(&block.data[..len]).unwrap();
            }
            Block::EnhancedPacket(block) => {
                for option in &block.options {
                    if option.code.0 == 1 {
                        let comment = String::from_utf8_lossy(&option.value).into_owned();
                        self.comments.push(comment.trim_end_matches('\0').to_owned());
                    }
                }
                let len = usize::try_from(block.caplen).unwrap();
                self.packet(block.if_id, &block.data[..len]);
            }
            Block::InterfaceStatistics(block) => {
                let count = |code| {
                    let option = block.options.iter().find(|option| option.code.0 == code);
                    u64::from_le_bytes(*option.unwrap().value.first_chunk().unwrap())
                };
                self.statistics.push((count(4), count(5)));
            }
            _ => panic!("a block that taps do not write"),
        }
    }

    fn packet(&mut self, interface: u32, packet: &[u8]) {
        assert_eq!(packet[0] >> 4, 4, "these tests are on 127.0.0.1");
        let tcp = &packet[20..];
        let number = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let sequence = u32::from_be_bytes(*tcp[4..].first_chunk().unwrap());
        let (flags, payload) = (tcp[13], &tcp[20..]);
        let (from, to) = (number(0), number(2));
        if flags & 0x12 == 0x02 {
            let bytes = [Vec::new(), Vec::new()];
            self.streams.push(Stream { interface, ports: (from, to), bytes });
        }
        let found = self.streams.iter_mut().rev().find_map(|stream| match stream.ports {
            ports if ports == (from, to) => Some((stream, 0)),
            ports if ports == (to, from) => Some((stream, 1)),
            _ => None,
        });
        let (stream, side) = found.expect("a connection begins with a SYN");
        if !payload.is_empty() {
            assert_eq!(sequence as usize, stream.bytes[side].len() + 1, "a gap");
            stream.bytes[side].extend_from_slice(payload);
        }
    }

    /// The frames of a stream with Noise, client's and server's; what is cut off at its end is
    /// left out.
    pub(crate) fn frames(&self, stream: &Stream) -> [Vec<Frame>; 2] {
        let keys: BTreeMap<&str, [u8; 32]> = self
            .secrets
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                let (label, id, key) = (words.next()?, words.next()?, words.next()?);
                (hex(id) == stream.bytes[0][..64]).then(|| (label, hex(key).try_into().unwrap()))
            })
            .collect();
        let opened = |label: &str, sealed: &[u8]| {
            let mut opener = Opener::new(CipherKey::new(CipherSuite::default(), &keys[label]));
            let mut input = BytesMut::from(sealed);
            let mut frames = Vec::new();
            while let Some(frame) = opener.next_frame(&mut input).unwrap() {
                frames.push(frame);
            }
            frames
        };
        [opened("SV2_I2R", &stream.bytes[0][64..]), opened("SV2_R2I", &stream.bytes[1][234..])]
    }
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|index| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap())
        .collect()
}
