//! Setting up connections of clients on those of upstreams (spec 3.6.1 to 3.6.3), and extensions
//! (0x0001).

use super::client::{Client, Phase};
use super::lane::{Extensions, Lane};
use super::{Timer, Transparent};
use crate::common::{
    PROTOCOL_VERSION, Protocol, SetupConnection, SetupConnectionError, SetupConnectionSuccess,
    setup_error_code,
};
use crate::event::Event;
use crate::extensions::{
    NEGOTIATION, RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess,
};
use crate::mining::setup_flag::{REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, success};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{Seq64K, Str255};

impl Transparent {
    pub(super) fn handle_connected(&mut self, now: Now, connection: ConnectionId) {
        let index = connection.0 as usize;
        if self.clients.len() <= index {
            self.clients.resize_with(index + 1, || None);
        }
        self.clients[index] = Some(Box::default());
        self.timers.set(Timer::Setup(connection), now.instant + self.server.setup_timeout);
    }

    pub(super) fn handle_client_closed(
        &mut self,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Outbox,
    ) {
        if self.client(connection).is_some() {
            self.release(connection, out);
            self.clients[connection.0 as usize] = None;
            out.tell(Event::ConnectionClosed { connection, reason });
        }
    }

    pub(super) fn handle_setup(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetupConnection,
        out: &mut Outbox,
    ) {
        // A refusal over flags names all that are not supported (spec 3.6.3), and what the
        // upstream supports is not known before it has answered.
        let without_unknown = SetupConnection {
            flags: request.flags & self.offer.supported_flags,
            ..request.clone()
        };
        if let Err(refusal) = self.offer.answer(&without_unknown) {
            return self.refuse_setup(connection, refusal.into(), out);
        }
        let lane = Lane::of_flags(request.flags);
        let Some(client) = self.client(connection) else { return };
        client.phase = Phase::AwaitingUpstream;
        client.flags = request.flags;
        client.lane = Some(lane);
        self.lanes[lane].client_count += 1;
        self.timers.set(Timer::Setup(connection), now.instant + self.server.setup_timeout);
        self.answer_setup(now, connection, out);
    }

    /// The upstream's flags are the answer, as soon as the upstream may be asked for something:
    /// not before extensions are settled with it.
    fn answer_setup(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let Some(&mut Client { lane: Some(lane), flags: asked, .. }) = self.client(connection)
        else {
            return;
        };
        let at = &self.lanes[lane];
        let (Some(flags), Extensions::Agreed(_)) = (at.granted, &at.extensions) else { return };
        let mut refused = !self.offer.supported_flags;
        if flags & success::REQUIRES_EXTENDED_CHANNELS != 0 {
            refused |= REQUIRES_STANDARD_JOBS;
        }
        if asked & refused != 0 {
            return self.refuse_setup(connection, unsupported(refused), out);
        }
        let Some(client) = self.client(connection) else { return };
        client.phase = Phase::Open;
        self.timers.cancel(Timer::Setup(connection));
        out.send(connection, SetupConnectionSuccess { used_version: PROTOCOL_VERSION, flags });
        let protocol = Protocol::Mining as u8;
        out.tell(Event::SetupDone { connection, protocol, flags: asked });
        self.watch_idleness(now, connection);
    }

    pub(super) fn handle_setup_deadline(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let Some(client) = self.client(connection) else { return };
        let Some(lane) = client.lane else {
            return self.close(connection, CloseReason::SetupTimedOut, out);
        };
        let refusal = self.lanes[lane].refusal.clone().unwrap_or(SetupConnectionError {
            flags: 0,
            error_code: Str255::from_static(setup_error_code::UPSTREAM_UNAVAILABLE),
        });
        self.refuse_setup(connection, refusal, out);
    }

    fn refuse_setup(
        &mut self,
        connection: ConnectionId,
        refusal: SetupConnectionError,
        out: &mut Outbox,
    ) {
        out.send(connection, refusal);
        self.close(connection, CloseReason::SetupRefused("by the proxy or its upstream"), out);
    }

