//! How the histograms of a runtime divide times into buckets.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::clock::duration_ns;
use crate::worker::{LogScale, Scale};

const FINEST: u32 = 10;

/// The buckets of a histogram of times: of one width, or of widths that grow.
///
/// For [`Builder::metrics_poll_time_histogram_configuration`](super::Builder::metrics_poll_time_histogram_configuration)
/// and [`Builder::metrics_schedule_latency_histogram_configuration`](super::Builder::metrics_schedule_latency_histogram_configuration).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loxley_core::runtime::{Builder, HistogramConfiguration};
///
/// let runtime = Builder::new_current_thread()
///     .enable_metrics_poll_time_histogram()
///     .metrics_poll_time_histogram_configuration(HistogramConfiguration::linear(
///         Duration::from_micros(10),
///         3,
///     ))
///     .build()?;
/// let metrics = runtime.metrics();
/// assert_eq!(metrics.poll_time_histogram_num_buckets(), 3);
/// let middle = metrics.poll_time_histogram_bucket_range(1);
/// assert_eq!(middle, Duration::from_micros(10)..Duration::from_micros(20));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HistogramConfiguration(pub(super) Scale);

impl HistogramConfiguration {
    /// `num_buckets` of one width, the last of which has no end.
    ///
    /// # Panics
    ///
    /// If the width is below a nanosecond or there is no bucket.
    #[must_use]
    #[track_caller]
    pub fn linear(bucket_width: Duration, num_buckets: usize) -> Self {
        assert!(
            !bucket_width.is_zero() && num_buckets > 0,
            "a histogram needs buckets, and they need a width"
        );
        Self(Scale::Linear {
            width: duration_ns(bucket_width),
            buckets: num_buckets,
        })
    }

    /// Buckets whose widths grow with the times, so that all are counted with about the same relative error.
    #[must_use]
    pub fn log(configuration: impl Into<LogHistogram>) -> Self {
        Self(Scale::Log(configuration.into().0))
    }
}

impl Default for HistogramConfiguration {
    /// Ten buckets of 100 µs.
    fn default() -> Self {
        Self::linear(Duration::from_micros(100), 10)
    }
}

/// Buckets whose widths double with every power of two, between which a fixed number of them are equally wide: an
/// [H2 histogram](https://iop.systems/blog/h2-histogram/).
///
/// The first bucket begins at 0 whatever its width would be, and the last one has no end. The default is that of
/// [`LogHistogramBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHistogram(LogScale);

impl LogHistogram {
    /// Chooses bounds and precision.
    #[must_use]
    pub fn builder() -> LogHistogramBuilder {
        LogHistogramBuilder::default()
    }

    /// The least time, in nanoseconds, that only the last bucket counts.
    #[must_use]
    pub fn max_value(&self) -> u64 {
        self.0.last_end()
    }
}

impl Default for LogHistogram {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl From<LogHistogramBuilder> for LogHistogram {
    fn from(builder: LogHistogramBuilder) -> Self {
        builder.build()
    }
}

/// Bounds and precision of a [`LogHistogram`].
///
/// By default 100 ns to 60 s with an error of at most 25 %, in 119 buckets of eight bytes for each worker.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loxley_core::runtime::LogHistogram;
///
/// let builder = LogHistogram::builder()
///     .min_value(Duration::from_micros(1))
///     .max_value(Duration::from_secs(1))
///     .max_error(0.1);
/// let mut frugal = builder;
/// assert!(frugal.max_buckets(100).is_err());
/// assert!(builder.build().max_value() >= 1_000_000_000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LogHistogramBuilder {
    min: Duration,
    max: Duration,
    precision: u32,
}

impl Default for LogHistogramBuilder {
    fn default() -> Self {
        Self {
            min: Duration::from_nanos(100),
            max: Duration::from_secs(60),
            precision: 2,
        }
    }
}

impl LogHistogramBuilder {
    /// Sets how far a time may be from the bounds of its bucket, as a part of the time. Default: 0.25.
    ///
    /// It is rounded down to a power of two, and is never below 2^-10.
    ///
    /// # Panics
    ///
    /// Unless it lies between 0 and 1, both excluded.
    #[must_use]
    #[track_caller]
    pub fn max_error(self, max_error: f64) -> Self {
        assert!(
            0.0 < max_error && max_error < 1.0,
            "an error of {max_error}: it must lie between 0 and 1"
        );
        let fine = |&precision: &u32| 0.5_f64.powi(precision as i32) <= max_error;
        let precision = (0..FINEST).find(fine).unwrap_or(FINEST);
        self.precision_exact(precision)
    }

