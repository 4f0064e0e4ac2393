//! `assay inspect`: a capture on a terminal. What is drawn follows from [`app::App`] alone; keys
//! are [`keys::BINDINGS`].

mod app;
mod arguments;
mod by_channel;
mod columns;
mod command;
mod compare;
mod covered;
pub(crate) mod describe;
mod entry;
mod export;
mod far_marks;
mod index_file;
mod keys;
pub(crate) mod lanes;
mod list_columns;
mod live;
mod open;
mod order;
mod origin;
mod prompt;
mod quick;
mod remarks;
mod rows;
mod session;
mod table;
mod tables;
mod tap_line;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod told_to_end;
mod trail;
mod tree;
mod view;
mod yank;

use std::io;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::clipboard::CopyToClipboard;
use ratatui::crossterm::event::{
    self, DisableMouseCapture, EnableMouseCapture, Event, KeyEventKind, MouseButton, MouseEventKind,
};
use ratatui::crossterm::execute;

use crate::capture::Input;
use app::{App, Flow};
pub(crate) use arguments::{Inspect, run};
pub(crate) use covered::Covered;
pub(crate) use entry::Entry;
use keys::Action;
use live::{Live, Look};

pub(crate) use session::Session;
use tap_line::TapLine;

/// Runs the inspector until the user ends it, or until it is known that there is nothing to show:
/// then it says why.
///
/// # Errors
/// If the terminal fails.
fn show(
    app: App,
    input: &Input,
    live: Option<Live>,
    remarks: Option<&Path>,
    has_mouse: bool,
) -> io::Result<Option<String>> {
    told_to_end::restore_when_told_to_end();
    let (terminal, input) = (ratatui::try_init()?, input.clone());
    // A tap that lets nobody decide has no such line.
    let line = live.as_ref().and_then(|_| TapLine::open(&input));
    let mut screen = Screen { terminal, input, live, line, writer: None, has_mouse };
    if has_mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    let mut app = app;
    app.tap = screen.line.as_ref().map(|_| app::intercept::Tap::default());
    screen.run(app, remarks)
}

/// The terminal, until it is dropped.
struct Screen {
    terminal: DefaultTerminal,
    input: Input,
    /// While there is something to read.
    live: Option<Live>,
    /// While a tap takes decisions.
    line: Option<TapLine>,
    /// While a copy is written; then it knows what to say.
    writer: Option<JoinHandle<String>>,
    has_mouse: bool,
}

impl Screen {
    fn run(&mut self, mut app: App, remarks: Option<&Path>) -> io::Result<Option<String>> {
        loop {
            if let Some(failure) = self.look(&mut app) {
                return Ok(Some(failure));
            }
            self.talk_to_tap(&mut app);
            if let Some(failure) = app.session.failure() {
                app.said = failure;
            }
            self.terminal.draw(|frame| view::draw(frame, &mut app))?;
            let is_waiting = self.live.is_some() || self.writer.is_some() || self.line.is_some();
            if is_waiting && !event::poll(BETWEEN_LOOKS)? {
                continue;
            }
            // A held key must not lag behind: all that waits is taken before the next drawing.
            loop {
                let flow = match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => app.key(key),
                    Event::Mouse(mouse) => match mouse.kind {
                        MouseEventKind::ScrollDown => app.act(Action::Down),
                        MouseEventKind::ScrollUp => app.act(Action::Up),
                        MouseEventKind::Down(MouseButton::Left) => {
                            app.click(mouse.column, mouse.row)
                        }
                        _ => Flow::GoOn,
                    },
                    _ => Flow::GoOn,
                };
                match flow {
                    Flow::GoOn => {}
                    Flow::End => return Ok(None),
                    Flow::Redraw => self.terminal.clear()?,
                    Flow::Suspend => {
                        app.let_all_pass();
                        self.talk_to_tap(&mut app);
                        self.suspend()?;
                    }
                }
                if !event::poll(Duration::ZERO)? {
                    break;
                }
            }
            if app.session.remarks.take_change()
                && let Some(path) = remarks
                && let Err(error) = app.session.remarks.save(path)
            {
                app.said = format!("remarks are not saved: {}: {error}", path.display());
            }
            if app.far_marks.take_change()
                && let Some(path) = far_marks::FarMarks::path()
                && let Err(error) = app.far_marks.save(&path)
            {
                app.said = format!("the mark is not kept: {}: {error}", path.display());
            }
            if self.writer.is_none()
                && let Some(export) = app.export.take()
            {
                if app.origin.is_none() {
                    app.said = export.write_held(&app.session);
                } else {
                    let input = self.input.clone();
                    self.writer = Some(thread::spawn(move || export.write(&input)));
                }
            }
            if let Some(text) = app.copied.take() {
                // OSC 52 reaches the user's own clipboard over SSH as well.
                execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))?;
            }
        }
    }
}

impl Screen {
    /// Gives the terminal to the shell until the user comes back.
    fn suspend(&mut self) -> io::Result<()> {
        if self.has_mouse {
            execute!(io::stdout(), DisableMouseCapture)?;
        }
        ratatui::try_restore()?;
        // The whole group, as the terminal does with Ctrl-Z.
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
        self.terminal = ratatui::try_init()?;
        if self.has_mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Takes what the tap has said, and says what is to be said to it.
    fn talk_to_tap(&mut self, app: &mut App) {
        let Some(line) = &mut self.line else { return };
        let is_there = loop {
            match line.heard() {
                Ok(Some(said)) => app.tap_said(&said),
                Ok(None) => break true,
                Err(()) => break false,
            }
        };
        let to_say = app.tap.as_mut().map(|tap| std::mem::take(&mut tap.to_say));
        let is_heard = to_say.into_iter().flatten().all(|words| line.say(&words).is_ok());
        if !is_there || !is_heard {
            self.line = None;
            app.lose_tap();
        }
    }

    /// Takes what was read since the last drawing; why there is nothing, if there is not.
    fn look(&mut self, app: &mut App) -> Option<String> {
        if self.writer.as_ref().is_some_and(JoinHandle::is_finished) {
            let said = self.writer.take().and_then(|writer| writer.join().ok());
            app.said = said.unwrap_or_else(|| "the copy has failed".into());
        }
        let look = self.live.as_ref()?.look(&mut app.session);
        app.grow();
        let Look::Ended(ended) = look else { return None };
        self.live = None;
        match ended {
            Ok(end) => open::note(&mut app.session, &end),
            Err(error) if app.session.len() == 0 => return Some(error),
            Err(error) => app.session.note(error),
        }
        if app.session.end_quick_reading() {
            // What a filter asks may have been learned since.
            let filter = app.filter.clone();
            app.set_filter(&filter);
        }
        app.end_reading();
        None
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A copy that was begun is written to its end.
        let _ = self.writer.take().map(JoinHandle::join);
        if self.has_mouse {
            // The terminal is left as well as can be.
            let _ = execute!(io::stdout(), DisableMouseCapture);
        }
        ratatui::restore();
    }
}

/// Without a key, the screen is drawn anew so often while something is read.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
