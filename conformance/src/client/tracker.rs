//! What both ends of a connection know of its channels: jobs, tips and targets, as the
//! specification times them, from the messages of both. It believes what they say; that the
//! target keeps the rules is for cases to find out.

use std::collections::BTreeMap;

use bitcoin::TxOut;
use bitcoin::consensus::deserialize;
use bytes::Bytes;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts};
use sv2::mining::header::{Header, coinbase_txid, merkle_root};
use sv2::wire::{Target, U256};

use super::exchange::MessageView;
use crate::case::value::Value;

/// The channels of one connection.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    /// By id, those that were closed included.
    pub channels: BTreeMap<u32, Channel>,
    /// The channel that was opened last.
    pub last_opened: Option<u32>,
    /// Requests that were sent and not answered yet: id, message, max_target.
    requests: Vec<Request>,
    /// All request ids that were sent.
    pub request_ids: Vec<u32>,
    /// Templates whose transaction data were asked for.
    pub data_requests: Vec<u64>,
    /// Custom jobs that were sent and not answered yet.
    custom_jobs: Vec<MessageView>,
    /// All shares that were sent: channel, sequence number.
    pub sequence_numbers: Vec<(u32, u32)>,
    /// Groups that were named, those without members included.
    pub groups: Vec<u32>,
    /// Channels that we have closed, each with the first request that followed: its answer
    /// tells that the target has read it.
    closing: Vec<(u32, Option<u32>)>,
    /// What the last `SetupConnection` asked for.
    pub asked_protocol: Option<u32>,
    /// Whether extensions were asked for.
    pub asked_extensions: bool,
}

#[derive(Clone, Debug)]
struct Request {
    id: u32,
    max_target: Option<U256>,
}

/// A channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its id.
    pub id: u32,
    /// What jobs and shares look like.
    pub kind: ChannelKind,
    /// For jobs to come.
    pub target: U256,
    /// What its client can work with.
    pub max_target: U256,
    /// The target's part of the extranonce; for jobs to come.
    pub extranonce_prefix: Bytes,
    /// Our part of the extranonce, in bytes; 0 on standard channels.
    pub extranonce_size: usize,
    /// The group that it belongs to.
    pub group: Option<u32>,
    /// By id, the last one of each.
    pub jobs: BTreeMap<u32, Job>,
    /// In the order in which they came.
    pub job_order: Vec<u32>,
    /// The block to build on.
    pub tip: Option<Tip>,
    /// Whether it was closed by anyone.
    pub is_closed: bool,
    /// Whether the target knows that: what it sends before it has read our `CloseChannel` is no
    /// fault of its own.
    pub is_surely_closed: bool,
}

/// What jobs and shares of a channel look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Header-only mining.
    Standard,
    /// The client rolls an extranonce.
    Extended,
}

/// The block to build on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Of the header.
    pub prev_hash: U256,
    /// Smallest header time.
    pub min_ntime: u32,
    /// Compact network target.
    pub nbits: u32,
}

/// A job of a channel.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: u32,
    /// Smallest header time of its own, if it came with one.
    pub min_ntime: Option<u32>,
    /// Of the header.
    pub version: u32,
    /// Whether the version may be rolled; on standard channels that is not said.
    pub version_rolling_allowed: bool,
    /// What its merkle root comes from.
    pub body: JobBody,
    /// Whether its shares count.
    pub state: JobState,
    /// Fixed when it became active.
    pub target: Option<U256>,
    /// The block that it builds on, once it is active.
    pub tip: Option<Tip>,
}

/// What the merkle root of a job comes from.
#[derive(Clone, Debug)]
pub enum JobBody {
    /// It was sent.
    Root(U256),
    /// It is computed.
    Coinbase {
        /// Up to the extranonce.
        prefix: Bytes,
        /// Behind it.
        suffix: Bytes,
        /// From the deepest branch to the root.
        path: Vec<U256>,
        /// The target's part of the extranonce, as it was when the job came.
        extranonce_prefix: Bytes,
    },
}

/// Whether shares of a job count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// From the `SetNewPrevHash` on that names it.
    Future,
    /// Yes, it is the latest.
    Active,
    /// Yes, although there is a newer one for the same tip.
    Past,
    /// No: the tip has changed.
    Stale,
}

