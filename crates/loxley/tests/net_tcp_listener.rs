//! What a TCP listener promises.

mod kit;

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kit::on_every_runtime;
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpSocket, TcpStream};
use loxley::runtime::Handle;

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_dropped_accept_future_loses_no_connection() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(poll_once(listener.accept()).is_pending());
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        // Dropped without a poll, after the connection is there.
        drop(listener.accept());
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());

        // Dropped after it was polled and woken.
        let waiting = loxley::spawn(async move {
            let listener = Arc::new(listener);
            let other = Arc::clone(&listener);
            let accepting = loxley::spawn(async move { other.accept().await.map(drop) });
            loxley::task::yield_now().await;
            accepting.abort();
            let _ = accepting.await;
            listener
        });
        let listener = waiting.await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn eight_tasks_may_await_accept_on_one_listener() {
    on_every_runtime(|| async {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let acceptors: Vec<_> = (0..8)
            .map(|_| {
                let listener = Arc::clone(&listener);
                loxley::spawn(async move { listener.accept().await.unwrap().1 })
            })
            .collect();
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut accepted: Vec<SocketAddr> = Vec::new();
        for acceptor in acceptors {
            accepted.push(acceptor.await.unwrap());
        }
        let mut connected: Vec<_> = clients
            .iter()
            .map(|client| client.local_addr().unwrap())
            .collect();
        accepted.sort();
        connected.sort();
        assert_eq!(accepted, connected);
    });
}

#[test]
fn an_accept_can_be_polled_by_hand() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(
            poll_fn(|cx| Poll::Ready(listener.poll_accept(cx)))
                .await
                .is_pending()
        );
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (_, peer) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn an_address_that_is_taken_is_an_error_that_says_so() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(
            TcpListener::bind(address).await.unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        // Of several addresses the first that can be bound is taken.
        let free: SocketAddr = ([127, 0, 0, 1], 0).into();
        let other = TcpListener::bind(&[address, free][..]).await.unwrap();
        assert_ne!(other.local_addr().unwrap(), address);
        let none: &[SocketAddr] = &[];
        assert_eq!(
            TcpListener::bind(none).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn a_listener_goes_to_the_standard_library_and_back() {
    on_every_runtime(|| async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        assert!(poll_once(listener.accept()).is_pending());
        let listener = TcpListener::try_from(listener.into_std().unwrap()).unwrap();
        listener.set_ttl(33).unwrap();
        assert_eq!(listener.ttl().unwrap(), 33);
        let address = listener.local_addr().unwrap();
        assert!(format!("{listener:?}").contains(&address.to_string()));
        TcpStream::connect(address).await.unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn a_socket_listens_with_the_options_it_was_given() {
    on_every_runtime(|| async {
        let socket = TcpSocket::new_v6().unwrap();
        let Ok(()) = socket.bind("[::1]:0".parse().unwrap()) else {
            return; // This machine has no IPv6.
        };
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        let client = TcpSocket::new_v6().unwrap().connect(address).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[loxley::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_worker_has_its_own_listener_and_no_connection_is_lost() {
    let listeners = TcpListener::bind_per_worker("127.0.0.1:0").await.unwrap();
    assert_eq!(listeners.len(), Handle::current().metrics().num_workers());
    let address = listeners[0].local_addr().unwrap();
    for listener in listeners {
        assert_eq!(listener.local_addr().unwrap(), address);
        loxley::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                loxley::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    loxley::io::copy(&mut reader, &mut writer).await
                });
            }
        });
    }
    for round in 0..64 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_u8(round).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), round);
    }
}

/// One listener, one task that accepts, all connections busy: their events are shared by the pollers.
#[loxley::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_connections_are_spread_over_the_pollers() {
    const CONNECTIONS: usize = 64;
    const TURNS: usize = 50;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = loxley::spawn(async move {
        let mut echoes = Vec::new();
        for _ in 0..CONNECTIONS {
            let (mut stream, _) = listener.accept().await.unwrap();
            echoes.push(loxley::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                loxley::io::copy(&mut reader, &mut writer).await.unwrap();
            }));
        }
        for echo in echoes {
            echo.await.unwrap();
        }
    });
    let metrics = Handle::current().metrics();
    let before = [metrics.worker_event_count(0), metrics.worker_event_count(1)];
    // The clients are no tasks of ours, so that the events counted are the server's.
    let clients: Vec<_> = (0..2)
        .map(|_| {
            std::thread::spawn(move || {
                use std::io::{Read, Write};
                let mut streams: Vec<_> = (0..CONNECTIONS / 2)
                    .map(|_| std::net::TcpStream::connect(address).unwrap())
                    .collect();
                for _ in 0..TURNS {
                    for stream in &mut streams {
                        stream.write_all(b"x").unwrap();
                    }
                    for stream in &mut streams {
                        stream.read_exact(&mut [0; 1]).unwrap();
                    }
                }
            })
        })
        .collect();
    server.await.unwrap();
    for client in clients {
        client.join().unwrap();
    }
    let served = [0, 1].map(|worker| metrics.worker_event_count(worker) - before[worker]);
    let most = served.iter().max().unwrap() * 100 / served.iter().sum::<u64>();
    assert!(
        most <= 65,
        "one worker served {most} % of the events: {served:?}"
    );
}
