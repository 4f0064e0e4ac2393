//! `assay stats`: how many of what, by message and by connection; what became of shares, and how
//! long answers took.

mod counts;

use std::sync::atomic::Ordering;

use clap::Args;
use sv2_capture::rules::Policy;

use crate::capture::{Flow, Input, Redaction, Seen, Verdict, covered, walk};
use crate::interruption::{self, INTERRUPTED};
use crate::outcome::Outcome;
use counts::Counts;

#[derive(Debug, Args)]
#[command(
    about = "Count the messages of a capture: by kind and connection, verdicts, latencies",
    after_help = "Examples:\n  \
        assay stats run.pcapng\n  \
        assay stats pool.pcap --key-log keys.log --json | jq .latencies\n  \
        assay stats run.pcapng --redact users,ips\n\n\
        Exit codes: 0 everything was counted, 3 a file cannot be read (on), 4 usage, or no room\n\
        for what is written, 6 something could not be decrypted or found again behind a gap,\n\
        130 interrupted: up to there.",
    mut_arg("files", |files| files.help("Captures; - is standard input")),
    mut_arg("follow", |follow| follow.hide(true))
)]
pub(crate) struct Stats {
    #[command(flatten)]
    input: Input,

    #[command(flatten)]
    redaction: Redaction,

    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs `assay stats`.
pub(crate) fn run(options: &Stats) -> Outcome {
    stats(options).unwrap_or_else(|outcome| outcome)
}

fn stats(options: &Stats) -> Result<Outcome, Outcome> {
    options.input.expect_an_end()?;
    let mut counts = Counts::default();
    let mut cover = options.redaction.cover(&Policy::default());
    let mut verdict = Verdict::default();
    let interrupted = interruption::flag()?;
    let mut see = |seen: &Seen<'_>| {
        verdict.note(seen);
        covered(&mut cover, seen, &mut |seen| counts.take(seen));
        match interrupted.load(Ordering::Relaxed) {
            true => Flow::Stop,
            false => Flow::GoOn,
        }
    };
    let end = walk(&options.input, Policy::default(), &mut see, &mut || Flow::GoOn);
    if let Ok(end) = &end {
        match options.json {
            true => counts.print_json(end),
            false => counts.print_text(end),
        }
    }
    if interrupted.load(Ordering::Relaxed) {
        anstream::eprintln!("note: interrupted; what comes behind is not counted");
        return Ok(Outcome::Code(INTERRUPTED));
    }
    verdict.outcome(end, None)
}
