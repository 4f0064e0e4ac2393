//! A plot of lines, or of bars where what is to the right has names.

use super::svg::{Anchor, Svg};
use crate::compare::number;
use crate::engine::math::{exp, ln};

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it.
    pub x: String,
    /// To its left, with the unit.
    pub y: String,
    /// To the right, and upwards.
    pub scales: (Scale, Scale),
    /// Names of the places to the right, if they are no numbers: bars instead of lines.
    pub names: Vec<String>,
    /// In the order of the legend.
    pub series: Vec<Series>,
}

/// How numbers become places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly; from zero, upwards.
    #[default]
    Linear,
    /// By powers of ten; what is not above zero is left out.
    Logarithmic,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// To the right, and upwards; ascending to the right.
    pub points: Vec<(f64, f64)>,
    /// What a formula gives, rather than what was found.
    pub is_formula: bool,
}

impl Chart {
    /// As SVG.
    pub fn svg(&self) -> String {
        let mut svg = Svg::new(WIDTH, HEIGHT, &self.title);
        svg.words((WIDTH / 2.0, 18.0), Anchor::Middle, &self.title);
        svg.words(((LEFT + RIGHT) / 2.0, HEIGHT - 8.0), Anchor::Middle, &self.x);
        svg.words((8.0, 36.0), Anchor::Start, &self.y);
        let points = || self.series.iter().flat_map(|series| &series.points);
        let xs: Vec<f64> = points().map(|point| point.0).collect();
        let ys: Vec<f64> = points().map(|point| point.1).collect();
        let horizontal = Axis::new(&xs, self.scales.0, (LEFT, RIGHT), false);
        let vertical = Axis::new(&ys, self.scales.1, (BOTTOM, TOP), true);
        for value in vertical.ticks() {
            let y = vertical.place(value);
            svg.line((LEFT, y), (RIGHT, y), GRID);
            svg.words((LEFT - 6.0, y + 4.0), Anchor::End, &tick(value));
        }
        svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "#000000");
        match self.names.is_empty() {
            true => self.draw_lines(&mut svg, &horizontal, &vertical),
            false => self.draw_bars(&mut svg, &vertical),
        }
        for (index, series) in self.series.iter().enumerate() {
            let y = TOP + 8.0 + 16.0 * index as f64;
            svg.bar((RIGHT + 12.0, y - 8.0), (10.0, 8.0), self.color(index));
            svg.words((RIGHT + 28.0, y), Anchor::Start, &series.name);
        }
        svg.finish()
    }

    fn draw_lines(&self, svg: &mut Svg, horizontal: &Axis, vertical: &Axis) {
        for value in horizontal.ticks() {
            let x = horizontal.place(value);
            svg.line((x, BOTTOM), (x, BOTTOM + 4.0), "#000000");
            svg.words((x, BOTTOM + 18.0), Anchor::Middle, &tick(value));
        }
        for (index, series) in self.series.iter().enumerate() {
            let shown = series
                .points
                .iter()
                .filter(|(x, y)| horizontal.is_shown(*x) && vertical.is_shown(*y));
            let places: Vec<(f64, f64)> =
                shown.map(|(x, y)| (horizontal.place(*x), vertical.place(*y))).collect();
            svg.path(&places, self.color(index), series.is_formula);
            if !series.is_formula && places.len() <= DOTS_MAX {
                places.iter().for_each(|place| svg.dot(*place, self.color(index)));
            }
        }
    }

    fn draw_bars(&self, svg: &mut Svg, vertical: &Axis) {
        let room = (RIGHT - LEFT) / self.names.len().max(1) as f64;
        let width = room * 0.8 / self.series.len().max(1) as f64;
        for (place, name) in self.names.iter().enumerate() {
            let left = LEFT + room * (place as f64 + 0.1);
            svg.words((left + room * 0.4, BOTTOM + 18.0), Anchor::Middle, name);
            for (index, series) in self.series.iter().enumerate() {
                let Some((_, value)) = series.points.get(place) else { continue };
                if vertical.is_shown(*value) {
                    let top = vertical.place(*value);
                    let at = (left + width * index as f64, top);
                    svg.bar(at, (width, BOTTOM - top), self.color(index));
                }
            }
        }
    }

    /// A formula has the colour of the line before it.
    fn color(&self, index: usize) -> &'static str {
        let found = self.series[..=index].iter().filter(|series| !series.is_formula).count();
        COLORS[found.saturating_sub(1) % COLORS.len()]
    }
}

struct Axis {
    scale: Scale,
    range: (f64, f64),
    pixels: (f64, f64),
}

impl Axis {
    fn new(values: &[f64], scale: Scale, pixels: (f64, f64), from_zero: bool) -> Self {
        let is_log = scale == Scale::Logarithmic;
        let shown = values.iter().copied().filter(|value| value.is_finite());
        let shown: Vec<f64> = shown.filter(|value| !is_log || *value > 0.0).collect();
        let low = shown.iter().copied().fold(f64::INFINITY, f64::min);
        let high = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = match (scale, low <= high) {
            (_, false) => (if is_log { 1.0 } else { 0.0 }, if is_log { 10.0 } else { 1.0 }),
            (Scale::Logarithmic, true) => {
                let (low, high) = (decade(low, f64::floor), decade(high, f64::ceil));
                (low, if high > low { high } else { low * 10.0 })
            }
            (Scale::Linear, true) => {
                let low = if from_zero { low.min(0.0) } else { low };
                let high = if high > low { high } else { low + 1.0 };
                (low, if from_zero { low + (high - low) * 1.05 } else { high })
            }
        };
        Axis { scale, range, pixels }
    }

    fn is_shown(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    fn place(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => ln(value),
        };
        let (low, high) = (along(self.range.0), along(self.range.1));
        let part = (along(value) - low) / (high - low);
        self.pixels.0 + part * (self.pixels.1 - self.pixels.0)
    }

    /// Round numbers within the range.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.range;
        if self.scale == Scale::Logarithmic {
            let decades = std::iter::successors(Some(low), |value| Some(value * 10.0));
            return decades.take_while(|value| *value <= high * 1.000_1).take(TICKS_MAX).collect();
        }
        let rough = (high - low) / 5.0;
        let power = decade(rough, f64::floor);
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(rough);
        let first = (low / step).ceil();
        let all = (0..TICKS_MAX).map(|index| (first + index as f64) * step);
        all.take_while(|value| *value <= high).collect()
    }
}

/// The power of ten at or beside a number above zero.
fn decade(value: f64, round: fn(f64) -> f64) -> f64 {
    // A hundredth of a rounding error must not make another decade.
    let exponent = ln(value) / ln(10.0);
    let nearest = exponent.round();
    let exponent = if (exponent - nearest).abs() < 1e-9 { nearest } else { round(exponent) };
    let power = exp(exponent * ln(10.0));
    // Powers of ten as people write them.
    let digits = format!("{power:.3e}");
    digits.parse().unwrap_or(power)
}

/// As short as it is exact enough.
fn tick(value: f64) -> String {
    let text = number(value);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 520.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 310.0;
const GRID: &str = "#dddddd";
const TICKS_MAX: usize = 16;
/// More would be a thick line.
const DOTS_MAX: usize = 60;
/// Told apart by those who do not see all colours (Okabe and Ito).
const COLORS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
