//! Bugs of mining devices: what they work on, and since when.

use std::collections::BTreeMap;

use sv2::message::Message;
use sv2::mining::{NewExtendedMiningJob, NewMiningJob, SetNewPrevHash};
use sv2::role::ConnectionId;
use sv2::wire::U256;

use super::Mutant;
use super::remembering::{Bug, Turn, around, opened};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "device-works-on-future-jobs",
            "Firmware that does not know future jobs: each job is worked on as it comes",
            around::<FutureAtOnce>,
        ),
        Mutant::in_code(
            "device-takes-the-newest-future-job",
            "Firmware that keeps one future job, the newest, whatever SetNewPrevHash names",
            around::<NewestFuture>,
        ),
        Mutant::in_code(
            "device-keeps-the-first-job-of-an-id",
            "Firmware that looks a job up by its id among all that ever came, so that an id that \
             is given again finds the old job",
            around::<FirstOfAnId>,
        ),
        Mutant::in_code(
            "device-renews-running-prefixes",
            "Firmware with one extranonce prefix per channel, which running jobs read as well",
            around::<PrefixAtOnce>,
        ),
        Mutant::in_code(
            "device-renews-running-targets",
            "Firmware with one target per channel, which running jobs are compared with as well",
            around::<TargetAtOnce>,
        ),
        Mutant::in_code(
            "device-keeps-its-first-target",
            "Firmware whose future jobs keep the target of their arrival",
            around::<TargetOfArrival>,
        ),
        Mutant::in_code(
            "device-restarts-time-with-each-job",
            "Firmware that sets the header time back to that of the last SetNewPrevHash with \
             each job",
            around::<TimeOfTip>,
        ),
        Mutant::in_code(
            "device-knows-no-groups",
            "Firmware that compares channel_id with its channel alone",
            around::<GroupsUnknown>,
        ),
        Mutant::in_code(
            "device-joins-groups-for-good",
            "Firmware that adds each group to a list and takes none away",
            around::<GroupsAdded>,
        ),
        Mutant::in_code(
            "device-takes-messages-of-all-channels",
            "Firmware that does not look at channel_id: there is only one channel",
            around::<ChannelsAlike>,
        ),
        Mutant::in_code(
            "device-remembers-its-work",
            "Firmware that goes on with its last job while it waits for the first one of a new \
             connection",
            around::<WorkRemembered>,
        ),
        Mutant::in_code(
            "device-waits-for-another-tip",
            "Firmware that takes a SetNewPrevHash with the prev_hash that it knows for a \
             repetition, whatever job it names",
            around::<SameTipIgnored>,
        ),
    ]
}

/// A job of either kind, as it came.
#[derive(Clone)]
enum Job {
    Standard(NewMiningJob),
    Extended(Box<NewExtendedMiningJob>),
}

impl Job {
    fn of(message: &Message) -> Option<Job> {
        match message {
            Message::NewMiningJob(job) => Some(Job::Standard(job.clone())),
            Message::NewExtendedMiningJob(job) => Some(Job::Extended(job.clone())),
            _ => None,
        }
    }

    fn id(&self) -> u32 {
        match self {
            Job::Standard(job) => job.job_id,
            Job::Extended(job) => job.job_id,
        }
    }

    fn is_future(&self) -> bool {
        match self {
            Job::Standard(job) => job.min_ntime.is_none(),
            Job::Extended(job) => job.min_ntime.is_none(),
        }
    }

    /// The same, to be worked on at once.
    fn active(&self, min_ntime: u32) -> Message {
        let mut job = self.clone();
        match &mut job {
            Job::Standard(job) => job.min_ntime = Some(min_ntime),
            Job::Extended(job) => job.min_ntime = Some(min_ntime),
        }
        job.message()
    }

    fn message(self) -> Message {
        match self {
            Job::Standard(job) => job.into(),
            Job::Extended(job) => Message::NewExtendedMiningJob(job),
        }
    }
}

/// What a device with one channel was told last.
#[derive(Default)]
struct Work {
    tip: Option<SetNewPrevHash>,
    future: Vec<Job>,
    active: Option<Job>,
}

impl Work {
    fn note(&mut self, message: &Message) {
        if let Some(job) = Job::of(message) {
            match job.is_future() {
                true => self.future.push(job),
                false => self.active = Some(job),
            }
        } else if let Message::SetNewPrevHash(tip) = message {
            self.tip = Some(tip.clone());
            let future = std::mem::take(&mut self.future);
            self.active = future.into_iter().rfind(|job| job.id() == tip.job_id);
        }
    }

    /// The job that is worked on, as if it came again.
    fn again(&self) -> Option<Message> {
        Some(self.active.as_ref()?.active(self.tip.as_ref()?.min_ntime))
    }
}

#[derive(Default)]
struct FutureAtOnce(Work);

