//! Jobs and shares: `mining.notify` and `mining.submit`.

use super::json::{self, Fault, JsonWriter, Params};
use super::{JOB_ID_LEN_MAX, USER_LEN_MAX, order};
use crate::wire::{B32, U256};

/// A job, which replaces the last one for what is begun from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// What shares for it name.
    pub job_id: String,
    /// Of the header.
    pub prev_hash: U256,
    /// The coinbase transaction in front of the extranonces, without the fields of BIP 141.
    pub coinbase_1: Vec<u8>,
    /// The same behind them.
    pub coinbase_2: Vec<u8>,
    /// From the deepest on, each a right-hand sibling.
    pub merkle_branches: Vec<U256>,
    /// Of the header, with no bit rolled.
    pub version: u32,
    /// Of the header.
    pub nbits: u32,
    /// Smallest of the header, and what to begin with; seconds since the Unix epoch.
    pub ntime: u32,
    /// All other jobs earn nothing from now on.
    pub clean_jobs: bool,
}

impl Notify {
    /// Most merkle branches of a job: a block has no more than 2^32 transactions.
    pub const BRANCH_COUNT_MAX: usize = 32;

    pub(super) fn read(params: &Params) -> Result<Self, Fault> {
        const COINBASE: &str = "pairs of hex digits";
        let branches = params.required(4, "an array of at most 32 times 64 hex digits", |value| {
            let values =
                value.as_array().filter(|values| values.len() <= Notify::BRANCH_COUNT_MAX)?;
            values.iter().map(|value| json::node(value).map(order::branch_from_bytes)).collect()
        });
        Ok(Notify {
            job_id: job_id(params, 0)?,
            prev_hash: order::prev_hash_from_words(params.required(
                1,
                "64 hex digits",
                json::node,
            )?),
            coinbase_1: params.required(2, COINBASE, json::bytes)?,
            coinbase_2: params.required(3, COINBASE, json::bytes)?,
            merkle_branches: branches?,
            version: params.word(5)?,
            nbits: params.word(6)?,
            ntime: params.word(7)?,
            clean_jobs: params.required(8, "true or false", serde_json::Value::as_bool)?,
        })
    }

    pub(super) fn write(&self, out: &mut JsonWriter) {
        out.text(&self.job_id)
            .hex(&order::prev_hash_to_words(self.prev_hash))
            .hex(&self.coinbase_1)
            .hex(&self.coinbase_2)
            .open(b'[');
        for branch in &self.merkle_branches {
            out.hex(&order::branch_to_bytes(*branch));
        }
        out.close(b']').word(self.version).word(self.nbits).word(self.ntime).flag(self.clean_jobs);
    }
}

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// As authorised.
    pub user: String,
    /// Of [`Notify`].
    pub job_id: String,
    /// The rolled part of the extranonce.
    pub extranonce2: B32,
    /// Of the header, seconds since the Unix epoch.
    pub ntime: u32,
    /// Of the header.
    pub nonce: u32,
    /// The rolled bits of the version, see [`order::rolled_version`]; `None`: no sixth
    /// parameter, as without `version-rolling` (BIP 310).
    pub version_bits: Option<u32>,
    /// Parameters behind the sixth, which say nothing that we know.
    pub extra_param_count: usize,
}

impl Submit {
    const PARAM_COUNT: usize = 6;

    pub(super) fn read(params: &Params) -> Result<Self, Fault> {
        Ok(Submit {
            user: params.required(0, "a user of at most 255 bytes", json::text(USER_LEN_MAX))?,
            job_id: job_id(params, 1)?,
            extranonce2: params.short_bytes(2)?,
            ntime: params.word(3)?,
            nonce: params.word(4)?,
            version_bits: params.optional(5, "1 to 8 hex digits", json::word)?,
            extra_param_count: params.len().saturating_sub(Submit::PARAM_COUNT),
        })
    }

    /// Without the parameters that say nothing.
    pub(super) fn write(&self, out: &mut JsonWriter) {
        out.text(&self.user)
            .text(&self.job_id)
            .hex(self.extranonce2.as_slice())
            .word(self.ntime)
            .word(self.nonce);
        if let Some(bits) = self.version_bits {
            out.word(bits);
        }
    }
}

fn job_id(params: &Params, index: usize) -> Result<String, Fault> {
    let read = |value: &_| json::text(JOB_ID_LEN_MAX)(value).filter(|id| !id.is_empty());
    params.required(index, "a job id of 1 to 64 bytes", read)
}
