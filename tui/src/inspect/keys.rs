//! Which key does what: one table, which a file may change and the help screen shows.

use std::fmt::Write as _;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sv2_document::{Document, LoadError, did_you_mean};

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
    ListTaller,
    ListShorter,
    ListUsual,
    Open,
    Back,
    Quit,
    Filter,
    Search,
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
    Story,
    FollowConnection,
    FollowChannel,
    OnlyErrors,
    Mark,
    ToMark,
    Comment,
    Select,
    Diff,
    DiffMark,
    Yank,
    Write,
    TimeFormat,
    Privacy,
    Intercept,
    InterceptToggle,
    Forward,
    ForwardAll,
    DropHeld,
    SendTwice,
    Replay,
    Help,
    Show(Screen),
    ScreenTop,
    ScreenMiddle,
    ScreenBottom,
    NextBlock,
    PreviousBlock,
    Columns,
    SortNext,
    SortPrevious,
    SortReverse,
    Command,
    Redraw,
    Suspend,
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
    /// As a file of keys has it.
    pub(crate) name: &'static str,
    /// As people write them: `j`, `C-d`, `gg`, `Enter`.
    pub(crate) keys: Vec<String>,
    pub(crate) action: Action,
    pub(crate) help: &'static str,
}

/// What is bound to which keys; [`Keymap::default`] until a file says otherwise.
pub(crate) struct Keymap {
    bindings: Vec<Binding>,
}

type Bound = (&'static str, &'static [&'static str], Action, &'static str);

const fn bind(
    name: &'static str,
    keys: &'static [&'static str],
    action: Action,
    help: &'static str,
) -> Bound {
    (name, keys, action, help)
}

