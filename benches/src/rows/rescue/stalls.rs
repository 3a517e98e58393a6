//! Echoes and ticks beside offenders that come and go.
//!
//! Requests come on schedule from a process of their own, each client one byte per 5 ms. Percentiles count from the time
//! at which a request was due.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Offenders, Pool, Way, echo, hold_all, join_all, listen_on};
use crate::client::{self, Exchange, Load, Pace};
use crate::harness::{Amount, Metric, Net, Plan, Row, Runtime, lower};
use crate::meter::{Sample, histogram, nanos};
use crate::runtimes::forms;

const P99: Metric = lower("p99 ms", "p99_ms");
const P999: Metric = lower("p99.9 ms", "p999_ms");
const AMONG: &[Metric] = &[
    P99,
    P999,
    lower("p50 ms", "p50_ms"),
    lower("later than 20 ms, of 10⁴", "late"),
    lower("calm p99 ms", "calm_p99_ms"),
    lower("calm p99.9 ms", "calm_p999_ms"),
    lower("calm later than 20 ms", "calm_late"),
    lower("spares started", "spares"),
    lower("threads", "threads"),
    lower("threads more, after", "more"),
];

const fn among(name: &'static str, workers: usize, forms: Forms) -> Row {
    Row {
        name,
        question: "how late are echoes of 8 clients, one byte each per 5 ms, while one task holds its thread for 100 ms of every 300?",
        amount: Amount::Millis(4_000),
        workers: Some(workers),
        metrics: AMONG,
        forms,
    }
}

type Forms = &'static [(&'static str, crate::harness::Form)];

/// The rows of this part.
pub const ROWS: &[Row] = &[
    among(
        "block_2",
        2,
        forms!(R => |plan| one_offends::<R>(plan, Way::Block)),
    ),
    among(
        "block_4",
        4,
        forms!(R => |plan| one_offends::<R>(plan, Way::Block)),
    ),
    among(
        "spin_2",
        2,
        forms!(R => |plan| one_offends::<R>(plan, Way::Spin)),
    ),
    among(
        "spin_4",
        4,
        forms!(R => |plan| one_offends::<R>(plan, Way::Spin)),
    ),
    Row {
        name: "all_offend",
        question: "how late are echoes of 4 clients and ticks of 100 Hz while every worker has a task that blocks 100 ms of every 200?",
        amount: Amount::Millis(4_000),
        workers: None,
        metrics: &[
            P99,
            P999,
            lower("p50 ms", "p50_ms"),
            lower("tick late p99 ms", "tick_p99_ms"),
            lower("tick late p99.9 ms", "tick_p999_ms"),
            lower("spares started", "spares"),
            lower("threads", "threads"),
            lower("threads more, after", "more"),
        ],
        forms: forms!(R => all_offend::<R>),
    },
    Row {
        name: "compute_echo",
        question: "how late are echoes of 4 clients while all workers compute for a second?",
        amount: Amount::Millis(3_000),
        workers: None,
        metrics: &[
            P99,
            lower("p50 ms", "p50_ms"),
            lower("spares at once", "spares_at_once"),
            lower("spares started", "spares"),
            lower("threads", "threads"),
            lower("threads more, after", "more"),
        ],
        forms: forms!(R => compute_echo::<R>),
    },
];

/// Each client sends a byte per 5 ms.
fn load(clients: usize, duration: Duration) -> Load {
    Load {
        pace: Pace::Open(200 * clients as u64),
        exchange: Exchange::Echo(1),
        connections: clients,
        duration,
        warm_up: Duration::from_millis(100),
    }
}

/// The client's figures in ms, under names with that prefix.
fn in_ms(seen: &Sample, prefix: &str, sample: Sample) -> Sample {
    let figure = |name| seen.extra(name).unwrap_or(f64::NAN);
    sample
        .with(&format!("{prefix}p50_ms"), figure("p50_us") / 1e3)
        .with(&format!("{prefix}p99_ms"), figure("p99_us") / 1e3)
        .with(&format!("{prefix}p999_ms"), figure("p999_us") / 1e3)
        .with(
            &format!("{prefix}late"),
            figure("late") * 1e4 / seen.ops as f64,
        )
}

fn bare(seen: &Sample) -> Sample {
    Sample {
        extras: Vec::new(),
        ..seen.clone()
    }
}

fn one_offends<R: Net>(plan: &Plan, way: Way) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let address = listen_on(&pool.runtime, echo::<R>);
    let measure =
        |duration| client::measure(address, &load(8, duration)).expect("the client measures");
    let calm = measure(plan.duration() / 2);
    let (stall, rest) = (Duration::from_millis(100), Duration::from_millis(200));
    let offender = Offenders::start(&pool.runtime, 1, way, stall, rest);
    let seen = measure(plan.duration());
    drop(offender);
    let sample = in_ms(&calm, "calm_", in_ms(&seen, "", bare(&seen)));
    pool.leave(sample)
}

fn all_offend<R: Net>(plan: &Plan) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let address = listen_on(&pool.runtime, echo::<R>);
    let (stall, rest) = (Duration::from_millis(100), Duration::from_millis(100));
    let offenders = Offenders::start(&pool.runtime, plan.workers, Way::Block, stall, rest);
    let late = Arc::new(Mutex::new(histogram()));
    let until = Instant::now() + plan.duration();
    for _ in 0..2 {
        R::detach(
            pool.runtime
                .spawn_outside(tick::<R>(until, Arc::clone(&late))),
        );
    }
    let seen = client::measure(address, &load(4, plan.duration())).expect("the client measures");
    drop(offenders);
    let sample = in_ms(&seen, "", bare(&seen));
    let late = late.lock().expect("nobody panics with it");
    let at = |quantile| late.value_at_quantile(quantile) as f64 / 1e6;
    let sample = sample
        .with("tick_p99_ms", at(0.99))
        .with("tick_p999_ms", at(0.999));
    pool.leave(sample)
}

async fn tick<R: Runtime>(until: Instant, late: Arc<Mutex<Histogram<u64>>>) {
    let mut due = Instant::now();
    while due < until {
        due += Duration::from_millis(10);
        R::sleep_until(due).await;
        let lateness = nanos(due.elapsed());
        late.lock()
            .expect("nobody panics with it")
            .record(lateness)
            .expect("it grows");
    }
}

fn compute_echo<R: Net>(plan: &Plan) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let address = listen_on(&pool.runtime, echo::<R>);
    let mut at_once = 0;
    let seen = thread::scope(|scope| {
        let client = scope.spawn(|| client::measure(address, &load(4, plan.duration())));
        let until = Instant::now() + plan.duration();
        while Instant::now() < until {
            let stall = Duration::from_secs(1);
            let tasks = hold_all(&pool.runtime, plan.workers, Way::Spin, stall);
            join_all(&pool.runtime, tasks);
            let spares = pool.runtime.rescue().map_or(0, |rescue| rescue.present);
            at_once = at_once.max(spares);
            thread::sleep(Duration::from_millis(50));
        }
        client
            .join()
            .expect("the client does not panic")
            .expect("the client measures")
    });
    let sample = bare(&seen).with("spares_at_once", at_once as f64);
    pool.leave(in_ms(&seen, "", sample))
}
