//! The word of a oneshot channel, and who may touch what of it when.
//!
//! The two halves share one allocation. There is no count of references: each half says in the word that it is gone,
//! and the second of them frees. So a value that goes over costs one read-modify-write for the sender, and none for
//! a receiver that comes later.
//!
//! | bit | set by | meaning |
//! |---|---|---|
//! | VALUE | sender | the value is in its place |
//! | DONE | sender | nothing comes any more |
//! | TX_GONE | sender | it touches nothing any more |
//! | CLOSED | receiver | it wants nothing any more |
//! | RX_GONE | receiver | it touches nothing any more |
//! | RX_WAKER | receiver | its waker is in its place |
//! | TX_WAKER | sender | its waker is in its place |
//!
//! # Rules
//!
//! 1. The memory is freed by whoever finds the other half's `GONE`: then it is alone. A half that sets its own `GONE`
//!    in a word without the other's touches nothing afterwards; no waker is called before.
//! 2. The value's place belongs to the sender until DONE, then to the receiver. VALUE is never set in a word with
//!    CLOSED.
//! 3. The receiver's waker's place belongs to the receiver while RX_WAKER is clear. If RX_WAKER is set in the word in
//!    which the sender sets DONE, it belongs to the sender from then on. The receiver takes it back by clearing
//!    RX_WAKER in a word without DONE.
//! 4. The sender's waker's place: the same, with CLOSED in place of DONE, and the halves exchanged. Only who sets
//!    CLOSED first takes that waker.
//! 5. Every change of the word is a read-modify-write with `AcqRel`: each half sees what the other did before.
//!
//! Checked by `tests/sync_oneshot.rs` and `loom-tests/tests/sync/oneshot.rs`.

#![expect(
    unsafe_code,
    reason = "cells and one allocation that two halves share; the rules stand above"
)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{Poll, Waker};

use crate::sync::primitive::UnsafeCell;
use crate::sync::primitive::atomic::{AtomicU8, Ordering};

const VALUE: u8 = 1;
const DONE: u8 = 2;
const TX_GONE: u8 = 4;
const CLOSED: u8 = 8;
const RX_GONE: u8 = 16;
const RX_WAKER: u8 = 32;
const TX_WAKER: u8 = 64;

struct Shared<T> {
    word: AtomicU8,
    value: UnsafeCell<Option<T>>,
    rx_waker: UnsafeCell<Option<Waker>>,
    tx_waker: UnsafeCell<Option<Waker>>,
}

/// The sender's right to the channel.
pub(super) struct Tx<T>(NonNull<Shared<T>>);
/// The receiver's right to the channel.
pub(super) struct Rx<T>(NonNull<Shared<T>>);

// SAFETY: the value moves from one thread to the other; all else is in the word, or guarded by it (rules 2 to 4).
unsafe impl<T: Send> Send for Tx<T> {}
// SAFETY: by `&` only the word is used.
unsafe impl<T: Send> Sync for Tx<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Rx<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Rx<T> {}

/// What a look at the channel finds.
pub(super) enum Received<T> {
    /// It may still come.
    Nothing,
    /// The value; the channel is at its end.
    Value(T),
    /// The sender is gone without a value; the channel is at its end.
    Gone,
    /// The receiver itself has closed it.
    Closed,
}

pub(super) fn channel<T>() -> (Tx<T>, Rx<T>) {
    let shared = Box::new(Shared {
        word: AtomicU8::new(0),
        value: UnsafeCell::new(None),
        rx_waker: UnsafeCell::new(None),
        tx_waker: UnsafeCell::new(None),
    });
    let shared = NonNull::from(Box::leak(shared));
    (Tx(shared), Rx(shared))
}

impl<T> Shared<T> {
    #[inline]
    fn load(&self) -> u8 {
        // Acquire: rule 5, for looks that need no change.
        self.word.load(Ordering::Acquire)
    }

    #[inline]
    fn set(&self, bits: u8) -> u8 {
        self.word.fetch_or(bits, Ordering::AcqRel) // rule 5
    }

    #[inline]
    fn clear(&self, bits: u8) -> u8 {
        self.word.fetch_and(!bits, Ordering::AcqRel) // rule 5
    }

