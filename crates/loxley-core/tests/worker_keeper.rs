//! The pollers of workers that sleep are looked after by those who are awake (J1 to J3 of `idle.rs`).
//!
//! Each test serves bytes in the pollers of all workers while one of them is busy in its own way, and hangs if a byte is
//! forgotten. Which worker sleeps when is chance, so each way is tried often.

#[path = "support/watch.rs"]
mod watch;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::task::yield_now;
use watch::watched;

const ROUNDS: usize = 200;

/// One connection in each worker's poller; each answers a byte with the same byte.
struct Echoes {
    runtime: Runtime,
    near: Vec<UnixStream>,
}

impl Echoes {
    fn start(workers: usize) -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(workers)
            .enable_all()
            .build()
            .unwrap();
        let _guard = runtime.enter();
        let near = (0..workers).map(|worker| {
            let (near, far) = UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            let source = Source::on_worker(far, worker).unwrap();
            runtime.spawn(echo(source));
            near
        });
        let near = near.collect();
        drop(_guard);
        Self { runtime, near }
    }

    /// Every connection answers.
    fn exchange(&mut self) {
        for near in &mut self.near {
            near.write_all(b"x").unwrap();
        }
        for near in &mut self.near {
            near.read_exact(&mut [0]).unwrap();
        }
    }

    fn finish(self) {
        assert_eq!(
            self.runtime.metrics().recheck_found_count(),
            0,
            "a wake was lost"
        );
    }
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

/// Exchanges while a task is under way that ends when it is told to.
fn while_busy<F>(workers: usize, busy: impl Fn(Sender<()>, Receiver<()>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut echoes = Echoes::start(workers);
    for round in 0..ROUNDS {
        let (tell_begun, begun) = channel();
        let (end, ends) = channel();
        let task = echoes.runtime.spawn(busy(tell_begun, ends));
        begun.recv().unwrap();
        for _ in 0..round % 3 {
            echoes.exchange();
        }
        echoes.exchange();
        end.send(()).unwrap();
        echoes.runtime.block_on(task).unwrap();
    }
    echoes.finish();
}

#[test]
fn bytes_for_all_workers_are_served_while_one_is_awake() {
    watched(|| {
        for workers in [2, 4] {
            while_busy(workers, |begun, ends| async move {
                begun.send(()).unwrap();
                while ends.try_recv().is_err() {
                    yield_now().await;
                }
            });
        }
    });
}

#[test]
fn bytes_left_to_a_worker_that_gets_stuck_are_served() {
    watched(|| {
        for workers in [2, 4] {
            while_busy(workers, |begun, ends| async move {
                // The others leave their pollers to this one.
                for _ in 0..100 {
                    yield_now().await;
                }
                begun.send(()).unwrap();
                ends.recv().unwrap();
            });
        }
    });
}

#[test]
fn bytes_left_to_a_worker_that_blocks_in_place_are_served() {
    watched(|| {
        for workers in [2, 4] {
            while_busy(workers, |begun, ends| async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                loxley_core::block_in_place(|| {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                });
            });
        }
    });
}

#[test]
fn bytes_left_to_a_worker_whose_polls_become_slow_are_served() {
    watched(|| {
        while_busy(2, |begun, ends| async move {
            for _ in 0..100 {
                yield_now().await;
            }
            begun.send(()).unwrap();
            while ends.try_recv().is_err() {
                std::thread::sleep(Duration::from_micros(100));
                yield_now().await;
            }
        });
    });
}
