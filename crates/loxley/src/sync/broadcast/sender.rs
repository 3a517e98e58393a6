//! Those who send to all.

use std::fmt;
use std::sync::Arc;

use loxley_core::coop;

use super::error::SendError;
use super::{Receiver, Shared};
use crate::sync::primitive::atomic::Ordering;
use crate::sync::wakes::Wakes;

/// Sends values to all receivers; it never waits.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::broadcast::channel(2);
/// sender.clone().send(5).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// A sender that does not keep its channel open; made by [`Sender::downgrade`].
///
/// ```
/// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(2);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without a receiver; see [`Sender::subscribe`].
    ///
    /// # Panics
    ///
    /// As [`channel`](super::channel).
    ///
    /// ```
    /// let sender = loxley::sync::broadcast::Sender::new(2);
    /// assert!(sender.send(5).is_err());
    /// let mut receiver = sender.subscribe();
    /// sender.send(6).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(6));
    /// ```
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self {
            shared: Shared::new(capacity),
        }
    }

    /// Sends a value to all receivers that are there now; says how many.
    ///
    /// That they have it does not say that they look at it.
    ///
    /// # Errors
    ///
    /// The value, if there is no receiver.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::broadcast::channel(2);
    /// let other = sender.subscribe();
    /// assert_eq!(sender.send(5).unwrap(), 2);
    /// # drop((receiver, other));
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let mut wakes = Wakes::new();
        let mut tail = self.shared.tail.lock();
        let receivers = tail.receivers;
        if receivers == 0 {
            drop(tail);
            return Err(SendError(value));
        }
        let position = tail.next;
        tail.next += 1;
        let mut slot = self.shared.slot(position).lock();
        slot.position = position;
        slot.left = receivers;
        let overwritten = slot.value.replace(value);
        drop(slot);
        tail.serve_all(&mut wakes, |()| {});
        drop(tail);
        wakes.wake();
        drop(overwritten);
        Ok(receivers)
    }

    /// Another receiver, for what is sent from now on.
    ///
    /// ```
    /// let (sender, _first) = loxley::sync::broadcast::channel(2);
    /// sender.send(1).unwrap();
    /// let mut receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.subscribe()
    }

    /// A sender that does not keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(2);
    /// assert!(sender.downgrade().upgrade().unwrap().same_channel(&sender));
    /// ```
    #[must_use = "downgrading makes a new handle and leaves this one as it is"]
    pub fn downgrade(&self) -> WeakSender<T> {
        // Relaxed: nothing depends on this count.
        self.shared.weak.fetch_add(1, Ordering::Relaxed);
        WeakSender {
            shared: self.shared.clone(),
        }
    }

    /// How many values somebody has still to take.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
    /// for number in 0..3 {
    ///     sender.send(number).unwrap();
    /// }
    /// receiver.try_recv().unwrap();
    /// assert_eq!(sender.len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        let tail = self.shared.tail.lock();
        // Receivers take in order, so values that all have taken lie before those that somebody has not.
        let (mut first, mut end) = (self.shared.oldest(tail.next), tail.next);
        while first < end {
            let middle = first + (end - first) / 2;
            match self.shared.slot(middle).lock().left {
                0 => first = middle + 1,
                _ => end = middle,
            }
        }
        (tail.next - first) as usize
    }

    /// True if all receivers have taken all values.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
    /// sender.send(5).unwrap();
    /// assert!(!sender.is_empty());
    /// receiver.try_recv().unwrap();
    /// assert!(sender.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many receivers there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(sender.receiver_count(), 1);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.tail.lock().receivers
    }

    /// True if both send to the same receivers.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there is no receiver. A new one may come at any time: see [`Sender::subscribe`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// loxley::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        coop::cooperative(async {
            loop {
                // Before the look: whatever comes after it is not missed.
                let abandoned = self.shared.abandoned.notified();
                if self.receiver_count() == 0 {
                    return;
                }
                abandoned.await;
            }
        })
        .await;
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(sender.strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.shared.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(sender.weak_count(), 0);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.shared.weak_count()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Relaxed: there is one sender already, this one.
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: the last one closes after what all have done.
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let mut wakes = Wakes::new();
        let mut tail = self.shared.tail.lock();
        tail.closed = true;
        tail.serve_all(&mut wakes, |()| {});
        drop(tail);
        wakes.wake();
    }
}

impl<T> WeakSender<T> {
    /// A sender, if there is still one.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
    /// sender.downgrade().upgrade().unwrap().send(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    #[must_use = "the sender is a new handle"]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let one_more = |senders: usize| (senders != 0).then(|| senders + 1);
        // Relaxed: as in `clone`; 0 stays 0.
        self.shared
            .senders
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Sender {
            shared: self.shared.clone(),
        })
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(sender.downgrade().strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.shared.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(sender.downgrade().weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.shared.weak_count()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        // Relaxed: nothing depends on this count.
        self.shared.weak.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        // Relaxed: nothing depends on this count.
        self.shared.weak.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("shared", &self.shared)
            .finish()
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
