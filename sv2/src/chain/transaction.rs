//! Whether a transaction is valid on top of some coins.
//!
//! The embedded chain runs no scripts. An input is accepted only if its coin is visibly free
//! to be spent: the bare script `OP_TRUE`, or a witness script hash (BIP 141) whose script is
//! `OP_TRUE` or `<up to 75 bytes> OP_DROP OP_TRUE`, revealed in the witness and nothing else
//! with it. Such spends are valid on a real chain as well.

use std::collections::BTreeSet;

use bitcoin::absolute::LockTime;
use bitcoin::opcodes::all::{OP_DROP, OP_PUSHNUM_1, OP_RETURN};
use bitcoin::{Amount, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut};

use super::coins::{Coin, CoinView};
use super::{BLOCK_WEIGHT_MAX, RESERVED_WEIGHT_MIN, TransactionRejection};

/// The witness script of all coins that the embedded chain makes for itself:
/// `<"assay"> OP_DROP OP_TRUE`. Who reveals it spends the coin.
pub const FREE_WITNESS_SCRIPT: [u8; 8] = [5, b'a', b's', b's', b'a', b'y', 0x75, 0x51];

/// The output script of coins that anyone can spend with [`FREE_WITNESS_SCRIPT`].
pub fn free_script() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&Script::from_bytes(&FREE_WITNESS_SCRIPT).wscript_hash())
}

/// Where a transaction would be confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Of the block.
    pub height: u32,
    /// Median time of the eleven blocks before it (BIP 113).
    pub median_time_past: u32,
}

/// What a valid transaction costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// In satoshi.
    pub fee: u64,
    /// In weight units.
    pub weight: u64,
    pub sigops: u64,
}

/// Judges a transaction that is no coinbase.
pub(crate) fn check(
    transaction: &Transaction,
    coins: &impl CoinView,
    place: Place,
) -> Result<Cost, TransactionRejection> {
    if transaction.is_coinbase() {
        return Err(TransactionRejection::Coinbase);
    }
    if transaction.input.is_empty() {
        return Err(TransactionRejection::NoInput);
    }
    if transaction.output.is_empty() {
        return Err(TransactionRejection::NoOutput);
    }
    let weight = transaction.weight().to_wu();
    if weight > BLOCK_WEIGHT_MAX - RESERVED_WEIGHT_MIN {
        return Err(TransactionRejection::Oversize(weight));
    }
    check_locks(transaction, place)?;
    let available = check_inputs(transaction, coins, place)?;
    let paid = sum(&transaction.output).ok_or(TransactionRejection::TooMuch)?;
    let fee = available.checked_sub(paid).ok_or(TransactionRejection::InBelowOut)?;
    let sigops = transaction.total_sigop_cost(|outpoint| {
        coins.coin(outpoint).map(|coin| TxOut {
            value: Amount::from_sat(coin.value),
            script_pubkey: coin.script.clone(),
        })
    });
    Ok(Cost { fee, weight, sigops: sigops as u64 })
}

/// What the outputs add up to in satoshi; `None` above the money there is.
pub(crate) fn sum(outputs: &[TxOut]) -> Option<u64> {
    outputs
        .iter()
        .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
        .filter(|sum| *sum <= Amount::MAX_MONEY)
        .map(Amount::to_sat)
}

/// Whether no coin needs to be kept for an output.
pub(crate) fn is_unspendable(script: &Script) -> bool {
    script.as_bytes().first() == Some(&OP_RETURN.to_u8())
}

fn check_inputs(
    transaction: &Transaction,
    coins: &impl CoinView,
    place: Place,
) -> Result<u64, TransactionRejection> {
    let mut seen = BTreeSet::new();
    let mut available = 0_u64;
    for input in &transaction.input {
        if !seen.insert(input.previous_output) {
            return Err(TransactionRejection::DuplicateInput);
        }
        let coin =
            coins.coin(&input.previous_output).ok_or(TransactionRejection::MissingOrSpent)?;
        if coin.is_coinbase && place.height < coin.height.saturating_add(COINBASE_MATURITY) {
            return Err(TransactionRejection::PrematureSpend);
        }
        if !is_freely_spent(input, coin) {
            return Err(TransactionRejection::Script);
        }
        available = available.saturating_add(coin.value);
    }
    Ok(available)
}

fn check_locks(transaction: &Transaction, place: Place) -> Result<(), TransactionRejection> {
    let is_locked = match transaction.lock_time {
        LockTime::Blocks(height) => height.to_consensus_u32() >= place.height,
        LockTime::Seconds(time) => time.to_consensus_u32() >= place.median_time_past,
    };
    if is_locked
        && transaction.lock_time != LockTime::ZERO
        && transaction.input.iter().any(|input| input.sequence != Sequence::MAX)
    {
        return Err(TransactionRejection::NotFinal);
    }
    // A negative version is a large one (BIP 68).
    let has_relative_lock = !(0..2).contains(&transaction.version.0)
        && transaction.input.iter().any(|input| {
            input.sequence.is_relative_lock_time() && input.sequence.0 & RELATIVE_LOCK_VALUE != 0
        });
    if has_relative_lock {
        return Err(TransactionRejection::RelativeLock);
    }
    Ok(())
}

fn is_freely_spent(input: &TxIn, coin: &Coin) -> bool {
    if !input.script_sig.is_empty() {
        return false;
    }
    if coin.script.as_bytes() == [OP_PUSHNUM_1.to_u8()] {
        return input.witness.is_empty();
    }
    let (Some(witness_script), 1) = (input.witness.last(), input.witness.len()) else {
        return false;
    };
    let witness_script = Script::from_bytes(witness_script);
    coin.script == ScriptBuf::new_p2wsh(&witness_script.wscript_hash()) && is_true(witness_script)
}

/// `OP_TRUE`, or `<up to 75 bytes> OP_DROP OP_TRUE`.
fn is_true(script: &Script) -> bool {
    let (drop, yes) = (OP_DROP.to_u8(), OP_PUSHNUM_1.to_u8());
    match script.as_bytes() {
        [only] => *only == yes,
        [push_len @ 1..=75, push @ .., second_last, last] => {
            push.len() == usize::from(*push_len) && (*second_last, *last) == (drop, yes)
        }
        _ => false,
    }
}

/// Blocks that must stand on a coinbase before it is spent, itself included.
pub(crate) const COINBASE_MATURITY: u32 = 100;

/// The bits of a sequence number that hold a relative lock time (BIP 68).
const RELATIVE_LOCK_VALUE: u32 = 0xffff;
