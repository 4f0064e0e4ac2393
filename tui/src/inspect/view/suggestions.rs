//! Words that could stand where one types, below the line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph};

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::cut;
use crate::inspect::prompt::Prompt;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, prompt: &Prompt) {
    let words = prompt.completion().words;
    if words.is_empty() {
        return;
    }
    let height = words.len().min(WORDS_SHOWN_MAX).min(area.height.saturating_sub(2).into());
    let width = WIDTH.min(area.width);
    let more = words.len().saturating_sub(height);
    #[expect(clippy::cast_possible_truncation, reason = "at most the height of the area")]
    let area = Rect { width, height: height as u16 + 1, ..area };
    let first = list::first_line(words.len(), prompt.chosen, height);
    let mut lines: Vec<Line<'_>> = words
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(place, suggestion)| {
            let text = format!("   {:<22} {}", suggestion.word, suggestion.help);
            let text = format!("{:<1$}", cut(&text, width.into()), usize::from(width));
            match place == prompt.chosen {
                true => Line::styled(text, app.theme.cursor()),
                false => Line::from(text),
            }
        })
        .collect();
    let more = if more > 0 { format!(", {more} more") } else { String::new() };
    let hint = format!("   Tab takes one, arrows choose{more}");
    lines.push(Line::styled(cut(&hint, width.into()), app.theme.dim()));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

const WORDS_SHOWN_MAX: usize = 8;
const WIDTH: u16 = 76;
