//! The cell: layout, type-erased functions, and running a task.
//!
//! The rules that the SAFETY comments cite are those of `task.rs`.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, needs_drop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

use super::cells;
use super::depth::end_within_depth;
use super::id::{Turn, with_current};
use super::owned::{Home, Links, Runner, Schedule};
use super::sites::Site;
use super::state::{Completed, Idle, Snapshot, Start, State, Wake};
use super::waker::ThinWaker;
use super::{Id, JoinError, TaskMeta, TaskPanic, wake_caught, waker};
use crate::primitive::UnsafeCell;
use crate::primitive::global::{AtomicU64, Ordering};
use crate::{budget, trace};

/// What every reference may read, whatever the task's type (rule 1).
pub(super) struct Header {
    pub(super) state: State,
    /// Written when the cell is entered into its home (rule 5).
    pub(super) site: NonNull<Site>,
    pub(super) id: Id,
    pub(super) links: Links,
    pub(super) join_waker: JoinWaker,
}

#[cfg(not(loxley_loom))]
const _: () = assert!(
    size_of::<Header>() <= 48,
    "with what the allocator has before it, a header of 8 bytes more costs each task 16"
);

/// The functions that know the task's type.
#[derive(Clone, Copy)]
pub(super) struct Vtable {
    /// Runs a task whose `Notified` the caller holds; the pointer is a `&S::Runner`. The header comes back if the caller
    /// holds a `Notified` again.
    run: unsafe fn(NonNull<Header>, NonNull<()>) -> Option<NonNull<Header>>,
    /// Drops the future of a task that the caller set RUNNING, completes it, drops the caller's reference.
    pub(super) cancel: unsafe fn(NonNull<Header>),
    /// Gives the task, with one reference, to the scheduler.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// Moves the output to `*mut Result<T, JoinError>`.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Where in the cell the time is at which it was scheduled, if it has a place for that.
    scheduled_at: Option<usize>,
    /// Frees the cell after its last reference.
    pub(super) dealloc: unsafe fn(NonNull<Header>),
}

/// See *Who may touch the join waker* in `task.rs`.
pub(super) type JoinWaker = UnsafeCell<Option<ThinWaker>>;

/// The place of the future and then of the output; which of them is there follows from the state (rules 2, 3).
/// `repr(C)`: both begin where the stage begins, so a pointer to it is cast to a pointer to either.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    _output: ManuallyDrop<Result<F::Output, JoinError>>,
}

#[repr(C)]
struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// The cell of a task whose scheduler wants to know how long it waits; the others do without the word.
#[repr(C)]
struct StampedCell<F: Future> {
    cell: Cell<F>,
    /// When the task was last scheduled, by the clock of whoever wants to know; written by whoever schedules it.
    scheduled_at: AtomicU64,
}

/// The functions for a future and a scheduler.
#[inline]
pub(super) fn vtable_of<F, S>(stamps: bool) -> &'static Vtable
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    match stamps {
        false => const { &vtable::<F, S, Cell<F>>(None) },
        true => {
            const { &vtable::<F, S, StampedCell<F>>(Some(offset_of!(StampedCell<F>, scheduled_at))) }
        }
    }
}

/// The functions for a future, a scheduler and what the task is allocated as.
const fn vtable<F: Future, S: Schedule, C>(scheduled_at: Option<usize>) -> Vtable {
    Vtable {
        run: run::<F, S>,
        cancel: cancel::<F, S>,
        schedule: schedule::<S>,
        take_output: take_output::<F>,
        drop_output: drop_output::<F>,
        scheduled_at,
        dealloc: dealloc::<F, S, C>,
    }
}

/// Allocates a task with the three references of a new state word. It has no site yet.
#[inline]
pub(super) fn allocate<F: Future + 'static>(id: Id, future: F) -> NonNull<Header> {
    let cell = cells::take::<Cell<F>>();
    // SAFETY: `take` gave memory for just this type, and nobody else knows of it.
    unsafe { cell.write(Cell::new(id, future)) };
    cell.cast()
}

/// The same with a place for the time at which it was scheduled.
#[cold]
pub(super) fn allocate_stamped<F: Future + 'static>(id: Id, future: F) -> NonNull<Header> {
    let stamped = cells::take::<StampedCell<F>>();
    let new = StampedCell {
        cell: Cell::new(id, future),
        scheduled_at: AtomicU64::new(0),
    };
    // SAFETY: `take` gave memory for just this type, and nobody else knows of it.
    unsafe { stamped.write(new) };
    stamped.cast()
}

