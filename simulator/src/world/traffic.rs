//! How connections come about, carry and end.

use std::time::Duration;

use sv2::connection::ConnectionError;
use sv2::message::{Decoded, Message};
use sv2::noise::{ACT_1_LEN, ACT_2_LEN};
use sv2::role::{CloseReason, ConnectionId, DialFailure, DialId, Input, PeerAddress, Via};
use sv2::sv1;
use sv2::wire::{Frame, Tlvs};

use super::World;
use super::event::Planned;
use super::sealed::SegmentKind;
use super::tips::TipId;
use super::wire::{End, Parcel, Sent, Terminal, Wire, WireId};
use crate::checkers::Sight;
use crate::link::{ConnectOutcome, Connected, Delivery, Pipe, Place, connect};
use crate::noise::News;
use crate::scenario::Kind;

impl World {
    pub(super) fn dial(&mut self, index: u32, dial: DialId, peer: PeerAddress) {
        let listener = self.listeners.get(&(peer.host, peer.port)).copied();
        let Some(server) = listener else {
            let reason = DialFailure::Unreachable("nobody listens there".to_owned());
            return self.inputs.push_back((index, Input::DialFailed { dial, reason }));
        };
        let ends = [index, server].map(|host| self.hosts[host as usize].id);
        let places = ends.map(Place::Role);
        let (out, back) = self.topology.paths(places[0], places[1]);
        // No two pipes of a run have one name.
        let entity = self.wire_count * 2;
        self.wire_count += 1;
        let network = &mut self.topology.network;
        let mut out = Pipe::new(network, out, self.seed, entity);
        let mut back = Pipe::new(network, back, self.seed, entity + 1);
        let patience = self.now.instant + CONNECT_TIMEOUT;
        let host = &self.hosts[server as usize];
        let outcome = match host.is_silent() {
            // Left out: that one of the later attempts of TCP may reach a host that is back.
            true => ConnectOutcome::TimedOut(patience),
            false => connect(network, self.now.instant, &mut out, &mut back, host.is_started),
        };
        let kind = |host: u32| self.kinds[self.hosts[host as usize].id.0];
        let is_sv1 = kind(index) == Kind::Sv1Device
            || matches!(kind(server), Kind::Sv1Pool | Kind::Translator);
        let ends = [Terminal::new(index, out), Terminal::new(server, back)];
        let number = self.wire_count;
        let sealed = if is_sv1 { None } else { self.sealed(index, server, number) };
        let wire = self.wires.insert(Wire { number, ends, dial, is_sv1, sealed });
        match outcome {
            ConnectOutcome::Connected(Connected { client, server }) if client <= patience => {
                self.queue.push(client, Planned::Opened { wire });
                if is_sv1 {
                    self.queue.push(server, Planned::Accepted { wire });
                } else {
                    for (end, at) in [(End::Client, client), (End::Server, server)] {
                        self.queue.push(at + HANDSHAKE_TIMEOUT, Planned::Overdue { wire, end });
                    }
                }
            }
            ConnectOutcome::Refused(at) if at <= patience => {
                self.queue.push(at, Planned::Refused { wire });
            }
            _ => self.queue.push(patience, Planned::Refused { wire }),
        }
    }

