//! A value behind permits, and what lets one touch it: the locks stand on this.
//!
//! # Words
//!
//! A [`Guarded`] value has `most` permits: with one of them it may be read, with all of them it may be changed. A
//! [`Held`] is the right to one or the other, and gives its permits back when it is dropped. It can be narrowed to
//! a part of the value (*mapped*), and from changing to reading (*downgraded*).
//!
//! # Rules
//!
//! 1. The value is reached through a `Held` only, or by `&mut` or by value, when nobody has one.
//! 2. A `Held` with the access of one reader has one permit; one that may change has all, and there is at least one.
//! 3. The value lives and stays where it is as long as a `Held`, which borrows the lock or keeps it by `Arc`.
//! 4. A mapped `Held` points into what the one before pointed to: the closures are for every lifetime.
//! 5. What crosses threads: a guard that changes acts as `&mut U`, one that reads as `&U`; one that can become a
//!    reader elsewhere as both. The markers below say so to the compiler.
//!
//! Checked by `tests/sync_mutex.rs` and `tests/sync_rwlock.rs`.

#![expect(
    unsafe_code,
    reason = "guards lend what is in a cell; the rules stand above"
)]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

use super::TryLockError;
use super::permits::Permits;

/// A value and the permits to touch it; `K` says who may be there at the same time.
#[derive(Debug)]
pub(crate) struct Guarded<T: ?Sized, K> {
    permits: Permits,
    most: usize,
    kind: PhantomData<K>,
    value: UnsafeCell<T>,
}

/// One at a time.
#[derive(Debug)]
pub(crate) struct One;

/// One who changes, or many who read.
#[derive(Debug)]
pub(crate) struct Many;

// SAFETY: one thread at a time gets at the value, so that it only has to be allowed to move between them.
unsafe impl<T: ?Sized + Send> Sync for Guarded<T, One> {}
// SAFETY: as above, and readers are there at the same time.
unsafe impl<T: ?Sized + Send + Sync> Sync for Guarded<T, Many> {}

impl<T, K> Guarded<T, K> {
    /// Nobody is there. The caller has checked that `most` is not 0 (rule 2).
    #[cfg(not(loxley_loom))]
    pub(crate) const fn new(value: T, most: u32) -> Self {
        Self {
            permits: Permits::new(most as usize),
            most: most as usize,
            kind: PhantomData,
            value: UnsafeCell::new(value),
        }
    }

    /// Nobody is there. The caller has checked that `most` is not 0 (rule 2).
    #[cfg(loxley_loom)]
    pub(crate) fn new(value: T, most: u32) -> Self {
        Self {
            permits: Permits::new(most as usize),
            most: most as usize,
            kind: PhantomData,
            value: UnsafeCell::new(value),
        }
    }

    /// The value.
    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, K> Guarded<T, K> {
    /// Where the permits go back to.
    pub(crate) fn permits_of(&self) -> &Permits {
        &self.permits
    }

    /// The value, of which there is no guard: the lock is borrowed by `&mut`.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// How a guard keeps its lock: by reference or by `Arc`.
pub(crate) trait Lock {
    /// Where its permits go back to.
    fn permits(&self) -> &Permits;
}

/// A lock that still knows its whole value.
pub(crate) trait Whole: Lock {
    /// What it guards.
    type Value: ?Sized;
    /// Who may be there at the same time.
    type Kind;

    /// The value; always the same one.
    fn guarded(&self) -> &Guarded<Self::Value, Self::Kind>;
}

impl Lock for &Permits {
    fn permits(&self) -> &Permits {
        self
    }
}

impl<T: ?Sized, K> Lock for &Guarded<T, K> {
    fn permits(&self) -> &Permits {
        &self.permits
    }
}

impl<T: ?Sized, K> Whole for &Guarded<T, K> {
    type Value = T;
    type Kind = K;

    fn guarded(&self) -> &Guarded<T, K> {
        self
    }
}

/// A public lock around a guarded value.
pub(crate) trait Shell {
    /// What it guards.
    type Value: ?Sized;
    /// Who may be there at the same time.
    type Kind;

    /// The value; always the same one.
    fn guarded(&self) -> &Guarded<Self::Value, Self::Kind>;
}

impl<S: Shell + ?Sized> Lock for Arc<S> {
    fn permits(&self) -> &Permits {
        &S::guarded(self).permits
    }
}

impl<S: Shell + ?Sized> Whole for Arc<S> {
    type Value = S::Value;
    type Kind = S::Kind;

    fn guarded(&self) -> &Guarded<S::Value, S::Kind> {
        S::guarded(self)
    }
}

/// Access of a reader who borrows.
#[derive(Debug)]
pub(crate) struct Reads<'a, U: ?Sized>(PhantomData<&'a U>);
/// Access of one who changes and borrows.
#[derive(Debug)]
pub(crate) struct Changes<'a, U: ?Sized>(PhantomData<&'a mut U>);
/// Access of one who changes, borrows, and may become a reader.
#[derive(Debug)]
pub(crate) struct Writes<'a, U: ?Sized>(PhantomData<&'a mut U>, PhantomData<&'a U>);
/// Access of a reader who keeps the lock.
#[derive(Debug)]
pub(crate) struct ReadsOwned<U: ?Sized>(PhantomData<*const U>);
/// Access of one who changes and keeps the lock.
#[derive(Debug)]
pub(crate) struct ChangesOwned<U: ?Sized>(PhantomData<*mut U>);
/// Access of one who changes, keeps the lock, and may become a reader.
#[derive(Debug)]
pub(crate) struct WritesOwned<U: ?Sized>(PhantomData<*mut U>);

