//! What one side asks of the other, or tells it: a method and its parameters.

use serde_json::Value;

use super::json::{self, Fault, JsonWriter, Params};
use super::{Configure, Difficulty, Notify, Submit, TEXT_LEN_MAX, USER_LEN_MAX};
use crate::wire::{B32, Target, U256};

/// A method with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Device: what it can do (BIP 310).
    Configure(Box<Configure>),
    /// Device: wants jobs.
    Subscribe(Subscribe),
    /// Device: for whom it works. Several on one connection are allowed.
    Authorize {
        /// Usually `account.worker`.
        user: String,
        /// Usually ignored, or abused for settings.
        password: Option<String>,
    },
    /// Device: has found a share.
    Submit(Submit),
    /// Device: takes other extranonces.
    ExtranonceSubscribe,
    /// Device: wants this difficulty.
    SuggestDifficulty(Difficulty),
    /// Device: wants this target.
    SuggestTarget(Target),
    /// Pool: for jobs to come; for some firmware also for the last one.
    SetDifficulty(Difficulty),
    /// Pool: for jobs to come.
    SetExtranonce {
        /// What is in front of the rolled part.
        extranonce1: B32,
        /// Of the rolled part, in bytes.
        extranonce2_size: u8,
    },
    /// Pool: these bits may be rolled from now on, in the present job as well (BIP 310).
    SetVersionMask(u32),
    /// Pool: a job.
    Notify(Box<Notify>),
    /// Pool: what are you?
    GetVersion,
    /// Pool: connect again.
    Reconnect(Reconnect),
    /// Pool: something for people.
    ShowMessage(String),
    /// Either: are you there?
    Ping,
    /// Either: an answer to [`Call::Ping`] of those who do not answer with a result.
    Pong,
    /// Some other method.
    Unknown {
        /// As it came.
        method: String,
        /// As they came; null if there were none.
        params: Value,
    },
}

/// A device wants jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Name and version of the firmware.
    pub user_agent: Option<String>,
    /// The id of a subscription that it wants to take up again.
    pub session: Option<String>,
}

/// To connect again; without a host or port, to the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconnect {
    /// Name or address.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Before connecting, in seconds.
    pub wait: u32,
}

impl Call {
    /// Every method that is known, by its name on the wire.
    pub const METHODS: &[&str] = &[
        "mining.configure",
        "mining.subscribe",
        "mining.authorize",
        "mining.submit",
        "mining.extranonce.subscribe",
        "mining.suggest_difficulty",
        "mining.suggest_target",
        "mining.set_difficulty",
        "mining.set_extranonce",
        "mining.set_version_mask",
        "mining.notify",
        "client.get_version",
        "client.reconnect",
        "client.show_message",
        "mining.ping",
        "mining.pong",
    ];

    /// Longest method that is taken, in bytes.
    pub const METHOD_LEN_MAX: usize = 64;

    /// As written; devices and pools know some by other names as well.
    pub fn method(&self) -> &str {
        match self {
            Call::Configure(_) => "mining.configure",
            Call::Subscribe(_) => "mining.subscribe",
            Call::Authorize { .. } => "mining.authorize",
            Call::Submit(_) => "mining.submit",
            Call::ExtranonceSubscribe => "mining.extranonce.subscribe",
            Call::SuggestDifficulty(_) => "mining.suggest_difficulty",
            Call::SuggestTarget(_) => "mining.suggest_target",
            Call::SetDifficulty(_) => "mining.set_difficulty",
            Call::SetExtranonce { .. } => "mining.set_extranonce",
            Call::SetVersionMask(_) => "mining.set_version_mask",
            Call::Notify(_) => "mining.notify",
            Call::GetVersion => "client.get_version",
            Call::Reconnect(_) => "client.reconnect",
            Call::ShowMessage(_) => "client.show_message",
            Call::Ping => "mining.ping",
            Call::Pong => "mining.pong",
            Call::Unknown { method, .. } => method,
        }
    }

