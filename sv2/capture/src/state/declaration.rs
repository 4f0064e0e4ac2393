//! Tokens, declarations and custom jobs, across the connections that they travel (spec 6).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use bitcoin::TxOut;
use bitcoin::consensus::encode;
use sv2::job_declaration::DeclareMiningJob;
use sv2::mining::SetCustomMiningJob;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts};
use sv2::mining::header::double_sha256;
use sv2::wire::U256;

use super::Mark;
use super::job::{Job, Tip, Work, WorkRef};

/// A token's way.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// By whom it was given, and when.
    pub allocated: Mark,
    /// What the pool wants to be paid to: the hash of the first output's script (spec 6.4.3).
    pub payout: Option<U256>,
    /// The declaration that it was used for.
    pub declared: Option<TokenUse>,
    /// Hash of the outputs of the declared coinbase transaction, their count in front.
    pub declared_outputs: Option<U256>,
    /// The custom job that consumed it (spec 6.3).
    pub consumed: Option<TokenUse>,
    /// Whether it came with `DeclareMiningJob.Success`.
    pub is_of_declaration: bool,
}

/// What a token was used for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenUse {
    /// The message with the token, or that which took it.
    pub mark: Mark,
    connection: u32,
    content: U256,
}

impl TokenUse {
    pub(super) fn new(mark: Mark, connection: u32, content: U256) -> Self {
        TokenUse { mark, connection, content }
    }

    /// Whether a message with this content is the same use, seen on another leg: a relay or a tap
    /// has passed it on.
    pub(crate) fn is_passed_on(&self, connection: u32, content: &U256) -> bool {
        self.connection != connection && self.content == *content
    }
}

/// All tokens of a capture: a job declarator server gives them, a pool takes them.
#[derive(Debug, Default)]
pub struct Tokens {
    tokens: BTreeMap<Vec<u8>, Token>,
    order: VecDeque<Vec<u8>>,
    /// Whether tokens have left to make room.
    pub has_forgotten: bool,
}

impl Tokens {
    /// Tokens that are remembered.
    pub const MAX: usize = 4096;

    pub(super) fn add(&mut self, name: &[u8], token: Token) {
        if self.tokens.insert(name.to_vec(), token).is_none() {
            self.order.push_back(name.to_vec());
        }
        if self.order.len() > Self::MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.tokens.remove(&oldest);
            self.has_forgotten = true;
        }
    }

    /// What is known of a token.
    pub fn get(&self, name: &[u8]) -> Option<&Token> {
        self.tokens.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Token> {
        self.tokens.get_mut(name)
    }

    /// Whether any token was seen: without, a job declarator server is not in the capture.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && !self.has_forgotten
    }
}

/// A custom job that waits for its answer: everything but its id.
#[derive(Clone, Debug)]
pub struct CustomJobRequest {
    /// As sent.
    pub token: Vec<u8>,
    /// What it builds on, under no id yet.
    pub tip: Tip,
    /// Of the header.
    pub version: u32,
    content: U256,
    work: Option<Weak<Work>>,
}

impl CustomJobRequest {
    pub(super) fn new(sent: Mark, message: &SetCustomMiningJob, work: Option<&Arc<Work>>) -> Self {
        CustomJobRequest {
            token: message.mining_job_token.as_slice().to_vec(),
            tip: Tip {
                told: sent,
                job_id: 0,
                prev_hash: message.prev_hash,
                nbits: message.nbits,
                min_ntime: message.min_ntime,
            },
            version: message.version,
            content: content_of_custom_job(message),
            work: work.map(Arc::downgrade),
        }
    }

    pub(super) fn accepted(&self, answered: Mark, connection: u32) -> TokenUse {
        TokenUse::new(answered, connection, self.content)
    }

    /// The job that comes of it; `None` if its parts make no coinbase transaction.
    pub(super) fn job(&self, id: u32, answered: Mark) -> Option<Job> {
        Some(Job {
            id,
            arrived: answered,
            activated: Some(answered),
            was_future: false,
            min_ntime: Some(self.tip.min_ntime),
            version: self.version,
            version_rolling_allowed: true,
            is_custom: true,
            first_share: None,
            work: WorkRef::Shared(self.work.clone()?),
        })
    }
}

/// What is hashed for a custom job on a channel with a whole extranonce of `extranonce_len` bytes;
/// `None` if its parts make no coinbase transaction.
pub(super) fn work(message: &SetCustomMiningJob, extranonce_len: usize) -> Option<Work> {
    let outputs: Vec<TxOut> = encode::deserialize(message.coinbase_tx_outputs.as_slice()).ok()?;
    let coinbase = Coinbase::assemble(&CoinbaseParts {
        version: message.coinbase_tx_version,
        script_start: message.coinbase_prefix.as_slice(),
        extranonce_len,
        sequence: message.coinbase_tx_input_n_sequence,
        outputs: &outputs,
        locktime: message.coinbase_tx_locktime,
    })
    .ok()?;
    Some(Work {
        prefix: coinbase.prefix().as_bytes().clone(),
        suffix: coinbase.suffix().as_bytes().clone(),
        path: message.merkle_path.as_slice().to_vec(),
    })
}

/// What makes a custom job that job: all of its header and of its coinbase that the client chose.
pub(crate) fn content_of_custom_job(job: &SetCustomMiningJob) -> U256 {
    let numbers = [job.version, job.min_ntime, job.nbits, job.coinbase_tx_locktime];
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.extend(job.prev_hash.as_le_bytes());
    bytes.extend(job.coinbase_prefix.as_slice());
    bytes.extend(job.coinbase_tx_outputs.as_slice());
    digest(&bytes)
}

/// What makes a declaration that declaration: its coinbase commits to its transactions.
pub(crate) fn content_of_declaration(job: &DeclareMiningJob) -> U256 {
    digest(&[job.coinbase_tx_prefix.as_slice(), job.coinbase_tx_suffix.as_slice()].concat())
}

/// The hash of a script or of outputs: what is remembered of them.
pub(crate) fn digest(bytes: &[u8]) -> U256 {
    double_sha256(bytes)
}

/// The hash of the script of the first output of a row of outputs with their count in front.
pub(super) fn first_script(outputs: &[u8]) -> Option<U256> {
    let outputs: Vec<TxOut> = encode::deserialize(outputs).ok()?;
    outputs.first().map(|output| digest(output.script_pubkey.as_bytes()))
}

/// The hash of the outputs, their count in front, in the second part of a coinbase transaction with the
/// fields of BIP 141: between the input's sequence and the witness.
pub(super) fn outputs_of_suffix(suffix: &[u8]) -> Option<U256> {
    let mut rest = suffix.get(4..)?;
    let all = rest;
    let _: Vec<TxOut> = bitcoin::consensus::Decodable::consensus_decode(&mut rest).ok()?;
    Some(digest(&all[..all.len() - rest.len()]))
}
