//! A child of a group: a future that waits for its turn, ends with its group, and tells the group when it fails.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use loxley_core::coop;
use pin_project_lite::pin_project;

use crate::sync::{
    CancellationToken, DropGuard, OwnedSemaphorePermit, PollSemaphore, Semaphore,
    WaitForCancellationFutureOwned,
};

pin_project! {
    /// Gives the child's number, and its result unless it was cancelled.
    pub(super) struct Child<F> {
        number: usize,
        // Before the permit: it has ended when the next one begins.
        #[pin]
        future: F,
        turn: Option<Turn>,
        #[pin]
        cancelled: WaitForCancellationFutureOwned,
        // Dropped by whatever ends the child; only a success disarms it. `None`: it has.
        failed: Option<DropGuard>,
    }
}

impl<F> Child<F> {
    /// Asks for the turn now: children run in the order of their spawns.
    pub(super) fn new(
        number: usize,
        future: F,
        limit: Option<&Arc<Semaphore>>,
        token: &CancellationToken,
    ) -> Self {
        Self {
            number,
            future,
            turn: limit.map(|limit| Turn::ask(limit.clone())),
            cancelled: token.clone().cancelled_owned(),
            failed: Some(token.clone().drop_guard()),
        }
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for Child<F> {
    type Output = (usize, Option<Result<T, E>>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.cancelled.poll(cx).is_ready() {
            return Poll::Ready((*this.number, None));
        }
        if let Some(turn) = this.turn {
            ready!(turn.poll(cx));
        }
        let result = ready!(this.future.poll(cx));
        if result.is_ok() {
            let failed = this.failed.take();
            drop(failed.map(DropGuard::disarm));
        }
        Poll::Ready((*this.number, Some(result)))
    }
}

/// A place in the queue for a permit, then the permit.
struct Turn {
    queue: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    fn ask(limit: Arc<Semaphore>) -> Self {
        let mut turn = Self {
            queue: PollSemaphore::new(limit),
            permit: None,
        };
        // Nobody is woken: the child asks again in its first poll. The spawner's budget has nothing to do with it.
        let asked = coop::unconstrained(poll_fn(|cx| turn.poll(cx)));
        let _ = pin!(asked).poll(&mut Context::from_waker(Waker::noop()));
        turn
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.permit.is_none() {
            // The semaphore is never closed, so there is one.
            self.permit = ready!(self.queue.poll_acquire(cx));
        }
        Poll::Ready(())
    }
}
