//! Clients that a pool sends elsewhere (spec 3.6.5): to whoever shows a certificate of the same
//! authority, and to nobody else.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::role::{Command, Input};
use sv2::roles::mining_device::ChannelKind;
use sv2::wire::Str255;
use sv2_net::limits::Limits;

use crate::blocks::embedded;
use crate::hosted::{self, Hosted};
use crate::outages::{acknowledged, pool_config};
use crate::run;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, kind) in hosted::channel_kinds() {
        let same = format!("{name}_channel_follows_to_another_port_of_the_same_authority");
        trials.push(Trial::test(same, move || run(async || to_the_same_authority(kind).await)));
        let other = format!("{name}_channel_comes_back_from_another_authority");
        trials.push(Trial::test(other, move || run(async || to_another_authority(kind).await)));
    }
    trials
}

async fn to_the_same_authority(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let first = hosted::pool(&provider, pool_config(), Limits::default()).await?;
    let beside = first.beside()?;
    let mut second = hosted::pool_at(beside, &provider, pool_config(), Limits::default()).await?;
    let mut device = hosted::device(hosted::device_config(&first.address, kind)).await?;
    acknowledged(&mut device).await?;

    redirect(&first, &second).await?;

    second.events.wait("a share", accepted).await?;
    Ok(())
}

async fn to_another_authority(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let mut first = hosted::pool(&provider, pool_config(), Limits::default()).await?;
    let second = hosted::pool(&provider, pool_config(), Limits::default()).await?;
    let mut device = hosted::device(hosted::device_config(&first.address, kind)).await?;
    acknowledged(&mut device).await?;

    redirect(&first, &second).await?;

    let refused = |event: &Event| match event {
        Event::Noted { what, .. } => what.contains("certificate").then_some(()),
        _ => None,
    };
    device.events.wait("a certificate that it does not trust", refused).await?;
    let opened = |event: &Event| matches!(event, Event::ChannelOpened { .. }).then_some(());
    let closed = |event: &Event| matches!(event, Event::ConnectionClosed { .. }).then_some(());
    first.events.wait("the end of the connection", closed).await?;
    first.events.wait("another channel", opened).await?;
    first.events.wait("a share", accepted).await?;
    Ok(())
}

async fn redirect(first: &Hosted, second: &Hosted) -> Result<(), Failed> {
    let new_host = Str255::new(second.address.host.clone().into_bytes())?;
    let command = Command::Reconnect { new_host, new_port: second.address.port };
    first.handle.injector().inject(Input::Command(command)).await?;
    Ok(())
}

fn accepted(event: &Event) -> Option<()> {
    matches!(event, Event::ShareAccepted { .. }).then_some(())
}
