//! Templates as their clients look at them (spec 7.2 to 7.7): what is in them, whether their
//! parts fit each other, and blocks that solve them.

use bitcoin::consensus::{Decodable, deserialize};
use bitcoin::hashes::Hash;
use bitcoin::{Transaction, TxOut};
use bytes::Bytes;
use sv2::chain::block::witness_commitment_script;
use sv2::chain::merkle;
use sv2::message::{Chapter, Message, by_name};
use sv2::mining::coinbase::{Coinbase, payout, script_height};
use sv2::mining::header::{Header, merkle_root};
use sv2::template_distribution::{NewTemplate, SetNewPrevHash};
use sv2::wire::compose::compose;
use sv2::wire::{Frame, Target, U256};

use super::call::Arguments;
use super::{Session, Stop};
use crate::case::value::{EvaluationError, Value};

impl Session<'_> {
    /// What a template says, and with its transaction data whether it says the truth.
    pub(super) fn examine_template(&mut self, arguments: &Arguments) -> Result<Value, Stop> {
        let template = new_template(arguments)?;
        let prefix = template.coinbase_prefix.as_slice();
        let outputs = outputs(&template);
        let is_commitment = |output: &TxOut| {
            let script = output.script_pubkey.as_bytes();
            script.len() >= 38 && script.starts_with(&COMMITMENT_START)
        };
        let commitment =
            outputs.as_deref().and_then(|all| all.iter().rev().find(|one| is_commitment(one)));
        let transactions =
            match arguments.get("data").and_then(|data| data.part("transaction_list")) {
                Some(Value::List(list)) => list,
                _ => Vec::new(),
            };
        let raw = transactions.iter().filter_map(Value::as_bytes);
        let decoded: Vec<Transaction> = raw.filter_map(|raw| deserialize(raw).ok()).collect();
        let txids =
            decoded.iter().map(|one| U256::from_le_bytes(one.compute_txid().to_byte_array()));
        let wtxids =
            decoded.iter().map(|one| U256::from_le_bytes(one.compute_wtxid().to_byte_array()));
        let expected = witness_commitment_script(wtxids);
        let weight: u64 = decoded.iter().map(|one| one.weight().to_wu()).sum();
        // Without the coins that they spend: those of scripts, not of witnesses.
        let sigops: u64 = decoded.iter().map(|one| one.total_sigop_cost(|_| None) as u64).sum();
        let has_witness =
            |one: &Transaction| one.input.iter().any(|input| !input.witness.is_empty());
        let is_target_right = match arguments.get("tip") {
            None => Value::List(Vec::new()),
            Some(_) => {
                let tip = tip(arguments)?;
                let most = Target::from_compact(tip.nbits).unwrap_or_default();
                Value::Bool(tip.target <= most)
            }
        };
        Ok(Value::record([
            ("is_target_within_nbits", is_target_right),
            (
                "height",
                script_height(prefix)
                    .map_or(Value::List(Vec::new()), |height| Value::Int(height.into())),
            ),
            ("prefix_len", Value::Int(prefix.len() as u64)),
            ("has_outputs_as_counted", Value::Bool(outputs.is_some())),
            ("has_commitment", Value::Bool(commitment.is_some())),
            (
                "is_commitment_right",
                Value::Bool(
                    commitment.is_some_and(|one| one.script_pubkey.as_bytes() == &expected[..]),
                ),
            ),
            ("is_path_right", Value::Bool(template.merkle_path.as_slice() == merkle::path(txids))),
            ("are_transactions", Value::Bool(decoded.len() == transactions.len())),
            ("transaction_count", Value::Int(transactions.len() as u64)),
            ("has_coinbase", Value::Bool(decoded.iter().any(Transaction::is_coinbase))),
            ("have_witnesses", Value::Bool(decoded.iter().all(has_witness))),
            ("weight", Value::Int(weight)),
            ("sigops", Value::Int(sigops)),
        ]))
    }

    /// The fields of `SubmitSolution` for a template.
    pub(super) fn solve_template(
        &mut self,
        on: &str,
        arguments: &Arguments,
    ) -> Result<Value, Stop> {
        let template = new_template(arguments)?;
        let tip = tip(arguments)?;
        let value = match arguments.get("value").and_then(Value::as_int) {
            Some(value) => value,
            None => template.coinbase_tx_value_remaining,
        };
        let tag_byte = arguments.number("extranonce_byte")?.unwrap_or(0).to_le_bytes()[0];
        let extranonce = [tag_byte; EXTRANONCE_LEN];
        let coinbase =
            Coinbase::new(&template, b"assay", &[payout(value, &[0x51])], EXTRANONCE_LEN).map_err(
                |error| self.inconclusive(&format!("the template is not usable: {error}")),
            )?;
        let whole = coinbase.transaction(&[&extranonce]);
        let transaction: Transaction =
            deserialize(&whole).map_err(|error| EvaluationError(error.to_string()))?;
        let txid = U256::from_le_bytes(transaction.compute_txid().to_byte_array());
        let header = Header {
            version: template.version,
            prev_hash: tip.prev_hash,
            merkle_root: merkle_root(txid, template.merkle_path.as_slice()),
            ntime: tip.header_timestamp,
            nbits: tip.nbits,
            nonce: 0,
        };
        // AMB-33: what meets both is a solution under either reading.
        let target = Target::from_compact(tip.nbits).unwrap_or_default().min(tip.target);
        let (nonce, hash) = self.search(on, &header, target, arguments)?;
        Ok(Value::record([
            ("template_id", Value::Int(template.template_id)),
            ("version", Value::Int(template.version.into())),
            ("header_timestamp", Value::Int(tip.header_timestamp.into())),
            ("header_nonce", Value::Int(nonce.into())),
            ("coinbase_tx", Value::Bytes(whole)),
            ("hash", Value::U256(hash)),
        ]))
    }

    /// What came with a token (spec 6.4.3).
    pub(super) fn outputs(&self, arguments: &Arguments) -> Result<Value, Stop> {
        let missing = || EvaluationError("`outputs` needs `bytes`".into());
        let bytes = arguments.get("bytes").and_then(Value::as_bytes).ok_or_else(missing)?;
        let outputs: Option<Vec<TxOut>> = deserialize(bytes).ok();
        let is_well_formed = Value::Bool(outputs.is_some());
        let outputs = outputs.unwrap_or_default();
        let first = outputs.first().map(|first| first.script_pubkey.clone()).unwrap_or_default();
        let value: u64 = outputs.iter().map(|output| output.value.to_sat()).sum();
        let script = arguments.get("script").and_then(Value::as_bytes);
        let is_meant = |output: &&TxOut| {
            script.is_none_or(|script| output.script_pubkey.as_bytes() == &script[..])
        };
        let paid: u64 = outputs.iter().filter(is_meant).map(|one| one.value.to_sat()).sum();
        Ok(Value::record([
            ("is_well_formed", is_well_formed),
            ("count", Value::Int(outputs.len() as u64)),
            ("first_script", Value::Bytes(Bytes::copy_from_slice(first.as_bytes()))),
            ("is_first_spendable", Value::Bool(!first.is_empty() && !first.is_op_return())),
            ("value", Value::Int(value)),
            ("paid", Value::Int(paid)),
        ]))
    }
}

