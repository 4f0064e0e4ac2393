//! The options of `assay inspect`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use sv2::noise::AuthorityPublicKey;
use sv2_capture::rules::Policy;

use super::app::App;
use super::open::{Sources, open};
use super::theme::Theme;
use super::{show, text};
use crate::outcome::Outcome;

#[derive(Debug, Args)]
#[command(
    about = "Look at a capture on the terminal: messages, channels, jobs, shares, what is wrong and why",
    after_help = "Examples:\n  \
        assay inspect run.pcapng\n  \
        assay inspect run.pcapng --key-log keys.log --filter 'ch == 7 && sev >= W'\n  \
        assay inspect run.pcapng | less          text, where the output is no terminal\n\n\
        pcap and pcapng are read. Noise is opened with the keys in the capture, or those of\n\
        --key-log. Press ? for the keys. A filter compares fields with values: `msg == Submit*`,\n\
        `latency > 250ms`, `SetTarget.maximum_target contains 00ff`, `rejected`, `pair(#12)`.\n\n\
        Exit codes: 0 looked at, 4 usage, or no capture."
)]
pub(crate) struct Inspect {
    /// The capture
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Keys of sessions, as SV2KEYLOGFILE has them
    #[arg(long, value_name = "FILE")]
    key_log: Vec<PathBuf>,

    /// Check certificates against this authority
    #[arg(long, value_name = "KEY")]
    authority: Option<AuthorityPublicKey>,

    /// Show what this filter takes
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,

    /// Leave rules out, by number: 18,35
    #[arg(long, value_name = "RULES")]
    allow: Vec<String>,

    /// Take what these rules find for an error
    #[arg(long, value_name = "RULES")]
    deny: Vec<String>,

    /// No signs beyond ASCII
    #[arg(long)]
    ascii: bool,
}

/// Runs `assay inspect`.
pub(crate) fn run(command: &Inspect) -> Outcome {
    let mut policy = Policy::default();
    for rules in &command.allow {
        if let Err(error) = policy.allow(rules) {
            return Outcome::usage(format!("--allow {rules}: {error}"));
        }
    }
    for rules in &command.deny {
        if let Err(error) = policy.deny(rules) {
            return Outcome::usage(format!("--deny {rules}: {error}"));
        }
    }
    if let Err(error) = sv2_capture::filter::Filter::parse(&command.filter) {
        let at = error.span.start;
        return Outcome::usage(format!("--filter {}: at {at}: {error}", command.filter));
    }
    let sources = Sources {
        capture: &command.file,
        key_logs: &command.key_log,
        authority: command.authority,
        policy,
    };
    let session = match open(sources) {
        Ok(session) => session,
        Err(error) => return Outcome::usage(error.to_string()),
    };
    let has_color = anstream::stdout().current_choice() != anstream::ColorChoice::Never
        && std::env::var_os("NO_COLOR").is_none();
    let mut app = App::new(session, Theme::new(has_color, !command.ascii));
    app.set_filter(&command.filter);
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if !std::io::stdout().is_terminal() || is_dumb {
        text::print(&app);
        return Outcome::Done;
    }
    match show(app) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::usage(format!("the terminal failed: {error}")),
    }
}
