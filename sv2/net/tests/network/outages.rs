//! Roles that end and come back, while the others stay.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::roles::mining_device::ChannelKind;
use sv2::roles::pool::PoolConfig;
use sv2::wire::U256;
use sv2_net::limits::Limits;

use crate::blocks::embedded;
use crate::hosted::{self, Hosted};
use crate::run;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, kind) in hosted::channel_kinds() {
        let pool = format!("a_pool_that_comes_back_has_{name}_channel_again");
        trials.push(Trial::test(pool, move || run(async || pool_restarts(kind).await)));
        let provider = format!("a_template_provider_that_comes_back_has_work_for_{name}_channel");
        trials.push(Trial::test(provider, move || run(async || provider_restarts(kind).await)));
    }
    trials
}

async fn pool_restarts(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let pool = hosted::pool(&provider, pool_config(), Limits::default()).await?;
    let mut device = hosted::device(hosted::device_config(&pool.address, kind)).await?;
    acknowledged(&mut device).await?;

    let place = pool.leave().await?;
    let closed = |event: &Event| matches!(event, Event::ConnectionClosed { .. }).then_some(());
    device.events.wait("the end of the connection", closed).await?;
    let _pool = hosted::pool_at(place, &provider, pool_config(), Limits::default()).await?;

    acknowledged(&mut device).await
}

async fn provider_restarts(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let mut pool = hosted::pool(&provider, pool_config(), Limits::default()).await?;
    let mut device = hosted::device(hosted::device_config(&pool.address, kind)).await?;
    acknowledged(&mut device).await?;

    let place = provider.leave().await?;
    let closed = |event: &Event| matches!(event, Event::ConnectionClosed { .. }).then_some(());
    pool.events.wait("the end of its provider", closed).await?;
    // The last template stands.
    acknowledged(&mut device).await?;
    let tip = chain.new_block();
    let chain_again = Arc::new(chain.clone());
    let _provider = hosted::provider_at(place, chain_again, |role| chain.follow(role)).await?;

    let changed =
        |event: &Event| matches!(event, Event::TipChanged { prev_hash } if *prev_hash == tip);
    pool.events.wait("the new tip", |event| changed(event).then_some(())).await?;
    let started = |event: &Event| matches!(event, Event::WorkStarted { .. }).then_some(());
    device.events.wait("work on the new tip", started).await?;
    acknowledged(&mut device).await
}

/// Shares that are sent from now on are accepted.
pub(crate) async fn acknowledged(device: &mut Hosted) -> Result<(), Failed> {
    let submitted = |event: &Event| match event {
        Event::ShareSubmitted { channel_id, sequence_number, hash, .. } => {
            Some((*channel_id, *sequence_number, *hash))
        }
        _ => None,
    };
    let (channel, sequence, _): (u32, u32, U256) = device.events.wait("a share", submitted).await?;
    let accepted = |event: &Event| match event {
        Event::SharesAcknowledged { channel_id, last_sequence_number, .. }
            if *channel_id == channel && *last_sequence_number >= sequence =>
        {
            Some(Ok(()))
        }
        Event::ShareRefused { channel_id, sequence_number, .. }
            if *channel_id == channel && *sequence_number == sequence =>
        {
            Some(Err(event.to_string()))
        }
        _ => None,
    };
    Ok(device.events.wait("its acknowledgement", accepted).await??)
}

/// A pool that is not patient with its template provider.
pub(crate) fn pool_config() -> PoolConfig {
    PoolConfig {
        redial_wait: (Duration::from_millis(10), Duration::from_millis(100)),
        ..hosted::pool_config()
    }
}
