//! hyper without a runtime: its connection is a future that is polled when there is something to read.
//!
//! Nothing else ever wakes it, for the service answers at once, and 13 bytes always fit.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use rustix::event::epoll::EventFlags;

use super::{Serve, Watch};

/// Most that is read at once: a request has 80 bytes.
const BUFFER: usize = 4096;

/// The answer to everything, on the runtimes too.
pub async fn hello(_: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        b"Hello, World!",
    ))))
}

/// One connection.
pub(super) struct Http {
    readable: Rc<Cell<bool>>,
    serving: Pin<Box<dyn Future<Output = hyper::Result<()>>>>,
}

/// Says whether hyper wants to be polled again at once, as it does after many requests in a row.
#[derive(Default)]
struct Again(AtomicBool);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the polls of one thread share.
pub(super) struct Polling {
    again: Arc<Again>,
    waker: Waker,
}

impl Default for Polling {
    fn default() -> Self {
        let again = Arc::new(Again::default());
        let waker = Waker::from(again.clone());
        Self { again, waker }
    }
}

impl Serve for Http {
    type Thread = Polling;

    fn new(_: &Polling, stream: TcpStream) -> Self {
        let readable = Rc::new(Cell::new(false));
        let io = Io {
            stream,
            readable: readable.clone(),
            buffer: Box::new([0; BUFFER]),
        };
        let serving = http1::Builder::new().serve_connection(io, service_fn(hello));
        let serving = Box::pin(serving);
        Self { readable, serving }
    }

    fn ready(&mut self, thread: &mut Polling, _: Watch<'_>, _: EventFlags) -> io::Result<bool> {
        self.readable.set(true);
        let mut cx = Context::from_waker(&thread.waker);
        loop {
            if self.serving.as_mut().poll(&mut cx).is_ready() {
                return Ok(false);
            }
            if !thread.again.0.swap(false, Ordering::Relaxed) {
                return Ok(true);
            }
        }
    }
}

/// A socket that is read once per event.
struct Io {
    stream: TcpStream,
    readable: Rc<Cell<bool>>,
    buffer: Box<[u8; BUFFER]>,
}

impl hyper::rt::Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.readable.replace(false) {
            return Poll::Pending;
        }
        let Self { stream, buffer, .. } = &mut *self;
        let room = into.remaining().min(BUFFER);
        match stream.read(&mut buffer[..room]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result.map(|count| into.put_slice(&buffer[..count]))),
        }
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // For want of room this is an error, and the connection ends: nobody would poll it when there is some.
        Poll::Ready(self.stream.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(std::net::Shutdown::Write))
    }
}
