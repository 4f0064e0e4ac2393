//! Coinbase transactions and blocks as cases look at them: what a job makes of the client's
//! extranonce (spec 5.3.16), and what has reached the chain.

use bitcoin::blockdata::script::Instruction;
use bitcoin::consensus::{Decodable, deserialize};
use bitcoin::{Script, Transaction};
use bytes::Bytes;
use sv2::mining::header::{coinbase_txid, merkle_root};
use sv2::wire::U256;

use crate::case::value::Value;
use crate::client::JobBody;
use crate::client::tracker::Job;
use crate::world::ChainView;

/// The coinbase transaction of a job as a record; `None` if the job carries none.
pub(super) fn of_job(job: &Job, extranonce: &[u8], own_prefix: Option<&Bytes>) -> Option<Value> {
    let JobBody::Coinbase { prefix, suffix, path, extranonce_prefix } = &job.body else {
        return None;
    };
    let extranonce_prefix = own_prefix.unwrap_or(extranonce_prefix);
    let whole = [&prefix[..], extranonce_prefix, extranonce, suffix].concat();
    let txid = coinbase_txid(prefix, extranonce_prefix, extranonce, suffix);
    let Value::Record(mut record) = transaction(&whole) else { return None };
    let rolled_len = extranonce_prefix.len() + extranonce.len();
    let is_in_script = is_within_script(prefix.len(), rolled_len, &whole);
    record.insert("is_extranonce_in_script".to_owned(), Value::Bool(is_in_script));
    record.insert("txid".to_owned(), Value::U256(txid));
    record.insert("root".to_owned(), Value::U256(merkle_root(txid, path)));
    record.insert("path_len".to_owned(), Value::Int(path.len() as u64));
    Some(Value::Record(record))
}

/// The chain as a record; `block` is its last one.
pub(super) fn of_chain(view: &ChainView) -> Value {
    let block = view.tip_block.as_deref().and_then(|raw| deserialize::<bitcoin::Block>(raw).ok());
    let block = match &block {
        None => Value::List(Vec::new()),
        Some(block) => Value::record([
            ("version", Value::Int(u64::from(block.header.version.to_consensus().cast_unsigned()))),
            ("ntime", Value::Int(block.header.time.into())),
            ("transaction_count", Value::Int(block.txdata.len() as u64)),
            ("has_valid_commitment", Value::Bool(block.check_witness_commitment())),
            ("coinbase", block.txdata.first().map_or(Value::List(Vec::new()), describe)),
        ]),
    };
    let solution = view.last_solution.as_deref().map_or(Value::List(Vec::new()), transaction);
    Value::record([
        ("tip", Value::U256(view.tip)),
        ("height", Value::Int(view.height.into())),
        ("next_value", Value::Int(view.next_value)),
        ("nbits", Value::Int(view.nbits.into())),
        ("block", block),
        ("solution", solution),
    ])
}

/// A transaction in words; one that cannot be read is a record that says so.
fn transaction(raw: &[u8]) -> Value {
    let mut rest = raw;
    match Transaction::consensus_decode(&mut rest) {
        Ok(transaction) if rest.is_empty() => {
            let Value::Record(mut record) = describe(&transaction) else {
                return Value::List(Vec::new());
            };
            record.insert("has_segwit_fields".to_owned(), Value::Bool(has_segwit_fields(raw)));
            Value::Record(record)
        }
        _ => Value::record([
            ("is_transaction", Value::Bool(false)),
            ("has_segwit_fields", Value::Bool(has_segwit_fields(raw))),
        ]),
    }
}

fn describe(transaction: &Transaction) -> Value {
    let script = transaction.input.first().map(|input| input.script_sig.as_script());
    let value: u64 = transaction.output.iter().map(|output| output.value.to_sat()).sum();
    let has_witness = transaction.input.iter().any(|input| !input.witness.is_empty());
    let has_commitment =
        transaction.output.iter().any(|output| is_commitment(&output.script_pubkey));
    Value::record([
        ("is_transaction", Value::Bool(true)),
        ("input_count", Value::Int(transaction.input.len() as u64)),
        ("has_null_input", Value::Bool(transaction.is_coinbase())),
        ("script_len", Value::Int(script.map_or(0, Script::len) as u64)),
        ("height", script.and_then(height).map_or(Value::List(Vec::new()), Value::Int)),
        ("output_count", Value::Int(transaction.output.len() as u64)),
        ("value", Value::Int(value)),
        ("has_witness", Value::Bool(has_witness)),
        ("has_commitment", Value::Bool(has_commitment)),
        (
            "txid",
            Value::U256(U256::from_le_bytes(*AsRef::<[u8; 32]>::as_ref(
                &transaction.compute_txid(),
            ))),
        ),
    ])
}

/// Marker and flag of BIP 144 behind the version.
fn has_segwit_fields(raw: &[u8]) -> bool {
    raw.get(4..6) == Some(&[0, 1])
}

/// BIP 34: the first thing that the script pushes.
fn height(script: &Script) -> Option<u64> {
    let push = match script.instructions().next()?.ok()? {
        Instruction::PushBytes(bytes) => bytes.as_bytes().to_vec(),
        // Heights 1 to 16 are opcodes.
        Instruction::Op(op) => {
            let number = op.to_u8().checked_sub(0x50).filter(|number| (1..=16).contains(number))?;
            return Some(number.into());
        }
    };
    if push.len() > 8 {
        return None;
    }
    Some(push.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// BIP 141: OP_RETURN, 36 bytes, four fixed ones.
fn is_commitment(script: &Script) -> bool {
    script.len() >= 38 && script.as_bytes().starts_with(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed])
}

/// Whether bytes `at` to `at + len` of a stripped coinbase transaction lie in its input script.
fn is_within_script(at: usize, len: usize, raw: &[u8]) -> bool {
    // Version, one input, outpoint; then the script's length in one byte, as it is below 253.
    const SCRIPT_AT: usize = 4 + 1 + 36 + 1;
    let Some(script_len) = raw.get(SCRIPT_AT - 1) else { return false };
    at >= SCRIPT_AT && at + len <= SCRIPT_AT + usize::from(*script_len)
}
