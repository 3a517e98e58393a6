//! [`JoinQueue`].

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::{AbortHandle, AbortOnDropHandle, Id, JoinError, JoinHandle};
use crate::runtime::Handle;

/// Tasks that are waited for in the order of their spawns, whatever the order in which they end.
///
/// Dropping the queue aborts its tasks.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::JoinQueue;
///
/// let mut queue = JoinQueue::new();
/// for number in 0..10 {
///     queue.spawn(async move { number });
/// }
/// assert_eq!(queue.join_all().await, Vec::from_iter(0..10));
/// # });
/// ```
pub struct JoinQueue<T> {
    tasks: VecDeque<AbortOnDropHandle<T>>,
}

impl<T> JoinQueue<T> {
    /// Without a task.
    pub const fn new() -> Self {
        Self {
            tasks: VecDeque::new(),
        }
    }

    /// Without a task, and with room for so many.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            tasks: VecDeque::with_capacity(capacity),
        }
    }

    /// How many tasks have not been joined.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// True if all tasks have been joined.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn push(&mut self, task: JoinHandle<T>) -> AbortHandle {
        let abort = task.abort_handle();
        self.tasks.push_back(AbortOnDropHandle::new(task));
        abort
    }

    /// Spawns a task on the runtime that this thread is in.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.push(super::spawn(task))
    }

    /// Spawns a task on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.push(handle.spawn(task))
    }

    /// Spawns a task that need not be `Send`: see [`spawn_local`](super::spawn_local).
    ///
    /// # Panics
    ///
    /// Outside a [`LocalSet`](super::LocalSet) and a [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        self.push(super::spawn_local(task))
    }

    /// Runs a closure on the blocking pool. It cannot be aborted once it runs.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.push(super::spawn_blocking(f))
    }

    /// Runs a closure on the blocking pool of the runtime of `handle`.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.push(handle.spawn_blocking(f))
    }

    /// Waits for the first task; `None` if there is none.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the task is still the first.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](JoinQueue::join_next), with the task's id; an error has it too.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// The output of the first task, if it has ended; `None` also if there is no task.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let output = self.try_join_next_with_id()?;
        Some(output.map(|(_, output)| output))
    }

    /// As [`try_join_next`](JoinQueue::try_join_next), with the task's id.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        if !self.tasks.front()?.is_finished() {
            return None;
        }
        // It has ended, so it keeps no waker; but the budget counts, and may be spent.
        let polled =
            loxley_core::coop::unconstrained(poll_fn(|cx| self.poll_join_next_with_id(cx)));
        match std::pin::pin!(polled).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => None,
        }
    }

    /// Waits for the first task: see [`join_next`](JoinQueue::join_next).
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        let output = ready!(self.poll_join_next_with_id(cx));
        Poll::Ready(output.map(|output| output.map(|(_, output)| output)))
    }

    /// As [`poll_join_next`](JoinQueue::poll_join_next), with the task's id.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        let Some(task) = self.tasks.front_mut() else {
            return Poll::Ready(None);
        };
        let id = task.abort_handle().id();
        let output = ready!(Pin::new(task).poll(cx));
        self.tasks.pop_front();
        Poll::Ready(Some(output.map(|output| (id, output))))
    }

    /// Aborts all tasks and waits until they have ended; panics of theirs are dropped.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks; their outputs, in the order of their spawns.
    ///
    /// # Panics
    ///
    /// If a task was aborted, and with the panic of a task that panicked; the others are aborted.
    ///
    /// # Cancellation
    ///
    /// Dropping the future aborts the tasks; outputs that had come are lost.
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

    /// Aborts all tasks. They stay in the queue until they are joined.
    pub fn abort_all(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    /// Lets all tasks go, which run on.
    pub fn detach_all(&mut self) {
        for task in self.tasks.drain(..) {
            drop(task.detach());
        }
    }
}

impl<T> Default for JoinQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.tasks).finish()
    }
}

/// Spawns the futures, in their order.
impl<T, F> FromIterator<F> for JoinQueue<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut queue = Self::new();
        futures.into_iter().for_each(|future| {
            queue.spawn(future);
        });
        queue
    }
}
