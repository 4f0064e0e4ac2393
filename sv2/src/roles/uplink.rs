//! The client side of one upstream connection, whatever its protocol: dialling with growing
//! waits, set-up and its deadline, `Reconnect`, and the next upstream of a list where one fails
//! (spec 3.6).
//!
//! What is said on the connection once it is set up is the owner's business.

use std::time::Duration;

use crate::common::{
    PROTOCOL_VERSION, Protocol, Reconnect, SetupConnection, SetupConnectionError,
    SetupConnectionSuccess,
};
use crate::event::Event;
use crate::message::{DecodeError, Message};
use crate::role::{CloseReason, ConnectionId, DialId, Outbox, Output, PeerAddress};
use crate::time::{Instant, Now};
use crate::violation::Violation;
use crate::wire::Str255;

/// Whom to dial, and how patiently.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UplinkSettings {
    /// In order of preference; none only for who never dials.
    pub(crate) peers: Vec<PeerAddress>,
    /// First wait before the list is tried again; doubles up to the last.
    pub(crate) redial_wait: (Duration, Duration),
    /// From a connection to the answer to `SetupConnection`.
    pub(crate) setup_timeout: Duration,
}

/// What the owner wants of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UplinkPurpose {
    /// Which of the owner's uplinks this is, and of how many: they share its dial ids.
    pub(crate) turn: (u32, u32),
    pub(crate) protocol: Protocol,
    /// Of `SetupConnection`.
    pub(crate) flags: u32,
    /// What we are: `SetupConnection.hardware_version`.
    pub(crate) role: &'static str,
    /// What the peer is, for people.
    pub(crate) peer: &'static str,
}

/// One upstream connection, or the attempt to get one.
#[derive(Debug)]
pub(crate) struct Uplink {
    settings: UplinkSettings,
    purpose: UplinkPurpose,
    state: State,
    /// Of `settings.peers`.
    peer_at: usize,
    /// Where the present peer has sent us.
    redirect: Option<(String, u16)>,
    next_dial: DialId,
    /// Before the list is tried again.
    wait: Duration,
    /// Of the next dial, or of set-up.
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotStarted,
    /// Until the owner names a peer.
    Resting,
    Waiting,
    Dialling(DialId),
    SettingUp(ConnectionId),
    Ready(ConnectionId, Instant),
    /// We have asked the driver to close it.
    Closing(ConnectionId, Next),
}

/// Whom to dial next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The same peer, or where it has sent us.
    Same,
    /// The one behind it in the list.
    Following,
    /// The head of the list.
    First,
    /// As the owner has said: this one of the list, or nobody.
    Told(Option<usize>),
}

/// What a message of the upstream means to the owner.
#[derive(Debug)]
pub(crate) enum UplinkNews {
    /// Set-up is done.
    Ready {
        /// Of `SetupConnection.Success`.
        flags: u32,
    },
    /// Set-up was refused; the connection is being closed, and others will be tried.
    Refused(SetupConnectionError),
    /// Something for the owner, after set-up.
    Message(Message),
}

impl Uplink {
    /// An upstream that is lost so soon after set-up has failed: the next in the list is tried.
    const SETTLED_AFTER: Duration = Duration::from_secs(30);

    /// Nothing happens before the first [`Uplink::dial`] or [`Uplink::turn_to`].
    pub(crate) fn new(settings: UplinkSettings, purpose: UplinkPurpose) -> Self {
        Uplink {
            wait: settings.redial_wait.0,
            next_dial: DialId(purpose.turn.0),
            settings,
            purpose,
            state: State::NotStarted,
            peer_at: 0,
            redirect: None,
            deadline: None,
        }
    }

    /// Nobody needs the connection now: after its end no other is dialled until the next
    /// [`Uplink::dial`].
    pub(crate) fn rest(&mut self, out: &mut Outbox) {
        match self.state {
            State::SettingUp(_) | State::Ready(..) => {
                self.close_for(Next::First, CloseReason::ByUs, out);
            }
            State::Waiting => {
                self.state = State::NotStarted;
                self.deadline = None;
            }
            State::NotStarted | State::Resting | State::Dialling(_) | State::Closing(..) => {}
        }
    }

    pub(crate) fn is_started(&self) -> bool {
        self.state != State::NotStarted
    }

    /// Whether a dial is one of this uplink's.
    pub(crate) fn owns(&self, dial: DialId) -> bool {
        let (turn, turns) = self.purpose.turn;
        dial.0 % turns == turn
    }

