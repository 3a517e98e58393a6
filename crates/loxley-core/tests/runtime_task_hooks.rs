//! Hooks that are told of tasks: when they are called, what they are told, and that their panics are their own.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/until.rs"]
mod until;
#[path = "support/watch.rs"]
mod watch;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gate::Gate;
use loxley_core::runtime::{Builder, Runtime, TaskMeta};
use loxley_core::task::{Id, yield_now};
use until::until;
use watch::watched;

fn both_flavors() -> [Builder; 2] {
    let mut many = Builder::new_multi_thread();
    many.worker_threads(2).enable_all();
    let mut one = Builder::new_current_thread();
    one.enable_all();
    [many, one]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Spawn,
    Before,
    After,
    Terminate,
}

/// What the hooks of a runtime were told, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Call, Id, u32)>>>);

impl Log {
    fn hook(&self, call: Call) -> impl Fn(&TaskMeta<'_>) + Send + Sync + 'static {
        let log = self.0.clone();
        move |task| {
            let line = task.spawned_at().line();
            log.lock().unwrap().push((call, task.id(), line));
        }
    }

    fn listening(&self, mut builder: Builder) -> Runtime {
        builder
            .on_task_spawn(self.hook(Call::Spawn))
            .on_before_task_poll(self.hook(Call::Before))
            .on_after_task_poll(self.hook(Call::After))
            .on_task_terminate(self.hook(Call::Terminate));
        builder.build().unwrap()
    }

    fn of(&self, id: Id) -> Vec<Call> {
        let log = self.0.lock().unwrap();
        let mine = log.iter().filter(|(_, of, _)| *of == id);
        mine.map(|(call, ..)| *call).collect()
    }

    fn ended(&self, id: Id) -> bool {
        self.of(id).contains(&Call::Terminate)
    }
}

#[test]
fn the_hooks_of_a_task_are_called_in_the_order_of_its_life() {
    use Call::{After, Before, Spawn, Terminate};
    watched(|| {
        for mut builder in both_flavors() {
            // One thread: another could begin the second poll before the hook after the first one runs.
            builder.worker_threads(1).rescue(false);
            let log = Log::default();
            let runtime = log.listening(builder);
            let task = runtime.spawn(async {
                yield_now().await;
            });
            let line = line!() - 3;
            let id = task.id();
            runtime.block_on(task).unwrap();
            until(|| log.ended(id));
            let calls = [Spawn, Before, After, Before, After, Terminate];
            assert_eq!(log.of(id), calls);
            drop(runtime);
            let lines: HashSet<u32> = log.0.lock().unwrap().iter().map(|call| call.2).collect();
            assert_eq!(lines, HashSet::from([line]));
        }
    });
}

#[test]
fn every_task_that_is_spawned_is_told_to_end_however_it_ends() {
    watched(|| {
        for builder in both_flavors() {
            let log = Log::default();
            let runtime = log.listening(builder);
            let panics = runtime.spawn(async { panic!("on purpose") });
            let aborted = runtime.spawn(std::future::pending::<()>());
            let nested = runtime.spawn(async { loxley_core::spawn(async {}).await.unwrap() });
            let left = runtime.spawn(std::future::pending::<()>());
            let ids = [panics.id(), aborted.id(), nested.id(), left.id()];
            aborted.abort();
            runtime.block_on(async {
                assert!(panics.await.unwrap_err().is_panic());
                assert!(aborted.await.unwrap_err().is_cancelled());
                nested.await.unwrap();
            });
            let handle = runtime.handle().clone();
            drop(runtime);
            let late = handle.spawn(async {}).id();
            for id in ids.into_iter().chain([late]) {
                assert!(log.ended(id), "{id} has not ended");
            }
            let mut counts = HashMap::new();
            for (call, id, _) in log.0.lock().unwrap().iter() {
                let (spawned, ended) = counts.entry(*id).or_insert((0, 0));
                *spawned += u32::from(*call == Call::Spawn);
                *ended += u32::from(*call == Call::Terminate);
            }
            assert_eq!(counts.len(), 6);
            for (id, count) in counts {
                assert_eq!(count, (1, 1), "spawned and ended: {id}");
            }
        }
    });
}

#[test]
fn a_panicking_task_hook_harms_nobody() {
    watched(|| {
        for which in 0..4 {
            for mut builder in both_flavors() {
                let hook = |_: &TaskMeta<'_>| panic!("a hook's own panic");
                match which {
                    0 => builder.on_task_spawn(hook),
                    1 => builder.on_task_terminate(hook),
                    2 => builder.on_before_task_poll(hook),
                    _ => builder.on_after_task_poll(hook),
                };
                let runtime = builder.build().unwrap();
                let task = runtime.spawn(async {
                    yield_now().await;
                    loxley_core::spawn(async { 5 }).await.unwrap()
                });
                assert_eq!(runtime.block_on(task).unwrap(), 5);
                let aborted = runtime.spawn(std::future::pending::<()>());
                aborted.abort();
                assert!(runtime.block_on(aborted).unwrap_err().is_cancelled());
            }
        }
    });
}

#[test]
fn a_hook_may_spawn() {
    watched(|| {
        for mut builder in both_flavors() {
            let (handle, once) = (Arc::new(Mutex::new(None)), Gate::default());
            builder.on_task_terminate({
                let (handle, once) = (handle.clone(), once.clone());
                move |_| {
                    let once = once.clone();
                    let handle: Option<loxley_core::runtime::Handle> =
                        handle.lock().unwrap().take();
                    if let Some(handle) = handle {
                        handle.spawn(async move { once.open() });
                    }
                }
            });
            let runtime = builder.build().unwrap();
            *handle.lock().unwrap() = Some(runtime.handle().clone());
            runtime.spawn(async {});
            runtime.block_on(once);
        }
    });
}

#[test]
fn the_latency_of_a_poll_is_told_to_both_hooks_alike_and_to_no_other() {
    watched(|| {
        for mut builder in both_flavors() {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let hook = |call: Call| {
                let seen = seen.clone();
                move |task: &TaskMeta<'_>| {
                    let latency = task.schedule_latency();
                    seen.lock().unwrap().push((call, task.id(), latency));
                }
            };
            builder
                .track_task_schedule_latency()
                .on_task_spawn(hook(Call::Spawn))
                .on_before_task_poll(hook(Call::Before))
                .on_after_task_poll(hook(Call::After))
                .on_task_terminate(hook(Call::Terminate));
            let runtime = builder.build().unwrap();
            // Long enough that a latency which counted the poll would be seen.
            let task = runtime.spawn(async {
                std::thread::sleep(Duration::from_millis(30));
                yield_now().await;
            });
            let id = task.id();
            runtime.block_on(task).unwrap();
            // Another worker may begin the second poll, and end the task, before the hook after the first one runs.
            let last = |(call, of, _): &&(Call, Id, _)| {
                matches!(call, Call::After | Call::Terminate) && *of == id
            };
            until(|| seen.lock().unwrap().iter().filter(last).count() == 3);
            let seen = seen.lock().unwrap();
            let latencies = |call: Call| {
                let told = seen.iter().filter(|(of, _, _)| *of == call);
                let mut told: Vec<_> = told.map(|(_, _, latency)| *latency).collect();
                told.sort();
                told
            };
            assert_eq!(latencies(Call::Spawn), [None]);
            assert_eq!(latencies(Call::Terminate), [None]);
            let before = latencies(Call::Before);
            assert_eq!(before.len(), 2);
            assert!(before.iter().all(Option::is_some));
            assert_eq!(before, latencies(Call::After));
        }
    });
}

#[test]
fn without_tracking_there_is_no_latency() {
    watched(|| {
        for mut builder in both_flavors() {
            let (send, receive) = std::sync::mpsc::channel();
            builder.on_before_task_poll(move |task| send.send(task.schedule_latency()).unwrap());
            let runtime = builder.build().unwrap();
            runtime.block_on(runtime.spawn(async {})).unwrap();
            assert_eq!(receive.recv().unwrap(), None);
        }
    });
}
