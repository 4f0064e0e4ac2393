//! A sequence diagram, as Mermaid draws it in issues and documents.

use std::fmt::Write as _;

use super::{codes, replaced};
use crate::inspect::lanes::{Lanes, name};
use crate::inspect::{Entry, Session, describe};

/// The whole drawing.
pub(super) fn drawing(session: &Session, lanes: &Lanes, entries: &[&Entry]) -> String {
    // Writing to a string does not fail.
    let mut out = String::from("sequenceDiagram\n");
    for (place, end) in lanes.ends.iter().enumerate() {
        let _ = writeln!(out, "    participant L{place} as {}", escaped(&name(*end, false)));
    }
    for entry in entries {
        let Some(arrow) = lanes.arrow(session, entry) else { continue };
        let text = format!("#{} {} {}", entry.number, describe::name(entry), entry.info);
        let (from, to) = (arrow.from, arrow.to);
        let _ = match entry.direction {
            Some(_) => writeln!(out, "    L{from}->>L{to}: {}", escaped(text.trim_end())),
            None => writeln!(out, "    Note over L{from},L{to}: {}", escaped(text.trim_end())),
        };
        let codes = codes(session, entry);
        if !codes.is_empty() {
            let _ = writeln!(out, "    Note right of L{to}: {codes}");
        }
    }
    out
}

/// Text of peers cannot end a line or become markup.
fn escaped(text: &str) -> String {
    replaced(text, MARKUP, |letter| format!("#{};", u32::from(letter)))
}

const MARKUP: &[char] = &['#', ';', '<', '>', '"', '&', '`', '%'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_write_stays_text() {
        assert_eq!(escaped("a\nb;<script>%%"), "a b#59;#60;script#62;#37;#37;");
    }
}