/// All of them. A key of two letters is typed one after the other.
const BINDINGS: &[Bound] = &[
    bind("down", &["j", "Down"], Action::Down, "down"),
    bind("up", &["k", "Up"], Action::Up, "up"),
    bind("half-down", &["C-d"], Action::HalfDown, "half a page down"),
    bind("half-up", &["C-u"], Action::HalfUp, "half a page up"),
    bind("page-down", &["C-f", "PageDown"], Action::PageDown, "page down"),
    bind("page-up", &["C-b", "PageUp"], Action::PageUp, "page up"),
    bind("top", &["gg", "Home"], Action::Top, "first line"),
    bind("bottom", &["G", "End"], Action::Bottom, "last line"),
    bind("screen-top", &["H"], Action::ScreenTop, "first line on the screen"),
    bind("screen-middle", &["M"], Action::ScreenMiddle, "line in the middle of the screen"),
    bind("screen-bottom", &["L"], Action::ScreenBottom, "last line on the screen"),
    bind("left", &["h", "Left"], Action::Left, "pane to the left; in graphs, earlier"),
    bind("right", &["l", "Right"], Action::Right, "pane to the right; in graphs, later"),
    bind("next-pane", &["Tab"], Action::NextPane, "next pane"),
    bind("maximise", &["\\"], Action::Maximise, "this pane alone"),
    bind("list-taller", &["+"], Action::ListTaller, "more room for the list; in graphs, zoom in"),
    bind(
        "list-shorter",
        &["-"],
        Action::ListShorter,
        "less room for the list; in graphs, zoom out",
    ),
    bind("list-usual", &["="], Action::ListUsual, "its usual room; in graphs, all of the time"),
    bind("open", &["Enter"], Action::Open, "open: the messages behind this line or moment"),
    bind("back", &["Esc", "q"], Action::Back, "back; from the first screen, the end"),
    bind("quit", &["Q", "C-c"], Action::Quit, "end"),
    bind("filter", &["/"], Action::Filter, "filter"),
    bind("search", &["s"], Action::Search, "search: n and N go to what a filter takes"),
    bind("filter-from-field", &["f"], Action::FilterFromField, "filter by this field's value"),
    bind("clear-filter", &["F"], Action::ClearFilter, "no filter"),
    bind("next-hit", &["n"], Action::NextHit, "next hit, or next message of this name"),
    bind("previous-hit", &["N"], Action::PreviousHit, "previous hit, or previous of this name"),
    bind("next-expert", &["]e"], Action::NextExpert, "next message with a finding"),
    bind("previous-expert", &["[e"], Action::PreviousExpert, "previous message with a finding"),
    bind("next-of-channel", &["]c"], Action::NextOfChannel, "next message of this channel"),
    bind(
        "previous-of-channel",
        &["[c"],
        Action::PreviousOfChannel,
        "previous message of this channel",
    ),
    bind("next-block", &["]b"], Action::NextBlock, "next block that was found"),
    bind("previous-block", &["[b"], Action::PreviousBlock, "previous block that was found"),
    bind("pair", &["gp"], Action::Pair, "to the answer, or back to the request"),
    bind("definition", &["gd"], Action::Definition, "to where it comes from: job, template"),
    bind("story", &["gs"], Action::Story, "its story alone: what led to it, what came of it"),
    bind("other-leg", &["gl"], Action::OtherLeg, "to the same on the leg above or below"),
    bind("follow-connection", &["c"], Action::FollowConnection, "this connection alone"),
    bind("follow-channel", &["C"], Action::FollowChannel, "this channel alone"),
    bind("only-errors", &["e"], Action::OnlyErrors, "messages with findings alone"),
    bind("columns", &["o"], Action::Columns, "choose the columns of the list of messages"),
    bind("sort-next", &[">"], Action::SortNext, "sort by the next column"),
    bind("sort-previous", &["<"], Action::SortPrevious, "sort by the previous column"),
    bind("sort-reverse", &["R"], Action::SortReverse, "sort the other way round"),
    bind("mark", &["m"], Action::Mark, "mark with a letter; capitals hold for all captures"),
    bind("to-mark", &["'"], Action::ToMark, "to the mark of the letter that follows"),
    bind("comment", &[";"], Action::Comment, "comment on this message; an empty one goes"),
    bind("select", &["Space"], Action::Select, "choose for a comparison"),
    bind("diff", &["d"], Action::Diff, "compare the chosen message with this one"),
    bind("diff-mark", &["D"], Action::DiffMark, "compare the mark of a letter with this message"),
    bind("yank", &["y"], Action::Yank, "copy: h bytes, j JSON, m fields, f field, x vector"),
    bind(
        "write",
        &["w"],
        Action::Write,
        "write a capture: f shown, m marked, c connection, p pair",
    ),
    bind(
        "time-format",
        &["t"],
        Action::TimeFormat,
        "times: since the start, between lines, of day",
    ),
    bind("privacy", &["P"], Action::Privacy, "hide addresses and users"),
    bind("intercept", &["i"], Action::Intercept, "at a tap: which messages are to wait there"),
    bind("intercept-toggle", &["I"], Action::InterceptToggle, "at a tap: let all pass, and back"),
    bind("forward", &["a"], Action::Forward, "this message that waits goes on, or the oldest"),
    bind("forward-all", &["A"], Action::ForwardAll, "all messages that wait go on"),
    bind("drop", &["X"], Action::DropHeld, "this message that waits goes nowhere"),
    bind("send-twice", &["T"], Action::SendTwice, "this message that waits goes on twice"),
    bind("replay", &["r"], Action::Replay, "at a tap: send this message again"),
    bind("command", &[":"], Action::Command, "do by name, or go to a number"),
    bind("redraw", &["C-l"], Action::Redraw, "draw everything anew"),
    bind("suspend", &["C-z"], Action::Suspend, "leave for the shell; fg comes back"),
    bind("help", &["?", "F1"], Action::Help, "this help"),
    bind("messages", &["1"], Action::Show(Screen::Messages), "messages"),
    bind("connections", &["2"], Action::Show(Screen::Connections), "connections"),
    bind("channels", &["3"], Action::Show(Screen::Channels), "channels"),
    bind("ladder", &["4"], Action::Show(Screen::Ladder), "ladder"),
    bind("jobs", &["5"], Action::Show(Screen::Jobs), "jobs"),
    bind("expert", &["6"], Action::Show(Screen::Expert), "expert: what is wrong"),
    bind("graphs", &["7"], Action::Show(Screen::Graphs), "graphs"),
    bind("handshake", &["8"], Action::Show(Screen::Handshake), "handshakes and keys"),
    bind("log", &["9"], Action::Show(Screen::Log), "log of the reader"),
];

