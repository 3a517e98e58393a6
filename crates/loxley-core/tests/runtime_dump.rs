//! Dumps: every task is in it, with what it waits for; and nobody suffers from it.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/until.rs"]
mod until;
#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use gate::Gate;
use loxley_core::io::{Interest, Source};
use loxley_core::runtime::dump::{BacktraceFrame, Task, TaskState, Trace};
use loxley_core::runtime::{Builder, Dump, Handle, Runtime};
use loxley_core::task::{Id, yield_now};
use loxley_core::time::Sleep;
use loxley_core::{coop, spawn};
use until::until;
use watch::watched;

/// Long enough that only a lost answer takes it all.
const PATIENCE: Duration = Duration::from_secs(600);

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn of(dump: &Dump, id: Id) -> &Task {
    let found = dump.tasks().iter().find(|task| task.id() == id);
    found.unwrap_or_else(|| panic!("no task {id} in {dump}"))
}

/// A dump with a long patience, made while the runtime is driven.
fn dump_of(runtime: &Runtime) -> Dump {
    let handle = runtime.handle().clone();
    let dumper = std::thread::spawn(move || handle.blocking_dump(PATIENCE));
    runtime.block_on(async {
        while !dumper.is_finished() {
            yield_now().await;
        }
    });
    dumper.join().unwrap()
}

/// Lets everything that can run do so until all tasks wait, and gives the dump that says so: after it each of them is
/// polled once more, and the next dump may come first.
fn settle(runtime: &Runtime, ids: &[Id]) -> Dump {
    loop {
        let dump = dump_of(runtime);
        let mut tasks = ids.iter().map(|&id| of(&dump, id));
        if tasks.all(|task| task.state() == TaskState::Idle && task.trace().is_known()) {
            return dump;
        }
    }
}

fn a_function_that_sleeps_at() -> u32 {
    line!() + 4
}

async fn a_function_that_sleeps() {
    Sleep::after(Duration::from_secs(3600)).await;
}

#[test]
fn a_dump_says_what_every_task_waits_for() {
    watched(|| {
        for runtime in [workers(2), current()] {
            let sleeps = runtime.spawn(a_function_that_sleeps());
            let line = line!() - 1;
            let sleeper = sleeps.id();
            let joins = runtime.spawn(async { sleeps.await.unwrap() });
            let reads = runtime.spawn(async {
                let (here, there) = UnixStream::pair().unwrap();
                here.set_nonblocking(true).unwrap();
                let here = Source::new(here).unwrap();
                here.ready(Interest::READABLE).await.unwrap();
                drop(there);
            });
            let foreign = loxley_core::TaskBuilder::new()
                .name("foreign")
                .spawn_on(std::future::pending::<()>(), runtime.handle())
                .unwrap();
            let ids = [sleeper, joins.id(), reads.id(), foreign.id()];
            let dump = settle(&runtime, &ids);
            let resources = ids.map(|id| {
                let task = of(&dump, id);
                assert_eq!(task.spawned_at().file(), file!());
                let waits = task.trace().waits().iter();
                waits.map(|wait| wait.resource()).collect::<Vec<_>>()
            });
            assert_eq!(resources[0], ["a timer"]);
            assert_eq!(resources[1], ["the end of a task"]);
            assert_eq!(resources[2], ["a descriptor"]);
            assert_eq!(resources[3], [""; 0]);
            assert_eq!(of(&dump, sleeper).spawned_at().line(), line);
            assert_eq!(of(&dump, foreign.id()).name(), Some("foreign"));
            let text = dump.to_string();
            for part in [
                "named \"foreign\"",
                "a timer",
                "runtime_dump.rs",
                "idle, waits for",
                "nothing of this runtime",
            ] {
                assert!(text.contains(part), "{part:?} in {text}");
            }
        }
    });
}

#[test]
fn a_wait_tells_the_functions_that_lead_to_it() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async { a_function_that_sleeps().await });
        let dump = settle(&runtime, &[task.id()]);
        let waits = of(&dump, task.id()).trace().waits();
        let backtrace = waits[0].backtrace();
        let frames: Vec<&BacktraceFrame> = backtrace.frames().collect();
        // The function's name if there is no debug information, else the line of its await.
        let line = a_function_that_sleeps_at();
        let known = |frame: &&BacktraceFrame| {
            let symbol = frame.symbols().next().unwrap();
            let file = symbol.filename().unwrap_or(Path::new(""));
            symbol
                .name_demangled()
                .is_some_and(|name| name.contains("a_function_that_sleeps"))
                || (file.ends_with("runtime_dump.rs") && symbol.lineno() == Some(line))
        };
        // An optimizer inlines the function, and without debug information nothing is left of it.
        let is_inlined = !cfg!(debug_assertions);
        assert!(is_inlined || frames.iter().any(known), "{dump}");
        assert!(!frames.is_empty(), "{dump}");
        // Neither the runtime below the task nor the machinery above the leaf.
        assert!(frames.len() <= 5, "{dump}");
    });
}

