//! A device of ours that mines for a pool of ours through a relay, also where the pool sends it to
//! another one (spec 3.6.5).

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::noise::{AuthoritySecretKey, CipherSuite};
use sv2::role::{Command, Input, PeerAddress};
use sv2::wire::Str255;
use sv2_net::clock::Clock;
use sv2_net::entropy;
use sv2_net::identity::Certifier;
use sv2_net::limits::Limits;
use sv2_net::relay::{Mode, Relay, RelayConfig, RelayHandle};

use crate::blocks::embedded;
use crate::hosted;
use crate::outages::{acknowledged, pool_config};
use crate::run;

pub(crate) fn trials() -> Vec<Trial> {
    let follows = |(name, kind)| {
        let name = format!("{name}_channel_through_a_relay_follows_to_another_pool");
        Trial::test(name, move || run(async || follows(kind).await))
    };
    hosted::channel_kinds().into_iter().map(follows).collect()
}

async fn follows(kind: sv2::roles::mining_device::ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let first = hosted::pool(&provider, pool_config(), Limits::default()).await?;
    let beside = first.beside()?;
    let mut second = hosted::pool_at(beside, &provider, pool_config(), Limits::default()).await?;
    let (relay, address) = relay(first.address.clone()).await?;
    let mut device = hosted::device(hosted::device_config(&address, kind)).await?;
    acknowledged(&mut device).await?;

    let new_host = Str255::new(second.address.host.clone().into_bytes())?;
    let command = Command::Reconnect { new_host, new_port: second.address.port };
    first.handle.injector().inject(Input::Command(command)).await?;

    let accepted = |event: &Event| matches!(event, Event::ShareAccepted { .. }).then_some(());
    second.events.wait("a share", accepted).await?;
    acknowledged(&mut device).await?;
    // The device has not gone around the relay.
    assert!(relay.open_count() >= 1);
    relay.shutdown().await;
    Ok(())
}

async fn relay(upstream: PeerAddress) -> Result<(RelayHandle, PeerAddress), Failed> {
    let mut entropy = entropy::from_system();
    let authority = AuthoritySecretKey::generate(&mut entropy);
    let public_key = authority.public_key();
    let now = Clock::of_process().now().unix;
    let hour = Duration::from_secs(3600);
    let down = Some(Arc::new(Certifier::renewing(authority, hour, now, entropy)));
    let mode = Mode::Terminating { down, is_up_plain: false, suite: CipherSuite::default() };
    let relay = Relay::bind(RelayConfig::new("127.0.0.1:0", upstream, mode)).await?;
    let (host, port) = ("127.0.0.1".to_owned(), relay.address().port());
    Ok((relay.start(), PeerAddress { host, port, authority: Some(public_key) }))
}
