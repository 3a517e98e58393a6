//! Waiting for tasks: detached, late, from elsewhere, and by several wakers in turn.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use gate::Gate;
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::spawn;
use loxley_core::task::{JoinHandle, id, try_id, yield_now};
use watch::watched;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

fn both_flavors() -> [Runtime; 2] {
    [
        workers(2),
        Builder::new_current_thread().enable_all().build().unwrap(),
    ]
}

/// Counts its wakes.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll_with<T>(task: &mut JoinHandle<T>, waker: &Arc<Counting>) -> bool {
    let waker = Waker::from(waker.clone());
    Pin::new(task)
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
}

/// Counts its drops.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn until_finished<T>(runtime: &Runtime, task: &JoinHandle<T>) {
    while !task.is_finished() {
        runtime.block_on(yield_now());
    }
}

#[test]
fn a_detached_task_runs_to_its_end() {
    watched(|| {
        for runtime in both_flavors() {
            let gate = Gate::default();
            let (ran, it_ran) = channel();
            drop(runtime.spawn({
                let gate = gate.clone();
                async move {
                    gate.await;
                    yield_now().await;
                    ran.send(()).unwrap();
                }
            }));
            runtime.block_on(yield_now());
            gate.open();
            while it_ran.try_recv().is_err() {
                runtime.block_on(yield_now());
            }
        }
    });
}

#[test]
fn an_output_is_dropped_once_whoever_has_it() {
    watched(|| {
        for runtime in both_flavors() {
            let drops = Arc::new(AtomicUsize::new(0));
            let spawn_one = |gate: &Gate| {
                let (drops, gate) = (drops.clone(), gate.clone());
                runtime.spawn(async move {
                    gate.await;
                    Guard(drops)
                })
            };
            let gate = Gate::default();
            // Dropped before, at some time during, and after the end; taken; aborted after the end.
            let before = spawn_one(&gate);
            let after = spawn_one(&gate);
            let taken = spawn_one(&gate);
            let aborted = spawn_one(&gate);
            runtime.block_on(yield_now());
            drop(before);
            gate.open();
            for task in [&after, &taken, &aborted] {
                until_finished(&runtime, task);
            }
            // The count of tasks alive falls a moment before the output of a task without a handle is dropped.
            while drops.load(Ordering::SeqCst) == 0 {
                runtime.block_on(yield_now());
            }
            assert_eq!(runtime.metrics().num_alive_tasks(), 0);
            assert_eq!(drops.load(Ordering::SeqCst), 1);
            drop(after);
            assert_eq!(drops.load(Ordering::SeqCst), 2);
            let output = runtime.block_on(taken).unwrap();
            assert_eq!(drops.load(Ordering::SeqCst), 2);
            drop(output);
            aborted.abort();
            drop(aborted);
            assert_eq!(drops.load(Ordering::SeqCst), 4);
        }
    });
}

#[test]
fn outputs_are_dropped_once_when_handles_go_at_any_time() {
    watched(|| {
        for runtime in [workers(1), workers(3)] {
            let drops = Arc::new(AtomicUsize::new(0));
            const TASKS: usize = 20_000;
            for number in 0..TASKS {
                let guard = Guard(drops.clone());
                let task = runtime.spawn(async move { guard });
                for _ in 0..number % 100 {
                    std::hint::spin_loop();
                }
                drop(task);
            }
            while drops.load(Ordering::SeqCst) < TASKS {
                thread::yield_now();
            }
            drop(runtime);
            assert_eq!(drops.load(Ordering::SeqCst), TASKS);
        }
    });
}

#[test]
fn a_handle_polled_after_it_gave_the_output_panics() {
    watched(|| {
        for runtime in both_flavors() {
            let mut task = runtime.spawn(async { 1 });
            runtime.block_on(async {
                assert_eq!((&mut task).await.unwrap(), 1);
            });
            let again = catch_unwind(AssertUnwindSafe(|| poll_with(&mut task, &Arc::default())));
            let payload = again.unwrap_err();
            let text = payload.downcast_ref::<&str>().unwrap();
            assert!(text.contains("after completion"), "{text}");
            assert!(task.is_finished());
            drop(task);
        }
    });
}

