//! A node's `getblocktemplate` as news for roles, and `submitblock` as their requests (BIP 22,
//! 23, 145).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::hex::{DisplayHex, FromHex};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sv2::chain::{BlockTemplate, TemplateTransaction, WitnessCommitment};
use sv2::mining::header::{Header, double_sha256};
use sv2::role::{Answer, ChainEvent, Request};
use sv2::wire::{Target, U256};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::rpc::{RpcClient, RpcError};
use crate::feed::{Feed, Follower};
use crate::host::Injector;
use crate::world::{Reply, World};

/// A node's chain, for roles to follow and submit blocks to.
#[derive(Debug)]
pub struct BitcoindChain {
    rpc: Arc<RpcClient>,
    feed: Arc<Feed>,
    /// Bounded by the open requests of the hosts that the node serves.
    blocks: mpsc::UnboundedSender<(Request, Reply)>,
    polling: JoinHandle<()>,
}

impl BitcoindChain {
    /// Starts to poll. A new tip is news at once, by a long poll; more fees are looked for every
    /// `refresh`. Must be called within a tokio runtime.
    pub fn new(rpc: Arc<RpcClient>, refresh: Duration) -> Self {
        let feed = Arc::new(Feed::new());
        let polling = tokio::spawn(poll(Arc::clone(&rpc), refresh, Arc::clone(&feed)));
        let (blocks, queue) = mpsc::unbounded_channel();
        tokio::spawn(answer_in_order(Arc::clone(&rpc), queue));
        BitcoindChain { rpc, feed, blocks, polling }
    }

    /// Tells a role the template, now and whenever it changes, until the follower is dropped.
    pub fn follow(&self, role: Injector) -> Follower {
        self.feed.follow(role)
    }

    /// Follows the node no longer: it is about to be stopped.
    pub fn leave(&self) {
        self.polling.abort();
    }

    /// The chain's news, for somebody who is no role.
    pub fn news(&self) -> watch::Receiver<Option<ChainEvent>> {
        self.feed.watch()
    }
}

