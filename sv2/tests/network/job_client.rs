//! Miners who work on their own templates and are paid by a pool: devices, a job declarator
//! client with a node of its own, a pool and a job declarator server with another.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::job_declaration::token::TokenKey;
use sv2::noise::AuthoritySecretKey;
use sv2::roles::job_declarator_client::{JobDeclarationMode, JobDeclaratorClientConfig};
use sv2::roles::job_declarator_server::JobDeclaratorServerConfig;
use sv2::roles::mining_device::MiningDeviceConfig;
use sv2::roles::pool::{CustomJobsConfig, PoolConfig};

use crate::driver::{Network, all_kinds, server};

struct World {
    network: Network,
    /// Pool and job declarator server of each upstream.
    upstreams: Vec<[usize; 2]>,
    client: usize,
}

/// Pools on the first chain, the miner's node on the second, which nothing links.
fn world(
    nbits: u32,
    upstream_count: u8,
    config: JobDeclaratorClientConfig,
    devices: Vec<MiningDeviceConfig>,
) -> World {
    let mut network = Network::new(nbits);
    let home = network.add_chain();
    let upstreams: Vec<[usize; 2]> =
        (0..upstream_count).map(|number| add_upstream(&mut network, number)).collect();
    let client = network.add_job_client(home, &upstreams, config);
    for device in devices {
        network.add_device(client, device);
    }
    World { network, upstreams, client }
}

fn add_upstream(network: &mut Network, number: u8) -> [usize; 2] {
    let authority = AuthoritySecretKey::generate(&mut Entropy::from_seed(number.into()));
    let key = TokenKey::new(authority.derive(TokenKey::PURPOSE));
    let pool = network.add_pool(PoolConfig {
        server: server(),
        custom_jobs: Some(CustomJobsConfig::new(key.clone())),
        ..PoolConfig::default()
    });
    let script = pool_script(number);
    [pool, network.add_job_declarator(JobDeclaratorServerConfig::new(key, script))]
}

fn pool_script(number: u8) -> Vec<u8> {
    vec![0x51 + number, 0x52, 0x53, 0x54]
}

fn config(mode: JobDeclarationMode) -> JobDeclaratorClientConfig {
    JobDeclaratorClientConfig {
        mode,
        payout_script: OWN_SCRIPT.to_vec(),
        server: server(),
        ..JobDeclaratorClientConfig::default()
    }
}

const OWN_SCRIPT: [u8; 2] = [0x60, 0x60];

fn is_share(event: &Event) -> bool {
    matches!(event, Event::ShareAccepted { .. })
}

#[test]
fn shares_for_our_own_templates_are_paid_by_the_pool_in_both_modes() {
    for mode in [JobDeclarationMode::FullTemplate, JobDeclarationMode::CoinbaseOnly] {
        let World { mut network, upstreams, client } =
            world(ChainConfig::HARD, 1, config(mode), all_kinds());

        network.run(Duration::from_secs(60));

        let [pool, _] = upstreams[0];
        assert_eq!((network.notes(), &network.closed[..]), (vec![], &[][..]), "{mode:?}");
        for accounts in network.accounts() {
            assert!(accounts.accepted_count > 20, "{mode:?}: {accounts:?}");
        }
        assert!(network.count(pool, is_share) > 20, "{mode:?}");
        assert_eq!(
            network.count(client, |event| *event == Event::MiningFor { upstream: Some(0) }),
            1
        );
    }
}
