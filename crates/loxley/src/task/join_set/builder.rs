//! Spawning a member of a set with a name.

use std::fmt;
use std::future::Future;
use std::io;

use super::JoinSet;
use crate::runtime::Handle;
use crate::task::{self, AbortHandle, LocalSet};

/// Spawns a task into a [`JoinSet`], with a name: see [`task::Builder`].
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # loxley::runtime::Runtime::new()?.block_on(async {
/// let mut set = loxley::task::JoinSet::new();
/// for number in 0..3 {
///     let name = format!("number {number}");
///     set.build_task().name(&name).spawn(async move { number })?;
/// }
/// assert_eq!(set.join_all().await.len(), 3);
/// # Ok(()) })
/// # }
/// ```
#[must_use = "builders do nothing unless used to spawn a task"]
pub struct Builder<'a, T> {
    pub(super) builder: task::Builder<'a>,
    pub(super) set: &'a mut JoinSet<T>,
}

impl<'a, T: 'static> Builder<'a, T> {
    /// Names the task. Default: no name.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # loxley::runtime::Runtime::new()?.block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// let task = set.build_task().name("idle").spawn(std::future::pending::<()>())?;
    /// assert!(format!("{task:?}").contains(r#"name: "idle""#));
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn name(self, name: &'a str) -> Self {
        let builder = self.builder.name(name);
        Self { builder, ..self }
    }

    /// Spawns on the current runtime.
    ///
    /// # Errors
    ///
    /// As [`task::Builder::spawn`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # loxley::runtime::Runtime::new()?.block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.build_task().name("five").spawn(async { 5 })?;
    /// assert_eq!(set.join_all().await, [5]);
    /// # Ok(()) })
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn(future)?))
    }

    /// Spawns on that runtime.
    ///
    /// # Errors
    ///
    /// As [`task::Builder::spawn_on`].
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = loxley::runtime::Runtime::new()?;
    /// let mut set = loxley::task::JoinSet::new();
    /// set.build_task().name("five").spawn_on(async { 5 }, runtime.handle())?;
    /// assert_eq!(runtime.block_on(set.join_all()), [5]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_on(future, handle)?))
    }

    /// Runs a closure that may block.
    ///
    /// # Errors
    ///
    /// As [`task::Builder::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # loxley::runtime::Runtime::new()?.block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.build_task().name("five").spawn_blocking(|| 5)?;
    /// assert_eq!(set.join_all().await, [5]);
    /// # Ok(()) })
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_blocking(f)?))
    }

    /// Runs a closure that may block, on that runtime.
    ///
    /// # Errors
    ///
    /// As [`task::Builder::spawn_blocking_on`].
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = loxley::runtime::Runtime::new()?;
    /// let mut set = loxley::task::JoinSet::new();
    /// set.build_task().name("five").spawn_blocking_on(|| 5, runtime.handle())?;
    /// assert_eq!(runtime.block_on(set.join_all()), [5]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_blocking_on(f, handle)?))
    }

    /// Spawns a task that stays on this thread.
    ///
    /// # Errors
    ///
    /// As [`task::Builder::spawn_local`].
    ///
    /// # Panics
    ///
    /// Inside neither a [`LocalSet`] nor a [`LocalRuntime`](crate::runtime::LocalRuntime).
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # loxley::runtime::LocalRuntime::new()?.block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.build_task().name("five").spawn_local(async { std::rc::Rc::new(5) })?;
    /// assert_eq!(*set.join_all().await[0], 5);
    /// # Ok(()) })
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_local(future)?))
    }

    /// Spawns a task into that local set.
    ///
    /// # Errors
    ///
    /// As [`task::Builder::spawn_local_on`].
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = loxley::runtime::Runtime::new()?;
    /// let (local_set, mut set) = (loxley::task::LocalSet::new(), loxley::task::JoinSet::new());
    /// set.build_task().name("five").spawn_local_on(async { 5 }, &local_set)?;
    /// assert_eq!(local_set.block_on(&runtime, set.join_all()), [5]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let handle = self.builder.spawn_local_on(future, local_set)?;
        Ok(self.set.insert(handle))
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("join_set::Builder")
            .field("joinset", &self.set)
            .field("builder", &self.builder)
            .finish()
    }
}
