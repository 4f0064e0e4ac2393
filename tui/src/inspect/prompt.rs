//! The line that asks for text: a filter, what to search for, columns, a file, a command.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sv2_capture::filter::{Completion, Field, Filter, Suggestion};

use super::command;
use super::export::Scope;
use super::list_columns::ListColumns;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Which messages to show.
    Filter,
    /// Which messages to step through.
    Search,
    /// Which messages wait at the tap.
    Intercept,
    /// On the message with this number.
    Comment(u64),
    /// A file to write part of the capture to.
    Export(Scope),
    /// Which columns the list has.
    Columns,
    /// What to do, by its name.
    Command,
}

/// A question and the answer so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) asked: Asked,
    pub(crate) text: String,
    /// Where the next letter goes, in bytes.
    at: usize,
    /// Which of the words that fit Tab takes.
    pub(crate) chosen: usize,
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
        let text = text.into();
        Prompt { asked, at: text.len(), text, chosen: 0 }
    }

    /// In front of the answer.
    pub(crate) fn sign(&self) -> &'static str {
        match self.asked {
            Asked::Filter => "/",
            Asked::Search => "search",
            Asked::Intercept => "hold",
            Asked::Comment(_) => "comment",
            Asked::Export(_) => "write to",
            Asked::Columns => "columns",
            Asked::Command => ":",
        }
    }

    /// The answer before the place of the next letter, and behind it.
    pub(crate) fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    /// Why it is no answer yet.
    pub(crate) fn problem(&self) -> Option<String> {
        match self.asked {
            Asked::Filter | Asked::Search | Asked::Intercept => {
                Filter::parse(&self.text).err().map(|error| error.to_string())
            }
            // None: those that fit the width.
            Asked::Columns if self.text.trim().is_empty() => None,
            Asked::Columns => ListColumns::parse(&self.text).err(),
            Asked::Command => command::Command::parse(&self.text).err(),
            Asked::Comment(_) | Asked::Export(_) => None,
        }
    }

    /// Words that could stand where the next letter goes.
    pub(crate) fn completion(&self) -> Completion {
        let mut completion = match self.asked {
            Asked::Filter | Asked::Search | Asked::Intercept
                if is_operand_expected(&self.text[..self.at]) =>
            {
                Filter::complete(&self.text, self.at)
            }
            Asked::Columns => {
                let mut completion = Filter::complete(&self.text, self.at);
                completion.words.retain(|word| Field::parse(&word.word).is_some());
                completion
            }
            Asked::Command => command::complete(&self.text[..self.at]),
            Asked::Filter
            | Asked::Search
            | Asked::Intercept
            | Asked::Comment(_)
            | Asked::Export(_) => Completion { span: self.at..self.at, words: Vec::new() },
        };
        // What is there already is not to be said again.
        let there = &self.text[completion.span.clone()];
        if let [Suggestion { word, .. }] = completion.words.as_slice()
            && word == there
        {
            completion.words.clear();
        }
        completion
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Typing {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Typing::GivenUp,
            KeyCode::Enter => return Typing::Answered,
            KeyCode::Char('c') if is_control => return Typing::GivenUp,
            KeyCode::Down => return self.choose(true),
            KeyCode::Up => return self.choose(false),
            KeyCode::Tab => self.complete(),
            KeyCode::Left => self.at = self.left(),
            KeyCode::Right => self.at = self.right(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            KeyCode::Char('a') if is_control => self.at = 0,
            KeyCode::Char('e') if is_control => self.at = self.text.len(),
            KeyCode::Char('u') if is_control => self.cut_from(0),
            KeyCode::Char('w') if is_control => {
                let before = self.text[..self.at].trim_end();
                self.cut_from(before.rfind(' ').map_or(0, |space| space + 1));
            }
            KeyCode::Char(_) if is_control => {}
            KeyCode::Char(letter) if self.text.len() < LEN_MAX => {
                self.text.insert(self.at, letter);
                self.at += letter.len_utf8();
            }
            KeyCode::Backspace => self.cut_from(self.left()),
            KeyCode::Delete => {
                let right = self.right();
                self.text.replace_range(self.at..right, "");
            }
            _ => {}
        }
        self.chosen = 0;
        Typing::GoesOn
    }

    /// Where the letter before begins.
    fn left(&self) -> usize {
        self.text[..self.at].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    /// Where the letter behind ends.
    fn right(&self) -> usize {
        self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8)
    }

    fn cut_from(&mut self, from: usize) {
        self.text.replace_range(from..self.at, "");
        self.at = from;
    }

    fn choose(&mut self, forward: bool) -> Typing {
        let count = self.completion().words.len().max(1);
        self.chosen = if forward { self.chosen + 1 } else { self.chosen + count - 1 } % count;
        Typing::GoesOn
    }

    fn complete(&mut self) {
        let Completion { span, words } = self.completion();
        if let Some(best) = words.get(self.chosen) {
            self.at = span.start + best.word.len();
            self.text.replace_range(span, &best.word);
        }
    }
}

