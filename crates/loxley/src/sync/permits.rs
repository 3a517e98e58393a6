//! Permits that tasks wait for in order: what `Semaphore`, the locks and the bounded channel stand on.
//!
//! # Words
//!
//! The *word* holds the number of free permits and two bits: WAITING (the list is not empty) and CLOSED.
//!
//! # Protocol
//!
//! 1. Taking: one exchange, if WAITING and CLOSED are clear and there is enough. While somebody waits, nobody else
//!    takes: permits go round in the order of the requests, and a large one is not starved by small ones.
//! 2. Otherwise: under the lock, the same exchange once more, or WAITING is set in the very word in which there was
//!    not enough; then the waiter enters. So a release either is seen there, or sees WAITING.
//! 3. Releasing: one addition. If WAITING was set in the word before, the releaser takes the lock and *grants*: it
//!    takes permits out of the word for the first waiter while there is enough for it, and clears WAITING when
//!    nobody is left. If WAITING is set already and the first one wants just what is released, as with every lock, he
//!    gets it *from hand to hand*, and the word is left alone.
//! 4. Closing: CLOSED, then all waiters are served with an error. The permits that are out can still come back.
//! 5. A waiter that leaves lets the lock's holder grant: there may be enough for the next one now. A waiter that was
//!    granted and never looked releases.
//!
//! WAITING changes only under the lock. Of one word there is one order, so no fences are needed.
//!
//! # Rejected
//!
//! Giving a waiter its permits piece by piece, as tokio does: a large request then holds permits that it cannot use
//! yet, and has to give them back when it leaves. A bit that keeps others out does the same for fairness.
//!
//! Checked by `tests/sync_semaphore.rs` and `loom-tests/tests/sync/semaphore.rs`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;
use pin_project_lite::pin_project;

use super::primitive::atomic::{AtomicUsize, Ordering};
use super::waiters::{Home, Locked, Waiter, Waiters};
use super::wakes::Wakes;
use super::{AcquireError, TryAcquireError};

const CLOSED: usize = 1;
const WAITING: usize = 2;
const ONE: usize = 4;

/// A counter of permits and those who wait for some.
#[derive(Debug)]
pub(crate) struct Permits {
    word: AtomicUsize,
    waiters: Waiters<(), Note>,
}

/// What a waiter wants, and what it got.
#[derive(Debug)]
pub(crate) struct Note {
    wanted: usize,
    granted: bool,
}

impl Permits {
    /// How many there may be. Twice as many still fit the word, so an addition can be checked after it was made.
    pub(crate) const MAX: usize = usize::MAX >> 3;

    /// So many permits; the caller has checked the number.
    #[cfg(not(loxley_loom))]
    pub(crate) const fn new(permits: usize) -> Self {
        Self {
            word: AtomicUsize::new(permits * ONE),
            waiters: Waiters::new(()),
        }
    }

    /// So many permits; the caller has checked the number.
    #[cfg(loxley_loom)]
    pub(crate) fn new(permits: usize) -> Self {
        Self {
            word: AtomicUsize::new(permits * ONE),
            waiters: Waiters::new(()),
        }
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        // Acquire: pairs with the Release in `release`; whoever sees a permit may look at what it stood for.
        self.word.load(Ordering::Acquire) / ONE
    }

