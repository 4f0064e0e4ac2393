//! The functions that `call` knows.

use bytes::Bytes;
use sv2::message::by_name;
use sv2::mining::header::HeaderMidstate;
use sv2::wire::{Target, U256};

use super::connection::ItemWhat;
use super::{Finding, Session, Stop};
use crate::case::step::{Call, Connect, MAIN};
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::What;
use crate::client::tracker::{Channel, ChannelKind, Job, JobState};
use crate::verdict::{Skip, Verdict};

/// What `mine-share` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    /// Meets the job's target and is no block.
    Share,
    /// Misses the job's target.
    Low,
    /// Meets the network target.
    Block,
    /// No work at all.
    Any,
}

/// Arguments by name.
pub(super) struct Arguments(pub(super) Vec<(String, Value)>);

impl Arguments {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, EvaluationError> {
        self.get(name)
            .map(|value| {
                value.as_u32().ok_or_else(|| EvaluationError(format!("`{name}` is {value}")))
            })
            .transpose()
    }

    /// `extranonce`, or one of `extranonce_len` bytes (default: the channel's size) that are
    /// all `extranonce_byte` (default: 0).
    fn extranonce(&self, channel: &Channel) -> Result<Bytes, EvaluationError> {
        if let Some(value) = self.get("extranonce") {
            let bytes = value.as_bytes().cloned();
            return bytes.ok_or_else(|| EvaluationError(format!("{value} is no extranonce")));
        }
        let len = match self.number("extranonce_len")? {
            Some(len) => usize::try_from(len).unwrap_or(usize::MAX),
            None => channel.extranonce_size,
        };
        let byte = self.number("extranonce_byte")?.unwrap_or(0);
        match u8::try_from(byte) {
            Ok(byte) if len <= EXTRANONCE_LEN_MAX => Ok(Bytes::from(vec![byte; len])),
            _ => Err(EvaluationError(format!("no extranonce has {len} bytes of {byte:#x}"))),
        }
    }

