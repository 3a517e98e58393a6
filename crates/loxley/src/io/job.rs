//! [`Job`]: one blocking call on another thread, and the wait for it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loxley_core::shared::shut_down;
use parking_lot::Mutex;

use crate::task::spawn_blocking;

/// The most bytes that one job carries.
pub(crate) const MAX_BUF: usize = 2 * 1024 * 1024;

/// A call under way on another thread, and then its result. Only the waker of the last poll is kept.
#[derive(Debug)]
pub(crate) struct Job<T>(Arc<Mutex<Progress<T>>>);

#[derive(Debug)]
enum Progress<T> {
    Running(Option<Waker>),
    /// `None`: it never ran, since the pool has closed.
    Done(Option<T>),
}

impl<T: Send + 'static> Job<T> {
    /// On the runtime's blocking pool.
    #[track_caller]
    pub(crate) fn on_pool(f: impl FnOnce() -> T + Send + 'static) -> Job<T> {
        let (job, end) = Job::new();
        drop(spawn_blocking(move || end.with(f())));
        job
    }

    /// On a thread of its own, which no runtime waits for.
    #[cfg(feature = "io-std")]
    pub(crate) fn on_thread(f: impl FnOnce() -> T + Send + 'static) -> io::Result<Job<T>> {
        let (job, end) = Job::new();
        std::thread::Builder::new()
            .name("loxley-stdin".into())
            .spawn(move || end.with(f()))?;
        Ok(job)
    }

    fn new() -> (Job<T>, End<T>) {
        let progress = Arc::new(Mutex::new(Progress::Running(None)));
        (Job(progress.clone()), End(progress))
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let waker = cx.waker().clone();
        let mut progress = self.0.lock();
        match &mut *progress {
            Progress::Running(place) => {
                let old = place.replace(waker);
                drop(progress);
                drop(old);
                Poll::Pending
            }
            Progress::Done(result) => {
                let result = result.take();
                drop(progress);
                Poll::Ready(result.ok_or_else(shut_down))
            }
        }
    }
}

/// The thread's side of a [`Job`]; dropped without a result, it says so.
struct End<T>(Arc<Mutex<Progress<T>>>);

impl<T> End<T> {
    fn with(self, result: T) {
        self.finish(Some(result));
    }

    fn finish(&self, result: Option<T>) {
        let mut progress = self.0.lock();
        let before = match &*progress {
            Progress::Running(_) => std::mem::replace(&mut *progress, Progress::Done(result)),
            Progress::Done(_) => return,
        };
        drop(progress);
        if let Progress::Running(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        self.finish(None);
    }
}
