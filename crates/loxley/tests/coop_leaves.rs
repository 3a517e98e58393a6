//! The budget: no source that is always ready lets a task hold its worker (tokio #6221, #4478, #4300).
//!
//! Each row is an operation that never waits. Beside the loop over it a victim waits for its turn: if the operation took no
//! part in the budget, the loop would come to its end before.

use std::future::ready;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loxley::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BoundedStream, BufReader, Interest,
};
use loxley::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use loxley::runtime::Builder;
use loxley::spawn;
use loxley::sync::{
    Barrier, CancellationToken, Mutex, Notify, PollSemaphore, PollSender, RwLock, Semaphore,
    SetOnce, broadcast, mpsc, oneshot, watch,
};
use loxley::task::{JoinMap, JoinQueue, JoinSet, TaskGroup, TaskTracker, coop, yield_now};
use loxley::time::{self, DelayQueue, Instant};

/// More than the budget of 128, and few enough for what is prepared in advance.
const OPERATIONS: usize = 1000;
/// The same where each of them is a connection or a file.
const PREPARED: usize = 300;

/// Runs `operation` until a task that was spawned before it has had its turn.
async fn gives_way(what: &str, operation: impl AsyncFnMut()) {
    gives_way_within(OPERATIONS, what, operation).await;
}

/// The same for an operation of which so many are prepared; more than the budget, or waiting would look like giving way.
async fn gives_way_within(operations: usize, what: &str, mut operation: impl AsyncFnMut()) {
    let ran = Arc::new(AtomicBool::new(false));
    let victim = spawn({
        let ran = ran.clone();
        async move { ran.store(true, Ordering::Relaxed) }
    });
    for _ in 0..operations {
        operation().await;
        if ran.load(Ordering::Relaxed) {
            return victim.await.unwrap();
        }
    }
    panic!("{operations} operations, and nobody else had a turn: {what}");
}

/// The opposite, to show that the rows can fail.
async fn never_gives_way(mut operation: impl AsyncFnMut()) {
    let ran = Arc::new(AtomicBool::new(false));
    let victim = spawn({
        let ran = ran.clone();
        async move { ran.store(true, Ordering::Relaxed) }
    });
    for _ in 0..OPERATIONS {
        operation().await;
    }
    assert!(!ran.load(Ordering::Relaxed));
    victim.await.unwrap();
}

/// On one thread: there the victim has no other chance.
fn on_one_thread(test: impl Future<Output = ()>) {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(test);
}

#[test]
fn what_takes_no_part_holds_its_worker() {
    on_one_thread(async {
        never_gives_way(async || ready(()).await).await;
        never_gives_way(async || coop::unconstrained(coop::consume_budget()).await).await;
    });
}

#[test]
fn the_means_of_the_module_give_way() {
    on_one_thread(async {
        gives_way("consume_budget", async || coop::consume_budget().await).await;
        gives_way("cooperative", async || coop::cooperative(ready(())).await).await;
        gives_way("poll_proceed", async || {
            std::future::poll_fn(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress()))
                .await;
        })
        .await;
        gives_way("select!", async || {
            loxley::select! {
                () = coop::consume_budget() => {}
                () = std::future::pending() => {}
            }
        })
        .await;
    });
}

#[test]
fn tasks_give_way() {
    on_one_thread(async {
        let mut ended: Vec<_> = (0..OPERATIONS).map(|_| spawn(async {})).collect();
        while ended.iter().any(|task| !task.is_finished()) {
            yield_now().await;
        }
        gives_way("JoinHandle", async || ended.pop().unwrap().await.unwrap()).await;

        let mut set = JoinSet::new();
        for _ in 0..OPERATIONS {
            set.spawn(async {});
        }
        while set.try_join_next().is_none() {
            yield_now().await;
        }
        for _ in 0..OPERATIONS {
            yield_now().await;
        }
        gives_way("JoinSet", async || set.join_next().await.unwrap().unwrap()).await;

        let mut map = JoinMap::new();
        for number in 0..OPERATIONS {
            map.spawn(number, async {});
        }
        let mut queue = JoinQueue::new();
        let mut group = TaskGroup::<(), ()>::new();
        for _ in 0..OPERATIONS {
            queue.spawn(async {});
            group.spawn(async { Ok(()) });
        }
        for _ in 0..3 * OPERATIONS {
            yield_now().await;
        }
        gives_way("JoinMap", async || _ = map.join_next().await.unwrap()).await;
        gives_way("JoinQueue", async || {
            queue.join_next().await.unwrap().unwrap()
        })
        .await;
        gives_way("TaskGroup", async || {
            group.join_next().await.unwrap().unwrap()
        })
        .await;

        let tracker = TaskTracker::new();
        tracker.close();
        gives_way("TaskTracker", async || tracker.wait().await).await;
    });
}

