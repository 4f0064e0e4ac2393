//! The flow of configuration C, from the first message to the third block: devices of Stratum V1
//! behind a translator, a pool, and its template provider.

use libtest_mimic::{Failed, Trial};
use simulator::scenario::ChainKind;

use crate::exchange::Exchange;
use crate::record::Record;
use crate::steps::{blocks_are_submitted_and_followed, pool_starts, proxy_follows};
use crate::steps_v1::{
    device_logs_in, devices_follow, lines_are_answered, shares_of_devices_go_up,
    translator_accounts_for_all, translator_opens_its_channel,
};
use crate::{run, scenario, start_traced};

pub(crate) fn trials() -> Vec<Trial> {
    let real = Trial::test("configuration_c_goes_step_by_step_on_a_real_node", || {
        run(|| goes_step_by_step(Some(ChainKind::Bitcoind)))
    });
    vec![
        Trial::test("configuration_c_goes_step_by_step", || run(|| goes_step_by_step(None))),
        real.with_kind("needs bitcoind").with_ignored_flag(true),
    ]
}

async fn goes_step_by_step(chain: Option<ChainKind>) -> Result<(), Failed> {
    let exchange = Exchange::new();
    let mut network = start_traced(scenario("config-c.toml", chain)?, exchange.clone()).await?;
    let mut record = Record::default();

    // One more than is looked at: when it is there, everybody has long followed the third.
    record.until(&mut network, |record| record.block_count() >= 4).await?;

    let mut templates = exchange.leg(&network, "pool", "template-provider");
    let mut upstream = exchange.leg(&network, "translator", "pool");
    let devices = [("miners", 0), ("miners", 1), ("old-miners", 0)];
    let mut devices = devices.map(|device| exchange.line_leg(&network, device, "translator"));
    pool_starts(&mut templates)?;
    let opened = translator_opens_its_channel(&mut upstream)?;
    device_logs_in(&mut devices[0], &upstream, &opened)?;
    lines_are_answered(&devices);
    shares_of_devices_go_up(&upstream, &devices);
    blocks_are_submitted_and_followed(&mut templates)?;
    proxy_follows(&mut upstream)?;
    devices.iter().for_each(|device| devices_follow(&upstream, device));
    translator_accounts_for_all(&record, network.scenario(), &upstream);
    network.shutdown().await;
    Ok(())
}
