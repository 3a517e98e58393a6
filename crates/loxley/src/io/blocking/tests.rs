//! The steps of the module head, over streams that misbehave.

use std::future::poll_fn;
use std::task::Waker;

use super::*;
use crate::runtime::Builder;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// Gives out one piece per read.
struct Pieces(Vec<&'static [u8]>);

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.pop() else {
            return Ok(0);
        };
        buf[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

async fn read(stream: &mut Blocking<Pieces>, len: usize) -> io::Result<Vec<u8>> {
    let mut memory = vec![0; len];
    let mut buf = ReadBuf::new(&mut memory);
    poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

#[test]
fn reads_hand_out_what_came_and_then_the_end() {
    for place in [Place::Pool, Place::Thread] {
        block_on(async {
            let mut stream = Blocking::new(Pieces(vec![b"ef", b"abcd"]), place);
            assert_eq!(read(&mut stream, 8).await.unwrap(), b"abcd");
            assert_eq!(read(&mut stream, 8).await.unwrap(), b"ef");
            assert_eq!(read(&mut stream, 8).await.unwrap(), b"");
            assert_eq!(read(&mut stream, 0).await.unwrap(), b"");
        });
    }
}

#[test]
fn a_read_that_was_dropped_loses_no_byte() {
    block_on(async {
        let mut stream = Blocking::new(Pieces(vec![b"abcd"]), Place::Pool);
        let mut memory = [0; 8];
        let mut cx = Context::from_waker(Waker::noop());
        let started = stream.poll_read(&mut cx, &mut ReadBuf::new(&mut memory));
        assert!(started.is_pending());
        assert_eq!(read(&mut stream, 3).await.unwrap(), b"abc");
        assert_eq!(read(&mut stream, 3).await.unwrap(), b"d");
    });
}

/// Fails at every write and flush.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_a_write_comes_from_the_next_operation() {
    block_on(async {
        let mut stream = Blocking::new(Full, Place::Pool);
        let written = poll_fn(|cx| stream.poll_write(cx, b"lost")).await;
        assert_eq!(written.unwrap(), 4);
        let flushed = poll_fn(|cx| stream.poll_flush(cx)).await;
        assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        // It is told once.
        assert!(poll_fn(|cx| stream.poll_flush(cx)).await.is_ok());
    });
}

#[test]
fn a_job_that_panics_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("broken");
        }
    }
    block_on(async {
        let mut stream = Blocking::new(Broken, Place::Pool);
        for _ in 0..2 {
            let mut memory = [0; 8];
            let mut buf = ReadBuf::new(&mut memory);
            assert!(poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.is_err());
        }
    });
}
