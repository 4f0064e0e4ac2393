//! Bugs of proxies: who is told what, and what is handed on.

use bytes::Bytes;
use sv2::extensions::WORKER_TRACKING;
use sv2::message::{DecodeError, Message};
use sv2::mining::{CloseChannel, SubmitSharesExtended};
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Via};
use sv2::wire::{B32, FrameHeader, Tlv, TlvOrder, Tlvs};

use super::Mutant;
use super::edge::{Tamper, edge};
use super::remembering::{Bug, Turn, around};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "proxy-serves-two-clients",
            "A proxy that has room for two clients on an upstream connection and lets the others \
             wait for the next one, which it never makes",
            around::<ServesTwoClients>,
        ),
        Mutant::in_code(
            "proxy-tells-the-first-client",
            "A proxy that looks up whom a group's message is for and stops at the first client",
            around::<TellsTheFirstClient>,
        ),
        Mutant::in_code(
            "proxy-answers-the-first-client",
            "A proxy that hands the upstream's verdict on a share to whoever connected first",
            around::<AnswersTheFirstClient>,
        ),
        Mutant::in_code(
            "proxy-sends-shares-before-it-looks",
            "A proxy that sends a share up first and then looks whether its job still counts",
            around::<SendsBeforeItLooks>,
        ),
        Mutant::in_code(
            "proxy-keeps-clients-of-the-dead",
            "A proxy whose clients never hear that the upstream is gone, since closing is the \
             upstream's business",
            around::<KeepsClientsOfTheDead>,
        ),
        Mutant::in_code(
            "proxy-ends-with-any-upstream",
            "A proxy that closes all of its clients when one of its upstream connections is gone",
            |role| edge(role, EndsWithAnyUpstream::default()),
        ),
        Mutant::in_code(
            "proxy-hands-updates-on",
            "A proxy that hands UpdateChannel on without asking whose the channel is",
            around::<HandsUpdatesOn>,
        ),
        Mutant::in_code(
            "proxy-hands-shares-on",
            "A proxy that hands every share on to its upstream, whose business it is to judge it",
            around::<HandsSharesOn>,
        ),
        Mutant::in_code(
            "proxy-hands-closes-on",
            "An aggregating proxy that closes its upstream's channel for a client that closes its \
             own",
            around::<HandsClosesOn>,
        ),
        Mutant::in_code(
            "proxy-strips-tlvs",
            "A proxy that takes messages apart and puts them together again without the fields \
             of extensions",
            |role| edge(role, Rewrites { tlvs: Vec::new() }),
        ),
        Mutant::in_code(
            "proxy-names-workers-unasked",
            "A proxy that names a worker behind every share, whether that was agreed on or not",
            |role| edge(role, Rewrites { tlvs: vec![worker()] }),
        ),
        Mutant::in_code(
            "proxy-hands-reconnect-on",
            "A proxy that hands on to its devices whatever its upstream says, a request to go \
             elsewhere too",
            around::<HandsReconnectOn>,
        ),
        Mutant::in_code(
            "proxy-hands-local-messages-on",
            "A proxy that hands on every message that it does not know, whether it is about a \
             channel or about the connection",
            |role| edge(role, HandsOn { is_meant: is_local, ..HandsOn::default() }),
        ),
        Mutant::in_code(
            "proxy-hands-channel-messages-on",
            "An aggregating proxy that hands on messages about channels that its peer on the \
             other side has never heard of",
            |role| edge(role, HandsOn { is_meant: is_of_channel, ..HandsOn::default() }),
        ),
        Mutant::in_code(
            "proxy-makes-frames-anew",
            "A proxy that takes frames apart and puts them together again as its own table of \
             messages has them, without the channel bit where it knows none",
            |role| edge(role, MakesFramesAnew),
        ),
    ]
}

/// Who is connected, in the order in which they set up.
#[derive(Default)]
struct Peers {
    clients: Vec<ConnectionId>,
    upstream: Option<ConnectionId>,
}

impl Peers {
    fn note(&mut self, connection: ConnectionId, message: &Message) {
        match message {
            Message::SetupConnection(_) => self.clients.push(connection),
            Message::SetupConnectionSuccess(_) => self.upstream = Some(connection),
            _ => {}
        }
    }

    fn is_first(&self, connection: ConnectionId) -> bool {
        self.clients.first() == Some(&connection)
    }
}

#[derive(Default)]
struct ServesTwoClients {
    served: Vec<ConnectionId>,
}

impl Bug for ServesTwoClients {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        let opens = matches!(
            message,
            Message::OpenStandardMiningChannel(_) | Message::OpenExtendedMiningChannel(_)
        );
        if opens && !self.served.contains(&connection) {
            if self.served.len() == 2 {
                return;
            }
            self.served.push(connection);
        }
        turn.hear(connection, message);
    }
}

/// The tip of a channel's start is the client's own; the later ones are for all.
#[derive(Default)]
struct TellsTheFirstClient {
    peers: Peers,
    started: Vec<ConnectionId>,
}

impl Bug for TellsTheFirstClient {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        if matches!(message, Message::SetNewPrevHash(_)) {
            let is_start = !self.started.contains(&connection);
            if !is_start && !self.peers.is_first(connection) {
                return;
            }
            self.started.push(connection);
        }
        turn.say(connection, message);
    }
}

#[derive(Default)]
struct AnswersTheFirstClient {
    peers: Peers,
}

