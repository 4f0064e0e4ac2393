//! `mining.configure`: the extensions of BIP 310, asked for and answered.

use serde_json::{Map, Value};

use super::json::{self, Fault, JsonWriter, Params};
use super::{Difficulty, TEXT_LEN_MAX};

/// What a device asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configure {
    /// To roll bits of the version.
    pub version_rolling: Option<VersionRolling>,
    /// To get no jobs below a difficulty.
    pub minimum_difficulty: Option<Difficulty>,
    /// To be told of other extranonces.
    pub subscribe_extranonce: bool,
    /// To be known.
    pub info: Option<MinerInfo>,
    /// What else it asks for, in order.
    pub unknown: Vec<String>,
}

/// To roll bits of the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionRolling {
    /// The bits that it can roll; see [`VersionRolling::asked_mask`].
    pub mask: Option<u32>,
    /// How many it needs.
    pub min_bit_count: Option<u8>,
}

impl VersionRolling {
    /// A device that does not say takes all bits (BIP 310).
    pub fn asked_mask(&self) -> u32 {
        self.mask.unwrap_or(u32::MAX)
    }
}

/// What a device says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinerInfo {
    /// Where it has connected to.
    pub connection_url: Option<String>,
    /// Of the device.
    pub hw_version: Option<String>,
    /// Of its firmware.
    pub sw_version: Option<String>,
    /// Of the device.
    pub hw_id: Option<String>,
}

/// What became of one extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It holds from now on.
    Yes,
    /// It does not.
    No,
    /// It does not, for this reason.
    Because(String),
}

/// The answer: one for each extension that was asked for, none for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// To [`Configure::version_rolling`].
    pub version_rolling: Option<Granted>,
    /// The bits that may be rolled.
    pub version_rolling_mask: Option<u32>,
    /// To [`Configure::minimum_difficulty`].
    pub minimum_difficulty: Option<Granted>,
    /// To [`Configure::subscribe_extranonce`].
    pub subscribe_extranonce: Option<Granted>,
    /// To [`Configure::info`].
    pub info: Option<Granted>,
    /// To the others.
    pub others: Vec<(String, Granted)>,
}

impl Granted {
    /// Whether it holds.
    pub fn is_yes(&self) -> bool {
        *self == Granted::Yes
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Granted::Yes),
            Value::Bool(false) => Some(Granted::No),
            Value::String(reason) if reason.len() <= TEXT_LEN_MAX => {
                Some(Granted::Because(reason.clone()))
            }
            _ => None,
        }
    }
}

impl From<bool> for Granted {
    fn from(is_granted: bool) -> Self {
        if is_granted { Granted::Yes } else { Granted::No }
    }
}

impl Configure {
    pub(super) fn read(params: &Params) -> Result<Self, Fault> {
        let names =
            params.required(0, "an array of at most 16 names of extensions", json::names)?;
        let empty = Map::new();
        let settings = params.optional(1, "an object", Value::as_object)?.unwrap_or(&empty);
        let mut configure = Configure::default();
        for name in names {
            match name.as_str() {
                VERSION_ROLLING => {
                    configure.version_rolling = Some(VersionRolling {
                        mask: part(settings, MASK, "1 to 8 hex digits", json::word)?,
                        min_bit_count: part(settings, BIT_COUNT, "a number to 32", |value| {
                            u8::try_from(value.as_u64()?).ok().filter(|count| *count <= 32)
                        })?,
                    });
                }
                MINIMUM_DIFFICULTY => {
                    // Zero asks for nothing.
                    let read = |value: &Value| value.as_f64();
                    let wanted = part(settings, MINIMUM, "a number", read)?;
                    configure.minimum_difficulty = wanted.and_then(Difficulty::new);
                    if configure.minimum_difficulty.is_none() {
                        configure.unknown.push(name);
                    }
                }
                SUBSCRIBE_EXTRANONCE => configure.subscribe_extranonce = true,
                INFO => configure.info = Some(MinerInfo::read(settings)?),
                _ => configure.unknown.push(name),
            }
        }
        Ok(configure)
    }

