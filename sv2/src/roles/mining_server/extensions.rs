//! Extensions: negotiation (0x0001) and the worker's name behind a share (0x0002).

use super::{MiningServer, MiningServerConfig};
use crate::event::Event;
use crate::extensions::{
    NEGOTIATION, RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess,
    WORKER_TRACKING, WORKER_USER_IDENTITY, WORKER_USER_IDENTITY_LEN_MAX,
};
use crate::role::{ConnectionId, Outbox};
use crate::violation::Violation;
use crate::wire::{Seq64K, Tlv, TlvOrder, Tlvs};

/// What a connection has agreed on.
#[derive(Debug, Default)]
pub(super) struct Negotiated {
    extensions: Box<[u16]>,
}

impl Negotiated {
    fn has(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }
}

impl MiningServer {
    /// Extension 0x0001. A later request replaces what an earlier one agreed on (AMB-40).
    pub(super) fn handle_request_extensions(
        &mut self,
        connection: ConnectionId,
        request: &RequestExtensions,
        out: &mut Outbox,
    ) {
        let config = &self.config;
        let Some(downstream) = super::slot(&mut self.connections, connection) else { return };
        let requested = request.requested_extensions.as_slice();
        let is_supported = |extension: &u16| {
            *extension == NEGOTIATION || config.supported_extensions.contains(extension)
        };
        let request_id = request.request_id;
        let missing: Vec<u16> = missing_from(&config.required_extensions, requested);
        let supported: Vec<u16> = requested.iter().copied().filter(is_supported).collect();
        if missing.is_empty() && (!supported.is_empty() || requested.is_empty()) {
            downstream.negotiated.extensions = supported.as_slice().into();
            out.send(
                connection,
                RequestExtensionsSuccess { request_id, supported_extensions: sequence(supported) },
            );
            return;
        }
        downstream.negotiated.extensions = Box::default();
        if downstream.refuse_extensions(!missing.is_empty())
            && let Some(extension) = missing.first().copied()
        {
            self.close(connection, Violation::RequiredExtensionMissing { extension }.into(), out);
            return;
        }
        let unsupported =
            requested.iter().copied().filter(|extension| !is_supported(extension)).collect();
        out.send(
            connection,
            RequestExtensionsError {
                request_id,
                unsupported_extensions: sequence(unsupported),
                required_extensions: sequence(missing),
            },
        );
    }
}

impl MiningServerConfig {
    /// A required extension that the client goes on without (extension 0x0001, 4).
    pub(super) fn missing_extension(&self, negotiated: &Negotiated) -> Option<Violation> {
        let missing = missing_from(&self.required_extensions, &negotiated.extensions);
        let extension = *missing.first()?;
        Some(Violation::RequiredExtensionMissing { extension })
    }
}

/// The worker that a share names, if that was agreed on and it does.
///
/// # Errors
/// The name is longer than its extension allows: the share is refused (spec 3.4.3).
pub(super) fn worker(negotiated: &Negotiated, tlvs: &Tlvs) -> Result<Option<Tlv>, NameTooLong> {
    if tlvs.is_empty() || !negotiated.has(WORKER_TRACKING) {
        return Ok(None);
    }
    // AMB-03: the byte order is disputed. A reading counts if it is whole and finds the field;
    // what was not negotiated is skipped, wherever it stands (AMB-04).
    let reading = |order| {
        let fields = tlvs.fields(order).ok()?;
        fields
            .into_iter()
            .find(|tlv| tlv.extension == WORKER_TRACKING && tlv.field == WORKER_USER_IDENTITY)
    };
    match reading(TlvOrder::LittleEndian).or_else(|| reading(TlvOrder::BigEndian)) {
        Some(tlv) if tlv.value.len() > WORKER_USER_IDENTITY_LEN_MAX => {
            Err(NameTooLong { len: tlv.value.len() })
        }
        found => Ok(found),
    }
}

/// Extension 0x0002, 1.1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NameTooLong {
    pub(super) len: usize,
}

pub(super) fn tell_worker(
    connection: ConnectionId,
    channel_id: u32,
    worker: &Tlv,
    out: &mut Outbox,
) {
    let worker = worker.value.escape_ascii().to_string();
    out.tell(Event::WorkerNamed { connection, channel_id, worker });
}

fn missing_from(wanted: &[u16], present: &[u16]) -> Vec<u16> {
    wanted.iter().copied().filter(|extension| !present.contains(extension)).collect()
}

/// Subsets of a request, or of our settings.
fn sequence(extensions: Vec<u16>) -> Seq64K<u16> {
    Seq64K::new(extensions).unwrap_or_default()
}
