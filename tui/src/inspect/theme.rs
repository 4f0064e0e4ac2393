//! Colours that people who confuse red and green can read, and none where none are wanted. Never
//! colour alone: every state has a letter or a sign as well.

use ratatui::style::{Color, Modifier, Style};
use sv2_capture::Direction;
use sv2_capture::rules::Severity;

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    has_color: bool,
    /// Signs beyond ASCII may be used.
    pub(crate) has_unicode: bool,
}

impl Theme {
    pub(crate) const fn new(has_color: bool, has_unicode: bool) -> Self {
        Theme { has_color, has_unicode }
    }

    fn color(self, color: Color) -> Style {
        if self.has_color { Style::new().fg(color) } else { Style::new() }
    }

    pub(crate) fn direction(self, direction: Option<Direction>) -> Style {
        match direction {
            Some(Direction::ClientToServer) => self.color(BLUE),
            Some(Direction::ServerToClient) => self.color(SKY),
            None => self.dim(),
        }
    }

    pub(crate) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Error => self.color(VERMILLION).add_modifier(Modifier::REVERSED),
            Severity::Warning => self.color(ORANGE).add_modifier(Modifier::BOLD),
            Severity::Note => Style::new(),
            Severity::Chat => self.dim(),
        }
    }

    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn good(self) -> Style {
        self.color(GREEN)
    }

    pub(crate) fn bad(self) -> Style {
        self.color(VERMILLION)
    }

    pub(crate) fn linked(self) -> Style {
        self.color(PURPLE).add_modifier(Modifier::BOLD)
    }

    /// A line down, between lanes.
    pub(crate) fn bar(self) -> &'static str {
        if self.has_unicode { "│" } else { "|" }
    }
}

// Okabe and Ito, "Color Universal Design" (2008).
const BLUE: Color = Color::Rgb(0x00, 0x72, 0xb2);
const SKY: Color = Color::Rgb(0x56, 0xb4, 0xe9);
const ORANGE: Color = Color::Rgb(0xe6, 0x9f, 0x00);
const VERMILLION: Color = Color::Rgb(0xd5, 0x5e, 0x00);
const GREEN: Color = Color::Rgb(0x00, 0x9e, 0x73);
const PURPLE: Color = Color::Rgb(0xcc, 0x79, 0xa7);
