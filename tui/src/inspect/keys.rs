//! Which key does what: one table, which the help screen shows.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Down,
    Up,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Left,
    Right,
    NextPane,
    Maximise,
    Open,
    Back,
    Quit,
    Filter,
    FilterFromField,
    ClearFilter,
    NextHit,
    PreviousHit,
    NextExpert,
    PreviousExpert,
    NextOfChannel,
    PreviousOfChannel,
    Pair,
    Definition,
    OtherLeg,
    FollowConnection,
    FollowChannel,
    OnlyErrors,
    Mark,
    ToMark,
    Select,
    Diff,
    Yank,
    TimeFormat,
    Privacy,
    Help,
    Show(Screen),
}

/// The screens, by their digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Messages,
    Connections,
    Channels,
    Ladder,
    Jobs,
    Expert,
    Graphs,
    Handshake,
    Log,
}

impl Screen {
    pub(crate) const ALL: [Screen; 9] = [
        Screen::Messages,
        Screen::Connections,
        Screen::Channels,
        Screen::Ladder,
        Screen::Jobs,
        Screen::Expert,
        Screen::Graphs,
        Screen::Handshake,
        Screen::Log,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Screen::Messages => "Messages",
            Screen::Connections => "Connections",
            Screen::Channels => "Channels",
            Screen::Ladder => "Ladder",
            Screen::Jobs => "Jobs",
            Screen::Expert => "Expert",
            Screen::Graphs => "Graphs",
            Screen::Handshake => "Handshake",
            Screen::Log => "Log",
        }
    }
}

/// A line of the table.
pub(crate) struct Binding {
    /// As people write them: `j`, `C-d`, `gg`, `Enter`.
    pub(crate) keys: &'static [&'static str],
    pub(crate) action: Action,
    pub(crate) help: &'static str,
}

const fn bind(keys: &'static [&'static str], action: Action, help: &'static str) -> Binding {
    Binding { keys, action, help }
}

/// All of them. A key of two letters is typed one after the other.
pub(crate) const BINDINGS: &[Binding] = &[
    bind(&["j", "Down"], Action::Down, "down"),
    bind(&["k", "Up"], Action::Up, "up"),
    bind(&["C-d"], Action::HalfDown, "half a page down"),
    bind(&["C-u"], Action::HalfUp, "half a page up"),
    bind(&["C-f", "PageDown"], Action::PageDown, "page down"),
    bind(&["C-b", "PageUp"], Action::PageUp, "page up"),
    bind(&["gg", "Home"], Action::Top, "first line"),
    bind(&["G", "End"], Action::Bottom, "last line"),
    bind(&["h", "Left"], Action::Left, "pane to the left"),
    bind(&["l", "Right"], Action::Right, "pane to the right"),
    bind(&["Tab"], Action::NextPane, "next pane"),
    bind(&["\\"], Action::Maximise, "this pane alone"),
    bind(&["Enter"], Action::Open, "open: the messages behind this line"),
    bind(&["Esc", "q"], Action::Back, "back; from the first screen, the end"),
    bind(&["Q", "C-c"], Action::Quit, "end"),
    bind(&["/"], Action::Filter, "filter"),
    bind(&["f"], Action::FilterFromField, "filter by this field's value"),
    bind(&["F"], Action::ClearFilter, "no filter"),
    bind(&["n"], Action::NextHit, "next message of this name"),
    bind(&["N"], Action::PreviousHit, "previous message of this name"),
    bind(&["]e"], Action::NextExpert, "next message with a finding"),
    bind(&["[e"], Action::PreviousExpert, "previous message with a finding"),
    bind(&["]c"], Action::NextOfChannel, "next message of this channel"),
    bind(&["[c"], Action::PreviousOfChannel, "previous message of this channel"),
    bind(&["gp"], Action::Pair, "to the answer, or back to the request"),
    bind(&["gd"], Action::Definition, "to the message that gave this job"),
    bind(&["gl"], Action::OtherLeg, "to the same on the leg above or below"),
    bind(&["c"], Action::FollowConnection, "this connection alone"),
    bind(&["C"], Action::FollowChannel, "this channel alone"),
    bind(&["e"], Action::OnlyErrors, "messages with findings alone"),
    bind(&["m"], Action::Mark, "mark with the letter that follows"),
    bind(&["'"], Action::ToMark, "to the mark of the letter that follows"),
    bind(&["Space"], Action::Select, "choose for a comparison"),
    bind(&["d"], Action::Diff, "compare the chosen message with this one"),
    bind(&["y"], Action::Yank, "copy: h bytes, m fields, f this field, x test vector"),
    bind(&["t"], Action::TimeFormat, "times: since the start, between lines, of day"),
    bind(&["P"], Action::Privacy, "hide addresses and users"),
    bind(&["?", "F1"], Action::Help, "this help"),
    bind(&["1"], Action::Show(Screen::Messages), "messages"),
    bind(&["2"], Action::Show(Screen::Connections), "connections"),
    bind(&["3"], Action::Show(Screen::Channels), "channels"),
    bind(&["4"], Action::Show(Screen::Ladder), "ladder"),
    bind(&["5"], Action::Show(Screen::Jobs), "jobs"),
    bind(&["6"], Action::Show(Screen::Expert), "expert: what is wrong"),
    bind(&["7"], Action::Show(Screen::Graphs), "graphs"),
    bind(&["8"], Action::Show(Screen::Handshake), "handshakes and keys"),
    bind(&["9"], Action::Show(Screen::Log), "log of the reader"),
];

