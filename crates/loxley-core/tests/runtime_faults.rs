//! The operating system refuses: what fails says so, and leaves nothing behind.
#![cfg(target_os = "linux")]

#[path = "support/census.rs"]
mod census;
#[path = "support/until.rs"]
mod until;
#[path = "support/watch.rs"]
mod watch;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use census::{descriptors, threads_named};
use loxley_core::runtime::Builder;
use loxley_core::spawn_blocking;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use until::until;
use watch::watched;

/// Set in the processes that [`in_a_child`] starts: limits hold for a whole process.
const CHILD: &str = "LOXLEY_TEST_CHILD";
const NAME: &str = "faults-test";

/// Runs `body` in a process of its own, which is this very test again.
fn in_a_child(test: &str, body: impl FnOnce() + Send + 'static) {
    if std::env::var_os(CHILD).is_some() {
        return watched(body);
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{output}\n{errors}");
    assert!(output.contains("1 passed"), "{output}");
}

fn limit_descriptors(most: u64) {
    let limit = Rlimit {
        current: Some(most),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Takes descriptors until the system refuses.
fn all_descriptors() -> Vec<File> {
    let null = File::open("/dev/null").unwrap();
    let mut taken = Vec::new();
    while let Ok(another) = null.try_clone() {
        taken.push(another);
    }
    taken.push(null);
    taken
}

#[test]
fn a_process_without_descriptors_gets_an_error_that_names_worker_and_poller() {
    in_a_child(
        "a_process_without_descriptors_gets_an_error_that_names_worker_and_poller",
        || {
            limit_descriptors(64);
            let error = Builder::new_multi_thread()
                .worker_threads(100)
                .enable_all()
                .build()
                .unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("worker ") && text.contains("could not open its poller"),
                "{text}"
            );
            assert!(text.contains("os error 24"), "{text}");
        },
    );
}

#[test]
fn a_build_that_fails_at_any_descriptor_leaves_nothing_behind() {
    in_a_child(
        "a_build_that_fails_at_any_descriptor_leaves_nothing_behind",
        || {
            limit_descriptors(256);
            // What the first runtime of a process opens once and for all is open now.
            drop(
                Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap(),
            );
            let mut failures = 0;
            for free in 0..40 {
                let mut taken = all_descriptors();
                taken.truncate(taken.len() - free);
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(2).thread_name(NAME).enable_all();
                let built = builder.build();
                drop(taken);
                match built {
                    Ok(runtime) => runtime.block_on(runtime.spawn(async {})).unwrap(),
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        failures += 1;
                    }
                }
                until(|| threads_named(NAME) == 0);
                let before = descriptors();
                // With descriptors again, everything works, and as many are open afterwards.
                let runtime = builder.build().unwrap();
                runtime.block_on(runtime.spawn(async {})).unwrap();
                drop(runtime);
                assert_eq!(descriptors(), before, "{free} were free");
            }
            assert!(failures > 2, "{failures} failures");
        },
    );
}

/// Lets the process grow by `megabytes` from now on; `None`: as far as it likes.
fn limit_memory(megabytes: Option<u64>) {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let limit = Rlimit {
        current: megabytes.map(|more| (pages * 4096) + (more << 20)),
        ..getrlimit(Resource::As)
    };
    setrlimit(Resource::As, limit).unwrap();
}

#[test]
fn a_refused_thread_is_an_error_that_names_the_worker() {
    const WORKERS: usize = 4;
    in_a_child("a_refused_thread_is_an_error_that_names_the_worker", || {
        let base = descriptors();
        for refused in 0..WORKERS {
            let [started, stopped] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let named = AtomicUsize::new(0);
            let counts = |count: &Arc<AtomicUsize>| {
                let count = count.clone();
                move || {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            };
            let seen = started.clone();
            let error = Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .rescue(false)
                // Too large for the limit below.
                .thread_stack_size(256 << 20)
                .on_thread_start(counts(&started))
                .on_thread_stop(counts(&stopped))
                .thread_name_fn(move || {
                    if named.fetch_add(1, Ordering::SeqCst) == refused {
                        // A thread that is starting needs memory, too.
                        until(|| seen.load(Ordering::SeqCst) == refused);
                        limit_memory(Some(64));
                    }
                    NAME.to_owned()
                })
                .build()
                .unwrap_err();
            limit_memory(None);
            let text = error.to_string();
            assert!(
                text.contains(&format!("worker {refused} could not be started")),
                "{text}"
            );
            // Those that had started are joined.
            assert_eq!(started.load(Ordering::SeqCst), refused);
            assert_eq!(stopped.load(Ordering::SeqCst), refused);
            until(|| threads_named(NAME) == 0);
            assert_eq!(descriptors(), base);
        }
    });
}

/// More than any address space.
const IMPOSSIBLE_STACK: usize = 1 << 48;

#[test]
fn a_blocking_job_without_a_thread_is_cancelled() {
    watched(|| {
        let runtime = Builder::new_current_thread()
            .thread_stack_size(IMPOSSIBLE_STACK)
            .build()
            .unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                let refused = spawn_blocking(|| unreachable!("there is no thread")).await;
                assert!(refused.unwrap_err().is_cancelled());
            }
        });
    });
}

#[test]
fn a_multi_thread_runtime_without_threads_is_an_error() {
    watched(|| {
        let error = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .thread_stack_size(IMPOSSIBLE_STACK)
            .build()
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("could not be started"),
            "{error}"
        );
    });
}

#[test]
fn a_panic_in_the_middle_of_a_build_leaves_nothing_behind() {
    in_a_child(
        "a_panic_in_the_middle_of_a_build_leaves_nothing_behind",
        || {
            let base = descriptors();
            for bad in 0..3 {
                let named = AtomicUsize::new(0);
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    let mut builder = Builder::new_multi_thread();
                    builder
                        .worker_threads(3)
                        .enable_all()
                        .thread_name_fn(move || {
                            assert!(
                                named.fetch_add(1, Ordering::SeqCst) < bad,
                                "a namer's own panic"
                            );
                            NAME.to_owned()
                        });
                    builder.build()
                }));
                assert!(caught.is_err());
                until(|| threads_named(NAME) == 0);
                assert_eq!(descriptors(), base);
            }
        },
    );
}

#[test]
fn all_our_descriptors_close_on_exec() {
    in_a_child("all_our_descriptors_close_on_exec", || {
        let before = numbers();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(runtime.spawn(async {})).unwrap();
        let ours = numbers()
            .into_iter()
            .filter(|number| !before.contains(number));
        let ours: Vec<_> = ours.collect();
        assert!(ours.len() >= 4, "pollers and what wakes them: {ours:?}");
        for number in ours {
            let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else {
                // The one that listed the others.
                continue;
            };
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
            assert_ne!(
                flags & 0o2_000_000,
                0,
                "descriptor {number} is inherited: {info}"
            );
        }
    });
}

fn numbers() -> Vec<u32> {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.map(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .parse()
            .unwrap()
    })
    .collect()
}
