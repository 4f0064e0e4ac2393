//! Recorded streams as a growing pcapng file.

use std::net::SocketAddr;

use sv2::noise::SessionSecrets;
use sv2::time::Now;

use crate::pcapng::{self, Making};
use crate::tcp::{ACK, FIN, PSH, RST, SEGMENT_LEN_MAX, SYN, Segment};

/// A capture that is being written. What it writes is taken with [`Capture::take`] and
/// appended to a file: every call leaves whole blocks.
#[derive(Debug)]
pub struct Capture {
    out: Vec<u8>,
    /// How packets of each interface were made.
    interfaces: Vec<Making>,
    streams: Vec<Stream>,
    timeline: Timeline,
}

/// A stream of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(usize);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The side that opened the connection.
    ClientToServer,
    /// The side that accepted it.
    ServerToClient,
}

#[derive(Debug)]
struct Stream {
    client: SocketAddr,
    server: SocketAddr,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
    interface: u32,
}

/// Civil time of the first event, and from then on as the monotonic clock runs, which alone has
/// fractions of a second and never goes back.
#[derive(Debug, Default)]
struct Timeline {
    /// When the monotonic clock stood at zero, in nanoseconds since the Unix epoch.
    origin: Option<u64>,
}

impl Capture {
    /// An empty capture; `application` is named in its header.
    pub fn new(application: &str) -> Self {
        let mut out = Vec::new();
        pcapng::section_header(&mut out, application);
        pcapng::interface(&mut out, "sv2");
        let interfaces = vec![Making::Captured];
        Capture { out, interfaces, streams: Vec::new(), timeline: Timeline::default() }
    }

    /// An empty copy of a part of another capture: readers do not wait for what is not in it.
    pub fn copy(application: &str) -> Self {
        let mut out = Vec::new();
        pcapng::section_header(&mut out, application);
        pcapng::interface_of(&mut out, "whole", Making::Copied);
        pcapng::interface_of(&mut out, "selection", Making::Selected);
        let interfaces = vec![Making::Copied, Making::Selected];
        Capture { out, interfaces, streams: Vec::new(), timeline: Timeline::default() }
    }

    /// A connection is opened: three packets.
    pub fn open(&mut self, now: Now, client: SocketAddr, server: SocketAddr) -> StreamId {
        self.open_on(now, 0, client, server)
    }

    /// The same of a connection of a copy, and how that is made.
    pub fn open_copied(
        &mut self,
        now: Now,
        client: SocketAddr,
        server: SocketAddr,
        making: Making,
    ) -> StreamId {
        let interface = self.interface_of(making);
        self.open_on(now, interface, client, server)
    }

    /// A connection that was open before anything was captured.
    pub fn join(&mut self, client: SocketAddr, server: SocketAddr, making: Making) -> StreamId {
        let interface = self.interface_of(making);
        self.streams.push(Stream { client, server, next: [1, 1], interface });
        StreamId(self.streams.len() - 1)
    }

    /// Bytes are left out.
    pub fn skip(&mut self, stream: StreamId, direction: Direction, len: u64) {
        let next =
            &mut self.streams[stream.0].next[usize::from(direction == Direction::ServerToClient)];
        // Sequence numbers go round: what is further away would lie in the past.
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(SKIPPED_LEN_MAX);
        *next = next.wrapping_add(len);
    }

    /// Its number; an interface that is not there yet is described where it is needed first.
    fn interface_of(&mut self, making: Making) -> u32 {
        let known = self.interfaces.iter().position(|known| *known == making);
        let place = known.unwrap_or_else(|| {
            let name = if making.is_selection() { "redacted selection" } else { "redacted" };
            pcapng::interface_of(&mut self.out, name, making);
            self.interfaces.push(making);
            self.interfaces.len() - 1
        });
        u32::try_from(place).expect("there are five ways to make packets")
    }

    fn open_on(
        &mut self,
        now: Now,
        interface: u32,
        client: SocketAddr,
        server: SocketAddr,
    ) -> StreamId {
        let id = StreamId(self.streams.len());
        self.streams.push(Stream { client, server, next: [0, 0], interface });
        self.segment(now, id, Direction::ClientToServer, SYN, "", &[]);
        self.segment(now, id, Direction::ServerToClient, SYN | ACK, "", &[]);
        self.segment(now, id, Direction::ClientToServer, ACK, "", &[]);
        id
    }

    /// Bytes as they were on the wire. The comment stands at the first packet.
    pub fn bytes(
        &mut self,
        now: Now,
        stream: StreamId,
        direction: Direction,
        comment: &str,
        bytes: &[u8],
    ) {
        let mut comment = comment;
        for payload in bytes.chunks(SEGMENT_LEN_MAX) {
            self.segment(now, stream, direction, PSH | ACK, comment, payload);
            comment = "";
        }
    }

    /// The keys of a Noise session: before its first encrypted bytes, where readers expect them.
    pub fn secrets(&mut self, secrets: &SessionSecrets) {
        self.key_log(secrets.to_key_log().as_bytes());
    }

    /// Lines of a key log.
    pub fn key_log(&mut self, lines: &[u8]) {
        pcapng::secrets(&mut self.out, pcapng::SECRETS_SV2_KEY_LOG, lines);
    }

    /// One side ends the connection: FIN, or RST if it breaks off.
    pub fn close(&mut self, now: Now, stream: StreamId, direction: Direction, is_reset: bool) {
        let flags = if is_reset { RST | ACK } else { FIN | ACK };
        self.segment(now, stream, direction, flags, "", &[]);
    }

