//! What expressions see while a case runs.

use std::collections::BTreeMap;

use bytes::Bytes;
use sv2::roles::pool::PoolConfig;

use super::Session;
use super::connection::Connection;
use crate::case::step::Door;
use crate::case::value::{Scope, Value};
use crate::client::exchange::MessageView;

/// Variables, facts, the present message, and what follows from the present connection.
pub(super) struct View<'a> {
    session: Option<&'a Session<'a>>,
    facts: &'a BTreeMap<String, Value>,
    connection: Option<&'a Connection>,
    message: Option<&'a MessageView>,
    extra: Vec<(&'static str, Value)>,
}

impl<'a> View<'a> {
    pub(super) fn of(session: &'a Session<'_>, on: &str) -> View<'a> {
        View {
            connection: session.connections.get(on),
            facts: session.context.facts,
            session: Some(session),
            message: None,
            extra: Vec::new(),
        }
    }

    pub(super) fn of_facts(facts: &'a BTreeMap<String, Value>) -> View<'a> {
        View { session: None, facts, connection: None, message: None, extra: Vec::new() }
    }

    pub(super) fn with_message(mut self, message: &'a MessageView) -> Self {
        self.message = Some(message);
        self
    }

    /// Host and port, as the target was told them.
    fn door(&self, door: Door) -> Option<Value> {
        let (host, port) = self.session?.world.door(door)?;
        Some(Value::record([("host", Value::text(host)), ("port", Value::Int(port.into()))]))
    }

    /// A value that `field:NAME` stands for beside the message's fields.
    pub(super) fn with_field(mut self, name: &'static str, value: Value) -> Self {
        self.extra.push((name, value));
        self
    }
}

impl Scope for View<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        let session = self.session?;
        if let Some(value) = session.variables.get(name) {
            return Some(value.clone());
        }
        let channel = || {
            let tracker = &self.connection?.tracker;
            tracker.channels.get(&tracker.last_opened?)
        };
        Some(match name {
            "now" => Value::Int(session.world.now().unix.0),
            "user" => Value::text(session.profile.identity("user").unwrap_or(DEFAULT_USER)),
            "target" => {
                let (host, port) = session.endpoint();
                Value::record([("host", Value::text(host)), ("port", Value::Int(port.into()))])
            }
            "upstream" => self.door(Door::Upstream)?,
            "backup" => self.door(Door::Backup)?,
            // Of our own job declarator server.
            "payout" => Value::Bytes(PoolConfig::default().payout_script.into()),
            "channel" => channel()?.record(),
            "job" => {
                let channel = channel()?;
                channel.active()?.record(channel)
            }
            "tip" => channel()?.tip?.record(),
            _ => return None,
        })
    }

    fn fact(&self, name: &str) -> Option<Value> {
        self.facts.get(name).cloned()
    }

    fn field(&self, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.extra.iter().find(|(known, _)| *known == name) {
            return Some(value.clone());
        }
        self.message?.field(name).cloned()
    }

    fn random(&self, len: usize) -> Bytes {
        let Some(session) = self.session else { return Bytes::from(vec![0; len]) };
        let draw = session.draw();
        let mut bytes = vec![0; len];
        session.entropy.fork("random", draw).fill(&mut bytes);
        Bytes::from(bytes)
    }
}

/// Who is paid where the target's file names nobody.
const DEFAULT_USER: &str = "assay.conformance";
