//! A real node: started, watched, given blocks, stopped.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Amount, ScriptBuf, TxOut};
use libtest_mimic::{Failed, Trial};
use serde_json::json;
use sv2::chain::{BlockTemplate, block};
use sv2::event::Event;
use sv2::role::{Answer, ChainEvent, Input, Outbox, Output, Request, RequestId, Role};
use sv2::time::{Instant, Now};
use sv2::wire::U256;
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig, NodeError};
use sv2_net::host::{Handle, Host, HostConfig};
use sv2_net::world::Worlds;
use tokio::sync::broadcast;

use crate::{helper, runtime};

pub(crate) fn trials() -> Vec<Trial> {
    let trials = [
        Trial::test("a_block_that_a_role_has_found_is_the_nodes_new_tip", || run(block_found)),
        Trial::test("blocks_by_others_reorganisations_and_fees_are_news", || run(news)),
        Trial::test("a_private_signet_is_too_hard_for_a_share_to_be_a_block", || run(signet)),
        Trial::test("a_node_that_ends_at_once_is_quoted", || run(bad_option)),
        Trial::test("a_node_that_ended_starts_again_where_it_was", || run(started_again)),
        Trial::test("peers_have_one_chain_and_transactions_of_their_own", || run(peers)),
    ];
    trials.map(|trial| trial.with_kind("needs bitcoind").with_ignored_flag(true)).into()
}

fn run(test: impl AsyncFnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    runtime()?.block_on(test())
}

async fn block_found() -> Result<(), Failed> {
    let node = start(Network::Regtest).await?;
    let (_chain, _host, mut events) = follow(&node).await?;

    // The node answers the role and the poll in either order.
    let (mut rejected, mut found, mut tip) = (None, None, None);
    while found.is_none() || tip != found {
        match events.recv().await? {
            Event::Noted { what, .. } => rejected = Some(what),
            Event::BlockFound { hash } => found = Some(hash),
            Event::TipChanged { prev_hash } => tip = Some(prev_hash),
            _ => {}
        }
    }

    assert_eq!(rejected.as_deref(), Some("high-hash"));
    assert_eq!(node.height().await?, 1);
    node.stop().await?;
    Ok(())
}

async fn started_again() -> Result<(), Failed> {
    let node = start(Network::Regtest).await?;
    let hash = node.mine(3).await?.pop();
    let directory = node.directory().to_owned();
    node.rpc().call("stop", json!([])).await?;
    node.ended().await?;

    node.start_again().await?;

    assert_eq!(node.height().await?, 3);
    assert!(node.block(&hash.unwrap()).await.is_ok());
    node.stop().await?;
    assert!(!directory.exists(), "its data are gone with it");
    Ok(())
}

async fn peers() -> Result<(), Failed> {
    let mut config = config(Network::Regtest)?;
    config.takes_peers = true;
    let (pool, miner) = (Node::start(&config).await?, Node::start(&config).await?);
    miner.connect(&pool).await?;
    let tip = pool.mine(101).await?.pop().expect("mined");

    // The miner hears of blocks by a chain that follows it.
    let (_chain, _host, mut events) = watch(&miner).await?;
    let reached =
        |event: &Event| matches!(event, Event::TipChanged { prev_hash } if *prev_hash == tip);
    while !reached(&events.recv().await?) {}
    let transaction = miner.add_transaction(1_000).await?.to_string();
    let mempools = [pool.rpc(), miner.rpc()];
    let known = [
        mempools[0].call("getrawmempool", json!([])).await?,
        mempools[1].call("getrawmempool", json!([])).await?,
    ];

    assert_eq!(known, [json!([]), json!([transaction])]);
    pool.stop().await?;
    miner.stop().await?;
    Ok(())
}

async fn news() -> Result<(), Failed> {
    let node = start(Network::Regtest).await?;
    node.mine(101).await?;
    let (_chain, _host, mut events) = watch(&node).await?;
    tip(&mut events).await?;

    let mined = node.mine(1).await?[0];
    assert_eq!(tip(&mut events).await?, mined);
    let reorganised = node.reorganise(2).await?;
    // The tips on the way may be overtaken.
    while tip(&mut events).await? != reorganised {}
    node.add_transaction(1_000).await?;
    while noted(&mut events).await? != "fees: 1000" {}

    assert_eq!(node.height().await?, 103);
    node.stop().await?;
    Ok(())
}

