//! What is done to messages on their way, as a file says it: dropped, delayed, repeated, changed,
//! answered with others, or taken as a reason to close.
//!
//! A rule says which messages it is about (name, sender, channel), perhaps which of them
//! (`skip`, `times`), and one thing that happens to them. All rules look at each message, in the
//! order of the file. They count for each connection and direction by themselves, and anew when the
//! file is read again.

mod load;
mod value;

use std::sync::Arc;
use std::time::Duration;

use sv2::wire::Frame;
use sv2::wire::dissect::Value;

use super::alter::with_field;
use super::record::Side;

/// The rules of a file; none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    /// For comments.
    name: String,
    what: What,
    /// Messages that are left alone at first.
    skip: u64,
    /// Messages that are met after these; the rest is left alone again.
    times: u64,
    action: Action,
}

/// Which messages.
#[derive(Clone, Debug, PartialEq)]
struct What {
    /// Extension without the channel bit, and number.
    message: Option<(u16, u8)>,
    from: Option<Side>,
    channel: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Drop,
    /// With everything behind it: frames do not overtake.
    Delay(Duration),
    /// So many more.
    Duplicate(u32),
    /// Values by the path of their field.
    Change(Vec<(String, Value)>),
    Inject(Injection),
    /// Behind the message.
    Close,
}

#[derive(Clone, Debug, PartialEq)]
struct Injection {
    frame: Frame,
    /// Whom it goes to; without it the way of the message that it follows.
    to: Option<Side>,
    /// The message's channel takes the place of its own.
    takes_channel: bool,
}

impl Rules {
    /// How many.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// What becomes of a frame.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// Why it is not what it was, one for each rule.
    pub(super) comments: Vec<String>,
    /// Before it is passed on.
    pub(super) delay: Duration,
    /// How often the frame is passed on.
    pub(super) copies: u32,
    /// The frame, if it was changed.
    pub(super) changed: Option<Frame>,
    /// Frames that follow it, each with its receiver and why it is there.
    pub(super) injected: Vec<(Side, Frame, String)>,
    pub(super) closes: bool,
}

/// The rules as one direction of one connection sees them.
#[derive(Debug)]
pub(super) struct Watch {
    rules: Arc<Rules>,
    /// Of each rule: the messages that it is about, so far.
    seen: Vec<u64>,
}

impl Watch {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        let seen = vec![0; rules.len()];
        Watch { rules, seen }
    }

    /// What the rules make of a frame; `None` if they leave it alone.
    pub(super) fn judge(&mut self, from: Side, frame: &Frame) -> Option<Verdict> {
        let mut verdict: Option<Verdict> = None;
        for (rule, seen) in self.rules.rules.iter().zip(&mut self.seen) {
            if !rule.what.is(from, frame) {
                continue;
            }
            *seen += 1;
            if *seen <= rule.skip || *seen - rule.skip > rule.times {
                continue;
            }
            let verdict =
                verdict.get_or_insert_with(|| Verdict { copies: 1, ..Verdict::default() });
            rule.action.add_to(verdict, &rule.name, from, frame);
        }
        verdict
    }
}

impl What {
    fn is(&self, from: Side, frame: &Frame) -> bool {
        let header = frame.header();
        self.message.is_none_or(|message| message == (header.extension(), header.message_type))
            && self.from.is_none_or(|side| side == from)
            && self.channel.is_none_or(|channel| channel_of(frame) == Some(channel))
    }
}

impl Action {
    fn add_to(&self, verdict: &mut Verdict, rule: &str, from: Side, frame: &Frame) {
        let comment = match self {
            Action::Drop => {
                verdict.copies = 0;
                "dropped".to_owned()
            }
            Action::Delay(delay) => {
                verdict.delay += *delay;
                format!("delayed by {} ms", delay.as_millis())
            }
            Action::Duplicate(count) => {
                if verdict.copies > 0 {
                    verdict.copies += count;
                }
                format!("repeated {count} times")
            }
            Action::Change(fields) => {
                let mut changed = verdict.changed.take().unwrap_or_else(|| frame.clone());
                let mut words = Vec::new();
                for (path, value) in fields {
                    match with_field(&changed, path, value) {
                        Ok(frame) => {
                            changed = frame;
                            words.push(format!("{path} changed"));
                        }
                        Err(why) => words.push(format!("not changed: {why}")),
                    }
                }
                verdict.changed = Some(changed);
                words.join(", ")
            }
            Action::Inject(injection) => {
                let to = injection.to.unwrap_or(from.other());
                let why = format!("assay tap: rule {rule}: injected");
                verdict.injected.push((to, injection.frame(frame), why));
                format!("another message was sent to the {}", to.name())
            }
            Action::Close => {
                verdict.closes = true;
                "the connection is closed".to_owned()
            }
        };
        verdict.comments.push(format!("rule {rule}: {comment}"));
    }
}

impl Injection {
    fn frame(&self, cause: &Frame) -> Frame {
        match channel_of(cause).filter(|_| self.takes_channel) {
            Some(channel) => with_field(&self.frame, "channel_id", &Value::Int(channel.into()))
                .unwrap_or_else(|_| self.frame.clone()),
            None => self.frame.clone(),
        }
    }
}

/// The channel that a message is about, whether or not it has the channel bit.
fn channel_of(frame: &Frame) -> Option<u32> {
    let descriptor = sv2::message::descriptor(frame.header().extension(), frame.message_type)?;
    let is_first = descriptor.fields.first().is_some_and(|field| field.name == "channel_id");
    if is_first {
        return frame.payload.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    }
    if !descriptor.fields.iter().any(|field| field.name == "channel_id") {
        return None;
    }
    let (_, dissection) = sv2::message::dissect_frame(frame)?;
    match dissection.node("channel_id")?.value(&frame.payload) {
        Value::Int(channel) => u32::try_from(channel).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
