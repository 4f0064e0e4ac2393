//! Captures as commands read them: files, packed or not, growing or not, several merged by time,
//! standard input, a tap that runs; followed, judged and filtered as they are read.

mod choice;
mod copy;
mod options;
mod source;
mod text;
mod walk;

pub(crate) use choice::Choice;
pub(crate) use copy::{Plain, Wanted};
pub(crate) use options::{Input, Judgement};
pub(crate) use source::{End, Flow, read};
pub(crate) use text::{Utc, write_line};
pub(crate) use walk::{Doubt, Seen, walk};

/// A file cannot be read, or not to its end.
pub(crate) const UNREADABLE: u8 = 3;
/// Something could not be decrypted, or not be found again behind a gap.
pub(crate) const UNDECRYPTED: u8 = 6;
