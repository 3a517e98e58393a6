//! The list of all tasks of one home, for shutdown and dumps.
//!
//! Each worker is the home of the tasks spawned on it, so its lock is uncontended while tasks end where they
//! were born; spawns from outside use homes of their own.
//!
//! # Rules
//!
//! 1. A cell is entered at spawn and left by whoever frees it, both under the lock; in between its links belong
//!    to the lock. A cell found here is therefore allocated, even if its last reference is just going.
//! 2. A home holds its scheduler alive from the start until it is closed *and* empty: whoever takes the last cell
//!    out takes that `Arc` with him and drops it as the very last thing. Thus a waker that is still inside
//!    [`Schedule::schedule`] when everything else is gone touches live memory (async-executor #163).
//!
//! # Shutdown
//!
//! - H1 [`Home::close`]: from now on a spawn is cancelled at once.
//! - H2 [`Home::cancel_all`]: moves each cell from `live` to `swept` and cancels it if it is idle. A cell that is
//!   scheduled or running is marked: whoever holds its `Notified` finds the mark. Several threads may sweep.
//! - H3 [`Home::is_settled`]: each of those has ended. Until then a shutdown is not done: what a foreign thread was
//!   about to put into a queue is on nobody's way but its own.
//!
//! Checked by `loom-tests/tests/shutdown.rs` and the tests of the runtime.

use std::fmt;
use std::future::Future;
use std::iter;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::Waker;

use super::raw::{self, Header, Notified, TaskRef, header_of, release, site_of};
use super::sites::{Key, Sites};
use super::{Id, JoinHandle, TaskMeta, TaskPanic, wake_caught};
use crate::budget;
use crate::primitive::{Arc, Mutex, UnsafeCell, Weak};
use crate::trace::Leaf;

/// Where tasks go when they are woken. The scheduler outlives its tasks' cells (rule 2).
pub trait Schedule: Send + Sync + Sized + 'static {
    /// Who runs its tasks.
    type Runner: Runner<Self>;

    /// A task was woken: put it into a queue.
    fn schedule(&self, task: Notified<Self>);

    /// A task ended in nobody's hands: it was cancelled. Its handle does not know yet. It must not unwind.
    fn cancelled(&self, task: &TaskMeta<'_>);

    /// A task's future panicked, in a poll or in its drop. Its handle does not know yet. It must not unwind.
    fn panicked(&self, panic: &TaskPanic<'_>);

    /// A traced poll has found what this task waits for.
    fn traced(&self, _: Id, _: Vec<Leaf>) {}
}

/// Runs tasks of a scheduler: what the end of a task leads to needs no search for the thread's own place.
pub trait Runner<S: Schedule> {
    /// How many units of budget each poll has.
    fn budget(&self) -> u32 {
        budget::DEFAULT
    }

    /// The task that was run has ended. Its handle does not know yet.
    fn completed(&self);

    /// The task that was run has ended, and this is who waits for it. It must not unwind.
    fn wake_joiner(&self, joiner: Waker) {
        wake_caught(joiner);
    }
}

/// A cell's place in its home's list; belongs to the home's lock.
pub(super) struct Links {
    previous: UnsafeCell<Option<NonNull<Header>>>,
    next: UnsafeCell<Option<NonNull<Header>>>,
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            previous: UnsafeCell::new(None),
            next: UnsafeCell::new(None),
        }
    }
}

/// A new task, to be scheduled.
pub type Entered<S> = Result<Notified<S>, Refused<S>>;

/// A task that came too late.
#[derive(Debug)]
pub struct Refused<S: Schedule>(Notified<S>);

impl<S: Schedule> Refused<S> {
    /// The task, for somebody who wants to choose when it is cancelled.
    pub fn into_task(self) -> Notified<S> {
        self.0
    }

    /// What hooks are told.
    pub fn task_ref(&self) -> TaskRef {
        self.0.task_ref()
    }
}

/// One list of tasks.
pub struct Home<S> {
    list: Mutex<List<S>>,
    scheduler: NonNull<S>,
    /// Its tasks have a place for the time at which they were scheduled.
    stamps: bool,
}

