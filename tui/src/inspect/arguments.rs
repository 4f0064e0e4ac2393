//! The options of `assay inspect`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use sv2_capture::rules::Policy;

use super::app::{App, Reading};
use super::covered::Covered;
use super::far_marks::FarMarks;
use super::index_file::IndexFile;
use super::keys::Keymap;
use super::list_columns::ListColumns;
use super::live::{Live, Look};
use super::open::{from_index, name, note, open};
use super::remarks::Remarks;
use super::session::Session;
use super::theme::{Theme, ThemeName};
use super::{show, text};
use crate::capture::{Input, Judgement, Redaction, UNREADABLE};
use crate::outcome::Outcome;
use crate::print;

#[derive(Debug, Args)]
#[command(
    about = "Look at a capture on the terminal: messages, channels, jobs, shares, what is wrong and why",
    after_help = "Examples:\n  \
        assay inspect run.pcapng\n  \
        assay inspect run.pcapng --key-log keys.log --filter 'ch == 7 && sev >= W'\n  \
        assay inspect tap:/run/assay.sock        what a tap sees, as it sees it\n  \
        assay inspect -f growing.pcapng          a file that somebody writes\n  \
        assay inspect --redact all run.pcapng    with others: a private screen, redacted copies\n  \
        assay inspect run.pcapng | less          text, where the output is no terminal\n\n\
        Read are pcap and pcapng, packed by gzip or zstd or not; several files are merged by\n\
        time. Noise is opened with the keys in the capture, or those of --key-log. Press ? for\n\
        the keys. A filter compares fields with values: `msg == Submit*`,\n\
        `latency > 250ms`, `SetTarget.maximum_target contains 00ff`, `rejected`, `pair(#12)`.\n\n\
        A capture above 16 MB leaves an index beside it, FILE.sv2idx, with which it opens at once\n\
        the next time. It becomes about as large as the capture unpacked (10 GB for 10 GB), is\n\
        not begun where the disk has less room left, and can be deleted. --no-index does without:\n\
        as much is taken in TMPDIR then, and given back at the end.\n\n\
        Exit codes: 0 looked at, 3 no capture, 4 usage."
)]
pub(crate) struct Inspect {
    #[command(flatten)]
    input: Input,

    /// Show what this filter takes
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,

    #[command(flatten)]
    redaction: Redaction,

    #[command(flatten)]
    judgement: Judgement,

    /// No signs beyond ASCII
    #[arg(long)]
    ascii: bool,

    /// Which colours
    #[arg(long, value_enum, value_name = "THEME", default_value_t)]
    theme: ThemeName,

    /// Columns of the list of messages, with their widths if they are not the usual, such as
    /// n,t,conn,msg:22,latency,SetTarget.maximum_target,info
    #[arg(long, value_name = "LIST", default_value = "", hide_default_value = true)]
    columns: String,

    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,

    /// Neither use nor make FILE.sv2idx, which opens a large capture at once the next time, and
    /// becomes about as large as the capture is (unpacked)
    #[arg(long)]
    no_index: bool,

    /// A file of keys; without it ~/.config/assay/keys.toml, if there is one
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Print the keys as such a file, and end
    #[arg(long)]
    print_keys: bool,
}

/// Runs `assay inspect`.
pub(crate) fn run(command: &Inspect) -> Outcome {
    inspect(command).unwrap_or_else(|outcome| outcome)
}

