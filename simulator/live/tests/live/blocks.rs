//! Networks that find blocks.

use libtest_mimic::{Failed, Trial};
use simulator::scenario::{ChainKind, Kind, Scenario};
use sv2::event::Event;

use crate::record::Record;
use crate::{changed, run, scenario, start};

pub(crate) fn trials() -> Vec<Trial> {
    let embedded = [
        Trial::test("devices_on_a_pool_find_blocks", || run(|| finds_blocks("pool.toml", None))),
        Trial::test("stratum_v1_devices_on_a_stratum_v1_pool_find_blocks", || {
            run(|| finds_blocks("sv1.toml", None))
        }),
        Trial::test("devices_behind_a_proxy_find_blocks", || {
            run(|| finds_blocks("config-b.toml", None))
        }),
        Trial::test("devices_that_choose_transactions_find_blocks", || {
            run(|| finds_blocks("config-a.toml", None))
        }),
        Trial::test("devices_of_stratum_v1_find_blocks", || {
            run(|| finds_blocks("config-c.toml", None))
        }),
        Trial::test("devices_of_stratum_v1_with_channels_of_their_own_find_blocks", || {
            run(async || all_find_blocks(changed("config-c.toml", None, PER_DEVICE)?).await)
        }),
        Trial::test("devices_of_stratum_v1_that_choose_transactions_find_blocks", || {
            run(|| finds_blocks("config-d.toml", None))
        }),
        Trial::test("devices_behind_a_proxy_that_passes_channels_on_find_blocks", || {
            run(async || all_find_blocks(changed("config-b.toml", None, TRANSPARENT)?).await)
        }),
        Trial::test("devices_find_blocks_whose_transactions_nobody_is_told", || {
            run(async || all_find_blocks(changed("config-a.toml", None, COINBASE_ONLY)?).await)
        }),
    ];
    let real = [
        Trial::test("devices_behind_a_proxy_find_blocks_of_a_real_node", || {
            run(|| finds_blocks("config-b.toml", Some(ChainKind::Bitcoind)))
        }),
        Trial::test("devices_behind_a_proxy_find_blocks_of_a_private_signet", || {
            run(|| finds_blocks("config-b.toml", Some(ChainKind::Signet)))
        }),
        Trial::test("devices_of_stratum_v1_find_blocks_of_a_real_node", || {
            run(|| finds_blocks("config-c.toml", Some(ChainKind::Bitcoind)))
        }),
        Trial::test("devices_of_stratum_v1_that_choose_transactions_find_real_blocks", || {
            run(|| finds_blocks("config-d.toml", Some(ChainKind::Bitcoind)))
        }),
        Trial::test("devices_that_choose_transactions_find_blocks_of_real_nodes", || {
            run(|| finds_blocks("config-a.toml", Some(ChainKind::Bitcoind)))
        }),
    ];
    let real = real.map(|trial| trial.with_kind("needs bitcoind").with_ignored_flag(true));
    embedded.into_iter().chain(real).collect()
}

async fn finds_blocks(name: &str, chain: Option<ChainKind>) -> Result<(), Failed> {
    all_find_blocks(scenario(name, chain)?).await
}

/// Three blocks, and at every level shares that were taken; refused ones came late.
async fn all_find_blocks(scenario: Scenario) -> Result<(), Failed> {
    let mut network = start(scenario).await?;
    let scenario = network.scenario().clone();
    let mut record = Record::default();

    let all_work = |record: &Record| {
        let mut working = scenario.roles.iter().filter(|role| {
            !matches!(role.kind.kind(), Kind::TemplateProvider | Kind::JobDeclaratorServer)
        });
        working.all(|role| record.events(&scenario, &role.name).any(is_accepted))
    };
    let is_enough = |record: &Record| record.block_count() >= 3 && all_work(record);
    record.until(&mut network, is_enough).await?;

    network.shutdown().await;
    let wrong = record.wrong_shares();
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

fn is_accepted(event: &Event) -> bool {
    matches!(event, Event::ShareAccepted { .. } | Event::SharesAcknowledged { .. })
}

const PER_DEVICE: (&str, &str) = ("mode = \"aggregated\"", "mode = \"channel-per-device\"");
const TRANSPARENT: (&str, &str) = ("mode = \"aggregated\"", "mode = \"transparent\"");
const COINBASE_ONLY: (&str, &str) = ("mode = \"full-template\"", "mode = \"coinbase-only\"");
