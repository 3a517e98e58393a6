//! [`PollSemaphore`].

#[cfg(feature = "stream")]
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::{AcquireError, OwnedSemaphorePermit, ReusableBoxFuture, Semaphore, TryAcquireError};

type Acquiring = ReusableBoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>;

/// A [`Semaphore`] that is asked by a `poll` method, for types that wait in one of their own.
///
/// It keeps its place in the queue between two polls. Dropping it gives the place up.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::{PollSemaphore, Semaphore};
/// use std::{future::poll_fn, sync::Arc};
///
/// let mut semaphore = PollSemaphore::new(Arc::new(Semaphore::new(1)));
/// let permit = poll_fn(|cx| semaphore.poll_acquire(cx)).await.unwrap();
/// assert_eq!(semaphore.available_permits(), 0);
/// drop(permit);
/// semaphore.close();
/// assert!(poll_fn(|cx| semaphore.poll_acquire(cx)).await.is_none());
/// # });
/// ```
pub struct PollSemaphore {
    semaphore: Arc<Semaphore>,
    /// For how many permits it waits, or waited last; and whether it does now.
    waits: Option<(u32, Acquiring)>,
    is_waiting: bool,
}

impl PollSemaphore {
    /// Asks `semaphore`.
    pub fn new(semaphore: Arc<Semaphore>) -> Self {
        Self {
            semaphore,
            waits: None,
            is_waiting: false,
        }
    }

    /// Closes the semaphore: see [`Semaphore::close`].
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// The semaphore.
    pub fn clone_inner(&self) -> Arc<Semaphore> {
        self.semaphore.clone()
    }

    /// The semaphore; a place in its queue is given up.
    pub fn into_inner(self) -> Arc<Semaphore> {
        self.semaphore
    }

    /// As [`poll_acquire_many`](PollSemaphore::poll_acquire_many), for one permit.
    pub fn poll_acquire(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        self.poll_acquire_many(cx, 1)
    }

    /// Waits for `permits`; `None`: the semaphore is closed.
    ///
    /// Only the task that polled last is woken. Asking for another number than in the poll before gives the place in the
    /// queue up, and takes a new one at its end.
    pub fn poll_acquire_many(
        &mut self,
        cx: &mut Context<'_>,
        permits: u32,
    ) -> Poll<Option<OwnedSemaphorePermit>> {
        let semaphore = || Arc::clone(&self.semaphore);
        let same = self.is_waiting && self.waits.as_ref().is_some_and(|(it, _)| *it == permits);
        if !same {
            if !self.is_waiting {
                let unit = ready!(coop::poll_proceed(cx));
                match semaphore().try_acquire_many_owned(permits) {
                    Err(TryAcquireError::NoPermits) => {}
                    ended => {
                        unit.made_progress();
                        return Poll::Ready(ended.ok());
                    }
                }
            }
            let acquiring = semaphore().acquire_many_owned(permits);
            match &mut self.waits {
                Some((wanted, future)) => {
                    future.set(acquiring);
                    *wanted = permits;
                }
                none => *none = Some((permits, ReusableBoxFuture::new(acquiring))),
            }
            self.is_waiting = true;
        }
        let Some((_, future)) = &mut self.waits else {
            unreachable!("it waits");
        };
        let permit = ready!(future.poll(cx));
        self.is_waiting = false;
        Poll::Ready(permit.ok())
    }

    /// How many permits are free now.
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// Adds `n` permits: see [`Semaphore::add_permits`].
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.semaphore.add_permits(n);
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for PollSemaphore {
    type Item = OwnedSemaphorePermit;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        Pin::into_inner(self).poll_acquire(cx)
    }
}

/// Another one for the same semaphore, which waits for nothing.
impl Clone for PollSemaphore {
    fn clone(&self) -> Self {
        Self::new(self.clone_inner())
    }
}

impl AsRef<Semaphore> for PollSemaphore {
    fn as_ref(&self) -> &Semaphore {
        &self.semaphore
    }
}

impl std::fmt::Debug for PollSemaphore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollSemaphore")
            .field("semaphore", &self.semaphore)
            .field("is_waiting", &self.is_waiting)
            .finish()
    }
}
