//! The conversations as files, for whoever reads captures: `vectors/captures`, with an index that
//! says what each must find.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::cases::{self, Case};
use crate::talk::{GROUP, Talk, extended_job};

/// Files by name; the index is one of them.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let mut index = String::from(
        "# What the rules must find in each capture, besides nothing. Written by\n\
         # `cargo run -p sv2-capture --example write_captures`.\n",
    );
    let mut files = Vec::new();
    add(&mut files, &mut index, "clean-extended-channel", "nothing is wrong", extended);
    add(&mut files, &mut index, "clean-standard-channel", "nothing is wrong", standard);
    for case in cases::all().filter(|case| is_written(case)) {
        let words = case.about.to_ascii_lowercase().replace('\'', "").replace([' ', ',', '.'], "-");
        let name = format!("{:02}-{}", case.rule, words.replace("--", "-"));
        add(&mut files, &mut index, &name, case.about, case.wrong);
    }
    files.push(("index.toml".to_owned(), index.into_bytes()));
    files
}

fn add(
    files: &mut Vec<(String, Vec<u8>)>,
    index: &mut String,
    name: &str,
    about: &str,
    conversation: fn(&mut Talk),
) {
    let mut talk = Talk::new();
    conversation(&mut talk);
    let finds: Vec<String> = talk.codes().into_iter().collect();
    writeln!(
        index,
        "\n[[capture]]\nfile = \"{name}.pcapng\"\nabout = \"{about}\"\nfinds = {finds:?}"
    )
    .expect("writing to a string does not fail");
    files.push((format!("{name}.pcapng"), talk.into_capture()));
}

/// What a reader must have decrypted or missed cannot be written in clear.
fn is_written(case: &Case) -> bool {
    !matches!(case.rule, 1 | 6) && !case.about.contains("gap")
}

/// Three batches, a fee update, a new block.
pub(crate) fn extended(talk: &mut Talk) {
    *talk = Talk::mining();
    for _ in 0..3 {
        let _ = talk.share();
        let last = talk.share();
        talk.accept(last, 2, 0);
    }
    talk.server(extended_job(GROUP, 2, Some(crate::talk::START)));
    let last = talk.share();
    talk.accept(last, 1, 0);
    talk.server(extended_job(GROUP, 3, None));
    talk.server(crate::talk::tip(GROUP, 3, 2));
}

pub(crate) fn standard(talk: &mut Talk) {
    *talk = Talk::mining_standard();
    for _ in 0..3 {
        let share = talk.standard_share();
        talk.client(share.clone());
        talk.accept(share.sequence_number, 1, 0);
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/captures"))
}
