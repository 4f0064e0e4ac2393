//! The suite as a Stratum V1 pool: it answers what a case does not take into its own hands.

use serde_json::{Value as Json, json};
use sv2::sv1::{Call, Difficulty, Id, Message, Notify, Submit, error_code};
use sv2::wire::Target;

use super::{Session, Stop};
use crate::client::exchange::What;
use crate::client::line::LineView;

impl Session<'_> {
    pub(super) fn answer_line(&mut self, on: &str, line: &LineView) {
        let outcome = match Message::parse(&line.text) {
            Ok(Message::Call { id, call }) => self.answer_line_call(on, &id, call),
            // Answers to calls of the suite, and what is no call.
            _ => Ok(()),
        };
        if let Err(stop) = outcome {
            let why = format!("the suite has no answer: {}", stop.0.because);
            self.note_on(on, What::Note(why));
        }
    }

    fn answer_line_call(&mut self, on: &str, id: &Id, call: Call) -> Result<(), Stop> {
        let id = match id {
            Id::Missing | Id::Null => Json::Null,
            Id::Number(number) => Json::from(*number),
            Id::Raw(raw) => serde_json::from_str(raw).unwrap_or(Json::Null),
        };
        let result = match call {
            Call::Configure(configure) => {
                let mut granted = serde_json::Map::new();
                if let Some(rolling) = configure.version_rolling {
                    let mask = rolling.asked_mask() & VERSION_MASK;
                    granted.insert("version-rolling".to_owned(), Json::Bool(true));
                    let mask = Json::String(format!("{mask:08x}"));
                    granted.insert("version-rolling.mask".to_owned(), mask);
                }
                for name in configure.unknown {
                    granted.insert(name, Json::Bool(false));
                }
                Json::Object(granted)
            }
            Call::Subscribe(_) => {
                let prefix = self.mint().extranonce_prefix(EXTRANONCE1_LEN);
                let prefix: String = prefix.iter().map(|byte| format!("{byte:02x}")).collect();
                json!([
                    [["mining.set_difficulty", "1"], ["mining.notify", "2"]],
                    prefix,
                    EXTRANONCE2_SIZE
                ])
            }
            Call::Submit(submit) => return self.answer_line_share(on, &id, &submit),
            Call::Ping => Json::String("pong".to_owned()),
            Call::Unknown { method, .. } => {
                let error = json!([error_code::OTHER, format!("{method} is not known"), null]);
                return self.tell_line(on, &json!({ "id": id, "result": null, "error": error }));
            }
            _ => Json::Bool(true),
        };
        let had_work = self.is_ready_for_lines(on);
        self.tell_line(on, &json!({ "id": id, "result": result, "error": null }))?;
        match !had_work && self.is_ready_for_lines(on) {
            true => self.give_line_work(on, true),
            false => Ok(()),
        }
    }

    /// Whether the device is subscribed and authorised.
    fn is_ready_for_lines(&self, on: &str) -> bool {
        let lines = self.connections.get(on).and_then(|connection| connection.lines.as_ref());
        lines.is_some_and(|lines| lines.is_subscribed && lines.user.is_some())
    }

    fn answer_line_share(&mut self, on: &str, id: &Json, submit: &Submit) -> Result<(), Stop> {
        let connection = self.connection(on)?;
        let Some(lines) = &connection.lines else { return Ok(()) };
        let worth = lines.worth(submit);
        let is_new = match (&mut connection.service, worth.error) {
            (Some(service), None) => service.hashes.insert(worth.hash),
            _ => true,
        };
        let error = match is_new {
            true => worth.error,
            false => Some((error_code::DUPLICATE_SHARE, "Duplicate share")),
        };
        let line = match error {
            None => json!({ "id": id, "result": true, "error": null }),
            Some((code, text)) => {
                json!({ "id": id, "result": null, "error": [code, text, null] })
            }
        };
        self.tell_line(on, &line)
    }

    /// A difficulty and a job.
    pub(super) fn give_line_work(&mut self, on: &str, is_clean: bool) -> Result<(), Stop> {
        self.give_line_difficulty(on, None)?;
        self.give_line_job(on, is_clean, None)
    }

    /// That of the device's hash rate, or one at which a share takes so many hashes.
    pub(super) fn give_line_difficulty(
        &mut self,
        on: &str,
        hashes: Option<f64>,
    ) -> Result<(), Stop> {
        let seconds = self.service(on).map_or(0.5, |service| service.share_seconds);
        let usual = (self.profile.hash_rate * seconds).max(4_096.0);
        let target = Target::from_expected_hashes(hashes.unwrap_or(usual));
        let difficulty = Difficulty::of(target).to_f64();
        let line = json!({
            "id": null, "method": "mining.set_difficulty", "params": [difficulty]
        });
        self.tell_line(on, &line)
    }

    /// A job; without a name of its own it has a number.
    pub(super) fn give_line_job(
        &mut self,
        on: &str,
        clean_jobs: bool,
        id: Option<String>,
    ) -> Result<(), Stop> {
        let lines = self.connection(on)?.lines.clone().unwrap_or_default();
        let now = self.world.now();
        let mint = self.mint();
        let (template, job_id) = (mint.template(now), mint.job_id());
        let len = lines.extranonce1.len() + lines.extranonce2_size;
        let Some(work) = mint.work(now, len) else {
            return Err(self.inconclusive("no coinbase transaction has room for the extranonce"));
        };
        let notify = Notify {
            job_id: id.unwrap_or_else(|| format!("{job_id:x}")),
            prev_hash: template.prev_hash,
            coinbase_1: work.prefix().to_vec(),
            coinbase_2: work.suffix().to_vec(),
            merkle_branches: work.path.clone(),
            version: template.version,
            nbits: template.nbits,
            ntime: template.current_time,
            clean_jobs,
        };
        let line = Message::notification(Call::Notify(Box::new(notify))).to_line();
        let line: Json = serde_json::from_slice(&line).unwrap_or(Json::Null);
        self.tell_line(on, &line)
    }
}

/// BIP 320.
const VERSION_MASK: u32 = 0x1fff_e000;

/// In bytes.
const EXTRANONCE1_LEN: usize = 4;

/// In bytes.
const EXTRANONCE2_SIZE: usize = 8;
