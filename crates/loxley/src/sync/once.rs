//! A place that is filled at most once: what `OnceCell` and `SetOnce` stand on.
//!
//! std's `OnceLock` does the same, but cannot be made with a value in a constant.
//!
//! # Rules
//!
//! 1. The state goes EMPTY → FILLING → FULL and never back, but for `&mut`.
//! 2. Whoever made it FILLING owns the value until it makes it FULL.
//! 3. From then on the value is only read; FULL is read with Acquire, and written with Release.
//!
//! Checked by `tests/sync_once.rs`.

#![expect(
    unsafe_code,
    reason = "a cell that is written once; the rules stand above"
)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const FILLING: u8 = 1;
const FULL: u8 = 2;

/// Holds nothing, or a value for ever.
pub(crate) struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value comes from one thread (`Send`) and is read by many (`Sync`), after FULL (rule 3).
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// Nothing.
    pub(crate) const fn empty() -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(None),
        }
    }

    /// This value.
    pub(crate) const fn full(value: T) -> Self {
        Self {
            state: AtomicU8::new(FULL),
            value: UnsafeCell::new(Some(value)),
        }
    }

    /// The value, if it is there.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire: pairs with the Release in `fill` (rule 3).
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: nobody writes to a full place (rule 3).
        unsafe { (*self.value.get()).as_ref() }
    }

    /// Fills it; the error is the value, if somebody was faster.
    pub(crate) fn fill(&self, value: T) -> Result<&T, T> {
        let won = self
            .state
            .compare_exchange(EMPTY, FILLING, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_err() {
            return Err(value);
        }
        // SAFETY: we made it FILLING (rule 2).
        let value = unsafe { (*self.value.get()).insert(value) };
        // Release: pairs with the Acquire in `get` (rule 3).
        self.state.store(FULL, Ordering::Release);
        Ok(value)
    }

    /// The value, to be changed.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Takes the value out and leaves it empty.
    pub(crate) fn take(&mut self) -> Option<T> {
        *self.state.get_mut() = EMPTY;
        self.value.get_mut().take()
    }
}
