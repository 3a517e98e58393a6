//! hyper-util's server that tells HTTP/1 from HTTP/2 by the first bytes, its pooled client, and its graceful shutdown.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use ecosystem::{Outcome, proof, soon};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

#[tokio::main]
async fn main() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let entered = Arc::new(Semaphore::new(0));
    let server = tokio::spawn(serve(
        listener,
        stop.clone(),
        entered.clone(),
        finish.clone(),
    ));

    let one = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(HttpConnector::new());
    let two = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .build::<_, Full<Bytes>>(HttpConnector::new());
    for (client, version) in [(&one, Version::HTTP_11), (&two, Version::HTTP_2)] {
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..200_usize {
            let client = client.clone();
            calls.spawn(async move {
                let body = Full::from(vec![b'x'; number * 100]);
                let request = Request::post(format!("http://{address}/")).body(body)?;
                let answer = client.request(request).await?;
                let got = answer.version();
                Outcome::Ok((number, got, answer.into_body().collect().await?.to_bytes()))
            });
        }
        while let Some(call) = soon("an answer", calls.join_next()).await {
            let (number, got, body) = call??;
            assert_eq!(
                (got, body),
                (version, Bytes::from(format!("{} bytes", number * 100)))
            );
        }
        println!("{version:?}: 200 requests at once on one port");
    }

    let last = [one, two].map(|client| {
        let request = Request::get(format!("http://{address}/finish")).body(Full::default());
        tokio::spawn(async move {
            Outcome::Ok(
                client
                    .request(request?)
                    .await?
                    .into_body()
                    .collect()
                    .await?
                    .to_bytes(),
            )
        })
    });
    soon("both of the last", entered.acquire_many(2))
        .await?
        .forget();
    stop.notify_one();
    finish.notify_waiters();
    for last in last {
        assert_eq!(soon("a last answer", last).await??, "finished");
    }
    soon("the server's end", server).await??;
    println!("graceful shutdown: both requests under way were answered");

    proof();
    Ok(())
}

async fn serve(
    listener: TcpListener,
    stop: Arc<Notify>,
    entered: Arc<Semaphore>,
    finish: Arc<Notify>,
) -> Outcome {
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            () = stop.notified() => break,
        };
        let (entered, finish) = (entered.clone(), finish.clone());
        let service = service_fn(move |request| answer(request, entered.clone(), finish.clone()));
        let builder = auto::Builder::new(TokioExecutor::new());
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        tokio::spawn(graceful.watch(connection));
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    entered: Arc<Semaphore>,
    finish: Arc<Notify>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/finish" {
        let finished = finish.notified();
        tokio::pin!(finished);
        // From here on no notification is missed.
        finished.as_mut().enable();
        entered.add_permits(1);
        finished.await;
        return Ok(Response::new("finished".into()));
    }
    let body = request
        .into_body()
        .collect()
        .await
        .map_or(0, |body| body.to_bytes().len());
    Ok(Response::new(format!("{body} bytes").into()))
}
