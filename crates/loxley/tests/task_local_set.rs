//! The laws of `LocalSet`: its tasks run and end on one thread, whoever wakes or aborts them.

mod support;
#[path = "../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use loxley::runtime::{Runtime, UnhandledPanic};
use loxley::sync::oneshot;
use loxley::task::{
    self, JoinHandle, JoinSet, LocalEnterGuard, LocalSet, TaskTracker, spawn_local, yield_now,
};
use support::{panic_of, probe, runtimes};
use watch::watched;

/// Runs a law inside a set, driven by each kind of runtime.
#[track_caller]
fn inside<F, T>(law: F)
where
    F: Fn() -> T + Send + 'static,
    T: Future<Output = ()>,
{
    watched(move || {
        for runtime in runtimes() {
            LocalSet::new().block_on(&runtime, law());
        }
    });
}

/// Runs a law with each kind of runtime.
fn with_each(law: impl Fn(&Runtime) + Send + 'static) {
    watched(move || runtimes().iter().for_each(&law));
}

/// Says on which thread it was dropped.
struct Dropped(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(thread::current().id());
    }
}

fn poll(future: &mut (impl Future + Unpin)) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut cx).is_ready()
}

#[test]
fn a_set_and_its_guard_stay_on_their_thread() {
    auto_traits! {
        LocalSet: no no yes;
        LocalEnterGuard: no no yes;
        JoinHandle<u8>: yes yes yes;
        JoinHandle<Rc<u8>>: no no yes;
        task::Builder<'static>: yes yes yes;
        task::join_set::Builder<'static, u8>: yes yes yes;
        task::join_set::Builder<'static, Rc<u8>>: no no yes;
    }
}

#[test]
fn a_local_future_and_its_output_need_not_be_send() {
    inside(|| async {
        let shared = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (1..=10)
            .map(|number| {
                let shared = shared.clone();
                spawn_local(async move {
                    yield_now().await;
                    shared.set(shared.get() + number);
                    shared
                })
            })
            .collect();
        for task in tasks {
            assert!(Rc::ptr_eq(&task.await.unwrap(), &shared));
        }
        assert_eq!((shared.get(), Rc::strong_count(&shared)), (55, 1));
    });
}

