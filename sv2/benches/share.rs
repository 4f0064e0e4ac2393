//! What a share costs a server: the judgement alone, and the whole path of a pool from the
//! bytes of a frame to the bytes of the answer (without encryption, which `noise` measures).

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::mining::channel::{Channel, ChannelKind};
use sv2::mining::coinbase::Coinbase;
use sv2::mining::extranonce::{ExtranonceAllocator, ExtranonceLayout};
use sv2::mining::header::double_sha256;
use sv2::mining::job::{Tip, Work};
use sv2::mining::proof::ProofCheck;
use sv2::mining::{
    OpenExtendedMiningChannel, OpenStandardMiningChannel, SubmitSharesExtended,
    SubmitSharesStandard,
};
use sv2::role::{ConnectionId, DialId, Input, Outbox, Output, Role, Via};
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::template_distribution::{NewTemplate, SetNewPrevHash};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B32, B64K, B255, Frame, FrameHeader, Seq255, Target, Tlvs, U256};

const NOW: Now = Now { instant: Instant::ZERO, unix: UnixTime(1_700_000_000) };
const MIN_NTIME: u32 = 1_699_999_900;
const BRANCHES: u64 = 12;
/// Shares of one tip: as many as a busy channel finds in ten hours.
const SHARES_PER_TIP: u32 = 8192;

fn template() -> NewTemplate {
    // One output, as long as a witness commitment.
    let output = [&[0; 8][..], &[38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], &[7; 32]].concat();
    NewTemplate {
        template_id: 1,
        future_template: true,
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03]).expect("short"),
        coinbase_tx_input_sequence: u32::MAX,
        coinbase_tx_value_remaining: 312_500_000,
        coinbase_tx_outputs_count: 1,
        coinbase_tx_outputs: B64K::new(output).expect("short"),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::new((1..=BRANCHES).map(leaf).collect()).expect("12 branches"),
    }
}

fn leaf(low: u64) -> U256 {
    U256::from_limbs([low, 2, 3, 4])
}

fn tip_message() -> SetNewPrevHash {
    SetNewPrevHash {
        template_id: 1,
        prev_hash: leaf(9),
        header_timestamp: MIN_NTIME,
        nbits: 0x1703_4219,
        target: Target::HARDEST,
    }
}

fn work() -> Arc<Work> {
    let template = template();
    Arc::new(Work {
        template_id: Some(1),
        min_ntime: None,
        version: template.version,
        version_rolling_allowed: true,
        coinbase: Coinbase::new(&template, b"assay", &[], 20).expect("it is valid"),
        merkle_path: template.merkle_path,
    })
}

fn channel(kind: ChannelKind, target: Target) -> Channel {
    let mut allocator = ExtranonceAllocator::new(ExtranonceLayout::default());
    let extranonce = match kind {
        ChannelKind::Standard => allocator.standard(),
        ChannelKind::Extended => allocator.extended(16),
    };
    let extranonce = extranonce.expect("none is in use");
    let mut channel = Channel::new(2, kind, 1, extranonce, target, (1 << 20, 7));
    channel.add_future_job(1, work());
    channel.activate(1, &tip());
    channel
}

fn tip() -> Tip {
    Tip {
        prev_hash: leaf(9),
        nbits: 0x1703_4219,
        min_ntime: MIN_NTIME,
        network_target: Target::HARDEST,
        since: NOW.instant,
        proof_check: ProofCheck::Hashed,
    }
}

/// Another tip comes and all is judged anew, so that the memory of shares stays as real ones are.
fn next_tip(channel: &mut Channel) {
    let other = Tip { prev_hash: leaf(10), ..tip() };
    for tip in [other, tip()] {
        channel.add_future_job(1, work());
        channel.activate(1, &tip);
    }
}

fn standard(nonce: u32, version: u32) -> SubmitSharesStandard {
    SubmitSharesStandard {
        channel_id: 2,
        sequence_number: nonce,
        job_id: 1,
        nonce,
        ntime: MIN_NTIME,
        version,
    }
}

fn extended(nonce: u32) -> SubmitSharesExtended {
    let mut extranonce = [0; 16];
    extranonce[..4].copy_from_slice(&nonce.to_le_bytes());
    SubmitSharesExtended {
        channel_id: 2,
        sequence_number: nonce,
        job_id: 1,
        nonce,
        ntime: MIN_NTIME,
        version: 0x2000_0000,
        extranonce: B32::new(&extranonce).expect("16 bytes"),
    }
}