impl<F: Future> Cell<F> {
    #[inline]
    fn new(id: Id, future: F) -> Self {
        Self {
            header: Header {
                state: State::new(),
                site: NonNull::dangling(),
                id,
                links: Links::new(),
                join_waker: UnsafeCell::new(None),
            },
            stage: UnsafeCell::new(Stage {
                future: ManuallyDrop::new(future),
            }),
        }
    }
}

/// The right and the duty to run a task once.
///
/// Dropping one cancels the task: a queue that is dropped with tasks in it drops their futures.
pub struct Notified<S: Schedule> {
    header: NonNull<Header>,
    scheduler: PhantomData<fn(&S)>,
}

// SAFETY: a `Notified` is a reference count and the exclusive right to touch the stage (rules 1, 2); future and
// output are `Send` by the bounds of `Home::spawn`, or their scheduler keeps to the contract of `Home::spawn_local`.
unsafe impl<S: Schedule> Send for Notified<S> {}

impl<S: Schedule> Notified<S> {
    /// # Safety
    ///
    /// The caller hands over one reference of a task of scheduler `S` that is `SCHEDULED`, and nobody else
    /// makes a `Notified` of that transition.
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        Self {
            header,
            scheduler: PhantomData,
        }
    }

    /// Polls the future once, or drops it if the task was aborted. The task comes back if it was woken meanwhile, by
    /// itself or by others: put it behind those that wait.
    #[inline]
    #[must_use = "a task that comes back is ready, and dropping it cancels it"]
    pub fn run(self, runner: &S::Runner) -> Option<Self> {
        let header = ManuallyDrop::new(self).header;
        let runner = NonNull::from(runner).cast();
        // SAFETY: the reference moves into the call (rule 1), which is the vtable's own and of the same `S`
        // (rule 7); the runner is borrowed for as long as it takes.
        let again = unsafe { (site_of(&header).vtable.run)(header, runner) };
        // SAFETY: the call gave back what it had of this `Notified`.
        again.map(|header| unsafe { Self::new(header) })
    }

    /// Cancels the task here and now; a drop does it within a depth (`depth.rs`), which may be later.
    pub fn cancel(self) {
        let header = ManuallyDrop::new(self).header;
        header_of(&header).state.start_cancelled();
        // SAFETY: the start of a `Notified` gives RUNNING and its reference to the call, which is the vtable's own
        // (rules 1, 2, 7).
        unsafe { (site_of(&header).vtable.cancel)(header) }
    }

    pub(super) fn header(&self) -> &NonNull<Header> {
        &self.header
    }

    /// Notes when the task was scheduled.
    pub fn set_scheduled_at(&self, now: u64) {
        if let Some(stamp) = stamp_of(&self.header) {
            // Relaxed: the queue hands it over together with the task.
            stamp.store(now, Ordering::Relaxed);
        }
    }

    /// When that was; 0 if it was not noted.
    pub fn scheduled_at(&self) -> u64 {
        scheduled_at(&self.header)
    }

    /// One more reference, for somebody who looks on.
    pub fn task_ref(&self) -> TaskRef {
        header_of(&self.header).state.ref_inc();
        // SAFETY: it is counted.
        unsafe { TaskRef::new(self.header) }
    }

    /// The address, for a slot that holds tasks as pointers.
    pub fn into_ptr(self) -> NonNull<()> {
        ManuallyDrop::new(self).header.cast()
    }

    /// # Safety
    ///
    /// `ptr` came from [`Notified::into_ptr`] of the same `S`, and is used once.
    pub unsafe fn from_ptr(ptr: NonNull<()>) -> Self {
        Self {
            header: ptr.cast(),
            scheduler: PhantomData,
        }
    }
}

impl<S: Schedule> Drop for Notified<S> {
    fn drop(&mut self) {
        let header = self.header;
        header_of(&header).state.start_cancelled();
        // SAFETY: the start of a `Notified` gives RUNNING and its reference to the call, which is the vtable's own
        // (rules 1, 2, 7); nobody waits for it.
        unsafe { end_within_depth(header, site_of(&header).vtable.cancel) }
    }
}

impl<S: Schedule> std::fmt::Debug for Notified<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = header_of(&self.header);
        f.debug_struct("Notified")
            .field("id", &header.id)
            .field("state", &header.state)
            .finish()
    }
}

/// A reference to a task, whatever its type, for somebody who looks on: the cell stays as long as it does.
pub struct TaskRef(NonNull<Header>);

