//! The public face: building, entering and ending a runtime.

mod block_on;
mod blocking;
mod builder;
mod context;
pub mod dump;
mod handle;
mod histogram;
mod hooks;
mod id;
mod io;
mod local_runtime;
mod local_set;
mod metrics;
mod panics;
#[cfg(feature = "test-util")]
mod paused;
mod report;
mod seed;
mod shutdown;
mod task_builder;
mod time;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use crate::monitor::{LongPoll, LongPollKind};
pub use crate::poller::is_rt_shutdown_err;
pub use crate::task::{TaskMeta, TaskPanic};
pub use blocking::block_in_place;
pub use builder::Builder;
pub use context::{EnterGuard, TryCurrentError};
pub use dump::Dump;
pub use handle::{Handle, RuntimeFlavor};
pub use histogram::{
    HistogramConfiguration, InvalidHistogramConfiguration, LogHistogram, LogHistogramBuilder,
};
pub use id::Id;
pub use io::Source;
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use local_set::{LocalEnterGuard, LocalSet, spawn_local};
pub use metrics::RuntimeMetrics;
pub use panics::UnhandledPanic;
#[cfg(feature = "test-util")]
pub use paused::{advance, now, pause, resume};
pub use seed::RngSeed;
pub use task_builder::TaskBuilder;
pub use time::Sleep;

/// For the models.
#[cfg(loxley_loom)]
pub(crate) mod doors {
    pub use super::shutdown::Threads;
}

#[cfg(not(feature = "test-util"))]
use crate::primitive::Arc;
use crate::task::{self, JoinHandle};
use crate::worker::{self, Worker};

#[cfg(feature = "test-util")]
use paused::Hold;

/// Without a clock that can be paused there is nothing to hold.
#[cfg(not(feature = "test-util"))]
struct Hold;

#[cfg(not(feature = "test-util"))]
impl Hold {
    fn new(_: &Arc<worker::Scheduler>) -> Self {
        Self
    }
}

#[cfg(not(feature = "test-util"))]
impl Drop for Hold {
    fn drop(&mut self) {}
}

/// A runtime: worker threads with their queues, pollers and timers, and a pool of threads for what blocks.
///
/// # Shutdown
///
/// Dropping it ends it: every future is dropped, at its next await at the latest, and the drop waits for all
/// threads, so a task that never yields makes it wait for ever; [`Runtime::shutdown_timeout`] and
/// [`Runtime::shutdown_background`] do not. Closures of `spawn_blocking` that run are waited for, those that
/// wait are cancelled.
///
/// # Panics
///
/// Dropping it where async tasks are driven panics, because the drop blocks: use
/// [`Runtime::shutdown_background`] there.
///
/// # Fork
///
/// A process forked after the start has the runtime's memory and none of its threads. In the child every use of the
/// runtime panics and says so, its sockets answer with errors, and dropping it leaves everything as it is: the epoll is the
/// parent's too. The parent goes on undisturbed. A runtime of the child's own is no way out either: it may lose wakes, because
/// locks of the parent's threads were copied as they were. A fork inside a task must end with `exec` or `exit`; a child that
/// returns into the runtime's loop is aborted.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let tasks: Vec<_> = (0..10).map(|n| loxley_core::spawn(async move { n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 45);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    handle: Handle,
    ended: bool,
}

impl Runtime {
    /// A multi-thread runtime with sockets and timers, and one worker for each processor.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> std::io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    fn new_from(handle: Handle) -> Self {
        let ended = false;
        Self { handle, ended }
    }

    /// The handle, to be cloned and kept.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// See [`Handle::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// See [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(f)
    }

    /// Polls `future` on this thread until it is ready. On a current-thread runtime this thread also drives
    /// everything else meanwhile; of two concurrent callers one drives and hands over when it leaves.
    ///
    /// # Panics
    ///
    /// If this thread drives async tasks already, or if the future panics; the runtime stays usable. In a forked child of
    /// the process that built the runtime.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.wait_for(future, true)
    }

    /// See [`Handle::enter`].
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// See [`Handle::metrics`].
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Ends the runtime and waits at most `limit` for its threads.
    ///
    /// Threads that do not come back in time are left alone: they find the end of the runtime when they do, and
    /// clean up after themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// runtime.shutdown_timeout(Duration::from_secs(5));
    /// assert!(task.is_finished());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(mut self, limit: Duration) {
        self.ended = true;
        self.handle.shut_down(Some(limit));
    }

    /// Ends the runtime and waits for nobody; allowed everywhere.
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }
}

