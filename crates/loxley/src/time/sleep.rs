//! [`Sleep`]: one wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use loxley_core::time as core;
use pin_project_lite::pin_project;

use super::Instant;

/// Waits until `deadline`.
///
/// Completes at once if the deadline has passed. Never early.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_time`](crate::runtime::Builder::enable_time).
///
/// # Cancellation
///
/// Dropping the future takes the timer out of its wheel; nothing stays behind.
///
/// # Examples
///
/// ```
/// use loxley::time::{Duration, Instant, sleep_until};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// let deadline = Instant::now() + Duration::from_millis(2);
/// sleep_until(deadline).await;
/// assert!(Instant::now() >= deadline);
/// # }
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        inner: core::Sleep::until(deadline.into_std()),
    }
}

/// Waits for `duration`, counted from this call.
///
/// A duration that the clock cannot count, such as [`Duration::MAX`], saturates: the sleep is then decades
/// long. One of 8 ms or more may end up to a millisecond late if another timer has just ended, to share a wake with others.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_time`](crate::runtime::Builder::enable_time).
///
/// # Cancellation
///
/// Dropping the future takes the timer out of its wheel; nothing stays behind.
///
/// # Examples
///
/// ```
/// use loxley::time::{Duration, Instant, sleep};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// let start = Instant::now();
/// sleep(Duration::from_millis(2)).await;
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # }
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        inner: core::Sleep::after(duration),
    }
}

pin_project! {
    /// The future of [`sleep`](fn@sleep) and [`sleep_until`].
    ///
    /// It must be pinned to be polled more than once, for example with [`std::pin::pin!`]; it can then be
    /// used again with [`reset`](Sleep::reset).
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Sleep {
        #[pin]
        inner: core::Sleep,
    }
}

impl Sleep {
    /// When it completes.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::from_std(self.inner.deadline())
    }

    /// Whether it has completed: true once the timer has fired.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.inner.is_elapsed()
    }

    /// Sets a new deadline, earlier or later, also after completion.
    ///
    /// The timer moves into the wheel of the worker that polls it next. The task that waits for it need not
    /// be polled for the new deadline to hold.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut nap = pin!(sleep(Duration::from_secs(3600)));
    /// nap.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// nap.as_mut().await;
    /// assert!(nap.is_elapsed());
    /// # }
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.project().inner.reset(deadline.into_std());
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("is_elapsed", &self.is_elapsed())
            .finish()
    }
}