struct List<S> {
    live: Option<NonNull<Header>>,
    /// Cells that shutdown has seen.
    swept: Option<NonNull<Header>>,
    /// Cells that came too late: whoever spawned them cancels them, and nobody waits for that.
    refused: Option<NonNull<Header>>,
    sites: Sites,
    closed: bool,
    /// All that were ever entered.
    entered: u64,
    /// Rule 2; `None` until [`Home::open`] and after the end.
    keep_alive: Option<Arc<S>>,
}

// SAFETY: the cells in the list are `Send` tasks, reached under the lock (rule 1); sites are never written again; the
// scheduler is `Sync` by its trait and alive by rule 2.
unsafe impl<S: Schedule> Send for Home<S> {}
// SAFETY: as above.
unsafe impl<S: Schedule> Sync for Home<S> {}

impl<S: Schedule> Home<S> {
    /// A home of the scheduler that is being made; [`Home::open`] completes it.
    pub fn new(scheduler: &Weak<S>) -> Self {
        let list = List {
            live: None,
            swept: None,
            refused: None,
            sites: Sites::new(),
            closed: false,
            entered: 0,
            keep_alive: None,
        };
        // A `Weak` of an `Arc` being made points to where the value will be.
        let scheduler = NonNull::new(scheduler.as_ptr().cast_mut());
        Self {
            list: Mutex::new(list),
            scheduler: scheduler.expect("a Weak of an allocation is not null"),
            stamps: false,
        }
    }

    /// Says whether its tasks have a place for the time at which they were scheduled; without this call they have none.
    pub fn stamping(self, stamps: bool) -> Self {
        Self { stamps, ..self }
    }

    /// Lets tasks in: from here on the home keeps the scheduler alive.
    pub fn open(&self, scheduler: &Arc<S>) {
        debug_assert_eq!(Arc::as_ptr(scheduler), self.scheduler.as_ptr().cast_const());
        self.list.lock().keep_alive = Some(scheduler.clone());
    }

    /// The scheduler.
    #[inline]
    pub fn scheduler(&self) -> &S {
        // SAFETY: a home is a part of its scheduler, or of something as long-lived; whoever reaches it through
        // a cell does so before the cell leaves the list (rule 2).
        unsafe { self.scheduler.as_ref() }
    }

