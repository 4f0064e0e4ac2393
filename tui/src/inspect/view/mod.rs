//! The screens, drawn from the state alone.

mod channels;
mod connections;
mod diff;
mod expert;
mod graphs;
mod handshake;
mod help;
mod jobs;
mod ladder;
mod list;
mod log;
mod messages;
mod suggestions;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use sv2_capture::rules::Severity;

use super::app::{App, ListPlace, Reading};
use super::describe::cut;
use super::keys::Screen;
use super::prompt::Prompt;
pub(crate) use channels::COLUMNS as CHANNEL_COLUMNS;
pub(crate) use connections::COLUMNS as CONNECTION_COLUMNS;
pub(crate) use jobs::COLUMNS as JOB_COLUMNS;

/// Draws everything, and learns how many lines fit.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let area = frame.area();
    app.width = area.width;
    app.list.set(ListPlace::default());
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let text =
            format!("{} x {} is too small: 40 x 10 at least. q ends.", area.width, area.height);
        frame.render_widget(Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true }), area);
        return;
    }
    let [head, filter, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(heading(app, head.width), head);
    frame.render_widget(filter_line(app, filter.width), filter);
    app.page = usize::from(body.height).saturating_sub(2).max(1);
    match app.screen {
        Screen::Messages => messages::draw(frame, body, app),
        Screen::Connections => connections::draw(frame, body, app),
        Screen::Channels => channels::draw(frame, body, app),
        Screen::Ladder => ladder::draw(frame, body, app),
        Screen::Jobs => jobs::draw(frame, body, app),
        Screen::Expert => expert::draw(frame, body, app),
        Screen::Graphs => graphs::draw(frame, body, app),
        Screen::Handshake => handshake::draw(frame, body, app),
        Screen::Log => app.scrolled = log::draw(frame, body, app),
    }
    frame.render_widget(foot_line(app), foot);
    if app.is_help {
        frame.render_widget(Clear, body);
        app.scrolled = help::draw(frame, body, app);
    }
    if app.compared.is_some() {
        frame.render_widget(Clear, body);
        app.scrolled = diff::draw(frame, body, app);
    }
    if let Some(prompt) = &app.prompt {
        suggestions::draw(frame, body, app, prompt);
    }
    if !app.theme.has_unicode {
        to_ascii(frame);
    }
}

/// Whatever was drawn, a terminal that knows nothing else shows it.
fn to_ascii(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        match cell.symbol() {
            symbol if symbol.is_ascii() => {}
            "…" => _ = cell.set_char('~'),
            _ => _ = cell.set_char('?'),
        }
    }
}

/// Draws lines from the one that was scrolled to, or as far down as there are any; which that is.
fn draw_scrolled(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: Vec<Line<'_>>,
    scrolled: usize,
) -> usize {
    let last = lines.len().saturating_sub(area.height.into());
    let scrolled = scrolled.min(last);
    let shown: Vec<Line<'_>> = lines.into_iter().skip(scrolled).take(area.height.into()).collect();
    frame.render_widget(Paragraph::new(shown), area);
    scrolled
}

fn heading(app: &App, width: u16) -> Line<'static> {
    let letters = if width >= 110 { 5 } else { 1 };
    let tabs: Vec<Span<'_>> = Screen::ALL
        .into_iter()
        .enumerate()
        .map(|(index, screen)| {
            let text: String = screen.name().chars().take(letters).collect();
            let style = if screen == app.screen { app.theme.cursor() } else { app.theme.dim() };
            Span::styled(format!(" {}{text}", index + 1), style)
        })
        .collect();
    let mut room = usize::from(width).saturating_sub(tabs.iter().map(Span::width).sum());
    // Where one is stands there on every terminal; of the rest what fits, the first things first.
    let fits = |span: &Span<'_>| {
        let is_room = span.width() <= room;
        room -= if is_room { span.width() } else { 0 };
        is_room
    };
    let known = status(app).into_iter().filter(fits);
    Line::from_iter(known.chain(tabs))
}