    /// Everything since the last call, to be appended to the file.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn segment(
        &mut self,
        now: Now,
        id: StreamId,
        direction: Direction,
        flags: u8,
        comment: &str,
        payload: &[u8],
    ) {
        let stream = &mut self.streams[id.0];
        let (from, to, ours, theirs, direction_flag) = match direction {
            Direction::ClientToServer => {
                (stream.client, stream.server, 0, 1, pcapng::FLAG_OUTBOUND)
            }
            Direction::ServerToClient => (stream.server, stream.client, 1, 0, pcapng::FLAG_INBOUND),
        };
        let (sequence, acknowledged) = (stream.next[ours], stream.next[theirs]);
        let acknowledged = if flags & ACK == 0 { 0 } else { acknowledged };
        // SYN and FIN take a number of their own.
        let phantom = u32::from(flags & (SYN | FIN) != 0);
        let len = u32::try_from(payload.len()).expect("segments are cut");
        stream.next[ours] = sequence.wrapping_add(len).wrapping_add(phantom);
        let packet = Segment { from, to, sequence, acknowledged, flags, payload }.to_packet();
        let (at, interface) = (self.timeline.stamp(now), stream.interface);
        pcapng::packet_of(&mut self.out, interface, at, direction_flag, comment, &packet);
    }
}

/// Bytes that one step leaves out: half of the numbers are those to come.
const SKIPPED_LEN_MAX: u32 = 1 << 30;

impl Timeline {
    /// In nanoseconds since the Unix epoch.
    fn stamp(&mut self, now: Now) -> u64 {
        let start = now.unix.0.saturating_mul(1_000_000_000).saturating_sub(now.instant.0);
        self.origin.get_or_insert(start).saturating_add(now.instant.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_parser::{Block, PcapBlockOwned, PcapNGReader, traits::PcapReaderIterator};
    use sv2::time::{Instant, UnixTime};

    /// What an independent reader finds: `(kind, data)` of each block.
    fn read_back(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut reader = PcapNGReader::new(1 << 20, file).unwrap();
        let mut found = Vec::new();
        while let Ok((consumed, block)) = reader.next() {
            match block {
                PcapBlockOwned::NG(Block::SectionHeader(_)) => found.push(("section", Vec::new())),
                PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
                    assert_eq!((block.linktype.0, block.if_tsresol), (101, 9));
                    found.push(("interface", Vec::new()));
                }
                PcapBlockOwned::NG(Block::DecryptionSecrets(block)) => {
                    assert_eq!(block.secrets_type.0, pcapng::SECRETS_SV2_KEY_LOG);
                    let len = usize::try_from(block.secrets_len).unwrap();
                    found.push(("secrets", block.data[..len].to_vec()));
                }
                PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                    let len = usize::try_from(block.caplen).unwrap();
                    found.push(("packet", block.data[..len].to_vec()));
                }
                _ => panic!("a block that we do not write"),
            }
            reader.consume(consumed);
        }
        found
    }

    fn recorded() -> Vec<u8> {
        let now = Now { instant: Instant(5), unix: UnixTime(1_700_000_000) };
        let mut capture = Capture::new("assay");
        let stream = capture.open(
            now,
            "127.0.0.1:50000".parse().unwrap(),
            "127.0.0.1:34254".parse().unwrap(),
        );
        capture.secrets(&SessionSecrets {
            act_1: [1; 64],
            initiator_to_responder: [2; 32],
            responder_to_initiator: [3; 32],
            handshake_ee: [4; 32],
            handshake_es: [5; 32],
        });
        capture.bytes(now, stream, Direction::ClientToServer, "act 1", &[7; 64]);
        capture.bytes(now, stream, Direction::ServerToClient, "", &[8; 70_000]);
        capture.close(now, stream, Direction::ServerToClient, false);
        capture.take()
    }

    #[test]
    fn another_reader_finds_every_block_and_the_keys() {
        let found = read_back(&recorded());

        let kinds: Vec<&str> = found.iter().map(|(kind, _)| *kind).collect();
        let packets = ["packet"; 3];
        assert_eq!(kinds[..5], [&["section", "interface"][..], &packets[..]].concat());
        // Act 1, two segments of the long write, FIN.
        assert_eq!(kinds[5..], ["secrets", "packet", "packet", "packet", "packet"]);
        assert!(found[5].1.starts_with(b"SV2_I2R 0101"), "{:?}", &found[5].1[..20]);
        assert_eq!(&found[6].1[40..], [7; 64]);
        assert_eq!(found[7].1.len() + found[8].1.len() - 80, 70_000);
    }

    #[test]
    fn time_passes_as_the_monotonic_clock_says_though_the_second_or_the_civil_clock_turns() {
        let mut timeline = Timeline::default();
        let rows = [
            (900_000_000, 1_700_000_000, 1_700_000_000_000_000_000),
            // The second turns with the civil clock, not where the other one is at zero.
            (1_100_000_000, 1_700_000_000, 1_700_000_000_200_000_000),
            (1_200_000_000, 1_700_000_001, 1_700_000_000_300_000_000),
            // Somebody sets the civil clock.
            (1_300_000_000, 1_600_000_000, 1_700_000_000_400_000_000),
        ];
        for (instant, unix, expected) in rows {
            let now = Now { instant: Instant(instant), unix: UnixTime(unix) };

            assert_eq!(timeline.stamp(now), expected, "{now:?}");
        }
    }

    #[test]
    fn a_capture_that_was_cut_off_is_readable_up_to_there() {
        let whole = recorded();
        let block_count = read_back(&whole).len();

        let cut = read_back(&whole[..whole.len() - 10]);

        assert_eq!(cut.len(), block_count - 1);
    }
}
