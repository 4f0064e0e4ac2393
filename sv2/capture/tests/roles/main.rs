//! The four configurations of the specification's overview, with our roles: what is right is not
//! called wrong, and what the rules compute is what the roles have agreed on.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

mod network;

use std::num::NonZeroU64;
use std::time::Duration;

use network::{Network, peer};
use sv2::entropy::Entropy;
use sv2::job_declaration::token::TokenKey;
use sv2::mining::vardiff::VardiffAlgorithm;
use sv2::roles::job_declarator_client::{
    JobDeclarationMode, JobDeclaratorClient, JobDeclaratorClientConfig, JobDeclaratorUpstream,
};
use sv2::roles::job_declarator_server::{JobDeclaratorServer, JobDeclaratorServerConfig};
use sv2::roles::mining_device::{ChannelKind, MiningDevice, MiningDeviceConfig};
use sv2::roles::mining_proxy::{MiningProxy, MiningProxyConfig, MiningProxyMode};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{CustomJobsConfig, Pool, PoolConfig};
use sv2::roles::sv1_device::{Sv1Device, Sv1DeviceConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::roles::translator::{Translator, TranslatorConfig};
use sv2::wire::{Str255, Target};
use sv2_capture::rules::Severity;

/// Of each device, hashes per second.
const RATE: u64 = 2000;
const POOL_SCRIPT: [u8; 3] = [0x51, 0x52, 0x53];

fn entropy(seed: u64) -> Entropy {
    Entropy::from_seed(seed)
}

fn server() -> MiningServerConfig {
    MiningServerConfig {
        easiest_target: Target::from_expected_hashes(64.0),
        shares_per_minute: 60.0,
        vardiff: Some(VardiffAlgorithm::default()),
        ..MiningServerConfig::default()
    }
}

fn token_key() -> TokenKey {
    TokenKey::new([1; 32].into())
}

/// Template provider 0, pool 1.
fn pool_side(network: &mut Network) {
    network.add(TemplateProvider::new(TemplateProviderConfig::default()), true);
    let config = PoolConfig {
        template_provider: peer(0),
        server: server(),
        payout_script: POOL_SCRIPT.to_vec(),
        custom_jobs: Some(CustomJobsConfig::new(token_key())),
        ..PoolConfig::default()
    };
    network.add(Pool::new(config, entropy(10)), false);
}

/// Job declarator server 2, the miner's template provider 3, job declarator client 4.
fn declarators(network: &mut Network, mode: JobDeclarationMode) {
    let config = JobDeclaratorServerConfig::new(token_key(), POOL_SCRIPT.to_vec());
    network.add(JobDeclaratorServer::new(config, entropy(11)), true);
    network.add(TemplateProvider::new(TemplateProviderConfig::default()), true);
    let upstream = JobDeclaratorUpstream { pool: peer(1), job_declarator: peer(2) };
    let config = JobDeclaratorClientConfig {
        template_provider: peer(3),
        upstreams: vec![upstream],
        server: server(),
        mode,
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        nominal_hash_rate: RATE as f32,
        ..JobDeclaratorClientConfig::default()
    };
    network.add(JobDeclaratorClient::new(config, entropy(12)), false);
}

fn device(network: &mut Network, upstream: usize, kind: ChannelKind) {
    let config = MiningDeviceConfig {
        channel_kind: kind,
        hash_rate_limit: NonZeroU64::new(RATE),
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        nominal_hash_rate: RATE as f32,
        ..MiningDeviceConfig::new(peer(upstream), Str255::from_static("alice"))
    };
    let seed = 20 + u64::from(matches!(kind, ChannelKind::Extended { .. }));
    network.add(MiningDevice::new(config, entropy(seed)), false);
}

fn devices(network: &mut Network, upstream: usize) {
    for requires_standard_jobs in [true, false] {
        device(network, upstream, ChannelKind::Standard { requires_standard_jobs });
    }
    device(network, upstream, ChannelKind::Extended { min_extranonce_size: 4 });
}

fn proxy(network: &mut Network, upstream: usize, mode: MiningProxyMode) {
    let upstreams = vec![peer(upstream)];
    let config = MiningProxyConfig { mode, upstreams, server: server(), ..Default::default() };
    network.add(MiningProxy::new(config, entropy(13)), false);
}

/// A translator and two devices behind it.
fn translated(network: &mut Network, translator: usize, upstream: usize) {
    let config = TranslatorConfig {
        upstreams: vec![peer(upstream)],
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        initial_hash_rate: RATE as f64,
        shares_per_minute: 60.0,
        ..TranslatorConfig::default()
    };
    network.add(Translator::new(config, entropy(14)), false);
    for seed in [30, 31] {
        let config = Sv1DeviceConfig {
            hash_rate_limit: NonZeroU64::new(RATE),
            ..Sv1DeviceConfig::new(peer(translator), "alice.worker".to_owned())
        };
        network.add(Sv1Device::new(config, entropy(seed)), false);
    }
}

/// No error and no warning; shares were sent and accepted, and blocks have come and been found.
fn is_clean(network: &mut Network, messages: &[&str]) {
    network.run(Duration::from_secs(120));

    let bad: Vec<&String> = network
        .words
        .iter()
        .filter(|(code, _)| code.starts_with(['E', 'W']))
        .map(|(_, words)| words)
        .collect();
    assert_eq!(bad, [""; 0], "{:#?}", network.seen);
    for message in messages {
        assert!(network.seen.contains_key(message), "no {message} in {:#?}", network.seen);
    }
    assert!(network.blocks() > 5, "{} blocks", network.blocks());
    assert!(network.tally.worst() < Some(Severity::Warning));
    let sent: u64 = ["SubmitSharesStandard", "SubmitSharesExtended"]
        .iter()
        .filter_map(|name| network.seen.get(name))
        .sum();
    let [submitted, accepted, blocks] = network.shares();
    // In flight at the end, or sent for the last block: a handful.
    assert_eq!(submitted, sent);
    assert!(accepted + 20 > sent, "{accepted} of {sent} are accepted");
    assert!(network.good_shares + 20 > sent, "{} of {sent} are good", network.good_shares);
    let solutions = network.seen.get("SubmitSolution").copied().unwrap_or(0);
    assert!(blocks >= solutions, "{blocks} shares are blocks, {solutions} were sent as solutions");
}

const SHARES: &[&str] = &["SubmitShares.Success", "SubmitSolution", "SetNewPrevHash"];

#[test]
fn configuration_b_with_an_aggregating_proxy_is_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    proxy(&mut network, 1, MiningProxyMode::Aggregated);
    devices(&mut network, 2);

    is_clean(&mut network, SHARES);
    assert!(network.found_again > 100, "shares and jobs of both legs: {}", network.found_again);
}

