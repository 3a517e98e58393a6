//! The flavour without threads: who drives, who waits, and who takes over.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gate::Gate;
use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use loxley_core::spawn;
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use watch::watched;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn spawned_tasks_run_only_while_somebody_drives() {
    watched(|| {
        let runtime = current_thread();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = |runs: usize| {
            let ran = ran.clone();
            async move {
                for _ in 0..runs {
                    ran.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            }
        };
        let task = runtime.spawn(count(1));
        let endless = runtime.spawn(count(usize::MAX));
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        assert_eq!(runtime.metrics().num_alive_tasks(), 2);
        runtime.block_on(task).unwrap();
        let so_far = ran.load(Ordering::Relaxed);
        assert!(so_far > 0);
        // Nobody drives: nothing moves, whatever is asked of the runtime.
        drop(runtime.spawn(async {}));
        assert_eq!(ran.load(Ordering::Relaxed), so_far);
        runtime.block_on(yield_now());
        endless.abort();
        assert!(runtime.block_on(endless).unwrap_err().is_cancelled());
    });
}

#[test]
fn everything_runs_on_the_callers_thread() {
    watched(|| {
        let runtime = current_thread();
        assert_eq!(
            runtime.handle().runtime_flavor(),
            RuntimeFlavor::CurrentThread
        );
        let me = thread::current().id();
        runtime.block_on(async {
            let tasks = (0..100).map(|_| spawn(async { thread::current().id() }));
            for task in tasks.collect::<Vec<_>>() {
                assert_eq!(task.await.unwrap(), me);
            }
        });
    });
}

#[test]
fn timers_and_sockets_are_driven() {
    watched(|| {
        let runtime = current_thread();
        runtime.block_on(async {
            let before = Instant::now();
            spawn(Sleep::after(Duration::from_millis(2))).await.unwrap();
            assert!(before.elapsed() >= Duration::from_millis(2));
            let (mut near, far) = UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            let (waits, it_waits) = channel();
            let reader = spawn(async move {
                let far = Source::new(far).unwrap();
                let mut byte = [0];
                let read = far.async_io(Interest::READABLE, |mut io| io.read(&mut byte));
                let mut read = Box::pin(read);
                // Before it waits there is nothing to read, so the byte comes as an event.
                let count = poll_fn(|cx| {
                    let polled = read.as_mut().poll(cx);
                    let _ = waits.send(());
                    polled
                });
                assert_eq!(count.await.unwrap(), 1);
                drop(read);
                byte[0]
            });
            let writer = thread::spawn(move || {
                it_waits.recv().unwrap();
                near.write_all(&[5]).map(|()| near)
            });
            assert_eq!(reader.await.unwrap(), 5);
            drop(writer.join().unwrap());
        });
        assert!(runtime.metrics().worker_event_count(0) > 0);
        assert!(runtime.metrics().worker_timer_count(0) > 0);
    });
}

#[test]
fn outsiders_wake_the_driver() {
    watched(|| {
        let runtime = current_thread();
        // Parked without anything to wait for, and parked in the poller.
        for with_socket in [false, true] {
            let gate = Gate::default();
            let handle = runtime.handle().clone();
            let opener = {
                let gate = gate.clone();
                thread::spawn(move || {
                    for _ in 0..100 {
                        let (ran, it_ran) = channel();
                        handle.spawn(async move { ran.send(()).unwrap() });
                        it_ran.recv().unwrap();
                    }
                    gate.open();
                })
            };
            runtime.block_on(async {
                let (_near, far) = UnixStream::pair().unwrap();
                let listener = with_socket.then(|| {
                    far.set_nonblocking(true).unwrap();
                    spawn(async move { Source::new(far)?.ready(Interest::READABLE).await })
                });
                gate.await;
                if let Some(listener) = listener {
                    listener.abort();
                }
            });
            opener.join().unwrap();
        }
        assert_eq!(runtime.metrics().recheck_found_count(), 0);
    });
}

#[test]
fn a_wake_of_the_root_from_another_thread_is_never_lost() {
    watched(|| {
        let runtime = current_thread();
        for _ in 0..5_000 {
            let gate = Gate::default();
            let opener = gate.clone();
            let (start, started) = channel();
            let thread = thread::spawn(move || {
                started.recv().unwrap();
                opener.open();
            });
            start.send(()).unwrap();
            runtime.block_on(gate);
            thread.join().unwrap();
        }
    });
}

#[test]
fn of_two_callers_one_drives_for_both() {
    watched(|| {
        let runtime = Arc::new(current_thread());
        let (first, second) = (Gate::default(), Gate::default());
        let (driving, is_driving) = channel();
        let driver = {
            let (runtime, second) = (runtime.clone(), second.clone());
            thread::spawn(move || {
                runtime.block_on(async {
                    spawn(async move { driving.send(()).unwrap() });
                    second.await;
                    thread::current().id()
                })
            })
        };
        is_driving.recv().unwrap();
        // A task has run, so the other one drives: whatever this one spawns runs over there.
        let (ran_on, me) = runtime.block_on(async {
            let task = spawn({
                let first = first.clone();
                async move {
                    Sleep::after(Duration::from_micros(100)).await;
                    first.open();
                    thread::current().id()
                }
            });
            first.await;
            (task.await.unwrap(), thread::current().id())
        });
        assert_ne!(ran_on, me);
        second.open();
        assert_eq!(driver.join().unwrap(), ran_on);
    });
}

#[test]
fn a_driver_that_leaves_hands_the_driving_on() {
    watched(|| {
        let runtime = Arc::new(current_thread());
        for _ in 0..200 {
            let leave = Gate::default();
            let (driving, is_driving) = channel();
            let driver = {
                let (runtime, leave) = (runtime.clone(), leave.clone());
                thread::spawn(move || {
                    runtime.block_on(async {
                        spawn(async move { driving.send(()).unwrap() });
                        leave.await;
                    });
                })
            };
            is_driving.recv().unwrap();
            // Needs somebody who drives, before and after the other one leaves.
            let waiter = {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    runtime.block_on(async {
                        for _ in 0..3 {
                            spawn(Sleep::after(Duration::from_micros(50)))
                                .await
                                .unwrap();
                        }
                    });
                })
            };
            leave.open();
            driver.join().unwrap();
            waiter.join().unwrap();
        }
    });
}

