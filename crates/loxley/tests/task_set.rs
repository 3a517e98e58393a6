//! The laws of `JoinSet`, `TaskTracker`, `AbortOnDropHandle`, `LocalKey`.

mod support;

use std::cell::Cell;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loxley::sync::{Semaphore, oneshot};
use loxley::task::task_tracker::{TaskTrackerToken, TaskTrackerWaitFuture};
use loxley::task::{AbortOnDropHandle, JoinSet, LocalKey, TaskTracker, yield_now};
use support::{assert_send_sync, current, each, multi, panic_of, probe};

#[test]
fn everything_crosses_threads() {
    auto_traits! {
        JoinSet<u8>: yes yes yes;
        JoinSet<Cell<u8>>: yes yes yes;
        JoinSet<std::rc::Rc<u8>>: no no yes;
        TaskTracker: yes yes yes;
        TaskTrackerToken: yes yes yes;
        TaskTrackerWaitFuture<'static>: yes yes no;
        AbortOnDropHandle<Cell<u8>>: yes yes yes;
        LocalKey<u8>: yes yes yes;
    }
    let mut set = JoinSet::<u8>::new();
    assert_send_sync(&set.join_next());
}

#[test]
fn outputs_come_in_the_order_in_which_tasks_end() {
    each(|| async {
        let mut set = JoinSet::new();
        let mut gates = Vec::new();
        for number in 0..20 {
            let (open, gate) = oneshot::channel::<()>();
            gates.push(open);
            set.spawn(async move {
                gate.await.unwrap();
                number
            });
        }
        assert!(set.try_join_next().is_none());
        for (number, gate) in gates.into_iter().enumerate().rev() {
            gate.send(()).unwrap();
            assert_eq!(set.join_next().await.unwrap().unwrap(), number);
            assert_eq!(set.len(), number);
        }
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn a_set_knows_its_tasks_and_how_they_ended() {
    each(|| async {
        let mut set = JoinSet::new();
        let good = set.spawn(async { 1 }).id();
        assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (good, 1));
        let bad = set.spawn(async { panic!("on purpose") }).id();
        let error = set.join_next_with_id().await.unwrap().unwrap_err();
        assert!(error.is_panic() && error.id() == bad);
        let aborted = set.spawn(pending());
        aborted.abort();
        let error = set.join_next().await.unwrap().unwrap_err();
        assert!(error.is_cancelled() && error.id() == aborted.id());
        set.spawn_blocking(|| 2);
        assert_eq!(set.join_next().await.unwrap().unwrap(), 2);
        assert!(set.is_empty() && set.join_next_with_id().await.is_none());
    });
}

#[test]
fn a_dropped_set_aborts_and_a_detached_one_does_not() {
    each(|| async {
        let alive = Arc::new(());
        let mut set = JoinSet::new();
        for _ in 0..5 {
            let alive = alive.clone();
            set.spawn(async move {
                let _alive = alive;
                pending::<()>().await;
            });
        }
        drop(set);
        while Arc::strong_count(&alive) > 1 {
            yield_now().await;
        }
        let gate = Arc::new(Semaphore::new(0));
        let done = Arc::new(Semaphore::new(0));
        let mut set = JoinSet::new();
        let (g, d) = (gate.clone(), done.clone());
        set.spawn(async move {
            g.acquire().await.unwrap().forget();
            d.add_permits(1);
        });
        set.detach_all();
        assert!(set.is_empty());
        drop(set);
        gate.add_permits(1);
        done.acquire().await.unwrap().forget();
    });
}

#[test]
fn shutting_down_waits_until_all_have_ended() {
    each(|| async {
        let alive = Arc::new(());
        let mut set = JoinSet::new();
        for _ in 0..50 {
            let alive = alive.clone();
            set.spawn(async move {
                let _alive = alive;
                pending::<()>().await;
            });
        }
        set.shutdown().await;
        assert_eq!((set.len(), Arc::strong_count(&alive)), (0, 1));
        let set: JoinSet<_> = (0..100).map(|number| async move { number }).collect();
        let mut all = set.join_all().await;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..100));
    });
}

#[test]
fn a_panic_goes_on_through_join_all() {
    let message = panic_of(|| {
        current().block_on(async {
            let mut set = JoinSet::new();
            set.spawn(async { panic!("on purpose") });
            set.join_all().await.into_iter().for_each(|()| {});
        });
    });
    assert_eq!(message, "on purpose");
}

#[test]
fn a_set_with_many_members_does_not_hold_its_worker() {
    each(|| async {
        let mut set: JoinSet<_> = (0..1000).map(|number| async move { number }).collect();
        let mut polls = 0;
        let mut joining = std::pin::pin!(async {
            let mut sum = 0;
            while let Some(number) = set.join_next().await {
                sum += number.unwrap();
            }
            sum
        });
        let sum = std::future::poll_fn(|cx| {
            polls += 1;
            joining.as_mut().poll(cx)
        })
        .await;
        assert_eq!(sum, 499_500);
        assert!(polls > 5, "{polls} polls");
    });
}

