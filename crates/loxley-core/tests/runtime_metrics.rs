//! What the counters of a runtime mean.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/until.rs"]
mod until;
#[path = "support/watch.rs"]
mod watch;

use std::future::Future;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use gate::Gate;
use loxley_core::io::Source;
use loxley_core::runtime::{
    Builder, HistogramConfiguration, LogHistogram, Runtime, RuntimeMetrics, worker_index,
};
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use loxley_core::{block_in_place, coop, spawn, spawn_blocking};
use until::until;
use watch::watched;

/// Without spares: what a spare does is not in the counters of the worker that it stands in for.
fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).rescue(false);
    builder.enable_all().build().unwrap()
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn sum(metrics: &RuntimeMetrics, count: impl Fn(usize) -> u64) -> u64 {
    (0..metrics.num_workers()).map(count).sum()
}

#[test]
fn what_comes_from_outside_is_scheduled_remotely_and_nothing_else() {
    watched(|| {
        for runtime in [workers(1), current()] {
            let metrics = runtime.metrics();
            assert_eq!(metrics.remote_schedule_count(), 0);
            let gate = Gate::default();
            let task = runtime.spawn({
                let gate = gate.clone();
                async move {
                    // From inside: four local wakes.
                    spawn(async { yield_now().await }).await.unwrap();
                    gate.await;
                }
            });
            let open = runtime.spawn(async move { gate.open() });
            runtime.block_on(async {
                task.await.unwrap();
                open.await.unwrap();
            });
            assert_eq!(
                metrics.remote_schedule_count(),
                2,
                "two spawns from outside"
            );
            let local = sum(&metrics, |worker| {
                metrics.worker_local_schedule_count(worker)
            });
            assert!((3..=4).contains(&local), "{local}");
        }
    });
}

#[test]
fn a_stand_in_has_the_number_of_the_worker_it_stands_in_for() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            let (answer, answered) = channel();
            let other = spawn(async move { answer.send(worker_index()).unwrap() });
            // Nobody but a stand-in can answer.
            let of_other = block_in_place(|| answered.recv().unwrap());
            other.await.unwrap();
            (of_other, block_in_place(worker_index), worker_index())
        });
        let indices = runtime.block_on(task).unwrap();
        assert_eq!(indices, (Some(0), Some(0), Some(0)));
    });
}

#[test]
fn whoever_drives_a_current_thread_runtime_is_its_worker() {
    watched(|| {
        let runtime = current();
        runtime.block_on(async {
            assert_eq!(worker_index(), Some(0), "from the first poll on");
            yield_now().await;
            assert_eq!(worker_index(), Some(0));
            assert_eq!(spawn(async { worker_index() }).await.unwrap(), Some(0));
            let index = spawn_blocking(worker_index).await.unwrap();
            assert_eq!(index, None);
        });
        let gate = Gate::default();
        let (drives, driven) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                runtime.block_on(async {
                    // A task runs: this thread has sat down.
                    spawn(async move { drives.send(()).unwrap() });
                    gate.clone().await;
                });
            });
            driven.recv().unwrap();
            let index = runtime.block_on(async { worker_index() });
            gate.open();
            assert_eq!(index, None, "somebody else drives");
        });
    });
}

#[test]
#[expect(deprecated, reason = "that is what is checked")]
fn the_old_name_of_a_counter_counts_the_same() {
    let runtime = current();
    let task = runtime.spawn(std::future::pending::<()>());
    let metrics = runtime.metrics();
    assert_eq!(
        (metrics.num_alive_tasks(), metrics.active_tasks_count()),
        (1, 1)
    );
    drop(task);
}

#[test]
fn a_spent_budget_is_counted() {
    watched(|| {
        for runtime in [workers(1), current()] {
            let metrics = runtime.metrics();
            runtime
                .block_on(runtime.spawn(async {
                    for _ in 0..1000 {
                        coop::consume_budget().await;
                    }
                }))
                .unwrap();
            // A worker tells of it at its next look or sleep.
            until(|| metrics.budget_forced_yield_count() == 7);
        }
    });
}

