//! A conversation on made-up connections, as a reader would find it: observed by the inspector,
//! and written as a capture.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::message::Message;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use sv2::mining::header::{CoinbaseMidstate, Header, merkle_root};
use sv2::mining::{
    NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannel,
    OpenExtendedMiningChannelSuccess, OpenStandardMiningChannel, OpenStandardMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesExtended, SubmitSharesStandard, SubmitSharesSuccess,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B32, Frame, Seq255, Str255, Target, Tlvs, U256};
use sv2_capture::filter::{Entry, Filter};
use sv2_capture::observed::{HandshakeSeen, SessionKey};
use sv2_capture::rules::{Finding, Inspector, Policy};
use sv2_capture::{Capture, Direction, Integrity, Observed, What};

/// Where every conversation starts, in seconds since the Unix epoch.
pub(crate) const START: u32 = 1_700_000_000;
/// Hashes per second that the miner claims.
pub(crate) const RATE: f32 = 1e3;
/// Of the channel that [`Talk::mining`] opens.
pub(crate) const CHANNEL: u32 = 1;
/// Its group.
pub(crate) const GROUP: u32 = 100;
/// Bytes of its prefix, and of its rollable part.
pub(crate) const PREFIX: [u8; 4] = [0xa0, 1, 2, 3];
pub(crate) const ROLLED: u16 = 8;
/// A network whose blocks no test finds.
pub(crate) const NBITS: u32 = 0x1703_4219;
/// The network of the other protocols' tests, and of hashes that count as blocks.
pub(crate) const MINER: u32 = 0;

