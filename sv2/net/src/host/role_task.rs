//! The task that owns the role: gives it its inputs and does what it says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::message::Message;
use sv2::role::{
    Answer, CloseReason, ConnectionId, Input, Outbox, Output, Request, RequestId, Role,
};
use sv2::time::Instant;
use sv2::wire::Tlvs;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout_at};

use super::{Inbound, Outbound, Outgoing, Shared, Stop};
use crate::dialer;
use crate::tap::{Direction, Link, Trace};
use crate::world::{Reply, World};

pub(super) struct RoleTask<R> {
    role: R,
    out: Outbox,
    /// By connection id.
    slots: Vec<Option<Slot>>,
    open_count: usize,
    world: Arc<dyn World>,
    answers: mpsc::UnboundedSender<(RequestId, Answer)>,
    answered: mpsc::UnboundedReceiver<(RequestId, Answer)>,
    open_request_count: usize,
    shared: Arc<Shared>,
    trace: Option<Arc<dyn Trace>>,
    entropy: Entropy,
    dial_count: u64,
}

/// A connection that the role knows.
struct Slot {
    link: Link,
    state: SlotState,
}

enum SlotState {
    Open(Outbound),
    /// What comes from the peer is not for the role any more; it waits for `Input::Closed`.
    Closing(CloseReason),
}

impl<R: Role> RoleTask<R> {
    pub(super) fn new(
        role: R,
        world: Arc<dyn World>,
        shared: Arc<Shared>,
        trace: Option<Arc<dyn Trace>>,
        entropy: Entropy,
    ) -> Self {
        let (answers, answered) = mpsc::unbounded_channel();
        RoleTask {
            role,
            out: Outbox::new(),
            slots: Vec::new(),
            open_count: 0,
            world,
            answers,
            answered,
            open_request_count: 0,
            shared,
            trace,
            entropy,
            dial_count: 0,
        }
    }

    pub(super) async fn run(mut self, mut inbound: mpsc::Receiver<Inbound>) {
        let shared = Arc::clone(&self.shared);
        let mut stopped = pin!(shared.stopped(Stop::Gracefully));
        let mut timer = pin!(sleep_until(TokioInstant::now()));
        let mut armed_for = None;
        let mut batch = Vec::new();
        loop {
            let wake_at = self.role.wake_at();
            if let Some(instant) = wake_at.filter(|_| wake_at != armed_for) {
                timer.as_mut().reset(shared.clock.to_tokio(instant));
                armed_for = wake_at;
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = &mut timer, if wake_at.is_some() => {
                    // Tokio's timers are no more exact than a millisecond, and never early.
                    armed_for = None;
                    self.handle(Input::Woken);
                }
                Some((request, answer)) = self.answered.recv() => {
                    self.open_request_count -= 1;
                    self.handle(Input::Answer { request, answer });
                }
                _ = inbound.recv_many(&mut batch, INBOUND_AT_ONCE) => {
                    for inbound in batch.drain(..) {
                        self.take(inbound);
                        self.wake_if_due();
                    }
                }
            }
        }
        self.close_all(&mut inbound).await;
    }

    /// A long row of batches does not put off a deadline.
    fn wake_if_due(&mut self) {
        let is_due = |wake_at: Instant| wake_at <= self.shared.clock.now().instant;
        if self.role.wake_at().is_some_and(is_due) {
            self.handle(Input::Woken);
        }
    }

    fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Opened { connection, via, link, outbound } => {
                let index = index(connection);
                if self.slots.len() <= index {
                    self.slots.resize_with(index + 1, || None);
                }
                self.slots[index] = Some(Slot { link, state: SlotState::Open(outbound) });
                self.open_count += 1;
                self.shared.counting.opened.add(1);
                tracing::debug!(host = self.shared.name, peer = %link, ?connection, ?via, "opened");
                self.handle(Input::Connected { connection, via });
            }
            Inbound::Batch { connection, inputs } => {
                for input in inputs {
                    if !self.is_open(connection) {
                        break;
                    }
                    self.handle(input);
                }
            }
            Inbound::Closed { connection, reason } => self.closed(connection, reason),
            Inbound::DialFailed { dial, reason } => {
                tracing::warn!(host = self.shared.name, ?dial, "dial failed: {reason}");
                self.handle(Input::DialFailed { dial, reason });
            }
            Inbound::Injected(input) => self.handle(*input),
        }
    }

    fn closed(&mut self, connection: ConnectionId, reason: CloseReason) {
        let slot = self.slots.get_mut(index(connection)).and_then(Option::take);
        let Some(Slot { link, state }) = slot else { return };
        let reason = match state {
            SlotState::Open(_) => reason,
            SlotState::Closing(reason) => reason,
        };
        self.open_count -= 1;
        self.shared.counting.closed.add(1);
        log_close(&self.shared.name, link, connection, &reason);
        self.handle(Input::Closed { connection, reason });
        self.shared.ids.give_back(connection);
    }

    fn handle(&mut self, input: Input) {
        match &input {
            Input::Received { connection, message, tlvs, .. } => {
                self.trace(*connection, Direction::Received, message, tlvs);
            }
            Input::Line { connection, line } => {
                self.trace_line(*connection, Direction::Received, line);
            }
            _ => {}
        }
        self.role.handle(self.shared.clock.now(), input, &mut self.out);
        if self.out.is_empty() {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        out.drain().for_each(|output| self.perform(output));
        // With its allocation.
        self.out = out;
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Send { connection, message, tlvs } => {
                self.trace(connection, Direction::Sent, &message, &tlvs);
                self.send(connection, Outgoing::Message { message, tlvs });
            }
            Output::Forward { connection, frame } => self.send(connection, Outgoing::Frame(frame)),
            Output::Line { connection, line } => {
                self.trace_line(connection, Direction::Sent, &line);
                self.send(connection, Outgoing::Line(line));
            }
            Output::Close { connection, reason } => {
                self.close(connection, reason, self.shared.limits.close_timeout);
            }
            Output::Dial { dial, peer } => {
                self.dial_count += 1;
                let entropy = self.entropy.fork("dial", self.dial_count);
                tokio::spawn(dialer::dial(dial, peer, Arc::clone(&self.shared), entropy));
            }
            Output::Request { request, what } => self.request(request, what),
            Output::Event(event) => {
                log_event(&self.shared.name, &event);
                let _ = self.shared.events.send(event);
            }
        }
    }

    fn trace(
        &self,
        connection: ConnectionId,
        direction: Direction,
        message: &Message,
        tlvs: &Tlvs,
    ) {
        let Some(trace) = &self.trace else { return };
        if let Some(Some(Slot { link, .. })) = self.slots.get(index(connection)) {
            trace.message(self.shared.clock.now(), *link, direction, message, tlvs);
        }
    }

    fn trace_line(&self, connection: ConnectionId, direction: Direction, line: &[u8]) {
        let Some(trace) = &self.trace else { return };
        if let Some(Some(Slot { link, .. })) = self.slots.get(index(connection)) {
            trace.line(self.shared.clock.now(), *link, direction, line);
        }
    }

    /// A connection that is closing, or that the role does not know to be gone yet, takes nothing.
    fn send(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        let Some(SlotState::Open(outbound)) = self.state(connection) else { return };
        let limit = self.shared.limits.unsent_bytes_max;
        if let Err(unsent_len) = outbound.push(outgoing, limit) {
            self.shared.counting.too_slow.add(1);
            let reason = CloseReason::TooSlow { unsent_len, limit };
            self.close(connection, reason, Duration::ZERO);
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: CloseReason, patience: Duration) {
        let Some(Some(slot)) = self.slots.get_mut(index(connection)) else { return };
        if let SlotState::Closing(_) = slot.state {
            return;
        }
        let closing = SlotState::Closing(reason);
        if let SlotState::Open(outbound) = std::mem::replace(&mut slot.state, closing) {
            outbound.close(patience);
        }
    }

    fn request(&mut self, request: RequestId, what: Request) {
        self.open_request_count += 1;
        let reply = Reply::new(request, self.answers.clone());
        let limit = self.shared.limits.requests_max;
        if self.open_request_count > limit {
            reply.answer(Answer::Failed(format!("{limit} requests are open, the limit")));
        } else {
            self.world.take(what, reply);
        }
    }

    async fn close_all(mut self, inbound: &mut mpsc::Receiver<Inbound>) {
        let patience = self.shared.limits.close_timeout;
        for (id, slot) in (0..).zip(0..self.slots.len()) {
            if self.slots[slot].is_some() {
                self.close(ConnectionId(id), CloseReason::ByUs, patience);
            }
        }
        let deadline = TokioInstant::now() + patience;
        while self.open_count > 0 {
            match timeout_at(deadline, inbound.recv()).await {
                // Established while we were closing.
                Ok(Some(Inbound::Opened { connection, outbound, .. })) => {
                    outbound.close(Duration::ZERO);
                    self.shared.ids.give_back(connection);
                }
                Ok(Some(inbound)) => self.take(inbound),
                Ok(None) | Err(_) => break,
            }
        }
    }

    fn state(&self, connection: ConnectionId) -> Option<&SlotState> {
        Some(&self.slots.get(index(connection))?.as_ref()?.state)
    }

    fn is_open(&self, connection: ConnectionId) -> bool {
        matches!(self.state(connection), Some(SlotState::Open(_)))
    }
}

