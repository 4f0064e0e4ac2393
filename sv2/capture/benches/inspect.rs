//! What it costs to follow a capture and to judge it, share by share; and to filter it.

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::message::Message;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use sv2::mining::{
    NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannel,
    OpenExtendedMiningChannelSuccess, OpenStandardMiningChannel, OpenStandardMiningChannelSuccess,
    SetNewPrevHash, SubmitSharesExtended, SubmitSharesStandard, SubmitSharesSuccess,
};
use sv2::wire::{B32, Frame, Seq255, Str255, Target, Tlvs, U256};
use sv2_capture::filter::{
    CHUNK, Column, Columns, Dense, Field, Filter, Numbers, Predicate, Value,
};
use sv2_capture::rules::{Inspector, Policy};
use sv2_capture::state::State;
use sv2_capture::{Direction, Integrity, Observed, What};

const START: u64 = 1_700_000_000;
/// Shares in one round, each with its acknowledgement.
const SHARES: u32 = 20_000;

type Sent = (Direction, Frame);

fn text(text: &'static str) -> Str255 {
    Str255::from_static(text)
}

/// Everything up to the first share.
fn opening(is_extended: bool) -> Vec<Sent> {
    let setup = SetupConnection {
        max_version: 2,
        min_version: 2,
        vendor: text("bench"),
        ..SetupConnection::default()
    };
    let prefix = B32::new(&[1; 12]).expect("12 bytes");
    let (open, success): (Message, Message) = if is_extended {
        let open = OpenExtendedMiningChannel { max_target: Target::MAX, ..Default::default() };
        let success = OpenExtendedMiningChannelSuccess {
            request_id: 0,
            channel_id: 1,
            target: Target::MAX,
            extranonce_size: 8,
            extranonce_prefix: prefix,
            group_channel_id: 100,
        };
        (open.into(), success.into())
    } else {
        let open = OpenStandardMiningChannel { max_target: Target::MAX, ..Default::default() };
        let success = OpenStandardMiningChannelSuccess {
            request_id: 0,
            channel_id: 1,
            target: Target::MAX,
            extranonce_prefix: prefix,
            group_channel_id: 100,
        };
        (open.into(), success.into())
    };
    let coinbase = Coinbase::assemble(&CoinbaseParts {
        version: 2,
        script_start: &[3, 0x40, 0x0d, 0x03, 20],
        extranonce_len: 20,
        sequence: 0,
        outputs: &[payout(312_500_000, &[0x51; 34]), payout(0, &[0x6a; 38])],
        locktime: 0,
    })
    .expect("a coinbase transaction");
    let version = 0x2000_0000;
    let job: Message = if is_extended {
        NewExtendedMiningJob {
            channel_id: 1,
            job_id: 1,
            min_ntime: None,
            version,
            version_rolling_allowed: true,
            merkle_path: Seq255::new(vec![U256::from_le_bytes([5; 32]); 12]).expect("short"),
            coinbase_tx_prefix: coinbase.prefix().clone(),
            coinbase_tx_suffix: coinbase.suffix().clone(),
        }
        .into()
    } else {
        let merkle_root = U256::from_le_bytes([6; 32]);
        NewMiningJob { channel_id: 1, job_id: 1, min_ntime: None, version, merkle_root }.into()
    };
    let tip = SetNewPrevHash {
        channel_id: 1,
        job_id: 1,
        prev_hash: U256::from_le_bytes([7; 32]),
        min_ntime: 1_700_000_000,
        nbits: 0x1703_4219,
    };
    use Direction::{ClientToServer, ServerToClient};
    [
        (ClientToServer, setup.into()),
        (ServerToClient, SetupConnectionSuccess { used_version: 2, flags: 0 }.into()),
        (ClientToServer, open),
        (ServerToClient, success),
        (ServerToClient, job),
        (ServerToClient, tip.into()),
    ]
    .map(|(direction, message): (_, Message)| (direction, message.to_frame(&Tlvs::NONE)))
    .to_vec()
}

