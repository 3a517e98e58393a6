//! A place for one waker, without a lock: a task puts its waker in, an event takes it out.
//!
//! # Words
//!
//! *Register*: put a waker in, replacing the one before. *Take*: empty the slot, for whoever is going to
//! wake. The state word has three bits: FULL (a waker is in the cell), HELD (a registration owns the
//! cell), TAKING (somebody wants the waker; without HELD, the taker owns the cell).
//!
//! # Protocol
//!
//! - W1 The cell belongs to the thread that moved the word from HELD = TAKING = 0 to exactly one of them.
//! - W2 A taker that finds HELD leaves TAKING behind and goes: the registration, on its way out, finds the
//!   bit, empties the cell itself and wakes the waker.
//! - W3 A taker that finds TAKING goes: the other taker has the waker.
//! - W4 A registration that finds HELD or TAKING does not wait: it wakes its own waker at once, and the task
//!   comes back with an empty slot before it. So of two tasks that register at the same instant none is
//!   forgotten.
//! - W5 Every change of the word is a read-modify-write, `AcqRel`, so that all of them form one chain. A take
//!   that comes before a registration in that chain has published its reason to it: *register, then look
//!   again* loses no wake. A plain store in `take` would cut a second taker's reason off.
//! - W6 Foreign code (clone, wake and drop of a waker) runs only while this thread does not own the cell;
//!   it may panic, or come back to this slot.
//!
//! # Rejected
//!
//! A mutex: the taker holds the poller's lock and must not wait for a preempted task. `Box`ed wakers behind
//! an atomic pointer: an allocation per wait.
//!
//! Checked by the tests below and `loom-tests/tests/waker_slot.rs`.

use std::fmt;
use std::task::Waker;

use crate::primitive::UnsafeCell;
use crate::primitive::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const FULL: u8 = 1;
const HELD: u8 = 2;
const TAKING: u8 = 4;

/// Holds at most one waker.
pub struct WakerSlot {
    state: AtomicU8,
    /// Touched only by the owner that `state` names (W1).
    cell: UnsafeCell<Option<Waker>>,
}

// SAFETY: the cell is reached through the state word alone, which lets one thread in at a time (W1), and
// hands its writes on from owner to owner (W5); wakers may be used from any thread.
unsafe impl Sync for WakerSlot {}

impl WakerSlot {
    /// An empty slot.
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            cell: UnsafeCell::new(None),
        }
    }

    /// Puts a waker in place of the one before, unless that one wakes the same task.
    ///
    /// After this the caller looks once more at what it waits for. Runs foreign code: hold no lock.
    pub fn register(&self, waker: &Waker) {
        // A hint: an empty slot needs a clone for certain, a full one often holds this very waker.
        if self.state.load(Ordering::Relaxed) & FULL != 0 {
            match self.hold() {
                None => return waker.wake_by_ref(), // W4
                Some(full) => {
                    let same = self.cell.with(|cell| {
                        // SAFETY: `hold` made this thread the owner of the cell (W1).
                        let held = unsafe { &*cell };
                        held.as_ref().is_some_and(|held| held.will_wake(waker))
                    });
                    if let Some(asked) = self.release(full) {
                        asked.wake();
                    }
                    if same {
                        return;
                    }
                }
            }
        }
        let new = waker.clone(); // W6: not the owner
        if self.hold().is_none() {
            return new.wake(); // W4
        }
        // SAFETY: `hold` made this thread the owner of the cell (W1).
        let old = self
            .cell
            .with_mut(|cell| unsafe { &mut *cell }.replace(new));
        let asked = self.release(FULL);
        if let Some(asked) = asked {
            asked.wake();
        }
        drop(old); // W6: last, because it may panic
    }

    /// Puts a waker in and gives the one before, for whoever is alone with the slot.
    #[inline]
    pub fn set(&mut self, waker: Waker) -> Option<Waker> {
        // Relaxed: whoever lets others at the slot publishes it to them.
        self.state.store(FULL, Ordering::Relaxed);
        // SAFETY: `&mut` makes this thread the owner.
        self.cell
            .with_mut(|cell| unsafe { &mut *cell }.replace(waker))
    }

    /// Empties the slot. `None`: nobody waits, or somebody else is about to wake the waiting task.
    #[must_use = "the waiting task sleeps on until this waker is woken"]
    pub fn take(&self) -> Option<Waker> {
        // A successful exchange with the same value is the cheap read-modify-write of an empty slot (W5).
        if self.state.load(Ordering::Relaxed) == EMPTY && self.exchange(EMPTY, EMPTY).is_ok() {
            return None;
        }
        // AcqRel: W5; pairs with `hold` and `release`.
        if self.state.fetch_or(TAKING, Ordering::AcqRel) & (HELD | TAKING) != 0 {
            return None; // W2, W3
        }
        self.empty_cell(TAKING | FULL)
    }

    /// Makes this thread the owner, for a registration; says whether the slot is full.
    fn hold(&self) -> Option<u8> {
        let mut seen = self.state.load(Ordering::Relaxed);
        loop {
            if seen & (HELD | TAKING) != 0 {
                // The chain must go through this thread all the same, so that it sees the taker's reason.
                // AcqRel: W5; pairs with `fetch_or` in `take`.
                match self.exchange(seen, seen) {
                    Ok(_) => return None,
                    Err(now) => seen = now,
                }
            } else {
                match self.exchange(seen, seen | HELD) {
                    Ok(_) => return Some(seen & FULL),
                    Err(now) => seen = now,
                }
            }
        }
    }

    /// Ends a registration; a waker comes back if a taker came by in the meantime (W2).
    fn release(&self, full: u8) -> Option<Waker> {
        let seen = self.state.load(Ordering::Relaxed);
        if seen & TAKING == 0 && self.exchange(seen, full).is_ok() {
            return None;
        }
        self.empty_cell(HELD | TAKING | FULL)
    }

    /// The owner's way out with an empty cell.
    fn empty_cell(&self, bits: u8) -> Option<Waker> {
        // SAFETY: the callers own the cell (W1).
        let waker = self.cell.with_mut(|cell| unsafe { &mut *cell }.take());
        // AcqRel: W5; another taker may have come by, and its reason must reach the next registration. Which acquires by an
        // exchange of its own, so that loom finds nothing amiss without Acquire here.
        self.state.fetch_and(!bits, Ordering::AcqRel);
        waker
    }

    fn exchange(&self, seen: u8, new: u8) -> Result<u8, u8> {
        // AcqRel: W5; pairs with every other change of the word.
        self.state
            .compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed)
    }
}

