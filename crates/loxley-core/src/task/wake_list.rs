//! Wakers taken under a lock, to be woken after it.
//!
//! A waker is foreign code: waking, cloning or dropping one may run anything, so nobody does it while one of
//! our locks is held (tokio fixed that fault one place at a time: #4129, #5429, #5471, #5475, #5578).
//! Whoever holds a lock pushes here; the worker wakes the list when every lock is released.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Wakers in the order in which their reasons came.
#[derive(Debug, Default)]
pub struct WakeList {
    wakers: Vec<Waker>,
    /// Those that are woken last, while the others are; it only keeps its room.
    others: Vec<Waker>,
}

impl WakeList {
    /// An empty list; it keeps its room from one use to the next.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a waker at the end.
    pub fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.wakers.len()
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Wakes those for which `first` holds, in order, then runs `between`, then wakes the others.
    ///
    /// Our own tasks come first and are announced before foreign code runs, which may take its time.
    pub fn wake_all(&mut self, first: impl Fn(&Waker) -> bool, between: impl FnOnce()) {
        for waker in self.wakers.drain(..) {
            if first(&waker) {
                waker.wake();
            } else {
                self.others.push(waker);
            }
        }
        between();
        for waker in self.others.drain(..) {
            wake_caught(waker);
        }
    }
}

/// Wakes; a panic of the waker's own code ends there.
pub fn wake_caught(waker: Waker) {
    // The panic hook has reported it, and nothing of ours is in the middle of a change.
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::task::Wake;

    struct Named(&'static str, fn());

    thread_local!(static WOKEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) });

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            WOKEN.with_borrow_mut(|woken| woken.push(self.0));
            (self.1)();
        }
    }

    #[test]
    fn foreign_wakers_come_last_and_may_panic() {
        let ours = Waker::from(Arc::new(Named("ours", || {})));
        let bad = Waker::from(Arc::new(Named("bad", || panic!("a waker's own panic"))));
        let last = Waker::from(Arc::new(Named("last", || {})));
        let mut list = WakeList::new();
        for waker in [&bad, &last, &ours] {
            list.push(waker.clone());
        }
        list.wake_all(
            |waker| waker.will_wake(&ours),
            || WOKEN.with_borrow_mut(|woken| woken.push("announce")),
        );
        assert!(list.is_empty());
        WOKEN.with_borrow(|woken| assert_eq!(woken[..], ["ours", "announce", "bad", "last"]));
    }
}
