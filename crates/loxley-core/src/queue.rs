//! Where ready tasks wait, in which order, and how thieves find them.
//!
//! # Words
//!
//! *Deque*: the local queue of one seat, first in first out, at most [`LOCAL_CAPACITY`] tasks, from which thieves
//! take half. *LIFO slot*: one place for the task woken last; its memory is still warm. *Hint*: a word beside the
//! deque that says "worth a look". *Injector*: the queue for everybody who has no seat, and for what a full
//! deque spills.
//!
//! # Protocol
//!
//! Owner, pushing:
//! - Q1 put the task into the deque.
//! - Q2 swap the hint to ANY. It was EMPTY: the push must be *announced* (`idle.rs`). It was ANY: nothing to do,
//!   because whoever parks after this swap reads it and finds the task (Q4).
//!
//! Anybody about to park, for each deque whose hint is ANY:
//! - Q3 the deque is not empty: there is work.
//! - Q4 it is empty: swap the hint to EMPTY and look at the deque once more. Q2 and Q4 are read-modify-writes of
//!   one word, so one comes first: either the owner's push is visible to this second look (then the hint is set
//!   again), or the owner finds EMPTY and announces.
//!
//! Q2 costs one locked instruction per push. Leaving it out when the hint is already set loses announcements: a
//! thief empties the deque, the owner, still in the same poll, pushes again under the old hint, and nobody comes.
//! The model `a_push_under_a_stale_hint_is_announced` shows it.
//!
//! - Q5 the slot: the owner puts; whoever takes, takes by swap. Only the owner makes it non-null, so putting into
//!   an empty slot is a plain store. Thieves leave the slot alone unless its owner is stuck: making every slot
//!   stealable doubled the context switches in tokio (#8065).
//!
//! # Rejected
//!
//! A deque that may grow: crossbeam's starts at 64, and one that swings around that size costs two to three times
//! as much. Spilling half of the deque, as tokio does: a pop and a push more per task; here the task that finds
//! the deque full goes to the injector alone. LIFO flavour: a batch then costs one CAS per task. Probing stealers
//! without hints: 6 to 9 ns each against 0.3.
//!
//! Checked by `loom-tests/tests/queue.rs`, `loom-tests/tests/slot.rs` and the tests below.

#[cfg(loxley_loom)]
pub mod model;
mod slot;

use std::cell::Cell;
use std::fmt;

use crate::primitive::Mutex;
use crate::primitive::atomic::{AtomicBool, Ordering};
#[cfg(not(loxley_loom))]
use crate::primitive::deque;
#[cfg(loxley_loom)]
use model as deque;

pub use slot::{Slot, SlotItem};

/// Tasks that a deque holds: crossbeam's least capacity, so that it never grows or shrinks.
#[cfg(not(loxley_loom))]
pub const LOCAL_CAPACITY: usize = 64;
/// Small enough that models reach a full deque.
#[cfg(loxley_loom)]
pub const LOCAL_CAPACITY: usize = 2;

const EMPTY: bool = false;
const ANY: bool = true;

/// The side of a local queue that everybody reaches.
pub struct Public<T: SlotItem> {
    hint: AtomicBool,
    stealer: deque::Stealer<T>,
    /// The task woken last.
    pub slot: Slot<T>,
    /// The owner's side while nobody sits here.
    vacant: Mutex<Option<deque::Worker<T>>>,
}

/// The side of a local queue that one thread owns.
pub struct Local<T> {
    deque: deque::Worker<T>,
    /// At least the true length: thieves take without telling.
    length: Cell<usize>,
}

/// What became of a pushed task.
#[must_use]
#[derive(Debug)]
pub enum Push<T> {
    /// It is in the deque, and peers know.
    Queued,
    /// It is in the deque; announce it.
    Announce,
    /// The deque is full: it belongs into the injector.
    Full(T),
}

/// What a look at another queue gave.
#[must_use]
#[derive(Debug)]
pub enum Stolen<T> {
    /// Nothing there.
    Nothing,
    /// Somebody was faster: there may be more.
    Retry,
    /// One task to run, and this many more, at least, that came into the thief's deque.
    Batch(T, usize),
}

impl<T: SlotItem> Public<T> {
    /// A vacant queue.
    pub fn new() -> Self {
        let deque = deque::Worker::new_fifo();
        Self {
            hint: AtomicBool::new(EMPTY),
            stealer: deque.stealer(),
            slot: Slot::new(),
            vacant: Mutex::new(Some(deque)),
        }
    }

    /// Takes the owner's side, if nobody has it.
    pub fn sit_down(&self) -> Option<Local<T>> {
        let deque = self.vacant.lock().take()?;
        let length = Cell::new(deque.len());
        Some(Local { deque, length })
    }

    /// Gives the owner's side back.
    pub fn stand_up(&self, local: Local<T>) {
        *self.vacant.lock() = Some(local.deque);
    }

