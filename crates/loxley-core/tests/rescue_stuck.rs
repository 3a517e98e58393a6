//! A stuck worker delays nobody else: the offender blocks on a channel that only an innocent task sends on, so without
//! rescue each of these tests hangs. The steps are those of `monitor.rs` and `worker/rescue.rs`.

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::time::Sleep;

/// How long a test waits before it calls a hang a failure.
const HANG: Duration = Duration::from_secs(60);

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// Blocks the thread until somebody sends.
fn block<T>(receiver: &mpsc::Receiver<T>) -> T {
    receiver
        .recv_timeout(HANG)
        .expect("nobody came to the rescue")
}

/// Computes until somebody sends: never asleep in the kernel.
fn spin<T>(receiver: &mpsc::Receiver<T>) -> T {
    let start = Instant::now();
    loop {
        if let Ok(value) = receiver.try_recv() {
            return value;
        }
        assert!(start.elapsed() < HANG, "nobody came to the rescue");
        std::hint::spin_loop();
    }
}

type Wait = fn(&mpsc::Receiver<()>);
const WAYS: [Wait; 2] = [block::<()>, spin::<()>];

#[test]
fn a_task_in_the_slot_of_a_stuck_worker_runs() {
    for wait in WAYS {
        let runtime = runtime(2);
        let (send, receive) = mpsc::channel();
        let offender = runtime.spawn(async move {
            // Into the slot of this worker, where ordinary thieves do not look.
            loxley_core::spawn(async move { send.send(()).unwrap() });
            wait(&receive);
        });
        runtime.block_on(offender).unwrap();
    }
}

#[test]
fn a_task_woken_by_a_stuck_worker_runs() {
    for wait in WAYS {
        let runtime = runtime(2);
        let (send, receive) = mpsc::channel();
        let (give_waker, take_waker) = mpsc::channel::<Waker>();
        let woken = runtime.spawn(async move {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                give_waker.send(cx.waker().clone()).unwrap();
                if polls == 1 {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            send.send(()).unwrap();
        });
        let waker = take_waker.recv_timeout(HANG).unwrap();
        let offender = runtime.spawn(async move {
            waker.wake();
            wait(&receive);
        });
        runtime.block_on(offender).unwrap();
        runtime.block_on(woken).unwrap();
    }
}

#[test]
fn all_tasks_behind_a_stuck_worker_run() {
    let runtime = runtime(2);
    let (send, receive) = mpsc::channel();
    let offender = runtime.spawn(async move {
        for _ in 0..10_000 {
            let send = send.clone();
            loxley_core::spawn(async move { send.send(()).unwrap() });
        }
        for _ in 0..10_000 {
            block(&receive);
        }
    });
    runtime.block_on(offender).unwrap();
}

#[test]
fn a_socket_and_a_timer_of_a_stuck_worker_are_served() {
    for wait in WAYS {
        for workers in [1, 2, 4] {
            let runtime = runtime(workers);
            let (send, receive) = mpsc::channel();
            let (send_armed, receive_armed) = mpsc::channel();
            let (mut here, there) = UnixStream::pair().unwrap();
            there.set_nonblocking(true).unwrap();
            let sent = send.clone();
            let offender = runtime.spawn(async move {
                // Both tasks wait in this worker's poller and wheel before it gets stuck.
                let armed = send_armed.clone();
                loxley_core::spawn(async move {
                    let there = Source::new(there).unwrap();
                    armed.send(()).unwrap();
                    let read = there.async_io(Interest::READABLE, |mut io| io.read(&mut [0; 1]));
                    assert_eq!(read.await.unwrap(), 1);
                    send.send(()).unwrap();
                });
                loxley_core::spawn(async move {
                    let mut sleep = Box::pin(Sleep::after(Duration::from_millis(20)));
                    poll_fn(|cx| {
                        send_armed.send(()).unwrap();
                        sleep.as_mut().poll(cx)
                    })
                    .await;
                    sent.send(()).unwrap();
                });
                for _ in 0..10 {
                    loxley_core::task::yield_now().await;
                }
                wait(&receive);
                wait(&receive);
            });
            block(&receive_armed);
            block(&receive_armed);
            here.write_all(b"x").unwrap();
            runtime.block_on(offender).unwrap();
        }
    }
}

#[test]
fn when_all_workers_sleep_in_the_kernel_a_spare_serves() {
    for workers in [1, 2, 4] {
        let runtime = runtime(workers);
        let (started, all_started) = mpsc::channel();
        let mut release = Vec::new();
        let mut offenders = Vec::new();
        for _ in 0..workers {
            let (send, receive) = mpsc::channel();
            let started = started.clone();
            release.push(send);
            offenders.push(runtime.spawn(async move {
                started.send(()).unwrap();
                block(&receive);
            }));
        }
        for _ in 0..workers {
            block(&all_started);
        }
        // Only this task lets them go.
        runtime.spawn(async move {
            for send in release {
                send.send(()).unwrap();
            }
        });
        for offender in offenders {
            runtime.block_on(offender).unwrap();
        }
    }
}

#[test]
fn a_pool_that_only_computes_gets_one_spare_when_work_waits() {
    let runtime = runtime(2);
    let (started, all_started) = mpsc::channel();
    let mut release = Vec::new();
    let mut offenders = Vec::new();
    for _ in 0..2 {
        let (send, receive) = mpsc::channel();
        let started = started.clone();
        release.push(send);
        offenders.push(runtime.spawn(async move {
            started.send(()).unwrap();
            spin(&receive);
        }));
    }
    block(&all_started);
    block(&all_started);
    runtime.spawn(async move {
        for send in release {
            send.send(()).unwrap();
        }
    });
    for offender in offenders {
        runtime.block_on(offender).unwrap();
    }
}

#[test]
fn a_stand_in_that_gets_stuck_is_relieved_too() {
    let runtime = runtime(1);
    // A chain: each task blocks until the next one, which only another thread can run, lets it go.
    fn link(depth: usize, release: mpsc::Sender<()>) {
        if depth == 0 {
            return release.send(()).unwrap();
        }
        let (send, receive) = mpsc::channel();
        loxley_core::spawn(async move { link(depth - 1, send) });
        block(&receive);
        release.send(()).unwrap();
    }
    let (send, receive) = mpsc::channel();
    let first = runtime.spawn(async move { link(6, send) });
    block(&receive);
    runtime.block_on(first).unwrap();
}

#[test]
fn spares_leave_when_they_are_no_longer_needed() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let runtime = runtime(2);
    let started = Instant::now();
    for _ in 0..3 {
        let (send, receive) = mpsc::channel();
        let (send_again, receive_again) = mpsc::channel();
        let one = runtime.spawn(async move { block(&receive) });
        let other = runtime.spawn(async move { block(&receive_again) });
        runtime.spawn(async move {
            send.send(()).unwrap();
            send_again.send(()).unwrap();
        });
        runtime.block_on(one).unwrap();
        runtime.block_on(other).unwrap();
    }
    let metrics = runtime.metrics();
    while metrics.num_rescue_threads() > 0 {
        assert!(started.elapsed() < HANG, "{} threads are left", threads());
        std::thread::yield_now();
    }
    runtime.block_on(runtime.spawn(async {})).unwrap();
}