    pub(super) fn write(&self, out: &mut JsonWriter) {
        out.open(b'[');
        for (name, is_wanted) in [
            (VERSION_ROLLING, self.version_rolling.is_some()),
            (MINIMUM_DIFFICULTY, self.minimum_difficulty.is_some()),
            (SUBSCRIBE_EXTRANONCE, self.subscribe_extranonce),
            (INFO, self.info.is_some()),
        ] {
            if is_wanted {
                out.text(name);
            }
        }
        self.unknown.iter().for_each(|name| _ = out.text(name));
        out.close(b']').open(b'{');
        if let Some(VersionRolling { mask, min_bit_count }) = self.version_rolling {
            mask.iter().for_each(|mask| _ = out.key(MASK).word(*mask));
            min_bit_count.iter().for_each(|count| _ = out.key(BIT_COUNT).number(*count));
        }
        if let Some(difficulty) = self.minimum_difficulty {
            out.key(MINIMUM).difficulty(difficulty);
        }
        if let Some(info) = &self.info {
            for (name, text) in info.parts() {
                text.iter().for_each(|text| _ = out.key(name).text(text));
            }
        }
        out.close(b'}');
    }
}

impl MinerInfo {
    fn read(settings: &Map<String, Value>) -> Result<Self, Fault> {
        let [connection_url, hw_version, sw_version, hw_id] =
            INFO_PARTS.map(|name| part(settings, name, "a short string", json::text(TEXT_LEN_MAX)));
        Ok(MinerInfo {
            connection_url: connection_url?,
            hw_version: hw_version?,
            sw_version: sw_version?,
            hw_id: hw_id?,
        })
    }

    fn parts(&self) -> [(&'static str, &Option<String>); 4] {
        let [url, hw_version, sw_version, hw_id] = INFO_PARTS;
        [
            (url, &self.connection_url),
            (hw_version, &self.hw_version),
            (sw_version, &self.sw_version),
            (hw_id, &self.hw_id),
        ]
    }
}

impl Configured {
    pub(super) fn read(result: &Map<String, Value>) -> Result<Self, Fault> {
        const GRANTED: &str = "true, false or a reason";
        let granted = |name| part(result, name, GRANTED, Granted::read);
        let is_other = |name: &str| {
            ![VERSION_ROLLING, MASK, MINIMUM_DIFFICULTY, SUBSCRIBE_EXTRANONCE, INFO].contains(&name)
        };
        let others = result.iter().filter(|(name, _)| is_other(name));
        Ok(Configured {
            version_rolling: granted(VERSION_ROLLING)?,
            version_rolling_mask: part(result, MASK, "1 to 8 hex digits", json::word)?,
            minimum_difficulty: granted(MINIMUM_DIFFICULTY)?,
            subscribe_extranonce: granted(SUBSCRIBE_EXTRANONCE)?,
            info: granted(INFO)?,
            // What is no answer says something that we do not know, and may.
            others: others
                .filter_map(|(name, value)| Some((name.clone(), Granted::read(value)?)))
                .collect(),
        })
    }

    pub(super) fn write(&self, out: &mut JsonWriter) {
        out.open(b'{');
        let mut answer = |name: &str, granted: &Granted| {
            out.key(name);
            match granted {
                Granted::Yes => out.flag(true),
                Granted::No => out.flag(false),
                Granted::Because(reason) => out.text(reason),
            };
        };
        for (name, granted) in [
            (VERSION_ROLLING, &self.version_rolling),
            (MINIMUM_DIFFICULTY, &self.minimum_difficulty),
            (SUBSCRIBE_EXTRANONCE, &self.subscribe_extranonce),
            (INFO, &self.info),
        ] {
            granted.iter().for_each(|granted| answer(name, granted));
        }
        self.others.iter().for_each(|(name, granted)| answer(name, granted));
        if let Some(mask) = self.version_rolling_mask {
            out.key(MASK).word(mask);
        }
        out.close(b'}');
    }
}

/// A part of an object that may be missing or null.
fn part<T>(
    object: &Map<String, Value>,
    name: &'static str,
    expected: &'static str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(value) = object.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let fault = Fault::Part { part: name, expected, found: json::kind(Some(value)) };
    read(value).ok_or(fault).map(Some)
}

const VERSION_ROLLING: &str = "version-rolling";
const MASK: &str = "version-rolling.mask";
const BIT_COUNT: &str = "version-rolling.min-bit-count";
const MINIMUM_DIFFICULTY: &str = "minimum-difficulty";
const MINIMUM: &str = "minimum-difficulty.value";
const SUBSCRIBE_EXTRANONCE: &str = "subscribe-extranonce";
const INFO: &str = "info";
const INFO_PARTS: [&str; 4] =
    ["info.connection-url", "info.hw-version", "info.sw-version", "info.hw-id"];
