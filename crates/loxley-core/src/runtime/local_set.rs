//! `LocalSet`: tasks that stay on one thread, run by whoever polls the set.
//!
//! How they are queued, woken and ended stands in `task/local.rs`; here are the futures that drive them, and the rules of
//! the thread around them. While a set is polled nobody may block the thread in place: the set's tasks cannot go on
//! elsewhere (tokio #7372).

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::context;
use super::{Runtime, UnhandledPanic};
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::{Arc, OnceLock};
use crate::task::local::{self, Inside, LocalTasks, Observer};
use crate::task::{Id, JoinHandle, Schedule, TaskPanic, contain};

/// Tasks that stay on one thread, so that their futures need not be [`Send`].
///
/// They run while the set is polled: by [`LocalSet::run_until`], [`LocalSet::block_on`], or by awaiting the set itself,
/// which is ready when all its tasks have ended. Inside, [`spawn_local`] finds the set. Handles, wakers and aborts work
/// from every thread; the futures are polled and dropped on this one alone.
///
/// Every poll of the set runs at most 61 tasks, each with a budget of its own, and then gives way to what else
/// the thread has to do. Tasks run in the order in which they are woken. If several futures drive one set, the one that
/// was polled last is woken.
///
/// [`block_in_place`](crate::block_in_place) panics inside a set that a runtime drives: there is no other thread that
/// could take its tasks over.
///
/// # Cancellation
///
/// Dropping the set cancels its tasks: their futures are dropped before the drop returns, and their handles say
/// `cancelled`. A future that is dropped may spawn into the set; that task is cancelled, too.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use loxley_core::{LocalSet, spawn_local};
///
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let shared = Rc::new(5);
/// let sum = LocalSet::new().block_on(&runtime, async move {
///     let other = shared.clone();
///     let task = spawn_local(async move { *other });
///     task.await.unwrap() + *shared
/// });
/// assert_eq!(sum, 10);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalSet {
    tasks: Rc<LocalTasks>,
    panics: Arc<Panics>,
    id: super::Id,
}

/// What a panic of a task does to its set.
#[derive(Default)]
struct Panics {
    end_the_set: AtomicBool,
    /// The panic that ended the set.
    note: OnceLock<String>,
}

struct Watch(Arc<Panics>);

impl Observer for Watch {
    fn panicked(&self, panic: &TaskPanic<'_>) -> bool {
        // The runtime that drives the set tells of it; without one there is standard error.
        let told = context::with_handle(|handle| handle.inner.blocking_tasks.panicked(panic));
        if told.is_err() {
            contain(|| eprintln!("loxley: {panic}"));
        }
        let ends = self.0.end_the_set.load(Ordering::Relaxed);
        if ends {
            let _ = self.0.note.set(panic.to_string());
        }
        ends
    }
}

impl LocalSet {
    /// A set without a task.
    #[must_use]
    pub fn new() -> Self {
        let panics = Arc::new(Panics::default());
        let tasks = LocalTasks::new(Box::new(Watch(panics.clone())));
        Self {
            tasks,
            panics,
            id: super::Id::next(),
        }
    }

    /// A set whose tasks somebody else is told of.
    pub(super) fn observed(observer: Box<dyn Observer>) -> Self {
        Self {
            tasks: LocalTasks::new(observer),
            panics: Arc::default(),
            id: super::Id::next(),
        }
    }

    pub(super) fn tasks(&self) -> &Rc<LocalTasks> {
        &self.tasks
    }

    /// What tells this set from all others, and from runtimes.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley_core::LocalSet;
    ///
    /// let set = LocalSet::new();
    /// assert_eq!(set.id(), set.id());
    /// assert_ne!(set.id(), LocalSet::new().id());
    /// ```
    pub fn id(&self) -> super::Id {
        self.id
    }

