//! What do channels and locks cost?
//!
//! Unlike the rows of `channels` these compare the primitives too: loxley's on loxley, tokio's on tokio. The workloads
//! are one file, compiled once against each, because both have the same names.
//!
//! - `sync_oneshot`: two tasks answer each other over two oneshots, 1000 such pairs at a time.
//! - `sync_mpsc_1_1`, `sync_mpsc_64_1`, `sync_unbounded_64_1`: senders to one receiver; bounded: 1000 places.
//! - `sync_mutex_alone`, `sync_mutex_64`: one task, and 64, that lock and unlock; the 64 yield every 16 times.
//! - `sync_mutex_held`: 64 tasks, each of which holds the lock across a yield; everybody else waits meanwhile.
//! - `sync_rwlock_alone`, `sync_rwlock_64`: one task, and 64, that read 15 times, change once, and yield.
//! - `sync_semaphore_64`: 64 tasks around 8 permits, each held across a yield.
//! - `sync_notify`: two tasks that notify each other in turn.
//! - `sync_broadcast_1000`: one value for 1000 receivers; an operation is one receiver's.
//! - `sync_watch_100`: one change for 100 receivers, each of which is waited for.
//! - `sync_join_set`: 1000 empty tasks at a time, spawned into a set and joined.

#[cfg(feature = "loxley")]
mod with_loxley;
mod with_tokio;

use crate::harness::{Amount, CPU_NS, RATE, Row, timed};

macro_rules! both {
    ($work:ident $(, $argument:expr)*) => {
        &[
            #[cfg(feature = "loxley")]
            ("loxley", |plan| {
                timed::<with_loxley::R, _, _>(plan, |ops| with_loxley::work::$work(ops $(, $argument)*))
            }),
            ("tokio", |plan| {
                timed::<with_tokio::R, _, _>(plan, |ops| with_tokio::work::$work(ops $(, $argument)*))
            }),
        ]
    };
}

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "sync_oneshot",
        question: "what do two tasks and a oneshot each way cost, with the library's own?",
        amount: Amount::Ops(500_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(oneshot_pairs),
    },
    Row {
        name: "sync_mpsc_1_1",
        question: "what does a message cost, one sender, 1000 places?",
        amount: Amount::Ops(5_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(bounded, 1),
    },
    Row {
        name: "sync_mpsc_64_1",
        question: "what does a message cost, 64 senders, 1000 places?",
        amount: Amount::Ops(5_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(bounded, 64),
    },
    Row {
        name: "sync_unbounded_64_1",
        question: "what does a message cost, 64 senders, no limit?",
        amount: Amount::Ops(5_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(unbounded, 64),
    },
    Row {
        name: "sync_mutex_alone",
        question: "what does a lock cost that nobody else wants?",
        amount: Amount::Ops(10_000_000),
        workers: Some(1),
        metrics: &[RATE, CPU_NS],
        forms: both!(mutex, 1),
    },
    Row {
        name: "sync_mutex_64",
        question: "what does a lock cost that 64 tasks want?",
        amount: Amount::Ops(3_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(mutex, 64),
    },
    Row {
        name: "sync_mutex_held",
        question: "what does a lock cost that 64 tasks want and hold across a yield?",
        amount: Amount::Ops(2_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(mutex_held, 64),
    },
    Row {
        name: "sync_rwlock_alone",
        question: "what does a lock cost that is read 15 times of 16, and that nobody else wants?",
        amount: Amount::Ops(10_000_000),
        workers: Some(1),
        metrics: &[RATE, CPU_NS],
        forms: both!(rwlock, 1),
    },
    Row {
        name: "sync_rwlock_64",
        question: "what does a lock cost that 64 tasks want, and read 15 times of 16?",
        amount: Amount::Ops(3_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(rwlock, 64),
    },
    Row {
        name: "sync_semaphore_64",
        question: "what does a permit cost, 8 for 64 tasks?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(semaphore, 64),
    },
    Row {
        name: "sync_notify",
        question: "what does it cost to notify and be notified in turn?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(notify),
    },
    Row {
        name: "sync_broadcast_1000",
        question: "what does a value cost each of 1000 receivers?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(broadcast, 1000),
    },
    Row {
        name: "sync_watch_100",
        question: "what does a change cost each of 100 receivers?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(watch, 100),
    },
    Row {
        name: "sync_join_set",
        question: "what does a task of a set cost?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(join_set),
    },
];
