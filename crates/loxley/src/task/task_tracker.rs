//! `TaskTracker`: waiting until all tasks have ended, without keeping their outputs.
//!
//! One word counts the tasks, and says whether the tracker is closed. Whoever makes it *closed and empty* tells all who
//! wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use loxley_core::coop;
use pin_project_lite::pin_project;

use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;
use crate::sync::Notify;
use crate::sync::futures::Notified;

const CLOSED: usize = 1;
const TASK: usize = 2;

/// Counts tasks, and waits until none is left. Unlike a [`JoinSet`](super::JoinSet) it keeps no outputs: a task that has
/// ended leaves nothing behind.
///
/// [`TaskTracker::wait`] ends when the tracker is closed and empty at the same time. Closing only says that one begins
/// to wait; tasks can be added all the same.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::CancellationToken;
/// use loxley::task::TaskTracker;
///
/// let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
/// for _ in 0..10 {
///     tracker.spawn(token.clone().cancelled_owned());
/// }
/// tracker.close();
/// token.cancel();
/// tracker.wait().await;
/// assert!(tracker.is_empty());
/// # });
/// ```
pub struct TaskTracker {
    shared: Arc<Shared>,
}

struct Shared {
    word: AtomicUsize,
    ended: Notify,
}

impl Shared {
    fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `leave`; whoever waits sees what the tasks did.
        self.word.load(Ordering::Acquire) == CLOSED
    }

    fn enter(&self) {
        // Relaxed: a number; whoever adds is not waited for yet.
        self.word.fetch_add(TASK, Ordering::Relaxed);
    }

    fn leave(&self) {
        // AcqRel: the last one tells what all have done.
        if self.word.fetch_sub(TASK, Ordering::AcqRel) == TASK | CLOSED {
            self.ended.notify_waiters();
        }
    }
}

impl TaskTracker {
    /// Open and empty.
    ///
    /// ```
    /// let tracker = loxley::task::TaskTracker::new();
    /// assert!(tracker.is_empty() && !tracker.is_closed());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                word: AtomicUsize::new(0),
                ended: Notify::new(),
            }),
        }
    }

    /// Waits until the tracker is closed and empty, be it for a moment.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let tracker = loxley::task::TaskTracker::new();
    /// tracker.spawn(async {});
    /// tracker.close();
    /// tracker.wait().await;
    /// # });
    /// ```
    pub fn wait(&self) -> TaskTrackerWaitFuture<'_> {
        // Before the look: whatever comes after it is not missed.
        let ended = self.shared.ended.notified();
        let done = self.shared.is_done();
        TaskTrackerWaitFuture {
            shared: &self.shared,
            done,
            ended,
        }
    }

    /// Closes the tracker; true if it was open.
    ///
    /// ```
    /// let tracker = loxley::task::TaskTracker::new();
    /// assert!(tracker.close() && !tracker.close());
    /// ```
    pub fn close(&self) -> bool {
        // AcqRel: pairs with the Release in `leave`, as a wait that ends here does.
        let before = self.shared.word.fetch_or(CLOSED, Ordering::AcqRel);
        if before == 0 {
            self.shared.ended.notify_waiters();
        }
        before & CLOSED == 0
    }

    /// Opens the tracker; true if it was closed.
    ///
    /// ```
    /// let tracker = loxley::task::TaskTracker::new();
    /// tracker.close();
    /// assert!(tracker.reopen() && !tracker.reopen());
    /// ```
    pub fn reopen(&self) -> bool {
        // AcqRel: as in `close`.
        self.shared.word.fetch_and(!CLOSED, Ordering::AcqRel) & CLOSED != 0
    }

    /// True if it is closed.
    ///
    /// ```
    /// let tracker = loxley::task::TaskTracker::new();
    /// tracker.close();
    /// assert!(tracker.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with `close`.
        self.shared.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many tasks there are.
    ///
    /// ```
    /// let tracker = loxley::task::TaskTracker::new();
    /// let token = tracker.token();
    /// assert_eq!(tracker.len(), 1);
    /// # drop(token);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        // Acquire: pairs with the Release in `leave`.
        self.shared.word.load(Ordering::Acquire) / TASK
    }

    /// True if there is no task.
    ///
    /// ```
    /// assert!(loxley::task::TaskTracker::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Spawns a task on the current runtime, and counts it until it has ended and its future is dropped.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let tracker = loxley::task::TaskTracker::new();
    /// assert_eq!(tracker.spawn(async { 5 }).await.unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        super::spawn(self.track_future(task))
    }

    /// Spawns a task on that runtime, and counts it.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let tracker = loxley::task::TaskTracker::new();
    /// tracker.spawn_on(async {}, runtime.handle());
    /// tracker.close();
    /// runtime.block_on(tracker.wait());
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&self, task: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.spawn(self.track_future(task))
    }

    /// Spawns a task that stays on this thread, into the [`LocalSet`] or
    /// [`LocalRuntime`](crate::runtime::LocalRuntime) that the thread is inside, and counts it.
    ///
    /// # Panics
    ///
    /// If it is inside none.
    ///
    /// ```
    /// # loxley::runtime::LocalRuntime::new().unwrap().block_on(async {
    /// let tracker = loxley::task::TaskTracker::new();
    /// let task = tracker.spawn_local(async { std::rc::Rc::new(5) });
    /// assert_eq!((tracker.len(), *task.await.unwrap()), (1, 5));
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        super::spawn_local(self.track_future(task))
    }

    /// Spawns a task into that local set, and counts it.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let (local_set, tracker) = (loxley::task::LocalSet::new(), loxley::task::TaskTracker::new());
    /// tracker.spawn_local_on(async {}, &local_set);
    /// tracker.close();
    /// local_set.block_on(&runtime, tracker.wait());
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(&self, task: F, local_set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        local_set.spawn_local(self.track_future(task))
    }

    /// Runs a closure that may block, and counts it.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let tracker = loxley::task::TaskTracker::new();
    /// assert_eq!(tracker.spawn_blocking(|| 5).await.unwrap(), 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, task: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let token = self.token();
        super::spawn_blocking(move || {
            let output = task();
            drop(token);
            output
        })
    }

    /// As [`TaskTracker::spawn_blocking`], on that runtime.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let tracker = loxley::task::TaskTracker::new();
    /// tracker.spawn_blocking_on(|| (), runtime.handle());
    /// tracker.close();
    /// runtime.block_on(tracker.wait());
    /// ```
    #[track_caller]
    pub fn spawn_blocking_on<F, T>(&self, task: F, handle: &Handle) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let token = self.token();
        handle.spawn_blocking(move || {
            let output = task();
            drop(token);
            output
        })
    }

    /// Counts a future until it is dropped.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let tracker = loxley::task::TaskTracker::new();
    /// let future = tracker.track_future(async { 5 });
    /// assert_eq!((tracker.len(), future.await, tracker.len()), (1, 5, 0));
    /// # });
    /// ```
    pub fn track_future<F: Future>(&self, future: F) -> TrackedFuture<F> {
        TrackedFuture {
            future,
            token: self.token(),
        }
    }

    /// Something that counts as a task until it is dropped.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let tracker = loxley::task::TaskTracker::new();
    /// let token = tracker.token();
    /// tracker.close();
    /// drop(token);
    /// tracker.wait().await;
    /// # });
    /// ```
    #[must_use]
    pub fn token(&self) -> TaskTrackerToken {
        self.shared.enter();
        TaskTrackerToken {
            tracker: self.clone(),
        }
    }

    /// True if both are clones of one tracker.
    ///
    /// ```
    /// use loxley::task::TaskTracker;
    ///
    /// let tracker = TaskTracker::new();
    /// assert!(TaskTracker::ptr_eq(&tracker, &tracker.clone()));
    /// ```
    #[must_use]
    pub fn ptr_eq(left: &Self, right: &Self) -> bool {
        Arc::ptr_eq(&left.shared, &right.shared)
    }
}

