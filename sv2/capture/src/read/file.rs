//! Capture files as packets and secrets: pcap and pcapng of either byte order, however their
//! bytes arrive. A corrupt block is stepped over where its length can be believed.

use std::io::{self, Read};

use pcap_parser::pcapng::{Block, parse_block_be, parse_block_le};
use pcap_parser::{parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};
use thiserror::Error;

use crate::pcapng::{IF_DESCRIPTION, Making, SECRETS_SV2_KEY_LOG};

/// Longest block that is read, in bytes: a packet is at most 256 KiB, a block of secrets more.
pub const BLOCK_LEN_MAX: usize = 16 << 20;
/// Interfaces that one section may have.
pub const INTERFACES_MAX: usize = 4096;

/// A packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// From 1, as other tools number them.
    pub number: u64,
    /// Where its block starts, in bytes of the (unpacked) file.
    pub position: u64,
    /// Nanoseconds since the Unix epoch.
    pub at: u64,
    /// What the data starts with, as registered for pcap (LINKTYPE_*).
    pub link_type: u32,
    /// What was captured of it.
    pub data: &'a [u8],
    /// Where that lies, in bytes of the (unpacked) file.
    pub data_at: u64,
    /// How it came into the file.
    pub making: Making,
    /// Of its block, as they stand there; none in pcap.
    pub options: Options<'a>,
}

/// What is said of a packet beside its data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// As in the file.
    pub bytes: &'a [u8],
    /// Byte order of the file.
    pub is_big_endian: bool,
}

impl<'a> Options<'a> {
    /// The first comment (`opt_comment`).
    pub fn comment(&self) -> Option<&'a str> {
        const COMMENT: u16 = 1;
        let half = |bytes: [u8; 2]| match self.is_big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        };
        let mut rest = self.bytes;
        while let Some(([a, b, c, d], body)) = rest.split_first_chunk() {
            let len = usize::from(half([*c, *d]));
            let value = body.get(..len)?;
            match half([*a, *b]) {
                0 => return None,
                COMMENT => return std::str::from_utf8(value).ok(),
                _ => rest = body.get(len.next_multiple_of(4)..)?,
            }
        }
        None
    }
}

/// What a file consists of.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// The text of an SV2 key log.
    Secrets(&'a [u8]),
    /// Something that was stepped over, in words.
    Skipped(&'static str),
    /// The header of a file or of a section, the description of an interface, or a block of
    /// which nothing is needed: only whoever copies a file needs its bytes.
    Other,
}

/// Reads a capture from its beginning to its end.
#[derive(Debug)]
pub struct PacketReader<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of `buffer[start]`.
    position: u64,
    packets: u64,
    format: Option<Format>,
    /// Of the last item, in the buffer.
    block: std::ops::Range<usize>,
    steps_over_packets: bool,
}

#[derive(Debug)]
enum Format {
    Pcap { is_big_endian: bool, is_nanoseconds: bool, link_type: u32 },
    Pcapng { is_big_endian: bool, interfaces: Vec<Interface> },
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u32,
    /// Units of a stamp in a second.
    resolution: u64,
    /// Seconds to be added.
    offset: i64,
    making: Making,
}

impl<R: Read> PacketReader<R> {
    /// Nothing is read yet.
    pub fn new(input: R) -> Self {
        PacketReader {
            input,
            buffer: vec![0; 1 << 20],
            start: 0,
            end: 0,
            position: 0,
            packets: 0,
            format: None,
            block: 0..0,
            steps_over_packets: false,
        }
    }

    /// For whoever looks for anything but packets: nearly all of them are left out.
    pub fn stepping_over_packets(mut self) -> Self {
        self.steps_over_packets = true;
        self
    }

