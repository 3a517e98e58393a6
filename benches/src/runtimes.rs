//! The runtimes under test behind the traits of [`crate::harness`].
//!
//! Each in its fastest documented form:
//! - **loxley**: the multi-thread builder with everything on.
//! - **tokio**: the same, on tokio's default flavour.
//! - **smol**: a `StaticExecutor` ("may require significantly less overhead") driven by one thread per worker with smol's
//!   `block_on`, which is what `smol::spawn` does with `SMOL_THREADS`, less the list of live tasks.
//! - **smol_global**: the same with the plain `Executor` of `smol::spawn`; left out unless asked for.
//!
//! Two of them have *variants*, named after a sign: **loxley-rescue** is loxley without the rescue of stuck workers,
//! **loxley+KNOB=VALUE** has one knob set, see [`crate::knobs`], and **tokio+options** is tokio with eager driver hand-off and
//! without LIFO slots, which needs a program of its own, see [`crate::rescue`].
//!
//! The thread that waits for a result uses a plain parking `block_on`: smol's own would also poll
//! for sockets there, as one worker more than the others have.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use async_executor::{Executor, StaticExecutor};
use hyper_util::rt::TokioIo;
#[cfg(feature = "loxley")]
use loxley::hyper::LoxleyIo;
use smol::future::FutureExt as _;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Net, Rescue, Runtime};
use crate::meter::Sample;

/// The name of loxley without rescue.
pub const WITHOUT_RESCUE: &str = "loxley-rescue";
/// The name of tokio with its unstable options.
pub const WITH_OPTIONS: &str = "tokio+options";

/// What this process measures, if it was told so.
static CONTENDER: OnceLock<String> = OnceLock::new();

/// Says once, before any runtime starts, which variant the builders below make.
pub fn be(contender: &str) {
    let _ = CONTENDER.set(contender.to_owned());
}

fn is(contender: &str) -> bool {
    CONTENDER.get().is_some_and(|own| own == contender)
}

/// The name without the sign of a variant and what follows.
#[must_use]
pub fn base(contender: &str) -> &str {
    contender.split(['-', '+']).next().unwrap_or(contender)
}

/// What the runtime of this repository that was started last counts about itself.
#[cfg(feature = "loxley")]
static COUNTING: std::sync::Mutex<Option<loxley::runtime::RuntimeMetrics>> =
    std::sync::Mutex::new(None);

/// The sample with what loxley has counted since its start, all workers together, if it was loxley that ran.
#[must_use]
pub fn counted(sample: Sample) -> Sample {
    #[cfg(feature = "loxley")]
    if let Some(metrics) = &*COUNTING.lock().expect("nothing panics here") {
        use loxley::runtime::RuntimeMetrics as Metrics;
        type Count = fn(&Metrics, usize) -> u64;
        let counts: [(&str, Count); 5] = [
            ("sleeps", Metrics::worker_park_count),
            ("searches", Metrics::worker_search_count),
            ("tries", Metrics::worker_steal_attempt_count),
            ("steals", Metrics::worker_steal_operations),
            ("polls", Metrics::worker_poller_poll_count),
        ];
        return counts.iter().fold(sample, |sample, (name, count)| {
            let all = 0..metrics.num_workers();
            let sum: u64 = all.map(|worker| count(metrics, worker)).sum();
            sample.with(name, sum as f64)
        });
    }
    sample
}

#[cfg(feature = "loxley")]
fn count_loxley(runtime: &loxley::runtime::Runtime) {
    *COUNTING.lock().expect("nothing panics here") = Some(runtime.metrics());
}

#[cfg(feature = "loxley")]
fn configure_loxley(builder: &mut loxley::runtime::Builder) {
    builder.rescue(!is(WITHOUT_RESCUE));
    let Some((_, knob)) = CONTENDER.get().and_then(|own| own.split_once('+')) else {
        return;
    };
    let set = knob.split_once('=').and_then(|(name, value)| {
        let value = value.parse().ok()?;
        match name {
            "poll_budget" => Some(builder.poll_budget(value)),
            "event_interval" => Some(builder.event_interval(value)),
            "global_queue_interval" => Some(builder.global_queue_interval(value)),
            "lifo_slot_cap" => Some(builder.lifo_slot_cap(value)),
            "max_io_events_per_tick" => Some(builder.max_io_events_per_tick(value as usize)),
            "worker_threads" => Some(builder.worker_threads(value as usize)),
            _ => None,
        }
    });
    assert!(set.is_some(), "no such knob: {knob}");
}

