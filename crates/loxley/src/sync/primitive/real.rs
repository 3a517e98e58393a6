//! The real face: std's atomics, parking_lot's locks.

pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
pub(crate) use std::sync::{Arc, atomic};

/// A cell whose accesses loom checks; here it is std's and costs nothing.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends the value for reading; the caller keeps writers away.
    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Lends the value for writing; the caller keeps everybody else away.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Waits a moment for another thread that is between two steps.
pub(crate) fn pause() {
    // It is preempted there, or it would be done by now: spinning would only keep it from the processor.
    std::thread::yield_now();
}
