//! A miner declares a job of its own and pushes a block of it: the chain judges the one and takes
//! the other.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::{Block, Transaction, consensus};
use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use serde_json::json;
use sv2::chain::block::height_push;
use sv2::chain::{BlockTemplate, ChainConfig, TransactionShape, WitnessCommitment, merkle};
use sv2::common::{PROTOCOL_VERSION, Protocol, SetupConnection};
use sv2::event::Event;
use sv2::job_declaration::token::TokenKey;
use sv2::job_declaration::{
    AllocateMiningJobToken, DECLARE_TX_DATA, DeclareMiningJob, ProvideMissingTransactionsSuccess,
    PushSolution,
};
use sv2::message::Message;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use sv2::mining::header::{Header, coinbase_txid, merkle_root};
use sv2::noise::AuthoritySecretKey;
use sv2::roles::job_declarator_server::JobDeclaratorServerConfig;
use sv2::wire::{B16M, B32, B64K, B255, Seq64K, Str255, U256};
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig};
use sv2_net::entropy;

use crate::blocks::{assert_pays, block_found, embedded};
use crate::client::Client;
use crate::hosted::{self, Hosted, PAYOUT_SCRIPT};
use crate::{helper, run};

pub(crate) fn trials() -> Vec<Trial> {
    let embedded = "a_declared_job_is_judged_and_its_block_pays_the_pool_on_the_embedded_chain";
    let node = "a_declared_job_is_judged_and_its_block_pays_the_pool_on_a_real_node";
    vec![
        Trial::test(embedded, || run(on_the_embedded_chain)),
        Trial::test(node, || run(on_a_real_node))
            .with_kind("needs bitcoind")
            .with_ignored_flag(true),
    ]
}

async fn on_the_embedded_chain() -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    chain.change(|chain, _| chain.generate_transaction(TransactionShape::default())).unwrap();
    let template = chain.change(|chain, now| chain.template(now));
    let world = Arc::new(chain.clone());
    let mut server =
        hosted::job_declarator_server(config(), world, |role| chain.follow(role)).await?;
    let tip = |event: &Event| matches!(event, Event::TipChanged { .. }).then_some(());
    server.events.wait("the chain's tip", tip).await?;

    let hash = declare_and_push(&mut server, &template, &[]).await?;

    let raw = chain.change(|chain, _| chain.block(&hash).cloned());
    let block: Block = consensus::deserialize(&raw.ok_or("the chain does not know the block")?)?;
    assert_eq!(block.txdata.len(), 2);
    assert_pays(&block, template.height, template.coinbase_value, &PAYOUT_SCRIPT);
    Ok(())
}

async fn on_a_real_node() -> Result<(), Failed> {
    let config = NodeConfig { helper: helper()?, ..NodeConfig::new(Network::Regtest)? };
    let node = Node::start(&config).await?;
    node.mine(101).await?;
    // So rarely asked, the node does not tell the server of transactions before a block.
    let chain = Arc::new(BitcoindChain::new(node.rpc(), Duration::from_secs(3600)));
    let world = Arc::clone(&chain) as _;
    let mut server =
        hosted::job_declarator_server(self::config(), world, |role| chain.follow(role)).await?;
    let tip = |event: &Event| matches!(event, Event::TipChanged { .. }).then_some(());
    server.events.wait("the node's tip", tip).await?;
    let template = with_transaction(&node).await?;

    let hash = declare_and_push(&mut server, &template, &[0]).await?;

    let raw = node.block(&hash).await?;
    let block: Block = consensus::deserialize(&raw)?;
    assert_eq!(node.height().await?, u64::from(template.height));
    assert_pays(&block, template.height, template.coinbase_value, &PAYOUT_SCRIPT);
    node.stop().await?;
    Ok(())
}

/// The node's template with a transaction that only the node's mempool knows.
async fn with_transaction(node: &Node) -> Result<BlockTemplate, Failed> {
    let mut template = node.template().await?;
    assert_eq!(template.transactions.len(), 0);
    let txid = node.add_transaction(FEE).await?;
    let raw = node.rpc().call("getrawtransaction", json!([txid.to_string()])).await?;
    let raw = Vec::from_hex(raw.as_str().ok_or("getrawtransaction gives no text")?)?;
    let transaction: Transaction = consensus::deserialize(&raw)?;
    let wtxid = U256::from_le_bytes(transaction.compute_wtxid().to_byte_array());
    template.transactions = Arc::new(vec![sv2::chain::TemplateTransaction {
        raw: Bytes::from(raw),
        txid,
        wtxid,
        fee: FEE,
        weight: u32::try_from(transaction.weight().to_wu())?,
        sigops: 0,
        depends: Vec::new(),
    }]);
    template.witness_commitment = WitnessCommitment::default();
    template.coinbase_value += FEE;
    Ok(template)
}