    /// The name under which a method is known here.
    pub(super) fn known(method: &str) -> Option<&'static str> {
        let aliased = match method {
            "client.ping" | "ping" => "mining.ping",
            "client.pong" | "pong" => "mining.pong",
            "mining.get_version" | "get_version" => "client.get_version",
            "mining.reconnect" => "client.reconnect",
            "mining.show_message" => "client.show_message",
            method => method,
        };
        Self::METHODS.iter().find(|known| **known == aliased).copied()
    }

    pub(super) fn read(method: &str, params: Option<Value>) -> Result<Self, Fault> {
        let Some(known) = Call::known(method) else {
            let params = params.unwrap_or(Value::Null);
            return Ok(Call::Unknown { method: method.to_owned(), params });
        };
        let params = &Params::new(params)?;
        let difficulty = || params.required(0, "a number above zero", json::difficulty);
        Ok(match known {
            "mining.configure" => Call::Configure(Box::new(Configure::read(params)?)),
            "mining.subscribe" => Call::Subscribe(Subscribe::read(params)?),
            "mining.authorize" => Call::Authorize {
                user: params.required(
                    0,
                    "a user of at most 255 bytes",
                    json::text(USER_LEN_MAX),
                )?,
                // Numbers and whatever else: nobody reads it.
                password: params.value(1).and_then(json::text(TEXT_LEN_MAX)),
            },
            "mining.submit" => Call::Submit(Submit::read(params)?),
            "mining.extranonce.subscribe" => Call::ExtranonceSubscribe,
            "mining.suggest_difficulty" => Call::SuggestDifficulty(difficulty()?),
            "mining.suggest_target" => {
                let digits = params.required(0, "64 hex digits", json::node)?;
                Call::SuggestTarget(Target(U256::from_be_bytes(digits)))
            }
            "mining.set_difficulty" => Call::SetDifficulty(difficulty()?),
            "mining.set_extranonce" => Call::SetExtranonce {
                extranonce1: params.short_bytes(0)?,
                extranonce2_size: params.required(1, "a number to 32", json::extranonce2_size)?,
            },
            "mining.set_version_mask" => Call::SetVersionMask(params.word(0)?),
            "mining.notify" => Call::Notify(Box::new(Notify::read(params)?)),
            "client.get_version" => Call::GetVersion,
            "client.reconnect" => Call::Reconnect(Reconnect::read(params)?),
            "client.show_message" => {
                let read = json::text(TEXT_LEN_MAX);
                Call::ShowMessage(params.required(0, "a text of at most 1024 bytes", read)?)
            }
            "mining.ping" => Call::Ping,
            "mining.pong" => Call::Pong,
            known => unreachable!("{known} is in the list and not here"),
        })
    }

    /// The array of parameters.
    pub(super) fn write_params(&self, out: &mut JsonWriter) {
        if let Call::Unknown { params, .. } = self {
            out.value(params);
            return;
        }
        out.open(b'[');
        match self {
            Call::Configure(configure) => configure.write(out),
            Call::Subscribe(subscribe) => subscribe.write(out),
            Call::Authorize { user, password } => {
                out.text(user);
                password.iter().for_each(|password| _ = out.text(password));
            }
            Call::Submit(submit) => submit.write(out),
            Call::SuggestDifficulty(difficulty) | Call::SetDifficulty(difficulty) => {
                out.difficulty(*difficulty);
            }
            Call::SuggestTarget(target) => _ = out.hex(&target.0.to_be_bytes()),
            Call::SetExtranonce { extranonce1, extranonce2_size } => {
                out.hex(extranonce1.as_slice()).number(*extranonce2_size);
            }
            Call::SetVersionMask(mask) => _ = out.word(*mask),
            Call::Notify(notify) => notify.write(out),
            Call::Reconnect(reconnect) => reconnect.write(out),
            Call::ShowMessage(text) => _ = out.text(text),
            Call::ExtranonceSubscribe
            | Call::GetVersion
            | Call::Ping
            | Call::Pong
            | Call::Unknown { .. } => {}
        }
        out.close(b']');
    }
}

impl Subscribe {
    fn read(params: &Params) -> Result<Self, Fault> {
        let text = |index| {
            params.optional(index, "a text of at most 1024 bytes", json::text(TEXT_LEN_MAX))
        };
        Ok(Subscribe { user_agent: text(0)?, session: text(1)? })
    }

    fn write(&self, out: &mut JsonWriter) {
        match &self.user_agent {
            Some(user_agent) => _ = out.text(user_agent),
            None if self.session.is_some() => _ = out.null(),
            None => {}
        }
        self.session.iter().for_each(|session| _ = out.text(session));
    }
}

impl Reconnect {
    fn read(params: &Params) -> Result<Self, Fault> {
        // Some write numbers as text.
        let number = |value: &Value| match value {
            Value::String(digits) => digits.parse::<u64>().ok(),
            value => value.as_u64(),
        };
        let port = |value: &Value| u16::try_from(number(value)?).ok();
        let wait = |value: &Value| u32::try_from(number(value)?).ok();
        let host = json::text(255);
        Ok(Reconnect {
            host: params.optional(0, "a host of at most 255 bytes", host)?,
            port: params.optional(1, "a port", port)?,
            wait: params.optional(2, "a number of seconds", wait)?.unwrap_or(0),
        })
    }

    /// The port as text: older firmware reads nothing else.
    fn write(&self, out: &mut JsonWriter) {
        if self.host.is_none() && self.port.is_none() && self.wait == 0 {
            return;
        }
        match &self.host {
            Some(host) => out.text(host),
            None => out.null(),
        };
        match self.port {
            Some(port) => out.text(&port.to_string()),
            None => out.null(),
        };
        out.number(self.wait);
    }
}
