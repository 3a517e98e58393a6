//! Blocking a worker on purpose: what was its own goes on elsewhere, and comes back.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use loxley_core::{block_in_place, spawn};
use watch::watched;

/// Without the monitor: the section alone has to see to everything.
fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().rescue(false);
    builder.build().unwrap()
}

#[test]
fn the_tasks_of_the_blocked_worker_run_elsewhere() {
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let task = runtime.spawn(async {
                let (ran, all_ran) = channel();
                // The last one is in the LIFO slot, the others in the deque.
                for number in 0..10 {
                    let ran = ran.clone();
                    spawn(async move { ran.send(number).unwrap() });
                }
                block_in_place(|| {
                    let mut numbers: Vec<_> = (0..10).map(|_| all_ran.recv().unwrap()).collect();
                    numbers.sort_unstable();
                    assert!(numbers.into_iter().eq(0..10));
                });
            });
            runtime.block_on(task).unwrap();
        });
    }
}

#[test]
fn the_timers_of_the_blocked_worker_fire_elsewhere() {
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let task = runtime.spawn(async {
                let (fired, has_fired) = channel();
                // Registered here, before the section.
                let mut sleep = Box::pin(Sleep::after(Duration::from_millis(1)));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                spawn(async move {
                    sleep.await;
                    fired.send(()).unwrap();
                });
                block_in_place(|| has_fired.recv().unwrap());
            });
            runtime.block_on(task).unwrap();
        });
    }
}

#[test]
fn the_sockets_of_the_blocked_worker_are_served_elsewhere() {
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let task = runtime.spawn(async {
                let (mut near, far) = UnixStream::pair().unwrap();
                far.set_nonblocking(true).unwrap();
                let (read, has_read) = channel();
                let (waits, it_waits) = channel();
                let reader = spawn(async move {
                    let far = Source::new(far).unwrap();
                    let mut byte = [0];
                    for _ in 0..3 {
                        let mut waits = Some(&waits);
                        let reading = far.async_io(Interest::READABLE, |mut io| io.read(&mut byte));
                        let mut reading = Box::pin(reading);
                        poll_fn(|cx| {
                            let polled = reading.as_mut().poll(cx);
                            if let (true, Some(waits)) = (polled.is_pending(), waits.take()) {
                                waits.send(()).unwrap();
                            }
                            polled
                        })
                        .await
                        .unwrap();
                        drop(reading);
                        read.send(byte[0]).unwrap();
                    }
                });
                // It waits in this worker's poller before the section begins.
                while it_waits.try_recv().is_err() {
                    yield_now().await;
                }
                block_in_place(|| {
                    for byte in 1..4 {
                        near.write_all(&[byte]).unwrap();
                        assert_eq!(has_read.recv().unwrap(), byte);
                        if byte < 3 {
                            it_waits.recv().unwrap();
                        }
                    }
                });
                reader.await.unwrap();
            });
            runtime.block_on(task).unwrap();
        });
    }
}

#[test]
fn what_is_spawned_and_woken_in_the_section_runs() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            block_in_place(|| {
                for number in 0..100 {
                    let (ran, it_ran) = channel();
                    spawn(async move {
                        yield_now().await;
                        Sleep::after(Duration::from_micros(10)).await;
                        ran.send(number).unwrap();
                    });
                    assert_eq!(it_ran.recv().unwrap(), number);
                }
            });
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn the_worker_goes_on_with_its_task_on_its_own_thread() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            let before = thread::current().id();
            let within = block_in_place(|| thread::current().id());
            assert_eq!(thread::current().id(), before);
            assert_eq!(within, before);
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn the_worker_returns_to_its_station() {
    watched(|| {
        let runtime = workers(1);
        for _ in 0..100 {
            let task = runtime.spawn(async { block_in_place(thread::yield_now) });
            runtime.block_on(task).unwrap();
            // Its sockets and timers are served, by whomever.
            let task = runtime.spawn(async {
                Sleep::after(Duration::from_micros(50)).await;
                let (mut near, far) = UnixStream::pair().unwrap();
                far.set_nonblocking(true).unwrap();
                let far = Source::new(far).unwrap();
                near.write_all(&[1]).unwrap();
                far.async_io(Interest::READABLE, |mut io| io.read(&mut [0]))
                    .await
            });
            assert_eq!(runtime.block_on(task).unwrap().unwrap(), 1);
        }
        // In the end nobody stands in any more: a worker that has nothing to do sleeps at its own station.
        let before = runtime.metrics().worker_park_count(0);
        while runtime.metrics().worker_park_count(0) == before {
            runtime.block_on(runtime.spawn(yield_now())).unwrap();
        }
    });
}

