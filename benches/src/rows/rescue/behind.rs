//! What was just woken or spawned by the offender itself, or waits in its poller and wheel.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_channel::oneshot;

use super::{Pool, Way, hold_all, join_all, listen_on};
use crate::harness::{Amount, Form, Metric, Net, Plan, Row, Runtime, lower};
use crate::meter::{Meter, Sample, histogram, nanos};
use crate::runtimes::forms;

const METRICS: &[Metric] = &[
    lower("p50 ms", "p50_ms"),
    lower("p99 ms", "p99_ms"),
    lower("max ms", "max_ms"),
    lower("spares started", "spares"),
    lower("threads", "threads"),
    lower("threads more, after", "more"),
];

const fn row(
    name: &'static str,
    question: &'static str,
    ops: u64,
    forms: &'static [(&'static str, Form)],
) -> Row {
    Row {
        name,
        question,
        amount: Amount::Ops(ops),
        workers: None,
        metrics: METRICS,
        forms,
    }
}

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(1);

/// The rows of this part.
pub const ROWS: &[Row] = &[
    row(
        "wake_20ms",
        "how long does a task wait that was woken by one that then blocks 20 ms, in a pool at rest?",
        100,
        forms!(R => |plan| behind_offender::<R>(plan, Behind::Woken, SHORT, false)),
    ),
    row(
        "wake_20ms_busy",
        "how long does a task wait that was woken by one that then blocks 20 ms, in a pool always busy with short polls?",
        100,
        forms!(R => |plan| behind_offender::<R>(plan, Behind::Woken, SHORT, true)),
    ),
    row(
        "wake_1s",
        "how long does a task wait that was woken by one that then blocks 1 s, in a pool at rest?",
        4,
        forms!(R => |plan| behind_offender::<R>(plan, Behind::Woken, LONG, false)),
    ),
    row(
        "spawn_20ms",
        "how long does a task wait that was spawned by one that then blocks 20 ms, in a pool at rest?",
        100,
        forms!(R => |plan| behind_offender::<R>(plan, Behind::Spawned, SHORT, false)),
    ),
    row(
        "spawn_20ms_busy",
        "how long does a task wait that was spawned by one that then blocks 20 ms, in a pool always busy with short polls?",
        100,
        forms!(R => |plan| behind_offender::<R>(plan, Behind::Spawned, SHORT, true)),
    ),
    row(
        "spawn_1s",
        "how long does a task wait that was spawned by one that then blocks 1 s, in a pool at rest?",
        4,
        forms!(R => |plan| behind_offender::<R>(plan, Behind::Spawned, LONG, false)),
    ),
    Row {
        name: "lone",
        question: "the only awake worker blocks: how late are a byte that comes 50 ms later and a timer due 300 ms later (tokio #4730)?",
        amount: Amount::Ops(6),
        workers: None,
        metrics: &[
            lower("byte p50 ms", "byte_p50_ms"),
            lower("byte max ms", "byte_max_ms"),
            lower("timer p50 ms", "timer_p50_ms"),
            lower("timer max ms", "timer_max_ms"),
            lower("threads", "threads"),
            lower("threads more, after", "more"),
        ],
        forms: forms!(R => lone::<R>),
    },
    Row {
        name: "all_asleep",
        question: "all workers block for 1 s: how late is a byte that comes meanwhile?",
        amount: Amount::Ops(3),
        workers: None,
        metrics: &[
            lower("byte p50 ms", "byte_p50_ms"),
            lower("byte max ms", "byte_max_ms"),
            lower("spares started", "spares"),
            lower("spares 1 s after", "spares_after_1s"),
            lower("threads", "threads"),
            lower("threads more, after", "more"),
        ],
        forms: forms!(R => all_asleep::<R>),
    },
    Row {
        name: "all_compute",
        question: "all workers compute for 1 s and nothing waits: is anybody called?",
        amount: Amount::Ops(3),
        workers: None,
        metrics: COMPUTE,
        forms: forms!(R => all_compute::<R>),
    },
    Row {
        name: "all_compute_4",
        question: "four workers compute for 1 s on two cores and nothing waits: is anybody called?",
        amount: Amount::Ops(3),
        workers: Some(4),
        metrics: COMPUTE,
        forms: forms!(R => all_compute::<R>),
    },
];

const COMPUTE: &[Metric] = &[
    lower("spares started", "spares"),
    lower("threads", "threads"),
    lower("threads more, after", "more"),
];

/// Where the innocent task is when its offender blocks.
#[derive(Debug, Clone, Copy)]
enum Behind {
    Woken,
    Spawned,
}

fn with_ms(sample: Sample, prefix: &str, waits: &[u64]) -> Sample {
    let mut histogram = histogram();
    for &wait in waits {
        histogram.record(wait).expect("it grows");
    }
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
    sample
        .with(&format!("{prefix}p50_ms"), at(0.5))
        .with(&format!("{prefix}p99_ms"), at(0.99))
        .with(&format!("{prefix}max_ms"), at(1.0))
}

fn behind_offender<R: Runtime>(plan: &Plan, behind: Behind, stall: Duration, busy: bool) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let over = Arc::new(AtomicBool::new(false));
    if busy {
        keep_busy(&pool.runtime, plan.workers, &over);
    }
    let meter = Meter::start();
    let waits: Vec<u64> = (0..plan.amount)
        .map(|number| {
            // Uneven, so that no period of ours meets one of theirs.
            thread::sleep(Duration::from_micros(7_000 + number % 5 * 700));
            match behind {
                Behind::Woken => wake_and_hold(&pool.runtime, stall),
                Behind::Spawned => spawn_and_hold(&pool.runtime, stall),
            }
        })
        .collect();
    let sample = meter.stop(plan.amount);
    over.store(true, Ordering::Relaxed);
    pool.leave(with_ms(sample, "", &waits))
}

