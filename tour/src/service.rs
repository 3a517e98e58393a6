//! Services: what runs on the runtime.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use loxley::hyper::{LoxleyIo, LoxleyTimer};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};

use crate::protocol::GREETING;

/// A listener, or an error that says which address is the trouble and what to do.
pub(crate) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "Another program holds that port; `ss -ltnp 'sport = :{port}'` names it. \
                 Choose another port, or 0 for a free one."
            ),
            io::ErrorKind::AddrNotAvailable => {
                "That address is not one of this machine's; 127.0.0.1 always is.".into()
            }
            io::ErrorKind::PermissionDenied => {
                "Ports below 1024 are for the administrator; choose a higher one.".into()
            }
            _ => "Choose another address.".into(),
        };
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error}. {advice}"),
        )
    })
}

/// Sends everything back.
pub(crate) async fn echo(listener: TcpListener) {
    loop {
        let stream = accept(&listener).await;
        loxley::spawn(async move {
            // A client that goes away in the middle is no news.
            let _ = echo_one(stream).await;
        });
    }
}

async fn echo_one(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

/// Greets, by HTTP/1.1.
pub(crate) async fn http(listener: TcpListener) {
    loop {
        let stream = accept(&listener).await;
        loxley::spawn(async move {
            let connection = http1::Builder::new()
                .timer(LoxleyTimer::new())
                .pipeline_flush(true)
                .serve_connection(LoxleyIo::new(stream), service_fn(greet));
            let _ = connection.await;
        });
    }
}

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/") => (StatusCode::OK, GREETING),
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "there is only /\n"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}

/// The next connection; without a free descriptor it waits for one.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers should leave at once; a refusal costs latency and nothing else.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(_) => loxley::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The task of the second act: holds its worker's thread 100 ms of every 300.
pub(crate) async fn blocks_its_thread() {
    loop {
        std::thread::sleep(Duration::from_millis(100));
        loxley::time::sleep(Duration::from_millis(200)).await;
    }
}
