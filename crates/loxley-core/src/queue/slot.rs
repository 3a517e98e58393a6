//! The LIFO slot: one pointer, put by its owner, taken by swap (Q5 in `queue.rs`).

use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::primitive::atomic::{AtomicPtr, Ordering};
use crate::task::{Notified, Schedule};

/// What a slot can hold: something that is one pointer wide and can be rebuilt from it.
pub trait SlotItem: Send {
    /// Gives the item up for its address.
    fn into_ptr(self) -> NonNull<()>;

    /// # Safety
    ///
    /// `ptr` came from [`SlotItem::into_ptr`] of this type and is used once.
    unsafe fn from_ptr(ptr: NonNull<()>) -> Self;
}

impl<S: Schedule> SlotItem for Notified<S> {
    fn into_ptr(self) -> NonNull<()> {
        Notified::into_ptr(self)
    }

    unsafe fn from_ptr(ptr: NonNull<()>) -> Self {
        // SAFETY: by the trait's contract, which is the function's.
        unsafe { Notified::from_ptr(ptr) }
    }
}

/// A place for one item.
pub struct Slot<T: SlotItem> {
    item: AtomicPtr<()>,
    owns: PhantomData<fn(T) -> T>,
}

impl<T: SlotItem> Slot<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Self {
            item: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Puts an item in and returns the one that it displaces. For the owner alone.
    #[inline]
    pub fn put(&self, item: T) -> Option<T> {
        let item = item.into_ptr().as_ptr();
        if self.item.load(Ordering::Relaxed).is_null() {
            // Only the owner makes it non-null, and that is us. Release: pairs with the Acquire in `take`.
            self.item.store(item, Ordering::Release);
            return None;
        }
        // A thief may be taking it. Release: pairs with the Acquire in `take_seen`. What is displaced here was put by this
        // side, so that loom finds nothing amiss without Acquire; it is for an owner who came without a lock.
        Self::rebuild(self.item.swap(item, Ordering::AcqRel))
    }

    /// Takes the item out. For the owner, and for whoever relieves a blocked owner.
    #[inline]
    pub fn take(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        self.take_seen()
    }

    /// As [`Slot::take`], for somebody who has just seen that there is something.
    #[inline]
    pub fn take_seen(&self) -> Option<T> {
        // Acquire: pairs with the Release of `put`. The swap makes sure that one taker gets it. Nobody reads what a taker
        // did before, so that loom finds nothing amiss without Release; it is for what may be read some day.
        Self::rebuild(self.item.swap(ptr::null_mut(), Ordering::AcqRel))
    }

    /// True if nothing is there; another thread's view may be old.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.item.load(Ordering::Relaxed).is_null()
    }

    fn rebuild(item: *mut ()) -> Option<T> {
        // SAFETY: what the slot holds came from `into_ptr`, and a swap hands it to one taker.
        NonNull::new(item).map(|item| unsafe { T::from_ptr(item) })
    }
}

impl<T: SlotItem> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T: SlotItem> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("empty", &self.is_empty())
            .finish()
    }
}
