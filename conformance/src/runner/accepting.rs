//! Connections that the target opens: the suite is its server.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sv2::entropy::Entropy;
use sv2::noise::{
    ACT_1_LEN, AuthoritySecretKey, CipherSuite, Identity, Responder, Session as NoiseSession,
    StaticKey,
};
use sv2::sv1::LineSplitter;
use sv2::sv1::lines::LineConfig;
use sv2::time::Instant;
use sv2::wire::FrameDecoder;

use super::connection::{Connection, ItemWhat, PAYLOAD_LEN_MAX, ephemeral_x};
use super::serving::Service;
use super::{Finding, Session, Stop};
use crate::case::step::{Accept, Certificate, HandshakeOutcome, Layer};
use crate::case::value::{Expression, Value};
use crate::client::exchange::{Direction, What};
use crate::client::wire::{Incoming, LyingSealer, cut};
use crate::verdict::Verdict;
use crate::world::{Arrival, LinkId, Ready};

impl Session<'_> {
    pub(super) fn accept(&mut self, on: &str, accept: &Accept) -> Result<(), Stop> {
        let deadline = self.deadline(accept.within.or(Some(DIAL_TIME)));
        let link = self.await_dial(accept, deadline)?;
        self.links += 1;
        let mut connection = Connection::new(link, self.links);
        connection.service = Some(Service::new(accept, self.share_seconds(on, accept)?));
        connection.speak(accept.layer);
        self.note_on(on, What::Opened);
        let act_2 = match accept.layer {
            Layer::Noise => self.respond(on, &mut connection, accept)?,
            Layer::Tcp | Layer::Plain | Layer::Lines => Vec::new(),
        };
        for piece in cut(&act_2, &accept.act2_chunks) {
            self.write(on, &mut connection, piece);
        }
        self.connections.insert(on.to_owned(), connection);
        if accept.outcome == HandshakeOutcome::Refused {
            self.await_refusal(on, accept)?;
        }
        self.observe(&accept.clauses);
        Ok(())
    }

    fn await_dial(&mut self, accept: &Accept, deadline: Instant) -> Result<LinkId, Stop> {
        while self.await_news(Some(accept.door), deadline) == Some(Ready::Dialled) {
            // Between the two the target may have hung up.
            if let Some(link) = self.world.accept(accept.door) {
                return Ok(link);
            }
        }
        // That it dials at all is what most cases take for granted.
        let verdict = match accept.clauses.is_empty() {
            true => Verdict::Inconclusive,
            false => Verdict::Fail,
        };
        let finding = Finding {
            because: "the target has not dialled in time".to_owned(),
            ..self.finding(verdict, &accept.clauses)
        };
        Err(Stop(Box::new(finding)))
    }

    /// Reads act 1; act 2 is to be sent.
    fn respond(
        &mut self,
        on: &str,
        connection: &mut Connection,
        accept: &Accept,
    ) -> Result<Vec<u8>, Stop> {
        let Some(act_1) = self.read_act_1(on, connection) else {
            let came = connection.input.len();
            let finding = Finding {
                because: format!("{came} of {ACT_1_LEN} bytes of act 1 came"),
                ..self.finding(Verdict::Fail, &accept.clauses)
            };
            return Err(Stop(Box::new(finding)));
        };
        if let Some(name) = &accept.save {
            let ephemeral = Value::Bytes(Bytes::copy_from_slice(&ephemeral_x(&act_1)));
            self.variables.insert(name.clone(), Value::record([("ephemeral_x", ephemeral)]));
        }
        let mut entropy = self.entropy.fork("handshake", connection.index as u64);
        let identity = self.identity(accept.certificate, &mut entropy)?;
        let suite = CipherSuite::default();
        let (act_2, session) = Responder::respond(suite, &identity, &act_1, &mut entropy);
        let NoiseSession { secrets, opener, .. } = session;
        self.note_on(on, What::Handshake(Ok(())));
        self.exchange.secrets.push((connection.index, secrets.clone()));
        connection.sealer = Some(LyingSealer::responder(&secrets));
        connection.incoming = Incoming::Sealed(Box::new(opener));
        connection.has_frames = true;
        let mut act_2 = act_2.to_vec();
        let number = |expression: &Option<Expression>| {
            let evaluate = |one: &Expression| one.evaluate(&self.view(on));
            let value = expression.as_ref().map(evaluate).transpose()?;
            let number = value.and_then(|value| value.as_int());
            Ok::<_, Stop>(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
        };
        if let Some(byte) = number(&accept.act2_corrupt)?.and_then(|at| act_2.get_mut(at)) {
            *byte ^= 1;
        }
        act_2.truncate(number(&accept.act2_keep)?.unwrap_or(usize::MAX));
        Ok(act_2)
    }

    fn read_act_1(&mut self, on: &str, connection: &mut Connection) -> Option<[u8; ACT_1_LEN]> {
        let deadline = self.deadline(None);
        loop {
            if let Some(act_1) = connection.input.first_chunk::<ACT_1_LEN>() {
                let act_1 = *act_1;
                let _ = connection.input.split_to(ACT_1_LEN);
                return Some(act_1);
            }
            match self.read(connection.link, deadline) {
                Arrival::Bytes(bytes) => {
                    self.log(connection.index, Direction::Received, &bytes);
                    connection.input.extend_from_slice(&bytes);
                }
                Arrival::Closed => {
                    self.note_on(on, What::Closed(Direction::Received));
                    return None;
                }
                Arrival::Nothing => return None,
            }
        }
    }

    /// What the target is shown.
    fn identity(
        &self,
        certificate: Certificate,
        entropy: &mut Entropy,
    ) -> Result<Arc<Identity>, Stop> {
        let Some(authority) = &self.profile.suite_authority else {
            return Err(self.inconclusive("this target dials nobody"));
        };
        let now = self.world.now().unix.to_u32();
        let key = StaticKey::generate(entropy);
        let (from, until) = match certificate {
            Certificate::Expired => (now - 2 * DAY, now - DAY),
            Certificate::NotYetValid => (now + DAY, now + 2 * DAY),
            _ => (now - DAY, now + DAY),
        };
        Ok(Arc::new(match certificate {
            Certificate::WrongAuthority => {
                let stranger = AuthoritySecretKey::generate(entropy);
                Identity::new(&stranger, key, from, until, entropy)
            }
            Certificate::WrongKey => {
                let other = StaticKey::generate(entropy);
                let other = Identity::new(authority, other, from, until, entropy);
                Identity::with_certificate(key, *other.certificate())
            }
            _ => Identity::new(authority, key, from, until, entropy),
        }))
    }

    /// The target must leave without a frame.
    fn await_refusal(&mut self, on: &str, accept: &Accept) -> Result<(), Stop> {
        let deadline = self.deadline(None);
        while self.pump(on, deadline) {
            let connection = self.connection(on)?;
            if connection.is_closed {
                return Ok(());
            }
            let went_on = connection.items.iter().find_map(|item| match &item.what {
                ItemWhat::Frame(frame) => Some(frame.to_string()),
                ItemWhat::Broken(_) | ItemWhat::Bytes => Some("bytes of no session".to_owned()),
                ItemWhat::Line(line) => Some(line.to_string()),
                ItemWhat::Closed => None,
            });
            let Some(frame) = went_on else { continue };
            let finding = Finding {
                because: format!("the target went on with {frame}"),
                expected: Some("the end of the connection".to_owned()),
                actual: Some(frame),
                ..self.finding(Verdict::Fail, &accept.clauses)
            };
            return Err(Stop(Box::new(finding)));
        }
        // It says nothing and stays: no session has come of it either.
        Ok(())
    }
}

