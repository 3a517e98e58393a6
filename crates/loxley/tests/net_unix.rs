//! What unix sockets promise.

mod kit;

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;

use kit::{Folder, on_every_runtime, poll_once};
use loxley::io::{AsyncReadExt, AsyncWriteExt, Interest};
use loxley::net::{TcpSocket, UnixDatagram, UnixListener, UnixSocket, UnixStream};

#[test]
fn a_listener_hands_out_connected_streams() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = folder.join("service");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let echo = loxley::spawn(async move {
            let (mut stream, from) = listener.accept().await.unwrap();
            assert!(from.is_unnamed());
            let (mut reader, mut writer) = stream.split();
            loxley::io::copy(&mut reader, &mut writer).await.unwrap()
        });
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), echo.await.unwrap()), ("hello", 5));
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
    });
}

#[test]
fn a_path_need_not_be_utf8() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = folder.join(OsStr::from_bytes(b"caf\xe9\xff"));
        let listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
        drop(listener);
        let datagram = UnixDatagram::bind(folder.join(OsStr::from_bytes(b"\xfe"))).unwrap();
        let from = UnixDatagram::unbound().unwrap();
        from.send_to(b"x", folder.join(OsStr::from_bytes(b"\xfe")))
            .await
            .unwrap();
        let (len, sender) = datagram.recv_from(&mut [0; 8]).await.unwrap();
        assert!(len == 1 && sender.is_unnamed());
    });
}

