//! `JoinSet`: tasks that are waited for together, in the order in which they end.
//!
//! # How it works
//!
//! Each member has a *bell*: the waker with which its handle is polled. It writes the member's number into the set's
//! *list* and wakes whoever waits for the set. So a wait looks at the members that have rung, and at no others. A member
//! whose number has been given to another one may ring late; that costs one look.

mod builder;

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use loxley_core::coop;
use loxley_core::shared::WakerSlot;

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
    members: Vec<Option<Member<T>>>,
    free: Vec<usize>,
    list: Arc<List>,
}

struct Member<T> {
    handle: JoinHandle<T>,
    bell: Waker,
    rung: Arc<Bell>,
}

/// The members that have rung, and who waits for them.
#[derive(Default)]
struct List {
    rung: Mutex<VecDeque<usize>>,
    waker: WakerSlot,
}

struct Bell {
    number: usize,
    /// It is in the list.
    listed: AtomicBool,
    list: Arc<List>,
}

impl Bell {
    fn ring(&self) {
        // AcqRel: pairs with the swap in `look_at`: what was rung for is seen by whoever takes it off the list.
        if !self.listed.swap(true, Ordering::AcqRel) {
            let mut rung = self
                .list
                .rung
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            rung.push_back(self.number);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
        // After the lock: a waker is foreign code.
        if let Some(waker) = self.list.waker.take() {
            waker.wake();
        }
    }
}

impl List {
    fn pop(&self) -> Option<usize> {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.pop_front()
    }
}

impl<T> JoinSet<T> {
    /// Without a task.
    ///
    /// ```
    /// assert!(loxley::task::JoinSet::<u8>::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self {
            members: Vec::new(),
            free: Vec::new(),
            list: Arc::default(),
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
        self.members.len() - self.free.len()
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
        self.members.iter().flatten().map(|member| &member.handle)
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
        let number = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        let rung = Arc::new(Bell {
            number,
            listed: AtomicBool::new(false),
            list: self.list.clone(),
        });
        let bell = Waker::from(rung.clone());
        // It has to be looked at once, for the task to know its bell.
        rung.ring();
        self.members[number] = Some(Member { handle, bell, rung });
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
        // Each is looked at once: one that rings again meanwhile has nothing to give.
        std::iter::from_fn(|| self.list.pop().map(|number| self.look_at(number)))
            .flatten()
            .next()
    }

    /// Looks at a member that has rung.
    fn look_at(&mut self, number: usize) -> Option<Result<(Id, T), JoinError>> {
        let member = self.members.get_mut(number)?.as_mut()?;
        // AcqRel: pairs with the swap in `Bell::ring`. Before the look: a ring that comes after it is listed again.
        member.rung.listed.swap(false, Ordering::AcqRel);
        let id = member.handle.id();
        // The budget is the caller's affair: without it a handle would ring at once, and for ever.
        let mut handle = coop::unconstrained(&mut member.handle);
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&member.bell));
        let Poll::Ready(output) = polled else {
            return None;
        };
        self.members[number] = None;
        self.free.push(number);
        Some(output.map(|output| (id, output)))
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
        self.free.clear();
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
        let mut output = self.try_join_next_with_id();
        if output.is_none() {
            // Then once more: who rang before has found nobody to wake.
            self.list.waker.register(cx.waker());
            output = self.try_join_next_with_id();
        }
        if output.is_none() {
            return Poll::Pending;
        }
        unit.made_progress();
        Poll::Ready(output)
    }
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
