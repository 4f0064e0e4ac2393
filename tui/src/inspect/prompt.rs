//! The line that asks for text: a filter, what to search for, a comment.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sv2_capture::filter::Filter;

use super::export::Scope;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Which messages to show.
    Filter,
    /// Which messages to step through.
    Search,
    /// On the message with this number.
    Comment(u64),
    /// A file to write part of the capture to.
    Export(Scope),
}

/// A question and the answer so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) asked: Asked,
    pub(crate) text: String,
}

/// What a key has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    GoesOn,
    Answered,
    GivenUp,
}

impl Prompt {
    pub(crate) fn new(asked: Asked, text: impl Into<String>) -> Self {
        Prompt { asked, text: text.into() }
    }

    /// In front of the answer.
    pub(crate) fn sign(&self) -> &'static str {
        match self.asked {
            Asked::Filter => "/",
            Asked::Search => "search",
            Asked::Comment(_) => "comment",
            Asked::Export(_) => "write to",
        }
    }

    /// Why it is no answer yet.
    pub(crate) fn problem(&self) -> Option<String> {
        match self.asked {
            Asked::Filter | Asked::Search => {
                Filter::parse(&self.text).err().map(|error| error.to_string())
            }
            Asked::Comment(_) | Asked::Export(_) => None,
        }
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Typing {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Typing::GivenUp,
            KeyCode::Enter => return Typing::Answered,
            KeyCode::Char('c') if is_control => return Typing::GivenUp,
            KeyCode::Char('u') if is_control => self.text.clear(),
            KeyCode::Char('w') if is_control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char(_) if is_control => {}
            KeyCode::Char(letter) if self.text.len() < LEN_MAX => self.text.push(letter),
            KeyCode::Backspace => {
                self.text.pop();
            }
            KeyCode::Tab if matches!(self.asked, Asked::Filter | Asked::Search) => self.complete(),
            _ => {}
        }
        Typing::GoesOn
    }

    fn complete(&mut self) {
        let completion = Filter::complete(&self.text, self.text.len());
        if let Some(best) = completion.words.first() {
            self.text.truncate(completion.span.start);
            self.text.push_str(&best.word);
        }
    }
}

/// Of an answer, in bytes.
const LEN_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_typed_corrected_and_given_or_given_up() {
        let mut prompt = Prompt::new(Asked::Filter, "");
        let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        for letter in "ch == 7 job".chars() {
            prompt.key(KeyCode::Char(letter).into());
        }

        prompt.key(control('w'));
        assert_eq!(prompt.text, "ch == 7 ");
        prompt.key(KeyCode::Backspace.into());
        prompt.key(control('x'));
        assert_eq!((prompt.text.as_str(), prompt.problem()), ("ch == 7", None));
        assert_eq!(prompt.key(KeyCode::Enter.into()), Typing::Answered);

        prompt.key(control('u'));
        assert_eq!(prompt.text, "");
        assert_eq!(prompt.key(KeyCode::Esc.into()), Typing::GivenUp);
    }

    #[test]
    fn what_is_no_filter_is_said_while_one_types() {
        assert!(Prompt::new(Asked::Search, "ch ==").problem().is_some());
        assert_eq!(Prompt::new(Asked::Comment(1), "ch ==").problem(), None);
    }
}
