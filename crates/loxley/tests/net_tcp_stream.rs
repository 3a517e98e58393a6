//! What a TCP stream promises.

mod kit;

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kit::on_every_runtime;
use loxley::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use loxley::net::{TcpListener, TcpSocket, TcpStream};
use loxley::time::{Duration, timeout};

/// Two ends of one connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

/// Returns once the end of what the other side sends has come, without reading anything.
async fn until_read_closed(stream: &TcpStream) {
    while !stream
        .ready(Interest::READABLE)
        .await
        .unwrap()
        .is_read_closed()
    {
        // Says "not ready after all", so that the next round waits for the next event.
        let _ = stream.try_io(Interest::READABLE, || {
            Err::<(), _>(ErrorKind::WouldBlock.into())
        });
    }
}

/// Polls a future once with a waker that does nothing.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn bytes_already_received_are_delivered_before_eof() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        near.write_all(b"last words").await.unwrap();
        near.shutdown().await.unwrap();
        until_read_closed(&far).await;

        // Every read is short, or the end.
        let mut buf = [0; 64];
        assert_eq!(far.read(&mut buf).await.unwrap(), 10);
        assert_eq!(&buf[..10], b"last words");
        assert_eq!(far.read(&mut buf).await.unwrap(), 0);
        assert_eq!(
            far.read(&mut buf).await.unwrap(),
            0,
            "the end stays the end"
        );
    });
}

#[test]
fn bytes_already_received_are_delivered_before_a_reset() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        near.write_all(b"last words").await.unwrap();
        near.set_zero_linger().unwrap();
        drop(near);
        until_read_closed(&far).await;

        let mut buf = [0; 64];
        assert_eq!(far.read(&mut buf).await.unwrap(), 10);
        assert_eq!(
            far.read(&mut buf).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    });
}

#[test]
fn eof_is_delivered_before_a_reset() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        near.write_all(b"x").await.unwrap();
        near.shutdown().await.unwrap();
        until_read_closed(&far).await;
        // Unread bytes on the closing side make the system send a reset behind the end.
        far.write_all(b"unwanted").await.unwrap();
        let mut one = [0; 1];
        near.peek(&mut one).await.unwrap();
        drop(near);

        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "x");
        // Sooner or later writing tells.
        while far.write(b"more").await.is_ok() {}
    });
}

/// Linux: bytes fewer than the buffer mean that there are no more for now.
#[cfg(target_os = "linux")]
#[test]
fn a_short_read_waits_without_asking_again() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        near.write_all(b"abc").await.unwrap();
        // A stream that never had to wait is not registered, and its operations are simply tried.
        far.readable().await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(far.read(&mut buf).await.unwrap(), 3);

        let mut asked = false;
        let result = far.try_io(Interest::READABLE, || {
            asked = true;
            Ok(())
        });
        assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(
            !asked,
            "the system was asked although it had said that there was no more"
        );

        near.write_all(b"de").await.unwrap();
        assert_eq!(far.read(&mut buf).await.unwrap(), 2);
        // A read that fills its buffer says nothing about what is left.
        near.write_all(b"fgh").await.unwrap();
        assert_eq!(far.read(&mut buf[..2]).await.unwrap(), 2);
        assert_eq!(far.read(&mut buf[..2]).await.unwrap(), 1);
    });
}

#[test]
fn more_than_the_system_buffers_gets_through_in_both_directions() {
    on_every_runtime(|| async {
        const LEN: usize = 8 << 20;
        async fn both(stream: TcpStream, seed: u8) {
            let (mut reader, mut writer) = stream.into_split();
            let writing = loxley::spawn(async move {
                let bytes: Vec<u8> = (0..LEN).map(|i| (i % 251) as u8 ^ seed).collect();
                writer.write_all(&bytes).await.unwrap();
            });
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.unwrap();
            writing.await.unwrap();
            assert_eq!(bytes.len(), LEN);
            let other = seed ^ 0xFF;
            assert!(
                bytes
                    .iter()
                    .enumerate()
                    .all(|(i, byte)| *byte == (i % 251) as u8 ^ other)
            );
        }
        let (near, far) = pair().await;
        let near = loxley::spawn(both(near, 0x00));
        let far = loxley::spawn(both(far, 0xFF));
        near.await.unwrap();
        far.await.unwrap();
    });
}

