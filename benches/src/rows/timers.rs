//! What does time cost, and how late is it?
//!
//! - `timer_cancel`: a thousand timeouts are created, polled once (so that they are armed) and dropped, as nearly all are.
//! - `sleep_many`: a million tasks sleep until some point of the next second. Processor time, and how long after the
//!   last deadline the last one was done.
//! - `sleep_500us`: how late is a short sleep, in a pool with nothing else to do?
//! - `low_load`: a task sleeps 500 µs, spawns another and joins it, on four workers. Every context switch
//!   above one per turn is a worker that was woken for nothing.
//! - `idle_cpu`: 10 000 tasks wake once a second each. What does it cost to do almost nothing?

use std::future::{Future, pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::harness::{
    Amount, Better, CPU_NS, Figure, Metric, Plan, RATE, Row, Runtime, lower, timed,
};
use crate::meter::{Meter, Sample, histogram, nanos, voluntary_switches};
use crate::runtimes::forms;
use crate::stats::Random;

const CPU_US: Metric = Metric {
    label: "CPU µs/turn",
    figure: Figure::CpuUs,
    better: Better::Lower,
};
const WALL_US: Metric = Metric {
    label: "wall µs/turn",
    figure: Figure::WallUs,
    better: Better::Lower,
};

/// Timeouts that are armed at the same time.
const ARMED: u64 = 1_000;
/// Tasks of `idle_cpu`.
const IDLE_TASKS: u64 = 10_000;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "timer_cancel",
        question: "what does a timeout cost that is armed and then cancelled?",
        amount: Amount::Ops(3_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, cancel::<R>)),
    },
    Row {
        name: "sleep_many",
        question: "what do a million sleeps of 1 to 1000 ms cost, and how late is the last one?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[
            CPU_NS,
            lower("ms beyond the last", "beyond_ms"),
            lower("late p50 µs", "p50_us"),
        ],
        forms: forms!(R => sleep_many::<R>),
    },
    Row {
        name: "sleep_500us",
        question: "how late is a sleep of 500 µs?",
        amount: Amount::Ops(700),
        workers: None,
        metrics: &[
            lower("late p50 µs", "p50_us"),
            lower("late p99 µs", "p99_us"),
            CPU_US,
        ],
        forms: forms!(R => sleep_500us::<R>),
    },
    Row {
        name: "low_load",
        question: "what does a turn of sleep 500 µs, spawn, join cost on four workers?",
        amount: Amount::Ops(700),
        workers: Some(4),
        metrics: &[lower("switches/turn", "switches"), CPU_US, WALL_US],
        forms: forms!(R => low_load::<R>),
    },
    Row {
        name: "idle_cpu",
        question: "what do 10 000 tasks cost that wake once a second each?",
        amount: Amount::Millis(2_000),
        workers: None,
        metrics: &[
            lower("CPU ms/s", "cpu_ms_per_s"),
            lower("switches/s", "switches_per_s"),
            lower("late p50 µs", "p50_us"),
        ],
        forms: forms!(R => idle_cpu::<R>),
    },
];

