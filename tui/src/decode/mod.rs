//! `assay decode`: a capture without a terminal.

mod csv;
mod json;
mod options;
mod out;
mod text;
mod values;

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;

use sv2_capture::observed::What;
use sv2_capture::rules::Policy;

use crate::capture::{
    Choice, Copy, Flow, Plain, Seen, Verdict, covered, glance, is_read, is_set_up, walk,
};
use crate::outcome::Outcome;
use csv::Table;
pub(crate) use json::write_frame;
pub(crate) use options::Decode;
use options::Form;
pub(crate) use out::Out;
use text::Detail;

/// Text that is written at once, in bytes.
const BATCH_LEN: usize = 64 << 10;

/// Runs `assay decode`.
pub(crate) fn run(options: &Decode) -> Outcome {
    decode(options, &mut io::stdout().lock()).unwrap_or_else(|outcome| outcome)
}

fn decode(options: &Decode, out: &mut dyn Write) -> Result<Outcome, Outcome> {
    options.input.expect_files()?;
    let policy = options.judgement.policy()?;
    let choice = Choice::new(&options.filter, &options.input, &policy)?;
    if options.write.as_deref() == Some(Path::new("-")) {
        return Err(Outcome::usage("-w needs the name of a file: a copy is not printed"));
    }
    match &options.write {
        Some(path) if options.plain || options.redaction.redact.is_some() => {
            write_plain(options, &choice, policy, path)
        }
        Some(path) => write_copy(options, &choice, policy, path),
        None => print(options, &choice, policy, out),
    }
}

fn print(
    options: &Decode,
    choice: &Choice,
    policy: Policy,
    out: &mut dyn Write,
) -> Result<Outcome, Outcome> {
    let table = Table::new(&options.fields).map_err(Outcome::Usage)?;
    let mut printer = Printer { out, text: Out::default(), is_gone: false };
    let mut verdict = Verdict::default();
    let mut lines = json::Lines::new(options.raw);
    let detail = Detail { verbose: options.verbose, hex: options.hex };
    if options.output == Form::Csv {
        table.write_head(&mut printer.text);
    }
    let printer = RefCell::new(&mut printer);
    let mut cover = options.redaction.cover(&policy);
    let mut see = |seen: &Seen<'_>| {
        verdict.note(seen);
        let is_chosen = choice.takes(seen);
        if !is_chosen && cover.is_none() {
            return Flow::GoOn;
        }
        let mut printer = printer.borrow_mut();
        let text = &mut printer.text;
        let mut write = |seen: &Seen<'_>| match options.output {
            Form::Text => text::write(text, seen, detail),
            Form::Jsonl => lines.write(text, seen),
            Form::Csv => table.write(text, seen),
        };
        covered(&mut cover, seen, &mut |seen| {
            if is_chosen {
                write(seen);
            }
        });
        if printer.text.len() >= BATCH_LEN { printer.flush() } else { Flow::GoOn }
    };
    let is_said_by_itself = options.output == Form::Csv
        && table.is_said_by_itself()
        && choice.takes_all()
        && options.redaction.redact.is_none()
        && options.fail_on.is_none();
    let mut idle = || printer.borrow_mut().flush();
    let end = match is_said_by_itself {
        true => glance(&options.input, &mut see, &mut idle),
        false => walk(&options.input, policy, &mut see, &mut idle),
    };
    printer.borrow_mut().flush();
    verdict.outcome(end, options.fail_on)
}

/// Output in batches. A reader that has gone away has seen enough.
struct Printer<'a> {
    out: &'a mut dyn Write,
    text: Out,
    is_gone: bool,
}

impl Printer<'_> {
    fn flush(&mut self) -> Flow {
        if !self.text.is_empty() {
            let written = self.out.write_all(self.text.as_bytes()).and_then(|()| self.out.flush());
            self.is_gone |= written.is_err();
            crate::print::note(written);
            self.text.clear();
        }
        if self.is_gone { Flow::Stop } else { Flow::GoOn }
    }
}

fn write_plain(
    options: &Decode,
    choice: &Choice,
    policy: Policy,
    path: &Path,
) -> Result<Outcome, Outcome> {
    let failed = |error: io::Error| Outcome::usage(format!("{}: {error}", path.display()));
    if is_read(&options.input, path) {
        return Err(Outcome::usage(format!("{}: this is what is read", path.display())));
    }
    let mut cover = options.redaction.cover(&policy);
    let mut out = Plain::create(path, !choice.takes_all()).map_err(failed)?;
    let mut verdict = Verdict::default();
    let mut failure = None;
    let mut chosen_count = 0_u64;
    let mut see = |seen: &Seen<'_>| {
        verdict.note(seen);
        let observed = &seen.found.observed;
        // By the set-up readers know what a connection in clear speaks, and of which channels.
        let is_message = match observed.what {
            What::Frame { frame, .. } => !is_set_up(frame),
            What::Line { .. } => true,
            _ => false,
        };
        let is_chosen = choice.takes(seen);
        chosen_count += u64::from(is_chosen);
        if is_message && !is_chosen {
            return Flow::GoOn;
        }
        let mut written = Ok(());
        covered(&mut cover, seen, &mut |seen| written = out.write(&seen.found.observed));
        match written {
            Ok(()) => Flow::GoOn,
            Err(error) => {
                failure = Some(error);
                Flow::Stop
            }
        }
    };
    let end = walk(&options.input, policy, &mut see, &mut || Flow::GoOn);
    match failure.or_else(|| out.finish().err()) {
        Some(error) => Err(failed(error)),
        None => {
            say_if_nothing(chosen_count, path);
            verdict.outcome(end, options.fail_on)
        }
    }
}

/// Whoever sees an empty capture would look for the reason elsewhere.
fn say_if_nothing(chosen_count: u64, path: &Path) {
    if chosen_count == 0 {
        anstream::eprintln!("note: the filter takes nothing that could be in {}", path.display());
    }
}

fn write_copy(
    options: &Decode,
    choice: &Choice,
    policy: Policy,
    path: &Path,
) -> Result<Outcome, Outcome> {
    if options.input.follow {
        return Err(Outcome::usage("-w reads its file twice: what grows needs --plain"));
    }
    let failed = |why: String| Outcome::usage(format!("-w {}: {why}", path.display()));
    let mut copy = Copy::new(&options.input, path).map_err(failed)?;
    let mut verdict = Verdict::default();
    let mut chosen_count = 0_u64;
    let mut see = |seen: &Seen<'_>| {
        verdict.note(seen);
        let is_chosen = choice.takes(seen);
        chosen_count += u64::from(is_chosen);
        copy.note(seen.found, is_chosen)
    };
    let end = walk(&options.input, policy, &mut see, &mut || Flow::GoOn);
    if end.is_ok() {
        say_if_nothing(chosen_count, path);
        copy.write(options.strip_keys).map_err(failed)?;
    }
    verdict.outcome(end, options.fail_on)
}

#[cfg(test)]
mod tests;
