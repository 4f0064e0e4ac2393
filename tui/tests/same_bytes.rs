//! The same exchange in virtual time and on real sockets has the same bytes: networks of one
//! scenario, recorded by `assay up` and by `assay simulate`, leg by leg.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapNGReader};
use serde_json::Value;
use sv2::noise::{ACT_1_LEN, ACT_2_LEN, SEALED_HEADER_LEN, sealed_payload_len};

/// All roles of configuration A, with nothing that comes by chance but the moments of shares: no
/// block and no transaction.
const SCENARIO: &str = r#"
title = "Configuration A, held still"

[chain]
nbits = 0x1b100000
transactions = 20

[node.pool-node]
links = ["miner-node"]

[node.miner-node]

[role.pool-templates]
kind = "template-provider"
node = "pool-node"

[role.pool]
kind = "pool"
template_provider = "pool-templates"
shares_per_minute = 120
share_hashes_min = 5_000
vardiff = false

[role.declarator]
kind = "job-declarator-server"
pool = "pool"

[role.miner-templates]
kind = "template-provider"
node = "miner-node"
listen = "127.0.0.1:8443"

[role.client]
kind = "job-declarator-client"
upstream = "pool"
template_provider = "miner-templates"
mode = "full-template"
shares_per_minute = 120
vardiff = false

[role.proxy]
kind = "mining-proxy"
upstream = "client"
mode = "aggregated"
shares_per_minute = 120
vardiff = false

[role.miners]
kind = "mining-device"
upstream = "proxy"
channel = "standard"
count = 2
hash_rate = "50kH/s"

[role.extended-miners]
kind = "mining-device"
upstream = "proxy"
channel = "extended"
hash_rate = "50kH/s"
"#;

/// A connection, as far as both networks have brought it.
#[derive(Debug, Default)]
struct Leg {
    /// Bytes of the stream, above TCP, by the packets.
    packet_bytes: u64,
    handshake_bytes: u64,
    /// Each direction's messages in order, with their bytes on the wire.
    messages: [Vec<(String, u64)>; 2],
}

impl Leg {
    fn message_bytes(&self) -> u64 {
        self.messages.iter().flatten().map(|(_, bytes)| bytes).sum()
    }

    /// Messages and their bytes in each direction, up to the share, or its answer, of this number;
    /// all on connections that carry fewer. What comes of the moments of shares is left out.
    fn exchange(&self, share_count: usize) -> [(usize, u64); 2] {
        self.messages.each_ref().map(|messages| {
            let mut rest = share_count;
            let exchange = messages
                .iter()
                .filter(|(name, _)| !["SetTarget", "UpdateChannel"].contains(&name.as_str()));
            let exchange = exchange.take_while(|(name, _)| {
                let is_due = rest > 0;
                rest -= usize::from(is_due && name.starts_with("SubmitShares"));
                is_due
            });
            exchange.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes))
        })
    }
}

/// The legs of a capture, by what their clients say of themselves.
fn legs(capture: &Path) -> Vec<(String, Leg)> {
    let output = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["decode", "-o", "jsonl"])
        .arg(capture)
        .env_remove("SV2KEYLOGFILE")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut legs = BTreeMap::<String, (String, Leg)>::new();
    let mut ends = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let connection = line["conn"].as_str().unwrap().to_owned();
        let (name, leg) = legs.entry(connection.clone()).or_default();
        match line["event"].as_str() {
            Some("opened") => {
                let port = |end: &str| {
                    line[end].as_str().unwrap().rsplit(':').next().unwrap().parse::<u16>().unwrap()
                };
                ends.insert([port("client"), port("server")], connection);
            }
            Some("handshake") => leg.handshake_bytes = (ACT_1_LEN + ACT_2_LEN) as u64,
            Some(_) => {}
            None => {
                let message = line["msg"].as_str().unwrap();
                if message == "SetupConnection" {
                    let said = &line["f"];
                    *name = format!("{} by {}", said["protocol"], said["hardware_version"]);
                }
                let len = usize::try_from(line["len"].as_u64().unwrap()).unwrap();
                let bytes = (SEALED_HEADER_LEN + sealed_payload_len(len)) as u64;
                let direction = usize::from(line["dir"] == "down");
                leg.messages[direction].push((message.to_owned(), bytes));
            }
        }
    }
    for ([from, to], len) in payloads(capture) {
        let connection = ends.get(&[from, to]).or_else(|| ends.get(&[to, from])).unwrap();
        legs.get_mut(connection).unwrap().1.packet_bytes += len;
    }
    legs.into_values().collect()
}

/// Ports and payload of each packet; what we write has IPv4 and no options.
fn payloads(capture: &Path) -> Vec<([u16; 2], u64)> {
    let file = std::fs::File::open(capture).unwrap();
    let mut reader = PcapNGReader::new(1 << 20, file).unwrap();
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                if let PcapBlockOwned::NG(Block::EnhancedPacket(block)) = block {
                    let tcp = &block.data[IPV4_LEN..];
                    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
                    let len = u64::from(block.caplen) - (IPV4_LEN + TCP_LEN) as u64;
                    found.push(([port(0), port(2)], len));
                }
                reader.consume(consumed);
            }
            Err(pcap_parser::PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(pcap_parser::PcapError::Eof) => return found,
            Err(error) => panic!("{error}"),
        }
    }
}

const IPV4_LEN: usize = 20;
const TCP_LEN: usize = 20;

/// The one capture in a folder.
fn capture_in(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let captures: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "pcapng")).collect();
    let [capture] = captures.try_into().unwrap();
    capture
}

#[test]
fn an_exchange_has_the_same_bytes_in_virtual_time_and_on_sockets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("still.toml"), SCENARIO).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        let output = command.current_dir(folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };

    run(&["up", "still.toml", "--free-ports", "--until", "shares=200", "--record", "live"]);
    run(&["simulate", "still.toml", "--for", "1min", "--output", "virtual", "--capture"]);

    let of = |folder_name: &str| {
        let mut legs = legs(&capture_in(&folder.path().join(folder_name)));
        // Readiness is asked for on connections of its own, which say nothing that counts.
        legs.retain(|(_, leg)| leg.messages[1].len() > 1);
        legs.sort_by_key(|(name, leg)| (name.clone(), leg.exchange(SHARE_COUNT)));
        legs
    };
    let (live, simulated) = (of("live"), of("virtual"));
    for (name, leg) in live.iter().chain(&simulated) {
        assert_eq!(leg.handshake_bytes + leg.message_bytes(), leg.packet_bytes, "{name}");
    }
    let exchanges = |legs: &[(String, Leg)]| -> Vec<(String, [(usize, u64); 2])> {
        legs.iter().map(|(name, leg)| (name.clone(), leg.exchange(SHARE_COUNT))).collect()
    };
    assert_eq!(exchanges(&live).len(), 8, "{live:?}");
    assert_eq!(exchanges(&live), exchanges(&simulated));
}

/// That each connection of the mining protocol has carried when it is compared.
const SHARE_COUNT: usize = 10;
