//! The chain as a miner sees it.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode;
use bitcoin::transaction::Version;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Witness};
use bytes::Bytes;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::entropy::Entropy;
use crate::mining::header::Header;
use crate::time::{Instant, Now, UnixTime};
use crate::wire::U256;

const START: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };

fn chain(nbits: u32) -> Chain {
    Chain::new(ChainConfig::new(nbits, START.unix), Entropy::from_seed(7))
}

fn pay(value: u64) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) }
}

/// A coinbase transaction that takes everything.
fn coinbase(template: &BlockTemplate) -> Transaction {
    block::coinbase(template, b"test", vec![pay(template.coinbase_value)])
}

fn mined(template: &BlockTemplate, coinbase: &Transaction) -> Bytes {
    let mut header = block::header(template, coinbase);
    while !template.target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    assembled(&header, template, coinbase)
}

fn assembled(header: &Header, template: &BlockTemplate, coinbase: &Transaction) -> Bytes {
    block::assemble(header, &block::serialize(coinbase), &template.transactions)
}

fn generate(chain: &mut Chain, count: usize) {
    for _ in 0..count {
        chain.generate_transaction(TransactionShape::default()).expect("coins are left");
    }
}

fn word(rejection: BlockRejection) -> String {
    let text = rejection.to_string();
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_mined_block_becomes_the_tip() {
    let mut chain = chain(ChainConfig::EASY);
    generate(&mut chain, 10);
    let template = chain.template(START);
    let block = mined(&template, &coinbase(&template));

    let hash = chain.submit_block(START, &block);

    assert_eq!(hash, Ok(chain.tip()));
    assert_eq!((chain.height(), chain.mempool_len()), (102, 0));
    assert_eq!(chain.block(&chain.tip()), Some(&block));
    assert_eq!(chain.template(START).prev_hash, chain.tip());
}

#[test]
fn a_template_pays_subsidy_and_fees() {
    let mut chain = chain(ChainConfig::EASY);
    assert_eq!(chain.template(START).coinbase_value, 5_000_000_000);

    generate(&mut chain, 3);

    let template = chain.template(START);
    let fees: u64 = template.transactions.iter().map(|transaction| transaction.fee).sum();
    assert!(fees > 0);
    assert_eq!(template.coinbase_value, 5_000_000_000 + fees);
}

#[test]
fn a_template_starts_now_and_not_at_the_smallest_valid_time() {
    let mut chain = chain(ChainConfig::HARD);

    let template = chain.template(START.after(Duration::from_secs(60)));

    assert_eq!(template.current_time, 1_700_000_060);
    // The sixth of the last eleven blocks, which lie 600 s apart.
    assert_eq!(template.min_ntime, 1_700_000_000 - 5 * 600 + 1);
}

#[test]
fn many_blocks_in_a_second_push_the_smallest_time_ahead_of_the_clock() {
    let mut chain = chain(ChainConfig::HARD);

    for _ in 0..20 {
        chain.extend_tip_unproven(START);
    }

    let template = chain.template(START);
    assert!(u64::from(template.min_ntime) > START.unix.0, "{}", template.min_ntime);
    assert_eq!(template.current_time, template.min_ntime);
}

#[test]
fn a_faulty_block_is_refused_by_name_and_changes_nothing() {
    type Fault = fn(&BlockTemplate) -> Bytes;
    let with_header = |change: fn(&mut Header)| {
        move |template: &BlockTemplate| {
            let coinbase = coinbase(template);
            let mut header = block::header(template, &coinbase);
            change(&mut header);
            while !template.target.is_met_by(&header.hash()) {
                header.nonce += 1;
            }
            assembled(&header, template, &coinbase)
        }
    };
    let with_coinbase = |change: fn(&mut Transaction)| {
        move |template: &BlockTemplate| {
            let mut coinbase = coinbase(template);
            change(&mut coinbase);
            mined(template, &coinbase)
        }
    };
    let check = |fault: &dyn Fn(&BlockTemplate) -> Bytes, expected: &str| {
        let mut chain = chain(ChainConfig::EASY);
        generate(&mut chain, 3);
        let (template, tip) = (chain.template(START), chain.tip());

        let refused = chain.submit_block(START, &fault(&template)).map_err(word);

        assert_eq!(refused, Err(expected.to_owned()));
        assert_eq!((chain.tip(), chain.mempool_len()), (tip, 3));
    };

    let high_hash: Fault = |template| {
        let coinbase = coinbase(template);
        let mut header = block::header(template, &coinbase);
        while template.target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        assembled(&header, template, &coinbase)
    };
    check(&high_hash, "high-hash");
    let with_byte_behind: Fault =
        |template| [mined(template, &coinbase(template)).as_ref(), &[0]].concat().into();
    check(&with_byte_behind, "decode-failed");
    let cut_short: Fault = |template| mined(template, &coinbase(template)).slice(..200);
    check(&cut_short, "decode-failed");
    let empty: Fault = |template| {
        mined(
            &BlockTemplate { transactions: Arc::default(), ..template.clone() },
            &coinbase(template),
        )
    };
    check(&empty, "bad-witness-merkle-match");
    let without_coinbase: Fault = |template| {
        let transactions = &template.transactions;
        let first: Transaction = encode::deserialize(&transactions[0].raw).unwrap();
        let rest = transactions[1..].to_vec().into();
        mined(&BlockTemplate { transactions: rest, ..template.clone() }, &first)
    };
    check(&without_coinbase, "bad-cb-missing");

    check(&with_header(|header| header.prev_hash = U256::MAX), "prev-blk-not-found");
    check(&with_header(|header| header.nbits = 0x207f_fffe), "bad-diffbits");
    check(&with_header(|header| header.version = 3), "bad-version");
    check(&with_header(|header| header.version = 0xffff_ffff), "bad-version");
    check(&with_header(|header| header.merkle_root = U256::ZERO), "bad-txnmrklroot");
    check(&with_header(|header| header.ntime = 1_700_000_000 - 5 * 600), "time-too-old");
    check(&with_header(|header| header.ntime += 7201), "time-too-new");

    let value = |change: fn(u64) -> u64| {
        move |template: &BlockTemplate| {
            let outputs = vec![pay(change(template.coinbase_value))];
            mined(template, &block::coinbase(template, b"test", outputs))
        }
    };
    check(&value(|value| value + 1), "bad-cb-amount");
    check(&value(|_| u64::MAX), "bad-cb-amount");
    let script = |bytes: &[u8]| ScriptBuf::from_bytes(bytes.to_vec());
    check(
        &with_coinbase(|it| it.input[0].script_sig = ScriptBuf::from_bytes(vec![1])),
        "bad-cb-length",
    );
    check(
        &with_coinbase(|it| it.input[0].script_sig = ScriptBuf::from_bytes(vec![1; 101])),
        "bad-cb-length",
    );
    assert_eq!(block::height_push(102), script(&[1, 102]));
    check(
        &with_coinbase(|it| it.input[0].script_sig = ScriptBuf::from_bytes(vec![1, 103, 0])),
        "bad-cb-height",
    );
    check(&with_coinbase(|it| it.input[0].witness.clear()), "bad-witness-nonce-size");
    check(&with_coinbase(|it| drop(it.output.pop())), "unexpected-witness");
    check(
        &with_coinbase(|it| {
            it.output
                .push(TxOut { script_pubkey: ScriptBuf::from_bytes(vec![0xac; 20_001]), ..pay(0) })
        }),
        "bad-blk-sigops",
    );
    check(
        &with_coinbase(|it| {
            it.output
                .push(TxOut { script_pubkey: ScriptBuf::from_bytes(vec![0x6a; 999_800]), ..pay(0) })
        }),
        "bad-blk-weight",
    );
    let twice: Fault = |template| {
        let mut transactions = template.transactions.to_vec();
        transactions.push(transactions[0].clone());
        resealed(template, transactions)
    };
    check(&twice, "bad-txns-inputs-missingorspent");
    let two_coinbases: Fault = |template| {
        let mut transactions = template.transactions.to_vec();
        transactions[0].raw = block::serialize(&coinbase(template));
        resealed(template, transactions)
    };
    check(&two_coinbases, "bad-cb-multiple");
}

/// A block of other transactions, with commitment, merkle root and proof made anew.
fn resealed(template: &BlockTemplate, mut transactions: Vec<TemplateTransaction>) -> Bytes {
    for transaction in &mut transactions {
        let decoded: Transaction = encode::deserialize(&transaction.raw).unwrap();
        transaction.txid = block::from_txid(decoded.compute_txid());
        transaction.wtxid = {
            use bitcoin::hashes::Hash;
            U256::from_le_bytes(decoded.compute_wtxid().to_byte_array())
        };
    }
    let template = BlockTemplate {
        witness_commitment: WitnessCommitment::default(),
        transactions: Arc::new(transactions),
        ..template.clone()
    };
    mined(&template, &coinbase(&template))
}

#[test]
fn a_block_is_accepted_once() {
    let mut chain = chain(ChainConfig::EASY);
    let template = chain.template(START);
    let block = mined(&template, &coinbase(&template));
    chain.submit_block(START, &block).unwrap();

    assert_eq!(chain.submit_block(START, &block), Err(BlockRejection::Duplicate));
}

#[test]
fn a_block_on_an_older_block_is_stale() {
    let mut chain = chain(ChainConfig::EASY);
    let template = chain.template(START);
    let block = mined(&template, &coinbase(&template));
    let tip = chain.extend_tip_unproven(START);

    let refused = chain.submit_block(START, &block);

    assert_eq!(refused, Err(BlockRejection::Stale { prev_hash: template.prev_hash, tip }));
}

#[test]
fn a_block_can_be_judged_without_a_proof() {
    let mut chain = chain(ChainConfig::HARD);
    let template = chain.template(START);
    let coinbase = coinbase(&template);
    let header = block::header(&template, &coinbase);
    let block = assembled(&header, &template, &coinbase);

    assert_eq!(chain.validate_block(START, &block), Ok(header.hash()));
    let refused = chain.submit_block(START, &block);
    assert_eq!(refused, Err(BlockRejection::HighHash { hash: header.hash() }));
}

#[test]
fn an_unproven_block_moves_the_tip_of_a_hard_chain() {
    let mut chain = chain(ChainConfig::HARD);
    generate(&mut chain, 5);
    let revision = chain.revision();

    let hash = chain.extend_tip_unproven(START);

    let block: Block = encode::deserialize(chain.block(&hash).unwrap()).unwrap();
    assert_eq!(block.txdata.len(), 6);
    assert_eq!((chain.tip(), chain.height(), chain.mempool_len()), (hash, 102, 0));
    assert!(chain.revision() > revision);
}

#[test]
fn a_reorganisation_brings_transactions_back_and_abandons_blocks() {
    let mut chain = chain(ChainConfig::EASY);
    generate(&mut chain, 5);
    let before = chain.template(START);
    let abandoned = mined(&before, &coinbase(&before));
    chain.submit_block(START, &abandoned).unwrap();
    generate(&mut chain, 5);

    let tip = chain.reorganise(1, START).unwrap();

    assert_eq!((chain.height(), chain.tip()), (103, tip));
    assert_eq!(chain.mempool_len(), 10);
    assert_eq!(chain.template(START).transactions[..5], before.transactions[..]);
    assert_eq!(chain.submit_block(START, &abandoned), Err(BlockRejection::Duplicate));
    chain.extend_tip_unproven(START);
    assert_eq!(chain.mempool_len(), 0);
}

#[test]
fn a_reorganisation_below_the_kept_blocks_is_refused() {
    let mut chain = chain(ChainConfig::EASY);

    let refused = TooDeep { depth: 92, depth_max: 102 - 11 };
    assert_eq!(chain.reorganise(92, START), Err(refused));
    assert!(chain.reorganise(91, START).is_ok());
}

#[test]
fn old_blocks_are_forgotten_and_the_chain_goes_on() {
    let mut chain = chain(ChainConfig::HARD);
    let first = chain.tip();

    for _ in 0..300 {
        chain.extend_tip_unproven(START);
    }

    assert_eq!(chain.block(&first), None);
    assert_eq!(chain.height(), 401);
    assert!(chain.block(&chain.tip()).is_some());
}

#[test]
fn a_full_mempool_gives_a_template_that_fits_a_block() {
    let check = |shape: TransactionShape| {
        let mut chain = chain(ChainConfig::EASY);
        for _ in 0..60 {
            chain.generate_transaction(shape);
        }
        let template = chain.template(START);
        assert!(template.transactions.len() < chain.mempool_len(), "there is more than fits");

        let accepted = chain.submit_block(START, &mined(&template, &coinbase(&template)));

        assert_eq!(accepted, Ok(chain.tip()));
        assert!(chain.mempool_len() > 0);
    };

    check(TransactionShape { data_len: 50_000, sigops: 0 });
    check(TransactionShape { data_len: 0, sigops: 3_000 });
}

#[test]
fn the_same_seed_gives_the_same_chain() {
    let tip = |seed| {
        let config = ChainConfig::new(ChainConfig::EASY, START.unix);
        let mut chain = Chain::new(config, Entropy::from_seed(seed));
        generate(&mut chain, 20);
        chain.extend_tip_unproven(START)
    };

    assert_eq!(tip(1), tip(1));
    assert_ne!(tip(1), tip(2));
}

#[test]
fn a_chain_may_begin_at_a_high_block_or_at_none() {
    let check = |initial_height| {
        let config = ChainConfig {
            initial_height,
            halving_interval: 210_000,
            ..ChainConfig::new(ChainConfig::EASY, START.unix)
        };
        let mut chain = Chain::new(config, Entropy::from_seed(7));
        let template = chain.template(START);

        let accepted = chain.submit_block(START, &mined(&template, &coinbase(&template)));

        assert_eq!(accepted, Ok(chain.tip()));
        assert_eq!(chain.height(), initial_height + 1);
    };

    check(0);
    check(16);
    check(900_000);
}

#[test]
fn a_transaction_is_accepted_once_and_only_with_a_coin() {
    let mut chain = chain(ChainConfig::EASY);
    generate(&mut chain, 1);
    let raw = chain.template(START).transactions[0].raw.clone();
    let transaction: Transaction = encode::deserialize(&raw).unwrap();
    let changed = |change: fn(&mut Transaction)| {
        let mut transaction = transaction.clone();
        change(&mut transaction);
        block::serialize(&transaction)
    };
    let mut check = |raw: &[u8], expected: TransactionRejection| {
        assert_eq!(chain.add_transaction(raw), Err(expected));
    };

    check(&raw, TransactionRejection::Known);
    check(&changed(|it| it.version.0 = 1), TransactionRejection::Conflict);
    let unknown = changed(|it| it.input[0].previous_output.vout = 70_000);
    check(&unknown, TransactionRejection::MissingOrSpent);

    chain.extend_tip_unproven(START);
    assert_eq!(chain.add_transaction(&raw), Err(TransactionRejection::MissingOrSpent));
}

#[test]
fn a_coin_is_spent_only_as_its_script_visibly_allows() {
    let mut generator = chain(ChainConfig::EASY);
    generate(&mut generator, 1);
    let raw = generator.template(START).transactions[0].raw.clone();
    let transaction: Transaction = encode::deserialize(&raw).unwrap();
    let check = |change: fn(&mut Transaction), expected: TransactionRejection| {
        let mut transaction = transaction.clone();
        change(&mut transaction);
        let mut chain = chain(ChainConfig::EASY);
        let refused = chain.add_transaction(&block::serialize(&transaction));
        assert_eq!(refused, Err(expected));
    };

    check(|it| it.input[0].witness.clear(), TransactionRejection::Script);
    check(|it| it.input[0].witness.push([1]), TransactionRejection::Script);
    check(
        |it| it.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51]),
        TransactionRejection::Script,
    );
    check(|it| it.output[0] = pay(u64::MAX / 2), TransactionRejection::TooMuch);
    check(|it| it.output[0] = pay(100_000_000_000), TransactionRejection::InBelowOut);
    check(|it| it.output.clear(), TransactionRejection::NoOutput);
    check(
        |it| {
            it.lock_time = LockTime::from_consensus(102);
            it.input[0].sequence = bitcoin::Sequence::ENABLE_LOCKTIME_NO_RBF;
        },
        TransactionRejection::NotFinal,
    );
    check(
        |it| it.input[0].sequence = bitcoin::Sequence::from_height(1),
        TransactionRejection::RelativeLock,
    );
}

