//! One connection of a capture: which protocol it speaks, its handshake, and what is heard in
//! both directions.

use std::net::SocketAddr;

use sv2::message::{Sender, descriptor};
use sv2::noise::{ACT_1_LEN, ACT_2_LEN, MAC_LEN, SEALED_HEADER_LEN};
use sv2::wire::FrameHeader;

use super::context::{Context, Origin};
use super::handshake;
use super::key_log::SessionKeys;
use super::reassembly::{Data, Delivery, Place, Reassembly};
use super::sealed::{Sealed, is_plausible};
use super::stream::{Heard, Speech, Stream, starts_frames};
use crate::Direction;
use crate::observed::{HandshakeSeen, SessionKey, What};
use crate::pcapng::Making;

/// Bytes that are held until it is known what they are.
const UNKNOWN_LEN_MAX: usize = 4096;
/// Segments at which a session is looked for whose beginning was not captured.
const ATTACH_ATTEMPTS: u32 = 5;
/// Nonces by which the second direction of such a session is searched.
const ATTACH_NONCES: u64 = 1 << 16;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u32,
    /// Of the first packet, as in `from` and `to`.
    ends: [SocketAddr; 2],
    /// Which of the ends is the client, once that is known.
    client: usize,
    from_the_start: bool,
    /// Messages were left out when the capture was written: what is missing is no finding.
    is_selection: bool,
    is_redacted: bool,
    was_opened: bool,
    /// By sender.
    reassemblies: [Reassembly; 2],
    streams: [Stream; 2],
    protocol: Protocol,
    /// When, and who sent it.
    first_byte: Option<(u64, usize)>,
    attempts: u32,
    is_reset: bool,
    /// Who has ended it first.
    ended_by: Option<(usize, Place)>,
    was_closed: bool,
    pub(super) last_packet: u64,
}

#[derive(Debug)]
enum Protocol {
    Unknown,
    /// Noise, act 2 has not come as a whole.
    Act2 {
        act_1: Box<[u8; ACT_1_LEN]>,
        began_at: u64,
    },
    /// Noise, nothing behind the handshake has come: only then a key can be missing.
    Shaken {
        act_1: Box<[u8; ACT_1_LEN]>,
        act_2: Box<[u8; ACT_2_LEN]>,
        began_at: u64,
        ended_at: u64,
    },
    /// What the streams say.
    Known,
    /// The key is tried: what is known of the handshake until then.
    Trying(Box<HandshakeSeen>),
}

impl Connection {
    pub(super) fn new(
        number: u32,
        from: SocketAddr,
        to: SocketAddr,
        syn: Option<bool>,
        making: Making,
    ) -> Self {
        // A SYN says who opened the connection; otherwise servers have the lower port.
        let client = match syn {
            Some(has_ack) => usize::from(has_ack),
            None => usize::from(from.port() < to.port()),
        };
        Connection {
            number,
            ends: [from, to],
            client,
            from_the_start: syn.is_some(),
            is_selection: making.is_selection(),
            is_redacted: making.is_redacted(),
            was_opened: false,
            reassemblies: Default::default(),
            streams: Default::default(),
            protocol: Protocol::Unknown,
            first_byte: None,
            attempts: 0,
            is_reset: false,
            ended_by: None,
            was_closed: false,
            last_packet: 0,
        }
    }

    /// Whether nothing more can come of it.
    pub(super) fn is_over(&self) -> bool {
        self.is_reset || self.reassemblies.iter().all(Reassembly::is_ended)
    }

    /// Whether a SYN is that of another connection between the same addresses.
    pub(super) fn is_another(&self, sender: usize, sequence: u32) -> bool {
        let first = self.reassemblies[sender].first();
        self.is_over() || first.is_some_and(|first| first != sequence.wrapping_add(1))
    }

    /// Whether `from` is its first end.
    pub(super) fn sender(&self, from: SocketAddr) -> usize {
        usize::from(self.ends[0] != from)
    }

