//! Waiting for a task, and asking it to stop.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

use super::depth::end_within_depth;
use super::raw::{Header, contain, header_of, release, site_of};
use super::state::{AlreadyComplete, DropJoin, Wake};
use super::waker::ThinWaker;
use super::{Id, JoinError, name_of};
use crate::budget;

/// Waits for a task's output. Dropping it detaches the task, which goes on.
///
/// Awaiting gives the output, or a [`JoinError`] if the task was aborted or panicked.
///
/// # Cancellation
///
/// Dropping the handle, or a future that awaits `&mut handle`, loses nothing but the output.
///
/// # Panics
///
/// If polled again after it gave the output.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { 6 * 7 });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinHandle<T> {
    header: NonNull<Header>,
    /// The output has been moved out.
    taken: bool,
    output: PhantomData<T>,
}

// SAFETY: the handle is a reference count and the right to the output (task.rs, rules 1 and 3), which may be
// taken on another thread if it is `Send`.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: by `&` only the state word is used, which is atomic; the output is reached by `&mut` alone.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The caller hands over one reference of a task whose output is `T`, and the right of the handle.
    #[inline]
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        Self {
            header,
            taken: false,
            output: PhantomData,
        }
    }

    /// Asks the task to stop: its future is dropped by a worker, at its next await at the latest.
    ///
    /// Awaiting the handle then gives an error for which [`JoinError::is_cancelled`] holds, unless the task
    /// completed first. Aborting twice, or after the end, does nothing. A closure of `spawn_blocking`
    /// cannot be stopped once it runs.
    pub fn abort(&self) {
        abort(self.header);
    }

    /// True once the output is there, or the task panicked or was cancelled.
    pub fn is_finished(&self) -> bool {
        header_of(&self.header).state.is_complete()
    }

    /// A handle that can abort the task and does not wait for it.
    pub fn abort_handle(&self) -> AbortHandle {
        header_of(&self.header).state.ref_inc();
        AbortHandle {
            header: self.header,
        }
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        header_of(&self.header).id
    }

    fn take_output(&mut self) -> Result<T, JoinError> {
        self.taken = true;
        let mut output: MaybeUninit<Result<T, JoinError>> = MaybeUninit::uninit();
        // SAFETY: the task is complete and we are its handle: the output is ours, and `taken` says that it
        // was moved out (task.rs, rule 3); its type is `T` by the contract of `new`.
        unsafe {
            (site_of(&self.header).vtable.take_output)(self.header, output.as_mut_ptr().cast());
        }
        // SAFETY: the vtable's function has put it there.
        unsafe { output.assume_init() }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.taken, "JoinHandle polled after completion");
        let unit = ready!(budget::poll_proceed(cx));
        let complete = header_of(&self.header).state.is_complete()
            || register(self.header, cx.waker()) == Err(AlreadyComplete);
        if !complete {
            return Poll::Pending;
        }
        // Both ways of learning it are an Acquire, which the output needs.
        unit.made_progress();
        Poll::Ready(self.take_output())
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if self.taken {
            return release(self.header, 1);
        }
        match header_of(&self.header).state.drop_join() {
            DropJoin::Done => return,
            DropJoin::DropWaker => self.drop_waker(),
            // SAFETY: the task completed while the handle existed: the output and our reference are ours to give
            // up, whenever (task.rs, rules 1 and 3).
            DropJoin::DropOutput => return unsafe { end_within_depth(self.header, drop_output) },
        }
        release(self.header, 1);
    }
}

/// # Safety
///
/// The output belongs to the caller (task.rs, rule 3), who hands over one reference.
unsafe fn drop_output(header: NonNull<Header>) {
    // SAFETY: by this function's own contract; it is the vtable's own (rule 7).
    unsafe { (site_of(&header).vtable.drop_output)(header) };
    release(header, 1);
}

impl<T> JoinHandle<T> {
    #[cold]
    fn drop_waker(&self) {
        let field = &header_of(&self.header).join_waker;
        // SAFETY: `drop_join` cleared JOIN_WAKER before completion: the field is ours alone.
        let waker = field.with_mut(|stored| unsafe { (*stored).take() });
        contain(|| drop(waker));
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self.header, "JoinHandle", f)
    }
}

/// Aborts a task without waiting for it.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let task = runtime.spawn(std::future::pending::<()>());
/// let abort = task.abort_handle();
/// abort.abort();
/// assert!(runtime.block_on(task).unwrap_err().is_cancelled());
/// assert!(abort.is_finished());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AbortHandle {
    header: NonNull<Header>,
}

// SAFETY: a reference count and an atomic word (task.rs, rule 1); never the stage.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    /// Asks the task to stop; see [`JoinHandle::abort`].
    pub fn abort(&self) {
        abort(self.header);
    }

    /// True once the task has ended, in whichever way.
    pub fn is_finished(&self) -> bool {
        header_of(&self.header).state.is_complete()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        header_of(&self.header).id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        header_of(&self.header).state.ref_inc();
        Self {
            header: self.header,
        }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        release(self.header, 1);
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self.header, "AbortHandle", f)
    }
}

/// Makes sure that completion wakes `waker`; the error says that it has happened already. For the handle alone.
///
/// A call, because most outputs are there when they are asked for, and what this needs in registers each poll would save.
#[inline(never)]
fn register(header: NonNull<Header>, waker: &Waker) -> Result<(), AlreadyComplete> {
    let header = header_of(&header);
    let (state, field) = (&header.state, &header.join_waker);
    if state.has_join_waker() {
        state.unset_join_waker()?;
    }
    // SAFETY: JOIN_WAKER is clear, so the field is ours alone.
    let stored = field.with(|stored| unsafe { &*stored });
    if !stored
        .as_ref()
        .is_some_and(|stored| stored.will_wake(waker))
    {
        let waker = ThinWaker::new(waker.clone());
        // SAFETY: JOIN_WAKER is clear, so the field is ours alone.
        let replaced = field.with_mut(|stored| unsafe { (*stored).replace(waker) });
        drop(replaced);
    }
    state.set_join_waker().inspect_err(|_| {
        // SAFETY: the task completed while JOIN_WAKER was clear, so the field is still ours.
        let waker = field.with_mut(|stored| unsafe { (*stored).take() });
        drop(waker);
    })
}

fn abort(header: NonNull<Header>) {
    if header_of(&header).state.abort() == Wake::Enqueue {
        // SAFETY: the transition made the task SCHEDULED, with a reference for its `Notified`.
        unsafe { (site_of(&header).vtable.schedule)(header) }
    }
}

fn debug(header: NonNull<Header>, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (header, site) = (header_of(&header), site_of(&header));
    let mut fields = f.debug_struct(name);
    fields.field("id", &header.id);
    if let Some(name) = name_of(header.id) {
        fields.field("name", &name);
    }
    fields
        .field("state", &header.state)
        .field("spawned_at", &site.spawned_at)
        .finish()
}
