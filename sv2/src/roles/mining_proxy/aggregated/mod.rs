//! Many clients on one extended channel of an upstream (spec 5.2, 5.2.3).
//!
//! All of the search space that the upstream gives is divided among the clients, who are served
//! as by a pool ([`crate::roles::mining_server`]): with targets of their own, with their shares
//! acknowledged here, and standard jobs made of the upstream's extended ones when these arrive.
//! What meets the upstream's target goes up. Where an upstream fails, the next one is tried, and
//! the clients stay.
//!
//! The upstream sees one connection with one channel, so messages of extensions that we do not
//! know end here: they name a channel that means nothing on the other side (spec 3.4.1).

mod jobs;
mod upstream;

use self::upstream::Upstream;
use super::MiningProxyConfig;
use crate::entropy::Entropy;
use crate::message::Message;
use crate::role::{ConnectionId, Input, Outbox, Role, Via};
use crate::roles::mining_server::{MiningServer, MiningServerConfig};
use crate::time::{Instant, Now};
use crate::wire::Tlvs;

/// A proxy that aggregates.
#[derive(Debug)]
pub(super) struct Aggregated {
    server: MiningServer,
    upstream: Upstream,
}

impl Aggregated {
    /// A proxy that has no upstream yet. It wants to be woken at once, to dial the first.
    ///
    /// # Panics
    /// If the configuration names no upstream.
    pub(super) fn new(config: MiningProxyConfig, entropy: Entropy) -> Self {
        let upstream = Upstream::new(&config);
        // The one channel has the upstream's jobs.
        let server = MiningServerConfig { supports_work_selection: false, ..config.server };
        Aggregated { upstream, server: MiningServer::new(server, entropy) }
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        tlvs: &Tlvs,
        out: &mut Outbox,
    ) {
        if self.upstream.uplink.is(connection) {
            self.handle_upstream_message(now, connection, message, out);
        } else {
            self.server.handle_message(now, connection, message, tlvs, &mut self.upstream, out);
        }
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let (server, uplink) = (&mut self.server, &mut self.upstream.uplink);
        match input {
            Input::Received { connection, message, tlvs, original: _ } => {
                self.handle_message(now, connection, message, &tlvs, out);
            }
            Input::Connected { connection, via: Via::Dial(dial) } => {
                uplink.handle_connected(now, dial, connection, out);
            }
            Input::Connected { connection, via: Via::Listener(_) } => {
                server.handle_connected(now, connection);
            }
            Input::DialFailed { dial, reason: _ } => {
                uplink.handle_dial_failed(now, dial);
            }
            Input::Undecodable { connection, frame: _, error } if uplink.is(connection) => {
                uplink.handle_undecodable(connection, error, out);
            }
            Input::Undecodable { connection, frame, error } => {
                server.handle_undecodable(now, connection, &frame, error, out);
            }
            Input::Closed { connection, reason } if uplink.is(connection) => {
                uplink.handle_closed(now, connection, reason, out);
                self.handle_upstream_lost(out);
            }
            Input::Closed { connection, reason } => {
                server.handle_closed(connection, reason, out);
            }
            Input::Answer { request, answer } => server.handle_answer(now, request, &answer, out),
            Input::Line { connection, .. } => out.refuse_line(connection),
            Input::Command(command) => server.handle_command(&command, out),
            Input::Woken => {
                uplink.handle_woken(now, out);
                server.handle_woken(now, out);
            }
            // News of a chain come through the upstream.
            Input::Chain(_) => {}
        }
    }
}

impl Role for Aggregated {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.upstream.uplink.is_started() {
            self.upstream.uplink.dial(out);
            self.server.start(now);
        }
        self.take(now, input, out);
        self.upstream.watch_answers(now, out);
        self.follow_demand(now, out);
    }

    fn wake_at(&self) -> Option<Instant> {
        let all = [
            self.upstream.uplink.wake_at(),
            self.server.wake_at(),
            self.upstream.update_at(self.server.channel_changes()),
            self.upstream.deadline(),
        ];
        all.into_iter().flatten().min()
    }
}
