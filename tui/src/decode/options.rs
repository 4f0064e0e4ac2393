//! The options of `assay decode`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sv2_capture::rules::Severity;

use crate::capture::{Input, Judgement, Redaction, severity};

#[derive(Debug, Args)]
#[command(
    about = "Print the messages of a capture: text, JSON lines, CSV, another capture",
    after_help = "Examples:\n  \
        assay decode run.pcapng\n  \
        assay decode run.pcapng.zst -v --filter 'msg == SubmitShares* && ch == 7'\n  \
        assay decode pool.pcap --key-log keys.log -o jsonl | jq 'select(.x)'\n  \
        assay decode run.pcapng -o csv --fields n,t,conn,msg,ch,job,seq,sharediff,verdict\n  \
        assay decode run.pcapng --filter 'conn == 3' -w one.pcapng\n  \
        tcpdump -U -w - port 34254 | assay decode --key-log keys.log -\n  \
        assay decode run.pcapng --redact all -w for-others.pcapng\n  \
        assay decode tap:/run/assay.sock --filter 'sev >= W'\n\n\
        Read are pcap and pcapng, packed by gzip or zstd or not; several files are merged by\n\
        time. Keys are taken from the capture itself, from --key-log, and from SV2KEYLOGFILE.\n\
        Filters are those of assay inspect; what becomes of a message (`accepted`, `unanswered`,\n\
        `pair(#12)`) is known at the end only, and makes a file be read twice. A redacted copy\n\
        (--redact with -w) is in clear, without keys and comments; it keeps numbers, hashes,\n\
        times, ports, names of products, and the transactions of others.\n\n\
        Exit codes: 0 everything was shown in clear, 1 findings as bad as --fail-on, 3 a file\n\
        cannot be read (on), 4 usage, or no room for what is written, 6 something could not be\n\
        decrypted or found again behind a gap."
)]
pub(crate) struct Decode {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Show what this filter takes
    #[arg(long, value_name = "FILTER", default_value = "")]
    pub(crate) filter: String,

    /// Form of what is printed
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    pub(crate) output: Form,

    /// Every field on a line of its own; twice: with types and places
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// The bytes of each message in hexadecimal
    #[arg(short = 'x', long)]
    pub(crate) hex: bool,

    /// The payload in hexadecimal, with -o jsonl
    #[arg(long)]
    pub(crate) raw: bool,

    /// Columns of CSV: any field that filters know, such as
    /// n,t,conn,dir,msg,ch,job,latency,SetTarget.maximum_target
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "n,t,conn,dir,msg,ch,len,info"
    )]
    pub(crate) fields: Vec<String>,

    /// Write what was chosen to a capture instead of printing it: each message as it was sent, at
    /// its time, and the handshakes, keys and set-up without which it could not be read and
    /// understood. What is left out is no gap there, and no rule misses it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Leave the keys out of what -w writes
    #[arg(long, requires = "write", conflicts_with = "plain")]
    pub(crate) strip_keys: bool,

    /// Write the messages in clear, in packets made for them, for tools that know no Noise
    #[arg(long, requires = "write")]
    pub(crate) plain: bool,

    #[command(flatten)]
    pub(crate) redaction: Redaction,

    #[command(flatten)]
    pub(crate) judgement: Judgement,

    /// Exit with 1 if something as bad is found: chat, note, warning or error
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) fail_on: Option<Severity>,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A line each, or with -v a tree
    Text,
    /// An object each; see vectors/decode.schema.json
    Jsonl,
    /// RFC 4180, with a line of names
    Csv,
}
