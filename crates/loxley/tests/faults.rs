//! Bad input and faults: each has an answer that says what was being done, and nobody else notices.
//!
//! Running out of descriptors is in `net_tcp_too_many_files.rs`, capacities of nothing and of too much are with each channel,
//! a child that cannot start is in `process_children.rs`, a signal that cannot be caught in `signal_unix.rs`.

mod kit;
mod support;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream as StdUnixStream;

use kit::{Folder, on_every_runtime, poll_once};
use loxley::io::unix::AsyncFd;
use loxley::io::{AsyncReadExt, AsyncWriteExt, BoundedStream, BufReader, BufWriter};
use loxley::net::connect::Connector;
use loxley::net::unix::pipe;
use loxley::net::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use loxley::process::Command;
use loxley::runtime::Builder;
use loxley::signal::unix::{SignalKind, signal};
use loxley::sync::mpsc;
use loxley::task::{JoinSet, TaskTracker};
use loxley::time::{DelayQueue, Duration, interval, sleep, timeout};
use loxley::{fs, io, net};
use support::{panic_of, probe};

#[test]
fn everything_that_needs_a_runtime_panics_outside_and_says_so() {
    /// What the first poll of a future says.
    fn polled<F: Future>(future: F) -> String {
        panic_of(|| drop(probe(future).poll()))
    }
    let folder = Folder::new();
    let second = Duration::from_secs(1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let messages = [
        ("spawn", panic_of(|| loxley::spawn(async {}))),
        ("JoinSet", panic_of(|| JoinSet::new().spawn(async {}))),
        (
            "JoinSet, blocking",
            panic_of(|| JoinSet::new().spawn_blocking(|| ())),
        ),
        (
            "TaskTracker",
            panic_of(|| TaskTracker::new().spawn(async {})),
        ),
        (
            "spawn_blocking",
            panic_of(|| loxley::task::spawn_blocking(|| ())),
        ),
        ("sleep", panic_of(|| sleep(second))),
        ("timeout", panic_of(|| timeout(second, async {}))),
        ("interval", panic_of(|| interval(second))),
        (
            "DelayQueue",
            polled(poll_fn(move |cx| {
                let mut queue = DelayQueue::new();
                queue.insert((), second);
                queue.poll_expired(cx)
            })),
        ),
        ("TcpListener", polled(TcpListener::bind("127.0.0.1:0"))),
        ("TcpStream", polled(TcpStream::connect(address))),
        (
            "TcpSocket",
            polled(TcpSocket::new_v4().unwrap().connect(address)),
        ),
        ("UdpSocket", polled(UdpSocket::bind("127.0.0.1:0"))),
        (
            "UnixListener",
            panic_of(|| UnixListener::bind(folder.join("socket"))),
        ),
        ("UnixStream", panic_of(UnixStream::pair)),
        ("UnixDatagram", panic_of(UnixDatagram::pair)),
        ("pipe", panic_of(pipe::pipe)),
        (
            "AsyncFd",
            panic_of(|| AsyncFd::new(StdUnixStream::pair().unwrap().0)),
        ),
        ("lookup_host", polled(net::lookup_host("localhost:80"))),
        (
            "Connector",
            polled(Connector::new().connect("localhost", 80)),
        ),
        ("File", polled(fs::File::open("/dev/null"))),
        ("read", polled(fs::read("/dev/null"))),
        ("read_dir", polled(fs::read_dir("/"))),
        (
            "stdout",
            polled(async { io::stdout().write_all(b"x").await }),
        ),
        ("Command", panic_of(|| Command::new("true").spawn())),
        ("signal", panic_of(|| signal(SignalKind::hangup()))),
        ("ctrl_c", polled(loxley::signal::ctrl_c())),
    ];
    for (what, message) in messages {
        assert!(
            message.contains("there is no runtime here"),
            "{what}: {message:?}"
        );
    }
}

/// Another part of the program puts something else behind the number of our descriptor.
#[test]
fn a_descriptor_that_is_replaced_behind_our_back_is_an_error_and_harms_nobody() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut replaced = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        let (mut other_far, _) = listener.accept().await.unwrap();
        // Registered, and waiting for an event.
        assert!(poll_once(replaced.read(&mut [0; 1])).is_pending());
        assert!(poll_once(other.read(&mut [0; 1])).is_pending());

        let null = File::open("/dev/null").unwrap();
        // SAFETY: the number is that of an open descriptor; it is not closed here, so that it has one owner afterwards too.
        let theirs = unsafe { OwnedFd::from_raw_fd(replaced.as_raw_fd()) };
        rustix::io::dup2(&null, &mut ManuallyDrop::new(theirs)).unwrap();

        assert_eq!(
            far.read(&mut [0; 1]).await.unwrap(),
            0,
            "the connection is closed"
        );
        let error = replaced.write_all(b"x").await.unwrap_err();
        assert!(
            [
                Some(rustix::io::Errno::BADF.raw_os_error()),
                Some(rustix::io::Errno::NOTSOCK.raw_os_error())
            ]
            .contains(&error.raw_os_error()),
            "{error:?}"
        );
        drop(replaced);

        other_far.write_all(b"!").await.unwrap();
        assert_eq!(other.read_u8().await.unwrap(), b'!');
        // And the runtime goes on with new ones, one of which has the number now.
        let mut next = TcpStream::connect(address).await.unwrap();
        let (mut next_far, _) = listener.accept().await.unwrap();
        next_far.write_all(b"?").await.unwrap();
        assert_eq!(next.read_u8().await.unwrap(), b'?');
    });
}

