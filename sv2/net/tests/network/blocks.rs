//! A device finds a share that is a block, and the block pays the pool.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::hex::FromHex;
use bitcoin::{Block, Txid, consensus};
use libtest_mimic::{Failed, Trial};
use serde_json::json;
use sv2::chain::{Chain, ChainConfig, ChainHost, TransactionShape};
use sv2::event::Event;
use sv2::roles::mining_device::ChannelKind;
use sv2::wire::U256;
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::entropy;
use sv2_net::limits::Limits;

use crate::hosted::{self, Hosted, PAYOUT_SCRIPT};
use crate::{helper, run};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, kind) in hosted::channel_kinds() {
        let embedded = format!("a_block_of_{name}_channel_pays_the_pool_on_the_embedded_chain");
        trials.push(Trial::test(embedded, move || run(async || on_the_embedded_chain(kind).await)));
        let node = format!("a_block_of_{name}_channel_pays_the_pool_on_a_real_node");
        let trial = Trial::test(node, move || run(async || on_a_real_node(kind).await));
        trials.push(trial.with_kind("needs bitcoind").with_ignored_flag(true));
    }
    trials
}

async fn on_the_embedded_chain(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    chain.change(|chain, _| chain.generate_transaction(TransactionShape::default())).unwrap();
    let template = chain.change(|chain, now| chain.template(now));
    assert!(template.fees() > 0);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;

    let hash = mine_a_block(provider, kind).await?;

    let raw = chain.change(|chain, _| chain.block(&hash).cloned());
    let block: Block = consensus::deserialize(&raw.ok_or("the chain does not know the block")?)?;
    assert!(chain.change(|chain, _| chain.height()) >= template.height);
    assert_eq!(block.txdata.len(), template.transactions.len() + 1);
    assert_pays(&block, template.height, template.coinbase_value, &PAYOUT_SCRIPT);
    Ok(())
}

async fn on_a_real_node(kind: ChannelKind) -> Result<(), Failed> {
    let node = PaidNode::start().await?;
    let hash = mine_a_block(node.provider().await?, kind).await?;

    node.assert_pays(hash, &PAYOUT_SCRIPT).await?;
    node.stop().await
}

/// A regtest node whose next block has a fee.
pub(crate) struct PaidNode {
    node: Node,
    chain: Arc<BitcoindChain>,
    transaction: U256,
}

impl PaidNode {
    pub(crate) async fn start() -> Result<PaidNode, Failed> {
        let config = NodeConfig { helper: helper()?, ..NodeConfig::new(Network::Regtest)? };
        let node = Node::start(&config).await?;
        node.mine(HEIGHT - 1).await?;
        // Before anybody asks for a template: a node shows what comes later only after seconds.
        let transaction = node.add_transaction(FEE).await?;
        let chain = Arc::new(BitcoindChain::new(node.rpc(), Duration::from_millis(200)));
        Ok(PaidNode { node, chain, transaction })
    }

    /// A template provider of ours on the node.
    pub(crate) async fn provider(&self) -> Result<Hosted, Failed> {
        hosted::provider(Arc::clone(&self.chain) as _, |role| self.chain.follow(role)).await
    }

    /// The node has taken the block behind those that it began with, and the block is right.
    pub(crate) async fn assert_pays(&self, hash: U256, script: &[u8]) -> Result<(), Failed> {
        let (rpc, hash) = (self.node.rpc(), hash.to_string());
        let header = rpc.call("getblockheader", json!([hash])).await?;
        assert!(header["confirmations"].as_i64().is_some_and(|count| count >= 1), "{header}");
        assert_eq!(header["height"], HEIGHT);
        assert!(self.node.height().await? >= HEIGHT.into());
        let raw = rpc.call("getblock", json!([hash, 0])).await?;
        let raw = Vec::from_hex(raw.as_str().ok_or("getblock gives no text")?)?;
        let block: Block = consensus::deserialize(&raw)?;
        let stats = rpc.call("getblockstats", json!([hash, ["subsidy", "totalfee"]])).await?;
        assert_eq!(stats["totalfee"], FEE);
        let txids: Vec<Txid> = block.txdata[1..].iter().map(|paid| paid.compute_txid()).collect();
        assert_eq!(txids, [self.transaction.to_string().parse()?]);
        let subsidy = stats["subsidy"].as_u64().ok_or("getblockstats gives no subsidy")?;
        assert_pays(&block, HEIGHT, subsidy + FEE, script);
        Ok(())
    }

    pub(crate) async fn stop(self) -> Result<(), Failed> {
        self.node.stop().await?;
        Ok(())
    }
}

/// Starts a pool and a device; the first block that the chain has taken from them.
async fn mine_a_block(mut provider: Hosted, kind: ChannelKind) -> Result<U256, Failed> {
    let mut pool = hosted::pool(&provider, hosted::pool_config(), Limits::default()).await?;
    let mut device = hosted::device(hosted::device_config(&pool.address, kind)).await?;

    let hash = provider.events.wait("a block", block_found).await?;

    let found = |event: &Event| block_found(event).filter(|found| *found == hash);
    pool.events.wait("the block", found).await?;
    let submitted = |event: &Event| match event {
        Event::ShareSubmitted { hash: share, .. } if *share == hash => Some(()),
        _ => None,
    };
    device.events.wait("the share that is the block", submitted).await?;
    let acknowledged =
        |event: &Event| matches!(event, Event::SharesAcknowledged { .. }).then_some(());
    device.events.wait("its acknowledgement", acknowledged).await?;
    device.handle.shutdown().await;
    pool.handle.shutdown().await;
    provider.handle.shutdown().await;
    Ok(hash)
}

pub(crate) fn block_found(event: &Event) -> Option<U256> {
    match event {
        Event::BlockFound { hash } => Some(*hash),
        _ => None,
    }
}

/// The whole reward, and nothing else, goes to `script`; the block says its height, and commits
/// to its transactions and their witnesses.
pub(crate) fn assert_pays(block: &Block, height: u32, value: u64, script: &[u8]) {
    let coinbase = &block.txdata[0];
    let paid = coinbase.output.iter().filter(|output| output.value.to_sat() > 0);
    let paid: Vec<_> =
        paid.map(|output| (output.script_pubkey.as_bytes(), output.value.to_sat())).collect();
    assert_eq!(paid, [(script, value)]);
    assert_eq!(block.bip34_block_height().unwrap(), u64::from(height));
    assert!(block.check_merkle_root());
    assert!(block.txdata[1..].iter().any(|paid| paid.input.iter().any(|i| !i.witness.is_empty())));
    let commitments = coinbase
        .output
        .iter()
        .filter(|output| output.script_pubkey.as_bytes().starts_with(&WITNESS_COMMITMENT));
    assert_eq!(commitments.count(), 1);
    assert_eq!(coinbase.input[0].witness.to_vec(), [[0; 32]]);
    assert!(block.check_witness_commitment());
}

/// A chain of its own for one test.
pub(crate) fn embedded(nbits: u32) -> EmbeddedChain {
    let now = Clock::of_process().now();
    let chain = Chain::new(ChainConfig::new(nbits, now.unix), entropy::from_system());
    EmbeddedChain::new(ChainHost::new(chain))
}

/// Of the block that is found on a node: the coins of the first can be spent.
const HEIGHT: u32 = 102;
/// In satoshi.
const FEE: u64 = 1_234;
/// How the script of the output begins that commits to witnesses (BIP 141).
const WITNESS_COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
