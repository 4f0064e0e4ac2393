//! A share in the words of a dialect.

use serde_json::{Value, json};

use super::config::Sv1DeviceConfig;
use crate::roles::hashing::Proof;
use crate::sv1::{Call, Submit, order};
use crate::wire::hex::write_hex;

/// A proof for a job of the pool.
pub(super) struct Share<'a> {
    pub(super) job_id: &'a str,
    /// `None`: version rolling was not granted.
    pub(super) version_mask: Option<u32>,
    pub(super) proof: &'a Proof,
}

impl Share<'_> {
    pub(super) fn call(&self, config: &Sv1DeviceConfig) -> Call {
        let Share { job_id, version_mask, proof } = *self;
        let submit = Submit {
            user: config.user.clone(),
            job_id: job_id.to_owned(),
            extranonce2: proof.extranonce,
            ntime: proof.ntime,
            nonce: proof.nonce,
            version_bits: version_mask.map(|mask| proof.version & mask),
            extra_param_count: 0,
        };
        let dialect = &config.dialect;
        match dialect.upper_case || dialect.extra_param_count > 0 {
            true => unusual(submit, dialect.upper_case, dialect.extra_param_count),
            false => Call::Submit(submit),
        }
    }
}

fn unusual(submit: Submit, is_upper_case: bool, extra_param_count: u8) -> Call {
    let hex = |bytes: &[u8]| {
        let mut digits = Vec::new();
        write_hex(bytes, &mut digits);
        if is_upper_case {
            digits.make_ascii_uppercase();
        }
        Value::String(String::from_utf8(digits).expect("digits are ASCII"))
    };
    let mut params = vec![
        json!(submit.user),
        json!(submit.job_id),
        hex(submit.extranonce2.as_slice()),
        hex(&order::word_to_bytes(submit.ntime)),
        hex(&order::word_to_bytes(submit.nonce)),
    ];
    let bits = submit.version_bits.map(|bits| hex(&order::word_to_bytes(bits)));
    if extra_param_count > 0 || bits.is_some() {
        // What stands behind them must not be taken for bits.
        params.push(bits.unwrap_or(Value::Null));
    }
    params.extend((0..extra_param_count).map(|_| json!("")));
    Call::Unknown { method: "mining.submit".to_owned(), params: Value::Array(params) }
}