impl Tracker {
    /// Takes note of a message, of the client or of the server.
    pub fn note(&mut self, is_client: bool, message: &MessageView) {
        match is_client {
            true => self.sent(message),
            false => self.received(message),
        }
    }

    /// Takes note of a message of the client.
    pub fn sent(&mut self, message: &MessageView) {
        let number = |name| message.number(name);
        if let Some(id) = number("request_id") {
            self.request_ids.push(id);
            for (_, follower) in &mut self.closing {
                follower.get_or_insert(id);
            }
            let max_target = message.field("max_target").and_then(Value::as_u256);
            self.requests.push(Request { id, max_target });
        }
        if let (Some(channel), Some(sequence)) = (number("channel_id"), number("sequence_number")) {
            self.sequence_numbers.push((channel, sequence));
        }
        match (message.descriptor.name, number("channel_id")) {
            ("UpdateChannel", Some(id)) => {
                let max_target = message.field("maximum_target").and_then(Value::as_u256);
                if let (Some(channel), Some(max)) = (self.channels.get_mut(&id), max_target) {
                    channel.max_target = max;
                }
            }
            ("CloseChannel", Some(id)) => {
                let closed = self.members(id);
                self.closing.extend(closed.into_iter().map(|channel| (channel, None)));
                self.close(id);
            }
            ("RequestExtensions", _) => self.asked_extensions = true,
            ("SetCustomMiningJob", _) => self.custom_jobs.push(message.clone()),
            ("RequestTransactionData", _) => {
                self.data_requests.extend(message.field("template_id").and_then(Value::as_int));
            }
            ("SetupConnection", _) => self.asked_protocol = number("protocol"),
            _ => {}
        }
    }

    /// Takes note of a message of the server.
    pub fn received(&mut self, message: &MessageView) {
        let number = |name| message.number(name);
        let u256 = |name| message.field(name).and_then(Value::as_u256);
        if let Some(id) = number("request_id") {
            let (read, unread) = std::mem::take(&mut self.closing)
                .into_iter()
                .partition(|(_, follower)| *follower == Some(id));
            self.closing = unread;
            for (channel, _) in read {
                self.each(Some(channel), |channel| channel.is_surely_closed = true);
            }
        }
        match message.descriptor.name {
            "OpenStandardMiningChannel.Success" => self.open(message, ChannelKind::Standard),
            "OpenExtendedMiningChannel.Success" => self.open(message, ChannelKind::Extended),
            "CloseChannel" => {
                if let Some(id) = number("channel_id") {
                    self.close(id);
                    self.each(Some(id), |channel| channel.is_surely_closed = true);
                }
            }
            "SetTarget" => {
                let target = u256("maximum_target");
                self.each(number("channel_id"), |channel| {
                    channel.target = target.unwrap_or(channel.target);
                });
            }
            "SetExtranoncePrefix" => {
                let prefix = message.field("extranonce_prefix").and_then(Value::as_bytes);
                self.each(number("channel_id"), |channel| {
                    if let Some(prefix) = prefix {
                        channel.extranonce_prefix = prefix.clone();
                    }
                });
            }
            "SetGroupChannel" => {
                let (group, members) = (number("group_channel_id"), message.field("channel_ids"));
                if let (Some(group), Some(Value::List(members))) = (group, members) {
                    self.groups.push(group);
                    for id in members.iter().filter_map(Value::as_u32) {
                        if let Some(channel) = self.channels.get_mut(&id) {
                            channel.group = Some(group);
                        }
                    }
                }
            }
            "NewMiningJob" => {
                if let Some(root) = u256("merkle_root") {
                    self.add_job(message, |_| JobBody::Root(root));
                }
            }
            "NewExtendedMiningJob" => {
                let bytes = |name| message.field(name).and_then(Value::as_bytes).cloned();
                let (Some(prefix), Some(suffix)) =
                    (bytes("coinbase_tx_prefix"), bytes("coinbase_tx_suffix"))
                else {
                    return;
                };
                let path: Vec<U256> = match message.field("merkle_path") {
                    Some(Value::List(path)) => path.iter().filter_map(Value::as_u256).collect(),
                    _ => Vec::new(),
                };
                self.add_job(message, |channel| JobBody::Coinbase {
                    prefix: prefix.clone(),
                    suffix: suffix.clone(),
                    path: path.clone(),
                    extranonce_prefix: channel.extranonce_prefix.clone(),
                });
            }
            "SetNewPrevHash" => self.set_tip(message),
            "SetCustomMiningJob.Success" | "SetCustomMiningJob.Error" => {
                let Some(id) = number("request_id") else { return };
                self.requests.retain(|request| request.id != id);
                let (answered, open) = std::mem::take(&mut self.custom_jobs)
                    .into_iter()
                    .partition(|asked: &MessageView| asked.number("request_id") == Some(id));
                self.custom_jobs = open;
                if let (Some(job_id), [asked, ..]) = (number("job_id"), &answered[..]) {
                    self.set_custom_job(job_id, asked);
                }
            }
            "OpenMiningChannel.Error" => {
                if let Some(id) = number("request_id") {
                    self.requests.retain(|request| request.id != id);
                }
            }
            _ => {}
        }
    }

