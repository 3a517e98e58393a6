//! What becomes of the innocent while a task holds its thread?
//!
//! The innocent load is light: a heavy one keeps every worker awake and hides what a stall does. Latency counts from the
//! time at which something was due, so a stall of 100 ms that delays twenty requests is seen twenty times.
//!
//! *Words.* An *offender* is a task that holds its thread on purpose, asleep ([`Way::Block`]) or computing
//! ([`Way::Spin`]). Its *stall* is how long it does. *Calm* is the same load without offenders, in the same process just
//! before. *Spares* are the threads that stand in.
//!
//! - [`stalls`]: echoes and ticks beside offenders that come and go.
//! - [`behind`]: what was just woken or spawned by the offender itself, or waits in its poller and wheel.
//! - [`quiet`]: what the readiness to rescue costs while nobody offends.

pub mod behind;
pub mod quiet;
pub mod stalls;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::harness::{Net, Row, Runtime, listen};
use crate::meter::Sample;

/// The rows of this family; they have a table of their own, see [`crate::rescue`].
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [stalls::ROWS, behind::ROWS, quiet::ROWS]
        .into_iter()
        .flatten()
}

/// How an offender holds its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Asleep in the kernel.
    Block,
    /// Computing.
    Spin,
}

impl Way {
    /// Holds this thread.
    pub fn hold(self, stall: Duration) {
        match self {
            Way::Block => thread::sleep(stall),
            Way::Spin => {
                let start = Instant::now();
                while start.elapsed() < stall {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

/// Offenders that hold their thread for `stall` and then rest, again and again, until this is dropped.
#[derive(Debug)]
pub struct Offenders(Arc<AtomicBool>);

impl Offenders {
    /// So many of them, each on a thread of its own as far as there are any.
    pub fn start<R: Runtime>(
        runtime: &R,
        count: usize,
        way: Way,
        stall: Duration,
        rest: Duration,
    ) -> Offenders {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..count {
            let over = Arc::clone(&over);
            R::detach(runtime.spawn_outside(async move {
                while !over.load(Ordering::Relaxed) {
                    way.hold(stall);
                    R::sleep(rest).await;
                }
            }));
        }
        Offenders(over)
    }
}

impl Drop for Offenders {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Holds all workers at once, each by one task; returns the tasks when the stalls have begun.
///
/// A runtime that does not give each task a worker (it cannot be asked to) is waited for no longer than 200 ms.
pub fn hold_all<R: Runtime>(
    runtime: &R,
    workers: usize,
    way: Way,
    stall: Duration,
) -> Vec<R::Join<()>> {
    let held = Arc::new(AtomicUsize::new(0));
    let tasks = (0..workers).map(|_| {
        let held = Arc::clone(&held);
        runtime.spawn_outside(async move {
            held.fetch_add(1, Ordering::Relaxed);
            way.hold(stall);
        })
    });
    let tasks = tasks.collect();
    let start = Instant::now();
    while held.load(Ordering::Relaxed) < workers && start.elapsed() < Duration::from_millis(200) {
        thread::yield_now();
    }
    tasks
}

/// Waits for tasks, on this thread.
pub fn join_all<R: Runtime, T: Send + 'static>(runtime: &R, tasks: Vec<R::Join<T>>) -> Vec<T> {
    runtime.run(async move {
        let mut outputs = Vec::new();
        for task in tasks {
            outputs.push(R::join(task).await);
        }
        outputs
    })
}

/// A runtime, with the number of threads that came with it.
struct Pool<R> {
    runtime: R,
    before: usize,
    threads: usize,
}

/// How long after a case everybody must be gone again.
const AFTERMATH: Duration = Duration::from_secs(2);

impl<R: Runtime> Pool<R> {
    fn start(workers: usize) -> Self {
        let before = threads();
        let runtime = R::start(workers);
        // Some start their threads when first used.
        runtime.run(async { R::sleep(Duration::from_millis(20)).await });
        let threads = threads() - before;
        Self {
            runtime,
            before,
            threads,
        }
    }

    /// Adds what is left behind: `threads` at the start, `more` two seconds after the end, and the spares.
    fn leave(&self, sample: Sample) -> Sample {
        let spares = self.runtime.rescue();
        thread::sleep(AFTERMATH);
        let more = threads() as f64 - (self.before + self.threads) as f64;
        let sample = sample
            .with("threads", self.threads as f64)
            .with("more", more);
        match spares.zip(self.runtime.rescue()) {
            Some((spares, later)) => sample
                .with("spares", spares.started as f64)
                .with("spares_left", later.present as f64),
            None => sample,
        }
    }
}

/// Threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Serves connections; each is given to `serve` as a task.
fn listen_on<R, F>(
    runtime: &R,
    serve: impl Fn(R::Stream) -> F + Send + Sync + 'static,
) -> SocketAddr
where
    R: Net,
    F: Future<Output = ()> + Send + 'static,
{
    let listener: TcpListener =
        listen(SocketAddr::from(([127, 0, 0, 1], 0)), false).expect("a loopback port is free");
    let address = listener.local_addr().expect("it is bound");
    runtime.run(async move {
        let listener = R::listener(listener).expect("the runtime takes the listener");
        R::detach(R::spawn(async move {
            loop {
                if let Ok(stream) = R::accept(&listener).await {
                    R::detach(R::spawn(serve(stream)));
                }
            }
        }));
    });
    address
}

/// Gives back what it reads.
async fn echo<R: Net>(mut stream: R::Stream) {
    let mut buffer = [0; 64];
    while let Ok(count @ 1..) = R::read(&mut stream, &mut buffer).await {
        if R::write_all(&mut stream, &buffer[..count]).await.is_err() {
            return;
        }
    }
}
