//! Any order of events keeps the promises that a client relies on: a witness on each
//! connection checks every message against what came before it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::mining::{CloseChannel, UpdateChannel};
use crate::role::DialFailure;

#[derive(Clone, Debug)]
enum Step {
    Join(u32, u32),
    /// A second one, or on a connection that is gone.
    Setup(u32),
    Open(u32, bool, u16),
    Update(u32, u32, f32),
    Close(u32, u32),
    Share(u32, u32, u32, u32),
    Lose(u32),
    Provider(bool),
    Template(bool),
    /// Names one of the last templates, counted back from the newest; sometimes none.
    Tip(u64, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let connection = 3_u32..6;
    let id = 0_u32..12;
    prop_oneof![
        16 => (connection.clone(), 0_u32..2).prop_map(|(at, flags)| Step::Join(at, flags)),
        1 => connection.clone().prop_map(Step::Setup),
        32 => (connection.clone(), any::<bool>(), 0_u16..40)
            .prop_map(|(at, is_standard, size)| Step::Open(at, is_standard, size)),
        8 => (connection.clone(), id.clone(), any::<f32>())
            .prop_map(|(at, id, rate)| Step::Update(at, id, rate)),
        8 => (connection.clone(), id.clone()).prop_map(|(at, id)| Step::Close(at, id)),
        32 => (connection.clone(), id, 0_u32..12, 0_u32..4)
            .prop_map(|(at, id, job, nonce)| Step::Share(at, id, job, nonce)),
        1 => connection.prop_map(Step::Lose),
        8 => prop::bool::weighted(0.8).prop_map(Step::Provider),
        48 => any::<bool>().prop_map(Step::Template),
        24 => (0_u64..4, 0_u64..5).prop_map(|(back, block)| Step::Tip(back, block)),
        8 => (0_u64..40).prop_map(Step::Pass),
    ]
}

/// What one client has been told.
#[derive(Default)]
struct Witness {
    requires_standard_jobs: bool,
    /// Channel to group; `true` for a standard one.
    open: BTreeMap<u32, (u32, bool)>,
    ever: BTreeSet<u32>,
    groups: BTreeMap<u32, usize>,
    /// Future jobs by the id that they were sent to.
    futures: BTreeSet<(u32, u32)>,
    job_ids: BTreeSet<(u32, u32)>,
    has_tip: BTreeSet<u32>,
}

impl Witness {
    fn opened(&mut self, id: u32, group: u32, is_standard: bool, full_len: usize) {
        assert!(self.ever.insert(id), "channel {id} came twice");
        assert!(!self.groups.contains_key(&id) && !self.ever.contains(&group));
        assert_eq!(*self.groups.entry(group).or_insert(full_len), full_len);
        self.open.insert(id, (group, is_standard));
    }

    /// Channels that a message to this id reaches.
    fn reached(&self, id: u32) -> Vec<u32> {
        let reaches =
            |(channel, (group, _)): &(&u32, &(u32, bool))| **channel == id || *group == id;
        let reached: Vec<u32> = self.open.iter().filter(reaches).map(|(id, _)| *id).collect();
        assert!(!reached.is_empty(), "nobody is reached by {id}");
        assert!(!(self.requires_standard_jobs && self.groups.contains_key(&id)));
        reached
    }

    fn job(&mut self, to: u32, job_id: u32, min_ntime: Option<u32>) {
        for channel in self.reached(to) {
            assert!(self.job_ids.insert((channel, job_id)), "job {job_id} came twice");
            match min_ntime {
                None => _ = self.futures.insert((channel, job_id)),
                Some(_) => assert!(self.has_tip.contains(&channel), "an active job without a tip"),
            }
        }
    }

    fn hear(&mut self, message: &Message) {
        match message {
            Message::OpenStandardMiningChannelSuccess(success) => {
                let full_len = success.extranonce_prefix.as_slice().len();
                self.opened(success.channel_id, success.group_channel_id, true, full_len);
            }
            Message::OpenExtendedMiningChannelSuccess(success) => {
                let full_len = success.extranonce_prefix.as_slice().len()
                    + usize::from(success.extranonce_size);
                assert!(!self.requires_standard_jobs && full_len <= 32);
                self.opened(success.channel_id, success.group_channel_id, false, full_len);
            }
            Message::NewMiningJob(job) => {
                assert!(self.open[&job.channel_id].1, "a standard job on an extended channel");
                self.job(job.channel_id, job.job_id, job.min_ntime);
            }
            Message::NewExtendedMiningJob(job) => {
                let is_standard = self.open.get(&job.channel_id).is_some_and(|open| open.1);
                assert!(!is_standard, "an extended job on a standard channel");
                self.job(job.channel_id, job.job_id, job.min_ntime);
            }
            Message::SetNewPrevHash(news) => {
                for channel in self.reached(news.channel_id) {
                    let named = (channel, news.job_id);
                    assert!(self.futures.contains(&named), "{news:?} names no future job");
                    self.futures.retain(|(of, _)| *of != channel);
                    self.has_tip.insert(channel);
                }
            }
            Message::SetTarget(set) => _ = self.reached(set.channel_id),
            Message::SubmitSharesSuccess(success) => {
                assert!(self.open.contains_key(&success.channel_id));
            }
            _ => {}
        }
    }

