//! Channels and groups as both sides have agreed on them (spec 5.2, 5.3.2 to 5.3.10).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use sv2::mining::channel::ChannelKind;
use sv2::mining::header::CoinbaseMidstate;
use sv2::wire::{B32, Target, U256};

use super::budget::{Budget, Slot, Slots};
use super::job::{Board, View};
use super::{History, Mark};

/// A channel, with the figures that the reference implementation's monitoring names.
#[derive(Debug)]
pub struct Channel {
    /// What it can do.
    pub kind: ChannelKind,
    /// Of the message that opened it.
    pub opened: Mark,
    /// Of the request; `None` where it was not captured.
    pub requested: Option<Mark>,
    /// The group that it belongs to.
    pub group: u32,
    /// When it joined, by number.
    pub joined: u64,
    /// As in the request.
    pub user_identity: Arc<str>,
    /// Hashes per second, as the client says.
    pub nominal_hashrate: f32,
    /// The easiest target that the client has asked for; `None` where it was not captured.
    pub requested_max_target: Option<Target>,
    /// When it last asked.
    pub max_target_asked: Mark,
    /// `min_extranonce_size` of the request.
    pub min_extranonce_size: Option<u16>,
    pub(super) target: History<Target>,
    /// For jobs that come.
    pub extranonce_prefix: History<B32>,
    /// Bytes behind the prefix that the client rolls.
    pub rollable_extranonce_size: u16,
    /// What was addressed to the channel itself.
    pub board: Board,
    /// What became of its shares.
    pub shares: ShareLedger,
    pub(super) cache: Option<Box<RootCache>>,
    pub(super) price: Price,
    pub(super) _slot: Slot,
    /// Since its last share.
    pub silence: Silence,
}

/// How long a channel has been silent, in shares that should have come meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence {
    /// By the claimed hash rate, while there was work.
    pub expected_shares: f64,
    /// Until when that is counted, in nanoseconds since the Unix epoch.
    pub counted_until: u64,
}

/// What the shares of the last extended job have in common, so that they cost no more than they
/// must.
#[derive(Debug, Default)]
pub(super) struct RootCache {
    /// Arrival of the job, and of the prefix.
    pub(super) key: (u64, u64),
    pub(super) midstate: Option<CoinbaseMidstate>,
    /// Of the last extranonce: who rolls nonces and versions keeps it for many shares.
    pub(super) root: Option<(B32, U256)>,
}

/// The exact difficulty of the last target: a long division.
#[derive(Debug, Default)]
pub(super) struct Price(Option<(Target, u128)>);

impl Price {
    pub(super) fn of(&mut self, target: Target) -> u128 {
        match self.0 {
            Some((known, difficulty)) if known == target => difficulty,
            _ => {
                let difficulty = target.difficulty_fixed();
                self.0 = Some((target, difficulty));
                difficulty
            }
        }
    }
}

impl Channel {
    /// Bytes of the whole extranonce (spec 5.1.2.1).
    pub fn full_extranonce_size(&self) -> usize {
        self.extranonce_prefix.now().as_slice().len() + usize::from(self.rollable_extranonce_size)
    }

    /// Shares that the claimed hash rate should find in a minute; 0 where it claims none.
    pub fn expected_shares_per_minute(&self, groups: &BTreeMap<u32, Group>) -> f64 {
        shares_per_minute(self.nominal_hashrate, self.target(groups))
    }

    /// The target for jobs that come or become active: what was set last, for the channel or for
    /// its group.
    pub fn target(&self, groups: &BTreeMap<u32, Group>) -> Target {
        self.target_at(groups, u64::MAX)
    }

    /// The same, at observation `number`.
    pub fn target_at(&self, groups: &BTreeMap<u32, Group>, number: u64) -> Target {
        let mut target = (self.target.since_at(number), *self.target.at(number));
        let group = groups.get(&self.group).map(|group| &group.targets);
        for (since, of_group) in group.into_iter().flatten() {
            if *since >= self.joined && *since <= number && *since >= target.0 {
                target = (*since, *of_group);
            }
        }
        target.1
    }

    /// Targets that are remembered, from the oldest: of the channel and its group.
    pub fn targets(&self, groups: &BTreeMap<u32, Group>) -> Vec<(u64, Target)> {
        let mut targets: Vec<(u64, Target)> = self.target.iter().copied().collect();
        let group = groups.get(&self.group).into_iter().flat_map(|group| &group.targets);
        targets.extend(group.filter(|(since, _)| *since >= self.joined));
        targets.sort_by_key(|(since, _)| *since);
        targets
    }

