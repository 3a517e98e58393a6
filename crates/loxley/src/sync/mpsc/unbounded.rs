//! The senders of a channel without a limit.

use std::fmt;

use super::chan::{self, Tx, Unbounded, Weak};
use super::error::SendError;
use super::receiver::UnboundedReceiver;

/// A channel without a limit: a receiver that is too slow is paid for with memory.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
/// for number in 0..1000 {
///     sender.send(number).unwrap();
/// }
/// assert_eq!(receiver.recv().await, Some(0));
/// # });
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = chan::channel(Unbounded);
    (UnboundedSender { tx }, UnboundedReceiver { rx })
}

/// A sender of a channel without a limit; made by [`unbounded_channel`] and by cloning.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
/// sender.clone().send(5).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
pub struct UnboundedSender<T> {
    tx: Tx<T, Unbounded>,
}

/// A sender that does not keep its channel open; made by [`UnboundedSender::downgrade`].
///
/// ```
/// let (sender, receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakUnboundedSender<T> {
    weak: Weak<T, Unbounded>,
}

impl<T> UnboundedSender<T> {
    /// Sends a message; it never waits, and may be called anywhere.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is closed or gone.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// drop(receiver);
    /// assert_eq!(sender.send(6).unwrap_err().0, 6);
    /// ```
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        let chan = self.tx.chan();
        if chan.queue.push(message, false).map_err(SendError)? {
            chan.wake_receiver();
        }
        Ok(())
    }

    /// Waits until the receiver is closed or gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// loxley::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.tx.chan().closed().await;
    }

    /// True if the receiver is closed or gone.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.tx.chan().is_closed()
    }

    /// True if both send to one receiver.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.same(&other.tx)
    }

    /// A sender that does not keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert!(sender.downgrade().upgrade().unwrap().same_channel(&sender));
    /// ```
    #[must_use = "downgrading makes a new handle and leaves this one as it is"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender {
            weak: self.tx.downgrade(),
        }
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert_eq!(sender.strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.tx.chan().strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert_eq!(sender.weak_count(), 0);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.tx.chan().weak_count()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
        }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender")
            .field("chan", self.tx.chan())
            .finish()
    }
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, if there is still one.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.downgrade().upgrade().unwrap().send(5).unwrap();
    /// ```
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        let tx = self.weak.upgrade()?;
        Some(UnboundedSender { tx })
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert_eq!(sender.downgrade().strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.weak.chan().strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert_eq!(sender.downgrade().weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.weak.chan().weak_count()
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self {
            weak: self.weak.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender")
            .finish_non_exhaustive()
    }
}