fn inspect(command: &Inspect) -> Result<Outcome, Outcome> {
    let keymap = keymap(command.keys.as_deref())?;
    if command.print_keys {
        print::text(keymap.to_toml());
        return Ok(Outcome::Done);
    }
    let input = &command.input;
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let is_text = !std::io::stdout().is_terminal() || is_dumb;
    if is_text {
        input.expect_an_end()?
    } else {
        input.expect_files()?
    };
    let policy = command.judgement.policy()?;
    if let Err(error) = sv2_capture::filter::Filter::parse(&command.filter) {
        let at = error.span.start;
        return Err(Outcome::usage(format!("--filter {}: at {at}: {error}", command.filter)));
    }
    let index = if command.no_index { None } else { IndexFile::of(input, &policy) };
    let columns = match command.columns.as_str() {
        "" => None,
        list => Some(
            ListColumns::parse(list)
                .map_err(|error| Outcome::usage(format!("--columns {list}: {error}")))?,
        ),
    };
    let redact = command.redaction.redact;
    let mut covered = redact.map(|categories| Covered::new(categories, policy.clone()));
    let unreadable = |why| Outcome::Said(why, UNREADABLE);
    let (mut session, live) = match is_text {
        true => (open(input, policy, index, covered.as_mut()).map_err(unreadable)?, None),
        false => begin(input, policy, index)?,
    };
    // Beside the first file; what is no file has no remarks.
    let remarks = input.files.first().filter(|file| file.is_file());
    let remarks = remarks.map(|file| Remarks::path(file));
    if let Some(path) = &remarks
        && let Some(text) = read_if_there(path)?
    {
        session.remarks = Remarks::parse(&path.display().to_string(), &text)
            .map_err(|error| Outcome::usage(error.to_string()))?;
    }
    let mut app = App::new(session, theme(command), keymap);
    app.reading = match (&live, input.is_live()) {
        (None, _) => Reading::Ended,
        (Some(_), true) => Reading::Live,
        (Some(_), false) => Reading::Going,
    };
    app.columns = columns;
    (app.redact, app.is_private) = (redact, redact.is_some());
    if let Some(path) = FarMarks::path()
        && !is_text
        && let Some(text) = read_if_there(&path)?
    {
        app.far_marks = FarMarks::parse(&path.display().to_string(), &text)
            .map_err(|error| Outcome::usage(error.to_string()))?;
    }
    let are_files = input.files.iter().all(|file| file.is_file());
    app.origin = input.files.first().filter(|_| are_files).cloned();
    app.set_filter(&command.filter);
    if live.is_none() && app.said.is_empty() {
        app.end_reading();
    }
    if is_text {
        text::print(&app, covered.as_ref().map(|covered| &covered.session));
        return Ok(Outcome::Done);
    }
    let shown = show(app, input, live, remarks.as_deref(), !command.no_mouse);
    let failure = shown.map_err(|error| Outcome::usage(format!("the terminal failed: {error}")))?;
    Ok(failure.map_or(Outcome::Done, |why| Outcome::Said(why, UNREADABLE)))
}

/// Reads beside the screen. The first observations are waited for, unless others are still to make
/// them: what is no capture is said without a screen.
fn begin(
    input: &Input,
    policy: Policy,
    index: Option<IndexFile>,
) -> Result<(Session, Option<Live>), Outcome> {
    if let Some(session) = from_index(index.as_ref(), input, true) {
        return Ok((session, None));
    }
    let mut session = Session::of(input, name(input)).indexed(index);
    let is_twice = session.can_read_again() && !input.is_live();
    let live = Live::begin(input.clone(), policy, is_twice)
        .map_err(|error| Outcome::usage(format!("there is no thread to read with: {error}")))?;
    if input.is_live() {
        return Ok((session, Some(live)));
    }
    let Look::Ended(ended) = live.wait(&mut session) else { return Ok((session, Some(live))) };
    let end = ended.map_err(|why| Outcome::Said(why, UNREADABLE))?;
    if let Some(complaint) = end.complaints.first() {
        return Err(Outcome::Said(complaint.clone(), UNREADABLE));
    }
    note(&mut session, &end);
    Ok((session, None))
}

fn theme(command: &Inspect) -> Theme {
    let has_color = anstream::stdout().current_choice() != anstream::ColorChoice::Never
        && std::env::var_os("NO_COLOR").is_none();
    let name = if has_color { command.theme } else { ThemeName::Mono };
    Theme::new(name.settled(std::env::var("COLORFGBG").ok().as_deref()), !command.ascii)
}

/// The keys that the user has chosen.
fn keymap(file: Option<&Path>) -> Result<Keymap, Outcome> {
    let (path, text) = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Outcome::usage(format!("cannot read {}: {error}", path.display()))
            })?;
            (path.to_owned(), text)
        }
        None => {
            let Some(path) = default_keys() else { return Ok(Keymap::default()) };
            let Some(text) = read_if_there(&path)? else { return Ok(Keymap::default()) };
            (path, text)
        }
    };
    let keymap = Keymap::parse(&path.display().to_string(), &text);
    keymap.map_err(|error| Outcome::usage(error.to_string()))
}

/// As the XDG Base Directory Specification says.
fn default_keys() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("assay/keys.toml"))
}

/// `None` if there is no such file.
fn read_if_there(path: &Path) -> Result<Option<String>, Outcome> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Outcome::usage(format!("cannot read {}: {error}", path.display()))),
    }
}