/// What a key means behind those that were typed.
pub(crate) enum Typed {
    Action(Action),
    /// More may follow.
    Begun,
    Nothing,
}

/// Looks a key up. `before` holds what was typed of a longer key.
pub(crate) fn typed(before: &str, key: KeyEvent) -> Typed {
    let Some(name) = name(key) else { return Typed::Nothing };
    let whole = format!("{before}{name}");
    let exact = BINDINGS.iter().find(|binding| binding.keys.contains(&whole.as_str()));
    if let Some(binding) = exact {
        return Typed::Action(binding.action);
    }
    let begins = |keys: &str| {
        keys.len() > whole.len() && is_sequence(keys) && keys.starts_with(whole.as_str())
    };
    match BINDINGS.iter().any(|binding| binding.keys.iter().any(|keys| begins(keys))) {
        true => Typed::Begun,
        false => Typed::Nothing,
    }
}

/// Whether it is two keys, typed one after the other, and not the name of one.
fn is_sequence(keys: &str) -> bool {
    keys.len() == 2 && keys.starts_with(FIRST_KEYS)
}

/// What a key of two begins with.
const FIRST_KEYS: [char; 3] = ['g', '[', ']'];

/// As the table writes it.
fn name(key: KeyEvent) -> Option<String> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char(' ') => "Space".into(),
        KeyCode::Char(letter) if is_control => format!("C-{letter}"),
        KeyCode::Char(letter) => letter.to_string(),
        KeyCode::Down => "Down".into(),
        KeyCode::Up => "Up".into(),
        KeyCode::Left => "Left".into(),
        KeyCode::Right => "Right".into(),
        KeyCode::Home => "Home".into(),
        KeyCode::End => "End".into(),
        KeyCode::PageDown => "PageDown".into(),
        KeyCode::PageUp => "PageUp".into(),
        KeyCode::Enter => "Enter".into(),
        KeyCode::Esc => "Esc".into(),
        KeyCode::Tab => "Tab".into(),
        KeyCode::F(number) => format!("F{number}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let all: Vec<&str> = BINDINGS.iter().flat_map(|binding| binding.keys).copied().collect();
        for (place, keys) in all.iter().enumerate() {
            for other in &all[place + 1..] {
                assert_ne!(keys, other);
                let (short, long) =
                    if keys.len() < other.len() { (keys, other) } else { (other, keys) };
                assert!(!(is_sequence(long) && long.starts_with(short)), "{short} hides {long}");
            }
        }
    }
}
