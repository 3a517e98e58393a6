//! Who misuses something is told where: the panic's place is the call, and not a line of ours.

mod support;

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use loxley::io::unix::AsyncFd;
use loxley::io::{BoundedStream, duplex, empty, simplex};
use loxley::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use loxley::runtime::{Builder, Handle};
use loxley::signal::unix::{SignalKind, signal};
use loxley::sync::{Mutex, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use loxley::task::{self, JoinMap, JoinQueue, JoinSet, LocalSet, TaskTracker};
use loxley::time::{Instant, interval, sleep, sleep_until, timeout};
use support::{current, multi};

thread_local! {
    static FILE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The file in which `misuse` panics.
fn file_of(misuse: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let file = info.location().map(|place| place.file().to_owned());
            FILE.set(file);
            before(info);
        }));
    });
    FILE.set(None);
    let caught = catch_unwind(AssertUnwindSafe(misuse));
    assert!(caught.is_err(), "no panic");
    FILE.take()
}

/// Each misuse by its text.
macro_rules! here {
    ($($misuse:expr;)*) => {
        let mut elsewhere = Vec::new();
    $(
        let file = file_of(|| done($misuse));
        if file.as_deref() != Some(file!()) {
            elsewhere.push(format!("{}: {file:?}", stringify!($misuse)));
        }
    )*
        assert!(elsewhere.is_empty(), "{}", elsewhere.join("\n"));
    };
}

fn done<T>(_: T) {}

fn std_stream() -> std::os::unix::net::UnixStream {
    let stream = std::os::unix::net::UnixStream::pair().unwrap().0;
    stream.set_nonblocking(true).unwrap();
    stream
}

#[test]
fn what_needs_a_runtime_panics_at_the_call() {
    let tcp = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let listener = tcp();
    let address = listener.local_addr().unwrap();
    let path = std::env::temp_dir().join(format!("loxley-places-{}", std::process::id()));
    here! {
        loxley::spawn(async {});
        task::spawn_blocking(|| ());
        task::spawn_local(async {});
        task::Builder::new().name("x").spawn(async {});
        task::Builder::new().spawn_local(async {});
        task::Builder::new().spawn_blocking(|| ());
        Handle::current();
        JoinSet::new().spawn(async {});
        JoinSet::new().spawn_blocking(|| ());
        JoinSet::new().spawn_local(async {});
        JoinMap::new().spawn(1, async {});
        JoinQueue::new().spawn(async {});
        TaskTracker::new().spawn(async {});
        sleep(Duration::ZERO);
        sleep_until(Instant::now());
        timeout(Duration::ZERO, async {});
        interval(Duration::from_secs(1));
        TcpListener::from_std(tcp());
        TcpStream::from_std(std::net::TcpStream::connect(address).unwrap());
        UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        UnixStream::pair();
        UnixStream::from_std(std_stream());
        UnixDatagram::pair();
        UnixListener::bind(&path);
        AsyncFd::new(std_stream());
        loxley::net::unix::pipe::pipe();
        loxley::process::Command::new("true").spawn();
        signal(SignalKind::hangup());
        loxley::signal::notifier();
    }
    let _ = std::fs::remove_file(path);
}

#[test]
fn what_would_block_async_code_panics_at_the_call() {
    for runtime in [current(), multi(1)] {
        let inner = current();
        let task = runtime.spawn(async move {
            let (sender, mut receiver) = mpsc::channel(1);
            let (unbounded, mut from_unbounded) = mpsc::unbounded_channel::<u8>();
            let (broadcast, mut from_broadcast) = broadcast::channel::<u8>(1);
            let (_keeps, once) = oneshot::channel::<u8>();
            let (mutex, lock) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(1)));
            here! {
                sender.blocking_send(1);
                receiver.blocking_recv();
                from_unbounded.blocking_recv();
                from_unbounded.blocking_recv_many(&mut Vec::new(), 1);
                from_broadcast.blocking_recv();
                once.blocking_recv();
                mutex.blocking_lock();
                mutex.clone().blocking_lock_owned();
                lock.blocking_read();
                lock.blocking_write();
                Handle::current().block_on(async {});
                inner.block_on(async {});
                LocalSet::new().block_on(&inner, async {});
            }
            inner.shutdown_background();
            drop((unbounded, broadcast));
        });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_number_out_of_range_panics_at_the_call() {
    let most = Semaphore::MAX_PERMITS;
    let semaphore = Semaphore::new(most);
    let (sender, _receiver) = watch::channel(1);
    let runtime = current();
    let _guard = runtime.enter();
    here! {
        Builder::new_multi_thread().worker_threads(0);
        Builder::new_multi_thread().max_blocking_threads(0);
        Builder::new_multi_thread().event_interval(0);
        Builder::new_multi_thread().global_queue_interval(0);
        Builder::new_multi_thread().poll_budget(0);
        Builder::new_multi_thread().lifo_slot_cap(0);
        Builder::new_multi_thread().max_io_events_per_tick(0);
        mpsc::channel::<u8>(0);
        mpsc::channel::<u8>(usize::MAX);
        broadcast::channel::<u8>(0);
        broadcast::Sender::<u8>::new(usize::MAX);
        Semaphore::new(most + 1);
        semaphore.add_permits(1);
        RwLock::with_max_readers(1, u32::MAX);
        interval(Duration::ZERO);
        duplex(0);
        simplex(0);
        BoundedStream::new(empty(), 0, 1);
        task::map_concurrent([1], 0, std::future::ready);
        task::id();
    }
    drop(sender);
}
