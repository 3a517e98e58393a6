//! The runtime as programs meet it: built, entered, nested, several at once.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loxley::io::unix::AsyncFd;
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::unix::pipe;
use loxley::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use loxley::process::Command;
use loxley::runtime::{Builder, Handle, Runtime, RuntimeFlavor, is_rt_shutdown_err};
use loxley::signal::unix::{SignalKind, signal};
use loxley::task::{JoinError, JoinHandle, block_in_place, spawn_blocking, yield_now};

fn multi(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The message of a panic.
fn panic_of(f: impl FnOnce() + Send) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("no panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn types_that_cross_threads_may() {
    fn check<T: Send + Sync>() {}
    check::<Runtime>();
    check::<Handle>();
    check::<JoinHandle<u8>>();
    check::<JoinError>();
    check::<TcpStream>();
    check::<loxley::time::Sleep>();
}

/// An echo between the two: the server lives in one, the client in the other.
#[test]
fn two_runtimes_in_one_process_do_not_mix() {
    let (one, two) = (multi(2), current());
    let listener = one.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let server = one.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let byte = stream.read_u8().await.unwrap();
        stream.write_u8(byte + 1).await.unwrap();
        Handle::current().runtime_flavor()
    });
    let flavor = two.block_on(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_u8(41).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 42);
        // A task of the other runtime can be awaited here.
        server.await.unwrap()
    });
    assert_eq!(flavor, RuntimeFlavor::MultiThread);
    assert_eq!(two.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    drop(one);
    assert_eq!(
        two.block_on(two.spawn(async { 1 })).unwrap(),
        1,
        "one does not need the other"
    );
}

#[test]
fn who_needs_a_runtime_that_is_gone_is_told_so() {
    let (gone, alive) = (multi(1), current());
    let listener = gone.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let handle = gone.handle().clone();
    drop(gone);
    let error = alive.block_on(listener.accept()).unwrap_err();
    assert!(is_rt_shutdown_err(&error), "{error}");
    drop(listener);
    let error = alive.block_on(TcpStream::connect(address)).unwrap_err();
    assert!(!is_rt_shutdown_err(&error), "{error}");

    let _guard = handle.enter();
    let error = polled(loxley::fs::read(".")).unwrap_err();
    assert!(is_rt_shutdown_err(&error), "{error}");
}

#[test]
fn sockets_children_and_signals_of_a_runtime_that_is_gone_say_so() {
    let (gone, alive) = (multi(1), current());
    let (socket, stream, pipe, any, child, signals) = gone.block_on(async {
        let any = std::os::unix::net::UnixStream::pair().unwrap().0;
        any.set_nonblocking(true).unwrap();
        (
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UnixStream::pair().unwrap(),
            pipe::pipe().unwrap(),
            AsyncFd::new(any).unwrap(),
            Command::new("cat").stdin(Stdio::piped()).spawn().unwrap(),
            signal(SignalKind::hangup()).unwrap(),
        )
    });
    let (mut stream, mut pipe, mut child, mut signals) = (stream.0, pipe.1, child, signals);
    drop(gone);
    alive.block_on(async {
        let errors = [
            socket.recv(&mut [0]).await.unwrap_err(),
            stream.read_u8().await.unwrap_err(),
            stream.write_u8(1).await.unwrap_err(),
            pipe.read_u8().await.unwrap_err(),
            any.readable().await.map(drop).unwrap_err(),
            child.wait().await.unwrap_err(),
        ];
        for (at, error) in errors.iter().enumerate() {
            assert!(is_rt_shutdown_err(error), "{at}: {error}");
        }
        assert_eq!(signals.recv().await, None);
    });
    child.start_kill().unwrap();
}