pub(crate) struct Talk {
    inspector: Inspector,
    capture: Capture,
    streams: Vec<sv2_capture::StreamId>,
    bytes: Vec<u8>,
    number: u64,
    /// Nanoseconds since the start.
    elapsed: u64,
    pub(crate) findings: Vec<Finding>,
    next_nonce: u32,
    next_sequence: u32,
    /// What is asked of each observation, and the numbers of those that were taken.
    pub(crate) filter: Option<Filter>,
    pub(crate) taken: Vec<u64>,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Talk {
            inspector: Inspector::new(Policy::default()),
            capture: Capture::new("assay"),
            streams: Vec::new(),
            bytes: Vec::new(),
            number: 0,
            elapsed: 0,
            findings: Vec::new(),
            next_nonce: 0,
            next_sequence: 0,
            filter: None,
            taken: Vec::new(),
        }
    }

    /// A miner's connection that is set up.
    pub(crate) fn set_up(flags: u32) -> Self {
        let mut talk = Talk::new();
        talk.begin_with(flags);
        talk
    }

    fn begin_with(&mut self, flags: u32) {
        self.open(true);
        self.client(setup(0, flags));
        self.server(SetupConnectionSuccess { used_version: 2, flags: 0 });
    }

    /// A connection with an extended channel that has a job and a block.
    pub(crate) fn begin(&mut self) {
        self.begin_with(0);
        self.open_extended(1, CHANNEL);
        self.server(extended_job(CHANNEL, 1, None));
        self.server(tip(CHANNEL, 1, 1));
    }

    /// With an extended channel that has a job and a block.
    pub(crate) fn mining() -> Self {
        let mut talk = Talk::new();
        talk.begin();
        talk
    }

    /// With a standard channel that has a job and a block.
    pub(crate) fn mining_standard() -> Self {
        let mut talk = Talk::set_up(1);
        talk.client(open_standard(1));
        talk.server(standard_success(1, CHANNEL));
        talk.server(standard_job(CHANNEL, 1, None));
        talk.server(tip(CHANNEL, 1, 1));
        talk
    }

    pub(crate) fn open(&mut self, from_the_start: bool) -> u32 {
        let id = u32::try_from(self.streams.len()).unwrap();
        let port = 50_000 + u16::try_from(id).unwrap();
        let client = SocketAddr::from(([10, 0, 0, 1], port));
        let server = SocketAddr::from(([10, 0, 0, 2], 34_254));
        self.open_between(client, server, from_the_start)
    }

    pub(crate) fn open_between(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
        from_the_start: bool,
    ) -> u32 {
        let id = u32::try_from(self.streams.len()).unwrap();
        let stream = self.capture.open(self.now(), client, server);
        self.streams.push(stream);
        let (is_selection, is_redacted) = (false, false);
        let what = What::Opened { client, server, from_the_start, is_selection, is_redacted };
        self.observe(id, what);
        id
    }

    fn now(&self) -> Now {
        let seconds = self.elapsed / 1_000_000_000;
        Now { instant: Instant(self.elapsed), unix: UnixTime(u64::from(START) + seconds) }
    }

    pub(crate) fn observe(&mut self, connection: u32, what: What<'_>) {
        self.number += 1;
        let at = u64::from(START) * 1_000_000_000 + self.elapsed;
        let observed = Observed { number: self.number, at, connection, what };
        let report = self.inspector.observe(&observed);
        let standing = self.inspector.state().standing(&observed, &report.facts);
        let entry = Entry {
            observed: &observed,
            report: &report,
            standing: standing.as_ref(),
            previous_at: None,
            info: "",
        };
        if self.filter.as_ref().is_some_and(|filter| filter.takes(&entry, 0)) {
            self.taken.push(self.number);
        }
        self.findings.extend(report.findings);
    }

    /// Lets time pass, in milliseconds.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        self.elapsed += milliseconds * 1_000_000;
    }

    pub(crate) fn frame(&mut self, connection: u32, direction: Direction, frame: &Frame) {
        self.pass(1);
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let (now, stream) = (self.now(), self.streams[connection as usize]);
        self.capture.bytes(now, stream, direction, "", &bytes);
        self.bytes.extend(self.capture.take());
        let integrity = Integrity::Plain;
        self.observe(connection, What::Frame { direction, frame, integrity });
    }

    pub(crate) fn say(
        &mut self,
        connection: u32,
        direction: Direction,
        message: impl Into<Message>,
        tlvs: &Tlvs,
    ) {
        self.frame(connection, direction, &message.into().to_frame(tlvs));
    }

    pub(crate) fn client(&mut self, message: impl Into<Message>) {
        self.say(MINER, Direction::ClientToServer, message, &Tlvs::NONE);
    }

    pub(crate) fn server(&mut self, message: impl Into<Message>) {
        self.say(MINER, Direction::ServerToClient, message, &Tlvs::NONE);
    }

    /// A frame of any bytes on the first connection.
    pub(crate) fn raw(&mut self, direction: Direction, extension: u16, number: u8, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        let frame = Frame { extension_type: extension, message_type: number, payload };
        self.frame(MINER, direction, &frame);
    }

    pub(crate) fn open_extended(&mut self, request_id: u32, channel_id: u32) {
        self.client(open_extended(request_id));
        self.server(extended_success(request_id, channel_id));
    }

    /// A good share for job 1 on the extended channel, with its number.
    pub(crate) fn share(&mut self) -> u32 {
        let share = self.good_share(&easy_target());
        let number = share.sequence_number;
        self.client(share);
        number
    }

    pub(crate) fn accept(&mut self, last_sequence_number: u32, count: u32, sum: u64) {
        self.server(SubmitSharesSuccess {
            channel_id: CHANNEL,
            last_sequence_number,
            new_submits_accepted_count: count,
            new_shares_sum: sum,
        });
    }

    /// A share that has not been sent, for job 1 and its block, that meets `target`.
    pub(crate) fn good_share(&mut self, target: &Target) -> SubmitSharesExtended {
        self.find(|hash| target.is_met_by(hash))
    }

    /// The same, above the channel's target.
    pub(crate) fn bad_share(&mut self) -> SubmitSharesExtended {
        self.find(|hash| !easy_target().is_met_by(hash))
    }

    fn find(&mut self, is_wanted: impl Fn(&U256) -> bool) -> SubmitSharesExtended {
        let (job, extranonce) = (extended_job(CHANNEL, 1, None), [7; ROLLED as usize]);
        let coinbase = CoinbaseMidstate::new(job.coinbase_tx_prefix.as_slice(), &PREFIX);
        let txid = coinbase.txid(&extranonce, job.coinbase_tx_suffix.as_slice());
        self.next_sequence += 1;
        loop {
            self.next_nonce += 1;
            let header = Header {
                version: job.version,
                prev_hash: hash_of_block(1),
                merkle_root: merkle_root(txid, job.merkle_path.as_slice()),
                ntime: START,
                nbits: NBITS,
                nonce: self.next_nonce,
            };
            if is_wanted(&header.hash()) {
                return SubmitSharesExtended {
                    channel_id: CHANNEL,
                    sequence_number: self.next_sequence,
                    job_id: 1,
                    nonce: self.next_nonce,
                    ntime: START,
                    version: job.version,
                    extranonce: B32::new(&extranonce).unwrap(),
                };
            }
        }
    }

    /// A share for job 1 on the standard channel.
    pub(crate) fn standard_share(&mut self) -> SubmitSharesStandard {
        self.next_sequence += 1;
        loop {
            self.next_nonce += 1;
            let header = Header {
                version: 0x2000_0000,
                prev_hash: hash_of_block(1),
                merkle_root: root_of_standard_job(),
                ntime: START,
                nbits: NBITS,
                nonce: self.next_nonce,
            };
            if easy_target().is_met_by(&header.hash()) {
                return SubmitSharesStandard {
                    channel_id: CHANNEL,
                    sequence_number: self.next_sequence,
                    job_id: 1,
                    nonce: self.next_nonce,
                    ntime: START,
                    version: 0x2000_0000,
                };
            }
        }
    }

    pub(crate) fn handshake(&mut self, seen: HandshakeSeen) {
        self.observe(MINER, What::Handshake(seen));
    }

    pub(crate) fn close(&mut self, by: Direction, reset: bool) {
        let (now, stream) = (self.now(), self.streams[0]);
        self.capture.close(now, stream, by, reset);
        self.observe(MINER, What::Closed { by, reset });
    }

    /// Everything that was found, as codes: each once, sorted.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.findings.iter().map(Finding::code).collect()
    }

    /// The conversation as a file.
    pub(crate) fn into_capture(mut self) -> Vec<u8> {
        self.bytes.extend(self.capture.take());
        self.bytes
    }
}

