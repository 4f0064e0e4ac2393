//! A table for issues.

use std::fmt::Write as _;

use super::{codes, replaced, time};
use crate::inspect::lanes::{Lanes, name};
use crate::inspect::{Entry, Session, describe};

/// The whole table.
pub(super) fn table(session: &Session, lanes: &Lanes, entries: &[&Entry]) -> String {
    // Writing to a string does not fail.
    let mut out = String::from("| # | seconds | from | to | message | info | found |\n");
    out.push_str("| ---: | ---: | --- | --- | --- | --- | --- |\n");
    for entry in entries {
        let arrow = lanes.arrow(session, entry);
        let end = |lane: Option<usize>| {
            lane.map_or_else(String::new, |lane| name(lanes.ends[lane], false))
        };
        let _ = writeln!(
            out,
            "| {} | {}| {} | {} | {} | {} | {} |",
            entry.number,
            time(session, entry),
            escaped(&end(arrow.map(|arrow| arrow.from))),
            escaped(&end(arrow.map(|arrow| arrow.to))),
            escaped(&describe::name(entry)),
            escaped(&entry.info),
            codes(session, entry),
        );
    }
    out
}

/// Text of peers cannot leave its cell or become markup.
fn escaped(text: &str) -> String {
    replaced(text, MARKUP, |letter| format!("\\{letter}"))
}

const MARKUP: &[char] = &['|', '<', '>', '*', '_', '`', '[', ']', '#', '~', '\\'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_write_stays_in_its_cell() {
        assert_eq!(escaped("a|b\n<img>*"), "a\\|b \\<img\\>\\*");
    }
}
