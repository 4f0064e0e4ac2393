//! Quantiles of very many values in little room.

/// Counts by size, each to within one part in 64 (1.6 %): 3,776 counters for all of 64 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    /// Takes in a value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        let place = place(value);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// All values of another one.
    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest, exactly; 0 if there are none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that this part of all values does not exceed, from 0 to 1; 0 if there are none.
    pub fn quantile(&self, part: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let wanted = ((part * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest(place).min(self.max);
            }
        }
        self.max
    }
}

fn place(value: u64) -> usize {
    let exponent = (63 - (value | 1).leading_zeros()).saturating_sub(PART_BITS) as usize;
    #[expect(clippy::cast_possible_truncation, reason = "below twice the parts")]
    let part = (value >> exponent) as usize;
    (exponent << PART_BITS) + part
}

/// The largest value of a place.
fn highest(place: usize) -> u64 {
    let part = 1 << PART_BITS;
    if place < 2 * part {
        return place as u64;
    }
    let exponent = place / part - 1;
    let mantissa = (place - exponent * part) as u128;
    u64::try_from(((mantissa + 1) << exponent) - 1).unwrap_or(u64::MAX)
}

const PART_BITS: u32 = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_found_again_to_one_part_in_64(value in any::<u64>()) {
            let mut histogram = Histogram::default();
            histogram.record(value);
            histogram.record(u64::MAX);

            let found = histogram.quantile(0.5);
            prop_assert!(found >= value && found - value <= value / 64);
        }
    }

    #[test]
    fn quantiles_of_merged_halves_are_those_of_the_whole() {
        let (mut whole, mut low, mut high) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for value in 0..10_000 {
            whole.record(value);
            if value < 5_000 { low.record(value) } else { high.record(value) }
        }
        low.merge(&high);

        assert_eq!(low, whole);
        assert!(whole.quantile(0.99).abs_diff(9_899) <= 9_899 / 64);
        assert_eq!((whole.quantile(1.0), whole.count()), (9_999, 10_000));
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }
}