    /// Whether the connection ends because the owner has turned elsewhere.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.state, State::Closing(_, Next::Told(_)))
    }

    /// Whether the connection ends because the peer has sent us elsewhere (spec 3.6.5).
    pub(crate) fn is_redirected(&self) -> bool {
        matches!(self.state, State::Closing(_, Next::Same))
    }

    /// Whether a connection is this one.
    pub(crate) fn is(&self, connection: ConnectionId) -> bool {
        match self.state {
            State::SettingUp(ours) | State::Ready(ours, _) | State::Closing(ours, _) => {
                ours == connection
            }
            State::NotStarted | State::Resting | State::Waiting | State::Dialling(_) => false,
        }
    }

    /// The connection, once it is set up.
    pub(crate) fn ready(&self) -> Option<ConnectionId> {
        match self.state {
            State::Ready(connection, _) => Some(connection),
            _ => None,
        }
    }

    /// `None`: nothing is due. Not started is due at once.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        if self.is_started() { self.deadline } else { Some(Instant::ZERO) }
    }

    /// Does what is due.
    pub(crate) fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        if self.deadline.is_none_or(|deadline| deadline > now.instant) {
            return;
        }
        match self.state {
            State::Waiting => self.dial(out),
            State::SettingUp(_) => self.close(CloseReason::SetupTimedOut, out),
            _ => {}
        }
    }

    /// How many peers there are to be tried.
    pub(crate) fn peer_count(&self) -> usize {
        self.settings.peers.len()
    }

    /// The first dial; the later ones come by themselves.
    ///
    /// # Panics
    /// If the list of peers is empty.
    pub(crate) fn dial(&mut self, out: &mut Outbox) {
        let dial = self.next_dial;
        let (turn, turns) = self.purpose.turn;
        self.next_dial = DialId(dial.0.checked_add(turns).unwrap_or(turn));
        self.state = State::Dialling(dial);
        self.deadline = None;
        out.put(Output::Dial { dial, peer: self.peer() });
    }

    /// The authority stays through redirects: nobody else's certificate would be accepted
    /// (spec 3.6.5).
    fn peer(&self) -> PeerAddress {
        let listed = self.settings.peers[self.peer_at].clone();
        match &self.redirect {
            Some((host, port)) => PeerAddress { host: host.clone(), port: *port, ..listed },
            None => listed,
        }
    }

    /// A dial of ours has led to a connection.
    pub(crate) fn handle_connected(
        &mut self,
        now: Now,
        dial: DialId,
        connection: ConnectionId,
        out: &mut Outbox,
    ) {
        if self.state != State::Dialling(dial) {
            return out.close(connection, CloseReason::ByUs);
        }
        self.state = State::SettingUp(connection);
        self.deadline = Some(now.instant + self.settings.setup_timeout);
        let text = |text: &str| Str255::new(text.as_bytes().to_vec()).unwrap_or_default();
        let peer = self.peer();
        out.send(
            connection,
            SetupConnection {
                protocol: self.purpose.protocol as u8,
                min_version: PROTOCOL_VERSION,
                max_version: PROTOCOL_VERSION,
                flags: self.purpose.flags,
                endpoint_host: text(&peer.host),
                endpoint_port: peer.port,
                vendor: Str255::from_static("Assay"),
                hardware_version: Str255::from_static(self.purpose.role),
                firmware: Str255::from_static(concat!("assay-", env!("CARGO_PKG_VERSION"))),
                device_id: Str255::default(),
            },
        );
    }

    /// A dial of ours has led to nothing. `false`: nobody waits for this one any more.
    pub(crate) fn handle_dial_failed(&mut self, now: Now, dial: DialId) -> bool {
        let is_awaited = self.state == State::Dialling(dial);
        if is_awaited {
            self.prepare(now, Next::Following);
        }
        is_awaited
    }

    /// Leaves whoever is dialled or connected, and dials this peer of the list, or nobody until
    /// the next call. For owners to whom the order of the list is not enough.
    pub(crate) fn turn_to(
        &mut self,
        now: Now,
        peer_at: Option<usize>,
        reason: CloseReason,
        out: &mut Outbox,
    ) {
        let next = Next::Told(peer_at);
        match self.state {
            State::SettingUp(_) | State::Ready(..) => self.close_for(next, reason, out),
            State::Closing(connection, _) => self.state = State::Closing(connection, next),
            State::NotStarted | State::Resting | State::Waiting | State::Dialling(_) => {
                self.prepare(now, next);
            }
        }
    }

    /// A message of the connection. What is left for the owner is returned.
    pub(crate) fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) -> Option<UplinkNews> {
        match (self.state, message) {
            (State::SettingUp(_), Message::SetupConnectionSuccess(success)) => {
                self.handle_setup(now, connection, &success, out)
            }
            (State::SettingUp(_), Message::SetupConnectionError(error)) => {
                let reason = error.error_code.as_slice().escape_ascii().to_string();
                self.close(CloseReason::RefusedByPeer(reason), out);
                Some(UplinkNews::Refused(error))
            }
            (State::SettingUp(_), other) => {
                self.note_ignored(connection, other.name(), out);
                None
            }
            (State::Ready(..), Message::Reconnect(reconnect)) => {
                self.handle_reconnect(connection, &reconnect, out);
                None
            }
            (State::Ready(..), message) => Some(UplinkNews::Message(message)),
            (
                State::Closing(..)
                | State::NotStarted
                | State::Resting
                | State::Waiting
                | State::Dialling(_),
                _,
            ) => None,
        }
    }

    fn handle_setup(
        &mut self,
        now: Now,
        connection: ConnectionId,
        success: &SetupConnectionSuccess,
        out: &mut Outbox,
    ) -> Option<UplinkNews> {
        let used = success.used_version;
        if used != PROTOCOL_VERSION {
            let (min, max) = (PROTOCOL_VERSION, PROTOCOL_VERSION);
            self.close(Violation::VersionOutOfRange { used, min, max }.into(), out);
            return None;
        }
        self.state = State::Ready(connection, now.instant);
        self.deadline = None;
        self.wait = self.settings.redial_wait.0;
        Some(UplinkNews::Ready { flags: success.flags })
    }

    /// A frame that is no message that we know, or a malformed one, in words.
    pub(crate) fn handle_undecodable(
        &mut self,
        connection: ConnectionId,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        match error {
            DecodeError::Unknown { .. } => self.note_ignored(connection, &error.to_string(), out),
            DecodeError::Malformed { .. } => self.close(CloseReason::Undecodable(error), out),
        }
    }

    /// Tells people of something that has no place on this connection.
    pub(crate) fn note_ignored(&self, connection: ConnectionId, what: &str, out: &mut Outbox) {
        let what = format!("ignored from the {}: {what} (spec 3.4.1, 8)", self.purpose.peer);
        out.tell(Event::Noted { connection: Some(connection), what });
    }

    /// Spec 3.6.5.
    fn handle_reconnect(
        &mut self,
        connection: ConnectionId,
        reconnect: &Reconnect,
        out: &mut Outbox,
    ) {
        let mut peer = self.peer();
        let new_host = reconnect.new_host.as_slice();
        if !new_host.iter().all(u8::is_ascii_graphic) {
            return self.note_ignored(connection, "Reconnect to a host that is no name", out);
        }
        if !new_host.is_empty() {
            peer.host = String::from_utf8_lossy(new_host).into_owned();
        }
        if reconnect.new_port != 0 {
            peer.port = reconnect.new_port;
        }
        self.redirect = Some((peer.host, peer.port));
        self.close_for(Next::Same, CloseReason::ByUs, out);
    }

    /// Gives the peer up and goes on with the next in the list: asks the driver to close, whose
    /// `Closed` leads to the next dial.
    pub(crate) fn close(&mut self, reason: CloseReason, out: &mut Outbox) {
        self.close_for(Next::Following, reason, out);
    }

    fn close_for(&mut self, next: Next, reason: CloseReason, out: &mut Outbox) {
        if let State::SettingUp(connection) | State::Ready(connection, _) = self.state {
            self.state = State::Closing(connection, next);
            self.deadline = None;
            out.close(connection, reason);
        }
    }

    /// `false`: the connection was not this one, and nothing is done about it.
    pub(crate) fn handle_closed(
        &mut self,
        now: Now,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Outbox,
    ) -> bool {
        if !self.is(connection) {
            return false;
        }
        let next = match self.state {
            State::Closing(_, next) => next,
            State::Ready(_, since) if now.instant.since(since) >= Self::SETTLED_AFTER => {
                Next::First
            }
            _ => Next::Following,
        };
        self.prepare(now, next);
        out.tell(Event::ConnectionClosed { connection, reason });
        true
    }

    /// Within a round through the list the next peer is dialled at once, else after the wait.
    fn prepare(&mut self, now: Now, next: Next) {
        self.state = State::Waiting;
        let was_redirected = self.redirect.is_some();
        if next != Next::Same {
            self.redirect = None;
        }
        match next {
            Next::Same => {}
            // Where a redirect leads nowhere, the one who gave it has another chance.
            Next::Following if was_redirected => {}
            Next::Following => self.peer_at = (self.peer_at + 1) % self.settings.peers.len(),
            Next::First => self.peer_at = 0,
            Next::Told(Some(peer_at)) => {
                self.peer_at = peer_at;
                self.deadline = Some(now.instant);
                return;
            }
            Next::Told(None) => {
                self.state = State::Resting;
                self.deadline = None;
                return;
            }
        }
        let goes_on = next == Next::Following && self.peer_at > 0 && !was_redirected;
        let wait = if goes_on { Duration::ZERO } else { self.wait };
        self.deadline = Some(now.instant + wait);
        if !goes_on {
            self.wait = (2 * self.wait).min(self.settings.redial_wait.1);
        }
    }
}

#[cfg(test)]
mod tests;