    /// Bytes that are held.
    pub(super) fn held_len(&self) -> usize {
        let waiting: usize = self.reassemblies.iter().map(Reassembly::held_len).sum();
        waiting + self.streams.iter().map(Stream::held_len).sum::<usize>()
    }

    /// The SYN of a side.
    pub(super) fn begin(&mut self, sender: usize, sequence: u32) {
        self.reassemblies[sender].begin(sequence);
    }

    /// A segment with data or FIN.
    pub(super) fn segment(
        &mut self,
        sender: usize,
        segment: &super::link_layer::Segment<'_>,
        data: Data<'_>,
        context: &mut Context<'_>,
    ) {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.is_syn));
        if self.reassemblies[sender].takes_next(sequence, &data, segment.is_fin) {
            let delivery = Delivery::Bytes(data.bytes, data.place, data.at);
            return self.deliver(sender, delivery, context);
        }
        let mut reassembly = std::mem::take(&mut self.reassemblies[sender]);
        let mut deliver = |delivery: Delivery<'_>| self.deliver(sender, delivery, context);
        reassembly.segment(sequence, data, segment.is_fin, &mut deliver);
        self.reassemblies[sender] = reassembly;
    }

    /// A side says what it has received.
    pub(super) fn acknowledged(&mut self, sender: usize, sequence: u32, context: &mut Context<'_>) {
        let other = 1 - sender;
        if self.reassemblies[other].held_len() == 0 {
            return;
        }
        let mut reassembly = std::mem::take(&mut self.reassemblies[other]);
        let mut deliver = |delivery: Delivery<'_>| self.deliver(other, delivery, context);
        reassembly.acknowledged(sequence, &mut deliver);
        self.reassemblies[other] = reassembly;
    }

    /// A side has broken it off.
    pub(super) fn reset(&mut self, sender: usize, place: Place, context: &mut Context<'_>) {
        if self.is_over() {
            return;
        }
        self.is_reset = true;
        self.finish(context);
        self.close(sender, true, place, context);
    }

    /// The frame that is arriving is too much to hold.
    pub(super) fn give_up(&mut self, sender: usize, place: Place, context: &mut Context<'_>) {
        self.flush(sender, context);
        self.hear(sender, context, |stream, _, ear| stream.give_up(place, ear));
    }

    /// Nothing comes any more: what waits is shown.
    pub(super) fn finish(&mut self, context: &mut Context<'_>) {
        for sender in [self.client, 1 - self.client] {
            self.flush(sender, context);
        }
        self.open(context);
        if matches!(self.protocol, Protocol::Unknown) {
            self.decide(true, context);
        }
        self.conclude_handshake(context);
        for sender in [self.client, 1 - self.client] {
            self.hear(sender, context, |stream, _, ear| stream.end(ear));
        }
        if let Some((sender, place)) = self.ended_by
            && !self.is_reset
        {
            self.close(sender, false, place, context);
        }
    }

    /// What waits behind holes of a side is shown.
    pub(super) fn flush(&mut self, sender: usize, context: &mut Context<'_>) {
        let mut reassembly = std::mem::take(&mut self.reassemblies[sender]);
        let mut deliver = |delivery: Delivery<'_>| self.deliver(sender, delivery, context);
        reassembly.flush(&mut deliver);
        self.reassemblies[sender] = reassembly;
    }

    fn open(&mut self, context: &mut Context<'_>) {
        if !self.was_opened {
            self.was_opened = true;
            let client = self.ends[self.client];
            let server = self.ends[1 - self.client];
            let Connection { from_the_start, is_selection, is_redacted, .. } = *self;
            let what = What::Opened { client, server, from_the_start, is_selection, is_redacted };
            context.emit(self.number, what, Origin::default());
        }
    }

    fn close(&mut self, sender: usize, reset: bool, place: Place, context: &mut Context<'_>) {
        if !self.was_closed {
            self.was_closed = true;
            let by = self.direction(sender);
            let origin = Origin { places: &[place], ..Origin::default() };
            context.emit(self.number, What::Closed { by, reset }, origin);
        }
    }

    fn direction(&self, sender: usize) -> Direction {
        if sender == self.client { Direction::ClientToServer } else { Direction::ServerToClient }
    }

    fn deliver(&mut self, sender: usize, delivery: Delivery<'_>, context: &mut Context<'_>) {
        match delivery {
            Delivery::Bytes(bytes, place, at) => match self.protocol {
                Protocol::Known | Protocol::Trying(_) => {
                    if self.streams[sender].is_lost() {
                        self.find_again(sender, bytes, context);
                    }
                    self.hear(sender, context, |stream, arena, ear| {
                        stream.bytes(bytes, place, at, arena, ear);
                    });
                }
                Protocol::Unknown | Protocol::Act2 { .. } | Protocol::Shaken { .. } => {
                    self.first_byte.get_or_insert((context.shared.at, sender));
                    self.streams[sender].hold(bytes, place, at);
                    self.decide(false, context);
                }
            },
            Delivery::Gap(len, place) => {
                self.open(context);
                if matches!(self.protocol, Protocol::Unknown | Protocol::Act2 { .. }) {
                    self.decide(true, context);
                    self.conclude_handshake(context);
                }
                self.use_keys(context);
                let is_opaque = matches!(self.streams[sender].speech, Speech::Opaque);
                if !(self.is_selection && is_opaque) {
                    self.hear(sender, context, |stream, _, ear| stream.gap(len, place, ear));
                }
            }
            Delivery::End(place) => {
                self.open(context);
                let (first, place) = *self.ended_by.get_or_insert((sender, place));
                if self.reassemblies[1 - sender].is_ended() {
                    if matches!(self.protocol, Protocol::Unknown) {
                        self.decide(true, context);
                    }
                    self.conclude_handshake(context);
                    for sender in [self.client, 1 - self.client] {
                        self.hear(sender, context, |stream, _, ear| stream.end(ear));
                    }
                    self.close(first, false, place, context);
                } else if matches!(self.protocol, Protocol::Known | Protocol::Trying(_)) {
                    self.hear(sender, context, |stream, _, ear| stream.end(ear));
                }
            }
        }
    }

    /// A key log may name the header at the start of a segment by its MAC.
    fn find_again(&mut self, sender: usize, bytes: &[u8], context: &mut Context<'_>) {
        let mac = bytes.get(SEALED_HEADER_LEN - MAC_LEN..).and_then(|rest| rest.first_chunk());
        let point = mac.and_then(|mac| context.shared.keys.checkpoint(mac)).copied();
        if let Some(point) = point.filter(|it| it.direction == self.direction(sender)) {
            self.hear(sender, context, |stream, _, ear| stream.seek(&point, ear));
        }
    }

    /// Has a stream listen, and passes on what it hears.
    fn hear(
        &mut self,
        sender: usize,
        context: &mut Context<'_>,
        listen: impl FnOnce(&mut Stream, &mut bytes::BytesMut, &mut super::stream::Ear<'_>),
    ) {
        let direction = self.direction(sender);
        let number = self.number;
        let Connection { streams, protocol, is_selection, .. } = self;
        let is_selection = *is_selection;
        let (arena, mut out) = context.split();
        let mut does_not_fit = false;
        let mut ear = |heard: Heard<'_>, origin: Origin<'_>| {
            let what = match heard {
                Heard::Frame { frame, integrity } => What::Frame { direction, frame, integrity },
                Heard::Line(line) => What::Line { direction, line },
                Heard::Opaque(len) => What::Opaque { direction, len },
                Heard::Gap { resynced: true, .. } if is_selection => return,
                Heard::Gap { len, resynced } => What::Gap { direction, len, resynced },
                Heard::Fits | Heard::DoesNotFit => {
                    let Protocol::Trying(seen) = std::mem::replace(protocol, Protocol::Known)
                    else {
                        return;
                    };
                    does_not_fit = matches!(heard, Heard::DoesNotFit);
                    let key = if does_not_fit { SessionKey::DoesNotFit } else { SessionKey::Fits };
                    What::Handshake(HandshakeSeen { key, ..*seen })
                }
            };
            out.emit(number, what, origin);
        };
        listen(&mut streams[sender], arena, &mut ear);
        if does_not_fit {
            self.streams[1 - sender].speech = Speech::Opaque;
        }
    }

    /// Finds out what the connection speaks; with `is_last` nothing more will come.
    fn decide(&mut self, is_last: bool, context: &mut Context<'_>) {
        if matches!(self.protocol, Protocol::Unknown) && !self.recognise(is_last, context) {
            return;
        }
        self.advance_handshake(context);
    }

    /// False while more bytes are needed.
    fn recognise(&mut self, is_last: bool, context: &mut Context<'_>) -> bool {
        let speech = if self.from_the_start {
            self.recognise_from_the_start(is_last, context)
        } else {
            self.recognise_in_the_middle(context)
        };
        match speech {
            Recognised::Noise(act_1) => {
                self.open(context);
                let began_at = self.first_byte.map_or(context.shared.at, |(at, _)| at);
                self.streams[self.client].take(ACT_1_LEN);
                self.protocol = Protocol::Act2 { act_1: Box::new(act_1), began_at };
                true
            }
            Recognised::Speech(speech) => {
                self.open(context);
                self.speak(speech, context);
                true
            }
            Recognised::NotYet => {
                let held = self.streams[0].held_len() + self.streams[1].held_len();
                let is_over = is_last || held > UNKNOWN_LEN_MAX;
                if is_over {
                    self.open(context);
                    self.speak([Speech::Opaque, Speech::Opaque], context);
                }
                is_over
            }
        }
    }

    /// What is held is understood in the order of the protocol: the client speaks first.
    fn speak(&mut self, speech: [Speech; 2], context: &mut Context<'_>) {
        self.protocol = Protocol::Known;
        let [first, second] = speech;
        self.streams[0].speech = first;
        self.streams[1].speech = second;
        for sender in [self.client, 1 - self.client] {
            self.hear(sender, context, |stream, arena, ear| stream.understand(arena, ear));
        }
    }

    fn recognise_from_the_start(&mut self, is_last: bool, context: &Context<'_>) -> Recognised {
        // Who speaks first is the client, also where a record of the TCP below has it otherwise.
        for sender in [self.client, 1 - self.client] {
            let held = self.streams[sender].held();
            let act_1 =
                held.first_chunk().filter(|act_1| context.shared.keys.session(act_1).is_some());
            if let Some(act_1) = act_1 {
                let act_1 = *act_1;
                self.client = sender;
                return Recognised::Noise(act_1);
            }
            let is_first = self.first_byte.is_some_and(|(_, first)| first == sender);
            let is_act_1 = held.len() == ACT_1_LEN && !is_foreign(held);
            if is_first && (is_act_1 || is_setup_connection(held) || is_client_of_stratum_v1(held))
            {
                self.client = sender;
            }
        }
        let client = self.streams[self.client].held();
        let server = self.streams[1 - self.client].held();
        if is_json(client) {
            return LINES;
        }
        if is_foreign(client) {
            return OPAQUE;
        }
        let is_set_up = is_setup_connection(client);
        if is_set_up || client.len() != ACT_1_LEN && starts_frames(client) {
            return PLAIN;
        }
        match client.first_chunk::<ACT_1_LEN>() {
            // Whoever speaks Noise waits for act 2 (spec 4.5).
            Some(act_1) if client.len() == ACT_1_LEN && (!server.is_empty() || is_last) => {
                Recognised::Noise(*act_1)
            }
            Some(_) if client.len() > ACT_1_LEN => OPAQUE,
            _ => Recognised::NotYet,
        }
    }

    fn recognise_in_the_middle(&mut self, context: &mut Context<'_>) -> Recognised {
        for sender in [0, 1] {
            let held = self.streams[sender].held();
            if held.is_empty() {
                continue;
            }
            if is_json(held) {
                return LINES;
            }
            if starts_frames(held)
                && let Some(header) = held.first_chunk().map(|it| FrameHeader::from_bytes(*it))
                && is_plausible(header)
            {
                let row = descriptor(header.extension(), header.message_type);
                match row.map(|row| row.sender) {
                    Some(Sender::Client) => self.client = sender,
                    Some(Sender::Server) => self.client = 1 - sender,
                    Some(Sender::Both) | None => {}
                }
                return PLAIN;
            }
            if held.len() >= SEALED_HEADER_LEN && !context.shared.keys.is_empty() {
                if let Some((direction, nonce, session, keys)) = context.attach(held, self.attempts)
                {
                    let is_client = direction == Direction::ClientToServer;
                    self.client = if is_client { sender } else { 1 - sender };
                    let leaves_payloads = context.shared.leaves_payloads;
                    return self.attached(sender, nonce, session, &keys, leaves_payloads);
                }
                self.attempts += 1;
                if self.attempts < ATTACH_ATTEMPTS {
                    // The next segment may start with a header.
                    self.open(context);
                    let len = self.streams[sender].take_all();
                    let direction = self.direction(sender);
                    let what = What::Opaque { direction, len };
                    context.emit(self.number, what, Origin::default());
                    continue;
                }
            }
            if held.len() >= SEALED_HEADER_LEN {
                return OPAQUE;
            }
        }
        Recognised::NotYet
    }

    /// Both directions of a session that was found by its keys, one of them at a nonce.
    fn attached(
        &mut self,
        sender: usize,
        nonce: u64,
        session: [u8; ACT_1_LEN],
        keys: &SessionKeys,
        leaves_payloads: bool,
    ) -> Recognised {
        let speech = [0, 1].map(|index| {
            let at = if index == sender { nonce } else { 0 };
            match keys.transport(self.direction(index)) {
                Some(secret) => {
                    let sealed = Sealed::new(session, secret, at);
                    Speech::Sealed(Box::new(sealed.leaving_payloads(leaves_payloads)))
                }
                None => Speech::Opaque,
            }
        });
        self.streams[1 - sender].attach(ATTACH_NONCES);
        Recognised::Speech(speech)
    }

    fn advance_handshake(&mut self, context: &mut Context<'_>) {
        let server = 1 - self.client;
        if let Protocol::Act2 { act_1, began_at } = &self.protocol {
            let Some(act_2) = self.streams[server].held().first_chunk::<ACT_2_LEN>() else {
                return;
            };
            self.protocol = Protocol::Shaken {
                act_1: act_1.clone(),
                act_2: Box::new(*act_2),
                began_at: *began_at,
                ended_at: context.shared.at,
            };
            self.streams[server].take(ACT_2_LEN);
        }
        // Keys may stand between act 2 and what follows.
        let has_more = self.streams.iter().any(|stream| stream.held_len() > 0);
        if has_more {
            self.use_keys(context);
        }
    }

    /// Looks for the keys of the session, now that they are needed.
    fn use_keys(&mut self, context: &mut Context<'_>) {
        let Protocol::Shaken { act_1, act_2, began_at, ended_at } = &self.protocol else { return };
        let mut seen = HandshakeSeen {
            act_1_len: ACT_1_LEN,
            act_2_len: ACT_2_LEN,
            duration: ended_at.saturating_sub(*began_at),
            ..HandshakeSeen::default()
        };
        let Some(keys) = context.shared.keys.session(act_1) else {
            context.emit(self.number, What::Handshake(seen), Origin::default());
            self.speak([Speech::Opaque, Speech::Opaque], context);
            return;
        };
        (seen.certificate, seen.failures) =
            handshake::open(act_1, act_2, keys, context.shared.authority.as_ref(), *ended_at);
        let speech = [0, 1].map(|index| match keys.transport(self.direction(index)) {
            Some(secret) => {
                let sealed = Sealed::new(**act_1, secret, 0);
                Speech::Sealed(Box::new(sealed.leaving_payloads(context.shared.leaves_payloads)))
            }
            None => Speech::Opaque,
        });
        self.protocol = Protocol::Trying(Box::new(seen));
        let [first, second] = speech;
        self.streams[0].speech = first;
        self.streams[1].speech = second;
        for sender in [self.client, 1 - self.client] {
            self.hear(sender, context, |stream, arena, ear| stream.understand(arena, ear));
        }
    }

    /// The connection has ended within its handshake, or right behind it.
    fn conclude_handshake(&mut self, context: &mut Context<'_>) {
        let server = 1 - self.client;
        match std::mem::replace(&mut self.protocol, Protocol::Known) {
            Protocol::Unknown | Protocol::Known => {}
            Protocol::Act2 { began_at, .. } => {
                let act_2_len = self.streams[server].take_all();
                let failures = vec![match act_2_len {
                    0 => "the server did not answer act 1 (spec 4.5.2)".into(),
                    len => {
                        format!("the server sent {len} bytes of act 2, which has 234 (spec 4.5.2)")
                    }
                }];
                let seen = HandshakeSeen {
                    act_1_len: ACT_1_LEN,
                    act_2_len,
                    duration: context.shared.at.saturating_sub(began_at),
                    failures,
                    ..HandshakeSeen::default()
                };
                context.emit(self.number, What::Handshake(seen), Origin::default());
                self.speak([Speech::Opaque, Speech::Opaque], context);
            }
            shaken @ Protocol::Shaken { .. } => {
                self.protocol = shaken;
                self.use_keys(context);
                self.conclude_handshake(context);
            }
            Protocol::Trying(mut seen) => {
                // Nothing was sealed with the transport keys: act 2 says whether they fit.
                seen.key = match (&seen.certificate, seen.failures.is_empty()) {
                    (Some(_), _) => SessionKey::Fits,
                    (None, true) => SessionKey::Missing,
                    (None, false) => SessionKey::DoesNotFit,
                };
                context.emit(self.number, What::Handshake(*seen), Origin::default());
            }
        }
    }
}

