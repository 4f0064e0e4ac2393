//! A world in memory: one of our roles, what it needs beside it, and the embedded chain, in
//! virtual time.
//!
//! Nothing waits: a read that finds nothing moves the clock to the next moment at which a
//! role wants to be woken. The bytes are real: Noise and frames as on a socket.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sv2::chain::{BlockTemplate, Chain, ChainConfig, ChainHost};
use sv2::connection::Received;
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, Identity};
use sv2::role::{
    Answer, ChainEvent, CloseReason, ConnectionId, DialFailure, DialId, Input, Outbox, Output,
    PeerAddress, Request, Role, Via,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Frame;

use super::link_end::LinkEnd;
use super::{Arrival, ChainView, ClientPeers, LinkId, Ready, World, WorldError};
use crate::case::step::{CloseHow, ControlKind, Door, Peer};
use crate::case::{Chain as ChainKind, TargetRole, WorldSettings};
use crate::mutant::{ConnectionFault, Make, Mutant, MutantRole};

/// Our role and what it needs, for one case.
pub struct MemoryWorld {
    now: Now,
    parts: Parts,
    entropy: Entropy,
    chain: ChainHost,
    /// The one that is tested is [`SUBJECT`].
    members: Vec<Member>,
    /// Message by message, between our own roles.
    inner_links: Vec<InnerLink>,
    /// Byte by byte, to the suite.
    links: Vec<Link>,
    queue: VecDeque<(usize, Input)>,
    told: Vec<String>,
    /// Times that the members were started so far.
    starts: u64,
    /// The coinbase transaction of the last one.
    last_solution: Option<Bytes>,
}

/// What a world is made of.
pub(super) struct Parts {
    pub(super) role: TargetRole,
    pub(super) settings: WorldSettings,
    pub(super) mutant: Option<Mutant>,
    pub(super) authority: Arc<AuthoritySecretKey>,
    /// Whose servers a subject dials.
    pub(super) suite_authority: AuthorityPublicKey,
    pub(super) identity: Arc<Identity>,
}

impl Parts {
    /// Where the suite's servers are, as a subject is told.
    fn doors(&self) -> Vec<PeerAddress> {
        let authority = (!self.settings.has_no_key).then_some(self.suite_authority);
        let doors =
            DOORS.map(|(_, port)| PeerAddress { host: DOORS_HOST.to_owned(), port, authority });
        doors.to_vec()
    }

    /// The member that another means by an address, if it is one.
    fn inner_peer(&self, member: usize, peer: &PeerAddress) -> Option<usize> {
        match (self.role, member, peer.port) {
            (TargetRole::Pool, SUBJECT, _) => Some(PROVIDER),
            (TargetRole::JobDeclaratorClient, SUBJECT, PROVIDER_PORT) => Some(PROVIDER),
            (TargetRole::JobDeclaratorClient, SUBJECT, port) => {
                let at = DECLARATOR_PORTS.iter().position(|known| *known == port)?;
                (at > 0 || !self.settings.has_no_declarator).then_some(DECLARATOR)
            }
            _ => None,
        }
    }

    /// What is wrong beneath the messages of a member.
    fn fault(&self, member: usize) -> Option<ConnectionFault> {
        match &self.mutant {
            Some(Mutant { make: Make::Connection(fault), .. }) if member == SUBJECT => Some(*fault),
            _ => None,
        }
    }
}

/// A role of ours.
struct Member {
    role: Box<dyn Role>,
    /// Whether its node is the chain.
    follows_chain: bool,
    next_connection: u32,
}

/// Both ends: member, and what it calls the connection.
struct InnerLink([(usize, ConnectionId); 2]);

struct Link {
    /// Who is at the other end.
    member: usize,
    connection: LinkEnd,
    /// Where it was dialled from our role's side.
    dialled: Option<Dialled>,
    /// Once the handshake is done.
    id: Option<ConnectionId>,
    received: BytesMut,
    to_suite: Vec<u8>,
    is_closed: bool,
}

/// A connection that a role has opened to the suite.
struct Dialled {
    dial: DialId,
    door: Door,
    is_accepted: bool,
}

impl MemoryWorld {
    pub(super) fn new(parts: Parts, entropy: Entropy) -> Self {
        let nbits = match parts.settings.chain {
            ChainKind::Hard => ChainConfig::HARD,
            ChainKind::Easy => ChainConfig::EASY,
        };
        let chain = Chain::new(ChainConfig::new(nbits, START.unix), entropy.fork("chain", 0));
        let mut world = MemoryWorld {
            now: START,
            parts,
            entropy,
            chain: ChainHost::new(chain),
            members: Vec::new(),
            inner_links: Vec::new(),
            links: Vec::new(),
            queue: VecDeque::new(),
            told: Vec::new(),
            starts: 0,
            last_solution: None,
        };
        world.start();
        world
    }

    /// Starts all members, and lets them find each other.
    fn start(&mut self) {
        self.starts += 1;
        let Parts { role, settings, authority, .. } = &self.parts;
        let entropy = |purpose| self.entropy.fork(purpose, self.starts);
        let declarator = || {
            let entropy = entropy("job declarator");
            Member::new(super::own_job_declarator(settings, authority, entropy), true)
        };
        let provider = || Member::new(super::own_provider(), true);
        let mut members = match role {
            TargetRole::JobDeclaratorServer => vec![declarator()],
            TargetRole::TemplateProvider => vec![provider()],
            role if role.has_own_chain() => {
                let (pools, entropy) = (self.parts.doors(), entropy("client"));
                let client =
                    super::own_job_declarator_client(settings, pools, inner_peers(), entropy);
                vec![Member::new(client, false), provider(), declarator()]
            }
            role if role.dials() => {
                let role =
                    super::own_client(*role, settings, self.parts.doors(), entropy("client"));
                vec![Member::boxed(role, false)]
            }
            _ => {
                let pool = super::own_pool(settings, None, authority, entropy("pool"));
                let declarator = settings.supports_work_selection.then(declarator);
                [Member::new(pool, false), provider()].into_iter().chain(declarator).collect()
            }
        };
        let subject = members.remove(SUBJECT);
        let subject_role: Box<dyn Role> = match &self.parts.mutant {
            Some(Mutant { make: Make::Rules(rules), .. }) => {
                Box::new(MutantRole::new(subject.role, rules.clone()))
            }
            Some(Mutant { make: Make::Code(around), .. }) => around(subject.role),
            _ => subject.role,
        };
        members.insert(SUBJECT, Member { role: subject_role, ..subject });
        self.members = members;
        let news = self.chain.current(self.now);
        self.spread(&news);
        self.queue.push_back((SUBJECT, Input::Woken));
        self.settle();
    }

    /// Tells everybody who follows the chain.
    fn spread(&mut self, news: &ChainEvent) {
        for (index, member) in self.members.iter().enumerate() {
            if member.follows_chain {
                self.queue.push_back((index, Input::Chain(news.clone())));
            }
        }
    }

    /// Lets all roles do what is to be done at this moment.
    fn settle(&mut self) {
        let mut out = Outbox::new();
        while let Some((role, input)) = self.queue.pop_front() {
            self.members[role].role.handle(self.now, input, &mut out);
            for output in out.take() {
                self.carry_out(role, output);
            }
            if self.queue.is_empty() {
                self.pass_on_news();
            }
        }
    }

    fn pass_on_news(&mut self) {
        if let Some(news) = self.chain.news(self.now) {
            self.spread(&news);
        }
    }

    fn carry_out(&mut self, role: usize, output: Output) {
        match output {
            Output::Send { connection, message, tlvs } => {
                if let Message::SubmitSolution(solution) = &message {
                    self.last_solution =
                        Some(Bytes::copy_from_slice(solution.coinbase_tx.as_slice()));
                }
                if let Some((other, peer)) = self.peer(role, connection) {
                    let input = Input::Received { connection: peer, message, tlvs, original: None };
                    self.queue.push_back((other, input));
                } else if let Some(link) = self.link_of(role, connection) {
                    let Link { connection, to_suite, .. } = link;
                    // What cannot be sent is our pool's fault and shows as silence.
                    let _ = connection.send_message(&message, &tlvs, to_suite);
                }
            }
            Output::Forward { connection, frame } => {
                if let Some((other, peer)) = self.peer(role, connection) {
                    self.queue.push_back((other, received(peer, frame)));
                } else if let Some(link) = self.link_of(role, connection) {
                    let Link { connection, to_suite, .. } = link;
                    let _ = connection.send_frame(&frame, to_suite);
                }
            }
            Output::Line { connection, line } => {
                if let Some((other, peer)) = self.peer(role, connection) {
                    self.queue.push_back((other, Input::Line { connection: peer, line }));
                } else if let Some(link) = self.link_of(role, connection) {
                    link.to_suite.extend_from_slice(&line);
                    link.to_suite.push(b'\n');
                }
            }
            Output::Close { connection, reason } => {
                if let Some((other, peer)) = self.peer(role, connection) {
                    let gone = CloseReason::ByPeer;
                    self.queue.push_back((other, Input::Closed { connection: peer, reason: gone }));
                    self.inner_links.retain(|link| !link.0.contains(&(role, connection)));
                } else if let Some(link) = self.link_of(role, connection) {
                    link.is_closed = true;
                }
                self.tell(&format!("closes {connection:?}: {reason}"));
                self.queue.push_back((role, Input::Closed { connection, reason }));
            }
            Output::Dial { dial, peer } if self.parts.inner_peer(role, &peer).is_some() => {
                let peer = self.parts.inner_peer(role, &peer).unwrap_or(PROVIDER);
                let ends = [(peer, Via::Listener(0)), (role, Via::Dial(dial))];
                let ends = ends.map(|(member, via)| {
                    let connection = self.new_connection(member);
                    self.queue.push_back((member, Input::Connected { connection, via }));
                    (member, connection)
                });
                self.inner_links.push(InnerLink(ends));
            }
            Output::Dial { dial, peer } if self.dials_suite(role, &peer).is_some() => {
                let door = self.dials_suite(role, &peer).unwrap_or_default();
                self.dial_suite(role, dial, door, peer.authority);
            }
            Output::Dial { dial, peer } => {
                let reason = DialFailure::Unreachable(format!("no {} in memory", peer.host));
                self.queue.push_back((role, Input::DialFailed { dial, reason }));
            }
            Output::Request { request, what } => {
                let answer = match &what {
                    Request::Persist { .. } => Some(Answer::Persisted),
                    what => self.chain.answer(self.now, what),
                };
                if let Some(answer) = answer {
                    self.queue.push_back((role, Input::Answer { request, answer }));
                }
            }
            Output::Event(event) => {
                if role == SUBJECT {
                    self.tell(&format!("{event:?}"));
                }
            }
        }
    }

    /// The door that the subject means, where the suite is its server.
    fn dials_suite(&self, role: usize, peer: &PeerAddress) -> Option<Door> {
        let is_client = self.parts.role.dials();
        let door = DOORS.iter().find(|(_, port)| *port == peer.port);
        door.filter(|_| is_client && role == SUBJECT).map(|(door, _)| *door)
    }

    fn dial_suite(
        &mut self,
        member: usize,
        dial: DialId,
        door: Door,
        authority: Option<AuthorityPublicKey>,
    ) {
        let entropy = self.entropy.fork("link", self.links.len() as u64);
        let mut to_suite = Vec::new();
        let fault = self.parts.fault(member);
        let has_lines = self.parts.role.dials_with_lines();
        let is_unchecked = fault == Some(ConnectionFault::CertificateUnchecked);
        let authority = authority.filter(|_| !is_unchecked);
        let connection = match has_lines {
            true => LinkEnd::lines(fault),
            false => LinkEnd::dialled(authority, fault, self.now, entropy, &mut to_suite),
        };
        // Without a handshake, TCP is all that there is to a connection.
        let id = has_lines.then(|| self.new_connection(member));
        self.queue.extend(
            id.map(|connection| (member, Input::Connected { connection, via: Via::Dial(dial) })),
        );
        self.links.push(Link {
            member,
            connection,
            dialled: Some(Dialled { dial, door, is_accepted: false }),
            id,
            received: BytesMut::new(),
            to_suite,
            is_closed: false,
        });
        // Who needs no handshake has a connection already.
        if fault == Some(ConnectionFault::PlainAtOnce) {
            self.pump(self.links.len() - 1);
        }
    }

    fn tell(&mut self, what: &str) {
        if self.told.len() < TOLD_MAX {
            self.told.push(what.to_owned());
        }
    }

    /// The other end of a connection between our own roles.
    fn peer(&self, role: usize, connection: ConnectionId) -> Option<(usize, ConnectionId)> {
        self.inner_links.iter().find_map(|InnerLink([one, other])| match (role, connection) {
            end if end == *one => Some(*other),
            end if end == *other => Some(*one),
            _ => None,
        })
    }

    fn link_of(&mut self, role: usize, connection: ConnectionId) -> Option<&mut Link> {
        self.links
            .iter_mut()
            .find(|link| link.member == role && link.id == Some(connection) && !link.is_closed)
    }

    fn new_connection(&mut self, role: usize) -> ConnectionId {
        let next = &mut self.members[role].next_connection;
        *next += 1;
        ConnectionId(*next - 1)
    }

    /// Lets a link's end take what has arrived.
    fn pump(&mut self, index: usize) {
        loop {
            let link = &mut self.links[index];
            if link.is_closed {
                return;
            }
            if let Some(line) = link.connection.next_line(&mut link.received) {
                match line {
                    Ok(None) => return,
                    Ok(Some(line)) => {
                        let input = link.id.map(|connection| Input::Line { connection, line });
                        let member = link.member;
                        self.queue.extend(input.map(|input| (member, input)));
                    }
                    Err(error) => self.lose(index, CloseReason::Sv1(error)),
                }
                self.settle();
                continue;
            }
            let outcome = link.connection.receive(self.now, &mut link.received, &mut link.to_suite);
            match outcome {
                Ok(None) => return,
                Ok(Some(Received::Established { .. })) => {
                    let member = link.member;
                    let connection = self.new_connection(member);
                    let link = &mut self.links[index];
                    link.id = Some(connection);
                    let via = match &link.dialled {
                        Some(dialled) => Via::Dial(dialled.dial),
                        None => Via::Listener(0),
                    };
                    self.queue.push_back((member, Input::Connected { connection, via }));
                }
                Ok(Some(Received::Frame(frame))) => {
                    if let Some(connection) = link.id {
                        self.queue.push_back((link.member, received(connection, frame)));
                    }
                }
                Err(error) => self.lose(index, CloseReason::Connection(error)),
            }
            self.settle();
        }
    }

    /// Our role's host gives a link up.
    fn lose(&mut self, index: usize, reason: CloseReason) {
        self.tell(&format!("closes link {index}: {reason}"));
        let link = &mut self.links[index];
        link.is_closed = true;
        let input = match (link.id, &link.dialled) {
            (Some(connection), _) => Some(Input::Closed { connection, reason }),
            (None, Some(Dialled { dial, .. })) => {
                let reason = match reason {
                    CloseReason::Connection(error) => DialFailure::Connection(error),
                    other => DialFailure::Unreachable(other.to_string()),
                };
                Some(Input::DialFailed { dial: *dial, reason })
            }
            (None, None) => None,
        };
        let member = link.member;
        self.queue.extend(input.map(|input| (member, input)));
        self.settle();
    }

    /// What ends a wait, if it is there.
    fn ready(&self, door: Option<Door>, links: &[LinkId]) -> Option<Ready> {
        let is_pending = |link: &Link| {
            let dialled = link.dialled.as_ref();
            dialled.is_some_and(|dialled| !dialled.is_accepted && Some(dialled.door) == door)
        };
        if self.links.iter().any(|link| !link.is_closed && is_pending(link)) {
            return Some(Ready::Dialled);
        }
        let has_news = |id: &&LinkId| {
            let link = &self.links[id.0];
            link.is_closed || !link.to_suite.is_empty()
        };
        links.iter().find(has_news).map(|id| Ready::Link(*id))
    }

    fn wake_at(&self) -> Option<Instant> {
        let roles = self.members.iter().filter_map(|member| member.role.wake_at());
        let links = self.links.iter().filter(|link| !link.is_closed);
        let deadlines = links.filter_map(|link| link.connection.deadline());
        roles.chain(deadlines).chain(self.chain.wake_at()).min()
    }

    /// Moves the clock, waking whoever wants to be woken on the way. Stops early when `until`
    /// says so.
    fn advance(&mut self, to: Instant, until: impl Fn(&Self) -> bool) {
        let mut wakes_here = 0;
        while !until(self) {
            let Some(at) = self.wake_at().filter(|at| *at <= to) else {
                self.move_clock(to);
                return;
            };
            wakes_here = if at > self.now.instant { 0 } else { wakes_here + 1 };
            assert!(wakes_here < WAKES_MAX, "a role wants to be woken again and again: our bug");
            self.move_clock(at);
            for role in 0..self.members.len() {
                if self.members[role].role.wake_at().is_some_and(|at| at <= self.now.instant) {
                    self.queue.push_back((role, Input::Woken));
                    self.settle();
                }
            }
            for index in 0..self.links.len() {
                let link = &mut self.links[index];
                if !link.is_closed
                    && let Err(error) = link.connection.expire(self.now.instant)
                {
                    self.lose(index, CloseReason::Connection(error));
                }
            }
            self.chain.wake(self.now);
            self.settle();
        }
    }

    fn move_clock(&mut self, to: Instant) {
        if to > self.now.instant {
            self.now = self.now.after(to.since(self.now.instant));
        }
    }
}

impl World for MemoryWorld {
    fn now(&self) -> Now {
        self.now
    }

    fn dial(&mut self, peer: Peer) -> Result<LinkId, WorldError> {
        let member = match (peer, self.parts.role) {
            (Peer::Target, _) | (_, TargetRole::JobDeclaratorServer) => SUBJECT,
            (Peer::JobDeclarator, TargetRole::Pool) if self.members.len() > DECLARATOR => {
                DECLARATOR
            }
            (Peer::JobDeclarator, _) => {
                let why = "there is no job declarator server here".to_owned();
                return Err(WorldError::Unreachable(why));
            }
        };
        let fault = self.parts.fault(member);
        let entropy = self.entropy.fork("link", self.links.len() as u64);
        let has_lines = self.parts.role.serves_lines();
        let identity = Arc::clone(&self.parts.identity);
        let connection = match has_lines {
            true => LinkEnd::lines(fault),
            false => LinkEnd::new(identity, fault, self.now, entropy),
        };
        let id = has_lines.then(|| self.new_connection(member));
        self.links.push(Link {
            member,
            connection,
            dialled: None,
            id,
            received: BytesMut::new(),
            to_suite: Vec::new(),
            is_closed: false,
        });
        if let Some(connection) = id {
            self.queue.push_back((member, Input::Connected { connection, via: Via::Listener(0) }));
            self.settle();
        }
        Ok(LinkId(self.links.len() - 1))
    }

    fn wait(&mut self, door: Option<Door>, links: &[LinkId], until: Instant) -> Option<Ready> {
        self.advance(until, |world| world.ready(door, links).is_some());
        self.ready(door, links)
    }

    fn accept(&mut self, door: Door) -> Option<LinkId> {
        let index = self.links.iter().position(|link| {
            let dialled = link.dialled.as_ref();
            let is_pending = |one: &Dialled| one.door == door && !one.is_accepted;
            !link.is_closed && dialled.is_some_and(is_pending)
        })?;
        if let Some(dialled) = &mut self.links[index].dialled {
            dialled.is_accepted = true;
        }
        Some(LinkId(index))
    }

    fn door(&self, door: Door) -> Option<(String, u16)> {
        let port = DOORS.iter().find(|(known, _)| *known == door)?.1;
        Some((DOORS_HOST.to_owned(), port))
    }

    fn write(&mut self, link: LinkId, bytes: &[u8]) {
        if !self.links[link.0].is_closed {
            self.links[link.0].received.extend_from_slice(bytes);
            self.pump(link.0);
            let end = &mut self.links[link.0];
            if !end.is_closed
                && let Err(error) = end.connection.end_write(&mut end.received)
            {
                self.lose(link.0, CloseReason::Connection(error));
            }
        }
    }

    fn read(&mut self, link: LinkId, until: Instant) -> Arrival {
        self.advance(until, |world| {
            let link = &world.links[link.0];
            link.is_closed || !link.to_suite.is_empty()
        });
        let link = &mut self.links[link.0];
        match std::mem::take(&mut link.to_suite) {
            bytes if !bytes.is_empty() => Arrival::Bytes(Bytes::from(bytes)),
            _ if link.is_closed => Arrival::Closed,
            _ => Arrival::Nothing,
        }
    }

    fn close(&mut self, link: LinkId, _: CloseHow) {
        if !self.links[link.0].is_closed {
            self.lose(link.0, CloseReason::ByPeer);
        }
    }

    fn pass(&mut self, until: Instant) {
        self.advance(until, |_| false);
    }

    fn control(&mut self, kind: ControlKind) -> Result<(), WorldError> {
        match kind {
            ControlKind::NewBlock => {
                self.chain.chain_mut().extend_tip_unproven(self.now);
            }
            ControlKind::Reorg => {
                self.chain.chain_mut().reorganise(1, self.now).map_err(|depth_max| {
                    WorldError::ControlFailed(format!("at most {depth_max} blocks can go"))
                })?;
            }
            ControlKind::AddTransaction | ControlKind::AddSigops => {
                self.chain
                    .chain_mut()
                    .generate_transaction(super::shape(kind))
                    .ok_or_else(|| WorldError::ControlFailed("no coin is free".to_owned()))?;
            }
            kind @ (ControlKind::RenewExtranoncePrefix
            | ControlKind::MoveToGroup
            | ControlKind::Reconnect) => {
                let command = kind.command().ok_or(WorldError::NoControl(kind))?;
                self.queue.push_back((SUBJECT, Input::Command(command)));
            }
            ControlKind::Restart => {
                self.links.iter_mut().for_each(|link| link.is_closed = true);
                self.inner_links.clear();
                self.queue.clear();
                self.links.iter_mut().for_each(|link| link.id = None);
                self.start();
            }
        }
        self.pass_on_news();
        self.settle();
        Ok(())
    }

    fn chain(&mut self) -> Option<ChainView> {
        let now = self.now;
        let view = ChainView::of(self.chain.chain_mut(), now);
        Some(ChainView { last_solution: self.last_solution.clone(), ..view })
    }

    fn template(&mut self) -> Option<Arc<BlockTemplate>> {
        let now = self.now;
        Some(self.chain.chain_mut().template(now))
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

fn received(connection: ConnectionId, frame: Frame) -> Input {
    match Message::decode(&frame) {
        Ok(decoded) => Input::Received {
            connection,
            message: decoded.message,
            tlvs: decoded.tlvs,
            original: (!decoded.is_canonical).then(|| Box::new(frame)),
        },
        Err(error) => Input::Undecodable { connection, frame, error },
    }
}

impl Member {
    fn new(role: impl Role + 'static, follows_chain: bool) -> Member {
        Member::boxed(Box::new(role), follows_chain)
    }

    fn boxed(role: Box<dyn Role>, follows_chain: bool) -> Member {
        Member { role, follows_chain, next_connection: 0 }
    }
}

/// Who is tested.
const SUBJECT: usize = 0;

/// Beside a pool.
const PROVIDER: usize = 1;

/// Beside a pool that takes custom jobs.
const DECLARATOR: usize = 2;

/// What a job declarator client needs beside the suite's pools, one declarator for each.
fn inner_peers() -> ClientPeers {
    let peer = |port| PeerAddress { host: INNER_HOST.to_owned(), port, authority: None };
    ClientPeers {
        template_provider: peer(PROVIDER_PORT),
        job_declarators: DECLARATOR_PORTS.map(peer).to_vec(),
    }
}

/// Of the provider, as a subject that dials it is told.
const PROVIDER_PORT: u16 = 8442;

/// Of the job declarator server, once for each pool.
const DECLARATOR_PORTS: [u16; 2] = [34264, 34265];

/// Where members beside the subject are, as it is told.
const INNER_HOST: &str = "beside.memory";

/// Ports of the suite's servers, as a subject that dials them is told.
const DOORS: [(Door, u16); 2] = [(Door::Upstream, 34254), (Door::Backup, 34255)];

/// Where the suite's servers are, as such a subject is told.
const DOORS_HOST: &str = "suite.memory";

/// Where virtual time starts: far enough from zero that nothing is mistaken for "never".
pub(super) const START: Now =
    Now { instant: Instant(1_000_000_000_000), unix: UnixTime(1_790_000_000) };

/// Events that are kept for evidence; more would only bury them.
const TOLD_MAX: usize = 10_000;

/// Wakes at one moment before we say that a role is in a loop.
const WAKES_MAX: u32 = 10_000;
