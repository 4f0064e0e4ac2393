//! A device, a pool and its template provider, with somebody between the first two.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::message::{Decoded, Message};
use sv2::mining::share_record::ShareOutcome;
use sv2::noise::{AuthoritySecretKey, Identity};
use sv2::role::{
    Answer, CloseReason, ConnectionId, DialFailure, DialId, Input, Outbox, Output, PeerAddress,
    Request, Role, Via,
};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Frame;

use super::line::{LineMan, THIEF, passes_down, submitter};
use super::noise::{NoiseLine, NoiseMan};
use super::{Attack, Loot};
use crate::build::{Builder, Proofs};
use crate::noise::{News, NoiseEnd, identity};
use crate::scenario::{Kind, RoleId, Scenario};

/// See the module. Nothing takes time but the search for shares.
pub(super) struct Bench {
    hosts: [Box<dyn Role + Send>; 3],
    inputs: VecDeque<(usize, Input)>,
    chain: ChainHost,
    start: Now,
    now: Now,
    attack: Attack,
    part: f64,
    seed: u64,
    entropy: Entropy,
    authority: AuthoritySecretKey,
    identity: Arc<Identity>,
    line: Option<Line>,
    dial: DialId,
    /// Whether each end of the line was told of it.
    told: [bool; 2],
    loot: Loot,
}

/// What lies between device and pool.
enum Line {
    Sv1(LineMan),
    Sv2(Box<NoiseLine>),
}

impl Bench {
    /// Everything is there; nothing has happened.
    ///
    /// # Errors
    /// A role that the scenario lacks.
    pub(super) fn new(scenario: &Scenario, attack: Attack, part: f64) -> Result<Self, String> {
        let is_sv1 = attack == Attack::RewriteLines;
        let (pool, device) = match is_sv1 {
            true => (Kind::Sv1Pool, Kind::Sv1Device),
            false => (Kind::Pool, Kind::MiningDevice),
        };
        let find = |kind: Kind| -> Result<RoleId, String> {
            let mut ids = scenario.role_ids();
            let found = ids.find(|id| scenario.role(*id).kind.kind() == kind);
            found.ok_or_else(|| format!("this experiment needs a role of kind {}", kind.name()))
        };
        let ids = [find(Kind::TemplateProvider)?, find(pool)?, find(device)?];
        let start = Now { instant: Instant::ZERO, unix: START };
        let mut entropy = Entropy::from_seed(scenario.seed);
        let proofs = Proofs::drawn_for(scenario);
        let address = |id: RoleId| PeerAddress {
            host: scenario.role(id).name.clone(),
            port: 1,
            authority: None,
        };
        let builder = Builder { scenario, address: &address, proofs };
        let build =
            |id: RoleId| builder.build(id, 0, None, entropy.fork(&scenario.role(id).name, 1));
        let hosts = ids.map(build);
        let config = ChainConfig::new(proofs.nbits(scenario.chain.nbits), start.unix);
        let chain = ChainHost::new(Chain::new(config, entropy.fork("chain", 0)));
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let identity = identity(&authority, start, &mut entropy);
        let mut bench = Bench {
            hosts,
            inputs: VecDeque::new(),
            chain,
            start,
            now: start,
            attack,
            part,
            seed: scenario.seed,
            entropy,
            authority,
            identity,
            line: None,
            dial: DialId(0),
            told: [false; 2],
            loot: Loot::default(),
        };
        let news = bench.chain.current(start);
        bench.inputs.push_back((PROVIDER, Input::Chain(news)));
        for host in [PROVIDER, POOL, DEVICE] {
            bench.inputs.push_back((host, Input::Woken));
            bench.settle();
        }
        Ok(bench)
    }

