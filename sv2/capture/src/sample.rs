//! A capture of devices that send shares, of any length: for benchmarks and for trying tools.
//! The same arguments give the same bytes.
//!
//! Each connection is a whole conversation: handshake, set-up, an extended channel, jobs and
//! blocks as shares need them, and answers. Nothing in it is wrong.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::mining::{
    NewExtendedMiningJob, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesExtended, SubmitSharesSuccess,
};
use sv2::noise::{
    ACT_1_LEN, AuthoritySecretKey, CipherSuite, Identity, Initiator, Responder, Sealer, StaticKey,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B32, B64K, Seq255, Str255, Target, Tlvs, U256};

use crate::{Capture, Direction, StreamId};

/// Shares of a connection for each acknowledgement.
const BATCH: u32 = 8;
/// Shares of a connection for each job.
const SHARES_PER_JOB: u32 = 64;
/// Jobs for each block.
const JOBS_PER_BLOCK: u32 = 8;
const CHANNEL_ID: u32 = 1;
/// Of a device, in hashes a second.
const NOMINAL_HASH_RATE: f32 = 30.0;
/// When the capture begins, in seconds since the Unix epoch.
const BEGIN: u64 = 1_700_000_000;

/// The capture, in pieces.
#[derive(Debug)]
pub struct ShareCapture {
    capture: Capture,
    connections: Vec<Connection>,
    identity: Option<Identity>,
    entropy: Entropy,
    /// Nanoseconds since the beginning.
    at: u64,
    messages: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: StreamId,
    /// Of client and server, where the connection is encrypted.
    sealers: Option<[Sealer; 2]>,
    sequence_number: u32,
}

impl ShareCapture {
    /// `connection_count` devices, encrypted with their keys in the file, or in clear.
    pub fn new(connection_count: u16, is_sealed: bool) -> Self {
        let mut entropy = Entropy::from_seed(6);
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let key = StaticKey::generate(&mut entropy);
        let (from, until) = (1_600_000_000, 1_800_000_000);
        let identity = is_sealed.then(|| Identity::new(&authority, key, from, until, &mut entropy));
        let capture = Capture::new("assay");
        let mut sample = ShareCapture {
            capture,
            connections: Vec::new(),
            identity,
            entropy,
            at: 0,
            messages: 0,
            bytes: Vec::new(),
        };
        for index in 0..connection_count {
            sample.open(index);
        }
        sample
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The next piece of the file, with so many shares and their acknowledgements; the first
    /// begins with headers and handshakes.
    pub fn next_piece(&mut self, share_count: usize) -> Vec<u8> {
        for _ in 0..share_count {
            self.share();
        }
        self.capture.take()
    }

    fn now(&self) -> Now {
        Now { instant: Instant(self.at), unix: UnixTime(BEGIN + self.at / 1_000_000_000) }
    }

    fn open(&mut self, index: u16) {
        let [high, low] = index.to_be_bytes();
        let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), 50_000);
        let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 34_254);
        let now = self.now();
        let stream = self.capture.open(now, client, server);
        let sealers = self.identity.as_ref().map(|identity| {
            let suite = CipherSuite::ChaChaPoly;
            let initiator = Initiator::new(suite, None, &mut self.entropy);
            let act_1: [u8; ACT_1_LEN] = initiator.act_1();
            let (act_2, server) = Responder::respond(suite, identity, &act_1, &mut self.entropy);
            let (client, _) = initiator.finish(&act_2, now.unix).expect("both acts are ours");
            self.capture.bytes(now, stream, Direction::ClientToServer, "", &act_1);
            self.capture.bytes(now, stream, Direction::ServerToClient, "", &act_2);
            self.capture.secrets(&client.secrets);
            [client.sealer, server.sealer]
        });
        self.connections.push(Connection { stream, sealers, sequence_number: 0 });
        self.set_up(index);
    }

    /// Until the device has work.
    fn set_up(&mut self, index: u16) {
        let connection = usize::from(index);
        let (up, down) = (Direction::ClientToServer, Direction::ServerToClient);
        let setup = SetupConnection {
            min_version: 2,
            max_version: 2,
            endpoint_host: Str255::from_static("10.0.0.1"),
            endpoint_port: 34_254,
            vendor: Str255::from_static("Assay"),
            hardware_version: Str255::from_static("sample"),
            firmware: Str255::from_static("1"),
            ..SetupConnection::default()
        };
        self.send(connection, up, &setup.into());
        let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
        self.send(connection, down, &success.into());
        let open = OpenExtendedMiningChannel {
            request_id: 1,
            user_identity: Str255::from_static("farm.device"),
            nominal_hash_rate: NOMINAL_HASH_RATE,
            max_target: Target(U256::MAX),
            min_extranonce_size: 4,
        };
        self.send(connection, up, &open.into());
        // Devices have search spaces of their own.
        let [high, low] = index.to_be_bytes();
        let success = OpenExtendedMiningChannelSuccess {
            request_id: 1,
            channel_id: CHANNEL_ID,
            target: Target(U256::MAX),
            extranonce_size: 8,
            extranonce_prefix: B32::new(&[0, high, low]).expect("three bytes fit"),
            group_channel_id: 2,
        };
        self.send(connection, down, &success.into());
        self.job(connection, 0);
    }

    /// A job; the first of a block is told of before the block.
    fn job(&mut self, connection: usize, job_id: u32) {
        let now = self.now().unix.to_u32();
        let is_future = job_id.is_multiple_of(JOBS_PER_BLOCK);
        let block = job_id / JOBS_PER_BLOCK;
        self.send(
            connection,
            Direction::ServerToClient,
            &extended_job(job_id, is_future, now).into(),
        );
        if is_future {
            let tip = SetNewPrevHash {
                channel_id: CHANNEL_ID,
                job_id,
                prev_hash: U256::from_limbs([block.into(), 7, 7, 7]),
                min_ntime: now,
                nbits: 0x1d00_ffff,
            };
            self.send(connection, Direction::ServerToClient, &tip.into());
        }
    }

    fn share(&mut self) {
        let count = self.connections.len() as u64;
        if count == 0 {
            return;
        }
        self.at += 100_000 + self.entropy.below(100_000);
        let index = usize::try_from(self.entropy.below(count)).unwrap_or_default();
        let sequence_number = self.connections[index].sequence_number + 1;
        self.connections[index].sequence_number = sequence_number;
        let job_id = sequence_number / SHARES_PER_JOB;
        if sequence_number.is_multiple_of(SHARES_PER_JOB) {
            self.job(index, job_id);
        }
        let extranonce = self.entropy.bytes::<8>();
        let share = SubmitSharesExtended {
            channel_id: CHANNEL_ID,
            sequence_number,
            job_id,
            nonce: self.entropy.u32(),
            ntime: self.now().unix.to_u32(),
            version: 0x2000_0000,
            extranonce: B32::try_from(&extranonce[..]).expect("eight bytes fit"),
        };
        self.send(index, Direction::ClientToServer, &share.into());
        if sequence_number.is_multiple_of(BATCH) {
            let success = SubmitSharesSuccess {
                channel_id: CHANNEL_ID,
                last_sequence_number: sequence_number,
                new_submits_accepted_count: BATCH,
                // Of the easiest target, whose difficulty is nearly nothing.
                new_shares_sum: 0,
            };
            self.send(index, Direction::ServerToClient, &success.into());
        }
    }

    fn send(&mut self, index: usize, direction: Direction, message: &Message) {
        self.messages += 1;
        self.bytes.clear();
        let connection = &mut self.connections[index];
        match &mut connection.sealers {
            None => message.write_frame(&Tlvs::NONE, &mut self.bytes),
            Some(sealers) => {
                let frame = message.to_frame(&Tlvs::NONE);
                let sealer = &mut sealers[usize::from(direction == Direction::ServerToClient)];
                sealer
                    .seal(frame.header(), &frame.payload, &mut self.bytes)
                    .expect("no capture has 2^64 messages");
            }
        }
        let stream = connection.stream;
        let now = self.now();
        self.capture.bytes(now, stream, direction, "", &self.bytes);
    }
}