/// Spawns a task on the runtime that this thread is in; see [`Handle::spawn`].
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_here(task::Id::next(), std::panic::Location::caller(), future)
}

/// Spawns on the runtime that this thread is in.
#[track_caller]
#[inline]
fn spawn_here<F>(
    id: task::Id,
    spawned_at: &'static std::panic::Location<'static>,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned = worker::with_any_current(|worker| {
        // On a worker the runtime's shared count is left alone: all would fight for its line.
        if let Some(worker) = worker.filter(|worker| context::is_in(worker.scheduler())) {
            let scheduler = worker.scheduler();
            return Ok(scheduler.spawn_by(worker.unless_blocked(), id, spawned_at, future));
        }
        let handle = Handle::try_current()?;
        handle.assert_here();
        Ok(handle.inner.scheduler.spawn(id, spawned_at, future))
    });
    // Not in the closure: a closure's panic has no caller.
    match spawned {
        Ok(handle) => handle,
        Err(error) => missing(error),
    }
}

#[cold]
#[track_caller]
fn missing(error: TryCurrentError) -> ! {
    panic!("cannot spawn a task: {error}")
}

/// Which worker of its runtime this thread is, counted from 0 as [`RuntimeMetrics`] does; `None` if it is none.
///
/// A thread that stands in for a worker that blocks has that worker's number, so two may have the same. On a
/// current-thread runtime whoever drives it, or would as nobody else does, is worker 0. The thread of `block_on` on a
/// multi-thread runtime is no worker, nor is one of `spawn_blocking`. A task may find another number after each `.await`.
///
/// # Examples
///
/// ```
/// use loxley_core::runtime::{Builder, worker_index};
///
/// let runtime = Builder::new_multi_thread().worker_threads(3).build()?;
/// let worker = runtime.block_on(runtime.spawn(async { worker_index() })).unwrap();
/// assert!(worker.is_some_and(|worker| worker < 3));
/// assert_eq!(runtime.block_on(async { worker_index() }), None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn worker_index() -> Option<usize> {
    let seated = worker::with_any_current(|worker| worker.map(Worker::station_index));
    seated.or_else(|| {
        // The first poll of a root comes before its thread sits down.
        let undriven = |handle: &Handle| {
            let seat = handle.inner.scheduler.seat(0);
            handle.inner.is_current_thread() && seat.watch.thread().is_none()
        };
        let is_first =
            context::entered().is_driving() && context::with_handle(undriven) == Ok(true);
        is_first.then_some(0)
    })
}

/// True unless this thread drives async tasks, which blocking it would stop.
#[doc(hidden)]
pub fn may_block() -> bool {
    !context::entered().is_driving()
}

/// Runs a closure that may block on a thread for that purpose; see [`Handle::spawn_blocking`].
///
/// # Panics
///
/// Outside a runtime.
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    match Handle::try_current() {
        Ok(handle) => handle.spawn_blocking(f),
        Err(error) => panic!("cannot spawn a blocking task: {error}"),
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if !context::entered().is_driving() {
            return self.handle.shut_down(None);
        }
        // Blocking here would stop the tasks that this thread drives, possibly those that we wait for.
        self.handle.shut_down(Some(Duration::ZERO));
        assert!(
            std::thread::panicking(),
            "cannot drop a runtime where async tasks are driven: the drop would block. Use \
             `shutdown_background`, or drop it in `spawn_blocking`"
        );
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish()
    }
}
