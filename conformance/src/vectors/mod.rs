//! Test vectors: bytes and what they mean, for implementations in any language.
//!
//! The generator and the verifier of the files in `vectors/`, whose README says how to read
//! them. What a test's result must be is written here by hand; the generator refuses to write
//! a file that our own implementation contradicts ([`verify`]).

mod frames;
mod keys;
mod messages;
mod noise;
mod proofs;
mod seeds;
mod targets;
mod tlvs;
mod transport;
mod value;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sv2::wire::hex::bytes_from_hex as unhex;
use thiserror::Error;

/// Raised whenever a file changes in another way than by new tests.
pub const GENERATOR_VERSION: &str = "1";
/// The specification that the vectors follow.
pub const SPEC_COMMIT: &str = "0f38d51";

/// One file of vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Of this structure, beside the file.
    pub schema: String,
    /// See [`GENERATOR_VERSION`].
    pub generator_version: String,
    /// See [`SPEC_COMMIT`].
    pub spec_commit: String,
    /// What the tests are about, for people.
    pub subject: String,
    /// What each flag means that a test carries.
    pub notes: Map<String, Json>,
    /// Tests that are run in the same way.
    pub groups: Vec<Group>,
}

/// Tests that are run in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What is done with the input: the README has one paragraph for each.
    pub operation: String,
    /// Common to all tests of the group.
    pub parameters: Map<String, Json>,
    /// In no particular order; each stands alone.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Unique within the file; never reused for something else.
    pub id: String,
    /// What is special about it.
    pub comment: String,
    /// What goes in; its members depend on the operation.
    pub input: Json,
    /// What comes out; of a refused input, why.
    pub expected: Json,
    /// Whether it must come out.
    pub result: Outcome,
    /// Reasons and peculiarities, explained in [`File::notes`].
    pub flags: Vec<String>,
}

/// How an implementation must take an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Accepted, and what comes out is as expected.
    Valid,
    /// Refused.
    Invalid,
    /// The specification leaves it open or contradicts itself: refused, or as expected.
    Acceptable,
}

/// The name of each file and what is in it.
pub fn generate() -> Vec<(&'static str, File)> {
    vec![
        ("messages.json", messages::generate()),
        ("frames.json", frames::generate()),
        ("tlvs.json", tlvs::generate()),
        ("targets.json", targets::generate()),
        ("proofs.json", proofs::generate()),
        ("keys.json", keys::generate()),
        ("noise.json", noise::generate()),
    ]
}

/// Runs every test of `file` against our own implementation.
///
/// # Errors
/// The tests that our implementation contradicts; a test that cannot be read is among them.
pub fn verify(file: &File) -> Result<(), Vec<Contradiction>> {
    let mut found = Vec::new();
    for group in &file.groups {
        for test in &group.tests {
            let outcome = match group.operation.as_str() {
                messages::DECODE => messages::verify(&group.parameters, test),
                frames::STREAM => frames::verify(test),
                tlvs::READ => tlvs::verify(test),
                proofs::HEADER | proofs::MERKLE | proofs::COINBASE | proofs::SHARE => {
                    proofs::verify(&group.operation, test)
                }
                keys::PUBLIC_KEY | keys::SECRET_KEY | keys::URL => {
                    keys::verify(&group.operation, test)
                }
                noise::HANDSHAKE | noise::ACT_2 => noise::verify(&group.operation, test),
                transport::LENGTH | transport::SEAL | transport::OPEN => {
                    transport::verify(&group.operation, test)
                }
                operation => targets::verify(operation, test),
            };
            if let Err(why) = outcome {
                found.push(Contradiction { id: test.id.clone(), why });
            }
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// A test that our own implementation does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{id}: {why}")]
pub struct Contradiction {
    /// Of the test.
    pub id: String,
    /// What came out instead.
    pub why: String,
}

/// Writes all files, and the seeds of the fuzzer, into the folder `dir`, which is made if it is
/// missing. Other files there stay.
///
/// # Errors
/// When the folder or a file cannot be written.
///
/// # Panics
/// When our own implementation contradicts a vector: then the vectors are wrong, or we are.
pub fn write(dir: &Path) -> Result<(), WriteError> {
    let files = generate();
    for (name, file) in &files {
        if let Err(contradictions) = verify(file) {
            panic!("{name} contradicts our implementation: {contradictions:#?}");
        }
        write_file(dir, name, to_text(file).as_bytes())?;
    }
    for seed in seeds::generate(&files) {
        write_file(&dir.join("fuzz").join(seed.target), &seed.name, &seed.bytes)?;
    }
    Ok(())
}

fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let wrap = |path: &Path, source| WriteError { path: path.to_owned(), source };
    fs::create_dir_all(dir).map_err(|source| wrap(dir, source))?;
    let path = dir.join(name);
    fs::write(&path, bytes).map_err(|source| wrap(&path, source))
}

/// A file of vectors could not be written.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct WriteError {
    /// The file, or the folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// As it stands on disk.
fn to_text(file: &File) -> String {
    let mut text =
        serde_json::to_string_pretty(file).expect("texts, numbers and lists are always JSON");
    text.push('\n');
    text
}

fn new_file(subject: &str, notes: &[(&str, &str)], groups: Vec<Group>) -> File {
    let notes = notes.iter().map(|(flag, meaning)| ((*flag).to_owned(), Json::from(*meaning)));
    File {
        schema: "schema.json".to_owned(),
        generator_version: GENERATOR_VERSION.to_owned(),
        spec_commit: SPEC_COMMIT.to_owned(),
        subject: subject.to_owned(),
        notes: notes.collect(),
        groups,
    }
}

fn new_group(operation: &str, parameters: Json, tests: Vec<Test>) -> Group {
    let Json::Object(parameters) = parameters else { panic!("parameters are an object") };
    Group { operation: operation.to_owned(), parameters, tests }
}

impl Test {
    fn new(
        id: impl Into<String>,
        comment: impl Into<String>,
        input: Json,
        expected: Json,
        result: Outcome,
        flags: &[&str],
    ) -> Self {
        Test {
            id: id.into(),
            comment: comment.into(),
            input,
            expected,
            result,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        }
    }

    /// The text at `input.name`.
    fn text(&self, name: &str) -> Result<&str, String> {
        self.input[name].as_str().ok_or_else(|| format!("input.{name} is no text"))
    }

    /// The bytes at `input.name`.
    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        unhex(self.text(name)?).ok_or_else(|| format!("input.{name} is not hexadecimal"))
    }

    /// Holds what came out, or why it was refused, against what must be.
    fn judge(&self, outcome: Result<Json, Json>) -> Result<(), String> {
        let was_accepted = outcome.is_ok();
        let (Ok(seen) | Err(seen)) = outcome;
        if seen != self.expected {
            return Err(format!("expected {}, got {seen}", self.expected));
        }
        match (self.result, was_accepted) {
            (Outcome::Valid, false) => Err(format!("must be accepted, is refused: {seen}")),
            (Outcome::Invalid, true) => Err(format!("must be refused, is accepted: {seen}")),
            (Outcome::Valid | Outcome::Acceptable, true)
            | (Outcome::Invalid | Outcome::Acceptable, false) => Ok(()),
        }
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
