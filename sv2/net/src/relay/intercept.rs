//! Frames that wait on their way until somebody decides about them.
//!
//! Somebody looks at a relay, one at a time ([`Interception::attach`]). What a [`Chooser`] takes
//! stops its direction of its connection, and nothing else: what is behind it is not read, so that
//! order is kept and nothing queues up. All directions together hold so many frames and so many
//! bytes; where there are more, the oldest goes on. Where nobody looks any more, all go on at once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sv2::wire::Frame;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::pump::Injected;
use super::record::Side;

/// Frames that wait at one time, of all connections.
pub const HELD_COUNT_MAX: usize = 256;
/// Bytes of their payloads.
pub const HELD_LEN_MAX: usize = 32 << 20;
/// Events that wait for whoever looks; what cannot be told is not held.
const EVENTS_MAX: usize = 1_024;

/// A frame on its way.
#[derive(Debug)]
pub struct Passing<'a> {
    /// Of the relayed connection, from 0.
    pub session: u64,
    /// Who has sent it.
    pub from: Side,
    /// Which of the frames of this direction it is, from 1.
    pub place: u64,
    /// As it was heard.
    pub frame: &'a Frame,
}

/// Says which frames are to wait. It is shown all of them, whether or not somebody looks. Called
/// from the connections' own tasks: must not block.
pub trait Chooser: Send {
    /// A connection begins: who has dialled us, and where.
    fn opened(&mut self, session: u64, client: SocketAddr, server: SocketAddr);
    /// Whether a frame is to wait.
    fn takes(&mut self, passing: &Passing<'_>) -> bool;
    /// A connection has ended.
    fn closed(&mut self, session: u64);
}

/// What becomes of a frame that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Forward,
    /// It does not.
    Drop,
    /// It goes on twice.
    Duplicate,
}

/// What whoever looks is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intercepted {
    /// A frame waits.
    Held {
        /// To decide about it.
        id: u64,
        /// The recorded connection that it came on: who has opened it.
        client: SocketAddr,
        /// The same: who has accepted it.
        server: SocketAddr,
        /// Who has sent it.
        from: Side,
        /// Which of the frames of this direction it is, from 1.
        place: u64,
    },
    /// A frame does not wait any more.
    Gone {
        /// Of the frame.
        id: u64,
        /// What has become of it, in words.
        how: &'static str,
    },
}

/// A frame was not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotReplayed {
    /// No such connection is open.
    #[error("this connection is not open any more")]
    Gone,
    /// Too many wait to be sent.
    #[error("too many frames wait to be sent on this connection")]
    Full,
}

/// What decides about the frames of a relay.
pub struct Interception {
    state: Mutex<State>,
}

struct State {
    chooser: Box<dyn Chooser>,
    looks: Option<mpsc::Sender<Intercepted>>,
    /// In the order in which they began to wait.
    held: BTreeMap<u64, Held>,
    held_len: usize,
    held_count: u64,
    sessions: BTreeMap<u64, Ends>,
}

struct Held {
    len: usize,
    decision: oneshot::Sender<(Decision, &'static str)>,
}

/// Of a connection: by who sends, the client first.
struct Ends {
    /// Whom recordings name on the leg where it is heard.
    legs: [(SocketAddr, SocketAddr); 2],
    injected: [mpsc::Sender<Injected>; 2],
}

impl Interception {
    /// Nobody looks yet.
    pub fn new(chooser: Box<dyn Chooser>) -> Arc<Self> {
        let state = State {
            chooser,
            looks: None,
            held: BTreeMap::new(),
            held_len: 0,
            held_count: 0,
            sessions: BTreeMap::new(),
        };
        Arc::new(Interception { state: Mutex::new(state) })
    }

    /// Lets somebody look; `None` while somebody else does.
    pub fn attach(self: &Arc<Self>) -> Option<Attached> {
        let (looks, events) = mpsc::channel(EVENTS_MAX);
        let mut state = self.lock();
        if state.looks.is_some() {
            return None;
        }
        state.looks = Some(looks);
        Some(Attached { interception: Arc::clone(self), events })
    }

    /// A connection is relayed until what is returned is dropped. `legs`: where the client's and the
    /// server's frames are heard.
    pub(super) fn opened(
        self: &Arc<Self>,
        session: u64,
        legs: [(SocketAddr, SocketAddr); 2],
        injected: [mpsc::Sender<Injected>; 2],
    ) -> OpenSession {
        let mut state = self.lock();
        let (client, server) = legs[0];
        state.chooser.opened(session, client, server);
        state.sessions.insert(session, Ends { legs, injected });
        OpenSession { interception: Arc::clone(self), session }
    }

