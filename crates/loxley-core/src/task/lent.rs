//! A reference that a thread lends to whatever it calls: how a wake finds the worker whose thread it runs on.
//!
//! # Rules
//!
//! 1. The pointer is set while [`Lent::lend`] runs its body, and the value is borrowed for that long.
//! 2. The place is never shared between threads (a `Cell` is not `Sync`), so whoever reads it is called by that body.
//!
//! Rejected: an `Rc` in a thread-local. Each wake then pays for the count, the borrow flag, and the question whether
//! the thread's destructors have run: 40 instructions of the 240 that a yield took.

use std::cell::Cell;
use std::fmt;
use std::ptr;

/// A place for a reference, for use in a thread-local.
pub struct Lent<T>(Cell<*const T>);

impl<T> Lent<T> {
    /// An empty place.
    pub const fn new() -> Self {
        Self(Cell::new(ptr::null()))
    }

    /// Lends `value` while `body` runs; what was lent before comes back afterwards, also on a panic.
    pub fn lend<R>(&self, value: &T, body: impl FnOnce() -> R) -> R {
        struct Restore<'a, T>(&'a Lent<T>, *const T);
        impl<T> Drop for Restore<'_, T> {
            fn drop(&mut self) {
                self.0.0.set(self.1);
            }
        }
        let _restore = Restore(self, self.0.replace(value));
        body()
    }

    /// Shows what is lent, if anything.
    #[inline]
    pub fn with<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
        // SAFETY: not null only while `lend` borrows the value, and we are called by its body (rules 1 and 2).
        look(unsafe { self.0.get().as_ref() })
    }
}

impl<T> fmt::Debug for Lent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lent").field(&self.0.get()).finish()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_seen_until_the_body_returns_or_panics() {
        let place = Lent::new();
        assert_eq!(place.with(|lent| lent.copied()), None);
        place.lend(&1, || {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                place.lend(&2, || {
                    assert_eq!(place.with(|lent| lent.copied()), Some(2));
                    panic!("on purpose");
                })
            }));
            assert!(panicked.is_err());
            assert_eq!(place.with(|lent| lent.copied()), Some(1));
        });
        assert_eq!(place.with(|lent| lent.copied()), None);
    }
}
