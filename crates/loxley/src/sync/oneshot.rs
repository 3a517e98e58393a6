//! One value, from one sender to one receiver.
//!
//! Sending never waits. Each half learns of the other's end: [`Sender::closed`] waits for the receiver to go, and the
//! receiver gets an error if the sender goes without a word. The state of the channel, and who may touch what of it,
//! stands in `oneshot/state.rs`.
//!
//! # Cancellation
//!
//! Awaiting `&mut receiver` and dropping that future loses nothing.
//!
//! ```
//! # loxley::runtime::Runtime::new().unwrap().block_on(async {
//! use loxley::sync::oneshot;
//!
//! let (sender, receiver) = oneshot::channel();
//! loxley::spawn(async move { sender.send(6 * 7) });
//! assert_eq!(receiver.await, Ok(42));
//! # });
//! ```

pub mod error;
mod state;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use self::error::{RecvError, TryRecvError};
use self::state::{Received, Rx, Tx};
use super::blocking;

/// A channel for one value: one allocation, which both halves share.
///
/// ```
/// use loxley::sync::oneshot;
///
/// let (sender, mut receiver) = oneshot::channel();
/// sender.send("hello").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("hello"));
/// ```
#[inline]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = state::channel();
    (Sender { tx }, Receiver { rx: Some(rx) })
}

/// The half that sends. Dropping it unused ends the receiver's wait with an error.
///
/// ```
/// use loxley::sync::oneshot::{self, error::TryRecvError};
///
/// let (sender, mut receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
pub struct Sender<T> {
    tx: Tx<T>,
}

/// The half that receives: a future of the value.
///
/// # Panics
///
/// If it is polled again after it has given the value or the error.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, receiver) = loxley::sync::oneshot::channel();
/// sender.send(5).unwrap();
/// assert_eq!(receiver.await.unwrap(), 5);
/// # });
/// ```
pub struct Receiver<T> {
    /// `None`: the channel has given what it had.
    rx: Option<Rx<T>>,
}

impl<T> Sender<T> {
    /// Sends the value. This does not wait, and tells nothing about whether it will be looked at.
    ///
    /// # Errors
    ///
    /// The value, if the receiver is closed or gone.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(5), Err(5));
    /// ```
    #[inline]
    pub fn send(self, t: T) -> Result<(), T> {
        self.tx.send(t)
    }

    /// Waits until the receiver is closed or gone: then nobody needs the value any more.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mut sender, receiver) = loxley::sync::oneshot::channel::<u8>();
    /// loxley::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// True if the receiver is closed or gone.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::oneshot::channel::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed()
    }

    /// What [`Sender::closed`] does, in the shape of a poll. The waker of the last call is the one that is woken.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (mut sender, mut receiver) = loxley::sync::oneshot::channel::<u8>();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Pending);
    /// receiver.close();
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Ready(()));
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(self.tx.poll_closed(cx.waker()));
        unit.made_progress();
        Poll::Ready(())
    }
}

impl<T> Receiver<T> {
    /// Lets no value in any more. One that was sent before can still be received.
    ///
    /// ```
    /// use loxley::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert!(sender.send(5).is_err());
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// sender.send(5).unwrap();
    /// receiver.close();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    pub fn close(&mut self) {
        if let Some(rx) = &mut self.rx {
            rx.close();
        }
    }

    /// True once the value, or the error, has been given: polling would panic.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::oneshot::channel();
    /// sender.send(5).unwrap();
    /// assert!(!receiver.is_terminated());
    /// receiver.try_recv().unwrap();
    /// assert!(receiver.is_terminated());
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.rx.is_none()
    }

    /// True if there is no value to be received now.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::oneshot::channel();
    /// assert!(receiver.is_empty());
    /// sender.send(5).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        !self.rx.as_ref().is_some_and(Rx::has_value)
    }

    /// Receives the value if it is there.
    ///
    /// # Errors
    ///
    /// `Empty` if it may still come, `Closed` if it will not.
    ///
    /// ```
    /// use loxley::sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let received = match &mut self.rx {
            Some(rx) => rx.look(),
            None => return Err(TryRecvError::Closed),
        };
        match received {
            Received::Nothing => Err(TryRecvError::Empty),
            Received::Closed => Err(TryRecvError::Closed),
            Received::Gone => {
                self.rx = None;
                Err(TryRecvError::Closed)
            }
            Received::Value(value) => {
                self.rx = None;
                Ok(value)
            }
        }
    }

    /// Waits for the value on a thread that drives no async tasks.
    ///
    /// # Errors
    ///
    /// If the sender is gone.
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `.await` there.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::oneshot::channel();
    /// std::thread::spawn(move || sender.send(5));
    /// assert_eq!(receiver.blocking_recv(), Ok(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        blocking::wait_for(self, "oneshot::Receiver::blocking_recv", "receiver.await")
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let Some(rx) = &mut self.rx else {
            panic!("a oneshot receiver was polled again after it had given its value");
        };
        let output = match rx.poll(cx.waker()) {
            Received::Nothing => return Poll::Pending,
            Received::Value(value) => Ok(value),
            Received::Closed | Received::Gone => Err(RecvError::gone()),
        };
        self.rx = None;
        unit.made_progress();
        Poll::Ready(output)
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("empty", &self.is_empty())
            .field("terminated", &self.is_terminated())
            .finish()
    }
}
