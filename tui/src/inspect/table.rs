//! Lists of rows with columns: which fit, how they are written, and by which one rows are sorted.

use std::cmp::Ordering;

use super::describe::cut;

/// A column of a list of rows.
pub(crate) struct Column<Row: ?Sized + 'static> {
    pub(crate) title: &'static str,
    /// Characters that it has at least, and at most.
    pub(crate) width: (usize, usize),
    pub(crate) align: Align,
    /// Where there is no room the columns of the highest ranks are left out first.
    pub(crate) rank: u8,
    /// Of a row; told whether others look on.
    pub(crate) cell: fn(&Row, bool) -> Cell,
}

/// What a row has in a column.
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) key: Key,
}

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    Count(u64),
    Number(f64),
    Text(String),
    /// There is nothing: behind all others.
    Nothing,
}

/// A column that a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    /// From 0.
    pub(crate) column: usize,
    /// The greatest first.
    pub(crate) is_descending: bool,
}

impl<Row: ?Sized> Column<Row> {
    /// See the fields.
    pub(crate) const fn new(
        title: &'static str,
        width: (usize, usize),
        align: Align,
        rank: u8,
        cell: fn(&Row, bool) -> Cell,
    ) -> Self {
        Column { title, width, align, rank, cell }
    }
}

impl Cell {
    /// Sorted by something else than its letters.
    pub(crate) fn new(text: impl Into<String>, key: Key) -> Cell {
        Cell { text: text.into(), key }
    }

    pub(crate) fn text(text: impl Into<String>) -> Cell {
        let text = text.into();
        Cell { key: Key::Text(text.clone()), text }
    }

    pub(crate) fn count(count: impl Into<u64>) -> Cell {
        let count = count.into();
        Cell::new(count.to_string(), Key::Count(count))
    }

    /// A time in nanoseconds, if there is one.
    pub(crate) fn duration(nanoseconds: Option<u64>) -> Cell {
        match nanoseconds {
            Some(time) => Cell::new(sv2_capture::text::duration(time), Key::Count(time)),
            None => Cell::new("-", Key::Nothing),
        }
    }
}

impl Key {
    /// Of two keys; nothing is never first.
    pub(crate) fn compare(&self, other: &Key, is_descending: bool) -> Ordering {
        let order = match (self, other) {
            (Key::Nothing, Key::Nothing) => return Ordering::Equal,
            (Key::Nothing, _) => return Ordering::Greater,
            (_, Key::Nothing) => return Ordering::Less,
            (Key::Count(one), Key::Count(other)) => one.cmp(other),
            (Key::Number(one), Key::Number(other)) => one.total_cmp(other),
            (Key::Text(one), Key::Text(other)) => one.cmp(other),
            // Of one column, they are of one kind.
            (one, other) => one.kind().cmp(&other.kind()),
        };
        if is_descending { order.reverse() } else { order }
    }

    fn kind(&self) -> u8 {
        match self {
            Key::Count(_) => 0,
            Key::Number(_) => 1,
            Key::Text(_) => 2,
            Key::Nothing => 3,
        }
    }
}

impl Sort {
    /// The next or previous of so many columns; before the first there is none.
    pub(crate) fn step(sort: Option<Sort>, forward: bool, count: usize) -> Option<Sort> {
        let place = sort.map_or(0, |sort| sort.column + 1);
        let places = count + 1;
        let place = if forward { place + 1 } else { place + places - 1 } % places;
        let is_descending = sort.is_some_and(|sort| sort.is_descending);
        place.checked_sub(1).map(|column| Sort { column, is_descending })
    }
}

/// Places of rows in the order of a column; those that are alike stay as they were.
pub(crate) fn order<Row: ?Sized>(columns: &[Column<Row>], rows: &[&Row], sort: Sort) -> Vec<usize> {
    let Some(column) = columns.get(sort.column) else { return (0..rows.len()).collect() };
    let keys = rows.iter().map(|row| (column.cell)(row, false).key);
    sorted(keys.collect(), sort.is_descending)
}

/// Places of keys in their order.
pub(crate) fn sorted(keys: Vec<Key>, is_descending: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..keys.len()).collect();
    places.sort_by(|one, other| keys[*one].compare(&keys[*other], is_descending));
    places
}

