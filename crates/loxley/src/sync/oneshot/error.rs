//! Why a value was not received.

use std::error::Error;
use std::fmt;

/// The sender is gone, or the receiver was closed, and there is no value.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, receiver) = loxley::sync::oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(receiver.await.unwrap_err().to_string(), "channel closed");
/// # });
/// ```
#[derive(Debug, Eq, PartialEq, Clone)]
pub struct RecvError(());

impl RecvError {
    pub(super) fn gone() -> Self {
        Self(())
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl Error for RecvError {}

/// Why there was no value at once.
///
/// ```
/// use loxley::sync::oneshot::{self, error::TryRecvError};
///
/// let (sender, mut receiver) = oneshot::channel::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// # drop(sender);
/// ```
#[derive(Debug, Eq, PartialEq, Clone)]
pub enum TryRecvError {
    /// The value may still come.
    Empty,
    /// It will not: the sender is gone, or the receiver was closed, or the value has been received.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "channel empty",
            Self::Closed => "channel closed",
        })
    }
}

impl Error for TryRecvError {}