fn new_template(arguments: &Arguments) -> Result<NewTemplate, Stop> {
    match message(arguments, "template", "NewTemplate")? {
        Message::NewTemplate(template) => Ok(*template),
        _ => Err(EvaluationError("`template` is no NewTemplate".into()).into()),
    }
}

fn tip(arguments: &Arguments) -> Result<SetNewPrevHash, Stop> {
    match message(arguments, "tip", "template.SetNewPrevHash")? {
        Message::TemplateSetNewPrevHash(tip) => Ok(*tip),
        _ => Err(EvaluationError("`tip` is no SetNewPrevHash of a template".into()).into()),
    }
}

/// A message from the record of one.
fn message(arguments: &Arguments, argument: &str, name: &str) -> Result<Message, EvaluationError> {
    let missing = || EvaluationError(format!("`{argument}` must be the record of a {name}"));
    let record = arguments.get(argument).ok_or_else(missing)?;
    let chapter = name.starts_with("template.").then_some(Chapter::TemplateDistribution);
    let descriptor = by_name(name.trim_start_matches("template."), chapter).ok_or_else(missing)?;
    let payload = compose(descriptor.fields, |name| {
        let field = descriptor.fields.iter().find(|field| field.name == name)?;
        record.part(name)?.to_wire(field.kind).ok()
    });
    let frame = Frame {
        extension_type: descriptor.extension_type(),
        message_type: descriptor.number,
        payload: Bytes::from(payload.map_err(|_| missing())?),
    };
    Ok(Message::decode(&frame).map_err(|_| missing())?.message)
}

/// All outputs and nothing behind them; `None` if the count is not theirs (spec 7.2).
fn outputs(template: &NewTemplate) -> Option<Vec<TxOut>> {
    let mut rest = template.coinbase_tx_outputs.as_slice();
    let mut outputs = Vec::new();
    // Stops at the first missing output, so a false count costs nothing.
    for _ in 0..template.coinbase_tx_outputs_count {
        outputs.push(TxOut::consensus_decode(&mut rest).ok()?);
    }
    rest.is_empty().then_some(outputs)
}

/// OP_RETURN, a push of 36 bytes, and the mark of a witness commitment (BIP 141).
const COMMITMENT_START: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// Of blocks that the suite builds, in bytes.
const EXTRANONCE_LEN: usize = 8;