fn index(ConnectionId(id): ConnectionId) -> usize {
    id as usize
}

/// One line for each connection; a peer at fault is worth a warning, which names the clause.
fn log_close(host: &str, peer: Link, connection: ConnectionId, reason: &CloseReason) {
    let ConnectionId(connection) = connection;
    match reason {
        CloseReason::ByPeer | CloseReason::ByUs => {
            tracing::debug!(host, %peer, connection, "closed: {reason}");
        }
        CloseReason::Broken(_)
        | CloseReason::SetupRefused(_)
        | CloseReason::ServiceChanged(_)
        | CloseReason::Idle => {
            tracing::info!(host, %peer, connection, "closed: {reason}");
        }
        CloseReason::SetupTimedOut
        | CloseReason::RefusedByPeer(_)
        | CloseReason::Unanswered(_)
        | CloseReason::Violation(_)
        | CloseReason::Undecodable(_)
        | CloseReason::Connection(_)
        | CloseReason::Sv1(_)
        | CloseReason::TooSlow { .. }
        | CloseReason::Limit(_) => {
            tracing::warn!(host, %peer, connection, "closed: {reason}");
        }
    }
}

fn log_event(host: &str, event: &Event) {
    match event {
        Event::Noted { connection: Some(ConnectionId(connection)), what } => {
            tracing::warn!(host, connection, "{what}");
        }
        Event::Noted { connection: None, what } => tracing::info!(host, "{what}"),
        Event::AccountsFailed { .. } => tracing::error!(host, "{event}"),
        Event::AccountsRecovered => tracing::info!(host, "{event}"),
        Event::RejectionsUncounted { .. } | Event::CommandRefused { .. } => {
            tracing::warn!(host, "{event}");
        }
        Event::BlockFound { hash } => tracing::info!(host, %hash, "block found"),
        Event::TipChanged { prev_hash } => tracing::info!(host, %prev_hash, "new tip"),
        Event::UpstreamLeft { .. } | Event::MiningFor { .. } => tracing::info!(host, "{event}"),
        event => tracing::debug!(host, ?event),
    }
}

/// Batches between two looks at the timer, the answers and the order to stop.
const INBOUND_AT_ONCE: usize = 32;
