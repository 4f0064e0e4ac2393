//! `assay wireshark`: a dissector in Lua for Wireshark and tshark, from the table of messages.
//!
//! It reads Stratum V2 in clear: the streams that `assay tap --plain` and `assay decode --plain`
//! write. What is behind Noise stays closed to it.

mod script;

use std::path::PathBuf;

use clap::Args;

use crate::outcome::Outcome;
use crate::print;

#[derive(Debug, Args)]
#[command(
    about = "Write a dissector for Wireshark and tshark, made from the table of messages",
    after_help = "Examples:\n  \
        assay wireshark > ~/.local/lib/wireshark/plugins/sv2.lua\n  \
        assay wireshark --output sv2.lua && tshark -X lua_script:sv2.lua -r plain.pcapng\n  \
        tshark -X lua_script:sv2.lua -r plain.pcapng -Y 'sv2.message == \"SubmitShares.Error\"'\n\n\
        Fields are called sv2.MESSAGE.field, such as sv2.SetTarget.maximum_target. Hashes and\n\
        targets are shown most significant digit first. It reads Stratum V2 in clear; captures\n\
        behind Noise are for `assay decode`.\n\n\
        Exit codes: 0 written, 4 usage."
)]
pub(crate) struct Wireshark {
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs `assay wireshark`.
pub(crate) fn run(command: &Wireshark) -> Outcome {
    let script = script::script();
    let Some(path) = &command.output else {
        print::text(script);
        return Outcome::Done;
    };
    match std::fs::write(path, script) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::usage(format!("cannot write to {}: {error}", path.display())),
    }
}
