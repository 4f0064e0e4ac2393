//! The coinbase transaction of a template or of a custom job, cut around its extranonce
//! (spec 5.3.16, 5.3.18, 3.7).
//!
//! Jobs carry it without the fields of BIP 141, so that its double hash is its id; a block
//! needs them back.

use bitcoin::consensus::{Decodable, Encodable};
use bitcoin::{Amount, ScriptBuf, TxOut, VarInt};
use bytes::Bytes;
use thiserror::Error;

use crate::template_distribution::NewTemplate;
use crate::wire::B64K;

/// A coinbase transaction without its extranonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coinbase {
    prefix: B64K,
    suffix: B64K,
    /// Whether the outputs commit to witnesses: only then a witness is legal (BIP 141).
    has_witness: bool,
}

/// Why a template makes no coinbase transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CoinbaseError {
    /// Consensus allows 2 to 100 bytes.
    #[error("the coinbase script would have {len} bytes, 2 to 100 are valid")]
    ScriptLen {
        /// Height, extranonce and their pushes.
        len: usize,
    },
    /// The template's outputs cannot be read, or are not as many as it says.
    #[error("the template's outputs are no {count} transaction outputs (spec 7.2)")]
    Outputs {
        /// As the template says.
        count: u32,
    },
    /// The parts of a job are not enough for a transaction.
    #[error("{len} bytes are no coinbase transaction around an extranonce (spec 5.3.16)")]
    TooShort {
        /// Of both parts.
        len: usize,
    },
    /// A part would not fit its field.
    #[error("the coinbase transaction is too long for a job: {len} bytes")]
    TooLong {
        /// Of the longer part.
        len: usize,
    },
}

/// The parts that a coinbase transaction is put together from.
#[derive(Clone, Copy, Debug)]
pub struct CoinbaseParts<'a> {
    /// Of the transaction.
    pub version: u32,
    /// The input's script in front of the extranonce.
    pub script_start: &'a [u8],
    /// Of the whole extranonce, in bytes.
    pub extranonce_len: usize,
    /// Of the input.
    pub sequence: u32,
    /// In order; what they are worth is the caller's business.
    pub outputs: &'a [TxOut],
    /// Of the transaction.
    pub locktime: u32,
}

impl Coinbase {
    /// Shortest script of a coinbase input in bytes (consensus).
    pub const SCRIPT_LEN_MIN: usize = 2;

    /// Longest script of a coinbase input in bytes (consensus).
    pub const SCRIPT_LEN_MAX: usize = 100;

    /// Completes a template: its height, `tag` and an extranonce of `extranonce_len` bytes in
    /// the input, `outputs` in front of the template's own (spec 7.2).
    ///
    /// Tag and extranonce are pushed as data: consensus counts signature operations in this
    /// script too, and a rolled byte must not become one. The tag is cut to what fits.
    ///
    /// # Errors
    /// [`CoinbaseError`]: the template is not usable.
    pub fn new(
        template: &NewTemplate,
        tag: &[u8],
        outputs: &[TxOut],
        extranonce_len: usize,
    ) -> Result<Self, CoinbaseError> {
        let height = template.coinbase_prefix.as_slice();
        let needed = height.len() + 1 + extranonce_len;
        let Some(spare) = Self::SCRIPT_LEN_MAX.checked_sub(needed) else {
            return Err(CoinbaseError::ScriptLen { len: needed });
        };
        // One byte pushes up to 75.
        let tag = &tag[..tag.len().min(spare.saturating_sub(1)).min(75)];
        let mut script = height.to_vec();
        if !tag.is_empty() {
            script.push(push_opcode(tag.len()));
            script.extend_from_slice(tag);
        }
        script.push(push_opcode(extranonce_len));

        let outputs = [outputs, &template_outputs(template)?].concat();
        Coinbase::assemble(&CoinbaseParts {
            version: template.coinbase_tx_version,
            script_start: &script,
            extranonce_len,
            sequence: template.coinbase_tx_input_sequence,
            outputs: &outputs,
            locktime: template.coinbase_tx_locktime,
        })
    }

