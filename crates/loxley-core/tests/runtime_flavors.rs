//! Every choice of the builder, and what it promises whatever the others are.

#[path = "support/watch.rs"]
mod watch;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Handle, Runtime, RuntimeFlavor, worker_index};
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use loxley_core::{LocalSet, spawn, spawn_blocking};
use watch::watched;

#[derive(Clone, Copy, Debug)]
enum Workers {
    CurrentThread,
    Multi(usize),
}

#[derive(Clone, Copy, Debug)]
struct Choice {
    workers: Workers,
    io: bool,
    time: bool,
    portable: bool,
    rescue: bool,
    intervals: Option<u32>,
}

fn all_choices() -> Vec<Choice> {
    let mut choices = Vec::new();
    let flags = [false, true];
    for workers in [Workers::CurrentThread, Workers::Multi(1), Workers::Multi(3)] {
        for (io, time) in flags.iter().flat_map(|&io| flags.map(|time| (io, time))) {
            for (portable, rescue) in flags.iter().flat_map(|&a| flags.map(|b| (a, b))) {
                for intervals in [None, Some(1)] {
                    choices.push(Choice {
                        workers,
                        io,
                        time,
                        portable,
                        rescue,
                        intervals,
                    });
                }
            }
        }
    }
    choices
}

fn build(choice: Choice) -> Runtime {
    let mut builder = match choice.workers {
        Workers::CurrentThread => Builder::new_current_thread(),
        Workers::Multi(count) => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(count);
            builder
        }
    };
    if choice.io {
        builder.enable_io();
    }
    if choice.time {
        builder.enable_time();
    }
    if let Some(polls) = choice.intervals {
        builder.event_interval(polls).global_queue_interval(polls);
    }
    builder.portable(choice.portable).rescue(choice.rescue);
    builder.build().unwrap()
}

async fn everybody_runs() {
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            spawn(async move {
                yield_now().await;
                number
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, 99 * 50);
    assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
}

async fn sockets_work() {
    let (near, far) = UnixStream::pair().unwrap();
    let echo = spawn(async move {
        far.set_nonblocking(true).unwrap();
        let far = Source::new(far).unwrap();
        let mut bytes = [0; 2];
        let read = far.async_io(Interest::READABLE, |mut io| io.read(&mut bytes));
        let read = read.await.unwrap();
        far.async_io(Interest::WRITABLE, |mut io| io.write(&bytes[..read]))
            .await
    });
    let client = spawn_blocking(move || {
        let mut near = near;
        near.write_all(b"hi").unwrap();
        let mut bytes = [0; 2];
        near.read_exact(&mut bytes).unwrap();
        bytes
    });
    assert_eq!(&client.await.unwrap(), b"hi");
    assert_eq!(echo.await.unwrap().unwrap(), 2);
}

async fn timers_work() {
    let before = Instant::now();
    let sleeps = [1, 300, 2_000]
        .map(|micros| spawn(async move { Sleep::after(Duration::from_micros(micros)).await }));
    for sleep in sleeps {
        sleep.await.unwrap();
    }
    assert!(before.elapsed() >= Duration::from_millis(2));
}

fn panic_text(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("must panic");
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.expect("a panic with a text").to_owned()
}

#[test]
fn every_choice_keeps_its_promises() {
    for choice in all_choices() {
        watched(move || {
            let runtime = build(choice);
            let flavor = runtime.handle().runtime_flavor();
            let (expected, workers) = match choice.workers {
                Workers::CurrentThread => (RuntimeFlavor::CurrentThread, 1),
                Workers::Multi(count) => (RuntimeFlavor::MultiThread, count),
            };
            assert_eq!(flavor, expected);
            assert_eq!(runtime.metrics().num_workers(), workers);
            runtime.block_on(everybody_runs());
            if choice.io {
                runtime.block_on(sockets_work());
            } else {
                let _guard = runtime.enter();
                let (_, far) = UnixStream::pair().unwrap();
                let text = panic_text(|| drop(Source::new(far)));
                assert!(text.contains("`enable_io`"), "{choice:?}: {text}");
            }
            if choice.time {
                runtime.block_on(timers_work());
            } else {
                let _guard = runtime.enter();
                let text = panic_text(|| drop(Sleep::after(Duration::ZERO)));
                assert!(text.contains("`enable_time`"), "{choice:?}: {text}");
            }
            let metrics = runtime.metrics();
            drop(runtime);
            assert_eq!(metrics.num_alive_tasks(), 0, "{choice:?}");
            assert_eq!(metrics.recheck_found_count(), 0, "{choice:?}");
        });
    }
}

#[test]
fn zero_of_anything_panics() {
    let zeros: [fn(&mut Builder) -> &mut Builder; 4] = [
        |builder| builder.worker_threads(0),
        |builder| builder.max_blocking_threads(0),
        |builder| builder.event_interval(0),
        |builder| builder.global_queue_interval(0),
    ];
    for zero in zeros {
        let mut builder = Builder::new_multi_thread();
        let text = panic_text(|| {
            zero(&mut builder);
        });
        assert!(text.contains("at least 1"), "{text}");
    }
}

#[test]
fn a_runtime_of_many_workers_works() {
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(300)
            .build()
            .unwrap();
        assert_eq!(runtime.metrics().num_workers(), 300);
        runtime.block_on(everybody_runs());
    });
}

