//! What is copied of a message, and how it is written.

use super::app::App;
use super::describe;
use super::entry::{Entry, Kind};
use super::tree::TreeLine;
use crate::decode::{Out, write_frame};

/// What [`yanked`] takes.
pub(super) const LETTERS: &str = "h (bytes), j (JSON), m (fields), f (this field), x (test vector)";

/// The message under the cursor, as the letter says; `None` for a letter that says nothing.
pub(super) fn yanked(app: &App, letter: char) -> Option<String> {
    let entry = app.current()?;
    let bytes = frame_bytes(&entry);
    match letter {
        'h' => Some(describe::hex(&bytes)),
        'j' => json(&entry),
        'm' => {
            let line = |line: &TreeLine| {
                format!("{}{}: {}", "  ".repeat(line.depth), line.name, line.text)
            };
            let lines: Vec<String> = app.tree().iter().map(line).collect();
            Some(format!("{}\n{}", describe::name(&entry), lines.join("\n")))
        }
        'f' => app.tree().get(app.field).map(|line| line.text.clone()),
        'x' => Some(format!(
            "{{\"comment\": \"{}, #{} of {}\", \"input\": {{\"frame\": \"{}\"}}}}",
            describe::name(&entry),
            entry.number,
            app.session.name.escape_default(),
            describe::hex(&bytes)
        )),
        _ => None,
    }
}

/// As `assay decode -o jsonl` has it; nothing of what is no frame.
fn json(entry: &Entry) -> Option<String> {
    let (Kind::Frame { frame, .. }, Some(integrity)) = (&entry.what, entry.integrity) else {
        return None;
    };
    let (number, connection) = (entry.number, entry.connection);
    let mut out = Out::from(format!("{{\"v\":1,\"n\":{number},\"conn\":\"c{connection}\""));
    write_frame(&mut out, frame, integrity, true);
    out.push('}');
    Some(out.into_string())
}

/// Header and payload, in clear; nothing of what is no frame.
pub(crate) fn frame_bytes(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    match &entry.what {
        Kind::Frame { frame, .. } => frame.write(&mut bytes),
        Kind::Line(line) => bytes.extend_from_slice(line.as_bytes()),
        _ => {}
    }
    bytes
}
