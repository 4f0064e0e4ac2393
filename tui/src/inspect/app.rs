//! Where a user stands in a capture, and what keys change about it.

mod answer;
pub(crate) mod graphs;
pub(crate) mod intercept;
mod seek;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Position, Rect};
use sv2_capture::filter::{CHUNK, Filter};
use sv2_capture::index::Row;
use sv2_capture::redact::Categories;

use super::entry::Entry;
use super::export::{self, Export};
use super::far_marks::{FarMark, FarMarks};
use super::keys::{Action, Keymap, Screen, Typed};
use super::list_columns::ListColumns;
use super::open;
use super::order::{self, Order};
use super::prompt::{Asked, Prompt, Typing};
use super::session::Session;
use super::table::Sort;
use super::theme::Theme;
use super::trail;
use super::tree::{self, TreeLine};
use super::yank;
use graphs::Graphs;
use intercept::Tap;

/// The inspector without its terminal.
pub(crate) struct App {
    pub(crate) session: Session,
    pub(crate) theme: Theme,
    pub(crate) keymap: Keymap,
    pub(crate) screen: Screen,
    /// Screens that `q` leads back to.
    behind: Vec<Screen>,
    /// Which messages are shown; empty for all.
    pub(crate) filter: String,
    /// Of the list of messages; `None`: those that suit the width.
    pub(crate) columns: Option<ListColumns>,
    /// By which column each screen is sorted.
    pub(crate) sorts: [Option<Sort>; 9],
    /// The order of the rows of the screen that was drawn last.
    pub(crate) order: RefCell<Option<Order>>,
    /// Places of entries that the filter lets through, as they are sorted; `None`: all.
    shown: Option<Vec<usize>>,
    /// Places of entries that were searched for.
    hits: Option<Vec<usize>>,
    /// Place among the shown messages.
    pub(crate) cursor: usize,
    /// Lines of the other screens.
    pub(crate) cursors: [usize; 9],
    pub(crate) pane: Pane,
    pub(crate) is_maximised: bool,
    /// Of the height, in percent, that the list has above the other panes.
    pub(crate) list_share: u16,
    /// Line of the tree.
    pub(crate) field: usize,
    /// Lines that a list shows; known after the first drawing.
    pub(crate) page: usize,
    /// Of the whole terminal.
    pub(crate) width: u16,
    /// Where the list of this screen was drawn.
    pub(crate) list: Cell<ListPlace>,
    /// What was typed of a key of two letters.
    before: String,
    /// This action waits for the letter that follows.
    awaits_letter: Option<Action>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) selected: Option<u64>,
    /// What the message under the cursor is compared with, over the screen.
    pub(crate) compared: Option<FarMark>,
    /// Marks of capital letters.
    pub(crate) far_marks: FarMarks,
    pub(crate) time: TimeFormat,
    /// The tap that is looked at, where it takes decisions.
    pub(crate) tap: Option<Tap>,
    /// Where somebody looks in the graphs.
    pub(crate) graphs: Graphs,
    pub(crate) is_private: bool,
    /// What leaves the screen is without this.
    pub(crate) redact: Option<Categories>,
    pub(crate) is_help: bool,
    /// Lines above the first one that is shown of what lies over the screen, or of the log.
    pub(crate) scrolled: usize,
    /// The message before the last jump.
    came_from: Option<u64>,
    /// Whether more comes.
    pub(crate) reading: Reading,
    /// Entries that [`App::shown`] knows of.
    known_count: usize,
    /// The last thing that was said to the user.
    pub(crate) said: String,
    /// For the terminal's clipboard.
    pub(crate) copied: Option<String>,
    /// The file that it comes from, or the first of several; none where nothing can be read again.
    pub(crate) origin: Option<PathBuf>,
    /// To be written.
    pub(crate) export: Option<Export>,
    /// A file that is there: the same answer once more writes over it.
    asked_to_overwrite: Option<PathBuf>,
}

/// Parts of the screen of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    List,
    Tree,
    Bytes,
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// Since the capture began.
    SinceStart,
    /// Since the line above.
    Between,
    /// Of day, UTC.
    OfDay,
}

/// Where lines of a list are on the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ListPlace {
    pub(crate) area: Rect,
    /// The first line that is drawn.
    pub(crate) first: usize,
    /// Lines that there are.
    pub(crate) count: usize,
    /// Rows of the terminal that each takes.
    pub(crate) rows_each: u16,
}

