//! [`timeout`](fn@timeout): a future and a deadline, whichever comes first.
//!
//! 1. The inner future is polled first, so that an answer that is there wins over a deadline that has passed.
//! 2. Then the timer. If the inner future has spent the last of the task's budget, the timer is polled
//!    without one; otherwise a future that always has something to do would never see its deadline
//!    (tokio issue 4314; test `a_timeout_fires_although_the_inner_future_spends_every_budget`).

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use loxley_core::coop;
use pin_project_lite::pin_project;

use super::error::Elapsed;
use super::{Instant, Sleep, sleep, sleep_until};

/// Gives `future` at most `duration`, counted from this call.
///
/// The future is polled before the clock is asked: one that completes in its first poll succeeds even with
/// a zero duration. When the time runs out the future is dropped with this one, not before; take it out with
/// [`Timeout::into_inner`] or [`Timeout::get_mut`] to go on with it.
///
/// # Errors
///
/// [`Elapsed`] if the time ran out first.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_time`](crate::runtime::Builder::enable_time).
///
/// # Cancellation
///
/// Dropping it drops the inner future and the timer.
///
/// # Examples
///
/// ```
/// use loxley::time::{Duration, timeout};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(timeout(Duration::from_secs(5), async { 7 }).await, Ok(7));
/// assert!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
/// # }
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        value: future.into_future(),
        delay: sleep(duration),
    }
}

/// Gives `future` until `deadline`; otherwise as [`timeout`](fn@timeout).
///
/// # Errors
///
/// [`Elapsed`] if the deadline passed first.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_time`](crate::runtime::Builder::enable_time).
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        value: future.into_future(),
        delay: sleep_until(deadline),
    }
}

pin_project! {
    /// The future of [`timeout`](fn@timeout) and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Timeout<T> {
        #[pin]
        value: T,
        #[pin]
        delay: Sleep,
    }
}

impl<T> Timeout<T> {
    /// The future that has the deadline.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The future that has the deadline.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The future, without the deadline.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(value) = me.value.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        let spent_here = had_budget && !coop::has_budget_remaining();
        let fired = if spent_here {
            Pin::new(&mut coop::unconstrained(me.delay)).poll(cx)
        } else {
            me.delay.poll(cx)
        };
        fired.map(|()| Err(Elapsed::new()))
    }
}