// SAFETY: a reference count; what it reaches are atomics and what is never written again (rules 1, 5).
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    ///
    /// The caller hands over one reference.
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// What hooks are told.
    pub fn meta(&self) -> TaskMeta<'_> {
        meta_of(&self.0)
    }

    /// When it was last scheduled, if anybody notes that; else 0.
    pub fn scheduled_at(&self) -> u64 {
        scheduled_at(&self.0)
    }

    /// What it did a moment ago.
    pub fn state(&self) -> Snapshot {
        header_of(&self.0).state.snapshot()
    }

    /// Asks for a poll that finds out what the task waits for, if it is idle; true if it is going to come.
    pub fn trace(&self) -> bool {
        let idle = header_of(&self.0).state.trace() == Wake::Enqueue;
        if idle {
            // SAFETY: `trace` gave us the right to the one `Notified`, with a reference (rule 7).
            unsafe { (site_of(&self.0).vtable.schedule)(self.0) }
        }
        idle
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        release(self.0, 1);
    }
}

/// What hooks are told of the task behind a reference that the caller holds.
fn meta_of(header: &NonNull<Header>) -> TaskMeta<'_> {
    TaskMeta {
        id: header_of(header).id,
        spawned_at: site_of(header).spawned_at,
        schedule_latency: None,
        lifetime: PhantomData,
    }
}

/// The header behind a reference that the caller holds.
#[inline]
pub(super) fn header_of(header: &NonNull<Header>) -> &Header {
    // SAFETY: every `NonNull<Header>` of this module belongs to a holder of a reference, and is borrowed
    // no longer than that reference lives (rule 1).
    unsafe { header.as_ref() }
}

/// Gives up `count` references, and frees the cell with the last.
#[inline]
pub(super) fn release(header: NonNull<Header>, count: usize) {
    if header_of(&header).state.ref_dec(count) {
        dealloc_slow(header);
    }
}

#[inline]
pub(super) fn dealloc_slow(header: NonNull<Header>) {
    // SAFETY: the last reference is gone, nobody else can reach the cell but through its home's lock,
    // which `dealloc` takes (rules 1, 4, 7).
    unsafe { (site_of(&header).vtable.dealloc)(header) }
}

/// The site behind a reference that the caller holds.
#[inline]
pub(super) fn site_of(header: &NonNull<Header>) -> &Site {
    // SAFETY: it was written before the first reference (rule 5), and its home keeps it as long as the cell (rule 6).
    unsafe { header_of(header).site.as_ref() }
}

fn home_of<S: Schedule>(header: &NonNull<Header>) -> &Home<S> {
    // SAFETY: the site names a `Home<S>` of the vtable's `S` (rules 5, 7), which outlives the cell (rule 6).
    unsafe { site_of(header).home.cast().as_ref() }
}

/// The place for the time at which the task was scheduled, if there is one.
fn stamp_of(header: &NonNull<Header>) -> Option<&AtomicU64> {
    let offset = site_of(header).vtable.scheduled_at?;
    // SAFETY: the header is the first field of what was allocated for this vtable, whose offset it is (rule 7).
    let field = unsafe { header.byte_add(offset) };
    // SAFETY: it lives as long as the reference that the caller borrows (rule 1).
    Some(unsafe { field.cast().as_ref() })
}

fn scheduled_at(header: &NonNull<Header>) -> u64 {
    stamp_of(header).map_or(0, |stamp| stamp.load(Ordering::Relaxed))
}

fn cell_of<F: Future>(header: &NonNull<Header>) -> &Cell<F> {
    // SAFETY: the header is the first field of the `repr(C)` cell, whose type is the vtable's (rule 7).
    unsafe { header.cast().as_ref() }
}

/// # Safety
///
/// The caller holds a `Notified` of `S`, which moves into the call, and out of it with the header that is returned;
/// `runner` is a `&S::Runner`.
unsafe fn run<F: Future, S: Schedule>(
    header: NonNull<Header>,
    runner: NonNull<()>,
) -> Option<NonNull<Header>> {
    // SAFETY: by this function's own contract.
    let runner: &S::Runner = unsafe { runner.cast().as_ref() };
    let units = match header_of(&header).state.start() {
        Start::Poll => runner.budget(),
        Start::Trace => trace_begins(),
        Start::Cancel => return run_cancelled::<F, S>(header, runner),
    };
    match poll_future::<F, S>(&header, units) {
        Poll::Ready(output) => {
            let drops = store::<F>(&header, output);
            finish_run::<F, S>(header, drops, runner);
            None
        }
        Poll::Pending => match header_of(&header).state.idle() {
            Idle::Done => None,
            // `idle` left SCHEDULED and the runner's reference.
            Idle::Reschedule => Some(header),
            Idle::Traced => {
                trace_ends::<S>(&header);
                Some(header) // and so did `traced`
            }
            Idle::Cancel => run_cancelled::<F, S>(header, runner),
        },
    }
}

