//! What the server keeps about one client connection.

use super::channel_table::ChannelTable;
use super::channels::OpenRequest;
use super::extensions::Negotiated;
use crate::mining::channel::Channel;
use crate::mining::group::Group;
use crate::mining::setup_flag;
use crate::mining::vardiff::{Aim, Vardiff, VardiffAlgorithm};
use crate::roles::useless::Useless;
use crate::time::Instant;
use crate::violation::Violation;
use crate::wire::Target;

#[derive(Debug)]
pub(super) struct Downstream {
    pub(super) phase: Phase,
    /// Tells this connection from others that have the same id at other times.
    pub(super) generation: u64,
    /// As the client sent them (spec 5.3.1).
    flags: u32,
    pub(super) negotiated: Negotiated,
    pub(super) channels: ChannelTable,
    pub(super) groups: Vec<Group>,
    next_id: u32,
    next_job_id: u32,
    seldom: Option<Box<Seldom>>,
}

/// What most connections never have.
#[derive(Debug, Default)]
struct Seldom {
    /// Opens that are answered as soon as there is work, in order.
    waiting: Vec<OpenRequest>,
    useless: Useless,
    /// A request for extensions was refused because it lacked something required.
    was_refused: bool,
}

/// A channel, and what only the server knows about it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) channel: Channel,
    /// As the client sent it, a [`Str255`](crate::wire::Str255).
    pub(super) user_identity: Box<[u8]>,
    max_target: Option<Box<Target>>,
    /// What the target was made for, in hashes per second.
    pub(super) hash_rate: f64,
    /// The hash rate that the client spoke of last.
    pub(super) claimed_hash_rate: f32,
    /// Where the server follows what shares show.
    pub(super) vardiff: Option<Vardiff>,
}

impl Served {
    pub(super) fn new(
        channel: Channel,
        user_identity: Box<[u8]>,
        (hash_rate, max_target): (f32, Target),
        vardiff: Option<Vardiff>,
    ) -> Self {
        let mut served = Served {
            channel,
            user_identity,
            max_target: None,
            hash_rate: hash_rate.into(),
            claimed_hash_rate: hash_rate,
            vardiff,
        };
        served.set_max_target(max_target);
        served
    }

    /// The client takes no easier target (spec 5.3.2, 5.3.7).
    pub(super) fn max_target(&self) -> Target {
        self.max_target.as_deref().copied().unwrap_or(Target::MAX)
    }

    pub(super) fn set_max_target(&mut self, max_target: Target) {
        // Most clients take any.
        self.max_target = (max_target != Target::MAX).then(|| Box::new(max_target));
    }

    /// The client speaks of a hash rate: the one to assume from now on. One that it has spoken
    /// of before is no news against what shares have shown since.
    pub(super) fn claim(
        &mut self,
        now: Instant,
        nominal_hash_rate: f32,
        algorithm: Option<VardiffAlgorithm>,
    ) -> f64 {
        #[expect(clippy::float_cmp, reason = "the same again, to the bit")]
        if nominal_hash_rate == self.claimed_hash_rate {
            return self.hash_rate;
        }
        self.claimed_hash_rate = nominal_hash_rate;
        let worked_hashes = self.channel.worked_hashes();
        self.vardiff = algorithm.map(|algorithm| Vardiff::new(algorithm, now, worked_hashes));
        f64::from(nominal_hash_rate)
    }

    /// What shares are held to.
    pub(super) fn aim(&self, shares_per_minute: f64) -> Aim {
        Aim {
            hash_rate: self.hash_rate,
            share_hashes: self.channel.share_hashes(),
            worked_hashes: self.channel.worked_hashes(),
            shares_per_minute,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    AwaitingSetup,
    Open,
    /// We have asked the driver to close it; nothing more is read or sent.
    Closing,
}

impl Downstream {
    pub(super) fn new(generation: u64) -> Self {
        Downstream {
            phase: Phase::AwaitingSetup,
            generation,
            flags: 0,
            negotiated: Negotiated::default(),
            channels: ChannelTable::default(),
            groups: Vec::new(),
            next_id: 1,
            next_job_id: 1,
            seldom: None,
        }
    }

    pub(super) fn open(&mut self, flags: u32) {
        self.phase = Phase::Open;
        self.flags = flags;
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The client cannot read extended jobs, so nothing is sent to groups.
    pub(super) fn requires_standard_jobs(&self) -> bool {
        self.flags & setup_flag::REQUIRES_STANDARD_JOBS != 0
    }

    /// The client brings its own work; the server sends none (AMB-07).
    pub(super) fn selects_work(&self) -> bool {
        self.flags & setup_flag::REQUIRES_WORK_SELECTION != 0
    }

    /// The client was promised jobs whose version it may roll.
    pub(super) fn requires_version_rolling(&self) -> bool {
        self.flags & setup_flag::REQUIRES_VERSION_ROLLING != 0
    }

    /// In hashes per second, of channels that are open or wait for work.
    pub(super) fn hash_rate(&self) -> f64 {
        let open = self.channels.iter().map(|(_, served)| served.hash_rate);
        open.chain(self.waiting().iter().map(OpenRequest::hash_rate)).sum()
    }

    /// Channels and groups share one name space (spec 5.2.3) and no id comes back; `None` when
    /// all are used up.
    pub(super) fn take_id(&mut self) -> Option<u32> {
        let id = self.next_id;
        self.next_id = id.checked_add(1)?;
        Some(id)
    }

    /// Job ids are unique on the connection, so on each channel and its group too (AMB-22).
    pub(super) fn take_job_id(&mut self) -> u32 {
        let id = self.next_job_id;
        // After 2^32 jobs the first are long forgotten.
        self.next_job_id = id.checked_add(1).unwrap_or(1);
        id
    }

    /// Counts a message that earns nothing.
    pub(super) fn count_useless(&mut self, now: Instant, limit: u64) -> Result<(), Violation> {
        self.seldom.get_or_insert_default().useless.count(now, limit)
    }

    /// Opens that are answered as soon as there is work, in order.
    pub(super) fn waiting(&self) -> &[OpenRequest] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.waiting)
    }

    pub(super) fn wait(&mut self, request: OpenRequest) {
        self.seldom.get_or_insert_default().waiting.push(request);
    }

    /// Nobody waits any more.
    pub(super) fn take_waiting(&mut self) -> Vec<OpenRequest> {
        self.seldom.as_mut().map(|seldom| std::mem::take(&mut seldom.waiting)).unwrap_or_default()
    }

    /// Says so of a request for extensions, and whether the one before was refused as well, for
    /// want of something required.
    pub(super) fn refuse_extensions(&mut self, lacks_required: bool) -> bool {
        std::mem::replace(&mut self.seldom.get_or_insert_default().was_refused, lacks_required)
    }
}