/// Arms and cancels so many timeouts.
pub async fn cancel<R: Runtime>(ops: u64) {
    let task = R::spawn(async move {
        let mut random = Random(1);
        // The places are allocated once and used again, so that no malloc is in the figure.
        let mut places: Vec<_> = (0..ARMED).map(|_| Box::pin(None)).collect();
        let mut left = ops;
        while left > 0 {
            let batch = left.min(ARMED);
            for (place, number) in places.iter_mut().zip(0..batch) {
                let duration = Duration::from_millis(1_000 + random.below(59_000) as u64);
                place.set(Some(R::timeout(duration, pending::<()>())));
                poll_fn(|cx| {
                    let timeout = place.as_mut().as_pin_mut().expect("it was just put there");
                    assert!(timeout.poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                // tokio's timers refuse to be armed once a poll's budget (128) is spent; everybody yields alike.
                if number % 64 == 63 {
                    R::yield_now().await;
                }
            }
            places.iter_mut().for_each(|place| place.set(None));
            left -= batch;
        }
    });
    R::join(task).await;
}

fn sleep_many<R: Runtime>(plan: &Plan) -> Sample {
    let ops = plan.amount;
    R::start(plan.workers).run(async move {
        let late = Arc::new(Mutex::new(histogram()));
        let mut random = Random(2);
        let mut last = Instant::now();
        let meter = Meter::start();
        let mut handles = Vec::with_capacity(ops as usize);
        for _ in 0..ops {
            let deadline =
                Instant::now() + Duration::from_micros(1_000 + random.below(999_000) as u64);
            last = last.max(deadline);
            handles.push(R::spawn(async move {
                R::sleep_until(deadline).await;
                nanos(deadline.elapsed())
            }));
        }
        for handle in handles {
            let lateness = R::join(handle).await;
            late.lock()
                .expect("nobody panics with it")
                .record(lateness)
                .expect("it grows");
        }
        let beyond = Instant::now().saturating_duration_since(last);
        let sample = meter
            .stop(ops)
            .with("beyond_ms", beyond.as_secs_f64() * 1e3);
        let late = late.lock().expect("nobody panics with it");
        sample.with_percentiles(&late)
    })
}

fn sleep_500us<R: Runtime>(plan: &Plan) -> Sample {
    let (warm_up, ops) = (plan.warm_up_amount(), plan.amount);
    R::start(plan.workers).run(async move {
        let nap = Duration::from_micros(500);
        for _ in 0..warm_up {
            R::sleep(nap).await;
        }
        let mut late = histogram();
        let meter = Meter::start();
        for _ in 0..ops {
            let start = Instant::now();
            R::sleep(nap).await;
            late.record(nanos(start.elapsed().saturating_sub(nap)))
                .expect("it grows");
        }
        meter.stop(ops).with_percentiles(&late)
    })
}

fn low_load<R: Runtime>(plan: &Plan) -> Sample {
    let (warm_up, ops) = (plan.warm_up_amount(), plan.amount);
    R::start(plan.workers).run(async move {
        turns::<R>(warm_up).await;
        let before = voluntary_switches().expect("/proc is readable");
        let meter = Meter::start();
        turns::<R>(ops).await;
        let sample = meter.stop(ops);
        let switches = voluntary_switches()
            .expect("/proc is readable")
            .saturating_sub(before);
        sample.with("switches", switches as f64 / ops as f64)
    })
}

async fn turns<R: Runtime>(count: u64) {
    for _ in 0..count {
        R::sleep(Duration::from_micros(500)).await;
        R::join(R::spawn(async {})).await;
    }
}

fn idle_cpu<R: Runtime>(plan: &Plan) -> Sample {
    let duration = plan.duration();
    let runtime = R::start(plan.workers);
    let late = Arc::new(Mutex::new(histogram()));
    let recorded = Arc::clone(&late);
    // All are spread over the second evenly, and all have slept once when the meter starts.
    let start = Instant::now() + Duration::from_millis(200);
    runtime.run(async move {
        for number in 0..IDLE_TASKS {
            let recorded = Arc::clone(&recorded);
            let mut due = start + Duration::from_micros(number * 1_000_000 / IDLE_TASKS);
            R::detach(R::spawn(async move {
                loop {
                    R::sleep_until(due).await;
                    let lateness = nanos(due.elapsed());
                    recorded
                        .lock()
                        .expect("nobody panics with it")
                        .record(lateness)
                        .expect("it grows");
                    due += Duration::from_secs(1);
                }
            }));
        }
    });
    std::thread::sleep(
        (start + Duration::from_millis(1_100)).saturating_duration_since(Instant::now()),
    );
    let before = voluntary_switches().expect("/proc is readable");
    let meter = Meter::start();
    std::thread::sleep(duration);
    let sample = meter.stop(IDLE_TASKS);
    let switches = voluntary_switches()
        .expect("/proc is readable")
        .saturating_sub(before);
    let seconds = sample.wall_ns as f64 / 1e9;
    let cpu_ms = sample.cpu_ns as f64 / 1e6;
    let late = late.lock().expect("nobody panics with it");
    sample
        .with("cpu_ms_per_s", cpu_ms / seconds)
        .with("switches_per_s", switches as f64 / seconds)
        .with_percentiles(&late)
}