    /// The max_target of a request that was not answered yet.
    pub fn asked_max_target(&self, request: u32) -> Option<U256> {
        self.requests.iter().find(|one| one.id == request)?.max_target
    }

    /// The channels that a message for `id` concerns: the channel, or a group's members.
    pub fn members(&self, id: u32) -> Vec<u32> {
        self.channels
            .values()
            .filter(|channel| !channel.is_closed && (channel.id == id || channel.group == Some(id)))
            .map(|channel| channel.id)
            .collect()
    }

    /// The group that an id names, or that the channel of that id is in.
    pub fn group_of(&self, id: u32) -> Option<u32> {
        match self.channels.get(&id) {
            Some(channel) => channel.group,
            None => self.groups.contains(&id).then_some(id),
        }
    }

    /// Whether a message may be addressed to `id`.
    pub fn is_known(&self, id: u32) -> bool {
        self.groups.contains(&id) || self.channels.contains_key(&id)
    }

    fn each(&mut self, id: Option<u32>, mut change: impl FnMut(&mut Channel)) {
        let Some(id) = id else { return };
        for channel in self.channels.values_mut() {
            if channel.id == id || channel.group == Some(id) {
                change(channel);
            }
        }
    }

    fn open(&mut self, message: &MessageView, kind: ChannelKind) {
        let Some(id) = message.number("channel_id") else { return };
        let request = message.number("request_id");
        let max_target = request.and_then(|id| {
            let at = self.requests.iter().position(|request| request.id == id)?;
            self.requests.remove(at).max_target
        });
        let group = message.number("group_channel_id");
        self.groups.extend(group);
        self.last_opened = Some(id);
        let channel = Channel {
            id,
            kind,
            target: message.field("target").and_then(Value::as_u256).unwrap_or(U256::MAX),
            max_target: max_target.unwrap_or(U256::MAX),
            extranonce_prefix: message
                .field("extranonce_prefix")
                .and_then(Value::as_bytes)
                .cloned()
                .unwrap_or_default(),
            extranonce_size: message
                .number("extranonce_size")
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(0),
            group,
            jobs: BTreeMap::new(),
            job_order: Vec::new(),
            tip: None,
            is_closed: false,
            is_surely_closed: false,
        };
        self.channels.insert(id, channel);
    }

    fn close(&mut self, id: u32) {
        self.each(Some(id), |channel| channel.is_closed = true);
    }

    fn add_job(&mut self, message: &MessageView, body: impl Fn(&Channel) -> JobBody) {
        let Some(id) = message.number("job_id") else { return };
        let version = message.number("version").unwrap_or(0);
        let version_rolling_allowed =
            message.field("version_rolling_allowed").and_then(Value::as_int) != Some(0);
        let min_ntime = message.number("min_ntime");
        self.each(message.number("channel_id"), |channel| {
            let is_future = min_ntime.is_none();
            channel.activate(Job {
                id,
                min_ntime,
                version,
                version_rolling_allowed,
                body: body(channel),
                state: if is_future { JobState::Future } else { JobState::Active },
                target: (!is_future).then_some(channel.target),
                tip: if is_future { None } else { channel.tip },
            });
        });
    }

