//! A world of real sockets: a target that listens somewhere, and whatever can be asked of the
//! world around it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use sv2::chain::BlockTemplate;
use sv2::noise::StratumUrl;
use sv2::time::{Instant, Now};
use sv2_net::clock::Clock;

use super::controls::Controls;
use super::{
    Arrival, ChainView, Lane, LinkId, PeerProfile, Target, TargetProfile, World, WorldError,
};
use crate::case::step::{CloseHow, ControlKind, Peer};
use crate::case::{TargetRole, WorldSettings};

/// A target at an address: foreign, and as it is.
pub struct LiveTarget {
    profile: TargetProfile,
    controls: Arc<dyn Controls>,
    job_declarator: Option<String>,
    lanes: RwLock<()>,
}

impl LiveTarget {
    /// A target at `url`; without a key in it any certificate is taken.
    pub fn new(
        role: TargetRole,
        name: impl Into<String>,
        url: &StratumUrl,
        identities: Vec<(String, String)>,
        controls: Arc<dyn Controls>,
    ) -> Self {
        let profile = TargetProfile {
            role,
            name: name.into(),
            host: url.host.clone(),
            port: url.port,
            authority: url.authority,
            suite_authority: None,
            identities,
            controls: controls.kinds(),
            job_declarator: None,
            has_templates: controls.has_templates(),
            hash_rate: super::DEVICE_HASH_RATE.into(),
            keeps_connections: false,
            is_ours: false,
            is_virtual: false,
        };
        LiveTarget { profile, controls, job_declarator: None, lanes: RwLock::new(()) }
    }

    /// With a job declarator server whose tokens it trusts.
    #[must_use]
    pub fn beside(mut self, job_declarator: &StratumUrl) -> Self {
        let StratumUrl { host, port, authority } = job_declarator;
        self.profile.job_declarator = Some(PeerProfile { authority: *authority });
        self.job_declarator = Some(format!("{host}:{port}"));
        self
    }
}

impl Target for LiveTarget {
    fn world(&self, _: &WorldSettings, _: u64) -> Result<Box<dyn World>, WorldError> {
        let address = format!("{}:{}", self.profile.host, self.profile.port);
        let world = LiveWorld::new(address, Arc::clone(&self.controls));
        Ok(Box::new(world.beside(self.job_declarator.clone())))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }

    fn lane(&self, is_exclusive: bool) -> Lane<'_> {
        match is_exclusive {
            true => Lane::Alone(self.lanes.write().unwrap_or_else(PoisonError::into_inner)),
            false => Lane::Shared(self.lanes.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// Real sockets to one address, for one case.
pub(crate) struct LiveWorld {
    clock: Clock,
    address: String,
    job_declarator: Option<String>,
    controls: Arc<dyn Controls>,
    links: Vec<Link>,
}

struct Link {
    stream: TcpStream,
    is_closed: bool,
}

impl LiveWorld {
    pub(crate) fn new(address: String, controls: Arc<dyn Controls>) -> Self {
        let clock = Clock::of_process();
        LiveWorld { clock, address, job_declarator: None, controls, links: Vec::new() }
    }

    /// With a job declarator server at an address.
    pub(crate) fn beside(mut self, job_declarator: Option<String>) -> Self {
        self.job_declarator = job_declarator;
        self
    }

    pub(super) fn open(address: &str) -> Result<TcpStream, std::io::Error> {
        let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    // Each write is to be a segment of its own, as far as TCP allows.
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl World for LiveWorld {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn endpoint(&self) -> Option<(String, u16)> {
        let (host, port) = self.address.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    }

    fn dial(&mut self, peer: Peer) -> Result<LinkId, WorldError> {
        let address = match peer {
            Peer::Target => &self.address,
            Peer::JobDeclarator => self.job_declarator.as_ref().ok_or_else(|| {
                WorldError::Unreachable("no job declarator server is known".to_owned())
            })?,
        };
        let stream = LiveWorld::open(address)
            .map_err(|error| WorldError::Unreachable(format!("{address}: {error}")))?;
        self.links.push(Link { stream, is_closed: false });
        Ok(LinkId(self.links.len() - 1))
    }

    fn write(&mut self, link: LinkId, bytes: &[u8]) {
        let link = &mut self.links[link.0];
        // What the target still had to say is read before its end is told.
        let _ = link.stream.write_all(bytes);
    }

    fn read(&mut self, link: LinkId, until: Instant) -> Arrival {
        let now = self.now().instant;
        let link = &mut self.links[link.0];
        if link.is_closed {
            return Arrival::Closed;
        }
        let wait = until.since(now);
        let prepared = match wait.is_zero() {
            true => link.stream.set_nonblocking(true),
            false => link
                .stream
                .set_nonblocking(false)
                .and_then(|()| link.stream.set_read_timeout(Some(wait))),
        };
        let mut buffer = vec![0; READ_LEN];
        let outcome = prepared.and_then(|()| link.stream.read(&mut buffer));
        if wait.is_zero() {
            // A socket that cannot be set back is broken, which the next read will tell.
            let _ = link.stream.set_nonblocking(false);
        }
        match outcome {
            Ok(0) => {
                link.is_closed = true;
                Arrival::Closed
            }
            Ok(len) => {
                buffer.truncate(len);
                Arrival::Bytes(Bytes::from(buffer))
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Arrival::Nothing
                }
                // RST is an end like FIN.
                _ => {
                    link.is_closed = true;
                    Arrival::Closed
                }
            },
        }
    }

    fn close(&mut self, link: LinkId, _: CloseHow) {
        let link = &mut self.links[link.0];
        // A target that has closed before us makes this fail: then it is closed.
        let _ = link.stream.shutdown(Shutdown::Both);
        link.is_closed = true;
    }

    fn pass(&mut self, until: Instant) {
        std::thread::sleep(until.since(self.now().instant));
    }

    fn control(&mut self, kind: ControlKind) -> Result<(), WorldError> {
        self.controls.apply(kind)
    }

    fn told(&mut self) -> Vec<String> {
        self.controls.last_words()
    }

    fn chain(&mut self) -> Option<ChainView> {
        self.controls.chain()
    }

    fn template(&mut self) -> Option<Arc<BlockTemplate>> {
        self.controls.template()
    }
}

/// For a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For a target that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one read.
const READ_LEN: usize = 64 * 1024;