#[test]
fn a_worker_is_busy_while_it_is_awake() {
    watched(|| {
        let builds: [fn() -> Runtime; 2] = [|| workers(1), current];
        for build in builds {
            let began = Instant::now();
            let runtime = build();
            let metrics = runtime.metrics();
            let spent = runtime
                .block_on(runtime.spawn(async {
                    let began = Instant::now();
                    // The time that is counted.
                    std::thread::sleep(Duration::from_millis(20));
                    began.elapsed()
                }))
                .unwrap();
            until(|| metrics.worker_total_busy_duration(0) >= spent);
            assert!(metrics.worker_total_busy_duration(0) <= began.elapsed());
        }
    });
}

#[test]
fn the_mean_poll_time_follows_the_polls() {
    watched(|| {
        let runtime = workers(1);
        let metrics = runtime.metrics();
        runtime
            .block_on(runtime.spawn(async {
                for _ in 0..100 {
                    // The time that is counted.
                    std::thread::sleep(Duration::from_millis(1));
                    yield_now().await;
                }
            }))
            .unwrap();
        assert!(metrics.worker_mean_poll_time(0) >= Duration::from_micros(500));
    });
}

#[test]
fn parks_and_unparks_count_in_turn() {
    watched(|| {
        let runtime = workers(1);
        let metrics = runtime.metrics();
        // Asleep: an odd number.
        until(|| metrics.worker_park_unpark_count(0) % 2 == 1);
        let inside = runtime.block_on(runtime.spawn({
            let metrics = metrics.clone();
            async move { metrics.worker_park_unpark_count(0) }
        }));
        assert_eq!(inside.unwrap() % 2, 0, "it runs, so it is awake");
        until(|| metrics.worker_park_unpark_count(0) % 2 == 1);
        let parks = metrics.worker_park_count(0);
        let both = metrics.worker_park_unpark_count(0);
        assert!(both >= parks, "{both} of {parks}");
    });
}

#[test]
fn a_sleep_that_ends_for_nothing_is_counted() {
    watched(|| {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            for _ in 0..5 {
                Sleep::after(Duration::from_millis(1)).await;
            }
        });
        // Not each of them, although none led to a poll of a task: the root had something to do. A timer may be early.
        assert!(metrics.worker_noop_count(0) < metrics.worker_park_count(0));
        // A timer that nobody waits for any more wakes the worker for nothing.
        runtime.block_on(async {
            let woken = metrics.worker_noop_count(0);
            // On a busy machine both timers may be due at once.
            while metrics.worker_noop_count(0) == woken {
                let mut sleep = std::pin::pin!(Sleep::after(Duration::from_millis(1)));
                let waker = std::task::Waker::noop();
                let mut cx = std::task::Context::from_waker(waker);
                let _ = sleep.as_mut().poll(&mut cx);
                Sleep::after(Duration::from_millis(5)).await;
            }
        });
    });
}

#[test]
fn a_worker_knows_its_thread() {
    watched(|| {
        let runtime = workers(2);
        let metrics = runtime.metrics();
        until(|| (0..2).all(|worker| metrics.worker_thread_id(worker).is_some()));
        let here = runtime.block_on(runtime.spawn(async { std::thread::current().id() }));
        let here = here.unwrap();
        assert!((0..2).any(|worker| metrics.worker_thread_id(worker) == Some(here)));
        assert_ne!(metrics.worker_thread_id(0), metrics.worker_thread_id(1));

        let runtime = current();
        let metrics = runtime.metrics();
        assert_eq!(metrics.worker_thread_id(0), None, "nobody drives");
        let inside = runtime.block_on(async {
            // The root is polled before its thread sits down.
            yield_now().await;
            metrics.worker_thread_id(0)
        });
        assert_eq!(inside, Some(std::thread::current().id()));
        assert_eq!(metrics.worker_thread_id(0), None);
    });
}