    /// A job that we have brought is ours to work on (spec 5.3.19). One that makes no coinbase
    /// transaction, which no target should have taken, is none.
    fn set_custom_job(&mut self, id: u32, asked: &MessageView) {
        let number = |name| asked.number(name).unwrap_or(0);
        let bytes = |name| asked.field(name).and_then(Value::as_bytes).cloned().unwrap_or_default();
        let Ok(outputs) = deserialize::<Vec<TxOut>>(&bytes("coinbase_tx_outputs")) else { return };
        let path: Vec<U256> = match asked.field("merkle_path") {
            Some(Value::List(path)) => path.iter().filter_map(Value::as_u256).collect(),
            _ => Vec::new(),
        };
        let tip = Tip {
            prev_hash: asked.field("prev_hash").and_then(Value::as_u256).unwrap_or(U256::ZERO),
            min_ntime: number("min_ntime"),
            nbits: number("nbits"),
        };
        self.each(asked.number("channel_id"), |channel| {
            let coinbase = Coinbase::assemble(&CoinbaseParts {
                version: number("coinbase_tx_version"),
                script_start: &bytes("coinbase_prefix"),
                extranonce_len: channel.extranonce_prefix.len() + channel.extranonce_size,
                sequence: number("coinbase_tx_input_n_sequence"),
                outputs: &outputs,
                locktime: number("coinbase_tx_locktime"),
            });
            let Ok(coinbase) = coinbase else { return };
            let part = |part: &[u8]| Bytes::copy_from_slice(part);
            let body = JobBody::Coinbase {
                prefix: part(coinbase.prefix().as_slice()),
                suffix: part(coinbase.suffix().as_slice()),
                path: path.clone(),
                extranonce_prefix: channel.extranonce_prefix.clone(),
            };
            channel.activate(Job {
                id,
                min_ntime: Some(tip.min_ntime),
                version: number("version"),
                version_rolling_allowed: true,
                body,
                state: JobState::Active,
                target: Some(channel.target),
                tip: Some(tip),
            });
        });
    }

    fn set_tip(&mut self, message: &MessageView) {
        let (Some(job_id), Some(prev_hash)) =
            (message.number("job_id"), message.field("prev_hash").and_then(Value::as_u256))
        else {
            return;
        };
        let tip = Tip {
            prev_hash,
            min_ntime: message.number("min_ntime").unwrap_or(0),
            nbits: message.number("nbits").unwrap_or(0),
        };
        self.each(message.number("channel_id"), |channel| {
            channel.tip = Some(tip);
            let target = channel.target;
            for job in channel.jobs.values_mut() {
                if job.id == job_id && job.state == JobState::Future {
                    job.state = JobState::Active;
                    job.tip = Some(tip);
                    job.target = Some(target);
                } else {
                    job.state = JobState::Stale;
                }
            }
        });
    }
}

impl Channel {
    /// Takes a job; one that is active takes the place of another.
    fn activate(&mut self, job: Job) {
        if job.state == JobState::Active {
            for other in self.jobs.values_mut().filter(|one| one.state == JobState::Active) {
                other.state = JobState::Past;
            }
        }
        self.job_order.retain(|other| *other != job.id);
        self.job_order.push(job.id);
        self.jobs.insert(job.id, job);
    }

    /// The newest job in one of these states.
    pub fn newest(&self, states: &[JobState]) -> Option<&Job> {
        self.job_order
            .iter()
            .rev()
            .filter_map(|id| self.jobs.get(id))
            .find(|job| states.contains(&job.state))
    }

    /// The job that a client works on.
    pub fn active(&self) -> Option<&Job> {
        self.newest(&[JobState::Active])
    }

    /// As cases see it.
    pub fn record(&self) -> Value {
        Value::record([
            ("id", Value::Int(self.id.into())),
            (
                "kind",
                Value::text(match self.kind {
                    ChannelKind::Standard => "standard",
                    ChannelKind::Extended => "extended",
                }),
            ),
            ("target", Value::U256(self.target)),
            ("max_target", Value::U256(self.max_target)),
            ("extranonce_prefix", Value::Bytes(self.extranonce_prefix.clone())),
            ("extranonce_size", Value::Int(self.extranonce_size as u64)),
            ("group", Value::Int(self.group.unwrap_or(0).into())),
            (
                "jobs",
                Value::List(self.job_order.iter().map(|id| Value::Int((*id).into())).collect()),
            ),
        ])
    }
}

