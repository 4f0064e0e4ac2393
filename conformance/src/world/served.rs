//! A world of real sockets around a target that dials the suite, and that may listen itself.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use sv2::chain::BlockTemplate;
use sv2::time::{Instant, Now};
use sv2_net::clock::Clock;

use super::controls::Controls;
use super::doors::Doors;
use super::live::LiveWorld;
use super::{Arrival, ChainView, LinkId, Ready, World, WorldError};
use crate::case::step::{CloseHow, ControlKind, Door, Peer};

/// What a thread tells the world.
pub(super) enum News {
    /// Somebody has dialled a door.
    Dialled,
    /// Something came from a link.
    Came(LinkId, Arrival),
}

/// Sockets to and from one target, for one case. Each link has a thread that reads, so that all
/// can be waited for at once.
pub(crate) struct ServedWorld {
    clock: Clock,
    doors: Arc<Doors>,
    /// Where the target listens, if it does.
    address: Option<String>,
    controls: Arc<dyn Controls>,
    links: Vec<Link>,
    news: Receiver<News>,
    teller: SyncSender<News>,
}

struct Link {
    stream: TcpStream,
    came: VecDeque<Bytes>,
    /// Both sides know that nothing more will come.
    is_closed: bool,
}

impl ServedWorld {
    pub(crate) fn new(
        doors: Arc<Doors>,
        address: Option<String>,
        controls: Arc<dyn Controls>,
    ) -> Self {
        let (teller, news) = sync_channel(NEWS_MAX);
        doors.attach(teller.clone());
        let clock = Clock::of_process();
        ServedWorld { clock, doors, address, controls, links: Vec::new(), news, teller }
    }

    fn add(&mut self, stream: TcpStream) -> Result<LinkId, std::io::Error> {
        // Each write is to be a segment of its own, as far as TCP allows.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let id = LinkId(self.links.len());
        let (reader, teller) = (stream.try_clone()?, self.teller.clone());
        std::thread::spawn(move || read_all(reader, id, &teller));
        self.links.push(Link { stream, came: VecDeque::new(), is_closed: false });
        Ok(id)
    }

    fn ready(&self, door: Option<Door>, links: &[LinkId]) -> Option<Ready> {
        if door.is_some_and(|door| self.doors.is_dialled(door)) {
            return Some(Ready::Dialled);
        }
        let has_news = |id: &&LinkId| {
            let link = &self.links[id.0];
            link.is_closed || !link.came.is_empty()
        };
        links.iter().find(has_news).map(|id| Ready::Link(*id))
    }

    /// Takes one piece of news; false if none came in time.
    fn take_news(&mut self, until: Instant) -> bool {
        let wait = until.since(self.now().instant);
        match self.news.recv_timeout(wait) {
            Ok(News::Dialled) => true,
            Ok(News::Came(LinkId(id), arrival)) => {
                match arrival {
                    Arrival::Bytes(bytes) => self.links[id].came.push_back(bytes),
                    Arrival::Closed | Arrival::Nothing => self.links[id].is_closed = true,
                }
                true
            }
            // We hold a sender ourselves, so that it never disconnects.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

/// Until the end of the connection or of the world.
fn read_all(mut stream: TcpStream, link: LinkId, teller: &SyncSender<News>) {
    let mut buffer = vec![0; READ_LEN];
    loop {
        let arrival = match stream.read(&mut buffer) {
            Ok(len @ 1..) => Arrival::Bytes(Bytes::copy_from_slice(&buffer[..len])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // RST is an end like FIN.
            Ok(0) | Err(_) => Arrival::Closed,
        };
        let is_over = arrival == Arrival::Closed;
        if teller.send(News::Came(link, arrival)).is_err() || is_over {
            return;
        }
    }
}

impl World for ServedWorld {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn endpoint(&self) -> Option<(String, u16)> {
        let (host, port) = self.address.as_ref()?.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    }

    fn dial(&mut self, _: Peer) -> Result<LinkId, WorldError> {
        let Some(address) = self.address.clone() else {
            return Err(WorldError::Unreachable("this target listens nowhere".to_owned()));
        };
        let unreachable = |error| WorldError::Unreachable(format!("{address}: {error}"));
        let stream = LiveWorld::open(&address).map_err(unreachable)?;
        self.add(stream).map_err(|error| WorldError::Unreachable(error.to_string()))
    }

    fn door(&self, door: Door) -> Option<(String, u16)> {
        let address = self.doors.address(door)?;
        Some((address.ip().to_string(), address.port()))
    }

    fn wait(&mut self, door: Option<Door>, links: &[LinkId], until: Instant) -> Option<Ready> {
        loop {
            if let Some(ready) = self.ready(door, links) {
                return Some(ready);
            }
            if !self.take_news(until) {
                return None;
            }
        }
    }

    fn accept(&mut self, door: Door) -> Option<LinkId> {
        let stream = self.doors.take(door)?;
        self.add(stream).ok()
    }

    fn write(&mut self, link: LinkId, bytes: &[u8]) {
        let link = &mut self.links[link.0];
        // Whether the target still reads shows when we read.
        let _ = link.stream.write_all(bytes);
    }

    fn read(&mut self, link: LinkId, until: Instant) -> Arrival {
        loop {
            let end = &mut self.links[link.0];
            if let Some(bytes) = end.came.pop_front() {
                return Arrival::Bytes(bytes);
            }
            if end.is_closed {
                return Arrival::Closed;
            }
            if !self.take_news(until) {
                return Arrival::Nothing;
            }
        }
    }

    fn close(&mut self, link: LinkId, _: CloseHow) {
        let link = &mut self.links[link.0];
        // A target that has closed before us makes this fail: then it is closed.
        let _ = link.stream.shutdown(Shutdown::Both);
        link.is_closed = true;
    }

    fn pass(&mut self, until: Instant) {
        while self.take_news(until) {}
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

impl Drop for ServedWorld {
    fn drop(&mut self) {
        for link in &self.links {
            // Ends its thread, and tells the target.
            let _ = link.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Arrivals that were not looked at yet: a target that floods us is read no further.
const NEWS_MAX: usize = 1_024;

/// For a target that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one read.
const READ_LEN: usize = 64 * 1024;
