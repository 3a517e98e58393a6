//! Act: one stretch of load on both services, and what everybody saw meanwhile.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loxley::runtime::RuntimeMetrics;

use crate::load::{Clients, Load, Seen};
use crate::table::{Rescue, ServiceRow, Table, Tail, WorkerRow, grouped};

/// How often progress is shown.
const GLANCE: Duration = Duration::from_millis(250);

/// Clients get this long to start their threads.
const PREPARE: Duration = Duration::from_millis(20);

/// What came out of an act.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) table: Table,
    /// Requests without a right answer.
    pub(crate) failed: u64,
}

/// Drives all loads at once and comes back when the last one has ended.
pub(crate) fn play(
    name: &str,
    loads: &[Load],
    metrics: &RuntimeMetrics,
    stop: &AtomicBool,
) -> io::Result<Act> {
    let clients = loads.iter().map(|&load| Clients::connect(load));
    let clients = clients.collect::<io::Result<Vec<_>>>()?;
    let answered: Vec<AtomicU64> = loads.iter().map(|_| AtomicU64::new(0)).collect();
    let length = loads
        .iter()
        .map(|load| load.schedule.length())
        .max()
        .unwrap_or_default();
    let before = (workers(metrics), rescue(metrics));
    let begin = Instant::now() + PREPARE;
    let over = AtomicBool::new(false);
    let seen: Vec<(Load, Seen)> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .zip(&answered)
            .map(|(clients, answered)| {
                let load = *clients.load();
                let thread = scope.spawn(move || clients.run(begin, answered, stop));
                (load, thread)
            })
            .collect();
        scope.spawn(|| show_progress(name, begin, length, loads, &answered, &over));
        let seen = threads
            .into_iter()
            .map(|(load, thread)| match thread.join() {
                Ok(seen) => (load, seen),
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        seen
    });
    let took = begin.elapsed().min(length.max(Duration::from_millis(1)));
    let after = workers(metrics);
    let table = Table {
        services: seen
            .iter()
            .map(|(load, seen)| row(load, seen, took))
            .collect(),
        workers: after
            .iter()
            .zip(before.0)
            .map(|(&now, before)| now.since(before))
            .collect(),
        rescue: rescue(metrics).since(before.1),
    };
    let failed = seen.iter().map(|(_, seen)| seen.wrong + seen.lost).sum();
    Ok(Act { table, failed })
}

fn row(load: &Load, seen: &Seen, took: Duration) -> ServiceRow {
    let at = |quantile| Duration::from_nanos(seen.latencies.value_at_quantile(quantile));
    ServiceRow {
        name: load.protocol.name(),
        connections: load.connections,
        per_second: seen.answered() as f64 / took.as_secs_f64(),
        tail: Tail {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
        },
    }
}

/// What each worker has done since the runtime began.
fn workers(metrics: &RuntimeMetrics) -> Vec<WorkerRow> {
    (0..metrics.num_workers())
        .map(|worker| WorkerRow {
            polls: metrics.worker_poll_count(worker),
            steals: metrics.worker_steal_operations(worker),
            parks: metrics.worker_futex_park_count(worker)
                + metrics.worker_poller_park_count(worker),
            events: metrics.worker_event_count(worker),
        })
        .collect()
}

/// What was done for stuck workers since the runtime began.
fn rescue(metrics: &RuntimeMetrics) -> Rescue {
    Rescue {
        stalls: metrics.stuck_count(),
        tasks: metrics.rescued_slot_count() + metrics.rescued_task_count(),
        visits: metrics.rescued_station_count(),
    }
}

/// One line on standard error that keeps up; on a terminal it is overwritten.
fn show_progress(
    name: &str,
    begin: Instant,
    length: Duration,
    loads: &[Load],
    answered: &[AtomicU64],
    over: &AtomicBool,
) {
    let terminal = io::stderr().is_terminal();
    let mut shown = 0;
    while !over.load(Ordering::Relaxed) {
        thread::sleep(GLANCE);
        let at = begin.elapsed();
        // Without a terminal each look is a line of its own, so one a second is enough.
        if !terminal && at.as_secs() == shown && at < length {
            continue;
        }
        shown = at.as_secs();
        let counts = loads.iter().zip(answered).map(|(load, answered)| {
            let answers = grouped(answered.load(Ordering::Relaxed));
            format!("{} {answers}", load.protocol.name())
        });
        let line = format!(
            "{name}: {:.1} of {:.1} s, answers: {}",
            at.min(length).as_secs_f64(),
            length.as_secs_f64(),
            counts.collect::<Vec<_>>().join(", ")
        );
        // A closed standard error is no reason to stop.
        let _ = match terminal {
            true => write!(io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(io::stderr(), "{line}"),
        };
        if !terminal && at >= length {
            break;
        }
    }
    if terminal {
        let _ = writeln!(io::stderr());
    }
}
