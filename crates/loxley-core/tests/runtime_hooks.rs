//! Hooks: when they are called, what they may do, and that their panics are their own.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gate::Gate;
use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::time::Sleep;
use watch::watched;

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

/// Without spares, which pass the hooks too: there is one thread to follow.
fn both_flavors() -> [Builder; 2] {
    let mut many = Builder::new_multi_thread();
    many.worker_threads(1).rescue(false).enable_all();
    let mut one = Builder::new_current_thread();
    one.enable_all();
    [many, one]
}

#[test]
fn start_and_stop_are_called_once_on_each_thread() {
    watched(|| {
        let (started, stopped) = (Count::default(), Count::default());
        let runtime = Builder::new_multi_thread()
            .worker_threads(3)
            .on_thread_start({
                let started = started.clone();
                move || started.up()
            })
            .on_thread_stop({
                let stopped = stopped.clone();
                move || stopped.up()
            })
            .build()
            .unwrap();
        runtime.block_on(runtime.spawn_blocking(|| {})).unwrap();
        drop(runtime);
        assert_eq!((started.get(), stopped.get()), (4, 4));
    });
}

#[test]
fn park_and_unpark_are_called_in_turn_on_each_worker() {
    watched(|| {
        for mut builder in both_flavors() {
            let calls = Arc::new(Mutex::new(Vec::new()));
            let record = |what: &'static str| {
                let calls = calls.clone();
                move || calls.lock().unwrap().push(what)
            };
            builder
                .on_thread_park(record("park"))
                .on_thread_unpark(record("unpark"));
            let runtime = builder.build().unwrap();
            runtime.block_on(async { Sleep::after(Duration::from_millis(2)).await });
            drop(runtime);
            let calls = calls.lock().unwrap();
            assert!(calls.len() >= 2, "it has slept");
            for (index, call) in calls.iter().enumerate() {
                assert_eq!(*call, ["park", "unpark"][index % 2], "{calls:?}");
            }
        }
    });
}

#[test]
fn a_panicking_hook_harms_nobody() {
    watched(|| {
        for which in 0..4 {
            for mut builder in both_flavors() {
                let called = Count::default();
                let hook = {
                    let called = called.clone();
                    move || {
                        called.up();
                        panic!("a hook's own panic");
                    }
                };
                match which {
                    0 => builder.on_thread_start(hook),
                    1 => builder.on_thread_stop(hook),
                    2 => builder.on_thread_park(hook),
                    _ => builder.on_thread_unpark(hook),
                };
                let runtime = builder.build().unwrap();
                for _ in 0..3 {
                    let sleep = async { Sleep::after(Duration::from_micros(500)).await };
                    runtime.block_on(runtime.spawn(sleep)).unwrap();
                }
                runtime.block_on(runtime.spawn_blocking(|| {})).unwrap();
                drop(runtime);
                assert!(called.get() > 0);
            }
        }
    });
}

/// A runtime whose park or unpark hook does `what` each time it is called, with the runtime's own handle.
struct Hooked {
    runtime: Runtime,
    /// What the hooks have; taken from them at the end, for it would keep them and itself alive.
    handle: Arc<Mutex<Option<Handle>>>,
    /// A worker that does not run is between its two hooks, or about to be.
    asleep: Arc<AtomicBool>,
    unpark: bool,
}

impl Hooked {
    fn new(
        mut builder: Builder,
        unpark: bool,
        what: impl Fn(&Handle) + Send + Sync + 'static,
    ) -> Self {
        let handle = Arc::new(Mutex::new(None::<Handle>));
        let asleep = Arc::new(AtomicBool::new(false));
        let what = Arc::new(what);
        let hook = |parks: bool| {
            let (handle, asleep, what) = (handle.clone(), asleep.clone(), what.clone());
            move || {
                let handle = handle.lock().unwrap().clone();
                if let Some(handle) = handle.filter(|_| parks != unpark) {
                    what(&handle);
                }
                asleep.store(parks, Ordering::SeqCst);
            }
        };
        builder
            .on_thread_park(hook(true))
            .on_thread_unpark(hook(false));
        let runtime = builder.build().unwrap();
        *handle.lock().unwrap() = Some(runtime.handle().clone());
        Self {
            runtime,
            handle,
            asleep,
            unpark,
        }
    }

    /// Waits for `future` and sees to it that the worker passes the hook meanwhile.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            if self.unpark {
                scope.spawn(|| {
                    while !self.asleep.load(Ordering::SeqCst) && !done.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                    self.runtime.spawn(async {});
                });
            } else {
                self.runtime.spawn(async {});
            }
            let output = self.runtime.block_on(future);
            done.store(true, Ordering::SeqCst);
            output
        })
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        let handle = self.handle.lock().unwrap().take();
        drop(handle);
    }
}

#[test]
fn a_task_woken_by_a_hook_runs() {
    // tokio #8222: the worker went to sleep over the task that its park hook had woken.
    watched(|| {
        for unpark in [false, true] {
            for builder in both_flavors() {
                let next = Arc::new(Mutex::new(None::<Gate>));
                let hooked = Hooked::new(builder, unpark, {
                    let next = next.clone();
                    move |_| {
                        let gate = next.lock().unwrap().take();
                        if let Some(gate) = gate {
                            gate.open();
                        }
                    }
                });
                for _ in 0..20 {
                    let gate = Gate::default();
                    let task = hooked.runtime.spawn(gate.clone());
                    *next.lock().unwrap() = Some(gate);
                    hooked.block_on(task).unwrap();
                }
                assert_eq!(hooked.runtime.metrics().recheck_found_count(), 0);
            }
        }
    });
}

#[test]
fn a_task_spawned_by_a_hook_runs() {
    watched(|| {
        for unpark in [false, true] {
            for builder in both_flavors() {
                let next = Arc::new(Mutex::new(None::<Gate>));
                let hooked = Hooked::new(builder, unpark, {
                    let next = next.clone();
                    move |handle| {
                        let gate = next.lock().unwrap().take();
                        if let Some(gate) = gate {
                            handle.spawn(async move { gate.open() });
                        }
                    }
                });
                for _ in 0..20 {
                    let gate = Gate::default();
                    *next.lock().unwrap() = Some(gate.clone());
                    hooked.block_on(gate);
                }
                assert_eq!(hooked.runtime.metrics().recheck_found_count(), 0);
            }
        }
    });
}

#[test]
fn a_hook_that_wakes_the_root_is_heard() {
    watched(|| {
        let next = Arc::new(Mutex::new(None::<Gate>));
        let mut builder = Builder::new_current_thread();
        builder.enable_all();
        let hooked = Hooked::new(builder, false, {
            let next = next.clone();
            move |_| {
                let gate = next.lock().unwrap().take();
                if let Some(gate) = gate {
                    gate.open();
                }
            }
        });
        for _ in 0..20 {
            let gate = Gate::default();
            *next.lock().unwrap() = Some(gate.clone());
            hooked.block_on(gate);
        }
    });
}