#[test]
fn no_wake_is_lost_while_a_station_changes_hands() {
    // The list of sleepers knows stations: the sleep of the returning worker was once taken for the one of its
    // stand-in, and somebody counted as searching for ever.
    for count in [1, 2, 3] {
        watched(move || {
            let runtime = workers(count);
            for _ in 0..1_000 {
                let task = runtime.spawn(async {
                    block_in_place(|| Handle::current().block_on(spawn(async {})).unwrap());
                });
                runtime.block_on(task).unwrap();
                // The worker falls asleep while its stand-in wakes up and leaves.
                runtime.block_on(runtime.spawn(async {})).unwrap();
            }
            assert_eq!(runtime.metrics().recheck_found_count(), 0);
        });
    }
}

#[test]
fn sections_nest() {
    watched(|| {
        for runtime in [workers(1), workers(2)] {
            let task = runtime.spawn(async {
                block_in_place(|| {
                    block_in_place(|| {
                        let handle = Handle::current();
                        let outer = handle.block_on(async {
                            spawn(async { block_in_place(|| 1) }).await.unwrap()
                        });
                        let root = handle.block_on(async { block_in_place(|| 2) });
                        outer + root
                    })
                })
            });
            assert_eq!(runtime.block_on(task).unwrap(), 3);
        }
    });
}

#[test]
fn many_at_once() {
    const TASKS: usize = 40;
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            for _ in 0..3 {
                // Each section waits for all the others: as many stand-ins, one after the other.
                let meeting = Arc::new(Barrier::new(TASKS));
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        let meeting = meeting.clone();
                        runtime.spawn(async move {
                            block_in_place(|| meeting.wait());
                            yield_now().await;
                        })
                    })
                    .collect();
                for task in tasks {
                    runtime.block_on(task).unwrap();
                }
            }
            assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        });
    }
}

#[test]
fn a_full_blocking_pool_takes_no_stand_in_away() {
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (resume, resumed) = channel::<()>();
        let job = runtime.spawn_blocking(move || resumed.recv().unwrap());
        let task = runtime.spawn(async {
            let (ran, it_ran) = channel();
            spawn(async move { ran.send(()).unwrap() });
            block_in_place(|| it_ran.recv().unwrap());
        });
        runtime.block_on(task).unwrap();
        resume.send(()).unwrap();
        runtime.block_on(job).unwrap();
    });
}

#[test]
fn a_section_in_the_root_is_nothing_special() {
    watched(|| {
        let runtime = workers(1);
        runtime.block_on(async {
            let (ran, it_ran) = channel();
            spawn(async move { ran.send(5).unwrap() });
            assert_eq!(block_in_place(|| it_ran.recv().unwrap()), 5);
        });
    });
}

#[test]
fn a_busy_pool_goes_through_thousands_of_sections() {
    watched(|| {
        let runtime = workers(2);
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                runtime.spawn(async move {
                    for round in 0..40 {
                        match (number + round) % 3 {
                            0 => block_in_place(thread::yield_now),
                            1 => Sleep::after(Duration::from_micros(20)).await,
                            _ => spawn(yield_now()).await.unwrap(),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        let metrics = runtime.metrics();
        assert_eq!(metrics.num_alive_tasks(), 0);
        assert_eq!(metrics.recheck_found_count(), 0);
    });
}
