//! A capture of devices that send shares, of any length: for benchmarks and for trying tools.
//! The same arguments give the same bytes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::mining::{SubmitSharesExtended, SubmitSharesSuccess};
use sv2::noise::{
    ACT_1_LEN, AuthoritySecretKey, CipherSuite, Identity, Initiator, Responder, Sealer, StaticKey,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B32, Tlvs};

use crate::{Capture, Direction, StreamId};

/// Shares of a connection for each acknowledgement.
const BATCH: u32 = 8;
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
        let extranonce = self.entropy.bytes::<8>();
        let share = SubmitSharesExtended {
            channel_id: 1,
            sequence_number,
            job_id: sequence_number / 64,
            nonce: self.entropy.u32(),
            ntime: self.now().unix.to_u32(),
            version: 0x2000_0000,
            extranonce: B32::try_from(&extranonce[..]).expect("eight bytes fit"),
        };
        self.send(index, Direction::ClientToServer, &share.into());
        if sequence_number.is_multiple_of(BATCH) {
            let success = SubmitSharesSuccess {
                channel_id: 1,
                last_sequence_number: sequence_number,
                new_submits_accepted_count: BATCH,
                new_shares_sum: u64::from(BATCH),
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
