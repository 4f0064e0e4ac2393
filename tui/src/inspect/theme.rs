//! Colours that people who confuse red and green can read, and none where none are wanted. Never
//! colour alone: every state has a letter or a sign as well.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use sv2_capture::Direction;
use sv2_capture::rules::Severity;

/// Which colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThemeName {
    /// Dark or light, as COLORFGBG says; dark where it says nothing
    #[default]
    Auto,
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// High contrast: the sixteen colours of the terminal
    Hc,
    /// No colour: bold, dim and reversed
    Mono,
}

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    /// `None`: no colour.
    palette: Option<Palette>,
    /// Signs beyond ASCII may be used.
    pub(crate) has_unicode: bool,
}

/// A colour for each thing that has one.
#[derive(Clone, Copy, Debug)]
struct Palette {
    up: Color,
    down: Color,
    warning: Color,
    error: Color,
    good: Color,
    linked: Color,
}

impl ThemeName {
    /// What is meant on this terminal.
    pub(crate) fn settled(self, colorfgbg: Option<&str>) -> Self {
        let background = colorfgbg.and_then(|pair| pair.rsplit(';').next()?.parse().ok());
        match (self, background) {
            // White and bright white, of the sixteen colours.
            (ThemeName::Auto, Some(7_u8 | 15)) => ThemeName::Light,
            (ThemeName::Auto, _) => ThemeName::Dark,
            (name, _) => name,
        }
    }
}

impl Theme {
    pub(crate) const fn new(name: ThemeName, has_unicode: bool) -> Self {
        let palette = match name {
            ThemeName::Auto | ThemeName::Dark => Some(DARK),
            ThemeName::Light => Some(LIGHT),
            ThemeName::Hc => Some(HIGH_CONTRAST),
            ThemeName::Mono => None,
        };
        Theme { palette, has_unicode }
    }

    fn color(self, of: impl Fn(Palette) -> Color) -> Style {
        self.palette.map_or_else(Style::new, |palette| Style::new().fg(of(palette)))
    }

    pub(crate) fn direction(self, direction: Option<Direction>) -> Style {
        match direction {
            Some(Direction::ClientToServer) => self.color(|palette| palette.up),
            Some(Direction::ServerToClient) => self.color(|palette| palette.down),
            None => self.dim(),
        }
    }

    pub(crate) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Error => self.color(|palette| palette.error).add_modifier(Modifier::REVERSED),
            Severity::Warning => self.color(|palette| palette.warning).add_modifier(Modifier::BOLD),
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
        self.color(|palette| palette.good)
    }

    pub(crate) fn bad(self) -> Style {
        self.color(|palette| palette.error)
    }

    pub(crate) fn linked(self) -> Style {
        self.color(|palette| palette.linked).add_modifier(Modifier::BOLD)
    }

    /// In front of the column that a list is sorted by: the least first, the greatest first.
    pub(crate) fn sort_signs(self) -> [char; 2] {
        if self.has_unicode { ['▲', '▼'] } else { ['^', 'v'] }
    }

    /// A line down, between lanes.
    pub(crate) fn bar(self) -> &'static str {
        if self.has_unicode { "│" } else { "|" }
    }
}

// After Okabe and Ito, "Color Universal Design" (2008): hues that differ for all eyes, as bright or
// as dark as the background asks for (contrast of 4.5 at least, WCAG 2.1, 1.4.3).
const DARK: Palette = Palette {
    up: Color::Rgb(0x3d, 0x9b, 0xe0),
    down: Color::Rgb(0x56, 0xd4, 0xe9),
    warning: Color::Rgb(0xe6, 0x9f, 0x00),
    error: Color::Rgb(0xe0, 0x6a, 0x10),
    good: Color::Rgb(0x00, 0xae, 0x7f),
    linked: Color::Rgb(0xcc, 0x79, 0xa7),
};
const LIGHT: Palette = Palette {
    up: Color::Rgb(0x00, 0x62, 0xa2),
    down: Color::Rgb(0x00, 0x6d, 0x77),
    warning: Color::Rgb(0x8a, 0x5c, 0x00),
    error: Color::Rgb(0xb0, 0x42, 0x00),
    good: Color::Rgb(0x00, 0x70, 0x50),
    linked: Color::Rgb(0x9a, 0x3c, 0x74),
};
const HIGH_CONTRAST: Palette = Palette {
    up: Color::LightBlue,
    down: Color::LightCyan,
    warning: Color::LightYellow,
    error: Color::LightMagenta,
    good: Color::LightCyan,
    linked: Color::LightMagenta,
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1 to 21, against black or white (WCAG 2.1, "contrast ratio").
    fn contrast(color: Color, background: f64) -> f64 {
        let Color::Rgb(red, green, blue) = color else { panic!("{color}") };
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let own = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        (own.max(background) + 0.05) / (own.min(background) + 0.05)
    }

    #[test]
    fn every_colour_can_be_read_on_its_background() {
        for (palette, background) in [(DARK, 0.0), (LIGHT, 1.0)] {
            let Palette { up, down, warning, error, good, linked } = palette;
            for color in [up, down, warning, error, good, linked] {
                let contrast = contrast(color, background);

                assert!(contrast >= 4.5, "{color}: {contrast:.1}");
            }
        }
    }

    #[test]
    fn the_background_is_asked_of_the_terminal() {
        let rows = [
            (ThemeName::Auto, Some("0;15"), ThemeName::Light),
            (ThemeName::Auto, Some("15;default;0"), ThemeName::Dark),
            (ThemeName::Auto, Some("what"), ThemeName::Dark),
            (ThemeName::Auto, None, ThemeName::Dark),
            (ThemeName::Mono, Some("0;15"), ThemeName::Mono),
        ];
        for (name, colorfgbg, expected) in rows {
            assert_eq!(name.settled(colorfgbg), expected, "{name:?} {colorfgbg:?}");
        }
    }
}