impl ListPlace {
    fn line_at(&self, column: u16, row: u16) -> Option<usize> {
        let is_inside = self.area.contains(Position::new(column, row));
        let rows = usize::from(row.checked_sub(self.area.y)? / self.rows_each.max(1));
        Some(self.first + rows).filter(|line| is_inside && *line < self.count)
    }
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// All of it is there.
    Ended,
    /// A file that ends is being read.
    Going,
    /// Somebody writes it still.
    Live,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    End,
    /// The terminal shows something else than what was drawn.
    Redraw,
    /// The user wants the shell for a while.
    Suspend,
}

impl App {
    pub(crate) fn new(session: Session, theme: Theme, keymap: Keymap) -> Self {
        App {
            session,
            theme,
            keymap,
            screen: Screen::Messages,
            behind: Vec::new(),
            filter: String::new(),
            columns: None,
            sorts: [None; 9],
            order: RefCell::default(),
            shown: None,
            hits: None,
            cursor: 0,
            cursors: [0; 9],
            pane: Pane::List,
            is_maximised: false,
            list_share: LIST_SHARE,
            field: 0,
            page: 20,
            width: 120,
            list: Cell::default(),
            before: String::new(),
            awaits_letter: None,
            prompt: None,
            selected: None,
            compared: None,
            far_marks: FarMarks::default(),
            time: TimeFormat::SinceStart,
            tap: None,
            graphs: Graphs::default(),
            is_private: false,
            redact: None,
            is_help: false,
            scrolled: 0,
            came_from: None,
            reading: Reading::Ended,
            known_count: 0,
            said: String::new(),
            copied: None,
            origin: None,
            export: None,
            asked_to_overwrite: None,
        }
    }

    /// Takes in what the session has more than before. Whoever stands at the end of what goes on
    /// stays there, everybody else where they are.
    pub(crate) fn grow(&mut self) {
        let count = self.session.len();
        if count == self.known_count {
            return;
        }
        let before = self.shown_count_of(self.known_count);
        let is_at_end = self.cursor + 1 >= before;
        if let (Some(shown), Ok(filter)) = (&mut self.shown, Filter::parse(&self.filter)) {
            // An answer changes what is known of its request.
            let is_sorted = self.sorts[Screen::Messages as usize].is_some();
            let look_back = if is_sorted { 0 } else { LOOK_BACK };
            let from = self.known_count.saturating_sub(look_back);
            if !is_sorted {
                shown.truncate(shown.partition_point(|place| *place < from));
            }
            // Behind what is sorted comes what came since.
            shown.extend(self.session.places_from(&filter, from));
        }
        self.known_count = count;
        self.find_held();
        let is_list = matches!(self.screen, Screen::Messages | Screen::Ladder);
        if self.reading == Reading::Live && is_at_end && is_list && self.pane == Pane::List {
            (self.cursor, self.field) = (self.shown_count().saturating_sub(1), 0);
        }
    }

    /// Everything was read: says what could not be.
    pub(crate) fn end_reading(&mut self) {
        if self.reading == Reading::Live {
            self.said = "nothing more comes; what was shown stays".into();
        }
        self.reading = Reading::Ended;
        let complaints = self.session.notes.iter().filter(|note| open::is_complaint(note));
        let all: Vec<&str> = complaints.map(String::as_str).collect();
        self.said = match (self.missing_keys(), all.as_slice()) {
            (Some(missing), _) => missing,
            (None, [first, rest @ ..]) if !rest.is_empty() => format!("{first}; 9 has more"),
            (None, [first, ..]) => (*first).to_owned(),
            (None, []) => return,
        };
    }

    /// Which sessions stay closed, and the way out.
    pub(crate) fn missing_keys(&self) -> Option<String> {
        let (open, all) = self.session.keys();
        let closed = all - open;
        (closed > 0).then(|| {
            format!("{closed} of {all} sessions have no key that fits: --key-log FILE gives one")
        })
    }

    fn shown_count_of(&self, known_count: usize) -> usize {
        self.shown.as_ref().map_or(known_count, Vec::len)
    }

    /// How many messages the filter lets through.
    pub(crate) fn shown_count(&self) -> usize {
        self.shown.as_ref().map_or(self.session.len(), Vec::len)
    }

    /// The shown message at a place.
    pub(crate) fn shown_at(&self, place: usize) -> Option<Rc<Entry>> {
        self.session.entry(self.index_at(place)?)
    }

