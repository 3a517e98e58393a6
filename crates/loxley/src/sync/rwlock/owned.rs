//! What reads or writes a [`RwLock`] in an `Arc`.

use std::sync::Arc;

use super::RwLock;
use crate::sync::guard::{Held, ReadsOwned, WritesOwned, lends, lends_mut};

/// The lock, or a part of what it guards, held for reading and kept by `Arc`; dropping this lets it go.
///
/// ```
/// use loxley::sync::{OwnedRwLockReadGuard, RwLock};
/// use std::sync::Arc;
///
/// let guard: OwnedRwLockReadGuard<u8> = Arc::new(RwLock::new(5)).try_read_owned().unwrap();
/// assert_eq!(*guard, 5);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    pub(super) held: Held<Arc<RwLock<T>>, U, ReadsOwned<U>>,
}

/// The lock, held for writing and kept by `Arc`; dropping this lets it go.
///
/// ```
/// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
/// use std::sync::Arc;
///
/// let mut guard: OwnedRwLockWriteGuard<u8> = Arc::new(RwLock::new(5)).try_write_owned().unwrap();
/// *guard += 1;
/// assert_eq!(*guard, 6);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    pub(super) held: Held<Arc<RwLock<T>>, T, WritesOwned<T>>,
}

/// A part of what a lock in an `Arc` guards, held for writing; dropping this lets the whole go.
///
/// ```
/// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
/// use std::sync::Arc;
///
/// let guard = Arc::new(RwLock::new((1, "one"))).try_write_owned().unwrap();
/// let word = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.1);
/// assert_eq!(*word, "one");
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<Arc<RwLock<T>>, U, WritesOwned<U>>,
}

lends! {
    [T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U> => U;
}

lends_mut! {
    [T: ?Sized] OwnedRwLockWriteGuard<T> => T;
    [T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U> => U;
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Narrows the guard to a part of the value. Call it as `OwnedRwLockReadGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockReadGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(RwLock::new((1, "one"))).try_read_owned().unwrap();
    /// let word = OwnedRwLockReadGuard::map(guard, |pair| &pair.1);
    /// assert_eq!(*word, "one");
    /// ```
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        Self::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`OwnedRwLockReadGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockReadGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(RwLock::new(vec![1])).try_read_owned().unwrap();
    /// assert!(OwnedRwLockReadGuard::try_map(guard, |list| list.get(1)).is_err());
    /// ```
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        match this.held.map_ref(f) {
            Ok(held) => Ok(OwnedRwLockReadGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// The lock that it holds. Call it as `OwnedRwLockReadGuard::rwlock(&guard)`.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockReadGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(1));
    /// let guard = lock.clone().try_read_owned().unwrap();
    /// assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&guard), &lock));
    /// ```
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.lock()
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// Narrows the guard to a part of the value. Call it as `OwnedRwLockWriteGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// let second = OwnedRwLockWriteGuard::map(guard, |list| &mut list[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        Self::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// Narrows the guard to a part of the value, and lets other readers in.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// let second = OwnedRwLockWriteGuard::downgrade_map(guard, |list| &list[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        Self::try_downgrade_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`OwnedRwLockWriteGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// let guard = OwnedRwLockWriteGuard::try_map(guard, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*guard, [1, 2]);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(OwnedRwLockMappedWriteGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// As [`OwnedRwLockWriteGuard::downgrade_map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// let first = OwnedRwLockWriteGuard::try_downgrade_map(guard, |list| list.first()).unwrap();
    /// assert_eq!(*first, 1);
    /// ```
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match this.held.map_ref(f) {
            Ok(held) => Ok(OwnedRwLockReadGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// The same as a mapped guard, for places that take one.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// assert_eq!(*OwnedRwLockWriteGuard::into_mapped(guard), [1, 2]);
    /// ```
    #[inline]
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard { held: this.held }
    }

    /// Goes on reading, and lets other readers in; nobody writes in between.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// assert_eq!(*guard.downgrade(), [1, 2]);
    /// ```
    #[inline]
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        Self::downgrade_map(self, |value| value)
    }

    /// The lock that it holds. Call it as `OwnedRwLockWriteGuard::rwlock(&guard)`.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.clone().try_write_owned().unwrap();
    /// assert!(Arc::ptr_eq(OwnedRwLockWriteGuard::rwlock(&guard), &lock));
    /// ```
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.lock()
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// Narrows it further. Call it as `OwnedRwLockMappedWriteGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// let list = OwnedRwLockWriteGuard::map(guard, |list| &mut list[..]);
    /// let second = OwnedRwLockMappedWriteGuard::map(list, |list| &mut list[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        OwnedRwLockMappedWriteGuard::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`OwnedRwLockMappedWriteGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.try_write_owned().unwrap();
    /// let list = OwnedRwLockWriteGuard::map(guard, |list| &mut list[..]);
    /// assert!(OwnedRwLockMappedWriteGuard::try_map(list, |list| list.get_mut(7)).is_err());
    /// ```
    #[inline]
    pub fn try_map<F, V: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(OwnedRwLockMappedWriteGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// The lock that it holds. Call it as `OwnedRwLockMappedWriteGuard::rwlock(&guard)`.
    ///
    /// ```
    /// use loxley::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(vec![1, 2]));
    /// let guard = lock.clone().try_write_owned().unwrap();
    /// let guard = OwnedRwLockWriteGuard::into_mapped(guard);
    /// assert!(Arc::ptr_eq(OwnedRwLockMappedWriteGuard::rwlock(&guard), &lock));
    /// ```
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.lock()
    }
}
