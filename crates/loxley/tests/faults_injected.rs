//! System calls fail, by strace: what fails says so, loses nothing, and works when it is tried again.
#![cfg(target_os = "linux")]

#[path = "support/faults.rs"]
mod faults;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use faults::{BaseLine, assert_at_rest, both_flavors, connection, echo, pool, under_strace};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream, UnixStream};
use loxley::runtime::{Builder, Runtime};
use loxley::time::{Duration, sleep};

/// Tries until the system gives a runtime; how often it did not.
fn built(builder: &mut Builder) -> (Runtime, usize) {
    let base = BaseLine::take();
    for refused in 0..50 {
        match builder.build() {
            Ok(runtime) => return (runtime, refused),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.contains("worker ") || text.contains("the monitor "),
                    "{text}"
                );
                assert!(text.contains("os error"), "{text}");
                base.returns();
            }
        }
    }
    panic!("never built");
}

#[test]
fn a_build_that_the_system_refuses_leaves_nothing_and_the_next_one_works() {
    under_strace(
        "a_build_that_the_system_refuses_leaves_nothing_and_the_next_one_works",
        &[
            // The first thread of each thread is the test's own.
            "/^clone3?$:error=EAGAIN:when=2..4",
            "/^clone3?$:error=EAGAIN:when=3",
            "epoll_create1:error=EMFILE:when=1..3",
            "epoll_create1:error=ENFILE:when=2",
            "epoll_create1:error=ENOMEM:when=3",
            "eventfd2:error=ENFILE:when=1..3",
            "eventfd2:error=EMFILE:when=3",
            "timerfd_create:error=EMFILE:when=1..3",
            "epoll_ctl:error=ENOSPC:when=1..4",
            "epoll_ctl:error=ENOMEM:when=3",
        ],
        || {
            let base = BaseLine::take();
            let (runtime, refused) = built(&mut pool(2));
            assert!(refused > 0, "nothing was refused");
            // No sockets: a refusal that is left would hit their registrations.
            let work = runtime.spawn(async { sleep(Duration::from_millis(1)).await });
            runtime.block_on(work).unwrap();
            drop(runtime);
            base.returns();
        },
    );
}

#[test]
fn a_blocking_job_whose_thread_is_refused_waits_for_another() {
    under_strace(
        "a_blocking_job_whose_thread_is_refused_waits_for_another",
        &["/^clone3?$:error=EAGAIN:when=2..3"],
        || {
            let base = BaseLine::take();
            // No thread is its own: the first that the pool starts is allowed, the next two are not.
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let (go, gate) = channel::<()>();
            let (begun, first) = channel();
            let holder = runtime.spawn_blocking(move || {
                begun.send(()).unwrap();
                gate.recv().unwrap();
            });
            first.recv().unwrap();
            let jobs: Vec<_> = (0..2).map(|n| runtime.spawn_blocking(move || n)).collect();
            // Refused with a thread left: queued, not cancelled.
            assert_eq!(runtime.metrics().num_blocking_threads(), 1);
            assert_eq!(runtime.metrics().blocking_queue_depth(), 2);
            go.send(()).unwrap();
            runtime.block_on(async {
                holder.await.unwrap();
                for (number, job) in jobs.into_iter().enumerate() {
                    assert_eq!(job.await.unwrap(), number);
                }
            });
            drop(runtime);
            base.returns();
        },
    );
}