impl Drop for BitcoindChain {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

impl World for BitcoindChain {
    fn take(&self, request: Request, reply: Reply) {
        match request {
            // One after the other: of two blocks of one height, the first that was found wins.
            // A worker that is gone drops the reply, which answers.
            Request::SubmitBlock { .. } => drop(self.blocks.send((request, reply))),
            Request::ValidateBlock { .. } | Request::Persist { .. } => {
                let rpc = Arc::clone(&self.rpc);
                tokio::spawn(async move { reply.answer(answer(&rpc, request).await) });
            }
        }
    }
}

async fn answer_in_order(
    rpc: Arc<RpcClient>,
    mut requests: mpsc::UnboundedReceiver<(Request, Reply)>,
) {
    while let Some((request, reply)) = requests.recv().await {
        reply.answer(answer(&rpc, request).await);
    }
}

async fn answer(rpc: &RpcClient, request: Request) -> Answer {
    let (block, outcome) = match request {
        Request::SubmitBlock { block } => {
            let outcome = rpc.call("submitblock", json!([block.to_lower_hex_string()])).await;
            (block, outcome)
        }
        Request::ValidateBlock { block } => {
            let data = block.to_lower_hex_string();
            let request = json!([{ "mode": "proposal", "data": data, "rules": RULES }]);
            let outcome = rpc.call("getblocktemplate", request).await;
            (block, outcome)
        }
        Request::Persist { .. } => return Answer::Failed("a node keeps no accounts".into()),
    };
    match (outcome, block.first_chunk::<{ Header::LEN }>()) {
        (Ok(Value::Null), Some(header)) => {
            Answer::BlockAccepted { hash: double_sha256(&header[..]) }
        }
        // In the node's words: `duplicate`, `inconclusive` (not on the tip), `high-hash`, ...
        (Ok(Value::String(reason)), _) => Answer::BlockRejected { reason },
        (Ok(other), _) => Answer::Failed(format!("the node answers {other}")),
        (Err(error), _) if error.code() == Some(DESERIALIZATION_ERROR) => {
            Answer::BlockRejected { reason: error.to_string() }
        }
        (Err(error), _) => Answer::Failed(error.to_string()),
    }
}

/// Goes on for ever. A node notices neither that a long poll's client has gone nor how long it
/// waits, and keeps a thread busy for each: so there is one, and it is never given up.
async fn poll(rpc: Arc<RpcClient>, refresh: Duration, feed: Arc<Feed>) {
    let mut told = Told { feed, template: None };
    let mut long_poll_id: Option<String> = None;
    let mut wait = RETRY_MIN;
    loop {
        let outcome = match long_poll_id.take() {
            None => fetch(&rpc).await,
            Some(id) => next(&rpc, &id, refresh, &mut told).await,
        };
        match outcome {
            Ok((template, id)) => {
                wait = RETRY_MIN;
                told.tell(template);
                if id.is_none() {
                    sleep(refresh).await;
                }
                long_poll_id = id;
            }
            Err(error) => {
                tracing::warn!("no template from the node: {error}");
                told.unreachable(error.to_string());
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}

/// The answer to a long poll; meanwhile, tells of more fees, and sees whether the node lives.
async fn next(
    rpc: &RpcClient,
    id: &str,
    refresh: Duration,
    told: &mut Told,
) -> Result<Fetched, FetchError> {
    let request = json!([{ "rules": RULES, "longpollid": id }]);
    let mut long_poll = pin!(rpc.call_within(LONG_POLL, "getblocktemplate", request));
    loop {
        tokio::select! {
            answer = &mut long_poll => return Ok(parse_template(answer?)?),
            () = sleep(refresh) => told.tell(fetch(rpc).await?.0),
        }
    }
}

pub(super) async fn fetch(rpc: &RpcClient) -> Result<Fetched, FetchError> {
    let answer = rpc.call("getblocktemplate", json!([{ "rules": RULES }])).await?;
    Ok(parse_template(answer)?)
}

/// A template, and the id to poll for the next one.
pub(super) type Fetched = (BlockTemplate, Option<String>);

/// What followers have heard last.
struct Told {
    feed: Arc<Feed>,
    template: Option<Arc<BlockTemplate>>,
}

impl Told {
    fn tell(&mut self, template: BlockTemplate) {
        if self.template.as_deref().is_some_and(|told| is_same_work(told, &template)) {
            return;
        }
        let template = Arc::new(template);
        self.feed.tell(ChainEvent::Template(Arc::clone(&template)));
        self.template = Some(template);
    }

    /// The template that comes next is news, even if it is the same.
    fn unreachable(&mut self, why: String) {
        self.template = None;
        self.feed.tell(ChainEvent::Unreachable(why));
    }
}

/// Whether both templates are the same but for the time.
fn is_same_work(ours: &BlockTemplate, theirs: &BlockTemplate) -> bool {
    let BlockTemplate {
        height,
        prev_hash,
        version,
        nbits,
        target,
        min_ntime: _,
        current_time: _,
        coinbase_value,
        witness_commitment: _,
        // The commitment says all about them.
        transactions: _,
    } = ours;
    (height, prev_hash, version, nbits, target)
        == (&theirs.height, &theirs.prev_hash, &theirs.version, &theirs.nbits, &theirs.target)
        && (coinbase_value, ours.witness_commitment_script())
            == (&theirs.coinbase_value, theirs.witness_commitment_script())
}

#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error("the node's template: {0}")]
    Template(#[from] TemplateError),
}

/// Reads the result of `getblocktemplate`, and the id to poll for the next one.
///
/// # Errors
/// The first field that is missing or that cannot be.
pub fn parse_template(result: Value) -> Result<(BlockTemplate, Option<String>), TemplateError> {
    let raw: RawTemplate = serde_json::from_value(result)?;
    let mut transactions = Vec::with_capacity(raw.transactions.len());
    for (index, transaction) in raw.transactions.into_iter().enumerate() {
        transactions.push(transaction.parse(index)?);
    }
    let nbits = u32::from_str_radix(&raw.bits, 16).map_err(|_| not_hex("bits"))?;
    let template = BlockTemplate {
        height: raw.height,
        prev_hash: U256::from_hex(&raw.previousblockhash)
            .ok_or_else(|| not_hex("previousblockhash"))?,
        // Signed in JSON, bits in the header.
        version: raw.version.cast_unsigned(),
        nbits,
        target: Target(U256::from_hex(&raw.target).ok_or_else(|| not_hex("target"))?),
        min_ntime: raw.mintime,
        current_time: raw.curtime,
        coinbase_value: raw.coinbasevalue,
        witness_commitment: bytes(&raw.default_witness_commitment)
            .map(WitnessCommitment::given)
            .ok_or_else(|| not_hex("default_witness_commitment"))?,
        transactions: Arc::new(transactions),
    };
    Ok((template, raw.longpollid))
}

#[derive(Deserialize)]
struct RawTemplate {
    height: u32,
    previousblockhash: String,
    version: i32,
    bits: String,
    target: String,
    mintime: u32,
    curtime: u32,
    coinbasevalue: u64,
    default_witness_commitment: String,
    transactions: Vec<RawTransaction>,
    longpollid: Option<String>,
}

#[derive(Deserialize)]
struct RawTransaction {
    data: String,
    txid: String,
    hash: String,
    fee: u64,
    weight: u32,
    sigops: u32,
    depends: Vec<u32>,
}

impl RawTransaction {
    fn parse(self, index: usize) -> Result<TemplateTransaction, TemplateError> {
        let not_hex = |field| TemplateError::Transaction { index, field };
        // Counted from 1, and only earlier transactions can be spent from (BIP 22).
        let depends = self.depends.iter().map(|position| {
            let position = position.checked_sub(1).filter(|position| (*position as usize) < index);
            position.ok_or_else(|| not_hex("depends"))
        });
        Ok(TemplateTransaction {
            raw: bytes(&self.data).ok_or_else(|| not_hex("data"))?,
            txid: U256::from_hex(&self.txid).ok_or_else(|| not_hex("txid"))?,
            wtxid: U256::from_hex(&self.hash).ok_or_else(|| not_hex("hash"))?,
            fee: self.fee,
            weight: self.weight,
            sigops: self.sigops,
            depends: depends.collect::<Result<_, _>>()?,
        })
    }
}

/// What a node's template cannot be.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// A field is missing, or of another type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A field is not hexadecimal, or of the wrong length.
    #[error("the field {field} is not what it should be")]
    Field {
        /// Its name.
        field: &'static str,
    },
    /// The same, within a transaction.
    #[error("the field {field} of transaction {index} is not what it should be")]
    Transaction {
        /// Counted from 0.
        index: usize,
        /// Its name.
        field: &'static str,
    },
}

fn not_hex(field: &'static str) -> TemplateError {
    TemplateError::Field { field }
}

fn bytes(digits: &str) -> Option<Bytes> {
    Vec::from_hex(digits).ok().map(Bytes::from)
}

/// `segwit` is mandatory everywhere, `signet` on a signet; a node ignores what it has no use for.
const RULES: [&str; 2] = ["segwit", "signet"];
/// RPC error number of a block that is no block.
const DESERIALIZATION_ERROR: i64 = -22;
/// Without end: a node holds a long poll until there is a block.
const LONG_POLL: Duration = Duration::from_secs(365 * 24 * 3600);
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        let transaction = |byte: &str, depends: Value| {
            json!({
                "data": "0200", "txid": byte.repeat(32), "hash": "aa".repeat(32),
                "fee": 141, "weight": 561, "sigops": 4, "depends": depends,
            })
        };
        json!({
            "capabilities": ["proposal"],
            "version": -536_870_912,
            "previousblockhash": format!("00{}", "11".repeat(31)),
            "transactions": [transaction("01", json!([])), transaction("02", json!([1]))],
            "coinbasevalue": 5_000_000_282_u64,
            "longpollid": "id7",
            "target": format!("7f{}", "ff".repeat(31)),
            "mintime": 100, "curtime": 200, "bits": "207fffff", "height": 102,
            "default_witness_commitment": "6a24aa21a9ed",
        })
    }

    #[test]
    fn hashes_are_read_as_people_write_them_and_positions_from_one() {
        let (template, long_poll_id) = parse_template(template()).unwrap();

        assert_eq!(long_poll_id.as_deref(), Some("id7"));
        assert_eq!(template.version, 0xe000_0000);
        assert_eq!(template.prev_hash.to_le_bytes()[31], 0);
        assert_eq!(
            Target::from_compact(template.nbits),
            Some(Target(U256::from_hex(&format!("7fffff{}", "00".repeat(29))).unwrap()))
        );
        assert_eq!(template.transactions[1].depends, [0]);
        assert_eq!(template.transactions[1].txid, U256::from_le_bytes([2; 32]));
    }

    #[test]
    fn a_template_that_cannot_be_names_the_field() {
        for (pointer, value, expected) in [
            ("/bits", json!("xyz"), "the field bits is not what it should be"),
            ("/target", json!("00"), "the field target is not what it should be"),
            ("/height", json!(-1), "invalid value: integer `-1`, expected u32"),
            (
                "/transactions/1/depends",
                json!([2]),
                "the field depends of transaction 1 is not what it should be",
            ),
            (
                "/transactions/0/data",
                json!("0"),
                "the field data of transaction 0 is not what it should be",
            ),
        ] {
            let mut template = template();
            *template.pointer_mut(pointer).unwrap() = value;
            assert_eq!(parse_template(template).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn only_the_time_may_differ_in_the_same_work() {
        let (first, _) = parse_template(template()).unwrap();
        let later = BlockTemplate { current_time: 201, min_ntime: 101, ..first.clone() };
        let richer = BlockTemplate { coinbase_value: 1, ..first.clone() };

        assert!(is_same_work(&first, &later));
        assert!(!is_same_work(&first, &richer));
    }
}
