//! Bugs with a memory: what a rule of a case's file cannot say, because it depends on what was
//! said and heard before.
//!
//! A bug stands between the clients and the role. It changes what the role hears and what it
//! says, both ways alike where the role must go on working.

use sv2::message::Message;
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

/// A bug, and what it remembers.
pub(super) trait Bug: Default + 'static {
    /// A client has sent a message: what the role hears of it, and what is answered at once.
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        turn.hear(connection, message);
    }

    /// The role sends a message: what goes out.
    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        turn.say(connection, message);
    }

    /// Whether a connection that the role wants to close is closed.
    fn closes(&mut self, _reason: &CloseReason) -> bool {
        true
    }
}

/// What comes of one message.
#[derive(Default)]
pub(super) struct Turn {
    heard: Vec<(ConnectionId, Message)>,
    said: Vec<(ConnectionId, Message)>,
}

impl Turn {
    /// The role hears this; without effect in [`Bug::say`].
    pub(super) fn hear(&mut self, connection: ConnectionId, message: impl Into<Message>) {
        self.heard.push((connection, message.into()));
    }

    /// This goes out, before anything that the role says to what it hears.
    pub(super) fn say(&mut self, connection: ConnectionId, message: impl Into<Message>) {
        self.said.push((connection, message.into()));
    }
}

/// A role with a bug.
pub(super) fn around<B: Bug>(inner: Box<dyn Role>) -> Box<dyn Role> {
    Box::new(Remembering { inner, bug: B::default(), inner_out: Outbox::new() })
}

struct Remembering<B> {
    inner: Box<dyn Role>,
    bug: B,
    inner_out: Outbox,
}

impl<B: Bug> Role for Remembering<B> {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Received { connection, message, tlvs, original } => {
                let mut turn = Turn::default();
                self.bug.hear(connection, message, &mut turn);
                for (connection, message) in turn.said {
                    out.send(connection, message);
                }
                for (connection, message) in turn.heard {
                    let (tlvs, original) = (tlvs.clone(), original.clone());
                    let input = Input::Received { connection, message, tlvs, original };
                    self.inner.handle(now, input, &mut self.inner_out);
                }
            }
            other => self.inner.handle(now, other, &mut self.inner_out),
        }
        for output in self.inner_out.take() {
            match output {
                Output::Send { connection, message, tlvs } => {
                    let mut turn = Turn::default();
                    self.bug.say(connection, message, &mut turn);
                    for (connection, message) in turn.said {
                        out.put(Output::Send { connection, message, tlvs: tlvs.clone() });
                    }
                }
                Output::Close { reason, .. } if !self.bug.closes(&reason) => {}
                other => out.put(other),
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

/// The channel or group that a message of the mining protocol is addressed to, or opens.
pub(super) fn channel_id(message: &mut Message) -> Option<&mut u32> {
    Some(match message {
        Message::OpenStandardMiningChannelSuccess(message) => &mut message.channel_id,
        Message::OpenExtendedMiningChannelSuccess(message) => &mut message.channel_id,
        Message::NewMiningJob(message) => &mut message.channel_id,
        Message::UpdateChannel(message) => &mut message.channel_id,
        Message::UpdateChannelError(message) => &mut message.channel_id,
        Message::CloseChannel(message) => &mut message.channel_id,
        Message::SetExtranoncePrefix(message) => &mut message.channel_id,
        Message::SubmitSharesStandard(message) => &mut message.channel_id,
        Message::SubmitSharesExtended(message) => &mut message.channel_id,
        Message::SubmitSharesSuccess(message) => &mut message.channel_id,
        Message::SubmitSharesError(message) => &mut message.channel_id,
        Message::NewExtendedMiningJob(message) => &mut message.channel_id,
        Message::SetNewPrevHash(message) => &mut message.channel_id,
        Message::SetTarget(message) => &mut message.channel_id,
        Message::SetCustomMiningJob(message) => &mut message.channel_id,
        Message::SetCustomMiningJobSuccess(message) => &mut message.channel_id,
        Message::SetCustomMiningJobError(message) => &mut message.channel_id,
        _ => return None,
    })
}

/// What a message that opens a channel says, of either kind.
pub(super) struct Opened<'a> {
    pub(super) request_id: u32,
    pub(super) channel_id: u32,
    pub(super) group_id: &'a mut u32,
    pub(super) target: &'a mut sv2::wire::Target,
    pub(super) prefix: &'a mut sv2::wire::B32,
    pub(super) is_standard: bool,
}

/// `None` if the message opens no channel.
pub(super) fn opened(message: &mut Message) -> Option<Opened<'_>> {
    match message {
        Message::OpenStandardMiningChannelSuccess(success) => Some(Opened {
            request_id: success.request_id,
            channel_id: success.channel_id,
            group_id: &mut success.group_channel_id,
            target: &mut success.target,
            prefix: &mut success.extranonce_prefix,
            is_standard: true,
        }),
        Message::OpenExtendedMiningChannelSuccess(success) => Some(Opened {
            request_id: success.request_id,
            channel_id: success.channel_id,
            group_id: &mut success.group_channel_id,
            target: &mut success.target,
            prefix: &mut success.extranonce_prefix,
            is_standard: false,
        }),
        _ => None,
    }
}

/// Makes a share one that meets no target, but for a freak.
pub(super) fn spoil(message: &mut Message) {
    match message {
        Message::SubmitSharesStandard(share) => share.nonce ^= 0x5A5A_5A5A,
        Message::SubmitSharesExtended(share) => share.nonce ^= 0x5A5A_5A5A,
        _ => {}
    }
}
