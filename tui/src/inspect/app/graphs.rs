//! Where somebody looks in the graphs: a window of time, and a cursor in it.

use std::cell::Cell;

use super::{App, Screen};
use crate::inspect::keys::Action;
use crate::inspect::session::number_of;

/// What is kept between two drawings. Times are absolute, so that what comes meanwhile moves nothing
/// that somebody looks at.
#[derive(Debug, Default)]
pub(crate) struct Graphs {
    /// First and last moment; `None`: everything, also what will come.
    window: Option<(u64, u64)>,
    /// `None`: at the end, also of what will come.
    cursor: Option<u64>,
    /// Columns of the last drawing.
    pub(crate) buckets: Cell<usize>,
}

/// What is drawn, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: u64,
    /// Of one column.
    pub(crate) bucket_len: u64,
    pub(crate) buckets: usize,
    /// Column of the cursor.
    pub(crate) cursor: usize,
    /// There is more than what is shown.
    pub(crate) is_part: bool,
}

impl Window {
    /// The column of a moment, if it is shown.
    pub(crate) fn bucket_of(&self, at: u64) -> Option<usize> {
        let bucket = usize::try_from(at.checked_sub(self.start)? / self.bucket_len).ok()?;
        match self.is_part {
            true => Some(bucket).filter(|bucket| *bucket < self.buckets),
            // The last one takes what a division has left.
            false => Some(bucket.min(self.buckets - 1)),
        }
    }

    /// When a column begins.
    pub(crate) fn begin_of(&self, bucket: usize) -> u64 {
        self.start.saturating_add(self.bucket_len.saturating_mul(bucket as u64))
    }
}

impl App {
    /// What so many columns show.
    pub(crate) fn graph_window(&self, buckets: usize) -> Window {
        let whole = self.graph_range();
        let (start, end) = self.graphs.window.unwrap_or(whole);
        let buckets = buckets.max(1);
        let bucket_len = (end.saturating_sub(start) / buckets as u64).max(1);
        let is_part = self.graphs.window.is_some();
        let mut window = Window { start, bucket_len, buckets, cursor: 0, is_part };
        let at = self.graphs.cursor.unwrap_or(whole.1);
        window.cursor = match at < start {
            true => 0,
            false => window.bucket_of(at).unwrap_or(buckets - 1),
        };
        window
    }

    /// First and last moment of what is shown, so that a filter is a magnifying glass, too.
    fn graph_range(&self) -> (u64, u64) {
        if self.filter.is_empty() {
            return (self.session.start(), self.session.end());
        }
        let shown = (0..self.shown_count()).filter_map(|place| self.shown_row_at(place));
        let (start, end) =
            shown.fold((u64::MAX, 0), |(start, end), row| (start.min(row.at), end.max(row.at)));
        (start.min(end), end)
    }

    /// What a key means on this screen, if it means something of its own.
    pub(super) fn act_in_time(&mut self, action: Action) -> bool {
        let page = self.graphs.buckets.get().cast_signed();
        match action {
            Action::ListTaller => self.zoom(true),
            Action::ListShorter => self.zoom(false),
            Action::ListUsual => self.zoom_off(),
            Action::Left | Action::Up => self.step_in_time(-1),
            Action::Right | Action::Down => self.step_in_time(1),
            Action::HalfUp => self.step_in_time(-(page / 2)),
            Action::HalfDown => self.step_in_time(page / 2),
            Action::PageUp => self.step_in_time(-page),
            Action::PageDown => self.step_in_time(page),
            Action::Top => self.step_in_time(isize::MIN / 2),
            Action::Bottom => self.step_in_time(isize::MAX / 2),
            Action::Open => self.open_moment(),
            _ => return false,
        }
        true
    }

    /// Half of the time, or twice; the cursor stays in its column.
    fn zoom(&mut self, is_in: bool) {
        let (first, last) = self.graph_range();
        let window = self.graph_window(self.graphs.buckets.get());
        let buckets = window.buckets as u64;
        let bucket_len = match is_in {
            true => window.bucket_len / 2,
            false => window.bucket_len.saturating_mul(2),
        };
        if bucket_len < BUCKET_LEN_MIN {
            self.said = "there is nothing between two microseconds".into();
            return;
        }
        let len = bucket_len.saturating_mul(buckets);
        if len >= last.saturating_sub(first) {
            return self.zoom_off();
        }
        // What one looks at stays in sight.
        let at = match self.first_of(&window) {
            Some((at, _)) => at,
            None => window.begin_of(window.cursor).saturating_add(window.bucket_len / 2),
        };
        let before = bucket_len.saturating_mul(window.cursor as u64);
        let start = at.saturating_sub(before).clamp(first, last - len);
        self.graphs.cursor = Some(at);
        self.graphs.window = Some((start, start + len));
    }

    /// Everything, and the cursor where it is.
    fn zoom_off(&mut self) {
        if self.graphs.window.take().is_none() {
            self.said = "all of it is shown".into();
        }
    }

    /// The cursor goes so many columns, and the window with it.
    fn step_in_time(&mut self, by: isize) {
        let (first, last) = self.graph_range();
        let window = self.graph_window(self.graphs.buckets.get());
        let here = window.begin_of(window.cursor);
        let step = window.bucket_len.saturating_mul(by.unsigned_abs() as u64);
        let at = match by < 0 {
            true => here.saturating_sub(step).max(first),
            false => here.saturating_add(step),
        };
        // Whoever goes to the end stays there while more comes.
        self.graphs.cursor = Some(at).filter(|at| *at < last);
        let at = at.min(last);
        if let Some((start, end)) = &mut self.graphs.window {
            let len = *end - *start;
            if at < *start {
                *start = at;
            } else if at >= *end {
                // So that the column of the cursor is the last one.
                *start = at.saturating_add(window.bucket_len).saturating_sub(len).max(first);
            }
            *end = *start + len;
        }
    }

    /// When the first message in the column of the cursor was said, and its number.
    fn first_of(&self, window: &Window) -> Option<(u64, u64)> {
        let rows = (0..self.shown_count()).filter_map(|place| {
            let index = self.index_at(place)?;
            Some((self.session.row(index)?.at, number_of(index)))
        });
        rows.filter(|(at, _)| window.bucket_of(*at) == Some(window.cursor)).min()
    }

    /// From a column to the first of its messages.
    fn open_moment(&mut self) {
        let window = self.graph_window(self.graphs.buckets.get());
        match self.first_of(&window) {
            Some((_, number)) => {
                self.show(Screen::Messages);
                self.go_to(number);
            }
            None => self.said = "nothing happened in this moment".into(),
        }
    }
}

/// Stamps are hardly better, in nanoseconds.
const BUCKET_LEN_MIN: u64 = 1_000;