    /// The next packet or secret; `None` at the end of the file. After a `None` it may be asked
    /// again: a file can have grown.
    ///
    /// # Errors
    /// [`FileError`]; what was returned before stands.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, FileError> {
        if self.format.is_none() {
            if !self.open()? {
                return Ok(None);
            }
            if matches!(self.format, Some(Format::Pcap { .. })) {
                return Ok(Some(Item::Other));
            }
        }
        while let Some(len) = self.packet_at_hand() {
            let position = self.take_block(len);
            self.packets += 1;
            if !self.steps_over_packets {
                return Ok(Some(self.packet(position)));
            }
        }
        let len = match self.block_len() {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(None),
            Err(FileError::Corrupt { position }) => {
                return match self.find_block()? {
                    true => Ok(Some(Item::Skipped("a stretch that is no block"))),
                    false => Err(FileError::Corrupt { position }),
                };
            }
            Err(error) => return Err(error),
        };
        if !self.fill(len)? {
            return Ok(None);
        }
        let position = self.take_block(len);
        match self.kind_of_block() {
            BlockKind::Packet => {
                self.packets += 1;
                Ok(Some(self.packet(position)))
            }
            BlockKind::Secrets => {
                let Some(text) = self.secrets() else { return Ok(Some(Item::Other)) };
                let text = self.block.start + text.start..self.block.start + text.end;
                Ok(Some(Item::Secrets(&self.buffer[text])))
            }
            BlockKind::Section | BlockKind::Interface => {
                let described = self.describe();
                Ok(Some(described.err().map_or(Item::Other, Item::Skipped)))
            }
            BlockKind::Other => Ok(Some(Item::Other)),
        }
    }

    /// The bytes of the block that the last item came from.
    pub fn block(&self) -> &[u8] {
        &self.buffer[self.block.clone()]
    }

    /// Bytes behind the last whole block: more than none at the end of a file that was cut off.
    pub fn rest_len(&self) -> usize {
        self.end - self.start
    }

    /// Bytes of the file that were read as blocks.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Recognises the format; false if not even that has arrived.
    fn open(&mut self) -> Result<bool, FileError> {
        if !self.fill(PCAP_HEADER_LEN)? {
            return match self.end {
                0 => Err(FileError::Empty),
                len if len < 4 => Err(FileError::Foreign { what: "fewer than four bytes" }),
                _ if looks_like_capture(&self.buffer[..self.end]) => Ok(false),
                _ => Err(FileError::Foreign { what: foreign(&self.buffer[..self.end]) }),
            };
        }
        let head = &self.buffer[self.start..self.end];
        if head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            let is_big_endian = head[8..12] == [0x1a, 0x2b, 0x3c, 0x4d];
            self.format = Some(Format::Pcapng { is_big_endian, interfaces: Vec::new() });
            return Ok(true);
        }
        let Ok((_, header)) = parse_pcap_header(head) else {
            return Err(FileError::Foreign { what: foreign(head) });
        };
        if header.is_modified_format() {
            return Err(FileError::Foreign { what: "pcap in the form of an old patch" });
        }
        self.format = Some(Format::Pcap {
            is_big_endian: header.is_bigendian(),
            is_nanoseconds: header.is_nanosecond_precision(),
            // The upper bits say whether there is a checksum.
            link_type: header.network.0.cast_unsigned() & 0xffff,
        });
        self.take_block(PCAP_HEADER_LEN);
        Ok(true)
    }

    /// Length of the block that comes, where that is a packet of pcapng and whole in the buffer, as
    /// nearly all are.
    fn packet_at_hand(&self) -> Option<usize> {
        let Some(Format::Pcapng { is_big_endian, .. }) = self.format else { return None };
        let held = &self.buffer[self.start..self.end];
        let [a, b, c, d, e, f, g, h] = *held.first_chunk()?;
        let word = |bytes: [u8; 4]| match is_big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        };
        let (kind, len) = (word([a, b, c, d]), word([e, f, g, h]) as usize);
        let is_block = (12..=BLOCK_LEN_MAX).contains(&len) && len.is_multiple_of(4);
        (matches!(kind, 3 | 6) && is_block && len <= held.len()).then_some(len)
    }

    /// Goes behind a block, and returns where it stood.
    fn take_block(&mut self, len: usize) -> u64 {
        let position = self.position;
        self.block = self.start..self.start + len;
        self.start += len;
        self.position += len as u64;
        position
    }

    /// Length of the block that comes; `None` if its head has not arrived.
    fn block_len(&mut self) -> Result<Option<usize>, FileError> {
        let is_pcap = matches!(self.format, Some(Format::Pcap { .. }));
        let head_len = if is_pcap { 16 } else { 12 };
        if !self.fill(head_len)? {
            return Ok(None);
        }
        let position = self.position;
        let head = &self.buffer[self.start..self.start + head_len];
        let word = |at: usize, is_big_endian: bool| {
            let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            let word =
                if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
            word as usize
        };
        let len = match self.format.as_mut() {
            None => return Ok(None),
            Some(Format::Pcap { is_big_endian, .. }) => 16 + word(8, *is_big_endian),
            Some(Format::Pcapng { is_big_endian, interfaces }) => {
                if head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                    // A section has a byte order and interfaces of its own.
                    *is_big_endian = head[8..12] == [0x1a, 0x2b, 0x3c, 0x4d];
                    interfaces.clear();
                }
                let len = word(4, *is_big_endian);
                if len < 12 || !len.is_multiple_of(4) {
                    return Err(FileError::Corrupt { position });
                }
                len
            }
        };
        if len > BLOCK_LEN_MAX {
            return Err(FileError::Corrupt { position });
        }
        Ok(Some(len))
    }

    /// Goes on to a block of pcapng behind a place where there is none; false if none is found.
    /// Each has its length in front and behind, which no other bytes soon have.
    fn find_block(&mut self) -> Result<bool, FileError> {
        let Some(Format::Pcapng { is_big_endian, .. }) = self.format else { return Ok(false) };
        self.block = self.start..self.start;
        let mut has_ended = false;
        for _ in 0..SEARCH_LEN_MAX {
            self.start += 1;
            self.position += 1;
            if !self.fill(12)? {
                return Ok(false);
            }
            let head = &self.buffer[self.start..];
            let word = |head: &[u8]| {
                let bytes: [u8; 4] = head.first_chunk().copied().unwrap_or_default();
                if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
            };
            let (kind, len) = (word(head), word(&head[4..]) as usize);
            let is_known = matches!(kind, 1 | 3..=6 | 10 | 0x0a0d_0d0a);
            if !is_known || !(12..=FOUND_LEN_MAX).contains(&len) || !len.is_multiple_of(4) {
                continue;
            }
            let is_there = self.end - self.start >= len || !has_ended && self.fill(len)?;
            has_ended |= !is_there;
            if is_there && word(&self.buffer[self.start + len - 4..]) as usize == len {
                // Nothing of it was taken yet.
                self.block = self.start..self.start;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has at least `len` bytes in the buffer; false at the end of the file.
    fn fill(&mut self, len: usize) -> Result<bool, FileError> {
        while self.end - self.start < len {
            if self.start + len > self.buffer.len() {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                // Twice as much: who searches byte by byte moves what is held once in a while only.
                if 2 * len > self.buffer.len() {
                    self.buffer.resize((2 * len).next_power_of_two(), 0);
                }
            }
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::Read(error)),
            }
        }
        Ok(true)
    }

    fn kind_of_block(&self) -> BlockKind {
        let Some(Format::Pcapng { is_big_endian, .. }) = self.format else {
            return BlockKind::Packet;
        };
        let block = &self.buffer[self.block.clone()];
        let bytes = [block[0], block[1], block[2], block[3]];
        let number =
            if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        match number {
            0x0a0d_0d0a => BlockKind::Section,
            1 => BlockKind::Interface,
            3 | 6 => BlockKind::Packet,
            10 => BlockKind::Secrets,
            _ => BlockKind::Other,
        }
    }

    fn describe(&mut self) -> Result<(), &'static str> {
        let Some(Format::Pcapng { is_big_endian, interfaces }) = self.format.as_mut() else {
            return Ok(());
        };
        let block = &self.buffer[self.block.clone()];
        let parse = if *is_big_endian { parse_block_be } else { parse_block_le };
        match parse(block) {
            Ok((_, Block::InterfaceDescription(block))) => {
                if interfaces.len() == INTERFACES_MAX {
                    return Err("an interface above 4,096");
                }
                let mut options = block.options.iter();
                let description = options.find(|option| option.code.0 == IF_DESCRIPTION);
                interfaces.push(Interface {
                    making: description.map_or(Making::Captured, |it| Making::of(&it.value)),
                    link_type: block.linktype.0.cast_unsigned(),
                    resolution: block.ts_resolution().unwrap_or(1_000_000),
                    offset: block.ts_offset(),
                });
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(_) => Err("a corrupt description of an interface or a section"),
        }
    }

    fn secrets(&self) -> Option<std::ops::Range<usize>> {
        let Some(Format::Pcapng { is_big_endian, .. }) = self.format else { return None };
        let parse = if is_big_endian { parse_block_be } else { parse_block_le };
        let Ok((_, Block::DecryptionSecrets(block))) = parse(&self.buffer[self.block.clone()])
        else {
            return None;
        };
        if block.secrets_type.0 != SECRETS_SV2_KEY_LOG {
            return None;
        }
        // The parser leaves the padding in.
        let len = block.data.len().min(block.secrets_len as usize);
        Some(SECRETS_AT..SECRETS_AT + len)
    }

    fn packet(&self, position: u64) -> Item<'_> {
        let block = &self.buffer[self.block.clone()];
        let number = self.packets;
        match &self.format {
            Some(Format::Pcap { is_big_endian, is_nanoseconds, link_type }) => {
                let parse = if *is_big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
                let Ok((_, frame)) = parse(block) else { return CORRUPT_PACKET };
                let fraction = u64::from(frame.ts_usec) * if *is_nanoseconds { 1 } else { 1000 };
                let at = u64::from(frame.ts_sec) * NANOSECONDS + fraction;
                let link_type = *link_type;
                let data_at = position + PCAP_PACKET_DATA_AT;
                Item::Packet(Packet {
                    number,
                    position,
                    at,
                    link_type,
                    data: frame.data,
                    data_at,
                    making: Making::Captured,
                    options: Options::default(),
                })
            }
            Some(Format::Pcapng { is_big_endian, interfaces }) => {
                if block.first() == Some(&3) || block.get(3) == Some(&3) {
                    return simple_packet(*is_big_endian, interfaces, block, number, position);
                }
                enhanced_packet(*is_big_endian, interfaces, block, number, position)
            }
            None => CORRUPT_PACKET,
        }
    }
}

