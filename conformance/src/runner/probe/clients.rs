//! The probe of targets that dial the suite: what they say first, and what they ask for.

use std::time::Duration;

use sv2::message::by_name;
use sv2::time::Instant;

use super::super::connection::ItemWhat;
use super::super::{Session, Stop};
use super::{Fact, Probe, ProbeError, int};
use crate::case::step::{Accept, Connect, Layer, LineKind};
use crate::case::value::Value;
use crate::case::{AGGREGATED, TRANSPARENT};
use crate::client::exchange::MessageView;

/// The fact that holds what a proxy does with the channels of its clients.
pub const PROXY_MODE: &str = "proxy.mode";

pub(super) const DEVICE_FACTS: &[Fact] = &[
    Fact { name: "device.flags", text: "flags of its SetupConnection" },
    Fact { name: "device.channel", text: "\"standard\" or \"extended\": what it opens" },
    Fact {
        name: "device.asks_for_extensions",
        text: "it asks for extensions before it opens a channel",
    },
    Fact { name: "device.hash_rate", text: "hashes per second that it claims" },
];

pub(super) const PROXY_FACTS: &[Fact] = &[
    Fact { name: "device.flags", text: "flags of its SetupConnection" },
    Fact { name: "proxy.opens_first", text: "it opens a channel before any client asks for one" },
    Fact { name: "proxy.upstream_channel", text: "\"standard\" or \"extended\": what it opens" },
    Fact { name: PROXY_MODE, text: "\"aggregated\" or \"transparent\": what becomes of channels" },
    Fact { name: "proxy.standard_channels", text: "standard channels can be opened below" },
    Fact { name: "proxy.extended_channels", text: "extended channels can be opened below" },
];

pub(super) const JOB_DECLARATOR_CLIENT_FACTS: &[Fact] = &[
    Fact { name: "device.flags", text: "flags of its SetupConnection" },
    Fact { name: "proxy.opens_first", text: "it opens a channel before any client asks for one" },
    Fact { name: "proxy.standard_channels", text: "standard channels can be opened below" },
    Fact { name: "proxy.extended_channels", text: "extended channels can be opened below" },
];

pub(super) const SV1_DEVICE_FACTS: &[Fact] = &[
    Fact { name: "sv1.user_agent", text: "what it calls itself in mining.subscribe" },
    Fact { name: "sv1.configures", text: "it asks for extensions (BIP 310)" },
    Fact { name: "sv1.user", text: "for whom it works" },
];

pub(super) const TRANSLATOR_FACTS: &[Fact] = &[
    Fact { name: "device.flags", text: "flags of its SetupConnection" },
    Fact { name: "proxy.opens_first", text: "it opens a channel before any device has come" },
];

