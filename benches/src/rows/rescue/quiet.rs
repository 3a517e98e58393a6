//! What the readiness to rescue costs while nobody offends.
//!
//! A *turn* is one wake of a pool that sleeps: by a timer, after which a task is spawned and joined, or by a byte that is
//! sent back. Every context switch above one is a thread that was woken for nothing.

use std::time::Duration;
use std::{fs, thread};

use super::{Pool, echo, listen_on};
use crate::client::{self, Exchange, Load, Pace};
use crate::harness::{Amount, Better, Figure, Form, Metric, Net, Plan, Row, Runtime, lower};
use crate::meter::{Meter, Sample, voluntary_switches};
use crate::runtimes::forms;

const CPU_US: Metric = Metric {
    label: "CPU µs/turn",
    figure: Figure::CpuUs,
    better: Better::Lower,
};
const METRICS: &[Metric] = &[
    lower("switches/turn", "switches"),
    CPU_US,
    lower("threads", "threads"),
    lower("threads more, after", "more"),
];

const fn row(
    name: &'static str,
    question: &'static str,
    turns: u64,
    forms: &'static [(&'static str, Form)],
) -> Row {
    Row {
        name,
        question,
        amount: Amount::Ops(turns),
        workers: Some(4),
        metrics: METRICS,
        forms,
    }
}

/// The rows of this part.
pub const ROWS: &[Row] = &[
    row(
        "low_timer_500us",
        "what does a turn of sleep, spawn, join cost at one per 500 µs, on four workers?",
        3_000,
        forms!(R => |plan| by_timer::<R>(plan, 500)),
    ),
    row(
        "low_timer_5ms",
        "what does a turn of sleep, spawn, join cost at one per 5 ms, on four workers?",
        500,
        forms!(R => |plan| by_timer::<R>(plan, 5_000)),
    ),
    row(
        "low_timer_50ms",
        "what does a turn of sleep, spawn, join cost at one per 50 ms, on four workers?",
        60,
        forms!(R => |plan| by_timer::<R>(plan, 50_000)),
    ),
    row(
        "low_socket_500us",
        "what does a turn of read, write cost at one per 500 µs, on four workers?",
        3_000,
        forms!(R => |plan| by_socket::<R>(plan, 500)),
    ),
    row(
        "low_socket_5ms",
        "what does a turn of read, write cost at one per 5 ms, on four workers?",
        500,
        forms!(R => |plan| by_socket::<R>(plan, 5_000)),
    ),
    row(
        "low_socket_50ms",
        "what does a turn of read, write cost at one per 50 ms, on four workers?",
        60,
        forms!(R => |plan| by_socket::<R>(plan, 50_000)),
    ),
    Row {
        name: "idle",
        question: "how often does any thread run in 10 s without work?",
        amount: Amount::Millis(10_000),
        workers: None,
        metrics: &[
            lower("runs in 10 s", "runs"),
            lower("threads", "threads"),
            lower("threads more, after", "more"),
        ],
        forms: forms!(R => idle::<R>),
    },
];

fn by_timer<R: Runtime>(plan: &Plan, period_us: u64) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let (warm_up, ops) = (plan.warm_up_amount(), plan.amount);
    let sample = pool.runtime.run(async move {
        turns::<R>(warm_up, period_us).await;
        let before = voluntary_switches().expect("/proc is readable");
        let meter = Meter::start();
        turns::<R>(ops, period_us).await;
        let sample = meter.stop(ops);
        let after = voluntary_switches().expect("/proc is readable");
        sample.with("switches", after.saturating_sub(before) as f64 / ops as f64)
    });
    pool.leave(sample)
}

async fn turns<R: Runtime>(count: u64, period_us: u64) {
    for _ in 0..count {
        R::sleep(Duration::from_micros(period_us)).await;
        R::join(R::spawn(async {})).await;
    }
}

fn by_socket<R: Net>(plan: &Plan, period_us: u64) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let address = listen_on(&pool.runtime, echo::<R>);
    let load = Load {
        pace: Pace::Open(1_000_000 / period_us),
        exchange: Exchange::Echo(1),
        connections: 1,
        duration: Duration::from_micros(plan.amount * period_us),
        warm_up: Duration::from_millis(200),
    };
    let sample = client::measure(address, &load).expect("the client measures");
    pool.leave(sample)
}

/// How often other threads than this one were put on a processor: who makes a system call has run.
fn runs_of_others() -> u64 {
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is readable");
    let others = tasks.flatten().filter(|task| task.file_name() != *own);
    let runs = others.filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().nth(2)?.parse::<u64>().ok()
    });
    runs.sum()
}

fn idle<R: Net>(plan: &Plan) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    // Something has happened before: a pool that has never worked proves little.
    let address = listen_on(&pool.runtime, echo::<R>);
    let stream = std::net::TcpStream::connect(address).expect("the listener is there");
    pool.runtime.run(turns::<R>(100, 500));
    thread::sleep(Duration::from_secs(1));
    let before = runs_of_others();
    let meter = Meter::start();
    thread::sleep(plan.duration());
    let sample = meter
        .stop(1)
        .with("runs", runs_of_others().saturating_sub(before) as f64);
    drop(stream);
    pool.leave(sample)
}
