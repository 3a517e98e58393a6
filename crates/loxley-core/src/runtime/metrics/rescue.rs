//! What was done for those who waited behind a stuck worker.

use std::ops::Range;
use std::time::Duration;

use super::RuntimeMetrics;
use crate::monitor::{Reason, Tally};
use crate::worker::Scale;

/// Rescue.
impl RuntimeMetrics {
    /// Threads that stand in for stuck workers, idle ones included.
    pub fn num_rescue_threads(&self) -> usize {
        self.handle.inner.spares.threads()
    }

    /// Threads found stuck in one poll.
    pub fn stuck_count(&self) -> u64 {
        self.tally(Tally::verdicts)
    }

    /// Times that the monitor looked at workers which had been active for a while.
    pub fn monitor_ring_count(&self) -> u64 {
        self.tally(Tally::rings)
    }

    /// Sleeping workers woken to relieve a stuck one.
    pub fn rescue_call_count(&self) -> u64 {
        self.tally(Tally::calls)
    }

    /// Spare threads started because every worker was stuck and one of them asleep in the kernel.
    pub fn rescue_spares_asleep_count(&self) -> u64 {
        self.tally(|tally| tally.spares(Reason::Asleep))
    }

    /// Spare threads started because every worker computed while work had waited for more than 10 ms.
    pub fn rescue_spares_computing_count(&self) -> u64 {
        self.tally(|tally| tally.spares(Reason::Computing))
    }

    /// Tasks taken over from the LIFO slots of stuck workers.
    pub fn rescued_slot_count(&self) -> u64 {
        self.sum(|counters| counters.slots_relieved.get())
    }

    /// Tasks taken over from the deques of stuck workers, beside those that were stolen in the ordinary way.
    pub fn rescued_task_count(&self) -> u64 {
        self.sum(|counters| counters.tasks_relieved.get())
    }

    /// Times that events or due timers of a stuck worker were taken in by a peer.
    pub fn rescued_station_count(&self) -> u64 {
        self.sum(|counters| counters.stations_relieved.get())
    }

    /// Times that a busy worker took events, due timers or tasks from one that made no progress for about 100 µs, because it
    /// computed or waited for a processor, before anybody was found stuck.
    pub fn visit_count(&self) -> u64 {
        self.sum(|counters| counters.visits.get())
    }

    /// Spare threads that were wanted and could not be started: `max_rescue_threads` were there, or the system refused.
    pub fn rescue_spares_refused_count(&self) -> u64 {
        self.tally(Tally::spares_refused)
    }

    /// Polls that were longer than the builder's `long_poll_threshold`, reported or suppressed.
    pub fn long_poll_count(&self) -> u64 {
        self.tally(Tally::long_polls)
    }

    /// Buckets of the two histograms below; they double from 65 µs on.
    pub fn rescue_histogram_num_buckets(&self) -> usize {
        Scale::DOUBLING.buckets()
    }

    /// The times that a bucket counts.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn rescue_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        Scale::DOUBLING.range(bucket)
    }

    /// Times that threads were stuck for so long, from when they were noticed; whatever the threshold is.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn stuck_time_bucket_count(&self, bucket: usize) -> u64 {
        self.tally(|tally| tally.stalls.count(bucket))
    }

    /// Times that something waited for so long behind a stuck thread, from when it was noticed until a peer took it.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn rescue_delay_bucket_count(&self, bucket: usize) -> u64 {
        let scheduler = &self.handle.inner.scheduler;
        scheduler.stuck.delays.count(bucket)
    }

    fn tally(&self, count: impl Fn(&Tally) -> u64) -> u64 {
        let watching = self.handle.inner.watching.get();
        watching.map_or(0, |watching| count(&watching.tally))
    }
}
