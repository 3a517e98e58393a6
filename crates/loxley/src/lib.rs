//! An async runtime whose workers share everything.
//!
//! Each worker thread holds a queue of tasks, a poller and a timer wheel of its own; idle workers take from
//! busy ones, and nothing that a worker owns is out of reach for its peers.
//!
//! So a task that holds its thread delays itself, and not the strangers that share a worker with it: what waits behind it
//! is taken over within milliseconds, and a report names the task.
//!
//! Names, paths, signatures and meaning are tokio's wherever tokio has the concept, so that moving a program
//! over is a matter of its `use` lines.
//!
//! # A program
//!
//! ```
//! use loxley::io::{AsyncReadExt, AsyncWriteExt};
//! use loxley::net::{TcpListener, TcpStream};
//!
//! #[loxley::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     loxley::spawn(async move {
//!         let (mut stream, _) = listener.accept().await?;
//!         let (mut reader, mut writer) = stream.split();
//!         loxley::io::copy(&mut reader, &mut writer).await
//!     });
//!
//!     let mut stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"hello").await?;
//!     stream.shutdown().await?;
//!     let mut echo = String::new();
//!     stream.read_to_string(&mut echo).await?;
//!     assert_eq!(echo, "hello");
//!     Ok(())
//! }
//! ```
//!
//! [`main`](macro@main) builds a runtime with a worker per core and drives the function in it; [`test`](macro@test) does the same for a test, on
//! the current thread. By hand: [`Builder`](runtime::Builder) and [`Runtime::block_on`](runtime::Runtime::block_on).
//!
//! # Where things are
//!
//! | to | take |
//! |---|---|
//! | start tasks, await and abort them | [`spawn`], [`JoinHandle`](task::JoinHandle), [`AbortHandle`](task::AbortHandle) |
//! | own many tasks at once | [`JoinSet`](task::JoinSet) for their results, [`TaskTracker`](task::TaskTracker) for their end |
//! | let many tasks succeed or fail together | [`TaskGroup`](task::TaskGroup) |
//! | work through a list, some items at a time | [`task::map_concurrent`] |
//! | call what blocks | [`spawn_blocking`](task::spawn_blocking), [`block_in_place`](task::block_in_place) |
//! | wait for several things | [`join!`], [`try_join!`], and [`select!`] for the first of them |
//! | stop things | [`CancellationToken`](sync::CancellationToken), [`timeout`](fn@time::timeout) |
//! | connect and serve | [`net`]; by name, over whichever address answers, [`net::connect`] |
//! | read and write | [`AsyncReadExt`](io::AsyncReadExt), [`AsyncWriteExt`](io::AsyncWriteExt), [`copy_bidirectional`](io::copy_bidirectional), [`BoundedStream`](io::BoundedStream) with hard limits |
//! | pass values between tasks | [`mpsc`](sync::mpsc), [`oneshot`](sync::oneshot), [`broadcast`](sync::broadcast), [`watch`](sync::watch) |
//! | share state | [`Mutex`](sync::Mutex), [`RwLock`](sync::RwLock), [`Semaphore`](sync::Semaphore), [`Notify`](sync::Notify) |
//! | wait for a time | [`sleep`](fn@time::sleep), [`interval`](fn@time::interval), [`DelayQueue`](time::DelayQueue) |
//! | use files, children, signals | [`fs`], [`process`], [`signal`] |
//! | meet other families of streams | [`stream`], [`compat`] |
//! | see what goes on | [`RuntimeMetrics`](runtime::RuntimeMetrics), [`Builder::on_long_poll`](runtime::Builder::on_long_poll) |
//!
//! # Rules that hold everywhere
//!
//! - **Futures do nothing until they are awaited**, and dropping one cancels it. The documentation of each says what that leaves
//!   behind, under *Cancellation*.
//! - **A dropped [`JoinHandle`](task::JoinHandle) lets its task go on.** [`AbortOnDropHandle`](task::AbortOnDropHandle) does not.
//! - **What needs a runtime panics outside of one**, and says so under *Panics*: tasks, sockets, timers, files, children,
//!   signals. What is in [`sync`] needs none.
//! - **A task lets others run** after a number of operations, though more could be done; see [`task::coop`].
//! - **A panic ends its task alone.** The handle gives it out as an error.
//!
//! # More
//!
//! Beside the sources there is a guide, `docs/guide`: where work belongs, knobs, shutting down, moving from tokio and from
//! smol, libraries, several processes on one port; `docs/tokio.md`, which lists every item of tokio; and
//! `docs/stability.md`, which says what stays as it is. `examples/` has programs.
//!
//! # Features
//!
//! The names are tokio's. By default `full` is on, which is all but the last group; the tree stays small all the same,
//! and tokio is not in it. A library switches the defaults off and names what it uses.
//!
//! | feature | brings |
//! |---|---|
//! | `fs` | the module `fs` |
//! | `io-std` | `io::stdin`, `stdout`, `stderr` |
//! | `io-util` | the extension traits of `io`, and streams made of others or of memory |
//! | `macros` | `#[loxley::main]`, `#[loxley::test]`, `select!` and its kin |
//! | `net` | the module `net`, `io::unix`; with `sync` also `net::connect` |
//! | `process` | the module `process`; with it `io-util` and `signal` |
//! | `signal` | the module `signal` |
//! | `stream` | the module `stream`, and what implements `Stream` |
//! | `sync` | the module `sync`; with it `time` |
//! | `time` | the module `time` |
//! | `rt`, `rt-multi-thread`, `parking_lot` | nothing: the runtime is always there, and parking_lot is what it uses |
//! | | *not in `full`:* |
//! | `hyper` | the module `hyper`: adapters that let hyper run here; with it `time` |
//! | `stall-backtrace` | Linux: the event of a long poll says which functions the thread was in |
//! | `test-util` | `time::pause`, `advance` and `resume`, `Builder::start_paused`; with it `sync` |
//! | `tokio-io` | real tokio's `AsyncRead` and its kin for our streams, and the adapter `compat::Tokio` |
//! | `tracing` | long polls as events of the `tracing` crate |
//!
//! A feature never changes what something does.

#![deny(unsafe_code)]

pub mod compat;
#[cfg(feature = "fs")]
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
#[cfg(loxley_counted)]
#[doc(hidden)]
pub use loxley_core::counted;

#[doc(hidden)]
pub mod macros;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "stream")]
pub mod stream;
#[cfg(feature = "sync")]
pub mod sync;
#[cfg(feature = "time")]
pub mod time;

pub mod runtime {
    //! [`Runtime`] and how to make one.
    //!
    //! [`Builder`] says what it shall be like, [`Handle`] reaches it from anywhere, and [`RuntimeMetrics`]
    //! counts what its workers do.

    #[doc(inline)]
    pub use loxley_core::runtime::dump;
    #[doc(inline)]
    pub use loxley_core::runtime::{
        Builder, Dump, EnterGuard, Handle, HistogramConfiguration, Id,
        InvalidHistogramConfiguration, LocalOptions, LocalRuntime, LogHistogram,
        LogHistogramBuilder, LongPoll, LongPollKind, RngSeed, Runtime, RuntimeFlavor,
        RuntimeMetrics, TaskMeta, TaskPanic, TryCurrentError, UnhandledPanic, is_rt_shutdown_err,
        worker_index,
    };
}

pub mod task;

#[doc(inline)]
pub use crate::task::spawn;
#[cfg(feature = "macros")]
pub use loxley_macros::{main, test};
