//! The senders of a channel with a limit.

use std::fmt;
use std::mem::forget;
use std::time::Duration;

use super::chan::{self, Bounded, Nudge, Tx, Weak};
use super::error::{SendError, SendTimeoutError, TrySendError};
use super::permit::{OwnedPermit, Permit, PermitIterator};
use super::receiver::Receiver;
use crate::sync::permits::Permits;
use crate::sync::{TryAcquireError, blocking};
use crate::time;

/// A channel for at most `buffer` messages at a time.
///
/// # Panics
///
/// If `buffer` is 0, or more than [`Semaphore::MAX_PERMITS`](crate::sync::Semaphore::MAX_PERMITS).
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, mut receiver) = loxley::sync::mpsc::channel(2);
/// sender.send(5).await.unwrap();
/// assert_eq!(receiver.recv().await, Some(5));
/// # });
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "mpsc bounded channel requires buffer > 0");
    assert!(
        buffer <= Permits::MAX,
        "a semaphore may not have more than MAX_PERMITS permits ({})",
        Permits::MAX
    );
    let limit = Bounded {
        permits: Permits::new(buffer),
        most: buffer,
    };
    let (tx, rx) = chan::channel(limit);
    (Sender { tx }, Receiver { rx })
}

/// A sender of a channel with a limit; made by [`channel`] and by cloning.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::mpsc::channel(2);
/// let other = sender.clone();
/// sender.try_send(1).unwrap();
/// other.try_send(2).unwrap();
/// assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
/// ```
pub struct Sender<T> {
    pub(super) tx: Tx<T, Bounded>,
}

/// A sender that does not keep its channel open; made by [`Sender::downgrade`].
///
/// ```
/// let (sender, receiver) = loxley::sync::mpsc::channel::<u8>(1);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakSender<T> {
    weak: Weak<T, Bounded>,
}

