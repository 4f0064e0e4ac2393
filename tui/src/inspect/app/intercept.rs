//! Messages that wait at a tap until the user decides about them.

use std::net::SocketAddr;

use sv2_capture::Direction;
use sv2_capture::index::Kind;

use super::App;
use crate::inspect::describe;
use crate::inspect::keys::Action;
use crate::inspect::prompt::{Asked, Prompt};
use crate::inspect::session::number_of;
use crate::inspect::yank::frame_bytes;

/// A tap that takes decisions.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// It has greeted us: until then another inspector decides.
    is_ours: bool,
    /// What the user has asked for last, whether or not it is in force.
    filter: String,
    is_on: bool,
    held: Vec<Held>,
    /// Lines for the tap.
    pub(crate) to_say: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Held {
    id: u64,
    /// Of the connection, as recorded.
    ends: [SocketAddr; 2],
    direction: Direction,
    /// Which message of its direction, from 1.
    place: u64,
    /// Its number in this session, once it has come.
    number: Option<u64>,
}

impl Held {
    /// Of `ID CLIENT SERVER up|down PLACE`.
    fn parse(text: &str) -> Option<Held> {
        let mut words = text.split(' ');
        let id = words.next()?.parse().ok()?;
        let ends = [words.next()?.parse().ok()?, words.next()?.parse().ok()?];
        let direction = match words.next()? {
            "up" => Direction::ClientToServer,
            "down" => Direction::ServerToClient,
            _ => return None,
        };
        let place = words.next()?.parse().ok()?;
        Some(Held { id, ends, direction, place, number: None })
    }
}

impl Tap {
    /// What there is to know of it on each screen.
    pub(crate) fn status(&self) -> Option<String> {
        let count = self.held.len();
        (self.is_on || count > 0).then(|| format!(" {count} held "))
    }

    /// What is to wait there.
    pub(crate) fn filter(&self) -> Option<&str> {
        self.is_on.then_some(self.filter.as_str())
    }
}

