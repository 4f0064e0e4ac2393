//! In which order the rows of a screen stand.

use std::borrow::Cow;

use sv2_capture::filter::Value;

use super::app::App;
use super::keys::Screen;
use super::list_columns::{ListColumn, ListColumns};
use super::prompt::{Asked, Prompt};
use super::session::Session;
use super::table::{Key, Sort, order, sorted};
use super::view::{CHANNEL_COLUMNS, CONNECTION_COLUMNS, JOB_COLUMNS};

/// An order, and of what: as long as these are the same it holds.
#[derive(Debug)]
pub(crate) struct Order {
    of: (Screen, Sort, usize, usize),
    places: Vec<usize>,
}

impl App {
    /// By what a screen is sorted.
    pub(crate) fn sort_of(&self, screen: Screen) -> Option<Sort> {
        self.sorts[screen as usize]
    }

    /// The row that stands at a place of a screen that is one list of rows.
    pub(crate) fn row_at(&self, screen: Screen, place: usize) -> usize {
        let Some(sort) = self.sort_of(screen) else { return place };
        let session = &self.session;
        let count = match screen {
            Screen::Connections => session.connections().len(),
            Screen::Channels => session.channels().len(),
            Screen::Jobs => session.jobs().len(),
            _ => return place,
        };
        let of = (screen, sort, count, session.len());
        let mut kept = self.order.borrow_mut();
        if kept.as_ref().is_none_or(|kept| kept.of != of) {
            let places = match screen {
                Screen::Connections => {
                    order(&CONNECTION_COLUMNS, &session.connections().collect::<Vec<_>>(), sort)
                }
                Screen::Channels => {
                    order(&CHANNEL_COLUMNS, &session.channels().collect::<Vec<_>>(), sort)
                }
                _ => order(&JOB_COLUMNS, &session.jobs().iter().collect::<Vec<_>>(), sort),
            };
            *kept = Some(Order { of, places });
        }
        kept.as_ref().and_then(|kept| kept.places.get(place).copied()).unwrap_or(place)
    }

    /// Columns of the list of messages as they are now.
    pub(crate) fn list_columns(&self) -> Cow<'_, ListColumns> {
        match &self.columns {
            Some(columns) => Cow::Borrowed(columns),
            None => Cow::Owned(ListColumns::of_width(self.width)),
        }
    }

    pub(super) fn step_sort(&mut self, forward: bool) {
        let count = match self.screen {
            Screen::Messages => self.list_columns().all().len(),
            Screen::Connections => CONNECTION_COLUMNS.len(),
            Screen::Channels => CHANNEL_COLUMNS.len(),
            Screen::Jobs => JOB_COLUMNS.len(),
            Screen::Ladder | Screen::Expert | Screen::Graphs | Screen::Handshake | Screen::Log => {
                self.said = "this screen has one order only".into();
                return;
            }
        };
        let sort = Sort::step(self.sort_of(self.screen), forward, count);
        self.set_sort(sort);
    }

    pub(super) fn reverse_sort(&mut self) {
        match self.sort_of(self.screen) {
            Some(Sort { column, is_descending }) => {
                self.set_sort(Some(Sort { column, is_descending: !is_descending }));
            }
            None => self.said = "> chooses a column to sort by first".into(),
        }
    }

    fn set_sort(&mut self, sort: Option<Sort>) {
        self.sorts[self.screen as usize] = sort;
        if self.screen == Screen::Messages {
            let filter = self.filter.clone();
            self.set_filter(&filter);
        }
    }

    pub(super) fn ask_for_columns(&mut self) {
        let text = self.list_columns().to_text();
        self.prompt = Some(Prompt::new(Asked::Columns, text));
    }

    /// Those of a text; an empty one: those that suit the width.
    pub(crate) fn set_columns(&mut self, text: &str) {
        self.columns = ListColumns::parse(text).ok();
        if self.sorts[Screen::Messages as usize].take().is_some() {
            let filter = self.filter.clone();
            self.set_filter(&filter);
        }
    }
}

/// Sorts places of messages by a column.
///
/// # Errors
/// With the places as they were, and why: there are too many.
pub(super) fn of_messages(
    session: &Session,
    columns: &ListColumns,
    places: Vec<usize>,
    sort: Sort,
) -> Result<Vec<usize>, (Vec<usize>, String)> {
    let Some(column) = columns.all().get(sort.column) else { return Ok(places) };
    if places.len() > SORTED_MAX {
        let why = format!("more than {SORTED_MAX} messages are not sorted: a filter takes some");
        return Err((places, why));
    }
    let keys = places.iter().map(|place| key(session, *place, column));
    let order = sorted(keys.collect(), sort.is_descending);
    Ok(order.into_iter().map(|at| places[at]).collect())
}

/// The first value of a message in a column.
fn key(session: &Session, place: usize, column: &ListColumn) -> Key {
    let mut key = Key::Nothing;
    session.values(place, &column.field, &mut |value| {
        if key == Key::Nothing {
            key = match value {
                Value::Int(number) => Key::Count(number),
                Value::Float(number) => Key::Number(number),
                Value::Severity(severity) => Key::Count(severity as u64),
                value => Key::Text(value.shown().into_owned()),
            };
        }
    });
    key
}

/// Their keys are held at once.
const SORTED_MAX: usize = 1_000_000;
