//! The reference implementation's programs in the place of a role of ours. They must be in
//! `PATH`: `ci/foreign` sees to that.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use sv2::chain::{ChainConfig, TransactionShape};
use sv2::event::Event;
use sv2::roles::mining_device::ChannelKind;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::{Target, U256};
use sv2_net::embedded::EmbeddedChain;
use sv2_net::limits::Limits;
use sv2_net::recipe::{Need, Program, Recipe, Surroundings};

use crate::blocks::{PaidNode, assert_pays, block_found, embedded};
use crate::hosted::{self, Hosted};
use crate::{helper, run};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, kind) in hosted::channel_kinds() {
        let shares = format!("foreign_pool_accepts_the_shares_of_{name}_channel");
        trials.push(Trial::test(shares, move || run(async || shares_accepted(kind).await)));
        let block = format!("foreign_pool_makes_a_block_of_a_share_of_{name}_channel");
        trials.push(Trial::test(block, move || run(async || block_made(kind).await)));
    }
    let on_a_node = "foreign_pool_makes_a_block_on_a_real_node_behind_our_template_provider";
    trials.push(Trial::test(on_a_node, || run(block_made_on_a_real_node)));
    trials.push(Trial::test("foreign_device_has_its_shares_accepted", || run(foreign_device)));
    let mark = |trial: Trial| trial.with_kind("needs ci/peers").with_ignored_flag(true);
    trials.into_iter().map(mark).collect()
}

/// On a chain so hard that no share is a block.
async fn shares_accepted(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let (_provider, program) = foreign_pool(&chain).await?;
    let mut device = device_on(&program, kind).await?;

    let opened = |event: &Event| match event {
        Event::ChannelOpened { channel_id, .. } => Some(*channel_id),
        _ => None,
    };
    let channel_id = device.events.wait("a channel", opened).await?;
    let started = |event: &Event| match event {
        Event::WorkStarted { channel_id: id, target, .. } if *id == channel_id => Some(*target),
        _ => None,
    };
    let target = device.events.wait("work", started).await?;
    accepted(&mut device, SHARES, None).await?;
    chain.new_block();
    // Shares that were on their way when the new tip came are stale, and rightly refused.
    let mut last_stale = None;
    let restarted = |event: &Event| {
        if let Event::ShareSubmitted { sequence_number, .. } = event {
            last_stale = Some(*sequence_number);
        }
        started(event)
    };
    device.events.wait("work on the new tip", restarted).await?;
    accepted(&mut device, SHARES, last_stale).await?;

    println!("{kind:?}: a share takes {:.0} hashes", target.expected_hashes());
    device.handle.shutdown().await;
    program.stop().await?;
    Ok(())
}

/// On a chain so easy that every share is a block.
async fn block_made(kind: ChannelKind) -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    chain.change(|chain, _| chain.generate_transaction(TransactionShape::default())).unwrap();
    let template = chain.change(|chain, now| chain.template(now));
    let (provider, program) = foreign_pool(&chain).await?;

    let hash = first_block(provider, program, kind).await?;

    let raw = chain.change(|chain, _| chain.block(&hash).cloned());
    let raw = raw.ok_or("the chain does not know the block")?;
    let block = bitcoin::consensus::deserialize(&raw)?;
    assert_pays(&block, template.height, template.coinbase_value, &FOREIGN_PAYOUT_SCRIPT);
    Ok(())
}

/// The same with a node that judges the block.
async fn block_made_on_a_real_node() -> Result<(), Failed> {
    let node = PaidNode::start().await?;
    let provider = node.provider().await?;
    let program = pool_program(&provider).await?;

    let hash = first_block(provider, program, hosted::channel_kinds()[2].1).await?;

    node.assert_pays(hash, &FOREIGN_PAYOUT_SCRIPT).await?;
    node.stop().await
}