/// The columns that fit into a width, with the widths that they get.
pub(crate) struct Fitting<'a, Row: ?Sized + 'static> {
    columns: Vec<(usize, &'a Column<Row>, usize)>,
}

impl<'a, Row: ?Sized> Fitting<'a, Row> {
    /// Of a list `width` characters wide.
    pub(crate) fn new(columns: &'a [Column<Row>], width: usize) -> Self {
        let mut ranks: Vec<u8> = columns.iter().map(|column| column.rank).collect();
        ranks.sort_unstable();
        let taken = |rank: u8| columns.iter().filter(move |column| column.rank <= rank);
        let needed = |rank: u8| taken(rank).map(|column| column.width.0 + 1).sum::<usize>();
        let rank = ranks.iter().rev().find(|rank| needed(**rank) <= width + 1).copied();
        let rank = rank.or(ranks.first().copied()).unwrap_or_default();
        let mut room = (width + 1).saturating_sub(needed(rank));
        let numbered = columns.iter().enumerate().filter(|(_, column)| column.rank <= rank);
        let widened = numbered.map(|(place, column)| {
            let more = (column.width.1 - column.width.0).min(room);
            room -= more;
            (place, column, column.width.0 + more)
        });
        Fitting { columns: widened.collect() }
    }

    /// The titles; the column that rows are sorted by has a sign.
    pub(crate) fn heading(&self, sort: Option<Sort>, signs: [char; 2]) -> String {
        self.joined(|place, column| title(column.title, place, sort, signs))
    }

    /// A row.
    pub(crate) fn line(&self, row: &Row, is_private: bool) -> String {
        self.joined(|_, column| (column.cell)(row, is_private).text)
    }

    fn joined(&self, text: impl Fn(usize, &Column<Row>) -> String) -> String {
        let cells = self
            .columns
            .iter()
            .map(|(place, column, width)| padded(&text(*place, column), *width, column.align));
        cells.collect::<Vec<_>>().join(" ")
    }
}

/// A title, with a sign if rows are sorted by it.
pub(crate) fn title(title: &str, place: usize, sort: Option<Sort>, signs: [char; 2]) -> String {
    match sort {
        Some(sort) if sort.column == place => {
            format!("{}{title}", signs[usize::from(sort.is_descending)])
        }
        _ => title.to_owned(),
    }
}

/// A text that is exactly so wide.
pub(crate) fn padded(text: &str, width: usize, align: Align) -> String {
    let text = cut(text, width);
    match align {
        Align::Left => format!("{text:<width$}"),
        Align::Right => format!("{text:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<u32>; 3] = [
        Column::new("id", (4, 6), Align::Right, 0, |row, _| Cell::text(format!("#{row}"))),
        Column::new("square", (6, 8), Align::Right, 2, |row, _| Cell::count(row * row)),
        Column::new("rest", (4, 6), Align::Right, 1, |row, _| match row % 3 {
            0 => Cell::new("", Key::Nothing),
            rest => Cell::count(rest),
        }),
    ];

    #[test]
    fn what_matters_least_is_left_out_first_and_room_is_used() {
        let rows = [(20, "    #5       25    2"), (16, "  #5     25    2"), (12, "    #5     2")];
        for (width, expected) in rows {
            assert_eq!(Fitting::new(&COLUMNS, width).line(&5, false), expected, "{width}");
        }
        assert_eq!(Fitting::new(&COLUMNS, 3).line(&5, false), "  #5", "there is always one");
    }

    #[test]
    fn rows_without_a_value_are_last_whichever_way_they_are_sorted() {
        let rows = [&1, &2, &3, &4];
        let by = |is_descending| order(&COLUMNS, &rows, Sort { column: 2, is_descending });

        assert_eq!((by(false), by(true)), (vec![0, 3, 1, 2], vec![1, 0, 3, 2]));
    }

    #[test]
    fn columns_are_stepped_through_in_a_circle_with_none_at_its_start() {
        let mut sort = None;
        let mut places = Vec::new();
        for forward in [true, true, true, false, false, false] {
            sort = Sort::step(sort, forward, 2);
            places.push(sort.map(|sort| sort.column));
        }

        assert_eq!(places, [Some(0), Some(1), None, Some(1), Some(0), None]);
    }
}
