//! The channels and locks of `loxley::sync`.

mod broadcast;
mod mpsc;
mod notify;
mod oneshot;
mod semaphore;
mod waiters;
mod watch;

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use loom::thread;
use loom_tests::{Twin, Woken};
use loxley_core::doors::fault::How;

/// Waits for a future on this thread; a wake that is lost is a deadlock.
fn run<F: Future>(future: F) -> F::Output {
    let (woken, waker) = Woken::new();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        woken.wait();
        // A waker slot that is being emptied wakes again and again until that is done.
        thread::yield_now();
    }
}

/// Polls once, with a waker that wakes nobody.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const fn twin(
    file: &'static str,
    after: &'static str,
    line: &'static str,
    how: How,
) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how,
    })
}
