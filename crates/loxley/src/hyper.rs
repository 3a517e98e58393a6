//! hyper on loxley: what its runtime traits ask for.
//!
//! [`LoxleyIo`] makes a stream of ours one of hyper's, [`LoxleyExecutor`] spawns its futures, [`LoxleyTimer`]
//! is its clock.
//!
//! ```no_run
//! use loxley::hyper::{LoxleyIo, LoxleyTimer};
//! # use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
//! # use http_body_util::Full;
//! # use std::convert::Infallible;
//! # async fn hello(_: Request<Incoming>) -> Result<Response<Full<&'static [u8]>>, Infallible> {
//! #     Ok(Response::new(Full::new(b"hello")))
//! # }
//!
//! # #[loxley::main]
//! # async fn main() -> std::io::Result<()> {
//! let listener = loxley::net::TcpListener::bind("127.0.0.1:0").await?;
//! loop {
//!     let (stream, _) = listener.accept().await?;
//!     loxley::spawn(
//!         http1::Builder::new()
//!             .timer(LoxleyTimer::new())
//!             .serve_connection(LoxleyIo::new(stream), service_fn(hello)),
//!     );
//! }
//! # }
//! ```

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{self, ReadBufCursor};
use pin_project_lite::pin_project;

use crate::io::{AsyncRead, AsyncWrite, ReadBuf};
use crate::time::{self, Sleep};

pin_project! {
    /// A stream of ours as one of hyper's, and one of hyper's (an upgraded connection) as one of ours.
    #[derive(Debug)]
    pub struct LoxleyIo<T> {
        #[pin]
        inner: T,
    }
}

impl<T> LoxleyIo<T> {
    /// Wraps a stream.
    pub fn new(inner: T) -> LoxleyIo<T> {
        LoxleyIo { inner }
    }

    /// The stream within.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The stream within.
    pub fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The stream within.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead> rt::Read for LoxleyIo<T> {
    #[expect(
        unsafe_code,
        reason = "hyper's cursor is filled without being zeroed first"
    )]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: a `ReadBuf` never makes bytes uninitialised.
        let memory = unsafe { cursor.as_mut() };
        let start = memory.as_ptr();
        let mut buf = ReadBuf::uninit(memory);
        ready!(self.project().inner.poll_read(cx, &mut buf))?;
        // A reader could have put another `ReadBuf` in the place of ours.
        let here = std::ptr::eq(buf.filled().as_ptr().cast(), start);
        assert!(here, "a reader has exchanged the buffer that it was given");
        let filled = buf.filled().len();
        // SAFETY: the first `filled` bytes hold values.
        unsafe { cursor.advance(filled) };
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> rt::Write for LoxleyIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }
}

impl<T: rt::Read> AsyncRead for LoxleyIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut theirs = rt::ReadBuf::new(buf.initialize_unfilled());
        ready!(self.project().inner.poll_read(cx, theirs.unfilled()))?;
        let filled = theirs.filled().len();
        buf.advance(filled);
        Poll::Ready(Ok(()))
    }
}

impl<T: rt::Write> AsyncWrite for LoxleyIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }
}

/// Spawns hyper's futures on the current runtime.
///
/// # Panics
///
/// When hyper uses it outside a runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoxleyExecutor(());

impl LoxleyExecutor {
    /// An executor for whatever runtime is current when it is used.
    #[must_use]
    pub fn new() -> LoxleyExecutor {
        LoxleyExecutor(())
    }
}

impl<F> rt::Executor<F> for LoxleyExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        // Dropping the handle lets the task run on.
        drop(crate::spawn(future));
    }
}

/// hyper's clock, on the timers of the current runtime.
///
/// # Panics
///
/// When hyper uses it outside a runtime, or in one without
/// [`enable_time`](crate::runtime::Builder::enable_time).
#[derive(Debug, Clone, Copy, Default)]
pub struct LoxleyTimer(());

impl LoxleyTimer {
    /// A timer for whatever runtime is current when it is used.
    #[must_use]
    pub fn new() -> LoxleyTimer {
        LoxleyTimer(())
    }
}

impl rt::Timer for LoxleyTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(LoxleySleep {
            inner: time::sleep(duration),
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(LoxleySleep {
            inner: time::sleep_until(deadline.into()),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<LoxleySleep>() {
            Some(ours) => ours.project().inner.reset(new_deadline.into()),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

pin_project! {
    /// A wait of [`LoxleyTimer`].
    #[derive(Debug)]
    struct LoxleySleep {
        #[pin]
        inner: Sleep,
    }
}

impl Future for LoxleySleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

impl rt::Sleep for LoxleySleep {}
