//! `TaskGroup`: tasks that end together, and before whoever waits for them goes on.
//!
//! # Words
//!
//! *Child*: a task of the group. *Descendant*: a task of a group that a child made, or a descendant of such a one.
//! *Failure*: the first error, abort or panic of a child, or the deadline.
//!
//! # How it works
//!
//! - G1 children are members of a [`JoinSet`], and each carries its [`Lineage`]: a token of its group, and of the groups
//!   above. It stands in a task-local variable, where a group that the child makes finds it.
//! - G2 each child waits for the group's cancellation besides its future, and brings it about when it ends in any other way
//!   than by success: nobody needs to look for that. With a limit it takes its place in the queue when it is spawned.
//! - G3 whoever joins keeps the first failure, and tells it only when every member was joined and no token is left: then
//!   every future of a child or of a descendant has been dropped. So nobody who has awaited the end shares anything with
//!   them.
//!
//! # Rejected
//!
//! Children that borrow from whoever waits: a future may be forgotten, and then nobody waits (tokio #3162). Closures of
//! `spawn_blocking`: nothing can end them. Waiting inside the drop: it would block the thread that the children need.
//!
//! Checked by `tests/task_group.rs`.

mod child;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use self::child::Child;
use super::task_tracker::TaskTrackerToken;
use super::{AbortHandle, Id, JoinError, JoinSet, TaskTracker};
use crate::runtime::Handle;
use crate::sync::{CancellationToken, Semaphore};
use crate::time::{Instant, Sleep, sleep_until};

crate::task_local! {
    /// Of the child that runs.
    static LINEAGE: Arc<Lineage>;
}

/// G1: as long as it is there, the groups above wait.
struct Lineage {
    _token: TaskTrackerToken,
    _above: Option<Arc<Lineage>>,
}

/// Tasks that succeed or fail together.
///
/// Each child gives a [`Result`]. The first that fails, by an error, a panic or an abort, has the others cancelled at
/// once, also while nobody waits for the group; so does the deadline while somebody does. [`TaskGroup::join`] then tells
/// the failure, and only after *every* child has ended and its future has been dropped, and the same holds for the
/// children of groups that children made. A panic goes on in whoever joins.
///
/// Unlike in a [`JoinSet`] nothing has to be done for a failure to be noticed, and unlike with
/// [`try_join!`](crate::try_join) the children run on all workers. Cancelling drops a child's future where it waits.
///
/// # Cancellation
///
/// Dropping the group, or the future of [`TaskGroup::join`], aborts all children and returns at once, because a drop
/// cannot wait. Children that are not being polled just now are dropped by a worker soon, one that is being polled at its
/// next await. So a drop promises that they end, not that they have ended: whoever needs that awaits
/// [`TaskGroup::cancel`] or [`TaskGroup::join`]. A group that is forgotten (`std::mem::forget`) does nothing at all.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::{GroupError, TaskGroup};
///
/// let mut group = TaskGroup::new();
/// for number in 0..3 {
///     group.spawn(async move { Ok::<_, String>(number) });
/// }
/// assert_eq!(group.join().await, Ok(vec![0, 1, 2]));
///
/// let mut group = TaskGroup::<(), _>::new();
/// group.spawn(std::future::pending());
/// group.spawn(async { Err("no more arrows") });
/// assert_eq!(group.join().await, Err(GroupError::Failed("no more arrows")));
/// # });
/// ```
pub struct TaskGroup<T, E> {
    children: JoinSet<(usize, Option<Result<T, E>>)>,
    spawned: usize,
    /// Cancelled: a child has failed, or somebody wants the end (G2). Each failure that was told leaves a new one.
    token: CancellationToken,
    limit: Option<Arc<Semaphore>>,
    deadline: Option<Pin<Box<Sleep>>>,
    failure: Option<Failure<E>>,
    tracker: TaskTracker,
    /// Waits for the last token (G3).
    last: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    /// Of the child that made this group. It may have ended: then its own group waits for the children alone.
    above: Weak<Lineage>,
}

/// A child's number and output, or why there is no more to come.
type Ended<T, E> = Result<(usize, T), GroupError<E>>;

enum Failure<E> {
    Error(GroupError<E>),
    /// Kept in the error, which is `Sync`.
    Panic(JoinError),
}