#[test]
fn descriptors_are_counted_when_they_come_and_when_they_go() {
    watched(|| {
        for runtime in [workers(2), current()] {
            let metrics = runtime.metrics();
            assert_eq!(metrics.io_driver_fd_registered_count(), 0);
            runtime.block_on(async {
                let (mut here, there) = UnixStream::pair().unwrap();
                there.set_nonblocking(true).unwrap();
                let there = Source::new(there).unwrap();
                let ready = there.ready(loxley_core::io::Interest::READABLE);
                let (go, gone) = channel();
                let writer = std::thread::spawn(move || {
                    gone.recv().unwrap();
                    here.write_all(b"x").unwrap();
                });
                go.send(()).unwrap();
                ready.await.unwrap();
                writer.join().unwrap();
                assert_eq!(metrics.io_driver_fd_registered_count(), 1);
                assert_eq!(metrics.io_driver_fd_deregistered_count(), 0);
                assert!(metrics.io_driver_ready_count() >= 1);
                drop(there);
                assert_eq!(metrics.io_driver_fd_deregistered_count(), 1);
            });
        }
    });
}

/// Polls in the histogram, and those in buckets that begin at `from` or later.
fn polls(metrics: &RuntimeMetrics, from: Duration) -> (u64, u64) {
    let (mut all, mut long) = (0, 0);
    for bucket in 0..metrics.poll_time_histogram_num_buckets() {
        let count = sum(metrics, |worker| {
            metrics.poll_time_histogram_bucket_count(worker, bucket)
        });
        all += count;
        if metrics.poll_time_histogram_bucket_range(bucket).start >= from {
            long += count;
        }
    }
    (all, long)
}

#[test]
fn every_poll_is_in_the_histogram_once_and_long_ones_where_they_belong() {
    watched(|| {
        for builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            let mut builder = builder;
            let runtime = builder
                .worker_threads(1)
                .rescue(false)
                .enable_metrics_poll_time_histogram()
                .metrics_poll_time_histogram_configuration(HistogramConfiguration::log(
                    LogHistogram::builder().precision_exact(0),
                ))
                .build()
                .unwrap();
            let metrics = runtime.metrics();
            assert!(metrics.poll_time_histogram_enabled());
            let task = runtime.spawn(async {
                for _ in 0..3 {
                    std::thread::sleep(Duration::from_millis(10));
                    yield_now().await;
                }
            });
            runtime.block_on(task).unwrap();
            until(|| polls(&metrics, Duration::ZERO).0 == 4);
            // A bucket of this scale begins at half of what it counts, or above.
            assert!(polls(&metrics, Duration::from_millis(5)).1 >= 3);
        }
    });
}

#[test]
fn every_poll_has_a_latency() {
    watched(|| {
        for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
            let runtime = builder
                .worker_threads(1)
                .rescue(false)
                .enable_metrics_schedule_latency_histogram()
                .metrics_schedule_latency_histogram_configuration(HistogramConfiguration::linear(
                    Duration::from_millis(5),
                    2,
                ))
                .build()
                .unwrap();
            let metrics = runtime.metrics();
            assert!(metrics.schedule_latency_histogram_enabled());
            assert_eq!(metrics.schedule_latency_histogram_num_buckets(), 2);
            let second = metrics.schedule_latency_histogram_bucket_range(1);
            assert_eq!(second.start, Duration::from_millis(5));
            let task = runtime.spawn(async {
                // It waits in the queue of this very thread, which is held up.
                let late = spawn(async {});
                std::thread::sleep(Duration::from_millis(20));
                late.await.unwrap();
            });
            runtime.block_on(task).unwrap();
            let count = |bucket| metrics.schedule_latency_histogram_bucket_count(0, bucket);
            assert_eq!(count(0) + count(1), 3);
            assert!(count(1) >= 1, "the one that waited");
        }
    });
}

#[test]
fn what_is_not_measured_has_no_buckets() {
    let runtime = current();
    let metrics = runtime.metrics();
    assert!(!metrics.poll_time_histogram_enabled());
    assert!(!metrics.schedule_latency_histogram_enabled());
    assert_eq!(metrics.poll_time_histogram_num_buckets(), 0);
    assert_eq!(metrics.schedule_latency_histogram_num_buckets(), 0);
    assert_eq!(metrics.poll_time_histogram_bucket_count(0, 3), 0);
    assert!(metrics.poll_time_histogram_bucket_range(3).is_empty());
}
