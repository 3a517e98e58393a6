//! Counts of times by size, in buckets that double.

use std::ops::Range;
use std::time::Duration;

use crate::primitive::global::{AtomicU64, Ordering};

/// Buckets of a histogram.
pub const BUCKETS: usize = 20;
/// The first bucket ends here; each further one ends at twice the end of the one before, the last one never.
const FIRST: Duration = Duration::from_micros(64);

/// How many times were how long. Anybody counts, anybody reads; none of it is on a hot path.
#[derive(Debug, Default)]
pub struct Histogram([AtomicU64; BUCKETS]);

impl Histogram {
    /// Counts a time in nanoseconds.
    pub fn record(&self, ns: u64) {
        let doubles = (ns / FIRST.as_nanos() as u64).checked_ilog2();
        let bucket = doubles.map_or(0, |doubles| doubles as usize + 1);
        self.0[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// Times in a bucket.
    pub fn count(&self, bucket: usize) -> u64 {
        self.0[bucket].load(Ordering::Relaxed)
    }

    /// What a bucket counts.
    pub fn range(bucket: usize) -> Range<Duration> {
        let end = |bucket: usize| FIRST * (1 << bucket);
        let start = bucket.checked_sub(1).map_or(Duration::ZERO, end);
        match bucket + 1 < BUCKETS {
            true => start..end(bucket),
            false => start..Duration::MAX,
        }
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_counted_in_the_bucket_that_contains_it() {
        for micros in [
            0,
            1,
            63,
            64,
            65,
            127,
            128,
            1_000,
            100_000,
            10_000_000,
            1 << 40,
        ] {
            let (histogram, time) = (Histogram::default(), Duration::from_micros(micros));
            histogram.record(time.as_nanos() as u64);
            let holds = |&bucket: &usize| histogram.count(bucket) == 1;
            let bucket = (0..BUCKETS).find(holds).expect("it was counted");
            assert!(Histogram::range(bucket).contains(&time), "{time:?}");
        }
    }

    #[test]
    fn the_buckets_leave_no_gap() {
        for bucket in 1..BUCKETS {
            assert_eq!(
                Histogram::range(bucket - 1).end,
                Histogram::range(bucket).start
            );
        }
    }
}
