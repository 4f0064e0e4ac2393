//! Jobs that the suite builds itself, as a miner with a node of its own does: a block in the
//! making from the node's template, declared to a job declarator server (spec 6.4.4) or set at a
//! pool (spec 5.3.18), and solved.

use bitcoin::absolute::LockTime;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use bytes::Bytes;
use sv2::chain::block::{height_push, witness_commitment_script};
use sv2::chain::{BlockTemplate, FREE_WITNESS_SCRIPT, free_script, merkle};
use sv2::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use sv2::mining::header::{Header, HeaderMidstate, merkle_root};
use sv2::wire::{Target, U256};

use super::call::Arguments;
use super::{Finding, Session, Stop};
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::What;
use crate::verdict::{Skip, Verdict};

/// A transaction of a block in the making.
struct Listed {
    raw: Bytes,
    txid: U256,
    wtxid: U256,
    /// Made here, so that no node has heard of it.
    is_hidden: bool,
}

impl Listed {
    fn hidden(transaction: &Transaction) -> Listed {
        Listed {
            raw: Bytes::from(serialize(transaction)),
            txid: U256::from_le_bytes(transaction.compute_txid().to_byte_array()),
            wtxid: U256::from_le_bytes(transaction.compute_wtxid().to_byte_array()),
            is_hidden: true,
        }
    }
}