impl Job {
    /// Smallest header time that the target must accept.
    pub fn ntime(&self, tip: Option<&Tip>) -> u32 {
        let tip_time = tip.map_or(0, |tip| tip.min_ntime);
        self.min_ntime.unwrap_or(0).max(tip_time)
    }

    /// As cases see it; of a future job, tip and target are the channel's.
    pub fn record(&self, channel: &Channel) -> Value {
        let tip = self.tip.or(channel.tip);
        Value::record([
            ("id", Value::Int(self.id.into())),
            ("version", Value::Int(self.version.into())),
            ("ntime", Value::Int(self.ntime(tip.as_ref()).into())),
            (
                "min_ntime",
                Value::List(
                    self.min_ntime.map(|time| Value::Int(time.into())).into_iter().collect(),
                ),
            ),
            ("is_future", Value::Bool(self.state == JobState::Future)),
            ("target", Value::U256(self.target.unwrap_or(channel.target))),
            ("prev_hash", Value::U256(tip.map_or(U256::ZERO, |tip| tip.prev_hash))),
            ("nbits", Value::Int(tip.map_or(0, |tip| tip.nbits).into())),
            ("version_rolling_allowed", Value::Bool(self.version_rolling_allowed)),
        ])
    }

    /// The header of a share; `extranonce` is our part of it.
    pub fn header(&self, tip: &Tip, version: u32, extranonce: &[u8], ntime: u32) -> Header {
        let root = match &self.body {
            JobBody::Root(root) => *root,
            JobBody::Coinbase { prefix, suffix, path, extranonce_prefix } => {
                merkle_root(coinbase_txid(prefix, extranonce_prefix, extranonce, suffix), path)
            }
        };
        Header {
            version,
            prev_hash: tip.prev_hash,
            merkle_root: root,
            ntime,
            nbits: tip.nbits,
            nonce: 0,
        }
    }
}

impl Tip {
    /// The largest hash that is a block.
    pub fn network_target(&self) -> Target {
        Target::from_compact(self.nbits).unwrap_or_default()
    }

