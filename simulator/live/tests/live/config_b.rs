//! The flow of configuration B, from the first message to the third block: devices on a proxy
//! that aggregates them, a pool, and its template provider.

use libtest_mimic::{Failed, Trial};
use simulator::scenario::ChainKind;

use crate::exchange::Exchange;
use crate::record::Record;
use crate::steps::{
    blocks_are_submitted_and_followed, device_follows, device_opens_its_channel,
    late_shares_were_sent_before_the_tip_was_known, pool_starts, proxy_follows,
    proxy_opens_its_channel, shares_are_answered, shares_go_up,
};
use crate::{run, scenario, start_traced};

pub(crate) fn trials() -> Vec<Trial> {
    let real = Trial::test("configuration_b_goes_step_by_step_on_a_real_node", || {
        run(|| goes_step_by_step(Some(ChainKind::Bitcoind)))
    });
    vec![
        Trial::test("configuration_b_goes_step_by_step", || run(|| goes_step_by_step(None))),
        real.with_kind("needs bitcoind").with_ignored_flag(true),
    ]
}

async fn goes_step_by_step(chain: Option<ChainKind>) -> Result<(), Failed> {
    let exchange = Exchange::new();
    let mut network = start_traced(scenario("config-b.toml", chain)?, exchange.clone()).await?;
    let mut record = Record::default();

    // One more than is looked at: when it is there, everybody has long followed the third.
    record.until(&mut network, |record| record.block_count() >= 4).await?;

    let mut templates = exchange.leg(&network, "pool", "template-provider");
    let mut upstream = exchange.leg(&network, "proxy", "pool");
    let mut device = exchange.leg(&network, "miners", "proxy");
    pool_starts(&mut templates)?;
    let full_len = proxy_opens_its_channel(&mut upstream)?;
    device_opens_its_channel(&mut device, full_len)?;
    shares_are_answered(&device)?;
    late_shares_were_sent_before_the_tip_was_known(&device);
    shares_go_up(&upstream)?;
    blocks_are_submitted_and_followed(&mut templates)?;
    proxy_follows(&mut upstream)?;
    device_follows(&mut device)?;
    network.shutdown().await;
    Ok(())
}
