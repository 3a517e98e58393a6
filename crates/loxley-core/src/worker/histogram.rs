//! Counts of times by size, in buckets of one width or of widths that grow with the times.
//!
//! A [`Scale`] says which bucket counts which times. The logarithmic one is an H2 histogram
//! (iop.systems/blog/h2-histogram): between two powers of two lie 2^p buckets of equal width, so no time is further
//! than 1 in 2^p from the bounds of its bucket, and finding the bucket takes two shifts.

use std::ops::Range;
use std::time::Duration;

use crate::primitive::global::{AtomicU64, Ordering};

/// Which bucket counts which times. Times are nanoseconds; the last bucket has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Buckets of one width.
    Linear {
        /// Nanoseconds, at least 1.
        width: u64,
        /// At least 1.
        buckets: usize,
    },
    /// Buckets whose widths grow.
    Log(LogScale),
}

/// Widths that double every 2^`precision` buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogScale {
    /// The p above.
    pub precision: u32,
    /// So many of the shortest buckets are one with the next: the first.
    pub skipped: usize,
    /// At least 2.
    pub buckets: usize,
}

impl LogScale {
    /// The bucket of a scale that skips none and has no last one.
    pub fn index(precision: u32, ns: u64) -> usize {
        let doublings = ns.checked_ilog2().unwrap_or(0).saturating_sub(precision);
        ((doublings as usize) << precision) + (ns >> doublings) as usize
    }

    /// What that bucket counts.
    fn bounds(precision: u32, index: usize) -> Range<u64> {
        let doublings = (index >> precision).saturating_sub(1);
        let bound = |index: usize| {
            let steps = (index - (doublings << precision)) as u128;
            u64::try_from(steps << doublings).unwrap_or(u64::MAX)
        };
        bound(index)..bound(index + 1)
    }

    /// The end of the last bucket that has one.
    pub fn last_end(self) -> u64 {
        Self::bounds(self.precision, self.skipped + self.buckets - 2).end
    }
}

impl Scale {
    /// From 65 µs to 17 s in buckets that double: how long somebody waits for a rescue.
    pub const DOUBLING: Self = Self::Log(LogScale {
        precision: 0,
        skipped: 16,
        buckets: 20,
    });

    /// How many buckets there are.
    pub fn buckets(self) -> usize {
        match self {
            Self::Linear { buckets, .. } | Self::Log(LogScale { buckets, .. }) => buckets,
        }
    }

    fn bucket(self, ns: u64) -> usize {
        let bucket = match self {
            Self::Linear { width, .. } => usize::try_from(ns / width).unwrap_or(usize::MAX),
            Self::Log(log) => LogScale::index(log.precision, ns).saturating_sub(log.skipped),
        };
        bucket.min(self.buckets() - 1)
    }

    /// What a bucket counts.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn range(self, bucket: usize) -> Range<Duration> {
        self.check(bucket);
        let mut bounds = match self {
            Self::Linear { width, .. } => {
                let start = width.saturating_mul(bucket as u64);
                start..start.saturating_add(width)
            }
            Self::Log(log) => LogScale::bounds(log.precision, bucket + log.skipped),
        };
        if bucket == 0 {
            bounds.start = 0;
        }
        if bucket == self.buckets() - 1 {
            bounds.end = u64::MAX;
        }
        Duration::from_nanos(bounds.start)..Duration::from_nanos(bounds.end)
    }

    #[track_caller]
    fn check(self, bucket: usize) {
        let buckets = self.buckets();
        assert!(bucket < buckets, "bucket {bucket} of {buckets}");
    }
}

/// How many times were how long. Anybody counts, anybody reads.
#[derive(Debug)]
pub struct Histogram {
    scale: Scale,
    counts: Box<[AtomicU64]>,
}

impl Histogram {
    /// Nothing is counted yet.
    pub fn new(scale: Scale) -> Self {
        let counts = (0..scale.buckets()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, counts }
    }

    /// Counts a time in nanoseconds.
    pub fn record(&self, ns: u64) {
        self.counts[self.scale.bucket(ns)].fetch_add(1, Ordering::Relaxed);
    }

    /// Times in a bucket.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn count(&self, bucket: usize) -> u64 {
        self.scale.check(bucket);
        self.counts[bucket].load(Ordering::Relaxed)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(Scale::DOUBLING)
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    fn scales() -> Vec<Scale> {
        let linear = |width, buckets| Scale::Linear { width, buckets };
        let mut scales = vec![Scale::DOUBLING, linear(100_000, 10), linear(1, 1)];
        for precision in 0..=10 {
            for skipped in [0, 1, 7, 30] {
                // No more than there are times for.
                let most = LogScale::index(precision, u64::MAX) + 1 - skipped;
                for buckets in [2, 3, most.min(200)] {
                    let log = LogScale {
                        precision,
                        skipped,
                        buckets,
                    };
                    scales.push(Scale::Log(log));
                }
            }
        }
        scales
    }

    #[test]
    fn every_time_is_counted_in_the_bucket_that_contains_it() {
        let powers = (0..64).map(|power| 1_u64 << power);
        let around = powers.flat_map(|power| [power - 1, power, power + 1, power + power / 3]);
        let times: Vec<u64> = around.chain([u64::MAX - 1]).collect();
        for scale in scales() {
            for &ns in &times {
                let histogram = Histogram::new(scale);
                histogram.record(ns);
                let holds = |&bucket: &usize| histogram.count(bucket) == 1;
                let bucket = (0..scale.buckets()).find(holds).expect("it was counted");
                let range = scale.range(bucket);
                assert!(
                    range.contains(&Duration::from_nanos(ns)),
                    "{ns} in {range:?} of {scale:?}"
                );
            }
        }
    }

    #[test]
    fn the_buckets_leave_no_gap_and_cover_all_times() {
        for scale in scales() {
            let last = scale.buckets() - 1;
            assert_eq!(scale.range(0).start, Duration::ZERO);
            assert_eq!(scale.range(last).end, Duration::from_nanos(u64::MAX));
            for bucket in 1..=last {
                let (before, after) = (scale.range(bucket - 1), scale.range(bucket));
                assert_eq!(before.end, after.start, "{bucket} of {scale:?}");
            }
        }
    }

    #[test]
    fn a_bucket_of_the_logarithmic_scale_is_as_narrow_as_its_precision_says() {
        for precision in 0..=10 {
            let last = LogScale::index(precision, u64::MAX);
            for index in (2 << precision)..last.min(1 << 14) {
                let bounds = LogScale::bounds(precision, index);
                let width = bounds.end - bounds.start;
                assert!(
                    width << precision <= bounds.start,
                    "{bounds:?} at precision {precision}"
                );
            }
        }
    }
}
