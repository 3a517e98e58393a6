//! Why a value was not sent, or nothing will change any more.

use std::error::Error;
use std::fmt;

/// There is no receiver; holds the value.
///
/// ```
/// let (sender, receiver) = loxley::sync::watch::channel(1);
/// drop(receiver);
/// assert_eq!(sender.send(2).unwrap_err().0, 2);
/// ```
#[derive(PartialEq, Eq, Clone, Copy)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T> Error for SendError<T> {}

/// All senders are gone.
///
/// ```
/// let (sender, receiver) = loxley::sync::watch::channel(1);
/// drop(sender);
/// assert_eq!(receiver.has_changed().unwrap_err().to_string(), "channel closed");
/// ```
#[derive(Debug, Clone)]
pub struct RecvError(());

impl RecvError {
    pub(super) fn closed() -> Self {
        Self(())
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl Error for RecvError {}
