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

use std::io::{self, Write as _};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseEventKind};

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
                copy(&text)?;
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Asks the terminal to take a text into its clipboard (OSC 52), which works over SSH as well.
fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    write!(out, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
    out.flush()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let padded =
            [three[0], three.get(1).copied().unwrap_or(0), three.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let is_padding = place > three.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    text
}