/// A job whose coinbase transaction has one input and one output.
fn extended_job(job_id: u32, is_future: bool, now: u32) -> NewExtendedMiningJob {
    let height = job_id / JOBS_PER_BLOCK + 0x01_0000;
    let [low, middle, high, _] = height.to_le_bytes();
    let prefix = [
        &[2, 0, 0, 0, 1][..],
        &[0; 32],
        &[0xff; 4],
        // The height, the job, and room for the two parts of the extranonce.
        &[6 + 3 + 8, 3, low, middle, high, 1, job_id.to_le_bytes()[0]],
    ];
    let suffix = [&[0xff; 4][..], &[1], &50_u64.to_le_bytes(), &[1, 0x51], &[0; 4]];
    NewExtendedMiningJob {
        channel_id: CHANNEL_ID,
        job_id,
        min_ntime: (!is_future).then_some(now),
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq255::default(),
        coinbase_tx_prefix: B64K::new(prefix.concat()).expect("50 bytes fit"),
        coinbase_tx_suffix: B64K::new(suffix.concat()).expect("20 bytes fit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Dissector, Item, PacketReader};
    use crate::rules::{Inspector, Policy};

    #[test]
    fn devices_have_channels_and_jobs_and_nothing_is_wrong() {
        for is_sealed in [false, true] {
            let mut sample = ShareCapture::new(3, is_sealed);
            let file = [sample.next_piece(1), sample.next_piece(4_000)].concat();
            let mut inspector = Inspector::new(Policy::default());
            let mut findings = Vec::new();
            let mut messages = 0;
            let mut dissector = Dissector::new(1, None);
            let mut sink = |found: &crate::read::Found<'_>| {
                messages += u64::from(matches!(found.observed.what, crate::What::Frame { .. }));
                findings.extend(inspector.observe(&found.observed).findings);
            };
            let mut reader = PacketReader::new(&file[..]);
            while let Some(item) = reader.next_item().unwrap() {
                match item {
                    Item::Packet(packet) => dissector.packet(0, &packet, &mut sink),
                    Item::Secrets(text) => dissector.key_log(text),
                    Item::Skipped(_) | Item::Other => {}
                }
            }
            dissector.finish(&mut sink);

            assert_eq!(messages, sample.messages());
            assert!(findings.is_empty(), "sealed: {is_sealed}: {findings:?}");
            let channels = inspector.state().connections().map(|row| row.channels.len());
            assert_eq!(channels.collect::<Vec<_>>(), [1, 1, 1]);
        }
    }
}
