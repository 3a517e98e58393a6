//! Histograms of what polls took, and of how long tasks waited for them.

use std::ops::Range;
use std::time::Duration;

use super::RuntimeMetrics;
use crate::worker::{Histogram, Scale};

/// Poll times, if [`Builder::enable_metrics_poll_time_histogram`](crate::runtime::Builder::enable_metrics_poll_time_histogram)
/// was called.
impl RuntimeMetrics {
    /// True if poll times are counted.
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.poll_times().is_some()
    }

    /// Buckets of the histogram; 0 if poll times are not counted.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        self.poll_times().map_or(0, Scale::buckets)
    }

    /// The poll times that a bucket counts; empty if they are not counted.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        range(self.poll_times(), bucket)
    }

    /// Polls of the worker that took so long; 0 if poll times are not counted.
    ///
    /// # Panics
    ///
    /// If there is no such worker or bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        count(self.seat(worker).times.polls.as_ref(), bucket)
    }

    fn poll_times(&self) -> Option<Scale> {
        self.handle.inner.scheduler.config.measures.poll_times
    }
}

/// Schedule latencies, if
/// [`Builder::enable_metrics_schedule_latency_histogram`](crate::runtime::Builder::enable_metrics_schedule_latency_histogram)
/// was called.
impl RuntimeMetrics {
    /// True if schedule latencies are counted.
    pub fn schedule_latency_histogram_enabled(&self) -> bool {
        self.latencies().is_some()
    }

    /// Buckets of the histogram; 0 if latencies are not counted.
    pub fn schedule_latency_histogram_num_buckets(&self) -> usize {
        self.latencies().map_or(0, Scale::buckets)
    }

    /// The latencies that a bucket counts; empty if they are not counted.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        range(self.latencies(), bucket)
    }

    /// Polls of the worker for which the task had waited so long; 0 if latencies are not counted.
    ///
    /// # Panics
    ///
    /// If there is no such worker or bucket.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        count(self.seat(worker).times.latencies.as_ref(), bucket)
    }

    fn latencies(&self) -> Option<Scale> {
        self.handle.inner.scheduler.config.measures.latencies
    }
}

#[track_caller]
fn range(scale: Option<Scale>, bucket: usize) -> Range<Duration> {
    match scale {
        Some(scale) => scale.range(bucket),
        None => Range::default(),
    }
}

#[track_caller]
fn count(histogram: Option<&Histogram>, bucket: usize) -> u64 {
    match histogram {
        Some(histogram) => histogram.count(bucket),
        None => 0,
    }
}
