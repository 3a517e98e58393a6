//! [`Root`]. In a file of its own: `frames.rs` knows it by that.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Trace;

pin_project! {
    /// The future of [`Trace::root`].
    #[derive(Clone, Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Root<F> {
        #[pin]
        future: F,
    }
}

impl Trace {
    /// Lets the backtraces of what is [captured](Trace::capture) inside `future` end at its poll, instead of at that of the
    /// task.
    pub fn root<F: Future>(future: F) -> Root<F> {
        Root { future }
    }
}

impl<F: Future> Future for Root<F> {
    type Output = F::Output;

    // Not inlined: on a stack without debug information nothing would be left of it.
    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let output = self.project().future.poll(cx);
        // Not a tail call either.
        std::hint::black_box(output)
    }
}