impl Session<'_> {
    /// A job of the node's template, as the fields of both messages that bring one.
    pub(super) fn build_job(&mut self, arguments: &Arguments) -> Result<Value, Stop> {
        let Some(template) = self.world.template() else {
            return Err(self.inconclusive("the node behind the target gives no template"));
        };
        let transactions = self.transactions(&template, arguments)?;
        let wtxids: Vec<U256> = transactions.iter().map(|one| one.wtxid).collect();
        let path = merkle::path(transactions.iter().map(|one| one.txid));
        let value =
            arguments.get("value").and_then(Value::as_int).unwrap_or(template.coinbase_value);
        let mut outputs = outputs(arguments, value)?;
        outputs.push(payout(0, &witness_commitment_script(wtxids.iter().copied())));
        let height = arguments.number("height")?.unwrap_or(template.height);
        let mut script_start = height_push(height).into_bytes();
        script_start.extend(arguments.get("tag").and_then(Value::as_bytes).into_iter().flatten());
        let extranonce_len = match arguments.number("extranonce_len")? {
            Some(len) => usize::try_from(len).unwrap_or(usize::MAX),
            None => EXTRANONCE_LEN,
        };
        let coinbase = Coinbase::assemble(&CoinbaseParts {
            version: COINBASE_VERSION,
            script_start: &script_start,
            extranonce_len,
            sequence: u32::MAX,
            outputs: &outputs,
            locktime: 0,
        });
        let coinbase = coinbase.map_err(|error| EvaluationError(error.to_string()))?;
        let (prefix, suffix) =
            coinbase.declaration_parts().map_err(|error| EvaluationError(error.to_string()))?;
        let bytes = |bytes: &[u8]| Value::Bytes(Bytes::copy_from_slice(bytes));
        let hashes = |hashes: Vec<U256>| Value::List(hashes.into_iter().map(Value::U256).collect());
        let hidden = || (0_u64..).zip(&transactions).filter(|(_, one)| one.is_hidden);
        Ok(Value::record([
            // Spec 6.4.4.
            ("version", Value::Int(template.version.into())),
            ("coinbase_tx_prefix", bytes(prefix.as_slice())),
            ("coinbase_tx_suffix", bytes(suffix.as_slice())),
            ("wtxid_list", hashes(wtxids)),
            // Spec 5.3.18.
            ("prev_hash", Value::U256(template.prev_hash)),
            ("min_ntime", Value::Int(template.current_time.into())),
            ("nbits", Value::Int(template.nbits.into())),
            ("coinbase_tx_version", Value::Int(COINBASE_VERSION.into())),
            ("coinbase_prefix", bytes(&script_start)),
            ("coinbase_tx_input_n_sequence", Value::Int(u32::MAX.into())),
            ("coinbase_tx_outputs", bytes(&serialize(&outputs))),
            ("coinbase_tx_locktime", Value::Int(0)),
            ("merkle_path", hashes(path)),
            // For cases, and to be solved.
            ("height", Value::Int(height.into())),
            ("value", Value::Int(value)),
            ("extranonce_len", Value::Int(extranonce_len as u64)),
            ("hidden_positions", Value::List(hidden().map(|(at, _)| Value::Int(at)).collect())),
            (
                "hidden",
                Value::List(hidden().map(|(_, one)| Value::Bytes(one.raw.clone())).collect()),
            ),
        ]))
    }

    /// Those of the template, and such as no node has heard of.
    fn transactions(
        &mut self,
        template: &BlockTemplate,
        arguments: &Arguments,
    ) -> Result<Vec<Listed>, Stop> {
        let known = template.transactions.iter().map(|one| Listed {
            raw: one.raw.clone(),
            txid: one.txid,
            wtxid: one.wtxid,
            is_hidden: false,
        });
        let mut transactions: Vec<Listed> = known.collect();
        let hidden = arguments.number("hidden")?.unwrap_or(0).min(HIDDEN_MAX);
        let flaw = arguments.word("flaw");
        if hidden > 0 {
            let Some((at, coin)) = free_coin(template) else {
                let why = "the node's template has no coin that the suite could spend";
                return Err(self.inconclusive(why));
            };
            let mut spent = coin;
            for number in 0..hidden {
                let overspends = flaw.as_deref() == Some("overspends");
                let mark: [u8; 8] = self.entropy.fork("hidden", self.draw()).u64().to_le_bytes();
                let child = spend(spent, overspends, mark);
                // The first stands right behind its parent, in the middle of the list.
                let place = if number == 0 { at + 1 } else { transactions.len() };
                transactions.insert(place, Listed::hidden(&child));
                // Or the same coin again, in a transaction of its own.
                if flaw.as_deref() != Some("double-spend") {
                    let outpoint = OutPoint { txid: child.compute_txid(), vout: 0 };
                    spent = (outpoint, child.output[0].value);
                }
            }
        }
        match flaw.as_deref() {
            None | Some("overspends" | "double-spend") => {}
            Some("children-first") => transactions.reverse(),
            Some(other) => return Err(EvaluationError(format!("no `flaw` is `{other}`")).into()),
        }
        Ok(transactions)
    }

    /// The fields of `PushSolution` for a job that [`Session::build_job`] has made.
    pub(super) fn solve_job(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        let missing = || EvaluationError("`solve-job` needs a `job` that `build-job` made".into());
        let job = arguments.get("job").ok_or_else(missing)?;
        let number = |name: &str| job.part(name).and_then(|part| part.as_u32());
        let bytes = |name: &str| job.part(name).and_then(|part| part.as_bytes().cloned());
        let (Some(version), Some(ntime), Some(nbits), Some(extranonce_len)) = (
            number("version"),
            number("min_ntime"),
            number("nbits"),
            number("extranonce_len").and_then(|len| usize::try_from(len).ok()),
        ) else {
            return Err(missing().into());
        };
        let (Some(prefix), Some(suffix), Some(prev_hash), Some(Value::List(path))) = (
            bytes("coinbase_tx_prefix"),
            bytes("coinbase_tx_suffix"),
            job.part("prev_hash").and_then(|hash| hash.as_u256()),
            job.part("merkle_path"),
        ) else {
            return Err(missing().into());
        };
        let byte = arguments.number("extranonce_byte")?.unwrap_or(0).to_le_bytes()[0];
        let extranonce = vec![byte; extranonce_len];
        let coinbase: Transaction = deserialize(&[&prefix[..], &extranonce, &suffix].concat())
            .map_err(|error| EvaluationError(error.to_string()))?;
        let txid = U256::from_le_bytes(coinbase.compute_txid().to_byte_array());
        let path: Vec<U256> = path.iter().filter_map(Value::as_u256).collect();
        let header = Header {
            version,
            prev_hash,
            merkle_root: merkle_root(txid, &path),
            ntime,
            nbits,
            nonce: 0,
        };
        let target = Target::from_compact(nbits).unwrap_or_default();
        let (nonce, hash) = self.search(on, &header, target, arguments)?;
        Ok(Value::record([
            ("extranonce", Value::Bytes(Bytes::from(extranonce))),
            ("prev_hash", Value::U256(prev_hash)),
            ("nonce", Value::Int(nonce.into())),
            ("ntime", Value::Int(ntime.into())),
            ("nbits", Value::Int(nbits.into())),
            ("version", Value::Int(version.into())),
            ("hash", Value::U256(hash)),
        ]))
    }

    /// A nonce whose hash is a block, or with `hash = "low"` one whose hash is none.
    pub(super) fn search(
        &mut self,
        on: &str,
        header: &Header,
        target: Target,
        arguments: &Arguments,
    ) -> Result<(u32, U256), Stop> {
        let wants_block = match arguments.word("hash").as_deref() {
            None | Some("block") => true,
            Some("low") => false,
            Some(other) => {
                return Err(EvaluationError(format!("`hash` cannot be `{other}`")).into());
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "a budget is a round number")]
        if wants_block && target.expected_hashes() > self.context.hash_budget as f64 {
            let price = target.expected_hashes();
            let finding = Finding {
                because: format!(
                    "a block costs {price:.0} hashes, the budget is {}: run this on an easy chain",
                    self.context.hash_budget
                ),
                ..self.finding(Verdict::Skip(Skip::Unaffordable), &[])
            };
            return Err(Stop(Box::new(finding)));
        }
        let midstate = HeaderMidstate::new(header);
        let found = (0..=u32::MAX)
            .map(|nonce| (nonce, midstate.hash(header.ntime, nonce)))
            .find(|(_, hash)| target.is_met_by(hash) == wants_block);
        let Some((nonce, hash)) = found else {
            return Err(self.inconclusive("no nonce of 2^32 makes such a hash"));
        };
        self.note_on(on, What::Note(format!("found {hash} after {} hashes", nonce + 1)));
        Ok((nonce, hash))
    }

    pub(super) fn inconclusive(&self, because: &str) -> Stop {
        Stop(Box::new(Finding {
            because: because.to_owned(),
            ..self.finding(Verdict::Inconclusive, &[])
        }))
    }
}