/// Names of all actions, as a file of keys has them, with what they do.
pub(crate) fn actions() -> impl Iterator<Item = (&'static str, Action, &'static str)> {
    BINDINGS.iter().map(|(name, _, action, help)| (*name, *action, *help))
}

/// What a key means behind those that were typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Action(Action),
    /// More may follow.
    Begun,
    Nothing,
}

impl Default for Keymap {
    fn default() -> Self {
        let binding = |(name, keys, action, help): &Bound| Binding {
            name,
            keys: keys.iter().map(|&keys| keys.to_owned()).collect(),
            action: *action,
            help,
        };
        Keymap { bindings: BINDINGS.iter().map(binding).collect() }
    }
}

impl Keymap {
    /// The default with what a file changes: under `[keys]` the name of an action and its key or
    /// list of keys. An action with keys of its own loses those it had.
    ///
    /// # Errors
    /// With file, line and the way out: an unknown action, no key, one key for two actions.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Keymap, LoadError> {
        let document = Document::parse(file, text)?;
        let mut root = document.keys(document.root())?;
        let mut keymap = Keymap::default();
        if let Some(node) = root.take("keys") {
            for entry in document.keys(node)?.all() {
                let names = BINDINGS.iter().map(|bound| bound.0);
                let binding = keymap.bindings.iter_mut().find(|binding| binding.name == entry.key);
                let Some(binding) = binding else {
                    let hint = did_you_mean(&entry.key, names);
                    return Err(document
                        .error(entry.at, format!("there is no action \"{}\"{hint}", entry.key)));
                };
                let keys = document.strings(&entry.node)?;
                if let Some((keys, at)) = keys.iter().find(|(keys, _)| !is_key(keys)) {
                    return Err(document.error(
                        *at,
                        format!(
                            "\"{keys}\" is no key: a letter, two typed one after the other, \
                             C-d, F5, or one of {}",
                            NAMED.join(", ")
                        ),
                    ));
                }
                binding.keys = keys.into_iter().map(|(keys, _)| keys).collect();
            }
            if let Some(conflict) = keymap.conflict() {
                return Err(document.error(node.at, conflict));
            }
        }
        root.finish(&["keys"])?;
        Ok(keymap)
    }

    /// All lines, in the order of the help.
    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// As a file that says the same.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::from(
            "# Keys of `assay inspect`. A key is a letter, two letters typed one after the other,\n\
             # or a name: C-d with Control, Enter, F5. What is left out keeps its keys.\n\
             [keys]\n",
        );
        for Binding { name, keys, help, .. } in &self.bindings {
            let keys: Vec<_> = keys.iter().map(|keys| format!("{keys:?}")).collect();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} = [{}]  # {help}", keys.join(", "));
        }
        text
    }

    /// Looks a key up. `before` holds what was typed of a longer key.
    pub(crate) fn typed(&self, before: &str, key: KeyEvent) -> Typed {
        let Some(name) = name(key) else { return Typed::Nothing };
        let whole = format!("{before}{name}");
        let exact = self.bindings.iter().find(|binding| binding.keys.contains(&whole));
        if let Some(binding) = exact {
            return Typed::Action(binding.action);
        }
        match self.all().any(|(keys, _)| hides(&whole, keys)) {
            true => Typed::Begun,
            false => Typed::Nothing,
        }
    }

    /// Every key with the action that it belongs to.
    fn all(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.bindings
            .iter()
            .flat_map(|binding| binding.keys.iter().map(|keys| (keys.as_str(), binding.name)))
    }

    /// The first key that means two things, in words.
    fn conflict(&self) -> Option<String> {
        let all: Vec<_> = self.all().collect();
        for (place, (keys, action)) in all.iter().enumerate() {
            for (other, other_action) in &all[place + 1..] {
                if keys == other {
                    return Some(format!("{keys} is both {action} and {other_action}"));
                }
                if hides(keys, other) {
                    return Some(format!("{keys} ({action}) hides {other} ({other_action})"));
                }
                if hides(other, keys) {
                    return Some(format!("{other} ({other_action}) hides {keys} ({action})"));
                }
            }
        }
        None
    }
}

