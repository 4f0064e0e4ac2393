//! A whole small network on real sockets: chain, template provider, pool, mining device.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite};
use sv2::role::{PeerAddress, Role};
use sv2::roles::mining_device::{MiningDevice, MiningDeviceConfig};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::wire::{Str255, Target, U256};
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::entropy;
use sv2_net::feed::Follower;
use sv2_net::host::{Handle, Host, HostConfig, Injector, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::world::{World, Worlds};
use tokio::sync::broadcast;

use crate::{helper, runtime};

pub(crate) fn trials() -> Vec<Trial> {
    let on_node = || runtime()?.block_on(on_a_node());
    vec![
        Trial::test("a_device_finds_a_block_of_the_embedded_chain", || {
            runtime()?.block_on(on_the_embedded_chain())
        }),
        Trial::test("a_device_finds_a_block_of_a_real_node_that_pays_the_pool", on_node)
            .with_kind("needs bitcoind")
            .with_ignored_flag(true),
    ]
}

async fn on_the_embedded_chain() -> Result<(), Failed> {
    let config = ChainConfig::new(ChainConfig::EASY, Clock::of_process().now().unix);
    let chain = EmbeddedChain::new(ChainHost::new(Chain::new(config, Entropy::from_seed(7))));
    let start = chain.change(|chain, _| chain.height());
    let follow = |role| chain.follow(role);

    let found = Miners::start(Arc::new(chain.clone()), follow).await?.block_found().await?;

    let block = chain.change(|chain, _| chain.block(&found).cloned());
    let block = block.ok_or("the block that was found is not on the chain")?;
    let pays_the_pool = block.windows(PAYOUT_SCRIPT.len()).any(|bytes| bytes == PAYOUT_SCRIPT);
    assert!(pays_the_pool);
    assert!(chain.change(|chain, _| chain.height()) > start);
    Ok(())
}

async fn on_a_node() -> Result<(), Failed> {
    let config = NodeConfig { helper: helper()?, ..NodeConfig::new(Network::Regtest)? };
    let node = Node::start(&config).await?;
    node.mine(16).await?;
    let chain = Arc::new(BitcoindChain::new(node.rpc(), Duration::from_millis(200)));
    let follow = |role| chain.follow(role);

    let found = Miners::start(Arc::clone(&chain) as _, follow).await?.block_found().await?;

    let block = node.rpc().call("getblock", json!([found.to_string(), 2])).await?;
    assert!(block["height"].as_u64() > Some(16), "{block}");
    assert!(block["confirmations"].as_i64() > Some(0), "{block}");
    let outputs = block["tx"][0]["vout"].to_string();
    assert!(outputs.contains(&format!("{:?}", hex(&PAYOUT_SCRIPT))), "{outputs}");
    assert!(outputs.contains("\"6a24aa21a9ed"), "no witness commitment: {outputs}");
    node.stop().await?;
    Ok(())
}

/// A key hash that nobody has a key for.
const PAYOUT_SCRIPT: [u8; 22] = {
    let mut script = [7; 22];
    (script[0], script[1]) = (0, 20);
    script
};

/// Whatever runs between a chain and a block.
struct Miners {
    _hosts: [Handle; 3],
    _follower: Follower,
    events: broadcast::Receiver<Event>,
}

impl Miners {
    async fn start(
        chain: Arc<dyn World>,
        follow: impl FnOnce(Injector) -> Follower,
    ) -> Result<Self, Failed> {
        let nothing = Worlds::default;
        let provider = TemplateProvider::new(TemplateProviderConfig::default());
        let world = Worlds { chain: Some(chain), accounts: None };
        let (provider, provider_address) = serve("template provider", provider, world).await?;
        let follower = follow(provider.injector());

        let pool = PoolConfig {
            template_provider: provider_address,
            payout_script: PAYOUT_SCRIPT.to_vec(),
            server: MiningServerConfig {
                easiest_target: Target::from_expected_hashes(16.0),
                ..MiningServerConfig::default()
            },
            ..PoolConfig::default()
        };
        let (pool, pool_address) =
            serve("pool", Pool::new(pool, entropy::from_system()), nothing()).await?;
        let events = pool.events();

        let mut device = MiningDeviceConfig::new(pool_address, Str255::from_static("assay"));
        device.nominal_hash_rate = 1e3;
        let device = MiningDevice::new(device, entropy::from_system());
        let host = Host::bind(HostConfig::new("device")).await?;
        let device = host.start(device, nothing());
        Ok(Miners { _hosts: [device, pool, provider], _follower: follower, events })
    }

    /// The hash of a block that the pool has seen found and the chain has taken. There may be
    /// others, of the same height or on top of it, and tips that were overtaken are never told.
    async fn block_found(&mut self) -> Result<U256, Failed> {
        let mut found = Vec::new();
        loop {
            match self.events.recv().await? {
                Event::BlockFound { hash } => found.push(hash),
                Event::TipChanged { prev_hash } if found.contains(&prev_hash) => {
                    return Ok(prev_hash);
                }
                _ => {}
            }
        }
    }
}

/// Runs a role behind Noise, with an authority of its own.
pub(crate) async fn serve(
    name: &str,
    role: impl Role + Send + 'static,
    world: impl World,
) -> Result<(Handle, PeerAddress), Failed> {
    let (security, authority) = noise();
    let mut config = HostConfig::new(name);
    config.listeners = vec![ListenerConfig { address: "127.0.0.1:0".into(), security }];
    let handle = Host::bind(config).await?.start(role, world);
    let address: SocketAddr = handle.addresses()[0];
    let (host, port) = (address.ip().to_string(), address.port());
    Ok((handle, PeerAddress { host, port, authority: Some(authority) }))
}

fn noise() -> (ListenerSecurity, AuthorityPublicKey) {
    let authority = AuthoritySecretKey::generate(&mut entropy::from_system());
    let public = authority.public_key();
    let (hour, now) = (Duration::from_secs(3600), Clock::of_process().now().unix);
    let certifier = Arc::new(Certifier::renewing(authority, hour, now, entropy::from_system()));
    (ListenerSecurity::Noise { suite: CipherSuite::default(), certifier }, public)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
