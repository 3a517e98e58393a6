//! Fetches many pages: a few at a time, and none after the deadline.
//!
//! A `JoinSet` holds the fetches and gives their results. A semaphore lets so many of them work at a time. The deadline is
//! one for all, and it counts for a fetch that still waits for its turn too.
//!
//! `cargo run -p examples --example fetch` fetches from a server of its own, and ends. The clock is paused for it: a
//! deadline passes as soon as nothing else is left to do, so that nobody has to wait for it.
//! `cargo run -p examples --example fetch -- 4 5000 example.org:80/ 127.0.0.1:8080/index.html` fetches four at a time,
//! within five seconds.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loxley::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BoundedStream, BufReader};
use loxley::net::connect::Connector;
use loxley::net::{TcpListener, TcpStream};
use loxley::sync::{Barrier, Semaphore};
use loxley::task::JoinSet;
use loxley::time::{Instant, timeout_at};

/// Bytes of the largest answer.
const LARGEST: u64 = 16 << 20;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[loxley::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [limit, deadline, urls @ ..] = &arguments[..] else {
        return check().await;
    };
    let deadline = Duration::from_millis(deadline.parse()?);
    for (url, result) in fetch_all(urls.to_vec(), limit.parse()?, deadline).await {
        match result {
            Ok(page) => println!("{url}: {} bytes", page.len()),
            Err(error) => println!("{url}: {error}"),
        }
    }
    Ok(())
}

/// Fetches `urls`, at most `limit` at a time.
async fn fetch_all(
    urls: Vec<String>,
    limit: usize,
    deadline: Duration,
) -> Vec<(String, Outcome<Vec<u8>>)> {
    let deadline = Instant::now() + deadline;
    let permits = Arc::new(Semaphore::new(limit));
    let connector = Connector::new();
    let mut fetches = JoinSet::new();
    for url in urls {
        let (permits, connector) = (Arc::clone(&permits), connector.clone());
        fetches.spawn(async move {
            let work = async {
                let _permit = permits.acquire().await?;
                fetch(&connector, &url).await
            };
            let result = timeout_at(deadline, work).await;
            let result = result.unwrap_or_else(|_| Err("not done by the deadline".into()));
            (url, result)
        });
    }
    fetches.join_all().await
}

/// What `host:port/path` has to say, over HTTP/1.0: the server closes behind its answer.
async fn fetch(connector: &Connector, url: &str) -> Outcome<Vec<u8>> {
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let mut stream = connector.connect(host, port.parse()?).await?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;

    let mut stream = BufReader::new(stream.take(LARGEST));
    let mut status = String::new();
    stream.read_line(&mut status).await?;
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("the answer is {:?}", status.trim_end()).into());
    }
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 && line != "\r\n" {
        line.clear();
    }
    let mut page = Vec::new();
    stream.read_to_end(&mut page).await?;
    Ok(page)
}

/// Of 32 pages 30 are there, one is missing and one never comes.
async fn check() -> Outcome {
    const LIMIT: usize = 5;
    loxley::time::pause();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let most = Arc::new(AtomicUsize::new(0));
    loxley::spawn(serve(listener, LIMIT, Arc::clone(&most)));

    let mut urls: Vec<_> = (0..30).map(|n| format!("{address}/{n}")).collect();
    urls.extend([format!("{address}/missing"), format!("{address}/never")]);
    let results = fetch_all(urls, LIMIT, Duration::from_secs(5)).await;

    let (pages, failures): (Vec<_>, Vec<_>) =
        results.iter().partition(|(_, result)| result.is_ok());
    for (url, result) in &failures {
        println!("{url}: {}", result.as_ref().expect_err("it failed"));
    }
    println!("{} pages, {:?} at a time", pages.len(), most);
    assert_eq!((pages.len(), failures.len()), (30, 2));
    assert_eq!(most.load(Ordering::SeqCst), LIMIT);
    Ok(())
}

/// Answers the first `meeting` requests only when all of them have come: whoever fetches one by one gets nothing.
async fn serve(listener: TcpListener, meeting: usize, most: Arc<AtomicUsize>) -> Outcome {
    let now = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(Barrier::new(meeting));
    for count in 0.. {
        let (stream, _) = listener.accept().await?;
        let (now, most, first) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&first));
        loxley::spawn(async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if count < meeting {
                first.wait().await;
            }
            answer(stream, &now).await
        });
    }
    Ok(())
}

async fn answer(stream: TcpStream, now: &AtomicUsize) -> Outcome {
    let stream = BoundedStream::new(stream, 4096, 4096);
    let request = stream.read_until(b"\r\n\r\n").await?;
    let request = String::from_utf8(request)?;
    let answer = match request.split(' ').nth(1) {
        Some("/missing") => "HTTP/1.0 404 Not Found\r\n\r\n".to_owned(),
        Some("/never") => std::future::pending().await,
        path => format!("HTTP/1.0 200 OK\r\n\r\nthis is {path:?}"),
    };
    // Before the last byte: whoever has the answer may begin the next fetch.
    now.fetch_sub(1, Ordering::SeqCst);
    Ok(stream.write_all(answer.as_bytes()).await?)
}