    /// Makes a task and enters it. An error in place of the `Notified`: the home is closed, and the task is cancelled
    /// when the error is dropped.
    #[inline]
    pub fn spawn<F>(
        &self,
        id: Id,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> (Entered<S>, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: a future and an output that are `Send` may be touched on any thread.
        unsafe { self.spawn_local(id, spawned_at, future) }
    }

    /// As [`Home::spawn`], for a future that must stay on this thread.
    ///
    /// # Safety
    ///
    /// Unless future and output are `Send`: each `Notified` of the task is run, cancelled and dropped on this thread, the
    /// error is dropped here, and this home is swept on no other thread.
    #[inline]
    pub unsafe fn spawn_local<F>(
        &self,
        id: Id,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> (Entered<S>, JoinHandle<F::Output>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let vtable = raw::vtable_of::<F, S>(self.stamps);
        let header = match self.stamps {
            false => raw::allocate(id, future),
            true => raw::allocate_stamped(id, future),
        };
        // SAFETY: it was allocated just now, for that future, and nobody else knows of it.
        let entered = unsafe { self.link(header, Key { vtable, spawned_at }) };
        // SAFETY: a new task is SCHEDULED and comes with one reference for its `Notified`.
        let task = unsafe { Notified::new(header) };
        // SAFETY: and with one for its handle, whose output type is the future's.
        let handle = unsafe { JoinHandle::new(header) };
        match entered {
            true => (Ok(task), handle),
            false => (Err(Refused(task)), handle),
        }
    }

    /// False if the home is closed. The cell is entered all the same: it will be left when it is freed.
    ///
    /// # Safety
    ///
    /// The cell is new, made for the key's vtable, and there is no reference to it yet.
    #[inline]
    unsafe fn link(&self, mut header: NonNull<Header>, key: Key) -> bool {
        let mut list = self.list.lock();
        let site = list.sites.find(key, NonNull::from(self).cast());
        // SAFETY: by this function's own contract.
        unsafe { header.as_mut() }.site = site;
        list.entered += 1;
        let closed = list.closed;
        push(
            if closed {
                &mut list.refused
            } else {
                &mut list.live
            },
            header,
        );
        !closed
    }

    /// Takes a cell out before it is freed; the caller drops what it gets after everything else.
    #[must_use]
    pub(super) fn unlink(&self, header: NonNull<Header>) -> Option<Arc<S>> {
        let mut list = self.list.lock();
        list.remove(header);
        list.last_words()
    }

    /// How many tasks were spawned here.
    pub fn entered(&self) -> u64 {
        self.list.lock().entered
    }

    /// Every task that has not been swept, with a reference, for a dump.
    pub fn collect(&self, tasks: &mut Vec<TaskRef>) {
        let list = self.list.lock();
        let mut place = list.live;
        while let Some(header) = place {
            if header_of(&header).state.try_ref_inc() {
                // SAFETY: it was just counted.
                tasks.push(unsafe { TaskRef::new(header) });
            }
            place = next(header);
        }
    }

    /// H1: spawns are cancelled from now on.
    pub fn close(&self) {
        self.list.lock().closed = true;
    }

    /// H2: cancels every idle task and marks the others. Close first.
    pub fn cancel_all(&self) {
        while let Some(header) = self.next_to_sweep() {
            if header_of(&header).state.shutdown() {
                // SAFETY: `shutdown` gave us RUNNING and one reference (task.rs, rules 2 and 7).
                unsafe { (site_of(&header).vtable.cancel)(header) }
            }
            release(header, 1);
        }
        let keep_alive = self.list.lock().last_words();
        drop(keep_alive);
    }

    /// H3: true once every cell that was here when the home was closed has ended. Sweep first.
    pub fn is_settled(&self) -> bool {
        let list = self.list.lock();
        debug_assert!(list.live.is_none(), "a home is swept before it settles");
        let mut cells = iter::successors(list.swept, |header| next(*header));
        cells.all(|header| header_of(&header).state.is_complete())
    }

    /// Moves one cell to `swept`; with a reference of its own unless the cell is about to be freed.
    fn next_to_sweep(&self) -> Option<NonNull<Header>> {
        let mut list = self.list.lock();
        debug_assert!(list.closed, "a home is closed before it is swept");
        while let Some(header) = list.live {
            list.remove(header);
            push(&mut list.swept, header);
            if header_of(&header).state.try_ref_inc() {
                return Some(header);
            }
        }
        None
    }
}

impl<S> List<S> {
    /// Rule 2: what the last one out takes along.
    fn last_words(&mut self) -> Option<Arc<S>> {
        let is_empty = self.live.is_none() && self.swept.is_none() && self.refused.is_none();
        match self.closed && is_empty {
            true => self.keep_alive.take(),
            false => None,
        }
    }

    /// Takes a cell out of whichever list it is in.
    fn remove(&mut self, header: NonNull<Header>) {
        let (before, after) = (previous(header), next(header));
        if let Some(after) = after {
            set_previous(after, before);
        }
        match before {
            Some(before) => set_next(before, after),
            None if self.live == Some(header) => self.live = after,
            None if self.swept == Some(header) => self.swept = after,
            None => self.refused = after,
        }
    }
}

impl<S> fmt::Debug for Home<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = self.list.try_lock().map(|list| list.closed);
        f.debug_struct("Home")
            .field("closed", &closed)
            .finish_non_exhaustive()
    }
}

fn next(header: NonNull<Header>) -> Option<NonNull<Header>> {
    // SAFETY: the caller holds the home's lock (rule 1).
    header_of(&header).links.next.with(|link| unsafe { *link })
}

fn previous(header: NonNull<Header>) -> Option<NonNull<Header>> {
    // SAFETY: the caller holds the home's lock (rule 1).
    header_of(&header)
        .links
        .previous
        .with(|link| unsafe { *link })
}

fn set_next(header: NonNull<Header>, to: Option<NonNull<Header>>) {
    // SAFETY: the caller holds the home's lock (rule 1).
    header_of(&header)
        .links
        .next
        .with_mut(|link| unsafe { *link = to });
}

fn set_previous(header: NonNull<Header>, to: Option<NonNull<Header>>) {
    // SAFETY: the caller holds the home's lock (rule 1).
    header_of(&header)
        .links
        .previous
        .with_mut(|link| unsafe { *link = to });
}

fn push(head: &mut Option<NonNull<Header>>, header: NonNull<Header>) {
    if let Some(first) = *head {
        set_previous(first, Some(header));
    }
    set_next(header, *head);
    set_previous(header, None);
    *head = Some(header);
}