#[test]
fn a_refused_accept_is_an_error_and_the_connection_still_waits() {
    under_strace(
        "a_refused_accept_is_an_error_and_the_connection_still_waits",
        &[
            "accept4:error=EMFILE:when=1..3",
            "accept4:error=ENFILE:when=1..3",
            "accept4:error=ENOMEM:when=1..3",
            "accept4:error=ENOBUFS:when=1..3",
            "accept4:error=ECONNABORTED:when=1..3",
            "accept4:error=EPROTO:when=1..3",
            "accept4:error=ENETDOWN:when=1..3",
        ],
        || {
            let base = BaseLine::take();
            for runtime in both_flavors() {
                // A thread of its own, so that the three refusals are its first three calls.
                std::thread::spawn(move || {
                    runtime.block_on(async {
                        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                        let address = listener.local_addr().unwrap();
                        let mut near = TcpStream::connect(address).await.unwrap();
                        for _ in 0..3 {
                            let error = listener.accept().await.unwrap_err();
                            assert!(error.raw_os_error().is_some(), "{error:?}");
                            assert_at_rest().await;
                        }
                        let (mut far, peer) = listener.accept().await.unwrap();
                        assert_eq!(peer, near.local_addr().unwrap());
                        echo(&mut near, &mut far, 10).await;
                    });
                })
                .join()
                .unwrap();
            }
            base.returns();
        },
    );
}

#[test]
fn an_interrupted_call_is_tried_again() {
    under_strace(
        "an_interrupted_call_is_tried_again",
        &[
            "accept4:error=EINTR:when=1+2",
            "recvfrom:error=EINTR:when=1+2",
            "sendto:error=EINTR:when=1+2",
        ],
        || {
            for runtime in both_flavors() {
                runtime.block_on(async {
                    let (mut near, mut far, _) = connection().await;
                    echo(&mut near, &mut far, 100).await;
                });
            }
        },
    );
}

#[test]
fn an_interrupted_wait_loses_no_event_and_ends_no_sleep_early() {
    under_strace(
        "an_interrupted_wait_loses_no_event_and_ends_no_sleep_early",
        // Not `futex`: an injected error cannot be kept to waits, and a wake that is swallowed, which no kernel does, is lost.
        &["/^epoll_p?wait:error=EINTR:when=1+2"],
        || {
            let base = BaseLine::take();
            for runtime in both_flavors() {
                let messages = runtime.spawn(async {
                    let (mut near, mut far, _) = connection().await;
                    echo(&mut near, &mut far, 200).await;
                });
                runtime.block_on(async {
                    for milliseconds in [1, 3, 12, 30] {
                        let (begin, length) = (Instant::now(), Duration::from_millis(milliseconds));
                        sleep(length).await;
                        assert!(begin.elapsed() >= length);
                    }
                    messages.await.unwrap();
                });
            }
            base.returns();
        },
    );
}

#[test]
fn a_refused_registration_is_an_error_and_works_when_tried_again() {
    under_strace(
        "a_refused_registration_is_an_error_and_works_when_tried_again",
        &[
            "epoll_ctl:error=ENOSPC:when=1..2",
            "epoll_ctl:error=ENOMEM:when=1..2",
        ],
        || {
            let base = BaseLine::take();
            let (runtime, _) = built(&mut pool(1));
            // The first two calls of this thread are registrations.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    runtime.block_on(async {
                        let (mut near, mut far) = UnixStream::pair().unwrap();
                        for _ in 0..2 {
                            let error = near.read(&mut [0; 4]).await.unwrap_err();
                            assert!(
                                matches!(
                                    error.kind(),
                                    ErrorKind::StorageFull | ErrorKind::OutOfMemory
                                ),
                                "{error:?}"
                            );
                            let text = error.to_string();
                            assert!(text.contains("register descriptor"), "{text}");
                        }
                        let reading = async {
                            let mut bytes = [0; 2];
                            near.read_exact(&mut bytes).await.unwrap();
                            bytes
                        };
                        let writing = async { far.write_all(b"ok").await.unwrap() };
                        let (bytes, ()) = loxley::join!(biased; reading, writing);
                        assert_eq!(&bytes, b"ok");
                        assert_at_rest().await;
                    });
                });
            });
            drop(runtime);
            base.returns();
        },
    );
}

