//! What a role's events look like: a line of text, or a JSON object.

use std::io::Write as _;

use sv2::event::Event;

use crate::event_json;

/// Standard output of `assay node`.
#[derive(Clone)]
pub(super) struct Console {
    json: bool,
}

impl Console {
    /// One JSON object a line, or text.
    pub(super) fn new(json: bool) -> Self {
        Console { json }
    }

    /// An event of the role.
    pub(super) fn event(&mut self, event: &Event) {
        if self.json {
            let line = serde_json::json!({
                "event": event.name(), "fields": event_json::fields(event),
                "text": event.to_string(),
            });
            self.print(&line.to_string());
        } else {
            self.print(&event.to_string());
        }
    }

    /// Something that is no event.
    pub(super) fn line(&mut self, text: &str) {
        if self.json {
            self.print(&serde_json::json!({ "event": "note", "text": text }).to_string());
        } else {
            self.print(text);
        }
    }

    fn print(&mut self, line: &str) {
        // A reader that has gone away is no reason to stop mining.
        let _ = writeln!(anstream::stdout(), "{line}");
    }
}