    /// Sets how many buckets lie between two powers of two: 2^`precision`. Default: 2, for four of them.
    ///
    /// With 0 each bucket is twice as wide as the one before.
    ///
    /// # Panics
    ///
    /// Above 10.
    #[must_use]
    #[track_caller]
    pub fn precision_exact(mut self, precision: u32) -> Self {
        assert!(
            precision <= FINEST,
            "a precision of {precision}: at most {FINEST}"
        );
        self.precision = precision;
        self
    }

    /// Sets the shortest time that is told from shorter ones: the first bucket ends there or before. Default: 100 ns.
    #[must_use]
    pub fn min_value(mut self, duration: Duration) -> Self {
        self.min = duration;
        self
    }

    /// Sets the longest time that is told from longer ones: the last bucket begins there or after. Default: 60 s.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn max_value(mut self, duration: Duration) -> Self {
        assert!(!duration.is_zero(), "a histogram of no times at all");
        self.max = duration;
        self
    }

    /// Makes the histogram, unless it would have more buckets than that.
    ///
    /// # Errors
    ///
    /// It would; the error says how many.
    ///
    /// # Panics
    ///
    /// As [`LogHistogramBuilder::build`].
    #[track_caller]
    pub fn max_buckets(
        &mut self,
        max_buckets: usize,
    ) -> Result<LogHistogram, InvalidHistogramConfiguration> {
        let histogram = self.build();
        let required_bucket_count = histogram.0.buckets;
        if required_bucket_count > max_buckets {
            return Err(InvalidHistogramConfiguration::TooManyBuckets {
                required_bucket_count,
            });
        }
        Ok(histogram)
    }

    /// Makes the histogram.
    ///
    /// # Panics
    ///
    /// If the shortest time is above the longest.
    #[must_use]
    #[track_caller]
    pub fn build(&self) -> LogHistogram {
        assert!(
            self.min <= self.max,
            "a histogram from {:?} to {:?}",
            self.min,
            self.max
        );
        let index = |ns| LogScale::index(self.precision, ns);
        // The bucket before that of the shortest time is the first.
        let skipped = index(duration_ns(self.min)).saturating_sub(1);
        let last = index(duration_ns(self.max) - 1) - skipped + 1;
        LogHistogram(LogScale {
            precision: self.precision,
            skipped,
            buckets: last.max(1) + 1,
        })
    }
}

/// Why a histogram was not made.
#[derive(Debug)]
pub enum InvalidHistogramConfiguration {
    /// It would have had too many buckets.
    TooManyBuckets {
        /// So many.
        required_bucket_count: usize,
    },
}

impl fmt::Display for InvalidHistogramConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyBuckets {
                required_bucket_count,
            } => write!(
                f,
                "a histogram of these bounds and this precision has {required_bucket_count} buckets, which is more than allowed"
            ),
        }
    }
}

impl Error for InvalidHistogramConfiguration {}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    fn range(histogram: LogHistogram, bucket: usize) -> std::ops::Range<Duration> {
        Scale::Log(histogram.0).range(bucket)
    }

    #[test]
    fn the_bounds_asked_for_are_kept() {
        let ns = Duration::from_nanos;
        for precision in 0..=FINEST {
            for (min, max) in [(0, 1), (1, 1), (5, 9), (100, 60_000_000_000), (7, 1 << 40)] {
                let builder = LogHistogram::builder().precision_exact(precision);
                let histogram = builder.min_value(ns(min)).max_value(ns(max)).build();
                let last = histogram.0.buckets - 1;
                assert!(range(histogram, 0).end <= ns(min.max(1)), "{histogram:?}");
                assert!(range(histogram, last).start >= ns(max), "{histogram:?}");
                assert_eq!(
                    histogram.max_value() as u128,
                    range(histogram, last).start.as_nanos()
                );
            }
        }
    }

    #[test]
    fn the_default_is_what_its_documentation_says() {
        let histogram = LogHistogram::default();
        assert_eq!(histogram.0.buckets, 119);
        assert_eq!(histogram.0.precision, 2);
    }

    #[test]
    fn a_smaller_error_takes_more_buckets() {
        let buckets = |error| LogHistogram::builder().max_error(error).build().0.buckets;
        assert!(buckets(0.5) < buckets(0.25) && buckets(0.25) < buckets(0.1));
        assert_eq!(
            buckets(1e-9),
            LogHistogram::builder()
                .precision_exact(10)
                .build()
                .0
                .buckets
        );
    }

    #[test]
    fn doubling_buckets_are_those_of_precision_0() {
        let micros = Duration::from_micros;
        let builder = LogHistogram::builder().precision_exact(0);
        let histogram = builder
            .min_value(micros(20))
            .max_value(micros(4_000))
            .build();
        for bucket in 1..histogram.0.buckets - 1 {
            let range = range(histogram, bucket);
            assert_eq!(range.end, 2 * range.start);
        }
    }
}
