//! [`FutureExt`].

use std::future::Future;
use std::time::Duration;

#[cfg(feature = "sync")]
use self::cancellable::{WithCancellationTokenFuture, WithCancellationTokenFutureOwned};
#[cfg(feature = "sync")]
use crate::sync::CancellationToken;
use crate::time::{Instant, Timeout};

/// Limits, as methods of any future.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::time::FutureExt;
/// use std::time::Duration;
///
/// let answer = async { 5 }.timeout(Duration::from_secs(60)).await;
/// assert_eq!(answer.unwrap(), 5);
/// # });
/// ```
pub trait FutureExt: Future {
    /// As [`timeout`](super::timeout()).
    #[track_caller]
    fn timeout(self, timeout: Duration) -> Timeout<Self>
    where
        Self: Sized,
    {
        super::timeout(timeout, self)
    }

    /// As [`timeout_at`](super::timeout_at).
    #[track_caller]
    fn timeout_at(self, deadline: Instant) -> Timeout<Self>
    where
        Self: Sized,
    {
        super::timeout_at(deadline, self)
    }

    /// As [`CancellationToken::run_until_cancelled`]: `None` if the token was cancelled first.
    #[cfg(feature = "sync")]
    fn with_cancellation_token(
        self,
        cancellation_token: &CancellationToken,
    ) -> WithCancellationTokenFuture<'_, Self>
    where
        Self: Sized,
    {
        WithCancellationTokenFuture::new(cancellation_token.cancelled(), self)
    }

    /// As [`CancellationToken::run_until_cancelled_owned`]: `None` if the token was cancelled first.
    #[cfg(feature = "sync")]
    fn with_cancellation_token_owned(
        self,
        cancellation_token: CancellationToken,
    ) -> WithCancellationTokenFutureOwned<Self>
    where
        Self: Sized,
    {
        WithCancellationTokenFutureOwned::new(cancellation_token.cancelled_owned(), self)
    }
}

impl<T: Future + ?Sized> FutureExt for T {}

#[cfg(feature = "sync")]
pub(super) mod cancellable {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use pin_project_lite::pin_project;

    use crate::sync::{WaitForCancellationFuture, WaitForCancellationFutureOwned};

    macro_rules! cancellable {
        ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)?, $cancelled:ty) => {
            pin_project! {
                $(#[$doc])*
                #[must_use = "futures do nothing unless polled"]
                #[derive(Debug)]
                pub struct $name<$($life,)? F> {
                    #[pin]
                    cancelled: $cancelled,
                    #[pin]
                    future: F,
                }
            }

            impl<$($life,)? F> $name<$($life,)? F> {
                pub(in crate::time) fn new(cancelled: $cancelled, future: F) -> Self {
                    Self { cancelled, future }
                }
            }

            impl<$($life,)? F: Future> Future for $name<$($life,)? F> {
                type Output = Option<F::Output>;

                fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                    let this = self.project();
                    // Of both at the same time the cancellation counts.
                    if this.cancelled.poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    this.future.poll(cx).map(Some)
                }
            }
        };
    }

    cancellable! {
        /// The future of [`FutureExt::with_cancellation_token`](crate::time::FutureExt::with_cancellation_token).
        WithCancellationTokenFuture<'a>, WaitForCancellationFuture<'a>
    }

    cancellable! {
        /// The future of
        /// [`FutureExt::with_cancellation_token_owned`](crate::time::FutureExt::with_cancellation_token_owned).
        WithCancellationTokenFutureOwned, WaitForCancellationFutureOwned
    }
}