impl Bug for FutureAtOnce {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let (Some(job), Some(tip)) = (Job::of(&message), &self.0.tip)
            && job.is_future()
        {
            turn.hear(connection, job.active(tip.min_ntime));
        }
        self.0.note(&message);
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct NewestFuture(Option<u32>);

impl Bug for NewestFuture {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        if let Some(job) = Job::of(&message).filter(Job::is_future) {
            self.0 = Some(job.id());
        }
        if let (Message::SetNewPrevHash(tip), Some(newest)) = (&mut message, self.0) {
            tip.job_id = newest;
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct FirstOfAnId(BTreeMap<u32, Job>);

impl Bug for FirstOfAnId {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        match Job::of(&message) {
            Some(job) => {
                let first = self.0.entry(job.id()).or_insert(job).clone();
                turn.hear(connection, first.message());
            }
            None => turn.hear(connection, message),
        }
    }
}

#[derive(Default)]
struct PrefixAtOnce(Work);

impl Bug for PrefixAtOnce {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.0.note(&message);
        let is_prefix = matches!(message, Message::SetExtranoncePrefix(_));
        turn.hear(connection, message);
        if let (true, Some(again)) = (is_prefix, self.0.again()) {
            turn.hear(connection, again);
        }
    }
}

#[derive(Default)]
struct TargetAtOnce(Work);

impl Bug for TargetAtOnce {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.0.note(&message);
        let is_target = matches!(message, Message::SetTarget(_));
        turn.hear(connection, message);
        if let (true, Some(again)) = (is_target, self.0.again()) {
            turn.hear(connection, again);
        }
    }
}

/// A target that comes while a future job waits holds from the job after it on.
#[derive(Default)]
struct TargetOfArrival {
    work: Work,
    held: Vec<Message>,
}

impl Bug for TargetOfArrival {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.work.note(&message);
        if matches!(message, Message::SetTarget(_)) && !self.work.future.is_empty() {
            self.held.push(message);
            return;
        }
        let is_tip = matches!(message, Message::SetNewPrevHash(_));
        turn.hear(connection, message);
        if is_tip {
            for held in self.held.drain(..) {
                turn.hear(connection, held);
            }
        }
    }
}

#[derive(Default)]
struct TimeOfTip(Work);

impl Bug for TimeOfTip {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.0.note(&message);
        match (Job::of(&message), &self.0.tip) {
            (Some(job), Some(tip)) if !job.is_future() => {
                turn.hear(connection, job.active(tip.min_ntime));
            }
            _ => turn.hear(connection, message),
        }
    }
}

/// Of the channel and its group, where there is one channel.
#[derive(Default)]
struct Ids {
    channel: u32,
    group: u32,
}

impl Ids {
    fn note(&mut self, message: &mut Message) {
        if let Some(opened) = opened(message) {
            *self = Ids { channel: opened.channel_id, group: *opened.group_id };
        }
    }
}

#[derive(Default)]
struct GroupsUnknown(Ids);

impl Bug for GroupsUnknown {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(&mut message);
        let is_for_us = match &message {
            Message::NewExtendedMiningJob(job) => job.channel_id == self.0.channel,
            Message::SetNewPrevHash(tip) => tip.channel_id == self.0.channel,
            Message::SetTarget(target) => target.channel_id == self.0.channel,
            Message::CloseChannel(close) => close.channel_id == self.0.channel,
            _ => true,
        };
        if is_for_us {
            turn.hear(connection, message);
        }
    }
}

#[derive(Default)]
struct ChannelsAlike(Ids);

impl Bug for ChannelsAlike {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(&mut message);
        let Ids { channel, group } = self.0;
        match &mut message {
            Message::NewExtendedMiningJob(job) => job.channel_id = group,
            Message::NewMiningJob(job) => job.channel_id = channel,
            Message::SetNewPrevHash(tip) => tip.channel_id = channel,
            Message::SetTarget(target) => target.channel_id = channel,
            Message::CloseChannel(close) => close.channel_id = channel,
            _ => {}
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct SameTipIgnored(Option<U256>);

impl Bug for SameTipIgnored {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if let Message::SetNewPrevHash(tip) = &message
            && self.0.replace(tip.prev_hash) == Some(tip.prev_hash)
        {
            return;
        }
        turn.hear(connection, message);
    }
}

/// Messages for a group that the channel was in are taken for those of its present group.
#[derive(Default)]
struct GroupsAdded {
    ids: Ids,
    left: Vec<u32>,
}

impl Bug for GroupsAdded {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.ids.note(&mut message);
        match &mut message {
            Message::SetGroupChannel(set) => {
                self.left.push(self.ids.group);
                self.ids.group = set.group_channel_id;
            }
            Message::NewExtendedMiningJob(job) if self.left.contains(&job.channel_id) => {
                job.channel_id = self.ids.group;
            }
            _ => {}
        }
        turn.hear(connection, message);
    }
}

/// What was heard on an earlier connection is heard again with the opening of a channel.
#[derive(Default)]
struct WorkRemembered(Work);

impl Bug for WorkRemembered {
    fn hear(&mut self, connection: ConnectionId, mut message: Message, turn: &mut Turn) {
        self.0.note(&message);
        let channel = opened(&mut message).map(|opened| opened.channel_id);
        turn.hear(connection, message);
        let (Some(channel_id), Some(tip), Some(Job::Standard(job))) =
            (channel, &self.0.tip, &self.0.active)
        else {
            return;
        };
        turn.hear(connection, NewMiningJob { channel_id, min_ntime: None, ..job.clone() });
        turn.hear(connection, SetNewPrevHash { channel_id, job_id: job.job_id, ..tip.clone() });
    }
}
