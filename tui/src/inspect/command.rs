//! What can be asked for by name: a message by its number, a screen, or whatever a key does.

use sv2_capture::filter::{Completion, Suggestion};
use sv2_document::did_you_mean;

use super::keys::{self, Action};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// To the message with this number.
    GoTo(u64),
    Do(Action),
}

impl Command {
    /// Reads `81244`, `#81244`, `channels` or `next-expert`; of a name as much as tells it apart.
    ///
    /// # Errors
    /// In words, with what was probably meant.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(number) = text.strip_prefix('#').unwrap_or(text).parse() {
            return Ok(Command::GoTo(number));
        }
        if let Some((_, action, _)) = keys::actions().find(|(name, ..)| *name == text) {
            return Ok(Command::Do(action));
        }
        let begun: Vec<_> = keys::actions().filter(|(name, ..)| name.starts_with(text)).collect();
        match begun.as_slice() {
            [(_, action, _)] => Ok(Command::Do(*action)),
            _ if text.is_empty() => Err("a number, a screen, or an action by its name".into()),
            [] => {
                let hint = did_you_mean(text, keys::actions().map(|(name, ..)| name));
                Err(format!("there is no action \"{text}\"{hint}"))
            }
            [(one, ..), (other, ..), ..] => Err(format!("{text} may be {one} or {other}")),
        }
    }
}

/// Actions that begin as what was typed.
pub(crate) fn complete(before: &str) -> Completion {
    let start = before.trim_start();
    let begun = keys::actions().filter(|(name, ..)| name.starts_with(start));
    let words = begun.map(|(name, _, help)| Suggestion { word: name.to_owned(), help });
    Completion { span: before.len() - start.len()..before.len(), words: words.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::keys::Screen;

    #[test]
    fn numbers_screens_and_actions_are_told_apart() {
        assert_eq!(Command::parse(" #12 "), Ok(Command::GoTo(12)));
        assert_eq!(Command::parse("12"), Ok(Command::GoTo(12)));
        assert_eq!(Command::parse("ladd"), Ok(Command::Do(Action::Show(Screen::Ladder))));
        assert_eq!(Command::parse("pair"), Ok(Command::Do(Action::Pair)));
    }

    #[test]
    fn what_is_no_command_is_said_with_what_was_probably_meant() {
        let rows = [("laddar", "ladder"), ("next-", "next-pane or"), ("", "a number")];
        for (text, expected) in rows {
            let error = Command::parse(text).unwrap_err();

            assert!(error.contains(expected), "{error}");
        }
    }
}
