//! Connections that speak Stratum V1: lines that a case says, and shares on both sides.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use sv2::mining::header::HeaderMidstate;
use sv2::sv1::{Call, Message, Submit};
use sv2::wire::{Target, U256};

use super::call::Arguments;
use super::connection::{Connection, ItemWhat, bytes_of};
use super::{Finding, Session, Stop};
use crate::case::step::{Call as CallStep, LineKind, Say, Spoken, WriteStyle};
use crate::case::value::{EvaluationError, Expression, Value};
use crate::client::exchange::{Direction, What};
use crate::client::line::{LineView, to_json};
use crate::client::sv1::Sv1Job;
use crate::verdict::{Skip, Verdict};

impl Session<'_> {
    pub(super) fn say_line(&mut self, on: &str, say: &Say) -> Result<(), Stop> {
        self.connection(on)?;
        self.drain(on);
        let evaluate = |session: &Self, expression: &Option<Expression>| {
            let value = expression.as_ref().map(|one| one.evaluate(&session.view(on))).transpose();
            value.map(|value| value.as_ref().map(to_json))
        };
        let id = evaluate(self, &say.id)?;
        let line = match &say.spoken {
            Spoken::Call { method, params } => {
                let params = evaluate(self, params)?.unwrap_or_else(|| json!([]));
                let id = id.unwrap_or_else(|| self.fresh_id(on));
                json!({ "id": id, "method": method, "params": params }).to_string().into_bytes()
            }
            Spoken::Result(result) => {
                let result = evaluate(self, result)?.unwrap_or(Json::Null);
                let line = match say.is_bare {
                    true => json!({ "id": id, "result": result }),
                    false => json!({ "id": id, "result": result, "error": null }),
                };
                line.to_string().into_bytes()
            }
            Spoken::Error(error) => {
                let error = evaluate(self, error)?.unwrap_or(Json::Null);
                let line = match say.is_bare {
                    true => json!({ "id": id, "error": error }),
                    false => json!({ "id": id, "result": null, "error": error }),
                };
                line.to_string().into_bytes()
            }
            Spoken::Raw(text) => bytes_of(&text.evaluate(&self.view(on))?)?,
        };
        self.mark(on);
        let view = LineView::of(&line);
        for (variable, source) in &say.saves {
            let value = match source.as_str() {
                "." => view.record.clone(),
                path => view.part(path),
            };
            self.variables.insert(variable.clone(), value.unwrap_or(Value::List(Vec::new())));
        }
        self.put_line(on, &line, &say.write, say.ends)
    }

    /// A number for a call; what a pool tells has none.
    fn fresh_id(&mut self, on: &str) -> Json {
        match self.connections.get_mut(on) {
            Some(connection) if !connection.is_served() => {
                Json::from(Self::fresh_request(connection))
            }
            _ => Json::Null,
        }
    }

    /// Sends a line that the suite says by itself.
    pub(super) fn tell_line(&mut self, on: &str, line: &Json) -> Result<(), Stop> {
        self.put_line(on, line.to_string().as_bytes(), &WriteStyle::default(), true)
    }

    fn put_line(
        &mut self,
        on: &str,
        line: &[u8],
        write: &WriteStyle,
        ends: bool,
    ) -> Result<(), Stop> {
        let connection = self.connection(on)?;
        let is_client = !connection.is_served();
        match &mut connection.lines {
            Some(tracker) => tracker.note(is_client, line),
            None => {
                let why = "the connection has no lines: `connect` or `accept` with \"lines\"";
                return Err(EvaluationError(why.into()).into());
            }
        }
        self.note_on(on, What::Line(Direction::Sent, LineView::of(line)));
        let mut bytes = line.to_vec();
        if ends {
            bytes.push(b'\n');
        }
        self.put(on, bytes, write)
    }

    /// The job that a line connection works on, or the one with an id.
    pub(super) fn line_job(&mut self, on: &str, arguments: &Arguments) -> Result<Sv1Job, Stop> {
        let deadline = self.deadline(None);
        let id = arguments.word("id").or_else(|| arguments.word("job"));
        loop {
            let lines = self.connection(on)?.lines.as_ref();
            let job = lines.and_then(|lines| match &id {
                Some(id) => lines.jobs.get(id),
                None => lines.newest(),
            });
            if let Some(job) = job {
                return Ok(job.clone());
            }
            if !self.pump(on, deadline) {
                return Err(self.inconclusive("no such job was given"));
            }
        }
    }

    /// A share of the suite as a device: the parameters of `mining.submit`.
    pub(super) fn mine_line_share(
        &mut self,
        on: &str,
        arguments: &Arguments,
    ) -> Result<Value, Stop> {
        let job = self.line_job(on, arguments)?;
        let lines = self.connection(on)?.lines.clone().unwrap_or_default();
        let len = match arguments.number("extranonce_len")? {
            Some(len) => usize::try_from(len).unwrap_or(usize::MAX).min(EXTRANONCE2_MAX),
            None => job.extranonce2_size(),
        };
        let byte = arguments.number("extranonce_byte")?.unwrap_or(0).to_le_bytes()[0];
        let extranonce2 = vec![byte; len];
        let ntime = arguments.number("ntime")?.unwrap_or(job.notify.ntime);
        let bits = arguments.number("version_bits")?;
        let mask = lines.mask.unwrap_or(0);
        let header = job.header(mask, &extranonce2, ntime, bits.unwrap_or(0));
        let network = Target::from_compact(job.notify.nbits).unwrap_or_default();
        let target = arguments.get("target").and_then(Value::as_u256).map_or(job.target, Target);
        let also = arguments.get("also").and_then(Value::as_u256).map(Target);
        let target = also.map_or(target, |also| target.min(also));
        let ceiling = arguments.get("ceiling").and_then(Value::as_u256).map(Target);
        let wanted = arguments.word("hash").unwrap_or_else(|| "share".to_owned());
        let price = match wanted.as_str() {
            "block" => network.expected_hashes(),
            "share" => target.expected_hashes(),
            _ => 1.0,
        };
        #[expect(clippy::cast_precision_loss, reason = "a budget is a round number")]
        if price > self.context.hash_budget as f64 {
            let finding = Finding {
                because: format!("a share costs {price:.0} hashes, above the budget"),
                ..self.finding(Verdict::Skip(Skip::Unaffordable), &[])
            };
            return Err(Stop(Box::new(finding)));
        }
        let fits = |hash: &U256| match wanted.as_str() {
            "block" => network.is_met_by(hash),
            "share" => target.is_met_by(hash),
            "low" => {
                !target.is_met_by(hash) && ceiling.is_none_or(|ceiling| ceiling.is_met_by(hash))
            }
            _ => true,
        };
        let midstate = HeaderMidstate::new(&header);
        let from = arguments.number("nonce_from")?.unwrap_or(0);
        let found = (from..=u32::MAX)
            .map(|nonce| (nonce, midstate.hash(ntime, nonce)))
            .find(|(_, hash)| fits(hash));
        let Some((nonce, hash)) = found else {
            return Err(self.inconclusive("no nonce of 2^32 makes such a share"));
        };
        let word = |word: u32| Value::text(format!("{word:08x}"));
        let user = arguments.word("user").or(lines.user).unwrap_or_default();
        let mut params = vec![
            Value::text(user),
            Value::text(job.notify.job_id.clone()),
            Value::Bytes(Bytes::from(extranonce2)),
            word(ntime),
            word(nonce),
        ];
        params.extend(bits.map(word));
        Ok(Value::record([
            ("params", Value::List(params)),
            ("hash", Value::U256(hash)),
            ("target", Value::U256(target.0)),
            ("job_id", Value::text(job.notify.job_id.clone())),
            ("nonce", Value::Int(nonce.into())),
            ("ntime", Value::Int(ntime.into())),
            ("is_block", Value::Bool(network.is_met_by(&hash))),
        ]))
    }

    /// The next share of a device that has dialled the suite.
    pub(super) fn next_line_share(
        &mut self,
        on: &str,
        call: &CallStep,
        arguments: &Arguments,
    ) -> Result<Value, Stop> {
        let job = arguments.word("job");
        let begun = self.world.now().instant;
        let deadline = begun + super::shares::patience(arguments)?;
        loop {
            let connection = self.connection(on)?;
            if let Some(submit) = take_submit(connection, job.as_deref()) {
                return Ok(record(connection, &submit));
            }
            if connection.is_closed || !self.pump(on, deadline) {
                break;
            }
        }
        let waited = self.world.now().instant.since(begun).as_secs_f64();
        let connection = self.connection(on)?;
        let is_closed = connection.is_closed;
        let target = connection.lines.as_ref().and_then(|lines| lines.newest()?.target.into());
        let price = target.map_or(f64::INFINITY, |target: Target| target.expected_hashes());
        let chance = (-self.profile.hash_rate * waited / price).exp();
        let finding = Finding {
            because: match is_closed {
                true => "the connection was closed before a share came".to_owned(),
                false => format!(
                    "no share in {waited:.1} s; a device with {:.3e} hashes/s would be so silent \
                     with a probability of {chance:.1e}",
                    self.profile.hash_rate
                ),
            },
            expected: Some("a share".to_owned()),
            ..self.finding(
                match is_closed || chance < super::shares::CHANCE_MAX {
                    true => Verdict::Fail,
                    false => Verdict::Inconclusive,
                },
                &call.clauses,
            )
        };
        Err(Stop(Box::new(finding)))
    }
}

