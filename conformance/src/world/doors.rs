//! Listening sockets where targets dial the suite. They outlive cases: what dials between two of
//! them waits for the next one.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::WorldError;
use super::own_provider::not_started;
use super::served::News;
use crate::case::step::Door;

/// The suite's listeners.
pub(crate) struct Doors {
    addresses: Vec<(Door, SocketAddr)>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    /// Accepted by the system, and by no case yet; the oldest first.
    streams: VecDeque<(Door, TcpStream)>,
    /// Who is told of the next one.
    listener: Option<SyncSender<News>>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doors {
    /// Listens at each of these.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the address is taken, or is none of this machine's.
    pub(crate) fn open(addresses: &[(Door, &str)]) -> Result<Doors, WorldError> {
        let shared = Arc::new(Shared::default());
        let mut doors = Doors { addresses: Vec::new(), shared, threads: Vec::new() };
        for (door, address) in addresses {
            let failed = |error| not_started(format!("cannot listen on {address}: {error}"));
            let listener = TcpListener::bind(address).map_err(failed)?;
            doors.addresses.push((*door, listener.local_addr().map_err(failed)?));
            let (door, shared) = (*door, Arc::clone(&doors.shared));
            doors.threads.push(std::thread::spawn(move || listen(&listener, door, &shared)));
        }
        Ok(doors)
    }

    /// Where a door is.
    pub(crate) fn address(&self, door: Door) -> Option<SocketAddr> {
        self.addresses.iter().find(|(known, _)| *known == door).map(|(_, address)| *address)
    }

    /// From now on `listener` is told when somebody dials.
    pub(super) fn attach(&self, listener: SyncSender<News>) {
        self.shared.waiting().listener = Some(listener);
    }

    /// Nobody waits any more: who has dialled has ended since.
    pub(super) fn forget(&self) {
        self.shared.waiting().streams.clear();
    }

    pub(super) fn is_dialled(&self, door: Door) -> bool {
        self.shared.waiting().streams.iter().any(|(known, _)| *known == door)
    }

    pub(super) fn take(&self, door: Door) -> Option<TcpStream> {
        let mut waiting = self.shared.waiting();
        let index = waiting.streams.iter().position(|(known, _)| *known == door)?;
        waiting.streams.remove(index).map(|(_, stream)| stream)
    }
}

fn listen(listener: &TcpListener, door: Door, shared: &Shared) {
    loop {
        let accepted = listener.accept();
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        // What fails here fails on the other side as well, which dials again.
        let Ok((stream, _)) = accepted else { continue };
        let mut waiting = shared.waiting();
        if waiting.streams.len() == WAITING_MAX {
            // The oldest has most likely been given up by now.
            waiting.streams.pop_front();
        }
        waiting.streams.push_back((door, stream));
        if let Some(listener) = &waiting.listener {
            // One that is full has something to look at already.
            let _ = listener.try_send(News::Dialled);
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for (_, address) in &self.addresses {
            // Wakes the thread; where that fails its listener has failed as well.
            let _ = TcpStream::connect(address);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Connections that wait for a case.
const WAITING_MAX: usize = 64;
