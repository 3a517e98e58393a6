//! Spawning a task with a name.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;

use super::Handle;
use super::local_set::{LocalSet, local_tasks_here};
use crate::blocking::Refused;
use crate::task::local::LocalTasks;
use crate::task::{Entry, Id, JoinHandle, Named};

/// Spawns a task that has a name.
///
/// The name is shown by what reports on tasks: [`LongPoll`](crate::runtime::LongPoll), the `Debug` of
/// handles, `tracing`. Names need not be unique. A task without one costs nothing more; one with a name has a line in a
/// table until its future is dropped.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let task = loxley_core::TaskBuilder::new()
///     .name("answer")
///     .spawn_on(std::future::pending::<()>(), runtime.handle())?;
/// assert!(format!("{task:?}").contains(r#"name: "answer""#));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct TaskBuilder<'a> {
    pub(super) name: Option<&'a str>,
}

impl<'a> TaskBuilder<'a> {
    /// For a task without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task. Default: no name.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// runtime.block_on(async {
    ///     let request = 17;
    ///     let name = format!("request {request}");
    ///     let task = loxley_core::TaskBuilder::new().name(&name).spawn(async { 5 })?;
    ///     assert_eq!(task.await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    /// Spawns on the runtime that this thread is in, as [`spawn`](crate::spawn) does.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for some.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// runtime.block_on(async {
    ///     let task = loxley_core::TaskBuilder::new().name("five").spawn(async { 5 })?;
    ///     assert_eq!(task.await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (id, spawned_at) = (Id::next(), Location::caller());
        Ok(match self.name {
            Some(name) => super::spawn_here(id, spawned_at, Named::new(id, name, future)),
            None => super::spawn_here(id, spawned_at, future),
        })
    }

    /// Spawns on that runtime, as [`Handle::spawn`] does.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for some.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let builder = loxley_core::TaskBuilder::new().name("five");
    /// let task = builder.spawn_on(async { 5 }, runtime.handle())?;
    /// assert_eq!(runtime.block_on(task)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.assert_here();
        let (id, spawned_at) = (Id::next(), Location::caller());
        let scheduler = &handle.inner.scheduler;
        Ok(match self.name {
            Some(name) => scheduler.spawn(id, spawned_at, Named::new(id, name, future)),
            None => scheduler.spawn(id, spawned_at, future),
        })
    }

    /// Spawns a task that stays on this thread, as [`spawn_local`](crate::spawn_local) does.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for some.
    ///
    /// # Panics
    ///
    /// Inside neither a [`LocalSet`] nor a [`LocalRuntime`](crate::runtime::LocalRuntime).
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::LocalRuntime::new()?;
    /// runtime.block_on(async {
    ///     let five = std::rc::Rc::new(5);
    ///     let task = loxley_core::TaskBuilder::new().name("five").spawn_local(async move { *five })?;
    ///     assert_eq!(task.await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(self.spawn_into(&local_tasks_here(), Location::caller(), future))
    }

    /// Spawns a task into that set, as [`LocalSet::spawn_local`] does.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for some.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let set = loxley_core::LocalSet::new();
    /// let builder = loxley_core::TaskBuilder::new().name("five");
    /// let task = builder.spawn_local_on(async { 5 }, &set)?;
    /// assert_eq!(set.block_on(&runtime, task)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(
        self,
        future: F,
        local_set: &LocalSet,
    ) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(self.spawn_into(local_set.tasks(), Location::caller(), future))
    }

    fn spawn_into<F>(
        self,
        tasks: &LocalTasks,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let id = Id::next();
        match self.name {
            Some(name) => tasks.spawn(id, spawned_at, Named::new(id, name, future)),
            None => tasks.spawn(id, spawned_at, future),
        }
    }

    /// Runs a closure that may block, as [`spawn_blocking`](crate::spawn_blocking) does.
    ///
    /// # Errors
    ///
    /// No thread was there for it, and the system would not start one.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// runtime.block_on(async {
    ///     let task = loxley_core::TaskBuilder::new().name("five").spawn_blocking(|| 5)?;
    ///     assert_eq!(task.await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match Handle::try_current() {
            Ok(handle) => self.spawn_blocking_on(f, &handle),
            Err(error) => panic!("cannot spawn a blocking task: {error}"),
        }
    }

    /// Runs a closure that may block on that runtime, as [`Handle::spawn_blocking`] does.
    ///
    /// # Errors
    ///
    /// No thread was there for it, and the system would not start one.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let builder = loxley_core::TaskBuilder::new().name("five");
    /// let task = builder.spawn_blocking_on(|| 5, runtime.handle())?;
    /// assert_eq!(runtime.block_on(task)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (id, spawned_at) = (Id::next(), Location::caller());
        let (task, submitted) = match self.name {
            Some(name) => {
                let entry = Entry::new(id, name);
                let named = move || {
                    let _entry = entry;
                    f()
                };
                handle.submit_blocking(id, spawned_at, named)
            }
            None => handle.submit_blocking(id, spawned_at, f),
        };
        match submitted {
            Err(Refused::NoThread(error)) => Err(error),
            Ok(()) | Err(Refused::Closed) => Ok(task),
        }
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).finish()
    }
}
