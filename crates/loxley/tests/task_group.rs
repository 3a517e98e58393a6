//! The laws of `TaskGroup`: its tasks end together, and before whoever waits for them goes on.

mod support;
#[path = "../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loxley::sync::oneshot;
use loxley::task::{GroupError, TaskGroup, yield_now};
use loxley::time::{Instant, timeout};
use support::{assert_send_sync, each, panic_of, probe, runtimes};
use watch::watched;

/// Runs a law as a task of each kind of runtime; fails if it hangs.
fn law<F, T>(law: F)
where
    F: Fn() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    watched(move || each(law));
}

/// Is there until its future is dropped.
#[derive(Clone, Default)]
struct Alive(Arc<()>);

impl Alive {
    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// A child that waits for ever.
    fn forever<T>(&self) -> impl Future<Output = T> + Send + use<T> {
        let held = self.clone();
        async move {
            let _held = held;
            pending().await
        }
    }
}

#[test]
fn a_group_crosses_threads() {
    auto_traits! {
        TaskGroup<u8, u8>: yes yes yes;
        TaskGroup<std::rc::Rc<u8>, u8>: no no yes;
        GroupError<u8>: yes yes yes;
        GroupError<std::rc::Rc<u8>>: no no yes;
    }
    let mut group = TaskGroup::<u8, u8>::new();
    assert_send_sync(&group.join_next());
    assert_send_sync(&group.join());
}

#[test]
fn outputs_come_in_the_order_of_the_spawns() {
    law(|| async {
        let mut group = TaskGroup::new();
        let mut gates = Vec::new();
        for number in 0..20 {
            let (open, gate) = oneshot::channel::<()>();
            gates.push(open);
            group.spawn(async move {
                gate.await.unwrap();
                Ok::<_, ()>(number)
            });
        }
        for gate in gates.into_iter().rev() {
            gate.send(()).unwrap();
        }
        assert_eq!(group.join().await, Ok((0..20).collect()));
        assert_eq!(TaskGroup::<(), ()>::new().join().await, Ok(vec![]));
    });
}

#[test]
fn outputs_can_be_had_one_by_one() {
    law(|| async {
        let mut group = TaskGroup::default();
        let (open, gate) = oneshot::channel::<()>();
        group.spawn(async move {
            gate.await.unwrap();
            Ok::<_, ()>("late")
        });
        group.spawn(async { Ok("soon") });
        assert_eq!(group.join_next().await, Some(Ok("soon")));
        open.send(()).unwrap();
        assert_eq!(group.join_next().await, Some(Ok("late")));
        assert_eq!(group.join_next().await, None);
        group.spawn(async { Ok("again") });
        assert_eq!(group.join_next().await, Some(Ok("again")));
    });
}

