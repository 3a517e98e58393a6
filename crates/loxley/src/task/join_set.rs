//! `JoinSet`: tasks that are waited for together, in the order in which they end.
//!
//! Each member has a bell (`bells.rs`): a wait looks at the members that have rung, and at no others.

mod builder;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::bells::Bells;
use super::{AbortHandle, Id, JoinError, JoinHandle, LocalSet};
use crate::runtime::Handle;

pub use builder::Builder;

/// Tasks that are waited for together.
///
/// Outputs come in the order in which tasks end. Dropping the set aborts its tasks.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::JoinSet;
///
/// let mut set = JoinSet::new();
/// for number in 0..10 {
///     set.spawn(async move { number });
/// }
/// let mut sum = 0;
/// while let Some(number) = set.join_next().await {
///     sum += number.unwrap();
/// }
/// assert_eq!(sum, 45);
/// # });
/// ```
pub struct JoinSet<T> {
    members: Bells<JoinHandle<T>>,
}

impl<T> JoinSet<T> {
    /// Without a task.
    ///
    /// ```
    /// assert!(loxley::task::JoinSet::<u8>::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self {
            members: Bells::default(),
        }
    }

    /// How many tasks have not been joined.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn(async {});
    /// assert_eq!(set.len(), 1);
    /// # });
    /// ```
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True if all tasks have been joined.
    ///
    /// ```
    /// assert!(loxley::task::JoinSet::<u8>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn handles(&self) -> impl Iterator<Item = &JoinHandle<T>> {
        self.members.iter()
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task into the set, on the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn(async { 5 });
    /// assert_eq!(set.join_next().await.unwrap().unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn(task))
    }

    /// Spawns a task into the set, on that runtime.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn_on(async { 5 }, runtime.handle());
    /// assert_eq!(runtime.block_on(set.join_all()), [5]);
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(task))
    }

    /// Runs a closure that may block as a member of the set.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn_blocking(|| 5);
    /// assert_eq!(set.join_all().await, [5]);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn_blocking(f))
    }

    /// As [`JoinSet::spawn_blocking`], on that runtime.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn_blocking_on(|| 5, runtime.handle());
    /// assert_eq!(runtime.block_on(set.join_all()), [5]);
    /// ```
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(f))
    }

    /// Spawns a task that stays on this thread, into the [`LocalSet`] or
    /// [`LocalRuntime`](crate::runtime::LocalRuntime) that the thread is inside.
    ///
    /// # Panics
    ///
    /// If it is inside none.
    ///
    /// ```
    /// # let runtime = loxley::runtime::LocalRuntime::new().unwrap();
    /// # runtime.block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn_local(async { std::rc::Rc::new(5) });
    /// assert_eq!(*set.join_all().await[0], 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(super::spawn_local(task))
    }

    /// Spawns a task into that local set, and its handle into this one.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let local_set = loxley::task::LocalSet::new();
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn_local_on(async { std::rc::Rc::new(5) }, &local_set);
    /// assert_eq!(*local_set.block_on(&runtime, set.join_all())[0], 5);
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }

    /// Spawns a task into the set that has a name.
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
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder {
            builder: super::Builder::new(),
            set: self,
        }
    }

    pub(crate) fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        self.members.insert(handle);
        abort
    }

    /// Waits for the next task to end; `None` if there is none.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no output.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// assert!(set.join_next().await.is_none());
    /// set.spawn(async { 5 });
    /// assert_eq!(set.join_next().await.unwrap().unwrap(), 5);
    /// # });
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`JoinSet::join_next`], with the task's id.
    ///
    /// # Cancellation
    ///
    /// As [`JoinSet::join_next`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// let id = set.spawn(async { 5 }).id();
    /// assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (id, 5));
    /// # });
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Gives the output of a task that has ended; `None` if there is none.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// assert!(set.try_join_next().is_none());
    /// # });
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        without_id(self.try_join_next_with_id())
    }

    /// As [`JoinSet::try_join_next`], with the task's id.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// assert!(set.try_join_next_with_id().is_none());
    /// # });
    /// ```
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.members.try_next(poll_member)
    }

    /// Aborts all tasks and waits until they have ended.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped the tasks are aborted, and not waited for.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.shutdown().await;
    /// assert!(set.is_empty());
    /// # });
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks; gives their outputs in the order in which they ended.
    ///
    /// # Panics
    ///
    /// If a task panicked, or was aborted.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let set: loxley::task::JoinSet<_> = (0..3).map(|number| async move { number }).collect();
    /// let mut numbers = set.join_all().await;
    /// numbers.sort();
    /// assert_eq!(numbers, [0, 1, 2]);
    /// # });
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(output) = self.join_next().await {
            match output {
                Ok(output) => outputs.push(output),
                Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
                Err(error) => panic!("{error}"),
            }
        }
        outputs
    }

    /// Aborts all tasks; they can still be joined.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.abort_all();
    /// assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort_all(&mut self) {
        self.handles().for_each(JoinHandle::abort);
    }

    /// Lets all tasks go on by themselves; the set is empty then.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = loxley::task::JoinSet::new();
    /// let task = set.spawn(async {});
    /// set.detach_all();
    /// assert!(set.is_empty());
    /// # });
    /// ```
    pub fn detach_all(&mut self) {
        self.members.clear();
    }

    /// What [`JoinSet::join_next`] does, in the shape of a poll. The waker of the last call is the one that is woken.
    ///
    /// `Ready(None)` says that there is no task.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut set = loxley::task::JoinSet::<u8>::new();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)));
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx).map(without_id)
    }

    /// What [`JoinSet::join_next_with_id`] does, in the shape of a poll.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut set = loxley::task::JoinSet::<u8>::new();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(set.poll_join_next_with_id(&mut cx), Poll::Ready(None)));
    /// ```
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let unit = ready!(coop::poll_proceed(cx));
        let output = ready!(self.members.poll_next(cx, poll_member));
        unit.made_progress();
        Poll::Ready(Some(output))
    }
}

fn poll_member<T>(
    handle: &mut JoinHandle<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<(Id, T), JoinError>> {
    let id = handle.id();
    // The budget is the caller's affair: without it a handle would ring at once, and for ever.
    let mut handle = coop::unconstrained(handle);
    let output = Pin::new(&mut handle).poll(cx);
    output.map(|output| output.map(|output| (id, output)))
}

fn without_id<T>(output: Option<Result<(Id, T), JoinError>>) -> Option<Result<T, JoinError>> {
    output.map(|output| output.map(|(_, output)| output))
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.handles().for_each(JoinHandle::abort);
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Spawns each future.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns each future.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}
