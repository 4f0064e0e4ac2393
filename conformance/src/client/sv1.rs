//! What both ends of a Stratum V1 connection know: extranonces, difficulty, jobs, and what a
//! share is worth.

use std::collections::BTreeMap;

use bytes::Bytes;
use sv2::mining::header::{Header, coinbase_txid, merkle_root};
use sv2::sv1::{Call, Id, Message, Notify, Outcome, Submit, error_code, order};
use sv2::wire::{Target, U256};

use crate::case::value::Value;

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct Sv1Tracker {
    /// In front of what the device rolls.
    pub extranonce1: Bytes,
    /// What the device rolls, in bytes.
    pub extranonce2_size: usize,
    /// For jobs to come.
    pub target: Option<Target>,
    /// Bits of the version that may be rolled; `None`: none was agreed on.
    pub mask: Option<u32>,
    /// By id.
    pub jobs: BTreeMap<String, Sv1Job>,
    /// The ids in the order in which they came.
    pub job_order: Vec<String>,
    /// Whether the client has subscribed, and for whom it works.
    pub is_subscribed: bool,
    /// See `is_subscribed`.
    pub user: Option<String>,
    /// Methods that were not answered yet.
    open: Vec<(Id, String, Option<String>)>,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Sv1Job {
    /// As it came.
    pub notify: Notify,
    /// When it came.
    pub target: Target,
    extranonce1: Bytes,
    extranonce2_size: usize,
    is_stale: bool,
}

/// What a share is worth.
#[derive(Clone, Debug)]
pub struct Worth {
    /// Of the header; the largest where none can be made.
    pub hash: U256,
    /// Of the job.
    pub target: Target,
    /// Why it is not paid, if it is not.
    pub error: Option<(i64, &'static str)>,
}

impl Sv1Tracker {
    /// Takes note of a line of the client or of the server. What is no line of Stratum V1 says
    /// nothing.
    pub fn note(&mut self, is_client: bool, line: &[u8]) {
        match (Message::parse(line), is_client) {
            (Ok(Message::Call { id, call }), true) => {
                let user = match &call {
                    Call::Authorize { user, .. } => Some(user.clone()),
                    _ => None,
                };
                self.open.push((id, call.method().to_owned(), user));
            }
            (Ok(Message::Call { call, .. }), false) => self.told(call),
            (Ok(Message::Response(response)), false) => {
                let Some(at) = self.open.iter().position(|(id, ..)| *id == response.id) else {
                    return;
                };
                let (_, method, user) = self.open.remove(at);
                self.answered(&method, user, response.outcome);
            }
            _ => {}
        }
    }

    fn told(&mut self, call: Call) {
        match call {
            Call::SetDifficulty(difficulty) => self.target = Some(difficulty.target()),
            Call::SetExtranonce { extranonce1, extranonce2_size } => {
                self.extranonce1 = Bytes::copy_from_slice(extranonce1.as_slice());
                self.extranonce2_size = extranonce2_size.into();
            }
            Call::SetVersionMask(mask) => self.mask = Some(mask),
            Call::Notify(notify) => {
                if notify.clean_jobs {
                    self.jobs.values_mut().for_each(|job| job.is_stale = true);
                }
                let id = notify.job_id.clone();
                let job = Sv1Job {
                    notify: *notify,
                    target: self.target.unwrap_or(Target::MAX),
                    extranonce1: self.extranonce1.clone(),
                    extranonce2_size: self.extranonce2_size,
                    is_stale: false,
                };
                self.job_order.push(id.clone());
                self.jobs.insert(id, job);
            }
            _ => {}
        }
    }

    fn answered(&mut self, method: &str, user: Option<String>, outcome: Outcome) {
        match (method, outcome) {
            ("mining.subscribe", Outcome::Subscribed(subscribed)) => {
                self.is_subscribed = true;
                self.extranonce1 = Bytes::copy_from_slice(subscribed.extranonce1.as_slice());
                self.extranonce2_size = subscribed.extranonce2_size.into();
            }
            ("mining.configure", Outcome::Configured(configured)) => {
                let is_granted = configured.version_rolling.is_some_and(|one| one.is_yes());
                self.mask = configured.version_rolling_mask.filter(|_| is_granted);
            }
            ("mining.authorize", Outcome::Flag(true)) => self.user = user,
            _ => {}
        }
    }

    /// The job that came last.
    pub fn newest(&self) -> Option<&Sv1Job> {
        self.jobs.get(self.job_order.last()?)
    }

    /// What a share is worth.
    pub fn worth(&self, submit: &Submit) -> Worth {
        let nothing =
            |error| Worth { hash: U256::MAX, target: Target::default(), error: Some(error) };
        let Some(job) = self.jobs.get(&submit.job_id) else {
            return nothing((error_code::JOB_NOT_FOUND, "Job not found"));
        };
        let bits = submit.version_bits.unwrap_or(0);
        let extranonce2 = submit.extranonce2.as_slice();
        let header = job.header(self.mask.unwrap_or(0), extranonce2, submit.ntime, bits);
        let hash = Header { nonce: submit.nonce, ..header }.hash();
        let error = if job.is_stale {
            Some((error_code::JOB_NOT_FOUND, "Stale"))
        } else if extranonce2.len() != job.extranonce2_size {
            Some((error_code::OTHER, "Extranonce2 has the wrong size"))
        } else if bits & !self.mask.unwrap_or(0) != 0 {
            Some((error_code::OTHER, "Version bits outside the mask"))
        } else if submit.ntime < job.notify.ntime {
            Some((error_code::OTHER, "Time is too old"))
        } else if !job.target.is_met_by(&hash) {
            Some((error_code::LOW_DIFFICULTY, "Difficulty too low"))
        } else {
            None
        };
        Worth { hash, target: job.target, error }
    }
}

impl Sv1Job {
    /// The header of a share, its nonce still zero.
    pub fn header(&self, mask: u32, extranonce2: &[u8], ntime: u32, bits: u32) -> Header {
        let notify = &self.notify;
        let txid =
            coinbase_txid(&notify.coinbase_1, &self.extranonce1, extranonce2, &notify.coinbase_2);
        Header {
            version: order::rolled_version(notify.version, mask, bits),
            prev_hash: notify.prev_hash,
            merkle_root: merkle_root(txid, &notify.merkle_branches),
            ntime,
            nbits: notify.nbits,
            nonce: 0,
        }
    }

    /// What a device rolls, in bytes.
    pub fn extranonce2_size(&self) -> usize {
        self.extranonce2_size
    }

    /// As cases see it.
    pub fn record(&self) -> Value {
        let notify = &self.notify;
        Value::record([
            ("id", Value::text(notify.job_id.clone())),
            ("version", Value::Int(notify.version.into())),
            ("ntime", Value::Int(notify.ntime.into())),
            ("nbits", Value::Int(notify.nbits.into())),
            ("prev_hash", Value::U256(notify.prev_hash)),
            ("clean", Value::Bool(notify.clean_jobs)),
            ("branches", Value::Int(notify.merkle_branches.len() as u64)),
            ("target", Value::U256(self.target.0)),
            ("extranonce1", Value::Bytes(self.extranonce1.clone())),
            ("extranonce2_size", Value::Int(self.extranonce2_size as u64)),
        ])
    }
}
