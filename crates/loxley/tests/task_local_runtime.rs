//! The laws of `LocalRuntime`: one thread, local tasks everywhere in it, and the rest of a runtime around them.

mod support;
#[path = "../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};
use loxley::runtime::{Builder, Handle, LocalOptions, LocalRuntime, RuntimeFlavor, UnhandledPanic};
use loxley::sync::oneshot;
use loxley::task::{self, LocalSet, spawn_local, yield_now};
use support::panic_of;
use watch::watched;

#[test]
fn a_local_runtime_stays_on_its_thread() {
    auto_traits! {
        LocalRuntime: no no yes;
        LocalOptions: no no yes;
    }
    fn unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    unwind_safe::<LocalRuntime>();
}

#[test]
fn local_tasks_are_spawned_everywhere_in_it() {
    watched(|| {
        let runtime = LocalRuntime::new().unwrap();
        let shared = Rc::new(Cell::new(0));
        let add = |shared: &Rc<Cell<i32>>| {
            let shared = shared.clone();
            async move { shared.set(shared.get() + 1) }
        };
        runtime.spawn_local(add(&shared));
        {
            let _guard = runtime.enter();
            spawn_local(add(&shared));
        }
        assert!(panic_of(|| spawn_local(async {})).contains("LocalRuntime::block_on"));
        runtime.block_on(async {
            spawn_local(add(&shared)).await.unwrap();
            let inner = shared.clone();
            let task = spawn_local(async move { spawn_local(add(&inner)).await.unwrap() });
            task.await.unwrap();
            // From a task that could be elsewhere, and is here.
            let here = thread::current().id();
            loxley::spawn(async move {
                assert_eq!(thread::current().id(), here);
                spawn_local(async { *Rc::new(5) }).await.is_ok()
            })
            .await
            .unwrap();
            let text = task::spawn_blocking(|| panic_of(|| spawn_local(async {})));
            assert!(text.await.unwrap().contains("LocalSet"));
        });
        assert_eq!(shared.get(), 4);
    });
}

#[test]
fn other_threads_spawn_what_is_send() {
    watched(|| {
        let runtime = LocalRuntime::new().unwrap();
        assert_eq!(
            runtime.handle().runtime_flavor(),
            RuntimeFlavor::CurrentThread
        );
        let handle = runtime.handle().clone();
        let here = thread::current().id();
        let other = thread::spawn(move || {
            let task = handle.spawn(async { thread::current().id() });
            handle.block_on(task).unwrap()
        });
        let ran = runtime.block_on(async {
            while !other.is_finished() {
                yield_now().await;
            }
            other.join().unwrap()
        });
        assert_eq!(ran, here);
    });
}

#[test]
fn sockets_timers_and_blocking_closures_work_in_local_tasks() {
    watched(|| {
        let runtime = LocalRuntime::new().unwrap();
        runtime.block_on(async {
            let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let address = listener.local_addr().unwrap();
            let server = spawn_local(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                stream.write_all(&byte).await.unwrap();
            });
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&[7]).await.unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            server.await.unwrap();
            assert_eq!(byte, [7]);
            let slept = spawn_local(loxley::time::sleep(Duration::from_millis(1)));
            slept.await.unwrap();
        });
        let five = runtime.spawn_blocking(|| 5);
        assert_eq!(runtime.block_on(five).unwrap(), 5);
    });
}

#[test]
fn a_paused_clock_moves_when_local_tasks_wait() {
    watched(|| {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(true);
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let start = loxley::time::Instant::now();
            let long = Duration::from_secs(3600);
            let tasks = [1, 2].map(|n| spawn_local(loxley::time::sleep(long * n)));
            for task in tasks {
                task.await.unwrap();
            }
            assert!(start.elapsed() >= long * 2);
        });
    });
}

#[test]
fn local_and_other_tasks_take_turns() {
    watched(|| {
        let runtime = LocalRuntime::new().unwrap();
        runtime.block_on(async {
            let stop = Rc::new(Cell::new(false));
            let stopped = stop.clone();
            let busy = spawn_local(async move {
                while !stopped.get() {
                    yield_now().await;
                }
            });
            loxley::spawn(async { yield_now().await }).await.unwrap();
            loxley::time::sleep(Duration::from_millis(1)).await;
            let (open, gate) = oneshot::channel::<()>();
            let opener = thread::spawn(move || open.send(()).unwrap());
            gate.await.unwrap();
            opener.join().unwrap();
            stop.set(true);
            busy.await.unwrap();
        });
    });
}

