//! How long does a wake from outside of the pool take?
//!
//! A thread that is no worker rings a bell every 150 µs; the task that waits for it notes how long ago that was.
//!
//! - `wake_idle`: nothing else runs, so the worker must be fetched out of its sleep.
//! - `wake_busy`: two tasks per worker compute 5 µs and yield, all the time. Nobody sleeps; how soon
//!   does a worker look at what came from outside?

use std::future::poll_fn;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;

use crate::harness::{Amount, Plan, Row, Runtime, lower};
use crate::meter::{Meter, Sample, histogram, nanos};
use crate::runtimes::forms;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "wake_idle",
        question: "how long does a wake from outside take when the pool sleeps?",
        amount: Amount::Ops(4_000),
        workers: None,
        metrics: &[
            lower("p50 µs", "p50_us"),
            lower("p99 µs", "p99_us"),
            lower("p99.9 µs", "p999_us"),
        ],
        forms: forms!(R => |plan| wake::<R>(plan, false)),
    },
    Row {
        name: "wake_busy",
        question: "how long does a wake from outside take when every worker is busy?",
        amount: Amount::Ops(4_000),
        workers: None,
        metrics: &[
            lower("p50 µs", "p50_us"),
            lower("p99 µs", "p99_us"),
            lower("p99.9 µs", "p999_us"),
        ],
        forms: forms!(R => |plan| wake::<R>(plan, true)),
    },
];

/// What the outside thread and the task share.
struct Bell {
    waker: AtomicWaker,
    start: Instant,
    /// When it was rung, in ns after `start`; 0 when it was heard. Written by the ringer, cleared by the task.
    rung: AtomicU64,
    heard: AtomicU64,
    over: AtomicBool,
}

fn wake<R: Runtime>(plan: &Plan, busy: bool) -> Sample {
    let (warm_up, ops) = (plan.warm_up_amount(), plan.amount);
    let runtime = R::start(plan.workers);
    let bell = Arc::new(Bell {
        waker: AtomicWaker::new(),
        start: Instant::now(),
        rung: AtomicU64::new(0),
        heard: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    if busy {
        for _ in 0..2 * plan.workers {
            let bell = Arc::clone(&bell);
            R::detach(runtime.spawn_outside(async move {
                while !bell.over.load(Ordering::Relaxed) {
                    compute(Duration::from_micros(5));
                    R::yield_now().await;
                }
            }));
        }
    }
    let meter = Meter::start();
    let listener = runtime.spawn_outside(listen(Arc::clone(&bell), warm_up, ops));
    for number in 0..warm_up + ops {
        thread::sleep(Duration::from_micros(150));
        while bell.heard.load(Ordering::Relaxed) < number {
            thread::sleep(Duration::from_micros(150));
        }
        // Release: pairs with the swap in `listen`, which must see a time that was taken before.
        bell.rung
            .store(nanos(bell.start.elapsed()), Ordering::Release);
        bell.waker.wake();
    }
    let histogram = runtime.run(async { R::join(listener).await });
    bell.over.store(true, Ordering::Relaxed);
    meter.stop(ops).with_percentiles(&histogram)
}

/// Hears the bell so many times and returns how late each was; the first ones are not counted.
async fn listen(bell: Arc<Bell>, warm_up: u64, ops: u64) -> hdrhistogram::Histogram<u64> {
    let mut late = histogram();
    for number in 0..warm_up + ops {
        let rung = poll_fn(|cx| {
            bell.waker.register(cx.waker());
            // Acquire: pairs with the ringer's store.
            match bell.rung.swap(0, Ordering::Acquire) {
                0 => Poll::Pending,
                rung => Poll::Ready(rung),
            }
        })
        .await;
        if number >= warm_up {
            late.record(nanos(bell.start.elapsed()).saturating_sub(rung))
                .expect("it grows");
        }
        bell.heard.store(number + 1, Ordering::Relaxed);
    }
    late
}

fn compute(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        hint::spin_loop();
    }
}