    /// True after [`Self::close`].
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`.
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes `wanted` permits if nobody waits and there are so many.
    #[inline]
    pub(crate) fn try_take(&self, wanted: usize) -> Result<(), TryAcquireError> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            word = match self.try_take_from(word, wanted)? {
                Ok(()) => return Ok(()),
                Err(now) => now,
            };
        }
    }

    /// One attempt; the inner error is the word as it is now.
    #[inline]
    fn try_take_from(
        &self,
        word: usize,
        wanted: usize,
    ) -> Result<Result<(), usize>, TryAcquireError> {
        if word & CLOSED != 0 {
            return Err(TryAcquireError::Closed);
        }
        if wanted == 0 {
            return Ok(Ok(()));
        }
        if word & WAITING != 0 || word / ONE < wanted {
            return Err(TryAcquireError::NoPermits);
        }
        // Acquire: pairs with the Release in `release`, from whom these permits come.
        let taken = self.word.compare_exchange_weak(
            word,
            word - wanted * ONE,
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        Ok(taken.map(|_| ()))
    }

    /// Step 2, under the lock; `NoPermits`: WAITING is set, and the caller enters.
    fn take_or_wait(&self, wanted: usize) -> Result<(), TryAcquireError> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            word = match self.try_take_from(word, wanted) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(now)) => now,
                Err(TryAcquireError::NoPermits) if word & WAITING == 0 => {
                    // Relaxed: says nothing but that somebody waits, and the list has its lock.
                    let set = self.word.compare_exchange_weak(
                        word,
                        word | WAITING,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    );
                    match set {
                        Ok(_) => return Err(TryAcquireError::NoPermits),
                        Err(now) => now,
                    }
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// Waits for `wanted` permits.
    #[inline]
    pub(crate) fn take(&self, wanted: usize) -> Take<'_> {
        Take {
            wanted,
            waiter: Waiter::new(self),
        }
    }

    /// Gives permits back, or adds new ones. Wakes: the caller holds no lock.
    ///
    /// # Panics
    ///
    /// If there were more than [`Self::MAX`] then.
    #[inline]
    #[track_caller]
    pub(crate) fn release(&self, count: usize) {
        assert!(
            count <= Self::MAX && self.add(count),
            "number of added permits ({count}) would overflow MAX_PERMITS ({})",
            Self::MAX
        );
    }

    /// Step 3; false, and nothing done: there would be too many.
    #[inline]
    fn add(&self, count: usize) -> bool {
        if count == 0 {
            return true;
        }
        // Relaxed: the list has its lock, and who sets WAITING after this is seen by the addition below.
        if self.word.load(Ordering::Relaxed) & WAITING != 0 && self.hand_over(count) {
            return true;
        }
        // Release: pairs with the Acquire of whoever takes them.
        let before = self.word.fetch_add(count * ONE, Ordering::Release);
        if before / ONE + count > Self::MAX {
            self.word.fetch_sub(count * ONE, Ordering::Relaxed);
            return false;
        }
        if before & WAITING != 0 {
            self.grant(self.waiters.lock(), Wakes::new());
        }
        true
    }

    /// Step 3, from hand to hand; false, and nothing done: nobody waits, or the first one wants another number.
    #[cold]
    fn hand_over(&self, count: usize) -> bool {
        let mut locked = self.waiters.lock();
        if locked.peek(|note| note.wanted) != Some(count) {
            return false;
        }
        // What the permits stand for is published by the list.
        let waker = locked.serve_first(|note| note.granted = true).flatten();
        // Relaxed: the list has its lock, and who adds permits now takes it next.
        if self.word.load(Ordering::Relaxed) / ONE != 0 {
            let mut wakes = Wakes::new();
            wakes.push(waker);
            self.grant(locked, wakes);
            return true;
        }
        self.unlock(locked);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Clears WAITING if nobody is left, and lets the list go.
    fn unlock(&self, locked: Locked<'_, (), Note>) {
        if locked.is_empty() {
            // Relaxed: the list has its lock.
            self.word.fetch_and(!WAITING, Ordering::Relaxed);
        }
    }

    /// Serves those for whom there is enough now, and wakes.
    #[cold]
    fn grant(&self, mut locked: Locked<'_, (), Note>, mut wakes: Wakes) {
        while let Some(wanted) = locked.peek(|note| note.wanted) {
            // Acquire: pairs with the Release in `release`; the waiter gets it on through the list.
            let taken = self
                .word
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                    (word / ONE >= wanted).then(|| word - wanted * ONE)
                });
            if taken.is_err() {
                break;
            }
            wakes.push(locked.serve_first(|note| note.granted = true).flatten());
        }
        self.unlock(locked);
        wakes.wake();
    }

    /// Takes up to `count` free permits out for ever; gives how many.
    pub(crate) fn forget(&self, count: usize) -> usize {
        let least = |word: usize| (word / ONE).min(count);
        // Acquire: as in `try_take`.
        let before = self
            .word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                Some(word - least(word) * ONE)
            });
        before.map_or(0, least)
    }

    /// Step 4.
    pub(crate) fn close(&self) {
        let mut wakes = Wakes::new();
        let mut locked = self.waiters.lock();
        // Release: pairs with the Acquire in `is_closed`.
        self.word.fetch_or(CLOSED, Ordering::Release);
        locked.serve_all(&mut wakes, |_| {});
        self.word.fetch_and(!WAITING, Ordering::Relaxed);
        drop(locked);
        wakes.wake();
    }
}

impl Home for Permits {
    type State = ();
    type Note = Note;

    fn waiters(&self) -> &Waiters<(), Note> {
        &self.waiters
    }

    fn left(&self, locked: Locked<'_, (), Note>) {
        self.grant(locked, Wakes::new());
    }

    fn unclaimed(&self, note: Note) {
        if note.granted {
            self.release(note.wanted);
        }
    }
}

pin_project! {
    /// Waits for permits.
    #[derive(Debug)]
    pub(crate) struct Take<'a> {
        wanted: usize,
        #[pin]
        waiter: Waiter<&'a Permits>,
    }
}

impl Future for Take<'_> {
    type Output = Result<(), AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let this = self.project();
        let result = match this.waiter.has_entered() {
            false => ready!(begin(this.waiter, *this.wanted, cx)),
            true => match ready!(this.waiter.poll_served(Some(cx.waker()))).granted {
                true => Ok(()),
                false => Err(AcquireError::closed()),
            },
        };
        unit.made_progress();
        Poll::Ready(result)
    }
}

#[inline]
fn begin(
    waiter: Pin<&mut Waiter<&Permits>>,
    wanted: usize,
    cx: &Context<'_>,
) -> Poll<Result<(), AcquireError>> {
    match waiter.keeper().try_take(wanted) {
        Ok(()) => Poll::Ready(Ok(())),
        Err(TryAcquireError::Closed) => Poll::Ready(Err(AcquireError::closed())),
        Err(TryAcquireError::NoPermits) => wait(waiter, wanted, cx),
    }
}

#[cold]
fn wait(
    waiter: Pin<&mut Waiter<&Permits>>,
    wanted: usize,
    cx: &Context<'_>,
) -> Poll<Result<(), AcquireError>> {
    let mut result = Err(TryAcquireError::NoPermits);
    let entered = waiter.enter(Some(cx.waker().clone()), |permits, _locked| {
        let granted = false;
        result = permits.take_or_wait(wanted);
        let wait = matches!(result, Err(TryAcquireError::NoPermits));
        wait.then_some(Note { wanted, granted })
    });
    match entered {
        true => Poll::Pending,
        false => Poll::Ready(result.map_err(|_| AcquireError::closed())),
    }
}
