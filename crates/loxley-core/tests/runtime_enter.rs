//! Being inside a runtime: guards, nesting, and what is refused with a sentence that helps.

#[path = "support/watch.rs"]
mod watch;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::time::Sleep;
use loxley_core::{block_in_place, spawn, spawn_blocking};
use watch::watched;

fn named(name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .name(name)
        .build()
        .unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The name of the runtime that this thread is in.
fn here() -> Option<String> {
    let handle = Handle::try_current().ok()?;
    handle.name().map(str::to_owned)
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .expect("a panic with a text")
}

fn panic_text(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("must panic");
    text(&*payload).to_owned()
}

#[test]
fn a_thread_is_in_a_runtime_while_its_guard_lives() {
    let runtime = named("one");
    let error = Handle::try_current().unwrap_err();
    assert!(error.is_missing_context() && !error.is_thread_local_destroyed());
    let guard = runtime.enter();
    assert_eq!(here().as_deref(), Some("one"));
    drop(guard);
    assert!(Handle::try_current().is_err());
}

#[test]
fn the_innermost_guard_counts() {
    let (one, two) = (named("one"), named("two"));
    let outer = one.enter();
    {
        let _inner = two.enter();
        assert_eq!(here().as_deref(), Some("two"));
        two.block_on(async { assert_eq!(here().as_deref(), Some("two")) });
        one.block_on(async { assert_eq!(here().as_deref(), Some("one")) });
        assert_eq!(here().as_deref(), Some("two"));
    }
    assert_eq!(here().as_deref(), Some("one"));
    drop(outer);
    assert_eq!(here(), None);
}

#[test]
fn guards_dropped_out_of_order_panic() {
    let (one, two) = (named("one"), named("two"));
    let outer = one.enter();
    let inner = two.enter();
    let text = panic_text(move || drop(outer));
    assert!(text.contains("out of order"), "{text}");
    drop(inner);
}

#[test]
fn spawning_outside_a_runtime_says_where_to_call_it() {
    let texts = [
        panic_text(|| drop(spawn(async {}))),
        panic_text(|| drop(spawn_blocking(|| {}))),
        panic_text(|| drop(Sleep::after(Duration::ZERO))),
        panic_text(|| drop(Handle::current())),
    ];
    for text in texts {
        assert!(text.contains("there is no runtime here"), "{text}");
    }
}

#[test]
fn block_on_where_tasks_are_driven_panics_and_says_what_to_do() {
    watched(|| {
        for runtime in [named("many"), current_thread()] {
            let handle = runtime.handle().clone();
            let nested = move || panic_text(|| handle.block_on(async {}));
            // In a root and in a task.
            let in_root = runtime.block_on(async { nested() });
            let in_task = runtime.block_on(runtime.spawn(async move { nested() }));
            for text in [in_root, in_task.unwrap()] {
                assert!(text.contains("block_in_place"), "{text}");
                assert!(text.contains("spawn_blocking"), "{text}");
                assert!(text.contains(".await"), "{text}");
            }
            // Nothing was changed by the refusal.
            assert_eq!(runtime.block_on(async { 1 }), 1);
            assert_eq!(runtime.block_on(runtime.spawn(async { 2 })).unwrap(), 2);
        }
    });
}

#[test]
fn block_on_of_another_runtime_is_refused_too() {
    watched(|| {
        let (one, two) = (named("one"), named("two"));
        let text = one.block_on(async { panic_text(|| two.block_on(async {})) });
        assert!(text.contains("cannot block on a future"), "{text}");
    });
}

#[test]
fn block_on_is_allowed_in_sections_that_may_block() {
    watched(|| {
        let runtime = named("one");
        let handle = runtime.handle().clone();
        let deep = move || {
            block_in_place(|| {
                handle.block_on(async {
                    let inner = handle.clone();
                    // Still a section that may not block, until it is asked for again.
                    assert!(!panic_text(|| inner.block_on(async {})).is_empty());
                    block_in_place(|| inner.block_on(async { spawn(async { 3 }).await.unwrap() }))
                })
            })
        };
        // From the root, from a task, from a blocking thread; and from no runtime at all.
        assert_eq!(runtime.block_on(async { deep() }), 3);
        assert_eq!(
            runtime
                .block_on(runtime.spawn({
                    let deep = deep.clone();
                    async move { deep() }
                }))
                .unwrap(),
            3
        );
        assert_eq!(
            runtime
                .block_on(runtime.spawn_blocking(deep.clone()))
                .unwrap(),
            3
        );
        assert_eq!(deep(), 3);
        assert_eq!(runtime.metrics().recheck_found_count(), 0);
    });
}

#[test]
fn block_on_in_spawn_blocking_of_a_current_thread_runtime_is_allowed() {
    watched(|| {
        let runtime = current_thread();
        let handle = runtime.handle().clone();
        let task = runtime.spawn_blocking(move || {
            // Driven by the root below.
            handle.block_on(async { spawn(async { 4 }).await.unwrap() })
        });
        assert_eq!(runtime.block_on(task).unwrap(), 4);
    });
}

#[test]
fn block_in_place_on_a_current_thread_runtime_panics_and_says_what_to_do() {
    watched(|| {
        let runtime = current_thread();
        let in_root = runtime.block_on(async { panic_text(|| block_in_place(|| ())) });
        let in_task = runtime.spawn(async { panic_text(|| block_in_place(|| ())) });
        for text in [in_root, runtime.block_on(in_task).unwrap()] {
            assert!(text.contains("spawn_blocking"), "{text}");
        }
    });
}

#[test]
fn block_in_place_outside_a_runtime_simply_runs() {
    assert_eq!(block_in_place(|| 5), 5);
}

#[test]
fn a_panic_of_the_root_propagates_and_the_runtime_goes_on() {
    watched(|| {
        for runtime in [named("many"), current_thread()] {
            for _ in 0..3 {
                let text = panic_text(|| runtime.block_on(async { panic!("root {}", 1) }));
                assert_eq!(text, "root 1");
                assert!(
                    Handle::try_current().is_err(),
                    "the panic has left the runtime"
                );
                assert_eq!(runtime.block_on(runtime.spawn(async { 6 })).unwrap(), 6);
            }
        }
    });
}

#[test]
fn spawns_after_the_shutdown_are_cancelled_at_once() {
    watched(|| {
        for runtime in [named("many"), current_thread()] {
            let handle = runtime.handle().clone();
            drop(runtime);
            let task = handle.spawn(async { unreachable!("nobody runs it") });
            assert!(task.is_finished());
            assert!(handle.block_on(task).unwrap_err().is_cancelled());
            let task = handle.spawn_blocking(|| unreachable!("nobody runs it"));
            assert!(task.is_finished());
            assert!(handle.block_on(task).unwrap_err().is_cancelled());
            let _guard = handle.enter();
            assert!(spawn(async {}).is_finished());
            // What needs no worker still works.
            assert_eq!(handle.block_on(async { 7 }), 7);
            let metrics = handle.metrics();
            assert_eq!(metrics.num_alive_tasks(), 0);
        }
    });
}

#[test]
fn a_sleep_after_the_shutdown_panics_and_does_not_hang() {
    watched(|| {
        let runtime = named("one");
        let handle = runtime.handle().clone();
        drop(runtime);
        let text =
            panic_text(|| handle.block_on(async { Sleep::after(Duration::from_millis(1)).await }));
        assert!(text.contains("shut down"), "{text}");
    });
}

#[test]
fn blocking_threads_and_tasks_are_inside_their_runtime() {
    watched(|| {
        let runtime = named("home");
        let inside = async {
            let task = spawn(async { here() }).await.unwrap();
            let blocking = spawn_blocking(here).await.unwrap();
            let in_place = block_in_place(here);
            [task, blocking, in_place]
        };
        for name in runtime.block_on(inside) {
            assert_eq!(name.as_deref(), Some("home"));
        }
    });
}

/// Does something with a runtime when its thread ends.
struct AtExit(Box<dyn FnMut()>);

impl Drop for AtExit {
    fn drop(&mut self) {
        (self.0)();
    }
}

thread_local!(static AT_EXIT: RefCell<Option<AtExit>> = const { RefCell::new(None) });

#[test]
fn a_destructor_of_a_thread_local_may_use_a_handle() {
    watched(|| {
        let runtime = named("one");
        let handle = runtime.handle().clone();
        let (ran, it_ran) = channel();
        let thread = thread::spawn(move || {
            let at_exit = Box::new(move || {
                let ran = ran.clone();
                // Whichever thread-locals are gone by now: an answer, not an abort.
                let _ = Handle::try_current();
                handle.spawn(async move { ran.send(()).unwrap() });
            });
            AT_EXIT.set(Some(AtExit(at_exit)));
            // Those of the runtime are made after ours, and destroyed before.
            assert!(Handle::try_current().is_err());
            let _ = catch_unwind(|| spawn(async {}));
        });
        thread.join().unwrap();
        it_ran.recv().unwrap();
    });
}

#[test]
fn the_last_owner_of_a_runtime_may_be_a_thread_local() {
    watched(|| {
        let (dropped, it_dropped) = channel::<()>();
        let thread = thread::spawn(move || {
            let mut runtime = Some(named("one"));
            let task = runtime.as_ref().unwrap().spawn(async move {
                std::future::pending::<()>().await;
                drop(dropped);
            });
            let at_exit = Box::new(move || drop(runtime.take()));
            AT_EXIT.set(Some(AtExit(at_exit)));
            task
        });
        let task = thread.join().unwrap();
        assert!(it_dropped.recv().is_err(), "the future is gone");
        assert!(task.is_finished());
    });
}
