//! A named task is known by its name wherever tasks are reported, and costs the others nothing.

#[path = "support/watch.rs"]
mod watch;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loxley_core::TaskBuilder;
use loxley_core::runtime::{Builder, LongPoll, Runtime};
use watch::watched;

const HANG: Duration = Duration::from_secs(60);
/// Longer than a worker waits for a processor on a busy machine: what is reported then is a task's poll.
const THRESHOLD: Duration = Duration::from_millis(200);

fn runtimes() -> [Runtime; 3] {
    let multi = |workers| {
        Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .unwrap()
    };
    let current = Builder::new_current_thread().enable_all().build().unwrap();
    [current, multi(1), multi(4)]
}

fn reporting() -> (Runtime, mpsc::Receiver<LongPoll>) {
    let (send, receive) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .long_poll_threshold(THRESHOLD)
        .on_long_poll(move |poll| send.send(poll.clone()).unwrap())
        .build()
        .unwrap();
    (runtime, receive)
}

/// A poll that the monitor has found stuck, and that then is long: until it has, nobody takes the task out of the slot.
async fn offend() {
    let (send, receive) = mpsc::channel();
    loxley_core::spawn(async move { send.send(()).unwrap() });
    let relief = receive.recv_timeout(HANG);
    relief.expect("nobody came to the rescue");
    thread::sleep(THRESHOLD);
}

#[test]
fn a_long_poll_tells_the_name_of_its_task() {
    let (runtime, reports) = reporting();
    let builder = TaskBuilder::new().name("the offender");
    let offender = builder.spawn_on(offend(), runtime.handle());
    let id = offender.unwrap().id();
    let report = reports.recv_timeout(HANG).expect("no report came");
    assert_eq!(report.task_id(), Some(id));
    assert_eq!(report.task_name(), Some("the offender"));
    let text = report.to_string();
    let start = format!("task {id} named \"the offender\" and spawned at ");
    assert!(text.starts_with(&start), "{text}");
}

#[test]
fn a_long_poll_of_a_task_without_a_name_tells_none() {
    let (runtime, reports) = reporting();
    let builder = TaskBuilder::new();
    let offender = builder.spawn_on(offend(), runtime.handle());
    let id = offender.unwrap().id();
    let report = reports.recv_timeout(HANG).expect("no report came");
    assert_eq!((report.task_id(), report.task_name()), (Some(id), None));
    let start = format!("task {id} spawned at ");
    assert!(report.to_string().starts_with(&start), "{report}");
}

#[test]
fn a_name_is_there_until_the_future_is_dropped() {
    watched(|| {
        for runtime in runtimes() {
            let (open, gate) = mpsc::channel::<()>();
            let pending = TaskBuilder::new().name("pending");
            let task = pending
                .spawn_on(std::future::pending::<()>(), runtime.handle())
                .unwrap();
            assert!(format!("{task:?}").contains("name: \"pending\""));
            let closure = TaskBuilder::new().name("closure");
            let closure = closure
                .spawn_blocking_on(move || gate.recv().is_ok(), runtime.handle())
                .unwrap();
            assert!(format!("{closure:?}").contains("name: \"closure\""));
            open.send(()).unwrap();
            let abort = (task.abort_handle(), closure.abort_handle());
            assert!(runtime.block_on(closure).unwrap());
            task.abort();
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
            assert!(!format!("{abort:?}").contains("name:"), "{abort:?}");
        }
    });
}

#[test]
fn names_need_not_be_unique() {
    watched(|| {
        for runtime in runtimes() {
            let twins = [1, 2].map(|number| {
                let builder = TaskBuilder::new().name("twin");
                let twin = builder.spawn_on(async move { number }, runtime.handle());
                twin.unwrap()
            });
            let sum: i32 = runtime.block_on(async {
                let mut sum = 0;
                for twin in twins {
                    sum += twin.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 3);
        }
    });
}

#[test]
fn a_task_that_comes_after_the_end_is_cancelled_name_and_all() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let late = TaskBuilder::new().name("late");
    let task = late.spawn_on(async {}, &handle).unwrap();
    assert!(task.is_finished());
    assert!(!format!("{task:?}").contains("name:"), "{task:?}");
    let job = late.spawn_blocking_on(|| (), &handle).unwrap();
    assert!(job.is_finished());
}

#[test]
fn spawning_outside_a_runtime_panics_and_says_what_to_do() {
    let panics = [
        std::panic::catch_unwind(|| drop(TaskBuilder::new().name("x").spawn(async {}))),
        std::panic::catch_unwind(|| drop(TaskBuilder::new().name("x").spawn_blocking(|| ()))),
    ];
    for panicked in panics {
        let payload = panicked.unwrap_err();
        let text = payload.downcast_ref::<String>().unwrap();
        assert!(text.contains("Runtime::enter"), "{text}");
    }
}

#[test]
fn a_panic_and_the_hooks_tell_the_name_of_their_task() {
    watched(|| {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let (send, told) = mpsc::channel();
            let (spawned, panicked) = (send.clone(), send);
            let runtime = builder
                .on_task_spawn(move |task| {
                    spawned.send(format!("spawned {:?}", task.name())).unwrap();
                })
                .on_task_panic(move |panic| panicked.send(panic.to_string()).unwrap())
                .build()
                .unwrap();
            let named = TaskBuilder::new().name("fragile");
            let task = named.spawn_on(async { panic!("on purpose") }, runtime.handle());
            let task = task.unwrap();
            let id = task.id();
            assert!(runtime.block_on(task).unwrap_err().is_panic());
            assert_eq!(told.recv().unwrap(), "spawned Some(\"fragile\")");
            let text = told.recv().unwrap();
            let start = format!("task {id} named \"fragile\" and spawned at ");
            assert!(
                text.starts_with(&start) && text.ends_with("panicked: on purpose"),
                "{text}"
            );
        }
    });
}
