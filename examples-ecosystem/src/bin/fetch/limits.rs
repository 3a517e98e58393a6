//! Limits on time, on requests at a time, and on the body: the fetcher's own laws.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ecosystem::{Outcome, law, soon};
use flate2::{Compression, write::GzEncoder};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::fetcher::{Error, Fetcher, Limits, Phase};
use crate::origin::Origin;
use crate::session;

/// Short enough to wait for; nothing here must happen within it.
const SHORT: Duration = Duration::from_millis(100);

pub async fn laws() -> Outcome {
    a_late_request_names_its_phase().await?;
    a_place_is_freed_on_errors_and_given_in_order().await?;
    the_limit_holds().await?;
    a_bomb_is_cut_off().await
}

/// Answers according to the path, and tells of each request.
async fn origin() -> Outcome<(Origin, mpsc::UnboundedReceiver<String>, Arc<Semaphore>)> {
    let (seen, requests) = mpsc::unbounded_channel();
    let door = Arc::new(Semaphore::new(0));
    let key = door.clone();
    let origin = Origin::start(move |mut peer| {
        let (seen, door) = (seen.clone(), door.clone());
        async move {
            while let Some(head) = peer.head().await? {
                seen.send(head.target.clone())?;
                match head.target.as_str() {
                    "/silent" => peer.gone().await,
                    "/half" => {
                        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                            .await?;
                        peer.gone().await;
                    }
                    _ => {
                        door.acquire().await?.forget();
                        peer.answer("200 OK", "", &head.target).await?;
                    }
                }
            }
            Ok(())
        }
    })
    .await?;
    Ok((origin, requests, key))
}

async fn a_late_request_names_its_phase() -> Outcome {
    let (origin, mut requests, door) = origin().await?;
    let limits = Limits {
        at_once: 1,
        total: SHORT,
        ..Limits::default()
    };
    let fetcher = Fetcher::new(session()?, limits)?;

    let late = |error: Result<_, Error>, phase| match error {
        Err(Error::Late(got)) => assert_eq!(got, phase),
        other => panic!("{other:?} instead of being late in {phase:?}"),
    };
    late(
        soon("the limit", fetcher.get(origin.url("/silent"))).await,
        Phase::Answer,
    );
    // On a slow machine even half an answer may take longer than the limit, which is then too short for this law.
    let mut total = Duration::from_millis(500);
    let half = loop {
        let half = fetcher.client().get(origin.url("/half"));
        match soon("the limit", fetcher.fetch_within(half, total)).await {
            Err(Error::Late(Phase::Answer)) => total *= 4,
            other => break other,
        }
    };
    late(half, Phase::Body);

    // A port whose queue is full answers no connect.
    let full = full_port().await?;
    let connect = Limits {
        connect: SHORT,
        ..Limits::default()
    };
    let connect = Fetcher::new(session()?, connect)?;
    late(
        soon("the limit", connect.get(format!("http://{}", full.0))).await,
        Phase::Connect,
    );

    // One that waits in the queue is late there, and leaves no ghost in it.
    let one = Limits {
        at_once: 1,
        ..Limits::default()
    };
    let patient = Arc::new(Fetcher::new(session()?, one)?);
    let first = tokio::spawn({
        let (patient, url) = (patient.clone(), origin.url("/first"));
        async move { patient.get(url).await }
    });
    while soon("the first request", requests.recv()).await.as_deref() != Some("/first") {}
    let ghost = patient.client().get(origin.url("/ghost"));
    late(
        soon("the limit", patient.fetch_within(ghost, SHORT)).await,
        Phase::Queue,
    );
    door.add_permits(2);
    assert_eq!(soon("the first answer", first).await??.text(), "/first");
    assert_eq!(
        soon("the next", patient.get(origin.url("/next")))
            .await?
            .text(),
        "/next"
    );
    assert_eq!(
        requests.recv().await.as_deref(),
        Some("/next"),
        "the ghost was never sent"
    );
    law(
        "C29",
        "fetcher",
        "waiting counts; who expires leaves the queue; the error names the phase",
    );
    Ok(())
}

