//! Block headers and what goes into them: hashes, merkle roots, coinbase ids.
//!
//! Everything here runs once per share or once per hash, so nothing allocates.

use sha2::{Digest, Sha256, compress256};

use crate::wire::U256;

/// The 80 bytes that are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// With its rolled bits (BIP 323).
    pub version: u32,
    /// Hash of the block to build on.
    pub prev_hash: U256,
    /// Root of the transactions' ids.
    pub merkle_root: U256,
    /// Seconds since the Unix epoch.
    pub ntime: u32,
    /// Compact network target.
    pub nbits: u32,
    /// What is searched.
    pub nonce: u32,
}

impl Header {
    /// Length of a serialised header in bytes.
    pub const LEN: usize = 80;

    /// As hashed, and as in a block.
    pub fn to_bytes(&self) -> [u8; Header::LEN] {
        let mut bytes = [0; Header::LEN];
        bytes[..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..36].copy_from_slice(self.prev_hash.as_le_bytes());
        bytes[36..68].copy_from_slice(self.merkle_root.as_le_bytes());
        bytes[68..72].copy_from_slice(&self.ntime.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.nbits.to_le_bytes());
        bytes[76..].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// Reads what [`Header::to_bytes`] writes; every 80 bytes are a header.
    pub fn from_bytes(bytes: &[u8; Header::LEN]) -> Header {
        let word = |at| u32::from_le_bytes(part(bytes, at));
        Header {
            version: word(0),
            prev_hash: U256::from_le_bytes(part(bytes, 4)),
            merkle_root: U256::from_le_bytes(part(bytes, 36)),
            ntime: word(68),
            nbits: word(72),
            nonce: word(76),
        }
    }

    /// The proof of work: SHA-256 twice.
    pub fn hash(&self) -> U256 {
        HeaderMidstate::new(self).hash(self.ntime, self.nonce)
    }
}

/// A header whose first 64 bytes are compressed: everything but time and nonce is fixed.
/// Each hash from here costs two compressions instead of three.
#[derive(Clone, Debug)]
pub struct HeaderMidstate {
    state: [u32; 8],
    /// Of the merkle root, what did not fit in the 64 bytes.
    root_end: [u8; 4],
    nbits: u32,
}

impl HeaderMidstate {
    /// Fixes all of `header` but its time and nonce.
    pub fn new(header: &Header) -> Self {
        let bytes = header.to_bytes();
        let mut state = INITIAL_STATE;
        compress256(&mut state, &[part::<64>(&bytes, 0).into()]);
        HeaderMidstate { state, root_end: part(&bytes, 64), nbits: header.nbits }
    }

    /// The hash of the header with this time and nonce.
    #[inline]
    pub fn hash(&self, ntime: u32, nonce: u32) -> U256 {
        let mut block = [0; 64];
        block[..4].copy_from_slice(&self.root_end);
        block[4..8].copy_from_slice(&ntime.to_le_bytes());
        block[8..12].copy_from_slice(&self.nbits.to_le_bytes());
        block[12..16].copy_from_slice(&nonce.to_le_bytes());
        block[16] = 0x80;
        block[56..].copy_from_slice(&(8 * Header::LEN as u64).to_be_bytes());
        let mut state = self.state;
        compress256(&mut state, &[block.into()]);
        U256::from_le_bytes(hash_of_hash(&state))
    }
}

/// SHA-256 twice, as Bitcoin hashes everything.
pub fn double_sha256(bytes: &[u8]) -> U256 {
    finish(Sha256::new_with_prefix(bytes))
}

/// The root that `path` leads to from the coinbase: the branches from the deepest to the one
/// below the root, each a right-hand sibling (spec 5.3.16).
pub fn merkle_root(coinbase_txid: U256, path: &[U256]) -> U256 {
    path.iter().fold(coinbase_txid, |node, branch| {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(node.as_le_bytes());
        pair[32..].copy_from_slice(branch.as_le_bytes());
        let mut state = INITIAL_STATE;
        compress256(&mut state, &[pair.into(), PADDING_OF_64_BYTES.into()]);
        U256::from_le_bytes(hash_of_hash(&state))
    })
}

/// The id of the coinbase transaction that a job's parts make with an extranonce. The parts
/// are without the fields of BIP 141 (spec 5.3.16), so its double hash is the id.
pub fn coinbase_txid(
    prefix: &[u8],
    extranonce_prefix: &[u8],
    extranonce: &[u8],
    suffix: &[u8],
) -> U256 {
    CoinbaseMidstate::new(prefix, extranonce_prefix).txid(extranonce, suffix)
}

/// A coinbase transaction up to the rolled part of its extranonce, hashed once per job.
#[derive(Clone)]
pub struct CoinbaseMidstate(Sha256);

impl CoinbaseMidstate {
    /// Fixes the beginning.
    pub fn new(prefix: &[u8], extranonce_prefix: &[u8]) -> Self {
        CoinbaseMidstate(Sha256::new_with_prefix(prefix).chain_update(extranonce_prefix))
    }

