//! What both kinds of channel share: the queue, the counts, the receiver's waker, the ways to end.
//!
//! # The end of a channel
//!
//! - All senders are gone: the count of senders is 0, for ever, and all messages are in the queue. The receiver
//!   takes what is there, and then `None`.
//! - The receiver closes, or is dropped: the *limit* lets no new message in. A bounded channel may still have permits
//!   out, whose messages it takes; the channel is *idle* when none is. The receiver takes what comes, and `None` when
//!   it is idle. So every way in which a permit comes back after the end has to look at that: see [`Nudge`].
//!
//! # Waiting
//!
//! The receiver puts its waker in the slot, then waits at the queue's head, then looks once more at counts and limit.
//! Whoever publishes at that head, drops the last sender, or brings the last permit back to a closed channel, takes
//! the waker *after* doing so. By the slot's chain (W5 in `task/waker_slot.rs` of the core) one of the two sees the
//! other.

#![expect(
    unsafe_code,
    reason = "the queue wants one consumer, which is the receiver"
)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, ready};

use loxley_core::coop;
use loxley_core::shared::WakerSlot;

use super::error::TryRecvError;
use super::queue::Queue;
use crate::sync::Notify;
use crate::sync::permits::Permits;
use crate::sync::primitive::atomic::{AtomicUsize, Ordering};
use crate::sync::primitive::{Arc, pause};

/// How many messages may be in a channel.
pub(super) trait Limit {
    /// Messages have left it.
    fn release(&self, messages: usize);

    /// Lets nothing new in.
    fn close<T>(&self, queue: &Queue<T>);

    /// True after `close`.
    fn is_closed<T>(&self, queue: &Queue<T>) -> bool;

    /// True if, after `close`, nothing can come any more; `len` counts what is in the queue.
    fn is_idle(&self, len: impl FnOnce() -> usize) -> bool;
}

/// At most so many, permits for those that are not there.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) permits: Permits,
    pub(super) most: usize,
}

impl Limit for Bounded {
    fn release(&self, messages: usize) {
        self.permits.release(messages);
    }

    fn close<T>(&self, _: &Queue<T>) {
        self.permits.close();
    }

    fn is_closed<T>(&self, _: &Queue<T>) -> bool {
        self.permits.is_closed()
    }

    fn is_idle(&self, _: impl FnOnce() -> usize) -> bool {
        self.permits.free() == self.most
    }
}

/// No limit; the queue's own flag says that it is closed.
#[derive(Debug)]
pub(super) struct Unbounded;

impl Limit for Unbounded {
    fn release(&self, _: usize) {}

    fn close<T>(&self, queue: &Queue<T>) {
        queue.close();
    }

    fn is_closed<T>(&self, queue: &Queue<T>) -> bool {
        queue.is_closed()
    }

    fn is_idle(&self, len: impl FnOnce() -> usize) -> bool {
        len() == 0
    }
}

/// The channel, in an `Arc` that all handles hold.
pub(super) struct Chan<T, L> {
    pub(super) queue: Queue<T>,
    pub(super) limit: L,
    /// The receiver's.
    waker: WakerSlot,
    senders: AtomicUsize,
    weak: AtomicUsize,
    /// Told when the receiver closes.
    closed: Notify,
}

// As in tokio: a panic elsewhere leaves no message half sent.
impl<T, L> UnwindSafe for Chan<T, L> {}
impl<T, L> RefUnwindSafe for Chan<T, L> {}

/// A channel with one sender and its receiver.
pub(super) fn channel<T, L: Limit>(limit: L) -> (Tx<T, L>, Rx<T, L>) {
    let chan = Arc::new(Chan {
        queue: Queue::new(),
        limit,
        waker: WakerSlot::new(),
        senders: AtomicUsize::new(1),
        weak: AtomicUsize::new(0),
        closed: Notify::new(),
    });
    (Tx(chan.clone()), Rx { chan })
}

impl<T, L: Limit> Chan<T, L> {
    /// Puts a message in that has its place; wakes the receiver if it waits for this one.
    #[inline]
    pub(super) fn push(&self, message: T) {
        match self.queue.push(message, true) {
            Ok(true) => self.wake_receiver(),
            Ok(false) => {}
            Err(_) => unreachable!("the queue takes it even closed"),
        }
    }

    #[cold]
    pub(super) fn wake_receiver(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.limit.is_closed(&self.queue)
    }

    /// Waits until the receiver is closed or gone.
    pub(super) async fn closed(&self) {
        coop::cooperative(async {
            // Before the look: whatever comes after it is not missed.
            let closed = self.closed.notified();
            if !self.is_closed() {
                closed.await;
            }
        })
        .await;
    }

    pub(super) fn strong_count(&self) -> usize {
        // Acquire: as `Arc`'s counts are read.
        self.senders.load(Ordering::Acquire)
    }

    pub(super) fn weak_count(&self) -> usize {
        // Acquire: as above.
        self.weak.load(Ordering::Acquire)
    }
}

impl<T> Chan<T, Bounded> {
    /// Gives places back that no message was sent to.
    pub(super) fn give_back(&self, places: usize) {
        self.limit.release(places);
        self.nudge();
    }

    /// Wakes the receiver if it is closed, and waits for the permits that have just come back.
    pub(super) fn nudge(&self) {
        if self.is_closed() && self.limit.is_idle(|| 0) {
            self.wake_receiver();
        }
    }
}

/// Looks, at the end of a request for places, whether the receiver waits for them.
///
/// A request that was granted and is dropped gives its places back without a word. So this stands before the request
/// and is dropped after it.
pub(super) struct Nudge<'a, T>(pub(super) &'a Chan<T, Bounded>);

