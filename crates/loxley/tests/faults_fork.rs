//! A process that forks after its runtime has started: the child cannot use it and is told so, the parent notices nothing.
#![cfg(target_os = "linux")]

#[path = "support/faults.rs"]
mod faults;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;

use faults::{assert_at_rest, both_flavors, connection, echo, in_a_child, pool};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::runtime::Runtime;
use loxley::time::{Duration, sleep};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

/// Forks; the child runs `body` and ends with 0, or with 1 if that panics.
fn fork(body: impl FnOnce()) -> Pid {
    // SAFETY: the child has this thread alone; nobody else holds a lock that `body` takes: the other threads of this process
    // sleep, and glibc looks after its own.
    match unsafe { libc::fork() } {
        0 => {
            let ended = catch_unwind(AssertUnwindSafe(body));
            std::process::exit(i32::from(ended.is_err()));
        }
        child => Pid::from_raw(child).expect("a child"),
    }
}

fn end_of(child: Pid) -> WaitStatus {
    waitpid(Some(child), WaitOptions::empty())
        .unwrap()
        .expect("waited for its end")
        .1
}

/// The message of a panic.
fn refused<R>(call: impl FnOnce() -> R) {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(call()))).expect_err("it must not work");
    let message = payload.downcast_ref::<String>().cloned();
    let message = message.or(payload.downcast_ref::<&str>().map(|text| text.to_string()));
    let message = message.unwrap_or_default();
    assert!(message.contains("forked"), "{message}");
}

#[test]
fn a_forked_child_is_told_and_the_parent_notices_nothing() {
    in_a_child(
        "a_forked_child_is_told_and_the_parent_notices_nothing",
        || {
            for runtime in both_flavors() {
                forks_beside(runtime);
            }
        },
    );
}

fn forks_beside(runtime: Runtime) {
    let mut sockets = Some(runtime.block_on(async {
        let (mut near, mut far, listener) = connection().await;
        // All three are registered with the kernel now.
        echo(&mut near, &mut far, 10).await;
        (near, far, listener)
    }));
    let child = fork(|| {
        refused(|| runtime.block_on(async {}));
        refused(|| runtime.handle().block_on(async {}));
        refused(|| runtime.spawn(async {}));
        refused(|| runtime.spawn_blocking(|| {}));
        refused(|| drop(runtime.enter()));
        // The child's copies; the parent keeps its own.
        drop(sockets.take());
    });
    assert_eq!(end_of(child).exit_status(), Some(0));

    // The child has closed its descriptors; the parent's events still come.
    let (mut near, mut far, listener) = sockets.expect("the parent's are untouched");
    runtime.block_on(async {
        let reading = async {
            let mut bytes = [0; 2];
            near.read_exact(&mut bytes).await.unwrap();
            bytes
        };
        let writing = async {
            sleep(Duration::from_millis(1)).await;
            far.write_all(b"ok").await.unwrap();
        };
        let (bytes, ()) = loxley::join!(reading, writing);
        assert_eq!(&bytes, b"ok");
        let accepting = listener.accept();
        let connecting = loxley::net::TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, connected) = loxley::join!(accepting, connecting);
        drop((accepted.unwrap(), connected.unwrap()));
        assert_at_rest().await;
    });
}

#[test]
fn a_runtime_dropped_in_a_forked_child_waits_for_nobody() {
    in_a_child(
        "a_runtime_dropped_in_a_forked_child_waits_for_nobody",
        || {
            for runtime in both_flavors() {
                let task = runtime.spawn(std::future::pending::<()>());
                let mut owner = Some(runtime);
                let child = fork(|| drop(owner.take()));
                assert_eq!(end_of(child).exit_status(), Some(0));
                let runtime = owner.expect("the parent's is untouched");
                assert!(!task.is_finished());
                assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
            }
        },
    );
}

#[test]
fn a_child_that_comes_back_into_the_loop_of_its_parents_worker_is_aborted() {
    in_a_child(
        "a_child_that_comes_back_into_the_loop_of_its_parents_worker_is_aborted",
        || {
            let runtime = pool(1).rescue(false).build().unwrap();
            let (send, receive) = channel();
            let task = runtime.spawn(async move {
                // SAFETY: as in `fork` above; the child returns at once, which is what is tried here.
                let child = unsafe { libc::fork() };
                if child != 0 {
                    send.send(Pid::from_raw(child).unwrap()).unwrap();
                }
            });
            let end = end_of(receive.recv().unwrap());
            assert_eq!(end.terminating_signal(), Some(libc::SIGABRT));
            runtime.block_on(task).unwrap();
            assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
        },
    );
}