    #[inline]
    fn exchange(&self, word: u8, new: u8) -> Result<u8, u8> {
        // AcqRel: rule 5.
        self.word
            .compare_exchange(word, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// # Safety
///
/// The place belongs to the caller (rules 2 to 4).
#[inline]
unsafe fn put<V>(place: &UnsafeCell<Option<V>>, value: Option<V>) -> Option<V> {
    // SAFETY: the caller's contract; nothing foreign runs meanwhile.
    place.with_mut(|place| std::mem::replace(unsafe { &mut *place }, value))
}

/// # Safety
///
/// Both halves are gone, or the caller is the one that is not (rule 1).
#[inline]
unsafe fn free<T>(shared: NonNull<Shared<T>>) {
    // SAFETY: it comes from a box, and nobody else uses it (the caller's contract).
    drop(unsafe { Box::from_raw(shared.as_ptr()) });
}

/// Puts a clone of `waker` in, unless one like it is there.
///
/// # Safety
///
/// The place belongs to the caller (rules 3 and 4).
unsafe fn keep(place: &UnsafeCell<Option<Waker>>, waker: &Waker) {
    let same = place.with(|place| {
        // SAFETY: the caller's contract.
        let kept = unsafe { &*place };
        kept.as_ref().is_some_and(|kept| kept.will_wake(waker))
    });
    if !same {
        let waker = waker.clone();
        // SAFETY: the caller's contract.
        drop(unsafe { put(place, Some(waker)) });
    }
}

impl<T> Tx<T> {
    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: it is not freed before our GONE (rule 1).
        unsafe { self.0.as_ref() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared().load() & CLOSED != 0
    }

    #[inline]
    pub(super) fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        // Not dropped if `end` succeeds: it is the drop then, also if a waker panics.
        let this = ManuallyDrop::new(self);
        // SAFETY: DONE is clear (rule 2).
        unsafe { put(&this.shared().value, Some(value)) };
        if this.end(VALUE) {
            return Ok(());
        }
        // SAFETY: DONE is clear still, because it was closed first (rule 2).
        let value = unsafe { put(&this.shared().value, None) };
        drop(ManuallyDrop::into_inner(this));
        Err(value.expect("it was put there"))
    }

    /// Ends the sender's half, with VALUE or with nothing. False, and nothing done: VALUE, and it is closed.
    #[inline]
    fn end(&self, value: u8) -> bool {
        let shared = self.shared();
        let mut word = shared.load();
        loop {
            if word & CLOSED != 0 && value != 0 {
                return false;
            }
            // With a waker to be taken out something is touched after DONE.
            let gone = if word & RX_WAKER == 0 { TX_GONE } else { 0 };
            match shared.exchange(word, word | DONE | value | gone) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & RX_WAKER != 0 {
            self.wake_receiver();
        } else if word & RX_GONE != 0 {
            // SAFETY: the receiver is gone, and so are we (rule 1).
            unsafe { free(self.0) };
        }
        true
    }

    fn wake_receiver(&self) {
        let shared = self.shared();
        // SAFETY: RX_WAKER was set when DONE was (rule 3).
        let waker = unsafe { put(&shared.rx_waker, None) };
        if shared.set(TX_GONE) & RX_GONE != 0 {
            // SAFETY: the receiver is gone, and so are we (rule 1).
            unsafe { free(self.0) };
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn poll_closed(&mut self, waker: &Waker) -> Poll<()> {
        let shared = self.shared();
        let mut word = shared.load();
        if word & CLOSED == 0 && word & TX_WAKER != 0 {
            word = shared.clear(TX_WAKER);
        }
        if word & CLOSED != 0 {
            return Poll::Ready(());
        }
        // SAFETY: TX_WAKER is clear, and was cleared in a word without CLOSED (rule 4).
        unsafe { keep(&shared.tx_waker, waker) };
        if shared.set(TX_WAKER) & CLOSED == 0 {
            return Poll::Pending;
        }
        // SAFETY: CLOSED came while TX_WAKER was clear (rule 4).
        drop(unsafe { put(&shared.tx_waker, None) });
        Poll::Ready(())
    }
}

impl<T> Drop for Tx<T> {
    #[inline]
    fn drop(&mut self) {
        self.end(0);
    }
}

impl<T> Rx<T> {
    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: it is not freed before our GONE (rule 1).
        unsafe { self.0.as_ref() }
    }

    pub(super) fn has_value(&self) -> bool {
        self.shared().load() & VALUE != 0
    }

    /// After a value or `Gone` the caller drops this half.
    #[inline]
    pub(super) fn look(&mut self) -> Received<T> {
        let word = self.shared().load();
        if word & DONE == 0 {
            return match word & CLOSED {
                0 => Received::Nothing,
                _ => Received::Closed,
            };
        }
        // SAFETY: DONE is set (rule 2).
        match unsafe { put(&self.shared().value, None) } {
            Some(value) => Received::Value(value),
            None => Received::Gone,
        }
    }

    #[inline]
    pub(super) fn poll(&mut self, waker: &Waker) -> Received<T> {
        let shared = self.shared();
        let word = shared.load();
        if word & (DONE | CLOSED) != 0 {
            return self.look();
        }
        if word & RX_WAKER != 0 && shared.clear(RX_WAKER) & DONE != 0 {
            return self.look(); // the waker is the sender's
        }
        // SAFETY: RX_WAKER is clear, and was cleared in a word without DONE (rule 3).
        unsafe { keep(&shared.rx_waker, waker) };
        if shared.set(RX_WAKER) & DONE == 0 {
            return Received::Nothing;
        }
        // SAFETY: DONE came while RX_WAKER was clear (rule 3).
        drop(unsafe { put(&shared.rx_waker, None) });
        self.look()
    }

    pub(super) fn close(&mut self) {
        let shared = self.shared();
        let mut word = shared.load();
        while word & (CLOSED | DONE) == 0 {
            match shared.exchange(word, word | CLOSED) {
                Err(now) => word = now,
                Ok(_) if word & TX_WAKER == 0 => return,
                Ok(_) => {
                    // SAFETY: TX_WAKER was set when we set CLOSED (rule 4).
                    let waker = unsafe { put(&shared.tx_waker, None) };
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                    return;
                }
            }
        }
    }

    /// Ends the receiver's half while the sender's may still be there.
    fn end(&mut self) {
        let shared = self.shared();
        let mut word = shared.load();
        let (value, own, waker) = loop {
            if word & TX_GONE != 0 {
                // SAFETY: the sender is gone, and so are we (rule 1).
                return unsafe { free(self.0) };
            }
            let value = word & VALUE != 0;
            let own = word & (RX_WAKER | DONE) == RX_WAKER;
            let waker = word & (TX_WAKER | CLOSED | DONE) == TX_WAKER;
            // With something to be taken out it is touched once more.
            let gone = if value || own || waker { 0 } else { RX_GONE };
            let back = if own { RX_WAKER } else { 0 };
            match shared.exchange(word, (word | CLOSED | gone) & !back) {
                Ok(_) => break (value, own, waker),
                Err(now) => word = now,
            }
        };
        if value || own || waker {
            self.take_out(value, own, waker);
        }
    }

    #[cold]
    fn take_out(&mut self, value: bool, own: bool, waker: bool) {
        let shared = self.shared();
        // SAFETY: VALUE, and so DONE, is set (rule 2).
        let value = value.then(|| unsafe { put(&shared.value, None) });
        // SAFETY: RX_WAKER was cleared in a word without DONE (rule 3).
        let own = own.then(|| unsafe { put(&shared.rx_waker, None) });
        // SAFETY: TX_WAKER was set when we set CLOSED (rule 4).
        let waker = waker.then(|| unsafe { put(&shared.tx_waker, None) });
        if shared.set(RX_GONE) & TX_GONE != 0 {
            // SAFETY: the sender is gone, and so are we (rule 1).
            unsafe { free(self.0) };
        }
        if let Some(waker) = waker.flatten() {
            waker.wake();
        }
        drop((own, value));
    }
}

impl<T> Drop for Rx<T> {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}
