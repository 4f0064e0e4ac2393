//! Results for people: plots as SVG, and a run as one page that opens from disk.
//!
//! The same input gives the same bytes: no clock, no random colour, and every coordinate rounded
//! to a tenth of a pixel.

mod chart;
mod html;
mod svg;
#[cfg(test)]
mod tests;
mod timeline;

pub use chart::{Chart, Scale, Series};
pub use html::html;
pub use timeline::Timeline;