/// What a job pays, the commitment excepted: by default all of it to the first of the outputs
/// that came with a token.
fn outputs(arguments: &Arguments, value: u64) -> Result<Vec<TxOut>, EvaluationError> {
    let stranger = || payout(value, free_script().as_bytes());
    let Some(given) = arguments.get("outputs") else { return Ok(vec![stranger()]) };
    let given = given.as_bytes().cloned().unwrap_or_default();
    let mut outputs: Vec<TxOut> = deserialize(&given)
        .map_err(|error| EvaluationError(format!("the outputs of the token: {error}")))?;
    match (arguments.word("pays").as_deref(), outputs.first_mut()) {
        (None | Some("first"), Some(first)) => first.value = Amount::from_sat(value),
        (Some("nothing"), _) => {}
        (Some("stranger"), Some(first)) => *first = stranger(),
        (Some("both"), Some(first)) => {
            first.value = Amount::from_sat(value / 2);
            outputs.push(payout(value - value / 2, free_script().as_bytes()));
        }
        (_, None) => return Err(EvaluationError("the token came without outputs".into())),
        (Some(other), _) => return Err(EvaluationError(format!("no `pays` is `{other}`"))),
    }
    Ok(outputs)
}

/// An output of a template's transaction that anyone can spend and nobody has: the position of
/// the transaction, and the coin.
fn free_coin(template: &BlockTemplate) -> Option<(usize, (OutPoint, Amount))> {
    let decoded: Vec<Transaction> =
        template.transactions.iter().filter_map(|one| deserialize(&one.raw).ok()).collect();
    let is_spent = |outpoint: &OutPoint| {
        decoded.iter().flat_map(|one| &one.input).any(|input| input.previous_output == *outpoint)
    };
    decoded.iter().enumerate().find_map(|(at, transaction)| {
        let txid = transaction.compute_txid();
        (0..).zip(&transaction.output).find_map(|(vout, output)| {
            let outpoint = OutPoint { txid, vout };
            let is_free = output.script_pubkey == free_script()
                && output.value.to_sat() > FEE * u64::from(2 * HIDDEN_MAX)
                && !is_spent(&outpoint);
            is_free.then_some((at, (outpoint, output.value)))
        })
    })
}

/// `mark` makes it one that nobody has seen before: a target remembers what a case has shown it.
fn spend(
    (previous_output, value): (OutPoint, Amount),
    overspends: bool,
    mark: [u8; 8],
) -> Transaction {
    let value = match overspends {
        true => value + Amount::from_sat(FEE),
        false => value - Amount::from_sat(FEE),
    };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output,
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[FREE_WITNESS_SCRIPT]),
            ..TxIn::default()
        }],
        output: vec![
            TxOut { value, script_pubkey: free_script() },
            TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(mark) },
        ],
    }
}

/// Of coinbase transactions that the suite builds.
const COINBASE_VERSION: u32 = 2;

/// Of a job that belongs to no channel, in bytes: what most pools divide.
const EXTRANONCE_LEN: usize = 20;

/// Of a transaction that the suite makes, in satoshi.
const FEE: u64 = 2_000;

/// Transactions that one job may hide.
const HIDDEN_MAX: u32 = 20;