/// Whether who types `keys` is already at `short`.
fn hides(short: &str, keys: &str) -> bool {
    is_sequence(keys) && keys.len() > short.len() && keys.starts_with(short)
}

/// Whether it is two keys, typed one after the other, and not the name of one.
fn is_sequence(keys: &str) -> bool {
    keys.chars().count() == 2 && !is_function_key(keys)
}

fn is_function_key(keys: &str) -> bool {
    let number = keys.strip_prefix('F').and_then(|number| number.parse::<u8>().ok());
    number.is_some_and(|number| (1..=12).contains(&number))
}

/// Whether [`name`] gives such a name, or two such letters.
fn is_key(keys: &str) -> bool {
    let is_letter = |letters: &str| letters.chars().count() == 1 && letters != " ";
    is_letter(keys)
        || is_function_key(keys)
        || NAMED.contains(&keys)
        || keys.strip_prefix("C-").is_some_and(is_letter)
        || is_sequence(keys) && !keys.contains(' ')
}

/// Keys that are no letters.
const NAMED: [&str; 12] = [
    "Space", "Down", "Up", "Left", "Right", "Home", "End", "PageDown", "PageUp", "Enter", "Esc",
    "Tab",
];

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

    fn key(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)
    }

    #[test]
    fn no_key_means_two_things() {
        assert_eq!(Keymap::default().conflict(), None);
    }

    #[test]
    fn the_printed_table_is_a_file_that_says_the_same() {
        let keymap = Keymap::default();

        let again = Keymap::parse("keys.toml", &keymap.to_toml()).unwrap();

        assert_eq!(again.to_toml(), keymap.to_toml());
    }

    #[test]
    fn an_action_has_the_keys_of_the_file_and_no_others() {
        let text = "[keys]\npair = [\"p\", \"xx\"]\n";

        let keymap = Keymap::parse("keys.toml", text).unwrap();

        assert_eq!(keymap.typed("", key('p')), Typed::Action(Action::Pair));
        assert_eq!(keymap.typed("", key('x')), Typed::Begun);
        assert_eq!(keymap.typed("x", key('x')), Typed::Action(Action::Pair));
        assert_eq!(keymap.typed("g", key('p')), Typed::Nothing);
        assert_eq!(keymap.typed("", key('j')), Typed::Action(Action::Down));
    }

    #[test]
    fn what_cannot_be_bound_is_said_with_its_line() {
        let rows = [
            ("[keys]\npear = [\"p\"]\n", "keys.toml:2:1: there is no action \"pear\""),
            ("[keys]\npair = [\"Strg-p\"]\n", "keys.toml:2:9: \"Strg-p\" is no key"),
            ("[keys]\npair = [\"j\"]\n", "j is both down and pair"),
            ("[keys]\npair = [\"g\"]\n", "g (pair) hides gg (top)"),
            ("[kyes]\n", "keys.toml:1:2"),
        ];
        for (text, expected) in rows {
            let error = Keymap::parse("keys.toml", text).err().unwrap().to_string();

            assert!(error.contains(expected), "{error}");
        }
    }
}