/// The end of a task that was aborted before or while it ran.
#[cold]
fn run_cancelled<F: Future, S: Schedule>(
    header: NonNull<Header>,
    runner: &S::Runner,
) -> Option<NonNull<Header>> {
    let drops = store::<F>(&header, Err(cancelled::<F, S>(&header)));
    finish_run::<F, S>(header, drops, runner);
    None
}

/// Out of line, like all that does not happen at every poll: what `run` keeps in registers it saves at every poll.
#[inline(never)]
fn finish_run<F: Future, S: Schedule>(header: NonNull<Header>, drops: bool, runner: &S::Runner) {
    finish::<F>(
        header,
        drops,
        || runner.completed(),
        |joiner| runner.wake_joiner(joiner),
    );
}

#[cold]
fn trace_begins() -> u32 {
    trace::begin();
    budget::TRACED
}

#[cold]
fn trace_ends<S: Schedule>(header: &NonNull<Header>) {
    let leaves = trace::take();
    home_of::<S>(header)
        .scheduler()
        .traced(header_of(header).id, leaves);
    header_of(header).state.traced();
}

/// Polls, with so many units of budget; on `Ready` the future is dropped. A panic in either becomes the task's error.
#[inline]
fn poll_future<F: Future, S: Schedule>(
    header: &NonNull<Header>,
    units: u32,
) -> Poll<Result<F::Output, JoinError>> {
    let cell = cell_of::<F>(header);
    let waker = waker::borrowed(header);
    let mut cx = Context::from_waker(&waker);
    let mut dropped = false;
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let _turn = Turn::begin(cell.header.id, units);
        let output = cell.stage.with_mut(|stage| {
            // SAFETY: the task is RUNNING and not complete, so the stage is ours and holds the future (rule 2).
            let future = unsafe { &mut *stage.cast::<F>() };
            // SAFETY: the future never moves from the moment its cell is allocated until its drop.
            unsafe { Pin::new_unchecked(future) }.poll(&mut cx)
        });
        if output.is_ready() {
            dropped = true;
            drop_future(cell);
        }
        output
    }));
    match polled {
        Ok(output) => output.map(Ok),
        Err(payload) => Poll::Ready(Err(panicked::<F, S>(header, payload, dropped))),
    }
}

/// The error of a task that panicked in its poll, or in the drop of its future after it.
#[cold]
fn panicked<F: Future, S: Schedule>(
    header: &NonNull<Header>,
    payload: Box<dyn Any + Send>,
    dropped: bool,
) -> JoinError {
    report::<S>(header, &*payload);
    let cell = cell_of::<F>(header);
    let id = cell.header.id;
    if !dropped {
        contain(|| with_current(id, || drop_future(cell)));
    }
    JoinError::panic(id, payload)
}

/// Drops the future of a task that is RUNNING and whose future is still there, on its way to an output.
fn drop_future<F: Future>(cell: &Cell<F>) {
    cell.stage.with_mut(|stage| {
        // SAFETY: the task is RUNNING, so the stage is ours (rule 2); every caller does this once, stores an
        // output next and never reads the future again.
        unsafe { ptr::drop_in_place(stage.cast::<F>()) }
    });
}

/// # Safety
///
/// The caller holds RUNNING and one reference, and the future is still there.
unsafe fn cancel<F: Future, S: Schedule>(header: NonNull<Header>) {
    let drops = store::<F>(&header, Err(cancelled::<F, S>(&header)));
    let count = || {
        home_of::<S>(&header)
            .scheduler()
            .cancelled(&meta_of(&header))
    };
    finish::<F>(header, drops, count, wake_caught);
}

/// Drops the future of a task that is RUNNING and was aborted, and says how that went.
#[cold]
fn cancelled<F: Future, S: Schedule>(header: &NonNull<Header>) -> JoinError {
    let cell = cell_of::<F>(header);
    let id = cell.header.id;
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        with_current(id, || drop_future(cell));
    }));
    match dropped {
        Ok(()) => JoinError::cancelled(id),
        Err(payload) => {
            report::<S>(header, &*payload);
            JoinError::panic(id, payload)
        }
    }
}

#[cold]
fn report<S: Schedule>(header: &NonNull<Header>, payload: &(dyn Any + Send)) {
    let task = meta_of(header);
    let panic = TaskPanic { task, payload };
    home_of::<S>(header).scheduler().panicked(&panic);
}

