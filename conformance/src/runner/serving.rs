//! The suite as a mining server: it answers what a case does not take into its own hands, as a
//! polite pool would. What it says by itself is not a stimulus, and a case sees the requests
//! all the same.

use std::collections::{BTreeMap, BTreeSet};

use sv2::message::by_name;
use sv2::mining::{error_code, setup_flag};
use sv2::wire::{Target, U256};

use super::call::Arguments;
use super::connection::{Connection, ItemWhat};
use super::mint::Mint;
use super::shares::judge;
use super::{Session, Stop};
use crate::case::step::{Accept, Refusal};
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::{MessageView, What};
use crate::client::line::LineView;
use crate::client::tracker::ChannelKind;

/// What the suite is to a target that has dialled it.
pub(super) struct Service {
    /// Messages that the case answers.
    by_hand: Vec<&'static str>,
    refuses: Refusal,
    /// Of custom jobs, where the case names one.
    refusal_code: Option<Value>,
    /// Items that were looked at.
    served: usize,
    /// The target brings its own jobs.
    selects_work: bool,
    extensions: Vec<u16>,
    /// Between two shares of a channel, on average.
    pub(super) share_seconds: f64,
    /// By the length of whole extranonces: a group's channels have the same (spec 5.2.3).
    groups: BTreeMap<usize, u32>,
    next_id: u32,
    /// Hashes per second, as claimed, by channel.
    pub(super) rates: BTreeMap<u32, f64>,
    /// The same by request, for channels that are yet to be opened.
    asked_rates: BTreeMap<u32, f64>,
    /// Of all shares so far.
    pub(super) hashes: BTreeSet<U256>,
}

impl Service {
    pub(super) fn new(accept: &Accept, share_seconds: f64) -> Service {
        Service {
            by_hand: accept.by_hand.clone(),
            refuses: accept.refuses,
            refusal_code: None,
            served: 0,
            selects_work: false,
            extensions: accept.extensions.clone(),
            share_seconds,
            groups: BTreeMap::new(),
            next_id: FIRST_CHANNEL,
            rates: BTreeMap::new(),
            asked_rates: BTreeMap::new(),
            hashes: BTreeSet::new(),
        }
    }

    /// Items were cleared.
    pub(super) fn forget(&mut self) {
        self.served = 0;
    }

    /// A number that no channel or group of the connection has had.
    pub(super) fn fresh_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// The group of channels with whole extranonces of so many bytes.
    pub(super) fn group(&mut self, extranonce_len: usize) -> u32 {
        if let Some(group) = self.groups.get(&extranonce_len) {
            return *group;
        }
        let group = self.fresh_id();
        self.groups.insert(extranonce_len, group);
        group
    }

    /// A message of ours that may open a channel: it claims what its request claimed.
    pub(super) fn note_sent(&mut self, message: &MessageView) {
        let is_open =
            message.descriptor.name.starts_with("Open") && message.field("target").is_some();
        let ids = (message.number("request_id"), message.number("channel_id"));
        if let (true, (Some(request), Some(channel))) = (is_open, ids)
            && let Some(rate) = self.asked_rates.get(&request)
        {
            self.rates.insert(channel, *rate);
        }
    }

    /// What a share costs a client that claims so many hashes per second.
    pub(super) fn target(&self, hash_rate: f64, max_target: U256) -> Target {
        let hashes = (hash_rate * self.share_seconds).max(SHARE_HASHES_MIN);
        Target::from_expected_hashes(hashes).min(Target(max_target))
    }
}

