//! What holds a [`Mutex`].

use std::sync::Arc;

use super::Mutex;
use crate::sync::guard::{Changes, ChangesOwned, Guarded, Held, One, lends_mut};
use crate::sync::permits::Permits;

/// The lock, held and borrowed; dropping this unlocks it.
///
/// ```
/// let lock = loxley::sync::Mutex::new(1);
/// let mut guard = lock.try_lock().unwrap();
/// *guard += 1;
/// drop(guard);
/// assert_eq!(*lock.try_lock().unwrap(), 2);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) held: Held<&'a Guarded<T, One>, T, Changes<'a, T>>,
    pub(super) mutex: &'a Mutex<T>,
}

/// The lock, held and kept by `Arc`; dropping this unlocks it.
///
/// ```
/// use loxley::sync::{Mutex, OwnedMutexGuard};
/// use std::sync::Arc;
///
/// let guard: OwnedMutexGuard<u8> = Arc::new(Mutex::new(1)).try_lock_owned().unwrap();
/// assert_eq!(*guard, 1);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct OwnedMutexGuard<T: ?Sized> {
    pub(super) held: Held<Arc<Mutex<T>>, T, ChangesOwned<T>>,
}

/// A part of what a lock guards; dropping this unlocks the whole.
///
/// ```
/// use loxley::sync::{Mutex, MutexGuard};
///
/// let lock = Mutex::new((1, "one"));
/// let mut number = MutexGuard::map(lock.try_lock().unwrap(), |pair| &mut pair.0);
/// *number = 2;
/// assert!(lock.try_lock().is_err());
/// drop(number);
/// assert_eq!(lock.into_inner().0, 2);
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    held: Held<&'a Permits, T, Changes<'a, T>>,
}

/// A part of what a lock in an `Arc` guards; dropping this unlocks the whole.
///
/// ```
/// use loxley::sync::{Mutex, OwnedMutexGuard};
/// use std::sync::Arc;
///
/// let guard = Arc::new(Mutex::new((1, "one"))).try_lock_owned().unwrap();
/// let word = OwnedMutexGuard::map(guard, |pair| &mut pair.1);
/// assert_eq!(*word, "one");
/// ```
#[clippy::has_significant_drop]
#[must_use = "dropping the guard unlocks the lock at once"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<Arc<Mutex<T>>, U, ChangesOwned<U>>,
}

lends_mut! {
    [T: ?Sized] MutexGuard<'_, T> => T;
    [T: ?Sized] OwnedMutexGuard<T> => T;
    [T: ?Sized] MappedMutexGuard<'_, T> => T;
    [T: ?Sized, U: ?Sized] OwnedMappedMutexGuard<T, U> => U;
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Narrows the guard to a part of the value. Call it as `MutexGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new(vec![1, 2]);
    /// let second = MutexGuard::map(lock.try_lock().unwrap(), |all| &mut all[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<U: ?Sized, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        MutexGuard::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`MutexGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new(vec![1, 2]);
    /// let guard = lock.try_lock().unwrap();
    /// let guard = MutexGuard::try_map(guard, |all| all.get_mut(7)).unwrap_err();
    /// assert_eq!(guard.len(), 2);
    /// ```
    #[inline]
    pub fn try_map<U: ?Sized, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let mutex = this.mutex;
        match this.held.map_mut(f) {
            Ok(held) => Ok(MappedMutexGuard {
                held: held.keep_by(Guarded::permits_of),
            }),
            Err(held) => Err(Self { held, mutex }),
        }
    }

    /// The lock that it holds. Call it as `MutexGuard::mutex(&guard)`.
    ///
    /// ```
    /// use loxley::sync::{Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new(1);
    /// let guard = lock.try_lock().unwrap();
    /// assert!(std::ptr::eq(MutexGuard::mutex(&guard), &lock));
    /// ```
    #[inline]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Narrows the guard to a part of the value. Call it as `OwnedMutexGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{Mutex, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(Mutex::new(vec![1, 2])).try_lock_owned().unwrap();
    /// let second = OwnedMutexGuard::map(guard, |all| &mut all[1]);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<U: ?Sized, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedMutexGuard::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`OwnedMutexGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{Mutex, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(Mutex::new(Some(1))).try_lock_owned().unwrap();
    /// let number = OwnedMutexGuard::try_map(guard, Option::as_mut).unwrap();
    /// assert_eq!(*number, 1);
    /// ```
    #[inline]
    pub fn try_map<U: ?Sized, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(OwnedMappedMutexGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }

    /// The lock that it holds. Call it as `OwnedMutexGuard::mutex(&guard)`.
    ///
    /// ```
    /// use loxley::sync::{Mutex, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(Mutex::new(1));
    /// let guard = lock.clone().try_lock_owned().unwrap();
    /// assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &lock));
    /// ```
    #[inline]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.held.lock()
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Narrows it further. Call it as `MappedMutexGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new(((1, 2), 3));
    /// let pair = MutexGuard::map(lock.try_lock().unwrap(), |all| &mut all.0);
    /// let second = MappedMutexGuard::map(pair, |pair| &mut pair.1);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<U: ?Sized, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`MappedMutexGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// let lock = Mutex::new((vec![1], 3));
    /// let list = MutexGuard::map(lock.try_lock().unwrap(), |all| &mut all.0);
    /// assert!(MappedMutexGuard::try_map(list, |list| list.get_mut(1)).is_err());
    /// ```
    #[inline]
    pub fn try_map<U: ?Sized, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(MappedMutexGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// Narrows it further. Call it as `OwnedMappedMutexGuard::map(guard, ..)`.
    ///
    /// ```
    /// use loxley::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(Mutex::new(((1, 2), 3))).try_lock_owned().unwrap();
    /// let pair = OwnedMutexGuard::map(guard, |all| &mut all.0);
    /// let second = OwnedMappedMutexGuard::map(pair, |pair| &mut pair.1);
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn map<S: ?Sized, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        F: FnOnce(&mut U) -> &mut S,
    {
        OwnedMappedMutexGuard::try_map(this, |value| Some(f(value)))
            .unwrap_or_else(|_| unreachable!("a part was given"))
    }

    /// As [`OwnedMappedMutexGuard::map`], if there is such a part; otherwise the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard as it was.
    ///
    /// ```
    /// use loxley::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let guard = Arc::new(Mutex::new((vec![1], 3))).try_lock_owned().unwrap();
    /// let list = OwnedMutexGuard::map(guard, |all| &mut all.0);
    /// assert!(OwnedMappedMutexGuard::try_map(list, |list| list.get_mut(1)).is_err());
    /// ```
    #[inline]
    pub fn try_map<S: ?Sized, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        match this.held.map_mut(f) {
            Ok(held) => Ok(OwnedMappedMutexGuard { held }),
            Err(held) => Err(Self { held }),
        }
    }
}
