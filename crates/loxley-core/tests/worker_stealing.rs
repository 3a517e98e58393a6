//! Work finds a worker: stealing, the injector, and nobody starved by those who are always ready.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use gate::Gate;
use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Runtime, RuntimeMetrics};
use loxley_core::task::{JoinHandle, yield_now};
use loxley_core::time::Sleep;
use loxley_core::{block_in_place, spawn};
use watch::watched;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

/// Without the help of the monitor and its spares.
fn unaided(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).rescue(false).build().unwrap()
}

fn sum(metrics: &RuntimeMetrics, count: impl Fn(usize) -> u64) -> u64 {
    (0..metrics.num_workers()).map(count).sum()
}

/// Nothing is left of `spawned` tasks.
fn assert_all_ended(runtime: &Runtime, spawned: u64) {
    let metrics = runtime.metrics();
    assert_eq!(metrics.spawned_tasks_count(), spawned);
    assert_eq!(metrics.completed_tasks_count(), spawned);
    assert_eq!(metrics.num_alive_tasks(), 0);
    assert_eq!(metrics.recheck_found_count(), 0);
}

/// Tasks that are always ready, until `stop`.
fn always_ready(count: usize, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let task = |_| {
        let stop = stop.clone();
        spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                yield_now().await;
            }
        })
    };
    (0..count).map(task).collect()
}

#[test]
fn ten_thousand_tasks_of_a_blocked_spawner_all_run() {
    const TASKS: u64 = 10_000;
    for count in [2, 4] {
        watched(move || {
            let runtime = unaided(count);
            let spawner = runtime.spawn(async {
                let (ran, all_ran) = channel();
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        let ran = ran.clone();
                        spawn(async move { ran.send(()).unwrap() })
                    })
                    .collect();
                // The task spawned last sits in this worker's LIFO slot and waits for us.
                for _ in 1..TASKS {
                    all_ran.recv().unwrap();
                }
                (tasks, all_ran)
            });
            runtime.block_on(async {
                let (tasks, _all_ran) = spawner.await.unwrap();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            assert_all_ended(&runtime, TASKS + 1);
            let metrics = runtime.metrics();
            let polls = sum(&metrics, |worker| metrics.worker_poll_count(worker));
            assert_eq!(polls, TASKS + 1, "no task had a reason to be polled twice");
            let stolen = sum(&metrics, |worker| metrics.worker_steal_count(worker));
            let steals = sum(&metrics, |worker| metrics.worker_steal_operations(worker));
            // A busy peer that visits takes tasks too.
            let visits = metrics.visit_count();
            assert!(
                0 < steals + visits && steals <= stolen,
                "{steals} steals of {stolen}, {visits} visits"
            );
            let searches = sum(&metrics, |worker| metrics.worker_search_count(worker));
            let tries = sum(&metrics, |worker| {
                metrics.worker_steal_attempt_count(worker)
            });
            assert!(
                steals <= searches && steals <= tries,
                "{steals} steals in {searches} searches, {tries} tries"
            );
            let spilled = sum(&metrics, |worker| metrics.worker_overflow_count(worker));
            let taken = sum(&metrics, |worker| {
                metrics.worker_injector_take_count(worker)
            });
            // A batch that is stolen from while it arrives is counted too low.
            assert!(
                taken <= spilled + 1,
                "{taken} taken: only what spilled, and the spawner, were there"
            );
            assert!(taken > 0);
        });
    }
}

#[test]
fn ten_thousand_tasks_run_while_their_spawner_blocks_in_place() {
    const TASKS: u64 = 10_000;
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let spawner = runtime.spawn(async {
                let (ran, all_ran) = channel();
                for _ in 0..TASKS {
                    let ran = ran.clone();
                    spawn(async move { ran.send(()).unwrap() });
                }
                block_in_place(|| {
                    for _ in 0..TASKS {
                        all_ran.recv().unwrap();
                    }
                });
            });
            runtime.block_on(spawner).unwrap();
            while runtime.metrics().num_alive_tasks() > 0 {
                std::thread::yield_now();
            }
            assert_all_ended(&runtime, TASKS + 1);
        });
    }
}

#[test]
fn a_lone_task_behind_a_blocked_worker_is_stolen() {
    watched(|| {
        let runtime = unaided(2);
        let spawner = runtime.spawn(async {
            let (ran, it_ran) = channel();
            let lone = spawn(async move { ran.send(()).unwrap() });
            // Takes the LIFO slot, so that the lone one moves to the deque.
            let last = spawn(async {});
            it_ran.recv().unwrap();
            (lone, last)
        });
        runtime.block_on(async {
            let (lone, last) = spawner.await.unwrap();
            lone.await.unwrap();
            last.await.unwrap();
        });
        let metrics = runtime.metrics();
        let stolen = sum(&metrics, |worker| metrics.worker_steal_count(worker));
        assert!(stolen >= 1);
        assert_all_ended(&runtime, 3);
    });
}

#[test]
fn a_lone_task_behind_a_worker_that_was_quick_so_far_is_stolen() {
    watched(|| {
        let runtime = workers(2);
        let spawner = runtime.spawn(async {
            // The worker learns that its polls are short. The one that follows is not.
            for _ in 0..200_000 {
                yield_now().await;
            }
            let (ran, it_ran) = channel();
            let lone = spawn(async move { ran.send(()).unwrap() });
            let last = spawn(async {});
            it_ran.recv().unwrap();
            (lone, last)
        });
        runtime.block_on(async {
            let (lone, last) = spawner.await.unwrap();
            lone.await.unwrap();
            last.await.unwrap();
        });
        assert_all_ended(&runtime, 3);
    });
}

