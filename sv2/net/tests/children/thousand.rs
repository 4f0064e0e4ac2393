//! A thousand devices in one process on our pool in another: no error, and what one costs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::role::PeerAddress;
use sv2::roles::mining_device::{MiningDevice, MiningDeviceConfig};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::wire::{Str255, Target};
use sv2_net::child::{Child, ChildCommand};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::entropy;
use sv2_net::host::{Host, HostConfig};
use sv2_net::world::Worlds;

use tokio::sync::broadcast::error::RecvError;

use crate::mining::serve;
use crate::{helper, runtime};

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("a_thousand_devices_are_served_and_cost_little_memory", || {
        runtime()?.block_on(thousand())
    })]
}

async fn thousand() -> Result<(), Failed> {
    let config = ChainConfig::new(ChainConfig::HARD, Clock::of_process().now().unix);
    let chain = EmbeddedChain::new(ChainHost::new(Chain::new(config, Entropy::from_seed(7))));
    let provider = TemplateProvider::new(TemplateProviderConfig::default());
    let world = Worlds { chain: Some(Arc::new(chain.clone())), accounts: None };
    let (provider, template_provider) = serve("template provider", provider, world).await?;
    let _follower = chain.follow(provider.injector());
    let pool = PoolConfig {
        template_provider,
        server: MiningServerConfig {
            easiest_target: Target::from_expected_hashes(16.0),
            // A share each third of a second from each device, so that the last has one soon.
            shares_per_minute: 200.0,
            vardiff: None,
            ..MiningServerConfig::default()
        },
        ..PoolConfig::default()
    };
    let (pool, address) =
        serve("pool", Pool::new(pool, entropy::from_system()), Worlds::default()).await?;
    let mut events = pool.events();
    let memory_before = resident_len()?;

    let directory = tempfile::tempdir()?;
    let mut command = ChildCommand::new(std::env::current_exe()?, directory.path().join("log"));
    let authority = address.authority.map(|authority| authority.to_string()).unwrap_or_default();
    command.arguments = ["devices", &address.port.to_string(), &authority].map(Into::into).into();
    let mut devices = Child::spawn(&helper()?, &command)?;
    let mut served = BTreeSet::new();
    while served.len() < DEVICES {
        let event = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => event,
                // There will be more shares of those that were missed.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Err("the pool has ended".into()),
            },
            status = devices.wait() => {
                return Err(format!("{}: {}", status?, devices.log_tail()).into());
            }
        };
        match event {
            Event::ShareAccepted { connection, .. } => drop(served.insert(connection)),
            Event::ShareRejected { .. } | Event::ConnectionClosed { .. } => {
                return Err(format!("{event:?}").into());
            }
            _ => {}
        }
    }

    let counters = pool.counters();
    // The pool's own connection to its template provider is one more.
    assert_eq!(counters.open_count, DEVICES as u64 + 1);
    assert_eq!((counters.too_slow_count, counters.handshake_failed_count), (0, 0));
    let len = resident_len()?.saturating_sub(memory_before) / DEVICES;
    eprintln!("{len} bytes of memory for a connection with a channel");
    assert!(len < CONNECTION_LEN_MAX, "{len} bytes for each connection");
    devices.stop().await?;
    Ok(())
}

/// `devices PORT AUTHORITY`: stays until it is killed.
pub(crate) fn devices(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut next = || arguments.next().unwrap().into_string().unwrap();
    let port = next().parse().unwrap();
    let authority = Some(next().parse().unwrap());
    runtime().unwrap().block_on(async {
        let mut hosts = Vec::new();
        for _ in 0..DEVICES {
            let host = "127.0.0.1".to_owned();
            let peer = PeerAddress { host, port, authority };
            let mut device = MiningDeviceConfig::new(peer, Str255::from_static("assay"));
            device.nominal_hash_rate = 100.0;
            device.hash_rate_limit = NonZeroU64::new(100);
            device.nonces_per_call = NonZeroU32::new(10).unwrap();
            let mut config = HostConfig::new("device");
            config.limits.events_kept = 1;
            let host = Host::bind(config).await.unwrap();
            let device = MiningDevice::new(device, entropy::from_system());
            hosts.push(host.start(device, Worlds::default()));
        }
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

/// Memory of this process, in bytes.
fn resident_len() -> Result<usize, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    Ok(kibibytes.ok_or("no VmRSS")?.parse::<usize>()? << 10)
}

const DEVICES: usize = 1_000;
const CONNECTION_LEN_MAX: usize = 64 << 10;
