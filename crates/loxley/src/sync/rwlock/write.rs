//! What writes a borrowed [`RwLock`](super::RwLock).

use super::RwLockReadGuard;
use crate::sync::guard::{Guarded, Held, Many, Writes, lends_mut};
use crate::sync::permits::Permits;

/// The lock, held for writing and borrowed; dropping this lets it go.
///
/// ```
/// let lock = loxley::sync::RwLock::new(5);
/// *lock.try_write().unwrap() += 1;
/// assert_eq!(lock.into_inner(), 6);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    held: Held<&'a Permits, T, Writes<'a, T>>,
}

/// A part of what a lock guards, held for writing; dropping this lets the whole go.
///
/// ```
/// use loxley::sync::{RwLock, RwLockWriteGuard};
///
/// let lock = RwLock::new((1, "one"));
/// let mut number = RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.0);
/// *number = 2;
/// drop(number);
/// assert_eq!(lock.into_inner().0, 2);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    held: Held<&'a Permits, T, Writes<'a, T>>,
}

lends_mut! {
    [T: ?Sized] RwLockWriteGuard<'_, T> => T;
    [T: ?Sized] RwLockMappedWriteGuard<'_, T> => T;
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    pub(super) fn new(held: Held<&'a Guarded<T, Many>, T, Writes<'a, T>>) -> Self {
        Self {
            held: held.keep_by(Guarded::permits_of),
        }
    }

    /// Narrows the guard to a part of the value. Call it as `RwLockWriteGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// let second = RwLockWriteGuard::map(guard, |list| &mut list[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        Self::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// Narrows the guard to a part of the value, and lets other readers in.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// let second = RwLockWriteGuard::downgrade_map(guard, |list| &list[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        Self::try_downgrade_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`RwLockWriteGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// let guard = RwLockWriteGuard::try_map(guard, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*guard, [1, 2]);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(RwLockMappedWriteGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// As [`RwLockWriteGuard::downgrade_map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// let first = RwLockWriteGuard::try_downgrade_map(guard, |list| list.first()).unwrap();
    /// assert_eq!(*first, 1);
    /// ```
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.held.map_ref(f) {
            Ok(held) => Ok(RwLockReadGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// The same as a mapped guard, for places that take one.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// assert_eq!(*RwLockWriteGuard::into_mapped(guard), [1, 2]);
    /// ```
    #[inline]
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard { held: this.held }
    }

    /// Goes on reading, and lets other readers in; nobody writes in between.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// assert_eq!(*guard.downgrade(), [1, 2]);
    /// ```
    #[inline]
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        Self::downgrade_map(self, |value| value)
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    /// Narrows it further. Call it as `RwLockMappedWriteGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// let list = RwLockWriteGuard::map(guard, |list| &mut list[..]);
    /// let second = RwLockMappedWriteGuard::map(list, |list| &mut list[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`RwLockMappedWriteGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let guard = lock.try_write().unwrap();
    /// let list = RwLockWriteGuard::map(guard, |list| &mut list[..]);
    /// assert!(RwLockMappedWriteGuard::try_map(list, |list| list.get_mut(7)).is_err());
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(RwLockMappedWriteGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }
}