    /// Puts parts together as they are.
    ///
    /// # Errors
    /// [`CoinbaseError`]: no valid transaction, or one that no job can hold.
    pub fn assemble(parts: &CoinbaseParts<'_>) -> Result<Self, CoinbaseError> {
        let script_len = parts.script_start.len() + parts.extranonce_len;
        if !(Self::SCRIPT_LEN_MIN..=Self::SCRIPT_LEN_MAX).contains(&script_len) {
            return Err(CoinbaseError::ScriptLen { len: script_len });
        }
        let mut prefix = Vec::with_capacity(INPUT_START_LEN + parts.script_start.len());
        prefix.extend_from_slice(&parts.version.to_le_bytes());
        prefix.push(1);
        prefix.extend_from_slice(&[0; 32]);
        prefix.extend_from_slice(&[0xff; 4]);
        #[expect(clippy::cast_possible_truncation, reason = "at most 100")]
        prefix.push(script_len as u8);
        prefix.extend_from_slice(parts.script_start);

        let mut suffix = parts.sequence.to_le_bytes().to_vec();
        write(&VarInt::from(parts.outputs.len()), &mut suffix);
        parts.outputs.iter().for_each(|output| write(output, &mut suffix));
        suffix.extend_from_slice(&parts.locktime.to_le_bytes());

        let has_witness =
            parts.outputs.iter().any(|output| is_witness_commitment(&output.script_pubkey));
        Ok(Coinbase { prefix: field(prefix)?, suffix: field(suffix)?, has_witness })
    }

    /// From the parts of a job (spec 5.3.16), which do not tell whether a block would need a
    /// witness: [`Coinbase::transaction`] is without.
    ///
    /// # Errors
    /// They are too short for a coinbase transaction.
    pub fn from_parts(prefix: &B64K, suffix: &B64K) -> Result<Self, CoinbaseError> {
        let len = prefix.as_slice().len() + suffix.as_slice().len();
        let is_whole =
            prefix.as_slice().len() >= INPUT_START_LEN && suffix.as_slice().len() >= SUFFIX_LEN_MIN;
        if !is_whole {
            return Err(CoinbaseError::TooShort { len });
        }
        let (prefix, suffix) = (prefix.to_owned_bytes(), suffix.to_owned_bytes());
        Ok(Coinbase { prefix, suffix, has_witness: false })
    }

    /// Up to the extranonce, without the fields of BIP 141.
    pub fn prefix(&self) -> &B64K {
        &self.prefix
    }

    /// Behind the extranonce, without the fields of BIP 141.
    pub fn suffix(&self) -> &B64K {
        &self.suffix
    }

    /// The input's script in front of the extranonce: `SetCustomMiningJob.coinbase_prefix`.
    pub fn script_start(&self) -> &[u8] {
        &self.prefix.as_slice()[INPUT_START_LEN..]
    }

    /// All outputs, serialised, their count in front: `SetCustomMiningJob.coinbase_tx_outputs`.
    pub fn serialized_outputs(&self) -> &[u8] {
        let suffix = self.suffix.as_slice();
        &suffix[4..suffix.len() - 4]
    }

    /// What a declaration says in front of the extranonce and behind it (spec 6.4.4): with the
    /// fields of BIP 141 where the outputs commit to witnesses.
    ///
    /// # Errors
    /// [`CoinbaseError::TooLong`]: a part leaves them no room.
    pub fn declaration_parts(&self) -> Result<(B64K, B64K), CoinbaseError> {
        let (prefix, suffix) = self.whole_parts();
        Ok((field(prefix)?, field(suffix)?))
    }

    /// The whole transaction as a block needs it (spec 3.7.3): with the fields of BIP 141
    /// where its outputs commit to witnesses.
    pub fn transaction(&self, extranonce: &[&[u8]]) -> Bytes {
        let (mut whole, suffix) = self.whole_parts();
        extranonce.iter().for_each(|part| whole.extend_from_slice(part));
        whole.extend_from_slice(&suffix);
        whole.into()
    }

    fn whole_parts(&self) -> (Vec<u8>, Vec<u8>) {
        let (prefix, suffix) = (self.prefix.as_slice(), self.suffix.as_slice());
        if !self.has_witness {
            return (prefix.to_vec(), suffix.to_vec());
        }
        let (version, inputs) = prefix.split_at(4);
        let (outputs, locktime) = suffix.split_at(suffix.len() - 4);
        // Spec 3.7.4: the reserved value is 32 zeros.
        let witness = [&[1, 32][..], &[0; 32]].concat();
        ([version, &[0, 1], inputs].concat(), [outputs, &witness, locktime].concat())
    }
}

fn field(part: Vec<u8>) -> Result<B64K, CoinbaseError> {
    B64K::new(part).map_err(|error| CoinbaseError::TooLong { len: error.len })
}

/// An output that pays `satoshi` to a script.
pub fn payout(satoshi: u64, script: &[u8]) -> TxOut {
    TxOut { value: Amount::from_sat(satoshi), script_pubkey: ScriptBuf::from(script.to_vec()) }
}

/// Length of a serialised output to a script, in bytes: what `CoinbaseOutputConstraints`
/// counts (spec 7.1).
pub fn payout_len(script: &[u8]) -> usize {
    8 + VarInt::from(script.len()).size() + script.len()
}