/// A transaction that moves one free coin to another, whole.
fn moving(outpoint: OutPoint, value: u64) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: outpoint,
            witness: Witness::from_slice(&[FREE_WITNESS_SCRIPT]),
            ..TxIn::default()
        }],
        output: vec![TxOut { script_pubkey: free_script(), ..pay(value) }],
    }
}

#[test]
fn the_coin_of_a_coinbase_waits_for_a_hundred_blocks() {
    let mut chain = chain(ChainConfig::EASY);
    let found = chain.extend_tip_unproven(START);
    let block: Block = encode::deserialize(chain.block(&found).unwrap()).unwrap();
    let spend = moving(OutPoint { txid: block.txdata[0].compute_txid(), vout: 0 }, 1_000);
    let spend = block::serialize(&spend);

    for _ in 0..99 {
        let refused = chain.add_transaction(&spend);
        assert_eq!(refused, Err(TransactionRejection::PrematureSpend), "{}", chain.height());
        chain.extend_tip_unproven(START);
    }

    assert!(chain.add_transaction(&spend).is_ok());
}

#[test]
fn a_transaction_may_have_twenty_four_unconfirmed_ancestors() {
    let mut chain = chain(ChainConfig::EASY);
    generate(&mut chain, 1);
    let first: Transaction =
        encode::deserialize(&chain.template(START).transactions[0].raw).unwrap();
    let value = first.output[0].value.to_sat();
    let mut outpoint = OutPoint { txid: first.compute_txid(), vout: 0 };
    for _ in 0..24 {
        let next = moving(outpoint, value);
        outpoint.txid = next.compute_txid();
        chain.add_transaction(&block::serialize(&next)).unwrap();
    }

    let refused = chain.add_transaction(&block::serialize(&moving(outpoint, value)));

    assert_eq!(refused, Err(TransactionRejection::TooManyAncestors(25)));
    assert_eq!(chain.template(START).transactions[24].depends, [23]);
}

