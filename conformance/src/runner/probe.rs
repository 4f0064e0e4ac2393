//! The probe: what the target is like, learned before the cases run.
//!
//! Flags, kinds of channels, prices and revisions are facts, not failures: a case asks for the
//! facts that it needs. Nothing here judges.

mod clients;

pub use clients::PROXY_MODE;

use std::collections::BTreeMap;
use std::time::Duration;

use sv2::job_declaration::DECLARE_TX_DATA;
use sv2::message::by_name;
use sv2::wire::Target as ShareTarget;

use super::connection::ItemWhat;
use super::{Context, SHARE_PRICE, Session, Stop};
use crate::case::step::{CloseHow, Connect};
use crate::case::value::Value;
use crate::case::{Case, Permutation, Requires, Severity, TargetRole, WorldSettings};
use crate::clause::Registry;
use crate::client::Exchange;
use crate::client::exchange::MessageView;
use crate::world::{Target, WorldError};

/// What was learned.
#[derive(Debug, Default)]
pub struct Probe {
    /// By name; see [`facts`].
    pub facts: BTreeMap<String, Value>,
    /// What went over the wires.
    pub exchange: Exchange,
    /// What could not be learned, and why.
    pub gaps: Vec<String>,
}

/// A fact that the probe looks for.
#[derive(Debug)]
pub struct Fact {
    /// As in `requires.facts`.
    pub name: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// The facts about targets of a role, in the order in which they are printed.
pub fn facts(role: TargetRole) -> &'static [Fact] {
    match role {
        TargetRole::JobDeclaratorServer => JOB_DECLARATION_FACTS,
        TargetRole::TemplateProvider => TEMPLATE_DISTRIBUTION_FACTS,
        TargetRole::MiningDevice => clients::DEVICE_FACTS,
        TargetRole::MiningProxy => clients::PROXY_FACTS,
        TargetRole::JobDeclaratorClient => clients::JOB_DECLARATOR_CLIENT_FACTS,
        TargetRole::Sv1Device => clients::SV1_DEVICE_FACTS,
        TargetRole::Translator => clients::TRANSLATOR_FACTS,
        _ => FACTS,
    }
}

const JOB_DECLARATION_FACTS: &[Fact] = &[
    Fact { name: "protocol.version", text: "version that SetupConnection.Success names" },
    Fact { name: "declaration.unsupported_flags", text: "flags refused when all are asked for" },
    Fact { name: "declaration.full_template", text: "DECLARE_TX_DATA is accepted" },
    Fact { name: "declaration.coinbase_only", text: "clients without DECLARE_TX_DATA are served" },
];

const TEMPLATE_DISTRIBUTION_FACTS: &[Fact] = &[
    Fact { name: "protocol.version", text: "version that SetupConnection.Success names" },
    Fact { name: "templates.unsupported_flags", text: "flags refused when all are asked for" },
];

/// All facts about mining servers, in the order in which they are printed.
pub const FACTS: &[Fact] = &[
    Fact { name: "protocol.version", text: "version that SetupConnection.Success names" },
    Fact { name: "mining.flags", text: "flags of SetupConnection.Success, asked without flags" },
    Fact { name: "mining.requires_fixed_version", text: "no version bits may be rolled" },
    Fact { name: "mining.requires_extended_channels", text: "standard channels are refused" },
    Fact { name: "mining.unsupported_flags", text: "flags refused when all are asked for" },
    Fact { name: "mining.supports_standard_jobs", text: "REQUIRES_STANDARD_JOBS is accepted" },
    Fact { name: "mining.supports_work_selection", text: "REQUIRES_WORK_SELECTION is accepted" },
    Fact { name: "mining.supports_version_rolling", text: "REQUIRES_VERSION_ROLLING is accepted" },
    Fact { name: "mining.standard_channels", text: "standard channels can be opened" },
    Fact { name: "mining.extended_channels", text: "extended channels can be opened" },
    Fact { name: "mining.extranonce_len", text: "whole extranonce of an extended channel, bytes" },
    Fact { name: "mining.extranonce_size", text: "bytes given to a client that asks for four" },
    Fact { name: SHARE_PRICE, text: "hashes that the cheapest share costs on average" },
    Fact { name: "mining.share.price_at_1e5", text: "the same for a claimed rate of 1e5 hashes/s" },
    Fact { name: "mining.share.batch", text: "shares until the first acknowledgement" },
    Fact { name: "mining.group_channels", text: "Success names a group channel (sv2-spec#162)" },
    Fact {
        name: "wire.channel_bits",
        text: "\"table\", or \"older\" (before sv2-spec#196), or \"wrong\"",
    },
    Fact { name: "extensions.negotiation", text: "RequestExtensions is answered" },
    Fact { name: "extensions.required", text: "extensions that clients must agree to" },
    Fact { name: "extensions.supported", text: "extensions that the target agrees to" },
];