fn configure_tokio(builder: &mut tokio::runtime::Builder) {
    #[cfg(tokio_unstable)]
    if is(WITH_OPTIONS) {
        builder.enable_eager_driver_handoff().disable_lifo_slot();
    }
    #[cfg(not(tokio_unstable))]
    {
        let _ = builder;
        assert!(!is(WITH_OPTIONS), "this program was built without them");
    }
}

#[cfg(feature = "loxley")]
fn rescue_of_loxley(runtime: &loxley::runtime::Runtime) -> Option<Rescue> {
    let metrics = runtime.metrics();
    Some(Rescue {
        started: metrics.rescue_spares_asleep_count() + metrics.rescue_spares_computing_count(),
        present: metrics.num_rescue_threads() as u64,
    })
}

/// Implements the traits for a runtime whose API is tokio's.
macro_rules! tokio_shaped {
    ($name:ident, $root:ident, $configure:expr, $started:expr, $rescue:expr, $hyper:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name($root::runtime::Runtime);

        impl Runtime for $name {
            type Join<T: Send + 'static> = $root::task::JoinHandle<T>;

            fn start(workers: usize) -> Self {
                let mut builder = $root::runtime::Builder::new_multi_thread();
                $configure(builder.worker_threads(workers).enable_all());
                let runtime = builder.build().expect("the runtime starts");
                $started(&runtime);
                Self(runtime)
            }

            fn rescue(&self) -> Option<Rescue> {
                $rescue(&self.0)
            }

            fn run<F>(&self, main: F) -> F::Output
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                self.0
                    .block_on(self.0.spawn(main))
                    .expect("the workload does not panic")
            }

            fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                self.0.spawn(future)
            }

            #[inline]
            fn spawn<F>(future: F) -> Self::Join<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                $root::spawn(future)
            }

            #[inline]
            async fn join<T: Send + 'static>(handle: Self::Join<T>) -> T {
                handle.await.expect("the workload does not panic")
            }

            #[inline]
            fn detach<T: Send + 'static>(handle: Self::Join<T>) {
                drop(handle);
            }

            #[inline]
            fn yield_now() -> impl Future<Output = ()> + Send {
                $root::task::yield_now()
            }

            #[inline]
            fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
                $root::time::sleep(duration)
            }

            #[inline]
            fn sleep_until(deadline: Instant) -> impl Future<Output = ()> + Send {
                $root::time::sleep_until(deadline.into())
            }

            #[inline]
            async fn timeout<F>(duration: Duration, future: F) -> Option<F::Output>
            where
                F: Future + Send,
                F::Output: Send,
            {
                $root::time::timeout(duration, future).await.ok()
            }

            async fn spawn_blocking<T: Send + 'static>(work: fn() -> T) -> T {
                $root::task::spawn_blocking(work)
                    .await
                    .expect("the workload does not panic")
            }
        }

        impl Net for $name {
            type Listener = $root::net::TcpListener;
            type Stream = $root::net::TcpStream;
            type Hyper = $hyper<$root::net::TcpStream>;

            fn listener(listener: TcpListener) -> io::Result<Self::Listener> {
                $root::net::TcpListener::from_std(listener)
            }

            async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }

            async fn read(stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize> {
                $root::io::AsyncReadExt::read(stream, buffer).await
            }

            async fn write_all(stream: &mut Self::Stream, data: &[u8]) -> io::Result<()> {
                $root::io::AsyncWriteExt::write_all(stream, data).await
            }

            fn hyper(stream: Self::Stream) -> Self::Hyper {
                $hyper::new(stream)
            }
        }
    };
}