#[test]
fn timers_give_way() {
    on_one_thread(async {
        gives_way("sleep", async || time::sleep(Duration::ZERO).await).await;
        let past = Instant::now();
        gives_way("sleep_until", async || time::sleep_until(past).await).await;
        let mut interval = time::interval(Duration::from_nanos(1));
        gives_way("interval", async || _ = interval.tick().await).await;
        gives_way("timeout", async || {
            let far = Duration::from_secs(3600);
            time::timeout(far, coop::consume_budget()).await.unwrap();
        })
        .await;
        let mut queue = DelayQueue::new();
        for number in 0..OPERATIONS {
            queue.insert_at(number, past);
        }
        gives_way("DelayQueue", async || {
            std::future::poll_fn(|cx| queue.poll_expired(cx))
                .await
                .unwrap();
        })
        .await;
    });
}

#[test]
fn channels_give_way() {
    on_one_thread(async {
        let (sender, mut receiver) = mpsc::channel(OPERATIONS);
        gives_way("mpsc send", async || sender.send(1).await.unwrap()).await;
        while sender.try_send(1).is_ok() {}
        gives_way("mpsc recv", async || _ = receiver.recv().await.unwrap()).await;
        while sender.try_send(1).is_ok() {}
        gives_way("mpsc recv_many", async || {
            assert_eq!(receiver.recv_many(&mut Vec::new(), 1).await, 1);
        })
        .await;
        gives_way("mpsc reserve", async || {
            drop(sender.reserve().await.unwrap())
        })
        .await;

        let (sender, mut receiver) = mpsc::unbounded_channel();
        for _ in 0..OPERATIONS {
            sender.send(1).unwrap();
        }
        gives_way("unbounded recv", async || {
            _ = receiver.recv().await.unwrap()
        })
        .await;

        gives_way("oneshot", async || {
            let (sender, receiver) = oneshot::channel();
            sender.send(()).unwrap();
            receiver.await.unwrap();
        })
        .await;
        gives_way("oneshot closed", async || {
            let (mut sender, receiver) = oneshot::channel::<()>();
            drop(receiver);
            sender.closed().await;
        })
        .await;

        let (sender, mut receiver) = broadcast::channel(OPERATIONS);
        for _ in 0..OPERATIONS {
            sender.send(1).unwrap();
        }
        gives_way("broadcast", async || _ = receiver.recv().await.unwrap()).await;

        let (sender, mut receiver) = watch::channel(0);
        gives_way("watch changed", async || {
            sender.send(1).unwrap();
            receiver.changed().await.unwrap();
        })
        .await;
        gives_way("watch wait_for", async || {
            drop(receiver.wait_for(|_| true).await.unwrap());
        })
        .await;
        drop(receiver);
        gives_way("watch closed", async || sender.closed().await).await;
        let sender = broadcast::Sender::<u8>::new(1);
        gives_way("broadcast closed", async || sender.closed().await).await;

        let (sender, receiver) = mpsc::channel::<u8>(1);
        let mut polled = PollSender::new(sender.clone());
        gives_way("PollSender", async || {
            std::future::poll_fn(|cx| polled.poll_reserve(cx))
                .await
                .unwrap();
            polled.abort_send();
        })
        .await;
        drop(receiver);
        gives_way("mpsc closed", async || sender.closed().await).await;
    });
}

