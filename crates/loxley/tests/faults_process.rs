//! What happens to a process as a whole: limits, signals, stops, small stacks, `exec`.
#![cfg(target_os = "linux")]

#[path = "support/faults.rs"]
mod faults;
#[path = "kit/mod.rs"]
mod kit;

use std::fs;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use faults::{
    BaseLine, assert_at_rest, both_flavors, connection, echo, in_a_child, in_a_child_under,
    is_child, pool, skipped, until, works,
};
use kit::Folder;
use loxley::net::unix::pipe;
use loxley::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use loxley::runtime::Builder;
use loxley::signal::unix::{SignalKind, signal};
use loxley::time::{Duration, sleep};
use rustix::process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit};

#[test]
fn with_twenty_descriptors_everything_works_or_says_why_and_recovers() {
    in_a_child(
        "with_twenty_descriptors_everything_works_or_says_why_and_recovers",
        || {
            let limit = Rlimit {
                current: Some(20),
                ..getrlimit(Resource::Nofile)
            };
            setrlimit(Resource::Nofile, limit).unwrap();
            let base = BaseLine::take();
            let error = pool(8).build().expect_err("eight pollers do not fit");
            assert!(error.to_string().contains("could not open"), "{error}");
            base.returns();

            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let base = BaseLine::take();
                let mut open = Vec::new();
                let full = Some(rustix::io::Errno::MFILE.raw_os_error());
                loop {
                    match TcpStream::connect(address).await {
                        Ok(stream) => open.push(stream),
                        Err(error) => {
                            assert_eq!(error.raw_os_error(), full);
                            break;
                        }
                    }
                }
                assert!(open.len() > 3, "{} streams", open.len());
                for _ in 0..3 {
                    let error = listener.accept().await.unwrap_err();
                    assert_eq!(error.raw_os_error(), full);
                    assert_at_rest().await;
                }
                // One that goes makes room for one that comes, and none of those that wait is lost.
                let waiting = open.len();
                let mut accepted = 0;
                while let Some(gone) = open.pop() {
                    drop(gone);
                    drop(listener.accept().await.unwrap());
                    accepted += 1;
                }
                assert_eq!(accepted, waiting);
                let mut near = TcpStream::connect(address).await.unwrap();
                let (mut far, _) = listener.accept().await.unwrap();
                echo(&mut near, &mut far, 10).await;
                drop((near, far));
                base.returns();
            });
            drop(runtime);
            base.returns();
        },
    );
}

#[test]
fn a_storm_of_signals_loses_no_event_and_ends_no_sleep_early() {
    in_a_child(
        "a_storm_of_signals_loses_no_event_and_ends_no_sleep_early",
        || {
            for runtime in both_flavors() {
                let over = Arc::new(AtomicBool::new(false));
                let mut heard = {
                    let _inside = runtime.enter();
                    signal(SignalKind::user_defined1()).unwrap()
                };
                let storm = {
                    let over = over.clone();
                    std::thread::spawn(move || {
                        let mut sent = 0;
                        while !over.load(Ordering::Relaxed) || sent < 1_000 {
                            kill_process(getpid(), Signal::USR1).unwrap();
                            sent += 1;
                        }
                    })
                };
                runtime.block_on(async {
                    let messages = loxley::spawn(async {
                        let (mut near, mut far, _) = connection().await;
                        echo(&mut near, &mut far, 300).await;
                    });
                    for milliseconds in [1, 2, 5, 20] {
                        let (begin, length) = (Instant::now(), Duration::from_millis(milliseconds));
                        sleep(length).await;
                        assert!(begin.elapsed() >= length);
                    }
                    messages.await.unwrap();
                    heard.recv().await.unwrap();
                });
                over.store(true, Ordering::Relaxed);
                storm.join().unwrap();
            }
        },
    );
}