/// A handshake as it should be.
pub(crate) fn good_handshake() -> HandshakeSeen {
    HandshakeSeen {
        act_1_len: 64,
        act_2_len: 234,
        duration: 1_000_000,
        key: SessionKey::Fits,
        certificate: None,
        failures: Vec::new(),
    }
}

pub(crate) fn text(text: &'static str) -> Str255 {
    Str255::from_static(text)
}

pub(crate) fn setup(protocol: u8, flags: u32) -> SetupConnection {
    SetupConnection {
        protocol,
        min_version: 2,
        max_version: 2,
        flags,
        endpoint_host: text("10.0.0.2"),
        endpoint_port: 34_254,
        vendor: text("Assay"),
        hardware_version: text("made up"),
        firmware: text("assay"),
        device_id: Str255::default(),
    }
}

/// 16 hashes a share: far below difficulty 1, and cheap.
pub(crate) fn easy_target() -> Target {
    Target::from_expected_hashes(16.0)
}

pub(crate) fn open_extended(request_id: u32) -> OpenExtendedMiningChannel {
    OpenExtendedMiningChannel {
        request_id,
        user_identity: text("alice"),
        nominal_hash_rate: RATE,
        max_target: Target::MAX,
        min_extranonce_size: ROLLED,
    }
}

pub(crate) fn open_standard(request_id: u32) -> OpenStandardMiningChannel {
    OpenStandardMiningChannel {
        request_id,
        user_identity: text("alice"),
        nominal_hash_rate: RATE,
        max_target: Target::MAX,
    }
}

pub(crate) fn extended_success(
    request_id: u32,
    channel_id: u32,
) -> OpenExtendedMiningChannelSuccess {
    OpenExtendedMiningChannelSuccess {
        request_id,
        channel_id,
        target: easy_target(),
        extranonce_size: ROLLED,
        extranonce_prefix: B32::new(&PREFIX).unwrap(),
        group_channel_id: GROUP,
    }
}

pub(crate) fn standard_success(
    request_id: u32,
    channel_id: u32,
) -> OpenStandardMiningChannelSuccess {
    let prefix = [&PREFIX[..], &[9; ROLLED as usize]].concat();
    OpenStandardMiningChannelSuccess {
        request_id,
        channel_id,
        target: easy_target(),
        extranonce_prefix: B32::new(&prefix).unwrap(),
        group_channel_id: GROUP,
    }
}

/// A coinbase transaction around an extranonce of 12 bytes.
pub(crate) fn coinbase() -> Coinbase {
    Coinbase::assemble(&CoinbaseParts {
        version: 2,
        script_start: &[3, 0x40, 0x0d, 0x03, 12],
        extranonce_len: PREFIX.len() + usize::from(ROLLED),
        sequence: 0xffff_fffe,
        outputs: &[payout(312_500_000, &[0x51])],
        locktime: 0,
    })
    .unwrap()
}

pub(crate) fn extended_job(
    channel_id: u32,
    job_id: u32,
    min_ntime: Option<u32>,
) -> NewExtendedMiningJob {
    let coinbase = coinbase();
    NewExtendedMiningJob {
        channel_id,
        job_id,
        min_ntime,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(vec![U256::from_le_bytes([5; 32])]).unwrap(),
        coinbase_tx_prefix: coinbase.prefix().clone(),
        coinbase_tx_suffix: coinbase.suffix().clone(),
    }
}

pub(crate) fn root_of_standard_job() -> U256 {
    U256::from_le_bytes([6; 32])
}

pub(crate) fn standard_job(channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewMiningJob {
    let (version, merkle_root) = (0x2000_0000, root_of_standard_job());
    NewMiningJob { channel_id, job_id, min_ntime, version, merkle_root }
}

/// The hash of a made-up block.
pub(crate) fn hash_of_block(block: u8) -> U256 {
    let mut bytes = [block; 32];
    bytes[24..].fill(0);
    U256::from_le_bytes(bytes)
}

pub(crate) fn tip(channel_id: u32, job_id: u32, block: u8) -> SetNewPrevHash {
    SetNewPrevHash {
        channel_id,
        job_id,
        prev_hash: hash_of_block(block),
        min_ntime: START,
        nbits: NBITS,
    }
}