impl Connection {
    /// Nothing has come yet.
    pub(super) fn new(link: LinkId, index: usize) -> Connection {
        Connection {
            link,
            index,
            sealer: None,
            has_frames: false,
            incoming: Incoming::Raw,
            input: BytesMut::new(),
            glued: Vec::new(),
            items: Vec::new(),
            mark: 0,
            is_mark_used: false,
            last_matched: None,
            tracker: Default::default(),
            sent: Vec::new(),
            is_closed: false,
            peer: Default::default(),
            is_set_up: false,
            next_request: 1,
            next_sequence: 1,
            lines: None,
            service: None,
        }
    }

    /// From the first byte on, where no handshake comes before.
    pub(super) fn speak(&mut self, layer: Layer) {
        match layer {
            Layer::Plain => {
                self.has_frames = true;
                self.incoming = Incoming::Plain(FrameDecoder::new(PAYLOAD_LEN_MAX));
            }
            Layer::Lines => {
                self.incoming = Incoming::Lines(LineSplitter::new(LineConfig::DIALLED_LEN_MAX));
                self.lines = Some(Box::default());
            }
            Layer::Noise | Layer::Tcp => {}
        }
    }

    /// Whether we are the server.
    pub(super) fn is_served(&self) -> bool {
        self.service.is_some()
    }
}

/// For a target to dial: it may wait between two attempts.
const DIAL_TIME: Duration = Duration::from_secs(60);

/// In seconds.
const DAY: u32 = 86_400;