#[test]
fn the_first_error_ends_all_and_comes_when_they_have_ended() {
    law(|| async {
        let alive = Alive::default();
        let mut group = TaskGroup::new();
        for _ in 0..10 {
            group.spawn(alive.forever::<Result<(), &str>>());
        }
        group.spawn(async {
            yield_now().await;
            Err("the first")
        });
        assert_eq!(group.join().await, Err(GroupError::Failed("the first")));
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn of_two_errors_the_first_is_told() {
    law(|| async {
        let mut group = TaskGroup::<(), _>::new();
        let (open, gate) = oneshot::channel::<()>();
        group.spawn(async move {
            let _ = gate.await;
            Err(2)
        });
        group.spawn(async { Err(1) });
        assert_eq!(group.join_next().await, Some(Err(GroupError::Failed(1))));
        // The second was cancelled, and is not told.
        assert!(open.send(()).is_err());
        assert_eq!(group.join_next().await, None);
    });
}

#[test]
fn a_panic_goes_on_in_who_joins_when_all_have_ended() {
    law(|| async {
        let alive = Alive::default();
        let mut group = TaskGroup::<(), ()>::new();
        group.spawn(alive.forever());
        group.spawn(async { panic!("on purpose") });
        let joined = loxley::spawn(group.join()).await;
        let payload = joined.unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn an_abort_of_a_child_is_a_failure() {
    law(|| async {
        let alive = Alive::default();
        let mut group = TaskGroup::<(), ()>::new();
        group.spawn(alive.forever());
        let aborted = group.spawn(alive.forever());
        aborted.abort();
        assert_eq!(group.join().await, Err(GroupError::Aborted(aborted.id())));
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn the_deadline_cancels_who_has_not_ended() {
    law(|| async {
        let alive = Alive::default();
        let past = Instant::now();
        for group in [
            TaskGroup::new().deadline(past),
            TaskGroup::new().timeout(Duration::ZERO),
        ] {
            let mut group: TaskGroup<(), ()> = group;
            group.spawn(alive.forever());
            assert_eq!(group.join().await, Err(GroupError::DeadlineElapsed));
            assert_eq!(alive.count(), 0);
        }
        let mut group = TaskGroup::new().timeout(Duration::MAX);
        group.spawn(async { Ok::<_, ()>(5) });
        assert_eq!(group.join().await, Ok(vec![5]));
    });
}

#[test]
fn no_more_children_than_the_limit_run_at_once() {
    law(|| async {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut group = TaskGroup::new().limit(3);
        for number in 0..30 {
            let (now, most) = (now.clone(), most.clone());
            group.spawn(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..5 {
                    yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, ()>(number)
            });
        }
        assert_eq!(group.join().await, Ok((0..30).collect()));
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    });
    let text = panic_of(|| TaskGroup::<(), ()>::new().limit(0));
    assert!(text.contains("at least 1"), "{text}");
}

#[test]
fn children_that_wait_for_their_turn_are_cancelled_too() {
    law(|| async {
        let alive = Alive::default();
        let mut group = TaskGroup::<(), _>::new().limit(1);
        group.spawn(async { Err("first") });
        for _ in 0..5 {
            group.spawn(alive.forever());
        }
        assert_eq!(group.join().await, Err(GroupError::Failed("first")));
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn children_that_wait_for_their_turn_run_in_the_order_of_their_spawns() {
    law(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut group = TaskGroup::new().limit(1);
        for number in 0..20 {
            let order = order.clone();
            group.spawn(async move {
                order.lock().unwrap().push(number);
                yield_now().await;
                Ok::<_, ()>(())
            });
        }
        group.join().await.unwrap();
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn a_failure_ends_the_others_though_nobody_joins() {
    law(|| async {
        for ends in ["an error", "a panic", "an abort"] {
            let alive = Alive::default();
            let mut group = TaskGroup::<(), &str>::new();
            for _ in 0..5 {
                group.spawn(alive.forever());
            }
            let last = group.spawn(async move {
                match ends {
                    "an error" => Err(ends),
                    "a panic" => panic!("on purpose"),
                    _ => pending().await,
                }
            });
            if ends == "an abort" {
                last.abort();
            }
            while alive.count() > 0 {
                yield_now().await;
            }
            assert_eq!(group.len(), 6, "nobody has joined");
            group.spawn(alive.forever());
            let told = loxley::spawn(group.join()).await;
            match ends {
                "an error" => assert_eq!(told.unwrap(), Err(GroupError::Failed(ends))),
                "a panic" => assert!(told.unwrap_err().is_panic()),
                _ => assert_eq!(told.unwrap(), Err(GroupError::Aborted(last.id()))),
            }
            assert_eq!(alive.count(), 0, "spawned after the failure");
        }
    });
}

#[test]
fn a_group_whose_failure_was_told_can_be_used_again() {
    law(|| async {
        let mut group = TaskGroup::new();
        group.spawn(async { Err("no") });
        assert_eq!(group.join_next().await, Some(Err(GroupError::Failed("no"))));
        group.spawn(async {
            yield_now().await;
            Ok(5)
        });
        assert_eq!(group.join_next().await, Some(Ok(5)));
        group.cancel().await;
        group.spawn(async { Ok(6) });
        assert_eq!(group.join().await, Ok(vec![6]));
    });
}

#[test]
fn the_children_of_children_have_ended_as_well() {
    law(|| async {
        let alive = Alive::default();
        let (ready, inner_runs) = oneshot::channel::<()>();
        let mut group = TaskGroup::<(), &str>::new();
        let inner_alive = alive.clone();
        group.spawn(async move {
            let mut inner = TaskGroup::new();
            for _ in 0..10 {
                let deeper = inner_alive.clone();
                inner.spawn(async move {
                    let mut innermost = TaskGroup::<(), ()>::new();
                    innermost.spawn(deeper.forever());
                    innermost.join().await.map(|_| ())
                });
            }
            drop(inner_alive);
            ready.send(()).unwrap();
            let _ = inner.join().await;
            Ok(())
        });
        inner_runs.await.unwrap();
        group.spawn(async { Err("enough") });
        assert_eq!(group.join().await, Err(GroupError::Failed("enough")));
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn a_group_that_leaves_its_child_keeps_nobody_waiting() {
    law(|| async {
        let mut group = TaskGroup::<_, ()>::new();
        group.spawn(async {
            let mut inner = TaskGroup::<u8, ()>::new();
            inner.spawn(async { Ok(5) });
            inner.join_next().await.unwrap().unwrap();
            Ok(inner)
        });
        let mut inner = group.join().await.unwrap();
        inner[0].spawn(async { Ok(6) });
        assert_eq!(inner.remove(0).join().await, Ok(vec![6]));
    });
}

#[test]
fn cancel_waits_until_all_have_ended() {
    law(|| async {
        let alive = Alive::default();
        let mut group = TaskGroup::<(), ()>::new();
        for _ in 0..10 {
            group.spawn(alive.forever());
        }
        group.cancel().await;
        assert_eq!((alive.count(), group.len()), (0, 0));
    });
}

#[test]
fn a_dropped_group_ends_its_children_soon() {
    law(|| async {
        let alive = Alive::default();
        let mut group = TaskGroup::<(), ()>::new();
        for _ in 0..10 {
            group.spawn(alive.forever());
        }
        drop(timeout(Duration::ZERO, group.join()).await);
        while alive.count() > 0 {
            yield_now().await;
        }
    });
}

#[test]
fn a_dropped_join_next_loses_no_failure() {
    watched(|| {
        for runtime in runtimes() {
            let mut group = TaskGroup::<(), _>::new();
            let (open, gate) = oneshot::channel::<()>();
            group.spawn_on(pending(), runtime.handle());
            group.spawn_on(async { Err("kept") }, runtime.handle());
            // Ends late: it does not hear of the abort before its blocking part is over.
            group.spawn_on(
                async move {
                    let _ = gate.await;
                    Ok(())
                },
                runtime.handle(),
            );
            runtime.block_on(async {
                // Polled now and then, and dropped each time.
                loop {
                    let mut once = probe(group.join_next());
                    match once.poll() {
                        std::task::Poll::Pending => drop(once),
                        std::task::Poll::Ready(ended) => {
                            assert_eq!(ended, Some(Err(GroupError::Failed("kept"))));
                            break;
                        }
                    }
                    yield_now().await;
                }
            });
            drop(open);
            assert!(group.is_empty());
        }
    });
}

#[test]
fn a_panic_is_told_before_an_error() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    law(|| async {
        let (ready, runs) = oneshot::channel::<()>();
        let mut group = TaskGroup::<(), &str>::new();
        group.spawn(async move {
            let _bad = Bad;
            ready.send(()).unwrap();
            pending().await
        });
        runs.await.unwrap();
        group.spawn(async { Err("an error") });
        let joined = loxley::spawn(group.join()).await;
        let payload = joined.unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&"in a drop"));
    });
}

#[test]
fn spawning_outside_a_runtime_panics() {
    let spawn = AssertUnwindSafe(|| {
        TaskGroup::new().spawn(async { Ok::<_, ()>(()) });
    });
    assert!(panic_of(spawn.0).contains("Runtime::enter"));
}
