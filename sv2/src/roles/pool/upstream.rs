//! The pool as a client of its template provider (spec 7).

use std::collections::VecDeque;
use std::time::Duration;

use super::{Pool, Timer};
use crate::common::{
    PROTOCOL_VERSION, Protocol, Reconnect, SetupConnection, SetupConnectionSuccess,
};
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::payout_len;
use crate::role::{CloseReason, ConnectionId, DialId, Outbox, Output, PeerAddress};
use crate::template_distribution::{CoinbaseOutputConstraints, SubmitSolution};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::Str255;

/// Where the pool stands with its template provider.
#[derive(Debug)]
pub(super) struct Upstream {
    state: State,
    /// Where to dial; changes when the provider says so.
    peer: PeerAddress,
    dial_count: u32,
    /// Before the next dial.
    wait: Duration,
    /// Blocks that wait for a provider to send them to.
    solutions: VecDeque<SubmitSolution>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotStarted,
    Waiting,
    Dialling(DialId),
    SettingUp(ConnectionId),
    Ready(ConnectionId),
    /// We have asked the driver to close it.
    Closing(ConnectionId),
}

impl Upstream {
    /// Blocks that are kept while there is no provider; the oldest goes first.
    const SOLUTIONS_MAX: usize = 16;

    pub(super) fn new(peer: PeerAddress, wait: Duration) -> Self {
        let solutions = VecDeque::new();
        Upstream { state: State::NotStarted, peer, dial_count: 0, wait, solutions }
    }

    pub(super) fn is_started(&self) -> bool {
        self.state != State::NotStarted
    }

    pub(super) fn is(&self, connection: ConnectionId) -> bool {
        match self.state {
            State::SettingUp(ours) | State::Ready(ours) | State::Closing(ours) => {
                ours == connection
            }
            State::NotStarted | State::Waiting | State::Dialling(_) => false,
        }
    }
}

impl Pool {
    pub(super) fn dial_upstream(&mut self, out: &mut Outbox) {
        let dial = DialId(self.upstream.dial_count);
        self.upstream.dial_count = self.upstream.dial_count.wrapping_add(1);
        self.upstream.state = State::Dialling(dial);
        out.put(Output::Dial { dial, peer: self.upstream.peer.clone() });
    }

    pub(super) fn handle_upstream_lost(&mut self, now: Now) {
        self.timers.cancel(Timer::UpstreamSetup);
        self.upstream.state = State::Waiting;
        self.timers.set(Timer::Redial, now.instant + self.upstream.wait);
        self.upstream.wait = (2 * self.upstream.wait).min(self.config.redial_wait.1);
    }

    pub(super) fn handle_dial_failed(&mut self, now: Now, dial: DialId) {
        if self.upstream.state == State::Dialling(dial) {
            self.handle_upstream_lost(now);
        }
    }

    pub(super) fn handle_upstream_connected(
        &mut self,
        now: Now,
        dial: DialId,
        connection: ConnectionId,
        out: &mut Outbox,
    ) {
        if self.upstream.state != State::Dialling(dial) {
            return out.close(connection, CloseReason::ByUs);
        }
        self.upstream.state = State::SettingUp(connection);
        self.timers.set(Timer::UpstreamSetup, now.instant + self.config.setup_timeout);
        let text = |text: &str| Str255::new(text.as_bytes().to_vec()).unwrap_or_default();
        out.send(
            connection,
            SetupConnection {
                protocol: Protocol::TemplateDistribution as u8,
                min_version: PROTOCOL_VERSION,
                max_version: PROTOCOL_VERSION,
                flags: 0,
                endpoint_host: text(&self.upstream.peer.host),
                endpoint_port: self.upstream.peer.port,
                vendor: Str255::from_static("Assay"),
                hardware_version: Str255::from_static("pool"),
                firmware: Str255::from_static(concat!("assay-", env!("CARGO_PKG_VERSION"))),
                device_id: Str255::default(),
            },
        );
    }

