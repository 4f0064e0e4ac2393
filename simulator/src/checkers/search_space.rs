//! No two channels of a server search the same space (spec 5.1, 5.3.10).
//!
//! What a channel was given before a `SetExtranoncePrefix` is no longer its own here, though jobs
//! of that time still use it: servers keep such prefixes back, which is stricter.

use std::collections::BTreeMap;
use std::ops::Bound;

use sv2::message::Message;
use sv2::sv1;
use sv2::time::Instant;
use sv2::wire::B32;

use super::tables::{ByChannel, ByWire};
use super::{Card, Checker, Sight, SightKind, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct SearchSpace {
    /// By server and prefix.
    owners: BTreeMap<(u32, B32), (Wire, u32)>,
    prefixes: ByWire<ByChannel<B32>>,
}

impl Checker for SearchSpace {
    fn name(&self) -> &'static str {
        "search-space"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Said, SightKind::Heard, SightKind::Line, SightKind::Life]
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } => match message {
                Message::OpenStandardMiningChannelSuccess(success) => {
                    self.claim(*wire, success.channel_id, success.extranonce_prefix)
                }
                Message::OpenExtendedMiningChannelSuccess(success) => {
                    self.claim(*wire, success.channel_id, success.extranonce_prefix)
                }
                Message::SetExtranoncePrefix(set) => {
                    self.release(*wire, set.channel_id);
                    self.claim(*wire, set.channel_id, set.extranonce_prefix)
                }
                Message::CloseChannel(close) => {
                    self.release(*wire, close.channel_id);
                    Ok(())
                }
                _ => Ok(()),
            },
            Sight::Heard { wire, message: Message::CloseChannel(close) } => {
                self.release(*wire, close.channel_id);
                Ok(())
            }
            Sight::SaidLine { wire, message } => {
                let prefix = match message {
                    sv1::Message::Response(response) => match &response.outcome {
                        sv1::Outcome::Subscribed(subscribed) => &subscribed.extranonce1,
                        _ => return Ok(()),
                    },
                    sv1::Message::Call { call, .. } => match call {
                        sv1::Call::SetExtranonce { extranonce1, .. } => extranonce1,
                        _ => return Ok(()),
                    },
                };
                self.release(*wire, LINE_CHANNEL);
                self.claim(*wire, LINE_CHANNEL, *prefix)
            }
            Sight::Closed { wire } => {
                let prefixes = self.prefixes.remove(*wire).unwrap_or_default();
                for (_, prefix) in prefixes.iter() {
                    self.owners.remove(&(wire.server, *prefix));
                }
                Ok(())
            }
            // What was given out belonged to the upstream that is gone: nothing found with it
            // is worth anything, and the next one may give the same anew.
            Sight::Left { host } | Sight::Ended { host } => {
                self.owners.retain(|(server, _), _| server != host);
                self.prefixes.remove_all_of(*host);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl SearchSpace {
    fn claim(&mut self, wire: Wire, channel_id: u32, prefix: B32) -> Result<(), String> {
        let (server, bytes) = (wire.server, prefix.as_slice());
        let shorter = (1..=bytes.len()).filter_map(|len| B32::new(&bytes[..len]).ok());
        let within = shorter.map(|prefix| (server, prefix));
        let within = within.filter_map(|key| self.owners.get_key_value(&key)).next();
        let from = Bound::Excluded((server, prefix));
        let next = self.owners.range((from, Bound::Unbounded)).next();
        let is_around = |other: &B32| other.as_slice().starts_with(bytes);
        let around = next.filter(|((of, other), _)| *of == server && is_around(other));
        if let Some(((_, other), (owner, channel))) = within.or(around) {
            let other = other.as_slice();
            return Err(format!(
                "channel {channel_id} of connection {} is given the prefix {bytes:02x?}, and \
                 channel {channel} of connection {} has {other:02x?}",
                wire.number, owner.number
            ));
        }
        self.owners.insert((server, prefix), (wire, channel_id));
        self.prefixes.entry(wire).insert(channel_id, prefix);
        Ok(())
    }

    fn release(&mut self, wire: Wire, channel_id: u32) {
        let prefixes = self.prefixes.get_mut(wire);
        if let Some(prefix) = prefixes.and_then(|prefixes| prefixes.remove(channel_id)) {
            self.owners.remove(&(wire.server, prefix));
        }
    }
}

/// A connection of Stratum V1 is one channel.
const LINE_CHANNEL: u32 = 0;