// SAFETY: as `&U` (rule 5).
unsafe impl<U: ?Sized + Sync> Send for ReadsOwned<U> {}
// SAFETY: as `&U`.
unsafe impl<U: ?Sized + Sync> Sync for ReadsOwned<U> {}
// SAFETY: as `&mut U` (rule 5).
unsafe impl<U: ?Sized + Send> Send for ChangesOwned<U> {}
// SAFETY: as `&mut U`.
unsafe impl<U: ?Sized + Sync> Sync for ChangesOwned<U> {}
// SAFETY: as both (rule 5).
unsafe impl<U: ?Sized + Send + Sync> Send for WritesOwned<U> {}
// SAFETY: as both.
unsafe impl<U: ?Sized + Send + Sync> Sync for WritesOwned<U> {}

/// May change the value: only made together with all permits.
pub(crate) trait Change {}

impl<U: ?Sized> Change for Changes<'_, U> {}
impl<U: ?Sized> Change for Writes<'_, U> {}
impl<U: ?Sized> Change for ChangesOwned<U> {}
impl<U: ?Sized> Change for WritesOwned<U> {}

/// Permits that go back when this is dropped.
#[derive(Debug)]
struct Release<L: Lock> {
    lock: L,
    count: usize,
}

impl<L: Lock> Drop for Release<L> {
    fn drop(&mut self) {
        self.lock.permits().release(self.count);
    }
}

impl<L: Lock> Release<L> {
    /// The same permits, kept otherwise.
    fn keep_by<M: Lock>(self, other: impl FnOnce(L) -> M) -> Release<M> {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used nor dropped after its only field with a destructor is moved out.
        let lock = unsafe { std::ptr::read(&raw const this.lock) };
        Release {
            lock: other(lock),
            count: this.count,
        }
    }
}

/// A pointer of which the marker beside it says what crosses threads.
#[derive(Debug)]
struct Ptr<U: ?Sized>(NonNull<U>);

// SAFETY: a pointer is used through a `Held` only, whose `Access` holds the bounds (rule 5).
unsafe impl<U: ?Sized> Send for Ptr<U> {}
// SAFETY: as above.
unsafe impl<U: ?Sized> Sync for Ptr<U> {}

/// The right to touch a value, or a part of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held<L: Lock, U: ?Sized, A> {
    data: Ptr<U>,
    access: PhantomData<A>,
    permits: Release<L>,
}

impl<L: Whole, A> Held<L, L::Value, A> {
    /// # Safety
    ///
    /// The caller hands over `count` permits of this lock, as many as `A` needs (rule 2).
    unsafe fn new(lock: L, count: usize) -> Self {
        let data = NonNull::new(lock.guarded().value.get()).expect("a cell has an address");
        Self {
            data: Ptr(data),
            access: PhantomData,
            permits: Release { lock, count },
        }
    }
}

impl<L: Whole, A: Change> Held<L, L::Value, A> {
    /// Waits until it is alone.
    #[inline]
    pub(crate) async fn alone(lock: L) -> Self {
        let count = lock.guarded().most;
        let taken = lock.permits().take(count).await;
        taken.expect("the permits of a lock are never closed");
        // SAFETY: all permits have been taken.
        unsafe { Self::new(lock, count) }
    }

