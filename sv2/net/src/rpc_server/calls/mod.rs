//! The calls, a file for each section of `help`.

mod assay;
mod blockchain;
mod control;
mod mempool;
mod mining;
mod script;
pub(super) mod template;

use bitcoin::hex::FromHex;
use serde_json::Value;
use sv2::wire::U256;

use super::fault::{Code, Fault};
use super::method::{Kind, Method, Param, Params, Run};
use super::service::Service;

/// All calls, as `help` lists them.
pub(super) const SECTIONS: &[(&str, &[Method])] = &[
    ("Assay", assay::METHODS),
    ("Blockchain", blockchain::METHODS),
    ("Control", control::METHODS),
    ("Mempool", mempool::METHODS),
    ("Mining", mining::METHODS),
];

/// A hash in a parameter.
fn hash(params: &Params, index: usize, name: &str) -> Result<U256, Fault> {
    let text = params.text(index);
    U256::from_hex(text).ok_or_else(|| Fault::no_hash(name, text))
}

/// Bytes in a parameter, with the words for those who sent something else.
fn bytes(text: &str, otherwise: &str) -> Result<Vec<u8>, Fault> {
    Vec::from_hex(text).map_err(|_| Fault::new(Code::Deserialization, otherwise))
}

/// In the unit of Bitcoin Core's answers.
fn bitcoin(satoshi: u64) -> Value {
    bitcoin::Amount::from_sat(satoshi).to_btc().into()
}