#[test]
fn locks_give_way() {
    on_one_thread(async {
        let mutex = Arc::new(Mutex::new(()));
        gives_way("Mutex", async || drop(mutex.lock().await)).await;
        gives_way("Mutex owned", async || {
            drop(mutex.clone().lock_owned().await)
        })
        .await;
        let lock = RwLock::new(());
        gives_way("RwLock read", async || drop(lock.read().await)).await;
        gives_way("RwLock write", async || drop(lock.write().await)).await;
        let semaphore = Semaphore::new(10);
        gives_way("Semaphore", async || drop(semaphore.acquire().await)).await;
        gives_way("Semaphore many", async || {
            drop(semaphore.acquire_many(10).await)
        })
        .await;
        let notify = Notify::new();
        gives_way("Notify", async || {
            notify.notify_one();
            notify.notified().await;
        })
        .await;
        let barrier = Barrier::new(1);
        gives_way("Barrier", async || _ = barrier.wait().await).await;
        let token = CancellationToken::new();
        token.cancel();
        gives_way("CancellationToken", async || token.cancelled().await).await;
        gives_way("CancellationToken owned", async || {
            token.clone().cancelled_owned().await;
        })
        .await;
        let set = SetOnce::new_with(Some(5));
        gives_way("SetOnce", async || _ = set.wait().await).await;
        let mut polled = PollSemaphore::new(Arc::new(Semaphore::new(1)));
        gives_way("PollSemaphore", async || {
            let permit = std::future::poll_fn(|cx| polled.poll_acquire(cx)).await;
            drop(permit.unwrap());
        })
        .await;
    });
}

/// A stream with bytes to read, and the other end.
async fn full_stream() -> (UnixStream, UnixStream) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.write_all(&[0; 2 * OPERATIONS]).await.unwrap();
    (reader, writer)
}