/// Declares a job that pays too much, which the chain refuses, and then a good one, of which the
/// server lacks the transactions at `missing`; the hash of a block of it that the chain has taken.
async fn declare_and_push(
    server: &mut Hosted,
    template: &BlockTemplate,
    missing: &[u16],
) -> Result<U256, Failed> {
    let mut client = Client::connect(&server.address).await?;
    let token = allocate(&mut client).await?;
    let good = Job::new(template, template.coinbase_value)?;
    let greedy = Job::new(template, template.coinbase_value + 1)?;

    declare(&mut client, template, greedy.declaration(template, 1, &token)?, missing).await?;
    let Message::DeclareMiningJobError(refusal) = client.message().await? else {
        return Err("a job that pays too much was not refused".into());
    };
    assert_eq!(refusal.error_code.as_slice(), b"invalid-job", "{refusal:?}");
    let details = String::from_utf8_lossy(refusal.error_details.as_slice()).into_owned();
    assert!(details.contains("bad-cb-amount"), "the node's words: {details}");
    declare(&mut client, template, good.declaration(template, 2, &token)?, missing).await?;
    let Message::DeclareMiningJobSuccess(success) = client.message().await? else {
        return Err("a good job was not acknowledged".into());
    };
    assert_eq!(success.request_id, 2);

    let (solution, hash) = good.solve(template);
    client.send([solution.into()]).await?;
    let found = |event: &Event| block_found(event).filter(|found| *found == hash);
    server.events.wait("the block", found).await
}

async fn allocate(client: &mut Client) -> Result<B255, Failed> {
    let setup = SetupConnection {
        protocol: Protocol::JobDeclaration as u8,
        min_version: PROTOCOL_VERSION,
        max_version: PROTOCOL_VERSION,
        flags: DECLARE_TX_DATA,
        vendor: Str255::from_static("Assay"),
        ..SetupConnection::default()
    };
    let user_identifier = Str255::from_static("assay.miner");
    client
        .send([setup.into(), AllocateMiningJobToken { user_identifier, request_id: 1 }.into()])
        .await?;
    let Message::SetupConnectionSuccess(_) = client.message().await? else {
        return Err("no set-up".into());
    };
    match client.message().await? {
        Message::AllocateMiningJobTokenSuccess(success) => Ok(success.mining_job_token),
        other => Err(format!("{other:?} instead of a token").into()),
    }
}

/// Up to the answer.
async fn declare(
    client: &mut Client,
    template: &BlockTemplate,
    declaration: DeclareMiningJob,
    missing: &[u16],
) -> Result<(), Failed> {
    let request_id = declaration.request_id;
    client.send([declaration.into()]).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let Message::ProvideMissingTransactions(asked) = client.message().await? else {
        return Err("the server asks for nothing".into());
    };
    assert_eq!(asked.unknown_tx_position_list.as_slice(), missing);
    let raw = missing
        .iter()
        .map(|position| B16M::new(template.transactions[usize::from(*position)].raw.clone()));
    let transaction_list = Seq64K::new(raw.collect::<Result<Vec<_>, _>>()?)?;
    client.send([ProvideMissingTransactionsSuccess { request_id, transaction_list }.into()]).await
}

/// A coinbase transaction of the miner's own.
struct Job(Coinbase);

impl Job {
    fn new(template: &BlockTemplate, value: u64) -> Result<Job, Failed> {
        let script_start = [height_push(template.height).as_bytes(), &[EXTRANONCE_LEN]].concat();
        Ok(Job(Coinbase::assemble(&CoinbaseParts {
            version: 2,
            script_start: &script_start,
            extranonce_len: EXTRANONCE.len(),
            sequence: u32::MAX,
            outputs: &[
                payout(value, &PAYOUT_SCRIPT),
                payout(0, template.witness_commitment_script()),
            ],
            locktime: 0,
        })?))
    }

    fn declaration(
        &self,
        template: &BlockTemplate,
        request_id: u32,
        token: &B255,
    ) -> Result<DeclareMiningJob, Failed> {
        let (coinbase_tx_prefix, coinbase_tx_suffix) = self.0.declaration_parts()?;
        let wtxids = template.transactions.iter().map(|transaction| transaction.wtxid);
        Ok(DeclareMiningJob {
            request_id,
            mining_job_token: token.clone(),
            version: template.version,
            coinbase_tx_prefix,
            coinbase_tx_suffix,
            wtxid_list: Seq64K::new(wtxids.collect::<Vec<_>>())?,
            excess_data: B64K::default(),
        })
    }

    fn solve(&self, template: &BlockTemplate) -> (PushSolution, U256) {
        let (prefix, suffix) = (self.0.prefix().as_slice(), self.0.suffix().as_slice());
        let txids = template.transactions.iter().map(|transaction| transaction.txid);
        let txid = coinbase_txid(prefix, &EXTRANONCE, &[], suffix);
        let mut header = Header {
            version: template.version,
            prev_hash: template.prev_hash,
            merkle_root: merkle_root(txid, &merkle::path(txids)),
            ntime: template.current_time,
            nbits: template.nbits,
            nonce: 0,
        };
        while !template.target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        let solution = PushSolution {
            extranonce: B32::new(&EXTRANONCE).expect("twenty bytes fit"),
            prev_hash: header.prev_hash,
            nonce: header.nonce,
            ntime: header.ntime,
            nbits: header.nbits,
            version: header.version,
        };
        (solution, header.hash())
    }
}

fn config() -> JobDeclaratorServerConfig {
    let authority = AuthoritySecretKey::generate(&mut entropy::from_system());
    let key = TokenKey::new(authority.derive(TokenKey::PURPOSE));
    JobDeclaratorServerConfig::new(key, PAYOUT_SCRIPT.to_vec())
}

const EXTRANONCE_LEN: u8 = 20;
const EXTRANONCE: [u8; EXTRANONCE_LEN as usize] = [9; EXTRANONCE_LEN as usize];
/// In satoshi.
const FEE: u64 = 1_234;
