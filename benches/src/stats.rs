//! Medians, and how sure one may be of them.
//!
//! *Words.* A *ratio* is taken between two processes of the same round, because what disturbs a machine disturbs
//! neighbours in time alike. The *interval* is the percentile bootstrap of the median of those ratios: draw as many
//! ratios as there are, with replacement, take their median, do so [`DRAWS`] times, and cut 2.5 % off either end.
//! The draws come from a fixed seed, so that the same samples always print the same interval.
//!
//! *Rejected.* A mean and its standard error: one compile job beside one run moves the mean of five by a tenth.
//!
//! *Checked by* the tests below.

/// How often the bootstrap draws.
pub const DRAWS: usize = 4000;

/// A median with the least and the greatest value it was taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
}

/// A median with its 95 % bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The median of the sample itself.
    pub median: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies within, ends included.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The median: the middle one, or the mean of the two middle ones. `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

/// Median, least and greatest. `None` of nothing.
#[must_use]
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Spread {
        median: median_of_sorted(&sorted)?,
        min: *sorted.first()?,
        max: *sorted.last()?,
    })
}

/// The 95 % bootstrap interval of the median. `None` of fewer than two values: one run says nothing about spread.
#[must_use]
pub fn bootstrap(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut drawn = vec![0.0; values.len()];
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            for slot in &mut drawn {
                *slot = values[random.below(values.len())];
            }
            drawn.sort_by(f64::total_cmp);
            median_of_sorted(&drawn).expect("as many draws as values, and those are at least two")
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let cut = DRAWS / 40; // 2.5 %
    Some(Interval {
        median: median(values)?,
        low: medians[cut],
        high: medians[DRAWS - 1 - cut],
    })
}

/// Ratios of `ours` to `theirs`, round by round; a round that lacks one of the two is left out.
#[must_use]
pub fn paired_ratios(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .filter_map(|(ours, theirs)| match (ours, theirs) {
            (Some(ours), Some(theirs)) if *theirs > 0.0 => Some(ours / theirs),
            _ => None,
        })
        .collect()
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// A small generator of random numbers (splitmix64) for resampling and for workloads that need a fixed seed.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number from 0 up to, not including, `limit`; the bias of the remainder is below 2^-40 for limits in use here.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_u64() % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 4.0]), Some(4.5));
    }

    #[test]
    fn a_spread_names_its_ends() {
        let spread = spread(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
    }

    #[test]
    fn equal_values_have_an_interval_without_width() {
        let interval = bootstrap(&[1.25; 5]).unwrap();
        assert_eq!(
            (interval.median, interval.low, interval.high),
            (1.25, 1.25, 1.25)
        );
    }

    #[test]
    fn one_value_has_no_interval() {
        assert_eq!(bootstrap(&[1.0]), None);
    }

    // For the values 1..=15 the bootstrapped median leaves 4..=12 in under 1 % of draws and is outside of 5..=11
    // in over 5 % (binomial tail of 8 or more of 15 draws at or below the value), so the ends are known.
    #[test]
    fn the_interval_of_a_known_sample_is_the_one_the_binomial_gives() {
        let values: Vec<f64> = (1..=15).map(f64::from).collect();
        let interval = bootstrap(&values).unwrap();
        assert_eq!(interval.median, 8.0);
        assert!((4.0..=5.0).contains(&interval.low), "{interval:?}");
        assert!((11.0..=12.0).contains(&interval.high), "{interval:?}");
        assert!(interval.holds(8.0) && !interval.holds(1.0));
    }

    #[test]
    fn ratios_pair_within_a_round_and_skip_failures() {
        let ratios = paired_ratios(
            &[Some(2.0), None, Some(9.0)],
            &[Some(1.0), Some(5.0), Some(3.0)],
        );
        assert_eq!(ratios, [2.0, 3.0]);
    }
}