fn judgement(criterion: &mut Criterion) {
    let tip = tip();
    let mut group = criterion.benchmark_group("judge");
    // The floor that the rest is compared to: 127 ns on the machine of the targets, at rest.
    group.bench_function("nothing but the hash of 80 bytes", |bencher| {
        let header = [7; 80];
        bencher.iter(|| double_sha256(black_box(&header)));
    });
    for (name, target) in [("accepted", Target::MAX), ("above target", Target::HARDEST)] {
        for (rolling, mask) in [("", 0), (", version rolled", 0x1fff)] {
            group.bench_function(format!("standard {name}{rolling}"), |bencher| {
                let mut channel = channel(ChannelKind::Standard, target);
                let mut nonce = 0_u32;
                bencher.iter(|| {
                    nonce = nonce.wrapping_add(1);
                    if nonce.is_multiple_of(SHARES_PER_TIP) {
                        next_tip(&mut channel);
                    }
                    let share = standard(nonce, 0x2000_0000 | (nonce & mask) << 13);
                    black_box(channel.judge_standard(black_box(&share), &tip, NOW).is_ok())
                });
            });
        }
        group.bench_function(format!("extended, 12 branches, {name}"), |bencher| {
            let mut channel = channel(ChannelKind::Extended, target);
            let mut nonce = 0_u32;
            bencher.iter(|| {
                nonce = nonce.wrapping_add(1);
                if nonce.is_multiple_of(SHARES_PER_TIP) {
                    next_tip(&mut channel);
                }
                let share = extended(nonce);
                black_box(channel.judge_extended(black_box(&share), &tip, NOW).is_ok())
            });
        });
    }
    group.finish();
}

const PROVIDER: ConnectionId = ConnectionId(0);
const MINER: ConnectionId = ConnectionId(1);

/// A pool with one miner and one channel.
struct Server {
    pool: Pool,
    out: Outbox,
    answer: Vec<u8>,
}

impl Server {
    fn new(open: Message) -> Self {
        let mut config = PoolConfig::default();
        config.server.easiest_target = Target::MAX;
        config.server.vardiff = None;
        let pool = Pool::new(config, Entropy::from_seed(1));
        let mut server = Server { pool, out: Outbox::new(), answer: Vec::new() };
        server.give(Input::Woken);
        server.give(Input::Connected { connection: PROVIDER, via: Via::Dial(DialId(0)) });
        server.receive(PROVIDER, SetupConnectionSuccess { used_version: 2, flags: 0 }.into());
        server.renew();
        server.give(Input::Connected { connection: MINER, via: Via::Listener(0) });
        let setup =
            SetupConnection { min_version: 2, max_version: 2, ..SetupConnection::default() };
        server.receive(MINER, setup.into());
        server.receive(MINER, open);
        server
    }

    fn give(&mut self, input: Input) {
        self.pool.handle(NOW, input, &mut self.out);
        self.out.take();
    }

    fn receive(&mut self, connection: ConnectionId, message: Message) {
        self.give(Input::Received { connection, message, tlvs: Tlvs::NONE, original: None });
    }

    fn renew(&mut self) {
        self.receive(PROVIDER, template().into());
        self.receive(PROVIDER, tip_message().into());
    }

    /// From the payload of a frame to the frames that answer it.
    fn serve(&mut self, bytes: &Bytes) -> usize {
        let header = bytes.first_chunk().expect("a whole frame");
        let header = FrameHeader::from_bytes(*header);
        let frame = Frame {
            extension_type: header.extension_type,
            message_type: header.message_type,
            payload: bytes.slice(FrameHeader::LEN..),
        };
        let decoded = Message::decode(&frame).expect("it is a share");
        let input = Input::Received {
            connection: MINER,
            message: decoded.message,
            tlvs: decoded.tlvs,
            original: None,
        };
        self.pool.handle(NOW, input, &mut self.out);
        self.answer.clear();
        for output in self.out.drain() {
            if let Output::Send { message, tlvs, .. } = output {
                message.write_frame(&tlvs, &mut self.answer);
            }
        }
        self.answer.len()
    }
}

fn server_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool, frame to answer");
    let standard_open = OpenStandardMiningChannel { max_target: Target::MAX, ..Default::default() };
    let extended_open = OpenExtendedMiningChannel { max_target: Target::MAX, ..Default::default() };
    let share = |is_standard: bool, nonce, job_id| -> Bytes {
        let message: Message = match is_standard {
            true => SubmitSharesStandard { job_id, ..standard(nonce, 0x2000_0000) }.into(),
            false => SubmitSharesExtended { job_id, ..extended(nonce) }.into(),
        };
        let mut bytes = Vec::new();
        message.write_frame(&Tlvs::NONE, &mut bytes);
        bytes.into()
    };
    for (name, is_standard, open) in [
        ("standard", true, Message::from(standard_open)),
        ("extended, 12 branches", false, Message::from(extended_open)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut server = Server::new(open.clone());
                let mut elapsed = std::time::Duration::ZERO;
                let mut left = iterations;
                // Each tip makes the job with the next id the valid one.
                for job_id in 1.. {
                    let count = u32::try_from(left.min(u64::from(SHARES_PER_TIP))).expect("small");
                    let frames: Vec<Bytes> =
                        (0..count).map(|nonce| share(is_standard, nonce, job_id)).collect();
                    #[expect(
                        clippy::disallowed_methods,
                        clippy::disallowed_types,
                        reason = "a benchmark reads the clock"
                    )]
                    let start = std::time::Instant::now();
                    for frame in &frames {
                        // SubmitShares.Success is 26 bytes long, SubmitShares.Error longer.
                        assert_eq!(server.serve(black_box(frame)), 26);
                    }
                    elapsed += start.elapsed();
                    left -= u64::from(count);
                    if left == 0 {
                        break;
                    }
                    server.renew();
                }
                elapsed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, judgement, server_path);
criterion_main!(benches);