    /// Is alone now, or not at all.
    #[inline]
    pub(crate) fn try_alone(lock: L) -> Result<Self, TryLockError> {
        let count = lock.guarded().most;
        let taken = lock.permits().try_take(count);
        taken.map_err(|_| TryLockError::held())?;
        // SAFETY: all permits have been taken.
        Ok(unsafe { Self::new(lock, count) })
    }
}

impl<L: Whole<Kind = Many>, A: Read> Held<L, L::Value, A> {
    /// Waits until nobody changes.
    #[inline]
    pub(crate) async fn among(lock: L) -> Self {
        let taken = lock.permits().take(1).await;
        taken.expect("the permits of a lock are never closed");
        // SAFETY: one permit has been taken, and `A` reads.
        unsafe { Self::new(lock, 1) }
    }

    /// Reads now, or not at all.
    #[inline]
    pub(crate) fn try_among(lock: L) -> Result<Self, TryLockError> {
        let taken = lock.permits().try_take(1);
        taken.map_err(|_| TryLockError::held())?;
        // SAFETY: one permit has been taken, and `A` reads.
        Ok(unsafe { Self::new(lock, 1) })
    }
}

/// Reads only: one permit is enough.
pub(crate) trait Read {}
impl<U: ?Sized> Read for Reads<'_, U> {}
impl<U: ?Sized> Read for ReadsOwned<U> {}

impl<L: Lock, U: ?Sized, A> Held<L, U, A> {
    /// The value.
    #[inline]
    pub(crate) fn get(&self) -> &U {
        // SAFETY: our permits keep those away who change (rule 2), and the value stays (rule 3).
        unsafe { self.data.0.as_ref() }
    }

    /// The value, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut U
    where
        A: Change,
    {
        // SAFETY: we have all permits (rule 2), and the value stays (rule 3).
        unsafe { self.data.0.as_mut() }
    }

    /// How it keeps the lock.
    pub(crate) fn lock(&self) -> &L {
        &self.permits.lock
    }

    /// The same, with the lock kept otherwise.
    pub(crate) fn keep_by<M: Lock>(self, other: impl FnOnce(L) -> M) -> Held<M, U, A> {
        Held {
            data: self.data,
            access: PhantomData,
            permits: self.permits.keep_by(other),
        }
    }

    /// A part of it, to be changed; the error is what came in.
    pub(crate) fn map_mut<V: ?Sized, B: Change>(
        mut self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<Held<L, V, B>, Self>
    where
        A: Change,
    {
        // If the closure panics, `self` is dropped and lets the lock go.
        match part(self.get_mut()).map(NonNull::from) {
            None => Err(self),
            Some(data) => Ok(self.point_to(data)),
        }
    }

    /// A part of it, to be read; the error is what came in. One that could change becomes a reader.
    pub(crate) fn map_ref<V: ?Sized, B: Read>(
        mut self,
        part: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<Held<L, V, B>, Self> {
        let Some(data) = part(self.get()).map(NonNull::from) else {
            return Err(self);
        };
        let too_many = self.permits.count - 1;
        self.permits.count = 1;
        // Released before it is a reader, which is all the same: nobody changes anything in between.
        self.permits.lock.permits().release(too_many);
        Ok(self.point_to(data))
    }

    /// The callers have checked rules 2 and 4.
    fn point_to<V: ?Sized, B>(self, data: NonNull<V>) -> Held<L, V, B> {
        Held {
            data: Ptr(data),
            access: PhantomData,
            permits: self.permits,
        }
    }
}

/// What every guard does: it shows its value.
macro_rules! lends {
    ($([$($generics:tt)*] $guard:ty => $value:ident;)*) => {$(
        impl<$($generics)*> std::ops::Deref for $guard {
            type Target = $value;

            #[inline]
            fn deref(&self) -> &$value {
                self.held.get()
            }
        }

        impl<$($generics)*> std::fmt::Debug for $guard where $value: std::fmt::Debug {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($generics)*> std::fmt::Display for $guard where $value: std::fmt::Display {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&**self, f)
            }
        }
    )*};
}

/// What a guard that changes does beside that.
macro_rules! lends_mut {
    ($([$($generics:tt)*] $guard:ty => $value:ident;)*) => {
        $crate::sync::guard::lends!($([$($generics)*] $guard => $value;)*);

        $(
            impl<$($generics)*> std::ops::DerefMut for $guard {
                #[inline]
                fn deref_mut(&mut self) -> &mut $value {
                    self.held.get_mut()
                }
            }
        )*
    };
}

pub(crate) use {lends, lends_mut};