/// Two tasks per worker whose polls take 20 µs and which are always ready.
fn keep_busy<R: Runtime>(runtime: &R, workers: usize, over: &Arc<AtomicBool>) {
    for _ in 0..2 * workers {
        let over = Arc::clone(over);
        R::detach(runtime.spawn_outside(async move {
            while !over.load(Ordering::Relaxed) {
                Way::Spin.hold(Duration::from_micros(20));
                R::yield_now().await;
            }
        }));
    }
}

/// How long the woken one waited, in ns.
fn wake_and_hold<R: Runtime>(runtime: &R, stall: Duration) -> u64 {
    let (wake, woken) = oneshot::channel::<Instant>();
    let (say, said) = mpsc::channel();
    R::detach(runtime.spawn_outside(async move {
        let since = woken.await.expect("the offender wakes before it ends");
        say.send(nanos(since.elapsed())).expect("somebody listens");
    }));
    // It must wait for the wake before that comes.
    thread::sleep(Duration::from_millis(3));
    let offender = runtime.spawn_outside(async move {
        wake.send(Instant::now()).expect("the innocent waits");
        Way::Block.hold(stall);
    });
    join_all(runtime, vec![offender]);
    said.recv().expect("it was woken")
}

fn spawn_and_hold<R: Runtime>(runtime: &R, stall: Duration) -> u64 {
    let (say, said) = mpsc::channel();
    let offender = runtime.spawn_outside(async move {
        let since = Instant::now();
        R::detach(R::spawn(async move {
            say.send(nanos(since.elapsed())).expect("somebody listens");
        }));
        Way::Block.hold(stall);
    });
    join_all(runtime, vec![offender]);
    said.recv().expect("it was spawned")
}

/// A connection whose other end says how late each byte came.
struct Wire {
    stream: TcpStream,
    sent: mpsc::Sender<Instant>,
    late: mpsc::Receiver<u64>,
}

impl Wire {
    fn connect<R: Net>(runtime: &R) -> Wire {
        let (sent, times) = mpsc::channel::<Instant>();
        let (say, late) = mpsc::channel();
        let ends = Arc::new(Mutex::new(Some((times, say))));
        let address = listen_on(runtime, move |mut stream: R::Stream| {
            let ends = ends.lock().expect("nobody panics with it").take();
            async move {
                let (times, say) = ends.expect("one connection comes");
                while let Ok(1) = R::read(&mut stream, &mut [0]).await {
                    let since = times.try_recv().expect("the time is sent first");
                    if say.send(nanos(since.elapsed())).is_err() {
                        return;
                    }
                }
            }
        });
        let stream = TcpStream::connect(address).expect("the listener is there");
        stream.set_nodelay(true).expect("it is a TCP socket");
        // Accepted and waiting.
        thread::sleep(Duration::from_millis(20));
        Wire { stream, sent, late }
    }

    /// Sends a byte and says how late it came, in ns.
    fn send(&mut self) -> u64 {
        self.sent
            .send(Instant::now())
            .expect("the other end is there");
        self.stream.write_all(b"x").expect("the other end reads");
        self.late.recv().expect("the other end reads")
    }
}

fn lone<R: Net>(plan: &Plan) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let mut wire = Wire::connect(&pool.runtime);
    let (mut bytes, mut timers) = (Vec::new(), Vec::new());
    let meter = Meter::start();
    for _ in 0..plan.amount {
        let (begin, begun) = mpsc::channel();
        let due = Instant::now() + Duration::from_millis(310);
        let timer = pool.runtime.spawn_outside(async move {
            R::sleep_until(due).await;
            nanos(due.elapsed())
        });
        // Woken by its timer alone, so that nobody else is awake when it blocks.
        let offender = pool.runtime.spawn_outside(async move {
            R::sleep(Duration::from_millis(10)).await;
            begin.send(()).expect("somebody listens");
            Way::Block.hold(Duration::from_millis(600));
            0
        });
        begun.recv().expect("the offender begins");
        thread::sleep(Duration::from_millis(50));
        bytes.push(wire.send());
        timers.extend(join_all(&pool.runtime, vec![timer, offender]).first());
    }
    let sample = meter.stop(plan.amount);
    pool.leave(with_ms(with_ms(sample, "byte_", &bytes), "timer_", &timers))
}

fn all_asleep<R: Net>(plan: &Plan) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let mut wire = Wire::connect(&pool.runtime);
    let mut bytes = Vec::new();
    let meter = Meter::start();
    for _ in 0..plan.amount {
        let stall = Duration::from_secs(1);
        let tasks = hold_all(&pool.runtime, plan.workers, Way::Block, stall);
        thread::sleep(Duration::from_millis(50));
        bytes.push(wire.send());
        join_all(&pool.runtime, tasks);
        thread::sleep(Duration::from_millis(20));
    }
    let sample = with_ms(meter.stop(plan.amount), "byte_", &bytes);
    thread::sleep(Duration::from_secs(1));
    let sample = match pool.runtime.rescue() {
        Some(rescue) => sample.with("spares_after_1s", rescue.present as f64),
        None => sample,
    };
    pool.leave(sample)
}

fn all_compute<R: Runtime>(plan: &Plan) -> Sample {
    let pool = Pool::<R>::start(plan.workers);
    let meter = Meter::start();
    for _ in 0..plan.amount {
        let stall = Duration::from_secs(1);
        let tasks = hold_all(&pool.runtime, plan.workers, Way::Spin, stall);
        // Nobody is asked anything meanwhile: a task that waits would be a reason to call somebody.
        thread::sleep(stall + Duration::from_millis(100));
        drop(tasks);
    }
    pool.leave(meter.stop(plan.amount))
}
