//! What does a turn cost, when all a task does is let the others go first?
//!
//! - `yield_many`: 200 tasks yield 1000 times each, over and over. The run queue's row.
//! - `yield_self`: one task wakes itself and is polled again. Wake and schedule without anybody else.

use std::future::poll_fn;
use std::task::Poll;

use crate::harness::{Amount, CPU_NS, RATE, Row, Runtime, timed};
use crate::runtimes::forms;

/// Tasks that yield side by side.
const TASKS: u64 = 200;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "yield_many",
        question: "what does a turn cost among 200 tasks that all yield?",
        amount: Amount::Ops(20_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, many::<R>)),
    },
    Row {
        name: "yield_self",
        question: "what does a turn cost to a task that wakes itself, alone?",
        amount: Amount::Ops(20_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, alone::<R>)),
    },
];

/// Yields so many times, by turns in 200 tasks.
pub async fn many<R: Runtime>(ops: u64) {
    let mut left = ops / TASKS;
    while left > 0 {
        let turns = left.min(1_000);
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                R::spawn(async move {
                    for _ in 0..turns {
                        R::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            R::join(task).await;
        }
        left -= turns;
    }
}

/// Wakes itself so many times in one task.
pub async fn alone<R: Runtime>(ops: u64) {
    let task = R::spawn(async move {
        for _ in 0..ops {
            let mut woken = false;
            poll_fn(|cx| {
                if woken {
                    return Poll::Ready(());
                }
                woken = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    });
    R::join(task).await;
}
