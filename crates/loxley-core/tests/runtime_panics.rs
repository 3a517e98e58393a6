//! Panics of tasks: who is told, and when they end the runtime.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::time::Duration;

use gate::Gate;
use loxley_core::runtime::{Builder, Runtime, UnhandledPanic};
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use watch::watched;

fn both_flavors() -> [Builder; 2] {
    let mut many = Builder::new_multi_thread();
    many.worker_threads(2).enable_all();
    let mut one = Builder::new_current_thread();
    one.enable_all();
    [many, one]
}

fn fragile() -> [Runtime; 2] {
    both_flavors().map(|mut builder| {
        builder
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            .on_task_panic(|_| {})
            .build()
            .unwrap()
    })
}

/// The message of the panic in `f`.
fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("no panic");
    *payload.downcast::<String>().expect("a text")
}

/// Tells when it is dropped.
struct Dropped(std::sync::mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

#[test]
fn every_panic_is_told_with_its_task_and_where_that_was_spawned() {
    watched(|| {
        for mut builder in both_flavors() {
            let (send, panics) = channel();
            let told = move |panic: &loxley_core::runtime::TaskPanic<'_>| {
                let message = panic.message().map(str::to_owned);
                let line = panic.spawned_at().line();
                send.send((panic.id(), line, message, panic.to_string()))
                    .unwrap();
            };
            let runtime = builder.on_task_panic(told).build().unwrap();
            let polled = runtime.spawn(async { panic!("in a {}", "poll") });
            let line = line!() - 1;
            let id = polled.id();
            runtime.block_on(polled).unwrap_err();
            let (of, at, message, text) = panics.recv().unwrap();
            assert_eq!((of, at, message.as_deref()), (id, line, Some("in a poll")));
            for part in [&id.to_string(), "runtime_panics.rs", "in a poll"] {
                assert!(text.contains(part), "{text}");
            }

            // Dropped by an abort, by the end of its poll, and in a blocking closure; a payload that is no text.
            let held = PanicsInDrop;
            let aborted = runtime.spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
            let held = PanicsInDrop;
            let ended = runtime.spawn(async move { drop(held) });
            let blocking = runtime.spawn_blocking(|| panic!("in a closure"));
            let other = runtime.spawn(async { std::panic::panic_any(5) });
            let ids = [aborted.id(), ended.id(), blocking.id(), other.id()];
            aborted.abort();
            runtime.block_on(async {
                aborted.await.unwrap_err();
                ended.await.unwrap_err();
                blocking.await.unwrap_err();
                other.await.unwrap_err();
            });
            let mut told: Vec<_> = panics.try_iter().collect();
            told.sort_by_key(|panic| ids.iter().position(|id| *id == panic.0));
            let messages: Vec<_> = told.iter().map(|panic| panic.2.as_deref()).collect();
            let drop = Some("in a drop");
            assert_eq!(messages, [drop, drop, Some("in a closure"), None]);
        }
    });
}

#[test]
fn a_panicking_panic_hook_harms_nobody() {
    watched(|| {
        for mut builder in both_flavors() {
            let runtime = builder
                .on_task_panic(|_| panic!("a hook's own"))
                .build()
                .unwrap();
            for _ in 0..3 {
                let task = runtime.spawn(async { panic!("on purpose") });
                assert!(runtime.block_on(task).unwrap_err().is_panic());
            }
            assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
        }
    });
}

#[test]
fn a_panic_ends_a_runtime_that_was_built_so() {
    watched(|| {
        for runtime in fragile() {
            let (gone, is_gone) = channel();
            let bystander = runtime.spawn(async move {
                let _gone = Dropped(gone);
                pending::<()>().await;
            });
            runtime.block_on(async { yield_now().await });
            runtime.spawn(async { panic!("the first") });
            // The root would wait for ever.
            let message = panic_of(|| runtime.block_on(pending::<()>()));
            for part in ["the first", "runtime_panics.rs", "ShutdownRuntime"] {
                assert!(message.contains(part), "{message}");
            }
            is_gone.recv().unwrap();
            // From now on it is of no use, and says so.
            let message = panic_of(|| runtime.block_on(async {}));
            assert!(message.contains("the first"), "{message}");
            let late = runtime.spawn(async {});
            assert!(late.is_finished());
            // Awaited on another one: this one does not block any more.
            let other = Builder::new_current_thread().build().unwrap();
            let ends = other.block_on(async { (bystander.await, late.await) });
            assert!(ends.0.unwrap_err().is_cancelled() && ends.1.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn all_who_block_on_a_runtime_that_a_panic_ends_are_told() {
    watched(|| {
        for runtime in fragile() {
            let gate = Gate::default();
            let fuse = runtime.spawn({
                let gate = gate.clone();
                async move {
                    gate.await;
                    panic!("on purpose");
                }
            });
            std::thread::scope(|scope| {
                let (here, arrived) = channel();
                let waiters = [0, 1, 2].map(|_| {
                    let (runtime, here) = (&runtime, here.clone());
                    scope.spawn(move || {
                        panic_of(|| {
                            runtime.block_on(async move {
                                here.send(()).unwrap();
                                pending::<()>().await;
                            });
                        })
                    })
                });
                let handle = runtime.handle().clone();
                let aside = scope.spawn(move || {
                    panic_of(|| {
                        handle.block_on(async move {
                            here.send(()).unwrap();
                            pending::<()>().await;
                        });
                    })
                });
                for _ in 0..4 {
                    arrived.recv().unwrap();
                }
                gate.open();
                for waiter in waiters.into_iter().chain([aside]) {
                    assert!(waiter.join().unwrap().contains("on purpose"));
                }
            });
            // They are told a moment before its handle is.
            while !fuse.is_finished() {
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn other_ends_of_tasks_and_panics_of_closures_end_no_runtime() {
    watched(|| {
        for runtime in fragile() {
            let closure = runtime.spawn_blocking(|| panic!("on purpose"));
            runtime.block_on(async {
                closure.await.unwrap_err();
                let aborted = loxley_core::spawn(pending::<()>());
                aborted.abort();
                aborted.await.unwrap_err();
                Sleep::after(Duration::from_millis(1)).await;
            });
            assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
        }
    });
}
