//! `BoundedStream` beside the bytes that it is to deliver, over a stream that gives and takes them in odd pieces.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use loxley::io::{AsyncRead, AsyncWrite, BoundedError, BoundedStream, ReadBuf};

use crate::Input;

/// The stream below: what it gives, what it has taken, and the sizes of the pieces.
struct Pieces<'a> {
    gives: &'a [u8],
    taken: Vec<u8>,
    /// One byte per call, round and round: 0 is `Pending`, anything else the most bytes that pass.
    sizes: &'a [u8],
    call: usize,
}

impl Pieces<'_> {
    fn size(&mut self) -> usize {
        self.call += 1;
        match self.sizes.len() {
            0 => 1,
            len => self.sizes[self.call % len].into(),
        }
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.size();
        if size == 0 {
            return Poll::Pending;
        }
        let gives = self.gives;
        let (piece, rest) = gives.split_at(size.min(gives.len()).min(buf.remaining()));
        buf.put_slice(piece);
        self.gives = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let size = self.size().min(bytes.len());
        if size == 0 {
            return Poll::Pending;
        }
        self.taken.extend_from_slice(&bytes[..size]);
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a future to its end; every other `Pending` it is dropped and made anew, which must lose nothing.
fn drive<F: Future>(mut make: impl FnMut() -> F) -> F::Output {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        let mut future = pin!(make());
        for _ in 0..2 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
        }
    }
    panic!("a hundred thousand polls, and no end");
}

/// How an operation ends.
#[derive(Debug, PartialEq)]
enum End {
    Found(usize),
    Limit,
    Over,
}

fn end(result: Result<usize, BoundedError>) -> End {
    match result {
        Ok(len) => End::Found(len),
        Err(error) if error.is_read_limit() => End::Limit,
        Err(error) => {
            assert!(error.is_end(), "{error}");
            End::Over
        }
    }
}

/// What a search must say, by looking at everything at once.
fn search(rest: &[u8], delimiter: &[u8], limit: usize) -> End {
    let window = &rest[..rest.len().min(limit)];
    let found = match delimiter.len() {
        0 => Some(0),
        len => window
            .windows(len)
            .position(|at| at == delimiter)
            .map(|at| at + len),
    };
    match found {
        Some(end) => End::Found(end),
        None if rest.len() >= limit => End::Limit,
        None => End::Over,
    }
}

pub fn run(data: &[u8]) {
    let _ = operations(&mut Input(data));
}

fn operations(input: &mut Input<'_>) -> Option<()> {
    let read_limit = 1 + input.below(64)?;
    let write_limit = 1 + input.below(64)?;
    let sizes = input.bytes(8)?;
    if sizes.iter().all(|size| *size == 0) && !sizes.is_empty() {
        return None; // it would never give anything
    }
    let gives = input.bytes(200)?;
    let mut rest = gives;
    let below = Pieces {
        gives,
        taken: Vec::new(),
        sizes,
        call: 0,
    };
    let stream = BoundedStream::new(below, read_limit, write_limit);
    let mut queued = Vec::new();
    while let Some(operation) = input.below(6) {
        match operation {
            0 | 1 => {
                let delimiter = input.bytes(5)?;
                let expected = search(rest, delimiter, read_limit);
                if operation == 0 {
                    assert_eq!(end(drive(|| stream.search(delimiter))), expected);
                    continue;
                }
                let found = drive(|| stream.read_until(delimiter));
                if let Ok(bytes) = &found {
                    assert_eq!(bytes[..], rest[..bytes.len()]);
                }
                assert_eq!(end(found.map(|bytes| bytes.len())), expected);
                if let End::Found(len) = expected {
                    rest = &rest[len..];
                }
            }
            2 => {
                let len = input.below(80)?;
                let found = drive(|| stream.read_exact(len));
                if let Ok(bytes) = &found {
                    assert_eq!(bytes[..], rest[..len]);
                    rest = &rest[len..];
                } else {
                    assert!(len > read_limit || len > rest.len());
                }
                let expected = match len {
                    len if len > read_limit => End::Limit,
                    len if found.is_ok() => End::Found(len),
                    _ => End::Over,
                };
                assert_eq!(end(found.map(|bytes| bytes.len())), expected);
            }
            3 => {
                let len = input.below(80)?;
                let bytes = drive(|| stream.read(len)).expect("reading goes on to the end");
                assert!(bytes.len() <= len);
                assert_eq!(bytes[..], rest[..bytes.len()]);
                assert!(!bytes.is_empty() || len == 0 || rest.is_empty());
                rest = &rest[bytes.len()..];
            }
            4 => {
                let bytes = input.bytes(80)?;
                let fits = stream.queued() + bytes.len() <= write_limit;
                assert_eq!(stream.queue(bytes).is_ok(), fits);
                if fits {
                    queued.extend_from_slice(bytes);
                }
            }
            _ => {
                drive(|| stream.flush()).expect("the stream takes everything");
                assert_eq!(stream.queued(), 0);
            }
        }
        assert!(stream.buffered() <= read_limit && stream.queued() <= write_limit);
    }
    drive(|| stream.flush()).expect("the stream takes everything");
    let (below, ahead, unsent) = stream.into_parts();
    assert_eq!(below.taken, queued);
    assert!(unsent.is_empty());
    assert_eq!([&ahead[..], below.gives].concat(), rest);
    Some(())
}
