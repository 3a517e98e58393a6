//! The extension methods and the streams made of memory.

mod kit;

use std::future::{Future, poll_fn};
use std::io::{Cursor, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use kit::on_every_runtime;
use loxley::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter,
    ReadBuf, copy, copy_bidirectional, duplex, empty, repeat, sink, split,
};

/// Gives one byte per read, and says `Pending` before each.
struct Drops<'a> {
    bytes: &'a [u8],
    asked: bool,
}

impl<'a> Drops<'a> {
    fn new(bytes: &'a [u8]) -> Drops<'a> {
        Drops {
            bytes,
            asked: false,
        }
    }
}

impl AsyncRead for Drops<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.asked = !self.asked;
        if self.asked {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some((first, rest)) = self.bytes.split_first() {
            buf.put_slice(&[*first]);
            self.bytes = rest;
        }
        Poll::Ready(Ok(()))
    }
}

/// Polls a future once with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn numbers_come_back_as_they_were_written() {
    on_every_runtime(|| async {
        let mut stream = Vec::new();
        stream.write_u8(200).await.unwrap();
        stream.write_i16_le(-2).await.unwrap();
        stream.write_u128(u128::MAX - 5).await.unwrap();
        stream.write_f64_le(0.25).await.unwrap();
        assert_eq!(stream.len(), 1 + 2 + 16 + 8);
        assert_eq!(stream[1..3], [0xFE, 0xFF]);

        let mut reader = Drops::new(&stream);
        assert_eq!(reader.read_u8().await.unwrap(), 200);
        assert_eq!(reader.read_i16_le().await.unwrap(), -2);
        assert_eq!(reader.read_u128().await.unwrap(), u128::MAX - 5);
        assert_eq!(reader.read_f64_le().await.unwrap(), 0.25);
        assert_eq!(
            reader.read_u8().await.unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
    });
}