#[test]
fn what_is_begun_in_a_runtime_that_is_gone_says_so() {
    let gone = multi(1);
    let handle = gone.handle().clone();
    let folder = std::env::temp_dir();
    let program = std::env::current_exe().unwrap();
    let mut file = gone.block_on(loxley::fs::File::open(program)).unwrap();
    drop(gone);
    let _guard = handle.enter();
    let errors = [
        polled(loxley::signal::ctrl_c()).unwrap_err(),
        polled(async { UdpSocket::bind("127.0.0.1:0").await?.recv(&mut [0]).await }).unwrap_err(),
        polled(loxley::net::lookup_host("localhost:1"))
            .map(drop)
            .unwrap_err(),
        polled(loxley::fs::read_dir(folder)).map(drop).unwrap_err(),
        polled(async {
            let mut out = loxley::io::stdout();
            out.write_all(b"-").await?;
            out.flush().await
        })
        .unwrap_err(),
        polled(file.read_u8()).unwrap_err(),
    ];
    for (at, error) in errors.iter().enumerate() {
        assert!(is_rt_shutdown_err(error), "{at}: {error}");
    }
}

/// The output of a future that does not wait.
fn polled<F: Future>(future: F) -> F::Output {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn real_tokio_runs_beside() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let theirs = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let ours = multi(1);
    let listener = ours.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let server = ours.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let byte = loxley::io::AsyncReadExt::read_u8(&mut stream)
            .await
            .unwrap();
        loxley::io::AsyncWriteExt::write_u8(&mut stream, byte + 1)
            .await
            .unwrap();
        loxley::time::sleep(Duration::from_millis(1)).await;
    });
    let client = theirs.spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_u8(41).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        stream.read_u8().await.unwrap()
    });
    // Each awaits the other's task.
    assert_eq!(ours.block_on(client).unwrap(), 42);
    theirs.block_on(server).unwrap();
    // A task of ours inside theirs, and the other way round.
    let _entered = theirs.enter();
    ours.block_on(async { tokio::spawn(async {}).await.unwrap() });
    theirs.block_on(async { ours.spawn(async {}).await.unwrap() });
}

#[test]
fn plain_threads_spawn_tasks_that_all_run() {
    let runtime = multi(2);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (handle, sender) = (runtime.handle().clone(), sender.clone());
            scope.spawn(move || {
                for i in 0..1000 {
                    let sender = sender.clone();
                    handle.spawn(async move { sender.send(thread * 1000 + i).unwrap() });
                }
                let _entered = handle.enter();
                loxley::spawn(async {});
            });
        }
    });
    drop(sender);
    let mut numbers: Vec<_> = receiver.iter().collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..4000));
}

#[test]
fn blocking_on_a_future_inside_a_task_panics_and_says_what_to_do() {
    for runtime in [multi(1), current()] {
        let message = runtime.block_on(async {
            loxley::spawn(async { panic_of(|| Handle::current().block_on(async {})) })
                .await
                .unwrap()
        });
        for advice in [".await", "block_in_place", "spawn_blocking"] {
            assert!(
                message.contains(advice),
                "{message:?} does not mention {advice}"
            );
        }
        let message = runtime.block_on(async { panic_of(|| current().block_on(async {})) });
        assert!(message.contains("from within a runtime"), "{message:?}");
    }
}

#[test]
fn blocking_on_a_future_is_allowed_where_blocking_is() {
    let runtime = multi(2);
    let sum = runtime.block_on(async {
        let one = spawn_blocking(|| Handle::current().block_on(async { 1 }))
            .await
            .unwrap();
        let two = loxley::spawn(async {
            block_in_place(|| {
                Handle::current().block_on(async {
                    yield_now().await;
                    2
                })
            })
        });
        one + two.await.unwrap()
    });
    assert_eq!(sum, 3);
}

#[test]
fn dropping_a_runtime_inside_a_task_panics_and_says_what_to_do() {
    let outer = current();
    let message = outer.block_on(async {
        let inner = multi(1);
        panic_of(move || drop(inner))
    });
    assert!(message.contains("shutdown_background"), "{message:?}");
    outer.block_on(async { multi(1).shutdown_background() });
}

