//! [`PollSender`].

use std::error::Error;
use std::fmt;
use std::mem::replace;
#[cfg(feature = "stream")]
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::ReusableBoxFuture;
use super::mpsc::error::SendError;
use super::mpsc::{OwnedPermit, Sender};

type Reserving<T> = ReusableBoxFuture<'static, Result<OwnedPermit<T>, SendError<()>>>;

/// The receiver of a [`PollSender`] has gone, or the sender was closed.
#[derive(Debug)]
pub struct PollSendError<T>(Option<T>);

impl<T> PollSendError<T> {
    /// The message, if there was one: [`PollSender::poll_reserve`] has none yet.
    pub fn into_inner(self) -> Option<T> {
        self.0
    }
}

impl<T> fmt::Display for PollSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T: fmt::Debug> Error for PollSendError<T> {}

/// A bounded [`Sender`] with `poll` methods, for types that wait in one of their own.
///
/// First a place is reserved, then a message is sent to it, which never waits. With the feature `stream` it is a `Sink`.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::{PollSender, mpsc};
/// use std::future::poll_fn;
///
/// let (sender, mut receiver) = mpsc::channel(1);
/// let mut sender = PollSender::new(sender);
/// poll_fn(|cx| sender.poll_reserve(cx)).await.unwrap();
/// sender.send_item(5).unwrap();
/// assert_eq!(receiver.recv().await, Some(5));
///
/// drop(receiver);
/// assert!(poll_fn(|cx| sender.poll_reserve(cx)).await.is_err());
/// # });
/// ```
pub struct PollSender<T> {
    /// For what is asked beside the state; `None`: closed.
    sender: Option<Sender<T>>,
    state: State<T>,
    /// The box of the last wait.
    spare: Option<Reserving<T>>,
}

enum State<T> {
    Idle,
    Reserving(Reserving<T>),
    Reserved(OwnedPermit<T>),
}

impl<T> State<T> {
    fn name(&self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Reserving(_) => "reserving",
            State::Reserved(_) => "reserved",
        }
    }
}

impl<T: Send + 'static> PollSender<T> {
    /// Sends through `sender`.
    pub fn new(sender: Sender<T>) -> Self {
        Self {
            sender: Some(sender),
            state: State::Idle,
            spare: None,
        }
    }

    /// Waits for a place, which it keeps until it is used or given back.
    ///
    /// Only the task that polled last is woken.
    ///
    /// # Errors
    ///
    /// If the receiver has gone or the sender was [closed](PollSender::close); it stays so.
    pub fn poll_reserve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PollSendError<T>>> {
        if let State::Idle = self.state {
            let Some(sender) = &self.sender else {
                return Poll::Ready(Err(PollSendError(None)));
            };
            let reserving = sender.clone().reserve_owned();
            self.state = State::Reserving(match self.spare.take() {
                Some(mut spare) => {
                    spare.set(reserving);
                    spare
                }
                None => ReusableBoxFuture::new(reserving),
            });
        }
        let State::Reserving(future) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let permit = ready!(future.poll(cx));
        let state = match permit {
            Ok(permit) => State::Reserved(permit),
            Err(_) => {
                self.sender = None;
                State::Idle
            }
        };
        if let State::Reserving(future) = replace(&mut self.state, state) {
            self.spare = Some(future);
        }
        Poll::Ready(match &self.state {
            State::Reserved(_) => Ok(()),
            _ => Err(PollSendError(None)),
        })
    }
}

impl<T> PollSender<T> {
    /// Sends a message to the place that was reserved.
    ///
    /// # Errors
    ///
    /// If the sender was closed; the error has the message.
    ///
    /// # Panics
    ///
    /// If no place was reserved: [`poll_reserve`](PollSender::poll_reserve) must have said `Ready(Ok(()))`.
    #[track_caller]
    pub fn send_item(&mut self, value: T) -> Result<(), PollSendError<T>> {
        match replace(&mut self.state, State::Idle) {
            State::Reserved(permit) => {
                permit.send(value);
                Ok(())
            }
            _ if self.sender.is_none() => Err(PollSendError(Some(value))),
            state => {
                self.state = state;
                panic!("`send_item` without a place: call `poll_reserve` until it is ready")
            }
        }
    }

    /// True if it was closed, or has seen that the receiver has gone.
    pub fn is_closed(&self) -> bool {
        self.sender.as_ref().is_none_or(Sender::is_closed)
    }

    /// The sender; `None` if it was closed.
    pub fn get_ref(&self) -> Option<&Sender<T>> {
        self.sender.as_ref()
    }

    /// Lets nothing more through, and the channel end if this was the last sender.
    ///
    /// A place that is reserved may still be used.
    pub fn close(&mut self) {
        self.sender = None;
        if let State::Reserving(_) = self.state {
            self.state = State::Idle;
        }
        // It may hold a clone of the sender.
        self.spare = None;
    }

    /// Gives back the place that is reserved, or stops waiting for one; true if there was anything to do.
    pub fn abort_send(&mut self) -> bool {
        match replace(&mut self.state, State::Idle) {
            State::Idle => false,
            State::Reserving(_) | State::Reserved(_) => true,
        }
    }
}

/// Another one for the same channel, which waits for nothing.
impl<T> Clone for PollSender<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            state: State::Idle,
            spare: None,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for PollSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollSender")
            .field("sender", &self.sender)
            .field("state", &self.state.name())
            .finish()
    }
}

#[cfg(feature = "stream")]
impl<T: Send + 'static> futures_sink::Sink<T> for PollSender<T> {
    type Error = PollSendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::into_inner(self).poll_reserve(cx)
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), Self::Error> {
        Pin::into_inner(self).send_item(item)
    }

    /// What was sent is in the channel.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::into_inner(self).close();
        Poll::Ready(Ok(()))
    }
}
