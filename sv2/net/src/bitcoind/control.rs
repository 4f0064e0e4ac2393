//! Events on demand on a node of our own: blocks, reorganisations, transactions.

use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hex::{DisplayHex, FromHex};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use bytes::Bytes;
use serde_json::{Value, json};
use sv2::chain::BlockTemplate;
use sv2::wire::U256;
use thiserror::Error;

use super::node::Node;
use super::rpc::RpcError;
use super::templates::{FetchError, TemplateError, fetch};

/// Why something did not happen on a node's chain.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The call failed.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The node's template is none.
    #[error("the node's template: {0}")]
    Template(#[from] TemplateError),
    /// The node answers what we do not understand.
    #[error("the node's answer to {method} is not what it should be")]
    Answer {
        /// Called.
        method: &'static str,
    },
    /// All coins are spent or too young.
    #[error("no coin of ours is left that is a hundred blocks old: mine more blocks")]
    NoCoin,
}

impl From<FetchError> for ControlError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Rpc(error) => ControlError::Rpc(error),
            FetchError::Template(error) => ControlError::Template(error),
        }
    }
}

impl Node {
    /// The template for the next block, as the node has it now.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn template(&self) -> Result<BlockTemplate, ControlError> {
        let rpc = self.rpc();
        Ok(fetch(&rpc).await?.0)
    }

    /// A block, serialised with witnesses.
    ///
    /// # Errors
    /// [`ControlError`]; among others if the node does not have it.
    pub async fn block(&self, hash: &U256) -> Result<Bytes, ControlError> {
        let raw = self.rpc().call("getblock", json!([hash.to_string(), 0])).await?;
        let raw = raw.as_str().and_then(|digits| Vec::from_hex(digits).ok());
        raw.map(Bytes::from).ok_or(ControlError::Answer { method: "getblock" })
    }

    /// Mines blocks; what they pay can be spent by [`Node::add_transaction`] a hundred blocks
    /// later. A block of a private signet takes a second or two.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn mine(&self, count: u32) -> Result<Vec<U256>, ControlError> {
        let mut hashes = Vec::new();
        // One call for each block keeps each within its timeout.
        for _ in 0..count {
            hashes.push(self.mine_for(free_script().as_bytes()).await?);
        }
        Ok(hashes)
    }

    /// Waits until a block is the node's tip, and says whether it has become so in time.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn wait_for_tip(
        &self,
        hash: &U256,
        patience: Duration,
    ) -> Result<bool, ControlError> {
        let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let params = json!([hash.to_string(), milliseconds]);
        let tip = self.rpc().call("waitforblock", params).await?;
        let tip = tip.get("hash").and_then(Value::as_str).and_then(U256::from_hex);
        tip.map(|tip| tip == *hash).ok_or(ControlError::Answer { method: "waitforblock" })
    }

    async fn mine_for(&self, script: &[u8]) -> Result<U256, ControlError> {
        let descriptor = format!("raw({})", script.to_lower_hex_string());
        let params = json!([1, descriptor, TRIES_MAX]);
        let mined = self.rpc().call("generatetodescriptor", params).await?;
        let hash = mined.get(0).and_then(Value::as_str).and_then(U256::from_hex);
        hash.ok_or(ControlError::Answer { method: "generatetodescriptor" })
    }

    /// Replaces the last `depth` blocks by one more than these; the new tip.
    ///
    /// # Errors
    /// [`ControlError`]; among others if the chain is not that long.
    pub async fn reorganise(&self, depth: u32) -> Result<U256, ControlError> {
        let height = self.height().await?;
        let first = self.block_hash((height + 1).saturating_sub(depth.into())).await?;
        self.rpc().call("invalidateblock", json!([first])).await?;
        // Within the same second the same reward would make the same block, which is invalid now.
        let hash = U256::from_hex(&first).ok_or(ControlError::Answer { method: "getblockhash" })?;
        let unspendable = [&[OP_RETURN, 32][..], hash.as_le_bytes()].concat();
        let tip = self.mine_for(&unspendable).await?;
        Ok(self.mine(depth).await?.pop().unwrap_or(tip))
    }

    /// Adds a transaction to the mempool that spends the reward of a block of [`Node::mine`]
    /// and pays `fee` satoshi.
    ///
    /// # Errors
    /// [`ControlError::NoCoin`] if no reward is old enough; or what the node says.
    pub async fn add_transaction(&self, fee: u64) -> Result<U256, ControlError> {
        let height = self.height().await?;
        for height in 1..=height.saturating_sub(99) {
            let Some((coin, value)) = self.reward(height).await? else { continue };
            let outpoint = json!([coin.txid.to_string(), coin.vout, true]);
            // Spent, in a block or in the mempool.
            if self.rpc().call("gettxout", outpoint).await?.is_null() {
                continue;
            }
            let transaction = spend(coin, value, fee);
            let params = json!([serialize_hex(&transaction), 0]);
            let txid = self.rpc().call("sendrawtransaction", params).await?;
            let txid = txid.as_str().and_then(U256::from_hex);
            return txid.ok_or(ControlError::Answer { method: "sendrawtransaction" });
        }
        Err(ControlError::NoCoin)
    }

    async fn block_hash(&self, height: u64) -> Result<String, ControlError> {
        let hash = self.rpc().call("getblockhash", json!([height])).await?;
        hash.as_str().map(String::from).ok_or(ControlError::Answer { method: "getblockhash" })
    }

    /// The reward of a block, if it is ours to spend.
    async fn reward(&self, height: u64) -> Result<Option<(OutPoint, Amount)>, ControlError> {
        let hash = self.block_hash(height).await?;
        let block = self.rpc().call("getblock", json!([hash, 2])).await?;
        let malformed = || ControlError::Answer { method: "getblock" };
        let coinbase = block.pointer("/tx/0").ok_or_else(malformed)?;
        let txid: Txid =
            coinbase["txid"].as_str().and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
        let script = free_script().as_bytes().to_lower_hex_string();
        let is_ours = |output: &Value| output["scriptPubKey"]["hex"] == json!(script);
        if !coinbase.pointer("/vout/0").is_some_and(is_ours) {
            return Ok(None);
        }
        let value = coinbase["vout"][0]["value"].as_f64().ok_or_else(malformed)?;
        let value = Amount::from_btc(value).map_err(|_| malformed())?;
        Ok((value > Amount::ZERO).then_some((OutPoint { txid, vout: 0 }, value)))
    }
}

fn spend(coin: OutPoint, value: Amount, fee: u64) -> Transaction {
    let left = value.checked_sub(Amount::from_sat(fee)).unwrap_or(Amount::ZERO);
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: coin,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::from_slice(&[WITNESS_SCRIPT]),
        }],
        output: vec![TxOut { value: left, script_pubkey: free_script() }],
    }
}

/// The script to which our rewards pay: a witness script hash, which relays like any other.
fn free_script() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&Script::from_bytes(&WITNESS_SCRIPT).wscript_hash())
}

/// `OP_TRUE`. A dropped word in front of it, as the embedded chain has, is data in the eyes of
/// some nodes, and not relayed.
const WITNESS_SCRIPT: [u8; 1] = [0x51];
/// As a byte of a script: nobody can spend the output.
const OP_RETURN: u8 = 0x6a;
/// Hashes for one block: far more than a private signet needs.
const TRIES_MAX: u32 = 1_000_000_000;
