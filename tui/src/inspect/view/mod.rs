//! The screens, drawn from the state alone.

mod channels;
mod connections;
mod expert;
mod graphs;
mod handshake;
mod help;
mod jobs;
mod ladder;
mod list;
mod log;
mod messages;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::app::{App, Reading};
use super::keys::Screen;

/// Draws everything, and learns how many lines fit.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let area = frame.area();
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
        Screen::Log => log::draw(frame, body, app),
    }
    frame.render_widget(foot_line(app), foot);
    if app.is_help {
        frame.render_widget(Clear, body);
        help::draw(frame, body, app);
    }
    if app.is_diff {
        frame.render_widget(Clear, body);
        messages::draw_diff(frame, body, app);
    }
}

fn heading(app: &App, width: u16) -> Line<'static> {
    let session = &app.session;
    let (open, all) = session.keys();
    let name = if app.is_private { "capture".to_owned() } else { session.name.clone() };
    let mut spans = vec![Span::styled(format!(" {name} "), app.theme.bold())];
    spans.push(Span::raw(format!(" {} msg ", session.len())));
    match app.reading {
        Reading::Ended => {}
        Reading::Going => spans.push(Span::styled(" reading ", app.theme.bold())),
        Reading::Live => spans.push(Span::styled(" live ", app.theme.bold())),
    }
    if session.left_out > 0 {
        spans.push(Span::styled(format!(" {} left out ", session.left_out), app.theme.bad()));
    }
    if all > 0 {
        spans.push(Span::raw(format!(" keys {open}/{all} ")));
    }
    let letters = if width >= 110 { 5 } else { 1 };
    for (index, screen) in Screen::ALL.into_iter().enumerate() {
        let text: String = screen.name().chars().take(letters).collect();
        let text = format!(" {}{text}", index + 1);
        let style = if screen == app.screen { app.theme.cursor() } else { app.theme.dim() };
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

fn filter_line(app: &App, width: u16) -> Line<'static> {
    if let Some(prompt) = &app.prompt {
        // As one types: whether it is a filter yet, and what is wrong.
        let (style, problem) = match prompt.problem() {
            None => (app.theme.good(), String::new()),
            Some(problem) => (app.theme.bad(), format!("   {problem}")),
        };
        let text = format!(" {} {}_{problem}", prompt.sign(), prompt.text);
        return Line::styled(super::describe::cut(&text, width.into()), style);
    }
    let text = match app.filter.as_str() {
        "" => " / no filter".to_owned(),
        filter => format!(" / {filter}   {} of {}", app.shown_count(), app.session.len()),
    };
    Line::styled(super::describe::cut(&text, width.into()), app.theme.dim())
}

fn foot_line(app: &App) -> Line<'static> {
    if !app.said.is_empty() {
        return Line::styled(format!(" {}", app.said), app.theme.bold());
    }
    let hint = match app.screen {
        Screen::Messages => " ? help  / filter  Enter fields  gp pair  gd job  ]e finding  q back",
        Screen::Expert => " ? help  Enter messages of this rule  q back",
        _ => " ? help  Enter messages of this line  q back",
    };
    Line::styled(hint, app.theme.dim())
}

/// A title in front of a list, cut at the width.
fn title(text: &str, area: Rect, app: &App) -> Line<'static> {
    Line::styled(super::describe::cut(text, area.width.into()), app.theme.bold())
}

/// Below it there is only a word.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 10;