#[test]
fn many_callers_all_return() {
    watched(|| {
        let runtime = Arc::new(current_thread());
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    for round in 0..100 {
                        runtime.block_on(async {
                            match (caller + round) % 3 {
                                0 => yield_now().await,
                                1 => spawn(yield_now()).await.unwrap(),
                                _ => Sleep::after(Duration::from_micros(20)).await,
                            }
                        });
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        let metrics = runtime.metrics();
        assert_eq!(metrics.num_alive_tasks(), 0);
        assert_eq!(metrics.recheck_found_count(), 0);
    });
}

#[test]
fn a_driver_that_panics_hands_the_driving_on() {
    watched(|| {
        let runtime = Arc::new(current_thread());
        let leave = Gate::default();
        let (driving, is_driving) = channel();
        let driver = {
            let (runtime, leave) = (runtime.clone(), leave.clone());
            thread::spawn(move || {
                runtime.block_on(async {
                    spawn(async move { driving.send(()).unwrap() });
                    leave.await;
                    panic!("on purpose");
                });
            })
        };
        is_driving.recv().unwrap();
        let waiter = {
            let runtime = runtime.clone();
            thread::spawn(move || {
                runtime.block_on(async {
                    leave.open();
                    for _ in 0..10 {
                        spawn(Sleep::after(Duration::from_micros(50)))
                            .await
                            .unwrap();
                    }
                });
            })
        };
        assert!(driver.join().is_err());
        waiter.join().unwrap();
    });
}

#[test]
fn block_on_through_the_handle_waits_for_a_driver() {
    watched(|| {
        let runtime = current_thread();
        let handle = runtime.handle().clone();
        let waiter = thread::spawn(move || {
            handle.block_on(async {
                assert!(Handle::try_current().is_ok());
                spawn(async { thread::current().id() }).await.unwrap()
            })
        });
        // Drives until the other one has what it waits for.
        let mut root = Some(waiter);
        let ran_on = runtime.block_on(async {
            loop {
                if root.as_ref().is_some_and(|waiter| waiter.is_finished()) {
                    break root.take().unwrap().join().unwrap();
                }
                yield_now().await;
            }
        });
        assert_eq!(ran_on, thread::current().id());
    });
}

#[test]
fn a_root_that_yields_lets_the_tasks_run_that_wait() {
    watched(|| {
        let runtime = current_thread();
        for turns in 1..5 {
            let task = runtime.spawn(async move {
                for _ in 1..turns {
                    yield_now().await;
                }
            });
            // Each time a root of its own.
            while !task.is_finished() {
                runtime.block_on(yield_now());
            }
        }
    });
}

/// Also if the worker looks for events after each poll, as it does where polls are slow.
#[test]
fn a_root_that_yields_goes_behind_all_tasks_that_wait() {
    watched(|| {
        for polls in [1, 2, 3, 64] {
            let mut builder = Builder::new_current_thread();
            let runtime = builder.enable_all().event_interval(polls).build().unwrap();
            runtime.block_on(async {
                for tasks in 1..20 {
                    let tasks: Vec<_> = (0..tasks).map(|_| spawn(async {})).collect();
                    yield_now().await;
                    let done = tasks.iter().filter(|task| task.is_finished()).count();
                    assert_eq!(done, tasks.len(), "a look after {polls}");
                }
            });
        }
    });
}

/// As above, if it is a task that wakes the root.
#[test]
fn a_root_that_is_woken_goes_behind_all_tasks_that_wait() {
    watched(|| {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().event_interval(1).build().unwrap();
        runtime.block_on(async {
            let first = spawn(async {});
            let others: Vec<_> = (0..10).map(|_| spawn(async {})).collect();
            let last = spawn(async {});
            last.await.unwrap();
            let done = others.iter().filter(|task| task.is_finished()).count();
            assert_eq!((done, first.is_finished()), (10, true));
        });
    });
}

#[test]
fn tasks_run_in_the_order_in_which_they_became_ready() {
    watched(|| {
        let runtime = current_thread();
        let order = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            // A root is polled once before its thread becomes the worker; what it spawns then comes from outside.
            yield_now().await;
            let tasks: Vec<_> = (0..5)
                .map(|number| {
                    let order = order.clone();
                    spawn(async move {
                        order.lock().unwrap().push(number);
                        yield_now().await;
                        order.lock().unwrap().push(10 + number);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let order = std::mem::take(&mut *order.lock().unwrap());
        assert_eq!(order, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    });
}

/// A root's first poll comes before its thread is the worker, so what it spawns then comes from outside, and not all at once.
#[test]
fn what_a_root_spawns_runs_behind_what_its_first_poll_has_spawned() {
    watched(|| {
        for first in [2, 3, 10, 30] {
            let runtime = current_thread();
            let order = Arc::new(Mutex::new(Vec::new()));
            let push = |number| {
                let order = order.clone();
                spawn(async move { order.lock().unwrap().push(number) })
            };
            runtime.block_on(async {
                let mut tasks: VecDeque<_> = (0..first).map(push).collect();
                for number in first..2 * first {
                    tasks.pop_front().unwrap().await.unwrap();
                    tasks.push_back(push(number));
                }
                for task in tasks {
                    task.await.unwrap();
                }
            });
            let order = std::mem::take(&mut *order.lock().unwrap());
            assert!(order.is_sorted(), "{order:?}");
        }
    });
}

/// Looks that come by the number of polls alone are far away.
#[test]
fn a_root_that_yields_with_nobody_else_lets_an_event_in_at_once() {
    watched(|| {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().event_interval(1000).build().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let near = Source::new(near).unwrap();
            let read = spawn(async move {
                let interest = Interest::READABLE;
                near.async_io(interest, |mut io| io.read(&mut [0; 1])).await
            });
            yield_now().await;
            (&far).write_all(b"x").unwrap();
            for _ in 0..3 {
                yield_now().await;
            }
            assert!(read.is_finished());
        });
    });
}

#[test]
fn a_root_that_never_stops_yielding_lets_timers_and_sockets_in() {
    watched(|| {
        let runtime = current_thread();
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let near = Source::new(near).unwrap();
            let nap = spawn(Sleep::after(Duration::from_millis(1)));
            let read = spawn(async move {
                let interest = Interest::READABLE;
                near.async_io(interest, |mut io| io.read(&mut [0; 1])).await
            });
            while !nap.is_finished() {
                yield_now().await;
            }
            (&far).write_all(b"x").unwrap();
            while !read.is_finished() {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_busy_root_starves_no_task_and_busy_tasks_starve_no_root() {
    watched(|| {
        let runtime = current_thread();
        let turns = runtime.block_on(async {
            let endless = spawn(async {
                loop {
                    yield_now().await;
                }
            });
            let task = spawn(async {
                for _ in 0..1_000 {
                    yield_now().await;
                }
            });
            let mut turns = 0;
            while !task.is_finished() {
                turns += 1;
                yield_now().await;
            }
            endless.abort();
            turns
        });
        assert!(turns > 0);
    });
}
