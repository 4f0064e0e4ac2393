//! No two channels of a server search the same space (spec 5.1, 5.3.10).
//!
//! What a channel was given before a `SetExtranoncePrefix` is no longer its own here, though jobs
//! of that time still use it: servers keep such prefixes back, which is stricter.

use std::collections::BTreeMap;
use std::ops::Bound;

use sv2::message::Message;
use sv2::sv1;
use sv2::time::Instant;

use super::{Card, Checker, Sight, Wire};

/// See the module.
#[derive(Default)]
pub(super) struct SearchSpace {
    /// By server and prefix.
    owners: BTreeMap<(u32, Vec<u8>), (Wire, u32)>,
    prefixes: BTreeMap<(Wire, u32), Vec<u8>>,
}

impl Checker for SearchSpace {
    fn name(&self) -> &'static str {
        "search-space"
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Said { wire, message } => match message {
                Message::OpenStandardMiningChannelSuccess(success) => {
                    self.claim(*wire, success.channel_id, success.extranonce_prefix.as_slice())
                }
                Message::OpenExtendedMiningChannelSuccess(success) => {
                    self.claim(*wire, success.channel_id, success.extranonce_prefix.as_slice())
                }
                Message::SetExtranoncePrefix(set) => {
                    self.release(*wire, set.channel_id);
                    self.claim(*wire, set.channel_id, set.extranonce_prefix.as_slice())
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
                self.claim(*wire, LINE_CHANNEL, prefix.as_slice())
            }
            Sight::Closed { wire } => {
                let of_wire = self.prefixes.range((*wire, 0)..=(*wire, u32::MAX));
                let channels: Vec<u32> = of_wire.map(|((_, channel), _)| *channel).collect();
                channels.into_iter().for_each(|channel| self.release(*wire, channel));
                Ok(())
            }
            // What was given out belonged to the upstream that is gone: nothing found with it
            // is worth anything, and the next one may give the same anew.
            Sight::Left { host } | Sight::Ended { host } => {
                self.owners.retain(|(server, _), _| server != host);
                self.prefixes.retain(|(wire, _), _| wire.server != *host);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl SearchSpace {
    fn claim(&mut self, wire: Wire, channel_id: u32, prefix: &[u8]) -> Result<(), String> {
        let server = wire.server;
        let within = (1..=prefix.len())
            .find_map(|len| self.owners.get_key_value(&(server, prefix[..len].to_vec())));
        let from = Bound::Excluded((server, prefix.to_vec()));
        let next = self.owners.range((from, Bound::Unbounded)).next();
        let around = next.filter(|((of, other), _)| *of == server && other.starts_with(prefix));
        if let Some(((_, other), (owner, channel))) = within.or(around) {
            return Err(format!(
                "channel {channel_id} of connection {} is given the prefix {prefix:02x?}, and \
                 channel {channel} of connection {} has {other:02x?}",
                wire.number, owner.number
            ));
        }
        self.owners.insert((server, prefix.to_vec()), (wire, channel_id));
        self.prefixes.insert((wire, channel_id), prefix.to_vec());
        Ok(())
    }

    fn release(&mut self, wire: Wire, channel_id: u32) {
        if let Some(prefix) = self.prefixes.remove(&(wire, channel_id)) {
            self.owners.remove(&(wire.server, prefix));
        }
    }
}

/// A connection of Stratum V1 is one channel.
const LINE_CHANNEL: u32 = 0;