async fn signet() -> Result<(), Failed> {
    let node = start(Network::PrivateSignet).await?;
    let (_chain, _host, mut events) = watch(&node).await?;
    let genesis = tip(&mut events).await?;

    let mined = node.mine(1).await?[0];

    assert_ne!(mined, genesis);
    assert_eq!(tip(&mut events).await?, mined);
    assert!(mined.to_be_bytes()[..2] == [0, 0], "a block of {mined} has an easy proof");
    node.stop().await?;
    Ok(())
}

async fn bad_option() -> Result<(), Failed> {
    let mut config = config(Network::Regtest)?;
    config.arguments = vec!["-nosuchoption".into()];

    let error = Node::start(&config).await.unwrap_err();

    assert!(matches!(error, NodeError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("nosuchoption"), "{error}");
    Ok(())
}

fn config(network: Network) -> std::io::Result<NodeConfig> {
    Ok(NodeConfig { helper: helper()?, ..NodeConfig::new(network)? })
}

async fn start(network: Network) -> Result<Node, Failed> {
    Ok(Node::start(&config(network)?).await?)
}

type Following =
    (Arc<BitcoindChain>, (Handle, sv2_net::feed::Follower), broadcast::Receiver<Event>);

/// A role that finds blocks.
async fn follow(node: &Node) -> Result<Following, Failed> {
    host(node, Follower { is_mining: true, mined: None }).await
}

/// A role that looks on.
async fn watch(node: &Node) -> Result<Following, Failed> {
    host(node, Follower::default()).await
}

async fn host(node: &Node, role: Follower) -> Result<Following, Failed> {
    let chain = Arc::new(BitcoindChain::new(node.rpc(), Duration::from_millis(50)));
    let host = Host::bind(HostConfig::new("follower")).await?;
    let events = host.events();
    let world = Worlds { chain: Some(Arc::clone(&chain) as _), accounts: None };
    let handle = host.start(role, world);
    let follower = chain.follow(handle.injector());
    Ok((chain, (handle, follower), events))
}

/// The next new tip.
async fn tip(events: &mut broadcast::Receiver<Event>) -> Result<U256, Failed> {
    loop {
        if let Event::TipChanged { prev_hash } = events.recv().await? {
            return Ok(prev_hash);
        }
    }
}

async fn noted(events: &mut broadcast::Receiver<Event>) -> Result<String, Failed> {
    loop {
        if let Event::Noted { what, .. } = events.recv().await? {
            return Ok(what);
        }
    }
}

#[derive(Default)]
struct Follower {
    is_mining: bool,
    mined: Option<Arc<BlockTemplate>>,
}

impl Role for Follower {
    fn handle(&mut self, _: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Chain(ChainEvent::Template(template)) => {
                out.tell(Event::TipChanged { prev_hash: template.prev_hash });
                if template.fees() > 0 {
                    note(format!("fees: {}", template.fees()), out);
                }
                if self.is_mining && self.mined.is_none() {
                    submit(&template, false, out);
                    self.mined = Some(template);
                }
            }
            Input::Answer { answer: Answer::BlockRejected { reason }, .. } => {
                note(reason, out);
                submit(self.mined.as_ref().unwrap(), true, out);
            }
            Input::Answer { answer: Answer::BlockAccepted { hash }, .. } => {
                out.tell(Event::BlockFound { hash });
            }
            // The node has been stopped.
            Input::Chain(ChainEvent::Unreachable(_)) => {}
            other => panic!("nobody sends {other:?}"),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        None
    }
}

fn note(what: String, out: &mut Outbox) {
    out.tell(Event::Noted { connection: None, what });
}

/// With a proof of work, or certainly without.
fn submit(template: &Arc<BlockTemplate>, is_proven: bool, out: &mut Outbox) {
    let value = Amount::from_sat(template.coinbase_value);
    let reward = TxOut { value, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    let coinbase = block::coinbase(template, b"assay", vec![reward]);
    let mut header = block::header(template, &coinbase);
    while template.target.is_met_by(&header.hash()) != is_proven {
        header.nonce += 1;
    }
    let coinbase = block::serialize(&coinbase);
    let block = block::assemble(&header, &coinbase, &template.transactions);
    let request = RequestId(is_proven.into());
    out.put(Output::Request { request, what: Request::SubmitBlock { block } });
}
