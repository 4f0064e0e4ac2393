//! A job that was declared: how it becomes a block (spec 6.4.9).

use bitcoin::Transaction;
use bitcoin::consensus::encode;
use bytes::Bytes;
use thiserror::Error;

use crate::chain::block::{assemble_raw, from_txid};
use crate::job_declaration::PushSolution;
use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::header::{Header, merkle_root};
use crate::mining::proof::ProofCheck;
use crate::wire::{B32, Target, U256};

/// Everything of a block but its extranonce and its proof.
#[derive(Debug)]
pub(super) struct DeclaredJob {
    /// Our tip when it was declared.
    pub prev_hash: U256,
    pub nbits: u32,
    pub target: Target,
    pub version: u32,
    /// With the fields of BIP 141, as declared.
    pub coinbase_prefix: Bytes,
    pub coinbase_suffix: Bytes,
    pub extranonce_len: usize,
    pub merkle_path: Vec<U256>,
    /// Serialised, in the order of the block.
    pub transactions: Vec<Bytes>,
    /// Of these, what the client has sent.
    pub provided_bytes: usize,
}

/// A block that a client has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Solved {
    pub hash: U256,
    pub block: Bytes,
}

/// Why a solution is none of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum NoSolution {
    #[error("it builds on {0}")]
    PrevHash(U256),
    #[error("its nbits are {0:#010x}")]
    Bits(u32),
    #[error("{len} bytes of extranonce, {declared} were declared")]
    ExtranonceLen { len: usize, declared: usize },
    #[error("version {0:#010x} differs in bits that cannot be rolled (BIP 323)")]
    Version(u32),
    #[error("its hash {0} is above the target")]
    AboveTarget(U256),
}

impl DeclaredJob {
    /// The block without a proof of work, for a node to judge.
    pub(super) fn unproven(&self, ntime: u32) -> Bytes {
        let coinbase = self.coinbase(&[0; B32::MAX][..self.extranonce_len]);
        let header = Header {
            version: self.version,
            prev_hash: self.prev_hash,
            merkle_root: self.root(&coinbase),
            ntime,
            nbits: self.nbits,
            nonce: 0,
        };
        assemble_raw(&header, &coinbase, &self.transactions)
    }

    /// # Errors
    /// It does not solve this job.
    pub(super) fn solve(
        &self,
        solution: &PushSolution,
        proof_check: ProofCheck,
    ) -> Result<Solved, NoSolution> {
        let extranonce = solution.extranonce.as_slice();
        if solution.prev_hash != self.prev_hash {
            return Err(NoSolution::PrevHash(solution.prev_hash));
        }
        if solution.nbits != self.nbits {
            return Err(NoSolution::Bits(solution.nbits));
        }
        if extranonce.len() != self.extranonce_len {
            let (len, declared) = (extranonce.len(), self.extranonce_len);
            return Err(NoSolution::ExtranonceLen { len, declared });
        }
        if (solution.version ^ self.version) & !VERSION_ROLLING_MASK != 0 {
            return Err(NoSolution::Version(solution.version));
        }
        let coinbase = self.coinbase(extranonce);
        let header = Header {
            version: solution.version,
            prev_hash: self.prev_hash,
            merkle_root: self.root(&coinbase),
            ntime: solution.ntime,
            nbits: self.nbits,
            nonce: solution.nonce,
        };
        let hash = header.hash();
        if !proof_check.is_block(&hash, &self.target) {
            return Err(NoSolution::AboveTarget(hash));
        }
        Ok(Solved { hash, block: assemble_raw(&header, &coinbase, &self.transactions) })
    }

    /// What it takes to keep it, in bytes. Transactions that came from the node are shared.
    pub(super) fn cost(&self) -> usize {
        let pointers = POINTER * self.transactions.len();
        pointers + self.provided_bytes + self.coinbase_prefix.len() + self.coinbase_suffix.len()
    }

    fn coinbase(&self, extranonce: &[u8]) -> Vec<u8> {
        [&self.coinbase_prefix[..], extranonce, &self.coinbase_suffix].concat()
    }

    fn root(&self, coinbase: &[u8]) -> U256 {
        let transaction: Transaction = encode::deserialize(coinbase)
            .expect("it decoded when it was declared, whatever the bytes of its extranonce");
        merkle_root(from_txid(transaction.compute_txid()), &self.merkle_path)
    }
}

/// Of a shared slice, in bytes.
const POINTER: usize = size_of::<Bytes>();
