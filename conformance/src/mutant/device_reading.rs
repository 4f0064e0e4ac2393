//! Bugs of mining devices: fields that firmware reads wrongly.

use sv2::message::Message;
use sv2::role::{ConnectionId, Input, Outbox, Output};
use sv2::wire::{B32, B64K, Seq255, Target, TlvOrder, Tlvs, U256};

use super::Mutant;
use super::edge::{Tamper, edge};
use super::remembering::{Bug, Turn, around, opened};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "device-reads-targets-reversed",
            "Firmware that compares targets byte by byte from the wrong end",
            around::<TargetsReversed>,
        ),
        Mutant::in_code(
            "device-reads-opening-targets-reversed",
            "Firmware that reads the target of a new channel from the wrong end, and that of \
             SetTarget from the right one",
            around::<OpeningTargetsReversed>,
        ),
        Mutant::in_code(
            "device-reads-prev-hashes-reversed",
            "Firmware that takes prev_hash for the digits that people read, and turns it around",
            around::<PrevHashesReversed>,
        ),
        Mutant::in_code(
            "device-reads-roots-reversed",
            "Firmware that turns merkle roots around as Stratum V1 did with prev_hash",
            around::<RootsReversed>,
        ),
        Mutant::in_code(
            "device-reads-paths-reversed",
            "Firmware that turns the hashes of a merkle path around before it folds them",
            around::<PathHashesReversed>,
        ),
        Mutant::in_code(
            "device-folds-paths-backwards",
            "Firmware that folds a merkle path from the root to the leaf",
            around::<PathsBackwards>,
        ),
        Mutant::in_code(
            "device-cuts-paths",
            "Firmware with room for eight branches of a merkle path",
            around::<PathsCut>,
        ),
        Mutant::in_code(
            "device-cuts-coinbases",
            "Firmware with a buffer of 256 bytes for each part of a coinbase transaction",
            around::<CoinbasesCut>,
        ),
        Mutant::in_code(
            "device-writes-ids-backwards",
            "Firmware that reads ids in one byte order and writes them in the other",
            around::<IdsBackwards>,
        ),
        Mutant::in_code(
            "device-reads-bools-as-bytes",
            "Firmware that takes every BOOL that is not 0 for true",
            |inner| edge(inner, BoolsAsBytes),
        ),
        Mutant::in_code(
            "device-pads-its-name",
            "Firmware that sends the name of its worker as the 32 bytes that it has room for",
            |inner| edge(inner, NamePadded),
        ),
        Mutant::in_code(
            "device-wants-exact-lengths",
            "Firmware that drops messages which are longer than the fields that it knows",
            |inner| edge(inner, ExactLengths),
        ),
    ]
}

fn reversed(number: U256) -> U256 {
    U256::from_be_bytes(*number.as_le_bytes())
}

#[derive(Default)]
struct TargetsReversed;

impl Bug for TargetsReversed {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::SetTarget(set) = &mut message {
            set.maximum_target = Target(reversed(set.maximum_target.0));
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct OpeningTargetsReversed;

impl Bug for OpeningTargetsReversed {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(opened) = opened(&mut message) {
            *opened.target = Target(reversed(opened.target.0));
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct PrevHashesReversed;

impl Bug for PrevHashesReversed {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::SetNewPrevHash(tip) = &mut message {
            tip.prev_hash = reversed(tip.prev_hash);
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct RootsReversed;

impl Bug for RootsReversed {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::NewMiningJob(job) = &mut message {
            job.merkle_root = reversed(job.merkle_root);
        }
        turn.hear(connection, message);
    }
}

/// Changes the path of extended jobs.
fn with_path(message: &mut Message, change: impl FnOnce(&mut Vec<U256>)) {
    if let Message::NewExtendedMiningJob(job) = message {
        let mut path = job.merkle_path.as_slice().to_vec();
        change(&mut path);
        // No change makes a path longer.
        job.merkle_path = Seq255::new(path).unwrap_or_default();
    }
}

#[derive(Default)]
struct PathHashesReversed;

impl Bug for PathHashesReversed {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        with_path(&mut message, |path| path.iter_mut().for_each(|hash| *hash = reversed(*hash)));
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct PathsBackwards;

impl Bug for PathsBackwards {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        with_path(&mut message, |path| path.reverse());
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct PathsCut;

impl Bug for PathsCut {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        with_path(&mut message, |path| path.truncate(BRANCHES_MAX));
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct CoinbasesCut;

impl Bug for CoinbasesCut {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Message::NewExtendedMiningJob(job) = &mut message {
            for part in [&mut job.coinbase_tx_prefix, &mut job.coinbase_tx_suffix] {
                let len = part.as_slice().len().min(COINBASE_PART_MAX);
                *part = B64K::new(part.as_slice()[..len].to_vec()).unwrap_or_default();
            }
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct IdsBackwards;

impl Bug for IdsBackwards {
    fn say(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        match &mut message {
            Message::SubmitSharesStandard(share) => share.job_id = share.job_id.swap_bytes(),
            Message::SubmitSharesExtended(share) => share.job_id = share.job_id.swap_bytes(),
            _ => {}
        }
        turn.say(connection, message);
    }
}

/// Only what is not canonical comes with its frame.
struct BoolsAsBytes;

impl Tamper for BoolsAsBytes {
    fn hear(&mut self, mut input: Input, _: &mut Outbox) -> Vec<Input> {
        if let Input::Received {
            message: Message::NewExtendedMiningJob(job),
            original: Some(_),
            ..
        } = &mut input
        {
            job.version_rolling_allowed = true;
        }
        vec![input]
    }
}

struct NamePadded;

impl Tamper for NamePadded {
    fn say(&mut self, output: Output) -> Option<Output> {
        let Output::Send { connection, message, tlvs } = output else { return Some(output) };
        let mut fields = tlvs.fields(TlvOrder::default()).unwrap_or_default();
        for field in &mut fields {
            let mut name = field.value.to_vec();
            name.resize(B32::MAX, 0);
            field.value = name.into();
        }
        let tlvs = Tlvs::encode(&fields, TlvOrder::default());
        Some(Output::Send { connection, message, tlvs })
    }
}

struct ExactLengths;

impl Tamper for ExactLengths {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Received { tlvs, .. } if !tlvs.as_bytes().is_empty() => Vec::new(),
            _ => vec![input],
        }
    }
}

/// For branches, in firmware without much room.
const BRANCHES_MAX: usize = 8;

/// For a part of a coinbase transaction, in bytes, in such firmware.
const COINBASE_PART_MAX: usize = 256;