/// The next `mining.submit` since the last stimulus.
fn take_submit(connection: &mut Connection, job: Option<&str>) -> Option<Submit> {
    let from = connection.mark;
    let found = connection.items.iter_mut().skip(from).find_map(|item| {
        let ItemWhat::Line(line) = &item.what else { return None };
        let is_meant = !item.is_taken && line.is(LineKind::Call("mining.submit"));
        let Message::Call { call: Call::Submit(submit), .. } =
            Message::parse(&line.text).ok().filter(|_| is_meant)?
        else {
            return None;
        };
        job.is_none_or(|job| submit.job_id == job).then(|| {
            item.is_taken = true;
            submit
        })
    })?;
    connection.is_mark_used = true;
    Some(found)
}

fn record(connection: &Connection, submit: &Submit) -> Value {
    let lines = connection.lines.clone().unwrap_or_default();
    let worth = lines.worth(submit);
    let job = lines.jobs.get(&submit.job_id);
    let start = job.map_or(0, |job| job.notify.ntime);
    Value::record([
        ("user", Value::text(submit.user.clone())),
        ("job_id", Value::text(submit.job_id.clone())),
        ("extranonce2", Value::Bytes(Bytes::copy_from_slice(submit.extranonce2.as_slice()))),
        ("ntime", Value::Int(submit.ntime.into())),
        ("nonce", Value::Int(submit.nonce.into())),
        ("version_bits", Value::Int(submit.version_bits.unwrap_or(0).into())),
        ("has_version_bits", Value::Bool(submit.version_bits.is_some())),
        ("hash", Value::U256(worth.hash)),
        ("target", Value::U256(worth.target.0)),
        ("error", Value::text(worth.error.map_or("", |(_, text)| text))),
        ("is_good", Value::Bool(worth.error.is_none())),
        ("seconds_on", Value::Int(submit.ntime.saturating_sub(start).into())),
    ])
}

/// That a device rolls, in bytes.
const EXTRANONCE2_MAX: usize = 32;
