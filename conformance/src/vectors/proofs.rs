//! Vectors of what is hashed: headers, merkle roots, coinbase transactions, whole shares
//! (spec 5.3.11, 5.3.12, 5.3.15, 5.3.16).

use serde_json::{Value as Json, json};
use sv2::mining::header::{Header, coinbase_txid, double_sha256, merkle_root};
use sv2::wire::{Target, U256};

use super::{File, Group, Outcome, Test, hex, new_file, new_group, unhex};

/// The fields of a header to its bytes and hash.
pub(super) const HEADER: &str = "hash header";
/// The id of a coinbase transaction and a path to the root.
pub(super) const MERKLE: &str = "merkle root";
/// The parts of a coinbase transaction to its bytes and id.
pub(super) const COINBASE: &str = "coinbase";
/// An extended job and a share to a header, its hash, and whether it counts.
pub(super) const SHARE: &str = "extended share";

pub(super) fn generate() -> File {
    new_file(
        "what is hashed: headers, merkle roots, coinbase transactions, whole shares",
        &[("real-block", "of a public chain")],
        vec![headers(), merkle_roots(), coinbases(), shares()],
    )
}

fn headers() -> Group {
    let genesis = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    let rows = [
        (
            "genesis",
            "the first block",
            1,
            zero,
            genesis,
            1_231_006_505,
            0x1d00_ffff,
            2_083_236_893_u32,
            Some("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
        ),
        (
            "regtest-genesis",
            "the first block of every regtest chain",
            1,
            zero,
            genesis,
            1_296_688_602,
            0x207f_ffff,
            2,
            Some("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
        ),
        (
            "block-125552",
            "an old block",
            1,
            "00000000000008a3a41b85b8b29ad444def299fee21793cd8b9e567eab02cd81",
            "2b12fcf1b09288fcaff797d71e950e71ae42b91e8bdb2304758dfcffc2b620e3",
            1_305_998_791,
            0x1a44_b9f2,
            0x9546_a142,
            Some("00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d"),
        ),
        (
            "rolled-version",
            "all bits rolled that BIP 323 leaves to miners",
            0x3fff_ffe0,
            zero,
            genesis,
            1_700_000_000,
            0x207f_ffff,
            0xffff_ffff,
            None,
        ),
    ];
    let tests =
        rows.map(|(id, comment, version, prev_hash, merkle_root, ntime, nbits, nonce, hash)| {
            let input = json!({
                "version": version, "prev_hash": prev_hash, "merkle_root": merkle_root,
                "ntime": ntime, "nbits": nbits, "nonce": nonce,
            });
            let expected = hash_header(&input).expect("a whole header");
            if let Some(hash) = hash {
                assert_eq!(expected["hash"], hash, "of a public chain");
            }
            let flags: &[&str] = if hash.is_some() { &["real-block"] } else { &[] };
            Test::new(format!("header/{id}"), comment, input, expected, Outcome::Valid, flags)
        });
    new_group(HEADER, json!({}), tests.into())
}

fn hash_header(input: &Json) -> Result<Json, String> {
    let header = Header {
        version: integer(input, "version")?,
        prev_hash: number(input, "prev_hash")?,
        merkle_root: number(input, "merkle_root")?,
        ntime: integer(input, "ntime")?,
        nbits: integer(input, "nbits")?,
        nonce: integer(input, "nonce")?,
    };
    Ok(json!({ "header": hex(header.to_bytes()), "hash": header.hash().to_string() }))
}

fn merkle_roots() -> Group {
    let node = |index: u64| double_sha256(&index.to_le_bytes());
    let tests = [
        ("empty", 0, "no other transaction: the root is the coinbase"),
        ("one", 1, "one other transaction"),
        ("twelve", 12, "some thousand transactions"),
        ("longest", 32, "more than a block can hold"),
    ]
    .map(|(id, depth, comment)| {
        let path: Vec<String> = (1..=depth).map(|index| node(index).to_string()).collect();
        let input = json!({ "coinbase_txid": node(0).to_string(), "merkle_path": path });
        let expected = climb(&input).expect("a coinbase and a path");
        Test::new(format!("merkle/{id}"), comment, input, expected, Outcome::Valid, &[])
    });
    new_group(MERKLE, json!({}), tests.into())
}

fn climb(input: &Json) -> Result<Json, String> {
    let root = merkle_root(number(input, "coinbase_txid")?, &path(input)?);
    Ok(json!({ "merkle_root": root.to_string() }))
}

/// Version, one input, its script up to the extranonce: height 200, then a push of `extranonce_len`.
fn coinbase_prefix(extranonce_len: usize) -> String {
    let script_len = 3 + 1 + extranonce_len;
    format!("0200000001{}ffffffff{script_len:02x}02c800{extranonce_len:02x}", "00".repeat(32))
}

/// Sequence, one output of 50 coins to anyone (OP_TRUE), locktime.
const COINBASE_SUFFIX: &str = "ffffffff0100f2052a01000000015100000000";

fn coinbases() -> Group {
    let tests = [
        (
            "standard",
            "0102030405060708",
            "",
            "a standard channel: the prefix is the whole extranonce",
        ),
        ("extended", "01020304", "0a0b0c0d0e0f", "an extended channel: the miner rolls six bytes"),
        ("no-prefix", "", "00112233", "nothing is reserved for upstream"),
        (
            "longest",
            "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
            "",
            "32 bytes, the most there can be",
        ),
    ]
    .map(|(id, extranonce_prefix, extranonce, comment)| {
        let input = json!({
            "coinbase_tx_prefix": coinbase_prefix((extranonce_prefix.len() + extranonce.len()) / 2),
            "extranonce_prefix": extranonce_prefix,
            "extranonce": extranonce,
            "coinbase_tx_suffix": COINBASE_SUFFIX,
        });
        let expected = assemble(&input).expect("four parts");
        Test::new(format!("coinbase/{id}"), comment, input, expected, Outcome::Valid, &[])
    });
    new_group(COINBASE, json!({}), tests.into())
}

fn assemble(input: &Json) -> Result<Json, String> {
    let [prefix, upstream, rolled, suffix] = parts(input)?;
    let id = coinbase_txid(&prefix, &upstream, &rolled, &suffix);
    let whole = [prefix, upstream, rolled, suffix].concat();
    Ok(json!({ "coinbase_tx": hex(whole), "coinbase_txid": id.to_string() }))
}

fn shares() -> Group {
    let path = |depth: u64| -> Vec<String> {
        (1..=depth).map(|index| double_sha256(&index.to_le_bytes()).to_string()).collect()
    };
    let tests = [
        ("found", 0, 3, 0x2000_0000, true, "a share that counts"),
        ("deep", 1, 12, 0x2000_0000, true, "a share under a path of twelve"),
        ("rolled", 2, 3, 0x3fff_ffe0, true, "a share with a rolled version"),
        ("missed", 3, 3, 0x2000_0000, false, "a hash above the target"),
    ]
    .map(|(id, index, depth, version, is_wanted, comment)| {
        let mut input = json!({
            "coinbase_tx_prefix": coinbase_prefix(8),
            "extranonce_prefix": "01020304",
            "extranonce": format!("{index:08x}"),
            "coinbase_tx_suffix": COINBASE_SUFFIX,
            "merkle_path": path(depth),
            "prev_hash": double_sha256(b"previous block").to_string(),
            "nbits": 0x1d00_ffff,
            "target": "00".to_owned() + &"ff".repeat(31),
            "version": version,
            "ntime": 1_700_000_000,
            "nonce": 0,
        });
        let expected = (0_u32..)
            .find_map(|nonce| {
                input["nonce"] = json!(nonce);
                let share = judge_share(&input).expect("a whole share");
                (share["meets_target"] == is_wanted).then_some(share)
            })
            .expect("one hash in 256 counts");
        Test::new(format!("share/{id}"), comment, input, expected, Outcome::Valid, &[])
    });
    new_group(SHARE, json!({}), tests.into())
}

fn judge_share(input: &Json) -> Result<Json, String> {
    let [prefix, upstream, rolled, suffix] = parts(input)?;
    let root = merkle_root(coinbase_txid(&prefix, &upstream, &rolled, &suffix), &path(input)?);
    let header = Header {
        version: integer(input, "version")?,
        prev_hash: number(input, "prev_hash")?,
        merkle_root: root,
        ntime: integer(input, "ntime")?,
        nbits: integer(input, "nbits")?,
        nonce: integer(input, "nonce")?,
    };
    let hash = header.hash();
    Ok(json!({
        "merkle_root": root.to_string(),
        "header": hex(header.to_bytes()),
        "hash": hash.to_string(),
        "meets_target": Target(number(input, "target")?).is_met_by(&hash),
    }))
}

fn parts(input: &Json) -> Result<[Vec<u8>; 4], String> {
    let bytes = |name: &str| {
        let digits = input[name].as_str().ok_or_else(|| format!("input.{name} is no text"))?;
        unhex(digits).ok_or_else(|| format!("input.{name} is not hexadecimal"))
    };
    Ok([
        bytes("coinbase_tx_prefix")?,
        bytes("extranonce_prefix")?,
        bytes("extranonce")?,
        bytes("coinbase_tx_suffix")?,
    ])
}

fn path(input: &Json) -> Result<Vec<U256>, String> {
    let branches = input["merkle_path"].as_array().ok_or("input.merkle_path is no list")?;
    branches
        .iter()
        .map(|branch| branch.as_str().and_then(U256::from_hex))
        .collect::<Option<_>>()
        .ok_or_else(|| "input.merkle_path holds something else than hashes".to_owned())
}

fn number(input: &Json, name: &str) -> Result<U256, String> {
    input[name]
        .as_str()
        .and_then(U256::from_hex)
        .ok_or_else(|| format!("input.{name} is not 64 hexadecimal digits"))
}

fn integer(input: &Json, name: &str) -> Result<u32, String> {
    input[name]
        .as_u64()
        .and_then(|value| u32::try_from(value).ok())
        .ok_or_else(|| format!("input.{name} is not a U32"))
}

pub(super) fn verify(operation: &str, test: &Test) -> Result<(), String> {
    let seen = match operation {
        HEADER => hash_header(&test.input)?,
        MERKLE => climb(&test.input)?,
        COINBASE => assemble(&test.input)?,
        SHARE => judge_share(&test.input)?,
        other => return Err(format!("no operation is called `{other}`")),
    };
    test.judge(Ok(seen))
}
