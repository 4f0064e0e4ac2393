//! A role that sends back what it gets; some numbers make it do other things.

use bytes::Bytes;
use sv2::common::ChannelEndpointChanged;
use sv2::event::Event;
use sv2::message::Message;
use sv2::mining::share_record::{ShareOutcome, ShareRecord};
use sv2::role::{
    Answer, ChainEvent, CloseReason, ConnectionId, DialId, Input, Outbox, Output, PeerAddress,
    Request, RequestId, Role, Via,
};
use sv2::time::{Instant, Now};
use sv2::wire::{Frame, Str255};

/// Answers with 0 to [`ANSWERS`], then closes.
pub(crate) const ANSWER_AND_CLOSE: u32 = u32::MAX;
/// Sends long frames until the connection is closed.
pub(crate) const FLOOD: u32 = u32::MAX - 1;
/// Answers a little later.
pub(crate) const WAKE: u32 = u32::MAX - 2;
/// Answers once a share is persisted.
pub(crate) const PERSIST: u32 = u32::MAX - 3;

/// Submits what is no block.
pub(crate) const SUBMIT: u32 = u32::MAX - 4;

pub(crate) const ANSWERS: u32 = 5_000;
/// Of the share that is persisted.
pub(crate) const ERROR_CODE: &str = "stale-share";

#[derive(Default)]
pub(crate) struct Echo {
    dial: Option<PeerAddress>,
    flooded: Option<ConnectionId>,
    wake_at: Option<Instant>,
    woken_for: Option<ConnectionId>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Echo::default()
    }

    /// Dials at once.
    pub(crate) fn dialing(peer: PeerAddress) -> Self {
        Echo { dial: Some(peer), wake_at: Some(Instant::ZERO), ..Echo::default() }
    }

    fn answer(&mut self, now: Now, connection: ConnectionId, number: u32, out: &mut Outbox) {
        match number {
            ANSWER_AND_CLOSE => {
                (0..ANSWERS).for_each(|number| send(connection, number, out));
                out.close(connection, CloseReason::Idle);
                send(connection, number, out);
            }
            FLOOD => {
                self.flooded = Some(connection);
                self.wake_at = Some(now.instant);
            }
            WAKE => {
                self.woken_for = Some(connection);
                self.wake_at = Some(now.after(std::time::Duration::from_millis(5)).instant);
            }
            PERSIST => {
                let record = Box::new(ShareRecord {
                    at: now.unix,
                    user_identity: Str255::default(),
                    worker: Bytes::new(),
                    outcome: ShareOutcome::Rejected { error_code: ERROR_CODE },
                });
                let what = Request::Persist { record };
                let ConnectionId(id) = connection;
                out.put(Output::Request { request: RequestId(id.into()), what });
            }
            SUBMIT => {
                let what = Request::SubmitBlock { block: Bytes::from_static(b"no block") };
                out.put(Output::Request { request: RequestId(0), what });
            }
            number => send(connection, number, out),
        }
    }

    fn wake(&mut self, now: Now, out: &mut Outbox) {
        self.wake_at = None;
        if let Some(peer) = self.dial.take() {
            out.put(Output::Dial { dial: DialId(1), peer });
        } else if let Some(connection) = self.flooded {
            let payload = Bytes::from(vec![0; 50_000]);
            let frame = Frame { extension_type: 0, message_type: 0, payload };
            out.put(Output::Forward { connection, frame });
            self.wake_at = Some(now.instant);
        } else if let Some(connection) = self.woken_for.take() {
            send(connection, WAKE, out);
        } else {
            note("woken", out);
        }
    }
}

impl Role for Echo {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { via: Via::Listener(_), .. } => {}
            Input::Connected { via: Via::Dial(DialId(1)), .. } => note("dialled", out),
            Input::DialFailed { dial: DialId(1), reason } => {
                note(&format!("dial failed: {reason}"), out);
            }
            Input::Received {
                connection,
                message: Message::ChannelEndpointChanged(ChannelEndpointChanged { channel_id }),
                ..
            } => self.answer(now, connection, channel_id, out),
            Input::Closed { connection, reason } => {
                self.flooded = self.flooded.filter(|flooded| *flooded != connection);
                out.tell(Event::ConnectionClosed { connection, reason });
            }
            Input::Answer { request: RequestId(id), answer: Answer::Persisted } => {
                send(ConnectionId(u32::try_from(id).unwrap()), PERSIST, out);
            }
            Input::Answer { answer: Answer::BlockRejected { reason }, .. } => note(&reason, out),
            Input::Chain(ChainEvent::Template(template)) => {
                out.tell(Event::TipChanged { prev_hash: template.prev_hash });
            }
            Input::Woken => self.wake(now, out),
            other => panic!("nobody sends {other:?}"),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.wake_at
    }
}

fn send(connection: ConnectionId, channel_id: u32, out: &mut Outbox) {
    out.send(connection, ChannelEndpointChanged { channel_id });
}

fn note(what: &str, out: &mut Outbox) {
    out.tell(Event::Noted { connection: None, what: what.into() });
}
