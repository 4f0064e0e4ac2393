//! A proxy whose upstream changes its extranonce prefix between jobs (spec 5.3.10): what goes up
//! is a proof under the prefix of each job's arrival.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::common::SetupConnectionSuccess;
use sv2::message::Message;
use sv2::mining::coinbase::Coinbase;
use sv2::mining::header::{Header, coinbase_txid, merkle_root};
use sv2::mining::{
    NewExtendedMiningJob, OpenExtendedMiningChannelSuccess, SetExtranoncePrefix, SetNewPrevHash,
    SubmitSharesExtended,
};
use sv2::role::ConnectionId;
use sv2::roles::mining_proxy::MiningProxyConfig;
use sv2::template_distribution::NewTemplate;
use sv2::wire::{B32, B64K, B255, Seq255, Target, U256};

use crate::driver::{Network, all_kinds, server};

const CHANNEL: u32 = 2;
const ROLLED_LEN: u16 = 16;
const MIN_NTIME: u32 = 1_700_000_000;
const NBITS: u32 = 0x1703_4219;

/// A proxy with all kinds of devices; its upstream is played by the test.
struct Behind {
    network: Network,
    hand: usize,
    upstream: ConnectionId,
}

impl Behind {
    fn new(prefix: B32) -> Self {
        let mut network = Network::new(ChainConfig::HARD);
        let hand = network.add_hand();
        let config = MiningProxyConfig { server: server(), ..MiningProxyConfig::default() };
        let proxy = network.add_proxy(&[hand], config);
        for device in all_kinds() {
            network.add_device(proxy, device);
        }
        network.run(Duration::ZERO);
        let upstream = network.latest(hand).unwrap();
        let mut behind = Behind { network, hand, upstream };
        let asked = behind.say(SetupConnectionSuccess { used_version: 2, flags: 0 });
        let request_id = asked.iter().find_map(|message| match message {
            Message::OpenExtendedMiningChannel(open) => Some(open.request_id),
            _ => None,
        });
        behind.say(OpenExtendedMiningChannelSuccess {
            request_id: request_id.expect("the devices want to mine"),
            channel_id: CHANNEL,
            target: Target::from_expected_hashes(32.0),
            extranonce_size: ROLLED_LEN,
            extranonce_prefix: prefix,
            group_channel_id: 1,
        });
        behind
    }

    fn say(&mut self, message: impl Into<Message>) -> Vec<Message> {
        self.network.say(self.hand, self.upstream, message)
    }

    fn tip(&mut self, job_id: u32, block: u64) {
        self.say(SetNewPrevHash {
            channel_id: CHANNEL,
            job_id,
            prev_hash: prev_hash(block),
            min_ntime: MIN_NTIME,
            nbits: NBITS,
        });
    }

    /// What goes up in ten seconds.
    fn shares(&mut self) -> Vec<SubmitSharesExtended> {
        self.network.hear(self.hand);
        self.network.run(Duration::from_secs(10));
        let share = |message| match message {
            Message::SubmitSharesExtended(share) => Some(share),
            _ => None,
        };
        self.network.hear(self.hand).into_iter().filter_map(share).collect()
    }
}

fn prev_hash(block: u64) -> U256 {
    U256::from_limbs([block, 0, 0, 0])
}

/// A job whose coinbase has room for a whole extranonce of this length.
fn job(job_id: u32, full_len: usize, min_ntime: Option<u32>) -> NewExtendedMiningJob {
    let template = NewTemplate {
        template_id: job_id.into(),
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03]).unwrap(),
        coinbase_tx_input_sequence: u32::MAX,
        coinbase_tx_value_remaining: 312_500_000,
        future_template: true,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_outputs: B64K::default(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::default(),
    };
    let reward = sv2::mining::coinbase::payout(312_500_000, &[0x51]);
    let coinbase = Coinbase::new(&template, b"hand", &[reward], full_len).unwrap();
    NewExtendedMiningJob {
        channel_id: CHANNEL,
        job_id,
        min_ntime,
        version: template.version,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(vec![U256::from_limbs([job_id.into(), 2, 3, 4])]).unwrap(),
        coinbase_tx_prefix: coinbase.prefix().clone(),
        coinbase_tx_suffix: coinbase.suffix().clone(),
    }
}

fn is_proof(
    share: &SubmitSharesExtended,
    job: &NewExtendedMiningJob,
    block: u64,
    prefix: B32,
) -> bool {
    let txid = coinbase_txid(
        job.coinbase_tx_prefix.as_slice(),
        prefix.as_slice(),
        share.extranonce.as_slice(),
        job.coinbase_tx_suffix.as_slice(),
    );
    let header = Header {
        version: share.version,
        prev_hash: prev_hash(block),
        merkle_root: merkle_root(txid, job.merkle_path.as_slice()),
        ntime: share.ntime,
        nbits: NBITS,
        nonce: share.nonce,
    };
    share.job_id == job.job_id && Target::from_expected_hashes(32.0).is_met_by(&header.hash())
}

#[test]
fn shares_are_proofs_under_the_prefix_of_their_jobs_arrival_whatever_its_length() {
    for new_prefix in [&[9; 4][..], &[9; 2], &[9; 7]] {
        let (old, new) = (B32::new(&[1, 2, 3, 4]).unwrap(), B32::new(new_prefix).unwrap());
        let (old_len, new_len) = (4 + 16, new_prefix.len() + 16);
        let mut behind = Behind::new(old);
        let (first, queued) = (job(1, old_len, None), job(2, old_len, None));
        let fresh = job(3, new_len, Some(MIN_NTIME));
        behind.say(first.clone());
        behind.tip(1, 1);
        behind.say(queued.clone());
        behind.say(SetExtranoncePrefix { channel_id: CHANNEL, extranonce_prefix: new });

        let of_first = behind.shares();
        behind.tip(2, 2);
        let of_queued = behind.shares();
        behind.say(fresh.clone());
        let of_fresh = behind.shares();

        for (shares, job, block, prefix) in
            [(of_first, &first, 1, old), (of_queued, &queued, 2, old), (of_fresh, &fresh, 2, new)]
        {
            let name = format!("job {}, prefix {new_prefix:?}", job.job_id);
            assert!(shares.len() > 50, "{name}: {} shares", shares.len());
            assert!(shares.iter().all(|share| is_proof(share, job, block, prefix)), "{name}");
        }
        assert_eq!(behind.network.notes(), [] as [&sv2::event::Event; 0]);
    }
}