    /// As cases see it.
    pub fn record(&self) -> Value {
        Value::record([
            ("prev_hash", Value::U256(self.prev_hash)),
            ("min_ntime", Value::Int(self.min_ntime.into())),
            ("nbits", Value::Int(self.nbits.into())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use sv2::message::Message;
    use sv2::mining::{
        CloseChannel, NewMiningJob, OpenMiningChannelError, OpenStandardMiningChannel,
        OpenStandardMiningChannelSuccess, SetCustomMiningJob, SetCustomMiningJobError,
        SetCustomMiningJobSuccess, SetNewPrevHash, SetTarget,
    };
    use sv2::wire::{B32, B64K, B255, Seq255, Str255, Tlvs};

    use super::*;
    use crate::client::exchange::FrameView;

    fn receive(tracker: &mut Tracker, message: impl Into<Message>) {
        let frame = message.into().to_frame(&Tlvs::NONE);
        tracker.received(FrameView::of(&frame).message().unwrap());
    }

    fn target(number: u64) -> Target {
        Target(U256::from_limbs([number, 0, 0, 0]))
    }

    fn job(job_id: u32, min_ntime: Option<u32>) -> NewMiningJob {
        NewMiningJob { channel_id: 3, job_id, min_ntime, version: 4, merkle_root: U256::MAX }
    }

    fn new_tip(job_id: u32) -> SetNewPrevHash {
        let prev_hash = U256::ZERO;
        SetNewPrevHash { channel_id: 9, job_id, prev_hash, min_ntime: 50, nbits: 0x207f_ffff }
    }

    fn opened() -> Tracker {
        let mut tracker = Tracker::default();
        receive(
            &mut tracker,
            OpenStandardMiningChannelSuccess {
                request_id: 1,
                channel_id: 3,
                target: target(100),
                extranonce_prefix: B32::default(),
                group_channel_id: 9,
            },
        );
        tracker
    }

    fn states(tracker: &Tracker) -> Vec<(u32, JobState, Option<U256>)> {
        let jobs = tracker.channels[&3].jobs.values();
        jobs.map(|job| (job.id, job.state, job.target)).collect()
    }

    #[test]
    fn a_target_is_fixed_when_its_job_becomes_active() {
        let mut tracker = opened();
        receive(&mut tracker, job(1, None));
        receive(&mut tracker, SetTarget { channel_id: 9, maximum_target: target(70) });
        receive(&mut tracker, new_tip(1));

        receive(&mut tracker, SetTarget { channel_id: 3, maximum_target: target(50) });
        receive(&mut tracker, job(2, Some(60)));

        let target = |number| Some(U256::from_limbs([number, 0, 0, 0]));
        assert_eq!(
            states(&tracker),
            [(1, JobState::Past, target(70)), (2, JobState::Active, target(50))]
        );
    }

    #[test]
    fn a_new_tip_makes_all_other_jobs_stale_future_ones_too() {
        let mut tracker = opened();
        receive(&mut tracker, job(1, Some(60)));
        receive(&mut tracker, job(2, None));
        receive(&mut tracker, job(3, None));

        receive(&mut tracker, new_tip(3));

        let states: Vec<JobState> =
            states(&tracker).into_iter().map(|(_, state, _)| state).collect();
        assert_eq!(states, [JobState::Stale, JobState::Stale, JobState::Active]);
    }

    #[test]
    fn a_custom_job_is_worked_on_once_it_was_accepted() {
        let mut tracker = opened();
        receive(&mut tracker, job(1, Some(60)));
        let request = |request_id| SetCustomMiningJob {
            channel_id: 3,
            request_id,
            mining_job_token: B255::default(),
            version: 4,
            prev_hash: U256::MAX,
            min_ntime: 70,
            nbits: 0x207f_ffff,
            coinbase_tx_version: 2,
            coinbase_prefix: B255::new(vec![1, 102]).unwrap(),
            coinbase_tx_input_n_sequence: u32::MAX,
            coinbase_tx_outputs: B64K::new(vec![0]).unwrap(),
            coinbase_tx_locktime: 0,
            merkle_path: Seq255::default(),
        };
        for request_id in [5, 6] {
            let frame = Message::from(request(request_id)).to_frame(&Tlvs::NONE);
            tracker.sent(FrameView::of(&frame).message().unwrap());
        }

        let error_code = Str255::from_static("no");
        receive(&mut tracker, SetCustomMiningJobError { channel_id: 3, request_id: 5, error_code });
        let refused = states(&tracker);
        receive(
            &mut tracker,
            SetCustomMiningJobSuccess { channel_id: 3, request_id: 6, job_id: 9 },
        );

        let target = |number| Some(U256::from_limbs([number, 0, 0, 0]));
        assert_eq!(refused, [(1, JobState::Active, target(100))]);
        let accepted = [(1, JobState::Past, target(100)), (9, JobState::Active, target(100))];
        assert_eq!(states(&tracker), accepted);
        assert_eq!(tracker.channels[&3].jobs[&9].tip.map(|tip| tip.prev_hash), Some(U256::MAX));
    }

    #[test]
    fn a_channel_is_surely_closed_when_a_later_request_is_answered() {
        let mut tracker = opened();
        let send = |tracker: &mut Tracker, message: Message| {
            let frame = message.to_frame(&Tlvs::NONE);
            tracker.sent(FrameView::of(&frame).message().unwrap());
        };
        let reason_code = Str255::from_static("done");
        send(&mut tracker, CloseChannel { channel_id: 3, reason_code }.into());
        let before = tracker.channels[&3].is_surely_closed;

        let request = OpenStandardMiningChannel {
            request_id: 2,
            user_identity: Str255::default(),
            nominal_hash_rate: 1.0,
            max_target: target(100),
        };
        send(&mut tracker, request.into());
        let error_code = Str255::from_static("no");
        receive(&mut tracker, OpenMiningChannelError { request_id: 2, error_code });

        assert_eq!((before, tracker.channels[&3].is_surely_closed), (false, true));
    }
}