impl Default for WakerSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WakerSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = self.state.load(Ordering::Relaxed) & FULL != 0;
        f.debug_struct("WakerSlot").field("full", &full).finish()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::primitive::Arc;
    use crate::primitive::atomic::AtomicUsize;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{RawWaker, RawWakerVTable, Wake};

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counting() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        (count.clone(), Waker::from(count))
    }

    #[test]
    fn an_empty_slot_gives_nothing() {
        let slot = WakerSlot::new();
        assert!(slot.take().is_none());
        slot.register(&counting().1);
        assert!(slot.take().is_some());
        assert!(slot.take().is_none());
    }

    #[test]
    fn the_later_waker_replaces_the_earlier_and_nothing_leaks() {
        let ((first, one), (second, two)) = (counting(), counting());
        let slot = WakerSlot::new();
        slot.register(&one);
        slot.register(&two);
        assert_eq!(Arc::strong_count(&first), 2);
        slot.take().unwrap().wake();
        assert_eq!(first.0.load(Ordering::Relaxed), 0);
        assert_eq!(second.0.load(Ordering::Relaxed), 1);
        slot.register(&two);
        drop((slot, one, two));
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (1, 1)
        );
    }

    #[test]
    fn the_same_task_is_not_cloned_again() {
        let (count, waker) = counting();
        let slot = WakerSlot::new();
        for _ in 0..3 {
            slot.register(&waker);
            assert_eq!(Arc::strong_count(&count), 3);
        }
    }

    #[test]
    fn a_waker_that_cannot_be_cloned_leaves_the_slot_usable() {
        fn refuse(_: *const ()) -> RawWaker {
            panic!("a waker's own panic")
        }
        static BAD: RawWakerVTable = RawWakerVTable::new(refuse, |_| {}, |_| {}, |_| {});
        // SAFETY: the functions of the table ignore the pointer.
        let bad = unsafe { Waker::new(std::ptr::null(), &BAD) };
        let slot = WakerSlot::new();
        let (count, waker) = counting();
        for full in [false, true] {
            if full {
                slot.register(&waker);
            }
            catch_unwind(AssertUnwindSafe(|| slot.register(&bad))).unwrap_err();
            assert_eq!(slot.take().is_some(), full);
        }
        slot.register(&waker);
        slot.take().unwrap().wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_take_during_a_registration_wakes_the_registering_task() {
        let slot = WakerSlot::new();
        let (count, waker) = counting();
        assert_eq!(slot.hold(), Some(EMPTY));
        assert!(slot.take().is_none()); // W2
        slot.register(&waker); // W4
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(slot.release(FULL).is_none());
        assert_eq!(slot.state.load(Ordering::Relaxed), EMPTY);
    }

    #[test]
    fn register_then_look_again_loses_no_wake() {
        // The event is a number; the waiting side registers, then looks again; a lost wake hangs here.
        const ROUNDS: usize = 20_000;
        let shared = Arc::new((WakerSlot::new(), AtomicUsize::new(0)));
        let event = shared.clone();
        let raiser = std::thread::spawn(move || {
            for round in 1..=ROUNDS {
                event.1.store(round, Ordering::Relaxed);
                if let Some(waker) = event.0.take() {
                    waker.wake();
                }
                if round % 64 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut seen = 0;
        while seen < ROUNDS {
            shared.0.register(&waker);
            let now = shared.1.load(Ordering::Relaxed);
            if now == seen {
                std::thread::park();
            }
            seen = now;
        }
        raiser.join().unwrap();
    }
}
