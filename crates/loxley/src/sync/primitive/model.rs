//! The model's face: loom's types, through the core's door where it has them.

use std::ops::{Deref, DerefMut};

/// loom's, for what is freed on the word of its count: std's orders nothing that a model sees.
pub(crate) use loom::sync::Arc;
pub(crate) use loxley_core::doors::{Mutex, MutexGuard, UnsafeCell, atomic};

/// loom's lock for readers and writers with parking_lot's methods: no poisoning.
#[derive(Debug)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

/// Proof that the lock is held for reading.
#[derive(Debug)]
pub(crate) struct RwLockReadGuard<'a, T>(loom::sync::RwLockReadGuard<'a, T>);

/// Proof that the lock is held for writing.
#[derive(Debug)]
pub(crate) struct RwLockWriteGuard<'a, T>(loom::sync::RwLockWriteGuard<'a, T>);

impl<T> RwLock<T> {
    /// Wraps a value.
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    /// Waits for the lock, shared.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard(self.0.read().unwrap())
    }

    /// Waits for the lock, alone.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard(self.0.write().unwrap())
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Waits a moment for another thread that is between two steps.
pub(crate) fn pause() {
    loxley_core::doors::thread::yield_now();
}
