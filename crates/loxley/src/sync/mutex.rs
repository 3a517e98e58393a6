//! `Mutex`: a lock that may be held across an `await`. It stands on `guard.rs`.

mod guards;

use std::fmt;
use std::sync::Arc;

pub use guards::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::guard::{Guarded, Held, One, Shell};
use super::{TryLockError, blocking};

/// A lock that tasks wait for, and that may be held across an `await`.
///
/// It is fair: tasks get it in the order in which they asked. A panic while it is held does not poison it.
///
/// If it is not held across an `await`, std's or parking_lot's lock is the better one; also for a value that a task
/// owns and others talk to through a channel.
///
/// # Cancellation
///
/// Dropping a future of `lock` gives up the place in the queue.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::Mutex;
/// use std::sync::Arc;
///
/// let total = Arc::new(Mutex::new(0));
/// let tasks: Vec<_> = (0..10)
///     .map(|n| {
///         let total = total.clone();
///         loxley::spawn(async move { *total.lock().await += n })
///     })
///     .collect();
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(*total.lock().await, 45);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    inner: Guarded<T, One>,
}

impl<T: ?Sized> Shell for Mutex<T> {
    type Value = T;
    type Kind = One;

    fn guarded(&self) -> &Guarded<T, One> {
        &self.inner
    }
}

impl<T: ?Sized> Mutex<T> {
    /// An unlocked lock around `value`.
    ///
    /// ```
    /// let lock = loxley::sync::Mutex::new(5);
    /// assert_eq!(lock.into_inner(), 5);
    /// ```
    pub fn new(value: T) -> Self
    where
        T: Sized,
    {
        Self {
            inner: Guarded::new(value, 1),
        }
    }

    /// As [`Mutex::new`], for a `static`.
    ///
    /// ```
    /// use loxley::sync::Mutex;
    ///
    /// static LIST: Mutex<Vec<u8>> = Mutex::const_new(Vec::new());
    /// assert!(LIST.try_lock().unwrap().is_empty());
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new(value: T) -> Self
    where
        T: Sized,
    {
        Self {
            inner: Guarded::new(value, 1),
        }
    }

    /// Waits for the lock.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in the queue.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = loxley::sync::Mutex::new(1);
    /// *lock.lock().await += 1;
    /// assert_eq!(*lock.lock().await, 2);
    /// # });
    /// ```
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            held: Held::alone(&self.inner).await,
            mutex: self,
        }
    }

    /// As [`Mutex::lock`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `lock().await` there.
    ///
    /// ```
    /// let lock = loxley::sync::Mutex::new(1);
    /// *lock.blocking_lock() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        blocking::wait_for(self.lock(), "Mutex::blocking_lock", "lock().await")
    }

    /// As [`Mutex::lock_owned`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `lock_owned().await` there.
    ///
    /// ```
    /// use loxley::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(Mutex::new(1)).blocking_lock_owned();
    /// assert_eq!(*guard, 1);
    /// ```
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        blocking::wait_for(
            self.lock_owned(),
            "Mutex::blocking_lock_owned",
            "lock_owned().await",
        )
    }

    /// Waits for the lock; the guard keeps it by `Arc`.
    ///
    /// # Cancellation
    ///
    /// As [`Mutex::lock`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(Mutex::new(1));
    /// let mut guard = lock.clone().lock_owned().await;
    /// loxley::spawn(async move { *guard += 1 }).await.unwrap();
    /// assert_eq!(*lock.lock().await, 2);
    /// # });
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        OwnedMutexGuard {
            held: Held::alone(self).await,
        }
    }

    /// Takes the lock if it is free and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] otherwise.
    ///
    /// ```
    /// let lock = loxley::sync::Mutex::new(1);
    /// let guard = lock.try_lock().unwrap();
    /// assert!(lock.try_lock().is_err());
    /// ```
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        let held = Held::try_alone(&self.inner)?;
        Ok(MutexGuard { held, mutex: self })
    }

    /// The value, without locking: `&mut self` says that nobody else is there.
    ///
    /// ```
    /// let mut lock = loxley::sync::Mutex::new(1);
    /// *lock.get_mut() = 5;
    /// assert_eq!(lock.into_inner(), 5);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// As [`Mutex::try_lock`]; the guard keeps the lock by `Arc`.
    ///
    /// # Errors
    ///
    /// As [`Mutex::try_lock`].
    ///
    /// ```
    /// use loxley::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(Mutex::new(1));
    /// let guard = lock.clone().try_lock_owned().unwrap();
    /// assert!(lock.try_lock_owned().is_err());
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        let held = Held::try_alone(self)?;
        Ok(OwnedMutexGuard { held })
    }

    /// The value.
    ///
    /// ```
    /// assert_eq!(loxley::sync::Mutex::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T
    where
        T: Sized,
    {
        self.inner.into_inner()
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => out.field("data", &&*guard),
            Err(_) => out.field("data", &format_args!("<locked>")),
        };
        out.finish()
    }
}
