//! Transactions that wait for a block, and a generator of such.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, opcodes, script,
};

use super::block::{from_txid, serialize};
use super::coins::{Coin, CoinView, Coins};
use super::transaction::{self, COINBASE_MATURITY, FREE_WITNESS_SCRIPT, Place, free_script};
use super::{TemplateTransaction, TransactionRejection};
use crate::entropy::Entropy;
use crate::wire::U256;

/// What a generated transaction carries besides a payment, to fill blocks in few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionShape {
    /// Bytes of an output that carries data; four weight units each. At most 900,000 are made.
    pub data_len: usize,
    /// Signature operations of an output, as the limit of 80,000 counts them; rounded down to a
    /// multiple of four, and at most 40,000 are made.
    pub sigops: usize,
}

/// Valid transactions, parents before children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mempool {
    entries: Vec<Entry>,
    positions: BTreeMap<Txid, usize>,
    spent: BTreeSet<OutPoint>,
    created: BTreeMap<OutPoint, Coin>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    transaction: Transaction,
    template: TemplateTransaction,
    /// Positions of all unconfirmed ancestors.
    ancestors: BTreeSet<u32>,
}

impl Mempool {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What a template can be made from.
    pub(crate) fn candidates(&self) -> Vec<TemplateTransaction> {
        self.entries.iter().map(|entry| entry.template.clone()).collect()
    }

    /// Whether a waiting transaction spends an output.
    pub(crate) fn is_spent(&self, outpoint: &OutPoint) -> bool {
        self.spent.contains(outpoint)
    }

    /// An output of a waiting transaction.
    pub(crate) fn created(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.created.get(outpoint)
    }

    pub(crate) fn add(
        &mut self,
        transaction: Transaction,
        coins: &Coins,
        place: Place,
    ) -> Result<U256, TransactionRejection> {
        let txid = transaction.compute_txid();
        if self.positions.contains_key(&txid) {
            return Err(TransactionRejection::Known);
        }
        let is_conflict =
            transaction.input.iter().any(|input| self.spent.contains(&input.previous_output));
        if is_conflict {
            return Err(TransactionRejection::Conflict);
        }
        let cost = transaction::check(&transaction, &View { mempool: self, coins }, place)?;
        let (parents, ancestors) = self.family(&transaction);
        if ancestors.len() >= ANCESTORS_MAX {
            return Err(TransactionRejection::TooManyAncestors(ANCESTORS_MAX));
        }
        let raw = serialize(&transaction);
        if self.entries.len() >= TRANSACTIONS_MAX || self.bytes + raw.len() > BYTES_MAX {
            return Err(TransactionRejection::MempoolFull);
        }
        self.bytes += raw.len();
        let template = TemplateTransaction {
            raw,
            txid: from_txid(txid),
            wtxid: U256::from_le_bytes(transaction.compute_wtxid().to_byte_array()),
            fee: cost.fee,
            weight: u32::try_from(cost.weight).expect("a transaction weighs less than a block"),
            sigops: u32::try_from(cost.sigops).expect("fewer operations than bytes"),
            depends: parents.into_iter().collect(),
        };
        self.enter(transaction, txid, template, ancestors, place.height);
        Ok(from_txid(txid))
    }

    /// Takes all transactions out, parents before children.
    pub(crate) fn take(&mut self) -> Vec<Transaction> {
        let entries = std::mem::take(self).entries;
        entries.into_iter().map(|entry| entry.transaction).collect()
    }

