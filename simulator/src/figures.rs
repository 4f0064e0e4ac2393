//! What has come of a network so far, counted from what its roles tell.

mod channel_counts;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sv2::event::Event;
use sv2::role::CloseReason;
use sv2::time::Instant;

use self::channel_counts::ChannelCounts;
use crate::units::HashRate;

/// Counts of one role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Shares that were accepted: by a server, or from a device. What a proxy sends up is its
    /// upstream's to count.
    pub accepted_count: u64,
    /// Shares that were refused for another reason than being late.
    pub rejected_count: u64,
    /// Shares that were refused because the tip had changed.
    pub stale_count: u64,
    /// Jobs that a device has begun, or that a server has agreed to pay.
    pub job_count: u64,
    /// Blocks that this role has found.
    pub block_count: u64,
    /// Tips that this role has heard of.
    pub tip_count: u64,
    /// What went wrong last, in words.
    pub last_error: Option<String>,
    side: Side,
    /// Of connections that are set up.
    channels: ChannelCounts,
    /// `None`: nobody asks for the hash rate.
    work: Option<Work>,
}

/// Which end of shares a role counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// It judges those of its clients.
    #[default]
    Server,
    /// It has its own judged: a device, or a proxy that passes channels on.
    Client,
}

/// What a device has shown of its hash rate.
#[derive(Clone, Debug, Default, PartialEq)]
struct Work {
    /// Expected hashes of a share on the job of a channel, by member and channel id.
    price: BTreeMap<(u32, u32), f64>,
    /// When, and how many hashes it stands for.
    shares: VecDeque<(Instant, f64)>,
}

impl Figures {
    /// Nothing has happened yet.
    pub fn new(side: Side) -> Self {
        Figures { side, work: Some(Work::default()), ..Figures::default() }
    }

    /// The same without [`Figures::hash_rate`], which costs more than all the rest.
    pub fn without_hash_rate(side: Side) -> Self {
        Figures { side, ..Figures::default() }
    }

    /// Counts an event of the role; of a fleet, of one of its members.
    pub fn count(&mut self, now: Instant, member: u32, event: &Event) {
        match event {
            Event::SetupDone { connection, .. } => {
                self.channels.set(member, *connection, Some(0));
            }
            Event::ConnectionClosed { connection, reason } => {
                self.channels.set(member, *connection, None);
                if !matches!(reason, CloseReason::ByPeer | CloseReason::ByUs) {
                    self.last_error = Some(reason.to_string());
                }
            }
            Event::ChannelOpened { connection, .. } => {
                // Stratum V1 has no set-up in front of it.
                let count = self.channels.get(member, *connection).unwrap_or_default();
                self.channels.set(member, *connection, Some(count + 1));
            }
            Event::ChannelClosed { connection, .. } => {
                if let Some(count) = self.channels.get(member, *connection) {
                    self.channels.set(member, *connection, Some(count.saturating_sub(1)));
                }
            }
            Event::ShareAccepted { .. } if self.side == Side::Server => self.accepted_count += 1,
            Event::SharesAcknowledged { accepted_count, .. } if self.side == Side::Client => {
                self.accepted_count += u64::from(*accepted_count);
            }
            Event::ShareRejected { error_code, .. } if self.side == Side::Server => {
                self.refused(error_code.as_bytes());
            }
            Event::ShareRefused { error_code, .. } if self.side == Side::Client => {
                self.refused(error_code.as_slice());
            }
            Event::WorkStarted { channel_id, target, .. } => {
                self.job_count += 1;
                if let Some(work) = &mut self.work {
                    work.price((member, *channel_id), target.expected_hashes());
                }
            }
            Event::ShareSubmitted { channel_id, .. } => {
                if let Some(work) = &mut self.work {
                    work.share(now, (member, *channel_id));
                }
            }
            Event::CustomJobAccepted { .. } => self.job_count += 1,
            Event::CustomJobRefused { reason, .. } | Event::DeclarationRefused { reason, .. } => {
                self.last_error = Some(reason.clone());
            }
            Event::JobDeclared { .. } => self.job_count += 1,
            Event::BlockFound { .. } => self.block_count += 1,
            Event::TipChanged { .. } => self.tip_count += 1,
            Event::SharesLost { count } => {
                self.last_error = Some(format!("{count} shares lost"));
            }
            Event::JobRefused { .. } | Event::UpstreamLeft { .. } => {
                self.last_error = Some(event.to_string());
            }
            Event::AccountsFailed { reason } | Event::CommandRefused { reason, .. } => {
                self.last_error = Some(reason.clone());
            }
            Event::Noted { what, .. } => self.last_error = Some(what.clone()),
            Event::ShareAccepted { .. }
            | Event::SharesAcknowledged { .. }
            | Event::ShareRejected { .. }
            | Event::ShareRefused { .. }
            | Event::WorkerNamed { .. }
            | Event::ShareFiltered { .. }
            | Event::TokenAllocated { .. }
            | Event::MiningFor { .. }
            | Event::AccountsRecovered
            | Event::RejectionsUncounted { .. }
            | Event::CommandDone { .. }
            | Event::BlockPushed { .. } => {}
        }
    }

    /// A member has ended, and its connections with it, whether it could tell of that or not.
    pub fn member_ended(&mut self, member: u32) {
        self.channels.end(member);
    }

    /// Connections that are set up.
    pub fn connection_count(&self) -> usize {
        self.channels.all().count()
    }

    /// Channels that are open on them.
    pub fn channel_count(&self) -> u64 {
        self.channels.all().map(u64::from).sum()
    }

