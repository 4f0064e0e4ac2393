//! The embedded chain in the place of a bitcoind: our own template provider mines on it, and its
//! answers have the shape of a real node's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Block, consensus};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use sv2::chain::{ChainConfig, TransactionShape};
use sv2::event::Event;
use sv2::role::ChainEvent;
use sv2::wire::U256;
use sv2_net::bitcoind::{Auth, BitcoindChain, Network, Node, NodeConfig, RpcClient, RpcConfig};
use sv2_net::limits::Limits;
use sv2_net::rpc_server::{RpcServer, RpcServerConfig};

use crate::blocks::{assert_pays, block_found, embedded};
use crate::hosted::{self, PAYOUT_SCRIPT};
use crate::{helper, run};

pub(crate) fn trials() -> Vec<Trial> {
    let shapes = Trial::test("answers_have_the_keys_and_types_of_a_real_nodes", || run(shapes));
    vec![
        Trial::test("a_block_is_found_on_templates_of_the_rpc_server", || run(block)),
        Trial::test("what_a_node_does_not_do_on_demand_is_news_by_long_poll", || run(on_demand)),
        shapes.with_kind("needs bitcoind").with_ignored_flag(true),
    ]
}

async fn block() -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    chain.change(|chain, _| chain.generate_transaction(TransactionShape::default())).unwrap();
    let template = chain.change(|chain, now| chain.template(now));
    let (_server, rpc) = serve(chain.clone()).await?;
    let node = Arc::new(BitcoindChain::new(rpc, Duration::from_millis(200)));
    let mut provider = hosted::provider(Arc::clone(&node) as _, |role| node.follow(role)).await?;
    let mut pool = hosted::pool(&provider, hosted::pool_config(), Limits::default()).await?;
    let (_, kind) = hosted::channel_kinds()[0];
    let device = hosted::device(hosted::device_config(&pool.address, kind)).await?;

    let hash = provider.events.wait("a block", block_found).await?;

    let found = |event: &Event| block_found(event).filter(|found| *found == hash);
    pool.events.wait("the block", found).await?;
    let raw = chain.change(|chain, _| chain.block(&hash).cloned());
    let block: Block = consensus::deserialize(&raw.ok_or("the chain does not know the block")?)?;
    assert_eq!(block.txdata.len(), template.transactions.len() + 1);
    assert_pays(&block, template.height, template.coinbase_value, &PAYOUT_SCRIPT);
    device.handle.shutdown().await;
    pool.handle.shutdown().await;
    provider.handle.shutdown().await;
    Ok(())
}

async fn on_demand() -> Result<(), Failed> {
    let (_server, rpc) = serve(embedded(ChainConfig::HARD)).await?;
    // Nothing but the long poll brings news.
    let chain = BitcoindChain::new(Arc::clone(&rpc), Duration::from_secs(3600));
    let mut news = chain.news();
    let mut reaches = async |hash: &Value| {
        let is_tip = |event: &Option<ChainEvent>| match event {
            Some(ChainEvent::Template(template)) => *hash == template.prev_hash.to_string(),
            _ => false,
        };
        news.wait_for(is_tip).await.map(drop)
    };
    reaches(&rpc.call("getbestblockhash", json!([])).await?).await?;

    let mined = rpc.call("assay_newblock", json!([])).await?;
    reaches(&mined[0]).await?;
    let reorganised = rpc.call("assay_reorganise", json!({ "depth": 2 })).await?;
    reaches(&reorganised).await?;
    Ok(())
}

async fn shapes() -> Result<(), Failed> {
    let config = NodeConfig { helper: helper()?, ..NodeConfig::new(Network::Regtest)? };
    let node = Node::start(&config).await?;
    node.mine(103).await?;
    node.add_transaction(1_000).await?;
    let chain = embedded(ChainConfig::EASY);
    chain.change(|chain, now| chain.extend_tip_unproven(now));
    chain.change(|chain, _| chain.generate_transaction(TransactionShape::default())).unwrap();
    let (_server, ours) = serve(chain).await?;

    let (theirs, ours) = (answers(&node.rpc()).await?, answers(&ours).await?);

    let mut different = Vec::new();
    for (call, theirs) in &theirs {
        compare(call, theirs, &ours[call], &mut different);
    }
    assert_eq!(different, Vec::<String>::new());
    node.stop().await?;
    Ok(())
}

