//! The handle: what spawns, sockets and timers reach a runtime through.

use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::Hold;
use super::block_on::Waiting;
use super::blocking::BlockingTasks;
use super::context::{self, EnterGuard, TryCurrentError};
use super::metrics::RuntimeMetrics;
use super::panics::Failure;
use super::shutdown::{Threads, Watching};
use crate::blocking::{BlockingPool, Refused};
use crate::primitive::{Arc, Mutex, OnceLock};
use crate::task::local::Arrivals;
use crate::task::{Id, JoinHandle};
use crate::timer::Timers;
use crate::worker::{Scheduler, Worker, call, with_any_current, with_current};

/// Which kind of runtime it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// One worker, driven by `block_on`.
    CurrentThread,
    /// Worker threads of its own.
    MultiThread,
}

const FORKED: &str = "this runtime belongs to the process that forked this one: a fork takes no threads along. \
                      Fork before the runtime starts, or end the child with `exec` or `exit`";

/// Everything that a runtime's handles share.
pub struct Inner {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) blocking: Arc<BlockingPool>,
    pub(super) blocking_tasks: Arc<BlockingTasks>,
    /// Threads that stand in for stuck workers.
    pub(super) spares: Arc<BlockingPool>,
    /// One thread at most, for the hook that is told of long polls.
    pub(super) tellers: Arc<BlockingPool>,
    /// The monitor, if rescue is on.
    pub(super) watching: OnceLock<Watching>,
    pub(super) threads: Threads,
    pub(super) waiting: Waiting,
    /// Held while a dump is made.
    pub(super) dumping: Mutex<()>,
    /// There if a panic of a task may end the runtime.
    pub(super) failure: Option<Failure>,
    pub(super) flavor: RuntimeFlavor,
    pub(super) id: super::Id,
    pub(super) name: Option<String>,
    /// The local tasks of a `LocalRuntime`, to be counted.
    pub(super) local: OnceLock<Arc<Arrivals>>,
}

impl Inner {
    pub(super) fn is_current_thread(&self) -> bool {
        self.flavor == RuntimeFlavor::CurrentThread
    }

    /// The station of this thread if it is a worker here, or its host's; else one in turn.
    pub(super) fn station_here(&self) -> usize {
        with_any_current(|worker| match worker {
            Some(worker) if worker.works_for(&self.scheduler) => {
                self.scheduler.hosts.of(worker.station_index())
            }
            _ => self.scheduler.any_host(),
        })
    }

    /// The wheel for a timer made here; `None` if timers are disabled.
    pub(super) fn timers_here(&self) -> Option<&Arc<Timers>> {
        let enabled = self.scheduler.config.time_enabled;
        enabled.then(|| &self.scheduler.stations[self.station_here()].timers)
    }
}

/// A reference to a runtime: spawns on it, enters it, blocks on futures in it. Clones are cheap and refer to the
/// same runtime, which does not stay up for them: tasks spawned after its shutdown are cancelled at once.
#[derive(Clone)]
pub struct Handle {
    pub(super) inner: Arc<Inner>,
}

// The machine runs no foreign code while its state is inconsistent, so no panic can show it so.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl Handle {
    /// The runtime that this thread is in.
    ///
    /// # Panics
    ///
    /// Outside a runtime; [`Handle::try_current`] does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley_core::runtime::{Handle, Runtime};
    ///
    /// assert!(Handle::try_current().is_err());
    /// let runtime = Runtime::new()?;
    /// let workers = runtime.block_on(async { Handle::current().metrics().num_workers() });
    /// assert_eq!(workers, runtime.metrics().num_workers());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime that this thread is in, or why there is none.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::current()
    }

    /// Spawns a task; it starts at once, whether the handle is awaited or not.
    ///
    /// After the runtime's shutdown the task is cancelled at once.
    ///
    /// # Panics
    ///
    /// In a forked child of the process that built the runtime.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.assert_here();
        self.inner
            .scheduler
            .spawn(Id::next(), Location::caller(), future)
    }

    /// Runs a closure that may block on a thread for that purpose.
    ///
    /// It cannot be aborted once it runs. At shutdown, closures that have not started are cancelled.
    ///
    /// # Panics
    ///
    /// In a forked child of the process that built the runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        // Refused: the handle says `cancelled`.
        self.submit_blocking(Id::next(), Location::caller(), f).0
    }

    pub(super) fn submit_blocking<F, R>(
        &self,
        id: Id,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> (JoinHandle<R>, Result<(), Refused>)
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.assert_here();
        let inner = &self.inner;
        let hold = Hold::new(&inner.scheduler);
        inner
            .blocking_tasks
            .spawn(&inner.blocking, id, spawned_at, hold, f)
    }

    /// Polls `future` on this thread until it is ready.
    ///
    /// On a current-thread runtime it does not drive sockets, timers and tasks: `Runtime::block_on` does.
    ///
    /// # Panics
    ///
    /// If this thread drives async tasks already, if the future panics, or in a forked child of the process that
    /// built the runtime.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.wait_for(future, false)
    }

    /// Makes this runtime current on this thread while the guard lives.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let guard = runtime.enter();
    /// let task = loxley_core::spawn(async { 1 });
    /// drop(guard);
    /// assert_eq!(runtime.block_on(task).unwrap(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a forked child of the process that built the runtime.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.assert_here();
        context::enter(self)
    }

    /// A forked child has the memory of its parent's runtime, and none of its threads: whatever it waits for there never
    /// comes.
    #[inline]
    #[track_caller]
    pub(super) fn assert_here(&self) {
        assert!(self.inner.scheduler.is_here(), "{FORKED}");
    }

    /// What the runtime counts about itself.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.clone())
    }

    /// Which kind of runtime this is.
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        self.inner.flavor
    }

    /// What tells this runtime from all others of the process; see [`Id`](super::Id).
    pub fn id(&self) -> super::Id {
        self.inner.id
    }

    /// The builder's `name`.
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }
}

impl Scheduler {
    /// Spawns into the list of this thread's worker, or into one for outsiders.
    pub(super) fn spawn<F>(
        &self,
        id: Id,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        with_current(self, |worker| self.spawn_by(worker, id, spawned_at, future))
    }

    /// Spawns as this worker of its, or from outside.
    pub(super) fn spawn_by<F>(
        &self,
        worker: Option<&Worker>,
        id: Id,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = self.home_for(worker, id).spawn(id, spawned_at, future);
        if self.config.hooks.spawn.is_some() {
            let seen = match &task {
                Ok(task) => task.task_ref(),
                Err(refused) => refused.task_ref(),
            };
            call(self.config.hooks.spawn.as_ref(), &seen.meta());
        }
        if let Ok(task) = task {
            self.schedule_by(worker, task);
        }
        handle
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("flavor", &self.inner.flavor)
            .field("name", &self.inner.name)
            .field("scheduler", &self.inner.scheduler)
            .finish_non_exhaustive()
    }
}
