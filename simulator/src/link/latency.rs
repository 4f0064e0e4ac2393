//! How long a packet is under way, when nothing stands in its way.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Stream, math};

/// The distribution of one-way delays of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Anything between the two, equally likely.
    Uniform(Duration, Duration),
    /// The median, and the standard deviation of the logarithm (0.1 is about 10 %).
    Lognormal(Duration, f64),
    /// The least, and the exponent of the tail; the mean exists above 1.
    Pareto(Duration, f64),
    /// Measured ones, in nanoseconds, ascending; between two of them all are equally likely.
    Empirical(Arc<[u64]>),
}

impl Latency {
    /// From text with a number of milliseconds in each line; empty lines and those that begin
    /// with `#` say nothing.
    ///
    /// # Errors
    /// The line (from 1) and what is wrong with it.
    pub fn empirical(text: &str) -> Result<Self, String> {
        let mut delays = Vec::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let milliseconds: f64 = line.parse().unwrap_or(f64::NAN);
            if !(0.0..=LATENCY_MAX_NS / 1e6).contains(&milliseconds) {
                return Err(format!(
                    "line {number}: expected milliseconds from 0 to 60000, got \"{line}\""
                ));
            }
            if delays.len() == SAMPLE_COUNT_MAX {
                return Err(format!("line {number}: more than {SAMPLE_COUNT_MAX} delays"));
            }
            delays.push(nanoseconds(milliseconds * 1e6));
        }
        if delays.is_empty() {
            return Err("no delay in it: expected a number of milliseconds in each line".to_owned());
        }
        delays.sort_unstable();
        Ok(Latency::Empirical(delays.into()))
    }

    /// In nanoseconds; at most a minute. One draw of the stream, none if constant.
    #[inline]
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        match self {
            Latency::Constant(delay) => nanoseconds(length(*delay)),
            Latency::Uniform(min, max) => {
                nanoseconds(length(*min) + stream.unit() * (length(*max) - length(*min)))
            }
            Latency::Lognormal(median, sigma) => {
                nanoseconds(stream.lognormal(length(*median), *sigma))
            }
            Latency::Pareto(least, shape) => nanoseconds(stream.pareto(length(*least), *shape)),
            Latency::Empirical(delays) => nanoseconds(quantile(delays, stream.unit())),
        }
    }

    /// Its mean; a minute where there is none.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(nanoseconds(match self {
            Latency::Constant(delay) => length(*delay),
            Latency::Uniform(min, max) => (length(*min) + length(*max)) / 2.0,
            Latency::Lognormal(median, sigma) => length(*median) * math::exp(sigma * sigma / 2.0),
            Latency::Pareto(least, shape) if *shape > 1.0 => length(*least) * shape / (shape - 1.0),
            Latency::Pareto(..) => LATENCY_MAX_NS,
            Latency::Empirical(delays) => {
                let last = delays.len() - 1;
                // Of the straight lines between neighbours.
                let edges = (delays[0] as f64 + delays[last] as f64) / 2.0;
                let sum = delays.iter().map(|delay| *delay as f64).sum::<f64>();
                if last == 0 { edges } else { (sum - edges) / last as f64 }
            }
        }))
    }
}

fn quantile(delays: &[u64], probability: f64) -> f64 {
    let place = probability * (delays.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = place as usize;
    let low = delays[index] as f64;
    let high = delays[(index + 1).min(delays.len() - 1)] as f64;
    low + (high - low) * (place - index as f64)
}

/// In nanoseconds; not by way of 128 bits, which every message would pay for.
#[inline]
fn length(duration: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a minute in seconds")]
    let seconds = duration.as_secs() as f64;
    seconds * 1e9 + f64::from(duration.subsec_nanos())
}

#[inline]
fn nanoseconds(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let whole = (number.clamp(0.0, LATENCY_MAX_NS) + 0.5) as u64;
    whole
}

/// A minute: later than that, TCP has sent again.
const LATENCY_MAX_NS: f64 = 60e9;
/// Of a file of measured delays.
const SAMPLE_COUNT_MAX: usize = 1_000_000;