/// The answer to each call that a pool makes, by the call; an error is its number.
async fn answers(rpc: &RpcClient) -> Result<BTreeMap<String, Value>, Failed> {
    let height = rpc.call("getblockcount", json!([])).await?.as_u64().ok_or("no height")?;
    let hash = rpc.call("getblockhash", json!([height - 1])).await?;
    let block = rpc.call("getblock", json!([hash, 1])).await?;
    let txid = &block["tx"][0];
    let unknown = U256::ZERO.to_string();
    let segwit = json!({ "rules": ["segwit"] });
    let mut answers = BTreeMap::new();
    for (method, params) in [
        ("getblocktemplate", json!([segwit])),
        ("getblocktemplate", json!([{ "rules": [] }])),
        ("getblocktemplate", json!([{ "mode": "proposal", "data": "00" }])),
        ("submitblock", json!(["00"])),
        ("submitblock", json!([])),
        ("getblockchaininfo", json!([])),
        ("getblockcount", json!([])),
        ("getbestblockhash", json!([])),
        ("getblockhash", json!([1])),
        ("getblockhash", json!([100_000])),
        ("getblock", json!([hash])),
        ("getblock", json!([hash, 0])),
        ("getblock", json!([hash, false])),
        ("getblock", json!([unknown])),
        ("getblockheader", json!([hash])),
        ("getblockheader", json!([hash, false])),
        ("getnetworkinfo", json!([])),
        ("getmininginfo", json!([])),
        ("getnetworkhashps", json!([])),
        ("getmempoolinfo", json!([])),
        ("getrawmempool", json!([])),
        ("getrawmempool", json!([false, true])),
        ("validateaddress", json!(["bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"])),
        ("validateaddress", json!(["nobody"])),
        ("gettxout", json!([txid, 0])),
        ("gettxout", json!([txid, 7])),
        ("sendrawtransaction", json!(["00"])),
        ("estimatesmartfee", json!([0])),
        ("uptime", json!([])),
        ("help", json!(["help"])),
        ("ping", json!([])),
        ("getconnectioncount", json!([])),
        ("getpeerinfo", json!([])),
        ("assay_nothing", json!([])),
    ] {
        let answer = match rpc.call(method, params.clone()).await {
            Ok(result) => result,
            Err(error) => json!({ "code": error.code().ok_or_else(|| error.to_string())? }),
        };
        // Hashes differ from chain to chain.
        let place = |value: &Value| match value.as_str() {
            Some(text) if text.len() == 64 && text != unknown => "HASH".into(),
            _ => value.clone(),
        };
        let params: Vec<Value> = params.as_array().unwrap().iter().map(place).collect();
        answers.insert(format!("{method} {}", json!(params)), answer);
    }
    Ok(answers)
}

/// Same keys and types, all the way down; error numbers are the same.
fn compare(place: &str, theirs: &Value, ours: &Value, different: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (key, theirs) in theirs {
                let place = format!("{place} {key}");
                match ours.get(key) {
                    Some(_) if OPEN.contains(&key.as_str()) => {}
                    Some(ours) => compare(&place, theirs, ours, different),
                    None if OF_KNOTS.contains(&key.as_str()) => {}
                    None => different.push(format!("{place}: missing")),
                }
            }
            let more = ours.keys().filter(|key| !theirs.contains_key(*key));
            different.extend(more.map(|key| format!("{place} {key}: only ours")));
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            if let (Some(theirs), Some(ours)) = (theirs.first(), ours.first()) {
                compare(&format!("{place} 0"), theirs, ours, different);
            }
        }
        (Value::Number(theirs), Value::Number(ours)) if place.ends_with(" code") => {
            if theirs != ours {
                different.push(format!("{place}: {ours} instead of {theirs}"));
            }
        }
        _ if std::mem::discriminant(theirs) == std::mem::discriminant(ours) => {}
        _ => different.push(format!("{place}: {ours} instead of {theirs}")),
    }
}

/// Objects whose keys are no fields.
const OPEN: [&str; 2] = ["vbavailable", "coinbaseaux"];

/// What the node that `ci/bitcoind` installs, Bitcoin Knots, has beyond Bitcoin Core 29.
const OF_KNOTS: [&str; 8] = [
    "txcount",
    "header_version",
    "currentblocksize",
    "dustrelayfee",
    "dustrelayfeefloor",
    "dustdynamic",
    "rbf_policy",
    "truc_policy",
];

async fn serve(
    chain: sv2_net::embedded::EmbeddedChain,
) -> Result<(RpcServer, Arc<RpcClient>), Failed> {
    let auth = Auth::Password { user: "pool".into(), password: "secret".into() };
    let config = RpcServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), auth.clone());
    let server = RpcServer::start(&config, chain).await?;
    let rpc = RpcConfig::new("127.0.0.1", server.address().port(), auth);
    Ok((server, Arc::new(RpcClient::new(rpc))))
}
