//! `LocalRuntime`: a current-thread runtime that has a local set of its own.
//!
//! The set is entered whenever the runtime is, and its tasks run as a part of the root future. So local tasks, tasks that
//! came from other threads, sockets and timers take turns on the one thread.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::context::EnterGuard;
use super::local_set::{LocalEnterGuard, LocalSet};
use super::{Builder, Handle, Runtime, RuntimeFlavor, RuntimeMetrics};
use crate::primitive::Arc;
use crate::task::local::Observer;
use crate::task::{Id, JoinHandle, Schedule, TaskMeta, TaskPanic};
use crate::trace::Leaf;
use crate::worker::{Scheduler, call};

/// What [`Builder::build_local`] is told besides; there is nothing to choose yet.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Room for options that must not leave their thread.
    thread: PhantomData<*mut ()>,
}

/// A runtime on one thread, which it never leaves: futures need not be [`Send`], and
/// [`spawn_local`](crate::spawn_local) works everywhere in it, without a [`LocalSet`].
///
/// [`Handle::spawn`] works from every thread, for futures that are `Send`. All tasks run while the thread is in
/// [`LocalRuntime::block_on`].
///
/// # Shutdown
///
/// Dropping it drops all futures, on this thread, and waits for closures of `spawn_blocking`, as with [`Runtime`].
///
/// # Panics
///
/// Dropping it where async tasks are driven panics, because the drop blocks: use
/// [`LocalRuntime::shutdown_background`] there.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use loxley_core::runtime::LocalRuntime;
///
/// let runtime = LocalRuntime::new()?;
/// let five = Rc::new(5);
/// let task = runtime.spawn_local(async move { *five });
/// assert_eq!(runtime.block_on(task).unwrap(), 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalRuntime {
    // Dropped before the runtime: its futures may use sockets and timers to the last.
    set: RuntimeSet,
    runtime: Runtime,
}

/// The set, which ends inside its runtime.
struct RuntimeSet {
    handle: Handle,
    /// `None` only after the end.
    set: Option<LocalSet>,
}

impl RuntimeSet {
    fn get(&self) -> &LocalSet {
        self.set.as_ref().expect("it is there until the drop")
    }
}

impl Drop for RuntimeSet {
    fn drop(&mut self) {
        let _guard = self.handle.enter();
        drop(self.set.take());
    }
}

/// The runtime's hooks, for local tasks.
struct Hooks(Arc<Scheduler>);

impl Observer for Hooks {
    fn panicked(&self, panic: &TaskPanic<'_>) -> bool {
        self.0.panicked(panic);
        false
    }

    fn attends(&self) -> bool {
        let hooks = &self.0.config.hooks;
        let all = [
            &hooks.spawn,
            &hooks.terminate,
            &hooks.before_poll,
            &hooks.after_poll,
        ];
        all.iter().any(|hook| hook.is_some())
    }

    fn spawned(&self, task: &TaskMeta<'_>) {
        call(self.0.config.hooks.spawn.as_ref(), task);
    }

    fn before_poll(&self, task: &TaskMeta<'_>) {
        call(self.0.config.hooks.before_poll.as_ref(), task);
    }

    fn after_poll(&self, task: &TaskMeta<'_>) {
        call(self.0.config.hooks.after_poll.as_ref(), task);
    }

    fn traced(&self, id: Id, leaves: Vec<Leaf>) {
        self.0.traced(id, leaves);
    }

    fn budget(&self) -> u32 {
        self.0.config.budget.unwrap_or(crate::budget::DEFAULT)
    }

    fn ended(&self, task: &TaskMeta<'_>) {
        call(self.0.config.hooks.terminate.as_ref(), task);
    }
}

impl Builder {
    /// Starts a runtime that stays on this thread.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    ///
    /// # Panics
    ///
    /// If the builder is one for several threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley_core::runtime::{Builder, LocalOptions};
    ///
    /// let runtime = Builder::new_current_thread().build_local(LocalOptions::default())?;
    /// assert_eq!(runtime.block_on(async { 5 }), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn build_local(&mut self, _: LocalOptions) -> io::Result<LocalRuntime> {
        assert!(
            self.flavor == RuntimeFlavor::CurrentThread,
            "`build_local` needs `Builder::new_current_thread`: with several threads no task stays on one"
        );
        let runtime = self.build()?;
        let inner = &runtime.handle().inner;
        let set = LocalSet::observed(Box::new(Hooks(inner.scheduler.clone())));
        let counted = inner.local.set(set.tasks().arrivals().clone());
        assert!(counted.is_ok(), "a runtime has one set of its own");
        Ok(LocalRuntime {
            set: RuntimeSet {
                handle: runtime.handle().clone(),
                set: Some(set),
            },
            runtime,
        })
    }
}

impl LocalRuntime {
    /// A runtime on this thread, with sockets and timers.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
    }

    /// The handle, to be cloned and kept. What it spawns from other threads must be `Send`.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task that stays on this thread. It runs in [`LocalRuntime::block_on`].
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::LocalRuntime::new()?;
    /// let task = runtime.spawn_local(async { std::rc::Rc::new(5) });
    /// assert_eq!(*runtime.block_on(task).unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.set.get().spawn_local(future)
    }

    /// See [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.runtime.spawn_blocking(f)
    }

    /// Polls `future` on this thread until it is ready, and drives everything else of the runtime meanwhile.
    ///
    /// # Panics
    ///
    /// If this thread drives async tasks already, or if the future panics; the runtime stays usable.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let set = self.set.get();
        let _inside = set.enter();
        self.runtime.block_on(set.run_until(future))
    }

    /// Makes this runtime current on this thread while the guard lives, [`spawn_local`](crate::spawn_local) included.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::LocalRuntime::new()?;
    /// let guard = runtime.enter();
    /// let task = loxley_core::spawn_local(async { 5 });
    /// drop(guard);
    /// assert_eq!(runtime.block_on(task).unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        let local = LocalEnterGuard::new(self.set.get().tasks());
        self.runtime.enter().with_local(local)
    }

    /// See [`Handle::metrics`].
    pub fn metrics(&self) -> RuntimeMetrics {
        self.runtime.metrics()
    }

    /// Ends the runtime and waits at most `limit` for closures of `spawn_blocking`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = loxley_core::runtime::LocalRuntime::new()?;
    /// let task = runtime.spawn_local(std::future::pending::<()>());
    /// runtime.shutdown_timeout(Duration::from_secs(5));
    /// assert!(task.is_finished());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(self, limit: Duration) {
        let Self { set, runtime } = self;
        drop(set);
        runtime.shutdown_timeout(limit);
    }

    /// Ends the runtime and waits for nobody; allowed everywhere.
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }
}

// A panic that leaves `block_on` has left nothing half done: tasks catch their own.
impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime")
            .field("runtime", &self.runtime)
            .field("set", &self.set.get())
            .finish()
    }
}