/// Asks the target. It is asked politely: nothing malformed is sent.
///
/// # Errors
/// The target cannot be reached, or does not answer `SetupConnection`.
pub fn probe(
    target: &dyn Target,
    registry: &Registry,
    seed: u64,
    hash_budget: u64,
) -> Result<Probe, ProbeError> {
    let case = blank_case();
    let permutation = Permutation { case: &case, name: "probe".to_owned(), bindings: Vec::new() };
    let no_facts = BTreeMap::new();
    let within = Duration::from_secs(5);
    let context = Context {
        registry,
        facts: &no_facts,
        seed,
        hash_budget,
        within,
        time_budget: Duration::MAX,
        is_over: &|| false,
    };
    let world = target.world(&WorldSettings::default(), seed).map_err(ProbeError::World)?;
    let mut session = Session::new(&permutation, world, target.profile(), &context, seed);
    let mut probe = Probe::default();
    let role = target.profile().role;
    match role {
        TargetRole::JobDeclaratorServer => session.learn_job_declarator(&mut probe)?,
        TargetRole::TemplateProvider => session.learn_template_provider(&mut probe)?,
        TargetRole::MiningDevice => session.learn_device(&mut probe)?,
        TargetRole::MiningProxy => session.learn_proxy(&mut probe)?,
        TargetRole::JobDeclaratorClient => session.learn_job_declarator_client(&mut probe)?,
        TargetRole::Sv1Device => session.learn_sv1_device(&mut probe)?,
        TargetRole::Translator => session.learn_translator(&mut probe)?,
        _ => session.learn_mining_server(&mut probe)?,
    }
    for fact in facts(role) {
        if !probe.facts.contains_key(fact.name) {
            probe.gaps.push(format!("{}: {}", fact.name, "not learned"));
        }
    }
    probe.exchange = session.exchange;
    Ok(probe)
}

/// Whether the target takes a new connection, up to an answered `SetupConnection`.
///
/// # Errors
/// Why not, in words.
pub fn serves(target: &dyn Target, registry: &Registry, within: Duration) -> Result<(), String> {
    // Who dials us need not serve anybody; the next case finds out whether it still dials.
    if target.profile().role.dials() {
        return Ok(());
    }
    let case = blank_case();
    let permutation = Permutation { case: &case, name: "sanity".to_owned(), bindings: Vec::new() };
    let no_facts = BTreeMap::new();
    let context = Context {
        registry,
        facts: &no_facts,
        seed: 0,
        hash_budget: 0,
        within,
        time_budget: Duration::MAX,
        is_over: &|| false,
    };
    let world = target.world(&WorldSettings::default(), 0).map_err(|error| error.to_string())?;
    let mut session = Session::new(&permutation, world, target.profile(), &context, 0);
    let outcome = session.sanity(ON).map_err(|stop| stop.0.because);
    session.hang_up();
    outcome
}

/// Why nothing could be learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// The target cannot be reached.
    World(WorldError),
    /// It does not answer `SetupConnection`.
    NoSetup(String),
    /// It does not dial us, or says nothing.
    NoDial(String),
}

impl std::fmt::Display for ProbeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProbeError::World(error) => error.fmt(f),
            ProbeError::NoDial(why) => write!(f, "the target is no client of ours: {why}"),
            ProbeError::NoSetup(why) => write!(f, "the target does not serve its clients: {why}"),
        }
    }
}

impl std::error::Error for ProbeError {}

impl Probe {
    fn learn(&mut self, name: &str, value: Value) {
        self.facts.insert(name.to_owned(), value);
    }
}