impl Default for TaskTracker {
    fn default() -> Self {
        Self::new()
    }
}

/// The clone is the same tracker.
impl Clone for TaskTracker {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl fmt::Debug for TaskTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskTracker")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// Counts as a task of its [`TaskTracker`] until it is dropped.
///
/// ```
/// let tracker = loxley::task::TaskTracker::new();
/// let token = tracker.token();
/// let other = token.clone();
/// assert_eq!(tracker.len(), 2);
/// # drop(other);
/// ```
#[derive(Debug)]
pub struct TaskTrackerToken {
    tracker: TaskTracker,
}

impl TaskTrackerToken {
    /// The tracker.
    ///
    /// ```
    /// use loxley::task::TaskTracker;
    ///
    /// let tracker = TaskTracker::new();
    /// assert!(TaskTracker::ptr_eq(tracker.token().task_tracker(), &tracker));
    /// ```
    #[must_use]
    pub fn task_tracker(&self) -> &TaskTracker {
        &self.tracker
    }
}

impl Clone for TaskTrackerToken {
    fn clone(&self) -> Self {
        self.tracker.token()
    }
}

impl Drop for TaskTrackerToken {
    fn drop(&mut self) {
        self.tracker.shared.leave();
    }
}

pin_project! {
    /// The future of [`TaskTracker::track_future`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::task::task_tracker::TrackedFuture;
    ///
    /// let tracker = loxley::task::TaskTracker::new();
    /// let future: TrackedFuture<_> = tracker.track_future(std::future::ready(5));
    /// assert_eq!(future.await, 5);
    /// # });
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TrackedFuture<F> {
        // Dropped before the token: whoever waits may rely on it.
        #[pin]
        future: F,
        token: TaskTrackerToken,
    }
}

impl<F: Future> Future for TrackedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

pin_project! {
    /// The future of [`TaskTracker::wait`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::task::task_tracker::TaskTrackerWaitFuture;
    ///
    /// let tracker = loxley::task::TaskTracker::new();
    /// tracker.close();
    /// let waiting: TaskTrackerWaitFuture<'_> = tracker.wait();
    /// waiting.await;
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TaskTrackerWaitFuture<'a> {
        shared: &'a Shared,
        done: bool,
        #[pin]
        ended: Notified<'a>,
    }
}

impl Future for TaskTrackerWaitFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        let this = self.project();
        if !*this.done {
            *this.done = this.shared.is_done() || this.ended.poll(cx).is_ready();
        }
        if !*this.done {
            return Poll::Pending;
        }
        unit.made_progress();
        Poll::Ready(())
    }
}

impl fmt::Debug for TaskTrackerWaitFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskTrackerWaitFuture")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
