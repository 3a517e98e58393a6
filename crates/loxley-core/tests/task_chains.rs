//! Long chains of tasks that end each other: iterative, whatever the depth.
//!
//! All on small stacks, so that one frame per link would not fit.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::any::Any;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gate::Gate;
use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::spawn;
use loxley_core::task::{AbortHandle, yield_now};
use watch::watched;

const LINKS: usize = 100_000;
/// A poll takes a few hundred bytes in release and some kilobytes in debug builds.
const STACK: usize = 128 << 10;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(count)
        .thread_stack_size(STACK)
        .build()
        .unwrap()
}

/// Runs `body` where one frame per link would not fit.
fn on_a_small_stack<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::Builder::new().stack_size(STACK).spawn(body);
    match thread.unwrap().join() {
        Ok(result) => result,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

fn both_flavors() -> [Runtime; 3] {
    [
        workers(1),
        workers(2),
        Builder::new_current_thread().build().unwrap(),
    ]
}

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Aborts a task when dropped, and counts.
struct Abort(Option<AbortHandle>, Count);

impl Drop for Abort {
    fn drop(&mut self) {
        self.1.up();
        if let Some(next) = self.0.take() {
            next.abort();
        }
    }
}

/// Idle tasks, each of which aborts the one before when it is dropped; the head of the chain.
fn chain_of_aborts(runtime: &Runtime, dropped: &Count) -> AbortHandle {
    let mut head = None;
    for _ in 0..LINKS {
        let abort = Abort(head.take(), dropped.clone());
        let task = runtime.spawn(async move {
            let _abort = abort;
            pending::<()>().await;
        });
        head = Some(task.abort_handle());
    }
    head.unwrap()
}

#[test]
fn a_chain_of_aborts_ends_link_by_link() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let dropped = Count::default();
                let head = chain_of_aborts(&runtime, &dropped);
                runtime.block_on(async {
                    head.abort();
                    while dropped.get() < LINKS {
                        yield_now().await;
                    }
                });
            });
        }
    });
}

#[test]
fn a_chain_of_aborts_ends_at_shutdown() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let dropped = Count::default();
                let _head = chain_of_aborts(&runtime, &dropped);
                drop(runtime);
                assert_eq!(dropped.get(), LINKS);
            });
        }
    });
}

#[test]
fn a_chain_of_handles_ends_from_its_head() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                // Each waits for the one before; the first for the gate.
                let gate = Gate::default();
                let mut last = runtime.spawn(gate.clone());
                for _ in 0..LINKS {
                    last = runtime.spawn(async move { last.await.unwrap() });
                }
                gate.open();
                runtime.block_on(last).unwrap();
            });
        }
    });
}

#[test]
fn a_chain_of_handles_is_dropped_at_shutdown() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let mut last = runtime.spawn(pending::<()>());
                for _ in 0..LINKS {
                    last = runtime.spawn(async move {
                        let _ = last.await;
                    });
                }
                runtime.block_on(yield_now());
                drop(runtime);
                assert!(last.is_finished());
            });
        }
    });
}

#[test]
fn a_chain_of_outputs_that_hold_handles_is_dropped() {
    type Output = Option<Box<dyn Any + Send>>;
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let count = Count::default();
                let mut last = runtime.spawn(async { Output::None });
                for _ in 0..LINKS {
                    let link = Abort(None, count.clone());
                    last = runtime.spawn(async move {
                        let output: Box<dyn Any + Send> = Box::new((last, link));
                        Output::Some(output)
                    });
                }
                while runtime.metrics().num_alive_tasks() > 0 {
                    runtime.block_on(yield_now());
                }
                drop(last);
                assert_eq!(count.get(), LINKS);
            });
        }
    });
}

#[test]
fn a_chain_of_wakes_goes_link_by_link() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let first = Gate::default();
                let mut gate = first.clone();
                for _ in 0..LINKS {
                    let next = Gate::default();
                    runtime.spawn({
                        let next = next.clone();
                        async move {
                            gate.await;
                            next.open();
                        }
                    });
                    gate = next;
                }
                first.open();
                runtime.block_on(gate);
            });
        }
    });
}

/// Spawns another of its kind when it is dropped, until none are left.
struct Spawns(usize, Handle, Count);

impl Drop for Spawns {
    fn drop(&mut self) {
        self.2.up();
        if self.0 > 0 {
            let next = Spawns(self.0 - 1, self.1.clone(), self.2.clone());
            self.1.spawn(async move { drop(next) });
        }
    }
}

#[test]
fn a_chain_of_spawns_in_drops_goes_link_by_link() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let dropped = Count::default();
                drop(Spawns(LINKS, runtime.handle().clone(), dropped.clone()));
                runtime.block_on(async {
                    while dropped.get() <= LINKS {
                        yield_now().await;
                    }
                });
            });
        }
    });
}

#[test]
fn a_chain_of_spawns_in_drops_ends_at_shutdown() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let dropped = Count::default();
                let spawns = Spawns(LINKS, runtime.handle().clone(), dropped.clone());
                runtime.spawn(async move {
                    let _spawns = spawns;
                    pending::<()>().await;
                });
                drop(runtime);
                assert_eq!(dropped.get(), LINKS + 1);
            });
        }
    });
}

#[test]
fn a_chain_of_spawns_after_the_end_goes_link_by_link() {
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let dropped = Count::default();
                let spawns = Spawns(LINKS, runtime.handle().clone(), dropped.clone());
                drop(runtime);
                drop(spawns);
                assert_eq!(dropped.get(), LINKS + 1);
            });
        }
    });
}

#[test]
fn each_task_spawning_the_next_goes_on_for_long() {
    fn next(left: usize, done: Gate) {
        if left == 0 {
            return done.open();
        }
        spawn(async move { next(left - 1, done) });
    }
    watched(|| {
        for runtime in both_flavors() {
            on_a_small_stack(move || {
                let done = Gate::default();
                runtime.block_on(async {
                    next(LINKS, done.clone());
                    done.await;
                });
            });
        }
    });
}
