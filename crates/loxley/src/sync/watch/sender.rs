//! Those who change the value.

use std::fmt;
use std::mem;
use std::sync::Arc;

use loxley_core::coop;

use super::error::SendError;
use super::{CLOSED, Receiver, Ref, STEP, Shared};
use crate::sync::primitive::atomic::Ordering;

/// Changes the value. When the last of them is gone, receivers are told.
///
/// ```
/// let (sender, receiver) = loxley::sync::watch::channel(1);
/// sender.clone().send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without a receiver; see [`Sender::subscribe`].
    ///
    /// ```
    /// let sender = loxley::sync::watch::Sender::new(1);
    /// assert_eq!(*sender.subscribe().borrow(), 1);
    /// ```
    pub fn new(init: T) -> Self {
        Self {
            shared: Shared::new(init),
        }
    }

    /// Replaces the value, if there is a receiver; [`Sender::send_replace`] does it in any case.
    ///
    /// # Errors
    ///
    /// The value, if there is no receiver.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// drop(receiver);
    /// assert!(sender.send(3).is_err());
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.receiver_count() == 0 {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in place and tells all receivers, even if nothing is different then.
    ///
    /// # Panics
    ///
    /// If the closure does. The value stays as the closure left it, and nobody is told.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// sender.send_modify(|value| *value += 1);
    /// assert!(receiver.has_changed().unwrap());
    /// assert_eq!(*receiver.borrow(), 2);
    /// ```
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place; tells all receivers if the closure says so. Gives what the closure says.
    ///
    /// # Panics
    ///
    /// As [`Sender::send_modify`].
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// let raise_to = |least: i32| {
    ///     sender.send_if_modified(|value| {
    ///         let raises = *value < least;
    ///         *value = least.max(*value);
    ///         raises
    ///     })
    /// };
    /// assert!(!raise_to(0) && raise_to(5));
    /// assert_eq!(*receiver.borrow(), 5);
    /// ```
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let mut value = self.shared.value.write();
        let modified = modify(&mut value);
        if modified {
            // Release: pairs with the Acquire in `Shared::version`. Under the lock: it belongs to the value.
            self.shared.version.fetch_add(STEP, Ordering::Release);
        }
        drop(value);
        if modified {
            self.shared.notify_receivers();
        }
        modified
    }

    /// Replaces the value, tells all receivers, and gives the old value.
    ///
    /// ```
    /// let sender = loxley::sync::watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        // The old value is dropped by the caller, without the lock.
        self.send_modify(|old| mem::swap(old, &mut value));
        value
    }

    /// Looks at the value.
    ///
    /// ```
    /// assert_eq!(*loxley::sync::watch::Sender::new(1).borrow(), 1);
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(None)
    }

    /// True if there is no receiver.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver. A new one may come at any time: see [`Sender::subscribe`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// loxley::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        coop::cooperative(async {
            loop {
                // Before the look: whatever comes after it is not missed.
                let abandoned = self.shared.abandoned.notified();
                if self.is_closed() {
                    return;
                }
                abandoned.await;
            }
        })
        .await;
    }

    /// Another receiver, which has seen the value that is there now.
    ///
    /// ```
    /// let sender = loxley::sync::watch::Sender::new(1);
    /// let receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed().unwrap());
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        let (version, _) = self.shared.version();
        Receiver::new(self.shared.clone(), version)
    }

    /// How many receivers there are.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// let other = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// # drop(other);
    /// ```
    pub fn receiver_count(&self) -> usize {
        // Acquire: pairs with the Release in the receiver's drop.
        self.shared.receivers.load(Ordering::Acquire)
    }

    /// How many senders there are.
    ///
    /// ```
    /// let sender = loxley::sync::watch::Sender::new(1);
    /// let other = sender.clone();
    /// assert_eq!(sender.sender_count(), 2);
    /// # drop(other);
    /// ```
    pub fn sender_count(&self) -> usize {
        // Acquire: as `Arc`'s counts are read.
        self.shared.senders.load(Ordering::Acquire)
    }

    /// True if both change one value.
    ///
    /// ```
    /// let sender = loxley::sync::watch::Sender::new(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
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

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: the last one tells what all have done.
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Release: pairs with the Acquire in `Shared::version`.
            self.shared.version.fetch_or(CLOSED, Ordering::Release);
            self.shared.notify_receivers();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("shared", &self.shared)
            .finish()
    }
}