#[test]
fn as_many_tasks_as_workers_run_at_once() {
    for count in [2, 4] {
        watched(move || {
            let runtime = unaided(count);
            for round in 0..100 {
                let meeting = Arc::new(Barrier::new(count));
                let meet = move || {
                    let meeting = meeting.clone();
                    async move {
                        meeting.wait();
                    }
                };
                let tasks: Vec<_> = if round % 2 == 0 {
                    (0..count).map(|_| runtime.spawn(meet())).collect()
                } else {
                    let inside = async move { (0..count).map(|_| spawn(meet())).collect() };
                    runtime.block_on(runtime.spawn(inside)).unwrap()
                };
                for task in tasks {
                    runtime.block_on(task).unwrap();
                }
            }
        });
    }
}

#[test]
fn outside_spawns_run_while_all_workers_yield_for_ever() {
    let intervals = [None, Some(1), Some(1000)];
    for (events, injector) in intervals.iter().flat_map(|a| intervals.map(|b| (*a, b))) {
        watched(move || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2);
            if let Some(polls) = events {
                builder.event_interval(polls);
            }
            if let Some(polls) = injector {
                builder.global_queue_interval(polls);
            }
            let runtime = builder.build().unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            let busy = {
                let _guard = runtime.enter();
                always_ready(4, &stop)
            };
            for _ in 0..100 {
                let (ran, it_ran) = channel();
                runtime.spawn(async move { ran.send(()).unwrap() });
                it_ran.recv().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            for task in busy {
                runtime.block_on(task).unwrap();
            }
        });
    }
}

/// A pair of tasks that wake each other, each time through the LIFO slot, until `stop`.
fn ping_pong(stop: &Arc<AtomicBool>) -> [JoinHandle<()>; 2] {
    let wakers: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
    [0, 1].map(|me: usize| {
        let (stop, wakers) = (stop.clone(), wakers.clone());
        spawn(poll_fn(move |cx| {
            *wakers[me].lock().unwrap() = Some(cx.waker().clone());
            // Before the other one is woken: whoever ends has then woken who did not see the end.
            let stop = stop.load(Ordering::Relaxed);
            let other = wakers[1 - me].lock().unwrap().take();
            if let Some(other) = other {
                other.wake();
            }
            if stop { Poll::Ready(()) } else { Poll::Pending }
        }))
    })
}

#[test]
fn a_pair_in_the_lifo_slot_does_not_starve_the_deque() {
    watched(|| {
        let runtime = workers(1);
        let all = runtime.spawn(async {
            let stop = Arc::new(AtomicBool::new(false));
            let pair = ping_pong(&stop);
            for _ in 0..100 {
                // Behind the pair, in the deque: `yield_now` goes to its tail.
                yield_now().await;
            }
            let behind = spawn(async {
                for _ in 0..100 {
                    yield_now().await;
                }
            });
            behind.await.unwrap();
            stop.store(true, Ordering::Relaxed);
            for player in pair {
                player.await.unwrap();
            }
        });
        runtime.block_on(all).unwrap();
        let metrics = runtime.metrics();
        assert!(
            metrics.worker_slot_take_count(0) > 100,
            "the pair did use the slot"
        );
        assert_all_ended(&runtime, 4);
    });
}

#[test]
fn a_pair_in_the_lifo_slot_starves_neither_outsiders_nor_timers() {
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let stop = Arc::new(AtomicBool::new(false));
            let _guard = runtime.enter();
            let pairs: Vec<_> = (0..count).map(|_| ping_pong(&stop)).collect();
            for _ in 0..20 {
                let task = runtime.spawn(Sleep::after(Duration::from_micros(100)));
                runtime.block_on(task).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            for player in pairs.into_iter().flatten() {
                runtime.block_on(player).unwrap();
            }
        });
    }
}

#[test]
fn a_storm_of_self_waking_tasks_starves_nobody() {
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let stop = Arc::new(AtomicBool::new(false));
            let _guard = runtime.enter();
            let storm = always_ready(500, &stop);

            // Sockets: every byte is answered.
            let (mut near, far) = UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            let echo = spawn(async move {
                let far = Source::new(far).unwrap();
                let mut byte = [0];
                while far
                    .async_io(Interest::READABLE, |mut io| io.read(&mut byte))
                    .await
                    .unwrap()
                    > 0
                {
                    far.async_io(Interest::WRITABLE, |mut io| io.write(&byte))
                        .await
                        .unwrap();
                }
            });
            // Timers, one after the other.
            let ticks = spawn(async {
                for _ in 0..20 {
                    Sleep::after(Duration::from_micros(200)).await;
                }
            });
            // Spawns from outside.
            for byte in 0..20 {
                near.write_all(&[byte]).unwrap();
                let mut answer = [0];
                near.read_exact(&mut answer).unwrap();
                assert_eq!(answer, [byte]);
                runtime.block_on(runtime.spawn(async {})).unwrap();
            }
            drop(near);
            runtime.block_on(ticks).unwrap();
            runtime.block_on(echo).unwrap();
            stop.store(true, Ordering::Relaxed);
            for task in storm {
                runtime.block_on(task).unwrap();
            }
        });
    }
}

#[test]
fn tasks_woken_all_at_once_all_run() {
    for count in [1, 2, 4] {
        watched(move || {
            let runtime = workers(count);
            for _ in 0..20 {
                let gate = Gate::default();
                let wait = |_| runtime.spawn(gate.clone());
                let tasks: Vec<_> = (0..1_000).map(wait).collect();
                gate.open();
                for task in tasks {
                    runtime.block_on(task).unwrap();
                }
            }
            assert_all_ended(&runtime, 20_000);
        });
    }
}
