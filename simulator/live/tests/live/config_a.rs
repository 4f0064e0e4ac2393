//! The flow of configuration A, from the first message to the third block: devices behind a
//! proxy and a job declarator client, which declares its jobs to a pool's job declarator server;
//! two nodes with mempools of their own.

use bitcoin::Block;
use bitcoin::consensus::deserialize;
use libtest_mimic::{Failed, Trial};
use simulator::scenario::{ChainKind, NodeId};
use simulator_live::{Network, Subject, What};
use sv2::event::Event;
use sv2::job_declaration::{DeclareMiningJob, DeclareMiningJobSuccess};
use sv2::message::Message;
use sv2::wire::{B255, U256};
use sv2_net::tap::Direction::{Received, Sent};

use crate::exchange::{Exchange, Leg, kind, message};
use crate::record::Record;
use crate::steps::{
    device_follows, device_opens_its_channel, late_shares_were_sent_before_the_tip_was_known,
    pool_starts, proxy_follows, proxy_opens_its_channel, shares_are_answered, shares_go_up,
};
use crate::{run, scenario, start, start_traced};

pub(crate) fn trials() -> Vec<Trial> {
    let real = |trial: Trial| trial.with_kind("needs bitcoind").with_ignored_flag(true);
    vec![
        Trial::test("configuration_a_goes_step_by_step", || run(|| goes_step_by_step(None))),
        real(Trial::test("configuration_a_goes_step_by_step_on_real_nodes", || {
            run(|| goes_step_by_step(Some(ChainKind::Bitcoind)))
        })),
        Trial::test("what_only_the_miners_node_knows_ends_in_a_block_of_the_pool", || {
            run(|| miner_chooses("config-a.toml", None))
        }),
        real(Trial::test("what_only_the_miners_real_node_knows_ends_in_a_block", || {
            run(|| miner_chooses("config-a.toml", Some(ChainKind::Bitcoind)))
        })),
    ]
}

async fn goes_step_by_step(chain: Option<ChainKind>) -> Result<(), Failed> {
    let exchange = Exchange::new();
    let mut network = start_traced(scenario("config-a.toml", chain)?, exchange.clone()).await?;
    let mut record = Record::default();

    until_four_blocks_are_pushed(&mut network, &mut record).await?;

    pool_starts(&mut exchange.leg(&network, "pool", "pool-templates"))?;
    pool_starts(&mut exchange.leg(&network, "client", "miner-templates"))?;
    client_opens_its_channel(&mut exchange.leg(&network, "client", "pool"))?;
    client_gets_tokens(&mut exchange.leg(&network, "client", "declarator"))?;
    let mut upstream = exchange.leg(&network, "proxy", "client");
    let mut device = exchange.leg(&network, "miners", "proxy");
    let full_len = proxy_opens_its_channel(&mut upstream)?;
    device_opens_its_channel(&mut device, full_len)?;
    shares_are_answered(&device)?;
    late_shares_were_sent_before_the_tip_was_known(&device);
    shares_go_up(&upstream)?;
    jobs_are_declared_and_paid(&exchange, &network)?;
    shares_name_jobs_that_are_paid(&exchange.leg(&network, "client", "pool"));
    blocks_go_to_all_sides(&exchange, &network)?;
    proxy_follows(&mut upstream)?;
    device_follows(&mut device)?;
    network.shutdown().await;
    Ok(())
}

/// One more than is looked at: when it is there, everybody has long followed the third. Where
/// every share is a block, most are found before their job is declared.
pub(crate) async fn until_four_blocks_are_pushed(
    network: &mut Network,
    record: &mut Record,
) -> Result<(), Failed> {
    let scenario = network.scenario().clone();
    let told = |record: &Record, name, is_it: fn(&Event) -> bool| {
        record.events(&scenario, name).filter(|event| is_it(event)).count()
    };
    let is_enough = |record: &Record| {
        let paid = |event: &Event| matches!(event, Event::CustomJobAccepted { .. });
        let pushed = |event: &Event| matches!(event, Event::BlockPushed { .. });
        record.block_count() >= 4
            && told(record, "pool", paid) >= 4
            && told(record, "declarator", pushed) >= 4
    };
    record.until(network, is_enough).await
}