#[test]
fn the_end_drops_local_futures_inside_the_runtime() {
    /// Needs the runtime in its drop.
    struct Last(Rc<Cell<bool>>);
    impl Drop for Last {
        fn drop(&mut self) {
            Handle::current();
            self.0.set(true);
        }
    }
    watched(|| {
        let ends: [fn(LocalRuntime); 3] = [
            drop,
            |runtime| runtime.shutdown_timeout(Duration::from_secs(60)),
            LocalRuntime::shutdown_background,
        ];
        for end in ends {
            let runtime = LocalRuntime::new().unwrap();
            let seen = Rc::new(Cell::new(false));
            let last = Last(seen.clone());
            let task = runtime.spawn_local(async move {
                let _last = last;
                pending::<()>().await;
            });
            let send = runtime.handle().spawn(pending::<()>());
            runtime.block_on(yield_now());
            assert!(!seen.get());
            end(runtime);
            assert!(seen.get() && task.is_finished() && send.is_finished());
        }
    });
}

#[test]
fn dropping_it_inside_async_code_panics_and_says_what_to_do() {
    watched(|| {
        let outer = LocalRuntime::new().unwrap();
        let text = outer.block_on(async {
            let inner = LocalRuntime::new().unwrap();
            panic_of(move || drop(inner))
        });
        assert!(text.contains("shutdown_background"), "{text}");
        outer.block_on(async { LocalRuntime::new().unwrap().shutdown_background() });
    });
}

#[test]
fn only_one_thread_can_be_local() {
    let mut builder = Builder::new_multi_thread();
    let text = panic_of(|| builder.build_local(LocalOptions::default()));
    assert!(text.contains("new_current_thread"), "{text}");
    let runtime = LocalRuntime::new().unwrap();
    let text = runtime.block_on(async { panic_of(|| task::block_in_place(|| ())) });
    assert!(text.contains("spawn_blocking"), "{text}");
}

#[test]
fn a_set_inside_it_takes_its_own_tasks() {
    watched(|| {
        let runtime = LocalRuntime::new().unwrap();
        runtime.block_on(async {
            let set = LocalSet::new();
            let task = set.spawn_local(async { 5 });
            for _ in 0..10 {
                yield_now().await;
            }
            assert!(!task.is_finished());
            set.await;
            assert_eq!(task.await.unwrap(), 5);
        });
    });
}

#[test]
fn local_tasks_are_counted_and_hooks_hear_of_them() {
    watched(|| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = |what: &'static str| {
            let heard = heard.clone();
            move |task: &loxley::runtime::TaskMeta<'_>| {
                heard.lock().unwrap().push((what, task.id()));
            }
        };
        let (send, panics) = mpsc::channel();
        let mut builder = Builder::new_current_thread();
        builder
            .on_task_spawn(hear("spawn"))
            .on_before_task_poll(hear("before"))
            .on_after_task_poll(hear("after"))
            .on_task_terminate(hear("end"))
            .on_task_panic(move |panic| send.send(panic.id()).unwrap());
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        let task = runtime.spawn_local(yield_now());
        let id = task.id();
        assert_eq!(runtime.metrics().num_alive_tasks(), 1);
        runtime.block_on(task).unwrap();
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        let expected = ["spawn", "before", "after", "before", "after", "end"];
        let expected: Vec<_> = expected.into_iter().map(|what| (what, id)).collect();
        assert_eq!(*heard.lock().unwrap(), expected);

        let task = runtime.spawn_local(async { panic!("on purpose") });
        let id = task.id();
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert_eq!(panics.try_recv(), Ok(id));

        heard.lock().unwrap().clear();
        let idle = runtime.spawn_local(pending::<()>()).id();
        drop(runtime);
        assert_eq!(*heard.lock().unwrap(), [("spawn", idle), ("end", idle)]);
    });
}

#[test]
fn a_panic_of_a_local_task_ends_the_runtime_if_so_asked() {
    watched(|| {
        let mut builder = Builder::new_current_thread();
        builder.unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        runtime.spawn_local(async { panic!("on purpose") });
        let text = panic_of(|| runtime.block_on(pending::<()>()));
        assert!(text.contains("on purpose"), "{text}");
    });
}

#[test]
fn a_dump_shows_what_local_tasks_wait_for() {
    watched(|| {
        let runtime = LocalRuntime::new().unwrap();
        let named = task::Builder::new().name("waiting");
        let dump = runtime.block_on(async {
            let task = named.spawn_local(loxley::time::sleep(Duration::from_secs(3600)));
            let id = task.unwrap().id();
            yield_now().await;
            loop {
                let dump = Handle::current().dump().await;
                let task = dump.tasks().iter().find(|task| task.id() == id);
                let task = task.expect("a local task is in the dump");
                // A dump's patience may be over first, on a machine that is busy.
                if task.trace().is_known() {
                    break task.clone();
                }
            }
        });
        assert_eq!(dump.name(), Some("waiting"));
        assert_eq!(dump.trace().waits().len(), 1, "{dump:?}");
    });
}
