//! Shares: answers, batches, blocks.

use bitcoin::Transaction;
use bitcoin::consensus::deserialize;

use super::*;
use crate::mining::header::{Header, double_sha256, merkle_root};
use crate::mining::{SubmitSharesExtended, SubmitSharesSuccess};
use crate::wire::B32;

fn extended_share(channel_id: u32, job_id: u32, nonce: u32) -> SubmitSharesExtended {
    let share = share(channel_id, job_id, nonce);
    SubmitSharesExtended {
        channel_id,
        sequence_number: share.sequence_number,
        job_id,
        nonce,
        ntime: share.ntime,
        version: share.version,
        extranonce: B32::new(&[5; 16]).unwrap(),
    }
}

fn success(channel_id: u32, last: u32, count: u32) -> Message {
    // At the easiest target a share weighs 2^-48 or so.
    SubmitSharesSuccess {
        channel_id,
        last_sequence_number: last,
        new_submits_accepted_count: count,
        new_shares_sum: 0,
    }
    .into()
}

#[test]
fn a_share_is_acknowledged_at_once_and_a_bad_one_refused_with_its_numbers() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    let good = bench.answers(MINER, share(channel_id, 1, 7));
    let again = bench.answers(MINER, share(channel_id, 1, 7));

    assert_eq!(good, [success(channel_id, 7, 1)]);
    let Message::SubmitSharesError(error) = &again[0] else { panic!("{again:?}") };
    assert_eq!((error.channel_id, error.sequence_number), (channel_id, 7));
    assert_eq!(code(&again), "duplicate-share");
}

#[test]
fn a_share_of_the_other_kind_of_channel_is_refused() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let standard = bench.open_standard(MINER).channel_id;
    let extended = bench.open_extended(MINER).channel_id;

    let wide = bench.answers(MINER, extended_share(standard, 1, 1));
    let narrow = bench.answers(MINER, share(extended, 2, 1));

    assert_eq!(code(&wide), "invalid-channel-id");
    assert_eq!(code(&narrow), "invalid-channel-id");
    assert_eq!(bench.answers(MINER, extended_share(extended, 2, 1)), [success(extended, 1, 1)]);
}

#[test]
fn channel_ids_mean_nothing_on_other_connections() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.join(OTHER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    assert_eq!(code(&bench.answers(OTHER, share(channel_id, 1, 1))), "invalid-channel-id");
}

#[test]
fn a_batch_ends_when_it_is_full_and_errors_do_not_wait_for_it() {
    let mut bench = Bench::ready(MiningServerConfig { share_batch_size: 3, ..easy() });
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    assert_eq!(bench.answers(MINER, share(channel_id, 1, 1)), []);
    assert_eq!(code(&bench.answers(MINER, share(channel_id, 1, 1))), "duplicate-share");
    assert_eq!(bench.answers(MINER, share(channel_id, 1, 2)), []);
    let third = bench.answers(MINER, share(channel_id, 1, 3));

    assert_eq!(third, [success(channel_id, 3, 3)]);
}

#[test]
fn a_lone_share_of_a_batch_is_acknowledged_in_the_end() {
    let mut bench = Bench::ready(MiningServerConfig { share_batch_size: 3, ..easy() });
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    bench.receive(MINER, share(channel_id, 1, 1));

    let later = bench.pass(bench.pool.server.config().share_batch_timeout);

    assert_eq!(messages_to(MINER, &later), [success(channel_id, 1, 1)]);
}

#[test]
fn a_block_reaches_the_provider_whole_and_its_share_is_acknowledged_at_once() {
    for path in [vec![], vec![U256::from_limbs([3, 0, 0, 0]), U256::from_limbs([4, 0, 0, 0])]] {
        let mut bench = Bench::new(MiningServerConfig { share_batch_size: 10, ..easy() });
        bench.provide();
        let merkle_path = crate::wire::Seq255::new(path.clone()).unwrap();
        bench.receive(PROVIDER, NewTemplate { merkle_path, ..numbered_template(1, true) });
        let easy_tip =
            TemplateSetNewPrevHash { nbits: 0x2100_ffff, target: Target::MAX, ..tip_message(1, 1) };
        bench.receive(PROVIDER, easy_tip.clone());
        bench.join(MINER, 0);
        let opened = bench.open_extended(MINER);
        let channel_id = opened.channel_id;
        let version = 0x2000_0000 ^ 1 << 20;

        let outputs = (0..50)
            .map(|nonce| {
                let share = extended_share(channel_id, 1, nonce);
                bench.receive(MINER, SubmitSharesExtended { version, ..share })
            })
            .find(|outputs| !messages_to(PROVIDER, outputs).is_empty())
            .expect("nearly every hash is a block");

        let to_provider = messages_to(PROVIDER, &outputs);
        let [Message::SubmitSolution(solution)] = &to_provider[..] else { panic!() };
        assert_eq!((solution.template_id, solution.version), (1, version));
        let coinbase: Transaction = deserialize(solution.coinbase_tx.as_slice()).unwrap();
        assert_eq!(coinbase.input[0].witness.to_vec(), [vec![0; 32]]);
        let script = coinbase.input[0].script_sig.as_bytes();
        let extranonce = [opened.extranonce_prefix.as_slice(), &[5; 16]].concat();
        assert!(script.ends_with(&extranonce));
        let stripped = Transaction {
            input: vec![bitcoin::TxIn {
                witness: bitcoin::Witness::new(),
                ..coinbase.input[0].clone()
            }],
            ..coinbase.clone()
        };
        let header = Header {
            version,
            prev_hash: easy_tip.prev_hash,
            merkle_root: merkle_root(
                double_sha256(&bitcoin::consensus::serialize(&stripped)),
                &path,
            ),
            ntime: solution.header_timestamp,
            nbits: easy_tip.nbits,
            nonce: solution.header_nonce,
        };
        let found = Output::Event(Event::BlockFound { hash: header.hash() });
        assert!(outputs.contains(&found), "{outputs:?}");
        assert!(matches!(&messages_to(MINER, &outputs)[..], [Message::SubmitSharesSuccess(_)]));
    }
}

#[test]
fn a_target_below_the_bits_decides_what_a_block_is() {
    let mut bench = Bench::new(easy());
    bench.provide();
    bench.template(1, true);
    bench.receive(
        PROVIDER,
        TemplateSetNewPrevHash { nbits: 0x2100_ffff, target: Target::HARDEST, ..tip_message(1, 1) },
    );
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    for nonce in 0..20 {
        let outputs = bench.receive(MINER, share(channel_id, 1, nonce));
        assert_eq!(messages_to(PROVIDER, &outputs), []);
    }
}

#[test]
fn a_full_memory_of_shares_closes_nothing() {
    let mut bench = Bench::ready(MiningServerConfig { shares_per_tip_max: 2, ..easy() });
    bench.join(MINER, 0);
    let first = bench.open_standard(MINER).channel_id;
    let second = bench.open_standard(MINER).channel_id;
    for nonce in 0..2 {
        bench.receive(MINER, share(first, 1, nonce));
    }

    assert_eq!(code(&bench.answers(MINER, share(first, 1, 2))), "too-many-shares");
    assert_eq!(bench.answers(MINER, share(second, 2, 1)), [success(second, 1, 1)]);
}
