//! A capture without an end: streams come and go, and one file follows the other.
//!
//! Unlike [`Capture`](crate::Capture) it knows several interfaces, forgets streams that have ended,
//! takes bytes by their place in the stream (so that what was left out is a gap that every reader
//! sees), and can begin anew at any time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sv2::noise::SessionSecrets;

use crate::capture::Direction;
use crate::pcapng;
use crate::tcp::{ACK, FIN, PSH, RST, SEGMENT_LEN_MAX, SYN, Segment};

/// Turns what happens to streams into blocks. What it has written is taken with
/// [`Recording::take`] and appended to a file: every call leaves whole blocks.
#[derive(Debug)]
pub struct Recording {
    application: String,
    interfaces: Vec<Interface>,
    streams: BTreeMap<u64, Stream>,
    out: Vec<u8>,
}

#[derive(Debug)]
struct Interface {
    name: String,
    written_count: u64,
    dropped_count: u64,
}

#[derive(Debug)]
struct Stream {
    interface: u32,
    client: SocketAddr,
    server: SocketAddr,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
    has_ended: [bool; 2],
    secrets: Option<SessionSecrets>,
}

impl Recording {
    /// Begins a file. `application` is named in its header; interfaces are known by their
    /// position from then on.
    pub fn new(application: &str, interfaces: &[&str]) -> Self {
        let interface = |name: &&str| Interface {
            name: (*name).to_owned(),
            written_count: 0,
            dropped_count: 0,
        };
        let mut recording = Recording {
            application: application.to_owned(),
            interfaces: interfaces.iter().map(interface).collect(),
            streams: BTreeMap::new(),
            out: Vec::new(),
        };
        recording.begin();
        recording
    }

    /// Begins another file: header, interfaces, and the secrets of all streams that go on.
    pub fn begin(&mut self) {
        pcapng::section_header(&mut self.out, &self.application);
        for interface in &mut self.interfaces {
            pcapng::interface(&mut self.out, &interface.name);
            (interface.written_count, interface.dropped_count) = (0, 0);
        }
        for stream in self.streams.values() {
            if let Some(secrets) = &stream.secrets {
                write_secrets(&mut self.out, secrets);
            }
        }
    }

    /// A connection is opened: three packets. `nanoseconds` are since the Unix epoch, here and
    /// below.
    ///
    /// # Panics
    /// If there is no such interface.
    pub fn open(
        &mut self,
        nanoseconds: u64,
        stream: u64,
        interface: usize,
        client: SocketAddr,
        server: SocketAddr,
    ) {
        assert!(interface < self.interfaces.len(), "interfaces are named when a recording begins");
        let interface = u32::try_from(interface).expect("there are few interfaces");
        let opened = Stream {
            interface,
            client,
            server,
            next: [0, 0],
            has_ended: [false; 2],
            secrets: None,
        };
        self.streams.insert(stream, opened);
        self.segment(nanoseconds, stream, Direction::ClientToServer, SYN, "", &[]);
        self.segment(nanoseconds, stream, Direction::ServerToClient, SYN | ACK, "", &[]);
        self.segment(nanoseconds, stream, Direction::ClientToServer, ACK, "", &[]);
    }

    /// The keys of a stream: before its first encrypted bytes, and again in each file in which
    /// it goes on.
    pub fn secrets(&mut self, stream: u64, secrets: SessionSecrets) {
        write_secrets(&mut self.out, &secrets);
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.secrets = Some(secrets);
        }
    }

    /// Bytes as they were on the wire, the first of them `offset` bytes behind the beginning of
    /// the stream. The comment stands at the first packet; without bytes it has an empty packet of
    /// its own.
    pub fn bytes(
        &mut self,
        nanoseconds: u64,
        stream: u64,
        direction: Direction,
        offset: u64,
        comment: &str,
        bytes: &[u8],
    ) {
        let Some(known) = self.streams.get_mut(&stream) else { return };
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap (RFC 9293)")]
        let sequence = (offset as u32).wrapping_add(1);
        known.next[ours(direction)] = sequence;
        let mut comment = comment;
        if bytes.is_empty() {
            self.segment(nanoseconds, stream, direction, ACK, comment, &[]);
        }
        for payload in bytes.chunks(SEGMENT_LEN_MAX) {
            self.segment(nanoseconds, stream, direction, PSH | ACK, comment, payload);
            comment = "";
        }
    }

    /// One side ends the connection: FIN, or RST if it breaks off. A stream that was reset, or
    /// ended by both sides, is forgotten.
    pub fn close(&mut self, nanoseconds: u64, stream: u64, direction: Direction, is_reset: bool) {
        let Some(known) = self.streams.get_mut(&stream) else { return };
        known.has_ended[ours(direction)] = true;
        let is_over = is_reset || known.has_ended == [true; 2];
        let flags = if is_reset { RST | ACK } else { FIN | ACK };
        self.segment(nanoseconds, stream, direction, flags, "", &[]);
        if is_over {
            self.streams.remove(&stream);
        }
    }

    /// Packets of an interface that will never be written.
    ///
    /// # Panics
    /// If there is no such interface.
    pub fn dropped(&mut self, interface: usize, count: u64) {
        self.interfaces[interface].dropped_count += count;
    }

    /// Appends the counts of all interfaces.
    pub fn statistics(&mut self, nanoseconds: u64) {
        for (interface, index) in self.interfaces.iter().zip(0..) {
            let Interface { written_count, dropped_count, .. } = *interface;
            let received_count = written_count + dropped_count;
            let out = &mut self.out;
            pcapng::interface_statistics(out, index, nanoseconds, received_count, dropped_count);
        }
    }

    /// Streams that have been opened and have not ended.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// What waits to be taken, in bytes.
    pub fn untaken_len(&self) -> usize {
        self.out.len()
    }

    /// Everything since the last call, to be appended to the file.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn segment(
        &mut self,
        nanoseconds: u64,
        stream: u64,
        direction: Direction,
        flags: u8,
        comment: &str,
        payload: &[u8],
    ) {
        let Some(stream) = self.streams.get_mut(&stream) else { return };
        let (from, to, flag) = match direction {
            Direction::ClientToServer => (stream.client, stream.server, pcapng::FLAG_OUTBOUND),
            Direction::ServerToClient => (stream.server, stream.client, pcapng::FLAG_INBOUND),
        };
        let ours = ours(direction);
        let sequence = stream.next[ours];
        let acknowledged = if flags & ACK == 0 { 0 } else { stream.next[1 - ours] };
        // SYN and FIN take a number of their own.
        let phantom = u32::from(flags & (SYN | FIN) != 0);
        let len = u32::try_from(payload.len()).expect("segments are cut");
        stream.next[ours] = sequence.wrapping_add(len).wrapping_add(phantom);
        let packet = Segment { from, to, sequence, acknowledged, flags, payload }.to_packet();
        let interface = stream.interface;
        pcapng::packet_of(&mut self.out, interface, nanoseconds, flag, comment, &packet);
        self.interfaces[interface as usize].written_count += 1;
    }
}