    /// Lets so much time go by.
    pub(super) fn run(mut self, length: Duration) -> Loot {
        let end = Instant::ZERO + length;
        loop {
            let wakes = self.hosts.iter().enumerate();
            let next = wakes.filter_map(|(index, host)| Some((host.wake_at()?, index))).min();
            let Some((at, index)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = self.start.after(at.max(self.now.instant) - self.start.instant);
            self.inputs.push_back((index, Input::Woken));
            self.settle();
        }
        self.forget_line();
        self.loot
    }

    fn settle(&mut self) {
        loop {
            while let Some((index, input)) = self.inputs.pop_front() {
                self.handle(index, input);
            }
            if !self.carry() && self.inputs.is_empty() {
                return;
            }
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        let submitted_for = match &input {
            Input::Line { line, .. } if index == POOL => submitter(line),
            _ => None,
        };
        let mut out = Outbox::new();
        self.hosts[index].handle(self.now, input, &mut out);
        for output in out.take() {
            match output {
                Output::Event(Event::ShareAccepted { .. }) if index == POOL => {
                    // Of SV2, the record tells.
                    if let Some(user) = &submitted_for {
                        self.credit(user == THIEF);
                    }
                }
                Output::Event(Event::ShareSubmitted { .. }) if index == DEVICE => {
                    self.loot.submitted += 1;
                }
                Output::Event(_) => {}
                other => self.carry_out(index, other),
            }
        }
    }

    fn credit(&mut self, is_stolen: bool) {
        match is_stolen {
            true => self.loot.stolen += 1,
            false => self.loot.earned += 1,
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Dial { dial, .. } if index == DEVICE => self.open(dial),
            Output::Dial { dial, .. } => {
                let connected = |via| Input::Connected { connection: INNER, via };
                self.inputs.push_back((index, connected(Via::Dial(dial))));
                self.inputs.push_back((PROVIDER, connected(Via::Listener(0))));
            }
            Output::Send { connection: INNER, message, tlvs } if index != DEVICE => {
                let to = PROVIDER + POOL - index;
                let received = Input::Received { connection: INNER, message, tlvs, original: None };
                self.inputs.push_back((to, received));
            }
            Output::Send { message, tlvs, .. } => {
                if let Some(Line::Sv2(line)) = &mut self.line {
                    let end = if index == DEVICE { &mut line.device } else { &mut line.pool };
                    end.send(&message, &tlvs);
                    self.carry();
                }
            }
            Output::Forward { frame, .. } => {
                if let Some(Line::Sv2(line)) = &mut self.line {
                    let end = if index == DEVICE { &mut line.device } else { &mut line.pool };
                    end.forward(&frame);
                    self.carry();
                }
            }
            Output::Line { line, .. } => self.say(index, &line),
            Output::Close { .. } => self.close(CloseReason::ByUs),
            Output::Request { request, what } => {
                if let Request::Persist { record } = &what
                    && let ShareOutcome::Accepted { .. } = record.outcome
                {
                    self.credit(record.user_identity.as_slice() == THIEF.as_bytes());
                }
                let answer = self.chain.answer(self.now, &what).unwrap_or(Answer::Persisted);
                self.inputs.push_back((index, Input::Answer { request, answer }));
                if let Some(news) = self.chain.news(self.now) {
                    self.inputs.push_back((PROVIDER, Input::Chain(news)));
                }
            }
            Output::Event(_) => {}
        }
    }

    fn say(&mut self, index: usize, line: &bytes::Bytes) {
        let Some(Line::Sv1(man)) = &mut self.line else { return };
        let (to, lines) = match index {
            DEVICE => (POOL, man.up(line)),
            _ if passes_down(line) => (DEVICE, vec![line.clone()]),
            _ => return,
        };
        let connection = connection_of(to);
        self.inputs.extend(lines.into_iter().map(|line| (to, Input::Line { connection, line })));
    }

    fn open(&mut self, dial: DialId) {
        self.forget_line();
        (self.dial, self.told) = (dial, [false; 2]);
        if self.attack == Attack::RewriteLines {
            self.line = Some(Line::Sv1(LineMan::new(self.part, self.seed)));
            self.tell_connected(DEVICE);
            self.tell_connected(POOL);
            return;
        }
        let authority = match self.attack {
            Attack::ImpersonateUnchecked => None,
            _ => Some(self.authority.public_key()),
        };
        let (now, entropy) = (self.now, &mut self.entropy);
        let device = NoiseEnd::client(authority, now, entropy);
        let pool = NoiseEnd::server(Arc::clone(&self.identity), now, entropy);
        let man = match self.attack {
            Attack::Impersonate | Attack::ImpersonateUnchecked => NoiseMan::between(now, entropy),
            Attack::FlipBytes => {
                // Another connection, another choice.
                NoiseMan::outside(self.part, self.seed ^ self.loot.lost_connections << 32)
            }
            Attack::None | Attack::RewriteLines => NoiseMan::outside(0.0, self.seed),
        };
        self.line = Some(Line::Sv2(Box::new(NoiseLine::new(device, pool, man))));
    }

    /// Moves bytes, and tells both ends what has come of them; whether there was anything.
    fn carry(&mut self) -> bool {
        let Some(Line::Sv2(line)) = &mut self.line else { return false };
        let now = self.now;
        let mut has_carried = line.carry(now);
        for index in [POOL, DEVICE] {
            while let Some(Line::Sv2(line)) = &mut self.line {
                let end = if index == DEVICE { &mut line.device } else { &mut line.pool };
                let Some(news) = end.next(now) else { break };
                has_carried = true;
                match news {
                    News::Established => self.tell_connected(index),
                    News::Frame(frame) => self.inputs.push_back((index, input(index, frame))),
                    News::Failed(error) => self.close(CloseReason::Connection(error)),
                }
            }
        }
        has_carried
    }

    fn tell_connected(&mut self, index: usize) {
        self.told[usize::from(index == DEVICE)] = true;
        let via = if index == DEVICE { Via::Dial(self.dial) } else { Via::Listener(0) };
        self.inputs.push_back((index, Input::Connected { connection: connection_of(index), via }));
    }

    /// Ends the line between device and pool.
    fn close(&mut self, reason: CloseReason) {
        if self.line.is_none() {
            return;
        }
        self.forget_line();
        self.loot.lost_connections += 1;
        for index in [POOL, DEVICE] {
            let connection = connection_of(index);
            let closed = match (self.told[usize::from(index == DEVICE)], index, &reason) {
                (true, ..) => Input::Closed { connection, reason: reason.clone() },
                (false, DEVICE, CloseReason::Connection(error)) => Input::DialFailed {
                    dial: self.dial,
                    reason: DialFailure::Connection(error.clone()),
                },
                (false, DEVICE, _) => Input::DialFailed {
                    dial: self.dial,
                    reason: DialFailure::Unreachable(reason.to_string()),
                },
                (false, ..) => continue,
            };
            self.inputs.push_back((index, closed));
        }
        self.told = [false; 2];
    }

    /// Keeps what he has seen.
    fn forget_line(&mut self) {
        self.loot.seen += match self.line.take() {
            Some(Line::Sv1(man)) => man.seen,
            Some(Line::Sv2(line)) => line.seen,
            None => 0,
        };
    }
}

fn input(index: usize, frame: Frame) -> Input {
    let connection = connection_of(index);
    match Message::decode(&frame) {
        Ok(Decoded { message, tlvs, is_canonical }) => {
            let original = (!is_canonical).then(|| Box::new(frame));
            Input::Received { connection, message, tlvs, original }
        }
        Err(error) => Input::Undecodable { connection, frame, error },
    }
}

/// The device has one connection, the pool has its template provider's as well.
fn connection_of(index: usize) -> ConnectionId {
    if index == DEVICE { ConnectionId(0) } else { OUTER }
}

const PROVIDER: usize = 0;
const POOL: usize = 1;
const DEVICE: usize = 2;
/// Of the template provider, at both ends.
const INNER: ConnectionId = ConnectionId(0);
/// Of the device, at the pool.
const OUTER: ConnectionId = ConnectionId(1);
/// As every world begins.
const START: UnixTime = UnixTime(1_700_000_000);