    /// The row of the shown message at a place: much cheaper, for whoever looks at many.
    pub(crate) fn shown_row_at(&self, place: usize) -> Option<Row> {
        self.session.row(self.index_at(place)?)
    }

    /// Which of all messages it is.
    pub(super) fn index_at(&self, place: usize) -> Option<usize> {
        match &self.shown {
            Some(shown) => shown.get(place).copied(),
            None => Some(place),
        }
    }

    /// The message under the cursor.
    pub(crate) fn current(&self) -> Option<Rc<Entry>> {
        self.shown_at(self.cursor)
    }

    /// Its tree.
    pub(crate) fn tree(&self) -> Vec<TreeLine> {
        self.current().map_or_else(Vec::new, |entry| tree::lines(&self.session, &entry))
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Flow {
        if let Some(prompt) = &mut self.prompt {
            match prompt.key(key) {
                Typing::GoesOn => {}
                Typing::GivenUp => self.prompt = None,
                Typing::Answered => return self.answer(),
            }
            return Flow::GoOn;
        }
        self.said.clear();
        if let Some(action) = self.awaits_letter.take()
            && let KeyCode::Char(letter) = key.code
        {
            self.with_letter(action, letter);
            return Flow::GoOn;
        }
        match self.keymap.typed(&self.before, key) {
            Typed::Begun => {
                if let KeyCode::Char(letter) = key.code {
                    self.before.push(letter);
                }
                Flow::GoOn
            }
            Typed::Nothing => {
                self.before.clear();
                Flow::GoOn
            }
            Typed::Action(action) => {
                self.before.clear();
                self.act(action)
            }
        }
    }

    /// A click goes to a line, and opens the one where one is.
    pub(crate) fn click(&mut self, column: u16, row: u16) -> Flow {
        let Some(line) = self.list.get().line_at(column, row) else { return Flow::GoOn };
        if self.prompt.is_some() || self.is_help || self.compared.is_some() {
            return Flow::GoOn;
        }
        self.pane = Pane::List;
        let cursor = match self.screen {
            Screen::Messages | Screen::Ladder => &mut self.cursor,
            screen => &mut self.cursors[screen as usize],
        };
        if *cursor == line {
            return self.act(Action::Open);
        }
        (*cursor, self.field) = (line, 0);
        Flow::GoOn
    }

    pub(crate) fn act(&mut self, action: Action) -> Flow {
        if self.is_help || self.compared.is_some() {
            return self.act_above(action);
        }
        let half = isize::try_from(self.page / 2).unwrap_or(10).max(1);
        if self.screen == Screen::Graphs && self.act_in_time(action) {
            return Flow::GoOn;
        }
        match action {
            Action::Down => self.step(1),
            Action::Up => self.step(-1),
            Action::HalfDown => self.step(half),
            Action::HalfUp => self.step(-half),
            Action::PageDown => self.step(2 * half),
            Action::PageUp => self.step(-2 * half),
            Action::Top => self.step(isize::MIN / 2),
            Action::Bottom => self.step(isize::MAX / 2),
            Action::ScreenTop => self.step_on_screen(|_| 0),
            Action::ScreenMiddle => self.step_on_screen(|last| last / 2),
            Action::ScreenBottom => self.step_on_screen(|last| last),
            Action::NextPane | Action::Right => self.turn(true),
            Action::Left => self.turn(false),
            Action::Maximise => self.is_maximised = !self.is_maximised,
            Action::ListTaller => self.size_list(LIST_STEP.cast_signed()),
            Action::ListShorter => self.size_list(-LIST_STEP.cast_signed()),
            Action::ListUsual => self.list_share = LIST_SHARE,
            Action::Open => self.open(),
            Action::Back => return self.back(),
            Action::Quit => return Flow::End,
            Action::Filter => self.prompt = Some(Prompt::new(Asked::Filter, &self.filter)),
            Action::Search => self.prompt = Some(Prompt::new(Asked::Search, "")),
            Action::Comment => self.ask_for_comment(),
            Action::FilterFromField => self.filter_from_field(),
            Action::ClearFilter => self.set_filter(""),
            Action::NextHit => self.seek_hit(true),
            Action::PreviousHit => self.seek_hit(false),
            Action::NextExpert => self.seek(true, |row| row.has_findings),
            Action::PreviousExpert => self.seek(false, |row| row.has_findings),
            Action::NextOfChannel => self.seek_channel(true),
            Action::PreviousOfChannel => self.seek_channel(false),
            Action::NextBlock => self.seek_block(true),
            Action::PreviousBlock => self.seek_block(false),
            Action::Pair => {
                self.jump(self.current().and_then(|entry| entry.pair), "no pair is known")
            }
            Action::Definition => {
                let place = self.index_at(self.cursor);
                let origin = place.and_then(|place| trail::origin(&self.session, place));
                self.jump(origin, "no message is known that it comes from");
            }
            Action::OtherLeg => {
                let other = self.current().and_then(|entry| entry.same_as);
                self.jump(other, "the other leg was not captured");
            }
            Action::Story => self.tell_story(),
            Action::FollowConnection => {
                let Some(entry) = self.current() else { return Flow::GoOn };
                self.set_filter(&format!("conn == {}", entry.connection));
            }
            Action::FollowChannel => {
                let Some(entry) = self.current() else { return Flow::GoOn };
                let connection = format!("conn == {}", entry.connection);
                match entry.channel {
                    Some(channel) => self.set_filter(&format!("{connection} && ch == {channel}")),
                    None => self.set_filter(&connection),
                }
            }
            Action::OnlyErrors => match self.filter.as_str() {
                "sev >= C" => self.set_filter(""),
                _ => self.set_filter("sev >= C"),
            },
            Action::Mark => self.await_letter(action, "a letter"),
            Action::ToMark => self.await_letter(action, "a letter, or ' for the last place"),
            Action::Yank if self.redact.is_some() => {
                self.said = "y copies what was captured; with --redact, w writes a copy".into();
            }
            Action::Yank => self.await_letter(action, yank::LETTERS),
            Action::Write => self.await_letter(action, export::LETTERS),
            Action::Select => self.selected = self.current().map(|entry| entry.number),
            Action::Diff => self.compare(self.selected, "choose a message with Space first"),
            Action::DiffMark => self.await_letter(action, "the letter of a mark"),
            Action::TimeFormat => {
                self.time = match self.time {
                    TimeFormat::SinceStart => TimeFormat::Between,
                    TimeFormat::Between => TimeFormat::OfDay,
                    TimeFormat::OfDay => TimeFormat::SinceStart,
                }
            }
            Action::Intercept
            | Action::InterceptToggle
            | Action::Forward
            | Action::ForwardAll
            | Action::DropHeld
            | Action::SendTwice
            | Action::Replay => self.intercept(action),
            Action::Privacy => self.is_private = !self.is_private,
            Action::Columns => self.ask_for_columns(),
            Action::SortNext => self.step_sort(true),
            Action::SortPrevious => self.step_sort(false),
            Action::SortReverse => self.reverse_sort(),
            Action::Command => self.prompt = Some(Prompt::new(Asked::Command, "")),
            Action::Redraw => return Flow::Redraw,
            Action::Suspend => return Flow::Suspend,
            Action::Help => (self.is_help, self.scrolled) = (true, 0),
            Action::Show(screen) => self.show(screen),
        }
        Flow::GoOn
    }

    fn size_list(&mut self, step: i16) {
        let share = self.list_share.saturating_add_signed(step);
        self.list_share = share.clamp(LIST_STEP, 100 - LIST_STEP);
        if self.width < TWO_PANES_WIDTH || self.screen != Screen::Messages {
            self.said = "the list has this share where two panes are above each other".into();
        }
    }

    /// What lies over the screen is moved in, or taken away.
    fn act_above(&mut self, action: Action) -> Flow {
        let half = self.page / 2;
        self.scrolled = match action {
            Action::Down => self.scrolled + 1,
            Action::Up => self.scrolled.saturating_sub(1),
            Action::HalfDown => self.scrolled + half,
            Action::HalfUp => self.scrolled.saturating_sub(half),
            Action::PageDown => self.scrolled + 2 * half,
            Action::PageUp => self.scrolled.saturating_sub(2 * half),
            Action::Top => 0,
            Action::Bottom => usize::MAX / 2,
            Action::Quit => return Flow::End,
            _ => {
                (self.is_help, self.compared, self.scrolled) = (false, None, 0);
                return Flow::GoOn;
            }
        };
        Flow::GoOn
    }

    fn await_letter(&mut self, action: Action, letters: &str) {
        self.awaits_letter = Some(action);
        self.said = format!("and now: {letters}");
    }

    pub(crate) fn show(&mut self, screen: Screen) {
        if screen != self.screen {
            self.behind.push(self.screen);
            (self.screen, self.scrolled) = (screen, 0);
        }
    }

    fn back(&mut self) -> Flow {
        if self.is_maximised {
            self.is_maximised = false;
        } else if self.pane != Pane::List {
            self.pane = Pane::List;
        } else if let Some(screen) = self.behind.pop() {
            self.screen = screen;
        } else if !self.filter.is_empty() {
            self.set_filter("");
        } else {
            return Flow::End;
        }
        Flow::GoOn
    }

    /// Lines of the screen that is shown.
    pub(crate) fn line_count(&self) -> usize {
        match self.screen {
            Screen::Messages | Screen::Ladder => self.shown_count(),
            Screen::Connections | Screen::Handshake => self.session.connections().len(),
            Screen::Channels => self.session.channels().len(),
            Screen::Jobs => self.session.jobs().len(),
            Screen::Expert => self.session.tally().iter().count(),
            Screen::Graphs | Screen::Log => 0,
        }
    }

    fn step(&mut self, by: isize) {
        if self.screen == Screen::Messages && self.pane != Pane::List {
            let last = self.tree().len().saturating_sub(1);
            self.field = self.field.saturating_add_signed(by).min(last);
            return;
        }
        let last = self.line_count().saturating_sub(1);
        match self.screen {
            Screen::Log => self.scrolled = self.scrolled.saturating_add_signed(by),
            Screen::Messages | Screen::Ladder => {
                self.cursor = self.cursor.saturating_add_signed(by).min(last);
                self.field = 0;
            }
            screen => {
                let cursor = &mut self.cursors[screen as usize];
                *cursor = cursor.saturating_add_signed(by).min(last);
            }
        }
    }

    /// To one of the lines on the screen, told which is the last of them.
    fn step_on_screen(&mut self, place: fn(usize) -> usize) {
        let ListPlace { area, first, count, rows_each } = self.list.get();
        let lines = usize::from(area.height / rows_each.max(1)).min(count.saturating_sub(first));
        let line = first + place(lines.saturating_sub(1));
        if self.pane == Pane::List || self.screen != Screen::Messages {
            let now = match self.screen {
                Screen::Messages | Screen::Ladder => self.cursor,
                screen => self.cursors[screen as usize],
            };
            self.step(line.cast_signed() - now.cast_signed());
        }
    }

    fn turn(&mut self, forward: bool) {
        if self.screen == Screen::Messages {
            self.pane = match (self.pane, forward) {
                (Pane::List, true) | (Pane::Bytes, false) => Pane::Tree,
                (Pane::Tree, true) | (Pane::List, false) => Pane::Bytes,
                (Pane::Bytes, true) | (Pane::Tree, false) => Pane::List,
            };
        }
    }

    /// Shows what a filter takes; one that is none changes nothing but what is said.
    pub(crate) fn set_filter(&mut self, text: &str) {
        let filter = match Filter::parse(text) {
            Ok(filter) => filter,
            Err(error) => {
                self.said = error.to_string();
                return;
            }
        };
        let number = self.current().map(|entry| entry.number);
        text.trim().clone_into(&mut self.filter);
        self.arrange(&filter);
        self.cursor = 0;
        if let Some(number) = number {
            self.go_to(number);
        }
        if self.shown_count() == 0 && self.reading == Reading::Ended {
            self.said = "nothing fits this filter; F takes it away".into();
        }
    }

    /// Shows what a filter takes in the order that the user has chosen.
    fn arrange(&mut self, filter: &Filter) {
        self.shown = filter.expression().map(|_| self.session.places(filter));
        self.known_count = self.session.len();
        if let Some(sort) = self.sorts[Screen::Messages as usize] {
            let columns = self.list_columns().into_owned();
            let all = || (0..self.known_count).collect();
            let places = self.shown.take().unwrap_or_else(all);
            match order::of_messages(&self.session, &columns, places, sort) {
                Ok(places) => self.shown = Some(places),
                Err((places, why)) => {
                    self.sorts[Screen::Messages as usize] = None;
                    self.shown = filter.expression().map(|_| places);
                    self.said = why;
                }
            }
        }
        self.field = 0;
    }
}

/// What the list of messages has of the height, in percent, and what a key changes of it.
const LIST_SHARE: u16 = 55;
const LIST_STEP: u16 = 10;
/// From this width on, the list is not alone on the screen.
pub(crate) const TWO_PANES_WIDTH: u16 = 80;
/// Entries that may learn something from what comes behind them.
const LOOK_BACK: usize = 4 * CHUNK;
