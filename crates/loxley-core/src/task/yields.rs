//! Giving way to the others.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future of [`yield_now`].
#[derive(Debug, Default)]
#[must_use = "yielding does nothing unless it is awaited"]
pub struct YieldNow {
    yielded: bool,
}

/// Lets the tasks that wait run first: the caller goes to the tail of its worker's queue.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// runtime.block_on(async {
///     for _ in 0..3 {
///         loxley_core::task::yield_now().await;
///     }
/// });
/// # assert_eq!(runtime.metrics().num_alive_tasks(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow::default()
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        // A wake of a running task sends it to the tail, whoever wakes it.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
