//! Job declarator clients whose upstreams fail or break their word: who is mined for then.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::roles::job_declarator_client::JobDeclarationMode;

use crate::driver::{Network, all_kinds};
use crate::job_client::{OWN_SCRIPT, World, config, easy, is_share, world, world_at};

/// What a client tells of its upstreams.
fn course(network: &Network, client: usize) -> Vec<String> {
    let theirs = network.events.iter().filter(|(node, _)| *node == client);
    theirs
        .filter_map(|(_, event)| match event {
            Event::UpstreamLeft { upstream, broke_word: true, .. } => {
                Some(format!("left {upstream} for good"))
            }
            Event::UpstreamLeft { upstream, .. } => Some(format!("left {upstream}")),
            Event::MiningFor { upstream: Some(upstream) } => Some(format!("for {upstream}")),
            Event::MiningFor { upstream: None } => Some("for itself".to_owned()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_pool_that_takes_no_token_of_its_server_is_left_for_good_and_the_next_one_is_mined_for() {
    let full = config(JobDeclarationMode::FullTemplate);
    let World { mut network, mut upstreams, client: _ } =
        world(ChainConfig::HARD, 2, full.clone(), Vec::new());
    // The servers are mixed up: the first pool knows nothing of the tokens of the second server.
    upstreams[0][1] = upstreams[1][1];
    let client = network.add_job_client(1, &upstreams, full);
    network.add_device(client, all_kinds().remove(0));

    network.run(Duration::from_secs(60));

    assert_eq!(course(&network, client), ["for 0", "left 0 for good", "for itself", "for 1"]);
    assert_eq!(network.count(upstreams[0][0], is_share), 0);
    assert!(network.count(upstreams[1][0], is_share) > 20);
    let accounts = network.accounts()[0];
    assert!(accounts.submitted_count > 50, "the device never stops: {accounts:?}");
}

#[test]
fn a_server_that_refuses_on_an_unchanged_tip_is_left_for_good() {
    let full = config(JobDeclarationMode::FullTemplate);
    let World { mut network, upstreams, client } =
        world(ChainConfig::HARD, 1, full, vec![all_kinds().remove(0)]);
    // The pool's node is on another block, and stays there.
    let now = network.now;
    network.chains[1].chain_mut().extend_tip_unproven(now);

    network.run(Duration::from_secs(60));

    assert_eq!(course(&network, client), ["for 0", "left 0 for good", "for itself"]);
    assert_eq!(network.count(upstreams[0][0], is_share), 0);
}

#[test]
fn a_server_whose_node_is_late_for_a_while_keeps_its_miner() {
    let full = config(JobDeclarationMode::FullTemplate);
    let World { mut network, upstreams, client } =
        world(ChainConfig::HARD, 1, full, vec![all_kinds().remove(0)]);
    network.run(Duration::from_secs(10));
    let now = network.now;
    let ours = network.chains[1].chain_mut().extend_tip_unproven(now);
    network.run(Duration::from_secs(5));
    let theirs = network.chains[0].chain_mut().extend_tip_unproven(now);
    let before = network.count(upstreams[0][0], is_share);

    network.run(Duration::from_secs(30));

    assert_eq!(ours, theirs, "the same block, five seconds later");
    assert_eq!(course(&network, client), ["for 0"]);
    assert!(network.count(upstreams[0][0], is_share) > before + 10);
}

#[test]
fn where_all_upstreams_are_gone_blocks_pay_the_miner_until_one_is_back() {
    let full = config(JobDeclarationMode::FullTemplate);
    let World { mut network, upstreams, client } =
        world_at(0, easy(), 2, full, vec![all_kinds().remove(0)]);
    network.run(Duration::from_secs(20));
    let [[first, _], [second, _]] = [upstreams[0], upstreams[1]];
    network.absent.extend([first, second]);

    network.cut(client, first);
    network.run(Duration::from_secs(30));
    let tip = network.chains[0].chain().tip();
    let block = network.chains[0].chain().block(&tip).unwrap().clone();
    let alone = course(&network, client);
    network.absent.clear();
    network.run(Duration::from_secs(60));

    assert_eq!(alone[..3], ["for 0", "left 0", "for itself"]);
    assert!(block.windows(2).any(|window| window == OWN_SCRIPT), "it pays the miner");
    assert!(!alone.contains(&"for 1".to_owned()), "{alone:?}");
    assert_eq!(course(&network, client).last().unwrap(), "for 0", "the head of the list");
    let left = |event: &Event| matches!(event, Event::UpstreamLeft { broke_word: true, .. });
    assert_eq!(network.count(client, left), 0, "nobody broke a word");
}

#[test]
fn a_silent_server_is_left_for_the_next_upstream() {
    let full = config(JobDeclarationMode::FullTemplate);
    let World { mut network, mut upstreams, client: _ } =
        world(ChainConfig::HARD, 2, full.clone(), Vec::new());
    upstreams[0][1] = network.add_hand();
    let client = network.add_job_client(1, &upstreams, full);
    network.add_device(client, all_kinds().remove(0));

    network.run(Duration::from_secs(60));

    assert_eq!(course(&network, client), ["left 0", "for 1"]);
    assert!(network.count(upstreams[1][0], is_share) > 20);
}

#[test]
fn without_upstreams_blocks_pay_the_miner() {
    let full = config(JobDeclarationMode::FullTemplate);
    let World { mut network, client, .. } = world(easy(), 0, full, vec![all_kinds().remove(2)]);
    let height = network.chains[1].chain().height();

    network.run(Duration::from_secs(30));

    assert_eq!(course(&network, client), ["for itself"]);
    assert!(network.chains[1].chain().height() > height);
}
