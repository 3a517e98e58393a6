//! The feature `hyper`, from end to end.
#![cfg(feature = "hyper")]

use std::convert::Infallible;
use std::pin::Pin;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor, Timer};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loxley::hyper::{LoxleyExecutor, LoxleyIo, LoxleyTimer};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a whole body")
        .to_bytes();
    Ok(Response::new(Full::new(body)))
}

/// `patience`: how long a client may take for its header.
async fn serve(listener: TcpListener, patience: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(LoxleyTimer::new())
            .header_read_timeout(patience)
            .serve_connection(LoxleyIo::new(stream), service_fn(echo));
        LoxleyExecutor::new().execute(async move {
            let _ = connection.await;
        });
    }
}

#[loxley::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_over_one_kept_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    loxley::spawn(serve(listener, Duration::from_secs(3600)));

    let stream = LoxleyIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let connection = loxley::spawn(connection);
    for len in [0, 1, 5000, 1 << 20] {
        let body = Bytes::from(vec![b'x'; len]);
        let request = Request::post("/")
            .header("host", "here")
            .body(Full::new(body.clone()));
        sender.ready().await.unwrap();
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
    drop(sender);
    connection.await.unwrap().unwrap();
}

#[loxley::test]
async fn a_client_that_sends_its_header_slowly_is_cut_off_by_the_timer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    // Before anybody serves: what is sent to a server that has given up ends in a reset.
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: he")
        .await
        .unwrap();
    loxley::spawn(serve(listener, Duration::from_millis(20)));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}

#[loxley::test]
async fn a_timer_can_be_set_anew() {
    let timer = LoxleyTimer::new();
    let mut sleep = timer.sleep(Duration::from_secs(3600));
    let place: *const dyn hyper::rt::Sleep = &*sleep;
    let deadline = Instant::now() + Duration::from_millis(2);
    timer.reset(&mut sleep, deadline);
    assert!(
        std::ptr::addr_eq(place, &*sleep),
        "a sleep of ours is reset in place"
    );
    sleep.await;
    assert!(Instant::now() >= deadline);

    let until = timer.now() + Duration::from_millis(2);
    timer.sleep_until(until).await;
    assert!(Instant::now() >= until);
}

/// An upgraded connection is a stream of hyper's; wrapped, it is one of ours.
#[loxley::test]
async fn a_stream_of_hypers_reads_and_writes_as_ours() {
    let (near, mut far) = loxley::io::duplex(64);
    let theirs: Pin<Box<dyn ReadWrite>> = Box::pin(LoxleyIo::new(near));
    let mut near = LoxleyIo::new(theirs);
    near.write_all(b"out").await.unwrap();
    far.write_all(b"in").await.unwrap();
    let (mut two, mut three) = ([0; 2], [0; 3]);
    near.read_exact(&mut two).await.unwrap();
    far.read_exact(&mut three).await.unwrap();
    assert_eq!((&two, &three), (b"in", b"out"));
}

trait ReadWrite: hyper::rt::Read + hyper::rt::Write + Send {}
impl<T: hyper::rt::Read + hyper::rt::Write + Send> ReadWrite for T {}