impl Bug for AnswersTheFirstClient {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        turn.hear(connection, message);
    }

    fn say(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        let is_verdict =
            matches!(message, Message::SubmitSharesError(_) | Message::SubmitSharesSuccess(_));
        let first = self.peers.clients.first().copied().filter(|_| is_verdict);
        turn.say(first.unwrap_or(connection), message);
    }
}

#[derive(Default)]
struct SendsBeforeItLooks {
    peers: Peers,
    channel_id: u32,
}

impl Bug for SendsBeforeItLooks {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        match (&message, self.peers.upstream) {
            (Message::OpenExtendedMiningChannelSuccess(success), _) => {
                self.channel_id = success.channel_id;
            }
            (Message::SubmitSharesStandard(share), Some(upstream)) => {
                let share = SubmitSharesExtended {
                    channel_id: self.channel_id,
                    sequence_number: share.sequence_number,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    extranonce: B32::default(),
                };
                turn.say(upstream, share);
            }
            _ => {}
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct KeepsClientsOfTheDead;

impl Bug for KeepsClientsOfTheDead {
    fn closes(&mut self, reason: &CloseReason) -> bool {
        !matches!(reason, CloseReason::ServiceChanged(_))
    }
}

#[derive(Default)]
struct EndsWithAnyUpstream {
    upstreams: Vec<ConnectionId>,
    clients: Vec<ConnectionId>,
}

impl Tamper for EndsWithAnyUpstream {
    fn hear(&mut self, input: Input, out: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Connected { connection, via: Via::Dial(_) } => self.upstreams.push(*connection),
            Input::Connected { connection, via: Via::Listener(_) } => {
                self.clients.push(*connection);
            }
            Input::Closed { connection, .. } if self.upstreams.contains(connection) => {
                for client in self.clients.drain(..) {
                    out.close(client, CloseReason::ByUs);
                }
            }
            _ => {}
        }
        vec![input]
    }
}

#[derive(Default)]
struct HandsUpdatesOn {
    peers: Peers,
}

impl Bug for HandsUpdatesOn {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        if let (Message::UpdateChannel(update), Some(upstream)) = (&message, self.peers.upstream) {
            return turn.say(upstream, update.clone());
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct HandsSharesOn {
    peers: Peers,
}

impl Bug for HandsSharesOn {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        if let (Message::SubmitSharesExtended(share), Some(upstream)) =
            (&message, self.peers.upstream)
        {
            turn.say(upstream, share.clone());
        }
        turn.hear(connection, message);
    }
}

#[derive(Default)]
struct HandsClosesOn {
    peers: Peers,
    channel_id: u32,
}

impl Bug for HandsClosesOn {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        match (&message, self.peers.upstream) {
            (Message::OpenExtendedMiningChannelSuccess(success), _) => {
                self.channel_id = success.channel_id;
            }
            (Message::CloseChannel(close), Some(upstream)) if upstream != connection => {
                let channel_id = self.channel_id;
                turn.say(upstream, CloseChannel { channel_id, ..close.clone() });
            }
            _ => {}
        }
        turn.hear(connection, message);
    }
}

/// Shares go out with other fields of extensions.
struct Rewrites {
    tlvs: Vec<Tlv>,
}

impl Tamper for Rewrites {
    fn say(&mut self, output: Output) -> Option<Output> {
        Some(match output {
            Output::Send {
                connection,
                message: message @ Message::SubmitSharesExtended(_),
                ..
            } => {
                let tlvs = Tlvs::encode(&self.tlvs, TlvOrder::LittleEndian);
                Output::Send { connection, message, tlvs }
            }
            other => other,
        })
    }
}

fn worker() -> Tlv {
    Tlv { extension: WORKER_TRACKING, field: 1, value: Bytes::from_static(b"assay") }
}

#[derive(Default)]
struct HandsReconnectOn {
    peers: Peers,
}

impl Bug for HandsReconnectOn {
    fn hear(&mut self, connection: ConnectionId, message: Message, turn: &mut Turn) {
        self.peers.note(connection, &message);
        if let Message::Reconnect(reconnect) = &message {
            for client in &self.peers.clients {
                turn.say(*client, reconnect.clone());
            }
        }
        turn.hear(connection, message);
    }
}

/// What comes from one side and is not known is sent to the other.
struct HandsOn {
    peers: Peers,
    is_meant: fn(&FrameHeader) -> bool,
}

impl Default for HandsOn {
    fn default() -> Self {
        HandsOn { peers: Peers::default(), is_meant: is_local }
    }
}

fn is_local(header: &FrameHeader) -> bool {
    !header.has_channel_bit()
}

fn is_of_channel(header: &FrameHeader) -> bool {
    header.has_channel_bit()
}

impl Tamper for HandsOn {
    fn hear(&mut self, input: Input, out: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Received { connection, message, .. } => self.peers.note(*connection, message),
            Input::Undecodable { connection, frame, error: DecodeError::Unknown { .. } }
                if (self.is_meant)(&frame.header()) =>
            {
                let is_upstream = self.peers.upstream == Some(*connection);
                let to = match is_upstream {
                    true => self.peers.clients.clone(),
                    false => self.peers.upstream.into_iter().collect(),
                };
                for connection in to {
                    out.put(Output::Forward { connection, frame: frame.clone() });
                }
            }
            _ => {}
        }
        vec![input]
    }
}

struct MakesFramesAnew;

impl Tamper for MakesFramesAnew {
    fn say(&mut self, output: Output) -> Option<Output> {
        Some(match output {
            Output::Forward { connection, mut frame } => {
                frame.extension_type &= !FrameHeader::CHANNEL_BIT;
                Output::Forward { connection, frame }
            }
            other => other,
        })
    }
}