impl App {
    /// Takes a line of the tap.
    pub(crate) fn tap_said(&mut self, line: &str) {
        let Some(tap) = &mut self.tap else { return };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "assay-tap" => tap.is_ours = true,
            "held" => {
                if let Some(held) = Held::parse(rest).filter(|_| tap.held.len() < HELD_MAX) {
                    tap.held.push(held);
                    self.said = HELD.to_owned();
                    self.find_held();
                }
            }
            "gone" => {
                let (id, how) = rest.split_once(' ').unwrap_or((rest, ""));
                let is_it = |held: &Held| id.parse() == Ok(held.id);
                if let Some(place) = tap.held.iter().position(is_it) {
                    let held = tap.held.remove(place);
                    let what = held.number.map_or("a message".to_owned(), |it| format!("#{it}"));
                    self.said = format!("{what}: {how}; {} wait", tap.held.len());
                }
            }
            "error" => self.said = format!("the tap says: {}", describe::safe(rest)),
            _ => {}
        }
    }

    /// The tap is gone, or lets nobody decide any more.
    pub(crate) fn lose_tap(&mut self) {
        if self.tap.take().is_some() {
            self.said = "the tap takes no decisions any more: everything passes".into();
        }
    }

    /// Finds messages that wait among those that were read.
    pub(super) fn find_held(&mut self) {
        let Some(tap) = &mut self.tap else { return };
        let session = &self.session;
        for held in tap.held.iter_mut().filter(|held| held.number.is_none()) {
            let is_it = |row: &&crate::inspect::session::ConnectionRow| {
                [row.client, row.server] == held.ends
            };
            // Addresses come again: the last one is open.
            let Some(connection) = session.connections().filter(is_it).last() else { continue };
            let side = usize::from(held.direction == Direction::ServerToClient);
            let Some(behind) = connection.message_count[side].checked_sub(held.place) else {
                continue;
            };
            let is_of_it = |index: &usize| {
                session.row(*index).is_some_and(|row| {
                    row.connection == connection.id
                        && row.direction == Some(held.direction)
                        && matches!(row.kind, Kind::Frame { .. })
                })
            };
            let mut newest_first = (0..session.len()).rev().take(LOOK_BACK).filter(is_of_it);
            let behind = usize::try_from(behind).unwrap_or(usize::MAX);
            held.number = newest_first.nth(behind).map(number_of);
        }
    }

    /// Whether a message waits.
    pub(crate) fn is_held(&self, number: u64) -> bool {
        let held = self.tap.iter().flat_map(|tap| &tap.held);
        held.filter_map(|held| held.number).any(|held| held == number)
    }

    /// Does what is about messages on their way.
    pub(super) fn intercept(&mut self, action: Action) {
        let number = self.current().map(|entry| entry.number);
        let Some(tap) = self.tap.as_mut().filter(|tap| tap.is_ours) else {
            self.said = match self.tap {
                Some(_) => "another inspector decides at this tap",
                None => NO_TAP,
            }
            .to_owned();
            return;
        };
        // That under the cursor, or the one that waits longest.
        let under_cursor =
            tap.held.iter().find(|held| held.number.is_some() && held.number == number);
        let chosen = under_cursor.or(tap.held.first()).map(|held| held.id);
        let word = match action {
            Action::Intercept => {
                self.prompt = Some(Prompt::new(Asked::Intercept, tap.filter.clone()));
                return;
            }
            Action::InterceptToggle if tap.filter.is_empty() => {
                self.said = "nothing is asked for yet: i says which messages are to wait".into();
                return;
            }
            Action::InterceptToggle => {
                let filter = if tap.is_on { String::new() } else { tap.filter.clone() };
                return self.ask_tap(&filter);
            }
            Action::ForwardAll => {
                tap.to_say.push("forward all".to_owned());
                return;
            }
            Action::Replay => return self.replay(),
            Action::Forward => "forward",
            Action::DropHeld => "drop",
            _ => "twice",
        };
        match chosen {
            Some(id) => tap.to_say.push(format!("{word} {id}")),
            None => self.said = "no message waits".into(),
        }
    }

    /// Asks for messages to wait, or for none to.
    pub(super) fn ask_tap(&mut self, filter: &str) {
        let Some(tap) = &mut self.tap else { return };
        let filter = filter.trim();
        tap.is_on = !filter.is_empty();
        if tap.is_on {
            filter.clone_into(&mut tap.filter);
        }
        tap.to_say.push(format!("filter {filter}"));
        self.said = match tap.is_on {
            true => "messages that it takes wait at the tap".into(),
            false => "no message waits any more".into(),
        };
    }

    /// Nothing may wait for a screen that is not there.
    pub(crate) fn let_all_pass(&mut self) {
        if self.tap.as_ref().is_some_and(|tap| tap.is_ours && tap.is_on) {
            self.ask_tap("");
        }
    }

    /// The message under the cursor once more, on its connection.
    fn replay(&mut self) {
        let Some(entry) = self.current() else { return };
        let connection = self.session.connection(entry.connection);
        let bytes = frame_bytes(&entry);
        let is_frame = matches!(entry.what, crate::inspect::entry::Kind::Frame { .. });
        let (Some(connection), Some(direction), true) = (connection, entry.direction, is_frame)
        else {
            self.said = "this is no message that could be sent again".into();
            return;
        };
        if bytes.len() > REPLAY_LEN_MAX {
            self.said = format!("messages of more than {REPLAY_LEN_MAX} bytes are not sent again");
            return;
        }
        let way = match direction {
            Direction::ClientToServer => "up",
            Direction::ServerToClient => "down",
        };
        let (client, server) = (connection.client, connection.server);
        let line = format!("again {client} {server} {way} {}", describe::hex(&bytes));
        self.said = format!("#{} is sent again", entry.number);
        if let Some(tap) = &mut self.tap {
            tap.to_say.push(line);
        }
    }
}

const HELD: &str = "a message waits: a forwards it, X drops it, T sends it twice; A forwards all";
const NO_TAP: &str = "nothing can be held: this needs tap:SOCKET of a tap with --allow-intercept";
/// Messages that wait; a tap holds fewer.
const HELD_MAX: usize = 4_096;
/// Rows that may have come behind one that waits.
const LOOK_BACK: usize = 100_000;
/// What fits a line of the tap.
const REPLAY_LEN_MAX: usize = 100_000;
