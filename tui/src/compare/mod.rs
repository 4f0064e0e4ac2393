//! `assay compare`: two captures of the same scenario, and what is not the same in them.
//!
//! Connections are aligned by what they speak, in their order; messages by their direction, channel
//! and name, the first with the first. So a message more or less is told as such and does not shift
//! all others; in which order messages of different names came is not compared, for it is another in
//! each run.

mod conversation;
mod difference;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::capture::{Input, UNREADABLE};
use crate::outcome::Outcome;
use crate::print;
use conversation::{Conversations, Ignored};
use difference::{Difference, differences};

#[derive(Debug, Args)]
#[command(
    about = "Compare two captures of the same scenario, message by message and field by field",
    after_help = "Examples:\n  \
        assay compare before.pcapng after.pcapng\n  \
        assay compare before.pcapng after.pcapng --ignore SubmitSharesStandard,job_id\n  \
        assay compare before.pcapng after.pcapng --strict -o jsonl | jq 'select(.field)'\n\n\
        Connections are aligned by what they speak, in their order; messages by direction, channel\n\
        and name, the first with the first. Of Stratum V1 only methods are compared.\n\n\
        Exit codes: 0 the same, 1 different, 3 a file cannot be read (on), 4 usage, or no room for\n\
        what is written, 6 the same as far as it could be decrypted."
)]
pub(crate) struct Compare {
    /// One capture
    #[arg(value_name = "A")]
    one: PathBuf,

    /// The other
    #[arg(value_name = "B")]
    other: PathBuf,

    /// Keys of sessions, as SV2KEYLOGFILE has them
    #[arg(long = "key-log", value_name = "FILE")]
    key_logs: Vec<PathBuf>,

    /// Leave out fields, messages, or fields of messages: ntime, SetTarget, NewTemplate.version
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    ignore: Vec<String>,

    /// Compare also what differs in every run: times, nonces, tokens, extranonces, hashes of blocks,
    /// coinbase transactions, ports
    #[arg(long)]
    strict: bool,

    /// Form of what is printed
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,

    /// Differences that are printed; all are counted
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    max: usize,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line each
    Text,
    /// An object each
    Jsonl,
}

/// Runs `assay compare`.
pub(crate) fn run(options: &Compare) -> Outcome {
    compare(options).unwrap_or_else(|outcome| outcome)
}

fn compare(options: &Compare) -> Result<Outcome, Outcome> {
    let ignored = Ignored::new(&options.ignore, options.strict).map_err(Outcome::Usage)?;
    let read = |file: &Path| {
        let files = vec![file.to_owned()];
        let input = Input { files, key_logs: options.key_logs.clone(), ..Input::default() };
        input.expect_an_end()?;
        Conversations::read(&input, &ignored).map_err(|why| Outcome::Said(why, UNREADABLE))
    };
    let (one, other) = (read(&options.one)?, read(&options.other)?);
    let mut count = 0_usize;
    differences(&one, &other, &mut |difference| {
        count += 1;
        if count <= options.max {
            print::line(match options.output {
                Form::Text => difference.to_string(),
                Form::Jsonl => difference.to_json(),
            });
        }
    });
    let compared = one.message_count().max(other.message_count());
    match options.output {
        Form::Text if count == 0 => print::line(format_args!("the same: {compared} messages")),
        Form::Text => print::line(format_args!("different: {count} differences")),
        Form::Jsonl => print::line(Difference::summary(count, compared)),
    }
    if count > options.max {
        anstream::eprintln!("note: {} differences more; --max prints them", count - options.max);
    }
    let is_unread = one.is_unread || other.is_unread;
    if is_unread {
        anstream::eprintln!("note: some of it could not be decrypted and was not compared");
    }
    Ok(match (count, is_unread) {
        (0, false) => Outcome::Done,
        (0, true) => Outcome::Code(crate::capture::verdict::UNDECRYPTED),
        _ => Outcome::Code(crate::capture::verdict::FINDINGS),
    })
}

#[cfg(test)]
mod tests;
