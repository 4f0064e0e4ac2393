//! Our roles in virtual time, connected by messages; an inspector sees every one of them, as a
//! tap on each connection would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sv2::chain::{Chain, ChainConfig, ChainHost, ChainPace};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::role::{
    Answer, CloseReason, ConnectionId, DialFailure, DialId, Input, Outbox, Output, PeerAddress,
    Request, Role, Via,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Frame;
use sv2_capture::rules::{Inspector, Policy, Tally};
use sv2_capture::{Direction, Integrity, Observed, What};

const START: UnixTime = UnixTime(1_700_000_000);
/// One way.
const LATENCY: Duration = Duration::from_millis(5);
/// About 65,536 hashes a block.
const NBITS: u32 = 0x1f00_ffff;

pub(crate) struct Network {
    now: Now,
    parts: Vec<Part>,
    links: Vec<Link>,
    queue: BTreeMap<(Instant, u64), (usize, Delivery)>,
    next_event: u64,
    chain: ChainHost,
    inspector: Inspector,
    number: u64,
    pub(crate) tally: Tally,
    /// Findings in words, the first of each code.
    pub(crate) words: BTreeMap<String, String>,
    /// Names of messages that were seen, counted.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    /// Shares that were recomputed and found good.
    pub(crate) good_shares: u64,
    /// Shares and jobs that were found again on another connection.
    pub(crate) found_again: u64,
    /// Answers of Stratum V1 whose call was found.
    pub(crate) answered_calls: u64,
}

struct Part {
    role: Box<dyn Role>,
    follows_chain: bool,
    next_connection: u32,
}

struct Link {
    /// Client and server.
    ends: [(usize, ConnectionId); 2],
    is_open: bool,
}

enum Delivery {
    Input(Input),
    /// Through a link, from its client or its server.
    Frame(usize, Direction, Frame),
    Line(usize, Direction, bytes::Bytes),
    Close(usize, Direction),
}

/// The address of a part that will be added as the `index`th.
pub(crate) fn peer(index: usize) -> PeerAddress {
    let port = 1000 + u16::try_from(index).unwrap();
    PeerAddress { host: "10.0.0.1".to_owned(), port, authority: None }
}

impl Network {
    pub(crate) fn new() -> Self {
        let chain = Chain::new(ChainConfig::new(NBITS, START), Entropy::from_seed(1));
        let pace = ChainPace {
            block_interval: Some(Duration::from_secs(20)),
            transaction_interval: Some(Duration::from_secs(7)),
        };
        let now = Now { instant: Instant(1), unix: START };
        let mut chain = ChainHost::with_pace(chain, pace, Entropy::from_seed(2));
        chain.wake(now);
        Network {
            now,
            parts: Vec::new(),
            links: Vec::new(),
            queue: BTreeMap::new(),
            next_event: 0,
            chain,
            inspector: Inspector::new(Policy::default()),
            number: 0,
            tally: Tally::default(),
            words: BTreeMap::new(),
            seen: BTreeMap::new(),
            good_shares: 0,
            found_again: 0,
            answered_calls: 0,
        }
    }