#[test]
fn tasks_run_in_the_order_in_which_they_are_woken() {
    inside(|| async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|number| {
                let order = order.clone();
                spawn_local(async move {
                    order.borrow_mut().push(number);
                    yield_now().await;
                    order.borrow_mut().push(number + 10);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    });
}

#[test]
fn a_task_knows_its_id_and_the_one_around_it_keeps_its_own() {
    inside(|| async {
        assert_eq!(task::try_id(), None);
        let task = spawn_local(async { task::id() });
        let id = task.id();
        assert_eq!(task.await.unwrap(), id);
        assert_eq!(task::try_id(), None);
    });
}

#[test]
fn an_awaited_set_is_ready_when_its_tasks_have_ended() {
    with_each(|runtime| {
        let set = LocalSet::new();
        let ended = Rc::new(Cell::new(0));
        for turns in 0..5 {
            let ended = ended.clone();
            set.spawn_local(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                let ended = ended.clone();
                // What a task spawns belongs to the set, too.
                spawn_local(async move { ended.set(ended.get() + 1) });
            });
        }
        runtime.block_on(set);
        assert_eq!(ended.get(), 5);
        runtime.block_on(LocalSet::default());
    });
}

#[test]
fn tasks_that_are_left_go_on_when_the_set_is_polled_again() {
    with_each(|runtime| {
        let set = LocalSet::new();
        let (open, gate) = oneshot::channel::<()>();
        let task = set.spawn_local(async move { gate.await.is_ok() });
        set.block_on(runtime, yield_now());
        assert!(!task.is_finished());
        open.send(()).unwrap();
        assert!(set.block_on(runtime, task).unwrap());
    });
}

#[test]
fn a_set_needs_no_runtime() {
    watched(|| {
        let mut set = LocalSet::new();
        let (open, gate) = oneshot::channel::<()>();
        let task = set.spawn_local(async move { gate.await.is_ok() });
        assert!(!poll(&mut set));
        open.send(()).unwrap();
        assert!(poll(&mut set) && task.is_finished());
    });
}

#[test]
fn a_wake_from_another_thread_runs_the_task_here() {
    inside(|| async {
        let here = thread::current().id();
        let mut tasks = Vec::new();
        let mut gates = Vec::new();
        for _ in 0..20 {
            let (open, gate) = oneshot::channel::<()>();
            gates.push(open);
            tasks.push(spawn_local(async move {
                gate.await.unwrap();
                thread::current().id()
            }));
        }
        let opener = thread::spawn(|| gates.into_iter().for_each(|gate| gate.send(()).unwrap()));
        for task in tasks {
            assert_eq!(task.await.unwrap(), here);
        }
        opener.join().unwrap();
    });
}

#[test]
fn an_abort_from_another_thread_leaves_the_drop_to_this_one() {
    inside(|| async {
        let drops = Arc::new(Mutex::new(Vec::new()));
        let held = Dropped(drops.clone());
        let task = spawn_local(async move {
            let _held = held;
            pending::<()>().await;
        });
        yield_now().await;
        let abort = task.abort_handle();
        thread::spawn(move || abort.abort()).join().unwrap();
        // The aborting thread has come back: if it had dropped anything, it would be there.
        assert!(drops.lock().unwrap().is_empty());
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(*drops.lock().unwrap(), [thread::current().id()]);
    });
}

#[test]
fn a_dropped_set_drops_its_futures_here_whoever_holds_their_wakers() {
    with_each(|runtime| {
        let drops = Arc::new(Mutex::new(Vec::new()));
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let set = LocalSet::new();
        let (held, kept) = (Dropped(drops.clone()), wakers.clone());
        let task = set.spawn_local(async move {
            let _held = held;
            poll_fn(|cx| {
                kept.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        });
        // One that never ran.
        let held = Dropped(drops.clone());
        set.block_on(runtime, yield_now());
        let unborn = set.spawn_local(async move { drop(held) });
        drop(set);
        assert_eq!(*drops.lock().unwrap(), [thread::current().id(); 2]);
        assert!(task.is_finished() && unborn.is_finished());
        // Late wakes, and the last reference to the cell, in another thread.
        let late = thread::spawn(move || {
            let wakers = std::mem::take(&mut *wakers.lock().unwrap());
            wakers.into_iter().for_each(Waker::wake);
        });
        late.join().unwrap();
        for handle in [task, unborn] {
            assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn wakes_and_aborts_may_meet_the_end_of_the_set() {
    watched(|| {
        let runtime = support::current();
        let mut random = support::Random::new();
        for _ in 0..200 {
            let drops = Arc::new(Mutex::new(Vec::new()));
            let set = LocalSet::new();
            let mut others = Vec::new();
            for _ in 0..4 {
                let (send, wakers) = mpsc::channel::<Waker>();
                let held = Dropped(drops.clone());
                let task = set.spawn_local(async move {
                    let _held = held;
                    poll_fn(|cx| {
                        let _ = send.send(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await;
                });
                others.push((wakers, task.abort_handle(), random.below(2) == 0));
            }
            let go = Arc::new(AtomicBool::new(false));
            let threads: Vec<_> = others
                .into_iter()
                .map(|(wakers, abort, aborts)| {
                    let go = go.clone();
                    thread::spawn(move || {
                        let waker = wakers.recv().unwrap();
                        go.store(true, Ordering::SeqCst);
                        match aborts {
                            true => abort.abort(),
                            false => (0..20).for_each(|_| waker.wake_by_ref()),
                        }
                    })
                })
                .collect();
            set.block_on(&runtime, async {
                while !go.load(Ordering::SeqCst) {
                    yield_now().await;
                }
                for _ in 0..random.below(4) {
                    yield_now().await;
                }
            });
            drop(set);
            assert_eq!(*drops.lock().unwrap(), [thread::current().id(); 4]);
            threads.into_iter().for_each(|t| t.join().unwrap());
        }
    });
}

#[test]
fn a_drop_at_the_end_may_spawn_and_the_new_task_is_cancelled() {
    /// Spawns its successor when dropped.
    struct Chain(usize, Rc<Cell<usize>>);
    impl Drop for Chain {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if self.0 > 0 {
                let next = Chain(self.0 - 1, self.1.clone());
                let task = spawn_local(async move {
                    let _next = next;
                    pending::<()>().await;
                });
                drop(task);
            }
        }
    }
    with_each(|runtime| {
        let links = 20_000; // more than a stack could hold
        let drops = Rc::new(Cell::new(0));
        let set = LocalSet::new();
        let first = Chain(links, drops.clone());
        set.spawn_local(async move {
            let _first = first;
            pending::<()>().await;
        });
        set.block_on(runtime, yield_now());
        drop(set);
        assert_eq!(drops.get(), links + 1);
    });
}

#[test]
fn a_task_that_is_spawned_after_the_end_is_cancelled() {
    let set = LocalSet::new();
    let guard = set.enter();
    drop(set);
    let late = spawn_local(async {});
    assert!(late.is_finished());
    drop(guard);
    let error = support::current().block_on(late).unwrap_err();
    assert!(error.is_cancelled());
}

#[test]
fn a_panic_is_the_tasks_own() {
    inside(|| async {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("in the drop");
            }
        }
        let polled = spawn_local(async { panic!("in the poll") });
        assert!(polled.await.unwrap_err().is_panic());
        let bad = Bad;
        let dropped = spawn_local(async move {
            let _bad = bad;
            pending::<()>().await;
        });
        yield_now().await;
        dropped.abort();
        assert!(dropped.await.unwrap_err().is_panic());
        assert_eq!(spawn_local(async { 5 }).await.unwrap(), 5);
    });
}

#[test]
fn a_panic_ends_the_set_if_so_asked() {
    with_each(|runtime| {
        let mut set = LocalSet::new();
        set.unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let held = Rc::new(());
        let innocent = held.clone();
        let innocent = set.spawn_local(async move {
            let _innocent = innocent;
            pending::<()>().await;
        });
        set.spawn_local(async {
            yield_now().await;
            panic!("on purpose");
        });
        let text = panic_of(|| set.block_on(runtime, pending::<()>()));
        assert!(text.contains("on purpose"), "{text}");
        assert_eq!(Rc::strong_count(&held), 1);
        assert!(runtime.block_on(innocent).unwrap_err().is_cancelled());
        // And so it stays.
        let text = panic_of(|| set.block_on(runtime, pending::<()>()));
        assert!(text.contains("on purpose"), "{text}");
    });
}

#[test]
fn a_task_that_never_waits_keeps_nobody_from_running() {
    inside(|| async {
        let stop = Rc::new(Cell::new(false));
        let stopped = stop.clone();
        let busy = spawn_local(async move {
            while !stopped.get() {
                yield_now().await;
            }
        });
        // Another task of the set, one of the runtime, and one that another thread wakes.
        spawn_local(async {}).await.unwrap();
        loxley::spawn(async {}).await.unwrap();
        let (open, gate) = oneshot::channel::<()>();
        let opener = thread::spawn(move || open.send(()).unwrap());
        spawn_local(async move { gate.await.unwrap() })
            .await
            .unwrap();
        opener.join().unwrap();
        assert!(!busy.is_finished());
        stop.set(true);
        busy.await.unwrap();
    });
}

#[test]
fn each_task_has_a_budget_of_its_own() {
    inside(|| async {
        let polls = Rc::new(Cell::new(0));
        let counted = polls.clone();
        let busy = spawn_local(async move {
            let mut work = pin!(async {
                for _ in 0..1000 {
                    task::consume_budget().await;
                }
            });
            poll_fn(|cx| {
                counted.set(counted.get() + 1);
                work.as_mut().poll(cx)
            })
            .await;
        });
        busy.await.unwrap();
        assert!(polls.get() > 5, "{} polls", polls.get());
        assert!(task::coop::has_budget_remaining());
    });
}

#[test]
fn blocking_in_place_is_refused_and_the_pool_is_the_way() {
    inside(|| async {
        for text in [
            panic_of(|| task::block_in_place(|| ())),
            spawn_local(async { panic_of(|| task::block_in_place(|| ())) })
                .await
                .unwrap(),
        ] {
            assert!(text.contains("spawn_blocking"), "{text}");
        }
        let text = panic_of(|| LocalSet::new().block_on(&support::current(), async {}));
        assert!(text.contains("within a runtime"), "{text}");
        assert_eq!(task::spawn_blocking(|| 5).await.unwrap(), 5);
    });
    // The set is gone: what was forbidden in it is allowed.
    let runtime = support::multi(1);
    let task = runtime.spawn(async { task::block_in_place(|| 5) });
    assert_eq!(runtime.block_on(task).unwrap(), 5);
}

#[test]
fn outside_of_a_set_spawn_local_panics_and_says_what_to_do() {
    with_each(|runtime| {
        let spawn = || drop(spawn_local(async {}));
        let texts = [
            panic_of(spawn),
            runtime.block_on(async { panic_of(spawn) }),
            runtime
                .block_on(runtime.spawn(async move { panic_of(spawn) }))
                .unwrap(),
            panic_of(|| task::Builder::new().spawn_local(async {})),
            panic_of(|| JoinSet::new().spawn_local(async {})),
        ];
        for text in texts {
            assert!(text.contains("LocalSet::run_until"), "{text}");
        }
    });
}

#[test]
fn a_spawn_from_outside_wakes_who_polls_the_set() {
    let set = LocalSet::new();
    let ran = Rc::new(Cell::new(0));
    let mut driver = probe(set.run_until(pending::<()>()));
    driver.pending();
    let count = |ran: &Rc<Cell<i32>>| {
        let ran = ran.clone();
        async move { ran.set(ran.get() + 1) }
    };
    set.spawn_local(count(&ran));
    assert!(driver.is_woken());
    driver.pending();
    {
        let _guard = set.enter();
        spawn_local(count(&ran));
    }
    assert!(driver.is_woken());
    driver.pending();
    assert_eq!(ran.get(), 2);
    assert!(!driver.is_woken());
}

#[test]
fn the_innermost_set_is_the_one_that_is_found() {
    inside(|| async {
        let inner = LocalSet::new();
        let outer_task = spawn_local(pending::<()>());
        {
            let _guard = inner.enter();
            spawn_local(async {});
        }
        let inner_ids = inner.run_until(async { spawn_local(async { 5 }).await.unwrap() });
        assert_eq!(inner_ids.await, 5);
        // The inner one has no task left; the outer one still has.
        inner.await;
        let outer = spawn_local(async { 6 });
        assert_eq!(outer.await.unwrap(), 6);
        assert!(!outer_task.is_finished());
    });
}

#[test]
fn a_set_that_is_dropped_in_another_set_wakes_its_tasks() {
    inside(|| async {
        let inner = LocalSet::new();
        let (open, gate) = oneshot::channel::<()>();
        let waiting = spawn_local(async move { gate.await.is_err() });
        inner.spawn_local(async move {
            let _open = open;
            pending::<()>().await;
        });
        inner.run_until(yield_now()).await;
        drop(inner);
        assert!(waiting.await.unwrap());
    });
}

#[test]
fn a_dropped_run_until_leaves_the_set_as_it_is() {
    let set = LocalSet::new();
    let ran = Rc::new(Cell::new(false));
    let mut driver = probe(set.run_until(pending::<()>()));
    driver.pending();
    drop(driver);
    let there = ran.clone();
    set.spawn_local(async move { there.set(true) });
    assert!(!ran.get());
    support::current().block_on(set);
    assert!(ran.get());
}

#[test]
fn local_tasks_are_members_of_sets_and_trackers() {
    inside(|| async {
        let local = LocalSet::new();
        let mut set = JoinSet::new();
        set.spawn_local(async { Rc::new(1) });
        set.spawn_local_on(async { Rc::new(2) }, &local);
        let named = set.build_task().name("three");
        let id = named.spawn_local(async { Rc::new(3) }).unwrap().id();
        let named = set.build_task().name("four");
        named.spawn_local_on(async { Rc::new(4) }, &local).unwrap();
        let mut outputs = local
            .run_until(async {
                let mut outputs = Vec::new();
                while let Some(output) = set.join_next_with_id().await {
                    let (whose, output) = output.unwrap();
                    assert_eq!(whose == id, *output == 3);
                    outputs.push(*output);
                }
                outputs
            })
            .await;
        outputs.sort_unstable();
        assert_eq!(outputs, [1, 2, 3, 4]);

        let tracker = TaskTracker::new();
        let tracked = tracker.spawn_local(async { Rc::new(5) });
        tracker.spawn_local_on(async {}, &local);
        assert_eq!(tracker.len(), 2);
        tracker.close();
        local.run_until(tracker.wait()).await;
        assert_eq!(*tracked.await.unwrap(), 5);
    });
}

#[test]
fn a_dropped_set_of_handles_aborts_local_tasks() {
    inside(|| async {
        let alive = Rc::new(());
        let mut set = JoinSet::new();
        for _ in 0..5 {
            let alive = alive.clone();
            set.spawn_local(async move {
                let _alive = alive;
                pending::<()>().await;
            });
        }
        yield_now().await;
        assert_eq!(Rc::strong_count(&alive), 6);
        // On another thread, where nothing of a task may be dropped.
        thread::spawn(move || drop(set)).join().unwrap();
        while Rc::strong_count(&alive) > 1 {
            yield_now().await;
        }
    });
}

#[test]
fn the_place_of_a_local_spawn_is_the_callers() {
    let set = LocalSet::new();
    let _guard = set.enter();
    let builder = task::Builder::new();
    let first = line!();
    let tasks = [
        set.spawn_local(async {}),
        spawn_local(async {}),
        builder.spawn_local(async {}).unwrap(),
        builder.spawn_local_on(async {}, &set).unwrap(),
    ];
    let last = line!();
    for task in tasks {
        let text = format!("{task:?}");
        let lines = (first..last).map(|line| format!("task_local_set.rs\", line: {line},"));
        assert!(
            lines.into_iter().any(|place| text.contains(&place)),
            "{text}"
        );
    }
}

#[test]
fn many_threads_wake_many_tasks_and_none_is_lost() {
    inside(|| async {
        let woken = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        let mut gates = Vec::new();
        for _ in 0..200 {
            let (open, gate) = oneshot::channel::<()>();
            gates.push(open);
            let woken = woken.clone();
            set.spawn_local(async move {
                gate.await.unwrap();
                woken.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut threads = Vec::new();
        while !gates.is_empty() {
            let part = gates.split_off(gates.len() - 50);
            threads.push(thread::spawn(move || {
                part.into_iter().for_each(|gate| gate.send(()).unwrap());
            }));
        }
        while let Some(ended) = set.join_next().await {
            ended.unwrap();
        }
        assert_eq!(woken.load(Ordering::SeqCst), 200);
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn a_leaked_guard_is_the_threads_last_word_and_no_more() {
    // A thread that ends inside a set: its locals go, and the set with them.
    let drops = Arc::new(Mutex::new(Vec::new()));
    let held = Dropped(drops.clone());
    let ended = thread::spawn(move || {
        thread_local!(static KEPT: RefCell<Option<LocalSet>> = const { RefCell::new(None) });
        let set = LocalSet::new();
        std::mem::forget(set.enter());
        set.spawn_local(async move {
            let _held = held;
            pending::<()>().await;
        });
        KEPT.set(Some(set));
        thread::current().id()
    });
    let id = ended.join().unwrap();
    assert_eq!(*drops.lock().unwrap(), [id]);
}

#[test]
fn a_panic_of_the_outer_future_leaves_the_set_usable() {
    with_each(|runtime| {
        let set = LocalSet::new();
        let task = set.spawn_local(async {
            yield_now().await;
            5
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            set.block_on(runtime, async {
                yield_now().await;
                panic!("on purpose")
            })
        }));
        assert!(panicked.is_err());
        assert!(panic_of(|| spawn_local(async {})).contains("LocalSet"));
        assert_eq!(set.block_on(runtime, task).unwrap(), 5);
    });
}