    /// The id of the transaction with the rest.
    pub fn txid(&self, extranonce: &[u8], suffix: &[u8]) -> U256 {
        finish(self.0.clone().chain_update(extranonce).chain_update(suffix))
    }
}

impl std::fmt::Debug for CoinbaseMidstate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CoinbaseMidstate(..)")
    }
}

fn finish(hash: Sha256) -> U256 {
    U256::from_le_bytes(Sha256::digest(hash.finalize()).into())
}

/// SHA-256 of the 32 bytes that `state` stands for.
#[inline]
fn hash_of_hash(state: &[u32; 8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&state_bytes(state));
    block[32] = 0x80;
    block[56..].copy_from_slice(&256_u64.to_be_bytes());
    let mut state = INITIAL_STATE;
    compress256(&mut state, &[block.into()]);
    state_bytes(&state)
}

#[inline]
fn state_bytes(state: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// `N` bytes of a header; callers stay within its 80.
fn part<const N: usize>(bytes: &[u8; Header::LEN], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// FIPS 180-4, 5.3.3.
const INITIAL_STATE: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

const PADDING_OF_64_BYTES: [u8; 64] = {
    let mut block = [0; 64];
    (block[0], block[62]) = (0x80, 0x02);
    block
};

#[cfg(test)]
mod tests {
    use bitcoin::consensus::{deserialize, serialize};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Target;

    fn hex(digits: &str) -> U256 {
        U256::from_hex(digits).unwrap()
    }

    fn genesis() -> Header {
        Header {
            version: 1,
            prev_hash: U256::ZERO,
            merkle_root: hex("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"),
            ntime: 1_231_006_505,
            nbits: 0x1d00_ffff,
            nonce: 2_083_236_893,
        }
    }

    fn block_125552() -> Header {
        Header {
            version: 1,
            prev_hash: hex("00000000000008a3a41b85b8b29ad444def299fee21793cd8b9e567eab02cd81"),
            merkle_root: hex("2b12fcf1b09288fcaff797d71e950e71ae42b91e8bdb2304758dfcffc2b620e3"),
            ntime: 1_305_998_791,
            nbits: 0x1a44_b9f2,
            nonce: 2_504_433_986,
        }
    }

    #[test]
    fn real_headers_hash_to_their_blocks_and_meet_their_targets() {
        for (header, block) in [
            (genesis(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
            (block_125552(), "00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d"),
        ] {
            assert_eq!(header.hash(), hex(block));
            assert!(Target::from_compact(header.nbits).unwrap().is_met_by(&header.hash()));
        }
    }

    #[test]
    fn a_midstate_hashes_other_times_and_nonces_of_the_same_header() {
        let midstate = HeaderMidstate::new(&Header { ntime: 5, nonce: 6, ..genesis() });

        let hash = midstate.hash(genesis().ntime, genesis().nonce);

        assert_eq!(hash, genesis().hash());
    }

    #[test]
    fn a_real_merkle_tree_of_three_transactions_is_climbed() {
        // Block 100,000 has four transactions.
        let txids = [
            "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
            "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
            "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
            "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
        ]
        .map(hex);
        let right = merkle_root(txids[2], &[txids[3]]);

        let root = merkle_root(txids[0], &[txids[1], right]);

        assert_eq!(root, hex("f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766"));
    }

    proptest! {
        #[test]
        fn headers_hash_and_read_back_as_consensus_does(
            bytes in prop::array::uniform32(any::<u8>()),
            more in prop::array::uniform32(any::<u8>()),
            words: [u32; 4],
        ) {
            let [version, ntime, nbits, nonce] = words;
            let header = Header {
                version, ntime, nbits, nonce,
                prev_hash: U256::from_le_bytes(bytes),
                merkle_root: U256::from_le_bytes(more),
            };
            let oracle: bitcoin::block::Header = deserialize(&header.to_bytes()).unwrap();

            prop_assert_eq!(&serialize(&oracle)[..], &header.to_bytes()[..]);
            prop_assert_eq!(serialize(&oracle.block_hash()), header.hash().to_le_bytes());
            prop_assert_eq!(Header::from_bytes(&header.to_bytes()), header);
        }

        #[test]
        fn a_coinbase_hashes_the_same_however_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts: [prop::sample::Index; 3],
        ) {
            let mut cuts = cuts.map(|cut| cut.index(bytes.len() + 1));
            cuts.sort_unstable();
            let [first, second, third] = cuts;

            let txid = coinbase_txid(
                &bytes[..first], &bytes[first..second], &bytes[second..third], &bytes[third..],
            );

            prop_assert_eq!(txid, double_sha256(&bytes));
        }
    }
}