/// Shares, each with its acknowledgement.
fn shares(is_extended: bool) -> Vec<Sent> {
    let (channel_id, job_id, ntime, version) = (1, 1, 1_700_000_000, 0x2000_0000);
    (1..=SHARES)
        .flat_map(|number| {
            let share: Message = if is_extended {
                SubmitSharesExtended {
                    channel_id,
                    sequence_number: number,
                    job_id,
                    nonce: number,
                    ntime,
                    version,
                    extranonce: B32::new(&u64::from(number).to_le_bytes()).expect("8 bytes"),
                }
                .into()
            } else {
                let (sequence_number, nonce) = (number, number);
                SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version }
                    .into()
            };
            let success = SubmitSharesSuccess {
                channel_id,
                last_sequence_number: number,
                new_submits_accepted_count: 1,
                new_shares_sum: 0,
            };
            [
                (Direction::ClientToServer, share.to_frame(&Tlvs::NONE)),
                (Direction::ServerToClient, Message::from(success).to_frame(&Tlvs::NONE)),
            ]
        })
        .collect()
}

fn observe_all(opening: &[Sent], shares: &[Sent], mut observe: impl FnMut(&Observed<'_>)) {
    let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
    let (client, server) = (address(50_000), address(34_254));
    let what = What::Opened {
        client,
        server,
        from_the_start: true,
        is_selection: false,
        is_redacted: false,
    };
    observe(&Observed { number: 1, at: START * 1_000_000_000, connection: 0, what });
    for (number, (direction, frame)) in (2..).zip(opening.iter().chain(shares)) {
        let at = START * 1_000_000_000 + number * 100_000;
        let what = What::Frame { direction: *direction, frame, integrity: Integrity::Verified };
        observe(&Observed { number, at, connection: 0, what });
    }
}

fn inspect(criterion: &mut Criterion) {
    for is_extended in [false, true] {
        let name = if is_extended { "extended share" } else { "standard share" };
        let mut group = criterion.benchmark_group(format!("{name} with its answer"));
        group.throughput(Throughput::Elements(u64::from(SHARES)));
        group.sample_size(20);
        let (opening, shares) = (opening(is_extended), shares(is_extended));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                for (_, frame) in &shares {
                    black_box(Message::decode(frame).is_ok());
                }
            });
        });
        group.bench_function("decode and follow", |bencher| {
            bencher.iter(|| {
                let mut state = State::default();
                observe_all(&opening, &shares, |observed| {
                    let facts = state.read(observed);
                    state.apply(observed, black_box(&facts));
                });
            });
        });
        group.bench_function("decode, follow and judge", |bencher| {
            bencher.iter(|| {
                let mut inspector = Inspector::new(Policy::default());
                observe_all(&opening, &shares, |observed| {
                    black_box(inspector.observe(observed));
                });
            });
        });
        group.finish();
    }
}

/// Rows whose numbers are held as such.
struct Index {
    channels: Vec<u32>,
    types: Vec<u8>,
}

impl Columns for Index {
    fn len(&self) -> u64 {
        self.channels.len() as u64
    }

    fn values(&self, row: u64, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        if let Field::Column(Column::Seq) = field {
            take(Value::Int(row % 1000));
        }
    }

    fn is(&self, _: u64, _: Predicate) -> bool {
        false
    }

    fn row_of(&self, number: u64) -> Option<u64> {
        Some(number)
    }

    fn dense(&self, column: Column, first: u64) -> Option<Dense<'_>> {
        let first = usize::try_from(first).ok()?;
        let numbers = match column {
            Column::Ch => Numbers::U32(&self.channels[first..]),
            Column::Type => Numbers::U8(&self.types[first..]),
            _ => return None,
        };
        Some(Dense { numbers, missing: None })
    }
}

fn filter(criterion: &mut Criterion) {
    let rows = 5_000_000_u32;
    let index = Index {
        channels: (0..rows).map(|row| row % 200).collect(),
        types: (0..rows).map(|row| if row % 2 == 0 { 0x1b } else { 0x1c }).collect(),
    };
    let mut group = criterion.benchmark_group("filter 5 M rows");
    group.throughput(Throughput::Elements(u64::from(rows)));
    group.sample_size(20);
    for text in ["ch == 8", "ch == 8 && type == 0x1b && seq == 8"] {
        let filter = Filter::parse(text).expect("a filter");
        group.bench_function(text, |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                for first in (0..index.channels.len()).step_by(CHUNK) {
                    let len = CHUNK.min(index.channels.len() - first);
                    count += filter.select(&index, first as u64, len, None).count();
                }
                black_box(count)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, inspect, filter);
criterion_main!(benches);