#[cfg(feature = "loxley")]
tokio_shaped!(
    Loxley,
    loxley,
    configure_loxley,
    count_loxley,
    rescue_of_loxley,
    LoxleyIo,
    "The runtime of this repository."
);
tokio_shaped!(
    Tokio,
    tokio,
    configure_tokio,
    |_| (),
    |_| None,
    TokioIo,
    "tokio's multi-thread runtime."
);

/// Implements the traits for smol over one of its two executors.
macro_rules! smol_shaped {
    ($name:ident, $executor:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name;

        impl Runtime for $name {
            type Join<T: Send + 'static> = smol::Task<T>;

            fn start(workers: usize) -> Self {
                for worker in 0..workers {
                    thread::Builder::new()
                        .name(format!("smol-{worker}"))
                        .spawn(|| smol::block_on($executor.run(std::future::pending::<()>())))
                        .expect("a thread starts");
                }
                Self
            }

            fn run<F>(&self, main: F) -> F::Output
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                smol::future::block_on($executor.spawn(main))
            }

            fn spawn_outside<F>(&self, future: F) -> Self::Join<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                $executor.spawn(future)
            }

            #[inline]
            fn spawn<F>(future: F) -> Self::Join<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                $executor.spawn(future)
            }

            #[inline]
            fn join<T: Send + 'static>(handle: Self::Join<T>) -> impl Future<Output = T> + Send {
                handle
            }

            #[inline]
            fn detach<T: Send + 'static>(handle: Self::Join<T>) {
                handle.detach();
            }

            #[inline]
            fn yield_now() -> impl Future<Output = ()> + Send {
                smol::future::yield_now()
            }

            #[inline]
            async fn sleep(duration: Duration) {
                smol::Timer::after(duration).await;
            }

            #[inline]
            async fn sleep_until(deadline: Instant) {
                smol::Timer::at(deadline).await;
            }

            #[inline]
            fn timeout<F>(
                duration: Duration,
                future: F,
            ) -> impl Future<Output = Option<F::Output>> + Send
            where
                F: Future + Send,
                F::Output: Send,
            {
                async move { Some(future.await) }.or(async move {
                    smol::Timer::after(duration).await;
                    None
                })
            }

            fn spawn_blocking<T: Send + 'static>(
                work: fn() -> T,
            ) -> impl Future<Output = T> + Send {
                smol::unblock(work)
            }
        }

        impl Net for $name {
            type Listener = smol::net::TcpListener;
            type Stream = smol::net::TcpStream;
            type Hyper = smol_hyper::rt::FuturesIo<smol::net::TcpStream>;

            fn listener(listener: TcpListener) -> io::Result<Self::Listener> {
                smol::Async::new(listener).map(Into::into)
            }

            async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }

            async fn read(stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize> {
                stream.read(buffer).await
            }

            async fn write_all(stream: &mut Self::Stream, data: &[u8]) -> io::Result<()> {
                stream.write_all(data).await
            }

            fn hyper(stream: Self::Stream) -> Self::Hyper {
                smol_hyper::rt::FuturesIo::new(stream)
            }
        }
    };
}

static STATIC_EXECUTOR: StaticExecutor = StaticExecutor::new();

smol_shaped!(Smol, STATIC_EXECUTOR, "smol on a static executor.");
smol_shaped!(
    SmolGlobal,
    global_executor(),
    "smol as `smol::spawn` builds it."
);

fn global_executor() -> &'static Executor<'static> {
    static EXECUTOR: OnceLock<Executor<'static>> = OnceLock::new();
    EXECUTOR.get_or_init(Executor::new)
}

/// The forms of a workload, written `forms!(R => workload::<R>)`; `forms!(net R => ..; raw)` adds a raw one.
macro_rules! forms {
    ($r:ident => $form:expr $(, $raw:expr)?) => {
        &[
            #[cfg(feature = "loxley")]
            ("loxley", { type $r = $crate::runtimes::Loxley; $form }),
            ("tokio", { type $r = $crate::runtimes::Tokio; $form }),
            ("smol", { type $r = $crate::runtimes::Smol; $form }),
            ("smol_global", { type $r = $crate::runtimes::SmolGlobal; $form }),
            $(("raw", $raw),)?
        ]
    };
}
pub(crate) use forms;
