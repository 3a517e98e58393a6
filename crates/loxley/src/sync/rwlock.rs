//! `RwLock`: a lock for one writer or many readers, that may be held across an `await`. It stands on `guard.rs`.

mod owned;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

pub use owned::{OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
pub use read::RwLockReadGuard;
pub use write::{RwLockMappedWriteGuard, RwLockWriteGuard};

use super::guard::{Guarded, Held, Many, Shell};
use super::{TryLockError, blocking};

/// Readers that there may be at a time.
const MAX_READERS: u32 = u32::MAX >> 3;

/// A lock for many readers or one writer; tasks wait for it, and may hold it across an `await`.
///
/// It is fair: readers and writers get it in the order in which they asked, so that a writer that waits keeps later
/// readers waiting. Therefore a task that reads must not ask to read a second time: between the two a writer may
/// have come, and then each waits for the other. A panic while it is held does not poison it.
///
/// # Cancellation
///
/// Dropping a future of `read` or `write` gives up the place in the queue.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::RwLock;
///
/// let lock = RwLock::new(5);
/// {
///     let (one, two) = (lock.read().await, lock.read().await);
///     assert_eq!(*one + *two, 10);
/// }
/// *lock.write().await += 1;
/// assert_eq!(*lock.read().await, 6);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    inner: Guarded<T, Many>,
}

impl<T: ?Sized> Shell for RwLock<T> {
    type Value = T;
    type Kind = Many;

    fn guarded(&self) -> &Guarded<T, Many> {
        &self.inner
    }
}

impl<T: ?Sized> RwLock<T> {
    /// An unlocked lock around `value`.
    ///
    /// ```
    /// assert_eq!(loxley::sync::RwLock::new(5).into_inner(), 5);
    /// ```
    pub fn new(value: T) -> Self
    where
        T: Sized,
    {
        Self {
            inner: Guarded::new(value, MAX_READERS),
        }
    }

    /// As [`RwLock::new`], for at most so many readers at a time; more of them wait.
    ///
    /// # Panics
    ///
    /// If `max_reads` is 0, or more than `u32::MAX >> 3`.
    ///
    /// ```
    /// let lock = loxley::sync::RwLock::with_max_readers(5, 1);
    /// let one = lock.try_read().unwrap();
    /// assert!(lock.try_read().is_err());
    /// ```
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> Self
    where
        T: Sized,
    {
        assert_readers(max_reads);
        Self {
            inner: Guarded::new(value, max_reads),
        }
    }