#[test]
fn vectored_operations_keep_the_order() {
    on_every_runtime(|| async {
        let (mut near, far) = pair().await;
        let bufs = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(near.write_vectored(&bufs).await.unwrap(), 5);
        near.writable().await.unwrap();
        assert_eq!(
            near.try_write_vectored(&[IoSlice::new(b"f"), IoSlice::new(b"g")])
                .unwrap(),
            2
        );

        let mut all = Vec::new();
        while all.len() < 7 {
            let (mut one, mut two) = ([0; 2], [0; 3]);
            far.readable().await.unwrap();
            let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
            match far.try_read_vectored(&mut bufs) {
                Ok(len) => all.extend([&one[..], &two[..]].concat().drain(..len)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(all, b"abcdefg");
    });
}

#[test]
fn a_try_operation_never_waits() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let mut buf = Vec::with_capacity(8);
        assert_eq!(
            far.try_read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(
            far.try_read_buf(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        while near.try_write(&[7; 1 << 16]).is_ok() {}
        assert_eq!(
            near.try_write(b"x").unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        far.readable().await.unwrap();
        assert!(far.try_read_buf(&mut buf).unwrap() > 0);
        assert!(buf.iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_peek_leaves_the_bytes_where_they_are() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        near.write_all(b"abc").await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(far.peek(&mut buf).await.unwrap(), 3);
        let mut two = [0; 2];
        let mut two = ReadBuf::new(&mut two);
        assert_eq!(poll_fn(|cx| far.poll_peek(cx, &mut two)).await.unwrap(), 2);
        assert_eq!(two.filled(), b"ab");
        assert_eq!(far.read(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn a_dropped_read_loses_no_bytes() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert!(poll_once(far.read(&mut buf)).is_pending());
        }
        assert!(
            timeout(Duration::from_millis(1), far.read(&mut buf))
                .await
                .is_err()
        );
        near.write_all(b"abc").await.unwrap();
        assert_eq!(far.read(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn any_number_of_tasks_may_wait_for_one_stream() {
    on_every_runtime(|| async {
        let (mut near, far) = pair().await;
        let far = Arc::new(far);
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let far = Arc::clone(&far);
                loxley::spawn(async move {
                    let mut byte = [0; 1];
                    far.async_io(Interest::READABLE, || far.try_read(&mut byte))
                        .await
                        .unwrap();
                    byte[0]
                })
            })
            .collect();
        near.write_all(&[1, 2, 3, 4, 5, 6, 7, 8]).await.unwrap();
        let mut sum = 0;
        for task in waiting {
            sum += task.await.unwrap();
        }
        assert_eq!(sum, 36);
    });
}

#[test]
fn dropping_the_owned_writing_half_sends_the_end() {
    on_every_runtime(|| async {
        let (near, mut far) = pair().await;
        let (mut reader, writer) = near.into_split();
        drop(writer);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
        far.write_all(b"still open").await.unwrap();
        drop(far);
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "still open");
    });
}

#[test]
fn forgetting_the_owned_writing_half_does_not_send_the_end() {
    on_every_runtime(|| async {
        let (near, mut far) = pair().await;
        let (reader, writer) = near.into_split();
        writer.forget();
        assert!(poll_once(far.read(&mut [0; 8])).is_pending());
        drop(reader);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn only_halves_of_one_stream_can_be_put_together() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let (near_reader, near_writer) = near.into_split();
        let (far_reader, far_writer) = far.into_split();
        let error = near_reader.reunite(far_writer).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tried to reunite halves that are not from the same socket"
        );
        let loxley::net::tcp::ReuniteError(near_reader, far_writer) = error;
        let mut near = near_writer.reunite(near_reader).unwrap();
        let mut far = far_reader.reunite(far_writer).unwrap();
        near.write_all(b"whole").await.unwrap();
        let mut word = [0; 5];
        far.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"whole");
    });
}

#[test]
fn borrowed_halves_read_and_write_in_one_task() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair().await;
        let (mut reader, mut writer) = far.split();
        near.write_all(b"there").await.unwrap();
        near.shutdown().await.unwrap();
        loxley::io::copy(&mut reader, &mut writer).await.unwrap();
        assert_eq!(reader.local_addr().unwrap(), writer.local_addr().unwrap());
        drop(far);
        let mut text = String::new();
        near.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "there");
    });
}

#[test]
fn a_refused_connection_is_an_error_that_says_so() {
    on_every_runtime(|| async {
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn of_several_addresses_the_first_that_answers_is_taken() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let refused = {
            let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
            other.local_addr().unwrap()
        };
        let stream = TcpStream::connect(&[refused, open][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let none: &[SocketAddr] = &[];
        assert_eq!(
            TcpStream::connect(none).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn names_are_looked_up_and_bad_ones_are_errors() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let found: Vec<_> = loxley::net::lookup_host(("localhost", port))
            .await
            .unwrap()
            .collect();
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == port)
        );
        TcpStream::connect(format!("localhost:{port}"))
            .await
            .unwrap();
        TcpStream::connect((String::from("127.0.0.1"), port))
            .await
            .unwrap();
        assert!(TcpStream::connect("no port here").await.is_err());
    });
}

#[test]
fn a_stream_goes_to_the_standard_library_and_back() {
    on_every_runtime(|| async {
        let (mut near, far) = pair().await;
        let far = far.into_std().unwrap();
        // A blocking stream would block its worker: it is made non-blocking.
        far.set_nonblocking(false).unwrap();
        let mut far = TcpStream::from_std(far).unwrap();
        assert!(poll_once(far.read(&mut [0; 8])).is_pending());
        near.write_all(b"abc").await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 3);
        near.write_all(b"def").await.unwrap();
        assert_eq!(
            TcpStream::try_from(far.into_std().unwrap())
                .unwrap()
                .read(&mut [0; 8])
                .await
                .unwrap(),
            3
        );
    });
}

#[test]
fn options_come_back_as_they_were_set() {
    on_every_runtime(|| async {
        let (near, _far) = pair().await;
        for on in [true, false] {
            near.set_nodelay(on).unwrap();
            assert_eq!(near.nodelay().unwrap(), on);
        }
        near.set_ttl(42).unwrap();
        assert_eq!(near.ttl().unwrap(), 42);
        near.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(near.linger().unwrap(), Some(Duration::from_secs(3)));
        near.set_linger(None).unwrap();
        assert_eq!(near.linger().unwrap(), None);
        #[cfg(target_os = "linux")]
        {
            near.set_quickack(false).unwrap();
            assert!(!near.quickack().unwrap());
        }
        assert!(near.take_error().unwrap().is_none());

        let socket = TcpSocket::new_v4().unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.set_reuseport(true).unwrap();
        socket.set_nodelay(true).unwrap();
        assert!(socket.keepalive().unwrap() && socket.reuseaddr().unwrap());
        assert!(socket.reuseport().unwrap() && socket.nodelay().unwrap());
        socket.set_send_buffer_size(1 << 16).unwrap();
        assert!(socket.send_buffer_size().unwrap() >= 1 << 16);
        socket.set_recv_buffer_size(1 << 16).unwrap();
        assert!(socket.recv_buffer_size().unwrap() >= 1 << 16);
    });
}

/// A late event of a closed socket must not reach the next one with its number (C21).
#[test]
fn a_descriptor_that_is_used_again_gets_its_own_events_only() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = loxley::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                loxley::spawn(async move {
                    let mut byte = [0; 1];
                    while let Ok(1) = stream.read(&mut byte).await {
                        stream.write_all(&byte).await.unwrap();
                    }
                });
            }
        });
        for round in 0..300_u32 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let sent = [round as u8];
            stream.write_all(&sent).await.unwrap();
            let mut byte = [0; 1];
            // Another task, maybe another worker: the registration goes along.
            let (byte, stream) = loxley::spawn(async move {
                stream.read_exact(&mut byte).await.unwrap();
                (byte, stream)
            })
            .await
            .unwrap();
            assert_eq!(byte, sent);
            stream.set_zero_linger().unwrap();
        }
        server.abort();
    });
}

#[test]
fn a_task_over_a_stream_that_always_has_data_lets_others_run() {
    on_every_runtime(|| async {
        let (near, mut far) = pair().await;
        while near.try_write(&[7; 1 << 16]).is_ok() {}
        let greedy = loxley::spawn(async move {
            let mut byte = [0; 1];
            while far.read(&mut byte).await.is_ok() {}
        });
        // One worker: this runs only if the task above gives way, for its data lasts for seconds.
        loxley::spawn(async {}).await.unwrap();
        assert!(!greedy.is_finished());
        greedy.abort();
    });
}

mod futures_io {
    use super::pair;
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};

    #[loxley::test]
    async fn streams_and_halves_speak_futures_io() {
        let (mut near, far) = pair().await;
        near.write_all(b"hello").await.unwrap();
        AsyncWriteExt::close(&mut near).await.unwrap();
        let (mut reader, mut writer) = far.into_split();
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        writer.write_all(b"and back").await.unwrap();
        writer.close().await.unwrap();
        let mut bytes = Vec::new();
        near.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"and back");
    }
}
