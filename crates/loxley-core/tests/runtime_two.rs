//! Two runtimes in one process: each has its own workers, and their tasks may know each other.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use gate::Gate;
use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::spawn;
use loxley_core::task::JoinHandle;
use loxley_core::time::Sleep;
use watch::watched;

fn workers(count: usize, name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(count)
        .thread_name(name)
        .name(name)
        .enable_all()
        .build()
        .unwrap()
}

fn current_thread(name: &str) -> Runtime {
    Builder::new_current_thread()
        .name(name)
        .enable_all()
        .build()
        .unwrap()
}

fn here() -> String {
    Handle::current().name().unwrap_or_default().to_owned()
}

/// A ball that two players throw, each waking the other; it comes down after `throws`.
#[derive(Default)]
struct Ball {
    throws: u32,
    holder: usize,
    waiting: [Option<Waker>; 2],
}

fn player(
    ball: &Arc<Mutex<Ball>>,
    me: usize,
    home: &'static str,
) -> impl Future<Output = ()> + use<> {
    let ball = ball.clone();
    poll_fn(move |cx| {
        assert_eq!(
            here(),
            home,
            "a task stays in its runtime, whoever wakes it"
        );
        let other = {
            let mut ball = ball.lock().unwrap();
            ball.waiting[me] = Some(cx.waker().clone());
            if ball.throws > 0 && ball.holder == me {
                ball.throws -= 1;
                ball.holder = 1 - me;
            }
            if ball.holder == me && ball.throws > 0 {
                return Poll::Pending;
            }
            if ball.throws == 0 {
                let other = ball.waiting[1 - me].take();
                drop(ball);
                other.into_iter().for_each(Waker::wake);
                return Poll::Ready(());
            }
            ball.waiting[1 - me].take()
        };
        other.into_iter().for_each(Waker::wake);
        Poll::Pending
    })
}

#[test]
fn tasks_of_two_runtimes_wake_each_other() {
    for (left, right) in [(1, 1), (2, 1), (2, 2), (1, 0)] {
        watched(move || {
            let one = workers(left, "one");
            let two = if right == 0 {
                current_thread("two")
            } else {
                workers(right, "two")
            };
            let ball = Arc::new(Mutex::new(Ball {
                throws: 20_000,
                ..Ball::default()
            }));
            let first = one.spawn(player(&ball, 0, "one"));
            let second = two.spawn(player(&ball, 1, "two"));
            two.block_on(async {
                first.await.unwrap();
                second.await.unwrap();
            });
            for runtime in [one, two] {
                assert_eq!(runtime.metrics().recheck_found_count(), 0);
            }
        });
    }
}

#[test]
fn spawn_goes_to_the_runtime_that_the_code_is_in() {
    watched(|| {
        let (one, two) = (workers(1, "one"), workers(1, "two"));
        let handle = two.handle().clone();
        let homes = one.block_on(one.spawn(async move {
            let inner = spawn(async { here() });
            let outer = handle.spawn(async { spawn(async { here() }).await.unwrap() });
            let entered = {
                let _guard = handle.enter();
                spawn(async { here() })
            };
            let back = spawn(async { here() });
            let mut homes = Vec::new();
            for task in [inner, outer, entered, back] {
                homes.push(task.await.unwrap());
            }
            homes
        }));
        assert_eq!(homes.unwrap(), ["one", "two", "two", "one"]);
    });
}

#[test]
fn a_join_handle_may_be_awaited_in_another_runtime() {
    watched(|| {
        let (one, two) = (workers(1, "one"), workers(2, "two"));
        for round in 0..500 {
            let gate = Gate::default();
            let task = one.spawn({
                let gate = gate.clone();
                async move {
                    gate.await;
                    round
                }
            });
            let waiter = two.spawn(task);
            gate.open();
            assert_eq!(two.block_on(waiter).unwrap().unwrap(), round);
        }
    });
}

#[test]
fn a_sleep_of_one_runtime_may_be_awaited_in_another() {
    watched(|| {
        let (one, two) = (workers(1, "one"), workers(1, "two"));
        let sleep = {
            let _guard = one.enter();
            Sleep::after(Duration::from_millis(2))
        };
        two.block_on(two.spawn(sleep)).unwrap();
        assert_eq!(one.metrics().worker_timer_count(0), 1);
        assert_eq!(two.metrics().worker_timer_count(0), 0);
    });
}

#[test]
fn the_end_of_one_runtime_wakes_those_who_wait_for_it_in_the_other() {
    watched(|| {
        let (one, two) = (workers(2, "one"), workers(2, "two"));
        let waiters: Vec<JoinHandle<_>> = (0..50)
            .map(|_| {
                let task = one.spawn(pending::<()>());
                two.spawn(task)
            })
            .collect();
        drop(one);
        for waiter in waiters {
            assert!(two.block_on(waiter).unwrap().unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_task_that_holds_another_runtimes_task_may_be_dropped_by_its_shutdown() {
    watched(|| {
        for _ in 0..50 {
            let (one, two) = (workers(1, "one"), workers(1, "two"));
            // Each waits for a task of the other.
            let there = two.spawn(pending::<()>());
            let here = one.spawn(pending::<()>());
            let first = one.spawn(there);
            let second = two.spawn(here);
            let end = thread::spawn(move || drop(one));
            drop(two);
            end.join().unwrap();
            assert!(first.is_finished() && second.is_finished());
        }
    });
}

#[test]
fn runtimes_of_both_flavors_nest_on_one_thread() {
    watched(|| {
        let (one, two) = (workers(1, "one"), current_thread("two"));
        let task = one.spawn(async move {
            loxley_core::block_in_place(|| {
                two.block_on(async {
                    assert_eq!(here(), "two");
                    let task = spawn(async {
                        Sleep::after(Duration::from_micros(200)).await;
                        here()
                    });
                    assert_eq!(task.await.unwrap(), "two");
                });
                assert_eq!(here(), "one");
                drop(two);
            });
            spawn(async { here() }).await.unwrap()
        });
        assert_eq!(one.block_on(task).unwrap(), "one");
    });
}