fn template_outputs(template: &NewTemplate) -> Result<Vec<TxOut>, CoinbaseError> {
    let count = template.coinbase_tx_outputs_count;
    let mut rest = template.coinbase_tx_outputs.as_slice();
    let mut outputs = Vec::new();
    for _ in 0..count {
        // Stops at the first missing output, so a false count costs nothing.
        let output = TxOut::consensus_decode(&mut rest);
        outputs.push(output.map_err(|_| CoinbaseError::Outputs { count })?);
    }
    if rest.is_empty() { Ok(outputs) } else { Err(CoinbaseError::Outputs { count }) }
}

/// The height that a coinbase input's script begins with (BIP 34); `None` if it begins otherwise.
pub fn script_height(script: &[u8]) -> Option<u32> {
    let (first, rest) = script.split_first()?;
    match first {
        0x51..=0x60 => Some(u32::from(first - 0x50)),
        1..=4 => {
            let pushed = rest.get(..usize::from(*first))?;
            let mut bytes = [0; 4];
            bytes[..pushed.len()].copy_from_slice(pushed);
            // A set sign bit makes it negative; without one, no height needs a fifth byte before
            // block 2^31.
            (pushed.last()? & 0x80 == 0).then(|| u32::from_le_bytes(bytes))
        }
        _ => None,
    }
}

/// BIP 141: OP_RETURN, 36 bytes, four fixed ones.
pub(crate) fn is_witness_commitment(script: &bitcoin::Script) -> bool {
    script.as_bytes().starts_with(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed])
        && script.as_bytes().len() >= 38
}

#[expect(clippy::cast_possible_truncation, reason = "callers push at most 75 bytes")]
fn push_opcode(len: usize) -> u8 {
    len as u8
}

fn write(value: &impl Encodable, out: &mut Vec<u8>) {
    value.consensus_encode(out).expect("writing to memory does not fail");
}

/// Version, number of inputs, the empty outpoint, length of the script.
const INPUT_START_LEN: usize = 4 + 1 + 36 + 1;

/// Sequence, number of outputs, lock time.
const SUFFIX_LEN_MIN: usize = 4 + 1 + 4;

#[cfg(test)]
pub(crate) mod tests {
    use bitcoin::consensus::deserialize;
    use bitcoin::{Transaction, consensus};

    use super::*;
    use crate::mining::header::coinbase_txid;
    use crate::wire::{B255, Seq255, U256};