/// What is known of the capture as a whole.
fn status(app: &App) -> Vec<Span<'static>> {
    let session = &app.session;
    let (open, all) = session.keys();
    let name = if app.is_private { "capture".to_owned() } else { session.name.clone() };
    let reading = match app.reading {
        Reading::Ended => None,
        Reading::Going => Some(Span::styled(" reading ", app.theme.bold())),
        Reading::Live => Some(Span::styled(" live ", app.theme.bold())),
    };
    let left_out = (session.left_out > 0)
        .then(|| Span::styled(format!(" {} left out ", session.left_out), app.theme.bad()));
    let tap = app.tap.as_ref().and_then(|tap| tap.status());
    let tap = tap.map(|tap| Span::styled(tap, app.theme.bad()));
    let keys = (all > 0).then(|| Span::raw(format!(" keys {open}/{all} ")));
    let first = [
        Span::styled(format!(" {} ", cut(&name, NAME_WIDTH_MAX)), app.theme.bold()),
        Span::raw(format!(" {} msg ", session.len())),
    ];
    first
        .into_iter()
        .chain([reading, tap, left_out, keys, findings(app)].into_iter().flatten())
        .collect()
}

/// How many errors and warnings there are, where there are any.
fn findings(app: &App) -> Option<Span<'static>> {
    let count_of = |wanted: Severity| {
        let rules = app.session.tally().iter().filter(|(severity, ..)| *severity == wanted);
        rules.map(|(.., count)| count.count).sum::<u64>()
    };
    let (errors, warnings) = (count_of(Severity::Error), count_of(Severity::Warning));
    let worst = if errors > 0 { Severity::Error } else { Severity::Warning };
    let is_clean = errors + warnings == 0;
    (!is_clean).then(|| Span::styled(format!(" {errors}E {warnings}W "), app.theme.severity(worst)))
}

fn filter_line(app: &App, width: u16) -> Line<'static> {
    if let Some(prompt) = &app.prompt {
        // As one types: whether it is a filter yet, and what is wrong.
        let (style, problem) = match prompt.problem() {
            None => (app.theme.good(), String::new()),
            Some(problem) => (app.theme.bad(), format!("   {problem}")),
        };
        return typed(app, prompt, width, style, &problem);
    }
    let text = match app.filter.as_str() {
        "" => " / no filter".to_owned(),
        // It may name whom the screen hides.
        _ if app.is_private => {
            format!(" / a filter   {} of {}", app.shown_count(), app.session.len())
        }
        filter => format!(" / {filter}   {} of {}", app.shown_count(), app.session.len()),
    };
    let at_tap = match app.tap.as_ref().and_then(|tap| tap.filter()) {
        Some(filter) => format!("   held at the tap: {filter}"),
        None => String::new(),
    };
    Line::styled(cut(&format!("{text}{at_tap}"), width.into()), app.theme.dim())
}

/// What is typed, as much of its end as fits, with the place of the next letter.
fn typed(
    app: &App,
    prompt: &Prompt,
    width: u16,
    style: ratatui::style::Style,
    problem: &str,
) -> Line<'static> {
    let (before, behind) = prompt.halves();
    let sign = format!(" {} ", prompt.sign());
    let room = usize::from(width).saturating_sub(sign.chars().count() + 1);
    let hidden = before.chars().count().saturating_sub(room);
    let before: String = before.chars().skip(hidden).collect();
    let mut behind = behind.chars();
    let under = behind.next().unwrap_or(' ');
    let rest = room.saturating_sub(before.chars().count());
    Line::from(vec![
        Span::styled(format!("{sign}{before}"), style),
        Span::styled(under.to_string(), app.theme.cursor()),
        Span::styled(cut(&format!("{}{problem}", behind.as_str()), rest), style),
    ])
}

fn foot_line(app: &App) -> Line<'static> {
    if !app.said.is_empty() {
        return Line::styled(format!(" {}", app.said), app.theme.bold());
    }
    let in_time;
    let hint = match app.screen {
        Screen::Messages => {
            " ? help  / filter  Enter fields  gp pair  gd job  gs story  ]e finding  w write  q back"
        }
        Screen::Expert => " ? help  Enter messages of this rule  q back",
        Screen::Log => " ? help  j k scroll  q back",
        Screen::Graphs => {
            in_time = graphs::hint(app);
            in_time.as_str()
        }
        Screen::Ladder => " ? help  / filter  Enter this message  gs story  ]b block  q back",
        Screen::Handshake => " ? help  Enter messages of this connection  q back",
        Screen::Connections | Screen::Channels | Screen::Jobs => {
            " ? help  Enter messages of this line  > sort  R other way round  q back"
        }
    };
    Line::styled(hint.to_owned(), app.theme.dim())
}

/// A title in front of a list, cut at the width.
fn title(text: &str, area: Rect, app: &App) -> Line<'static> {
    Line::styled(cut(text, area.width.into()), app.theme.bold())
}

/// Of the names of files.
const NAME_WIDTH_MAX: usize = 60;
/// Below it there is only a word.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 10;
