//! Miners who work on their own templates and are paid by a pool: devices, a job declarator
//! client with a node of its own, a pool and a job declarator server with another.

use std::time::Duration;

use sv2::chain::{ChainConfig, TransactionShape};
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::job_declaration::token::TokenKey;
use sv2::message::Message;
use sv2::noise::AuthoritySecretKey;
use sv2::roles::job_declarator_client::{JobDeclarationMode, JobDeclaratorClientConfig};
use sv2::roles::job_declarator_server::JobDeclaratorServerConfig;
use sv2::roles::mining_device::MiningDeviceConfig;
use sv2::roles::mining_proxy::MiningProxyConfig;
use sv2::roles::pool::{CustomJobsConfig, PoolConfig};
use sv2::wire::Target;

use crate::driver::{Network, all_kinds, server};

/// The first message of a kind.
macro_rules! find {
    ($messages:ident, $kind:ident) => {
        $messages
            .iter()
            .find_map(|message| match message {
                Message::$kind(found) => Some(found.clone()),
                _ => None,
            })
            .expect(stringify!($kind))
    };
}
pub(crate) struct World {
    pub(crate) network: Network,
    /// Pool and job declarator server of each upstream.
    pub(crate) upstreams: Vec<[usize; 2]>,
    pub(crate) client: usize,
}

/// Pools on the first chain, the miner's node on the second, which nothing links.
pub(crate) fn world(
    nbits: u32,
    upstream_count: u8,
    config: JobDeclaratorClientConfig,
    devices: Vec<MiningDeviceConfig>,
) -> World {
    world_at(1, nbits, upstream_count, config, devices)
}

