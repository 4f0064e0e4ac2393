//! Parts that go and come back while the others stay: mining goes on as spec 3.6 says, and the
//! network tells what happened.

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use simulator::scenario::{ChainKind, NodeId, Overrides, Ports, Scenario};
use simulator_live::{LiveNode, Network, Subject, What};
use sv2::event::Event;

use crate::record::Record;
use crate::{run, scenario, start};

pub(crate) fn trials() -> Vec<Trial> {
    let embedded = [
        Trial::test("a_pool_that_was_killed_serves_again_when_it_is_back", || run(pool_is_killed)),
        Trial::test("without_templates_the_pool_goes_on_with_its_last_job", || {
            run(template_provider_is_gone)
        }),
        Trial::test("a_proxy_whose_pool_is_gone_mines_for_the_next", || run(next_pool)),
        Trial::test("a_device_that_was_killed_mines_again_when_it_is_back", || {
            run(device_is_killed)
        }),
    ];
    let real =
        Trial::test("a_node_that_ends_is_started_again_and_gets_the_next_block", || run(node_ends));
    embedded.into_iter().chain([real.with_kind("needs bitcoind").with_ignored_flag(true)]).collect()
}

async fn pool_is_killed() -> Result<(), Failed> {
    let mut network = start(scenario("config-b.toml", None)?).await?;
    let mut record = Record::default();
    until_paid(&mut record, &mut network, "pool").await?;

    network.halt(role(&network, "pool")).await;
    until_told(&mut record, &mut network, "pool", |what| matches!(what, What::Down(_))).await?;
    // The devices stay with the proxy, which goes on taking their shares.
    until_paid(&mut record, &mut network, "proxy").await?;
    network.resume(role(&network, "pool")).await;
    until_told(&mut record, &mut network, "pool", |what| *what == What::Up).await?;

    until_paid(&mut record, &mut network, "pool").await?;
    assert_eq!(connections_lost(&record, &network, "miners"), 0);
    network.shutdown().await;
    Ok(())
}

async fn template_provider_is_gone() -> Result<(), Failed> {
    let mut network = start(scenario("pool.toml", None)?).await?;
    let mut record = Record::default();
    until_paid(&mut record, &mut network, "pool").await?;

    network.halt(role(&network, "template-provider")).await;
    until_lost(&mut record, &mut network, "pool").await?;
    until_paid(&mut record, &mut network, "pool").await?;
    network.resume(role(&network, "template-provider")).await;

    // A block needs the template provider again.
    let block_count = record.block_count();
    record.until(&mut network, |record| record.block_count() > block_count).await?;
    assert_eq!(connections_lost(&record, &network, "miners"), 0);
    network.shutdown().await;
    Ok(())
}

async fn next_pool() -> Result<(), Failed> {
    let mut network = start(parsed(TWO_POOLS)?).await?;
    let mut record = Record::default();
    until_paid(&mut record, &mut network, "first").await?;

    network.halt(role(&network, "first")).await;

    until_paid(&mut record, &mut network, "second").await?;
    assert_eq!(connections_lost(&record, &network, "miners"), 0);
    network.shutdown().await;
    Ok(())
}

async fn device_is_killed() -> Result<(), Failed> {
    let mut network = start(scenario("config-b.toml", None)?).await?;
    let mut record = Record::default();
    until_paid(&mut record, &mut network, "proxy").await?;
    let device = role(&network, "extended-miners");

    network.halt(device).await;
    until_told(&mut record, &mut network, "extended-miners", |what| matches!(what, What::Down(_)))
        .await?;
    network.resume(device).await;

    let is_acknowledged =
        |what: &What| matches!(what, What::Event(Event::SharesAcknowledged { .. }));
    until_told(&mut record, &mut network, "extended-miners", is_acknowledged).await?;
    network.shutdown().await;
    Ok(())
}

async fn node_ends() -> Result<(), Failed> {
    let mut network = start(scenario("pool.toml", Some(ChainKind::Bitcoind))?).await?;
    let mut record = Record::default();
    record.until(&mut network, |record| record.block_count() >= 1).await?;
    let LiveNode::Bitcoind { node, .. } = network.node(NodeId(0)).clone() else {
        return Err("no process".into());
    };

    node.rpc().call("stop", json!([])).await?;
    until_told(&mut record, &mut network, "node", |what| matches!(what, What::Down(_))).await?;
    until_told(&mut record, &mut network, "node", |what| *what == What::Up).await?;

    let block_count = record.block_count();
    record.until(&mut network, |record| record.block_count() > block_count).await?;
    assert_eq!(connections_lost(&record, &network, "miners"), 0);
    network.shutdown().await;
    Ok(())
}

fn parsed(text: &str) -> Result<Scenario, Failed> {
    let overrides = Overrides { ports: Ports::Free, ..Overrides::default() };
    Ok(Scenario::load("test", text, &overrides)?)
}

fn role(network: &Network, name: &str) -> Subject {
    Subject::Role(network.scenario().role_named(name).unwrap(), 0)
}

/// Until a server has accepted another share.
async fn until_paid(
    record: &mut Record,
    network: &mut Network,
    server: &str,
) -> Result<(), Failed> {
    let is_accepted = |what: &What| matches!(what, What::Event(Event::ShareAccepted { .. }));
    until_told(record, network, server, is_accepted).await
}

/// Until a role has lost a connection that it was not asked to give up.
async fn until_lost(record: &mut Record, network: &mut Network, name: &str) -> Result<(), Failed> {
    let is_lost = |what: &What| matches!(what, What::Event(Event::ConnectionClosed { .. }));
    until_told(record, network, name, is_lost).await
}

/// Until something new has happened to a part.
async fn until_told(
    record: &mut Record,
    network: &mut Network,
    name: &str,
    is_it: impl Fn(&What) -> bool,
) -> Result<(), Failed> {
    let told = record.happenings.len();
    let scenario = network.scenario().clone();
    record
        .until(network, |record| {
            let new = record.happenings[told..].iter();
            let mut of_part = new.filter(|happening| {
                happening.subject.name(&scenario).split('.').next() == Some(name)
            });
            of_part.any(|happening| is_it(&happening.what))
        })
        .await
}

fn connections_lost(record: &Record, network: &Network, name: &str) -> usize {
    let events = record.events(network.scenario(), name);
    events.filter(|event| matches!(event, Event::ConnectionClosed { .. })).count()
}

const TWO_POOLS: &str = r#"
[chain]
nbits = 0x1c010000

[role.template-provider]
kind = "template-provider"

[role.first]
kind = "pool"
share_hashes_min = 5_000
shares_per_minute = 60

[role.second]
kind = "pool"
listen = "127.0.0.1:34354"
share_hashes_min = 5_000
shares_per_minute = 60

[role.proxy]
kind = "mining-proxy"
upstream = ["first", "second"]
shares_per_minute = 60

[role.miners]
kind = "mining-device"
upstream = "proxy"
count = 2
"#;