/// Puts the output into the place of the future, which the caller has dropped; true if its drop does anything.
#[inline]
fn store<F: Future>(header: &NonNull<Header>, output: Result<F::Output, JoinError>) -> bool {
    let drops = output.is_err() || needs_drop::<F::Output>();
    cell_of::<F>(header).stage.with_mut(|stage| {
        // SAFETY: the task is RUNNING and the future was dropped: the stage is ours and empty (rule 2).
        unsafe { ptr::write(stage.cast(), output) }
    });
    drops
}

/// The output is stored: wakes the handle, gives up the references of the runner and of the owned list. `drops`: see
/// [`store`]. `count` comes before the handle learns of it; `wake` must not unwind.
#[inline]
fn finish<F: Future>(
    header: NonNull<Header>,
    drops: bool,
    count: impl FnOnce(),
    wake: impl FnOnce(Waker),
) {
    count();
    match header_of(&header).state.complete() {
        Completed::Keep => release(header, 2),
        Completed::DropOutput if !drops => release(header, 2),
        left => finish_slow::<F>(header, left, wake),
    }
}

/// The task is complete and something is left to do.
#[inline(never)]
fn finish_slow<F: Future>(header: NonNull<Header>, left: Completed, wake: impl FnOnce(Waker)) {
    if left == Completed::WakeJoiner {
        let field = &header_of(&header).join_waker;
        // SAFETY: JOIN_WAKER was set at completion: the field is ours alone.
        let waker = field.with_mut(|field| unsafe { (*field).take() });
        if let Some(waker) = waker {
            wake(waker.into_waker());
        }
    } else {
        // SAFETY: there was no handle at the moment of completion, so the output is ours (rule 3).
        unsafe { drop_output::<F>(header) }
    }
    release(header, 2);
}

/// # Safety
///
/// The caller hands over one reference of a task of scheduler `S` that is `SCHEDULED`.
unsafe fn schedule<S: Schedule>(header: NonNull<Header>) {
    // SAFETY: by this function's own contract.
    let task = unsafe { Notified::<S>::new(header) };
    home_of::<S>(&header).scheduler().schedule(task);
}

/// # Safety
///
/// The output belongs to the caller (rule 3), who never asks again; `output` points to room for a
/// `Result<F::Output, JoinError>`.
unsafe fn take_output<F: Future>(header: NonNull<Header>, output: *mut ()) {
    let output: *mut Result<F::Output, JoinError> = output.cast();
    cell_of::<F>(&header).stage.with(|stage| {
        // SAFETY: the output is there and the caller's (rule 3), who never asks again: it is moved out once, to a
        // place that takes it by this function's own contract.
        unsafe { ptr::copy_nonoverlapping(stage.cast(), output, 1) }
    });
}

/// # Safety
///
/// The output belongs to the caller (rule 3), who never touches it again.
unsafe fn drop_output<F: Future>(header: NonNull<Header>) {
    let cell = cell_of::<F>(&header);
    contain(|| {
        with_current(cell.header.id, || {
            cell.stage.with_mut(|stage| {
                // SAFETY: by this function's own contract.
                unsafe { ptr::drop_in_place(stage.cast::<Result<F::Output, JoinError>>()) }
            });
        });
    });
}

/// # Safety
///
/// The last reference is gone, and the task was allocated as a `C`; the stage is empty, because the owned list's reference
/// lasts until completion and the output then belonged to somebody who took or dropped it.
unsafe fn dealloc<F: Future, S: Schedule, C>(header: NonNull<Header>) {
    let keep_alive = home_of::<S>(&header).unlink(header);
    // Freeing is a write: a model fails here if somebody's access is not ordered before it.
    cell_of::<F>(&header).stage.with_mut(|_| {});
    header_of(&header).join_waker.with_mut(|_| {});
    let cell = header.cast::<Cell<F>>();
    // SAFETY: `allocate` wrote the cell, and nobody can reach it any more (rules 1, 4).
    unsafe { cell.drop_in_place() }
    // SAFETY: the memory was taken for a `C` (rule 7), and what was in it is dropped; a stamp needs no drop.
    unsafe { cells::give_back(cell.cast::<C>()) }
    // Last: this may free the scheduler, and with it the home.
    drop(keep_alive);
}

/// Runs foreign code; a panic in it, or in the drop of that panic's payload, ends here.
pub fn contain(foreign: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // A payload whose drop panics is not dropped again: a worker must not unwind.
            std::mem::forget(payload);
        }
    }
}
