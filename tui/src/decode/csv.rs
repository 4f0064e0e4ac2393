//! CSV (RFC 4180) of the fields that filters know. Cells that a spreadsheet would take for a
//! formula are kept from it.

use std::fmt::Write as _;

use sv2_capture::filter::{Column, Columns, Field, Problem};

use crate::capture::{Seen, Utc};
use crate::inspect::describe;

/// The columns.
pub(super) struct Table {
    fields: Vec<Field>,
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
        let fields = names.iter().map(field).collect::<Result<_, _>>()?;
        Ok(Table { fields })
    }

    /// The line of names.
    pub(super) fn write_head(&self, out: &mut String) {
        write_row(out, self.fields.iter().map(Field::to_string));
    }

    /// The row of an observation. A field that has several values has them in one cell.
    pub(super) fn write(&self, out: &mut String, seen: &Seen<'_>) {
        let info = if self.fields.contains(&Field::Column(Column::Info)) {
            describe::info(&seen.found.observed.what, &seen.report.facts)
        } else {
            String::new()
        };
        let columns = seen.columns(&info);
        let cells = self.fields.iter().map(|field| {
            if *field == Field::Column(Column::T) {
                return Utc(seen.found.observed.at).to_string();
            }
            let mut cell = String::new();
            columns.values(0, field, &mut |value| {
                cell.push_str(if cell.is_empty() { "" } else { " " });
                cell.push_str(&value.shown());
            });
            cell
        });
        write_row(out, cells);
    }
}

fn write_row(out: &mut String, cells: impl Iterator<Item = String>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(',');
        }
        // A leading sign is a number or a formula; numbers of ours have no signs.
        let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let mark = if is_formula { "'" } else { "" };
        if is_formula || cell.contains([',', '"', '\n', '\r']) {
            // Writing to a string does not fail.
            let _ = write!(out, "\"{mark}{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_disarmed() {
        let mut out = String::new();

        let cells = ["plain", "a,b", "say \"x\"", "=1+1", "-- gap"];
        write_row(&mut out, cells.into_iter().map(str::to_owned));

        assert_eq!(out, "plain,\"a,b\",\"say \"\"x\"\"\",\"'=1+1\",\"'-- gap\"\r\n");
    }

    #[test]
    fn a_field_that_nothing_has_is_said_with_what_was_probably_meant() {
        let error = Table::new(&["jobb".to_owned()]).err().unwrap();

        assert!(error.contains("`jobb`") && error.contains("job"), "{error}");
    }
}
