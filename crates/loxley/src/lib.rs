//! An async runtime whose workers share everything.
//!
//! Each worker thread holds a queue of tasks, a poller and a timer wheel of its own; idle workers take from
//! busy ones, and nothing that a worker owns is out of reach for its peers.
//!
//! Names, paths, signatures and meaning are tokio's wherever tokio has the concept, so that moving a program
//! over is a matter of its `use` lines.
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
//! | `sync` | the module `sync` |
//! | `time` | the module `time` |
//! | `rt`, `rt-multi-thread`, `parking_lot` | nothing: the runtime is always there, and parking_lot is what it uses |
//! | | *not in `full`:* |
//! | `hyper` | the module `hyper`: adapters that let hyper run here |
//! | `stall-backtrace` | Linux: the event of a long poll says which functions the thread was in |
//! | `test-util` | `time::pause`, `advance` and `resume`, `Builder::start_paused` |
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
        Builder, Dump, EnterGuard, Handle, HistogramConfiguration, InvalidHistogramConfiguration,
        LocalOptions, LocalRuntime, LogHistogram, LogHistogramBuilder, LongPoll, LongPollKind,
        RngSeed, Runtime, RuntimeFlavor, RuntimeMetrics, TaskMeta, TaskPanic, TryCurrentError,
        UnhandledPanic,
    };
}

pub mod task;

#[doc(inline)]
pub use crate::task::spawn;
#[cfg(feature = "macros")]
pub use loxley_macros::{main, test};
