//! Unspent outputs, and what a block changes about them.

use std::collections::BTreeMap;

use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};

use super::transaction::is_unspendable;

/// An unspent output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coin {
    /// In satoshi.
    pub value: u64,
    pub script: ScriptBuf,
    /// Of the block that created it.
    pub height: u32,
    pub is_coinbase: bool,
}

/// Where coins can be looked up.
pub(crate) trait CoinView {
    fn coin(&self, outpoint: &OutPoint) -> Option<&Coin>;
}

/// All coins at the tip.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coins(BTreeMap<OutPoint, Coin>);

impl Coins {
    /// How many coins there would be with some changes.
    pub(crate) fn len_after(&self, changes: &Changes) -> usize {
        self.0.len() + changes.created.len() - changes.spent.len()
    }

    pub(crate) fn insert(&mut self, outpoint: OutPoint, coin: Coin) {
        self.0.insert(outpoint, coin);
    }

    /// The first coin at or after a position, around the end: a random position gives a random
    /// coin.
    pub(crate) fn near(&self, position: OutPoint) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.0.range(position..).chain(self.0.range(..position))
    }

    /// Brings a block's changes in; what comes back takes them out again.
    pub(crate) fn connect(&mut self, changes: Changes) -> Undo {
        for outpoint in changes.spent.keys() {
            self.0.remove(outpoint);
        }
        let created = changes.created.keys().copied().collect();
        self.0.extend(changes.created);
        Undo { created, spent: changes.spent }
    }

    /// Takes the block at the tip out again.
    pub(crate) fn disconnect(&mut self, undo: &Undo) {
        for outpoint in &undo.created {
            self.0.remove(outpoint);
        }
        self.0.extend(undo.spent.clone());
    }
}

impl CoinView for Coins {
    fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.0.get(outpoint)
    }
}

/// What a block would change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    created: BTreeMap<OutPoint, Coin>,
    /// Coins from before the block.
    spent: BTreeMap<OutPoint, Coin>,
}

/// What takes a block out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undo {
    created: Vec<OutPoint>,
    spent: BTreeMap<OutPoint, Coin>,
}

/// The coins at the tip as some transactions of a block have changed them.
pub(crate) struct Overlay<'a> {
    base: &'a Coins,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a Coins) -> Self {
        Overlay { base, changes: Changes::default() }
    }

    /// Spends the inputs, which must be known, and creates the outputs.
    pub(crate) fn apply(&mut self, transaction: &Transaction, txid: Txid, height: u32) {
        let is_coinbase = transaction.is_coinbase();
        if !is_coinbase {
            for input in &transaction.input {
                self.spend(&input.previous_output);
            }
        }
        for (vout, output) in (0..).zip(&transaction.output) {
            if !is_unspendable(&output.script_pubkey) {
                let coin = Coin {
                    value: output.value.to_sat(),
                    script: output.script_pubkey.clone(),
                    height,
                    is_coinbase,
                };
                self.changes.created.insert(OutPoint { txid, vout }, coin);
            }
        }
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    fn spend(&mut self, outpoint: &OutPoint) {
        if self.changes.created.remove(outpoint).is_none()
            && let Some(coin) = self.base.coin(outpoint)
        {
            self.changes.spent.insert(*outpoint, coin.clone());
        }
    }
}

impl CoinView for Overlay<'_> {
    fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        if self.changes.spent.contains_key(outpoint) {
            return None;
        }
        self.changes.created.get(outpoint).or_else(|| self.base.coin(outpoint))
    }
}
