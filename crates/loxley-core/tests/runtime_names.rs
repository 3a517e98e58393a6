//! What threads and runtimes are called.

#[path = "support/watch.rs"]
mod watch;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use loxley_core::runtime::{Builder, Runtime};
use watch::watched;

fn my_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

/// The names of all of `count` workers.
fn names_of_workers(runtime: &Runtime, count: usize) -> HashSet<String> {
    let meeting = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let meeting = meeting.clone();
            runtime.spawn(async move {
                meeting.wait();
                my_name()
            })
        })
        .collect();
    let names = tasks
        .into_iter()
        .map(|task| runtime.block_on(task).unwrap());
    names.collect()
}

#[test]
fn threads_have_a_name_by_default() {
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let worker = runtime
            .block_on(runtime.spawn(async { my_name() }))
            .unwrap();
        let blocking = runtime.block_on(runtime.spawn_blocking(my_name)).unwrap();
        assert_eq!([worker, blocking], ["loxley-worker", "loxley-worker"]);
    });
}

#[test]
fn a_name_holds_for_workers_and_blocking_threads() {
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("merry-man")
            .build()
            .unwrap();
        assert_eq!(
            names_of_workers(&runtime, 2),
            HashSet::from(["merry-man".to_owned()])
        );
        let blocking = runtime.block_on(runtime.spawn_blocking(my_name)).unwrap();
        assert_eq!(blocking, "merry-man");
    });
}

#[test]
fn a_function_names_each_thread_once() {
    watched(|| {
        let asked = Arc::new(AtomicUsize::new(0));
        let next = asked.clone();
        // Without rescue: a spare for workers that meet would ask for a name too.
        let runtime = Builder::new_multi_thread()
            .worker_threads(3)
            .rescue(false)
            .thread_name_fn(move || format!("man-{}", next.fetch_add(1, Ordering::SeqCst)))
            .build()
            .unwrap();
        let mut names = names_of_workers(&runtime, 3);
        names.insert(runtime.block_on(runtime.spawn_blocking(my_name)).unwrap());
        let expected = (0..4).map(|number| format!("man-{number}"));
        assert_eq!(names, expected.collect());
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn the_start_hook_sees_the_name() {
    watched(|| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("little-john")
            .on_thread_start(move || record.lock().unwrap().push(my_name()))
            .build()
            .unwrap();
        drop(runtime);
        assert_eq!(*seen.lock().unwrap(), ["little-john"]);
    });
}

#[test]
fn a_runtime_shows_its_name() {
    let runtime = Builder::new_current_thread()
        .name("sherwood")
        .build()
        .unwrap();
    assert_eq!(runtime.handle().name(), Some("sherwood"));
    assert!(format!("{runtime:?}").contains("sherwood"));
    let nameless = Builder::new_current_thread().build().unwrap();
    assert_eq!(nameless.handle().name(), None);
}