/// The first block that the chain has taken, found by a device of ours on their pool.
async fn first_block(
    mut provider: Hosted,
    program: Program,
    kind: ChannelKind,
) -> Result<U256, Failed> {
    let device = device_on(&program, kind).await?;
    let hash = provider.events.wait("a block", block_found).await?;
    device.handle.shutdown().await;
    program.stop().await?;
    Ok(hash)
}

/// Their device on our pool.
async fn foreign_device() -> Result<(), Failed> {
    let chain = embedded(ChainConfig::HARD);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let config = PoolConfig {
        server: MiningServerConfig {
            // It claims what it has measured, and finds a share a second.
            shares_per_minute: 60.0,
            easiest_target: Target::from_expected_hashes(256.0),
            ..MiningServerConfig::default()
        },
        ..hosted::pool_config()
    };
    let mut pool = hosted::pool(&provider, config, Limits::default()).await?;
    let surroundings = Surroundings::from([(Need::Pool, pool.endpoint())]);

    let program = recipe(DEVICE_RECIPE)?.start(&helper()?, surroundings).await?;

    let (mut accepted_count, mut rejected) = (0, Vec::new());
    let shares = |event: &Event| {
        match event {
            Event::ShareAccepted { .. } => accepted_count += 1,
            Event::ShareRejected { error_code, .. } => rejected.push(*error_code),
            _ => {}
        }
        (accepted_count == SHARES).then_some(())
    };
    pool.events.wait("accepted shares", shares).await?;
    program.stop().await?;
    assert_eq!(rejected, Vec::<&str>::new());
    Ok(())
}

/// Their pool, on a template provider of ours.
async fn foreign_pool(chain: &EmbeddedChain) -> Result<(Hosted, Program), Failed> {
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let program = pool_program(&provider).await?;
    Ok((provider, program))
}

async fn pool_program(provider: &Hosted) -> Result<Program, Failed> {
    let surroundings = Surroundings::from([(Need::TemplateProvider, provider.endpoint())]);
    Ok(recipe(POOL_RECIPE)?.start(&helper()?, surroundings).await?)
}

async fn device_on(program: &Program, kind: ChannelKind) -> Result<Hosted, Failed> {
    let miners = program.endpoint("miners").ok_or("the recipe has miners")?;
    let address = sv2::role::PeerAddress {
        host: miners.host.clone(),
        port: miners.port,
        authority: miners.authority,
    };
    hosted::device(hosted::device_config(&address, kind)).await
}

/// Waits for acknowledged shares; one that is refused, unless it may be stale, is a failure.
async fn accepted(device: &mut Hosted, count: u32, last_stale: Option<u32>) -> Result<(), Failed> {
    let mut left = count;
    let outcome = |event: &Event| match event {
        Event::SharesAcknowledged { accepted_count, last_sequence_number, .. }
            if Some(*last_sequence_number) > last_stale =>
        {
            left = left.saturating_sub(*accepted_count);
            (left == 0).then_some(Ok(()))
        }
        Event::ShareRefused { sequence_number, .. } if Some(*sequence_number) > last_stale => {
            Some(Err(event.to_string()))
        }
        _ => None,
    };
    Ok(device.events.wait("accepted shares", outcome).await??)
}

fn recipe(text: &str) -> Result<Recipe, Failed> {
    Ok(Recipe::parse("recipe", text)?)
}

/// The one that `assay check` starts it from.
const POOL_RECIPE: &str = include_str!("../../../../conformance/targets/pool_sv2.recipe.toml");
const DEVICE_RECIPE: &str =
    include_str!("../../../../conformance/targets/mining_device.recipe.toml");
/// Of the address in the recipe.
const FOREIGN_PAYOUT_SCRIPT: [u8; 22] = [
    0x00, 0x14, 0x75, 0x1e, 0x76, 0xe8, 0x19, 0x91, 0x96, 0xd4, 0x54, 0x94, 0x1c, 0x45, 0xd1, 0xb3,
    0xa3, 0x23, 0xf1, 0x43, 0x3b, 0xd6,
];
const SHARES: u32 = 5;
