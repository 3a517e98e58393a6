//! The part of a sleeping future that a wheel links: registered lazily, cancelled by its drop.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::wheel::{Link, State};
use super::{Closed, Deadline, Timers};
use crate::primitive::Arc;

pin_project! {
    /// One timer. It is pinned because its wheel points at it; it enters a wheel at its first poll.
    pub struct Entry {
        #[pin]
        link: Link,
        // The wheel of the last registration, or of the runtime that it was made for.
        home: Arc<Timers>,
    }

    impl PinnedDrop for Entry {
        fn drop(this: Pin<&mut Self>) {
            this.withdraw();
        }
    }
}

/// The wheel of the calling thread.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    pub timers: &'a Arc<Timers>,
    /// The thread is the tenant of that station, so that it need not be told of a deadline.
    pub own: bool,
}

impl Entry {
    /// A timer that waits for nothing yet.
    pub fn new(home: Arc<Timers>) -> Self {
        Self {
            link: Link::new(),
            home,
        }
    }

    /// The wheel that it is in, or will be in if nobody names another one.
    pub fn home(&self) -> &Arc<Timers> {
        &self.home
    }

    /// Waits until `deadline`; ready for ever after, until a `reset`.
    ///
    /// The first poll registers the entry for `deadline`, in the wheel that is `here` if there is one; later ones ignore
    /// the two.
    #[inline]
    pub fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        here: Option<Here<'_>>,
        deadline: impl Into<Deadline>,
    ) -> Poll<Result<(), Closed>> {
        match self.link.state() {
            State::Idle => {}
            State::Fired => return Poll::Ready(Ok(())),
            State::Closed => return Poll::Ready(Err(Closed)),
            State::Linked => {
                self.link.waker().register(cx.waker()); // T2
                return match self.link.state() {
                    State::Fired => Poll::Ready(Ok(())),
                    State::Closed => Poll::Ready(Err(Closed)),
                    State::Idle | State::Linked => Poll::Pending,
                };
            }
        }
        let old = self.as_mut().project().link.set_waker(cx.waker().clone()); // T1
        drop(old);
        match self.enter(here, deadline.into()) {
            Ok(()) => Poll::Pending,
            Err(closed) => Poll::Ready(Err(closed)),
        }
    }

    /// Moves the timer to `deadline`, and to the wheel that is `here`, whatever has become of it.
    ///
    /// A timer that somebody waits for is registered at once and keeps its waker, so that the task is woken
    /// even if it does not poll again; any other one is registered by its next poll.
    pub fn reset(mut self: Pin<&mut Self>, here: Option<Here<'_>>, deadline: impl Into<Deadline>) {
        if self.as_mut().withdraw() && self.as_mut().enter(here, deadline.into()).is_err() {
            if let Some(waker) = self.link.waker().take() {
                waker.wake();
            }
        }
    }

    /// Leaves its wheel and wakes whoever waits, because the new deadline has passed already.
    pub fn end(mut self: Pin<&mut Self>) {
        if self.as_mut().withdraw() {
            if let Some(waker) = self.link.waker().take() {
                waker.wake();
            }
        }
    }

    /// True if no wheel knows it: it has not been polled since it was made or reset.
    #[cfg(feature = "test-util")]
    pub fn is_idle(&self) -> bool {
        self.link.state() == State::Idle
    }

    /// True once the deadline has come.
    pub fn has_fired(&self) -> bool {
        self.link.state() == State::Fired
    }

    /// Part of whoever calls it: a frame of its own is a fifth of its instructions.
    #[inline(always)]
    fn enter(
        self: Pin<&mut Self>,
        here: Option<Here<'_>>,
        deadline: Deadline,
    ) -> Result<(), Closed> {
        let this = self.project();
        let own = match here {
            Some(Here { timers, own }) => {
                // Before the insert: a linked entry keeps its wheel alive, whatever happens.
                if !Arc::ptr_eq(this.home, timers) {
                    *this.home = timers.clone();
                }
                own
            }
            None => false,
        };
        this.home.insert(this.link, deadline, own)
    }

    /// Leaves the wheel; true if the timer was still waiting.
    #[inline]
    fn withdraw(self: Pin<&mut Self>) -> bool {
        let mut this = self.project();
        if this.link.is_held() && this.home.remove(this.link.as_mut()) {
            return true;
        }
        this.link.rearm();
        false
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.link.state()).finish()
    }
}