/// Whether what is typed next is a field, a value or the like, and no operator.
fn is_operand_expected(before: &str) -> bool {
    let last = before.rsplit([' ', '(', '!', ',', '{']).next().unwrap_or_default();
    let before = before[..before.len() - last.len()].trim_end();
    let word = before.rsplit(' ').next().unwrap_or_default();
    let is_word = ["and", "or", "not", "contains", "matches", "in"].contains(&word);
    let signs = ['=', '<', '>', '~', '{', ',', '(', '!', '&', '|'];
    before.is_empty() || is_word || before.ends_with(signs)
}

/// Of an answer, in bytes.
const LEN_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(asked: Asked, text: &str) -> Prompt {
        let mut prompt = Prompt::new(asked, "");
        for letter in text.chars() {
            prompt.key(KeyCode::Char(letter).into());
        }
        prompt
    }

    fn words(prompt: &Prompt) -> Vec<String> {
        prompt.completion().words.into_iter().map(|word| word.word).collect()
    }

    #[test]
    fn an_answer_is_typed_corrected_and_given_or_given_up() {
        let mut prompt = typed(Asked::Filter, "ch == 7 job");
        let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);

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
    fn letters_go_where_the_cursor_is() {
        let mut prompt = typed(Asked::Comment(1), "ünd");
        for code in [KeyCode::Home, KeyCode::Right, KeyCode::Char('b'), KeyCode::Delete] {
            prompt.key(code.into());
        }
        assert_eq!((prompt.text.as_str(), prompt.halves()), ("übd", ("üb", "d")));

        for code in [KeyCode::Left, KeyCode::Left, KeyCode::Left, KeyCode::Backspace] {
            prompt.key(code.into());
        }
        assert_eq!(prompt.halves(), ("", "übd"));
    }

    #[test]
    fn words_that_fit_are_suggested_where_one_is_expected() {
        assert!(words(&typed(Asked::Filter, "")).contains(&"accepted".to_owned()));
        assert_eq!(words(&typed(Asked::Filter, "ch == 7 && lat")), ["latency"]);
        assert_eq!(words(&typed(Asked::Filter, "dir == ")), ["up", "down"]);
        assert!(words(&typed(Asked::Filter, "ch == 7 ")).is_empty(), "an operator is expected");
        assert_eq!(words(&typed(Asked::Columns, "n accepted")), <[&str; 0]>::default());
        assert!(words(&typed(Asked::Columns, "n SetTarget.m")).len() == 1);
        assert!(words(&typed(Asked::Comment(1), "lat")).is_empty());
    }

    #[test]
    fn tab_takes_the_word_that_was_chosen() {
        let mut prompt = typed(Asked::Filter, "dir == ");
        prompt.key(KeyCode::Down.into());
        prompt.key(KeyCode::Tab.into());
        assert_eq!(prompt.text, "dir == down");

        let mut prompt = typed(Asked::Filter, "dir == ");
        for code in [KeyCode::Up, KeyCode::Up, KeyCode::Tab] {
            prompt.key(code.into());
        }
        assert_eq!(prompt.text, "dir == up");
    }

    #[test]
    fn what_is_no_filter_is_said_while_one_types() {
        assert!(Prompt::new(Asked::Search, "ch ==").problem().is_some());
        assert_eq!(Prompt::new(Asked::Comment(1), "ch ==").problem(), None);
    }
}