/// Captures a poll of something that is ready, and then awaits it.
async fn a_function_that_captures() -> Trace {
    let ended = spawn(async { 5 });
    while !ended.is_finished() {
        yield_now().await;
    }
    let mut work = pin!(ended);
    let captured = poll_fn(|cx| Poll::Ready(Trace::capture(|| work.as_mut().poll(cx).is_ready())));
    let (is_ready, trace) = captured.await;
    assert!(!is_ready, "nothing makes progress in a capture");
    assert_eq!(work.await.unwrap(), 5);
    trace
}

#[test]
fn a_captured_poll_tells_what_it_came_to_and_loses_nothing() {
    watched(|| {
        for runtime in [workers(1), current()] {
            let task = runtime.spawn(a_function_that_captures());
            let trace = runtime.block_on(task).unwrap();
            assert!(trace.is_known());
            let waits: Vec<String> = trace.waits().iter().map(|wait| wait.resource()).collect();
            assert_eq!(waits, ["the end of a task"]);
            let (_, trace) = Trace::capture(|| ());
            assert!(trace.waits().is_empty());
        }
    });
}

#[test]
fn a_captured_backtrace_ends_at_its_root() {
    async fn a_function_around(rooted: bool) -> Trace {
        match rooted {
            true => Trace::root(a_function_that_captures()).await,
            false => a_function_that_captures().await,
        }
    }
    watched(|| {
        let runtime = workers(1);
        let depth = |rooted| {
            let trace = runtime.block_on(runtime.spawn(a_function_around(rooted)));
            let backtraces = trace.unwrap().resolve_backtraces();
            assert_eq!(backtraces.len(), 1, "{backtraces:?}");
            backtraces[0].frames().count()
        };
        let (rooted, whole) = (depth(true), depth(false));
        // The function around is one frame, which an optimizer may leave out.
        let inlined = usize::from(!cfg!(debug_assertions));
        assert!(0 < rooted && rooted < whole + inlined, "{rooted}, {whole}");
    });
}

#[test]
fn all_branches_of_a_task_are_told() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            let mut sleeps = [1, 2, 3].map(|hours| {
                Box::pin(coop::unconstrained(Sleep::after(Duration::from_secs(
                    3600 * hours,
                ))))
            });
            std::future::poll_fn(|cx| {
                for sleep in &mut sleeps {
                    if sleep.as_mut().poll(cx).is_ready() {
                        return std::task::Poll::Ready(());
                    }
                }
                std::task::Poll::Pending
            })
            .await;
        });
        let dump = settle(&runtime, &[task.id()]);
        assert_eq!(of(&dump, task.id()).trace().waits().len(), 3, "{dump}");
    });
}

#[test]
fn a_dump_is_made_although_a_worker_is_stuck_and_says_so() {
    watched(|| {
        let runtime = workers(2);
        let idle = runtime.spawn(a_function_that_sleeps());
        settle(&runtime, &[idle.id()]);
        let (free, stuck) = channel::<()>();
        let offender = runtime.spawn(async move {
            let _ = stuck.recv();
        });
        let runs = |dump: &Dump| {
            let state = of(dump, offender.id()).state();
            matches!(
                state,
                TaskState::Running {
                    worker: Some(_),
                    stuck: true
                }
            )
        };
        until(|| runs(&dump_of(&runtime)));
        let dump = dump_of(&runtime);
        let text = of(&dump, offender.id()).to_string();
        assert!(text.contains("stuck"), "{text}");
        assert_eq!(of(&dump, idle.id()).trace().waits().len(), 1, "{dump}");
        drop(free);
        runtime.block_on(offender).unwrap();
    });
}

