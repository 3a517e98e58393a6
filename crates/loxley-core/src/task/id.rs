//! Task ids: unique in the process, cheap to make.
//!
//! Each thread draws a block of numbers from one global counter and hands them out by itself: a counter that
//! every spawn increments would be the one cache line that all workers share.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;

use crate::budget;
use crate::primitive::global::{AtomicU64, Ordering, thread_local};

/// Numbers that a thread draws at a time.
const BLOCK: u64 = 1 << 10;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static UNUSED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Names a task; no other task of this process has had it.
///
/// Ids of tasks spawned one after the other on one thread ascend; across threads they say nothing about order.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let first = runtime.spawn(async {});
/// let second = runtime.spawn(async {});
/// assert_ne!(first.id(), second.id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

impl Id {
    /// A number that no task has had.
    pub(crate) fn next() -> Self {
        let number = UNUSED.try_with(|unused| {
            let (next, end) = unused.get();
            if next < end {
                unused.set((next + 1, end));
                return next;
            }
            let start = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            unused.set((start + 1, start + BLOCK));
            start
        });
        // A thread whose locals are gone draws a whole block for one number.
        let number = number.unwrap_or_else(|_| NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed));
        Self(NonZeroU64::new(number).expect("the counter starts at 1 and never wraps"))
    }
}

impl Id {
    /// The number itself, never 0.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    /// Which block it was drawn from.
    pub(crate) fn block(self) -> u64 {
        self.number() / BLOCK
    }

    /// The reverse of [`Id::number`].
    pub(super) fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Id").field(&self.0).finish()
    }
}

/// The task whose code runs on this thread, if any.
pub(crate) fn current_id() -> Option<Id> {
    NonZeroU64::new(budget::task()).map(Id)
}

/// The time of one poll: the task's id is current and so many units its budget. A runner's loop runs one poll after the other,
/// so what was before is no task and no budget: nothing is saved, and the end comes with its drop.
pub(super) struct Turn(());

impl Turn {
    #[inline]
    pub(super) fn begin(id: Id, units: u32) -> Self {
        budget::begin_turn(id.number(), units);
        Self(())
    }
}

impl Drop for Turn {
    #[inline]
    fn drop(&mut self) {
        budget::end_turn();
    }
}

/// Runs `f` as the task `id`; the id before it comes back afterwards, also on a panic.
pub(super) fn with_current<R>(id: Id, f: impl FnOnce() -> R) -> R {
    swapped(id.0.get(), f)
}

/// Runs a loop that polls tasks, possibly inside a task of another runtime, whose turn goes on afterwards.
pub(crate) fn outside_tasks<R>(run: impl FnOnce() -> R) -> R {
    swapped(0, || budget::without(run))
}

fn swapped<R>(id: u64, f: impl FnOnce() -> R) -> R {
    struct Restore(u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            budget::replace_task(self.0);
        }
    }
    let _restore = Restore(budget::replace_task(id));
    f()
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_across_threads() {
        let draw = || (0..3 * BLOCK).map(|_| Id::next()).collect::<Vec<_>>();
        let threads = [(); 3].map(|()| std::thread::spawn(draw));
        let mut seen = HashSet::new();
        for thread in threads {
            for id in thread.join().unwrap() {
                assert!(seen.insert(id), "{id} came twice");
            }
        }
    }

    #[test]
    fn the_current_id_is_restored_by_a_panic() {
        let (outer, inner) = (Id::next(), Id::next());
        with_current(outer, || {
            let caught = std::panic::catch_unwind(|| with_current(inner, || panic!("on purpose")));
            assert!(caught.is_err());
            assert_eq!(current_id(), Some(outer));
        });
        assert_eq!(current_id(), None);
    }
}
