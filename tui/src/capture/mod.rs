//! Captures as commands read them: files, packed or not, growing or not, several merged by time,
//! standard input, a tap that runs; followed, judged and filtered as they are read.

mod again;
mod choice;
mod copied_keys;
mod copied_streams;
mod copy;
mod cover;
mod options;
mod plain;
mod source;
mod stage;
mod text;
pub(crate) mod verdict;
mod walk;

pub(crate) use again::{Again, is_packed};
pub(crate) use choice::Choice;
pub(crate) use copy::{Copy, is_read, is_set_up};
pub(crate) use cover::{Cover, covered};
pub(crate) use options::{
    Input, Judgement, Redaction, intercept_beside, intercept_socket, severity,
};
pub(crate) use plain::Plain;
pub(crate) use source::{End, Flow, keys_beside, read};
pub(crate) use text::{Utc, UtcClock, write_line};
pub(crate) use verdict::{UNREADABLE, Verdict};
#[cfg(test)]
pub(crate) use walk::Follower;
pub(crate) use walk::{Followed, Seen, follow, glance, walk};