    /// A payment of free coins to the same script, a third of the time of coins that are not
    /// confirmed yet. `None` if no coin is left.
    pub(crate) fn generate(
        &self,
        coins: &Coins,
        place: Place,
        entropy: &mut Entropy,
        shape: TransactionShape,
    ) -> Option<Transaction> {
        let inputs_wanted = 1 + entropy.below(2);
        let mut inputs: BTreeMap<OutPoint, u64> = BTreeMap::new();
        for _ in 0..inputs_wanted {
            inputs.extend(self.free_coin(coins, place, entropy));
        }
        let available: u64 = inputs.values().sum();
        let mut outputs = extra_outputs(shape);
        let payments = 1 + entropy.below(2);
        outputs.extend(
            (0..payments).map(|_| TxOut { value: Amount::ZERO, script_pubkey: free_script() }),
        );
        let mut transaction = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: inputs.keys().map(|outpoint| spend(*outpoint)).collect(),
            output: outputs,
        };
        let fee_rate = 1 + entropy.below(FEE_RATE_MAX);
        let fee = fee_rate * transaction.weight().to_vbytes_ceil();
        let left = available.checked_sub(fee)?;
        let share = left / payments;
        let payments_at = transaction.output.len() - usize::try_from(payments).ok()?;
        for output in &mut transaction.output[payments_at..] {
            output.value = Amount::from_sat(share);
        }
        (share > 0).then_some(transaction)
    }

    /// A coin that anyone can spend and nobody does yet.
    fn free_coin(
        &self,
        coins: &Coins,
        place: Place,
        entropy: &mut Entropy,
    ) -> Option<(OutPoint, u64)> {
        let start = OutPoint { txid: Txid::from_byte_array(entropy.bytes()), vout: 0 };
        let script = free_script();
        let is_free = |(outpoint, coin): &(&OutPoint, &Coin)| {
            coin.script == script
                && !self.spent.contains(*outpoint)
                && (!coin.is_coinbase
                    || place.height >= coin.height.saturating_add(COINBASE_MATURITY))
        };
        let unconfirmed = self.created.range(start..).chain(self.created.range(..start));
        let found = |(outpoint, coin): (&OutPoint, &Coin)| (*outpoint, coin.value);
        if entropy.below(3) == 0
            && let Some(coin) = unconfirmed.take(COINS_TRIED_MAX).find(is_free)
        {
            return Some(found(coin));
        }
        coins.near(start).take(COINS_TRIED_MAX).find(is_free).map(found)
    }

    fn enter(
        &mut self,
        transaction: Transaction,
        txid: Txid,
        template: TemplateTransaction,
        ancestors: BTreeSet<u32>,
        height: u32,
    ) {
        self.positions.insert(txid, self.entries.len());
        self.spent.extend(transaction.input.iter().map(|input| input.previous_output));
        for (vout, output) in (0..).zip(&transaction.output) {
            if !transaction::is_unspendable(&output.script_pubkey) {
                let coin = Coin {
                    value: output.value.to_sat(),
                    script: output.script_pubkey.clone(),
                    height,
                    is_coinbase: false,
                };
                self.created.insert(OutPoint { txid, vout }, coin);
            }
        }
        self.entries.push(Entry { transaction, template, ancestors });
    }

    /// Positions of parents and of all ancestors.
    fn family(&self, transaction: &Transaction) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let (mut parents, mut ancestors) = (BTreeSet::new(), BTreeSet::new());
        for input in &transaction.input {
            if let Some(position) = self.positions.get(&input.previous_output.txid) {
                ancestors.extend(&self.entries[*position].ancestors);
                parents.insert(u32::try_from(*position).expect("below TRANSACTIONS_MAX"));
            }
        }
        ancestors.extend(&parents);
        (parents, ancestors)
    }
}

/// Confirmed coins and those of the mempool, without those that it spends.
struct View<'a> {
    mempool: &'a Mempool,
    coins: &'a Coins,
}

impl CoinView for View<'_> {
    fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.mempool.created.get(outpoint).or_else(|| self.coins.coin(outpoint))
    }
}

fn spend(outpoint: OutPoint) -> TxIn {
    TxIn {
        previous_output: outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[FREE_WITNESS_SCRIPT]),
    }
}

fn extra_outputs(shape: TransactionShape) -> Vec<TxOut> {
    let mut outputs = Vec::new();
    if shape.data_len > 0 {
        // One push, whatever the length: scripts are walked by the operation to count them.
        let len = u32::try_from(shape.data_len).map_or(DATA_LEN_MAX, |len| len.min(DATA_LEN_MAX));
        let mut script = vec![opcodes::all::OP_RETURN.to_u8(), opcodes::all::OP_PUSHDATA4.to_u8()];
        script.extend_from_slice(&len.to_le_bytes());
        script.resize(script.len() + len as usize, 0);
        outputs.push(ScriptBuf::from_bytes(script));
    }
    if shape.sigops >= LEGACY_SIGOP_COST {
        let count = shape.sigops.min(SIGOPS_MAX) / LEGACY_SIGOP_COST;
        let checks = (0..count).fold(script::Builder::new(), |builder, _| {
            builder.push_opcode(opcodes::all::OP_CHECKSIG)
        });
        outputs.push(checks.into_script());
    }
    let free = |script_pubkey| TxOut { value: Amount::ZERO, script_pubkey };
    outputs.into_iter().map(free).collect()
}

/// Unconfirmed ancestors of one transaction, itself included: the policy of nodes.
const ANCESTORS_MAX: usize = 25;

/// Transactions of the mempool.
const TRANSACTIONS_MAX: usize = 20_000;

/// Serialised transactions of the mempool, in bytes.
const BYTES_MAX: usize = 32 << 20;

/// Coins looked at before the generator gives up on one input.
const COINS_TRIED_MAX: usize = 200;

/// Of generated transactions, in satoshi per virtual byte.
const FEE_RATE_MAX: u64 = 100;

/// See [`TransactionShape::data_len`].
const DATA_LEN_MAX: u32 = 900_000;

/// See [`TransactionShape::sigops`].
const SIGOPS_MAX: usize = 40_000;

/// What a signature operation outside a witness counts (BIP 141).
const LEGACY_SIGOP_COST: usize = 4;

#[cfg(test)]
mod tests {
    use bitcoin::Script;

    use super::*;

    #[test]
    fn the_free_script_is_the_hash_of_the_free_witness_script() {
        let script = Script::from_bytes(&FREE_WITNESS_SCRIPT);

        assert!(free_script().is_p2wsh());
        assert_eq!(script.to_asm_string(), "OP_PUSHBYTES_5 6173736179 OP_DROP OP_PUSHNUM_1");
    }
}