impl<T, E> TaskGroup<T, E> {
    /// A group without a child, without a deadline, and with as many children at once as there are.
    ///
    /// ```
    /// assert!(loxley::task::TaskGroup::<(), ()>::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let above = LINEAGE.try_with(Arc::downgrade).unwrap_or_default();
        Self {
            children: JoinSet::new(),
            spawned: 0,
            token: CancellationToken::new(),
            limit: None,
            deadline: None,
            failure: None,
            tracker: TaskTracker::new(),
            last: None,
            above,
        }
    }

    /// Sets how many children run at once; the others wait for their turn, in the order in which they were spawned.
    ///
    /// Unit: children, at least 1. Default: no limit. It concerns children that are spawned afterwards.
    ///
    /// # Panics
    ///
    /// If `children` is 0: nothing would ever run.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut group = loxley::task::TaskGroup::new().limit(2);
    /// for number in 0..10 {
    ///     group.spawn(async move { Ok::<_, ()>(number) });
    /// }
    /// assert_eq!(group.join().await.unwrap().len(), 10);
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, children: usize) -> Self {
        assert!(
            children > 0,
            "the limit of a group must be at least 1: nothing would ever run"
        );
        let children = children.min(Semaphore::MAX_PERMITS);
        self.limit = Some(Arc::new(Semaphore::new(children)));
        self
    }

    /// Sets when the children are cancelled if they have not ended by then. Default: never.
    ///
    /// Whoever joins the group watches the clock: while nobody does, the deadline may pass unnoticed.
    ///
    /// # Panics
    ///
    /// Outside a runtime with timers.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use loxley::task::{GroupError, TaskGroup};
    /// use loxley::time::Instant;
    ///
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// let mut group = TaskGroup::<(), ()>::new().deadline(soon);
    /// group.spawn(std::future::pending());
    /// assert_eq!(group.join().await, Err(GroupError::DeadlineElapsed));
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(Box::pin(sleep_until(deadline)));
        self
    }

    /// As [`TaskGroup::deadline`], so long from now.
    ///
    /// # Panics
    ///
    /// Outside a runtime with timers.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::time::Duration;
    ///
    /// let mut group = loxley::task::TaskGroup::new().timeout(Duration::from_secs(60));
    /// group.spawn(async { Ok::<_, ()>(5) });
    /// assert_eq!(group.join().await, Ok(vec![5]));
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.deadline = Some(Box::pin(crate::time::sleep(limit)));
        self
    }

    /// Children that have not been joined.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut group = loxley::task::TaskGroup::new();
    /// group.spawn(async { Ok::<_, ()>(()) });
    /// assert_eq!(group.len(), 1);
    /// # });
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// True if all children have been joined.
    ///
    /// ```
    /// assert!(loxley::task::TaskGroup::<(), ()>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    /// Spawns a child on the current runtime. Aborting it by its handle is a failure.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut group = loxley::task::TaskGroup::new();
    /// group.spawn(async { Ok::<_, ()>(5) });
    /// assert_eq!(group.join().await, Ok(vec![5]));
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, child: F) -> AbortHandle
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.spawn_on(child, &Handle::current())
    }

    /// As [`TaskGroup::spawn`], on that runtime.
    ///
    /// ```
    /// let runtime = loxley::runtime::Runtime::new().unwrap();
    /// let mut group = loxley::task::TaskGroup::new();
    /// group.spawn_on(async { Ok::<_, ()>(5) }, runtime.handle());
    /// assert_eq!(runtime.block_on(group.join()), Ok(vec![5]));
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, child: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let lineage = Arc::new(Lineage {
            _token: self.tracker.token(),
            _above: self.above.upgrade(),
        });
        let child = Child::new(self.spawned, child, self.limit.as_ref(), &self.token);
        self.spawned += 1;
        self.children
            .spawn_on(LINEAGE.scope(lineage, child), handle)
    }

    /// Waits for all children; gives their outputs in the order in which they were spawned.
    ///
    /// # Errors
    ///
    /// The first failure, after all children have been cancelled and have ended.
    ///
    /// # Panics
    ///
    /// If a child panicked, with its panic, and after all children have ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future aborts the children; see [`TaskGroup`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut group = loxley::task::TaskGroup::new();
    /// group.spawn(async { Ok::<_, ()>(1) });
    /// group.spawn(async { Ok(2) });
    /// assert_eq!(group.join().await, Ok(vec![1, 2]));
    /// # });
    /// ```
    pub async fn join(mut self) -> Result<Vec<T>, GroupError<E>> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(output) = poll_fn(|cx| self.poll_join(cx)).await {
            outputs.push(output?);
        }
        outputs.sort_unstable_by_key(|(index, _)| *index);
        Ok(outputs.into_iter().map(|(_, output)| output).collect())
    }

    /// Waits for the next child to end well, or for all to end after a failure; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The first failure, after all children have been cancelled and have ended; the group is empty then.
    ///
    /// # Panics
    ///
    /// If a child panicked, with its panic, and after all children have ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses neither an output nor a failure.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut group = loxley::task::TaskGroup::new();
    /// group.spawn(async { Ok::<_, ()>(5) });
    /// assert_eq!(group.join_next().await, Some(Ok(5)));
    /// assert_eq!(group.join_next().await, None);
    /// # });
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, GroupError<E>>> {
        let ended = poll_fn(|cx| self.poll_join(cx)).await;
        ended.map(|ended| ended.map(|(_, output)| output))
    }

    /// Cancels all children and waits until they have ended; their outputs and errors are dropped. The group is empty then.
    ///
    /// # Panics
    ///
    /// If a child panicked, with its panic.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the children cancelled, and not waited for.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let alive = std::sync::Arc::new(());
    /// let mut group = loxley::task::TaskGroup::<(), ()>::new();
    /// let held = alive.clone();
    /// group.spawn(async move {
    ///     let _held = held;
    ///     std::future::pending().await
    /// });
    /// group.cancel().await;
    /// assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    /// # });
    /// ```
    pub async fn cancel(&mut self) {
        self.token.cancel();
        while self.join_next().await.is_some() {}
    }

    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended<T, E>>> {
        loop {
            match self.children.poll_join_next(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok((index, Some(Ok(output)))))) => {
                    if self.failure.is_none() {
                        return Poll::Ready(Some(Ok((index, output))));
                    }
                }
                Poll::Ready(Some(Ok((_, Some(Err(error)))))) => {
                    self.keep(Failure::Error(GroupError::Failed(error)));
                }
                // Cancelled: the reason is told by another one.
                Poll::Ready(Some(Ok((_, None)))) => {}
                Poll::Ready(Some(Err(error))) => self.keep(error.into()),
                Poll::Pending => {
                    ready!(self.poll_deadline(cx));
                    self.token.cancel();
                    self.keep(Failure::Error(GroupError::DeadlineElapsed));
                }
            }
        }
        ready!(self.poll_last(cx));
        if self.token.is_cancelled() {
            self.token = CancellationToken::new();
        }
        match self.failure.take() {
            None => Poll::Ready(None),
            Some(Failure::Error(error)) => Poll::Ready(Some(Err(error))),
            Some(Failure::Panic(error)) => resume_unwind(error.into_panic()),
        }
    }

    /// Pending for ever without a deadline, and once the end is near anyway.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.deadline {
            Some(deadline) if !self.token.is_cancelled() => deadline.as_mut().poll(cx),
            _ => Poll::Pending,
        }
    }

    /// G3: descendants, too.
    fn poll_last(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let tracker = &self.tracker;
        let last = self.last.get_or_insert_with(|| {
            let tracker = tracker.clone();
            Box::pin(async move {
                tracker.close();
                tracker.wait().await;
            })
        });
        ready!(last.as_mut().poll(cx));
        self.last = None;
        Poll::Ready(())
    }

    /// G3. Of several failures the first is told; but a panic is told before everything else.
    fn keep(&mut self, failure: Failure<E>) {
        let replaces = match (&self.failure, &failure) {
            (None, _) => true,
            (Some(Failure::Error(_)), Failure::Panic(_)) => true,
            (Some(_), _) => false,
        };
        if replaces {
            self.failure = Some(failure);
        }
    }
}

