//! A share is late only where a tip was under way when it was sent, or still is.

use sv2::event::Event;
use sv2::time::Instant;

use super::{Card, Checker, Sight, SightKind};

/// See the module.
#[derive(Default)]
pub(super) struct LateShares;

impl Checker for LateShares {
    fn name(&self) -> &'static str {
        "late-shares"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Judged]
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Told { event, is_excused: false, .. } = sight else { return Ok(()) };
        match event {
            Event::ShareRejected { channel_id, sequence_number, .. } if is_stale(event) => {
                Err(format!(
                    "share {sequence_number} of channel {channel_id} is refused as late, and its \
                     sender knew the tip when it sent it"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an event says that a share came too late, whichever protocol it came by: 21 says that
/// there is no such job, any more.
pub(crate) fn is_stale(event: &Event) -> bool {
    matches!(event, Event::ShareRejected { error_code, .. }
        if *error_code == "stale-share" || error_code.starts_with("21 "))
}
