//! Streams of the standard library that block, made async on other threads.
//!
//! Words: a *job* is one blocking call on another thread (`job.rs`); the *buffer* holds the bytes between it and the async side.
//!
//! 1. At most one job is under way. It owns the stream and the buffer, and gives both back in its result.
//! 2. Reading: what the last job read is handed out first; only then the next job reads, into a buffer as large as
//!    the caller's, at most [`MAX_BUF`].
//! 3. Writing: bytes go into the buffer and a job writes all of them; `poll_write` returns as soon as the job is
//!    started, `poll_flush` waits for it. An error of a job comes back from the next operation.
//! 4. A job that never ran, because the runtime was shut down, is an error; the stream is then gone.

use std::io::{self, Read, Write};
use std::task::{Context, Poll, ready};

use loxley_core::shared::shut_down;

use super::ReadBuf;
use super::job::{Job, MAX_BUF};

/// Where reads of a stream run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The blocking pool.
    Pool,
    /// A thread that no runtime waits for: the read may never end.
    Thread,
}

/// A stream that blocks.
#[derive(Debug)]
pub(crate) struct Blocking<T> {
    state: State<T>,
    place: Place,
    /// Bytes may be on their way that `poll_flush` has to wait for.
    unflushed: bool,
}

#[derive(Debug)]
enum State<T> {
    Idle(T, Buffer),
    Busy(Job<(T, Buffer, io::Result<usize>)>),
    /// Step 4.
    Gone,
}

/// Bytes read and not handed out yet.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl<T> Blocking<T> {
    pub(crate) fn new(stream: T, place: Place) -> Blocking<T> {
        Blocking {
            state: State::Idle(stream, Buffer::default()),
            place,
            unflushed: false,
        }
    }
}

impl<T: Send + 'static> Blocking<T> {
    /// Waits for the job under way; its result, if there was one.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        let State::Busy(job) = &self.state else {
            return match self.state {
                State::Gone => Poll::Ready(Err(shut_down())),
                _ => Poll::Ready(Ok(None)),
            };
        };
        match ready!(job.poll(cx)) {
            Ok((stream, buffer, result)) => {
                self.state = State::Idle(stream, buffer);
                Poll::Ready(result.map(Some))
            }
            Err(error) => {
                self.state = State::Gone;
                Poll::Ready(Err(error))
            }
        }
    }

    /// Starts a job with stream and buffer; the stream must be idle.
    #[track_caller]
    fn start(
        &mut self,
        place: Place,
        job: impl FnOnce(&mut T, &mut Buffer) -> io::Result<usize> + Send + 'static,
    ) -> io::Result<()> {
        let State::Idle(mut stream, mut buffer) = std::mem::replace(&mut self.state, State::Gone)
        else {
            unreachable!("a job is started when there is none");
        };
        let run = move || {
            let result = job(&mut stream, &mut buffer);
            (stream, buffer, result)
        };
        self.state = State::Busy(match place {
            Place::Pool => Job::on_pool(run),
            Place::Thread => Job::on_thread(run)?,
        });
        Ok(())
    }
}

impl<T: Read + Send + 'static> Blocking<T> {
    /// Step 2.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let finished = ready!(self.poll_idle(cx))?;
            let State::Idle(_, buffer) = &mut self.state else {
                return Poll::Ready(Err(shut_down()));
            };
            let len = buffer.rest().len().min(buf.remaining());
            buf.put_slice(&buffer.rest()[..len]);
            buffer.start += len;
            if len > 0 || finished == Some(0) || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let asked = buf.remaining().min(MAX_BUF);
            self.start(self.place, move |stream, buffer| {
                buffer.start = 0;
                buffer.bytes.resize(asked, 0);
                let result = crate::io::retry(|| stream.read(&mut buffer.bytes));
                buffer.bytes.truncate(*result.as_ref().unwrap_or(&0));
                result
            })?;
        }
    }
}

impl<T: Write + Send + 'static> Blocking<T> {
    /// Step 3.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_idle(cx))?;
        let len = buf.len().min(MAX_BUF);
        if let State::Idle(_, buffer) = &mut self.state {
            buffer.start = 0;
            buffer.bytes.clear();
            buffer.bytes.extend_from_slice(&buf[..len]);
        }
        self.start(Place::Pool, |stream, buffer| {
            stream.write_all(&buffer.bytes)?;
            Ok(buffer.bytes.len())
        })?;
        self.unflushed = true;
        Poll::Ready(Ok(len))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_idle(cx))?;
            if !self.unflushed {
                return Poll::Ready(Ok(()));
            }
            self.start(Place::Pool, |stream, _| stream.flush().map(|()| 0))?;
            self.unflushed = false;
        }
    }
}

/// Both traits for a type with a field `inner: Blocking<_>`.
macro_rules! impl_blocking_write {
    ($writer:ty) => {
        impl $crate::io::AsyncWrite for $writer {
            fn poll_write(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let unit = std::task::ready!(loxley_core::coop::poll_proceed(cx));
                let written = std::task::ready!(self.inner.poll_write(cx, buf));
                unit.made_progress();
                std::task::Poll::Ready(written)
            }

            fn poll_flush(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.inner.poll_flush(cx)
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

pub(super) use impl_blocking_write;

#[cfg(test)]
mod tests;
