//! Which runtime this thread is in, and whether it may block.
//!
//! Two facts per thread: the *handle* that `spawn`, sockets and timers use, and how the thread was *entered*:
//! outside; driving async code, where blocking would stop other tasks; or inside a section that may block.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use super::Handle;
use super::local_set::LocalEnterGuard;
use crate::primitive::thread_local;
use crate::worker::Scheduler;

/// How this thread was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// No runtime drives this thread.
    Outside,
    /// The thread drives tasks: it must not block.
    Driving,
    /// So does it, and they stay on it: it must not block in place either.
    DrivingLocal,
    /// In `block_in_place` or `spawn_blocking`: it may.
    MayBlock,
}

impl Entered {
    /// True if the thread must not block.
    pub fn is_driving(self) -> bool {
        matches!(self, Self::Driving | Self::DrivingLocal)
    }
}

thread_local! {
    static HANDLE: RefCell<Option<Handle>> = const { RefCell::new(None) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The address of the current handle's scheduler, to compare with.
    static SCHEDULER: Cell<*const Scheduler> = const { Cell::new(std::ptr::null()) };
    static ENTERED: Cell<Entered> = const { Cell::new(Entered::Outside) };
}

/// Why there is no current runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryCurrentError {
    thread_local_gone: bool,
}

impl TryCurrentError {
    /// True if the thread is in no runtime.
    pub fn is_missing_context(&self) -> bool {
        !self.thread_local_gone
    }

    /// True if the thread is ending and its thread-local variables are gone.
    pub fn is_thread_local_destroyed(&self) -> bool {
        self.thread_local_gone
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.thread_local_gone {
            "this thread is ending: its thread-local variables, and with them the current runtime, are gone"
        } else {
            "there is no runtime here: this must be called from a task, from `block_on`, or after \
             `Runtime::enter`"
        })
    }
}

impl std::error::Error for TryCurrentError {}

/// Lends the current handle.
#[inline]
pub fn with_handle<R>(f: impl FnOnce(&Handle) -> R) -> Result<R, TryCurrentError> {
    let missing = |thread_local_gone| TryCurrentError { thread_local_gone };
    HANDLE
        .try_with(|handle| handle.borrow().as_ref().map(f))
        .map_err(|_| missing(true))?
        .ok_or(missing(false))
}

/// True if the current handle is of this runtime. Cheaper than looking at the handle, and lends nothing.
#[inline]
pub fn is_in(scheduler: &Scheduler) -> bool {
    SCHEDULER.with(|current| std::ptr::eq(current.get(), scheduler))
}

/// Changes the current handle; the caller drops the one before, which may be the last one.
fn replace(handle: Option<Handle>) -> Option<Handle> {
    let scheduler = handle.as_ref().map(|handle| &*handle.inner.scheduler);
    SCHEDULER.with(|current| current.set(scheduler.map_or(std::ptr::null(), std::ptr::from_ref)));
    HANDLE.try_with(|current| current.replace(handle)).ok()?
}

/// The current handle.
pub fn current() -> Result<Handle, TryCurrentError> {
    with_handle(Handle::clone)
}

/// Makes a runtime current on this thread until it is dropped.
///
/// # Panics
///
/// If dropped in another order than the reverse of creation.
#[must_use = "dropping it at once leaves the runtime again"]
pub struct EnterGuard<'a> {
    before: Option<Handle>,
    depth: usize,
    /// Of a `LocalRuntime`: its set is entered, too.
    local: Option<LocalEnterGuard>,
    // A guard belongs to its thread, and must not outlive what it entered.
    thread: PhantomData<(&'a Handle, *mut ())>,
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard")
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Makes `handle` current.
pub fn enter<'a>(handle: &Handle) -> EnterGuard<'a> {
    let before = replace(Some(handle.clone()));
    let depth = DEPTH.get() + 1;
    DEPTH.set(depth);
    EnterGuard {
        before,
        depth,
        local: None,
        thread: PhantomData,
    }
}

impl EnterGuard<'_> {
    pub(super) fn with_local(mut self, local: LocalEnterGuard) -> Self {
        self.local = Some(local);
        self
    }
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        let depth = DEPTH.try_with(Cell::get).unwrap_or(self.depth);
        if depth != self.depth {
            assert!(
                std::thread::panicking(),
                "`EnterGuard` values dropped out of order: drop the one entered last first"
            );
            return;
        }
        let before = self.before.take();
        let _ = DEPTH.try_with(|depth| depth.set(self.depth - 1));
        // Dropped outside the borrow: it may be the last handle.
        drop(replace(before));
    }
}

/// How this thread was entered; `MayBlock` when its thread-locals are gone.
pub fn entered() -> Entered {
    ENTERED.try_with(Cell::get).unwrap_or(Entered::MayBlock)
}

/// Runs `body` with the thread entered as `how`.
pub fn with_entered<R>(how: Entered, body: impl FnOnce() -> R) -> R {
    struct Restore(Entered);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = ENTERED.try_with(|entered| entered.set(self.0));
        }
    }
    let _restore = Restore(ENTERED.with(|entered| entered.replace(how)));
    body()
}

/// Runs `body`, in which no other thread may take this one's place.
pub fn without_stand_ins<R>(body: impl FnOnce() -> R) -> R {
    match entered() {
        Entered::Driving => with_entered(Entered::DrivingLocal, body),
        _ => body(),
    }
}

/// Runs `body` as a thread that drives tasks of `handle`.
///
/// # Panics
///
/// If the thread does so already.
#[track_caller]
pub fn drive<R>(handle: &Handle, body: impl FnOnce() -> R) -> R {
    assert!(
        !entered().is_driving(),
        "cannot block on a future from within a runtime: this thread is driving async tasks, and blocking \
         it would stop them. Use `.await` here, or `task::block_in_place` or `task::spawn_blocking` around \
         the code that has to block"
    );
    let _guard = enter(handle);
    with_entered(Entered::Driving, body)
}
