//! Aborting: when it comes, and what the handle says then.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gate::Gate;
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::task::{AbortHandle, yield_now};
use loxley_core::time::Sleep;
use loxley_core::{spawn, spawn_blocking};
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

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn guard(&self) -> Guard {
        Guard(self.0.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_task_aborted_before_its_first_poll_never_runs() {
    watched(|| {
        let runtime = workers(1);
        let (resume, resumed) = channel::<()>();
        let blocker = runtime.spawn(async move { resumed.recv().unwrap() });
        let drops = Drops::default();
        let guard = drops.guard();
        let task = runtime.spawn(async move {
            let _guard = guard;
            unreachable!("aborted before");
        });
        task.abort();
        resume.send(()).unwrap();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
        runtime.block_on(blocker).unwrap();
    });
}

#[test]
fn an_idle_task_is_dropped_by_a_worker_and_not_by_the_caller() {
    watched(|| {
        struct Where(channel_of_names::Sender);
        mod channel_of_names {
            pub type Sender = std::sync::mpsc::Sender<Option<String>>;
        }
        impl Drop for Where {
            fn drop(&mut self) {
                let name = thread::current().name().map(str::to_owned);
                self.0.send(name).unwrap();
            }
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("dropper")
            .build()
            .unwrap();
        let (tell, told) = channel();
        let (idle, is_idle) = channel();
        let task = runtime.spawn(async move {
            let _where = Where(tell);
            idle.send(()).unwrap();
            pending::<()>().await;
        });
        is_idle.recv().unwrap();
        task.abort();
        assert_eq!(told.recv().unwrap().as_deref(), Some("dropper"));
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_running_task_ends_at_its_next_await() {
    watched(|| {
        let runtime = workers(1);
        let (running, is_running) = channel();
        let (resume, resumed) = channel::<()>();
        let steps = Arc::new(AtomicUsize::new(0));
        let seen = steps.clone();
        let task = runtime.spawn(async move {
            running.send(()).unwrap();
            resumed.recv().unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
            seen.fetch_add(1, Ordering::SeqCst);
        });
        is_running.recv().unwrap();
        task.abort();
        assert!(!task.is_finished());
        resume.send(()).unwrap();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(steps.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_task_that_ends_in_the_poll_in_which_it_is_aborted_has_ended() {
    watched(|| {
        let runtime = workers(1);
        let (running, is_running) = channel();
        let (resume, resumed) = channel::<()>();
        let task = runtime.spawn(async move {
            running.send(()).unwrap();
            resumed.recv().unwrap();
            8
        });
        is_running.recv().unwrap();
        task.abort();
        resume.send(()).unwrap();
        assert_eq!(runtime.block_on(task).unwrap(), 8);
    });
}

#[test]
fn a_task_may_abort_itself() {
    watched(|| {
        for runtime in both_flavors() {
            let own = Arc::new(Mutex::new(None::<AbortHandle>));
            let gate = Gate::default();
            let task = runtime.spawn({
                let (own, gate) = (own.clone(), gate.clone());
                async move {
                    gate.await;
                    let own = own.lock().unwrap().take().unwrap();
                    own.abort();
                    own.abort();
                    yield_now().await;
                    unreachable!("aborted by itself");
                }
            });
            *own.lock().unwrap() = Some(task.abort_handle());
            gate.open();
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn aborting_twice_or_after_the_end_does_nothing() {
    watched(|| {
        for runtime in both_flavors() {
            let task = runtime.spawn(async { 1 });
            while !task.is_finished() {
                runtime.block_on(yield_now());
            }
            task.abort();
            task.abort();
            let abort = task.abort_handle();
            assert_eq!(runtime.block_on(task).unwrap(), 1);
            // Long after the output was taken.
            assert!(abort.is_finished());
            abort.abort();
            abort.clone().abort();
            let task = runtime.spawn(pending::<()>());
            let abort = task.abort_handle();
            assert_eq!(abort.id(), task.id());
            abort.abort();
            abort.abort();
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
            drop(runtime);
            abort.abort();
        }
    });
}

#[test]
fn a_task_is_aborted_through_its_abort_handle_alone() {
    watched(|| {
        for runtime in both_flavors() {
            let drops = Drops::default();
            let guard = drops.guard();
            let task = runtime.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            let abort = task.abort_handle();
            drop(task);
            runtime.block_on(yield_now());
            abort.abort();
            while !abort.is_finished() {
                runtime.block_on(yield_now());
            }
            assert_eq!(drops.get(), 1);
        }
    });
}

#[test]
fn aborting_takes_sleeps_and_children_along_as_written() {
    watched(|| {
        for runtime in both_flavors() {
            let drops = Drops::default();
            let (parent_guard, child_guard) = (drops.guard(), drops.guard());
            let child = Arc::new(Mutex::new(None));
            let child_handle = child.clone();
            let parent = runtime.spawn(async move {
                let _guard = parent_guard;
                *child_handle.lock().unwrap() = Some(spawn(async move {
                    let _guard = child_guard;
                    pending::<()>().await;
                }));
                Sleep::after(Duration::from_secs(3600)).await;
            });
            runtime.block_on(async {
                while child.lock().unwrap().is_none() {
                    yield_now().await;
                }
            });
            parent.abort();
            assert!(runtime.block_on(parent).unwrap_err().is_cancelled());
            assert_eq!(drops.get(), 1, "a child is detached, not aborted");
            let child = child.lock().unwrap().take().unwrap();
            child.abort();
            assert!(runtime.block_on(child).unwrap_err().is_cancelled());
            assert_eq!(drops.get(), 2);
        }
    });
}

#[test]
fn a_queued_blocking_job_can_be_aborted_and_a_running_one_not() {
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (running, is_running) = channel();
        let (resume, resumed) = channel::<()>();
        let first = runtime.spawn_blocking(move || {
            running.send(()).unwrap();
            resumed.recv().unwrap();
            9
        });
        is_running.recv().unwrap();
        let drops = Drops::default();
        let guard = drops.guard();
        let second = runtime.spawn_blocking(move || {
            let _guard = guard;
            unreachable!("aborted in the queue");
        });
        first.abort();
        second.abort();
        second.abort();
        assert!(!first.is_finished());
        resume.send(()).unwrap();
        assert_eq!(runtime.block_on(first).unwrap(), 9);
        assert!(runtime.block_on(second).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
        let third = runtime.block_on(async { spawn_blocking(|| 10).await });
        assert_eq!(third.unwrap(), 10);
    });
}

#[test]
fn aborts_race_with_ends_and_wakes() {
    watched(|| {
        for runtime in both_flavors() {
            let drops = Drops::default();
            let mut ended = 0;
            for round in 0..2_000 {
                let gate = Gate::default();
                let guard = drops.guard();
                let task = runtime.spawn({
                    let gate = gate.clone();
                    async move {
                        let _guard = guard;
                        gate.await;
                        yield_now().await;
                        1
                    }
                });
                let abort = task.abort_handle();
                let thread = (round % 10 == 0).then(|| {
                    let gate = gate.clone();
                    thread::spawn(move || gate.open())
                });
                if thread.is_none() {
                    gate.open();
                }
                let aborter = thread::scope(|scope| {
                    let aborter = scope.spawn(move || abort.abort());
                    let result = runtime.block_on(task);
                    aborter.join().unwrap();
                    result
                });
                match aborter {
                    Ok(1) => ended += 1,
                    result => assert!(result.unwrap_err().is_cancelled()),
                }
                if let Some(thread) = thread {
                    thread.join().unwrap();
                }
                assert_eq!(drops.get(), round + 1);
            }
            println!("{ended} of 2000 ended first");
        }
    });
}