    /// By the shares of the last minute; only of a device.
    pub fn hash_rate(&self, now: Instant) -> HashRate {
        self.work.as_ref().map(|work| work.rate(now)).unwrap_or_default()
    }

    /// A name that others use for a late share is a share refused like any other: error codes
    /// are free (spec 3.5). In Stratum V1, 21 says that there is no such job, any more.
    fn refused(&mut self, error_code: &[u8]) {
        match error_code {
            b"stale-share" => self.stale_count += 1,
            code if code.starts_with(b"21 ") => self.stale_count += 1,
            _ => self.rejected_count += 1,
        }
    }
}

impl Work {
    /// Channels that are followed: of the largest fleet that one process hosts.
    const CHANNELS_MAX: usize = 65_536;
    const WINDOW: Duration = Duration::from_secs(60);
    /// Shares that are looked at; a device that finds more is measured by the last.
    const SHARES_MAX: usize = 4_096;

    fn price(&mut self, channel: (u32, u32), hashes: f64) {
        if self.price.len() < Self::CHANNELS_MAX || self.price.contains_key(&channel) {
            self.price.insert(channel, hashes);
        }
    }

    fn share(&mut self, now: Instant, channel: (u32, u32)) {
        let Some(hashes) = self.price.get(&channel) else { return };
        if self.shares.len() == Self::SHARES_MAX {
            self.shares.pop_front();
        }
        self.shares.push_back((now, *hashes));
    }

    /// The first share of the window only starts it: it says when the others began to count.
    fn rate(&self, now: Instant) -> HashRate {
        let mut recent = self.shares.iter().filter(|(at, _)| now.since(*at) <= Self::WINDOW);
        let Some((start, _)) = recent.next() else { return HashRate::default() };
        let seconds = now.since(*start).as_secs_f64();
        let hashes: f64 = recent.map(|(_, hashes)| hashes).sum();
        if seconds > 0.0 { HashRate::new(hashes / seconds) } else { HashRate::default() }
    }
}

#[cfg(test)]
mod tests {
    use sv2::role::ConnectionId;
    use sv2::wire::{Str255, Target, U256};

    use super::*;

    const CONNECTION: ConnectionId = ConnectionId(0);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_device_is_as_fast_as_its_shares_show() {
        let mut figures = Figures::new(Side::Client);
        let target = Target::from_expected_hashes(1_000.0);
        let started =
            Event::WorkStarted { connection: CONNECTION, channel_id: 1, job_id: 1, target };
        figures.count(at(0), 0, &started);

        for second in 0..=100 {
            let (channel_id, sequence_number, job_id) = (1, second, 1);
            let hash = U256::ZERO;
            let share = Event::ShareSubmitted {
                connection: CONNECTION,
                channel_id,
                sequence_number,
                job_id,
                hash,
            };
            figures.count(at(u64::from(second)), 0, &share);
        }

        let rate = figures.hash_rate(at(100)).per_second();
        assert!((rate - 1_000.0).abs() < 20.0, "{rate}");
        assert_eq!(figures.hash_rate(at(1_000)), HashRate::default(), "it is silent");
    }

    #[test]
    fn late_shares_are_told_from_wrong_ones() {
        let mut figures = Figures::new(Side::Client);
        let of_stratum_v1 = ["21 Job not found", "22 Duplicate share"];
        for code in ["stale-share", "duplicate-share"].into_iter().chain(of_stratum_v1) {
            let (channel_id, sequence_number) = (1, 1);
            let error_code = Str255::from_static(code);
            let connection = CONNECTION;
            let refused =
                Event::ShareRefused { connection, channel_id, sequence_number, error_code };
            figures.count(at(0), 0, &refused);
        }

        assert_eq!((figures.stale_count, figures.rejected_count), (2, 2));
    }

    #[test]
    fn a_share_that_a_proxy_passes_on_is_counted_once() {
        let mut figures = Figures::new(Side::Server);
        let (connection, channel_id, sequence_number) = (CONNECTION, 1, 1);
        let hash = U256::ZERO;

        for event in [
            Event::ShareAccepted { connection, channel_id, sequence_number, hash },
            Event::SharesAcknowledged {
                connection,
                channel_id,
                last_sequence_number: 1,
                accepted_count: 1,
                difficulty_sum: 0,
            },
        ] {
            figures.count(at(0), 0, &event);
        }

        assert_eq!(figures.accepted_count, 1);
    }

    #[test]
    fn connections_end_with_their_channels_and_with_their_role() {
        let mut figures = Figures::default();
        let set_up = |figures: &mut Figures, connection| {
            figures.count(at(0), 0, &Event::SetupDone { connection, protocol: 0, flags: 0 });
            figures.count(at(0), 0, &Event::ChannelOpened { connection, channel_id: 1 });
        };
        let closed =
            |connection| Event::ConnectionClosed { connection, reason: CloseReason::ByPeer };
        let counts = |figures: &Figures| (figures.connection_count(), figures.channel_count());
        set_up(&mut figures, CONNECTION);
        set_up(&mut figures, ConnectionId(1));
        // Of Stratum V1, which has no set-up.
        let of_lines = Event::ChannelOpened { connection: ConnectionId(3), channel_id: 1 };
        figures.count(at(0), 0, &of_lines);
        assert_eq!(counts(&figures), (3, 3));
        figures.count(at(0), 0, &closed(ConnectionId(3)));

        // One that was never set up, and one that was.
        figures.count(at(0), 0, &closed(ConnectionId(2)));
        assert_eq!(counts(&figures), (2, 2));
        figures.count(at(0), 0, &closed(CONNECTION));
        assert_eq!(counts(&figures), (1, 1));
        figures.member_ended(0);

        assert_eq!(counts(&figures), (0, 0));
    }
}