/// Steps 3 and 7. Jobs of the pool would be its own choice of transactions: there are none.
pub(crate) fn client_opens_its_channel(leg: &mut Leg) -> Result<(), Failed> {
    let setup = message!(leg.expect(Sent, SetupConnection))?;
    assert_eq!((setup.protocol, setup.flags), (0, 0b110));
    let success = message!(leg.expect(Received, SetupConnectionSuccess))?;
    assert_eq!(success.flags & 1, 0, "REQUIRES_FIXED_VERSION");
    let open = message!(leg.expect(Sent, OpenExtendedMiningChannel))?;
    let opened = message!(leg.expect(Received, OpenExtendedMiningChannelSuccess))?;
    assert_eq!(opened.request_id, open.request_id);
    assert!(opened.extranonce_size >= open.min_extranonce_size, "{opened:?}");
    assert_eq!(leg.all(Received, kind!(NewExtendedMiningJob)).count(), 0);
    assert_eq!(leg.all(Received, kind!(SetNewPrevHash)).count(), 0);
    Ok(())
}

/// Steps 4 and 5.
pub(crate) fn client_gets_tokens(leg: &mut Leg) -> Result<(), Failed> {
    let setup = message!(leg.expect(Sent, SetupConnection))?;
    assert_eq!((setup.protocol, setup.flags), (1, 1), "DECLARE_TX_DATA");
    let success = message!(leg.expect(Received, SetupConnectionSuccess))?;
    assert_eq!(success.flags, 0);
    let asked = message!(leg.find(Sent, AllocateMiningJobToken))?;
    let token = message!(leg.find(Received, AllocateMiningJobTokenSuccess))?;
    assert_eq!(token.request_id, asked.request_id);
    assert!(!token.coinbase_tx_outputs.as_slice().is_empty(), "{token:?}");
    let asked = leg.all(Sent, kind!(AllocateMiningJobToken)).count();
    assert!(asked > 3, "{asked} tokens for three blocks: one is good for one job");
    Ok(())
}

/// Steps 9, 10 and 12: each job is declared before it is brought to the pool, with its own
/// token, and is the same in both places.
pub(crate) fn jobs_are_declared_and_paid(
    exchange: &Exchange,
    network: &Network,
) -> Result<(), Failed> {
    let declarator = exchange.leg(network, "client", "declarator");
    let pool = exchange.leg(network, "client", "pool");
    let templates = exchange.leg(network, "client", "miner-templates");
    let declared: Vec<_> = declarator.all(Sent, kind!(DeclareMiningJob)).collect();
    let acknowledged: Vec<_> = declarator.all(Received, kind!(DeclareMiningJobSuccess)).collect();
    let tips: Vec<_> = templates.all(Received, kind!(TemplateSetNewPrevHash)).collect();
    let mut used: Vec<B255> = Vec::new();
    for custom in pool.all(Sent, kind!(SetCustomMiningJob)) {
        let declaration = declaration_of(&custom.mining_job_token, &declared, &acknowledged)
            .ok_or_else(|| format!("a job that nobody has declared: {custom:?}"))?;
        let suffix = declaration.coinbase_tx_suffix.as_slice();
        let outputs = custom.coinbase_tx_outputs.as_slice();
        assert!(suffix.windows(outputs.len()).any(|part| part == outputs), "{custom:?}");
        assert!(tips.iter().any(|tip| tip.prev_hash == custom.prev_hash), "{custom:?}");
        assert!(!used.contains(&custom.mining_job_token), "a token is good for one job");
        used.push(custom.mining_job_token.clone());
    }
    assert!(used.len() >= 4, "{} jobs", used.len());
    Ok(())
}

