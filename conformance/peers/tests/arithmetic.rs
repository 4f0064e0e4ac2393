//! Targets and hashes, held against the reference implementation's and the bitcoin crate's.

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{CompactTarget, Target, Transaction, block::Header};
use channels_sv2::merkle_root::merkle_root_from_path;
use channels_sv2::target::hash_rate_to_target;
use peers::vectors;
use serde_json::Value as Json;

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

/// 64 digits, most significant first.
fn number(json: &Json) -> [u8; 32] {
    vectors::array(json)
}

/// The same as on the wire and in a hash.
fn wire(json: &Json) -> [u8; 32] {
    let mut bytes = number(json);
    bytes.reverse();
    bytes
}

fn target(json: &Json) -> Target {
    Target::from_be_bytes(number(json))
}

fn compact(json: &Json) -> CompactTarget {
    CompactTarget::from_consensus(u32::from_str_radix(text(json), 16).unwrap())
}

#[test]
fn compact_bits_are_those_of_consensus() {
    for test in vectors::tests("targets.json", "compact to target") {
        // It reads what is negative, zero or too large as some number: refusing is ours.
        if test["result"] == "valid" {
            let theirs = Target::from_compact(compact(&test["input"]["nbits"]));
            assert_eq!(theirs, target(&test["expected"]["target"]), "{}", test["id"]);
        }
    }
    for test in vectors::tests("targets.json", "target to compact") {
        let theirs = target(&test["input"]["target"]).to_compact_lossy();
        assert_eq!(theirs, compact(&test["expected"]["nbits"]), "{}", test["id"]);
    }
}

#[test]
fn difficulties_are_those_of_the_bitcoin_crate() {
    for test in vectors::tests("targets.json", "target to difficulty") {
        let theirs = target(&test["input"]["target"]).difficulty_float();
        let ours: f64 = text(&test["expected"]["difficulty"]).parse().unwrap();
        assert!((theirs / ours - 1.0).abs() < 1e-12, "{}: {theirs}", test["id"]);
    }
}

/// They compute (2^256 - n) / (n + 1) for n hashes a share, we 2^256 / n - 1: the same but for
/// a factor of n / (n + 1), which matters to nobody who hashes. (With one hash a share, theirs
/// asks for two.)
#[test]
fn a_hash_rate_gives_the_same_target_but_for_one_hash() {
    for test in vectors::tests("targets.json", "hash rate to target") {
        let input = &test["input"];
        let parse = |name: &str| text(&input[name]).parse::<f64>().unwrap();
        let (hash_rate, per_minute) = (parse("hash_rate"), parse("shares_per_minute"));

        let theirs = hash_rate_to_target(hash_rate, per_minute);

        if test["flags"][0] == "no-number" {
            // We give the easiest or the hardest target where they refuse, but for no hash rate.
            assert!(theirs.is_err() || hash_rate == 0.0, "{}", test["id"]);
            continue;
        }
        let hashes = hash_rate * 60.0 / per_minute;
        let (theirs, ours) = (theirs.unwrap(), target(&test["expected"]["target"]));
        let ratio = theirs.difficulty_float() / ours.difficulty_float() * hashes / (hashes + 1.0);
        assert!((ratio - 1.0).abs() < 1e-9, "{}: {ratio}", test["id"]);
    }
}

#[test]
fn headers_hash_as_in_the_bitcoin_crate() {
    for operation in ["hash header", "extended share"] {
        for test in vectors::tests("proofs.json", operation) {
            let header: Header = deserialize(&vectors::bytes(&test["expected"]["header"])).unwrap();
            let hash = header.block_hash();

            assert_eq!(hash.to_byte_array(), wire(&test["expected"]["hash"]), "{}", test["id"]);
            assert_eq!(header.prev_blockhash.to_byte_array(), wire(&test["input"]["prev_hash"]));
            if operation == "extended share" {
                let is_met = target(&test["input"]["target"]).is_met_by(hash);
                assert_eq!(is_met, test["expected"]["meets_target"], "{}", test["id"]);
            }
        }
    }
}

#[test]
fn a_coinbase_of_parts_is_a_transaction_with_that_id() {
    for test in vectors::tests("proofs.json", "coinbase") {
        let bytes = vectors::bytes(&test["expected"]["coinbase_tx"]);
        let transaction: Transaction = deserialize(&bytes).unwrap();

        assert!(transaction.is_coinbase());
        assert_eq!(serialize(&transaction), bytes);
        let id = transaction.compute_txid().to_byte_array();
        assert_eq!(id, wire(&test["expected"]["coinbase_txid"]), "{}", test["id"]);
    }
}

#[test]
fn merkle_roots_are_theirs() {
    for test in vectors::tests("proofs.json", "extended share") {
        let input = &test["input"];
        let part = |name: &str| vectors::bytes(&input[name]);
        let extranonce = [part("extranonce_prefix"), part("extranonce")].concat();
        let path: Vec<[u8; 32]> =
            input["merkle_path"].as_array().unwrap().iter().map(wire).collect();

        let root = merkle_root_from_path(
            &part("coinbase_tx_prefix"),
            &part("coinbase_tx_suffix"),
            &extranonce,
            &path,
        );

        assert_eq!(root, Some(wire(&test["expected"]["merkle_root"])), "{}", test["id"]);
    }
}