/// Blocks until a task runs that only another thread can run.
fn get_stuck() {
    let (send, receive) = mpsc::channel();
    loxley_core::spawn(async move { send.send(()).unwrap() });
    block(&receive);
}

#[test]
fn who_gets_stuck_after_block_in_place_is_relieved() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let offender = runtime.spawn(async {
            // Everybody else goes to sleep meanwhile, and nobody watches.
            loxley_core::block_in_place(|| std::thread::sleep(Duration::from_millis(50)));
            get_stuck();
        });
        runtime.block_on(offender).unwrap();
    }
}

#[test]
fn who_gets_stuck_just_after_it_was_relieved_is_relieved_again() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        for round in 0..200 {
            let offender = runtime.spawn(async move {
                get_stuck();
                // The stand-in goes to sleep before, while or after the worker comes back.
                std::thread::sleep(Duration::from_micros(round * 20));
            });
            runtime.block_on(offender).unwrap();
        }
    }
}

#[test]
fn a_second_worker_that_gets_stuck_is_noticed_although_events_keep_coming_for_the_first() {
    let runtime = runtime(2);
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let (send, receive) = mpsc::channel();
    let (send_stuck, receive_stuck) = mpsc::channel();
    let first = runtime.spawn(async move {
        let reader = loxley_core::spawn(async move {
            let far = Source::new(far).unwrap();
            let mut bytes = [0; 64];
            while far
                .async_io(Interest::READABLE, |mut io| io.read(&mut bytes))
                .await
                .unwrap()
                > 0
            {}
        });
        for _ in 0..10 {
            loxley_core::task::yield_now().await;
        }
        send_stuck.send(()).unwrap();
        block(&receive);
        reader.await.unwrap();
    });
    block(&receive_stuck);
    let end = near.try_clone().unwrap();
    let flood = std::thread::spawn(move || while (&near).write_all(b"x").is_ok() {});
    let second = runtime.spawn(async move {
        let (send_here, receive_here) = mpsc::channel();
        loxley_core::spawn(async move {
            send.send(()).unwrap();
            send_here.send(()).unwrap();
        });
        block(&receive_here);
    });
    runtime.block_on(second).unwrap();
    end.shutdown(std::net::Shutdown::Write).unwrap();
    flood.join().unwrap();
    runtime.block_on(first).unwrap();
}
