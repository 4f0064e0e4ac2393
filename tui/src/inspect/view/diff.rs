//! The chosen or marked message beside the one under the cursor: lines that differ are marked.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::inspect::app::App;
use crate::inspect::describe::{self, cut};
use crate::inspect::tree::{self, TreeLine};

/// Draws it from the line that was scrolled to, as far as there are any; which that is.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) -> usize {
    let (Some(chosen), Some(other)) = (&app.compared, app.current()) else { return 0 };
    let right = tree::lines(&app.session, &other);
    let half = usize::from(area.width / 2).saturating_sub(2);
    let is_far = chosen.file != app.file() && !app.is_private;
    let of_file = match chosen.file.file_name().filter(|_| is_far) {
        Some(file) => format!(" of {}", file.to_string_lossy()),
        None => String::new(),
    };
    let title = format!("#{} {}{of_file}", chosen.number, chosen.name);
    let name = describe::name(&other);
    let heading = format!("  {:<half$} #{} {name}", cut(&title, half), other.number);
    let mut lines = vec![Line::styled(heading, app.theme.bold())];
    for (left, right) in matched(&chosen.lines, &right) {
        let [a, b] =
            [left, right].map(|line| line.map_or_else(String::new, |line| text(app, line)));
        let is_same = left.zip(right).is_some_and(|(left, right)| left.text == right.text);
        let (sign, style) = match (is_same, app.theme.has_unicode) {
            (true, _) => (" ", app.theme.dim()),
            (false, true) => ("≠", app.theme.linked()),
            (false, false) => ("!", app.theme.linked()),
        };
        let (a, b) = (cut(&a, half), cut(&b, half));
        lines.push(Line::styled(format!("{sign} {a:<half$} {b}"), style));
    }
    super::draw_scrolled(frame, area, lines, app.scrolled)
}

/// Lines of one name side by side; what only one side has stands alone.
fn matched<'a>(
    left: &'a [TreeLine],
    right: &'a [TreeLine],
) -> Vec<(Option<&'a TreeLine>, Option<&'a TreeLine>)> {
    let mut pairs = Vec::new();
    let mut rest = right;
    for line in left {
        let is_same = |other: &TreeLine| (other.depth, &other.name) == (line.depth, &line.name);
        match rest.iter().position(is_same) {
            Some(place) => {
                pairs.extend(rest[..place].iter().map(|other| (None, Some(other))));
                pairs.push((Some(line), Some(&rest[place])));
                rest = &rest[place + 1..];
            }
            None => pairs.push((Some(line), None)),
        }
    }
    pairs.extend(rest.iter().map(|other| (None, Some(other))));
    pairs
}

fn text(app: &App, line: &TreeLine) -> String {
    let text = if app.is_private && line.is_private() { "…" } else { &line.text };
    format!("{}{:<20} {text}", "  ".repeat(line.depth), line.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_beside_those_of_the_same_name() {
        let lines = |names: &str| -> Vec<TreeLine> {
            names.chars().map(|name| TreeLine::new(0, name, "")).collect()
        };
        let (left, right) = (lines("abcd"), lines("axcde"));

        let names = matched(&left, &right).into_iter().map(|(left, right)| {
            [left, right].map(|line| line.map_or(".", |line| line.name.as_str())).concat()
        });

        assert_eq!(names.collect::<Vec<_>>(), ["aa", "b.", ".x", "cc", "dd", ".e"]);
    }
}
