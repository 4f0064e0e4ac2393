//! Blocks from their parts: coinbase transaction, header, transactions.

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{self, Encodable};
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, VarInt, Witness, script,
};
use bytes::Bytes;

use super::{BlockTemplate, TemplateTransaction, merkle};
use crate::mining::header::{Header, double_sha256};
use crate::wire::U256;

/// The block after a header: coinbase transaction as given, then the template's transactions.
///
/// `coinbase` is serialised with the fields of BIP 141 wherever the template has a witness
/// commitment; nothing is checked.
pub fn assemble(header: &Header, coinbase: &[u8], transactions: &[TemplateTransaction]) -> Bytes {
    let transactions: Vec<Bytes> =
        transactions.iter().map(|transaction| transaction.raw.clone()).collect();
    assemble_raw(header, coinbase, &transactions)
}

/// The same with transactions that are nothing but their bytes.
pub fn assemble_raw(header: &Header, coinbase: &[u8], transactions: &[Bytes]) -> Bytes {
    let count = VarInt::from(1 + transactions.len());
    let transactions_len: usize = transactions.iter().map(Bytes::len).sum();
    let len = Header::LEN + count.size() + coinbase.len() + transactions_len;
    let mut block = Vec::with_capacity(len);
    block.extend_from_slice(&header.to_bytes());
    count.consensus_encode(&mut block).expect("writing to a vector cannot fail");
    block.extend_from_slice(coinbase);
    transactions.iter().for_each(|raw| block.extend_from_slice(raw));
    debug_assert_eq!(block.len(), len);
    Bytes::from(block)
}

/// The push of the height with which a coinbase input's script begins (BIP 34); one byte for
/// heights up to 16, which alone is too short for a valid script.
pub fn height_push(height: u32) -> ScriptBuf {
    script::Builder::new().push_int(i64::from(height)).into_script()
}

/// The script of the output that commits to the witnesses, with a reserved value of 32 zero
/// bytes (BIP 141, spec 3.7.4), for the witness ids of all transactions after the coinbase.
pub fn witness_commitment_script(wtxids: impl IntoIterator<Item = U256>) -> Bytes {
    let witness_root = merkle::root(U256::ZERO, wtxids);
    let mut committed = [0; 64];
    committed[..32].copy_from_slice(witness_root.as_le_bytes());
    let mut script = Vec::with_capacity(WITNESS_COMMITMENT_SCRIPT_LEN);
    script.extend_from_slice(&WITNESS_COMMITMENT_MAGIC);
    script.extend_from_slice(double_sha256(&committed).as_le_bytes());
    Bytes::from(script)
}

/// What a block may create out of nothing, in satoshi; `halving_interval` in blocks.
pub fn subsidy(height: u32, halving_interval: u32) -> u64 {
    let halvings = height / halving_interval.max(1);
    INITIAL_SUBSIDY.checked_shr(halvings).unwrap_or(0)
}

/// A coinbase transaction for a template: the height and `script_tail` in its input, then
/// `outputs`, then the witness commitment.
///
/// Nothing is checked: what the outputs add up to is the caller's business.
pub fn coinbase(template: &BlockTemplate, script_tail: &[u8], outputs: Vec<TxOut>) -> Transaction {
    let mut script_sig = height_push(template.height).into_bytes();
    script_sig.extend_from_slice(script_tail);
    let mut output = outputs;
    output.push(TxOut {
        value: Amount::ZERO,
        script_pubkey: ScriptBuf::from_bytes(template.witness_commitment_script().to_vec()),
    });
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(script_sig),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[WITNESS_RESERVED_VALUE]),
        }],
        output,
    }
}

/// A header for a template and a coinbase transaction, at the template's time, with nonce 0.
pub fn header(template: &BlockTemplate, coinbase: &Transaction) -> Header {
    Header {
        version: template.version,
        prev_hash: template.prev_hash,
        merkle_root: merkle::root(
            from_txid(coinbase.compute_txid()),
            template.transactions.iter().map(|transaction| transaction.txid),
        ),
        ntime: template.current_time,
        nbits: template.nbits,
        nonce: 0,
    }
}

/// As it stands in a block, with witnesses.
pub fn serialize(transaction: &Transaction) -> Bytes {
    Bytes::from(encode::serialize(transaction))
}

/// The id as a number.
pub(crate) fn from_txid(txid: Txid) -> U256 {
    U256::from_le_bytes(txid.to_byte_array())
}

/// The one value in use for the coinbase input's witness (BIP 141, spec 3.7.4).
pub const WITNESS_RESERVED_VALUE: [u8; 32] = [0; 32];

/// OP_RETURN, a push of 36 bytes, and the mark of a witness commitment (BIP 141).
pub(crate) const WITNESS_COMMITMENT_MAGIC: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// In bytes.
pub(crate) const WITNESS_COMMITMENT_SCRIPT_LEN: usize = WITNESS_COMMITMENT_MAGIC.len() + 32;

/// In satoshi.
const INITIAL_SUBSIDY: u64 = 50 * 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_pushed_as_bip34_wants_them() {
        let push = |height| height_push(height).into_bytes();

        assert_eq!(push(1), [0x51]);
        assert_eq!(push(16), [0x60]);
        assert_eq!(push(17), [1, 17]);
        assert_eq!(push(128), [2, 0x80, 0x00]);
        assert_eq!(push(840_000), [3, 0x40, 0xd1, 0x0c]);
    }

    #[test]
    fn the_subsidy_halves_until_nothing_is_left() {
        assert_eq!(subsidy(149, 150), 5_000_000_000);
        assert_eq!(subsidy(150, 150), 2_500_000_000);
        assert_eq!(subsidy(150 * 32, 150), 1);
        assert_eq!(subsidy(150 * 33, 150), 0);
        assert_eq!(subsidy(u32::MAX, 150), 0);
    }
}
