//! The receivers of both kinds of channel.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::chan::{Bounded, Rx, Unbounded};
use super::error::TryRecvError;
use crate::sync::blocking;

/// The receiver of a channel with a limit; made by [`channel`](super::channel).
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
/// sender.try_send(5).unwrap();
/// assert_eq!(receiver.recv().await, Some(5));
/// # });
/// ```
pub struct Receiver<T> {
    pub(super) rx: Rx<T, Bounded>,
}

impl<T> Receiver<T> {
    /// Waits for a message; `None` when all senders are gone, or the channel is closed, and nothing is left.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no message.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// drop(sender);
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(5), None));
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Waits for at least one message, and takes up to `limit`; says how many.
    ///
    /// 0 when nothing comes any more, or if `limit` is 0.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no message.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// for number in 0..3 {
    ///     sender.try_send(number).unwrap();
    /// }
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut numbers, 2).await, 2);
    /// assert_eq!(numbers, [0, 1]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, buffer, limit)).await
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.rx.try_recv()
    }

    /// As [`Receiver::recv`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `recv().await` there.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// std::thread::spawn(move || sender.try_send(5));
    /// assert_eq!(receiver.blocking_recv(), Some(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        blocking::wait_for(self.recv(), "mpsc::Receiver::blocking_recv", "recv().await")
    }

    /// As [`Receiver::recv_many`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `recv_many(buffer, limit).await` there.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut numbers, 10), 1);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        blocking::wait_for(
            self.recv_many(buffer, limit),
            "mpsc::Receiver::blocking_recv_many",
            "recv_many(buffer, limit).await",
        )
    }

    /// Lets no message in any more. Those that were sent, and those for which there are permits, can be received.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// receiver.close();
    /// assert!(sender.try_send(6).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    pub fn close(&mut self) {
        self.rx.close();
    }

    /// True if it was closed, or if all senders are gone; messages may be left all the same.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::channel::<u8>(3);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// True if there is no message.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages there are.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.rx.len()
    }

    /// How many places are free now.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// assert_eq!(receiver.capacity(), 2);
    /// ```
    pub fn capacity(&self) -> usize {
        self.rx.chan().limit.permits.free()
    }

    /// How many places there are in all.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::channel(3);
    /// sender.try_send(5).unwrap();
    /// assert_eq!(receiver.max_capacity(), 3);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.rx.chan().limit.most
    }

    /// What [`Receiver::recv`] does, in the shape of a poll. The waker of the last call is the one that is woken.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Pending);
    /// sender.try_send(5).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(Some(5)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll(cx)
    }

    /// What [`Receiver::recv_many`] does, in the shape of a poll.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (sender, mut receiver) = loxley::sync::mpsc::channel(3);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// sender.try_send(5).unwrap();
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.poll_recv_many(&mut cx, &mut numbers, 10), Poll::Ready(1));
    /// ```
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.rx.poll_many(cx, buffer, limit)
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::mpsc::channel::<u8>(3);
    /// assert_eq!(receiver.sender_strong_count(), 1);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.rx.chan().strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::mpsc::channel::<u8>(3);
    /// assert_eq!(receiver.sender_weak_count(), 0);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.rx.chan().weak_count()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("chan", self.rx.chan())
            .field("len", &self.len())
            .finish()
    }
}

/// The receiver of a channel without a limit; made by [`unbounded_channel`](super::unbounded_channel).
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
/// sender.send(5).unwrap();
/// assert_eq!(receiver.recv().await, Some(5));
/// # });
/// ```
pub struct UnboundedReceiver<T> {
    pub(super) rx: Rx<T, Unbounded>,
}

impl<T> UnboundedReceiver<T> {
    /// Waits for a message; `None` when all senders are gone, or the channel is closed, and nothing is left.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no message.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// drop(sender);
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(5), None));
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Waits for at least one message, and takes up to `limit`; says how many.
    ///
    /// 0 when nothing comes any more, or if `limit` is 0.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no message.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// for number in 0..3 {
    ///     sender.send(number).unwrap();
    /// }
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut numbers, 2).await, 2);
    /// assert_eq!(numbers, [0, 1]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, buffer, limit)).await
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.rx.try_recv()
    }

    /// As [`UnboundedReceiver::recv`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `recv().await` there.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// std::thread::spawn(move || sender.send(5));
    /// assert_eq!(receiver.blocking_recv(), Some(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        blocking::wait_for(
            self.recv(),
            "mpsc::UnboundedReceiver::blocking_recv",
            "recv().await",
        )
    }

    /// As [`UnboundedReceiver::recv_many`], for threads that drive no async tasks.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `recv_many(buffer, limit).await` there.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut numbers, 10), 1);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        blocking::wait_for(
            self.recv_many(buffer, limit),
            "mpsc::UnboundedReceiver::blocking_recv_many",
            "recv_many(buffer, limit).await",
        )
    }

    /// Lets no message in any more. Those that were sent, and those for which there are permits, can be received.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// receiver.close();
    /// assert!(sender.send(6).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    pub fn close(&mut self) {
        self.rx.close();
    }

    /// True if it was closed, or if all senders are gone; messages may be left all the same.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// True if there is no message.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages there are.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::mpsc::unbounded_channel();
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.rx.len()
    }

    /// What [`UnboundedReceiver::recv`] does, in the shape of a poll. The waker of the last call is the one that is woken.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Pending);
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(Some(5)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll(cx)
    }

    /// What [`UnboundedReceiver::recv_many`] does, in the shape of a poll.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (sender, mut receiver) = loxley::sync::mpsc::unbounded_channel();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// sender.send(5).unwrap();
    /// let mut numbers = Vec::new();
    /// assert_eq!(receiver.poll_recv_many(&mut cx, &mut numbers, 10), Poll::Ready(1));
    /// ```
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.rx.poll_many(cx, buffer, limit)
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert_eq!(receiver.sender_strong_count(), 1);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.rx.chan().strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::mpsc::unbounded_channel::<u8>();
    /// assert_eq!(receiver.sender_weak_count(), 0);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.rx.chan().weak_count()
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("chan", self.rx.chan())
            .field("len", &self.len())
            .finish()
    }
}
