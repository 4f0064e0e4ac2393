//! A place where packets wait for each other: a network card, a shared uplink.

use std::collections::VecDeque;

use crate::units::Bandwidth;

/// A link of some rate that several pipes share; work-conserving.
///
/// Pipes ask for room when they send, and packets of different pipes reach a queue behind their
/// links in another order than they were sent in. So a queue keeps its busy periods and lets a
/// packet fill the gaps between them: it is idle only when nothing is there for it, whatever the
/// order of asking. Among packets that wait at the same time, those that were sent first come
/// first: where links differ in length by more than packets wait, the mean wait is up to a fifth
/// above that of a queue in the order of arrival (at a load of 0.7), otherwise it is the same.
#[derive(Clone, Debug)]
pub struct Queue {
    rate: Bandwidth,
    /// When it serves, in nanoseconds, ascending, disjoint and apart.
    busy: VecDeque<(u64, u64)>,
    /// Bytes that it has taken in so far, frames included.
    pub link_bytes: u64,
}

impl Queue {
    /// Serves at this rate, which is above zero.
    pub fn new(rate: Bandwidth) -> Self {
        Queue { rate, busy: VecDeque::new(), link_bytes: 0 }
    }

    /// The rate at present.
    pub fn rate(&self) -> Bandwidth {
        self.rate
    }

    /// The rate from now on: packets that wait keep their places.
    pub fn set_rate(&mut self, rate: Bandwidth) {
        self.rate = rate;
    }

    /// How long so many bytes take, in nanoseconds.
    #[inline]
    pub fn service(&self, link_bytes: u64) -> u64 {
        self.rate.transfer(link_bytes)
    }

    /// Takes in bytes that are here from `from` on, and says when the first is served and when
    /// the last has been. `now` is the present, which never goes back and is not after `from`.
    pub(crate) fn serve(&mut self, now: u64, from: u64, link_bytes: u64) -> (u64, u64) {
        self.link_bytes += link_bytes;
        let work = self.service(link_bytes).max(1);
        while self.busy.front().is_some_and(|(_, end)| *end <= now) {
            self.busy.pop_front();
        }
        // The usual case: behind everything.
        match self.busy.back_mut() {
            Some((_, end)) if from == *end => {
                *end = from + work;
                (from, from + work)
            }
            Some((_, end)) if from < *end => self.fill(from, work),
            _ => {
                self.busy.push_back((from, from + work));
                self.bound();
                (from, from + work)
            }
        }
    }

    /// Serves in the gaps from `from` on. There is no idle time between the first moment and the
    /// last, so that all periods in between become one.
    fn fill(&mut self, from: u64, mut work: u64) -> (u64, u64) {
        let begin = self.busy.partition_point(|(_, end)| *end < from);
        let (mut at, mut first, mut index) = (from, None, begin);
        while let Some((start, end)) = self.busy.get(index).copied() {
            let served = start.saturating_sub(at).min(work);
            if served > 0 {
                first.get_or_insert(at);
                work -= served;
                at += served;
            }
            let done = at;
            // Where the work ends with the gap, the next period is joined as well.
            if at >= start {
                at = at.max(end);
                index += 1;
            }
            if work == 0 {
                return self.join(begin, index, first.unwrap_or(from), done);
            }
        }
        self.join(begin, index, first.unwrap_or(at), at + work)
    }

    /// Makes one period of those from `begin` to before `end` and of what lies between `first` and
    /// `done`.
    fn join(&mut self, begin: usize, end: usize, first: u64, done: u64) -> (u64, u64) {
        let joined = self.busy.range(begin..end);
        let whole =
            joined.fold((first, done), |(from, to), (start, end)| (from.min(*start), to.max(*end)));
        self.busy.drain(begin..end);
        self.busy.insert(begin, whole);
        self.bound();
        (first, done)
    }

    /// Past the limit, the shortest way to less memory is to call the earliest gap busy.
    fn bound(&mut self) {
        if self.busy.len() > PERIOD_COUNT_MAX
            && let Some((start, _)) = self.busy.pop_front()
            && let Some(next) = self.busy.front_mut()
        {
            next.0 = start;
        }
    }
}

/// Busy periods ahead of the present: packets in flight towards one queue, at most.
const PERIOD_COUNT_MAX: usize = 65_536;
