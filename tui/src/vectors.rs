//! `assay vectors`: test vectors for other languages.

use std::path::Path;

use conformance::vectors;

use crate::arguments::Vectors;
use crate::outcome::Outcome;
use crate::print;

/// Runs `assay vectors`.
pub(crate) fn run(command: &Vectors) -> Outcome {
    match command {
        Vectors::Write { directory } => match vectors::write(directory) {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::usage(error.to_string()),
        },
        Vectors::Check { directory } => check(directory),
    }
}

fn check(directory: &Path) -> Outcome {
    let fresh = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Outcome::usage(format!("no temporary folder: {error}")),
    };
    if let Err(error) = vectors::write(fresh.path()) {
        return Outcome::usage(error.to_string());
    }
    let mut differs = false;
    for (name, _) in vectors::generate() {
        let [ours, theirs] =
            [fresh.path(), directory].map(|folder| std::fs::read(folder.join(name)));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            (_, Err(error)) => {
                print::line(format_args!("{name}: {error}"));
                differs = true;
            }
            _ => {
                print::line(format_args!("{name} differs from what this program would write"));
                differs = true;
            }
        }
    }
    if differs { Outcome::Code(1) } else { Outcome::Done }
}
