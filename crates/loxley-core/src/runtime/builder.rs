//! Making a runtime.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::block_on::Waiting;
use super::blocking::{BlockingTasks, start_spare, start_stand_in};
use super::context::{self, Entered};
use super::handle::Inner;
use super::panics::{Failure, UnhandledPanic};
use super::report::{LONG_POLL, LongPollHook};
use super::shutdown::{self, Threads, Watching};
use super::{Handle, HistogramConfiguration, Id, Runtime, RuntimeFlavor};
use crate::blocking::{self, BlockingPool};
use crate::budget;
use crate::clock::Clock;
use crate::monitor::Monitor;
use crate::poller::{Batches, Poller};
use crate::primitive::{Arc, Mutex, OnceLock, Weak, thread};
use crate::random;
use crate::timer::Timers;
use crate::worker::{
    Config, Hook, Measures, PanicHook, Scheduler, Station, TaskHooks, Worker, run_hook,
};

/// Override the default number of workers; the first that is set does. The second is what programs are given that came
/// from tokio.
const WORKERS_VARIABLES: [&str; 2] = ["LOXLEY_WORKER_THREADS", "TOKIO_WORKER_THREADS"];
/// Forces the portable poller.
const PORTABLE_VARIABLE: &str = "LOXLEY_PORTABLE";

/// How long a spare waits to be needed again.
const SPARE_KEEP_ALIVE: Duration = Duration::from_millis(500);

/// How threads are named.
type Namer = Arc<dyn Fn() -> String + Send + Sync>;

/// Makes a [`Runtime`], with choices.
///
/// # Examples
///
/// ```
/// use loxley_core::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
/// assert_eq!(runtime.metrics().num_workers(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    pub(super) flavor: RuntimeFlavor,
    workers: Option<usize>,
    max_blocking_threads: usize,
    keep_alive: Duration,
    stack_size: Option<usize>,
    namer: Namer,
    pub(super) name: Option<String>,
    enable_io: bool,
    enable_time: bool,
    portable: bool,
    event_interval: Option<u32>,
    injector_interval: Option<u32>,
    poll_budget: Option<u32>,
    lifo_cap: Option<u32>,
    no_lifo_slot: bool,
    pub(super) seed: Option<u64>,
    pub(super) shuffle: bool,
    batches: Batches,
    rescue: bool,
    max_spares: usize,
    #[cfg(feature = "test-util")]
    start_paused: bool,
    pub(super) long_poll_threshold: Option<Duration>,
    pub(super) on_long_poll: Option<LongPollHook>,
    pub(super) unhandled_panic: UnhandledPanic,
    pub(super) on_task_panic: Option<PanicHook>,
    pub(super) task_hooks: TaskHooks,
    pub(super) track_latency: bool,
    pub(super) count_poll_times: bool,
    pub(super) poll_times: HistogramConfiguration,
    pub(super) count_latencies: bool,
    pub(super) latencies: HistogramConfiguration,
    on_start: Option<Hook>,
    on_stop: Option<Hook>,
    on_park: Option<Hook>,
    on_unpark: Option<Hook>,
}

