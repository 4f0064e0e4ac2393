//! Mutants of roles that speak Stratum V1: what they say or hear is another line.

use serde_json::Value as Json;
use sv2::role::{Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

use super::{Make, Mutant};

/// All of them.
pub(super) fn mutants() -> Vec<Mutant> {
    let mutant = |id: &str, stands_for: &str, make| Mutant {
        id: id.to_owned(),
        stands_for: stands_for.to_owned(),
        make: Make::Code(make),
    };
    vec![mutant(
        "sv1-prevhash-is-read-as-it-stands",
        "Firmware that does not swap the words of mining.notify's prevhash",
        |role| LineMutant::around(role, swap_prev_hash, keep),
    )]
}

/// What becomes of a line; `false` if it is lost.
type Change = fn(&mut Json) -> bool;

/// A role with one wrong idea of lines.
struct LineMutant {
    inner: Box<dyn Role>,
    hear: Change,
    say: Change,
    inner_out: Outbox,
}

impl LineMutant {
    fn around(inner: Box<dyn Role>, hear: Change, say: Change) -> Box<dyn Role> {
        Box::new(LineMutant { inner, hear, say, inner_out: Outbox::new() })
    }
}

impl Role for LineMutant {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Line { connection, line } => {
                if let Some(line) = changed(&line, self.hear) {
                    let input = Input::Line { connection, line };
                    self.inner.handle(now, input, &mut self.inner_out);
                }
            }
            input => self.inner.handle(now, input, &mut self.inner_out),
        }
        for output in self.inner_out.take() {
            match output {
                Output::Line { connection, line } => {
                    if let Some(line) = changed(&line, self.say) {
                        out.put(Output::Line { connection, line });
                    }
                }
                output => out.put(output),
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

/// What is no JSON stays as it is.
fn changed(line: &bytes::Bytes, change: Change) -> Option<bytes::Bytes> {
    let Ok(mut json) = serde_json::from_slice::<Json>(line) else { return Some(line.clone()) };
    change(&mut json).then(|| json.to_string().into())
}

fn keep(_: &mut Json) -> bool {
    true
}

fn is_call(json: &Json, method: &str) -> bool {
    json.get("method").and_then(Json::as_str) == Some(method)
}

fn swap_prev_hash(json: &mut Json) -> bool {
    if is_call(json, "mining.notify")
        && let Some(Json::String(hash)) = json.pointer_mut("/params/1")
    {
        // Eight digits a word; the bytes of each the other way round.
        let swapped = hash.as_bytes().chunks(8).flat_map(|word| word.chunks(2).rev().flatten());
        *hash = swapped.map(|digit| char::from(*digit)).collect();
    }
    true
}
