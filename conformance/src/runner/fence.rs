//! Fences: a request whose answer shows that everything before it has been dealt with. Each
//! protocol has one that every server must answer.

use sv2::message::{Descriptor, by_name};

use super::connection::{Connection, ItemWhat};
use super::{Session, Stop};
use crate::case::value::Value;
use crate::client::exchange::MessageView;
use crate::client::tracker::ChannelKind;

/// A request, and the field that its answer repeats.
struct Fence {
    request: &'static Descriptor,
    key: &'static str,
    id: u64,
}

impl Session<'_> {
    /// Sends a request and waits for its answer: everything before has been dealt with then.
    /// False if no answer came.
    pub(super) fn fence(&mut self, on: &str) -> Result<bool, Stop> {
        let connection = self.connection(on)?;
        if connection.is_closed || !connection.is_set_up {
            return Ok(false);
        }
        let last_opened = connection.tracker.last_opened;
        let Some(fence) = Fence::of(connection) else { return Ok(false) };
        let message = self.compose(on, fence.request, &[(fence.key, Value::Int(fence.id))])?;
        self.send_message(on, message)?;
        let deadline = self.deadline(None);
        let mut looked_at = 0;
        loop {
            let connection = self.connection(on)?;
            while let Some(item) = connection.items.get_mut(looked_at) {
                looked_at += 1;
                let ItemWhat::Frame(frame) = &item.what else { continue };
                let Some(message) = frame.message() else { continue };
                if !fence.is_answered_by(message) {
                    continue;
                }
                let opened = message.number("channel_id");
                item.is_taken = true;
                if let Some(channel) = opened {
                    connection.tracker.last_opened = last_opened;
                    self.close_channel(on, channel)?;
                }
                return Ok(true);
            }
            if !self.pump(on, deadline) {
                return Ok(false);
            }
        }
    }

    /// The fence's channel is of no use afterwards.
    fn close_channel(&mut self, on: &str, channel: u32) -> Result<(), Stop> {
        let Some(descriptor) = by_name("CloseChannel", None) else { return Ok(()) };
        let stated = [("channel_id", Value::Int(channel.into()))];
        let message = self.compose(on, descriptor, &stated)?;
        self.send_message(on, message)
    }
}

impl Fence {
    /// `None` on a connection for a protocol that nobody has defined.
    fn of(connection: &mut Connection) -> Option<Fence> {
        let (name, key, id) = match connection.tracker.asked_protocol? {
            0 => {
                let mut channels = connection.tracker.channels.values();
                let is_extended = channels.any(|channel| channel.kind == ChannelKind::Extended);
                let name = match is_extended {
                    true => "OpenExtendedMiningChannel",
                    false => "OpenStandardMiningChannel",
                };
                (name, "request_id", Session::fresh_request(connection).into())
            }
            1 => {
                let id = Session::fresh_request(connection);
                ("AllocateMiningJobToken", "request_id", id.into())
            }
            // A template that nobody has given: the answer is an error (spec 7.6).
            2 => {
                let id = u64::MAX - u64::from(Session::fresh_request(connection));
                ("RequestTransactionData", "template_id", id)
            }
            _ => return None,
        };
        Some(Fence { request: by_name(name, None)?, key, id })
    }

    fn is_answered_by(&self, message: &MessageView) -> bool {
        message.descriptor.sender != self.request.sender
            && message.field(self.key).and_then(Value::as_int) == Some(self.id)
    }
}
