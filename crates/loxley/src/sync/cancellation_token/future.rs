//! Waiting for a token.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use loxley_core::coop;
use pin_project_lite::pin_project;

use super::tree::Node;
use crate::sync::waiters::{Keeper, Waiter};

pin_project! {
    /// The future of [`CancellationToken::cancelled`](super::CancellationToken::cancelled).
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = loxley::sync::CancellationToken::new();
    /// let waiting: loxley::sync::WaitForCancellationFuture<'_> = token.cancelled();
    /// token.cancel();
    /// waiting.await;
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WaitForCancellationFuture<'a> {
        #[pin]
        waiter: Waiter<&'a Node>,
    }
}

pin_project! {
    /// The future of [`CancellationToken::cancelled_owned`](super::CancellationToken::cancelled_owned).
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = loxley::sync::CancellationToken::new();
    /// let waiting: loxley::sync::WaitForCancellationFutureOwned = token.clone().cancelled_owned();
    /// token.cancel();
    /// waiting.await;
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WaitForCancellationFutureOwned {
        #[pin]
        waiter: Waiter<Arc<Node>>,
    }
}

impl<'a> WaitForCancellationFuture<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        Self {
            waiter: Waiter::new(node),
        }
    }
}

impl WaitForCancellationFutureOwned {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            waiter: Waiter::new(node),
        }
    }
}

fn poll<K: Keeper<Home = Node>>(mut waiter: Pin<&mut Waiter<K>>, cx: &mut Context<'_>) -> Poll<()> {
    let unit = ready!(coop::poll_proceed(cx));
    if !waiter.keeper().home().is_cancelled() {
        if waiter.has_entered() {
            ready!(waiter.as_mut().poll_served(Some(cx.waker())));
        } else {
            let waker = Some(cx.waker().clone());
            // Looked at once more under the lock: whoever cancels marks first, and serves then.
            if waiter.enter(waker, |node, _| (!node.is_cancelled()).then_some(())) {
                return Poll::Pending;
            }
        }
    }
    unit.made_progress();
    Poll::Ready(())
}

impl Future for WaitForCancellationFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        poll(self.project().waiter, cx)
    }
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        poll(self.project().waiter, cx)
    }
}

/// The output of `future`, unless `end` comes first.
pub(super) async fn first<F: Future>(
    mut end: Pin<&mut WaitForCancellationFuture<'_>>,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    poll_fn(|cx| match end.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}

impl fmt::Debug for WaitForCancellationFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFuture")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WaitForCancellationFutureOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFutureOwned")
            .finish_non_exhaustive()
    }
}