impl Session<'_> {
    /// What it opens upstream before a device has come.
    pub(super) fn learn_translator(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        self.learn_set_up_of_client(probe)?;
        let soon = self.world.now().instant + FIRST_WORDS;
        let open = self.open_request(soon);
        probe.learn("proxy.opens_first", Value::Bool(open.is_some()));
        Ok(())
    }

    /// Until it has a job.
    pub(super) fn learn_sv1_device(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        let failed = |stop: Stop| ProbeError::NoDial(stop.0.because);
        let accept = Accept { layer: Layer::Lines, ..Accept::default() };
        self.accept(SERVED, &accept).map_err(failed)?;
        let deadline = self.deadline(Some(OPEN_TIME));
        let call = |session: &mut Self, method| loop {
            let found =
                session.connections.get(SERVED)?.items.iter().find_map(|item| match &item.what {
                    ItemWhat::Line(line) if line.is(LineKind::Call(method)) => Some(line.clone()),
                    _ => None,
                });
            if found.is_some() || !session.pump(SERVED, deadline) {
                return found;
            }
        };
        let subscribe = call(self, "mining.subscribe")
            .ok_or_else(|| ProbeError::NoDial("no mining.subscribe came".to_owned()))?;
        let agent = subscribe.part("params.0").unwrap_or(Value::List(Vec::new()));
        probe.learn("sv1.user_agent", agent);
        if let Some(authorize) = call(self, "mining.authorize") {
            let user = authorize.part("params.0").unwrap_or(Value::List(Vec::new()));
            probe.learn("sv1.user", user);
        }
        let configures = self.connections.get(SERVED).is_some_and(|connection| {
            connection.items.iter().any(|item| match &item.what {
                ItemWhat::Line(line) => line.is(LineKind::Call("mining.configure")),
                _ => false,
            })
        });
        probe.learn("sv1.configures", Value::Bool(configures));
        Ok(())
    }

    pub(super) fn learn_device(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        self.learn_set_up_of_client(probe)?;
        // Some measure what they can do first.
        let Some(open) = self.open_request(self.deadline(Some(OPEN_TIME))) else {
            probe.gaps.push("device.channel: none was asked for".to_owned());
            return Ok(());
        };
        probe.learn("device.channel", kind_of(&open));
        let asks = self.connections.get(SERVED).is_some_and(|connection| {
            connection.messages().any(|one| one.descriptor.name == "RequestExtensions")
        });
        probe.learn("device.asks_for_extensions", Value::Bool(asks));
        if let Some(rate) = open.field("nominal_hash_rate") {
            probe.learn("device.hash_rate", rate.clone());
        }
        Ok(())
    }

    /// What it opens upstream before a client has come, and for whom it works.
    pub(super) fn learn_job_declarator_client(
        &mut self,
        probe: &mut Probe,
    ) -> Result<(), ProbeError> {
        self.learn_set_up_of_client(probe)?;
        let soon = self.world.now().instant + FIRST_WORDS;
        let open = self.open_request(soon);
        probe.learn("proxy.opens_first", Value::Bool(open.is_some()));
        self.learn_channels_below(probe);
        Ok(())
    }

    /// Which channels its own clients can open; how many of the two kinds.
    fn learn_channels_below(&mut self, probe: &mut Probe) -> usize {
        let mut open_count = 0;
        for (name, message) in [
            ("proxy.extended_channels", "OpenExtendedMiningChannel"),
            ("proxy.standard_channels", "OpenStandardMiningChannel"),
        ] {
            let answer = self.set_up(0).and_then(|_| {
                let success = format!("{message}.Success");
                self.ask(message, &[], &[success.as_str(), "OpenMiningChannel.Error"])
            });
            self.hang_up();
            if let Ok(answer) = answer {
                let is_open = answer.descriptor.name.ends_with(".Success");
                open_count += usize::from(is_open);
                probe.learn(name, Value::Bool(is_open));
            }
        }
        open_count
    }

    /// What it opens upstream, before a client has come or for the first one.
    pub(super) fn learn_proxy(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        // One that dials without a client may also listen only once it has an upstream.
        let _ = self.knock();
        self.learn_set_up_of_client(probe)?;
        let soon = self.world.now().instant + FIRST_WORDS;
        let open = self.open_request(soon);
        probe.learn("proxy.opens_first", Value::Bool(open.is_some()));
        let open_count = self.learn_channels_below(probe);
        if let Some(open) = open.or_else(|| self.open_request(self.world.now().instant)) {
            probe.learn("proxy.upstream_channel", kind_of(&open));
        }
        // Two channels below tell the modes apart.
        if open_count == 2 {
            let asked = self.connections.get(SERVED).map_or(0, |connection| {
                let names = connection.messages().map(|message| message.descriptor.name);
                names.filter(|name| name.starts_with("Open")).count()
            });
            probe.learn(PROXY_MODE, Value::text(if asked < 2 { AGGREGATED } else { TRANSPARENT }));
        }
        Ok(())
    }

    /// A client that stays: a proxy may need one to dial.
    fn knock(&mut self) -> Result<(), Stop> {
        self.connect(KNOCKING, &Connect::default())?;
        let Some(descriptor) = by_name("SetupConnection", None) else { return Ok(()) };
        let message = self.compose(KNOCKING, descriptor, &[])?;
        self.send_message(KNOCKING, message)
    }

    /// Until the target has asked us for a connection.
    fn learn_set_up_of_client(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        let failed = |stop: Stop| ProbeError::NoDial(stop.0.because);
        self.accept(SERVED, &Accept::default()).map_err(failed)?;
        let deadline = self.deadline(None);
        let set_up = self.await_request("SetupConnection", deadline);
        let set_up = set_up.ok_or_else(|| ProbeError::NoDial("no SetupConnection came".into()))?;
        probe.learn("device.flags", int(set_up.number("flags").unwrap_or(0)));
        Ok(())
    }

    fn open_request(&mut self, until: Instant) -> Option<MessageView> {
        self.await_request("Open", until)
    }

    /// The first request of ours whose name begins so.
    fn await_request(&mut self, name: &str, until: Instant) -> Option<MessageView> {
        loop {
            let connection = self.connections.get(SERVED)?;
            let found =
                connection.messages().find(|one| one.descriptor.name.starts_with(name)).cloned();
            if found.is_some() || !self.pump(SERVED, until) {
                return found;
            }
        }
    }
}

/// What an open request is for.
fn kind_of(open: &MessageView) -> Value {
    Value::text(match open.descriptor.name {
        "OpenStandardMiningChannel" => "standard",
        _ => "extended",
    })
}

/// The target's connection to the suite.
const SERVED: &str = "upstream";

/// A client of the target that asks for nothing more.
const KNOCKING: &str = "knocking";

/// For what a proxy says by itself.
const FIRST_WORDS: Duration = Duration::from_secs(2);

/// For a device to open its channel.
const OPEN_TIME: Duration = Duration::from_secs(60);