    /// Q3 and Q4: true if there is a task; false once every later push is sure to be announced.
    pub fn has_work_before_park(&self) -> bool {
        // Relaxed: the swap decides; a hint that is EMPTY here becomes ANY by a push that announces itself,
        // and the fence of the parking protocol orders this load (idle.rs, I2).
        if self.hint.load(Ordering::Relaxed) == EMPTY {
            return false;
        }
        if !self.stealer.is_empty() {
            return true;
        }
        // Q4. Acquire pairs with the Release of Q2: if the owner's swap came first, its push is visible now. Release: for the
        // owner who finds EMPTY; what it must see is the count of the parked, which the fences of A2 and I2 order
        // (idle.rs), so that loom finds nothing amiss without it.
        self.hint.swap(EMPTY, Ordering::AcqRel);
        if self.stealer.is_empty() {
            return false;
        }
        self.hint.store(ANY, Ordering::Relaxed);
        true
    }

    /// True if a thief should look here; cheap, and may be wrong either way.
    #[inline]
    pub fn is_promising(&self) -> bool {
        self.hint.load(Ordering::Relaxed) == ANY
    }

    /// Moves half of this deque, rounded up, into the thief's.
    pub fn steal_into(&self, thief: &Local<T>) -> Stolen<T> {
        thief.fill(|deque| self.stealer.steal_batch_and_pop(deque))
    }

    /// Takes one task out of slot or deque, for somebody who has no deque; waits out a race with others.
    pub fn take(&self) -> Option<T> {
        self.slot.take().or_else(|| one_of(|| self.stealer.steal()))
    }

    /// How many tasks wait here, slot included; for metrics.
    pub fn len(&self) -> usize {
        self.stealer.len() + usize::from(!self.slot.is_empty())
    }
}

impl<T: SlotItem> Local<T> {
    /// Q1 and Q2: puts a task at the tail.
    #[inline]
    pub fn push(&self, public: &Public<T>, task: T) -> Push<T> {
        if self.length.get() >= LOCAL_CAPACITY && self.is_full() {
            return Push::Full(task);
        }
        self.length.set(self.length.get() + 1);
        self.deque.push(task);
        // Q2. Release publishes the push to Q4's Acquire. Acquire: pairs with Q4's Release; as there, loom finds nothing
        // amiss without it.
        if public.hint.swap(ANY, Ordering::AcqRel) == EMPTY {
            Push::Announce
        } else {
            Push::Queued
        }
    }

    #[cold]
    fn is_full(&self) -> bool {
        self.length.set(self.deque.len());
        self.length.get() >= LOCAL_CAPACITY
    }

    /// Takes the task at the head.
    #[inline]
    pub fn pop(&self, public: &Public<T>) -> Option<T> {
        let task = self.deque.pop();
        let left = match task {
            // The true length was at least 1, and this one is no less.
            Some(_) => self.length.get() - 1,
            None => 0,
        };
        self.length.set(left);
        // Only the owner pushes, so an empty deque stays empty until it does: a plain store is enough.
        if left == 0 && public.hint.load(Ordering::Relaxed) == ANY {
            public.hint.store(EMPTY, Ordering::Relaxed);
        }
        task
    }

    /// At least the number of tasks in the deque.
    #[inline]
    pub fn length(&self) -> usize {
        self.length.get()
    }

    /// True if a batch of the largest size fits.
    pub fn has_room_for_a_batch(&self) -> bool {
        self.length.get() <= LOCAL_CAPACITY / 2
    }

    /// Makes a batch that came from elsewhere known; true if it must be announced.
    pub fn publish(&self, public: &Public<T>) -> bool {
        // Q2 for a whole batch, as in `push`. No model comes here: with loom a deque holds two tasks, and a batch is one.
        public.hint.swap(ANY, Ordering::AcqRel) == EMPTY
    }

    fn fill(&self, steal: impl FnOnce(&deque::Worker<T>) -> deque::Steal<T>) -> Stolen<T> {
        let before = self.deque.len();
        match steal(&self.deque) {
            deque::Steal::Empty => Stolen::Nothing,
            deque::Steal::Retry => Stolen::Retry,
            deque::Steal::Success(task) => {
                self.length.set(self.deque.len());
                // Thieves may have taken some of the old ones in between.
                Stolen::Batch(task, self.length.get().saturating_sub(before))
            }
        }
    }
}

impl<T: SlotItem> fmt::Debug for Public<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Public")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("length", &self.length.get())
            .finish_non_exhaustive()
    }
}

/// The queue for everybody who has no seat. Who pushes announces (`idle.rs`).
pub struct Injector<T>(deque::Injector<T>);

impl<T: SlotItem> Injector<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self(deque::Injector::new())
    }

    /// Puts a task at the end.
    pub fn push(&self, task: T) {
        self.0.push(task);
    }

    /// True if nothing waits; exact for a caller that fenced after it published its own state.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait, at some moment of the call.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Moves a batch into `taker`'s deque.
    pub fn take_into(&self, taker: &Local<T>) -> Stolen<T> {
        taker.fill(|deque| self.0.steal_batch_and_pop(deque))
    }

    /// Takes one task; waits out a race with others.
    pub fn pop(&self) -> Option<T> {
        one_of(|| self.0.steal())
    }
}

fn one_of<T>(steal: impl Fn() -> deque::Steal<T>) -> Option<T> {
    loop {
        match steal() {
            deque::Steal::Success(task) => return Some(task),
            deque::Steal::Empty => return None,
            // Somebody else took one: that is progress, and ours is the next.
            deque::Steal::Retry => crate::primitive::thread::yield_now(),
        }
    }
}

impl<T: SlotItem> fmt::Debug for Injector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector")
            .field("len", &self.len())
            .finish()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests;
