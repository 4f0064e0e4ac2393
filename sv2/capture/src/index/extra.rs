//! What few observations have.

use sv2::wire::U256;

use crate::index::{Reader, Writer};
use crate::read::Piece;
use crate::rules::{Finding, Severity, rule};
use crate::state::Derived;

/// Of one observation.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Where its bytes lie, if not in one piece.
    pub pieces: Vec<Piece>,
    /// As [`Facts::derived`](crate::state::Facts::derived) has it.
    pub derived: Vec<(&'static str, Derived)>,
    /// In the order of the rules.
    pub findings: Vec<Finding>,
    /// In a few words; of what is no message.
    pub info: Option<String>,
    /// The bytes of its message, where there is no file to read them from again.
    pub bytes: Option<Vec<u8>>,
}

impl Extra {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
            && self.derived.is_empty()
            && self.findings.is_empty()
            && self.info.is_none()
            && self.bytes.is_none()
    }

    /// Appends it.
    pub fn write(&self, out: &mut Writer) {
        out.int(self.pieces.len() as u64);
        for Piece { file, at, len } in &self.pieces {
            [u64::from(*file), *at, *len as u64].iter().for_each(|value| out.int(*value));
        }
        out.int(self.derived.len() as u64);
        self.derived.iter().for_each(|(name, value)| write_derived(out, name, value));
        out.int(self.findings.len() as u64);
        self.findings.iter().for_each(|finding| write_finding(out, finding));
        out.option(self.info.as_ref(), |out, info| out.bytes(info.as_bytes()));
        out.option(self.bytes.as_ref(), |out, bytes| out.bytes(bytes));
    }

    /// Reads one; `None` if there is none.
    pub fn read(from: &mut Reader<'_>) -> Option<Extra> {
        let mut extra = Extra::default();
        for _ in 0..from.int()? {
            let (file, at, len) = (from.small()?, from.int()?, from.small()?);
            extra.pieces.push(Piece { file, at, len });
        }
        for _ in 0..from.int()? {
            extra.derived.push(read_derived(from)?);
        }
        for _ in 0..from.int()? {
            extra.findings.push(read_finding(from)?);
        }
        extra.info = from.option(|from| from.text().map(str::to_owned))?;
        extra.bytes = from.option(|from| from.bytes().map(<[u8]>::to_vec))?;
        Some(extra)
    }
}

fn write_derived(out: &mut Writer, name: &'static str, value: &Derived) {
    out.u8(place(&NAMES, name));
    match value {
        Derived::Number(number) => {
            out.u8(0);
            out.f64(*number);
        }
        Derived::Number64(number) => {
            out.u8(1);
            out.int(*number);
        }
        Derived::Word(word) => {
            out.u8(2);
            out.u8(place(&WORDS, word));
        }
        Derived::Hash(hash) => {
            out.u8(3);
            out.raw(&hash.to_le_bytes());
        }
        Derived::Flag(flag) => out.u8(4 + u8::from(*flag)),
    }
}

fn read_derived(from: &mut Reader<'_>) -> Option<(&'static str, Derived)> {
    let name = *NAMES.get(usize::from(from.u8()?))?;
    let value = match from.u8()? {
        0 => Derived::Number(from.f64()?),
        1 => Derived::Number64(from.int()?),
        2 => Derived::Word(WORDS.get(usize::from(from.u8()?))?),
        3 => Derived::Hash(U256::from_le_bytes(from.array()?)),
        flag @ (4 | 5) => Derived::Flag(flag == 5),
        _ => return None,
    };
    Some((name, value))
}

fn write_finding(out: &mut Writer, finding: &Finding) {
    let Finding { rule, severity, number, connection, channel, cause, pair, text } = finding;
    out.u8(rule.number);
    out.u8(severity.number());
    out.int(*number);
    out.int((*connection).into());
    out.option(*channel, |out, channel| out.int(channel.into()));
    out.option(*cause, Writer::int);
    out.option(*pair, Writer::int);
    out.bytes(text.as_bytes());
}

fn read_finding(from: &mut Reader<'_>) -> Option<Finding> {
    let rule = rule(from.u8()?)?;
    let severity = Severity::of_number(from.u8()?)?;
    Some(Finding {
        rule,
        severity,
        number: from.int()?,
        connection: from.small()?,
        channel: from.option(Reader::small)?,
        cause: from.option(Reader::int)?,
        pair: from.option(Reader::int)?,
        text: from.text()?.to_owned(),
    })
}

/// Of a word in a list; one that is missing is read as none, and a test looks for such.
fn place(list: &[&'static str], word: &str) -> u8 {
    list.iter().position(|known| *known == word).and_then(|at| u8::try_from(at).ok()).unwrap_or(255)
}

/// What [`Facts::derived`](crate::state::Facts::derived) calls its values.
const NAMES: [&str; 12] = [
    "job_given_by",
    "job_state",
    "retired_by",
    "hash",
    "diff",
    "target_diff",
    "is_block",
    "repeats",
    "verdict",
    "same_as",
    "first_share",
    "shares",
];
/// The states of a job, and what is said of a share.
const WORDS: [&str; 15] = [
    "future",
    "active",
    "retired",
    "good",
    "duplicate",
    "unknown-job",
    "future-job",
    "stale",
    "wrong-kind",
    "extranonce-size",
    "ntime-too-early",
    "ntime-too-late",
    "version-fixed",
    "version-bits",
    "above-target",
];