enum Recognised {
    Noise([u8; ACT_1_LEN]),
    Speech([Speech; 2]),
    NotYet,
}

const PLAIN: Recognised = Recognised::Speech([Speech::Plain, Speech::Plain]);
const LINES: Recognised = Recognised::Speech([Speech::Lines, Speech::Lines]);
const OPAQUE: Recognised = Recognised::Speech([Speech::Opaque, Speech::Opaque]);

/// An object of JSON: a brace and a quote, and nothing that is no text. Act 1 can begin with a
/// brace too.
fn is_json(bytes: &[u8]) -> bool {
    let mut letters = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    letters.next() == Some(&b'{')
        && letters.next() == Some(&b'"')
        && bytes
            .iter()
            .take(ACT_1_LEN)
            .all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// What only a client of Stratum V1 begins with.
fn is_client_of_stratum_v1(bytes: &[u8]) -> bool {
    let methods = [&b"mining.subscribe"[..], b"mining.configure", b"mining.authorize"];
    is_json(bytes)
        && methods.iter().any(|method| bytes.windows(method.len()).any(|it| it == *method))
}

/// SetupConnection in clear (spec 3.6.1): protocol 0 to 2, and a length that fits its strings.
fn is_setup_connection(bytes: &[u8]) -> bool {
    let Some((header, payload)) = bytes.split_first_chunk() else { return false };
    let header = FrameHeader::from_bytes(*header);
    header.extension_type == 0
        && header.message_type == 0
        && (15..=1300).contains(&header.payload_len)
        && payload.first().is_none_or(|protocol| *protocol <= 2)
}

/// What other protocols begin with.
fn is_foreign(bytes: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 9] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"SSH-",
        b"\x16\x03",
        // Bitcoin's peers: main, test and regtest.
        b"\xf9\xbe\xb4\xd9",
        b"\x0b\x11\x09\x07",
        b"\xfa\xbf\xb5\xda",
    ];
    BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning))
}