    /// Whether a frame has to wait, and then for what.
    pub(super) fn look(self: &Arc<Self>, passing: &Passing<'_>) -> Option<Waiting> {
        let mut state = self.lock();
        let is_wanted = state.chooser.takes(passing);
        let (true, Some(looks)) = (is_wanted, state.looks.clone()) else { return None };
        let (client, server) = state.sessions.get(&passing.session)?.legs[side(passing.from)];
        let id = state.held_count;
        let (from, place) = (passing.from, passing.place);
        looks.try_send(Intercepted::Held { id, client, server, from, place }).ok()?;
        state.held_count += 1;
        let (decision, decided) = oneshot::channel();
        let len = passing.frame.payload.len();
        state.held.insert(id, Held { len, decision });
        state.held_len += len;
        while (state.held.len() > HELD_COUNT_MAX || state.held_len > HELD_LEN_MAX)
            && let Some(oldest) = state.held.keys().next().copied()
        {
            state.decide(oldest, Decision::Forward, "forwarded, for too many were held");
        }
        Some(Waiting { interception: Arc::clone(self), id, decided })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done by whoever has panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Interception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interception").finish_non_exhaustive()
    }
}

impl State {
    /// Whether there was something to decide about.
    fn decide(&mut self, id: u64, decision: Decision, how: &'static str) -> bool {
        let Some(held) = self.held.remove(&id) else { return false };
        self.held_len -= held.len;
        // Where the connection has ended, nobody waits.
        let _ = held.decision.send((decision, how));
        self.tell(Intercepted::Gone { id, how });
        true
    }

    fn forward_all(&mut self, how: &'static str) {
        while let Some(id) = self.held.keys().next().copied() {
            self.decide(id, Decision::Forward, how);
        }
    }

    fn tell(&self, event: Intercepted) {
        if let Some(looks) = &self.looks {
            // Whoever is so late will be told that there is no such frame.
            let _ = looks.try_send(event);
        }
    }
}

/// Somebody who looks; dropped, all frames go on.
#[derive(Debug)]
pub struct Attached {
    interception: Arc<Interception>,
    events: mpsc::Receiver<Intercepted>,
}

impl Attached {
    /// What happens next.
    pub async fn next(&mut self) -> Option<Intercepted> {
        self.events.recv().await
    }

    /// Decides about a frame; false if it does not wait.
    pub fn decide(&self, id: u64, decision: Decision) -> bool {
        let how = match decision {
            Decision::Forward => "forwarded",
            Decision::Drop => "dropped",
            Decision::Duplicate => "sent twice",
        };
        self.interception.lock().decide(id, decision, how)
    }

    /// All that wait go on.
    pub fn forward_all(&self) {
        self.interception.lock().forward_all("forwarded");
    }

    /// Sends a frame as if one side had, on the connection of which recordings name these ends.
    ///
    /// # Errors
    /// [`NotReplayed`].
    pub fn replay(
        &self,
        ends: (SocketAddr, SocketAddr),
        from: Side,
        frame: Frame,
    ) -> Result<(), NotReplayed> {
        let state = self.interception.lock();
        // Addresses come again: the newest is meant.
        let mut newest_first = state.sessions.values().rev();
        let session = newest_first.find(|it| it.legs.contains(&ends));
        let injected = &session.ok_or(NotReplayed::Gone)?.injected[side(from)];
        let comment = "assay tap: intercepted: sent again".to_owned();
        injected.try_send(Injected { frame, comment }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotReplayed::Full,
            mpsc::error::TrySendError::Closed(_) => NotReplayed::Gone,
        })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut state = self.interception.lock();
        state.looks = None;
        state.forward_all("forwarded, for nobody looks any more");
    }
}

/// A connection that is relayed.
pub(super) struct OpenSession {
    interception: Arc<Interception>,
    session: u64,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let mut state = self.interception.lock();
        state.sessions.remove(&self.session);
        state.chooser.closed(self.session);
    }
}

/// A frame that waits.
pub(super) struct Waiting {
    interception: Arc<Interception>,
    id: u64,
    decided: oneshot::Receiver<(Decision, &'static str)>,
}

impl Waiting {
    /// What becomes of it, and that in words.
    pub(super) async fn decided(mut self) -> (Decision, &'static str) {
        (&mut self.decided).await.unwrap_or((Decision::Forward, "forwarded"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let how = "gone with its connection";
        // Nothing, where it was decided about.
        self.interception.lock().decide(self.id, Decision::Drop, how);
    }
}

fn side(side: Side) -> usize {
    usize::from(side == Side::Server)
}