impl Session<'_> {
    pub(super) fn share_seconds(&self, on: &str, accept: &Accept) -> Result<f64, Stop> {
        let Some(expression) = &accept.share_seconds else { return Ok(SHARE_SECONDS) };
        match expression.evaluate(&self.view(on))? {
            Value::F32(seconds) => Ok(seconds.into()),
            value => {
                #[expect(clippy::cast_precision_loss, reason = "seconds")]
                let seconds = value.as_int().map(|seconds| seconds as f64);
                let wrong = || EvaluationError(format!("{value} is no time"));
                Ok(seconds.ok_or_else(wrong)?)
            }
        }
    }

    /// The suite's chain, which begins when it is first asked for.
    pub(super) fn mint(&mut self) -> &mut Mint {
        let (now, entropy) = (self.world.now(), self.entropy.fork("mint", 0));
        let settings = &self.permutation.case.world;
        self.mint.get_or_insert_with(|| Mint::new(settings, now, entropy))
    }

    /// Answers what has come and was not looked at yet.
    pub(super) fn serve(&mut self, on: &str) {
        while let Some(line) = self.connections.get_mut(on).and_then(next_line) {
            self.answer_line(on, &line);
        }
        while let Some(message) = self.connections.get_mut(on).and_then(next_request) {
            if let Err(stop) = self.answer(on, &message) {
                let why = format!("the suite has no answer: {}", stop.0.because);
                self.note_on(on, What::Note(why));
            }
        }
    }

    fn answer(&mut self, on: &str, message: &MessageView) -> Result<(), Stop> {
        let number = |name| message.number(name).unwrap_or(0);
        let channel = number("channel_id");
        let refuses = self.service(on).map(|service| service.refuses).unwrap_or_default();
        match message.descriptor.name {
            "SetupConnection" if refuses == Refusal::Setup => {
                self.say(on, "SetupConnection.Error", &[])
            }
            "OpenStandardMiningChannel" | "OpenExtendedMiningChannel"
                if refuses == Refusal::Channels =>
            {
                self.say(on, "OpenMiningChannel.Error", &[])
            }
            "SetupConnection" => {
                let speaks_2 = (number("min_version")..=number("max_version")).contains(&2);
                match number("protocol") == MINING && speaks_2 {
                    true => self.say(on, "SetupConnection.Success", &[]),
                    false => {
                        let code = Value::text("protocol-version-mismatch");
                        self.say(on, "SetupConnection.Error", &[("error_code", code)])
                    }
                }
            }
            "RequestExtensions" => self.answer_extensions(on, message),
            name @ ("OpenStandardMiningChannel" | "OpenExtendedMiningChannel") => {
                self.say(on, &format!("{name}.Success"), &[])?;
                // Who selects their own work is given none (AMB-07).
                match self.service(on).is_some_and(|service| service.selects_work) {
                    true => Ok(()),
                    false => self.give_work(on),
                }
            }
            "SetCustomMiningJob" if refuses == Refusal::CustomJobs => {
                self.answer_custom_job(on, message, "SetCustomMiningJob.Error")
            }
            "SetCustomMiningJob" => {
                self.answer_custom_job(on, message, "SetCustomMiningJob.Success")
            }
            "UpdateChannel" => {
                let rate = rate_of(message);
                let max_target = message.field("maximum_target").and_then(Value::as_u256);
                let Some(service) = self.service(on) else { return Ok(()) };
                service.rates.insert(channel, rate);
                let target = service.target(rate, max_target.unwrap_or(U256::MAX));
                let fields =
                    [("channel_id", int(channel)), ("maximum_target", Value::U256(target.0))];
                self.say(on, "SetTarget", &fields)
            }
            name if name.starts_with("SubmitShares") => self.answer_share(on, message),
            _ => Ok(()),
        }
    }

    /// What `refuse` does.
    pub(super) fn refuse_custom_jobs(
        &mut self,
        on: &str,
        arguments: &Arguments,
    ) -> Result<Value, Stop> {
        self.drain(on);
        if let Some(service) = self.service(on) {
            service.refuses = Refusal::CustomJobs;
            service.refusal_code = arguments.get("code").cloned();
        }
        Ok(Value::Bool(true))
    }

    /// What `by-hand` does: what has come until now is answered as before.
    pub(super) fn leave_to_case(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        self.drain(on);
        let name = arguments.word("message").unwrap_or_default();
        let Some(descriptor) = by_name(&name, None) else {
            return Err(EvaluationError(format!("`{name}` is no message")).into());
        };
        if let Some(service) = self.service(on) {
            service.by_hand.push(descriptor.name);
        }
        Ok(Value::Bool(true))
    }

    fn answer_custom_job(
        &mut self,
        on: &str,
        message: &MessageView,
        answer: &str,
    ) -> Result<(), Stop> {
        let field = |name| (name, message.field(name).cloned().unwrap_or(Value::Int(0)));
        let mut fields = vec![field("channel_id"), field("request_id")];
        if answer.ends_with(".Error") {
            let code = self.service(on).and_then(|service| service.refusal_code.clone());
            fields.extend(code.map(|code| ("error_code", code)));
        }
        self.say(on, answer, &fields)
    }

    fn answer_extensions(&mut self, on: &str, message: &MessageView) -> Result<(), Stop> {
        let Some(Value::List(asked)) = message.field("requested_extensions") else {
            return Ok(());
        };
        let agreed = self.service(on).map(|service| service.extensions.clone());
        let agreed = agreed.unwrap_or_default();
        let is_agreed = |value: &&Value| {
            value.as_int().is_some_and(|asked| agreed.iter().any(|one| u64::from(*one) == asked))
        };
        let (yes, no): (Vec<&Value>, Vec<&Value>) = asked.iter().partition(is_agreed);
        let list = |values: Vec<&Value>| Value::List(values.into_iter().cloned().collect());
        let request = message.field("request_id").cloned().unwrap_or(Value::Int(0));
        match yes.is_empty() {
            true => self.say(
                on,
                "RequestExtensions.Error",
                &[("request_id", request), ("unsupported_extensions", list(no))],
            ),
            false => self.say(
                on,
                "RequestExtensions.Success",
                &[("request_id", request), ("supported_extensions", list(yes))],
            ),
        }
    }

    /// A future job and the tip that makes it active: the order of spec 5.3.17.
    pub(super) fn give_work(&mut self, on: &str) -> Result<(), Stop> {
        let Some(channel) = self.connection(on)?.tracker.last_opened else { return Ok(()) };
        self.give_job(on, channel, vec![FUTURE])?;
        self.say(on, "mining.SetNewPrevHash", &[("channel_id", int(channel))])
    }

    /// What `give-job` does. Returns the job, as one of the channels has it.
    pub(super) fn job_on_call(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        self.drain(on);
        self.mark(on);
        let last_opened = self.connection(on)?.tracker.last_opened;
        let id = arguments.number("channel")?.or(last_opened).unwrap_or(0);
        let mut fields = Vec::new();
        if arguments.get("future").and_then(Value::as_int) == Some(1) {
            fields.push(FUTURE);
        }
        if let Some(ntime) = arguments.number("min_ntime")? {
            fields.push(("min_ntime", Value::List(vec![int(ntime)])));
        }
        if let Some(job_id) = arguments.number("job_id")? {
            fields.push(("job_id", int(job_id)));
        }
        if let Some(count) = arguments.number("branches")? {
            let mut entropy = self.entropy.fork("branches", self.draw());
            let mut branch = || {
                let mut bytes = [0; 32];
                entropy.fill(&mut bytes);
                Value::U256(U256::from_le_bytes(bytes))
            };
            fields.push(("merkle_path", Value::List((0..count).map(|_| branch()).collect())));
        }
        self.give_job(on, id, fields)?;
        let member = self.connection(on)?.tracker.members(id).into_iter().next();
        let channel = self.channel(on, member)?;
        let newest = channel.job_order.last().and_then(|id| channel.jobs.get(id));
        Ok(newest.map_or(Value::List(Vec::new()), |job| job.record(&channel)))
    }

    /// A job of the kind that a channel reads.
    fn give_job(
        &mut self,
        on: &str,
        id: u32,
        mut fields: Vec<(&'static str, Value)>,
    ) -> Result<(), Stop> {
        let tracker = &self.connection(on)?.tracker;
        let kind = tracker.channels.get(&id).map(|channel| channel.kind);
        let name = match kind {
            Some(ChannelKind::Standard) => "NewMiningJob",
            // Jobs of groups are extended ones.
            Some(ChannelKind::Extended) | None => "NewExtendedMiningJob",
        };
        fields.push(("channel_id", int(id)));
        self.say(on, name, &fields)
    }

    fn answer_share(&mut self, on: &str, message: &MessageView) -> Result<(), Stop> {
        let connection = self.connection(on)?;
        let judgement = judge(&connection.tracker, message);
        let is_new = match (&mut connection.service, judgement.error) {
            (Some(service), None) => service.hashes.insert(judgement.hash),
            _ => true,
        };
        let error = match is_new {
            true => judgement.error,
            false => Some(error_code::share::DUPLICATE_SHARE),
        };
        let field = |name| message.field(name).cloned().unwrap_or(Value::Int(0));
        let channel = ("channel_id", field("channel_id"));
        match error {
            None => {
                let fields = [
                    channel,
                    ("last_sequence_number", field("sequence_number")),
                    ("new_submits_accepted_count", Value::Int(1)),
                    ("new_shares_sum", Value::Int(judgement.target.difficulty_floor())),
                ];
                self.say(on, "SubmitShares.Success", &fields)
            }
            Some(code) => {
                let fields = [
                    channel,
                    ("sequence_number", field("sequence_number")),
                    ("error_code", Value::text(code)),
                ];
                self.say(on, "SubmitShares.Error", &fields)
            }
        }
    }

    /// Sends a message of a server; what is not stated is as `server_defaults` has it.
    pub(super) fn say(
        &mut self,
        on: &str,
        name: &str,
        stated: &[(&'static str, Value)],
    ) -> Result<(), Stop> {
        let (name, chapter) = match name.strip_prefix("mining.") {
            Some(name) => (name, Some(sv2::message::Chapter::Mining)),
            None => (name, None),
        };
        let Some(descriptor) = by_name(name, chapter) else {
            return Err(EvaluationError(format!("the table has no {name}")).into());
        };
        let message = self.compose(on, descriptor, stated)?;
        self.send_message(on, message)
    }

    pub(super) fn service(&mut self, on: &str) -> Option<&mut Service> {
        self.connections.get_mut(on)?.service.as_mut()
    }
}

/// The next line that the suite answers by itself.
fn next_line(connection: &mut Connection) -> Option<LineView> {
    connection.lines.as_ref()?;
    let is_closed = connection.is_closed;
    let service = connection.service.as_mut()?;
    loop {
        let item = connection.items.get(service.served)?;
        service.served += 1;
        let ItemWhat::Line(line) = &item.what else { continue };
        let method = line.method().unwrap_or_default();
        if !is_closed && !service.by_hand.contains(&method.as_str()) {
            return Some(line.clone());
        }
    }
}

/// The next message that the suite answers by itself.
fn next_request(connection: &mut Connection) -> Option<MessageView> {
    let is_closed = connection.is_closed;
    let service = connection.service.as_mut()?;
    loop {
        let item = connection.items.get(service.served)?;
        service.served += 1;
        let ItemWhat::Frame(frame) = &item.what else { continue };
        let Some(message) = frame.message() else { continue };
        if message.descriptor.name == "SetupConnection" {
            service.selects_work =
                message.number("flags").unwrap_or(0) & setup_flag::REQUIRES_WORK_SELECTION != 0;
        }
        if let Some(rate) = message.field("nominal_hash_rate").map(|_| rate_of(message)) {
            match (message.number("channel_id"), message.number("request_id")) {
                (Some(channel), _) => service.rates.insert(channel, rate),
                (None, request) => service.asked_rates.insert(request.unwrap_or(0), rate),
            };
        }
        if !is_closed && !service.by_hand.contains(&message.descriptor.name) {
            return Some(message.clone());
        }
    }
}

/// Hashes per second that a request claims.
pub(super) fn rate_of(message: &MessageView) -> f64 {
    match message.field("nominal_hash_rate") {
        Some(Value::F32(rate)) if rate.is_finite() => f64::from(*rate).max(0.0),
        _ => 0.0,
    }
}

pub(super) fn int(number: u32) -> Value {
    Value::Int(number.into())
}

/// What a future job says.
const FUTURE: (&str, Value) = ("min_ntime", Value::List(Vec::new()));

/// The mining protocol (spec 3.6.1).
const MINING: u32 = 0;

/// Not a number that anybody counts from.
const FIRST_CHANNEL: u32 = 17;

/// Fewer would let wrong shares pass by chance.
const SHARE_HASHES_MIN: f64 = 4_096.0;

/// Half a second: a case does not wait long, and the wire is not full of shares.
const SHARE_SECONDS: f64 = 0.5;
