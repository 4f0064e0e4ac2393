//! Merkle trees of transactions, seen from the coinbase transaction.

use crate::mining::header::{double_sha256, merkle_root};
use crate::wire::U256;

/// What stands beside the way from the coinbase transaction to the root, deepest first (spec
/// 7.2), for the ids of all other transactions in block order.
pub fn path(txids: impl IntoIterator<Item = U256>) -> Vec<U256> {
    // Slot 0 is the coinbase's and never read.
    let mut level: Vec<U256> = std::iter::once(U256::ZERO).chain(txids).collect();
    let mut path = Vec::new();
    while level.len() > 1 {
        path.push(level[1]);
        if level.len() % 2 == 1 {
            level.extend(level.last().copied());
        }
        level = level.chunks_exact(2).map(|pair| parent(pair[0], pair[1])).collect();
    }
    path
}

/// The root above a first leaf and all others.
pub fn root(first: U256, others: impl IntoIterator<Item = U256>) -> U256 {
    merkle_root(first, &path(others))
}

fn parent(left: U256, right: U256) -> U256 {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left.as_le_bytes());
    pair[32..].copy_from_slice(right.as_le_bytes());
    double_sha256(&pair)
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::{Hash, sha256d};
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn the_path_of_any_block_leads_to_the_root_that_bitcoin_computes(
            leaves in prop::collection::vec(any::<[u8; 32]>(), 1..70)
        ) {
            let leaf = |bytes: &[u8; 32]| U256::from_le_bytes(*bytes);
            let expected = bitcoin::merkle_tree::calculate_root(
                leaves.iter().map(|bytes| sha256d::Hash::from_byte_array(*bytes)),
            );

            let root = root(leaf(&leaves[0]), leaves[1..].iter().map(leaf));

            prop_assert_eq!(Some(root.to_le_bytes()), expected.map(|hash| hash.to_byte_array()));
        }
    }

    #[test]
    fn a_coinbase_transaction_alone_is_its_own_root() {
        assert_eq!(path([]), []);
    }
}