impl Session<'_> {
    fn learn_mining_server(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        let success = self.set_up(0).map_err(|stop| ProbeError::NoSetup(stop.0.because))?;
        let flags = success.number("flags").unwrap_or(0);
        probe.learn("protocol.version", int(success.number("used_version").unwrap_or(0)));
        probe.learn("mining.flags", int(flags));
        probe.learn("mining.requires_fixed_version", Value::Bool(flags & 1 != 0));
        probe.learn("mining.requires_extended_channels", Value::Bool(flags & 2 != 0));
        self.learn_extensions(probe);
        self.hang_up();
        self.learn_flags(probe);
        self.learn_standard(probe);
        self.learn_extended(probe);
        self.learn_batch(probe);
        probe.learn("wire.channel_bits", self.channel_bits());
        Ok(())
    }

    fn learn_job_declarator(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        self.learn_version(DECLARE_TX_DATA, probe)?;
        for (flags, name) in [(1, "declaration.full_template"), (0, "declaration.coinbase_only")] {
            if let Some(is_served) = self.is_set_up_with(flags) {
                probe.learn(name, Value::Bool(is_served));
            }
        }
        if let Some(flags) = self.set_up_error(u32::MAX) {
            probe.learn("declaration.unsupported_flags", int(flags));
        }
        Ok(())
    }

    fn learn_template_provider(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        self.learn_version(0, probe)?;
        if let Some(flags) = self.set_up_error(u32::MAX) {
            probe.learn("templates.unsupported_flags", int(flags));
        }
        Ok(())
    }

    fn learn_version(&mut self, flags: u32, probe: &mut Probe) -> Result<(), ProbeError> {
        let success = self.set_up(flags).map_err(|stop| ProbeError::NoSetup(stop.0.because))?;
        probe.learn("protocol.version", int(success.number("used_version").unwrap_or(0)));
        self.hang_up();
        Ok(())
    }

    /// `None` without an answer.
    fn is_set_up_with(&mut self, flags: u32) -> Option<bool> {
        let answer = self.ask_for_set_up(flags)?;
        Some(answer.descriptor.name == "SetupConnection.Success")
    }

    /// A connection with these flags, after set-up.
    fn set_up(&mut self, flags: u32) -> Result<MessageView, Stop> {
        self.connect(ON, &Connect::default())?;
        self.ask(
            "SetupConnection",
            &[("flags", int(flags))],
            &["SetupConnection.Success", "SetupConnection.Error"],
        )
        .and_then(|answer| match answer.descriptor.name {
            "SetupConnection.Success" => Ok(answer),
            _ => Err(refused(&answer)),
        })
    }

    /// Sends a message and waits for one of its answers.
    fn ask(
        &mut self,
        name: &str,
        stated: &[(&'static str, Value)],
        answers: &[&str],
    ) -> Result<MessageView, Stop> {
        let Some(descriptor) = by_name(name, None) else {
            return Err(silence(name));
        };
        let message = self.compose(ON, descriptor, stated)?;
        let from = self.connection(ON)?.items.len();
        self.send_message(ON, message)?;
        let deadline = self.deadline(None);
        let mut looked_at = from;
        loop {
            let connection = self.connection(ON)?;
            while let Some(item) = connection.items.get(looked_at) {
                looked_at += 1;
                if let ItemWhat::Frame(frame) = &item.what
                    && let Some(message) = frame.message()
                    && answers.contains(&message.descriptor.name)
                {
                    return Ok(message.clone());
                }
            }
            if !self.pump(ON, deadline) {
                return Err(silence(name));
            }
        }
    }

    fn hang_up(&mut self) {
        // A connection that is gone already needs no closing.
        let _ = self.close(ON, CloseHow::Finish);
        if let Some(connection) = self.connections.remove(ON) {
            let name = format!("{ON}-{}", connection.index);
            self.connections.insert(name, connection);
        }
    }

    /// Each question on a connection of its own: an answer of Success turns the flags on.
    fn learn_flags(&mut self, probe: &mut Probe) {
        match self.set_up_error(u32::MAX) {
            Some(flags) => probe.learn("mining.unsupported_flags", int(flags)),
            None => probe.gaps.push("mining.unsupported_flags: no answer".to_owned()),
        }
        for (bit, name) in [
            (0, "mining.supports_standard_jobs"),
            (1, "mining.supports_work_selection"),
            (2, "mining.supports_version_rolling"),
        ] {
            if let Some(flags) = self.set_up_error(1 << bit) {
                probe.learn(name, Value::Bool(flags == 0));
            }
        }
    }

    /// Flags of the error; 0 if there was none. `None` without an answer.
    fn set_up_error(&mut self, flags: u32) -> Option<u32> {
        let answer = self.ask_for_set_up(flags)?;
        match answer.descriptor.name {
            "SetupConnection.Success" => Some(0),
            _ => answer.number("flags"),
        }
    }

    /// The answer, on a connection that ends with it.
    fn ask_for_set_up(&mut self, flags: u32) -> Option<MessageView> {
        let answer = self.connect(ON, &Connect::default()).and_then(|()| {
            self.ask(
                "SetupConnection",
                &[("flags", int(flags))],
                &["SetupConnection.Success", "SetupConnection.Error"],
            )
        });
        self.hang_up();
        answer.ok()
    }

    fn learn_extensions(&mut self, probe: &mut Probe) {
        let numbers = Value::List(vec![int(1), int(2)]);
        let answer = self.ask(
            "RequestExtensions",
            &[("requested_extensions", numbers)],
            &["RequestExtensions.Success", "RequestExtensions.Error"],
        );
        probe.learn("extensions.negotiation", Value::Bool(answer.is_ok()));
        let Ok(answer) = answer else {
            // Who does not negotiate supports nothing, and requires nothing.
            probe.learn("extensions.supported", Value::List(Vec::new()));
            return probe.learn("extensions.required", Value::List(Vec::new()));
        };
        let supported = answer.field("supported_extensions").cloned();
        probe.learn("extensions.supported", supported.unwrap_or(Value::List(Vec::new())));
        self.learn_required_extensions(probe);
    }

    /// Whoever asks for an extension that does not exist is told what he should have asked for.
    fn learn_required_extensions(&mut self, probe: &mut Probe) {
        let answer = self.ask(
            "RequestExtensions",
            &[("requested_extensions", Value::List(vec![int(NO_EXTENSION)]))],
            &["RequestExtensions.Success", "RequestExtensions.Error"],
        );
        if let Ok(answer) = answer {
            let required = answer.field("required_extensions").cloned();
            probe.learn("extensions.required", required.unwrap_or(Value::List(Vec::new())));
        }
    }

    fn learn_standard(&mut self, probe: &mut Probe) {
        let mut prices = Vec::new();
        let mut is_open = false;
        if self.set_up(1).is_ok() {
            for rate in [0.0, 1.0, 1e3, 1e5] {
                let stated = [("nominal_hash_rate", Value::F32(rate))];
                let answer = self.ask(
                    "OpenStandardMiningChannel",
                    &stated,
                    &["OpenStandardMiningChannel.Success", "OpenMiningChannel.Error"],
                );
                let Ok(answer) = answer else { break };
                let Some(target) = answer.field("target").and_then(Value::as_u256) else {
                    continue;
                };
                is_open = true;
                let group = answer.number("group_channel_id").unwrap_or(0);
                probe.learn("mining.group_channels", Value::Bool(group != 0));
                prices.push((rate, hashes(ShareTarget(target).expected_hashes())));
            }
        }
        self.hang_up();
        probe.learn("mining.standard_channels", Value::Bool(is_open));
        probe.learn_prices(&prices);
    }

    fn learn_extended(&mut self, probe: &mut Probe) {
        let mut prices = Vec::new();
        let mut is_open = false;
        if self.set_up(0).is_ok() {
            for rate in [0.0, 1.0, 1e3, 1e5] {
                let stated = [("nominal_hash_rate", Value::F32(rate))];
                let answer = self.ask(
                    "OpenExtendedMiningChannel",
                    &stated,
                    &["OpenExtendedMiningChannel.Success", "OpenMiningChannel.Error"],
                );
                let Ok(answer) = answer else { break };
                let (Some(target), Some(prefix), Some(size)) = (
                    answer.field("target").and_then(Value::as_u256),
                    answer.field("extranonce_prefix").and_then(Value::as_bytes),
                    answer.number("extranonce_size"),
                ) else {
                    continue;
                };
                is_open = true;
                probe.learn("mining.extranonce_size", int(size));
                let len = prefix.len() as u64 + u64::from(size);
                probe.learn("mining.extranonce_len", Value::Int(len));
                prices.push((rate, hashes(ShareTarget(target).expected_hashes())));
            }
        }
        self.hang_up();
        probe.learn("mining.extended_channels", Value::Bool(is_open));
        if !probe.facts.contains_key(SHARE_PRICE) {
            probe.learn_prices(&prices);
        }
    }

    /// Sends good shares until one answer comes.
    fn learn_batch(&mut self, probe: &mut Probe) {
        let is_standard = probe.facts.get("mining.standard_channels") == Some(&Value::Bool(true));
        let outcome = self.count_until_answered(is_standard);
        self.hang_up();
        match outcome {
            Ok(count) => probe.learn("mining.share.batch", Value::Int(count)),
            Err(stop) => probe.gaps.push(format!("mining.share.batch: {}", stop.0.because)),
        }
    }

    fn count_until_answered(&mut self, is_standard: bool) -> Result<u64, Stop> {
        let (flags, open) = match is_standard {
            true => (1, "OpenStandardMiningChannel"),
            false => (0, "OpenExtendedMiningChannel"),
        };
        self.set_up(flags)?;
        let success = format!("{open}.Success");
        self.ask(open, &[("nominal_hash_rate", Value::F32(1.0))], &[&success])?;
        let deadline = self.deadline(None);
        while self.active_job().is_none() {
            if !self.pump(ON, deadline) {
                return Err(silence(open));
            }
        }
        for count in 1..=BATCH_MAX {
            let share = self.mine(ON, u32::try_from(count).unwrap_or(u32::MAX))?;
            let submit = match is_standard {
                true => "SubmitSharesStandard",
                false => "SubmitSharesExtended",
            };
            let Some(descriptor) = by_name(submit, None) else { return Err(silence(submit)) };
            let stated: Vec<(&'static str, Value)> = descriptor
                .fields
                .iter()
                .filter_map(|field| Some((field.name, share.part(field.name)?)))
                .collect();
            let message = self.compose(ON, descriptor, &stated)?;
            let from = self.connection(ON)?.items.len();
            self.send_message(ON, message)?;
            self.fence(ON)?;
            let answered = self.connection(ON)?.items[from..].iter().any(|item| match &item.what {
                ItemWhat::Frame(frame) => frame
                    .message()
                    .is_some_and(|message| message.descriptor.name == "SubmitShares.Success"),
                _ => false,
            });
            if answered {
                return Ok(count);
            }
        }
        Err(silence("a share"))
    }

    fn active_job(&mut self) -> Option<u32> {
        let tracker = &self.connections.get(ON)?.tracker;
        let channel = tracker.channels.get(&tracker.last_opened?)?;
        channel.active().map(|job| job.id)
    }

    /// Whether channel bits are those of the table, or those from before sv2-spec#196.
    fn channel_bits(&self) -> Value {
        let mut verdict = "table";
        for connection in self.connections.values() {
            for item in &connection.items {
                let ItemWhat::Frame(frame) = &item.what else { continue };
                let Some(message) = frame.message() else { continue };
                if frame.header.has_channel_bit() != message.descriptor.channel_bit {
                    let is_older = CHANGED_BITS.contains(&message.descriptor.number);
                    verdict = if is_older && verdict != "wrong" { "older" } else { "wrong" };
                }
            }
        }
        Value::text(verdict)
    }
}

impl Probe {
    fn learn_prices(&mut self, prices: &[(f32, u64)]) {
        if let Some(cheapest) = prices.iter().map(|(_, price)| *price).min() {
            self.learn(SHARE_PRICE, Value::Int(cheapest));
        }
        if let Some((_, price)) = prices.iter().find(|(rate, _)| *rate >= 1e5) {
            self.learn("mining.share.price_at_1e5", Value::Int(*price));
        }
    }
}

fn refused(answer: &MessageView) -> Stop {
    Stop(Box::new(super::Finding::ours(answer.line())))
}

fn silence(what: &str) -> Stop {
    Stop(Box::new(super::Finding::ours(format!("{what} was not answered"))))
}

fn int(number: u32) -> Value {
    Value::Int(number.into())
}

/// A whole number of hashes, saturated.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast of a float saturates, and expectations are positive"
)]
fn hashes(expected: f64) -> u64 {
    expected.ceil() as u64
}

fn blank_case() -> Case {
    Case {
        id: "probe".to_owned(),
        title: "What the target is like".to_owned(),
        note: None,
        roles: Vec::new(),
        severity: Severity::Low,
        tags: Vec::new(),
        profiles: Vec::new(),
        except: Vec::new(),
        aliases: Vec::new(),
        clauses: Vec::new(),
        requires: Requires::default(),
        world: WorldSettings::default(),
        parameters: Vec::new(),
        steps: Vec::new(),
        kills: Vec::new(),
        mutants: Vec::new(),
        file: String::new(),
    }
}

/// The probe's connection.
const ON: &str = "probe";

/// Of the experimental range (spec 3.4): in no product.
const NO_EXTENSION: u32 = 0x7ffe;

/// Shares that are sent to learn how many are acknowledged at once.
const BATCH_MAX: u64 = 40;

/// Messages whose channel bit sv2-spec#196 has changed.
const CHANGED_BITS: &[u8] = &[0x15, 0x22, 0x23, 0x24, 0x60];
