//! What a runtime counts about itself, read from outside.

mod rescue;
mod times;

use std::fmt;
use std::thread::ThreadId;
use std::time::Duration;

use super::Handle;
use crate::poller::Poller;
use crate::primitive::Arc;
use crate::worker::{Counters, Seat, Station};

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

    /// The old name of [`RuntimeMetrics::num_alive_tasks`].
    #[deprecated = "renamed to `num_alive_tasks`"]
    pub fn active_tasks_count(&self) -> usize {
        self.num_alive_tasks()
    }

    /// Tasks spawned since the start.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.handle.inner.scheduler.spawned() + self.local_counts().0
    }

    /// Tasks that gave an output, panicked or were cancelled since the start.
    pub fn completed_tasks_count(&self) -> u64 {
        let outside = self.handle.inner.scheduler.completed_outside();
        outside + self.local_counts().1 + self.sum(|counters| counters.completed.get())
    }

    fn local_counts(&self) -> (u64, u64) {
        let local = self.handle.inner.local.get();
        local.map_or((0, 0), |arrivals| arrivals.counts())
    }

    /// Tasks spawned or woken by threads that are no workers of this runtime, since the start: they went through the
    /// injector.
    pub fn remote_schedule_count(&self) -> u64 {
        self.handle.inner.scheduler.came_from_outside()
    }

    /// Polls in which a task had spent its budget and had to yield, since the start; a worker adds its own when it looks
    /// at its sockets or goes to sleep. See [`coop`](crate::coop).
    pub fn budget_forced_yield_count(&self) -> u64 {
        self.sum(|counters| counters.forced_yields.get())
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

    /// Tasks polled by the worker.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.polls.get()
    }

    /// Tasks spawned or woken by code that ran on the worker, those that woke themselves included.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
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

    /// The worker's sleeps, counted when they begin and when they end: odd while it sleeps.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.sleeps.get()
    }

    /// Sleeps of the worker that ended without anything for it to do before the next one.
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.noops.get()
    }

    /// How long the worker has been awake since it began. The time since its last look at its sockets, 100 µs of short
    /// polls or one long one, is not in it yet.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.seat(worker).counters.busy.get())
    }

    /// How long a poll takes on the worker, by a moving average over its last looks at its sockets; what it does between
    /// polls is in it.
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.seat(worker).counters.mean_poll.get())
    }

    /// The thread that is the worker now. `None` before it has started, and, for the current-thread flavour, while
    /// nobody is in `block_on`.
    #[track_caller]
    pub fn worker_thread_id(&self, worker: usize) -> Option<ThreadId> {
        self.seat(worker).watch.thread_id()
    }

    /// Tasks that the worker stole from its peers.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.stolen.get()
    }

    /// Times that it did, each of them a batch.
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.seat(worker).counters.steals.get()
    }

    /// Rounds that the worker made over the queues of all its peers, looking for tasks.
    #[track_caller]
    pub fn worker_search_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.searches.get()
    }

    /// Times that the worker tried to steal from a peer's queue, with or without success; a queue that is known to be empty is
    /// passed over.
    #[track_caller]
    pub fn worker_steal_attempt_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.steal_tries.get()
    }

    /// Tasks that the worker took from the injector.
    #[track_caller]
    pub fn worker_injector_take_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.injector_takes.get()
    }

    /// Descriptors that the kernel was told to watch for this runtime, since the start.
    pub fn io_driver_fd_registered_count(&self) -> u64 {
        self.sum_pollers(Poller::registered)
    }

    /// Those of them that it was told to forget again.
    pub fn io_driver_fd_deregistered_count(&self) -> u64 {
        self.sum_pollers(Poller::deregistered)
    }

    /// Events that the pollers delivered, since the start.
    pub fn io_driver_ready_count(&self) -> u64 {
        self.sum_pollers(Poller::events)
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

    /// Tasks that the worker's full deque sent to the injector, one each time.
    #[track_caller]
    pub fn worker_overflow_count(&self, worker: usize) -> u64 {
        self.seat(worker).counters.spills.get()
    }

    /// Tasks that wait in the worker's deque and slot.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.seat(worker).queue.len()
    }

    fn sum(&self, count: impl Fn(&Counters) -> u64) -> u64 {
        let seats = self.handle.inner.scheduler.seats();
        seats.map(|seat| count(&seat.counters)).sum()
    }

    fn sum_pollers(&self, count: impl Fn(&Poller) -> u64) -> u64 {
        let stations = self.handle.inner.scheduler.stations.iter();
        let pollers = stations.filter_map(|station| station.poller.as_deref());
        pollers.map(count).sum()
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

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("workers", &self.num_workers())
            .field("alive_tasks", &self.num_alive_tasks())
            .finish_non_exhaustive()
    }
}
