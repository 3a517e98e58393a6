//! One cooperative budget per poll, so that no task holds its worker for ever.
//!
//! The scheduler gives each poll a number of units. Every leaf of ours (socket, timer, join handle, channel)
//! takes one before it makes progress; at zero it wakes its task and reports `Pending`, so the task goes to
//! the back of the queue. A leaf that takes a unit and then has to wait gives it back. Outside a task the
//! budget is unlimited.
//!
//! A poll may also be *traced*: it has no units, and whoever asks for one is noted as what the task waits for
//! (`trace.rs`). He wakes his task like somebody who found the budget spent, so that no wake is lost.
//!
//! The LIFO slot shares the budget of the task that filled it through the worker's turn cap, not here.
//! Words and names are those of tokio's `task::coop`. pin-project-lite pins the two wrappers here, because
//! this file may not hold the `unsafe` that it would take otherwise.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::primitive::thread_local;
use crate::trace;

/// Units that one poll may spend, unless the builder says otherwise.
pub const DEFAULT: u32 = 128;
/// The most that it may say.
pub const MOST: u32 = 1 << 16;

/// Stands for a budget without end.
const UNLIMITED: u32 = u32::MAX;
/// Stands for a traced poll.
pub(crate) const TRACED: u32 = u32::MAX - 1;

/// What a thread's present poll is about; the two are written together, at its beginning and at its end.
struct Turn {
    left: Cell<u32>,
    /// The number of the task (`task/id.rs`); 0: none.
    task: Cell<u64>,
}

thread_local! {
    static TURN: Turn = const {
        Turn {
            left: Cell::new(UNLIMITED),
            task: Cell::new(0),
        }
    };
    /// Times that somebody on this thread found the budget spent.
    static FORCED_YIELDS: Cell<u64> = const { Cell::new(0) };
}

/// How often a task on this thread had to yield since the last call.
pub(crate) fn take_forced_yields() -> u64 {
    FORCED_YIELDS.replace(0)
}

#[inline]
fn left() -> u32 {
    TURN.with(|turn| turn.left.get())
}

#[inline]
fn set_left(left: u32) {
    TURN.with(|turn| turn.left.set(left));
}

/// From now on the thread polls this task, which has so many units, or [`TRACED`].
#[inline]
pub(crate) fn begin_turn(task: u64, units: u32) {
    TURN.with(|turn| {
        turn.task.set(task);
        turn.left.set(units);
    });
}

/// No task and no budget any more.
#[inline]
pub(crate) fn end_turn() {
    begin_turn(0, UNLIMITED);
}

/// The number of the task that the thread polls; 0: none.
pub(crate) fn task() -> u64 {
    TURN.with(|turn| turn.task.get())
}

/// Says that the thread polls another task, or none; returns the one before.
pub(crate) fn replace_task(task: u64) -> u64 {
    TURN.with(|turn| turn.task.replace(task))
}

/// Runs `poll` with so many units; what was left before comes back afterwards, also on a panic.
#[inline]
pub(crate) fn with_units<R>(units: u32, poll: impl FnOnce() -> R) -> R {
    with_limit(units, poll)
}

/// Runs `f` without a budget: a closure that may block has nobody to yield to.
pub(crate) fn without<R>(f: impl FnOnce() -> R) -> R {
    with_limit(UNLIMITED, f)
}

#[inline]
fn with_limit<R>(limit: u32, poll: impl FnOnce() -> R) -> R {
    struct Restore(u32);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            set_left(self.0);
        }
    }
    let _restore = Restore(TURN.with(|turn| turn.left.replace(limit)));
    poll()
}

/// Gives the unit back when dropped, unless [`RestoreOnPending::made_progress`] was called.
#[must_use = "dropping it at once gives the unit back"]
pub struct RestoreOnPending {
    before: Cell<u32>,
    /// The budget is that of the thread.
    thread: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// The operation went on: the unit stays spent.
    #[inline]
    pub fn made_progress(&self) {
        self.before.set(UNLIMITED);
    }
}

impl fmt::Debug for RestoreOnPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreOnPending").finish_non_exhaustive()
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        let before = self.before.get();
        if before != UNLIMITED {
            set_left(before);
        }
    }
}

/// Takes one unit of the running task's budget.
///
/// `Pending` means that the budget is spent: the task has been woken and should return `Pending` itself.
/// Outside a task the budget is unlimited.
///
/// # Examples
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// // Outside a task nothing is counted.
/// let Poll::Ready(unit) = loxley_core::coop::poll_proceed(&mut cx) else { unreachable!() };
/// unit.made_progress();
/// assert!(loxley_core::coop::has_budget_remaining());
/// ```
#[inline]
#[track_caller]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let before = left();
    // One comparison for all that is no number of units: 0 wraps around.
    if before.wrapping_sub(1) < MOST {
        set_left(before - 1);
    } else if before != UNLIMITED {
        return refuse(cx, before, Location::caller());
    }
    Poll::Ready(RestoreOnPending {
        before: Cell::new(before),
        thread: PhantomData,
    })
}

#[cold]
fn refuse(cx: &Context<'_>, left: u32, leaf: &'static Location<'static>) -> Poll<RestoreOnPending> {
    if left == TRACED {
        trace::note(leaf);
    } else {
        FORCED_YIELDS.set(FORCED_YIELDS.get() + 1);
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// True if the running task may still make progress in this poll; always true outside a task.
#[inline]
pub fn has_budget_remaining() -> bool {
    left() != 0
}

/// Takes one unit, and yields to the scheduler if none is left.
///
/// For loops that compute for long between two awaits.
pub async fn consume_budget() {
    poll_fn(|cx| {
        let unit = ready!(poll_proceed(cx));
        unit.made_progress();
        Poll::Ready(())
    })
    .await;
}

pin_project! {
    /// The future of [`unconstrained`].
    #[derive(Debug)]
    pub struct Unconstrained<F> {
        #[pin]
        inner: F,
    }
}

/// Runs `inner` without a budget: it may then hold its worker, which is sometimes what one wants.
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let poll = || self.project().inner.poll(cx);
        match left() {
            TRACED => poll(),
            _ => with_limit(UNLIMITED, poll),
        }
    }
}

pin_project! {
    /// The future of [`cooperative`].
    #[derive(Debug)]
    pub struct Coop<F> {
        #[pin]
        inner: F,
    }
}

/// Makes any future take part in the budget: one unit for each poll that completes it.
pub fn cooperative<F: Future>(inner: F) -> Coop<F> {
    Coop { inner }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(poll_proceed(cx));
        let output = ready!(self.project().inner.poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}
