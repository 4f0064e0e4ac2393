//! A template cut to a client's constraints, and the messages that are made of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bitcoin::consensus::encode;
use bitcoin::{Amount, ScriptBuf, TxOut};
use bytes::Bytes;

use crate::chain::block::{WITNESS_RESERVED_VALUE, height_push};
use crate::chain::{
    BLOCK_WEIGHT_MAX, BlockTemplate, COINBASE_SCRIPT_SIGOPS, RESERVED_WEIGHT_MIN, merkle,
};
use crate::message::Message;
use crate::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, RequestTransactionDataError,
    RequestTransactionDataSuccess, SetNewPrevHash,
};
use crate::time::Instant;
use crate::violation::Violation;
use crate::wire::{B16M, B64K, B255, Seq64K, Seq255, Str255, Tlvs, U256};

/// What a block must leave free for a client (spec 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Constraints {
    /// Header, count and the largest coinbase transaction, in weight units.
    reserved_weight: u64,
    reserved_sigops: u64,
}

impl Constraints {
    /// Spec 7.1: the formula for blocks with witnesses, and the floor of nodes.
    pub(super) fn new(asked: &CoinbaseOutputConstraints) -> Result<Self, Violation> {
        let outputs_weight = 4 * u64::from(asked.coinbase_output_max_additional_size);
        let reserved_weight = (FIXED_WEIGHT + outputs_weight).max(RESERVED_WEIGHT_MIN);
        if reserved_weight > BLOCK_WEIGHT_MAX {
            let (weight, limit) = (reserved_weight, BLOCK_WEIGHT_MAX);
            return Err(Violation::CoinbaseTooLarge { weight, limit });
        }
        // A client's script may consist of operations that count (spec 7.1: valid with any
        // script of 100 bytes); its outputs count as the client says.
        let outputs_sigops = u64::from(asked.coinbase_output_max_additional_sigops);
        Ok(Constraints {
            reserved_weight,
            reserved_sigops: COINBASE_SCRIPT_SIGOPS + outputs_sigops,
        })
    }
}

/// A template as one client, or several with the same constraints, may mine it.
#[derive(Debug)]
pub(super) struct Offer {
    pub template: Arc<BlockTemplate>,
    /// When it is first sent: most are not.
    merkle_path: OnceLock<Vec<U256>>,
}

impl Offer {
    fn new(template: Arc<BlockTemplate>) -> Self {
        Offer { merkle_path: OnceLock::new(), template }
    }

    pub(super) fn merkle_path(&self) -> &[U256] {
        let txids = || self.template.transactions.iter().map(|transaction| transaction.txid);
        self.merkle_path.get_or_init(|| merkle::path(txids()))
    }

    /// Spec 7.2.
    pub(super) fn new_template(&self, template_id: u64, future_template: bool) -> NewTemplate {
        let template = &self.template;
        let height = height_push(template.height).into_bytes();
        let (coinbase_tx_outputs_count, coinbase_tx_outputs) =
            commitment_outputs(template.witness_commitment_script());
        NewTemplate {
            template_id,
            future_template,
            version: template.version,
            coinbase_tx_version: COINBASE_TX_VERSION,
            coinbase_prefix: B255::new(height).expect("a height is pushed with at most 6 bytes"),
            coinbase_tx_input_sequence: u32::MAX,
            coinbase_tx_value_remaining: template.coinbase_value,
            coinbase_tx_outputs_count,
            coinbase_tx_outputs,
            coinbase_tx_locktime: 0,
            merkle_path: Seq255::new(self.merkle_path().to_vec())
                .expect("a tree of less than 2^32 leaves has a path of at most 32"),
        }
    }

    /// Spec 7.3.
    pub(super) fn set_new_prev_hash(
        &self,
        template_id: u64,
        header_timestamp: u32,
    ) -> SetNewPrevHash {
        let template = &self.template;
        SetNewPrevHash {
            template_id,
            prev_hash: template.prev_hash,
            header_timestamp,
            nbits: template.nbits,
            target: template.target,
        }
    }

