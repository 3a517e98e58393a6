//! Why a task gave no output.

use std::any::Any;
use std::fmt;
use std::io;

use super::Id;
use crate::primitive::Mutex;

/// A task was aborted, or panicked, before it gave its output.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { panic!("boom") });
/// let error = runtime.block_on(task).unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.into_panic().downcast_ref(), Some(&"boom"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinError {
    id: Id,
    reason: Reason,
}

enum Reason {
    Cancelled,
    /// Boxed: every task has room for its error.
    Panic(Box<Panicked>),
}

struct Panicked {
    /// Taken from the payload at once, because a look into the lock could not lend it.
    message: Option<String>,
    /// Behind a lock so that the error is `Sync`, as whoever wraps errors wants it; the payload is only `Send`.
    payload: Mutex<Option<Payload>>,
}

type Payload = Box<dyn Any + Send + 'static>;

impl JoinError {
    pub(crate) fn cancelled(id: Id) -> Self {
        let reason = Reason::Cancelled;
        Self { id, reason }
    }

    pub(crate) fn panic(id: Id, payload: Payload) -> Self {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
        let reason = Reason::Panic(Box::new(Panicked {
            message: text,
            payload: Mutex::new(Some(payload)),
        }));
        Self { id, reason }
    }

    /// True if the task was aborted, or its runtime shut down.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.reason, Reason::Cancelled)
    }

    /// True if the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panic(_))
    }

    /// The panic's payload, for `std::panic::resume_unwind` or a look at the message.
    ///
    /// # Panics
    ///
    /// If the task did not panic; [`JoinError::try_into_panic`] does not.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("`JoinError` reason is not a panic: {error}"),
        }
    }

    /// The panic's payload, or the error itself if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.reason {
            Reason::Panic(panicked) => Ok(panicked
                .payload
                .lock()
                .take()
                .expect("only `self` takes it, and once")),
            Reason::Cancelled => Err(self),
        }
    }

    /// The task that gave no output.
    pub fn id(&self) -> Id {
        self.id
    }

    fn message(&self) -> Option<&str> {
        match &self.reason {
            Reason::Panic(panicked) => panicked.message.as_deref(),
            Reason::Cancelled => None,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.message()) {
            (Reason::Cancelled, _) => write!(f, "task {} was cancelled", self.id),
            (_, Some(message)) => {
                write!(f, "task {} panicked with message {message:?}", self.id)
            }
            (_, None) => write!(f, "task {} panicked", self.id),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.message()) {
            (Reason::Cancelled, _) => write!(f, "JoinError::Cancelled({:?})", self.id),
            (_, Some(message)) => {
                write!(f, "JoinError::Panic({:?}, {message:?}, ...)", self.id)
            }
            (_, None) => write!(f, "JoinError::Panic({:?}, ...)", self.id),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        let what = match error.reason {
            Reason::Cancelled => "task was cancelled",
            Reason::Panic { .. } => "task panicked",
        };
        io::Error::other(what)
    }
}