/// A packet with interface and stamp. Read here and not by the parser of the other blocks: that
/// one collects options, of which none is needed, and nine of ten blocks are of this kind.
fn enhanced_packet<'a>(
    is_big_endian: bool,
    interfaces: &[Interface],
    block: &'a [u8],
    number: u64,
    position: u64,
) -> Item<'a> {
    const DATA_AT: usize = 28;
    let word = |at: usize| {
        let bytes = block.get(at..).and_then(|rest| rest.first_chunk()).copied();
        let bytes: [u8; 4] = bytes.unwrap_or_default();
        if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    let end = block.len().saturating_sub(4);
    let len = word(20) as usize;
    let data = block.get(DATA_AT..end).and_then(|body| body.get(..len));
    let (Some(data), true) = (data, word(end) as usize == block.len()) else {
        return CORRUPT_PACKET;
    };
    let Some(interface) = interfaces.get(word(8) as usize) else {
        return Item::Skipped("a packet of an interface that is not described");
    };
    let at = interface.nanoseconds(u64::from(word(12)) << 32 | u64::from(word(16)));
    let (link_type, making) = (interface.link_type, interface.making);
    let data_at = position + DATA_AT as u64;
    let options_at = DATA_AT + len.next_multiple_of(4);
    let bytes = block.get(options_at..end).unwrap_or_default();
    let options = Options { bytes, is_big_endian };
    Item::Packet(Packet { number, position, at, link_type, data, data_at, making, options })
}

