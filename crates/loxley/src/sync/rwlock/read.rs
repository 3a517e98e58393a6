//! What reads a borrowed [`RwLock`](super::RwLock).

use crate::sync::guard::{Guarded, Held, Many, Reads, lends};
use crate::sync::permits::Permits;

/// The lock, held for reading and borrowed; dropping this lets it go.
///
/// ```
/// let lock = loxley::sync::RwLock::new(5);
/// let guard = lock.try_read().unwrap();
/// assert_eq!(*guard, 5);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    pub(super) held: Held<&'a Permits, T, Reads<'a, T>>,
}

lends! {
    [T: ?Sized] RwLockReadGuard<'_, T> => T;
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    pub(super) fn new(held: Held<&'a Guarded<T, Many>, T, Reads<'a, T>>) -> Self {
        Self {
            held: held.keep_by(Guarded::permits_of),
        }
    }

    /// Narrows the guard to a part of the value. Call it as `RwLockReadGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let word = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| &pair.1);
    /// assert_eq!(*word, "one");
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        Self::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`RwLockReadGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new(vec![1]);
    /// let guard = RwLockReadGuard::try_map(lock.try_read().unwrap(), |list| list.get(1));
    /// assert_eq!(*guard.unwrap_err(), [1]);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.held.map_ref(f) {
            Ok(held) => Ok(RwLockReadGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }
}