    pub(crate) fn commitment() -> TxOut {
        let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &[7; 32]].concat();
        payout(0, &script)
    }

    pub(crate) fn template(outputs: &[TxOut]) -> NewTemplate {
        let serialized: Vec<u8> = outputs.iter().flat_map(consensus::serialize).collect();
        NewTemplate {
            template_id: 1,
            future_template: true,
            version: 0x2000_0000,
            coinbase_tx_version: 2,
            coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03]).unwrap(),
            coinbase_tx_input_sequence: 0xffff_fffe,
            coinbase_tx_value_remaining: 312_500_000,
            coinbase_tx_outputs_count: u32::try_from(outputs.len()).unwrap(),
            coinbase_tx_outputs: B64K::new(serialized).unwrap(),
            coinbase_tx_locktime: 0x1234,
            merkle_path: Seq255::default(),
        }
    }

    fn pays() -> TxOut {
        payout(312_500_000, &[0x00, 0x14, 1, 2, 3])
    }

    #[test]
    fn the_whole_transaction_is_what_the_template_asked_for_with_its_outputs_last() {
        let mut template = template(&[commitment(), payout(0, &[0x6a])]);
        template.coinbase_tx_input_sequence = 0xfeed_beef;
        let coinbase = Coinbase::new(&template, b"assay", &[pays()], 20).unwrap();

        let whole: Transaction = deserialize(&coinbase.transaction(&[&[9; 4], &[8; 16]])).unwrap();

        assert!(whole.is_coinbase());
        assert_eq!(whole.version.0, 2);
        assert_eq!(whole.lock_time.to_consensus_u32(), 0x1234);
        assert_eq!(whole.input[0].sequence.0, 0xfeed_beef);
        assert_eq!(whole.input[0].witness.to_vec(), [vec![0; 32]]);
        assert_eq!(whole.output, [pays(), commitment(), payout(0, &[0x6a])]);
        let script = whole.input[0].script_sig.as_bytes();
        assert!(script.starts_with(&[3, 0x40, 0x0d, 0x03, 5]) && script.ends_with(&[8; 16]));
    }

    #[test]
    fn the_parts_hash_to_the_id_of_the_whole() {
        let coinbase = Coinbase::new(&template(&[commitment()]), b"assay", &[pays()], 20).unwrap();
        let whole: Transaction = deserialize(&coinbase.transaction(&[&[9; 20]])).unwrap();

        let id = coinbase_txid(
            coinbase.prefix().as_slice(),
            &[9; 4],
            &[9; 16],
            coinbase.suffix().as_slice(),
        );

        let expected: [u8; 32] = consensus::serialize(&whole.compute_txid()).try_into().unwrap();
        assert_eq!(id, U256::from_le_bytes(expected));
    }

    #[test]
    fn the_parts_of_a_declaration_are_the_whole_without_its_extranonce() {
        for outputs in [&[commitment()][..], &[]] {
            let coinbase = Coinbase::new(&template(outputs), b"assay", &[pays()], 20).unwrap();

            let (prefix, suffix) = coinbase.declaration_parts().unwrap();

            let whole = [prefix.as_slice(), &[9; 20], suffix.as_slice()].concat();
            assert_eq!(whole, coinbase.transaction(&[&[9; 4], &[9; 16]]));
        }
    }

    #[test]
    fn without_a_commitment_there_is_no_witness() {
        let coinbase = Coinbase::new(&template(&[]), b"", &[pays()], 20).unwrap();

        let whole: Transaction = deserialize(&coinbase.transaction(&[&[0; 20]])).unwrap();

        assert!(whole.input[0].witness.is_empty());
    }

    #[test]
    fn a_rolled_extranonce_never_counts_as_signature_operations() {
        let coinbase = Coinbase::new(&template(&[]), b"\xac\xac", &[], 20).unwrap();

        let whole: Transaction = deserialize(&coinbase.transaction(&[&[0xac; 20]])).unwrap();

        assert_eq!(whole.input[0].script_sig.count_sigops_legacy(), 0);
    }

    #[test]
    fn the_tag_gives_way_to_the_limit_of_the_script_and_nothing_else_does() {
        let mut template = template(&[]);
        template.coinbase_prefix = B255::new(vec![1; 60]).unwrap();
        let coinbase = Coinbase::new(&template, &[b'x'; 90], &[], 32).unwrap();
        let whole: Transaction = deserialize(&coinbase.transaction(&[&[0; 32]])).unwrap();
        assert_eq!(whole.input[0].script_sig.len(), 100);

        template.coinbase_prefix = B255::new(vec![1; 68]).unwrap();
        let error = Coinbase::new(&template, &[b'x'; 90], &[], 32).unwrap_err();
        assert_eq!(error, CoinbaseError::ScriptLen { len: 101 });
    }

    #[test]
    fn the_parts_of_a_job_make_the_same_coinbase_and_short_ones_make_none() {
        let whole = Coinbase::new(&template(&[]), b"assay", &[pays()], 20).unwrap();

        assert_eq!(Coinbase::from_parts(whole.prefix(), whole.suffix()), Ok(whole.clone()));
        for (prefix_len, suffix_len) in [(0, 0), (41, 9), (42, 8)] {
            let part = |len| B64K::new(vec![0; len]).unwrap();
            let error = Coinbase::from_parts(&part(prefix_len), &part(suffix_len)).unwrap_err();

            assert_eq!(error, CoinbaseError::TooShort { len: prefix_len + suffix_len });
        }
    }

    #[test]
    fn a_false_count_of_outputs_is_refused() {
        for count in [0, 2, u32::MAX] {
            let mut template = template(&[commitment()]);
            template.coinbase_tx_outputs_count = count;

            let error = Coinbase::new(&template, b"", &[], 20).unwrap_err();

            assert_eq!(error, CoinbaseError::Outputs { count });
        }
    }

    #[test]
    fn heights_are_read_as_bip34_pushes_them() {
        for (script, height) in [
            (&[0x51, 7][..], Some(1)),
            (&[0x60], Some(16)),
            (&[1, 17, 0xff], Some(17)),
            (&[2, 0x80, 0x00], Some(128)),
            (&[3, 0x40, 0xd1, 0x0c, 9], Some(840_000)),
            (&[1, 0x80], None),
            (&[3, 0x40], None),
            (&[5, 1, 1, 1, 1, 1], None),
            (&[], None),
        ] {
            assert_eq!(script_height(script), height, "{script:?}");
        }
    }

    #[test]
    fn the_length_of_a_payout_is_that_of_its_bytes() {
        for script_len in [0, 22, 34, 253] {
            let output = payout(1, &vec![0; script_len]);

            assert_eq!(payout_len(&vec![0; script_len]), consensus::serialize(&output).len());
        }
    }
}
