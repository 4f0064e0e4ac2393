//! What stands in the fields that a case does not state: a message that a reasonable client
//! would send.

use bytes::Bytes;
use sv2::job_declaration::DECLARE_TX_DATA;
use sv2::message::Descriptor;
use sv2::wire::{Field, Kind, U256};

use super::Session;
use super::connection::Connection;
use crate::case::TargetRole;
use crate::case::step::Peer;
use crate::case::value::Value;
use crate::client::tracker::{Channel, Tracker};

impl Session<'_> {
    /// The default of a field of `message` on a connection; it may draw a fresh number.
    pub(super) fn default_field(
        &mut self,
        connection: &mut Connection,
        message: &'static Descriptor,
        field: &'static Field,
        stated: &[(&'static str, Value)],
    ) -> Value {
        if connection.is_served() {
            let value = self.server_field(connection, message, field, stated);
            return value.unwrap_or_else(|| zero(field.kind));
        }
        let channel = |tracker: &Tracker| -> Option<Channel> {
            tracker.channels.get(&tracker.last_opened?).cloned()
        };
        let tracker = &connection.tracker;
        match (message.name, field.name) {
            ("SetupConnection", "protocol") => Value::Int(
                match connection.peer {
                    Peer::Target => self.profile.role.protocol(),
                    Peer::JobDeclarator => TargetRole::JobDeclaratorServer.protocol(),
                }
                .into(),
            ),
            // Full-template mode (spec 6.4.1): some servers insist on it.
            ("SetupConnection", "flags")
                if connection.peer == Peer::JobDeclarator
                    || self.profile.role == TargetRole::JobDeclaratorServer =>
            {
                Value::Int(DECLARE_TX_DATA.into())
            }
            ("SetupConnection", "min_version" | "max_version") => Value::Int(2),
            ("SetupConnection", "endpoint_host") => Value::text(self.endpoint().0),
            ("SetupConnection", "endpoint_port") => Value::Int(self.endpoint().1.into()),
            ("SetupConnection", "vendor") => Value::text("Assay"),
            ("SetupConnection", "hardware_version") => Value::text("conformance suite"),
            ("SetupConnection", "firmware") => Value::text(env!("CARGO_PKG_VERSION")),
            (_, "request_id") => {
                connection.next_request += 1;
                Value::Int(u64::from(connection.next_request - 1))
            }
            (_, "user_identity") => {
                Value::text(self.profile.identity("user").unwrap_or("assay.conformance"))
            }
            (_, "nominal_hash_rate") => Value::F32(NOMINAL_HASH_RATE),
            (_, "max_target" | "maximum_target") => Value::U256(U256::MAX),
            (_, "min_extranonce_size") => Value::Int(4),
            (_, "sequence_number") => {
                connection.next_sequence += 1;
                Value::Int(u64::from(connection.next_sequence - 1))
            }
            (_, "channel_id") => {
                Value::Int(channel(tracker).map_or(0, |channel| channel.id.into()))
            }
            (name, part) if name.starts_with("SubmitShares") => {
                let channel = channel(tracker);
                let job = channel.as_ref().and_then(|channel| channel.active().cloned());
                match part {
                    "job_id" => Value::Int(job.map_or(0, |job| job.id.into())),
                    "version" => Value::Int(job.map_or(0, |job| job.version.into())),
                    "ntime" => {
                        let tip = channel.and_then(|channel| channel.tip);
                        Value::Int(job.map_or(0, |job| job.ntime(tip.as_ref()).into()))
                    }
                    "extranonce" => {
                        let len = channel.map_or(0, |channel| channel.extranonce_size);
                        Value::Bytes(Bytes::from(vec![0; len]))
                    }
                    _ => zero(field.kind),
                }
            }
            ("CoinbaseOutputConstraints", "coinbase_output_max_additional_size") => Value::Int(100),
            _ => zero(field.kind),
        }
    }
}

fn zero(kind: &Kind) -> Value {
    Value::from_wire(crate::mutant::zero(kind))
}

/// What cases claim where they say nothing: shares of it are found within a fraction of a
/// second by one core.
const NOMINAL_HASH_RATE: f32 = 1e5;
