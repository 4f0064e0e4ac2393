//! Rules over all lines of Stratum V1 that were received in a case.

use std::collections::{BTreeMap, BTreeSet};

use super::Session;
use crate::client::exchange::{Direction, What};

impl Session<'_> {
    /// The number of lines.
    pub(super) fn lines_are_objects(&self) -> Result<u64, String> {
        let mut seen = 0;
        for record in &self.exchange.records {
            match &record.what {
                What::Line(Direction::Received, line) if line.record.is_none() => {
                    return Err(format!("{line}: no JSON object"));
                }
                What::Line(Direction::Received, _) => seen += 1,
                _ => {}
            }
        }
        Ok(seen)
    }

    /// The number of requests of the target that were open together with another one.
    pub(super) fn unique_line_ids(&self) -> Result<u64, String> {
        let mut seen = 0;
        // As text: an id can be anything.
        let mut open: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for record in &self.exchange.records {
            let open = open.entry(&record.connection).or_default();
            match &record.what {
                // A new connection by the same name.
                What::Opened => open.clear(),
                What::Line(direction, line) => {
                    let Some(id) = line.part("id").map(|id| id.to_string()) else { continue };
                    match (direction, line.method()) {
                        (Direction::Received, Some(_)) => {
                            seen += u64::from(!open.is_empty());
                            if !open.insert(id) {
                                return Err(format!("{line}: a request with this id is open"));
                            }
                        }
                        (Direction::Sent, None) => _ = open.remove(&id),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(seen)
    }
}
