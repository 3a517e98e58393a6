//! What does a task cost, from spawn to join, and how well does the work spread?
//!
//! - `spawn_local`: 10 000 tasks spawned from inside, then joined. The usual burst.
//! - `spawn_one`: one task spawned and joined, again and again. No burst to hide behind.
//! - `chained_spawn`: every task spawns the next one and ends. Spawn without join, always from a worker.
//! - `skynet`: a tree of tasks, ten children each, down to the leaves; parents join. Stealing must help here.
//! - `spawn_remote_1`, `spawn_remote_2`: one or two threads that are no workers spawn. The injector's row.
//! - `blocking_one`, `blocking_64`: a closure on the blocking pool and back, one at a time or 64 at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_channel::oneshot;

use crate::harness::{Amount, CPU_NS, Plan, RATE, Row, Runtime, timed};
use crate::meter::{Meter, Sample};
use crate::runtimes::forms;

/// Tasks in one burst.
const BURST: u64 = 10_000;
/// Tasks that an outside thread spawns before it waits for them.
const REMOTE_BURST: usize = 1_000;
/// Children of a node of the tree.
const FAN_OUT: u64 = 10;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "spawn_local",
        question: "what does a task cost, spawned from inside in bursts of 10 000 and joined?",
        amount: Amount::Ops(3_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, local::<R>)),
    },
    Row {
        name: "spawn_one",
        question: "what does a task cost that is joined before the next one is spawned?",
        amount: Amount::Ops(2_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, one_by_one::<R>)),
    },
    Row {
        name: "chained_spawn",
        question: "what does a task cost that the task before it spawned?",
        amount: Amount::Ops(4_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, chain::<R>)),
    },
    Row {
        name: "skynet",
        question: "what does a leaf cost in a tree of tasks, ten children each, a million leaves?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, skynet::<R>)),
    },
    Row {
        name: "spawn_remote_1",
        question: "what does a task cost that a thread outside of the pool spawns?",
        amount: Amount::Ops(1_500_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| remote::<R>(plan, 1)),
    },
    Row {
        name: "spawn_remote_2",
        question: "the same from two threads at once: do they hinder each other?",
        amount: Amount::Ops(1_500_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| remote::<R>(plan, 2)),
    },
    Row {
        name: "blocking_one",
        question: "what does spawn_blocking and back cost, one at a time?",
        amount: Amount::Ops(60_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, |ops| blocking::<R>(ops, 1))),
    },
    Row {
        name: "blocking_64",
        question: "what does spawn_blocking and back cost, 64 at once?",
        amount: Amount::Ops(300_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, |ops| blocking::<R>(ops, 64))),
    },
];

/// Spawns so many tasks in bursts of 10 000 and joins them.
pub async fn local<R: Runtime>(ops: u64) {
    let mut handles = Vec::with_capacity(BURST as usize);
    let mut left = ops;
    while left > 0 {
        let burst = left.min(BURST);
        handles.extend((0..burst).map(|number| R::spawn(async move { number })));
        let mut sum = 0;
        for handle in handles.drain(..) {
            sum += R::join(handle).await;
        }
        assert_eq!(sum, burst * (burst - 1) / 2);
        left -= burst;
    }
}

/// Spawns so many tasks and joins each before the next.
pub async fn one_by_one<R: Runtime>(ops: u64) {
    for number in 0..ops {
        assert_eq!(R::join(R::spawn(async move { number })).await, number);
    }
}

/// Spawns so many tasks, each from the one before.
pub async fn chain<R: Runtime>(ops: u64) {
    let (done, finished) = oneshot::channel();
    R::detach(spawn_link::<R>(ops, done));
    finished.await.expect("the last link reports");
}

/// A plain function, because an `async fn` that spawned itself would have to know its own type.
fn spawn_link<R: Runtime>(left: u64, done: oneshot::Sender<()>) -> R::Join<()> {
    R::spawn(async move {
        if left <= 1 {
            done.send(()).expect("the chain is waited for");
        } else {
            R::detach(spawn_link::<R>(left - 1, done));
        }
    })
}

async fn skynet<R: Runtime>(leaves: u64) {
    // A power of the fan-out, at most what was asked for.
    let mut size = 1;
    while size * FAN_OUT <= leaves {
        size *= FAN_OUT;
    }
    assert_eq!(
        R::join(spawn_node::<R>(0, size)).await,
        size * (size - 1) / 2
    );
}

fn spawn_node<R: Runtime>(first: u64, size: u64) -> R::Join<u64> {
    R::spawn(async move {
        if size == 1 {
            return first;
        }
        let part = size / FAN_OUT;
        let mut children = Vec::with_capacity(FAN_OUT as usize);
        children.extend((0..FAN_OUT).map(|child| spawn_node::<R>(first + child * part, part)));
        let mut sum = 0;
        for child in children {
            sum += R::join(child).await;
        }
        sum
    })
}

fn remote<R: Runtime>(plan: &Plan, threads: u64) -> Sample {
    let runtime = R::start(plan.workers);
    // The workers must be up before the first spawn counts.
    runtime.run(async {});
    let all = |ops: u64| {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| spawn_from_here(&runtime, ops / threads));
            }
        });
    };
    all(plan.warm_up_amount());
    let meter = Meter::start();
    all(plan.amount);
    meter.stop(plan.amount)
}

/// Spawns burst after burst; the last task of a burst unparks this thread.
fn spawn_from_here<R: Runtime>(runtime: &R, ops: u64) {
    let mut left = ops as usize;
    let spawner = thread::current();
    while left > 0 {
        let burst = left.min(REMOTE_BURST);
        let running = Arc::new(AtomicUsize::new(burst));
        for _ in 0..burst {
            let (running, spawner) = (Arc::clone(&running), spawner.clone());
            R::detach(runtime.spawn_outside(async move {
                // Relaxed: nothing but the count itself is passed on.
                if running.fetch_sub(1, Ordering::Relaxed) == 1 {
                    spawner.unpark();
                }
            }));
        }
        while running.load(Ordering::Relaxed) > 0 {
            thread::park();
        }
        left -= burst;
    }
}

async fn blocking<R: Runtime>(ops: u64, at_once: u64) {
    let mut left = ops;
    let mut handles = Vec::with_capacity(at_once as usize);
    while left > 0 {
        let burst = left.min(at_once);
        if burst == 1 {
            R::spawn_blocking(|| ()).await;
        } else {
            handles.extend((0..burst).map(|_| R::spawn(async { R::spawn_blocking(|| ()).await })));
            for handle in handles.drain(..) {
                R::join(handle).await;
            }
        }
        left -= burst;
    }
}
