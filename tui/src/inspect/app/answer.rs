//! What a prompt or a letter was waited for.

use super::{App, Flow, Screen};
use crate::inspect::command::Command;
use crate::inspect::export::{self, Export, Scope};
use crate::inspect::keys::Action;
use crate::inspect::prompt::{Asked, Prompt};
use crate::inspect::remarks::Remarks;
use crate::inspect::yank;

impl App {
    /// Does what the prompt was for; what is no answer is asked for again.
    pub(super) fn answer(&mut self) -> Flow {
        let Some(prompt) = self.prompt.take() else { return Flow::GoOn };
        if let Some(problem) = prompt.problem() {
            self.said = problem;
            self.prompt = Some(prompt);
            return Flow::GoOn;
        }
        match prompt.asked {
            Asked::Filter => self.set_filter(&prompt.text),
            Asked::Intercept => self.ask_tap(&prompt.text),
            Asked::Search => self.search(&prompt.text),
            Asked::Comment(number) => {
                if !self.session.remarks.comment(number, &prompt.text) {
                    self.said = format!("{} comments are all", Remarks::COMMENTS_MAX);
                }
            }
            Asked::Export(scope) => self.export_to(scope, prompt),
            Asked::Columns => self.set_columns(&prompt.text),
            Asked::Command => {
                if let Ok(command) = Command::parse(&prompt.text) {
                    return self.command(command);
                }
            }
        }
        Flow::GoOn
    }

    fn command(&mut self, command: Command) -> Flow {
        match command {
            Command::Do(action) => return self.act(action),
            Command::GoTo(number) => {
                let known = self.session.index_of(number).map(|_| number);
                self.jump(known, "there is no message with that number");
                self.show(Screen::Messages);
            }
        }
        Flow::GoOn
    }

    fn ask_for_export(&mut self, scope: Scope) {
        self.asked_to_overwrite = None;
        let name = export::suggested(self.origin.as_deref(), scope, self.redact.is_some());
        self.prompt = Some(Prompt::new(Asked::Export(scope), name));
    }

    /// Nothing is written over without a second word.
    fn export_to(&mut self, scope: Scope, prompt: Prompt) {
        let to = export::meant(&prompt.text);
        if to.as_os_str().is_empty() || to.exists() && self.asked_to_overwrite.as_ref() != Some(&to)
        {
            self.said = match to.exists() {
                true => format!("{} is there: Enter writes over it, Esc does not", to.display()),
                false => "name a file".into(),
            };
            self.asked_to_overwrite = Some(to);
            self.prompt = Some(prompt);
            return;
        }
        let export = Export::of(self, scope, to);
        if export.len() == 0 {
            self.said = "there is nothing of that kind to write".into();
            return;
        }
        self.said = format!("writing {} messages", export.len());
        self.export = Some(export);
    }

    pub(super) fn ask_for_comment(&mut self) {
        let Some(entry) = self.current() else { return };
        let said = self.session.remarks.comment_of(entry.number).unwrap_or_default();
        self.prompt = Some(Prompt::new(Asked::Comment(entry.number), said));
    }

    pub(super) fn with_letter(&mut self, action: Action, letter: char) {
        let Some(entry) = self.current() else {
            self.said = "there is no message here".into();
            return;
        };
        let number = entry.number;
        match action {
            Action::Mark => {
                self.session.remarks.mark(letter, number);
                self.said = format!("#{number} is marked {letter}");
                if letter.is_ascii_uppercase() {
                    self.mark_far(letter, &entry);
                }
            }
            Action::DiffMark => self.compare_with_mark(letter),
            Action::ToMark if letter == '\'' => {
                self.jump(self.came_from, "nothing was jumped from")
            }
            Action::ToMark => {
                let mark = self.session.remarks.marked(letter);
                let far = self.where_mark_is(letter);
                self.jump(mark, &far);
            }
            Action::Write => match Scope::of(letter) {
                Some(scope) => self.ask_for_export(scope),
                None => self.said = format!("what follows is one of {}", export::LETTERS),
            },
            _ => match yank::yanked(self, letter) {
                Some(text) => {
                    self.said = format!("copied {} characters", text.chars().count());
                    self.copied = Some(text);
                }
                None => self.said = format!("what follows is one of {}", yank::LETTERS),
            },
        }
    }
}
