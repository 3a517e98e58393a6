//! The laws of `LocalPoolHandle`: futures that are not `Send`, each on the thread where it began.

mod support;
#[path = "../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::cell::Cell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use loxley::sync::oneshot;
use loxley::task::{LocalPoolHandle, spawn_local, yield_now};
use support::{current, each, panic_of};
use watch::watched;

/// Says whether it was dropped on the thread that made it.
struct Held {
    owner: thread::ThreadId,
    dropped: mpsc::Sender<bool>,
}

impl Held {
    fn new(dropped: mpsc::Sender<bool>) -> Self {
        let owner = thread::current().id();
        Self { owner, dropped }
    }

    /// The future that waits for ever with it.
    async fn wait(self) {
        pending().await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.dropped.send(thread::current().id() == self.owner);
    }
}

#[test]
fn a_pool_crosses_threads() {
    auto_traits! {
        LocalPoolHandle: yes yes yes;
    }
}

#[test]
fn a_future_stays_on_the_thread_that_made_it() {
    watched(|| {
        each(|| async {
            let pool = LocalPoolHandle::new(3);
            let tasks: Vec<_> = (0..30)
                .map(|_| {
                    pool.spawn_pinned(|| {
                        let made = thread::current().id();
                        let shared = Rc::new(Cell::new(0));
                        async move {
                            for _ in 0..10 {
                                let inner = shared.clone();
                                let add = async move { inner.set(inner.get() + 1) };
                                spawn_local(add).await.unwrap();
                                assert_eq!(thread::current().id(), made);
                            }
                            shared.get()
                        }
                    })
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), 10);
            }
        });
    });
}

#[test]
fn the_thread_with_the_fewest_tasks_gets_the_next_one() {
    watched(|| {
        let pool = LocalPoolHandle::new(3);
        let wait = || pending::<()>();
        pool.spawn_pinned_by_idx(wait, 1);
        for _ in 0..5 {
            pool.spawn_pinned(wait);
        }
        assert_eq!(pool.get_task_loads_for_each_worker(), [2, 2, 2]);
        let last = pool.spawn_pinned_by_idx(wait, 2);
        assert_eq!(pool.get_task_loads_for_each_worker(), [2, 2, 3]);
        last.abort();
        assert!(current().block_on(last).unwrap_err().is_cancelled());
        assert_eq!(pool.get_task_loads_for_each_worker(), [2, 2, 2]);
    });
}

#[test]
fn each_number_is_a_thread() {
    watched(|| {
        let pool = LocalPoolHandle::new(3);
        assert_eq!(pool.num_threads(), 3);
        let runtime = current();
        let here = |number| {
            let task = pool.spawn_pinned_by_idx(|| async { thread::current().id() }, number);
            runtime.block_on(task).unwrap()
        };
        let mut threads = vec![here(0), here(1), here(2)];
        assert_eq!(threads, [here(0), here(1), here(2)]);
        threads.dedup();
        assert_eq!(threads.len(), 3);
    });
}

#[test]
fn an_abort_drops_the_future_on_its_thread() {
    watched(|| {
        let pool = LocalPoolHandle::new(1);
        let (dropped, drops) = mpsc::channel();
        let (tell, told) = oneshot::channel();
        let task = pool.spawn_pinned(move || {
            tell.send(()).unwrap();
            Held::new(dropped).wait()
        });
        told.blocking_recv().unwrap();
        task.abort();
        assert!(drops.recv().unwrap());
        assert!(current().block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panic_is_told_and_leaves_the_thread_alive() {
    watched(|| {
        let pool = LocalPoolHandle::new(1);
        let runtime = current();
        let make = pool.spawn_pinned(|| -> std::future::Ready<()> { panic!("while it is made") });
        let run = pool.spawn_pinned(|| async { panic!("while it runs") });
        for (task, text) in [(make, "while it is made"), (run, "while it runs")] {
            let payload = runtime.block_on(task).unwrap_err().into_panic();
            assert_eq!(payload.downcast_ref(), Some(&text));
        }
        assert_eq!(runtime.block_on(pool.spawn_pinned(|| ready(5))).unwrap(), 5);
        assert_eq!(pool.get_task_loads_for_each_worker(), [0]);
    });
}

#[test]
fn the_last_handle_cancels_what_runs() {
    watched(|| {
        each(|| async {
            let pool = LocalPoolHandle::new(2);
            let (dropped, drops) = mpsc::channel();
            let tasks: Vec<_> = (0..2)
                .map(|number| {
                    let dropped = dropped.clone();
                    pool.spawn_pinned_by_idx(|| Held::new(dropped).wait(), number)
                })
                .collect();
            drop(dropped);
            let clone = pool.clone();
            drop(pool);
            assert_eq!(clone.spawn_pinned(|| ready(5)).await.unwrap(), 5);
            drop(clone);
            for task in tasks {
                assert!(task.await.unwrap_err().is_cancelled());
            }
            // Ends when no future is left.
            assert!(drops.iter().all(|at_home| at_home));
        });
    });
}

#[test]
fn a_pool_may_be_dropped_on_one_of_its_threads() {
    watched(|| {
        let pool = LocalPoolHandle::new(1);
        let inner = pool.clone();
        let (tell, told) = oneshot::channel::<()>();
        let task = pool.spawn_pinned(move || async move {
            let _ = told.await;
            drop(inner);
            loop {
                yield_now().await;
            }
        });
        drop(pool);
        tell.send(()).unwrap();
        let task: loxley::task::JoinHandle<()> = task;
        assert!(current().block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn what_cannot_be_says_why() {
    let text = panic_of(|| LocalPoolHandle::new(0));
    assert!(text.contains("at least 1 thread"), "{text}");
    let text = panic_of(|| LocalPoolHandle::new(1).spawn_pinned_by_idx(|| ready(()), 1));
    assert!(text.contains("no worker 1 in a local pool of 1"), "{text}");
}
