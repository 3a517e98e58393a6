//! What a UDP socket promises.

mod kit;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use kit::{on_every_runtime, poll_once};
use loxley::io::{Interest, ReadBuf};
use loxley::net::UdpSocket;

async fn pair() -> (UdpSocket, UdpSocket) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    near.connect(far.local_addr().unwrap()).await.unwrap();
    far.connect(near.local_addr().unwrap()).await.unwrap();
    (near, far)
}

#[test]
fn a_datagram_arrives_whole_whatever_way_it_is_received() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let from = near.local_addr().unwrap();
        let mut bytes = [0; 16];

        near.send(b"one").await.unwrap();
        assert_eq!(far.peek(&mut bytes).await.unwrap(), 3);
        assert_eq!(far.peek_from(&mut bytes).await.unwrap(), (3, from));
        assert_eq!(far.peek_sender().await.unwrap(), from);
        assert_eq!(far.try_peek_sender().unwrap(), from);
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 3);

        near.send(b"two").await.unwrap();
        assert_eq!(far.recv_from(&mut bytes).await.unwrap(), (3, from));

        near.send(b"three").await.unwrap();
        let mut memory = Vec::with_capacity(16);
        assert_eq!(far.recv_buf(&mut memory).await.unwrap(), 5);
        near.send(b"four").await.unwrap();
        let received = far.recv_buf_from(&mut memory).await.unwrap();
        assert_eq!((received, &memory[..]), ((4, from), &b"threefour"[..]));

        near.send(b"five").await.unwrap();
        let mut buf = ReadBuf::new(&mut bytes);
        poll_fn(|cx| far.poll_peek(cx, &mut buf)).await.unwrap();
        buf.clear();
        let sender = poll_fn(|cx| far.poll_peek_from(cx, &mut buf)).await;
        assert_eq!(sender.unwrap(), from);
        buf.clear();
        let sender = poll_fn(|cx| far.poll_recv_from(cx, &mut buf)).await;
        assert_eq!((sender.unwrap(), buf.filled()), (from, &b"five"[..]));
    });
}

#[test]
fn what_does_not_fit_into_the_buffer_is_lost() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        near.send(b"too long").await.unwrap();
        near.send(b"next").await.unwrap();
        let mut bytes = [0; 3];
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 3);
        let mut bytes = [0; 16];
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 4);
    });
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        near.send(b"").await.unwrap();
        near.send(b"next").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 0);
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 4);
        // A buffer without room takes the datagram all the same.
        near.send(b"lost").await.unwrap();
        near.send(b"next").await.unwrap();
        assert_eq!(far.recv(&mut []).await.unwrap(), 0);
        let mut bytes = ReadBuf::uninit(&mut []);
        poll_fn(|cx| far.poll_recv(cx, &mut bytes)).await.unwrap();
        assert_eq!(
            far.try_recv(&mut [0; 16]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    });
}

#[test]
fn trying_never_waits() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let mut bytes = [0; 16];
        let kind = |result: std::io::Result<usize>| result.unwrap_err().kind();
        assert_eq!(kind(far.try_recv(&mut bytes)), ErrorKind::WouldBlock);
        assert_eq!(kind(far.try_peek(&mut bytes)), ErrorKind::WouldBlock);
        assert_eq!(
            kind(far.try_recv_buf(&mut Vec::new())),
            ErrorKind::WouldBlock
        );
        assert_eq!(near.try_send(b"hello").unwrap(), 5);
        far.readable().await.unwrap();
        assert_eq!(far.try_recv_from(&mut bytes).unwrap().0, 5);
        near.writable().await.unwrap();
        assert_eq!(near.try_io(Interest::WRITABLE, || Ok(7)).unwrap(), 7);
    });
}

#[test]
fn every_datagram_goes_to_one_of_the_tasks_that_wait() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let far = Arc::new(far);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let far = far.clone();
                loxley::spawn(async move {
                    let mut bytes = [0; 16];
                    let len = far.recv(&mut bytes).await.unwrap();
                    bytes[..len].to_vec()
                })
            })
            .collect();
        for number in 0..8_u8 {
            near.send(&[number]).await.unwrap();
        }
        let mut received = Vec::new();
        for task in tasks {
            received.extend(task.await.unwrap());
        }
        received.sort_unstable();
        assert_eq!(received, (0..8).collect::<Vec<_>>());
    });
}

#[test]
fn a_dropped_receive_takes_no_datagram() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let mut bytes = [0; 16];
        assert!(poll_once(far.recv(&mut bytes)).is_pending());
        near.send(b"kept").await.unwrap();
        assert_eq!(far.recv(&mut bytes).await.unwrap(), 4);
    });
}

#[test]
fn a_refused_datagram_is_told_to_the_next_operation() {
    on_every_runtime(|| async {
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        near.connect(far.local_addr().unwrap()).await.unwrap();
        drop(far);
        near.send(b"nobody").await.unwrap();
        let error = near.recv(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(
            near.try_recv(&mut [0; 16]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    });
}

#[test]
fn without_an_address_nothing_is_sent() {
    on_every_runtime(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let error = socket.send_to(b"x", &[][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = socket.connect(&[][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(socket.peer_addr().is_err());
        assert!(socket.send(b"x").await.is_err());
    });
}

#[test]
fn options_are_kept() {
    on_every_runtime(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.set_ttl(42).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.ttl().unwrap(), 42);
        assert!(socket.broadcast().unwrap());
        assert!(!socket.multicast_loop_v4().unwrap());
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        assert!(socket.take_error().unwrap().is_none());
        let any = [0, 0, 0, 0].into();
        let not_multicast = [127, 0, 0, 1].into();
        assert!(socket.join_multicast_v4(not_multicast, any).is_err());
    });
}

#[test]
fn a_socket_goes_to_the_standard_library_and_back() {
    on_every_runtime(|| async {
        let (near, far) = pair().await;
        let fd = near.as_raw_fd();
        assert_eq!(near.as_fd().as_raw_fd(), fd);
        let near = near.into_std().unwrap();
        assert_eq!(near.as_raw_fd(), fd);
        let near = UdpSocket::try_from(near).unwrap();
        near.send(b"again").await.unwrap();
        assert_eq!(far.recv(&mut [0; 16]).await.unwrap(), 5);
    });
}

#[test]
#[should_panic(expected = "there is no runtime here")]
fn a_socket_made_outside_a_runtime_panics() {
    let std = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let _ = UdpSocket::from_std(std);
}
