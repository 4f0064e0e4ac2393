//! From one message to another.

use sv2_capture::filter::Filter;
use sv2_capture::index::Row;

use super::{App, Pane, Screen};
use crate::inspect::session::JobRow;
use crate::inspect::{describe, trail};

impl App {
    /// From a line of another screen to the messages behind it.
    pub(super) fn open(&mut self) {
        let cursor = self.row_at(self.screen, self.cursors[self.screen as usize]);
        let (filter, number) = match self.screen {
            Screen::Messages => {
                self.pane = if self.pane == Pane::List { Pane::Tree } else { self.pane };
                return;
            }
            Screen::Ladder => return self.show(Screen::Messages),
            Screen::Connections | Screen::Handshake => {
                let Some(row) = self.session.connections().nth(cursor) else { return };
                (format!("conn == {}", row.id), row.opened.0)
            }
            Screen::Channels => {
                let Some(row) = self.session.channels().nth(cursor) else { return };
                (format!("conn == {} && ch == {}", row.connection, row.id), row.opened_by)
            }
            Screen::Jobs => {
                let Some(row) = self.session.jobs().get(cursor) else { return };
                let JobRow { connection, channel, id, number, .. } = row;
                // The message that gives a job is not one that names it.
                let named = match self.session.channel(*connection, *channel) {
                    Some(_) => format!("job({channel}, {id})"),
                    None => format!("group == {channel} && job == {id}"),
                };
                (format!("conn == {connection} && (n == {number} || {named})"), *number)
            }
            Screen::Expert => {
                let row = self.session.tally().iter().nth(cursor);
                let Some((_, rule, count)) = row else { return };
                (format!("rule == {rule}"), count.first)
            }
            Screen::Graphs | Screen::Log => return,
        };
        self.set_filter(&filter);
        self.show(Screen::Messages);
        self.go_to(number);
    }

    /// Puts the cursor on a message, or on the next one that is shown.
    pub(crate) fn go_to(&mut self, number: u64) {
        let Some(index) = self.session.index_of(number) else { return };
        self.cursor = match &self.shown {
            Some(shown) if self.sorts[Screen::Messages as usize].is_some() => {
                shown.iter().position(|shown| *shown == index).unwrap_or_default()
            }
            Some(shown) => {
                shown.partition_point(|shown| *shown < index).min(shown.len().saturating_sub(1))
            }
            None => index,
        };
        self.field = 0;
    }

    /// To a message, without a filter if the filter hides it.
    pub(super) fn jump(&mut self, number: Option<u64>, otherwise: &str) {
        let Some(number) = number else {
            self.said = otherwise.into();
            return;
        };
        self.came_from = self.current().map(|entry| entry.number);
        self.go_to(number);
        if self.current().map(|entry| entry.number) != Some(number) {
            self.set_filter("");
            self.go_to(number);
        }
    }

    pub(super) fn seek(&mut self, forward: bool, fits: impl Fn(&Row) -> bool) {
        self.found(self.find(forward, |_, row| fits(row)));
    }

    /// The next place whose row fits, told also which of all rows it is.
    fn find(&self, forward: bool, fits: impl Fn(usize, &Row) -> bool) -> Option<usize> {
        let fits = |place: &usize| {
            let index = self.index_at(*place);
            let row = index.and_then(|index| Some((index, self.session.row(index)?)));
            row.is_some_and(|(index, row)| fits(index, &row))
        };
        match forward {
            true => (self.cursor + 1..self.shown_count()).find(fits),
            false => (0..self.cursor).rev().find(fits),
        }
    }

    fn found(&mut self, place: Option<usize>) {
        match place {
            Some(place) => (self.cursor, self.field) = (place, 0),
            None => self.said = "no further one".into(),
        }
    }

    /// To what was searched for; without a search to a message of the same name.
    pub(super) fn seek_hit(&mut self, forward: bool) {
        let place = match &self.hits {
            Some(hits) => self.find(forward, |index, _| hits.binary_search(&index).is_ok()),
            None => {
                let Some(row) = self.shown_row_at(self.cursor) else { return };
                self.find(forward, |_, other| describe::is_alike(other.kind, row.kind))
            }
        };
        self.found(place);
    }

    pub(super) fn seek_block(&mut self, forward: bool) {
        self.found(self.find(forward, |index, row| trail::is_block(&self.session, index, row)));
    }

    pub(super) fn seek_channel(&mut self, forward: bool) {
        let Some(entry) = self.current() else { return };
        let (connection, channel) = (entry.connection, entry.channel);
        self.seek(forward, |other| (other.connection, other.channel) == (connection, channel));
    }

    /// Shows what belongs to this message, and nothing else.
    pub(super) fn tell_story(&mut self) {
        let Some(number) = self.current().map(|entry| entry.number) else { return };
        let story = trail::story(&self.session, number);
        let numbers: Vec<String> = story.iter().map(u64::to_string).collect();
        self.set_filter(&format!("n in {{{}}}", numbers.join(", ")));
        self.go_to(number);
    }

    pub(super) fn filter_from_field(&mut self) {
        let Some(entry) = self.current() else { return };
        let name = describe::name(&entry);
        let filter = match self.pane {
            Pane::List => format!("msg == {name}"),
            Pane::Tree | Pane::Bytes => {
                let tree = self.tree();
                let Some(line) = tree.get(self.field) else { return };
                match line.name.as_str() {
                    "channel_id" => format!("conn == {} && ch == {}", entry.connection, line.text),
                    "msg_type" | "extension_type" | "msg_length" => format!("msg == {name}"),
                    field if line.span.is_some() => format!("{name}.{field} == {}", line.text),
                    _ => return,
                }
            }
        };
        self.set_filter(&filter);
    }

    /// Goes to the next message that a filter takes, and shows the others all the same.
    pub(super) fn search(&mut self, text: &str) {
        let Ok(filter) = Filter::parse(text) else { return };
        self.hits = filter.expression().map(|_| self.session.places(&filter));
        if let Some(hits) = &self.hits {
            let count = hits.len();
            self.seek_hit(true);
            self.said = format!("{count} in the whole capture");
        }
    }
}
