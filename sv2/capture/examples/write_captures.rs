//! Writes `vectors/captures` from the conversations of the rules' tests, after these have changed.

#![allow(clippy::unwrap_used, dead_code, reason = "the tests use more of what is written here")]

#[path = "../tests/rules/captures.rs"]
mod captures;
#[path = "../tests/rules/cases/mod.rs"]
mod cases;
#[path = "../tests/rules/talk.rs"]
mod talk;

fn main() -> std::io::Result<()> {
    std::fs::create_dir_all(captures::folder())?;
    for (name, bytes) in captures::files() {
        std::fs::write(captures::folder().join(name), bytes)?;
    }
    Ok(())
}
