//! What the helpers over streams promise.

mod kit;

use std::io::{Cursor, ErrorKind, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use kit::{current_thread, on_every_runtime, poll_once};
use loxley::io::{
    self, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, BoundedStream, BufReader, BufStream, BufWriter, SyncIoBridge, duplex, simplex,
};

#[test]
fn a_simplex_stream_carries_bytes_until_it_is_shut_down() {
    on_every_runtime(|| async {
        let (mut reader, mut writer) = simplex(4);
        assert!(poll_once(reader.read(&mut [0; 4])).is_pending());
        writer.write_all(b"four").await.unwrap();
        assert!(poll_once(writer.write(b"more")).is_pending());
        let task = loxley::spawn(async move {
            writer.write_all(b"more").await.unwrap();
            writer.shutdown().await.unwrap();
            writer.write(b"late").await.unwrap_err().kind()
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "fourmore");
        assert_eq!(task.await.unwrap(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_buffered_reader_forgets_what_it_read_ahead_when_it_moves() {
    on_every_runtime(|| async {
        let mut reader = BufReader::with_capacity(4, Cursor::new(b"0123456789".to_vec()));
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        assert_eq!(reader.buffer(), b"123");
        assert_eq!(reader.stream_position().await.unwrap(), 1);
        assert_eq!(reader.read_u8().await.unwrap(), b'1');
        assert_eq!(reader.seek(SeekFrom::Current(3)).await.unwrap(), 5);
        assert_eq!(reader.read_u8().await.unwrap(), b'5');
        assert_eq!(reader.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        assert_eq!(reader.read_u8().await.unwrap(), b'9');
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).await.is_err());
        assert_eq!(reader.rewind().await.unwrap(), 0);
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
    });
}

#[test]
fn a_buffered_writer_writes_out_before_it_moves() {
    on_every_runtime(|| async {
        let mut writer = BufWriter::new(Cursor::new(Vec::new()));
        writer.write_all(b"hello").await.unwrap();
        assert_eq!(writer.seek(SeekFrom::Start(1)).await.unwrap(), 1);
        writer.write_all(b"a").await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(writer.get_ref().get_ref(), b"hallo");
        Pin::new(&mut writer)
            .start_seek(SeekFrom::Start(0))
            .unwrap();
        let twice = Pin::new(&mut writer).start_seek(SeekFrom::Start(0));
        assert!(twice.is_err(), "one seek at a time");
    });
}

#[test]
fn two_buffers_can_be_turned_inside_out() {
    on_every_runtime(|| async {
        let (near, mut far) = duplex(64);
        let mut reader = BufReader::new(near);
        far.write_all(b"read ahead").await.unwrap();
        assert_eq!(reader.read_u8().await.unwrap(), b'r');
        let mut writer = BufWriter::new(reader);
        writer.write_all(b"later").await.unwrap();
        let mut both = BufStream::from(writer);
        let mut bytes = [0; 9];
        both.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ead ahead");
        both.flush().await.unwrap();
        let mut bytes = [0; 5];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"later");
    });
}

#[test]
fn segments_come_without_their_delimiters() {
    on_every_runtime(|| async {
        let mut split = BufReader::new(&b"a,,b"[..]).split(b',');
        let mut segments = Vec::new();
        while let Some(segment) = split.next_segment().await.unwrap() {
            segments.push(segment);
        }
        assert_eq!(segments, [&b"a"[..], b"", b"b"]);
        assert_eq!(
            BufReader::new(&b""[..])
                .split(b',')
                .next_segment()
                .await
                .unwrap(),
            None
        );
    });
}

#[test]
fn copying_from_a_buffer_flushes_while_the_reader_has_nothing() {
    on_every_runtime(|| async {
        let (near, mut source) = duplex(64);
        let (far, mut target) = duplex(64);
        let copy = loxley::spawn(async move {
            let mut reader = BufReader::new(near);
            let mut writer = BufWriter::new(far);
            io::copy_buf(&mut reader, &mut writer).await
        });
        source.write_all(b"question").await.unwrap();
        let mut bytes = [0; 8];
        target.read_exact(&mut bytes).await.unwrap();
        drop(source);
        assert_eq!(copy.await.unwrap().unwrap(), 8);
        assert_eq!(target.read(&mut bytes).await.unwrap(), 0);
    });
}

#[test]
fn a_copy_from_memory_does_not_hold_its_worker() {
    current_thread().block_on(async {
        /// Always has a byte.
        struct Endless;
        impl AsyncRead for Endless {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &mut io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        impl io::AsyncBufRead for Endless {
            fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                Poll::Ready(Ok(b"x"))
            }

            fn consume(self: Pin<&mut Self>, _: usize) {}
        }
        let copy = loxley::spawn(async { io::copy_buf(&mut Endless, &mut io::sink()).await });
        loxley::task::yield_now().await;
        copy.abort();
        assert!(copy.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_bridge_reads_and_writes_for_code_that_blocks() {
    use std::io::{BufRead, Read, Write};
    on_every_runtime(|| async {
        let (near, mut far) = duplex(64);
        let mut bridge = SyncIoBridge::new(BufStream::new(near));
        let blocking = loxley::task::spawn_blocking(move || {
            let mut line = String::new();
            bridge.read_line(&mut line)?;
            let mut word = [0; 4];
            bridge.read_exact(&mut word)?;
            bridge.write_all(b"answer")?;
            bridge.flush()?;
            bridge.shutdown()?;
            Ok::<_, std::io::Error>((line, word))
        });
        far.write_all(b"line\nword").await.unwrap();
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        let (line, word) = blocking.await.unwrap().unwrap();
        assert_eq!(
            (line.as_str(), &word, answer.as_str()),
            ("line\n", b"word", "answer")
        );
    });
}

#[test]
#[should_panic(expected = "cannot block on a future from within a runtime")]
fn a_bridge_used_in_async_code_panics() {
    current_thread().block_on(async {
        let _ = std::io::Read::read(&mut SyncIoBridge::new(io::empty()), &mut [0; 1]);
    });
}

#[test]
fn empty_can_be_sought() {
    on_every_runtime(|| async {
        assert_eq!(io::empty().seek(SeekFrom::End(5)).await.unwrap(), 0);
    });
}

#[test]
fn a_limit_that_is_passed_is_an_error_and_loses_nothing() {
    on_every_runtime(|| async {
        let (near, mut far) = duplex(256);
        let near = BoundedStream::new(near, 8, 8);
        far.write_all(b"0123456789\n").await.unwrap();
        for _ in 0..2 {
            assert!(near.read_until(b"\n").await.unwrap_err().is_read_limit());
        }
        assert!(near.read_exact(9).await.unwrap_err().is_read_limit());
        assert_eq!(near.buffered(), 8);
        assert_eq!(near.read_exact(5).await.unwrap(), b"01234");
        assert_eq!(near.search(b"\n").await.unwrap(), 6);
        assert_eq!(near.read_until(b"\n").await.unwrap(), b"56789\n");
        drop(far);
        assert!(near.read_until(b"\n").await.unwrap_err().is_end());
        assert_eq!(near.read(8).await.unwrap(), b"");
    });
}

#[test]
fn what_does_not_fit_into_the_queue_is_refused_whole() {
    on_every_runtime(|| async {
        let (near, mut far) = duplex(4);
        let near = BoundedStream::new(near, 8, 8);
        near.queue(b"01234").unwrap();
        assert!(near.queue(b"5678").unwrap_err().is_write_limit());
        assert_eq!(near.queued(), 5);
        assert!(poll_once(near.flush()).is_pending());
        assert_eq!(near.queued(), 1, "what was sent has left the queue");
        near.queue(b"5678").unwrap();
        let mut bytes = [0; 9];
        let (sent, read) =
            futures_util::future::join(near.flush(), far.read_exact(&mut bytes)).await;
        sent.unwrap();
        read.unwrap();
        assert_eq!(&bytes, b"012345678");
    });
}

#[test]
fn a_second_reader_is_an_error_and_not_a_lost_wake() {
    on_every_runtime(|| async {
        let (near, mut far) = duplex(64);
        let near = BoundedStream::new(near, 64, 64);
        let mut first = Box::pin(near.read_until(b"\n"));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(near.read(1).await.unwrap_err().is_busy());
        near.write_all(b"writing goes on").await.unwrap();
        far.write_all(b"line\n").await.unwrap();
        assert_eq!(first.await.unwrap(), b"line\n");
        drop(far);
        assert_eq!(near.read(1).await.unwrap(), b"", "the place is free again");
    });
}

#[test]
fn a_delimiter_that_repeats_itself_is_found_across_pieces() {
    on_every_runtime(|| async {
        let (near, mut far) = duplex(64);
        let near = BoundedStream::new(near, 64, 64);
        let mut search = Box::pin(near.read_until(b"aab"));
        for byte in b"aaaaab" {
            assert!(poll_once(search.as_mut()).is_pending());
            far.write_all(&[*byte]).await.unwrap();
        }
        assert_eq!(search.await.unwrap(), b"aaaaab");
        assert_eq!(near.read_until(b"").await.unwrap(), b"");
    });
}

#[test]
fn streams_of_futures_io_become_ours_and_back() {
    use loxley::compat::{
        FuturesAsyncReadCompatExt, FuturesAsyncWriteCompatExt, TokioAsyncReadCompatExt,
    };
    on_every_runtime(|| async {
        let cursor = futures_util::io::Cursor::new(b"hello".to_vec());
        let mut ours = FuturesAsyncReadCompatExt::compat(cursor);
        assert_eq!(ours.seek(SeekFrom::Start(2)).await.unwrap(), 2);
        let mut text = String::new();
        ours.read_to_string(&mut text).await.unwrap();
        assert_eq!(
            (text.as_str(), ours.stream_position().await.unwrap()),
            ("llo", 5)
        );
        let mut writer = futures_util::io::Cursor::new(Vec::new()).compat_write();
        writer.write_all(b"out").await.unwrap();
        writer.shutdown().await.unwrap();
        assert_eq!(writer.into_inner().into_inner(), b"out");

        let mut theirs = TokioAsyncReadCompatExt::compat(Cursor::new(b"hello".to_vec()));
        let place = futures_util::AsyncSeekExt::seek(&mut theirs, SeekFrom::End(-1));
        assert_eq!(place.await.unwrap(), 4);
        let mut bytes = Vec::new();
        futures_util::AsyncReadExt::read_to_end(&mut theirs, &mut bytes)
            .await
            .unwrap();
        assert_eq!(bytes, b"o");
    });
}

#[test]
fn a_joined_stream_reads_from_one_and_writes_to_the_other() {
    on_every_runtime(|| async {
        let mut both = io::join(BufReader::new(&b"in\nmore"[..]), Vec::new());
        let mut line = String::new();
        both.read_line(&mut line).await.unwrap();
        both.write_all(b"out").await.unwrap();
        assert!(both.is_write_vectored());
        let (reader, writer) = both.into_inner();
        assert_eq!(
            (line.as_str(), reader.buffer(), writer.as_slice()),
            ("in\n", &b"more"[..], &b"out"[..])
        );
    });
}

#[test]
fn output_is_there_after_a_flush() {
    on_every_runtime(|| async {
        let mut output = io::stdout();
        output.write_all(b"").await.unwrap();
        output.flush().await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut io::stderr()).poll_flush(&mut cx).is_ready());
    });
}

/// Reads the standard input in a process of its own, where it is a pipe that never ends.
#[test]
fn a_read_of_stdin_does_not_hold_the_runtime() {
    const CHILD: &str = "LOXLEY_TEST_STDIN";
    if std::env::var_os(CHILD).is_some() {
        let runtime = current_thread();
        runtime.block_on(async {
            let mut input = io::stdin();
            let mut word = [0; 4];
            input.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"word");
            assert!(poll_once(input.read(&mut word)).is_pending());
        });
        drop(runtime);
        return;
    }
    use std::io::Write;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_read_of_stdin_does_not_hold_the_runtime"])
        .env(CHILD, "1")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"word").unwrap();
    assert!(child.wait().unwrap().success());
    drop(input);
}