/// With the miner's node on this chain.
pub(crate) fn world_at(
    home: usize,
    nbits: u32,
    upstream_count: u8,
    config: JobDeclaratorClientConfig,
    devices: Vec<MiningDeviceConfig>,
) -> World {
    let mut network = Network::new(nbits);
    network.add_chain();
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

pub(crate) fn config(mode: JobDeclarationMode) -> JobDeclaratorClientConfig {
    JobDeclaratorClientConfig {
        mode,
        payout_script: OWN_SCRIPT.to_vec(),
        server: server(),
        ..JobDeclaratorClientConfig::default()
    }
}

pub(crate) const OWN_SCRIPT: [u8; 2] = [0x60, 0x60];

pub(crate) fn is_share(event: &Event) -> bool {
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

#[test]
fn a_job_goes_from_template_to_paid_share_in_the_order_of_the_specification() {
    let World { mut network, upstreams, client } =
        world(ChainConfig::HARD, 1, config(JobDeclarationMode::FullTemplate), Vec::new());
    network.is_recorded = true;
    let chain = network.chains[1].chain_mut();
    chain.generate_transaction(TransactionShape::default()).unwrap();
    network.add_device(client, all_kinds().remove(0));

    network.run(Duration::from_secs(5));

    let [pool, declarator] = upstreams[0];
    let exchange = network.exchange.clone();
    let between = |peer: usize| {
        let is_theirs =
            |from: usize, to: usize| [[client, peer], [peer, client]].contains(&[from, to]);
        let theirs = exchange.iter().filter(move |(from, to, _)| is_theirs(*from, *to));
        theirs.map(|(_, _, message)| message.clone()).collect::<Vec<_>>()
    };
    let [provider, pool, declarator] = [client - 1, pool, declarator].map(between);
    let names = |messages: &[Message]| -> Vec<_> { messages.iter().map(Message::name).collect() };
    assert_eq!(
        names(&provider)[..],
        [
            "SetupConnection",
            "SetupConnection.Success",
            // For the miner's own script, then for the outputs that came with the token.
            "CoinbaseOutputConstraints",
            "NewTemplate",
            "SetNewPrevHash",
            "CoinbaseOutputConstraints",
            "NewTemplate",
            "RequestTransactionData",
            "RequestTransactionData.Success",
        ]
    );
    assert_eq!(
        names(&declarator)[..12],
        [
            "SetupConnection",
            "SetupConnection.Success",
            "AllocateMiningJobToken",
            "AllocateMiningJobToken",
            "AllocateMiningJobToken.Success",
            "AllocateMiningJobToken.Success",
            "DeclareMiningJob",
            "AllocateMiningJobToken",
            "ProvideMissingTransactions",
            "AllocateMiningJobToken.Success",
            "ProvideMissingTransactions.Success",
            "DeclareMiningJob.Success",
        ]
    );
    assert_eq!(
        names(&pool)[..7],
        [
            "SetupConnection",
            "SetupConnection.Success",
            "OpenExtendedMiningChannel",
            "OpenExtendedMiningChannel.Success",
            "SetCustomMiningJob",
            "SetCustomMiningJob.Success",
            "SubmitSharesExtended",
        ],
    );
    assert_eq!(names(&pool).iter().filter(|name| **name == "SetCustomMiningJob").count(), 1);

    let flags = |messages: &[Message]| match &messages[0] {
        Message::SetupConnection(setup) => (setup.protocol, setup.flags),
        other => panic!("{other:?}"),
    };
    assert_eq!([&provider, &pool, &declarator].map(|m| flags(m)), [(2, 0), (0, 0b110), (1, 1)]);
    let custom = find!(pool, SetCustomMiningJob);
    let declared = find!(declarator, DeclareMiningJob);
    let acknowledged = find!(declarator, DeclareMiningJobSuccess);
    let accepted = find!(pool, SetCustomMiningJobSuccess);
    let share = find!(pool, SubmitSharesExtended);
    let channel = find!(pool, OpenExtendedMiningChannelSuccess);
    let tip = find!(provider, TemplateSetNewPrevHash);
    let Message::NewTemplate(template) = &provider[6] else { panic!("{:?}", provider[6]) };
    assert_eq!(custom.mining_job_token, acknowledged.new_mining_job_token);
    assert_eq!(
        (custom.prev_hash, custom.nbits, custom.min_ntime, &custom.merkle_path),
        (tip.prev_hash, tip.nbits, tip.header_timestamp, &template.merkle_path)
    );
    let outputs = custom.coinbase_tx_outputs.as_slice();
    let suffix = declared.coinbase_tx_suffix.as_slice();
    assert_eq!(&suffix[4..4 + outputs.len()], outputs, "byte for byte as declared");
    assert!(custom.coinbase_prefix.as_slice().len() <= 8, "spec 5.3.18");
    assert_eq!((declared.wtxid_list.as_slice().len(), declared.version), (1, template.version));
    assert_eq!(share.job_id, accepted.job_id);
    assert_eq!(share.extranonce.as_slice().len(), usize::from(channel.extranonce_size));
    assert_eq!((network.notes(), &network.closed[..]), (vec![], &[][..]));
}

/// A block takes 2^12 hashes: one in four seconds per device.
pub(crate) fn easy() -> u32 {
    Target::from_expected_hashes(4_096.0).to_compact()
}

#[test]
fn the_transaction_of_the_miner_reaches_the_chain_of_the_pool_in_a_block_that_pays_it() {
    let World { mut network, upstreams, client } =
        world(easy(), 1, config(JobDeclarationMode::FullTemplate), Vec::new());
    let proxy = network.add_proxy(
        &[client],
        MiningProxyConfig { server: server(), ..MiningProxyConfig::default() },
    );
    // One behind a proxy, one behind the client itself.
    network.add_device(proxy, all_kinds().remove(1));
    network.add_device(client, all_kinds().remove(2));
    let chain = network.chains[1].chain_mut();
    chain.generate_transaction(TransactionShape::default()).unwrap();
    let height = network.chains[0].chain().height();

    network.run(Duration::from_secs(60));

    let [pool, declarator] = upstreams[0];
    let [theirs, ours] = [network.chains[0].chain(), network.chains[1].chain()];
    assert!(theirs.height() >= height + 3, "{} blocks", theirs.height() - height);
    assert_eq!(theirs.tip(), ours.tip(), "nothing but pushed solutions links them");
    assert_eq!(ours.mempool_len(), 0, "the transaction is in a block");
    let block = theirs.block(&theirs.tip()).unwrap();
    let is_in = |script: &[u8]| block.windows(script.len()).any(|window| window == script);
    assert!(is_in(&pool_script(0)) && !is_in(&OWN_SCRIPT));
    let pushed = |event: &Event| matches!(event, Event::BlockPushed { .. });
    let found = |event: &Event| matches!(event, Event::BlockFound { .. });
    assert!(network.count(declarator, pushed) >= 3 && network.count(pool, found) >= 3);
    let left = |event: &Event| matches!(event, Event::UpstreamLeft { .. });
    assert_eq!(network.count(client, left), 0, "races with the tip are nobody's fault");
}

#[test]
fn in_coinbase_only_mode_the_miner_alone_publishes_the_block() {
    let World { mut network, upstreams, client } =
        world(easy(), 1, config(JobDeclarationMode::CoinbaseOnly), vec![all_kinds().remove(0)]);
    network.is_recorded = true;
    let [theirs, ours] = [0, 1].map(|chain| network.chains[chain].chain().height());

    network.run(Duration::from_secs(20));

    assert!(network.chains[1].chain().height() > ours);
    assert_eq!(network.chains[0].chain().height(), theirs, "the nodes are not linked");
    let to_declarator = network.exchange.iter().filter(|(_, to, _)| *to == upstreams[0][1]);
    let names: Vec<_> = to_declarator.map(|(_, _, message)| message.name()).collect();
    assert!(names[1..].iter().all(|name| *name == "AllocateMiningJobToken"), "{names:?}");
    assert!(network.count(client, is_share) > 0);
}