#[test]
fn a_dump_of_a_runtime_whose_workers_are_all_stuck_ends() {
    watched(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(1)
            .rescue(false)
            .enable_all()
            .build()
            .unwrap();
        let idle = runtime.spawn(a_function_that_sleeps());
        settle(&runtime, &[idle.id()]);
        let (free, stuck) = channel::<()>();
        let (here, arrived) = channel();
        let offender = runtime.spawn(async move {
            here.send(()).unwrap();
            let _ = stuck.recv();
        });
        arrived.recv().unwrap();
        let waits = runtime.spawn(async {});
        let dump = runtime.handle().blocking_dump(Duration::from_millis(20));
        let state = of(&dump, offender.id()).state();
        assert!(
            matches!(
                state,
                TaskState::Running {
                    worker: Some(0),
                    ..
                }
            ),
            "{dump}"
        );
        assert_eq!(of(&dump, waits.id()).state(), TaskState::Scheduled);
        let idle = of(&dump, idle.id());
        assert_eq!(idle.state(), TaskState::Idle);
        assert!(!idle.trace().is_known() && idle.to_string().contains("no worker had time"));
        drop(free);
        runtime.block_on(async { (offender.await.unwrap(), waits.await.unwrap()) });
    });
}

#[test]
fn nobody_drives_a_current_thread_runtime_and_its_dump_ends_at_once() {
    let runtime = current();
    let task = runtime.spawn(a_function_that_sleeps());
    runtime.block_on(async { yield_now().await });
    // With the patience of ten minutes: nobody is asked.
    let dump = runtime.handle().blocking_dump(PATIENCE);
    assert!(!of(&dump, task.id()).trace().is_known());
}

#[test]
fn closures_are_in_the_dump() {
    watched(|| {
        let runtime = workers(1);
        let (free, held) = channel::<()>();
        let (here, arrived) = channel();
        let closure = runtime.spawn_blocking(move || {
            here.send(()).unwrap();
            let _ = held.recv();
        });
        arrived.recv().unwrap();
        let dump = dump_of(&runtime);
        let task = of(&dump, closure.id());
        assert!(task.is_blocking() && task.to_string().starts_with("closure"));
        assert!(matches!(task.state(), TaskState::Running { .. }));
        drop(free);
        runtime.block_on(closure).unwrap();
    });
}

#[test]
fn a_task_may_dump_its_own_runtime() {
    watched(|| {
        for runtime in [workers(1), current()] {
            let other = runtime.spawn(a_function_that_sleeps());
            let task = runtime.spawn(async { Handle::current().dump().await });
            let id = task.id();
            let dump = runtime.block_on(task).unwrap();
            assert!(dump.tasks().iter().any(|task| task.id() == id));
            assert!(dump.tasks().iter().any(|task| task.id() == other.id()));
            // The task that dumped leaves the list a moment after its handle has learned of its end.
            let left = || runtime.block_on(async { Handle::current().dump().await });
            while left().tasks().len() != 1 {}
        }
    });
}

#[test]
fn the_dump_of_a_runtime_that_has_ended_is_empty() {
    let runtime = workers(1);
    runtime.spawn(a_function_that_sleeps());
    let handle = runtime.handle().clone();
    drop(runtime);
    assert!(handle.blocking_dump(PATIENCE).tasks().is_empty());
}

#[test]
fn dumps_lose_no_wake() {
    // Pairs that wake each other, timers and joins, while one dump follows the other. A lost wake hangs.
    const PAIRS: usize = 8;
    const ROUNDS: usize = 200;
    watched(|| {
        for runtime in [workers(2), current()] {
            let turns: Vec<_> = (0..PAIRS)
                .map(|_| {
                    runtime.spawn(async {
                        for round in 0..ROUNDS {
                            let gate = Gate::default();
                            let opener = gate.clone();
                            let other = loxley_core::spawn(async move {
                                if round % 4 == 0 {
                                    Sleep::after(Duration::from_micros(50)).await;
                                }
                                coop::consume_budget().await;
                                opener.open();
                            });
                            gate.await;
                            other.await.unwrap();
                        }
                    })
                })
                .collect();
            let done = Arc::new(AtomicBool::new(false));
            let dumps = Arc::new(AtomicUsize::new(0));
            let dumper = std::thread::spawn({
                let (handle, done, dumps) = (runtime.handle().clone(), done.clone(), dumps.clone());
                move || {
                    while !done.load(Ordering::SeqCst) {
                        handle.blocking_dump(Duration::from_millis(5));
                        dumps.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            runtime.block_on(async {
                for turn in turns {
                    turn.await.unwrap();
                }
                while dumps.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
            });
            done.store(true, Ordering::SeqCst);
            dumper.join().unwrap();
            assert_eq!(runtime.metrics().recheck_found_count(), 0);
        }
    });
}