impl<T> Sender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is closed or gone.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the message is too and was not sent; [`Sender::reserve`] keeps it out of the future.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
    /// loxley::spawn(async move {
    ///     for number in 0..3 {
    ///         sender.send(number).await.unwrap();
    ///     }
    /// });
    /// for number in 0..3 {
    ///     assert_eq!(receiver.recv().await, Some(number));
    /// }
    /// # });
    /// ```
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.take(1).await {
            Ok(()) => {
                self.tx.chan().push(value);
                Ok(())
            }
            Err(SendError(())) => Err(SendError(value)),
        }
    }

    /// Waits for places.
    async fn take(&self, places: usize) -> Result<(), SendError<()>> {
        let chan = self.tx.chan();
        if places > chan.limit.most {
            return Err(SendError(()));
        }
        let nudge = Nudge(chan);
        let taken = chan.limit.permits.take(places).await;
        if taken.is_ok() {
            // They are not given back here.
            forget(nudge);
        }
        taken.map_err(|_| SendError(()))
    }

    fn try_take(&self, places: usize) -> Result<(), TrySendError<()>> {
        let limit = &self.tx.chan().limit;
        let taken = limit.permits.try_take(places);
        taken.map_err(|error| match error {
            TryAcquireError::Closed => TrySendError::Closed(()),
            TryAcquireError::NoPermits => TrySendError::Full(()),
        })
    }

    /// Waits until the receiver is closed or gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// loxley::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.tx.chan().closed().await;
    }

    /// Sends a message if there is a place now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the message.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel(1);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.try_send(2).unwrap_err().into_inner(), 2);
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.try_take(1) {
            Ok(()) => {
                self.tx.chan().push(message);
                Ok(())
            }
            Err(TrySendError::Full(())) => Err(TrySendError::Full(message)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(message)),
        }
    }

    /// As [`Sender::send`], for so long at most.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], with the message.
    ///
    /// # Panics
    ///
    /// Outside a runtime, or in one without timers.
    ///
    /// # Cancellation
    ///
    /// As [`Sender::send`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = loxley::sync::mpsc::channel(1);
    /// sender.send_timeout(1, Duration::from_secs(1)).await.unwrap();
    /// assert!(sender.send_timeout(2, Duration::ZERO).await.is_err());
    /// # });
    /// ```
    pub async fn send_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        match time::timeout(timeout, self.take(1)).await {
            Err(_) => Err(SendTimeoutError::Timeout(value)),
            Ok(Err(SendError(()))) => Err(SendTimeoutError::Closed(value)),
            Ok(Ok(())) => {
                self.tx.chan().push(value);
                Ok(())
            }
        }
    }

    /// As [`Sender::send`], for threads that drive no async tasks.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `send(value).await` there.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
    /// let thread = std::thread::spawn(move || {
    ///     for number in 0..3 {
    ///         sender.blocking_send(number).unwrap();
    ///     }
    /// });
    /// assert_eq!(receiver.blocking_recv(), Some(0));
    /// # while receiver.blocking_recv().is_some() {}
    /// # thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        blocking::wait_for(
            self.send(value),
            "mpsc::Sender::blocking_send",
            "send(value).await",
        )
    }

    /// True if the receiver is closed or gone.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.tx.chan().is_closed()
    }

    /// Waits for a place; the message can be made afterwards.
    ///
    /// # Errors
    ///
    /// If the receiver is closed or gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in the queue of senders.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// assert!(sender.try_send(1).is_err());
    /// permit.send(2);
    /// assert_eq!(receiver.recv().await, Some(2));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.take(1).await?;
        Ok(Permit::new(self.tx.chan()))
    }

    /// Waits for `n` places at once.
    ///
    /// # Errors
    ///
    /// If the receiver is closed or gone, or if the channel never has so many.
    ///
    /// # Cancellation
    ///
    /// As [`Sender::reserve`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(2);
    /// for (number, permit) in sender.reserve_many(2).await.unwrap().enumerate() {
    ///     permit.send(number);
    /// }
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(0), Some(1)));
    /// # });
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        self.take(n).await?;
        Ok(PermitIterator::new(self.tx.chan(), n))
    }

    /// As [`Sender::reserve`]; the permit contains the sender, and gives it back.
    ///
    /// # Errors
    ///
    /// As [`Sender::reserve`].
    ///
    /// # Cancellation
    ///
    /// As [`Sender::reserve`]; the sender is dropped with the future.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
    /// let permit = sender.reserve_owned().await.unwrap();
    /// let sender = permit.send(5);
    /// assert_eq!(receiver.recv().await, Some(5));
    /// # drop(sender);
    /// # });
    /// ```
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.take(1).await?;
        Ok(OwnedPermit::new(self))
    }

    /// Takes a place if there is one now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(sender.try_reserve().is_err());
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.try_take(1)?;
        Ok(Permit::new(self.tx.chan()))
    }

    /// Takes `n` places if there are so many now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(2);
    /// assert_eq!(sender.try_reserve_many(2).unwrap().len(), 2);
    /// assert!(sender.try_reserve_many(3).is_err());
    /// ```
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n > self.max_capacity() {
            return Err(TrySendError::Full(()));
        }
        self.try_take(n)?;
        Ok(PermitIterator::new(self.tx.chan(), n))
    }

    /// As [`Sender::try_reserve`]; the permit contains the sender, and gives it back.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the sender.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// let sender = permit.send(5);
    /// assert!(sender.try_reserve_owned().is_err());
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.try_take(1) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(TrySendError::Full(())) => Err(TrySendError::Full(self)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(self)),
        }
    }

    /// True if both send to one receiver.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.same(&other.tx)
    }

    /// How many places are free now.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.capacity(), 2);
    /// ```
    pub fn capacity(&self) -> usize {
        self.tx.chan().limit.permits.free()
    }

    /// A sender that does not keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(3);
    /// assert!(sender.downgrade().upgrade().unwrap().same_channel(&sender));
    /// ```
    #[must_use = "downgrading makes a new handle and leaves this one as it is"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            weak: self.tx.downgrade(),
        }
    }

    /// How many places there are in all.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.max_capacity(), 3);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.tx.chan().limit.most
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// let other = sender.clone();
    /// assert_eq!(sender.strong_count(), 2);
    /// # drop(other);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.tx.chan().strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// let weak = sender.downgrade();
    /// assert_eq!(sender.weak_count(), 1);
    /// # drop(weak);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.tx.chan().weak_count()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            tx: self.tx.clone(),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("chan", self.tx.chan())
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl<T> WeakSender<T> {
    /// A sender, if there is still one.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel(1);
    /// let weak = sender.downgrade();
    /// weak.upgrade().unwrap().try_send(5).unwrap();
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let tx = self.weak.upgrade()?;
        Some(Sender { tx })
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// assert_eq!(sender.downgrade().strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.weak.chan().strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (sender, _receiver) = loxley::sync::mpsc::channel::<u8>(1);
    /// assert_eq!(sender.downgrade().weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.weak.chan().weak_count()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            weak: self.weak.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
