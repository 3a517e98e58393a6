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
//! | feature | default | brings |
//! |---|---|---|
//! | `macros` | yes | `#[loxley::main]`, `#[loxley::test]`, `select!` |
//! | `hyper` | no | the module `hyper`: adapters that let hyper run here |
//! | `test-util` | no | `time::pause`, `advance` and `resume`, `Builder::start_paused` |
//! | `tokio-io` | no | real tokio's `AsyncRead` and its kin for our streams, and the adapter `compat::Tokio` |
//!
//! The other names in the manifest are those that a dependency on tokio may ask for. They bring nothing:
//! runtime, `net`, `io` and `time` are always there.
//!
//! A feature never changes what something does.

#![deny(unsafe_code)]

pub mod compat;
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
#[doc(hidden)]
pub mod macros;
pub mod net;
pub mod process;
pub mod signal;
pub mod sync;
pub mod time;

pub mod runtime {
    //! [`Runtime`] and how to make one.
    //!
    //! [`Builder`] says what it shall be like, [`Handle`] reaches it from anywhere, and [`RuntimeMetrics`]
    //! counts what its workers do.

    #[doc(inline)]
    pub use loxley_core::runtime::{
        Builder, EnterGuard, Handle, LongPoll, LongPollKind, Runtime, RuntimeFlavor,
        RuntimeMetrics, TryCurrentError,
    };
}

pub mod task;

#[doc(inline)]
pub use crate::task::spawn;
#[cfg(feature = "macros")]
pub use loxley_macros::{main, test};