/// By the token that the declaration was answered with.
fn declaration_of<'d>(
    token: &B255,
    declared: &'d [Box<DeclareMiningJob>],
    acknowledged: &[DeclareMiningJobSuccess],
) -> Option<&'d DeclareMiningJob> {
    let success = acknowledged.iter().find(|success| success.new_mining_job_token == *token)?;
    let declared = declared.iter().find(|job| job.request_id == success.request_id);
    declared.map(Box::as_ref)
}

/// Step 11: no share goes up before its job is known to be paid.
pub(crate) fn shares_name_jobs_that_are_paid(leg: &Leg) {
    let mut paid = Vec::new();
    let mut share_count = 0;
    for seen in leg.all_seen() {
        match (seen.direction, &seen.message) {
            (Received, Message::SetCustomMiningJobSuccess(success)) => paid.push(success.job_id),
            (Sent, Message::SubmitSharesExtended(share)) => {
                assert!(paid.contains(&share.job_id), "{share:?} {paid:?}");
                share_count += 1;
            }
            _ => {}
        }
    }
    assert!(share_count > 0, "no shares");
}

/// Step 13: to the miner's own node, to the job declarator server, and to the pool.
pub(crate) fn blocks_go_to_all_sides(exchange: &Exchange, network: &Network) -> Result<(), Failed> {
    let declarator = exchange.leg(network, "client", "declarator");
    let pool = exchange.leg(network, "client", "pool");
    let templates = exchange.leg(network, "client", "miner-templates");
    let solutions: Vec<_> = templates.all(Sent, kind!(SubmitSolution)).collect();
    let shares: Vec<_> = pool.all(Sent, kind!(SubmitSharesExtended)).collect();
    let pushed: Vec<_> = declarator.all(Sent, kind!(PushSolution)).collect();
    assert!(pushed.len() >= 3, "{} solutions pushed", pushed.len());
    for push in pushed {
        let (nonce, ntime) = (push.nonce, push.ntime);
        let is_solution = solutions
            .iter()
            .any(|solution| (solution.header_nonce, solution.header_timestamp) == (nonce, ntime));
        let is_share = shares.iter().any(|share| (share.nonce, share.ntime) == (nonce, ntime));
        assert!(is_solution && is_share, "{push:?}");
    }
    Ok(())
}

/// Step 14: the point of it all.
pub(crate) async fn miner_chooses(name: &str, chain: Option<ChainKind>) -> Result<(), Failed> {
    let mut network = start(scenario(name, chain)?).await?;
    let mut record = Record::default();
    let node = |name| {
        let nodes = &network.scenario().nodes;
        NodeId(nodes.iter().position(|node| node.name == name).unwrap())
    };
    let (pools, miners) = (node("pool-node"), node("miner-node"));
    let transaction = network.node(miners).add_transaction().await?;

    let mut looked_at = 0;
    loop {
        record.until(&mut network, |record| record.tips_of(pools).count() > looked_at).await?;
        let tips: Vec<U256> = record.tips_of(pools).collect();
        for tip in &tips[looked_at..] {
            let raw = network.node(pools).block(tip).await?;
            let block: Block = deserialize(&raw)?;
            let is_in_it = |txid: bitcoin::Txid| U256::from_le_bytes(*txid.as_ref()) == transaction;
            if block.txdata.iter().any(|other| is_in_it(other.compute_txid())) {
                // Its reward is the pool's.
                let payout = &block.txdata[0].output[0];
                assert!(payout.value.to_sat() > 0, "{payout:?}");
                network.shutdown().await;
                return Ok(());
            }
        }
        looked_at = tips.len();
        assert!(looked_at < BLOCKS_MAX, "not in {looked_at} blocks");
    }
}

/// Until the transaction must be in one: a node shows it in a template some seconds later.
const BLOCKS_MAX: usize = 60;

impl Record {
    /// Since the start.
    fn tips_of(&self, node: NodeId) -> impl Iterator<Item = U256> + '_ {
        let of_node =
            self.happenings.iter().filter(move |told| told.subject == Subject::Node(node));
        let tips = of_node.filter_map(|told| match told.what {
            What::Tip { hash, .. } => Some(hash),
            _ => None,
        });
        tips.skip(1)
    }
}