    /// TCP is there at the client.
    pub(super) fn opened(&mut self, id: WireId) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        if wire.end(End::Client).is_closed {
            return;
        }
        let (is_sv1, dial) = (wire.is_sv1, wire.dial);
        let (number, hosts) = (wire.number, wire.ends.each_ref().map(|end| end.host));
        self.keep_opened(number, hosts);
        if is_sv1 {
            let via = Via::Dial(dial);
            self.connected(id, End::Client, via);
        } else {
            self.put(id, End::Client, Parcel::FirstAct);
        }
    }

    pub(super) fn accepted(&mut self, id: WireId) {
        self.connected(id, End::Server, Via::Listener(0));
    }

    pub(super) fn refused(&mut self, id: WireId) {
        let Some(wire) = self.wires.remove(id) else { return };
        self.retire(id, &wire);
        if wire.end(End::Client).is_closed {
            return;
        }
        let reason = DialFailure::Unreachable("refused, or not answered".to_owned());
        let failed = Input::DialFailed { dial: wire.dial, reason };
        self.inputs.push_back((wire.end(End::Client).host, failed));
    }

    /// A handshake that is not over is so by this.
    pub(super) fn overdue(&mut self, id: WireId, end: End) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let terminal = wire.end(end);
        if terminal.connection().is_none() && !terminal.is_closed {
            let expected_len = if end == End::Client { ACT_2_LEN } else { ACT_1_LEN };
            let error = ConnectionError::HandshakeTimedOut { received_len: 0, expected_len };
            self.end(id, end, error.into());
        }
    }

    fn connected(&mut self, id: WireId, end: End, via: Via) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let terminal = wire.end_mut(end);
        if terminal.is_closed {
            return;
        }
        let connection = self.hosts[terminal.host as usize].name(id, end);
        terminal.know(connection);
        self.tally.connection_count += u64::from(end == End::Server);
        self.inputs.push_back((terminal.host, Input::Connected { connection, via }));
    }

    pub(super) fn send(&mut self, index: u32, connection: ConnectionId, parcel: Parcel) {
        // What is sent after the end of a connection is lost with it.
        if let Some((wire, end)) = self.hosts[index as usize].wire(connection) {
            self.put(wire, end, parcel);
        }
    }

    pub(super) fn put(&mut self, id: WireId, from: End, parcel: Parcel) {
        let now = self.now.instant;
        let Some(wire) = self.wires.get_mut(id) else { return };
        let card = wire.card(id);
        let heard_count = wire.end(from.other()).news_heard_count;
        let terminal = wire.end_mut(from);
        let network = &mut self.topology.network;
        let len = parcel.wire_len();
        let unsent_len = terminal.under_way_bytes as usize + len;
        if unsent_len > UNSENT_BYTES_MAX && len > 0 && !terminal.under_way.is_empty() {
            let reason = CloseReason::TooSlow { unsent_len, limit: UNSENT_BYTES_MAX };
            return self.end(id, from, reason);
        }
        if let Some(checkers) = &mut self.checkers {
            let mut see = |sight: &Sight<'_>| checkers.see(now, self.tally.event_count, sight);
            match (&parcel, from) {
                (Parcel::Message(message, _), End::Server) => {
                    see(&Sight::Said { wire: card, message });
                }
                (Parcel::Message(message, _), End::Client) if is_share(message) => {
                    see(&Sight::Submitted { host: terminal.host });
                }
                (Parcel::Line(line), End::Server) => {
                    if let Ok(message) = sv1::Message::parse(line) {
                        see(&Sight::SaidLine { wire: card, message: &message });
                    }
                }
                _ => {}
            }
        }
        if let Some(measures) = &mut self.measures {
            let is_device = self.kinds[self.hosts[terminal.host as usize].id.0].is_device();
            measures.sent(now, id, (from, is_device), (&parcel, len));
        }
        let bytes = wire.sealed.as_mut().map(|sealed| sealed.seal(from, &parcel));
        debug_assert!(bytes.as_ref().is_none_or(|bytes| bytes.len() == len), "{parcel:?}");
        let is_client = from == End::Client;
        self.sealing.keep(now, card.number, || match (&parcel, &bytes) {
            (Parcel::End, _) => SegmentKind::Closed { is_client },
            (Parcel::Line(line), _) => {
                SegmentKind::Bytes { is_client, bytes: [line, &b"\n"[..]].concat() }
            }
            (_, bytes) => {
                SegmentKind::Bytes { is_client, bytes: bytes.clone().unwrap_or_default() }
            }
        });
        let terminal = wire.end_mut(from);
        match terminal.pipe.send(network, now, len) {
            Delivery::Arrives(at) => {
                let tip = self.hosts[terminal.host as usize].tip;
                terminal.news_count = terminal.news_count.wrapping_add(u32::from(parcel.is_news()));
                let is_excused = self.is_share_excused;
                let sent = Sent { tip, heard_count, is_excused, parcel };
                self.parcels.push(&mut terminal.under_way, sent);
                // Messages have at most 2^24 bytes (spec 3.2), lines fewer.
                terminal.under_way_bytes = u32::try_from(unsent_len).unwrap_or(u32::MAX);
                if let (Some(sealed), Some(bytes)) = (&mut wire.sealed, bytes) {
                    self.sealed_parcels.push(&mut sealed.under_way[from as usize], bytes);
                }
                self.queue.push(at, Planned::Arrival { wire: id, from });
            }
            Delivery::TimesOut(at) => self.queue.push(at, Planned::GivenUp { wire: id, from }),
        }
    }

    pub(super) fn arrive(&mut self, id: WireId, from: End) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let to = from.other();
        let sender = wire.end_mut(from);
        let Some(sent) = self.parcels.pop(&mut sender.under_way) else { return };
        let Sent { tip, heard_count, is_excused, parcel } = sent;
        let len = parcel.wire_len();
        sender.under_way_bytes -= u32::try_from(len).unwrap_or(u32::MAX);
        let news = u32::from(parcel.is_news());
        sender.news_heard_count = sender.news_heard_count.wrapping_add(news);
        self.digest.word(parcel.kind());
        self.digest.word(len as u64);
        let terminal = wire.end(to);
        let (host, connection) = (terminal.host, terminal.connection());
        let read = match wire.sealed.is_some() {
            true => self.read_sealed(id, from, host),
            false => Ok(None),
        };
        let Some(wire) = self.wires.get_mut(id) else { return };
        let terminal = wire.end(to);
        let (is_closed, is_mute) = (terminal.is_closed, terminal.is_mute);
        let dial = wire.dial;
        let is_awaiting = terminal.news_count != heard_count;
        let may_reset = terminal.under_way.is_empty() && !wire.end(from).is_closed;
        let known = self.hosts[host as usize].tip;
        if let Some(tip) = parcel.tip().filter(|_| !is_closed) {
            self.hosts[host as usize].tip = self.tips.id_of(tip);
        }
        let card = wire.card(id);
        // A share may be late where sender and judge know of different tips, which come to them
        // on different ways where a miner has a node; or where the sender has not heard of all
        // the work that the judge has sent.
        let is_awaiting = is_awaiting || tip != self.hosts[host as usize].tip;
        self.is_share_excused = is_excused || is_awaiting;
        if to == End::Server && !is_closed && self.checkers.is_some() {
            match &parcel {
                Parcel::Message(message, _) => self.see(&Sight::Heard { wire: card, message }),
                Parcel::Line(line) => {
                    if let Ok(message) = sv1::Message::parse(line) {
                        self.see(&Sight::HeardLine { wire: card, message: &message });
                    }
                }
                _ => {}
            }
        }
        // At L3 the receiver hears what it has read, and not what was said.
        let parcel = match (parcel, read) {
            (Parcel::Message(..) | Parcel::Frame(_), Ok(Some(frame))) => Parcel::Frame(frame),
            (_, Err(error)) if !is_mute && !is_closed => return self.end(id, to, error.into()),
            (parcel, _) => parcel,
        };
        match parcel {
            // Nobody is there to answer, or to say that nobody is.
            _ if is_mute => self.fall_silent(id, from),
            // A reset of a connection that is none: there is nobody to tell.
            Parcel::End if is_closed => {}
            Parcel::End => return self.end(id, to, CloseReason::ByPeer),
            // Whoever does not know of the end yet is told by a reset, unless that is under way.
            _ if is_closed => {
                if may_reset {
                    self.put(id, to, Parcel::End);
                }
            }
            Parcel::FirstAct => {
                self.put(id, End::Server, Parcel::SecondAct);
                return self.connected(id, End::Server, Via::Listener(0));
            }
            Parcel::SecondAct => {
                return self.connected(id, End::Client, Via::Dial(dial));
            }
            Parcel::Message(message, tlvs) => {
                if let Some(connection) = connection {
                    let tlvs = tlvs.map_or_else(Tlvs::default, |tlvs| *tlvs);
                    self.deliver(host, (id, known), received(connection, message, tlvs));
                }
            }
            Parcel::Frame(frame) => {
                if let Some(connection) = connection {
                    self.deliver(host, (id, known), decoded(connection, frame));
                }
            }
            Parcel::Line(line) => {
                if let Some(connection) = connection {
                    self.deliver(host, (id, known), Input::Line { connection, line });
                }
            }
        }
        self.remove_if_over(id);
    }

    /// At L3: what the receiver of the next bytes from one end makes of them.
    fn read_sealed(
        &mut self,
        id: WireId,
        from: End,
        to: u32,
    ) -> Result<Option<Frame>, ConnectionError> {
        let now = self.clocks_of(to);
        let Some(wire) = self.wires.get_mut(id) else { return Ok(None) };
        let Some(sealed) = &mut wire.sealed else { return Ok(None) };
        let under_way = &mut sealed.under_way[from as usize];
        let bytes = self.sealed_parcels.pop(under_way).unwrap_or_default();
        match sealed.arrive(from, bytes, now) {
            Some(News::Frame(frame)) => Ok(Some(frame)),
            Some(News::Failed(error)) => Err(error),
            Some(News::Established) => {
                let secrets = sealed.settle(from.other());
                if let Some(secrets) = secrets.filter(|_| from == End::Client) {
                    let kept = || SegmentKind::Secrets(Box::new(secrets));
                    self.sealing.keep(self.now.instant, wire.number, kept);
                }
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// A message has come on a connection to a host that knew of this tip.
    fn deliver(&mut self, host: u32, (wire, known): (WireId, TipId), input: Input) {
        self.tally.message_count += 1;
        if let Some(measures) = &mut self.measures
            && self.kinds[self.hosts[host as usize].id.0].is_device()
        {
            measures.heard(self.now.instant, wire, self.tips.tip(known), &input);
        }
        self.inputs.push_back((host, input));
    }

    /// What was sent from this end has reached nobody: TCP sends it again for a quarter of an hour.
    fn fall_silent(&mut self, id: WireId, from: End) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let sender = wire.end_mut(from);
        if !sender.is_closed && !std::mem::replace(&mut sender.is_giving_up, true) {
            let at = self.now.instant + RETRANSMISSION;
            self.queue.push(at, Planned::GivenUp { wire: id, from });
        }
    }

    /// The other end never hears of it: the connection is half open.
    pub(super) fn give_up(&mut self, id: WireId, from: End) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        if wire.end(from).is_closed {
            return;
        }
        self.lose(id, from, CloseReason::Broken("timed out".to_owned()));
        self.remove_if_over(id);
    }

    pub(super) fn close(&mut self, index: u32, connection: ConnectionId, reason: CloseReason) {
        if let Some((id, end)) = self.hosts[index as usize].wire(connection) {
            self.end(id, end, reason);
        }
    }

    /// Closes one end, and lets the other one know.
    pub(super) fn end(&mut self, id: WireId, end: End, reason: CloseReason) {
        self.lose(id, end, reason);
        let Some(wire) = self.wires.get_mut(id) else { return };
        if wire.end(end.other()).is_closed {
            return self.remove_if_over(id);
        }
        self.put(id, end, Parcel::End);
    }

    /// Closes one end, which hears of it if it knew the connection.
    fn lose(&mut self, id: WireId, end: End, reason: CloseReason) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        let (dial, card) = (wire.dial, wire.card(id));
        let terminal = wire.end_mut(end);
        terminal.is_closed = true;
        let host = terminal.host;
        match terminal.forget() {
            Some(connection) => {
                self.hosts[host as usize].forget(connection);
                match end {
                    End::Server => self.see(&Sight::Closed { wire: card }),
                    End::Client => self.see(&Sight::Left { host }),
                }
                self.inputs.push_back((host, Input::Closed { connection, reason }));
            }
            None if end == End::Client => {
                let reason = DialFailure::Unreachable(reason.to_string());
                self.inputs.push_back((host, Input::DialFailed { dial, reason }));
            }
            None => {}
        }
    }

    pub(super) fn remove_if_over(&mut self, id: WireId) {
        if self.wires.get_mut(id).is_some_and(|wire| wire.is_over())
            && let Some(wire) = self.wires.remove(id)
        {
            self.retire(id, &wire);
        }
    }

    /// Keeps the counts of a connection that is no more.
    fn retire(&mut self, id: WireId, wire: &Wire) {
        if let Some(measures) = &mut self.measures {
            measures.forget(id);
        }
        for end in &wire.ends {
            self.tally.payload_bytes += end.pipe.payload_bytes;
            self.tally.packet_bytes += end.pipe.packet_bytes;
        }
    }
}

pub(super) fn is_share(message: &Message) -> bool {
    matches!(message, Message::SubmitSharesStandard(_) | Message::SubmitSharesExtended(_))
}

fn received(connection: ConnectionId, message: Message, tlvs: Tlvs) -> Input {
    Input::Received { connection, message, tlvs, original: None }
}

/// A frame that was passed on unread: its receiver reads it, as behind a socket.
fn decoded(connection: ConnectionId, frame: Frame) -> Input {
    match Message::decode(&frame) {
        Ok(Decoded { message, tlvs, is_canonical }) => {
            let original = (!is_canonical).then(|| Box::new(frame));
            Input::Received { connection, message, tlvs, original }
        }
        Err(error) => Input::Undecodable { connection, frame, error },
    }
}

/// As on sockets (`sv2_net::Limits`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Likewise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What is under way on a connection, at most: what a host keeps for it (`sv2_net::Limits`), and
/// what Linux does on both sides (`tcp_wmem`, `tcp_rmem`).
const UNSENT_BYTES_MAX: usize = (1 << 20) + (4 << 20) + (6 << 20);
/// Until Linux gives up a connection whose other end is silent: `tcp_retries2`, 15 times.
const RETRANSMISSION: Duration = Duration::from_millis(924_600);
