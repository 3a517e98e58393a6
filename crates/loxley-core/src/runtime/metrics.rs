//! What a runtime counts about itself, read from outside.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::Handle;
use crate::monitor::{Reason, Tally};
use crate::primitive::Arc;
use crate::worker::{BUCKETS, Counters, Histogram, Seat, Station};

/// The counters of a runtime. Each is a moment old, and they are not read at one instant.
///
/// Worker indices run from 0 to [`RuntimeMetrics::num_workers`] exclusively; another index panics.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// runtime.block_on(runtime.spawn(async {})).unwrap();
/// let metrics = runtime.metrics();
/// let polls: u64 = (0..metrics.num_workers()).map(|i| metrics.worker_poll_count(i)).sum();
/// assert!(polls >= 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    handle: Handle,
}

impl RuntimeMetrics {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Workers, which is the number of pollers and of timer wheels.
    pub fn num_workers(&self) -> usize {
        self.handle.inner.scheduler.config.workers
    }

    /// Tasks that were spawned and have not completed; closures of `spawn_blocking` are not counted.
    pub fn num_alive_tasks(&self) -> usize {
        // Completed first: a task that completes in between is then counted alive, not twice dead.
        let completed = self.completed_tasks_count();
        self.spawned_tasks_count().saturating_sub(completed) as usize
    }

    /// Tasks spawned since the start.
    pub fn spawned_tasks_count(&self) -> u64 {
        let (outside, _) = self.handle.inner.scheduler.outside_counts();
        outside + self.sum(|counters| counters.spawned.get())
    }

    /// Tasks that gave an output, panicked or were cancelled since the start.
    pub fn completed_tasks_count(&self) -> u64 {
        let (_, outside) = self.handle.inner.scheduler.outside_counts();
        outside + self.sum(|counters| counters.completed.get())
    }

    /// Tasks in the injector: spawned or woken from outside, or spilled by a full deque.
    pub fn global_queue_depth(&self) -> usize {
        self.handle.inner.scheduler.injector.len()
    }

    /// Threads of the blocking pool, stand-ins included.
    pub fn num_blocking_threads(&self) -> usize {
        self.handle.inner.blocking.threads()
    }

    /// Those of them that wait for a job.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.handle.inner.blocking.idle()
    }

    /// Jobs that wait for a thread of the blocking pool.
    pub fn blocking_queue_depth(&self) -> usize {
        self.handle.inner.blocking.queued()
    }

    /// Work that the safety re-check of debug builds found beside a parked worker. Anything but 0 is a lost wake,
    /// a defect of the runtime. Release builds do not check.
    pub fn recheck_found_count(&self) -> u64 {
        self.sum(|counters| counters.rechecks.get())
    }

    /// Registrations that moved to another worker's poller after they were made. Placement spreads connections
    /// when they come, and nothing moves them later, so this stays 0.
    pub fn registrations_moved_count(&self) -> u64 {
        0
    }

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

    /// Spare threads that were wanted and could not be started: `max_rescue_threads` were there, or the system refused.
    pub fn rescue_spares_refused_count(&self) -> u64 {
        self.tally(Tally::spares_refused)
    }

    /// Polls that were longer than the builder's `long_poll_threshold`, reported or suppressed.
    pub fn long_poll_count(&self) -> u64 {
        self.tally(Tally::long_polls)
    }

    /// Buckets of the two histograms below; they double from 64 µs on.
    pub fn rescue_histogram_num_buckets(&self) -> usize {
        BUCKETS
    }

    /// The times that a bucket counts.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn rescue_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        check_bucket(bucket);
        Histogram::range(bucket)
    }

    /// Times that threads were stuck for so long, from when they were noticed; whatever the threshold is.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn stuck_time_bucket_count(&self, bucket: usize) -> u64 {
        check_bucket(bucket);
        self.tally(|tally| tally.stalls.count(bucket))
    }

    /// Times that something waited for so long behind a stuck thread, from when it was noticed until a peer took it.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn rescue_delay_bucket_count(&self, bucket: usize) -> u64 {
        check_bucket(bucket);
        let scheduler = &self.handle.inner.scheduler;
        scheduler.stuck.delays.count(bucket)
    }

    /// Tasks polled by the worker.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.polls.get()
    }

    /// Tasks made ready by code that ran on the worker.
    #[track_caller]
    pub fn worker_wake_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.wakes.get()
    }

    /// The worker's sleeps, of both kinds.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker_futex_park_count(worker) + self.worker_poller_park_count(worker)
    }

    /// The worker's sleeps on its futex.
    #[track_caller]
    pub fn worker_futex_park_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.futex_parks.get()
    }

    /// The worker's sleeps in its poller.
    #[track_caller]
    pub fn worker_poller_park_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.poller_parks.get()
    }

    /// Batches that the worker stole from its peers.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.steals.get()
    }

    /// Tasks in those batches.
    #[track_caller]
    pub fn worker_stolen_task_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.stolen.get()
    }

    /// Tasks that the worker took from the injector.
    #[track_caller]
    pub fn worker_injector_take_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.injector_takes.get()
    }

    /// Waits on the worker's poller, by whomever, those with zero timeout included.
    #[track_caller]
    pub fn worker_poller_poll_count(&self, worker: usize) -> u64 {
        self.station(worker)
            .poller
            .as_ref()
            .map_or(0, |poller| poller.polls())
    }

    /// Events that the worker's poller delivered.
    #[track_caller]
    pub fn worker_event_count(&self, worker: usize) -> u64 {
        self.station(worker)
            .poller
            .as_ref()
            .map_or(0, |poller| poller.events())
    }

    /// Sockets registered with the worker's poller now.
    #[track_caller]
    pub fn worker_registration_count(&self, worker: usize) -> usize {
        self.station(worker).registrations()
    }

    /// Timers of the worker's wheel that fired.
    #[track_caller]
    pub fn worker_timer_count(&self, worker: usize) -> u64 {
        self.station(worker).timers.fired()
    }

    /// Tasks that the worker ran from its LIFO slot.
    #[track_caller]
    pub fn worker_slot_take_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.slot_takes.get()
    }

    /// Tasks that the worker's full deque sent to the injector.
    #[track_caller]
    pub fn worker_spill_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.spills.get()
    }

    /// Tasks that wait in the worker's deque and slot.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.seat(worker).queue.len()
    }

    fn tally(&self, count: impl Fn(&Tally) -> u64) -> u64 {
        let watching = self.handle.inner.watching.get();
        watching.map_or(0, |watching| count(&watching.tally))
    }

    fn sum(&self, count: impl Fn(&Counters) -> u64) -> u64 {
        let seats = self.handle.inner.scheduler.seats();
        seats.map(|seat| count(&seat.counters)).sum()
    }

    #[track_caller]
    fn seat(&self, worker: usize) -> &Arc<Seat> {
        self.check(worker);
        self.handle.inner.scheduler.seat(worker)
    }

    #[track_caller]
    fn station(&self, worker: usize) -> &Station {
        self.check(worker);
        &self.handle.inner.scheduler.stations[worker]
    }

    #[track_caller]
    fn check(&self, worker: usize) {
        let workers = self.num_workers();
        assert!(
            worker < workers,
            "worker {worker} of a runtime that has {workers}"
        );
    }
}

#[track_caller]
fn check_bucket(bucket: usize) {
    assert!(bucket < BUCKETS, "bucket {bucket} of {BUCKETS}");
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("workers", &self.num_workers())
            .field("alive_tasks", &self.num_alive_tasks())
            .finish_non_exhaustive()
    }
}