    /// As [`RwLock::new`], for a `static`.
    ///
    /// ```
    /// use loxley::sync::RwLock;
    ///
    /// static LIST: RwLock<Vec<u8>> = RwLock::const_new(Vec::new());
    /// assert!(LIST.try_read().unwrap().is_empty());
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self {
            inner: Guarded::new(value, MAX_READERS),
        }
    }

    /// As [`RwLock::with_max_readers`], for a `static`.
    ///
    /// # Panics
    ///
    /// As [`RwLock::with_max_readers`]: the program then does not compile.
    ///
    /// ```
    /// use loxley::sync::RwLock;
    ///
    /// static NUMBER: RwLock<u8> = RwLock::const_with_max_readers(5, 1);
    /// let one = NUMBER.try_read().unwrap();
    /// assert!(NUMBER.try_read().is_err());
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> Self
    where
        T: Sized,
    {
        assert_readers(max_reads);
        Self {
            inner: Guarded::new(value, max_reads),
        }
    }

    /// Waits until nobody writes, nor waits to write.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in the queue.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = loxley::sync::RwLock::new(5);
    /// assert_eq!(*lock.read().await, 5);
    /// # });
    /// ```
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        let held = Held::among(&self.inner).await;
        RwLockReadGuard::new(held)
    }

    /// As [`RwLock::read`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `read().await` there.
    ///
    /// ```
    /// assert_eq!(*loxley::sync::RwLock::new(5).blocking_read(), 5);
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        blocking::wait_for(self.read(), "RwLock::blocking_read", "read().await")
    }

    /// As [`RwLock::read`]; the guard keeps the lock by `Arc`.
    ///
    /// # Cancellation
    ///
    /// As [`RwLock::read`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::RwLock;
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(RwLock::new(5)).read_owned().await;
    /// assert_eq!(loxley::spawn(async move { *guard }).await.unwrap(), 5);
    /// # });
    /// ```
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard {
            held: Held::among(self).await,
        }
    }

    /// Reads if nobody writes or waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] otherwise.
    ///
    /// ```
    /// let lock = loxley::sync::RwLock::new(5);
    /// let reading = lock.try_read().unwrap();
    /// assert!(lock.try_read().is_ok());
    /// assert!(lock.try_write().is_err());
    /// ```
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        Held::try_among(&self.inner).map(RwLockReadGuard::new)
    }

    /// As [`RwLock::try_read`]; the guard keeps the lock by `Arc`.
    ///
    /// # Errors
    ///
    /// As [`RwLock::try_read`].
    ///
    /// ```
    /// use loxley::sync::RwLock;
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(RwLock::new(5)).try_read_owned().unwrap();
    /// assert_eq!(*guard, 5);
    /// ```
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        let held = Held::try_among(self)?;
        Ok(OwnedRwLockReadGuard { held })
    }

    /// Waits until nobody reads or writes.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in the queue.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = loxley::sync::RwLock::new(5);
    /// *lock.write().await = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// # });
    /// ```
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        let held = Held::alone(&self.inner).await;
        RwLockWriteGuard::new(held)
    }

    /// As [`RwLock::write`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `write().await` there.
    ///
    /// ```
    /// let lock = loxley::sync::RwLock::new(5);
    /// *lock.blocking_write() = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        blocking::wait_for(self.write(), "RwLock::blocking_write", "write().await")
    }

    /// As [`RwLock::write`]; the guard keeps the lock by `Arc`.
    ///
    /// # Cancellation
    ///
    /// As [`RwLock::write`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::RwLock;
    /// use std::sync::Arc;
    ///
    /// let mut guard = Arc::new(RwLock::new(5)).write_owned().await;
    /// *guard += 1;
    /// assert_eq!(*guard, 6);
    /// # });
    /// ```
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        OwnedRwLockWriteGuard {
            held: Held::alone(self).await,
        }
    }

    /// Writes if nobody reads, writes or waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] otherwise.
    ///
    /// ```
    /// let lock = loxley::sync::RwLock::new(5);
    /// let writing = lock.try_write().unwrap();
    /// assert!(lock.try_read().is_err());
    /// ```
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        Held::try_alone(&self.inner).map(RwLockWriteGuard::new)
    }

    /// As [`RwLock::try_write`]; the guard keeps the lock by `Arc`.
    ///
    /// # Errors
    ///
    /// As [`RwLock::try_write`].
    ///
    /// ```
    /// use loxley::sync::RwLock;
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(5));
    /// let guard = lock.clone().try_write_owned().unwrap();
    /// assert!(lock.try_write_owned().is_err());
    /// ```
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        let held = Held::try_alone(self)?;
        Ok(OwnedRwLockWriteGuard { held })
    }

    /// The value, without locking: `&mut self` says that nobody else is there.
    ///
    /// ```
    /// let mut lock = loxley::sync::RwLock::new(5);
    /// *lock.get_mut() = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// The value.
    ///
    /// ```
    /// assert_eq!(loxley::sync::RwLock::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.inner.into_inner()
    }
}

#[track_caller]
const fn assert_readers(readers: u32) {
    assert!(
        readers <= MAX_READERS,
        "a RwLock may not be created with more than u32::MAX >> 3 readers"
    );
    // Without a permit nobody would keep two writers apart.
    assert!(readers > 0, "a RwLock needs room for at least one reader");
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => out.field("data", &&*guard),
            Err(_) => out.field("data", &format_args!("<locked>")),
        };
        out.finish()
    }
}
