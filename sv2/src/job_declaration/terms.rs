//! What a declaration settles about a job: everything that a pool can compare with the custom
//! job that comes of it (spec 6.4.5, 5.3.18).

use bitcoin::hashes::{Hash, sha256};

use crate::mining::{SetCustomMiningJob, VERSION_ROLLING_MASK};
use crate::wire::U256;

/// The terms of one job.
///
/// Long fields are held as their SHA-256, so that all terms fit a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTerms {
    /// Without the bits of BIP 323, which shares may roll anyway (spec 5.3.18).
    version: u32,
    coinbase_tx_version: u32,
    sequence: u32,
    locktime: u32,
    /// The block that the job builds on.
    prev_hash: U256,
    /// Of the whole extranonce, in bytes: the coinbase input's script says how long it is.
    extranonce_len: u8,
    script_start: [u8; 32],
    outputs: [u8; 32],
    merkle_path: [u8; 32],
}

/// The parts of a job, however they arrived.
#[derive(Clone, Copy, Debug)]
pub struct JobParts<'a> {
    /// Of the header.
    pub version: u32,
    /// Of the header.
    pub prev_hash: U256,
    /// Of the coinbase transaction.
    pub coinbase_tx_version: u32,
    /// The coinbase input's script in front of the extranonce (AMB-36).
    pub script_start: &'a [u8],
    /// Of the whole extranonce, in bytes; at most 255 are told apart.
    pub extranonce_len: usize,
    /// Of the coinbase input.
    pub sequence: u32,
    /// As serialised, the count of outputs in front.
    pub outputs: &'a [u8],
    /// Of the coinbase transaction.
    pub locktime: u32,
    /// From the deepest branch to the root.
    pub merkle_path: &'a [U256],
}

/// Something that a custom job says otherwise than its declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// `prev_hash`: the declaration was for another tip.
    PrevHash,
    /// `version`, in bits that cannot be rolled.
    Version,
    /// `coinbase_tx_version`.
    CoinbaseTxVersion,
    /// `coinbase_prefix`.
    CoinbasePrefix,
    /// The channel's extranonce is longer or shorter than the declared script has room for.
    ExtranonceLen,
    /// `coinbase_tx_input_nSequence`.
    Sequence,
    /// `coinbase_tx_outputs`: same bytes in the same order (spec 6.4.3).
    Outputs,
    /// `coinbase_tx_locktime`.
    Locktime,
    /// `merkle_path`: other transactions, or in another order.
    MerklePath,
}

impl<'a> JobParts<'a> {
    /// The parts of a custom job on a channel whose whole extranonce has `extranonce_len` bytes.
    pub fn of_custom_job(job: &'a SetCustomMiningJob, extranonce_len: usize) -> Self {
        JobParts {
            version: job.version,
            prev_hash: job.prev_hash,
            coinbase_tx_version: job.coinbase_tx_version,
            script_start: job.coinbase_prefix.as_slice(),
            extranonce_len,
            sequence: job.coinbase_tx_input_n_sequence,
            outputs: job.coinbase_tx_outputs.as_slice(),
            locktime: job.coinbase_tx_locktime,
            merkle_path: job.merkle_path.as_slice(),
        }
    }

    /// What a declaration of this job settles.
    pub fn terms(&self) -> JobTerms {
        let branches: Vec<u8> =
            self.merkle_path.iter().flat_map(|branch| *branch.as_le_bytes()).collect();
        JobTerms {
            version: self.version & !VERSION_ROLLING_MASK,
            coinbase_tx_version: self.coinbase_tx_version,
            sequence: self.sequence,
            locktime: self.locktime,
            prev_hash: self.prev_hash,
            extranonce_len: u8::try_from(self.extranonce_len).unwrap_or(u8::MAX),
            script_start: digest(self.script_start),
            outputs: digest(self.outputs),
            merkle_path: digest(&branches),
        }
    }
}

impl JobTerms {
    /// Serialised length in bytes.
    pub const LEN: usize = 4 * 4 + 32 + 1 + 3 * 32;