    pub(super) fn handle_upstream_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        match (self.upstream.state, message) {
            (State::SettingUp(_), Message::SetupConnectionSuccess(success)) => {
                self.handle_upstream_setup(connection, &success, out);
            }
            (State::SettingUp(_), Message::SetupConnectionError(error)) => {
                let reason = error.error_code.as_slice().escape_ascii().to_string();
                self.close_upstream(CloseReason::RefusedByPeer(reason), out);
            }
            (State::Ready(_), Message::NewTemplate(template)) => {
                self.handle_template(*template, out);
            }
            (State::Ready(_), Message::TemplateSetNewPrevHash(news)) => {
                if let Err(violation) = self.handle_tip(now, &news, out) {
                    self.close_upstream(violation.into(), out);
                }
            }
            (State::Ready(_), Message::Reconnect(reconnect)) => {
                self.handle_reconnect(&reconnect, out);
            }
            (State::SettingUp(_) | State::Ready(_), other) => out.tell(Event::Noted {
                connection: Some(connection),
                what: format!("ignored {} from the template provider (spec 7)", other.name()),
            }),
            (State::Closing(_) | State::NotStarted | State::Waiting | State::Dialling(_), _) => {}
        }
    }

    fn handle_upstream_setup(
        &mut self,
        connection: ConnectionId,
        success: &SetupConnectionSuccess,
        out: &mut Outbox,
    ) {
        let used = success.used_version;
        if used != PROTOCOL_VERSION {
            let (min, max) = (PROTOCOL_VERSION, PROTOCOL_VERSION);
            let violation = Violation::VersionOutOfRange { used, min, max };
            return self.close_upstream(violation.into(), out);
        }
        self.timers.cancel(Timer::UpstreamSetup);
        self.upstream.state = State::Ready(connection);
        self.upstream.wait = self.config.redial_wait.0;
        self.forget_futures();
        // Spec 7.1: at once, and before anything else.
        out.send(connection, self.constraints());
        for solution in std::mem::take(&mut self.upstream.solutions) {
            out.send(connection, solution);
        }
    }

    /// What the pool puts in front of the template's outputs (spec 7.1).
    fn constraints(&self) -> CoinbaseOutputConstraints {
        let script = bitcoin::Script::from_bytes(&self.config.payout_script);
        let sigops = 4 * script.count_sigops_legacy();
        CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: u32::try_from(payout_len(script.as_bytes()))
                .unwrap_or(u32::MAX),
            coinbase_output_max_additional_sigops: u16::try_from(sigops).unwrap_or(u16::MAX),
        }
    }

    /// Spec 3.6.5. The authority stays: nobody else's certificate would be accepted.
    fn handle_reconnect(&mut self, reconnect: &Reconnect, out: &mut Outbox) {
        if !reconnect.new_host.as_slice().is_empty() {
            self.upstream.peer.host = reconnect.new_host.to_text().into_owned();
        }
        if reconnect.new_port != 0 {
            self.upstream.peer.port = reconnect.new_port;
        }
        self.close_upstream(CloseReason::ByUs, out);
    }

    /// Asks the driver to close; its `Closed` leads to the next dial.
    pub(super) fn close_upstream(&mut self, reason: CloseReason, out: &mut Outbox) {
        if let State::SettingUp(connection) | State::Ready(connection) = self.upstream.state {
            self.upstream.state = State::Closing(connection);
            self.timers.cancel(Timer::UpstreamSetup);
            out.close(connection, reason);
        }
    }

    /// A block leaves at once, or as soon as there is a provider again (spec 7.7).
    pub(super) fn send_solution(&mut self, solution: SubmitSolution, out: &mut Outbox) {
        if let State::Ready(connection) = self.upstream.state {
            return out.send(connection, solution);
        }
        if self.upstream.solutions.len() == Upstream::SOLUTIONS_MAX {
            self.upstream.solutions.pop_front();
        }
        self.upstream.solutions.push_back(solution);
    }
}