#[test]
fn configuration_b_with_a_transparent_proxy_is_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    proxy(&mut network, 1, MiningProxyMode::Transparent);
    devices(&mut network, 2);

    is_clean(&mut network, SHARES);
}

#[test]
fn devices_at_the_pool_itself_are_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    devices(&mut network, 1);

    is_clean(&mut network, SHARES);
}

#[test]
fn configuration_a_with_declared_transactions_is_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    declarators(&mut network, JobDeclarationMode::FullTemplate);
    devices(&mut network, 4);

    is_clean(&mut network, &["SetCustomMiningJob.Success", "PushSolution", "SubmitShares.Success"]);
}

#[test]
fn configuration_a_with_the_coinbase_alone_is_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    declarators(&mut network, JobDeclarationMode::CoinbaseOnly);
    devices(&mut network, 4);

    is_clean(&mut network, &["SetCustomMiningJob.Success", "SubmitShares.Success"]);
}

#[test]
fn configuration_c_is_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    translated(&mut network, 2, 1);

    is_clean(&mut network, SHARES);
    assert!(network.answered_calls > 100, "{} calls and answers", network.answered_calls);
}

#[test]
fn configuration_d_is_clean() {
    let mut network = Network::new();
    pool_side(&mut network);
    declarators(&mut network, JobDeclarationMode::FullTemplate);
    translated(&mut network, 5, 4);

    is_clean(&mut network, &["SetCustomMiningJob.Success", "PushSolution", "SubmitShares.Success"]);
}