    /// An upstream has taken our `SetupConnection`.
    pub(super) fn handle_upstream_ready(
        &mut self,
        now: Now,
        lane: usize,
        flags: u32,
        out: &mut Outbox,
    ) {
        let asked = self.lanes[lane].flags;
        if asked & REQUIRES_VERSION_ROLLING != 0 && flags & success::REQUIRES_FIXED_VERSION != 0 {
            let reason = "REQUIRES_FIXED_VERSION in spite of REQUIRES_VERSION_ROLLING (spec 5.3.1)";
            self.lanes[lane].uplink.close(CloseReason::RefusedByPeer(reason.to_owned()), out);
            return self.handle_upstream_refusal(lane, unsupported(REQUIRES_VERSION_ROLLING), out);
        }
        let at = &mut self.lanes[lane];
        at.granted = Some(flags);
        (at.refusal, at.refusal_count) = (None, 0);
        at.ask_for_extensions(now, out);
        self.answer_waiting(now, lane, out);
    }

    /// Answers everybody who waits for the upstream, if it is there and extensions are settled.
    pub(super) fn answer_waiting(&mut self, now: Now, lane: usize, out: &mut Outbox) {
        for connection in self.clients_of(lane, Phase::AwaitingUpstream) {
            self.answer_setup(now, connection, out);
        }
        self.answer_extensions(now, lane, out);
    }

    /// Where every upstream has refused what the lane needs, so does the proxy.
    pub(super) fn handle_upstream_refusal(
        &mut self,
        lane: usize,
        mut refusal: SetupConnectionError,
        out: &mut Outbox,
    ) {
        if refusal.flags != 0 {
            refusal.flags |= !self.offer.supported_flags;
        }
        let at = &mut self.lanes[lane];
        at.refusal_count += 1;
        at.refusal = Some(refusal.clone());
        if at.refusal_count < at.uplink.peer_count() {
            return;
        }
        at.refusal_count = 0;
        for connection in self.clients_of(lane, Phase::AwaitingUpstream) {
            self.refuse_setup(connection, refusal.clone(), out);
        }
    }

    /// What a client may use is what the upstream has agreed on: it is the other end of every
    /// channel. The latest request counts (AMB-40).
    pub(super) fn handle_request_extensions(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: RequestExtensions,
        out: &mut Outbox,
    ) {
        let Some(client) = self.client(connection) else { return };
        let Some(lane) = client.lane else { return };
        client.held_request = Some(request);
        self.answer_extensions(now, lane, out);
    }

    /// Answers everybody on the lane who waits for what the upstream agrees on.
    fn answer_extensions(&mut self, now: Now, lane: usize, out: &mut Outbox) {
        let Extensions::Agreed(agreed) = self.lanes[lane].extensions.clone() else { return };
        let required = self.lanes[lane].required.clone();
        for connection in self.clients_of(lane, Phase::Open) {
            let Some(client) = self.client(connection) else { continue };
            let Some(request) = client.held_request.take() else { continue };
            let requested = request.requested_extensions.as_slice();
            let (supported, unsupported): (Vec<u16>, Vec<u16>) = requested
                .iter()
                .copied()
                .partition(|extension| *extension == NEGOTIATION || agreed.contains(extension));
            let request_id = request.request_id;
            client.extensions.clone_from(&supported);
            client.extensions.retain(|extension| *extension != NEGOTIATION);
            let missing = missing_from(&required, requested);
            if let Some(extension) = missing.first().copied().filter(|_| client.was_refused) {
                let violation = Violation::RequiredExtensionMissing { extension };
                self.close(connection, violation.into(), out);
                continue;
            }
            client.was_refused = !missing.is_empty();
            if !missing.is_empty() || supported.is_empty() && !unsupported.is_empty() {
                client.extensions.clear();
                let unsupported_extensions = sequence(unsupported);
                let required_extensions = sequence(missing);
                out.send(
                    connection,
                    RequestExtensionsError {
                        request_id,
                        unsupported_extensions,
                        required_extensions,
                    },
                );
                self.count_useless(now, connection, out);
                continue;
            }
            let supported_extensions = sequence(supported);
            out.send(connection, RequestExtensionsSuccess { request_id, supported_extensions });
        }
    }
}

fn unsupported(flags: u32) -> SetupConnectionError {
    let error_code = Str255::from_static(setup_error_code::UNSUPPORTED_FEATURE_FLAGS);
    SetupConnectionError { flags, error_code }
}

pub(super) fn missing_from(required: &[u16], present: &[u16]) -> Vec<u16> {
    required.iter().copied().filter(|extension| !present.contains(extension)).collect()
}

/// Part of a request.
fn sequence(extensions: Vec<u16>) -> Seq64K<u16> {
    Seq64K::new(extensions).unwrap_or_default()
}
