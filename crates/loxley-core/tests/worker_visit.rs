//! A busy worker looks after the sockets, timers and tasks of a peer that does not get to it (T1 to T3 of `worker/visit.rs`).
//!
//! Without a monitor, so that nobody else could: each test hangs if the peer is not visited.

#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::spawn;
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use watch::watched;

fn unwatched_pair() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(2).enable_all().rescue(false);
    builder.build().unwrap()
}

/// The visit is counted, a moment after what it brought.
fn visited(runtime: &Runtime) {
    while runtime.metrics().visit_count() == 0 {
        std::thread::yield_now();
    }
}

/// Keeps a worker busy until the sender is dropped.
fn keep_busy(runtime: &Runtime) -> Sender<()> {
    let (tell_begun, begun) = channel();
    let (end, ends) = channel();
    runtime.spawn(async move {
        tell_begun.send(()).unwrap();
        while ends.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            yield_now().await;
        }
    });
    begun.recv().unwrap();
    end
}

async fn echo(source: Source<UnixStream>) {
    let mut byte = [0];
    loop {
        let read = source.async_io(Interest::READABLE, |mut io| io.read(&mut byte));
        if read.await.unwrap() == 0 {
            return;
        }
        let write = source.async_io(Interest::WRITABLE, |mut io| io.write(&byte));
        write.await.unwrap();
    }
}

fn exchange(near: &mut [UnixStream]) {
    for near in near {
        near.write_all(b"x").unwrap();
        near.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn sockets_of_a_peer_that_does_not_move_are_served_by_a_busy_one() {
    watched(|| {
        let runtime = unwatched_pair();
        let mut near: Vec<UnixStream> = (0..2)
            .map(|worker| {
                let (near, far) = UnixStream::pair().unwrap();
                far.set_nonblocking(true).unwrap();
                let _guard = runtime.enter();
                runtime.spawn(echo(Source::on_worker(far, worker).unwrap()));
                near
            })
            .collect();
        exchange(&mut near); // nobody waits in a queue any more
        let (tell_begun, begun) = channel();
        let (end, ends) = channel::<()>();
        runtime.spawn(async move {
            tell_begun.send(()).unwrap();
            let _ = ends.recv();
        });
        begun.recv().unwrap();
        let busy = keep_busy(&runtime);
        exchange(&mut near);
        visited(&runtime);
        drop((end, busy));
    });
}

#[test]
fn tasks_that_wait_for_a_peer_that_does_not_move_are_taken_by_a_busy_one() {
    watched(|| {
        let runtime = unwatched_pair();
        let (tell_begun, begun) = channel();
        let (tell_go, go) = channel::<()>();
        let waits_for_its_children = runtime.spawn(async move {
            tell_begun.send(()).unwrap();
            go.recv().unwrap();
            let (ran, runs) = channel();
            for _ in 0..10 {
                let ran = ran.clone();
                spawn(async move { ran.send(()).unwrap() });
            }
            for _ in 0..10 {
                runs.recv().unwrap();
            }
        });
        begun.recv().unwrap();
        let busy = keep_busy(&runtime);
        tell_go.send(()).unwrap();
        runtime.block_on(waits_for_its_children).unwrap();
        visited(&runtime);
        drop(busy);
    });
}

struct Ring(Sender<()>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

#[test]
fn timers_of_a_peer_that_does_not_move_are_fired_by_a_busy_one() {
    watched(|| {
        let runtime = unwatched_pair();
        let (tell_begun, begun) = channel();
        let waits_for_its_own_timer = runtime.spawn(async move {
            let (ring, rings) = channel();
            let waker = Waker::from(Arc::new(Ring(ring)));
            let mut sleep = pin!(Sleep::after(Duration::from_millis(1)));
            poll_fn(|_| {
                assert!(
                    sleep
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
                Poll::Ready(())
            })
            .await;
            tell_begun.send(()).unwrap();
            rings.recv().unwrap();
        });
        begun.recv().unwrap();
        let busy = keep_busy(&runtime);
        runtime.block_on(waits_for_its_own_timer).unwrap();
        visited(&runtime);
        drop(busy);
    });
}