impl Builder {
    /// A runtime with worker threads of its own, as many as [`Builder::worker_threads`] says.
    ///
    /// Sockets and timers are off until `enable_io`, `enable_time` or [`Builder::enable_all`] is called.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::new(RuntimeFlavor::MultiThread)
    }

    /// A runtime with one worker and no thread for it: `Runtime::block_on` drives it on the caller's.
    ///
    /// Of two concurrent `block_on` one drives, and hands over when it leaves. Spawned futures must be `Send`;
    /// [`Builder::build_local`] makes one for which they need not be.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self::new(RuntimeFlavor::CurrentThread)
    }

    fn new(flavor: RuntimeFlavor) -> Self {
        Self {
            flavor,
            workers: None,
            max_blocking_threads: 512,
            keep_alive: Duration::from_secs(10),
            stack_size: None,
            namer: Arc::new(|| "loxley-worker".into()),
            name: None,
            enable_io: false,
            enable_time: false,
            portable: std::env::var_os(PORTABLE_VARIABLE).is_some_and(|value| value == "1"),
            event_interval: None,
            injector_interval: None,
            poll_budget: None,
            lifo_cap: None,
            no_lifo_slot: false,
            seed: None,
            shuffle: false,
            batches: Batches::default(),
            rescue: flavor == RuntimeFlavor::MultiThread,
            max_spares: 64,
            #[cfg(feature = "test-util")]
            start_paused: false,
            long_poll_threshold: Some(LONG_POLL),
            on_long_poll: None,
            unhandled_panic: UnhandledPanic::Ignore,
            on_task_panic: None,
            task_hooks: TaskHooks::default(),
            track_latency: false,
            count_poll_times: false,
            poll_times: HistogramConfiguration::default(),
            count_latencies: false,
            latencies: HistogramConfiguration::default(),
            on_start: None,
            on_stop: None,
            on_park: None,
            on_unpark: None,
        }
    }

    /// Enables sockets: each worker gets a poller. Without it, making a socket panics.
    pub fn enable_io(&mut self) -> &mut Self {
        self.enable_io = true;
        self
    }

    /// Enables timers. Without it, making a sleep panics.
    pub fn enable_time(&mut self) -> &mut Self {
        self.enable_time = true;
        self
    }

    /// Enables sockets and timers.
    pub fn enable_all(&mut self) -> &mut Self {
        self.enable_io().enable_time()
    }

    /// Sets the number of worker threads of the multi-thread flavour; the other always has one worker.
    ///
    /// Unit: threads, at least 1. Default: the environment variable `LOXLEY_WORKER_THREADS`, else
    /// `TOKIO_WORKER_THREADS`, else the number of processors that this process may use, read once, when the runtime is
    /// built.
    ///
    /// # Panics
    ///
    /// If `workers` is 0: nobody would run the tasks.
    #[track_caller]
    pub fn worker_threads(&mut self, workers: usize) -> &mut Self {
        assert!(
            workers > 0,
            "worker_threads must be at least 1: nobody would run the tasks"
        );
        self.workers = Some(workers);
        self
    }

    /// Sets the most threads that `spawn_blocking` and the stand-ins of `block_in_place` use together.
    ///
    /// Unit: threads, at least 1. Default: 512. They are started when needed; jobs beyond them wait.
    ///
    /// # Panics
    ///
    /// If `threads` is 0: blocking jobs would wait for ever.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        assert!(
            threads > 0,
            "max_blocking_threads must be at least 1: blocking jobs would wait for ever"
        );
        self.max_blocking_threads = threads;
        self
    }

    /// Sets how long a thread of the blocking pool waits for a job before it ends. Default: 10 s.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = duration;
        self
    }

    /// Names the threads. Default: `loxley-worker`. Linux shows the first 15 bytes.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.thread_name_fn(move || name.clone())
    }

    /// Names each thread by calling `name`, on the thread that starts it.
    pub fn thread_name_fn<F>(&mut self, name: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.namer = Arc::new(name);
        self
    }

    /// Names the runtime, for `Debug` and reports. Default: no name.
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the stack size of all threads. Unit: bytes. Default: the standard library's, 2 MiB.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs `hook` on each thread of the runtime before it does anything else. A panic in it is contained.
    pub fn on_thread_start<F: Fn() + Send + Sync + 'static>(&mut self, hook: F) -> &mut Self {
        self.on_start = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` on each thread of the runtime before it ends. A panic in it is contained.
    pub fn on_thread_stop<F: Fn() + Send + Sync + 'static>(&mut self, hook: F) -> &mut Self {
        self.on_stop = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` on a worker before it sleeps. It may wake or spawn tasks: the worker then runs them. A panic in
    /// it is contained.
    pub fn on_thread_park<F: Fn() + Send + Sync + 'static>(&mut self, hook: F) -> &mut Self {
        self.on_park = Some(Arc::new(hook));
        self
    }

    /// Runs `hook` on a worker after it slept. A panic in it is contained.
    pub fn on_thread_unpark<F: Fn() + Send + Sync + 'static>(&mut self, hook: F) -> &mut Self {
        self.on_unpark = Some(Arc::new(hook));
        self
    }

    /// Fixes how many tasks a worker polls between two looks at its sockets and timers.
    ///
    /// Unit: polls, at least 1. Default: as many as take about 100 µs, by a moving average, at most 1024.
    /// A small value notices sockets and timers sooner; a large one makes fewer system calls. Measured by the benches' `knobs
    /// event_interval`: below 61 polls short tasks pay for it, above nothing is gained.
    ///
    /// # Panics
    ///
    /// If `polls` is 0: the worker would never run a task.
    #[track_caller]
    pub fn event_interval(&mut self, polls: u32) -> &mut Self {
        assert!(
            polls > 0,
            "event_interval must be at least 1: the worker would never run a task"
        );
        self.event_interval = Some(polls);
        self
    }

    /// Fixes how many tasks a worker polls between two looks at the queue of tasks from outside.
    ///
    /// Unit: polls, at least 1. Default: after each round of the tasks that are queued, and at every look at sockets and timers.
    /// Measured by the benches' `knobs global_queue_interval`: in a busy pool a wake from outside waits as much longer as the
    /// interval is.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, polls: u32) -> &mut Self {
        assert!(polls > 0, "global_queue_interval must be at least 1");
        self.injector_interval = Some(polls);
        self
    }

    /// Sets how many operations a task may do in one poll before it must let others run: a read, a message, a tick each
    /// are one. See [`coop`](crate::coop).
    ///
    /// Unit: operations, 1 to 65536. Default: 128, which is tokio's, so that a program that moves here keeps its
    /// pace. A small number lets others run sooner, a large one costs fewer switches. Measured by the benches' `knobs
    /// poll_budget`: between 8 and 8192 the rate of a channel stays within its spread.
    ///
    /// # Panics
    ///
    /// If `operations` is not in this range.
    #[track_caller]
    pub fn poll_budget(&mut self, operations: u32) -> &mut Self {
        assert!(
            (1..=budget::MOST).contains(&operations),
            "poll_budget must be between 1 and {}, not {operations}",
            budget::MOST
        );
        self.poll_budget = Some(operations);
        self
    }

    /// Sets how often in a row a worker runs the task that was woken last, while others wait.
    ///
    /// Unit: polls, at least 1. Default: 32, and on a current-thread runtime none, where tasks run in the order in which they
    /// were woken unless this is called. A pair of tasks that wake each other takes 32 polls of every 33 at most, and
    /// keeps its data in the processor's cache for that long. With 1 the order is nearly that of the wakes. Measured by the benches'
    /// `knobs lifo_slot_cap`, where what a pair gains by more is within its spread, and `rivals sync_mutex_64`, where tasks that
    /// queue at a lock get away from it with 32 and not with 16.
    ///
    /// # Panics
    ///
    /// If `polls` is 0; [`Builder::disable_lifo_slot`] is for that.
    #[track_caller]
    pub fn lifo_slot_cap(&mut self, polls: u32) -> &mut Self {
        assert!(
            polls > 0,
            "lifo_slot_cap must be at least 1: `disable_lifo_slot` does without the slot"
        );
        self.lifo_cap = Some(polls);
        self
    }

    /// Has tasks run in the order in which they were woken, and not the last one first.
    ///
    /// Default: the last one first, because its data is still in the processor's cache; on a current-thread runtime in
    /// order, as in tokio. Unlike tokio's, our slot is no place where a task can be stuck: peers take it when its worker does
    /// not come ([`Builder::rescue`]).
    pub fn disable_lifo_slot(&mut self) -> &mut Self {
        self.no_lifo_slot = true;
        self
    }

    /// Sets how many events a worker takes from its poller at once, when it has slept for them.
    ///
    /// Unit: events, at least 1; above 256 as 256. Default: 256, which is 3 KiB on the worker's stack. What is not taken stays
    /// with the kernel until the next look, which a worker without other work makes at once. Measured by the benches' `knobs
    /// max_io_events_per_tick`: over 1000 busy connections what 8, 32 or 128 change is within the spread.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "max_io_events_per_tick must be at least 1");
        self.batches.asleep = events;
        self
    }

    /// Sets how many events a worker takes from its poller at once, when it has tasks to run.
    ///
    /// Unit: events, at least 1; above 256 as 256. Default: as [`Builder::max_io_events_per_tick`]. A small number leaves events
    /// with the kernel, and their tasks with a peer's look, where a large one puts them into a queue that is long already.
    ///
    /// # Panics
    ///
    /// If `events` is 0.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, events: usize) -> &mut Self {
        assert!(events > 0, "max_io_events_per_busy_tick must be at least 1");
        self.batches.busy = Some(events);
        self
    }

    /// Forces the poller that uses nothing but what all systems share: its timers round up to milliseconds.
    ///
    /// Default: the environment variable `LOXLEY_PORTABLE` is `1`. On Linux it exists to be tested.
    pub fn portable(&mut self, portable: bool) -> &mut Self {
        self.portable = portable;
        self
    }

    /// Switches the rescue of stuck workers on or off. Default: on for the multi-thread flavour; the other has none.
    ///
    /// With it, a task that holds its thread delays nobody else: what waits behind it is taken over within a
    /// millisecond or two. One more thread watches, which sleeps while nothing is stuck. When all workers are
    /// stuck, spare threads stand in, so even with one worker two tasks may then run at once.
    pub fn rescue(&mut self, rescue: bool) -> &mut Self {
        self.rescue = rescue && self.flavor == RuntimeFlavor::MultiThread;
        self
    }

    /// Sets the most spare threads that stand in for stuck workers at one time.
    ///
    /// Unit: threads; 0 allows none. Default: 64. They end half a second after they were last needed. When one more is
    /// needed, that is counted and reported ([`LongPoll::is_unrelieved`](super::LongPoll::is_unrelieved)).
    pub fn max_rescue_threads(&mut self, threads: usize) -> &mut Self {
        self.max_spares = threads;
        self
    }

    /// Sets whether the runtime starts with its clock paused, as if `time::pause` had been called. Default: `false`.
    ///
    /// Only the current-thread flavour has a clock that can be paused: with the other, [`Builder::build`] panics.
    #[cfg(feature = "test-util")]
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    #[cfg(feature = "test-util")]
    #[track_caller]
    fn clock(&self) -> Clock {
        if self.flavor != RuntimeFlavor::CurrentThread {
            assert!(
                !self.start_paused,
                "`start_paused` needs a current-thread runtime: with several workers there is no moment at which \
                 nothing is left to do"
            );
            return Clock::real(0);
        }
        let clock = Clock::pausable();
        if self.start_paused {
            clock.set_paused(true);
        }
        clock
    }

    #[cfg(not(feature = "test-util"))]
    fn clock(&self) -> Clock {
        Clock::real(0)
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// The operating system refused a poller or a thread; the error names which. What had been started is
    /// stopped again.
    pub fn build(&mut self) -> io::Result<Runtime> {
        let workers = self.worker_count()?;
        let clock = self.clock();
        let stations = (0..workers).map(|index| self.station(index, &clock));
        let stations = stations.collect::<io::Result<Vec<_>>>()?;
        let scheduler = Scheduler::new(self.scheduler_config(workers), clock, stations);
        let reporter = self.panic_reporter();
        let inner = Arc::new_cyclic(|weak| Inner {
            blocking: Arc::new(BlockingPool::new(self.blocking_config(weak.clone()))),
            blocking_tasks: BlockingTasks::new(reporter.clone()),
            spares: Arc::new(BlockingPool::new(self.spares_config(self.max_spares, weak))),
            tellers: Arc::new(BlockingPool::new(self.spares_config(1, weak))),
            watching: OnceLock::new(),
            threads: Threads::default(),
            waiting: Waiting::default(),
            dumping: Mutex::new(()),
            failure: (self.unhandled_panic == UnhandledPanic::ShutdownRuntime)
                .then(Failure::default),
            flavor: self.flavor,
            id: Id::next(),
            name: self.name.clone(),
            local: OnceLock::new(),
            scheduler,
        });
        let weak = Arc::downgrade(&inner);
        let consequences = self.panic_consequences(reporter, weak.clone());
        inner.scheduler.set_on_panic(consequences);
        inner.scheduler.set_stand_ins(Box::new(move |station| {
            if let Some(inner) = weak.upgrade() {
                start_stand_in(Handle { inner }, station);
            }
        }));
        // From here on, a runtime that is dropped shuts down what was started.
        let runtime = Runtime::new_from(Handle { inner });
        if self.rescues() {
            // First: a worker may be stuck in its very first poll.
            self.start_monitor(runtime.handle())?;
        }
        if self.flavor == RuntimeFlavor::MultiThread {
            for index in 0..workers {
                self.start_worker(runtime.handle(), index)?;
            }
        }
        Ok(runtime)
    }

    fn worker_count(&self) -> io::Result<usize> {
        if self.flavor == RuntimeFlavor::CurrentThread {
            return Ok(1);
        }
        if let Some(workers) = self.workers {
            return Ok(workers);
        }
        let chosen = WORKERS_VARIABLES
            .into_iter()
            .find_map(|name| Some((name, std::env::var(name).ok()?)));
        match chosen {
            Some((name, text)) => text
                .trim()
                .parse::<NonZeroUsize>()
                .map(NonZeroUsize::get)
                .map_err(|_| {
                    let message = format!("{name} must be a whole number above 0, not {text:?}");
                    io::Error::new(io::ErrorKind::InvalidInput, message)
                }),
            None => Ok(processors()),
        }
    }

    fn station(&self, index: usize, clock: &Clock) -> io::Result<Station> {
        let poller = self
            .enable_io
            .then(|| Poller::with_batches(self.portable, self.batches))
            .transpose();
        let poller = poller.map_err(|error| {
            named(
                &error,
                format_args!("worker {index} could not open its poller"),
            )
        })?;
        let timers = Arc::new(Timers::new(clock.clone()));
        Ok(Station::new(poller.map(Arc::new), timers))
    }

    fn scheduler_config(&self, workers: usize) -> Config {
        Config {
            workers,
            // An order that is drawn by lot is to be drawn again: the kernel has no say then.
            processors: if self.shuffle { 0 } else { processors() },
            stand_ins: self.max_blocking_threads + self.max_spares,
            event_interval: self.event_interval,
            injector_interval: self.injector_interval,
            budget: self.poll_budget,
            lifo_cap: self.lifo_cap,
            no_lifo_slot: self.no_lifo_slot || self.keeps_order(),
            seed: self.seed.unwrap_or_else(random::any_seed),
            shuffle: self.shuffle,
            // With one worker there is nobody to keep anything from.
            patient: self.rescues() || workers == 1,
            time_enabled: self.enable_time,
            hooks: self.task_hooks.clone(),
            measures: Measures {
                poll_times: self.count_poll_times.then_some(self.poll_times.0),
                latencies: self.count_latencies.then_some(self.latencies.0),
                track_latency: self.track_latency,
            },
            on_park: self.on_park.clone(),
            on_unpark: self.on_unpark.clone(),
        }
    }

    /// Threads of the blocking pool are inside the runtime too.
    fn blocking_config(&self, runtime: Weak<Inner>) -> blocking::Config {
        blocking::Config {
            max_threads: self.max_blocking_threads,
            keep_alive: self.keep_alive,
            name: self.namer.clone(),
            stack_size: self.stack_size,
            on_start: self.on_start.clone(),
            on_stop: self.on_stop.clone(),
            enter: Arc::new(move |live| {
                let handle = runtime.upgrade().map(|inner| Handle { inner });
                let _guard = handle.as_ref().map(context::enter);
                context::with_entered(Entered::MayBlock, live);
            }),
        }
    }

    /// Threads that go soon when they are not needed any more.
    fn spares_config(&self, threads: usize, runtime: &Weak<Inner>) -> blocking::Config {
        blocking::Config {
            max_threads: threads.max(1),
            keep_alive: SPARE_KEEP_ALIVE,
            ..self.blocking_config(runtime.clone())
        }
    }

    /// Tasks run in the order in which they were woken, as in tokio, unless somebody has asked for the slot.
    fn keeps_order(&self) -> bool {
        self.flavor == RuntimeFlavor::CurrentThread && self.lifo_cap.is_none()
    }

    fn rescues(&self) -> bool {
        self.rescue && !cfg!(loxley_without_rescue)
    }

    fn start_monitor(&self, handle: &Handle) -> io::Result<()> {
        let inner = &handle.inner;
        let (weak, allowed) = (Arc::downgrade(inner), self.max_spares > 0);
        let start_spare = move |station| {
            let inner = weak.upgrade().filter(|_| allowed);
            inner.is_some_and(|inner| start_spare(Handle { inner }, station))
        };
        let (monitor, stop, tally) = Monitor::new(
            inner.scheduler.clone(),
            self.portable,
            Box::new(start_spare),
            self.report(inner),
        )
        .map_err(|error| named(&error, format_args!("the monitor could not open its doors")))?;
        let thread = thread::spawn("loxley-monitor".into(), None, || monitor.run())
            .map_err(|error| named(&error, format_args!("the monitor could not be started")))?;
        let watching = Watching::new(stop, thread, tally);
        assert!(
            inner.watching.set(watching).is_ok(),
            "a runtime has one monitor"
        );
        Ok(())
    }

    fn start_worker(&self, handle: &Handle, index: usize) -> io::Result<()> {
        let threads = &handle.inner.threads;
        // Foreign code, which may panic: before anybody is expected.
        let name = (self.namer)();
        threads.arrive();
        let (on_start, on_stop) = (self.on_start.clone(), self.on_stop.clone());
        let its_handle = handle.clone();
        let body = move || {
            run_hook(on_start.as_ref());
            work(&its_handle, index);
            run_hook(on_stop.as_ref());
        };
        match thread::spawn(name, self.stack_size, body) {
            Ok(thread) => {
                threads.started(thread);
                Ok(())
            }
            Err(error) => {
                threads.stay_away();
                Err(named(
                    &error,
                    format_args!("worker {index} could not be started"),
                ))
            }
        }
    }
}

/// A worker thread's life.
fn work(handle: &Handle, index: usize) {
    context::drive(handle, || {
        let scheduler = &handle.inner.scheduler;
        let local = scheduler
            .seat(index)
            .queue
            .sit_down()
            .expect("a worker's seat is its own");
        scheduler.stations[index].settle(index);
        let worker = Worker::new(scheduler.clone(), index, index, local, None);
        worker.enter(Worker::run);
        shutdown::retire(worker);
    });
    handle.inner.threads.depart(|| handle.inner.finish());
}

/// Threads that can run at once: what the affinity and the quota of the process leave it.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The same kind of error, with a text that says what was being done.
fn named(error: &io::Error, what: fmt::Arguments<'_>) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavor", &self.flavor)
            .field("workers", &self.workers)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("keep_alive", &self.keep_alive)
            .field("enable_io", &self.enable_io)
            .field("enable_time", &self.enable_time)
            .field("portable", &self.portable)
            .finish_non_exhaustive()
    }
}
