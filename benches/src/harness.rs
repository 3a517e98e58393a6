//! What every row is made of: a plan, a workload on each runtime, and the runtime-neutral traits.
//!
//! *Words.*
//! - A *row* is one question with a workload that is written once, generic over [`Runtime`].
//! - A *form* is that workload on one runtime; a row lists its forms.
//! - A *plan* says with how many workers and how long one process runs; a *sample* is what it measured.
//!
//! One process measures one form once. It warms up with a tenth of the work, starts the [`Meter`] on a worker (not on
//! the thread that waits), does the work, stops the meter and prints its sample as a single line (see [`Sample`]).
//!
//! *Rejected.* Measuring several runtimes in one process: the first one's threads, heap and page tables are the
//! second one's weather.
//!
//! *Checked by* the test below for the units; by `row_table` in `rows` for the table of rows.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::meter::{Meter, Sample};

/// How one process is to run its row.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Worker threads of the runtime.
    pub workers: usize,
    /// Operations to measure; milliseconds in rows that a client drives (see [`Amount`]).
    pub amount: u64,
    /// Whether to do a tenth of the work first. Off only when instructions are counted by difference.
    pub warm_up: bool,
}

impl Plan {
    /// How much to do before the meter starts.
    #[must_use]
    pub fn warm_up_amount(&self) -> u64 {
        if self.warm_up { self.amount / 10 } else { 0 }
    }

    /// How long a client drives the server, when the amount is a time.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.amount)
    }
}

/// How much one process does when nothing else is asked for; chosen so that it takes about a second.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// A number of operations.
    Ops(u64),
    /// A time in milliseconds.
    Millis(u64),
}

impl Amount {
    /// Another number of the same kind, if there is one.
    #[must_use]
    pub fn or(self, other: Option<u64>) -> Amount {
        match (self, other) {
            (Amount::Ops(usual), other) => Amount::Ops(other.unwrap_or(usual)),
            (Amount::Millis(usual), other) => Amount::Millis(other.unwrap_or(usual)),
        }
    }
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy)]
pub enum Figure {
    /// Thousands of operations per second of wall time.
    Rate,
    /// Nanoseconds of processor time per operation, all threads together.
    CpuNs,
    /// Microseconds of processor time per operation, all threads together.
    CpuUs,
    /// Microseconds of wall time per operation.
    WallUs,
    /// A figure that the row measured itself, by name.
    Extra(&'static str),
}

/// A figure that a row shows.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its heading, with the unit.
    pub label: &'static str,
    /// Where it comes from.
    pub figure: Figure,
    /// Which way is good.
    pub better: Better,
}

/// Thousands of operations per second.
pub const RATE: Metric = Metric {
    label: "kops/s",
    figure: Figure::Rate,
    better: Better::Higher,
};
/// Processor time per operation.
pub const CPU_NS: Metric = Metric {
    label: "CPU ns/op",
    figure: Figure::CpuNs,
    better: Better::Lower,
};

/// A figure of the row's own of which less is better.
#[must_use]
pub const fn lower(label: &'static str, name: &'static str) -> Metric {
    Metric {
        label,
        figure: Figure::Extra(name),
        better: Better::Lower,
    }
}

impl Metric {
    /// This metric of a sample; `None` if the sample lacks it.
    #[must_use]
    pub fn of(&self, sample: &Sample) -> Option<f64> {
        let ops = sample.ops as f64;
        match self.figure {
            Figure::Rate => Some(ops / sample.wall_ns as f64 * 1e6),
            Figure::CpuNs => Some(sample.cpu_ns as f64 / ops),
            Figure::CpuUs => Some(sample.cpu_ns as f64 / ops / 1e3),
            Figure::WallUs => Some(sample.wall_ns as f64 / ops / 1e3),
            Figure::Extra(name) => sample.extra(name),
        }
    }
}

/// A workload on one runtime.
pub type Form = fn(&Plan) -> Sample;