impl<E> From<JoinError> for Failure<E> {
    fn from(error: JoinError) -> Self {
        match error.is_panic() {
            true => Self::Panic(error),
            false => Self::Error(GroupError::Aborted(error.id())),
        }
    }
}

impl<T, E> Default for TaskGroup<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("len", &self.len())
            .field("has_failed", &self.failure.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a [`TaskGroup`] gave no output.
///
/// ```
/// use loxley::task::GroupError;
///
/// let error = GroupError::Failed("no more arrows");
/// assert_eq!(error.to_string(), "a task of the group failed: no more arrows");
/// assert_eq!(error.into_failed(), Some("no more arrows"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError<E> {
    /// A child gave this error, the first one.
    Failed(E),
    /// A child was aborted by its [`AbortHandle`], or its runtime was shut down.
    Aborted(Id),
    /// The deadline came before all children had ended.
    DeadlineElapsed,
}

impl<E> GroupError<E> {
    /// The child's error, if that was the reason.
    ///
    /// ```
    /// use loxley::task::GroupError;
    ///
    /// assert_eq!(GroupError::Failed(5).into_failed(), Some(5));
    /// assert_eq!(GroupError::<u8>::DeadlineElapsed.into_failed(), None);
    /// ```
    pub fn into_failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Aborted(_) | Self::DeadlineElapsed => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "a task of the group failed: {error}"),
            Self::Aborted(id) => write!(f, "task {id} of the group was aborted"),
            Self::DeadlineElapsed => f.write_str("the deadline of the group has elapsed"),
        }
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Aborted(_) | Self::DeadlineElapsed => None,
        }
    }
}