#[test]
fn a_bad_path_is_an_error() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let nothing = UnixStream::connect(folder.join("nothing"))
            .await
            .unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::NotFound);
        let long = "x".repeat(200);
        let long = UnixListener::bind(folder.join(long)).unwrap_err();
        assert_eq!(long.kind(), ErrorKind::InvalidInput);
        let path = folder.join("twice");
        let _first = UnixListener::bind(&path).unwrap();
        let second = UnixListener::bind(&path).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        let zero = UnixDatagram::bind(OsStr::from_bytes(b"a\0b")).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        std::fs::write(folder.join("file"), b"").unwrap();
        let refused = UnixStream::connect(folder.join("file")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_needs_no_file() {
    on_every_runtime(|| async {
        let name = format!("\0loxley-{}-{:p}", std::process::id(), &());
        let listener = UnixListener::bind(&name).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert_eq!(address.as_pathname(), None);
        let stream = UnixStream::connect_addr(&address).await.unwrap();
        let peer = stream.peer_addr().unwrap();
        assert_eq!(peer.as_abstract_name(), address.as_abstract_name());
        let again: std::os::unix::net::SocketAddr = address.into();
        assert_eq!(
            UnixListener::bind_addr(&again.into()).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
    });
}

#[test]
fn a_stream_without_a_name_cannot_be_connected_to() {
    on_every_runtime(|| async {
        let (near, _far) = UnixStream::pair().unwrap();
        let address = near.local_addr().unwrap();
        assert!(address.is_unnamed());
        let error = UnixStream::connect_addr(&address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_vouches_for_the_peer() {
    on_every_runtime(|| async {
        let (near, _far) = UnixStream::pair().unwrap();
        let peer = near.peer_cred().unwrap();
        assert_eq!(peer.pid(), Some(std::process::id() as i32));
        assert_eq!(peer.uid(), rustix::process::getuid().as_raw());
        assert_eq!(peer.gid(), rustix::process::getgid().as_raw());
    });
}

#[test]
fn halves_go_together_again_or_come_back() {
    on_every_runtime(|| async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (other, _keep) = UnixStream::pair().unwrap();
        let (reader, writer) = near.into_split();
        let (other_reader, other_writer) = other.into_split();
        let error = reader.reunite(other_writer).unwrap_err();
        let error = loxley::net::unix::ReuniteError(error.0, error.1);
        let reader = error.0;
        drop(other_reader);
        let mut near = writer.reunite(reader).unwrap();
        near.write_all(b"whole").await.unwrap();
        let (reader, writer) = near.into_split();
        drop(writer);
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "whole", "dropping the writing half sends the end");
        far.write_all(b"back").await.unwrap();
        reader.readable().await.unwrap();
        assert_eq!(reader.try_read(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn datagrams_arrive_whole_and_in_order() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = folder.join("in");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let named = folder.join("out");
        let sender = UnixDatagram::bind(&named).unwrap();
        sender.connect(&path).unwrap();
        sender.send(b"one").await.unwrap();
        sender.try_send_to(b"two", &path).unwrap();
        sender.try_send(b"three").unwrap();

        let mut memory = Vec::with_capacity(64);
        let (len, from) = receiver.recv_buf_from(&mut memory).await.unwrap();
        assert_eq!((len, from.as_pathname()), (3, Some(&*named)));
        assert_eq!(receiver.recv_buf(&mut memory).await.unwrap(), 3);
        let (len, _) = receiver.try_recv_buf_from(&mut memory).unwrap();
        assert_eq!((len, &memory[..]), (5, &b"onetwothree"[..]));
        let empty = receiver.try_recv_from(&mut [0; 8]).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock);
        assert!(poll_once(receiver.recv(&mut [0; 8])).is_pending());
    });
}

#[test]
fn a_full_receiver_makes_senders_wait() {
    on_every_runtime(|| async {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut sent = 0;
        while near.try_send(&[7; 512]).is_ok() {
            sent += 1;
        }
        assert!(poll_once(near.send(b"x")).is_pending());
        let sender = loxley::spawn(async move { near.send(b"last").await });
        let mut bytes = [0; 1024];
        for _ in 0..sent {
            assert_eq!(far.recv(&mut bytes).await.unwrap(), 512);
        }
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 4);
        assert_eq!(sender.await.unwrap().unwrap(), 4);
    });
}

#[test]
fn a_shut_down_datagram_socket_sends_no_more() {
    on_every_runtime(|| async {
        let (near, far) = UnixDatagram::pair().unwrap();
        near.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(
            near.send(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        drop(far);
        assert!(near.send(b"x").await.is_err());
    });
}

#[test]
fn a_socket_becomes_what_it_was_made_for() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = folder.join("socket");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(4).unwrap();
        let client = UnixSocket::new_stream().unwrap();
        // Owned descriptors go out and in again.
        // SAFETY: `into_raw_fd` has given the descriptor away, to us.
        let client = unsafe { UnixSocket::from_raw_fd(client.into_raw_fd()) };
        let client = client.connect(&path).await.unwrap();
        listener.accept().await.unwrap();
        client.writable().await.unwrap();

        let datagram = UnixSocket::new_datagram().unwrap().datagram().unwrap();
        assert!(datagram.send(b"x").await.is_err());
        assert!(UnixSocket::new_datagram().unwrap().listen(4).is_err());
        assert!(
            UnixSocket::new_datagram()
                .unwrap()
                .connect(&path)
                .await
                .is_err()
        );
        assert!(UnixSocket::new_stream().unwrap().datagram().is_err());
    });
}

#[test]
fn a_tcp_socket_comes_from_a_descriptor() {
    on_every_runtime(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        // SAFETY: `into_raw_fd` has given the descriptor away, to us.
        let socket = unsafe { TcpSocket::from_raw_fd(socket.into_raw_fd()) };
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        assert!(socket.listen(1).unwrap().local_addr().is_ok());
    });
}

#[test]
fn streams_go_to_the_standard_library_and_back() {
    on_every_runtime(|| async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        assert_eq!(near.as_fd().as_raw_fd(), fd);
        let mut near = UnixStream::try_from(near.into_std().unwrap()).unwrap();
        near.write_all(b"again").await.unwrap();
        let mut bytes = [0; 5];
        far.read_exact(&mut bytes).await.unwrap();
        let ready = near.ready(Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable());
        let len = near.async_io(Interest::WRITABLE, || Ok(3)).await.unwrap();
        assert_eq!(len, 3);
    });
}

#[test]
fn a_listener_whose_queue_is_full_refuses_and_accepts_later() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = folder.join("full");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => {
                    assert!(stream.peer_addr().is_ok(), "connected to nobody");
                    waiting.push(stream);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        let (mut far, _) = listener.accept().await.unwrap();
        let mut near = waiting.remove(0);
        near.write_all(b"!").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'!');
        drop(UnixStream::connect(&path).await.unwrap());
    });
}
