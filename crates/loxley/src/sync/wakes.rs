//! Wakers taken out under a lock, to be woken when it is released.
//!
//! A waker is foreign code: it may take its time, panic, or come back to the very primitive that wakes it. So
//! whoever holds a lock fills a batch, releases the lock, and then wakes. A panic of one waker keeps no other
//! task asleep: the batch goes on while it is dropped, and the first panic goes on to the caller.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Wakers in the order in which they are woken; one costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    first: Option<Waker>,
    others: VecDeque<Waker>,
}

impl Wakes {
    /// Nobody yet.
    #[inline]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a waker, if there is one.
    #[inline]
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        let Some(waker) = waker else { return };
        if self.first.is_none() && self.others.is_empty() {
            self.first = Some(waker);
        } else {
            self.others.push_back(waker);
        }
    }

    /// Wakes all. The caller holds no lock.
    #[inline]
    pub(crate) fn wake(mut self) {
        while let Some(waker) = self.pop() {
            waker.wake();
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<Waker> {
        self.first.take().or_else(|| self.others.pop_front())
    }
}

impl Drop for Wakes {
    #[inline]
    fn drop(&mut self) {
        // Something is left only if a waker panicked.
        while let Some(waker) = self.pop() {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    struct Named(u8, Arc<Mutex<Vec<u8>>>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
            if self.0 % 2 == 0 {
                std::panic::resume_unwind(Box::new(self.0));
            }
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_asleep() {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut wakes = Wakes::new();
        for name in 1..=5 {
            wakes.push(Some(Arc::new(Named(name, woken.clone())).into()));
            wakes.push(None);
        }
        let panic = catch_unwind(AssertUnwindSafe(|| wakes.wake())).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&2_u8));
        assert_eq!(*woken.lock().unwrap(), [1, 2, 3, 4, 5]);
    }
}