#[test]
fn settings_that_no_chain_can_have_are_named() {
    let config = |nbits| ChainConfig::new(nbits, START.unix);

    assert_eq!(config(ChainConfig::EASY).check(), Ok(()));
    assert_eq!(config(ChainConfig::HARD).check(), Ok(()));
    assert_eq!(config(0).check(), Err(ChainConfigError::Bits(0)));
    assert_eq!(config(0x2080_0000).check(), Err(ChainConfigError::Bits(0x2080_0000)));
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(12))]

    #[test]
    fn a_block_with_flipped_bytes_is_accepted_or_changes_nothing(
        flips in proptest::collection::vec((0..2_000_usize, 1..=255_u8), 1..4),
    ) {
        let mut chain = chain(ChainConfig::EASY);
        generate(&mut chain, 3);
        let template = chain.template(START);
        let mut block = mined(&template, &coinbase(&template)).to_vec();
        for (position, flip) in flips {
            let position = position % block.len();
            block[position] ^= flip;
        }
        let (tip, revision) = (chain.tip(), chain.revision());

        match chain.submit_block(START, &block) {
            Ok(hash) => prop_assert_eq!(hash, chain.tip()),
            Err(_) => prop_assert_eq!((tip, revision), (chain.tip(), chain.revision())),
        }
    }

    #[test]
    fn every_template_makes_a_valid_block(
        seed in proptest::prelude::any::<u64>(),
        steps in proptest::collection::vec((0..20_usize, 0..80_000_usize, 0..4_u8), 1..8),
    ) {
        let config = ChainConfig::new(ChainConfig::EASY, START.unix);
        let mut chain = Chain::new(config, Entropy::from_seed(seed));
        for (count, data_len, next) in steps {
            let shape = TransactionShape { data_len, sigops: data_len / 8 };
            for _ in 0..count {
                chain.generate_transaction(shape);
            }
            let template = chain.template(START);
            let weight: u64 = template.transactions.iter().map(|it| u64::from(it.weight)).sum();
            prop_assert!(weight + RESERVED_WEIGHT_MIN <= BLOCK_WEIGHT_MAX);
            let block = mined(&template, &coinbase(&template));
            prop_assert!(chain.validate_block(START, &block).is_ok());
            match next {
                0 => prop_assert_eq!(chain.extend_tip_unproven(START), chain.tip()),
                1 => prop_assert!(chain.reorganise(2, START).is_ok()),
                _ => prop_assert_eq!(chain.submit_block(START, &block), Ok(chain.tip())),
            }
        }
    }
}