#[test]
fn the_waker_of_the_last_poll_is_woken_and_no_other() {
    watched(|| {
        for runtime in both_flavors() {
            let gate = Gate::default();
            let mut task = runtime.spawn(gate.clone());
            let wakers: [Arc<Counting>; 3] = Default::default();
            for waker in &wakers {
                assert!(!poll_with(&mut task, waker));
            }
            // Again, with the one that is there.
            assert!(!poll_with(&mut task, &wakers[2]));
            gate.open();
            until_finished(&runtime, &task);
            while wakers[2].0.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let woken = wakers
                .each_ref()
                .map(|waker| waker.0.load(Ordering::SeqCst));
            assert_eq!(woken, [0, 0, 1]);
            drop(task);
            // Each clone that was stored is gone.
            while wakers.iter().any(|waker| Arc::strong_count(waker) > 1) {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn a_handle_that_is_polled_with_new_wakers_all_the_time_wakes_the_last() {
    watched(|| {
        let runtime = workers(2);
        for _ in 0..2_000 {
            let gate = Gate::default();
            let mut task = runtime.spawn(gate.clone());
            let opener = thread::spawn(move || gate.open());
            let last = loop {
                let waker = Arc::new(Counting::default());
                if poll_with(&mut task, &waker) {
                    break None;
                }
                if opener.is_finished() {
                    break Some(waker);
                }
            };
            if let Some(waker) = last {
                while waker.0.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                assert!(poll_with(&mut task, &Arc::default()));
            }
            opener.join().unwrap();
        }
    });
}

#[test]
fn a_select_over_handles_finds_each_once() {
    watched(|| {
        for runtime in both_flavors() {
            let sum = runtime.block_on(async {
                let mut tasks: Vec<_> = (0..200)
                    .map(|number: usize| {
                        spawn(async move {
                            for _ in 0..number % 7 {
                                yield_now().await;
                            }
                            number
                        })
                    })
                    .collect();
                let mut sum = 0;
                while !tasks.is_empty() {
                    sum += poll_fn(|cx| {
                        for index in 0..tasks.len() {
                            if let Poll::Ready(done) = Pin::new(&mut tasks[index]).poll(cx) {
                                drop(tasks.swap_remove(index));
                                return Poll::Ready(done.unwrap());
                            }
                        }
                        Poll::Pending
                    })
                    .await;
                }
                sum
            });
            assert_eq!(sum, 199 * 100);
        }
    });
}

#[test]
fn a_handle_is_awaited_on_plain_threads() {
    watched(|| {
        let runtime = workers(2);
        let threads: Vec<_> = (0..8)
            .map(|thread: usize| {
                let handle = runtime.handle().clone();
                thread::spawn(move || {
                    for number in 0..500 {
                        let task = handle.spawn(async move {
                            yield_now().await;
                            thread + number
                        });
                        assert_eq!(handle.block_on(task).unwrap(), thread + number);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let metrics = runtime.metrics();
        assert_eq!(metrics.spawned_tasks_count(), 4_000);
        assert_eq!(metrics.num_alive_tasks(), 0);
        assert_eq!(metrics.recheck_found_count(), 0);
    });
}

#[test]
fn ids_tell_tasks_apart_and_are_known_inside() {
    watched(|| {
        for runtime in both_flavors() {
            assert_eq!(try_id(), None);
            let task = runtime.spawn(async {
                let own = id();
                assert_eq!(try_id(), Some(own));
                let child = spawn(async { id() });
                let child_id = child.id();
                assert_ne!(own, child_id);
                assert_eq!(child.await.unwrap(), child_id);
                yield_now().await;
                assert_eq!(id(), own);
                own
            });
            let expected = task.id();
            assert_eq!(runtime.block_on(task).unwrap(), expected);
            // A root is no task.
            assert_eq!(runtime.block_on(async { try_id() }), None);
        }
    });
}

#[test]
fn the_drop_of_a_future_knows_its_id() {
    watched(|| {
        struct Knows(std::sync::mpsc::Sender<Option<loxley_core::task::Id>>);
        impl Drop for Knows {
            fn drop(&mut self) {
                self.0.send(try_id()).unwrap();
            }
        }
        for runtime in both_flavors() {
            let (tell, told) = channel();
            let knows = Knows(tell);
            let task = runtime.spawn(async move {
                let _knows = knows;
                std::future::pending::<()>().await;
            });
            runtime.block_on(yield_now());
            let expected = task.id();
            task.abort();
            assert!(runtime.block_on(task).is_err());
            assert_eq!(told.recv().unwrap(), Some(expected));
        }
    });
}

#[test]
fn the_error_of_a_task_names_it_and_converts() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(std::future::pending::<()>());
        let id = task.id();
        task.abort();
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(error.id(), id);
        assert_eq!(error.to_string(), format!("task {id} was cancelled"));
        let error = error.try_into_panic().unwrap_err();
        assert_eq!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::Other
        );
    });
}

#[test]
fn two_tasks_that_wait_for_each_other_are_freed_at_shutdown() {
    watched(|| {
        for runtime in both_flavors() {
            let drops = Arc::new(AtomicUsize::new(0));
            let (send_to_first, first_gets) = channel::<JoinHandle<()>>();
            let guards = [Guard(drops.clone()), Guard(drops.clone())];
            let [first_guard, second_guard] = guards;
            let started = Gate::default();
            let first = runtime.spawn({
                let started = started.clone();
                async move {
                    let _guard = first_guard;
                    started.await;
                    let other = first_gets.recv().unwrap();
                    let mut other = pin!(other);
                    let _ = poll_fn(|cx| other.as_mut().poll(cx)).await;
                }
            });
            let second = runtime.spawn(async move {
                let _guard = second_guard;
                let _ = first.await;
            });
            send_to_first.send(second).unwrap();
            started.open();
            runtime.block_on(yield_now());
            drop(runtime);
            assert_eq!(drops.load(Ordering::SeqCst), 2);
        }
    });
}