#[test]
fn members_may_live_in_several_runtimes() {
    let [one, two] = [multi(1), current()];
    let mut set = JoinSet::new();
    set.spawn_on(async { 1 }, one.handle());
    set.spawn_blocking_on(|| 2, one.handle());
    let mut all = two.block_on(set.join_all());
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}

#[test]
fn a_tracker_waits_until_it_is_closed_and_empty() {
    let tracker = TaskTracker::new();
    let mut waiting = probe(tracker.wait());
    waiting.pending();
    let token = tracker.token();
    assert!(tracker.close() && !tracker.close());
    waiting.pending();
    let other = token.clone();
    assert_eq!(tracker.len(), 2);
    drop(token);
    assert!(!waiting.is_woken());
    drop(other);
    assert!(waiting.is_woken());
    waiting.ready();
    probe(tracker.wait()).ready();
    // For a moment is enough.
    assert!(tracker.reopen() && !tracker.reopen());
    let mut waiting = probe(tracker.wait());
    waiting.pending();
    tracker.close();
    tracker.reopen();
    waiting.ready();
    probe(tracker.wait()).pending();
    assert_eq!(
        format!("{tracker:?}"),
        "TaskTracker { len: 0, is_closed: false }"
    );
}

#[test]
fn a_tracked_future_is_dropped_before_it_is_no_longer_counted() {
    each(|| async {
        let dropped = Arc::new(AtomicUsize::new(0));
        struct Counts(Arc<AtomicUsize>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let tracker = TaskTracker::new();
        for _ in 0..100 {
            let counts = Counts(dropped.clone());
            tracker.spawn(async move {
                yield_now().await;
                drop(counts);
            });
            let counts = Counts(dropped.clone());
            tracker.spawn_blocking(move || drop(counts));
            let counts = Counts(dropped.clone());
            tracker
                .spawn(async move {
                    let _counts = counts;
                    pending::<()>().await;
                })
                .abort();
        }
        tracker.close();
        tracker.wait().await;
        assert_eq!(dropped.load(Ordering::SeqCst), 300);
        assert!(tracker.is_empty());
    });
}

#[test]
fn a_handle_that_aborts_does_so_unless_it_lets_go() {
    each(|| async {
        let alive = Arc::new(());
        let held = alive.clone();
        let task = loxley::spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        drop(AbortOnDropHandle::new(task));
        while Arc::strong_count(&alive) > 1 {
            yield_now().await;
        }
        let (sender, receiver) = oneshot::channel();
        let task = AbortOnDropHandle::new(loxley::spawn(receiver));
        let task = task.detach();
        sender.send(5).unwrap();
        assert_eq!(task.await.unwrap(), Ok(5));
    });
}

loxley::task_local! {
    static NAME: String;
    static NUMBER: Cell<u32>
}

#[test]
fn each_task_has_its_own_value() {
    each(|| async {
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                loxley::spawn(NUMBER.scope(Cell::new(number), async move {
                    for _ in 0..10 {
                        NUMBER.with(|value| value.set(value.get() + 1));
                        yield_now().await;
                    }
                    assert!(NAME.try_with(|_| ()).is_err());
                    loxley::spawn(async { assert!(NUMBER.try_with(|_| ()).is_err()) })
                        .await
                        .unwrap();
                    NUMBER.with(Cell::get) - number
                }))
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 10);
        }
    });
}

#[test]
fn scopes_nest_and_end_also_with_a_panic() {
    let name = |text: &str| String::from(text);
    NAME.sync_scope(name("outer"), || {
        panic_of(|| NAME.sync_scope(name("inner"), || panic!("{}", NAME.get())));
        assert_eq!(NAME.get(), "outer");
        let mut inner = probe(NAME.scope(name("inner"), async {
            yield_now().await;
            NAME.get()
        }));
        inner.pending();
        assert_eq!(NAME.get(), "outer");
        assert_eq!(inner.ready(), "inner");
        assert_eq!(inner.as_mut().take_value().as_deref(), Some("inner"));
        assert!(panic_of(|| inner.poll()).contains("after completion"));
    });
    assert!(panic_of(|| NAME.get()).contains("without setting it first"));
    let borrowed = NAME.sync_scope(name("a"), || {
        panic_of(|| NAME.with(|_| NAME.sync_scope(name("b"), || ())))
    });
    assert!(
        borrowed.contains("while the value is borrowed"),
        "{borrowed}"
    );
}

/// A future that is dropped in the middle still has its value.
#[test]
fn a_future_has_its_value_in_its_drop() {
    struct Looks(Arc<AtomicUsize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.0.store(NAME.with(String::len), Ordering::SeqCst);
        }
    }
    let length = Arc::new(AtomicUsize::new(0));
    let looks = Looks(length.clone());
    let mut future = probe(NAME.scope(String::from("robin"), async move {
        let _looks = looks;
        pending::<()>().await;
    }));
    future.pending();
    drop(future);
    assert_eq!(length.load(Ordering::SeqCst), 5);
}