#[test]
fn a_trimmed_template_loses_packages_with_their_fees_and_stays_valid() {
    let mut chain = chain(ChainConfig::EASY);
    for _ in 0..12 {
        chain.generate_transaction(TransactionShape { data_len: 50_000, sigops: 0 });
    }
    let whole = chain.template(START);

    let trimmed = whole.trimmed(3_000_000, 0).unwrap();

    assert!(!trimmed.transactions.is_empty());
    assert!(trimmed.transactions.len() < whole.transactions.len());
    let weight: u64 = trimmed.transactions.iter().map(|it| u64::from(it.weight)).sum();
    assert!(weight <= 1_000_000);
    assert_eq!(whole.coinbase_value - trimmed.coinbase_value, whole.fees() - trimmed.fees());
    let block = mined(&trimmed, &coinbase(&trimmed));
    assert_eq!(chain.submit_block(START, &block), Ok(chain.tip()));
}

#[test]
fn a_template_that_fits_is_not_copied() {
    let mut chain = chain(ChainConfig::EASY);
    generate(&mut chain, 3);
    let template = chain.template(START);

    let trimmed = template.trimmed(RESERVED_WEIGHT_MIN, COINBASE_SCRIPT_SIGOPS).unwrap();

    assert!(Arc::ptr_eq(&template, &trimmed));
}

#[test]
fn a_coinbase_larger_than_a_block_has_no_template() {
    let template = chain(ChainConfig::EASY).template(START);

    assert_eq!(template.trimmed(BLOCK_WEIGHT_MAX + 1, 0), None);
    assert_eq!(template.trimmed(0, BLOCK_SIGOPS_MAX + 1), None);
}
