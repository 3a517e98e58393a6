//! Those who get every value.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::error::{RecvError, TryRecvError};
use super::{Shared, Tail};
use crate::sync::blocking;
use crate::sync::waiters::Waiter;

/// Gets every value that is sent from the moment when it was made.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
/// sender.send(5).unwrap();
/// assert_eq!(receiver.recv().await, Ok(5));
/// # });
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The position of the value that it takes next.
    next: u64,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, next: u64) -> Self {
        Self { shared, next }
    }

    /// How many values this receiver has still to take, those included that it has missed.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::broadcast::channel(4);
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        (self.shared.tail.lock().next - self.next) as usize
    }

    /// True if it has taken all values.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::broadcast::channel(4);
    /// assert!(receiver.is_empty());
    /// sender.send(5).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if both receive from the same senders.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert!(receiver.same_channel(&receiver.resubscribe()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many senders keep the channel open.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(receiver.sender_strong_count(), 1);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.shared.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert_eq!(receiver.sender_weak_count(), 0);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.shared.weak_count()
    }

    /// True if all senders are gone; values may be left all the same.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::broadcast::channel::<u8>(4);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.strong_count() == 0
    }

    /// Step 3: why there is nothing in the slot; `None`: it has come meanwhile.
    fn look(shared: &Shared<T>, tail: &Tail, next: &mut u64) -> Option<TryRecvError> {
        if *next == tail.next {
            return Some(match tail.closed {
                true => TryRecvError::Closed,
                false => TryRecvError::Empty,
            });
        }
        let missed = shared.oldest(tail.next).checked_sub(*next)?;
        *next += missed;
        (missed > 0).then_some(TryRecvError::Lagged(missed))
    }
}

impl<T: Clone> Receiver<T> {
    /// Another receiver, for what is sent from now on.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::broadcast::channel(4);
    /// sender.send(1).unwrap();
    /// let mut other = receiver.resubscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(other.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn resubscribe(&self) -> Self {
        self.shared.subscribe()
    }

    /// Waits for the next value.
    ///
    /// # Errors
    ///
    /// `Closed` when all senders are gone and nothing is left; `Lagged` if values were missed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no value.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
    /// loxley::spawn(async move { sender.send(5) });
    /// assert_eq!(receiver.recv().await, Ok(5));
    /// assert!(receiver.recv().await.is_err());
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let (shared, next) = (&*self.shared, &mut self.next);
        let mut waiter = pin!(Waiter::new(shared));
        poll_fn(|cx| {
            let unit = ready!(coop::poll_proceed(cx));
            let received = ready!(poll(waiter.as_mut(), next, cx));
            unit.made_progress();
            Poll::Ready(received)
        })
        .await
    }

    /// Takes the next value if it is there.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`], and `Empty`.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        loop {
            if let Some(value) = take(&self.shared, &mut self.next) {
                return Ok(value);
            }
            let tail = self.shared.tail.lock();
            if let Some(error) = Self::look(&self.shared, &tail, &mut self.next) {
                return Err(error);
            }
        }
    }

    /// As [`Receiver::recv`], for threads that drive no async tasks.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `recv().await` there.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::broadcast::channel(4);
    /// std::thread::spawn(move || sender.send(5));
    /// assert_eq!(receiver.blocking_recv(), Ok(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        blocking::wait_for(
            self.recv(),
            "broadcast::Receiver::blocking_recv",
            "recv().await",
        )
    }
}

/// Step 2.
fn take<T: Clone>(shared: &Shared<T>, next: &mut u64) -> Option<T> {
    let mut slot = shared.slot(*next).lock();
    if slot.position != *next {
        return None;
    }
    // First: a clone that panics has taken it.
    *next += 1;
    slot.left -= 1;
    match slot.left {
        0 => slot.value.take(),
        _ => slot.value.clone(),
    }
}

fn poll<T: Clone>(
    mut waiter: Pin<&mut Waiter<&Shared<T>>>,
    next: &mut u64,
    cx: &mut Context<'_>,
) -> Poll<Result<T, RecvError>> {
    if waiter.has_entered() {
        ready!(waiter.as_mut().poll_served(Some(cx.waker())));
    }
    loop {
        if let Some(value) = take(waiter.keeper(), next) {
            return Poll::Ready(Ok(value));
        }
        let mut found = None;
        let waker = cx.waker().clone();
        let waits = waiter.as_mut().enter(Some(waker), |shared, tail| {
            found = Receiver::look(shared, tail, next);
            matches!(found, Some(TryRecvError::Empty)).then_some(())
        });
        match found {
            _ if waits => return Poll::Pending,
            Some(TryRecvError::Lagged(missed)) => {
                return Poll::Ready(Err(RecvError::Lagged(missed)));
            }
            Some(TryRecvError::Closed) => return Poll::Ready(Err(RecvError::Closed)),
            // It has come meanwhile.
            Some(TryRecvError::Empty) | None => {}
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut tail = self.shared.tail.lock();
        tail.receivers -= 1;
        let (end, last) = (tail.next, tail.receivers == 0);
        drop(tail);
        if last {
            self.shared.abandoned.notify_waiters();
        }
        // Step 4. What was sent since does not count this one.
        for position in self.next.max(self.shared.oldest(end))..end {
            let mut slot = self.shared.slot(position).lock();
            let mut untaken = None;
            if slot.position == position {
                slot.left -= 1;
                if slot.left == 0 {
                    untaken = slot.value.take();
                }
            }
            drop(slot);
            drop(untaken);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("shared", &self.shared)
            .field("next", &self.next)
            .finish()
    }
}
