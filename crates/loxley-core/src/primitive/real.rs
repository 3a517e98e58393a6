//! The real face: std's atomics and threads, parking_lot's locks, crossbeam's deques.

#[cfg(loxley_counted)]
pub use super::counted::{Mutex, atomic};
pub use crossbeam_deque as deque;
#[cfg(not(loxley_counted))]
pub use parking_lot::Mutex;
pub use parking_lot::{Condvar, MutexGuard};
pub use std::thread_local;

/// Atomics and fences. Aliases, not re-exports: the lint that keeps std's types out of other modules looks
/// through re-exports.
#[cfg(not(loxley_counted))]
#[expect(clippy::disallowed_types, reason = "this is the door")]
pub mod atomic {
    use std::sync::atomic;

    pub use atomic::Ordering;
    #[cfg(not(loxley_tsan))]
    pub use atomic::fence;

    pub type AtomicBool = atomic::AtomicBool;
    pub type AtomicPtr<T> = atomic::AtomicPtr<T>;
    pub type AtomicU8 = atomic::AtomicU8;
    pub type AtomicU32 = atomic::AtomicU32;
    pub type AtomicU64 = atomic::AtomicU64;
    pub type AtomicUsize = atomic::AtomicUsize;

    /// For ThreadSanitizer, which does not know fences: all of them meet in one word instead. Of any two, one reads
    /// what the other wrote, so what came before the first is ordered before what comes after the second. That is
    /// what a `SeqCst` fence promises, and a little more: what it hides, loom sees.
    #[cfg(loxley_tsan)]
    pub fn fence(_: Ordering) {
        static MEETING: AtomicUsize = AtomicUsize::new(0);
        MEETING.fetch_add(1, Ordering::AcqRel); // pairs with itself
    }
}

/// Threads: named, with an optional stack size, and an error instead of a panic.
pub mod thread {
    pub use std::thread::{JoinHandle, sleep, yield_now};

    /// Starts a thread; the operating system may refuse.
    pub fn spawn<F>(
        name: String,
        stack_size: Option<usize>,
        body: F,
    ) -> std::io::Result<JoinHandle<()>>
    where
        F: FnOnce() + Send + 'static,
    {
        let mut builder = std::thread::Builder::new().name(name);
        if let Some(bytes) = stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(body)
    }
}

/// A cell whose accesses loom checks; here it is std's and costs nothing.
#[derive(Debug)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    #[inline(always)]
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends the value for reading; the caller keeps writers away.
    #[inline(always)]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Lends the value for writing; the caller keeps everybody else away.
    #[inline(always)]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