/// A packet without a stamp.
fn simple_packet<'a>(
    is_big_endian: bool,
    interfaces: &[Interface],
    block: &'a [u8],
    number: u64,
    position: u64,
) -> Item<'a> {
    let parse = if is_big_endian { parse_block_be } else { parse_block_le };
    match (parse(block), interfaces.first()) {
        (Ok((_, Block::SimplePacket(packet))), Some(interface)) => {
            let len = packet.data.len().min(packet.origlen as usize);
            let data = &packet.data[..len];
            let (link_type, making) = (interface.link_type, interface.making);
            let data_at = position + SIMPLE_PACKET_DATA_AT;
            let options = Options::default();
            let at = 0;
            Item::Packet(Packet { number, position, at, link_type, data, data_at, making, options })
        }
        _ => CORRUPT_PACKET,
    }
}

impl Interface {
    fn nanoseconds(&self, stamp: u64) -> u64 {
        let nanoseconds = match self.resolution {
            NANOSECONDS => stamp,
            1_000_000 => stamp.saturating_mul(1000),
            resolution => {
                let exact =
                    u128::from(stamp) * u128::from(NANOSECONDS) / u128::from(resolution.max(1));
                u64::try_from(exact).unwrap_or(u64::MAX)
            }
        };
        let offset = self.offset.saturating_mul(NANOSECONDS.cast_signed());
        nanoseconds.saturating_add_signed(offset)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockKind {
    Section,
    Interface,
    Packet,
    Secrets,
    Other,
}

/// Why a file cannot be read on.
#[derive(Debug, Error)]
pub enum FileError {
    /// No byte at all.
    #[error("the file is empty")]
    Empty,
    /// Neither pcap nor pcapng.
    #[error("this is no capture but {what}; pcap and pcapng are read, also packed by gzip or zstd")]
    Foreign {
        /// What it seems to be.
        what: &'static str,
    },
    /// A length that cannot be.
    #[error("the file is corrupt at byte {position}: a block has an impossible length")]
    Corrupt {
        /// Of the block, in bytes of the (unpacked) file.
        position: u64,
    },
    /// The world failed.
    #[error("cannot read: {0}")]
    Read(io::Error),
}

fn looks_like_capture(head: &[u8]) -> bool {
    let magics: [[u8; 4]; 5] = [
        [0x0a, 0x0d, 0x0d, 0x0a],
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
    ];
    magics.iter().any(|magic| head.starts_with(magic))
}

fn foreign(head: &[u8]) -> &'static str {
    match head {
        [0x1f, 0x8b, ..] => "a gzip file within another",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd file within another",
        [b'S', b'V', b'2', b'_', ..] | [b'#', ..] => "a text, perhaps a key log (--key-log)",
        [0x7f, b'E', b'L', b'F', ..] => "a program",
        [b'P', b'K', 3, 4, ..] => "a zip file",
        _ if head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "a text"
        }
        _ => "something else",
    }
}

