//! CSV (RFC 4180) of the fields that filters know. Cells that a spreadsheet would take for a
//! formula are kept from it.

use std::fmt::Write as _;

use sv2_capture::filter::{Column, Columns, Field, Problem, Value};

use super::out::Out;
use crate::capture::{Seen, Utc};
use crate::inspect::describe;

/// The columns.
pub(super) struct Table {
    fields: Vec<Field>,
    /// Whether the text of the last column of the list is one of them.
    has_info: bool,
}

impl Table {
    /// Reads their names.
    ///
    /// # Errors
    /// In words, if there is no such field.
    pub(super) fn new(names: &[String]) -> Result<Self, String> {
        let field = |name: &String| {
            Field::parse(name).ok_or_else(|| {
                format!("--fields: {}", Problem::UnknownField { name: name.clone() })
            })
        };
        let fields = names.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let has_info = fields.contains(&Field::Column(Column::Info));
        Ok(Table { fields, has_info })
    }

    /// The line of names.
    pub(super) fn write_head(&self, out: &mut Out) {
        write_row(out, self.fields.iter().map(Field::to_string));
    }

    /// Whether all of it stands in each message, so that nothing need be known of those before.
    pub(super) fn is_said_by_itself(&self) -> bool {
        self.fields.iter().all(|field| match field {
            Field::Path(_) | Field::Raw(..) => true,
            Field::Column(column) => matches!(
                column,
                Column::N
                    | Column::T
                    | Column::Conn
                    | Column::Dir
                    | Column::Msg
                    | Column::Type
                    | Column::Ext
                    | Column::Len
                    | Column::Mac
                    | Column::Ch
                    | Column::Job
                    | Column::Tmpl
                    | Column::Token
                    | Column::Req
                    | Column::Seq
                    | Column::Err
                    | Column::Flags
                    | Column::Prev
                    | Column::Ntime
                    | Column::Version
                    | Column::Xn
            ),
        })
    }

    /// The row of an observation. A field that has several values has them in one cell.
    pub(super) fn write(&self, out: &mut Out, seen: &Seen<'_>) {
        let info = match self.has_info {
            true => describe::info(&seen.found.observed.what, &seen.report.facts),
            false => String::new(),
        };
        let columns = seen.columns(&info);
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let (start, mut is_number) = (out.len(), true);
            if matches!(field, Field::Column(Column::T)) {
                is_number = false;
                let _ = write!(out, "{}", Utc(seen.found.observed.at));
            } else {
                columns.values(0, field, &mut |value| {
                    if out.len() > start {
                        out.push(' ');
                    }
                    match value {
                        Value::Int(number) => out.push_int(number),
                        other => {
                            is_number = false;
                            out.push_str(&other.shown());
                        }
                    }
                });
            }
            if !is_number {
                close_cell(out, start);
            }
        }
        out.push_str("\r\n");
    }
}

fn write_row(out: &mut Out, cells: impl Iterator<Item = String>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(',');
        }
        let start = out.len();
        out.push_str(&cell);
        close_cell(out, start);
    }
    out.push_str("\r\n");
}

/// Quotes the cell that begins at `start`, where it needs to be.
fn close_cell(out: &mut Out, start: usize) {
    let cell = &out.as_bytes()[start..];
    if cell.iter().all(|byte| IS_PLAIN[usize::from(*byte)]) {
        return;
    }
    // A leading sign is a number or a formula; numbers of ours have no signs.
    let is_formula = cell.first().is_some_and(|first| b"=+-@\t\r".contains(first));
    if is_formula || cell.iter().any(|byte| b",\"\n\r".contains(byte)) {
        let mark = if is_formula { "'" } else { "" };
        let cell = String::from_utf8_lossy(cell).replace('"', "\"\"");
        out.truncate(start);
        let _ = write!(out, "\"{mark}{cell}\"");
    }
}

/// Whether a byte means nothing to a reader of CSV, wherever it stands: looked up, for nearly every
/// byte of text is asked.
static IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte: u8 = 0;
    while byte < 0x80 {
        is_plain[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    is_plain
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_disarmed() {
        let mut out = Out::default();

        let cells = ["plain", "a,b", "say \"x\"", "=1+1", "-- gap"];
        write_row(&mut out, cells.into_iter().map(str::to_owned));

        assert_eq!(out.into_string(), "plain,\"a,b\",\"say \"\"x\"\"\",\"'=1+1\",\"'-- gap\"\r\n");
    }

    #[test]
    fn a_field_that_nothing_has_is_said_with_what_was_probably_meant() {
        let error = Table::new(&["jobb".to_owned()]).err().unwrap();

        assert!(error.contains("`jobb`") && error.contains("job"), "{error}");
    }
}
