//! Whom a device dials, and when: its own pool, or where that has sent it.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::role::{DialId, Outbox, Output, PeerAddress};
use crate::time::Instant;

/// First wait before dialling again, and the shortest time between two dials.
pub const RECONNECT_WAIT_MIN: Duration = Duration::from_secs(1);
/// Longest wait before dialling again, without the random half on top.
pub const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(60);

/// 2^6 s is above the longest wait.
const RECONNECT_DOUBLINGS_MAX: u32 = 6;

/// The dials of a device.
#[derive(Debug, Default)]
pub(crate) struct Dialler {
    /// Where the pool of the settings, our home, has sent us.
    redirect: Option<Box<PeerAddress>>,
    last_dial: Option<DialId>,
    /// The origin of time before the first one.
    last_dial_at: Instant,
    /// Attempts since the last one that led to work.
    failed_count: u32,
}

impl Dialler {
    /// Whom to dial next, or who was dialled last.
    pub(crate) fn peer<'a>(&'a self, home: &'a PeerAddress) -> &'a PeerAddress {
        self.redirect.as_deref().unwrap_or(home)
    }

    pub(crate) fn dial(&mut self, home: &PeerAddress, now: Instant, out: &mut Outbox) {
        let dial = DialId(self.last_dial.map_or(0, |DialId(last)| last.wrapping_add(1)));
        (self.last_dial, self.last_dial_at) = (Some(dial), now);
        out.put(Output::Dial { dial, peer: self.peer(home).clone() });
    }

    /// Whether it is the last one, whose outcome matters.
    pub(crate) fn is_last(&self, dial: DialId) -> bool {
        self.last_dial == Some(dial)
    }

    /// The peer gives work.
    pub(crate) fn has_work(&mut self) {
        self.failed_count = 0;
    }

    /// The peer sends us elsewhere, but to the same authority (spec 3.6.5). Says when to dial.
    pub(crate) fn redirect(
        &mut self,
        home: &PeerAddress,
        now: Instant,
        host: Option<String>,
        port: Option<u16>,
    ) -> Instant {
        let peer = self.peer(home);
        self.redirect = Some(Box::new(PeerAddress {
            host: host.unwrap_or_else(|| peer.host.clone()),
            port: port.unwrap_or(peer.port),
            authority: home.authority,
        }));
        // Peers that send us around in a circle do not make us spin.
        now.max(self.last_dial_at + RECONNECT_WAIT_MIN)
    }

    /// Says when to dial: after twice the time after each failure, with a random half on top so
    /// that the devices of a farm do not come back in one moment; then the configured pool,
    /// wherever we were.
    pub(crate) fn retry(&mut self, now: Instant, entropy: &mut Entropy) -> Instant {
        let doublings = self.failed_count.min(RECONNECT_DOUBLINGS_MAX);
        let wait = (RECONNECT_WAIT_MIN * (1 << doublings)).min(RECONNECT_WAIT_MAX);
        let half = u64::try_from(wait.as_nanos() / 2).unwrap_or(u64::MAX);
        let jitter = Duration::from_nanos(entropy.below(half));
        self.failed_count = self.failed_count.saturating_add(1);
        self.redirect = None;
        now + wait + jitter
    }
}
