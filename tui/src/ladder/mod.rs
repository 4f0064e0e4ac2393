//! `assay ladder`: who says what to whom, as a drawing to be pasted where people talk about it.

mod markdown;
mod mermaid;

use std::rc::Rc;

use clap::{Args, ValueEnum};
use sv2_capture::filter::Filter;

use crate::capture::{Flow, Input, Judgement, Redaction, Seen, Verdict, walk};
use crate::inspect::lanes::Lanes;
use crate::inspect::{Covered, Entry, Session, describe};
use crate::outcome::Outcome;
use crate::print;

#[derive(Debug, Args)]
#[command(
    about = "Draw who says what to whom in a capture: text, Mermaid, Markdown",
    after_help = "Examples:\n  \
        assay ladder run.pcapng\n  \
        assay ladder run.pcapng --filter 'around(#81244, 2s)' -o mermaid\n  \
        assay ladder run.pcapng --filter 'ch == 7 && rejected' -o markdown >> issue.md\n  \
        assay ladder run.pcapng --redact all -o mermaid\n\n\
        Exit codes: 0 everything was shown in clear, 3 a file cannot be read (on), 4 usage, or no\n\
        room for what is written, 6 something could not be decrypted or found again behind a gap.",
    mut_arg("files", |files| files.help("Captures; - is standard input")),
    mut_arg("follow", |follow| follow.hide(true))
)]
pub(crate) struct Ladder {
    #[command(flatten)]
    input: Input,

    /// Draw what this filter takes
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,

    /// Form of the drawing
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,

    /// Characters of a line of text
    #[arg(long, value_name = "COUNT", default_value_t = 120, value_parser = clap::value_parser!(u16).range(40..=1000))]
    width: u16,

    /// Messages that are drawn; further ones are counted
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    max: usize,

    #[command(flatten)]
    redaction: Redaction,

    #[command(flatten)]
    judgement: Judgement,
}

/// Form of the drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lanes and arrows of letters
    Text,
    /// A sequence diagram of Mermaid
    Mermaid,
    /// A table
    Markdown,
}

/// Runs `assay ladder`.
pub(crate) fn run(options: &Ladder) -> Outcome {
    ladder(options).unwrap_or_else(|outcome| outcome)
}

fn ladder(options: &Ladder) -> Result<Outcome, Outcome> {
    options.input.expect_an_end()?;
    let filter = Filter::parse(&options.filter).map_err(|error| {
        let at = error.span.start;
        Outcome::usage(format!("--filter {}: at {at}: {error}", options.filter))
    })?;
    let policy = options.judgement.policy()?;
    let mut covered =
        options.redaction.redact.map(|categories| Covered::new(categories, policy.clone()));
    let mut session = Session::of(&options.input, String::new());
    let mut verdict = Verdict::default();
    let mut see = |seen: &Seen<'_>| {
        verdict.note(seen);
        session.take(seen);
        if let Some(covered) = &mut covered {
            covered.take(seen);
        }
        Flow::GoOn
    };
    let end = walk(&options.input, policy, &mut see, &mut || Flow::GoOn);
    if end.is_ok() {
        let places = session.places(&filter);
        // Places are the same in both.
        let session = covered.map_or(session, |covered| covered.session);
        let drawn = places.iter().take(options.max);
        let made: Vec<Rc<Entry>> = drawn.filter_map(|place| session.entry(*place)).collect();
        let entries: Vec<&Entry> = made.iter().map(|entry| &**entry).collect();
        let connections = entries.iter().map(|entry| entry.connection);
        let lanes = Lanes::of(&session, connections, LANES_MAX);
        match options.output {
            Form::Text => draw(&session, &lanes, &entries, options.width.into()),
            Form::Mermaid => print::text(mermaid::drawing(&session, &lanes, &entries)),
            Form::Markdown => print::text(markdown::table(&session, &lanes, &entries)),
        }
        let more = places.len() - entries.len();
        if more > 0 {
            anstream::eprintln!("note: {more} messages more; --max draws them");
        }
    }
    verdict.outcome(end, None)
}

fn draw(session: &Session, lanes: &Lanes, entries: &[&Entry], width: usize) {
    let room = width.saturating_sub(TIME_WIDTH) / lanes.ends.len().max(1);
    let lane_width = room.max(LANE_WIDTH_MIN);
    print::line(format!("{:TIME_WIDTH$}{}", "", lanes.heading(lane_width, false)).trim_end());
    for entry in entries {
        let time = time(session, entry);
        let label = format!("{} {}", describe::name(entry), entry.info);
        let codes = codes(session, entry);
        match lanes.arrow(session, entry) {
            Some(arrow) => {
                let [before, line, after] = lanes.row(arrow, lane_width, "|", &label);
                let line = format!("{time:>TIME_WIDTH$}{before}{line}{after} {codes}");
                print::line(line.trim_end());
            }
            None => print::line(format!("{time:>TIME_WIDTH$} {label} {codes}").trim_end()),
        }
    }
}

/// Seconds since the capture began.
fn time(session: &Session, entry: &Entry) -> String {
    let since = entry.at.saturating_sub(session.start());
    format!("{}.{:03} ", since / 1_000_000_000, since % 1_000_000_000 / 1_000_000)
}

/// Of what is wrong.
fn codes(session: &Session, entry: &Entry) -> String {
    let codes: Vec<String> =
        session.findings_of(entry).map(sv2_capture::rules::Finding::code).collect();
    codes.join(" ")
}

/// Text of peers with every sign of a markup language written in another way, on one line.
fn replaced(text: &str, markup: &[char], escape: impl Fn(char) -> String) -> String {
    let letters = text.chars().map(|letter| match letter {
        sign if markup.contains(&sign) => escape(sign),
        control if control.is_control() => " ".to_owned(),
        letter => letter.to_string(),
    });
    letters.collect()
}

const TIME_WIDTH: usize = 12;
const LANE_WIDTH_MIN: usize = 12;
/// More are not to be overlooked.
const LANES_MAX: usize = 24;