/// Bytes in which a block is searched for.
const SEARCH_LEN_MAX: u64 = 64 << 20;
/// Longest block that is taken for one where none begins for sure: a packet is at most 256 KiB.
const FOUND_LEN_MAX: usize = 1 << 20;
const CORRUPT_PACKET: Item<'static> = Item::Skipped("a corrupt packet");
const NANOSECONDS: u64 = 1_000_000_000;
const PCAP_HEADER_LEN: usize = 24;
/// Of the data, behind the start of a packet of pcap.
const PCAP_PACKET_DATA_AT: u64 = 16;
/// Of the data, in the block of a packet without a stamp.
const SIMPLE_PACKET_DATA_AT: u64 = 12;
/// Of the text in a block of secrets.
pub const SECRETS_AT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> (Vec<&'static str>, Option<FileError>, usize) {
        let mut reader = PacketReader::new(bytes);
        let mut kinds = Vec::new();
        loop {
            match reader.next_item() {
                Ok(Some(Item::Packet(_))) => kinds.push("packet"),
                Ok(Some(Item::Secrets(_))) => kinds.push("secrets"),
                Ok(Some(Item::Skipped(why))) => kinds.push(why),
                Ok(Some(Item::Other)) => {}
                Ok(None) => return (kinds, None, reader.rest_len()),
                Err(error) => return (kinds, Some(error), reader.rest_len()),
            }
        }
    }

    #[test]
    fn what_is_no_capture_is_named() {
        let rows: [(&[u8], &str); 5] = [
            (b"", "the file is empty"),
            (b"ab", "fewer than four bytes"),
            (b"hello, this is a text of some length", "a text"),
            (b"\x7fELF_______________________", "a program"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "something else"),
        ];
        for (bytes, expected) in rows {
            let (_, error, _) = kinds(bytes);
            assert!(error.is_some_and(|error| error.to_string().contains(expected)), "{expected}");
        }
    }

    #[test]
    fn pcap_of_either_order_and_precision_has_the_same_stamp() {
        for (is_big_endian, magic, fraction) in [
            (false, 0xa1b2_c3d4_u32, 7_u32),
            (true, 0xa1b2_c3d4, 7),
            (false, 0xa1b2_3c4d, 7000),
            (true, 0xa1b2_3c4d, 7000),
        ] {
            let word = |word: u32| {
                if is_big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
            };
            let half = |half: u16| {
                if is_big_endian { half.to_be_bytes() } else { half.to_le_bytes() }
            };
            let mut file = [word(magic).as_slice(), &half(2), &half(4)].concat();
            for value in [0, 0, 65535, 101, 3, fraction, 2, 2] {
                file.extend_from_slice(&word(value));
            }
            file.extend_from_slice(b"ab");

            let mut reader = PacketReader::new(&file[..]);
            assert!(matches!(reader.next_item(), Ok(Some(Item::Other))));
            let Ok(Some(Item::Packet(packet))) = reader.next_item() else { panic!("a packet") };

            assert_eq!(
                (packet.at, packet.link_type, packet.data),
                (3_000_007_000, 101, &b"ab"[..])
            );
        }
    }

    /// Counts how often it is asked.
    struct Asked<'a>(&'a [u8], std::rc::Rc<std::cell::Cell<u32>>);

    impl Read for Asked<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.set(self.1.get() + 1);
            self.0.read(buffer)
        }
    }

    #[test]
    fn what_looks_like_long_blocks_everywhere_is_not_read_again_and_again() {
        let mut file = Vec::new();
        crate::pcapng::section_header(&mut file, "assay");
        // No block has such a length; behind it each eight bytes begin like one of a megabyte.
        file.extend([0xff; 8]);
        let head = [6_u32, (1 << 20) - 4].map(u32::to_le_bytes).concat();
        file.extend(head.repeat((4 << 20) / head.len()));
        let asked = std::rc::Rc::default();
        let mut reader = PacketReader::new(Asked(&file, std::rc::Rc::clone(&asked)));

        while let Ok(Some(_)) = reader.next_item() {}

        assert!(asked.get() < 200, "{}", asked.get());
    }

    #[test]
    fn what_is_corrupt_is_stepped_over_and_ends_the_file_where_nothing_follows() {
        let mut file = Vec::new();
        crate::pcapng::section_header(&mut file, "assay");
        crate::pcapng::interface(&mut file, "sv2");
        let first = file.len();
        for _ in 0..2 {
            crate::pcapng::packet(&mut file, 5, 0, "", b"data");
        }
        file[first + 20..first + 24].copy_from_slice(&999_u32.to_le_bytes());
        assert_eq!(kinds(&file).0, ["a corrupt packet", "packet"]);

        file[first + 4..first + 8].copy_from_slice(&u32::MAX.to_le_bytes());

        assert_eq!(kinds(&file).0, ["a stretch that is no block", "packet"]);

        file.truncate(file.len() - 1);
        let (found, error, _) = kinds(&file);
        assert!(found.is_empty());
        assert!(matches!(error, Some(FileError::Corrupt { position }) if position == first as u64));
    }
}