    /// The first term in which `other` differs.
    pub fn difference(&self, other: &JobTerms) -> Option<Term> {
        let JobTerms {
            version,
            coinbase_tx_version,
            sequence,
            locktime,
            prev_hash,
            extranonce_len,
            script_start,
            outputs,
            merkle_path,
        } = self;
        let terms = [
            (*prev_hash != other.prev_hash, Term::PrevHash),
            (*version != other.version, Term::Version),
            (*coinbase_tx_version != other.coinbase_tx_version, Term::CoinbaseTxVersion),
            (*script_start != other.script_start, Term::CoinbasePrefix),
            (*extranonce_len != other.extranonce_len, Term::ExtranonceLen),
            (*sequence != other.sequence, Term::Sequence),
            (*outputs != other.outputs, Term::Outputs),
            (*locktime != other.locktime, Term::Locktime),
            (*merkle_path != other.merkle_path, Term::MerklePath),
        ];
        terms.into_iter().find(|(differs, _)| *differs).map(|(_, term)| term)
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let numbers = [self.version, self.coinbase_tx_version, self.sequence, self.locktime];
        let parts: [&[u8]; 6] = [
            &numbers.map(u32::to_le_bytes).concat(),
            self.prev_hash.as_le_bytes(),
            &[self.extranonce_len],
            &self.script_start,
            &self.outputs,
            &self.merkle_path,
        ];
        let mut bytes = [0; Self::LEN];
        let mut rest = &mut bytes[..];
        for part in parts {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut rest = &bytes[..];
        JobTerms {
            version: u32::from_le_bytes(take(&mut rest)),
            coinbase_tx_version: u32::from_le_bytes(take(&mut rest)),
            sequence: u32::from_le_bytes(take(&mut rest)),
            locktime: u32::from_le_bytes(take(&mut rest)),
            prev_hash: U256::from_le_bytes(take(&mut rest)),
            extranonce_len: u8::from_le_bytes(take(&mut rest)),
            script_start: take(&mut rest),
            outputs: take(&mut rest),
            merkle_path: take(&mut rest),
        }
    }
}

/// The next `N` bytes; callers know that there are so many.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_at(N);
    *rest = tail;
    let mut bytes = [0; N];
    bytes.copy_from_slice(head);
    bytes
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    sha256::Hash::hash(bytes).to_byte_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: [U256; 2] = [U256::from_le_bytes([7; 32]), U256::from_le_bytes([8; 32])];

    fn parts() -> JobParts<'static> {
        JobParts {
            version: 0x2000_0000,
            prev_hash: U256::from_le_bytes([1; 32]),
            coinbase_tx_version: 2,
            script_start: &[1, 17],
            extranonce_len: 20,
            sequence: 0xffff_fffe,
            outputs: &[0],
            locktime: 16,
            merkle_path: &PATH,
        }
    }

    #[test]
    fn each_part_is_a_term_of_its_own() {
        let all = parts();
        for (other, term) in [
            (JobParts { prev_hash: U256::ZERO, ..all }, Term::PrevHash),
            (JobParts { version: 0x2000_0001, ..all }, Term::Version),
            (JobParts { coinbase_tx_version: 1, ..all }, Term::CoinbaseTxVersion),
            (JobParts { script_start: &[1, 18], ..all }, Term::CoinbasePrefix),
            (JobParts { extranonce_len: 19, ..all }, Term::ExtranonceLen),
            (JobParts { sequence: u32::MAX, ..all }, Term::Sequence),
            (JobParts { outputs: &[1], ..all }, Term::Outputs),
            (JobParts { locktime: 17, ..all }, Term::Locktime),
            (JobParts { merkle_path: &PATH[..1], ..all }, Term::MerklePath),
        ] {
            assert_eq!(all.terms().difference(&other.terms()), Some(term));
        }
    }

    #[test]
    fn rolled_version_bits_are_no_difference() {
        let rolled = JobParts { version: 0x2000_0000 ^ VERSION_ROLLING_MASK, ..parts() };

        assert_eq!(parts().terms().difference(&rolled.terms()), None);
    }

    #[test]
    fn terms_survive_their_bytes() {
        let terms = parts().terms();

        assert_eq!(JobTerms::from_bytes(&terms.to_bytes()), terms);
    }
}
