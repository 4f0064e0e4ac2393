//! `assay inspect`: a capture on a terminal. What is drawn follows from [`app::App`] alone; keys
//! are [`keys::BINDINGS`].

mod app;
mod arguments;
mod columns;
mod describe;
mod keys;
mod open;
mod session;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod tree;
mod view;

use std::io;

use ratatui::DefaultTerminal;
use ratatui::crossterm::clipboard::CopyToClipboard;
use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseEventKind};
use ratatui::crossterm::execute;

use app::{App, Flow};
pub(crate) use arguments::{Inspect, run};
use keys::Action;

/// Runs the inspector until the user ends it.
///
/// # Errors
/// If the terminal fails.
fn show(app: App) -> io::Result<()> {
    let mut screen = Screen { terminal: ratatui::try_init()? };
    screen.run(app)
}

/// The terminal, until it is dropped.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn run(&mut self, mut app: App) -> io::Result<()> {
        loop {
            self.terminal.draw(|frame| view::draw(frame, &mut app))?;
            // A held key must not lag behind: all that waits is taken before the next drawing.
            loop {
                let flow = match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => app.key(key),
                    Event::Mouse(mouse) => match mouse.kind {
                        MouseEventKind::ScrollDown => app.act(Action::Down),
                        MouseEventKind::ScrollUp => app.act(Action::Up),
                        _ => Flow::GoOn,
                    },
                    _ => Flow::GoOn,
                };
                if flow == Flow::End {
                    return Ok(());
                }
                if !event::poll(std::time::Duration::ZERO)? {
                    break;
                }
            }
            if let Some(text) = app.copied.take() {
                // OSC 52 reaches the user's own clipboard over SSH as well.
                execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))?;
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
