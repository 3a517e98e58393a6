//! Waiting for a future on a thread that drives no tasks: what `blocking_*` stand on.
//!
//! No runtime is needed: the thread parks until the future's waker unparks it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `future`; `call` is what the user called and `instead` what to call here.
///
/// # Panics
///
/// If this thread drives async tasks.
#[track_caller]
pub(crate) fn wait_for<F: Future>(future: F, call: &str, instead: &str) -> F::Output {
    assert!(
        loxley_core::shared::may_block(),
        "`{call}` would block a thread that drives async tasks, and stop them: use `{instead}` here, or call it \
         inside `task::block_in_place` or `task::spawn_blocking`"
    );
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    // Mostly there is nothing to wait for; then no thread handle is needed.
    if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}