impl<T> Drop for Nudge<'_, T> {
    fn drop(&mut self) {
        self.0.nudge();
    }
}

/// One of the senders.
pub(super) struct Tx<T, L: Limit>(Arc<Chan<T, L>>);

impl<T, L: Limit> Tx<T, L> {
    #[inline]
    pub(super) fn chan(&self) -> &Chan<T, L> {
        &self.0
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn downgrade(&self) -> Weak<T, L> {
        Weak::new(&self.0)
    }
}

impl<T, L: Limit> Clone for Tx<T, L> {
    fn clone(&self) -> Self {
        // Relaxed: there is one sender already, this one.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T, L: Limit> Drop for Tx<T, L> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `Rx::has_ended`; all messages are in the queue. Acquire: all senders'.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.wake_receiver();
        }
    }
}

/// A sender that does not keep the channel open.
pub(super) struct Weak<T, L: Limit>(Arc<Chan<T, L>>);

impl<T, L: Limit> Weak<T, L> {
    fn new(chan: &Arc<Chan<T, L>>) -> Self {
        // Relaxed: nothing depends on this count.
        chan.weak.fetch_add(1, Ordering::Relaxed);
        Self(chan.clone())
    }

    pub(super) fn chan(&self) -> &Chan<T, L> {
        &self.0
    }

    pub(super) fn upgrade(&self) -> Option<Tx<T, L>> {
        let one_more = |senders: usize| (senders != 0).then(|| senders + 1);
        // Relaxed: as in `Tx::clone`; 0 stays 0.
        self.0
            .senders
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Tx(self.0.clone()))
    }
}

impl<T, L: Limit> Clone for Weak<T, L> {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl<T, L: Limit> Drop for Weak<T, L> {
    fn drop(&mut self) {
        // Relaxed: nothing depends on this count.
        self.0.weak.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The receiver; there is one, so that whoever has `&mut` of it is the queue's consumer.
pub(super) struct Rx<T, L: Limit> {
    chan: Arc<Chan<T, L>>,
}

impl<T, L: Limit> Rx<T, L> {
    pub(super) fn chan(&self) -> &Chan<T, L> {
        &self.chan
    }

    /// Takes a message out, and leaves its place taken.
    #[inline]
    fn pop(&mut self) -> Option<T> {
        // SAFETY: the only receiver, by `&mut`.
        unsafe { self.chan.queue.pop() }
    }

    pub(super) fn len(&self) -> usize {
        // SAFETY: whoever takes has the only receiver by `&mut`, and we have it by `&`.
        unsafe { self.chan.queue.len() }
    }

    /// True if nothing comes any more; then the queue is to be looked at once more.
    fn has_ended(&self) -> bool {
        // Acquire: pairs with the Release in `Tx::drop`.
        self.chan.senders.load(Ordering::Acquire) == 0
            || self.chan.is_closed() && self.chan.limit.is_idle(|| self.len())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.chan.is_closed() || self.chan.strong_count() == 0
    }

    pub(super) fn close(&mut self) {
        self.chan.limit.close(&self.chan.queue);
        self.chan.closed.notify_waiters();
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let unit = ready!(coop::poll_proceed(cx));
        let message = match self.pop() {
            Some(message) => Some(message),
            None => ready!(self.wait(cx)),
        };
        unit.made_progress();
        if message.is_some() {
            self.chan.limit.release(1);
        }
        Poll::Ready(message)
    }

    /// The queue is empty: waits, unless there is something after all, or never will be.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.chan.waker.register(cx.waker());
        // SAFETY: the only receiver, by `&mut`.
        let waits = unsafe { self.chan.queue.wait() };
        if waits && !self.has_ended() {
            return Poll::Pending;
        }
        Poll::Ready(self.pop())
    }

    pub(super) fn poll_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        let unit = ready!(coop::poll_proceed(cx));
        let mut count = self.drain_to(buffer, limit);
        if count == 0 {
            if let Some(message) = ready!(self.wait(cx)) {
                buffer.push(message);
                count = 1 + self.drain_to(buffer, limit - 1);
            }
        }
        unit.made_progress();
        self.chan.limit.release(count);
        Poll::Ready(count)
    }

    fn drain_to(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let mut count = 0;
        while count < limit {
            let Some(message) = self.pop() else { break };
            buffer.push(message);
            count += 1;
        }
        count
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        loop {
            // Before the look into the queue: what was sent before the end is not missed.
            let ended = self.has_ended();
            if let Some(message) = self.pop() {
                self.chan.limit.release(1);
                return Ok(message);
            }
            if ended {
                return Err(TryRecvError::Disconnected);
            }
            if self.len() == 0 {
                return Err(TryRecvError::Empty);
            }
            // Somebody is between claim and publication, and what came after may have been seen by others.
            pause();
        }
    }
}

impl<T, L: Limit> Drop for Rx<T, L> {
    fn drop(&mut self) {
        /// Goes on if the drop of a message panics.
        struct Drain<'a, T, L: Limit>(&'a mut Rx<T, L>);
        impl<T, L: Limit> Drop for Drain<'_, T, L> {
            fn drop(&mut self) {
                while let Some(message) = self.0.pop() {
                    self.0.chan.limit.release(1);
                    drop(message);
                }
            }
        }
        self.close();
        let drain = Drain(self);
        while let Some(message) = drain.0.pop() {
            drain.0.chan.limit.release(1);
            drop(message);
        }
    }
}

impl<T, L: Limit> fmt::Debug for Chan<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chan")
            .field("closed", &self.is_closed())
            .field("senders", &self.strong_count())
            .finish_non_exhaustive()
    }
}