#[test]
fn a_process_that_is_stopped_and_continued_goes_on() {
    in_a_child("a_process_that_is_stopped_and_continued_goes_on", || {
        for runtime in both_flavors() {
            let over = Arc::new(AtomicBool::new(false));
            let stops = {
                let over = over.clone();
                std::thread::spawn(move || {
                    let line = format!("kill -STOP {0}; kill -CONT {0}", std::process::id());
                    let mut stops = 0;
                    while !over.load(Ordering::Relaxed) || stops < 20 {
                        let ended = std::process::Command::new("sh")
                            .args(["-c", &line])
                            .status();
                        assert!(ended.unwrap().success());
                        stops += 1;
                    }
                })
            };
            runtime.block_on(async {
                let (mut near, mut far, _) = connection().await;
                for _ in 0..20 {
                    // From quiet each time: everybody sleeps when the stop comes.
                    sleep(Duration::from_millis(2)).await;
                    let task = loxley::spawn(async move {
                        echo(&mut near, &mut far, 5).await;
                        (near, far)
                    });
                    (near, far) = task.await.unwrap();
                }
            });
            over.store(true, Ordering::Relaxed);
            stops.join().unwrap();
            runtime.block_on(assert_at_rest());
        }
    });
}

#[test]
fn every_descriptor_that_is_opened_closes_on_exec() {
    in_a_child("every_descriptor_that_is_opened_closes_on_exec", || {
        let folder = Folder::new();
        let runtime = pool(1).build().unwrap();
        runtime.block_on(async {
            let (near, far, listener) = connection().await;
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let path = folder.join("socket");
            let unix = UnixListener::bind(&path).unwrap();
            let left = UnixStream::connect(&path).await.unwrap();
            let (right, _) = unix.accept().await.unwrap();
            let (first, second) = UnixStream::pair().unwrap();
            let datagrams = UnixDatagram::unbound().unwrap();
            let (send, receive) = pipe::pipe().unwrap();
            let file = loxley::fs::File::create(folder.join("file")).await.unwrap();
            let all: &[&dyn AsRawFd] = &[
                &near, &far, &listener, &udp, &unix, &left, &right, &first, &second, &datagrams,
                &send, &receive, &file,
            ];
            for (index, owner) in all.iter().enumerate() {
                let info = format!("/proc/self/fdinfo/{}", owner.as_raw_fd());
                let info = fs::read_to_string(info).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
                let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
                assert_ne!(
                    flags & 0o2_000_000,
                    0,
                    "number {index} is inherited: {info}"
                );
            }
        });
    });
}

#[test]
fn a_runtime_is_built_used_and_dropped_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(128 << 10);
    let body = || {
        for runtime in [
            pool(4).thread_stack_size(128 << 10).build().unwrap(),
            Builder::new_current_thread().enable_all().build().unwrap(),
        ] {
            runtime.block_on(async {
                loxley::spawn(sleep(Duration::from_millis(1)))
                    .await
                    .unwrap();
                loxley::task::spawn_blocking(|| {}).await.unwrap();
            });
        }
    };
    thread.spawn(body).unwrap().join().unwrap();
}

#[test]
fn a_process_on_one_processor_gets_one_worker() {
    let test = "a_process_on_one_processor_gets_one_worker";
    // The first processor that we may use ourselves.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = allowed.unwrap().trim().split(['-', ',']).next().unwrap();
    if let (false, Err(why)) = (is_child(), works("taskset", &["-c", first, "true"])) {
        return skipped(test, &why);
    }
    in_a_child_under(&["taskset", "-c", first], test, || {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        assert_eq!(runtime.metrics().num_workers(), 1);
    });
}

#[test]
fn an_open_that_nobody_waits_for_any_more_leaves_no_descriptor() {
    in_a_child(
        "an_open_that_nobody_waits_for_any_more_leaves_no_descriptor",
        || {
            let runtime = pool(2).build().unwrap();
            // Its thread of the blocking pool is there from now on.
            drop(runtime.block_on(loxley::fs::File::open("/dev/null")));
            let base = faults::descriptors();
            runtime.block_on(async {
                for round in 0..200 {
                    let mut open = Box::pin(loxley::fs::File::open("/dev/null"));
                    if round % 2 == 0 {
                        let _ = kit::poll_once(open.as_mut());
                    } else {
                        loxley::select! {
                            biased;
                            _ = &mut open => {}
                            () = loxley::task::yield_now() => {}
                        }
                    }
                    drop(open);
                }
            });
            // The last ones may be on their way.
            until(|| faults::descriptors() == base);
        },
    );
}