    /// Counts the silence until `at`, at the present target and claim.
    pub(super) fn count_silence(&mut self, groups: &BTreeMap<u32, Group>, at: u64) {
        let elapsed = at.saturating_sub(self.silence.counted_until);
        self.silence.counted_until = self.silence.counted_until.max(at);
        if self.view(groups).has_work() {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let minutes = elapsed as f64 / 60e9;
            self.silence.expected_shares += minutes * self.expected_shares_per_minute(groups);
        }
    }

    pub(super) fn view<'a>(&'a self, groups: &'a BTreeMap<u32, Group>) -> View<'a> {
        let group = groups.get(&self.group).map(|group| &group.board);
        View { own: &self.board, group, joined: self.joined }
    }
}

/// Shares that a hash rate should find in a minute; 0 of none.
pub(super) fn shares_per_minute(hash_rate: f32, target: Target) -> f64 {
    let rate = f64::from(hash_rate);
    if rate.is_finite() && rate > 0.0 { rate * 60.0 / target.expected_hashes() } else { 0.0 }
}

/// A group (spec 5.2.3).
#[derive(Debug, Default)]
pub struct Group {
    /// First seen.
    pub since: Mark,
    /// What was addressed to the group.
    pub board: Board,
    /// Its members.
    pub(super) members: BTreeSet<u32>,
    /// What `SetTarget` has set for all members, with the number of the message.
    pub(super) targets: VecDeque<(u64, Target)>,
    pub(super) _slot: Option<Slot>,
}

impl Group {
    pub(super) fn set_target(&mut self, since: u64, target: Target) {
        if self.targets.len() == History::<Target>::LEN_MAX {
            self.targets.pop_front();
        }
        self.targets.push_back((since, target));
    }
}

/// A share that waits for its verdict.
#[derive(Clone, Copy, Debug)]
pub struct PendingShare {
    /// As the client numbers it.
    pub sequence_number: u32,
    /// Of the message.
    pub sent: Mark,
    /// Of the job's target, in units of 2^-64.
    pub difficulty: u128,
    /// Of the hash itself.
    pub hash_difficulty: f64,
    /// Whether it is good by our own recomputation; `None`: could not be recomputed.
    pub is_good: Option<bool>,
    /// Whether the channel has sent the same proof before.
    pub is_repeated: bool,
    /// Whether its difficulty is known.
    pub is_priced: bool,
}

/// The shares of a channel, as both sides report them.
#[derive(Debug, Default)]
pub struct ShareLedger {
    /// Sent by the client.
    pub submitted: u64,
    /// As the server has acknowledged.
    pub shares_accepted: u64,
    /// As the server has refused, by its code. At most [`ShareLedger::REASONS_MAX`] codes are
    /// told apart; the rest counts under the empty one.
    pub shares_rejected_by_reason: BTreeMap<String, u64>,
    /// Sum of the server's sums.
    pub share_work_sum: u64,
    /// The highest that the client has used.
    pub last_share_sequence_number: Option<u32>,
    /// Of the best hash, recomputed.
    pub best_diff: f64,
    /// Hashes that meet the network's target, recomputed.
    pub blocks_found: u64,
    /// The largest batch that was acknowledged at once.
    pub share_batch_size: u32,
    /// When the last share came.
    pub last: Option<Mark>,
    pending: VecDeque<PendingShare>,
    slots: Slots,
    /// Whether shares have left `pending` to make room.
    pub has_forgotten: bool,
}

impl ShareLedger {
    /// Shares that may wait for a verdict.
    pub const PENDING_MAX: usize = 1024;
    /// Codes that are told apart.
    pub const REASONS_MAX: usize = 32;

    /// Refused in all.
    pub fn shares_rejected(&self) -> u64 {
        self.shares_rejected_by_reason.values().sum()
    }