    /// Lets [`spawn_local`] find this set until the guard is dropped. The tasks run when the set is polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley_core::{LocalSet, spawn_local};
    ///
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let set = LocalSet::new();
    /// let task = {
    ///     let _guard = set.enter();
    ///     spawn_local(async { 5 })
    /// };
    /// assert_eq!(set.block_on(&runtime, task).unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard {
            _inside: self.tasks.enter(),
        }
    }

    /// Spawns a task into this set. It runs when the set is polled.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let set = loxley_core::LocalSet::new();
    /// let task = set.spawn_local(async { 5 });
    /// runtime.block_on(set);
    /// assert_eq!(runtime.block_on(task).unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.tasks.spawn(Id::next(), Location::caller(), future)
    }

    /// Runs the set on this thread until `future` is ready, inside that runtime.
    ///
    /// Tasks that have not ended by then stay in the set.
    ///
    /// # Panics
    ///
    /// If this thread drives async tasks already, or if the future panics.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// let set = loxley_core::LocalSet::new();
    /// let five = set.block_on(&runtime, async {
    ///     loxley_core::spawn_local(async { 5 }).await.unwrap()
    /// });
    /// assert_eq!(five, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(self.run_until(future))
    }

    /// Runs the set until `future` is ready; inside it, [`spawn_local`] finds the set.
    ///
    /// Tasks that have not ended by then stay in the set.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops `future`; the set keeps its tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// runtime.block_on(async {
    ///     let set = loxley_core::LocalSet::new();
    ///     let five = set.run_until(async {
    ///         loxley_core::spawn_local(async { 5 }).await.unwrap()
    ///     });
    ///     assert_eq!(five.await, 5);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        RunUntil { set: self, future }.await
    }

    /// Sets what the set does when one of its tasks panics. Default: [`UnhandledPanic::Ignore`].
    ///
    /// With [`UnhandledPanic::ShutdownRuntime`] the set ends: its tasks are cancelled, and whoever polls it panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    /// use loxley_core::LocalSet;
    /// use loxley_core::runtime::{Runtime, UnhandledPanic};
    ///
    /// let runtime = Runtime::new()?;
    /// let mut set = LocalSet::new();
    /// set.unhandled_panic(UnhandledPanic::ShutdownRuntime);
    /// set.spawn_local(async { panic!("boom") });
    /// let panicked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(set)));
    /// assert!(panicked.unwrap_err().downcast_ref::<String>().unwrap().contains("boom"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        let ends = behavior == UnhandledPanic::ShutdownRuntime;
        self.panics.end_the_set.store(ends, Ordering::Relaxed);
        self
    }

    /// One poll of the set; true if it should be polled again at once.
    #[track_caller]
    fn run_round(&self) -> bool {
        let again = self.tasks.run_round();
        if self.tasks.is_halted() {
            self.tasks.end();
            let panic = self.panics.note.get().map_or("", String::as_str);
            panic!(
                "the `LocalSet` was shut down by the panic of a task, as `UnhandledPanic::ShutdownRuntime` demands: \
                 {panic}"
            );
        }
        again
    }
}

/// Waits until all tasks have ended.
impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let tasks = &self.tasks;
        tasks.register(cx.waker());
        let again = context::without_stand_ins(|| tasks.while_polled(|| self.run_round()));
        if again {
            cx.waker().wake_by_ref();
        }
        match tasks.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        context::without_stand_ins(|| self.tasks.while_polled(|| self.tasks.end()));
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet")
            .field("tasks", &self.tasks)
            .finish()
    }
}

pin_project! {
    struct RunUntil<'a, F> {
        set: &'a LocalSet,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (set, future) = (*this.set, this.future);
        set.tasks.register(cx.waker());
        context::without_stand_ins(|| {
            set.tasks.while_polled(|| {
                if let Poll::Ready(output) = future.poll(cx) {
                    return Poll::Ready(output);
                }
                if set.run_round() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })
        })
    }
}

/// Lets [`spawn_local`] find a [`LocalSet`] until it is dropped.
#[must_use = "dropping it at once leaves the set again"]
pub struct LocalEnterGuard {
    _inside: Inside,
}

impl LocalEnterGuard {
    pub(super) fn new(tasks: &Rc<LocalTasks>) -> Self {
        let _inside = tasks.enter();
        Self { _inside }
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}

/// Spawns a task that stays on this thread, into the [`LocalSet`] or
/// [`LocalRuntime`](crate::runtime::LocalRuntime) that the thread is inside.
///
/// # Panics
///
/// If it is inside none.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let five = loxley_core::LocalSet::new().block_on(&runtime, async {
///     let five = std::rc::Rc::new(5);
///     loxley_core::spawn_local(async move { *five }).await.unwrap()
/// });
/// assert_eq!(five, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    local_tasks_here().spawn(Id::next(), Location::caller(), future)
}

/// The set that this thread is inside.
#[track_caller]
pub(super) fn local_tasks_here() -> Rc<LocalTasks> {
    match local::current() {
        Some(tasks) => tasks,
        None => panic!(
            "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`: call it in \
             `LocalSet::run_until`, in `LocalRuntime::block_on`, or after `LocalSet::enter`"
        ),
    }
}
