//! The flow of configuration D, from the first message to the third block: devices of Stratum V1
//! behind a translator and a job declarator client, which declares its jobs to a pool's job
//! declarator server; two nodes with mempools of their own.

use libtest_mimic::{Failed, Trial};
use simulator::scenario::ChainKind;

use crate::config_a::{
    blocks_go_to_all_sides, client_gets_tokens, client_opens_its_channel,
    jobs_are_declared_and_paid, miner_chooses, shares_name_jobs_that_are_paid,
    until_four_blocks_are_pushed,
};
use crate::exchange::Exchange;
use crate::record::Record;
use crate::steps::{pool_starts, proxy_follows};
use crate::steps_v1::{
    device_logs_in, devices_follow, lines_are_answered, shares_of_devices_go_up,
    translator_accounts_for_all, translator_opens_its_channel,
};
use crate::{run, scenario, start_traced};

pub(crate) fn trials() -> Vec<Trial> {
    let real = |trial: Trial| trial.with_kind("needs bitcoind").with_ignored_flag(true);
    vec![
        Trial::test("configuration_d_goes_step_by_step", || run(|| goes_step_by_step(None))),
        real(Trial::test("configuration_d_goes_step_by_step_on_real_nodes", || {
            run(|| goes_step_by_step(Some(ChainKind::Bitcoind)))
        })),
        Trial::test("what_only_the_node_of_a_stratum_v1_miner_knows_ends_in_a_block", || {
            run(|| miner_chooses("config-d.toml", None))
        }),
        real(Trial::test(
            "what_only_the_real_node_of_a_stratum_v1_miner_knows_ends_in_a_block",
            || run(|| miner_chooses("config-d.toml", Some(ChainKind::Bitcoind))),
        )),
    ]
}

async fn goes_step_by_step(chain: Option<ChainKind>) -> Result<(), Failed> {
    let exchange = Exchange::new();
    let mut network = start_traced(scenario("config-d.toml", chain)?, exchange.clone()).await?;
    let mut record = Record::default();

    until_four_blocks_are_pushed(&mut network, &mut record).await?;

    pool_starts(&mut exchange.leg(&network, "pool", "pool-templates"))?;
    pool_starts(&mut exchange.leg(&network, "client", "miner-templates"))?;
    client_opens_its_channel(&mut exchange.leg(&network, "client", "pool"))?;
    client_gets_tokens(&mut exchange.leg(&network, "client", "declarator"))?;
    let mut upstream = exchange.leg(&network, "translator", "client");
    let devices = [("miners", 0), ("miners", 1), ("old-miners", 0)];
    let mut devices = devices.map(|device| exchange.line_leg(&network, device, "translator"));
    let opened = translator_opens_its_channel(&mut upstream)?;
    device_logs_in(&mut devices[0], &upstream, &opened)?;
    lines_are_answered(&devices);
    shares_of_devices_go_up(&upstream, &devices);
    jobs_are_declared_and_paid(&exchange, &network)?;
    shares_name_jobs_that_are_paid(&exchange.leg(&network, "client", "pool"));
    blocks_go_to_all_sides(&exchange, &network)?;
    proxy_follows(&mut upstream)?;
    devices.iter().for_each(|device| devices_follow(&upstream, device));
    translator_accounts_for_all(&record, network.scenario(), &upstream);
    network.shutdown().await;
    Ok(())
}