#[test]
fn an_exact_read_of_a_short_stream_is_an_unexpected_eof() {
    on_every_runtime(|| async {
        let mut reader = Drops::new(b"abc");
        let mut buf = [0; 4];
        let error = reader.read_exact(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn reading_to_the_end_appends_and_counts_what_it_read() {
    on_every_runtime(|| async {
        let mut buf = b"before ".to_vec();
        assert_eq!(Drops::new(b"after").read_to_end(&mut buf).await.unwrap(), 5);
        assert_eq!(buf, b"before after");

        let mut text = String::from("before ");
        assert_eq!(
            Drops::new("später".as_bytes())
                .read_to_string(&mut text)
                .await
                .unwrap(),
            7
        );
        assert_eq!(text, "before später");
    });
}

#[test]
fn a_vector_that_fits_exactly_does_not_grow_to_find_the_end() {
    on_every_runtime(|| async {
        let bytes = vec![7; 1000];
        let mut buf = Vec::with_capacity(1000);
        let capacity = buf.capacity();
        (&bytes[..]).read_to_end(&mut buf).await.unwrap();
        assert_eq!((buf.len(), buf.capacity()), (1000, capacity));

        let bytes = vec![7; 100_000];
        let mut buf = Vec::with_capacity(10);
        (&bytes[..]).read_to_end(&mut buf).await.unwrap();
        assert_eq!(buf, bytes);
    });
}

#[test]
fn text_that_is_not_utf_8_leaves_the_string_alone() {
    on_every_runtime(|| async {
        let mut text = String::from("kept");
        let error = (&b"\xFF\xFE"[..])
            .read_to_string(&mut text)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = (&b"\xFF\xFE\n"[..]).read_line(&mut text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(text, "kept");
    });
}

#[test]
fn reading_into_a_buf_mut_stops_at_its_limit() {
    on_every_runtime(|| async {
        let mut buf = bytes::BufMut::limit(Vec::new(), 3);
        let mut stream = &b"abcdef"[..];
        assert_eq!(stream.read_buf(&mut buf).await.unwrap(), 3);
        assert_eq!(stream.read_buf(&mut buf).await.unwrap(), 0);
        assert_eq!(buf.into_inner(), b"abc");
        assert_eq!(stream, b"def");
    });
}

#[test]
fn a_taken_stream_ends_at_its_limit_and_a_chain_goes_on() {
    on_every_runtime(|| async {
        let mut text = String::new();
        let mut stream = (&b"abcdef"[..]).take(4).chain(Drops::new(b"xyz"));
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abcdxyz");
        let (taken, _) = stream.into_inner();
        assert_eq!((taken.limit(), taken.into_inner()), (0, &b"ef"[..]));
    });
}

#[test]
fn lines_lose_their_ends_and_the_last_needs_none() {
    on_every_runtime(|| async {
        let mut lines = BufReader::with_capacity(3, Drops::new(b"one\r\n\ntwo\nthree")).lines();
        for expected in ["one", "", "two", "three"] {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn a_dropped_next_line_keeps_the_part_that_it_has_read() {
    on_every_runtime(|| async {
        let (mut near, far) = duplex(64);
        let mut lines = BufReader::new(far).lines();
        near.write_all(b"first ha").await.unwrap();
        assert!(poll_once(pin!(lines.next_line())).is_pending());
        near.write_all(b"lf\n").await.unwrap();
        assert_eq!(
            lines.next_line().await.unwrap().as_deref(),
            Some("first half")
        );
    });
}

#[test]
fn reading_until_a_delimiter_looks_at_each_byte_once() {
    on_every_runtime(|| async {
        // 4 MiB byte by byte: a search that began anew each time would look at 8 TB.
        const LEN: usize = 1 << 22;
        let record = [vec![b'x'; LEN], vec![b'\n'], b"rest".to_vec()].concat();
        let mut reader = BufReader::with_capacity(1, &record[..]);
        let mut buf = Vec::new();
        assert_eq!(reader.read_until(b'\n', &mut buf).await.unwrap(), LEN + 1);
        assert_eq!(reader.read_until(b'\n', &mut buf).await.unwrap(), 4);
        assert_eq!(buf, record);
        assert_eq!(reader.read_until(b'\n', &mut buf).await.unwrap(), 0);
    });
}

#[test]
fn bytes_that_were_shown_stay_until_they_are_consumed() {
    on_every_runtime(|| async {
        let mut reader = BufReader::new(Cursor::new("abc"));
        assert_eq!(reader.fill_buf().await.unwrap(), b"abc");
        reader.consume(1);
        assert_eq!(reader.fill_buf().await.unwrap(), b"bc");
        reader.consume(2);
        assert_eq!(reader.fill_buf().await.unwrap(), b"");
    });
}

#[test]
fn a_buffered_writer_keeps_the_order_of_small_and_large_writes() {
    on_every_runtime(|| async {
        let mut writer = BufWriter::with_capacity(4, Vec::new());
        writer.write_all(b"ab").await.unwrap();
        assert_eq!(writer.buffer(), b"ab");
        writer.write_all(b"cdefgh").await.unwrap();
        writer.write_all(b"i").await.unwrap();
        assert_eq!(writer.get_ref(), b"abcdefgh");
        let bufs = [IoSlice::new(b"j"), IoSlice::new(b""), IoSlice::new(b"k")];
        assert_eq!(writer.write_vectored(&bufs).await.unwrap(), 2);
        writer.shutdown().await.unwrap();
        assert_eq!(writer.into_inner(), b"abcdefghijk");
    });
}

#[test]
fn a_writer_that_is_full_is_write_zero() {
    on_every_runtime(|| async {
        let mut memory = [0; 4];
        let mut writer = Cursor::new(&mut memory[..]);
        let error = writer.write_all(b"abcdef").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        assert_eq!(&memory, b"abcd");
    });
}

#[test]
fn a_copy_flushes_before_it_waits_for_more() {
    on_every_runtime(|| async {
        let (mut near, mut far) = duplex(64);
        let (mut answers, out) = duplex(64);
        let mut writer = BufWriter::new(out);
        near.write_all(b"question").await.unwrap();
        let mut copying = pin!(copy(&mut far, &mut writer));
        assert!(poll_once(copying.as_mut()).is_pending());
        let mut buf = [0; 8];
        answers.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"question");
        drop(near);
        assert_eq!(copying.await.unwrap(), 8);
    });
}

#[test]
fn a_proxy_passes_a_half_closed_connection_on() {
    on_every_runtime(|| async {
        let (mut client, mut left) = duplex(3);
        let (mut right, mut server) = duplex(5);
        let proxy = loxley::spawn(async move { copy_bidirectional(&mut left, &mut right).await });
        let server = loxley::spawn(async move {
            let mut question = String::new();
            server.read_to_string(&mut question).await.unwrap();
            server
                .write_all(question.to_uppercase().as_bytes())
                .await
                .unwrap();
        });
        client.write_all(b"a question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "A QUESTION");
        server.await.unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (10, 10));
    });
}

#[test]
fn a_duplex_waits_when_full_and_breaks_when_the_other_side_goes() {
    on_every_runtime(|| async {
        let (mut near, mut far) = duplex(4);
        assert_eq!(near.write(b"abcdef").await.unwrap(), 4);
        assert!(poll_once(pin!(near.write(b"ef"))).is_pending());
        let mut buf = [0; 2];
        far.read_exact(&mut buf).await.unwrap();
        assert_eq!(near.write(b"ef").await.unwrap(), 2);

        far.write_all(b"bye").await.unwrap();
        drop(far);
        assert_eq!(
            near.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        let mut rest = String::new();
        near.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "bye");
    });
}

#[test]
fn a_split_stream_reads_while_it_writes_and_can_be_put_together() {
    on_every_runtime(|| async {
        let (near, mut far) = duplex(2);
        let (mut reader, mut writer) = split(near);
        let writing = loxley::spawn(async move {
            writer.write_all(b"many small pieces").await.unwrap();
            writer
        });
        far.write_all(b"in").await.unwrap();
        let mut word = [0; 2];
        reader.read_exact(&mut word).await.unwrap();
        let mut text = [0; 17];
        far.read_exact(&mut text).await.unwrap();
        assert_eq!((&word, &text), (b"in", b"many small pieces"));
        let whole = reader.unsplit(writing.await.unwrap());
        drop(whole);
        assert_eq!(far.read(&mut word).await.unwrap(), 0);
    });
}

/// A task over `endless` lets another run, although it never has to wait.
async fn yields(endless: impl Future<Output = ()> + Send + 'static) {
    let endless = loxley::spawn(endless);
    // One worker: this runs only if the task above gives way.
    loxley::spawn(async {}).await.unwrap();
    endless.abort();
    assert!(
        endless
            .await
            .err()
            .is_some_and(|error| error.is_cancelled())
    );
}

#[test]
fn streams_that_are_always_ready_let_other_tasks_run() {
    on_every_runtime(|| async {
        yields(async {
            let mut buf = [0; 8];
            while empty().read(&mut buf).await.is_ok() {}
        })
        .await;
        yields(async {
            let mut buf = [0; 8];
            while repeat(1).read(&mut buf).await.is_ok() {}
        })
        .await;
        yields(async { while sink().write(b"x").await.is_ok() {} }).await;
        yields(async { while copy(&mut &b"x"[..], &mut Vec::new()).await.is_ok() {} }).await;
        yields(async {
            let (mut near, mut far) = duplex(8);
            let mut buf = [0; 1];
            while near.write_all(b"x").await.is_ok() && far.read(&mut buf).await.is_ok() {}
        })
        .await;
    });
}

#[test]
fn boxed_and_borrowed_and_pinned_streams_are_streams() {
    on_every_runtime(|| async {
        async fn first<R: AsyncRead>(reader: R) -> u8 {
            pin!(reader).read_u8().await.unwrap()
        }
        let mut bytes = &b"abc"[..];
        assert_eq!(first(&mut bytes).await, b'a');
        assert_eq!(first(Box::new(bytes)).await, b'b');
        assert_eq!(first(Box::pin(bytes)).await, b'b');
        assert_eq!(
            first::<Pin<Box<dyn AsyncRead + Send>>>(Box::pin(bytes)).await,
            b'b'
        );
        let mut out: Pin<Box<dyn AsyncWrite + Send>> = Box::pin(Vec::new());
        assert!(out.is_write_vectored());
        poll_fn(|cx| out.as_mut().poll_write(cx, b"abc"))
            .await
            .unwrap();
    });
}
