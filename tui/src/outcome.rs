//! How a command ends: its exit code, and what it says when it fails.

use std::process::ExitCode;

use crate::print;

/// The end of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As wished.
    Done,
    /// Ended by itself with a code of its own, having said why.
    Code(u8),
    /// Ended with a sentence and a code.
    Said(String, u8),
    /// Wrong arguments, or a file that cannot be used.
    Usage(String),
    /// The peer cannot be reached.
    Unreachable(String),
    /// Our own fault.
    Internal(String),
}

impl Outcome {
    /// Wrong arguments, or a file that cannot be used.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Outcome::Usage(text.into())
    }

    /// What the parser of the command line refuses, or prints instead (help, the version). Its own
    /// code for what it refuses is 2, which means something else here.
    pub(crate) fn of_parser(refused: &clap::Error) -> Self {
        let printed = refused.print();
        if refused.use_stderr() {
            return Outcome::Code(USAGE);
        }
        print::note(printed);
        print::failure().map_or(Outcome::Done, Outcome::usage)
    }

    /// Says what is to be said, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Outcome::Done => return ExitCode::SUCCESS,
            Outcome::Code(code) => return ExitCode::from(code),
            Outcome::Said(text, code) => (text, code),
            Outcome::Usage(text) => (text, USAGE),
            Outcome::Unreachable(text) => (text, UNREACHABLE),
            Outcome::Internal(text) => (text, INTERNAL),
        };
        anstream::eprintln!("\x1b[1;31merror\x1b[0m: {text}");
        ExitCode::from(code)
    }
}

/// Usage, configuration or case-file error.
const USAGE: u8 = 4;
/// The target did not start, or cannot be reached.
const UNREACHABLE: u8 = 5;
/// As `sysexits.h` has it.
const INTERNAL: u8 = 70;
