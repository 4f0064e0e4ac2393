//! When nothing gets through, in one direction.

use sv2::time::Instant;

/// A span of time in which everything on a link is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The first moment.
    pub from: Instant,
    /// The first moment at which packets pass again; never at the end of the clock.
    pub until: Instant,
}

/// All outages of one direction of a link. They are known beforehand: a packet that is sent now
/// may meet the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages(Vec<Outage>);

impl Outages {
    /// In any order; those that overlap become one.
    pub fn new(mut outages: Vec<Outage>) -> Self {
        outages.retain(|outage| outage.from < outage.until);
        outages.sort_by_key(|outage| outage.from);
        let mut joined: Vec<Outage> = Vec::with_capacity(outages.len());
        for outage in outages {
            match joined.last_mut() {
                Some(last) if outage.from <= last.until => {
                    last.until = last.until.max(outage.until)
                }
                _ => joined.push(outage),
            }
        }
        Outages(joined)
    }

    /// Whether a packet is lost that is on the link from the first moment to the second.
    #[inline]
    pub fn hit(&self, sent: u64, arrives: u64) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let next = self.0.partition_point(|outage| outage.until.0 <= sent);
        self.0.get(next).is_some_and(|outage| outage.from.0 <= arrives)
    }
}