#[test]
fn sockets_give_way() {
    on_one_thread(async {
        let (mut reader, mut writer) = full_stream().await;
        gives_way("UnixStream read", async || {
            _ = reader.read_u8().await.unwrap()
        })
        .await;
        gives_way("UnixStream readable", async || {
            reader.readable().await.unwrap()
        })
        .await;
        gives_way("UnixStream ready", async || {
            _ = reader.ready(Interest::WRITABLE).await.unwrap();
        })
        .await;
        gives_way("UnixStream write", async || {
            writer.write_all(&[0]).await.unwrap()
        })
        .await;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        peer.write_all(&[0; 2 * OPERATIONS]).unwrap();
        stream.readable().await.unwrap();
        gives_way("TcpStream read", async || {
            _ = stream.read_u8().await.unwrap()
        })
        .await;
        gives_way("TcpStream peek", async || {
            assert_eq!(stream.peek(&mut [0]).await.unwrap(), 1);
        })
        .await;
        gives_way("TcpStream writable", async || {
            stream.writable().await.unwrap()
        })
        .await;
        gives_way("TcpStream write", async || {
            assert_eq!(AsyncWriteExt::write(&mut stream, &[0]).await.unwrap(), 1);
        })
        .await;
        drop::<TcpStream>(stream);
        let peers: Vec<_> = (0..PREPARED)
            .map(|_| std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap())
            .collect();
        listener.accept().await.unwrap();
        gives_way_within(PREPARED - 1, "TcpListener", async || {
            drop(listener.accept().await.unwrap());
        })
        .await;
        drop(peers);

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let own = socket.local_addr().unwrap();
        gives_way("UdpSocket send and receive", async || {
            socket.send_to(&[0], own).await.unwrap();
            socket.recv_from(&mut [0]).await.unwrap();
        })
        .await;

        let (one, two) = UnixDatagram::pair().unwrap();
        gives_way("UnixDatagram", async || {
            one.send(&[0]).await.unwrap();
            two.recv(&mut [0]).await.unwrap();
        })
        .await;

        let (mut sender, mut receiver) = loxley::net::unix::pipe::pipe().unwrap();
        sender.write_all(&[0; OPERATIONS]).await.unwrap();
        gives_way("pipe", async || _ = receiver.read_u8().await.unwrap()).await;

        let (inner, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        inner.set_nonblocking(true).unwrap();
        other.write_all(&[0]).unwrap();
        let any = loxley::io::unix::AsyncFd::new(inner).unwrap();
        gives_way("AsyncFd", async || drop(any.readable().await.unwrap())).await;
    });
}

#[test]
fn streams_in_memory_give_way() {
    on_one_thread(async {
        let (mut one, mut two) = loxley::io::duplex(2 * OPERATIONS);
        gives_way("duplex write", async || one.write_all(&[0]).await.unwrap()).await;
        one.write_all(&[0; OPERATIONS]).await.unwrap();
        gives_way("duplex read", async || _ = two.read_u8().await.unwrap()).await;

        gives_way("empty", async || {
            assert_eq!(loxley::io::empty().read(&mut [0]).await.unwrap(), 0);
        })
        .await;
        gives_way("empty, buffered", async || {
            assert!(loxley::io::empty().fill_buf().await.unwrap().is_empty());
        })
        .await;
        let mut repeat = loxley::io::repeat(7);
        gives_way("repeat", async || _ = repeat.read_u8().await.unwrap()).await;
        let mut sink = loxley::io::sink();
        gives_way("sink", async || sink.write_all(&[0]).await.unwrap()).await;
        gives_way("copy", async || {
            let copied = loxley::io::copy(&mut &[0_u8; 10][..], &mut Vec::new()).await;
            assert_eq!(copied.unwrap(), 10);
        })
        .await;
        let (mut receiver, mut sender) = loxley::io::simplex(2 * OPERATIONS);
        gives_way("simplex write", async || {
            sender.write_all(&[0]).await.unwrap()
        })
        .await;
        sender.write_all(&[0; OPERATIONS]).await.unwrap();
        gives_way("simplex read", async || {
            _ = receiver.read_u8().await.unwrap()
        })
        .await;
        let bounded = BoundedStream::new(loxley::io::repeat(7), 10_000, 1);
        gives_way("BoundedStream", async || {
            assert_eq!(bounded.read_exact(10_000).await.unwrap().len(), 10_000);
        })
        .await;
        gives_way("copy_buf", async || {
            let copied = loxley::io::copy_buf(&mut &[0_u8; 10][..], &mut Vec::new()).await;
            assert_eq!(copied.unwrap(), 10);
        })
        .await;
        let mut lines = BufReader::with_capacity(16, loxley::io::repeat(b'\n')).lines();
        gives_way(
            "lines of a buffer that is never empty for long",
            async || {
                for _ in 0..10 {
                    assert!(lines.next_line().await.unwrap().is_some());
                }
            },
        )
        .await;
    });
}

#[test]
fn files_give_way() {
    on_one_thread(async {
        let path = std::env::temp_dir().join(format!("loxley-coop-{}", std::process::id()));
        std::fs::write(&path, [7; 2 * OPERATIONS]).unwrap();
        let mut file = loxley::fs::File::open(&path).await.unwrap();
        // The first read brings all of it.
        file.read_u8().await.unwrap();
        gives_way("File, read ahead", async || {
            _ = file.read_u8().await.unwrap()
        })
        .await;
        let mut file = loxley::fs::File::create(&path).await.unwrap();
        gives_way("File, written behind", async || {
            file.write_all(&[0]).await.unwrap()
        })
        .await;
        std::fs::remove_file(&path).unwrap();

        std::fs::create_dir(&path).unwrap();
        for number in 0..PREPARED {
            std::fs::write(path.join(number.to_string()), []).unwrap();
        }
        let mut entries = loxley::fs::read_dir(&path).await.unwrap();
        // The first brings a batch.
        entries.next_entry().await.unwrap();
        gives_way_within(PREPARED - 1, "ReadDir", async || {
            assert!(entries.next_entry().await.unwrap().is_some());
        })
        .await;
        std::fs::remove_dir_all(&path).unwrap();
    });
}

#[test]
fn children_and_notifications_give_way() {
    on_one_thread(async {
        let mut child = loxley::process::Command::new("true").spawn().unwrap();
        child.wait().await.unwrap();
        gives_way("Child", async || _ = child.wait().await.unwrap()).await;

        let (notifier, mut notifications) = loxley::signal::notifier().unwrap();
        gives_way("Notifications", async || {
            notifier.notify();
            assert_eq!(notifications.recv().await, Some(()));
        })
        .await;
    });
}

#[test]
fn wrappers_of_streams_give_way() {
    use futures_core::Stream;
    use std::pin::Pin;
    on_one_thread(async {
        let (sender, receiver) = mpsc::channel(OPERATIONS);
        while sender.try_send(1).is_ok() {}
        let mut stream = loxley::stream::ReceiverStream::new(receiver);
        gives_way("ReceiverStream", async || {
            let next = std::future::poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
            assert!(next.is_some());
        })
        .await;
        let interval = time::interval(Duration::from_nanos(1));
        let mut stream = loxley::stream::IntervalStream::new(interval);
        gives_way("IntervalStream", async || {
            let next = std::future::poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
            assert!(next.is_some());
        })
        .await;
    });
}