    /// Shares without a verdict, from the oldest.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &PendingShare> {
        self.pending.iter()
    }

    pub(super) fn submit(&mut self, share: PendingShare, budget: &Budget) {
        self.submitted += 1;
        self.last = Some(share.sent);
        let last = self.last_share_sequence_number.unwrap_or(share.sequence_number);
        self.last_share_sequence_number = Some(last.max(share.sequence_number));
        if self.pending.len() == Self::PENDING_MAX {
            self.pending.pop_front();
            self.slots.give_back(1);
            self.has_forgotten = true;
        }
        // Where there is no place, the oldest leaves its own.
        if self.slots.take(budget) {
            self.pending.push_back(share);
        } else {
            self.has_forgotten = true;
            if self.pending.pop_front().is_some() {
                self.pending.push_back(share);
            }
        }
    }

    pub(super) fn refuse(&mut self, sequence_number: u32, code: &str) {
        let is_known = self.shares_rejected_by_reason.contains_key(code);
        let is_full = self.shares_rejected_by_reason.len() >= Self::REASONS_MAX;
        let code = if is_known || !is_full { code } else { "" };
        *self.shares_rejected_by_reason.entry(code.to_owned()).or_default() += 1;
        if let Some(at) = self.position(sequence_number) {
            self.pending.remove(at);
            self.slots.give_back(1);
        }
    }

    pub(super) fn accept(&mut self, last_sequence_number: u32, count: u32, sum: u64) {
        self.shares_accepted += u64::from(count);
        self.share_work_sum = self.share_work_sum.saturating_add(sum);
        self.share_batch_size = self.share_batch_size.max(count);
        let Some(last) = self.position(last_sequence_number) else { return };
        let waiting_before = self.pending.len();
        let mut surplus = (last + 1).saturating_sub(count as usize);
        if surplus == 0 {
            self.pending.drain(..=last);
        } else {
            // What the batch does not count waits on for its own verdict: rather the bad ones, then
            // the youngest, but never the one that is named.
            let mut kept = VecDeque::new();
            for (at, share) in self.pending.drain(..=last).enumerate() {
                let is_left = share.is_good == Some(false) || at + surplus >= last;
                let is_kept = surplus > 0 && at < last && is_left;
                if is_kept {
                    surplus -= 1;
                    kept.push_back(share);
                }
            }
            kept.append(&mut self.pending);
            self.pending = kept;
        }
        self.slots.give_back(waiting_before - self.pending.len());
    }

    /// Of the oldest share with a number.
    pub(super) fn position(&self, sequence_number: u32) -> Option<usize> {
        self.pending().position(|share| share.sequence_number == sequence_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares 1 to 5, of which the third is bad, and where they have their places.
    fn ledger() -> (ShareLedger, Budget) {
        let (mut ledger, budget) = (ShareLedger::default(), Budget::new(5));
        for sequence_number in 1..=5 {
            let share = PendingShare {
                sequence_number,
                sent: Mark { number: u64::from(sequence_number), at: 0 },
                difficulty: 1,
                hash_difficulty: 1.0,
                is_good: Some(sequence_number != 3),
                is_repeated: false,
                is_priced: true,
            };
            ledger.submit(share, &budget);
        }
        (ledger, budget)
    }

    fn waiting(ledger: &ShareLedger) -> Vec<u32> {
        ledger.pending().map(|share| share.sequence_number).collect()
    }

    #[test]
    fn a_batch_takes_what_it_counts_and_leaves_the_bad_ones() {
        for (last, count, left) in [
            (4, 4, &[5][..]),
            (4, 3, &[3, 5]),
            (5, 3, &[3, 4]),
            (5, 9, &[]),
            (5, 0, &[1, 2, 3, 4]),
            (9, 1, &[1, 2, 3, 4, 5]),
        ] {
            let (mut ledger, budget) = ledger();
            ledger.accept(last, count, 7);
            assert_eq!(waiting(&ledger), left, "{count} shares up to {last}");
            assert_eq!((ledger.shares_accepted, ledger.share_work_sum), (count.into(), 7));
            let free: Vec<_> = std::iter::from_fn(|| budget.take()).collect();
            assert_eq!(free.len(), 5 - left.len(), "{count} shares up to {last}");
        }
    }

    #[test]
    fn a_refusal_takes_its_share_and_is_counted_by_its_code() {
        let (mut ledger, _) = ledger();

        ledger.refuse(3, "stale-share");
        ledger.refuse(9, "stale-share");

        assert_eq!(waiting(&ledger), [1, 2, 4, 5]);
        assert_eq!(ledger.shares_rejected_by_reason["stale-share"], 2);
    }

    #[test]
    fn shares_without_a_place_are_forgotten_and_said_to_be() {
        let (mut ledger, budget) = (ShareLedger::default(), Budget::new(2));
        let share = *self::ledger().0.pending().next().expect("five shares");
        for sequence_number in 1..=3 {
            ledger.submit(PendingShare { sequence_number, ..share }, &budget);
        }

        assert_eq!(waiting(&ledger), [2, 3]);
        assert!(ledger.has_forgotten && ledger.submitted == 3);
    }
}