    /// Parts are dialled by [`peer`] of their place.
    pub(crate) fn add(&mut self, role: impl Role + 'static, follows_chain: bool) {
        let part = self.parts.len();
        self.parts.push(Part { role: Box::new(role), follows_chain, next_connection: 0 });
        if follows_chain {
            let event = self.chain.current(self.now);
            self.give(part, Input::Chain(event));
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        (0..self.parts.len()).for_each(|part| self.give(part, Input::Woken));
        let end = self.now.instant + time;
        loop {
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let woken = self.parts.iter().filter_map(|part| part.role.wake_at()).min();
            let next = [queued, woken, self.chain.wake_at()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { return };
            self.now = self.now.after(next.since(self.now.instant));
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now.instant;
        self.chain.wake(self.now);
        self.tell_news();
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let (part, delivery) = entry.remove();
            self.deliver(part, delivery);
        }
        for part in 0..self.parts.len() {
            if self.parts[part].role.wake_at().is_some_and(|at| at <= now) {
                self.give(part, Input::Woken);
            }
        }
    }

    fn tell_news(&mut self) {
        let Some(event) = self.chain.news(self.now) else { return };
        for part in 0..self.parts.len() {
            if self.parts[part].follows_chain {
                self.give(part, Input::Chain(event.clone()));
            }
        }
    }

    fn give(&mut self, part: usize, input: Input) {
        let mut out = Outbox::new();
        self.parts[part].role.handle(self.now, input, &mut out);
        out.take().into_iter().for_each(|output| self.act(part, output));
    }

    fn later(&mut self, wait: Duration, part: usize, delivery: Delivery) {
        self.next_event += 1;
        self.queue.insert((self.now.instant + wait, self.next_event), (part, delivery));
    }

    fn link_of(&self, part: usize, connection: ConnectionId) -> Option<(usize, Direction)> {
        self.links.iter().enumerate().filter(|(_, link)| link.is_open).find_map(|(id, link)| {
            let direction = if link.ends[0] == (part, connection) {
                Direction::ClientToServer
            } else if link.ends[1] == (part, connection) {
                Direction::ServerToClient
            } else {
                return None;
            };
            Some((id, direction))
        })
    }

    fn act(&mut self, part: usize, output: Output) {
        match output {
            Output::Send { connection, message, tlvs } => {
                let frame = message.to_frame(&tlvs);
                self.send(part, connection, |link, from| Delivery::Frame(link, from, frame));
            }
            Output::Forward { connection, frame } => {
                self.send(part, connection, |link, from| Delivery::Frame(link, from, frame));
            }
            Output::Line { connection, line } => {
                self.send(part, connection, |link, from| Delivery::Line(link, from, line));
            }
            Output::Close { connection, .. } => {
                self.send(part, connection, Delivery::Close);
            }
            Output::Dial { dial, peer } => self.dial(part, dial, &peer),
            Output::Request { request, what } => {
                let answer = match &what {
                    Request::Persist { .. } => Answer::Persisted,
                    _ => self.chain.answer(self.now, &what).expect("the chain judges blocks"),
                };
                let input = Input::Answer { request, answer };
                self.later(Duration::from_millis(1), part, Delivery::Input(input));
                self.tell_news();
            }
            Output::Event(_) => {}
        }
    }

    fn send(
        &mut self,
        part: usize,
        connection: ConnectionId,
        delivery: impl FnOnce(usize, Direction) -> Delivery,
    ) {
        let Some((link, from)) = self.link_of(part, connection) else { return };
        let ends = self.links[link].ends;
        let to = if from == Direction::ClientToServer { ends[1].0 } else { ends[0].0 };
        self.later(LATENCY, to, delivery(link, from));
    }

    fn dial(&mut self, part: usize, dial: DialId, peer: &PeerAddress) {
        let server = usize::from(peer.port) - 1000;
        if server >= self.parts.len() {
            let reason = DialFailure::Unreachable("nobody".to_owned());
            self.later(LATENCY, part, Delivery::Input(Input::DialFailed { dial, reason }));
            return;
        }
        let ends = [part, server].map(|part| {
            let connection = ConnectionId(self.parts[part].next_connection);
            self.parts[part].next_connection += 1;
            (part, connection)
        });
        let id = u32::try_from(self.links.len()).unwrap();
        self.links.push(Link { ends, is_open: true });
        let address = |part: usize, port: u16| {
            SocketAddr::from(([10, 0, 0, 10 + u8::try_from(part).unwrap()], port))
        };
        let client = address(part, 50_000 + u16::try_from(id).unwrap());
        let server = address(server, peer.port);
        let what = What::Opened {
            client,
            server,
            from_the_start: true,
            is_selection: false,
            is_redacted: false,
        };
        self.observe(id, what);
        let vias = [Via::Dial(dial), Via::Listener(0)];
        for ((part, connection), via) in ends.into_iter().zip(vias).rev() {
            let input = Input::Connected { connection, via };
            self.later(LATENCY, part, Delivery::Input(input));
        }
    }

    fn deliver(&mut self, part: usize, delivery: Delivery) {
        let connection_at = |link: &Link, from: Direction| match from {
            Direction::ClientToServer => link.ends[1].1,
            Direction::ServerToClient => link.ends[0].1,
        };
        match delivery {
            Delivery::Input(input) => self.give(part, input),
            Delivery::Frame(link, from, frame) => {
                let connection = connection_at(&self.links[link], from);
                let id = u32::try_from(link).unwrap();
                let (direction, integrity) = (from, Integrity::Plain);
                self.observe(id, What::Frame { direction, frame: &frame, integrity });
                let input = match Message::decode(&frame) {
                    Ok(decoded) => {
                        let (message, tlvs) = (decoded.message, decoded.tlvs);
                        *self.seen.entry(message.name()).or_default() += 1;
                        Input::Received { connection, message, tlvs, original: None }
                    }
                    Err(error) => Input::Undecodable { connection, frame, error },
                };
                self.give(part, input);
            }
            Delivery::Line(link, from, line) => {
                let connection = connection_at(&self.links[link], from);
                let id = u32::try_from(link).unwrap();
                self.observe(id, What::Line { direction: from, line: &line });
                self.give(part, Input::Line { connection, line });
            }
            Delivery::Close(link, from) => self.close(link, from),
        }
    }

    fn close(&mut self, link: usize, by: Direction) {
        if !std::mem::replace(&mut self.links[link].is_open, false) {
            return;
        }
        self.observe(u32::try_from(link).unwrap(), What::Closed { by, reset: false });
        let reasons = match by {
            Direction::ClientToServer => [CloseReason::ByUs, CloseReason::ByPeer],
            Direction::ServerToClient => [CloseReason::ByPeer, CloseReason::ByUs],
        };
        let ends = self.links[link].ends;
        for ((part, connection), reason) in ends.into_iter().zip(reasons) {
            self.give(part, Input::Closed { connection, reason });
        }
    }

    fn observe(&mut self, connection: u32, what: What<'_>) {
        self.number += 1;
        let at = START.0 * 1_000_000_000 + self.now.instant.0;
        let observed = Observed { number: self.number, at, connection, what };
        let report = self.inspector.observe(&observed);
        self.good_shares += u64::from(report.facts.verdict() == Some("good"));
        let is_line = report.facts.line.is_some();
        self.answered_calls += u64::from(is_line && report.facts.pair().is_some());
        self.found_again += u64::from(report.facts.same_as.is_some());
        for finding in report.findings {
            self.tally.add(&finding);
            let words = || format!("connection {}: {finding}", finding.connection);
            self.words.entry(finding.code()).or_insert_with(words);
        }
    }

    /// Shares as the inspector has counted them: sent, accepted, blocks among them.
    pub(crate) fn shares(&self) -> [u64; 3] {
        let connections = self.inspector.state().connections();
        let channels = connections.flat_map(|connection| connection.channels.values());
        channels.fold([0; 3], |[sent, accepted, blocks], channel| {
            let shares = &channel.shares;
            [
                sent + shares.submitted,
                accepted + shares.shares_accepted,
                blocks + shares.blocks_found,
            ]
        })
    }

    pub(crate) fn blocks(&self) -> u32 {
        self.chain.chain().height() - 101
    }
}
