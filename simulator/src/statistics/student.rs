//! Student's t.

use crate::engine::math::{exp, ln, normal_quantile};

/// The value below which Student's t lies with this probability, above 0 and below 1, with so
/// many degrees of freedom (at least 1).
///
/// By bisection of the distribution, which is an incomplete beta function: slow, exact to ten
/// digits, and asked for once a table.
pub fn t_quantile(probability: f64, degrees: f64) -> f64 {
    if probability < 0.5 {
        return -t_quantile(1.0 - probability, degrees);
    }
    if degrees > NORMAL_DEGREES {
        return normal_quantile(probability);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while t_probability(high, degrees) < probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        match t_probability(middle, degrees) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// Of lying below `t`, which is not negative.
fn t_probability(t: f64, degrees: f64) -> f64 {
    1.0 - 0.5 * beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)
}

/// The regularised incomplete beta function, by its continued fraction (Lentz).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on one side of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(1.0 - x, b, a);
    }
    let front = exp(a * ln(x) + b * ln(1.0 - x) + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)) / a;
    let away = |number: f64| if number.abs() < TINY { TINY } else { number };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for step in 1..=BETA_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        fraction *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}

/// Stirling's series, pushed to where it is exact to fifteen digits.
fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 1.0;
    while x < 15.0 {
        below *= x;
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1_260.0 - 1.0 / 1_680.0 / square) / square) / square)
        / x;
    (x - 0.5) * ln(x) - x + 0.5 * ln(2.0 * std::f64::consts::PI) + series - ln(below)
}

/// Beyond, t and the normal distribution agree to six digits.
const NORMAL_DEGREES: f64 = 1e6;
const TINY: f64 = 1e-300;
const BETA_STEPS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (degrees, expected) in [
            (1.0, 12.706_204_7),
            (2.0, 4.302_652_7),
            (4.0, 2.776_445_1),
            (10.0, 2.228_138_9),
            (30.0, 2.042_272_5),
            (120.0, 1.979_930_4),
            (1e7, 1.959_964_0),
        ] {
            let found = t_quantile(0.975, degrees);
            assert!((found - expected).abs() < 1e-6, "{degrees}: {found}");
        }
        assert!((t_quantile(0.05, 9.0) + 1.833_112_9).abs() < 1e-6);
    }
}
