//! How much memory does a task hold that only waits?
//!
//! Each future holds a counter, its own waker (as every future does that waits for something), 16 bytes of state, and a
//! payload of 0, 64 or 1000 bytes. The answer is resident memory, because that is what an operator pays for; it counts what the allocator
//! adds. Tasks are spawned a thousand at a time and polled before the next thousand, so that no run queue
//! grows with them and is counted in their stead.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use crate::harness::{Amount, CPU_NS, Plan, Row, Runtime, lower};
use crate::meter::{Meter, Sample, resident_bytes};
use crate::runtimes::forms;

/// Tasks spawned before their polls are waited for.
const BATCH: u64 = 1_000;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "memory_0",
        question: "how many bytes does an idle task hold whose future has a counter and its waker?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[lower("bytes/task", "bytes_per_task"), CPU_NS],
        forms: forms!(R => memory::<R, 0>),
    },
    Row {
        name: "memory_64",
        question: "the same with 64 bytes besides?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[lower("bytes/task", "bytes_per_task"), CPU_NS],
        forms: forms!(R => memory::<R, 64>),
    },
    Row {
        name: "memory_1000",
        question: "the same with 1000 bytes besides?",
        amount: Amount::Ops(300_000),
        workers: None,
        metrics: &[lower("bytes/task", "bytes_per_task"), CPU_NS],
        forms: forms!(R => memory::<R, 1000>),
    },
];

/// Waits for ever, holding its own waker.
struct Idle<const PAYLOAD: usize> {
    polled: Arc<AtomicU64>,
    waker: Option<Waker>,
    /// Which task this is, and how often it was polled: the state that a future hardly goes without.
    number: u64,
    polls: u64,
    payload: [u8; PAYLOAD],
}

const _: () = assert!(
    size_of::<Idle<0>>() == 40,
    "figures compare only between futures of one size"
);

impl<const PAYLOAD: usize> Future for Idle<PAYLOAD> {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        self.polls += 1;
        if self.waker.is_none() {
            self.waker = Some(cx.waker().clone());
            self.polled.fetch_add(1, Ordering::Relaxed);
            return Poll::Pending;
        }
        Poll::Ready(
            self.payload
                .iter()
                .fold(self.number ^ self.polls, |sum, byte| sum ^ u64::from(*byte)),
        )
    }
}

fn memory<R: Runtime, const PAYLOAD: usize>(plan: &Plan) -> Sample {
    let ops = plan.amount;
    R::start(plan.workers).run(async move {
        let polled = Arc::new(AtomicU64::new(0));
        // The first thousand pays for what the runtime and the allocator set up once.
        spawn_idle::<R, PAYLOAD>(BATCH, &polled).await;
        let before = resident_bytes().expect("/proc is readable");
        let meter = Meter::start();
        spawn_idle::<R, PAYLOAD>(ops, &polled).await;
        let sample = meter.stop(ops);
        let held = resident_bytes()
            .expect("/proc is readable")
            .saturating_sub(before);
        sample.with("bytes_per_task", held as f64 / ops as f64)
    })
}

async fn spawn_idle<R: Runtime, const PAYLOAD: usize>(ops: u64, polled: &Arc<AtomicU64>) {
    let mut left = ops;
    let mut spawned = polled.load(Ordering::Relaxed);
    while left > 0 {
        let batch = left.min(BATCH);
        for number in 0..batch {
            R::detach(R::spawn(Idle::<PAYLOAD> {
                polled: Arc::clone(polled),
                waker: None,
                number,
                polls: 0,
                payload: std::hint::black_box([1; PAYLOAD]),
            }));
        }
        spawned += batch;
        left -= batch;
        while polled.load(Ordering::Relaxed) < spawned {
            R::yield_now().await;
        }
    }
}