async fn a_place_is_freed_on_errors_and_given_in_order() -> Outcome {
    let (origin, mut requests, door) = origin().await?;
    let fetcher = Arc::new(Fetcher::new(
        session()?,
        Limits {
            at_once: 1,
            ..Limits::default()
        },
    )?);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listener.local_addr()?
    };
    for _ in 0..5 {
        let error = soon("the refusal", fetcher.get(format!("http://{closed}"))).await;
        assert!(matches!(error, Err(Error::Client(error)) if error.is_connect()));
    }
    let mut all = Vec::new();
    for number in 0..10 {
        let (fetcher, url) = (fetcher.clone(), origin.url(&format!("/{number}")));
        let mut fetch = Box::pin(async move { fetcher.get(url).await });
        // Polled once it stands in the queue, behind all before it.
        assert!(futures_util::poll!(&mut fetch).is_pending());
        all.push(tokio::spawn(fetch));
    }
    door.add_permits(10);
    for (number, fetch) in all.into_iter().enumerate() {
        assert_eq!(
            soon("an answer", fetch).await??.text(),
            format!("/{number}")
        );
        assert_eq!(
            requests.recv().await,
            Some(format!("/{number}")),
            "first come, first served"
        );
    }
    law(
        "C30",
        "fetcher",
        "a place is freed on errors too, and given first come, first served",
    );
    Ok(())
}

async fn the_limit_holds() -> Outcome {
    let (origin, mut requests, door) = origin().await?;
    let fetcher = Arc::new(Fetcher::new(
        session()?,
        Limits {
            at_once: 4,
            ..Limits::default()
        },
    )?);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (fetcher, url) = (fetcher.clone(), origin.url(&format!("/{number}")));
        all.spawn(async move { fetcher.get(url).await });
    }
    // The four that are under way wait at the door: a fifth is not sent until one of them has its answer.
    let mut sent = 0;
    for answered in 0..40_usize {
        while sent < (answered + 4).min(40) {
            soon("a request", requests.recv()).await;
            sent += 1;
        }
        assert!(requests.try_recv().is_err(), "more than four are under way");
        door.add_permits(1);
        soon("an answer", all.join_next())
            .await
            .ok_or("all have ended")???;
    }
    println!("limit: 40 requests, four at a time");
    Ok(())
}

async fn a_bomb_is_cut_off() -> Outcome {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..16 {
        gzip.write_all(&zeros)?;
    }
    let bomb = Arc::new(gzip.finish()?);
    assert!(bomb.len() < 1 << 20, "compressed it is short");
    let origin = Origin::start(move |mut peer| {
        let bomb = bomb.clone();
        async move {
            while let Some(head) = peer.head().await? {
                assert!(
                    head.header("accept-encoding")
                        .is_some_and(|it| it.contains("gzip"))
                );
                peer.answer("200 OK", "content-encoding: gzip\r\n", &*bomb)
                    .await?;
            }
            Ok(())
        }
    })
    .await?;
    let limits = |body| Limits {
        body,
        ..Limits::default()
    };
    let small = Fetcher::new(session()?, limits(1 << 20))?;
    let error = soon("the end", small.get(origin.url("/"))).await;
    assert!(matches!(error, Err(Error::TooLong)), "{error:?}");
    let large = Fetcher::new(session()?, limits(16 << 20))?;
    let body = soon("the body", large.get(origin.url("/"))).await?.body;
    assert_eq!(body.len(), 16 << 20);
    law(
        "C33",
        "fetcher",
        "the limit on the body counts decompressed bytes",
    );
    Ok(())
}

/// A port that answers no further connect, for as long as the streams live.
pub async fn full_port() -> Outcome<(std::net::SocketAddr, Vec<tokio::task::JoinHandle<()>>)> {
    let listener = tokio::net::TcpSocket::new_v4()?;
    listener.bind("127.0.0.1:0".parse()?)?;
    fill(listener.listen(1)?).await
}

/// Fills the queue of a listener that nobody accepts from.
pub async fn fill(
    listener: TcpListener,
) -> Outcome<(std::net::SocketAddr, Vec<tokio::task::JoinHandle<()>>)> {
    let address = listener.local_addr()?;
    let listener = Arc::new(listener);
    let mut fillers = Vec::new();
    loop {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(500), connect).await {
            Ok(stream) => {
                let (stream, listener) = (stream?, listener.clone());
                fillers.push(tokio::spawn(async move {
                    let _held = (stream, listener);
                    std::future::pending().await
                }));
            }
            // The queue is full: the system no longer answers.
            Err(_) => return Ok((address, fillers)),
        }
    }
}