/// The descriptor is closed while it is registered, and the next socket has its number.
#[test]
fn a_descriptor_that_is_closed_behind_our_back_leaves_its_number_to_the_next() {
    struct Number(RawFd);
    impl AsRawFd for Number {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }
    on_every_runtime(|| async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let registered = AsyncFd::new(Number(near.as_raw_fd())).unwrap();
        assert!(poll_once(registered.readable()).is_pending());
        drop((near, far));
        drop(registered);

        let mut pairs = Vec::new();
        for _ in 0..4 {
            pairs.push(UnixStream::pair().unwrap());
        }
        for (near, far) in &mut pairs {
            assert!(poll_once(near.read(&mut [0; 1])).is_pending());
            far.write_all(b"!").await.unwrap();
            assert_eq!(near.read_u8().await.unwrap(), b'!');
        }
    });
}

#[test]
fn a_name_need_not_be_utf8() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let name = OsStr::from_bytes(b"f\xFF\xFEo");
        let path = folder.join(name);
        fs::write(&path, b"text").await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"text");
        let mut entries = fs::read_dir(folder.path()).await.unwrap();
        let entry = entries.next_entry().await.unwrap().unwrap();
        assert_eq!(entry.file_name(), name);
        assert!(entries.next_entry().await.unwrap().is_none());
        let error = fs::read_to_string(folder.join(OsStr::from_bytes(b"\xFF"))).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);

        let mut printf = Command::new("printf");
        let printed = printf.arg("%s").arg(name).output().await.unwrap();
        assert_eq!(OsString::from_vec(printed.stdout), name);
        let mut cat = Command::new("cat");
        let printed = cat
            .arg(name)
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        assert_eq!(printed.stdout, b"text");
        // What no name can have.
        let error = fs::read(OsStr::from_bytes(b"a\0b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = Command::new("true")
            .arg("a\0b")
            .spawn()
            .map(drop)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn streams_that_hold_nothing_panic_or_pass_everything_on() {
    for message in [
        panic_of(|| io::duplex(0)),
        panic_of(|| io::simplex(0)),
        panic_of(|| BoundedStream::new(io::empty(), 0, 1)),
        panic_of(|| BoundedStream::new(io::empty(), 1, 0)),
    ] {
        assert!(message.contains("nothing"), "{message:?}");
    }
    on_every_runtime(|| async {
        let mut bytes = Vec::new();
        let mut reader = BufReader::with_capacity(0, &b"text"[..]);
        reader.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"text");
        let mut writer = BufWriter::with_capacity(0, Vec::new());
        writer.write_all(b"text").await.unwrap();
        assert_eq!(writer.get_ref(), b"text");
        // As large as can be asked for: it is taken when needed.
        let (mut near, mut far) = io::duplex(usize::MAX);
        near.write_all(&[7; 100_000]).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 7);
        let stream = BoundedStream::new(io::join(&b"text"[..], io::sink()), usize::MAX, usize::MAX);
        assert_eq!(stream.read_exact(4).await.unwrap(), b"text");
        stream.write_all(b"text").await.unwrap();
    });
}

#[test]
fn absurd_durations_saturate() {
    on_every_runtime(|| async {
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
        assert!(poll_once(sleep(Duration::MAX)).is_pending());
        let mut ticks = interval(Duration::MAX);
        ticks.tick().await;
        assert!(poll_once(ticks.tick()).is_pending());
        let (send, mut receive) = mpsc::channel(1);
        send.send_timeout(7, Duration::MAX).await.unwrap();
        assert!(poll_once(send.send_timeout(8, Duration::MAX)).is_pending());
        assert_eq!(receive.recv().await, Some(7));
    });
    for keep_alive in [Duration::ZERO, Duration::MAX] {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_keep_alive(keep_alive);
        let runtime = builder.build().unwrap();
        for _ in 0..3 {
            let job = runtime.spawn_blocking(|| 7);
            assert_eq!(runtime.block_on(job).unwrap(), 7);
        }
        runtime.shutdown_timeout(Duration::MAX);
    }
    Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap()
        .shutdown_timeout(Duration::ZERO);
}
