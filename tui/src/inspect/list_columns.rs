//! Which columns the list of messages has, in which order, and how wide each is: every field that
//! filters know can be one.

use sv2::message::{DESCRIPTORS, Descriptor};
use sv2_capture::filter::{Column, Field, Problem, ValueKind};
use sv2_capture::redact::private;

use super::table::Align;

/// The columns, from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListColumns {
    columns: Vec<ListColumn>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListColumn {
    pub(crate) field: Field,
    /// In characters; `None`: as much as the others leave.
    pub(crate) width: Option<usize>,
}

impl ListColumns {
    /// For a terminal on which nobody has chosen any.
    pub(crate) fn of_width(width: u16) -> Self {
        let text = match width {
            100.. => "n:8 t:13 conn:5 dir:1 msg:28 ch:5 info code:3",
            80.. => "n:8 t:10 dir:1 msg:24 ch:4 info code:3",
            _ => "n:6 t:10 dir:1 msg:19 info code:3",
        };
        Self::parse(text).expect("all of these are fields: a test")
    }

    /// Reads `n t:13 msg:20 latency info`: fields with their widths, if they are not the usual.
    ///
    /// # Errors
    /// In words: no such field, or no width.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let columns = words.map(ListColumn::parse).collect::<Result<Vec<_>, _>>()?;
        match columns.len() {
            0 => Err("at least one column is expected".into()),
            count if count > COLUMNS_MAX => Err(format!("more than {COLUMNS_MAX} columns")),
            _ => Ok(ListColumns { columns }),
        }
    }

    /// As [`ListColumns::parse`] reads it.
    pub(crate) fn to_text(&self) -> String {
        let words = self.columns.iter().map(|ListColumn { field, width }| match width {
            Some(width) => format!("{field}:{width}"),
            None => field.to_string(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[ListColumn] {
        &self.columns
    }

    /// Those that fit, with their widths: what is without one shares what the others leave.
    pub(crate) fn fitting(&self, width: usize) -> Vec<(usize, &ListColumn, usize)> {
        let least = |column: &ListColumn| column.width.unwrap_or(REST_WIDTH_MIN) + 1;
        let mut used = 0;
        let fits = |(_, column): &(usize, &ListColumn)| {
            used += least(column);
            used <= width + 1
        };
        let taken: Vec<_> = self.columns.iter().enumerate().take_while(fits).collect();
        let taken = match taken.is_empty() {
            true => self.columns.iter().enumerate().take(1).collect(),
            false => taken,
        };
        let fixed: usize = taken.iter().map(|(_, column)| column.width.map_or(1, |w| w + 1)).sum();
        let sharing = taken.iter().filter(|(_, column)| column.width.is_none()).count();
        let share = (width + 1).saturating_sub(fixed) / sharing.max(1);
        let widths = taken
            .into_iter()
            .map(|(place, column)| (place, column, column.width.unwrap_or(share).min(width)));
        widths.collect()
    }
}

impl ListColumn {
    fn parse(word: &str) -> Result<Self, String> {
        // Parts of the payload have colons of their own: `raw[0:4]`.
        let (name, width) = match word.rsplit_once(':') {
            Some((name, width)) if !width.ends_with(']') => (name, Some(width)),
            _ => (word, None),
        };
        let field = Field::parse(name)
            .ok_or_else(|| Problem::UnknownField { name: name.to_owned() }.to_string())?;
        let width = match width {
            None => usual_width(&field),
            Some(digits) => match digits.parse::<u16>() {
                Ok(width @ 1..=WIDTH_MAX) => Some(width.into()),
                _ => return Err(format!("{word}: a width of 1 to {WIDTH_MAX} is expected")),
            },
        };
        Ok(ListColumn { field, width })
    }

    /// In the heading.
    pub(crate) fn title(&self) -> String {
        match &self.field {
            Field::Column(Column::N) => "#".into(),
            Field::Column(Column::T) => "time".into(),
            Field::Column(Column::Msg) => "message".into(),
            // Their signs speak for themselves.
            Field::Column(Column::Dir | Column::Code) => String::new(),
            field => field.to_string(),
        }
    }

    /// Numbers stand to the right, but for those that are names.
    pub(crate) fn align(&self) -> Align {
        match (&self.field, self.field.kind()) {
            (Field::Column(Column::Conn), _) => Align::Left,
            (_, ValueKind::Number | ValueKind::Duration | ValueKind::Time) => Align::Right,
            _ => Align::Left,
        }
    }

    /// Whether it may be shown to whoever looks on: nothing that tells of somebody.
    pub(crate) fn is_public(&self) -> bool {
        let column = match &self.field {
            Field::Column(column) => column,
            Field::Path(path) => {
                let is_of_it = |row: &&&Descriptor| path.message.is_none_or(|it| it == row.name);
                let mut rows = DESCRIPTORS.iter().filter(is_of_it);
                return path.wants_len || !rows.any(|row| private(row, path.field).is_some());
            }
            Field::Raw(..) => return false,
        };
        !matches!(
            column,
            Column::Src
                | Column::Dst
                | Column::User
                | Column::Token
                | Column::Err
                | Column::Xn
                | Column::Hash
                | Column::Comment
                | Column::Info
        )
    }
}

/// In characters; `None`: the rest.
fn usual_width(field: &Field) -> Option<usize> {
    Some(match (field, field.kind()) {
        (Field::Column(Column::Info), _) => return None,
        (Field::Column(Column::T), _) => 13,
        (Field::Column(Column::Conn), _) => 5,
        (Field::Column(Column::Dir), _) => 1,
        (Field::Column(Column::Code), _) => 3,
        (Field::Column(Column::Msg), _) => 28,
        (_, ValueKind::Number | ValueKind::Duration | ValueKind::Severity) => 9,
        (_, ValueKind::Address | ValueKind::Any) => 16,
        (_, _) => 12,
    })
}

/// What a column without a width has at least, in characters.
const REST_WIDTH_MIN: usize = 10;
const WIDTH_MAX: u16 = 200;
const COLUMNS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_they_are_written() {
        for text in ["n:8 t:13 info", "latency:9 raw[0:4]:12 SetTarget.maximum_target:20"] {
            assert_eq!(ListColumns::parse(text).map(|columns| columns.to_text()), Ok(text.into()));
        }
        for width in [60, 80, 100] {
            let columns = ListColumns::of_width(width);
            assert_eq!(ListColumns::parse(&columns.to_text()), Ok(columns));
        }
    }

    #[test]
    fn columns_of_fields_that_tell_of_somebody_are_not_for_others() {
        let rows = [
            ("user_identity", false),
            ("SetupConnection.device_id", false),
            ("SetupConnection.vendor", true),
            ("mining_job_token.len", true),
            ("SetTarget.maximum_target", true),
            ("raw[0:4]", false),
        ];
        for (text, expected) in rows {
            let columns = ListColumns::parse(text).unwrap();

            assert_eq!(columns.columns[0].is_public(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_column_is_said() {
        let rows = [
            ("n jobb", "`jobb`"),
            ("n:0", "a width of 1 to 200"),
            ("n:x", "n:x: a width"),
            (" , ", "at least one"),
        ];
        for (text, expected) in rows {
            let error = ListColumns::parse(text).unwrap_err();

            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn columns_never_need_more_room_than_there_is() {
        let columns = ListColumns::parse("n:8 info msg:28 user:12 info").unwrap();
        for width in [5, 20, 40, 60, 250] {
            let fitting = columns.fitting(width);
            let used: usize = fitting.iter().map(|(.., width)| width + 1).sum();

            assert!(used <= width + 1 && !fitting.is_empty(), "{width}: {used}");
        }
        assert_eq!(columns.fitting(250).len(), 5);
    }
}
