//! Networks that find blocks.

use libtest_mimic::{Failed, Trial};
use simulator::scenario::{ChainKind, Kind};
use sv2::event::Event;

use crate::record::Record;
use crate::{run, scenario, start};

pub(crate) fn trials() -> Vec<Trial> {
    let embedded = [
        Trial::test("devices_on_a_pool_find_blocks", || run(|| finds_blocks("pool.toml", None))),
        Trial::test("devices_behind_a_proxy_find_blocks", || {
            run(|| finds_blocks("config-b.toml", None))
        }),
        Trial::test("devices_that_choose_transactions_find_blocks", || {
            run(|| finds_blocks("config-a.toml", None))
        }),
    ];
    let real = [
        Trial::test("devices_behind_a_proxy_find_blocks_of_a_real_node", || {
            run(|| finds_blocks("config-b.toml", Some(ChainKind::Bitcoind)))
        }),
        Trial::test("devices_behind_a_proxy_find_blocks_of_a_private_signet", || {
            run(|| finds_blocks("config-b.toml", Some(ChainKind::Signet)))
        }),
        Trial::test("devices_that_choose_transactions_find_blocks_of_real_nodes", || {
            run(|| finds_blocks("config-a.toml", Some(ChainKind::Bitcoind)))
        }),
    ];
    let real = real.map(|trial| trial.with_kind("needs bitcoind").with_ignored_flag(true));
    embedded.into_iter().chain(real).collect()
}

/// Three blocks, and at every level shares that were taken; refused ones came late.
async fn finds_blocks(name: &str, chain: Option<ChainKind>) -> Result<(), Failed> {
    let mut network = start(scenario(name, chain)?).await?;
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