fn ours(direction: Direction) -> usize {
    match direction {
        Direction::ClientToServer => 0,
        Direction::ServerToClient => 1,
    }
}

fn write_secrets(out: &mut Vec<u8>, secrets: &SessionSecrets) {
    let text = secrets.to_key_log();
    pcapng::secrets(out, pcapng::SECRETS_SV2_KEY_LOG, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_parser::{Block, PcapBlockOwned, PcapNGReader, traits::PcapReaderIterator};

    /// What an independent reader finds, a word for each block.
    fn words(file: &[u8]) -> Vec<String> {
        let mut reader = PcapNGReader::new(1 << 20, file).unwrap();
        let mut found = Vec::new();
        while let Ok((consumed, block)) = reader.next() {
            found.push(match block {
                PcapBlockOwned::NG(Block::SectionHeader(_)) => "section".to_owned(),
                PcapBlockOwned::NG(Block::InterfaceDescription(_)) => "interface".to_owned(),
                PcapBlockOwned::NG(Block::DecryptionSecrets(_)) => "secrets".to_owned(),
                PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                    let tcp = &block.data[20..];
                    let sequence = u32::from_be_bytes(*tcp[4..].first_chunk().unwrap());
                    let flags = tcp[13];
                    let len = block.caplen - 40;
                    format!("if{} seq {sequence} flags {flags:#04x} len {len}", block.if_id)
                }
                PcapBlockOwned::NG(Block::InterfaceStatistics(block)) => {
                    let options = block.options.iter();
                    let counts: Vec<u8> =
                        options.filter_map(|o| o.value.first().copied()).collect();
                    format!("statistics of if{}: {} {}", block.if_id, counts[0], counts[1])
                }
                _ => panic!("a block that we do not write"),
            });
            reader.consume(consumed);
        }
        found
    }

    fn opened() -> Recording {
        let mut recording = Recording::new("assay", &["down", "up"]);
        let [client, server] = ["10.0.0.1:1", "10.0.0.2:2"].map(|text| text.parse().unwrap());
        recording.open(1, 7, 1, client, server);
        recording
    }

    fn secrets() -> SessionSecrets {
        SessionSecrets {
            act_1: [1; 64],
            initiator_to_responder: [2; 32],
            responder_to_initiator: [3; 32],
            handshake_ee: [4; 32],
            handshake_es: [5; 32],
        }
    }

    #[test]
    fn bytes_that_were_left_out_are_a_gap_in_the_sequence_numbers_and_are_counted() {
        let mut recording = opened();
        recording.take();

        recording.bytes(2, 7, Direction::ClientToServer, 0, "", &[1; 10]);
        recording.dropped(1, 1);
        recording.bytes(3, 7, Direction::ClientToServer, 30, "", &[1; 5]);
        recording.statistics(4);

        let file = recording.take();
        let whole = [Recording::new("assay", &["down", "up"]).take(), file].concat();
        assert_eq!(
            words(&whole)[3..],
            [
                "if1 seq 1 flags 0x18 len 10",
                "if1 seq 31 flags 0x18 len 5",
                "statistics of if0: 0 0",
                // The three packets of the opening, two of data, and one that is missing.
                "statistics of if1: 6 1",
            ]
        );
    }

    #[test]
    fn the_next_file_has_the_secrets_of_streams_that_go_on_and_of_no_other() {
        let mut recording = opened();
        recording.secrets(7, secrets());
        recording.take();

        recording.begin();
        let going_on = words(&recording.take());
        recording.close(5, 7, Direction::ClientToServer, false);
        recording.close(5, 7, Direction::ServerToClient, false);
        recording.take();
        recording.begin();
        let ended = words(&recording.take());

        assert_eq!(going_on, ["section", "interface", "interface", "secrets"]);
        assert_eq!(ended, ["section", "interface", "interface"]);
        assert_eq!(recording.stream_count(), 0);
    }

    #[test]
    fn a_comment_without_bytes_has_a_packet_that_moves_nothing() {
        let mut recording = opened();

        recording.bytes(2, 7, Direction::ServerToClient, 9, "dropped by a rule", &[]);
        recording.bytes(3, 7, Direction::ServerToClient, 9, "", &[1]);

        let words = words(&recording.take());
        assert_eq!(words[6..], ["if1 seq 10 flags 0x10 len 0", "if1 seq 10 flags 0x18 len 1"]);
    }
}