    pub(super) fn word(&self, name: &str) -> Option<String> {
        let bytes = self.get(name)?.as_bytes()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Session<'_> {
    pub(super) fn call(&mut self, on: &str, call: &Call) -> Result<(), Stop> {
        let mut arguments = Arguments(Vec::with_capacity(call.arguments.len()));
        for (name, expression) in &call.arguments {
            arguments.0.push((name.clone(), expression.evaluate(&self.view(on))?));
        }
        let has_lines = self.connections.get(on).is_some_and(|one| one.lines.is_some());
        let result = match call.function {
            "mine-share" if has_lines => self.mine_line_share(on, &arguments)?,
            "next-share" if has_lines => self.next_line_share(on, call, &arguments)?,
            "job" if has_lines => self.line_job(on, &arguments)?.record(),
            "give-work" if has_lines => {
                self.drain(on);
                self.mark(on);
                let hashes = arguments.number("hashes")?.map(f64::from);
                if arguments.get("difficulty") != Some(&Value::Bool(false)) {
                    self.give_line_difficulty(on, hashes)?;
                }
                let is_clean = arguments.get("clean") != Some(&Value::Bool(false));
                self.give_line_job(on, is_clean, arguments.word("id"))?;
                self.line_job(on, &Arguments(Vec::new()))?.record()
            }
            "mine-share" => self.mine_share(on, &arguments)?,
            "submit" => self.submit(on, &arguments)?,
            "accepted" => self.accepted(on, call, &arguments)?,
            "coinbase" => self.coinbase(on, &arguments)?,
            "chain" => self.chain()?,
            "build-job" => self.build_job(&arguments)?,
            "solve-job" => self.solve_job(on, &arguments)?,
            "outputs" => self.outputs(&arguments)?,
            "refuse" => self.refuse_custom_jobs(on, &arguments)?,
            "by-hand" => self.leave_to_case(on, &arguments)?,
            "examine-template" => self.examine_template(&arguments)?,
            "solve-template" => self.solve_template(on, &arguments)?,
            "channel" => {
                self.drain(on);
                self.channel(on, arguments.number("id")?)?.record()
            }
            "job" => {
                let (channel, job) = self.job_in_time(on, &arguments)?;
                job.record(&channel)
            }
            "received" => self.received(on, &arguments)?,
            "attempts" => self.attempts(&arguments)?,
            "next-share" => self.next_share(on, call, &arguments)?,
            "give-job" => self.job_on_call(on, &arguments)?,
            "give-work" => {
                self.drain(on);
                self.stimulate(on);
                self.give_work(on)?;
                let channel = self.channel(on, None)?;
                channel.active().map_or(Value::List(Vec::new()), |job| job.record(&channel))
            }
            "alive" => {
                self.alive(on, call)?;
                Value::Bool(true)
            }
            "fence" => Value::Bool(self.fence(on)?),
            "drain" => {
                self.drain(on);
                let connection = self.connection(on)?;
                connection.mark = connection.items.len();
                Value::Bool(true)
            }
            // The loader knows no other.
            _ => {
                self.connections_alive(call)?;
                Value::Bool(true)
            }
        };
        for save in &call.saves {
            let value = match save.source.as_str() {
                "." => result.clone(),
                part => result.part(part).ok_or_else(|| {
                    EvaluationError(format!("`{}` returns no `{part}`", call.function))
                })?,
            };
            self.keep(&save.variable, value, save.push);
        }
        self.observe(&call.clauses);
        Ok(())
    }

    /// The channel with an id, or the one that was opened last.
    pub(super) fn channel(&mut self, on: &str, id: Option<u32>) -> Result<Channel, Stop> {
        let tracker = &self.connection(on)?.tracker;
        let id = id.or(tracker.last_opened);
        let channel = id.and_then(|id| tracker.channels.get(&id)).cloned();
        channel.ok_or_else(|| {
            let finding = Finding {
                because: match id {
                    Some(id) => format!("the target has opened no channel {id}"),
                    None => "the target has opened no channel".to_owned(),
                },
                ..self.finding(Verdict::Inconclusive, &[])
            };
            Stop(Box::new(finding))
        })
    }

    /// A channel and one of its jobs, waited for: a job may still be on its way.
    fn job_in_time(&mut self, on: &str, arguments: &Arguments) -> Result<(Channel, Job), Stop> {
        self.drain(on);
        let deadline = self.deadline(None);
        loop {
            let found = self.channel(on, arguments.number("channel")?).and_then(|channel| {
                let job = self.job(&channel, arguments)?;
                Ok((channel, job))
            });
            match found {
                // A misspelt word does not come true by waiting.
                Err(stop) if stop.0.verdict == Verdict::Inconclusive => {
                    if !self.pump(on, deadline) {
                        return Err(stop);
                    }
                }
                found => return found,
            }
        }
    }

    fn job(&mut self, channel: &Channel, arguments: &Arguments) -> Result<Job, Stop> {
        let id = match arguments.number("id")? {
            Some(id) => Some(id),
            None => arguments.number("job")?,
        };
        let which = arguments.word("which").unwrap_or_else(|| "active".to_owned());
        let job = match (id, which.as_str()) {
            (Some(id), _) => channel.jobs.get(&id),
            (None, "active") => channel.active(),
            (None, "newest") => channel.newest(&[
                JobState::Active,
                JobState::Past,
                JobState::Future,
                JobState::Stale,
            ]),
            (None, "future") => channel.newest(&[JobState::Future]),
            (None, "past") => channel.newest(&[JobState::Past]),
            (None, "stale") => channel.newest(&[JobState::Stale]),
            (None, other) => {
                return Err(EvaluationError(format!("there are no `{other}` jobs")).into());
            }
        };
        job.cloned().ok_or_else(|| {
            let what = id.map_or(which, |id| id.to_string());
            let finding = Finding {
                because: format!("channel {} has no job {what}", channel.id),
                ..self.finding(Verdict::Inconclusive, &[])
            };
            Stop(Box::new(finding))
        })
    }

    /// A good share of the active job, for the probe.
    pub(super) fn mine(&mut self, on: &str, sequence_number: u32) -> Result<Value, Stop> {
        // Each share starts where no other has looked: a share found twice is a duplicate.
        let nonce_from = sequence_number << NONCE_BITS_PER_SHARE;
        self.mine_share(
            on,
            &Arguments(vec![
                ("sequence_number".to_owned(), Value::Int(sequence_number.into())),
                ("nonce_from".to_owned(), Value::Int(nonce_from.into())),
            ]),
        )
    }

    pub(super) fn mine_share(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        let (channel, job) = self.job_in_time(on, arguments)?;
        let Some(tip) = job.tip.or(channel.tip) else {
            let finding = Finding {
                because: format!("channel {} has no tip to build on", channel.id),
                ..self.finding(Verdict::Inconclusive, &[])
            };
            return Err(Stop(Box::new(finding)));
        };
        let target = match arguments.get("target") {
            Some(value) => value.as_u256(),
            None => Some(job.target.unwrap_or(channel.target)),
        };
        let target = Target(target.ok_or_else(|| EvaluationError("no target".into()))?);
        let network = tip.network_target();
        let version = arguments.number("version")?.unwrap_or(job.version);
        let ntime = arguments.number("ntime")?.unwrap_or_else(|| job.ntime(Some(&tip)));
        let sequence_number = match arguments.number("sequence_number")? {
            Some(number) => number,
            None => {
                let connection = self.connection(on)?;
                connection.next_sequence += 1;
                connection.next_sequence - 1
            }
        };
        let extranonce = arguments.extranonce(&channel)?;
        let mut job = job;
        if let Some(prefix) = arguments.get("extranonce_prefix").and_then(Value::as_bytes)
            && let crate::client::JobBody::Coinbase { extranonce_prefix, .. } = &mut job.body
        {
            *extranonce_prefix = prefix.clone();
        }
        let wanted = match arguments.word("hash").as_deref() {
            None | Some("share") => Hash::Share,
            Some("low") => Hash::Low,
            Some("block") => Hash::Block,
            Some("any") => Hash::Any,
            Some(other) => {
                return Err(EvaluationError(format!("`hash` cannot be `{other}`")).into());
            }
        };
        let ceiling = arguments.get("ceiling").and_then(Value::as_u256).map(Target);
        let header = job.header(&tip, version, &extranonce, ntime);
        let price = match wanted {
            Hash::Share => target.expected_hashes(),
            Hash::Block => network.expected_hashes(),
            Hash::Low | Hash::Any => ceiling.map_or(1.0, |ceiling| {
                // Of the hashes up to the ceiling, those below the target do not count.
                let (ceiling, target) = (ceiling.expected_hashes(), target.expected_hashes());
                1.0 / (1.0 / ceiling - 1.0 / target).max(f64::MIN_POSITIVE)
            }),
        };
        #[expect(clippy::cast_precision_loss, reason = "a budget is a round number")]
        if price > self.context.hash_budget as f64 {
            let finding = Finding {
                because: format!(
                    "a share costs {price:.0} hashes, the budget is {}",
                    self.context.hash_budget
                ),
                ..self.finding(Verdict::Skip(Skip::Unaffordable), &[])
            };
            return Err(Stop(Box::new(finding)));
        }
        let from = arguments.number("nonce_from")?.unwrap_or(0);
        // Blocks are so easy on some chains that hardly a share is none: then any share will do.
        let avoids_blocks = network < target && network.expected_hashes() > 4.0;
        let midstate = HeaderMidstate::new(&header);
        let fits = |hash: &U256| match wanted {
            Hash::Share => target.is_met_by(hash) && !(avoids_blocks && network.is_met_by(hash)),
            Hash::Low => {
                !target.is_met_by(hash) && ceiling.is_none_or(|ceiling| ceiling.is_met_by(hash))
            }
            Hash::Block => network.is_met_by(hash),
            Hash::Any => true,
        };
        let found = (from..=u32::MAX)
            .map(|nonce| (nonce, midstate.hash(ntime, nonce)))
            .find(|(_, hash)| fits(hash));
        let Some((nonce, hash)) = found else {
            let finding = Finding {
                because: "no nonce of 2^32 makes such a share".to_owned(),
                ..self.finding(Verdict::Inconclusive, &[])
            };
            return Err(Stop(Box::new(finding)));
        };
        self.note_on(on, What::Note(format!("mined {hash} after {} hashes", nonce - from + 1)));
        Ok(Value::record([
            ("channel_id", Value::Int(channel.id.into())),
            ("sequence_number", Value::Int(sequence_number.into())),
            ("job_id", Value::Int(job.id.into())),
            ("nonce", Value::Int(nonce.into())),
            ("ntime", Value::Int(ntime.into())),
            ("version", Value::Int(version.into())),
            ("extranonce", Value::Bytes(extranonce)),
            ("hash", Value::U256(hash)),
            ("target", Value::U256(target.0)),
            ("difficulty", Value::Int(target.difficulty_floor())),
            ("is_block", Value::Bool(network.is_met_by(&hash))),
        ]))
    }

    pub(super) fn submit(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        let Some(share) = arguments.get("share") else {
            return Err(EvaluationError("`submit` needs a `share`".into()).into());
        };
        self.drain(on);
        let channel = self.channel(on, share.part("channel_id").and_then(|id| id.as_u32()))?;
        let name = match channel.kind {
            ChannelKind::Standard => "SubmitSharesStandard",
            ChannelKind::Extended => "SubmitSharesExtended",
        };
        let Some(descriptor) = by_name(name, None) else {
            return Err(EvaluationError(format!("the table has no {name}")).into());
        };
        let mut stated: Vec<(&'static str, Value)> = descriptor
            .fields
            .iter()
            .filter_map(|field| Some((field.name, share.part(field.name)?)))
            .collect();
        if let Some(number) = arguments.get("sequence_number") {
            stated.retain(|(name, _)| *name != "sequence_number");
            stated.push(("sequence_number", number.clone()));
        }
        let message = self.compose(on, descriptor, &stated)?;
        let record = message.record();
        self.stimulate(on);
        self.send_message(on, message)?;
        Ok(record)
    }

    fn coinbase(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        self.drain(on);
        let channel = self.channel(on, arguments.number("channel")?)?;
        let job = self.job(&channel, arguments)?;
        let extranonce = arguments.extranonce(&channel)?;
        let own_prefix = arguments.get("extranonce_prefix").and_then(Value::as_bytes);
        super::coinbase::of_job(&job, &extranonce, own_prefix).ok_or_else(|| {
            let finding = Finding {
                because: format!("job {} came without its coinbase transaction", job.id),
                ..self.finding(Verdict::Inconclusive, &[])
            };
            Stop(Box::new(finding))
        })
    }

    /// What the world knows of the chain behind the target.
    fn chain(&mut self) -> Result<Value, Stop> {
        match self.world.chain() {
            Some(view) => Ok(super::coinbase::of_chain(&view)),
            None => {
                let finding = Finding {
                    because: "nothing here can look at the target's chain".to_owned(),
                    ..self.finding(Verdict::Skip(Skip::NoControl), &[])
                };
                Err(Stop(Box::new(finding)))
            }
        }
    }

    fn received(&mut self, on: &str, arguments: &Arguments) -> Result<Value, Stop> {
        self.drain(on);
        let name = arguments.word("message");
        let channel = arguments.number("channel")?;
        let connection = self.connection(on)?;
        let records = connection
            .items
            .iter()
            .filter_map(|item| match &item.what {
                ItemWhat::Frame(frame) => frame.message(),
                _ => None,
            })
            .filter(|message| {
                name.as_deref().is_none_or(|name| message.descriptor.name == name)
                    && channel.is_none_or(|id| message.number("channel_id") == Some(id))
            })
            .map(|message| message.record())
            .collect();
        Ok(Value::List(records))
    }

    fn alive(&mut self, on: &str, call: &Call) -> Result<(), Stop> {
        if self.fence(on)? {
            return Ok(());
        }
        let because = match self.connection(on)?.is_closed {
            true => "the connection was closed",
            false => "a request was not answered any more",
        };
        let finding = Finding {
            because: because.to_owned(),
            expected: Some("a connection that still works".to_owned()),
            actual: Some(because.to_owned()),
            ..self.finding(Verdict::Fail, &call.clauses)
        };
        Err(Stop(Box::new(finding)))
    }

    /// A connection of its own, from TCP to set-up.
    fn connections_alive(&mut self, call: &Call) -> Result<(), Stop> {
        let on = "sanity";
        let outcome = self.sanity(on);
        if let Some(connection) = self.connections.remove(on) {
            self.world.close(connection.link, crate::case::step::CloseHow::Finish);
        }
        outcome.map_err(|stop| {
            let why = stop.0.because;
            let finding = Finding {
                because: format!("the target serves no new connection any more: {why}"),
                expected: Some("a new connection that is set up".to_owned()),
                actual: Some(why),
                ..self.finding(Verdict::Fail, &call.clauses)
            };
            Stop(Box::new(finding))
        })
    }

    /// Connects, and has `SetupConnection` answered.
    pub(super) fn sanity(&mut self, on: &str) -> Result<(), Stop> {
        debug_assert_ne!(on, MAIN, "the case's own connections stay as they are");
        self.connect(on, &Connect::default())?;
        let Some(descriptor) = by_name("SetupConnection", None) else { return Ok(()) };
        let message = self.compose(on, descriptor, &[])?;
        self.send_message(on, message)?;
        let deadline = self.deadline(None);
        while !self.connection(on)?.is_set_up {
            if !self.pump(on, deadline) {
                let finding = Finding {
                    because: "SetupConnection was not answered with success".to_owned(),
                    ..self.finding(Verdict::Fail, &[])
                };
                return Err(Stop(Box::new(finding)));
            }
        }
        Ok(())
    }
}

/// Nonces that each share of the probe may search before it comes to the next one's.
const NONCE_BITS_PER_SHARE: u32 = 26;

/// Longest that a message can carry.
const EXTRANONCE_LEN_MAX: usize = 32;
