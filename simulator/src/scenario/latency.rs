//! Distributions of delays, as people write them.

use std::path::Path;
use std::time::Duration;

use super::LatencyText;
use crate::link::Latency;
use crate::units::parse_duration;

/// A duration, or one of `uniform`, `lognormal`, `pareto` and `file` with its arguments.
pub(crate) fn parse(text: &str, directory: &Path) -> Result<LatencyText, String> {
    let Some((name, rest)) = text.split_once('(') else {
        let delay = parse_duration(text).map_err(|_| expected(text))?;
        return bounded(delay, text)
            .map(|delay| LatencyText::Distribution(Latency::Constant(delay)));
    };
    let inner = rest.strip_suffix(')').ok_or_else(|| expected(text))?;
    let name = name.trim();
    if name == "file" && !inner.trim().is_empty() {
        return Ok(LatencyText::File(directory.join(inner.trim())));
    }
    let (first, second) = inner.split_once(',').ok_or_else(|| expected(text))?;
    let delay = |part: &str| {
        let delay = parse_duration(part).map_err(|_| expected(text))?;
        bounded(delay, text)
    };
    let shape = || -> Result<f64, String> {
        let number: f64 = second.trim().parse().map_err(|_| expected(text))?;
        let is_shape = number > 0.0 && number <= SHAPE_MAX;
        is_shape.then_some(number).ok_or_else(|| expected(text))
    };
    let first = delay(first)?;
    Ok(LatencyText::Distribution(match name {
        "uniform" => {
            let last = delay(second)?;
            if last < first {
                return Err(format!("the first delay of \"{text}\" is above the second"));
            }
            Latency::Uniform(first, last)
        }
        "lognormal" => Latency::Lognormal(first, shape()?),
        "pareto" => Latency::Pareto(first, shape()?),
        _ => return Err(expected(text)),
    }))
}

fn bounded(delay: Duration, text: &str) -> Result<Duration, String> {
    match delay > DELAY_MAX {
        true => Err(format!("\"{text}\": a packet is under way for a minute at most")),
        false => Ok(delay),
    }
}

fn expected(text: &str) -> String {
    format!(
        "expected a delay such as \"20ms\", \"uniform(10ms, 50ms)\", \"lognormal(20ms, 0.5)\", \
         \"pareto(10ms, 4)\" or \"file(delays.txt)\", got \"{text}\""
    )
}

const DELAY_MAX: Duration = Duration::from_secs(60);
/// Of exponents and deviations.
const SHAPE_MAX: f64 = 100.0;
