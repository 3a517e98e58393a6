//! What every row is made of: a plan, a meter, a sample, and the runtime-neutral traits.
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
//! *Checked by* the tests below for the line; by `row_table` in `rows` for the table of rows.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use nix::time::ClockId;
use socket2::{Domain, Protocol, Socket, Type};

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
    /// The workload on the runtime of that name.
    #[must_use]
    pub fn form(&self, runtime: &str) -> Option<Form> {
        self.forms
            .iter()
            .find(|(name, _)| *name == runtime)
            .map(|(_, form)| *form)
    }
}

/// What one process measured; printed and parsed as one line of `name=value` words.
///
/// ```
/// use bench_rows::harness::Sample;
/// let line = "sample ops=10 wall_ns=2000 cpu_ns=1500 p50_us=12.5";
/// let sample: Sample = line.parse().unwrap();
/// assert_eq!((sample.ops, sample.extra("p50_us")), (10, Some(12.5)));
/// assert_eq!(sample.to_string(), line);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Operations done between start and stop.
    pub ops: u64,
    /// Wall time between start and stop.
    pub wall_ns: u64,
    /// Processor time of the process between start and stop, user and system, all threads.
    pub cpu_ns: u64,
    /// Figures of the row's own.
    pub extras: Vec<(String, f64)>,
}

impl Sample {
    /// The row's own figure of that name.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<f64> {
        self.extras
            .iter()
            .find(|(extra, _)| extra == name)
            .map(|(_, value)| *value)
    }

    /// The same sample with one more figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Sample {
        self.extras.push((name.to_owned(), value));
        self
    }

    /// The same sample with the percentiles of a histogram in nanoseconds, in µs.
    #[must_use]
    pub fn with_percentiles(self, histogram: &hdrhistogram::Histogram<u64>) -> Sample {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        self.with("p50_us", at(0.5))
            .with("p99_us", at(0.99))
            .with("p999_us", at(0.999))
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sample ops={} wall_ns={} cpu_ns={}",
            self.ops, self.wall_ns, self.cpu_ns
        )?;
        self.extras
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl std::str::FromStr for Sample {
    type Err = String;

    fn from_str(line: &str) -> Result<Sample, String> {
        let mut words = line.split_whitespace();
        if words.next() != Some("sample") {
            return Err(format!("not a sample line: {line:?}"));
        }
        let mut sample = Sample {
            ops: 0,
            wall_ns: 0,
            cpu_ns: 0,
            extras: Vec::new(),
        };
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("no `=` in {word:?} of {line:?}"))?;
            let bad = |_| format!("no number in {word:?} of {line:?}");
            match name {
                "ops" => sample.ops = value.parse().map_err(bad)?,
                "wall_ns" => sample.wall_ns = value.parse().map_err(bad)?,
                "cpu_ns" => sample.cpu_ns = value.parse().map_err(bad)?,
                _ => sample.extras.push((
                    name.to_owned(),
                    value
                        .parse()
                        .map_err(|_| format!("no number in {word:?} of {line:?}"))?,
                )),
            }
        }
        if sample.ops == 0 || sample.wall_ns == 0 {
            return Err(format!("a sample of nothing: {line:?}"));
        }
        Ok(sample)
    }
}

/// Wall clock and processor clock from `start` to `stop`.
#[derive(Debug)]
pub struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    /// Starts both clocks.
    #[must_use]
    pub fn start() -> Meter {
        Meter {
            cpu: process_cpu(),
            wall: Instant::now(),
        }
    }

    /// Reads both clocks.
    #[must_use]
    pub fn stop(self, ops: u64) -> Sample {
        let wall_ns = nanos(self.wall.elapsed());
        let cpu_ns = nanos(process_cpu().saturating_sub(self.cpu));
        Sample {
            ops,
            wall_ns,
            cpu_ns,
            extras: Vec::new(),
        }
    }
}

/// Whole nanoseconds; saturates after 584 years.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time that this process has used, user and system, all threads.
///
/// Through libc: rustix asks the kernel's vDSO, and finding that crashes under valgrind.
#[must_use]
pub fn process_cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID
        .now()
        .expect("Linux has this clock")
        .into()
}

/// How often the threads of this process have gone to sleep of their own accord, all together.
///
/// # Errors
///
/// If `/proc/self/task` cannot be read; a thread that ends meanwhile is left out.
pub fn voluntary_switches() -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        sum += status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

/// Bytes of memory that this process holds now.
///
/// # Errors
///
/// If `/proc/self/status` cannot be read.
pub fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))?;
    Ok(kibibytes * 1024)
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

/// A runtime under test. The functions without `self` are called on its workers.
pub trait Runtime: Send + Sync + Sized + 'static {
    /// The handle of a spawned task.
    type Join<T: Send + 'static>: Send + 'static;

    /// Starts it with that many workers.
    fn start(workers: usize) -> Self;

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

/// A histogram of nanoseconds with three digits; it grows as it must.
#[must_use]
pub fn histogram() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new(3).expect("three significant digits are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_line_survives_printing_and_parsing() {
        let sample = Sample {
            ops: 7,
            wall_ns: 1_000,
            cpu_ns: 900,
            extras: Vec::new(),
        }
        .with("p99_us", 2.25);
        assert_eq!(sample.to_string().parse::<Sample>(), Ok(sample));
    }

    #[test]
    fn a_broken_line_is_refused_with_the_word_that_is_wrong() {
        assert!(
            "simple ops=1"
                .parse::<Sample>()
                .unwrap_err()
                .contains("not a sample")
        );
        assert!(
            "sample ops"
                .parse::<Sample>()
                .unwrap_err()
                .contains("no `=`")
        );
        assert!(
            "sample ops=x"
                .parse::<Sample>()
                .unwrap_err()
                .contains("ops=x")
        );
        assert!(
            "sample ops=1 wall_ns=1 cpu_ns=1 p50_us=y"
                .parse::<Sample>()
                .unwrap_err()
                .contains("p50_us=y")
        );
        assert!(
            "sample cpu_ns=1"
                .parse::<Sample>()
                .unwrap_err()
                .contains("nothing")
        );
    }

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

    #[test]
    fn work_moves_the_processor_clock_and_memory_is_counted() {
        let meter = Meter::start();
        while process_cpu() == meter.cpu {}
        assert!(meter.stop(1).cpu_ns > 0);
        assert!(resident_bytes().unwrap() > 0);
        voluntary_switches().unwrap();
    }
}
