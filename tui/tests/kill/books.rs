//! What processes have written down of shares, run after run, whichever way they ended.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Which side of shares a process is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It submits.
    Client,
    /// It answers.
    Server,
}

/// Counts of all runs of a process.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) submitted: u64,
    pub(crate) accepted: u64,
    pub(crate) stale: u64,
    /// By code; late ones left out.
    pub(crate) refused: BTreeMap<String, u64>,
    /// At the ends of connections and processes.
    pub(crate) in_flight: u64,
    /// What no client may see.
    wrong: Vec<String>,
    /// Sent and not answered, by connection and channel, in order.
    open: BTreeMap<(u64, u64), Vec<u64>>,
}

impl Books {
    pub(crate) fn read(folder: &Path, name: &str, role: Role) -> Books {
        let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let mut books = Books::default();
        // The last line of a process that was killed may have no end; the next process begins
        // behind it.
        for line in text.lines() {
            let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
            match role {
                Role::Client => books.client_line(&value),
                Role::Server => books.server_line(&value),
            }
        }
        books.cut_all();
        books
    }

    /// Each share has one answer, or was in flight at a cut.
    pub(crate) fn check(&self, who: &str) {
        assert!(self.wrong.is_empty(), "{who}: {:#?}", self.wrong);
        let refused: u64 = self.refused.values().sum();
        let answered = self.accepted + self.stale + refused;
        assert_eq!(self.submitted, answered + self.in_flight, "{who}: {self}");
        assert!(self.accepted > 0, "{who}: {self}");
        assert_eq!(refused, 0, "{who}: {self}");
    }

    fn client_line(&mut self, line: &Value) {
        let fields = &line["fields"];
        let number = |name: &str| fields[name].as_u64().unwrap_or_default();
        let channel = (number("connection"), number("channel_id"));
        match line["event"].as_str().unwrap_or_default() {
            // The first words of a process: what the one before it had open is cut.
            "note" if line["text"].as_str().is_some_and(is_first_words) => self.cut_all(),
            "share-submitted" => {
                self.submitted += 1;
                self.open.entry(channel).or_default().push(number("sequence_number"));
            }
            "shares-acknowledged" => {
                let last = number("last_sequence_number");
                let open = self.open.entry(channel).or_default();
                let at = open.iter().position(|sequence| *sequence == last);
                let count = at.map_or(0, |at| open.drain(..=at).count() as u64);
                self.accepted += count;
                if count != number("accepted_count") {
                    self.wrong.push(format!("{count} open shares are answered by {line}"));
                }
            }
            "share-refused" => {
                let sequence = number("sequence_number");
                let open = self.open.entry(channel).or_default();
                let before = open.len();
                open.retain(|other| *other != sequence);
                if open.len() == before {
                    self.wrong.push(format!("nobody has sent the share of {line}"));
                }
                match fields["error_code"].as_str().unwrap_or_default() {
                    "stale-share" => self.stale += 1,
                    // Stratum V1: there is no such job, any more.
                    code if code.starts_with("21 ") => self.stale += 1,
                    code => *self.refused.entry(code.to_owned()).or_default() += 1,
                }
            }
            "connection-closed" => {
                let connection = number("connection");
                let Books { open, in_flight, .. } = self;
                open.retain(|(of, _), sent| {
                    let is_kept = *of != connection;
                    *in_flight += if is_kept { 0 } else { sent.len() as u64 };
                    is_kept
                });
            }
            _ => {}
        }
    }

    fn server_line(&mut self, line: &Value) {
        match line["event"].as_str().unwrap_or_default() {
            "share-accepted" => {
                self.submitted += 1;
                self.accepted += 1;
            }
            "share-rejected" => {
                self.submitted += 1;
                match line["fields"]["error_code"].as_str().unwrap_or_default() {
                    "stale-share" => self.stale += 1,
                    code => *self.refused.entry(code.to_owned()).or_default() += 1,
                }
            }
            _ => {}
        }
    }

    fn cut_all(&mut self) {
        let cut = std::mem::take(&mut self.open);
        self.in_flight += cut.values().map(|open| open.len() as u64).sum::<u64>();
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Books { submitted, accepted, stale, refused, in_flight, .. } = self;
        write!(f, "{submitted} submitted = {accepted} accepted + {stale} late + ")?;
        write!(f, "{in_flight} in flight at a cut")?;
        if refused.is_empty() { Ok(()) } else { write!(f, " + refused: {refused:?}") }
    }
}

/// Of a role that listens, its URL; of a device, whom it mines for.
fn is_first_words(text: &str) -> bool {
    ["stratum2+tcp://", "stratum+tcp://", "mining for "].iter().any(|first| text.starts_with(first))
}

/// Lines that tell of one kind of event.
pub(crate) fn count_of(path: &Path, event: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let is_it = format!("\"event\":\"{event}\"");
    text.lines().filter(|line| line.contains(&is_it)).count() as u64
}

/// Shares in the pool's accounts.
pub(crate) fn accounts(folder: &Path) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["accounts", "--json", folder.join("accounts").to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["accepted"].as_u64()).sum()
}
