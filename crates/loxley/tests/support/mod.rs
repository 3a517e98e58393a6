//! What the tests of `sync` and `task` share.

#![allow(
    dead_code,
    reason = "each test is a program of its own and uses a part of this"
)]

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loxley::runtime::{Builder, Runtime};

/// A pool of so many workers.
pub fn multi(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// A runtime on the calling thread.
pub fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The three kinds of runtime on which each law holds: current-thread, one worker, four workers.
pub fn runtimes() -> [Runtime; 3] {
    [current(), multi(1), multi(4)]
}

/// Runs a law as a task of each kind of runtime.
#[track_caller]
pub fn each<F, T>(law: F)
where
    F: Fn() -> T,
    T: Future<Output = ()> + Send + 'static,
{
    for runtime in runtimes() {
        let task = runtime.spawn(law());
        if let Err(error) = runtime.block_on(task) {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// The message of a panic.
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = std::panic::catch_unwind(AssertUnwindSafe(|| drop(f()))).expect_err("no panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Counts wakes.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is polled by hand.
#[derive(Debug)]
pub struct Probe<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

/// Takes a future to be polled by hand.
pub fn probe<F: Future>(future: F) -> Probe<F> {
    Probe {
        future: Box::pin(future),
        wakes: Arc::default(),
    }
}

impl<F: Future> Probe<F> {
    /// Polls once; forgets the wakes before.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.wakes.0.store(0, Ordering::SeqCst);
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls once and gives the output.
    #[track_caller]
    pub fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future should be ready"),
        }
    }

    /// Polls once and is content with waiting.
    #[track_caller]
    pub fn pending(&mut self) {
        assert!(self.poll().is_pending(), "the future should wait");
    }

    /// How often it was woken since the last poll.
    pub fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }

    /// True if it was woken since the last poll.
    pub fn is_woken(&self) -> bool {
        self.wakes() > 0
    }

    /// How many clones of its waker somebody holds.
    pub fn wakers_held(&self) -> usize {
        Arc::strong_count(&self.wakes) - 1
    }

    /// The future, pinned.
    pub fn as_mut(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}

/// A small random generator; prints its seed, so that a failure can be repeated.
pub struct Random(u64);

impl Random {
    /// From `LOXLEY_SEED`, or from the time.
    pub fn new() -> Self {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let seed = std::env::var("LOXLEY_SEED").ok();
        let seed = seed.map_or(now.as_nanos() as u64 | 1, |seed| seed.parse().unwrap());
        println!("LOXLEY_SEED={seed}");
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// True if a type is `Send`, `Sync` or `Unpin`; see [`auto_traits`].
#[macro_export]
macro_rules! auto_traits {
    ($($type:ty: $send:tt $sync:tt $unpin:tt;)*) => {$(
        $crate::auto_traits!(# $type, Send, $send);
        $crate::auto_traits!(# $type, Sync, $sync);
        $crate::auto_traits!(# $type, Unpin, $unpin);
    )*};
    (# $type:ty, $trait:ident, yes) => {{
        fn check<T: ?Sized + $trait>() {}
        check::<$type>();
    }};
    (# $type:ty, $trait:ident, no) => {{
        // Two candidates if the trait holds: then this does not compile.
        trait Ambiguous<A> {
            fn item() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        #[allow(dead_code, reason = "it is there to make a call ambiguous")]
        struct Holds;
        impl<T: ?Sized + $trait> Ambiguous<Holds> for T {}
        <$type as Ambiguous<_>>::item();
    }};
}

/// The type of a value that nobody has.
pub fn type_of<T>(_: impl FnOnce() -> T) -> std::marker::PhantomData<T> {
    std::marker::PhantomData
}

/// Compiles if the future crosses threads.
pub fn assert_send_sync<T: Send + Sync>(_: &T) {}