    /// Spec 7.5, or 7.6 for what no message can hold.
    pub(super) fn transaction_data(&self, template_id: u64) -> Message {
        let raw = self.template.transactions.iter().map(|transaction| &transaction.raw);
        let transactions: Result<Vec<B16M>, _> = raw.cloned().map(B16M::new).collect();
        let Ok(transaction_list) = transactions.and_then(Seq64K::new) else {
            return no_data(template_id, TOO_LARGE);
        };
        let excess_data = B64K::new(Bytes::from_static(&WITNESS_RESERVED_VALUE))
            .expect("a reserved value of 32 bytes");
        let success = RequestTransactionDataSuccess { template_id, excess_data, transaction_list };
        let message = Message::from(success);
        match message.fits_frame(&Tlvs::NONE) {
            true => message,
            false => no_data(template_id, TOO_LARGE),
        }
    }
}

/// Spec 7.6.
pub(super) fn no_data(template_id: u64, error_code: &'static str) -> Message {
    let error_code = Str255::from_static(error_code);
    RequestTransactionDataError { template_id, error_code }.into()
}

/// The node's template in all the cuts that clients need, each made once.
#[derive(Debug)]
pub(super) struct Offers {
    whole: Arc<Offer>,
    received_at: Instant,
    by_constraints: BTreeMap<Constraints, Arc<Offer>>,
}

impl Offers {
    pub(super) fn new(template: Arc<BlockTemplate>, received_at: Instant) -> Self {
        let whole = Arc::new(Offer::new(template));
        Offers { whole, received_at, by_constraints: BTreeMap::new() }
    }

    pub(super) fn prev_hash(&self) -> U256 {
        self.whole.template.prev_hash
    }

    pub(super) fn get(&mut self, constraints: Constraints) -> Arc<Offer> {
        if let Some(offer) = self.by_constraints.get(&constraints) {
            return Arc::clone(offer);
        }
        let template = self
            .whole
            .template
            .trimmed(constraints.reserved_weight, constraints.reserved_sigops)
            .expect("constraints are refused unless an empty block has room for them");
        let offer = match Arc::ptr_eq(&template, &self.whole.template) {
            true => Arc::clone(&self.whole),
            false => Arc::new(Offer::new(template)),
        };
        if self.by_constraints.len() < CUTS_MAX {
            self.by_constraints.insert(constraints, Arc::clone(&offer));
        }
        offer
    }

    /// The node's time by now: where to start mining (spec 7.3), not the smallest valid time.
    pub(super) fn header_timestamp(&self, now: Instant) -> u32 {
        let elapsed = u32::try_from(now.since(self.received_at).as_secs()).unwrap_or(u32::MAX);
        let template = &self.whole.template;
        template.current_time.saturating_add(elapsed).max(template.min_ntime)
    }
}

/// The output that commits to the witnesses as it stands in a transaction, and how many there are
/// (spec 7.2: the count stands apart). None where the node gives no script, or one that no
/// message can hold.
fn commitment_outputs(script: &[u8]) -> (u32, B64K) {
    let output =
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script.to_vec()) };
    match B64K::new(encode::serialize(&output)) {
        Ok(outputs) if !script.is_empty() => (1, outputs),
        Ok(_) | Err(_) => (0, B64K::default()),
    }
}

/// Everything that spec 7.1 reserves besides the client's outputs, in weight units: header 320,
/// count 12, fixed fields 236, script 400, output count 12, commitment 188.
const FIXED_WEIGHT: u64 = 320 + 12 + 236 + 400 + 12 + 188;

/// Cuts of one template that are kept to be shared; further ones are made anew for each client.
const CUTS_MAX: usize = 64;

/// What nodes use today; nothing depends on it.
const COINBASE_TX_VERSION: u32 = 2;

/// A template that was never sent to this client.
pub(super) const UNKNOWN_TEMPLATE: &str = "template-id-not-found";

/// A template that was sent, and is no longer kept.
pub(super) const STALE_TEMPLATE: &str = "stale-template-id";

/// More transactions than a message can hold.
const TOO_LARGE: &str = "template-too-large";