    fn closes(&mut self, id: u32) {
        self.open.retain(|channel, (group, _)| *channel != id && *group != id);
    }
}

#[derive(Default)]
struct Stage {
    witnesses: BTreeMap<u32, Witness>,
    live: BTreeSet<u32>,
    provider: bool,
    dial: u32,
    template_id: u64,
}

impl Stage {
    fn look(&mut self, bench: &mut Bench, outputs: Vec<Output>) {
        let mut lost = Vec::new();
        for output in outputs {
            match output {
                Output::Send { connection, message, .. } if connection != PROVIDER => {
                    self.witnesses.get_mut(&connection.0).unwrap().hear(&message);
                }
                Output::Close { connection, .. } => lost.push(connection),
                Output::Dial { dial, .. } => self.dial = dial.0,
                _ => {}
            }
        }
        for connection in lost {
            if connection == PROVIDER {
                self.provider = false;
            }
            self.live.remove(&connection.0);
            self.witnesses.remove(&connection.0);
            let outputs = bench.closed(connection);
            self.look(bench, outputs);
        }
    }

    fn play(&mut self, bench: &mut Bench, step: Step) {
        let is_live = |at: &u32| self.live.contains(at);
        let outputs = match step {
            Step::Join(at, flags) if !is_live(&at) => {
                self.live.insert(at);
                let requires_standard_jobs = flags == 1;
                self.witnesses.insert(at, Witness { requires_standard_jobs, ..Witness::default() });
                bench.connect(ConnectionId(at));
                bench.receive(ConnectionId(at), setup(flags))
            }
            Step::Setup(at) if is_live(&at) => bench.receive(ConnectionId(at), setup(0)),
            Step::Open(at, true, _) if is_live(&at) => {
                bench.receive(ConnectionId(at), standard_request(1))
            }
            Step::Open(at, false, min_extranonce_size) if is_live(&at) => {
                let request =
                    OpenExtendedMiningChannel { min_extranonce_size, ..extended_request(1) };
                bench.receive(ConnectionId(at), request)
            }
            Step::Update(at, channel_id, nominal_hash_rate) if is_live(&at) => {
                let maximum_target = Target::DIFFICULTY_1;
                let update = UpdateChannel { channel_id, nominal_hash_rate, maximum_target };
                bench.receive(ConnectionId(at), update)
            }
            Step::Close(at, channel_id) if is_live(&at) => {
                self.witnesses.get_mut(&at).unwrap().closes(channel_id);
                let close = CloseChannel { channel_id, reason_code: Str255::default() };
                bench.receive(ConnectionId(at), close)
            }
            Step::Share(at, channel_id, job_id, nonce) if is_live(&at) => {
                bench.receive(ConnectionId(at), share(channel_id, job_id, nonce))
            }
            Step::Lose(at) if is_live(&at) => {
                self.live.remove(&at);
                self.witnesses.remove(&at);
                bench.closed(ConnectionId(at))
            }
            Step::Provider(true) if !self.provider => {
                let via = Via::Dial(DialId(self.dial));
                bench.give(Input::Connected { connection: PROVIDER, via });
                let outputs =
                    bench.receive(PROVIDER, SetupConnectionSuccess { used_version: 2, flags: 0 });
                // While the pool waits to dial again, a late connection is closed.
                self.provider = !outputs.is_empty();
                outputs
            }
            Step::Provider(false) if self.provider => {
                self.provider = false;
                bench.closed(PROVIDER)
            }
            Step::Provider(false) => {
                let reason = DialFailure::Unreachable(String::new());
                bench.give(Input::DialFailed { dial: DialId(self.dial), reason })
            }
            Step::Template(future) if self.provider => {
                self.template_id += 1;
                bench.template(self.template_id, future)
            }
            Step::Tip(back, block) if self.provider => {
                bench.tip(self.template_id.saturating_sub(back), block)
            }
            Step::Pass(seconds) => bench.pass(Duration::from_secs(seconds)),
            _ => return,
        };
        self.look(bench, outputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_order_of_events_breaks_a_promise(steps in prop::collection::vec(step(), 0..200)) {
        let mut bench = Bench::new(easy());
        let mut stage = Stage::default();
        for step in [Step::Provider(true), Step::Template(true), Step::Tip(0, 1)] {
            stage.play(&mut bench, step);
        }
        for step in steps {
            stage.play(&mut bench, step);
        }
    }
}