#[test]
fn an_error_of_a_read_or_write_keeps_its_number_and_comes_once() {
    under_strace(
        "an_error_of_a_read_or_write_keeps_its_number_and_comes_once",
        &[
            "recvfrom:error=ECONNRESET:when=1",
            "recvfrom:error=ETIMEDOUT:when=1",
            "recvfrom:error=EHOSTUNREACH:when=1",
            "sendto:error=ECONNRESET:when=1",
            "sendto:error=EPIPE:when=1",
            "sendto:error=ETIMEDOUT:when=1",
        ],
        || {
            for runtime in both_flavors() {
                std::thread::spawn(move || {
                    runtime.block_on(async {
                        let (mut near, mut far, _) = connection().await;
                        let mut errors = Vec::new();
                        while let Err(error) = near.write(b"four").await {
                            errors.push(error);
                        }
                        let mut bytes = [0; 4];
                        loop {
                            match far.read(&mut bytes).await {
                                Ok(count) => {
                                    assert_eq!(count, 4);
                                    break;
                                }
                                Err(error) => errors.push(error),
                            }
                        }
                        assert_eq!(errors.len(), 1, "{errors:?}");
                        assert!(errors[0].raw_os_error().is_some(), "{errors:?}");
                        echo(&mut near, &mut far, 10).await;
                    });
                })
                .join()
                .unwrap();
            }
        },
    );
}

#[test]
fn a_refused_connect_says_why_and_leaves_nothing() {
    under_strace(
        "a_refused_connect_says_why_and_leaves_nothing",
        &[
            "connect:error=EADDRNOTAVAIL:when=1..2",
            "connect:error=ENETUNREACH:when=1..2",
            "connect:error=ETIMEDOUT:when=1..2",
            "connect:error=EAGAIN:when=1..2",
            "socket:error=EMFILE:when=2..3",
            "socket:error=ENOBUFS:when=2..3",
        ],
        || {
            for runtime in both_flavors() {
                std::thread::spawn(move || {
                    runtime.block_on(async {
                        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                        let address = listener.local_addr().unwrap();
                        let base = BaseLine::take();
                        for _ in 0..2 {
                            let error = TcpStream::connect(address).await.unwrap_err();
                            assert!(!error.to_string().is_empty());
                            base.returns();
                        }
                        let mut near = TcpStream::connect(address).await.unwrap();
                        let (mut far, _) = listener.accept().await.unwrap();
                        echo(&mut near, &mut far, 10).await;
                    });
                })
                .join()
                .unwrap();
            }
        },
    );
}

#[test]
fn a_poller_that_breaks_fails_its_sockets_and_nothing_else() {
    under_strace(
        "a_poller_that_breaks_fails_its_sockets_and_nothing_else",
        &[
            "/^epoll_p?wait:error=EBADF:when=1+",
            "/^epoll_p?wait:error=EINVAL:when=3+",
        ],
        || {
            let base = BaseLine::take();
            let current = Builder::new_current_thread().enable_all().build().unwrap();
            let pool = pool(1).rescue(false).build().unwrap();
            for runtime in [pool, current] {
                let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
                near.set_nonblocking(true).unwrap();
                let task = runtime.spawn(async move {
                    let mut near = UnixStream::from_std(near).unwrap();
                    near.read(&mut [0; 4]).await
                });
                runtime.block_on(async {
                    let end = loop {
                        // Kicks and timers make it wait again, until it fails.
                        sleep(Duration::from_millis(1)).await;
                        if task.is_finished() {
                            break task.await.unwrap();
                        }
                    };
                    assert!(end.is_err(), "{end:?}");
                    assert_at_rest().await;
                    let done = Arc::new(());
                    for _ in 0..10 {
                        let done = done.clone();
                        loxley::spawn(async move {
                            sleep(Duration::from_millis(1)).await;
                            drop(done);
                        });
                    }
                    while Arc::strong_count(&done) > 1 {
                        sleep(Duration::from_millis(1)).await;
                    }
                });
            }
            base.returns();
        },
    );
}