#[test]
fn no_workers_at_all_panics() {
    let message = panic_of(|| {
        Builder::new_multi_thread().worker_threads(0);
    });
    assert!(
        message.contains("cannot be set to 0") || message.contains("at least 1"),
        "{message:?}"
    );
}

#[test]
fn a_spawn_outside_a_runtime_panics_and_says_why() {
    for message in [
        panic_of(|| drop(loxley::spawn(async {}))),
        panic_of(|| drop(spawn_blocking(|| {}))),
        panic_of(|| drop(Handle::current())),
        panic_of(|| drop(loxley::time::sleep(Duration::ZERO))),
        panic_of(|| {
            drop(TcpListener::from_std(
                std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            ))
        }),
    ] {
        assert!(message.contains("there is no runtime here"), "{message:?}");
    }
    assert!(Handle::try_current().unwrap_err().is_missing_context());
}

#[test]
fn what_was_not_enabled_panics_and_names_the_call() {
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let without_time = builder.enable_io().build().unwrap();
        let message = without_time.block_on(async {
            TcpListener::bind("127.0.0.1:0").await.unwrap();
            panic_of(|| drop(loxley::time::sleep(Duration::ZERO)))
        });
        assert!(message.contains("enable_time"), "{message:?}");
    }
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let without_io = builder.enable_time().build().unwrap();
        let message = without_io.block_on(async {
            loxley::time::sleep(Duration::from_millis(1)).await;
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            panic_of(|| drop(TcpListener::from_std(listener)))
        });
        assert!(message.contains("enable_io"), "{message:?}");
    }
}

/// One of the two drives, the other waits; when the first leaves, the second takes over.
#[test]
fn two_concurrent_block_on_share_a_current_thread_runtime() {
    let runtime = current();
    for _ in 0..50 {
        let barrier = Barrier::new(2);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                runtime.block_on(async {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let byte = stream.read_u8().await.unwrap();
                    stream.write_u8(byte + 1).await.unwrap();
                    loxley::time::sleep(Duration::from_micros(50)).await;
                });
            });
            scope.spawn(|| {
                barrier.wait();
                runtime.block_on(async {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_u8(1).await.unwrap();
                    let byte = loxley::spawn(async move { stream.read_u8().await.unwrap() });
                    assert_eq!(byte.await.unwrap(), 2);
                });
            });
        });
    }
}

#[test]
fn a_panic_ends_its_task_alone_and_its_handle_says_so() {
    let runtime = multi(1);
    let error = runtime
        .block_on(runtime.spawn(async { panic!("boom") }))
        .unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("boom"));
    assert_eq!(error.into_panic().downcast_ref(), Some(&"boom"));
    let blocking = runtime.spawn_blocking(|| panic!("bang"));
    assert!(runtime.block_on(blocking).unwrap_err().is_panic());
    assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
}

#[test]
fn sockets_of_a_runtime_that_is_gone_answer_with_an_error() {
    let (one, two) = (current(), current());
    let listener = one.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    drop(one);
    let error = two.block_on(listener.accept()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("runtime"), "{error}");
}

const CHILD: &str = "LOXLEY_TEST_CHILD";

/// What `LOXLEY_WORKER_THREADS` does is seen in a child process: the environment belongs to all tests here.
#[test]
fn the_environment_overrides_the_number_of_workers() {
    if std::env::var_os(CHILD).is_some() {
        let default = Builder::new_multi_thread().build().unwrap();
        let explicit = multi(2);
        println!(
            "workers: {} {}",
            default.metrics().num_workers(),
            explicit.metrics().num_workers()
        );
        return;
    }
    let child = |value: &str| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "the_environment_overrides_the_number_of_workers",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .env("LOXLEY_WORKER_THREADS", value)
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.into_owned())
    };
    let (ok, text) = child("3");
    assert!(ok && text.contains("workers: 3 2"), "{text}");
    for wrong in ["0", "many"] {
        let (ok, text) = child(wrong);
        assert!(!ok && text.contains("LOXLEY_WORKER_THREADS"), "{text}");
    }
}