/// One question and the workload that answers it.
#[derive(Debug)]
pub struct Row {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// How much one process does by default.
    pub amount: Amount,
    /// A number of workers that belongs to the question; otherwise the command line's.
    pub workers: Option<usize>,
    /// What is shown, the most telling figure first: its ratio decides whether the row is lost.
    pub metrics: &'static [Metric],
    /// The workload on each runtime, by name.
    pub forms: &'static [(&'static str, Form)],
}

impl Row {
    /// The workload on the runtime of that name, or of which that is a variant.
    #[must_use]
    pub fn form(&self, runtime: &str) -> Option<Form> {
        self.forms
            .iter()
            .find(|(name, _)| *name == crate::runtimes::base(runtime))
            .map(|(_, form)| *form)
    }
}

/// A listener on a loopback port of the kernel's choice, non-blocking, with room for 4096 waiting connections (std's 128
/// would drop some of 1000), so that every runtime starts from the same socket. `reuse_port` on `address`
/// lets several threads listen on one port.
///
/// # Errors
///
/// What `socket`, `bind` and `listen` say.
pub fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Threads that stood in for stuck workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescue {
    /// Started since the beginning.
    pub started: u64,
    /// There now.
    pub present: u64,
}

/// A runtime under test. The functions without `self` are called on its workers.
pub trait Runtime: Send + Sync + Sized + 'static {
    /// The handle of a spawned task.
    type Join<T: Send + 'static>: Send + 'static;

    /// Starts it with that many workers.
    fn start(workers: usize) -> Self;

    /// What it did so far against workers that are stuck, if it does anything and says so.
    fn rescue(&self) -> Option<Rescue> {
        None
    }

    /// Spawns `main` and waits for it on this thread, which does no work of the runtime meanwhile.
    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns from a thread that is no worker.
    fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns from a worker.
    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Waits for a task.
    fn join<T: Send + 'static>(handle: Self::Join<T>) -> impl Future<Output = T> + Send;

    /// Lets a task run without a handle.
    fn detach<T: Send + 'static>(handle: Self::Join<T>);

    /// Gives the others a turn.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Waits for that long.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// Waits until then.
    fn sleep_until(deadline: Instant) -> impl Future<Output = ()> + Send;

    /// The future's output, or `None` after that long.
    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send;

    /// Runs a closure on a thread that may block.
    fn spawn_blocking<T: Send + 'static>(work: fn() -> T) -> impl Future<Output = T> + Send;
}

/// A runtime with sockets.
pub trait Net: Runtime {
    /// Its TCP listener.
    type Listener: Send + Sync + 'static;
    /// Its TCP stream.
    type Stream: Send + 'static;
    /// The stream as hyper wants it.
    type Hyper: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static;

    /// Takes over a non-blocking listener; called on a worker.
    ///
    /// # Errors
    ///
    /// What the registration says.
    fn listener(listener: TcpListener) -> io::Result<Self::Listener>;

    /// The next connection, with `TCP_NODELAY` set.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads what is there; 0 at the end.
    fn read(
        stream: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes everything.
    fn write_all(
        stream: &mut Self::Stream,
        data: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Wraps a stream for hyper.
    fn hyper(stream: Self::Stream) -> Self::Hyper;
}

/// Runs `work` on a worker: a tenth to warm up, then all of it under the meter.
pub fn timed<R, W, F>(plan: &Plan, work: W) -> Sample
where
    R: Runtime,
    W: Fn(u64) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (warm_up, ops) = (plan.warm_up_amount(), plan.amount);
    R::start(plan.workers).run(async move {
        if warm_up > 0 {
            work(warm_up).await;
        }
        let meter = Meter::start();
        work(ops).await;
        meter.stop(ops)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_units_of_their_headings() {
        let sample = Sample {
            ops: 1_000,
            wall_ns: 1_000_000,
            cpu_ns: 2_000_000,
            extras: Vec::new(),
        };
        assert_eq!(
            RATE.of(&sample),
            Some(1_000.0),
            "1000 in a millisecond is a million per second"
        );
        assert_eq!(CPU_NS.of(&sample), Some(2_000.0));
        assert_eq!(lower("x", "missing").of(&sample), None);
    }
}
