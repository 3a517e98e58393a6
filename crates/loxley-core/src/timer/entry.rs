//! The part of a sleeping future that a wheel links: registered lazily, cancelled by its drop.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::wheel::{Link, State};
use super::{Closed, Timers};
use crate::primitive::Arc;

pin_project! {
    /// One timer. It is pinned because its wheel points at it; it enters a wheel at its first poll.
    pub struct Entry {
        #[pin]
        link: Link,
        // The wheel of the last registration; kept after the firing.
        home: Option<Arc<Timers>>,
    }

    impl PinnedDrop for Entry {
        fn drop(this: Pin<&mut Self>) {
            this.withdraw();
        }
    }
}

impl Entry {
    /// A timer that waits for nothing yet.
    pub fn new() -> Self {
        Self {
            link: Link::new(),
            home: None,
        }
    }

    /// Waits until `fire_at`; ready for ever after, until a `reset`.
    ///
    /// The first poll registers the entry with `timers` for `fire_at`; later ones ignore the two. `own` says
    /// that the calling thread is the tenant of that station, so that it need not be told of the deadline.
    #[inline]
    pub fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        timers: &Arc<Timers>,
        own: bool,
        fire_at: u64,
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
        self.link.waker().register(cx.waker()); // T1
        match self.enter(timers, own, fire_at) {
            Ok(()) => Poll::Pending,
            Err(closed) => Poll::Ready(Err(closed)),
        }
    }

    /// Moves the timer to `fire_at`, and to the wheel of `timers`, whatever has become of it.
    ///
    /// A timer that somebody waits for is registered at once and keeps its waker, so that the task is woken
    /// even if it does not poll again; any other one is registered by its next poll.
    pub fn reset(mut self: Pin<&mut Self>, timers: &Arc<Timers>, own: bool, fire_at: u64) {
        if self.as_mut().withdraw() && self.as_mut().enter(timers, own, fire_at).is_err() {
            if let Some(waker) = self.link.waker().take() {
                waker.wake();
            }
        }
    }

    /// True once the deadline has come.
    pub fn has_fired(&self) -> bool {
        self.link.state() == State::Fired
    }

    fn enter(
        self: Pin<&mut Self>,
        timers: &Arc<Timers>,
        own: bool,
        fire_at: u64,
    ) -> Result<(), Closed> {
        let this = self.project();
        // Before the insert: a linked entry has a home, whatever happens.
        if !this
            .home
            .as_ref()
            .is_some_and(|home| Arc::ptr_eq(home, timers))
        {
            *this.home = Some(timers.clone());
        }
        timers.insert(this.link, fire_at, own)
    }

    /// Leaves the wheel; true if the timer was still waiting.
    #[inline]
    fn withdraw(self: Pin<&mut Self>) -> bool {
        let mut this = self.project();
        let waiting = match this.home {
            Some(home) if this.link.is_held() => home.remove(this.link.as_mut()),
            _ => false,
        };
        this.link.rearm();
        waiting
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.link.state()).finish()
    }
}
