//! Streams of ours under real tokio's helpers, and the other way round.

#![cfg(feature = "tokio-io")]

mod kit;

use kit::on_every_runtime;
use loxley::compat::Tokio;
use loxley::net::{TcpListener, TcpStream, UnixStream};

#[test]
fn tokio_reads_and_writes_our_sockets() {
    on_every_runtime(|| async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let echo = loxley::spawn(async move {
            let (mut reader, mut writer) = far.into_split();
            tokio::io::copy(&mut reader, &mut writer).await
        });
        near.write_all(b"hello").await.unwrap();
        near.shutdown().await.unwrap();
        let mut text = String::new();
        near.read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), echo.await.unwrap().unwrap()), ("hello", 5));
    });
}

#[test]
fn our_helpers_read_and_write_tokios_streams() {
    on_every_runtime(|| async {
        use loxley::io::{AsyncBufReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
        let (near, far) = tokio::io::duplex(64);
        let (mut near, far) = (Tokio::new(near), Tokio::new(far));
        near.write_all(b"one\ntwo\n").await.unwrap();
        drop(near);
        let mut lines = loxley::io::BufReader::new(far).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("one"));
        let mut cursor = Tokio::new(std::io::Cursor::new(b"0123".to_vec()));
        // A cursor is a stream in both worlds, so the trait is named.
        let place = AsyncSeekExt::seek(&mut cursor, SeekFrom::End(-1)).await;
        assert_eq!(place.unwrap(), 3);
    });
}

#[test]
fn a_stream_wrapped_twice_is_itself() {
    on_every_runtime(|| async {
        use loxley::io::{AsyncReadExt, AsyncWriteExt};
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Tokio::new(Tokio::new(near));
        AsyncWriteExt::write_all(&mut far, b"x").await.unwrap();
        assert_eq!(AsyncReadExt::read_u8(&mut near).await.unwrap(), b'x');
    });
}