#[test]
fn a_worker_knows_its_number_and_others_have_none() {
    watched(|| {
        assert_eq!(worker_index(), None);
        let current = Builder::new_current_thread().build().unwrap();
        assert_eq!(current.block_on(async { worker_index() }), Some(0));
        let (root, task) = current.block_on(async {
            let task = spawn(async { worker_index() }).await.unwrap();
            (worker_index(), task)
        });
        assert_eq!((root, task), (Some(0), Some(0)));
        let multi = Builder::new_multi_thread()
            .worker_threads(3)
            .build()
            .unwrap();
        assert_eq!(multi.block_on(async { worker_index() }), None);
        let closure = multi.spawn_blocking(worker_index);
        assert_eq!(multi.block_on(closure).unwrap(), None);
        let tasks = [(); 30].map(|()| multi.spawn(async { worker_index() }));
        for task in tasks {
            let index = multi.block_on(task).unwrap();
            assert!(index.is_some_and(|index| index < 3), "{index:?}");
        }
    });
}

#[test]
fn runtimes_and_local_sets_have_ids_of_their_own() {
    let build = || Builder::new_current_thread().build().unwrap();
    let (one, two, set) = (build(), build(), LocalSet::new());
    let ids = [one.handle().id(), two.handle().id(), set.id()];
    let numbers: HashSet<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(numbers.len(), 3, "{ids:?}");
    assert_eq!(one.block_on(async { Handle::current().id() }), ids[0]);
    assert_eq!(one.handle().clone().id(), ids[0]);
}

#[test]
fn a_builder_builds_any_number_of_runtimes() {
    watched(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all();
        let runtimes = [(); 3].map(|()| builder.build().unwrap());
        for runtime in &runtimes {
            runtime.block_on(everybody_runs());
        }
    });
}

#[test]
fn thread_stack_size_holds_for_all_threads() {
    /// Needs more than the standard library's 2 MiB.
    fn deep(left: usize) -> usize {
        let block = std::hint::black_box([left as u8; 4096]);
        if left == 0 {
            return 0;
        }
        usize::from(block[7] == left as u8) + deep(left - 1)
    }
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_stack_size(64 << 20)
            .build()
            .unwrap();
        runtime
            .block_on(runtime.spawn(async { deep(2_000) }))
            .unwrap();
        runtime
            .block_on(runtime.spawn_blocking(|| deep(2_000)))
            .unwrap();
    });
}

/// Set in a process that [`workers_by_environment`] starts.
const CHILD: &str = "LOXLEY_TEST_CHILD";

/// What a runtime makes of these environment variables, in a process of its own: the environment is everybody's.
fn workers_by_environment(variables: &[(&str, &str)]) -> String {
    let test = [
        "--exact",
        "the_environment_sets_the_number_of_workers",
        "--nocapture",
    ];
    let child = Command::new(std::env::current_exe().unwrap())
        .args(test)
        .env(CHILD, "1")
        .env_remove("LOXLEY_WORKER_THREADS")
        .env_remove("TOKIO_WORKER_THREADS")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    let line = output.lines().find_map(|line| line.split_once("answer: "));
    line.unwrap_or_else(|| panic!("no answer in {output}"))
        .1
        .to_owned()
}

#[test]
fn the_environment_sets_the_number_of_workers() {
    if std::env::var_os(CHILD).is_some() {
        let answer = match Builder::new_multi_thread().build() {
            Ok(runtime) => runtime.metrics().num_workers().to_string(),
            Err(error) => format!("{:?} {error}", error.kind()),
        };
        println!("\nanswer: {answer}");
        let chosen = Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        assert_eq!(
            chosen.metrics().num_workers(),
            2,
            "a choice in the program comes first"
        );
        return;
    }
    let (ours, tokios) = ("LOXLEY_WORKER_THREADS", "TOKIO_WORKER_THREADS");
    assert_eq!(workers_by_environment(&[(ours, "3")]), "3");
    assert_eq!(workers_by_environment(&[(tokios, "5")]), "5");
    assert_eq!(
        workers_by_environment(&[(ours, "3"), (tokios, "many")]),
        "3",
        "ours comes first, and the other is not looked at"
    );
    for name in [ours, tokios] {
        for bad in ["0", "-1", "many", ""] {
            let answer = workers_by_environment(&[(name, bad)]);
            assert!(
                answer.starts_with(&format!("InvalidInput {name}")),
                "{bad:?}: {answer}"
            );
        }
    }
}
